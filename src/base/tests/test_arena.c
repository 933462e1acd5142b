/* SPDX-License-Identifier: Apache-2.0
 *
 * Arenas: alignment, budget, reuse, and every allocation failing in turn.
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"

static void test_alignment(void **state)
{
    CLEANUP(arena_done) struct arena a;
    uint64_t seed = 7;

    (void)state;
    arena_init(&a, 1 << 24);
    for (int i = 0; i < 5000; i++) {
        size_t align = (size_t)1 << (random_next(&seed) % 7);
        size_t size = random_next(&seed) % 300;
        unsigned char *p = arena_alloc(&a, size, align);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % align, 0);
        memset(p, i, size); /* the sanitizer sees an overlap with the chunk's end */
    }
    assert_true(a.used <= a.budget);
}

static void test_budget(void **state)
{
    CLEANUP(arena_done) struct arena a;
    size_t total = 0;

    (void)state;
    arena_init(&a, 100000);
    while (arena_alloc(&a, 1000, 8) != NULL) {
        total += 1000;
        assert_true(a.used <= 100000);
    }
    assert_in_range(total, 90000, 100000); /* little of the budget is lost */
    assert_null(arena_alloc(&a, 100001, 1));
    assert_null(arena_alloc(&a, SIZE_MAX, 8));
    assert_null(arena_alloc(&a, SIZE_MAX - 4, 1));
    arena_done(&a);
    arena_init(&a, 0);
    assert_null(arena_alloc(&a, 1, 1));
}

static void test_zeroed(void **state)
{
    CLEANUP(arena_done) struct arena a;
    uint32_t *v;

    (void)state;
    arena_init(&a, 1 << 20);
    memset(arena_alloc(&a, 1000, 1), 0xff, 1000);
    arena_reset(&a);
    v = arena_calloc(&a, 100, sizeof(*v));
    assert_non_null(v);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(v[i], 0);
    }
    assert_null(arena_calloc(&a, SIZE_MAX / 2, 3));
    assert_null(arena_array(&a, uint64_t, SIZE_MAX / 4));
}

static void test_reset_reuses(void **state)
{
    CLEANUP(arena_done) struct arena a;
    size_t used;

    (void)state;
    arena_init(&a, 1 << 22);
    for (int i = 0; i < 100; i++) {
        assert_non_null(arena_alloc(&a, 10000, 8));
    }
    arena_reset(&a);
    used = a.used;
    mem_fail_after(0);
    for (int i = 0; i < 20; i++) {
        assert_non_null(arena_alloc(&a, 10000, 8)); /* the kept chunk: no allocation happens */
    }
    mem_fail_after(-1);
    assert_int_equal(a.used, used);
}

static void test_strings(void **state)
{
    CLEANUP(arena_done) struct arena a;
    struct str s;

    (void)state;
    arena_init(&a, 8192);
    s = arena_printf(&a, "%s %d", "n", 42);
    assert_string_equal(s.p, "n 42");
    assert_int_equal(s.n, 4);
    s = arena_str_dup(&a, STR("copy"));
    assert_true(str_eq(s, STR("copy")));
    s = arena_str_dup(&a, str_of(NULL, 0));
    assert_int_equal(s.n, 0);
    s = arena_printf(&a, "%9000d", 1);
    assert_null(s.p);
}

static void test_every_allocation_fails(void **state)
{
    (void)state;
    for (int64_t nth = 0; nth < 12; nth++) {
        CLEANUP(arena_done) struct arena a;
        int got = 0;

        arena_init(&a, 1 << 22);
        mem_fail_after(nth);
        for (int i = 0; i < 2000; i++) {
            got += arena_alloc(&a, 512, 8) != NULL;
        }
        mem_fail_after(-1);
        assert_in_range(got, 1999, 2000); /* only the injected failure, and the arena lives on */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment), cmocka_unit_test(test_budget),
        cmocka_unit_test(test_zeroed),    cmocka_unit_test(test_reset_reuses),
        cmocka_unit_test(test_strings),   cmocka_unit_test(test_every_allocation_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
