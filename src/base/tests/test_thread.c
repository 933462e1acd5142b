/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker pool: nothing is lost, full means refused, pool_for() runs each index once. Made for the
 * thread sanitizer.
 */
#include "base/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"

struct count {
    atomic_int ran;
    atomic_bool open;
    int per_index[5000]; /* each written by one thread only */
    struct pool *pool;
    char name[16];
    sigset_t blocked;
};

static void look(void *arg)
{
    struct count *c = arg;

    pthread_getname_np(pthread_self(), c->name, sizeof(c->name));
    pthread_sigmask(SIG_SETMASK, NULL, &c->blocked);
}

static void test_thread(void **state)
{
    struct count c = {0};
    struct thread t = {0};

    (void)state;
    thread_join(&t); /* never started */
    assert_int_equal(thread_start(&t, "a name much too long", look, &c), 0);
    thread_join(&t);
    thread_join(&t);
    assert_string_equal(c.name, "a name much too");
    assert_int_equal(sigismember(&c.blocked, SIGTERM), 1);
}

static void add_one(void *arg)
{
    struct count *c = arg;

    atomic_fetch_add_explicit(&c->ran, 1, memory_order_relaxed);
}

static void wait_open(void *arg)
{
    struct count *c = arg;

    while (!atomic_load_explicit(&c->open, memory_order_acquire)) {
        clock_sleep_ms(1);
    }
    add_one(arg);
}

static void test_pool_runs_all(void **state)
{
    static struct count c;
    struct pool *p = pool_new("runner", 4, 64);
    int submitted = 0;

    (void)state;
    assert_non_null(p);
    while (submitted < 5000) {
        if (pool_submit(p, add_one, &c) == 0) {
            submitted++;
        }
    }
    pool_free(p); /* runs what is queued */
    assert_int_equal(c.ran, 5000);
    pool_free(NULL);
}

static void test_pool_refuses_when_full(void **state)
{
    static struct count c;
    struct pool *p = pool_new("full", 1, 4);
    int accepted = 0;

    (void)state;
    assert_int_equal(pool_submit(p, wait_open, &c), 0);
    while (pool_queued(p) != 0) {
        clock_sleep_ms(1);
    }
    for (int i = 0; i < 10; i++) {
        int rc = pool_submit(p, wait_open, &c);

        assert_true(rc == 0 || rc == -ERR_OVERLOAD);
        accepted += rc == 0;
    }
    assert_int_equal(accepted, 4);
    assert_int_equal(pool_queued(p), 4);
    atomic_store_explicit(&c.open, true, memory_order_release);
    pool_free(p);
    assert_int_equal(c.ran, 5);
}

/* What shows the queue may outlive the work. */
static void test_pool_stopped(void **state)
{
    static struct count c;
    struct pool *p = pool_new("stopped", 2, 8);

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pool_submit(p, add_one, &c), 0);
    }
    pool_stop(p);
    assert_int_equal(c.ran, 8);
    assert_int_equal(pool_queued(p), 0);
    assert_int_equal(pool_submit(p, add_one, &c), -ERR_OVERLOAD);
    pool_stop(p);
    pool_free(p);
    pool_stop(NULL);
    assert_int_equal(c.ran, 8);
}

static void mark(void *arg, size_t i)
{
    struct count *c = arg;

    c->per_index[i]++;
}

static void test_pool_for(void **state)
{
    static const size_t SIZES[] = {0, 1, 2, 3, 100, 5000};
    struct pool *p = pool_new("for", 3, 8);

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(SIZES); k++) {
        for (int with_pool = 0; with_pool < 2; with_pool++) {
            static struct count c;

            memset(c.per_index, 0, sizeof(c.per_index));
            pool_for(with_pool ? p : NULL, SIZES[k], mark, &c);
            for (size_t i = 0; i < ARRAY_LEN(c.per_index); i++) {
                assert_int_equal(c.per_index[i], i < SIZES[k]);
            }
        }
    }
    pool_free(p);
}

static void nested(void *arg, size_t i)
{
    struct count *c = arg;

    (void)i;
    pool_for(c->pool, 10, mark, c + 1 + i);
}

static void test_pool_for_nested(void **state)
{
    static struct count c[9]; /* [0] the batch, the rest one per outer index */

    (void)state;
    c[0].pool = pool_new("nest", 2, 2);
    for (int round = 0; round < 200; round++) {
        pool_for(c[0].pool, 8, nested, c);
    }
    pool_free(c[0].pool);
    for (size_t k = 1; k < 9; k++) {
        for (size_t i = 0; i < 10; i++) {
            assert_int_equal(c[k].per_index[i], 200);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread),
        cmocka_unit_test(test_pool_runs_all),
        cmocka_unit_test(test_pool_refuses_when_full),
        cmocka_unit_test(test_pool_stopped),
        cmocka_unit_test(test_pool_for),
        cmocka_unit_test(test_pool_for_nested),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
