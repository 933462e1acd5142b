/* SPDX-License-Identifier: Apache-2.0
 *
 * Slices and strict parsing, as tables of input and expected value or refusal.
 */
#include "base/str.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"

#define NUL_CASE    \
    {               \
        "1\0002", 3 \
    }

static void test_slices(void **state)
{
    struct str s = STR("  key = value\t\r\n");

    (void)state;
    assert_true(str_eq(str_trim(s), STR("key = value")));
    assert_true(str_eq(str_trim(STR(" \n")), STR("")));
    assert_true(str_eq(str_take(s, 99), s));
    assert_true(str_eq(str_take(STR("abc"), 2), STR("ab")));
    assert_true(str_eq(str_drop(STR("abc"), 2), STR("c")));
    assert_int_equal(str_drop(STR("abc"), 9).n, 0);
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("\xC3\x84"), STR("\xC3\xA4"))); /* ASCII only */
    assert_false(str_eq_nocase(STR("ab"), STR("abc")));
}

/* Every place and length beside memmem(), in texts of few letters, so that near misses abound. */
static void check_find(void)
{
    char text[100];
    uint64_t state = 1;

    for (size_t round = 0; round < 20000; round++) {
        size_t n = round % sizeof(text);
        size_t at;
        size_t m;
        const char *want;

        for (size_t i = 0; i < n; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[i] = (char)('a' + (state >> 60) % 3);
        }
        at = n != 0 ? (state >> 40) % n : 0;
        m = 1 + (state >> 20) % 80;
        m = m < n - at ? m : n - at;
        want = m != 0 ? memmem(text, n, text + at, m) : text;
        assert_int_equal(str_find(str_of(text, n), str_of(text + at, m)), want - text);
        if (m > 1) {
            char needle[100];

            memcpy(needle, text + at, m);
            needle[m / 2] = needle[m / 2] == 'a' ? 'b' : 'a';
            want = memmem(text, n, needle, m);
            assert_int_equal(str_find(str_of(text, n), str_of(needle, m)),
                             want != NULL ? want - text : -1);
        }
    }
}

static void test_find(void **state)
{
    (void)state;
    assert_int_equal(str_find_byte(STR("a=b=c"), '='), 1);
    assert_int_equal(str_find_byte(STR("abc"), 'x'), -1);
    assert_int_equal(str_find_byte(str_of(NULL, 0), 'x'), -1);
    assert_int_equal(str_find(STR("hello"), STR("llo")), 2);
    assert_int_equal(str_find(STR("hello"), STR("")), 0);
    assert_int_equal(str_find(STR("lo"), STR("hello")), -1);
    assert_int_equal(str_find(str_of(NULL, 0), STR("x")), -1);
    check_find();
}

static void test_order(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("a"), STR("aa")) < 0);
    assert_true(str_cmp(STR("\xC3"), STR("z")) > 0); /* bytes, unsigned */
    assert_int_equal(str_cmp(STR("ab"), STR("ab")), 0);
    assert_int_equal(str_cmp(str_of(NULL, 0), STR("")), 0);
}

static void test_split(void **state)
{
    static const struct {
        const char *in;
        const char *fields; /* joined with '|' */
    } CASES[] = {{"a,b", "a|b|"}, {"a,", "a||"}, {",", "||"}, {"", "|"}, {"abc", "abc|"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct str rest = str_cstr(CASES[i].in);
        struct str field;
        char got[64] = "";
        size_t n = 0;

        while (str_split(&rest, ',', &field)) {
            memcpy(got + n, field.p, field.n);
            n += field.n;
            got[n++] = '|';
        }
        assert_string_equal(got, CASES[i].fields);
    }
}

static void test_integers(void **state)
{
    static const struct {
        struct str in;
        bool ok;
        int64_t want;
    } CASES[] = {
        {{"0", 1}, true, 0},
        {{"-0", 2}, true, 0},
        {{"+7", 2}, true, 7},
        {{"0042", 4}, true, 42},
        {{"9223372036854775807", 19}, true, INT64_MAX},
        {{"-9223372036854775808", 20}, true, INT64_MIN},
        {{"9223372036854775808", 19}, false, 0},
        {{"-9223372036854775809", 20}, false, 0},
        {{"", 0}, false, 0},
        {{"-", 1}, false, 0},
        {{"+-1", 3}, false, 0},
        {{" 1", 2}, false, 0},
        {{"1 ", 2}, false, 0},
        {{"1.0", 3}, false, 0},
        {{"0x10", 4}, false, 0},
        {NUL_CASE, false, 0},
    };

    uint64_t u;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t v = 99;

        assert_int_equal(str_to_i64(CASES[i].in, &v), CASES[i].ok);
        assert_int_equal(v, CASES[i].ok ? CASES[i].want : 99);
    }
    assert_true(str_to_u64(STR("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    assert_false(str_to_u64(STR("18446744073709551616"), &u));
    assert_false(str_to_u64(STR("-1"), &u));
    assert_false(str_to_u64(STR("+1"), &u));
}

static void test_floats(void **state)
{
    static const struct {
        struct str in;
        bool ok;
        double want;
    } CASES[] = {
        {{"0", 1}, true, 0},
        {{"-1.5e3", 6}, true, -1500},
        {{".5", 2}, true, 0.5},
        {{"5.", 2}, true, 5},
        {{"1e308", 5}, true, 1e308},
        {{"4.9e-324", 8}, true, 4.9e-324},
        {{"Inf", 3}, true, INFINITY},
        {{"+Inf", 4}, true, INFINITY},
        {{"-inf", 4}, true, -INFINITY},
        {{"", 0}, false, 0},
        {{"e5", 2}, false, 0},
        {{"1e", 2}, false, 0},
        {{"1,5", 3}, false, 0},
        {{" 1", 2}, false, 0},
        {{"\v1", 2}, false, 0},
        {{"\f1", 2}, false, 0},
        {{"1 ", 2}, false, 0},
        {{"0x10", 4}, false, 0},
        {{"nan(1)", 6}, false, 0},
        {NUL_CASE, false, 0},
    };

    char digits[200];
    double v;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        v = 99;
        assert_int_equal(str_to_f64(CASES[i].in, &v), CASES[i].ok);
        assert_true(v == (CASES[i].ok ? CASES[i].want : 99));
    }
    assert_true(str_to_f64(STR("NaN"), &v));
    assert_true(isnan(v));
    memset(digits, '1', sizeof(digits));
    assert_false(str_to_f64(str_of(digits, sizeof(digits)), &v));
}

static void test_durations(void **state)
{
    static const struct {
        const char *in;
        int64_t want; /* ms; -1: refused */
    } CASES[] = {
        {"30s", 30000},
        {"5m", 300000},
        {"1h30m", 5400000},
        {"15d", 1296000000},
        {"500ms", 500},
        {"2w", 1209600000},
        {"1y", 31536000000},
        {"0", 0},
        {"0s", 0},
        {"90", 90000},
        {"1d12h", 129600000},
        {"1s500ms", 1500},
        {"", -1},
        {"s", -1},
        {"1", 1000},
        {"1x", -1},
        {"-5m", -1},
        {"1.5h", -1},
        {"30m1h", -1},
        {"1h1h", -1},
        {"1h 30m", -1},
        {"1h30", -1},
        {"300000000y", -1},
        {"99999999999999999999s", -1},
        {"9223372036854775807", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = -1;

        assert_int_equal(str_to_duration_ms(str_cstr(CASES[i].in), &ms), CASES[i].want >= 0);
        assert_int_equal(ms, CASES[i].want);
    }
}

static void test_bytes(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        uint64_t want;
    } CASES[] = {
        {"0", true, 0},
        {"512", true, 512},
        {"64KiB", true, 65536},
        {"64K", true, 65536},
        {"64kB", true, 64000},
        {"20GB", true, 20000000000},
        {"20G", true, 20ull << 30},
        {"1TiB", true, 1ull << 40},
        {"5 MB", true, 5000000},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551615K", false, 0},
        {"", false, 0},
        {"KB", false, 0},
        {"-1", false, 0},
        {"1.5G", false, 0},
        {"1gb", false, 0},
        {"1GBB", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        uint64_t n = 99;

        assert_int_equal(str_to_bytes(str_cstr(CASES[i].in), &n), CASES[i].ok);
        assert_true(n == (CASES[i].ok ? CASES[i].want : 99));
    }
}

static void test_utf8(void **state)
{
    static const struct {
        struct str in;
        bool ok;
    } CASES[] = {
        {{"", 0}, true},
        {{"plain ascii, longer than eight", 30}, true},
        {{"\xEB\xB4\x89\xEC\x88\x98", 6}, true}, /* two Hangul syllables */
        {{"12345678\xC2\x80", 10}, true},
        {{"\xF0\x9F\x94\xA5", 4}, true},  /* U+1F525 */
        {{"\xF4\x8F\xBF\xBF", 4}, true},  /* U+10FFFF */
        {{"\xF4\x90\x80\x80", 4}, false}, /* above it */
        {{"\xF5\x80\x80\x80", 4}, false},
        {{"\xC0\x80", 2}, false},         /* overlong NUL */
        {{"\xE0\x9F\xBF", 3}, false},     /* overlong */
        {{"\xF0\x8F\xBF\xBF", 4}, false}, /* overlong */
        {{"\xED\xA0\x80", 3}, false},     /* surrogate */
        {{"\x80", 1}, false},             /* lone continuation */
        {{"1234567\xE2\x82", 9}, false},  /* cut short */
        {{"\xE2\x28\xA1", 3}, false},
        {{"\xFF", 1}, false},
        {{"a\0b", 3}, true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(str_is_utf8(CASES[i].in), CASES[i].ok);
    }
}

static void test_hex(void **state)
{
    const uint8_t raw[4] = {0x00, 0xff, 0x1a, 0xB0};
    uint8_t back[4];
    char text[9];

    (void)state;
    hex_encode(raw, 4, text);
    assert_string_equal(text, "00ff1ab0");
    assert_true(hex_decode(STR("00FF1aB0"), back, 4));
    assert_memory_equal(back, raw, 4);
    assert_false(hex_decode(STR("00ff1ab"), back, 4));
    assert_false(hex_decode(STR("00ff1ab0a"), back, 4));
    assert_false(hex_decode(STR("00fg1ab0"), back, 4));
    assert_true(hex_decode(STR(""), back, 0));
}

static void test_dup(void **state)
{
    char *a = str_dup(STR("abc"));
    char *b = str_dup(str_of(NULL, 0));

    (void)state;
    assert_string_equal(a, "abc");
    assert_string_equal(b, "");
    mem_free(a);
    mem_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),    cmocka_unit_test(test_find),
        cmocka_unit_test(test_order),     cmocka_unit_test(test_split),
        cmocka_unit_test(test_integers),  cmocka_unit_test(test_floats),
        cmocka_unit_test(test_durations), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_utf8),      cmocka_unit_test(test_hex),
        cmocka_unit_test(test_dup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
