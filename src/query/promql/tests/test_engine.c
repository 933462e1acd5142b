/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's doors: limits, cancellation, memory that runs out, JSON text, formatting, selectors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "query/promql/promql.h"
#include "query/promql/tests/mem_source.h"

static struct mem_source *sample_source(void)
{
    static const char text[] = "m{a=\"x\"} 1 0\n"
                               "m{a=\"x\"} 2.5 60\n"
                               "m{a=\"x\"} 4 120\n"
                               "m{a=\"y\"} 10 0\n"
                               "m{a=\"y\"} NaN 60\n"
                               "m{a=\"y\"} +Inf 120\n"
                               "odd{a=\"<q>&\\\"\\\\\"} 1e-7 0.25\n"
                               "odd{a=\"\xed\x95\x9c\"} 1e21 0.25\n"
                               "odd{a=\"z\"} 123456789012345678 0.25\n";
    struct mem_source *s = mem_source_new();

    assert_true(mem_source_load_text(s, STR(text)));
    return s;
}

static void assert_json(struct promql_result *r, const char *want)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1 << 20);
    promql_result_json(r, false, &b);
    buf_add_byte(&b, '\0');
    assert_string_equal(b.data, want);
}

static void test_json(void **state)
{
    static const struct {
        const char *query;
        int64_t t_ms;
        const char *want;
    } cases[] = {
        {"1.5", 1435781430781, "{\"resultType\":\"scalar\",\"result\":[1435781430.781,\"1.5\"]}"},
        {"1e22", 1435781430100,
         "{\"resultType\":\"scalar\",\"result\":[1435781430.1,\"10000000000000000000000\"]}"},
        {"-Inf", -500, "{\"resultType\":\"scalar\",\"result\":[-0.5,\"-Inf\"]}"},
        {"\"a\\n<\"", 1000, "{\"resultType\":\"string\",\"result\":[1,\"a\\n\\u003c\"]}"},
        {"m{a=\"x\"}", 60050,
         "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"m\",\"a\":\"x\"},"
         "\"value\":[60.050,\"2.5\"]}]}"},
        {"m{a=\"none\"}", 0, "{\"resultType\":\"vector\",\"result\":[]}"},
        {"m{a=\"y\"}[5m]", 120000,
         "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"m\",\"a\":\"y\"},"
         "\"values\":[[0,\"10\"],[60,\"NaN\"],[120,\"+Inf\"]]}]}"},
        {"odd", 250,
         "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"odd\",\"a\":"
         "\"\\u003cq\\u003e\\u0026\\\"\\\\\"},\"value\":[0.250,\"1e-07\"]},{\"metric\":"
         "{\"__name__\":\"odd\",\"a\":\"z\"},\"value\":[0.250,\"123456789012345680\"]},"
         "{\"metric\":{\"__name__\":\"odd\",\"a\":\"\xed\x95\x9c\"},\"value\":[0.250,\"1e+21\"]}]}"},
    };
    const struct promql_opts opts = {0};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct promql_result *r;

        assert_int_equal(promql_instant(e, mem_source_view(s), str_cstr(cases[i].query),
                                        cases[i].t_ms, NULL, &r, NULL),
                         0);
        assert_json(r, cases[i].want);
        promql_result_free(r);
    }
    mem_source_free(s);
    promql_engine_free(e);
}

static void test_start_timestamp(void **state)
{
    static const struct {
        const char *query;
        int64_t start, end;
        const char *want; /* values of the series that come, by row */
    } cases[] = {
        {"start_timestamp(c)", 60000, 60000, "5 0 "},
        {"start_timestamp(c)", 0, 240000, "5 5 5 180 180 0 0 0 0 0 "},
        {"start_timestamp((c{i=\"a\"}))", 179999, 179999, "5 "},
        {"start_timestamp(c{i=\"a\"} offset 1m)", 180000, 180000, "5 "},
        {"start_timestamp(c{i=\"a\"} @ 180)", 0, 60000, "180 180 "},
        {"start_timestamp(c{i=\"a\"} + 0)", 60000, 60000, ""},
        {"start_timestamp(c{i=\"a\"})", 7200000, 7200000, "0 "}, /* told too long ago */
        {"start_timestamp(nothing)", 0, 0, ""},
    };
    const struct promql_opts opts = {.syntax.features = PROMQL_EXPERIMENTAL_FUNCTIONS};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = mem_source_new();
    const struct label a[] = {{STR(LABEL_NAME), STR("c")}, {STR("i"), STR("a")}};
    const struct label b[] = {{STR(LABEL_NAME), STR("c")}, {STR("i"), STR("b")}};

    (void)state;
    for (int64_t t = 0; t <= 7200000; t += 60000) {
        mem_source_add(s, (struct labels){a, 2}, t, 1);
        mem_source_add(s, (struct labels){b, 2}, t, 1);
    }
    mem_source_add_start(s, (struct labels){a, 2}, 0, 5000);
    mem_source_add_start(s, (struct labels){a, 2}, 180000, 180000);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf got CLEANUP(buf_done) = {0};
        struct promql_result *r;
        struct err why = {0};
        int rc = promql_range(e, mem_source_view(s), str_cstr(cases[i].query), cases[i].start,
                              cases[i].end, 60000, NULL, &r, &why);

        assert_int_equal(rc, 0);
        buf_init(&got, 1 << 12);
        for (size_t k = 0; k < r->series_n; k++) {
            assert_int_equal(labels_get(r->series[k].labels, STR(LABEL_NAME)).n, 0);
            for (size_t n = 0; n < r->series[k].n; n++) {
                buf_printf(&got, "%g ", r->series[k].v[n]);
            }
        }
        buf_add_byte(&got, '\0');
        assert_string_equal(got.data, cases[i].want);
        promql_result_free(r);
    }
    mem_source_free(s);
    promql_engine_free(e);
}

static void test_range_json_and_stats(void **state)
{
    const struct promql_opts opts = {0};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();
    struct buf b CLEANUP(buf_done) = {0};
    struct promql_result *r;

    (void)state;
    assert_int_equal(
        promql_range(e, mem_source_view(s), STR("m * 2"), 0, 150000, 75000, NULL, &r, NULL), 0);
    assert_json(r,
                "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"a\":\"x\"},\"values\":[[0,"
                "\"2\"],[75,\"5\"],[150,\"8\"]]},{\"metric\":{\"a\":\"y\"},\"values\":[[0,\"20\"],"
                "[75,\"NaN\"],[150,\"+Inf\"]]}]}");
    assert_int_equal(r->stats.samples_read, 6);
    assert_int_equal(r->stats.series_read, 2);
    assert_true(r->stats.peak_bytes > 0);
    buf_init(&b, 1 << 20);
    promql_result_json(r, true, &b);
    assert_true(str_find(buf_str(&b), STR("\"stats\":{\"timings\":{\"evalTotalTime\":")) > 0);
    assert_true(str_find(buf_str(&b), STR("\"totalQueryableSamples\":6")) > 0);
    promql_result_free(r);
    mem_source_free(s);
    promql_engine_free(e);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *query;
        int64_t start, end, step;
        int code;
        const char *msg;
    } cases[] = {
        {"m", 0, 1000, 0, ERR_INVALID,
         "zero or negative query resolution step widths are not accepted. Try a positive integer"},
        {"m", 1000, 0, 1, ERR_INVALID, "end timestamp must not be before start time"},
        {"m", 0, 11001, 1, ERR_INVALID,
         "exceeded maximum resolution of 11000 points per timeseries. Try decreasing the query "
         "resolution (?step=XX)"},
        {"m[5m]", 0, 1000, 1000, ERR_INVALID,
         "invalid expression type \"range vector\" for range query, must be Scalar or instant "
         "Vector"},
        {"\"x\"", 0, 1000, 1000, ERR_INVALID,
         "invalid expression type \"string\" for range query, must be Scalar or instant Vector"},
        {"m\n+\n  )", 0, 1000, 1000, ERR_INVALID,
         "3:4: parse error: unexpected right parenthesis ')'"},
        {"sum(\nrate(m))", 0, 1000, 1000, ERR_INVALID,
         "2:6: parse error: expected type range vector in call to function \"rate\", got instant "
         "vector"},
        {"m + on(b) m", 0, 0, 1000, ERR_EXEC,
         "found duplicate series for the match group {} on the right hand-side of the operation: "
         "[{__name__=\"m\", a=\"y\"}, {__name__=\"m\", a=\"x\"}];many-to-many matching not allowed: "
         "matching labels must be unique on one side"},
    };
    const struct promql_opts opts = {0};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct promql_result *r = NULL;
        struct err err = {0};
        int rc = promql_range(e, mem_source_view(s), str_cstr(cases[i].query), cases[i].start,
                              cases[i].end, cases[i].step, NULL, &r, &err);

        assert_int_equal(rc, -cases[i].code);
        assert_int_equal(err.code, cases[i].code);
        assert_string_equal(err.msg, cases[i].msg);
        assert_null(r);
    }
    mem_source_free(s);
    promql_engine_free(e);
}

static void test_limits(void **state)
{
    static const char too_many[] =
        "query processing would load too many samples into memory in query execution";

    static const struct {
        struct promql_opts opts;
        const char *query;
        const char *msg; /* its beginning */
    } cases[] = {
        {{.max_samples = 5}, "m[5m]", too_many},
        {{.max_samples = 2}, "sum_over_time(m[5m])", too_many},
        {{.max_samples = 3}, "m + m", too_many},
        {{.max_samples = 2}, "vector(1) + vector(2) + vector(3)", too_many},
        {{.max_samples = 3}, "sum by (a) (m)", too_many},
        {{.max_samples = 100}, "sum_over_time(vector(1)[5m:1s])", too_many},
        {{.max_samples = 1000}, "sum(m)[1000y:1ms]", "1:8: parse error: duration out of range"},
        {{.max_samples = 1000}, "none[200y:1ms]", too_many},
        {{.max_series = 1}, "m", "query selects more than 1 series"},
        {{.max_memory_bytes = 100000}, "vector(1)[1d:1s]", "query needs more memory than"},
        {{.max_memory_bytes = 100}, "m[5m]", "query needs more memory than"},
        {{0}, "m{a=~\"(\"}", "1:3: parse error: error parsing regexp: missing"},
    };
    struct mem_source *s = sample_source();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct promql_engine *e = promql_engine_new(&cases[i].opts);
        struct promql_result *r = NULL;
        struct err err = {0};
        int rc =
            promql_instant(e, mem_source_view(s), str_cstr(cases[i].query), 120000, NULL, &r, &err);

        assert_true(rc < 0);
        assert_true(str_starts(str_cstr(err.msg), str_cstr(cases[i].msg)));
        assert_null(r);
        promql_engine_free(e);
    }
    mem_source_free(s);
}

static void test_budget_is_returned(void **state)
{
    struct budget all;
    const struct promql_opts opts = {.budget = &all};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();
    struct promql_result *r;
    struct err err = {0};

    (void)state;
    budget_init(&all, 1 << 20, NULL);
    assert_int_equal(
        promql_instant(e, mem_source_view(s), STR("sum by (a) (m) + m"), 0, NULL, &r, NULL), 0);
    assert_true(budget_used(&all) > 0); /* the result */
    promql_result_free(r);
    assert_int_equal(budget_used(&all), 0);
    assert_int_equal(promql_instant(e, mem_source_view(s), STR("m + on() m"), 0, NULL, &r, &err),
                     -ERR_EXEC);
    assert_int_equal(budget_used(&all), 0);
    budget_init(&all, 10, NULL);
    assert_int_equal(promql_instant(e, mem_source_view(s), STR("m"), 0, NULL, &r, &err),
                     -ERR_NOMEM);
    assert_int_equal(budget_used(&all), 0);
    mem_source_free(s);
    promql_engine_free(e);
}

static void test_cancel(void **state)
{
    const struct promql_opts opts = {0};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();
    struct promql_result *r;
    struct cancel c;
    struct err err = {0};

    (void)state;
    cancel_init(&c, 0);
    cancel_set(&c);
    assert_int_equal(promql_instant(e, mem_source_view(s), STR("m"), 0, &c, &r, &err),
                     -ERR_CANCELED);
    assert_string_equal(err.msg, "query was canceled in expression evaluation");
    cancel_init(&c, 1);
    c.deadline.ns = 1;
    assert_int_equal(promql_instant(e, mem_source_view(s), STR("m"), 0, &c, &r, &err),
                     -ERR_TIMEOUT);
    assert_string_equal(err.msg, "query timed out in expression evaluation");
    mem_source_free(s);
    promql_engine_free(e);
}

/** Every allocation fails once; nothing may leak or crash, and the budget must be whole again. */
static void test_memory_runs_out(void **state)
{
    static const char *const queries[] = {
        "m",
        "rate(m[5m])",
        "sum by (a) (m) / on(a) group_left(b) m",
        "m or on(a) odd",
        "quantile(0.5, m)",
        "topk(1, m)",
        "count_values(\"v\", m)",
        "label_replace(m, \"b\", \"$1\", \"a\", \"(.*)\")",
        "label_join(m, \"b\", \"-\", \"a\")",
        "histogram_quantile(0.9, label_replace(m, \"le\", \"1\", \"\", \"\"))",
        "sort(m)",
        "max_over_time(m[5m:1m])",
        "m[5m]",
        "stddev(m)",
        "absent(none{a=\"b\"})",
        "{a=~\"x|y\",__name__=\"m\"} > bool 1",
    };
    struct budget all;
    const struct promql_opts opts = {.budget = &all};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();

    (void)state;
    budget_init(&all, 1 << 24, NULL);
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        int failures = 0;
        int rc = -1;

        for (int64_t nth = 0; rc != 0 && nth < 500; nth++) {
            struct promql_result *r = NULL;
            struct err err = {0};

            mem_fail_after(nth);
            rc =
                promql_instant(e, mem_source_view(s), str_cstr(queries[i]), 120000, NULL, &r, &err);
            mem_fail_after(-1);
            failures += rc != 0;
            assert_int_equal(rc == 0, r != NULL);
            promql_result_free(r);
            assert_int_equal(budget_used(&all), 0);
        }
        assert_int_equal(rc, 0);
        assert_true(failures > 0);
    }
    mem_source_free(s);
    promql_engine_free(e);
}

/** The same answer with and without a pool; the thread sanitizer watches. */
static void test_parallel(void **state)
{
    static const char *const queries[] = {"sum by (k) (rate(p[1m]))", "p > 3", "stddev(p)"};
    struct pool *pool = pool_new("query", 2, 16);
    const struct promql_opts with = {.pool = pool};
    const struct promql_opts without = {0};
    struct promql_engine *parallel = promql_engine_new(&with);
    struct promql_engine *serial = promql_engine_new(&without);
    struct mem_source *s = mem_source_new();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        char line[100];

        for (int t = 0; t < 10; t++) {
            int n = snprintf(line, sizeof(line), "p{i=\"%d\",k=\"%d\"} %d %d\n", i, i % 7,
                             (i + t) % 9, t * 15);

            assert_true(mem_source_load_text(s, str_of(line, (size_t)n)));
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        struct promql_result *a;
        struct promql_result *b;
        struct buf ja CLEANUP(buf_done) = {0};
        struct buf jb CLEANUP(buf_done) = {0};

        buf_init(&ja, 1 << 24);
        buf_init(&jb, 1 << 24);
        assert_int_equal(promql_range(parallel, mem_source_view(s), str_cstr(queries[i]), 0, 150000,
                                      10000, NULL, &a, NULL),
                         0);
        assert_int_equal(promql_range(serial, mem_source_view(s), str_cstr(queries[i]), 0, 150000,
                                      10000, NULL, &b, NULL),
                         0);
        promql_result_json(a, false, &ja);
        promql_result_json(b, false, &jb);
        assert_true(str_eq(buf_str(&ja), buf_str(&jb)));
        promql_result_free(a);
        promql_result_free(b);
    }
    mem_source_free(s);
    promql_engine_free(parallel);
    promql_engine_free(serial);
    pool_free(pool);
}

static void count_running(void *arg, const struct promql_running *q)
{
    int *n = arg;

    assert_true(q->id > 0 && q->since_ms > 0);
    *n += str_eq(q->query, STR("m")) && str_eq(q->user, STR("kim"));
}

/** What a source sees while a query selects: the query is listed, and can be cancelled. */
struct spy {
    struct series_source real;
    struct promql_engine *e;
    int running;
};

static int spy_select(void *impl, const struct series_query *q, struct series_selection **ret,
                      struct err *reterr)
{
    struct spy *s = impl;

    promql_each_running(s->e, count_running, &s->running);
    assert_false(promql_cancel(s->e, 999));
    assert_true(promql_cancel(s->e, 1));
    return s->real.ops->select(s->real.impl, q, ret, reterr);
}

static void test_running_queries(void **state)
{
    const struct promql_opts opts = {.active_file = "/tmp/test_engine.active"};
    struct mem_source *source = sample_source();
    struct spy s = {.real = mem_source_view(source), .e = promql_engine_new(&opts)};
    struct series_source_ops ops = *s.real.ops;
    struct cancel cancel;
    struct promql_ask ask = {.src = {&ops, &s},
                             .query = STR("m"),
                             .start_ms = 120000,
                             .user = STR("kim"),
                             .cancel = &cancel};
    struct promql_result *r = NULL;
    struct err err = {0};

    (void)state;
    ops.select = spy_select;
    cancel_init(&cancel, 0);
    assert_int_equal(promql_run(s.e, &ask, &r, &err), -ERR_CANCELED);
    assert_int_equal(s.running, 1);
    promql_each_running(s.e, count_running, &s.running);
    assert_int_equal(s.running, 1); /* gone from the list */
    promql_engine_free(s.e);
    mem_source_free(source);
    remove("/tmp/test_engine.active");
}

static void test_held_samples(void **state)
{
    const struct promql_opts opts = {.max_samples = 8};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = sample_source();
    struct promql_result *r = NULL;

    (void)
        state; /* 6 samples are read again and again, beside a sum or two; never more held than fit */
    assert_int_equal(promql_instant(e, mem_source_view(s),
                                    STR("sum(m) + sum(m) + sum(m) + sum(m) + sum(m)"), 120000, NULL,
                                    &r, NULL),
                     0);
    promql_result_free(r);
    promql_engine_free(e);
    mem_source_free(s);
}

static void test_left_open(void **state)
{
    static const struct {
        const char *query;
        int64_t t_ms;
        enum promql_compat compat;
        const char *want;
    } cases[] = {
        {"count_over_time(m{a=\"x\"}[2m])", 120000, PROMQL_COMPAT_2, "3"},
        {"count_over_time(m{a=\"x\"}[2m])", 120000, PROMQL_COMPAT_3, "2"},
        {"count_over_time(m{a=\"x\"}[2m:1m])", 120000, PROMQL_COMPAT_2, "3"},
        {"count_over_time(m{a=\"x\"}[2m:1m])", 120000, PROMQL_COMPAT_3, "2"},
        {"count(m) or vector(0)", 420000, PROMQL_COMPAT_2, "2"},
        {"count(m) or vector(0)", 420000, PROMQL_COMPAT_3, "0"},
    };
    struct mem_source *s = sample_source();

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct promql_opts opts = {.syntax.compat = cases[i].compat};
        struct promql_engine *e = promql_engine_new(&opts);
        struct promql_result *r;
        double want;

        assert_int_equal(promql_instant(e, mem_source_view(s), str_cstr(cases[i].query),
                                        cases[i].t_ms, NULL, &r, NULL),
                         0);
        assert_int_equal(r->series_n, 1);
        assert_true(str_to_f64(str_cstr(cases[i].want), &want));
        assert_true(r->series[0].v[0] == want);
        promql_result_free(r);
        promql_engine_free(e);
    }
    mem_source_free(s);
}

static void test_format(void **state)
{
    static const struct {
        const char *query;
        const char *want;
    } cases[] = {
        {"  sum by(a,b)( foo{z='1',b!=\"x\"} )", "sum by (a, b) (foo{b!=\"x\",z=\"1\"})"},
        {"a+on(x)group_left(y)b", "a + on (x) group_left (y) b"},
        {"foo offset 1h30m @ 5", "foo @ 5.000 offset 1h30m"},
        {"foo[90s:] offset -1w", "foo[1m30s:] offset -1w"},
        {"-1", "-1"},
        {"1e7", "10000000"},
        {"topk(1,x)without()", "topk without () (1, x)"},
        {"topk without(a) (1,x)", "topk without (a) (1, x)"},
        {"(a==bool 1)", "(a == bool 1)"},
        {"\"\\u00e9\\x01\"", "\"\xc3\xa9\\x01\""},
        {"histogram_quantile(0.9,sum by(le,handler,instance)(rate("
         "http_request_duration_seconds_bucket{job=\"web\"}[5m])))",
         "histogram_quantile(\n  0.9,\n  sum by (le, handler, instance) (rate("
         "http_request_duration_seconds_bucket{job=\"web\"}[5m]))\n)"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b CLEANUP(buf_done) = {0};

        buf_init(&b, 1 << 16);
        assert_int_equal(
            promql_format(str_cstr(cases[i].query), (struct promql_syntax){0}, &b, NULL), 0);
        buf_add_byte(&b, '\0');
        assert_string_equal(b.data, cases[i].want);
    }
}

static void test_selector(void **state)
{
    static const char *const bad[] = {"",   "m[5m]",       "m + m", "{}",    "{a=\"\"}",
                                      "m{", "m offset 5m", "1",     "sum(m)"};
    struct matcher **m;
    size_t n;
    struct err err = {0};

    (void)state;
    assert_int_equal(promql_parse_selector(STR("m{a=~\"x|y\",b!=\"\"}"), &m, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_true(str_eq(matcher_name(m[0]), STR("a")));
    assert_int_equal(matcher_op(m[1]), MATCH_NEQ);
    assert_true(str_eq(matcher_value(m[2]), STR("m")));
    promql_matchers_free(m, n);
    assert_int_equal(promql_parse_selector(STR(" {__name__=\"m\"} "), &m, &n, NULL), 0);
    assert_int_equal(n, 1);
    promql_matchers_free(m, n);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(promql_parse_selector(str_cstr(bad[i]), &m, &n, &err), -ERR_INVALID);
    }
}

static void test_deep_and_long(void **state)
{
    struct buf deep CLEANUP(buf_done) = {0};
    struct buf chain CLEANUP(buf_done) = {0};
    struct buf out CLEANUP(buf_done) = {0};
    struct err err = {0};

    (void)state;
    buf_init(&deep, 1 << 20);
    buf_init(&chain, 1 << 20);
    buf_init(&out, 16 << 20);
    for (int i = 0; i < 100000; i++) {
        buf_add_cstr(&deep, i % 2 == 0 ? "(" : "-");
        buf_add_cstr(&chain, i == 0 ? "1" : " + 1");
    }
    assert_int_equal(promql_format(buf_str(&deep), (struct promql_syntax){0}, &out, &err),
                     -ERR_INVALID);
    assert_int_equal(promql_format(buf_str(&chain), (struct promql_syntax){0}, &out, &err),
                     -ERR_INVALID);
    assert_non_null(strstr(err.msg, "expression is nested too deeply"));
    assert_int_equal(promql_format(str_take(buf_str(&chain), 4 * 900 + 1),
                                   (struct promql_syntax){0}, &out, NULL),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_range_json_and_stats),
        cmocka_unit_test(test_start_timestamp),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_budget_is_returned),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_left_open),
        cmocka_unit_test(test_running_queries),
        cmocka_unit_test(test_held_samples),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_selector),
        cmocka_unit_test(test_deep_and_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
