/* SPDX-License-Identifier: Apache-2.0
 *
 * Time series under construction: a table from label values to cells per step. Quantiles are kept as counts in
 * buckets 2^(1/16) wide (4.4 %), so a step's memory does not grow with its spans.
 */
#ifndef QUERY_TRACEQL_SERIES_H
#define QUERY_TRACEQL_SERIES_H

#include "query/traceql/plan.h"

enum { TQL_LABELS_MAX = TQL_BY_MAX + 1 };

/** What a function keeps per step. */
enum tql_cell {
    TQL_CELL_COUNT,
    TQL_CELL_SUM,
    TQL_CELL_MIN,
    TQL_CELL_MAX,
    TQL_CELL_AVG,
    TQL_CELL_QUANTILE
};

struct tql_sketch_bucket {
    int16_t index; /* covers (2^((index-1)/16), 2^(index/16)]; INT16_MIN: 0 and below */
    uint32_t count;
};

struct tql_sketch {
    struct tql_sketch_bucket *v; /* by index */
    uint32_t n;
    uint32_t cap;
    uint64_t total;
};

struct tql_series {
    struct tql_value labels[TQL_LABELS_MAX];
    double *a;                   /* count, sum, min or max per step; NaN: nothing yet */
    double *b;                   /* AVG: count */
    struct tql_sketch *sketches; /* QUANTILE */
    struct traceql_exemplar *exemplars;
    uint64_t *exemplar_rows; /* their rows' ids: of equal times the larger one is the newer row */
    size_t exemplars_n;
    uint32_t *exemplar_slots; /* index + 1 per stretch of time */
};

struct tql_table {
    struct arena *a; /* everything */
    enum tql_cell cell;
    size_t labels_n;
    size_t steps;
    size_t max_series;
    size_t max_exemplars; /* per series */
    struct tql_series **v;
    size_t n;
    size_t cap;
    uint32_t *slots; /* index + 1 */
    size_t mask;
};

/** The series of these label values, made when new. @return 0, -ERR_LIMIT (memory or max_series) */
NODISCARD int tql_table_get(struct tql_table *t, const struct tql_value *labels,
                            struct tql_series **ret, struct err *reterr);
/** A span's value at a step. @return 0, -ERR_LIMIT */
NODISCARD int tql_table_add(struct tql_table *t, struct tql_series *s, size_t step, double v);
/** Is a row the newest yet of its stretch of time (of max_exemplars)? Then it is kept, and the caller fills in its ids.
 * @param position  in the range, 0 to 1
 * @param ret       NULL: it is not kept. @return 0, -ERR_LIMIT */
NODISCARD int tql_table_exemplar(struct tql_table *t, struct tql_series *s, double position,
                                 int64_t time_ns, uint64_t row, struct traceql_exemplar **ret);
/** Newest first. */
void tql_sort_exemplars(struct tql_series *s);
/** 0 <= q <= 1; NaN when nothing was added. */
double tql_sketch_quantile(const struct tql_sketch *s, double q);
/** Smallest power of two that is not below v; 0 for v <= 0. */
double tql_bucket_of(double v);

/** Add series and change values after the function: by labels, thresholds, topk, arithmetic. second.c */
NODISCARD int tql_second_stage(const struct tql_metric *m, struct traceql_metrics *r,
                               struct arena *a);
NODISCARD int tql_combine(const struct tql_metric *m, struct traceql_metrics *l, bool l_number,
                          struct traceql_metrics *r, bool r_number, struct arena *a,
                          struct traceql_metrics *ret);
void tql_sort_series(struct traceql_metrics *r);

/** compare(): compare.c */
struct tql_compare;
struct tql_compare *tql_compare_new(const struct tql_metric *m, struct tql_table *table);
NODISCARD int tql_compare_add(struct tql_compare *c, const struct tql_at *at, size_t step,
                              struct err *reterr);
NODISCARD int tql_compare_finish(struct tql_compare *c, struct traceql_metrics *r, struct arena *a);

#endif
