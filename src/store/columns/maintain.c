/* SPDX-License-Identifier: Apache-2.0
 *
 * The background thread (flush by size and age, merges, retention) and what others may ask for: flush,
 * compact, drop. One of these runs at a time, under the maintenance lock.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/columns/columns_internal.h"
#include "store/columns/part.h"

enum {
    WAKE_MS = 1000,
    QUICK_ROWS =
        16384, /* as many are not kept in memory for longer than QUICK_MS: blocks are searched faster */
    QUICK_MS = 1000,
    IDLE_ROWS = 1024, /* nor are as many once no more come for IDLE_MS */
    IDLE_MS = 2000,
    RETRY_MS = 5000, /* after a failed flush or merge */
    RETENTION_MS = 60 * 1000,
};

bool columns_stopping(struct columns *c)
{
    bool stop;

    mutex_lock(&c->lock);
    stop = c->stop;
    mutex_unlock(&c->lock);
    return stop;
}

void job_begin(struct columns *c, enum columns_job_kind kind)
{
    mutex_lock(&c->lock);
    c->jobs[kind].running = true;
    c->jobs[kind].progress = 0;
    mutex_unlock(&c->lock);
}

void job_progress(struct columns *c, enum columns_job_kind kind, double progress)
{
    mutex_lock(&c->lock);
    c->jobs[kind].progress = progress;
    mutex_unlock(&c->lock);
}

void job_end(struct columns *c, enum columns_job_kind kind, bool ok, int64_t duration_ns)
{
    mutex_lock(&c->lock);
    c->jobs[kind].running = false;
    c->jobs[kind].progress = 1;
    c->jobs[kind].last_duration_ms = duration_ns / 1000000;
    c->jobs[kind].runs++;
    c->jobs[kind].failures += ok ? 0 : 1;
    mutex_unlock(&c->lock);
}

size_t columns_jobs(struct columns *c, struct columns_job dst[COLUMNS_JOBS])
{
    static const char *const NAMES[JOB_COUNT] = {"flush", "merge", "retention", "delete"};

    _Static_assert((int)JOB_COUNT == (int)COLUMNS_JOBS, "one name and one slot per job");
    mutex_lock(&c->lock);
    for (size_t i = 0; i < JOB_COUNT; i++) {
        dst[i] = (struct columns_job){.name = NAMES[i],
                                      .running = c->jobs[i].running,
                                      .progress = c->jobs[i].progress,
                                      .last_duration_ms = c->jobs[i].last_duration_ms,
                                      .runs = c->jobs[i].runs,
                                      .failures = c->jobs[i].failures};
    }
    mutex_unlock(&c->lock);
    return JOB_COUNT;
}

int columns_flush(struct columns *c, struct err *reterr)
{
    int rc;

    mutex_lock(&c->maintenance);
    rc = columns_flush_locked(c, reterr);
    mutex_unlock(&c->maintenance);
    return rc;
}

int columns_compact(struct columns *c, struct err *reterr)
{
    int rc;

    mutex_lock(&c->maintenance);
    rc = columns_flush_locked(c, reterr);
    rc = rc < 0 ? rc : columns_merge_locked(c, true, reterr);
    mutex_unlock(&c->maintenance);
    return rc < 0 ? rc : 0;
}

/* Drop `only`, or (NULL) all parts whose rows are wholly older than `before_ns`. */
static int drop_parts(struct columns *c, int64_t before_ns, const struct part *only,
                      struct err *reterr)
{
    struct part **old = mem_try_calloc(c->parts.n + 1, sizeof(struct part *));
    struct change ch = {.remove = old};
    int rc = 0;

    if (old == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to drop parts of %s", c->opts.dir);
    }
    for (size_t i = 0; i < c->parts.n; i++) { /* only changes with maintenance held */
        struct part *p = c->parts.v[i];

        if (only != NULL ? p == only : part_max_ns(p) < before_ns) {
            old[ch.remove_n++] = p;
        }
    }
    if (ch.remove_n != 0) {
        uint64_t n = ch.remove_n;

        rc = columns_publish(c, &ch, reterr);
        if (rc == 0) {
            counter_add(c->stats.expired_parts, n);
        }
    }
    mem_free(old);
    return rc;
}

static void retention(struct columns *c)
{
    struct err err = {0};
    struct mono start = clock_mono();
    int64_t before_ns;
    int rc;

    if (c->opts.retention_ms == 0) {
        return;
    }
    before_ns = (clock_wall_ms() - c->opts.retention_ms) * 1000000;
    job_begin(c, JOB_RETENTION);
    mutex_lock(&c->maintenance);
    rc = drop_parts(c, before_ns, NULL, &err);
    mutex_unlock(&c->maintenance);
    job_end(c, JOB_RETENTION, rc == 0, mono_since_ns(start));
    if (rc < 0) {
        log_warn("columns", "expired parts could not be dropped", L_CSTR("dir", c->opts.dir),
                 L_CSTR("error", err.msg));
    }
}

/* Not the whole day: on a busy machine the budget may hold less than one. `lock` or `maintenance` held. */
static const struct part *oldest_part(const struct columns *c)
{
    const struct part *oldest = NULL;

    for (size_t i = 0; i < c->parts.n && part_day(c->parts.v[i]) == part_day(c->parts.v[0]); i++) {
        const struct part *p = c->parts.v[i];

        oldest = oldest == NULL || part_max_ns(p) < part_max_ns(oldest) ? p : oldest;
    }
    return oldest;
}

int64_t columns_oldest_part_ns(struct columns *c, uint64_t *ret_bytes)
{
    const struct part *p;
    int64_t newest;

    mutex_lock(&c->lock);
    p = oldest_part(c);
    newest = p != NULL ? part_max_ns(p) : INT64_MAX;
    *ret_bytes = p != NULL ? part_bytes(p) : 0;
    mutex_unlock(&c->lock);
    return newest;
}

int columns_drop_oldest_part(struct columns *c, struct err *reterr)
{
    int rc = 0;

    mutex_lock(&c->maintenance);
    if (c->parts.n != 0) {
        rc = drop_parts(c, 0, oldest_part(c), reterr);
    }
    mutex_unlock(&c->maintenance);
    return rc;
}

/* @return false after a failure */
static bool run_flush(struct columns *c)
{
    static struct log_limit limit;
    struct err err = {0};
    int64_t suppressed;

    if (columns_flush(c, &err) == 0) {
        return true;
    }
    if (log_limit_pass(&limit, &suppressed)) {
        log_error("columns", "flush failed, rows stay in memory and in the WAL",
                  L_CSTR("dir", c->opts.dir), L_CSTR("error", err.msg),
                  L_INT("suppressed", suppressed));
    }
    return false;
}

static bool run_merge(struct columns *c)
{
    static struct log_limit limit;
    struct err err = {0};
    int64_t suppressed;
    int rc;

    mutex_lock(&c->maintenance);
    rc = columns_merge_locked(c, false, &err);
    mutex_unlock(&c->maintenance);
    if (rc < 0 && rc != -ERR_CANCELED && log_limit_pass(&limit, &suppressed)) {
        log_error("columns", "merge failed", L_CSTR("dir", c->opts.dir), L_CSTR("error", err.msg),
                  L_INT("suppressed", suppressed));
    }
    return rc >= 0;
}

static bool flush_due(struct columns *c)
{
    const struct mem_gen *g = c->active;
    int64_t now = clock_mono().ns;
    int64_t age_ms = (now - g->created_ns) / 1000000;

    return c->flush_wanted || c->sealed.n != 0 ||
           (g->rows != 0 && age_ms > c->opts.flush_interval_ms) ||
           (g->rows >= QUICK_ROWS && age_ms > QUICK_MS) ||
           (g->rows >= IDLE_ROWS && (now - g->touched_ns) / 1000000 > IDLE_MS);
}

void columns_background(void *arg)
{
    struct columns *c = arg;
    struct mono next_retention = clock_mono();
    struct mono retry = {0};

    mutex_lock(&c->lock);
    while (!c->stop) {
        bool due = clock_mono().ns >= retry.ns;
        bool flush = due && flush_due(c);
        bool rewrite = due && c->rewrite_wanted;
        bool ok = true;

        if (!flush && !rewrite && clock_mono().ns < next_retention.ns) {
            cond_wait_ms(&c->work, &c->lock, due ? WAKE_MS : RETRY_MS / 5);
            continue;
        }
        c->rewrite_wanted = c->rewrite_wanted && !rewrite;
        mutex_unlock(&c->lock);
        if (flush || rewrite) {
            ok = (!flush || run_flush(c)) && run_merge(c);
        }
        if (clock_mono().ns >= next_retention.ns) {
            retention(c);
            next_retention = mono_add_ms(clock_mono(), RETENTION_MS);
        }
        if (!ok) {
            retry = mono_add_ms(clock_mono(), RETRY_MS);
        }
        mutex_lock(&c->lock);
        c->rewrite_wanted = c->rewrite_wanted || (rewrite && !ok);
    }
    mutex_unlock(&c->lock);
}
