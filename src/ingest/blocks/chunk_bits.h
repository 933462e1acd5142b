/* SPDX-License-Identifier: Apache-2.0
 *
 * Bits as Prometheus' chunks have them, from the most significant on. Beyond the end a reader gives zeros and remembers
 * that it did. Source: Prometheus, tsdb/docs/format/chunks.md.
 */
#ifndef INGEST_BLOCKS_CHUNK_BITS_H
#define INGEST_BLOCKS_CHUNK_BITS_H

#include "base/str.h"

struct chunk_reader {
    const uint8_t *p, *end;
    unsigned left; /* bits of *p not yet read, 1..8 */
    bool bad;
};

struct chunk_reader chunk_reader(struct str data);
uint64_t chunk_bits(struct chunk_reader *r, unsigned n);
/** Base-128, in bytes that need not be aligned. */
uint64_t chunk_uvarint(struct chunk_reader *r);
int64_t chunk_varint(struct chunk_reader *r);
/** <varbit_uint>, <varbit_int>: a prefix of up to eight ones says how many bits follow. */
uint64_t chunk_varbit_uint(struct chunk_reader *r);
int64_t chunk_varbit_int(struct chunk_reader *r);
double chunk_f64(struct chunk_reader *r);

/** A value that comes as the XOR with the one before it. */
struct chunk_xor {
    uint64_t bits;
    unsigned leading, trailing;
};

/** The next value into x->bits. */
void chunk_xor(struct chunk_reader *r, struct chunk_xor *x);

#endif
