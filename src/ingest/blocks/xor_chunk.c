/* SPDX-License-Identifier: Apache-2.0
 *
 * A reader of bits that gives zeros beyond its end and remembers that it did: checked once a sample.
 */
#include "ingest/blocks/xor_chunk.h"

#include "base/err.h"

struct bit_reader {
    const uint8_t *p, *end;
    unsigned left; /* bits of *p not yet read, 1..8 */
    bool bad;
};

static uint64_t take(struct bit_reader *r, unsigned n)
{
    uint64_t v = 0;

    while (n != 0) {
        unsigned k;

        if (r->p == r->end) {
            r->bad = true;
            return 0;
        }
        k = n < r->left ? n : r->left;
        v = v << k | ((*r->p >> (r->left - k)) & ((1u << k) - 1));
        r->left -= k;
        n -= k;
        if (r->left == 0) {
            r->p++;
            r->left = 8;
        }
    }
    return v;
}

/** Base-128, in bytes that need not be aligned. */
static uint64_t take_uvarint(struct bit_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t b = take(r, 8);

        v |= (b & 0x7f) << shift;
        if (b < 0x80) {
            return v;
        }
    }
    r->bad = true;
    return 0;
}

static int64_t take_varint(struct bit_reader *r)
{
    uint64_t v = take_uvarint(r);

    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/** Difference of differences: a prefix of ones says how many bits it has. */
static int64_t take_dod(struct bit_reader *r)
{
    static const unsigned sizes[] = {0, 14, 17, 20, 64};
    unsigned ones = 0;
    uint64_t v;

    while (ones < 4 && take(r, 1) == 1) {
        ones++;
    }
    if (sizes[ones] == 0) {
        return 0;
    }
    v = take(r, sizes[ones]);
    if (sizes[ones] < 64 && v > 1ull << (sizes[ones] - 1)) {
        v -= 1ull << sizes[ones];
    }
    return (int64_t)v;
}

struct xor_state {
    uint64_t bits;
    unsigned leading, trailing;
};

static void next_value(struct bit_reader *r, struct xor_state *x)
{
    unsigned significant;

    if (take(r, 1) == 0) {
        return;
    }
    if (take(r, 1) == 1) {
        x->leading = (unsigned)take(r, 5);
        significant = (unsigned)take(r, 6);
        significant = significant == 0 ? 64 : significant;
        if (x->leading + significant > 64) {
            r->bad = true;
            return;
        }
        x->trailing = 64 - x->leading - significant;
    }
    significant = 64 - x->leading - x->trailing;
    x->bits ^= take(r, significant) << x->trailing;
}

static void add(struct samples *dst, int64_t t_ms, uint64_t bits)
{
    dst->t_ms[dst->n] = t_ms;
    memcpy(&dst->v[dst->n], &bits, sizeof(bits));
    dst->n++;
}

int xor_chunk_decode(struct str data, struct samples *dst)
{
    struct bit_reader r = {.p = (const uint8_t *)data.p, .left = 8};
    struct xor_state x = {.leading = 0};
    uint64_t t = 0;
    uint64_t delta = 0;
    size_t n;

    r.end = data.n != 0 ? r.p + data.n : r.p;
    n = (size_t)take(&r, 16);
    if (r.bad || n > data.n * 8) { /* two bits a sample at least */
        return -ERR_CORRUPT;
    }
    if (!samples_reserve(dst, dst->n + n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            t = (uint64_t)take_varint(&r);
            x.bits = take(&r, 64);
        } else {
            delta = i == 1 ? take_uvarint(&r) : delta + (uint64_t)take_dod(&r);
            t += delta;
            next_value(&r, &x);
        }
        if (r.bad) {
            return -ERR_CORRUPT;
        }
        add(dst, (int64_t)t, x.bits);
    }
    return 0;
}
