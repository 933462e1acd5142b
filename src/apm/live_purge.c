/* SPDX-License-Identifier: Apache-2.0
 *
 * Forgetting: ticks that left the ring give their memory back, instances and operations nobody heard of for keep_ms
 * go, and groups without either. Tables are made anew without what went.
 */
#include "apm/live_internal.h"

#include "base/alloc.h"

/* @return bytes given back */
static int64_t drop_blocks(struct track *t, int64_t oldest)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < BLOCKS; i++) {
        struct tick_block *b = t->blocks[i];
        bool old = b != NULL;

        for (size_t k = 0; old && k < BLOCK_TICKS; k++) {
            old = b->v[k].no < oldest;
        }
        if (!old) {
            continue;
        }
        for (size_t k = 0; k < BLOCK_TICKS; k++) {
            bytes += latency_sparse_done(&b->v[k].latency);
        }
        bytes += (int64_t)sizeof(*b);
        mem_free(b);
        t->blocks[i] = NULL;
    }
    return bytes;
}

static int64_t drop_track(struct track *t)
{
    int64_t bytes = drop_blocks(t, INT64_MAX);

    mem_free(t->histogram);
    return bytes;
}

/* Rebuild a table of the records that stay. Without memory it keeps its size: fewer records always fit. */
static void table_clear(struct live_table *t)
{
    for (size_t i = 0; i < t->cap; i++) {
        t->slots[i] = NULL;
    }
    t->n = 0;
}

static void table_put_again(struct live_table *t, void *record)
{
    struct hash128 key = *(const struct hash128 *)record;
    size_t at = key.lo & (t->cap - 1);

    while (t->slots[at] != NULL) {
        at = (at + 1) & (t->cap - 1);
    }
    t->slots[at] = record;
    t->n++;
}

struct round {
    struct live *live;
    int64_t gone_ms; /* last heard of before this: forgotten */
    int64_t oldest;  /* tick */
    int64_t bytes;
    bool dropped; /* something left a table */
};

static void purge_group(struct round *r, struct live_grp *g)
{
    size_t kept = 0;

    r->bytes += drop_blocks(&g->track, r->oldest);
    for (size_t i = 0; i < g->instances.n; i++) {
        struct live_inst *v = g->instances.v[i];

        r->bytes += drop_blocks(&v->track, r->oldest);
        if (v->heard_ms >= r->gone_ms) {
            g->instances.v[kept++] = v;
            continue;
        }
        r->bytes += drop_track(&v->track);
        mem_free(v);
        atomic_fetch_sub_explicit(&r->live->instances_n, 1, memory_order_relaxed);
    }
    r->dropped = r->dropped || kept != g->instances.n;
    g->instances.n = kept;
    kept = 0;
    for (size_t i = 0; i < g->operations.n; i++) {
        struct live_op *o = g->operations.v[i];

        r->bytes += drop_blocks(&o->track, r->oldest);
        if (o->track.last_ms >= r->gone_ms) {
            g->operations.v[kept++] = o;
            continue;
        }
        r->bytes += drop_track(&o->track);
        mem_free(o);
        atomic_fetch_sub_explicit(&r->live->operations_n, 1, memory_order_relaxed);
    }
    r->dropped = r->dropped || kept != g->operations.n;
    g->operations.n = kept;
}

static void rebuild(struct live_shard *s)
{
    table_clear(&s->groups);
    table_clear(&s->instances);
    table_clear(&s->operations);
    for (size_t i = 0; i < s->list.n; i++) {
        struct live_grp *g = s->list.v[i];

        table_put_again(&s->groups, g);
        for (size_t k = 0; k < g->instances.n; k++) {
            table_put_again(&s->instances, g->instances.v[k]);
        }
        for (size_t k = 0; k < g->operations.n; k++) {
            table_put_again(&s->operations, g->operations.v[k]);
        }
    }
}

void live_purge(struct live *l, int64_t now_ms)
{
    struct round r = {.live = l,
                      .gone_ms = now_ms - l->opts.keep_ms,
                      .oldest = live_tick_of(now_ms) - LIVE_TICKS};

    for (size_t i = 0; i < LIVE_SHARDS; i++) {
        struct live_shard *s = &l->shards[i];
        size_t kept = 0;

        r.dropped = false;
        mutex_lock(&s->lock);
        for (size_t k = 0; k < s->list.n; k++) {
            struct live_grp *g = s->list.v[k];

            purge_group(&r, g);
            if (g->instances.n != 0 || g->operations.n != 0) {
                s->list.v[kept++] = g;
                continue;
            }
            r.bytes += drop_track(&g->track);
            vec_done(&g->instances);
            vec_done(&g->operations);
            mem_free(g);
            atomic_fetch_sub_explicit(&l->groups_n, 1, memory_order_relaxed);
            r.dropped = true;
        }
        s->list.n = kept;
        if (r.dropped) {
            rebuild(s);
        }
        mutex_unlock(&s->lock);
    }
    atomic_fetch_add_explicit(&l->bytes_left, r.bytes, memory_order_relaxed);
}
