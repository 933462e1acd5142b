/* SPDX-License-Identifier: Apache-2.0
 *
 * Which start timestamps were stored lately, so that one is stored when a counter begins anew and else once in
 * SERIES_STARTS_MS: queries need not look further back, and it is there as long as the samples are. Lossy: what is
 * forgotten is stored again. Lock-free.
 */
#ifndef INGEST_STARTS_H
#define INGEST_STARTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/hash.h"
#include "store/series_source.h"

enum { STARTS_SLOTS = 1 << 20 };

struct starts {
    _Atomic uint64_t v[STARTS_SLOTS]; /* by series; relaxed: each slot stands alone */
};

/** Shall the start of a sample at t_ms be stored? `fresh`: whatever was stored before. */
static inline bool starts_wants(struct starts *s, struct hash128 series, int64_t start_ms,
                                int64_t t_ms, bool fresh)
{
    const uint64_t id[4] = {series.lo, series.hi, (uint64_t)start_ms,
                            (uint64_t)(t_ms / SERIES_STARTS_MS)};
    uint64_t hash = hash64(id, sizeof(id));

    if (start_ms <= 0 || start_ms > t_ms) {
        return false;
    }
    return atomic_exchange_explicit(&s->v[hash64(id, 2 * sizeof(*id)) % STARTS_SLOTS], hash,
                                    memory_order_relaxed) != hash ||
           fresh;
}

#endif
