/* SPDX-License-Identifier: Apache-2.0
 *
 * A column of 64-bit integers, divided by a power of 1000 that all share: constant, offsets from a minimum, deltas, or codes into a small dictionary,
 * whichever is smallest, bit-packed in groups of 128 with a width per group so that outliers stay local.
 * Arithmetic wraps, so any values round-trip. See README.md for the layout.
 */
#ifndef STORE_COLUMNS_INTS_H
#define STORE_COLUMNS_INTS_H

#include "store/columns/wire.h"

enum { INTS_GROUP = 128, INTS_PAD = 8, INTS_DICT_MAX = 256 };

/** Append the encoding of n values to dst (failures stay in dst). `scratch` has room for n values. */
void ints_encode(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst);
/** Decode exactly n values from the front of *src. @return false when damaged. */
NODISCARD bool ints_decode(struct rd *src, size_t n, int64_t *dst);

/** As ints_decode(), but only the values at the rising places `at`, each below n. */
NODISCARD bool ints_pick(struct rd *src, size_t n, const uint32_t *at, size_t at_n, int64_t *dst);
/** Are all values stored as one? Then `src` is left behind them. */
bool ints_same(struct rd *src, int64_t *ret);

/** As encode and decode without the INTS_PAD zero bytes at the end: several columns one after the other, with INTS_PAD bytes
 * that may be read after the last. ints_put() needs n of scratch, which must not be v. n may be 0. */
void ints_put(const int64_t *v, size_t n, int64_t *scratch, struct buf *dst);
NODISCARD bool ints_get(struct rd *src, size_t n, int64_t *dst);
/** As ints_get(), but only the values at the rising places `at`, each below n. */
NODISCARD bool ints_get_some(struct rd *src, size_t n, const uint32_t *at, size_t at_n,
                             int64_t *dst);

/** Bits needed for v: 0..64; 58..63 are stored as 64. */
unsigned bits_width(uint64_t v);
/** Append n values of `width` bits each, without padding. */
void bits_pack(const uint64_t *v, size_t n, unsigned width, struct buf *dst);

/** Bytes that bits_pack() writes. */
static inline size_t bits_bytes(size_t n, unsigned width)
{
    return (n * width + 7) / 8;
}

/** `src` must have bits_bytes(n, width) + INTS_PAD readable bytes. */
void bits_unpack(const uint8_t *src, size_t n, unsigned width, uint64_t *dst);

#endif
