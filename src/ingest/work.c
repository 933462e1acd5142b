/* SPDX-License-Identifier: Apache-2.0
 *
 * A freelist of request workspaces: batches and buffers are reused, big ones are given back so that one
 * huge request does not hold memory for ever.
 */
#include "base/alloc.h"
#include "base/lock.h"
#include "ingest/ingest_internal.h"

enum {
    KEEP_MAX = 16,                /* idle workspaces kept */
    KEEP_BYTES = 4 << 20,         /* largest buffer kept with one */
    SCRATCH_MAX = 1 << 24,        /* bytes gathered for one hash */
    LABEL_ARENA_BUDGET = 1 << 24, /* labels of one series at a time */
};

struct work_pool {
    struct tsdb *db;
    size_t max_body;
    struct mutex lock;
    struct work *idle; /* guarded by: lock */
    size_t idle_n;     /* guarded by: lock */
};

struct work_pool *work_pool_new(struct tsdb *db, size_t max_body)
{
    struct work_pool *p = mem_xcalloc(1, sizeof(*p));

    p->db = db;
    p->max_body = max_body;
    mutex_init(&p->lock, LOCK_RANK_INGEST);
    return p;
}

static void work_free(struct work *w)
{
    if (w != NULL) {
        tsdb_batch_free(w->batch);
        buf_done(&w->body);
        buf_done(&w->scratch);
        arena_done(&w->arena);
        mem_free(w);
    }
}

void work_pool_free(struct work_pool *p)
{
    if (p == NULL) {
        return;
    }
    while (p->idle != NULL) {
        struct work *w = p->idle;

        p->idle = w->next;
        work_free(w);
    }
    mutex_done(&p->lock);
    mem_free(p);
}

static struct work *work_new(struct work_pool *p)
{
    struct work *w = mem_try_calloc(1, sizeof(*w));

    if (w == NULL) {
        return NULL;
    }
    w->batch = tsdb_batch_new(p->db);
    if (w->batch == NULL) {
        mem_free(w);
        return NULL;
    }
    buf_init(&w->body, p->max_body);
    buf_init(&w->scratch, SCRATCH_MAX);
    arena_init(&w->arena, LABEL_ARENA_BUDGET);
    return w;
}

struct work *work_acquire(struct work_pool *p)
{
    struct work *w;

    mutex_lock(&p->lock);
    w = p->idle;
    if (w != NULL) {
        p->idle = w->next;
        p->idle_n--;
    }
    mutex_unlock(&p->lock);
    if (w == NULL) {
        return work_new(p);
    }
    tsdb_batch_clear(w->batch);
    buf_clear(&w->body);
    buf_clear(&w->scratch);
    arena_reset(&w->arena);
    return w;
}

void work_release(struct work_pool *p, struct work *w)
{
    if (w == NULL) {
        return;
    }
    if (w->body.cap > KEEP_BYTES) {
        buf_done(&w->body);
    }
    if (w->scratch.cap > KEEP_BYTES) {
        buf_done(&w->scratch);
    }
    arena_reset(&w->arena);
    mutex_lock(&p->lock);
    if (p->idle_n < KEEP_MAX) {
        w->next = p->idle;
        p->idle = steal(w);
        p->idle_n++;
    }
    mutex_unlock(&p->lock);
    work_free(w);
}
