/* SPDX-License-Identifier: Apache-2.0
 *
 * Decimals of doubles: known hard cases, and for random bits the three properties that define the answer:
 * it reads back, no shorter one does, and no other of its length is closer.
 */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

static const struct {
    double v;
    uint64_t digits;
    int exponent;
} CASES[] = {
    {0, 0, 0},
    {1, 1, 0},
    {10, 1, 1},
    {0.1, 1, -1},
    {0.3, 3, -1},
    {1.0 / 3, 3333333333333333, -16},
    {2.0 / 3, 6666666666666666, -16},
    {123456789, 123456789, 0},
    {1e21, 1, 21},
    {1e22, 1, 22},
    {1e23, 1, 23},
    {9007199254740993.0, 9007199254740992, 0},
    {5e-324, 5, -324},
    {DBL_MIN, 22250738585072014, -324},
    {DBL_MAX, 17976931348623157, 292},
    {4.35, 435, -2},
    {9.5367431640625e-07, 95367431640625, -20}, /* 2^-20: the interval below is narrow */
    {8.41e21, 841, 19},
    {2.2250738585072011e-308, 2225073858507201, -323}, /* subnormal */
    {1795271220.123, 1795271220123, -3},
};

static void test_known(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct decimal d = decimal_shortest(CASES[i].v);

        assert_int_equal(d.digits, CASES[i].digits);
        assert_int_equal(d.exponent, CASES[i].exponent);
    }
}

/** The digits that printf rounds to, correctly rounded by libc. */
static struct decimal printed(double v, int precision)
{
    char text[40];
    char *e;
    struct decimal d = {0};

    snprintf(text, sizeof(text), "%.*e", precision - 1, v);
    e = strchr(text, 'e');
    for (const char *c = text; c < e; c++) {
        if (*c != '.') {
            d.digits = d.digits * 10 + (uint64_t)(*c - '0');
        }
    }
    d.exponent = (int)strtol(e + 1, NULL, 10) - precision + 1;
    return d;
}

static double read_back(struct decimal d)
{
    char text[40];

    snprintf(text, sizeof(text), "%llue%d", (unsigned long long)d.digits, d.exponent);
    return strtod(text, NULL);
}

static void check(double v)
{
    struct decimal d = decimal_shortest(v);
    char digits[24];
    int n = (int)decimal_write(d.digits, digits);
    struct decimal rounded = printed(v, n);

    assert_true(read_back(d) == v);
    assert_true(n == 1 || read_back(printed(v, n - 1)) != v);
    if (read_back(rounded) == v) { /* the closest of n digits, unless two are as close */
        assert_true(rounded.digits - d.digits + 1 <= 2);
        assert_true(rounded.digits == d.digits || rounded.exponent == d.exponent);
    }
}

static void test_random(void **state)
{
    uint64_t seed = 7;

    (void)state;
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = random_next(&seed) >> 1;
        double v;

        memcpy(&v, &bits, sizeof(v));
        if (isfinite(v) && v != 0) {
            check(v);
        }
        check((double)(random_next(&seed) >> 20) / 1000);         /* what metrics look like */
        check((double)(random_next(&seed) >> 11) * 0x1p-53);      /* ratios */
        check(ldexp(1, (int)(random_next(&seed) % 2000) - 1000)); /* narrow intervals */
    }
}

static void test_write(void **state)
{
    static const struct {
        uint64_t n;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {10, "10"},
                 {99, "99"},
                 {100, "100"},
                 {12345, "12345"},
                 {1000000007, "1000000007"},
                 {UINT64_MAX, "18446744073709551615"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char dst[24] = "";

        assert_int_equal(decimal_write(cases[i].n, dst), strlen(cases[i].text));
        assert_string_equal(dst, cases[i].text);
    }
    for (uint64_t n = 10; n < UINT64_MAX / 10; n *= 10) { /* where the length changes */
        for (uint64_t k = n - 1; k <= n + 1; k++) {
            char dst[24] = "";
            char want[24];

            snprintf(want, sizeof(want), "%llu", (unsigned long long)k);
            assert_int_equal(decimal_write(k, dst), strlen(want));
            assert_string_equal(dst, want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
