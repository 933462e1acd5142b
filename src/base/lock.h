/* SPDX-License-Identifier: Apache-2.0
 *
 * Mutexes and read-write locks with a rank. A thread takes locks in rising rank; debug builds abort on a
 * violation, which finds deadlocks that never happened to strike. No callbacks under a lock.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

/* Low to high: a lock may be taken while holding only locks of a lower number. */
enum lock_rank {
    LOCK_RANK_API = 10,    /* api: live streams, jobs */
    LOCK_RANK_AUTH = 20,   /* auth: session cache, rate limit */
    LOCK_RANK_INGEST = 30, /* ingest: caches of doors */
    LOCK_RANK_STORE = 40,  /* store: engine lists, maintenance */
    LOCK_RANK_PARTS = 50,  /* tsdb, columns: list of parts */
    LOCK_RANK_SHARD = 60,  /* tsdb, columns: one head shard */
    LOCK_RANK_WAL = 70,    /* wal: current segment */
    LOCK_RANK_META = 80,   /* meta: SQLite connection */
    LOCK_RANK_NET = 90,    /* net: connection and queue state */
    LOCK_RANK_POOL = 100,  /* base: worker pools */
    LOCK_RANK_STATS = 110, /* base: statistics registry */
    LOCK_RANK_LEAF = 120,  /* anything that calls nothing while held */
};

struct mutex {
    pthread_mutex_t m;
    int rank;
};

struct rwlock {
    pthread_rwlock_t l;
    int rank;
};

struct cond {
    pthread_cond_t c; /* on CLOCK_MONOTONIC */
};

void mutex_init(struct mutex *m, enum lock_rank rank);
void mutex_done(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

void rwlock_init(struct rwlock *l, enum lock_rank rank);
void rwlock_done(struct rwlock *l);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
void rwlock_unlock(struct rwlock *l);

void cond_init(struct cond *c);
void cond_done(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m);
/** @return false when the time ran out. */
bool cond_wait_ms(struct cond *c, struct mutex *m, int64_t timeout_ms);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

#endif
