/* SPDX-License-Identifier: Apache-2.0
 *
 * The HTTP door over raw sockets: framing, limits, routes, parameters, workers and stop.
 */
#include "net_test.h"

#include "base/budget.h"
#include "net/http_server.h"

struct fixture {
    struct http_server *s;
    struct stats *stats;
    struct pool *pool;
    struct budget budget;
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

static int teardown(void **state)
{
    struct fixture *f = *state;

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

static const struct {
    const char *request; /* "Connection: close" is added when it ends with a header */
    const char *expect[4];
    const char *absent;
} TABLE[] = {
    {"GET /echo HTTP/1.1\r\nHost: a\r\nUser-Agent: me\r\n",
     {"HTTP/1.1 200 OK\r\n", "X-Test: 1\r\n",
      "method=GET path=/echo id= has_e=0 cookie= ua=me peer=127.0.0.1 tls=0 body=0:"},
     NULL},
    {"GET / HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 200 OK\r\n", "path=/ "}, NULL},
    {"GET /echo?q=1&q=a%20b+c&e&q=%C3%A9&&q= HTTP/1.1\r\nHost: a\r\n",
     {" q0=1 q1=a b c q2=\xc3\xa9 q3= has_e=1"},
     "q4"},
    {"GET http://x.y:80/echo?q=2 HTTP/1.1\r\nHost: a\r\n", {"path=/echo", "q0=2"}, NULL},
    {"GET /echo HTTP/1.1\r\nHost: a\r\nCookie: a=b; sid=\"s 1\"; sid=2\r\n", {"cookie=s 1 "}, NULL},
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
    {"HEAD /echo HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 200 OK\r\n", "Content-Length: "}, "method="},
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
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", {"HTTP/1.1 400 "}, NULL},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
     {"HTTP/1.1 400 "},
     NULL},
    {"GET /silent HTTP/1.1\r\nHost: a\r\n", {"HTTP/1.1 500 ", "the handler gave no answer"}, NULL},
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

static void test_table(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(TABLE); i++) {
        char request[1024];
        bool head = str_find(str_cstr(TABLE[i].request), STR("\r\n\r\n")) < 0;
        char *answer;

        snprintf(request, sizeof(request), "%s%s", TABLE[i].request,
                 head ? "Connection: close\r\n\r\n" : "");
        answer = talk(f, str_cstr(request));
        for (size_t k = 0; k < ARRAY_LEN(TABLE[i].expect) && TABLE[i].expect[k] != NULL; k++) {
            if (strstr(answer, TABLE[i].expect[k]) == NULL) {
                fail_msg("case %zu: no '%s' in the answer to\n%s\n%s", i, TABLE[i].expect[k],
                         request, answer);
            }
        }
        if (TABLE[i].absent != NULL && strstr(answer, TABLE[i].absent) != NULL) {
            fail_msg("case %zu: '%s' in the answer to\n%s\n%s", i, TABLE[i].absent, request,
                     answer);
        }
        mem_free(answer);
    }
}

static void plain_error(void *arg, int status, const struct err *e, struct buf *dst,
                        const char **ret_content_type)
{
    buf_printf(dst, "%s %d %s", (const char *)arg, status, e->msg);
    *ret_content_type = "text/plain";
}

static void test_error_body(void **state)
{
    static const char NAME[] = "custom";
    struct fixture f;
    char *answer;

    (void)state;
    setup_with(&f, (struct http_server_opts){.error_body = plain_error,
                                             .error_arg = (void *)(uintptr_t)NAME});
    answer = talk(&f, STR("GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\ncustom 404 no such path: /nothing"));
    mem_free(answer);
    answer = talk(&f, STR("GET /failing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_non_null(strstr(answer, "\r\n\r\ncustom 429 too \"many\""));
    assert_non_null(strstr(answer, "Content-Type: text/plain\r\n"));
    mem_free(answer);
    http_server_free(f.s);
    pool_free(f.pool);
    stats_free(f.stats);
}

static void test_pipelining(void **state)
{
    struct fixture *f = *state;
    int fd = net_dial(http_server_address(f->s));
    struct buf b;
    size_t answers = 0;

    buf_init(&b, 1 << 20);
    assert_true(
        net_send(fd, STR("GET /echo?q=1 HTTP/1.1\r\nHost: a\r\n\r\n"
                         "POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                         "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
                         "GET /work?q=4 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")));
    net_recv_all(fd, &b);
    for (struct str rest = buf_str(&b); str_find(rest, STR("HTTP/1.1 ")) >= 0; answers++) {
        rest = str_drop(rest, (size_t)str_find(rest, STR("HTTP/1.1 ")) + 9);
    }
    assert_int_equal(answers, 4);
    assert_true(str_find(buf_str(&b), STR("q0=1")) < str_find(buf_str(&b), STR("body=3:abc")));
    assert_true(str_find(buf_str(&b), STR("body=3:abc")) <
                str_find(buf_str(&b), STR("404 Not Found")));
    assert_true(str_find(buf_str(&b), STR("404 Not Found")) < str_find(buf_str(&b), STR("q0=4")));
    buf_done(&b);
    close(fd);
}

static void test_split_at_every_byte(void **state)
{
    static const char REQUEST[] =
        "POST /work?q=a%20b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
    struct fixture *f = *state;
    int fd = net_dial(http_server_address(f->s));
    struct buf b;

    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < sizeof(REQUEST) - 1; i++) {
        assert_true(net_send(fd, str_of(REQUEST + i, 1)));
        clock_sleep_ms(1);
    }
    assert_true(net_recv_until(fd, &b, "q0=a b"));
    assert_true(net_recv_until(fd, &b, "body=6:hello!"));
    /* Two pieces, cut everywhere, on the same connection. */
    for (size_t cut = 1; cut < sizeof(REQUEST) - 1; cut += 7) {
        buf_clear(&b);
        assert_true(net_send(fd, str_of(REQUEST, cut)));
        clock_sleep_ms(2);
        assert_true(net_send(fd, str_of(REQUEST + cut, sizeof(REQUEST) - 1 - cut)));
        assert_true(net_recv_until(fd, &b, "body=6:hello!"));
    }
    buf_done(&b);
    close(fd);
}

static void test_continue(void **state)
{
    struct fixture *f = *state;
    int fd = net_dial(http_server_address(f->s));
    struct buf b;

    buf_init(&b, 1 << 20);
    assert_true(net_send(
        fd,
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")));
    assert_true(net_recv_until(fd, &b, "HTTP/1.1 100 Continue\r\n\r\n"));
    assert_true(net_send(fd, STR("body")));
    assert_true(net_recv_until(fd, &b, "body=4:body"));
    buf_done(&b);
    close(fd);
    buf_init(&b, 1 << 20);
    fd = net_dial(http_server_address(f->s));
    assert_true(net_send(
        fd,
        STR("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4000\r\n\r\n")));
    net_recv_all(fd, &b);
    assert_true(str_starts(buf_str(&b), STR("HTTP/1.1 413 ")));
    buf_done(&b);
    close(fd);
}

/* Send chunks of 1000 bytes until `total` or until the server closes. */
static void send_chunks(int fd, size_t total)
{
    char zeros[1007];

    memset(zeros, '0', sizeof(zeros));
    memcpy(zeros, "3e8\r\n", 5);
    memcpy(zeros + 1005, "\r\n", 2);
    for (size_t sent = 0; sent < total; sent += 1000) {
        if (!net_send(fd, str_of(zeros, sizeof(zeros)))) {
            return;
        }
    }
    ignore_result(net_send(fd, STR("0\r\n\r\n")), "the server may have closed");
}

static void test_too_large_by_chunks(void **state)
{
    static const struct {
        const char *path;
        size_t total;
        const char *expect;
    } CASES[] = {
        {"/echo", 1000, "HTTP/1.1 200 "},
        {"/echo", 2000, "HTTP/1.1 413 "},
        {"/echo", 500000, "HTTP/1.1 413 "},   /* read away */
        {"/echo", 50000000, "HTTP/1.1 413 "}, /* cut */
        {"/work", 900000, "HTTP/1.1 200 "},
        {"/work", 1500000, "HTTP/1.1 429 "}, /* the budget is 1 MiB */
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int fd = net_dial(http_server_address(f->s));
        char head[256];
        struct buf b;

        buf_init(&b, 1 << 20);
        snprintf(
            head, sizeof(head),
            "POST %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            CASES[i].path);
        assert_true(net_send(fd, str_cstr(head)));
        send_chunks(fd, CASES[i].total);
        net_recv_all(fd, &b);
        if (!str_starts(buf_str(&b), str_cstr(CASES[i].expect)) && CASES[i].total < 10000000) {
            fail_msg("case %zu: %.*s", i, STR_ARG(str_take(buf_str(&b), 200)));
        }
        /* A cut connection may lose the answer to a reset, but never gives another one. */
        assert_true(b.n == 0 || str_starts(buf_str(&b), str_cstr(CASES[i].expect)));
        buf_done(&b);
        close(fd);
    }
    NET_EVENTUALLY(budget_used(&f->budget) == 0);
}

static void test_budget_by_length(void **state)
{
    struct fixture *f = *state;
    char *answer =
        talk(f, STR("POST /work HTTP/1.1\r\nHost: a\r\nContent-Length: 1500000\r\n\r\n"));

    assert_memory_equal(answer, "HTTP/1.1 429 ", 13);
    assert_non_null(strstr(answer, "Retry-After: 5\r\n"));
    mem_free(answer);
    assert_int_equal(counter_get(stats_counter(f->stats, "bongsu_http_rejected_total",
                                               "door=\"test\",reason=\"body_budget\"", "")),
                     1);
    assert_int_equal(counter_get(stats_counter(f->stats, "bongsu_http_requests_total",
                                               "door=\"test\",code=\"429\"", "")),
                     1);
}

static void test_large_headers(void **state)
{
    static const struct {
        size_t url;
        size_t header;
        size_t count;
        const char *expect;
    } CASES[] = {
        {10, 1000, 20, "HTTP/1.1 200 "},  {10, 1000, 40, "HTTP/1.1 431 "},
        {10, 60000, 1, "HTTP/1.1 431 "},  {10, 500000, 1, "HTTP/1.1 431 "},
        {10, 10, 5000, "HTTP/1.1 431 "},  {20000, 10, 1, "HTTP/1.1 200 "},
        {500000, 10, 1, "HTTP/1.1 414 "},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct buf b;
        char *answer;

        buf_init(&b, 4 << 20);
        buf_add_cstr(&b, "GET /echo?u=");
        for (size_t k = 0; k < CASES[i].url; k++) {
            buf_add_byte(&b, 'u');
        }
        buf_add_cstr(&b, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n");
        for (size_t k = 0; k < CASES[i].count; k++) {
            buf_printf(&b, "X-%zu: ", k);
            for (size_t m = 0; m < CASES[i].header; m++) {
                buf_add_byte(&b, 'h');
            }
            buf_add_cstr(&b, "\r\n");
        }
        buf_add_cstr(&b, "\r\n");
        answer = talk(f, buf_str(&b));
        /* What is far too large is cut while it is sent: the answer may be lost to the reset. */
        if (strncmp(answer, CASES[i].expect, 12) != 0 && !(answer[0] == '\0' && b.n > 100000)) {
            fail_msg("case %zu: %.100s", i, answer);
        }
        mem_free(answer);
        buf_done(&b);
    }
}

static void test_garbage(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
    } CASES[] = {
        {"\r\n\r\n", 4},
        {"\0\0\0\0\r\n\r\n", 8},
        {"GET\r\n\r\n", 7},
        {"GET /echo\r\n\r\n", 13},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24},
        {"GET /ec\0ho HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 51},
        {"GET /echo HTTP/1.1\r\nHost: a\r\nX: a\0b\r\nConnection: close\r\n\r\n", 58},
        {"GET /echo HTTP/9.9\r\n\r\n", 22},
        {"GET /echo HTTP/1.1\r\n\r\n", 22}, /* no Host */
        {"GET echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 49},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 50},
        {": : :\r\n: :\r\n\r\n", 14},
        {"GET /echo HTTP/1.1\r\nHost: a\r\nBad Header\r\n: x\r\nConnection: close\r\n\r\n", 68},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int fd = net_dial(http_server_address(f->s));
        struct buf b;

        buf_init(&b, 1 << 20);
        ignore_result(net_send(fd, str_of(CASES[i].bytes, CASES[i].n)), "the server may close");
        shutdown(fd, SHUT_WR);
        for (int n = 1; n > 0;) {
            n = net_recv(fd, &b, NET_TEST_WAIT_MS);
            if (n < 0) {
                fail_msg("case %zu: not closed: %.*s", i, STR_ARG(buf_str(&b)));
            }
        }
        assert_true(b.n == 0 || str_starts(buf_str(&b), STR("HTTP/1.1 ")) ||
                    str_starts(buf_str(&b), STR("HTTP/1.0 ")));
        assert_true(str_find(buf_str(&b), STR("path=/ec ")) < 0);
        buf_done(&b);
        close(fd);
    }
    {
        char *answer = talk(f, STR("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));

        assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
        mem_free(answer);
    }
}

static int setup_few(void **state)
{
    static struct fixture f;

    setup_with(&f,
               (struct http_server_opts){.max_connections = 8, .threads = 2, .idle_timeout_s = 1});
    *state = &f;
    return 0;
}

static void test_connection_flood(void **state)
{
    struct fixture *f = *state;
    struct gauge *open = stats_gauge(f->stats, "bongsu_http_connections", "door=\"test\"", "");
    int fds[100];
    char *answer;

    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = net_dial(http_server_address(f->s));
        assert_true(atomic_load(&open->v) <= 8);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        close(fds[i]);
    }
    answer = talk(f, STR("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    mem_free(answer);
}

static void test_slow_senders(void **state)
{
    static const char *const STARTS[] = {
        "",
        "GET /echo HTTP/1.1\r\nHost: a\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n384\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(STARTS); i++) {
        int fd = net_dial(http_server_address(f->s));
        struct mono start = clock_mono();
        struct buf b;
        int n = -1;

        buf_init(&b, 1 << 20);
        assert_true(net_send(fd, str_cstr(STARTS[i])));
        /* A byte every 100 ms: never idle for the whole timeout of 1 s, yet cut soon after it. */
        while (n < 0 && mono_since_ns(start) < 8000000000LL) {
            ignore_result(net_send(fd, i == 0 ? STR("") : STR("a")),
                          "a closed connection is seen below");
            n = net_recv(fd, &b, 100);
        }
        assert_true(n >= 0);
        assert_true(mono_since_ns(start) > 900000000LL);
        assert_true(mono_since_ns(start) < 6000000000LL);
        buf_done(&b);
        close(fd);
    }
}

static void test_start_errors(void **state)
{
    static const struct {
        const char *address;
        const char *cert;
        int rc;
        const char *error;
    } CASES[] = {
        {"nonsense", NULL, -ERR_INVALID, "'nonsense' is not an address like 127.0.0.1:7800"},
        {"127.0.0.1:99999", NULL, -ERR_INVALID,
         "'127.0.0.1:99999' is not an address like 127.0.0.1:7800"},
        {"127.0.0.1:", NULL, -ERR_INVALID, "'127.0.0.1:' is not an address like 127.0.0.1:7800"},
        {"::1:80", NULL, -ERR_INVALID, "'::1:80' is not an address like 127.0.0.1:7800"},
        {"192.0.2.1:0", NULL, -ERR_UNAVAILABLE,
         "cannot listen on 192.0.2.1:0: Cannot assign requested address"},
        {"127.0.0.1:0", "/nonexistent.pem", -ERR_IO,
         "cannot read /nonexistent.pem: No such file or directory"},
        {"127.0.0.1:0", "/etc/hostname", -ERR_IO, NULL},
    };
    struct http_server *s;
    struct err e = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        s = http_server_new(&(struct http_server_opts){.name = "t",
                                                       .address = CASES[i].address,
                                                       .tls_cert = CASES[i].cert,
                                                       .tls_key = CASES[i].cert});
        assert_int_equal(http_server_start(s, &e), CASES[i].rc);
        if (CASES[i].error != NULL) {
            assert_string_equal(e.msg, CASES[i].error);
        }
        http_server_free(s);
    }
    {
        const struct http_route route = {"GET", "/w", echo, NULL, HTTP_WORKER, 0, 0};

        s = http_server_new(&(struct http_server_opts){.name = "t", .address = "127.0.0.1:0"});
        http_server_route(s, &route, 1);
        assert_int_equal(http_server_start(s, &e), -ERR_INVALID);
        assert_string_equal(e.msg, "/w needs a worker pool");
        http_server_free(s);
    }
}

static void test_port_in_use(void **state)
{
    struct fixture *f = *state;
    struct http_server *s = http_server_new(
        &(struct http_server_opts){.name = "t", .address = http_server_address(f->s)});
    struct err e = {0};

    assert_int_equal(http_server_start(s, &e), -ERR_EXISTS);
    http_server_free(s);
}

static void test_ipv6(void **state)
{
    const struct http_route route = {"GET", "/echo", echo, NULL, HTTP_INLINE, 0, 0};
    struct http_server *s =
        http_server_new(&(struct http_server_opts){.name = "t", .address = "[::1]:0"});
    struct err e = {0};
    int rc;

    (void)state;
    http_server_route(s, &route, 1);
    rc = http_server_start(s, &e);
    if (rc == 0) { /* machines without IPv6 give -ERR_UNAVAILABLE */
        assert_memory_equal(http_server_address(s), "[::1]:", 6);
    } else {
        assert_int_equal(rc, -ERR_UNAVAILABLE);
    }
    http_server_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_table, setup, teardown),
        cmocka_unit_test(test_error_body),
        cmocka_unit_test_setup_teardown(test_pipelining, setup, teardown),
        cmocka_unit_test_setup_teardown(test_split_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_continue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_large_by_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_budget_by_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage, setup_few, teardown),
        cmocka_unit_test_setup_teardown(test_connection_flood, setup_few, teardown),
        cmocka_unit_test_setup_teardown(test_slow_senders, setup_few, teardown),
        cmocka_unit_test(test_start_errors),
        cmocka_unit_test_setup_teardown(test_port_in_use, setup, teardown),
        cmocka_unit_test(test_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
