/* SPDX-License-Identifier: Apache-2.0
 *
 * Bits from the most significant on. All histograms of a chunk share one layout: the buckets any of them has.
 */
#include "api/prom_chunks.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "codec/varint.h"
#include "model/samples.h"

struct bits {
    struct buf *dst;
    unsigned left; /* bits of the last byte that are free */
};

static void put_bits(struct bits *w, uint64_t v, unsigned n)
{
    while (n > 0) {
        unsigned take;

        if (w->left == 0) {
            buf_add_byte(w->dst, '\0');
            w->left = 8;
        }
        if (buf_status(w->dst) != 0) {
            return;
        }
        take = n < w->left ? n : w->left;
        n -= take;
        w->left -= take;
        w->dst->data[w->dst->n - 1] |= (char)(((v >> n) & ((UINT64_C(1) << take) - 1)) << w->left);
    }
}

static void put_f64(struct bits *w, double v)
{
    uint64_t u;

    memcpy(&u, &v, sizeof(u));
    put_bits(w, u, 64);
}

/** Does a signed number fit into n bits of these formats? */
static bool fits(int64_t v, unsigned n)
{
    return v >= -((INT64_C(1) << (n - 1)) - 1) && v <= INT64_C(1) << (n - 1);
}

static const unsigned SIZES[] = {3, 6, 9, 12, 18, 25, 56};

/** So many ones, then a zero; eight ones have none. */
static void put_size(struct bits *w, size_t ones)
{
    put_bits(w, ones < 8 ? (UINT64_C(1) << (ones + 1)) - 2 : 0xff,
             ones < 8 ? (unsigned)ones + 1 : 8);
}

static void put_int(struct bits *w, int64_t v)
{
    size_t i = 0;

    if (v == 0) {
        put_bits(w, 0, 1);
        return;
    }
    while (i < ARRAY_LEN(SIZES) && !fits(v, SIZES[i])) {
        i++;
    }
    put_size(w, i + 1);
    put_bits(w, (uint64_t)v, i < ARRAY_LEN(SIZES) ? SIZES[i] : 64);
}

static void put_uint(struct bits *w, uint64_t v)
{
    size_t i = 0;

    if (v == 0) {
        put_bits(w, 0, 1);
        return;
    }
    while (i < ARRAY_LEN(SIZES) && v >> SIZES[i] != 0) {
        i++;
    }
    put_size(w, i + 1);
    put_bits(w, v, i < ARRAY_LEN(SIZES) ? SIZES[i] : 64);
}

/** A column of doubles, each against the one before. */
struct xor {
    uint64_t before;
    unsigned leading, trailing;
    bool window; /* the last two mean something */
};

static void put_xor(struct bits *w, struct xor *x, double v)
{
    uint64_t now;
    uint64_t d;
    unsigned leading;
    unsigned trailing;

    memcpy(&now, &v, sizeof(now));
    d = now ^ x->before;
    x->before = now;
    if (d == 0) {
        put_bits(w, 0, 1);
        return;
    }
    leading = (unsigned)__builtin_clzll(d);
    leading = leading > 31 ? 31 : leading;
    trailing = (unsigned)__builtin_ctzll(d);
    if (x->window && leading >= x->leading && trailing >= x->trailing) {
        put_bits(w, 2, 2);
        put_bits(w, d >> x->trailing, 64 - x->leading - x->trailing);
        return;
    }
    x->window = true;
    x->leading = leading;
    x->trailing = trailing;
    put_bits(w, 3, 2);
    put_bits(w, leading, 5);
    put_bits(w, (64 - leading - trailing) & 63, 6); /* 64 is written as 0 */
    put_bits(w, d >> trailing, 64 - leading - trailing);
}

static void put_varint_bytes(struct bits *w, uint64_t v)
{
    uint8_t bytes[VARINT_MAX];
    size_t n = varint_put(bytes, v);

    for (size_t i = 0; i < n; i++) {
        put_bits(w, bytes[i], 8);
    }
}

/** Delta of deltas of a time in a chunk of floats. */
static void put_dod(struct bits *w, int64_t v)
{
    static const struct {
        unsigned bits;
        uint64_t prefix;
        unsigned prefix_bits;
    } FORMS[] = {{14, 2, 2}, {17, 6, 3}, {20, 14, 4}};

    if (v == 0) {
        put_bits(w, 0, 1);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(FORMS); i++) {
        if (fits(v, FORMS[i].bits)) {
            put_bits(w, FORMS[i].prefix, FORMS[i].prefix_bits);
            put_bits(w, (uint64_t)v, FORMS[i].bits);
            return;
        }
    }
    put_bits(w, 15, 4);
    put_bits(w, (uint64_t)v, 64);
}

static int64_t minus(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

void prom_chunk_floats(const int64_t *t_ms, const double *v, size_t n, struct buf *dst)
{
    struct bits w = {.dst = dst};
    struct xor x = {0};
    int64_t delta = 0;

    put_bits(&w, n, 16);
    for (size_t i = 0; i < n; i++) {
        if (i == 0) {
            put_varint_bytes(&w, zigzag_encode(t_ms[0]));
            put_f64(&w, v[0]);
            memcpy(&x.before, &v[0], sizeof(x.before));
            continue;
        }
        if (i == 1) {
            delta = minus(t_ms[1], t_ms[0]);
            put_varint_bytes(&w, (uint64_t)delta);
        } else {
            int64_t now = minus(t_ms[i], t_ms[i - 1]);

            put_dod(&w, minus(now, delta));
            delta = now;
        }
        put_xor(&w, &x, v[i]);
    }
}

/* ---- native histograms ---- */

static bool same_layout(const struct native_histogram *a, const struct native_histogram *b)
{
    if (a->schema != b->schema || a->zero_threshold != b->zero_threshold ||
        a->bounds_n != b->bounds_n || (a->hint == NATIVE_GAUGE) != (b->hint == NATIVE_GAUGE)) {
        return false;
    }
    for (size_t i = 0; i < a->bounds_n; i++) {
        if (a->bounds[i] != b->bounds[i]) {
            return false;
        }
    }
    return true;
}

size_t prom_chunk_run(const struct native_samples *s, size_t from, size_t end)
{
    size_t at = from + 1;

    while (at < end && at - from < PROM_CHUNK_SAMPLES && !sample_is_stale(s->v[at - 1].sum)) {
        const struct native_histogram *h = &s->v[at];

        if (!sample_is_stale(h->sum) &&
            (!same_layout(h, &s->v[at - 1]) ||
             (h->hint != NATIVE_GAUGE && native_is_reset(h, &s->v[at - 1], false)))) {
            break;
        }
        at++;
    }
    return at - from;
}

typedef VEC(int32_t) index_list;

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a;
    int32_t y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static const struct native_buckets *side_of(const struct native_histogram *h, bool negative)
{
    return negative ? &h->negative : &h->positive;
}

/** Indexes any of them has, rising. */
static int gather(const struct native_samples *s, size_t from, size_t n, bool negative,
                  index_list *dst)
{
    size_t kept = 0;

    for (size_t i = from; i < from + n; i++) {
        const struct native_buckets *b = side_of(&s->v[i], negative);
        size_t k = 0;

        while (k < b->n && k < dst->n && dst->v[k] == b->v[k].index) {
            k++; /* mostly the same as before */
        }
        for (; k < b->n; k++) {
            if (!vec_push(dst, b->v[k].index)) {
                return -ERR_NOMEM;
            }
        }
    }
    if (dst->n > 1) {
        qsort(dst->v, dst->n, sizeof(*dst->v), by_number);
    }
    for (size_t i = 0; i < dst->n; i++) {
        if (i == 0 || dst->v[i] != dst->v[kept - 1]) {
            dst->v[kept++] = dst->v[i];
        }
    }
    dst->n = kept;
    return 0;
}

/** Length of the run of neighbours that begins at i. */
static size_t span_at(const index_list *l, size_t i)
{
    size_t n = 1;

    while (i + n < l->n && l->v[i + n] == l->v[i] + (int32_t)n) {
        n++;
    }
    return n;
}

static void put_spans(struct bits *w, const index_list *l)
{
    size_t spans = 0;
    int64_t end = 0;

    for (size_t i = 0; i < l->n; i += span_at(l, i)) {
        spans++;
    }
    put_uint(w, spans);
    for (size_t i = 0; i < l->n;) {
        size_t n = span_at(l, i);

        put_uint(w, n);
        put_int(w, l->v[i] - end);
        end = (int64_t)l->v[i] + (int64_t)n;
        i += n;
    }
}

static void put_layout(struct bits *w, const struct native_histogram *h, const index_list *up,
                       const index_list *down)
{
    put_bits(w, h->hint == NATIVE_GAUGE ? 0xc0 : 0, 8);
    put_bits(w, h->zero_threshold == 0 ? 0 : 255, 8);
    if (h->zero_threshold != 0) {
        put_f64(w, h->zero_threshold);
    }
    put_int(w, h->schema);
    put_spans(w, up);
    put_spans(w, down);
    if (native_is_custom(h)) {
        put_uint(w, h->bounds_n);
        for (size_t i = 0; i < h->bounds_n; i++) {
            put_bits(w, 0, 1);
            put_f64(w, h->bounds[i]);
        }
    }
}

static void put_value(struct bits *w, struct xor *x, double v, bool first)
{
    if (first) {
        put_f64(w, v);
        memcpy(&x->before, &v, sizeof(v));
    } else {
        put_xor(w, x, v);
    }
}

static void put_side(struct bits *w, struct xor *x, const index_list *l,
                     const struct native_buckets *b, bool first)
{
    size_t k = 0;

    for (size_t i = 0; i < l->n; i++) {
        bool has = k < b->n && b->v[k].index == l->v[i];

        put_value(w, &x[i], has ? b->v[k].count : 0, first);
        k += has;
    }
}

int prom_chunk_histograms(const struct native_samples *s, size_t from, size_t n, struct buf *dst)
{
    static const struct native_buckets NONE = {0};
    struct bits w = {.dst = dst};
    index_list up = {0};
    index_list down = {0};
    struct xor head[3] = {0};
    struct xor *x = NULL;
    int64_t delta = 0;
    int rc = gather(s, from, n, false, &up);

    rc = rc != 0 ? rc : gather(s, from, n, true, &down);
    x = rc == 0 ? mem_try_calloc(up.n + down.n + 1, sizeof(*x)) : NULL;
    rc = x == NULL ? -ERR_NOMEM : 0;
    if (rc == 0) {
        put_bits(&w, n, 16);
        put_layout(&w, &s->v[from], &up, &down);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct native_histogram *h = &s->v[from + i];
        bool stale = sample_is_stale(h->sum);
        int64_t t = s->t_ms[from + i];
        int64_t now = i == 0 ? 0 : minus(t, s->t_ms[from + i - 1]);

        put_int(&w, i == 0 ? t : minus(now, delta));
        delta = now;
        put_value(&w, &head[0], stale ? 0 : h->count, i == 0);
        put_value(&w, &head[1], stale ? 0 : h->zero_count, i == 0);
        put_value(&w, &head[2], h->sum, i == 0);
        put_side(&w, x, &up, stale ? &NONE : &h->positive, i == 0);
        put_side(&w, x + up.n, &down, stale ? &NONE : &h->negative, i == 0);
    }
    mem_free(x);
    vec_done(&up);
    vec_done(&down);
    return rc;
}
