/* SPDX-License-Identifier: Apache-2.0
 *
 * One text being searched, and the detectors by where they begin. A detector adds hits and returns nothing; refused
 * memory is remembered in `failed`.
 */
#ifndef INGEST_PROCESS_DETECT_INTERNAL_H
#define INGEST_PROCESS_DETECT_INTERNAL_H

#include "ingest/process/detect.h"

struct detect_ctx {
    const char *p;
    size_t n;
    struct str key;
    uint32_t wanted;
    hits *dst;
    bool failed;
};

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline bool is_alnum(char c)
{
    return is_digit(c) || is_alpha(c);
}

static inline char lower_of(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool wants(const struct detect_ctx *c, enum detector d)
{
    return (c->wanted & DETECTOR_BIT(d)) != 0;
}

void detect_add(struct detect_ctx *c, enum detector d, size_t start, size_t end);

/* Each is called where its trigger is. */
void detect_digits(struct detect_ctx *c, size_t i); /* first of a run of digits */
void detect_at(struct detect_ctx *c, size_t i);     /* '@' */
void detect_separator(struct detect_ctx *c,
                      size_t i); /* ':', '=', or a blank behind a non-ASCII byte */
void detect_title(struct detect_ctx *c, size_t i);  /* '.' behind r or s */
void detect_jwt(struct detect_ctx *c, size_t i);    /* "ey" */
void detect_bearer(struct detect_ctx *c, size_t i); /* "be" in any case */
/** The whole value of an attribute by what its key says. */
void detect_by_key(struct detect_ctx *c);
/** Does a keyword of bank accounts end right before `i`, what stands between skipped? */
bool detect_account_before(const struct detect_ctx *c, size_t i);

#endif
