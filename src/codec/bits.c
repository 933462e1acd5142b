/* SPDX-License-Identifier: Apache-2.0
 *
 * Slow paths of varints, and bit packing.
 */
#include "codec/bits.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "on-disk forms are read in place");

void bits_add_varint(struct buf *dst, uint64_t v)
{
    uint8_t tmp[BITS_VARINT_MAX];

    buf_add(dst, tmp, bits_put_varint(tmp, v));
}

void bits_add_u32(struct buf *dst, uint32_t v)
{
    buf_add(dst, &v, sizeof(v));
}

void bits_add_u64(struct buf *dst, uint64_t v)
{
    buf_add(dst, &v, sizeof(v));
}

uint64_t bits_read_varint_slow(struct bits_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 70 && r->p < r->end; shift += 7) {
        uint8_t b = *r->p++;

        if (shift == 63 && b > 1) {
            break; /* more than 64 bits */
        }
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            return v;
        }
    }
    r->bad = true;
    r->p = r->end;
    return 0;
}

void bits_pack_u64(const uint64_t *v, size_t n, unsigned width, uint8_t *dst)
{
    unsigned __int128 acc = 0;
    unsigned held = 0; /* bits in acc, below 64 at the loop's start */

    if (width == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        acc |= (unsigned __int128)v[i] << held;
        held += width;
        if (held >= 64) {
            uint64_t word = (uint64_t)acc;

            memcpy(dst, &word, sizeof(word));
            dst += sizeof(word);
            acc >>= 64;
            held -= 64;
        }
    }
    for (; held > 0; held = held > 8 ? held - 8 : 0) {
        *dst++ = (uint8_t)acc;
        acc >>= 8;
    }
}

enum { BLOCK = 32, BLOCK_WIDTH_MAX = 20 };

/* Everything but the addresses is a constant: three instructions a value. */
#define UNPACK_BLOCK(w)                                                                           \
    case w:                                                                                       \
        _Pragma("GCC unroll 32") for (size_t i = 0; i < BLOCK; i++)                               \
        {                                                                                         \
            dst[i] = bits_get_u64(src + i * (w) / 8) >> (i * (w)&7) & (((uint64_t)1 << (w)) - 1); \
        }                                                                                         \
        break

/** 32 values of 1..BLOCK_WIDTH_MAX bits; 4 * width + 8 bytes may be read. */
static void unpack_block(const uint8_t *src, unsigned width, uint64_t *dst)
{
    switch (width) {
        UNPACK_BLOCK(1);
        UNPACK_BLOCK(2);
        UNPACK_BLOCK(3);
        UNPACK_BLOCK(4);
        UNPACK_BLOCK(5);
        UNPACK_BLOCK(6);
        UNPACK_BLOCK(7);
        UNPACK_BLOCK(8);
        UNPACK_BLOCK(9);
        UNPACK_BLOCK(10);
        UNPACK_BLOCK(11);
        UNPACK_BLOCK(12);
        UNPACK_BLOCK(13);
        UNPACK_BLOCK(14);
        UNPACK_BLOCK(15);
        UNPACK_BLOCK(16);
        UNPACK_BLOCK(17);
        UNPACK_BLOCK(18);
        UNPACK_BLOCK(19);
    default:
        UNPACK_BLOCK(20);
    }
}

void bits_unpack_u64(const uint8_t *src, size_t avail, size_t n, unsigned width, uint64_t *dst)
{
    const uint64_t mask = width == 64 ? UINT64_MAX : ((uint64_t)1 << width) - 1;
    size_t fast = 0;

    if (width == 0) {
        memset(dst, 0, n * sizeof(*dst));
        return;
    }
    if (width <= BLOCK_WIDTH_MAX) {
        const size_t bytes = (size_t)width * BLOCK / 8;

        for (; n >= BLOCK && avail >= bytes + 8; n -= BLOCK) {
            unpack_block(src, width, dst);
            src += bytes;
            avail -= bytes;
            dst += BLOCK;
        }
    }
    if (width <= 57 && avail >= 8) { /* one unaligned load holds a value */
        size_t last = (avail - 8) * 8 / width + 1;

        fast = last < n ? last : n;
        for (size_t i = 0; i < fast; i++) {
            size_t bit = i * width;

            dst[i] = bits_get_u64(src + bit / 8) >> (bit & 7) & mask;
        }
    }
    for (size_t i = fast; i < n; i++) {
        size_t bit = i * width;
        unsigned __int128 x = 0;
        size_t bytes = ((bit & 7) + width + 7) / 8;

        memcpy(&x, src + bit / 8, bytes);
        dst[i] = (uint64_t)(x >> (bit & 7)) & mask;
    }
}
