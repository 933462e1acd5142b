/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation over roll-ups: where a source gives buckets instead of samples (series_source.h), windows and lookback
 * are at least as long as buckets, and functions take the column that was made for them.
 */
#ifndef QUERY_PROMQL_ROLLED_H
#define QUERY_PROMQL_ROLLED_H

#include "query/promql/eval.h"

/** What of a selection is buckets; n 0: nothing. */
struct rolled {
    struct series_resolution v[SERIES_RESOLUTIONS];
    size_t n;
    enum series_need need;
    bool two;   /* the function needs two values in a window */
    bool scale; /* its value grows with the window */
};

/** What a range function asks of a source. */
enum series_need rolled_need(const struct function *fn);
/** @param fn  NULL: instant selector */
void rolled_init(struct rolled *r, const struct series_source_ops *ops,
                 const struct series_selection *s, const struct function *fn);
/** Say in the query's infos which times of [min_ms, max_ms] came from roll-ups of which resolution, and remember the
 * coarsest for its statistics. */
void rolled_note(struct eval *ev, const struct series_selection *s, const struct node *at,
                 int64_t min_ms, int64_t max_ms);

/** Length of the buckets at a time; 0: samples. */
static inline int64_t rolled_at(const struct rolled *r, int64_t t_ms)
{
    for (size_t i = 0; i < r->n; i++) {
        if (t_ms <= r->v[i].until_ms) {
            return r->v[i].resolution_ms;
        }
    }
    return 0;
}

/** Length of the window that ends at `end_ms`: the query's, or as many buckets as the function needs. */
static inline int64_t rolled_range(const struct rolled *r, int64_t range_ms, int64_t end_ms)
{
    /* Of three buckets the last samples of two at least lie in the window. */
    int64_t least = r->n != 0 ? rolled_at(r, end_ms) * (r->two ? 3 : 1) : 0;

    return range_ms > least ? range_ms : least;
}

/** The function over a window of buckets (or of samples, past the last bucket). */
bool rolled_window(const struct rolled *r, const struct function *fn, const struct window *w,
                   int64_t range_ms, double *ret);
/** Sum of n >= 1 sums by the sum of their counts. */
double rolled_average(const double *sums, const double *counts, size_t n);

#endif
