/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine from outside: what is committed is found, in every order, across flushes, merges, restarts
 * and crashes.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "io/quarantine.h"
#include "io/tree.h"
#include "store/tsdb/rollup_internal.h"

struct fixture {
    char dir[64];
    struct tsdb *db;
    struct tsdb_opts opts;
    struct tsdb_batch *batch;
};

static void open_db(struct fixture *f)
{
    struct err e = {0};

    f->opts.dir = f->dir;
    if (tsdb_open(&f->opts, &f->db, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
    f->batch = tsdb_batch_new(f->db);
}

static void close_db(struct fixture *f, bool crash)
{
    tsdb_batch_free(f->batch);
    f->batch = NULL;
    if (crash) {
        tsdb_close_unflushed(f->db);
    } else {
        tsdb_close(f->db);
    }
    f->db = NULL;
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_tsdb.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    open_db(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    close_db(f, false);
    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    mem_free(f);
    return 0;
}

/** Series from "a=1,b=2"; the name is "m" unless given. */
static struct series_ref series(struct fixture *f, const char *text)
{
    struct label v[16] = {{STR(LABEL_NAME), STR("m")}};
    size_t n = 1;
    struct str rest = str_cstr(text);
    struct str field;
    struct series_ref ref = {0};
    struct err e = {0};

    while (rest.n != 0 && str_split(&rest, ',', &field)) {
        int64_t eq = str_find_byte(field, '=');
        struct label l = {str_take(field, (size_t)eq), str_drop(field, (size_t)eq + 1)};

        if (str_eq(l.name, STR(LABEL_NAME))) {
            v[0] = l;
        } else {
            v[n++] = l;
        }
    }
    assert_true(labels_normalize(v, &n));
    if (tsdb_intern(f->db, (struct labels){v, n}, NULL, &ref, &e) != 0) {
        fail_msg("intern %s: %s", text, e.msg);
    }
    return ref;
}

static struct tsdb_commit commit(struct fixture *f)
{
    struct tsdb_commit c = {0};
    struct err e = {0};

    if (tsdb_batch_commit(f->batch, &c, &e) != 0) {
        fail_msg("commit: %s", e.msg);
    }
    return c;
}

static void put(struct fixture *f, const char *text, int64_t t, double v)
{
    assert_int_equal(tsdb_batch_add(f->batch, series(f, text), t, v), 0);
    assert_int_equal(commit(f).accepted, 1);
}

/** Matchers from "a=1", "a!=1", "a=~1", "a!~1", comma separated. */
static size_t parse_matchers(const char *text, struct matcher **dst)
{
    struct str rest = str_cstr(text);
    struct str field;
    size_t n = 0;

    while (rest.n != 0 && str_split(&rest, ';', &field)) {
        static const char *const OPS[] = {"=~", "!~", "!=", "="};

        static const enum match_op CODES[] = {MATCH_RE, MATCH_NRE, MATCH_NEQ, MATCH_EQ};

        for (size_t i = 0; i < 4; i++) {
            int64_t at = str_find(field, str_cstr(OPS[i]));

            if (at > 0) {
                assert_int_equal(matcher_new(CODES[i], str_take(field, (size_t)at),
                                             str_drop(field, (size_t)at + strlen(OPS[i])), &dst[n],
                                             NULL),
                                 0);
                n++;
                break;
            }
        }
    }
    return n;
}

/** Everything a query gives, as text: labels{...}: t=v t=v; lines sorted by the selection. */
static void query(struct fixture *f, const char *matchers, int64_t min, int64_t max,
                  struct buf *out)
{
    struct matcher *m[8];
    size_t n = parse_matchers(matchers, m);
    const struct series_query q = {.matchers = (const struct matcher *const *)m,
                                   .matchers_n = n,
                                   .min_ms = min,
                                   .max_ms = max};
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s = NULL;
    struct samples samples = {0};
    struct err e = {0};

    if (src.ops->select(src.impl, &q, &s, &e) != 0) {
        fail_msg("select: %s", e.msg);
    }
    for (size_t i = 0; i < src.ops->count(s); i++) {
        if (src.ops->read(s, i, &samples, &e) != 0) {
            fail_msg("read: %s", e.msg);
        }
        if (samples.n == 0) {
            continue;
        }
        labels_format(src.ops->labels(s, i), out);
        buf_add_byte(out, ':');
        for (size_t k = 0; k < samples.n; k++) {
            buf_printf(out, " %lld=", (long long)samples.t_ms[k]);
            buf_add_f64(out, samples.v[k]);
        }
        buf_add_byte(out, '\n');
    }
    samples_done(&samples);
    src.ops->free(s);
    for (size_t i = 0; i < n; i++) {
        matcher_free(m[i]);
    }
}

static void assert_query(struct fixture *f, const char *matchers, int64_t min, int64_t max,
                         const char *want)
{
    struct buf out CLEANUP(buf_done);

    buf_init(&out, 1 << 24);
    query(f, matchers, min, max, &out);
    buf_add_byte(&out, '\0');
    assert_string_equal(out.data, want);
}

static int64_t now_ms(void)
{
    return clock_wall_ms();
}

static void test_append_and_read(void **state)
{
    struct fixture *f = *state;

    put(f, "a=1", 1000, 1);
    put(f, "a=1", 2000, 2);
    put(f, "a=2", 1500, 3);
    assert_query(f, "__name__=m", 0, 9000, "m{a=\"1\"}: 1000=1 2000=2\nm{a=\"2\"}: 1500=3\n");
    assert_query(f, "a=2", 0, 9000, "m{a=\"2\"}: 1500=3\n");
    assert_query(f, "__name__=m", 1500, 1999, "m{a=\"2\"}: 1500=3\n");
    assert_query(f, "__name__=other", 0, 9000, "");
}

enum stage { HEAD, FLUSHED, MERGED, RESTARTED, CRASHED, STAGES };

static void go_through(struct fixture *f, enum stage s)
{
    struct err e = {0};

    if (s == FLUSHED && tsdb_flush(f->db, &e) != 0) {
        fail_msg("flush: %s", e.msg);
    }
    if (s == MERGED && tsdb_compact(f->db, &e) != 0) {
        fail_msg("compact: %s", e.msg);
    }
    if (s == RESTARTED || s == CRASHED) {
        close_db(f, s == CRASHED);
        open_db(f);
    }
}

/** The same samples in random order, some twice with the later value to win, must always give the same
 * answer, wherever in between flush, merge, restart or crash strikes. */
static void test_any_order_any_stage(void **state)
{
    struct fixture *f = *state;
    uint64_t seed = 42;

    for (int round = 0; round < 12; round++) {
        enum { N = 400 };

        double expect[N];
        int64_t base = 1700000000000 - (round % 3) * 40 * 86400000LL;
        char name[32];
        struct buf want CLEANUP(buf_done);
        struct buf got CLEANUP(buf_done);

        buf_init(&want, 1 << 20);
        buf_init(&got, 1 << 20);
        snprintf(name, sizeof(name), "r=%d", round);
        for (int i = 0; i < N; i++) {
            expect[i] = NAN;
        }
        for (int k = 0; k < 4 * N; k++) {
            int i = (int)(random_next(&seed) % N);

            expect[i] = k;
            assert_int_equal(
                tsdb_batch_add(f->batch, series(f, name), base + i * 600000LL, expect[i]), 0);
            if (random_next(&seed) % 10 == 0) {
                (void)commit(f);
            }
            if (random_next(&seed) % 200 == 0) {
                (void)commit(f);
                go_through(f, (enum stage)(random_next(&seed) % STAGES));
            }
        }
        (void)commit(f);
        go_through(f, (enum stage)(round % STAGES));
        buf_printf(&want, "m{r=\"%d\"}:", round);
        for (int i = 0; i < N; i++) {
            if (!isnan(expect[i])) {
                buf_printf(&want, " %lld=", (long long)(base + i * 600000LL));
                buf_add_f64(&want, expect[i]);
            }
        }
        buf_add_byte(&want, '\n');
        query(f, name, INT64_MIN, INT64_MAX, &got);
        if (!str_eq(buf_str(&want), buf_str(&got))) {
            fail_msg("round %d:\nwant %.*s\ngot  %.*s", round, STR_ARG(buf_str(&want)),
                     STR_ARG(buf_str(&got)));
        }
    }
}

static void reopen(struct fixture *f)
{
    close_db(f, false);
    open_db(f);
}

static void test_window_and_rejections(void **state)
{
    struct fixture *f = *state;
    struct series_ref ref;
    struct tsdb_commit c;
    int64_t now = now_ms();

    f->opts.retention_ms = 1000; /* the longest of any tier counts */
    for (size_t i = 0; i < ARRAY_LEN(f->opts.rollup_retention_ms); i++) {
        f->opts.rollup_retention_ms[i] = 3600000;
    }
    f->opts.future_ms = 60000;
    reopen(f);
    ref = series(f, "a=1");
    assert_int_equal(tsdb_batch_add(f->batch, ref, now - 3700000, 1), 0);
    assert_int_equal(tsdb_batch_add(f->batch, ref, now - 3500000, 2), 0);
    assert_int_equal(tsdb_batch_add(f->batch, ref, now + 50000, 3), 0);
    assert_int_equal(tsdb_batch_add(f->batch, ref, now + 90000, 4), 0);
    assert_int_equal(tsdb_batch_add(f->batch, (struct series_ref){999ull << 8}, now, 5), 0);
    c = commit(f);
    assert_int_equal(c.accepted, 2);
    assert_int_equal(c.rejected[TSDB_REJECT_TOO_OLD], 1);
    assert_int_equal(c.rejected[TSDB_REJECT_TOO_NEW], 1);
    assert_int_equal(c.rejected[TSDB_REJECT_GONE], 1);
    assert_true(c.first_reason == TSDB_REJECT_TOO_OLD || c.first_reason == TSDB_REJECT_GONE);
    assert_int_equal(commit(f).accepted, 0); /* an empty batch is fine */
}

static void test_max_series(void **state)
{
    struct fixture *f = *state;
    struct label v[] = {{STR(LABEL_NAME), STR("too_many")}};
    struct series_ref ref;
    struct err e = {0};

    f->opts.limits[TSDB_LIMIT_SERIES] = 2;
    reopen(f);
    (void)series(f, "a=1");
    (void)series(f, "a=2");
    (void)series(f, "a=1"); /* known ones go on */
    assert_int_equal(tsdb_intern(f->db, (struct labels){v, 1}, NULL, &ref, &e), -ERR_LIMIT);
    assert_non_null(strstr(e.msg, "too_many"));
}

static void test_doors(void **state)
{
    struct fixture *f = *state;
    struct label v[] = {{STR(LABEL_NAME), STR("m")}, {STR("a"), STR("1")}};
    struct hash128 key = hash128("encoded", 7);
    struct series_ref ref;
    struct series_ref found = {0};
    struct arena a CLEANUP(arena_done);
    struct labels ls;
    struct tsdb_commit c;

    arena_init(&a, 1 << 20);
    assert_false(tsdb_lookup(f->db, key, &found));
    assert_int_equal(tsdb_intern(f->db, (struct labels){v, 2}, &key, &ref, NULL), 0);
    assert_true(tsdb_lookup(f->db, key, &found));
    assert_int_equal(found.v, ref.v);
    assert_int_equal(series(f, "a=1").v, ref.v);
    assert_true(tsdb_series_labels(f->db, ref, &a, &ls));
    assert_true(labels_eq(ls, (struct labels){v, 2}));
    assert_false(tsdb_series_labels(f->db, (struct series_ref){77ull << 8}, &a, &ls));

    /* Idle for longer than the (tiny) flush interval: collected, told so, and welcome back. */
    f->opts.flush_interval_ms = 1;
    reopen(f);
    ref = series(f, "a=1");
    assert_int_equal(tsdb_intern(f->db, (struct labels){v, 2}, &key, &ref, NULL), 0);
    assert_int_equal(tsdb_batch_add(f->batch, ref, 1000, 1), 0);
    (void)commit(f);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tsdb_flush(f->db, NULL), 0);
        clock_sleep_ms(3);
    }
    assert_false(tsdb_lookup(f->db, key, &found));
    assert_int_equal(tsdb_batch_add(f->batch, ref, 2000, 2), 0);
    c = commit(f);
    assert_int_equal(c.accepted, 0);
    assert_int_equal(c.rejected[TSDB_REJECT_GONE], 1);
    put(f, "a=1", 2000, 2);
    assert_query(f, "a=1", 0, 9000, "m{a=\"1\"}: 1000=1 2000=2\n");
}

static void fill_matrix(struct fixture *f)
{
    put(f, "job=api,host=a,env=prod", 1000, 1);
    put(f, "job=api,host=b", 1000, 2);
    put(f, "job=db,host=c,env=test", 1000, 3);
    put(f, "__name__=up,job=db,host=c", 1000, 4);
}

static void test_matchers(void **state)
{
    static const struct {
        const char *matchers;
        const char *values; /* of the samples, in the order of labels */
    } CASES[] = {
        {"__name__=m", "132"},
        {"__name__=~.+", "1324"},
        {"job=db", "34"},
        {"job!=db", "12"},
        {"env=", "24"},
        {"env!=", "13"},
        {"env!=prod", "324"},
        {"env=~prod|test", "13"},
        {"env=~prod|", "124"},
        {"env!~p.*", "324"},
        {"env=~.*", "1324"},
        {"env=~.+", "13"},
        {"host=~[ab]", "12"},
        {"host=~a.*;job=api", "1"},
        {"missing=", "1324"},
        {"missing=x", ""},
        {"missing!=x;__name__=up", "4"},
        {"job=db;env!=test", "4"},
        {"job=~a.*;host!~a|c", "2"},
        {"__name__=up;job=api", ""},
    };
    struct fixture *f = *state;

    fill_matrix(f);
    for (int stage = 0; stage < STAGES; stage++) {
        go_through(f, (enum stage)stage);
        for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
            struct buf out CLEANUP(buf_done);
            char got[16] = {0};
            size_t n = 0;
            struct str rest;
            struct str line;

            buf_init(&out, 1 << 20);
            query(f, CASES[i].matchers, 0, 9000, &out);
            rest = buf_str(&out);
            while (rest.n != 0 && str_split(&rest, '\n', &line) && line.n != 0) {
                got[n++] = line.p[line.n - 1];
            }
            if (strcmp(got, CASES[i].values) != 0) {
                fail_msg("stage %d, %s: %s", stage, CASES[i].matchers, got);
            }
        }
    }
}

static void assert_names(struct fixture *f, const char *label, const char *matchers, size_t limit,
                         int64_t min, const char *want)
{
    struct matcher *m[8];
    size_t n = parse_matchers(matchers, m);
    const struct series_query q = {.matchers = (const struct matcher *const *)m,
                                   .matchers_n = n,
                                   .min_ms = min,
                                   .max_ms = INT64_MAX};
    struct series_source src = tsdb_source(f->db);
    struct arena a CLEANUP(arena_done);
    struct buf got CLEANUP(buf_done);
    struct str *v = NULL;
    size_t count = 0;

    arena_init(&a, 1 << 20);
    buf_init(&got, 1 << 16);
    if (label == NULL) {
        assert_int_equal(src.ops->label_names(src.impl, &q, limit, &a, &v, &count, NULL), 0);
    } else {
        assert_int_equal(
            src.ops->label_values(src.impl, str_cstr(label), &q, limit, &a, &v, &count, NULL), 0);
    }
    for (size_t i = 0; i < count; i++) {
        buf_printf(&got, "%s%.*s", i == 0 ? "" : ",", STR_ARG(v[i]));
    }
    buf_add_byte(&got, '\0');
    assert_string_equal(got.data, want);
    for (size_t i = 0; i < n; i++) {
        matcher_free(m[i]);
    }
}

static void test_label_queries(void **state)
{
    struct fixture *f = *state;

    fill_matrix(f);
    for (int stage = 0; stage < STAGES; stage++) {
        go_through(f, (enum stage)stage);
        assert_names(f, NULL, "", 0, 0, "__name__,env,host,job");
        assert_names(f, NULL, "__name__=up", 0, 0, "__name__,host,job");
        assert_names(f, NULL, "job=nothing", 0, 0, "");
        assert_names(f, "host", "", 0, 0, "a,b,c");
        assert_names(f, "host", "", 2, 0, "a,b");
        assert_names(f, "host", "job=api", 0, 0, "a,b");
        assert_names(f, "env", "host!=a", 0, 0, "test");
        assert_names(f, "missing", "", 0, 0, "");
    }
    assert_names(f, "host", "", 0, 2000, ""); /* no part reaches so far */
}

/** Answers are remembered; they must not outlive what they say. */
static void test_label_queries_follow(void **state)
{
    struct fixture *f = *state;
    int64_t t0 = now_ms() - 3600000;

    put(f, "host=b", t0, 1);
    for (int again = 0; again < 2; again++) {
        assert_names(f, NULL, "", 0, 0, "__name__,host");
        assert_names(f, "host", "", 0, 0, "b");
        assert_names(f, "zone", "", 0, 0, "");
        assert_names(f, "", "", 0, 0, "");
    }
    put(f, "host=a", t0, 1);
    assert_names(f, "host", "", 0, 0, "a,b");
    assert_names(f, "host", "", 1, 0, "a");
    assert_names(f, "host", "", 0, 0, "a,b");
    put(f, "host=a,zone=x", t0, 1);
    assert_names(f, "zone", "", 0, 0, "x");
    assert_names(f, NULL, "", 0, 0, "__name__,host,zone");
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    for (unsigned i = 0; i < HEAD_SHARDS; i++) { /* all of it leaves the head */
        (void)head_collect(&f->db->head, i, UINT32_MAX, NULL);
    }
    assert_names(f, "host", "", 0, 0, "a,b");
    assert_names(f, "zone", "", 0, 0, "x");
    assert_names(f, "host", "", 0, now_ms() + PART_DAY_MS * 2, "");
    put(f, "host=c", t0, 1);
    assert_names(f, "host", "", 0, 0, "a,b,c");
    close_db(f, true);
    open_db(f);
    assert_names(f, "host", "", 0, 0, "a,b,c");
}

static size_t count_series(struct fixture *f, const char *matchers)
{
    struct matcher *m[8];
    size_t n = parse_matchers(matchers, m);
    const struct series_query q = {
        .matchers = (const struct matcher *const *)m, .matchers_n = n, .max_ms = INT64_MAX};
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s = NULL;
    size_t count;

    assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
    count = src.ops->count(s);
    src.ops->free(s);
    for (size_t i = 0; i < n; i++) {
        matcher_free(m[i]);
    }
    return count;
}

/** What a regular expression said of many values is remembered until there are others. */
static void test_regex_follows_values(void **state)
{
    enum { VALUES = 3000 }; /* enough in every shard */
    struct fixture *f = *state;
    int64_t t0 = now_ms() - 3600000;

    for (int i = 0; i < VALUES; i++) {
        char text[32];

        snprintf(text, sizeof(text), "host=h%d", i);
        assert_int_equal(tsdb_batch_add(f->batch, series(f, text), t0, i), 0);
    }
    (void)commit(f);
    for (int again = 0; again < 3; again++) {
        assert_int_equal(count_series(f, "host=~h1.*|h2[0-4]"), 1111 + 5);
        assert_int_equal(count_series(f, "host!~h1.*|h2[0-4]"), VALUES - 1111 - 5);
        assert_int_equal(count_series(f, "host=~h1.*|h2[0-5]"), 1111 + 6);
        assert_int_equal(count_series(f, "__name__=m;host=~.*7"), VALUES / 10);
    }
    for (int i = 0; i < 40; i++) {
        char text[32];

        snprintf(text, sizeof(text), "host=h1x%d", i);
        put(f, text, t0, 1);
        assert_int_equal(count_series(f, "host=~h1.*|h2[0-4]"), 1111 + 5 + i + 1);
    }
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        (void)head_collect(&f->db->head, i, UINT32_MAX, NULL);
    }
    for (int i = 0; i < VALUES; i++) { /* pair numbers are used again, for others */
        char text[32];

        snprintf(text, sizeof(text), "host=k1%d", i);
        assert_int_equal(tsdb_batch_add(f->batch, series(f, text), t0, i), 0);
    }
    (void)commit(f);
    assert_int_equal(count_series(f, "host=~h1.*|h2[0-4]"), 1111 + 5 + 40);
    assert_int_equal(count_series(f, "host=~k1.*|h2[0-4]"), VALUES + 5);
}

static void test_select_limits(void **state)
{
    struct fixture *f = *state;
    struct series_source src = tsdb_source(f->db);
    struct matcher *m = NULL;
    struct cancel cancel;
    struct budget budget;
    struct series_query q = {.matchers_n = 1, .max_ms = 9000, .max_series = 2};
    struct series_selection *s = NULL;

    fill_matrix(f);
    cancel_init(&cancel, 0);
    budget_init(&budget, 100, NULL);
    assert_int_equal(matcher_new(MATCH_RE, STR("host"), STR(".+"), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    for (int stage = 0; stage < 2; stage++) {
        q.max_series = 2;
        assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), -ERR_LIMIT);
        q.max_series = 4;
        assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
        src.ops->free(s);
        q.budget = &budget;
        assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), -ERR_NOMEM);
        q.budget = NULL;
        q.cancel = &cancel;
        cancel_set(&cancel);
        assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), -ERR_CANCELED);
        q.cancel = NULL;
        cancel_init(&cancel, 0);
        assert_int_equal(tsdb_flush(f->db, NULL), 0);
    }
    assert_int_equal(budget_used(&budget), 0);
    matcher_free(m);
    src.ops->free(NULL);
}

static void test_special_values(void **state)
{
    struct fixture *f = *state;
    struct series_source src = tsdb_source(f->db);
    double in[] = {NAN, INFINITY, -INFINITY, -0.0, 0, 5e-324, 1.7976931348623157e308, 0};
    struct matcher *m = NULL;
    struct series_query q = {.matchers_n = 1, .max_ms = 9000};

    in[7] = sample_stale();
    for (size_t i = 0; i < ARRAY_LEN(in); i++) {
        put(f, "a=1", (int64_t)i, in[i]);
    }
    assert_int_equal(matcher_new(MATCH_EQ, STR("a"), STR("1"), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    for (int stage = 0; stage < STAGES; stage++) {
        struct series_selection *s = NULL;
        struct samples got = {0};

        go_through(f, (enum stage)stage);
        src = tsdb_source(f->db);
        assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
        assert_int_equal(src.ops->read(s, 0, &got, NULL), 0);
        assert_int_equal(got.n, ARRAY_LEN(in));
        assert_memory_equal(got.v, in, sizeof(in));
        assert_true(sample_is_stale(got.v[7]));
        samples_done(&got);
        src.ops->free(s);
    }
    matcher_free(m);
}

/** What the disk budget does, until nothing is left. */
static void drop_all(struct fixture *f)
{
    struct tsdb_shrink shrunk;
    struct err e = {0};
    unsigned steps = 0;

    while (tsdb_shrink(f->db, false, &shrunk, &e) != 0) {
        steps++;
    }
    assert_int_equal(e.code, 0);
    assert_true(steps >= 4); /* raw, 1m, 5m, 1h */
}

static void test_selection_outlives_changes(void **state)
{
    struct fixture *f = *state;
    struct series_source src = tsdb_source(f->db);
    struct matcher *m = NULL;
    struct series_query q = {.matchers_n = 1, .max_ms = 100000};
    struct series_selection *s = NULL;
    struct samples got = {0};
    struct tsdb_shrink none;

    for (int i = 0; i < 300; i++) {
        put(f, "a=1", i, i);
        if (i == 100) {
            assert_int_equal(tsdb_flush(f->db, NULL), 0);
        }
    }
    assert_int_equal(matcher_new(MATCH_EQ, STR("a"), STR("1"), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
    assert_int_equal(tsdb_compact(f->db, NULL), 0);
    drop_all(f);
    assert_int_equal(src.ops->read(s, 0, &got, NULL), 0);
    assert_int_equal(got.n, 300);
    samples_done(&got);
    src.ops->free(s);
    assert_query(f, "a=1", 0, 100000, "");
    assert_false(tsdb_shrink_next(f->db, &none));
    matcher_free(m);
}

static int64_t oldest_raw_ms(struct fixture *f)
{
    struct tsdb_tier tiers[TSDB_TIERS];

    tsdb_tiers(f->db, tiers);
    return tiers[TSDB_RAW].oldest_ms;
}

static void test_retention(void **state)
{
    struct fixture *f = *state;
    int64_t now = now_ms();

    put(f, "a=1", now - 10 * 86400000LL, 1);
    put(f, "a=1", now - 1000, 2);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_true(oldest_raw_ms(f) == now - 10 * 86400000LL);
    f->opts.retention_ms = 3 * 86400000LL;
    reopen(f);
    assert_true(tsdb_rollup_now(f->db, false, NULL) >= 0);
    rollups_retention(f->db, now);
    assert_true(oldest_raw_ms(f) == now - 1000);
    rollups_retention(f->db, now + 4 * 86400000LL); /* not before its roll-ups are there */
    assert_true(oldest_raw_ms(f) == now - 1000);
    assert_int_equal(rollup_day(f->db, day_of(now - 1000), false, NULL), 1);
    rollups_retention(f->db, now + 4 * 86400000LL);
    assert_true(oldest_raw_ms(f) == INT64_MAX);
}

/* A crash after a merge was published and before its inputs went: they lie beside it, with its own first number too. */
static void test_merge_leftovers(void **state)
{
    struct fixture *f = *state;
    int64_t day = day_of(now_ms());
    char name[32];
    char *blocks CLEANUP(mem_free_ptr) = vfs_join(f->dir, "blocks");
    char *dir CLEANUP(mem_free_ptr) = NULL;
    char *kept CLEANUP(mem_free_ptr) = vfs_join(f->dir, "kept");
    char **names = NULL;
    size_t n = 0;

    for (int64_t k = 0; k < 3; k++) { /* too few for a merge of its own accord */
        put(f, "a=1", day * PART_DAY_MS + k, (double)k);
        assert_int_equal(tsdb_flush(f->db, NULL), 0);
    }
    snprintf(name, sizeof(name), "%lld", (long long)day);
    dir = vfs_join(blocks, name);
    assert_int_equal(vfs_list(dir, &names, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_int_equal(tree_link(dir, kept, NULL, NULL), 0);
    assert_int_equal(tsdb_compact(f->db, NULL), 0);
    close_db(f, false);
    for (size_t i = 0; i < n; i++) {
        char *from CLEANUP(mem_free_ptr) = vfs_join(kept, names[i]);
        char *to CLEANUP(mem_free_ptr) = vfs_join(dir, names[i]);

        assert_int_equal(rename(from, to), 0);
    }
    vfs_list_free(names, n);
    open_db(f);
    assert_int_equal(f->db->parts.n, 1);
    assert_int_equal(vfs_list(dir, &names, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(part_info(f->db->parts.v[0])->samples_n, 3);
    vfs_list_free(names, n);
}

static void test_metadata(void **state)
{
    struct fixture *f = *state;
    struct arena a CLEANUP(arena_done);
    struct tsdb_metadata *v = NULL;
    size_t n = 0;

    arena_init(&a, 1 << 20);
    assert_int_equal(tsdb_set_metadata(f->db, STR("z"), STR("gauge"), STR(""), STR("Z."), NULL), 0);
    assert_int_equal(
        tsdb_set_metadata(f->db, STR("b"), STR("counter"), STR("bytes"), STR("old"), NULL), 0);
    assert_int_equal(
        tsdb_set_metadata(f->db, STR("b"), STR("counter"), STR("bytes"), STR("B."), NULL), 0);
    assert_int_equal(tsdb_set_metadata(f->db, STR(""), STR("gauge"), STR(""), STR(""), NULL),
                     -ERR_INVALID);
    for (int stage = 0; stage < STAGES; stage++) {
        go_through(f, (enum stage)(STAGES - 1 - stage)); /* the crash first */
        assert_int_equal(tsdb_metadata(f->db, STR(""), &a, &v, &n, NULL), 0);
        assert_int_equal(n, 2);
        assert_true(str_eq(v[0].metric, STR("b")) && str_eq(v[0].help, STR("B.")));
        assert_true(str_eq(v[0].unit, STR("bytes")) && str_eq(v[0].type, STR("counter")));
        assert_true(str_eq(v[1].metric, STR("z")));
        assert_int_equal(tsdb_metadata(f->db, STR("z"), &a, &v, &n, NULL), 0);
        assert_int_equal(n, 1);
        assert_int_equal(tsdb_metadata(f->db, STR("none"), &a, &v, &n, NULL), 0);
        assert_int_equal(n, 0);
    }
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    struct arena a CLEANUP(arena_done);
    struct tsdb_status st;
    struct tsdb_job jobs[4];

    arena_init(&a, 1 << 20);
    assert_int_equal(tsdb_status(f->db, 10, &a, &st, NULL), 0);
    assert_int_equal(st.active_series, 0);
    assert_true(st.oldest_ms == INT64_MAX && st.newest_ms == INT64_MIN);
    fill_matrix(f);
    put(f, "job=api,host=b", 5000, 2);
    assert_int_equal(tsdb_status(f->db, 3, &a, &st, NULL), 0);
    assert_int_equal(st.active_series, 4);
    assert_int_equal(st.head_samples, 5);
    assert_int_equal(st.stored_samples, 5);
    assert_int_equal(st.oldest_ms, 1000);
    assert_int_equal(st.newest_ms, 5000);
    assert_int_equal(st.label_pairs, 9);
    assert_int_equal(st.series_by_metric_n, 2);
    assert_true(str_eq(st.series_by_metric[0].name, STR("m")));
    assert_int_equal(st.series_by_metric[0].count, 3);
    assert_int_equal(st.values_by_label_n, 3);
    assert_true(str_eq(st.values_by_label[0].name, STR("host")));
    assert_int_equal(st.values_by_label[0].count, 3);
    assert_true(str_eq(st.series_by_pair[0].name, STR("__name__=m")));
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_int_equal(tsdb_status(f->db, 3, &a, &st, NULL), 0);
    assert_int_equal(st.head_samples, 0);
    assert_int_equal(st.stored_samples, 5);
    assert_int_equal(st.blocks, 1);
    assert_true(st.disk_bytes > 0 && st.wal_bytes < 100);
    assert_int_equal(tsdb_jobs(f->db, jobs, ARRAY_LEN(jobs)), 3);
    assert_string_equal(jobs[0].name, "flush");
    assert_int_equal(jobs[0].runs, 1);
    assert_true(jobs[0].last_ms > 0 && !jobs[0].running);
}

static void test_damaged_part(void **state)
{
    static const char *const FILES[] = {"index", "data"};
    struct fixture *f = *state;
    struct err e = {0};

    for (size_t i = 0; i < 2; i++) {
        char path[200];
        char *p = NULL;
        size_t n = 0;

        put(f, "a=1", 1000 + (int64_t)i, 1);
        close_db(f, false);
        snprintf(path, sizeof(path), "%s/blocks/0/%08zu-%08zu/%s", f->dir, i + 1, i + 1, FILES[i]);
        assert_int_equal(vfs_read_file(vfs_real(), path, 1 << 20, &p, &n, NULL), 0);
        if (i == 0) { /* the index is checked at open */
            p[20] ^= 1;
            assert_int_equal(vfs_write_atomic(vfs_real(), path, str_of(p, n), NULL), 0);
            open_db(f); /* goes on without it */
            assert_int_equal(quarantine_count(f->dir), 1);
            snprintf(path, sizeof(path), "%s/quarantine/blocks-0-00000001-00000001/index", f->dir);
            assert_int_equal(access(path, F_OK), 0);
            put(f, "a=1", 500, 1); /* its numbers are not used again: the next part is 2 */
        } else {                   /* data when it is read */
            struct series_source src;
            struct matcher *m = NULL;
            struct series_query q = {.matchers_n = 1, .max_ms = 9000};
            struct series_selection *s = NULL;
            struct samples got = {0};

            p[n - 1] ^= 1;
            assert_int_equal(vfs_write_atomic(vfs_real(), path, str_of(p, n), NULL), 0);
            open_db(f);
            assert_int_equal(matcher_new(MATCH_EQ, STR("a"), STR("1"), &m, NULL), 0);
            q.matchers = (const struct matcher *const *)&m;
            src = tsdb_source(f->db);
            assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
            assert_int_equal(src.ops->read(s, 0, &got, &e), -ERR_CORRUPT);
            assert_non_null(strstr(e.msg, "checksum"));
            samples_done(&got);
            src.ops->free(s);
            matcher_free(m);
        }
        mem_free(p);
    }
}

static void test_memory_budget(void **state)
{
    struct fixture *f = *state;
    struct budget budget;
    int refused = 0;
    int64_t t = 0;

    budget_init(&budget, 20000, NULL);
    f->opts.budget = &budget;
    reopen(f);
    for (; t < 100000 && refused == 0; t++) {
        int rc;

        assert_int_equal(tsdb_batch_add(f->batch, series(f, "a=1"), t, sin((double)t)), 0);
        rc = tsdb_batch_commit(f->batch, NULL, NULL);
        assert_true(rc == 0 || rc == -ERR_OVERLOAD);
        refused += rc != 0 ? 1 : 0;
    }
    assert_int_equal(refused, 1);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_int_equal(commit(f).accepted, 1);
    close_db(f, false);
    assert_int_equal(budget_used(&budget), 0);
    f->opts.budget = NULL;
    open_db(f);
}

/** Memory of all samples, counted one by one; no buffer holds more than raw_max. */
static uint64_t count_sample_bytes(struct tsdb *db, unsigned raw_max)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &db->head.shards[i];

        for (uint32_t k = 0; k < s->next_number; k++) {
            const struct series *se = head_series_locked(s, k);

            if (se == NULL) {
                continue;
            }
            assert_true(se->raw_cap <= raw_max);
            n += se->raw_cap * sizeof(struct point);
            for (const struct chunk *c = se->first; c != NULL; c = c->next) {
                n += slab_size(sizeof(*c) + c->bytes);
            }
        }
    }
    return n;
}

/** The more series, the smaller their buffers; what is counted is what is there, before and after a flush. */
static void test_many_series_have_small_buffers(void **state)
{
    enum { FEW = 1000, MANY = 5000, SAMPLES = 40 };
    struct fixture *f = *state;
    struct series_ref refs[MANY];
    int64_t t0 = now_ms() - 3600000;
    struct buf want CLEANUP(buf_done);
    struct buf got CLEANUP(buf_done);

    f->opts.head_max_bytes = 1 << 20;
    reopen(f);
    buf_init(&want, 1 << 16);
    buf_init(&got, 1 << 16);
    for (int i = 0; i < MANY; i++) {
        char text[32];

        snprintf(text, sizeof(text), "i=%d", i);
        refs[i] = series(f, text);
        if (i == FEW) {
            assert_int_equal(f->db->head.raw_max, HEAD_RAW_MAX);
        }
    }
    assert_int_equal(f->db->head.raw_max, HEAD_RAW_MIN);
    buf_add_cstr(&want, "m{i=\"77\"}:");
    for (int k = 0; k < SAMPLES; k++) {
        int64_t t = t0 + (k ^ 1) * 1000; /* every second one late */

        for (int i = 0; i < MANY; i++) {
            assert_int_equal(tsdb_batch_add(f->batch, refs[i], t, k ^ 1), 0);
        }
        (void)commit(f);
    }
    for (int k = 0; k <= SAMPLES; k++) {
        if ((k ^ 1) < SAMPLES) {
            buf_printf(&want, " %lld=%d", (long long)(t0 + k * 1000), k);
        }
    }
    buf_add_cstr(&want, "\n");
    buf_add_byte(&want, '\0');
    assert_int_equal(f->db->head.sample_bytes, count_sample_bytes(f->db, HEAD_RAW_MIN));
    assert_query(f, "i=77", 0, INT64_MAX, want.data);
    assert_int_equal(tsdb_flush(f->db, NULL), 0);
    assert_int_equal(f->db->head.sample_bytes, 0);
    assert_int_equal(count_sample_bytes(f->db, 0), 0);
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        assert_int_equal(slab_bytes(&f->db->head.shards[i].slab), 0);
    }
    assert_query(f, "i=77", 0, INT64_MAX, want.data);
}

static void test_foreign_files_are_left_alone(void **state)
{
    struct fixture *f = *state;
    char path[120];

    put(f, "a=1", 1000, 1);
    close_db(f, false);
    snprintf(path, sizeof(path), "%s/blocks/.DS_Store", f->dir);
    assert_int_equal(vfs_write_atomic(vfs_real(), path, STR("x"), NULL), 0);
    snprintf(path, sizeof(path), "%s/blocks/0/notes.txt", f->dir);
    assert_int_equal(vfs_write_atomic(vfs_real(), path, STR("x"), NULL), 0);
    snprintf(path, sizeof(path), "%s/blocks/0/00000009-00000009.tmp", f->dir);
    assert_int_equal(vfs_mkdirs(vfs_real(), path, NULL), 0); /* of a flush that was killed */
    snprintf(path, sizeof(path), "%s/blocks/0/00000001-00000003.gone", f->dir);
    assert_int_equal(vfs_mkdirs(vfs_real(), path, NULL), 0); /* of a removal that was killed */
    open_db(f);
    assert_query(f, "a=1", 0, 9000, "m{a=\"1\"}: 1000=1\n");
    assert_int_equal(vfs_map(path, &(struct mapping){0}, NULL), -ERR_NOT_FOUND);
}

/* ---- a full disk ---- */

static atomic_bool no_space; /* the table has no other way to reach it */

static ssize_t full_writev(void *ctx, int fd, const struct iovec *iov, int n)
{
    (void)ctx;
    return atomic_load(&no_space) ? -ENOSPC : vfs_real()->writev(NULL, fd, iov, n);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct vfs vfs = *vfs_real();
    struct err e = {0};

    vfs.writev = full_writev;
    f->opts.vfs = &vfs;
    reopen(f);
    put(f, "a=1", 1000, 1);
    atomic_store(&no_space, true);
    assert_int_equal(tsdb_batch_add(f->batch, series(f, "a=1"), 2000, 2), 0);
    assert_int_equal(tsdb_batch_commit(f->batch, NULL, &e), -ERR_NOSPACE);
    assert_int_equal(tsdb_flush(f->db, &e), -ERR_NOSPACE);
    assert_query(f, "a=1", 0, 9000, "m{a=\"1\"}: 1000=1\n");
    atomic_store(&no_space, false);
    assert_int_equal(commit(f).accepted, 1); /* the batch was kept */
    assert_int_equal(tsdb_flush(f->db, &e), 0);
    put(f, "a=1", 3000, 3);
    go_through(f, CRASHED);
    assert_query(f, "a=1", 0, 9000, "m{a=\"1\"}: 1000=1 2000=2 3000=3\n");
    close_db(f, false);
    f->opts.vfs = NULL;
    open_db(f);
}

/* ---- threads ---- */

enum { WRITERS = 2, SERIES = 50, ROUNDS = 150 };

struct writer {
    struct tsdb *db;
    int id;
    struct thread t;
    _Atomic int64_t done; /* rounds committed; release, paired with the reader's acquire */
};

static void write_rounds(void *arg)
{
    struct writer *w = arg;
    struct tsdb_batch *b = tsdb_batch_new(w->db);

    for (int64_t r = 0; r < ROUNDS; r++) {
        for (int s = 0; s < SERIES; s++) {
            char host[16];
            char writer[16];
            struct label v[] = {{STR(LABEL_NAME), STR("m")},
                                {STR("host"), {host, 0}},
                                {STR("writer"), {writer, 0}}};
            struct series_ref ref;
            struct hash128 key;

            v[1].value.n = (size_t)snprintf(host, sizeof(host), "h%d", s);
            v[2].value.n = (size_t)snprintf(writer, sizeof(writer), "w%d", w->id);
            key = (struct hash128){hash_u64((uint64_t)(w->id * 1000 + s)), 7};
            if (!tsdb_lookup(w->db, key, &ref) &&
                tsdb_intern(w->db, (struct labels){v, 3}, &key, &ref, NULL) != 0) {
                abort();
            }
            if (tsdb_batch_add(b, ref, r * 1000, (double)r) != 0) {
                abort();
            }
        }
        if (tsdb_batch_commit(b, NULL, NULL) != 0) {
            abort();
        }
        atomic_store_explicit(&w->done, r + 1, memory_order_release);
    }
    tsdb_batch_free(b);
}

static void flush_and_merge(void *arg)
{
    struct tsdb *db = arg;

    for (int i = 0; i < 8; i++) {
        if ((i % 3 == 2 ? tsdb_compact(db, NULL) : tsdb_flush(db, NULL)) != 0) {
            abort();
        }
        clock_sleep_ms(5);
    }
}

/** What a writer has acknowledged is there, each sample once, whatever runs beside. */
static void check_writer(struct fixture *f, struct writer *w)
{
    int64_t done = atomic_load_explicit(&w->done, memory_order_acquire);
    char name[16];
    struct matcher *m = NULL;
    struct series_query q = {.matchers_n = 1, .max_ms = INT64_MAX};
    struct series_source src = tsdb_source(f->db);
    struct series_selection *s = NULL;
    struct samples got = {0};

    snprintf(name, sizeof(name), "w%d", w->id);
    assert_int_equal(matcher_new(MATCH_EQ, STR("writer"), str_cstr(name), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
    assert_true(done == 0 || src.ops->count(s) == SERIES);
    for (size_t i = 0; i < src.ops->count(s); i++) {
        assert_int_equal(src.ops->read(s, i, &got, NULL), 0);
        assert_true((int64_t)got.n >= done);
        for (size_t k = 0; k < got.n; k++) {
            assert_true(got.t_ms[k] == (int64_t)k * 1000 && got.v[k] == (double)k);
        }
    }
    samples_done(&got);
    src.ops->free(s);
    matcher_free(m);
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct writer w[WRITERS] = {0};
    struct thread flusher = {0};
    bool busy = true;

    for (int i = 0; i < WRITERS; i++) {
        w[i].db = f->db;
        w[i].id = i;
        assert_int_equal(thread_start(&w[i].t, "writer", write_rounds, &w[i]), 0);
    }
    assert_int_equal(thread_start(&flusher, "flusher", flush_and_merge, f->db), 0);
    while (busy) {
        busy = false;
        for (int i = 0; i < WRITERS; i++) {
            check_writer(f, &w[i]);
            busy = busy || atomic_load_explicit(&w[i].done, memory_order_acquire) < ROUNDS;
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        thread_join(&w[i].t);
    }
    thread_join(&flusher);
    go_through(f, CRASHED);
    for (int i = 0; i < WRITERS; i++) {
        w[i].db = f->db;
        check_writer(f, &w[i]);
    }
}

/** A log longer than the head may be is replayed into parts; a second crash and replay change nothing. */
static void test_replay_is_bounded(void **state)
{
    enum { LOG_SERIES = 50, LOG_ROUNDS = 400 };
    struct fixture *f = *state;
    int64_t t0 = now_ms() - 7200000;
    struct series_ref refs[LOG_SERIES];
    struct tsdb_status st;
    struct err e = {0};
    struct arena a;

    for (int i = 0; i < LOG_SERIES; i++) {
        char text[32];

        snprintf(text, sizeof(text), "i=%d", i);
        refs[i] = series(f, text);
    }
    for (int k = 0; k < LOG_ROUNDS; k++) {
        for (int i = 0; i < LOG_SERIES;
             i++) { /* noise: chunks stay large; each time written twice */
            assert_int_equal(tsdb_batch_add(f->batch, refs[i], t0 + k / 2 * 1000,
                                            k % 2 == 0 ? 1 : sin(k * 37.0 + i)),
                             0);
        }
        (void)commit(f);
    }
    for (int crash = 0; crash < 2; crash++) {
        f->opts.head_max_bytes = 64 << 10;
        close_db(f, true);
        open_db(f);
        arena_init(&a, 1 << 20);
        assert_int_equal(tsdb_status(f->db, 1, &a, &st, &e), 0);
        assert_true(st.blocks > 0);
        assert_true(st.head_bytes < 200 << 10); /* samples, and the labels of 50 series */
        arena_done(&a);
        for (int i = 0; i < LOG_SERIES; i += 7) {
            struct samples got = {0};
            struct matcher *m = NULL;
            struct series_query q = {.matchers_n = 1, .max_ms = INT64_MAX};
            struct series_source src = tsdb_source(f->db);
            struct series_selection *sel = NULL;
            char value[16];

            snprintf(value, sizeof(value), "%d", i);
            assert_int_equal(matcher_new(MATCH_EQ, STR("i"), str_cstr(value), &m, &e), 0);
            q.matchers = (const struct matcher *const *)&m;
            assert_int_equal(src.ops->select(src.impl, &q, &sel, &e), 0);
            assert_int_equal(src.ops->count(sel), 1);
            assert_int_equal(src.ops->read(sel, 0, &got, &e), 0);
            assert_int_equal(got.n, LOG_ROUNDS / 2);
            for (int k = 0; k < LOG_ROUNDS / 2; k++) {
                assert_true(got.v[k] == sin((2 * k + 1) * 37.0 + i));
            }
            samples_done(&got);
            src.ops->free(sel);
            matcher_free(m);
        }
    }
}

/** One record of the log: `host` defined under ref 256 (NULL: used only) and a sample of it. */
static void log_sample(struct wal *w, const char *host, int64_t t)
{
    struct buf scratch CLEANUP(buf_done);
    struct record r;
    uint8_t n[2] = {host != NULL ? 1 : 0, 1};
    struct str parts[4] = {{(char *)n, 1}, {0}, {(char *)n + 1, 1}, {0}};

    buf_init(&scratch, 1 << 16);
    record_init(&r);
    if (host != NULL) {
        const struct label v[] = {{STR(LABEL_NAME), STR("m")}, {STR("host"), str_cstr(host)}};

        record_add_series(&r, 256, (struct labels){v, 2}, &scratch);
    }
    record_add_sample(&r, 256, t, 1);
    parts[1] = buf_str(&r.series);
    parts[3] = buf_str(&r.samples);
    assert_int_equal(wal_append(w, RECORD_SAMPLES, parts, 4, NULL, NULL), 0);
    record_done(&r);
}

/** The log of a run lost the record that defines a series, but not what uses it: the sample must not go to the
 * series that had this reference in the run before. */
static void test_lost_definition(void **state)
{
    struct fixture *f = *state;
    char dir[128];
    char lost[160];
    struct wal_opts opts = {.dir = dir, .name = "metrics"};
    int64_t t0 = now_ms() - 3600000;
    char want[128];
    struct wal *w = NULL;
    uint64_t segment = 0;

    close_db(f, false);
    snprintf(dir, sizeof(dir), "%s/wal", f->dir);
    assert_int_equal(vfs_remove_tree(vfs_real(), dir, NULL), 0);
    assert_int_equal(wal_open(&opts, NULL, NULL, &w, NULL), 0);
    log_sample(w, "a", t0);
    wal_close(w);
    assert_int_equal(wal_open(&opts, NULL, NULL, &w, NULL), 0);
    log_sample(w, "b", t0 + 1000);
    assert_int_equal(wal_rotate(w, &segment, NULL), 0);
    log_sample(w, NULL, t0 + 2000);
    wal_close(w);
    snprintf(lost, sizeof(lost), "%s/%016llx.wal", dir, (unsigned long long)segment - 1);
    assert_int_equal(unlink(lost), 0);
    open_db(f);
    snprintf(want, sizeof(want), "m{host=\"a\"}: %lld=1\n", (long long)t0);
    assert_query(f, "__name__=m", 0, INT64_MAX, want);
}

struct logged {
    uint64_t ref;
    int64_t t;
    double v;
};

static const struct logged LOGGED[] = {
    {5 << 8 | 1, 1700000000000, 12},     {6 << 8 | 1, 1700000000000, -3},
    {4 << 8 | 1, 1700000000015, 12.34},  {4 << 8 | 2, 1700000000000, 0.125},
    {5 << 8 | 2, 1700000000000, 0.3333}, {6 << 8 | 2, 1700000000000, -0.0},
    {7 << 8 | 2, 1700000000000, 1e18},   {8 << 8 | 2, 1700000000000, 140737488355327.0},
};

static int check_logged(void *arg, uint64_t ref, int64_t t_ms, double v)
{
    const struct logged **at = arg;

    assert_int_equal(ref, (*at)->ref);
    assert_int_equal(t_ms, (*at)->t);
    assert_memory_equal(&v, &(*at)->v, sizeof(v));
    (*at)++;
    return 0;
}

/** Known bytes of samples in the log, written and read. */
static void test_record_bytes(void **state)
{
    static const char WANT[] =
        "93a00180a0abfef962181200051c1ea413171dfa011000696ff085c954d53f10000000000000000080100000c84e676dc1ab431200feffffffffff3f";
    static const struct record_ops ops = {NULL, check_logged};
    const struct logged *at = LOGGED;
    struct record r;
    struct buf payload CLEANUP(buf_done) = {0};
    char hex[400];

    (void)state;
    record_init(&r);
    buf_init(&payload, 1000);
    buf_add_byte(&payload, 0);
    buf_add_byte(&payload, ARRAY_LEN(LOGGED));
    for (size_t i = 0; i < ARRAY_LEN(LOGGED); i++) {
        record_add_sample(&r, LOGGED[i].ref, LOGGED[i].t, LOGGED[i].v);
    }
    hex_encode((const uint8_t *)r.samples.data, r.samples.n, hex);
    assert_string_equal(hex, WANT);
    buf_add_str(&payload, buf_str(&r.samples));
    assert_int_equal(record_decode(buf_str(&payload), &ops, &at), 0);
    assert_ptr_equal(at, LOGGED + ARRAY_LEN(LOGGED));
    record_done(&r);
}

static void test_records(void **state)
{
    static const struct record_ops ops = {NULL, NULL};
    static const struct str BAD[] = {STR(""),     STR("\1"),    STR("\1\5\3ab"),
                                     STR("\0\1"), STR("\0\0x"), STR("\0\1\0\2\0\0\0\0")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_int_equal(record_decode(BAD[i], &ops, NULL), -ERR_CORRUPT);
    }
    assert_int_equal(record_decode(STR("\0\0"), &ops, NULL), 0);
}

static void test_days(void **state)
{
    (void)state;
    assert_int_equal(day_of(0), 0);
    assert_int_equal(day_of(86399999), 0);
    assert_int_equal(day_of(86400000), 1);
    assert_int_equal(day_of(-1), -1);
    assert_int_equal(day_of(-86400000), -1);
    assert_int_equal(day_of(-86400001), -2);
}

/* A server's own statistics every 15 s are a pause; steady ingest and scrapes far apart are not. */
static void test_pause(void **state)
{
    static const struct {
        const char *what;
        int every_s; /* this many samples come */
        uint64_t samples;
        int first_s; /* the first second seen as paused, 0: never */
    } ROWS[] = {
        {"nothing at all", 1, 0, 20},
        {"the server's own statistics", 15, 1000, 20},
        {"a trickle", 1, 100, 20},
        {"steady ingest", 1, 1000, 0},
        {"scrapes every 15 s", 15, 20000, 0},
        {"just enough", 5, 1001, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct mono start = {5};
        struct ingest_pause p = {.appended = 7, .since = start};
        uint64_t appended = 7;

        for (int s = 1; s <= 600; s++) {
            bool expected = ROWS[i].first_s != 0 && s >= ROWS[i].first_s;

            appended += s % ROWS[i].every_s == 0 ? ROWS[i].samples : 0;
            if (ingest_paused(&p, appended, mono_add_ms(start, s * 1000)) != expected) {
                fail_msg("%s: after %d s", ROWS[i].what, s);
            }
        }
    }
}

static void test_pause_ends_at_once(void **state)
{
    struct mono start = {0};
    struct ingest_pause p = {.since = start};

    (void)state;
    assert_false(ingest_paused(&p, 1000000, mono_add_ms(start, 1000)));
    assert_false(ingest_paused(&p, 1000010, mono_add_ms(start, 20000)));
    assert_true(ingest_paused(&p, 1000010, mono_add_ms(start, 21000)));
    assert_true(ingest_paused(&p, 1000500, mono_add_ms(start, 22000)));
    assert_false(ingest_paused(&p, 1100000, mono_add_ms(start, 23000)));
    assert_false(ingest_paused(&p, 1100000, mono_add_ms(start, 42000)));
    assert_true(ingest_paused(&p, 1100000, mono_add_ms(start, 43000)));
}

#define DB_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        DB_TEST(test_append_and_read),
        DB_TEST(test_any_order_any_stage),
        DB_TEST(test_window_and_rejections),
        DB_TEST(test_max_series),
        DB_TEST(test_doors),
        DB_TEST(test_matchers),
        DB_TEST(test_label_queries),
        DB_TEST(test_label_queries_follow),
        DB_TEST(test_regex_follows_values),
        DB_TEST(test_select_limits),
        DB_TEST(test_special_values),
        DB_TEST(test_selection_outlives_changes),
        DB_TEST(test_retention),
        DB_TEST(test_merge_leftovers),
        DB_TEST(test_metadata),
        DB_TEST(test_status),
        DB_TEST(test_damaged_part),
        DB_TEST(test_memory_budget),
        DB_TEST(test_many_series_have_small_buffers),
        DB_TEST(test_foreign_files_are_left_alone),
        DB_TEST(test_full_disk),
        DB_TEST(test_threads),
        DB_TEST(test_replay_is_bounded),
        DB_TEST(test_lost_definition),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_record_bytes),
        cmocka_unit_test(test_days),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_pause_ends_at_once),
    };

    log_set_level(LOG_WARN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
