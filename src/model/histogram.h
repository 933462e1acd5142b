/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms: a count, a sum and sparse buckets whose bounds follow from a schema (2^(2^-schema) apart for -4
 * to 8, given bounds for -53). Source: Prometheus' native histograms specification and its 3.x arithmetic, which
 * PromQL must repeat to the last bit. Invariant: bucket indexes rise, and after native_compact() no count is 0.
 */
#ifndef MODEL_HISTOGRAM_H
#define MODEL_HISTOGRAM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/err.h"

enum {
    NATIVE_SCHEMA_MIN = -4,
    NATIVE_SCHEMA_MAX = 8,
    NATIVE_SCHEMA_CUSTOM = -53,
    NATIVE_BUCKETS_MAX = 1 << 16, /* of one sign; more is refused by the decoders */
};

/** What is known about a reset between a histogram and the one before it. Numbers as in the protocols. */
enum native_hint { NATIVE_UNKNOWN, NATIVE_RESET, NATIVE_NOT_RESET, NATIVE_GAUGE };

struct native_bucket {
    int32_t index; /* covers (bound(index - 1), bound(index)] of |value| */
    double count;  /* absolute */
};

struct native_buckets {
    struct native_bucket *v; /* owned unless `borrowed` of the histogram */
    size_t n;
    size_t cap; /* 0: not ours to change */
};

/** Zeroed is an empty one of schema 0; native_done() frees. */
struct native_histogram {
    int32_t schema;
    uint8_t hint; /* enum native_hint */
    double zero_threshold;
    double zero_count;
    double count;
    double sum; /* the stale marker's bits: the series ends here */
    struct native_buckets positive;
    struct native_buckets negative;
    double *bounds; /* NATIVE_SCHEMA_CUSTOM: upper bounds, rising; the last bucket is above them */
    size_t bounds_n;
    size_t bounds_cap; /* 0: not ours to free */
};

static inline bool native_is_custom(const struct native_histogram *h)
{
    return h->schema == NATIVE_SCHEMA_CUSTOM;
}

void native_done(struct native_histogram *h);
/** Empty it, keep the storage. */
void native_clear(struct native_histogram *h);
/** Deep copy over what `dst` held. @return 0, -ERR_NOMEM */
NODISCARD int native_copy(struct native_histogram *dst, const struct native_histogram *src);
/** Immutable deep copy in an arena; NULL when it is full. */
const struct native_histogram *native_dup(const struct native_histogram *h, struct arena *a);
/** Append one bucket, index above the last. @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int native_push(struct native_buckets *b, int32_t index, double count);
/** @return 0, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int native_push_bound(struct native_histogram *h, double bound);

/** Native histograms of one series, column-wise as struct samples. Buckets and bounds lie in shared blocks: the
 * histograms must not be changed, and go with the whole. A stale marker has its bits in `sum`. Zeroed = empty. */
struct native_samples {
    int64_t *t_ms; /* owned; strictly rising */
    struct native_histogram *v;
    size_t n;
    size_t cap;
    struct native_bucket *buckets; /* owned */
    double *bounds;                /* owned */
    size_t bytes;                  /* of all of it */
};

void native_samples_done(struct native_samples *s);

/** One bucket of all histograms of a series. */
struct native_column {
    int32_t index;
    bool negative;
    const double *v; /* [n]; 0: not there */
};

/** A series of counters that kept its schema, zero threshold and bounds, by columns. Zeroed = empty; reused by the
 * next series. */
struct native_columns {
    int64_t *t_ms; /* without stale markers */
    size_t n;
    int32_t schema;
    double zero_threshold;
    const double *count, *sum, *zero; /* [n] */
    bool *reset;                      /* [n]: the counter started anew after the one before */
    struct native_column *v;          /* of a sign by rising index */
    size_t columns_n;
    double *bounds;
    size_t bounds_n;
    double *block; /* what the columns lie in */
    size_t block_cap, columns_cap, bounds_cap, n_cap;
};

void native_columns_done(struct native_columns *c);

/* ---- the form of the protocols: runs of buckets ---- */

struct native_span {
    int32_t offset;  /* from the end of the run before; the first: from 0 */
    uint32_t length; /* buckets */
};

/** One sign as the protocols carry it. */
struct native_side {
    const struct native_span *spans;
    size_t spans_n;
    const double *counts; /* absolute, or when `deltas` is set differences to the bucket before */
    const int64_t *deltas;
    size_t counts_n;
};

/** Fill one sign; refuses what upstream refuses, with its texts.
 * @return 0, -ERR_INVALID, -ERR_LIMIT, -ERR_NOMEM */
NODISCARD int native_from_spans(struct native_histogram *h, bool negative,
                                const struct native_side *s, struct err *reterr);
/** The rules a histogram must keep to be stored; `integer`: counts must also add up.
 * @return 0, -ERR_INVALID with upstream's text */
NODISCARD int native_validate(const struct native_histogram *h, bool integer, struct err *reterr);

/* ---- arithmetic ---- */

enum native_result {
    NATIVE_OK = 0,
    NATIVE_MIXED_SCHEMAS = 1, /* exponential against custom buckets: nothing was done */
    NATIVE_MIXED_BOUNDS = 2,  /* different custom bounds: nothing was done */
};

/** h += other or h -= other; schema and zero bucket are brought together first. Custom bounds that differ: with
 * `reconciled` the result has those in common and it is set, with NULL nothing is done.
 * @return enum native_result, or -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int native_add(struct native_histogram *h, const struct native_histogram *other,
                         bool *reconciled);
NODISCARD int native_sub(struct native_histogram *h, const struct native_histogram *other,
                         bool *reconciled);
void native_mul(struct native_histogram *h, double factor);
/** By 0: everything becomes Inf or NaN and the buckets go. */
void native_div(struct native_histogram *h, double by);
/** Cut at a value: keep the observations `below` it, or those above; inside a bucket by interpolation. When any go,
 * count and sum are estimated anew from what stays. A cut at NaN leaves nothing. */
void native_trim(struct native_histogram *h, double at, bool below);
/** Merge buckets down to a lower schema; nothing for an equal or higher one. */
void native_reduce(struct native_histogram *h, int32_t schema);
/** Drop empty buckets. */
void native_compact(struct native_histogram *h);
/** Same data, bit by bit; the hints do not count. Both must be compact. */
bool native_eq(const struct native_histogram *a, const struct native_histogram *b);
/** Did the counter start anew between `before` and `now`? With `reconcile` custom bounds may change. */
bool native_is_reset(const struct native_histogram *now, const struct native_histogram *before,
                     bool reconcile);

/* ---- looking at buckets ---- */

/** Which ends of a bucket belong to it, numbered as the HTTP API does. */
enum native_ends { NATIVE_UPPER, NATIVE_LOWER, NATIVE_NONE, NATIVE_BOTH };

struct native_range {
    double lower, upper;
    double count;
    enum native_ends ends;
};

/** Walk over all buckets by rising value: negative, zero (when its count is above 0), positive. */
struct native_iter {
    const struct native_histogram *h;
    bool down; /* by falling value instead */
    bool raw;  /* buckets that the zero bucket reaches into keep their own bounds */
    int stage;
    size_t at;
};

static inline struct native_iter native_iter(const struct native_histogram *h, bool down)
{
    return (struct native_iter){.h = h, .down = down};
}

/** @return false at the end */
bool native_next(struct native_iter *it, struct native_range *ret);
/** Upper bound of bucket `index` of an exponential schema. */
double native_bound(int32_t index, int32_t schema);

/** Were NaN values observed? They are counted, but in no bucket. */
bool native_has_nan(const struct native_histogram *h);
double native_quantile(const struct native_histogram *h, double q);
double native_fraction(const struct native_histogram *h, double lower, double upper);
/** Estimated variance of the observations. */
double native_variance(const struct native_histogram *h);

#endif
