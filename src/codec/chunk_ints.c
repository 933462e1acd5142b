/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer sequences of chunks. The residuals of order k are either zigzag coded (signs mixed) or taken
 * relative to their minimum (counters), whichever packs smaller.
 */
#include "codec/chunk_ints.h"

#include "base/err.h"

enum {
    GROUP = 32, /* values that share a width: one byte of overhead per 32 */
    ORDER_MASK = 3,
    MODE_ZIGZAG = 4, /* else relative to the minimum */
    MODE_FLAT = 8,   /* all residuals 0 after that: no groups follow */
    MODE_ALL = 15,
};

/** Residuals of an order in r, r_n of them; at least one value remains as a start. */
static size_t residuals(const int64_t *v, size_t n, unsigned order, uint64_t *r)
{
    if (order == 0) {
        for (size_t i = 0; i < n; i++) {
            r[i] = (uint64_t)v[i];
        }
        return n;
    }
    if (order == 1) {
        for (size_t i = 1; i < n; i++) {
            r[i - 1] = (uint64_t)v[i] - (uint64_t)v[i - 1];
        }
        return n - 1;
    }
    for (size_t i = 2; i < n; i++) {
        r[i - 2] = (uint64_t)v[i] - 2 * (uint64_t)v[i - 1] + (uint64_t)v[i - 2];
    }
    return n - 2;
}

struct form {
    unsigned order;
    bool zigzag;
    bool flat;
    uint64_t min;
    size_t bytes;
};

/** Bytes of both forms of one order; keeps the better in *best. */
static void weigh(const uint64_t *r, size_t n, unsigned order, size_t start_bytes,
                  struct form *best)
{
    int64_t min = INT64_MAX;
    size_t zig_bytes = 0;
    size_t min_bytes;
    bool zig_flat = true;
    bool min_flat = true;

    for (size_t i = 0; i < n; i++) {
        min = (int64_t)r[i] < min ? (int64_t)r[i] : min;
    }
    min = n == 0 ? 0 : min;
    min_bytes = bits_varint_size(bits_zigzag(min));
    for (size_t g = 0; g < n; g += GROUP) {
        size_t k = n - g < GROUP ? n - g : GROUP;
        uint64_t zig_or = 0;
        uint64_t min_or = 0;

        for (size_t i = g; i < g + k; i++) {
            zig_or |= bits_zigzag((int64_t)r[i]);
            min_or |= r[i] - (uint64_t)min;
        }
        zig_bytes += 1 + bits_packed_size(k, bits_width(zig_or));
        min_bytes += 1 + bits_packed_size(k, bits_width(min_or));
        zig_flat = zig_flat && zig_or == 0;
        min_flat = min_flat && min_or == 0;
    }
    if (min_flat) {
        min_bytes = bits_varint_size(bits_zigzag(min));
    }
    if (zig_flat) {
        zig_bytes = 0;
    }
    zig_bytes += start_bytes;
    min_bytes += start_bytes;
    if (min_bytes < best->bytes) {
        *best = (struct form){order, false, min_flat, (uint64_t)min, min_bytes};
    }
    if (zig_bytes < best->bytes) {
        *best = (struct form){order, true, zig_flat, 0, zig_bytes};
    }
}

static void put_groups(const struct form *f, uint64_t *r, size_t n, struct buf *dst)
{
    for (size_t i = 0; i < n; i++) {
        r[i] = f->zigzag ? bits_zigzag((int64_t)r[i]) : r[i] - f->min;
    }
    for (size_t g = 0; g < n; g += GROUP) {
        size_t k = n - g < GROUP ? n - g : GROUP;
        uint64_t all = 0;
        unsigned width;
        size_t bytes;
        char *p;

        for (size_t i = g; i < g + k; i++) {
            all |= r[i];
        }
        width = bits_width(all);
        bytes = bits_packed_size(k, width);
        p = buf_reserve(dst, 1 + bytes);
        if (p == NULL) {
            return;
        }
        p[0] = (char)width;
        bits_pack_u64(r + g, k, width, (uint8_t *)p + 1);
        dst->n += 1 + bytes;
    }
}

void chunk_ints_encode(const int64_t *v, size_t n, uint64_t *tmp, struct buf *dst)
{
    struct form best = {.bytes = SIZE_MAX};
    unsigned orders = n > 2 ? 3 : (unsigned)n; /* order k needs k values to start from */
    uint64_t *r = tmp;
    size_t start = 0; /* bytes of the starting values */

    for (unsigned order = 0; order < orders; order++) {
        start += order == 1 ? bits_varint_size(bits_zigzag(v[0]))
                 : order == 2
                     ? bits_varint_size(bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0])))
                     : 0;
        weigh(tmp + order * n, residuals(v, n, order, tmp + order * n), order, start, &best);
    }
    buf_add_byte(
        dst, (char)(best.order | (best.zigzag ? MODE_ZIGZAG : 0u) | (best.flat ? MODE_FLAT : 0u)));
    if (best.order >= 1) {
        bits_add_varint(dst, bits_zigzag(v[0]));
    }
    if (best.order == 2) {
        bits_add_varint(dst, bits_zigzag((int64_t)((uint64_t)v[1] - (uint64_t)v[0])));
    }
    if (!best.zigzag) {
        bits_add_varint(dst, bits_zigzag((int64_t)best.min));
    }
    r = tmp + best.order * n;
    if (!best.flat) {
        put_groups(&best, r, n - best.order, dst);
    }
}

static int get_groups(struct bits_reader *in, bool zigzag, uint64_t min, int64_t *v, size_t n)
{
    uint64_t r[GROUP];

    for (size_t g = 0; g < n; g += GROUP) {
        size_t k = n - g < GROUP ? n - g : GROUP;
        unsigned width = bits_read_u8(in);
        size_t avail = (size_t)(in->end - in->p);
        const uint8_t *p;

        if (width > 64) {
            return -ERR_CORRUPT;
        }
        p = bits_read_bytes(in, bits_packed_size(k, width));
        if (p == NULL) {
            return -ERR_CORRUPT;
        }
        bits_unpack_u64(p, avail, k, width, r);
        if (zigzag) {
            for (size_t i = 0; i < k; i++) {
                v[g + i] = bits_unzigzag(r[i]);
            }
        } else {
            for (size_t i = 0; i < k; i++) {
                v[g + i] = (int64_t)(r[i] + min);
            }
        }
    }
    return 0;
}

int chunk_ints_decode(struct bits_reader *in, int64_t *v, size_t n)
{
    unsigned mode = bits_read_u8(in);
    unsigned order = mode & ORDER_MASK;
    uint64_t first = order >= 1 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;
    uint64_t delta = order == 2 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;
    uint64_t min = (mode & MODE_ZIGZAG) == 0 ? (uint64_t)bits_unzigzag(bits_read_varint(in)) : 0;

    if (in->bad || mode > MODE_ALL || order > 2 || order > n) {
        return -ERR_CORRUPT;
    }
    if ((mode & MODE_FLAT) != 0) {
        for (size_t i = order; i < n; i++) {
            v[i] = (int64_t)min;
        }
    } else if (get_groups(in, (mode & MODE_ZIGZAG) != 0, min, v + order, n - order) < 0) {
        return -ERR_CORRUPT;
    }
    if (order == 2) { /* second differences to first ones */
        v[1] = (int64_t)delta;
        for (size_t i = 2; i < n; i++) {
            delta += (uint64_t)v[i];
            v[i] = (int64_t)delta;
        }
    }
    if (order >= 1) {
        v[0] = (int64_t)first;
        for (size_t i = 1; i < n; i++) {
            first += (uint64_t)v[i];
            v[i] = (int64_t)first;
        }
    }
    return 0;
}
