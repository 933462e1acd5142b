/* SPDX-License-Identifier: Apache-2.0
 *
 * `anchored` and `smoothed` selectors. Anchored: the sample before the range, as far back as the lookback, counts
 * as standing at its start, and nothing is extrapolated. Smoothed: values at the range's ends are interpolated
 * between the samples around them; an instant selector gives the interpolated value of each step. Source:
 * Prometheus 3.x documentation, querying/basics, extended range selectors.
 */
#include "query/promql/eval.h"
#include "query/promql/window.h"

int extended_check(struct eval *ev, enum extend extend, const struct function *fn)
{
    bool slope =
        fn->window == window_rate || fn->window == window_increase || fn->window == window_delta;
    bool steps = fn->window == window_changes || fn->window == window_resets;

    if (extend == EXTEND_ANCHORED && !slope && !steps) {
        return err_set(
            ev->reterr, ERR_EXEC,
            "anchored modifier can only be used with: changes, delta, increase, rate, resets "
            "- not with %s",
            fn->name);
    }
    if (extend == EXTEND_SMOOTHED && !slope) {
        return err_set(
            ev->reterr, ERR_EXEC,
            "smoothed modifier can only be used with: delta, increase, rate - not with %s",
            fn->name);
    }
    return 0;
}

/** The value between samples a and a + 1 at a time; a counter that fell began again at 0. */
static double between(const struct samples *s, size_t a, int64_t t_ms, bool counter)
{
    double y1 = s->v[a];
    double y2 = s->v[a + 1];

    if (counter && y2 < y1) {
        y1 = 0;
    }
    return y1 + (y2 - y1) * (double)(t_ms - s->t_ms[a]) / (double)(s->t_ms[a + 1] - s->t_ms[a]);
}

/** First index in [lo, hi) with a time of at least t; hi when there is none. */
static size_t at_least(const struct samples *s, size_t lo, size_t hi, int64_t t_ms)
{
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (s->t_ms[mid] >= t_ms) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

/** What one step sees: the values at the range's ends and the samples [from, to) strictly inside. */
struct ends {
    double left;
    double right;
    size_t from;
    size_t to;
};

/** @param lo,hi  samples the step may look at: the range and the lookback around it */
static bool find_ends(const struct extended *x, const struct samples *s, size_t lo, size_t hi,
                      int64_t start_ms, int64_t end_ms, struct ends *ret)
{
    bool smooth = x->extend == EXTEND_SMOOTHED;
    bool counter = x->fn->counter;
    size_t last = hi - 1;
    size_t first = at_least(s, lo, last, start_ms + 1);

    first -= first > lo;
    if (smooth) {
        last = at_least(s, lo, last, end_ms);
    }
    if (s->t_ms[last] <= start_ms || (smooth && s->t_ms[first] > end_ms)) {
        return false;
    }
    ret->left =
        smooth && s->t_ms[first] < start_ms ? between(s, first, start_ms, counter) : s->v[first];
    ret->right = smooth && s->t_ms[last] > end_ms && last > lo
                     ? between(s, last - 1, end_ms, counter)
                     : s->v[last];
    ret->from = s->t_ms[first] <= start_ms ? first + 1 : first;
    ret->to = s->t_ms[last] >= end_ms ? last : last + 1;
    ret->to = ret->to < ret->from ? ret->from : ret->to;
    return true;
}

static double value_of(const struct extended *x, const struct samples *s, const struct ends *e)
{
    bool changes = x->fn->window == window_changes;
    double before = e->left;
    double fell = 0; /* what the counter had before it fell */
    size_t resets = 0;
    size_t changed = 0;
    double out;

    for (size_t i = e->from; i <= e->to; i++) {
        double now = i < e->to ? s->v[i] : e->right;

        if (now < before) {
            fell += before;
            resets++;
        }
        changed += now != before && !(isnan(now) && isnan(before));
        before = now;
    }
    if (changes || x->fn->window == window_resets) {
        return (double)(changes ? changed : resets);
    }
    out = e->right - e->left + (x->fn->counter ? fell : 0);
    return x->fn->window == window_rate ? out / ((double)x->range_ms / 1000) : out;
}

/** The value at each step, interpolated; the newest sample while none follows. */
static bool smooth_instant(const struct samples *s, size_t lo, size_t hi, int64_t t_ms, double *ret)
{
    size_t i = at_least(s, lo, hi, t_ms);

    if (i < hi && s->t_ms[i] == t_ms) {
        *ret = s->v[i];
        return true;
    }
    if (i == lo) {
        return false;
    }
    *ret = i < hi ? between(s, i - 1, t_ms, false) : s->v[i - 1];
    return true;
}

int extended_walk(const struct extended *x, const struct samples *s, double *v, uint64_t *bits,
                  struct err *reterr)
{
    int64_t open = x->ev->left_open ? 1 : 0;
    int64_t range = x->fn != NULL ? x->range_ms : 0;
    int64_t after = x->extend == EXTEND_SMOOTHED ? x->ev->lookback_ms : 0;

    (void)reterr;
    for (size_t i = 0; i < x->grid->n; i++) {
        int64_t end =
            (x->when.at != AT_NONE ? x->when.at_ms : grid_at(x->grid, i)) - x->when.offset_ms;
        int64_t start = end - range;
        size_t lo = at_least(s, 0, s->n, start - x->ev->lookback_ms + open);
        size_t hi = at_least(s, lo, s->n, end + after + 1);
        struct ends e;
        bool have = false;

        if (lo == hi) {
            continue;
        }
        if (x->fn == NULL) {
            have = smooth_instant(s, lo, hi, end, &v[i]);
        } else if (find_ends(x, s, lo, hi, start, end, &e)) {
            v[i] = value_of(x, s, &e);
            have = true;
        }
        if (have) {
            bit_set(bits, i);
        }
    }
    return 0;
}
