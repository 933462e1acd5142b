/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store counts is what looking at every span counts: each query beside the same one with a condition that
 * leaves nothing out and that the store cannot decide exactly.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "io/vfs.h"
#include "query/traceql/traceql.h"
#include "store/columns/columns.h"

enum { SPANS = 24000, FLUSHES = 5, RESOURCES = 8 };

static const int64_t S = 1000000000;
static const int64_t T0 = 1700006400 * 1000000000ll; /* a multiple of an hour */

struct world {
    struct columns *c;
    char dir[64];
    struct attr attrs[RESOURCES][4];
    struct resource resources[RESOURCES];
    struct scope scopes[2];
};

static struct world w;

static void make_resources(void)
{
    static const char *const NAMES[RESOURCES] = {"front", "front", "cart", "db",
                                                 "db",    "queue", "",     NULL};

    w.scopes[1].name = STR("lib");
    for (unsigned i = 0; i < RESOURCES; i++) {
        struct attr *to = w.attrs[i];
        size_t n = 0;

        if (NAMES[i] != NULL && i != 6) {
            to[n++] = (struct attr){STR("service.name"), {VALUE_STR, {.s = str_cstr(NAMES[i])}}};
        }
        if (i % 2 == 0) {
            to[n++] = (struct attr){STR("odd"), {VALUE_STR, {.s = i == 6 ? STR("") : STR("o")}}};
        }
        to[n++] = (struct attr){STR("port"), {i == 3 ? VALUE_STR : VALUE_I64, {.i = 80}}};
        if (i == 3) {
            to[n - 1].value.u.s = STR("80");
        }
        w.resources[i] = (struct resource){.attrs = {to, n}};
    }
}

static int setup(void **state)
{
    const struct columns_opts opts = {
        .kind = COLUMNS_SPANS, .dir = w.dir, .flush_interval_ms = 3600 * 1000};
    static struct span v[SPANS / FLUSHES];
    uint64_t seed = 1;
    uint64_t number = 0;

    (void)state;
    snprintf(w.dir, sizeof(w.dir), "/tmp/traceql.XXXXXX");
    if (mkdtemp(w.dir) == NULL || columns_open(&opts, &w.c, NULL) < 0) {
        return -1;
    }
    make_resources();
    for (int part = 0; part < FLUSHES; part++) {
        static const char *const NAMES[] = {"GET /", "SELECT", "", "put", "get"};
        struct columns_commit commit;

        for (size_t i = 0; i < SPANS / FLUSHES; i++) {
            uint64_t r = random_next(&seed);
            struct span *s = &v[i];

            *s = (struct span){.start_ns =
                                   T0 + (int64_t)(r % (6 * 3600)) * S + (int64_t)(r >> 32) % S,
                               .resource = &w.resources[r >> 8 & 7],
                               .scope = &w.scopes[r >> 11 & 1],
                               .name = str_cstr(NAMES[(r >> 12) % ARRAY_LEN(NAMES)]),
                               .kind = (uint8_t)((r >> 16) % 6),
                               .status = (uint8_t)((r >> 20) % 3)};
            s->end_ns = s->start_ns + (int64_t)(r >> 40);
            s->arrival_ns = s->end_ns;
            number++;
            memcpy(s->trace_id.b, &number, sizeof(number));
            memcpy(s->span_id.b, &number, sizeof(number));
        }
        if (columns_append_spans(w.c, v, SPANS / FLUSHES, &commit, NULL) < 0 ||
            commit.accepted != SPANS / FLUSHES ||
            (part + 1 != FLUSHES && columns_flush(w.c, NULL) < 0)) {
            return -1;
        }
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    columns_close(w.c);
    return vfs_remove_tree(vfs_real(), w.dir, NULL);
}

struct range {
    int64_t from_s;
    int64_t to_s;
    int64_t step_s; /* 0: one */
};

static void run(const char *text, const struct range *range, struct arena *a,
                struct traceql_metrics *ret)
{
    const struct traceql_source src = {
        .spans = w.c, .min_ns = T0 + range->from_s * S, .max_ns = T0 + range->to_s * S};
    const struct traceql_metrics_opts opts = {
        .step_ns = range->step_s * S, .max_exemplars = 6, .max_series = 1000};
    struct traceql *q = NULL;
    struct err e = {0};

    if (traceql_parse(str_cstr(text), &q, &e) < 0 ||
        traceql_metrics(q, &src, &opts, a, ret, &e) < 0) {
        fail_msg("%s: %s", text, e.msg);
    }
    traceql_free(q);
}

static bool same_labels(struct attrs a, struct attrs b)
{
    for (size_t i = 0; i < a.n && a.n == b.n; i++) {
        const struct value *x = &a.v[i].value;
        const struct value *y = &b.v[i].value;

        if (!str_eq(a.v[i].key, b.v[i].key) || x->type != y->type ||
            (x->type == VALUE_STR ? !str_eq(x->u.s, y->u.s) : x->u.i != y->u.i)) {
            return false;
        }
    }
    return a.n == b.n;
}

/* Exemplars are of the range, newest first, and have their ids. */
static void check_exemplars(const char *text, const struct traceql_series *s,
                            const struct range *range)
{
    for (size_t i = 0; i < s->exemplars_n; i++) {
        const struct traceql_exemplar *e = &s->exemplars[i];
        uint64_t number;

        memcpy(&number, e->trace_id.b, sizeof(number));
        if (number == 0 || number > SPANS || memcmp(e->span_id.b, &number, sizeof(number)) != 0 ||
            e->time_ns < T0 + range->from_s * S || e->time_ns >= T0 + range->to_s * S ||
            (i != 0 && e->time_ns >= e[-1].time_ns)) {
            fail_msg("%s: exemplar %zu", text, i);
        }
    }
}

static void compare(const char *filter, const char *rest, const struct range *range)
{
    struct traceql_metrics fast = {0};
    struct traceql_metrics slow = {0};
    struct arena a;
    char text[400];

    arena_init(&a, 64 << 20);
    snprintf(text, sizeof(text), "{ %s && span.absent = nil } | %s", filter, rest);
    run(text, range, &a, &slow);
    snprintf(text, sizeof(text), "{ %s } | %s", filter, rest);
    run(text, range, &a, &fast);
    if (fast.n != slow.n || fast.steps != slow.steps) {
        fail_msg("%s: %zu series of %zu steps, not %zu of %zu", text, fast.n, fast.steps, slow.n,
                 slow.steps);
    }
    for (size_t i = 0; i < fast.n && fast.v != NULL && slow.v != NULL; i++) {
        const struct traceql_series *x = &fast.v[i];
        const struct traceql_series *y = &slow.v[i];

        if (!same_labels(x->labels, y->labels) ||
            memcmp(x->values, y->values, fast.steps * sizeof(double)) != 0 ||
            (x->exemplars_n == 0) != (y->exemplars_n == 0)) {
            fail_msg("%s: series %zu differs", text, i);
        }
        check_exemplars(text, x, range);
        check_exemplars(text, y, range);
    }
    arena_done(&a);
}

static void test_same(void **state)
{
    static const char *const FILTERS[] = {"true",
                                          "status = error",
                                          "kind != server",
                                          "name = \"SELECT\"",
                                          "duration > 10ms",
                                          "kind = client || status = ok",
                                          "name = \"nothing\""};
    static const char *const RESTS[] = {"rate()",
                                        "count_over_time()",
                                        "count_over_time() by (resource.service.name)",
                                        "rate() by (name)",
                                        "count_over_time() by (kind)",
                                        "count_over_time() by (status)",
                                        "count_over_time() by (instrumentation:name)",
                                        "count_over_time() by (resource.odd)",
                                        "count_over_time() by (resource.port)",
                                        "count_over_time() by (resource.nowhere)",
                                        "count_over_time() by (name, kind)",
                                        "avg_over_time(duration) by (resource.service.name)"};
    static const struct range RANGES[] = {
        {0, 6 * 3600, 300}, {1000, 20000, 777}, {3601, 3700, 3600}, {7000, 9000, 0}};

    (void)state;
    for (size_t f = 0; f < ARRAY_LEN(FILTERS); f++) {
        for (size_t r = 0; r < ARRAY_LEN(RESTS); r++) {
            for (size_t k = 0; k < ARRAY_LEN(RANGES); k++) {
                compare(FILTERS[f], RESTS[r], &RANGES[k]);
            }
        }
    }
}

/* The store's counts come from its columns: no span is made. */
static void test_exemplars_cover(void **state)
{
    const struct range range = {0, 6 * 3600, 300};
    struct traceql_metrics r = {0};
    struct arena a;

    (void)state;
    arena_init(&a, 16 << 20);
    run("{} | count_over_time() by (resource.service.name)", &range, &a, &r);
    assert_int_equal(r.n, 5); /* front, cart, db, queue and none */
    for (size_t i = 0; i < r.n; i++) {
        assert_int_equal(r.v[i].exemplars_n, 6); /* one an hour */
    }
    assert_int_equal(r.stats.spans, SPANS);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same),
                                       cmocka_unit_test(test_exemplars_cover)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
