/* SPDX-License-Identifier: Apache-2.0
 *
 * A family is the children of one trace in one instance: chained from a fixed table by hash, and in a list by age.
 */
#include "apm/txn_children.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/vec.h"

enum { SLOTS = 1 << 16 };

struct family {
    struct trace_id trace;
    uint64_t instance;
    int64_t added_ms;     /* its first child */
    struct family *chain; /* of equal slots */
    struct family *younger;
    VEC(struct txn_child) v;
};

struct txn_children {
    struct family *slots[SLOTS];
    struct family *oldest, *youngest;
    size_t max, n; /* children */
};

struct txn_children *txn_children_new(size_t max)
{
    struct txn_children *c = mem_xcalloc(1, sizeof(*c));

    c->max = max;
    return c;
}

static struct family **slot_of(const struct txn_children *c, const struct trace_id *trace,
                               uint64_t instance)
{
    uint64_t h = hash64_seed(trace->b, TRACE_ID_SIZE, instance);

    return (struct family **)&c->slots[h & (SLOTS - 1)];
}

static struct family *find(const struct txn_children *c, const struct trace_id *trace,
                           uint64_t instance)
{
    struct family *f = *slot_of(c, trace, instance);

    while (f != NULL &&
           (f->instance != instance || memcmp(f->trace.b, trace->b, TRACE_ID_SIZE) != 0)) {
        f = f->chain;
    }
    return f;
}

static void drop_oldest(struct txn_children *c)
{
    struct family *f = c->oldest;
    struct family **at = slot_of(c, &f->trace, f->instance);

    while (*at != f) {
        at = &(*at)->chain;
    }
    *at = f->chain;
    c->oldest = f->younger;
    if (c->oldest == NULL) {
        c->youngest = NULL;
    }
    c->n -= f->v.n;
    vec_done(&f->v);
    mem_free(f);
}

void txn_children_expire(struct txn_children *c, int64_t before_ms)
{
    while (c->oldest != NULL && c->oldest->added_ms <= before_ms) {
        drop_oldest(c);
    }
}

void txn_children_free(struct txn_children *c)
{
    if (c != NULL) {
        txn_children_expire(c, INT64_MAX);
        mem_free(c);
    }
}

bool txn_child_of(const struct span *s, struct txn_child *ret)
{
    bool db = false;
    bool call = s->kind == SPAN_PRODUCER;

    if (s->kind != SPAN_CLIENT && s->kind != SPAN_PRODUCER) {
        return false;
    }
    for (size_t i = 0; i < s->attrs.n && !db; i++) {
        struct str key = s->attrs.v[i].key;

        db = str_eq(key, STR("db.system")) || str_eq(key, STR("db.system.name"));
        call = call || str_starts(key, STR("http.")) || str_starts(key, STR("rpc.")) ||
               str_starts(key, STR("messaging."));
    }
    *ret = (struct txn_child){.start_ns = s->start_ns,
                              .duration_ns = s->end_ns > s->start_ns ? s->end_ns - s->start_ns : 0,
                              .sql = db};
    return db || call;
}

bool txn_children_add(struct txn_children *c, const struct trace_id *trace, uint64_t instance,
                      const struct txn_child *child, int64_t now_ms)
{
    struct family *f = find(c, trace, instance);

    if (c->n >= c->max) {
        return false;
    }
    if (f == NULL) {
        struct family **at = slot_of(c, trace, instance);

        f = mem_try_calloc(1, sizeof(*f));
        if (f == NULL) {
            return false;
        }
        f->trace = *trace;
        f->instance = instance;
        f->added_ms = now_ms;
        f->chain = *at;
        *at = f;
        *(c->youngest != NULL ? &c->youngest->younger : &c->oldest) = f;
        c->youngest = f;
    }
    if (!vec_push(&f->v, *child)) {
        return false;
    }
    c->n++;
    return true;
}

void txn_children_sum(const struct txn_children *c, const struct trace_id *trace, uint64_t instance,
                      int64_t start_ns, int64_t end_ns, struct txn_sums *ret)
{
    const struct family *f = find(c, trace, instance);

    *ret = (struct txn_sums){0};
    for (size_t i = 0; f != NULL && i < f->v.n; i++) {
        const struct txn_child *k = &f->v.v[i];

        if (k->start_ns < start_ns || k->start_ns > end_ns) {
            continue;
        }
        *(k->sql ? &ret->sql_n : &ret->call_n) += 1;
        *(k->sql ? &ret->sql_ns : &ret->call_ns) += k->duration_ns;
    }
}

size_t txn_children_count(const struct txn_children *c)
{
    return c->n;
}
