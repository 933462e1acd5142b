/* SPDX-License-Identifier: Apache-2.0
 *
 * Elasticsearch's door for logs: _bulk, and what Filebeat, Logstash, Vector and Elastic's clients ask before they send.
 * Everything is below /elasticsearch, where GET / tells a version; the paths without a twin in the console's own are
 * at the top too. Templates, policies and pipelines are acknowledged and not kept: there is no schema to set up.
 */
#include "api/import.h"

#include <stdio.h>

#include "base/alloc.h"
#include "ingest/es_bulk.h"

enum { DECODE_ARENA = 512 << 20, SETUP = 4 << 20, ANSWER_MAX = 256 << 20 };

/* The version whose API this is; clients compare it with their own. */
#define ES_VERSION "8.17.0"

static void answer(struct http_exchange *x, int status, struct buf *b)
{
    http_set_header(x, "X-Elastic-Product", "Elasticsearch");
    http_respond_take(x, status, "application/json", b);
}

static void answer_text(struct http_exchange *x, int status, const char *json)
{
    http_set_header(x, "X-Elastic-Product", "Elasticsearch");
    http_respond(x, status, "application/json", str_cstr(json));
}

static void fail(struct http_exchange *x, int rc, const struct err *e)
{
    static const struct {
        int rc;
        int status;
        const char *type;
    } KINDS[] = {
        {-ERR_INVALID, 400, "illegal_argument_exception"},
        {-ERR_TRUNCATED, 400, "illegal_argument_exception"},
        {-ERR_UNSUPPORTED, 415, "illegal_argument_exception"},
        {-ERR_TOO_LARGE, 413, "content_too_long_exception"},
        {-ERR_OVERLOAD, 429, "es_rejected_execution_exception"},
    };

    int status = import_status(rc);
    const char *type = "unavailable_shards_exception";
    struct buf b;

    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        if (KINDS[i].rc == rc) {
            status = KINDS[i].status;
            type = KINDS[i].type;
        }
    }
    buf_init(&b, 1 << 16);
    es_error(status, type, str_cstr(e->msg), &b);
    if (status == 429 || status == 503) {
        http_set_header(x, "Retry-After", "1");
    }
    answer(x, status, &b);
    buf_done(&b);
}

static void bulk(void *arg, struct http_exchange *x)
{
    struct es_bulk_request req = {.index = http_path_param(x, "index"),
                                  .brief = http_param(x, "filter_path").n != 0,
                                  .arrival_ns = clock_wall_ns()};
    struct arena arena CLEANUP(arena_done) = {0};
    struct buf plain CLEANUP(buf_done) = {0};
    struct err e = {0};
    struct buf b;
    int rc;

    arena_init(&arena, DECODE_ARENA);
    buf_init(&plain, IMPORT_BODY_MAX);
    buf_init(&b, ANSWER_MAX);
    rc = import_body(x, &plain, &req.body, &e);
    rc = rc < 0 ? rc : es_bulk(api_backend(arg)->sink, &req, &arena, &b, &e);
    if (rc < 0) {
        if (e.code == 0) {
            err_set(&e, (enum err_code) - rc, "%s", err_text(rc));
        }
        fail(x, rc, &e);
    } else {
        answer(x, 200, &b);
    }
    buf_done(&b);
}

/* ---- what clients ask first ---- */

static void info(void *arg, struct http_exchange *x)
{
    (void)arg;
    answer_text(x, 200,
                "{\"name\":\"bongsu\",\"cluster_name\":\"bongsu\",\"cluster_uuid\":\"bongsu\","
                "\"version\":{\"number\":\"" ES_VERSION
                "\",\"build_flavor\":\"default\",\"build_type\":\"deb\",\"build_hash\":\"0\","
                "\"build_date\":\"2024-12-11T12:08:05.663969764Z\",\"build_snapshot\":false,"
                "\"lucene_version\":\"9.12.0\",\"minimum_wire_compatibility_version\":\"7.17.0\","
                "\"minimum_index_compatibility_version\":\"7.0.0\"},"
                "\"tagline\":\"You Know, for Search\"}");
}

static void license(void *arg, struct http_exchange *x)
{
    (void)arg;
    answer_text(x, 200,
                "{\"license\":{\"status\":\"active\",\"uid\":\"bongsu\",\"type\":\"basic\","
                "\"mode\":\"basic\",\"issue_date\":\"2024-01-01T00:00:00.000Z\","
                "\"issue_date_in_millis\":1704067200000,\"issued_to\":\"bongsu\","
                "\"issuer\":\"bongsu\",\"start_date_in_millis\":-1}}");
}

static void xpack(void *arg, struct http_exchange *x)
{
    (void)arg;
    answer_text(
        x, 200,
        "{\"build\":{\"hash\":\"0\"},\"license\":{\"uid\":\"bongsu\",\"type\":\"basic\","
        "\"mode\":\"basic\",\"status\":\"active\"},\"features\":{\"ilm\":{\"available\":true,"
        "\"enabled\":true}}}");
}

static void health(void *arg, struct http_exchange *x)
{
    (void)arg;
    answer_text(x, 200,
                "{\"cluster_name\":\"bongsu\",\"status\":\"green\",\"timed_out\":false,"
                "\"number_of_nodes\":1,\"number_of_data_nodes\":1,\"active_primary_shards\":1,"
                "\"active_shards\":1,\"relocating_shards\":0,\"initializing_shards\":0,"
                "\"unassigned_shards\":0}");
}

static void nodes(void *arg, struct http_exchange *x)
{
    (void)arg;
    answer_text(
        x, 200,
        "{\"_nodes\":{\"total\":1,\"successful\":1,\"failed\":0},\"cluster_name\":\"bongsu\","
        "\"nodes\":{\"bongsu\":{\"name\":\"bongsu\",\"version\":\"" ES_VERSION
        "\",\"roles\":[\"data\",\"ingest\"]}}}");
}

/* Nothing of the kind is kept, so that the client goes on to put it. */
static void missing(void *arg, struct http_exchange *x)
{
    char reason[300];
    struct buf b;

    (void)arg;
    snprintf(reason, sizeof(reason), "[%.*s] is not there",
             STR_ARG(str_take(http_path_param(x, "name"), 200)));
    buf_init(&b, 1 << 16);
    es_error(404, "resource_not_found_exception", str_cstr(reason), &b);
    answer(x, 404, &b);
    buf_done(&b);
}

static void acknowledge(void *arg, struct http_exchange *x)
{
    (void)arg;
    answer_text(x, 200, "{\"acknowledged\":true}");
}

/* Kinds of things that are acknowledged and not kept. */
#define NAMED(below, kind)                                                       \
    {"GET", below kind "/{name}", missing, a, HTTP_INLINE, 0, need},             \
        {"PUT", below kind "/{name}", acknowledge, a, HTTP_INLINE, SETUP, need}, \
    {                                                                            \
        "POST", below kind "/{name}", acknowledge, a, HTTP_INLINE, SETUP, need   \
    }

#define ROUTES(below)                                                                  \
    {"POST", below "/_bulk", bulk, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},             \
        {"PUT", below "/_bulk", bulk, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},          \
        {"POST", below "/{index}/_bulk", bulk, a, HTTP_WORKER, IMPORT_WIRE_MAX, need}, \
        {"PUT", below "/{index}/_bulk", bulk, a, HTTP_WORKER, IMPORT_WIRE_MAX, need},  \
        {"GET", below "/_license", license, a, HTTP_INLINE, 0, need},                  \
        {"GET", below "/_xpack", xpack, a, HTTP_INLINE, 0, need},                      \
        {"GET", below "/_cluster/health", health, a, HTTP_INLINE, 0, need},            \
        {"GET", below "/_nodes", nodes, a, HTTP_INLINE, 0, need},                      \
        {"GET", below "/_nodes/{rest*}", nodes, a, HTTP_INLINE, 0, need},              \
        NAMED(below, "/_ilm/policy"), NAMED(below, "/_index_template"),                \
        NAMED(below, "/_template"), NAMED(below, "/_component_template"),              \
        NAMED(below, "/_data_stream"), NAMED(below, "/_ingest/pipeline"), NAMED(below, "/_alias")

void elasticsearch_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_INGEST | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/elasticsearch", info, a, HTTP_INLINE, 0, need},
        {"GET", "/elasticsearch/", info, a, HTTP_INLINE, 0, need},
        ROUTES("/elasticsearch"),
        ROUTES(""),
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
