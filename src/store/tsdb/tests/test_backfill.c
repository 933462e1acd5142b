/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of any age in any order give the answers of samples in order: two databases, one filled in order, the other
 * shuffled, with flushes, merges, roll-ups, restarts and crashes in between, are read column by column.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "store/tsdb/rollup_internal.h"

enum { MINUTE = 60000, HOUR = 3600000, DAY = 86400000, SERIES = 4, DAYS = 2, AGO = 40 };

enum { IN_ORDER, SHUFFLED, DBS };

struct sample {
    int series;
    int64_t t;
    double v;
};

struct fixture {
    char dir[DBS][64];
    struct tsdb *db[DBS];
    struct tsdb_opts opts;
    int64_t day0;
    uint64_t seed;
    VEC(struct sample) all; /* by time */
};

static void open_db(struct fixture *f, int which)
{
    struct err e = {0};

    f->opts.dir = f->dir[which];
    if (tsdb_open(&f->opts, &f->db[which], &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
}

static uint64_t below(struct fixture *f, uint64_t n)
{
    return random_next(&f->seed) % n;
}

/** Counters with resets by name and by behaviour, decimals, integers on bucket ends. */
static void make_samples(struct fixture *f)
{
    int64_t start = f->day0 * DAY;
    double counter[2] = {0, 0};

    for (int64_t t = start; t < start + (int64_t)DAYS * DAY; t += 15000) {
        for (int i = 0; i < 2; i++) {
            counter[i] =
                below(f, 1500) == 0 ? (double)below(f, 3) : counter[i] + (double)below(f, 20);
            assert_true(vec_push(&f->all, (struct sample){i, t + i * 7, counter[i]}));
        }
        if ((t - start) / HOUR % 5 != 2) { /* the same data on every day the test runs */
            assert_true(
                vec_push(&f->all, (struct sample){2, t + 100, (double)below(f, 9000) / 100}));
        }
        if (t % MINUTE == 0) {
            assert_true(vec_push(&f->all, (struct sample){3, t, (double)below(f, 1000)}));
        }
    }
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    log_set_level(LOG_WARN);
    f->day0 = day_of(clock_wall_ms()) - AGO;
    f->seed = 11;
    f->opts.rollup_quiet_ms = (int64_t)1 << 31; /* never by itself */
    for (int i = 0; i < DBS; i++) {
        snprintf(f->dir[i], sizeof(f->dir[i]), "/tmp/test_backfill.XXXXXX");
        assert_non_null(mkdtemp(f->dir[i]));
        open_db(f, i);
    }
    make_samples(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < DBS; i++) {
        tsdb_close(f->db[i]);
        assert_int_equal(vfs_remove_tree(vfs_real(), f->dir[i], NULL), 0);
    }
    vec_done(&f->all);
    mem_free(f);
    return 0;
}

static void name_of(int series, char name[16])
{
    snprintf(name, 16, series == 0 ? "m%d_total" : "m%d", series);
}

static struct series_ref series_of(struct tsdb *db, int series)
{
    char name[16];
    struct label v[] = {{STR(LABEL_NAME), {name, 0}}};
    struct series_ref ref;

    name_of(series, name);
    v[0].value = str_cstr(name);
    assert_int_equal(tsdb_intern(db, (struct labels){v, 1}, NULL, &ref, NULL), 0);
    return ref;
}

/** Commit some samples in the order given. @return what was refused as too old */
static size_t put(struct tsdb *db, const struct sample *v, size_t n)
{
    struct tsdb_batch *b = tsdb_batch_new(db);
    struct series_ref refs[SERIES];
    struct tsdb_commit c = {0};

    for (int i = 0; i < SERIES; i++) {
        refs[i] = series_of(db, i);
    }
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(tsdb_batch_add(b, refs[v[i].series], v[i].t, v[i].v), 0);
    }
    assert_int_equal(tsdb_batch_commit(b, &c, NULL), 0);
    tsdb_batch_free(b);
    assert_int_equal(c.accepted + c.rejected[TSDB_REJECT_TOO_OLD], n);
    return c.rejected[TSDB_REJECT_TOO_OLD];
}

static void read_series(struct tsdb *db, int series, enum series_need need, int64_t min,
                        int64_t max, struct samples *dst)
{
    struct series_source src = tsdb_source(db);
    struct series_selection *s = NULL;
    struct matcher *m = NULL;
    struct err e = {0};
    struct series_query q = {.matchers = (const struct matcher *const *)&m,
                             .matchers_n = 1,
                             .min_ms = min,
                             .max_ms = max,
                             .hint = {need, 0, 1}};
    char name[16];

    name_of(series, name);
    dst->n = 0;
    assert_int_equal(matcher_new(MATCH_EQ, STR(LABEL_NAME), str_cstr(name), &m, NULL), 0);
    assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
    if (src.ops->count(s) == 1 && src.ops->read(s, 0, dst, &e) != 0) {
        fail_msg("read: %s", e.msg);
    }
    src.ops->free(s);
    matcher_free(m);
}

/** Both databases say the same of every series in every column. */
static void assert_same(struct fixture *f, const char *when)
{
    static const enum series_need NEEDS[] = {SERIES_NEED_SAMPLES, SERIES_NEED_COUNTER,
                                             SERIES_NEED_MIN,     SERIES_NEED_MAX,
                                             SERIES_NEED_SUM,     SERIES_NEED_COUNT};

    int64_t lo = f->day0 * DAY - HOUR;
    int64_t hi = (f->day0 + DAYS) * DAY + HOUR;
    struct samples a = {0};
    struct samples b = {0};

    for (int i = 0; i < SERIES; i++) {
        for (size_t k = 0; k < ARRAY_LEN(NEEDS); k++) {
            read_series(f->db[IN_ORDER], i, NEEDS[k], lo, hi, &a);
            read_series(f->db[SHUFFLED], i, NEEDS[k], lo, hi, &b);
            assert_true(a.n != 0);
            if (a.n != b.n) {
                fail_msg("%s: series %d, need %zu: %zu values, want %zu", when, i, k, b.n, a.n);
            }
            for (size_t n = 0; n < a.n; n++) {
                bool about = i == 0 && (NEEDS[k] == SERIES_NEED_MIN || NEEDS[k] == SERIES_NEED_SUM);
                double share = about ? 3 * ROLLUP_ESTIMATE_ERROR : 1e-12;

                if (a.t_ms[n] != b.t_ms[n] ||
                    fabs(a.v[n] - b.v[n]) > share * fmax(1, fabs(a.v[n]))) {
                    fail_msg("%s: series %d, need %zu: %.17g at %lld, want %.17g at %lld", when, i,
                             k, b.v[n], (long long)b.t_ms[n], a.v[n], (long long)a.t_ms[n]);
                }
            }
        }
    }
    samples_done(&a);
    samples_done(&b);
}

static void reopen(struct fixture *f, int which, bool crash)
{
    if (crash) {
        tsdb_close_unflushed(f->db[which]);
    } else {
        tsdb_close(f->db[which]);
    }
    open_db(f, which);
}

/** Something that must not change an answer. */
static void disturb(struct fixture *f)
{
    switch (below(f, 6)) {
    case 0:
    case 1:
        assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        break;
    case 2:
        assert_int_equal(tsdb_compact(f->db[SHUFFLED], NULL), 0);
        break;
    case 3:
        assert_true(tsdb_rollup_now(f->db[SHUFFLED], below(f, 2) == 0, NULL) >= 0);
        break;
    default:
        reopen(f, SHUFFLED, below(f, 2) == 0);
        break;
    }
}

static void fill_in_order(struct fixture *f)
{
    assert_int_equal(put(f->db[IN_ORDER], f->all.v, f->all.n), 0);
    assert_int_equal(tsdb_flush(f->db[IN_ORDER], NULL), 0);
}

static void shuffle(struct fixture *f, struct sample *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)below(f, i);
        struct sample x = v[i - 1];

        v[i - 1] = v[k];
        v[k] = x;
    }
}

static struct sample *copy_of(struct fixture *f)
{
    struct sample *v = mem_xcalloc(f->all.n, sizeof(*v));

    memcpy(v, f->all.v, f->all.n * sizeof(*v));
    return v;
}

static void expire_raw(struct fixture *f, int which)
{
    struct tsdb_tier tiers[TSDB_TIERS];

    assert_true(tsdb_rollup_now(f->db[which], false, NULL) >=
                0); /* as the thread does when it is quiet */
    rollups_retention(f->db[which], clock_wall_ms());
    tsdb_tiers(f->db[which], tiers);
    assert_int_equal(tiers[TSDB_RAW].parts, 0);
}

static void drop_finest(struct fixture *f, int which, enum tsdb_tier_id k)
{
    for (int64_t d = f->day0; d <= f->day0 + DAYS; d++) {
        tier_drop_day(f->db[which], &f->db[which]->rollups->tiers[k], d, "test");
    }
}

static void assert_same_in_all_tiers(struct fixture *f, const char *when)
{
    assert_same(f, when);
    for (enum tsdb_tier_id k = TSDB_1M; k < TSDB_1H; k++) {
        drop_finest(f, IN_ORDER, k);
        drop_finest(f, SHUFFLED, k);
        assert_same(f, when);
    }
}

/* ---- tests ---- */

static void test_any_order_while_raw_is_there(void **state)
{
    struct fixture *f = *state;
    struct sample *v = copy_of(f);
    size_t n = f->all.n;

    fill_in_order(f);
    shuffle(f, v, n);
    for (size_t from = 0; from < n;) {
        size_t some = 1 + (size_t)below(f, n / 6);
        struct sample wrong = v[from];

        some = n - from < some ? n - from : some;
        wrong.v += 1; /* the later arrival wins, also with a flush in between */
        assert_int_equal(put(f->db[SHUFFLED], &wrong, 1), 0);
        if (below(f, 2) == 0) {
            assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        }
        assert_int_equal(put(f->db[SHUFFLED], v + from, some), 0);
        disturb(f);
        from += some;
    }
    assert_same(f, "raw");
    reopen(f, SHUFFLED, true);
    assert_same(f, "raw after a crash");
    f->opts.retention_ms = (int64_t)20 * DAY;
    reopen(f, IN_ORDER, false);
    reopen(f, SHUFFLED, false);
    expire_raw(f, IN_ORDER);
    expire_raw(f, SHUFFLED);
    assert_same_in_all_tiers(f, "tiers");
    mem_free(v);
}

/** Days older than the raw retention are back-filled, in one go and in any order. */
static void test_backfill_of_expired_days(void **state)
{
    struct fixture *f = *state;
    struct sample *v = copy_of(f);
    struct sample old = {2, (f->day0 - 100) * DAY, 1};

    f->opts.retention_ms = (int64_t)20 * DAY;
    f->opts.rollup_retention_ms[0] = (int64_t)60 * DAY;
    f->opts.rollup_retention_ms[1] = (int64_t)70 * DAY;
    f->opts.rollup_retention_ms[2] = (int64_t)80 * DAY;
    reopen(f, IN_ORDER, false);
    reopen(f, SHUFFLED, false);
    assert_int_equal(put(f->db[SHUFFLED], &old, 1), 1); /* older than every tier */
    fill_in_order(f);
    shuffle(f, v, f->all.n);
    for (size_t from = 0; from < f->all.n; from += 20000) {
        size_t n = f->all.n - from;

        assert_int_equal(put(f->db[SHUFFLED], v + from, n < 20000 ? n : 20000), 0);
        assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        rollups_retention(f->db[SHUFFLED], clock_wall_ms()); /* not while samples come */
    }
    assert_same(f, "late raw");
    expire_raw(f, IN_ORDER);
    expire_raw(f, SHUFFLED);
    assert_same(f, "rolled up");
    reopen(f, SHUFFLED, false);
    assert_same_in_all_tiers(f, "after a restart");
    mem_free(v);
}

/** In order, but folded into the tiers many times on the way; then all of it again: nothing counts twice. */
static void test_folding_on_the_way(void **state)
{
    struct fixture *f = *state;
    size_t n = f->all.n;

    f->opts.retention_ms = (int64_t)20 * DAY;
    reopen(f, IN_ORDER, false);
    reopen(f, SHUFFLED, false);
    fill_in_order(f);
    expire_raw(f, IN_ORDER);
    for (size_t from = 0; from < n; from += n / 9 + 1) {
        size_t some = n - from < n / 9 + 1 ? n - from : n / 9 + 1;

        assert_int_equal(put(f->db[SHUFFLED], f->all.v + from, some), 0);
        assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        expire_raw(f, SHUFFLED);
        if (below(f, 3) == 0) {
            reopen(f, SHUFFLED, below(f, 2) == 0);
        }
    }
    assert_same(f, "folded in steps");
    for (int round = 0; round < 2;
         round++) { /* retries of a sender, all the way and a part of it */
        assert_int_equal(put(f->db[SHUFFLED], f->all.v, round == 0 ? n : n / 3), 0);
        assert_same(f, "sent again, in the head");
        assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        assert_same(f, "sent again, in a part");
        expire_raw(f, SHUFFLED);
        assert_same(f, "sent again, folded");
    }
    drop_finest(f, IN_ORDER, TSDB_1M);
    drop_finest(f, SHUFFLED, TSDB_1M);
    assert_int_equal(put(f->db[SHUFFLED], f->all.v, n), 0);
    assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
    assert_same(f, "sent again to 5m, in a part");
    expire_raw(f, SHUFFLED);
    assert_same_in_all_tiers(f, "sent again to 5m");
    for (int k = TSDB_5M; k < TSDB_TIERS; k++) { /* one part a day, however often something came */
        assert_true(f->db[SHUFFLED]->rollups->tiers[k].parts.n <= DAYS + 1);
    }
}

/** What came late to buckets whose samples are gone: new ones count, those that may be there already do not. */
static void test_the_rule_of_closed_buckets(void **state)
{
    struct fixture *f = *state;
    struct rollup r = {0};
    struct samples s = {0};
    struct samples late = {0};
    uint64_t closed = 0;

    static const struct {
        int64_t t_ms;
        double v;
    } FIRST[] = {{10000, 5}, {20000, 9}, {50000, 7}, {70000, 4}, {250000, 3}},
      LATE[] = {{10000, 5},  {20000, 9}, {30000, 1},  {50000, 8}, {55000, 2},
                {65000, 40}, {70000, 4}, {130000, 6}, {250000, 3}};
    /* end, last's time, last, min, max, sum, count */
    static const struct rollup_bucket WANT[] = {{60000, 55000, 2, 2, 9, 24, 4},
                                                {120000, 70000, 4, 4, 40, 44, 2},
                                                {180000, 130000, 6, 6, 6, 6, 1},
                                                {300000, 250000, 3, 3, 3, 3, 1}};

    (void)f;
    assert_true(samples_reserve(&s, 16) && samples_reserve(&late, 16));
    for (size_t i = 0; i < ARRAY_LEN(FIRST); i++) {
        s.t_ms[s.n] = FIRST[i].t_ms;
        s.v[s.n++] = FIRST[i].v;
    }
    for (size_t i = 0; i < ARRAY_LEN(LATE); i++) {
        late.t_ms[late.n] = LATE[i].t_ms;
        late.v[late.n++] = LATE[i].v;
    }
    assert_int_equal(rollup_fold(&s, MINUTE, false, &r), 0);
    r.points.n = 0;
    assert_int_equal(rollup_add_late(&r, &late, MINUTE, false, &closed), 0);
    assert_int_equal(closed, 3); /* 10000, 20000, 30000: before the last of three */
    assert_int_equal(r.buckets.n, ARRAY_LEN(WANT));
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++) {
        const struct rollup_bucket *b = &r.buckets.v[i];

        if (b->end_ms != WANT[i].end_ms || b->t_ms != WANT[i].t_ms || b->last != WANT[i].last ||
            b->min != WANT[i].min || b->max != WANT[i].max || b->sum != WANT[i].sum ||
            b->count != WANT[i].count) {
            fail_msg("bucket %zu: %lld %lld last %g min %g max %g sum %g count %g", i,
                     (long long)b->end_ms, (long long)b->t_ms, b->last, b->min, b->max, b->sum,
                     b->count);
        }
    }
    rollup_done(&r);
    samples_done(&s);
    samples_done(&late);
}

/** A fold that a crash ended after some tiers, or before the raw parts went, is ended without counting twice. */
static void test_an_interrupted_fold(void **state)
{
    struct fixture *f = *state;
    size_t half = f->all.n / 4 * 3; /* of the second day, too */
    char command[512];

    f->opts.retention_ms = (int64_t)20 * DAY;
    reopen(f, IN_ORDER, false);
    fill_in_order(f);
    expire_raw(f, IN_ORDER);
    for (int tiers_new = 1; tiers_new <= 3; tiers_new++) {
        static const char *const KEEP[] = {"", "rollup/5m rollup/1h", "rollup/1h", ""};

        reopen(f, SHUFFLED, false);
        assert_int_equal(put(f->db[SHUFFLED], f->all.v, half), 0);
        assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        expire_raw(f, SHUFFLED);
        assert_int_equal(put(f->db[SHUFFLED], f->all.v + half, f->all.n - half), 0);
        assert_int_equal(tsdb_flush(f->db[SHUFFLED], NULL), 0);
        tsdb_close_unflushed(f->db[SHUFFLED]);
        snprintf(command, sizeof(command), "cd %s && rm -rf ../%s.old && cp -a . ../%s.old",
                 f->dir[SHUFFLED], f->dir[SHUFFLED] + 5, f->dir[SHUFFLED] + 5);
        assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): paths of this test */
        open_db(f, SHUFFLED);
        expire_raw(f, SHUFFLED);
        tsdb_close_unflushed(f->db[SHUFFLED]);
        snprintf(command, sizeof(command),
                 "cd %s && for d in blocks %s; do rm -rf $d && cp -a ../%s.old/$d $d; done",
                 f->dir[SHUFFLED], KEEP[tiers_new], f->dir[SHUFFLED] + 5);
        assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
        open_db(f, SHUFFLED);
        assert_same(f, "interrupted");
        assert_int_equal(tsdb_compact(f->db[SHUFFLED], NULL), 0);
        assert_same(f, "interrupted, merged");
        expire_raw(f, SHUFFLED);
        assert_same(f, "interrupted, done again");
        tsdb_close(f->db[SHUFFLED]);
        assert_int_equal(vfs_remove_tree(vfs_real(), f->dir[SHUFFLED], NULL), 0);
        snprintf(command, sizeof(command), "%s.old", f->dir[SHUFFLED]);
        assert_int_equal(vfs_remove_tree(vfs_real(), command, NULL), 0);
        open_db(f, SHUFFLED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_rule_of_closed_buckets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_order_while_raw_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_backfill_of_expired_days, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folding_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_interrupted_fold, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
