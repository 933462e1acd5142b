/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API shows of the manager: copies in the caller's arena, so nothing is held while an answer is written.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "ingest/scrape/scrape_internal.h"

static struct str copy(struct arena *a, struct str s, bool *ok)
{
    struct str c = arena_str_dup(a, s);

    *ok &= s.n == 0 || c.p != NULL;
    return c;
}

static bool describe(struct target *t, struct arena *a, struct scrape_target_info *ret)
{
    bool ok = true;

    *ret = (struct scrape_target_info){.pool = copy(a, t->job->name, &ok),
                                       .url = copy(a, t->url, &ok),
                                       .global_url = copy(a, t->global_url, &ok),
                                       .interval_ms = t->interval_ms,
                                       .timeout_ms = t->timeout_ms};
    ok &= labels_dup(t->discovered, a, &ret->discovered) == 0;
    ok &= labels_dup(t->labels, a, &ret->labels) == 0;
    mutex_lock(&t->lock);
    ret->last_error = copy(a, str_cstr(t->last_error), &ok);
    ret->last_scrape_ns = t->last_scrape_ns;
    ret->last_duration_ns = t->last_duration_ns;
    ret->health = t->health;
    mutex_unlock(&t->lock);
    return ok;
}

static int by_labels(const void *a, const void *b)
{
    const struct scrape_target_info *x = a;
    const struct scrape_target_info *y = b;
    int c = labels_cmp(x->labels, y->labels);

    return c != 0 ? c : str_cmp(x->url, y->url);
}

static struct str why_dropped(const struct pool *p, size_t i, struct arena *a, bool *ok)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1 << 20);
    relabel_describe(&p->job->relabel, p->dropped.v[i].rule, &b);
    return copy(a, buf_str(&b), ok);
}

static bool add_pool(struct pool *p, struct arena *a, struct scrape_snapshot *ret)
{
    struct scrape_target_info *first = ret->active + ret->active_n;
    bool ok = true;
    struct str key;
    void *value;
    size_t pos = 0;
    size_t n = 0;

    while (ok && map_next(&p->targets, &pos, &key, &value)) {
        ok = describe(value, a, &first[n++]);
    }
    if (n > 1) {
        qsort(first, n, sizeof(*first), by_labels);
    }
    ret->active_n += n;
    for (size_t i = 0; ok && i < p->dropped.n; i++) {
        struct scrape_target_info *d = &ret->dropped[ret->dropped_n++];

        *d = (struct scrape_target_info){.pool = copy(a, p->job->name, &ok),
                                         .last_error = why_dropped(p, i, a, &ok)};
        ok &= labels_dup(p->dropped.v[i].discovered, a, &d->discovered) == 0;
    }
    ret->pools[ret->pools_n++] = (struct scrape_pool_info){
        .name = copy(a, p->job->name, &ok), .active = n, .dropped = p->dropped_n};
    return ok;
}

int scrape_snapshot(struct scrape *s, struct str pool, struct arena *a, struct scrape_snapshot *ret,
                    struct err *reterr)
{
    size_t active = 0;
    size_t dropped = 0;
    bool ok;

    *ret = (struct scrape_snapshot){0};
    mutex_lock(&s->lock);
    for (size_t i = 0; i < s->pools.n; i++) {
        active += s->pools.v[i]->targets.n;
        dropped += s->pools.v[i]->dropped.n;
    }
    ret->active = arena_array(a, struct scrape_target_info, active + 1);
    ret->dropped = arena_array(a, struct scrape_target_info, dropped + 1);
    ret->pools = arena_array(a, struct scrape_pool_info, s->pools.n + 1);
    ok = ret->active != NULL && ret->dropped != NULL && ret->pools != NULL;
    for (size_t i = 0; ok && i < s->pools.n; i++) {
        if (pool.n == 0 || str_eq(s->pools.v[i]->job->name, pool)) {
            ok = add_pool(s->pools.v[i], a, ret);
        }
    }
    mutex_unlock(&s->lock);
    return ok ? 0 : err_set(reterr, ERR_LIMIT, "the answer needs too much memory");
}

struct metadata_walk {
    struct scrape *s;
    struct str metric;
    size_t limit;
    struct arena *a;
    VEC(struct scrape_metadata) found;
};

static bool full(const struct metadata_walk *w)
{
    return w->limit != 0 && w->found.n >= w->limit;
}

/* Ids of the families a target told about; copied, because their table has a lock of its own. */
static struct target_family *family_ids(struct target *t, struct arena *a, size_t *ret_n)
{
    struct target_family *v;

    mutex_lock(&t->lock);
    v = arena_array(a, struct target_family, t->families.n + 1);
    *ret_n = v != NULL ? t->families.n : 0;
    if (*ret_n != 0) {
        memcpy(v, t->families.v, t->families.n * sizeof(*v));
    }
    mutex_unlock(&t->lock);
    return v;
}

static bool walk_target(struct metadata_walk *w, struct target *t)
{
    struct target_family *ids;
    struct labels ls;
    size_t n = 0;
    bool ok = labels_dup(t->labels, w->a, &ls) == 0;

    ids = family_ids(t, w->a, &n);
    ok &= ids != NULL;
    for (size_t i = 0; ok && i < n && !full(w); i++) {
        struct expo_family f = {0};
        struct scrape_metadata m = {.target = ls};

        if (!families_get(w->s->families, ids[i].id, &f) ||
            (w->metric.n != 0 && !str_eq(f.name, w->metric))) {
            continue;
        }
        m.metric = copy(w->a, f.name, &ok);
        m.help = copy(w->a, f.help, &ok);
        m.unit = copy(w->a, f.unit, &ok);
        m.type = str_cstr(expo_type_name(f.type));
        ok &= vec_push(&w->found, m);
    }
    return ok;
}

int scrape_target_metadata(struct scrape *s, struct str metric, size_t limit, struct arena *a,
                           struct scrape_metadata **ret, size_t *ret_n, struct err *reterr)
{
    struct metadata_walk w = {.s = s, .metric = metric, .limit = limit, .a = a};
    struct scrape_metadata *v;
    bool ok = true;

    mutex_lock(&s->lock);
    for (size_t i = 0; ok && i < s->pools.n; i++) {
        struct str key;
        void *value;
        size_t pos = 0;

        while (ok && !full(&w) && map_next(&s->pools.v[i]->targets, &pos, &key, &value)) {
            ok = walk_target(&w, value);
        }
    }
    mutex_unlock(&s->lock);
    v = ok ? arena_array(a, struct scrape_metadata, w.found.n + 1) : NULL;
    if (v != NULL && w.found.n != 0) {
        memcpy(v, w.found.v, w.found.n * sizeof(*v));
    }
    *ret_n = w.found.n;
    *ret = v;
    vec_done(&w.found);
    return v != NULL ? 0 : err_set(reterr, ERR_LIMIT, "the answer needs too much memory");
}
