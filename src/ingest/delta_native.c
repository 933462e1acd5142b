/* SPDX-License-Identifier: Apache-2.0
 *
 * A map under one mutex. What is forgotten leaves when room is needed, at most a few entries at a time.
 */
#include "ingest/delta_native.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/map.h"

struct entry {
    struct hash128 key; /* the map's key */
    struct native_histogram total;
    int64_t time_ns; /* of the last point */
    int64_t seen_ms; /* monotonic */
    int64_t billed;
};

struct delta_native_change {
    struct delta_native_change *next;
    struct hash128 key;
    const struct native_histogram *before; /* NULL: the series was new */
    int64_t before_ns;
    int64_t time_ns; /* written by the change */
};

struct delta_native {
    size_t max_entries;
    int64_t ttl_ms;
    struct budget *budget;
    struct mutex lock;
    struct map map; /* guarded by: lock; to struct entry */
};

struct delta_native *delta_native_new(size_t max_entries, int64_t ttl_ms, struct budget *budget)
{
    struct delta_native *t = mem_xcalloc(1, sizeof(*t));

    t->max_entries = max_entries;
    t->ttl_ms = ttl_ms;
    t->budget = budget;
    mutex_init(&t->lock, LOCK_RANK_INGEST);
    return t;
}

static struct str key_of(const struct hash128 *key)
{
    return str_of((const char *)key, sizeof(*key));
}

static void entry_free(struct delta_native *t, struct entry *e)
{
    budget_give(t->budget, e->billed);
    native_done(&e->total);
    mem_free(e);
}

void delta_native_free(struct delta_native *t)
{
    struct str key;
    void *value;
    size_t pos = 0;

    if (t == NULL) {
        return;
    }
    while (map_next(&t->map, &pos, &key, &value)) {
        entry_free(t, value);
    }
    map_done(&t->map);
    mutex_done(&t->lock);
    mem_free(t);
}

/** Forget expired series among all; called when the table is full. @return whether there is room now */
static bool sweep_locked(struct delta_native *t, int64_t now_ms)
{
    struct str key;
    void *value;
    size_t pos = 0;

    while (map_next(&t->map, &pos, &key, &value)) {
        struct entry *e = value;

        if (now_ms - e->seen_ms >= t->ttl_ms) {
            ignore_result(map_del(&t->map, key), "it is this entry");
            entry_free(t, e);
        }
    }
    return t->map.n < t->max_entries;
}

static int obtain_locked(struct delta_native *t, struct hash128 key, int64_t now_ms,
                         struct entry **ret)
{
    struct entry *e = map_get(&t->map, key_of(&key));

    if (e != NULL && now_ms - e->seen_ms >= t->ttl_ms) {
        native_clear(&e->total);
        e->time_ns = INT64_MIN;
    }
    if (e == NULL) {
        if (t->map.n >= t->max_entries && !sweep_locked(t, now_ms)) {
            return -ERR_LIMIT;
        }
        e = mem_try_calloc(1, sizeof(*e));
        if (e == NULL) {
            return -ERR_NOMEM;
        }
        e->key = key;
        e->time_ns = INT64_MIN;
        if (map_put(&t->map, key_of(&e->key), e) < 0) {
            mem_free(e);
            return -ERR_NOMEM;
        }
    }
    e->seen_ms = now_ms;
    *ret = e;
    return 0;
}

/** Bring what is taken from the budget up to what the entry uses. */
static int bill_locked(struct delta_native *t, struct entry *e)
{
    int64_t bytes =
        (int64_t)(sizeof(*e) +
                  (e->total.positive.cap + e->total.negative.cap) * sizeof(struct native_bucket) +
                  e->total.bounds_cap * sizeof(double));

    if (bytes > e->billed && !budget_take(t->budget, bytes - e->billed)) {
        return -ERR_LIMIT;
    }
    e->billed = bytes > e->billed ? bytes : e->billed;
    return 0;
}

static int add_locked(struct delta_native *t, struct entry *e, const struct delta_native_point *p,
                      struct arena *a, struct delta_native_journal *j)
{
    struct delta_native_change *change = arena_new(a, struct delta_native_change);
    bool fresh = e->time_ns == INT64_MIN;
    int rc = change == NULL ? -ERR_NOMEM : 0;

    if (rc == 0) {
        *change = (struct delta_native_change){.next = j->last,
                                               .key = p->key,
                                               .before = fresh ? NULL : native_dup(&e->total, a),
                                               .before_ns = e->time_ns,
                                               .time_ns = p->time_ns};
        rc = !fresh && change->before == NULL ? -ERR_NOMEM : 0;
    }
    if (rc == 0 && !fresh) {
        rc = native_add(&e->total, p->delta, NULL);
        fresh = rc > 0; /* it does not fit: start anew */
    }
    if (rc >= 0 && fresh) {
        rc = native_copy(&e->total, p->delta);
    }
    rc = rc == 0 ? bill_locked(t, e) : rc;
    if (rc != 0) {
        return rc;
    }
    e->time_ns = p->time_ns;
    j->last = change;
    return 0;
}

int delta_native_add(struct delta_native *t, const struct delta_native_point *p, struct arena *a,
                     struct delta_native_journal *j, struct native_histogram *ret)
{
    struct entry *e = NULL;
    int rc;

    mutex_lock(&t->lock);
    rc = obtain_locked(t, p->key, clock_mono().ns / 1000000, &e);
    if (rc == 0 && p->time_ns < e->time_ns) {
        rc = -ERR_OUT_OF_RANGE;
    }
    if (rc == 0 && p->time_ns > e->time_ns) {
        rc = add_locked(t, e, p, a, j);
    }
    rc = rc == 0 ? native_copy(ret, &e->total) : rc;
    mutex_unlock(&t->lock);
    return rc;
}

void delta_native_rollback(struct delta_native *t, struct delta_native_journal *j)
{
    mutex_lock(&t->lock);
    for (struct delta_native_change *c = j->last; c != NULL; c = c->next) {
        struct entry *e = map_get(&t->map, key_of(&c->key));

        if (e == NULL || e->time_ns != c->time_ns) {
            continue;
        }
        native_clear(&e->total);
        e->time_ns = INT64_MIN;
        if (c->before != NULL && native_copy(&e->total, c->before) == 0) {
            e->time_ns = c->before_ns;
        }
    }
    mutex_unlock(&t->lock);
    j->last = NULL;
}
