/* SPDX-License-Identifier: Apache-2.0
 *
 * Loading, reloading and the threads that wait for the next group that is due. A group's times are multiples of
 * its interval plus an offset that comes from its name, so that groups spread and a restart keeps the rhythm.
 */
#include <glob.h>
#include <stdlib.h>

#include "alert/rules_internal.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"

enum {
    DEFAULT_INTERVAL_MS = 60000,
    DEFAULT_TIMEOUT_MS = 120000,
    DEFAULT_TOLERANCE_MS = 3600000,
    DEFAULT_GRACE_MS = 600000,
    DEFAULT_THREADS = 4,
};

typedef VEC(struct rule_file) file_list;

static void files_done(file_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        rule_file_done(&l->v[i]);
    }
    vec_done(l);
}

static int load_glob(const struct rules *r, const char *pattern, file_list *dst, struct err *reterr)
{
    const struct rule_defaults defaults = {r->opts.interval_ms,
                                           promql_engine_syntax(r->opts.promql)};
    glob_t found;
    int rc = glob(pattern, GLOB_NOCHECK, NULL, &found);

    if (rc != 0) {
        return err_set(reterr, ERR_IO, "%s: cannot be looked for", pattern);
    }
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
        struct rule_file file;

        if (strpbrk(pattern, "*?[") != NULL && strcmp(found.gl_pathv[i], pattern) == 0) {
            continue; /* a pattern may match nothing */
        }
        rc = rule_file_load(found.gl_pathv[i], &defaults, &file, reterr);
        if (rc == 0 && !vec_push(dst, file)) {
            rc = -ERR_NOMEM;
        }
        if (rc != 0) {
            rule_file_done(&file);
        }
    }
    globfree(&found);
    return rc;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/** The first time of the group's rhythm after `now_ms`. */
static int64_t next_time(const struct rule_group *g, int64_t now_ms)
{
    uint64_t h = hash64_seed(g->file.p, g->file.n, hash64_seed(g->name.p, g->name.n, 1));
    int64_t offset = (int64_t)(h % (uint64_t)g->interval_ms);

    return (floor_div(now_ms - offset, g->interval_ms) + 1) * g->interval_ms + offset;
}

void rule_run_done(struct rule_run *run)
{
    for (size_t i = 0; i < run->alerts.n; i++) {
        alert_free(run->alerts.v[i]);
    }
    vec_done(&run->alerts);
    vec_done(&run->before);
}

typedef VEC(struct group_run) group_list;

static void groups_done(group_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->v[i].def->n; k++) {
            rule_run_done(&l->v[i].rules[k]);
        }
        mem_free(l->v[i].rules);
    }
    vec_done(l);
}

/** `first`: the server has just started. */
static int make_groups(const struct rules *r, const file_list *files, bool first, group_list *dst)
{
    int64_t now = clock_wall_ms();

    for (size_t f = 0; f < files->n; f++) {
        for (size_t i = 0; i < files->v[f].n; i++) {
            const struct rule_group *def = &files->v[f].groups[i];
            struct group_run g = {.def = def,
                                  .rules = mem_try_calloc(def->n + 1, sizeof(*g.rules)),
                                  .next_ms = next_time(def, now)};

            if (g.rules == NULL || !vec_push(dst, g)) {
                mem_free(g.rules);
                return -ERR_NOMEM;
            }
            for (size_t k = 0; k < def->n; k++) {
                g.rules[k].def = &def->rules[k];
                g.rules[k].restored = !first || !def->rules[k].alerting ||
                                      def->rules[k].for_ms < r->opts.for_grace_ms;
            }
        }
    }
    return 0;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    return a->alerting == b->alerting && str_eq(a->name, b->name) && str_eq(a->expr, b->expr) &&
           a->for_ms == b->for_ms && a->keep_firing_for_ms == b->keep_firing_for_ms &&
           labels_eq(a->labels, b->labels);
}

/** What a rule knows moves to the rule that takes its place. */
static bool inherit(const struct group_run *to, struct rule_run *from)
{
    for (size_t i = 0; i < to->def->n; i++) {
        struct rule_run *run = &to->rules[i];

        if (run->last_ms == 0 && run->before.n == 0 && same_rule(run->def, from->def)) {
            const struct rule *def = run->def;

            *run = *from;
            run->def = def;
            *from = (struct rule_run){.def = from->def};
            return true;
        }
    }
    return false;
}

/** Old rules hand over or end; no thread works meanwhile. */
static void replace_groups(struct rules *r, group_list *fresh)
{
    int64_t now = clock_wall_ms();

    for (size_t i = 0; i < r->groups.n; i++) {
        struct group_run *old = &r->groups.v[i];
        struct group_run *to = NULL;

        for (size_t k = 0; k < fresh->n && to == NULL; k++) {
            bool same = str_eq(fresh->v[k].def->name, old->def->name) &&
                        str_eq(fresh->v[k].def->file, old->def->file);

            to = same ? &fresh->v[k] : NULL;
        }
        for (size_t k = 0; k < old->def->n; k++) {
            if ((to == NULL || !inherit(to, &old->rules[k])) && old->rules[k].before.n != 0) {
                rule_mark_stale(r, &old->rules[k], now);
            }
        }
        if (to != NULL && to->def->interval_ms == old->def->interval_ms) {
            to->next_ms = old->next_ms;
            to->last_ms = old->last_ms;
            to->took_ns = old->took_ns;
        }
    }
}

/** Copy the patterns. */
static char **globs_dup(char *const *globs, size_t n)
{
    char **v = mem_xcalloc(n + 1, sizeof(*v));

    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(globs[i]) + 1;

        v[i] = mem_xcalloc(1, len);
        memcpy(v[i], globs[i], len);
    }
    return v;
}

static void globs_free(char **v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(v[i]);
    }
    mem_free(v);
}

/** Wait until no group is under evaluation; the lock is held. */
static void pause_threads(struct rules *r)
{
    r->paused = true;
    while (r->busy != 0) {
        cond_wait(&r->wake, &r->lock);
    }
}

static int reload(struct rules *r, char *const *globs, size_t globs_n, struct err *reterr)
{
    file_list files = {0};
    group_list groups = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < (globs_n != SIZE_MAX ? globs_n : r->globs_n); i++) {
        rc = load_glob(r, globs_n != SIZE_MAX ? globs[i] : r->globs[i], &files, reterr);
    }
    rc = rc != 0 ? rc : make_groups(r, &files, r->threads_n == 0, &groups);
    if (rc != 0) {
        groups_done(&groups);
        files_done(&files);
        return rc;
    }
    mutex_lock(&r->lock);
    pause_threads(r);
    mutex_unlock(&r->lock); /* writing stale markers takes the store's locks */
    replace_groups(r, &groups);
    mutex_lock(&r->lock);
    {
        group_list old_groups = {r->groups.v, r->groups.n, r->groups.cap};
        file_list old_files = {r->files.v, r->files.n, r->files.cap};

        r->groups.v = groups.v;
        r->groups.n = groups.n;
        r->groups.cap = groups.cap;
        r->files.v = files.v;
        r->files.n = files.n;
        r->files.cap = files.cap;
        groups_done(&old_groups);
        files_done(&old_files);
    }
    if (globs_n != SIZE_MAX) {
        globs_free(r->globs, r->globs_n);
        r->globs = globs_dup(globs, globs_n);
        r->globs_n = globs_n;
    }
    r->paused = false;
    cond_broadcast(&r->wake);
    mutex_unlock(&r->lock);
    log_info("rules", "rules loaded", L_INT("files", files.n), L_INT("groups", groups.n));
    return 0;
}

int rules_reload(struct rules *r, char *const *globs, size_t globs_n, struct err *reterr)
{
    int rc;

    mutex_lock(&r->reload_lock);
    rc = reload(r, globs, globs_n, reterr);
    mutex_unlock(&r->reload_lock);
    return rc;
}

/* --- Threads --- */

/** The group that is due first and not being worked on; NULL: none. The lock is held. */
static struct group_run *first_due(struct rules *r)
{
    struct group_run *best = NULL;

    for (size_t i = 0; i < r->groups.n; i++) {
        struct group_run *g = &r->groups.v[i];

        if (!g->running && (best == NULL || g->next_ms < best->next_ms)) {
            best = g;
        }
    }
    return best;
}

static void work(struct rules *r, struct group_run *g)
{
    int64_t t = g->next_ms;
    int64_t now;

    g->running = true;
    r->busy++;
    mutex_unlock(&r->lock);
    ignore_result(group_evaluate(r, g, t), "failures are counted and shown");
    mutex_lock(&r->lock);
    now = clock_wall_ms();
    g->next_ms += g->def->interval_ms;
    if (g->next_ms <= now) {
        int64_t next = next_time(g->def, now);

        counter_add(r->missed, (uint64_t)((next - g->next_ms) / g->def->interval_ms));
        g->next_ms = next;
    }
    g->running = false;
    r->busy--;
    cond_broadcast(&r->wake);
}

static void run(void *arg)
{
    struct rules *r = arg;

    mutex_lock(&r->lock);
    while (!r->closing) {
        struct group_run *g = r->paused ? NULL : first_due(r);
        int64_t wait = g != NULL ? g->next_ms - clock_wall_ms() : 60000;

        if (g != NULL && wait <= 0) {
            work(r, g);
        } else {
            cond_wait_ms(&r->wake, &r->lock, wait < 1000 ? wait : 1000); /* the clock may jump */
        }
    }
    mutex_unlock(&r->lock);
}

static void stop(struct rules *r)
{
    mutex_lock(&r->lock);
    r->closing = true;
    cancel_set(&r->cancel);
    cond_broadcast(&r->wake);
    mutex_unlock(&r->lock);
    for (unsigned i = 0; i < r->threads_n; i++) {
        thread_join(&r->threads[i]);
    }
    r->threads_n = 0;
}

void rules_free(struct rules *r)
{
    group_list groups;
    file_list files;

    if (r == NULL) {
        return;
    }
    stop(r);
    groups = (group_list){r->groups.v, r->groups.n, r->groups.cap};
    files = (file_list){r->files.v, r->files.n, r->files.cap};
    groups_done(&groups);
    files_done(&files);
    globs_free(r->globs, r->globs_n);
    mem_free(r->threads);
    cond_done(&r->wake);
    mutex_done(&r->lock);
    mutex_done(&r->reload_lock);
    mem_free(r);
}

static void make_stats(struct rules *r)
{
    struct stats *s = r->opts.stats;

    r->evaluations = stats_counter(s, "rule_evaluations_total", "", "Rules evaluated.");
    r->failures =
        stats_counter(s, "rule_evaluation_failures_total", "", "Evaluations of rules that failed.");
    r->missed = stats_counter(s, "rule_group_iterations_missed_total", "",
                              "Evaluations of groups left out because one took too long.");
    r->samples = stats_counter(s, "rule_samples_total", "", "Samples stored by rules.");
    r->seconds = stats_timing(s, "rule_evaluation_seconds", "", "Time of a rule's evaluation.");
}

int rules_open(const struct rules_opts *opts, struct rules **ret, struct err *reterr)
{
    struct rules *r = mem_xcalloc(1, sizeof(*r));
    unsigned threads = opts->threads != 0 ? opts->threads : DEFAULT_THREADS;
    int rc;

    r->opts = *opts;
    r->opts.interval_ms = opts->interval_ms > 0 ? opts->interval_ms : DEFAULT_INTERVAL_MS;
    r->opts.timeout_ms = opts->timeout_ms > 0 ? opts->timeout_ms : DEFAULT_TIMEOUT_MS;
    r->opts.outage_tolerance_ms =
        opts->outage_tolerance_ms > 0 ? opts->outage_tolerance_ms : DEFAULT_TOLERANCE_MS;
    r->opts.for_grace_ms = opts->for_grace_ms > 0 ? opts->for_grace_ms : DEFAULT_GRACE_MS;
    r->opts.globs = NULL;
    mutex_init(&r->reload_lock, LOCK_RANK_AUTH);
    mutex_init(&r->lock, LOCK_RANK_INGEST);
    cond_init(&r->wake);
    cancel_init(&r->cancel, 0);
    make_stats(r);
    r->threads = mem_xcalloc(threads, sizeof(*r->threads));
    rc = rules_reload(r, opts->globs, opts->globs_n, reterr);
    while (rc == 0 && r->threads_n < threads) {
        rc = thread_start(&r->threads[r->threads_n], "rules", run, r);
        r->threads_n += rc == 0;
    }
    if (rc != 0) {
        rules_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

size_t rules_evaluate_all(struct rules *r, int64_t t_ms)
{
    size_t failed = 0;

    mutex_lock(&r->lock);
    pause_threads(r);
    mutex_unlock(&r->lock);
    for (size_t i = 0; i < r->groups.n; i++) {
        failed += group_evaluate(r, &r->groups.v[i], t_ms);
    }
    mutex_lock(&r->lock);
    r->paused = false;
    cond_broadcast(&r->wake);
    mutex_unlock(&r->lock);
    return failed;
}
