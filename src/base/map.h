/* SPDX-License-Identifier: Apache-2.0
 *
 * A small hash map from byte strings to pointers or integers, for everything that is not a hot path of
 * its own. Keys are borrowed: they must live as long as their entry. Not thread-safe.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/str.h"

struct map_slot;

struct map {
    struct map_slot *slots; /* owned, power of two */
    size_t cap;
    size_t n;    /* live entries */
    size_t dead; /* tombstones */
};

/** A zeroed struct is an empty map. Frees the table, not keys or values. */
void map_done(struct map *m);
/** @return the stored value, or NULL. */
void *map_get(const struct map *m, struct str key);
/** Insert or replace. @return 0; -ERR_NOMEM, with the map unchanged. `value` must not be NULL. */
NODISCARD int map_put(struct map *m, struct str key, void *value);
/** @return the removed value, or NULL when there was none. */
void *map_del(struct map *m, struct str key);

/** Iterate: start with *pos = 0; order is arbitrary. Deleting the current entry is allowed, inserting not. */
bool map_next(const struct map *m, size_t *pos, struct str *ret_key, void **ret_value);

#endif
