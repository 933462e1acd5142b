/* SPDX-License-Identifier: Apache-2.0
 *
 * kill -9 at any moment, while commits, flushes and merges run: everything that was acknowledged before is
 * there afterwards, each sample once and right, and the database opens.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "base/thread.h"
#include "io/vfs.h"
#include "store/tsdb/tsdb.h"

enum { ROUNDS = 12, SERIES = 20, STEP_MS = 1800000 /* several days come together */ };

static void intern(struct tsdb *db, int i, struct series_ref *ret)
{
    char host[16];
    struct label v[] = {{STR("__name__"), STR("m")}, {STR("host"), {host, 0}}};

    v[1].value.n = (size_t)snprintf(host, sizeof(host), "h%d", i);
    if (tsdb_intern(db, (struct labels){v, 2}, NULL, ret, NULL) != 0) {
        _exit(3);
    }
}

static void keep_flushing(void *arg)
{
    for (int i = 0;; i++) {
        if ((i % 3 == 2 ? tsdb_compact(arg, NULL) : tsdb_flush(arg, NULL)) != 0) {
            _exit(4);
        }
    }
}

/** The victim: commit step after step from `from` on, telling each one after its acknowledgement. */
static void victim(const char *dir, int64_t from, int fd)
{
    const struct tsdb_opts opts = {.dir = dir};
    struct tsdb *db = NULL;
    struct series_ref refs[SERIES];
    struct thread flusher;
    struct tsdb_batch *b;

    if (tsdb_open(&opts, &db, NULL) != 0) {
        _exit(2);
    }
    for (int i = 0; i < SERIES; i++) {
        intern(db, i, &refs[i]);
    }
    b = tsdb_batch_new(db);
    if (thread_start(&flusher, "flusher", keep_flushing, db) != 0) {
        _exit(5);
    }
    for (int64_t step = from;; step++) {
        for (int i = 0; i < SERIES; i++) {
            if (tsdb_batch_add(b, refs[i], step * STEP_MS, (double)(step * 100 + i)) != 0) {
                _exit(6);
            }
        }
        if (tsdb_batch_commit(b, NULL, NULL) != 0 ||
            write(fd, &step, sizeof(step)) != sizeof(step)) {
            _exit(7);
        }
    }
}

/** Steps 0..acked-1 must be there; what came after, up to `seen`, may be. @return steps that are there */
static int64_t check(const char *dir, int64_t acked)
{
    const struct tsdb_opts opts = {.dir = dir};
    struct tsdb *db = NULL;
    struct err e = {0};
    struct matcher *m = NULL;
    struct series_query q = {.matchers_n = 1, .max_ms = INT64_MAX};
    struct series_source src;
    struct series_selection *s = NULL;
    struct samples got = {0};
    int64_t there = INT64_MAX;

    if (tsdb_open(&opts, &db, &e) != 0) {
        fail_msg("open after the crash: %s", e.msg);
    }
    assert_int_equal(matcher_new(MATCH_EQ, STR("__name__"), STR("m"), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    src = tsdb_source(db);
    assert_int_equal(src.ops->select(src.impl, &q, &s, &e), 0);
    assert_int_equal(src.ops->count(s), acked > 0 ? SERIES : src.ops->count(s));
    for (size_t i = 0; i < src.ops->count(s); i++) {
        struct str host = labels_get(src.ops->labels(s, i), STR("host"));
        int64_t id = 0;

        assert_true(str_to_i64(str_drop(host, 1), &id));
        if (src.ops->read(s, i, &got, &e) != 0) {
            fail_msg("read after the crash: %s", e.msg);
        }
        if ((int64_t)got.n < acked) {
            fail_msg("series %zu: %zu of %lld acknowledged samples", i, got.n, (long long)acked);
        }
        for (size_t k = 0; k < got.n; k++) {
            assert_true(got.t_ms[k] == (int64_t)k * STEP_MS);
            assert_true(got.v[k] == (double)((int64_t)k * 100 + id));
        }
        there = (int64_t)got.n < there ? (int64_t)got.n : there;
    }
    samples_done(&got);
    src.ops->free(s);
    matcher_free(m);
    tsdb_close(db);
    return there == INT64_MAX ? 0 : there;
}

static void test_kill(void **state)
{
    char dir[64] = "/tmp/test_tsdb_crash.XXXXXX";
    int64_t acked = 0;
    uint64_t seed = 99;

    (void)state;
    assert_non_null(mkdtemp(dir));
    for (int round = 0; round < ROUNDS; round++) {
        int64_t from = check(dir, acked);
        int fds[2];
        pid_t pid;
        int64_t step;
        int status = 0;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            victim(dir, from, fds[1]);
        }
        close(fds[1]);
        clock_sleep_ms(20 + (int64_t)(random_next(&seed) % 120));
        kill(pid, SIGKILL);
        while (read(fds[0], &step, sizeof(step)) == sizeof(step)) {
            acked = step + 1;
        }
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
            fail_msg("the victim ended by itself: %d", status);
        }
    }
    assert_true(check(dir, acked) > 0);
    assert_int_equal(vfs_remove_tree(vfs_real(), dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kill)};

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
