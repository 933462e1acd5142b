/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames and the handshake of RFC 6455, with its own examples, and what a server must refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/websocket.h"

static void test_accept(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100);
    assert_true(websocket_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), &b)); /* section 1.3 */
    assert_true(str_eq(buf_str(&b), STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    assert_false(websocket_accept(STR(""), &b));
    assert_false(websocket_accept(STR("c2hvcnQ="), &b));
    assert_false(websocket_accept(STR("!!!"), &b));
    buf_done(&b);
}

struct frame_case {
    const char *bytes;
    size_t n;
    int64_t rc;
    struct websocket_frame want;
};

#define BYTES(literal) literal, sizeof(literal) - 1

static void test_parse(void **state)
{
    static const struct frame_case CASES[] = {
        /* section 5.7 */
        {BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
         11,
         {true, WEBSOCKET_TEXT, {"Hello", 5}}},
        {BYTES("\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
         11,
         {true, WEBSOCKET_PING, {"Hello", 5}}},
        {BYTES("\x01\x83\0\0\0\0Hel"), 9, {false, WEBSOCKET_TEXT, {"Hel", 3}}},
        {BYTES("\x80\x82\0\0\0\0lo"), 8, {true, WEBSOCKET_CONTINUATION, {"lo", 2}}},
        {BYTES("\x88\x80\0\0\0\0"), 6, {true, WEBSOCKET_CLOSE, {"", 0}}},
        /* not complete */
        {BYTES(""), 0, {0}},
        {BYTES("\x81"), 0, {0}},
        {BYTES("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51"), 0, {0}},
        {BYTES("\x81\xfe\x01"), 0, {0}},
        /* not masked, reserved bits and opcodes, long or split control frames, long form of a short length */
        {BYTES("\x81\x05Hello"), -ERR_INVALID, {0}},
        {BYTES("\xc1\x80\0\0\0\0"), -ERR_INVALID, {0}},
        {BYTES("\x83\x80\0\0\0\0"), -ERR_INVALID, {0}},
        {BYTES("\x8b\x80\0\0\0\0"), -ERR_INVALID, {0}},
        {BYTES("\x89\xfe\0\x7e\0\0\0\0"), -ERR_INVALID, {0}},
        {BYTES("\x09\x80\0\0\0\0"), -ERR_INVALID, {0}},
        {BYTES("\x81\xfe\0\x05\0\0\0\0Hello"), -ERR_INVALID, {0}},
        {BYTES("\x81\xff\x80\0\0\0\0\0\0\x05\0\0\0\0"), -ERR_INVALID, {0}},
        {BYTES("\x81\xff\0\0\0\0\0\x10\0\0\0\0\0\0"), -ERR_TOO_LARGE, {0}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct websocket_frame f = {0};
        char data[64];

        memcpy(data, CASES[i].bytes, CASES[i].n);
        assert_int_equal(websocket_parse(data, CASES[i].n, 1000, &f), CASES[i].rc);
        if (CASES[i].rc > 0) {
            assert_int_equal(f.opcode, CASES[i].want.opcode);
            assert_int_equal(f.fin, CASES[i].want.fin);
            assert_true(str_eq(f.payload, CASES[i].want.payload));
        }
    }
}

static void test_frame(void **state)
{
    static char big[70000];
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    websocket_frame(&b, WEBSOCKET_TEXT, STR("Hello"));
    assert_true(str_eq(buf_str(&b), STR("\x81\x05Hello")));
    buf_clear(&b);
    websocket_frame(&b, WEBSOCKET_BINARY, str_of(big, 256)); /* section 5.7 */
    assert_int_equal(b.n, 260);
    assert_memory_equal(b.data, "\x82\x7e\x01\x00", 4);
    buf_clear(&b);
    websocket_frame(&b, WEBSOCKET_BINARY, str_of(big, 65536));
    assert_int_equal(b.n, 65546);
    assert_memory_equal(b.data, "\x82\x7f\0\0\0\0\0\x01\0\0", 10);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
