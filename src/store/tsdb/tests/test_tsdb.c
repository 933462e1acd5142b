/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine from outside: what is committed is found, in every order, across flushes, merges, restarts
 * and crashes.
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
#include "base/random.h"
#include "io/vfs.h"
#include "store/tsdb/tsdb_internal.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_append_and_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_order_any_stage, set_up, tear_down),
    };

    (void)now_ms;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
