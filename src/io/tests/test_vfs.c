/* SPDX-License-Identifier: Apache-2.0
 *
 * File helpers: directories, whole files, atomic replacement with every step failing, trees, mappings.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "io/vfs.h"

struct fixture {
    char dir[64];
    char path[128];
};

static const char *at(struct fixture *f, const char *name)
{
    snprintf(f->path, sizeof(f->path), "%s/%s", f->dir, name);
    return f->path;
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_vfs.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    assert_int_equal(access(f->dir, F_OK), -1);
    mem_free(f);
    return 0;
}

static void assert_content(const char *path, const char *want)
{
    char *p = NULL;
    size_t n = 0;

    assert_int_equal(vfs_read_file(vfs_real(), path, 1000, &p, &n, NULL), 0);
    assert_int_equal(n, strlen(want));
    assert_string_equal(p, want);
    mem_free(p);
}

static void test_directories(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    char **names = NULL;
    size_t n = 0;
    char *joined = vfs_join("a/b", "c");

    assert_string_equal(joined, "a/b/c");
    assert_int_equal(vfs_mkdirs(vfs_real(), at(f, joined), &e), 0);
    assert_int_equal(vfs_mkdirs(vfs_real(), at(f, joined), &e), 0);
    mem_free(joined);
    assert_int_equal(vfs_write_atomic(vfs_real(), at(f, "a/z"), STR("12345"), &e), 0);
    assert_int_equal(vfs_write_atomic(vfs_real(), at(f, "a/b/c/d"), STR("123"), &e), 0);
    assert_int_equal(vfs_tree_bytes(f->dir), 8);
    assert_int_equal(vfs_list(at(f, "a"), &names, &n, &e), 0);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "b");
    assert_string_equal(names[1], "z");
    vfs_list_free(names, n);
    assert_int_equal(vfs_list(at(f, "missing"), &names, &n, &e), -ERR_NOT_FOUND);
    assert_int_equal(vfs_mkdirs(vfs_real(), at(f, "a/z/below_a_file"), &e), -ERR_IO);
    assert_int_equal(vfs_remove_tree(vfs_real(), at(f, "missing"), &e), 0);
    assert_true(vfs_free_bytes(f->dir) > 0);
    assert_int_equal(vfs_free_bytes("/nonexistent/x"), 0);
}

static void test_read_and_map(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    char *p = NULL;
    size_t n = 0;
    struct mapping m;

    assert_int_equal(vfs_read_file(vfs_real(), at(f, "x"), 10, &p, &n, &e), -ERR_NOT_FOUND);
    assert_int_equal(vfs_map(at(f, "x"), &m, &e), -ERR_NOT_FOUND);
    assert_int_equal(vfs_write_atomic(vfs_real(), at(f, "x"), STR("hello"), &e), 0);
    assert_int_equal(vfs_read_file(vfs_real(), at(f, "x"), 4, &p, &n, &e), -ERR_TOO_LARGE);
    assert_content(at(f, "x"), "hello");
    assert_int_equal(vfs_map(at(f, "x"), &m, &e), 0);
    assert_int_equal(m.n, 5);
    assert_memory_equal(m.p, "hello", 5);
    vfs_unmap(&m);
    assert_int_equal(vfs_write_atomic(vfs_real(), at(f, "x"), STR(""), &e), 0);
    assert_int_equal(vfs_map(at(f, "x"), &m, &e), 0);
    assert_null(m.p);
    assert_int_equal(m.n, 0);
    vfs_unmap(&m);
}

/* A table that fails one chosen operation. */
struct faulty {
    struct vfs v;
    const char *fail;
};

static int fail_sync(void *ctx, int fd)
{
    struct faulty *f = ctx;

    return strcmp(f->fail, "sync") == 0 ? -EIO : vfs_real()->fdatasync(NULL, fd);
}

static ssize_t fail_writev(void *ctx, int fd, const struct iovec *iov, int n)
{
    struct faulty *f = ctx;
    struct iovec one = {iov[0].iov_base, 1};

    if (strcmp(f->fail, "write") == 0) {
        return -ENOSPC;
    }
    (void)n;
    return vfs_real()->writev(NULL, fd, &one, 1); /* always short */
}

static int fail_rename(void *ctx, const char *from, const char *to)
{
    struct faulty *f = ctx;

    return strcmp(f->fail, "rename") == 0 ? -EIO : vfs_real()->rename(NULL, from, to);
}

static void test_atomic_replacement(void **state)
{
    static const struct {
        const char *fail;
        int rc;
    } CASES[] = {{"write", -ERR_NOSPACE}, {"sync", -ERR_IO}, {"rename", -ERR_IO}, {"", 0}};
    struct fixture *f = *state;
    struct faulty bad = {.v = *vfs_real()};
    struct err e = {0};

    bad.v.ctx = &bad;
    bad.v.fdatasync = fail_sync;
    bad.v.writev = fail_writev;
    bad.v.rename = fail_rename;
    assert_int_equal(vfs_write_atomic(vfs_real(), at(f, "x"), STR("old"), &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char **names = NULL;
        size_t n = 0;

        bad.fail = CASES[i].fail;
        assert_int_equal(vfs_write_atomic(&bad.v, at(f, "x"), STR("new one"), &e), CASES[i].rc);
        assert_content(at(f, "x"), CASES[i].rc == 0 ? "new one" : "old");
        assert_int_equal(vfs_list(f->dir, &names, &n, &e), 0);
        assert_int_equal(n, 1); /* no temporary file stays */
        vfs_list_free(names, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_directories, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_and_map, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_atomic_replacement, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
