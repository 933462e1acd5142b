/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells: every width adds up to the same requests, late ones included, before and after writing, after a restart and
 * after what a crash leaves; buckets hold the durations they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/tmap.h"
#include "apm/transactions.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "io/tree.h"
#include "io/vfs.h"

enum { REQUESTS = 5000, GROUPS = 3 };

static const int64_t S = 1000000000;

struct rig {
    char dir[64];
    struct columns *cells, *rows;
    struct tmap *t;
    int64_t now_ms;
    uint64_t random;
};

static struct columns *open_rows(const struct rig *r, const char *name, enum columns_kind kind)
{
    char *dir CLEANUP(mem_free_ptr) = vfs_join(r->dir, name);
    const struct columns_opts o = {.kind = kind, .dir = dir, .name = name};
    struct columns *c = NULL;

    assert_int_equal(columns_open(&o, &c, NULL), 0);
    return c;
}

static void open_all(struct rig *r)
{
    struct tmap_opts o = {.manual = true};

    r->cells = open_rows(r, "tmap", COLUMNS_LOGS);
    r->rows = open_rows(r, "transactions", COLUMNS_SPANS);
    o.cells = r->cells;
    o.transactions = r->rows;
    assert_int_equal(tmap_open(&o, &r->t, NULL), 0);
}

static void close_rows(struct rig *r)
{
    columns_close(r->cells);
    columns_close(r->rows);
}

static int setup(void **state)
{
    struct rig *r = mem_xcalloc(1, sizeof(*r));

    snprintf(r->dir, sizeof(r->dir), "/tmp/tmapXXXXXX");
    assert_non_null(mkdtemp(r->dir));
    r->now_ms = clock_wall_ms();
    r->random = 7;
    open_all(r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    tmap_close(r->t);
    close_rows(r);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
    mem_free(r);
    return 0;
}

static const struct str NAMES[GROUPS] = {
    {"shop/cart", 9}, {"shop/pay", 8}, {"unknown_service", 15}};

static struct tmap_point random_point(struct rig *r, int64_t stamp_ns)
{
    int64_t back_ms = (int64_t)(random_next(&r->random) % (3 * 3600000));
    unsigned shift = (unsigned)(random_next(&r->random) % 34);

    return (struct tmap_point){.group = NAMES[random_next(&r->random) % GROUPS],
                               .start_ns = (r->now_ms - back_ms) * 1000000,
                               .duration_ns =
                                   (int64_t)(random_next(&r->random) % (2ull << shift)) * 1000,
                               .class = (enum tmap_class)(random_next(&r->random) % TMAP_CLASSES),
                               .stamp_ns = stamp_ns};
}

/** Its row in `transactions`, as the engine of transactions writes it. */
static void store_point(struct rig *r, const struct tmap_point *p)
{
    struct attr group = {STR(TXN_GROUP), {.type = VALUE_STR, .u.s = p->group}};
    struct attr class = {STR(TXN_CLASS), {.type = VALUE_STR, .u.s = txn_class_name(p->class)}};
    struct resource resource = {.attrs = {&group, 1}};
    struct scope scope = {0};
    struct span s = {.start_ns = p->start_ns,
                     .end_ns = p->start_ns + p->duration_ns,
                     .arrival_ns = p->stamp_ns,
                     .attrs = {&class, 1},
                     .resource = &resource,
                     .scope = &scope,
                     .kind = SPAN_SERVER};
    struct columns_commit done;

    assert_int_equal(columns_append_spans(r->rows, &s, 1, &done, NULL), 0);
    assert_int_equal(done.accepted, 1);
}

static uint64_t total_at(struct rig *r, int64_t step_ns, const struct str *group,
                         uint64_t ret_class[TMAP_CLASSES])
{
    const int64_t span_ns = 4 * 3600 * S;
    struct tmap_query q = {.groups = group,
                           .groups_n = group != NULL,
                           .min_ns = r->now_ms * 1000000 - span_ns,
                           .max_ns = r->now_ms * 1000000 + S,
                           .columns = (size_t)(span_ns / step_ns)};
    struct tmap_cells c;
    struct arena a;
    uint64_t sum = 0;

    q.columns = q.columns > TMAP_COLUMNS_MAX ? TMAP_COLUMNS_MAX : q.columns;
    arena_init(&a, 64 << 20);
    assert_int_equal(tmap_cells(r->t, &q, &a, &c, NULL), 0);
    for (size_t i = 0; i < c.n; i++) {
        for (int k = 0; k < TMAP_CLASSES; k++) {
            sum += c.v[i].n[k];
        }
        assert_true(c.v[i].column < c.columns);
        assert_true(c.v[i].bucket < TMAP_BUCKETS);
    }
    assert_int_equal(sum, c.total[0] + c.total[1] + c.total[2]);
    if (ret_class != NULL) {
        memcpy(ret_class, c.total, sizeof(c.total));
    }
    arena_done(&a);
    return sum;
}

static const int64_t STEPS[] = {15, 60, 300, 600, 3600};

static void assert_counts(struct rig *r, const uint64_t want[GROUPS][TMAP_CLASSES])
{
    uint64_t all = 0;

    for (int g = 0; g < GROUPS; g++) {
        for (size_t s = 0; s < ARRAY_LEN(STEPS); s++) {
            uint64_t got[TMAP_CLASSES];

            total_at(r, STEPS[s] * S, &NAMES[g], got);
            for (int c = 0; c < TMAP_CLASSES; c++) {
                assert_int_equal(got[c], want[g][c]);
            }
        }
        all += want[g][0] + want[g][1] + want[g][2];
    }
    for (size_t s = 0; s < ARRAY_LEN(STEPS); s++) {
        assert_int_equal(total_at(r, STEPS[s] * S, NULL, NULL), all);
    }
}

static void count(struct rig *r, const struct tmap_point *p, uint64_t want[GROUPS][TMAP_CLASSES])
{
    for (int g = 0; g < GROUPS; g++) {
        want[g][p->class] += str_eq(NAMES[g], p->group);
    }
    tmap_count(r->t, p, 1);
}

/* Late requests all over the last hours, a write now and then: every width has them all, always. */
static void test_widths_agree(void **state)
{
    struct rig *r = *state;
    uint64_t want[GROUPS][TMAP_CLASSES] = {0};

    for (int i = 0; i < REQUESTS; i++) {
        struct tmap_point p = random_point(r, r->now_ms * 1000000 + i);

        count(r, &p, want);
        if (i % 1000 == 999) {
            assert_counts(r, want);
            assert_int_equal(tmap_write(r->t, r->now_ms + i, NULL), 0);
            assert_counts(r, want);
        }
    }
    /* an hour later the widest columns are complete, too */
    assert_int_equal(tmap_write(r->t, r->now_ms + 3700000, NULL), 0);
    assert_counts(r, want);
}

static void test_restart(void **state)
{
    struct rig *r = *state;
    uint64_t want[GROUPS][TMAP_CLASSES] = {0};

    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 500; i++) {
            struct tmap_point p = random_point(r, r->now_ms * 1000000 + round * 1000 + i);

            store_point(r, &p);
            count(r, &p, want);
        }
        if (round % 2 == 0) {
            assert_int_equal(columns_flush(r->cells, NULL), 0);
        }
        tmap_close(r->t);
        close_rows(r);
        open_all(r);
        assert_counts(r, want);
    }
}

/* A crash: a second engine opens what the first has in its log, while the first still has cells in memory. */
static void test_crash(void **state)
{
    struct rig *r = *state;
    uint64_t want[GROUPS][TMAP_CLASSES] = {0};
    struct tmap *left;

    for (int i = 0; i < 2000; i++) {
        /* what was not written began in the last minutes */
        struct tmap_point p = random_point(r, r->now_ms * 1000000 + i);

        if (i >= 1500) {
            p.start_ns = r->now_ms * 1000000 - (int64_t)(random_next(&r->random) % 600) * S;
        }
        store_point(r, &p);
        count(r, &p, want);
        if (i == 700 || i == 1499) {
            assert_int_equal(tmap_write(r->t, r->now_ms + i, NULL), 0);
        }
    }
    left = r->t;
    assert_int_equal(
        tmap_open(&(struct tmap_opts){.manual = true, .cells = r->cells, .transactions = r->rows},
                  &r->t, NULL),
        0);
    assert_counts(r, want);
    assert_int_equal(tmap_write(r->t, r->now_ms + 3700000, NULL), 0);
    assert_counts(r, want);
    /* the first one would write what was restored already: take its place */
    tmap_close(left);
    tmap_close(r->t);
    close_rows(r);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
    open_all(r);
}

static void test_cells_are_where_they_belong(void **state)
{
    struct rig *r = *state;
    const int64_t minute = r->now_ms / 60000 - 30;
    const struct tmap_point p[] = {
        {NAMES[0], minute * 60 * S + 5 * S, 250 * 1000000, TMAP_OK, 1},
        {NAMES[0], minute * 60 * S + 59 * S, 250 * 1000000, TMAP_4XX, 2},
        {NAMES[0], (minute + 2) * 60 * S, 7200 * S, TMAP_5XX, 3},
        {NAMES[0], (minute + 2) * 60 * S, 0, TMAP_OK, 4},
    };
    struct tmap_query q = {
        .min_ns = minute * 60 * S, .max_ns = (minute + 3) * 60 * S, .columns = 3};
    struct tmap_cells c;
    struct arena a;

    tmap_count(r->t, p, ARRAY_LEN(p));
    arena_init(&a, 1 << 20);
    assert_int_equal(tmap_cells(r->t, &q, &a, &c, NULL), 0);
    assert_int_equal(c.columns, 3);
    assert_int_equal(c.step_ns, 60 * S);
    assert_int_equal(c.n, 3);
    assert_int_equal(c.v[0].column, 0);
    assert_int_equal(c.v[0].bucket, tmap_bucket(250 * 1000000));
    assert_int_equal(c.v[0].n[TMAP_OK], 1);
    assert_int_equal(c.v[0].n[TMAP_4XX], 1);
    assert_int_equal(c.v[1].column, 2);
    assert_int_equal(c.v[1].bucket, 0);
    assert_int_equal(c.v[2].bucket, TMAP_BUCKETS - 1);
    assert_int_equal(c.v[2].n[TMAP_5XX], 1);
    q.max_ns = q.min_ns;
    assert_int_equal(tmap_cells(r->t, &q, &a, &c, NULL), -ERR_INVALID);
    q.max_ns = q.min_ns + 1;
    q.columns = 0;
    assert_int_equal(tmap_cells(r->t, &q, &a, &c, NULL), -ERR_INVALID);
    arena_done(&a);
}

static void test_live(void **state)
{
    struct rig *r = *state;
    struct tmap_point p = {NAMES[1], r->now_ms * 1000000, 3000000, TMAP_OK, 1};
    uint64_t version = 0;
    struct tmap_cells c;
    struct arena a;

    arena_init(&a, 1 << 20);
    tmap_count(r->t, &p, 1);
    assert_int_equal(tmap_live(r->t, NULL, 0, &version, &a, &c), 0);
    assert_int_equal(c.n, 1);
    assert_int_equal(c.min_ns + c.v[0].column * c.step_ns, p.start_ns / (2 * S) * (2 * S));
    assert_int_equal(tmap_live(r->t, NULL, 0, &version, &a, &c), 0);
    assert_int_equal(c.n, 0); /* nothing changed */
    p.class = TMAP_5XX;
    tmap_count(r->t, &p, 1);
    assert_int_equal(tmap_live(r->t, &NAMES[0], 1, &version, &a, &c), 0);
    assert_int_equal(c.n, 0); /* another group */
    version = 0;
    assert_int_equal(tmap_live(r->t, &NAMES[1], 1, &version, &a, &c), 0);
    assert_int_equal(c.n, 1); /* the whole column */
    assert_int_equal(c.v[0].n[TMAP_OK], 1);
    assert_int_equal(c.v[0].n[TMAP_5XX], 1);
    arena_done(&a);
}

static void test_groups(void **state)
{
    struct rig *r = *state;
    struct tmap_point p = {NAMES[1], r->now_ms * 1000000, 3000000, TMAP_OK, 1};
    struct tmap_group *v;
    struct arena a;
    size_t n;

    arena_init(&a, 1 << 20);
    tmap_count(r->t, &p, 1);
    p.group = NAMES[0];
    tmap_count(r->t, &p, 1);
    assert_int_equal(tmap_write(r->t, r->now_ms + 3700000, NULL), 0);
    assert_int_equal(tmap_groups(r->t, &a, &v, &n), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(v[0].name, NAMES[0]) && str_eq(v[1].name, NAMES[1]));
    assert_int_equal(v[0].n, 1);
    arena_done(&a);
}

static void test_buckets(void **state)
{
    uint64_t random = 3;

    (void)state;
    assert_int_equal(tmap_bucket(-5), 0);
    for (unsigned b = 0; b < TMAP_BUCKETS; b++) {
        assert_int_equal(tmap_bucket((int64_t)tmap_bucket_us(b) * 1000), b);
        assert_true(tmap_bucket_us(b + 1) > tmap_bucket_us(b));
        assert_int_equal(tmap_bucket((int64_t)tmap_bucket_us(b + 1) * 1000 - 1), b);
    }
    for (int i = 0; i < 100000; i++) {
        uint64_t us = random_next(&random) >> (32 + random_next(&random) % 32);
        unsigned b = tmap_bucket((int64_t)us * 1000);

        assert_true(tmap_bucket_us(b) <= us && us < tmap_bucket_us(b + 1));
    }
    assert_int_equal(tmap_bucket(INT64_MAX), TMAP_BUCKETS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_widths_agree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cells_are_where_they_belong, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live, setup, teardown),
        cmocka_unit_test_setup_teardown(test_groups, setup, teardown),
        cmocka_unit_test(test_buckets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
