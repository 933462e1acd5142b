/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets become runs of neighbours. A histogram of the exposition that has no bucket at all gets an empty run, by
 * which readers tell it from a classic one.
 */
#include "api/native_encode.h"

#include <math.h>

#include "model/samples.h"

/** Numbers of the fields that both messages have. */
struct fields {
    uint32_t count, sum, schema, threshold, zero;
    uint32_t spans[2]; /* negative, positive; the next number: differences, then counts */
};

/** Beyond it not every integer is a double. */
#define WHOLE_MAX 0x1p53

static void put_span(struct buf *dst, uint32_t num, int64_t offset, size_t length)
{
    size_t span = pb_begin(dst, num);

    pb_put_varint(dst, 1, zigzag_encode(offset));
    pb_put_varint(dst, 2, length);
    pb_end(dst, span);
}

static void put_doubles(struct buf *dst, uint32_t num, const void *first, size_t n, size_t stride)
{
    size_t list = pb_begin(dst, num);

    for (size_t i = 0; i < n; i++) {
        buf_add(dst, (const char *)first + i * stride, sizeof(double));
    }
    pb_end(dst, list);
}

static void put_deltas(struct buf *dst, uint32_t num, const struct native_buckets *b)
{
    size_t list = pb_begin(dst, num);
    int64_t before = 0;

    for (size_t i = 0; i < b->n; i++) {
        int64_t count = (int64_t)b->v[i].count;
        uint8_t bytes[VARINT_MAX];

        buf_add(dst, bytes, varint_put(bytes, zigzag_encode(count - before)));
        before = count;
    }
    pb_end(dst, list);
}

static void put_buckets(struct buf *dst, uint32_t spans, bool whole, const struct native_buckets *b)
{
    int64_t end = 0; /* index after the run before */

    for (size_t i = 0; i < b->n;) {
        size_t n = 1;

        while (i + n < b->n && b->v[i + n].index == b->v[i].index + (int64_t)n) {
            n++;
        }
        put_span(dst, spans, b->v[i].index - end, n);
        end = b->v[i].index + (int64_t)n;
        i += n;
    }
    if (b->n != 0 && whole) {
        put_deltas(dst, spans + 1, b);
    } else if (b->n != 0) {
        put_doubles(dst, spans + 2, &b->v[0].count, b->n, sizeof(b->v[0]));
    }
}

static bool is_whole(double v)
{
    return v >= 0 && v <= WHOLE_MAX && v == trunc(v);
}

static bool all_whole(const struct native_buckets *b)
{
    for (size_t i = 0; i < b->n; i++) {
        if (!is_whole(b->v[i].count)) {
            return false;
        }
    }
    return true;
}

/** Would it be a valid one of integers? */
static bool can_be_integer(const struct native_histogram *h)
{
    return !native_is_custom(h) && is_whole(h->count) && is_whole(h->zero_count) &&
           all_whole(&h->positive) && all_whole(&h->negative) &&
           native_validate(h, true, NULL) == 0;
}

void native_encode(enum native_form form, const struct native_histogram *h, struct buf *dst)
{
    static const struct fields FORMS[] = {
        [NATIVE_WRITE] = {2, 3, 4, 5, 7, {8, 11}},
        [NATIVE_EXPOSITION] = {4, 2, 5, 6, 8, {9, 12}},
    };
    const struct native_histogram stale = {.sum = h->sum};
    const struct fields *f = &FORMS[form];
    bool whole;

    h = sample_is_stale(h->sum) ? &stale : h;
    whole = form == NATIVE_WRITE && can_be_integer(h);
    if (whole) { /* the integers' fields come before those of the doubles */
        pb_put_varint(dst, f->count - 1, (uint64_t)h->count);
        pb_put_varint(dst, f->zero - 1, (uint64_t)h->zero_count);
    } else {
        pb_put_f64(dst, f->count, h->count);
        pb_put_f64(dst, f->zero, h->zero_count);
    }
    pb_put_f64(dst, f->sum, h->sum);
    pb_put_varint(dst, f->schema, zigzag_encode(h->schema));
    pb_put_f64(dst, f->threshold, h->zero_threshold);
    put_buckets(dst, f->spans[0], whole, &h->negative);
    put_buckets(dst, f->spans[1], whole, &h->positive);
    if (form == NATIVE_EXPOSITION) {
        if (h->negative.n == 0 && h->positive.n == 0) {
            put_span(dst, f->spans[1], 0, 0);
        }
        return;
    }
    pb_put_varint(dst, 14, h->hint);
    if (h->bounds_n != 0) {
        put_doubles(dst, 16, h->bounds, h->bounds_n, sizeof(*h->bounds));
    }
}
