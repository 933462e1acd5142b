/* SPDX-License-Identifier: Apache-2.0
 *
 * What LogQL's documentation allows is parsed and printed in one form, everything else is refused with Loki's text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "query/logql/logql.h"

struct good {
    const char *query;
    const char *printed; /* NULL: as it stands */
};

static const struct good GOOD[] = {
    /* stream selectors */
    {"{app=\"mysql\",name=\"mysql-backup\"}", "{app=\"mysql\", name=\"mysql-backup\"}"},
    {"{name =~ \"mysql.+\"}", "{name=~\"mysql.+\"}"},
    {"{a=\"b\", name !~ `mysql-\\d+`}", "{a=\"b\", name!~\"mysql-\\\\d+\"}"},
    {"{a=\"b\", c!=\"d\",}", "{a=\"b\", c!=\"d\"}"},
    {"{a=\"b\"} # a comment\n", "{a=\"b\"}"},
    {"({a=\"b\"})", "({a=\"b\"})"},
    /* line filters */
    {"{job=\"mysql\"} |= \"error\"", NULL},
    {"{job=\"mysql\"} |= \"error\" != \"timeout\"", NULL},
    {"{name=\"kafka\"} |~ \"tsdb-ops.*io:2003\" !~ \"x\"", NULL},
    {"{name=\"cassandra\"} |~  `error=\\w+`", "{name=\"cassandra\"} |~ `error=\\w+`"},
    {"{a=\"b\"} |= \"x\" or \"y\" or \"z\"", NULL},
    {"{a=\"b\"} |= ip(\"192.168.4.5/16\") or \"x\"", NULL},
    {"{a=\"b\"} != ip(\"192.168.4.5-192.168.4.20\")", NULL},
    {"{a=\"b\"} |= ip(\"2001:db8::1\")", NULL},
    {"{a=\"b\"} |> \"<_>msg=<_>\" !> `<_>x`", "{a=\"b\"} |> \"<_>msg=<_>\" !> \"<_>x\""},
    /* parsers */
    {"{a=\"b\"} | json", NULL},
    {"{a=\"b\"} | json first_server=\"servers[0]\", ua=\"request.headers[\\\"User-Agent\\\"]\"",
     "{a=\"b\"} | json "
     "first_server=\"servers[0]\",ua=\"request.headers[\\\"User-Agent\\\"]\""},
    {"{a=\"b\"} | json servers", NULL},
    {"{a=\"b\"} | logfmt --strict", NULL},
    {"{a=\"b\"} | logfmt --keep-empty --strict host, fwd_ip=\"fwd\"",
     "{a=\"b\"} | logfmt --strict --keep-empty host,fwd_ip=\"fwd\""},
    {"{a=\"b\"} | pattern `<ip> - <_> [<ts>]`", "{a=\"b\"} | pattern \"<ip> - <_> [<ts>]\""},
    {"{a=\"b\"} | regexp \"(?P<method>\\\\w+) (?P<path>.*)\"",
     "{a=\"b\"} | regexp `(?P<method>\\w+) (?P<path>.*)`"},
    {"{a=\"b\"} | unpack", NULL},
    /* label filters: without precedence, from left to right */
    {"{a=\"b\"} | duration >= 20ms or size == 20KB and method!~\"2..\"", NULL},
    {"{a=\"b\"} | duration >= 20ms or size == 20KB , method!~\"2..\"",
     "{a=\"b\"} | duration>=20ms or size==20KB , method!~\"2..\""},
    {"{a=\"b\"} | x=\"1\" y=\"2\"", "{a=\"b\"} | x=\"1\" , y=\"2\""},
    {"{a=\"b\"} | duration >= 20ms or (method=\"GET\" and size <= 20KB)",
     "{a=\"b\"} | duration>=20ms or (method=\"GET\" and size<=20KB)"},
    {"{a=\"b\"} | status = 500", "{a=\"b\"} | status==500"},
    {"{a=\"b\"} | status != -1.5", "{a=\"b\"} | status!=-1.5"},
    {"{a=\"b\"} | addr = ip(\"10.0.0.0/8\")", "{a=\"b\"} | addr=ip(\"10.0.0.0/8\")"},
    {"{a=\"b\"} | ip=\"2.3.4.5\"", NULL},
    {"{a=\"b\"}|logfmt|rate=\"a\"", "{a=\"b\"} | logfmt | rate=\"a\""},
    {"{a=\"b\"} | __error__=\"\"", NULL},
    /* formats */
    {"{a=\"b\"} | line_format \"{{.query}} {{.duration}}\"", NULL},
    {"{a=\"b\"} | label_format dst=src,x=\"{{.y}}\"", NULL},
    {"{a=\"b\"} | decolorize", NULL},
    {"{a=\"b\"} | drop level, method=\"GET\"", "{a=\"b\"} | drop level,method=\"GET\""},
    {"{a=\"b\"} | keep level, app=~\"some-api.*\"", "{a=\"b\"} | keep level,app=~\"some-api.*\""},
    /* metric queries */
    {"count_over_time({job=\"mysql\"}[5m])", NULL},
    {"rate({a=\"b\"} |= \"error\" != \"timeout\" | json | duration > 10s [1m])",
     "rate({a=\"b\"} |= \"error\" != \"timeout\" | json | duration>10s [1m])"},
    {"count_over_time({a=\"b\"}[12h] |= \"error\")",
     "count_over_time({a=\"b\"} |= \"error\" [12h])"},
    {"count_over_time(({a=\"b\"} |= \"x\")[5m])", "count_over_time({a=\"b\"} |= \"x\" [5m])"},
    {"count_over_time({job=\"mysql\"}[5m] offset 5m)", NULL},
    {"rate({a=\"b\"}[5m] offset -90s)", "rate({a=\"b\"}[5m] offset -1m30s)"},
    {"sum by (host) (rate({a=\"b\"}[1m]))", "sum by (host)(rate({a=\"b\"}[1m]))"},
    {"sum(rate({a=\"b\"}[1m])) by (host,x)", "sum by (host,x)(rate({a=\"b\"}[1m]))"},
    {"topk(10,sum(rate({a=\"b\"}[5m])) by (name))", "topk(10,sum by (name)(rate({a=\"b\"}[5m])))"},
    {"quantile_over_time(0.99, {a=\"b\"} | json | unwrap request_time [1m]) by (path)",
     "quantile_over_time(0.99,{a=\"b\"} | json | unwrap request_time [1m]) by (path)"},
    {"sum_over_time({a=\"b\"} | logfmt | unwrap bytes(size) | __error__=\"\" [5m])", NULL},
    {"avg_over_time({a=\"b\"} | unwrap duration_seconds(took)[5m]) without (x)",
     "avg_over_time({a=\"b\"} | unwrap duration_seconds(took) [5m]) without (x)"},
    {"rate_counter({a=\"b\"} | unwrap n [5m])", NULL},
    {"absent_over_time({a=\"b\"}[5m])", NULL},
    {"sort_desc(sum by (a)(rate({a=\"b\"}[1m])))", NULL},
    {"approx_topk(3,sum by (a)(rate({a=\"b\"}[1m])))", NULL},
    {"vector(1)", "vector(1.000000)"},
    {"sum(count_over_time({a=\"b\"}[5m])) or vector(0)",
     "sum(count_over_time({a=\"b\"}[5m])) or vector(0.000000)"},
    {"label_replace(rate({a=\"b\"}[1m]), \"foo\", \"$1\", \"service\", \"(.*):.*\")",
     "label_replace(rate({a=\"b\"}[1m]),\"foo\",\"$1\",\"service\",\"(.*):.*\")"},
    {"rate({a=\"b\"}[1m]) / on (x) group_left (y) rate({a=\"c\"}[1m]) > bool 2 ^ 3", NULL},
    {"1 + 2 * 3 - -4", "1 + 2 * 3 - -4"},
    {"RATE({a=\"b\"}[1m])", "rate({a=\"b\"}[1m])"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        const char *want = GOOD[i].printed != NULL ? GOOD[i].printed : GOOD[i].query;
        struct logql_query *q = NULL;
        struct logql_query *again = NULL;
        struct err e = {0};
        struct buf b;
        struct buf b2;

        buf_init(&b, 1 << 16);
        buf_init(&b2, 1 << 16);
        if (logql_parse(str_cstr(GOOD[i].query), &q, &e) < 0) {
            fail_msg("%s: %s", GOOD[i].query, e.msg);
        }
        logql_print(q, &b);
        if (GOOD[i].printed != NULL || strchr(GOOD[i].query, '>') == NULL) {
            if (!str_eq(buf_str(&b), str_cstr(want))) {
                fail_msg("%s\nprinted %.*s\nwanted  %s", GOOD[i].query, (int)b.n, b.data, want);
            }
        }
        assert_int_equal(logql_parse(buf_str(&b), &again, &e), 0);
        logql_print(again, &b2);
        assert_true(str_eq(buf_str(&b), buf_str(&b2)));
        logql_free(q);
        logql_free(again);
        buf_done(&b);
        buf_done(&b2);
    }
}

struct bad {
    const char *query;
    const char *error;
};

static const struct bad BAD[] = {
    {"", "parse error at line 1, col 1: syntax error: unexpected $end"},
    {"unk({ foo = \"bar\" }[5m])",
     "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"},
    {"absent_over_time({ foo = \"bar\" }[5h]) by (foo)",
     "parse error : grouping not allowed for absent_over_time aggregation"},
    {"rate({ foo = \"bar\" }[5minutes])",
     "parse error at line 1, col 21: not a valid duration string: \"5minutes\""},
    {"label_replace(rate({ foo = \"bar\" }[5m]),\"\")",
     "parse error at line 1, col 43: syntax error: unexpected ), expecting ,"},
    {"rate({ foo = \"bar\" }[5)", "parse error at line 1, col 21: missing closing ']' in duration"},
    {"min({ foo = \"bar\" }[5m])", "parse error at line 1, col 20: syntax error: unexpected RANGE"},
    {"{ foo = \"bar\" }|logfmt|addr>=ip(\"1.2.3.4\")",
     "parse error at line 1, col 30: syntax error: unexpected ip, expecting BYTES or NUMBER or "
     "DURATION"},
    {"sum(3 ,count_over_time({ foo = \"bar\" }[5h]))",
     "parse error : unsupported parameter for operation sum(3,"},
    {"topk(count_over_time({ foo = \"bar\" }[5h]))",
     "parse error : parameter required for operation topk"},
    {"bottomk(he,count_over_time({ foo = \"bar\" }[5h]))",
     "parse error at line 1, col 9: syntax error: unexpected IDENTIFIER"},
    {"bottomk(1.2,count_over_time({ foo = \"bar\" }[5h]))",
     "parse error : invalid parameter bottomk(1.2,"},
    {"topk(0,rate({a=\"b\"}[1m]))",
     "parse error : invalid parameter (must be greater than 0) topk(0"},
    {"stddev({ foo = \"bar\" })", "parse error at line 1, col 23: syntax error: unexpected )"},
    {"{a=~\".*\"}", "parse error : queries require at least one regexp or equality matcher"},
    {"{}", "parse error : queries require at least one regexp or equality matcher"},
    {"{a=\"b\"", "parse error at line 1, col 7: syntax error: unexpected $end, expecting } or ,"},
    {"{a=\"b}", "parse error at line 1, col 4: literal not terminated"},
    {"{a=~\"(\"}", "parse error : "},
    {"{a=\"b\"} |= ", "parse error at line 1, col 12: syntax error: unexpected $end"},
    {"{a=\"b\"} |~ \"(\"", "parse error : error parsing regexp: "},
    {"{a=\"b\"} |~ ip(\"1.2.3.4\")", "parse error : ip: filter is only allowed"},
    {"{a=\"b\"} |= ip(\"1.2.3\")", "parse error : ip: invalid pattern (1.2.3)"},
    {"{a=\"b\"} | nothing", "parse error at line 1, col 18: syntax error: unexpected $end"},
    {"{a=\"b\"} | unwrap x", "parse error at line 1, col 11: syntax error: unexpected unwrap"},
    {"{a=\"b\"} | regexp \"x\"", "parse error : at least one named capture must be supplied"},
    {"{a=\"b\"} | regexp \"(?P<x>a)(?P<x>b)\"", "parse error : duplicate extracted label name 'x'"},
    {"{a=\"b\"} | pattern \"x\"", "parse error : at least one capture is required"},
    {"{a=\"b\"} | pattern \"<a><b>\"", "parse error : found consecutive capture: '<a><b>'"},
    {"{a=\"b\"} |> \"<a>\"", "parse error : named captures are not allowed"},
    {"{a=\"b\"} | json x=\"a.[\"", "parse error : cannot parse expression [a.[]"},
    {"{a=\"b\"} | label_format foo=bar,foo=\"new\"",
     "parse error : multiple label name 'foo' not allowed in a single format operation"},
    {"{a=\"b\"} | label_format __error__=bar", "parse error : __error__ cannot be formatted"},
    {"{a=\"b\"} | line_format \"{{.x\"", "parse error : invalid line template: template: line:1: "},
    {"{a=\"b\"} | line_format \"{{ foo }}\"",
     "parse error : invalid line template: template: line:1: function \"foo\" not defined"},
    {"{a=\"b\"} | line_format \"{{ if .x }}\"", "parse error : invalid line template"},
    {"sum_over_time({a=\"b\"}[5m])",
     "parse error : invalid aggregation sum_over_time without unwrap"},
    {"count_over_time({a=\"b\"} | unwrap x [5m])",
     "parse error : invalid aggregation count_over_time with unwrap"},
    {"quantile_over_time({a=\"b\"} | unwrap x [5m])",
     "parse error : parameter required for operation quantile_over_time"},
    {"rate(2, {a=\"b\"}[5m])", "parse error : parameter 2 not supported for operation rate"},
    {"rate({a=\"b\"})", "parse error at line 1, col 13: syntax error: unexpected )"},
    {"sum_over_time({a=\"b\"} | unwrap x | json [5m])",
     "parse error at line 1, col 36: syntax error: unexpected json"},
    {"{a=\"b\"} + 1", "parse error : unexpected type for left leg of binary operation (+)"},
    {"1 or vector(1)",
     "parse error : unexpected literal for left side of logical/set binary operation (or)"},
    {"label_replace(rate({a=\"b\"}[1m]),\"a\",\"\",\"b\",\"(\")",
     "parse error : invalid regex in label_replace: error parsing regexp: "},
    {"{a=\"b\"}\n  |= \"x\"\n  | foo ~ 1",
     "parse error at line 3, col 9: syntax error: unexpected"},
    {"1e999", "parse error at line 1, col 1: invalid number"},
    {"rate({a=\"b\"}[1m]) rate",
     "parse error at line 1, col 19: syntax error: unexpected IDENTIFIER"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct logql_query *q = NULL;
        struct err e = {0};

        if (logql_parse(str_cstr(BAD[i].query), &q, &e) >= 0) {
            fail_msg("%s: no error", BAD[i].query);
        }
        if (strncmp(e.msg, BAD[i].error, strlen(BAD[i].error)) != 0) {
            fail_msg("%s\ngot    %s\nwanted %s", BAD[i].query, e.msg, BAD[i].error);
        }
        assert_int_equal(e.code, ERR_INVALID);
    }
}

static void test_deep(void **state)
{
    char text[4000];
    struct logql_query *q;
    struct err e = {0};

    (void)state;
    memset(text, '(', sizeof(text));
    assert_int_equal(logql_parse(str_of(text, sizeof(text)), &q, &e), -ERR_INVALID);
    assert_non_null(strstr(e.msg, "nested too deeply"));
}

static void test_selector(void **state)
{
    const struct str *names;
    struct logql_query *q;

    (void)state;
    assert_int_equal(logql_parse_selector(STR("{}"), &q, NULL), 0);
    logql_free(q);
    assert_int_equal(logql_parse_selector(STR("{a=\"x\", b!=\"y\", c=~\".+\"}"), &q, NULL), 0);
    assert_int_equal(logql_selector_names(q, &names), 2);
    assert_true(str_eq(names[0], STR("a")));
    assert_true(str_eq(names[1], STR("c")));
    logql_free(q);
    assert_int_equal(logql_parse_selector(STR("{a=\"x\"} |= \"y\""), &q, NULL), -ERR_INVALID);
}

static void test_long_is_split(void **state)
{
    const char *query =
        "sum by (container)(rate({namespace=\"production\", cluster=\"eu-west-1\"} |= \"error\" | json | "
        "level=\"error\" | line_format \"{{.message}}\" [5m]))";
    const char *want = "sum by (container)(\n"
                       "  rate(\n"
                       "    {namespace=\"production\", cluster=\"eu-west-1\"}\n"
                       "      |= \"error\"\n"
                       "      | json\n"
                       "      | level=\"error\"\n"
                       "      | line_format \"{{.message}}\" [5m]\n"
                       "  )\n"
                       ")";
    struct logql_query *q;
    struct buf b;

    (void)state;
    buf_init(&b, 4096);
    assert_int_equal(logql_parse(str_cstr(query), &q, NULL), 0);
    logql_print(q, &b);
    if (!str_eq(buf_str(&b), str_cstr(want))) {
        fail_msg("got %.*s", (int)b.n, b.data);
    }
    logql_free(q);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_bad),
        cmocka_unit_test(test_deep),          cmocka_unit_test(test_selector),
        cmocka_unit_test(test_long_is_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
