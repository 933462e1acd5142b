/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks: every shape of times and values comes back bit by bit, sizes stay where they belong, known bytes
 * do not change, and broken bytes are refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/random.h"
#include "codec/bits.h"
#include "codec/chunk.h"
#include "codec/chunk_ints.h"

enum { MAX = CHUNK_MAX_SAMPLES };

static int64_t t_in[MAX], t_out[MAX];
static double v_in[MAX], v_out[MAX];

static double of_bits(uint64_t b)
{
    double v;

    memcpy(&v, &b, sizeof(v));
    return v;
}

static size_t round_trip(size_t n)
{
    struct buf b CLEANUP(buf_done);
    size_t peek_n = 0;
    int64_t first = 0;

    buf_init(&b, 1 << 20);
    assert_int_equal(chunk_encode(t_in, v_in, n, &b), 0);
    assert_int_equal(chunk_peek(buf_str(&b), &peek_n, &first), 0);
    assert_int_equal(peek_n, n);
    assert_int_equal(first, t_in[0]);
    memset(v_out, 0xff, sizeof(v_out));
    assert_int_equal(chunk_decode(buf_str(&b), t_out, v_out, n), n);
    assert_memory_equal(t_in, t_out, n * sizeof(*t_in));
    assert_memory_equal(v_in, v_out, n * sizeof(*v_in));
    return b.n;
}

static void regular_times(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        t_in[i] = 1700000000000 + (int64_t)i * 15000;
    }
}

enum shape {
    CONSTANT,
    COUNTER,
    COUNTER_RESET,
    GAUGE2,
    GAUGE_STALE,
    RANDOM,
    SINE,
    SPECIAL,
    LEADING_NAN,
    HUGE_INTS,
    TINY,
    PAGES,
    FLOATS,
    WALK,
    SHAPES,
};

static double value_of(enum shape s, size_t i, uint64_t *seed)
{
    static const uint64_t SPECIALS[] = {0x7ff0000000000002,
                                        0x7ff8000000000001,
                                        0x7ff0000000000000,
                                        0xfff0000000000000,
                                        0x8000000000000000,
                                        0,
                                        1,
                                        0x7fefffffffffffff,
                                        0xfff8000000000000};
    double r = (double)(random_next(seed) >> 40);

    switch (s) {
    case CONSTANT:
        return 42.5;
    case COUNTER:
        return (double)(i * 100) + (double)((uint64_t)r % 100);
    case COUNTER_RESET:
        return (double)(i % 300) * 1000;
    case GAUGE2:
        return round(r) / 100;
    case GAUGE_STALE:
        return i % 50 == 49 ? of_bits(SPECIALS[0]) : round(r) / 10;
    case RANDOM:
        return of_bits(random_next(seed));
    case SINE:
        return sin((double)i / 10);
    case SPECIAL:
        return of_bits(SPECIALS[random_next(seed) % ARRAY_LEN(SPECIALS)]);
    case LEADING_NAN:
        return i < 3 ? of_bits(SPECIALS[1]) : 1e6 + (double)i;
    case HUGE_INTS:
        return 9.2e18 + r * 4096;
    case PAGES:
        return 4096.0 * (1e5 + (double)((uint64_t)r % 256));
    case FLOATS:
        return (double)(float)sin((double)i / 7);
    case WALK:
        return 100 + sin((double)i / 50) + 1e-3 / (1 + (double)((uint64_t)r % 100));
    case TINY:
        return r * 1e-300;
    default:
        return 0;
    }
}

static void test_shapes(void **state)
{
    /* bytes per sample at most, for 1000 samples at a fixed interval */
    static const double LIMIT[SHAPES] = {
        [CONSTANT] = 0.03,   [COUNTER] = 1.1, [COUNTER_RESET] = 0.3, [GAUGE2] = 3.3,
        [GAUGE_STALE] = 3.4, [RANDOM] = 8.6,  [SINE] = 8.3,          [SPECIAL] = 9.5,
        [LEADING_NAN] = 0.1, [HUGE_INTS] = 8, [TINY] = 8.5,          [PAGES] = 1.1,
        [FLOATS] = 4.5,      [WALK] = 6.0,
    };
    static const size_t SIZES[] = {1, 2, 3, 4, 31, 32, 33, 34, 35, 64, 120, 128, 129, 1000, MAX};

    (void)state;
    for (int s = 0; s < SHAPES; s++) {
        for (size_t k = 0; k < ARRAY_LEN(SIZES); k++) {
            uint64_t seed = 11;
            size_t bytes;

            regular_times(SIZES[k]);
            for (size_t i = 0; i < SIZES[k]; i++) {
                v_in[i] = value_of((enum shape)s, i, &seed);
            }
            bytes = round_trip(SIZES[k]);
            if (SIZES[k] == 1000 && (double)bytes > LIMIT[s] * 1000) {
                fail_msg("shape %d takes %zu bytes for 1000 samples", s, bytes);
            }
        }
    }
}

static void test_times(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        v_in[i] = 1;
    }
    regular_times(1000);
    assert_true(round_trip(1000) < 30);
    for (size_t i = 500; i < 1000; i++) {
        t_in[i] += 600000; /* one gap costs its group only */
    }
    assert_true(round_trip(1000) < 250);
    regular_times(1000);
    for (size_t i = 0; i < 1000; i++) {
        t_in[i] += (int64_t)(random_next(&seed) % 8); /* jitter of 8 ms: about 4 bits */
    }
    assert_true(round_trip(1000) < 620);
    t_in[0] = INT64_MIN;
    t_in[1] = -1;
    t_in[2] = 0;
    t_in[3] = INT64_MAX;
    (void)round_trip(4);
    for (size_t i = 0; i < 1000; i++) {
        t_in[i] = (i == 0 ? -5000 : t_in[i - 1]) + 1 + (int64_t)(random_next(&seed) % 100000000);
    }
    (void)round_trip(1000);
}

static void test_ints_of_every_width(void **state)
{
    uint64_t seed = 5;

    (void)state;
    for (unsigned w = 0; w <= 64; w++) {
        for (size_t n = 1; n < 100; n += 7) {
            int64_t v[100];
            int64_t back[100];
            uint64_t tmp[300];
            struct buf b CLEANUP(buf_done);
            struct bits_reader r;

            for (size_t i = 0; i < n; i++) {
                v[i] = (int64_t)(w == 0 ? 0 : random_next(&seed) >> (64 - w));
            }
            buf_init(&b, 10000);
            chunk_ints_encode(v, n, tmp, &b);
            r = bits_reader_of(b.data, b.n);
            assert_int_equal(chunk_ints_decode(&r, back, n), 0);
            assert_ptr_equal(r.p, r.end);
            assert_memory_equal(v, back, n * sizeof(*v));
        }
    }
}

/** Spaces in `want` are for the eye. */
static void assert_hex(const char *got, const char *want)
{
    char packed[200];
    size_t n = 0;

    for (; *want != '\0'; want++) {
        if (*want != ' ') {
            packed[n++] = *want;
        }
    }
    packed[n] = '\0';
    assert_string_equal(got, packed);
}

static void test_golden(void **state)
{
    static const struct {
        size_t n;
        int64_t t[6];
        double v[6];
        const char *hex;
    } CASES[] = {
        /* one zero at time zero */
        {1, {0}, {0}, "0100 00 0000000000000000"},
        /* a fixed interval (order 1, flat) and a constant */
        {3, {1000, 2000, 3000}, {1, 1, 1}, "03d00f 0900d00f 00 000000000000f03f"},
        /* decimals with a fixed step */
        {3, {1000, 2000, 3000}, {1.5, 1.7, 1.9}, "03d00f 0900d00f 01010000 091e04"},
        /* an exception at index 1 */
        {6,
         {0, 1, 2, 3, 4, 5},
         {1, INFINITY, 2, 4, 5, 6},
         "06000900020100000101000000000000f07f04042284ca"},
        /* pages: a common power of two */
        {3, {0, 1, 2}, {4096, 12288, 8192}, "030009000201000c0000020218"},
        /* bits in order; XOR */
        {3,
         {0, 1, 2},
         {0.1234567890123456789, 0.1234567890123456989, 0.1234567890123457189},
         "0300090002030000bed9b7f4a6b7cdbf7f0238"},
        {4,
         {0, 1, 2, 3},
         {5e-324, -5e-324, 1e300, 5e-324},
         "040009000203000602054042eb001079c86ffc8e29fedf0d6f2007"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b CLEANUP(buf_done);
        char hex[200];

        buf_init(&b, 1000);
        assert_int_equal(chunk_encode(CASES[i].t, CASES[i].v, CASES[i].n, &b), 0);
        hex_encode((const uint8_t *)b.data, b.n, hex);
        assert_hex(hex, CASES[i].hex);
    }
}

static void test_refusals(void **state)
{
    struct buf b CLEANUP(buf_done);
    uint64_t seed = 9;
    size_t n;
    int64_t first;

    (void)state;
    buf_init(&b, 1 << 20);
    assert_int_equal(chunk_encode(t_in, v_in, 0, &b), -ERR_INVALID);
    assert_int_equal(chunk_encode(t_in, v_in, MAX + 1, &b), -ERR_INVALID);
    assert_int_equal(chunk_peek(STR(""), &n, &first), -ERR_CORRUPT);
    assert_int_equal(chunk_peek(STR("\0\0"), &n, &first), -ERR_CORRUPT);
    regular_times(100);
    for (size_t i = 0; i < 100; i++) {
        v_in[i] = i % 10 == 0 ? NAN : (double)(random_next(&seed) % 1000);
    }
    for (int form = 0; form < 2; form++) {
        buf_clear(&b);
        assert_int_equal(chunk_encode(t_in, v_in, 100, &b), 0);
        assert_int_equal(chunk_decode(buf_str(&b), t_out, v_out, 99), -ERR_CORRUPT);
        for (size_t cut = 0; cut < b.n;
             cut++) { /* an exact copy, so that sanitizers see a step over it */
            char *copy = mem_try_alloc(cut);

            assert_non_null(copy);
            memcpy(copy, b.data, cut);
            assert_int_equal(chunk_decode(str_of(copy, cut), t_out, v_out, MAX), -ERR_CORRUPT);
            mem_free(copy);
        }
        buf_add_byte(&b, 0);
        if (form == 0) {
            assert_int_equal(chunk_decode(buf_str(&b), t_out, v_out, MAX), -ERR_CORRUPT);
        }
        for (size_t i = 0; i < 100; i++) {
            v_in[i] = sin((double)i);
        }
    }
    for (int i = 0; i < 20000; i++) {
        char junk[60];

        for (size_t k = 0; k < sizeof(junk); k++) {
            junk[k] = (char)random_next(&seed);
        }
        junk[0] = (char)(random_next(&seed) % 100);
        (void)!chunk_decode(str_of(junk, random_next(&seed) % sizeof(junk)), t_out, v_out, MAX);
    }
    buf_done(&b);
    buf_init(&b, 3);
    assert_int_equal(chunk_encode(t_in, v_in, 100, &b), -ERR_TOO_LARGE);
    assert_int_equal(b.n, 0);
}

static void test_varints(void **state)
{
    static const uint64_t VALUES[] = {0, 1, 127, 128, 300, 1ull << 35, 1ull << 63, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(VALUES); i++) {
        uint8_t p[BITS_VARINT_MAX];
        size_t n = bits_put_varint(p, VALUES[i]);
        struct bits_reader r = bits_reader_of(p, n);

        assert_int_equal(n, bits_varint_size(VALUES[i]));
        assert_int_equal(bits_read_varint(&r), VALUES[i]);
        assert_false(r.bad);
        r = bits_reader_of(p, n - 1);
        (void)bits_read_varint(&r);
        assert_true(r.bad);
        assert_int_equal(bits_unzigzag(bits_zigzag((int64_t)VALUES[i])), VALUES[i]);
    }
    {
        struct bits_reader r = bits_reader_of("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10);

        (void)bits_read_varint(&r);
        assert_true(r.bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_varints), cmocka_unit_test(test_ints_of_every_width),
        cmocka_unit_test(test_shapes),  cmocka_unit_test(test_times),
        cmocka_unit_test(test_golden),  cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
