/* SPDX-License-Identifier: Apache-2.0
 *
 * The two hashes of the project: XXH3 for speed (not against an attacker who picks keys) and CRC-32C for
 * what lies on disk.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

struct hash128 {
    uint64_t lo;
    uint64_t hi;
};

/** XXH3 64-bit. */
uint64_t hash64(const void *p, size_t n);
uint64_t hash64_seed(const void *p, size_t n, uint64_t seed);
/** XXH3 128-bit: wide enough that equal hash means equal key for series identity (2^-64 at 2^32 series). */
struct hash128 hash128(const void *p, size_t n);

/** Spread an integer key over 64 bits (splitmix64 finaliser, Steele et al. 2014). */
static inline uint64_t hash_u64(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/** CRC-32C (Castagnoli, RFC 3720 B.4); uses SSE4.2 when the machine has it. Start with crc = 0. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);

#endif
