/* SPDX-License-Identifier: Apache-2.0
 *
 * The uncommon half of the wire reader, with its errors, and the writer; see pb.h.
 */
#include "codec/pb.h"

#include "base/err.h"

static int fail_truncated(const struct pb *r, const uint8_t *at, const char *what,
                          struct err *reterr)
{
    return err_set(reterr, ERR_TRUNCATED, "protobuf: message ends inside %s at byte %td", what,
                   at - r->base);
}

static int fail_varint(const struct pb *r, const uint8_t *at, int n, struct err *reterr)
{
    if (n == 0) {
        return fail_truncated(r, at, "a varint", reterr);
    }
    return err_set(reterr, ERR_INVALID, "protobuf: varint of more than 64 bits at byte %td",
                   at - r->base);
}

static int next_value(struct pb *r, const uint8_t *p, struct pb_field *f, struct err *reterr)
{
    uint32_t u32;
    uint64_t n;
    int used;

    switch (f->tag & 7) {
    case PB_VARINT:
        used = varint_get(p, r->end, &f->u);
        if (used <= 0) {
            return fail_varint(r, p, used, reterr);
        }
        r->p = p + used;
        return 1;
    case PB_FIXED64:
        if (r->end - p < 8) {
            return fail_truncated(r, p, "a 64-bit value", reterr);
        }
        memcpy(&f->u, p, 8);
        r->p = p + 8;
        return 1;
    case PB_FIXED32:
        if (r->end - p < 4) {
            return fail_truncated(r, p, "a 32-bit value", reterr);
        }
        memcpy(&u32, p, 4);
        f->u = u32;
        r->p = p + 4;
        return 1;
    case PB_LEN:
        used = varint_get(p, r->end, &n);
        if (used <= 0) {
            return fail_varint(r, p, used, reterr);
        }
        if (n > (uint64_t)(r->end - p - used)) {
            return err_set(reterr, ERR_TRUNCATED,
                           "protobuf: field %u at byte %td announces %llu bytes, %td are left",
                           f->tag >> 3, p - r->base, (unsigned long long)n, r->end - p - used);
        }
        f->s = str_of((const char *)p + used, (size_t)n);
        r->p = p + used + n;
        return 1;
    default:
        return err_set(reterr, ERR_INVALID, "protobuf: unsupported wire type %u at byte %td",
                       f->tag & 7, (const uint8_t *)f->p - r->base);
    }
}

int pb_next_slow(struct pb *r, struct pb_field *ret, struct err *reterr)
{
    uint64_t tag = 0;
    int used = varint_get(r->p, r->end, &tag);

    if (used <= 0) {
        return fail_varint(r, r->p, used, reterr);
    }
    if (tag > UINT32_MAX || tag < 8) {
        return err_set(reterr, ERR_INVALID, "protobuf: field number %llu at byte %td",
                       (unsigned long long)(tag >> 3), r->p - r->base);
    }
    ret->tag = (uint32_t)tag;
    ret->p = (const char *)r->p;
    return next_value(r, r->p + used, ret, reterr);
}

int pb_next_packed_varint(struct pb *r, uint64_t *ret, struct err *reterr)
{
    int used;

    if (r->p == r->end) {
        return 0;
    }
    used = varint_get(r->p, r->end, ret);
    if (used <= 0) {
        return fail_varint(r, r->p, used, reterr);
    }
    r->p += used;
    return 1;
}

int64_t pb_packed_fixed64_count(const struct pb *outer, struct str s, struct err *reterr)
{
    if (s.n % 8 != 0) {
        return err_set(reterr, ERR_INVALID,
                       "protobuf: packed 64-bit values of %zu bytes at byte %td", s.n,
                       (const uint8_t *)s.p - outer->base);
    }
    return (int64_t)(s.n / 8);
}

static void put_raw_varint(struct buf *dst, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];

    buf_add(dst, bytes, varint_put(bytes, v));
}

void pb_put_varint(struct buf *dst, uint32_t num, uint64_t v)
{
    put_raw_varint(dst, PB_TAG(num, PB_VARINT));
    put_raw_varint(dst, v);
}

void pb_put_fixed64(struct buf *dst, uint32_t num, uint64_t v)
{
    put_raw_varint(dst, PB_TAG(num, PB_FIXED64));
    buf_add(dst, &v, sizeof(v));
}

void pb_put_fixed32(struct buf *dst, uint32_t num, uint32_t v)
{
    put_raw_varint(dst, PB_TAG(num, PB_FIXED32));
    buf_add(dst, &v, sizeof(v));
}

void pb_put_f64(struct buf *dst, uint32_t num, double v)
{
    uint64_t u;

    memcpy(&u, &v, sizeof(u));
    pb_put_fixed64(dst, num, u);
}

void pb_put_str(struct buf *dst, uint32_t num, struct str s)
{
    put_raw_varint(dst, PB_TAG(num, PB_LEN));
    put_raw_varint(dst, s.n);
    buf_add_str(dst, s);
}

enum { LENGTH_BYTES = 4 };

size_t pb_begin(struct buf *dst, uint32_t num)
{
    put_raw_varint(dst, PB_TAG(num, PB_LEN));
    buf_add(dst, "\x80\x80\x80\x00", LENGTH_BYTES);
    return dst->n;
}

void pb_end(struct buf *dst, size_t begin)
{
    size_t n;

    if (dst->failed) {
        return;
    }
    n = dst->n - begin;
    if (n >= (size_t)1 << (7 * LENGTH_BYTES)) {
        dst->failed = true;
        return;
    }
    for (size_t i = 0; i < LENGTH_BYTES; i++) {
        uint8_t more = i + 1 < LENGTH_BYTES ? 0x80 : 0;

        dst->data[begin - LENGTH_BYTES + i] = (char)((n >> (7 * i) & 0x7f) | more);
    }
}
