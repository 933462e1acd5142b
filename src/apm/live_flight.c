/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests in flight, which spans cannot tell of before they end: the newest samples of http.server.active_requests,
 * added up by job and instance. Instances without a sample report nothing, which is not zero.
 */
#include "apm/live_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/err.h"

enum { SERIES_LIMIT = 100000 };

static const int64_t FRESH_MS =
    120000; /* senders export once a minute when nobody told them otherwise */
static const int64_t LOOK_AGAIN_MS = 30000;

struct reported {
    struct hash128 key; /* of job and instance */
    double sum;
    int64_t t_ms;
};

struct report {
    VEC(struct reported) v; /* by key once it is whole */
};

static int64_t read_one(const struct series_source *src, struct series_selection *sel, size_t i,
                        struct samples *scratch, struct report *r)
{
    struct labels ls = src->ops->labels(sel, i);
    struct hash128 key = live_key(labels_get(ls, STR("job")), labels_get(ls, STR("instance")));
    struct reported one = {.key = key};

    if (src->ops->read(sel, i, scratch, NULL) < 0 || scratch->n == 0 ||
        isnan(scratch->v[scratch->n - 1])) {
        return 0; /* nothing, or it has ended */
    }
    one.sum = scratch->v[scratch->n - 1];
    one.t_ms = scratch->t_ms[scratch->n - 1];
    return vec_push(&r->v, one) ? 0 : -ERR_NOMEM;
}

static int read_all(struct live *l, int64_t now_ms, struct report *r)
{
    struct series_source src = tsdb_source(l->opts.metrics);
    struct matcher *name = NULL;
    struct series_selection *sel = NULL;
    struct samples scratch = {0};
    struct series_query q = {.min_ms = now_ms - FRESH_MS,
                             .max_ms = now_ms,
                             .max_series = SERIES_LIMIT,
                             .matchers_n = 1,
                             .want = SERIES_LAST};
    int64_t rc;

    rc = matcher_new(MATCH_EQ, STR(LABEL_NAME), STR("http_server_active_requests"), &name, NULL);
    if (rc < 0) {
        return (int)rc;
    }
    q.matchers = (const struct matcher *const *)&name;
    rc = src.ops->select(src.impl, &q, &sel, NULL);
    for (size_t i = 0; rc == 0 && i < src.ops->count(sel); i++) {
        rc = read_one(&src, sel, i, &scratch, r);
    }
    if (sel != NULL) {
        src.ops->free(sel);
    }
    samples_done(&scratch);
    matcher_free(name);
    return (int)rc;
}

static int by_key(const void *a, const void *b)
{
    const struct reported *x = a;
    const struct reported *y = b;

    return x->key.hi != y->key.hi ? (x->key.hi < y->key.hi ? -1 : 1)
                                  : (x->key.lo > y->key.lo) - (x->key.lo < y->key.lo);
}

/* One entry a key: methods and schemes of an instance are added up. */
static void add_up(struct report *r)
{
    size_t n = 0;

    if (r->v.n == 0) {
        return;
    }
    qsort(r->v.v, r->v.n, sizeof(*r->v.v), by_key);
    for (size_t i = 1; i < r->v.n; i++) {
        struct reported *last = &r->v.v[n];
        const struct reported *one = &r->v.v[i];

        if (by_key(last, one) == 0) {
            last->sum += one->sum;
            last->t_ms = one->t_ms > last->t_ms ? one->t_ms : last->t_ms;
        } else {
            r->v.v[++n] = *one;
        }
    }
    r->v.n = n + 1;
}

/* The labels that metrics of the instance's resource have: job is "namespace/service". */
static struct hash128 metrics_key(const struct live_inst *i)
{
    char job[2 * ENTRY_GROUP_MAX];
    size_t n = 0;

    if (i->ns.n != 0 && i->ns.n + 1 + i->service.n <= sizeof(job)) {
        memcpy(job, i->ns.p, i->ns.n);
        n = i->ns.n;
        job[n++] = '/';
    }
    if (i->service.n <= sizeof(job) - n) {
        memcpy(job + n, i->service.p, i->service.n);
        n += i->service.n;
    }
    return live_key(str_of(job, n), i->instance);
}

static void note(struct live_inst *i, const struct report *r)
{
    struct reported key = {.key = metrics_key(i)};
    const struct reported *found =
        r->v.n != 0 ? bsearch(&key, r->v.v, r->v.n, sizeof(key), by_key) : NULL;

    i->in_flight = -1;
    if (found != NULL && found->sum >= 0 && found->sum < 1e9) {
        i->in_flight = (int64_t)found->sum;
        i->in_flight_ms = found->t_ms;
        i->heard_ms = found->t_ms > i->heard_ms ? found->t_ms : i->heard_ms;
    }
}

void live_read_in_flight(struct live *l, int64_t now_ms)
{
    struct report r = {{0}};

    if (l->opts.metrics == NULL || now_ms < l->in_flight_ms) {
        return;
    }
    if (read_all(l, now_ms, &r) == 0) {
        l->in_flight_ms = r.v.n != 0 ? now_ms : now_ms + LOOK_AGAIN_MS;
        add_up(&r);
        for (size_t i = 0; i < LIVE_SHARDS; i++) {
            struct live_shard *s = &l->shards[i];

            mutex_lock(&s->lock);
            for (size_t g = 0; g < s->list.n; g++) {
                for (size_t k = 0; k < s->list.v[g]->instances.n; k++) {
                    note(s->list.v[g]->instances.v[k], &r);
                }
            }
            mutex_unlock(&s->lock);
        }
    }
    vec_done(&r.v);
}
