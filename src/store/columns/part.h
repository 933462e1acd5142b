/* SPDX-License-Identifier: Apache-2.0
 *
 * An immutable part on disk, mapped: the rows of one UTC day of one flush or merge, sorted by (stream, time,
 * id) and cut into blocks. Reference-counted: a part that was merged away stays readable until its last
 * reader leaves.
 */
#ifndef STORE_COLUMNS_PART_H
#define STORE_COLUMNS_PART_H

#include "base/str.h"
#include "store/columns/columns.h"

struct part;

/** What the index says of a block; enough to skip it. */
struct block_entry {
    int64_t min_ns;
    int64_t max_ns;
    uint64_t offset;    /* in the data file */
    uint32_t bytes;     /* of the whole block */
    uint32_t dir_bytes; /* of the column directory it starts with */
    uint32_t dir_crc;
    uint32_t rows_n;
    uint32_t raw_bytes;    /* about, when decoded */
    uint32_t resource_min; /* of the part's resource table */
    uint32_t resource_max;
    uint32_t reserved;
};

void part_ref(struct part *p);
void part_unref(struct part *p);
int64_t part_min_ns(const struct part *p);
int64_t part_max_ns(const struct part *p);
uint64_t part_rows(const struct part *p);
uint64_t part_bytes(const struct part *p); /* of its files */
uint32_t part_blocks(const struct part *p);
const struct block_entry *part_block(const struct part *p, uint32_t i);

#endif
