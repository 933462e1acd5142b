/* SPDX-License-Identifier: Apache-2.0
 *
 * Who calls whom: edges between services, and to what they use, from spans as they come in. A caller's span (client,
 * producer, or the server span of a web server that makes no client spans) and the server or consumer span that is its
 * child (or links to it) are one request of one edge, counted once in whichever order they arrive. Counted by group
 * (service.namespace and service.name) and by instance; written as series under the names of the service graphs of
 * Tempo and the OpenTelemetry collector, from which history is read.
 */
#ifndef APM_TOPOLOGY_H
#define APM_TOPOLOGY_H

#include "base/stats.h"
#include "model/otel.h"
#include "store/tsdb/tsdb.h"

struct topology;

/** What a node is. */
enum topology_kind {
    TOPOLOGY_OTHER,    /* where the limits put what has no place of its own */
    TOPOLOGY_USER,     /* callers without a span */
    TOPOLOGY_WEB,      /* web servers and proxies */
    TOPOLOGY_SERVICE,  /* anything else that sends spans */
    TOPOLOGY_DATABASE, /* from here on seen from outside only */
    TOPOLOGY_CACHE,
    TOPOLOGY_QUEUE,
    TOPOLOGY_EXTERNAL,
    TOPOLOGY_KINDS,
};

const char *topology_kind_name(enum topology_kind k); /* "other", "user", "web", ... */

/** How two nodes are connected: the label connection_type. */
enum topology_link {
    TOPOLOGY_DIRECT,    /* "" */
    TOPOLOGY_VIRTUAL,   /* "virtual_node": one side sends no spans */
    TOPOLOGY_DB,        /* "database" */
    TOPOLOGY_MESSAGING, /* "messaging_system" */
    TOPOLOGY_LINKS,
};

const char *topology_link_name(enum topology_link l);

enum topology_level { TOPOLOGY_GROUPS, TOPOLOGY_INSTANCES, TOPOLOGY_LEVELS };

struct topology_opts {
    struct tsdb *db;                   /* series are written there; NULL: none */
    struct stats *stats;               /* may be NULL */
    int64_t wait_ms;                   /* a span waits so long for its other half; default 10 s */
    int64_t write_ms;                  /* between writes of the series; default 10 s */
    size_t max_waiting;                /* spans that wait at once; default 400,000 (about 40 MB) */
    size_t max_nodes;                  /* groups, instances and what they use; default 20,000 */
    size_t max_virtual;                /* of them what sends no spans; default 2,000 */
    size_t max_edges[TOPOLOGY_LEVELS]; /* default 2,000 and 20,000 */
    size_t max_histogram_bytes;        /* of live percentiles; default 64 MiB */
    bool no_thread;                    /* topology_tick() is called by the owner: tests */
};

/** @return 0; -ERR_UNAVAILABLE when the thread cannot start */
NODISCARD int topology_new(const struct topology_opts *opts, struct topology **ret,
                           struct err *reterr);
/** Writes the series a last time. NULL is fine. */
void topology_free(struct topology *t);

/** Watch of the span stage: `t` is the topology. Thread-safe; takes short locks only. */
void topology_seen(void *t, const struct span *spans, size_t n, int64_t wall_ms);
/** Lets what waited too long go, forgets what has long been idle, writes the series when it is time. */
void topology_tick(struct topology *t, int64_t wall_ms);

/* ---- views ---- */

/** Of a node (all requests to it; of one nothing calls, by it) or of an edge, in the seconds of the view. Times are the
 * caller's; the server's where the caller is not seen and for messages. */
struct topology_figures {
    double requests, failed;
    double sum_s;
    double max_s; /* 0: not known */
    double p95_s; /* NaN: not known */
};

struct topology_node {
    struct str id; /* what edges name; "namespace/name", "namespace/name#instance", or the name */
    struct str name_space, name, instance;
    struct str system; /* "java", "nginx", "postgresql"; may be empty */
    enum topology_kind kind;
    bool monitored; /* sends spans itself */
    uint32_t
        instances; /* that were seen at the end of the view (live: in the last minute); 0: not known */
    struct topology_figures f;
};

struct topology_edge {
    uint32_t client, server; /* index of nodes */
    enum topology_link link;
    struct topology_figures f;
};

/** Sorted by id; by ids of client and server. In the arena it was asked with. */
struct topology_view {
    int64_t from_ms, to_ms;
    struct topology_node *nodes;
    size_t nodes_n;
    struct topology_edge *edges;
    size_t edges_n;
    double overflow; /* requests of edges that have no place of their own */
};

enum { TOPOLOGY_TICK_MS = 2000, TOPOLOGY_LIVE_MAX_S = 60 };

/** The last `window_s` seconds (2 to 60) of whole ticks; p95 over the last one to one and a half minutes.
 * @return 0, -ERR_NOMEM */
NODISCARD int topology_live(struct topology *t, enum topology_level level, int64_t wall_ms,
                            int64_t window_s, struct arena *a, struct topology_view *ret,
                            struct err *reterr);

struct topology_ask {
    struct series_source src;
    enum topology_level level;
    int64_t from_ms, to_ms;
    struct cancel *cancel; /* may be NULL */
    struct budget *budget; /* may be NULL */
};

/** The same from the series that were written: requests that were counted after from_ms, up to to_ms, exact to the
 * interval of writing. By instance there is no maximum and no p95.
 * @return 0, -ERR_NOMEM, -ERR_LIMIT, or the source's error */
NODISCARD int topology_history(const struct topology_ask *ask, struct arena *a,
                               struct topology_view *ret, struct err *reterr);

struct topology_counts {
    uint64_t waiting; /* spans */
    uint64_t nodes;
    uint64_t edges[TOPOLOGY_LEVELS];
    uint64_t unpaired; /* callers' spans without a server's, that do not say whom they called */
    uint64_t early;    /* spans that stopped waiting because too many waited */
    uint64_t overflow; /* requests counted under "other" */
};

void topology_counts(struct topology *t, struct topology_counts *ret);

#endif
