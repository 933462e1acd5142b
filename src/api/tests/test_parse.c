/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables for the parameter texts: accepted forms with their values, refused forms.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "api/parse.h"

static void test_times(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t ms;
    } CASES[] = {
        {"1435781430.781", true, 1435781430781},
        {"0", true, 0},
        {"-1.5", true, -1500},
        {"1e3", true, 1000000},
        {"2015-07-01T20:10:51.781Z", true, 1435781451781},
        {"2015-07-01T20:10:51+09:00", true, 1435749051000},
        {"", false, 0},
        {"now", false, 0},
        {"NaN", false, 0},
        {"Inf", false, 0},
        {"1e300", false, 0},
        {"2015-13-01T00:00:00Z", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = 0;

        assert_int_equal(parse_prom_time(str_cstr(CASES[i].text), &ms), CASES[i].ok);
        assert_int_equal(ms, CASES[i].ms);
    }
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        int64_t ns;
    } CASES[] = {
        {"250us", true, 250000},
        {"1.5s", true, 1500000000},
        {"2m", true, 120000000000},
        {"10ns", true, 10},
        {"0ms", true, 0},
        {"1d", true, 86400000000000},
        {"", false, 0},
        {"5", false, 0},
        {"s", false, 0},
        {"1x", false, 0},
        {"-1s", false, 0},
        {"1s2", false, 0},
        {"999999999d", false, 0},
    };

    int64_t ms = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ns = 0;

        assert_int_equal(parse_duration_ns(str_cstr(CASES[i].text), &ns), CASES[i].ok);
        assert_int_equal(ns, CASES[i].ns);
    }
    assert_true(parse_prom_duration(STR("1h30m"), &ms));
    assert_int_equal(ms, 5400000);
    assert_true(parse_prom_duration(STR("0.25"), &ms));
    assert_int_equal(ms, 250);
    assert_false(parse_prom_duration(STR("5 minutes"), &ms));
}

static void test_cursors(void **state)
{
    struct cursor c = {1, 2};

    (void)state;
    assert_false(parse_cursor(STR(""), &c));
    assert_false(parse_cursor(STR("12"), &c));
    assert_false(parse_cursor(STR("12-x"), &c));
    assert_int_equal(c.before_ns, 1);
    assert_true(parse_cursor(STR("1700000000000000000-18446744073709551615"), &c));
    assert_int_equal(c.before_ns, 1700000000000000000);
    assert_true(c.before_id == UINT64_MAX);
}

static void test_conditions(void **state)
{
    static const struct {
        const char *text;
        bool ok;
        enum field_scope scope;
        const char *name;
        enum pred_op op;
        const char *value;
    } CASES[] = {
        {"http.route=/cart", true, FIELD_ANY, "http.route", PRED_EQ, "/cart"},
        {"a=b=c", true, FIELD_ANY, "a", PRED_EQ, "b=c"},
        {"a=", true, FIELD_ANY, "a", PRED_EQ, ""},
        {"resource.host.name!=web-1", true, FIELD_RESOURCE, "host.name", PRED_NE, "web-1"},
        {"scope.name=~ho.*", true, FIELD_SCOPE, "name", PRED_RE, "ho.*"},
        {"attr.resource.x!~y", true, FIELD_ATTR, "resource.x", PRED_NRE, "y"},
        {"log.file.path", true, FIELD_ANY, "log.file.path", PRED_EXISTS, ""},
        {"status>=500", true, FIELD_ANY, "status", PRED_GE, "500"},
        {"status<500", true, FIELD_ANY, "status", PRED_LT, "500"},
        {"status>5", true, FIELD_ANY, "status", PRED_GT, "5"},
        {"status<=5", true, FIELD_ANY, "status", PRED_LE, "5"},
        {"", false, 0, "", 0, ""},
        {"=x", false, 0, "", 0, ""},
        {"resource.=x", false, 0, "", 0, ""},
        {"a!b", false, 0, "", 0, ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct condition c = {0};

        assert_int_equal(parse_condition(str_cstr(CASES[i].text), &c), CASES[i].ok);
        if (CASES[i].ok) {
            assert_int_equal(c.field.scope, CASES[i].scope);
            assert_true(str_eq(c.field.name, str_cstr(CASES[i].name)));
            assert_int_equal(c.op, CASES[i].op);
            assert_true(str_eq(c.value, str_cstr(CASES[i].value)));
        }
    }
}

static void test_terms(void **state)
{
    static const struct {
        const char *term;
        bool negate;
    } WANT[] = {{"timeout", false}, {"connection refused", false},
                {"debug", true},    {"health check", true},
                {"a-b", false},     {"open phrase", false}};
    struct str rest =
        STR("  timeout \"connection refused\" -debug -\"health check\" \"\" a-b \"open phrase");
    struct str term;
    bool negate;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(WANT); i++) {
        assert_true(parse_next_term(&rest, &term, &negate));
        assert_true(str_eq(term, str_cstr(WANT[i].term)));
        assert_int_equal(negate, WANT[i].negate);
    }
    assert_false(parse_next_term(&rest, &term, &negate));
    rest = STR("   ");
    assert_false(parse_next_term(&rest, &term, &negate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),   cmocka_unit_test(test_durations),
        cmocka_unit_test(test_cursors), cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_terms),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
