/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers as tables: every operator, anchoring, shortcuts, errors with their place, bounded time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "model/matcher.h"
#include "model/regex.h"

static void test_table(void **state)
{
    static const struct {
        enum match_op op;
        const char *pattern;
        const char *value;
        bool want;
    } CASES[] = {
        {MATCH_EQ, "a", "a", true},
        {MATCH_EQ, "a", "ab", false},
        {MATCH_EQ, "", "", true},
        {MATCH_EQ, "a.*", "ab", false},
        {MATCH_NEQ, "a", "a", false},
        {MATCH_NEQ, "a", "", true},
        {MATCH_NEQ, "", "", false},
        {MATCH_RE, "", "", true},
        {MATCH_RE, "", "a", false},
        {MATCH_RE, "foo", "foo", true},
        {MATCH_RE, "foo", "foobar", false}, /* anchored at both ends */
        {MATCH_RE, "foo", "xfoo", false},
        {MATCH_RE, "^foo$", "foo", true},
        {MATCH_RE, "^foo", "foobar", false},
        {MATCH_RE, "ab.*bc", "abbc", true},
        {MATCH_RE, "ab.*bc", "abxbc", true},
        {MATCH_RE, "ab.*bc", "abc", false}, /* the ends do not overlap */
        {MATCH_RE, "ab.*bc", "abbcx", false},
        {MATCH_RE, "ab.*bc", "xabbc", false},
        {MATCH_RE, "a.*?b", "axb", true},
        {MATCH_RE, "a.*b{2}", "axbb", true},
        {MATCH_RE, "a.*b+", "abb", true},
        {MATCH_NRE, "ab.*bc", "abbc", false},
        {MATCH_NRE, "ab.*bc", "", true},
        {MATCH_RE, "a|b", "b", true},
        {MATCH_RE, "a|b", "ab", false},
        {MATCH_RE, "a|bc.*", "bcd", true},
        {MATCH_RE, "a|bc.*", "ad", false},
        {MATCH_RE, "(a|b)", "a", true},
        {MATCH_RE, "(?:a|b)", "b", true},
        {MATCH_RE, "(a|b)c", "bc", true},
        {MATCH_RE, "a||b", "", true},
        {MATCH_RE, "a|", "", true},
        {MATCH_RE, "a|b", "", false},
        {MATCH_RE, "10\\.0\\.0\\.1:9100", "10.0.0.1:9100", true},
        {MATCH_RE, "10\\.0\\.0\\.1:9100", "10x0.0.1:9100", false},
        {MATCH_RE, "a\\|b", "a|b", true},
        {MATCH_RE, "a\\-b", "a-b", true},
        {MATCH_RE, ".*", "", true},
        {MATCH_RE, ".*", "a\nb", true}, /* the dot matches a newline, as in Prometheus 3 */
        {MATCH_RE, ".+", "", false},
        {MATCH_RE, ".+", "x", true},
        {MATCH_RE, "web.*", "web", true},
        {MATCH_RE, "web.*", "we", false},
        {MATCH_RE, "web.+", "web", false},
        {MATCH_RE, "web.+", "web1", true},
        {MATCH_RE, ".*web", "myweb", true},
        {MATCH_RE, ".*web", "webx", false},
        {MATCH_RE, ".*web.*", "a web b", true},
        {MATCH_RE, ".*web.*", "wbe", false},
        {MATCH_RE, ".*?web", "xweb", true},
        {MATCH_RE, "webs?", "web", true},
        {MATCH_RE, "web{2}", "webb", true},
        {MATCH_RE, "5..", "503", true},
        {MATCH_RE, "5..", "5033", false},
        {MATCH_RE, "[45]..", "404", true},
        {MATCH_RE, "(?i)GET", "get", true},
        {MATCH_RE, "\\d+", "123", true},
        {MATCH_RE, "\\d+", "\xd9\xa1", false}, /* \d is ASCII in RE2 */
        {MATCH_RE, "\xc3\xa9.", "\xc3\xa9x", true},
        {MATCH_RE, "\xc3\xa9*", "\xc3\xa9\xc3\xa9", true},
        {MATCH_RE, ".", "\xed\x95\x9c", true}, /* one code point */
        {MATCH_RE, "\\Qa.b\\E", "a.b", true},
        {MATCH_RE, "a$", "a\n", false},
        {MATCH_RE, "(a|b)(c|d)", "bd", true},
        {MATCH_NRE, "a|b", "a", false},
        {MATCH_NRE, "a|b", "c", true},
        {MATCH_NRE, "a|b", "", true},
        {MATCH_NRE, ".*", "", false},
        {MATCH_NRE, ".+", "", true},
        {MATCH_NRE, "web.*", "db", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct matcher *m = NULL;
        struct err e = {0};

        if (matcher_new(CASES[i].op, STR("l"), str_cstr(CASES[i].pattern), &m, &e) != 0) {
            fail_msg("%s: %s", CASES[i].pattern, e.msg);
        }
        if (matcher_matches(m, str_cstr(CASES[i].value)) != CASES[i].want) {
            fail_msg("op %d %s on %s", (int)CASES[i].op, CASES[i].pattern, CASES[i].value);
        }
        assert_int_equal(matcher_matches_empty(m), matcher_matches(m, STR("")));
        assert_int_equal(matcher_op(m), CASES[i].op);
        assert_true(str_eq(matcher_value(m), str_cstr(CASES[i].pattern)));
        assert_true(str_eq(matcher_name(m), STR("l")));
        matcher_free(m);
    }
}

static void test_shortcuts(void **state)
{
    static const struct {
        enum match_op op;
        const char *pattern;
        int literals; /* -1: not a finite set */
        const char *first;
        const char *prefix;
    } CASES[] = {
        {MATCH_EQ, "x", 1, "x", ""},         {MATCH_NEQ, "x", -1, NULL, ""},
        {MATCH_RE, "", 1, "", ""},           {MATCH_RE, "b|a|b", 2, "a", ""},
        {MATCH_RE, "(c|d)", 2, "c", ""},     {MATCH_RE, "a\\.b", 1, "a.b", ""},
        {MATCH_RE, "^a$", 1, "a", ""},       {MATCH_NRE, "a|b", -1, NULL, ""},
        {MATCH_RE, "ab.*", -1, NULL, "ab"},  {MATCH_RE, "ab.+", -1, NULL, "ab"},
        {MATCH_RE, "abc?", -1, NULL, "ab"},  {MATCH_RE, "ab(c|d)", -1, NULL, "ab"},
        {MATCH_RE, "ab|cd.*", -1, NULL, ""}, {MATCH_RE, ".*ab", -1, NULL, ""},
        {MATCH_RE, "(?i)ab", -1, NULL, ""},  {MATCH_RE, "ab[cd]", -1, NULL, "ab"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct matcher *m = NULL;
        const struct str *v;
        size_t n = 0;

        assert_int_equal(matcher_new(CASES[i].op, STR("l"), str_cstr(CASES[i].pattern), &m, NULL),
                         0);
        v = matcher_literals(m, &n);
        if (v == NULL ? CASES[i].literals != -1 : (int)n != CASES[i].literals) {
            fail_msg("%s: %zu literals", CASES[i].pattern, n);
        }
        if (v != NULL) {
            assert_true(str_eq(v[0], str_cstr(CASES[i].first)));
        }
        if (!str_eq(matcher_prefix(m), str_cstr(CASES[i].prefix))) {
            fail_msg("%s: prefix %.*s", CASES[i].pattern, STR_ARG(matcher_prefix(m)));
        }
        matcher_free(m);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *pattern;
        uint32_t at;
    } CASES[] = {
        {"a(b", 3},    {"*", 0},      {"a[b", 3},    {"ab)", 2},     {"a(?=b)", 1}, {"(a)\\1", 3},
        {"a++", 2},    {"\\\\++", 3}, {"a{2}+", 4},  {"a{2,}+", 5},  {"(?>a)b", 0}, {"(*ANY)a", 0},
        {"a(?!b)", 1}, {"\xff", 0},   {"a{3,2}", 5}, {"(?<!a)b", 0}, {"\\C", 2},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct matcher *m = NULL;
        struct err e = {0};

        if (matcher_new(MATCH_RE, STR("l"), str_cstr(CASES[i].pattern), &m, &e) != -ERR_INVALID) {
            fail_msg("%s was accepted", CASES[i].pattern);
        }
        assert_null(m);
        assert_true(strncmp(e.msg, "regular expression", 18) == 0);
        if (e.span.start != CASES[i].at) {
            fail_msg("%s: error at %u, not %u: %s", CASES[i].pattern, e.span.start, CASES[i].at,
                     e.msg);
        }
    }
}

static void test_plus_that_is_not_possessive(void **state)
{
    static const char *const FINE[] = {"[+]+", "\\++", "a}+", "a{,}+", "a+|+?", "(a+)+", "a\\{2}+"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(FINE); i++) {
        assert_int_equal(regex_foreign_syntax(str_cstr(FINE[i])), -1);
    }
}

/** Patterns that make a backtracking engine run for years end soon. */
static void test_catastrophic_patterns(void **state)
{
    static const char *const PATTERNS[] = {"(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*)(.*)(.*)(.*)(.*)x",
                                           "(([a-z])+.)+[A-Z]([a-z])+"};
    char value[2001];

    (void)state;
    memset(value, 'a', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(PATTERNS); i++) {
        struct matcher *m = NULL;
        struct mono start = clock_mono();

        assert_int_equal(matcher_new(MATCH_RE, STR("l"), str_cstr(PATTERNS[i]), &m, NULL), 0);
        assert_false(matcher_matches(m, str_cstr(value)));
        assert_true(mono_since_ns(start) < 5000000000);
        matcher_free(m);
    }
}

static void match_many(void *arg)
{
    const struct matcher *m = arg;

    for (int i = 0; i < 2000; i++) {
        if (!matcher_matches(m, STR("abc7")) || matcher_matches(m, STR("abcx"))) {
            abort();
        }
    }
}

static void test_shared_by_threads(void **state)
{
    struct matcher *m = NULL;
    struct thread t[3] = {0};

    (void)state;
    assert_int_equal(matcher_new(MATCH_RE, STR("l"), STR("[a-c]+[0-9]"), &m, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        assert_int_equal(thread_start(&t[i], "match", match_many, m), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        thread_join(&t[i]);
    }
    matcher_free(m);
    matcher_free(NULL);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 8; n++) {
        struct matcher *m = NULL;

        mem_fail_after(n);
        if (matcher_new(MATCH_RE, STR("l"), STR("a|b|[c-d]"), &m, NULL) == 0) {
            assert_true(matcher_matches(m, STR("d")));
        }
        mem_fail_after(-1);
        matcher_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_shortcuts),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_plus_that_is_not_possessive),
        cmocka_unit_test(test_catastrophic_patterns),
        cmocka_unit_test(test_shared_by_threads),
        cmocka_unit_test(test_memory_runs_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
