/* SPDX-License-Identifier: Apache-2.0
 *
 * A growable byte buffer with a maximum given at init: no input can make it grow without bound.
 * Invariants: n <= cap <= max; data is NULL until the first byte. A failed append sets `failed` and
 * keeps what was there; later appends do nothing, so a writer may check once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdint.h>

#include "base/str.h"

#define URL_UNRESERVED "-_.~" /* RFC 3986 section 2.3, besides letters and digits */

struct buf {
    char *data;  /* owned; buf_done() frees */
    size_t n;    /* bytes used */
    size_t cap;  /* bytes allocated */
    size_t max;  /* bytes allowed */
    bool failed; /* an append did not fit or memory was refused */
    bool nomem;  /* failed because memory was refused */
};

/** Start empty; `max` in bytes bounds all later growth. */
void buf_init(struct buf *b, size_t max);
/** Free the storage; the buffer may be used again after buf_init(). For CLEANUP(buf_done). */
void buf_done(struct buf *b);
/** Forget the content and the failure, keep the storage. */
void buf_clear(struct buf *b);

/** Make room for `more` bytes and return where they go (NULL on failure); commit with b->n += written. */
char *buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_str(struct buf *b, struct str s);
void buf_add_cstr(struct buf *b, const char *s);
void buf_add_byte(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal */
void buf_add_i64(struct buf *b, int64_t v);  /* decimal */
/** Percent-encoded for a URL or a form: letters and digits stay, and the bytes in `plain` (a space there becomes '+'). */
void buf_add_percent(struct buf *b, struct str s, const char *plain);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** Shortest text that reads back as the same double; NaN, +Inf, -Inf as Prometheus writes them. */
void buf_add_f64(struct buf *b, double v);
/** The same with the choice of form: an exponent ("1e+21") when the decimal exponent is < low or >= high. */
void buf_add_f64_form(struct buf *b, double v, int low, int high);

/** Borrow the content; valid until the next append. */
static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->data, b->n);
}

/** 0, or -ERR_TOO_LARGE / -ERR_NOMEM when an append failed. */
NODISCARD int buf_status(const struct buf *b);
/** The storage, NUL-terminated, now the caller's (mem_free()); NULL when the buffer failed. */
char *buf_take(struct buf *b);

#endif
