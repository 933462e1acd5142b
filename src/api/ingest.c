/* SPDX-License-Identifier: Apache-2.0
 *
 * The ingest doors: OTLP over HTTP (main port under /otlp, own port without) and gRPC, Prometheus remote
 * write. Codes after the OTLP specification ("OTLP/HTTP Response", "OTLP/gRPC Throttling") and the remote
 * write 1.0 specification.
 */
#include "api/api_internal.h"

#include <stdio.h>

#include "codec/compress.h"

enum { BODY_WIRE_MAX = 64 << 20, BODY_MAX = 64 << 20, DECODE_ARENA = 512 << 20 };

static const int64_t RETRY_MS = 1000;

/* ---- OTLP over HTTP ---- */

static bool otlp_encoding_of(struct str content_type, enum otlp_encoding *ret)
{
    struct str rest = content_type;
    struct str type;

    if (!str_split(&rest, ';', &type)) {
        return false;
    }
    type = str_trim(type);
    if (str_eq_nocase(type, STR("application/x-protobuf")) ||
        str_eq_nocase(type, STR("application/protobuf"))) {
        *ret = OTLP_PROTOBUF;
        return true;
    }
    *ret = OTLP_JSON;
    return str_eq_nocase(type, STR("application/json"));
}

static const char *otlp_content_type(enum otlp_encoding enc)
{
    return enc == OTLP_PROTOBUF ? "application/x-protobuf" : "application/json";
}

static void otlp_fail(struct http_exchange *x, enum otlp_encoding enc, int status,
                      const struct err *e)
{
    struct buf b;

    buf_init(&b, 1 << 16);
    otlp_error_body(enc, e, &b);
    if (status == 429 || status == 503) {
        http_set_header(x, "Retry-After", "1");
    }
    http_respond_take(x, status, otlp_content_type(enc), &b);
    buf_done(&b);
}

/* The request's body, decompressed into `plain` when it was compressed. */
static int otlp_body(struct http_exchange *x, struct buf *plain, struct str *ret, struct err *e)
{
    struct str token = http_header(x, "Content-Encoding");
    enum compression c;

    if (!compression_parse(str_trim(token), &c)) {
        return err_set(e, ERR_UNSUPPORTED,
                       "Content-Encoding \"%.*s\": gzip, deflate and zstd are known",
                       STR_ARG(token));
    }
    if (c == COMPRESS_NONE) {
        *ret = http_body(x);
        return 0;
    }
    int rc = decompress(c, http_body(x), plain, e);

    *ret = buf_str(plain);
    return rc;
}

static int http_status_of(int rc)
{
    /* full disk and full memory pass: the client should keep its data and come back */
    return rc == -ERR_NOSPACE || rc == -ERR_IO || rc == -ERR_NOMEM ? 503 : err_http_status(rc);
}

static void otlp_http(struct api *a, struct http_exchange *x, enum otlp_signal signal)
{
    struct otlp_request req = {
        .signal = signal, .door = "otlp_http", .arrival_ns = clock_wall_ns()};
    struct arena arena CLEANUP(arena_done);
    struct buf plain CLEANUP(buf_done);
    struct buf answer;
    struct err e = {0};
    int rc;

    arena_init(&arena, DECODE_ARENA);
    buf_init(&plain, BODY_MAX);
    if (!otlp_encoding_of(http_header(x, "Content-Type"), &req.encoding)) {
        err_set(&e, ERR_UNSUPPORTED,
                "Content-Type \"%.*s\": application/x-protobuf and application/json are known",
                STR_ARG(http_header(x, "Content-Type")));
        otlp_fail(x, OTLP_JSON, 415, &e);
        return;
    }
    buf_init(&answer, 1 << 20);
    rc = otlp_body(x, &plain, &req.body, &e);
    rc = rc < 0 ? rc : otlp_export(api_backend(a)->otlp, &req, &arena, &answer, &e);
    if (rc < 0) {
        if (e.code == 0) {
            err_set(&e, (enum err_code) - rc, "%s", err_text(rc));
        }
        otlp_fail(x, req.encoding, http_status_of(rc), &e);
    } else {
        http_respond_take(x, 200, otlp_content_type(req.encoding), &answer);
    }
    buf_done(&answer);
}

static void otlp_http_metrics(void *arg, struct http_exchange *x)
{
    otlp_http(arg, x, OTLP_METRICS);
}

static void otlp_http_traces(void *arg, struct http_exchange *x)
{
    otlp_http(arg, x, OTLP_TRACES);
}

static void otlp_http_logs(void *arg, struct http_exchange *x)
{
    otlp_http(arg, x, OTLP_LOGS);
}

void api_otlp_error_body(void *api, int status, const struct err *e, struct buf *dst,
                         const char **ret_content_type)
{
    (void)api;
    (void)status;
    otlp_error_body(OTLP_JSON, e, dst);
    *ret_content_type = "application/json";
}

/* ---- OTLP over gRPC ---- */

static void otlp_grpc(struct api *a, struct grpc_call *c, enum otlp_signal signal)
{
    struct otlp_request req = {.signal = signal,
                               .encoding = OTLP_PROTOBUF,
                               .body = grpc_message(c),
                               .door = "otlp_grpc",
                               .arrival_ns = clock_wall_ns()};
    const struct api_backend *b = api_backend(a);
    struct arena arena CLEANUP(arena_done);
    struct buf answer CLEANUP(buf_done);
    struct err e = {0};
    int rc;

    arena_init(&arena, DECODE_ARENA);
    buf_init(&answer, 1 << 20);
    rc = b == NULL ? err_set(&e, ERR_UNAVAILABLE, "the server is stopping")
                   : otlp_export(b->otlp, &req, &arena, &answer, &e);
    if (rc < 0) {
        int status = err_http_status(rc);

        if (e.code == 0) {
            err_set(&e, (enum err_code) - rc, "%s", err_text(rc));
        }
        grpc_fail(c, &e, status == 429 || status == 503 ? RETRY_MS : 0);
        return;
    }
    grpc_reply(c, buf_str(&answer));
}

static void otlp_grpc_metrics(void *arg, struct grpc_call *c)
{
    otlp_grpc(arg, c, OTLP_METRICS);
}

static void otlp_grpc_traces(void *arg, struct grpc_call *c)
{
    otlp_grpc(arg, c, OTLP_TRACES);
}

static void otlp_grpc_logs(void *arg, struct grpc_call *c)
{
    otlp_grpc(arg, c, OTLP_LOGS);
}

void api_services_grpc(struct api *a, struct grpc_server *s)
{
    grpc_server_unary(s, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                      otlp_grpc_metrics, a);
    grpc_server_unary(s, "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                      otlp_grpc_traces, a);
    grpc_server_unary(s, "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
                      otlp_grpc_logs, a);
}

/* ---- remote write ---- */

static void set_count(struct http_exchange *x, const char *name, size_t n)
{
    char text[24];

    snprintf(text, sizeof(text), "%zu", n);
    http_set_header(x, name, text);
}

static void remote_write(void *arg, struct http_exchange *x)
{
    struct str encoding = str_trim(http_header(x, "Content-Encoding"));
    struct prom_remote_result r;
    enum prom_remote_version v;
    struct err e = {0};
    int rc;

    if (encoding.n != 0 && !str_eq_nocase(encoding, STR("snappy"))) {
        http_respond_errorf(x, ERR_UNSUPPORTED, "Content-Encoding \"%.*s\": remote write is snappy",
                            STR_ARG(encoding));
        return;
    }
    if (!prom_remote_version(http_header(x, "Content-Type"), &v)) {
        http_respond_errorf(x, ERR_UNSUPPORTED,
                            "Content-Type \"%.*s\": application/x-protobuf with "
                            "proto=prometheus.WriteRequest or io.prometheus.write.v2.Request",
                            STR_ARG(http_header(x, "Content-Type")));
        return;
    }
    rc = prom_remote_receive(api_backend(arg)->remote, v, http_body(x), &r, &e);
    if (v == PROM_REMOTE_2 && !r.deduplicated) {
        set_count(x, "X-Prometheus-Remote-Write-Samples-Written", r.samples);
        set_count(x, "X-Prometheus-Remote-Write-Histograms-Written", r.histograms);
        set_count(x, "X-Prometheus-Remote-Write-Exemplars-Written", r.exemplars);
    }
    if (rc < 0) {
        /* Clients show the body of an error as it is: plain text, as Prometheus answers. */
        if (e.code == 0) {
            err_set(&e, (enum err_code) - rc, "%s", err_text(rc));
        }
        if (http_status_of(rc) != 400) {
            http_set_header(x, "Retry-After", "1");
        }
        http_respond(x, http_status_of(rc), "text/plain; charset=utf-8", str_cstr(e.msg));
        return;
    }
    http_respond(x, r.deduplicated ? 202 : 204, "text/plain", STR(""));
}

static void otlp_routes(struct api *a, struct http_server *s, const char *const paths[3])
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", paths[0], otlp_http_metrics, a, HTTP_WORKER, BODY_WIRE_MAX, need},
        {"POST", paths[1], otlp_http_traces, a, HTTP_WORKER, BODY_WIRE_MAX, need},
        {"POST", paths[2], otlp_http_logs, a, HTTP_WORKER, BODY_WIRE_MAX, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}

void api_routes_otlp(struct api *a, struct http_server *s)
{
    otlp_routes(a, s, (const char *const[]){"/v1/metrics", "/v1/traces", "/v1/logs"});
}

void ingest_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"POST", "/api/v1/write", remote_write, a, HTTP_WORKER, BODY_WIRE_MAX,
         NEED_INGEST | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
    otlp_routes(a, s,
                (const char *const[]){"/otlp/v1/metrics", "/otlp/v1/traces", "/otlp/v1/logs"});
}
