/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the live figures: ticks of a window added up under the shard's lock, copied into the reader's arena.
 */
#include "apm/live_internal.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"

double live_apdex(const struct live_counts *n)
{
    uint64_t all = n->satisfied + n->tolerating + n->frustrated;

    return all == 0 ? NAN : 100 * ((double)n->satisfied + (double)n->tolerating / 2) / (double)all;
}

const char *live_grade(double score)
{
    return isnan(score)  ? "none"
           : score >= 94 ? "excellent"
           : score >= 85 ? "good"
           : score >= 70 ? "fair"
           : score >= 50 ? "poor"
                         : "unacceptable";
}

static void add_tick(struct live_counts *n, struct latency_dense *d, const struct tick *k)
{
    n->done += k->done;
    n->satisfied += k->satisfied;
    n->tolerating += k->tolerating;
    n->frustrated += k->frustrated;
    n->err4 += k->err4;
    n->err5 += k->err5;
    n->started += k->started;
    n->sum_ns += k->sum_ns;
    n->max_ns = k->max_ns > n->max_ns ? k->max_ns : n->max_ns;
    latency_merge(d, &k->latency);
}

static void percentiles(struct live_figures *f, const struct latency_dense *d)
{
    double max = (double)f->n.max_ns;

    if (d->total != 0) {
        f->p50_ns = latency_quantile_ns(d, 0.50, max);
        f->p90_ns = latency_quantile_ns(d, 0.90, max);
        f->p95_ns = latency_quantile_ns(d, 0.95, max);
        f->p99_ns = latency_quantile_ns(d, 0.99, max);
    }
}

static struct live_figures figures(struct live *l, struct track *t, struct live_window w,
                                   struct latency_dense *d)
{
    struct live_figures f = {0};

    latency_dense_clear(d);
    for (int64_t no = w.from; no <= w.to; no++) {
        const struct tick *k = live_tick_at(l, t, no, false);

        if (k != NULL) {
            add_tick(&f.n, d, k);
        }
    }
    percentiles(&f, d);
    return f;
}

/* No ring holds more than LIVE_TICKS. */
static struct live_window clip(struct live_window w)
{
    if (w.to - w.from >= LIVE_TICKS) {
        w.from = w.to - LIVE_TICKS + 1;
    }
    return w;
}

static int nomem(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "out of memory");
}

static struct latency_dense *scratch_of(struct arena *a)
{
    struct latency_dense *d = arena_new(a, struct latency_dense);

    if (d != NULL) {
        latency_dense_init(d);
    }
    return d;
}

/* An empty text stays one; p is NULL without memory only. */
static bool dup(struct arena *a, struct str s, struct str *ret)
{
    *ret = s.n != 0 ? arena_str_dup(a, s) : STR("");
    return ret->p != NULL;
}

static bool is_up(const struct live *l, const struct live_inst *i, int64_t now_ms)
{
    return now_ms - i->heard_ms <= l->opts.up_ms;
}

/* Under the shard's lock. */
static bool copy_group(struct live *l, struct live_grp *g, int64_t now_ms, struct arena *a,
                       struct live_group *ret)
{
    struct apm_threshold t;

    rwlock_read(&l->settings_lock);
    t = apm_settings_threshold(l->settings, g->name, STR(""));
    rwlock_unlock(&l->settings_lock);
    ret->instances = g->instances.n;
    ret->operations = g->operations.n;
    ret->up = 0;
    ret->in_flight = -1;
    for (size_t i = 0; i < g->instances.n; i++) {
        const struct live_inst *v = g->instances.v[i];

        ret->up += is_up(l, v, now_ms);
        if (v->in_flight >= 0) {
            ret->in_flight = (ret->in_flight < 0 ? 0 : ret->in_flight) + v->in_flight;
        }
    }
    ret->first_ms = g->track.first_ms;
    ret->last_ms = g->track.last_ms;
    ret->t_ms = t.t_ms;
    ret->frustrated_4xx = t.frustrated_4xx;
    ret->lag_ticks = g->lag;
    ret->tick = live_tick_of(now_ms) - 1 - g->lag;
    return dup(a, g->name, &ret->name);
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct live_group *)a)->name, ((const struct live_group *)b)->name);
}

int live_groups(struct live *l, struct live_window w, int64_t now_ms, struct arena *a,
                struct live_group **ret, size_t *ret_n, struct err *reterr)
{
    size_t cap = atomic_load_explicit(&l->groups_n, memory_order_relaxed) + LIVE_SHARDS;
    struct live_group *v = arena_array(a, struct live_group, cap);
    struct latency_dense *d = scratch_of(a);
    bool ok = v != NULL && d != NULL;
    size_t n = 0;

    w = clip(w);
    for (size_t i = 0; ok && i < LIVE_SHARDS; i++) {
        struct live_shard *s = &l->shards[i];

        mutex_lock(&s->lock);
        for (size_t k = 0; ok && k < s->list.n && n < cap; k++) {
            ok = copy_group(l, s->list.v[k], now_ms, a, &v[n]);
            v[n].f = figures(l, &s->list.v[k]->track, w, d);
            n++;
        }
        mutex_unlock(&s->lock);
    }
    if (!ok) {
        return nomem(reterr);
    }
    qsort(v, n, sizeof(*v), by_name);
    *ret = v;
    *ret_n = n;
    return 0;
}

/* The group with its shard locked, or NULL and unlocked. */
static struct live_grp *lock_group(struct live *l, struct str name, struct live_shard **ret)
{
    struct live_shard *s = live_shard_of(l, live_key(name, STR("")));
    struct live_grp *g;

    mutex_lock(&s->lock);
    g = live_find_group(s, name);
    if (g == NULL) {
        mutex_unlock(&s->lock);
    }
    *ret = s;
    return g;
}

static int no_group(struct str name, struct err *reterr)
{
    return err_set(reterr, ERR_NOT_FOUND, "there is no group \"%.*s\"", (int)str_take(name, 100).n,
                   name.n != 0 ? name.p : "");
}

int live_group(struct live *l, const struct live_ask *ask, struct arena *a, struct live_group *ret,
               struct err *reterr)
{
    struct latency_dense *d = scratch_of(a);
    struct live_shard *s;
    struct live_grp *g;
    bool ok;

    if (d == NULL) {
        return nomem(reterr);
    }
    g = lock_group(l, ask->group, &s);
    if (g == NULL) {
        return no_group(ask->group, reterr);
    }
    ok = copy_group(l, g, ask->now_ms, a, ret);
    ret->f = figures(l, &g->track, clip(ask->w), d);
    mutex_unlock(&s->lock);
    return ok ? 0 : nomem(reterr);
}

static bool copy_instance(struct live *l, const struct live_inst *i, int64_t now_ms,
                          struct arena *a, struct live_instance *ret)
{
    ret->id = i->id;
    ret->first_ms = i->track.first_ms;
    ret->last_ms = i->track.last_ms;
    ret->heard_ms = i->heard_ms;
    ret->up = is_up(l, i, now_ms);
    ret->in_flight = i->in_flight;
    return dup(a, i->instance, &ret->instance) && dup(a, i->name, &ret->name) &&
           dup(a, i->service, &ret->service) && dup(a, i->ns, &ret->ns) &&
           dup(a, i->version, &ret->version) && dup(a, i->host, &ret->host);
}

static int by_instance(const void *a, const void *b)
{
    const struct live_instance *x = a;
    const struct live_instance *y = b;
    int c = str_cmp(x->name, y->name);

    return c != 0 ? c : (x->id > y->id) - (x->id < y->id);
}

int live_instances(struct live *l, const struct live_ask *ask, struct arena *a,
                   struct live_instance **ret, size_t *ret_n, struct err *reterr)
{
    struct latency_dense *d = scratch_of(a);
    struct live_window w;
    struct live_instance *v = NULL;
    struct live_shard *s;
    struct live_grp *g;
    size_t n = 0;
    bool ok;

    if (d == NULL) {
        return nomem(reterr);
    }
    g = lock_group(l, ask->group, &s);
    if (g == NULL) {
        return no_group(ask->group, reterr);
    }
    w = clip(ask->w);
    v = arena_array(a, struct live_instance, g->instances.n + 1);
    ok = v != NULL;
    for (size_t i = 0; ok && i < g->instances.n; i++) {
        struct live_figures f = figures(l, &g->instances.v[i]->track, w, d);

        if (ask->quiet || f.n.done != 0 || f.n.started != 0) {
            ok = copy_instance(l, g->instances.v[i], ask->now_ms, a, &v[n]);
            v[n++].f = f;
        }
    }
    mutex_unlock(&s->lock);
    if (!ok) {
        return nomem(reterr);
    }
    qsort(v, n, sizeof(*v), by_instance);
    *ret = v;
    *ret_n = n;
    return 0;
}

static int by_requests(const void *a, const void *b)
{
    const struct live_operation *x = a;
    const struct live_operation *y = b;

    return x->f.n.done != y->f.n.done ? (x->f.n.done < y->f.n.done ? 1 : -1)
                                      : str_cmp(x->name, y->name);
}

int live_operations(struct live *l, const struct live_ask *ask, struct arena *a,
                    struct live_operation **ret, size_t *ret_n, struct err *reterr)
{
    struct latency_dense *d = scratch_of(a);
    struct live_window w;
    struct live_operation *v = NULL;
    struct live_shard *s;
    struct live_grp *g;
    size_t n = 0;
    bool ok;

    if (d == NULL) {
        return nomem(reterr);
    }
    g = lock_group(l, ask->group, &s);
    if (g == NULL) {
        return no_group(ask->group, reterr);
    }
    w = clip(ask->w);
    v = arena_array(a, struct live_operation, g->operations.n + 1);
    ok = v != NULL;
    rwlock_read(&l->settings_lock);
    for (size_t i = 0; ok && i < g->operations.n; i++) {
        struct live_op *o = g->operations.v[i];
        struct live_figures f = figures(l, &o->track, w, d);

        if (f.n.done != 0) {
            v[n] = (struct live_operation){
                .named = o->named,
                .f = f,
                .t_ms = apm_settings_threshold(l->settings, g->name, o->name).t_ms,
                .first_ms = o->track.first_ms,
                .last_ms = o->track.last_ms};
            ok = dup(a, o->name, &v[n++].name);
        }
    }
    rwlock_unlock(&l->settings_lock);
    mutex_unlock(&s->lock);
    if (!ok) {
        return nomem(reterr);
    }
    qsort(v, n, sizeof(*v), by_requests);
    *ret = v;
    *ret_n = n;
    return 0;
}

int live_points(struct live *l, const struct live_ask *ask, struct arena *a,
                struct live_point **ret, size_t *ret_n, uint64_t *ret_changes, struct err *reterr)
{
    struct latency_dense *d = scratch_of(a);
    struct live_window w;
    struct live_point *v = arena_array(a, struct live_point, LIVE_TICKS);
    struct live_shard *s;
    struct live_grp *g;
    size_t n = 0;

    if (d == NULL || v == NULL) {
        return nomem(reterr);
    }
    g = lock_group(l, ask->group, &s);
    if (g == NULL) {
        return no_group(ask->group, reterr);
    }
    w = clip(ask->w);
    /* What is counted from here on is stamped with this number or a later one: asked for again next time. */
    *ret_changes = atomic_load_explicit(&l->changes, memory_order_relaxed);
    for (int64_t no = w.from; no <= w.to; no++) {
        const struct tick *k = live_tick_at(l, &g->track, no, false);

        if (k != NULL && k->change >= ask->since) {
            v[n].tick = no;
            v[n++].f = figures(l, &g->track, (struct live_window){no, no}, d);
        }
    }
    mutex_unlock(&s->lock);
    *ret = v;
    *ret_n = n;
    return 0;
}
