/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-ups and names of the OpenTelemetry model, as tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/otel.h"

static void test_attrs(void **state)
{
    const struct attr v[] = {
        {STR("s"), {.type = VALUE_STR, .u.s = STR("text")}},
        {STR("i"), {.type = VALUE_I64, .u.i = -7}},
        {STR(""), {.type = VALUE_BOOL, .u.b = true}},
    };
    const struct attrs as = {v, ARRAY_LEN(v)};

    (void)state;
    assert_true(str_eq(attrs_get_str(as, STR("s")), STR("text")));
    assert_int_equal(attrs_get_str(as, STR("i")).n, 0); /* of another type */
    assert_int_equal(attrs_get(as, STR("i"))->u.i, -7);
    assert_true(attrs_get(as, STR(""))->u.b);
    assert_null(attrs_get(as, STR("missing")));
    assert_null(attrs_get((struct attrs){NULL, 0}, STR("s")));
}

static void test_ids(void **state)
{
    struct trace_id t = {{0}};
    struct span_id s = {{0}};

    (void)state;
    assert_true(trace_id_is_zero(t));
    assert_true(span_id_is_zero(s));
    t.b[TRACE_ID_SIZE - 1] = 1;
    s.b[0] = 0x80;
    assert_false(trace_id_is_zero(t));
    assert_false(span_id_is_zero(s));
}

static void test_severity(void **state)
{
    static const struct {
        uint8_t number;
        const char *name;
    } CASES[] = {{0, "unset"},  {1, "trace"},  {4, "trace"},  {5, "debug"},  {8, "debug"},
                 {9, "info"},   {12, "info"},  {13, "warn"},  {17, "error"}, {20, "error"},
                 {21, "fatal"}, {24, "fatal"}, {25, "unset"}, {255, "unset"}};
    enum severity_level level = SEVERITY_UNSET;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_string_equal(severity_level_name(severity_level_of(CASES[i].number)), CASES[i].name);
        assert_true(severity_level_parse(str_cstr(CASES[i].name), &level));
        assert_int_equal(level, severity_level_of(CASES[i].number));
    }
    assert_string_equal(severity_level_name((enum severity_level)99), "unset");
    assert_false(severity_level_parse(STR("Info"), &level));
    assert_false(severity_level_parse(STR(""), &level));
}

static void test_kind_and_status(void **state)
{
    uint8_t v = 99;

    (void)state;
    for (uint8_t k = 0; k < SPAN_KIND_COUNT; k++) {
        assert_true(span_kind_parse(str_cstr(span_kind_name(k)), &v));
        assert_int_equal(v, k);
    }
    assert_string_equal(span_kind_name(SPAN_SERVER), "server");
    assert_string_equal(span_kind_name(200), "unspecified");
    assert_false(span_kind_parse(STR("SERVER"), &v));
    for (uint8_t k = 0; k < SPAN_STATUS_COUNT; k++) {
        assert_true(span_status_parse(str_cstr(span_status_name(k)), &v));
        assert_int_equal(v, k);
    }
    assert_string_equal(span_status_name(200), "unset");
    assert_false(span_status_parse(STR("bad"), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attrs),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_severity),
        cmocka_unit_test(test_kind_and_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
