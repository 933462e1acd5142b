/* SPDX-License-Identifier: Apache-2.0
 *
 * What of a pipeline the store can do: the selector and the filters that look at the record as it was stored become
 * a struct filter. Invariant: the filter passes every row that the pipeline would; when `exact` it passes no other.
 */
#ifndef QUERY_LOGQL_PLAN_H
#define QUERY_LOGQL_PLAN_H

#include "query/logql/ast.h"
#include "query/logql/row.h"
#include "store/columns/columns.h"

struct plan {
    const struct pipeline *pipe;
    struct arena arena;
    const struct filter *filter;
    bool nothing; /* no row can pass */
    bool exact;   /* the pipeline need not run */
    VEC(struct search *) searches;
    struct columns_names names; /* of attributes in the range */
    struct stream_table streams;
};

/** Labels that the caller needs from a row. */
struct plan_needs {
    bool all;  /* every one */
    bool line; /* the line itself, beyond what the pipeline does with it */
    const struct str *names;
    size_t n;
};

/** @return 0 or the store's error. lq_plan_done() in any case. */
NODISCARD int lq_plan_make(struct plan *p, const struct pipeline *pipe, const struct logql_ask *ask,
                           int64_t min_ns, int64_t max_ns, struct err *reterr);
void lq_plan_done(struct plan *p);
/** The query of a scan, with as few columns as `needs` (and the pipeline unless exact) allow. */
NODISCARD int lq_plan_query(struct plan *p, const struct plan_needs *needs,
                            const struct logql_ask *ask, int64_t min_ns, int64_t max_ns,
                            struct columns_query *ret, struct err *reterr);
/** The one stored field behind a label. @param ret_missing  the label of rows without it
 * @return false: none, several, or not known */
bool lq_plan_field(const struct plan *p, struct str label, struct field *ret,
                   struct str *ret_missing);

/** Do the labels of a stream satisfy the selector, the severity aside? */
bool lq_plan_accepts(const struct plan *p, struct labels ls);
/** The stream of a record, NULL: out of memory. */
const struct stream *lq_plan_stream(struct plan *p, const struct resource *r);
/** Does the selector take it? (The filter may have let more through.) */
bool lq_plan_selects(const struct plan *p, const struct stream *s, const struct log_record *record);

#endif
