/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation of metric queries: every node becomes a matrix of series by steps, where a step may have no point.
 * All of it lies in the result's arena.
 */
#ifndef QUERY_LOGQL_EVAL_H
#define QUERY_LOGQL_EVAL_H

#include "query/logql/ast.h"
#include "query/logql/plan.h"

struct lq_matrix_series {
    struct labels labels;
    uint64_t key;
    double *v; /* per step */
    bool *has;
};

struct matrix {
    struct lq_matrix_series *v;
    size_t n, cap;
    bool scalar;   /* one series without labels, a point at every step */
    size_t *slots; /* table by labels; index + 1 */
    size_t slots_n;
};

struct eval {
    const struct logql_ask *ask;
    struct logql_result *result;
    struct arena *a;
    size_t steps;
    int64_t start_ns, step_ns; /* of the first step; above 0 */
    struct err *reterr;
};

/** Account for memory outside the arena. @return 0, -ERR_LIMIT, -ERR_OVERLOAD */
NODISCARD int lq_eval_charge(struct eval *e, size_t bytes);
void lq_eval_uncharge(struct eval *e, size_t bytes);
int lq_eval_no_memory(struct eval *e);

uint64_t lq_labels_key(struct labels ls);
/** The series of these labels, made when new (labels are copied). NULL: error set. */
struct lq_matrix_series *lq_matrix_series(struct eval *e, struct matrix *m, struct labels ls);
/** Labels after grouping, in scratch of the arena; `drop` is left out too (may be empty). */
NODISCARD int lq_group_labels(struct eval *e, const struct grouping *g, struct labels ls,
                              struct str drop, struct labels *ret);

NODISCARD int lq_eval_expr(struct eval *e, const struct expr *x, struct matrix *ret);
/** @param outer  grouping of a sum around it, applied while rows are read; NULL: none
 * @param top  of an instant query nobody looks at more than so many of the highest series; 0: at all of them */
NODISCARD int lq_eval_range(struct eval *e, const struct expr *x, const struct grouping *outer,
                            size_t top, struct matrix *ret);
NODISCARD int lq_eval_aggregate(struct eval *e, const struct expr *x, struct matrix *ret);
NODISCARD int lq_eval_binary(struct eval *e, const struct expr *x, struct matrix *ret);

/* logs.c */
NODISCARD int lq_run_logs(const struct logql_query *q, const struct logql_ask *ask,
                          struct logql_result *r, struct err *reterr);
/** Add what a scan did to the statistics. */
void lq_stats_add(struct logql_stats *s, const struct scan_stats *scan);
int lq_pipeline_failed(struct row *r, struct err *reterr);

/* window.c */
struct point {
    int64_t t_ns;
    double v;
};

/** Value of a window's points (at least one); `span_s`: its length. */
double lq_window_value(const struct expr *x, const struct point *v, size_t n, double span_s);

#endif
