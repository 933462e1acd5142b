/* SPDX-License-Identifier: Apache-2.0
 *
 * The pull reader: values, escapes, every syntax error with its byte, the depth limit; and base64.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "codec/base64.h"
#include "codec/json_read.h"

static int skip_all(struct str text, unsigned depth, struct err *e)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader r;
    int rc;

    buf_init(&scratch, 4096);
    json_read_init(&r, text, depth, &scratch);
    rc = json_skip(&r, e);
    return rc < 0 ? rc : json_read_end(&r, e);
}

static void test_syntax(void **state)
{
    static const struct {
        struct str in;
        int rc;
        const char *msg;
    } CASES[] = {
        {{"", 0}, -ERR_TRUNCATED, "JSON ends at byte 0, expected a value"},
        {{"  ", 2}, -ERR_TRUNCATED, "JSON ends at byte 2, expected a value"},
        {{"nul", 3}, -ERR_INVALID, "JSON byte 0: expected null"},
        {{"tru", 3}, -ERR_INVALID, "JSON byte 0: expected true"},
        {{"falsy", 5}, -ERR_INVALID, "JSON byte 0: expected false"},
        {{"True", 4}, -ERR_INVALID, "JSON byte 0: expected a value"},
        {{"\"a", 2}, -ERR_TRUNCATED, "JSON ends at byte 2, expected the end of the string"},
        {{"\"\\", 2}, -ERR_TRUNCATED, "JSON ends at byte 2, expected an escape"},
        {{"\"\\u12", 5}, -ERR_TRUNCATED, "JSON ends at byte 5, expected four hex digits"},
        {{"\"\\u12g4\"", 8}, -ERR_INVALID, "JSON byte 3: expected four hex digits"},
        {{"\"\\0\"", 4}, -ERR_INVALID, "JSON byte 2: expected an escape"},
        {{"\"\0\"", 3}, -ERR_INVALID, "JSON byte 1: expected the end of the string"},
        {{"-", 1}, -ERR_TRUNCATED, "JSON ends at byte 1, expected a digit"},
        {{"1.", 2}, -ERR_TRUNCATED, "JSON ends at byte 2, expected a digit"},
        {{"1e+", 3}, -ERR_TRUNCATED, "JSON ends at byte 3, expected a digit"},
        {{".5", 2}, -ERR_INVALID, "JSON byte 0: expected a value"},
        {{"+1", 2}, -ERR_INVALID, "JSON byte 0: expected a value"},
        {{"[1 2]", 5}, -ERR_INVALID, "JSON byte 3: expected ',' or ']'"},
        {{"[1,]", 4}, -ERR_INVALID, "JSON byte 3: expected a value"},
        {{"[,1]", 4}, -ERR_INVALID, "JSON byte 1: expected a value"},
        {{"[1}", 3}, -ERR_INVALID, "JSON byte 2: expected ',' or ']'"},
        {{"{1:2}", 5}, -ERR_INVALID, "JSON byte 1: expected a string"},
        {{"{\"a\" 1}", 7}, -ERR_INVALID, "JSON byte 5: expected ':'"},
        {{"{\"a\":1 \"b\":2}", 13}, -ERR_INVALID, "JSON byte 7: expected ',' or '}'"},
        {{"{\"a\":1", 6}, -ERR_TRUNCATED, "JSON ends at byte 6, expected ',' or '}'"},
        {{"{} {}", 5}, -ERR_INVALID, "JSON byte 3: expected the end"},
        {{"[[[[1]]]]", 9}, -ERR_LIMIT, "JSON byte 3: nested deeper than 3"},
        {{"[[[1]],[{\"a\":{}}],[]]", 21}, -ERR_LIMIT, "JSON byte 13: nested deeper than 3"},
    };

    static const char *const GOOD[] = {"0",        "-0.5e-3",     "1E9",
                                       "true",     " null ",      "\"\\ud800\"",
                                       "[]",       "[[],{}]",     "{\"a\":{\"b\":[]}}",
                                       "\"\xff\"", "[1,2 , 3\n]", "{ \"a\" : 1 , \"a\" : 2 }"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err e = {0};

        assert_int_equal(skip_all(CASES[i].in, 3, &e), CASES[i].rc);
        assert_string_equal(e.msg, CASES[i].msg);
    }
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct err e = {0};

        assert_int_equal(skip_all(str_cstr(GOOD[i]), 3, &e), 0);
    }
}

static void test_walk(void **state)
{
    struct str text = STR("{\"a\":[1,-2.5e3],\"\\u0062\":true,\"c\":\"x\\ny\"}");
    struct buf scratch CLEANUP(buf_done) = {0};
    struct json_reader r;
    struct err e = {0};
    bool b = false;
    struct str s;

    (void)state;
    buf_init(&scratch, 4096);
    json_read_init(&r, text, 10, &scratch);
    assert_int_equal(json_peek(&r, &e), JSON_OBJECT);
    assert_int_equal(json_enter(&r, &e), 0);
    assert_int_equal(json_next_member(&r, &s, &e), 1);
    assert_true(str_eq(s, STR("a")));
    assert_int_equal(json_peek(&r, &e), JSON_ARRAY);
    assert_int_equal(json_enter(&r, &e), 0);
    assert_int_equal(json_next_element(&r, &e), 1);
    assert_int_equal(json_read_number(&r, &s, &e), 0);
    assert_true(str_eq(s, STR("1")));
    assert_int_equal(json_next_element(&r, &e), 1);
    assert_int_equal(json_read_number(&r, &s, &e), 0);
    assert_true(str_eq(s, STR("-2.5e3")));
    assert_int_equal(json_next_element(&r, &e), 0);
    assert_int_equal(json_next_member(&r, &s, &e), 1);
    assert_true(str_eq(s, STR("b")));
    assert_int_equal(json_read_bool(&r, &b, &e), 0);
    assert_true(b);
    assert_int_equal(json_next_member(&r, &s, &e), 1);
    assert_int_equal(json_read_str(&r, &s, &e), 0);
    assert_true(str_eq(s, STR("x\ny")));
    assert_int_equal(json_next_member(&r, &s, &e), 0);
    assert_int_equal(json_read_end(&r, &e), 0);
}

static void test_unicode(void **state)
{
    static const struct {
        struct str in, out;
    } CASES[] = {
        {STR("\"\\u0041\\u00e9\\ubd09\""), STR("Aé봉")},
        {STR("\"\\ud83d\\udd25\""), STR("\xF0\x9F\x94\xA5")},
        {STR("\"\\ud83dx\""), STR("\xEF\xBF\xBDx")},
        {STR("\"\\udd25\""), STR("\xEF\xBF\xBD")},
        {STR("\"\\ud83d\\u0041\""), STR("\xEF\xBF\xBD"
                                        "A")},
        {STR("\"\\u0000\""), {"\0", 1}},
        {STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\/\b\f\n\r\t")},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf scratch CLEANUP(buf_done) = {0};
        struct json_reader r;
        struct err e = {0};
        struct str s;

        buf_init(&scratch, 4096);
        json_read_init(&r, CASES[i].in, 10, &scratch);
        assert_int_equal(json_read_str(&r, &s, &e), 0);
        assert_true(str_eq(s, CASES[i].out));
    }
}

static void test_base64(void **state)
{
    static const struct {
        struct str bytes;
        const char *text;
    } CASES[] = {{{"", 0}, ""},
                 {{"f", 1}, "Zg=="},
                 {{"fo", 2}, "Zm8="},
                 {{"foo", 3}, "Zm9v"},
                 {{"foob", 4}, "Zm9vYg=="},
                 {{"fooba", 5}, "Zm9vYmE="},
                 {{"\xff\xef\x00", 3}, "/+8A"}};

    static const char *const BAD[] = {"A",    "AAAAA", "A=",   "AA=",   "A===", "AA=A",
                                      "A A=", "AAA*",  "====", "AAAA=", "AAA=="};
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        buf_clear(&b);
        base64_encode(CASES[i].bytes, &b);
        assert_true(str_eq(buf_str(&b), str_cstr(CASES[i].text)));
        buf_clear(&b);
        assert_true(base64_decode(str_cstr(CASES[i].text), &b));
        assert_true(str_eq(buf_str(&b), CASES[i].bytes));
    }
    buf_clear(&b);
    assert_true(base64_decode(STR("_-8A"), &b)); /* other alphabet */
    assert_true(str_eq(buf_str(&b), str_of("\xff\xef\x00", 3)));
    buf_clear(&b);
    assert_true(base64_decode(STR("Zm8"), &b)); /* no padding */
    assert_true(str_eq(buf_str(&b), STR("fo")));
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        assert_false(base64_decode(str_cstr(BAD[i]), &b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_unicode),
        cmocka_unit_test(test_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
