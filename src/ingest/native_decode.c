/* SPDX-License-Identifier: Apache-2.0
 *
 * Repeated numbers come packed or one by one; integer and float histograms use fields of their own.
 */
#include "ingest/native_decode.h"

#include "base/err.h"

enum field {
    F_NONE,
    F_COUNT,
    F_COUNT_FLOAT,
    F_SUM,
    F_SCHEMA,
    F_THRESHOLD,
    F_ZERO,
    F_ZERO_FLOAT,
    F_SPANS, /* negative; the next one up is positive, and so below */
    F_SPANS_POSITIVE,
    F_DELTAS,
    F_DELTAS_POSITIVE,
    F_COUNTS,
    F_COUNTS_POSITIVE,
    F_HINT,
    F_TIME,
    F_BOUNDS,
};

enum { FIELDS_N = 17 };

static const uint8_t FIELDS[][FIELDS_N] = {
    [NATIVE_WRITE] = {F_NONE, F_COUNT, F_COUNT_FLOAT, F_SUM, F_SCHEMA, F_THRESHOLD, F_ZERO,
                      F_ZERO_FLOAT, F_SPANS, F_DELTAS, F_COUNTS, F_SPANS_POSITIVE,
                      F_DELTAS_POSITIVE, F_COUNTS_POSITIVE, F_HINT, F_TIME, F_BOUNDS},
    [NATIVE_EXPOSITION] = {F_NONE, F_COUNT, F_SUM, F_NONE, F_COUNT_FLOAT, F_SCHEMA, F_THRESHOLD,
                           F_ZERO, F_ZERO_FLOAT, F_SPANS, F_DELTAS, F_COUNTS, F_SPANS_POSITIVE,
                           F_DELTAS_POSITIVE, F_COUNTS_POSITIVE},
};

void native_decoder_done(struct native_decoder *d)
{
    native_done(&d->h);
    for (int i = 0; i < 2; i++) {
        vec_done(&d->side[i].spans);
        vec_done(&d->side[i].deltas);
        vec_done(&d->side[i].counts);
    }
}

static int no_room(size_t n, struct err *reterr)
{
    if (n >= NATIVE_BUCKETS_MAX) {
        return err_set(reterr, ERR_INVALID, "native histogram has more than %d buckets",
                       (int)NATIVE_BUCKETS_MAX);
    }
    return err_set(reterr, ERR_NOMEM, "no memory for a native histogram");
}

static int add_span(struct native_decoder *d, int side, struct pb msg, struct err *reterr)
{
    struct native_span span = {0, 0};
    struct pb_field f = {0};
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            span.offset = (int32_t)zigzag_decode(f.u);
        } else if (f.tag == PB_TAG(2, PB_VARINT)) {
            span.length = (uint32_t)f.u;
        }
    }
    if (rc == 0 &&
        (d->side[side].spans.n >= NATIVE_BUCKETS_MAX || !vec_push(&d->side[side].spans, span))) {
        rc = no_room(d->side[side].spans.n, reterr);
    }
    return rc;
}

static int add_delta(struct native_decoder *d, int side, uint64_t v, struct err *reterr)
{
    if (d->side[side].deltas.n >= NATIVE_BUCKETS_MAX ||
        !vec_push(&d->side[side].deltas, zigzag_decode(v))) {
        return no_room(d->side[side].deltas.n, reterr);
    }
    return 0;
}

static int add_deltas(struct native_decoder *d, int side, struct pb msg, struct err *reterr)
{
    uint64_t u;
    int rc;

    while ((rc = pb_next_packed_varint(&msg, &u, reterr)) > 0) {
        rc = add_delta(d, side, u, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static int add_count(struct native_decoder *d, int side, uint64_t u, struct err *reterr)
{
    if (d->side[side].counts.n >= NATIVE_BUCKETS_MAX ||
        !vec_push(&d->side[side].counts, pb_f64(u))) {
        return no_room(d->side[side].counts.n, reterr);
    }
    return 0;
}

static int add_bound(struct native_decoder *d, uint64_t u, struct err *reterr)
{
    return native_push_bound(&d->h, pb_f64(u)) != 0 ? no_room(d->h.bounds_n, reterr) : 0;
}

/** A packed run of doubles: counts of a side, or with side < 0 bounds. */
static int add_doubles(struct native_decoder *d, int side, const struct pb *msg, struct str s,
                       struct err *reterr)
{
    int64_t n = pb_packed_fixed64_count(msg, s, reterr);
    int rc = n < 0 ? (int)n : 0;

    for (int64_t i = 0; rc == 0 && i < n; i++) {
        uint64_t u = pb_packed_fixed64_at(s, (size_t)i);

        rc = side < 0 ? add_bound(d, u, reterr) : add_count(d, side, u, reterr);
    }
    return rc;
}

static int add_list(struct native_decoder *d, enum field what, const struct pb *msg,
                    const struct pb_field *f, struct err *reterr)
{
    int side = what == F_SPANS_POSITIVE || what == F_DELTAS_POSITIVE || what == F_COUNTS_POSITIVE;
    uint32_t wire = f->tag & 7;

    switch (what) {
    case F_SPANS:
    case F_SPANS_POSITIVE:
        return wire == PB_LEN ? add_span(d, side, pb_sub(msg, f->s), reterr) : 0;
    case F_DELTAS:
    case F_DELTAS_POSITIVE:
        return wire == PB_LEN      ? add_deltas(d, side, pb_sub(msg, f->s), reterr)
               : wire == PB_VARINT ? add_delta(d, side, f->u, reterr)
                                   : 0;
    case F_COUNTS:
    case F_COUNTS_POSITIVE:
        return wire == PB_LEN       ? add_doubles(d, side, msg, f->s, reterr)
               : wire == PB_FIXED64 ? add_count(d, side, f->u, reterr)
                                    : 0;
    case F_BOUNDS:
        return wire == PB_LEN       ? add_doubles(d, -1, msg, f->s, reterr)
               : wire == PB_FIXED64 ? add_bound(d, f->u, reterr)
                                    : 0;
    default:
        return 0;
    }
}

/** Counts as given: integers and floats come in fields of their own. Remote write has one or the other; an exposition may
 * have both, then floats above 0 are meant. */
struct given {
    bool floating;
    uint64_t count, zero;
    double count_float, zero_float;
};

static void set_varint(struct native_decoder *d, enum field what, uint64_t u, struct given *g)
{
    switch (what) {
    case F_COUNT:
        g->count = u;
        break;
    case F_ZERO:
        g->zero = u;
        d->is_native |= u != 0;
        break;
    case F_SCHEMA:
        d->h.schema = (int32_t)zigzag_decode(u);
        break;
    case F_HINT:
        d->h.hint = u <= NATIVE_GAUGE ? (uint8_t)u : NATIVE_UNKNOWN;
        break;
    case F_TIME:
        d->t_ms = (int64_t)u;
        break;
    default:
        break;
    }
}

static void set_double(struct native_decoder *d, enum field what, double v, struct given *g)
{
    switch (what) {
    case F_COUNT_FLOAT:
        g->count_float = v;
        g->floating |= d->form == NATIVE_WRITE || v > 0;
        break;
    case F_ZERO_FLOAT:
        g->zero_float = v;
        g->floating |= d->form == NATIVE_EXPOSITION && v > 0;
        d->is_native |= v > 0;
        break;
    case F_SUM:
        d->h.sum = v;
        break;
    case F_THRESHOLD:
        d->h.zero_threshold = v;
        d->is_native |= v > 0;
        break;
    default:
        break;
    }
}

static void reset(struct native_decoder *d)
{
    native_clear(&d->h);
    d->t_ms = 0;
    d->is_native = false;
    for (int i = 0; i < 2; i++) {
        vec_clear(&d->side[i].spans);
        vec_clear(&d->side[i].deltas);
        vec_clear(&d->side[i].counts);
    }
}

static int scan(struct native_decoder *d, struct pb msg, struct given *g, struct err *reterr)
{
    struct pb_field f = {0};
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        uint32_t number = f.tag >> 3;
        enum field what = number < FIELDS_N ? (enum field)FIELDS[d->form][number] : F_NONE;

        if ((what >= F_SPANS && what <= F_COUNTS_POSITIVE) || what == F_BOUNDS) {
            rc = add_list(d, what, &msg, &f, reterr);
            d->is_native |= what == F_SPANS || what == F_SPANS_POSITIVE;
        } else if ((f.tag & 7) == PB_VARINT) {
            set_varint(d, what, f.u, g);
        } else if ((f.tag & 7) == PB_FIXED64) {
            set_double(d, what, pb_f64(f.u), g);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static int fill_side(struct native_decoder *d, int i, struct err *reterr)
{
    struct native_side s = {
        .spans = d->side[i].spans.v,
        .spans_n = d->side[i].spans.n,
        .counts = d->side[i].counts.v,
        .counts_n = d->integer ? d->side[i].deltas.n : d->side[i].counts.n,
        .deltas = d->integer ? d->side[i].deltas.v : NULL,
    };

    return native_from_spans(&d->h, i == 0, &s, reterr);
}

static int build(struct native_decoder *d, const struct given *g, struct err *reterr)
{
    int rc;

    if (d->form == NATIVE_EXPOSITION &&
        (d->h.schema < NATIVE_SCHEMA_MIN || d->h.schema > NATIVE_SCHEMA_MAX)) {
        return err_set(reterr, ERR_INVALID, "a native histogram with schema %d", (int)d->h.schema);
    }
    d->integer = !g->floating;
    d->h.count = d->integer ? (double)g->count : g->count_float;
    d->h.zero_count = d->integer ? (double)g->zero : g->zero_float;
    rc = fill_side(d, 0, reterr);
    rc = rc == 0 ? fill_side(d, 1, reterr) : rc;
    rc = rc == 0 ? native_validate(&d->h, d->integer, reterr) : rc;
    if (rc == 0 && isnan(d->h.zero_threshold)) {
        rc = err_set(reterr, ERR_INVALID, "zero threshold is NaN");
    }
    native_compact(&d->h);
    return rc;
}

int native_decode(struct native_decoder *d, struct pb msg, struct err *reterr)
{
    struct given g = {0};
    int rc;

    reset(d);
    rc = scan(d, msg, &g, reterr);
    if (rc < 0 || (d->form == NATIVE_EXPOSITION && !d->is_native)) {
        return rc;
    }
    rc = build(d, &g, reterr);
    return rc == 0 || rc == -ERR_NOMEM ? rc : 1;
}
