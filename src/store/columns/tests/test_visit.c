/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting on several threads beside one: the same answers in the same order, whatever is asked; stops, errors and
 * budgets end all of the threads and leave nothing behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "io/vfs.h"
#include "store/columns/tests/gen.h"

enum { ROUNDS = 300 };

static const int64_t FIRST_S = 1767592800; /* 2026-01-05 06:00 UTC */

/* The same rows in two stores: one that counts alone, one with threads. */
struct twins {
    struct gen g;
    char *dirs[3]; /* the rows came to the first, the others are its snapshots */
    struct columns *alone;
    struct columns *threads;
    struct pool *pool;
};

static void add_logs(struct gen *g, struct columns *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct columns_commit commit;
        struct log_record row;

        gen_log(g, &row);
        assert_int_equal(columns_append_logs(c, &row, 1, &commit, NULL), 0);
    }
}

static struct columns *open_at(const char *dir, struct pool *pool)
{
    const struct columns_opts o = {
        .kind = COLUMNS_LOGS, .dir = dir, .pool = pool, .parallel_rows = 1};
    struct columns *c = NULL;

    assert_int_equal(columns_open(&o, &c, NULL), 0);
    return c;
}

static char *snapshot_of(struct columns *c, const char *name)
{
    char *in = gen_tmpdir();
    char *path = vfs_join(in, name);

    assert_int_equal(columns_snapshot(c, path, NULL), 0);
    free(in);
    return path;
}

static int setup(void **state)
{
    struct twins *t = calloc(1, sizeof(*t));
    struct columns *c;

    gen_init(&t->g, 77, FIRST_S * 1000000000, 50LL * 3600 * 1000000000);
    t->dirs[0] = gen_tmpdir();
    t->pool = pool_new("visit", 3, 16);
    assert_non_null(t->pool);
    c = open_at(t->dirs[0], NULL);
    for (int i = 0; i < 5; i++) { /* a part for each of several days, five times */
        add_logs(&t->g, c, 300);
        assert_int_equal(columns_flush(c, NULL), 0);
    }
    t->dirs[1] = snapshot_of(c, "alone");
    t->dirs[2] = snapshot_of(c, "threads");
    columns_close(c);
    t->alone = open_at(t->dirs[1], NULL);
    t->threads = open_at(t->dirs[2], t->pool);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct twins *t = *state;

    columns_close(t->alone);
    columns_close(t->threads);
    pool_free(t->pool);
    for (size_t i = 1; i < ARRAY_LEN(t->dirs); i++) {
        *strrchr(t->dirs[i], '/') = '\0';
    }
    for (size_t i = 0; i < ARRAY_LEN(t->dirs); i++) {
        gen_rmdir(t->dirs[i]);
    }
    gen_done(&t->g);
    free(t);
    return 0;
}

static void same_groups(const struct columns_groups *a, const struct columns_groups *b,
                        size_t buckets)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_true(str_eq(a->v[i].value, b->v[i].value));
        assert_int_equal(a->v[i].total, b->v[i].total);
        assert_memory_equal(a->v[i].counts, b->v[i].counts, buckets * sizeof(uint64_t));
    }
    assert_int_equal(a->stats.rows_scanned, b->stats.rows_scanned);
    assert_int_equal(a->stats.blocks_read, b->stats.blocks_read);
    assert_int_equal(a->stats.blocks_pruned, b->stats.blocks_pruned);
    assert_int_equal(a->stats.bytes_read, b->stats.bytes_read);
}

static const struct field FIELDS[] = {{FIELD_INTRINSIC, {"severity_number", 15}},
                                      {FIELD_INTRINSIC, {"body", 4}},
                                      {FIELD_ANY, {"user", 4}},
                                      {FIELD_RESOURCE, {"host.name", 9}},
                                      {FIELD_INTRINSIC, {"trace_id", 8}}};

/* A random question. */
static void ask(struct gen *g, size_t i, struct columns_query *ret, struct columns_buckets *over)
{
    int64_t from = g->base_ns + (int64_t)gen_below(g, (uint64_t)g->span_ns / 2);

    *ret = (struct columns_query){.min_ns = i % 3 == 0 ? from : g->base_ns,
                                  .max_ns = g->base_ns + g->span_ns,
                                  .oldest_first = gen_below(g, 2) != 0};
    ret->filter = i % 4 == 0 ? NULL : gen_filter(g, COLUMNS_LOGS, 0);
    over->n = i % 2 == 0 ? 1 : 1 + gen_below(g, 40);
    over->step_ns = (ret->max_ns - ret->min_ns) / (int64_t)over->n + 1;
    over->by = i % 7 == 0 ? NULL : &FIELDS[i % ARRAY_LEN(FIELDS)];
    over->top = 0;
}

static void test_same_answers(void **state)
{
    struct twins *t = *state;

    for (size_t i = 0; i < ROUNDS; i++) {
        struct columns_groups one = {0};
        struct columns_groups many = {0};
        struct columns_query q;
        struct columns_buckets over;
        struct arena a;

        ask(&t->g, i, &q, &over);
        arena_init(&a, 64 << 20);
        assert_int_equal(columns_histogram(t->alone, &q, &over, &a, &one, NULL), 0);
        assert_int_equal(columns_histogram(t->threads, &q, &over, &a, &many, NULL), 0);
        same_groups(&one, &many, over.n);
        assert_int_equal(columns_values(t->alone, &q, FIELDS[2], 5, &a, &one, NULL), 0);
        assert_int_equal(columns_values(t->threads, &q, FIELDS[2], 5, &a, &many, NULL), 0);
        same_groups(&one, &many, 1);
        arena_done(&a);
    }
}

/* The highest of all groups, of equal ones those that were first. */
static void check_top(const struct columns_groups *all, const struct columns_groups *got,
                      size_t top, size_t buckets)
{
    bool *taken = calloc(all->n + 1, sizeof(*taken));

    assert_int_equal(got->n, top < all->n ? top : all->n);
    for (size_t i = 0; i < got->n; i++) {
        size_t best = SIZE_MAX;

        for (size_t k = 0; k < all->n; k++) {
            if (!taken[k] && (best == SIZE_MAX || all->v[k].total > all->v[best].total)) {
                best = k;
            }
        }
        assert_true(best != SIZE_MAX);
        taken[best] = true;
        assert_true(str_eq(got->v[i].value, all->v[best].value));
        assert_int_equal(got->v[i].total, all->v[best].total);
        assert_memory_equal(got->v[i].counts, all->v[best].counts, buckets * sizeof(uint64_t));
    }
    free(taken);
}

static void test_top(void **state)
{
    static const size_t TOPS[] = {1, 2, 7, 100, 100000};
    struct twins *t = *state;

    for (size_t i = 0; i < ROUNDS; i++) {
        struct columns *c = i % 2 == 0 ? t->alone : t->threads;
        struct columns_groups all = {0};
        struct columns_groups some = {0};
        struct columns_query q;
        struct columns_buckets over;
        struct arena a;

        ask(&t->g, i, &q, &over);
        arena_init(&a, 64 << 20);
        assert_int_equal(columns_histogram(t->alone, &q, &over, &a, &all, NULL), 0);
        over.top = TOPS[i % ARRAY_LEN(TOPS)];
        assert_int_equal(columns_histogram(c, &q, &over, &a, &some, NULL), 0);
        check_top(&all, &some, over.top, over.n);
        arena_done(&a);
    }
}

/* ---- ends ---- */

static void test_budget(void **state)
{
    struct twins *t = *state;
    const struct columns_buckets over = {.step_ns = t->g.span_ns, .n = 2, .by = &FIELDS[1]};
    struct columns_query q = {.min_ns = t->g.base_ns, .max_ns = t->g.base_ns + t->g.span_ns};
    size_t refused = 0;
    int rc = -1;

    for (int64_t bytes = 1; rc != 0; bytes *= 2) {
        struct columns_groups got;
        struct budget budget;
        struct err e = {0};
        struct arena a;

        assert_true(bytes < (int64_t)1 << 40);
        budget_init(&budget, bytes, NULL);
        q.budget = &budget;
        arena_init(&a, 64 << 20);
        rc = columns_histogram(t->threads, &q, &over, &a, &got, &e);
        assert_true(rc == 0 || rc == -ERR_NOMEM);
        assert_true(rc == 0 || strstr(e.msg, "more memory than its budget") != NULL);
        assert_int_equal(budget_used(&budget), 0);
        refused += rc != 0;
        arena_done(&a);
    }
    assert_true(refused > 10);
    for (size_t bytes = 1 << 10; bytes <= 1 << 16; bytes *= 2) { /* of the answer itself */
        struct columns_groups got;
        struct arena a;

        arena_init(&a, bytes);
        q.budget = NULL;
        rc = columns_histogram(t->threads, &q, &over, &a, &got, NULL);
        assert_true(rc == 0 || rc == -ERR_NOMEM);
        arena_done(&a);
    }
}

struct canceler {
    struct cancel *cancel;
    int64_t after_ms;
};

static void cancel_later(void *arg)
{
    struct canceler *c = arg;

    clock_sleep_ms(c->after_ms);
    cancel_set(c->cancel);
}

static void test_stops(void **state)
{
    struct twins *t = *state;
    const struct columns_buckets over = {.step_ns = t->g.span_ns, .n = 2, .by = &FIELDS[1]};
    struct columns_query q = {.min_ns = t->g.base_ns, .max_ns = t->g.base_ns + t->g.span_ns};
    struct columns_groups got;
    struct cancel cancel;
    struct err e = {0};
    struct arena a;

    arena_init(&a, 64 << 20);
    q.cancel = &cancel;
    cancel_init(&cancel, 0);
    cancel_set(&cancel);
    assert_int_equal(columns_histogram(t->threads, &q, &over, &a, &got, &e), -ERR_CANCELED);
    assert_string_equal(e.msg, "aggregation stopped");
    cancel_init(&cancel, 1);
    clock_sleep_ms(5);
    assert_int_equal(columns_histogram(t->threads, &q, &over, &a, &got, &e), -ERR_TIMEOUT);
    for (int64_t ms = 0; ms < 4; ms++) { /* while it counts, again and again until it hits */
        struct canceler c = {&cancel, ms};
        struct budget budget;
        struct thread th;
        int rc = 0;

        cancel_init(&cancel, 0);
        budget_init(&budget, 1 << 30, NULL);
        q.budget = &budget;
        assert_int_equal(thread_start(&th, "cancel", cancel_later, &c), 0);
        while (rc == 0) {
            arena_reset(&a);
            rc = columns_histogram(t->threads, &q, &over, &a, &got, &e);
            assert_int_equal(budget_used(&budget), 0);
        }
        assert_int_equal(rc, -ERR_CANCELED);
        thread_join(&th);
    }
    arena_done(&a);
}

/* The data of the first part of the first day. */
static char *first_data(const char *dir)
{
    char *at = vfs_join(dir, "parts");

    for (int level = 0; level < 2; level++) {
        char **names;
        char *in = at;
        size_t n;

        assert_int_equal(vfs_list(in, &names, &n, NULL), 0);
        assert_true(n != 0);
        at = vfs_join(in, names[0]);
        vfs_list_free(names, n);
        mem_free(in);
    }
    {
        char *data = vfs_join(at, "data");

        mem_free(at);
        return data;
    }
}

/* Turn most of the bytes of a part's data around, in a file of its own: the other store has the same one. */
static void damage(const char *dir)
{
    char *path = first_data(dir);
    char *bytes;
    size_t n;

    assert_int_equal(vfs_read_file(vfs_real(), path, 1 << 30, &bytes, &n, NULL), 0);
    for (size_t i = n / 4; i < n; i++) {
        bytes[i] = (char)~bytes[i];
    }
    assert_int_equal(vfs_write_atomic(vfs_real(), path, str_of(bytes, n), NULL), 0);
    mem_free(bytes);
    mem_free(path);
}

/* Ask for every attribute until one lies where the damage is. @return the error's text */
static struct err first_error(struct columns *c, const struct gen *g)
{
    static const char *const NAMES[] = {"body", "trace_id", "span_id", "severity_text",
                                        "event_name"};
    const struct columns_query q = {.min_ns = g->base_ns, .max_ns = g->base_ns + g->span_ns};
    struct columns_names names = {0};
    struct err e = {0};
    struct arena a;
    int rc;

    arena_init(&a, 64 << 20);
    rc = columns_names(c, &q, &a, &names, &e);
    for (size_t i = 0; rc == 0 && i < names.n + ARRAY_LEN(NAMES); i++) {
        const struct field by =
            i < ARRAY_LEN(NAMES) ? (struct field){FIELD_INTRINSIC, str_cstr(NAMES[i])}
                                 : (struct field){FIELD_ATTR, names.v[i - ARRAY_LEN(NAMES)].name};
        const struct columns_buckets over = {.step_ns = g->span_ns, .n = 2, .by = &by};
        struct budget budget;
        struct columns_query asked = q;
        struct columns_groups got;

        budget_init(&budget, 1 << 30, NULL);
        asked.budget = &budget;
        rc = columns_histogram(c, &asked, &over, &a, &got, &e);
        assert_int_equal(budget_used(&budget), 0);
    }
    assert_int_equal(rc, -ERR_CORRUPT);
    arena_done(&a);
    return e;
}

static void test_damage(void **state)
{
    struct twins *t = *state;
    char *dir = snapshot_of(t->alone, "bad");
    struct columns *c;
    struct err one;
    struct err many;

    damage(dir);
    c = open_at(dir, NULL);
    one = first_error(c, &t->g);
    columns_close(c);
    c = open_at(dir, t->pool);
    many = first_error(c, &t->g);
    columns_close(c);
    assert_string_equal(one.msg, many.msg);
    assert_non_null(strstr(many.msg, "data is damaged"));
    *strrchr(dir, '/') = '\0';
    gen_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_answers), cmocka_unit_test(test_top),
        cmocka_unit_test(test_budget),       cmocka_unit_test(test_stops),
        cmocka_unit_test(test_damage),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
