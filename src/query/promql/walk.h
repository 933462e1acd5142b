/* SPDX-License-Identifier: Apache-2.0
 *
 * One series over all steps: what select.c gives each row of a matrix to. A walk reads what all rows share and
 * writes its own row alone, so that rows may be walked by several threads.
 */
#ifndef QUERY_PROMQL_WALK_H
#define QUERY_PROMQL_WALK_H

#include "query/promql/rate_plan.h"
#include "query/promql/rolled.h"

/** One pass over the rows of a selection or of the matrix inside a subquery. */
struct walk {
    struct eval *ev;
    struct series_selection *selection; /* or */
    const struct mat *inner;
    struct grid inner_grid;
    const struct grid *grid;
    struct when when;
    int64_t range_ms; /* or the lookback */
    enum extend extend;
    enum cells cells;
    struct series_selection *starts; /* with CELLS_STARTS */
    const uint32_t *start_of;        /* row to series of it; UINT32_MAX: none */
    const struct function *fn;       /* NULL: instant selector */
    const struct node *at;           /* what notes about the function point at */
    const double *args[2];           /* per step */
    struct rolled rolled;            /* what of it is buckets instead of samples */
    struct mat *out;
    atomic_int rc; /* first error, relaxed */
    pthread_mutex_t lock;
    struct err err; /* guarded by: lock */
};

/** What a worker uses for one row after the other. */
struct walk_scratch {
    struct samples s;
    struct samples more;
    struct hist_columns columns;
    struct rate_plan plan;
};

/** The time a step at t_ms looks at. */
static inline int64_t walk_time(const struct when *w, int64_t t_ms)
{
    return (w->at != AT_NONE ? w->at_ms : t_ms) - w->offset_ms;
}

void walk_scratch_done(struct walk_scratch *own);
/** Fill one row of p->out from its series. @return 0; an error of the source; -ERR_LIMIT, -ERR_NOMEM, told in `e` */
NODISCARD int walk_row(struct walk *p, size_t row, struct walk_scratch *own, struct err *e);
/** Samples of a series of a selection, histograms as cells among them. */
NODISCARD int walk_read(struct eval *ev, struct series_selection *selection, size_t i,
                        struct samples *s, struct err *e);
/** A row of a matrix as samples. @return 0, -ERR_NOMEM */
NODISCARD int walk_cells(const struct mat *m, size_t row, const struct grid *g,
                         struct samples *dst);
void walk_drop_stale(struct samples *s);
/** Names the limit of samples. @return -ERR_LIMIT */
int walk_too_many(struct err *e);

#endif
