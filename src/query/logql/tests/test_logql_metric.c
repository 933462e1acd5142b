/* SPDX-License-Identifier: Apache-2.0
 *
 * Metric queries against a store whose lines are known: ranges, aggregations, operators, and their errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "query/logql/tests/logs_store.h"

/* Every 10 s from 0 to 110: app=a with v = 0..11, app=b at every second of them. */
static void fill(struct logs_store *s)
{
    for (int i = 0; i < 12; i++) {
        char line[64];

        snprintf(line, sizeof(line), "v=%d took=%dms size=%dKB", i, 100 * i, i);
        logs_store_add(s, 10 * i, "app=a service.name=s", i % 3 == 0 ? "user=u" : "",
                       i < 6 ? 9 : 17, line);
        if (i % 2 == 0) {
            logs_store_add(s, 10 * i, "app=b service.name=s", "", 9, i == 4 ? "bad" : "v=1");
        }
    }
}

struct ask {
    const char *query;
    double start, end, step;
    const char *want;
};

static const struct ask ASKS[] = {
    {"sum(count_over_time({app=\"a\"}[1m]))", 0, 110, 0, "{} 110:6\n"},
    {"sum(count_over_time({app=\"a\"}[1m]))", 0, 60, 30, "{} 0:1 30:4 60:6\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m]))", 0, 110, 0,
     "{app=a} 110:6\n{app=b} 110:3\n"},
    {"sum by (app) (rate({app=~\"a|b\"}[1m]))", 0, 110, 0, "{app=a} 110:0.1\n{app=b} 110:0.05\n"},
    {"sum by (detected_level) (count_over_time({app=\"a\"}[2m]))", 0, 110, 0,
     "{detected_level=error} 110:6\n{detected_level=info} 110:6\n"},
    {"sum without (app, service_name, detected_level, user) (count_over_time({app=~\"a|b\"}[1m]))",
     0, 110, 0, "{} 110:9\n"},
    {"count_over_time({app=\"a\"} | user=\"u\" [2m])", 0, 110, 0,
     "{app=a,detected_level=error,service_name=s,user=u} 110:2\n"
     "{app=a,detected_level=info,service_name=s,user=u} 110:2\n"},
    {"sum(count_over_time({app=\"a\"}[1m] offset 60s))", 0, 110, 0, "{} 110:6\n"},
    {"sum(bytes_over_time({app=\"b\"}[2m]))", 0, 110, 0, "{} 110:18\n"},
    {"sum(bytes_rate({app=\"b\"}[2m]))", 0, 110, 0, "{} 110:0.15\n"},
    {"sum(count_over_time({app=\"b\"} |= \"bad\" [2m]))", 0, 110, 0, "{} 110:1\n"},
    {"sum(count_over_time({app=\"b\"} != \"bad\" [2m]))", 0, 110, 0, "{} 110:5\n"},
    {"sum by (v) (count_over_time({app=\"a\"} | logfmt | v > 9 [2m]))", 0, 110, 0,
     "{v=10} 110:1\n{v=11} 110:1\n"},
    /* unwrap */
    {"sum(sum_over_time({app=\"a\"} | logfmt | unwrap v [1m]))", 0, 110, 0, "{} 110:51\n"},
    {"avg_over_time({app=\"a\"} | logfmt | unwrap v [1m]) by (app)", 0, 110, 0,
     "{app=a} 110:8.5\n"},
    {"min_over_time({app=\"a\"} | logfmt | unwrap v [1m]) by (app)", 0, 110, 0, "{app=a} 110:6\n"},
    {"max_over_time({app=\"a\"} | logfmt | unwrap v [1m]) by (app)", 0, 110, 0, "{app=a} 110:11\n"},
    {"first_over_time({app=\"a\"} | logfmt | unwrap v [1m]) by (app)", 0, 110, 0,
     "{app=a} 110:6\n"},
    {"last_over_time({app=\"a\"} | logfmt | unwrap v [1m]) by (app)", 0, 110, 0,
     "{app=a} 110:11\n"},
    {"stdvar_over_time({app=\"a\"} | logfmt | unwrap v [20s]) by (app)", 0, 110, 0,
     "{app=a} 110:0.25\n"},
    {"stddev_over_time({app=\"a\"} | logfmt | unwrap v [20s]) by (app)", 0, 110, 0,
     "{app=a} 110:0.5\n"},
    {"quantile_over_time(0.5, {app=\"a\"} | logfmt | unwrap v [1m]) by (app)", 0, 110, 0,
     "{app=a} 110:8.5\n"},
    {"sum(rate({app=\"a\"} | logfmt | unwrap v [1m]))", 0, 110, 0, "{} 110:0.85\n"},
    {"sum(rate_counter({app=\"a\"} | logfmt | keep v | unwrap v [1m]))", 0, 110, 0,
     "{} 110:0.09166666666666666\n"},
    /* empty labels: a series has them, and a group that names them */
    {"count_over_time({app=\"b\"} | label_format x=`` | keep app, x [2m])", 0, 110, 0,
     "{app=b,x=} 110:6\n"},
    {"sum by (x, app) (count_over_time({app=\"b\"} | label_format x=`` [2m]))", 0, 110, 0,
     "{app=b,x=} 110:6\n"},
    {"max by (x) (count_over_time({app=\"b\"} | label_format x=`` [2m]))", 0, 110, 0,
     "{x=} 110:6\n"},
    {"sum without (app) (count_over_time({app=\"b\"} | label_format x=`` | keep app, x [2m]))", 0,
     110, 0, "{} 110:6\n"},
    {"max without (app) (count_over_time({app=\"b\"} | label_format x=`` | keep app, x [2m]))", 0,
     110, 0, "{} 110:6\n"},
    /* no line is formatted that nobody looks at */
    {"sum(count_over_time({app=\"b\"} | line_format `{{ bytes .x }}` [2m]))", 0, 110, 0,
     "{} 110:6\n"},
    {"sum(count_over_time({app=\"b\"} | line_format `{{ bytes .x }}` |= `v` [2m]))", 0, 110, 0,
     "error: pipeline error: 'TemplateFormatErr' for series: *"},
    {"sum(bytes_over_time({app=\"b\"} | line_format `four` [2m]))", 0, 110, 0, "{} 110:24\n"},
    {"sum by (app) (bytes_over_time({app=\"b\"} | line_format `a=b c` | logfmt | line_format `{{.a}}` "
     "[2m]))",
     0, 110, 0, "{app=b} 110:6\n"},
    {"max_over_time({app=\"a\"} | logfmt | unwrap duration(took) [1m]) by (app)", 0, 110, 0,
     "{app=a} 110:1.1\n"},
    {"max_over_time({app=\"a\"} | logfmt | unwrap bytes(size) [1m]) by (app)", 0, 110, 0,
     "{app=a} 110:11000\n"},
    {"max by (app) (max_over_time({app=\"a\"} | logfmt | unwrap v [1m]))", 0, 60, 30,
     "{app=a} 0:0 30:3 60:6\n"},
    {"absent_over_time({app=\"none\", x=~\"y\"}[1m])", 0, 110, 0, "{app=none} 110:1\n"},
    {"absent_over_time({app=\"a\"}[1m])", 0, 110, 0, ""},
    {"absent_over_time({app=\"a\"}[10s])", 100, 130, 10, "{app=a} 120:1 130:1\n"},
    /* vector aggregations */
    {"avg(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{} 110:4.5\n"},
    {"max(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{} 110:6\n"},
    {"min(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{} 110:3\n"},
    {"count(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{} 110:2\n"},
    {"stddev(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{} 110:1.5\n"},
    {"stdvar(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{} 110:2.25\n"},
    {"topk(1, sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0, "{app=a} 110:6\n"},
    {"bottomk(1, sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0,
     "{app=b} 110:3\n"},
    {"topk(2, sum by (user) (count_over_time({app=\"a\"}[2m])))", 0, 110, 0,
     "{} 110:8\n{user=u} 110:4\n"},
    {"topk(1, sum by (user) (rate({app=\"a\"}[1m])))", 0, 110, 0, "{} 110:0.06666666666666667\n"},
    {"topk(9, sum by (user) (count_over_time({app=\"a\"} | user!=\"\" [2m])))", 0, 110, 0,
     "{user=u} 110:4\n"},
    {"topk(1, sum by (user) (count_over_time({app=\"a\"} | user!=\"\" [2m])))", 0, 110, 110,
     "{user=u} 0:1 110:4\n"},
    {"bottomk(1, sum by (user) (count_over_time({app=\"a\"}[2m])))", 0, 110, 0, "{user=u} 110:4\n"},
    {"topk(1, sum by (detected_level) (count_over_time({app=\"a\"}[100s])))", 0, 110, 0,
     "{detected_level=error} 110:6\n"},
    {"topk(1, sum by (service_name) (count_over_time({app=\"a\"}[2m])))", 0, 110, 0,
     "{service_name=s} 110:12\n"},
    {"topk by (app) (1, sum by (app, user) (count_over_time({app=\"a\"}[2m])))", 0, 110, 0,
     "{app=a} 110:8\n"},
    {"sum(count_over_time({app=\"b\"} | regexp `(?P<w>.+)` | w=\"bad\" [2m]))", 0, 110, 0,
     "{} 110:1\n"},
    {"approx_topk(1, sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0,
     "{app=a} 110:6\n"},
    {"sort(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0,
     "{app=b} 110:3\n{app=a} 110:6\n"},
    {"sort_desc(sum by (app) (count_over_time({app=~\"a|b\"}[1m])))", 0, 110, 0,
     "{app=a} 110:6\n{app=b} 110:3\n"},
    {"label_replace(sum by (app) (count_over_time({app=\"a\"}[1m])), \"x\", \"<$1>\", \"app\", \"(.*)\")",
     0, 110, 0, "{app=a,x=<a>} 110:6\n"},
    {"vector(3)", 0, 20, 10, "{} 0:3 10:3 20:3\n"},
    {"sum(count_over_time({app=\"none\"}[1m])) or vector(0)", 0, 110, 0, "{} 110:0\n"},
    /* operators */
    {"1 + 2 * 3 ^ 2 % 5", 0, 0, 0, "{} 0:4\n"},
    {"2 ^ 3 ^ 0", 0, 0, 0, "{} 0:2\n"},
    {"1 > 2", 0, 0, 0, "{} 0:0\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) * 2", 0, 110, 0,
     "{app=a} 110:12\n{app=b} 110:6\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) > 4", 0, 110, 0, "{app=a} 110:6\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) > bool 4", 0, 110, 0,
     "{app=a} 110:1\n{app=b} 110:0\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) / sum by (app) "
     "(count_over_time({app=\"a\"}[1m]))",
     0, 110, 0, "{app=a} 110:1\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) / ignoring (app) group_left "
     "sum(count_over_time({app=~\"a|b\"}[1m]))",
     0, 110, 0, "{app=a} 110:0.6666666666666666\n{app=b} 110:0.3333333333333333\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) and sum by (app) "
     "(count_over_time({app=\"b\"}[1m]))",
     0, 110, 0, "{app=b} 110:3\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) unless sum by (app) "
     "(count_over_time({app=\"b\"}[1m]))",
     0, 110, 0, "{app=a} 110:6\n"},
    {"sum(count_over_time({app=\"a\"}[1m])) / 0", 0, 110, 0, "{} 110:NaN\n"},
    /* errors */
    {"sum_over_time({app=\"b\"} | json | unwrap v [2m])", 0, 110, 0, ""},
    {"count_over_time({app=\"b\"} | json [2m])", 0, 110, 0,
     "error: pipeline error: 'JSONParserErr' for series: *"},
    {"count_over_time({app=\"b\"} | json | __error__=\"\" [2m])", 0, 110, 0, ""},
    {"count_over_time({app=\"b\"} | json | __error__!=\"\" [2m])", 0, 110, 0,
     "error: pipeline error: 'JSONParserErr' for series: *"},
    {"sum by (__error__) (count_over_time({app=\"b\"} | json | __error__!=\"\" [2m]))", 0, 110, 0,
     "{__error__=JSONParserErr} 110:6\n"},
    {"sum by (v) (count_over_time({app=\"b\"} | logfmt | json [2m]))", 0, 110, 0,
     "error: pipeline error: 'JSONParserErr' for series: *"},
    {"sum by (v) (count_over_time({app=\"b\"} |= `v` | logfmt | json [2m]))", 0, 110, 0,
     "{v=1} 110:5\n"},
    {"sum(count_over_time({app=\"b\"} | json [2m]))", 0, 110, 0, "{} 110:6\n"},
    {"sum by (app) (count_over_time({app=~\"a|b\"}[1m])) / on () "
     "sum by (app) (count_over_time({app=~\"a|b\"}[1m]))",
     0, 110, 0, "error: found duplicate series for the match group {} on the right hand-side*"},
    {"sum(rate({app=\"a\"}[1m]))", 0, 110000, 1,
     "error: exceeded maximum resolution of 11000 points per time series*"},
};

static void test_asks(void **state)
{
    struct logs_store s;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    logs_store_open(&s);
    fill(&s);
    for (int flushed = 0; flushed < 2; flushed++) {
        for (size_t i = 0; i < ARRAY_LEN(ASKS); i++) {
            const char *want = ASKS[i].want;
            size_t n = strlen(want);
            bool prefix = n != 0 && want[n - 1] == '*';

            logs_store_ask(&s,
                           &(struct logs_ask){.query = ASKS[i].query,
                                              .start = ASKS[i].start,
                                              .end = ASKS[i].end,
                                              .step = ASKS[i].step},
                           &b);
            if (prefix ? !str_starts(buf_str(&b), str_of(want, n - 1))
                       : !str_eq(buf_str(&b), str_cstr(want))) {
                fail_msg("%s\ngot    %.*s\nwanted %s", ASKS[i].query, (int)b.n, b.data, want);
            }
        }
        assert_int_equal(columns_flush(s.c, NULL), 0);
    }
    logs_store_close(&s);
    buf_done(&b);
}

/* Conditions on what a parser finds, which the store may use to leave lines out: values that stand in the line in
 * other bytes than they have must not get lost. */
static void test_parsed_values(void **state)
{
    static const char *const LINES[] = {"{\"k\":\"ab/c\"}",
                                        "{\"k\":\"ab\\/c\"}",
                                        "{\"k\":\"a\\u0062/c\"}",
                                        "{\"k\":\"ab\"}",
                                        "{\"k\":\"x\",\"j\":\"ab/c\"}",
                                        "ab/c",
                                        "{\"k\":true}",
                                        "{\"k\":1.50}",
                                        "{\"k\":{\"z\":\"ab/c\"}}",
                                        "{\"k\":\"\xed\x95\x9c\"}"};
    static const struct ask PARSED[] = {
        {"sum(count_over_time({app=\"a\"} | json | k=\"ab/c\" [1m]))", 0, 30, 0, "{} 30:3\n"},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k=\"ab/c\" [1m]))", 0, 30, 0,
         "{} 30:3\n"},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k=\"true\" [1m]))", 0, 30, 0,
         "{} 30:1\n"},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k=\"1.50\" [1m]))", 0, 30, 0,
         "{} 30:1\n"},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k=\"\xed\x95\x9c\" [1m]))", 0, 30, 0,
         "{} 30:1\n"},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k=\"nothing\" [1m]))", 0, 30, 0, ""},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k=\"nothing\" or k=\"ab\" [1m]))", 0, 30,
         0, "{} 30:1\n"},
        {"sum(count_over_time({app=\"a\"} | json | k_z=\"ab/c\" [1m]))", 0, 30, 0, "{} 30:1\n"},
        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | k!=\"ab/c\" | __error__=\"\" [1m]))", 0,
         30, 0, "{} 30:6\n"},

        {"sum(count_over_time({app=\"a\"} | json k=\"k\" | line_format `{{.k}}-` | "
         "regexp `(?P<w>.*)` | w=\"ab/c-\" [1m]))",
         0, 30, 0, "{} 30:3\n"},
    };
    struct logs_store s;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    logs_store_open(&s);
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        logs_store_add(&s, (double)i, "app=a", "", 9, LINES[i]);
    }
    for (int flushed = 0; flushed < 2; flushed++) {
        for (size_t i = 0; i < ARRAY_LEN(PARSED); i++) {
            logs_store_ask(&s, &(struct logs_ask){.query = PARSED[i].query, .end = PARSED[i].end},
                           &b);
            if (!str_eq(buf_str(&b), str_cstr(PARSED[i].want))) {
                fail_msg("%s\ngot    %.*s\nwanted %s", PARSED[i].query, (int)b.n, b.data,
                         PARSED[i].want);
            }
        }
        assert_int_equal(columns_flush(s.c, NULL), 0);
    }
    logs_store_close(&s);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),
        cmocka_unit_test(test_parsed_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
