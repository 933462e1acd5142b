/* SPDX-License-Identifier: Apache-2.0
 *
 * Written against the Go language specification and the documentation of strconv; see gotext.h.
 */
#include "query/promql/gotext.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <wctype.h>

enum { RUNE_ERROR = 0xfffd, RUNE_MAX = 0x10ffff };

int32_t go_rune(struct str s, size_t *ret_n)
{
    static const int32_t min_of[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s.p;
    size_t n;
    int32_t r;

    *ret_n = s.n != 0;
    if (s.n == 0) {
        return -1;
    }
    if (p[0] < 0x80) {
        return p[0];
    }
    n = p[0] >= 0xf0 && p[0] < 0xf8 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc0 ? 2 : 0;
    if (n == 0 || n > s.n || p[0] >= 0xf8) {
        return RUNE_ERROR;
    }
    r = p[0] & (0xff >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return RUNE_ERROR;
        }
        r = (r << 6) | (p[i] & 0x3f);
    }
    if (r < min_of[n] || r > RUNE_MAX || (r >= 0xd800 && r < 0xe000)) {
        return RUNE_ERROR;
    }
    *ret_n = n;
    return r;
}

void go_add_rune(struct buf *dst, int32_t r)
{
    if (r < 0 || r > RUNE_MAX || (r >= 0xd800 && r < 0xe000)) {
        r = RUNE_ERROR;
    }
    if (r < 0x80) {
        buf_add_byte(dst, (char)r);
        return;
    }
    if (r < 0x800) {
        buf_add_byte(dst, (char)(0xc0 | (r >> 6)));
    } else {
        if (r < 0x10000) {
            buf_add_byte(dst, (char)(0xe0 | (r >> 12)));
        } else {
            buf_add_byte(dst, (char)(0xf0 | (r >> 18)));
            buf_add_byte(dst, (char)(0x80 | ((r >> 12) & 0x3f)));
        }
        buf_add_byte(dst, (char)(0x80 | ((r >> 6) & 0x3f)));
    }
    buf_add_byte(dst, (char)(0x80 | (r & 0x3f)));
}

/** unicode.IsPrint without its tables: controls, format characters, odd spaces and the private planes. */
static bool is_print(int32_t r)
{
    return !(r < 0x20 || (r >= 0x7f && r <= 0xa0) || r == 0xad || (r >= 0x2000 && r <= 0x200f) ||
             (r >= 0x2028 && r <= 0x202f) || (r >= 0x205f && r <= 0x206f) || r == 0x3000 ||
             (r >= 0xe000 && r <= 0xf8ff) || r == 0xfeff || r == 0x1680 || r >= 0xe0000);
}

static void add_escaped_rune(struct buf *dst, int32_t r, char quote)
{
    static const char letters[] = "abtnvfr"; /* 7..13 */

    if (r == quote || r == '\\') {
        buf_add_byte(dst, '\\');
        buf_add_byte(dst, (char)r);
    } else if (r >= 7 && r <= 13) {
        buf_add_byte(dst, '\\');
        buf_add_byte(dst, letters[r - 7]);
    } else if (is_print(r)) {
        go_add_rune(dst, r);
    } else if (r < 0x20 || r == 0x7f) {
        buf_printf(dst, "\\x%02x", (unsigned)r);
    } else {
        buf_printf(dst, r < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)r);
    }
}

void go_quote(struct str s, struct buf *dst)
{
    buf_add_byte(dst, '"');
    while (s.n != 0) {
        size_t n;
        int32_t r = go_rune(s, &n);

        if (r == RUNE_ERROR && n == 1) {
            buf_printf(dst, "\\x%02x", (unsigned)(unsigned char)s.p[0]);
        } else {
            add_escaped_rune(dst, r, '"');
        }
        s = str_drop(s, n);
    }
    buf_add_byte(dst, '"');
}

void go_quote_rune(int32_t r, struct buf *dst)
{
    buf_add_byte(dst, '\'');
    add_escaped_rune(dst, r < 0 ? RUNE_ERROR : r, '\'');
    buf_add_byte(dst, '\'');
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : 99;
}

/** The escape after a backslash; *s is moved behind it. A byte escape adds a byte, \u and \U a rune. */
static bool unescape(struct str *s, char quote, struct buf *dst)
{
    static const char from[] = "abfnrtv\\";
    static const char to[] = "\a\b\f\n\r\t\v\\";
    char c = s->p[0];
    const char *hit = c != '\0' ? strchr(from, c) : NULL;
    int base = 16;
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    int64_t v = 0;

    if (c == quote || hit != NULL) {
        buf_add_byte(dst, c == quote ? c : to[hit - from]);
        *s = str_drop(*s, 1);
        return true;
    }
    if (c >= '0' && c <= '7') {
        base = 8;
        digits = 3;
    } else {
        *s = str_drop(*s, 1);
    }
    if (digits == 0 || s->n < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        int d = hex_value(s->p[i]);

        if (d >= base) {
            return false;
        }
        v = v * base + d;
    }
    *s = str_drop(*s, digits);
    if (digits <= 3) {
        buf_add_byte(dst, (char)v);
        return v <= 255;
    }
    go_add_rune(dst, (int32_t)(v > RUNE_MAX ? RUNE_ERROR : v));
    return v <= RUNE_MAX && !(v >= 0xd800 && v < 0xe000);
}

bool go_unquote(struct str literal, struct arena *a, struct str *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str s;
    char quote;

    if (literal.n < 2 || literal.p[0] != literal.p[literal.n - 1]) {
        return false;
    }
    quote = literal.p[0];
    s = str_of(literal.p + 1, literal.n - 2);
    if (quote == '`' || str_find_byte(s, '\\') < 0) {
        *ret = s;
        return true;
    }
    buf_init(&b, s.n * 4 + 8);
    while (s.n != 0) {
        if (s.p[0] != '\\') {
            buf_add_byte(&b, s.p[0]);
            s = str_drop(s, 1);
            continue;
        }
        s = str_drop(s, 1);
        if (s.n == 0 || !unescape(&s, quote, &b)) {
            return false;
        }
    }
    *ret = arena_str_dup(a, buf_str(&b));
    return !b.failed && (ret->p != NULL || ret->n == 0);
}

void go_add_f64(struct buf *dst, double v)
{
    buf_add_f64_form(dst, v, -1000, 1000);
}

size_t go_f64_json(double v, char *dst)
{
    return decimal_text(v, -6, 21, dst);
}

void go_add_f64_v(struct buf *dst, double v)
{
    buf_add_f64_form(dst, v, -4, 6);
}

void go_add_duration(struct buf *dst, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
        bool exact; /* only when nothing is left over */
    } units[] = {
        {"y", 31536000000, true}, {"w", 604800000, true}, {"d", 86400000, false},
        {"h", 3600000, false},    {"m", 60000, false},    {"s", 1000, false},
        {"ms", 1, false},
    };

    if (ms == 0) {
        buf_add_cstr(dst, "0s");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((units[i].exact && ms % units[i].ms != 0) || ms < units[i].ms) {
            continue;
        }
        buf_add_i64(dst, ms / units[i].ms);
        buf_add_cstr(dst, units[i].unit);
        ms %= units[i].ms;
    }
}
