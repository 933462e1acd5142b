/* SPDX-License-Identifier: Apache-2.0
 *
 * Groups of an aggregation: text value -> counts per bucket. Values and counts live in the caller's arena,
 * whose budget bounds how many groups a query can make. Threads count into groups of their own, which are joined;
 * what is taken in the end is in order of first appearance all the same.
 */
#ifndef STORE_COLUMNS_GROUPS_H
#define STORE_COLUMNS_GROUPS_H

#include "base/hash.h"
#include "base/vec.h"
#include "store/columns/columns.h"

struct group {
    struct str value;
    uint64_t *counts; /* per bucket; NULL: there is one, which is the total */
    uint64_t total;
    uint64_t hash;  /* of the value */
    uint64_t first; /* rises with the first appearance */
};

struct group_slot {
    uint32_t tag;   /* of the hash */
    uint32_t index; /* + 1; 0: empty */
};

struct groups {
    struct arena *a; /* borrowed */
    size_t buckets;
    VEC(struct group) list;
    struct group_slot *slots; /* by hash of the value; power of two */
    size_t slots_n;
    size_t at;   /* number of what is counted now (a source), rising */
    bool joined; /* the list is not in order any more */
};

void groups_init(struct groups *g, struct arena *a, size_t buckets);
void groups_done(struct groups *g);

static inline uint64_t groups_hash(struct str value)
{
    return hash64(value.p, value.n);
}

/** Find or create. @return 0; -ERR_NOMEM */
NODISCARD int groups_find_hashed(struct groups *g, struct str value, uint64_t hash,
                                 uint32_t *ret_index);

NODISCARD static inline int groups_find(struct groups *g, struct str value, uint32_t *ret_index)
{
    return groups_find_hashed(g, value, groups_hash(value), ret_index);
}

/** A value of this hash will be looked for soon. */
static inline void groups_expect(const struct groups *g, uint64_t hash)
{
    if (g->slots_n != 0) {
        __builtin_prefetch(&g->slots[hash & (g->slots_n - 1)]);
    }
}

/** The same, nearer to it: its place was expected before. */
static inline void groups_expect_soon(const struct groups *g, uint64_t hash)
{
    uint32_t index = g->slots_n != 0 ? g->slots[hash & (g->slots_n - 1)].index : 0;

    if (index != 0) {
        __builtin_prefetch(&g->list.v[index - 1]);
    }
}

static inline void groups_add(struct groups *g, uint32_t index, size_t bucket, uint64_t n)
{
    struct group *e = &g->list.v[index];

    if (e->counts != NULL) {
        e->counts[bucket] += n;
    }
    e->total += n;
}

/** Add what another counted in other sources. @return 0; -ERR_NOMEM */
NODISCARD int groups_join(struct groups *g, const struct groups *from);

/** The groups in the arena, in order of first appearance; with `top` not 0 as many with the highest totals, falling,
 * of equal ones those that appeared first. @return 0; -ERR_NOMEM */
NODISCARD int groups_take(struct groups *g, size_t top, struct columns_group **ret, size_t *ret_n);

#endif
