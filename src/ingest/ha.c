/* SPDX-License-Identifier: Apache-2.0
 *
 * See ha.h. The file has a line "CLUSTER<TAB>REPLICA" per cluster and is written when an election changes, which is
 * rare; after a start the elected replica has the failover time to come back.
 */
#include "ingest/ha.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/map.h"
#include "io/vfs.h"

enum { NAME_MAX_BYTES = 1024, FILE_MAX = 4 << 20, MAX_CLUSTERS = 1000 };

static const int64_t FAILOVER_MS = 30000;

struct entry {
    struct str cluster; /* owned */
    struct str replica; /* owned */
    int64_t since_ms;
    int64_t seen_ms;  /* for failover: the start counts as a sign of life */
    int64_t heard_ms; /* really heard; 0: not since the start */
    uint64_t failovers;
    uint64_t dropped;
};

struct ha {
    struct str cluster_label; /* owned */
    struct str replica_label; /* owned */
    int64_t failover_ms;
    size_t max;
    char *path;
    const struct vfs *vfs;
    struct mutex lock;
    struct map clusters; /* guarded by: lock */
    struct counter *dropped, *failovers;
    struct gauge *count;
};

static struct str own(struct str s)
{
    return str_of(str_dup(s), s.n);
}

static void entry_free(struct entry *e)
{
    mem_free((void *)(uintptr_t)e->cluster.p);
    mem_free((void *)(uintptr_t)e->replica.p);
    mem_free(e);
}

static struct entry *add_locked(struct ha *h, struct str cluster, struct str replica)
{
    struct entry *e;

    if (h->clusters.n >= h->max || (e = mem_try_calloc(1, sizeof(*e))) == NULL) {
        return NULL;
    }
    e->cluster = own(cluster);
    e->replica = own(replica);
    if (map_put(&h->clusters, e->cluster, e) < 0) {
        entry_free(e);
        return NULL;
    }
    gauge_set(h->count, (int64_t)h->clusters.n);
    return e;
}

static bool is_plain(struct str s)
{
    return s.n != 0 && s.n <= NAME_MAX_BYTES && memchr(s.p, '\t', s.n) == NULL &&
           memchr(s.p, '\n', s.n) == NULL;
}

static void load(struct ha *h)
{
    struct err e = {0};
    char *p = NULL;
    size_t n = 0;
    int rc = vfs_read_file(h->vfs, h->path, FILE_MAX, &p, &n, &e);
    struct str rest = str_of(p, n);
    struct str line;

    if (rc < 0) {
        if (rc != -ERR_NOT_FOUND) {
            log_error("ha", "elections are forgotten", L_CSTR("error", e.msg));
        }
        return;
    }
    while (str_split(&rest, '\n', &line)) {
        struct str replica = line;
        struct str cluster;
        struct entry *entry;

        if (str_split(&replica, '\t', &cluster) && is_plain(cluster) && is_plain(replica) &&
            map_get(&h->clusters, cluster) == NULL &&
            (entry = add_locked(h, cluster, replica)) != NULL) {
            entry->seen_ms = clock_wall_ms();
        }
    }
    mem_free(p);
}

/* Elections of a moment ago are not worth failing for: the next change writes again. */
static void save(struct ha *h, struct str text)
{
    struct err e = {0};

    if (h->path != NULL && vfs_write_atomic(h->vfs, h->path, text, &e) < 0) {
        log_warn("ha", "elections are not written down", L_CSTR("error", e.msg));
    }
}

static void list_locked(struct ha *h, struct buf *dst)
{
    size_t pos = 0;
    struct str key;
    void *value;

    while (map_next(&h->clusters, &pos, &key, &value)) {
        const struct entry *e = value;

        if (is_plain(e->cluster) && is_plain(e->replica)) {
            buf_add_str(dst, e->cluster);
            buf_add_byte(dst, '\t');
            buf_add_str(dst, e->replica);
            buf_add_byte(dst, '\n');
        }
    }
}

struct ha *ha_new(const struct ha_opts *o)
{
    struct ha *h = mem_xcalloc(1, sizeof(*h));

    h->cluster_label = own(o->cluster_label);
    h->replica_label = own(o->replica_label);
    h->failover_ms = o->failover_ms != 0 ? o->failover_ms : FAILOVER_MS;
    h->max = o->max_clusters != 0 ? o->max_clusters : MAX_CLUSTERS;
    h->path = o->path != NULL ? str_dup(str_cstr(o->path)) : NULL;
    h->vfs = o->vfs != NULL ? o->vfs : vfs_real();
    mutex_init(&h->lock, LOCK_RANK_INGEST);
    h->dropped = stats_counter(o->stats, "bongsu_ha_samples_dropped_total", "",
                               "Samples of replicas not elected, taken and thrown away.");
    h->failovers = stats_counter(o->stats, "bongsu_ha_failovers_total", "",
                                 "Times another replica of a cluster was elected.");
    h->count = stats_gauge(o->stats, "bongsu_ha_clusters", "", "Clusters with an elected replica.");
    if (h->path != NULL) {
        load(h);
    }
    return h;
}

void ha_free(struct ha *h)
{
    size_t pos = 0;
    struct str key;
    void *value;

    if (h == NULL) {
        return;
    }
    while (map_next(&h->clusters, &pos, &key, &value)) {
        entry_free(value);
    }
    map_done(&h->clusters);
    mutex_done(&h->lock);
    mem_free((void *)(uintptr_t)h->cluster_label.p);
    mem_free((void *)(uintptr_t)h->replica_label.p);
    mem_free(h->path);
    mem_free(h);
}

struct str ha_cluster_label(const struct ha *h)
{
    return h->cluster_label;
}

struct str ha_replica_label(const struct ha *h)
{
    return h->replica_label;
}

/* @return accepted; *ret_changed: the election is another one now */
static bool accept_locked(struct ha *h, struct str cluster, struct str replica, int64_t now_ms,
                          bool *ret_changed)
{
    struct entry *e = map_get(&h->clusters, cluster);

    if (e == NULL) {
        e = add_locked(h, cluster, replica);
        if (e == NULL) {
            return true;
        }
        e->since_ms = now_ms;
        *ret_changed = true;
    } else if (!str_eq(e->replica, replica)) {
        if (now_ms - e->seen_ms < h->failover_ms) {
            e->dropped++;
            return false;
        }
        mem_free((void *)(uintptr_t)e->replica.p);
        e->replica = own(replica);
        e->since_ms = now_ms;
        e->failovers++;
        counter_add(h->failovers, 1);
        *ret_changed = true;
    }
    e->seen_ms = e->heard_ms = now_ms;
    return true;
}

bool ha_accept(struct ha *h, struct str cluster, struct str replica, int64_t now_ms)
{
    struct buf text CLEANUP(buf_done) = {0};
    bool changed = false;
    bool ok;

    if (cluster.n == 0 || replica.n == 0 || cluster.n > NAME_MAX_BYTES ||
        replica.n > NAME_MAX_BYTES) {
        return true;
    }
    buf_init(&text, FILE_MAX);
    mutex_lock(&h->lock);
    ok = accept_locked(h, cluster, replica, now_ms, &changed);
    if (changed) {
        list_locked(h, &text);
    }
    mutex_unlock(&h->lock);
    if (changed) {
        log_info("ha", "replica elected", L_STR("cluster", cluster), L_STR("replica", replica));
        save(h, buf_str(&text));
    }
    return ok;
}

void ha_count_dropped(struct ha *h, uint64_t samples)
{
    counter_add(h->dropped, samples);
}

static int by_cluster(const void *a, const void *b)
{
    return str_cmp(((const struct ha_cluster *)a)->cluster,
                   ((const struct ha_cluster *)b)->cluster);
}

int ha_list(struct ha *h, struct arena *a, struct ha_cluster **ret, size_t *ret_n,
            struct err *reterr)
{
    struct ha_cluster *v;
    size_t pos = 0;
    size_t n = 0;
    struct str key;
    void *value;

    mutex_lock(&h->lock);
    v = arena_array(a, struct ha_cluster, h->clusters.n + 1);
    while (v != NULL && map_next(&h->clusters, &pos, &key, &value)) {
        const struct entry *e = value;

        v[n++] = (struct ha_cluster){
            .cluster = arena_str_dup(a, e->cluster),
            .replica = arena_str_dup(a, e->replica),
            .since_ms = e->since_ms,
            .seen_ms = e->heard_ms,
            .failovers = e->failovers,
            .dropped = e->dropped,
        };
        if (v[n - 1].cluster.p == NULL || v[n - 1].replica.p == NULL) {
            v = NULL;
        }
    }
    mutex_unlock(&h->lock);
    if (v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the clusters");
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_cluster);
    }
    *ret = v;
    *ret_n = n;
    return 0;
}
