/* SPDX-License-Identifier: Apache-2.0
 *
 * A chunk begins with what all its histograms share (thresholds, runs of buckets, bounds); each sample then has one number
 * a bucket. Arithmetic is modulo 2^64, so damaged numbers are wrong, not undefined; what comes out is validated.
 */
#include "ingest/blocks/hist_chunk.h"

#include "model/samples.h"

enum {
    FLAG_GAUGE = 3, /* the first two bits */
    FLAG_RESET = 2,
    THRESHOLD_GIVEN = 255, /* a double follows */
};

void hist_chunk_done(struct hist_chunk *c)
{
    native_done(&c->h);
    for (size_t i = 0; i < 2; i++) {
        vec_done(&c->side[i].spans);
        vec_done(&c->side[i].buckets);
        vec_done(&c->side[i].counts);
        vec_done(&c->side[i].deltas);
    }
    vec_done(&c->bounds);
}

/* Walk over one chunk. */
struct walk {
    struct hist_chunk *c;
    struct chunk_reader r;
    bool floats;
    bool gauge, reset;
    int32_t schema;
    double zero_threshold;
    uint64_t t, t_change;
    uint64_t count, count_change, zero, zero_change; /* integer counts */
    struct chunk_xor f_count, f_zero, sum;
};

/* ---- what all samples share ---- */

static double read_threshold(struct chunk_reader *r)
{
    uint64_t b = chunk_bits(r, 8);

    return b == 0 ? 0 : b == THRESHOLD_GIVEN ? chunk_f64(r) : ldexp(0.5, (int)b - 243);
}

static int read_spans(struct walk *w, size_t side)
{
    struct hist_chunk *c = w->c;
    uint64_t n = chunk_varbit_uint(&w->r);
    uint64_t buckets = 0;

    vec_clear(&c->side[side].spans);
    vec_clear(&c->side[side].buckets);
    for (uint64_t i = 0; i < n && !w->r.bad; i++) {
        uint64_t length = chunk_varbit_uint(&w->r);
        const struct native_span s = {.length = (uint32_t)length,
                                      .offset = (int32_t)chunk_varbit_int(&w->r)};

        buckets += length;
        if (length > NATIVE_BUCKETS_MAX || buckets > NATIVE_BUCKETS_MAX) {
            return -ERR_CORRUPT;
        }
        if (!vec_push(&c->side[side].spans, s)) {
            return -ERR_NOMEM;
        }
    }
    for (uint64_t i = 0; i < buckets && !w->r.bad; i++) {
        if (!vec_push(&c->side[side].buckets, (struct hist_bucket){0})) {
            return -ERR_NOMEM;
        }
    }
    return w->r.bad ? -ERR_CORRUPT : 0;
}

/* Most bounds are decimals of up to three digits. */
static int read_bounds(struct walk *w)
{
    uint64_t n = chunk_varbit_uint(&w->r);

    vec_clear(&w->c->bounds);
    if (n > NATIVE_BUCKETS_MAX) {
        return -ERR_CORRUPT;
    }
    for (uint64_t i = 0; i < n && !w->r.bad; i++) {
        uint64_t v = chunk_varbit_uint(&w->r);

        if (!vec_push(&w->c->bounds, v == 0 ? chunk_f64(&w->r) : (double)(v - 1) / 1000)) {
            return -ERR_NOMEM;
        }
    }
    return w->r.bad ? -ERR_CORRUPT : 0;
}

static int read_layout(struct walk *w)
{
    int64_t schema;
    int rc;

    w->zero_threshold = read_threshold(&w->r);
    schema = chunk_varbit_int(&w->r);
    rc = read_spans(w, 0);
    rc = rc < 0 ? rc : read_spans(w, 1);
    vec_clear(&w->c->bounds);
    if (rc == 0 && schema == NATIVE_SCHEMA_CUSTOM) {
        return read_bounds(w);
    }
    w->schema = (int32_t)schema;
    return rc == 0 && (schema < NATIVE_SCHEMA_MIN || schema > NATIVE_SCHEMA_MAX) ? -ERR_CORRUPT
                                                                                 : rc;
}

/* ---- samples ---- */

static double f64_of(uint64_t bits)
{
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

/* A double as it is in the first sample, as a difference in others. */
static void read_xor(struct walk *w, struct chunk_xor *x, bool first)
{
    if (first) {
        *x = (struct chunk_xor){.bits = chunk_bits(&w->r, 64)};
    } else {
        chunk_xor(&w->r, x);
    }
}

static void read_bucket(struct walk *w, struct hist_bucket *b, bool first)
{
    if (w->floats) {
        read_xor(w, &b->count, first);
    } else if (first) {
        b->delta = chunk_varbit_int(&w->r);
    } else {
        b->delta_change = (int64_t)((uint64_t)b->delta_change + (uint64_t)chunk_varbit_int(&w->r));
        b->delta = (int64_t)((uint64_t)b->delta + (uint64_t)b->delta_change);
    }
}

static void read_head(struct walk *w, bool first)
{
    if (first) {
        w->t = (uint64_t)chunk_varbit_int(&w->r);
    } else {
        w->t_change += (uint64_t)chunk_varbit_int(&w->r);
        w->t += w->t_change;
    }
    if (w->floats) {
        read_xor(w, &w->f_count, first);
        read_xor(w, &w->f_zero, first);
    } else if (first) {
        w->count = chunk_varbit_uint(&w->r);
        w->zero = chunk_varbit_uint(&w->r);
    } else {
        w->count_change += (uint64_t)chunk_varbit_int(&w->r);
        w->count += w->count_change;
        w->zero_change += (uint64_t)chunk_varbit_int(&w->r);
        w->zero += w->zero_change;
    }
    read_xor(w, &w->sum, first);
}

static int fill_side(struct walk *w, size_t side, struct err *reterr)
{
    struct hist_chunk *c = w->c;
    struct native_side s = {.spans = c->side[side].spans.v, .spans_n = c->side[side].spans.n};

    vec_clear(&c->side[side].counts);
    vec_clear(&c->side[side].deltas);
    for (size_t i = 0; i < c->side[side].buckets.n; i++) {
        const struct hist_bucket *b = &c->side[side].buckets.v[i];

        if (w->floats ? !vec_push(&c->side[side].counts, f64_of(b->count.bits))
                      : !vec_push(&c->side[side].deltas, b->delta)) {
            return -ERR_NOMEM;
        }
    }
    if (c->side[side].buckets.n == 0) {
        return 0;
    }
    s.counts = w->floats ? c->side[side].counts.v : NULL;
    s.deltas = w->floats ? NULL : c->side[side].deltas.v;
    s.counts_n = c->side[side].buckets.n;
    return native_from_spans(&c->h, side == 1, &s, reterr);
}

static int fill(struct walk *w, struct err *reterr)
{
    struct native_histogram *h = &w->c->h;
    int rc = 0;

    h->schema = w->schema;
    h->zero_threshold = w->zero_threshold;
    h->count = w->floats ? f64_of(w->f_count.bits) : (double)w->count;
    h->zero_count = w->floats ? f64_of(w->f_zero.bits) : (double)w->zero;
    for (size_t i = 0; rc == 0 && i < w->c->bounds.n; i++) {
        rc = native_push_bound(h, w->c->bounds.v[i]);
    }
    for (size_t side = 0; rc == 0 && side < 2; side++) {
        rc = fill_side(w, side, reterr);
    }
    rc = rc < 0 ? rc : native_validate(h, !w->floats, reterr);
    native_compact(h);
    return rc == -ERR_NOMEM || rc == 0 ? rc : -ERR_CORRUPT;
}

/* The next sample into c->h. */
static int next_sample(struct walk *w, bool first, struct err *reterr)
{
    struct native_histogram *h = &w->c->h;
    bool stale;

    read_head(w, first);
    native_clear(h);
    h->sum = f64_of(w->sum.bits);
    h->hint = w->gauge ? NATIVE_GAUGE : first && w->reset ? NATIVE_RESET : NATIVE_UNKNOWN;
    stale = sample_is_stale(h->sum);
    for (size_t side = 0; side < 2 && (first || !stale); side++) {
        for (size_t i = 0; i < w->c->side[side].buckets.n && !w->r.bad; i++) {
            read_bucket(w, &w->c->side[side].buckets.v[i], first);
        }
    }
    return w->r.bad ? -ERR_CORRUPT : stale ? 0 : fill(w, reterr);
}

int hist_chunk_decode(struct hist_chunk *c, struct str data, bool floats,
                      int (*fn)(void *arg, int64_t t_ms, const struct native_histogram *h,
                                struct err *reterr),
                      void *arg, struct err *reterr)
{
    struct walk w = {
        .c = c, .r = chunk_reader(data), .floats = floats, .schema = NATIVE_SCHEMA_CUSTOM};
    uint64_t n = chunk_bits(&w.r, 16);
    uint64_t flags = chunk_bits(&w.r, 8) >> 6;
    int rc = n != 0 ? read_layout(&w) : 0;

    w.gauge = flags == FLAG_GAUGE;
    w.reset = flags == FLAG_RESET;
    for (uint64_t i = 0; rc == 0 && i < n; i++) {
        rc = next_sample(&w, i == 0, reterr);
        rc = rc < 0 ? rc : fn(arg, (int64_t)w.t, &c->h, reterr);
    }
    return rc == 0 && w.r.bad ? -ERR_CORRUPT : rc;
}
