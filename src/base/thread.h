/* SPDX-License-Identifier: Apache-2.0
 *
 * Named threads and a worker pool with a bounded queue: full means the caller gets an error and answers
 * "try again later", nothing piles up. All signals are blocked in threads started here.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

struct thread {
    pthread_t id;
    bool running;
};

/** Name is cut to 15 bytes (Linux). @return 0, -ERR_UNAVAILABLE. */
NODISCARD int thread_start(struct thread *t, const char *name, void (*fn)(void *arg), void *arg);
/** Wait for the thread's end; a thread that never started is fine. */
void thread_join(struct thread *t);

struct pool;

/** `threads` workers named "name-N", at most `queue_max` waiting jobs. @return NULL when threads fail. */
struct pool *pool_new(const char *name, unsigned threads, size_t queue_max);
/** Runs what is queued, then joins; jobs are refused from now on, pool_queued() still answers. NULL is fine. */
void pool_stop(struct pool *p);
/** Stops it when that was not done. NULL is fine. */
void pool_free(struct pool *p);
/** @return 0; -ERR_OVERLOAD when the queue is full (fn will not run). Thread-safe. */
NODISCARD int pool_submit(struct pool *p, void (*fn)(void *arg), void *arg);
unsigned pool_threads(const struct pool *p);
/** Jobs waiting now. */
size_t pool_queued(struct pool *p);

/** Run fn(arg, i) for i in [0, n) on the pool and this thread, return when all are done. Errors: none; fn
 * records its own. Falls back to this thread alone when the pool is busy or NULL. */
void pool_for(struct pool *p, size_t n, void (*fn)(void *arg, size_t i), void *arg);

#endif
