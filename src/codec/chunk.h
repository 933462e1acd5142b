/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples of one series as compressed bytes: times and values as columns of their own, which series that
 * are scraped together can share, or both as one chunk. The form is chosen by size; every double comes back
 * bit by bit (NaN payloads, -0, infinities). Layout: README.md, "Sample chunks".
 */
#ifndef CODEC_CHUNK_H
#define CODEC_CHUNK_H

#include "base/buf.h"

struct err;

enum { CHUNK_MAX_SAMPLES = 8192 };

/** How hard to try. What was written is read the same way. */
enum chunk_effort {
    CHUNK_FAST,  /* bit packing: for samples just taken in */
    CHUNK_SMALL, /* also Huffman codes: for what is written once and kept */
};

/* ---- columns ---- */

/** What a times column says of itself at its start. */
struct chunk_times_info {
    size_t n;
    int64_t first_ms, last_ms;
};

/**
 * Append a column of times.
 * @param t_ms  n times, strictly rising
 * @param n     1..CHUNK_MAX_SAMPLES
 * @return 0; -ERR_INVALID (n out of range), -ERR_NOMEM, -ERR_TOO_LARGE (dst's maximum)
 */
NODISCARD int chunk_times_encode(const int64_t *t_ms, size_t n, enum chunk_effort effort,
                                 struct buf *dst);
/** @return 0, -ERR_CORRUPT */
NODISCARD int chunk_times_peek(struct str src, struct chunk_times_info *ret);
/** t_ms has room for the n of chunk_times_peek(). Safe on any bytes; bytes behind the column are left alone.
 * @return n, -ERR_CORRUPT (also when times do not rise) */
NODISCARD int chunk_times_decode(struct str src, int64_t *t_ms, size_t cap);
/** Only the times from min_ms on. t_ms has room for all n nevertheless.
 * @return how many, 0 when there are none; -ERR_CORRUPT */
NODISCARD int chunk_times_decode_since(struct str src, int64_t min_ms, int64_t *t_ms, size_t cap);
/** Append a column of values, whose number is known from the times. As chunk_times_encode(). */
NODISCARD int chunk_values_encode(const double *v, size_t n, enum chunk_effort effort,
                                  struct buf *dst);
/** @return 0, -ERR_CORRUPT (also when src does not end with the column) */
NODISCARD int chunk_values_decode(struct str src, double *v, size_t n);
/** The same with the newest value first, so that the newest ones can be read alone. v is in order of time. */
NODISCARD int chunk_values_encode_newest(const double *v, size_t n, enum chunk_effort effort,
                                         struct buf *dst);
/** The k newest of the n values such a column has, in order of time; 1 <= k <= n.
 * @return 0, -ERR_CORRUPT (what only older values need is not looked at) */
NODISCARD int chunk_values_decode_newest(struct str src, size_t n, double *v, size_t k);

/* ---- both in one ---- */

/** Append one chunk to dst, fast. As chunk_times_encode(). */
NODISCARD int chunk_encode(const int64_t *t_ms, const double *v, size_t n, struct buf *dst);
/** Number of samples and first time without decoding the rest. @return 0, -ERR_CORRUPT */
NODISCARD int chunk_peek(struct str src, size_t *ret_n, int64_t *ret_first_ms);
/** Decode all samples; t_ms and v have room for the n of chunk_peek(). Safe on any bytes.
 * @return n, -ERR_CORRUPT (also when times do not rise) */
NODISCARD int chunk_decode(struct str src, int64_t *t_ms, double *v, size_t cap);

#endif
