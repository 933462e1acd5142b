/* SPDX-License-Identifier: Apache-2.0
 *
 * One loop over bytes gives any number of bits.
 */
#include "ingest/blocks/chunk_bits.h"

struct chunk_reader chunk_reader(struct str data)
{
    const uint8_t *p = (const uint8_t *)data.p;

    return (struct chunk_reader){.p = p, .end = data.n != 0 ? p + data.n : p, .left = 8};
}

uint64_t chunk_bits(struct chunk_reader *r, unsigned n)
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

uint64_t chunk_uvarint(struct chunk_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t b = chunk_bits(r, 8);

        v |= (b & 0x7f) << shift;
        if (b < 0x80) {
            return v;
        }
    }
    r->bad = true;
    return 0;
}

int64_t chunk_varint(struct chunk_reader *r)
{
    uint64_t v = chunk_uvarint(r);

    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/* How many bits follow. */
static unsigned varbit_size(struct chunk_reader *r)
{
    static const unsigned SIZES[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
    unsigned ones = 0;

    while (ones < 8 && chunk_bits(r, 1) == 1) {
        ones++;
    }
    return SIZES[ones];
}

uint64_t chunk_varbit_uint(struct chunk_reader *r)
{
    return chunk_bits(r, varbit_size(r));
}

int64_t chunk_varbit_int(struct chunk_reader *r)
{
    unsigned n = varbit_size(r);
    uint64_t v = chunk_bits(r, n);

    if (n != 0 && n < 64 && v > UINT64_C(1) << (n - 1)) {
        v -= UINT64_C(1) << n;
    }
    return (int64_t)v;
}

double chunk_f64(struct chunk_reader *r)
{
    uint64_t bits = chunk_bits(r, 64);
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

void chunk_xor(struct chunk_reader *r, struct chunk_xor *x)
{
    unsigned significant;

    if (chunk_bits(r, 1) == 0) {
        return;
    }
    if (chunk_bits(r, 1) == 1) {
        x->leading = (unsigned)chunk_bits(r, 5);
        significant = (unsigned)chunk_bits(r, 6);
        significant = significant == 0 ? 64 : significant;
        if (x->leading + significant > 64) {
            r->bad = true;
            return;
        }
        x->trailing = 64 - x->leading - significant;
    }
    significant = 64 - x->leading - x->trailing;
    x->bits ^= chunk_bits(r, significant) << x->trailing;
}
