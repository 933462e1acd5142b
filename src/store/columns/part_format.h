/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a part: `data` (blocks back to back), `index` (header, tables of resources and scopes, block
 * entries), `traces` (sorted fingerprints of trace ids with their blocks, and a filter over them). Little-endian.
 */
#ifndef STORE_COLUMNS_PART_FORMAT_H
#define STORE_COLUMNS_PART_FORMAT_H

#include "store/columns/part.h"

/* Version 5 has short fingerprints of traces and arrivals by themselves, 4 has texts as templates, 3 the column of pattern ids, 2 the bloom filters of today. */
enum {
    PART_VERSION = 5,
    PART_VERSION_SHORT = 5,
    SHORT_SHIFT = 16,
    PART_VERSION_BLOOMS = 2,
    PART_VERSION_OLD = 1,
    TRACE_PAGE = 256
};

#define PART_MAGIC  "BGPX"
#define TRACE_MAGIC "BGTX"

/** First bytes of `index`. The body follows: block entries, then per table n × (u32 length, bytes). */
struct part_header {
    char magic[4];
    uint32_t version;
    uint32_t kind;
    uint32_t blocks_n;
    uint64_t rows_n;
    int64_t min_ns;
    int64_t max_ns;
    uint64_t data_bytes;
    uint64_t traces_bytes;
    uint64_t resources_bytes;
    uint64_t scopes_bytes;
    uint32_t resources_n;
    uint32_t scopes_n;
    uint32_t body_crc;
    uint32_t header_crc; /* of all before it */
};

/** First bytes of `traces`; page entries follow, then the pages, and at the end the filter (trace_filter.h) and its
 * crc. */
struct trace_header {
    char magic[4];
    uint32_t version;
    uint64_t entries_n;
    uint32_t pages_n;
    uint32_t pages_crc;    /* of the page entries */
    uint32_t filter_bytes; /* 0: none, as in parts written before there were filters */
    uint32_t header_crc;   /* of all before it */
};

struct trace_page {
    uint64_t first; /* fingerprint */
    uint64_t offset;
    uint32_t bytes;
    uint32_t entries_n;
    uint32_t crc;
    uint32_t reserved;
};

/** 48 bits of hash, of which parts keep the upper 32: a look-up finds a wrong trace once in 2^32 / traces of the part,
 * which costs a block. */
uint64_t trace_fingerprint(const uint8_t id[16]);

#endif
