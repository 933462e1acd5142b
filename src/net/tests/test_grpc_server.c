/* SPDX-License-Identifier: Apache-2.0
 *
 * The gRPC door: protocol rules, limits, floods, concurrency, stop.
 */
#include "grpc_client.h"

#include "base/budget.h"
#include "base/cancel.h"
#include "base/thread.h"
#include "codec/base64.h"
#include "codec/compress.h"
#include "net/grpc_server.h"

#define ECHO "/test.Echo/Call"

struct fixture {
    struct grpc_server *s;
    struct stats *stats;
    struct budget budget;
    atomic_int entered;
    atomic_int canceled;
    atomic_bool release;
};

static void echo(void *arg, struct grpc_call *c)
{
    (void)arg;
    grpc_reply(c, grpc_message(c));
}

static void show(void *arg, struct grpc_call *c)
{
    struct buf b;

    (void)arg;
    buf_init(&b, 4096);
    buf_printf(&b, "peer=%.*s x=%.*s user=%s n=%zu", STR_ARG(grpc_peer(c)),
               STR_ARG(grpc_metadata(c, "x-a")), (const char *)grpc_user(c), grpc_message(c).n);
    grpc_reply(c, buf_str(&b));
    buf_done(&b);
}

static void fail_busy(void *arg, struct grpc_call *c)
{
    struct err e = {0};

    (void)arg;
    ignore_result(err_set(&e, ERR_OVERLOAD, "100%% busy\n\xed\x95\x9c"), "sent");
    grpc_fail(c, &e, 1500);
    grpc_reply(c, STR("second answers are dropped"));
}

static void silent(void *arg, struct grpc_call *c)
{
    (void)arg;
    (void)c;
}

static void block(void *arg, struct grpc_call *c)
{
    struct fixture *f = arg;

    atomic_fetch_add(&f->entered, 1);
    while (!atomic_load(&f->release) && cancel_check(grpc_cancel(c)) == 0) {
        clock_sleep_ms(2);
    }
    if (cancel_check(grpc_cancel(c)) == -ERR_CANCELED) {
        atomic_fetch_add(&f->canceled, 1);
    }
    grpc_reply(c, STR("released"));
}

static int guard(void *arg, struct grpc_call *c, struct err *reterr)
{
    (void)arg;
    grpc_set_user(c, (void *)(uintptr_t) "someone");
    if (str_eq(grpc_metadata(c, "authorization"), STR("Bearer bad"))) {
        return err_set(reterr, ERR_UNAUTHENTICATED, "unknown token");
    }
    return 0;
}

static void setup_with(struct fixture *f, struct grpc_server_opts opts)
{
    struct err e = {0};

    memset(f, 0, sizeof(*f));
    f->stats = stats_new();
    budget_init(&f->budget, 8 << 20, NULL);
    opts.name = "test";
    opts.address = "127.0.0.1:0";
    opts.max_message = opts.max_message != 0 ? opts.max_message : 2 << 20;
    opts.body_budget = &f->budget;
    opts.stats = f->stats;
    opts.guard = guard;
    f->s = grpc_server_new(&opts);
    grpc_server_unary(f->s, ECHO, echo, NULL);
    grpc_server_unary(f->s, "/test.Echo/Show", show, NULL);
    grpc_server_unary(f->s, "/test.Echo/Busy", fail_busy, NULL);
    grpc_server_unary(f->s, "/test.Echo/Silent", silent, NULL);
    grpc_server_unary(f->s, "/test.Echo/Block", block, f);
    assert_int_equal(grpc_server_start(f->s, &e), 0);
}

static int setup(void **state)
{
    static struct fixture f;

    setup_with(&f, (struct grpc_server_opts){0});
    *state = &f;
    return 0;
}

static int setup_small(void **state)
{
    static struct fixture f;

    setup_with(&f, (struct grpc_server_opts){
                       .workers = 1, .queue_max = 1, .max_message = 1000, .max_connections = 2});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->release, true);
    grpc_server_free(f->s);
    assert_int_equal(budget_used(&f->budget), 0);
    stats_free(f->stats);
    return 0;
}

static void test_table(void **state)
{
    static const struct {
        const char *path;
        const char *extra[5];
        uint8_t flag;
        int64_t announced; /* -1: as long as the message; -2: no body at all */
        const char *body;
        const char *http;
        const char *status;
        const char *message;
    } CASES[] = {
        {ECHO, {NULL}, 0, -1, "hello", "200", "0", ""},
        {ECHO, {NULL}, 0, -1, "", "200", "0", ""},
        {ECHO, {"content-type", "application/grpc+proto"}, 0, -1, "x", "200", "0", ""},
        {ECHO, {"content-type", "application/grpc;charset=utf-8"}, 0, -1, "x", "200", "0", ""},
        {ECHO, {"te", ""}, 0, -1, "x", "200", "0", ""},
        {ECHO, {"grpc-encoding", "identity"}, 0, -1, "x", "200", "0", ""},
        {ECHO, {"grpc-encoding", "gzip"}, 0, -1, "not compressed", "200", "0", ""},
        {ECHO, {"grpc-timeout", "10S"}, 0, -1, "x", "200", "0", ""},
        {ECHO, {"content-type", ""}, 0, -1, "x", "415", "", ""},
        {ECHO, {"content-type", "application/json"}, 0, -1, "x", "415", "", ""},
        {ECHO, {"content-type", "application/grpc-web"}, 0, -1, "x", "415", "", ""},
        {ECHO, {":method", "GET"}, 0, -1, "x", "405", "", ""},
        {"/test.Echo/Nothing",
         {NULL},
         0,
         -1,
         "x",
         "200",
         "12",
         "unknown method /test.Echo/Nothing"},
        {ECHO,
         {"grpc-encoding", "snappy"},
         0,
         -1,
         "x",
         "200",
         "12",
         "grpc-encoding 'snappy' is not supported"},
        {ECHO,
         {"grpc-encoding", "br"},
         0,
         -1,
         "x",
         "200",
         "12",
         "grpc-encoding 'br' is not supported"},
        {ECHO, {"grpc-timeout", "10"}, 0, -1, "x", "200", "3", "broken grpc-timeout '10'"},
        {ECHO,
         {"grpc-timeout", "123456789S"},
         0,
         -1,
         "x",
         "200",
         "3",
         "broken grpc-timeout '123456789S'"},
        {ECHO, {"authorization", "Bearer bad"}, 0, -1, "x", "200", "16", "unknown token"},
        {ECHO, {NULL}, 0, -2, "", "200", "3", "the call carried no message"},
        {ECHO, {NULL}, 0, 10, "short", "200", "3", "the message ended after 5 of 10 bytes"},
        {ECHO, {NULL}, 0, 2, "long", "200", "3", "a unary call has one message, more bytes came"},
        {ECHO, {NULL}, 0, 2097153, "x", "200", "8", "message of 2097153 bytes, more than 2097152"},
        {ECHO,
         {NULL},
         0,
         4294967295,
         "x",
         "200",
         "8",
         "message of 4294967295 bytes, more than 2097152"},
        {ECHO, {NULL}, 1, -1, "x", "200", "13", "compressed message without grpc-encoding"},
        {ECHO, {NULL}, 2, -1, "x", "200", "13", "compressed flag is 2, not 0 or 1"},
        {ECHO, {"grpc-encoding", "gzip"}, 1, -1, "not gzip", "200", "3", NULL},
        {"/test.Echo/Silent", {NULL}, 0, -1, "x", "200", "13", "the handler gave no answer"},
        {"/test.Echo/Busy", {NULL}, 0, -1, "x", "200", "8", "100%25 busy%0A%ED%95%9C"},
    };
    struct fixture *f = *state;
    struct grpc_client c;

    gc_open(&c, grpc_server_address(f->s));
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct str body = str_cstr(CASES[i].body);
        struct buf frame = gc_frame(
            CASES[i].flag,
            CASES[i].announced >= 0 ? (uint32_t)CASES[i].announced : (uint32_t)body.n, body);
        struct grpc_result r;

        gc_call(&c, &r, CASES[i].path, CASES[i].extra,
                CASES[i].announced == -2 ? STR("") : buf_str(&frame));
        if (!r.done || strcmp(r.http_status, CASES[i].http) != 0 ||
            strcmp(r.status, CASES[i].status) != 0 ||
            (CASES[i].message != NULL && strcmp(r.message, CASES[i].message) != 0)) {
            fail_msg("case %zu: done %d http %s status %s message %s", i, r.done, r.http_status,
                     r.status, r.message);
        }
        if (strcmp(r.status, "0") == 0) {
            assert_true(str_eq(buf_str(&r.body), buf_str(&frame)));
        }
        assert_string_equal(r.accept, strcmp(r.status, "12") == 0 ? "identity,gzip" : "");
        gc_result_done(&r);
        buf_done(&frame);
    }
    assert_false(c.goaway);
    gc_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
    };

    (void)setup_small;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
