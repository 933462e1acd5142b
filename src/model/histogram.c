/* SPDX-License-Identifier: Apache-2.0
 *
 * Storage of native histograms, their wire form, bounds and the walk over buckets. Arithmetic is in
 * histogram_math.c.
 */
#include "model/histogram.h"

#include <float.h>
#include <string.h>

#include "model/samples.h"

static void buckets_done(struct native_buckets *b)
{
    if (b->cap != 0) {
        mem_free(b->v);
    }
    *b = (struct native_buckets){0};
}

void native_done(struct native_histogram *h)
{
    buckets_done(&h->positive);
    buckets_done(&h->negative);
    if (h->bounds_cap != 0) {
        mem_free(h->bounds);
    }
    *h = (struct native_histogram){0};
}

void native_clear(struct native_histogram *h)
{
    struct native_histogram kept = {.positive = {h->positive.v, 0, h->positive.cap},
                                    .negative = {h->negative.v, 0, h->negative.cap},
                                    .bounds = h->bounds,
                                    .bounds_cap = h->bounds_cap};

    *h = kept;
}

static int buckets_room(struct native_buckets *b, size_t n)
{
    struct native_bucket *v;
    size_t cap = b->cap * 2 > n ? b->cap * 2 : n;

    if (n <= b->cap) {
        return 0;
    }
    cap = cap < 8 ? 8 : cap;
    v = mem_try_realloc(b->cap != 0 ? b->v : NULL, cap * sizeof(*v));
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    if (b->cap == 0 && b->n != 0) {
        memcpy(v, b->v, b->n * sizeof(*v)); /* it was borrowed */
    }
    b->v = v;
    b->cap = cap;
    return 0;
}

int native_push(struct native_buckets *b, int32_t index, double count)
{
    int rc = b->n >= NATIVE_BUCKETS_MAX ? -ERR_LIMIT : buckets_room(b, b->n + 1);

    if (rc == 0) {
        b->v[b->n++] = (struct native_bucket){index, count};
    }
    return rc;
}

static int bounds_room(struct native_histogram *h, size_t n)
{
    size_t cap = h->bounds_cap * 2 > n ? h->bounds_cap * 2 : n;
    double *v;

    if (n <= h->bounds_cap) {
        return 0;
    }
    cap = cap < 8 ? 8 : cap;
    v = mem_try_realloc(h->bounds_cap != 0 ? h->bounds : NULL, cap * sizeof(*v));
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    if (h->bounds_cap == 0 && h->bounds_n != 0) {
        memcpy(v, h->bounds, h->bounds_n * sizeof(*v));
    }
    h->bounds = v;
    h->bounds_cap = cap;
    return 0;
}

int native_push_bound(struct native_histogram *h, double bound)
{
    int rc = h->bounds_n >= NATIVE_BUCKETS_MAX ? -ERR_LIMIT : bounds_room(h, h->bounds_n + 1);

    if (rc == 0) {
        h->bounds[h->bounds_n++] = bound;
    }
    return rc;
}

static int buckets_copy(struct native_buckets *dst, const struct native_buckets *src)
{
    int rc;

    dst->n = 0;
    rc = buckets_room(dst, src->n);
    if (rc == 0 && src->n != 0) {
        memcpy(dst->v, src->v, src->n * sizeof(*dst->v));
        dst->n = src->n;
    }
    return rc;
}

int native_copy(struct native_histogram *dst, const struct native_histogram *src)
{
    int rc;

    native_clear(dst);
    rc = buckets_copy(&dst->positive, &src->positive);
    rc = rc == 0 ? buckets_copy(&dst->negative, &src->negative) : rc;
    rc = rc == 0 ? bounds_room(dst, src->bounds_n) : rc;
    if (rc != 0) {
        return rc;
    }
    if (src->bounds_n != 0) {
        memcpy(dst->bounds, src->bounds, src->bounds_n * sizeof(*dst->bounds));
    }
    dst->bounds_n = src->bounds_n;
    dst->schema = src->schema;
    dst->hint = src->hint;
    dst->zero_threshold = src->zero_threshold;
    dst->zero_count = src->zero_count;
    dst->count = src->count;
    dst->sum = src->sum;
    return 0;
}

const struct native_histogram *native_dup(const struct native_histogram *h, struct arena *a)
{
    size_t buckets = (h->positive.n + h->negative.n) * sizeof(struct native_bucket);
    size_t bounds = h->bounds_n * sizeof(double);
    char *p = arena_alloc(a, sizeof(*h) + buckets + bounds, _Alignof(struct native_histogram));
    struct native_histogram *copy = (struct native_histogram *)(void *)p;

    if (p == NULL) {
        return NULL;
    }
    p += sizeof(*h);
    *copy = *h;
    copy->positive = (struct native_buckets){(struct native_bucket *)(void *)p, h->positive.n, 0};
    copy->negative = (struct native_buckets){copy->positive.v + h->positive.n, h->negative.n, 0};
    copy->bounds = (double *)(void *)(p + buckets);
    copy->bounds_cap = 0;
    if (h->positive.n != 0) {
        memcpy(copy->positive.v, h->positive.v, h->positive.n * sizeof(struct native_bucket));
    }
    if (h->negative.n != 0) {
        memcpy(copy->negative.v, h->negative.v, h->negative.n * sizeof(struct native_bucket));
    }
    if (h->bounds_n != 0) {
        memcpy(copy->bounds, h->bounds, bounds);
    }
    return copy;
}

void native_columns_done(struct native_columns *c)
{
    mem_free(c->t_ms);
    mem_free(c->reset);
    mem_free(c->v);
    mem_free(c->bounds);
    mem_free(c->block);
    *c = (struct native_columns){0};
}

void native_samples_done(struct native_samples *s)
{
    mem_free(s->t_ms);
    mem_free(s->v);
    mem_free(s->buckets);
    mem_free(s->bounds);
    *s = (struct native_samples){0};
}

/* ---- the form of the protocols ---- */

static int check_spans(const struct native_side *s, const char *side, struct err *reterr)
{
    uint64_t total = 0;

    for (size_t i = 0; i < s->spans_n; i++) {
        if (i > 0 && s->spans[i].offset < 0) {
            return err_set(
                reterr, ERR_INVALID,
                "%s side: span number %zu with offset %d: histogram has a span whose offset is negative",
                side, i + 1, (int)s->spans[i].offset);
        }
        total += s->spans[i].length;
        if (total > NATIVE_BUCKETS_MAX) {
            return err_set(reterr, ERR_LIMIT, "%s side: more than %d buckets", side,
                           (int)NATIVE_BUCKETS_MAX);
        }
    }
    if (total != s->counts_n) {
        return err_set(
            reterr, ERR_INVALID,
            "%s side: spans need %llu buckets, have %zu buckets: histogram spans specify different "
            "number of buckets than provided",
            side, (unsigned long long)total, s->counts_n);
    }
    return 0;
}

int native_from_spans(struct native_histogram *h, bool negative, const struct native_side *s,
                      struct err *reterr)
{
    struct native_buckets *dst = negative ? &h->negative : &h->positive;
    const char *side = negative ? "negative" : "positive";
    int rc = check_spans(s, side, reterr);
    int64_t index = 0;
    int64_t count = 0;
    size_t at = 0;

    dst->n = 0;
    if (rc != 0) {
        return rc;
    }
    if (buckets_room(dst, s->counts_n) != 0) {
        return err_set(reterr, ERR_NOMEM, "no memory for buckets");
    }
    for (size_t i = 0; i < s->spans_n; i++) {
        index += s->spans[i].offset;
        for (uint32_t k = 0; k < s->spans[i].length; k++, index++, at++) {
            double v;

            if (s->deltas != NULL && __builtin_add_overflow(count, s->deltas[at], &count)) {
                return err_set(reterr, ERR_INVALID, "%s side: bucket counts overflow", side);
            }
            v = s->deltas != NULL ? (double)count : s->counts[at];
            if (v < 0) {
                return err_set(
                    reterr, ERR_INVALID,
                    "%s side: bucket number %zu has observation count of %g: histogram has a bucket "
                    "whose observation count is negative",
                    side, at + 1, v);
            }
            if (index < INT32_MIN || index > INT32_MAX) {
                return err_set(reterr, ERR_INVALID, "%s side: bucket index %lld is out of range",
                               side, (long long)index);
            }
            dst->v[dst->n++] = (struct native_bucket){(int32_t)index, v};
        }
    }
    return 0;
}

static int validate_custom(const struct native_histogram *h, struct err *reterr)
{
    for (size_t i = 0; i < h->bounds_n; i++) {
        if (isnan(h->bounds[i])) {
            return err_set(reterr, ERR_INVALID,
                           "custom buckets: histogram custom bounds must not be NaN");
        }
        if (i > 0 && h->bounds[i] <= h->bounds[i - 1]) {
            return err_set(
                reterr, ERR_INVALID,
                "custom buckets: previous bound is %g and current is %g: histogram custom bounds must "
                "be in strictly increasing order",
                h->bounds[i - 1], h->bounds[i]);
        }
    }
    if (h->bounds_n != 0 && isinf(h->bounds[h->bounds_n - 1]) && h->bounds[h->bounds_n - 1] > 0) {
        return err_set(
            reterr, ERR_INVALID,
            "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds "
            "must be finite");
    }
    if (h->positive.n != 0 &&
        (h->positive.v[0].index < 0 ||
         (int64_t)h->positive.v[h->positive.n - 1].index > (int64_t)h->bounds_n)) {
        return err_set(
            reterr, ERR_INVALID,
            "custom buckets: only %zu custom bounds defined which is insufficient to cover total span "
            "length of %lld: histogram custom bounds are too few",
            h->bounds_n, (long long)h->positive.v[h->positive.n - 1].index + 1);
    }
    if (h->zero_count != 0) {
        return err_set(reterr, ERR_INVALID, "custom buckets: must have zero count of 0");
    }
    if (h->zero_threshold != 0) {
        return err_set(reterr, ERR_INVALID, "custom buckets: must have zero threshold of 0");
    }
    return h->negative.n != 0
               ? err_set(reterr, ERR_INVALID, "custom buckets: must not have negative buckets")
               : 0;
}

static int count_in(const struct native_buckets *b, const char *side, double *sum,
                    struct err *reterr)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->v[i].count < 0) {
            return err_set(
                reterr, ERR_INVALID,
                "%s side: bucket number %zu has observation count of %g: histogram has a bucket whose "
                "observation count is negative",
                side, i + 1, b->v[i].count);
        }
        *sum += b->v[i].count;
    }
    return 0;
}

int native_validate(const struct native_histogram *h, bool integer, struct err *reterr)
{
    double in_buckets = h->zero_count;
    int rc = 0;

    if (sample_is_stale(h->sum)) {
        return 0;
    }
    if (native_is_custom(h)) {
        rc = validate_custom(h, reterr);
    } else if (h->schema < NATIVE_SCHEMA_MIN || h->schema > NATIVE_SCHEMA_MAX) {
        rc = err_set(
            reterr, ERR_INVALID,
            "invalid histogram schema %d: must be -4 to 8 for exponential or -53 for custom buckets",
            (int)h->schema);
    } else if (h->bounds_n != 0) {
        rc = err_set(reterr, ERR_INVALID,
                     "histogram with exponential schema must not have custom bounds");
    }
    rc = rc != 0 ? rc : count_in(&h->positive, "positive", &in_buckets, reterr);
    rc = rc != 0 ? rc : count_in(&h->negative, "negative", &in_buckets, reterr);
    if (rc != 0) {
        return rc;
    }
    if (h->zero_count < 0) {
        return err_set(
            reterr, ERR_INVALID,
            "zero bucket has observation count of %g: histogram has a bucket whose observation count is "
            "negative",
            h->zero_count);
    }
    if (h->count < 0) {
        return err_set(reterr, ERR_INVALID,
                       "observation count is %g: histogram's observation count is negative",
                       h->count);
    }
    /* NaN observations are counted, but in no bucket. */
    if (integer && (isnan(h->sum) ? in_buckets > h->count : in_buckets != h->count)) {
        return err_set(
            reterr, ERR_INVALID,
            "%.0f observations found in buckets, but the Count field is %.0f: histogram's observation "
            "count should %s the number of observations found in the buckets",
            in_buckets, h->count, isnan(h->sum) ? "be at least" : "equal");
    }
    return 0;
}

/* ---- bounds and the walk ---- */

/** 2^(fraction / 2^schema - 1). Built from roots of two, coarse to fine, which gives upstream's table of bounds bit by
 * bit; its root of two is one place below the nearest double. */
static double bound_fraction(uint32_t fraction, int32_t schema)
{
    static const double root[] = {0,
                                  0x1.6a09e667f3bccp+0,
                                  0x1.306fe0a31b715p+0,
                                  0x1.172b83c7d517bp+0,
                                  0x1.0b5586cf9890fp+0,
                                  0x1.059b0d3158574p+0,
                                  0x1.02c9a3e778061p+0,
                                  0x1.0163da9fb3335p+0,
                                  0x1.00b1afa5abcbfp+0};
    double v = 0.5;

    for (int32_t s = 1; s <= schema; s++) {
        if ((fraction >> (schema - s) & 1) != 0) {
            v *= root[s];
        }
    }
    return v;
}

/** What ldexp() takes; beyond, everything is 0 or Inf anyway. */
static int exponent(int64_t e)
{
    return e > 100000 ? 100000 : e < -100000 ? -100000 : (int)e;
}

double native_bound(int32_t index, int32_t schema)
{
    double fraction;
    int64_t e;

    if (schema < 0) {
        e = (int64_t)index * (1 << -schema);
        return e == 1024 ? DBL_MAX : ldexp(1, exponent(e));
    }
    fraction = bound_fraction((uint32_t)index & ((1u << schema) - 1), schema);
    e = ((int64_t)index >> schema) + 1;
    return fraction == 0.5 && e == 1025 ? DBL_MAX : ldexp(fraction, exponent(e));
}

/** Bounds of a bucket of the positive side. */
static struct native_range range_of(const struct native_histogram *h, const struct native_bucket *b)
{
    struct native_range r = {.count = b->count};

    if (native_is_custom(h)) {
        size_t i = (size_t)b->index;

        r.upper = i < h->bounds_n ? h->bounds[i] : INFINITY;
        r.lower = i > 0 && i - 1 < h->bounds_n ? h->bounds[i - 1] : -INFINITY;
        r.ends = i == 0 ? NATIVE_BOTH : NATIVE_UPPER;
        return r;
    }
    r.upper = native_bound(b->index, h->schema);
    r.lower = native_bound(b->index - 1, h->schema);
    r.ends = NATIVE_UPPER;
    return r;
}

static bool take(struct native_iter *it, const struct native_buckets *b, bool negative,
                 struct native_range *ret)
{
    const struct native_histogram *h = it->h;
    bool outward = negative == it->down;
    struct native_range r;

    if (it->at >= b->n) {
        it->at = 0;
        it->stage++;
        return false;
    }
    r = range_of(h, &b->v[outward ? it->at : b->n - 1 - it->at]);
    it->at++;
    if (!it->raw && r.lower > 0 && r.lower < h->zero_threshold) {
        r.lower = h->zero_threshold; /* the zero bucket reaches into it */
    }
    *ret = negative ? (struct native_range){-r.upper, -r.lower, r.count, NATIVE_LOWER} : r;
    return true;
}

bool native_next(struct native_iter *it, struct native_range *ret)
{
    const struct native_histogram *h = it->h;

    if (it->stage == 0 && take(it, it->down ? &h->positive : &h->negative, !it->down, ret)) {
        return true;
    }
    if (it->stage == 1) {
        it->stage = 2;
        if (h->zero_count > 0) {
            *ret = (struct native_range){-h->zero_threshold, h->zero_threshold, h->zero_count,
                                         NATIVE_BOTH};
            return true;
        }
    }
    return it->stage == 2 && take(it, it->down ? &h->negative : &h->positive, it->down, ret);
}
