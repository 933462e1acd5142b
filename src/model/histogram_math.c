/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic of native histograms, in upstream's order of operations: results agree bit by bit. Source: Prometheus'
 * native histograms specification, sections on resolution, zero bucket, counter resets and interpolation.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/f64.h"
#include "model/histogram.h"

void native_mul(struct native_histogram *h, double factor)
{
    h->zero_count *= factor;
    h->count *= factor;
    h->sum *= factor;
    for (size_t i = 0; i < h->positive.n; i++) {
        h->positive.v[i].count *= factor;
    }
    for (size_t i = 0; i < h->negative.n; i++) {
        h->negative.v[i].count *= factor;
    }
    if (factor < 0) {
        h->hint = NATIVE_GAUGE;
    }
}

void native_div(struct native_histogram *h, double by)
{
    h->zero_count /= by;
    h->count /= by;
    h->sum /= by;
    if (by == 0) {
        h->positive.n = 0;
        h->negative.n = 0;
        return;
    }
    for (size_t i = 0; i < h->positive.n; i++) {
        h->positive.v[i].count /= by;
    }
    for (size_t i = 0; i < h->negative.n; i++) {
        h->negative.v[i].count /= by;
    }
    if (by < 0) {
        h->hint = NATIVE_GAUGE;
    }
}

static void compact(struct native_buckets *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (b->v[i].count != 0) {
            b->v[kept++] = b->v[i];
        }
    }
    b->n = kept;
}

void native_compact(struct native_histogram *h)
{
    compact(&h->positive);
    compact(&h->negative);
}

/** Index of the bucket of a schema `down` steps lower that a bucket falls into. */
static int32_t wider(int32_t index, unsigned down)
{
    return (int32_t)((((int64_t)index - 1) >> down) + 1);
}

static void reduce(struct native_buckets *b, unsigned down)
{
    size_t out = 0;

    for (size_t i = 0; i < b->n; i++) {
        int32_t index = wider(b->v[i].index, down);

        if (out != 0 && b->v[out - 1].index == index) {
            b->v[out - 1].count += b->v[i].count;
        } else {
            b->v[out++] = (struct native_bucket){index, b->v[i].count};
        }
    }
    b->n = out;
}

void native_reduce(struct native_histogram *h, int32_t schema)
{
    if (schema < h->schema && !native_is_custom(h) && schema >= NATIVE_SCHEMA_MIN) {
        unsigned down = (unsigned)(h->schema - schema);

        reduce(&h->positive, down);
        reduce(&h->negative, down);
        h->schema = schema;
    }
}

/** The zero count with a wider zero bucket. When the new threshold lies inside a populated bucket it moves to that
 * bucket's far end. */
static double widened(const struct native_histogram *h, double *threshold)
{
    bool again = true;
    double count = h->zero_count;

    while (again && *threshold != h->zero_threshold) {
        again = false;
        count = h->zero_count;
        for (size_t i = 0; i < h->positive.n; i++) {
            const struct native_bucket *b = &h->positive.v[i];

            if (native_bound(b->index - 1, h->schema) >= *threshold) {
                break;
            }
            count += b->count;
            if (native_bound(b->index, h->schema) > *threshold) {
                if (b->count != 0) {
                    *threshold = native_bound(b->index, h->schema);
                }
                break;
            }
        }
        for (size_t i = 0; !again && i < h->negative.n; i++) {
            const struct native_bucket *b = &h->negative.v[i];

            if (native_bound(b->index - 1, h->schema) >= *threshold) {
                break;
            }
            count += b->count;
            if (native_bound(b->index, h->schema) > *threshold) {
                if (b->count != 0) {
                    *threshold = native_bound(b->index, h->schema);
                    again = true; /* what was taken from the positive side no longer holds */
                }
                break;
            }
        }
    }
    return count;
}

static void trim_below(struct native_buckets *b, int32_t schema, double threshold)
{
    for (size_t i = 0; i < b->n && native_bound(b->v[i].index - 1, schema) < threshold; i++) {
        b->v[i].count = 0;
    }
    compact(b);
}

/** Give both the same zero bucket. @return the zero count of `other` with it */
static double reconcile_zero(struct native_histogram *h, const struct native_histogram *other)
{
    double count = other->zero_count;
    double threshold = other->zero_threshold;

    while (threshold != h->zero_threshold) {
        if (isnan(threshold) || isnan(h->zero_threshold)) {
            break;
        }
        if (h->zero_threshold > threshold) {
            threshold = h->zero_threshold;
            count = widened(other, &threshold);
        }
        if (threshold > h->zero_threshold) {
            double t = threshold;

            h->zero_count = widened(h, &t);
            h->zero_threshold = t;
            trim_below(&h->positive, h->schema, t);
            trim_below(&h->negative, h->schema, t);
        }
    }
    return count;
}

/** What a side adds: from `b`, merged down, without what the zero bucket took. */
struct addend {
    const struct native_buckets *b;
    unsigned down;
    int32_t schema; /* after merging */
    double threshold;
    bool custom;
    bool begun;
    size_t at;
};

static bool addend_next(struct addend *a, struct native_bucket *ret)
{
    while (a->at < a->b->n) {
        struct native_bucket r = {wider(a->b->v[a->at].index, a->down), a->b->v[a->at].count};

        a->at++;
        while (a->at < a->b->n && wider(a->b->v[a->at].index, a->down) == r.index) {
            r.count += a->b->v[a->at++].count;
        }
        if (!a->begun && !a->custom && native_bound(r.index, a->schema) <= a->threshold) {
            continue;
        }
        a->begun = true;
        *ret = r;
        return true;
    }
    return false;
}

/** Is every bucket of `a` added as it is, none merged and none in the zero bucket? */
static bool is_plain(const struct addend *a)
{
    return a->down == 0 &&
           (a->b->n == 0 || a->custom || native_bound(a->b->v[0].index, a->schema) > a->threshold);
}

/** add_in_place() of buckets as they are. */
static bool add_plain(struct native_buckets *dst, const struct native_buckets *b, double sign)
{
    size_t i = 0;

    for (size_t k = 0; k < b->n; k++, i++) {
        while (i < dst->n && dst->v[i].index < b->v[k].index) {
            i++;
        }
        if (i == dst->n || dst->v[i].index != b->v[k].index) {
            return false;
        }
    }
    i = 0;
    for (size_t k = 0; k < b->n; k++, i++) {
        while (dst->v[i].index < b->v[k].index) {
            i++;
        }
        dst->v[i].count += sign * b->v[k].count;
    }
    return true;
}

/** The usual case, the same buckets on both sides: no new memory. @return false with nothing done */
static bool add_in_place(struct native_buckets *dst, struct addend a, double sign)
{
    struct addend look = a;
    struct native_bucket b;
    size_t i = 0;

    if (dst->cap == 0) {
        return false;
    }
    if (is_plain(&a)) {
        return add_plain(dst, a.b, sign);
    }
    while (addend_next(&look, &b)) {
        while (i < dst->n && dst->v[i].index < b.index) {
            i++;
        }
        if (i == dst->n || dst->v[i].index != b.index) {
            return false;
        }
    }
    for (i = 0; addend_next(&a, &b); dst->v[i].count += sign * b.count) {
        while (dst->v[i].index < b.index) {
            i++;
        }
    }
    return true;
}

/** dst += sign * addend, both in order of index. */
static int add_buckets(struct native_buckets *dst, struct addend a, double sign)
{
    struct native_buckets out = {0};
    struct native_bucket b;
    size_t i = 0;
    int rc = 0;
    bool more;

    if (add_in_place(dst, a, sign)) {
        return 0;
    }
    more = addend_next(&a, &b);
    if (!more) {
        return 0;
    }
    while (rc == 0 && (more || i < dst->n)) {
        if (!more || (i < dst->n && dst->v[i].index < b.index)) {
            rc = native_push(&out, dst->v[i].index, dst->v[i].count);
            i++;
        } else if (i < dst->n && dst->v[i].index == b.index) {
            rc = native_push(&out, b.index, dst->v[i].count + sign * b.count);
            i++;
            more = addend_next(&a, &b);
        } else {
            rc = native_push(&out, b.index, sign * b.count);
            more = addend_next(&a, &b);
        }
    }
    if (rc == 0) {
        struct native_buckets old = *dst;

        *dst = out;
        out = old;
    }
    if (out.cap != 0) {
        mem_free(out.v);
    }
    return rc;
}

static bool same_bounds(const struct native_histogram *a, const struct native_histogram *b)
{
    if (a->bounds_n != b->bounds_n) {
        return false;
    }
    for (size_t i = 0; i < a->bounds_n; i++) {
        if (a->bounds[i] != b->bounds[i]) {
            return false;
        }
    }
    return true;
}

/** Of a sum: gauges win, contradictions become unknown. */
static uint8_t joined_hint(uint8_t a, uint8_t b)
{
    if (a == b || a == NATIVE_GAUGE || b == NATIVE_GAUGE) {
        return a == b ? a : NATIVE_GAUGE;
    }
    return NATIVE_UNKNOWN;
}

/** Walk over two histograms with custom bounds by the bounds both have. */
struct common {
    const struct native_histogram *h[2];
    size_t bound[2];
    size_t bucket[2];
    bool done;
};

/** @return false at the end; else what each has up to `bound`, which is Inf for the last */
static bool common_next(struct common *c, double *bound, double count[2])
{
    const struct native_histogram *a = c->h[0];
    const struct native_histogram *b = c->h[1];

    if (c->done) {
        return false;
    }
    while (c->bound[0] < a->bounds_n && c->bound[1] < b->bounds_n &&
           a->bounds[c->bound[0]] != b->bounds[c->bound[1]]) {
        c->bound[a->bounds[c->bound[0]] < b->bounds[c->bound[1]] ? 0 : 1]++;
    }
    c->done = c->bound[0] >= a->bounds_n || c->bound[1] >= b->bounds_n;
    *bound = c->done ? INFINITY : a->bounds[c->bound[0]];
    for (int i = 0; i < 2; i++) {
        const struct native_buckets *v = &c->h[i]->positive;

        count[i] = 0;
        while (c->bucket[i] < v->n &&
               (c->done || (size_t)v->v[c->bucket[i]].index <= c->bound[i])) {
            count[i] += v->v[c->bucket[i]++].count;
        }
        c->bound[i]++;
    }
    return true;
}

/** h += sign * other for custom bounds that differ: the result has those in common. */
static int combine_common(struct native_histogram *h, const struct native_histogram *other,
                          double sign)
{
    struct native_histogram out = {.schema = NATIVE_SCHEMA_CUSTOM,
                                   .hint = joined_hint(h->hint, other->hint),
                                   .count = h->count + sign * other->count,
                                   .sum = h->sum + sign * other->sum};
    struct common c = {.h = {h, other}};
    double count[2];
    double bound;
    int rc = 0;

    for (int32_t i = 0; rc == 0 && common_next(&c, &bound, count); i++) {
        double v = count[0] + sign * count[1];

        rc = isinf(bound) ? 0 : native_push_bound(&out, bound);
        if (rc == 0 && v != 0) {
            rc = native_push(&out.positive, i, v);
        }
    }
    if (rc == 0) {
        struct native_histogram old = *h;

        *h = out;
        out = old;
    }
    native_done(&out);
    return rc;
}

static int combine(struct native_histogram *h, const struct native_histogram *other, double sign,
                   bool *reconciled)
{
    struct addend a = {.custom = native_is_custom(h)};
    int rc;

    if (native_is_custom(h) != native_is_custom(other)) {
        return NATIVE_MIXED_SCHEMAS;
    }
    if (native_is_custom(h) && !same_bounds(h, other)) {
        if (reconciled == NULL) {
            return NATIVE_MIXED_BOUNDS;
        }
        *reconciled = true;
        return combine_common(h, other, sign);
    }
    h->hint = joined_hint(h->hint, other->hint);
    if (!a.custom) {
        h->zero_count += sign * reconcile_zero(h, other);
    }
    h->count += sign * other->count;
    h->sum += sign * other->sum;
    native_reduce(h, other->schema);
    a.down = other->schema > h->schema ? (unsigned)(other->schema - h->schema) : 0;
    a.schema = h->schema;
    a.threshold = h->zero_threshold;
    a.b = &other->positive;
    rc = add_buckets(&h->positive, a, sign);
    a.b = &other->negative;
    return rc == 0 ? add_buckets(&h->negative, a, sign) : rc;
}

int native_add(struct native_histogram *h, const struct native_histogram *other, bool *reconciled)
{
    return combine(h, other, 1, reconciled);
}

int native_sub(struct native_histogram *h, const struct native_histogram *other, bool *reconciled)
{
    return combine(h, other, -1, reconciled);
}

static bool same_buckets(const struct native_buckets *a, const struct native_buckets *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (a->v[i].index != b->v[i].index || !f64_same(a->v[i].count, b->v[i].count)) {
            return false;
        }
    }
    return true;
}

bool native_eq(const struct native_histogram *a, const struct native_histogram *b)
{
    return a->schema == b->schema && f64_same(a->count, b->count) && f64_same(a->sum, b->sum) &&
           a->zero_threshold == b->zero_threshold && f64_same(a->zero_count, b->zero_count) &&
           same_bounds(a, b) && same_buckets(&a->positive, &b->positive) &&
           same_buckets(&a->negative, &b->negative);
}

/** Did a bucket shrink or vanish? `down`: how much lower the schema of `now` is. */
static bool side_reset(const struct native_buckets *now, struct addend before)
{
    struct native_bucket b;
    size_t i = 0;

    if (is_plain(&before)) {
        for (size_t k = 0; k < before.b->n; k++) {
            b = before.b->v[k];
            while (i < now->n && now->v[i].index < b.index) {
                i++;
            }
            if (b.count != 0 &&
                (i == now->n || now->v[i].index != b.index || now->v[i].count < b.count)) {
                return true;
            }
        }
        return false;
    }
    while (addend_next(&before, &b)) {
        while (i < now->n && now->v[i].index < b.index) {
            i++;
        }
        if (i < now->n && now->v[i].index == b.index) {
            if (now->v[i].count < b.count) {
                return true;
            }
        } else if (b.count != 0) {
            return true;
        }
    }
    return false;
}

/** Has any bucket between the bounds both have shrunk? */
static bool common_reset(const struct native_histogram *now, const struct native_histogram *before)
{
    struct common c = {.h = {now, before}};
    double count[2];
    double bound;

    while (common_next(&c, &bound, count)) {
        if (count[0] < count[1]) {
            return true;
        }
    }
    return false;
}

bool native_is_reset(const struct native_histogram *now, const struct native_histogram *before,
                     bool reconcile)
{
    struct addend a = {
        .schema = now->schema, .threshold = now->zero_threshold, .custom = native_is_custom(now)};
    double threshold = now->zero_threshold;

    if (now->hint == NATIVE_RESET || now->hint == NATIVE_NOT_RESET) {
        return now->hint == NATIVE_RESET;
    }
    if (now->count < before->count || now->schema > before->schema ||
        native_is_custom(now) != native_is_custom(before) ||
        (!a.custom && now->zero_threshold < before->zero_threshold)) {
        return true;
    }
    if (a.custom && !same_bounds(now, before)) {
        return !reconcile || common_reset(now, before);
    }
    if (!a.custom) {
        double zero = widened(before, &threshold);

        if (threshold != now->zero_threshold || now->zero_count < zero) {
            return true;
        }
        a.down = (unsigned)(before->schema - now->schema);
    }
    a.b = &before->positive;
    if (side_reset(&now->positive, a)) {
        return true;
    }
    a.b = &before->negative;
    return side_reset(&now->negative, a);
}

/* ---- estimates ---- */

/** A zero bucket of a histogram with one sign only has no other half. */
static void halve_zero(const struct native_histogram *h, struct native_range *r)
{
    if (h->negative.n == 0 && h->positive.n != 0) {
        r->lower = 0;
    } else if (h->positive.n == 0 && h->negative.n != 0) {
        r->upper = 0;
    }
}

/** Where in a bucket the share `part` of its observations ends: log scale but for zero and custom buckets. */
static double inside(const struct native_histogram *h, const struct native_range *r, double part)
{
    double lower;
    double upper;

    if (native_is_custom(h) || (r->lower <= 0 && r->upper >= 0)) {
        return r->lower + (r->upper - r->lower) * part;
    }
    lower = log2(fabs(r->lower));
    upper = log2(fabs(r->upper));
    return r->lower > 0 ? exp2(lower + (upper - lower) * part)
                        : -exp2(upper + (lower - upper) * (1 - part));
}

static double count_all(const struct native_histogram *h)
{
    struct native_iter it = native_iter(h, false);
    struct native_range r;
    double sum = 0;

    while (native_next(&it, &r)) {
        sum += r.count;
    }
    return sum;
}

bool native_has_nan(const struct native_histogram *h)
{
    return isnan(h->sum) && count_all(h) < h->count;
}

double native_quantile(const struct native_histogram *h, double q)
{
    /* NaN observations are in no bucket, so that only counting from below finds the rank. */
    bool up = isnan(h->sum) || q < 0.5;
    struct native_range r = {0};
    struct native_range next;
    struct native_iter it = native_iter(h, !up);
    double rank = (up ? q : 1 - q) * h->count;
    double count = 0;

    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    if (h->count == 0 || isnan(q)) {
        return NAN;
    }
    while (native_next(&it, &next)) {
        r = next;
        if (r.count == 0) {
            continue;
        }
        count += r.count;
        if (count >= rank) {
            break;
        }
    }
    if (!native_is_custom(h) && r.lower < 0 && r.upper > 0) {
        halve_zero(h, &r);
    } else if (native_is_custom(h) && isinf(r.lower) && r.lower < 0) {
        if (r.upper <= 0) {
            return r.upper;
        }
        r.lower = 0;
    } else if (native_is_custom(h) && isinf(r.upper) && r.upper > 0) {
        return r.lower;
    }
    count = count > h->count ? h->count : count;
    if (count < rank) {
        return isnan(h->sum) ? NAN : r.upper;
    }
    rank = up ? rank - (count - r.count) : count - rank;
    return inside(h, &r, rank / r.count);
}

/** Observations of a bucket below `v`, which lies inside. */
static double count_below(const struct native_histogram *h, const struct native_range *r, bool zero,
                          double v)
{
    double lower;
    double upper;
    double at;

    if (native_is_custom(h) || zero) {
        return r->count * (v - r->lower) / (r->upper - r->lower);
    }
    lower = log2(fabs(r->lower));
    upper = log2(fabs(r->upper));
    at = log2(fabs(v));
    return r->count * (v > 0 ? (at - lower) / (upper - lower) : 1 - (at - upper) / (lower - upper));
}

double native_fraction(const struct native_histogram *h, double lower, double upper)
{
    struct native_iter it = native_iter(h, false);
    struct native_range r;
    const double limit[2] = {lower, upper};
    double most = isnan(h->sum) ? count_all(h) : h->count;
    double rank[2] = {most, most};
    bool set[2] = {false, false};
    double below = 0;

    if (h->count == 0 || isnan(lower) || isnan(upper)) {
        return NAN;
    }
    if (lower >= upper) {
        return 0;
    }
    while (!(set[0] && set[1]) && native_next(&it, &r)) {
        bool zero = r.lower <= 0 && r.upper >= 0;

        if (zero) {
            halve_zero(h, &r);
        }
        for (int i = 0; i < 2; i++) {
            if (!set[i] && r.lower >= limit[i]) {
                rank[i] = below;
                set[i] = true;
            } else if (!set[i] && r.upper > limit[i]) {
                rank[i] = below + count_below(h, &r, zero, limit[i]);
                set[i] = true;
            }
        }
        below += r.count;
    }
    for (int i = 0; i < 2; i++) {
        rank[i] = rank[i] > most ? most : rank[i];
    }
    return (rank[1] - rank[0]) / h->count;
}

double native_variance(const struct native_histogram *h)
{
    struct native_iter it = native_iter(h, false);
    double mean = h->sum / h->count;
    double sum = 0;
    double c = 0;
    struct native_range r;

    while (native_next(&it, &r)) {
        double v = 0;
        double x;
        double t;

        if (r.count == 0) {
            continue;
        }
        if (native_is_custom(h)) {
            v = (r.upper + r.lower) / 2;
        } else if (!(r.lower <= 0 && r.upper >= 0)) {
            v = sqrt(r.upper * r.lower);
            v = r.upper < 0 ? -v : v;
        }
        x = r.count * (v - mean) * (v - mean);
        t = sum + x; /* compensated, Neumaier 1974 */
        if (isinf(t)) {
            c = 0;
        } else {
            c += fabs(sum) >= fabs(x) ? (sum - t) + x : (x - t) + sum;
        }
        sum = t;
    }
    return (sum + c) / h->count;
}
