/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions that work on whole matrices. Each evaluates its own arguments and @return 0 with *ret made, or
 * an error with nothing made.
 */
#ifndef QUERY_PROMQL_SPECIAL_H
#define QUERY_PROMQL_SPECIAL_H

struct eval;
struct call;
struct grid;
struct mat;

typedef int special_fn(struct eval *ev, const struct call *c, const struct grid *g,
                       struct mat *ret);

special_fn special_absent;
special_fn special_absent_over_time;
special_fn special_clamp;
special_fn special_clamp_max;
special_fn special_clamp_min;
special_fn special_histogram_avg;
special_fn special_histogram_count;
special_fn special_histogram_fraction;
special_fn special_histogram_quantile;
special_fn special_histogram_quantiles;
special_fn special_histogram_stddev;
special_fn special_histogram_stdvar;
special_fn special_histogram_sum;
special_fn special_label_join;
special_fn special_label_replace;
special_fn special_max_of;
special_fn special_min_of;
special_fn special_pi;
special_fn special_round;
special_fn special_scalar;
special_fn special_sort;
special_fn special_sort_by_label;
special_fn special_sort_by_label_desc;
special_fn special_sort_desc;
special_fn special_time;
special_fn special_start_timestamp;
special_fn special_timestamp;
special_fn special_vector;

#endif
