/* SPDX-License-Identifier: Apache-2.0
 *
 * pthread wrappers; a failing pthread call is a programming error and aborts.
 */
#include "base/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

static void must(int rc, const char *what)
{
    if (UNLIKELY(rc != 0)) {
        fprintf(stderr, "%s failed: error %d\n", what, rc);
        abort();
    }
}

#ifndef NDEBUG
enum { MAX_HELD = 16 };

static _Thread_local int held[MAX_HELD];
static _Thread_local int held_n;

static void rank_push(int rank)
{
    if (held_n > 0 && held[held_n - 1] >= rank) {
        fprintf(stderr, "lock rank %d taken while holding rank %d\n", rank, held[held_n - 1]);
        abort();
    }
    if (held_n == MAX_HELD) {
        fprintf(stderr, "more than %d locks held\n", MAX_HELD);
        abort();
    }
    held[held_n++] = rank;
}

static void rank_pop(int rank)
{
    for (int i = held_n - 1; i >= 0; i--) {
        if (held[i] == rank) {
            for (int k = i; k + 1 < held_n; k++) {
                held[k] = held[k + 1];
            }
            held_n--;
            return;
        }
    }
    fprintf(stderr, "unlock of rank %d that this thread does not hold\n", rank);
    abort();
}
#else
static void rank_push(int rank)
{
    (void)rank;
}

static void rank_pop(int rank)
{
    (void)rank;
}
#endif

void mutex_init(struct mutex *m, enum lock_rank rank)
{
    m->rank = (int)rank;
    must(pthread_mutex_init(&m->m, NULL), "pthread_mutex_init");
}

void mutex_done(struct mutex *m)
{
    must(pthread_mutex_destroy(&m->m), "pthread_mutex_destroy");
}

void mutex_lock(struct mutex *m)
{
    rank_push(m->rank);
    must(pthread_mutex_lock(&m->m), "pthread_mutex_lock");
}

void mutex_unlock(struct mutex *m)
{
    rank_pop(m->rank);
    must(pthread_mutex_unlock(&m->m), "pthread_mutex_unlock");
}

void rwlock_init(struct rwlock *l, enum lock_rank rank)
{
    l->rank = (int)rank;
    must(pthread_rwlock_init(&l->l, NULL), "pthread_rwlock_init");
}

void rwlock_done(struct rwlock *l)
{
    must(pthread_rwlock_destroy(&l->l), "pthread_rwlock_destroy");
}

void rwlock_read(struct rwlock *l)
{
    rank_push(l->rank);
    must(pthread_rwlock_rdlock(&l->l), "pthread_rwlock_rdlock");
}

void rwlock_write(struct rwlock *l)
{
    rank_push(l->rank);
    must(pthread_rwlock_wrlock(&l->l), "pthread_rwlock_wrlock");
}

void rwlock_unlock(struct rwlock *l)
{
    rank_pop(l->rank);
    must(pthread_rwlock_unlock(&l->l), "pthread_rwlock_unlock");
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;

    must(pthread_condattr_init(&attr), "pthread_condattr_init");
    must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), "pthread_condattr_setclock");
    must(pthread_cond_init(&c->c, &attr), "pthread_cond_init");
    pthread_condattr_destroy(&attr);
}

void cond_done(struct cond *c)
{
    must(pthread_cond_destroy(&c->c), "pthread_cond_destroy");
}

void cond_wait(struct cond *c, struct mutex *m)
{
    must(pthread_cond_wait(&c->c, &m->m), "pthread_cond_wait");
}

bool cond_wait_ms(struct cond *c, struct mutex *m, int64_t timeout_ms)
{
    int64_t at = clock_mono().ns + timeout_ms * 1000000;
    struct timespec ts = {at / 1000000000, at % 1000000000};
    int rc = pthread_cond_timedwait(&c->c, &m->m, &ts);

    if (rc == ETIMEDOUT) {
        return false;
    }
    must(rc, "pthread_cond_timedwait");
    return true;
}

void cond_signal(struct cond *c)
{
    must(pthread_cond_signal(&c->c), "pthread_cond_signal");
}

void cond_broadcast(struct cond *c)
{
    must(pthread_cond_broadcast(&c->c), "pthread_cond_broadcast");
}
