/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of the on-disk form that writer and reader of parts share. Layout: README.md, "Parts".
 */
#ifndef STORE_TSDB_PART_FORMAT_H
#define STORE_TSDB_PART_FORMAT_H

#include <stdint.h>

#include "store/tsdb/part.h"

/* Seven bytes name the file, the eighth is the version of the form: PART_VERSION is written, all from
 * PART_VERSION_OLDEST on are read. */
#define PART_DATA_MAGIC  "BNGSDAT\x03"
#define PART_INDEX_MAGIC "BNGSIDX\x03"

enum {
    PART_MAGIC_SIZE = 8,
    PART_VERSION = 3,
    PART_VERSION_OLDEST = 2,
    PART_VERSION_NEWEST_FIRST = 3, /* columns of values begin with the newest from here on */
    PART_VERSION_PAIR_MASKS = 3,   /* pairs of a series are told from those of the one before */
    PART_MASK_PAIRS = 8,           /* so many a mask */
    PART_GROUP = 16,               /* series or pairs a restart point */
    PART_BLOCK_BYTES = 64 << 10,   /* of chunks, before zstd */
    PART_BLOCK_MAX = 16 << 20,
    PART_CHUNK_SAMPLES = 2400, /* what a reader of the oldest samples of a chunk unpacks at most */
};

/** In front of every block of the data file. */
struct part_block_header {
    uint32_t crc; /* crc32c of the rest of the header and the payload */
    uint32_t stored;
    uint32_t raw;
    uint32_t codec; /* 0 as it is, 1 zstd */
};

enum part_section {
    SECTION_NAMES,         /* {str name, varint first pair, varint pairs} */
    SECTION_PAIRS,         /* {str value, str postings} in order of (name, value) */
    SECTION_PAIR_GROUPS,   /* u32 offset in PAIRS of every 16th pair */
    SECTION_SERIES,        /* entries in order of labels */
    SECTION_SERIES_GROUPS, /* struct part_group for every 16th series */
    SECTION_BLOCKS,        /* u64 offset of each block, and the end */
    SECTION_TIMES,         /* columns of times, each once */
    SECTION_TIMES_AT,      /* u32 offset of each column, and the end */
    SECTION_COUNT,
};

struct part_group {
    uint32_t entry;  /* offset in SERIES */
    uint32_t block;  /* where the series before it ends, */
    uint32_t offset; /* in the unpacked block */
};

/* Of a chunk's size: size << 2 | flags. */
enum {
    PART_CHUNK_SAME = 1, /* values of an earlier chunk: its place follows, it is not stored again */
    PART_CHUNK_STARTS = 2, /* begins a block */
};

/* Of a series' number of chunks: chunks << 1 | flag. */
enum {
    PART_SERIES_BLOB =
        1, /* one chunk, the caller's bytes; instead of a column of times its range */
};

/** Last bytes of the index. All of the index before `crc` is covered by it. */
struct part_footer {
    uint64_t at[SECTION_COUNT];
    uint64_t size[SECTION_COUNT];
    int64_t day;
    uint64_t seq_lo, seq_hi;
    int64_t min_ms, max_ms;
    uint64_t samples_n, chunks_n;
    uint64_t data_bytes;
    uint32_t names_n, pairs_n, series_n, blocks_n, times_n;
    uint32_t unused; /* 0 */
    uint32_t crc;
    uint32_t version; /* as in the magic */
};

_Static_assert(sizeof(struct part_footer) == SECTION_COUNT * 16 + 64 + 32, "no padding on disk");
_Static_assert(sizeof(struct part_group) == 12 && sizeof(struct part_block_header) == 16, "");

#endif
