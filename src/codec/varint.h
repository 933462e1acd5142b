/* SPDX-License-Identifier: Apache-2.0
 *
 * Base-128 varints and zigzag (Protocol Buffers encoding): least significant group first, at most ten
 * bytes. Encodings longer than needed are read, never written.
 */
#ifndef CODEC_VARINT_H
#define CODEC_VARINT_H

#include <stdint.h>

#include "base/compiler.h"

enum { VARINT_MAX = 10 };

/** Write v to dst (room for VARINT_MAX bytes). @return bytes written */
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

/** Slow path of varint_get(): more than one byte. */
NODISCARD static inline int varint_get_long(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    int max = end - p < VARINT_MAX ? (int)(end - p) : VARINT_MAX;
    uint64_t v = 0;

    for (int i = 0; i < max; i++) {
        uint64_t b = p[i];

        v |= (b & 0x7f) << (7 * i);
        if (b < 0x80) {
            if (i == VARINT_MAX - 1 && b > 1) {
                return -1;
            }
            *ret = v;
            return i + 1;
        }
    }
    return max == VARINT_MAX ? -1 : 0;
}

/** Read from [p, end). @return bytes read; 0 when the input ends early; -1 beyond ten bytes or 64 bits. */
NODISCARD static inline int varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
    if (LIKELY(p < end && *p < 0x80)) {
        *ret = *p;
        return 1;
    }
    return varint_get_long(p, end, ret);
}

static inline uint64_t zigzag_encode(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t zigzag_decode(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
