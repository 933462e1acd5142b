/* SPDX-License-Identifier: Apache-2.0
 *
 * Canonical Huffman coding of small symbols in two interleaved streams, so that two look-ups are under way
 * at a time when decoding. Internal to chunk_ints.c. Layout: README.md, "Sample chunks".
 */
#ifndef CODEC_CHUNK_HUFF_H
#define CODEC_CHUNK_HUFF_H

#include "codec/bits.h"

enum { HUFF_SYMBOLS = 256, HUFF_MAX_BITS = 10 };

/** Code lengths for counts of `symbols` symbols, at least two of them used; 0 for unused ones.
 * @return bits all codes take together; 0 and no codes when fewer are used */
uint64_t huff_lengths(const uint32_t *count, unsigned symbols, uint8_t *ret_len);
/** Append table and streams of n symbols. */
void huff_encode(const uint8_t *sym, size_t n, const uint8_t *len, unsigned symbols,
                 struct buf *dst);
/** Bits the table takes. */
unsigned huff_table_bits(const uint8_t *len, unsigned symbols);
/** Read the first k of n symbols. `nibbles`: the table has the older form.
 * @return 0, -ERR_CORRUPT (what lies behind the k-th is not looked at) */
NODISCARD int huff_decode(struct bits_reader *r, bool nibbles, uint8_t *sym, size_t n, size_t k);

#endif
