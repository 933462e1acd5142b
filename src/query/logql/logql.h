/* SPDX-License-Identifier: Apache-2.0
 *
 * LogQL over the log store: parse, check and evaluate a query, answer for answer as Grafana Loki does. A stream
 * is a resource: its attributes are the stream labels (characters outside [a-zA-Z0-9_] become '_'); attributes of
 * a record, its ids and its severity are structured metadata. Source: Loki 3.x documentation, "LogQL".
 */
#ifndef QUERY_LOGQL_LOGQL_H
#define QUERY_LOGQL_LOGQL_H

#include "base/buf.h"
#include "base/cancel.h"
#include "model/labels.h"
#include "store/columns/columns.h"

/** Label that carries the severity of a record, which Loki finds out at ingest. */
#define LOGQL_LEVEL "detected_level"
/** Names the pattern of a record in filters and groupings; not among the labels of a row. */
#define LOGQL_PATTERN "pattern_id"

struct logql_query;

enum logql_kind { LOGQL_LOGS, LOGQL_METRIC };

/** Parse and check. Regular expressions and templates are compiled, so a query that parses can run.
 * @return 0; -ERR_INVALID with Loki's text ("parse error at line 1, col 5: ..."), -ERR_NOMEM */
NODISCARD int logql_parse(struct str text, struct logql_query **ret, struct err *reterr);
/** Only `{...}`, which here may also match everything: for the endpoints that take a selector. */
NODISCARD int logql_parse_selector(struct str text, struct logql_query **ret, struct err *reterr);
void logql_free(struct logql_query *q); /* NULL is fine */
enum logql_kind logql_kind(const struct logql_query *q);
/** The query in one canonical form, long ones over several lines. */
void logql_print(const struct logql_query *q, struct buf *dst);

struct logql_limits {
    size_t max_series;    /* of the answer and of every step towards it */
    size_t max_points;    /* steps of a range query */
    size_t memory_bytes;  /* held by one query */
    size_t max_row_bytes; /* what one record may grow to in its pipeline */
};

/** 500,000 series; 11,000 points; 512 MiB; 64 MiB. */
void logql_limits_default(struct logql_limits *l);

struct logql_ask {
    struct columns *logs;
    int64_t start_ns;    /* inclusive */
    int64_t end_ns;      /* LOGS: exclusive; METRIC: of the last step, inclusive */
    int64_t step_ns;     /* METRIC; 0: an instant query at end_ns */
    int64_t interval_ns; /* LOGS: at most one entry per interval; 0: all */
    size_t limit;        /* LOGS: entries */
    bool forward;        /* LOGS: oldest first */
    bool categorize;     /* LOGS: streams by their own labels, the rest with each entry */
    const struct filter
        *also; /* records must pass this too; NULL: nothing more. Not looked at by logql_match() */
    struct logql_limits limits;
    struct cancel *cancel;
    struct budget *budget; /* memory of all queries; may be NULL */
};

struct logql_entry {
    int64_t t_ns;
    struct str line;
    struct labels metadata; /* both only with `categorize` */
    struct labels parsed;
};

struct logql_stream {
    struct labels labels;
    struct logql_entry *v; /* in the order asked for */
    size_t n;
};

struct logql_series {
    struct labels labels;
    int64_t *t_ns; /* rising */
    double *v;
    size_t n;
};

struct logql_stats {
    uint64_t lines;     /* rows the pipeline saw */
    uint64_t bytes;     /* their lines */
    uint64_t after;     /* rows that passed the pipeline */
    uint64_t entries;   /* given to the client */
    uint64_t scanned;   /* rows the store looked at */
    uint64_t blocks;    /* read */
    uint64_t pruned;    /* blocks skipped by their index */
    int64_t peak_bytes; /* memory of the query */
    int64_t exec_ns;
};

struct logql_result {
    enum logql_kind kind;
    bool scalar; /* METRIC: the query is a number, one point a step without labels */
    struct logql_stream *streams;
    size_t streams_n;
    struct logql_series *series;
    size_t series_n;
    struct logql_stats stats;
    struct arena arena; /* all of it */
    struct budget *budget;
    int64_t charged;
};

/** Evaluate. A query may run once only at a time: its pipeline keeps state.
 * @return 0; -ERR_INVALID (pipeline error, a limit on what may be asked), -ERR_LIMIT (series, memory),
 *         -ERR_TIMEOUT, -ERR_CANCELED, or the store's error */
NODISCARD int logql_run(struct logql_query *q, const struct logql_ask *ask,
                        struct logql_result **ret, struct err *reterr);
void logql_result_free(struct logql_result *r); /* NULL is fine */

/* ---- record by record ---- */

/** A record that a log query lets through, as it is stored, and what the query made of it. */
struct logql_hit {
    const struct log_record *record;
    uint64_t id;          /* of the row in the store; 0 by logql_match() */
    struct str line;      /* after the pipeline */
    bool rewritten;       /* it is not the body any more */
    struct labels parsed; /* that the stages made */
};

/** @return 0 to go on, 1 to stop, negative error */
typedef int (*logql_hit_fn)(void *arg, const struct logql_hit *hit);

/** The records of a log query one by one, newest first or as `ask->forward` says; before_ns and before_id as of
 * columns_scan_logs(). limit, interval_ns and categorize are not looked at. `ret_stats` may be NULL.
 * @return 0, -ERR_LIMIT, -ERR_TIMEOUT, -ERR_CANCELED, or the store's error */
NODISCARD int logql_scan(struct logql_query *q, const struct logql_ask *ask, int64_t before_ns,
                         uint64_t before_id, logql_hit_fn fn, void *arg,
                         struct scan_stats *ret_stats, struct err *reterr);
/** Does a log query let one record through? Strings live until the next call. Not thread-safe. */
NODISCARD bool logql_match(struct logql_query *q, const struct log_record *row,
                           struct logql_hit *ret);

/* ---- as a filter of the store ---- */

struct logql_filter;

/** What of a log query the store decides by itself, for records of [ask->start_ns, ask->end_ns) that are stored now (names
 * of labels are looked up there). The query must outlive it. @return 0, -ERR_NOMEM, or the store's error */
NODISCARD int logql_filter_new(const struct logql_query *q, const struct logql_ask *ask,
                               struct logql_filter **ret, struct err *reterr);
void logql_filter_free(struct logql_filter *f); /* NULL is fine */
/** It passes every record that the query would; NULL: all. */
const struct filter *logql_filter_root(const struct logql_filter *f);
/** And no other. */
bool logql_filter_is_exact(const struct logql_filter *f);
/** No record can pass: the root is then of no use. */
bool logql_filter_is_empty(const struct logql_filter *f);

/* ---- for live tail ---- */

/** What a record becomes: false when the query drops it. Strings live until the next call. Not thread-safe. */
struct logql_tail_entry {
    struct labels labels;
    struct str line;
    int64_t t_ns;
};

NODISCARD bool logql_tail(struct logql_query *q, const struct log_record *row,
                          struct logql_tail_entry *ret);

/* ---- streams, for the endpoints about labels ---- */

/** A stream that had rows in a range. */
struct logql_stream_info {
    struct labels labels;
    uint64_t rows;
    uint64_t bytes; /* of bodies, about */
};

struct logql_streams {
    struct logql_stream_info *v;
    size_t n;
};

/** Streams with rows in [min_ns, max_ns) that all of the query's matchers accept (NULL: all), in `a`.
 * @return 0, -ERR_LIMIT, -ERR_NOMEM, -ERR_TIMEOUT, -ERR_CANCELED */
NODISCARD int logql_streams(struct columns *logs, const struct logql_query *q, int64_t min_ns,
                            int64_t max_ns, struct cancel *cancel, struct arena *a,
                            struct logql_streams *ret, struct err *reterr);
/** Names the selector asks for with "=" or "=~", in the order written; in the query's memory. */
size_t logql_selector_names(const struct logql_query *q, const struct str **ret);

/** "a.b-c" to "a_b_c", "1x" to "_1x"; `s` itself when it needs no change. Empty on no memory. */
struct str logql_label_name(struct arena *a, struct str s);
/** "trace", "debug", "info", "warn", "error", "critical", "fatal", "unknown". */
const char *logql_level_name(uint8_t severity);

#endif
