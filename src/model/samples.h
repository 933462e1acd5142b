/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoded samples of one series, column-wise: times strictly rising, one value each.
 */
#ifndef MODEL_SAMPLES_H
#define MODEL_SAMPLES_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/vec.h"

/** The NaN that marks a series as gone (Prometheus staleness marker) and the one for ordinary NaN values. */
#define STALE_NAN_BITS  0x7ff0000000000002ull
#define NORMAL_NAN_BITS 0x7ff8000000000001ull

struct samples {
    int64_t *t_ms; /* owned; Unix ms, strictly rising */
    double *v;     /* owned; may be NaN, Inf or the stale marker */
    size_t n;
    size_t cap; /* of both arrays */
};

static inline bool sample_is_stale(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    return bits == STALE_NAN_BITS;
}

static inline double sample_stale(void)
{
    const uint64_t bits = STALE_NAN_BITS;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/** Zeroed struct = empty. Frees the arrays. */
static inline void samples_done(struct samples *s)
{
    mem_free(s->t_ms);
    mem_free(s->v);
    *s = (struct samples){0};
}

/** Room for `cap` samples in total. @return false when memory is refused. */
NODISCARD static inline bool samples_reserve(struct samples *s, size_t cap)
{
    int64_t *t;
    double *v;

    if (cap <= s->cap) {
        return true;
    }
    cap = cap < s->cap * 2 ? s->cap * 2 : cap;
    t = mem_try_realloc(s->t_ms, cap * sizeof(*t));
    if (t == NULL) {
        return false;
    }
    s->t_ms = t;
    v = mem_try_realloc(s->v, cap * sizeof(*v));
    if (v == NULL) {
        return false;
    }
    s->v = v;
    s->cap = cap;
    return true;
}

#endif
