/* SPDX-License-Identifier: Apache-2.0
 *
 * Every codec: round trip, exact limit, bomb, truncation at every byte, garbage, several members or frames.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "codec/compress.h"

static const enum compression ALL[] = {COMPRESS_GZIP, COMPRESS_DEFLATE, COMPRESS_ZSTD,
                                       COMPRESS_SNAPPY};

static void fill(struct buf *b, size_t n)
{
    uint64_t state = 7;

    for (size_t i = 0; i < n; i++) { /* half repeating, half random */
        buf_add_byte(b, (char)(i % 64 < 32 ? 'a' : random_next(&state) & 0xff));
    }
    assert_false(b->failed);
}

static void test_tokens(void **state)
{
    static const struct {
        const char *token;
        bool ok;
        enum compression c;
    } CASES[] = {
        {"", true, COMPRESS_NONE},
        {"identity", true, COMPRESS_NONE},
        {"gzip", true, COMPRESS_GZIP},
        {"X-GZIP", true, COMPRESS_GZIP},
        {" zstd ", true, COMPRESS_ZSTD},
        {"deflate", true, COMPRESS_DEFLATE},
        {"snappy", true, COMPRESS_SNAPPY},
        {"br", false, COMPRESS_NONE},
        {"gzip, zstd", false, COMPRESS_NONE},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        enum compression c = COMPRESS_NONE;

        assert_int_equal(compression_parse(str_cstr(CASES[i].token), &c), CASES[i].ok);
        assert_int_equal(c, CASES[i].c);
    }
}

static void test_round_trip(void **state)
{
    static const size_t SIZES[] = {0, 1, 100, 70000, 3000000};
    struct buf src CLEANUP(buf_done);
    struct buf packed CLEANUP(buf_done);
    struct err e = {0};

    (void)state;
    buf_init(&src, 4 << 20);
    buf_init(&packed, 8 << 20);
    for (size_t k = 0; k < ARRAY_LEN(ALL); k++) {
        for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
            struct buf out CLEANUP(buf_done);
            struct buf small CLEANUP(buf_done);

            buf_init(&small, SIZES[i] != 0 ? SIZES[i] - 1 : 0);
            buf_clear(&src);
            buf_clear(&packed);
            fill(&src, SIZES[i]);
            assert_int_equal(compress_to(ALL[k], buf_str(&src), 0, &packed, &e), 0);
            buf_init(&out, SIZES[i] + 3); /* exactly what is there: prefix and output */
            buf_add_cstr(&out, "abc");
            assert_int_equal(decompress(ALL[k], buf_str(&packed), &out, &e), 0);
            assert_int_equal(out.n, SIZES[i] + 3);
            assert_memory_equal(out.data, "abc", 3);
            if (SIZES[i] != 0) {
                assert_memory_equal(out.data + 3, src.data, src.n);
                assert_int_equal(decompress(ALL[k], buf_str(&packed), &small, &e), -ERR_TOO_LARGE);
                assert_int_equal(small.n, 0);
            }
        }
    }
}

static void test_truncated(void **state)
{
    struct buf src CLEANUP(buf_done);
    struct buf packed CLEANUP(buf_done);
    struct buf out CLEANUP(buf_done);

    (void)state;
    buf_init(&src, 4096);
    buf_init(&packed, 8192);
    buf_init(&out, 8192);
    fill(&src, 500);
    for (size_t k = 0; k < ARRAY_LEN(ALL); k++) {
        buf_clear(&packed);
        assert_int_equal(compress_to(ALL[k], buf_str(&src), 0, &packed, NULL), 0);
        for (size_t n = 0; n < packed.n; n++) {
            struct err e = {0};
            int rc = decompress(ALL[k], str_of(packed.data, n), &out, &e);

            if (ALL[k] == COMPRESS_SNAPPY) { /* cannot tell short from broken */
                assert_true(rc == -ERR_INVALID || (n == 0 && rc == -ERR_TRUNCATED));
            } else if (ALL[k] == COMPRESS_DEFLATE && n < 2) {
                assert_true(rc == -ERR_INVALID || rc == -ERR_TRUNCATED);
            } else {
                assert_int_equal(rc, -ERR_TRUNCATED);
            }
            assert_true(e.msg[0] != '\0');
            assert_int_equal(out.n, 0);
        }
    }
}

static void test_garbage(void **state)
{
    char junk[256];
    uint64_t seed = 3;
    struct buf out CLEANUP(buf_done);

    (void)state;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < sizeof(junk); i++) {
        junk[i] = (char)(random_next(&seed) | 1);
    }
    junk[0] = (char)0xff;
    for (size_t k = 0; k < ARRAY_LEN(ALL); k++) {
        struct err e = {0};

        assert_true(decompress(ALL[k], str_of(junk, sizeof(junk)), &out, &e) < 0);
        assert_true(e.code == ERR_INVALID || e.code == ERR_TOO_LARGE);
        assert_int_equal(out.n, 0);
    }
}

/* 64 MiB of zeros in a few KiB: refused at the limit, and memory stays at the limit. */
static void test_bomb(void **state)
{
    struct buf src CLEANUP(buf_done);
    struct buf packed CLEANUP(buf_done);

    (void)state;
    buf_init(&src, 64 << 20);
    buf_init(&packed, 80 << 20);
    memset(buf_reserve(&src, 64 << 20), 0, 64 << 20);
    src.n = 64 << 20;
    for (size_t k = 0; k < ARRAY_LEN(ALL); k++) {
        struct buf out CLEANUP(buf_done);
        struct err e = {0};

        buf_init(&out, 1 << 20);
        buf_clear(&packed);
        assert_int_equal(compress_to(ALL[k], buf_str(&src), 1, &packed, NULL), 0);
        assert_int_equal(decompress(ALL[k], buf_str(&packed), &out, &e), -ERR_TOO_LARGE);
        assert_string_equal(e.msg, "decompressed data exceeds the limit of 1048576 bytes");
        assert_true(out.cap <= 1 << 20);
        assert_int_equal(out.n, 0);
    }
}

static void test_snappy_length_lie(void **state)
{
    struct buf out CLEANUP(buf_done);
    struct err e = {0};

    (void)state;
    buf_init(&out, 64 << 20);
    /* announces 32 MiB in six bytes */
    assert_int_equal(decompress(COMPRESS_SNAPPY,
                                STR("\x80\x80\x80\x10\x00"
                                    "a"),
                                &out, &e),
                     -ERR_INVALID);
    assert_int_equal(out.cap, 0);
}

static void test_members(void **state)
{
    static const enum compression MULTI[] = {COMPRESS_GZIP, COMPRESS_ZSTD};
    struct buf packed CLEANUP(buf_done);
    struct buf out CLEANUP(buf_done);
    struct err e = {0};

    (void)state;
    buf_init(&packed, 4096);
    buf_init(&out, 4096);
    for (size_t k = 0; k < ARRAY_LEN(MULTI); k++) {
        buf_clear(&packed);
        buf_clear(&out);
        assert_int_equal(compress_to(MULTI[k], STR("first "), 0, &packed, &e), 0);
        assert_int_equal(compress_to(MULTI[k], STR("second"), 0, &packed, &e), 0);
        assert_int_equal(decompress(MULTI[k], buf_str(&packed), &out, &e), 0);
        assert_true(str_eq(buf_str(&out), STR("first second")));
        buf_add_cstr(&packed, "trailing");
        buf_clear(&out);
        assert_int_equal(decompress(MULTI[k], buf_str(&packed), &out, &e), -ERR_INVALID);
    }
    buf_clear(&packed);
    assert_int_equal(compress_to(COMPRESS_DEFLATE, STR("one"), 0, &packed, &e), 0);
    buf_add_cstr(&packed, "trailing");
    assert_int_equal(decompress(COMPRESS_DEFLATE, buf_str(&packed), &out, &e), -ERR_INVALID);
}

static void test_raw_deflate(void **state)
{
    struct buf packed CLEANUP(buf_done);
    struct buf out CLEANUP(buf_done);
    struct err e = {0};

    (void)state;
    buf_init(&packed, 4096);
    buf_init(&out, 4096);
    assert_int_equal(compress_to(COMPRESS_DEFLATE, STR("hello hello hello"), 0, &packed, &e), 0);
    /* without the zlib header and Adler-32 it is raw deflate */
    assert_int_equal(decompress(COMPRESS_DEFLATE, str_of(packed.data + 2, packed.n - 6), &out, &e),
                     0);
    assert_true(str_eq(buf_str(&out), STR("hello hello hello")));
}

static void test_compress_limit(void **state)
{
    struct buf src CLEANUP(buf_done);

    (void)state;
    buf_init(&src, 4096);
    fill(&src, 4000);
    for (size_t k = 0; k < ARRAY_LEN(ALL); k++) {
        struct buf out CLEANUP(buf_done);

        buf_init(&out, 200);
        assert_int_equal(compress_to(ALL[k], buf_str(&src), 0, &out, NULL), -ERR_TOO_LARGE);
        assert_int_equal(out.n, 0);
    }
}

static void test_none(void **state)
{
    struct buf out CLEANUP(buf_done);

    (void)state;
    buf_init(&out, 4);
    assert_int_equal(decompress(COMPRESS_NONE, STR("abcd"), &out, NULL), 0);
    assert_int_equal(decompress(COMPRESS_NONE, STR("e"), &out, NULL), -ERR_TOO_LARGE);
    assert_true(str_eq(buf_str(&out), STR("abcd")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),         cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_truncated),      cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_bomb),           cmocka_unit_test(test_snappy_length_lie),
        cmocka_unit_test(test_members),        cmocka_unit_test(test_raw_deflate),
        cmocka_unit_test(test_compress_limit), cmocka_unit_test(test_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
