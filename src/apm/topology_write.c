/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts of edges as series, under the names and labels of Tempo's service graphs: group edges with times of both
 * sides, instance edges with counts and sums under names of their own. Called from one thread at a time, the same that
 * forgets nodes, so names stay while they are written.
 */
#include <stdio.h>

#include "apm/topology_internal.h"
#include "base/alloc.h"
#include "base/err.h"

enum { LABELS_MAX = 12 };

struct writer {
    struct tsdb *db;
    struct tsdb_batch *batch;
    int64_t wall_ms;
    bool instances;
    struct node client, server; /* copies */
    enum topology_link link;
    size_t failed;
    struct err first; /* of those that failed */
};

static void add(struct writer *w, struct label *v, size_t n, int64_t first_ms, double value)
{
    struct series_ref ref;

    if (!labels_normalize(v, &n) || tsdb_intern(w->db, (struct labels){v, n}, NULL, &ref,
                                                w->failed == 0 ? &w->first : NULL) < 0) {
        w->failed++;
        return;
    }
    if (first_ms != 0) {
        ignore_result(tsdb_batch_add(w->batch, ref, first_ms - 1, 0),
                      "without the zero the first increase is missed, no more");
    }
    if (tsdb_batch_add(w->batch, ref, w->wall_ms, value) < 0) {
        w->failed++;
    }
}

/** @param first_ms  when its first request was counted; 0: the series has begun */
static void put(struct writer *w, const char *name, const char *le, int64_t first_ms, double value)
{
    struct label v[LABELS_MAX];
    size_t n = 0;

    v[n++] = (struct label){STR("__name__"), str_cstr(name)};
    v[n++] = (struct label){STR("client"), w->client.name};
    v[n++] = (struct label){STR("server"), w->server.name};
    v[n++] = (struct label){STR("client_service_namespace"), w->client.name_space};
    v[n++] = (struct label){STR("server_service_namespace"), w->server.name_space};
    v[n++] = (struct label){STR("connection_type"), str_cstr(topology_link_name(w->link))};
    if (w->instances) {
        v[n++] = (struct label){STR("client_instance"), w->client.instance};
        v[n++] = (struct label){STR("server_instance"), w->server.instance};
    }
    if (le != NULL) {
        v[n++] = (struct label){STR("le"), str_cstr(le)};
    }
    add(w, v, n, first_ms, value);
}

static void put_times(struct writer *w, const char *const names[3], const struct edge_series *s)
{
    int64_t first_ms = s->written ? 0 : s->first_ms;
    uint64_t below = 0;
    char le[32];

    if (s->n == 0) {
        return;
    }
    for (size_t i = 0; i < BOUNDS; i++) {
        below += s->buckets[i];
        snprintf(le, sizeof(le), "%g", TOPOLOGY_BOUNDS_S[i]);
        put(w, names[0], le, first_ms, (double)below);
    }
    put(w, names[0], "+Inf", first_ms, (double)s->n);
    put(w, names[1], NULL, first_ms, s->sum_s);
    put(w, names[2], NULL, first_ms, (double)s->n);
}

#define TIMES(side)                                           \
    {                                                         \
        TOPOLOGY_SERIES "request_" side "_seconds_bucket",    \
            TOPOLOGY_SERIES "request_" side "_seconds_sum",   \
            TOPOLOGY_SERIES "request_" side "_seconds_count", \
    }

static const char *const CLIENT_TIMES[] = TIMES("client");
static const char *const SERVER_TIMES[] = TIMES("server");

struct edge_copy {
    bool live;
    int64_t first_ms; /* 0: the series has begun */
    uint64_t requests, failed;
    double sum_s, max_s;
    struct edge_series client, server;
};

static struct edge_series take_series(struct edge_series *s)
{
    struct edge_series copy = {0};

    if (s != NULL) {
        copy = *s;
        s->written = true;
    }
    return copy;
}

static void take_edge(struct graph *g, struct edge_table *t, size_t i, struct writer *w,
                      struct edge_copy *ret)
{
    struct edge *e;

    mutex_lock(&g->lock);
    e = t->v[i];
    ret->live = e->live;
    if (e->live) {
        ret->first_ms = e->written ? 0 : e->first_ms;
        ret->requests = e->requests;
        ret->failed = e->failed;
        ret->sum_s = e->sum_s;
        ret->max_s = e->max_s;
        ret->client = take_series(e->client_times);
        ret->server = take_series(e->server_times);
        w->client = g->nodes[e->client];
        w->server = g->nodes[e->server];
        w->link = e->link;
        e->written = true;
        e->max_s = 0;
    }
    mutex_unlock(&g->lock);
}

static void write_edges(struct graph *g, enum topology_level level, struct writer *w)
{
    struct edge_table *t = &g->edges[level];
    struct edge_copy e;
    size_t n;

    mutex_lock(&g->lock);
    n = t->n;
    mutex_unlock(&g->lock);
    w->instances = level == TOPOLOGY_INSTANCES;
    for (size_t i = 0; i < n; i++) {
        take_edge(g, t, i, w, &e);
        if (!e.live) {
            continue;
        }
        if (level == TOPOLOGY_INSTANCES) {
            put(w, TOPOLOGY_SERIES "instance_request_total", NULL, e.first_ms, (double)e.requests);
            put(w, TOPOLOGY_SERIES "instance_request_failed_total", NULL, e.first_ms,
                (double)e.failed);
            put(w, TOPOLOGY_SERIES "instance_request_seconds_sum", NULL, e.first_ms, e.sum_s);
            continue;
        }
        put(w, TOPOLOGY_SERIES "request_total", NULL, e.first_ms, (double)e.requests);
        put(w, TOPOLOGY_SERIES "request_failed_total", NULL, e.first_ms, (double)e.failed);
        put(w, TOPOLOGY_SERIES "request_max_seconds", NULL, 0, e.max_s);
        put_times(w, CLIENT_TIMES, &e.client);
        put_times(w, SERVER_TIMES, &e.server);
    }
}

/* ---- nodes ---- */

/** Instances of a group seen of late; of what has none, whether it was. */
static uint32_t up_locked(const struct graph *g, uint32_t group, int64_t wall_ms, int64_t within_ms)
{
    uint32_t instances = 0;
    bool any = false;

    for (size_t i = NODE_FIRST; i < g->nodes_n; i++) {
        const struct node *n = &g->nodes[i];

        if (n->live && n->group == group && i != group) {
            any = true;
            instances += wall_ms - n->last_ms <= within_ms;
        }
    }
    return any ? instances : wall_ms - g->nodes[group].last_ms <= within_ms;
}

static void write_nodes(struct graph *g, struct writer *w)
{
    size_t n;

    mutex_lock(&g->lock);
    n = g->nodes_n;
    mutex_unlock(&g->lock);
    for (size_t i = 0; i < n; i++) {
        struct node node;
        uint32_t up = 0;
        struct label v[LABELS_MAX];

        mutex_lock(&g->lock);
        node = g->nodes[i];
        if (node.live && node.group == i) {
            up = up_locked(g, (uint32_t)i, w->wall_ms, 60000);
        }
        mutex_unlock(&g->lock);
        if (!node.live || node.group != i) {
            continue;
        }
        v[0] = (struct label){STR("__name__"), STR(TOPOLOGY_SERIES "node_instances")};
        v[1] = (struct label){STR("node"), node.name};
        v[2] = (struct label){STR("service_namespace"), node.name_space};
        v[3] = (struct label){STR("kind"), str_cstr(topology_kind_name(node.kind))};
        v[4] = (struct label){STR("system"), node.system};
        add(w, v, 5, 0, up);
    }
}

static void describe(struct tsdb *db)
{
    static const struct {
        const char *name, *type, *unit, *help;
    } METRICS[] = {
        {"request_total", "counter", "", "Requests between two services."},
        {"request_failed_total", "counter", "", "Requests between two services that failed."},
        {"request_client_seconds", "histogram", "seconds", "Requests as their callers saw them."},
        {"request_server_seconds", "histogram", "seconds", "Requests as their servers saw them."},
        {"request_max_seconds", "gauge", "seconds", "Longest request since the sample before."},
        {"node_instances", "gauge", "", "Instances of a service seen in the last minute."},
        {"instance_request_total", "counter", "", "Requests between two instances."},
        {"instance_request_failed_total", "counter", "", "Failed requests between two instances."},
        {"instance_request_seconds_sum", "counter", "seconds",
         "Time of them, as the map shows it."},
    };

    char name[96];

    for (size_t i = 0; i < ARRAY_LEN(METRICS); i++) {
        snprintf(name, sizeof(name), TOPOLOGY_SERIES "%s", METRICS[i].name);
        ignore_result(tsdb_set_metadata(db, str_cstr(name), str_cstr(METRICS[i].type),
                                        str_cstr(METRICS[i].unit), str_cstr(METRICS[i].help), NULL),
                      "metadata is a courtesy; the samples count");
    }
}

int topology_write(struct graph *g, struct tsdb *db, int64_t wall_ms, struct err *reterr)
{
    struct writer w = {.db = db, .wall_ms = wall_ms};
    struct tsdb_commit done;
    size_t edges;
    int rc;

    mutex_lock(&g->lock);
    edges = g->edges[TOPOLOGY_GROUPS].live;
    mutex_unlock(&g->lock);
    if (edges == 0) {
        return 0;
    }
    describe(db);
    w.batch = tsdb_batch_new(db);
    write_nodes(g, &w);
    write_edges(g, TOPOLOGY_GROUPS, &w);
    write_edges(g, TOPOLOGY_INSTANCES, &w);
    rc = tsdb_batch_commit(w.batch, &done, reterr);
    tsdb_batch_free(w.batch);
    if (rc == 0 && w.failed != 0) {
        return err_set(reterr, ERR_LIMIT, "%zu series of the topology were refused: %s", w.failed,
                       w.first.msg);
    }
    return rc;
}
