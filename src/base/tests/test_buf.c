/* SPDX-License-Identifier: Apache-2.0
 *
 * The growable buffer: its ceiling holds, a failure keeps what was there and says which kind it was.
 */
#include "base/buf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/random.h"

static void test_append(void **state)
{
    CLEANUP(buf_done) struct buf b;

    (void)state;
    buf_init(&b, 1000);
    assert_int_equal(buf_str(&b).n, 0);
    buf_add_cstr(&b, "x=");
    buf_add_i64(&b, INT64_MIN);
    buf_add_byte(&b, ' ');
    buf_add_u64(&b, UINT64_MAX);
    buf_add_str(&b, STR(" | "));
    buf_printf(&b, "%s-%03d", "p", 7);
    buf_add(&b, NULL, 0);
    assert_true(str_eq(buf_str(&b), STR("x=-9223372036854775808 18446744073709551615 | p-007")));
    assert_int_equal(buf_status(&b), 0);
}

static void test_ceiling(void **state)
{
    static const size_t MAXES[] = {0, 1, 10, 63, 64, 65, 1000, 4097};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(MAXES); i++) {
        CLEANUP(buf_done) struct buf b;

        buf_init(&b, MAXES[i]);
        for (size_t k = 0; k < MAXES[i]; k++) {
            buf_add_byte(&b, 'a');
            assert_true(b.cap <= b.max);
        }
        assert_int_equal(buf_status(&b), 0);
        assert_int_equal(b.n, MAXES[i]);
        buf_add_byte(&b, 'b');
        assert_int_equal(buf_status(&b), -ERR_TOO_LARGE);
        assert_int_equal(b.n, MAXES[i]);
        buf_add(&b, "", 0);
        assert_true(b.failed); /* stays failed */
        buf_clear(&b);
        assert_int_equal(buf_status(&b), 0);
        assert_int_equal(b.n, 0);
    }
}

static void test_one_large_append(void **state)
{
    CLEANUP(buf_done) struct buf b;
    char data[200] = {0};

    (void)state;
    buf_init(&b, 100);
    buf_add(&b, data, sizeof(data));
    assert_int_equal(buf_status(&b), -ERR_TOO_LARGE); /* though nothing was stored */
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_null(buf_take(&b));
}

static void test_no_memory(void **state)
{
    CLEANUP(buf_done) struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_add_cstr(&b, "kept");
    mem_fail_after(0);
    for (int i = 0; i < 100; i++) {
        buf_add_cstr(&b, "0123456789");
    }
    mem_fail_after(-1);
    assert_int_equal(buf_status(&b), -ERR_NOMEM);
    assert_true(str_starts(buf_str(&b), STR("kept")));
    buf_clear(&b);
    buf_add_cstr(&b, "again");
    assert_int_equal(buf_status(&b), 0);
}

static void test_take(void **state)
{
    struct buf b;
    char *text;

    (void)state;
    buf_init(&b, 100);
    buf_add_cstr(&b, "mine");
    text = buf_take(&b);
    assert_string_equal(text, "mine");
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    mem_free(text);
    buf_done(&b);
    buf_done(NULL);
}

static void test_percent(void **state)
{
    static const struct {
        struct str s;
        const char *plain;
        const char *want;
    } ROWS[] = {
        {{"", 0}, URL_UNRESERVED, ""},
        {{"aZ09-_.~", 8}, URL_UNRESERVED, "aZ09-_.~"},
        {{"a b/\xc3\xa9", 6}, URL_UNRESERVED, "a%20b%2F%C3%A9"},
        {{"a b+", 4}, URL_UNRESERVED " ", "a+b%2B"},
        {{"/a\0b", 4}, "/", "/a%00b"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct buf b CLEANUP(buf_done);

        buf_init(&b, 100);
        buf_add_percent(&b, ROWS[i].s, ROWS[i].plain);
        assert_true(str_eq(buf_str(&b), str_cstr(ROWS[i].want)));
    }
}

static void test_floats(void **state)
{
    static const struct {
        double v;
        const char *want;
    } CASES[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.1"},
        {1e15, "1000000000000000"},
        {1.5, "1.5"},
        {NAN, "NaN"},
        {INFINITY, "+Inf"},
        {-INFINITY, "-Inf"},
        {1e300, "1e+300"},
        {5e-324, "5e-324"},
        {1.0 / 3, "0.3333333333333333"},
    };

    uint64_t seed = 1;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        CLEANUP(buf_done) struct buf b;

        buf_init(&b, 64);
        buf_add_f64(&b, CASES[i].v);
        assert_true(str_eq(buf_str(&b), str_cstr(CASES[i].want)));
    }
    for (int i = 0; i < 20000;
         i++) { /* whatever the bits, the text reads back as the same double */
        CLEANUP(buf_done) struct buf b;
        uint64_t bits = random_next(&seed);
        double v;
        double back;

        memcpy(&v, &bits, sizeof(v));
        buf_init(&b, 64);
        buf_add_f64(&b, v);
        assert_int_equal(buf_status(&b), 0);
        assert_true(str_to_f64(buf_str(&b), &back));
        assert_true(isnan(v) ? isnan(back) : back == v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_one_large_append),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_floats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
