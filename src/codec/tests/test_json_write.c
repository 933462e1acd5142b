/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON writer: commas, escapes, numbers, repair of invalid UTF-8; and the UTF-8 helpers it rests on.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "codec/json_write.h"
#include "codec/utf8.h"

static void expect(struct buf *b, const char *text)
{
    buf_add_byte(b, '\0');
    assert_false(b->failed);
    assert_string_equal(b->data, text);
    buf_clear(b);
}

static void test_structure(void **state)
{
    struct buf b CLEANUP(buf_done);
    struct json_writer w;

    (void)state;
    buf_init(&b, 4096);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "a");
    json_array_begin(&w);
    json_i64(&w, INT64_MIN);
    json_u64(&w, UINT64_MAX);
    json_array_begin(&w);
    json_array_end(&w);
    json_object_begin(&w);
    json_object_end(&w);
    json_null(&w);
    json_array_end(&w);
    json_key_str(&w, STR("b\""));
    json_bool(&w, true);
    json_key(&w, "c");
    json_i64_str(&w, -9007199254740993);
    json_key(&w, "d");
    json_raw(&w, STR("[1,2]"));
    json_key(&w, "e");
    json_cstr(&w, "");
    json_object_end(&w);
    expect(&b, "{\"a\":[-9223372036854775808,18446744073709551615,[],{},null],\"b\\\"\":true,"
               "\"c\":\"-9007199254740993\",\"d\":[1,2],\"e\":\"\"}");
}

static void test_numbers(void **state)
{
    static const struct {
        double v;
        const char *text;
    } CASES[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {0.1, "0.1"},
        {1e300, "1e+300"},
        {-2.5e-9, "-2.5e-09"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
        {1e15, "1000000000000000"},
        {1.0 / 3, "0.3333333333333333"},
    };
    struct buf b CLEANUP(buf_done);

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct json_writer w;

        json_init(&w, &b);
        json_f64(&w, CASES[i].v);
        expect(&b, CASES[i].text);
    }
}

static void test_strings(void **state)
{
    static const struct {
        struct str in;
        const char *text;
    } CASES[] = {
        {{"plain", 5}, "\"plain\""},
        {{"", 0}, "\"\""},
        {{"\"\\/\b\f\n\r\t", 8}, "\"\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
        {{"봉수 \xF0\x9F\x94\xA5", 11}, "\"봉수 \xF0\x9F\x94\xA5\""},
        {{"\xff", 1}, "\"\xEF\xBF\xBD\""},
        {{"a\xED\xA0\x80z", 5}, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\""}, /* surrogate */
        {{"\xC0\x80", 2}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                     /* overlong */
        {{"\xE2\x82", 2}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                     /* cut */
        {{"\xF4\x90\x80\x80", 4}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
    };
    struct buf b CLEANUP(buf_done);

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct json_writer w;

        json_init(&w, &b);
        json_str(&w, CASES[i].in);
        expect(&b, CASES[i].text);
    }
}

/** Eight bytes are looked at in one go: what is not plain is seen wherever it stands, in keys and in values. */
static void test_every_byte_everywhere(void **state)
{
    struct buf b CLEANUP(buf_done);
    struct buf want CLEANUP(buf_done);

    (void)state;
    buf_init(&b, 4096);
    buf_init(&want, 4096);
    for (unsigned c = 0; c < 0x80; c++) {
        for (size_t at = 0; at < 19; at++) {
            char text[20] = "abcdefghijklmnopqrs";
            const char *escape = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : NULL;
            struct json_writer w;

            text[at] = (char)c;
            if (c < 0x20 || (escape == NULL && c != 'z' && c % 16 != 0)) {
                continue; /* other escapes are in the table above */
            }
            buf_clear(&want);
            buf_printf(&want, "%.*s", (int)at, text);
            if (escape != NULL) {
                buf_add_cstr(&want, escape);
            } else {
                buf_add_byte(&want, (char)c);
            }
            buf_printf(&want, "%s", text + at + 1);
            json_init(&w, &b);
            json_object_begin(&w);
            json_member(&w, STR("k"), (struct str){text, 19});
            json_member(&w, (struct str){text, 19}, STR("v"));
            json_object_end(&w);
            {
                char expected[64];

                snprintf(expected, sizeof(expected), "{\"k\":\"%.*s\",\"%.*s\":\"v\"}", (int)want.n,
                         want.data, (int)want.n, want.data);
                expect(&b, expected);
            }
        }
    }
}

static void test_limit(void **state)
{
    struct buf b CLEANUP(buf_done);
    struct json_writer w;

    (void)state;
    buf_init(&b, 8);
    json_init(&w, &b);
    json_cstr(&w, "1234567");
    assert_int_equal(buf_status(&b), -ERR_TOO_LARGE);
}

static void test_utf8_clean(void **state)
{
    struct arena a CLEANUP(arena_done);
    struct str in = STR("ok 봉수");
    struct str out;
    size_t bad;

    (void)state;
    arena_init(&a, 1 << 16);
    assert_int_equal(utf8_clean(in, &a, &out, &bad), 0);
    assert_ptr_equal(out.p, in.p);
    assert_int_equal(bad, 0);
    assert_int_equal(utf8_clean(STR("a\xff"
                                    "b\xC3"),
                                &a, &out, &bad),
                     0);
    assert_true(str_eq(out, STR("a\xEF\xBF\xBD"
                                "b\xEF\xBF\xBD")));
    assert_int_equal(bad, 2);
    arena_done(&a);
    arena_init(&a, 8);
    assert_int_equal(utf8_clean(STR("a\xff"
                                    "b\xC3"),
                                &a, &out, &bad),
                     -ERR_NOMEM);
}

static void test_utf8_cut_encode(void **state)
{
    char dst[4];

    (void)state;
    assert_int_equal(utf8_cut(STR("봉수"), 5).n, 3);
    assert_int_equal(utf8_cut(STR("봉수"), 6).n, 6);
    assert_int_equal(utf8_cut(STR("봉수"), 2).n, 0);
    assert_int_equal(utf8_encode('A', dst), 1);
    assert_int_equal(utf8_encode(0x7FF, dst), 2);
    assert_memory_equal(dst, "\xDF\xBF", 2);
    assert_int_equal(utf8_encode(0xD800, dst), 3);
    assert_memory_equal(dst, "\xEF\xBF\xBD", 3);
    assert_int_equal(utf8_encode(0x1F525, dst), 4);
    assert_memory_equal(dst, "\xF0\x9F\x94\xA5", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_every_byte_everywhere),
        cmocka_unit_test(test_utf8_clean),
        cmocka_unit_test(test_utf8_cut_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
