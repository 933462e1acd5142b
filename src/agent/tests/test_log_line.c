/* SPDX-License-Identifier: Apache-2.0
 *
 * Severity, time and trace of lines as real programs write them; cutting into records; log entries.
 */
#include "agent/log_line.h"
#include "agent/log_split.h"
#include "agent_test.h"

static const int64_t T = 1767323045; /* 2026-01-02T03:04:05Z */

static void test_inspect(void **state)
{
    static const struct {
        const char *line;
        uint8_t severity;
        const char *text;
        int64_t time_ms; /* after T; -1: no time */
    } CASES[] = {
        {"2026-01-02T03:04:05.250Z INFO starting", 9, "INFO", 250},
        {"2026-01-02 03:04:05,250 [main] WARN  a.b.C - x", 13, "WARN", 250},
        {"[2026-01-02 03:04:05] local.ERROR: x", 17, "ERROR", 0},
        {"2026/01/02 03:04:05 [error] 12#12: *1 open() failed", 17, "error", 0},
        {"2026-01-02T05:04:05+02:00 debug: x", 5, "debug", 0},
        {"2026-01-02T03:04:05.1234567891Z x", 0, "", 123},
        {"{\"time\":\"2026-01-02T03:04:05Z\",\"level\":\"warning\",\"msg\":\"x\"}", 13, "warning",
         0},
        {"{\"level\":50,\"time\":1767323045250,\"msg\":\"pino\"}", 17, "", 250},
        {"{\"nested\":{\"level\":\"fatal\",\"a\":[1,\"}\"]},\"severity\":\"ERROR\"}", 17, "ERROR",
         -1},
        {"{\"level\":\"error", 0, "", -1},
        {"{\"ts\":1767323045.5,\"level\":\"info\"}", 9, "info", 500},
        {"time=2026-01-02T03:04:05Z level=info msg=\"a level=error b\"", 9, "info", 0},
        {"ts=\"2026-01-02T03:04:05Z\" lvl=crit x=1", 18, "crit", 0},
        {"<11>Jan  2 03:04:05 host app: x", 17, "", -1},
        {"<165>1 2026-01-02T03:04:05.003Z host app - - - x", 10, "", 3},
        {"I0102 15:04:05.678901   12345 file.go:12] x", 9, "I", -1},
        {"E0102 15:04:05.678901   12345 file.go:12] x", 17, "E", -1},
        {"FATAL: password authentication failed", 21, "FATAL", -1},
        {"error: no such file", 17, "error", -1},
        {"<error> x", 17, "error", -1},
        {"an error occurred in the info desk", 0, "", -1},
        {"GET /error/INFO.html 200", 0, "", -1},
        {"ERROR_COUNT is 5", 0, "", -1},
        {"plain text", 0, "", -1},
        {"2026-13-02T03:04:05Z INFO bad month", 9, "INFO", -1},
        {"9999-01-02T03:04:05Z beyond", 0, "", -1},
        {"<999>x", 0, "", -1},
        {"", 0, "", -1},
        {"   ", 0, "", -1},
    };
    static const struct log_line_opts OPTS = {.with_time = true};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct log_meta m;

        log_line_inspect(str_cstr(CASES[i].line), &OPTS, &m);
        if (m.severity != CASES[i].severity) {
            fail_msg("%s: severity %u", CASES[i].line, m.severity);
        }
        assert_str(m.severity_text, CASES[i].text);
        if (CASES[i].time_ms < 0 ? m.time_ns != 0
                                 : m.time_ns / 1000000 != T * 1000 + CASES[i].time_ms) {
            fail_msg("%s: time %lld", CASES[i].line, (long long)m.time_ns);
        }
    }
}

static void test_trace(void **state)
{
    static const struct log_line_opts OPTS = {.with_time = false};
    struct log_meta m;

    (void)state;
    log_line_inspect(
        STR("{\"traceId\":\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"0102030405060708\","
            "\"time\":\"2026-01-02T03:04:05Z\"}"),
        &OPTS, &m);
    assert_int_equal(m.trace_id.b[15], 0x10);
    assert_int_equal(m.span_id.b[7], 8);
    assert_int_equal(m.time_ns, 0);
    log_line_inspect(STR("INFO [trace_id=0102030405060708090a0b0c0d0e0f10 span_id=zz] x"), &OPTS,
                     &m);
    assert_int_equal(m.trace_id.b[0], 1);
    assert_true(span_id_is_zero(m.span_id));
    assert_int_equal(m.severity, 9);
}

static void test_time(void **state)
{
    int64_t ns = 0;

    (void)state;
    assert_int_equal(log_time_prefix(STR("2026-01-02 03:04:05 x"), 0, &ns), 19);
    assert_int_equal(ns, T * 1000000000);
    assert_int_equal(log_time_prefix(STR("2026-01-02 12:04:05 x"), 9 * 3600, &ns), 19); /* Seoul */
    assert_int_equal(ns, T * 1000000000);
    assert_int_equal(log_time_prefix(STR("2026-01-02 12:04:05.5 +0900 x"), 0, &ns), 27);
    assert_int_equal(ns, T * 1000000000 + 500000000);
    assert_int_equal(log_time_prefix(STR("[2026-01-02T03:04:05Z] x"), 0, &ns), 22);
    assert_int_equal(log_time_prefix(STR("2026-01-02"), 0, &ns), 0);
    assert_int_equal(log_time_prefix(STR("2026-01-02T03:04"), 0, &ns), 0);
}

struct collected {
    char text[4096];
    size_t n;
    size_t records;
    size_t stop_after;
};

static bool collect(void *ctx, struct str record, bool cut, size_t end, bool skipping)
{
    struct collected *c = ctx;
    int n = snprintf(c->text + c->n, sizeof(c->text) - c->n, "%.*s%s@%zu%s|", STR_ARG(record),
                     cut ? "~" : "", end, skipping ? "s" : "");

    c->n += (size_t)n;
    c->records++;
    return c->records != c->stop_after;
}

static void test_split(void **state)
{
    static const struct {
        const char *entry; /* of logs.files */
        const char *chunk;
        size_t max;
        bool lines;
        bool all;
        bool skipping;
        size_t stop_after;
        const char *want;
        size_t used;
        bool skipping_after;
    } CASES[] = {
        {"/x multiline=none", "a\nbb\r\n\nccc", 100, false, false, false, 0, "a@2|bb@6|", 7, false},
        {"/x multiline=none", "a\nb", 100, false, true, false, 0, "a@2|b@3|", 3, false},
        {"/x multiline=none", "a\nb\nc\n", 100, false, false, false, 2, "a@2|b@4|", 4, false},
        {"/x multiline=none", "", 100, true, true, false, 0, "", 0, false},
        {"/x multiline=none", "abcdef", 4, false, false, false, 0, "abcd~@4s|", 4, true},
        {"/x multiline=none", "ef\nx\n", 4, false, false, true, 0, "x@5|", 5, false},
        {"/x multiline=none", "efgh", 4, false, false, true, 0, "", 4, true},
        {"/x multiline=none", "abcdef\nx\n", 4, false, false, false, 0, "abcd~@7|x@9|", 9, false},
        {"/x multiline=^E", "E1\n at\n at2\nE2\n", 100, false, false, false, 0, "E1\n at\n at2@12|",
         12, false},
        {"/x multiline=^E", "E1\n at\n\n at2\nE2\n", 100, true, false, false, 0,
         "E1\n at\n\n at2@13|E2@16|", 16, false},
        {"/x multiline=^E", "E1\n at\nrest", 100, true, false, false, 0, "E1\n at@7|", 7, false},
        {"/x multiline=^E", "E1\n at\nrest", 100, false, true, false, 0, "E1\n at\nrest@11|", 11,
         false},
        {"/x multiline=^E", "mid\nE1\nE2", 100, false, false, false, 0, "mid@4|", 4, false},
        {"/x multiline=^E", "E1\n2345\n6789\n", 8, false, false, false, 0, "E1\n2345@8|", 8, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct log_source *s = NULL;
        struct collected c = {.stop_after = CASES[i].stop_after};
        struct split_opts o = {
            .max_record = CASES[i].max, .flush_lines = CASES[i].lines, .flush_all = CASES[i].all};
        bool skipping = CASES[i].skipping;

        assert_int_equal(log_source_parse(str_cstr(CASES[i].entry), &s, NULL), 0);
        o.source = s;
        assert_int_equal(log_split(str_cstr(CASES[i].chunk), &o, &skipping, collect, &c),
                         CASES[i].used);
        assert_string_equal(c.text, CASES[i].want);
        assert_int_equal(skipping, CASES[i].skipping_after);
        log_source_free(s);
    }
}

static void test_source(void **state)
{
    static const struct {
        const char *entry;
        const char *error; /* part of the message; NULL: valid */
    } CASES[] = {
        {"/var/log/*.log", NULL},
        {"  /var/log/x.log service=web  start=beginning timestamp=none encoding=UTF-8 ", NULL},
        {"\"/var/log/a b.log\" multiline=\"^\\\\d{4}-\" exclude=*.gz exclude=/x/*", NULL},
        {"var/log", "absolute path"},
        {"", "absolute path"},
        {"/x service", "not key=value"},
        {"/x =a", "not key=value"},
        {"/x color=red", "unknown key 'color'"},
        {"/x service=", "service: is empty"},
        {"/x start=middle", "start: must be end or beginning"},
        {"/x encoding=latin1", "only utf-8"},
        {"/x multiline=(", "multiline: at character 1"},
        {"/x service=\"open", "service: too long, or its quote is open"},
        {"/x service=\"a\"b", "service: too long, or its quote is open"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct log_source *s = NULL;
        struct err e = {0};
        int rc = log_source_parse(str_cstr(CASES[i].entry), &s, &e);

        if (CASES[i].error == NULL) {
            assert_int_equal(rc, 0);
            log_source_free(s);
        } else {
            assert_int_equal(rc, -ERR_INVALID);
            if (strstr(e.msg, CASES[i].error) == NULL) {
                fail_msg("'%s': got '%s'", CASES[i].entry, e.msg);
            }
        }
    }
}

static void test_source_values(void **state)
{
    struct log_source *s = NULL;

    (void)state;
    assert_int_equal(
        log_source_parse(STR("\"/l/a b*\" service=w multiline=\"^\\\\d+ \" exclude=*.old "
                             "start=beginning timestamp=none"),
                         &s, NULL),
        0);
    assert_string_equal(log_source_pattern(s), "/l/a b*");
    assert_string_equal(log_source_service(s), "w");
    assert_true(log_source_excludes(s, "/l/x.old"));
    assert_false(log_source_excludes(s, "/l/x.log"));
    assert_int_equal(log_source_start(s), LOG_START_BEGINNING);
    assert_int_equal(log_source_timestamp(s), LOG_TIME_NONE);
    assert_true(log_source_starts_record(s, STR("1 y\n"), STR("12 x")));
    assert_false(log_source_starts_record(s, STR("1 y\n"), STR(" 12 x")));
    log_source_free(s);
    /* a pattern that would run for ever ends at the limit and counts as a start */
    assert_int_equal(log_source_parse(STR("/l multiline=^(a+)+$"), &s, NULL), 0);
    assert_true(log_source_starts_record(
        s, STR("a\n"), STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")));
    log_source_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inspect), cmocka_unit_test(test_trace),
        cmocka_unit_test(test_time),    cmocka_unit_test(test_split),
        cmocka_unit_test(test_source),  cmocka_unit_test(test_source_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
