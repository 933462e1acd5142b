/* SPDX-License-Identifier: Apache-2.0
 *
 * The range functions. All take a window with at least one sample and @return false for "no value".
 */
#ifndef QUERY_PROMQL_WINDOW_H
#define QUERY_PROMQL_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

struct window;

enum { WINDOW_BLOCK = 64 };

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
