/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a query the store can do itself. A filter made here passes every span (or, for a whole pipeline, some
 * span of every trace) the query could want, and usually little more; the evaluation decides.
 */
#ifndef QUERY_TRACEQL_PLAN_H
#define QUERY_TRACEQL_PLAN_H

#include "query/traceql/eval.h"
#include "store/columns/filter.h"

struct tql_plan {
    const struct filter *filter; /* never NULL */
    bool exact;                  /* passes only what the expression does */
    int score;                   /* how much it is likely to leave out; 0: nothing */
};

/** Spans that pass an expression (NULL: all). @return 0, -ERR_LIMIT */
NODISCARD int tql_plan_expr(const struct tql_expr *e, struct arena *a, struct tql_plan *ret);
/** Traces that give a spanset: at least one of their spans passes the filter. */
NODISCARD int tql_plan_pipeline(const struct tql_pipeline *p, struct arena *a,
                                struct tql_plan *ret);
/** The one {...} a pipeline consists of apart from select(); false: it is more. */
bool tql_single_filter(const struct tql_pipeline *p, const struct tql_expr **ret);

/** Fields a query shows of each span: those it looks at and those it selects, each once. */
struct tql_fields {
    const struct tql_attr *v[256];
    size_t n;
};

void tql_collect_fields(const struct tql_pipeline *p, struct tql_fields *ret);
/** A value as an attribute of an answer: durations, states and kinds as text. @return false without memory */
bool tql_to_value(struct arena *a, const struct tql_value *v, struct value *ret);

/* source.c */
/** A candidate. The trace is linked; valid until the call returns. @return 0, 1 to stop, negative error */
typedef int (*tql_trace_fn)(void *arg, struct tql_trace *t);
/** Whole traces with a span in the range that passes the filter, in the order of their newest such span. */
NODISCARD int tql_each_trace(const struct traceql_source *src, const struct filter *filter,
                             size_t first_batch, tql_trace_fn fn, void *arg,
                             struct traceql_stats *stats, struct err *reterr);
/** A failure's detail, filled in when nobody did. */
int tql_explain(int rc, struct err *reterr);

#endif
