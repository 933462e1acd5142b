/* SPDX-License-Identifier: Apache-2.0
 *
 * Published vectors: what lies on disk must mean the same for ever.
 */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

static void test_crc32c(void **state)
{
    uint8_t data[32];

    (void)state;
    assert_int_equal(crc32c(0, "", 0), 0);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283u); /* the check value of CRC-32C */
    memset(data, 0, sizeof(data));                            /* RFC 3720 B.4 */
    assert_int_equal(crc32c(0, data, 32), 0x8A9136AAu);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(crc32c(0, data, 32), 0x62A8AB43u);
    for (uint8_t i = 0; i < 32; i++) {
        data[i] = i;
    }
    assert_int_equal(crc32c(0, data, 32), 0x46DD794Eu);
    for (uint8_t i = 0; i < 32; i++) {
        data[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(crc32c(0, data, 32), 0x113FDB5Cu);
}

static void test_crc32c_in_parts(void **state)
{
    uint8_t data[257];
    uint64_t seed = 3;
    uint32_t whole;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)random_next(&seed);
    }
    whole = crc32c(0, data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut++) {
        assert_int_equal(crc32c(crc32c(0, data, cut), data + cut, sizeof(data) - cut), whole);
    }
}

static void test_xxh3(void **state)
{
    struct hash128 h = hash128("", 0);

    (void)state;
    assert_true(hash64("", 0) == 0x2D06800538D394C2ull); /* xxHash's own self-test value */
    assert_true(h.lo == 0x6001C324468D497Full && h.hi == 0x99AA06D3014798D8ull);
    assert_true(hash64_seed("a", 1, 1) != hash64_seed("a", 1, 2));
    assert_true(hash64("a", 1) == hash64_seed("a", 1, 0));
}

static void test_integers(void **state)
{
    uint64_t state64 = 0;

    (void)state;
    assert_true(hash_u64(0) == 0);
    assert_true(random_next(&state64) == 0xE220A8397B1DCDAFull); /* SplitMix64, seed 0 */
    assert_true(random_next(&state64) == 0x6E789E6AA1B965F4ull);
}

static void test_kernel_randomness(void **state)
{
    uint8_t a[64] = {0};
    uint8_t b[64] = {0};

    (void)state;
    random_bytes(a, sizeof(a));
    random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    random_bytes(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_crc32c_in_parts),
        cmocka_unit_test(test_xxh3),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_kernel_randomness),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
