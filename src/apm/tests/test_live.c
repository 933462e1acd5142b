/* SPDX-License-Identifier: Apache-2.0
 *
 * The live engine against requests whose figures are known: counts exact, APDEX exact, percentiles within 1 %, late
 * requests in their tick, limits kept, the gone remembered and then forgotten.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apm/live.h"
#include "base/alloc.h"
#include "base/err.h"

/* A time on a tick's start. */
static const int64_t T0 = 1700000000000;
static const int64_t MS = 1000000;

struct request {
    const char *service, *instance, *route;
    int64_t end_ms; /* after T0 */
    int64_t ms;
    int status;
};

static void see(struct live *l, const struct request *q, int64_t now_ms)
{
    static const struct scope SCOPE = {0};
    const struct attr res[] = {
        {STR("service.name"), {VALUE_STR, .u.s = str_cstr(q->service)}},
        {STR("service.instance.id"), {VALUE_STR, .u.s = str_cstr(q->instance)}}};
    const struct attr attrs[] = {{STR("http.request.method"), {VALUE_STR, .u.s = STR("GET")}},
                                 {STR("http.route"), {VALUE_STR, .u.s = str_cstr(q->route)}},
                                 {STR("http.response.status_code"), {VALUE_I64, .u.i = q->status}}};
    const struct resource r = {.attrs = {res, ARRAY_LEN(res)}};
    const struct span s = {.kind = SPAN_SERVER,
                           .start_ns = (T0 + q->end_ms - q->ms) * MS,
                           .end_ns = (T0 + q->end_ms) * MS,
                           .attrs = {attrs, ARRAY_LEN(attrs)},
                           .resource = &r,
                           .scope = &SCOPE};

    live_seen(l, &s, 1, T0 + now_ms);
}

static struct live *make(const struct live_opts *o)
{
    struct live *l = live_new(o);

    assert_non_null(l);
    return l;
}

static struct live_window ticks(int64_t from, int64_t to)
{
    return (struct live_window){live_tick_of(T0) + from, live_tick_of(T0) + to};
}

/* Valid until the end of the block. */
#define ask(group_, w_, now_) \
    (&(const struct live_ask){.group = (group_), .w = (w_), .now_ms = (now_), .quiet = true})
#define busy(group_, w_) (&(const struct live_ask){.group = (group_), .w = (w_), .now_ms = T0})
#define since(group_, w_, change_) \
    (&(const struct live_ask){.group = (group_), .w = (w_), .since = (change_)})

static void assert_counts(const struct live_counts *n, uint64_t done, uint64_t sat, uint64_t tol,
                          uint64_t fru, uint64_t err4, uint64_t err5)
{
    assert_int_equal(n->done, done);
    assert_int_equal(n->satisfied, sat);
    assert_int_equal(n->tolerating, tol);
    assert_int_equal(n->frustrated, fru);
    assert_int_equal(n->err4, err4);
    assert_int_equal(n->err5, err5);
}

static void test_counts(void **state)
{
    static const struct request Q[] = {
        {"api", "a", "/x", 100, 1000, 200},  /* satisfied: exactly T */
        {"api", "a", "/x", 1999, 1001, 200}, /* tolerating */
        {"api", "b", "/x", 2000, 4000, 200}, /* the next tick; exactly 4 T */
        {"api", "b", "/y", 2100, 4001, 302}, /* frustrated */
        {"api", "b", "/y", 2200, 10, 500},   /* an error is frustrated however quick */
        {"api", "b", "/y", 2300, 10, 404},   /* the caller's fault is not */
        {"web", "b", "/y", 2300, 10, 200},   /* another group */
    };
    struct live *l = make(&(struct live_opts){0});
    struct live_group g;
    struct live_group *groups;
    struct live_instance *is;
    struct live_operation *os;
    struct live_point *ps;
    struct arena a;
    uint64_t changes;
    size_t n;

    (void)state;
    arena_init(&a, 16 << 20);
    for (size_t i = 0; i < ARRAY_LEN(Q); i++) {
        see(l, &Q[i], 2500);
    }
    assert_int_equal(live_group(l, ask(STR("api"), ticks(-10, 1), T0 + 3000), &a, &g, NULL), 0);
    assert_counts(&g.f.n, 6, 2, 2, 2, 1, 1);
    assert_int_equal(g.f.n.sum_ns, (1000 + 1001 + 4000 + 4001 + 10 + 10) * MS);
    assert_int_equal(g.f.n.max_ns, 4001 * MS);
    assert_int_equal(g.f.n.started, 6);
    assert_int_equal(g.instances, 2);
    assert_int_equal(g.up, 2);
    assert_int_equal(g.operations, 2);
    assert_int_equal(g.t_ms, 1000);
    assert_int_equal(g.in_flight, -1);
    assert_float_equal(live_apdex(&g.f.n), 50, 0);
    assert_string_equal(live_grade(live_apdex(&g.f.n)), "poor");
    assert_int_equal(live_groups(l, ticks(0, 0), T0 + 3000, &a, &groups, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(groups[0].name, STR("api")));
    assert_counts(&groups[0].f.n, 2, 1, 1, 0, 0, 0);
    assert_true(str_eq(groups[1].name, STR("web")));
    assert_counts(&groups[1].f.n, 0, 0, 0, 0, 0, 0);
    assert_true(isnan(live_apdex(&groups[1].f.n)));
    assert_string_equal(live_grade(live_apdex(&groups[1].f.n)), "none");

    assert_int_equal(live_instances(l, ask(STR("api"), ticks(0, 1), T0 + 3000), &a, &is, &n, NULL),
                     0);
    assert_int_equal(n, 2);
    assert_counts(&is[0].f.n, 2, 1, 1, 0, 0, 0);
    assert_counts(&is[1].f.n, 4, 1, 1, 2, 1, 1);
    assert_int_equal(live_instances(l, busy(STR("api"), ticks(1, 1)), &a, &is, &n, NULL), 0);
    assert_int_equal(n, 1); /* the other is quiet */
    assert_true(str_eq(is[0].instance, STR("b")));

    assert_int_equal(live_operations(l, ask(STR("api"), ticks(0, 1), T0), &a, &os, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(os[0].name, STR("GET /x")));
    assert_counts(&os[0].f.n, 3, 1, 2, 0, 0, 0);
    assert_counts(&os[1].f.n, 3, 1, 0, 2, 1, 1);

    assert_int_equal(
        live_points(l, since(STR("api"), ticks(-10, 1), 0), &a, &ps, &n, &changes, NULL), 0);
    assert_int_equal(ps[n - 1].tick, live_tick_of(T0) + 1);
    assert_counts(&ps[n - 1].f.n, 4, 1, 1, 2, 1, 1);
    assert_int_equal(live_group(l, ask(STR("none"), ticks(0, 1), T0), &a, &g, NULL),
                     -ERR_NOT_FOUND);
    arena_done(&a);
    live_free(l);
}

static int cmp(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

enum { MANY = 5000 };

static void test_percentiles(void **state)
{
    struct live *l = make(&(struct live_opts){0});
    int64_t *ms = mem_xcalloc(MANY, sizeof(*ms));
    struct live_operation *os;
    struct live_group g;
    struct arena a;
    uint64_t sum = 0;
    size_t n;

    (void)state;
    arena_init(&a, 16 << 20);
    for (int i = 0; i < MANY; i++) {
        char instance[16];
        struct request q = {"api", instance, "/x", 0, 0, 200};

        snprintf(instance, sizeof(instance), "i%d", i % 40);
        ms[i] = 1 + (int64_t)i * i % 7919;
        q.ms = ms[i];
        q.end_ms = i * 20; /* over 50 ticks */
        sum += (uint64_t)ms[i];
        see(l, &q, 100000);
    }
    qsort(ms, MANY, sizeof(*ms), cmp);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(0, 50), T0 + 100000), &a, &g, NULL), 0);
    assert_int_equal(g.f.n.done, MANY);
    assert_int_equal(g.f.n.sum_ns, sum * (uint64_t)MS);
    assert_true(fabs(g.f.p50_ns / ((double)ms[2499] * 1e6) - 1) <= 0.01);
    assert_true(fabs(g.f.p90_ns / ((double)ms[4499] * 1e6) - 1) <= 0.01);
    assert_true(fabs(g.f.p95_ns / ((double)ms[4749] * 1e6) - 1) <= 0.01);
    assert_true(fabs(g.f.p99_ns / ((double)ms[4949] * 1e6) - 1) <= 0.01);
    assert_int_equal(live_operations(l, ask(STR("api"), ticks(0, 50), T0), &a, &os, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_float_equal(os[0].f.p95_ns, g.f.p95_ns, 0); /* merged the same */
    arena_done(&a);
    mem_free(ms);
    live_free(l);
}

static void test_late(void **state)
{
    struct live *l = make(&(struct live_opts){0});
    struct request q = {"api", "a", "/x", 100, 10, 200};
    struct live_point *ps;
    struct live_group g;
    struct arena a;
    uint64_t changes = 0;
    size_t n;

    (void)state;
    arena_init(&a, 16 << 20);
    see(l, &q, 100);
    q.end_ms = 2100;
    see(l, &q, 2100);
    assert_int_equal(live_points(l, since(STR("api"), ticks(0, 5), 0), &a, &ps, &n, &changes, NULL),
                     0);
    assert_int_equal(n, 2);
    live_tick(l, T0 + 4000);
    assert_int_equal(
        live_points(l, since(STR("api"), ticks(0, 5), changes + 1), &a, &ps, &n, &changes, NULL),
        0);
    assert_int_equal(n, 0); /* nothing new */
    q.end_ms = 300;         /* the first tick's, told of now */
    see(l, &q, 4100);
    assert_int_equal(
        live_points(l, since(STR("api"), ticks(0, 5), changes), &a, &ps, &n, &changes, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(ps[0].tick, live_tick_of(T0));
    assert_int_equal(ps[0].f.n.done, 2);

    /* a clock ahead of ours: it ended now */
    q.end_ms = 60500;
    see(l, &q, 4200);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(2, 2), T0 + 4200), &a, &g, NULL), 0);
    assert_int_equal(g.f.n.done, 1);
    assert_int_equal(g.f.n.started, 1);

    /* later than any ring holds: counted in no tick, and no other tick is hurt */
    q.end_ms = 0;
    see(l, &q, LIVE_TICKS * LIVE_TICK_MS);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(1, 300), T0 + 600000), &a, &g, NULL), 0);
    assert_int_equal(g.f.n.done, 2);
    /* and the ring goes round */
    q.end_ms = 600000 + 100;
    see(l, &q, 600000 + 100);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(300, 300), T0 + 600200), &a, &g, NULL), 0);
    assert_int_equal(g.f.n.done, 1);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(0, 0), T0 + 600200), &a, &g, NULL), 0);
    assert_int_equal(g.f.n.done, 0);
    arena_done(&a);
    live_free(l);
}

static void test_lag(void **state)
{
    struct live *l = make(&(struct live_opts){0});
    struct request q = {"api", "a", "/x", 0, 10, 200};
    struct live_group g;
    struct arena a;

    (void)state;
    arena_init(&a, 16 << 20);
    for (int i = 0; i < 1000; i++) { /* senders wait up to five seconds */
        q.end_ms = i * 10;
        see(l, &q, i * 10 / 5000 * 5000 + 5000);
    }
    live_tick(l, T0 + 10000);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(0, 5), T0 + 10000), &a, &g, NULL), 0);
    assert_int_equal(g.lag_ticks, 3);
    assert_int_equal(g.tick, live_tick_of(T0) + 5 - 1 - 3);
    arena_done(&a);
    live_free(l);
}

static void test_settings(void **state)
{
    static const char JSON[] =
        "{\"groups\":[{\"group\":\"api\",\"t_ms\":100,\"frustrated_4xx\":true,\"operations\":"
        "[{\"pattern\":\"GET /slow*\",\"t_ms\":5000}]}]}";
    struct live *l = make(&(struct live_opts){0});
    struct request q = {"api", "a", "/x", 0, 300, 200};
    struct apm_settings *s = NULL;
    struct live_operation *os;
    struct live_group g;
    struct arena a;
    size_t n;

    (void)state;
    arena_init(&a, 16 << 20);
    see(l, &q, 0);
    assert_int_equal(apm_settings_parse(str_cstr(JSON), &s, NULL), 0);
    assert_int_equal(live_set_settings(l, s, NULL), 0);
    apm_settings_free(s);
    see(l, &q, 0); /* T is 100 ms now */
    q.status = 404;
    q.ms = 1;
    see(l, &q, 0);
    q.route = "/slow/1";
    q.status = 200;
    q.ms = 5000;
    see(l, &q, 0);
    assert_int_equal(live_group(l, ask(STR("api"), ticks(-5, 0), T0), &a, &g, NULL), 0);
    assert_counts(&g.f.n, 4, 2, 1, 1, 1, 0);
    assert_int_equal(g.t_ms, 100);
    assert_true(g.frustrated_4xx);
    assert_int_equal(live_operations(l, ask(STR("api"), ticks(0, 0), T0), &a, &os, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_int_equal(os[0].t_ms, 100);
    assert_int_equal(os[1].t_ms, 5000);
    arena_done(&a);
    live_free(l);
}

static void test_limits(void **state)
{
    struct live *l =
        make(&(struct live_opts){.max_groups = 2, .max_instances = 3, .max_operations = 3});
    struct live_group *groups;
    struct live_instance *is;
    struct live_operation *os;
    struct arena a;
    size_t n;

    (void)state;
    arena_init(&a, 16 << 20);
    for (int i = 0; i < 100; i++) {
        char service[16];
        char instance[16];
        char route[16];
        struct request q = {service, instance, route, 0, 10, 200};

        snprintf(service, sizeof(service), "s%d", i < 50 ? 0 : i);
        snprintf(instance, sizeof(instance), "i%d", i);
        snprintf(route, sizeof(route), "/%d", i);
        see(l, &q, 0);
    }
    assert_int_equal(live_groups(l, ticks(0, 0), T0, &a, &groups, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_true(str_eq(groups[0].name, STR("(other)")));
    assert_int_equal(groups[0].f.n.done, 49);
    assert_int_equal(groups[1].f.n.done, 50);
    assert_int_equal(live_instances(l, ask(STR("s0"), ticks(0, 0), T0), &a, &is, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_true(str_eq(is[0].name, STR("(other)")));
    assert_int_equal(is[0].f.n.done, 47);
    assert_int_equal(live_operations(l, ask(STR("s0"), ticks(0, 0), T0), &a, &os, &n, NULL), 0);
    assert_int_equal(n, 4);
    assert_true(str_eq(os[0].name, STR("(other)")));
    assert_int_equal(os[0].f.n.done, 47);
    arena_done(&a);
    live_free(l);

    /* no memory for ticks: the group is still known */
    l = make(&(struct live_opts){.max_bytes = 1000});
    see(l, &(struct request){"api", "a", "/x", 0, 10, 200}, 0);
    arena_init(&a, 16 << 20);
    assert_int_equal(live_groups(l, ticks(0, 0), T0, &a, &groups, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(groups[0].f.n.done, 0);
    arena_done(&a);
    live_free(l);
}

static void test_gone(void **state)
{
    struct live *l = make(&(struct live_opts){.up_ms = 60000, .keep_ms = 3600000});
    struct request q = {"api", "old", "/x", 0, 10, 200};
    struct live_instance *is;
    struct live_group *groups;
    struct arena a;
    size_t n;

    (void)state;
    arena_init(&a, 16 << 20);
    see(l, &q, 0);
    q.instance = "new";
    for (int64_t t = 0; t < 3600000; t += 50000) {
        q.end_ms = t;
        see(l, &q, t);
        live_tick(l, T0 + t);
    }
    assert_int_equal(
        live_instances(l, ask(STR("api"), ticks(0, 1800), T0 + 3600000), &a, &is, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(str_eq(is[0].name, STR("new")) && is[0].up);
    assert_true(str_eq(is[1].name, STR("old")) && !is[1].up);
    assert_int_equal(is[1].last_ms, T0);
    live_tick(l, T0 + 3700000);
    assert_int_equal(
        live_instances(l, ask(STR("api"), ticks(0, 1800), T0 + 3700000), &a, &is, &n, NULL), 0);
    assert_int_equal(n, 1);
    see(l, &q, 3700000); /* found in the tables that were made anew */
    assert_int_equal(live_groups(l, ticks(1795, 1850), T0 + 3700000, &a, &groups, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_int_equal(groups[0].instances, 1);
    live_tick(l, T0 + 9000000);
    assert_int_equal(live_groups(l, ticks(0, 1), T0 + 9000000, &a, &groups, &n, NULL), 0);
    assert_int_equal(n, 0);
    arena_done(&a);
    live_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),   cmocka_unit_test(test_percentiles),
        cmocka_unit_test(test_late),     cmocka_unit_test(test_lag),
        cmocka_unit_test(test_settings), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
