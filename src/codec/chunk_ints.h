/* SPDX-License-Identifier: Apache-2.0
 *
 * A sequence of 64-bit integers as differences of order 0, 1 or 2, or from a moving mean, in the coding that
 * is smallest. Internal to chunk*.c. Arithmetic wraps, so every input round-trips. Layout: README.md, "Sample chunks".
 */
#ifndef CODEC_CHUNK_INTS_H
#define CODEC_CHUNK_INTS_H

#include "codec/bits.h"
#include "codec/chunk.h"

/** Words of scratch that n integers need. */
#define CHUNK_INTS_SCRATCH(n) (6 * (size_t)(n))

/** Append n integers. `tmp` has room for CHUNK_INTS_SCRATCH(n) words. */
void chunk_ints_encode(const int64_t *v, size_t n, enum chunk_effort effort, uint64_t *tmp,
                       struct buf *dst);
/** Append 0, step, 2 step, ...: what chunk_ints_encode() would write, without looking at them. */
void chunk_ints_put_steps(int64_t step, struct buf *dst);
/** Is it what chunk_ints_put_steps() writes? The reader moves only then. */
bool chunk_ints_steps(struct bits_reader *r, int64_t *ret_step);
/** Read the first k of n integers, 1 <= k <= n; v has room for k. The reader ends behind them when k = n, else
 * somewhere. @return 0, -ERR_CORRUPT */
NODISCARD int chunk_ints_decode(struct bits_reader *r, int64_t *v, size_t n, size_t k);

/** Of two encodings that lie one after the other from `start` on keep the shorter. */
void chunk_keep_shorter(struct buf *dst, size_t start, size_t second);

#endif
