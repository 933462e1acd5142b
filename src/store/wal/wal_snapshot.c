/* SPDX-License-Identifier: Apache-2.0
 *
 * A log as it is now, for a snapshot of the store. Invariant: only the segment with the highest number is ever written
 * to, so all others can be shared. What is copied of that one may end in half a record, which the next opening cuts.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/err.h"
#include "io/vfs.h"
#include "store/wal/wal_internal.h"

enum { CHUNK = 256 << 10 };

/* A segment that is not there any more was truncated: its data is safe elsewhere. */
static int share(const char *from, const char *to, struct err *reterr)
{
    if (link(from, to) < 0 && errno != ENOENT) {
        return err_set_errno(reterr, errno, "linking %s to %s", from, to);
    }
    return 0;
}

/* Up to where it ends by then: what a failed write left may be cut off while this goes on. */
static int copy_bytes(int from, int to, const char *path, struct err *reterr)
{
    const struct vfs *v = vfs_real();
    char *chunk CLEANUP(mem_free_ptr) = mem_xcalloc(1, CHUNK);
    int64_t at = 0;

    for (;;) {
        ssize_t n = v->pread(v->ctx, from, chunk, CHUNK, at);
        int rc;

        if (n == -EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? err_set_errno(reterr, (int)-n, "reading %s", path) : 0;
        }
        rc = vfs_write_all(v, to, chunk, (size_t)n, reterr);
        if (rc < 0) {
            return rc;
        }
        at += n;
    }
}

static int copy(const char *from, const char *to, struct err *reterr)
{
    const struct vfs *v = vfs_real();
    int in = v->open(v->ctx, from, O_RDONLY, 0);
    int out;
    int rc;

    if (in < 0) {
        return in == -ENOENT ? 0 : err_set_errno(reterr, -in, "opening %s", from);
    }
    out = v->open(v->ctx, to, O_WRONLY | O_CREAT | O_EXCL, 0640);
    rc = out < 0 ? err_set_errno(reterr, -out, "creating %s", to)
                 : copy_bytes(in, out, from, reterr);
    if (rc == 0) {
        rc = v->fdatasync(v->ctx, out);
        rc = rc < 0 ? err_set_errno(reterr, -rc, "syncing %s", to) : 0;
    }
    if (out >= 0) {
        ignore_result(v->close(v->ctx, out), "synced, or failed before");
    }
    ignore_result(v->close(v->ctx, in), "only read from");
    return rc;
}

static int take_segment(const char *dir, const char *to, const char *name, bool newest,
                        struct err *reterr)
{
    char *source CLEANUP(mem_free_ptr) = vfs_join(dir, name);
    char *target CLEANUP(mem_free_ptr) = vfs_join(to, name);

    return newest ? copy(source, target, reterr) : share(source, target, reterr);
}

/* Names are sorted, and their numbers have a fixed width. */
static int take_segments(const char *dir, const char *to, char **names, size_t n,
                         struct err *reterr)
{
    size_t last = n;
    uint64_t number;
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        last = wal_segment_parse(names[i], &number) ? i : last;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (wal_segment_parse(names[i], &number)) {
            rc = take_segment(dir, to, names[i], i == last, reterr);
        }
    }
    return rc;
}

int wal_snapshot(const char *dir, const char *to, struct err *reterr)
{
    const struct vfs *v = vfs_real();
    struct err e = {0};
    char **names = NULL;
    struct stat st;
    size_t n = 0;
    int rc;

    if (lstat(to, &st) == 0) {
        return err_set(reterr, ERR_EXISTS, "%s exists", to);
    }
    rc = vfs_list(dir, &names, &n, &e);
    if (rc == -ERR_NOT_FOUND) {
        return 0;
    }
    rc = rc < 0 ? rc : vfs_mkdirs(v, to, &e);
    rc = rc < 0 ? rc : take_segments(dir, to, names, n, &e);
    vfs_list_free(names, n);
    if (rc == 0) {
        int failed = v->sync_dir(v->ctx, to);

        rc = failed < 0 ? err_set_errno(&e, -failed, "syncing %s", to) : 0;
    }
    if (rc < 0 && reterr != NULL) {
        *reterr = e;
    }
    return rc;
}
