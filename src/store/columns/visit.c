/* SPDX-License-Identifier: Apache-2.0
 *
 * Visiting every row of a query that counts: rows in memory one by one, blocks as bitmaps of the rows that pass. First
 * all that can be told without opening anything, then the sources that are left, on several threads when they are many.
 * Here are the budget, the statistics and the stop; what is counted is the visitor's business.
 */
#include <stdatomic.h>

#include "base/err.h"
#include "base/thread.h"
#include "store/columns/scan_internal.h"

enum {
    THREADS_MAX = 16,
    CHECK_EVERY = 256, /* sources, while none is opened */
};

static int visit_block(struct query *qu, const struct source *src, const struct filter *filter,
                       const struct row_visitor *v, struct err *reterr)
{
    struct block b;
    uint64_t *bits;
    int rc = block_open(src->part, src->block, &qu->scratch, &qu->tools, &b, reterr);

    if (rc < 0) {
        return rc;
    }
    bits = arena_array(&qu->scratch, uint64_t, block_words(&b));
    rc = bits != NULL ? block_filter(&b, filter, bits) : block_no_memory(&b);
    if (rc > 0) {
        rc = block_filter_time(&b, qu->q->min_ns, qu->q->max_ns, bits);
        rc = rc < 0 ? rc : v->block(v->arg, src, &b, bits);
    }
    *(b.decoded_n != 0 ? &qu->stats.blocks_read : &qu->stats.blocks_pruned) += 1;
    qu->stats.rows_scanned += b.decoded_n != 0 ? block_rows_n(&b) : 0;
    qu->stats.bytes_read += b.read_bytes;
    return rc;
}

/* An error in the visitor's words. */
static int visit_error(const struct row_visitor *v, int rc, struct err *reterr)
{
    if (rc == -ERR_NOMEM) {
        return query_no_memory(reterr);
    }
    return rc == -ERR_CANCELED || rc == -ERR_TIMEOUT
               ? err_set(reterr, (enum err_code) - rc, "%s stopped", v->what)
               : rc;
}

static int visit_source(struct query *qu, size_t at, const struct row_visitor *v,
                        struct err *reterr)
{
    const struct source *src = &qu->sources[at];
    int rc = cancel_check(qu->q->cancel);

    qu->at = at;
    if (rc == 0) {
        arena_reset(&qu->scratch);
        if (src->chunk != NULL) {
            rc = mem_chunk_each(src->chunk, qu->q->min_ns, qu->q->max_ns, &qu->scratch, v->row,
                                v->arg, reterr);
            qu->stats.blocks_read++;
            qu->stats.bytes_read += src->chunk->payload.n;
        } else {
            rc = visit_block(qu, src, src->all ? NULL : qu->q->filter, v, reterr);
        }
    }
    query_unload(qu);
    if (rc == 0 && !query_account(qu, v->answer->used)) {
        return query_no_memory(reterr);
    }
    return rc < 0 ? visit_error(v, rc, reterr) : rc;
}

/* ---- without opening ---- */

/* @return 1: to be opened; 0: done with; an error */
static int settle(struct query *qu, struct source *src, const struct row_visitor *v,
                  struct err *reterr)
{
    enum decision d;
    int rc;

    if (src->chunk != NULL) {
        return 1;
    }
    rc = query_decide(qu, src, &d, reterr);
    if (rc < 0 || d == DECISION_NONE) {
        qu->stats.blocks_pruned += d == DECISION_NONE;
        return rc;
    }
    src->all = d == DECISION_ALL;
    return src->all && v->whole != NULL && v->whole(v->arg, src, &rc) ? rc : 1;
}

/* Sources that have to be opened stay. @param ret_rows  in them */
static int settle_all(struct query *qu, const struct row_visitor *v, uint64_t *ret_rows,
                      struct err *reterr)
{
    size_t kept = 0;

    for (size_t i = 0; i < qu->sources_n; i++) {
        struct source *src = &qu->sources[i];
        int rc = i % CHECK_EVERY == 0 ? cancel_check(qu->q->cancel) : 0;

        if (i % CHECK_EVERY == 0) {
            arena_reset(&qu->scratch);
        }
        rc = rc < 0 ? rc : settle(qu, src, v, reterr);
        if (rc < 0) {
            return visit_error(v, rc, reterr);
        }
        if (rc > 0) {
            *ret_rows += src->chunk != NULL ? src->chunk->info.rows_n
                                            : part_block(src->part, src->block)->rows_n;
            qu->sources[kept++] = *src;
        }
    }
    qu->sources_n = kept;
    return query_account(qu, v->answer->used) ? 0 : query_no_memory(reterr);
}

/* ---- several threads ---- */

struct worker {
    struct query qu; /* the first one works with the query's own */
    struct row_visitor v;
    size_t failed_at;
    int rc;
    struct err err;
};

struct visit {
    struct query *qu;
    const struct row_visitor *v;
    atomic_size_t next; /* relaxed: pool_for() orders the work before and after */
    atomic_bool failed; /* relaxed: the others stop soon */
    struct worker workers[THREADS_MAX];
};

static void work(void *arg, size_t number)
{
    struct visit *visit = arg;
    struct worker *w = &visit->workers[number];
    struct query *qu = number == 0 ? visit->qu : &w->qu;
    const struct row_visitor *v = number == 0 ? visit->v : &w->v;

    while (w->rc == 0 && !atomic_load_explicit(&visit->failed, memory_order_relaxed)) {
        size_t at = atomic_fetch_add_explicit(&visit->next, 1, memory_order_relaxed);

        if (at >= visit->qu->sources_n) {
            return;
        }
        w->rc = visit_source(qu, at, v, &w->err);
        if (w->rc != 0) {
            w->failed_at = at;
            atomic_store_explicit(&visit->failed, true, memory_order_relaxed);
        }
    }
}

/* A query and a visitor for each thread but the caller's. Before any of them runs: the first one works on what is copied
 * here. */
static void fork_all(struct visit *visit, size_t threads)
{
    for (size_t i = 1; i < threads; i++) {
        struct worker *w = &visit->workers[i];

        query_fork(visit->qu, &w->qu);
        if (visit->v->fork(visit->v->arg, &w->qu, &w->v, &w->err) < 0) {
            w->rc = query_no_memory(&w->err);
        }
    }
}

/* What the threads counted together. The error is that of the first source that failed. */
static int join(struct visit *visit, size_t threads, struct err *reterr)
{
    struct worker *bad = NULL;
    int rc = 0;

    for (size_t i = 0; i < threads; i++) {
        struct worker *w = &visit->workers[i];

        if (w->rc != 0 && (bad == NULL || w->failed_at < bad->failed_at)) {
            bad = w;
        }
    }
    if (bad != NULL) {
        if (reterr != NULL) {
            *reterr = bad->err;
        }
        rc = bad->rc;
    }
    for (size_t i = 1; i < threads; i++) {
        struct worker *w = &visit->workers[i];

        if (w->v.arg != NULL && visit->v->join(visit->v->arg, &w->v, rc != 0) < 0 && rc == 0) {
            rc = query_no_memory(reterr);
        }
        query_join(visit->qu, &w->qu);
    }
    return rc;
}

static int visit_parallel(struct query *qu, const struct row_visitor *v, struct err *reterr)
{
    struct visit *visit = mem_try_calloc(1, sizeof(*visit));
    struct pool *pool = qu->c->opts.pool;
    size_t threads = pool_threads(pool) < THREADS_MAX ? pool_threads(pool) : THREADS_MAX;
    int rc;

    if (visit == NULL) {
        return query_no_memory(reterr);
    }
    visit->qu = qu;
    visit->v = v;
    atomic_init(&visit->next, 0);
    atomic_init(&visit->failed, false);
    threads = threads < qu->sources_n ? threads : qu->sources_n;
    fork_all(visit, threads);
    pool_for(pool, threads, work, visit);
    rc = join(visit, threads, reterr);
    mem_free(visit);
    return rc == 0 && !query_account(qu, v->answer->used) ? query_no_memory(reterr) : rc;
}

int query_visit(struct query *qu, const struct row_visitor *v, struct err *reterr)
{
    uint64_t rows = 0;
    int rc = settle_all(qu, v, &rows, reterr);

    if (rc == 0 && v->fork != NULL && qu->c->opts.pool != NULL &&
        rows >= qu->c->opts.parallel_rows) {
        return visit_parallel(qu, v, reterr);
    }
    for (size_t i = 0; i < qu->sources_n && rc == 0; i++) {
        rc = visit_source(qu, i, v, reterr);
    }
    return rc;
}
