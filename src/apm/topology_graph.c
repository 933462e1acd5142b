/* SPDX-License-Identifier: Apache-2.0
 *
 * Nodes and edges with their counts. Places in the arrays are used again, so that a number names a node for as long as
 * anything holds it: what is idle for IDLE_MS goes, and spans wait far shorter than that.
 */
#include <math.h>

#include "apm/topology_internal.h"
#include "base/alloc.h"
#include "base/hash.h"

enum { IDLE_MS = 15 * 60 * 1000 };

const double TOPOLOGY_BOUNDS_S[BOUNDS] = {
    0.001, 0.002, 0.003, 0.005, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15,
    0.2,   0.3,   0.5,   0.7,   1,     1.5,  2,     3,    5,    7,    10,   15,  30};

/* ---- nodes ---- */

/* What others call "x" and what calls itself so is one node: the series know it by that name only. */
static struct hash128 node_key(struct str name_space, struct str name, struct str instance)
{
    struct hash128 k[] = {hash128(name_space.p, name_space.n), hash128(name.p, name.n),
                          hash128(instance.p, instance.n)};

    return hash128(k, sizeof(k));
}

static void place_node(uint32_t *slots, size_t slots_n, const struct node *n, uint32_t at)
{
    size_t i = n->key.lo & (slots_n - 1);

    while (slots[i] != 0) {
        i = (i + 1) & (slots_n - 1);
    }
    slots[i] = at + 1;
}

/** The index anew, at least twice as large as needed. */
static bool index_nodes(struct graph *g)
{
    size_t n = 256;
    uint32_t *slots;

    while (n < (g->nodes_live + 1) * 4) {
        n *= 2;
    }
    slots = mem_try_calloc(n, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < g->nodes_n; i++) {
        if (g->nodes[i].live) {
            place_node(slots, n, &g->nodes[i], (uint32_t)i);
        }
    }
    mem_free(g->node_slots);
    g->node_slots = slots;
    g->node_slots_n = n;
    return true;
}

static uint32_t find_node(const struct graph *g, const struct hash128 *key)
{
    size_t i;

    if (g->node_slots_n == 0) {
        return NODE_NONE;
    }
    i = key->lo & (g->node_slots_n - 1);
    while (g->node_slots[i] != 0) {
        uint32_t at = g->node_slots[i] - 1;

        if (g->nodes[at].key.lo == key->lo && g->nodes[at].key.hi == key->hi) {
            return at;
        }
        i = (i + 1) & (g->node_slots_n - 1);
    }
    return NODE_NONE;
}

static struct str keep(char **at, struct str s)
{
    char *p = *at;

    if (s.n != 0) {
        memcpy(p, s.p, s.n);
    }
    *at += s.n;
    return str_of(p, s.n);
}

static struct node *free_place(struct graph *g, uint32_t *ret)
{
    if (g->nodes_live < g->nodes_n) {
        for (size_t i = NODE_FIRST; i < g->nodes_n; i++) {
            if (!g->nodes[i].live) {
                *ret = (uint32_t)i;
                return &g->nodes[i];
            }
        }
    }
    if (g->nodes_n == g->nodes_cap) {
        size_t cap = g->nodes_cap == 0 ? 64 : g->nodes_cap * 2;
        struct node *v = mem_try_realloc(g->nodes, cap * sizeof(*v));

        if (v == NULL) {
            return NULL;
        }
        g->nodes = v;
        g->nodes_cap = cap;
    }
    *ret = (uint32_t)g->nodes_n++;
    return &g->nodes[*ret];
}

struct node_texts {
    struct str name_space, name, instance, system;
};

static uint32_t make_node(struct graph *g, struct hash128 key, const struct node_texts *t,
                          enum topology_kind kind, int64_t wall_ms)
{
    struct node n = {.key = key, .kind = (uint8_t)kind, .live = true, .last_ms = wall_ms};
    struct node *place;
    uint32_t at;
    char *p;

    if (g->nodes_live >= g->opts->max_nodes ||
        ((g->nodes_live + 1) * 2 > g->node_slots_n && !index_nodes(g))) {
        return NODE_OTHER;
    }
    p = n.text = mem_try_alloc(t->name_space.n + t->name.n + t->instance.n + t->system.n);
    place = p != NULL ? free_place(g, &at) : NULL;
    if (place == NULL) {
        mem_free(p);
        return NODE_OTHER;
    }
    n.name_space = keep(&p, t->name_space);
    n.name = keep(&p, t->name);
    n.instance = keep(&p, t->instance);
    n.system = keep(&p, t->system);
    n.monitored = kind == TOPOLOGY_WEB || kind == TOPOLOGY_SERVICE;
    n.group = at;
    *place = n;
    g->nodes_live++;
    g->virtual_live += !n.monitored;
    place_node(g->node_slots, g->node_slots_n, place, at);
    return at;
}

static uint32_t node_of(struct graph *g, const struct node_texts *t, enum topology_kind kind,
                        int64_t wall_ms)
{
    bool monitored = kind == TOPOLOGY_WEB || kind == TOPOLOGY_SERVICE;
    struct hash128 key = node_key(t->name_space, t->name, t->instance);
    uint32_t at = find_node(g, &key);
    struct node *n;

    if (at == NODE_NONE) {
        if (!monitored && g->virtual_live >= g->opts->max_virtual) {
            return NODE_OTHER;
        }
        return make_node(g, key, t, kind, wall_ms);
    }
    n = &g->nodes[at];
    n->last_ms = wall_ms;
    if (monitored && (!n->monitored || kind == TOPOLOGY_WEB)) {
        g->virtual_live -= !n->monitored;
        n->monitored = true;
        n->kind = (uint8_t)kind;
    }
    return at;
}

uint32_t graph_self_locked(struct graph *g, const struct topology_self *s, int64_t wall_ms)
{
    struct node_texts t = {s->name_space, s->name, STR(""), s->system};
    uint32_t group = node_of(g, &t, s->kind, wall_ms);
    uint32_t at;

    if (group == NODE_OTHER || s->instance.n == 0) {
        return group;
    }
    t.instance = s->instance;
    at = node_of(g, &t, s->kind, wall_ms);
    if (at == NODE_OTHER) {
        return group;
    }
    g->nodes[at].group = group;
    return at;
}

uint32_t graph_peer_locked(struct graph *g, const struct topology_peer *p, int64_t wall_ms)
{
    const struct node_texts t = {STR(""), p->name, STR(""), p->system};

    return node_of(g, &t, p->kind, wall_ms);
}

/* ---- edges ---- */

static void place_edge(uint32_t *slots, size_t slots_n, const struct edge *e, uint32_t at)
{
    size_t i = hash_u64(e->key) & (slots_n - 1);

    while (slots[i] != 0) {
        i = (i + 1) & (slots_n - 1);
    }
    slots[i] = at + 1;
}

static bool index_edges(struct edge_table *t)
{
    size_t n = 256;
    uint32_t *slots;

    while (n < (t->live + 1) * 4) {
        n *= 2;
    }
    slots = mem_try_calloc(n, sizeof(*slots));
    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (t->v[i]->live) {
            place_edge(slots, n, t->v[i], (uint32_t)i);
        }
    }
    mem_free(t->slots);
    t->slots = slots;
    t->slots_n = n;
    return true;
}

static struct edge *find_edge(const struct edge_table *t, uint64_t key)
{
    size_t i;

    if (t->slots_n == 0) {
        return NULL;
    }
    i = hash_u64(key) & (t->slots_n - 1);
    while (t->slots[i] != 0) {
        struct edge *e = t->v[t->slots[i] - 1];

        if (e->live && e->key == key) {
            return e;
        }
        i = (i + 1) & (t->slots_n - 1);
    }
    return NULL;
}

static struct edge *edge_place(struct edge_table *t, uint32_t *ret)
{
    struct edge *e;

    for (size_t i = 0; t->live < t->n && i < t->n; i++) {
        if (!t->v[i]->live) {
            *ret = (uint32_t)i;
            return t->v[i];
        }
    }
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 64 : t->cap * 2;
        struct edge **v = mem_try_realloc(t->v, cap * sizeof(struct edge *));

        if (v == NULL) {
            return NULL;
        }
        t->v = v;
        t->cap = cap;
    }
    e = mem_try_calloc(1, sizeof(*e));
    if (e != NULL) {
        *ret = (uint32_t)t->n;
        t->v[t->n++] = e;
    }
    return e;
}

static struct edge *make_edge(struct edge_table *t, uint64_t key, const struct crossing *c,
                              int64_t wall_ms)
{
    struct edge *e;
    uint32_t at;

    if ((t->live + 1) * 2 > t->slots_n && !index_edges(t)) {
        return NULL;
    }
    e = edge_place(t, &at);
    if (e == NULL) {
        return NULL;
    }
    *e = (struct edge){.key = key,
                       .client = c->client,
                       .server = c->server,
                       .link = c->link,
                       .live = true,
                       .first_ms = wall_ms};
    t->live++;
    place_edge(t->slots, t->slots_n, e, at);
    return e;
}

static uint64_t edge_key(uint32_t client, uint32_t server, enum topology_link link)
{
    return (uint64_t)client << 34 ^ (uint64_t)server << 2 ^ (uint64_t)link;
}

static struct edge *edge_of(struct graph *g, enum topology_level level, const struct crossing *c,
                            int64_t wall_ms)
{
    struct edge_table *t = &g->edges[level];
    uint64_t key = edge_key(c->client, c->server, c->link);
    struct edge *e = find_edge(t, key);
    const struct crossing other = {.client = NODE_OTHER, .server = NODE_OTHER};

    if (e == NULL && t->live < g->opts->max_edges[level]) {
        e = make_edge(t, key, c, wall_ms);
    }
    if (e == NULL) {
        if (t->other == NULL || !t->other->live) {
            t->other = find_edge(t, edge_key(NODE_OTHER, NODE_OTHER, TOPOLOGY_DIRECT));
        }
        if (t->other == NULL) {
            t->other =
                make_edge(t, edge_key(NODE_OTHER, NODE_OTHER, TOPOLOGY_DIRECT), &other, wall_ms);
        }
        e = t->other;
    }
    if (e != NULL && level == TOPOLOGY_GROUPS &&
        (e->client == NODE_OTHER || e->server == NODE_OTHER)) {
        g->overflow++;
    }
    return e;
}

/* ---- times ---- */

enum { STEPS_LOG2 = 5, STEPS = 1 << STEPS_LOG2, LOW = 10, HIGH = 37 };

/** 32 linear steps an octave of the nanoseconds from 2^10 to 2^37. */
static uint16_t step_of(int64_t ns)
{
    uint64_t v = (uint64_t)(ns < 1 << LOW ? 1 << LOW : ns);
    unsigned octave;

    if (v >= 1ull << HIGH) {
        v = (1ull << HIGH) - 1;
    }
    octave = 63u - (unsigned)__builtin_clzll(v);
    return (uint16_t)((octave - LOW) << STEPS_LOG2 |
                      (v >> (octave - STEPS_LOG2) & (uint64_t)(STEPS - 1)));
}

static double step_floor_s(unsigned step)
{
    unsigned octave = (step >> STEPS_LOG2) + LOW;

    return ldexp(STEPS + (step & (STEPS - 1)), (int)(octave - STEPS_LOG2)) / 1e9;
}

bool spread_add(struct spread *s, int64_t ns, size_t *bytes, size_t max_bytes)
{
    uint16_t at = step_of(ns);

    if (s->n == 0 || at < s->lo || at >= s->lo + s->n) {
        unsigned lo = s->n == 0 || at < s->lo ? at : s->lo;
        unsigned hi = s->n == 0 || at >= s->lo + s->n ? at + 1u : (unsigned)s->lo + s->n;
        uint32_t *v;

        lo &= ~7u; /* room for what is near */
        hi = (hi + 7u) & ~7u;
        if (*bytes + (hi - lo) * sizeof(*v) > max_bytes) {
            return false;
        }
        v = mem_try_calloc(hi - lo, sizeof(*v));
        if (v == NULL) {
            return false;
        }
        if (s->n != 0) {
            memcpy(v + (s->lo - lo), s->v, s->n * sizeof(*v));
        }
        *bytes += (hi - lo - s->n) * sizeof(*v);
        mem_free(s->v);
        *s = (struct spread){v, (uint16_t)lo, (uint16_t)(hi - lo)};
    }
    s->v[at - s->lo]++;
    return true;
}

double spread_p95(const struct spread *const *v, size_t n)
{
    uint64_t all[(HIGH - LOW) << STEPS_LOG2] = {0};
    uint64_t total = 0;
    double rank;
    double below = 0;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < v[i]->n; k++) {
            if (v[i]->v[k] != 0) {
                all[v[i]->lo + k] += v[i]->v[k];
                total += v[i]->v[k];
            }
        }
    }
    rank = 0.95 * (double)total;
    for (unsigned step = 0; total != 0 && step < ARRAY_LEN(all); step++) {
        double here = (double)all[step];

        if (here > 0 && below + here >= rank) {
            double floor_s = step_floor_s(step);

            return floor_s + (step_floor_s(step + 1) - floor_s) * (rank - below) / here;
        }
        below += here;
    }
    return NAN;
}

double buckets_p95(const double counts[BOUNDS + 1])
{
    double total = 0;
    double below = 0;
    double rank;

    for (size_t i = 0; i <= BOUNDS; i++) {
        total += counts[i];
    }
    if (!(total > 0)) {
        return NAN;
    }
    rank = 0.95 * total;
    for (size_t i = 0; i < BOUNDS; i++) {
        if (counts[i] > 0 && below + counts[i] >= rank) {
            double floor_s = i == 0 ? 0 : TOPOLOGY_BOUNDS_S[i - 1];

            return floor_s + (TOPOLOGY_BOUNDS_S[i] - floor_s) * (rank - below) / counts[i];
        }
        below += counts[i];
    }
    return TOPOLOGY_BOUNDS_S[BOUNDS - 1];
}

static void add_series(struct edge_series **at, int64_t ns, int64_t wall_ms)
{
    double s = (double)ns / 1e9;
    size_t b = 0;

    if (*at == NULL) {
        *at = mem_try_calloc(1, sizeof(**at));
        if (*at != NULL) {
            (*at)->first_ms = wall_ms;
        }
    }
    if (*at != NULL) {
        while (b < BOUNDS && s > TOPOLOGY_BOUNDS_S[b]) {
            b++;
        }
        (*at)->buckets[b]++;
        (*at)->n++;
        (*at)->sum_s += s;
    }
}

static void count_edge(struct graph *g, enum topology_level level, const struct crossing *c,
                       int64_t wall_ms)
{
    struct edge *e = edge_of(g, level, c, wall_ms);
    /* of a message the sender's time is only that of handing it over */
    bool by_server = c->client_ns < 0 || (c->link == TOPOLOGY_MESSAGING && c->server_ns >= 0);
    int64_t ns = by_server ? c->server_ns : c->client_ns;
    double s = (double)ns / 1e9;
    int64_t at = wall_ms / TOPOLOGY_TICK_MS;
    int64_t slot = wall_ms / SLOT_MS;
    struct tick *t;
    struct spread *spread;

    if (e == NULL) {
        g->overflow++;
        return;
    }
    e->last_ms = wall_ms;
    e->requests++;
    e->failed += c->failed;
    e->sum_s += s;
    e->max_s = s > e->max_s ? s : e->max_s;
    t = &e->ticks[at % TICKS];
    if (t->at != at) {
        *t = (struct tick){.at = at};
    }
    t->requests++;
    t->failed += c->failed;
    t->sum_s += s;
    t->max_s = s > t->max_s ? s : t->max_s;
    spread = &e->slots[slot % SLOTS];
    if (e->slot_at[slot % SLOTS] != slot) {
        e->slot_at[slot % SLOTS] = slot;
        if (spread->n != 0) {
            memset(spread->v, 0, spread->n * sizeof(*spread->v));
        }
    }
    (void)spread_add(spread, ns, &g->histogram_bytes, g->opts->max_histogram_bytes);
    if (level == TOPOLOGY_GROUPS && c->client_ns >= 0) {
        add_series(&e->client_times, c->client_ns, wall_ms);
    }
    if (level == TOPOLOGY_GROUPS && c->server_ns >= 0) {
        add_series(&e->server_times, c->server_ns, wall_ms);
    }
}

void graph_count(struct graph *g, const struct crossing *v, size_t n, int64_t wall_ms)
{
    mutex_lock(&g->lock);
    for (size_t i = 0; i < n; i++) {
        struct crossing c = v[i];

        g->nodes[c.client].last_ms = wall_ms;
        g->nodes[c.server].last_ms = wall_ms;
        count_edge(g, TOPOLOGY_INSTANCES, &c, wall_ms);
        c.client = g->nodes[c.client].group;
        c.server = g->nodes[c.server].group;
        count_edge(g, TOPOLOGY_GROUPS, &c, wall_ms);
    }
    mutex_unlock(&g->lock);
}

/* ---- life ---- */

static void edge_done(struct graph *g, struct edge *e)
{
    for (size_t i = 0; i < SLOTS; i++) {
        g->histogram_bytes -= e->slots[i].n * sizeof(*e->slots[i].v);
        mem_free(e->slots[i].v);
    }
    mem_free(e->client_times);
    mem_free(e->server_times);
    *e = (struct edge){0};
}

bool graph_init(struct graph *g, const struct topology_opts *opts)
{
    static const struct {
        const char *name;
        enum topology_kind kind;
    } FIXED[] = {[NODE_OTHER] = {"other", TOPOLOGY_OTHER}, [NODE_USER] = {"user", TOPOLOGY_USER}};

    mutex_init(&g->lock, LOCK_RANK_LEAF);
    g->opts = opts;
    for (uint32_t i = 0; i < ARRAY_LEN(FIXED); i++) {
        const struct node_texts t = {STR(""), str_cstr(FIXED[i].name), STR(""), STR("")};
        /* a key no span can have: a service may be called "user" */
        struct hash128 key = node_key(STR("\x01"), t.name, STR("\x01"));

        (void)make_node(g, key, &t, FIXED[i].kind, 0); /* counted below */
    }
    return g->nodes_n == ARRAY_LEN(FIXED);
}

void graph_done(struct graph *g)
{
    for (size_t l = 0; l < TOPOLOGY_LEVELS; l++) {
        for (size_t i = 0; i < g->edges[l].n; i++) {
            edge_done(g, g->edges[l].v[i]);
            mem_free(g->edges[l].v[i]);
        }
        mem_free(g->edges[l].v);
        mem_free(g->edges[l].slots);
    }
    for (size_t i = 0; i < g->nodes_n; i++) {
        mem_free(g->nodes[i].text);
    }
    mem_free(g->nodes);
    mem_free(g->node_slots);
    mutex_done(&g->lock);
}

void graph_sweep(struct graph *g, int64_t wall_ms)
{
    size_t gone = 0;

    mutex_lock(&g->lock);
    for (size_t l = 0; l < TOPOLOGY_LEVELS; l++) {
        struct edge_table *t = &g->edges[l];
        size_t before = t->live;

        for (size_t i = 0; i < t->n; i++) {
            struct edge *e = t->v[i];

            if (e->live && wall_ms - e->last_ms > IDLE_MS) {
                edge_done(g, e);
                t->live--;
            }
        }
        if (t->live != before) {
            t->other = NULL;
            (void)index_edges(t);
        }
    }
    /* a node is heard of whenever an edge of it is, so none of these has one */
    for (size_t i = NODE_FIRST; i < g->nodes_n; i++) {
        struct node *n = &g->nodes[i];

        if (n->live && wall_ms - n->last_ms > IDLE_MS + 60000) {
            g->nodes_live--;
            g->virtual_live -= !n->monitored;
            mem_free(n->text);
            *n = (struct node){0};
            gone++;
        }
    }
    if (gone != 0) {
        (void)index_nodes(g);
    }
    mutex_unlock(&g->lock);
}
