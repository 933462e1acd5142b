/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting: at once, over crashes, merges and cleaning; what comes later stays; a write that fails deletes
 * nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/tsdb/tiers.h"
#include "store/tsdb/tombstones.h"
#include "store/tsdb/tsdb_internal.h"

enum { HOUR = 3600000 };

struct rig {
    char dir[64];
    struct tsdb *db;
    struct vfs vfs;
};

static bool refuse_files; /* the rig's file system is full */

static int failing_open(void *ctx, const char *path, int flags, mode_t mode)
{
    return refuse_files && strstr(path, "tombstones") != NULL
               ? -ENOSPC
               : vfs_real()->open(ctx, path, flags, mode);
}

static void rig_open(struct rig *r)
{
    const struct tsdb_opts o = {.dir = r->dir, .vfs = &r->vfs};
    struct err e = {0};

    if (tsdb_open(&o, &r->db, &e) != 0) {
        fail_msg("open: %s", e.msg);
    }
}

static int set_up(void **state)
{
    struct rig *r = mem_xcalloc(1, sizeof(*r));

    snprintf(r->dir, sizeof(r->dir), "/tmp/test_tombstones_XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->vfs = *vfs_real();
    r->vfs.open = failing_open;
    refuse_files = false;
    rig_open(r);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;

    tsdb_close(r->db);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
    mem_free(r);
    return 0;
}

static void crash(struct rig *r)
{
    tsdb_close_unflushed(r->db);
    rig_open(r);
}

static void put(struct rig *r, const char *job, int64_t t_ms, double v)
{
    struct label l[2] = {{STR(LABEL_NAME), STR("m")}, {STR("job"), str_cstr(job)}};
    struct tsdb_batch *b = tsdb_batch_new(r->db);
    struct series_ref ref;

    assert_int_equal(tsdb_intern(r->db, (struct labels){l, 2}, NULL, &ref, NULL), 0);
    assert_int_equal(tsdb_batch_add(b, ref, t_ms, v), 0);
    assert_int_equal(tsdb_batch_commit(b, NULL, NULL), 0);
    tsdb_batch_free(b);
}

static int delete (struct rig *r, enum match_op op, const char *job, int64_t min, int64_t max)
{
    struct matcher *m = NULL;
    struct tsdb_matchers one = {(const struct matcher *const *)&m, 1};
    struct err e = {0};
    int rc;

    assert_int_equal(matcher_new(op, STR("job"), str_cstr(job), &m, NULL), 0);
    rc = tsdb_delete_series(r->db, &one, 1, min, max, &e);
    matcher_free(m);
    return rc;
}

/** "a:1,2 b:3": hours and series that have samples. */
static void expect(struct rig *r, const char *want)
{
    struct series_source src = tsdb_source(r->db);
    struct series_query q = {.matchers_n = 1, .min_ms = INT64_MIN / 2, .max_ms = INT64_MAX / 2};
    struct series_selection *s = NULL;
    struct samples got = {0};
    struct matcher *m = NULL;
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 4096);
    assert_int_equal(matcher_new(MATCH_EQ, STR(LABEL_NAME), STR("m"), &m, NULL), 0);
    q.matchers = (const struct matcher *const *)&m;
    assert_int_equal(src.ops->select(src.impl, &q, &s, NULL), 0);
    for (size_t i = 0; i < src.ops->count(s); i++) {
        assert_int_equal(src.ops->read(s, i, &got, NULL), 0);
        if (got.n == 0) {
            continue;
        }
        buf_add_cstr(&b, b.n != 0 ? " " : "");
        buf_add_str(&b, labels_get(src.ops->labels(s, i), STR("job")));
        for (size_t k = 0; k < got.n; k++) {
            buf_printf(&b, "%s%d", k == 0 ? ":" : ",", (int)(got.t_ms[k] / HOUR));
        }
    }
    buf_add_byte(&b, '\0');
    assert_string_equal(b.data, want);
    samples_done(&got);
    src.ops->free(s);
    matcher_free(m);
}

static void expect_jobs(struct rig *r, const char *want)
{
    struct series_source src = tsdb_source(r->db);
    struct series_query q = {.min_ms = INT64_MIN / 2, .max_ms = INT64_MAX / 2};
    struct arena a CLEANUP(arena_done);
    struct buf b CLEANUP(buf_done);
    struct str *v = NULL;
    size_t n = 0;

    arena_init(&a, 1 << 20);
    buf_init(&b, 4096);
    assert_int_equal(src.ops->label_values(src.impl, STR("job"), &q, 0, &a, &v, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        buf_add_str(&b, v[i]);
    }
    buf_add_byte(&b, '\0');
    assert_string_equal(b.data, want);
}

static void fill(struct rig *r)
{
    for (int h = 1; h <= 30; h += 29) { /* two days */
        put(r, "a", h * HOUR, h);
        put(r, "b", h * HOUR, h);
        put(r, "c", h * HOUR, h);
    }
}

static void test_at_once_and_for_good(void **state)
{
    struct rig *r = *state;

    fill(r);
    assert_int_equal(delete (r, MATCH_EQ, "a", INT64_MIN / 2, INT64_MAX / 2), 0);
    assert_int_equal(delete (r, MATCH_RE, "b|x", 0, 2 * HOUR), 0);
    expect(r, "b:30 c:1,30");
    crash(r);
    expect(r, "b:30 c:1,30");
    put(r, "a", HOUR, 5); /* late, but after the deletion: it stays */
    expect(r, "a:1 b:30 c:1,30");
    crash(r);
    expect(r, "a:1 b:30 c:1,30");
    assert_int_equal(tsdb_compact(r->db, NULL), 0);
    expect(r, "a:1 b:30 c:1,30");
    crash(r);
    expect(r, "a:1 b:30 c:1,30");
    assert_int_equal(tsdb_clean_tombstones(r->db, NULL), 0);
    expect(r, "a:1 b:30 c:1,30");
    crash(r);
    expect(r, "a:1 b:30 c:1,30");
}

static void test_clean(void **state)
{
    struct rig *r = *state;
    char path[128];

    fill(r);
    assert_int_equal(delete (r, MATCH_RE, "a|b", INT64_MIN / 2, INT64_MAX / 2), 0);
    snprintf(path, sizeof(path), "%s/tombstones", r->dir);
    assert_int_equal(access(path, F_OK), 0);
    put(r, "d", 2 * HOUR, 1);
    assert_int_equal(tsdb_flush(r->db, NULL), 0); /* a part behind the deletion */
    assert_int_equal(tsdb_clean_tombstones(r->db, NULL), 0);
    assert_int_not_equal(access(path, F_OK), 0);
    expect(r, "c:1,30 d:2");
    expect_jobs(r, "cd");
    crash(r);
    expect(r, "c:1,30 d:2");
    expect_jobs(r, "cd");
}

static void test_everything(void **state)
{
    struct rig *r = *state;

    fill(r);
    assert_int_equal(delete (r, MATCH_RE, ".*", INT64_MIN / 2, INT64_MAX / 2), 0);
    expect(r, "");
    assert_int_equal(tsdb_clean_tombstones(r->db, NULL), 0);
    expect_jobs(r, "");
    crash(r);
    fill(r);
    assert_int_equal(tsdb_flush(r->db, NULL), 0);
    crash(r); /* flush numbers did not begin anew below the deletion */
    expect(r, "a:1,30 b:1,30 c:1,30");
}

/** All parts go while the file stays, as a crash in the middle of cleaning leaves it. */
static void test_numbers_go_on(void **state)
{
    struct rig *r = *state;

    fill(r);
    assert_int_equal(delete (r, MATCH_RE, ".*", INT64_MIN / 2, INT64_MAX / 2), 0);
    {
        struct tsdb_shrink shrunk;

        while (tsdb_shrink(r->db, true, &shrunk, NULL) != 0) {
        }
    }
    crash(r);
    fill(r);
    assert_int_equal(tsdb_flush(r->db, NULL), 0);
    crash(r);
    expect(r, "a:1,30 b:1,30 c:1,30");
}

static void test_failures(void **state)
{
    struct rig *r = *state;
    struct tsdb_matchers none = {NULL, 0};

    fill(r);
    refuse_files = true;
    assert_int_equal(delete (r, MATCH_EQ, "a", INT64_MIN / 2, INT64_MAX / 2), -ERR_NOSPACE);
    expect(r, "a:1,30 b:1,30 c:1,30");
    refuse_files = false;
    assert_int_equal(tsdb_delete_series(r->db, NULL, 0, 0, 1, NULL), -ERR_INVALID);
    assert_int_equal(tsdb_delete_series(r->db, &none, 1, 0, 1, NULL), -ERR_INVALID);
    assert_int_equal(delete (r, MATCH_EQ, "a", INT64_MIN / 2, INT64_MAX / 2), 0);
    expect(r, "b:1,30 c:1,30");
}

/** Every cut and flipped bit of the file is noticed. */
static void test_damage(void **state)
{
    struct rig *r = *state;
    struct tombstones *t = NULL;
    char path[128];
    char *p = NULL;
    size_t n = 0;

    fill(r);
    assert_int_equal(delete (r, MATCH_NRE, "a+", -5, 5 * HOUR), 0);
    snprintf(path, sizeof(path), "%s/tombstones", r->dir);
    assert_int_equal(vfs_read_file(vfs_real(), path, 1 << 20, &p, &n, NULL), 0);
    assert_int_equal(tombstones_parse(str_of(p, n), &t), 0);
    tombstones_free(t);
    for (size_t i = 0; i < n; i++) {
        t = NULL;
        assert_int_equal(tombstones_parse(str_of(p, i), &t), -ERR_CORRUPT);
        p[i] = (char)(p[i] ^ 1);
        assert_int_equal(tombstones_parse(str_of(p, n), &t), -ERR_CORRUPT);
        p[i] = (char)(p[i] ^ 1);
    }
    mem_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_at_once_and_for_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_clean, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_everything, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers_go_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
