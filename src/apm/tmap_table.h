/* SPDX-License-Identifier: Apache-2.0
 *
 * Counts of cells in memory and their form in a row. A key is column << 16 | bucket << 2 | class, the column counted
 * from 1970 in widths of its level.
 */
#ifndef APM_TMAP_TABLE_H
#define APM_TMAP_TABLE_H

#include "apm/tmap.h"
#include "base/buf.h"

struct tmap_slot {
    uint64_t key; /* + 1; 0: free */
    uint64_t n;
};

/** Open addressing; zeroed is empty. */
struct tmap_table {
    struct tmap_slot *v;
    size_t cap; /* a power of two */
    size_t n;
};

static inline uint64_t tmap_key(int64_t column, unsigned bucket, enum tmap_class class)
{
    return (uint64_t)column << 16 | bucket << 2 | (unsigned)class;
}

static inline int64_t tmap_key_column(uint64_t key)
{
    return (int64_t)(key >> 16);
}

static inline unsigned tmap_key_bucket(uint64_t key)
{
    return (unsigned)(key & 0xffff) >> 2;
}

static inline enum tmap_class tmap_key_class(uint64_t key)
{
    return (enum tmap_class)(key & 3);
}

void tmap_table_done(struct tmap_table *t);
/** @return false: no memory, nothing was counted */
NODISCARD bool tmap_table_add(struct tmap_table *t, uint64_t key, uint64_t n);
/** Take the slots of columns below `before` out, sorted by key; free with mem_free(). NULL and *ret_n 0 when there are
 * none or no memory (then they stay). Keys in the list are without the + 1. */
struct tmap_slot *tmap_table_take(struct tmap_table *t, int64_t before, size_t *ret_n);
/** Forget columns below `before`. */
void tmap_table_expire(struct tmap_table *t, int64_t before);

/** Body of a row: varint cells, then by rising key difference to the key before and count, varints; keys without
 * column. `v`: slots of one column. */
void tmap_row_encode(const struct tmap_slot *v, size_t n, struct buf *dst);
/** @return 0; -ERR_CORRUPT, then nothing was called for what is behind the damage */
NODISCARD int tmap_row_decode(struct str body, void (*cell)(void *arg, uint64_t key, uint64_t n),
                              void *arg);

#endif
