/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks as other Prometheus read them, decoded again by the reader of Prometheus' blocks; a chunk of floats byte by
 * byte as the format's description says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/prom_chunks.h"
#include "ingest/blocks/hist_chunk.h"
#include "ingest/blocks/xor_chunk.h"
#include "model/samples.h"

static void test_bytes(void **state)
{
    /* Two samples: count, varint 1000 -> zigzag 2000 = d0 0f, 1.0, uvarint 15000 = 98 75, then XOR of 1 and 2:
     * 7ff0.. has 1 leading and 52 trailing zeros: 11 00001 001011 (11 bits) and eleven ones. */
    static const char WANT[] = "\x00\x02\xd0\x0f\x3f\xf0\0\0\0\0\0\0\x98\x75\xc2\x5f\xff";
    const int64_t t[] = {1000, 16000};
    const double v[] = {1, 2};
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 1 << 10);
    prom_chunk_floats(t, v, 2, &b);
    assert_int_equal(b.n, sizeof(WANT) - 1);
    assert_memory_equal(b.data, WANT, b.n);
}

static void test_floats(void **state)
{
    static const int64_t STEPS[] = {15000,  15001,  1,       15000,    8191,
                                    100000, 600000, 5000000, 1LL << 40};
    struct samples got CLEANUP(samples_done) = {0};
    struct buf b CLEANUP(buf_done) = {0};
    int64_t t[PROM_CHUNK_SAMPLES];
    double v[PROM_CHUNK_SAMPLES];

    (void)state;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < PROM_CHUNK_SAMPLES; i++) {
        t[i] = i == 0 ? -5 : t[i - 1] + STEPS[i % ARRAY_LEN(STEPS)];
        v[i] = i % 7 == 0   ? (double)i
               : i % 5 == 0 ? NAN
               : i % 3 == 0 ? sample_stale()
                            : 1.0 / (double)i;
    }
    prom_chunk_floats(t, v, PROM_CHUNK_SAMPLES, &b);
    assert_int_equal(buf_status(&b), 0);
    assert_int_equal(xor_chunk_decode(buf_str(&b), &got), 0);
    assert_int_equal(got.n, PROM_CHUNK_SAMPLES);
    assert_memory_equal(got.t_ms, t, sizeof(t));
    assert_memory_equal(got.v, v, sizeof(v));
}

struct seen {
    const struct native_samples *want;
    size_t at;
};

static int check(void *arg, int64_t t_ms, const struct native_histogram *h, struct err *reterr)
{
    struct seen *s = arg;
    const struct native_histogram *w = &s->want->v[s->at];

    (void)reterr;
    assert_int_equal(t_ms, s->want->t_ms[s->at++]);
    if (sample_is_stale(w->sum)) {
        assert_true(sample_is_stale(h->sum));
    } else {
        assert_true(native_eq(h, w));
        assert_int_equal(h->hint == NATIVE_GAUGE, w->hint == NATIVE_GAUGE);
    }
    return 0;
}

enum { POINTS = 300 };

/** Rising counts of up to five buckets on each side; every `reset` they begin anew, at `stale` the series ends. */
static void make(struct native_samples *s, int32_t schema, uint8_t hint, size_t reset, size_t stale)
{
    s->t_ms = mem_try_calloc(POINTS, sizeof(*s->t_ms));
    s->v = mem_try_calloc(POINTS, sizeof(*s->v));
    s->buckets = mem_try_calloc((size_t)POINTS * 10, sizeof(*s->buckets));
    s->bounds = mem_try_calloc(8, sizeof(*s->bounds));
    s->n = POINTS;
    for (size_t i = 0; i < 8; i++) {
        s->bounds[i] = (double)i * 1.37 - 2;
    }
    for (size_t i = 0; i < POINTS; i++) {
        struct native_histogram *h = &s->v[i];
        size_t k = i % reset;

        s->t_ms[i] = 1700000000000 + (int64_t)i * 15000 + (int64_t)(i % 3);
        h->schema = schema;
        h->hint = hint;
        h->positive.v = s->buckets + i * 10;
        h->negative.v = h->positive.v + 5;
        for (size_t n = 0; n < 5; n++) {
            if (k >= n * 2) {
                h->positive.v[h->positive.n++] =
                    (struct native_bucket){(int32_t)n * 3 / 2, (double)(k + 1) * 1.5};
                h->count += (double)(k + 1) * 1.5;
            }
            if (schema != NATIVE_SCHEMA_CUSTOM && k >= n * 3) {
                h->negative.v[h->negative.n++] =
                    (struct native_bucket){(int32_t)n * 7 - 9, (double)(k + 2)};
                h->count += (double)(k + 2);
            }
        }
        if (schema == NATIVE_SCHEMA_CUSTOM) {
            h->bounds = s->bounds;
            h->bounds_n = 8;
        } else {
            h->zero_threshold = i < POINTS / 2 ? 0x1p-128 : 0.001;
            h->zero_count = (double)k;
            h->count += (double)k;
        }
        h->sum = (double)i * 0.3;
        if (i == stale) {
            *h = (struct native_histogram){.sum = sample_stale()};
        }
    }
}

static void test_histograms(void **state)
{
    static const struct {
        int32_t schema;
        uint8_t hint;
        size_t reset, stale;
    } CASES[] = {{3, NATIVE_UNKNOWN, 1000, 1000},
                 {0, NATIVE_UNKNOWN, 70, 130},
                 {-4, NATIVE_GAUGE, 5, 0},
                 {NATIVE_SCHEMA_CUSTOM, NATIVE_UNKNOWN, 90, 7}};
    struct hist_chunk scratch = {0};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(CASES); c++) {
        struct native_samples s = {0};
        struct seen seen = {.want = &s};
        size_t chunks = 0;

        make(&s, CASES[c].schema, CASES[c].hint, CASES[c].reset, CASES[c].stale);
        for (size_t at = 0; at < POINTS; chunks++) {
            struct buf b CLEANUP(buf_done) = {0};
            size_t n = prom_chunk_run(&s, at, POINTS);

            assert_true(n > 0 && n <= PROM_CHUNK_SAMPLES);
            buf_init(&b, 1 << 20);
            assert_int_equal(prom_chunk_histograms(&s, at, n, &b), 0);
            assert_int_equal(buf_status(&b), 0);
            assert_int_equal(hist_chunk_decode(&scratch, buf_str(&b), true, check, &seen, NULL), 0);
            at += n;
            assert_int_equal(seen.at, at);
        }
        assert_true((int)chunks >= 3 + (CASES[c].stale < POINTS && CASES[c].stale != 0));
        native_samples_done(&s);
    }
    hist_chunk_done(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_histograms),
    };

    return cmocka_run_group_tests_name("prom_chunks", tests, NULL, NULL);
}
