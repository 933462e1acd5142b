/* SPDX-License-Identifier: Apache-2.0
 *
 * Every format of the specification's table, ends in the middle, depth, and a scan that sees the bytes one by one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "codec/msgpack.h"

/* All values of the input in one line. */
static int show(struct str in, char *dst, size_t size)
{
    struct msgpack m = msgpack_init(in);
    struct msgpack_item it;
    size_t n = 0;
    int rc;

    dst[0] = '\0';
    while ((rc = msgpack_next(&m, &it, NULL)) > 0) {
        switch (it.type) {
        case MSGPACK_NIL:
            n += (size_t)snprintf(dst + n, size - n, "nil ");
            break;
        case MSGPACK_BOOL:
            n += (size_t)snprintf(dst + n, size - n, "%s ", it.u.b ? "true" : "false");
            break;
        case MSGPACK_INT:
            n += (size_t)snprintf(dst + n, size - n, "%lld ", (long long)it.u.i);
            break;
        case MSGPACK_UINT:
            n += (size_t)snprintf(dst + n, size - n, "u%llu ", (unsigned long long)it.u.u);
            break;
        case MSGPACK_F64:
            n += (size_t)snprintf(dst + n, size - n, "f%g ", it.u.f);
            break;
        case MSGPACK_STR:
        case MSGPACK_BIN:
            n += (size_t)snprintf(dst + n, size - n, "%c\"%.*s\" ",
                                  it.type == MSGPACK_STR ? 's' : 'b', STR_ARG(it.u.s));
            break;
        case MSGPACK_EXT:
            n += (size_t)snprintf(dst + n, size - n, "e%d:%zu ", it.ext, it.u.s.n);
            break;
        case MSGPACK_ARRAY:
        case MSGPACK_MAP:
            n += (size_t)snprintf(dst + n, size - n, "%c%u ", it.type == MSGPACK_ARRAY ? '[' : '{',
                                  it.n);
            break;
        }
    }
    return rc;
}

#define CASE(bytes, want, rc)                \
    {                                        \
        {bytes, sizeof(bytes) - 1}, want, rc \
    }

static const struct {
    struct str in;
    const char *want;
    int rc;
} CASES[] = {
    CASE("", "", 0),
    CASE("\x00\x7f\xe0\xff", "0 127 -32 -1 ", 0),
    CASE("\xc0\xc2\xc3", "nil false true ", 0),
    CASE("\xcc\xff\xcd\x01\x00\xce\x00\x01\x00\x00", "255 256 65536 ", 0),
    CASE("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
         "9223372036854775807 u9223372036854775808 ", 0),
    CASE("\xd0\x80\xd1\x80\x00\xd2\x80\x00\x00\x00\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
         "-128 -32768 -2147483648 -9223372036854775808 ", 0),
    CASE("\xca\x3f\x80\x00\x00\xcb\xbf\xe0\x00\x00\x00\x00\x00\x00", "f1 f-0.5 ", 0),
    CASE("\xa0\xa3"
         "abc\xd9\x01x\xda\x00\x01y\xdb\x00\x00\x00\x01z",
         "s\"\" s\"abc\" s\"x\" s\"y\" s\"z\" ", 0),
    CASE("\xc4\x01x\xc5\x00\x01y\xc6\x00\x00\x00\x01z", "b\"x\" b\"y\" b\"z\" ", 0),
    CASE("\xd4\x05x\xd5\x05xx\xd6\x05xxxx\xd7\x00xxxxxxxx\xd8\x05xxxxxxxxxxxxxxxx",
         "e5:1 e5:2 e5:4 e0:8 e5:16 ", 0),
    CASE("\xc7\x03\xffxyz\xc8\x00\x01\x01x\xc9\x00\x00\x00\x01\x01x", "e-1:3 e1:1 e1:1 ", 0),
    CASE(
        "\x92\x01\x02\x81\xa1k\x01\xdc\x00\x01\x05\xdd\x00\x00\x00\x00\xde\x00\x00\xdf\x00\x00\x00\x00",
        "[2 1 2 {1 s\"k\" 1 [1 5 [0 {0 {0 ", 0),
    CASE("\xc1", "", -ERR_INVALID),
    CASE("\x01\xcd\x01", "1 ", -ERR_TRUNCATED),
    CASE("\xa3"
         "ab",
         "", -ERR_TRUNCATED),
    CASE("\xdb\xff\xff\xff\xff", "", -ERR_TRUNCATED),
    CASE("\xc9\xff\xff\xff\xff\x01", "", -ERR_TRUNCATED),
    CASE("\xd4", "", -ERR_TRUNCATED),
    CASE("\xd4\x01", "", -ERR_TRUNCATED),
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char text[512];

        assert_int_equal(show(CASES[i].in, text, sizeof(text)), CASES[i].rc);
        assert_string_equal(text, CASES[i].want);
    }
}

/* The scan answers at the same byte however the bytes come. */
static void test_scan(void **state)
{
    static const struct str VALUES[] = {
        {"\x01", 1},
        {"\xa3"
         "abc",
         4},
        {"\x90", 1},
        {"\x92\x01\x92\x02\x03", 5},
        {"\x82\xa1"
         "a\x91\x80\xa1"
         "b\xd7\x00xxxxxxxx",
         17},
        {"\xdd\x00\x00\x00\x02\xc4\x05zzzzz\xc0", 13},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        struct msgpack_scan s = {0};
        char two[64];

        memcpy(two, VALUES[i].p, VALUES[i].n);
        memcpy(two + VALUES[i].n, "\x01\x02", 2);
        for (size_t n = 0; n < VALUES[i].n; n++) {
            assert_int_equal(msgpack_scan(&s, str_of(two, n)), 0);
        }
        assert_int_equal(msgpack_scan(&s, str_of(two, VALUES[i].n + 2)), 1);
        assert_int_equal(s.at, VALUES[i].n);
    }
}

static void test_depth(void **state)
{
    struct msgpack_scan s = {0};
    struct msgpack_item head;
    struct msgpack m;
    struct err e = {0};
    char deep[MSGPACK_DEPTH + 2];

    (void)state;
    memset(deep, '\x91', sizeof(deep));
    assert_int_equal(msgpack_scan(&s, str_of(deep, sizeof(deep))), -ERR_LIMIT);
    m = msgpack_init(str_of(deep, sizeof(deep)));
    assert_int_equal(msgpack_next(&m, &head, &e), 1);
    assert_int_equal(msgpack_skip(&m, &head, &e), -ERR_LIMIT);
    memset(&s, 0, sizeof(s));
    assert_int_equal(msgpack_scan(&s, STR("\x92\xc1")), -ERR_INVALID);
    m = msgpack_init(STR("\x92\x01"));
    assert_int_equal(msgpack_next(&m, &head, &e), 1);
    assert_int_equal(msgpack_skip(&m, &head, &e), -ERR_TRUNCATED);
}

static void test_writer(void **state)
{
    char text[256];
    char wide[300];
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    memset(wide, 'w', sizeof(wide));
    msgpack_put_array(&b, 2);
    msgpack_put_nil(&b);
    msgpack_put_bool(&b, true);
    msgpack_put_map(&b, 1);
    msgpack_put_str(&b, STR("key"));
    msgpack_put_bin(&b, STR("bin"));
    msgpack_put_str(&b, str_of(wide, 40));
    assert_int_equal(show(buf_str(&b), text, sizeof(text)), 0);
    assert_string_equal(
        text, "[2 nil true {1 s\"key\" b\"bin\" s\"wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww\" ");
    buf_clear(&b);
    msgpack_put_str(&b, str_of(wide, sizeof(wide)));
    assert_int_equal(b.n, sizeof(wide) + 5);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
