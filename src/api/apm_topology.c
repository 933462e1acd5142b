/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/topology: who calls whom, live, over a range, at a moment for replay, and compared with the same range
 * before. Thin: apm/topology.h counts and reads.
 */
#include <math.h>

#include "api/api_internal.h"

#include "api/params.h"

enum { WINDOW_S = 10, REPLAY_STEP_MS = 60000, COMPARE_MS = 5 * 60000, RANGE_MAX_DAYS = 92 };

static const int64_t DAY_MS = 86400000;

struct asked {
    enum topology_level level;
    struct str group; /* empty: all */
    bool live;
    int64_t window_s;
    int64_t start_ms, end_ms;
    int64_t compare_ms; /* so long before; 0: not compared */
};

static int ask_level(const struct http_exchange *x, struct asked *ret, struct err *e)
{
    struct str level = http_param(x, "level");

    ret->group = http_param(x, "group");
    ret->level = str_eq(level, STR("instance")) ? TOPOLOGY_INSTANCES : TOPOLOGY_GROUPS;
    if (level.n != 0 && ret->level == TOPOLOGY_GROUPS && !str_eq(level, STR("group"))) {
        return err_set(e, ERR_INVALID, "level: \"group\" or \"instance\", not \"%.*s\"",
                       STR_ARG(level));
    }
    return 0;
}

static int ask_compare(const struct http_exchange *x, struct asked *ret, struct err *e)
{
    struct str compare = http_param(x, "compare");

    if (compare.n == 0) {
        return 0;
    }
    if (!str_to_duration_ms(compare, &ret->compare_ms) || ret->compare_ms < 60000 ||
        ret->compare_ms > 400 * DAY_MS) {
        return err_set(e, ERR_INVALID, "compare: a duration from 1m to 400d such as 1d or 7d");
    }
    return 0;
}

static int ask_time(const struct http_exchange *x, struct asked *ret, struct err *e)
{
    int64_t at_ms;
    int64_t step_ms = REPLAY_STEP_MS;
    struct str step = http_param(x, "step");
    struct time_range range;
    int rc;

    ret->live = !http_has_param(x, "start_ms") && !http_has_param(x, "end_ms") &&
                !http_has_param(x, "at_ms") && ret->compare_ms == 0;
    if (ret->live) {
        return param_i64(x, "window_s", 2, TOPOLOGY_LIVE_MAX_S, WINDOW_S, &ret->window_s, e);
    }
    if (http_has_param(x, "at_ms")) {
        if (step.n != 0 && (!str_to_duration_ms(step, &step_ms) || step_ms < 10000 ||
                            step_ms > RANGE_MAX_DAYS * DAY_MS)) {
            return err_set(e, ERR_INVALID, "step: a duration from 10s to %dd", RANGE_MAX_DAYS);
        }
        rc = param_i64(x, "at_ms", 0, INT64_MAX / 1000000, 0, &at_ms, e);
        ret->end_ms = at_ms;
        ret->start_ms = at_ms - step_ms;
        return rc;
    }
    rc = param_range(x, &range, e);
    ret->start_ms = range.start_ms;
    ret->end_ms = range.end_ms;
    if (rc == 0 && !http_has_param(x, "start_ms")) {
        ret->start_ms = ret->end_ms - COMPARE_MS;
    }
    if (rc == 0 && ret->end_ms - ret->start_ms > RANGE_MAX_DAYS * DAY_MS) {
        return err_set(e, ERR_INVALID, "the range is longer than %d days", RANGE_MAX_DAYS);
    }
    return rc;
}

/* ---- the answer ---- */

static void put_f64(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_f64(w, v);
}

static void put_text(struct json_writer *w, const char *key, struct str v)
{
    if (v.n != 0) {
        json_key(w, key);
        json_str(w, v);
    }
}

static void write_figures(struct json_writer *w, const struct topology_figures *f, double seconds)
{
    put_f64(w, "requests", f->requests);
    put_f64(w, "failed", f->failed);
    put_f64(w, "tps", f->requests / seconds);
    if (f->requests > 0) {
        put_f64(w, "error_ratio", f->failed / f->requests);
        put_f64(w, "mean_ms", f->sum_s / f->requests * 1000);
    }
    if (f->max_s > 0) {
        put_f64(w, "max_ms", f->max_s * 1000);
    }
    if (!isnan(f->p95_s)) {
        put_f64(w, "p95_ms", f->p95_s * 1000);
    }
}

struct answer {
    struct json_writer *w;
    const struct asked *asked;
    const struct topology_view *now, *before; /* before NULL: not compared */
    double seconds;
};

static void write_change(const struct answer *a, const struct topology_figures *now,
                         const struct topology_figures *before)
{
    if (a->before == NULL) {
        return;
    }
    json_key(a->w, "change");
    json_cstr(a->w, now == NULL ? "gone" : before == NULL ? "new" : "same");
    if (before != NULL) {
        json_key(a->w, "before");
        json_object_begin(a->w);
        write_figures(a->w, before, a->seconds);
        json_object_end(a->w);
    }
}

static bool is_of_group(const struct topology_node *n, struct str group)
{
    if (n->name_space.n == 0) {
        return str_eq(n->name, group);
    }
    return group.n == n->name_space.n + 1 + n->name.n && str_starts(group, n->name_space) &&
           group.p[n->name_space.n] == '/' && str_ends(group, n->name);
}

/** `n` is one of the two, which may be NULL. */
static void write_node(const struct answer *a, const struct topology_node *n,
                       const struct topology_node *now, const struct topology_node *before)
{
    static const struct topology_figures NONE = {.p95_s = NAN};
    struct json_writer *w = a->w;

    json_object_begin(w);
    put_text(w, "id", n->id);
    put_text(w, "name", n->name);
    put_text(w, "namespace", n->name_space);
    put_text(w, "instance", n->instance);
    json_key(w, "kind");
    json_cstr(w, topology_kind_name(n->kind));
    put_text(w, "system", n->system);
    json_key(w, "monitored");
    json_bool(w, n->monitored);
    if (now != NULL && n->monitored) {
        json_key(w, "instances");
        json_u64(w, n->instances);
    }
    write_figures(w, now != NULL ? &now->f : &NONE, a->seconds);
    write_change(a, now != NULL ? &now->f : NULL, before != NULL ? &before->f : NULL);
    json_object_end(w);
}

static void write_edge(const struct answer *a, const struct topology_edge *e,
                       const struct topology_edge *now, const struct topology_edge *before)
{
    static const struct topology_figures NONE = {.p95_s = NAN};
    const struct topology_view *v = now != NULL ? a->now : a->before;
    struct json_writer *w = a->w;

    json_object_begin(w);
    put_text(w, "client", v->nodes[e->client].id);
    put_text(w, "server", v->nodes[e->server].id);
    json_key(w, "connection_type");
    json_cstr(w, topology_link_name(e->link));
    write_figures(w, now != NULL ? &now->f : &NONE, a->seconds);
    write_change(a, now != NULL ? &now->f : NULL, before != NULL ? &before->f : NULL);
    json_object_end(w);
}

static int edge_cmp(const struct topology_view *v, const struct topology_edge *x,
                    const struct topology_view *u, const struct topology_edge *y)
{
    int c = str_cmp(v->nodes[x->client].id, u->nodes[y->client].id);

    c = c != 0 ? c : str_cmp(v->nodes[x->server].id, u->nodes[y->server].id);
    return c != 0 ? c : (x->link > y->link) - (x->link < y->link);
}

/** Both views are in order: one walk. */
static void write_nodes(const struct answer *a)
{
    static const struct topology_view NONE = {0};
    const struct topology_view *b = a->before != NULL ? a->before : &NONE;
    size_t i = 0;
    size_t k = 0;

    json_key(a->w, "nodes");
    json_array_begin(a->w);
    for (;;) {
        const struct topology_node *x = i < a->now->nodes_n ? &a->now->nodes[i] : NULL;
        const struct topology_node *y = k < b->nodes_n ? &b->nodes[k] : NULL;
        int c = 0;

        if (x == NULL && y == NULL) {
            break;
        }
        if (x != NULL && y != NULL) {
            c = str_cmp(x->id, y->id);
        }
        if (x != NULL && (y == NULL || c <= 0)) {
            write_node(a, x, x, c == 0 ? y : NULL);
            i++;
            k += y != NULL && c == 0;
        } else {
            write_node(a, y, NULL, y);
            k++;
        }
    }
    json_array_end(a->w);
}

static void write_edges(const struct answer *a)
{
    static const struct topology_view NONE = {0};
    const struct topology_view *b = a->before != NULL ? a->before : &NONE;
    size_t i = 0;
    size_t k = 0;

    json_key(a->w, "edges");
    json_array_begin(a->w);
    for (;;) {
        const struct topology_edge *x = i < a->now->edges_n ? &a->now->edges[i] : NULL;
        const struct topology_edge *y = k < b->edges_n ? &b->edges[k] : NULL;
        int c = 0;

        if (x == NULL && y == NULL) {
            break;
        }
        if (x != NULL && y != NULL) {
            c = edge_cmp(a->now, x, b, y);
        }
        if (x != NULL && (y == NULL || c <= 0)) {
            write_edge(a, x, x, c == 0 ? y : NULL);
            i++;
            k += y != NULL && c == 0;
        } else {
            write_edge(a, y, NULL, y);
            k++;
        }
    }
    json_array_end(a->w);
}

static void put_range(struct json_writer *w, int64_t start_ms, int64_t end_ms)
{
    json_key(w, "start_ms");
    json_i64(w, start_ms);
    json_key(w, "end_ms");
    json_i64(w, end_ms);
}

static void respond_topology(struct http_exchange *x, struct topology *t, const struct asked *asked,
                             const struct topology_view *now, const struct topology_view *before)
{
    struct json_writer w;
    const struct answer a = {.w = &w,
                             .asked = asked,
                             .now = now,
                             .before = before,
                             .seconds = (double)(now->to_ms - now->from_ms) / 1000};
    struct topology_counts counts;
    struct buf b;

    topology_counts(t, &counts);
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "level");
    json_cstr(&w, asked->level == TOPOLOGY_INSTANCES ? "instance" : "group");
    json_key(&w, "live");
    json_bool(&w, asked->live);
    put_range(&w, now->from_ms, now->to_ms);
    if (before != NULL) {
        json_key(&w, "compare");
        json_object_begin(&w);
        put_range(&w, before->from_ms, before->to_ms);
        json_object_end(&w);
    }
    write_nodes(&a);
    write_edges(&a);
    put_f64(&w, "overflow_requests", now->overflow);
    json_key(&w, "waiting_spans");
    json_u64(&w, counts.waiting);
    json_key(&w, "unpaired_spans");
    json_u64(&w, counts.unpaired);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/** Only the edges of one group, and what they touch. */
static void keep_group(struct topology_view *v, struct str group, uint32_t *place)
{
    size_t edges = 0;
    size_t nodes = 0;

    for (size_t i = 0; i < v->edges_n; i++) {
        const struct topology_edge *e = &v->edges[i];

        if (is_of_group(&v->nodes[e->client], group) || is_of_group(&v->nodes[e->server], group)) {
            place[e->client] = place[e->server] = 1;
            v->edges[edges++] = *e;
        }
    }
    for (size_t i = 0; i < v->nodes_n; i++) {
        if (place[i] != 0) {
            place[i] = (uint32_t)nodes;
            v->nodes[nodes++] = v->nodes[i];
        }
    }
    for (size_t i = 0; i < edges; i++) {
        v->edges[i].client = place[v->edges[i].client];
        v->edges[i].server = place[v->edges[i].server];
    }
    v->edges_n = edges;
    v->nodes_n = nodes;
}

static int view_of(struct api *a, struct http_exchange *x, const struct asked *asked,
                   int64_t back_ms, struct topology_view *ret, struct err *e)
{
    const struct api_backend *b = api_backend(a);
    struct arena *arena = http_arena(x);
    const struct topology_ask ask = {.src = tsdb_source(store_metrics(b->store)),
                                     .level = asked->level,
                                     .from_ms = asked->start_ms - back_ms,
                                     .to_ms = asked->end_ms - back_ms,
                                     .cancel = http_cancel(x),
                                     .budget = b->query_budget};
    uint32_t *place;
    int rc = asked->live ? topology_live(apm_topology(b->apm), asked->level, clock_wall_ms(),
                                         asked->window_s, arena, ret, e)
                         : topology_history(&ask, arena, ret, e);

    if (rc < 0 || asked->group.n == 0) {
        return rc;
    }
    place = arena_calloc(arena, ret->nodes_n + 1, sizeof(*place));
    if (place == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    keep_group(ret, asked->group, place);
    return 0;
}

static void get_topology(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct asked asked = {0};
    struct topology_view now = {0};
    struct topology_view before = {0};
    struct err e = {0};
    int rc = ask_level(x, &asked, &e);

    rc = rc < 0 ? rc : ask_compare(x, &asked, &e);
    rc = rc < 0 ? rc : ask_time(x, &asked, &e);
    rc = rc < 0 ? rc : view_of(a, x, &asked, 0, &now, &e);
    if (rc == 0 && asked.compare_ms != 0) {
        rc = view_of(a, x, &asked, asked.compare_ms, &before, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    respond_topology(x, apm_topology(api_backend(a)->apm), &asked, &now,
                     asked.compare_ms != 0 ? &before : NULL);
}

void apm_topology_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/topology", get_topology, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
