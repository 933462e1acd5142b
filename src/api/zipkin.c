/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /api/v2/spans: Zipkin's door for spans, answering 202 as its collectors do.
 */
#include "api/import.h"

#include "api/tempo.h"
#include "ingest/zipkin.h"

enum { DECODE_ARENA = 512 << 20 };

static bool encoding_of(struct str content_type, enum zipkin_encoding *ret)
{
    struct str rest = content_type;
    struct str type = {0};

    if (content_type.n != 0 && !str_split(&rest, ';', &type)) {
        return false;
    }
    type = str_trim(type);
    *ret = str_eq_nocase(type, STR("application/x-protobuf")) ||
                   str_eq_nocase(type, STR("application/protobuf"))
               ? ZIPKIN_PROTOBUF
               : ZIPKIN_JSON;
    return *ret == ZIPKIN_PROTOBUF || type.n == 0 || str_eq_nocase(type, STR("application/json"));
}

static void post_spans(void *arg, struct http_exchange *x)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct buf plain CLEANUP(buf_done) = {0};
    enum zipkin_encoding enc;
    struct err e = {0};
    struct str body;
    int rc;

    arena_init(&arena, DECODE_ARENA);
    buf_init(&plain, IMPORT_BODY_MAX);
    if (!encoding_of(http_header(x, "Content-Type"), &enc)) {
        err_set(&e, ERR_UNSUPPORTED,
                "Content-Type \"%.*s\": application/json and application/x-protobuf are known",
                STR_ARG(http_header(x, "Content-Type")));
        tempo_fail(x, -ERR_UNSUPPORTED, &e);
        return;
    }
    rc = import_body(x, &plain, &body, &e);
    rc = rc < 0 ? rc
                : zipkin_receive(api_backend(arg)->otlp, enc, body, clock_wall_ns(), &arena, &e);
    if (rc < 0) {
        tempo_fail(x, rc, &e);
    } else {
        http_respond(x, 202, "text/plain", STR(""));
    }
}

void zipkin_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/api/v2/spans", post_spans, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
