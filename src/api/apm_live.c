/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/{groups,instances,operations,points}: the live figures of the last ten minutes.
 */
#include "api/api_internal.h"

#include "api/apm_json.h"
#include "api/params.h"
#include "apm/apm.h"

enum { WINDOW_S_DEFAULT = 60, WINDOW_S_MAX = LIVE_TICKS * LIVE_TICK_MS / 1000 };

struct window {
    struct live_window w;
    int64_t now_ms;
    double seconds;
};

/* start_ms and end_ms, or the window_s seconds before now. Whole ticks: the start's to the one before the end's. */
static int param_window(struct http_exchange *x, struct window *ret, struct err *e)
{
    int64_t seconds = WINDOW_S_DEFAULT;
    int64_t now = clock_wall_ms();
    int64_t start;
    int64_t end;
    int rc = param_i64(x, "window_s", 2, WINDOW_S_MAX, WINDOW_S_DEFAULT, &seconds, e);

    rc = rc < 0
             ? rc
             : param_i64(x, "end_ms", 0, now + 3600000, now / LIVE_TICK_MS * LIVE_TICK_MS, &end, e);
    rc = rc < 0 ? rc : param_i64(x, "start_ms", 0, INT64_MAX, end - seconds * 1000, &start, e);
    if (rc < 0) {
        return rc;
    }
    ret->w.from = live_tick_of(start);
    ret->w.to = live_tick_of(end - 1);
    if (start >= end) {
        return err_set(e, ERR_INVALID, "start_ms: must be before end_ms");
    }
    if (ret->w.to - ret->w.from >= LIVE_TICKS) {
        return err_set(e, ERR_OUT_OF_RANGE, "start_ms: live figures span at most %d s",
                       WINDOW_S_MAX);
    }
    ret->now_ms = now;
    ret->seconds = (double)((ret->w.to - ret->w.from + 1) * LIVE_TICK_MS) / 1000;
    return 0;
}

static int param_group(struct http_exchange *x, struct live_ask *ask, struct window *w,
                       struct err *e)
{
    int rc = param_window(x, w, e);

    if (rc < 0) {
        return rc;
    }
    ask->group = http_param(x, "group");
    ask->w = w->w;
    ask->now_ms = w->now_ms;
    return ask->group.n != 0 ? 0 : err_set(e, ERR_INVALID, "group: must be given");
}

static void begin(struct json_writer *w, struct buf *out, const struct window *win)
{
    buf_init(out, RESPONSE_MAX);
    json_init(w, out);
    json_object_begin(w);
    apm_json_member_i64(w, "now_ms", win->now_ms);
    apm_json_member_i64(w, "start_ms", win->w.from * LIVE_TICK_MS);
    apm_json_member_i64(w, "end_ms", (win->w.to + 1) * LIVE_TICK_MS);
}

static void list_groups(void *arg, struct http_exchange *x)
{
    struct live *l = apm_live(api_backend(arg)->apm);
    struct live_group *v = NULL;
    struct window win = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    size_t n = 0;
    int rc = param_window(x, &win, &e);

    rc = rc < 0 ? rc : live_groups(l, win.w, win.now_ms, http_arena(x), &v, &n, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    begin(&w, &out, &win);
    json_key(&w, "groups");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        apm_json_group(&w, &v[i], win.seconds);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &out);
}

static void get_group(void *arg, struct http_exchange *x)
{
    struct live *l = apm_live(api_backend(arg)->apm);
    struct live_ask ask = {.group = http_path_param(x, "group")};
    struct live_group g;
    struct window win = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    int rc = param_window(x, &win, &e);

    ask.w = win.w;
    ask.now_ms = win.now_ms;
    rc = rc < 0 ? rc : live_group(l, &ask, http_arena(x), &g, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    begin(&w, &out, &win);
    json_key(&w, "group");
    apm_json_group(&w, &g, win.seconds);
    json_object_end(&w);
    respond_json(x, 200, &out);
}

static void list_instances(void *arg, struct http_exchange *x)
{
    struct live *l = apm_live(api_backend(arg)->apm);
    struct live_ask ask = {.quiet = true};
    struct live_instance *v = NULL;
    struct window win = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    size_t n = 0;
    int rc = param_group(x, &ask, &win, &e);

    rc = rc < 0 ? rc : live_instances(l, &ask, http_arena(x), &v, &n, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    begin(&w, &out, &win);
    json_key(&w, "instances");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        apm_json_instance(&w, &v[i]);
        apm_json_figures(&w, &v[i].f, win.seconds);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &out);
}

static void write_operation(struct json_writer *w, const struct live_operation *o, double seconds)
{
    static const char *const NAMED[] = {"route", "rpc", "messaging", "path", "span_name"};

    json_object_begin(w);
    json_key(w, "name");
    json_str(w, o->name);
    json_key(w, "named_by");
    json_cstr(w, NAMED[o->named]);
    apm_json_member_i64(w, "t_ms", o->t_ms);
    apm_json_member_i64(w, "first_ms", o->first_ms);
    apm_json_member_i64(w, "last_ms", o->last_ms);
    apm_json_figures(w, &o->f, seconds);
    json_object_end(w);
}

static void list_operations(void *arg, struct http_exchange *x)
{
    struct live *l = apm_live(api_backend(arg)->apm);
    struct live_ask ask = {0};
    struct live_operation *v = NULL;
    struct window win = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    int64_t limit = 1000;
    size_t n = 0;
    int rc = param_group(x, &ask, &win, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, 10000, 1000, &limit, &e);
    rc = rc < 0 ? rc : live_operations(l, &ask, http_arena(x), &v, &n, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    begin(&w, &out, &win);
    apm_json_member_i64(&w, "total", (int64_t)n);
    json_key(&w, "operations");
    json_array_begin(&w);
    for (size_t i = 0; i < n && i < (size_t)limit; i++) {
        write_operation(&w, &v[i], win.seconds);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &out);
}

static void list_points(void *arg, struct http_exchange *x)
{
    struct live *l = apm_live(api_backend(arg)->apm);
    struct live_ask ask = {0};
    struct live_point *v = NULL;
    struct window win = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    uint64_t changes;
    size_t n = 0;
    int rc = param_group(x, &ask, &win, &e);

    rc = rc < 0 ? rc : live_points(l, &ask, http_arena(x), &v, &n, &changes, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    begin(&w, &out, &win);
    json_key(&w, "points");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        apm_json_point(&w, &v[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &out);
}

void apm_live_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/groups", list_groups, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/groups/{group*}", get_group, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/instances", list_instances, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/operations", list_operations, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/points", list_points, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
