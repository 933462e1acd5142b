/* SPDX-License-Identifier: Apache-2.0
 *
 * One plan for the windows of series with the same times. Invariant: the formulas are those of window.c, asked for
 * once a step instead of once a step and series; the rare counter that began inside its window is handed to it.
 */
#include "query/promql/rate_plan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "model/samples.h"

enum {
    USED_OFTEN = 2,      /* series of a plan after which the next is made at once */
    STEPS_MIN = 8,       /* fewer windows do not pay for a plan */
    STEPS_MAX = 1 << 20, /* the plan is memory nobody bills */
    SAMPLES_MAX = 1 << 20,
};

VECTORISED bool values_any_stale(const double *v, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        any |= sample_is_stale(v[i]);
    }
    return any;
}

VECTORISED bool values_any_reset(const double *v, size_t n)
{
    bool any = false;

    for (size_t i = 1; i < n; i++) {
        any |= v[i] < v[i - 1];
    }
    return any;
}

void rate_plan_done(struct rate_plan *p)
{
    mem_free(p->t_ms);
    mem_free(p->first);
    mem_free(p->last);
    mem_free(p->factor);
    mem_free(p->near_zero);
    mem_free(p->has);
    *p = (struct rate_plan){0};
}

static bool make_room(struct rate_plan *p, size_t steps)
{
    if (p->steps == steps) {
        return true;
    }
    p->first = mem_try_alloc(steps * sizeof(*p->first));
    p->last = mem_try_alloc(steps * sizeof(*p->last));
    p->factor = mem_try_alloc(steps * sizeof(*p->factor));
    p->near_zero = mem_try_alloc(steps * sizeof(*p->near_zero));
    p->has = mem_try_alloc((steps + 63) / 64 * sizeof(*p->has));
    if (p->first == NULL || p->last == NULL || p->factor == NULL || p->near_zero == NULL ||
        p->has == NULL) {
        rate_plan_done(p);
        return false;
    }
    p->steps = steps;
    return true;
}

static struct window window_at(const struct rate_grid *g, size_t step, struct stretch *s)
{
    int64_t end = g->end_ms + (int64_t)step * g->step_ms;

    return (struct window){.start_ms = end - g->range_ms,
                           .end_ms = end,
                           .range_s = (double)g->range_ms / 1000,
                           .compat_2x = !g->left_open,
                           .stretch = s};
}

/** Does the stretch of the step before hold for samples [lo, hi) of a range that begins at start_ms too? */
static bool holds(const struct stretch *s, const int64_t *t_ms, size_t lo, size_t hi,
                  int64_t start_ms, int64_t end_ms)
{
    return s->n == hi - lo && s->before_ms == t_ms[lo] - start_ms &&
           s->within_ms == t_ms[hi - 1] - t_ms[lo] && s->after_ms == end_ms - t_ms[hi - 1];
}

static void make(struct rate_plan *p, const struct rate_grid *g)
{
    struct stretch s = {0};
    struct window w = window_at(g, 0, &s);
    const int64_t *t_ms = p->t_ms;
    int64_t open = g->left_open ? 1 : 0;
    size_t lo = 0;
    size_t hi = 0;

    memset(p->has, 0, (p->steps + 63) / 64 * sizeof(*p->has));
    p->seen = 0;
    for (size_t i = 0; i < p->steps; i++, w.start_ms += g->step_ms, w.end_ms += g->step_ms) {
        while (hi < p->n && t_ms[hi] <= w.end_ms) {
            hi++;
        }
        while (lo < hi && t_ms[lo] < w.start_ms + open) {
            lo++;
        }
        p->seen += hi - lo;
        if (hi - lo < 2) {
            p->first[i] = p->last[i] = 0;
            p->factor[i] = p->near_zero[i] = 0;
            continue;
        }
        if (!holds(&s, t_ms, lo, hi, w.start_ms, w.end_ms)) {
            w.t_ms = t_ms + lo;
            w.n = hi - lo;
            window_stretch(&w);
        }
        p->first[i] = (uint32_t)lo;
        p->last[i] = (uint32_t)(hi - 1);
        p->factor[i] = g->per_second ? s.per_second : s.change;
        p->near_zero[i] = s.near_zero;
        p->has[i / 64] |= 1ull << (i % 64);
    }
    p->made = true;
}

static bool remember(struct rate_plan *p, const int64_t *t_ms, size_t n)
{
    if (n > p->cap) {
        int64_t *t = mem_try_realloc(p->t_ms, n * sizeof(*t));

        if (t == NULL) {
            p->n = 0;
            return false;
        }
        p->t_ms = t;
        p->cap = n;
    }
    memcpy(p->t_ms, t_ms, n * sizeof(*t_ms));
    p->n = n;
    p->made = false;
    return true;
}

bool rate_plan_fits(struct rate_plan *p, const struct rate_grid *g, const int64_t *t_ms, size_t n)
{
    if (g->steps < STEPS_MIN || g->steps > STEPS_MAX || n < 2 || n > SAMPLES_MAX) {
        return false;
    }
    if (p->n != n || p->t_ms[0] != t_ms[0] || memcmp(p->t_ms, t_ms, n * sizeof(*t_ms)) != 0) {
        bool often = p->used >= USED_OFTEN;

        p->used = 0;
        if (!remember(p, t_ms, n) || !often) {
            return false;
        }
    }
    if (!p->made) {
        if (!make_room(p, g->steps)) {
            return false;
        }
        make(p, g);
    }
    p->used++;
    return true;
}

/** @return whether a counter may have begun inside its window at any step */
VECTORISED static bool differences(const struct rate_plan *p, const double *restrict v,
                                   double *restrict dst)
{
    const uint32_t *restrict first = p->first;
    const uint32_t *restrict last = p->last;
    const double *restrict factor = p->factor;
    const double *restrict near_zero = p->near_zero;
    bool rare = false;

    for (size_t i = 0; i < p->steps; i++) {
        double from = v[first[i]];
        double delta = v[last[i]] - from;

        rare |= (delta > 0) & (from >= 0) & (from < delta * near_zero[i]);
        dst[i] = delta * factor[i];
    }
    return rare;
}

void rate_plan_walk(const struct rate_plan *p, const struct rate_grid *g, const double *v,
                    double *dst)
{
    struct stretch s = {0};

    if (!differences(p, v, dst) || !g->counter) {
        return;
    }
    for (size_t i = 0; i < p->steps; i++) {
        double from = v[p->first[i]];
        double delta = v[p->last[i]] - from;

        if (delta > 0 && from >= 0 && from < delta * p->near_zero[i]) {
            struct window w = window_at(g, i, &s);

            w.t_ms = p->t_ms + p->first[i];
            w.v = v + p->first[i];
            w.n = p->last[i] - p->first[i] + 1;
            ignore_result((g->per_second ? window_rate : window_increase)(&w, &dst[i]),
                          "two samples have a rate");
        }
    }
}
