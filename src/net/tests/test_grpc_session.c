/* SPDX-License-Identifier: Apache-2.0
 *
 * The session without sockets: time limits by moving a call's clock, refused memory at every allocation,
 * and the texts of the protocol.
 */
#include "net_test.h"

#include "base/budget.h"
#include "net/grpc_internal.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
/* HEADERS on stream 1: POST http a /a.B/C application/grpc */
#define CALL                                             \
    "\0\0\x20\1\4\0\0\0\1\x83\x86\x04\x06/a.B/C\x01\x01" \
    "a\x0f\x10\x10"                                      \
    "application/grpc"

struct fixture {
    struct grpc_ctx ctx;
    struct budget budget;
    struct grpc_call *last; /* seen by the guard */
    int ended[17];
    const char *rejected;
};

static void echo(void *arg, struct grpc_call *c)
{
    (void)arg;
    grpc_reply(c, grpc_message(c));
}

static int guard(void *arg, struct grpc_call *c, struct err *reterr)
{
    struct fixture *f = arg;

    (void)reterr;
    f->last = c;
    return 0;
}

static int dispatch(void *arg, struct grpc_call *c)
{
    (void)arg;
    grpc_call_run(c);
    grpc_session_answer(c);
    return 0;
}

static void ended(void *arg, int code, int64_t ns)
{
    struct fixture *f = arg;

    assert_true(ns >= 0);
    f->ended[code]++;
}

static void rejected(void *arg, const char *reason)
{
    struct fixture *f = arg;

    f->rejected = reason;
}

static void init(struct fixture *f)
{
    static const struct grpc_method METHODS[] = {{"/a.B/C", echo, NULL}};

    memset(f, 0, sizeof(*f));
    budget_init(&f->budget, 1 << 20, NULL);
    f->ctx = (struct grpc_ctx){.methods = METHODS,
                               .methods_n = 1,
                               .max_message = 4096,
                               .max_streams = 8,
                               .budget = &f->budget,
                               .guard = guard,
                               .guard_arg = f,
                               .dispatch = dispatch,
                               .ended = ended,
                               .rejected = rejected,
                               .arg = f};
}

static void drain(struct grpc_session *s, struct buf *dst)
{
    struct str out;

    do {
        assert_int_equal(grpc_session_send(s, &out), 0);
        buf_add_str(dst, out);
    } while (out.n != 0);
}

static void test_slow_message(void **state)
{
    struct fixture f;
    struct grpc_session *s;
    struct buf out;

    (void)state;
    init(&f);
    buf_init(&out, 1 << 20);
    s = grpc_session_new(&f.ctx, "peer", NULL);
    assert_non_null(s);
    assert_int_equal(grpc_session_recv(s, STR(PREFACE CALL "\0\0\7\0\0\0\0\0\1\0\0\0\0\x05he")), 0);
    assert_int_equal(grpc_session_calls(s), 1);
    grpc_session_tick(s);
    assert_int_equal(grpc_session_calls(s), 1);
    f.last->since.ns -= 31LL * 1000000000;
    grpc_session_tick(s);
    assert_int_equal(grpc_session_calls(s), 0);
    assert_int_equal(f.ended[4], 1);
    assert_string_equal(f.rejected, "slow");
    drain(s, &out);
    assert_true(str_find(buf_str(&out), STR("grpc-message")) > 0 || out.n > 40);
    grpc_session_free(s);
    assert_int_equal(budget_used(&f.budget), 0);
    buf_done(&out);
}

static void test_refused_memory(void **state)
{
    static const char BYTES[] = PREFACE CALL "\0\0\x0a\0\1\0\0\0\1\0\0\0\0\x05hello";
    int answered = 0;

    (void)state;
    for (int64_t n = 0; n < 40; n++) {
        struct fixture f;
        struct grpc_session *s;
        struct buf out;

        init(&f);
        buf_init(&out, 1 << 20);
        mem_fail_after(n);
        s = grpc_session_new(&f.ctx, "peer", NULL);
        if (s != NULL) {
            ignore_result(grpc_session_recv(s, str_of(BYTES, sizeof(BYTES) - 1)),
                          "any end without a crash will do");
            mem_fail_after(-1);
            drain(s, &out);
            answered += f.ended[0];
            assert_true(f.ended[0] + f.ended[1] + f.ended[8] == 1 || f.last == NULL);
        }
        mem_fail_after(-1);
        grpc_session_free(s);
        assert_int_equal(budget_used(&f.budget), 0);
        buf_done(&out);
    }
    assert_true(answered > 0 && answered < 40);
}

static void test_timeout_parse(void **state)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: malformed */
    } CASES[] = {
        {"1H", 3600000}, {"2M", 120000}, {"10S", 10000}, {"250m", 250},
        {"1500u", 1},    {"5n", 1},      {"0S", 1},      {"99999999H", 99999999LL * 3600000},
        {"", -1},        {"S", -1},      {"1", -1},      {"1s", -1},
        {"-1S", -1},     {"+1S", -1},    {"1.5S", -1},   {"123456789S", -1},
        {" 1S", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ms = -1;

        assert_int_equal(grpc_timeout_parse(str_cstr(CASES[i].text), &ms), CASES[i].ms >= 0);
        assert_int_equal(ms, CASES[i].ms);
    }
}

static void test_percent_encode(void **state)
{
    static const struct {
        const char *text;
        const char *encoded;
    } CASES[] = {{"", ""},
                 {"plain text", "plain text"},
                 {"100%", "100%25"},
                 {"a\nb\x7f", "a%0Ab%7F"},
                 {"\xed\x95\x9c~", "%ED%95%9C~"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b;

        buf_init(&b, 1024);
        grpc_percent_encode(str_cstr(CASES[i].text), &b);
        assert_true(str_eq(buf_str(&b), str_cstr(CASES[i].encoded)));
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_message),
        cmocka_unit_test(test_refused_memory),
        cmocka_unit_test(test_timeout_parse),
        cmocka_unit_test(test_percent_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
