/* SPDX-License-Identifier: Apache-2.0
 *
 * Power goes at any moment, while commits, flushes, merges and roll-ups run: the database opens on what the disk
 * kept, has what the sync setting promises, and no sample that was not sent. See io/tests/powercut.h.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "base/thread.h"
#include "io/tests/powercut.h"
#include "store/tsdb/tsdb_internal.h"

enum { ROUNDS = 10, SERIES = 8, STEP_MS = 1800000, STEPS_MAX = 400 };

struct run {
    char dir[64], disk[128], image[128];
    struct powercut pc;
    struct tsdb *db;
    atomic_long acked; /* steps */
    atomic_bool stop;
    struct thread flusher;
};

static void intern(struct tsdb *db, int i, struct series_ref *ret)
{
    char host[16];
    struct label v[] = {{STR("__name__"), STR("m")}, {STR("host"), {host, 0}}};

    v[1].value.n = (size_t)snprintf(host, sizeof(host), "h%d", i);
    assert_int_equal(tsdb_intern(db, (struct labels){v, 2}, NULL, ret, NULL), 0);
}

static void keep_flushing(void *arg)
{
    struct run *r = arg;

    for (int i = 0; !atomic_load(&r->stop); i++) {
        struct err e = {0};
        int rc = i % 3 == 2 ? tsdb_compact(r->db, &e) : tsdb_flush(r->db, &e);

        if (rc < 0) {
            fail_msg("flush: %s", e.msg);
        }
        clock_sleep_ms(1);
    }
}

static void begin(struct run *r, enum wal_sync sync, uint64_t seed)
{
    struct tsdb_opts opts = {.wal_sync = sync};
    struct err e = {0};

    *r = (struct run){0};
    snprintf(r->dir, sizeof(r->dir), "/tmp/test_powercut.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->disk, sizeof(r->disk), "%s/disk", r->dir);
    snprintf(r->image, sizeof(r->image), "%s/image", r->dir);
    powercut_init(&r->pc, r->dir, seed);
    opts.dir = r->disk;
    opts.vfs = &r->pc.vfs;
    if (tsdb_open(&opts, &r->db, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
    assert_int_equal(thread_start(&r->flusher, "flusher", keep_flushing, r), 0);
}

/** Commit up to `steps`; then the power goes. @return steps acknowledged for sure before it did */
static long work(struct run *r, long steps, bool promised_at_once)
{
    struct series_ref refs[SERIES];
    struct tsdb_batch *b = tsdb_batch_new(r->db);
    long promised;

    for (int i = 0; i < SERIES; i++) {
        intern(r->db, i, &refs[i]);
    }
    for (long step = 0; step < steps; step++) {
        for (int i = 0; i < SERIES; i++) {
            assert_int_equal(tsdb_batch_add(b, refs[i], step * STEP_MS, (double)(step * 100 + i)),
                             0);
        }
        assert_int_equal(tsdb_batch_commit(b, NULL, NULL), 0);
        atomic_store(&r->acked, step + 1);
    }
    promised = promised_at_once ? atomic_load(&r->acked) : 0;
    powercut_image(&r->pc, r->disk, r->image);
    tsdb_batch_free(b);
    return promised;
}

static void end(struct run *r)
{
    atomic_store(&r->stop, true);
    thread_join(&r->flusher);
    tsdb_close_unflushed(r->db);
    powercut_done(&r->pc);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
}

/** Open what the disk kept. @return steps every series has */
static long check(const struct run *r, long sent)
{
    const struct tsdb_opts opts = {.dir = r->image};
    struct tsdb *db = NULL;
    struct err e = {0};
    struct matcher *m = NULL;
    struct series_query q = {.matchers_n = 1, .max_ms = INT64_MAX};
    struct series_source src;
    struct series_selection *s = NULL;
    struct samples got = {0};
    long there = LONG_MAX;

    if (tsdb_open(&opts, &db, &e) != 0) {
        fail_msg("open after the power cut: %s", e.msg);
    }
    assert_int_equal(matcher_new(MATCH_EQ, STR("__name__"), STR("m"), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    src = tsdb_source(db);
    assert_int_equal(src.ops->select(src.impl, &q, &s, &e), 0);
    if (src.ops->count(s) < SERIES) {
        there = 0;
    }
    for (size_t i = 0; i < src.ops->count(s); i++) {
        struct str host = labels_get(src.ops->labels(s, i), STR("host"));
        int64_t id = 0;
        long rising = 0; /* steps without a gap from the first */

        assert_true(str_to_i64(str_drop(host, 1), &id));
        assert_int_equal(src.ops->read(s, i, &got, &e), 0);
        for (size_t k = 0; k < got.n; k++) {
            long step = (long)(got.t_ms[k] / STEP_MS);

            assert_true(step < sent && got.t_ms[k] % STEP_MS == 0);
            assert_true(got.v[k] == (double)(step * 100 + (long)id));
            rising += step == rising;
        }
        there = rising < there ? rising : there;
    }
    samples_done(&got);
    src.ops->free(s);
    matcher_free(m);
    tsdb_close(db);
    return there;
}

static void rounds(enum wal_sync sync)
{
    uint64_t seed = sync == WAL_SYNC_ALWAYS ? 11 : 12;

    for (int i = 0; i < ROUNDS; i++) {
        static struct run r;
        long steps = 1 + (long)(random_next(&seed) % STEPS_MAX);
        long promised;
        long there;

        begin(&r, sync, random_next(&seed));
        promised = work(&r, steps, sync == WAL_SYNC_ALWAYS);
        there = check(&r, steps);
        if (there < promised) {
            fail_msg("round %d: %ld of %ld steps promised by fsync %s are there", i, there,
                     promised, sync == WAL_SYNC_ALWAYS ? "always" : "interval");
        }
        end(&r);
    }
}

static void test_sync_always(void **state)
{
    (void)state;
    rounds(WAL_SYNC_ALWAYS);
}

static void test_sync_interval(void **state)
{
    (void)state;
    rounds(WAL_SYNC_INTERVAL);
}

/** With interval, what was acknowledged longer ago than the interval (1 s) is there. */
static void test_interval_bounds_the_loss(void **state)
{
    static struct run r;
    struct series_ref ref;
    struct tsdb_batch *b;

    (void)state;
    begin(&r, WAL_SYNC_INTERVAL, 5);
    b = tsdb_batch_new(r.db);
    intern(r.db, 0, &ref);
    for (int i = 1; i < SERIES; i++) {
        struct series_ref other;

        intern(r.db, i, &other);
        assert_int_equal(tsdb_batch_add(b, other, 0, i), 0);
    }
    assert_int_equal(tsdb_batch_add(b, ref, 0, 0), 0);
    assert_int_equal(tsdb_batch_commit(b, NULL, NULL), 0);
    powercut_settle(&r.pc, r.disk);
    powercut_image(&r.pc, r.disk, r.image);
    assert_int_equal(check(&r, 1), 1);
    tsdb_batch_free(b);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync_always),
        cmocka_unit_test(test_sync_interval),
        cmocka_unit_test(test_interval_bounds_the_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
