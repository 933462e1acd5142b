/* SPDX-License-Identifier: Apache-2.0
 *
 * The manager: pools (one a job) of providers and targets, and a thread that brings the targets in line with
 * what discovery says. Invariant: a target in a pool's table has been given to its loop once and is taken
 * away once.
 */
#include "ingest/scrape/scrape.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/map.h"
#include "base/thread.h"
#include "ingest/scrape/loop.h"
#include "ingest/scrape/sd.h"

enum {
    DEFAULT_THREADS = 2,
    DEFAULT_CONNECTIONS = 1000,
    SYNC_PAUSE_MS = 200, /* between two rounds, so that a burst of changes is one round */
    IDLE_MS = 1000,
    SCRATCH_BYTES = 16 << 20,
    DROPPED_BYTES = 512 << 20,
};

struct provider {
    struct pool *pool;
    struct sd *sd;
    struct sd_set *set; /* guarded by: the manager's lock; NULL: nothing posted yet */
};

struct dropped {
    struct labels discovered;
};

struct pool {
    struct scrape *s;
    struct config *conf; /* a reference */
    const struct job_conf *job;
    struct provider *providers; /* owned */
    size_t providers_n;
    bool dirty;             /* guarded by: the manager's lock */
    struct map targets;     /* key -> target, each a reference; guarded by: the manager's lock */
    struct arena dropped_a; /* guarded by: the manager's lock */
    VEC(struct dropped) dropped; /* guarded by: the manager's lock */
    size_t dropped_n;            /* guarded by: the manager's lock */
};

struct scrape {
    struct scrape_opts o;
    struct families *families;
    struct auth_tokens *tokens;
    struct failure_logs *failures;
    struct loop **loops;
    size_t loops_n;
    struct loop_stats stats;
    struct counter *sd_failures;
    struct counter *bad_targets;
    struct thread thread;

    struct mutex load_lock; /* one scrape_load() at a time */

    struct mutex lock;
    struct cond wake;
    bool closing;             /* guarded by: lock */
    struct config *conf;      /* guarded by: lock; NULL: none */
    VEC(struct pool *) pools; /* guarded by: lock; in order of names */
    atomic_bool stop;
};

/* ---- pools ---- */

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

static struct pool *pool_make(struct scrape *s, const struct job_conf *job)
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

/* Start discovery. Lock not held: static sets are posted at once. */
static void pool_start(struct pool *p)
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

/* Stop discovery and free. Lock not held; nobody else knows the pool any more. */
static void pool_free_all(struct pool *p)
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

static void take_away(struct scrape *s, struct target *t)
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

static void note_dropped(struct sync *y, struct labels discovered)
{
    struct pool *p = y->p;
    struct dropped d;

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
        struct str key;

        arena_reset(&y->scratch);
        switch (target_make(y->p->job, g, i, &y->scratch, &t, &discovered, &e)) {
        case TARGET_DROPPED:
            note_dropped(y, discovered);
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
            take_away(y->p->s, value);
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

/* Lock held. */
static void sync_pool(struct pool *p)
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

/* Tokens are asked for without the lock. */
static void renew_tokens(struct scrape *s)
{
    struct config *c;

    mutex_lock(&s->lock);
    c = s->conf != NULL ? config_ref(s->conf) : NULL;
    mutex_unlock(&s->lock);
    if (c != NULL) {
        auth_tokens_renew(s->tokens, c, &s->stop);
        config_unref(c);
    }
}

static void run(void *arg)
{
    struct scrape *s = arg;

    mutex_lock(&s->lock);
    while (!s->closing) {
        bool worked = false;

        for (size_t i = 0; i < s->pools.n; i++) {
            if (s->pools.v[i]->dirty) {
                sync_pool(s->pools.v[i]);
                worked = true;
            }
        }
        mutex_unlock(&s->lock);
        renew_tokens(s);
        if (worked) {
            clock_sleep_ms(SYNC_PAUSE_MS);
        }
        mutex_lock(&s->lock);
        if (!s->closing && !worked) {
            cond_wait_ms(&s->wake, &s->lock, IDLE_MS);
        }
    }
    mutex_unlock(&s->lock);
}

/* ---- loading ---- */

static int by_job_name(const void *a, const void *b)
{
    return str_cmp((*(struct pool *const *)a)->job->name, (*(struct pool *const *)b)->job->name);
}

static struct pool *find_pool(const struct scrape *s, struct str name)
{
    for (size_t i = 0; i < s->pools.n; i++) {
        if (str_eq(s->pools.v[i]->job->name, name)) {
            return s->pools.v[i];
        }
    }
    return NULL;
}

/* Exchange the pools; those in `old` that are not in the new list are to be ended. */
struct exchange {
    VEC(struct pool *) next;
    VEC(struct pool *) fresh; /* in next, to be started */
    VEC(struct pool *) old;
};

static int plan(struct scrape *s, const struct config *c, struct exchange *x)
{
    for (size_t i = 0; c != NULL && i < c->jobs_n; i++) {
        struct pool *p = find_pool(s, c->jobs[i]->name);

        if (p == NULL || p->job->hash != c->jobs[i]->hash) {
            p = pool_make(s, c->jobs[i]);
            if (!vec_push(&x->fresh, p)) {
                pool_free_all(p);
                return -ERR_NOMEM;
            }
        }
        if (!vec_push(&x->next, p)) {
            return -ERR_NOMEM;
        }
    }
    for (size_t i = 0; i < s->pools.n; i++) {
        bool stays = false;

        for (size_t k = 0; k < x->next.n; k++) {
            stays |= x->next.v[k] == s->pools.v[i];
        }
        if (!stays && !vec_push(&x->old, s->pools.v[i])) {
            return -ERR_NOMEM;
        }
    }
    if (x->next.n > 1) {
        qsort(x->next.v, x->next.n, sizeof(*x->next.v), by_job_name);
    }
    return 0;
}

/* Lock held: the targets of ended pools leave their loops; a target that comes back takes over its series. */
static void swap_pools(struct scrape *s, struct exchange *x)
{
    for (size_t i = 0; i < x->old.n; i++) {
        struct str key;
        void *value;
        size_t pos = 0;

        while (map_next(&x->old.v[i]->targets, &pos, &key, &value)) {
            take_away(s, value);
        }
    }
    mem_free(s->pools.v);
    s->pools.v = x->next.v;
    s->pools.n = x->next.n;
    s->pools.cap = x->next.cap;
    x->next.v = NULL;
}

static int apply(struct scrape *s, struct config *c, struct err *reterr)
{
    struct exchange x = {0};
    int rc;

    mutex_lock(&s->lock);
    rc = plan(s, c, &x);
    if (rc == 0) {
        struct config *old = s->conf;

        swap_pools(s, &x);
        s->conf = c;
        c = old;
    }
    mutex_unlock(&s->lock);
    for (size_t i = 0; i < x.fresh.n; i++) {
        if (rc == 0) {
            pool_start(x.fresh.v[i]);
        } else {
            pool_free_all(x.fresh.v[i]);
        }
    }
    for (size_t i = 0; rc == 0 && i < x.old.n; i++) {
        pool_free_all(x.old.v[i]);
    }
    vec_done(&x.next);
    vec_done(&x.fresh);
    vec_done(&x.old);
    config_unref(c);
    return rc < 0 ? err_set(reterr, ERR_NOMEM, "no memory for the scrape jobs") : 0;
}

int scrape_load(struct scrape *s, const char *path, struct err *reterr)
{
    struct config *c = NULL;
    size_t jobs;
    int rc = 0;

    if (path != NULL && path[0] != '\0') {
        rc = config_load(path, &c, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; c != NULL && i < c->notices.n; i++) {
        log_info("scrape", "not used", L_STR("notice", c->notices.v[i]));
    }
    jobs = c != NULL ? c->jobs_n : 0;
    mutex_lock(&s->load_lock);
    rc = apply(s, c, reterr);
    mutex_unlock(&s->load_lock);
    failure_logs_reopen(s->failures);
    if (rc == 0 && path != NULL && path[0] != '\0') {
        log_info("scrape", "configuration loaded", L_CSTR("file", path), L_INT("jobs", jobs));
    }
    return rc;
}

int scrape_check(const char *path, struct buf *dst, struct buf *ret_notices, struct err *reterr)
{
    static const char *const KINDS[SD_KIND_COUNT] = {"static", "file", "http", "dns", "kubernetes"};
    struct config *c = NULL;
    int rc = config_load(path, &c, reterr);

    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < c->notices.n; i++) {
        buf_printf(ret_notices, "%.*s\n", STR_ARG(c->notices.v[i]));
    }
    for (size_t i = 0; i < c->jobs_n; i++) {
        const struct job_conf *j = c->jobs[i];

        buf_printf(dst, "job \"%.*s\": every %lld ms, discovery", STR_ARG(j->name),
                   (long long)j->interval_ms);
        for (size_t k = 0; k < j->sds_n; k++) {
            buf_printf(dst, "%s %s", k > 0 ? "," : "", KINDS[j->sds[k].kind]);
        }
        buf_printf(dst, "%s\n", j->sds_n == 0 ? " none" : "");
    }
    config_unref(c);
    return 0;
}

/* ---- life ---- */

static double count_targets(void *arg)
{
    struct scrape *s = arg;
    size_t n = 0;

    mutex_lock(&s->lock);
    for (size_t i = 0; i < s->pools.n; i++) {
        n += s->pools.v[i]->targets.n;
    }
    mutex_unlock(&s->lock);
    return (double)n;
}

static double count_pools(void *arg)
{
    struct scrape *s = arg;
    size_t n;

    mutex_lock(&s->lock);
    n = s->pools.n;
    mutex_unlock(&s->lock);
    return (double)n;
}

static double count_in_flight(void *arg)
{
    const struct scrape *s = arg;
    size_t n = 0;

    for (size_t i = 0; i < s->loops_n; i++) {
        n += loop_in_flight(s->loops[i]);
    }
    return (double)n;
}

static double count_connections(void *arg)
{
    const struct scrape *s = arg;
    size_t n = 0;

    for (size_t i = 0; i < s->loops_n; i++) {
        n += loop_connections(s->loops[i]);
    }
    return (double)n;
}

static void make_counters(struct scrape *s)
{
    static const char SCRAPES[] = "bongsu_scrape_scrapes_total";
    static const char SCRAPES_HELP[] = "Scrapes of targets by result.";
    struct stats *r = s->o.stats;

    s->stats = (struct loop_stats){
        .scrapes_up = stats_counter(r, SCRAPES, "result=\"up\"", SCRAPES_HELP),
        .scrapes_failed = stats_counter(r, SCRAPES, "result=\"down\"", SCRAPES_HELP),
        .late = stats_counter(r, "bongsu_scrape_skipped_intervals_total", "",
                              "Scrapes not made because connections or time were short."),
        .samples = stats_counter(r, "bongsu_scrape_samples_total", "", "Samples stored."),
        .body_bytes = stats_counter(r, "bongsu_scrape_received_bytes_total", "",
                                    "Bytes of pages as they came."),
        .connects = stats_counter(r, "bongsu_scrape_connects_total", "",
                                  "Scrapes that needed a new connection."),
        .duration = stats_timing(r, "bongsu_scrape_duration_seconds", "", "Time of one fetch."),
    };
    s->sd_failures = stats_counter(r, "bongsu_scrape_discovery_failures_total", "",
                                   "Refreshes of service discovery that failed.");
    s->bad_targets = stats_counter(r, "bongsu_scrape_unusable_targets_total", "",
                                   "Discovered targets without a usable address or interval.");
}

static void make_gauges(struct scrape *s)
{
    struct stats *r = s->o.stats;

    if (r == NULL) {
        return;
    }
    stats_gauge_fn(r, "bongsu_scrape_targets", "", "Active targets.", count_targets, s);
    stats_gauge_fn(r, "bongsu_scrape_pools", "", "Scrape jobs.", count_pools, s);
    stats_gauge_fn(r, "bongsu_scrape_in_flight", "", "Scrapes running now.", count_in_flight, s);
    stats_gauge_fn(r, "bongsu_scrape_connections", "", "Open connections to targets.",
                   count_connections, s);
}

static bool start_loops(struct scrape *s)
{
    unsigned max = s->o.max_connections / s->o.threads;

    s->loops = mem_xcalloc(s->o.threads, sizeof(struct loop *));
    for (unsigned i = 0; i < s->o.threads; i++) {
        const struct loop_opts o = {.sink = s->o.sink,
                                    .families = s->families,
                                    .tokens = s->tokens,
                                    .stats = &s->stats,
                                    .failures = s->failures,
                                    .with_created = s->o.with_created,
                                    .version = s->o.version,
                                    .max_connections = max != 0 ? max : 1,
                                    .number = i};

        s->loops[s->loops_n] = loop_new(&o);
        if (s->loops[s->loops_n] == NULL) {
            return false;
        }
        s->loops_n++;
    }
    return true;
}

struct scrape *scrape_new(const struct scrape_opts *opts)
{
    struct scrape *s = mem_xcalloc(1, sizeof(*s));

    s->o = *opts;
    s->o.threads = opts->threads != 0 ? opts->threads : DEFAULT_THREADS;
    s->o.max_connections = opts->max_connections != 0 ? opts->max_connections : DEFAULT_CONNECTIONS;
    s->families = families_new();
    s->tokens = auth_tokens_new();
    s->failures = failure_logs_new();
    mutex_init(&s->load_lock, LOCK_RANK_AUTH); /* above the lock of a reload, below `lock` */
    mutex_init(&s->lock, LOCK_RANK_INGEST);
    cond_init(&s->wake);
    make_counters(s);
    if (!start_loops(s) || thread_start(&s->thread, "scrape-sync", run, s) < 0) {
        scrape_free(s);
        return NULL;
    }
    make_gauges(s);
    return s;
}

void scrape_free(struct scrape *s)
{
    if (s == NULL) {
        return;
    }
    mutex_lock(&s->lock);
    s->closing = true;
    atomic_store_explicit(&s->stop, true, memory_order_relaxed);
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
    thread_join(&s->thread);
    for (size_t i = 0; i < s->loops_n; i++) {
        loop_free(s->loops[i]);
    }
    s->loops_n = 0;
    for (size_t i = 0; i < s->pools.n; i++) {
        pool_free_all(s->pools.v[i]);
    }
    vec_done(&s->pools);
    mem_free(s->loops);
    config_unref(s->conf);
    auth_tokens_free(s->tokens);
    failure_logs_free(s->failures);
    families_free(s->families);
    cond_done(&s->wake);
    mutex_done(&s->lock);
    mutex_done(&s->load_lock);
    mem_free(s);
}

/* ---- what the API shows ---- */

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

        *d = (struct scrape_target_info){.pool = copy(a, p->job->name, &ok)};
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
