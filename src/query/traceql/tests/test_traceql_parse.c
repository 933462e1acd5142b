/* SPDX-License-Identifier: Apache-2.0
 *
 * Every construct of the language: what it prints as, and the error of what it must not be. The examples are
 * those of the public documentation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "query/traceql/traceql.h"

static const struct {
    const char *text;
    const char *want; /* printed, or "error: " and the message */
} CASES[] = {
    /* spansets and fields */
    {"{}", "{ }"},
    {"{ }", "{ }"},
    {"{ true }", "{ true }"},
    {"{ span.foo = \"bar\" }", "{ span.foo = \"bar\" }"},
    {"{span.foo=`b\"ar`}", "{ span.foo = \"b\\\"ar\" }"},
    {"{ resource.service.name = \"frontend\" && name = \"POST /api/orders\" }",
     "{ (resource.service.name = \"frontend\") && (name = \"POST /api/orders\") }"},
    {"{ event.exception.message =~ \".*something went wrong.*\" }",
     "{ event.exception.message =~ \".*something went wrong.*\" }"},
    {"{ link.opentracing.ref_type = \"child_of\" }",
     "{ link.opentracing.ref_type = \"child_of\" }"},
    {"{ instrumentation.language = \"java\" }", "{ instrumentation.language = \"java\" }"},
    {"{ .http.status_code = 200 }", "{ .http.status_code = 200 }"},
    {"{ .a-b/c*d = 1 }", "{ .a-b/c*d = 1 }"},
    {"{ parent.foo = 1 || parent.span.a = 2 || parent.resource.b = 3 }",
     "{ ((parent.foo = 1) || (parent.span.a = 2)) || (parent.resource.b = 3) }"},
    {"{ span.\"attribute name with space\" = \"value\" }",
     "{ span.\"attribute name with space\" = \"value\" }"},
    {"{ span.attribute.\"name with space\" = 1 }", "{ span.\"attribute.name with space\" = 1 }"},
    {"{ span.\"a\\\"b\\\\c\" = 1 }", "{ span.\"a\\\"b\\\\c\" = 1 }"},
    {"{ span.cache.hit }", "{ span.cache.hit }"},
    {"{ span.cache.hit || span.http.status_code = 500 }",
     "{ span.cache.hit || (span.http.status_code = 500) }"},
    {"{ !span.cache.hit && true }", "{ !(span.cache.hit) && true }"},
    /* intrinsics, old and scoped */
    {"{ duration > 100ms }", "{ duration > 100ms }"},
    {"{ span:duration > 100ms }", "{ span:duration > 100ms }"},
    {"{ status = error && status != ok && status = unset }",
     "{ ((status = error) && (status != ok)) && (status = unset) }"},
    {"{ span:status = ok && span:statusMessage = \"Forbidden\" }",
     "{ (span:status = ok) && (span:statusMessage = \"Forbidden\") }"},
    {"{ kind = server || kind = client || kind = producer || kind = consumer || kind = internal || "
     "span:kind = unspecified }",
     "{ (((((kind = server) || (kind = client)) || (kind = producer)) || (kind = consumer)) || "
     "(kind = internal)) || (span:kind = unspecified) }"},
    {"{ traceDuration > 5s && rootName = \"a\" && rootServiceName = \"b\" }",
     "{ ((traceDuration > 5s) && (rootName = \"a\")) && (rootServiceName = \"b\") }"},
    {"{ trace:duration > 5s && trace:rootName = \"a\" && trace:rootService = \"b\" }",
     "{ ((trace:duration > 5s) && (trace:rootName = \"a\")) && (trace:rootService = \"b\") }"},
    {"{ trace:id = \"12AB\" }", "{ trace:id = \"000000000000000000000000000012ab\" }"},
    {"{ span:id = \"1\" && span:parentID = nil }",
     "{ (span:id = \"0000000000000001\") && (span:parentID = nil) }"},
    {"{ span:childCount = 0 && childCount > 1 }", "{ (span:childCount = 0) && (childCount > 1) }"},
    {"{ nestedSetParent < 0 && nestedSetLeft > 1 && nestedSetRight < 5 }",
     "{ ((nestedSetParent < 0) && (nestedSetLeft > 1)) && (nestedSetRight < 5) }"},
    {"{ event:name = \"exception\" && event:timeSinceStart > -5s }",
     "{ (event:name = \"exception\") && (event:timeSinceStart > -5s) }"},
    {"{ link:traceID = \"1\" || link:spanID = \"2\" }",
     "{ (link:traceID = \"00000000000000000000000000000001\") || (link:spanID = "
     "\"0000000000000002\") }"},
    {"{ instrumentation:name = \"grpc\" && instrumentation:version = \"1.0.0\" }",
     "{ (instrumentation:name = \"grpc\") && (instrumentation:version = \"1.0.0\") }"},
    {"{ parent = nil }", "{ parent = nil }"},
    /* literals */
    {"{ .a = -5 }", "{ .a = -5 }"},
    {"{ .a = 1.5 || .a = .5 || .a = 1e3 }", "{ ((.a = 1.5) || (.a = 0.5)) || (.a = 1000.0) }"},
    {"{ .a != minInt && .a != maxInt }", "{ (.a != minInt) && (.a != 9223372036854775807) }"},
    {"{ .a = nil || nil != .b }", "{ (.a = nil) || (nil != .b) }"},
    {"{ .a = true || .b = false }", "{ (.a = true) || (.b = false) }"},
    {"{ duration > 1h30m || duration < 1.5s || duration = 1us || duration = 2ns }",
     "{ (((duration > 1h30m0s) || (duration < 1.5s)) || (duration = 1us)) || (duration = 2ns) }"},
    {"{ duration > 1d && duration < 1w }", "{ (duration > 24h0m0s) && (duration < 168h0m0s) }"},
    {"{ .a = \"\\t\\x41\\u00e9\" }", "{ .a = \"\\x09A\xc3\xa9\" }"},
    /* arithmetic and precedence */
    {"{ span.len > 10 * 1024 * 1024 }", "{ span.len > 10485760 }"},
    {"{ 1 + 2 * 3 = 7 }", "{ 7 = 7 }"},
    {"{ 2 ^ 3 ^ 2 = 512 }", "{ 512 = 512 }"},
    {"{ 7 % 4 = 3 && 6 / 4 = 1 && 10 - 2 - 3 = 5 }", "{ ((3 = 3) && (1 = 1)) && (5 = 5) }"},
    {"{ (.a + .b ) * 2 > duration }", "{ ((.a + .b) * 2) > duration }"},
    {"{ .a || .b && .c }", "{ (.a || .b) && .c }"},
    {"{ .a = 1 = true }", "{ (.a = 1) = true }"},
    {"{ !(.a = 1) }", "{ !(.a = 1) }"},
    {"{ -.a < 5 }", "{ -(.a) < 5 }"},
    {"{ duration > 2 * 1s }", "{ duration > 2s }"},
    /* comparison */
    {"{ .a = 1 || .a != 1 || .a > 1 || .a >= 1 || .a < 1 || .a <= 1 }",
     "{ (((((.a = 1) || (.a != 1)) || (.a > 1)) || (.a >= 1)) || (.a < 1)) || (.a <= 1) }"},
    {"{ .m =~ \"DELETE|GET\" && .n !~ \"x\" }", "{ (.m =~ \"DELETE|GET\") && (.n !~ \"x\") }"},
    {"{ span.code >= \"400\" }", "{ span.code >= \"400\" }"},
    {"// comment\n{ /* here */ .a = 1 }", "{ .a = 1 }"},
    /* between spansets */
    {"{.a} && {.b}", "({ .a } && { .b })"},
    {"{.a} || {.b}", "({ .a } || { .b })"},
    {"{.a} > {.b}", "({ .a } > { .b })"},
    {"{.a} >> {.b}", "({ .a } >> { .b })"},
    {"{.a} < {.b}", "({ .a } < { .b })"},
    {"{.a} << {.b}", "({ .a } << { .b })"},
    {"{.a} ~ {.b}", "({ .a } ~ { .b })"},
    {"{.a} !> {.b}", "({ .a } !> { .b })"},
    {"{.a} !>> {.b}", "({ .a } !>> { .b })"},
    {"{.a} !< {.b}", "({ .a } !< { .b })"},
    {"{.a} !<< {.b}", "({ .a } !<< { .b })"},
    {"{.a} !~ {.b}", "({ .a } !~ { .b })"},
    {"{.a} &> {.b}", "({ .a } &> { .b })"},
    {"{.a} &>> {.b}", "({ .a } &>> { .b })"},
    {"{.a} &< {.b}", "({ .a } &< { .b })"},
    {"{.a} &<< {.b}", "({ .a } &<< { .b })"},
    {"{.a} &~ {.b}", "({ .a } &~ { .b })"},
    {"{.a} && {.b} >> {.c}", "({ .a } && ({ .b } >> { .c }))"},
    {"{.a} > {.b} > {.c}", "(({ .a } > { .b }) > { .c })"},
    {"({.a} || {.b}) && {.c}", "(({ .a } || { .b }) && { .c })"},
    /* pipelines */
    {"{ .a } | count() > 2", "{ .a } | count() > 2"},
    {"count() > 10", "count() > 10"},
    {"avg(duration) > 20ms", "avg(duration) > 20ms"},
    {"{ } | sum(span.bytesProcessed) > 1000000000", "{ } | sum(span.bytesProcessed) > 1000000000"},
    {"{} | min(.a) < max(.a) / 2", "{ } | min(.a) < (max(.a) / 2)"},
    {"{} | 2 < count()", "{ } | 2 < count()"},
    {"{} | avg(.a + 1) * 2 >= -5", "{ } | (avg(.a + 1) * 2) >= -5"},
    {"{ status = error } | by(resource.service.name) | count() > 1",
     "{ status = error } | by(resource.service.name) | count() > 1"},
    {"by(.a) | coalesce() | {.b} | count() = 1", "by(.a) | coalesce() | { .b } | count() = 1"},
    {"{ status = error } | select(span.http.status_code, span.http.url, name)",
     "{ status = error } | select(span.http.status_code, span.http.url, name)"},
    {"({.a} | count() > 1) && ({.b} | avg(duration) > 1s)",
     "(({ .a } | count() > 1) && ({ .b } | avg(duration) > 1s))"},
    {"({.a} | count()) > ({.b} | count())", "({ .a } | count()) > ({ .b } | count())"},
    /* metrics */
    {"{} | rate()", "{ } | rate()"},
    {"{ status = error } | rate() by (resource.service.name, name)",
     "{ status = error } | rate() by(resource.service.name, name)"},
    {"{} | count_over_time() by (span.http.status_code)",
     "{ } | count_over_time() by(span.http.status_code)"},
    {"{} | min_over_time(duration)", "{ } | min_over_time(duration)"},
    {"{} | max_over_time(span.n) by(name)", "{ } | max_over_time(span.n) by(name)"},
    {"{} | avg_over_time(span.n)", "{ } | avg_over_time(span.n)"},
    {"{} | sum_over_time(span.n)", "{ } | sum_over_time(span.n)"},
    {"{ name = \"GET /:endpoint\" } | quantile_over_time(duration, .99, .9, .5) by (span.http.target)",
     "{ name = \"GET /:endpoint\" } | quantile_over_time(duration, 0.99, 0.9, 0.5) "
     "by(span.http.target)"},
    {"{} | histogram_over_time(duration) by (span.foo)",
     "{ } | histogram_over_time(duration) by(span.foo)"},
    {"{.a} | compare({status=error})", "{ .a } | compare({ status = error }, 10)"},
    {"{} | compare({duration>1s}, 5, 100, 200)", "{ } | compare({ duration > 1s }, 5, 100, 200)"},
    {"{} | rate() by(resource.service.name) | topk(10)",
     "{ } | rate() by(resource.service.name) | topk(10)"},
    {"{} | rate() by(name) | bottomk(5)", "{ } | rate() by(name) | bottomk(5)"},
    {"{} | rate() by (resource.service.name) > 10", "{ } | rate() by(resource.service.name) > 10"},
    {"{} | rate() > 1 | topk(2)", "{ } | rate() > 1 | topk(2)"},
    {"({status=error} | rate()) / ({} | rate())", "({ status = error } | rate()) / ({ } | rate())"},
    {"({} | rate()) * 100 > 5", "({ } | rate()) * 100 > 5"},
    /* hints */
    {"{} with (most_recent=true)", "{ } with(most_recent=true)"},
    {"{ .a } >> { status = error } with (most_recent=true)",
     "({ .a } >> { status = error }) with(most_recent=true)"},
    {"{} | rate() with(sample=0.1, exemplars=5, x=\"y\")",
     "{ } | rate() with(sample=0.1, exemplars=5, x=\"y\")"},

    /* what Traces Drilldown sends */
    {"{nestedSetParent<0 && true} | rate()  with(sample=true)",
     "{ (nestedSetParent < 0) && true } | rate() with(sample=true)"},
    {"({nestedSetParent<0 && true  && status = error} &>> { status = error }) || "
     "({nestedSetParent<0 && true  && status = error}) | select(status, resource.service.name, "
     "name, nestedSetParent, nestedSetLeft, nestedSetRight)",
     "(({ ((nestedSetParent < 0) && true) && (status = error) } &>> { status = error }) || "
     "{ ((nestedSetParent < 0) && true) && (status = error) }) | select(status, "
     "resource.service.name, name, nestedSetParent, nestedSetLeft, nestedSetRight)"},

    /* errors */
    {"", "error: parse error at line 1, col 1: syntax error: unexpected $end, expecting {, ( or an "
         "aggregate"},
    {"{", "error: parse error at line 1, col 2: syntax error: unexpected $end, expecting a field "
          "expression"},
    {"{ .a", "error: parse error at line 1, col 5: syntax error: unexpected $end, expecting }"},
    {"{ .a = }", "error: parse error at line 1, col 8: syntax error: unexpected }, expecting a "
                 "field expression"},
    {"{ .a = 1\n  && }", "error: parse error at line 2, col 6: syntax error: unexpected }, "
                         "expecting a field expression"},
    {"{ . = 1 }", "error: parse error at line 1, col 4: syntax error: an attribute needs a name"},
    {"{ .a = \"x }", "error: parse error at line 1, col 8: syntax error: unterminated string"},
    {"{ .a = \"\\q\" }",
     "error: parse error at line 1, col 9: syntax error: invalid escape in string"},
    {"{ span.\"a = 1 }", "error: parse error at line 1, col 8: syntax error: unterminated quoted "
                         "attribute"},
    {"{ span:foo = 1 }", "error: parse error at line 1, col 3: syntax error: unknown intrinsic "
                         "\"span:foo\""},
    {"{ trace.foo = 1 }", "error: parse error at line 1, col 3: syntax error: unexpected trace, "
                          "expecting a field expression"},
    {"{ foo = 1 }", "error: parse error at line 1, col 3: syntax error: unexpected foo, expecting "
                    "a field expression"},
    {"{ .a = 99999999999999999999 }",
     "error: parse error at line 1, col 8: syntax error: number out of range"},
    {"{ .a < 1e999 }", "error: parse error at line 1, col 8: syntax error: number out of range"},
    {"{ duration > 5x }",
     "error: parse error at line 1, col 14: syntax error: unexpected letter after a number"},
    {"{ duration > 99999999h }",
     "error: parse error at line 1, col 14: syntax error: invalid duration"},
    {"{ .a =~ \"(\" }", "error: parse error at line 1, col 9: invalid regex: "},
    {"{ .a =~ .b }",
     "error: parse error at line 1, col 6: the right side of =~ must be a string literal"},
    {"{ .a =~ 5 }", "error: parse error at line 1, col 6: illegal operation for the given types: "
                    ".a =~ 5"},
    {"{ 1 + 1 }", "error: span filter field expressions must resolve to a boolean: { 2 }"},
    {"{ duration }",
     "error: span filter field expressions must resolve to a boolean: { duration }"},
    {"{ name = 5 }", "error: parse error at line 1, col 8: binary operations must operate on the "
                     "same type: name = 5"},
    {"{ status = server }", "error: parse error at line 1, col 10: binary operations must operate "
                            "on the same type: status = server"},
    {"{ status > ok }", "error: parse error at line 1, col 10: illegal operation for the given "
                        "types: status > ok"},
    {"{ .a > nil }", "error: parse error at line 1, col 6: illegal operation for the given types: "
                     ".a > nil"},
    {"{ \"a\" + 1 = 2 }", "error: parse error at line 1, col 7: binary operations must operate on "
                          "the same type: \"a\" + 1"},
    {"{ !duration }",
     "error: parse error at line 1, col 3: illegal operation for the given type: !(duration)"},
    {"{ -name = 1 }",
     "error: parse error at line 1, col 3: illegal operation for the given type: -(name)"},
    {"{} | count()", "error: parse error at line 1, col 13: syntax error: an aggregate must be "
                     "compared with something"},
    {"{} | avg(name) > 1", "error: parse error at line 1, col 6: aggregate field expressions must "
                           "resolve to a number type"},
    {"{} | avg(5) > 1",
     "error: parse error at line 1, col 6: aggregate field expressions must reference the span"},
    {"{} | by(1)",
     "error: parse error at line 1, col 6: grouping field expressions must reference the span"},
    {"{} | 1 > 2",
     "error: parse error at line 1, col 11: scalar filters must contain an aggregate"},
    {"{} | count() && 2",
     "error: parse error at line 1, col 18: syntax error: && cannot stand between numbers"},
    {"{.a} = {.b}",
     "error: parse error at line 1, col 12: syntax error: = cannot stand between spansets"},
    {"{.a} && 5", "error: parse error at line 1, col 10: syntax error: a spanset is expected on "
                  "both sides of the operator"},
    {"rate()", "error: parse error at line 1, col 1: syntax error: unexpected rate, expecting a "
               "spanset before it"},
    {"{} | rate(duration)",
     "error: parse error at line 1, col 11: syntax error: unexpected duration, expecting )"},
    {"{} | min_over_time()", "error: parse error at line 1, col 20: syntax error: unexpected ), "
                             "expecting an attribute or intrinsic"},
    {"{} | min_over_time(name)",
     "error: parse error at line 1, col 20: min_over_time() takes a number, duration or attribute"},
    {"{} | quantile_over_time(duration)", "error: parse error at line 1, col 33: syntax error: "
                                          "unexpected ), expecting , and a quantile"},
    {"{} | quantile_over_time(duration, 2)",
     "error: parse error at line 1, col 35: a quantile is between 0 and 1"},
    {"{} | compare({}, 0)",
     "error: parse error at line 1, col 16: compare() top number of values must be > 0"},
    {"{} | compare({}, 1, 5)",
     "error: parse error at line 1, col 16: compare() takes a start and an end time, or neither"},
    {"{} | rate() | topk(0)", "error: parse error at line 1, col 20: topk limit must be greater "
                              "than 0"},
    {"{} | rate() | count() > 1", "error: parse error at line 1, col 15: syntax error: unexpected "
                                  "count, expecting topk or bottomk"},
    {"{} | rate() && {}",
     "error: parse error at line 1, col 13: syntax error: unexpected &&, expecting $end"},
    {"coalesce()", "error: parse error at line 1, col 11: syntax error: coalesce() cannot begin a "
                   "pipeline"},
    {"{} {}", "error: parse error at line 1, col 4: syntax error: unexpected {, expecting $end"},
    {"{} with(5=1)",
     "error: parse error at line 1, col 9: syntax error: unexpected INTEGER, expecting the name of "
     "a hint"},
    {"{} | select()", "error: parse error at line 1, col 13: syntax error: unexpected ), expecting "
                      "an attribute or intrinsic"},
    {"{} # x", "error: parse error at line 1, col 4: syntax error: unexpected character 0x23"},
};

static void check(const char *text, const char *want)
{
    struct traceql *q = NULL;
    struct err e = {0};
    struct buf b;

    buf_init(&b, 1 << 16);
    if (traceql_parse(str_cstr(text), &q, &e) < 0) {
        buf_printf(&b, "error: %s", e.msg);
    } else {
        traceql_print(q, &b);
    }
    if (!(want[0] == 'e' ? str_starts(buf_str(&b), str_cstr(want))
                         : str_eq(buf_str(&b), str_cstr(want)))) {
        fail_msg("%s\n got  %.*s\n want %s", text, STR_ARG(buf_str(&b)), want);
    }
    traceql_free(q);
    buf_done(&b);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        check(CASES[i].text, CASES[i].want);
        if (CASES[i].want[0] != 'e') {
            check(CASES[i].want, CASES[i].want); /* what is printed reads the same again */
        }
    }
}

static void test_depth(void **state)
{
    struct traceql *q = NULL;
    struct err e = {0};
    struct buf b;

    (void)state;
    for (int form = 0; form < 4; form++) {
        static const char *const PART[] = {"(", "!", "2^", ".a && "};

        buf_init(&b, 1 << 20);
        buf_add_cstr(&b, "{ ");
        for (int i = 0; i < 20000; i++) {
            buf_add_cstr(&b, PART[form]);
        }
        buf_add_cstr(&b, "true }");
        assert_int_equal(traceql_parse(buf_str(&b), &q, &e), -ERR_LIMIT);
        buf_done(&b);
    }
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 200000; i++) {
        buf_add_byte(&b, ' ');
    }
    assert_int_equal(traceql_parse(buf_str(&b), &q, &e), -ERR_LIMIT);
    buf_done(&b);
}

static void test_kinds(void **state)
{
    static const struct {
        const char *text;
        bool metrics;
        bool filter;
    } KINDS[] = {{"{}", false, true},
                 {"{.a}", false, true},
                 {"{.a} && {.b}", false, false},
                 {"{.a} | count() > 1", false, false},
                 {"{} | rate()", true, false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        struct traceql *q = NULL;

        assert_int_equal(traceql_parse(str_cstr(KINDS[i].text), &q, NULL), 0);
        assert_int_equal(traceql_is_metrics(q), KINDS[i].metrics);
        assert_int_equal(traceql_is_filter(q), KINDS[i].filter);
        traceql_free(q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
