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

static void test_metadata_and_user(void **state)
{
    const char *extra[] = {"x-a", "1", NULL};
    struct fixture *f = *state;
    struct buf frame = gc_frame(0, 3, STR("abc"));
    struct grpc_client c;
    struct grpc_result r;

    gc_open(&c, grpc_server_address(f->s));
    gc_call(&c, &r, "/test.Echo/Show", extra, buf_str(&frame));
    assert_string_equal(r.status, "0");
    assert_true(str_eq(str_drop(buf_str(&r.body), 5), STR("peer=127.0.0.1 x=1 user=someone n=3")));
    gc_result_done(&r);
    buf_done(&frame);
    gc_close(&c);
    NET_EVENTUALLY(counter_get(stats_counter(f->stats, "bongsu_grpc_requests_total",
                                             "door=\"test\",code=\"OK\"", "")) == 1);
}

static void test_retry_info(void **state)
{
    /* google.rpc.Status{code: 8, message: "...", details: [RetryInfo{1.5 s}]}; lengths take four bytes. */
    static const char INFO[] = "\x0a\x84\x80\x80\x00\x08\x01\x10\x80\xca\xb5\xee\x01";
    struct fixture *f = *state;
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c;
    struct grpc_result r;
    struct buf b;

    gc_open(&c, grpc_server_address(f->s));
    gc_call(&c, &r, "/test.Echo/Busy", NULL, buf_str(&frame));
    buf_init(&b, 4096);
    assert_true(base64_decode(str_cstr(r.details), &b));
    assert_true(strchr(r.details, '=') == NULL);
    assert_memory_equal(b.data,
                        "\x08\x08\x12\x0d"
                        "100% busy\n\xed\x95\x9c",
                        17);
    assert_true(str_find(buf_str(&b), STR("\x0a\x28type.googleapis.com/google.rpc.RetryInfo\x12")) >
                0);
    if (str_find(buf_str(&b), str_of(INFO + 5, 8)) < 0) {
        fail_msg("no retry delay of 1.5 s in the details");
    }
    buf_done(&b);
    gc_result_done(&r);
    buf_done(&frame);
    gc_close(&c);
}

static void gzip_call(struct fixture *f, size_t n, const char *status)
{
    const char *extra[] = {"grpc-encoding", "gzip", NULL};
    char *zeros = mem_xcalloc(n + 1, 1);
    struct grpc_client c;
    struct grpc_result r;
    struct buf packed;
    struct buf frame;

    buf_init(&packed, 1 << 20);
    assert_int_equal(compress_to(COMPRESS_GZIP, str_of(zeros, n), 9, &packed, NULL), 0);
    frame = gc_frame(1, (uint32_t)packed.n, buf_str(&packed));
    gc_open(&c, grpc_server_address(f->s));
    gc_call(&c, &r, ECHO, extra, buf_str(&frame));
    assert_string_equal(r.status, status);
    if (strcmp(status, "0") == 0) {
        assert_int_equal(r.body.n, n + 5);
    } else {
        assert_string_equal(r.message, "decompressed message is larger than 2097152 bytes");
    }
    gc_result_done(&r);
    buf_done(&frame);
    buf_done(&packed);
    mem_free(zeros);
    gc_close(&c);
}

static void test_gzip_and_bomb(void **state)
{
    struct fixture *f = *state;

    gzip_call(f, 0, "0");
    gzip_call(f, 100000, "0");
    gzip_call(f, 2 << 20, "0");
    gzip_call(f, (2 << 20) + 1, "8");
    gzip_call(f, 100 << 20, "8");
}

static void test_split_at_every_byte(void **state)
{
    struct fixture *f = *state;
    struct buf frame = gc_frame(0, 11, STR("hello world"));

    for (size_t chunk = 1; chunk < 20; chunk += 3) {
        struct grpc_client c;
        struct grpc_result r;

        gc_open(&c, grpc_server_address(f->s));
        c.chunk = chunk;
        gc_call(&c, &r, ECHO, NULL, buf_str(&frame));
        assert_string_equal(r.status, "0");
        assert_true(str_eq(buf_str(&r.body), buf_str(&frame)));
        gc_result_done(&r);
        gc_close(&c);
    }
    buf_done(&frame);
}

static void test_concurrent_streams(void **state)
{
    enum { CALLS = 300, SIZE = 20000 };

    struct fixture *f = *state;
    struct grpc_result *r = mem_xcalloc(CALLS, sizeof(*r));
    struct buf *frames = mem_xcalloc(CALLS, sizeof(*frames));
    char *text = mem_xcalloc(SIZE, 1);
    struct grpc_client c;

    gc_open(&c, grpc_server_address(f->s));
    for (size_t i = 0; i < CALLS; i++) {
        memset(text, 'a' + (int)(i % 26), SIZE);
        frames[i] = gc_frame(0, SIZE, str_of(text, SIZE));
        gc_start(&c, &r[i], ECHO, NULL, buf_str(&frames[i]), false);
    }
    for (size_t i = 0; i < CALLS; i++) {
        gc_wait(&c, &r[i]);
        assert_string_equal(r[i].status, "0");
        assert_true(str_eq(buf_str(&r[i].body), buf_str(&frames[i])));
        gc_result_done(&r[i]);
        buf_done(&frames[i]);
    }
    assert_false(c.goaway);
    gc_close(&c);
    mem_free(text);
    mem_free(frames);
    mem_free(r);
}

static void test_large_message(void **state)
{
    struct fixture *f = *state;
    size_t n = 2 << 20;
    char *text = mem_xcalloc(n, 1);
    struct buf frame = gc_frame(0, (uint32_t)n, str_of(text, n));
    struct grpc_client c;
    struct grpc_result r;

    gc_open(&c, grpc_server_address(f->s));
    gc_call(&c, &r, ECHO, NULL, buf_str(&frame));
    assert_string_equal(r.status, "0");
    assert_int_equal(r.body.n, n + 5);
    gc_result_done(&r);
    buf_done(&frame);
    mem_free(text);
    gc_close(&c);
}

static void test_budget(void **state)
{
    struct fixture *f = *state;
    size_t n = 2000000;
    char *text = mem_xcalloc(n, 1);
    struct buf frame = gc_frame(0, (uint32_t)n, str_of(text, n));
    struct grpc_client c;
    struct grpc_result r;

    gc_open(&c, grpc_server_address(f->s));
    assert_true(budget_take(&f->budget, 7 << 20));
    gc_call(&c, &r, ECHO, NULL, buf_str(&frame));
    assert_string_equal(r.status, "8");
    assert_string_equal(r.message, "too many messages in flight");
    assert_string_not_equal(r.details, "");
    gc_result_done(&r);
    budget_give(&f->budget, 7 << 20);
    gc_call(&c, &r, ECHO, NULL, buf_str(&frame));
    assert_string_equal(r.status, "0");
    gc_result_done(&r);
    buf_done(&frame);
    mem_free(text);
    gc_close(&c);
}

static void test_queue_full_and_deadline(void **state)
{
    const char *soon[] = {"grpc-timeout", "50m", NULL};
    struct fixture *f = *state; /* one worker, one waiting */
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c;
    struct grpc_result r[3];

    gc_open(&c, grpc_server_address(f->s));
    gc_start(&c, &r[0], "/test.Echo/Block", NULL, buf_str(&frame), false);
    assert_true(gc_flush(&c));
    NET_EVENTUALLY(atomic_load(&f->entered) == 1);
    gc_start(&c, &r[1], ECHO, soon, buf_str(&frame), false);
    gc_start(&c, &r[2], ECHO, NULL, buf_str(&frame), false);
    gc_wait(&c, &r[2]);
    assert_string_equal(r[2].status, "8");
    assert_string_equal(r[2].message, "too many calls are waiting");
    assert_string_not_equal(r[2].details, "");
    clock_sleep_ms(100);
    atomic_store(&f->release, true);
    gc_wait(&c, &r[1]);
    assert_string_equal(r[1].status, "4");
    assert_string_equal(r[1].message, "deadline exceeded before the call began");
    gc_wait(&c, &r[0]);
    assert_string_equal(r[0].status, "0");
    for (size_t i = 0; i < 3; i++) {
        gc_result_done(&r[i]);
    }
    buf_done(&frame);
    gc_close(&c);
}

static void test_client_gone(void **state)
{
    struct fixture *f = *state;
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c;
    struct grpc_result r[2];

    gc_open(&c, grpc_server_address(f->s));
    gc_start(&c, &r[0], "/test.Echo/Block", NULL, buf_str(&frame), false);
    assert_true(gc_flush(&c));
    NET_EVENTUALLY(atomic_load(&f->entered) == 1);
    nghttp2_submit_rst_stream(c.h2, 0, r[0].id, NGHTTP2_CANCEL);
    assert_true(gc_flush(&c));
    NET_EVENTUALLY(atomic_load(&f->canceled) == 1);
    gc_start(&c, &r[1], "/test.Echo/Block", NULL, buf_str(&frame), false);
    assert_true(gc_flush(&c));
    NET_EVENTUALLY(atomic_load(&f->entered) == 2);
    gc_close(&c);
    NET_EVENTUALLY(atomic_load(&f->canceled) == 2);
    gc_result_done(&r[0]);
    gc_result_done(&r[1]);
    buf_done(&frame);
    NET_EVENTUALLY(counter_get(stats_counter(f->stats, "bongsu_grpc_requests_total",
                                             "door=\"test\",code=\"CANCELLED\"", "")) == 2);
}

static void test_connection_limit(void **state)
{
    struct fixture *f = *state; /* two connections */
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c[2];
    struct grpc_result r;
    struct buf b;
    int fd;

    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < 2; i++) {
        gc_open(&c[i], grpc_server_address(f->s));
        gc_call(&c[i], &r, ECHO, NULL, buf_str(&frame));
        assert_string_equal(r.status, "0");
        gc_result_done(&r);
    }
    fd = net_dial(grpc_server_address(f->s));
    net_recv_all(fd, &b);
    assert_int_equal(b.n, 0);
    close(fd);
    gc_close(&c[0]);
    NET_EVENTUALLY(
        atomic_load(&stats_gauge(f->stats, "bongsu_grpc_connections", "door=\"test\"", "")->v) ==
        1);
    gc_open(&c[0], grpc_server_address(f->s));
    gc_call(&c[0], &r, ECHO, NULL, buf_str(&frame));
    assert_string_equal(r.status, "0");
    gc_result_done(&r);
    gc_close(&c[0]);
    gc_close(&c[1]);
    buf_done(&frame);
    buf_done(&b);
}

/* Stop. */

struct stopper {
    struct fixture *f;
    int64_t grace_ms;
    atomic_bool done;
};

static void stop(void *arg)
{
    struct stopper *s = arg;

    grpc_server_stop(s->f->s, s->grace_ms);
    atomic_store(&s->done, true);
}

static void test_stop_finishes_calls(void **state)
{
    struct fixture *f = *state;
    struct stopper s = {.f = f, .grace_ms = 8000};
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c;
    struct grpc_result r;
    struct thread t;

    gc_open(&c, grpc_server_address(f->s));
    gc_start(&c, &r, "/test.Echo/Block", NULL, buf_str(&frame), false);
    assert_true(gc_flush(&c));
    NET_EVENTUALLY(atomic_load(&f->entered) == 1);
    assert_int_equal(thread_start(&t, "stop", stop, &s), 0);
    while (!c.goaway) {
        assert_true(gc_read(&c, NET_TEST_WAIT_MS) > 0);
    }
    assert_int_equal(c.goaway_code, NGHTTP2_NO_ERROR);
    assert_false(atomic_load(&s.done));
    atomic_store(&f->release, true);
    gc_wait(&c, &r);
    assert_string_equal(r.status, "0");
    thread_join(&t);
    assert_int_equal(atomic_load(&f->canceled), 0);
    gc_result_done(&r);
    buf_done(&frame);
    gc_close(&c);
    grpc_server_stop(f->s, 0); /* once more does nothing */
}

static void test_stop_cancels_after_grace(void **state)
{
    struct fixture *f = *state;
    struct buf frame = gc_frame(0, 1, STR("x"));
    struct grpc_client c;
    struct grpc_result r[4];
    struct mono start;

    gc_open(&c, grpc_server_address(f->s));
    for (size_t i = 0; i < 4; i++) {
        gc_start(&c, &r[i], "/test.Echo/Block", NULL, buf_str(&frame), false);
    }
    assert_true(gc_flush(&c));
    NET_EVENTUALLY(atomic_load(&f->entered) == 2);
    start = clock_mono();
    grpc_server_stop(f->s, 300);
    assert_true(mono_since_ns(start) >= 290000000LL);
    assert_true(mono_since_ns(start) < 3000000000LL);
    assert_int_equal(atomic_load(&f->entered), 2);
    assert_int_equal(atomic_load(&f->canceled), 2);
    for (size_t i = 0; i < 4; i++) {
        gc_result_done(&r[i]);
    }
    buf_done(&frame);
    gc_close(&c);
}

static void test_start_errors(void **state)
{
    struct fixture *f = *state;
    struct grpc_server *s = grpc_server_new(
        &(struct grpc_server_opts){.name = "t", .address = grpc_server_address(f->s)});
    struct err e = {0};

    assert_int_equal(grpc_server_start(s, &e), -ERR_EXISTS);
    grpc_server_free(s);
    s = grpc_server_new(&(struct grpc_server_opts){.name = "t", .address = "x"});
    assert_int_equal(grpc_server_start(s, &e), -ERR_INVALID);
    grpc_server_free(s);
    s = grpc_server_new(&(struct grpc_server_opts){
        .name = "t", .address = "127.0.0.1:0", .tls_cert = "/nonexistent"});
    assert_int_equal(grpc_server_start(s, &e), -ERR_IO);
    grpc_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
        cmocka_unit_test_setup_teardown(test_metadata_and_user, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry_info, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gzip_and_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_split_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_concurrent_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_message, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue_full_and_deadline, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_client_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connection_limit, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_stop_finishes_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_cancels_after_grace, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_errors, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
