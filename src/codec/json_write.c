/* SPDX-License-Identifier: Apache-2.0
 *
 * The writer keeps one bit of state: whether a comma is due. Runs of plain characters are copied whole.
 */
#include "codec/json_write.h"

#include <math.h>

#include "codec/utf8.h"

void json_init(struct json_writer *w, struct buf *dst)
{
    *w = (struct json_writer){.dst = dst};
}

static void before_value(struct json_writer *w)
{
    if (w->comma) {
        buf_add_byte(w->dst, ',');
    }
    w->comma = true;
}

static void open_with(struct json_writer *w, char c)
{
    before_value(w);
    buf_add_byte(w->dst, c);
    w->comma = false;
}

static void close_with(struct json_writer *w, char c)
{
    buf_add_byte(w->dst, c);
    w->comma = true;
}

void json_object_begin(struct json_writer *w)
{
    open_with(w, '{');
}

void json_object_end(struct json_writer *w)
{
    close_with(w, '}');
}

void json_array_begin(struct json_writer *w)
{
    open_with(w, '[');
}

void json_array_end(struct json_writer *w)
{
    close_with(w, ']');
}

/* Characters that go out as they are: printable ASCII but quote and backslash. */
static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 && c != '"' && c != '\\';
}

static void add_escape(struct buf *dst, char c)
{
    static const char HEX[] = "0123456789abcdef";
    static const char SHORT[] = "\b\t\n\f\r\"\\";
    static const char LETTER[] = "btnfr\"\\";
    const char *hit = c != '\0' ? strchr(SHORT, c) : NULL;

    if (hit != NULL) {
        buf_add_byte(dst, '\\');
        buf_add_byte(dst, LETTER[hit - SHORT]);
    } else {
        buf_add(dst, "\\u00", 4);
        buf_add_byte(dst, HEX[(unsigned char)c >> 4]);
        buf_add_byte(dst, HEX[c & 15]);
    }
}

/* What is left of a string from its first byte that is not plain. */
static void add_rest(struct buf *dst, struct str s)
{
    size_t i = 0;

    while (i < s.n) {
        size_t start = i;
        size_t len;

        while (i < s.n && is_plain(s.p[i])) {
            i++;
        }
        buf_add(dst, s.p + start, i - start);
        if (i == s.n) {
            break;
        }
        len = utf8_sequence(s.p + i, s.n - i);
        if (len == 0) {
            buf_add(dst, "\xEF\xBF\xBD", 3);
            i++;
        } else if (len == 1) {
            add_escape(dst, s.p[i]);
            i++;
        } else {
            buf_add(dst, s.p + i, len);
            i += len;
        }
    }
    buf_add_byte(dst, '"');
}

/* Bytes of a word that are not plain have their highest bit set in the result, and perhaps bytes behind them. */
static uint64_t not_plain(uint64_t w)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = w ^ ones * '"';
    uint64_t backslash = w ^ ones * '\\';

    return (w | (w - ones * 0x20) | (quote - ones) | (backslash - ones)) & ones * 0x80;
}

/* Copies until the first byte that is not plain. @return how many were */
static size_t copy_plain(char *to, struct str s)
{
    size_t i = 0;

    for (; s.n - i >= 8; i += 8) {
        uint64_t w;

        memcpy(&w, s.p + i, 8);
        if (not_plain(w) != 0) {
            break;
        }
        memcpy(to + i, &w, 8);
    }
    for (; i < s.n && is_plain(s.p[i]); i++) {
        to[i] = s.p[i];
    }
    return i;
}

/* Most strings are plain: room is made once for them. */
static void add_quoted(struct buf *dst, struct str s)
{
    char *to = s.n < SIZE_MAX - 2 ? buf_reserve(dst, s.n + 2) : NULL;
    size_t n;

    if (to == NULL) {
        dst->failed = true;
        return;
    }
    *to++ = '"';
    n = copy_plain(to, s);
    dst->n += n + 1;
    if (n < s.n) {
        add_rest(dst, str_drop(s, n));
        return;
    }
    to[n] = '"';
    dst->n++;
}

static void after_key(struct json_writer *w)
{
    buf_add_byte(w->dst, ':');
    w->comma = false;
}

void json_key(struct json_writer *w, const char *key)
{
    before_value(w);
    buf_add_byte(w->dst, '"');
    buf_add_cstr(w->dst, key);
    buf_add_byte(w->dst, '"');
    after_key(w);
}

void json_key_str(struct json_writer *w, struct str key)
{
    before_value(w);
    add_quoted(w->dst, key);
    after_key(w);
}

void json_member(struct json_writer *w, struct str key, struct str value)
{
    char *to = key.n < SIZE_MAX / 4 && value.n < SIZE_MAX / 4
                   ? buf_reserve(w->dst, key.n + value.n + 6)
                   : NULL;
    char *at = to;

    if (to != NULL) { /* room for all of it; what turns out not to be plain is written anew */
        if (w->comma) {
            *at++ = ',';
        }
        *at++ = '"';
        if (copy_plain(at, key) == key.n) {
            at += key.n;
            memcpy(at, "\":\"", 3);
            at += 3;
            if (copy_plain(at, value) == value.n) {
                at += value.n;
                *at++ = '"';
                w->dst->n += (size_t)(at - to);
                w->comma = true;
                return;
            }
        }
    }
    json_key_str(w, key);
    json_str(w, value);
}

void json_str(struct json_writer *w, struct str s)
{
    before_value(w);
    add_quoted(w->dst, s);
}

void json_cstr(struct json_writer *w, const char *s)
{
    json_str(w, str_cstr(s));
}

void json_i64(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_add_i64(w->dst, v);
}

void json_u64(struct json_writer *w, uint64_t v)
{
    before_value(w);
    buf_add_u64(w->dst, v);
}

void json_f64(struct json_writer *w, double v)
{
    before_value(w);
    if (isfinite(v)) {
        buf_add_f64(w->dst, v);
    } else {
        buf_add_cstr(w->dst, "null");
    }
}

void json_bool(struct json_writer *w, bool v)
{
    before_value(w);
    buf_add_cstr(w->dst, v ? "true" : "false");
}

void json_null(struct json_writer *w)
{
    before_value(w);
    buf_add_cstr(w->dst, "null");
}

void json_i64_str(struct json_writer *w, int64_t v)
{
    before_value(w);
    buf_add_byte(w->dst, '"');
    buf_add_i64(w->dst, v);
    buf_add_byte(w->dst, '"');
}

void json_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_add_str(w->dst, json);
}
