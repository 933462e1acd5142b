/* SPDX-License-Identifier: Apache-2.0
 *
 * The values column of a chunk, apart from its frame.
 */
#ifndef CODEC_CHUNK_INTERNAL_H
#define CODEC_CHUNK_INTERNAL_H

#include "codec/bits.h"
#include "codec/chunk.h"

/** Scratch of one encode: on the stack for the head's chunks, else from the heap. */
struct chunk_scratch {
    int64_t *ints;        /* n */
    uint64_t *words;      /* CHUNK_INTS_SCRATCH(n) */
    uint16_t *exceptions; /* n */
};

/** Append the form of n values that is smallest. */
void chunk_put_values(const double *v, size_t n, enum chunk_effort effort,
                      const struct chunk_scratch *s, struct buf *dst);
/** Read the first k of n values, 1 <= k <= n. @return 0, -ERR_CORRUPT */
NODISCARD int chunk_get_values(struct bits_reader *r, double *v, size_t n, size_t k);

#endif
