/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine: spans to nodes, nodes to pairs, pairs to counts; the thread that ends waiting and writes; the live view.
 */
#include "apm/topology.h"

#include <math.h>

#include "apm/topology_internal.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/thread.h"

enum { THREAD_TICK_MS = 500, SWEEP_MS = 60000, UP_MS = 60000 };

struct topology {
    struct topology_opts opts;
    struct graph graph;
    struct pairs *pairs;
    int64_t written_ms, swept_ms; /* of topology_tick() */
    struct thread thread;
    struct mutex lock;
    struct cond wake;
    bool closing; /* guarded by: lock */
};

static const char *const KINDS[TOPOLOGY_KINDS] = {"other",    "user",  "web",   "service",
                                                  "database", "cache", "queue", "external"};
static const char *const LINKS[TOPOLOGY_LINKS] = {"", "virtual_node", "database",
                                                  "messaging_system"};

const char *topology_kind_name(enum topology_kind k)
{
    return KINDS[(unsigned)k < TOPOLOGY_KINDS ? k : TOPOLOGY_OTHER];
}

const char *topology_link_name(enum topology_link l)
{
    return LINKS[(unsigned)l < TOPOLOGY_LINKS ? l : TOPOLOGY_DIRECT];
}

static size_t or_default(size_t v, size_t fallback)
{
    return v != 0 ? v : fallback;
}

static void set_defaults(struct topology_opts *o)
{
    o->wait_ms = o->wait_ms != 0 ? o->wait_ms : 10000;
    o->write_ms = o->write_ms != 0 ? o->write_ms : 10000;
    o->max_waiting = or_default(o->max_waiting, 400000);
    o->max_nodes = or_default(o->max_nodes, 20000);
    o->max_virtual = or_default(o->max_virtual, 2000);
    o->max_edges[TOPOLOGY_GROUPS] = or_default(o->max_edges[TOPOLOGY_GROUPS], 2000);
    o->max_edges[TOPOLOGY_INSTANCES] = or_default(o->max_edges[TOPOLOGY_INSTANCES], 20000);
    o->max_histogram_bytes = or_default(o->max_histogram_bytes, 64u << 20);
}

/* ---- spans ---- */

struct self_of {
    const struct resource *resource;
    const struct scope *scope;
    uint32_t node, group;
};

static bool is_caller(const struct span *s)
{
    return s->kind == SPAN_CLIENT || s->kind == SPAN_PRODUCER;
}

static void prepare_locked(struct graph *g, const struct span *s, const struct self_of *self,
                           int64_t wall_ms, struct pair_span *ret)
{
    struct topology_peer peer;

    *ret =
        (struct pair_span){.span = s, .node = self->node, .group = self->group, .peer = NODE_NONE};
    if (s->kind == SPAN_SERVER) {
        return; /* its server.address is its own */
    }
    if (topology_peer_of(s, &peer) && (is_caller(s) || peer.kind == TOPOLOGY_QUEUE)) {
        ret->peer = graph_peer_locked(g, &peer, wall_ms);
        ret->link = peer.link;
    }
    if (s->kind != SPAN_CLIENT) {
        ret->link = TOPOLOGY_MESSAGING;
        ret->receive = s->kind == SPAN_CONSUMER && topology_is_receive(s);
    }
}

enum { AT_ONCE = 128 };

/** Nodes of the next spans that matter, at most AT_ONCE. @return spans looked at */
static size_t prepare(struct graph *g, const struct span *spans, size_t n, int64_t wall_ms,
                      struct self_of *self, struct pair_span v[AT_ONCE], size_t *ret_n)
{
    size_t i = 0;

    *ret_n = 0;
    mutex_lock(&g->lock);
    for (; i < n && *ret_n < AT_ONCE; i++) {
        const struct span *s = &spans[i];

        if (s->kind != SPAN_SERVER && s->kind != SPAN_CONSUMER && !is_caller(s)) {
            continue;
        }
        if (s->resource != self->resource || s->scope != self->scope) {
            struct topology_self found;

            topology_self_of(s->resource, s->scope, &found);
            self->resource = s->resource;
            self->scope = s->scope;
            self->node = graph_self_locked(g, &found, wall_ms);
            self->group = g->nodes[self->node].group;
        }
        prepare_locked(g, s, self, wall_ms, &v[(*ret_n)++]);
    }
    mutex_unlock(&g->lock);
    return i;
}

void topology_seen(void *arg, const struct span *spans, size_t n, int64_t wall_ms)
{
    struct topology *t = arg;
    struct crossings out = {.graph = &t->graph, .wall_ms = wall_ms};
    struct self_of self = {0};
    struct pair_span v[AT_ONCE];

    for (size_t at = 0; at < n;) {
        size_t m;

        at += prepare(&t->graph, spans + at, n - at, wall_ms, &self, v, &m);
        for (size_t i = 0; i < m; i++) {
            pairs_add(t->pairs, &v[i], &out);
        }
    }
    crossings_flush(&out);
}

static void write_series(struct topology *t, int64_t wall_ms)
{
    static struct log_limit limit;
    struct err e = {0};
    int64_t suppressed;

    if (t->opts.db != NULL && topology_write(&t->graph, t->opts.db, wall_ms, &e) < 0 &&
        log_limit_pass(&limit, &suppressed)) {
        log_warn("topology", "edges could not be stored", L_CSTR("error", e.msg),
                 L_INT("suppressed", suppressed));
    }
}

void topology_tick(struct topology *t, int64_t wall_ms)
{
    struct crossings out = {.graph = &t->graph, .wall_ms = wall_ms};

    pairs_expire(t->pairs, wall_ms, &out);
    crossings_flush(&out);
    if (wall_ms - t->written_ms >= t->opts.write_ms || wall_ms < t->written_ms) {
        t->written_ms = wall_ms;
        write_series(t, wall_ms);
    }
    if (wall_ms - t->swept_ms >= SWEEP_MS || wall_ms < t->swept_ms) {
        t->swept_ms = wall_ms;
        graph_sweep(&t->graph, wall_ms);
    }
}

static void run(void *arg)
{
    struct topology *t = arg;

    mutex_lock(&t->lock);
    while (!t->closing) {
        mutex_unlock(&t->lock);
        topology_tick(t, clock_wall_ms());
        mutex_lock(&t->lock);
        if (!t->closing) {
            cond_wait_ms(&t->wake, &t->lock, THREAD_TICK_MS);
        }
    }
    mutex_unlock(&t->lock);
}

/* ---- statistics ---- */

void topology_counts(struct topology *t, struct topology_counts *ret)
{
    *ret = (struct topology_counts){0};
    pairs_counts(t->pairs, ret);
    mutex_lock(&t->graph.lock);
    ret->nodes = t->graph.nodes_live;
    ret->edges[TOPOLOGY_GROUPS] = t->graph.edges[TOPOLOGY_GROUPS].live;
    ret->edges[TOPOLOGY_INSTANCES] = t->graph.edges[TOPOLOGY_INSTANCES].live;
    ret->overflow = t->graph.overflow;
    mutex_unlock(&t->graph.lock);
}

static double waiting_spans(void *arg)
{
    struct topology_counts c;

    topology_counts(arg, &c);
    return (double)c.waiting;
}

static double group_edges(void *arg)
{
    struct topology_counts c;

    topology_counts(arg, &c);
    return (double)c.edges[TOPOLOGY_GROUPS];
}

static double instance_edges(void *arg)
{
    struct topology_counts c;

    topology_counts(arg, &c);
    return (double)c.edges[TOPOLOGY_INSTANCES];
}

static double unpaired_spans(void *arg)
{
    struct topology_counts c;

    topology_counts(arg, &c);
    return (double)c.unpaired;
}

static double early_spans(void *arg)
{
    struct topology_counts c;

    topology_counts(arg, &c);
    return (double)c.early;
}

static double overflow_requests(void *arg)
{
    struct topology_counts c;

    topology_counts(arg, &c);
    return (double)c.overflow;
}

static void make_stats(struct topology *t)
{
    static const char EDGES[] = "bongsu_topology_edges";
    static const char EDGES_HELP[] = "Edges of the topology in memory.";
    struct stats *s = t->opts.stats;

    stats_gauge_fn(s, "bongsu_topology_waiting_spans", "", "Spans that wait for their other half.",
                   waiting_spans, t);
    stats_gauge_fn(s, EDGES, "level=\"group\"", EDGES_HELP, group_edges, t);
    stats_gauge_fn(s, EDGES, "level=\"instance\"", EDGES_HELP, instance_edges, t);
    stats_counter_fn(s, "bongsu_topology_unpaired_spans_total", "",
                     "Client spans without a server span that do not say whom they called.",
                     unpaired_spans, t);
    stats_counter_fn(s, "bongsu_topology_early_spans_total", "",
                     "Spans that stopped waiting for their other half because too many waited.",
                     early_spans, t);
    stats_counter_fn(s, "bongsu_topology_overflow_requests_total", "",
                     "Requests counted under other because there are too many nodes or edges.",
                     overflow_requests, t);
}

/* ---- life ---- */

int topology_new(const struct topology_opts *opts, struct topology **ret, struct err *reterr)
{
    struct topology *t = mem_xcalloc(1, sizeof(*t));
    bool ok;

    t->opts = *opts;
    set_defaults(&t->opts);
    mutex_init(&t->lock, LOCK_RANK_INGEST);
    cond_init(&t->wake);
    t->pairs = pairs_new(&t->opts, &t->graph);
    ok = graph_init(&t->graph, &t->opts);
    if (!ok || (!opts->no_thread && thread_start(&t->thread, "topology", run, t) < 0)) {
        t->opts.db = NULL;
        topology_free(t);
        return err_set(reterr, ok ? ERR_UNAVAILABLE : ERR_NOMEM, "the topology cannot start");
    }
    if (opts->stats != NULL) {
        make_stats(t);
    }
    *ret = t;
    return 0;
}

void topology_free(struct topology *t)
{
    if (t == NULL) {
        return;
    }
    mutex_lock(&t->lock);
    t->closing = true;
    cond_broadcast(&t->wake);
    mutex_unlock(&t->lock);
    if (t->thread.running) {
        struct crossings out = {.graph = &t->graph, .wall_ms = clock_wall_ms()};

        thread_join(&t->thread);
        pairs_expire(t->pairs, INT64_MAX, &out); /* no other half will come */
        crossings_flush(&out);
        write_series(t, out.wall_ms);
    }
    graph_done(&t->graph);
    pairs_free(t->pairs);
    cond_done(&t->wake);
    mutex_done(&t->lock);
    mem_free(t);
}

/* ---- the live view ---- */

static struct view_name name_of(const struct node *n)
{
    return (struct view_name){.name_space = n->name_space,
                              .name = n->name,
                              .instance = n->instance,
                              .system = n->system,
                              .kind = (enum topology_kind)n->kind,
                              .monitored = n->monitored};
}

static void add_edge_locked(const struct graph *g, struct view_maker *m, const struct edge *e,
                            int64_t from_tick, int64_t to_tick)
{
    struct view_name client = name_of(&g->nodes[e->client]);
    struct view_name server = name_of(&g->nodes[e->server]);
    struct made_edge *made = view_edge(m, view_node(m, &client), view_node(m, &server), e->link);
    int64_t slot = to_tick * TOPOLOGY_TICK_MS / SLOT_MS;

    for (size_t i = 0; made != NULL && i < TICKS; i++) {
        const struct tick *t = &e->ticks[i];

        if (t->at >= from_tick && t->at < to_tick) {
            made->e.f.requests += t->requests;
            made->e.f.failed += t->failed;
            made->e.f.sum_s += t->sum_s;
            made->e.f.max_s = t->max_s > made->e.f.max_s ? t->max_s : made->e.f.max_s;
        }
    }
    for (size_t i = 0; made != NULL && i < SLOTS; i++) {
        if (e->slots[i].n != 0 && slot - e->slot_at[i] < SLOTS &&
            made->spreads_n < ARRAY_LEN(made->spreads)) {
            made->spreads[made->spreads_n++] = &e->slots[i];
        }
    }
}

/** How many instances of each group were seen of late. */
static void count_instances_locked(const struct graph *g, struct view_maker *m, int64_t wall_ms)
{
    for (size_t i = NODE_FIRST; i < g->nodes_n; i++) {
        const struct node *n = &g->nodes[i];
        struct view_name name = name_of(n);
        struct topology_node *shown;

        if (!n->live || n->group == i || wall_ms - n->last_ms > UP_MS) {
            continue;
        }
        shown = view_find(m, &name);
        if (shown != NULL) {
            shown->instances = 1;
        }
        name.instance = STR("");
        shown = view_find(m, &name);
        if (shown != NULL) {
            shown->instances++;
        }
    }
}

int topology_live(struct topology *t, enum topology_level level, int64_t wall_ms, int64_t window_s,
                  struct arena *a, struct topology_view *ret, struct err *reterr)
{
    struct view_maker m = {.a = a};
    struct graph *g = &t->graph;
    const struct edge_table *edges = &g->edges[level];
    int64_t to = wall_ms / TOPOLOGY_TICK_MS;
    int64_t ticks =
        (window_s < TOPOLOGY_LIVE_MAX_S ? window_s : TOPOLOGY_LIVE_MAX_S) * 1000 / TOPOLOGY_TICK_MS;
    int rc;

    ticks = ticks > 0 ? ticks : 1;
    mutex_lock(&g->lock);
    for (size_t i = 0; i < edges->n; i++) {
        if (edges->v[i]->live && wall_ms - edges->v[i]->last_ms < TOPOLOGY_LIVE_MAX_S * 1000) {
            add_edge_locked(g, &m, edges->v[i], to - ticks, to);
        }
    }
    count_instances_locked(g, &m, wall_ms);
    rc = view_finish(&m, ret, reterr); /* reads the counts */
    mutex_unlock(&g->lock);
    view_maker_done(&m);
    ret->from_ms = (to - ticks) * TOPOLOGY_TICK_MS;
    ret->to_ms = to * TOPOLOGY_TICK_MS;
    return rc;
}
