/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of one series as compressed bytes. The form of times and of values is chosen per chunk by size;
 * every double comes back bit by bit (NaN payloads, -0, infinities). Layout: README.md, "Sample chunks".
 */
#ifndef CODEC_CHUNK_H
#define CODEC_CHUNK_H

#include "base/buf.h"

struct err;

enum { CHUNK_MAX_SAMPLES = 8192 };

/**
 * Append one chunk to dst.
 * @param t_ms  n times, strictly rising
 * @param n     1..CHUNK_MAX_SAMPLES
 * @return 0; -ERR_INVALID (n out of range), -ERR_NOMEM, -ERR_TOO_LARGE (dst's maximum)
 */
NODISCARD int chunk_encode(const int64_t *t_ms, const double *v, size_t n, struct buf *dst);
/** Number of samples and first time without decoding the rest. @return 0, -ERR_CORRUPT */
NODISCARD int chunk_peek(struct str src, size_t *ret_n, int64_t *ret_first_ms);
/** Decode all samples; t_ms and v have room for the n of chunk_peek(). Safe on any bytes.
 * @return n, -ERR_CORRUPT (also when times do not rise) */
NODISCARD int chunk_decode(struct str src, int64_t *t_ms, double *v, size_t cap);

#endif
