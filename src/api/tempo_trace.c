/* SPDX-License-Identifier: Apache-2.0
 *
 * Tempo's API: what its files share, one trace by id as OTLP in JSON or protobuf, and the small endpoints Grafana
 * asks first. Every route exists at the root and under /tempo. Source: Grafana Tempo, "Tempo HTTP API".
 */
#include "api/tempo.h"

#include "api/tempo_otlp.h"
#include "codec/pb.h"

enum { TRACE_SPANS_MAX = 200000 };

void tempo_fail(struct http_exchange *x, int rc, const struct err *e)
{
    if (rc == -ERR_OVERLOAD || rc == -ERR_UNAVAILABLE || rc == -ERR_NOMEM) {
        http_set_header(x, "Retry-After", "1");
    }
    http_respond(x, err_http_status(rc), "text/plain; charset=utf-8",
                 str_cstr(e->code != 0 ? e->msg : err_text(rc)));
}

int tempo_param(const struct http_exchange *x, const char *name, uint64_t fallback, uint64_t *ret,
                struct err *reterr)
{
    struct str s = http_param(x, name);

    *ret = fallback;
    if (s.n != 0 && !str_to_u64(s, ret)) {
        return err_set(reterr, ERR_INVALID, "invalid %s: \"%.*s\" is not a number", name,
                       s.n > 64 ? 64 : (int)s.n, s.p);
    }
    return 0;
}

struct traceql_source tempo_source(struct api *a, struct http_exchange *x)
{
    http_cancel(x)->deadline = mono_add_ms(clock_mono(), a->opts.query_timeout_ms);
    return (struct traceql_source){.spans = store_spans(api_backend(a)->store),
                                   .min_ns = INT64_MIN,
                                   .max_ns = INT64_MAX,
                                   .cancel = http_cancel(x)};
}

int tempo_range(struct api *a, struct http_exchange *x, struct traceql_source *ret,
                struct err *reterr)
{
    const int64_t second = 1000000000;
    uint64_t start;
    uint64_t end;
    int rc = tempo_param(x, "start", 0, &start, reterr);

    rc = rc < 0 ? rc : tempo_param(x, "end", 0, &end, reterr);
    if (rc < 0) {
        return rc;
    }
    *ret = tempo_source(a, x);
    if (start == 0 && end == 0) {
        ret->max_ns =
            clock_wall_ns() + 3600 * second; /* and what came from clocks that are ahead */
        ret->min_ns = ret->max_ns - 7200 * second;
        return 0;
    }
    if (end <= start || end > (uint64_t)(INT64_MAX / second) - 1) {
        return err_set(reterr, ERR_INVALID,
                       "http parameter start must be before end. received start=%llu end=%llu",
                       (unsigned long long)start, (unsigned long long)end);
    }
    ret->min_ns = (int64_t)start * second;
    ret->max_ns = ((int64_t)end + 1) * second;
    return 0;
}

bool tempo_trace_id(struct str text, struct trace_id *ret)
{
    char padded[2 * TRACE_ID_SIZE];

    if (text.n == 0 || text.n > sizeof(padded)) {
        return false;
    }
    memset(padded, '0', sizeof(padded));
    memcpy(padded + sizeof(padded) - text.n, text.p, text.n);
    return hex_decode(str_of(padded, sizeof(padded)), ret->b, TRACE_ID_SIZE) &&
           !trace_id_is_zero(*ret);
}

void tempo_write_stats(struct json_writer *w, const struct traceql_stats *s)
{
    json_key(w, "metrics");
    json_object_begin(w);
    json_key(w, "inspectedTraces");
    json_u64(w, s->traces);
    json_key(w, "inspectedBytes");
    json_i64_str(w, (int64_t)s->scan.bytes_read);
    json_key(w, "inspectedSpans");
    json_i64_str(w, (int64_t)(s->spans > s->scan.rows_scanned ? s->spans : s->scan.rows_scanned));
    json_key(w, "totalBlocks");
    json_u64(w, s->scan.blocks_read + s->scan.blocks_pruned);
    json_key(w, "completedJobs");
    json_u64(w, 1);
    json_key(w, "totalJobs");
    json_u64(w, 1);
    json_object_end(w);
}

/* ---- one trace ---- */

struct by_id {
    struct otlp_trace trace;
    bool cut;
};

static int add_span(void *arg, const struct span *row, uint64_t id)
{
    struct by_id *t = arg;

    (void)id;
    if (t->trace.spans == TRACE_SPANS_MAX) {
        t->cut = true;
        return 1;
    }
    return otlp_trace_add(&t->trace, row);
}

static const char CUT[] = "the trace has more spans than are given";

static void respond_pb(struct http_exchange *x, const struct by_id *t, bool v2)
{
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    if (v2) { /* TraceByIDResponse */
        size_t at = pb_begin(&b, 1);

        otlp_trace_write_pb(&t->trace, &b);
        pb_end(&b, at);
        if (t->cut) {
            pb_put_varint(&b, 3, 1);
            pb_put_str(&b, 4, str_cstr(CUT));
        }
    } else {
        otlp_trace_write_pb(&t->trace, &b);
    }
    if (b.failed) {
        http_respond_errorf(x, ERR_LIMIT, "the trace is too large for one answer");
    } else {
        http_respond_take(x, 200, "application/protobuf", &b);
    }
    buf_done(&b);
}

static void respond_trace_json(struct http_exchange *x, const struct by_id *t, bool v2)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    if (v2) {
        json_key(&w, "trace");
        json_object_begin(&w);
        json_key(&w, "resourceSpans");
        otlp_trace_write_json(&t->trace, &w);
        json_object_end(&w);
        if (t->cut) {
            json_key(&w, "status");
            json_cstr(&w, "PARTIAL");
            json_key(&w, "message");
            json_cstr(&w, CUT);
        }
    } else {
        json_key(&w, "batches");
        otlp_trace_write_json(&t->trace, &w);
    }
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/* Grafana sends a range with the id; the trace is found without one, so it is only checked. */
static int check_range(struct api *a, struct http_exchange *x, struct err *e)
{
    struct traceql_source ignored;

    return tempo_range(a, x, &ignored, e);
}

static void get_trace(struct api *a, struct http_exchange *x, bool v2)
{
    struct str text = http_path_param(x, "trace_id");
    struct str accept = http_header(x, "Accept");
    bool pb = str_find(accept, STR("application/protobuf")) >= 0;
    struct by_id t = {0};
    struct traceql_source src;
    struct trace_id id;
    struct arena arena CLEANUP(arena_done) = {0};
    struct err e = {0};
    int rc;

    if (!tempo_trace_id(text, &id)) {
        http_respond(x, 400, "text/plain; charset=utf-8",
                     STR("trace IDs can only contain hex characters, at most 32"));
        return;
    }
    arena_init(&arena, TEMPO_ANSWER_MEMORY);
    otlp_trace_init(&t.trace, pb ? OTLP_FORM_PB : OTLP_FORM_JSON, &arena, TEMPO_ANSWER_MEMORY);
    src = tempo_source(a, x);
    rc = check_range(a, x, &e);
    rc = rc < 0 ? rc : columns_trace(src.spans, id, src.cancel, add_span, &t, &e);
    if (rc < 0) {
        tempo_fail(x, rc, &e);
    } else if (t.trace.spans == 0) {
        http_respond(x, 404, "text/plain; charset=utf-8", STR("trace not found"));
    } else if (pb) {
        respond_pb(x, &t, v2);
    } else {
        respond_trace_json(x, &t, v2);
    }
    otlp_trace_done(&t.trace);
}

static void trace_v1(void *arg, struct http_exchange *x)
{
    get_trace(arg, x, false);
}

static void trace_v2(void *arg, struct http_exchange *x)
{
    get_trace(arg, x, true);
}

/* ---- small ones ---- */

static void echo(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond(x, 200, "text/plain; charset=utf-8", STR("echo"));
}

static void buildinfo(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct json_writer w;
    struct buf b;

    buf_init(&b, 4096);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "version");
    json_cstr(&w, "2.9.0"); /* whose API this is: clients choose what they ask for by it */
    json_key(&w, "revision");
    json_cstr(&w, a->opts.version);
    json_key(&w, "branch");
    json_cstr(&w, "");
    json_key(&w, "buildDate");
    json_cstr(&w, "");
    json_key(&w, "buildUser");
    json_cstr(&w, "bongsu");
    json_key(&w, "goVersion");
    json_cstr(&w, "");
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void tempo_trace_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        TEMPO_ROUTE("GET", "/api/echo", echo, a, HTTP_INLINE, 0, NEED_READ),
        TEMPO_ROUTE("GET", "/api/status/buildinfo", buildinfo, a, HTTP_INLINE, 0, NEED_READ),
        TEMPO_ROUTE("GET", "/api/traces/{trace_id}", trace_v1, a, HTTP_WORKER, 0, need),
        TEMPO_ROUTE("GET", "/api/v2/traces/{trace_id}", trace_v2, a, HTTP_WORKER, 0, need),
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
