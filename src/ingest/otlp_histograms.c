/* SPDX-License-Identifier: Apache-2.0
 *
 * Histogram and Summary points as the classic series family: cumulative buckets by upper bound, sum and count; or, when
 * asked for, explicit buckets as native histograms with custom bounds. ExponentialHistogram points become native
 * histograms. Source: OpenTelemetry's compatibility specification for Prometheus.
 */
#include <math.h>

#include "ingest/otlp_metrics_internal.h"

enum {
    BUCKETS_MAX = 2048,      /* explicit buckets of one point */
    EXP_COUNTS_MAX = 100000, /* counts of one exponential point and sign, populated or not */
    EXP_SCALE_MAX = 20,
};

/** Of exponential histograms that name none, as upstream's translation sets it. */
#define ZERO_THRESHOLD 1e-128

/* A list of 64-bit values, packed or one by one. */
struct list {
    struct str packed; /* the last packed run */
    uint64_t *v;       /* one by one or decoded; arena */
    size_t n;
    size_t cap;
};

static bool list_push(struct list *l, struct arena *a, uint64_t u)
{
    if (l->n == l->cap) {
        size_t cap = l->cap != 0 ? l->cap * 2 : 16;
        uint64_t *v = arena_array(a, uint64_t, cap);

        if (v == NULL) {
            return false;
        }
        if (l->n != 0) {
            memcpy(v, l->v, l->n * sizeof(*v));
        }
        l->v = v;
        l->cap = cap;
    }
    l->v[l->n++] = u;
    return true;
}

static int list_add_fixed(struct list *l, struct arena *a, const struct pb *msg, struct str s,
                          struct err *reterr)
{
    int64_t n = pb_packed_fixed64_count(msg, s, reterr);

    for (int64_t i = 0; i < n; i++) {
        if (!list_push(l, a, pb_packed_fixed64_at(s, (size_t)i))) {
            return otlp_no_memory(reterr);
        }
    }
    return n < 0 ? (int)n : 0;
}

static int list_add_varints(struct list *l, struct arena *a, struct pb msg, struct err *reterr)
{
    uint64_t u;
    int rc;

    while ((rc = pb_next_packed_varint(&msg, &u, reterr)) > 0) {
        if (!list_push(l, a, u)) {
            return otlp_no_memory(reterr);
        }
    }
    return rc;
}

struct histogram {
    struct point p;
    struct attr_range attrs;
    uint64_t time, flags, count;
    double sum;
    bool has_sum;
    struct list counts;
    struct list bounds;
};

static int scan_histogram(struct metrics_request *m, struct pb msg, struct histogram *h,
                          struct err *reterr)
{
    struct arena *a = m->c->arena;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        bool ok = true;

        switch (f.tag) { /* HistogramDataPoint */
        case PB_TAG(2, PB_FIXED64):
            h->p.start_ns = f.u;
            break;
        case PB_TAG(3, PB_FIXED64):
            h->time = f.u;
            break;
        case PB_TAG(4, PB_FIXED64):
            h->count = f.u;
            break;
        case PB_TAG(5, PB_FIXED64):
            h->sum = pb_f64(f.u);
            h->has_sum = true;
            break;
        case PB_TAG(6, PB_LEN):
            rc = list_add_fixed(&h->counts, a, &msg, f.s, reterr);
            break;
        case PB_TAG(6, PB_FIXED64):
            ok = list_push(&h->counts, a, f.u);
            break;
        case PB_TAG(7, PB_LEN):
            rc = list_add_fixed(&h->bounds, a, &msg, f.s, reterr);
            break;
        case PB_TAG(7, PB_FIXED64):
            ok = list_push(&h->bounds, a, f.u);
            break;
        case PB_TAG(8, PB_LEN):
            m->point_exemplars++;
            break;
        case PB_TAG(9, PB_LEN):
            attr_range_add(&h->attrs, &f);
            break;
        case PB_TAG(10, PB_VARINT):
            h->flags = f.u;
            break;
        default:
            break;
        }
        if (rc < 0 || !ok) {
            return rc < 0 ? rc : otlp_no_memory(reterr);
        }
    }
    return rc;
}

static bool check_histogram(struct metrics_request *m, const struct histogram *h)
{
    if (h->counts.n != 0 && h->counts.n != h->bounds.n + 1) {
        otlp_reject(m->c, REJECT_POINT, 1,
                    "histogram has %zu bucket counts for %zu bounds, expected one more",
                    h->counts.n, h->bounds.n);
        return false;
    }
    if (h->bounds.n > BUCKETS_MAX) {
        otlp_reject(m->c, REJECT_POINT, 1, "histogram has %zu bounds, at most %d are allowed",
                    h->bounds.n, BUCKETS_MAX);
        return false;
    }
    for (size_t i = 0; i < h->bounds.n; i++) {
        double b = pb_f64(h->bounds.v[i]);

        if (isnan(b) || (i > 0 && b <= pb_f64(h->bounds.v[i - 1]))) {
            otlp_reject(m->c, REJECT_POINT, 1, "histogram bound %zu is not above the one before",
                        i);
            return false;
        }
    }
    return true;
}

/* +Inf bucket, count and sum: what every histogram ends with. */
static int emit_totals(struct metrics_request *m, const struct histogram *h, struct err *reterr)
{
    int rc = series_emit(m, &h->p, PART_BUCKET, (double)INFINITY, (double)h->count, reterr);

    rc = rc != 0 ? rc : series_emit(m, &h->p, PART_COUNT, 0, (double)h->count, reterr);
    if (rc == 0 && (h->has_sum || h->p.stale)) {
        rc = series_emit(m, &h->p, PART_SUM, 0, h->sum, reterr);
    }
    return rc;
}

/* m->native and the point's exemplars, fields `tag`. */
static int emit_native(struct metrics_request *m, const struct point *p, uint32_t tag,
                       struct err *reterr)
{
    int rc = series_emit_native(m, p, reterr);

    if (rc == 0 && m->point_exemplars != 0) {
        rc = otlp_exemplars(m, p, &(struct exemplar_place){tag, PART_NATIVE, NULL, 0}, reterr);
    }
    return rc > 0 ? 0 : rc;
}

/* The same as a native histogram with custom bounds. */
static int emit_custom(struct metrics_request *m, const struct histogram *in, struct err *reterr)
{
    struct native_histogram *h = &m->native;
    int rc = 0;

    native_clear(h);
    h->schema = NATIVE_SCHEMA_CUSTOM;
    h->count = (double)in->count;
    h->sum = in->sum;
    for (size_t i = 0; rc == 0 && i < in->bounds.n; i++) {
        if (!(isinf(pb_f64(in->bounds.v[i])) && pb_f64(in->bounds.v[i]) > 0)) {
            rc = native_push_bound(h, pb_f64(in->bounds.v[i]));
        }
    }
    for (size_t i = 0; rc == 0 && i < in->counts.n; i++) {
        rc = in->counts.v[i] != 0 ? native_push(&h->positive, (int32_t)i, (double)in->counts.v[i])
                                  : 0;
    }
    if (rc < 0) {
        return otlp_no_memory(reterr);
    }
    return emit_native(m, &in->p, PB_TAG(8, PB_LEN), reterr);
}

int otlp_histogram_point(struct metrics_request *m, struct pb msg, struct err *reterr)
{
    struct histogram h = {.p = {.msg = msg, .attr_tag = PB_TAG(9, PB_LEN)}};
    uint64_t below = 0;
    int rc;

    m->point_exemplars = 0;
    rc = scan_histogram(m, msg, &h, reterr);

    if (rc < 0 || !check_histogram(m, &h)) {
        return rc;
    }
    rc = otlp_point_begin(m, &h.p, &h.attrs, h.time, h.flags, reterr);
    if (rc <= 0) {
        return rc;
    }
    if (m->c->o->sink->otlp_nhcb) {
        return emit_custom(m, &h, reterr);
    }
    for (size_t i = 0; i < h.bounds.n && i < h.counts.n; i++) {
        double bound = pb_f64(h.bounds.v[i]);

        below += h.counts.v[i];
        if (isinf(bound)) {
            continue; /* the last one is always written */
        }
        rc = series_emit(m, &h.p, PART_BUCKET, bound, (double)below, reterr);
        if (rc != 0) {
            return rc;
        }
    }
    rc = emit_totals(m, &h, reterr);
    if (rc == 0 && m->point_exemplars != 0) {
        rc = otlp_exemplars(
            m, &h.p,
            &(struct exemplar_place){PB_TAG(8, PB_LEN), PART_BUCKET, h.bounds.v, h.bounds.n},
            reterr);
    }
    return rc;
}

/* One sign of an exponential histogram. */
struct exp_buckets {
    int64_t offset;
    struct list counts;
};

struct exp_histogram {
    struct histogram h;
    int64_t scale;
    uint64_t zero_count;
    double zero_threshold;
    struct exp_buckets positive, negative;
};

static int scan_buckets(struct metrics_request *m, struct pb msg, struct exp_buckets *b,
                        struct err *reterr)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_VARINT)) {
            b->offset = (int32_t)zigzag_decode((uint32_t)f.u);
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            rc = list_add_varints(&b->counts, m->c->arena, pb_sub(&msg, f.s), reterr);
        } else if (f.tag == PB_TAG(2, PB_VARINT) && !list_push(&b->counts, m->c->arena, f.u)) {
            rc = otlp_no_memory(reterr);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static int scan_exp(struct metrics_request *m, struct pb msg, struct exp_histogram *e,
                    struct err *reterr)
{
    struct histogram *h = &e->h;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) { /* ExponentialHistogramDataPoint */
        case PB_TAG(1, PB_LEN):
            attr_range_add(&h->attrs, &f);
            break;
        case PB_TAG(2, PB_FIXED64):
            h->p.start_ns = f.u;
            break;
        case PB_TAG(3, PB_FIXED64):
            h->time = f.u;
            break;
        case PB_TAG(4, PB_FIXED64):
            h->count = f.u;
            break;
        case PB_TAG(5, PB_FIXED64):
            h->sum = pb_f64(f.u);
            h->has_sum = true;
            break;
        case PB_TAG(6, PB_VARINT):
            e->scale = (int32_t)zigzag_decode((uint32_t)f.u);
            break;
        case PB_TAG(7, PB_FIXED64):
            e->zero_count = f.u;
            break;
        case PB_TAG(8, PB_LEN):
            rc = scan_buckets(m, pb_sub(&msg, f.s), &e->positive, reterr);
            break;
        case PB_TAG(9, PB_LEN):
            rc = scan_buckets(m, pb_sub(&msg, f.s), &e->negative, reterr);
            break;
        case PB_TAG(10, PB_VARINT):
            h->flags = f.u;
            break;
        case PB_TAG(11, PB_LEN):
            m->point_exemplars++;
            break;
        case PB_TAG(14, PB_FIXED64):
            e->zero_threshold = pb_f64(f.u);
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static bool check_exp(struct metrics_request *m, const struct exp_histogram *e)
{
    if (e->scale < NATIVE_SCHEMA_MIN || e->scale > EXP_SCALE_MAX) {
        otlp_reject(m->c, REJECT_POINT, 1, "exponential histogram scale %lld is outside %d to %d",
                    (long long)e->scale, (int)NATIVE_SCHEMA_MIN, (int)EXP_SCALE_MAX);
        return false;
    }
    if (e->positive.counts.n > EXP_COUNTS_MAX || e->negative.counts.n > EXP_COUNTS_MAX) {
        otlp_reject(m->c, REJECT_POINT, 1, "exponential histogram has more than %d bucket counts",
                    (int)EXP_COUNTS_MAX);
        return false;
    }
    return true;
}

/* Bucket i covers (base^(offset + i), base^(offset + i + 1)]; native buckets are named by their upper end. `down` merges
 * finer scales than native histograms have. */
static int fill_buckets(struct native_buckets *dst, const struct exp_buckets *b, unsigned down)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->counts.n; i++) {
        int64_t index = ((b->offset + (int64_t)i) >> down) + 1;

        if (b->counts.v[i] == 0) {
            continue;
        }
        if (dst->n != 0 && dst->v[dst->n - 1].index == index) {
            dst->v[dst->n - 1].count += (double)b->counts.v[i];
        } else if (index > INT32_MAX) {
            rc = -ERR_LIMIT;
        } else {
            rc = native_push(dst, (int32_t)index, (double)b->counts.v[i]);
        }
    }
    return rc;
}

int otlp_exp_histogram_point(struct metrics_request *m, struct pb msg, struct err *reterr)
{
    struct exp_histogram e = {.h.p = {.msg = msg, .attr_tag = PB_TAG(1, PB_LEN)}};
    struct native_histogram *h = &m->native;
    unsigned down;
    int rc;

    m->point_exemplars = 0;
    rc = scan_exp(m, msg, &e, reterr);

    if (rc < 0 || !check_exp(m, &e)) {
        return rc;
    }
    rc = otlp_point_begin(m, &e.h.p, &e.h.attrs, e.h.time, e.h.flags, reterr);
    if (rc <= 0) {
        return rc;
    }
    down = e.scale > NATIVE_SCHEMA_MAX ? (unsigned)(e.scale - NATIVE_SCHEMA_MAX) : 0;
    native_clear(h);
    h->schema = (int32_t)e.scale - (int32_t)down;
    h->zero_threshold = e.zero_threshold > 0 ? e.zero_threshold : ZERO_THRESHOLD;
    h->zero_count = (double)e.zero_count;
    h->count = (double)e.h.count;
    h->sum = e.h.sum;
    rc = fill_buckets(&h->positive, &e.positive, down);
    rc = rc == 0 ? fill_buckets(&h->negative, &e.negative, down) : rc;
    if (rc == -ERR_LIMIT) {
        otlp_reject(m->c, REJECT_POINT, 1, "exponential histogram has buckets out of range");
        return 0;
    }
    if (rc < 0) {
        return otlp_no_memory(reterr);
    }
    return emit_native(m, &e.h.p, PB_TAG(11, PB_LEN), reterr);
}

struct summary {
    struct point p;
    struct attr_range attrs;
    uint64_t time, flags, count;
    double sum;
};

static int scan_summary(struct pb msg, struct summary *s, struct err *reterr)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) { /* SummaryDataPoint */
        case PB_TAG(2, PB_FIXED64):
            s->p.start_ns = f.u;
            break;
        case PB_TAG(3, PB_FIXED64):
            s->time = f.u;
            break;
        case PB_TAG(4, PB_FIXED64):
            s->count = f.u;
            break;
        case PB_TAG(5, PB_FIXED64):
            s->sum = pb_f64(f.u);
            break;
        case PB_TAG(7, PB_LEN):
            attr_range_add(&s->attrs, &f);
            break;
        case PB_TAG(8, PB_VARINT):
            s->flags = f.u;
            break;
        default:
            break;
        }
    }
    return rc;
}

static int emit_quantile(struct metrics_request *m, const struct summary *s, struct pb msg,
                         struct err *reterr)
{
    double quantile = 0;
    double value = 0;
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_FIXED64)) {
            quantile = pb_f64(f.u);
        } else if (f.tag == PB_TAG(2, PB_FIXED64)) {
            value = pb_f64(f.u);
        }
    }
    return rc < 0 ? rc : series_emit(m, &s->p, PART_QUANTILE, quantile, value, reterr);
}

int otlp_summary_point(struct metrics_request *m, struct pb msg, struct err *reterr)
{
    struct summary s = {.p = {.msg = msg, .attr_tag = PB_TAG(7, PB_LEN)}};
    struct pb_field f;
    int rc = scan_summary(msg, &s, reterr);

    rc = rc < 0 ? rc : otlp_point_begin(m, &s.p, &s.attrs, s.time, s.flags, reterr);
    if (rc <= 0) {
        return rc;
    }
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(6, PB_LEN)) {
            rc = emit_quantile(m, &s, pb_sub(&msg, f.s), reterr);
            if (rc != 0) {
                return rc;
            }
        }
    }
    rc = rc < 0 ? rc : series_emit(m, &s.p, PART_COUNT, 0, (double)s.count, reterr);
    return rc != 0 ? rc : series_emit(m, &s.p, PART_SUM, 0, s.sum, reterr);
}
