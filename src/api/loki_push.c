/* SPDX-License-Identifier: Apache-2.0
 *
 * POST /loki/api/v1/push: protobuf in snappy, or JSON, plain or packed. 204 when everything was taken; 400 with the
 * first reason when entries were refused (the others are stored, as Loki does).
 */
#include "api/loki.h"

#include "base/clock.h"
#include "codec/compress.h"
#include "ingest/loki.h"

enum { BODY_WIRE_MAX = 64 << 20, BODY_MAX = 64 << 20, DECODE_ARENA = 512 << 20 };

static struct str media_type(const struct http_exchange *x)
{
    struct str rest = http_header(x, "Content-Type");
    struct str type = {0};

    if (str_split(&rest, ';', &type)) {
        type = str_trim(type);
    }
    return type;
}

/* Protobuf is always in snappy; JSON as Content-Encoding says. */
static int unpack(struct http_exchange *x, bool json, struct buf *plain, struct str *ret,
                  struct err *reterr)
{
    struct str token = str_trim(http_header(x, "Content-Encoding"));
    enum compression c = COMPRESS_SNAPPY;
    int rc;

    if (json && !compression_parse(token, &c)) {
        return err_set(reterr, ERR_INVALID, "Content-Encoding \"%.*s\" not supported",
                       STR_ARG(str_take(token, 60)));
    }
    if (c == COMPRESS_NONE) {
        *ret = http_body(x);
        return 0;
    }
    rc = decompress(c, http_body(x), plain, reterr);
    *ret = buf_str(plain);
    return rc == -ERR_TRUNCATED ? -ERR_INVALID : rc;
}

static void push(void *arg, struct http_exchange *x)
{
    struct loki_request req = {.arrival_ns = clock_wall_ns()};
    struct str type = media_type(x);
    struct buf plain CLEANUP(buf_done) = {0};
    struct arena arena CLEANUP(arena_done) = {0};
    struct loki_result r;
    struct err e = {0};
    int rc = 0;

    arena_init(&arena, DECODE_ARENA);
    buf_init(&plain, BODY_MAX);
    req.json = str_eq_nocase(type, STR("application/json"));
    if (!req.json && type.n != 0 && !str_eq_nocase(type, STR("application/x-protobuf"))) {
        rc = err_set(&e, ERR_UNSUPPORTED,
                     "Content-Type \"%.*s\": application/x-protobuf and application/json are known",
                     STR_ARG(str_take(type, 60)));
    }
    rc = rc < 0 ? rc : unpack(x, req.json, &plain, &req.body, &e);
    rc = rc < 0 ? rc : loki_push(api_backend(arg)->sink, &req, &arena, &r, &e);
    if (rc == 0 && r.rejected != 0) {
        rc = err_set(&e, ERR_INVALID, "%s", r.why);
    }
    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    http_respond(x, 204, "text/plain", STR(""));
}

void loki_push_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/loki/api/v1/push", push, a, HTTP_WORKER, BODY_WIRE_MAX, need},
        {"POST", "/api/prom/push", push, a, HTTP_WORKER, BODY_WIRE_MAX, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
