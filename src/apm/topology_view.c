/* SPDX-License-Identifier: Apache-2.0
 *
 * Views from counts: nodes found by id, what is summed over a node's edges, percentiles of both. Two sources use it,
 * the live counts and the series.
 */
#include <math.h>
#include <stdlib.h>

#include "apm/topology_internal.h"

static struct str id_of(struct arena *a, const struct view_name *n)
{
    if (n->name_space.n == 0 && n->instance.n == 0) {
        return arena_str_dup(a, n->name);
    }
    return arena_printf(a, "%.*s%s%.*s%s%.*s", STR_ARG(n->name_space),
                        n->name_space.n != 0 ? "/" : "", STR_ARG(n->name),
                        n->instance.n != 0 ? "#" : "", STR_ARG(n->instance));
}

/* Maps keep pointers that are not NULL: an index + 1. */
static void *index_as_pointer(size_t i)
{
    return (void *)(uintptr_t)(i + 1);
}

static size_t pointer_as_index(const void *p)
{
    return (size_t)(uintptr_t)p - 1;
}

uint32_t view_node(struct view_maker *m, const struct view_name *name)
{
    struct str id = id_of(m->a, name);
    const void *found = id.p != NULL ? map_get(&m->nodes_by_id, id) : NULL;
    struct made_node made = {.n = {.id = id,
                                   .kind = name->kind,
                                   .monitored = name->monitored,
                                   .name_space = arena_str_dup(m->a, name->name_space),
                                   .name = arena_str_dup(m->a, name->name),
                                   .instance = arena_str_dup(m->a, name->instance),
                                   .system = arena_str_dup(m->a, name->system)}};

    if (found != NULL) {
        return (uint32_t)pointer_as_index(found);
    }
    if (id.p == NULL || made.n.name.p == NULL || !vec_push(&m->nodes, made) ||
        map_put(&m->nodes_by_id, id, index_as_pointer(m->nodes.n - 1)) < 0) {
        m->failed = true;
        return UINT32_MAX;
    }
    return (uint32_t)(m->nodes.n - 1);
}

struct topology_node *view_find(struct view_maker *m, const struct view_name *name)
{
    struct str id = id_of(m->a, name);
    const void *found = id.p != NULL ? map_get(&m->nodes_by_id, id) : NULL;

    return found != NULL ? &m->nodes.v[pointer_as_index(found)].n : NULL;
}

struct made_edge *view_edge(struct view_maker *m, uint32_t client, uint32_t server,
                            enum topology_link link)
{
    const uint32_t key[] = {client, server, (uint32_t)link};
    const void *found = map_get(&m->edges_by_key, str_of((const char *)key, sizeof(key)));
    const struct made_edge made = {
        .e = {.client = client, .server = server, .link = link, .f.p95_s = NAN}};
    struct str copy;

    if (found != NULL) {
        return &m->edges.v[pointer_as_index(found)];
    }
    copy = arena_str_dup(m->a, str_of((const char *)key, sizeof(key)));
    if (client == UINT32_MAX || server == UINT32_MAX || copy.p == NULL ||
        !vec_push(&m->edges, made) ||
        map_put(&m->edges_by_key, copy, index_as_pointer(m->edges.n - 1)) < 0) {
        m->failed = true;
        return NULL;
    }
    return &m->edges.v[m->edges.n - 1];
}

void view_maker_done(struct view_maker *m)
{
    map_done(&m->nodes_by_id);
    map_done(&m->edges_by_key);
    vec_done(&m->nodes);
    vec_done(&m->edges);
}

/* ---- percentiles ---- */

static double p95_of(const struct made_edge *const *v, size_t n)
{
    double buckets[BOUNDS + 1] = {0};
    VEC(const struct spread *) spreads = {0};
    bool have_buckets = false;
    double p95;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < v[i]->spreads_n; k++) {
            if (!vec_push(&spreads, v[i]->spreads[k])) {
                break; /* fewer counts than there are: near enough for a moment without memory */
            }
        }
        for (size_t k = 0; v[i]->buckets != NULL && k <= BOUNDS; k++) {
            buckets[k] += v[i]->buckets[k];
            have_buckets = true;
        }
    }
    p95 = have_buckets ? buckets_p95(buckets) : spread_p95(spreads.v, spreads.n);
    vec_done(&spreads);
    return p95;
}

struct touch {
    uint32_t node;
    const struct made_edge *edge;
};

static int by_node(const void *a, const void *b)
{
    uint32_t x = ((const struct touch *)a)->node;
    uint32_t y = ((const struct touch *)b)->node;

    return (x > y) - (x < y);
}

static void add_figures(struct topology_figures *to, const struct topology_figures *f)
{
    to->requests += f->requests;
    to->failed += f->failed;
    to->sum_s += f->sum_s;
    to->max_s = f->max_s > to->max_s ? f->max_s : to->max_s;
}

/** Figures of nodes: of the requests to them, else of those from them. */
static bool sum_nodes(struct view_maker *m)
{
    VEC(struct touch) touches = {0};
    VEC(const struct made_edge *) edges = {0};
    bool ok = true;

    for (size_t i = 0; i < m->edges.n; i++) {
        const struct made_edge *e = &m->edges.v[i];

        if (e->e.client != e->e.server) {
            m->nodes.v[e->e.server].called = true;
        }
    }
    for (size_t i = 0; ok && i < m->edges.n; i++) {
        const struct made_edge *e = &m->edges.v[i];

        ok = vec_push(&touches, (struct touch){e->e.server, e});
        if (ok && e->e.client != e->e.server && !m->nodes.v[e->e.client].called) {
            ok = vec_push(&touches, (struct touch){e->e.client, e});
        }
    }
    if (touches.n != 0) {
        qsort(touches.v, touches.n, sizeof(*touches.v), by_node);
    }
    for (size_t i = 0, end; ok && i < touches.n; i = end) {
        struct topology_figures *f = &m->nodes.v[touches.v[i].node].n.f;

        vec_clear(&edges);
        for (end = i; ok && end < touches.n && touches.v[end].node == touches.v[i].node; end++) {
            add_figures(f, &touches.v[end].edge->e.f);
            ok = vec_push(&edges, touches.v[end].edge);
        }
        f->p95_s = ok ? p95_of(edges.v, edges.n) : NAN;
    }
    vec_done(&touches);
    vec_done(&edges);
    return ok;
}

/* ---- order ---- */

static int by_id(const void *a, const void *b)
{
    const struct made_node *const *x = a;
    const struct made_node *const *y = b;

    return str_cmp((*x)->n.id, (*y)->n.id);
}

static int by_ends(const void *a, const void *b)
{
    const struct topology_edge *x = a;
    const struct topology_edge *y = b;

    if (x->client != y->client) {
        return x->client < y->client ? -1 : 1;
    }
    if (x->server != y->server) {
        return x->server < y->server ? -1 : 1;
    }
    return (x->link > y->link) - (x->link < y->link);
}

static bool put_in_order(struct view_maker *m, struct topology_view *ret)
{
    const struct made_node **order = arena_array(m->a, const struct made_node *, m->nodes.n);
    uint32_t *place = arena_array(m->a, uint32_t, m->nodes.n);

    ret->nodes = arena_calloc(m->a, m->nodes.n + 1, sizeof(*ret->nodes));
    ret->edges = arena_calloc(m->a, m->edges.n + 1, sizeof(*ret->edges));
    if (order == NULL || place == NULL || ret->nodes == NULL || ret->edges == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->nodes.n; i++) {
        order[i] = &m->nodes.v[i];
    }
    if (m->nodes.n != 0) {
        qsort(order, m->nodes.n, sizeof(*order), by_id);
    }
    for (size_t i = 0; i < m->nodes.n; i++) {
        ret->nodes[i] = order[i]->n;
        place[order[i] - m->nodes.v] = (uint32_t)i;
    }
    for (size_t i = 0; i < m->edges.n; i++) {
        ret->edges[i] = m->edges.v[i].e;
        ret->edges[i].client = place[ret->edges[i].client];
        ret->edges[i].server = place[ret->edges[i].server];
    }
    ret->nodes_n = m->nodes.n;
    ret->edges_n = m->edges.n;
    if (m->edges.n != 0) {
        qsort(ret->edges, ret->edges_n, sizeof(*ret->edges), by_ends);
    }
    return true;
}

int view_finish(struct view_maker *m, struct topology_view *ret, struct err *reterr)
{
    for (size_t i = 0; i < m->nodes.n; i++) {
        m->nodes.v[i].n.f = (struct topology_figures){.p95_s = NAN};
    }
    for (size_t i = 0; i < m->edges.n; i++) {
        const struct made_edge *e = &m->edges.v[i];

        m->edges.v[i].e.f.p95_s = p95_of(&e, 1);
    }
    ret->overflow = 0;
    if (m->failed || !sum_nodes(m) || !put_in_order(m, ret)) {
        return err_set(reterr, ERR_NOMEM, "no memory for a topology of %zu edges", m->edges.n);
    }
    for (size_t i = 0; i < ret->edges_n; i++) {
        const struct topology_edge *e = &ret->edges[i];

        if (ret->nodes[e->client].kind == TOPOLOGY_OTHER ||
            ret->nodes[e->server].kind == TOPOLOGY_OTHER) {
            ret->overflow += e->f.requests;
        }
    }
    return 0;
}
