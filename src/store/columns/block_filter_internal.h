/* SPDX-License-Identifier: Apache-2.0
 *
 * The three steps of filtering a block: what prunes a column (block_prune.c), what its values say
 * (block_hits.c), and how that becomes bits of rows (block_filter.c).
 */
#ifndef STORE_COLUMNS_BLOCK_FILTER_INTERNAL_H
#define STORE_COLUMNS_BLOCK_FILTER_INTERNAL_H

#include "store/columns/block.h"

/* What a column says of a predicate before its values are looked at. */
enum verdict { VERDICT_SOME, VERDICT_NONE };

/** Integers that pass the positive form of a predicate: from low to high, none when low is above high. */
struct int_range {
    int64_t low;
    int64_t high;
};

/** @return false: it is no range, values have to be looked at one by one */
bool block_int_range(const struct filter *f, struct int_range *ret);

/** Can min and max rule every value out? */
enum verdict block_range_verdict(const struct block_col *c, const struct filter *f);
/** The same with the bloom filter. */
NODISCARD int block_col_verdict(struct block *b, struct block_col *c, const struct filter *f,
                                enum verdict *ret);
/** May a column with this bloom filter (and its bloom_reach()) have a value that passes? `text` is scratch. */
bool bloom_may_pass(struct str bloom, unsigned reach, const struct filter *f, struct buf *text);
/** hit[i] (0 or 1) for every value of the column. `only`: bits of the values that matter, others may be 0; NULL: all. */
NODISCARD int block_column_hits(struct block *b, const struct filter *f, const struct column *col,
                                const uint64_t *only, uint8_t *hit);

#endif
