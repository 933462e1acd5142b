/* SPDX-License-Identifier: Apache-2.0
 *
 * HyperLogLog: how many distinct hashes were added, in at most 16 KiB, mergeable without loss. Flajolet et al. 2007;
 * estimator: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017, section 2.
 * Small sets are a sorted list of 25-bit positions with their ranks (as HyperLogLog++, Heule et al. 2013), which counts
 * a few thousand almost exactly; larger ones are 2^14 one-byte registers. A merge is the maximum, register by register:
 * it commutes, and doing it twice changes nothing. Not thread-safe.
 */
#ifndef APM_HLL_H
#define APM_HLL_H

#include "base/buf.h"

struct err;

enum {
    HLL_BITS = 14,
    HLL_REGISTERS = 1 << HLL_BITS,
    HLL_RANKS = 64 - HLL_BITS + 2, /* a register is 0 (nothing seen) to 51 */
    HLL_SPARSE_BITS = 25,
    HLL_SPARSE_MAX = 2048, /* entries of 4 bytes; then registers pay */
    HLL_BYTES_MAX = HLL_REGISTERS + 4,
};

/** A zeroed struct is the empty set. */
struct hll {
    uint8_t *registers; /* owned, HLL_REGISTERS; NULL while sparse */
    uint32_t *sparse;   /* owned, rising: position << 6 | rank */
    uint16_t n;         /* entries of sparse */
    uint16_t cap;
};

void hll_done(struct hll *h);
/** The empty set again; keeps its memory when sparse. */
void hll_clear(struct hll *h);
bool hll_empty(const struct hll *h);

/** `hash`: 64 well-mixed bits (hash64_seed()). @return 0; -ERR_NOMEM, unchanged */
NODISCARD int hll_add(struct hll *h, uint64_t hash);
/** dst becomes the union. dst and src may not be the same. @return 0; -ERR_NOMEM, dst unchanged */
NODISCARD int hll_merge(struct hll *dst, const struct hll *src);
/** The union of many, faster than one by one when they are small. dst must be empty. @return 0, -ERR_NOMEM */
NODISCARD int hll_union(struct hll *dst, const struct hll *const *v, size_t n);
/** Does adding src to dst change it? */
bool hll_covers(const struct hll *dst, const struct hll *src);

/** Distinct hashes, about. */
double hll_estimate(const struct hll *h);
/** The estimator alone, from how many registers hold each value. Sum of c is HLL_REGISTERS. */
double hll_estimate_counts(const uint32_t c[HLL_RANKS]);
/** Relative standard error of an estimate: 1.04 / 2^7 = 0.81 % for large sets, less for small, 0 for none.
 * Two of them to either side hold in 95 % of cases. */
double hll_std_error(const struct hll *h, double estimate);
double hll_std_error_registers(double n); /* of a set of n in registers */

/** Memory held besides the struct. */
size_t hll_memory(const struct hll *h);

/**
 * Bytes: u8 version (1), u8 form, then
 *   form 0: nothing (empty); 1: u16 entries, then each as the varint of its distance to the one before;
 *   2: 16384 registers; 3: u8 least register, 16384 half bytes above it (low half first), and for each that is 15 the
 *   register itself. Little-endian.
 * Appended to dst; a failure is in buf_status().
 */
void hll_encode(const struct hll *h, struct buf *dst);
/** Merge what bytes say into dst. @return 0; -ERR_CORRUPT, -ERR_UNSUPPORTED (version), -ERR_NOMEM: dst unchanged */
NODISCARD int hll_decode_into(struct hll *dst, struct str bytes, struct err *reterr);

#endif
