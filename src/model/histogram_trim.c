/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting native histograms at a value: what lies on one side stays, inside a bucket by interpolation. Source:
 * Prometheus documentation, querying/operators, "Histogram trim operators". Infinite buckets count as lying at
 * infinity. Invariant: count and sum change only when something was cut.
 */
#include "model/histogram.h"

struct trim {
    double at;
    bool below; /* what is kept */
    bool custom;
    bool changed;
    double count;
    double sum;
};

/** Share of a bucket's observations below `v`, which lies inside: linear, or on a log scale away from zero. */
static double share_below(bool linear, double lower, double upper, double v)
{
    double l;
    double u;
    double x;

    if (linear) {
        return (v - lower) / (upper - lower);
    }
    l = log2(fabs(lower));
    u = log2(fabs(upper));
    x = log2(fabs(v));
    return lower > 0 ? (x - l) / (u - l) : 1 - (x - u) / (l - u);
}

/** The value that stands for the observations between two bounds. */
static double middle(bool linear, double lower, double upper)
{
    if (isinf(lower)) {
        return isinf(upper) ? 0 : upper > 0 ? upper / 2 : upper;
    }
    if (isinf(upper)) {
        return lower;
    }
    if (linear) {
        return (lower + upper) / 2;
    }
    return copysign(sqrt(fabs(lower * upper)), upper <= 0 ? -1 : 1);
}

/** What stays of a bucket without a lower bound that the cut lies in. */
static double of_lowest(const struct trim *t, double upper, double count, double *at)
{
    if (upper > 0 && isfinite(upper) && (t->below ? t->at > 0 : t->at >= 0)) {
        *at = t->below ? t->at / 2 : (t->at + upper) / 2; /* it begins at 0 */
        return t->below ? count * t->at / upper : count * (1 - t->at / upper);
    }
    *at = t->at;
    return t->below && upper <= 0 ? count : 0;
}

/** What stays of a bucket that the cut lies in, and where it stands. */
static double of_bucket(const struct trim *t, bool linear, double lower, double upper, double count,
                        double *at)
{
    double under;

    if (isinf(lower)) {
        return of_lowest(t, upper, count, at);
    }
    if (isinf(upper)) {
        *at = t->at;
        return t->below ? 0 : count;
    }
    under = count * share_below(linear, lower, upper, t->at);
    *at = t->below ? middle(linear, lower, t->at) : middle(linear, t->at, upper);
    return t->below ? under : count - under;
}

/** @return what stays of a bucket */
static double cut(struct trim *t, bool linear, double lower, double upper, double count)
{
    bool all = t->below ? upper <= t->at : lower >= t->at;
    bool some = t->below ? lower < t->at : upper > t->at;
    double kept = all ? count : 0;
    double at = middle(linear, lower, upper);

    if (count == 0) {
        return 0;
    }
    if (!all && some) {
        kept = of_bucket(t, linear, lower, upper, count, &at);
    }
    t->changed |= kept != count;
    if (kept != 0) {
        t->count += kept;
        t->sum += kept * at;
    }
    return kept;
}

static void cut_zero(struct trim *t, struct native_histogram *h, bool positive, bool negative)
{
    double lower = positive && !negative ? 0 : -h->zero_threshold;
    double upper = negative && !positive ? 0 : h->zero_threshold;
    double kept = 0;
    double at = 0;

    if (h->zero_count == 0) {
        return;
    }
    if (t->at <= lower || t->at >= upper) {
        kept = (t->at <= lower) != t->below ? h->zero_count : 0;
        at = (lower + upper) / 2;
    } else if (!isnan(t->at)) {
        kept = h->zero_count * (t->below ? t->at - lower : upper - t->at) / (upper - lower);
        at = t->below ? (lower + t->at) / 2 : (t->at + upper) / 2;
    }
    t->changed |= kept != h->zero_count;
    h->zero_count = kept;
    t->count += kept;
    t->sum += kept * at;
}

static bool populated(const struct native_buckets *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->v[i].count != 0) {
            return true;
        }
    }
    return false;
}

static double custom_bound(const struct native_histogram *h, int64_t i)
{
    if (i < 0) {
        return -INFINITY;
    }
    return (size_t)i < h->bounds_n ? h->bounds[i] : INFINITY;
}

void native_trim(struct native_histogram *h, double at, bool below)
{
    struct trim t = {.at = at, .below = below, .custom = native_is_custom(h)};
    bool positive = populated(&h->positive);
    bool negative = populated(&h->negative);

    for (size_t i = 0; i < h->positive.n; i++) {
        struct native_bucket *b = &h->positive.v[i];
        double lower = t.custom ? custom_bound(h, (int64_t)b->index - 1)
                                : native_bound(b->index - 1, h->schema);
        double upper = t.custom ? custom_bound(h, b->index) : native_bound(b->index, h->schema);

        b->count = cut(&t, t.custom, lower, upper, b->count);
    }
    for (size_t i = 0; i < h->negative.n; i++) {
        struct native_bucket *b = &h->negative.v[i];

        b->count = cut(&t, false, -native_bound(b->index, h->schema),
                       -native_bound(b->index - 1, h->schema), b->count);
    }
    if (!t.custom) {
        cut_zero(&t, h, positive, negative);
    }
    if (t.changed) {
        h->count = t.count;
        h->sum = t.sum;
    }
    native_compact(h);
}
