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

/* A query that does not parse is a bad parameter to Prometheus' clients. */
static int name_parameter(int rc, struct err *e)
{
    if (rc == -ERR_INVALID) {
        err_prefix(e, "invalid parameter \"query\"");
    }
    return rc;
}

static void query(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    const struct api_backend *b = api_backend(a);
    struct promql_result *r = NULL;
    struct err e = {0};
    int64_t t;
    int rc = param_prom_time(x, "time", clock_wall_ms(), &t, &e);

    rc = rc < 0 ? rc : set_deadline(a, x, &e);
    rc = rc < 0 ? rc
                : name_parameter(promql_instant(b->promql, tsdb_source(store_metrics(b->store)),
                                                http_param(x, "query"), t, http_cancel(x), &r, &e),
                                 &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    prom_answer(x, r);
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
    struct api *a = arg;
    const struct api_backend *b = api_backend(a);
    struct promql_result *r = NULL;
    struct err e = {0};
    int64_t start = 0;
    int64_t end = 0;
    int64_t step = 0;
    int rc = range_params(x, &start, &end, &step, &e);

    rc = rc < 0 ? rc : set_deadline(a, x, &e);
    rc = rc < 0 ? rc
                : name_parameter(promql_range(b->promql, tsdb_source(store_metrics(b->store)),
                                              http_param(x, "query"), start, end, step,
                                              http_cancel(x), &r, &e),
                                 &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    prom_answer(x, r);
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
    buf_init(&b, 1 << 21);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "status");
    json_cstr(&w, "success");
    json_key(&w, "data");
    json_str(&w, buf_str(&text));
    json_object_end(&w);
    respond_json(x, 200, &b);
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
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
