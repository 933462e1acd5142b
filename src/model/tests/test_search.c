/* SPDX-License-Identifier: Apache-2.0
 *
 * Unanchored search as tables: what is found, which literals are promised, errors with their place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "model/search.h"

static struct search *make(const char *pattern)
{
    struct search *s = NULL;
    struct err err = {0};
    int rc = search_new(str_cstr(pattern), &s, &err);

    if (rc < 0) {
        print_error("%s: %s\n", pattern, err.msg);
    }
    assert_int_equal(rc, 0);
    return s;
}

static void test_found(void **state)
{
    static const struct {
        const char *pattern;
        const char *text;
        bool want;
    } CASES[] = {
        {"", "", true},
        {"", "abc", true},
        {"foo", "a foo b", true},
        {"foo", "a FOO b", false},
        {"(?i)foo", "a FOO b", true},
        {"(?i)disk", "DIS\xe2\x84\xaa", true}, /* the Kelvin sign is a K in lower case */
        {"^foo", "a foo", false},
        {"foo$", "a foo", true},
        {"foo$", "a foo\n", false},
        {"a.c", "a\nc", false},
        {"(?s)a.c", "a\nc", true},
        {"foo|bar", "xbarx", true},
        {"foo|bar", "xbazx", false},
        {"foo|", "x", true},
        {"colou?r", "color", true},
        {"colou?r", "colour", true},
        {"ab+c", "abbbc", true},
        {"ab*c", "ac", true},
        {"ab{0,2}c", "ac", true},
        {"status=(4|5)\\d\\d", "GET / status=503", true},
        {"status=(4|5)\\d\\d", "GET / status=203", false},
        {"10\\.0\\.0\\.1", "from 10.0.0.1:80", true},
        {"10\\.0\\.0\\.1", "from 10x0.0.1:80", false},
        {"[[:digit:]]+ms", "took 12ms", true},
        {"[]a]b", "]b", true},
        {"\\pL\\x41\\x{42}", "zAB", true},
        {"caf\xc3\xa9*", "caf", true},
        {"봉.", "봉수", true},
        {"\\Qa.b\\E", "a.b", true},
        {"aa{b|c}", "c}", true},  /* not a quantifier: the bar is one */
        {"zz\\xx|", "abc", true}, /* fewer digits: the bar is one */
        {"(?:a(b|[)])c)d", "a)cd", true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct search *s = make(CASES[i].pattern);
        struct str text = str_cstr(CASES[i].text);

        if (search_found(s, text) != CASES[i].want ||
            search_found_slowly(s, text) != CASES[i].want) {
            fail_msg("%s in %s", CASES[i].pattern, CASES[i].text);
        }
        search_free(s);
    }
}

static void test_literals(void **state)
{
    static const struct {
        const char *pattern;
        const char *want; /* separated by commas; NULL: none */
        bool nocase;
    } CASES[] = {
        {"foo", "foo", false},
        {"foo|barbaz", "foo,barbaz", false},
        {"foo|", NULL, false},
        {"a.*longer", "longer", false},
        {"longest\\d+x", "longest", false},
        {"ab+cde", "cde", false},
        {"abc?", "ab", false},
        {"abc+", "abc", false},
        {"ab{2}", "a", false},
        {"x(foo)?y", "x", false},
        {"(foo)", NULL, false},
        {"[a-z]", NULL, false},
        {"10\\.0", "10.0", false},
        {"(?i)Timeout", "Timeout", true},
        {"(?i)disk full", " full", true},
        {"a(?i)b", NULL, false},
        {"\\Qab\\E", NULL, false},
        {"caf\xc3\xa9*", "caf", false},
        {"^start", "start", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct search *s = make(CASES[i].pattern);
        char got[100] = "";
        bool nocase = false;
        size_t n = 0;
        const struct str *v = search_literals(s, &n, &nocase);
        size_t at = 0;

        for (size_t k = 0; v != NULL && k < n; k++) {
            at += (size_t)snprintf(got + at, sizeof(got) - at, "%s%.*s", k != 0 ? "," : "",
                                   STR_ARG(v[k]));
        }
        if ((v == NULL) != (CASES[i].want == NULL)) {
            fail_msg("%s: %s", CASES[i].pattern, got);
        }
        if (v != NULL) {
            assert_string_equal(got, CASES[i].want);
            assert_int_equal(nocase, CASES[i].nocase);
        }
        search_free(s);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *pattern;
        uint32_t at;
    } CASES[] = {{"a(b", 3}, {"a(?=b)", 1}, {"(a)\\1", 3}, {"a**+", 3}, {"[", 1}};

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct search *s = NULL;
        struct err err = {0};

        assert_int_equal(search_new(str_cstr(CASES[i].pattern), &s, &err), -ERR_INVALID);
        assert_int_equal(err.span.start, CASES[i].at);
    }
    assert_int_equal(search_new(STR("\xff"), &(struct search *){NULL}, &(struct err){0}),
                     -ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
