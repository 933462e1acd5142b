/* SPDX-License-Identifier: Apache-2.0
 *
 * The console's search by TraceQL: Tempo's answer with what its form cannot hold (nanoseconds, errors per trace,
 * milliseconds of range, errors as JSON). The newest traces first; a bigger limit continues the same list.
 */
#include "api/api_internal.h"

#include "api/otel_json.h"
#include "api/rows.h"
#include "api/tempo.h"

enum { LIMIT_DEFAULT = 200, SPANS_DEFAULT = 3, SPANS_MAX = 1000 };

static void write_span(struct json_writer *w, const struct traceql_span *s)
{
    char hex[2 * SPAN_ID_SIZE + 1];

    hex_encode(s->id.b, SPAN_ID_SIZE, hex);
    json_object_begin(w);
    json_key(w, "span_id");
    json_cstr(w, hex);
    json_key(w, "name");
    json_str(w, s->name);
    json_key(w, "start_ns");
    json_i64_str(w, s->start_ns);
    json_key(w, "duration_ns");
    json_i64_str(w, s->duration_ns);
    json_key(w, "attributes");
    json_attrs(w, s->attrs);
    json_object_end(w);
}

static void write_spansets(struct json_writer *w, const struct traceql_trace *t)
{
    json_key(w, "spansets");
    json_array_begin(w);
    for (size_t i = 0; i < t->spansets_n; i++) {
        const struct traceql_spanset *s = &t->spansets[i];

        json_object_begin(w);
        json_key(w, "matched");
        json_u64(w, s->matched);
        json_key(w, "attributes");
        json_attrs(w, s->attrs);
        json_key(w, "spans");
        json_array_begin(w);
        for (size_t k = 0; k < s->n; k++) {
            write_span(w, &s->v[k]);
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_services(struct json_writer *w, const struct traceql_trace *t)
{
    uint64_t spans = 0;
    uint64_t errors = 0;

    json_key(w, "services");
    json_array_begin(w);
    for (size_t i = 0; i < t->services_n; i++) {
        spans += t->services[i].spans;
        errors += t->services[i].errors;
        json_object_begin(w);
        json_key(w, "name");
        json_str(w, t->services[i].name);
        json_key(w, "spans");
        json_u64(w, t->services[i].spans);
        json_key(w, "errors");
        json_u64(w, t->services[i].errors);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "span_count");
    json_u64(w, spans);
    json_key(w, "error_count");
    json_u64(w, errors);
}

static void write_trace(struct json_writer *w, const struct traceql_trace *t)
{
    json_object_begin(w);
    json_trace_id(w, "trace_id", t->id);
    json_key(w, "start_ns");
    json_i64_str(w, t->start_ns);
    json_key(w, "duration_ns");
    json_i64_str(w, t->duration_ns);
    json_key(w, "root_service");
    json_str(w, t->root_service);
    json_key(w, "root_name");
    json_str(w, t->root_name);
    if (!t->has_root) {
        json_key(w, "root_missing");
        json_bool(w, true);
    }
    write_services(w, t);
    write_spansets(w, t);
    json_object_end(w);
}

static void respond(struct http_exchange *x, const struct traceql_traces *r, bool more,
                    struct mono since)
{
    struct scan_stats stats = r->stats.scan;
    struct json_writer w;
    struct buf b;

    if (r->stats.spans > stats.rows_scanned) {
        stats.rows_scanned = r->stats.spans; /* whole traces were looked at */
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "traces");
    json_array_begin(&w);
    for (size_t i = 0; i < r->n; i++) {
        write_trace(&w, &r->v[i]);
    }
    json_array_end(&w);
    json_key(&w, "more");
    json_bool(&w, more);
    json_scan_stats(&w, &stats, since);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static int parse_query(struct http_exchange *x, struct traceql **ret, struct err *e)
{
    struct str text = str_trim(http_param(x, "q"));
    int rc;

    if (text.n == 0) {
        return 0;
    }
    rc = traceql_parse(text, ret, e);
    if (rc == 0 && traceql_is_metrics(*ret)) {
        return err_set(e, ERR_INVALID,
                       "q: a metrics query gives no traces; ask /api/metrics/query_range");
    }
    return rc;
}

static void query(void *arg, struct http_exchange *x)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct traceql_search_opts opts = {0};
    struct traceql_source src = tempo_source(arg, x);
    struct traceql_traces r = {0};
    struct mono since = clock_mono();
    struct traceql *q = NULL;
    struct time_range range;
    struct err e = {0};
    int64_t limit = LIMIT_DEFAULT;
    int64_t spans = SPANS_DEFAULT;
    int rc = param_range(x, &range, &e);

    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    rc = rc < 0 ? rc : param_i64(x, "limit", 1, TEMPO_LIMIT_MAX, LIMIT_DEFAULT, &limit, &e);
    rc = rc < 0 ? rc : param_i64(x, "spans", 1, SPANS_MAX, SPANS_DEFAULT, &spans, &e);
    rc = rc < 0 ? rc : parse_query(x, &q, &e);
    if (rc == 0) {
        src.min_ns = range.start_ms * 1000000;
        src.max_ns = range.end_ms * 1000000;
        opts.limit = (size_t)limit + 1; /* one more tells whether there is more */
        opts.spans_per_spanset = (size_t)spans;
        rc = traceql_search(q, &src, &opts, &arena, &r, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        bool more = r.n > (size_t)limit;

        r.n = more ? (size_t)limit : r.n;
        respond(x, &r, more, since);
    }
    traceql_free(q);
}

void trace_query_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/traces/query", query, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
