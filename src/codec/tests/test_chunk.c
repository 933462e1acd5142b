/* SPDX-License-Identifier: Apache-2.0
 *
 * Chunks: every shape of times and values comes back bit by bit, sizes stay where they belong, known bytes
 * do not change, and broken bytes are refused.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

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

/** As two columns. @return bytes of both */
static size_t round_trip_columns(size_t n)
{
    struct buf b CLEANUP(buf_done);
    struct chunk_times_info info = {0};
    size_t times;

    buf_init(&b, 1 << 20);
    assert_int_equal(chunk_times_encode(t_in, n, CHUNK_SMALL, &b), 0);
    times = b.n;
    assert_int_equal(chunk_times_peek(buf_str(&b), &info), 0);
    assert_int_equal(info.n, n);
    assert_int_equal(info.first_ms, t_in[0]);
    assert_int_equal(info.last_ms, t_in[n - 1]);
    assert_int_equal(chunk_values_encode(v_in, n, CHUNK_SMALL, &b), 0);
    memset(v_out, 0xff, sizeof(v_out));
    assert_int_equal(chunk_times_decode(buf_str(&b), t_out, n), n); /* values follow: allowed */
    assert_int_equal(chunk_values_decode(str_drop(buf_str(&b), times), v_out, n), 0);
    assert_memory_equal(t_in, t_out, n * sizeof(*t_in));
    assert_memory_equal(v_in, v_out, n * sizeof(*v_in));
    return b.n;
}

/** Every number of newest values alone, as many are given. */
static void newest_of(size_t n, enum chunk_effort effort)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 1 << 20);
    assert_int_equal(chunk_values_encode_newest(v_in, n, effort, &b), 0);
    for (size_t k = 1; k <= n; k = k < n && k * 2 > n ? n : k * 2) {
        v_out[k < MAX ? k : 0] = 4711;
        assert_int_equal(chunk_values_decode_newest(buf_str(&b), n, v_out, k), 0);
        assert_memory_equal(v_in + n - k, v_out, k * sizeof(*v_in));
        if (k < MAX) {
            assert_true(v_out[k] == 4711); /* nothing behind them was written */
        }
    }
    assert_int_equal(chunk_values_decode_newest(buf_str(&b), n, v_out, 0), -ERR_CORRUPT);
    assert_int_equal(chunk_values_decode_newest(buf_str(&b), n, v_out, n + 1), -ERR_CORRUPT);
    buf_add_byte(&b, 0);
    if (b.data[0] % 4 != 2) { /* XOR goes on to the end */
        assert_int_equal(chunk_values_decode_newest(buf_str(&b), n, v_out, n), -ERR_CORRUPT);
    }
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
            assert_true(round_trip_columns(SIZES[k]) <= bytes + BITS_VARINT_MAX);
            newest_of(SIZES[k], CHUNK_FAST);
            newest_of(SIZES[k], CHUNK_SMALL);
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
            uint64_t tmp[CHUNK_INTS_SCRATCH(100)];
            struct buf b CLEANUP(buf_done);
            struct bits_reader r;

            for (size_t i = 0; i < n; i++) {
                v[i] = (int64_t)(w == 0 ? 0 : random_next(&seed) >> (64 - w));
            }
            buf_init(&b, 10000);
            chunk_ints_encode(v, n, n % 2 == 0 ? CHUNK_FAST : CHUNK_SMALL, tmp, &b);
            r = bits_reader_of(b.data, b.n);
            assert_int_equal(chunk_ints_decode(&r, back, n, n), 0);
            assert_ptr_equal(r.p, r.end);
            assert_memory_equal(v, back, n * sizeof(*v));
            for (size_t k = 1; k < n; k += 1 + k / 2) { /* the first ones alone */
                memset(back, 0x55, sizeof(back));
                r = bits_reader_of(b.data, b.n);
                assert_int_equal(chunk_ints_decode(&r, back, n, k), 0);
                assert_memory_equal(v, back, k * sizeof(*v));
                assert_int_equal(back[k], 0x5555555555555555);
            }
        }
    }
}

/** The times from `min` on are those of the whole column. */
static void since(size_t n, int64_t min, struct str column)
{
    size_t from = 0;

    while (from < n && t_in[from] < min) {
        from++;
    }
    assert_int_equal(chunk_times_decode_since(column, min, t_out, n), n - from);
    assert_memory_equal(t_in + from, t_out, (n - from) * sizeof(*t_in));
}

static void test_times_since(void **state)
{
    struct buf b CLEANUP(buf_done);

    (void)state;
    buf_init(&b, 1 << 20);
    for (unsigned jitter = 1; jitter < 9; jitter *= 8) {
        for (size_t n = 1; n < 200; n += 33) {
            uint64_t seed = 7;

            buf_clear(&b);
            regular_times(n);
            for (size_t i = 0; i < n; i++) {
                t_in[i] += (int64_t)(random_next(&seed) % jitter);
            }
            assert_int_equal(chunk_times_encode(t_in, n, CHUNK_SMALL, &b), 0);
            since(n, INT64_MIN, buf_str(&b));
            since(n, INT64_MAX, buf_str(&b));
            for (size_t i = 0; i < n; i++) {
                since(n, t_in[i] - 1, buf_str(&b));
                since(n, t_in[i], buf_str(&b));
                since(n, t_in[i] + 1, buf_str(&b));
            }
            assert_int_equal(chunk_times_decode_since(buf_str(&b), 0, t_out, n - 1), -ERR_CORRUPT);
        }
    }
    /* says it goes on for longer than it does: 3 times from 0 to 5, a step of 2 */
    assert_int_equal(chunk_times_decode_since(STR("\3\0\5\x09\0\4"), 0, t_out, 3), -ERR_CORRUPT);
    assert_int_equal(chunk_times_decode_since(STR("\3\0\4\x09\0\4"), 1, t_out, 3), 2);
}

enum golden_shape {
    GIVEN,  /* v as it stands */
    BELL,   /* sums of three dice added up: leading bits coded */
    BURSTS, /* small steps and now and then a large one: distance to a centre */
    RARE,   /* a counter that hardly moves */
    STEPS,  /* four bits of noise, too short for a table */
    DRIFT,  /* a counter whose rate has a level of its own under noise: differences from a mean */
    LEVEL,  /* a gauge that has one */
};

static void golden_values(enum golden_shape shape, size_t n, double *v)
{
    uint32_t x = 1;
    double sum = 0;
    double level = 0;

    for (size_t i = 0; shape != GIVEN && i < n; i++) {
        uint32_t r;

        x = x * 1664525 +
            1013904223; /* Numerical Recipes' generator: the vectors need no other state */
        r = x >> 16;
        switch (shape) {
        case BELL:
            sum += 20 + r % 16 + r / 16 % 16 + r / 256 % 16;
            break;
        case BURSTS:
            sum += r % 16 == 0 ? 1000 + r : r % 3;
            break;
        case RARE:
            sum += r % 32 == 0 ? 5 : 0;
            break;
        case DRIFT:
            level += r / 256 % 16;
            level -= 7.5;
            sum += 1000 + level + r % 64;
            break;
        case LEVEL:
            level += r / 256 % 16;
            level -= 7.5;
            sum = 2 * level + r % 64;
            break;
        default:
            sum += r % 16;
            break;
        }
        v[i] = sum;
    }
}

/* GOLDEN: known bytes, written and read: format changes must show here. Spaces are for the eye. */
static const struct golden {
    enum chunk_effort effort;
    enum golden_shape shape;
    size_t n;
    int64_t t[6];
    double v[6];
    const char *times;
    const char *values;
} GOLDEN[] = {
    /* one sample at time zero: a constant */
    {CHUNK_FAST, GIVEN, 1, {0}, {0}, "01 00 00", "01 08 00"},
    /* a fixed interval (order 1, flat); a constant without a short decimal */
    {CHUNK_FAST,
     GIVEN,
     3,
     {1000, 2000, 3000},
     {1e300, 1e300, 1e300},
     "03d00fd00f0900d00f",
     "009c7500883ce4377e"},
    /* decimals with a fixed step */
    {CHUNK_FAST, GIVEN, 3, {1000, 2000, 3000}, {1.5, 1.7, 1.9}, "03d00fd00f0900d00f", "05091e04"},
    /* one late scrape: groups above the minimum; an exception at index 1 */
    {CHUNK_FAST,
     GIVEN,
     6,
     {0, 1, 2, 3, 9, 10},
     {1, INFINITY, 2, 4, 5, 6},
     "06000a0400041032a9",
     "810101000000000000f07f00042284ca"},
    /* pages: a common power of two; signs mixed */
    {CHUNK_FAST, GIVEN, 3, {-5, 0, 7}, {4096, 12288, 8192}, "03090c00054061", "410c04020218"},
    /* bits in order */
    {CHUNK_FAST,
     GIVEN,
     3,
     {0, 1, 2},
     {0.1234567890123456789, 0.1234567890123456989, 0.1234567890123457189},
     "030002090002",
     "030004bed9b7f4a6b7cdbf7f0238"},
    /* XOR */
    {CHUNK_FAST,
     GIVEN,
     4,
     {0, 1, 2, 3},
     {5e-324, -5e-324, 1e300, 5e-324},
     "040003090002",
     "03000202054042eb001079c86ffc8e29fedf0d6f2007"},
    {CHUNK_SMALL,
     STEPS,
     40,
     {0},
     {0},
     "2880a0abfef962a8da230900b0ea01",
     "010510000468036882d570d138fe7df2b28e0a2ba104a53c3d0e"},
    {CHUNK_SMALL,
     BELL,
     96,
     {0},
     {0},
     "6080a0abfef962e8fc560900b0ea01",
     "0119602e0209dbd5900113137dea8c2d5985fe3896b19e20a5be0fdaed140076617e4309e5cf36bd"
     "f91c5dfd1d7d220a4b023738bf90e42954171460945d0fe5128d5f2c4fc14343e11f"},
    {CHUNK_SMALL,
     BURSTS,
     96,
     {0},
     {0},
     "6080a0abfef962e8fc560900b0ea01",
     "011d0202438ffcfdfd1dcc4d1ef4010e0dc198e24fa3124d7c0126550a6d01976468a956a10946c8"
     "400a1202ae71006ece7970311c05"},
    {CHUNK_SMALL,
     RARE,
     400,
     {0},
     {0},
     "900380a0abfef962e8a5ed020900b0ea01",
     "01150000110114063071ad62344984140c400424080a"},
    {CHUNK_SMALL,
     DRIFT,
     128,
     {0},
     {0},
     "800180a0abfef962e8a2740900b0ea01",
     "051b0a9a9e019c9f01c906060d9f695a29131d1dfb42fa71e032e4affb6273dc47b5f7a507bd8626"
     "1aeab73260c5ddce02017698606ee4c77a5c17b4e63d0ff3416ed2abdae189142defb68ecb0530d7"
     "c18ba289876e2ad60e0ec67f6b180ae9103e5ac1b54c0c1d4ff8ccd5704b3e4981aedebfac2c00bb"
     "93646d8c2f58a50e814c5e7ba5ae5b761c9c90db620000ff875891a06a98b7fcb8f9bb8d803dac0a"
     "5dba51de33cb932f7f9ef5000d"},
    {CHUNK_SMALL,
     LEVEL,
     400,
     {0},
     {0},
     "900380a0abfef962e8a5ed020900b0ea01",
     "011b01227f03109b558518035a59d684cca098338ab71a944feef54dbf29aa1d186b289fe406cfe6"
     "f64458d0d404e0cadb6765ff1819dd1ff1212e2ad40d58638f8572e7e6cc9de419e9320be727abf4"
     "d8e00f0b726d035d456439ab3b765bfca43c59c500ffe618140c956cdb5cbc94fc0883370770c1ed"
     "b0758d39567f8607a5bc2ed3e42bdec36ee57dbdc254d0ca75c17fccde696a8189c1ce8a472a066e"
     "2c26e8f47b49f51c512fca3599f0585f2a65fe4791df4ac7362cb24acc350c4719bd665951198764"
     "54d245a7f8ca3010efcd7ebca0a6446cdf59b8ec20fec3a03600f546408b2e633ff2f9568b65d100"
     "05c0d329a6d285c98eadff15b382250934a49a5c51cd5301a5400d08b0bec66022f946dd2a0eb4f6"
     "0e0b6b7f71759507bd48dbde5b9adf9c57bd417d7f4feba5d1dea15161840aa3c803e466e7d92ca1"
     "08ce0564c15c587767066858662861658dae065e21b115"},
};

/* Written by older versions only, still read. */
static const struct {
    enum golden_shape shape;
    size_t n;
    const char *values;
} GOLDEN_OLD[] = {
    {BELL, 96,
     "010d602e0209563332336413137dea8c2d5985fe3896b19e20a5be0fdaed140076617e4309e5cf36"
     "bdf91c5dfd1d7d220a4b023738bf90e42954171460945d0fe5128d5f2c4fc14343e11f"},
    {BURSTS, 96,
     "011102024322020f0f0f4060055104410e0dc198e24fa3124d7c0126550a6d01976468a956a10946"
     "c8400a1202ae71006ece7970311c05"},
};

enum { GOLDEN_HEX = 1200 };

static size_t unhex(const char *hex, char *dst)
{
    size_t n = 0;

    for (; hex[0] != '\0'; hex++) {
        unsigned byte;

        if (*hex != ' ') {
            assert_int_equal(sscanf(hex, "%2x", &byte), 1);
            dst[n++] = (char)byte;
            hex++;
        }
    }
    return n;
}

static void golden_one(const struct golden *g)
{
    struct buf b CLEANUP(buf_done);
    char want[GOLDEN_HEX / 2];
    char got_hex[GOLDEN_HEX], want_hex[GOLDEN_HEX];
    size_t want_n;

    buf_init(&b, 10000);                /* several forms are tried in it */
    for (size_t i = 0; i < g->n; i++) { /* shapes have a fixed interval */
        t_in[i] = g->shape == GIVEN ? g->t[i] : 1700000000000 + (int64_t)i * 15000;
        v_in[i] = g->shape == GIVEN ? g->v[i] : 0;
    }
    golden_values(g->shape, g->n, v_in);

    assert_int_equal(chunk_times_encode(t_in, g->n, g->effort, &b), 0);
    want_n = unhex(g->times, want);
    hex_encode((const uint8_t *)b.data, b.n, got_hex);
    hex_encode((const uint8_t *)want, want_n, want_hex);
    assert_string_equal(got_hex, want_hex);
    assert_int_equal(chunk_times_decode(str_of(want, want_n), t_out, g->n), g->n);
    assert_memory_equal(t_in, t_out, g->n * sizeof(*t_in));

    buf_clear(&b);
    assert_int_equal(chunk_values_encode(v_in, g->n, g->effort, &b), 0);
    want_n = unhex(g->values, want);
    hex_encode((const uint8_t *)b.data, b.n, got_hex);
    hex_encode((const uint8_t *)want, want_n, want_hex);
    assert_string_equal(got_hex, want_hex);
    assert_int_equal(chunk_values_decode(str_of(want, want_n), v_out, g->n), 0);
    assert_memory_equal(v_in, v_out, g->n * sizeof(*v_in));
}

static void test_golden(void **state)
{
    static const int64_t T[] = {1000, 2000, 3000};
    static const double V[] = {1.5, 1.7, 1.9};
    struct buf b CLEANUP(buf_done);
    char hex[100];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(GOLDEN); i++) {
        golden_one(&GOLDEN[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(GOLDEN_OLD); i++) {
        char bytes[GOLDEN_HEX / 2];
        size_t bytes_n = unhex(GOLDEN_OLD[i].values, bytes);

        golden_values(GOLDEN_OLD[i].shape, GOLDEN_OLD[i].n, v_in);
        assert_int_equal(chunk_values_decode(str_of(bytes, bytes_n), v_out, GOLDEN_OLD[i].n), 0);
        assert_memory_equal(v_in, v_out, GOLDEN_OLD[i].n * sizeof(*v_in));
    }
    buf_init(&b, 100); /* and the frame of both in one */
    assert_int_equal(chunk_encode(T, V, 3, &b), 0);
    hex_encode((const uint8_t *)b.data, b.n, hex);
    assert_string_equal(hex, "03d00f0900d00f05091e04");
    buf_clear(&b); /* and newest first: 1.9, 1.7, 1.5 */
    assert_int_equal(chunk_values_encode_newest(V, 3, CHUNK_SMALL, &b), 0);
    hex_encode((const uint8_t *)b.data, b.n, hex);
    assert_string_equal(hex, "05092603");
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
        cmocka_unit_test(test_varints),     cmocka_unit_test(test_ints_of_every_width),
        cmocka_unit_test(test_shapes),      cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_since), cmocka_unit_test(test_golden),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
