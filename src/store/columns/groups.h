/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of an aggregation: text value -> counts per bucket. Values and counts live in the caller's arena,
 * whose budget bounds how many groups a query can make.
 */
#ifndef STORE_COLUMNS_GROUPS_H
#define STORE_COLUMNS_GROUPS_H

#include "base/vec.h"
#include "store/columns/columns.h"

struct groups {
    struct arena *a; /* borrowed */
    size_t buckets;
    VEC(struct columns_group) list;
    VEC(uint64_t) hashes; /* of the list's values */
    uint32_t *slots;      /* index + 1 by hash of the value; power of two */
    size_t slots_n;
};

void groups_init(struct groups *g, struct arena *a, size_t buckets);
void groups_done(struct groups *g);
/** Find or create. @return 0; -ERR_NOMEM */
NODISCARD int groups_find(struct groups *g, struct str value, uint32_t *ret_index);

static inline void groups_add(struct groups *g, uint32_t index, size_t bucket, uint64_t n)
{
    struct columns_group *e = &g->list.v[index];

    e->counts[bucket] += n;
    e->total += n;
}

/** The list as an array in the arena. @return 0; -ERR_NOMEM */
NODISCARD int groups_take(struct groups *g, struct columns_group **ret, size_t *ret_n);

#endif
