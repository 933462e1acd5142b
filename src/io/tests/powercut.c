/* SPDX-License-Identifier: Apache-2.0
 *
 * Durable content is a copy of a file's bytes at its last sync; names are those of a directory at its last sync. A
 * second link to every file keeps its inode, so that an inode means one file for the whole run.
 */
#include "io/tests/powercut.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"

static struct pc_node *pc_find(struct powercut *pc, ino_t ino)
{
    for (size_t i = 0; i < pc->nodes.n; i++) {
        if (pc->nodes.v[i]->ino == ino) {
            return pc->nodes.v[i];
        }
    }
    return NULL;
}

static struct pc_node *pc_add(struct powercut *pc, const struct stat *st)
{
    struct pc_node *n = mem_xcalloc(1, sizeof(*n));

    n->ino = st->st_ino;
    n->dir = S_ISDIR(st->st_mode);
    assert_true(vec_push(&pc->nodes, n));
    return n;
}

static int pc_open(void *ctx, const char *path, int flags, mode_t mode)
{
    struct powercut *pc = ctx;
    bool existed;
    struct stat st;
    int fd;

    pthread_mutex_lock(&pc->lock);
    existed = access(path, F_OK) == 0;
    fd = vfs_real()->open(NULL, path, flags, mode);
    if (fd >= 0 && !existed) {
        struct pc_node *n;

        assert_int_equal(fstat(fd, &st), 0);
        n = pc_add(pc, &st);
        snprintf(n->grave, sizeof(n->grave), "%s/%u", pc->graves, pc->graves_n++);
        assert_int_equal(link(path, n->grave), 0);
    }
    pthread_mutex_unlock(&pc->lock);
    return fd;
}

static char *pc_content(const char *path, size_t *ret_n)
{
    char *p = NULL;

    assert_int_equal(vfs_read_file(vfs_real(), path, 1u << 30, &p, ret_n, NULL), 0);
    return p;
}

static int pc_fdatasync(void *ctx, int fd)
{
    struct powercut *pc = ctx;
    struct stat st;
    struct pc_node *n;

    pthread_mutex_lock(&pc->lock);
    assert_int_equal(fstat(fd, &st), 0);
    n = pc_find(pc, st.st_ino);
    assert_non_null(n);
    mem_free(n->bytes);
    n->bytes = pc_content(n->grave, &n->n);
    pthread_mutex_unlock(&pc->lock);
    return 0;
}

static void pc_list(const char *path, struct pc_node *dst)
{
    char **names = NULL;
    size_t n = 0;

    dst->entries.n = 0;
    assert_int_equal(vfs_list(path, &names, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        char child[400];
        struct stat st;
        struct pc_entry e = {0};

        snprintf(child, sizeof(child), "%s/%s", path, names[i]);
        assert_true(strlen(names[i]) < sizeof(e.name));
        assert_int_equal(lstat(child, &st), 0);
        memcpy(e.name, names[i], strlen(names[i]));
        e.ino = st.st_ino;
        assert_true(vec_push(&dst->entries, e));
    }
    vfs_list_free(names, n);
}

static int pc_sync_dir(void *ctx, const char *path)
{
    struct powercut *pc = ctx;
    struct stat st;
    int rc = 0;

    pthread_mutex_lock(&pc->lock);
    if (stat(path, &st) < 0) {
        rc = -errno;
    } else {
        struct pc_node *n = pc_find(pc, st.st_ino);

        assert_non_null(n);
        pc_list(path, n);
    }
    pthread_mutex_unlock(&pc->lock);
    return rc;
}

static int pc_mkdir(void *ctx, const char *path, mode_t mode)
{
    struct powercut *pc = ctx;
    struct stat st;
    int rc;

    pthread_mutex_lock(&pc->lock);
    rc = vfs_real()->mkdir(NULL, path, mode);
    if (rc == 0) {
        assert_int_equal(stat(path, &st), 0);
        pc_add(pc, &st);
    }
    pthread_mutex_unlock(&pc->lock);
    return rc;
}

static int pc_rmdir(void *ctx, const char *path)
{
    struct powercut *pc = ctx;
    char grave[200];
    char **names = NULL;
    size_t n = 0;
    int rc;

    pthread_mutex_lock(&pc->lock);
    rc = vfs_list(path, &names, &n, NULL) < 0 ? -ENOENT : n != 0 ? -ENOTEMPTY : 0;
    if (rc == 0) {
        vfs_list_free(names, n);
        snprintf(grave, sizeof(grave), "%s/%u", pc->graves, pc->graves_n++);
        rc = vfs_real()->rename(NULL, path, grave);
    } else if (rc == -ENOTEMPTY) {
        vfs_list_free(names, n);
    }
    pthread_mutex_unlock(&pc->lock);
    return rc;
}

static int pc_rename(void *ctx, const char *from, const char *to)
{
    struct powercut *pc = ctx;
    int rc;

    pthread_mutex_lock(&pc->lock);
    rc = vfs_real()->rename(NULL, from, to);
    pthread_mutex_unlock(&pc->lock);
    return rc;
}

static int pc_unlink(void *ctx, const char *path)
{
    struct powercut *pc = ctx;
    int rc;

    pthread_mutex_lock(&pc->lock);
    rc = vfs_real()->unlink(NULL, path);
    pthread_mutex_unlock(&pc->lock);
    return rc;
}

/** @param dir  an empty directory of the test: <dir>/disk is what the store gets, <dir>/graves is ours */
void powercut_init(struct powercut *pc, const char *dir, uint64_t seed)
{
    char disk[200];
    struct stat st;

    *pc = (struct powercut){.vfs = *vfs_real(), .seed = seed};
    pc->vfs.ctx = pc;
    pc->vfs.open = pc_open;
    pc->vfs.fdatasync = pc_fdatasync;
    pc->vfs.sync_dir = pc_sync_dir;
    pc->vfs.mkdir = pc_mkdir;
    pc->vfs.rmdir = pc_rmdir;
    pc->vfs.rename = pc_rename;
    pc->vfs.unlink = pc_unlink;
    pthread_mutex_init(&pc->lock, NULL);
    snprintf(pc->graves, sizeof(pc->graves), "%s/graves", dir);
    snprintf(disk, sizeof(disk), "%s/disk", dir);
    assert_int_equal(mkdir(pc->graves, 0700), 0);
    assert_int_equal(mkdir(disk, 0700), 0);
    assert_int_equal(stat(disk, &st), 0);
    pc_add(pc, &st);
}

void powercut_done(struct powercut *pc)
{
    for (size_t i = 0; i < pc->nodes.n; i++) {
        mem_free(pc->nodes.v[i]->bytes);
        vec_done(&pc->nodes.v[i]->entries);
        mem_free(pc->nodes.v[i]);
    }
    vec_done(&pc->nodes);
    pthread_mutex_destroy(&pc->lock);
}

static bool pc_coin(struct powercut *pc)
{
    return (random_next(&pc->seed) & 1) != 0;
}

static void pc_write(const char *path, const char *p, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void pc_image_file(struct powercut *pc, const struct pc_node *n, const char *dst)
{
    size_t now_n = 0;
    char *now = pc_content(n->grave, &now_n);
    size_t keep = n->n;

    if (now_n > n->n && (n->n == 0 || memcmp(now, n->bytes, n->n) == 0) && pc_coin(pc)) {
        keep += random_next(&pc->seed) % (now_n - n->n + 1);
        pc_write(dst, now, keep);
    } else {
        pc_write(dst, n->bytes != NULL ? n->bytes : "", n->n);
    }
    mem_free(now);
}

/** @param live  path of the directory now, NULL when it is gone */
static void pc_image_dir(struct powercut *pc, struct pc_node *dir, const char *live,
                         const char *dst)
{
    struct pc_node now = {0};
    const struct pc_node *from = dir;
    struct stat st;

    assert_int_equal(mkdir(dst, 0700), 0);
    if (live != NULL && (stat(live, &st) < 0 || st.st_ino != dir->ino)) {
        live = NULL;
    }
    if (live != NULL && pc_coin(pc)) { /* names may have reached the disk by themselves */
        pc_list(live, &now);
        from = &now;
    }
    for (size_t i = 0; i < from->entries.n; i++) {
        const struct pc_entry *e = &from->entries.v[i];
        struct pc_node *child = pc_find(pc, e->ino);
        char to[400];
        char child_live[400] = "";

        assert_non_null(child);
        snprintf(to, sizeof(to), "%s/%s", dst, e->name);
        snprintf(child_live, sizeof(child_live), "%s/%s", live != NULL ? live : "/nowhere",
                 e->name);
        if (child->dir) {
            pc_image_dir(pc, child, child_live, to);
        } else {
            pc_image_file(pc, child, to);
        }
    }
    vec_done(&now.entries);
}

static bool pc_same_names(const struct pc_node *a, const struct pc_node *b)
{
    size_t same = 0;

    for (size_t i = 0; i < a->entries.n; i++) {
        for (size_t j = 0; j < b->entries.n; j++) {
            same += a->entries.v[i].ino == b->entries.v[j].ino &&
                    strcmp(a->entries.v[i].name, b->entries.v[j].name) == 0;
        }
    }
    return same == a->entries.n && same == b->entries.n;
}

static bool pc_durable(struct powercut *pc, const char *path, const struct pc_node *n)
{
    struct pc_node now = {0};
    bool ok;

    if (!n->dir) {
        size_t size = 0;
        char *bytes = pc_content(n->grave, &size);

        ok = size == n->n && (size == 0 || memcmp(bytes, n->bytes, size) == 0);
        mem_free(bytes);
        return ok;
    }
    pc_list(path, &now);
    ok = pc_same_names(&now, n);
    for (size_t i = 0; ok && i < now.entries.n; i++) {
        const struct pc_node *child = pc_find(pc, now.entries.v[i].ino);
        char child_path[400];

        assert_non_null(child);
        snprintf(child_path, sizeof(child_path), "%s/%s", path, now.entries.v[i].name);
        ok = pc_durable(pc, child_path, child);
    }
    vec_done(&now.entries);
    return ok;
}

void powercut_settle(struct powercut *pc, const char *disk)
{
    const struct mono start = clock_mono();
    struct stat st;
    bool ok = false;

    assert_int_equal(stat(disk, &st), 0);
    while (!ok && mono_since_ns(start) < 60000000000) {
        pthread_mutex_lock(&pc->lock);
        ok = pc_durable(pc, disk, pc_find(pc, st.st_ino));
        pthread_mutex_unlock(&pc->lock);
        clock_sleep_ms(ok ? 0 : 2);
    }
    assert_true(ok);
}

/** The disk after losing power now, as a new directory `dst`. Others may go on working on the real one. */
void powercut_image(struct powercut *pc, const char *disk, const char *dst)
{
    struct stat st;

    pthread_mutex_lock(&pc->lock);
    assert_int_equal(stat(disk, &st), 0);
    pc_image_dir(pc, pc_find(pc, st.st_ino), disk, dst);
    pthread_mutex_unlock(&pc->lock);
}
