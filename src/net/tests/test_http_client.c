/* SPDX-License-Identifier: Apache-2.0
 *
 * The client against our own server and against answers no server should give.
 */
#include "net_test.h"

#include <time.h>

#include "net/http_client.h"
#include "net/http_server.h"

struct fixture {
    struct http_server *s;
    struct http_client *c;
    struct pool *pool;
    char base[128];
};

static void echo(void *arg, struct http_exchange *x)
{
    struct buf b;

    (void)arg;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "%.*s %.*s a=%.*s type=%.*s expect=%.*s ua=%.*s %zu", STR_ARG(http_method(x)),
               STR_ARG(http_path(x)), STR_ARG(http_header(x, "X-A")),
               STR_ARG(http_header(x, "Content-Type")), STR_ARG(http_header(x, "Expect")),
               STR_ARG(http_header(x, "User-Agent")), http_body(x).n);
    http_respond_take(x, 200, "text/plain", &b);
}

static void large(void *arg, struct http_exchange *x)
{
    static const char zeros[100001];

    (void)arg;
    http_respond(x, 200, "application/octet-stream", str_of(zeros, sizeof(zeros)));
}

static void retry(void *arg, struct http_exchange *x)
{
    struct str after = http_param(x, "after");
    char text[64];

    (void)arg;
    if (str_eq(after, STR("date"))) {
        time_t t = time(NULL) + 100;
        struct tm tm;

        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
    } else {
        snprintf(text, sizeof(text), "%.*s", STR_ARG(after));
    }
    if (after.n != 0) {
        http_set_header(x, "Retry-After", text);
    }
    http_respond(x, 503, "text/plain", STR("later"));
}

static void redirect(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_set_header(x, "Location", "/echo");
    http_respond(x, 302, "text/plain", STR(""));
}

static void slow(void *arg, struct http_exchange *x)
{
    (void)arg;
    clock_sleep_ms(1000);
    http_respond(x, 200, "text/plain", STR("slow"));
}

static int setup(void **state)
{
    static const struct http_route ROUTES[] = {
        {"GET", "/echo", echo, NULL, HTTP_INLINE, 0, 0},
        {"POST", "/echo", echo, NULL, HTTP_INLINE, 4 << 20, 0},
        {"PUT", "/echo", echo, NULL, HTTP_INLINE, 4 << 20, 0},
        {"DELETE", "/echo", echo, NULL, HTTP_INLINE, 4 << 20, 0},
        {"GET", "/large", large, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/retry", retry, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/redirect", redirect, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/slow", slow, NULL, HTTP_WORKER, 0, 0},
    };
    static struct fixture f;
    struct err e = {0};

    f.pool = pool_new("t", 1, 4);
    f.s = http_server_new(
        &(struct http_server_opts){.name = "t", .address = "127.0.0.1:0", .workers = f.pool});
    http_server_route(f.s, ROUTES, ARRAY_LEN(ROUTES));
    assert_int_equal(http_server_start(f.s, &e), 0);
    snprintf(f.base, sizeof(f.base), "http://%s", http_server_address(f.s));
    f.c = http_client_new(NULL);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_client_free(f->c);
    http_server_free(f->s);
    pool_free(f->pool);
    return 0;
}

static void test_calls(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *headers[3];
        size_t body_n;
        int64_t timeout_ms;
        size_t max_response;
        int rc;
        int status;
        const char *answer; /* or a part of the error */
    } CASES[] = {
        {"GET", "/echo", {"X-A: 1"}, 0, 0, 0, 0, 200, "GET /echo a=1 type= expect= ua=bongsu 0"},
        {"GET", "/echo", {NULL}, 0, 0, 0, 0, 200, "GET /echo a= type= expect= ua=bongsu 0"},
        {"POST",
         "/echo",
         {"Content-Type: application/x-protobuf", "User-Agent: agent/1"},
         3000000,
         0,
         0,
         0,
         200,
         "POST /echo a= type=application/x-protobuf expect= ua=agent/1 3000000"},
        {"POST",
         "/echo",
         {"Content-Type: a/b"},
         0,
         0,
         0,
         0,
         200,
         "POST /echo a= type=a/b expect= ua=bongsu 0"},
        {"PUT",
         "/echo",
         {"Content-Type: a/b"},
         5,
         0,
         0,
         0,
         200,
         "PUT /echo a= type=a/b expect= ua=bongsu 5"},
        {"DELETE", "/echo", {NULL}, 0, 0, 0, 0, 200, "DELETE /echo a= type= expect= ua=bongsu 0"},
        {"HEAD", "/echo", {NULL}, 0, 0, 0, 0, 200, ""},
        {"GET", "/nothing", {NULL}, 0, 0, 0, 0, 404, NULL},
        {"GET", "/redirect", {NULL}, 0, 0, 0, 0, 302, ""},
        {"GET", "/large", {NULL}, 0, 0, 100001, 0, 200, NULL},
        {"GET",
         "/large",
         {NULL},
         0,
         0,
         100000,
         -ERR_TOO_LARGE,
         0,
         "answer larger than 100000 bytes"},
        {"GET", "/slow", {NULL}, 0, 100, 0, -ERR_TIMEOUT, 0, "/slow: "},
        {"GET", "/slow", {NULL}, 0, 5000, 0, 0, 200, "slow"},
    };
    struct fixture *f = *state;
    char *zeros = mem_xcalloc(3000000, 1);

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_answer a = {0};
        struct err e = {0};
        char url[256];
        struct http_call call = {.method = CASES[i].method,
                                 .url = url,
                                 .headers = CASES[i].headers,
                                 .body = {zeros, CASES[i].body_n},
                                 .timeout_ms = CASES[i].timeout_ms,
                                 .max_response = CASES[i].max_response};

        snprintf(url, sizeof(url), "%s%s", f->base, CASES[i].path);
        assert_int_equal(http_client_call(f->c, &call, &a, &e), CASES[i].rc);
        if (CASES[i].rc < 0) {
            assert_non_null(strstr(e.msg, CASES[i].answer));
            assert_null(a.body.data);
            continue;
        }
        assert_int_equal(a.status, CASES[i].status);
        if (CASES[i].answer != NULL) {
            assert_int_equal(a.body.n, strlen(CASES[i].answer));
            assert_memory_equal(a.body.n != 0 ? a.body.data : "", CASES[i].answer, a.body.n);
        }
        buf_done(&a.body);
    }
    mem_free(zeros);
}

static void test_retry_after(void **state)
{
    static const struct {
        const char *after;
        int64_t min_ms;
        int64_t max_ms;
    } CASES[] = {{"7", 7000, 7000}, {"date", 95000, 100000},           {"", 0, 0},
                 {"soon", 0, 0},    {"999999999", 86400000, 86400000}, {"-5", 0, 0}};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_answer a = {0};
        struct err e = {0};
        char url[256];

        snprintf(url, sizeof(url), "%s/retry?after=%s", f->base, CASES[i].after);
        assert_int_equal(http_client_call(f->c, &(struct http_call){.url = url}, &a, &e), 0);
        assert_int_equal(a.status, 503);
        assert_in_range(a.retry_after_ms, CASES[i].min_ms, CASES[i].max_ms);
        buf_done(&a.body);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *url;
        int rc;
    } CASES[] = {
        {"http://127.0.0.1:1/", -ERR_UNAVAILABLE},  {"file:///etc/passwd", -ERR_INVALID},
        {"gopher://127.0.0.1/", -ERR_INVALID},      {"http://[::", -ERR_INVALID},
        {"http://name.invalid/", -ERR_UNAVAILABLE},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct http_answer a = {0};
        struct err e = {0};

        assert_int_equal(
            http_client_call(f->c, &(struct http_call){.url = CASES[i].url, .timeout_ms = 3000}, &a,
                             &e),
            CASES[i].rc);
        assert_memory_equal(e.msg, CASES[i].url, strlen(CASES[i].url));
    }
}

static void test_header_injection(void **state)
{
    struct fixture *f = *state;
    const char *headers[] = {"X-A: 1\r\nX-B: 2", NULL};
    struct http_answer a;
    struct err e = {0};

    assert_int_equal(
        http_client_call(f->c, &(struct http_call){.url = f->base, .headers = headers}, &a, &e),
        -ERR_INVALID);
    assert_string_equal(e.msg, "a request header holds a line break");
}

/* Answers written by hand on a listening socket. */
struct liar {
    int fd;
    const char *answer;
};

static void lie(void *arg)
{
    struct liar *l = arg;
    int fd = accept(l->fd, NULL, NULL);
    struct buf b;

    buf_init(&b, 1 << 16);
    ignore_result(net_recv_until(fd, &b, "\r\n\r\n"), "whatever came is answered");
    ignore_result(net_send(fd, str_cstr(l->answer)), "the client may be gone");
    buf_done(&b);
    close(fd);
}

static void test_broken_answers(void **state)
{
    static const struct {
        const char *answer;
        int rc;
    } CASES[] = {
        {"", -ERR_UNAVAILABLE},
        {"garbage\r\n\r\n", -ERR_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", -ERR_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", -ERR_UNAVAILABLE},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", -ERR_UNAVAILABLE},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t n = sizeof(sa);
        struct liar l = {socket(AF_INET, SOCK_STREAM, 0), CASES[i].answer};
        struct http_answer a = {0};
        struct err e = {0};
        struct thread t;
        char url[64];
        int rc;

        assert_int_equal(bind(l.fd, (struct sockaddr *)&sa, n), 0);
        assert_int_equal(listen(l.fd, 1), 0);
        assert_int_equal(getsockname(l.fd, (struct sockaddr *)&sa, &n), 0);
        assert_int_equal(thread_start(&t, "liar", lie, &l), 0);
        snprintf(url, sizeof(url), "http://127.0.0.1:%u/", ntohs(sa.sin_port));
        rc = http_client_call(f->c, &(struct http_call){.url = url, .timeout_ms = 3000}, &a, &e);
        thread_join(&t);
        close(l.fd);
        assert_int_equal(rc, CASES[i].rc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_retry_after, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_injection, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_answers, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
