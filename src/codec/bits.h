/* SPDX-License-Identifier: Apache-2.0
 *
 * Varints and bit packing for on-disk forms: little endian, least significant bit first. Readers carry
 * their end and never pass it; a read beyond it sets `bad` and gives zeros.
 */
#ifndef CODEC_BITS_H
#define CODEC_BITS_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static inline uint64_t bits_zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t bits_unzigzag(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (0 - (v & 1)));
}

/** Bits needed for v; 0 for 0. */
static inline unsigned bits_width(uint64_t v)
{
    return v == 0 ? 0 : 64 - (unsigned)__builtin_clzll(v);
}

enum { BITS_VARINT_MAX = 10 };

/** LEB128 at dst (room for BITS_VARINT_MAX). @return bytes written */
static inline size_t bits_put_varint(uint8_t *dst, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        dst[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    dst[n++] = (uint8_t)v;
    return n;
}

static inline size_t bits_varint_size(uint64_t v)
{
    return v == 0 ? 1 : (bits_width(v) + 6) / 7;
}

void bits_add_varint(struct buf *dst, uint64_t v);
void bits_add_u32(struct buf *dst, uint32_t v);
void bits_add_u64(struct buf *dst, uint64_t v);

static inline uint32_t bits_get_u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v; /* the project runs on little-endian machines only */
}

static inline uint64_t bits_get_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/** A cursor over bytes. */
struct bits_reader {
    const uint8_t *p;
    const uint8_t *end;
    bool bad; /* something was read beyond the end or was malformed */
};

static inline struct bits_reader bits_reader_of(const void *p, size_t n)
{
    const uint8_t *begin = p;

    return (struct bits_reader){begin, n != 0 ? begin + n : begin,
                                false}; /* p may be NULL when n is 0 */
}

uint64_t bits_read_varint_slow(struct bits_reader *r);

static inline uint64_t bits_read_varint(struct bits_reader *r)
{
    if (LIKELY(r->p < r->end && *r->p < 0x80)) {
        return *r->p++;
    }
    return bits_read_varint_slow(r);
}

/** n bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *bits_read_bytes(struct bits_reader *r, size_t n)
{
    const uint8_t *p = r->p;

    if (UNLIKELY((size_t)(r->end - r->p) < n)) {
        r->bad = true;
        r->p = r->end;
        return NULL;
    }
    r->p += n;
    return p;
}

static inline uint8_t bits_read_u8(struct bits_reader *r)
{
    const uint8_t *p = bits_read_bytes(r, 1);

    return p != NULL ? *p : 0;
}

static inline uint32_t bits_read_u32(struct bits_reader *r)
{
    const uint8_t *p = bits_read_bytes(r, 4);

    return p != NULL ? bits_get_u32(p) : 0;
}

static inline uint64_t bits_read_u64(struct bits_reader *r)
{
    const uint8_t *p = bits_read_bytes(r, 8);

    return p != NULL ? bits_get_u64(p) : 0;
}

static inline struct str bits_read_str(struct bits_reader *r)
{
    uint64_t n = bits_read_varint(r);
    const uint8_t *p = r->p;

    if (n > (uint64_t)(r->end - p)) {
        r->bad = true;
        return str_of(NULL, 0);
    }
    r->p = p + n;
    return str_of((const char *)p, (size_t)n);
}

/** Bytes n values of `width` bits take. */
static inline size_t bits_packed_size(size_t n, unsigned width)
{
    return (n * width + 7) / 8;
}

/** Pack n values, each below 2^width, width 0..64; dst has bits_packed_size() bytes. */
void bits_pack_u64(const uint64_t *v, size_t n, unsigned width, uint8_t *dst);
/** The reverse; `src` has at least bits_packed_size() bytes, `avail` in total from src on may be read. */
void bits_unpack_u64(const uint8_t *src, size_t avail, size_t n, unsigned width, uint64_t *dst);

#endif
