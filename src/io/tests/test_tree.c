/* SPDX-License-Identifier: Apache-2.0
 *
 * Walks in a fixed order, links that share content, what is left out.
 */
#include "io/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"

struct fixture {
    char dir[64];
    char seen[1024];
};

static void put(struct fixture *f, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/from/%s", f->dir, name);
    assert_int_equal(tree_make_parents(path, NULL), 0);
    assert_int_equal(vfs_write_atomic(vfs_real(), path, str_cstr(text), NULL), 0);
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_tree.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    put(f, "b/2", "two");
    put(f, "b/1", "one");
    put(f, "a", "top");
    put(f, "b/c/3", "three");
    put(f, "wal/4", "four");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    mem_free(f);
    return 0;
}

static const char *in(struct fixture *f, const char *name, char dst[256])
{
    snprintf(dst, 256, "%s/%s", f->dir, name);
    return dst;
}

static int see(void *arg, const struct tree_file *f, struct err *reterr)
{
    char *seen = arg;
    size_t n = strlen(seen);

    snprintf(seen + n, 1024 - n, "%s:%lld ", f->relative, (long long)f->st.st_size);
    return strcmp(f->relative, "b/c/3") == 0 && strstr(seen, "stop") != NULL
               ? err_set(reterr, ERR_LIMIT, "enough")
               : 0;
}

static bool is_wal(const char *name)
{
    return strcmp(name, "wal") == 0;
}

static void test_walk(void **state)
{
    struct fixture *f = *state;
    char path[256];

    assert_int_equal(tree_walk(in(f, "from", path), NULL, see, f->seen, NULL), 0);
    assert_string_equal(f->seen, "a:3 b/1:3 b/2:3 b/c/3:5 wal/4:4 ");
    f->seen[0] = '\0';
    assert_int_equal(tree_walk(in(f, "from", path), is_wal, see, f->seen, NULL), 0);
    assert_string_equal(f->seen, "a:3 b/1:3 b/2:3 b/c/3:5 ");
    snprintf(f->seen, sizeof(f->seen), "stop ");
    assert_int_equal(tree_walk(in(f, "from", path), NULL, see, f->seen, NULL), -ERR_LIMIT);
    assert_int_equal(tree_walk(in(f, "none", path), NULL, see, f->seen, NULL), -ERR_NOT_FOUND);
}

static void test_link(void **state)
{
    struct fixture *f = *state;
    char from[256];
    char to[256];
    struct stat a;
    struct stat b;

    assert_int_equal(tree_link(in(f, "from", from), in(f, "to/deep", to), is_wal, NULL), 0);
    assert_int_equal(stat(in(f, "from/b/c/3", from), &a), 0);
    assert_int_equal(stat(in(f, "to/deep/b/c/3", to), &b), 0);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(access(in(f, "to/deep/wal", to), F_OK), -1);
    assert_int_equal(tree_link(in(f, "from", from), in(f, "to/deep", to), NULL, NULL), -ERR_EXISTS);
    /* The original may go: the copy stays. */
    assert_int_equal(vfs_remove_tree(vfs_real(), in(f, "from", from), NULL), 0);
    assert_int_equal(stat(in(f, "to/deep/a", to), &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_walk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_link, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
