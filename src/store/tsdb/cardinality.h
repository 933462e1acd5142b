/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the series come from: counts by metric, label, pair and source over head and parts, each series
 * counted once however many parts have it. With more series than fit, a fixed share of them (chosen by the
 * hash of their labels) is looked at and the counts are scaled.
 */
#ifndef STORE_TSDB_CARDINALITY_H
#define STORE_TSDB_CARDINALITY_H

#include "store/tsdb/tsdb.h"

/** One selector of several that are joined by "or". */
struct tsdb_matchers {
    const struct matcher *const *v;
    size_t n;
};

struct tsdb_cardinality_query {
    const struct tsdb_matchers *selectors; /* none: every series */
    size_t selectors_n;
    int64_t min_ms, max_ms; /* inclusive; a series counts when its samples span a moment of it */
    size_t limit;           /* rows of each table */
    struct str focus;       /* label whose values are listed; empty: none */
    struct cancel *cancel;  /* may be NULL */
};

struct tsdb_cardinality_row {
    struct str name;  /* metric, label, or job; of the focus: the value */
    struct str value; /* of a pair; of a source: the instance */
    uint64_t series;
    uint64_t before;      /* series in the same range one day earlier */
    uint64_t values;      /* of a label: distinct ones */
    double samples_per_s; /* of a source: as its series in memory come; 0 when unknown */
};

struct tsdb_cardinality_table {
    struct tsdb_cardinality_row *v; /* by series, falling; labels by values */
    size_t n;
    uint64_t total; /* rows there are */
};

struct tsdb_cardinality {
    uint64_t series, before;
    uint64_t active; /* in the head, whatever the selectors */
    uint64_t
        created_hour; /* first seen in the last hour / day before max_ms, as far back as two days */
    uint64_t created_day;
    double looked_at; /* share of the series, 1: all */
    struct tsdb_cardinality_table metrics, labels, pairs, focus, jobs, instances;
};

/** Strings and tables in `a`. Holds a shard's lock for some hundred series at a time.
 * @return 0; -ERR_NOMEM, -ERR_CANCELED, -ERR_TIMEOUT, -ERR_CORRUPT */
NODISCARD int tsdb_cardinality(struct tsdb *db, const struct tsdb_cardinality_query *q,
                               struct arena *a, struct tsdb_cardinality *ret, struct err *reterr);

#endif
