/* SPDX-License-Identifier: Apache-2.0
 *
 * The real file system behind the vfs table, and the helpers every store shares. Helpers that write go
 * through the table, so that fault injection reaches them too.
 */
#include "io/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"

static int real_open(void *ctx, const char *path, int flags, mode_t mode)
{
    int fd = open(path, flags | O_CLOEXEC, mode);

    (void)ctx;
    return fd < 0 ? -errno : fd;
}

static ssize_t real_writev(void *ctx, int fd, const struct iovec *iov, int n)
{
    ssize_t rc = writev(fd, iov, n);

    (void)ctx;
    return rc < 0 ? -errno : rc;
}

static ssize_t real_pwrite(void *ctx, int fd, const void *p, size_t n, int64_t offset)
{
    ssize_t rc = pwrite(fd, p, n, offset);

    (void)ctx;
    return rc < 0 ? -errno : rc;
}

static ssize_t real_pread(void *ctx, int fd, void *p, size_t n, int64_t offset)
{
    ssize_t rc = pread(fd, p, n, offset);

    (void)ctx;
    return rc < 0 ? -errno : rc;
}

static int real_fdatasync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd) < 0 ? -errno : 0;
}

static int real_truncate(void *ctx, int fd, int64_t size)
{
    (void)ctx;
    return ftruncate(fd, size) < 0 ? -errno : 0;
}

static int real_close(void *ctx, int fd)
{
    (void)ctx;
    return close(fd) < 0 ? -errno : 0;
}

static int real_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) < 0 ? -errno : 0;
}

static int real_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) < 0 ? -errno : 0;
}

static int real_mkdir(void *ctx, const char *path, mode_t mode)
{
    (void)ctx;
    return mkdir(path, mode) < 0 ? -errno : 0;
}

static int real_rmdir(void *ctx, const char *path)
{
    (void)ctx;
    return rmdir(path) < 0 ? -errno : 0;
}

static int real_sync_dir(void *ctx, const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    (void)ctx;
    if (fd < 0) {
        return -errno;
    }
    rc = fsync(fd) < 0 ? -errno : 0;
    close(fd);
    return rc;
}

const struct vfs *vfs_real(void)
{
    static const struct vfs real = {
        .open = real_open,
        .writev = real_writev,
        .pwrite = real_pwrite,
        .pread = real_pread,
        .fdatasync = real_fdatasync,
        .truncate = real_truncate,
        .close = real_close,
        .rename = real_rename,
        .unlink = real_unlink,
        .mkdir = real_mkdir,
        .rmdir = real_rmdir,
        .sync_dir = real_sync_dir,
    };

    return &real;
}

/** Make the name of a new directory durable: what is synced inside it is lost with it otherwise. */
static int sync_parent(const struct vfs *v, char *path)
{
    char *slash = strrchr(path, '/');
    int rc;

    if (slash == NULL) {
        return v->sync_dir(v->ctx, ".");
    }
    if (slash == path) {
        return v->sync_dir(v->ctx, "/");
    }
    *slash = '\0';
    rc = v->sync_dir(v->ctx, path);
    *slash = '/';
    return rc;
}

char *vfs_join(const char *dir, const char *name)
{
    size_t n = strlen(dir) + strlen(name) + 2;
    char *p = mem_xcalloc(1, n);

    snprintf(p, n, "%s/%s", dir, name);
    return p;
}

int vfs_mkdirs(const struct vfs *v, const char *path, struct err *reterr)
{
    char *copy = mem_xstrdup(path);
    int rc = 0;

    for (char *p = copy + 1; rc == 0; p++) {
        char c = *p;

        if (c != '/' && c != '\0') {
            continue;
        }
        *p = '\0';
        rc = v->mkdir(v->ctx, copy, 0750);
        rc = rc == 0 ? sync_parent(v, copy) : rc == -EEXIST ? 0 : rc;
        *p = c;
        if (c == '\0') {
            break;
        }
    }
    mem_free(copy);
    return rc == 0 ? 0 : err_set_errno(reterr, -rc, "making directory %s", path);
}

int vfs_write_all(const struct vfs *v, int fd, const void *p, size_t n, struct err *reterr)
{
    const char *at = p;

    while (n != 0) {
        struct iovec iov = {.iov_base = (void *)(uintptr_t)at, .iov_len = n};
        ssize_t rc = v->writev(v->ctx, fd, &iov, 1);

        if (rc == -EINTR) {
            continue;
        }
        if (rc <= 0) {
            return err_set_errno(reterr, rc == 0 ? EIO : (int)-rc, "writing");
        }
        at += rc;
        n -= (size_t)rc;
    }
    return 0;
}

/** The directory part of a path, heap-allocated. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        return mem_xstrdup(".");
    }
    return str_dup(str_of(path, slash == path ? 1 : (size_t)(slash - path)));
}

static int write_synced(const struct vfs *v, const char *path, struct str content,
                        struct err *reterr)
{
    int fd = v->open(v->ctx, path, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    int rc;
    int closed;

    if (fd < 0) {
        return err_set_errno(reterr, -fd, "creating %s", path);
    }
    rc = vfs_write_all(v, fd, content.p, content.n, reterr);
    if (rc < 0 && reterr != NULL) {
        rc = err_prefix(reterr, "%s", path);
    }
    if (rc == 0) {
        int sync = v->fdatasync(v->ctx, fd);

        rc = sync < 0 ? err_set_errno(reterr, -sync, "syncing %s", path) : 0;
    }
    closed = v->close(v->ctx, fd);
    if (rc == 0 && closed < 0) {
        rc = err_set_errno(reterr, -closed, "closing %s", path);
    }
    return rc;
}

int vfs_write_atomic(const struct vfs *v, const char *path, struct str content, struct err *reterr)
{
    size_t n = strlen(path) + sizeof(".tmp");
    char *tmp = mem_xcalloc(1, n);
    char *dir = parent_of(path);
    int rc;

    snprintf(tmp, n, "%s.tmp", path);
    rc = write_synced(v, tmp, content, reterr);
    if (rc == 0) {
        int r = v->rename(v->ctx, tmp, path);

        rc = r < 0 ? err_set_errno(reterr, -r, "renaming %s", tmp) : 0;
    }
    if (rc == 0) {
        int r = v->sync_dir(v->ctx, dir);

        rc = r < 0 ? err_set_errno(reterr, -r, "syncing %s", dir) : 0;
    } else {
        ignore_result(v->unlink(v->ctx, tmp), "the first error is the one to report");
    }
    mem_free(tmp);
    mem_free(dir);
    return rc;
}

static int read_fd(const struct vfs *v, int fd, char *p, size_t n, const char *path,
                   struct err *reterr)
{
    size_t got = 0;

    while (got < n) {
        ssize_t rc = v->pread(v->ctx, fd, p + got, n - got, (int64_t)got);

        if (rc == -EINTR) {
            continue;
        }
        if (rc < 0) {
            return err_set_errno(reterr, (int)-rc, "reading %s", path);
        }
        if (rc == 0) {
            return err_set(reterr, ERR_IO, "%s became shorter while it was read", path);
        }
        got += (size_t)rc;
    }
    return 0;
}

int vfs_read_file(const struct vfs *v, const char *path, size_t max, char **ret, size_t *ret_n,
                  struct err *reterr)
{
    int fd = v->open(v->ctx, path, O_RDONLY, 0);
    struct stat st;
    char *p = NULL;
    int rc = 0;

    if (fd < 0) {
        return err_set_errno(reterr, -fd, "opening %s", path);
    }
    if (fstat(fd, &st) < 0) {
        rc = err_set_errno(reterr, errno, "examining %s", path);
    } else if ((uint64_t)st.st_size > max) {
        rc = err_set(reterr, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    } else {
        p = mem_try_alloc((size_t)st.st_size + 1);
        rc = p == NULL ? err_set(reterr, ERR_NOMEM, "reading %s", path)
                       : read_fd(v, fd, p, (size_t)st.st_size, path, reterr);
    }
    ignore_result(v->close(v->ctx, fd), "only read from");
    if (rc < 0 || p == NULL) { /* NULL is an error already */
        mem_free(p);
        return rc;
    }
    p[st.st_size] = '\0';
    *ret = p;
    *ret_n = (size_t)st.st_size;
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int vfs_list(const char *path, char ***ret, size_t *ret_n, struct err *reterr)
{
    DIR *d = opendir(path);
    VEC(char *) names = {0};
    const struct dirent *e;

    if (d == NULL) {
        return err_set_errno(reterr, errno, "listing %s", path);
    }
    for (errno = 0; (e = readdir(d)) != NULL; errno = 0) { /* one reader per DIR: thread-safe */
        char *name;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        name = mem_xstrdup(e->d_name);
        if (!vec_push(&names, name)) {
            mem_free(name);
            errno = ENOMEM;
            break;
        }
    }
    if (errno != 0) {
        int code = errno;

        closedir(d);
        vfs_list_free(names.v, names.n);
        return err_set_errno(reterr, code, "listing %s", path);
    }
    closedir(d);
    if (names.n != 0) {
        qsort(names.v, names.n, sizeof(*names.v), by_bytes);
    }
    *ret = names.v;
    *ret_n = names.n;
    return 0;
}

void vfs_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        mem_free(names[i]);
    }
    mem_free(names);
}

enum { MAX_DEPTH = 32 };

static int remove_at(const struct vfs *v, const char *path, int depth, struct err *reterr)
{
    struct stat st;
    char **names = NULL;
    size_t n = 0;
    int rc;

    if (lstat(path, &st) < 0) {
        return errno == ENOENT ? 0 : err_set_errno(reterr, errno, "examining %s", path);
    }
    if (!S_ISDIR(st.st_mode)) {
        rc = v->unlink(v->ctx, path);
        return rc == 0 || rc == -ENOENT ? 0 : err_set_errno(reterr, -rc, "removing %s", path);
    }
    if (depth == MAX_DEPTH) {
        return err_set(reterr, ERR_IO, "%s is nested too deeply to remove", path);
    }
    rc = vfs_list(path, &names, &n, reterr);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        char *child = vfs_join(path, names[i]);

        rc = remove_at(v, child, depth + 1, reterr);
        mem_free(child);
    }
    vfs_list_free(names, n);
    if (rc == 0) {
        rc = v->rmdir(v->ctx, path);
        rc = rc == 0 || rc == -ENOENT ? 0 : err_set_errno(reterr, -rc, "removing %s", path);
    }
    return rc;
}

int vfs_remove_tree(const struct vfs *v, const char *path, struct err *reterr)
{
    return remove_at(v, path, 0, reterr);
}

static uint64_t bytes_at(const char *path, int depth)
{
    struct stat st;
    char **names = NULL;
    size_t n = 0;
    uint64_t sum = 0;

    if (lstat(path, &st) < 0) {
        return 0;
    }
    if (!S_ISDIR(st.st_mode)) {
        return (uint64_t)st.st_size;
    }
    if (depth == MAX_DEPTH || vfs_list(path, &names, &n, NULL) < 0) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        char *child = vfs_join(path, names[i]);

        sum += bytes_at(child, depth + 1);
        mem_free(child);
    }
    vfs_list_free(names, n);
    return sum;
}

uint64_t vfs_tree_bytes(const char *path)
{
    return bytes_at(path, 0);
}

uint64_t vfs_free_bytes(const char *path)
{
    struct statvfs s;

    return statvfs(path, &s) < 0 ? 0 : (uint64_t)s.f_bavail * (uint64_t)s.f_frsize;
}

int vfs_map(const char *path, struct mapping *ret, struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *p = NULL;
    int rc = 0;

    if (fd < 0) {
        return err_set_errno(reterr, errno, "opening %s", path);
    }
    if (fstat(fd, &st) < 0) {
        rc = err_set_errno(reterr, errno, "examining %s", path);
    } else if (st.st_size != 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            rc = err_set_errno(reterr, errno, "mapping %s", path);
        }
    }
    close(fd);
    if (rc == 0) {
        *ret = (struct mapping){p, (size_t)st.st_size};
    }
    return rc;
}

void vfs_prefetch(const struct mapping *m, uint64_t offset, size_t n)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t from = offset / page * page;
    unsigned char resident = 0;
    void *at;

    if (m->p == NULL || n == 0 || offset >= m->n) {
        return;
    }
    n = n < m->n - offset ? n : (size_t)(m->n - offset);
    at = (void *)(uintptr_t)(m->p + from);
    if (mincore(at, 1, &resident) == 0 && (resident & 1) != 0) {
        return; /* most likely all of it: the question alone costs less than asking for it */
    }
    madvise(at, (size_t)(offset - from) + n, MADV_WILLNEED);
}

void vfs_unload(const struct mapping *m)
{
    if (m->p != NULL) {
        madvise((void *)(uintptr_t)m->p, m->n, MADV_DONTNEED);
    }
}

void vfs_unmap(struct mapping *m)
{
    if (m->p != NULL) {
        munmap((void *)(uintptr_t)m->p, m->n);
    }
    *m = (struct mapping){0};
}
