/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of one backup as text: which file has which content. Parsed strictly, for it decides what a restore
 * writes and where.
 */
#ifndef STORE_BACKUP_LIST_H
#define STORE_BACKUP_LIST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"

struct err;

enum { LIST_MAX = 256 << 20 };

struct list_file {
    struct hash128 hash; /* of the content; names the object */
    uint64_t size;
    int64_t mtime_ns;
    struct str path; /* relative, '/' between names, never "..", sorted by the walk */
};

struct list {
    int64_t time_ms;
    struct list_file *files;
    size_t n;
};

/** Text of a list, with its checksum. */
void list_write(const struct list *l, struct buf *dst);
/** Everything in `a`. @return 0, -ERR_CORRUPT naming the line, -ERR_NOMEM */
NODISCARD int list_parse(struct str text, struct arena *a, struct list *ret, struct err *reterr);
/** 32 lower-case hex digits and a NUL. */
void list_hash_hex(struct hash128 h, char dst[33]);
/** Is it safe to make a file of this name below a directory? */
bool list_path_ok(struct str path);

#endif
