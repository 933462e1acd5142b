/* SPDX-License-Identifier: Apache-2.0
 *
 * RFC 3339 both ways as tables, and the clocks' units.
 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/random.h"

static void test_parse(void **state)
{
    static const struct {
        const char *in;
        int rc;
        int64_t want_ns;
    } CASES[] = {
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2026-01-02T03:04:05.678Z", 0, 1767323045678000000},
        {"2026-01-02t03:04:05z", 0, 1767323045000000000},
        {"2026-01-02 03:04:05Z", 0, 1767323045000000000},
        {"2026-01-02T03:04:05.123456789Z", 0, 1767323045123456789},
        {"2026-01-02T03:04:05.1234567899Z", 0, 1767323045123456789},
        {"2026-01-02T12:04:05+09:00", 0, 1767323045000000000},
        {"2026-01-01T22:34:05-04:30", 0, 1767323045000000000},
        {"2024-02-29T00:00:00Z", 0, 1709164800000000000},
        {"2000-02-29T00:00:00Z", 0, 951782400000000000},
        {"1969-12-31T23:59:59.5Z", 0, -500000000},
        {"1678-01-01T00:00:00Z", 0, -9214560000000000000},
        {"2261-12-31T23:59:59Z", 0, 9214646399000000000},
        {"2016-12-31T23:59:60Z", 0, 1483228800000000000}, /* leap second */
        {"2023-02-29T00:00:00Z", -ERR_INVALID, 0},
        {"2100-02-29T00:00:00Z", -ERR_INVALID, 0},
        {"2026-04-31T00:00:00Z", -ERR_INVALID, 0},
        {"2026-13-01T00:00:00Z", -ERR_INVALID, 0},
        {"2026-00-01T00:00:00Z", -ERR_INVALID, 0},
        {"2026-01-00T00:00:00Z", -ERR_INVALID, 0},
        {"2026-01-01T24:00:00Z", -ERR_INVALID, 0},
        {"2026-01-01T00:60:00Z", -ERR_INVALID, 0},
        {"2026-01-01T00:00:00", -ERR_INVALID, 0},
        {"2026-01-01T00:00:00.Z", -ERR_INVALID, 0},
        {"2026-01-01T00:00:00+9:00", -ERR_INVALID, 0},
        {"2026-01-01T00:00:00+24:00", -ERR_INVALID, 0},
        {"2026-01-01T00:00:00Zx", -ERR_INVALID, 0},
        {"2026-1-01T00:00:00Z", -ERR_INVALID, 0},
        {"1677-01-01T00:00:00Z", -ERR_INVALID, 0},
        {"2262-01-01T00:00:00Z", -ERR_INVALID, 0},
        {"2026-01-01", -ERR_INVALID, 0},
        {"", -ERR_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ns = 77;

        assert_int_equal(clock_parse_rfc3339(CASES[i].in, strlen(CASES[i].in), &ns), CASES[i].rc);
        assert_int_equal(ns, CASES[i].rc == 0 ? CASES[i].want_ns : 77);
    }
}

static void test_format(void **state)
{
    char text[CLOCK_RFC3339_SIZE];
    uint64_t seed = 5;

    (void)state;
    clock_format_rfc3339(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_format_rfc3339(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    clock_format_rfc3339(951782400000, text);
    assert_string_equal(text, "2000-02-29T00:00:00.000Z");
    for (int i = 0; i < 20000; i++) { /* any time of the supported range reads back */
        int64_t ms = (int64_t)(random_next(&seed) % 18400000000000ull) - 9200000000000;
        int64_t ns = 0;

        clock_format_rfc3339(ms, text);
        assert_int_equal(clock_parse_rfc3339(text, strlen(text), &ns), 0);
        assert_int_equal(ns, ms * 1000000);
    }
}

static void test_clocks(void **state)
{
    struct mono start = clock_mono();
    int64_t ms = clock_wall_ms();

    (void)state;
    assert_true(ms > 1700000000000 && ms < 9000000000000);
    assert_in_range(clock_wall_ns() / 1000000 - ms, 0, 10000);
    clock_sleep_ms(5);
    assert_true(mono_since_ns(start) >= 5000000);
    assert_int_equal(mono_add_ms(start, 3).ns - start.ns, 3000000);
    assert_true(clock_thread_cpu_ns() > 0);
}

static void test_cancel(void **state)
{
    struct cancel c;

    (void)state;
    assert_int_equal(cancel_check(NULL), 0);
    cancel_init(&c, 0);
    assert_int_equal(cancel_check(&c), 0);
    cancel_set(&c);
    assert_int_equal(cancel_check(&c), -ERR_CANCELED);
    cancel_init(&c, 1);
    clock_sleep_ms(3);
    assert_int_equal(cancel_check(&c), -ERR_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
