/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of the journal's fields.
 */
#include "agent/journal_map.h"

#include "agent_test.h"

struct row_case {
    const char *fields; /* "NAME=value|NAME=value" */
    const char *service;
    uint8_t severity;
    const char *severity_text;
    const char *attrs; /* "key=value " of texts, "key:number " */
};

static size_t split_fields(const char *text, struct journal_field *dst)
{
    size_t n = 0;

    while (*text != '\0') {
        size_t length = strcspn(text, "|");
        size_t equal = strcspn(text, "=");

        dst[n].name = str_of(text, equal);
        dst[n].value = str_of(text + equal + 1, length - equal - 1);
        n++;
        text += length + (text[length] == '|' ? 1 : 0);
    }
    return n;
}

static void print_attrs(const struct attrs *attrs, char *dst, size_t cap)
{
    size_t n = 0;

    dst[0] = '\0';
    for (size_t i = 0; i < attrs->n; i++) {
        const struct attr *a = &attrs->v[i];

        n += a->value.type == VALUE_I64 ? (size_t)snprintf(dst + n, cap - n, "%.*s:%lld ",
                                                           STR_ARG(a->key), (long long)a->value.u.i)
                                        : (size_t)snprintf(dst + n, cap - n, "%.*s=%.*s ",
                                                           STR_ARG(a->key), STR_ARG(a->value.u.s));
        assert_true(n < cap);
    }
}

static void test_rows(void **state)
{
    static const struct row_case CASES[] = {
        {"MESSAGE=hi|PRIORITY=6|_SYSTEMD_UNIT=nginx.service|SYSLOG_IDENTIFIER=ngx", "nginx", 9,
         "info", "systemd.unit=nginx.service syslog.identifier=ngx "},
        {"MESSAGE=hi|PRIORITY=3|_SYSTEMD_UNIT=user@1000.service|SYSLOG_IDENTIFIER=app", "app", 17,
         "err", "systemd.unit=user@1000.service syslog.identifier=app "},
        {"MESSAGE=x|PRIORITY=0|_COMM=kworker|_PID=12|_UID=0", "kworker", 21, "emerg",
         "process.executable.name=kworker process.pid:12 process.user.id:0 "},
        {"MESSAGE=2026-01-02 03:04:05 ERROR no|PRIORITY=6|_TRANSPORT=stdout|_COMM=java", "java", 17,
         "ERROR", "journald.transport=stdout process.executable.name=java "},
        {"MESSAGE=level ERROR but syslog|PRIORITY=5|_TRANSPORT=syslog", "", 10, "notice",
         "journald.transport=syslog "},
        {"MESSAGE=x|PRIORITY=9", "", 0, "", ""},
        {"MESSAGE=x|_CMDLINE=app --password hunter2", "", 0, "",
         "process.command_line=app --password *** "},
        {"MESSAGE=x|ORDER_ID=17|_SELINUX_CONTEXT=a|CODE_LINE=7|CODE_FILE=a.c", "", 0, "",
         "journald.order_id=17 code.line.number:7 code.file.path=a.c "},
        {"MESSAGE=x|_PID=notanumber|EMPTY=", "", 0, "", "process.pid=notanumber "},
        {"", "", 0, "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct journal_field fields[16];
        struct journal_entry e = {.realtime_us = 5, .fields = fields};
        struct journal_row *row = mem_xcalloc(1, sizeof(*row));
        struct arena a;
        char attrs[1024];

        arena_init(&a, 1 << 16);
        e.n = split_fields(CASES[i].fields, fields);
        journal_map(&e, 77, &a, row);
        assert_str(row->service, CASES[i].service);
        assert_int_equal(row->record.severity, CASES[i].severity);
        assert_str(row->record.severity_text, CASES[i].severity_text);
        print_attrs(&row->record.attrs, attrs, sizeof(attrs));
        assert_string_equal(attrs, CASES[i].attrs);
        assert_int_equal(row->record.time_ns, 5000);
        assert_int_equal(row->record.observed_ns, 77);
        arena_done(&a);
        mem_free(row);
    }
}

static void test_time_and_trace(void **state)
{
    struct journal_field fields[] = {
        {STR("MESSAGE"),
         STR("{\"level\":\"warn\",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}")},
        {STR("_SOURCE_REALTIME_TIMESTAMP"), STR("1700000000000001")},
    };
    const struct journal_entry e = {1700000000000009, fields, ARRAY_LEN(fields)};
    struct journal_row *row = mem_xcalloc(1, sizeof(*row));
    struct arena a;

    (void)state;
    arena_init(&a, 1 << 16);
    journal_map(&e, 0, &a, row);
    assert_int_equal(row->record.time_ns, 1700000000000001000);
    assert_int_equal(row->record.severity, 13);
    assert_false(trace_id_is_zero(row->record.trace_id));
    arena_done(&a);
    mem_free(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_time_and_trace)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
