/* SPDX-License-Identifier: Apache-2.0
 *
 * Locks: wrong order ends a debug build, right order does not; conditions time out. Budgets under threads.
 */
#include "base/lock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/budget.h"
#include "base/clock.h"
#include "base/thread.h"

/* Run fn in a child; the signal that ended it, or 0. */
static int signal_of(void (*fn)(void))
{
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        struct rlimit none = {0, 0};

        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void take_two(enum lock_rank first, enum lock_rank second)
{
    struct mutex a;
    struct mutex b;

    mutex_init(&a, first);
    mutex_init(&b, second);
    mutex_lock(&a);
    mutex_lock(&b);
    mutex_unlock(&a); /* any order of letting go is fine */
    mutex_unlock(&b);
    mutex_done(&a);
    mutex_done(&b);
}

static void rising(void)
{
    take_two(LOCK_RANK_STORE, LOCK_RANK_WAL);
}

static void falling(void)
{
    take_two(LOCK_RANK_WAL, LOCK_RANK_STORE);
}

static void equal_rank(void)
{
    take_two(LOCK_RANK_WAL, LOCK_RANK_WAL);
}

static void unlock_unheld(void)
{
    struct mutex a;

    mutex_init(&a, LOCK_RANK_LEAF);
    mutex_unlock(&a);
}

static void read_under_leaf(void)
{
    struct mutex a;
    struct rwlock l;

    mutex_init(&a, LOCK_RANK_LEAF);
    rwlock_init(&l, LOCK_RANK_PARTS);
    mutex_lock(&a);
    rwlock_read(&l);
}

static void test_rank(void **state)
{
    (void)state;
    assert_int_equal(signal_of(rising), 0);
#ifndef NDEBUG
    assert_int_equal(signal_of(falling), SIGABRT);
    assert_int_equal(signal_of(equal_rank), SIGABRT);
    assert_int_equal(signal_of(unlock_unheld), SIGABRT);
    assert_int_equal(signal_of(read_under_leaf), SIGABRT);
#else
    (void)falling;
    (void)equal_rank;
    (void)unlock_unheld;
    (void)read_under_leaf;
    skip(); /* ranks are checked in debug builds only */
#endif
}

struct shared {
    struct mutex lock;
    struct cond wake;
    struct rwlock rw;
    int turn;  /* guarded by: lock */
    int pairs; /* guarded by: rw */
    int twice; /* guarded by: rw; always 2 * pairs */
    struct budget *budget;
    _Atomic int over;
};

static void other(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 500; i++) {
        mutex_lock(&s->lock);
        while (s->turn % 2 == 0) {
            cond_wait(&s->wake, &s->lock);
        }
        s->turn++;
        cond_broadcast(&s->wake);
        mutex_unlock(&s->lock);
    }
}

static void test_condition(void **state)
{
    struct shared s = {.turn = 0};
    struct thread t;
    struct mono start;

    (void)state;
    mutex_init(&s.lock, LOCK_RANK_LEAF);
    cond_init(&s.wake);
    assert_int_equal(thread_start(&t, "other", other, &s), 0);
    for (int i = 0; i < 500; i++) {
        mutex_lock(&s.lock);
        while (s.turn % 2 == 1) {
            cond_wait(&s.wake, &s.lock);
        }
        s.turn++;
        cond_signal(&s.wake);
        mutex_unlock(&s.lock);
    }
    thread_join(&t);
    assert_int_equal(s.turn, 1000);
    start = clock_mono();
    mutex_lock(&s.lock);
    while (cond_wait_ms(&s.wake, &s.lock, 10)) { /* woken for no reason: allowed */
    }
    mutex_unlock(&s.lock);
    assert_true(mono_since_ns(start) >= 9000000);
    mutex_done(&s.lock);
    cond_done(&s.wake);
}

static void writer(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 2000; i++) {
        rwlock_write(&s->rw);
        s->pairs++;
        s->twice += 2;
        rwlock_unlock(&s->rw);
    }
}

static void test_rwlock(void **state)
{
    struct shared s = {.pairs = 0};
    struct thread t[2];
    int pairs;

    (void)state;
    rwlock_init(&s.rw, LOCK_RANK_PARTS);
    assert_int_equal(thread_start(&t[0], "w0", writer, &s), 0);
    assert_int_equal(thread_start(&t[1], "w1", writer, &s), 0);
    do {
        rwlock_read(&s.rw);
        pairs = s.pairs;
        assert_int_equal(s.twice, 2 * pairs);
        rwlock_unlock(&s.rw);
    } while (pairs < 4000);
    thread_join(&t[0]);
    thread_join(&t[1]);
    rwlock_done(&s.rw);
}

static void spender(void *arg)
{
    struct shared *s = arg;

    for (int i = 0; i < 20000; i++) {
        if (budget_take(s->budget, 7)) {
            if (budget_used(s->budget) >
                21 + 7 * 4) { /* own and, briefly, the others' refused takes */
                atomic_fetch_add(&s->over, 1);
            }
            budget_give(s->budget, 7);
        }
    }
}

static void test_budget(void **state)
{
    struct budget parent;
    struct budget child;
    struct shared s = {.budget = &child};
    struct thread t[4];

    (void)state;
    budget_init(&parent, 100, NULL);
    budget_init(&child, 1000, &parent);
    assert_true(budget_take(NULL, INT64_MAX));
    assert_true(budget_take(&child, 100));
    assert_false(budget_take(&child, 1)); /* the parent has no room */
    assert_int_equal(budget_used(&child), 100);
    assert_false(budget_take(&child, INT64_MAX));
    assert_int_equal(budget_used(&parent), 100);
    budget_give(&child, 100);
    assert_int_equal(budget_used(&parent), 0);

    budget_init(&parent, INT64_MAX, NULL);
    budget_init(&child, 21, &parent);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(thread_start(&t[i], "spender", spender, &s), 0);
    }
    for (int i = 0; i < 4; i++) {
        thread_join(&t[i]);
    }
    assert_int_equal(s.over, 0);
    assert_int_equal(budget_used(&child), 0);
    assert_int_equal(budget_used(&parent), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank),
        cmocka_unit_test(test_condition),
        cmocka_unit_test(test_rwlock),
        cmocka_unit_test(test_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
