/* SPDX-License-Identifier: Apache-2.0
 *
 * A block of native histograms written by Prometheus 3.5 (see README.md), read back value by value; its chunks cut off and
 * with every bit flipped; numbers in their bits.
 */
#include "ingest/blocks/hist_chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ingest/blocks/block.h"
#include "model/samples.h"

enum { POINTS = 200, STALE_AT = 150 };

static const int64_t START = 1700000000000;

struct seen {
    size_t n[5]; /* by series: c, f, g, h, w */
    size_t floats;
};

static void check_buckets(const struct native_buckets *b, const int32_t *indexes,
                          const double *counts, size_t n)
{
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        if (counts[i] != 0) {
            assert_true(k < b->n);
            assert_int_equal(b->v[k].index, indexes[i]);
            assert_true(b->v[k++].count == counts[i]);
        }
    }
    assert_int_equal(k, b->n);
}

/* Integer counts of schema 3 on both sides that rise and, at 90, begin anew; stale at STALE_AT. */
static void check_h(size_t i, const struct native_histogram *h)
{
    static const int32_t UP[] = {-3, -2, 5};
    static const int32_t DOWN[] = {2};
    const double k = (double)(i < 90 ? i : i - 90);
    const double up[] = {k, 2 * k, k * k};
    const double down[] = {3 * k};

    if (i == STALE_AT) {
        assert_true(sample_is_stale(h->sum));
        return;
    }
    assert_int_equal(h->schema, 3);
    assert_true(h->count == 7 * k + k * k && h->zero_count == k && h->sum == 1.5 * k);
    assert_true(h->zero_threshold == 0.001);
    check_buckets(&h->positive, UP, up, 3);
    check_buckets(&h->negative, DOWN, down, 1);
    assert_true(h->hint != NATIVE_GAUGE);
}

/* Float counts. */
static void check_f(size_t i, const struct native_histogram *h)
{
    static const int32_t AT[] = {0, 1};
    const double counts[] = {0.25 * (double)i, 0.1 * (double)i};

    assert_int_equal(h->schema, -2);
    assert_true(h->zero_count == 0.5 && h->sum == -(double)i);
    assert_true(h->zero_threshold == ldexp(1, -128));
    check_buckets(&h->positive, AT, counts, 2);
}

/* Custom bounds, among them one that is no decimal of three digits. */
static void check_c(size_t i, const struct native_histogram *h)
{
    static const int32_t AT[] = {0, 2, 3};
    const double counts[] = {(double)i, 1, 2 * (double)i};

    assert_int_equal(h->schema, NATIVE_SCHEMA_CUSTOM);
    assert_int_equal(h->bounds_n, 3);
    assert_true(h->bounds[0] == 0.005 && h->bounds[1] == 1.0 / 3 && h->bounds[2] == 1e9);
    assert_true(h->count == 3 * (double)i + 1);
    check_buckets(&h->positive, AT, counts, 3);
}

/* A gauge that goes up and down. */
static void check_g(size_t i, const struct native_histogram *h)
{
    static const int32_t AT[] = {100};
    const double counts[] = {(double)(i % 7)};

    assert_int_equal(h->hint, NATIVE_GAUGE);
    assert_int_equal(h->schema, 0);
    check_buckets(&h->positive, AT, counts, 1);
}

/* Buckets of every size of number. */
static void check_w(size_t i, const struct native_histogram *h)
{
    static const int32_t AT[] = {1};
    const double counts[] = {(double)(UINT64_C(1) << (i % 50))};

    assert_true(h->count == counts[0]);
    check_buckets(&h->positive, AT, counts, 1);
}

static int on_histogram(void *arg, struct labels labels, int64_t t_ms,
                        const struct native_histogram *h, struct err *reterr)
{
    static const struct {
        const char *name;
        void (*check)(size_t i, const struct native_histogram *h);
    } SERIES[] = {{"c", check_c}, {"f", check_f}, {"g", check_g}, {"h", check_h}, {"w", check_w}};
    struct seen *s = arg;

    (void)reterr;
    for (size_t k = 0; k < ARRAY_LEN(SERIES); k++) {
        if (str_eq(labels_get(labels, STR("__name__")), str_cstr(SERIES[k].name))) {
            assert_int_equal(t_ms, START + (int64_t)s->n[k] * 15000 + (int64_t)(s->n[k] % 4));
            SERIES[k].check(s->n[k]++, h);
            return 0;
        }
    }
    fail_msg("a series that was not there");
    return 0;
}

static int on_series(void *arg, struct labels labels, const struct samples *s, struct err *reterr)
{
    (void)labels;
    (void)reterr;
    ((struct seen *)arg)->floats += s->n;
    return 0;
}

static void test_real_block(void **state)
{
    struct prom_block *b = NULL;
    struct prom_block_counts counts;
    struct seen seen = {0};
    const struct prom_block_visitor v = {&seen, on_series, on_histogram};
    struct err e = {0};

    (void)state;
    if (prom_block_open(TEST_DATA "/block_native", &b, &e) != 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(prom_block_each(b, &v, &counts, &e), 0);
    for (size_t k = 0; k < ARRAY_LEN(seen.n); k++) {
        assert_int_equal(seen.n[k], POINTS);
    }
    assert_int_equal(counts.series, 5);
    assert_int_equal(counts.histograms, 5 * POINTS);
    assert_int_equal(counts.samples + seen.floats + counts.unknown_chunks, 0);
    prom_block_close(b);
}

static int count(void *arg, int64_t t_ms, const struct native_histogram *h, struct err *reterr)
{
    (void)t_ms;
    (void)reterr;
    assert_true(sample_is_stale(h->sum) || native_validate(h, false, NULL) == 0);
    ++*(size_t *)arg;
    return 0;
}

/* A writer of bits for test_small(). */
struct bits {
    uint8_t v[64];
    size_t n;
};

static void put(struct bits *b, uint64_t v, unsigned n)
{
    while (n-- > 0) {
        b->v[b->n / 8] |= (uint8_t)((v >> n & 1) << (7 - b->n % 8));
        b->n++;
    }
}

/* Two samples, schema 0, one bucket, integer counts: 1 at t = 8, then 3 at t = 18. */
static void test_small(void **state)
{
    struct bits b = {.n = 0};
    struct hist_chunk c = {0};
    size_t n = 0;

    (void)state;
    put(&b, 2, 16);
    put(&b, 0, 8);
    put(&b, 0, 8);          /* threshold */
    put(&b, 0, 1);          /* schema 0 */
    put(&b, 0x10 | 1, 5);   /* one span */
    put(&b, 0x10 | 1, 5);   /* of one bucket */
    put(&b, 0x10 | 1, 5);   /* at 1 */
    put(&b, 0, 1);          /* no negative ones */
    put(&b, 6 << 6 | 8, 9); /* t = 8 */
    put(&b, 0x10 | 1, 5);   /* count 1 */
    put(&b, 0, 1);          /* zero count */
    put(&b, 0, 64);         /* sum */
    put(&b, 0x10 | 1, 5);   /* bucket */
    put(&b, 6 << 6 | 10, 9);
    put(&b, 0x10 | 2, 5);
    put(&b, 0, 1);
    put(&b, 0, 1); /* the same sum */
    put(&b, 0x10 | 2, 5);
    assert_int_equal(
        hist_chunk_decode(&c, str_of((char *)b.v, (b.n + 7) / 8), false, count, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(c.h.count == 3 && c.h.positive.n == 1 && c.h.positive.v[0].count == 3);
    assert_int_equal(c.h.positive.v[0].index, 1);
    for (size_t cut = 0; cut < b.n / 8; cut++) {
        n = 0;
        assert_int_equal(hist_chunk_decode(&c, str_of((char *)b.v, cut), false, count, &n, NULL),
                         -ERR_CORRUPT);
    }
    for (size_t bit = 0; bit < b.n; bit++) { /* anything but a crash or an invalid histogram */
        b.v[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
        for (int floats = 0; floats < 2; floats++) {
            int rc = hist_chunk_decode(&c, str_of((char *)b.v, (b.n + 7) / 8), floats != 0, count,
                                       &n, NULL);

            assert_true(rc == 0 || rc == -ERR_CORRUPT);
        }
        b.v[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
    }
    hist_chunk_done(&c);
}

static void test_varbits(void **state)
{
    static const struct {
        uint64_t bits;
        unsigned n;
        uint64_t u;
        int64_t i;
    } ROWS[] = {
        {0, 1, 0, 0},
        {0x10 | 7, 5, 7, -1},
        {0x10 | 4, 5, 4, 4},
        {0x10 | 5, 5, 5, -3},
        {6 << 6 | 32, 9, 32, 32},
        {14 << 9 | 257, 13, 257, -255},
        {30 << 12 | 4095, 17, 4095, -1},
        {62 << 18 | 1, 24, 1, 1},
        {126u << 25 | 3, 32, 3, 3},
        {UINT64_C(254) << 56 | 9, 64, 9, 9},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct bits b = {.n = 0};
        struct chunk_reader r;

        put(&b, ROWS[i].bits, ROWS[i].n);
        r = chunk_reader(str_of((char *)b.v, 9));
        assert_int_equal(chunk_varbit_uint(&r), ROWS[i].u);
        r = chunk_reader(str_of((char *)b.v, 9));
        assert_int_equal(chunk_varbit_int(&r), ROWS[i].i);
        assert_false(r.bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_block),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_varbits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
