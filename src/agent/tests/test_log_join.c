/* SPDX-License-Identifier: Apache-2.0
 *
 * Real stack traces of the common runtimes come out as one record, neighbouring lines stay apart.
 */
#include "agent/log_join.h"

#include "agent/log_split.h"
#include "agent_test.h"

static void test_lines(void **state)
{
    static const struct {
        const char *so_far;
        const char *line;
        bool joins;
    } CASES[] = {
        {"x\n", "y", false},
        {"x\n", "", false},
        {"x\n", " y", true},
        {"x\n", "\tat a.B.c(B.java:1)", true},
        {"x\n", "Caused by: java.io.IOException", true},
        {"x\n", "Caused", false},
        {"x\n", "... 12 more", true},
        {"x\n", "... and so on", false},
        {"x\n", "java.lang.IllegalStateException: no", true},
        {"x\n", "java.lang.OutOfMemoryError", true},
        {"x\n", "org.acme.Outer$InnerException: 주문 실패", true},
        {"x\n", "IllegalStateException: no", false}, /* without a package it may be any line */
        {"x\n", "java.lang.IllegalStateException was thrown", false},
        {"x\n", "org.acme.Server: started", false},
        {"x\n", "}", false},
        {"x {\n  a: 1\n", "}", true},
        {"x {\n  a: 1\n", "},", true},
        {"x {\n  a: 1\n", "}, and more", false},
        {"x\n", "Traceback (most recent call last):", true},
        {"x\nTraceback (most recent call last):\n  File\n    f()\n", "KeyError: 'a'", true},
        {"x\nTraceback (most recent call last):\n  File\n    f()\n", "acme.NoStock", true},
        {"x\nTraceback (most recent call last):\n  File\nKeyError: 'a'\n", "INFO: next", false},
        {"x\nTraceback (most recent call last):\n  File\nKeyError: 'a'\n", "", true},
        {"x\nTraceback (most recent call last):\n  File\nKeyError: 'a'\n\n",
         "During handling of the above exception, another exception occurred:", true},
        {"panic: boom\n", "", true},
        {"panic: boom\n\n", "goroutine 1 [running]:", true},
        {"panic: boom\n\ngoroutine 1 [running]:\n", "main.f(0x1, {0x2})", true},
        {"panic: boom\n\ngoroutine 1 [running]:\nmain.f()\n\t/x.go:1\n", "exit status 2", true},
        {"panic: boom\n\ngoroutine 1 [running]:\nmain.f()\n\t/x.go:1\n", "2026-01-02 ok (x)",
         false},
        {"x\n", "main.f(0x1)", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (log_joins(str_cstr(CASES[i].so_far), str_cstr(CASES[i].line)) != CASES[i].joins) {
            fail_msg("'%s' after '%s'", CASES[i].line, CASES[i].so_far);
        }
    }
}

static bool collect(void *ctx, struct str record, bool cut, size_t end, bool skipping)
{
    struct buf *b = ctx;

    (void)cut;
    (void)end;
    (void)skipping;
    buf_add_str(b, record);
    buf_add_byte(b, '|');
    return true;
}

static void test_records(void **state)
{
    static const char LOG[] = "2026-01-02 03:04:05 INFO  start\n"
                              "2026-01-02 03:04:06 ERROR order failed\n"
                              "java.lang.IllegalStateException: no stock\n"
                              "\tat shop.Order.place(Order.java:42)\n"
                              "\t... 3 common frames omitted\n"
                              "Caused by: java.net.ConnectException: refused\n"
                              "\tat shop.Db.get(Db.java:7)\n"
                              "\t... 12 more\n"
                              "2026-01-02 03:04:07 INFO  next\n"
                              "\n"
                              "{\"level\":\"info\"}\n"
                              "{\"level\":\"warn\"}\n";
    static const char WANT[] = "2026-01-02 03:04:05 INFO  start|"
                               "2026-01-02 03:04:06 ERROR order failed\n"
                               "java.lang.IllegalStateException: no stock\n"
                               "\tat shop.Order.place(Order.java:42)\n"
                               "\t... 3 common frames omitted\n"
                               "Caused by: java.net.ConnectException: refused\n"
                               "\tat shop.Db.get(Db.java:7)\n"
                               "\t... 12 more|"
                               "2026-01-02 03:04:07 INFO  next|"
                               "{\"level\":\"info\"}|"
                               "{\"level\":\"warn\"}|";
    struct log_source *s = NULL;
    struct split_opts o = {.max_record = 4096, .flush_lines = true};
    struct buf got;
    bool skipping = false;

    (void)state;
    buf_init(&got, 1 << 16);
    assert_int_equal(log_source_parse(STR("/x.log"), &s, NULL), 0); /* auto is the default */
    o.source = s;
    assert_int_equal(log_split(str_cstr(LOG), &o, &skipping, collect, &got), strlen(LOG));
    assert_true(str_eq(buf_str(&got), str_cstr(WANT)));
    buf_done(&got);
    log_source_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_records)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
