/* SPDX-License-Identifier: Apache-2.0
 *
 * A small lossy set of 64-bit hashes: "has this been done recently?". Never says yes to what was not put
 * in (but for equal hashes); may forget. Lock-free.
 */
#ifndef INGEST_SEEN_H
#define INGEST_SEEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SEEN_SLOTS = 4096 };

struct seen_set {
    _Atomic uint64_t v[SEEN_SLOTS]; /* relaxed: each slot stands alone */
};

static inline bool seen_has(struct seen_set *s, uint64_t hash)
{
    return atomic_load_explicit(&s->v[hash % SEEN_SLOTS], memory_order_relaxed) == (hash | 1);
}

static inline void seen_put(struct seen_set *s, uint64_t hash)
{
    atomic_store_explicit(&s->v[hash % SEEN_SLOTS], hash | 1, memory_order_relaxed);
}

#endif
