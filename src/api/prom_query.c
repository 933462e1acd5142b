/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/query and /api/v1/query_range: parameters in, Prometheus' envelope out.
 */
#include "api/api_internal.h"

#include "api/params.h"
#include "api/prom_answer.h"

/* Deadline of the request: the timeout parameter, at most the server's. */
static int set_deadline(struct api *a, struct http_exchange *x, struct err *e)
{
    struct str s = http_param(x, "timeout");
    int64_t ms = a->opts.query_timeout_ms;
    int64_t wanted;

    if (s.n != 0) {
        int rc = param_prom_step(x, "timeout", &wanted, e);

        if (rc < 0) {
            return rc;
        }
        ms = wanted < ms ? wanted : ms;
    }
    http_cancel(x)->deadline = mono_add_ms(clock_mono(), ms);
    return 0;
}

/* What both kinds of queries share: deadline, lookback, statistics, who asks. */
static int common_params(struct api *a, struct http_exchange *x, struct promql_ask *ask,
                         struct err *e)
{
    const struct identity *who = api_identity(x);
    int rc = set_deadline(a, x, e);

    ask->src = tsdb_source(store_metrics(api_backend(a)->store));
    ask->query = http_param(x, "query");
    ask->per_step = str_eq(http_param(x, "stats"), STR("all"));
    ask->user = who != NULL ? str_cstr(who->name) : STR("");
    ask->cancel = http_cancel(x);
    if (rc == 0 && http_param(x, "lookback_delta").n != 0) {
        rc = param_prom_step(x, "lookback_delta", &ask->lookback_ms, e);
    }
    return rc;
}

/* A query that does not parse is a bad parameter to Prometheus' clients. */
static int name_parameter(int rc, struct err *e)
{
    if (rc == -ERR_INVALID) {
        err_prefix(e, "invalid parameter \"query\"");
    }
    return rc;
}

static void run(struct api *a, struct http_exchange *x, struct promql_ask *ask, int rc,
                struct err *e)
{
    struct promql_result *r = NULL;
    int64_t limit = 0;

    rc = rc < 0 ? rc : common_params(a, x, ask, e);
    rc = rc < 0 ? rc : param_i64(x, "limit", 0, INT64_MAX, 0, &limit, e);
    rc = rc < 0 ? rc : name_parameter(promql_run(api_backend(a)->promql, ask, &r, e), e);
    if (rc < 0) {
        respond_err(x, rc, e);
        return;
    }
    prom_answer(x, r, (size_t)limit);
}

static void query(void *arg, struct http_exchange *x)
{
    struct promql_ask ask = {0};
    struct err e = {0};
    int rc = param_prom_time(x, "time", clock_wall_ms(), &ask.start_ms, &e);

    run(arg, x, &ask, rc, &e);
}

static int range_params(struct http_exchange *x, int64_t *start, int64_t *end, int64_t *step,
                        struct err *e)
{
    int rc;

    if (http_param(x, "start").n == 0 || http_param(x, "end").n == 0) {
        return err_set(e, ERR_INVALID,
                       "invalid parameter \"%s\": cannot parse \"\" to a valid timestamp",
                       http_param(x, "start").n == 0 ? "start" : "end");
    }
    rc = param_prom_time(x, "start", 0, start, e);
    rc = rc < 0 ? rc : param_prom_time(x, "end", 0, end, e);
    if (rc == 0 && *end < *start) {
        return err_set(e, ERR_INVALID,
                       "invalid parameter \"end\": end timestamp must not be before start time");
    }
    return rc < 0 ? rc : param_prom_step(x, "step", step, e);
}

static void query_range(void *arg, struct http_exchange *x)
{
    struct promql_ask ask = {0};
    struct err e = {0};
    int rc = range_params(x, &ask.start_ms, &ask.end_ms, &ask.step_ms, &e);

    run(arg, x, &ask, rc, &e);
}

static void parse_query(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct err e = {0};
    struct buf b;
    int rc;

    buf_init(&b, RESPONSE_MAX);
    buf_add_cstr(&b, "{\"status\":\"success\",\"data\":");
    rc = name_parameter(
        promql_tree_json(http_param(x, "query"), promql_engine_syntax(backend->promql), &b, &e),
        &e);
    if (rc < 0) {
        buf_done(&b);
        respond_err(x, rc, &e);
        return;
    }
    buf_add_byte(&b, '}');
    respond_json(x, 200, &b);
}

static void write_running(void *arg, const struct promql_running *q)
{
    struct json_writer *w = arg;

    json_object_begin(w);
    json_key(w, "id");
    json_u64(w, q->id);
    json_key(w, "query");
    json_str(w, q->query);
    json_key(w, "user");
    json_str(w, q->user);
    json_key(w, "since_ms");
    json_i64(w, q->since_ms);
    json_key(w, "samples");
    json_u64(w, q->samples);
    json_object_end(w);
}

static void get_running(void *arg, struct http_exchange *x)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "queries");
    json_array_begin(&w);
    promql_each_running(api_backend(arg)->promql, write_running, &w);
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void delete_running(void *arg, struct http_exchange *x)
{
    uint64_t id = 0;

    if (!str_to_u64(http_param(x, "id"), &id)) {
        http_respond_errorf(x, ERR_INVALID, "id: the number of a running query is needed");
    } else if (!promql_cancel(api_backend(arg)->promql, id)) {
        http_respond_errorf(x, ERR_NOT_FOUND, "no query %llu runs", (unsigned long long)id);
    } else {
        http_respond(x, 204, NULL, STR(""));
    }
}

static void format_query(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct err e = {0};
    struct json_writer w;
    struct buf text CLEANUP(buf_done);
    struct buf b;
    int rc;

    buf_init(&text, 1 << 20);
    rc = name_parameter(
        promql_format(http_param(x, "query"), promql_engine_syntax(backend->promql), &text, &e),
        &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    data_begin(&w, &b);
    json_str(&w, buf_str(&text));
    data_end(x, &w, &b);
}

void prom_query_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/query", query, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/query", query, a, HTTP_WORKER, 1 << 20, need},
        {"GET", "/api/v1/query_range", query_range, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/query_range", query_range, a, HTTP_WORKER, 1 << 20, need},
        {"GET", "/api/v1/format_query", format_query, a, HTTP_INLINE, 0, need},
        {"POST", "/api/v1/format_query", format_query, a, HTTP_INLINE, 1 << 20, need},
        {"GET", "/api/v1/parse_query", parse_query, a, HTTP_INLINE, 0, need},
        {"POST", "/api/v1/parse_query", parse_query, a, HTTP_INLINE, 1 << 20, need},
        {"GET", "/api/v1/status/active_queries", get_running, a, HTTP_INLINE, 0, need},
        {"DELETE", "/api/v1/status/active_queries", delete_running, a, HTTP_INLINE, 0,
         NEED_ADMIN | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
