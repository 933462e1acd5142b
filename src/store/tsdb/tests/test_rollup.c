/* SPDX-License-Identifier: Apache-2.0
 *
 * Roll-ups against the samples they were made of: every aggregate over aligned windows, counters with resets inside
 * buckets, gaps, stale markers, late samples, crashes in the middle, retention and the disk budget.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/tombstones.h"

enum { MINUTE = 60000, HOUR = 3600000, DAY = 86400000, SERIES = 6, DAYS = 3 };

static const int64_t RESOLUTIONS[] = {MINUTE, 5 * MINUTE, HOUR};

struct fixture {
    char dir[64];
    struct tsdb *db;
    struct tsdb_opts opts;
    struct tsdb_batch *batch;
    int64_t day0; /* first of DAYS days that have ended */
    uint64_t seed;
    struct samples truth[SERIES]; /* what was put in */
};

static void open_db(struct fixture *f)
{
    struct err e = {0};

    f->opts.dir = f->dir;
    f->opts.rollup_quiet_ms = (int64_t)1 << 31; /* never by itself */
    if (tsdb_open(&f->opts, &f->db, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
    f->batch = tsdb_batch_new(f->db);
}

static void close_db(struct fixture *f, bool crash)
{
    tsdb_batch_free(f->batch);
    if (crash) {
        tsdb_close_unflushed(f->db);
    } else {
        tsdb_close(f->db);
    }
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_rollup.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->day0 = day_of(clock_wall_ms()) - DAYS - 3;
    f->seed = 7;
    open_db(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    close_db(f, false);
    for (int i = 0; i < SERIES; i++) {
        samples_done(&f->truth[i]);
    }
    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    mem_free(f);
    return 0;
}

static double uniform(struct fixture *f)
{
    return (double)(random_next(&f->seed) >> 11) / 9007199254740992.0;
}

/* Series 0 is a counter by name, 1 by behaviour, the others are gauges. */
static struct series_ref series_named(struct fixture *f, int i)
{
    char name[16];
    struct label v[] = {{STR(LABEL_NAME), {name, 0}}};
    struct series_ref ref;

    snprintf(name, sizeof(name), i == 0 ? "m%d_total" : "m%d", i);
    v[0].value = str_cstr(name);
    assert_int_equal(tsdb_intern(f->db, (struct labels){v, 1}, NULL, &ref, NULL), 0);
    return ref;
}

static void put(struct fixture *f, int i, int64_t t, double v)
{
    struct samples *s = &f->truth[i];

    assert_int_equal(tsdb_batch_add(f->batch, series_named(f, i), t, v), 0);
    assert_true(samples_reserve(s, s->n + 1));
    s->t_ms[s->n] = t;
    s->v[s->n++] = v;
}

static void commit(struct fixture *f)
{
    struct tsdb_commit c;

    assert_int_equal(tsdb_batch_commit(f->batch, &c, NULL), 0);
    assert_int_equal(c.rejected[0] + c.rejected[1] + c.rejected[2], 0);
}

/** Counters with resets, integers, decimals, irregular times with gaps, times on bucket ends, NaN and markers. */
static void fill(struct fixture *f)
{
    int64_t start = f->day0 * DAY;
    int64_t end = start + (int64_t)DAYS * DAY;
    double counter[2] = {0, 0};
    double walk = 100;

    for (int64_t t = start; t <= end; t += 15000) {
        for (int i = 0; i < 2; i++) {
            counter[i] = uniform(f) < (i == 0 ? 0.002 : 0.0003)
                             ? uniform(f) * 3
                             : counter[i] + floor(uniform(f) * 20);
            put(f, i, t + (i == 0 ? 0 : 7), counter[i]);
        }
        walk += floor(uniform(f) * 11) - 5;
        put(f, 2, t, walk);
        if (t / HOUR % 5 != 2) { /* an hour's gap every five */
            put(f, 3, t + (int64_t)(uniform(f) * 14000), round(uniform(f) * 1e5) / 1e3);
        }
        if (t % HOUR == 30 * MINUTE) {
            put(f, 4, t, sample_stale());
        } else if (t % HOUR < 30 * MINUTE) {
            put(f, 4, t, uniform(f) < 0.05 ? (double)NAN : uniform(f));
        }
        if (t % MINUTE == 0) { /* on bucket ends only, midnights too */
            put(f, 5, t, floor(uniform(f) * 1000));
        }
        if (t % HOUR == 0) {
            commit(f);
        }
    }
    commit(f);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
}

/* ---- asking ---- */

static struct series_selection *ask(struct fixture *f, int i, enum series_need need, int64_t range,
                                    int64_t step, int64_t min, int64_t max)
{
    char name[16];
    struct matcher *m = NULL;
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s = NULL;
    struct series_query q = {.matchers = (const struct matcher *const *)&m,
                             .matchers_n = 1,
                             .min_ms = min,
                             .max_ms = max,
                             .hint = {need, range, step}};

    snprintf(name, sizeof(name), i == 0 ? "m%d_total" : "m%d", i);
    assert_int_equal(matcher_new(MATCH_EQ, STR(LABEL_NAME), str_cstr(name), &m, NULL), 0);
    assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
    matcher_free(m);
    return s;
}

static void read_back(struct fixture *f, int i, enum series_need need, int64_t min, int64_t max,
                      struct samples *dst, struct samples *counts)
{
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s =
        ask(f, i, need, 0, 1, min, max); /* raw samples while there are any */
    struct err e = {0};

    dst->n = 0;
    if (src.ops->count(s) == 0) {
        src.ops->free(s);
        return;
    }
    assert_int_equal(src.ops->count(s), 1);
    if (src.ops->read(s, 0, dst, &e) != 0 ||
        (counts != NULL && src.ops->read_counts(s, 0, counts, &e) != 0)) {
        fail_msg("read: %s", e.msg);
    }
    for (size_t k = 1; k < dst->n; k++) {
        assert_true(dst->t_ms[k] > dst->t_ms[k - 1]);
    }
    src.ops->free(s);
}

static int64_t coarsest(struct fixture *f, enum series_need need, int64_t range, int64_t step,
                        int64_t min, int64_t max)
{
    struct series_resolution r[SERIES_RESOLUTIONS];
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s =
        ask(f, need == SERIES_NEED_COUNTER ? 0 : 2, need, range, step, min, max);
    size_t n = src.ops->resolutions(s, r);
    int64_t most = 0;

    for (size_t i = 0; i < n; i++) {
        most = r[i].resolution_ms > most ? r[i].resolution_ms : most;
    }
    src.ops->free(s);
    return most;
}

/** Over (lo, hi]; for COUNT of read-back values the sum. @return NaN for none */
static double reduce(const struct samples *s, enum series_need need, bool rolled, int64_t lo,
                     int64_t hi)
{
    double r = (double)NAN;
    double last = 0;
    bool any = false;

    for (size_t i = 0; i < s->n; i++) {
        double v = s->v[i];

        if (s->t_ms[i] <= lo || s->t_ms[i] > hi || sample_is_stale(v)) {
            continue;
        }
        switch (need) {
        case SERIES_NEED_MIN:
            r = !any || v < r || isnan(r) ? v : r;
            break;
        case SERIES_NEED_MAX:
            r = !any || v > r || isnan(r) ? v : r;
            break;
        case SERIES_NEED_SUM:
            r = any ? r + v : v;
            break;
        case SERIES_NEED_COUNT:
            r = (any ? r : 0) + (rolled ? v : 1);
            break;
        case SERIES_NEED_COUNTER: /* increase from the first sample on */
            r = !any ? 0 : r + (v < last ? v : v - last);
            last = v;
            break;
        default:
            r = v;
            break;
        }
        any = true;
    }
    return r;
}

/* Of the counter by name (series 0) smallest values and sums are about right. */
static double tolerance(int i, enum series_need need)
{
    bool about =
        i == 0 && (need == SERIES_NEED_MIN || need == SERIES_NEED_SUM || need == SERIES_NEED_AVG);

    return about ? ROLLUP_ESTIMATE_ERROR : 1e-9;
}

static void assert_near(double got, double want, double share, const char *what, int64_t t)
{
    bool same = (isnan(got) && isnan(want)) || fabs(got - want) <= share * fmax(1, fabs(want));

    if (!same) {
        fail_msg("%s at %lld: %.17g, want %.17g", what, (long long)t, got, want);
    }
}

/** Every aggregate over windows of whole buckets is what the samples give. */
static void check_windows(struct fixture *f, int64_t resolution)
{
    static const struct {
        enum series_need need;
        const char *name;
    } NEEDS[] = {{SERIES_NEED_MIN, "min"},
                 {SERIES_NEED_MAX, "max"},
                 {SERIES_NEED_SUM, "sum"},
                 {SERIES_NEED_COUNT, "count"},
                 {SERIES_NEED_LAST, "last"}};

    int64_t start = f->day0 * DAY;
    int64_t end = start + (int64_t)DAYS * DAY;
    struct samples got = {0};
    struct samples counts = {0};

    for (int i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < ARRAY_LEN(NEEDS); k++) {
            read_back(f, i, NEEDS[k].need, start, end, &got, NULL);
            assert_true(got.n != 0);
            for (int64_t t = start + 3 * resolution; t <= end; t += 7 * resolution) {
                int64_t range = resolution * (1 + (t / resolution) % 3);

                assert_near(reduce(&got, NEEDS[k].need, true, t - range, t),
                            reduce(&f->truth[i], NEEDS[k].need, false, t - range, t),
                            tolerance(i, NEEDS[k].need), NEEDS[k].name, t);
            }
        }
        read_back(f, i, SERIES_NEED_AVG, start, end, &got, &counts);
        for (int64_t t = start + 3 * resolution; t <= end; t += 5 * resolution) {
            int64_t lo = t - 3 * resolution;

            assert_near(reduce(&got, SERIES_NEED_SUM, true, lo, t) /
                            reduce(&counts, SERIES_NEED_COUNT, true, lo, t),
                        reduce(&f->truth[i], SERIES_NEED_SUM, false, lo, t) /
                            reduce(&f->truth[i], SERIES_NEED_COUNT, false, lo, t),
                        tolerance(i, SERIES_NEED_AVG), "avg", t);
        }
    }
    samples_done(&got);
    samples_done(&counts);
}

/** From a bucket's last sample to another's the increase is exact, however many resets lie between. */
static void check_counters(struct fixture *f, int64_t resolution)
{
    int64_t start = f->day0 * DAY;
    int64_t end = start + (int64_t)DAYS * DAY;
    struct samples got = {0};

    for (int i = 0; i < 2; i++) {
        const struct samples *s = &f->truth[i];

        read_back(f, i, SERIES_NEED_COUNTER, start, end, &got, NULL);
        for (int64_t t = start + resolution; t + 20 * resolution <= end; t += 3 * resolution) {
            int64_t hi = t + 20 * resolution;
            int64_t first = INT64_MAX; /* the first point's own time */

            for (size_t k = 0; k < got.n && first == INT64_MAX; k++) {
                first = got.t_ms[k] > t ? got.t_ms[k] : first;
            }
            assert_near(reduce(&got, SERIES_NEED_COUNTER, true, t, hi),
                        reduce(s, SERIES_NEED_COUNTER, false, first - 1, hi), 1e-9, "increase", t);
        }
    }
    samples_done(&got);
}

static void drop_raw(struct fixture *f)
{
    for (int64_t d = f->day0; d <= f->day0 + DAYS; d++) {
        mutex_lock(&f->db->merge_lock);
        raw_drop_day_locked(f->db, d, TSDB_RAW, "test");
        mutex_unlock(&f->db->merge_lock);
    }
}

static void drop_tier(struct fixture *f, enum tsdb_tier_id k)
{
    for (int64_t d = f->day0; d <= f->day0 + DAYS; d++) {
        tier_drop_day(f->db, &f->db->rollups->tiers[k], d, "test");
    }
}

static void reopen(struct fixture *f, bool crash)
{
    close_db(f, crash);
    open_db(f);
}

/* ---- tests ---- */

static void test_every_tier_is_what_the_samples_give(void **state)
{
    struct fixture *f = *state;
    int64_t start = f->day0 * DAY;

    fill(f);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), 0); /* all there */
    assert_int_equal(coarsest(f, SERIES_NEED_SAMPLES, 0, 0, start, start + DAY), 0);
    drop_raw(f);
    for (size_t k = 0; k < ARRAY_LEN(RESOLUTIONS); k++) {
        assert_int_equal(coarsest(f, SERIES_NEED_SAMPLES, 0, 0, start, start + DAY),
                         RESOLUTIONS[k]);
        check_windows(f, RESOLUTIONS[k]);
        check_counters(f, RESOLUTIONS[k]);
        reopen(f, false);
        check_windows(f, RESOLUTIONS[k]);
        drop_tier(f, (enum tsdb_tier_id)(TSDB_1M + k));
    }
    assert_int_equal(coarsest(f, SERIES_NEED_SAMPLES, 0, 0, start, start + DAY), 0);
}

/** Raw for the newest day, finer tiers before it: one answer without gap, overlap or a reset that was none. */
static void test_tiers_are_stitched(void **state)
{
    struct fixture *f = *state;

    fill(f);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);
    mutex_lock(&f->db->merge_lock);
    raw_drop_day_locked(f->db, f->day0, TSDB_RAW, "test");
    raw_drop_day_locked(f->db, f->day0 + 1, TSDB_RAW, "test");
    mutex_unlock(&f->db->merge_lock);
    tier_drop_day(f->db, &f->db->rollups->tiers[TSDB_1M], f->day0, "test");
    check_windows(f, 5 * MINUTE);
    check_counters(f, 5 * MINUTE);
    tier_drop_day(f->db, &f->db->rollups->tiers[TSDB_5M], f->day0, "test");
    check_windows(f, HOUR);
    check_counters(f, HOUR);
}

static void test_long_queries_take_tiers_only_where_they_are_exact(void **state)
{
    struct fixture *f = *state;
    int64_t lo = f->day0 * DAY;
    int64_t hi = lo + (int64_t)DAYS * DAY;

    fill(f);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);

    /* need, window, step, min, max -> coarsest buckets read */
    const struct {
        enum series_need need;
        int64_t range, step, min, max, want;
    } cases[] = {
        {SERIES_NEED_AVG, HOUR, 5 * HOUR, lo, hi, HOUR},
        {SERIES_NEED_AVG, HOUR, 4 * HOUR, lo, hi, 5 * MINUTE},
        {SERIES_NEED_AVG, HOUR, 10 * MINUTE, lo, hi, MINUTE},
        {SERIES_NEED_AVG, HOUR, 4 * MINUTE, lo, hi, 0},      /* step too short */
        {SERIES_NEED_AVG, HOUR, 5 * HOUR, hi - DAY, hi, 0},  /* range too short */
        {SERIES_NEED_AVG, HOUR, 5 * HOUR, lo, hi - 1000, 0}, /* not aligned */
        {SERIES_NEED_AVG, HOUR, 5 * HOUR, lo, hi - 2 * MINUTE, MINUTE},
        {SERIES_NEED_LAST, 0, 5 * HOUR, lo, hi, HOUR},
        {SERIES_NEED_COUNTER, 10 * HOUR, 5 * HOUR, lo, hi - 1000, HOUR},
        {SERIES_NEED_COUNTER, HOUR, 5 * HOUR, lo, hi, 5 * MINUTE},
        {SERIES_NEED_SAMPLES, 10 * HOUR, 5 * HOUR, lo, hi, 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t got =
            coarsest(f, cases[i].need, cases[i].range, cases[i].step, cases[i].min, cases[i].max);

        if (got != cases[i].want) {
            fail_msg("case %zu: %lld, want %lld", i, (long long)got, (long long)cases[i].want);
        }
    }
    { /* sums of counters are about right only: not where raw samples are */
        struct series_source src = tsdb_source(f->db);
        struct series_resolution r[SERIES_RESOLUTIONS];
        struct series_selection *s = ask(f, 0, SERIES_NEED_AVG, HOUR, 5 * HOUR, lo, hi);

        assert_int_equal(src.ops->resolutions(s, r), 0);
        src.ops->free(s);
    }
    f->opts.rollups = TSDB_ROLLUPS_FALLBACK;
    reopen(f, false);
    assert_int_equal(coarsest(f, SERIES_NEED_AVG, HOUR, 5 * HOUR, lo, hi), 0);
}

/** Samples that come to a rolled-up day are seen at once, and the day is made again from all of them. */
static void test_late_samples(void **state)
{
    struct fixture *f = *state;
    int64_t t = f->day0 * DAY + 90 * MINUTE + 1000;
    int64_t hi = f->day0 * DAY + 2 * HOUR;
    struct samples got = {0};

    put(f, 2, t, 10);
    commit(f);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), 1);
    put(f, 2, t + 1000, 50);
    commit(f);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), 1); /* again, from both */
    drop_raw(f);
    read_back(f, 2, SERIES_NEED_SUM, t - HOUR, hi, &got, NULL);
    assert_int_equal(got.n, 1);
    assert_true(got.v[0] == 60 && got.t_ms[0] == t - 1000 + MINUTE);

    put(f, 2, t + 2000, 7); /* the others' samples are gone: from the head ... */
    commit(f);
    read_back(f, 2, SERIES_NEED_SUM, t - HOUR, hi, &got, NULL);
    assert_true(got.n == 1 && got.v[0] == 67);
    assert_int_equal(tsdb_flush(f->db, NULL), 0); /* ... from a part not rolled up ... */
    read_back(f, 2, SERIES_NEED_SUM, t - HOUR, hi, &got, NULL);
    assert_true(got.n == 1 && got.v[0] == 67);
    read_back(f, 2, SERIES_NEED_LAST, t - HOUR, hi, &got, NULL);
    assert_true(got.n == 2 && got.v[1] == 7 && got.t_ms[1] == t + 2000); /* 50 fell to 7 */
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), 1); /* ... and from a roll-up of its own */
    reopen(f, false);
    drop_raw(f);
    read_back(f, 2, SERIES_NEED_SUM, t - HOUR, hi, &got, NULL);
    assert_true(got.n == 1 && got.v[0] == 67);
    read_back(f, 2, SERIES_NEED_COUNT, t - HOUR, hi, &got, NULL);
    assert_true(got.n == 1 && got.v[0] == 3);

    reopen(f, false); /* flush numbers go on above those only roll-ups have */
    put(f, 2, t + 3000, 1);
    commit(f);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    read_back(f, 2, SERIES_NEED_SUM, t - HOUR, hi, &got, NULL);
    assert_true(got.n == 1 && got.v[0] == 68);
    samples_done(&got);
}

static void test_an_interrupted_roll_up_is_made_again(void **state)
{
    struct fixture *f = *state;
    struct tier *t = &f->db->rollups->tiers[TSDB_5M];
    struct part_info info;
    struct part_writer *w = NULL;
    char *tmp;

    fill(f);
    info = (struct part_info){.day = f->day0, .seq_lo = 1, .seq_hi = 1};
    tmp = parts_path(t->dir, &info, ".tmp"); /* as a crash leaves it */
    assert_int_equal(part_writer_new(vfs_real(), tmp, &info, &w, NULL), 0);
    reopen(f, true);
    assert_int_not_equal(access(tmp, F_OK), 0);
    part_writer_free(w);
    mem_free(tmp);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);
    /* Two of three tiers published, then a crash: the third is made alone. */
    drop_tier(f, TSDB_1M);
    reopen(f, true);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);
    drop_raw(f);
    check_windows(f, MINUTE);
}

/** A drop of raw parts that a crash interrupted is ended at the next start; the roll-up stays. */
static void test_an_interrupted_drop_is_ended(void **state)
{
    struct fixture *f = *state;
    int64_t t = f->day0 * DAY + HOUR;
    struct samples got = {0};
    struct part *first;

    put(f, 2, t, 1);
    commit(f);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    put(f, 2, t + 1000, 2);
    commit(f);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), 1);
    mutex_lock(&f->db->merge_lock);
    if (f->db->parts.n == 2) { /* not merged meanwhile */
        first = f->db->parts.v[0];
        assert_int_equal(parts_replace(f->db, &first, 1, NULL), 0);
    }
    mutex_unlock(&f->db->merge_lock);
    reopen(f, true);
    read_back(f, 2, SERIES_NEED_SUM, t - HOUR, t + HOUR, &got, NULL);
    assert_true(got.n >= 1 && reduce(&got, SERIES_NEED_SUM, true, t - HOUR, t + HOUR) == 3);
    samples_done(&got);
}

static void test_retention_by_tier(void **state)
{
    struct fixture *f = *state;
    struct tsdb_tier tiers[TSDB_TIERS];
    int64_t now = clock_wall_ms();

    fill(f);
    f->opts.retention_ms = (int64_t)(DAYS + 5) * DAY;
    f->opts.rollup_retention_ms[0] = (int64_t)(DAYS + 10) * DAY;
    f->opts.rollup_retention_ms[1] = (int64_t)(DAYS + 20) * DAY;
    reopen(f, false);
    assert_true(tsdb_rollup_now(f->db, false, NULL) > 0); /* as the thread does of a day at rest */
    rollups_retention(f->db, now + 3 * (int64_t)DAY);
    tsdb_tiers(f->db, tiers);
    assert_true(tiers[TSDB_RAW].parts != 0); /* the newer days */
    assert_true(tiers[TSDB_1M].parts != 0);  /* made before the raw days went */
    rollups_retention(f->db, now + 6 * (int64_t)DAY);
    tsdb_tiers(f->db, tiers);
    assert_int_equal(tiers[TSDB_RAW].parts, 0);
    assert_int_equal(tiers[TSDB_1M].parts, DAYS + 1);
    rollups_retention(f->db, now + 12 * (int64_t)DAY);
    tsdb_tiers(f->db, tiers);
    assert_int_equal(tiers[TSDB_1M].parts, 0);
    assert_int_equal(tiers[TSDB_5M].parts, DAYS + 1);
    rollups_retention(f->db, now + 400 * (int64_t)DAY);
    tsdb_tiers(f->db, tiers);
    assert_int_equal(tiers[TSDB_5M].parts, 0);
    assert_int_equal(tiers[TSDB_1H].parts, DAYS + 1); /* 0: for ever */
    check_windows(f, HOUR);
}

/** The budget takes raw days first, each rolled up before, then finer roll-ups; at the end nothing is left. */
static void test_the_budget_takes_fine_data_first(void **state)
{
    struct fixture *f = *state;
    struct tsdb_shrink s;
    struct err e = {0};
    unsigned taken[TSDB_TIERS] = {0};

    fill(f);
    assert_true(tsdb_shrink(f->db, false, &s, &e) != 0);
    assert_true(s.tier == TSDB_RAW && s.day == f->day0 && !s.open_day);
    check_windows(f, MINUTE);
    while (tsdb_shrink(f->db, false, &s, &e) != 0) {
        taken[s.tier]++;
        if (s.tier == TSDB_1H && taken[TSDB_1H] == 1) {
            assert_true(taken[TSDB_RAW] != 0 && taken[TSDB_1M] != 0 && taken[TSDB_5M] != 0);
        }
    }
    assert_int_equal(e.code, 0);
    assert_int_equal(taken[TSDB_RAW], DAYS);
    assert_int_equal(taken[TSDB_1H], DAYS + 1);
}

/** What is deleted is gone from roll-ups, over restarts and cleaning, and stays so when they are all that is left. */
static void test_deletions_reach_rollups(void **state)
{
    struct fixture *f = *state;
    struct matcher *m = NULL;
    struct tsdb_matchers all = {NULL, 1};
    int64_t lo = f->day0 * DAY;
    struct samples got = {0};

    fill(f);
    assert_int_equal(matcher_new(MATCH_EQ, STR(LABEL_NAME), STR("m2"), &m, NULL), 0);
    all.v = (const struct matcher *const *)&m;
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);
    drop_raw(f);
    assert_int_equal(tsdb_delete_series(f->db, &all, 1, lo + 6 * HOUR, lo + 12 * HOUR, NULL), 0);
    for (int round = 0; round < 3; round++) {
        read_back(f, 2, SERIES_NEED_COUNT, lo, lo + DAY, &got, NULL);
        assert_true(reduce(&got, SERIES_NEED_COUNT, true, lo, lo + 5 * HOUR) == 1200);
        assert_true(isnan(reduce(&got, SERIES_NEED_COUNT, true, lo + 6 * HOUR, lo + 12 * HOUR)));
        assert_true(reduce(&got, SERIES_NEED_COUNT, true, lo + 13 * HOUR, lo + 14 * HOUR) == 240);
        read_back(f, 3, SERIES_NEED_COUNT, lo, lo + DAY, &got, NULL);
        assert_true(reduce(&got, SERIES_NEED_COUNT, true, lo + 6 * HOUR, lo + 12 * HOUR) > 0);
        if (round == 0) {
            assert_int_equal(tsdb_clean_tombstones(f->db, NULL), 0);
        } else {
            reopen(f, round == 1);
        }
    }
    assert_int_equal(tsdb_delete_series(f->db, &all, 1, INT64_MIN / 2, INT64_MAX / 2, NULL), 0);
    read_back(f, 2, SERIES_NEED_COUNT, lo, lo + DAY, &got, NULL);
    assert_int_equal(got.n, 0);
    matcher_free(m);
    samples_done(&got);
}

static void test_days_and_sources(void **state)
{
    struct fixture *f = *state;
    struct arena a CLEANUP(arena_done);
    struct tsdb_sources s;
    struct tsdb_day *days;
    size_t n;

    arena_init(&a, 1 << 20);
    fill(f);
    assert_int_equal(tsdb_rollup_now(f->db, true, NULL), DAYS + 1);
    assert_int_equal(tsdb_days(f->db, f->day0 + 1, &a, &days, &n), 0);
    assert_int_equal(n, DAYS);
    assert_int_equal(days[0].day, f->day0 + 1);
    for (int k = 0; k < TSDB_TIERS; k++) {
        assert_true(days[0].bytes[k] != 0 && days[0].points[k] != 0);
    }
    assert_int_equal(tsdb_sources(f->db, STR(LABEL_NAME), 2, NULL, &a, &s, NULL), 0);
    assert_int_equal(s.top_n, 2);
    assert_true(s.distinct >= 2 && s.top[0].bytes >= s.top[1].bytes && s.top[0].bytes <= s.bytes);
}

/* ---- the form on disk ---- */

static void random_rollup(struct fixture *f, struct rollup *r, int kind)
{
    struct samples s = {0};
    int64_t t = 1700000000000;
    double v = 0;

    for (int i = 0; i < 3000; i++) {
        t += 1000 + (kind % 2 == 0 ? 14000 : (int64_t)(uniform(f) * 20000));
        v = kind < 2    ? v + floor(uniform(f) * 9)
            : kind < 4  ? uniform(f) * 1e6
            : kind == 6 ? round(uniform(f) * 1e4) / 100
                        : 5;
        v = kind == 1 && uniform(f) < 0.01 ? 0 : v;
        assert_true(samples_reserve(&s, s.n + 1));
        s.t_ms[s.n] = t;
        s.v[s.n++] = kind == 3 && i % 50 == 0 ? sample_stale() : v;
    }
    assert_int_equal(rollup_fold(&s, MINUTE, kind == 0, r), 0);
    samples_done(&s);
}

/** "Counters" that fall often, or all the time: their points would be more than their samples are worth. */
static void test_a_counter_that_is_none(void **state)
{
    struct fixture *f = *state;
    struct rollup levels[3] = {0};
    struct samples s = {0};
    struct buf bytes CLEANUP(buf_done);

    assert_true(samples_reserve(&s, 5760));
    for (int fall = 2; fall < 40; fall++) {
        s.n = 5760;
        for (size_t i = 0; i < s.n; i++) {
            s.t_ms[i] = (int64_t)(i + 1) * 15000;
            s.v[i] = (i == 0 ? 1e6 : s.v[i - 1]) + floor(uniform(f) * fall) - 1;
        }
        assert_int_equal(rollup_fold(&s, MINUTE, true, &levels[0]), 0);
        assert_int_equal(rollup_coarsen(&levels[0], 5 * MINUTE, &levels[1]), 0);
        assert_int_equal(rollup_coarsen(&levels[1], HOUR, &levels[2]), 0);
        for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
            buf_init(&bytes, ROLLUP_BLOB_MAX);
            assert_int_equal(rollup_encode(&levels[i], RESOLUTIONS[i], &bytes), 0);
            buf_done(&bytes);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
        rollup_done(&levels[i]);
    }
    samples_done(&s);
}

/** A fold keeps a counter's first value as a point; behind earlier buckets it says nothing unless something fell. */
static void test_a_first_value_behind_others(void **state)
{
    static const struct {
        double before, first, next;
        size_t points;
    } CASES[] = {
        {5, 7, 9, 0}, /* it goes up all the way: as if it had been one fold */
        {5, 5, 5, 0},
        {8, 7, 9, 1}, /* a reset between the two */
        {5, 7, 6, 1}, /* a reset behind it */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct rollup a = {0};
        struct rollup b = {0};
        struct samples s = {0};

        assert_true(samples_reserve(&s, 2));
        s.n = 1;
        s.t_ms[0] = 1000;
        s.v[0] = CASES[i].before;
        assert_int_equal(rollup_fold(&s, MINUTE, true, &a), 0);
        s.n = 2;
        s.t_ms[0] = MINUTE + 1000;
        s.v[0] = CASES[i].first;
        s.t_ms[1] = MINUTE + 2000;
        s.v[1] = CASES[i].next;
        assert_int_equal(rollup_fold(&s, MINUTE, true, &b), 0);
        assert_int_equal(b.points.n, 1);
        assert_int_equal(rollup_combine(&a, &b), 0);
        assert_int_equal(a.buckets.n, 2);
        assert_int_equal(a.points.n, CASES[i].points);
        samples_done(&s);
        rollup_done(&a);
        rollup_done(&b);
    }
}

static void test_bytes_give_every_bit_back(void **state)
{
    struct fixture *f = *state;
    static const unsigned MASKS[] = {ROLLUP_ALL,   ROLLUP_MIN,    ROLLUP_MAX, ROLLUP_SUM,
                                     ROLLUP_COUNT, ROLLUP_POINTS, 0};

    for (int kind = 0; kind < 7; kind++) {
        struct rollup a = {0};
        struct rollup b = {0};
        struct buf bytes;

        random_rollup(f, &a, kind);
        buf_init(&bytes, ROLLUP_BLOB_MAX);
        assert_int_equal(rollup_encode(&a, MINUTE, &bytes), 0);
        for (size_t m = 0; m < ARRAY_LEN(MASKS); m++) {
            assert_int_equal(rollup_decode(buf_str(&bytes), MINUTE, MASKS[m], &b), 0);
            assert_int_equal(b.buckets.n, a.buckets.n);
            for (size_t i = 0; i < a.buckets.n; i++) {
                struct rollup_bucket x = a.buckets.v[i];
                const struct rollup_bucket *y = &b.buckets.v[i];

                assert_true(x.end_ms == y->end_ms && x.t_ms == y->t_ms &&
                            memcmp(&x.last, &y->last, 8) == 0);
                assert_true((MASKS[m] & ROLLUP_MAX) == 0 || memcmp(&x.max, &y->max, 8) == 0);
                if (kind == 0) { /* a counter by name */
                    double share = ROLLUP_ESTIMATE_ERROR;

                    assert_true((MASKS[m] & ROLLUP_MIN) == 0 ||
                                fabs(x.min - y->min) <= share * fabs(x.min));
                    assert_true((MASKS[m] & ROLLUP_SUM) == 0 ||
                                fabs(x.sum - y->sum) <= share * fabs(x.sum));
                } else {
                    assert_true((MASKS[m] & ROLLUP_MIN) == 0 || memcmp(&x.min, &y->min, 8) == 0);
                    assert_true((MASKS[m] & ROLLUP_SUM) == 0 || memcmp(&x.sum, &y->sum, 8) == 0);
                }
                assert_true((MASKS[m] & ROLLUP_COUNT) == 0 || x.count == y->count);
            }
            if ((MASKS[m] & ROLLUP_POINTS) != 0) {
                assert_int_equal(b.points.n, a.points.n);
            }
        }
        for (size_t cut = 0; cut < bytes.n; cut += 1 + cut / 16) { /* cut short it is refused */
            assert_int_equal(rollup_decode(str_of(bytes.data, cut), MINUTE, ROLLUP_ALL, &b),
                             -ERR_CORRUPT);
        }
        buf_done(&bytes);
        rollup_done(&a);
        rollup_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_first_value_behind_others),
        cmocka_unit_test_setup_teardown(test_a_counter_that_is_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bytes_give_every_bit_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_tier_is_what_the_samples_give, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_tiers_are_stitched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_queries_take_tiers_only_where_they_are_exact,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_samples, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interrupted_roll_up_is_made_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_an_interrupted_drop_is_ended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retention_by_tier, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_budget_takes_fine_data_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deletions_reach_rollups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_days_and_sources, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
