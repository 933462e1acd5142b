/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines are built on the stack (4 KiB) so that logging works when memory does not. A line is always
 * whole: a long text is cut, a field that does not fit is left out and the line says truncated=true.
 */
#include "base/log.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

static _Atomic int min_level = LOG_INFO; /* relaxed: a filter, it orders nothing */
static _Atomic int line_format = LOG_LOGFMT;

static const char *const LEVELS[] = {"debug", "info", "warn", "error"};

enum { TEXT_MAX = 1024, TAIL = 32 }; /* bytes of one text; room kept for the end of the line */

struct line {
    char text[4096];
    size_t n;
    bool full; /* something did not fit */
};

void log_setup(enum log_level level, enum log_format format)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
    atomic_store_explicit(&line_format, (int)format, memory_order_relaxed);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&min_level, (int)level, memory_order_relaxed);
}

bool log_level_parse(struct str s, enum log_level *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(LEVELS); i++) {
        if (str_eq(s, str_cstr(LEVELS[i]))) {
            *ret = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static void put(struct line *l, const char *p, size_t n)
{
    if (l->full || n > sizeof(l->text) - TAIL - l->n) {
        l->full = true;
        return;
    }
    memcpy(l->text + l->n, p, n);
    l->n += n;
}

static void put_cstr(struct line *l, const char *s)
{
    put(l, s, strlen(s));
}

static void put_quoted(struct line *l, struct str s)
{
    bool utf8 = str_is_utf8(s);

    put(l, "\"", 1);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        char esc[8];

        if (c == '"' || c == '\\') {
            put(l, "\\", 1);
            put(l, s.p + i, 1);
        } else if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) {
            put(l, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", c));
        } else {
            put(l, s.p + i, 1);
        }
    }
    put(l, "\"", 1);
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f) {
            return false;
        }
    }
    return s.n != 0;
}

static void put_key(struct line *l, const char *key, bool json)
{
    if (json) {
        put_cstr(l, l->n > 1 ? ",\"" : "\"");
        put_cstr(l, key);
        put_cstr(l, "\":");
    } else {
        put_cstr(l, l->n != 0 ? " " : "");
        put_cstr(l, key);
        put_cstr(l, "=");
    }
}

/* Cut on a UTF-8 boundary; the fields added by put_text() carry "..." instead of the rest. */
static struct str cut(struct str s)
{
    size_t n = TEXT_MAX;

    while (n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80) {
        n--;
    }
    return str_take(s, n);
}

static void put_text(struct line *l, const char *key, struct str s, bool json)
{
    put_key(l, key, json);
    if (s.n > TEXT_MAX) {
        put_quoted(l, cut(s));
        l->n -= l->full ? 0 : 1; /* before the closing quote */
        put(l, "...\"", 4);
    } else if (!json && is_plain(s)) {
        put(l, s.p, s.n);
    } else {
        put_quoted(l, s);
    }
}

static void put_field(struct line *l, const struct log_field *f, bool json)
{
    char number[40];

    if (f->kind == LOG_STR) {
        put_text(l, f->key, f->v.s, json);
        return;
    }
    put_key(l, f->key, json);
    if (f->kind == LOG_I64) {
        snprintf(number, sizeof(number), "%lld", (long long)f->v.i);
    } else {
        bool quote = json && !isfinite(f->v.f); /* JSON has no such numbers */

        snprintf(number, sizeof(number), quote ? "\"%.6g\"" : "%.6g", f->v.f);
    }
    put_cstr(l, number);
}

void log_write(enum log_level level, const char *scope, const char *msg,
               const struct log_field *fields)
{
    bool json = atomic_load_explicit(&line_format, memory_order_relaxed) == LOG_JSON;
    char when[CLOCK_RFC3339_SIZE];
    struct line l;
    bool truncated = false;
    ssize_t ignored UNUSED;

    if ((int)level < atomic_load_explicit(&min_level, memory_order_relaxed)) {
        return;
    }
    l.n = 0;
    l.full = false;
    if (json) {
        put_cstr(&l, "{");
    }
    clock_format_rfc3339(clock_wall_ms(), when);
    put_text(&l, "time", str_cstr(when), json);
    put_text(&l, "level", str_cstr(LEVELS[level]), json);
    put_text(&l, "scope", str_cstr(scope), json);
    put_text(&l, "msg", str_cstr(msg), json);
    for (; fields->kind != LOG_END; fields++) {
        size_t before = l.n;

        put_field(&l, fields, json);
        if (l.full) {
            l.n = before;
            l.full = false;
            truncated = true;
        }
    }
    /* into the room kept: at most 22 bytes */
    l.n += (size_t)snprintf(l.text + l.n, TAIL, "%s%s\n",
                            truncated ? (json ? ",\"truncated\":true" : " truncated=true") : "",
                            json ? "}" : "");
    ignored = write(STDERR_FILENO, l.text, l.n);
}

bool log_limit_pass(struct log_limit *l, int64_t *ret_suppressed)
{
    int64_t now = clock_mono().ns;
    int64_t next = atomic_load_explicit(&l->next_ns, memory_order_relaxed);

    if (now < next ||
        !atomic_compare_exchange_strong_explicit(&l->next_ns, &next, now + 10000000000,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&l->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *ret_suppressed = atomic_exchange_explicit(&l->suppressed, 0, memory_order_relaxed);
    return true;
}
