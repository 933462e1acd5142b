/* SPDX-License-Identifier: Apache-2.0
 *
 * Rates of series that were sampled at the same times, as those of one target are: where the windows of all steps
 * begin and end, and by how much a difference is stretched, is found once and used for all of them.
 */
#ifndef QUERY_PROMQL_RATE_PLAN_H
#define QUERY_PROMQL_RATE_PLAN_H

#include "query/promql/window.h"

/** Of one thread; zeroed at first. The grid, the range and the function stay the same over its life. */
struct rate_plan {
    int64_t *t_ms; /* the times of the series before */
    size_t n, cap;
    bool made;   /* what follows is of these times */
    size_t used; /* by so many series */
    size_t steps;
    uint32_t *first, *last; /* [steps] samples of each window; 0 where it has no value */
    double *factor;         /* [steps] value by difference */
    double *near_zero;      /* [steps] as in struct stretch */
    uint64_t *has;          /* [(steps + 63) / 64] steps with a value */
    uint64_t seen;          /* samples in all windows */
};

/** The windows of all steps over the samples of one series. */
struct rate_grid {
    size_t steps;
    int64_t end_ms;  /* of the first step's window */
    int64_t step_ms; /* 0: the same window at all steps */
    int64_t range_ms;
    bool left_open;
    bool counter;    /* a counter does not begin below zero */
    bool per_second; /* rate, not increase or delta */
};

void rate_plan_done(struct rate_plan *p);

/** Does it pay to walk this series along the plan? Makes the plan for the second series in a row with the
 * same times, or for the first after a plan that was good for several.
 * @return false: walk it window by window */
bool rate_plan_fits(struct rate_plan *p, const struct rate_grid *g, const int64_t *t_ms, size_t n);

/**
 * Values of all steps, exactly those of window_rate(), window_increase() and window_delta().
 *
 * @param v      samples at the plan's times; without resets when g->counter
 * @param dst    [steps]; holds no meaning where p->has has no bit
 */
void rate_plan_walk(const struct rate_plan *p, const struct rate_grid *g, const double *v,
                    double *dst);

/** Is a stale marker among n values? */
bool values_any_stale(const double *v, size_t n);
/** Is any of n values below the one before it? */
bool values_any_reset(const double *v, size_t n);

#endif
