/* SPDX-License-Identifier: Apache-2.0
 *
 * Log records counted by pattern: what /api/v1/logs/patterns and Loki's /patterns show. Where the store can decide
 * the query it counts by itself; else the records are read. Ids that became other names of one template are one.
 */
#ifndef API_PATTERN_COUNTS_H
#define API_PATTERN_COUNTS_H

#include "base/map.h"
#include "base/vec.h"
#include "query/logql/logql.h"

struct log_templates;

enum { PATTERN_LEVELS = SEVERITY_LEVEL_COUNT, PATTERN_SAMPLE_MAX = 2048 };

struct pattern_ask {
    struct log_templates *templates;
    struct arena *a;             /* of all results */
    struct logql_ask range;      /* store, [start_ns, end_ns), cancel, limits */
    const struct filter *filter; /* of the store */
    struct logql_query *query;   /* NULL: the filter says all; else records are read */
    int64_t step_ns;
    size_t buckets;
};

struct pattern_count {
    uint64_t id;   /* canonical; 0: records without a pattern */
    uint64_t *ids; /* seen in the range, the canonical first */
    size_t ids_n;
    uint64_t *counts; /* per bucket */
    uint64_t total;
    uint64_t previous; /* in the range before */
    uint64_t levels[PATTERN_LEVELS];
    struct str service;
    struct str text;  /* as people read it; empty: not known (any more) */
    int64_t first_ns; /* INT64_MIN: not known */
    int64_t last_ns;  /* INT64_MIN: not looked up yet */
    struct str sample;
};

struct pattern_counts {
    struct map by_id;         /* any id -> struct pattern_count */
    struct pattern_count **v; /* by total, falling */
    size_t n;
    uint64_t total; /* of all records, those without a pattern too */
    struct scan_stats stats;
};

/** Counts over time. pattern_counts_done() in any case. @return 0, -ERR_LIMIT, or the store's error */
NODISCARD int pattern_counts(const struct pattern_ask *ask, struct pattern_counts *ret,
                             struct err *reterr);
/** Also the levels and the equal range before. */
NODISCARD int pattern_details(const struct pattern_ask *ask, struct pattern_counts *c,
                              struct err *reterr);
/** The newest record of each of the first n, or only of those whose template is not known. */
NODISCARD int pattern_samples(const struct pattern_ask *ask, struct pattern_counts *c, size_t n,
                              bool unknown_only, struct err *reterr);
void pattern_counts_done(struct pattern_counts *c);

#endif
