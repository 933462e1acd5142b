/* SPDX-License-Identifier: Apache-2.0
 *
 * A backup repository: a directory of objects named by the hash of their content and of lists that say which
 * objects make up which backup. What a later backup shares with an earlier one is stored once, so every backup
 * is complete and costs only what changed. Layout: README.md.
 *
 * All functions are for one process at a time (the repository is locked) and block on disk.
 */
#ifndef STORE_BACKUP_BACKUP_H
#define STORE_BACKUP_BACKUP_H

#include "base/arena.h"

struct err;

enum { BACKUP_NAME_MAX = 32 };

/** Where a long run is; called after every file. */
struct backup_progress {
    uint64_t files, files_n; /* done, of */
    uint64_t bytes, bytes_n;
};

struct backup_watch {
    void (*fn)(void *arg, const struct backup_progress *p); /* NULL: nobody watches */
    void *arg;
};

struct backup_info {
    char name[BACKUP_NAME_MAX]; /* "20261121T140530Z", with "-2" and so on within a second */
    int64_t time_ms;
    uint64_t files_n;
    uint64_t bytes;     /* of its files */
    uint64_t bytes_new; /* of objects that no earlier backup had; 0 in listings */
};

/** Back `source` (a directory whose files do not change meanwhile, such as a snapshot) up into `repo`, made when
 * missing. A file with the size and time of the same path in the newest backup is not read again.
 * @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_EXISTS (in use), -ERR_CORRUPT (not a repository) */
NODISCARD int backup_create(const char *repo, const char *source, int64_t now_ms,
                            struct backup_watch watch, struct backup_info *ret, struct err *reterr);

/** Oldest first, in `a`. */
NODISCARD int backup_list(const char *repo, struct arena *a, struct backup_info **ret,
                          size_t *ret_n, struct err *reterr);

/** Read every object of a backup (empty name: the newest) and compare its hash.
 * @return 0; -ERR_CORRUPT naming the first damaged or missing file; -ERR_NOT_FOUND; -ERR_IO */
NODISCARD int backup_verify(const char *repo, const char *name, struct backup_watch watch,
                            struct backup_info *ret, struct err *reterr);

/** Write a backup (empty name: the newest) to `target`, which must be missing or empty. Hashes are checked while
 * copying; on failure what was written is removed.
 * @return 0, -ERR_CORRUPT, -ERR_NOT_FOUND, -ERR_EXISTS (target), -ERR_IO, -ERR_NOSPACE */
NODISCARD int backup_restore(const char *repo, const char *name, const char *target,
                             struct backup_watch watch, struct backup_info *ret,
                             struct err *reterr);

struct backup_pruned {
    uint64_t backups, objects, bytes; /* removed */
};

/** Keep the newest `keep` >= 1 backups and remove objects nobody needs any more. */
NODISCARD int backup_prune(const char *repo, size_t keep, struct backup_pruned *ret,
                           struct err *reterr);

#endif
