/* SPDX-License-Identifier: Apache-2.0
 *
 * The histogram's promise: any percentile within 1 % of the value of that rank, whatever the durations are, and the
 * same after any merging.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/latency.h"
#include "base/alloc.h"
#include "base/random.h"

static void test_buckets(void **state)
{
    double last = 0;

    (void)state;
    assert_int_equal(latency_bucket(-5), 0);
    assert_int_equal(latency_bucket(0), 0);
    assert_int_equal(latency_bucket(1), 0);
    /* bounds belong to the bucket below them, as in native histograms: 1 s = 2^(0/64) */
    assert_int_equal(latency_bucket(1000000000), -LATENCY_INDEX_MIN);
    assert_int_equal(latency_bucket(1000000001), -LATENCY_INDEX_MIN + 1);
    assert_int_equal(latency_bucket(2000000000), -LATENCY_INDEX_MIN + 64);
    assert_int_equal(latency_bucket(INT64_MAX), LATENCY_BUCKETS - 1);
    for (unsigned b = 0; b < LATENCY_BUCKETS; b++) {
        double v = latency_value_ns((uint16_t)b);

        assert_true(v > last);
        last = v;
        if (b > 200) { /* where a nanosecond is finer than a bucket */
            assert_int_equal(latency_bucket((int64_t)v), b);
        }
    }
    for (int64_t ns = 1000; ns < 3600ll * 1000000000; ns += ns / 97 + 1) {
        double v = latency_value_ns(latency_bucket(ns));

        if (fabs(v - (double)ns) > 0.0055 * (double)ns) {
            fail_msg("%lld ns stands as %f", (long long)ns, v);
        }
    }
}

static int cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

enum { N = 20000, PARTS = 37 };

static void test_percentiles(void **state)
{
    static const double QS[] = {0.001, 0.5, 0.9, 0.95, 0.99, 0.999, 1};
    int64_t *v = mem_xcalloc(N, sizeof(*v));
    struct latency_dense *d = mem_xcalloc(1, sizeof(*d));

    (void)state;
    for (uint64_t shape = 0; shape < 4; shape++) {
        struct latency_sparse parts[PARTS] = {{0}};
        uint64_t r = shape + 1;
        int64_t budget = 10 << 20;
        int64_t given = 0;
        int64_t taken;

        for (size_t i = 0; i < N; i++) {
            double x = (double)(random_next(&r) >> 11) * 0x1p-53;

            v[i] = shape == 0   ? 1000 + (int64_t)(x * 1e9)            /* flat */
                   : shape == 1 ? (int64_t)(1e6 * exp(8 * x))          /* over many powers */
                   : shape == 2 ? (i % 10 == 0 ? 5000000000 : 2000000) /* two peaks */
                                : 123456789;                           /* one value */
            assert_true(latency_sparse_add(&parts[i % PARTS], latency_bucket(v[i]), &budget));
        }
        taken = (10 << 20) - budget;
        latency_dense_init(d);
        for (size_t i = 0; i < PARTS; i++) {
            latency_merge(d, &parts[i]);
        }
        assert_int_equal(d->total, N);
        qsort(v, N, sizeof(*v), cmp);
        for (size_t i = 0; i < ARRAY_LEN(QS); i++) {
            double want = (double)v[(size_t)ceil(QS[i] * N) - 1];
            double got = latency_quantile_ns(d, QS[i], (double)v[N - 1]);

            if (fabs(got - want) > 0.01 * want) {
                fail_msg("shape %llu: p%g is %f, not %f", (unsigned long long)shape, 100 * QS[i],
                         got, want);
            }
        }
        for (size_t i = 0; i < PARTS; i++) {
            given += latency_sparse_done(&parts[i]);
        }
        assert_int_equal(given, taken);
        latency_dense_clear(d);
        assert_int_equal(latency_quantile_ns(d, 0.5, 0), 0);
        for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
            assert_int_equal(d->v[i], 0);
        }
    }
    mem_free(v);
    mem_free(d);
}

static void test_limits(void **state)
{
    struct latency_sparse s = {0};
    int64_t budget = 48; /* eight entries */

    (void)state;
    for (uint16_t i = 0; i < 8; i++) {
        assert_true(latency_sparse_add(&s, (uint16_t)(100 - i), &budget));
    }
    assert_int_equal(budget, 0);
    assert_false(latency_sparse_add(&s, 7, &budget));
    assert_true(latency_sparse_add(&s, 97, &budget)); /* known */
    assert_int_equal(s.n, 8);
    latency_sparse_clear(&s);
    budget = 1000;
    for (uint16_t i = 0; i < 8; i++) {
        assert_true(latency_sparse_add(&s, i, &budget));
    }
    assert_int_equal(budget, 1000); /* the memory was kept */
    mem_fail_after(0);
    assert_false(latency_sparse_add(&s, 9, &budget));
    mem_fail_after(-1);
    assert_int_equal(s.n, 8);
    assert_int_equal(latency_sparse_done(&s), 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
