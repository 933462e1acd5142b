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

enum { TQL_FIELDS_MAX = 256 };

/** Fields a query looks at or selects, each once. */
struct tql_fields {
    const struct tql_attr *v[TQL_FIELDS_MAX];
    size_t n;
    bool more; /* there are others */
};

void tql_add_field(struct tql_fields *f, const struct tql_attr *a);
void tql_expr_fields(const struct tql_expr *e, struct tql_fields *f); /* NULL: none */
void tql_pipeline_fields(const struct tql_pipeline *p, struct tql_fields *f);
/** Is it an attribute of a found span in an answer? Others are given anyway, or belong to the trace. */
bool tql_is_shown(const struct tql_attr *a);

/** What of spans must be read for some fields. */
struct tql_need {
    unsigned bits; /* of enum columns_need */
    struct str attrs[TQL_FIELDS_MAX];
    size_t attrs_n;
    bool all;
};

void tql_need_of(const struct tql_fields *f, struct tql_need *ret);
struct columns_query tql_store_query(const struct traceql_source *src, const struct filter *filter,
                                     const struct tql_need *need);

/** A value as an attribute of an answer: durations, states and kinds as text. @return false without memory */
bool tql_to_value(struct arena *a, const struct tql_value *v, struct value *ret);
/** The same for a label of a series: lists are text too. */
bool tql_to_label(struct arena *a, const struct tql_value *v, struct value *ret);

/* source.c */
/** A candidate, valid until the call returns. @return 0, 1 to stop, negative error */
typedef int (*tql_trace_fn)(void *arg, struct tql_trace *t);
/** Whole traces with a span in the range that passes the filter (NULL: all), in the order of their newest such
 * span. `first_batch` are fetched together at first, later more. */
NODISCARD int tql_each_trace(const struct traceql_source *src, const struct filter *filter,
                             const struct tql_need *need, size_t first_batch, tql_trace_fn fn,
                             void *arg, struct traceql_stats *stats, struct err *reterr);
/** A failure's detail, filled in when nobody did. */
int tql_explain(int rc, struct err *reterr);

#endif
