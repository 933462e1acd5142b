/* SPDX-License-Identifier: Apache-2.0
 *
 * Snapshots of the whole store: directories of hard links below <data>/snapshots, each a data directory that a
 * server can be started on. They cost nothing until the store drops or merges what they hold; then they keep it.
 */
#ifndef STORE_SNAPSHOTS_H
#define STORE_SNAPSHOTS_H

#include "store/store.h"

enum { SNAPSHOT_NAME_MAX = 48 };

struct snapshot_info {
    char name[SNAPSHOT_NAME_MAX]; /* "20261121T140530Z-6b1f0c2a9d3e4f57": time and chance */
    int64_t created_ms;
    uint64_t bytes; /* of its files, shared or not */
};

/** Everything acknowledged so far. Thread-safe, one at a time. @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM */
NODISCARD int snapshots_create(struct store *s, struct snapshot_info *ret, struct err *reterr);
/** Oldest first, in `a`. */
NODISCARD int snapshots_list(const struct store *s, struct arena *a, struct snapshot_info **ret,
                             size_t *ret_n, struct err *reterr);
/** @return 0, -ERR_NOT_FOUND, -ERR_IO */
NODISCARD int snapshots_delete(const struct store *s, struct str name, struct err *reterr);
/** For a disk that runs full: remove the oldest, with a line in the log. @return false: there is none */
bool snapshots_drop_oldest(const struct store *s);
/** Absolute path of <data>/snapshots/<name>, in `a`; p is NULL without memory. */
struct str snapshots_path(const struct store *s, const char *name, struct arena *a);

#endif
