/* SPDX-License-Identifier: Apache-2.0
 *
 * The series one target exposes, found by the hash of their text, so that a repeated scrape parses no
 * labels; and which of them a scrape has seen, so that those that vanished get a staleness marker.
 */
#ifndef INGEST_SCRAPE_SERIES_CACHE_H
#define INGEST_SCRAPE_SERIES_CACHE_H

#include "base/vec.h"
#include "store/tsdb/tsdb.h"

enum {
    SERIES_DROPPED = 1,   /* relabelling drops it */
    SERIES_UNTRACKED = 2, /* carries its own times: no marker when it vanishes */
    SERIES_NATIVE = 4,    /* a native histogram: found by its door key, not by `ref` */
    SERIES_LIVE = 8,  /* stored by the last scrape that saw it: a marker follows when it vanishes */
    SERIES_LOST = 16, /* the store forgot the reference: ask again */
};

struct series_entry {
    uint64_t hash; /* 0: empty slot */
    struct series_ref ref;
    uint32_t round; /* of the scrape that saw it last */
    uint32_t flags;
};

struct series_cache {
    struct series_entry *v; /* owned; a power of two, at most half full */
    size_t cap;
    size_t n;
    size_t live; /* entries with SERIES_LIVE */
    uint32_t round;
    struct series_entry *orphans; /* owned; of an earlier configuration, marked unless seen again */
    size_t orphans_n;
};

void series_cache_done(struct series_cache *c);
struct series_entry *series_cache_find(const struct series_cache *c, uint64_t hash);
/** @return the new entry; NULL without memory. Pointers into the cache are invalid afterwards. */
struct series_entry *series_cache_add(struct series_cache *c, uint64_t hash);
/** Forget entries not seen for many rounds. */
void series_cache_trim(struct series_cache *c);
/** Forget how texts map to series but keep the series as orphans. */
void series_cache_orphan(struct series_cache *c);

#endif
