/* SPDX-License-Identifier: Apache-2.0
 *
 * Go's text forms: floats against printf and strtod, quoting, durations.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/hash.h"
#include "query/promql/gotext.h"

/** The shortest %e form that reads back, mantissa digits only, without trailing zeros. */
static int plain_digits(double v, char *dst)
{
    char text[40];
    int n = 0;

    for (int p = 1; p <= 17; p++) {
        snprintf(text, sizeof(text), "%.*e", p - 1, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    for (const char *c = text; *c != 'e'; c++) {
        if (*c != '.') {
            dst[n++] = *c;
        }
    }
    while (n > 1 && dst[n - 1] == '0') {
        n--;
    }
    dst[n] = '\0';
    return n;
}

static void check_one(double v)
{
    struct buf b CLEANUP(buf_done) = {0};
    char text[DECIMAL_TEXT_MAX];
    char want[40];
    char got[1000];
    int unused;
    int n = 0;

    buf_init(&b, 4096);
    buf_add(&b, text, go_f64_json(v, text));
    buf_add_byte(&b, '\0');
    assert_true(strtod(b.data, NULL) == v);
    plain_digits(v, want);
    for (const char *c = b.data; *c != '\0' && *c != 'e'; c++) {
        if (*c >= '0' && *c <= '9' && (n != 0 || *c != '0')) {
            got[n++] = *c;
        }
    }
    while (n > 1 && got[n - 1] == '0') {
        n--;
    }
    got[n] = '\0';
    /* printf rounds the value; where the interval of a power of two is lopsided, a shorter neighbour exists. */
    if (strcmp(got, want) != 0 && !(frexp(v, &unused) == 0.5 && n < (int)strlen(want))) {
        fail_msg("%.17g gives %s", v, b.data);
    }
}

static void test_floats_read_back(void **state)
{
    (void)state;
    for (uint64_t i = 1; i < 60000; i++) {
        uint64_t bits = hash_u64(i) & ~(1ull << 63);
        double v;

        memcpy(&v, &bits, sizeof(v));
        if (isfinite(v) && v != 0) {
            check_one(v);
        }
        v = (double)(hash_u64(i) % 100000000) / 1000 * (double)(i % 97 + 1) / 60;
        if (v != 0) {
            check_one(v);
            check_one(floor(v * 100) / 100);
            check_one(ldexp(1, (int)(i % 80) - 30));
        }
    }
}

static void test_floats(void **state)
{
    static const struct {
        double v;
        const char *plain;
        const char *json;
        const char *general;
    } cases[] = {
        {0, "0", "0", "0"},
        {-0.0, "-0", "-0", "-0"},
        {1, "1", "1", "1"},
        {-2.5, "-2.5", "-2.5", "-2.5"},
        {1e6, "1000000", "1000000", "1e+06"},
        {123456, "123456", "123456", "123456"},
        {1234567, "1234567", "1234567", "1.234567e+06"},
        {1e21, "1000000000000000000000", "1e+21", "1e+21"},
        {1e20, "100000000000000000000", "100000000000000000000", "1e+20"},
        {1e-6, "0.000001", "0.000001", "1e-06"},
        {1e-7, "0.0000001", "1e-07", "1e-07"},
        {0.0001, "0.0001", "0.0001", "0.0001"},
        {5e-324, NULL, "5e-324", "5e-324"},
        {0.1, "0.1", "0.1", "0.1"},
        {0.30000000000000004, "0.30000000000000004", "0.30000000000000004", "0.30000000000000004"},
        {123456789012345680.0, "123456789012345680", "123456789012345680",
         "1.2345678901234568e+17"},
        {INFINITY, "+Inf", "+Inf", "+Inf"},
        {-INFINITY, "-Inf", "-Inf", "-Inf"},
        {NAN, "NaN", "NaN", "NaN"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b CLEANUP(buf_done) = {0};
        char text[DECIMAL_TEXT_MAX];

        buf_init(&b, 4096);
        if (cases[i].plain != NULL) {
            go_add_f64(&b, cases[i].v);
            assert_true(str_eq(buf_str(&b), str_cstr(cases[i].plain)));
        }
        buf_clear(&b);
        buf_add(&b, text, go_f64_json(cases[i].v, text));
        assert_true(str_eq(buf_str(&b), str_cstr(cases[i].json)));
        buf_clear(&b);
        go_add_f64_v(&b, cases[i].v);
        assert_true(str_eq(buf_str(&b), str_cstr(cases[i].general)));
    }
}

static void test_quotes(void **state)
{
    static const struct {
        struct str in;
        const char *quoted;
    } cases[] = {
        {STR(""), "\"\""},
        {STR("plain"), "\"plain\""},
        {STR("a\"b\\c\n\t\x01\x7f"), "\"a\\\"b\\\\c\\n\\t\\x01\\x7f\""},
        {STR("\xed\x95\x9c\xff"), "\"\xed\x95\x9c\\xff\""},
        {STR("\xc2\xa0\xe2\x80\xa8"), "\"\\u00a0\\u2028\""},
        {STR("\xf0\x9f\x98\x80\xf3\xb0\x80\x80"), "\"\xf0\x9f\x98\x80\\U000f0000\""},
    };
    struct arena a CLEANUP(arena_done);

    (void)state;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b CLEANUP(buf_done) = {0};
        struct str back;

        buf_init(&b, 4096);
        go_quote(cases[i].in, &b);
        assert_true(str_eq(buf_str(&b), str_cstr(cases[i].quoted)));
        assert_true(go_unquote(buf_str(&b), &a, &back));
        assert_true(str_eq(back, cases[i].in));
    }
}

static void test_unquote(void **state)
{
    static const struct {
        const char *in;
        const char *want; /* NULL: refused */
    } cases[] = {
        {"'a\\'b\"'", "a'b\""},
        {"`a\\n`", "a\\n"},
        {"\"\\101\\x41\\u0041\\U00000041\"", "AAAA"},
        {"\"\\u00e9\"", "\xc3\xa9"},
        {"\"\\'\"", NULL},
        {"\"\\q\"", NULL},
        {"\"\\x4\"", NULL},
        {"\"\\ud800\"", NULL},
        {"\"\\U00110000\"", NULL},
        {"\"\\400\"", NULL},
        {"\"a'", NULL},
        {"\"", NULL},
        {"\"\\\"", NULL},
        {"\"\\a\\b\\f\\v\"", "\a\b\f\v"},
    };
    struct arena a CLEANUP(arena_done);

    (void)state;
    arena_init(&a, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str got;
        bool ok = go_unquote(str_cstr(cases[i].in), &a, &got);

        assert_int_equal(ok, cases[i].want != NULL);
        if (ok) {
            assert_true(str_eq(got, str_cstr(cases[i].want)));
        }
    }
}

static void test_durations(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {{0, "0s"},
                 {1, "1ms"},
                 {90000, "1m30s"},
                 {3600000, "1h"},
                 {7 * 86400000LL, "1w"},
                 {8 * 86400000LL, "8d"},
                 {365 * 86400000LL, "1y"},
                 {86400001, "1d1ms"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 256);
        go_add_duration(&b, cases[i].ms);
        assert_true(str_eq(buf_str(&b), str_cstr(cases[i].want)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floats_read_back), cmocka_unit_test(test_floats),
        cmocka_unit_test(test_quotes),           cmocka_unit_test(test_unquote),
        cmocka_unit_test(test_durations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
