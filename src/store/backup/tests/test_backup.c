/* SPDX-License-Identifier: Apache-2.0
 *
 * Backups of a small tree: complete, incremental, checked, restored bit by bit, thinned out; and what is said
 * when something is in the way or damaged.
 */
#include "store/backup/backup.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "io/tree.h"
#include "store/backup/list.h"

static const int64_t NOW = 1795270530123; /* 2026-11-21T14:15:30.123Z */

struct fixture {
    char dir[64], source[128], repo[128], target[128];
};

static void put(const char *root, const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(tree_make_parents(path, NULL), 0);
    assert_int_equal(vfs_write_atomic(vfs_real(), path, str_cstr(text), NULL), 0);
}

static void check(const char *root, const char *name, const char *want)
{
    char path[256];
    char *text = NULL;
    size_t n = 0;

    snprintf(path, sizeof(path), "%s/%s", root, name);
    assert_int_equal(vfs_read_file(vfs_real(), path, 1 << 20, &text, &n, NULL), 0);
    assert_true(str_eq(str_of(text, n), str_cstr(want)));
    mem_free(text);
}

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_backup.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->source, sizeof(f->source), "%s/source", f->dir);
    snprintf(f->repo, sizeof(f->repo), "%s/repo", f->dir);
    snprintf(f->target, sizeof(f->target), "%s/target", f->dir);
    put(f->source, "metrics/blocks/1/a/data", "samples of a day");
    put(f->source, "metrics/blocks/1/a/index", "index");
    put(f->source, "meta.sqlite", "users");
    put(f->source, "empty", "");
    put(f->source, "lock", "not data");
    put(f->source, "metrics/blocks/1/b.tmp/data", "unfinished");
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

static const struct backup_watch QUIET;

static struct backup_info make(struct fixture *f, int64_t now_ms)
{
    struct backup_info i = {0};
    struct err e = {0};

    if (backup_create(f->repo, f->source, now_ms, QUIET, &i, &e) != 0) {
        fail_msg("%s", e.msg);
    }
    return i;
}

static void count_calls(void *arg, const struct backup_progress *p)
{
    int *calls = arg;

    ++*calls;
    assert_int_equal(p->files, *calls);
    assert_int_equal(p->files_n, 4);
    assert_true(p->bytes <= p->bytes_n);
}

static void test_create_and_restore(void **state)
{
    struct fixture *f = *state;
    struct backup_info i = {0};
    int calls = 0;

    assert_int_equal(backup_create(f->repo, f->source, NOW,
                                   (struct backup_watch){count_calls, &calls}, &i, NULL),
                     0);
    assert_int_equal(calls, 4);
    assert_string_equal(i.name, "20261121T141530Z");
    assert_int_equal(i.files_n, 4);
    assert_int_equal(i.bytes, 26);
    assert_int_equal(i.bytes_new, 26);
    assert_int_equal(backup_verify(f->repo, "", QUIET, &i, NULL), 0);
    assert_string_equal(i.name, "20261121T141530Z");
    assert_int_equal(backup_restore(f->repo, i.name, f->target, QUIET, &i, NULL), 0);
    check(f->target, "metrics/blocks/1/a/data", "samples of a day");
    check(f->target, "meta.sqlite", "users");
    check(f->target, "empty", "");
    assert_int_equal(backup_restore(f->repo, "", f->target, QUIET, &i, NULL), -ERR_EXISTS);
}

static void test_incremental(void **state)
{
    struct fixture *f = *state;
    struct backup_info i = make(f, NOW);

    i = make(f, NOW); /* the same second */
    assert_string_equal(i.name, "20261121T141530Z-2");
    assert_int_equal(i.bytes_new, 0);
    put(f->source, "metrics/blocks/2/a/data", "the next day");
    put(f->source, "meta.sqlite", "more users");
    i = make(f, NOW + 1000);
    assert_int_equal(i.files_n, 5);
    assert_int_equal(i.bytes_new, 12 + 10);
    /* The older one is still complete. */
    assert_int_equal(backup_restore(f->repo, "20261121T141530Z", f->target, QUIET, &i, NULL), 0);
    check(f->target, "meta.sqlite", "users");
}

static void test_list_and_prune(void **state)
{
    struct fixture *f = *state;
    struct backup_info *v = NULL;
    struct backup_info i;
    struct backup_pruned pruned;
    struct arena a CLEANUP(arena_done);
    size_t n = 0;

    arena_init(&a, 1 << 20);
    make(f, NOW);
    put(f->source, "meta.sqlite", "second");
    make(f, NOW + 1000);
    put(f->source, "meta.sqlite", "the third");
    make(f, NOW + 2000);
    assert_int_equal(backup_list(f->repo, &a, &v, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_string_equal(v[2].name, "20261121T141532Z");
    assert_int_equal(v[1].time_ms, NOW + 1000);
    assert_int_equal(backup_prune(f->repo, 0, &pruned, NULL), -ERR_INVALID);
    assert_int_equal(backup_prune(f->repo, 2, &pruned, NULL), 0);
    assert_int_equal(pruned.backups, 1);
    assert_int_equal(pruned.objects, 1);
    assert_int_equal(pruned.bytes, 5);
    assert_int_equal(backup_verify(f->repo, "20261121T141530Z", QUIET, &i, NULL), -ERR_NOT_FOUND);
    assert_int_equal(backup_verify(f->repo, "20261121T141531Z", QUIET, &i, NULL), 0);
    assert_int_equal(backup_verify(f->repo, "", QUIET, &i, NULL), 0);
}

/** Change the object with this content to something else of the same or another size. */
static void damage(struct fixture *f, const char *content, const char *with)
{
    char path[256];
    char hex[33];
    struct hash128 h = hash128(content, strlen(content));

    list_hash_hex(h, hex);
    snprintf(path, sizeof(path), "%s/objects/%.2s/%s", f->repo, hex, hex);
    assert_int_equal(vfs_write_atomic(vfs_real(), path, str_cstr(with), NULL), 0);
}

static void test_damage(void **state)
{
    struct fixture *f = *state;
    struct backup_info i;
    struct err e = {0};

    make(f, NOW);
    damage(f, "users", "usurp");
    assert_int_equal(backup_verify(f->repo, "", QUIET, &i, &e), -ERR_CORRUPT);
    assert_non_null(strstr(e.msg, "meta.sqlite"));
    assert_int_equal(backup_restore(f->repo, "", f->target, QUIET, &i, &e), -ERR_CORRUPT);
    assert_int_equal(access(f->target, F_OK), -1); /* nothing half restored */
    /* A backup of the same content does not trust an object of another size. */
    damage(f, "users", "u");
    i = make(f, NOW + 1000);
    assert_int_equal(i.bytes_new, 5);
    assert_int_equal(backup_verify(f->repo, "", QUIET, &i, NULL), 0);
}

static void test_in_the_way(void **state)
{
    struct fixture *f = *state;
    struct backup_info i;
    struct err e = {0};
    char path[256];
    int fd;

    assert_int_equal(backup_create(f->source, f->source, NOW, QUIET, &i, &e), -ERR_CORRUPT);
    assert_non_null(strstr(e.msg, "not a backup repository"));
    assert_int_equal(backup_verify(f->repo, "", QUIET, &i, &e), -ERR_NOT_FOUND);
    make(f, NOW);
    assert_int_equal(backup_verify(f->repo, "../lock", QUIET, &i, &e), -ERR_NOT_FOUND);
    assert_int_equal(backup_restore(f->repo, "20200101T000000Z", f->target, QUIET, &i, &e),
                     -ERR_NOT_FOUND);
    assert_non_null(strstr(e.msg, "20200101T000000Z"));
    snprintf(path, sizeof(path), "%s/lock", f->repo);
    fd = open(path, O_RDWR);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(backup_create(f->repo, f->source, NOW, QUIET, &i, &e), -ERR_EXISTS);
    assert_non_null(strstr(e.msg, "another process"));
    close(fd);
    snprintf(path, sizeof(path), "%s/none", f->dir);
    assert_int_equal(backup_create(f->repo, path, NOW, QUIET, &i, &e), -ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_and_restore, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_incremental, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_and_prune, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_damage, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_in_the_way, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
