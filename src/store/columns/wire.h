/* SPDX-License-Identifier: Apache-2.0
 *
 * Bounds-checked reading and writing of varints, fixed integers and length-prefixed bytes: the alphabet of
 * every format of this folder. A reader that ran over its end sets `bad` and yields zeros from then on.
 */
#ifndef STORE_COLUMNS_WIRE_H
#define STORE_COLUMNS_WIRE_H

#include <string.h>

#include "base/buf.h"

struct rd {
    const uint8_t *p;
    const uint8_t *end;
    bool bad;
};

static inline struct rd rd_of(struct str s)
{
    const uint8_t *p = (const uint8_t *)s.p;

    return (struct rd){.p = p, .end = s.n != 0 ? p + s.n : p};
}

static inline size_t rd_left(const struct rd *r)
{
    return r->p != NULL ? (size_t)(r->end - r->p) : 0;
}

static inline uint64_t rd_bad(struct rd *r)
{
    r->bad = true;
    r->p = r->end;
    return 0;
}

static inline uint8_t rd_u8(struct rd *r)
{
    return LIKELY(rd_left(r) != 0) ? *r->p++ : (uint8_t)rd_bad(r);
}

static inline uint64_t rd_varint(struct rd *r)
{
    uint64_t v = 0;

    if (LIKELY(rd_left(r) != 0 && *r->p < 0x80)) {
        return *r->p++;
    }
    for (unsigned shift = 0; shift < 64 && rd_left(r) != 0; shift += 7) {
        uint8_t b = *r->p++;

        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            return v;
        }
    }
    return rd_bad(r);
}

static inline int64_t zigzag_decode(uint64_t v)
{
    return (int64_t)((v >> 1) ^ (~(v & 1) + 1));
}

static inline uint64_t zigzag_encode(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t rd_zigzag(struct rd *r)
{
    return zigzag_decode(rd_varint(r));
}

/** A count of things that take at least `min_size` bytes each: more than can follow is corrupt. */
static inline size_t rd_count(struct rd *r, size_t min_size)
{
    uint64_t n = rd_varint(r);

    return LIKELY(n <= rd_left(r) / min_size) ? (size_t)n : (size_t)rd_bad(r);
}

static inline uint32_t rd_u32_varint(struct rd *r)
{
    uint64_t v = rd_varint(r);

    return LIKELY(v <= UINT32_MAX) ? (uint32_t)v : (uint32_t)rd_bad(r);
}

static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
    const uint8_t *p = r->p;

    if (UNLIKELY(n > rd_left(r))) {
        rd_bad(r);
        return NULL;
    }
    r->p = n != 0 ? p + n : p; /* p may be NULL */
    return p;
}

static inline void rd_copy(struct rd *r, void *dst, size_t n)
{
    const uint8_t *p = rd_bytes(r, n);

    if (LIKELY(p != NULL)) {
        memcpy(dst, p, n);
    } else {
        memset(dst, 0, n);
    }
}

static inline uint32_t rd_fixed32(struct rd *r)
{
    uint32_t v;

    rd_copy(r, &v, sizeof(v)); /* the formats are little-endian, and so are all our machines */
    return v;
}

static inline uint64_t rd_fixed64(struct rd *r)
{
    uint64_t v;

    rd_copy(r, &v, sizeof(v));
    return v;
}

static inline struct str rd_str(struct rd *r)
{
    size_t n = rd_count(r, 1);
    const uint8_t *p = rd_bytes(r, n);

    return p != NULL ? str_of((const char *)p, n) : str_of(NULL, 0);
}

static inline size_t varint_put(uint8_t *dst, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        dst[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    dst[n++] = (uint8_t)v;
    return n;
}

static inline void wr_varint(struct buf *b, uint64_t v)
{
    char *p = buf_reserve(b, 10);

    if (LIKELY(p != NULL)) {
        b->n += varint_put((uint8_t *)p, v);
    }
}

static inline void wr_zigzag(struct buf *b, int64_t v)
{
    wr_varint(b, zigzag_encode(v));
}

static inline void wr_fixed32(struct buf *b, uint32_t v)
{
    buf_add(b, &v, sizeof(v));
}

static inline void wr_fixed64(struct buf *b, uint64_t v)
{
    buf_add(b, &v, sizeof(v));
}

static inline void wr_str(struct buf *b, struct str s)
{
    char *p = buf_reserve(b, s.n + 10);

    if (LIKELY(p != NULL)) {
        size_t n = varint_put((uint8_t *)p, s.n);

        if (s.n != 0) {
            memcpy(p + n, s.p, s.n);
        }
        b->n += n + s.n;
    }
}

#endif
