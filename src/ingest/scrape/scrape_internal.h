/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the manager share: pools (one a job) of providers and targets, and the manager itself.
 */
#ifndef INGEST_SCRAPE_SCRAPE_INTERNAL_H
#define INGEST_SCRAPE_SCRAPE_INTERNAL_H

#include "base/map.h"
#include "base/thread.h"
#include "ingest/scrape/loop.h"
#include "ingest/scrape/scrape.h"
#include "ingest/scrape/sd.h"

struct provider {
    struct pool *pool;
    struct sd *sd;
    struct sd_set *set; /* guarded by: the manager's lock; NULL: nothing posted yet */
};

struct dropped {
    struct labels discovered;
    size_t rule; /* of the job's relabel_configs */
};

struct pool {
    struct scrape *s;
    struct config *conf; /* a reference */
    const struct job_conf *job;
    struct provider *providers; /* owned */
    size_t providers_n;
    bool dirty;             /* guarded by: the manager's lock */
    struct map targets;     /* key -> target, each a reference; guarded by: the manager's lock */
    struct arena dropped_a; /* guarded by: the manager's lock */
    VEC(struct dropped) dropped; /* guarded by: the manager's lock */
    size_t dropped_n;            /* guarded by: the manager's lock */
};

struct scrape {
    struct scrape_opts o;
    struct families *families;
    struct auth_tokens *tokens;
    struct failure_logs *failures;
    struct loop **loops;
    size_t loops_n;
    struct loop_stats stats;
    struct counter *sd_failures;
    struct counter *bad_targets;
    struct thread thread;

    struct mutex load_lock; /* one scrape_load() at a time */

    struct mutex lock;
    struct cond wake;
    bool closing;             /* guarded by: lock */
    struct config *conf;      /* guarded by: lock; NULL: none */
    VEC(struct pool *) pools; /* guarded by: lock; in order of names */
    atomic_bool stop;
};

/* scrape_pool.c */
struct pool *pool_make(struct scrape *s, const struct job_conf *job);
/** Start discovery. Lock not held: static sets are posted at once. */
void pool_start(struct pool *p);
/** Stop discovery and free. Lock not held; nobody else knows the pool any more. */
void pool_free_all(struct pool *p);
/** Bring the targets in line with what discovery posted last. Lock held. */
void pool_sync(struct pool *p);
/** No more scrapes of a target. */
void pool_take_away(struct scrape *s, struct target *t);

#endif
