/* SPDX-License-Identifier: Apache-2.0
 *
 * One metrics function while it runs: what metrics.c and counts.c share.
 */
#ifndef QUERY_TRACEQL_METRICS_INTERNAL_H
#define QUERY_TRACEQL_METRICS_INTERNAL_H

#include "query/traceql/series.h"

enum { TQL_WORK_MEMORY_MAX = 512 << 20 };

struct metrics {
    const struct tql_metric *m;
    const struct tql_expr *filter; /* of a single {...} */
    const struct traceql_source *src;
    struct traceql_stats *stats;
    struct tql_table table;
    struct tql_compare *compare;
    int64_t start_ns; /* of the first step */
    int64_t step_ns;
    struct tql_need need;
    bool exact; /* the store's filter needs no second look */
    struct arena work;
    struct arena run;
    struct arena tmp;
    struct err *err;
};

/** The series of a function that only counts, from the store's columns. @return 1; 0 when it has to be done span by
 * span (nothing was counted); an error */
NODISCARD int tql_counts(struct metrics *x, const struct columns_query *q);

#endif
