/* SPDX-License-Identifier: Apache-2.0
 *
 * Pools: what discovery says of a job becomes targets that are scraped. Invariant: a target in a pool's table has been given
 * to its loop once and is taken away once.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "ingest/scrape/scrape_internal.h"

enum {
    SCRATCH_BYTES = 16 << 20,
    DROPPED_BYTES = 512 << 20,
};

static void on_post(void *arg, struct sd_set *set)
{
    struct provider *p = arg;
    struct scrape *s = p->pool->s;
    struct sd_set *old;

    mutex_lock(&s->lock);
    old = p->set;
    p->set = set;
    p->pool->dirty = true;
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
    sd_set_unref(old);
}

struct pool *pool_make(struct scrape *s, const struct job_conf *job)
{
    struct pool *p = mem_xcalloc(1, sizeof(*p));

    p->s = s;
    p->job = job;
    p->conf = config_ref(job->owner);
    p->providers = mem_xcalloc(job->sds_n + 1, sizeof(*p->providers));
    p->providers_n = job->sds_n;
    p->dirty = true;
    arena_init(&p->dropped_a, DROPPED_BYTES);
    return p;
}

void pool_start(struct pool *p)
{
    const struct scrape *s = p->s;

    for (size_t i = 0; i < p->providers_n; i++) {
        const struct sd_env env = {.dns_server = s->o.dns_server,
                                   .tokens = s->tokens,
                                   .post = on_post,
                                   .arg = &p->providers[i],
                                   .failures = s->sd_failures};

        p->providers[i].pool = p;
        p->providers[i].sd = sd_start(p->job, &p->job->sds[i], &env);
        if (p->providers[i].sd == NULL) {
            log_error("scrape", "a discovery thread could not be started",
                      L_STR("job", p->job->name));
        }
    }
}

void pool_free_all(struct pool *p)
{
    struct str key;
    void *value;
    size_t pos = 0;

    for (size_t i = 0; i < p->providers_n; i++) {
        sd_stop(p->providers[i].sd);
    }
    for (size_t i = 0; i < p->providers_n; i++) {
        sd_set_unref(p->providers[i].set);
    }
    while (map_next(&p->targets, &pos, &key, &value)) {
        target_unref(value);
    }
    map_done(&p->targets);
    vec_done(&p->dropped);
    arena_done(&p->dropped_a);
    mem_free(p->providers);
    config_unref(p->conf);
    mem_free(p);
}

static struct loop *loop_of(const struct scrape *s, const struct target *t)
{
    return s->loops[(t->key >> 32) % s->loops_n];
}

void pool_take_away(struct scrape *s, struct target *t)
{
    if (loop_remove(loop_of(s, t), t) < 0) {
        log_error("scrape", "no memory to end a target", L_STR("url", t->url));
    }
}

/* ---- bringing targets in line ---- */

struct sync {
    struct pool *p;
    struct map wanted; /* key -> target, each a reference */
    struct arena scratch;
};

static void note_dropped(struct sync *y, struct labels discovered, size_t rule)
{
    struct pool *p = y->p;
    struct dropped d = {.rule = rule};

    p->dropped_n++;
    if (p->job->keep_dropped_targets != 0 && p->dropped.n >= p->job->keep_dropped_targets) {
        return;
    }
    if (labels_dup(discovered, &p->dropped_a, &d.discovered) == 0) {
        ignore_result(vec_push(&p->dropped, d), "shown in part; the count is right");
    }
}

static void sync_group(struct sync *y, const struct sd_group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct target *t = NULL;
        struct labels discovered;
        struct err e = {0};
        size_t rule = 0;
        struct str key;

        arena_reset(&y->scratch);
        switch (target_make(y->p->job, g, i, &y->scratch, &t, &discovered, &rule, &e)) {
        case TARGET_DROPPED:
            note_dropped(y, discovered, rule);
            continue;
        case TARGET_BAD:
            counter_add(y->p->s->bad_targets, 1);
            log_warn("scrape", "a discovered target is not usable", L_STR("job", y->p->job->name),
                     L_STR("source", g->source), L_INT("index", i), L_CSTR("error", e.msg));
            continue;
        default:
            break;
        }
        key = str_of((const char *)&t->key, sizeof(t->key));
        if (map_get(&y->wanted, key) != NULL || map_put(&y->wanted, key, t) < 0) {
            target_unref(t); /* the same target twice is one */
        }
    }
}

/* Targets that go on keep their object; *wanted's twin only lends its discovered labels. */
static void keep_and_add(struct sync *y)
{
    struct scrape *s = y->p->s;
    struct str key;
    void *value;
    size_t pos = 0;

    while (map_next(&y->wanted, &pos, &key, &value)) {
        struct target *t = value;
        struct target *have = map_get(&y->p->targets, key);

        if (have != NULL) {
            target_set_discovered(have, t->discovered);
            continue;
        }
        if (map_put(&y->p->targets, str_of((const char *)&t->key, sizeof(t->key)), t) < 0) {
            continue;
        }
        if (loop_add(loop_of(s, t), t) < 0) {
            map_del(&y->p->targets, str_of((const char *)&t->key, sizeof(t->key)));
            continue;
        }
        target_ref(t); /* the table's */
    }
}

static void remove_others(struct sync *y)
{
    struct str key;
    void *value;
    size_t pos = 0;

    while (map_next(&y->p->targets, &pos, &key, &value)) {
        if (map_get(&y->wanted, key) == NULL) {
            map_del(&y->p->targets, key);
            pool_take_away(y->p->s, value);
            target_unref(value);
        }
    }
}

static void set_limit(struct pool *p)
{
    uint64_t over =
        p->job->target_limit != 0 && p->targets.n > p->job->target_limit ? p->targets.n : 0;
    struct str key;
    void *value;
    size_t pos = 0;

    while (map_next(&p->targets, &pos, &key, &value)) {
        atomic_store_explicit(&((struct target *)value)->over_limit, over, memory_order_relaxed);
    }
}

void pool_sync(struct pool *p)
{
    struct sync y = {.p = p};
    struct str key;
    void *value;
    size_t pos = 0;

    arena_init(&y.scratch, SCRATCH_BYTES);
    vec_clear(&p->dropped);
    arena_reset(&p->dropped_a);
    p->dropped_n = 0;
    for (size_t i = 0; i < p->providers_n; i++) {
        const struct sd_set *set = p->providers[i].set;

        for (size_t k = 0; set != NULL && k < set->groups.n; k++) {
            sync_group(&y, &set->groups.v[k]);
        }
    }
    remove_others(&y);
    keep_and_add(&y);
    set_limit(p);
    while (map_next(&y.wanted, &pos, &key, &value)) {
        target_unref(value);
    }
    map_done(&y.wanted);
    arena_done(&y.scratch);
    p->dirty = false;
}
