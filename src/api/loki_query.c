/* SPDX-License-Identifier: Apache-2.0
 *
 * /loki/api/v1/query, query_range, format_query, and what clients ask about the server itself.
 */
#include "api/loki.h"

#include <stdio.h>

#include "base/clock.h"

static const int64_t HOUR_NS = 3600000000000;

static int direction(const struct http_exchange *x, bool *ret_forward, struct err *reterr)
{
    struct str s = http_param(x, "direction");

    *ret_forward = str_eq_nocase(s, STR("forward"));
    if (s.n != 0 && !*ret_forward && !str_eq_nocase(s, STR("backward"))) {
        return err_set(reterr, ERR_INVALID, "invalid direction '%.*s'", STR_ARG(str_take(s, 60)));
    }
    return 0;
}

static int interval(const struct http_exchange *x, int64_t *ret_ns, struct err *reterr)
{
    struct str s = http_param(x, "interval");

    *ret_ns = 0;
    if (s.n != 0 && (!loki_duration(s, ret_ns) || *ret_ns < 0)) {
        return err_set(reterr, ERR_INVALID, "interval must be >= 0");
    }
    return 0;
}

static bool wants_categories(const struct http_exchange *x)
{
    return str_find(http_header(x, "X-Loki-Response-Encoding-Flags"), STR("categorize-labels")) >=
           0;
}

static void answer(struct http_exchange *x, struct logql_query *q, const struct logql_ask *ask,
                   bool instant)
{
    struct logql_result *r;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = logql_run(q, ask, &r, &e);

    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    loki_write_result(&w, r, instant, ask->end_ns, ask->categorize);
    logql_result_free(r);
    respond_json(x, 200, &b);
}

static void query_range(void *arg, struct http_exchange *x)
{
    struct logql_query *q = NULL;
    struct logql_ask ask;
    struct loki_range range = {0};
    struct err e = {0};
    int64_t limit = 0;
    int rc = loki_range(x, HOUR_NS, &range, &e);

    loki_ask(arg, x, &ask);
    rc = rc < 0 ? rc : loki_limit(x, LOKI_LIMIT_DEFAULT, &limit, &e);
    rc = rc < 0 ? rc : direction(x, &ask.forward, &e);
    rc = rc < 0 ? rc : interval(x, &ask.interval_ns, &e);
    rc = rc < 0 ? rc : loki_step(x, &range, &ask.step_ns, &e);
    rc = rc < 0 ? rc : logql_parse(http_param(x, "query"), &q, &e);
    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    ask.start_ns = range.start_ns;
    ask.end_ns = range.end_ns;
    ask.limit = (size_t)limit;
    ask.categorize = wants_categories(x) && logql_kind(q) == LOGQL_LOGS;
    answer(x, q, &ask, false);
    logql_free(q);
}

static void query(void *arg, struct http_exchange *x)
{
    struct str time = http_param(x, "time");
    struct logql_query *q = NULL;
    struct logql_ask ask;
    struct err e = {0};
    int rc;

    loki_ask(arg, x, &ask);
    ask.end_ns = clock_wall_ns();
    rc = time.n != 0 && !loki_time(time, &ask.end_ns)
             ? err_set(&e, ERR_INVALID, "cannot parse \"%.*s\" to a valid timestamp",
                       STR_ARG(str_take(time, 60)))
             : 0;
    rc = rc < 0 ? rc : logql_parse(http_param(x, "query"), &q, &e);
    if (rc == 0 && logql_kind(q) == LOGQL_LOGS) {
        rc = err_set(&e, ERR_INVALID,
                     "log queries are not supported as an instant query type, please change your "
                     "query to a range query type");
    }
    if (rc < 0) {
        loki_fail(x, rc, &e);
    } else {
        answer(x, q, &ask, true);
    }
    logql_free(q);
}

static void format_query(void *arg, struct http_exchange *x)
{
    struct logql_query *q;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    struct buf text;
    int rc = logql_parse(http_param(x, "query"), &q, &e);

    (void)arg;
    buf_init(&b, 1 << 20);
    buf_init(&text, 1 << 20);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "status");
    json_cstr(&w, rc < 0 ? "invalid-query" : "success");
    if (rc < 0) {
        json_key(&w, "error");
        json_cstr(&w, e.msg);
    } else {
        logql_print(q, &text);
        json_key(&w, "data");
        json_str(&w, buf_str(&text));
        logql_free(q);
    }
    json_object_end(&w);
    buf_done(&text);
    respond_json(x, rc < 0 ? 400 : 200, &b);
}

/* Clients choose by the version what to ask for: it names the API that is served. */
static void buildinfo(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct json_writer w;
    struct buf b;
    char version[64];

    snprintf(version, sizeof(version), "3.0.0+bongsu-%s", a->opts.version);
    buf_init(&b, 4096);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "version");
    json_cstr(&w, version);
    json_key(&w, "revision");
    json_cstr(&w, a->opts.version);
    json_key(&w, "branch");
    json_cstr(&w, "");
    json_key(&w, "buildUser");
    json_cstr(&w, "");
    json_key(&w, "buildDate");
    json_cstr(&w, "");
    json_key(&w, "goVersion");
    json_cstr(&w, "");
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void ready(void *arg, struct http_exchange *x)
{
    bool ok = api_ready(arg);

    http_respond(x, ok ? 200 : 503, "text/plain; charset=utf-8",
                 ok ? STR("ready\n") : STR("the server is starting or stopping\n"));
}

static void query_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const uint32_t form = 1 << 20;
    const struct http_route routes[] = {
        {"GET", "/loki/api/v1/query", query, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/query", query, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/query_range", query_range, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/query_range", query_range, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/format_query", format_query, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/format_query", format_query, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/status/buildinfo", buildinfo, a, HTTP_INLINE, 0, NEED_NOTHING},
        {"GET", "/ready", ready, a, HTTP_INLINE, 0, NEED_NOTHING},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}

void loki_routes(struct api *a, struct http_server *s)
{
    query_routes(a, s);
    loki_labels_routes(a, s);
    loki_volume_routes(a, s);
    loki_detected_routes(a, s);
    loki_push_routes(a, s);
    loki_tail_routes(a, s);
}
