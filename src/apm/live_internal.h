/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the live engine share: shards of groups with their instances and operations, and the rings of
 * ticks behind each.
 */
#ifndef APM_LIVE_INTERNAL_H
#define APM_LIVE_INTERNAL_H

#include <stdatomic.h>

#include "apm/live.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/thread.h"
#include "base/vec.h"
#include "model/matcher.h"

enum {
    LIVE_SHARDS = 16,
    BLOCK_TICKS = 30, /* ticks allocated together: a minute */
    BLOCKS = LIVE_TICKS / BLOCK_TICKS,
};

struct tick {
    int64_t no; /* 0: never used */
    uint64_t sum_ns, max_ns;
    uint64_t change; /* number of the change it was last touched by */
    uint32_t done, satisfied, tolerating, frustrated, err4, err5, started;
    struct latency_sparse latency;
};

struct tick_block {
    struct tick v[BLOCK_TICKS];
};

/** What one group, instance or operation did. Guarded by the shard's lock. */
struct track {
    struct tick_block *blocks[BLOCKS]; /* by tick number; NULL: nothing there */
    struct live_counts total;          /* since it is known; max_ns unused */
    uint64_t *histogram;               /* [LATENCY_BUCKETS] since it is known; NULL: instances */
    int64_t first_ms, last_ms;         /* arrival of requests, 0: none */
    bool written;                      /* as series, so that the zero before them is there */
};

struct live_inst {
    struct hash128 key;
    uint32_t id;
    struct live_grp *group;
    struct str instance, name, service, ns, version, host; /* in own memory, behind the struct */
    struct track track;
    int64_t heard_ms;
    int64_t in_flight;    /* -1: not reported */
    int64_t in_flight_ms; /* time of the sample */
};

struct live_op {
    struct hash128 key;
    struct live_grp *group;
    struct str name; /* behind the struct */
    enum entry_named named;
    struct track track;
    uint64_t settings; /* number of the settings `limit` is of */
    struct apm_threshold limit;
};

struct live_grp {
    struct hash128 key;
    struct str name; /* behind the struct */
    struct track track;
    VEC(struct live_inst *) instances;
    VEC(struct live_op *) operations;
    uint32_t
        delays[LIVE_LAG_MAX + 1]; /* requests by the ticks they came late, halved now and then */
    int lag;
};

/** Found by key; holds pointers to structs that begin with their key. */
struct live_table {
    void **slots; /* a power of two */
    size_t cap, n;
};

struct live_shard {
    _Alignas(CACHE_LINE) struct mutex lock;
    struct live_table groups, instances, operations; /* guarded by: lock */
    VEC(struct live_grp *) list;                     /* guarded by: lock */
};

struct live {
    struct live_opts opts;
    struct live_shard shards[LIVE_SHARDS];
    _Atomic size_t groups_n, instances_n, operations_n;
    _Atomic int64_t bytes_left;
    _Atomic uint64_t changes; /* raised by live_tick(); ticks are stamped with it */
    _Atomic uint32_t next_id;

    struct rwlock settings_lock;
    struct apm_settings *settings;    /* guarded by: settings_lock */
    _Atomic uint64_t settings_number; /* of those in force */

    struct mutex lock;
    struct cond wake;
    struct thread thread;
    bool closing;         /* guarded by: lock */
    int64_t decayed_ms;   /* the thread's */
    int64_t written_ms;   /* the thread's */
    int64_t purged_ms;    /* the thread's */
    int64_t in_flight_ms; /* the thread's */

    struct counter *requests, *late, *skewed, *overflow, *unrecorded;
};

/** The tick of that number, or NULL when it is not kept any more or not there. `make`: create it. */
struct tick *live_tick_at(struct live *l, struct track *t, int64_t no, bool make);
/** Shard of a group. */
struct live_shard *live_shard_of(struct live *l, struct hash128 key);
struct hash128 live_key(struct str a, struct str b);
void *live_table_get(const struct live_table *t, struct hash128 key);
/** Under the shard's lock. */
struct live_grp *live_find_group(struct live_shard *s, struct str name);
struct live_inst *live_find_instance(struct live_shard *s, const struct live_grp *g,
                                     struct str instance);
/** live_purge.c: drop instances, operations and groups that are gone for keep_ms, ticks that left the ring. */
void live_purge(struct live *l, int64_t now_ms);
/** live_flight.c: requests in flight as instances report them. */
void live_read_in_flight(struct live *l, int64_t now_ms);

#endif
