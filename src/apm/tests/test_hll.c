/* SPDX-License-Identifier: Apache-2.0
 *
 * The sketch: exact laws (union, order, bytes) and the measured error of real and of simulated sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/hll.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"
#include "hll_sim.h"

static void add_range(struct hll *h, uint64_t from, uint64_t to, uint64_t seed)
{
    for (uint64_t i = from; i < to; i++) {
        assert_int_equal(hll_add(h, hash64_seed(&i, sizeof(i), seed)), 0);
    }
}

static void same(const struct hll *a, const struct hll *b)
{
    assert_true(hll_covers(a, b));
    assert_true(hll_covers(b, a));
    assert_true(hll_estimate(a) == hll_estimate(b));
}

static void empty_is_zero(void **state)
{
    struct hll h = {0};

    (void)state;
    assert_true(hll_empty(&h));
    assert_true(hll_estimate(&h) == 0);
    assert_true(hll_std_error(&h, 0) == 0);
    assert_true(hll_memory(&h) == 0);
}

static void small_sets_are_exact(void **state)
{
    static const uint64_t SIZES[] = {1, 2, 3, 10, 100, 500, 1000, 2000, 2048};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct hll h CLEANUP(hll_done) = {0};

        add_range(&h, 0, SIZES[i], 1);
        add_range(&h, 0, SIZES[i], 1); /* again: nothing new */
        assert_null(h.registers);
        assert_int_equal(llround(hll_estimate(&h)), SIZES[i]);
        assert_true(hll_std_error(&h, hll_estimate(&h)) < 2e-4);
    }
}

static void list_and_registers_agree(void **state)
{
    struct hll list CLEANUP(hll_done) = {0};
    struct hll registers CLEANUP(hll_done) = {0};
    struct hll both CLEANUP(hll_done) = {0};

    (void)state;
    add_range(&registers, 0, 3000, 5);
    assert_non_null(registers.registers);
    for (uint64_t i = 0; i < 3000; i += 1000) {
        struct hll third CLEANUP(hll_done) = {0};

        add_range(&third, i, i + 1000, 5);
        assert_null(third.registers);
        assert_int_equal(hll_merge(&list, &third), 0);
    }
    assert_non_null(list.registers);
    same(&list, &registers);
    assert_int_equal(hll_merge(&both, &registers), 0);
    same(&both, &registers);
}

static void union_is_a_merge_of_all(void **state)
{
    static const uint64_t EACH[] = {5, 40, 700, 5000};

    (void)state;
    for (size_t e = 0; e < ARRAY_LEN(EACH); e++) {
        struct hll parts[20] = {0};
        const struct hll *v[20];
        struct hll once CLEANUP(hll_done) = {0};
        struct hll all CLEANUP(hll_done) = {0};
        struct hll merged CLEANUP(hll_done) = {0};

        for (uint64_t i = 0; i < 20; i++) { /* neighbours share half */
            add_range(&parts[i], i * EACH[e] / 2, i * EACH[e] / 2 + EACH[e], 9);
            v[i] = &parts[i];
        }
        add_range(&once, 0, 19 * EACH[e] / 2 + EACH[e], 9);
        assert_int_equal(hll_union(&all, v, 20), 0);
        for (size_t i = 20; i-- > 0;) {
            assert_int_equal(hll_merge(&merged, v[i]), 0);
        }
        same(&all, &merged);
        same(&all, &once);
        for (size_t i = 0; i < 20; i++) {
            assert_true(hll_covers(&all, v[i]));
            hll_done(&parts[i]);
        }
    }
}

static void covers_says_what_is_new(void **state)
{
    struct hll a CLEANUP(hll_done) = {0};
    struct hll b CLEANUP(hll_done) = {0};

    (void)state;
    add_range(&a, 0, 100, 2);
    add_range(&b, 50, 101, 2);
    assert_false(hll_covers(&a, &b));
    add_range(&a, 100, 101, 2);
    assert_true(hll_covers(&a, &b));
    add_range(&a, 200, 5000, 2);
    assert_true(hll_covers(&a, &b));
    assert_false(hll_covers(&b, &a));
}

static void bytes_go_round(void **state)
{
    static const uint64_t SIZES[] = {0, 1, 7, 300, 2048, 2049, 20000, 400000};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        struct hll h CLEANUP(hll_done) = {0};
        struct hll back CLEANUP(hll_done) = {0};
        struct buf b CLEANUP(buf_done) = {0};
        struct err e = {0};

        buf_init(&b, 2 * HLL_BYTES_MAX);
        add_range(&h, 0, SIZES[i], 3);
        hll_encode(&h, &b);
        assert_int_equal(buf_status(&b), 0);
        assert_true(b.n <= HLL_BYTES_MAX);
        assert_int_equal(hll_decode_into(&back, buf_str(&b), &e), 0);
        same(&h, &back);
        if (SIZES[i] != 0) { /* cut anywhere: refused, and nothing is taken over */
            for (size_t n = 0; n<b.n; n += b.n> 100 ? 37 : 1) {
                struct hll cut CLEANUP(hll_done) = {0};

                assert_true(hll_decode_into(&cut, str_take(buf_str(&b), n), &e) < 0);
                assert_true(hll_empty(&cut));
            }
        }
    }
}

static void bad_bytes_are_refused(void **state)
{
    static const struct {
        struct str bytes;
        int rc;
        const char *says;
    } CASES[] = {
        {STR(""), -ERR_CORRUPT, "too short"},
        {STR("\1"), -ERR_CORRUPT, "too short"},
        {STR("\2\0"), -ERR_UNSUPPORTED, "version 2"},
        {STR("\1\0x"), -ERR_CORRUPT, "an empty one with bytes"},
        {STR("\1\4"), -ERR_CORRUPT, "form"},
        {STR("\1\1"), -ERR_CORRUPT, "number of entries"},
        {STR("\1\1\0\0"), -ERR_CORRUPT, "number of entries"},
        {STR("\1\1\1\x09"), -ERR_CORRUPT, "number of entries"}, /* 2305 */
        {STR("\1\1\1\0"), -ERR_CORRUPT, "ends within"},
        {STR("\1\1\1\0\x81"), -ERR_CORRUPT, "ends within"},
        {STR("\1\1\1\0\x40"), -ERR_CORRUPT, "cannot be"},                 /* rank 0 */
        {STR("\1\1\1\0\x29"), -ERR_CORRUPT, "cannot be"},                 /* rank 41 */
        {STR("\1\1\2\0\x41\x01"), -ERR_CORRUPT, "cannot be"},             /* one position twice */
        {STR("\1\1\2\0\x41\x00"), -ERR_CORRUPT, "cannot be"},             /* not rising */
        {STR("\1\1\1\0\x81\x80\x80\x80\x08"), -ERR_CORRUPT, "cannot be"}, /* position 2^25 */
        {STR("\1\1\1\0\x41\x41"), -ERR_CORRUPT, "behind"},
        {STR("\1\2\1\2\3"), -ERR_CORRUPT, "16384"},
        {STR("\1\3zzzz"), -ERR_CORRUPT, "too short"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct hll h CLEANUP(hll_done) = {0};
        struct err e = {0};

        assert_int_equal(hll_decode_into(&h, CASES[i].bytes, &e), CASES[i].rc);
        assert_non_null(strstr(e.msg, CASES[i].says));
        assert_true(hll_empty(&h));
    }
}

static void no_memory_changes_nothing(void **state)
{
    struct hll a CLEANUP(hll_done) = {0};
    struct hll b CLEANUP(hll_done) = {0};
    double before;

    (void)state;
    mem_fail_after(0);
    assert_int_equal(hll_add(&a, 77), -ERR_NOMEM);
    mem_fail_after(-1);
    assert_true(hll_empty(&a));
    add_range(&a, 0, 2048, 4);
    add_range(&b, 5000, 9000, 4);
    before = hll_estimate(&a);
    mem_fail_after(0);
    assert_int_equal(hll_merge(&a, &b), -ERR_NOMEM);
    mem_fail_after(-1);
    assert_true(hll_estimate(&a) == before);
}

/* Of real sets: hashes of distinct numbers. */
static void real_sets(void **state)
{
    double sum = 0;
    int beyond = 0;

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        struct hll h CLEANUP(hll_done) = {0};
        double n = floor(10 * pow(10, 4 * (double)i / 99)); /* 10 .. 10^5 */
        double e;

        add_range(&h, 0, (uint64_t)n, i + 100);
        e = fabs(hll_estimate(&h) - n) / n;
        sum += e * e;
        beyond += e > 3 * hll_std_error(&h, n);
    }
    printf("100 real sets of 10 .. 10^5: rms error %.3f %%, beyond 3 standard errors: %d\n",
           100 * sqrt(sum / 100), beyond);
    assert_true(sqrt(sum / 100) < 0.0082);
    assert_true(beyond <= 2);
}

/* A thousand sets, sizes spread evenly over the decades from 10 to 10^8. The standard error is 1.04 / sqrt(2^14) as
 * promised of HyperLogLog; beyond three of them chance puts 2.7 of 1000. */
static void thousand_sets(void **state)
{
    const double promised = 1.04 / sqrt(HLL_REGISTERS);
    uint64_t seed = 20261122;
    double sum = 0;
    double bias = 0;
    double ratio = 0; /* of the error to what hll_std_error_registers() says */
    double worst = 0;
    int beyond = 0;
    int large = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        double n = floor(10 * pow(10, 7 * (double)i / 999));
        double e;

        e = (hll_sim_estimate(n, &seed) - n) / n;
        sum += e * e;
        bias += e;
        if (n > HLL_SIM_REAL) {
            ratio += e * e / (hll_std_error_registers(n) * hll_std_error_registers(n));
            large++;
        }
        worst = fabs(e) > worst ? fabs(e) : worst;
        beyond += fabs(e) > 3 * promised;
    }
    printf(
        "1000 sets of 10 .. 10^8: rms error %.3f %%, bias %.4f %%, worst %.2f standard errors, beyond "
        "three: %d; error as a share of what is said: %.3f\n",
        100 * sqrt(sum / 1000), bias / 10, worst / promised, beyond, sqrt(ratio / large));
    assert_true(sqrt(sum / 1000) < promised);
    assert_true(fabs(bias / 1000) < 4 * promised / sqrt(1000));
    assert_true(beyond <= 5);
    assert_true(worst < 4.5 * promised);
    assert_true(sqrt(ratio / large) > 0.85 && sqrt(ratio / large) < 1.15);
}

/* The simulation gives what adding gives: mean and spread of the estimate over many sets of one size. */
static void simulation_is_faithful(void **state)
{
    enum { N = 6000, SETS = 150 };

    double real = 0;
    double simulated = 0;
    double real2 = 0;
    double simulated2 = 0;
    uint64_t seed = 7;

    (void)state;
    for (uint64_t i = 0; i < SETS; i++) {
        struct hll h CLEANUP(hll_done) = {0};
        uint32_t c[HLL_RANKS];
        double e;

        add_range(&h, 0, N, i + 1000);
        e = hll_estimate(&h) / N - 1;
        real += e;
        real2 += e * e;
        hll_sim(c, N, &seed);
        e = hll_estimate_counts(c) / N - 1;
        simulated += e;
        simulated2 += e * e;
    }
    printf("sets of 6000: rms error added %.3f %%, simulated %.3f %%\n", 100 * sqrt(real2 / SETS),
           100 * sqrt(simulated2 / SETS));
    assert_true(fabs(real - simulated) / SETS < 0.0025);
    assert_true(real2 / simulated2 > 0.6 && real2 / simulated2 < 1.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_is_zero),
        cmocka_unit_test(small_sets_are_exact),
        cmocka_unit_test(list_and_registers_agree),
        cmocka_unit_test(union_is_a_merge_of_all),
        cmocka_unit_test(covers_says_what_is_new),
        cmocka_unit_test(bytes_go_round),
        cmocka_unit_test(bad_bytes_are_refused),
        cmocka_unit_test(no_memory_changes_nothing),
        cmocka_unit_test(real_sets),
        cmocka_unit_test(thousand_sets),
        cmocka_unit_test(simulation_is_faithful),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
