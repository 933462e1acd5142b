/* SPDX-License-Identifier: Apache-2.0
 *
 * Growth doubles up to the maximum, so n appends cost O(n).
 */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/decimal.h"
#include "base/err.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_done(struct buf *b)
{
    if (b != NULL) {
        mem_free(b->data);
        *b = (struct buf){.max = b->max};
    }
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    b->nomem = false;
}

char *buf_reserve(struct buf *b, size_t more)
{
    size_t cap;
    char *data;

    if (LIKELY(!b->failed && more <= b->cap - b->n && b->data != NULL)) {
        return b->data + b->n;
    }
    if (b->failed || more > b->max - b->n) {
        b->failed = true;
        return NULL;
    }
    cap = b->cap != 0 ? b->cap : 64;
    cap = cap < b->max ? cap : b->max;
    while (cap < b->n + more) {
        cap = cap > b->max / 2 ? b->max : cap * 2;
    }
    data = mem_try_realloc(b->data, cap != 0 ? cap : 1);
    if (data == NULL) {
        b->failed = true;
        b->nomem = true;
        return NULL;
    }
    b->data = data;
    b->cap = cap;
    return b->data + b->n;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    char *dst = buf_reserve(b, n);

    if (dst != NULL && n != 0) {
        memcpy(dst, p, n);
        b->n += n;
    }
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_cstr(struct buf *b, const char *s)
{
    buf_add(b, s, strlen(s));
}

void buf_add_percent(struct buf *b, struct str s, const char *plain)
{
    static const char HEX[] = "0123456789ABCDEF";

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c != '\0' && strchr(plain, c) != NULL)) {
            buf_add_byte(b, c == ' ' ? '+' : (char)c);
        } else {
            buf_add_byte(b, '%');
            buf_add_byte(b, HEX[c >> 4]);
            buf_add_byte(b, HEX[c & 15]);
        }
    }
}

void buf_add_byte(struct buf *b, char c)
{
    char *dst = buf_reserve(b, 1);

    if (dst != NULL) {
        *dst = c;
        b->n++;
    }
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char text[20];

    buf_add(b, text, decimal_write(v, text));
}

void buf_add_i64(struct buf *b, int64_t v)
{
    if (v < 0) {
        buf_add_byte(b, '-');
        buf_add_u64(b, 0 - (uint64_t)v);
    } else {
        buf_add_u64(b, (uint64_t)v);
    }
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0) {
        char *dst = buf_reserve(b, (size_t)n + 1);

        if (dst != NULL) {
            va_start(ap, fmt);
            vsnprintf(dst, (size_t)n + 1, fmt, ap);
            va_end(ap);
            b->n += (size_t)n;
        }
    }
}

void buf_add_f64_form(struct buf *b, double v, int low, int high)
{
    char text[DECIMAL_TEXT_MAX];

    buf_add(b, text, decimal_text(v, low, high, text));
}

void buf_add_f64(struct buf *b, double v)
{
    buf_add_f64_form(b, v, -4, 17);
}

int buf_status(const struct buf *b)
{
    if (!b->failed) {
        return 0;
    }
    return b->nomem ? -ERR_NOMEM : -ERR_TOO_LARGE;
}

char *buf_take(struct buf *b)
{
    char *data;

    buf_add_byte(b, '\0');
    if (b->failed) {
        return NULL;
    }
    data = b->data;
    *b = (struct buf){.max = b->max};
    return data;
}
