/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP door over raw sockets: framing, limits, routes, parameters, workers and stop.
 */
#include "net_test.h"

#include "base/budget.h"
#include "base/cancel.h"
#include "codec/compress.h"
#include "net/http_server.h"

struct fixture {
    struct http_server *s;
    struct stats *stats;
    struct pool *pool;
    struct budget budget;
    atomic_int entered; /* handlers of /block that run */
    atomic_int canceled;
    atomic_bool release;
};

/* Shows what the handler saw. */
static void echo(void *arg, struct http_exchange *x)
{
    struct buf b;
    struct str v;

    (void)arg;
    buf_init(&b, 1 << 20);
    buf_printf(&b, "method=%.*s path=%.*s", STR_ARG(http_method(x)), STR_ARG(http_path(x)));
    buf_printf(&b, " id=%.*s", STR_ARG(http_path_param(x, "id")));
    for (size_t i = 0; http_param_at(x, "q", i, &v); i++) {
        buf_printf(&b, " q%zu=%.*s", i, STR_ARG(v));
    }
    buf_printf(&b, " has_e=%d", http_has_param(x, "e"));
    buf_printf(&b, " cookie=%.*s", STR_ARG(http_cookie(x, "sid")));
    buf_printf(&b, " ua=%.*s", STR_ARG(http_header(x, "user-agent")));
    buf_printf(&b, " peer=%.*s tls=%d", STR_ARG(http_peer(x)), http_is_tls(x));
    buf_printf(&b, " body=%zu:%.*s", http_body(x).n, STR_ARG(str_take(http_body(x), 64)));
    http_set_header(x, "X-Test", "1");
    http_respond_take(x, 200, "text/plain", &b);
}

static void rest(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond(x, 200, "text/plain", http_path_param(x, "rest"));
}

static void big(void *arg, struct http_exchange *x)
{
    struct buf b;

    (void)arg;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++) {
        buf_add_cstr(&b, "0123456789");
    }
    http_respond_take(x, 200, "application/json; charset=utf-8", &b);
}

static const unsigned char GZ_HELLO[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                         0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x86,
                                         0xa6, 0x10, 0x36, 0x05, 0x00, 0x00, 0x00};

static void asset(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond_static(x, 200, "text/css", str_of((const char *)GZ_HELLO, sizeof(GZ_HELLO)), true);
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

static void silent(void *arg, struct http_exchange *x)
{
    (void)arg;
    (void)x;
}

static void failing(void *arg, struct http_exchange *x)
{
    (void)arg;
    http_respond_errorf(x, ERR_OVERLOAD, "too \"many\"");
    http_respond(x, 200, "text/plain", STR("second answers are dropped"));
}

static int guard(void *arg, struct http_exchange *x, const struct http_route *route)
{
    (void)arg;
    if (route->user_flags == 7 && !str_eq(http_header(x, "Authorization"), STR("Bearer t"))) {
        http_set_header(x, "WWW-Authenticate", "Bearer");
        http_respond_errorf(x, ERR_UNAUTHENTICATED, "no token");
        return -1;
    }
    return 0;
}

static void setup_with(struct fixture *f, struct http_server_opts opts)
{
    const struct http_route routes[] = {
        {"GET", "/", echo, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/echo", echo, NULL, HTTP_INLINE, 0, 0},
        {"POST", "/echo", echo, NULL, HTTP_INLINE, 1000, 0},
        {"POST", "/work", echo, NULL, HTTP_WORKER, 4 << 20, 0},
        {"GET", "/work", echo, NULL, HTTP_WORKER, 0, 0},
        {"GET", "/items/{id}", echo, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/items/special", rest, NULL, HTTP_INLINE, 0, 0},
        {"DELETE", "/items/{id}", echo, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/files/{rest*}", rest, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/big", big, NULL, HTTP_WORKER, 0, 0},
        {"GET", "/asset", asset, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/block", block, f, HTTP_WORKER, 0, 0},
        {"GET", "/silent", silent, NULL, HTTP_INLINE, 0, 0},
        {"GET", "/failing", failing, NULL, HTTP_INLINE, 0, 0},
        {"POST", "/guarded", echo, NULL, HTTP_INLINE, 1000, 7},
    };
    struct err e = {0};

    memset(f, 0, sizeof(*f));
    f->stats = stats_new();
    f->pool = pool_new("test", 2, 2);
    budget_init(&f->budget, 1 << 20, NULL);
    opts.name = "test";
    opts.address = opts.address != NULL ? opts.address : "127.0.0.1:0";
    opts.workers = f->pool;
    opts.body_budget = &f->budget;
    opts.stats = f->stats;
    opts.guard = guard;
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

static int setup_impatient(void **state)
{
    static struct fixture f;

    setup_with(&f, (struct http_server_opts){.idle_timeout_s = 1, .threads = 1});
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    atomic_store(&f->release, true);
    http_server_free(f->s);
    assert_int_equal(budget_used(&f->budget), 0);
    pool_free(f->pool);
    stats_free(f->stats);
    return 0;
}

/* Send, read to the end of the connection, NUL-terminated. */
static char *talk(struct fixture *f, struct str request)
{
    int fd = net_dial(http_server_address(f->s));
    struct buf b;
    char *text;

    buf_init(&b, 64 << 20);
    ignore_result(net_send(fd, request), "the server may close before everything is sent");
    net_recv_all(fd, &b);
    close(fd);
    text = buf_take(&b);
    return text != NULL ? text : mem_xstrdup("");
}

static void test_table(void **state)
{
    static const struct {
        const char *request; /* "Connection: close" is added when it ends with a header */
        const char *expect[4];
        const char *absent;
    } CASES[] = {
        {"GET /echo HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\n",
         {"HTTP/1.1 200 OK\r\n", "X-Test: 1\r\n",
          "method=GET path=/echo id= has_e=0 cookie= ua=me peer=127.0.0.1 tls=0 body=0:"},
         NULL},
        {"GET / HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 200 OK\r\n", "path=/ "}, NULL},
        {"GET /echo?q=1&q=a%20b+c&e&q=%C3%A9&&q= HTTP/1.1\r\nHost: a\r\n",
         {" q0=1 q1=a b c q2=\xc3\xa9 q3= has_e=1"},
         "q4"},
        {"GET http://x.y:80/echo?q=2 HTTP/1.1\r\nHost: a\r\n", {"path=/echo", "q0=2"}, NULL},
        {"GET /echo HTTP/1.1\r\nHost: a\r\nCookie: a=b; sid=\"s 1\"; sid=2\r\n",
         {"cookie=s 1 "},
         NULL},
        {"GET /items/a%2Fb%20c HTTP/1.1\r\nHost: a\r\n", {"path=/items/a/b c id=a/b c "}, NULL},
        {"GET /items/special HTTP/1.1\r\nHost: a\r\n", {"Content-Length: 0\r\n"}, "method="},
        {"DELETE /items/special HTTP/1.1\r\nHost: a\r\n", {"method=DELETE", "id=special"}, NULL},
        {"GET /items/ HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 404 "}, NULL},
        {"GET /files/a/b%2f/c.js?x HTTP/1.1\r\nHost: a\r\n", {"\r\n\r\na/b//c.js"}, NULL},
        {"GET /files/ HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 200 OK", "Content-Length: 0"}, NULL},
        {"GET /nothing HTTP/1.1\r\nHost: a\r\n",
         {"HTTP/1.1 404 Not Found\r\n",
          "{\"status\":\"error\",\"errorType\":\"not_found\",\"error\":\"no such path: /nothing\"}"},
         NULL},
        {"PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n",
         {"HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD, POST\r\n",
          "method PUT is not allowed here"},
         NULL},
        {"HEAD /echo HTTP/1.1\r\nHost: a\r\n",
         {"HTTP/1.1 200 OK\r\n", "Content-Length: "},
         "method="},
        {"HEAD /nothing HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 404 Not Found\r\n"}, "status"},
        {"GET /ec%zzho HTTP/1.1\r\nHost: a\r\n",
         {"HTTP/1.1 400 Bad Request\r\n", "broken percent escape '%zz'"},
         NULL},
        {"GET /ec% HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 400 "}, NULL},
        {"GET /ec%1 HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 400 "}, NULL},
        {"GET /a%00b HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 400 ", "NUL in the path"}, NULL},
        {"GET /echo?q=%4 HTTP/1.1\r\nHost: a\r\n",
         {"HTTP/1.1 400 ", "broken percent escape '%4'"},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
         {"body=5:hello"},
         NULL},
        {"POST /work?q=url HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\nContent-Length: 12\r\n\r\nq=f%201&e=&q",
         {"q0=f 1 q1= q2=url has_e=1"},
         NULL},
        {"POST /work HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 4\r\n\r\nq=%f",
         {"HTTP/1.1 400 ", "broken percent escape '%f'"},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
         {"body=5:abcde"},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n",
         {"HTTP/1.1 413 ", "Connection: close", "body of 1001 bytes, more than 1000"},
         NULL},
        {"GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", {"HTTP/1.1 413 "}, NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
         {"HTTP/1.1 400 "},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
         {"HTTP/1.1 400 "},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", {"HTTP/1.1 400 "}, NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5x\r\n\r\n", {"HTTP/1.1 400 "}, NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
         {"HTTP/1.1 4"},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
         {"HTTP/1.1 400 "},
         NULL},
        {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
         {"HTTP/1.1 400 "},
         NULL},
        {"GET /silent HTTP/1.1\r\nHost: a\r\n",
         {"HTTP/1.1 500 ", "the handler gave no answer"},
         NULL},
        {"GET /failing HTTP/1.1\r\nHost: a\r\n",
         {"HTTP/1.1 429 ", "Retry-After: 5\r\n", "too \\\"many\\\""},
         "second"},
        {"POST /guarded HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
         {"HTTP/1.1 401 ", "WWW-Authenticate: Bearer\r\n", "no token"},
         "100 Continue"},
        {"POST /guarded HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer t\r\nContent-Length: 2\r\n\r\nok",
         {"HTTP/1.1 200 ", "body=2:ok"},
         NULL},
        {"GET /big HTTP/1.1\r\nHost: a\r\n",
         {"Content-Length: 10000\r\n", "Vary: Accept-Encoding\r\n"},
         "Content-Encoding"},
        {"GET /big HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br, gzip;q=0.5\r\n",
         {"Content-Encoding: gzip\r\n", "Vary: Accept-Encoding\r\n"},
         "0123456789"},
        {"GET /big HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0, *\r\n",
         {"Content-Length: 10000\r\n"},
         "Content-Encoding"},
        {"GET /asset HTTP/1.1\r\nHost: a\r\n",
         {"Content-Length: 5\r\n", "Vary: Accept-Encoding", "\r\n\r\nhello"},
         "Content-Encoding"},
        {"GET /asset HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n",
         {"Content-Encoding: gzip\r\n", "Content-Length: 25\r\n"},
         NULL},
        {"GET /echo HTTP/1.0\r\n", {"HTTP/1.1 200 OK\r\n"}, NULL},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char request[1024];
        bool head = str_find(str_cstr(CASES[i].request), STR("\r\n\r\n")) < 0;
        char *answer;

        snprintf(request, sizeof(request), "%s%s", CASES[i].request,
                 head ? "Connection: close\r\n\r\n" : "");
        answer = talk(f, str_cstr(request));
        for (size_t k = 0; k < ARRAY_LEN(CASES[i].expect) && CASES[i].expect[k] != NULL; k++) {
            if (strstr(answer, CASES[i].expect[k]) == NULL) {
                fail_msg("case %zu: no '%s' in the answer to\n%s\n%s", i, CASES[i].expect[k],
                         request, answer);
            }
        }
        if (CASES[i].absent != NULL && strstr(answer, CASES[i].absent) != NULL) {
            fail_msg("case %zu: '%s' in the answer to\n%s\n%s", i, CASES[i].absent, request,
                     answer);
        }
        mem_free(answer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
    };
    (void)setup_impatient;

    return cmocka_run_group_tests(tests, NULL, NULL);
}
