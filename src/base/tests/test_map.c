/* SPDX-License-Identifier: Apache-2.0
 *
 * Map and vector against the simplest thing that could be right, with random operations and failing
 * allocations.
 */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/random.h"
#include "base/vec.h"

enum { KEYS = 600 };

static char key_text[KEYS][16];

static struct str key_of(size_t k)
{
    snprintf(key_text[k], sizeof(key_text[k]), "key-%zu", k);
    return str_cstr(key_text[k]);
}

static void check_all(const struct map *m, void *const *want)
{
    size_t pos = 0;
    size_t seen = 0;
    size_t live = 0;
    struct str key;
    void *value;

    for (size_t k = 0; k < KEYS; k++) {
        assert_ptr_equal(map_get(m, key_of(k)), want[k]);
        live += want[k] != NULL;
    }
    while (map_next(m, &pos, &key, &value)) {
        uint64_t k;

        assert_true(str_to_u64(str_drop(key, 4), &k));
        assert_ptr_equal(value, want[k]);
        seen++;
    }
    assert_int_equal(seen, live);
    assert_int_equal(m->n, live);
}

static void test_against_array(void **state)
{
    static int values[1000];
    void *want[KEYS] = {0};
    struct map m = {0};
    uint64_t seed = 42;

    (void)state;
    assert_null(map_get(&m, STR("nothing")));
    assert_null(map_del(&m, STR("nothing")));
    for (int i = 0; i < 40000; i++) {
        size_t k = random_next(&seed) % KEYS;

        if (random_next(&seed) % 3 == 0) {
            assert_ptr_equal(map_del(&m, key_of(k)), want[k]);
            want[k] = NULL;
        } else {
            void *v = &values[random_next(&seed) % 1000];

            assert_int_equal(map_put(&m, key_of(k), v), 0);
            want[k] = v;
        }
        if (i % 4000 == 0) {
            check_all(&m, want);
        }
    }
    check_all(&m, want);
    assert_true(m.cap <= 4096); /* tombstones do not make it grow without end */
    map_done(&m);
}

static void test_odd_keys(void **state)
{
    static int a;
    static int b;
    struct map m = {0};

    (void)state;
    assert_int_equal(map_put(&m, STR(""), &a), 0);
    assert_int_equal(map_put(&m, str_of("x\0y", 3), &b), 0);
    assert_ptr_equal(map_get(&m, str_of(NULL, 0)), &a);
    assert_ptr_equal(map_get(&m, str_of("x\0y", 3)), &b);
    assert_null(map_get(&m, STR("x")));
    map_done(&m);
}

static void test_delete_while_walking(void **state)
{
    static int v;
    struct map m = {0};
    struct str key;
    void *value;
    size_t pos = 0;
    size_t seen = 0;

    (void)state;
    for (size_t k = 0; k < 100; k++) {
        assert_int_equal(map_put(&m, key_of(k), &v), 0);
    }
    while (map_next(&m, &pos, &key, &value)) {
        assert_ptr_equal(map_del(&m, key), &v);
        seen++;
    }
    assert_int_equal(seen, 100);
    assert_int_equal(m.n, 0);
    map_done(&m);
}

static void test_no_memory(void **state)
{
    static int v;
    struct map m = {0};
    size_t stored = 0;

    (void)state;
    mem_fail_after(2);
    for (size_t k = 0; k < KEYS; k++) {
        int rc = map_put(&m, key_of(k), &v);

        if (rc < 0) {
            assert_int_equal(rc, -ERR_NOMEM);
            assert_null(map_get(&m, key_of(k)));
            break;
        }
        stored++;
    }
    mem_fail_after(-1);
    assert_in_range(stored, 1, KEYS - 1);
    for (size_t k = 0; k < stored; k++) {
        assert_ptr_equal(map_get(&m, key_of(k)), &v);
    }
    map_done(&m);
}

static void test_vec(void **state)
{
    VEC(uint32_t) xs = {0};
    uint32_t pushed = 0;

    (void)state;
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(vec_push(&xs, i * 3));
    }
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(xs.v[i], i * 3);
    }
    vec_clear(&xs);
    assert_int_equal(xs.n, 0);
    assert_false(vec_reserve(&xs, SIZE_MAX));
    assert_false(vec_reserve(&xs, SIZE_MAX / 2));
    mem_fail_after(0);
    while (vec_push(&xs, pushed)) {
        pushed++;
    }
    mem_fail_after(-1);
    assert_int_equal(xs.n, pushed); /* what was there stays */
    assert_int_equal(xs.v[pushed - 1], pushed - 1);
    vec_done(&xs);
    assert_int_equal(xs.cap, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_odd_keys),
        cmocka_unit_test(test_delete_while_walking),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_vec),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
