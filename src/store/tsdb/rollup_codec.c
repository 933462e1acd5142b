/* SPDX-License-Identifier: Apache-2.0
 *
 * Roll-ups to bytes and back. The last samples are a chunk with their true times, which tell the buckets'
 * ends; the other columns are chunks of values, and most of the time less: equal to another column, or the small
 * difference to what another column lets expect. A difference is used only where adding it back gives every bit.
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/f64.h"
#include "codec/bits.h"
#include "codec/chunk.h"
#include "store/tsdb/rollup.h"

enum {
    VERSION = 2, /* 1 has no estimates and no units, and is read, too */
    FLAG_COUNTER = 1,
    FLAG_KNOWN = 2,
    FLAG_POINTS = 4,
    FLAG_SAMPLES = 8, /* the samples themselves follow instead */
    SAMPLES_RUN = 4096,
    SAMPLES_RUN_1 = 1024, /* of version 1 */
    SAMPLES_MAX = 65536,
    COLUMNS = 4, /* count, min, max, sum: the order they are decoded in */
};

enum form {
    FORM_SAME,   /* the expected value */
    FORM_PLAIN,  /* values */
    FORM_OFFSET, /* value - expected */
    FORM_MIDDLE, /* of sums: value - (min + max) / 2 * count */
    FORM_UNITS, /* a decimal digit count d; (value - expected) * 10^d, integers as both are in that unit */
    FORM_UNITS_MIDDLE,
    FORM_ESTIMATE, /* smallest value and sum of counters: rollup_estimate(), but for those listed */
    FORM_COUNT,
};

enum { UNITS_MAX = 6 /* digits */ };

static const double POWERS[UNITS_MAX + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};

static const unsigned BIT_OF[COLUMNS] = {ROLLUP_COUNT, ROLLUP_MIN, ROLLUP_MAX, ROLLUP_SUM};

static double get(const struct rollup_bucket *b, int column)
{
    return column == 0 ? b->count : column == 1 ? b->min : column == 2 ? b->max : b->sum;
}

static void set(struct rollup_bucket *b, int column, double v)
{
    *(column == 0 ? &b->count : column == 1 ? &b->min : column == 2 ? &b->max : &b->sum) = v;
}

/** What a column is expected to be, from those decoded before it. */
static double expected(const struct rollup_bucket *b, int column, enum form form)
{
    if (column == 0) {
        return 1;
    }
    if (column == 3) {
        return (form == FORM_MIDDLE || form == FORM_UNITS_MIDDLE ? (b->min + b->max) * 0.5
                                                                 : b->last) *
               b->count;
    }
    return b->last;
}

/* ---- encoding ---- */

struct columns {
    int64_t *t_ms;
    double *v;
};

static int put_str(struct buf *dst, const struct buf *bytes)
{
    bits_add_varint(dst, bytes->n);
    buf_add(dst, bytes->data, bytes->n);
    return dst->failed ? -ERR_NOMEM : 0;
}

/** Times and values, each a column of its own. */
static int put_pairs(struct buf *dst, const int64_t *t_ms, const double *v, size_t n,
                     struct buf *scratch)
{
    int rc;

    buf_clear(scratch);
    rc = chunk_times_encode(t_ms, n, CHUNK_SMALL, scratch);
    rc = rc == 0 ? put_str(dst, scratch) : rc;
    buf_clear(scratch);
    rc = rc == 0 ? chunk_values_encode(v, n, CHUNK_SMALL, scratch) : rc;
    return rc == 0 ? put_str(dst, scratch) : rc;
}

/** Decimal digits behind the point that all values of a column have; -1: more than UNITS_MAX, or large. */
static int units_of(const struct rollup *r, int column)
{
    int digits = 0;

    for (size_t i = 0; i < r->buckets.n; i++) {
        double v = get(&r->buckets.v[i], column);

        while (digits <= UNITS_MAX && round(v * POWERS[digits]) / POWERS[digits] != v) {
            digits++;
        }
        if (digits > UNITS_MAX || fabs(v) * POWERS[digits] > 0x1p52) {
            return -1;
        }
    }
    return digits;
}

static double from_units(double expected, double offset, int digits)
{
    return (round(expected * POWERS[digits]) + offset) / POWERS[digits];
}

static bool is_units(enum form form)
{
    return form == FORM_UNITS || form == FORM_UNITS_MIDDLE;
}

/** Values of a column in a form. @return false when they do not come back bit by bit */
static bool in_form(const struct rollup *r, int column, enum form form, int digits, double *dst)
{
    if (is_units(form) && digits < 1) { /* whole numbers are fine without */
        return false;
    }
    for (size_t i = 0; i < r->buckets.n; i++) {
        const struct rollup_bucket *b = &r->buckets.v[i];
        double v = get(b, column);
        double e = expected(b, column, form);
        bool same;

        if (is_units(form)) {
            dst[i] = round(v * POWERS[digits]) - round(e * POWERS[digits]);
            same = f64_same(from_units(e, dst[i], digits), v);
        } else {
            dst[i] = form == FORM_PLAIN ? v : v - e;
            same = form == FORM_PLAIN || f64_same(form == FORM_SAME ? e : e + dst[i], v);
        }
        if (!same) {
            return false;
        }
    }
    return true;
}

/** An estimated column: which buckets it is wrong for, and their values. @return 1, 0 too many, -ERR_NOMEM */
static int put_estimate(const struct rollup *r, int column, int64_t resolution_ms,
                        const struct columns *c, struct buf *dst, struct buf *scratch)
{
    size_t n = r->buckets.n;
    double *both = mem_try_alloc(2 * n * sizeof(*both));
    const double *about = both + (column == 1 ? 0 : n);
    size_t wrong = 0;
    int rc = both == NULL ? -ERR_NOMEM : 1;

    if (rc == 1) {
        rollup_estimate(r, resolution_ms, both, both + n);
    }
    for (size_t i = 0; rc == 1 && i < n; i++) {
        double v = get(&r->buckets.v[i], column);

        if (!(fabs(about[i] - v) <= ROLLUP_ESTIMATE_ERROR * fabs(v))) {
            c->v[wrong] = v;
            c->t_ms[wrong++] = (int64_t)i;
        }
    }
    mem_free(both);
    if (rc < 0 || wrong * 4 > n) {
        return rc < 0 ? rc : 0;
    }
    buf_add_byte(dst, FORM_ESTIMATE);
    bits_add_varint(dst, wrong);
    if (wrong != 0) {
        rc = put_pairs(dst, c->t_ms, c->v, wrong, scratch);
    }
    return rc < 0 ? rc : dst->failed ? -ERR_NOMEM : 1;
}

/** Append the form, and for all but SAME a chunk: the smallest there is. */
static int put_column(const struct rollup *r, int column, const struct columns *c, struct buf *dst,
                      struct buf scratch[2])
{
    struct buf *best = &scratch[0];
    enum form chosen = FORM_COUNT;
    size_t n = r->buckets.n;
    int digits = units_of(r, column);

    if (in_form(r, column, FORM_SAME, digits, c->v)) {
        buf_add_byte(dst, FORM_SAME);
        return dst->failed ? -ERR_NOMEM : 0;
    }
    buf_clear(best);
    for (int form = FORM_PLAIN; form < FORM_ESTIMATE; form++) {
        struct buf *try = best == &scratch[0] ? &scratch[1] : &scratch[0];
        int rc;

        if ((column != 3 && (form == FORM_MIDDLE || form == FORM_UNITS_MIDDLE)) ||
            !in_form(r, column, (enum form)form, digits, c->v)) {
            continue;
        }
        buf_clear(try);
        rc = chunk_values_encode(c->v, n, CHUNK_SMALL, try);
        if (rc < 0) {
            return rc;
        }
        if (chosen == FORM_COUNT || try->n < best->n) {
            best = try;
            chosen = (enum form)form;
        }
    }
    buf_add_byte(dst, (char)chosen);
    if (is_units(chosen)) {
        buf_add_byte(dst, (char)digits);
    }
    return put_str(dst, best);
}

static int put_points(const struct rollup *r, const struct columns *c, struct buf *dst,
                      struct buf *scratch)
{
    for (size_t i = 0; i < r->points.n; i++) {
        c->t_ms[i] = r->points.v[i].t_ms;
        c->v[i] = r->points.v[i].v;
    }
    bits_add_varint(dst, r->points.n);
    return put_pairs(dst, c->t_ms, c->v, r->points.n, scratch);
}

static int put_buckets(const struct rollup *r, int64_t resolution_ms, const struct columns *c,
                       struct buf *dst, struct buf scratch[2])
{
    bool estimate = r->counter && r->known_counter;
    int rc;

    for (size_t i = 0; i < r->buckets.n; i++) {
        c->t_ms[i] = r->buckets.v[i].t_ms;
        c->v[i] = r->buckets.v[i].last;
    }
    rc = put_pairs(dst, c->t_ms, c->v, r->buckets.n, &scratch[0]);
    for (int i = 0; rc == 0 && i < COLUMNS; i++) {
        rc = estimate && (i == 1 || i == 3) ? put_estimate(r, i, resolution_ms, c, dst, &scratch[0])
                                            : 0;
        rc = rc == 0 ? put_column(r, i, c, dst, scratch) : rc < 0 ? rc : 0;
    }
    return rc;
}

int rollup_encode(const struct rollup *r, int64_t resolution_ms, struct buf *dst)
{
    size_t n = r->buckets.n > r->points.n ? r->buckets.n : r->points.n;
    struct columns c = {mem_try_alloc(n * sizeof(int64_t)), mem_try_alloc(n * sizeof(double))};
    struct buf scratch[2];
    int rc = c.t_ms == NULL || c.v == NULL ? -ERR_NOMEM : 0;

    if (r->buckets.n > ROLLUP_MAX_BUCKETS || r->points.n > ROLLUP_MAX_POINTS || n == 0) {
        rc = -ERR_TOO_LARGE;
    }
    buf_init(&scratch[0], ROLLUP_BLOB_MAX);
    buf_init(&scratch[1], ROLLUP_BLOB_MAX);
    buf_add_byte(dst, VERSION);
    buf_add_byte(dst, (char)((r->counter ? FLAG_COUNTER : 0) | (r->known_counter ? FLAG_KNOWN : 0) |
                             (r->points.n != 0 ? FLAG_POINTS : 0)));
    bits_add_varint(dst, r->buckets.n);
    if (rc == 0 && r->points.n != 0) {
        rc = put_points(r, &c, dst, &scratch[0]);
    }
    if (rc == 0 && r->buckets.n != 0) {
        rc = put_buckets(r, resolution_ms, &c, dst, scratch);
    }
    buf_done(&scratch[0]);
    buf_done(&scratch[1]);
    mem_free(c.t_ms);
    mem_free(c.v);
    return rc == 0 && dst->failed ? -ERR_NOMEM : rc;
}

int rollup_encode_samples(const struct samples *s, bool known_counter, struct buf *dst)
{
    struct buf scratch;
    int rc = 0;

    buf_init(&scratch, ROLLUP_BLOB_MAX);
    buf_add_byte(dst, VERSION);
    buf_add_byte(dst, (char)(FLAG_SAMPLES | (known_counter ? FLAG_KNOWN : 0)));
    bits_add_varint(dst, s->n);
    for (size_t from = 0; rc == 0 && from < s->n; from += SAMPLES_RUN) {
        size_t n = s->n - from < SAMPLES_RUN ? s->n - from : SAMPLES_RUN;

        rc = put_pairs(dst, s->t_ms + from, s->v + from, n, &scratch);
    }
    buf_done(&scratch);
    return rc == 0 && dst->failed ? -ERR_NOMEM : rc;
}

/* ---- decoding ---- */

struct decode {
    struct bits_reader r;
    int64_t *t_ms; /* room for `cap` */
    double *v;
    size_t cap;
};

/** The bytes of the next chunk. */
static int next_chunk(struct decode *d, struct str *ret)
{
    uint64_t n = bits_read_varint(&d->r);

    if (d->r.bad || n > (uint64_t)(d->r.end - d->r.p)) {
        return -ERR_CORRUPT;
    }
    *ret = str_of((const char *)d->r.p, (size_t)n);
    d->r.p += n;
    return 0;
}

/** Room for n times and values. */
static int room(struct decode *d, size_t n)
{
    if (n > d->cap) {
        mem_free(d->t_ms);
        mem_free(d->v);
        d->t_ms = mem_try_alloc(n * sizeof(*d->t_ms));
        d->v = mem_try_alloc(n * sizeof(*d->v));
        d->cap = d->t_ms != NULL && d->v != NULL ? n : 0;
    }
    return n <= d->cap ? 0 : -ERR_NOMEM;
}

/** n times and values into the scratch arrays, or with `skip` past them. */
static int decode_pairs(struct decode *d, size_t n, bool skip)
{
    struct str times = {0};
    struct str values = {0};
    int rc = next_chunk(d, &times);

    rc = rc == 0 ? next_chunk(d, &values) : rc;
    if (rc < 0 || skip) {
        return rc;
    }
    rc = room(d, n);
    if (rc == 0) {
        int got = chunk_times_decode(times, d->t_ms, n);

        rc = got < 0 ? got : (size_t)got != n ? -ERR_CORRUPT : 0;
    }
    return rc == 0 ? chunk_values_decode(values, d->v, n) : rc;
}

static int decode_points(struct decode *d, unsigned columns, struct rollup *dst)
{
    uint64_t n = bits_read_varint(&d->r);
    bool skip = (columns & ROLLUP_POINTS) == 0;
    int rc = d->r.bad || n == 0 || n > ROLLUP_MAX_POINTS ? -ERR_CORRUPT
                                                         : decode_pairs(d, (size_t)n, skip);

    if (rc < 0 || skip) {
        return rc;
    }
    if (!vec_reserve(&dst->points, (size_t)n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        dst->points.v[i] = (struct rollup_point){d->t_ms[i], d->v[i]};
    }
    dst->points.n = (size_t)n;
    return 0;
}

static int decode_last(struct decode *d, size_t n, int64_t resolution_ms, struct rollup *dst)
{
    int rc = decode_pairs(d, n, false);

    if (rc < 0) {
        return rc;
    }
    if (!vec_reserve(&dst->buckets, n)) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        int64_t t = d->t_ms[i];

        if (t > INT64_MAX / 2 || t < INT64_MIN / 2 ||
            (i != 0 && rollup_end(t, resolution_ms) <= dst->buckets.v[i - 1].end_ms)) {
            return -ERR_CORRUPT;
        }
        dst->buckets.v[i] = (struct rollup_bucket){
            .end_ms = rollup_end(t, resolution_ms), .t_ms = t, .last = d->v[i]};
        dst->buckets.n = i + 1;
    }
    return 0;
}

/** The values listed beside an estimated column, into it. */
static int decode_listed(struct decode *d, int column, bool wanted, struct rollup *dst)
{
    uint64_t n = bits_read_varint(&d->r);
    int rc = d->r.bad || n > dst->buckets.n ? -ERR_CORRUPT : 0;

    if (rc < 0 || n == 0) {
        return rc;
    }
    rc = decode_pairs(d, (size_t)n, !wanted);
    for (size_t i = 0; rc == 0 && wanted && i < n; i++) {
        if (d->t_ms[i] < 0 || (uint64_t)d->t_ms[i] >= dst->buckets.n) {
            return -ERR_CORRUPT;
        }
        set(&dst->buckets.v[d->t_ms[i]], column, d->v[i]);
    }
    return rc;
}

static int decode_estimate(struct decode *d, int column, int64_t resolution_ms, bool wanted,
                           struct rollup *dst)
{
    size_t n = dst->buckets.n;
    double *both = NULL;

    if (wanted) {
        both = mem_try_alloc(2 * n * sizeof(*both));
        if (both == NULL) {
            return -ERR_NOMEM;
        }
        rollup_estimate(dst, resolution_ms, both, both + n);
        for (size_t i = 0; i < n; i++) {
            set(&dst->buckets.v[i], column, both[column == 1 ? i : n + i]);
        }
        mem_free(both);
    }
    return decode_listed(d, column, wanted, dst);
}

static bool form_is_allowed(uint64_t form, int column)
{
    return form < FORM_COUNT &&
           (column == 3 || (form != FORM_MIDDLE && form != FORM_UNITS_MIDDLE)) &&
           (column == 1 || column == 3 || form != FORM_ESTIMATE);
}

/** @param wanted  decode it; else step over it */
static int decode_column(struct decode *d, int column, int64_t resolution_ms, bool wanted,
                         struct rollup *dst)
{
    uint64_t form = bits_read_varint(&d->r);
    size_t n = dst->buckets.n;
    uint64_t digits = 0;
    struct str bytes;
    int rc;

    if (d->r.bad || !form_is_allowed(form, column)) {
        return -ERR_CORRUPT;
    }
    if (form == FORM_ESTIMATE) {
        return decode_estimate(d, column, resolution_ms, wanted, dst);
    }
    if (form == FORM_SAME) {
        for (size_t i = 0; wanted && i < n; i++) {
            set(&dst->buckets.v[i], column, expected(&dst->buckets.v[i], column, FORM_SAME));
        }
        return 0;
    }
    if (is_units((enum form)form)) {
        digits = bits_read_varint(&d->r);
    }
    rc = d->r.bad || digits > UNITS_MAX ? -ERR_CORRUPT : next_chunk(d, &bytes);
    if (rc < 0 || !wanted) {
        return rc;
    }
    rc = room(d, n);
    rc = rc == 0 ? chunk_values_decode(bytes, d->v, n) : rc;
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        struct rollup_bucket *b = &dst->buckets.v[i];
        double e = form == FORM_PLAIN ? 0 : expected(b, column, (enum form)form);

        set(b, column,
            form == FORM_PLAIN          ? d->v[i]
            : is_units((enum form)form) ? from_units(e, d->v[i], (int)digits)
                                        : e + d->v[i]);
    }
    return 0;
}

static int read_samples(struct decode *d, uint64_t version, uint64_t n, struct samples *s)
{
    size_t run = version == 1 ? SAMPLES_RUN_1 : SAMPLES_RUN;
    int rc = n == 0 || n > SAMPLES_MAX ? -ERR_CORRUPT : 0;

    s->n = 0;
    if (rc == 0 && !samples_reserve(s, (size_t)n)) {
        rc = -ERR_NOMEM;
    }
    while (rc == 0 && s->n < n) {
        size_t k = n - s->n < run ? (size_t)n - s->n : run;

        rc = decode_pairs(d, k, false);
        if (rc == 0 && s->n != 0 && d->t_ms[0] <= s->t_ms[s->n - 1]) {
            rc = -ERR_CORRUPT;
        }
        if (rc == 0 && (d->t_ms[0] < INT64_MIN / 2 || d->t_ms[k - 1] > INT64_MAX / 2)) {
            rc = -ERR_CORRUPT;
        }
        if (rc == 0) {
            memcpy(s->t_ms + s->n, d->t_ms, k * sizeof(*s->t_ms));
            memcpy(s->v + s->n, d->v, k * sizeof(*s->v));
            s->n += k;
        }
    }
    return rc == 0 && d->r.p != d->r.end ? -ERR_CORRUPT : rc;
}

/** Samples are folded as they would have been. */
static int decode_samples(struct decode *d, uint64_t version, uint64_t n, int64_t resolution_ms,
                          bool known, struct rollup *dst)
{
    struct samples s = {0};
    int rc = read_samples(d, version, n, &s);

    rc = rc == 0 ? rollup_fold(&s, resolution_ms, known, dst) : rc;
    samples_done(&s);
    return rc;
}

int rollup_samples(struct str src, struct samples *dst)
{
    struct decode d = {.r = bits_reader_of(src.p, src.n)};
    uint64_t version = bits_read_varint(&d.r);
    uint64_t flags = bits_read_varint(&d.r);
    uint64_t n = bits_read_varint(&d.r);
    int rc = d.r.bad || version == 0 || version > VERSION || flags > 15 ? -ERR_CORRUPT : 0;

    if (rc == 0 && (flags & FLAG_SAMPLES) != 0) {
        rc = read_samples(&d, version, n, dst);
        rc = rc == 0 ? 1 : rc;
    }
    mem_free(d.t_ms);
    mem_free(d.v);
    return rc;
}

static int decode_all(struct decode *d, int64_t resolution_ms, unsigned columns, struct rollup *dst)
{
    uint64_t version = bits_read_varint(&d->r);
    uint64_t flags = bits_read_varint(&d->r);
    uint64_t n = bits_read_varint(&d->r);
    int rc = 0;

    if (d->r.bad || version == 0 || version > VERSION || flags > 15) {
        return -ERR_CORRUPT;
    }
    if ((flags & FLAG_SAMPLES) != 0) {
        return decode_samples(d, version, n, resolution_ms, (flags & FLAG_KNOWN) != 0, dst);
    }
    if (n > ROLLUP_MAX_BUCKETS) {
        return -ERR_CORRUPT;
    }
    dst->counter = (flags & FLAG_COUNTER) != 0;
    dst->known_counter = (flags & FLAG_KNOWN) != 0;
    if ((flags & FLAG_POINTS) != 0) {
        rc = decode_points(d, columns, dst);
    }
    if (rc == 0 && n != 0) {
        rc = decode_last(d, (size_t)n, resolution_ms, dst);
        for (int i = 0; rc == 0 && i < COLUMNS; i++) { /* a sum may lean on all before it */
            bool wanted = (columns & BIT_OF[i]) != 0 || (columns & ROLLUP_SUM) != 0 ||
                          (i == 0 && (columns & ROLLUP_MIN) != 0);

            rc = decode_column(d, i, resolution_ms, wanted, dst);
        }
    }
    return rc == 0 && d->r.p != d->r.end ? -ERR_CORRUPT : rc;
}

int rollup_decode(struct str src, int64_t resolution_ms, unsigned columns, struct rollup *dst)
{
    struct decode d = {.r = bits_reader_of(src.p, src.n)};
    int rc;

    if ((columns & (ROLLUP_MIN | ROLLUP_SUM)) != 0) {
        columns |= ROLLUP_POINTS; /* estimates need them */
    }

    rollup_clear(dst);
    rc = decode_all(&d, resolution_ms, columns, dst);
    mem_free(d.t_ms);
    mem_free(d.v);
    return rc;
}
