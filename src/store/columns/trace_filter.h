/* SPDX-License-Identifier: Apache-2.0
 *
 * Which traces a part surely has nothing of: a split-block bloom filter over the fingerprints of its trace index, one
 * cache line a question, so that a look-up asks hundreds of parts for little. Never says "no" wrongly.
 * Source: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2007); the block of eight words
 * with a bit in each is that of Parquet's split block bloom filter.
 */
#ifndef STORE_COLUMNS_TRACE_FILTER_H
#define STORE_COLUMNS_TRACE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TRACE_FILTER_BLOCK = 32,
    TRACE_FILTER_BITS = 12, /* a fingerprint: wrong about once in 150 */
};

/** Bytes for as many fingerprints: whole blocks. */
size_t trace_filter_bytes(size_t fingerprints);
/** `bytes` is trace_filter_bytes() of something, the filter zeroed at first. */
void trace_filter_add(uint8_t *filter, size_t bytes, uint32_t fingerprint);
bool trace_filter_may_have(const uint8_t *filter, size_t bytes, uint32_t fingerprint);

#endif
