/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers to "all label names" and "all values of a label", which consoles ask for all the time, kept as long as
 * neither the head's index nor the parts they came from have changed.
 */
#ifndef STORE_TSDB_LABEL_CACHE_H
#define STORE_TSDB_LABEL_CACHE_H

#include "base/arena.h"
#include "store/tsdb/head.h"

struct label_cache;

/** What an answer came from: equal keys, equal answers. */
struct label_key {
    uint64_t head[HEAD_SHARDS]; /* `changed` of the name in each shard, or of the names */
    uint64_t parts;             /* hash of the parts' directories */
};

struct label_cache *label_cache_new(void);
void label_cache_free(struct label_cache *c);
/** @param name  empty: label names
 * @return true with the strings in `a`; false when they are not known (or memory is short). Thread-safe. */
bool label_cache_get(struct label_cache *c, struct str name, const struct label_key *key,
                     struct arena *a, struct str **ret, size_t *ret_n);
/** Keep an answer, if it is not too large, in the place of the one used longest ago. Thread-safe. */
void label_cache_put(struct label_cache *c, struct str name, const struct label_key *key,
                     const struct str *v, size_t n);

#endif
