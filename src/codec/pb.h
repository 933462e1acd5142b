/* SPDX-License-Identifier: Apache-2.0
 *
 * Protocol Buffers wire format: a pull reader that hands out one field at a time without copying, and a
 * small writer. It knows no schema: a decoder switches on PB_TAG(number, wire type), so that a known
 * number with another wire type falls to "unknown" and is skipped, as the reference parsers do.
 * Invariant: base <= p <= end; error texts name the byte offset from the outermost message's start.
 * Source: protobuf.dev/programming-guides/encoding.
 */
#ifndef CODEC_PB_H
#define CODEC_PB_H

#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "codec/varint.h"

struct err;

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_LEN = 2, PB_FIXED32 = 5 };

#define PB_TAG(num, wire) ((uint32_t)(num) << 3 | (uint32_t)(wire))

/** A message being read; borrows the bytes. */
struct pb {
    const uint8_t *p;
    const uint8_t *end;
    const uint8_t *base; /* of the outermost message, for offsets */
};

struct pb_field {
    uint32_t tag;  /* PB_TAG(number, wire type) */
    uint64_t u;    /* VARINT, FIXED64, FIXED32 */
    struct str s;  /* LEN: borrowed */
    const char *p; /* first byte of the tag */
};

static inline struct pb pb_init(struct str msg)
{
    const uint8_t *p = msg.n != 0 ? (const uint8_t *)msg.p : (const uint8_t *)"";

    return (struct pb){p, p + msg.n, p};
}

/** The message in a LEN field of `outer`. */
static inline struct pb pb_sub(const struct pb *outer, struct str msg)
{
    const uint8_t *p = (const uint8_t *)msg.p;

    return (struct pb){p, p + msg.n, outer->base};
}

/** Slow path of pb_next(): any tag and varint length, and all errors. */
NODISCARD int pb_next_slow(struct pb *r, struct pb_field *ret, struct err *reterr);

/**
 * Read the next field.
 * @return 1; 0 at the end of the message; -ERR_TRUNCATED when the message ends inside the field,
 *         -ERR_INVALID for field number 0, groups, reserved wire types, varints beyond 64 bits
 */
NODISCARD static inline int pb_next(struct pb *r, struct pb_field *ret, struct err *reterr)
{
    const uint8_t *p = r->p;

    if (p == r->end) {
        return 0;
    }
    /* Nearly every field: one-byte tag, length of one byte. */
    if (LIKELY(r->end - p >= 2 && p[0] >= 8 && p[0] < 0x80 && (p[0] & 7) == PB_LEN && p[1] < 0x80 &&
               r->end - p - 2 >= p[1])) {
        ret->tag = p[0];
        ret->s = str_of((const char *)p + 2, p[1]);
        ret->p = (const char *)p;
        r->p = p + 2 + p[1];
        return 1;
    }
    if (LIKELY(r->end - p >= 9 && p[0] >= 8 && p[0] < 0x80 && (p[0] & 7) == PB_FIXED64)) {
        ret->tag = p[0];
        memcpy(&ret->u, p + 1, 8);
        ret->p = (const char *)p;
        r->p = p + 9;
        return 1;
    }
    return pb_next_slow(r, ret, reterr);
}

static inline double pb_f64(uint64_t u)
{
    double v;

    memcpy(&v, &u, sizeof(v));
    return v;
}

/** Packed repeated varints: like pb_next() with tag 0 and only `u` set. */
NODISCARD int pb_next_packed_varint(struct pb *r, uint64_t *ret, struct err *reterr);
/** Number of elements in a packed run of fixed64; -ERR_INVALID when the bytes are no multiple of 8. */
NODISCARD int64_t pb_packed_fixed64_count(const struct pb *outer, struct str s, struct err *reterr);

static inline uint64_t pb_packed_fixed64_at(struct str s, size_t i)
{
    uint64_t u;

    memcpy(&u, s.p + 8 * i, sizeof(u));
    return u;
}

/* Writer. Nothing is written for default values unless said; buf_status() tells of failure. */
void pb_put_varint(struct buf *dst, uint32_t num, uint64_t v);
void pb_put_fixed64(struct buf *dst, uint32_t num, uint64_t v);
void pb_put_fixed32(struct buf *dst, uint32_t num, uint32_t v);
void pb_put_f64(struct buf *dst, uint32_t num, double v);
void pb_put_str(struct buf *dst, uint32_t num, struct str s);
/**
 * Begin a nested message; what is written until pb_end() is its content. The length takes four bytes
 * whatever its value (legal, a little long), so that nothing is moved.
 * @return where it begins, for pb_end()
 */
size_t pb_begin(struct buf *dst, uint32_t num);
/** A message of 2^28 bytes or more marks the buffer as failed. */
void pb_end(struct buf *dst, size_t begin);

#endif
