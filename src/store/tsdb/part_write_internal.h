/* SPDX-License-Identifier: Apache-2.0
 *
 * A part being written, for the two files that do it: chunks and entries (part_write.c), the index
 * (part_write_index.c).
 */
#ifndef STORE_TSDB_PART_WRITE_INTERNAL_H
#define STORE_TSDB_PART_WRITE_INTERNAL_H

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "codec/bits.h"
#include "store/tsdb/keymap.h"
#include "store/tsdb/part_format.h"

struct new_pair {
    struct str name, value; /* in the arena */
    uint32_t series_n;
    uint32_t rank; /* final number */
};

/** A series; many wait for the end, as bytes (see put_entry()). */
struct new_series {
    uint32_t *ids; /* pairs in label order, by number of arrival; not owned */
    uint32_t pairs_n;
    uint32_t shared; /* first pairs, that the one before has, too */
    uint32_t chunks_n;
    int64_t min_ms, max_ms; /* read back only of a blob */
    bool blob;
};

struct new_chunk {
    uint32_t times; /* number of its column */
    uint32_t size;  /* 0: the same values as chunk `block` */
    uint32_t block;
    uint32_t offset; /* in the unpacked block */
};

struct part_writer {
    const struct vfs *vfs;
    char *dir;
    int fd;
    bool finished;
    struct part_info info;
    struct arena arena;
    struct map by_text; /* "name\0value" -> new_pair index + 1 */
    VEC(struct new_pair) pairs;
    struct buf entries;            /* series, each as put_entry() has it */
    uint32_t ids[PART_MAX_LABELS]; /* of the last series */
    uint32_t ids_n;
    VEC(struct new_chunk) chunks;
    VEC(uint64_t) blocks;   /* offsets */
    struct keymap by_times; /* key of times -> column */
    struct keymap by_value; /* key of encoded values -> chunk */
    uint64_t seed;          /* of these keys */
    struct buf times;       /* columns */
    VEC(uint32_t) times_at; /* offsets in it */

    /* The block being filled, and the same chunks fast-coded as long as zstd may do better with them. */
    struct buf block, loose;
    size_t block_chunks;       /* first chunk of it */
    VEC(uint32_t) loose_sizes; /* of the chunks from there on */
    bool try_loose;
    unsigned plain_left; /* blocks until zstd is tried again */
    struct buf out;      /* compressed block, later sections */
    uint64_t at;         /* end of the data file */
};

/** Walks all entries; a zeroed struct but for `in` is before the first. */
struct entry_walk {
    struct bits_reader in;
    struct new_series s;
    uint32_t ids[PART_MAX_LABELS];
};

/** A file of the part. @return fd; an error */
NODISCARD int part_write_create(const struct part_writer *w, const char *name, struct err *reterr);
void part_entries_begin(struct entry_walk *x, const struct part_writer *w);
void part_entries_next(struct entry_walk *x);
/** Build the index of what was added, write and sync it. @return 0, -ERR_NOMEM, -ERR_IO, -ERR_NOSPACE */
NODISCARD int part_write_index(struct part_writer *w, struct err *reterr);

#endif
