/* SPDX-License-Identifier: Apache-2.0
 *
 * 128-bit hash to 40-bit number, open addressing, no allocation per entry. Entries are replaced, never
 * removed one by one; keymap_filter() drops many at once. Of a key its low half and the 24 highest bits are
 * kept: two of a million keys are taken for the same with a probability below 1e-14. Not thread-safe.
 */
#ifndef STORE_TSDB_KEYMAP_H
#define STORE_TSDB_KEYMAP_H

#include "base/hash.h"

#define KEYMAP_VALUE_MAX ((UINT64_C(1) << 40) - 2)

struct keymap_slot {
    uint64_t lo;
    uint64_t rest; /* 24 bits of the key's high half, then value + 1; 0: empty */
};

/** A zeroed struct is an empty map. */
struct keymap {
    struct keymap_slot *slots; /* owned, power of two */
    size_t cap;
    size_t n;
};

void keymap_done(struct keymap *m);
/** @return false when there is none */
bool keymap_get(const struct keymap *m, struct hash128 key, uint64_t *ret);

/** Have the slot of a key come into the cache. */
static inline void keymap_prefetch(const struct keymap *m, struct hash128 key)
{
    if (m->cap != 0) {
        PREFETCH(&m->slots[key.lo & (m->cap - 1)]);
    }
}

/** Insert or replace; value <= KEYMAP_VALUE_MAX. @return 0, -ERR_NOMEM with the map unchanged */
NODISCARD int keymap_put(struct keymap *m, struct hash128 key, uint64_t value);
/** Keep only entries for which `keep` says so. When memory is refused all stay. */
void keymap_filter(struct keymap *m, bool (*keep)(void *arg, uint64_t value), void *arg);

#endif
