/* SPDX-License-Identifier: Apache-2.0
 *
 * Parts of the topology: names found in spans (topology_names.c), spans that wait for their other half
 * (topology_pairs.c), nodes and edges with their counts (topology_edges.c), the series (topology_write.c,
 * topology_history.c). Locks: of a shard of waiting spans, then the graph's.
 */
#ifndef APM_TOPOLOGY_INTERNAL_H
#define APM_TOPOLOGY_INTERNAL_H

#include "apm/topology.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/vec.h"

/* ---- names ---- */

enum { TOPOLOGY_NAME_MAX = 200, TOPOLOGY_PEER_MAX = 256 };

/** What a resource is. Strings borrowed from it. */
struct topology_self {
    struct str name_space, name, instance, system;
    enum topology_kind kind; /* WEB or SERVICE */
};

void topology_self_of(const struct resource *r, const struct scope *scope,
                      struct topology_self *ret);

/** What a caller's span says of whom it called, or a consumer's of where its message came from. */
struct topology_peer {
    char text[TOPOLOGY_PEER_MAX];
    struct str name; /* in text */
    struct str system;
    enum topology_kind kind;
    enum topology_link link;
};

/** @return false: it says nothing */
bool topology_peer_of(const struct span *s, struct topology_peer *ret);
/** Is a consumer's span about taking messages, not about working on them? */
bool topology_is_receive(const struct span *s);

/* ---- edges ---- */

enum {
    NODE_OTHER,
    NODE_USER,
    NODE_FIRST, /* the first that is made */
    NODE_NONE = UINT32_MAX,
    TICKS = TOPOLOGY_LIVE_MAX_S * 1000 / TOPOLOGY_TICK_MS + 2,
    SLOTS = 3,
    SLOT_MS = 30000,
    BOUNDS = 26,
};

extern const double TOPOLOGY_BOUNDS_S[BOUNDS];

/** A request between two nodes. */
struct crossing {
    uint32_t client, server; /* nodes, instances where they have some */
    enum topology_link link;
    bool failed;
    int64_t client_ns, server_ns; /* -1: not seen */
};

/** Counts by time: 32 steps an octave from a microsecond to two minutes, only as far as there are any. */
struct spread {
    uint32_t *v; /* owned */
    uint16_t lo, n;
};

struct tick {
    int64_t at; /* wall time / TOPOLOGY_TICK_MS */
    uint32_t requests, failed;
    double sum_s, max_s;
};

struct edge_series {
    bool written;
    int64_t first_ms;
    uint64_t n;
    double sum_s;
    uint64_t buckets[BOUNDS + 1];
};

struct edge {
    uint64_t key;
    uint32_t client, server;
    enum topology_link link;
    bool live;    /* false: a free place */
    bool written; /* its series have begun */
    int64_t first_ms, last_ms;
    uint64_t requests, failed;
    double sum_s;                                    /* as shown */
    double max_s;                                    /* since the last write */
    struct edge_series *client_times, *server_times; /* owned; groups only; NULL: none seen */
    struct tick ticks[TICKS];
    struct spread slots[SLOTS];
    int64_t slot_at[SLOTS]; /* wall time / SLOT_MS */
};

struct node {
    struct hash128 key;
    struct str name_space, name, instance, system; /* owned, in one block at `text` */
    char *text;
    uint32_t group; /* node of its group; itself when it is one */
    uint8_t kind;
    bool live;
    bool monitored;
    int64_t last_ms;
};

struct edge_table {
    struct edge **v; /* owned; places are used again */
    size_t n, cap;
    size_t live;
    uint32_t *slots; /* index + 1 */
    size_t slots_n;
    struct edge *other; /* for what has no place; one of v */
};

struct graph {
    const struct topology_opts *opts;
    struct mutex lock;
    struct node *nodes; /* guarded by: lock; from here on all */
    size_t nodes_n, nodes_cap, nodes_live, virtual_live;
    uint32_t *node_slots;
    size_t node_slots_n;
    struct edge_table edges[TOPOLOGY_LEVELS];
    size_t histogram_bytes;
    uint64_t overflow;
};

bool graph_init(struct graph *g, const struct topology_opts *opts);
void graph_done(struct graph *g);
/** Node of an instance; of its group when it has no name of its own. NODE_OTHER when there is no place. */
uint32_t graph_self_locked(struct graph *g, const struct topology_self *s, int64_t wall_ms);
/** Node of what sends no spans. */
uint32_t graph_peer_locked(struct graph *g, const struct topology_peer *p, int64_t wall_ms);
void graph_count(struct graph *g, const struct crossing *v, size_t n, int64_t wall_ms);
/** Forget edges and nodes that were idle for a quarter of an hour. */
void graph_sweep(struct graph *g, int64_t wall_ms);
/** p95 in seconds; NaN when there is nothing. */
double spread_p95(const struct spread *const *v, size_t n);
bool spread_add(struct spread *s, int64_t ns, size_t *bytes, size_t max_bytes);
/** p95 of cumulated classic buckets, as histogram_quantile() finds it. */
double buckets_p95(const double counts[BOUNDS + 1]);

/* ---- pairs ---- */

struct pairs;
struct pairs *pairs_new(const struct topology_opts *opts, struct graph *graph);
void pairs_free(struct pairs *p);

/** A span, its node found. */
struct pair_span {
    const struct span *span;
    uint32_t node, group;
    uint32_t peer;           /* NODE_NONE: it says nothing */
    enum topology_link link; /* to the peer */
    bool receive;
};

struct crossings {
    struct graph *graph;
    struct crossing v[64];
    size_t n;
    int64_t wall_ms;
};

void crossings_flush(struct crossings *c);
/** Finds the other half, or lets the span wait for it. What is found goes to `out`. */
void pairs_add(struct pairs *p, const struct pair_span *s, struct crossings *out);
/** What waited too long. */
void pairs_expire(struct pairs *p, int64_t wall_ms, struct crossings *out);
void pairs_counts(struct pairs *p, struct topology_counts *ret);

/* ---- views ---- */

/** A view in the making. Everything in the arena but what view_maker_done() frees. */
struct made_node {
    struct topology_node n;
    bool called;
};

struct made_edge {
    struct topology_edge e;
    const struct spread *spreads[2 * SLOTS]; /* either these */
    size_t spreads_n;
    double *buckets; /* or BOUNDS + 1 of these; NULL: none */
};

struct view_maker {
    struct arena *a;
    struct map nodes_by_id, edges_by_key;
    VEC(struct made_node) nodes;
    VEC(struct made_edge) edges;
    bool failed; /* no memory */
};

struct view_name {
    struct str name_space, name, instance, system;
    enum topology_kind kind;
    bool monitored;
};

/** Index of the node of this name, made when there is none; UINT32_MAX without memory. */
uint32_t view_node(struct view_maker *m, const struct view_name *name);
/** NULL when there is none. Moves when the next one is made. */
struct topology_node *view_find(struct view_maker *m, const struct view_name *name);
/** The edge, made when there is none; NULL without memory. Moves when the next one is made. */
struct made_edge *view_edge(struct view_maker *m, uint32_t client, uint32_t server,
                            enum topology_link link);
/** Sums of nodes, percentiles, order. @return 0, -ERR_NOMEM */
NODISCARD int view_finish(struct view_maker *m, struct topology_view *ret, struct err *reterr);
void view_maker_done(struct view_maker *m);

/* ---- series ---- */

#define TOPOLOGY_SERIES "traces_service_graph_"

int topology_write(struct graph *g, struct tsdb *db, int64_t wall_ms, struct err *reterr);

#endif
