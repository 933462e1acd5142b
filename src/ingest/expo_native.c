/* SPDX-License-Identifier: Apache-2.0
 *
 * The native form of a protobuf histogram: spans of buckets whose counts are differences (integers) or
 * absolute (floats). Built for one sample, checked by model/histogram.h, handed on as an arena copy.
 */
#include "ingest/expo_native.h"

#include "base/vec.h"
#include "model/histogram.h"

/* One sign, as it is gathered; owned. */
struct side {
    VEC(struct native_span) spans;
    VEC(int64_t) deltas;
    VEC(double) counts;
};

struct reader {
    struct native_histogram h;
    struct side positive;
    struct side negative;
    bool float_count;
    bool float_zero;
    bool seen; /* anything of the native form */
};

static void side_done(struct side *s)
{
    vec_done(&s->spans);
    vec_done(&s->deltas);
    vec_done(&s->counts);
}

static void reader_done(struct reader *r)
{
    side_done(&r->positive);
    side_done(&r->negative);
    native_done(&r->h);
}

/* BucketSpan: offset = 1 (sint32), length = 2. */
static int read_span(struct pb msg, struct side *s, struct err *reterr)
{
    struct native_span span = {0, 0};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            span.offset = (int32_t)zigzag_decode(f.u);
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            span.length = (uint32_t)f.u;
        }
    }
    if (rc < 0) {
        return rc;
    }
    if (s->spans.n >= NATIVE_BUCKETS_MAX || !vec_push(&s->spans, span)) {
        return err_set(reterr, ERR_LIMIT, "too many buckets in a native histogram");
    }
    return 0;
}

static int add_delta(struct side *s, uint64_t u, struct err *reterr)
{
    if (s->deltas.n >= NATIVE_BUCKETS_MAX || !vec_push(&s->deltas, zigzag_decode(u))) {
        return err_set(reterr, ERR_LIMIT, "too many buckets in a native histogram");
    }
    return 0;
}

static int add_count(struct side *s, uint64_t u, struct err *reterr)
{
    if (s->counts.n >= NATIVE_BUCKETS_MAX || !vec_push(&s->counts, pb_f64(u))) {
        return err_set(reterr, ERR_LIMIT, "too many buckets in a native histogram");
    }
    return 0;
}

static int packed_deltas(struct side *s, struct str bytes, struct err *reterr)
{
    const uint8_t *p = (const uint8_t *)bytes.p;
    const uint8_t *end = p + bytes.n;

    while (p < end) {
        uint64_t u;
        int len = varint_get(p, end, &u);
        int rc = len <= 0 ? err_set(reterr, ERR_TRUNCATED, "bucket counts end early")
                          : add_delta(s, u, reterr);

        if (rc < 0) {
            return rc;
        }
        p += len;
    }
    return 0;
}

static int packed_counts(struct side *s, struct str bytes, struct err *reterr)
{
    if (bytes.n % 8 != 0) {
        return err_set(reterr, ERR_TRUNCATED, "bucket counts end early");
    }
    for (size_t i = 0; i < bytes.n / 8; i++) {
        int rc = add_count(s, pb_packed_fixed64_at(bytes, i), reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* Span, deltas and counts of one sign are the fields num, num + 1, num + 2. */
static int side_field(struct side *s, const struct pb *msg, const struct pb_field *f, uint32_t num,
                      struct err *reterr)
{
    if (f->tag == PB_TAG(num, PB_LEN)) {
        return read_span(pb_sub(msg, f->s), s, reterr);
    }
    if (f->tag == PB_TAG(num + 1, PB_VARINT)) {
        return add_delta(s, f->u, reterr);
    }
    if (f->tag == PB_TAG(num + 1, PB_LEN)) {
        return packed_deltas(s, f->s, reterr);
    }
    if (f->tag == PB_TAG(num + 2, PB_FIXED64)) {
        return add_count(s, f->u, reterr);
    }
    return f->tag == PB_TAG(num + 2, PB_LEN) ? packed_counts(s, f->s, reterr) : 0;
}

static int read_field(struct reader *r, const struct pb *msg, const struct pb_field *f,
                      struct err *reterr)
{
    uint32_t num = f->tag >> 3;

    switch (f->tag) {
    case PB_TAG(1, PB_VARINT):
        r->h.count = r->float_count ? r->h.count : (double)f->u;
        return 0;
    case PB_TAG(4, PB_FIXED64):
        r->float_count |= pb_f64(f->u) > 0;
        r->h.count = r->float_count ? pb_f64(f->u) : r->h.count;
        return 0;
    case PB_TAG(2, PB_FIXED64):
        r->h.sum = pb_f64(f->u);
        return 0;
    case PB_TAG(5, PB_VARINT):
        r->h.schema = (int32_t)zigzag_decode(f->u);
        return 0;
    case PB_TAG(6, PB_FIXED64):
        r->h.zero_threshold = pb_f64(f->u);
        r->seen |= r->h.zero_threshold > 0;
        return 0;
    case PB_TAG(7, PB_VARINT):
        r->h.zero_count = r->float_zero ? r->h.zero_count : (double)f->u;
        r->seen |= f->u != 0;
        return 0;
    case PB_TAG(8, PB_FIXED64):
        r->float_zero |= pb_f64(f->u) > 0;
        r->h.zero_count = r->float_zero ? pb_f64(f->u) : r->h.zero_count;
        r->seen |= r->float_zero;
        return 0;
    default:
        break;
    }
    r->seen |= f->tag == PB_TAG(9, PB_LEN) || f->tag == PB_TAG(12, PB_LEN);
    if (num >= 9 && num <= 11) {
        return side_field(&r->negative, msg, f, 9, reterr);
    }
    return num >= 12 && num <= 14 ? side_field(&r->positive, msg, f, 12, reterr) : 0;
}

static int fill_side(struct reader *r, bool negative, struct err *reterr)
{
    const struct side *s = negative ? &r->negative : &r->positive;
    const struct native_side side = {
        .spans = s->spans.v,
        .spans_n = s->spans.n,
        .counts = r->float_count ? s->counts.v : NULL,
        .deltas = r->float_count ? NULL : s->deltas.v,
        .counts_n = r->float_count ? s->counts.n : s->deltas.n,
    };

    return native_from_spans(&r->h, negative, &side, reterr);
}

static int build(struct reader *r, bool gauge, struct arena *a, const struct native_histogram **ret,
                 struct err *reterr)
{
    int rc;

    if (r->h.schema < NATIVE_SCHEMA_MIN || r->h.schema > NATIVE_SCHEMA_MAX) {
        return err_set(reterr, ERR_INVALID, "a native histogram with schema %d", (int)r->h.schema);
    }
    r->h.hint = gauge ? NATIVE_GAUGE : NATIVE_UNKNOWN;
    rc = fill_side(r, false, reterr);
    rc = rc < 0 ? rc : fill_side(r, true, reterr);
    rc = rc < 0 ? rc : native_validate(&r->h, !r->float_count, reterr);
    if (rc < 0) {
        return rc;
    }
    native_compact(&r->h);
    *ret = native_dup(&r->h, a);
    return *ret == NULL ? err_set(reterr, ERR_NOMEM, "no memory for a native histogram") : 0;
}

int expo_native_read(struct pb msg, bool gauge, struct arena *a,
                     const struct native_histogram **ret, bool *ret_is_native, struct err *reterr)
{
    struct reader r CLEANUP(reader_done) = {.seen = false};
    struct pb rest = msg;
    struct pb_field f;
    int rc;

    *ret = NULL;
    *ret_is_native = false;
    while ((rc = pb_next(&rest, &f, reterr)) > 0) {
        rc = read_field(&r, &rest, &f, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    if (rc < 0 || !r.seen) {
        return rc;
    }
    *ret_is_native = true;
    return build(&r, gauge, a, ret, reterr);
}
