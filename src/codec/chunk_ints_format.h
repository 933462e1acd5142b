/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of the form of integer sequences that writer and reader share. Internal to chunk_ints*.c. Layout:
 * README.md, "Sample chunks".
 */
#ifndef CODEC_CHUNK_INTS_FORMAT_H
#define CODEC_CHUNK_INTS_FORMAT_H

#include <stdint.h>

enum {
    GROUP = 32, /* values that share a width: one byte of overhead per 32 */
    ORDER_MASK = 3,
    ORDER_SMOOTH = 3, /* a byte tells of what and how */
    SMOOTH_RATE = 8,  /* of that byte: differences are smoothed, not values */
    SMOOTH_MASK = 7,  /* of that byte: the mean moves by 1/2^s of what it missed by */
    CODING_SHIFT = 2,
    LINEAR_RAW_MAX = 56, /* raw bits behind a symbol: one unaligned load holds them */
    HYBRID_DIRECT = 16,  /* smaller numbers are symbols themselves */
    HYBRID_LOG = 4,
    HYBRID_TOP = 2, /* bits behind the leading one that belong to the symbol */
};

enum coding {
    CODING_ZIGZAG,         /* groups of a width each, signs mixed */
    CODING_MIN,            /* groups, relative to the minimum */
    CODING_FLAT,           /* all the same */
    CODING_LINEAR_NIBBLES, /* as CODING_LINEAR with the older form of table: read only */
    CODING_HYBRID_NIBBLES,
    CODING_SPARSE, /* one usual number; gaps and values of the others */
    CODING_LINEAR, /* leading bits above the minimum Huffman coded, the rest as they are */
    CODING_HYBRID, /* distance to a centre: small ones and magnitudes Huffman coded */
    CODINGS,
};

/** The mean a smoothed sequence is told from. All arithmetic wraps. */
struct smooth {
    uint64_t mean; /* times 2^shift */
    unsigned shift;
};

static inline uint64_t smooth_expected(const struct smooth *m)
{
    return (uint64_t)((int64_t)(m->mean + ((uint64_t)1 << m->shift >> 1)) >> m->shift);
}

#endif
