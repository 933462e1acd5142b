/* SPDX-License-Identifier: Apache-2.0
 *
 * Making roll-ups: a thread of lowest priority rolls up days at rest to 5m and 1h, and makes a day's again when
 * something came late to it; one pass over the raw samples (5m from 1m, 1h from 5m). 1m is made when a day's raw
 * parts go: beside them it would take as much room again and answer nothing sooner. Also what
 * retention and the disk budget take from the metrics, since a day is rolled up before its raw parts go.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/tsdb/rollup_internal.h"

enum {
    LATE_MS = 3600 * 1000, /* a day is at rest this long after its end, as for merges */
    ROUND_MS = 1000,
    AGAIN_FACTOR = 30, /* a day that has roll-ups already waits so many times longer for quiet */
    NICE = 15,
};

static bool stopping(struct tsdb *db)
{
    return atomic_load_explicit(&db->stop, memory_order_relaxed);
}

/* ---- one day ---- */

/** Which raw parts to roll up: from the first that no unrepeatable roll-up has (of such a day there is none but between
 * two looks at the lists). Leaves them at the front. */
static void choose_parts(struct rollup_make *m)
{
    const struct rollups *r = m->db->rollups;
    uint64_t from = 0;
    size_t kept = 0;

    rwlock_read(&m->db->parts_lock);
    for (int k = TSDB_1M; m->n != 0 && k < TSDB_TIERS; k++) {
        const part_list *l = &r->tiers[k].parts;

        for (size_t i = part_list_day(l->v, l->n, m->day);
             i < l->n && part_info(l->v[i])->day == m->day; i++) {
            const struct part_info *p = part_info(l->v[i]);

            if (p->seq_lo < part_info(m->parts[0])->seq_lo && p->seq_hi >= from) {
                from = p->seq_hi + 1;
            }
        }
    }
    rwlock_unlock(&m->db->parts_lock);
    for (size_t i = 0; i < m->n; i++) {
        if (part_info(m->parts[i])->seq_lo >= from) {
            struct part *p = m->parts[kept];

            m->parts[kept++] = m->parts[i];
            m->parts[i] = p;
        }
    }
    for (size_t i = kept; i < m->n; i++) {
        part_unref(m->parts[i]);
    }
    m->n = kept;
}

/** Is there a raw part of the day that tier k has not? */
static bool lacks(const struct rollup_make *m, const struct tier *t)
{
    bool all = true;

    rwlock_read(&m->db->parts_lock);
    for (size_t i = 0; all && i < m->n; i++) {
        all = part_list_covers(&t->parts, part_info(m->parts[i]));
    }
    rwlock_unlock(&m->db->parts_lock);
    return !all;
}

static int open_writers(struct rollup_make *m, const struct part_info *info, bool *ret_any,
                        struct err *reterr)
{
    struct rollups *r = m->db->rollups;
    int64_t now = clock_wall_ms();
    int rc = 0;

    *ret_any = false;
    for (int k = m->finest; rc == 0 && k < TSDB_TIERS; k++) {
        if (tier_expired(&r->tiers[k], m->day, now) || !lacks(m, &r->tiers[k])) {
            continue;
        }
        *ret_any = true;
        rc = rollup_make_open(m, k, info, reterr);
    }
    return rc;
}

static int roll_series(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    struct rollup_make *m = arg;
    int rc = rollup_fold(s, m->db->rollups->tiers[TSDB_1M].resolution_ms, rollup_is_counter(labels),
                         &m->levels[TSDB_1M]);

    return rc == 0 ? rollup_make_series(m, TSDB_1M, labels, s, true, reterr)
                   : err_set(reterr, ERR_NOMEM, "roll-up");
}

/** Coarsest first: what a coarser tier lacks a finer one can still answer. */
static int publish(struct rollup_make *m, uint64_t *ret_bytes, struct err *reterr)
{
    int rc = 0;

    for (int k = TSDB_TIERS - 1; rc == 0 && k >= TSDB_1M; k--) {
        if (m->writers[k] != NULL) {
            rc = rollup_make_finish(m, k, false, ret_bytes, reterr);
        }
    }
    return rc;
}

static int make_day(struct rollup_make *m, struct err *reterr)
{
    struct rollups *r = m->db->rollups;
    struct mono start = clock_mono();
    int64_t cpu = clock_thread_cpu_ns();
    uint64_t before = 0;
    uint64_t bytes = 0;
    struct part_info info = {.day = m->day};
    bool any = false;
    int rc = parts_snapshot(m->db, m->day * PART_DAY_MS, (m->day + 1) * PART_DAY_MS - 1, &m->parts,
                            &m->n);

    if (rc < 0) {
        return err_set(reterr, ERR_NOMEM, "list of parts");
    }
    choose_parts(m);
    if (m->n == 0) {
        return 0;
    }
    info.seq_lo = part_info(m->parts[0])->seq_lo;
    info.seq_hi = part_info(m->parts[m->n - 1])->seq_hi;
    rc = open_writers(m, &info, &any, reterr);
    if (rc < 0 || !any) {
        return rc;
    }
    rc = parts_walk(m->db, m->parts, m->n, &r->permille, roll_series, m, reterr);
    rc = rc == 0 ? publish(m, &bytes, reterr) : rc;
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < m->n; i++) {
        before += part_info(m->parts[i])->bytes;
    }
    counter_add(r->days, 1);
    timing_observe_ns(r->time, mono_since_ns(start));
    log_info("tsdb", "day rolled up", L_INT("day", m->day), L_INT("raw_bytes", before),
             L_INT("bytes", bytes), L_INT("ms", mono_since_ns(start) / 1000000),
             L_INT("cpu_ms", (clock_thread_cpu_ns() - cpu) / 1000000));
    return 1;
}

int rollup_day(struct tsdb *db, int64_t day, bool minutes, struct err *reterr)
{
    struct rollups *r = db->rollups;
    struct rollup_make m;
    int rc;

    rollup_make_init(&m, db, day, minutes ? TSDB_1M : TSDB_5M);
    mutex_lock(&r->make_lock);
    rollup_begin(r);
    rc = make_day(&m, reterr);
    rollup_make_done(&m);
    rollup_end_run(r, rc);
    mutex_unlock(&r->make_lock);
    return rc;
}

void rollup_begin(struct rollups *r)
{
    atomic_store_explicit(&r->permille, 0, memory_order_relaxed);
    atomic_store_explicit(&r->running, true, memory_order_relaxed);
}

void rollup_end_run(struct rollups *r, int rc)
{
    atomic_store_explicit(&r->running, false, memory_order_relaxed);
    if (rc > 0) {
        atomic_fetch_add_explicit(&r->runs, 1, memory_order_relaxed);
        atomic_store_explicit(&r->last_ms, clock_wall_ms(), memory_order_relaxed);
    } else if (rc < 0 && rc != -ERR_CANCELED) {
        atomic_fetch_add_explicit(&r->failures, 1, memory_order_relaxed);
        counter_add(r->errors, 1);
    }
}

/** Do 5m and 1h, which are made ahead, cover the day's raw parts? Under parts_lock. */
static bool covered_locked(const struct tsdb *db, int64_t day, int64_t now_ms)
{
    for (size_t i = part_list_day(db->parts.v, db->parts.n, day);
         i < db->parts.n && part_info(db->parts.v[i])->day == day; i++) {
        for (int k = TSDB_5M; k < TSDB_TIERS; k++) {
            const struct tier *t = &db->rollups->tiers[k];

            if (!tier_expired(t, day, now_ms) &&
                !part_list_covers(&t->parts, part_info(db->parts.v[i]))) {
                return false;
            }
        }
    }
    return true;
}

/* ---- the thread ---- */

static struct pending_day *pending_of(struct rollups *r, int64_t day)
{
    for (size_t i = 0; i < r->pending.n; i++) {
        if (r->pending.v[i].day == day) {
            return &r->pending.v[i];
        }
    }
    return vec_push(&r->pending, (struct pending_day){.day = day, .since = clock_mono()})
               ? &r->pending.v[r->pending.n - 1]
               : NULL;
}

/** Note a day that is not covered; a flush that adds to it starts its wait for quiet anew. */
static void note_day_locked(struct rollups *r, int64_t day, uint64_t seq_hi)
{
    struct pending_day *p = pending_of(r, day);
    const part_list *coarsest = &r->tiers[TSDB_1H].parts;
    size_t at = part_list_day(coarsest->v, coarsest->n, day);

    if (p == NULL) {
        return; /* out of memory: the next round */
    }
    if (p->seq_hi != seq_hi) {
        p->seq_hi = seq_hi;
        p->since = clock_mono();
    }
    p->again = at < coarsest->n && part_info(coarsest->v[at])->day == day;
    p->looked = true;
}

/** Bring the list of days that wait up to date. */
static void look(struct rollups *r)
{
    struct tsdb *db = r->db;
    int64_t now = clock_wall_ms();
    size_t kept = 0;

    for (size_t i = 0; i < r->pending.n; i++) {
        r->pending.v[i].looked = false;
    }
    rwlock_read(&db->parts_lock);
    for (size_t i = 0; i < db->parts.n;) {
        int64_t day = part_info(db->parts.v[i])->day;
        uint64_t hi = 0;

        for (; i < db->parts.n && part_info(db->parts.v[i])->day == day; i++) {
            hi = part_info(db->parts.v[i])->seq_hi;
        }
        if (now > (day + 1) * PART_DAY_MS + LATE_MS &&
            (rollup_is_lost_locked(db, day) || !covered_locked(db, day, now))) {
            note_day_locked(r, day, hi);
        }
    }
    rwlock_unlock(&db->parts_lock);
    for (size_t i = 0; i < r->pending.n; i++) {
        if (r->pending.v[i].looked) {
            r->pending.v[kept++] = r->pending.v[i];
        }
    }
    r->pending.n = kept;
    atomic_store_explicit(&r->waiting, kept, memory_order_relaxed);
}

static bool due(const struct rollups *r, const struct pending_day *p)
{
    return mono_since_ns(p->since) >=
           r->quiet_ms * (p->again ? AGAIN_FACTOR : 1) * (int64_t)1000000;
}

/** One day: from its raw parts, or those into the roll-ups of what is gone. */
static int roll_up(struct tsdb *db, int64_t day, bool minutes, struct err *reterr)
{
    bool lost;

    rwlock_read(&db->parts_lock);
    lost = rollup_is_lost_locked(db, day);
    rwlock_unlock(&db->parts_lock);
    return lost ? rollup_fold_late(db, day, reterr) : rollup_day(db, day, minutes, reterr);
}

static void roll_due_days(struct rollups *r)
{
    look(r);
    for (size_t i = 0; i < r->pending.n && !stopping(r->db); i++) {
        struct err e = {0};

        if (!due(r, &r->pending.v[i])) {
            continue;
        }
        r->pending.v[i].since = clock_mono(); /* and no sooner again */
        if (roll_up(r->db, r->pending.v[i].day, false, &e) < 0 && !stopping(r->db)) {
            static struct log_limit limit;
            int64_t suppressed;

            r->pending.v[i].since = clock_mono();
            r->pending.v[i].again = true;
            if (log_limit_pass(&limit, &suppressed)) {
                log_error("tsdb", "roll-up failed, will be tried again",
                          L_INT("day", r->pending.v[i].day), L_CSTR("error", e.msg),
                          L_INT("suppressed", suppressed));
            }
        }
    }
}

static void rollup_loop(void *arg)
{
    struct rollups *r = arg;
    struct tsdb *db = r->db;

    /* Of this thread only (setpriority(2), notes). */
    ignore_result(setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE), "no harm without");
    mutex_lock(&db->bg_lock);
    while (!db->closing) {
        (void)cond_wait_ms(&db->merge_wake, &db->bg_lock, ROUND_MS);
        mutex_unlock(&db->bg_lock);
        roll_due_days(r);
        mutex_lock(&db->bg_lock);
    }
    mutex_unlock(&db->bg_lock);
}

int rollups_start(struct tsdb *db)
{
    return thread_start(&db->rollups->thread, "tsdb-rollup", rollup_loop, db->rollups);
}

void rollups_join(struct tsdb *db)
{
    thread_join(&db->rollups->thread);
}

/* ---- retention ---- */

/** Oldest day of raw parts at or after `from`. @return false with none */
static bool next_raw_day(struct tsdb *db, int64_t from, int64_t *ret)
{
    size_t at;
    bool found;

    rwlock_read(&db->parts_lock);
    at = part_list_day(db->parts.v, db->parts.n, from);
    found = at < db->parts.n;
    *ret = found ? part_info(db->parts.v[at])->day : 0;
    rwlock_unlock(&db->parts_lock);
    return found;
}

static bool next_tier_day(struct tsdb *db, const struct tier *t, int64_t *ret)
{
    bool found;

    rwlock_read(&db->parts_lock);
    found = t->parts.n != 0;
    *ret = found ? part_info(t->parts.v[0])->day : 0;
    rwlock_unlock(&db->parts_lock);
    return found;
}

/** @param finest  only what this tier and all coarser ones cover; TSDB_RAW: everything */
static uint64_t drop_raw_day(struct tsdb *db, int64_t day, int finest, const char *why)
{
    uint64_t bytes;

    mutex_lock(&db->merge_lock);
    bytes = raw_drop_day_locked(db, day, finest, why);
    mutex_unlock(&db->merge_lock);
    return bytes;
}

/** Is an expired day ready to lose its raw parts? Not while samples come to it: the roll-up thread waits for quiet. */
static bool is_settled(struct tsdb *db, int64_t day, int64_t now_ms)
{
    bool settled;

    rwlock_read(&db->parts_lock);
    settled = !rollup_is_lost_locked(db, day) && covered_locked(db, day, now_ms);
    rwlock_unlock(&db->parts_lock);
    return settled;
}

void rollups_retention(struct tsdb *db, int64_t now_ms)
{
    struct rollups *r = db->rollups;
    int64_t from = INT64_MIN;
    int64_t day;

    while (!stopping(db) && next_raw_day(db, from, &day) &&
           tier_expired(&r->tiers[TSDB_RAW], day, now_ms)) {
        struct err e = {0};
        int rc = 0;

        from = day + 1;
        if (!is_settled(db, day, now_ms)) {
            continue;
        }
        rc = rollup_day(db, day, true, &e);
        if (rc < 0) { /* kept until it works; the budget may take it before */
            if (rc != -ERR_CANCELED) {
                log_warn("tsdb", "an expired day stays: it cannot be rolled up", L_INT("day", day),
                         L_CSTR("error", e.msg));
            }
            continue;
        }
        drop_raw_day(db, day, TSDB_1M, "retention");
    }
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        while (next_tier_day(db, &r->tiers[k], &day) && tier_expired(&r->tiers[k], day, now_ms)) {
            tier_drop_day(db, &r->tiers[k], day, "retention");
        }
    }
}

/* ---- the disk budget ---- */

/** Bytes that may go, by tier; raw: of days at rest only. */
static void bytes_by_tier(struct tsdb *db, uint64_t dst[TSDB_TIERS])
{
    int64_t now = clock_wall_ms();

    memset(dst, 0, TSDB_TIERS * sizeof(*dst));
    rwlock_read(&db->parts_lock);
    for (size_t i = 0; i < db->parts.n; i++) {
        const struct part_info *p = part_info(db->parts.v[i]);

        dst[TSDB_RAW] += now > (p->day + 1) * PART_DAY_MS + LATE_MS ? p->bytes : 0;
    }
    for (int k = TSDB_1M; k < TSDB_TIERS; k++) {
        for (size_t i = 0; i < db->rollups->tiers[k].parts.n; i++) {
            dst[k] += part_info(db->rollups->tiers[k].parts.v[i])->bytes;
        }
    }
    rwlock_unlock(&db->parts_lock);
}

/** Which tier gives its oldest day: the finest that holds at least half of itself and all coarser ones; so fine data
 * goes first, but never all of it for the sake of coarse data that nobody could zoom into. -1: none */
int tsdb_tier_to_shrink(const uint64_t bytes[TSDB_TIERS])
{
    uint64_t coarser = 0;
    int last = -1;

    for (int k = TSDB_TIERS - 1; k >= TSDB_RAW; k--) {
        if (bytes[k] != 0 && (last < 0 || bytes[k] >= coarser)) {
            last = k;
        }
        coarser += bytes[k];
    }
    return last;
}

static uint64_t day_bytes(struct tsdb *db, int tier, int64_t day)
{
    uint64_t bytes = 0;
    struct part *const *v;
    size_t n;

    rwlock_read(&db->parts_lock);
    v = tier == TSDB_RAW ? db->parts.v : db->rollups->tiers[tier].parts.v;
    n = tier == TSDB_RAW ? db->parts.n : db->rollups->tiers[tier].parts.n;
    for (size_t i = part_list_day(v, n, day); i < n && part_info(v[i])->day == day; i++) {
        bytes += part_info(v[i])->bytes;
    }
    rwlock_unlock(&db->parts_lock);
    return bytes;
}

bool tsdb_shrink_next(struct tsdb *db, struct tsdb_shrink *ret)
{
    static const char *const REASONS[TSDB_TIERS] = {
        "raw samples go first; the day is rolled up and stays at 1m, 5m and 1h",
        "raw days are fewer bytes than roll-ups; 5m and 1h of the day stay",
        "finer data is fewer bytes than this; 1h of the day stays",
        "only the coarsest roll-up is left to give"};
    struct rollups *r = db->rollups;
    uint64_t bytes[TSDB_TIERS];
    struct tsdb_shrink s = {0};
    int k;
    bool found;

    bytes_by_tier(db, bytes);
    k = tsdb_tier_to_shrink(bytes);
    s.open_day = k < 0;
    k = k < 0 ? TSDB_RAW : k; /* nothing else: the oldest day that still grows */
    found = k == TSDB_RAW ? next_raw_day(db, INT64_MIN, &s.day)
                          : next_tier_day(db, &r->tiers[k], &s.day);
    s.tier = (enum tsdb_tier_id)k;
    s.bytes = found ? day_bytes(db, k, s.day) : 0;
    s.reason = s.open_day ? "there is nothing else of metrics" : REASONS[k];
    *ret = s;
    return found;
}

uint64_t tsdb_shrink(struct tsdb *db, bool must, struct tsdb_shrink *ret, struct err *reterr)
{
    struct rollups *r = db->rollups;
    struct tsdb_shrink s;
    uint64_t bytes;
    int finest = TSDB_1M;
    int rc = 0;

    if (!tsdb_shrink_next(db, &s)) {
        return 0;
    }
    *ret = s;
    if (s.tier != TSDB_RAW) {
        return tier_drop_day(db, &r->tiers[s.tier], s.day, "disk budget");
    }
    if (s.open_day) {
        return drop_raw_day(db, s.day, TSDB_RAW, "disk budget");
    }
    rc = roll_up(db, s.day, true, reterr);
    if (rc < 0 &&
        rc != -ERR_CANCELED) { /* no room for 1m, maybe; the others are small or there already */
        finest = TSDB_5M;
        rc = roll_up(db, s.day, false, reterr);
    }
    if (rc < 0 && (!must || rc == -ERR_CANCELED)) {
        return 0;
    }
    if (rc < 0) {
        finest = TSDB_RAW;
        log_error("tsdb", "a day goes without a roll-up: there is no room to make one",
                  L_INT("day", s.day));
    }
    ignore_result(drop_raw_day(db, s.day, finest, "disk budget"), "a late day's went when folded");
    bytes = day_bytes(db, TSDB_RAW, s.day);
    return s.bytes > bytes ? s.bytes - bytes : 0;
}

void tsdb_cancel_background(struct tsdb *db)
{
    atomic_store_explicit(&db->stop, true, memory_order_relaxed);
}

/** For tests and benches: everything at rest, now. */
int tsdb_rollup_now(struct tsdb *db, bool minutes, struct err *reterr)
{
    int64_t from = INT64_MIN;
    int64_t day;
    int done = 0;

    while (next_raw_day(db, from, &day)) {
        int rc = clock_wall_ms() > (day + 1) * PART_DAY_MS ? roll_up(db, day, minutes, reterr) : 0;

        if (rc < 0) {
            return rc;
        }
        done += rc;
        from = day + 1;
    }
    return done;
}
