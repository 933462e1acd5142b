/* SPDX-License-Identifier: Apache-2.0
 *
 * What lasts: handlers on workers, clients that go away, streams, TLS, and the end of the server.
 */
#include "tls_test.h"

#include "base/cancel.h"
#include "net/http_client.h"
#include "net/http_server.h"

struct fixture {
    struct http_server *s;
    struct stats *stats;
    struct pool *pool;
    atomic_int entered; /* handlers of /block that run */
    atomic_int canceled;
    atomic_bool release;
    _Atomic(struct http_stream *) stream; /* of the last /stream */
    size_t queue_max;
};

static void hello(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond(x, 200, "text/plain", http_is_tls(x) ? STR("hello tls") : STR("hello"));
}

static void block(void *arg, struct http_exchange *x)
{
    struct fixture *f = arg;

    atomic_fetch_add(&f->entered, 1);
    while (!atomic_load(&f->release) && cancel_check(http_cancel(x)) == 0) {
        clock_sleep_ms(2);
    }
    if (cancel_check(http_cancel(x)) == -ERR_CANCELED) {
        atomic_fetch_add(&f->canceled, 1);
    }
    http_respond(x, 200, "text/plain", STR("released"));
}

static void stream(void *arg, struct http_exchange *x)
{
    struct fixture *f = arg;
    struct http_stream *st;

    http_set_header(x, "Cache-Control", "no-store");
    st = http_respond_stream(x, "text/event-stream", f->queue_max);
    ignore_result(http_stream_write(st, STR("data: first\n\n")), "fits");
    atomic_store(&f->stream, st);
}

static void setup_with(struct fixture *f, struct http_server_opts opts)
{
    const struct http_route routes[] = {
        {"GET", "/hello", hello, NULL, HTTP_INLINE, 0, 0},
        {"POST", "/hello", hello, NULL, HTTP_WORKER, 1 << 16, 0},
        {"GET", "/block", block, f, HTTP_WORKER, 0, 0},
        {"GET", "/stream", stream, f, HTTP_INLINE, 0, 0},
        {"GET", "/stream-worker", stream, f, HTTP_WORKER, 0, 0},
    };
    struct err e = {0};

    memset(f, 0, sizeof(*f));
    f->queue_max = 64 << 10;
    f->stats = stats_new();
    f->pool = pool_new("test", 2, 2);
    opts.name = "test";
    opts.address = "127.0.0.1:0";
    opts.workers = f->pool;
    opts.stats = f->stats;
    f->s = http_server_new(&opts);
    http_server_route(f->s, routes, ARRAY_LEN(routes));
    assert_int_equal(http_server_start(f->s, &e), 0);
}

static int setup(void **state)
{
    static struct fixture f;

    setup_with(&f, (struct http_server_opts){0});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->release, true);
    if (atomic_load(&f->stream) != NULL) {
        http_stream_end(atomic_load(&f->stream));
    }
    http_server_free(f->s);
    pool_free(f->pool);
    stats_free(f->stats);
    return 0;
}

static int ask(struct fixture *f, const char *path)
{
    int fd = net_dial(http_server_address(f->s));
    char request[128];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    assert_true(net_send(fd, str_cstr(request)));
    return fd;
}

static void test_pool_full(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    int fds[6];

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < 3; i++) { /* one on an event thread, two on workers */
        fds[i] = ask(f, "/block");
        NET_EVENTUALLY(atomic_load(&f->entered) == (int)i + 1);
    }
    for (size_t i = 3; i < 5; i++) {
        fds[i] = ask(f, "/block");
        NET_EVENTUALLY(pool_queued(f->pool) == i - 2);
    }
    fds[5] = ask(f, "/block");
    assert_true(net_recv_until(fds[5], &b, "all workers are busy"));
    assert_true(str_starts(buf_str(&b), STR("HTTP/1.1 503 ")));
    assert_true(str_find(buf_str(&b), STR("Retry-After: 5\r\n")) > 0);
    /* One event thread is free all the time. */
    buf_clear(&b);
    close(fds[5]);
    fds[5] = ask(f, "/hello");
    assert_true(net_recv_until(fds[5], &b, "\r\n\r\nhello"));
    atomic_store(&f->release, true);
    for (size_t i = 0; i < 5; i++) {
        buf_clear(&b);
        assert_true(net_recv_until(fds[i], &b, "released"));
    }
    for (size_t i = 0; i < 5; i++) {
        close(fds[i]);
    }
    buf_done(&b);
    assert_int_equal(counter_get(stats_counter(f->stats, "bongsu_http_rejected_total",
                                               "door=\"test\",reason=\"workers_busy\"", "")),
                     1);
}

static void test_client_gone(void **state)
{
    struct fixture *f = *state;
    int stay = ask(f, "/block");
    int fd = ask(f, "/block");
    struct buf b;

    buf_init(&b, 1 << 20);
    NET_EVENTUALLY(atomic_load(&f->entered) == 2);
    assert_true(
        net_send(stay, STR("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"))); /* pipelined: not gone */
    close(fd);
    NET_EVENTUALLY(atomic_load(&f->canceled) == 1);
    clock_sleep_ms(500);
    assert_int_equal(atomic_load(&f->canceled), 1);
    atomic_store(&f->release, true);
    assert_true(net_recv_until(stay, &b, "\r\n\r\nhello"));
    assert_true(str_find(buf_str(&b), STR("released")) > 0);
    buf_done(&b);
    close(stay);
}

static struct http_stream *take_stream(struct fixture *f)
{
    NET_EVENTUALLY(atomic_load(&f->stream) != NULL);
    return atomic_exchange(&f->stream, NULL);
}

static void test_stream(void **state)
{
    static const char *const PATHS[] = {"/stream", "/stream-worker"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(PATHS); i++) {
        int fd = ask(f, PATHS[i]);
        struct http_stream *st;
        struct buf b;

        buf_init(&b, 1 << 20);
        assert_true(net_recv_until(fd, &b, "data: first\n\n"));
        assert_true(str_starts(buf_str(&b), STR("HTTP/1.1 200 OK\r\n")));
        assert_true(str_find(buf_str(&b), STR("Content-Type: text/event-stream\r\n")) > 0);
        assert_true(str_find(buf_str(&b), STR("Cache-Control: no-store\r\n")) > 0);
        st = take_stream(f);
        for (int k = 0; k < 100; k++) {
            char text[64];

            snprintf(text, sizeof(text), "data: event %d\n\n", k);
            assert_int_equal(http_stream_write(st, str_cstr(text)), 0);
            if (k % 10 == 9) {
                assert_true(net_recv_until(fd, &b, text)); /* arrives without waiting for more */
            }
        }
        http_stream_end(st);
        assert_true(net_recv_until(fd, &b, "\r\n0\r\n\r\n"));
        /* The connection serves the next request. */
        buf_clear(&b);
        assert_true(net_send(fd, STR("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")));
        assert_true(net_recv_until(fd, &b, "\r\n\r\nhello"));
        buf_done(&b);
        close(fd);
    }
}

static void test_slow_reader_overload(void **state)
{
    struct fixture *f = *state;
    static char block_of_text[32 << 10];
    int fd = ask(f, "/stream");
    struct http_stream *st = take_stream(f);
    uint64_t accepted = 0;
    uint64_t received = 0;
    struct buf b;
    int rc = 0;

    memset(block_of_text, 'x', sizeof(block_of_text));
    assert_int_equal(http_stream_write(st, str_of(block_of_text, (64 << 10) + 1)), -ERR_OVERLOAD);
    for (int i = 0; i < 100000 && rc == 0; i++) {
        rc = http_stream_write(st, str_of(block_of_text, sizeof(block_of_text)));
        accepted += rc == 0 ? sizeof(block_of_text) : 0;
        if (rc == -ERR_OVERLOAD && accepted < (8 << 20)) {
            clock_sleep_ms(1); /* the socket still takes some: try until its buffers are full */
            rc = i < 3000 ? 0 : rc;
        }
    }
    assert_int_equal(rc, -ERR_OVERLOAD);
    http_stream_end(st);
    buf_init(&b, 1 << 20);
    while (net_recv(fd, &b, 2000) > 0) {
        for (size_t i = 0; i < b.n; i++) {
            received += b.data[i] == 'x';
        }
        if (str_ends(buf_str(&b), STR("\r\n0\r\n\r\n"))) {
            break;
        }
        buf_clear(&b);
    }
    assert_int_equal(received, accepted + 1); /* "text" in the content type */
    buf_done(&b);
    close(fd);
}

static void test_stream_client_gone(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, "/stream");
    struct http_stream *st = take_stream(f);

    close(fd);
    NET_EVENTUALLY(http_stream_write(st, STR("")) == -ERR_CANCELED);
    assert_int_equal(http_stream_write(st, STR("x")), -ERR_CANCELED);
    NET_EVENTUALLY(
        atomic_load(&stats_gauge(f->stats, "bongsu_http_connections", "door=\"test\"", "")->v) ==
        0);
    http_stream_end(st);
}

static void writer(void *arg)
{
    struct http_stream *st = arg;

    for (int i = 0; i < 2000 && http_stream_write(st, STR("data: x\n\n")) != -ERR_CANCELED; i++) {
    }
    http_stream_end(st);
}

static void test_streams_race(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 20; round++) {
        int fd = ask(f, "/stream");
        struct http_stream *st = take_stream(f);
        struct thread t;
        struct buf b;

        buf_init(&b, 4 << 20);
        assert_int_equal(thread_start(&t, "writer", writer, st), 0);
        if (round % 2 == 0) {
            assert_true(net_recv_until(fd, &b, "data: x"));
            close(fd);
        } else {
            assert_true(net_recv_until(fd, &b, "\r\n0\r\n\r\n"));
            close(fd);
        }
        thread_join(&t);
        buf_done(&b);
    }
}

static void test_stop_ends_streams(void **state)
{
    struct fixture *f = *state;
    int fd = ask(f, "/stream");
    int idle = ask(f, "/hello");
    struct http_stream *st = take_stream(f);
    struct mono start;
    struct buf b;

    buf_init(&b, 1 << 20);
    assert_true(net_recv_until(fd, &b, "first"));
    start = clock_mono();
    http_server_stop(f->s, 5000);
    assert_true(mono_since_ns(start) < 2000000000LL);
    assert_int_equal(http_stream_write(st, STR("x")), -ERR_CANCELED);
    net_recv_all(fd, &b);
    assert_true(str_ends(buf_str(&b), STR("\r\n0\r\n\r\n")));
    http_stream_end(st);
    http_server_stop(f->s, 5000); /* once more does nothing */
    buf_done(&b);
    close(fd);
    close(idle);
}

struct stopper {
    struct fixture *f;
    int64_t grace_ms;
    atomic_bool done;
};

static void stop(void *arg)
{
    struct stopper *s = arg;

    http_server_stop(s->f->s, s->grace_ms);
    atomic_store(&s->done, true);
}

static void test_stop_waits_for_handlers(void **state)
{
    struct fixture *f = *state;
    struct stopper s = {.f = f, .grace_ms = 8000};
    int fd = ask(f, "/block");
    int late = net_dial(http_server_address(f->s));
    struct thread t;
    struct buf b;

    buf_init(&b, 1 << 20);
    NET_EVENTUALLY(atomic_load(&f->entered) == 1);
    /* Answered once: it is accepted, where a stop leaves what still waits to be. */
    assert_true(net_send(late, STR("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")));
    assert_true(net_recv_until(late, &b, "\r\n\r\nhello"));
    buf_clear(&b);
    assert_int_equal(thread_start(&t, "stop", stop, &s), 0);
    clock_sleep_ms(200);
    assert_false(atomic_load(&s.done));
    /* Asked over an open connection meanwhile: 503, or closed. */
    ignore_result(net_send(late, STR("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")), "may be closed");
    net_recv_all(late, &b);
    assert_true(b.n == 0 || str_starts(buf_str(&b), STR("HTTP/1.1 503 ")));
    buf_clear(&b);
    atomic_store(&f->release, true);
    net_recv_all(fd, &b);
    assert_true(str_ends(buf_str(&b), STR("released")));
    thread_join(&t);
    assert_int_equal(atomic_load(&f->canceled), 0);
    buf_done(&b);
    close(fd);
    close(late);
}

static void test_stop_cancels_after_grace(void **state)
{
    struct fixture *f = *state;
    struct mono start;
    int fds[5];

    for (size_t i = 0; i < 5; i++) {
        fds[i] = ask(f, "/block"); /* three run, two wait */
        NET_EVENTUALLY(atomic_load(&f->entered) == (i < 3 ? (int)i + 1 : 3));
    }
    NET_EVENTUALLY(atomic_load(&f->entered) == 3 && pool_queued(f->pool) == 2);
    start = clock_mono();
    http_server_stop(f->s, 300);
    assert_true(mono_since_ns(start) >= 300000000LL);
    assert_true(mono_since_ns(start) < 3000000000LL);
    assert_int_equal(atomic_load(&f->canceled), 3);
    assert_int_equal(atomic_load(&f->entered), 3); /* the waiting ones never began */
    for (size_t i = 0; i < 5; i++) {
        close(fds[i]);
    }
}

enum { FIRE_CONNECTIONS = 8, FIRE_ROUNDS = 15 };

/* Requests with bodies over open connections, one after another, until all are closed. */
static void fire(void *arg)
{
    const int *fds = arg;
    bool open[FIRE_CONNECTIONS];
    size_t left = FIRE_CONNECTIONS;
    struct buf b;

    memset(open, true, sizeof(open));
    buf_init(&b, 1 << 20);
    while (left != 0) {
        for (size_t i = 0; i < FIRE_CONNECTIONS; i++) {
            if (open[i] && (!net_send(fds[i], STR("POST /hello HTTP/1.1\r\nHost: a\r\n"
                                                  "Content-Length: 10\r\n\r\n12345")) ||
                            !net_send(fds[i], STR("67890")) || net_recv(fds[i], &b, 20) == 0)) {
                open[i] = false;
                left--;
            }
            buf_clear(&b);
        }
    }
    buf_done(&b);
}

/* Requests come in at every moment of a stop: their heads, their bodies, between two of them. */
static void test_stop_under_fire(void **state)
{
    (void)state;
    for (size_t round = 0; round < FIRE_ROUNDS; round++) {
        static struct fixture f;
        int fds[3][FIRE_CONNECTIONS];
        struct thread t[3];

        setup_with(&f, (struct http_server_opts){0});
        for (size_t i = 0; i < 3; i++) {
            for (size_t k = 0; k < FIRE_CONNECTIONS; k++) {
                fds[i][k] = net_dial(http_server_address(f.s));
            }
            assert_int_equal(thread_start(&t[i], "fire", fire, fds[i]), 0);
        }
        clock_sleep_ms((int64_t)(5 + 3 * round));
        http_server_stop(f.s, round % 2 == 0 ? 0 : 50);
        for (size_t i = 0; i < 3; i++) {
            thread_join(&t[i]);
            for (size_t k = 0; k < FIRE_CONNECTIONS; k++) {
                close(fds[i][k]);
            }
        }
        assert_int_equal(teardown(&(void *){&f}), 0);
    }
}

static void call(const char *address, const struct http_client_opts *opts, int rc,
                 const char *answer)
{
    struct http_client *c = http_client_new(opts);
    struct http_answer a = {0};
    struct err e = {0};
    char url[128];

    snprintf(url, sizeof(url), "https://%s/hello", address);
    assert_int_equal(
        http_client_call(c, &(struct http_call){.url = url, .timeout_ms = 5000}, &a, &e), rc);
    if (rc == 0) {
        assert_true(str_eq(buf_str(&a.body), str_cstr(answer)));
        buf_done(&a.body);
    }
    http_client_free(c);
}

static void test_tls(void **state)
{
    struct fixture f;
    struct tls_files files;
    struct tls_files other;
    struct http_server *s;
    struct http_stream *st;
    struct err e = {0};
    struct buf b;
    int fd;

    (void)state;
    tls_files_make(&files);
    tls_files_make(&other);
    setup_with(&f, (struct http_server_opts){.tls_cert = files.cert, .tls_key = files.key});
    call(http_server_address(f.s), &(struct http_client_opts){.ca_file = files.cert}, 0,
         "hello tls");
    call(http_server_address(f.s), &(struct http_client_opts){.insecure = true}, 0, "hello tls");
    call(http_server_address(f.s), &(struct http_client_opts){.ca_file = other.cert},
         -ERR_UNAVAILABLE, NULL);
    call(http_server_address(f.s), NULL, -ERR_UNAVAILABLE, NULL);
    /* Plain text to a TLS port. */
    buf_init(&b, 1 << 20);
    fd = ask(&f, "/hello");
    net_recv_all(fd, &b);
    assert_true(str_find(buf_str(&b), STR("hello")) < 0);
    close(fd);
    buf_done(&b);
    /* A key that does not belong to the certificate. */
    s = http_server_new(&(struct http_server_opts){
        .name = "t", .address = "127.0.0.1:0", .tls_cert = files.cert, .tls_key = other.key});
    assert_int_equal(http_server_start(s, &e), -ERR_IO);
    assert_non_null(strstr(e.msg, files.cert));
    http_server_free(s);
    st = atomic_load(&f.stream);
    assert_null(st);
    http_server_free(f.s);
    pool_free(f.pool);
    stats_free(f.stats);
    tls_files_remove(&files);
    tls_files_remove(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pool_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_reader_overload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream_client_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_streams_race, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_ends_streams, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_waits_for_handlers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_cancels_after_grace, setup, teardown),
        cmocka_unit_test(test_stop_under_fire),
        cmocka_unit_test(test_tls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
