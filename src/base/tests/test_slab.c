/* SPDX-License-Identifier: Apache-2.0
 *
 * Slab: objects keep their bytes and do not overlap, what one size gives back serves another, threads may free
 * what others took.
 */
#include "base/slab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "base/thread.h"

enum { OBJECTS = 20000, ROUNDS = 200000 };

static void test_sizes(void **state)
{
    static const size_t table[][2] = {{0, 16},      {1, 16},      {16, 16},     {17, 32},
                                      {256, 256},   {257, 288},   {512, 512},   {513, 576},
                                      {1024, 1024}, {1025, 1152}, {2048, 2048}, {2049, 2049}};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(slab_size(table[i][0]), table[i][1]);
    }
    for (size_t i = 1; i <= SLAB_MAX; i++) {
        assert_true(slab_size(i) >= i && slab_size(i) % 16 == 0);
        assert_true(slab_size(i) <= i + i / 8 + 16);
    }
}

struct object {
    char *p;
    size_t n;
    char mark;
};

static bool is_marked(const struct object *o)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->p[i] != o->mark) {
            return false;
        }
    }
    return true;
}

static void test_random(void **state)
{
    struct object *v = mem_xcalloc(OBJECTS, sizeof(*v));
    uint64_t seed = 7;
    struct slab s;
    (void)state;

    slab_init(&s);
    for (size_t i = 0; i < ROUNDS; i++) {
        struct object *o = &v[random_next(&seed) % OBJECTS];

        if (o->p != NULL) {
            assert_true(is_marked(o));
            slab_free(o->p, o->n);
            o->p = NULL;
            continue;
        }
        o->n = 8 + random_next(&seed) % (i % 100 == 0 ? 4000 : 400);
        o->mark = (char)random_next(&seed);
        o->p = slab_alloc(&s, o->n);
        assert_non_null(o->p);
        assert_int_equal((uintptr_t)o->p % 16, 0);
        memset(o->p, o->mark, o->n);
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        assert_true(v[i].p == NULL || is_marked(&v[i]));
        slab_free(v[i].p, v[i].n);
    }
    assert_int_equal(slab_bytes(&s), 0);
    slab_done(&s);
    mem_free(v);
}

/** What grew away from one size must not stay with it. */
static void test_sizes_share_pages(void **state)
{
    void **v = mem_xcalloc(OBJECTS, sizeof(*v));
    uint64_t full = 0;
    struct slab s;
    (void)state;

    slab_init(&s);
    for (size_t size = 64; size <= 512; size *= 2) {
        for (size_t i = 0; i < OBJECTS; i++) {
            void *p = slab_alloc(&s, size);

            assert_non_null(p);
            slab_free(v[i], size / 2);
            v[i] = p;
        }
        full = slab_bytes(&s);
        assert_true(full >= OBJECTS * size);
        assert_true(full < OBJECTS * size * 102 / 100 + (1 << 20));
    }
    for (size_t i = 0; i < OBJECTS; i++) {
        slab_free(v[i], 512);
    }
    assert_int_equal(slab_bytes(&s), 0);
    slab_done(&s);
    mem_free(v);
}

static void test_no_memory(void **state)
{
    struct slab s;
    void *p;
    (void)state;

    slab_init(&s);
    for (int64_t n = 0; n < 2; n++) { /* the region's own object, its pages */
        mem_fail_after(n);
        assert_null(slab_alloc(&s, 100));
        mem_fail_after(-1);
        assert_int_equal(slab_bytes(&s), 0);
    }
    mem_fail_after(0);
    assert_null(slab_alloc(&s, SLAB_MAX + 1));
    mem_fail_after(-1);
    p = slab_alloc(&s, 100);
    assert_non_null(p);
    slab_free(p, 100);
    slab_free(NULL, 100);
    slab_done(&s);
}

struct worker {
    struct slab *slab;
    void **v; /* to free */
    struct thread thread;
};

static void free_all(void *arg)
{
    struct worker *w = arg;

    for (size_t i = 0; i < OBJECTS; i++) {
        slab_free(w->v[i], 48);
        w->v[i] = slab_alloc(w->slab, 80);
    }
}

static void test_threads(void **state)
{
    struct worker w[2] = {0};
    struct slab s;
    (void)state;

    slab_init(&s);
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        w[i].slab = &s;
        w[i].v = mem_xcalloc(OBJECTS, sizeof(void *));
    }
    for (size_t i = 0; i < OBJECTS * ARRAY_LEN(w); i++) { /* in turn: they meet on every page */
        w[i % 2].v[i / 2] = slab_alloc(&s, 48);
        assert_non_null(w[i % 2].v[i / 2]);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        assert_int_equal(thread_start(&w[i].thread, "slab", free_all, &w[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        thread_join(&w[i].thread);
        for (size_t k = 0; k < OBJECTS; k++) {
            assert_non_null(w[i].v[k]);
            slab_free(w[i].v[k], 80);
        }
        mem_free(w[i].v);
    }
    assert_int_equal(slab_bytes(&s), 0);
    slab_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_sizes_share_pages),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
