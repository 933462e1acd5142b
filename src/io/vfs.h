/* SPDX-License-Identifier: Apache-2.0
 *
 * The file operations the stores use, behind a table so that tests can make any of them fail (short write,
 * EIO, ENOSPC, lost sync, crash). All paths are plain C strings.
 */
#ifndef IO_VFS_H
#define IO_VFS_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/str.h"

struct err;

/** Every function returns 0 or more on success and -errno on failure. `ctx` is the table's own. */
struct vfs {
    void *ctx;
    int (*open)(void *ctx, const char *path, int flags, mode_t mode); /* a file descriptor */
    ssize_t (*writev)(void *ctx, int fd, const struct iovec *iov, int n);
    ssize_t (*pwrite)(void *ctx, int fd, const void *p, size_t n, int64_t offset);
    ssize_t (*pread)(void *ctx, int fd, void *p, size_t n, int64_t offset);
    int (*fdatasync)(void *ctx, int fd);
    int (*truncate)(void *ctx, int fd, int64_t size);
    int (*close)(void *ctx, int fd);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*mkdir)(void *ctx, const char *path, mode_t mode);
    int (*rmdir)(void *ctx, const char *path);
    int (*sync_dir)(void *ctx, const char *path); /* make renames and creations in it durable */
};

/** "dir/name", heap-allocated. */
char *vfs_join(const char *dir, const char *name);

/** The real one; never NULL. */
const struct vfs *vfs_real(void);

/** mkdir -p; the names of new directories are durable when it returns. @return 0, -ERR_* */
NODISCARD int vfs_mkdirs(const struct vfs *v, const char *path, struct err *reterr);
/** All bytes or an error; retries short writes and EINTR. */
NODISCARD int vfs_write_all(const struct vfs *v, int fd, const void *p, size_t n,
                            struct err *reterr);
/** Write a file so that after a crash either the old or the new content is there (temporary file, sync,
 * rename, directory sync). */
NODISCARD int vfs_write_atomic(const struct vfs *v, const char *path, struct str content,
                               struct err *reterr);
/** Whole file into mem_try_alloc'd memory (caller frees), at most max bytes. */
NODISCARD int vfs_read_file(const struct vfs *v, const char *path, size_t max, char **ret,
                            size_t *ret_n, struct err *reterr);
/** Names in a directory (not . and ..), sorted; each and the array freed by vfs_list_free(). */
NODISCARD int vfs_list(const char *path, char ***ret, size_t *ret_n, struct err *reterr);
void vfs_list_free(char **names, size_t n);
/** Remove a directory and all in it. A missing one is fine. */
NODISCARD int vfs_remove_tree(const struct vfs *v, const char *path, struct err *reterr);
/** Bytes used by all files below a path (apparent size). */
uint64_t vfs_tree_bytes(const char *path);
/** Bytes free for us on the file system of a path; 0 when unknown. */
uint64_t vfs_free_bytes(const char *path);

/** A read-only mapping of a whole file. */
struct mapping {
    const uint8_t *p; /* NULL for an empty file */
    size_t n;
};

NODISCARD int vfs_map(const char *path, struct mapping *ret, struct err *reterr);
void vfs_unmap(struct mapping *m);
/** These bytes will be read soon: begin reading them when they are not in memory. */
void vfs_prefetch(const struct mapping *m, uint64_t offset, size_t n);
/** What was read of it need not stay in this process' memory; reading on takes it from the page cache again. */
void vfs_unload(const struct mapping *m);

#endif
