/* SPDX-License-Identifier: Apache-2.0
 *
 * Draws of the load generators. Integers only, so that the same seed gives the same bytes on every machine;
 * for that an expression holds one draw, since compilers choose in which order they come.
 */
#ifndef BENCH_LIB_DICE_H
#define BENCH_LIB_DICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct dice {
    uint64_t state;
};

static inline uint64_t dice_below(struct dice *d, uint64_t n)
{
    return (uint64_t)((unsigned __int128)random_next(&d->state) * n >> 64);
}

/** True once in `n`. */
static inline bool dice_once_in(struct dice *d, uint64_t n)
{
    return dice_below(d, n) == 0;
}

/** 0..n-1, small ones often: every power of two has the same weight, which is close to Zipf's law. */
static inline uint64_t dice_zipf(struct dice *d, uint64_t n)
{
    uint64_t octaves = 64 - (uint64_t)__builtin_clzll(n);
    uint64_t low = 1ull << dice_below(d, octaves);
    uint64_t v = low + dice_below(d, low) - 1;

    return v < n ? v : v % n;
}

/** About log-normal around `median`; `spread` is the standard deviation in sixteenths of an octave. */
static inline uint64_t dice_lognormal(struct dice *d, uint64_t median, int spread)
{
    uint64_t r = random_next(&d->state);
    int64_t z = -2040; /* eight bytes: mean 0, standard deviation 209 */

    while (r != 0) {
        z += 2 * (int64_t)(r & 0xff);
        r >>= 8;
    }
    int64_t x = (z / 2) * spread * 65536 / 16 / 209; /* octaves, 16 bits of fraction */
    int64_t whole = x >> 16;
    uint64_t v = median * (65536 + (uint64_t)(x & 65535)) >> 16;

    return whole >= 0 ? v << (whole < 20 ? whole : 20) : v >> (whole > -20 ? -whole : 20);
}

#endif
