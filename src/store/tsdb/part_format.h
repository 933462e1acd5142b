/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of the on-disk form that writer and reader of parts share. Layout: README.md, "Parts".
 */
#ifndef STORE_TSDB_PART_FORMAT_H
#define STORE_TSDB_PART_FORMAT_H

#include <stdint.h>

#include "store/tsdb/part.h"

#define PART_DATA_MAGIC  "BNGSDAT\x01"
#define PART_INDEX_MAGIC "BNGSIDX\x01"

enum {
    PART_MAGIC_SIZE = 8,
    PART_GROUP = 16,             /* series or pairs a restart point */
    PART_BLOCK_BYTES = 64 << 10, /* of chunks, before zstd */
    PART_BLOCK_MAX = 16 << 20,
    PART_CHUNK_SAMPLES = 4096,
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
    SECTION_COUNT,
};

struct part_group {
    uint32_t entry;  /* offset in SERIES */
    uint32_t block;  /* of the first chunk */
    uint32_t offset; /* in the unpacked block */
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
    uint32_t names_n, pairs_n, series_n, blocks_n;
    uint32_t crc;
    uint32_t version; /* 1 */
};

_Static_assert(sizeof(struct part_footer) == SECTION_COUNT * 16 + 64 + 24, "no padding on disk");
_Static_assert(sizeof(struct part_group) == 12 && sizeof(struct part_block_header) == 16, "");

#endif
