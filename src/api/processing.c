/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/processing: the rules for rows on their way in, what they did, a dry run, and new rules from the console.
 */
#include "api/api_internal.h"

#include "api/json_body.h"
#include "ingest/process/stage.h"

static void write_status(struct json_writer *w, const struct api_backend *b)
{
    json_object_begin(w);
    json_key(w, "rules");
    process_status(b->sink->process, w);
    json_key(w, "spans");
    span_stage_status(b->sink->span_stage, w);
    json_object_end(w);
}

static void respond_status(struct http_exchange *x, const struct api_backend *b)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, RESPONSE_MAX);
    json_init(&w, &out);
    write_status(&w, b);
    respond_json(x, 200, &out);
}

static void get_processing(void *arg, struct http_exchange *x)
{
    respond_status(x, api_backend(arg));
}

/* Checked, kept, then in force: what is in force survives a restart. */
static int replace(const struct api_backend *b, struct str config, struct err *e)
{
    struct buf found CLEANUP(buf_done) = {0};
    int rc;

    if (process_source(b->sink->process) == PROCESS_FILE) {
        return err_set(
            e, ERR_EXISTS,
            "the rules come from the file of the setting processing.config; change it there");
    }
    buf_init(&found, 1 << 20);
    rc = process_check("console", config, &found, e);
    rc = rc < 0 ? rc
                : meta_doc_put(store_meta(b->store), STR("processing"), config, clock_wall_ms(), e);
    return rc < 0 ? rc : process_load(b->sink->process, PROCESS_CONSOLE, "console", config, e);
}

static void put_processing(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    const struct identity *who = api_identity(x);
    struct json_body body = {0};
    struct str config = {0};
    struct err e = {0};
    int rc = json_body_parse(x, &body, &e);

    rc = rc < 0 ? rc : json_body_str(&body, "config", true, &config, &e);
    rc = rc < 0 ? rc : replace(b, config, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        auth_audit(b->auth, who != NULL ? who->name : "", http_peer(x), "processing_changed",
                   STR(""), STR(""));
        respond_status(x, b);
    }
    json_body_done(&body);
}

static void test_processing(void *arg, struct http_exchange *x)
{
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    int rc;

    buf_init(&out, 16 << 20);
    json_init(&w, &out);
    rc = process_test(api_backend(arg)->sink->process, http_body(x), &w, &e);
    if (rc < 0) {
        buf_done(&out);
        respond_err(x, rc, &e);
        return;
    }
    respond_json(x, 200, &out);
}

void processing_routes(struct api *a, struct http_server *s)
{
    const uint32_t admin = NEED_ADMIN | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/processing", get_processing, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
        {"PUT", "/api/v1/processing", put_processing, a, HTTP_WORKER, 4 << 20, admin},
        {"POST", "/api/v1/processing/test", test_processing, a, HTTP_WORKER, 4 << 20, admin},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
