/* SPDX-License-Identifier: Apache-2.0
 *
 * Deduplication of Prometheus pairs: of the replicas of a cluster one is elected, the others' samples are taken and
 * thrown away. When the elected one is silent for the failover time, the next that sends takes its place. The
 * election is kept in a file, so that a restart does not change it. Behaves as Cortex' and Mimir's HA tracker.
 */
#ifndef INGEST_HA_H
#define INGEST_HA_H

#include "base/arena.h"
#include "base/stats.h"

struct err;
struct ha;
struct vfs;

struct ha_opts {
    const char *path; /* of the file; NULL: none */
    struct str cluster_label;
    struct str replica_label;
    int64_t failover_ms;   /* default 30 s */
    size_t max_clusters;   /* default 1000; of further ones everything is accepted */
    const struct vfs *vfs; /* NULL: real */
    struct stats *stats;
};

/** Reads the file; a damaged one is logged and forgotten. */
struct ha *ha_new(const struct ha_opts *opts);
void ha_free(struct ha *h); /* NULL is fine */

struct str ha_cluster_label(const struct ha *h);
struct str ha_replica_label(const struct ha *h);

/** Is this replica the one to store now? Also keeps it elected. Empty names: always. Thread-safe. */
bool ha_accept(struct ha *h, struct str cluster, struct str replica, int64_t now_ms);
/** Samples of a replica not elected were thrown away. */
void ha_count_dropped(struct ha *h, uint64_t samples);

struct ha_cluster {
    struct str cluster;
    struct str replica; /* elected */
    int64_t since_ms;   /* of the election; 0: before the last start */
    int64_t seen_ms;    /* of its last request; 0: none since the start */
    uint64_t failovers;
    uint64_t dropped; /* requests of the others */
};

/** All clusters by name; in `a`. @return 0, -ERR_NOMEM */
NODISCARD int ha_list(struct ha *h, struct arena *a, struct ha_cluster **ret, size_t *ret_n,
                      struct err *reterr);

#endif
