/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms through the engine: what goes in comes out of the head, of parts and after a restart, late samples
 * included; one visible series, its components never seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "io/vfs.h"
#include "store/tsdb/native.h"
#include "store/tsdb/rollup_internal.h"

struct fixture {
    char dir[64];
    struct tsdb *db;
    struct tsdb_batch *batch;
    int64_t now;
};

static void open_db(struct fixture *f)
{
    const struct tsdb_opts opts = {.dir = f->dir};
    struct err e = {0};

    if (tsdb_open(&opts, &f->db, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
    f->batch = tsdb_batch_new(f->db);
}

static void close_db(struct fixture *f)
{
    tsdb_batch_free(f->batch);
    tsdb_close(f->db);
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_native.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->now = clock_wall_ms() / 1000 * 1000;
    open_db(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    close_db(f);
    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    mem_free(f);
    return 0;
}

static const struct label LATENCY[] = {{STR(LABEL_NAME), STR("latency")}, {STR("job"), STR("a")}};
static const struct label LATENCY_B[] = {
    {STR(LABEL_NAME), STR("latency")}, {STR("job"), STR("a")}, {STR("zone"), STR("b")}};

struct asked {
    struct labels ls;
    int times;
};

static int give_labels(void *arg, struct labels *ret, struct err *reterr)
{
    struct asked *a = arg;

    (void)reterr;
    a->times++;
    *ret = a->ls;
    return 0;
}

static void append(struct fixture *f, struct asked *a, int64_t t, const struct native_histogram *h)
{
    struct hash128 key = {a->ls.n, 42};
    const struct native_series s = {.door_key = &key, .labels = give_labels, .arg = a};
    struct err e = {0};

    assert_int_equal(native_append(f->db, f->batch, &s, t, h, &e), 0);
    assert_int_equal(tsdb_batch_commit(f->batch, NULL, &e), 0);
}

/** Sample i of the test: buckets come and go, the last is coarser, one has both signs and a zero bucket. */
static void make(int i, struct native_histogram *h)
{
    native_clear(h);
    h->schema = i == 3 ? 1 : 3;
    h->sum = -1.5 * i;
    h->hint = i == 1 ? NATIVE_GAUGE : NATIVE_UNKNOWN;
    h->zero_threshold = i == 2 ? 0 : 0x1p-128;
    h->zero_count = i;
    for (int32_t k = -2; k < 3; k++) {
        if (k != i) {
            assert_int_equal(native_push(&h->positive, k, 1 + i + k * 0.25), 0);
            h->count += 1 + i + k * 0.25;
        }
    }
    if (i == 2) {
        assert_int_equal(native_push(&h->negative, INT32_MIN, 7), 0);
        assert_int_equal(native_push(&h->negative, INT32_MAX, 8), 0);
    }
    h->count += i;
}

enum { SAMPLES = 4 };

static struct series_selection *select_of(struct fixture *f, bool starts)
{
    struct series_source src = tsdb_source(f->db);
    struct matcher *m = NULL;
    struct err e = {0};
    struct series_query q = {
        .matchers_n = 1, .min_ms = f->now - 3600000, .max_ms = f->now, .starts = starts};
    struct series_selection *s = NULL;

    assert_int_equal(matcher_new(MATCH_EQ, STR(LABEL_NAME), STR("latency"), &m, &e), 0);
    q.matchers = (const struct matcher *const *)&m;
    assert_int_equal(src.ops->select(src.impl, &q, &s, &e), 0);
    matcher_free(m);
    return s;
}

static struct series_selection *select_all(struct fixture *f)
{
    return select_of(f, false);
}

static void assert_there(struct fixture *f)
{
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s = select_all(f);
    struct native_samples got = {0};
    struct samples floats = {0};
    struct native_histogram want CLEANUP(native_done) = {0};
    struct err e = {0};

    assert_int_equal(src.ops->count(s), 2);
    assert_true(labels_eq(src.ops->labels(s, 0), (struct labels){LATENCY, 2}));
    assert_true(labels_eq(src.ops->labels(s, 1), (struct labels){LATENCY_B, 3}));
    assert_true(src.ops->has_histograms(s, 0));
    assert_int_equal(src.ops->read(s, 0, &floats, &e), 0);
    assert_int_equal(floats.n, 1);
    assert_true(floats.v[0] == 77);
    assert_int_equal(src.ops->read_histograms(s, 0, &got, &e), 0);
    assert_int_equal(got.n, SAMPLES + 1);
    for (int i = 0; i < SAMPLES; i++) {
        make(i, &want);
        assert_int_equal(got.t_ms[i], f->now - 60000 + i * 1000);
        assert_true(native_eq(&got.v[i], &want));
        assert_int_equal(got.v[i].hint, want.hint);
    }
    assert_true(sample_is_stale(got.v[SAMPLES].sum));
    assert_int_equal(src.ops->read_histograms(s, 1, &got, &e), 0);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.v[0].schema, NATIVE_SCHEMA_CUSTOM);
    assert_int_equal(got.v[0].bounds_n, 2);
    assert_true(got.v[0].bounds[0] == -0.5 && got.v[0].bounds[1] == 2);
    assert_true(got.v[0].positive.n == 1 && got.v[0].positive.v[0].index == 2);
    native_samples_done(&got);
    samples_done(&floats);
    src.ops->free(s);
}

static void assert_names(struct fixture *f)
{
    struct series_source src = tsdb_source(f->db);
    struct series_query q = {.min_ms = f->now - 3600000, .max_ms = f->now};
    struct arena a CLEANUP(arena_done) = {0};
    struct err e = {0};
    struct str *v;
    size_t n;

    arena_init(&a, 1 << 20);
    assert_int_equal(src.ops->label_names(src.impl, &q, 0, &a, &v, &n, &e), 0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_false(label_name_is_hidden(v[i]));
    }
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct asked a = {.ls = {LATENCY, 2}};
    struct asked b = {.ls = {LATENCY_B, 3}};
    struct native_histogram h CLEANUP(native_done) = {0};
    struct series_ref ref;
    struct err e = {0};
    static const int ORDER[SAMPLES] = {1, 0, 3, 2};

    for (int i = 0; i < SAMPLES; i++) {
        make(ORDER[i], &h);
        append(f, &a, f->now - 60000 + ORDER[i] * 1000, &h);
    }
    native_clear(&h);
    h.sum = sample_stale();
    append(f, &a, f->now - 1000, &h);
    native_clear(&h);
    h.schema = NATIVE_SCHEMA_CUSTOM;
    h.count = 3;
    assert_int_equal(native_push_bound(&h, -0.5), 0);
    assert_int_equal(native_push_bound(&h, 2), 0);
    assert_int_equal(native_push(&h.positive, 2, 3), 0);
    append(f, &b, f->now - 1000, &h);
    assert_int_equal(tsdb_intern(f->db, a.ls, NULL, &ref, &e), 0); /* floats of the same name */
    assert_int_equal(tsdb_batch_add(f->batch, ref, f->now - 500, 77), 0);
    assert_int_equal(tsdb_batch_commit(f->batch, NULL, &e), 0);
    assert_true(a.times < 5); /* not at the stale marker: all of it was known */

    assert_there(f);
    assert_names(f);
    assert_int_equal(tsdb_flush(f->db, &e), 0);
    assert_there(f);
    close_db(f);
    open_db(f);
    assert_there(f);
    assert_int_equal(tsdb_compact(f->db, &e), 0);
    assert_there(f);
    assert_names(f);
}

/* ---- roll-ups ---- */

enum { STEP_MS = 15000, ROLLED = 1440, BUCKETS = 3 };

/** What a counter histogram gained, reset or not, all in all. */
struct gained {
    double count, sum, buckets[BUCKETS];
};

static double bucket_of(const struct native_histogram *h, int32_t index)
{
    for (size_t i = 0; i < h->positive.n; i++) {
        if (h->positive.v[i].index == index) {
            return h->positive.v[i].count;
        }
    }
    return 0;
}

static void gain(struct gained *g, const struct native_histogram *h,
                 const struct native_histogram *last)
{
    bool reset = last == NULL || h->count < last->count;

    g->count += h->count - (reset ? 0 : last->count);
    g->sum += h->sum - (reset ? 0 : last->sum);
    for (int32_t i = 0; i < BUCKETS; i++) {
        g->buckets[i] += bucket_of(h, i) - (reset ? 0 : bucket_of(last, i));
    }
}

/** Six hours of a histogram with resets, most of them inside buckets; some buckets are empty for long after one. */
static void fill_rolled(struct fixture *f, struct asked *a, int64_t start, bool custom,
                        struct gained *want)
{
    double buckets[BUCKETS] = {0};
    double sum = 0;
    struct native_histogram last CLEANUP(native_done) = {0};
    struct native_histogram h CLEANUP(native_done) = {0};

    for (int k = 0; k < ROLLED; k++) {
        if (k % 97 == 50 || k == 700) {
            memset(buckets, 0, sizeof(buckets));
            sum = 0;
        }
        buckets[0] += 3;
        buckets[1] += k % 97 == 50 ? 40 : 1; /* at a reset more than it had before some of them */
        buckets[2] += k % 5 == 0 ? 1 : 0;
        sum += 0.5 * k;
        native_clear(&h);
        h.schema = custom ? NATIVE_SCHEMA_CUSTOM : 3;
        h.sum = sum;
        for (int32_t i = 0; i < BUCKETS; i++) {
            assert_true(!custom || native_push_bound(&h, i) == 0);
            assert_true(buckets[i] == 0 || native_push(&h.positive, i, buckets[i]) == 0);
            h.count += buckets[i];
        }
        append(f, a, start + (int64_t)k * STEP_MS + 1000, &h);
        gain(want, &h, k == 0 ? &h : &last);
        assert_int_equal(native_copy(&last, &h), 0);
    }
}

static void assert_gained(struct fixture *f, int64_t start, bool custom, const struct gained *want,
                          size_t buckets_least)
{
    struct series_source src = tsdb_source(f->db);
    struct matcher *m = NULL;
    struct series_selection *s = NULL;
    struct native_samples got = {0};
    struct gained g = {0};
    struct series_query q = {.matchers = (const struct matcher *const *)&m,
                             .matchers_n = 1,
                             .min_ms = start,
                             .max_ms = start + 6 * 3600000,
                             .hint = {SERIES_NEED_COUNTER, 6 * 3600000, 0}};
    struct err e = {0};

    assert_int_equal(matcher_new(custom ? MATCH_EQ : MATCH_NEQ, STR("zone"), STR("b"), &m, NULL),
                     0);
    assert_int_equal(src.ops->select(src.impl, &q, &s, &e), 0);
    assert_int_equal(src.ops->count(s), 1);
    if (src.ops->read_histograms(s, 0, &got, &e) != 0) {
        fail_msg("read: %s", e.msg);
    }
    assert_true(got.n >= buckets_least && got.n < ROLLED);
    for (size_t i = 0; i < got.n; i++) {
        gain(&g, &got.v[i], i == 0 ? &got.v[0] : &got.v[i - 1]);
        assert_int_equal(got.v[i].bounds_n, custom ? BUCKETS : 0);
    }
    if (memcmp(&g, want, sizeof(g)) != 0) {
        fail_msg("count %g of %g, sum %g of %g, buckets %g %g %g of %g %g %g", g.count, want->count,
                 g.sum, want->sum, g.buckets[0], g.buckets[1], g.buckets[2], want->buckets[0],
                 want->buckets[1], want->buckets[2]);
    }
    native_samples_done(&got);
    src.ops->free(s);
    matcher_free(m);
}

/** Increases of histograms over roll-ups are those of the samples, whatever was reset inside a bucket. */
static void test_rollups_keep_resets(void **state)
{
    struct fixture *f = *state;
    struct asked a = {.ls = {LATENCY, 2}};
    struct asked b = {.ls = {LATENCY_B, 3}};
    int64_t day = f->now / 86400000 - 3;
    int64_t start = day * 86400000;
    struct gained plain = {0};
    struct gained custom = {0};

    fill_rolled(f, &a, start, false, &plain);
    fill_rolled(f, &b, start, true, &custom);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_true(tsdb_rollup_now(f->db, true, NULL) > 0);
    mutex_lock(&f->db->merge_lock);
    raw_drop_day_locked(f->db, day, TSDB_1M, "test");
    mutex_unlock(&f->db->merge_lock);
    for (enum tsdb_tier_id k = TSDB_1M; k < TSDB_TIERS; k++) {
        static const size_t BUCKETS_OF[TSDB_TIERS] = {0, 360, 72, 6};

        assert_gained(f, start, false, &plain, BUCKETS_OF[k]);
        assert_gained(f, start, true, &custom, BUCKETS_OF[k]);
        tier_drop_day(f->db, &f->db->rollups->tiers[k], day, "test");
    }
}

static int refuse(void *arg, struct labels *ret, struct err *reterr)
{
    (void)arg;
    (void)ret;
    (void)reterr;
    return 7;
}

static void append_start(struct fixture *f, struct asked *a, int64_t t, int64_t start)
{
    struct hash128 key = {a->ls.n, 42};
    const struct native_series s = {.door_key = &key, .labels = give_labels, .arg = a};
    struct err e = {0};

    assert_int_equal(native_append_start(f->db, f->batch, &s, t, start, &e), 0);
    assert_int_equal(tsdb_batch_commit(f->batch, NULL, &e), 0);
}

/** Both series have histograms and starts, or (zone b) a start and a float. */
static void assert_starts(struct fixture *f)
{
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s = select_of(f, true);
    struct samples got = {0};
    struct err e = {0};

    assert_int_equal(src.ops->count(s), 2);
    assert_true(labels_eq(src.ops->labels(s, 0), (struct labels){LATENCY, 2}));
    assert_true(labels_eq(src.ops->labels(s, 1), (struct labels){LATENCY_B, 3}));
    assert_false(src.ops->has_histograms(s, 0));
    assert_int_equal(src.ops->read(s, 0, &got, &e), 0);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.t_ms[1], f->now - 1000);
    assert_true(got.v[0] == 1000 && got.v[1] == 1700000000123.0);
    assert_int_equal(src.ops->read(s, 1, &got, &e), 0);
    assert_int_equal(got.n, 1);
    src.ops->free(s);
    s = select_of(f, false); /* the series as without */
    assert_int_equal(src.ops->count(s), 2);
    assert_true(src.ops->has_histograms(s, 0));
    assert_false(src.ops->has_histograms(s, 1));
    assert_int_equal(src.ops->read(s, 0, &got, &e), 0);
    assert_int_equal(got.n, 0);
    assert_int_equal(src.ops->read(s, 1, &got, &e), 0);
    assert_int_equal(got.n, 1);
    assert_true(got.v[0] == 5);
    src.ops->free(s);
    samples_done(&got);
}

static void test_starts(void **state)
{
    struct fixture *f = *state;
    struct asked a = {.ls = {LATENCY, 2}};
    struct asked b = {.ls = {LATENCY_B, 3}};
    struct native_histogram h CLEANUP(native_done) = {0};
    struct series_ref ref;
    struct err e = {0};

    make(0, &h);
    append_start(f, &a, f->now - 2000, 1000);
    append(f, &a, f->now - 2000, &h);
    append_start(f, &a, f->now - 1000, 1700000000123);
    append_start(f, &b, f->now - 1000, 1000);
    assert_int_equal(a.times, 1 + 1);
    assert_int_equal(tsdb_intern(f->db, b.ls, NULL, &ref, &e), 0);
    assert_int_equal(tsdb_batch_add(f->batch, ref, f->now - 1000, 5), 0);
    assert_int_equal(tsdb_batch_commit(f->batch, NULL, &e), 0);
    assert_starts(f);
    close_db(f);
    open_db(f);
    assert_starts(f);
    assert_int_equal(tsdb_flush(f->db, &e), 0);
    assert_starts(f);
}

static void test_refused(void **state)
{
    struct fixture *f = *state;
    struct hash128 key = {1, 2};
    const struct native_series s = {.door_key = &key, .labels = refuse};
    struct native_histogram h CLEANUP(native_done) = {0};
    struct err e = {0};

    make(0, &h);
    assert_int_equal(native_append(f->db, f->batch, &s, f->now, &h, &e), 7);
}

static void test_corrupt(void **state)
{
    static const char *const CODES[] = {"",          "x",         "cc",         "b1234567",
                                        "b1234567g", "pz1234567", "pn12345678", "p12345678"};
    struct native_samples dst = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        const struct native_component c = {.code = str_cstr(CODES[i])};

        assert_int_equal(native_assemble(&c, 1, &dst), -ERR_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rollups_keep_resets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_starts, set_up, tear_down),
        cmocka_unit_test(test_corrupt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
