/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing under one mutex. Entries leave only when the table is rebuilt, which
 * happens when it is half full: expired ones are left behind then.
 */
#include "ingest/delta.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/lock.h"

enum { CAP_MIN = 256 };

struct entry {
    struct hash128 key; /* lo == 0 && hi == 0: empty slot */
    double total;
    int64_t time_ns; /* of the last point; INT64_MIN: rolled back to nothing */
    int64_t seen_ms; /* monotonic */
};

struct delta_change {
    struct delta_change *next;
    struct entry before; /* time_ns INT64_MIN: the series was new */
    int64_t time_ns;     /* written by the change */
};

struct delta_table {
    size_t max_entries;
    int64_t ttl_ms;
    struct budget *budget;
    struct mutex lock;
    struct entry *v; /* guarded by: lock */
    size_t cap;      /* guarded by: lock */
    size_t n;        /* guarded by: lock; used slots */
};

struct delta_table *delta_table_new(size_t max_entries, int64_t ttl_ms, struct budget *budget)
{
    struct delta_table *t = mem_xcalloc(1, sizeof(*t));

    t->max_entries = max_entries;
    t->ttl_ms = ttl_ms;
    t->budget = budget;
    mutex_init(&t->lock, LOCK_RANK_INGEST);
    return t;
}

void delta_table_free(struct delta_table *t)
{
    if (t != NULL) {
        budget_give(t->budget, (int64_t)(t->cap * sizeof(*t->v)));
        mem_free(t->v);
        mutex_done(&t->lock);
        mem_free(t);
    }
}

static bool is_empty(const struct entry *e)
{
    return e->key.lo == 0 && e->key.hi == 0;
}

static struct entry *slot_of(struct entry *v, size_t cap, struct hash128 key)
{
    size_t i = key.lo & (cap - 1);

    while (!is_empty(&v[i]) && (v[i].key.lo != key.lo || v[i].key.hi != key.hi)) {
        i = (i + 1) & (cap - 1);
    }
    return &v[i];
}

static size_t count_live(const struct delta_table *t, int64_t now_ms)
{
    size_t live = 0;

    for (size_t i = 0; i < t->cap; i++) {
        live += !is_empty(&t->v[i]) && now_ms - t->v[i].seen_ms < t->ttl_ms;
    }
    return live;
}

/* Room for one more entry, without the expired ones. */
static int rebuild_locked(struct delta_table *t, int64_t now_ms)
{
    size_t live = count_live(t, now_ms);
    size_t cap = CAP_MIN;
    struct entry *v;
    size_t n = 0;

    if (live >= t->max_entries) {
        return -ERR_LIMIT;
    }
    while (cap < (live + 1) * 3) { /* at most a third full: not rebuilt again soon */
        cap *= 2;
    }
    if (!budget_take(t->budget, (int64_t)(cap * sizeof(*v)))) {
        return -ERR_LIMIT;
    }
    v = mem_try_calloc(cap, sizeof(*v));
    if (v == NULL) {
        budget_give(t->budget, (int64_t)(cap * sizeof(*v)));
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < t->cap; i++) {
        if (!is_empty(&t->v[i]) && now_ms - t->v[i].seen_ms < t->ttl_ms) {
            *slot_of(v, cap, t->v[i].key) = t->v[i];
            n++;
        }
    }
    budget_give(t->budget, (int64_t)(t->cap * sizeof(*v)));
    mem_free(t->v);
    t->v = v;
    t->cap = cap;
    t->n = n;
    return 0;
}

static int obtain_locked(struct delta_table *t, struct hash128 key, int64_t now_ms,
                         struct entry **ret)
{
    struct entry *e = t->cap != 0 ? slot_of(t->v, t->cap, key) : NULL;

    if (e == NULL || is_empty(e)) {
        int rc = 0;

        if ((t->n + 1) * 2 > t->cap || t->n >= t->max_entries) {
            rc = rebuild_locked(t, now_ms);
        }
        if (rc < 0) {
            return rc;
        }
        e = slot_of(t->v, t->cap, key);
        *e = (struct entry){.key = key, .time_ns = INT64_MIN};
        t->n++;
    } else if (now_ms - e->seen_ms >= t->ttl_ms) {
        *e = (struct entry){.key = key, .time_ns = INT64_MIN};
    }
    e->seen_ms = now_ms;
    *ret = e;
    return 0;
}

int delta_add(struct delta_table *t, const struct delta_point *p, struct arena *a,
              struct delta_journal *j, double *ret_total)
{
    struct delta_change *change = arena_new(a, struct delta_change);
    struct hash128 key = p->key;
    struct entry *e;
    int rc;

    if (change == NULL) {
        return -ERR_NOMEM;
    }
    key.lo |= key.lo == 0 && key.hi == 0; /* zero means empty */
    mutex_lock(&t->lock);
    rc = obtain_locked(t, key, clock_mono().ns / 1000000, &e);
    if (rc == 0 && p->time_ns < e->time_ns) {
        rc = -ERR_OUT_OF_RANGE;
    }
    if (rc == 0) {
        if (p->time_ns > e->time_ns) {
            *change = (struct delta_change){j->last, *e, p->time_ns};
            j->last = change;
            e->total = (e->time_ns == INT64_MIN ? 0 : e->total) + p->delta;
            e->time_ns = p->time_ns;
        }
        *ret_total = e->total;
    }
    mutex_unlock(&t->lock);
    return rc;
}

void delta_rollback(struct delta_table *t, struct delta_journal *j)
{
    mutex_lock(&t->lock);
    for (struct delta_change *c = j->last; c != NULL; c = c->next) {
        struct entry *e = t->cap != 0 ? slot_of(t->v, t->cap, c->before.key) : NULL;

        if (e != NULL && !is_empty(e) && e->time_ns == c->time_ns) {
            e->total = c->before.total;
            e->time_ns = c->before.time_ns;
        }
    }
    mutex_unlock(&t->lock);
    j->last = NULL;
}

size_t delta_count(struct delta_table *t)
{
    size_t n;

    mutex_lock(&t->lock);
    n = t->n;
    mutex_unlock(&t->lock);
    return n;
}
