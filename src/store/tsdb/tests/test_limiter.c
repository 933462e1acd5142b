/* SPDX-License-Identifier: Apache-2.0
 *
 * The limiter by itself: what it refuses, whom it names, and that counts go down as series go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/tsdb/limiter.h"

struct fixture {
    struct limiter *l;
    uint64_t active;
};

static struct labels make(struct label v[4], const char *metric, const char *job, const char *user)
{
    size_t n = 0;

    v[n++] = (struct label){STR("__name__"), str_cstr(metric)};
    if (job != NULL) {
        v[n++] = (struct label){STR("job"), str_cstr(job)};
    }
    if (user != NULL) {
        v[n++] = (struct label){STR("user"), str_cstr(user)};
    }
    return (struct labels){v, n};
}

static int add(struct fixture *f, const char *metric, const char *job, const char *user,
               struct err *e)
{
    struct label v[4];
    struct labels ls = make(v, metric, job, user);
    int rc = limiter_check(f->l, ls, f->active, e);

    rc = rc == 0 ? limiter_add(f->l, ls, f->active, false, e) : rc;
    f->active += rc == 0 ? 1 : 0;
    return rc;
}

static void drop(struct fixture *f, const char *metric, const char *job, const char *user)
{
    struct label v[4];

    limiter_remove(f->l, make(v, metric, job, user));
    limiter_sweep(f->l);
    f->active--;
}

static struct fixture open_fixture(uint64_t series, uint64_t metric, uint64_t source,
                                   uint64_t values)
{
    const uint64_t max[TSDB_LIMIT_COUNT] = {series, metric, source, values};

    return (struct fixture){.l = limiter_new(max, NULL)};
}

static void test_each_limit(void **state)
{
    static const struct {
        uint64_t max[TSDB_LIMIT_COUNT];
        const char *text;
    } CASES[] = {
        {{2, 0, 0, 0}, "limit of 2 active series reached by metric \"m\""},
        {{0, 2, 0, 0}, "limit of 2 series reached by metric \"m\""},
        {{0, 0, 2, 0}, "limit of 2 series reached by job \"j\""},
        {{0, 0, 0, 2}, "limit of 2 values reached by label \"user\" of metric \"m\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fixture f =
            open_fixture(CASES[i].max[0], CASES[i].max[1], CASES[i].max[2], CASES[i].max[3]);
        struct err e = {0};

        assert_int_equal(add(&f, "m", "j", "1", &e), 0);
        assert_int_equal(add(&f, "m", "j", "2", &e), 0);
        assert_int_equal(add(&f, "m", "j", "3", &e), -ERR_LIMIT);
        assert_string_equal(e.msg, CASES[i].text);
        /* others go on, unless it is the limit of all */
        assert_int_equal(add(&f, "other", "k", "3", &e), i == 0 ? -ERR_LIMIT : 0);
        if (i != 0) {
            drop(&f, "other", "k", "3");
        }
        drop(&f, "m", "j", "1");
        assert_int_equal(add(&f, "m", "j", "3", &e), 0);
        assert_int_equal(add(&f, "m", "j", "4", &e), -ERR_LIMIT);
        limiter_free(f.l);
    }
}

static void test_values_are_counted_once(void **state)
{
    struct fixture f = open_fixture(0, 0, 0, 2);
    struct err e = {0};

    (void)state;
    assert_int_equal(add(&f, "m", "a", "1", &e), 0);
    assert_int_equal(add(&f, "m", "b", "1", &e), 0); /* user 1 twice */
    assert_int_equal(add(&f, "m", "b", "2", &e), 0);
    assert_int_equal(add(&f, "m", "a", "2", &e), 0);
    assert_int_equal(add(&f, "m", "c", "2", &e), -ERR_LIMIT); /* a third job */
    assert_string_equal(e.msg, "limit of 2 values reached by label \"job\" of metric \"m\"");
    assert_int_equal(add(&f, "n", "c", "3", &e), 0); /* another metric's label */
    drop(&f, "m", "a", "1");
    drop(&f, "m", "a", "2");
    assert_int_equal(add(&f, "m", "c", "2", &e), 0);
    assert_int_equal(add(&f, "m", "c", "3", &e), -ERR_LIMIT); /* user 1 is still there */
    limiter_free(f.l);
}

static void test_replay_is_not_refused(void **state)
{
    struct fixture f = open_fixture(0, 1, 0, 0);
    struct label v[4];
    struct err e = {0};

    (void)state;
    assert_int_equal(limiter_add(f.l, make(v, "m", NULL, "1"), 0, true, &e), 0);
    assert_int_equal(limiter_add(f.l, make(v, "m", NULL, "2"), 1, true, &e), 0);
    assert_int_equal(add(&f, "m", NULL, "3", &e), -ERR_LIMIT);
    limiter_free(f.l);
}

/** A flood of distinct offenders keeps a bounded table. */
static void test_many_offenders(void **state)
{
    struct fixture f = open_fixture(1, 0, 0, 0);
    struct err e = {0};

    (void)state;
    assert_int_equal(add(&f, "m", NULL, NULL, &e), 0);
    for (int i = 0; i < 10000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "flood_%d", i);
        assert_int_equal(add(&f, name, NULL, NULL, &e), -ERR_LIMIT);
    }
    limiter_free(f.l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_limit),
        cmocka_unit_test(test_values_are_counted_once),
        cmocka_unit_test(test_replay_is_not_refused),
        cmocka_unit_test(test_many_offenders),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
