/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of the bits is looked at once a sample.
 */
#include "ingest/blocks/xor_chunk.h"

#include "base/err.h"
#include "ingest/blocks/chunk_bits.h"

/** Difference of differences: a prefix of ones says how many bits it has. */
static int64_t take_dod(struct chunk_reader *r)
{
    static const unsigned sizes[] = {0, 14, 17, 20, 64};
    unsigned ones = 0;
    uint64_t v;

    while (ones < 4 && chunk_bits(r, 1) == 1) {
        ones++;
    }
    if (sizes[ones] == 0) {
        return 0;
    }
    v = chunk_bits(r, sizes[ones]);
    if (sizes[ones] < 64 && v > 1ull << (sizes[ones] - 1)) {
        v -= 1ull << sizes[ones];
    }
    return (int64_t)v;
}

static void add(struct samples *dst, int64_t t_ms, uint64_t bits)
{
    dst->t_ms[dst->n] = t_ms;
    memcpy(&dst->v[dst->n], &bits, sizeof(bits));
    dst->n++;
}

int xor_chunk_decode(struct str data, struct samples *dst)
{
    struct chunk_reader r = chunk_reader(data);
    struct chunk_xor x = {.leading = 0};
    uint64_t t = 0;
    uint64_t delta = 0;
    size_t n;

    n = (size_t)chunk_bits(&r, 16);
    if (r.bad || n > data.n * 8) { /* two bits a sample at least */
        return -ERR_CORRUPT;
    }
    if (!samples_reserve(dst, dst->n + n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            t = (uint64_t)chunk_varint(&r);
            x.bits = chunk_bits(&r, 64);
        } else {
            delta = i == 1 ? chunk_uvarint(&r) : delta + (uint64_t)take_dod(&r);
            t += delta;
            chunk_xor(&r, &x);
        }
        if (r.bad) {
            return -ERR_CORRUPT;
        }
        add(dst, (int64_t)t, x.bits);
    }
    return 0;
}
