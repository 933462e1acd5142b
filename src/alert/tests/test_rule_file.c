/* SPDX-License-Identifier: Apache-2.0
 *
 * Rule files: what is read, and what is refused with which words and place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "alert/rule_file.h"
#include "base/err.h"

static const struct rule_defaults DEFAULTS = {.interval_ms = 60000};

static void test_read(void **state)
{
    static const char text[] = "groups:\n"
                               "  - name: one\n"
                               "    interval: 15s\n"
                               "    query_offset: 1m30s\n"
                               "    limit: 7\n"
                               "    labels: {team: core, tier: a}\n"
                               "    rules:\n"
                               "      - record: job:up:sum\n"
                               "        expr: sum by (job) (up)\n"
                               "        labels: {tier: b, empty: ''}\n"
                               "      - alert: Down\n"
                               "        expr: |\n"
                               "          up == 0\n"
                               "        for: 5m\n"
                               "        keep_firing_for: 1h\n"
                               "        annotations: {summary: '{{ $labels.job }} is down'}\n"
                               "  - name: two\n"
                               "    rules: [{record: 'a.b', expr: '1'}]\n"
                               "  - name: three\n";
    struct rule_file f = {0};
    struct err e = {0};
    const struct rule_group *g;

    (void)state;
    assert_int_equal(rule_file_parse(STR(text), "f", &DEFAULTS, &f, &e), 0);
    assert_int_equal(f.n, 3);
    g = &f.groups[0];
    assert_true(str_eq(g->name, STR("one")) && str_eq(g->file, STR("f")));
    assert_int_equal(g->interval_ms, 15000);
    assert_int_equal(g->offset_ms, 90000);
    assert_int_equal(g->limit, 7);
    assert_int_equal(g->n, 2);
    assert_false(g->rules[0].alerting);
    assert_true(str_eq(g->rules[0].name, STR("job:up:sum")));
    assert_true(str_eq(labels_get(g->rules[0].labels, STR("tier")), STR("b")));
    assert_true(str_eq(labels_get(g->rules[0].labels, STR("team")), STR("core")));
    assert_true(g->rules[1].alerting);
    assert_true(str_eq(g->rules[1].expr, STR("up == 0")));
    assert_int_equal(g->rules[1].for_ms, 300000);
    assert_int_equal(g->rules[1].keep_firing_for_ms, 3600000);
    assert_true(str_eq(labels_get(g->rules[1].annotations, STR("summary")),
                       STR("{{ $labels.job }} is down")));
    assert_int_equal(f.groups[1].interval_ms, 60000);
    assert_int_equal(f.groups[2].n, 0);
    rule_file_done(&f);
    assert_int_equal(rule_file_parse(STR(""), "f", &DEFAULTS, &f, &e), 0);
    assert_int_equal(f.n, 0);
    rule_file_done(&f);
}

#define RULE(body) "groups:\n- name: g\n  rules:\n  - " body "\n"

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"groups: [", "f:2:1: did not find expected node content"},
        {"[]", "f:1:1: a mapping is expected here"},
        {"rules: []", "f:1:1: field rules not found in a rule file"},
        {"groups: 5", "f:1:9: a list of groups is expected here"},
        {"groups:\n- rules: []", "f:2:3: Groupname must not be empty"},
        {"groups:\n- name: a\n- name: a", "f:3:3: groupname: \"a\" is repeated in the same file"},
        {"groups:\n- name: a\n  name: b", "f:3:3: mapping key \"name\" already defined"},
        {"groups:\n- name: a\n  every: 5m", "f:3:3: field every not found in a group"},
        {"groups:\n- name: a\n  interval: 5", "f:3:13: not a valid duration string: \"5\""},
        {"groups:\n- name: a\n  limit: -1", "f:3:10: limit \"-1\" is not a number from 0 on"},
        {RULE("record: a"), "f:4:5: field 'expr' must be set in rule (group \"g\", rule 1, \"a\")"},
        {RULE("expr: a"), "f:4:5: one of 'record' or 'alert' must be set"},
        {RULE("{record: a, alert: b, expr: c}"),
         "f:4:5: only one of 'record' and 'alert' must be set"},
        {RULE("{record: a, expr: 'sum('}"),
         "f:4:23: could not parse expression: 1:5: parse error: unclosed left parenthesis (group "
         "\"g\", rule 1, \"a\")"},
        {RULE("{record: a, expr: b, for: 5m}"),
         "f:4:31: invalid field 'for' in recording rule (group \"g\", rule 1, \"a\")"},
        {RULE("{record: a, expr: b, annotations: {}}"),
         "f:4:39: invalid field 'annotations' in recording rule (group \"g\", rule 1, \"a\")"},
        {RULE("{record: 'a{b=\"c\"}', expr: b}"),
         "f:4:14: braces present in the recording rule name; should it be in expr?: a{b=\"c\"} "
         "(group \"g\", rule 1, \"a{b=\"c\"}\")"},
        {RULE("{record: a, expr: b, labels: {__name__: c}}"),
         "f:4:35: invalid label name: __name__ (group \"g\", rule 1, \"a\")"},
        {RULE("{record: a, expr: b, when: c}"), "f:4:26: field when not found in a rule"},
        {RULE("{alert: a, expr: b, for: soon}"),
         "f:4:30: not a valid duration string: \"soon\" (group \"g\", rule 1, \"a\")"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rule_file f = {0};
        struct err e = {0};

        assert_int_equal(rule_file_parse(str_cstr(cases[i].text), "f", &DEFAULTS, &f, &e),
                         -ERR_INVALID);
        assert_string_equal(e.msg, cases[i].want);
        rule_file_done(&f);
    }
}

static void test_missing_file(void **state)
{
    struct rule_file f = {0};
    struct err e = {0};

    (void)state;
    assert_int_equal(rule_file_load("/nonexistent/rules.yml", &DEFAULTS, &f, &e), -ERR_IO);
    assert_string_equal(e.msg, "/nonexistent/rules.yml: cannot be opened");
    rule_file_done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_missing_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
