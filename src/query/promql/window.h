/* SPDX-License-Identifier: Apache-2.0
 *
 * The range functions. All take a window with at least one sample and @return false for "no value".
 */
#ifndef QUERY_PROMQL_WINDOW_H
#define QUERY_PROMQL_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** How the change over a window is stretched to its range: the same at every step while samples and steps keep their
 * distances, so it is kept from one step to the next. */
struct stretch {
    int64_t before_ms; /* what it was made for: from the range's begin to the first sample, */
    int64_t within_ms; /* from that to the last, */
    int64_t after_ms;  /* from there to the range's end; */
    size_t n;          /* and the number of samples. 0: nothing yet */
    double to_start, to_end, spacing, sampled; /* seconds */
    double
        near_zero; /* a counter may have begun inside the range when its first value is below delta times this */
    double change, per_second; /* times the difference of the values */
};

/** What a range function sees at one step: the samples of its range without stale markers, n >= 1. */
struct window {
    const int64_t *t_ms;
    const double *v;
    size_t n;
    int64_t start_ms; /* of the range */
    int64_t end_ms;
    int64_t eval_ms; /* the step's time, which offset and @ do not move */
    double range_s;
    bool compat_2x;
    double arg[2];   /* scalar arguments, in order */
    double *scratch; /* room for n values */
    /* Only for functions of counters: indexes of the samples below their predecessor, counted from `first`
     * (v[0] is sample `first` of the series). Few, so a rate does not walk the whole window. */
    const int64_t *resets;
    size_t resets_n;
    size_t first;
    struct stretch *stretch; /* of the step before; rates and deltas need it */
    const double *blocks; /* the function's reduce() of whole blocks of the series; may be NULL */
};

enum { WINDOW_BLOCK = 64 };

/** How a window of n >= 2 samples is stretched, made or kept in w->stretch. Values are not looked at. */
const struct stretch *window_stretch(const struct window *w);

/** Largest and smallest of n >= 1 values, NaN only when all are. */
double extreme_max(const double *v, size_t n);
double extreme_min(const double *v, size_t n);

bool window_rate(const struct window *w, double *ret);
bool window_increase(const struct window *w, double *ret);
bool window_delta(const struct window *w, double *ret);
bool window_irate(const struct window *w, double *ret);
bool window_idelta(const struct window *w, double *ret);
bool window_changes(const struct window *w, double *ret);
bool window_resets(const struct window *w, double *ret);
bool window_sum(const struct window *w, double *ret);
bool window_avg(const struct window *w, double *ret);
bool window_min(const struct window *w, double *ret);
bool window_max(const struct window *w, double *ret);
bool window_count(const struct window *w, double *ret);
bool window_first(const struct window *w, double *ret);
bool window_ts_first(const struct window *w, double *ret);
bool window_ts_last(const struct window *w, double *ret);
bool window_ts_max(const struct window *w, double *ret);
bool window_ts_min(const struct window *w, double *ret);
/** arg[0]: 0, 1 or 2, checked by the caller */
bool window_integral(const struct window *w, double *ret);
bool window_last(const struct window *w, double *ret);
bool window_present(const struct window *w, double *ret);
bool window_stdvar(const struct window *w, double *ret);
bool window_stddev(const struct window *w, double *ret);
bool window_quantile(const struct window *w, double *ret);
bool window_mad(const struct window *w, double *ret);
bool window_deriv(const struct window *w, double *ret);
bool window_predict_linear(const struct window *w, double *ret);
bool window_holt_winters(const struct window *w, double *ret);

#endif
