/* SPDX-License-Identifier: Apache-2.0
 *
 * Attribute values, spans and records as JSON text, compared byte for byte.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/otel_json.h"

static void assert_value(struct value v, const char *want)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    json_value(&w, &v);
    buf_add_byte(&b, '\0');
    assert_string_equal(b.data, want);
    buf_done(&b);
}

static void test_values(void **state)
{
    static const struct value LIST[] = {{.type = VALUE_I64, .u.i = 1}, {.type = VALUE_NONE}};
    static const struct attr MAP[] = {{{"k", 1}, {.type = VALUE_STR, .u.s = {"v\"", 2}}}};

    (void)state;
    assert_value((struct value){.type = VALUE_NONE}, "null");
    assert_value((struct value){.type = VALUE_BOOL, .u.b = true}, "true");
    assert_value((struct value){.type = VALUE_I64, .u.i = 9007199254740992}, "9007199254740992");
    assert_value((struct value){.type = VALUE_I64, .u.i = 9007199254740993},
                 "{\"int\":\"9007199254740993\"}");
    assert_value((struct value){.type = VALUE_I64, .u.i = INT64_MIN},
                 "{\"int\":\"-9223372036854775808\"}");
    assert_value((struct value){.type = VALUE_F64, .u.f = 0.5}, "0.5");
    assert_value((struct value){.type = VALUE_F64, .u.f = (double)NAN}, "{\"double\":\"NaN\"}");
    assert_value((struct value){.type = VALUE_F64, .u.f = -(double)INFINITY},
                 "{\"double\":\"-Inf\"}");
    assert_value((struct value){.type = VALUE_BYTES, .u.s = {"\0\xff", 2}}, "{\"bytes\":\"AP8=\"}");
    assert_value((struct value){.type = VALUE_ARRAY, .u.array = {LIST, 2}}, "[1,null]");
    assert_value((struct value){.type = VALUE_MAP, .u.map = {MAP, 1}}, "{\"k\":\"v\\\"\"}");
}

static void test_span(void **state)
{
    static const struct attr SERVICE[] = {
        {{"service.name", 12}, {.type = VALUE_STR, .u.s = {"shop", 4}}}};
    static const struct resource RESOURCE = {.attrs = {SERVICE, 1}};
    static const struct scope SCOPE = {.name = {"lib", 3}};
    const struct span s = {.trace_id = {{1}},
                           .span_id = {{2}},
                           .name = STR("GET /"),
                           .start_ns = 1700000000000000001,
                           .end_ns = 1700000000000000002,
                           .arrival_ns = 3,
                           .resource = &RESOURCE,
                           .scope = &SCOPE,
                           .kind = SPAN_SERVER,
                           .status = SPAN_STATUS_ERROR,
                           .status_message = STR("boom")};
    struct json_writer w;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    json_span(&w, &s, 0, 1);
    buf_add_byte(&b, '\0');
    assert_string_equal(
        b.data,
        "{\"trace_id\":\"01000000000000000000000000000000\",\"span_id\":\"0200000000000000\","
        "\"name\":\"GET /\",\"kind\":\"server\",\"service\":\"shop\","
        "\"start_ns\":\"1700000000000000001\",\"end_ns\":\"1700000000000000002\","
        "\"arrival_ns\":\"3\",\"status\":\"error\",\"status_message\":\"boom\",\"attributes\":{},"
        "\"events\":[],\"links\":[],\"resource\":0,\"scope\":1}");
    buf_done(&b);
}

static void test_service_default(void **state)
{
    static const struct resource NONE = {0};

    (void)state;
    assert_true(str_eq(service_of(&NONE), STR("unknown_service")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_span),
        cmocka_unit_test(test_service_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
