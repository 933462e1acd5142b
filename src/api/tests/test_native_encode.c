/* SPDX-License-Identifier: Apache-2.0
 *
 * What is written for others reads back as it was, by the readers of remote write and of the exposition.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/native_encode.h"
#include "base/alloc.h"
#include "model/samples.h"

static struct native_bucket LOW[] = {{INT32_MIN, 1}, {-3, 0.5}, {-2, 2}};
static struct native_bucket HIGH[] = {{-4, 3}, {-3, 1}, {0, 1.25}, {1, 7}, {INT32_MAX, 2}};
static struct native_bucket WHOLE[] = {{-4, 3}, {-3, 0x1p52}, {0, 1}};
static struct native_bucket CUSTOM[] = {{0, 4}, {2, 1}};
static double BOUNDS[] = {-0.5, 1};

#define SIDE(x)                                   \
    {                                             \
        .v = (x), .n = sizeof(x) / sizeof((x)[0]) \
    }

static const struct {
    struct native_histogram h;
    bool integer; /* is what remote read gives */
} CASES[] = {
    {{.schema = 0}, true},
    {{.schema = -4, .zero_threshold = 0.001, .zero_count = 3, .count = 3, .sum = -0.5}, true},
    {{.schema = 1, .count = 0x1p52 + 4, .sum = 17, .positive = SIDE(WHOLE)}, true},
    {{.schema = 1, .count = 8, .sum = 17, .positive = SIDE(WHOLE)}, false}, /* does not add up */
    {{.schema = 8, .count = 14.25, .sum = 17, .positive = SIDE(HIGH)}, false},
    {{.schema = 3,
      .hint = NATIVE_GAUGE,
      .zero_threshold = 0x1p-128,
      .zero_count = 1,
      .count = 18.75,
      .sum = -12,
      .positive = SIDE(HIGH),
      .negative = SIDE(LOW)},
     false},
    {{.schema = 2, .hint = NATIVE_RESET, .count = 3.5, .sum = -3, .negative = SIDE(LOW)}, false},
    {{.schema = NATIVE_SCHEMA_CUSTOM,
      .count = 5,
      .sum = 2,
      .positive = SIDE(CUSTOM),
      .bounds = BOUNDS,
      .bounds_n = 2},
     false},
};

static void test_read(void **state)
{
    struct native_decoder d CLEANUP(native_decoder_done) = {0};
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err e = {0};

        buf_clear(&b);
        native_encode(NATIVE_WRITE, &CASES[i].h, &b);
        assert_int_equal(native_decode(&d, pb_init(buf_str(&b)), &e), 0);
        assert_int_equal(d.integer, CASES[i].integer);
        assert_int_equal(d.h.hint, CASES[i].h.hint);
        assert_true(native_eq(&d.h, &CASES[i].h));
    }
}

static void test_stale(void **state)
{
    const struct native_histogram marker = {.count = sample_stale(), .sum = sample_stale()};
    struct native_decoder d CLEANUP(native_decoder_done) = {0};
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 1 << 16);
    native_encode(NATIVE_WRITE, &marker, &b);
    assert_int_equal(native_decode(&d, pb_init(buf_str(&b)), NULL), 0);
    assert_true(d.integer);
    assert_true(sample_is_stale(d.h.sum));
}

static void test_client(void **state)
{
    struct native_decoder d CLEANUP(native_decoder_done) = {.form = NATIVE_EXPOSITION};
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err e = {0};

        if (native_is_custom(&CASES[i].h)) {
            continue;
        }
        buf_clear(&b);
        native_encode(NATIVE_EXPOSITION, &CASES[i].h, &b);
        assert_int_equal(native_decode(&d, pb_init(buf_str(&b)), &e), 0);
        assert_true(d.is_native);
        assert_true(native_eq(&d.h, &CASES[i].h));
    }
}

static void test_no_room(void **state)
{
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 40);
    native_encode(NATIVE_WRITE, &CASES[5].h, &b);
    assert_int_equal(buf_status(&b), -ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
