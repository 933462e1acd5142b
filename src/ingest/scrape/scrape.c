/* SPDX-License-Identifier: Apache-2.0
 *
 * The manager: loads configurations, exchanges pools, and runs the thread that brings their targets in line with what
 * discovery says. Invariant: what runs is of one configuration, whole.
 */
#include "ingest/scrape/scrape.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/log.h"
#include "ingest/scrape/scrape_internal.h"

enum {
    DEFAULT_THREADS = 2,
    DEFAULT_CONNECTIONS = 20000, /* or three quarters of the descriptors */
    SYNC_PAUSE_MS = 200,         /* between two rounds, so that a burst of changes is one round */
    IDLE_MS = 1000,
};

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
                pool_sync(s->pools.v[i]);
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
            pool_take_away(s, value);
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

static unsigned default_connections(void)
{
    struct rlimit l;

    return getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur / 4 * 3 < DEFAULT_CONNECTIONS
               ? (unsigned)(l.rlim_cur / 4 * 3)
               : DEFAULT_CONNECTIONS;
}

struct scrape *scrape_new(const struct scrape_opts *opts)
{
    struct scrape *s = mem_xcalloc(1, sizeof(*s));

    s->o = *opts;
    s->o.threads = opts->threads != 0 ? opts->threads : DEFAULT_THREADS;
    s->o.max_connections =
        opts->max_connections != 0 ? opts->max_connections : default_connections();
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
