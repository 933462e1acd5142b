/* SPDX-License-Identifier: Apache-2.0
 *
 * Duration buckets of a T-Map: 32 to each doubling, linear inside it, in whole microseconds (the layout of
 * HdrHistogram). A bucket is at most 1/32 of its lower bound wide, so it serves logarithmic and linear views alike.
 * The console has the same formula in web/src/features/apm/tmap/cells.ts.
 */
#ifndef APM_TMAP_BUCKET_H
#define APM_TMAP_BUCKET_H

#include <stdint.h>

enum {
    TMAP_SUB_BITS = 5,
    TMAP_SUB = 1 << TMAP_SUB_BITS,
    TMAP_BUCKETS =
        (32 - TMAP_SUB_BITS + 1) * TMAP_SUB, /* up to 2^32 us, 71 min; the last has all above */
};

static inline unsigned tmap_bucket(int64_t duration_ns)
{
    uint64_t us = duration_ns > 0 ? (uint64_t)duration_ns / 1000 : 0;
    unsigned shift;

    if (us < TMAP_SUB) {
        return (unsigned)us;
    }
    if (us >> 32 != 0) {
        return TMAP_BUCKETS - 1;
    }
    shift = 63u - (unsigned)__builtin_clzll(us) - TMAP_SUB_BITS;
    return (shift + 1) * TMAP_SUB + ((unsigned)(us >> shift) & (TMAP_SUB - 1));
}

/** Smallest duration of a bucket, us; that of TMAP_BUCKETS is the upper end of the last. */
static inline uint64_t tmap_bucket_us(unsigned bucket)
{
    return bucket < TMAP_SUB
               ? bucket
               : (uint64_t)(TMAP_SUB + (bucket & (TMAP_SUB - 1))) << (bucket / TMAP_SUB - 1);
}

#endif
