/* SPDX-License-Identifier: Apache-2.0
 *
 * TraceQL: parse a query, search traces with it, make time series of it. Source: Grafana Tempo's documentation
 * "Construct a TraceQL query", "TraceQL metrics functions" and "Tempo HTTP API".
 * A compiled query is immutable and may be run by many threads.
 */
#ifndef QUERY_TRACEQL_TRACEQL_H
#define QUERY_TRACEQL_TRACEQL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cancel.h"
#include "store/columns/columns.h"

struct traceql;

/** @return 0; -ERR_INVALID with "parse error at line L, col C: ..." or what does not fit together;
 * -ERR_LIMIT for too long or deep a query; -ERR_NOMEM */
NODISCARD int traceql_parse(struct str text, struct traceql **ret, struct err *reterr);
void traceql_free(struct traceql *q); /* NULL is fine */
/** Does it give time series (| rate() ...) instead of traces? */
bool traceql_is_metrics(const struct traceql *q);
/** The query in one canonical form, which parses to the same query. */
void traceql_print(const struct traceql *q, struct buf *dst);
/** One {...} without a pipeline, as filters of tag names and values must be. */
bool traceql_is_filter(const struct traceql *q);

/** Where a query looks. Times bound the start of spans: [min_ns, max_ns). */
struct traceql_source {
    struct columns *spans;
    int64_t min_ns;
    int64_t max_ns;
    struct cancel *cancel;
    struct budget *budget;
};

struct traceql_stats {
    uint64_t traces; /* whole traces evaluated */
    uint64_t spans;  /* spans evaluated */
    struct scan_stats scan;
};

/* ---- search ---- */

struct traceql_search_opts {
    size_t limit;             /* traces; at least 1 */
    size_t spans_per_spanset; /* 0: all */
    int64_t min_duration_ns;  /* of the trace; 0: none */
    int64_t max_duration_ns;  /* 0: none */
};

struct traceql_span {
    struct span_id id;
    struct str name;
    int64_t start_ns;
    int64_t duration_ns; /* never negative */
    struct attrs attrs;  /* fields the query looks at or selects, names without scope */
};

struct traceql_spanset {
    struct traceql_span *v;
    size_t n;
    uint64_t matched;   /* spans in the set, n of them are given */
    struct attrs attrs; /* values of by() and of aggregates */
};

struct traceql_service {
    struct str name;
    uint32_t spans;
    uint32_t errors;
};

struct traceql_trace {
    struct trace_id id;
    bool has_root;
    struct str root_service; /* empty without a root */
    struct str root_name;
    int64_t start_ns;
    int64_t duration_ns;
    struct traceql_spanset *spansets;
    size_t spansets_n;
    struct traceql_service *services;
    size_t services_n;
};

struct traceql_traces {
    struct traceql_trace *v; /* newest first */
    size_t n;
    struct traceql_stats stats;
};

/** Traces with a span in the range that satisfy the query; what they are compared with is the whole trace.
 * Everything in `a`. `q` NULL: every trace.
 * @return 0; -ERR_INVALID for a metrics query; -ERR_LIMIT when `a` is full; -ERR_TIMEOUT, -ERR_CANCELED, ... */
NODISCARD int traceql_search(const struct traceql *q, const struct traceql_source *src,
                             const struct traceql_search_opts *opts, struct arena *a,
                             struct traceql_traces *ret, struct err *reterr);

/* ---- metrics ---- */

struct traceql_metrics_opts {
    int64_t step_ns;      /* 0: one step over the whole range (an instant query) */
    size_t max_exemplars; /* per series; a hint of the query may change it; 0: none */
    size_t max_series;    /* more: -ERR_LIMIT */
};

struct traceql_exemplar {
    struct trace_id trace_id;
    struct span_id span_id;
    int64_t time_ns;
    double value;
};

struct traceql_series {
    struct attrs labels; /* sorted by key */
    double *values;      /* one per step; NaN: no point */
    struct traceql_exemplar *exemplars;
    size_t exemplars_n;
};

struct traceql_metrics {
    int64_t start_ns; /* of the first step; steps are aligned to multiples of step_ns */
    int64_t step_ns;
    size_t steps;
    struct traceql_series *v; /* sorted by labels */
    size_t n;
    struct traceql_stats stats;
};

enum { TRACEQL_STEPS_MAX = 20000 };

/** Spans that start in [min_ns, max_ns) of the source count. @return as traceql_search() */
NODISCARD int traceql_metrics(const struct traceql *q, const struct traceql_source *src,
                              const struct traceql_metrics_opts *opts, struct arena *a,
                              struct traceql_metrics *ret, struct err *reterr);
/** The step Tempo takes when none is asked for. */
int64_t traceql_default_step_ns(int64_t min_ns, int64_t max_ns);

/* ---- names and values, for completion ---- */

enum traceql_tag_scope {
    TRACEQL_TAGS_ALL,
    TRACEQL_TAGS_SPAN,
    TRACEQL_TAGS_RESOURCE,
    TRACEQL_TAGS_EVENT,
    TRACEQL_TAGS_LINK,
    TRACEQL_TAGS_INSTRUMENTATION,
    TRACEQL_TAGS_INTRINSIC,
};

struct traceql_tags {
    struct str *v; /* sorted */
    size_t n;
};

struct traceql_tag_names {
    struct traceql_tags by_scope[TRACEQL_TAGS_INTRINSIC + 1]; /* ALL stays empty */
    struct traceql_stats stats;
};

bool traceql_tag_scope_parse(struct str name, enum traceql_tag_scope *ret); /* "" and "none": ALL */
const char *traceql_tag_scope_name(enum traceql_tag_scope scope);

/** Names of attributes in the range. `filter` (traceql_is_filter()) or NULL. */
NODISCARD int traceql_tag_names(const struct traceql_source *src, const struct traceql *filter,
                                enum traceql_tag_scope scope, size_t limit, struct arena *a,
                                struct traceql_tag_names *ret, struct err *reterr);

struct traceql_tag_value {
    const char *type; /* "string", "int", "float", "bool", "duration", "keyword" */
    struct str text;
};

struct traceql_tag_values {
    struct traceql_tag_value *v;
    size_t n;
    struct traceql_stats stats;
};

/** Values of a field as a query names it ("resource.service.name", ".foo", "status"), most frequent first.
 * @return 0, -ERR_INVALID when `name` is no field, ... */
NODISCARD int traceql_tag_values(const struct traceql_source *src, struct str name,
                                 const struct traceql *filter, size_t limit, struct arena *a,
                                 struct traceql_tag_values *ret, struct err *reterr);

#endif
