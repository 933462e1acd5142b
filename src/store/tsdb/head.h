/* SPDX-License-Identifier: Apache-2.0
 *
 * The head: series that take samples now, sharded by the hash of their labels. Each series has a small
 * unsorted buffer that is sealed into compressed chunks; a flush copies what is there and drops it once a
 * part holds it. Series numbers of a shard rise for ever and are never used again.
 */
#ifndef STORE_TSDB_HEAD_H
#define STORE_TSDB_HEAD_H

#include <stdatomic.h>

#include "base/lock.h"
#include "base/map.h"
#include "base/slab.h"
#include "base/vec.h"
#include "store/tsdb/index.h"
#include "store/tsdb/keymap.h"
#include "store/tsdb/tsdb.h"

enum {
    HEAD_SHARDS = 4,     /* power of two; enough that a few ingest threads rarely meet */
    HEAD_SHARD_BITS = 8, /* of a series_ref */
    HEAD_RAW_MAX = 32,   /* samples before sealing: a buffer is at most 512 bytes, ... */
    HEAD_RAW_MIN = 8,    /* ... with very many series 128, see limit_raw() */
    HEAD_CHUNK_MAX = 64, /* a seal is joined with the chunk before it up to this: fewer headers */
    HEAD_PAGE = 1024,    /* series a page of the table */
};

struct point {
    int64_t t;
    double v;
};

/** A sealed run of samples, of its shard's slab; shared with selections by count. */
struct chunk {
    _Atomic uint32_t refs; /* acq_rel on the last release */
    uint32_t n;
    uint32_t bytes;
    int64_t min_ms, max_ms;
    int64_t until_ms;   /* largest time of this chunk and all before it */
    struct chunk *next; /* arrival order; guarded by: shard lock */
    struct chunk *prev; /* guarded by: shard lock */
    char data[];
};

struct series {
    /* What an append touches comes first, so that it is one cache line or two. */
    struct point *raw;           /* owned, of the shard's slab, arrival order */
    int64_t raw_max_ms;          /* largest time in raw */
    uint32_t number;             /* in the shard */
    uint32_t wal_epoch;          /* the log defines the series since this epoch */
    _Atomic uint32_t seen_epoch; /* last epoch with an append; relaxed, see head_collect() */
    uint16_t pairs_n;
    uint8_t raw_n, raw_cap;
    bool raw_sorted;
    uint8_t shard;
    struct chunk *first, *last;
    uint32_t chunks_n;
    uint32_t flush_n; /* first chunks a running flush has taken */
    struct hash128 id;
    uint32_t pairs[]; /* in label order */
};

/** One label name and value, and who has it. */
struct head_pair {
    struct str name, value; /* behind the struct, as map key "name\0value" */
    struct head_name *of;
    uint32_t of_index;    /* where in of->pairs */
    uint32_t number;      /* in shard->pairs */
    VEC(uint32_t) series; /* rising */
    size_t key_n;
    char key[];
};

struct head_name {
    struct str name;  /* = text */
    uint64_t changed; /* rises with every value that comes or goes; never what it was before */
    VEC(struct head_pair *) pairs;
    char text[];
};

/** What is known of the series of a page, so that those without new samples cost a query nothing. */
struct page_mark {
    _Atomic int64_t
        until_ms; /* no sample is newer; INT64_MAX: not known, an append forgets it. Relaxed: it is
                               * forgotten under the write lock and found out under the read lock */
    _Atomic int64_t try_ns; /* clock_mono() from which on to find it out again; relaxed */
};

struct verdict_cache;

struct shard {
    struct rwlock lock;          /* guards all below */
    VEC(struct series **) pages; /* a page with no series left is NULL */
    VEC(uint32_t) page_used;
    VEC(struct page_mark) marks; /* of every page */
    uint32_t next_number;
    struct keymap by_id;           /* id -> number */
    struct map pair_map;           /* key -> struct head_pair */
    struct map name_map;           /* name -> struct head_name */
    VEC(struct head_pair *) pairs; /* NULL: free */
    VEC(uint32_t) free_pairs;
    struct slab slab;   /* buffers and chunks; has its own lock */
    struct buf scratch; /* sealing */
    size_t series_n;
    uint64_t label_bytes;           /* memory of series and pairs */
    uint64_t pairs_freed;           /* rises for ever: pair numbers may have been used again */
    uint64_t changes;               /* of pairs and names, ever */
    uint64_t names_changed;         /* `changes` when a name came or went last */
    struct verdict_cache *verdicts; /* owned; select_regex.c */
};

struct limiter;

struct head {
    struct limiter *limiter; /* borrowed */
    struct shard shards[HEAD_SHARDS];
    _Atomic uint64_t samples_n;    /* relaxed counters */
    _Atomic uint64_t sample_bytes; /* raw buffers and chunks */
    _Atomic uint64_t series_n;
    _Atomic uint64_t collected_n;
    uint64_t raw_bytes;       /* what all buffers may take; 0: any */
    _Atomic uint32_t raw_max; /* samples of a buffer, relaxed */
};

static inline struct series_ref head_ref(unsigned shard, uint32_t number)
{
    return (struct series_ref){(uint64_t)number << HEAD_SHARD_BITS | shard};
}

static inline unsigned head_ref_shard(struct series_ref ref)
{
    return (unsigned)(ref.v & (HEAD_SHARDS - 1));
}

static inline uint32_t head_ref_number(struct series_ref ref)
{
    return (uint32_t)(ref.v >> HEAD_SHARD_BITS);
}

/** @param raw_bytes  what the buffers of all series together should take at most; 0: no matter */
void head_init(struct head *h, uint64_t raw_bytes);
void head_done(struct head *h);

/** Under the shard's lock (read is enough): O(1), NULL when collected or never made. */
static inline struct series *head_series_locked(const struct shard *s, uint32_t number)
{
    size_t page = number / HEAD_PAGE;

    return page < s->pages.n && s->pages.v[page] != NULL ? s->pages.v[page][number % HEAD_PAGE]
                                                         : NULL;
}

/** Find by id, or make when `create` is set. Takes the shard's lock.
 * @param force  whatever the limits say (replay)
 * @return 0, -ERR_LIMIT, -ERR_NOMEM */
NODISCARD int head_intern(struct head *h, struct labels labels, struct hash128 id, bool force,
                          uint32_t epoch, struct series_ref *ret, struct err *reterr);
/** Under the write lock. @return 0, -ERR_NOMEM */
NODISCARD int head_append_locked(struct head *h, struct shard *s, struct series *se, int64_t t_ms,
                                 double v);
/** Move the buffer into a chunk. Under the write lock. @return 0, -ERR_NOMEM */
NODISCARD int head_seal_locked(struct head *h, struct shard *s, struct series *se);
/** Drop the flush_n first chunks. Under the write lock. */
void head_drop_flushed_locked(struct head *h, struct series *se);
/** Remove series without samples whose last append was before `epoch`, of `set` (NULL: of all). Takes the lock.
 * @return how many */
size_t head_collect(struct head *h, unsigned shard, uint32_t epoch, const roaring_bitmap_t *set);

/** No series of the page has a sample newer than this. Under the shard's lock. */
static inline int64_t head_page_until(const struct shard *s, size_t page)
{
    return atomic_load_explicit(&s->marks.v[page].until_ms, memory_order_relaxed);
}

/** A query found nothing new in a page: look whether all of it is old. Under the shard's lock, read is enough. */
void head_mark_page(struct shard *s, size_t page);

/** Labels of a series, strings borrowed from the shard (lock held), array of pairs_n given. */
struct labels head_labels_locked(const struct shard *s, const struct series *se, struct label *dst);
/** The shard's index; valid while the lock is held. */
struct index_view head_index(const struct shard *s);

static inline void chunk_ref(struct chunk *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void chunk_unref(struct chunk *c);
/** Sort by time, keeping the later arrival of equal times. @return what is left */
size_t points_sort(struct point *p, size_t n);

#endif
