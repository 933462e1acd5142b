/* SPDX-License-Identifier: Apache-2.0
 *
 * A sequence of 64-bit integers as differences of order 0, 1 or 2, packed in groups of 32 with a width
 * each. Internal to chunk.c. Arithmetic wraps, so every input round-trips.
 */
#ifndef CODEC_CHUNK_INTS_H
#define CODEC_CHUNK_INTS_H

#include "codec/bits.h"

/** Append n integers in the smallest of the six forms. `tmp` has room for 3 n words. */
void chunk_ints_encode(const int64_t *v, size_t n, uint64_t *tmp, struct buf *dst);
/** Read n integers. @return 0, -ERR_CORRUPT */
NODISCARD int chunk_ints_decode(struct bits_reader *r, int64_t *v, size_t n);

#endif
