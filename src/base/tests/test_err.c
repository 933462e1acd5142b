/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: the code table is complete, messages are cut whole, nothing is written to a NULL detail.
 */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void test_set(void **state)
{
    struct err e = {0};

    (void)state;
    e.span = (struct err_span){3, 4};
    assert_int_equal(err_set(&e, ERR_LIMIT, "%d series, limit %d", 11, 10), -ERR_LIMIT);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.msg, "11 series, limit 10");
    assert_int_equal(e.span.start, 0);
    assert_int_equal(err_set(NULL, ERR_IO, "nobody reads this"), -ERR_IO);
}

static void test_cut_on_utf8(void **state)
{
    char text[600];
    struct err e = {0};

    (void)state;
    for (size_t shift = 0; shift < 3;
         shift++) { /* a three-byte character over the cut, every way */
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3) {
            memcpy(text + i, "\xEB\xB4\x89", 4);
        }
        assert_int_equal(err_set(&e, ERR_INVALID, "%s", text), -ERR_INVALID);
        assert_true(str_is_utf8(str_cstr(e.msg)));
        assert_true(str_ends(str_cstr(e.msg), STR("...")));
        assert_in_range(strlen(e.msg), sizeof(e.msg) - 8, sizeof(e.msg) - 1);
    }
}

static void test_prefix(void **state)
{
    struct err e = {0};
    char longest[300];

    (void)state;
    assert_int_equal(err_set(&e, ERR_CORRUPT, "bad checksum"), -ERR_CORRUPT);
    assert_int_equal(err_prefix(&e, "segment %d", 7), -ERR_CORRUPT);
    assert_string_equal(e.msg, "segment 7: bad checksum");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(err_prefix(&e, "%s", longest), -ERR_CORRUPT);
    assert_true(strlen(e.msg) < sizeof(e.msg));
    assert_int_equal(err_prefix(NULL, "x"), -ERR_INTERNAL);
    e = (struct err){0};
    assert_int_equal(err_prefix(&e, "x"), -ERR_INTERNAL);
}

static void test_errno(void **state)
{
    static const struct {
        int errno_value;
        int code;
    } CASES[] = {{ENOSPC, ERR_NOSPACE},   {EDQUOT, ERR_NOSPACE}, {ENOMEM, ERR_NOMEM},
                 {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},  {EIO, ERR_IO},
                 {EBADF, ERR_IO}};
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(err_set_errno(&e, CASES[i].errno_value, "open %s", "x"), -CASES[i].code);
        assert_int_equal(e.code, CASES[i].code);
        assert_true(str_starts(str_cstr(e.msg), STR("open x: ")));
        assert_true(strlen(e.msg) > strlen("open x: "));
    }
    assert_int_equal(err_set_errno(NULL, ENOENT, "x"), -ERR_NOT_FOUND);
}

static void test_table(void **state)
{
    (void)state;
#define CHECK(name, num, text, http, grpc, prom)     \
    assert_string_equal(err_text(-name), text);      \
    assert_string_equal(err_text(name), text);       \
    assert_int_equal(err_http_status(-name), http);  \
    assert_int_equal(err_grpc_code(-name), grpc);    \
    assert_string_equal(err_prom_type(-name), prom); \
    assert_true((http) >= 400 && (http) < 600);      \
    assert_true((grpc) > 0 && (grpc) <= 16);
    ERR_TABLE(CHECK)
#undef CHECK
    assert_string_equal(err_text(0), "ok");
    assert_string_equal(err_text(-999), "unknown error");
    assert_int_equal(err_http_status(-999), 500);
    assert_int_equal(err_grpc_code(-999), 2);
    assert_string_equal(err_prom_type(-999), "internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),    cmocka_unit_test(test_cut_on_utf8),
        cmocka_unit_test(test_prefix), cmocka_unit_test(test_errno),
        cmocka_unit_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
