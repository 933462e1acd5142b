/* SPDX-License-Identifier: Apache-2.0
 *
 * The hash and the multipliers are on disk: they never change for parts of this version.
 */
#include "store/columns/trace_filter.h"

#include <string.h>

#include "base/hash.h"

enum { WORDS = TRACE_FILTER_BLOCK / 4 };

/* Odd numbers, as in Parquet's specification: the upper five bits of the product choose the bit of a word. */
static const uint32_t SALTS[WORDS] = {0x47b6137bu, 0x44974d91u, 0x8824ad5bu, 0xa2b7289du,
                                      0x705495c7u, 0x2df1424bu, 0x9efc4947u, 0x5c6bfb31u};

size_t trace_filter_bytes(size_t fingerprints)
{
    size_t bits = fingerprints * TRACE_FILTER_BITS;

    return (bits / 8 / TRACE_FILTER_BLOCK + 1) * TRACE_FILTER_BLOCK;
}

static size_t block_of(size_t bytes, uint64_t hash)
{
    const uint64_t blocks = bytes / TRACE_FILTER_BLOCK;

    return (size_t)((hash >> 32) * blocks >> 32) * TRACE_FILTER_BLOCK;
}

void trace_filter_add(uint8_t *filter, size_t bytes, uint32_t fingerprint)
{
    const uint64_t hash = hash_u64(fingerprint);
    uint8_t *block = filter + block_of(bytes, hash);

    for (size_t i = 0; i < WORDS; i++) {
        uint32_t word;

        memcpy(&word, block + 4 * i, 4);
        word |= 1u << ((uint32_t)hash * SALTS[i] >> 27);
        memcpy(block + 4 * i, &word, 4);
    }
}

bool trace_filter_may_have(const uint8_t *filter, size_t bytes, uint32_t fingerprint)
{
    const uint64_t hash = hash_u64(fingerprint);
    const uint8_t *block = filter + block_of(bytes, hash);
    uint32_t missing = 0;

    for (size_t i = 0; i < WORDS; i++) {
        uint32_t word;

        memcpy(&word, block + 4 * i, 4);
        missing |= ~word & 1u << ((uint32_t)hash * SALTS[i] >> 27);
    }
    return missing == 0;
}
