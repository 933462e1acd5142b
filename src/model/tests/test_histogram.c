/* SPDX-License-Identifier: Apache-2.0
 *
 * Native histograms: the wire form and what it refuses, bounds, arithmetic across schemas and zero buckets, resets,
 * estimates. Expected numbers are worked out by hand or from the specification's formulas.
 */
#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/histogram.h"

/** Buckets 1.. with the given counts on the positive side; sum and count add up. */
static void fill(struct native_histogram *h, int32_t schema, int32_t first, const double *v,
                 size_t n)
{
    native_clear(h);
    h->schema = schema;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(native_push(&h->positive, first + (int32_t)i, v[i]), 0);
        h->count += v[i];
    }
    h->sum = h->count;
}

static void assert_near(double got, double want, double off)
{
    assert_true(fabs(got - want) <= off);
}

static void test_bounds(void **state)
{
    static const struct {
        int32_t index, schema;
        double bound;
    } CASES[] = {
        {0, 0, 1},
        {1, 0, 2},
        {-1, 0, 0.5},
        {1024, 0, DBL_MAX},
        {1025, 0, INFINITY},
        {-1075, 0, 0},
        {1, -4, 65536},
        {64, -4, DBL_MAX},
        {65, -4, INFINITY},
        {1, 1, 2 * 0.7071067811865475},
        {1, 2, 2 * 0.5946035575013605},
        {3, 2, 2 * 0.8408964152537144},
        {1, 3, 2 * 0.5452538663326288},
        {7, 3, 2 * 0.9170040432046711},
        {31, 5, 2 * 0.9785720620876999},
        {63, 6, 2 * 0.9892280131939752},
        {3, 7, 2 * 0.5081891574554764},
        {INT32_MAX, 0, INFINITY},
        {INT32_MIN, 8, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        double got = native_bound(CASES[i].index, CASES[i].schema);

        assert_memory_equal(&got, &CASES[i].bound, sizeof(got));
    }
}

static void test_spans(void **state)
{
    static const struct {
        struct native_span spans[3];
        size_t spans_n;
        int64_t deltas[5];
        size_t n;
        const char *error; /* NULL: fine */
    } CASES[] = {
        {{{-2, 2}, {3, 1}}, 2, {1, 1, -1}, 3, NULL},
        {{{0, 0}, {0, 2}}, 2, {1, 1}, 2, NULL},
        {{{0, 2}, {-1, 1}},
         2,
         {1, 1, 1},
         3,
         "positive side: span number 2 with offset -1: histogram has a span whose offset is negative"},
        {{{0, 3}},
         1,
         {1, 1},
         2,
         "positive side: spans need 3 buckets, have 2 buckets: histogram spans specify different number of buckets "
         "than provided"},
        {{{0, 2}},
         1,
         {1, -2},
         2,
         "positive side: bucket number 2 has observation count of -1: histogram has a bucket whose observation count "
         "is negative"},
        {{{0, 4000000000u}}, 1, {1}, 1, "positive side: more than 65536 buckets"},
        {{{2147483647, 2}}, 1, {1, 1}, 2, "positive side: bucket index 2147483648 is out of range"},
        {{{0, 2}}, 1, {INT64_MAX, 1}, 2, "positive side: bucket counts overflow"},
    };
    struct native_histogram h CLEANUP(native_done) = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        const struct native_side side = {.spans = CASES[i].spans,
                                         .spans_n = CASES[i].spans_n,
                                         .deltas = CASES[i].deltas,
                                         .counts_n = CASES[i].n};
        struct err e = {0};
        int rc = native_from_spans(&h, false, &side, &e);

        assert_int_equal(rc < 0, CASES[i].error != NULL);
        if (CASES[i].error != NULL) {
            assert_string_equal(e.msg, CASES[i].error);
        }
        if (i == 0) {
            assert_int_equal(h.positive.n, 3);
            assert_int_equal(h.positive.v[0].index, -2);
            assert_int_equal(h.positive.v[2].index, 3);
            assert_true(h.positive.v[1].count == 2 && h.positive.v[2].count == 1);
        }
    }
}

static void test_validate(void **state)
{
    static const double ONE[] = {1, 2};
    struct native_histogram h CLEANUP(native_done) = {0};
    struct err e = {0};

    (void)state;
    fill(&h, 0, 1, ONE, 2);
    assert_int_equal(native_validate(&h, true, &e), 0);
    h.count = 4;
    assert_int_equal(native_validate(&h, true, &e), -ERR_INVALID);
    assert_string_equal(
        e.msg, "3 observations found in buckets, but the Count field is 4: histogram's observation "
               "count should equal the number of observations found in the buckets");
    assert_int_equal(native_validate(&h, false, &e), 0);
    h.sum = NAN; /* one NaN observed */
    assert_int_equal(native_validate(&h, true, &e), 0);
    h.positive.v[1].count = -1;
    assert_int_equal(native_validate(&h, false, &e), -ERR_INVALID);
    assert_string_equal(e.msg, "positive side: bucket number 2 has observation count of -1: "
                               "histogram has a bucket whose observation count is negative");
    h.positive.v[1].count = 2;
    h.schema = 9;
    assert_int_equal(native_validate(&h, false, &e), -ERR_INVALID);
    h.schema = NATIVE_SCHEMA_CUSTOM;
    assert_int_equal(native_validate(&h, false, &e), -ERR_INVALID); /* no bounds */
    assert_int_equal(native_push_bound(&h, 1), 0);
    assert_int_equal(native_push_bound(&h, 2), 0);
    assert_int_equal(native_validate(&h, false, &e), 0);
    h.bounds[1] = 1;
    assert_int_equal(native_validate(&h, false, &e), -ERR_INVALID);
    h.bounds[1] = INFINITY;
    assert_int_equal(native_validate(&h, false, &e), -ERR_INVALID);
}

static void test_add(void **state)
{
    static const double A[] = {1, 2, 3, 4};
    static const double B[] = {10, 20};
    struct native_histogram a CLEANUP(native_done) = {0};
    struct native_histogram b CLEANUP(native_done) = {0};

    (void)state;
    fill(&a, 1, 1, A, 4); /* schema 0: 1: 1 + 2, 2: 3 + 4 */
    fill(&b, 0, 2, B, 2);
    assert_int_equal(native_add(&a, &b, NULL), NATIVE_OK);
    assert_int_equal(a.schema, 0);
    assert_int_equal(a.positive.n, 3);
    assert_true(a.positive.v[0].count == 3 && a.positive.v[1].count == 17 &&
                a.positive.v[2].count == 20);
    assert_true(a.count == 40 && a.sum == 40);
    fill(&a, 1, 1, A, 4);
    assert_int_equal(native_sub(&b, &a, NULL), NATIVE_OK);
    assert_int_equal(b.positive.v[0].index, 1);
    assert_true(b.positive.v[0].count == -3 && b.positive.v[1].count == 3 &&
                b.positive.v[2].count == 20);
    b.schema = NATIVE_SCHEMA_CUSTOM;
    assert_int_equal(native_add(&b, &a, NULL), NATIVE_MIXED_SCHEMAS);
    a.schema = NATIVE_SCHEMA_CUSTOM;
    assert_int_equal(native_push_bound(&a, 1), 0);
    assert_int_equal(native_add(&b, &a, NULL), NATIVE_MIXED_BOUNDS);
}

static void test_zero_bucket(void **state)
{
    static const double A[] = {1, 2, 3, 4}; /* (0.25,0.5] (0.5,1] (1,2] (2,4] */
    struct native_histogram a CLEANUP(native_done) = {0};
    struct native_histogram b CLEANUP(native_done) = {0};

    (void)state;
    fill(&a, 0, -1, A, 4);
    b.zero_threshold = 0.6; /* inside (0.5, 1]: moves to 1 */
    b.zero_count = 5;
    b.count = 5;
    assert_int_equal(native_add(&a, &b, NULL), NATIVE_OK);
    assert_true(a.zero_threshold == 1 && a.zero_count == 8 && a.count == 15);
    assert_int_equal(a.positive.n, 2);
    assert_int_equal(a.positive.v[0].index, 1);

    fill(&a, 0, -1, A, 4); /* the other way round */
    assert_int_equal(native_add(&b, &a, NULL), NATIVE_OK);
    assert_true(b.zero_threshold == 1 && b.zero_count == 8 && b.count == 15);
    assert_int_equal(b.positive.n, 2);
}

static void test_reset(void **state)
{
    static const double A[] = {1, 2, 3};
    static const double B[] = {1, 2, 4};
    static const double C[] = {2, 1, 4};
    struct native_histogram a CLEANUP(native_done) = {0};
    struct native_histogram b CLEANUP(native_done) = {0};

    (void)state;
    fill(&a, 0, 1, A, 3);
    fill(&b, 0, 1, B, 3);
    assert_false(native_is_reset(&b, &a, false));
    assert_true(native_is_reset(&a, &b, false));
    assert_false(native_is_reset(&a, &a, false));
    fill(&b, 0, 1, C, 3); /* more in all, less in one bucket */
    assert_true(native_is_reset(&b, &a, false));
    fill(&b, 0, 1, B, 3);
    b.hint = NATIVE_RESET;
    assert_true(native_is_reset(&b, &a, false));
    fill(&b, 1, 1, B, 3); /* finer than before */
    assert_true(native_is_reset(&b, &a, false));
    fill(&a, 1, 3, A, 3); /* coarser than before: (3,4) and 5 merge to 2 and 3 */
    fill(&b, 0, 2, A, 3);
    b.positive.v[0].count = 3;
    b.positive.v[1].count = 3;
    assert_false(native_is_reset(&b, &a, false));
    b.positive.v[0].count = 2;
    assert_true(native_is_reset(&b, &a, false));
}

static void test_estimates(void **state)
{
    static const double A[] = {10, 10, 10};
    struct native_histogram h CLEANUP(native_done) = {0};

    (void)state;
    fill(&h, 0, 1, A, 3); /* (1,2] (2,4] (4,8] */
    assert_true(native_quantile(&h, -1) == -INFINITY && native_quantile(&h, 2) == INFINITY);
    assert_true(isnan(native_quantile(&h, NAN)));
    assert_near(native_quantile(&h, 0), 1, 0);
    assert_near(native_quantile(&h, 1), 8, 0);
    assert_near(native_quantile(&h, 0.5), 2 * sqrt(2), 1e-6);
    assert_near(native_fraction(&h, 2, 4), 1.0 / 3, 1e-6);
    assert_near(native_fraction(&h, -INFINITY, 2 * sqrt(2)), 0.5, 1e-6);
    h.zero_count = 30;
    h.zero_threshold = 1;
    h.count = 60;
    assert_near(native_quantile(&h, 0.25), 0.5, 1e-6); /* only the positive half */
    fill(&h, NATIVE_SCHEMA_CUSTOM, 0, A, 3);
    assert_int_equal(native_push_bound(&h, 1), 0);
    assert_int_equal(native_push_bound(&h, 3), 0);
    assert_near(native_quantile(&h, 0.5), 2, 1e-6);
    assert_near(native_quantile(&h, 1), 3, 0);
}

static void test_walk(void **state)
{
    static const double A[] = {1, 2};
    struct native_histogram h CLEANUP(native_done) = {0};
    static const double WANT[][3] = {{-4, -2, 7}, {-1, 1, 5}, {1, 2, 1}, {2, 4, 2}};
    struct native_range r;
    size_t n = 0;

    (void)state;
    fill(&h, 0, 1, A, 2);
    assert_int_equal(native_push(&h.negative, 2, 7), 0);
    h.zero_count = 5;
    h.zero_threshold = 1;
    for (struct native_iter it = native_iter(&h, false); native_next(&it, &r); n++) {
        assert_true(n < 4 && r.lower == WANT[n][0] && r.upper == WANT[n][1] &&
                    r.count == WANT[n][2]);
    }
    assert_int_equal(n, 4);
    for (struct native_iter it = native_iter(&h, true); native_next(&it, &r);) {
        n--;
        assert_true(r.lower == WANT[n][0] && r.upper == WANT[n][1] && r.count == WANT[n][2]);
    }
    assert_int_equal(n, 0);
}

static void test_copies(void **state)
{
    static const double A[] = {1, 0, 2};
    struct native_histogram h CLEANUP(native_done) = {0};
    struct native_histogram c CLEANUP(native_done) = {0};
    struct arena a CLEANUP(arena_done) = {0};
    const struct native_histogram *d;

    (void)state;
    arena_init(&a, 1 << 16);
    fill(&h, 3, -1, A, 3);
    h.hint = NATIVE_GAUGE;
    assert_int_equal(native_copy(&c, &h), 0);
    assert_true(native_eq(&c, &h));
    d = native_dup(&h, &a);
    assert_non_null(d);
    assert_true(native_eq(d, &h) && d->hint == NATIVE_GAUGE);
    native_compact(&c);
    assert_int_equal(c.positive.n, 2);
    assert_false(native_eq(&c, &h));
    native_compact(&h);
    assert_true(native_eq(&c, &h));
    native_mul(&c, -2);
    assert_true(c.count == -6 && c.positive.v[1].count == -4);
    native_div(&c, 0);
    assert_true(c.positive.n == 0 && isinf(c.count));
    mem_fail_after(0);
    assert_int_equal(native_add(&h, d, NULL), -ERR_NOMEM);
    mem_fail_after(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),      cmocka_unit_test(test_spans),
        cmocka_unit_test(test_validate),    cmocka_unit_test(test_add),
        cmocka_unit_test(test_zero_bucket), cmocka_unit_test(test_reset),
        cmocka_unit_test(test_estimates),   cmocka_unit_test(test_walk),
        cmocka_unit_test(test_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
