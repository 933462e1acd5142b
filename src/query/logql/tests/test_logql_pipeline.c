/* SPDX-License-Identifier: Apache-2.0
 *
 * Log queries against a store: every stage with the examples of LogQL's documentation, what its faults look like,
 * and the order and number of entries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "query/logql/tests/logs_store.h"

/* One line in, one entry out: a pipeline's effect. `want` NULL: dropped. */
struct stage_case {
    const char *line;
    const char *pipeline;
    const char *want; /* "{labels} line" without app and detected_level */
};

static const struct stage_case CASES[] = {
    {"hello world", "", "{} hello world"},
    {"hello world", "|= `hello`", "{} hello world"},
    {"hello world", "|= `Hello`", NULL},
    {"hello world", "!= `hello`", NULL},
    {"hello world", "!= `Hello`", "{} hello world"},
    {"hello world", "|= `x` or `world`", "{} hello world"},
    {"hello world", "!= `x` or `world`", NULL},
    {"hello world", "|~ `h.llo`", "{} hello world"},
    {"hello world", "|~ `(?i)HELLO`", "{} hello world"},
    {"hello world", "!~ `h.llo`", NULL},
    {"a\nb", "|~ `a.b`", "{} a\nb"},
    {"ts=1 msg=hello x=2", "|> `ts=<_> msg=hello <_>`", "{} ts=1 msg=hello x=2"},
    {"ts=1 msg=hello x=2", "|> `msg=hello <_>`", NULL},
    {"ts=1 msg=hello x=2", "!> `msg=hello <_>`", "{} ts=1 msg=hello x=2"},
    {"from 192.168.4.9:80 ok", "|= ip(`192.168.4.5-192.168.4.20`)", "{} from 192.168.4.9:80 ok"},
    {"from 192.168.4.9 ok", "|= ip(`192.168.4.10`)", NULL},
    {"from 192.168.4.9 ok", "!= ip(`192.168.0.0/16`)", NULL},
    {"from 2001:db8::68 ok", "|= ip(`2001:db8::/32`)", "{} from 2001:db8::68 ok"},
    /* json */
    {"{\"a.b\":{\"c\":\"d\"},\"e\":\"f\"}", "| json",
     "{a_b_c=d,e=f} {\"a.b\":{\"c\":\"d\"},\"e\":\"f\"}"},
    {"{\"n\":1.5,\"b\":true,\"z\":null,\"l\":[1]}", "| json | line_format `x`", "{b=true,n=1.5} x"},
    {"{\"app\":\"other\"}", "| json | line_format `x`", "{app_extracted=other} x"},
    {"{\"a\":1", "| json | line_format `x`", "{__error__=JSONParserErr,__error_details__=*,a=1} x"},
    {"no json", "| json | line_format `x`", "{__error__=JSONParserErr,__error_details__=*} x"},
    {"no json", "| json | __error__=``", NULL},
    {"no json", "| json | drop __error__, __error_details__", "{} no json"},
    {"{\"servers\":[\"129.0.1.1\",\"10.2.1.3\"],\"request\":{\"headers\":{\"User-Agent\":\"curl\"}}}",
     "| json first=`servers[0]`, ua=`request.headers[\"User-Agent\"]` | line_format `x`",
     "{first=129.0.1.1,ua=curl} x"},
    {"{\"servers\":[\"1\",\"2\"],\"h\":{\"a\":1}}",
     "| json servers, h=`h`, no=`x.y` | line_format `x`",
     "{h={\"a\":1},no=,servers=[\"1\",\"2\"]} x"},
    {"{\"a\":\"1\",\"a\":\"2\"}", "| json | line_format `x`", "{a=1} x"},
    {"{\" a\":{\"\":1,\"주문\":2}}", "| json | line_format `x`", "{a=1,a___=2} x"},
    {"{\"a\":1", "| json a, b | line_format `x`", "{a=1,b=} x"},
    {"no json", "| json a | line_format `x`", "{__error__=JSONParserErr} x"},
    {"{\"a\":1,\"b\":2}", "| json | json a=`b` | line_format `x`", "{a=2,b=2} x"},
    {"{\"a\":1}", "| json | drop a | json | line_format `x`", "{} x"},
    {"{\"a\":1}", "| json | label_format b=a | json | line_format `x`", "{b=1} x"},
    /* logfmt */
    {"at=info method=GET fwd=\"124.133.124.161\" service=8ms", "| logfmt | line_format `x`",
     "{at=info,fwd=124.133.124.161,method=GET,service=8ms} x"},
    {"at=info host=grafana.net fwd=\"1.2\"", "| logfmt host, fwd_ip=`fwd` | line_format `x`",
     "{fwd_ip=1.2,host=grafana.net} x"},
    {"foo=bar=buzz a=b =x c", "| logfmt | line_format `x`", "{a=b} x"},
    {"foo=bar=buzz a=b", "| logfmt --strict | line_format `x`",
     "{__error__=LogfmtParserErr,__error_details__=logfmt syntax error at pos 8 : unexpected '='} x"},
    {"a=b c d=", "| logfmt --keep-empty | line_format `x`", "{a=b,c=,d=} x"},
    {"주문 처리=1", "| logfmt --keep-empty | line_format `x`", "{__=} x"},
    {"a=\"b\"c=d", "| logfmt | line_format `x`", "{a=b,c=d} x"},
    {"a=\"\\x\" b=c", "| logfmt | line_format `x`", "{b=c} x"},
    {"level=info", "| logfmt lvl=`level`, no | line_format `x`", "{lvl=info,no=} x"},
    {"a=1", "| logfmt | logfmt a=`none` | line_format `x`", "{a=1} x"},
    {"m=\"a \\\"q\\\" b\"", "| logfmt | line_format `{{.m}}`", "{m=a \"q\" b} a \"q\" b"},
    /* pattern, regexp, unpack */
    {"0.191.12.2 - - [10/Jun/2021:09:14:29 +0000] \"GET /api HTTP/1.1\" 200 2",
     "| pattern `<ip> - - <_> \"<method> <uri> <_>\" <status> <size>` | line_format `x`",
     "{ip=0.191.12.2,method=GET,size=2,status=200,uri=/api} x"},
    {"POST /api/prom (200) 1.5s",
     "| regexp `(?P<method>\\w+) (?P<path>[\\w|/]+) \\((?P<status>\\d+?)\\) (?P<duration>.*)` | "
     "line_format `x`",
     "{duration=1.5s,method=POST,path=/api/prom,status=200} x"},
    {"{\"container\":\"myapp\",\"pod\":\"pod-3223f\",\"_entry\":\"original log message\"}",
     "| unpack", "{container=myapp,pod=pod-3223f} original log message"},
    {"{\"container\":\"myapp\"}", "| unpack", "{} {\"container\":\"myapp\"}"},
    /* label filters */
    {"d=250ms s=20KB n=5", "| logfmt | d >= 250ms and s <= 20KB and n == 5 | line_format `x`",
     "{d=250ms,n=5,s=20KB} x"},
    {"d=250ms", "| logfmt | d > 1m", NULL},
    {"d=x", "| logfmt | d > 1m | line_format `x`",
     "{__error__=LabelFilterErr,__error_details__=time: invalid duration \"x\",d=x} x"},
    {"x= =y", "| logfmt --strict | n > 4", NULL},
    {"n=x =y", "| logfmt --strict | n > 4 | line_format `x`",
     "{__error__=LogfmtParserErr,__error_details__=*,n=x} x"},
    {"n=5", "| logfmt | n > 4 or m = `x` and m = `y`", NULL},
    {"n=5", "| logfmt | n > 4 or (m = `x` and m = `y`) | line_format `x`", "{n=5} x"},
    {"n=5", "| logfmt | missing > 4", NULL},
    {"n=5", "| logfmt | missing = `` | line_format `x`", "{n=5} x"},
    {"a=10.1.2.3", "| logfmt | a = ip(`10.0.0.0/8`) | line_format `x`", "{a=10.1.2.3} x"},
    {"a=10.1.2.3", "| logfmt | a != ip(`10.0.0.0/8`)", NULL},
    {"n=abc", "| logfmt | n =~ `a.c` | n !~ `b` | line_format `x`", "{n=abc} x"},
    /* formats */
    {"a=1 b=2", "| logfmt | label_format c=a, d=`{{.b}}-{{.b}}` | line_format `x`",
     "{b=2,c=1,d=2-2} x"},
    {"a=1 b=2", "| logfmt | label_format a=`3`, c=`{{.a}}` | line_format `x`", "{a=3,b=2,c=1} x"},
    {"a=1 b=2", "| logfmt | label_format app=a | line_format `x`", "{b=2} x"},
    {"\x1b[31mred\x1b[0m", "| decolorize", "{} red"},
    {"a=1 b=2 c=3", "| logfmt | drop a, b=`2`, c=`x` | line_format `x`", "{c=3} x"},
    {"a=1 b=2 c=3", "| logfmt | keep a, b=`x` | line_format `x`", "{a=1} x"},
    {"a=1", "| logfmt | line_format `{{.a}} {{__line__}} {{.none}}|`", "{a=1} 1 a=1 |"},
    {"x", "| line_format `{{ div 1 0 }}`", "{__error__=TemplateFormatErr,__error_details__=*} x"},
};

/* '*' stands for any text. */
static bool fits(struct str s, struct str want)
{
    int64_t star = str_find_byte(want, '*');

    if (star < 0) {
        return str_eq(s, want);
    }
    return str_starts(s, str_take(want, (size_t)star)) &&
           str_ends(s, str_drop(want, (size_t)star + 1));
}

static void test_stages(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char query[1024];
        struct logs_store s;
        struct str text;

        logs_store_open(&s);
        logs_store_add(&s, 1, "app=x", "", 9, CASES[i].line);
        snprintf(query, sizeof(query), "{app=\"x\"} %s | drop app, service_name, detected_level",
                 CASES[i].pipeline);
        logs_store_ask(&s, &(struct logs_ask){query, 0, 10, 0, false, 10}, &b);
        text = buf_str(&b);
        text = buf_str(&b);
        text.n -= text.n != 0;
        if (!fits(text, str_cstr(CASES[i].want != NULL ? CASES[i].want : ""))) {
            fail_msg("%s\n%s\ngot    %.*s\nwanted %s", CASES[i].line, query, STR_ARG(text),
                     CASES[i].want != NULL ? CASES[i].want : "nothing");
        }
        logs_store_close(&s);
    }
    buf_done(&b);
}

struct template_case {
    const char *template;
    const char *want;
};

/* The examples of "LogQL template functions", and Go's text/template. */
static const struct template_case TEMPLATES[] = {
    {"{{ .path | replace \" \" \"_\" | trunc 5 | upper }}", "/A_B_"},
    {"{{ if and (contains \"he\" \"hello\") (contains \"llo\" \"hello\") }} yes {{end}}", " yes "},
    {"{{ if contains .err \"ErrTimeout\" }}timeout{{else if contains \"he\" \"hello\"}}yes{{else}}no{{end}}",
     "timeout"},
    {"{{ if eq .path \"x\" }}a{{else}}b{{end}}", "b"},
    {"{{ __timestamp__ | unixEpoch | len }}", "10"},
    {"{{ date \"2006-01-02\" (unixToTime \"1679577215\") }}", "2023-03-23"},
    {"{{ duration \"1m30s\" }}", "90"},
    {"{{ toDateInZone \"2006-01-02\" \"UTC\" \"2021-11-02\" | unixEpoch }}", "1635811200"},
    {"{{ unixEpochMillis (toDate \"2006-01-02T15:04:05.999999999Z\" \"2021-11-02T01:02:03.5Z\") }}",
     "1635814923500"},
    {"{{ \"2021-11-02T01:02:03Z\" | toDateInZone \"2006-01-02T15:04:05Z07:00\" \"UTC\" | date "
     "\"Mon Jan _2 15:04:05 2006\" }}",
     "Tue Nov  2 01:02:03 2021"},
    {"{{ alignLeft 5 \"hello world\"}}|{{ alignLeft 5 \"hi\"}}|", "hello|hi   |"},
    {"{{ alignRight 5 \"hello world\"}}|{{ alignRight 5 \"hi\"}}|", "world|   hi|"},
    {"{{ \"hi\" | b64enc }} {{ b64dec \"aGk=\" }}", "aGk= hi"},
    {"{{ bytes \"2 KB\" }}", "2000"},
    {"{{ default \"-\" \"\" }}{{ default \"-\" \"foo\" }}{{ .none | default \"d\" }}", "-food"},
    {"{{ range $q := fromJson .queries }}{{ $q.query }};{{ end }}", "a;b;"},
    {"{{ range $i, $q := fromJson \"[1,2]\" }}{{ $i }}={{ $q }} {{ else }}none{{ end }}",
     "0=1 1=2 "},
    {"{{fromJson \"{\\\"foo\\\": 55}\"}}", "map[foo:55]"},
    {"{{ lower \"HELLO\"}} {{ upper \"hello\" }} {{ title \"hello world\" }}",
     "hello HELLO Hello World"},
    {"{{ indent 2 \"a\\nb\" }}", "  a\n  b"},
    {"{{ nindent 1 \"a\" }}", "\n a"},
    {"{{ repeat 3 \"hello\" }}", "hellohellohello"},
    {"{{ printf \"%-6.4s|%5s|%05d|%.2f|%q|%x\" \"abcdef\" \"b\" 42 1.5 \"q\" \"hi\" }}",
     "abcd  |    b|00042|1.50|\"q\"|6869"},
    {"{{ printf \"%s %d\" .path }}", "/a b c %!d(MISSING)"},
    {"{{ replace \"hello\" \"world\" \"hello world\" }}", "world world"},
    {"{{ substr 0 5 \"hello world\"}} {{ substr 6 11 \"hello world\"}} {{ substr -1 2 \"abc\" }}",
     "hello world ab"},
    {"{{ trim \"   hello    \" }}|{{ trimAll \"$\" \"$5.00\" }}|{{ trimPrefix \"-\" \"-hello\" "
     "}}|{{ trimSuffix \"-\" \"hello-\" }}",
     "hello|5.00|hello|hello"},
    {"{{ trunc 5 \"hello world\"}} {{ trunc -5 \"hello world\"}}", "hello world"},
    {"{{ urlencode \"a b&c\" }} {{ urldecode \"a+b%26c\" }}", "a+b%26c a b&c"},
    {"{{ hasPrefix \"he\" \"hello\" }} {{ hasSuffix \"x\" \"hello\" }}", "true false"},
    {"{{ add 3 2 5 }} {{ addf 3.5 2 5 }} {{ sub 5 2 }} {{ subf 5.5 2 1.5 }}", "10 10.5 3 2"},
    {"{{ mul 5 2 3}} {{ mulf 5.5 2 2.5 }} {{ div 10 2}} {{ divf 10 2 4}} {{ mod 10 3}}",
     "30 27.5 5 1.25 1"},
    {"{{ ceil 123.001 }} {{ floor 123.9999 }} {{ round 123.555555 3 }} {{ round 123.88571428571 5 .2 }}",
     "124 123 123.556 123.88572"},
    {"{{ max 1 2 3 }} {{ min 1 2 3 }} {{ maxf 1 2.5 3 }} {{ minf 1.5 2.5 3 }}", "3 1 3 1.5"},
    {"{{ \"3.5\" | float64 }} {{ \"3\" | int }}", "3.5 3"},
    {"{{ count \"a|b\" \"abab\" }} {{ count \"o\" \"foo\" }} {{ .path | count \"[a-c]\" }}",
     "4 2 3"},
    {"{{ regexReplaceAll \"(a*)bc\" \"aabc x\" \"${1}a\" }}", "aaa x"},
    {"{{ regexReplaceAllLiteral \"(ts=)\" \"ts=1\" \"$1=\" }}", "$1=1"},
    {"a {{- \" b \" -}} c{{/* note */}}", "a b c"},
    {"{{ $x := .path }}{{ with $x }}{{ . }}{{ end }}{{ $x = \"n\" }}{{ $x }}", "/a b cn"},
    {"{{ index (fromJson \"{\\\"a\\\":[5]}\") \"a\" 0 }} {{ len \"abc\" }} {{ not true }}",
     "5 3 false"},
    {"{{ ToUpper .err }} {{ Replace \"aaa\" \"a\" \"b\" 2 }} {{ TrimSpace \" x \" }}",
     "ERRTIMEOUT bba x"},
    {"{{ lt 1 2 }} {{ ge \"b\" \"a\" }} {{ ne 1 1 }} {{ eq \"a\" \"b\" \"a\" }}",
     "true true false true"},
    {"{{ print 1 2 \"a\" }} {{ html \"<a>\" }}", "1 2a &lt;a&gt;"},
    {"{{ fromJson \"no\" }} {{ (fromJson \"\").a }}", "<no value> <no value>"},
    {"{{ slice \"abc\" 1 }} {{ slice \"abc\" 1 2 }} {{ slice \"abc\" }}", "bc b abc"},
    {"{{ 1e5 }} {{ 1e6 }} {{ mulf 12345678.5 1 }} {{ 1e-5 }}", "100000 1e+06 1.23456785e+07 1e-05"},
    {"{{ int \"010\" }} {{ int \"0x1f\" }} {{ int \"-0b11\" }} {{ int \"0.5\" }} {{ int \"0\" }}",
     "8 31 -3 0 0"},
};

/* Labels of the same name in the stream, the metadata and the line. */
static void test_same_names(void **state)
{
#define LINE "{\"user\":\"j\",\"app\":\"k\"}"
    static const struct stage_case SAME[] = {
        {LINE, "", "{app=x,app_extracted=m,user=u}"},
        {LINE, "| json", "{app=x,app_extracted=k,user=u,user_extracted=j}"},
        {LINE, "| json user", "{app=x,app_extracted=m,user=u,user_extracted=j}"},
        {LINE, "| drop user | json", "{app=x,app_extracted=k,user=j}"},
        {LINE, "| label_format user=`{{.app}}` | json", "{app=x,app_extracted=k,user=x}"},
        {LINE, "| regexp `\"user\":\"(?P<user>.)` | user_extracted=`j`",
         "{app=x,app_extracted=m,user=u,user_extracted=j}"},
        {"{\"a\":{\"b\":1", "| json | drop __error__, __error_details__",
         "{app=x,app_extracted=m,user=u}"},
        {"{\"a\":{\"b\":1 2}}", "| json | drop __error__, __error_details__",
         "{a_b=1,app=x,app_extracted=m,user=u}"},
    };
#undef LINE
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(SAME); i++) {
        char query[256];
        char want[256];
        struct logs_store s;

        logs_store_open(&s);
        logs_store_add(&s, 1, "app=x", "app=m user=u", 9, SAME[i].line);
        snprintf(query, sizeof(query),
                 "{app=\"x\"} %s | drop service_name, detected_level | line_format `-`",
                 SAME[i].pipeline);
        logs_store_ask(&s, &(struct logs_ask){query, 0, 10, 0, false, 10}, &b);
        snprintf(want, sizeof(want), "%s -\n", SAME[i].want);
        if (!str_eq(buf_str(&b), str_cstr(want))) {
            fail_msg("%s\ngot    %.*s\nwanted %s", query, STR_ARG(buf_str(&b)), want);
        }
        logs_store_close(&s);
    }
    buf_done(&b);
}

static void test_templates(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(TEMPLATES); i++) {
        char query[2048];
        struct logs_store s;
        struct str got;
        int64_t space;

        logs_store_open(&s);
        logs_store_add(&s, 1, "app=x", "", 9,
                       "path=\"/a b c\" err=ErrTimeout "
                       "queries=\"[{\\\"query\\\":\\\"a\\\"},{\\\"query\\\":\\\"b\\\"}]\"");
        snprintf(
            query, sizeof(query),
            "{app=\"x\"} | logfmt | keep path, err, queries | line_format `%s` | keep app | label_format app=app",
            TEMPLATES[i].template);
        logs_store_ask(&s, &(struct logs_ask){query, 0, 10, 0, false, 10}, &b);
        got = buf_str(&b);
        space = str_find_byte(got, ' ');
        got = str_drop(got, (size_t)space + 1);
        got.n -= got.n != 0;
        if (!str_eq(got, str_cstr(TEMPLATES[i].want))) {
            fail_msg("%s\ngot    %.*s\nwanted %s", TEMPLATES[i].template, STR_ARG(buf_str(&b)),
                     TEMPLATES[i].want);
        }
        logs_store_close(&s);
    }
    buf_done(&b);
}

static void test_order_and_limit(void **state)
{
    struct logs_store s;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    logs_store_open(&s);
    for (int i = 0; i < 10; i++) {
        char line[16];

        snprintf(line, sizeof(line), "line %d", i);
        logs_store_add(&s, i, "app=x service.name=svc", "", 9, line);
    }
    logs_store_ask(&s, &(struct logs_ask){"{app=\"x\"} | keep app", 0, 10, 0, false, 2}, &b);
    assert_string_equal(b.data, "{app=x} line 9\n{app=x} line 8\n");
    logs_store_ask(&s, &(struct logs_ask){"{app=\"x\"} | keep app", 0, 10, 0, true, 2}, &b);
    assert_string_equal(b.data, "{app=x} line 0\n{app=x} line 1\n");
    logs_store_ask(&s, &(struct logs_ask){"{app=\"x\"} | keep app", 3, 5, 0, true, 10}, &b);
    assert_string_equal(b.data, "{app=x} line 3\n{app=x} line 4\n");
    logs_store_ask(&s,
                   &(struct logs_ask){"{service_name=\"svc\"} |= \"7\" | keep service_name", 0, 10,
                                      0, true, 10},
                   &b);
    assert_string_equal(b.data, "{service_name=svc} line 7\n");
    logs_store_close(&s);
    buf_done(&b);
}

static void test_selectors(void **state)
{
    static const struct {
        const char *query;
        const char *want;
    } QUERIES[] = {
        {"{app=\"a\"}", "1"},
        {"{app!=\"a\", env=~\".+\"}", "2"},
        {"{env=\"dev\"}", "12"},
        {"{env=\"dev\", app=~\"a|b\"}", "12"},
        {"{env=\"dev\", app!~\"a\"}", "2"},
        {"{service_name=\"unknown_service\"}", "12"},
        {"{service_name=\"shop\"}", "3"},
        {"{service_name=~\".+\", k8s_pod=\"p-1\"}", "3"},
        {"{env=\"\", service_name=~\".+\"}", "3"},
        {"{nothing=\"x\"}", ""},
        {"{service_name=~\".+\", detected_level=\"error\"}", "2"},
        {"{service_name=~\".+\"} | detected_level=\"info\"", "1"},
        {"{service_name=~\".+\"} | detected_level=\"unknown\"", "3"},
        {"{service_name=~\".+\"} | user=\"u1\"", "2"},
        {"{service_name=~\".+\"} | user!=\"u1\"", "13"},
        {"{service_name=~\".+\"} | user!=\"\"", "2"},
        {"{service_name=~\".+\"} | user=\"\"", "13"},
        {"{service_name=~\".+\"} | http_status >= 500", "3"},
        {"{service_name=~\".+\"} | http_status=\"500\"", "3"},
        {"{service_name=~\".+\"} | app=\"b\" or http_status=\"500\"", "23"},
    };
    struct logs_store s;
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 20);
    logs_store_open(&s);
    logs_store_add(&s, 1, "app=a env=dev", "", 9, "1");
    logs_store_add(&s, 2, "app=b env=dev", "user=u1", 17, "2");
    logs_store_add(&s, 3, "service.name=shop k8s.pod=p-1", "http.status=i:500", 0, "3");
    for (int flushed = 0; flushed < 2; flushed++) {
        for (size_t i = 0; i < ARRAY_LEN(QUERIES); i++) {
            char query[512];
            char got[16] = "";

            snprintf(query, sizeof(query), "%s | keep __none__", QUERIES[i].query);
            logs_store_ask(&s, &(struct logs_ask){query, 0, 10, 0, true, 10}, &b);
            for (size_t k = 0; k < b.n; k++) {
                if (b.data[k] >= '1' && b.data[k] <= '3') {
                    got[strlen(got)] = b.data[k];
                }
            }
            if (strcmp(got, QUERIES[i].want) != 0) {
                fail_msg("%s: got \"%.*s\", wanted %s", query, (int)b.n, b.data, QUERIES[i].want);
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
        cmocka_unit_test(test_stages),    cmocka_unit_test(test_same_names),
        cmocka_unit_test(test_templates), cmocka_unit_test(test_order_and_limit),
        cmocka_unit_test(test_selectors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
