/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles agree with those of sorted values, whatever the order, ties, NaN and infinities.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "query/promql/eval.h"

enum { VALUES_MAX = 3000 };

static int nan_least(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    if (isnan(x) || isnan(y)) {
        return isnan(y) - isnan(x);
    }
    return (x > y) - (x < y);
}

static double by_sorting(double q, double *v, size_t n)
{
    double rank = q * (double)(n - 1);
    size_t lower = (size_t)floor(rank);
    size_t upper = lower + 1 < n ? lower + 1 : lower;
    double weight = rank - floor(rank);

    qsort(v, n, sizeof(*v), nan_least);
    return v[lower] * (1 - weight) + v[upper] * weight;
}

/* Ways to lay out n values: at random, few different, rising, falling, up and down, with NaN and infinities. */
enum layout { RANDOM, TIES, RISING, FALLING, ORGAN_PIPE, ODD, LAYOUTS };

static double value_at(enum layout how, uint64_t *seed, size_t i, size_t n)
{
    static const double ODDS[] = {NAN, -INFINITY, INFINITY, 0, -1, 1};

    switch (how) {
    case TIES:
        return (double)(random_next(seed) % 4);
    case RISING:
        return (double)i;
    case FALLING:
        return (double)(n - i);
    case ORGAN_PIPE:
        return (double)(i < n / 2 ? i : n - i);
    case ODD:
        return ODDS[random_next(seed) % ARRAY_LEN(ODDS)];
    default:
        return (double)(int64_t)random_next(seed);
    }
}

static void test_agrees_with_sorting(void **state)
{
    static const double QS[] = {0, 0.01, 0.25, 0.5, 0.9, 0.99, 1};
    static double v[VALUES_MAX];
    static double sorted[VALUES_MAX];
    uint64_t seed = 5;

    (void)state;
    for (int round = 0; round < 600; round++) {
        enum layout how = (enum layout)(round % LAYOUTS);
        size_t n = 1 + random_next(&seed) % (round % 50 == 0 ? VALUES_MAX : 300);
        double q = QS[random_next(&seed) % ARRAY_LEN(QS)];
        double want;
        double got;

        for (size_t i = 0; i < n; i++) {
            v[i] = value_at(how, &seed, i, n);
        }
        memcpy(sorted, v, n * sizeof(*v));
        want = by_sorting(q, sorted, n);
        got = quantile(q, v, n);
        assert_true(got == want || (isnan(got) && isnan(want)));
    }
}

static void test_no_quantile(void **state)
{
    double v[] = {3, 1, 2};

    (void)state;
    assert_true(isnan(quantile(0.5, v, 0)));
    assert_true(isnan(quantile(NAN, v, 3)));
    assert_true(quantile(-0.1, v, 3) == -INFINITY);
    assert_true(quantile(1.1, v, 3) == INFINITY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_sorting),
        cmocka_unit_test(test_no_quantile),
    };

    return cmocka_run_group_tests_name("quantile", tests, NULL, NULL);
}
