/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole trees of files: walking them and copying them as hard links, for snapshots and backups.
 */
#ifndef IO_TREE_H
#define IO_TREE_H

#include <sys/stat.h>

#include "io/vfs.h"

enum { TREE_DEPTH_MAX = 32 };

struct tree_file {
    const char *path;     /* as the walk was given it, with the rest below */
    const char *relative; /* to the root of the walk */
    struct stat st;
};

/**
 * Call fn for every regular file below `root`, in order of names; a directory's files lie together. Links and
 * devices are passed over. Files that vanish while the walk goes on are passed over, too.
 * @param skip  names (of files and directories) to leave out; may be NULL
 * @return 0, what fn returned when not 0, -ERR_IO, -ERR_NOT_FOUND (root)
 */
NODISCARD int tree_walk(const char *root, bool (*skip)(const char *name),
                        int (*fn)(void *arg, const struct tree_file *f, struct err *reterr),
                        void *arg, struct err *reterr);

/** Make `to` (must not exist) a copy of `from` whose files are hard links to the same content, directories
 * synced. For files that never change, such as parts. @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_EXISTS */
NODISCARD int tree_link(const char *from, const char *to, bool (*skip)(const char *name),
                        struct err *reterr);

/** mkdir -p of what a path's last part stands in. */
NODISCARD int tree_make_parents(const char *path, struct err *reterr);

#endif
