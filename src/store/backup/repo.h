/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths, lock and objects of a repository. For this folder only.
 */
#ifndef STORE_BACKUP_REPO_H
#define STORE_BACKUP_REPO_H

#include "io/vfs.h"
#include "store/backup/list.h"

struct repo {
    char *dir; /* owned */
    int lock_fd;
};

/** Open and lock; `create` makes a missing or empty directory one. */
NODISCARD int repo_open(const char *dir, bool create, struct repo *ret, struct err *reterr);
void repo_close(struct repo *r);
char *repo_path(const struct repo *r, const char *name);
/** Path of an object, heap-allocated. */
char *repo_object(const struct repo *r, struct hash128 hash);
/** Names of the backups, oldest first; vfs_list_free(). */
NODISCARD int repo_names(const struct repo *r, char ***ret, size_t *ret_n, struct err *reterr);
/** The list of a backup; an empty name is the newest. @param ret_name BACKUP_NAME_MAX bytes */
NODISCARD int repo_list(const struct repo *r, const char *name, struct arena *a, struct list *ret,
                        char *ret_name, struct err *reterr);
/** Map an object and check its content. @return 0, -ERR_CORRUPT (missing or damaged; names the file) */
NODISCARD int repo_map(const struct repo *r, const struct list_file *f, struct mapping *ret,
                       struct err *reterr);

#endif
