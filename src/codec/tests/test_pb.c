/* SPDX-License-Identifier: Apache-2.0
 *
 * The protobuf reader: every wire error with its offset, both paths of pb_next(), skips, packed values,
 * and the writer against it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "codec/pb.h"

static void test_errors(void **state)
{
    static const struct {
        struct str in;
        int good; /* fields before the error */
        int rc;
        const char *msg;
    } CASES[] = {
        {{"\x08", 1}, 0, -ERR_TRUNCATED, "protobuf: message ends inside a varint at byte 1"},
        {{"\x88", 1}, 0, -ERR_TRUNCATED, "protobuf: message ends inside a varint at byte 0"},
        {{"\x08\x80\x80", 3},
         0,
         -ERR_TRUNCATED,
         "protobuf: message ends inside a varint at byte 1"},
        {{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},
         0,
         -ERR_INVALID,
         "protobuf: varint of more than 64 bits at byte 1"},
        {{"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12},
         0,
         -ERR_INVALID,
         "protobuf: varint of more than 64 bits at byte 1"},
        {{"\x09\x01\x02\x03\x04\x05\x06\x07", 8},
         0,
         -ERR_TRUNCATED,
         "protobuf: message ends inside a 64-bit value at byte 1"},
        {{"\x08\x01\x0d\x01\x02\x03", 6},
         1,
         -ERR_TRUNCATED,
         "protobuf: message ends inside a 32-bit value at byte 3"},
        {{"\x0a\x03"
          "ab",
          4},
         0,
         -ERR_TRUNCATED,
         "protobuf: field 1 at byte 1 announces 3 bytes, 2 are left"},
        {{"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
         0,
         -ERR_TRUNCATED,
         "protobuf: field 1 at byte 1 announces 18446744073709551615 bytes, 0 are left"},
        {{"\x0b\x0c", 2}, 0, -ERR_INVALID, "protobuf: unsupported wire type 3 at byte 0"},
        {{"\x08\x01\x0c", 3}, 1, -ERR_INVALID, "protobuf: unsupported wire type 4 at byte 2"},
        {{"\x0e", 1}, 0, -ERR_INVALID, "protobuf: unsupported wire type 6 at byte 0"},
        {{"\x0f", 1}, 0, -ERR_INVALID, "protobuf: unsupported wire type 7 at byte 0"},
        {{"\x00\x00", 2}, 0, -ERR_INVALID, "protobuf: field number 0 at byte 0"},
        {{"\x02\x00", 2}, 0, -ERR_INVALID, "protobuf: field number 0 at byte 0"},
        {{"\x80\x80\x80\x80\x10\x00", 6},
         0,
         -ERR_INVALID,
         "protobuf: field number 536870912 at byte 0"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct pb r = pb_init(CASES[i].in);
        struct err e = {0};
        struct pb_field f;
        int good = 0;
        int rc;

        while ((rc = pb_next(&r, &f, &e)) > 0) {
            good++;
        }
        assert_int_equal(good, CASES[i].good);
        assert_int_equal(rc, CASES[i].rc);
        assert_string_equal(e.msg, CASES[i].msg);
    }
}

static void test_fields(void **state)
{
    struct str in = STR("\x08\x96\x01"                         /* 1: 150 */
                        "\x12\x02hi"                           /* 2: "hi" */
                        "\x1d\x01\x00\x00\x80"                 /* 3: fixed32 */
                        "\x21\x00\x00\x00\x00\x00\x00\xf0\x3f" /* 4: 1.0 */
                        "\x92\x04\x82\x00xy"                   /* 66: length in two bytes */
                        "\x0a\x00"                             /* 1 as another type */
                        "\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
    struct pb r = pb_init(in);
    struct err e = {0};
    struct pb_field f;

    (void)state;
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(f.tag, PB_TAG(1, PB_VARINT));
    assert_int_equal(f.u, 150);
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(f.tag, PB_TAG(2, PB_LEN));
    assert_true(str_eq(f.s, STR("hi")));
    assert_ptr_equal(f.p, in.p + 3);
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(f.tag, PB_TAG(3, PB_FIXED32));
    assert_int_equal(f.u, 0x80000001u);
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(f.tag, PB_TAG(4, PB_FIXED64));
    assert_true(pb_f64(f.u) == 1.0);
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(f.tag, PB_TAG(66, PB_LEN));
    assert_true(str_eq(f.s, STR("xy")));
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(f.tag, PB_TAG(1, PB_LEN));
    assert_int_equal(f.s.n, 0);
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_true(f.u == 1ull << 63);
    assert_int_equal(pb_next(&r, &f, &e), 0);
    r = pb_init(str_of(NULL, 0));
    assert_int_equal(pb_next(&r, &f, &e), 0);
}

/* Offsets inside a nested message count from the outermost one. */
static void test_nested_offset(void **state)
{
    struct pb r = pb_init(STR("\x08\x01\x12\x02\x09\x00"));
    struct err e = {0};
    struct pb_field f;
    struct pb inner;

    (void)state;
    assert_int_equal(pb_next(&r, &f, &e), 1);
    assert_int_equal(pb_next(&r, &f, &e), 1);
    inner = pb_sub(&r, f.s);
    assert_int_equal(pb_next(&inner, &f, &e), -ERR_TRUNCATED);
    assert_string_equal(e.msg, "protobuf: message ends inside a 64-bit value at byte 5");
}

static void test_packed(void **state)
{
    struct pb r = pb_init(STR("\x01\x96\x01\x80"));
    struct err e = {0};
    uint64_t u;

    (void)state;
    assert_int_equal(pb_next_packed_varint(&r, &u, &e), 1);
    assert_int_equal(u, 1);
    assert_int_equal(pb_next_packed_varint(&r, &u, &e), 1);
    assert_int_equal(u, 150);
    assert_int_equal(pb_next_packed_varint(&r, &u, &e), -ERR_TRUNCATED);
    r = pb_init(str_of(NULL, 0));
    assert_int_equal(pb_next_packed_varint(&r, &u, &e), 0);
    r = pb_init(STR("0123456789"));
    assert_int_equal(pb_packed_fixed64_count(&r, STR("01234567"), &e), 1);
    assert_int_equal(pb_packed_fixed64_count(&r, str_of((const char *)r.p, 9), &e), -ERR_INVALID);
    assert_string_equal(e.msg, "protobuf: packed 64-bit values of 9 bytes at byte 0");
}

static void test_round_trip(void **state)
{
    struct buf b CLEANUP(buf_done) = {0};
    uint64_t seed = 5;

    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 2000; i++) {
        uint64_t v = random_next(&seed) >> (random_next(&seed) % 64);
        uint32_t num = 1 + (uint32_t)(random_next(&seed) % 100000);
        struct err e = {0};
        struct pb_field f;
        struct pb r;
        size_t at;

        buf_clear(&b);
        at = pb_begin(&b, num);
        pb_put_varint(&b, num, v);
        pb_put_fixed64(&b, num, v);
        pb_put_fixed32(&b, num, (uint32_t)v);
        pb_put_str(&b, num, str_of((const char *)&v, v % 9));
        pb_end(&b, at);
        r = pb_init(buf_str(&b));
        assert_int_equal(pb_next(&r, &f, &e), 1);
        assert_int_equal(f.tag, PB_TAG(num, PB_LEN));
        assert_true(r.p == r.end);
        r = pb_sub(&r, f.s);
        assert_int_equal(pb_next(&r, &f, &e), 1);
        assert_int_equal(f.tag, PB_TAG(num, PB_VARINT));
        assert_true(f.u == v);
        assert_int_equal(pb_next(&r, &f, &e), 1);
        assert_int_equal(f.tag, PB_TAG(num, PB_FIXED64));
        assert_true(f.u == v);
        assert_int_equal(pb_next(&r, &f, &e), 1);
        assert_int_equal(f.tag, PB_TAG(num, PB_FIXED32));
        assert_true(f.u == (uint32_t)v);
        assert_int_equal(pb_next(&r, &f, &e), 1);
        assert_int_equal(f.s.n, v % 9);
        assert_int_equal(pb_next(&r, &f, &e), 0);
        assert_true(zigzag_decode(zigzag_encode((int64_t)v)) == (int64_t)v);
    }
}

static void test_writer_limit(void **state)
{
    struct buf b CLEANUP(buf_done) = {0};
    size_t at;

    (void)state;
    buf_init(&b, 8);
    at = pb_begin(&b, 1);
    pb_put_fixed64(&b, 1, 1);
    pb_end(&b, at);
    assert_true(b.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_nested_offset), cmocka_unit_test(test_packed),
        cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_writer_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
