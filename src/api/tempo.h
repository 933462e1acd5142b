/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of Tempo's, Jaeger's and Zipkin's APIs share: parameters in their forms, plain text errors.
 */
#ifndef API_TEMPO_H
#define API_TEMPO_H

#include "api/api_internal.h"

#include "query/traceql/traceql.h"

enum { TEMPO_ANSWER_MEMORY = 256 << 20, TEMPO_LIMIT_MAX = 10000 };

/** One of Tempo's routes at the root and below /tempo, where a Grafana data source may point. */
#define TEMPO_ROUTE(method, path, fn, arg, run, body_max, need) \
    {method, path, fn, arg, run, body_max, need},               \
    {                                                           \
        method, "/tempo" path, fn, arg, run, body_max, need     \
    }

/** The message as plain text, which Grafana shows as it is. */
void tempo_fail(struct http_exchange *x, int rc, const struct err *e);
/** Unsigned integer; missing or empty: fallback. @return 0, -ERR_INVALID "invalid NAME: ..." */
NODISCARD int tempo_param(const struct http_exchange *x, const char *name, uint64_t fallback,
                          uint64_t *ret, struct err *reterr);
/** start and end in Unix seconds, end included; neither: the last hour. */
NODISCARD int tempo_range(struct api *a, struct http_exchange *x, struct traceql_source *ret,
                          struct err *reterr);
/** A source over all times with the request's cancel flag and deadline. */
struct traceql_source tempo_source(struct api *a, struct http_exchange *x);
/** 1 to 32 hex digits, zeros before them left out or not. */
bool tempo_trace_id(struct str text, struct trace_id *ret);
/** "metrics": {"inspectedTraces":1,"inspectedBytes":"2",...} */
void tempo_write_stats(struct json_writer *w, const struct traceql_stats *s);

void tempo_search_routes(struct api *a, struct http_server *s);  /* tempo_search.c */
void tempo_trace_routes(struct api *a, struct http_server *s);   /* tempo_trace.c */
void tempo_tags_routes(struct api *a, struct http_server *s);    /* tempo_tags.c */
void tempo_metrics_routes(struct api *a, struct http_server *s); /* tempo_metrics.c */
void jaeger_routes(struct api *a, struct http_server *s);        /* jaeger.c */
void zipkin_routes(struct api *a, struct http_server *s);        /* zipkin.c */

#endif
