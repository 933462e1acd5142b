/* SPDX-License-Identifier: Apache-2.0
 *
 * One mutex and one condition per pool: jobs are requests and background work, not single samples.
 */
#include "base/thread.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"

struct start {
    void (*fn)(void *arg);
    void *arg;
    char name[16];
};

static void *run(void *p)
{
    struct start s = *(struct start *)p;

    mem_free(p);
    pthread_setname_np(pthread_self(), s.name);
    s.fn(s.arg);
    return NULL;
}

int thread_start(struct thread *t, const char *name, void (*fn)(void *arg), void *arg)
{
    struct start *s = mem_xcalloc(1, sizeof(*s));
    sigset_t all;
    sigset_t old;
    int rc;

    s->fn = fn;
    s->arg = arg;
    snprintf(s->name, sizeof(s->name), "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&t->id, NULL, run, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    t->running = rc == 0;
    if (rc != 0) {
        mem_free(s);
        return -ERR_UNAVAILABLE;
    }
    return 0;
}

void thread_join(struct thread *t)
{
    if (t->running) {
        pthread_join(t->id, NULL);
        t->running = false;
    }
}

struct job {
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    struct mutex lock;
    struct cond wake;
    struct job *ring; /* guarded by: lock; queue_max slots */
    size_t head;      /* guarded by: lock; next job to run */
    size_t n;         /* guarded by: lock; jobs waiting */
    size_t max;
    bool closing; /* guarded by: lock */
    unsigned threads;
    struct thread workers[];
};

static void work(void *arg)
{
    struct pool *p = arg;

    for (;;) {
        struct job j;

        mutex_lock(&p->lock);
        while (p->n == 0 && !p->closing) {
            cond_wait(&p->wake, &p->lock);
        }
        if (p->n == 0) {
            mutex_unlock(&p->lock);
            return;
        }
        j = p->ring[p->head];
        p->head = (p->head + 1) % p->max;
        p->n--;
        mutex_unlock(&p->lock);
        j.fn(j.arg);
    }
}

struct pool *pool_new(const char *name, unsigned threads, size_t queue_max)
{
    struct pool *p = mem_xcalloc(1, sizeof(*p) + threads * sizeof(struct thread));

    mutex_init(&p->lock, LOCK_RANK_POOL);
    cond_init(&p->wake);
    p->max = queue_max;
    p->ring = mem_xcalloc(queue_max, sizeof(*p->ring));
    for (unsigned i = 0; i < threads; i++) {
        char worker[16];

        snprintf(worker, sizeof(worker), "%.11s-%u", name, i % 1000);
        if (thread_start(&p->workers[i], worker, work, p) < 0) {
            pool_free(p);
            return NULL;
        }
        p->threads++;
    }
    return p;
}

void pool_stop(struct pool *p)
{
    if (p == NULL) {
        return;
    }
    mutex_lock(&p->lock);
    p->closing = true;
    cond_broadcast(&p->wake);
    mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->threads; i++) {
        thread_join(&p->workers[i]);
    }
}

void pool_free(struct pool *p)
{
    if (p == NULL) {
        return;
    }
    pool_stop(p);
    mutex_done(&p->lock);
    cond_done(&p->wake);
    mem_free(p->ring);
    mem_free(p);
}

int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg)
{
    int rc = 0;

    mutex_lock(&p->lock);
    if (p->n == p->max || p->closing) {
        rc = -ERR_OVERLOAD;
    } else {
        p->ring[(p->head + p->n) % p->max] = (struct job){fn, arg};
        p->n++;
        cond_signal(&p->wake);
    }
    mutex_unlock(&p->lock);
    return rc;
}

unsigned pool_threads(const struct pool *p)
{
    return p->threads;
}

size_t pool_queued(struct pool *p)
{
    size_t n;

    mutex_lock(&p->lock);
    n = p->n;
    mutex_unlock(&p->lock);
    return n;
}

/* Shared by the threads of one pool_for(); the last to let go frees it. */
struct batch {
    void (*fn)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
    atomic_int refs;
    struct mutex lock;
    struct cond all_done;
    size_t done; /* guarded by: lock */
};

static void batch_unref(struct batch *b)
{
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        mutex_done(&b->lock);
        cond_done(&b->all_done);
        mem_free(b);
    }
}

static void batch_drain(struct batch *b)
{
    size_t mine = 0;
    size_t i;

    while ((i = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed)) < b->n) {
        b->fn(b->arg, i);
        mine++;
    }
    mutex_lock(&b->lock);
    b->done += mine;
    if (b->done == b->n) {
        cond_broadcast(&b->all_done);
    }
    mutex_unlock(&b->lock);
}

static void batch_job(void *arg)
{
    batch_drain(arg);
    batch_unref(arg);
}

void pool_for(struct pool *p, size_t n, void (*fn)(void *arg, size_t i), void *arg)
{
    struct batch *b;
    size_t helpers = p == NULL || n < 2 ? 0 : (p->threads < n - 1 ? p->threads : n - 1);

    if (helpers == 0) {
        for (size_t i = 0; i < n; i++) {
            fn(arg, i);
        }
        return;
    }
    b = mem_xcalloc(1, sizeof(*b));
    b->fn = fn;
    b->arg = arg;
    b->n = n;
    atomic_init(&b->next, 0);
    atomic_init(&b->refs, 1);
    mutex_init(&b->lock, LOCK_RANK_LEAF);
    cond_init(&b->all_done);
    for (size_t k = 0; k < helpers; k++) {
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
        if (pool_submit(p, batch_job, b) < 0) {
            atomic_fetch_sub_explicit(&b->refs, 1, memory_order_relaxed);
            break;
        }
    }
    batch_drain(b);
    mutex_lock(&b->lock);
    while (b->done < b->n) {
        cond_wait(&b->all_done, &b->lock);
    }
    mutex_unlock(&b->lock);
    batch_unref(b);
}
