/* SPDX-License-Identifier: Apache-2.0
 *
 * Entry spans as tables: what old and new semantic conventions, broken values and missing attributes become.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apm/entry.h"
#include "apm/url_segments.h"

#define S(k, t)                      \
    {                                \
        STR(k),                      \
        {                            \
            VALUE_STR, .u.s = STR(t) \
        }                            \
    }
#define I(k, n)                   \
    {                             \
        STR(k),                   \
        {                         \
            VALUE_I64, .u.i = (n) \
        }                         \
    }
#define B(k)                        \
    {                               \
        STR(k),                     \
        {                           \
            VALUE_BOOL, .u.b = true \
        }                           \
    }

enum { ATTRS = 8 };

static size_t count(const struct attr *v)
{
    size_t n = 0;

    while (n < ATTRS && v[n].key.n != 0) {
        n++;
    }
    return n;
}

static struct span span_with(const struct attr *v, const struct resource *r, uint8_t kind)
{
    static const struct scope NO_SCOPE = {0};

    return (struct span){.name = STR("the span"),
                         .start_ns = 1000,
                         .end_ns = 3500,
                         .attrs = {v, count(v)},
                         .resource = r,
                         .scope = &NO_SCOPE,
                         .kind = kind};
}

static void assert_str(struct str got, const char *want)
{
    char text[ENTRY_OPERATION_MAX + 1] = "";

    memcpy(text, got.p != NULL ? got.p : "", got.n);
    assert_string_equal(text, want);
}

static void test_operations(void **state)
{
    static const struct {
        struct attr attrs[ATTRS];
        const char *operation;
        enum entry_named named;
    } CASES[] = {
        {{S("http.request.method", "GET"), S("http.route", "/orders/{id}"),
          S("url.path", "/orders/7")},
         "GET /orders/{id}",
         ENTRY_BY_ROUTE},
        {{S("http.method", "POST"), S("http.route", "/orders")}, "POST /orders", ENTRY_BY_ROUTE},
        {{S("http.method", "old"), S("http.request.method", "put"), S("http.route", "/a")},
         "PUT /a",
         ENTRY_BY_ROUTE},
        {{S("http.request.method", "PUT"), S("http.method", "GET"), S("http.route", "/a")},
         "PUT /a",
         ENTRY_BY_ROUTE},
        {{S("http.request.method", "_OTHER"), S("http.route", "/a")}, "HTTP /a", ENTRY_BY_ROUTE},
        {{S("http.route", "/a")}, "/a", ENTRY_BY_ROUTE},
        /* routes that say nothing give way to the path */
        {{S("http.method", "GET"), S("http.route", "/app/*"), S("http.target", "/app/list.do?p=1")},
         "GET /app/list.do",
         ENTRY_BY_PATH},
        {{S("http.method", "GET"), S("http.route", "/**")}, "GET /**", ENTRY_BY_ROUTE},
        {{S("http.route", "/"), S("url.path", "/")}, "/", ENTRY_BY_PATH},
        /* paths */
        {{S("http.request.method", "GET"), S("url.path", "/users/42/cart/")},
         "GET /users/{id}/cart",
         ENTRY_BY_PATH},
        {{S("http.method", "GET"), S("http.target", "/u/a%40b.com?x=/y#z")},
         "GET /u/{email}",
         ENTRY_BY_PATH},
        {{S("http.method", "GET"), S("http.url", "https://h:8443/a/7?b=c")},
         "GET /a/{id}",
         ENTRY_BY_PATH},
        {{S("http.method", "GET"), S("url.full", "https://h?b=c")}, "GET /", ENTRY_BY_PATH},
        /* rpc */
        {{S("rpc.service", "shop.Cart"), S("rpc.method", "Add")}, "shop.Cart/Add", ENTRY_BY_RPC},
        {{S("rpc.method", "shop.Cart/Add")}, "shop.Cart/Add", ENTRY_BY_RPC},
        {{S("rpc.service", "shop.Cart")}, "shop.Cart/*", ENTRY_BY_RPC},
        /* messaging */
        {{S("messaging.operation", "receive"), S("messaging.destination", "orders")},
         "receive orders",
         ENTRY_BY_MESSAGING},
        {{S("messaging.operation.type", "process"), S("messaging.operation.name", "consume"),
          S("messaging.destination.name", "orders-7"),
          S("messaging.destination.template", "orders-{n}")},
         "consume orders-{n}",
         ENTRY_BY_MESSAGING},
        {{S("messaging.destination.name", "amq.gen-3f"), B("messaging.destination.temporary")},
         "process (temporary)",
         ENTRY_BY_MESSAGING},
        /* nothing known */
        {{S("http.request.method", "GET")}, "the span", ENTRY_BY_SPAN_NAME},
        {{I("http.route", 7)}, "the span", ENTRY_BY_SPAN_NAME},
    };
    static const struct resource R = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct span s = span_with(CASES[i].attrs, &R, SPAN_SERVER);
        struct entry e;

        assert_true(entry_of(&s, &e));
        assert_str(e.operation, CASES[i].operation);
        assert_int_equal(e.named, CASES[i].named);
    }
}

static void test_outcomes(void **state)
{
    static const struct {
        struct attr attrs[ATTRS];
        uint8_t span_status;
        int status;
        enum entry_outcome outcome;
        bool error;
    } CASES[] = {
        {{I("http.response.status_code", 200)}, SPAN_STATUS_UNSET, 200, ENTRY_OK, false},
        {{I("http.status_code", 404)}, SPAN_STATUS_UNSET, 404, ENTRY_4XX, false},
        {{I("http.status_code", 500), I("http.response.status_code", 204)},
         SPAN_STATUS_UNSET,
         204,
         ENTRY_OK,
         false},
        {{S("http.status_code", "503")}, SPAN_STATUS_UNSET, 503, ENTRY_5XX, true},
        {{S("http.status_code", "bad")}, SPAN_STATUS_UNSET, 0, ENTRY_OK, false},
        {{I("http.status_code", -1)}, SPAN_STATUS_UNSET, 0, ENTRY_OK, false},
        {{I("http.status_code", 1000)}, SPAN_STATUS_UNSET, 0, ENTRY_OK, false},
        {{I("http.status_code", 200)}, SPAN_STATUS_ERROR, 200, ENTRY_5XX, true},
        {{I("http.status_code", 400)}, SPAN_STATUS_ERROR, 400, ENTRY_4XX, true},
        {{S("", "")}, SPAN_STATUS_ERROR, 0, ENTRY_5XX, true},
        {{S("", "")}, SPAN_STATUS_OK, 0, ENTRY_OK, false},
        {{I("rpc.grpc.status_code", 0)}, SPAN_STATUS_UNSET, 0, ENTRY_OK, false},
        {{I("rpc.grpc.status_code", 5)}, SPAN_STATUS_UNSET, 0, ENTRY_4XX, false},
        {{I("rpc.grpc.status_code", 13)}, SPAN_STATUS_UNSET, 0, ENTRY_5XX, true},
    };
    static const struct resource R = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct span s = span_with(CASES[i].attrs, &R, SPAN_SERVER);
        struct entry e;

        s.status = CASES[i].span_status;
        assert_true(entry_of(&s, &e));
        assert_int_equal(e.status, CASES[i].status);
        assert_int_equal(e.outcome, CASES[i].outcome);
        assert_int_equal(e.error, CASES[i].error);
    }
}

static void test_resources(void **state)
{
    static const char UUID[] = "627cc493-f310-47de-96bd-71410b7dec09";

    static const struct {
        struct attr attrs[ATTRS];
        const char *group, *instance, *shown, *host;
    } CASES[] = {
        {{S("service.name", "api"), S("service.namespace", "shop"),
          S("service.instance.id", "api-1")},
         "shop/api",
         "api-1",
         "api-1",
         ""},
        {{S("service.name", "api"), S("k8s.pod.name", "api-7f"), S("host.name", "n1")},
         "api",
         "api-7f",
         "api-7f",
         "n1"},
        {{S("service.name", "api"), S("k8s.node.name", "n2")}, "api", "n2", "n2", "n2"},
        {{S("service.name", "api"), S("host.name", "n1"), S("k8s.node.name", "n2")},
         "api",
         "n1",
         "n1",
         "n1"},
        {{S("service.name", "api"),
          S("service.instance.id", "627cc493-f310-47de-96bd-71410b7dec09"), S("host.name", "n1")},
         "api",
         UUID,
         "n1",
         "n1"},
        {{S("service.name", "api"),
          S("service.instance.id", "627cc493-f310-47de-96bd-71410b7dec09")},
         "api",
         UUID,
         UUID,
         ""},
        {{S("other", "x")}, "unknown_service", "", "", ""},
    };
    static const struct attr NONE[ATTRS] = {S("", "")};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct resource r = {.attrs = {CASES[i].attrs, count(CASES[i].attrs)}};
        struct span s = span_with(NONE, &r, SPAN_CONSUMER);
        struct entry e;

        assert_true(entry_of(&s, &e));
        assert_str(e.group, CASES[i].group);
        assert_str(e.instance, CASES[i].instance);
        assert_str(e.instance_name, CASES[i].shown);
        assert_str(e.host, CASES[i].host);
    }
}

static void test_kinds_times_and_limits(void **state)
{
    static const struct attr ROUTE[ATTRS] = {S("http.route", "/a"), S("client.address", "10.0.0.1"),
                                             S("net.peer.ip", "10.0.0.2"),
                                             S("http.user_agent", "ua")};
    static char long_name[1000];
    static const struct resource R = {0};
    struct span s = span_with(ROUTE, &R, SPAN_SERVER);
    struct entry e;

    (void)state;
    assert_true(entry_of(&s, &e));
    assert_int_equal(e.duration_ns, 2500);
    assert_str(e.client, "10.0.0.1");
    assert_str(e.user_agent, "ua");
    entry_set_path_operation(&e, STR("/b/{id}"));
    assert_str(e.operation, "/b/{id}");
    s.end_ns = 10; /* a clock that is wrong */
    assert_true(entry_of(&s, &e));
    assert_int_equal(e.duration_ns, 0);
    assert_int_equal(e.end_ns, 1000);
    for (uint8_t kind = 0; kind < SPAN_KIND_COUNT; kind++) {
        s.kind = kind;
        assert_int_equal(entry_of(&s, &e), kind == SPAN_SERVER || kind == SPAN_CONSUMER);
    }
    /* a name that is too long is cut, and not inside a character */
    memset(long_name, 'a', sizeof(long_name));
    memcpy(long_name + ENTRY_OPERATION_MAX - 1, "\xea\xb0\x80", 3);
    s = span_with(&ROUTE[3], &R, SPAN_SERVER);
    s.name = str_of(long_name, sizeof(long_name));
    assert_true(entry_of(&s, &e));
    assert_int_equal(e.operation.n, ENTRY_OPERATION_MAX - 1);
    assert_true(str_is_utf8(e.operation));
}

static void test_segments(void **state)
{
    static const struct {
        const char *text;
        enum segment_kind kind;
    } CASES[] = {
        {"", SEGMENT_WORD},
        {"orders", SEGMENT_WORD},
        {"v1", SEGMENT_WORD},
        {"v2.0", SEGMENT_WORD},
        {"oauth2", SEGMENT_WORD},
        {"list.do", SEGMENT_WORD},
        {"app.4f2a1b9c.js", SEGMENT_WORD},
        {"deadbeef", SEGMENT_WORD}, /* no digit: could be a word */
        {"base64-encode-utf8", SEGMENT_WORD},
        {"\xec\xa3\xbc\xeb\xac\xb8", SEGMENT_WORD},
        {"42", SEGMENT_NUMBER},
        {"-1", SEGMENT_NUMBER},
        {"12,13,14", SEGMENT_NUMBER},
        {"37.5665", SEGMENT_NUMBER},
        {"010-1234-5678", SEGMENT_NUMBER},
        {"order-12345", SEGMENT_NUMBER},
        {"A100234", SEGMENT_NUMBER},
        {"627cc493-f310-47de-96bd-71410b7dec09", SEGMENT_UUID},
        {"627CC493-F310-47DE-96BD-71410B7DEC09", SEGMENT_UUID},
        {"4f2a1b9c", SEGMENT_HASH},
        {"d41d8cd98f00b204e9800998ecf8427e", SEGMENT_HASH},
        {"2026-01-31", SEGMENT_DATE},
        {"2026-01-31T10:00:00Z", SEGMENT_DATE},
        {"20260131", SEGMENT_DATE},
        {"30260131", SEGMENT_NUMBER},
        {"user@example.com", SEGMENT_EMAIL},
        {"u7%40example.com", SEGMENT_EMAIL},
        {"@scope", SEGMENT_WORD},
        {"10.0.0.12", SEGMENT_IP},
        {"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", SEGMENT_TOKEN},
        {"a1b2c3d4e5zz", SEGMENT_TOKEN},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        if (url_segment_kind(str_cstr(CASES[i].text)) != CASES[i].kind) {
            fail_msg("%s is %d, not %d", CASES[i].text, url_segment_kind(str_cstr(CASES[i].text)),
                     CASES[i].kind);
        }
    }
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *want;
    } CASES[] = {
        {"/", "/"},
        {"", "/"},
        {"//a//7/", "/a/{id}"},
        {"/a;jsessionid=1F3A/b", "/a/b"},
        {"/;x", "/"},
        {"a/b", "/a/b"},
        {"/1/2/3/4/5/6/7/8/9/10/11/12/13/14",
         "/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/*"},
        {"/wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww/b", "/{long}/b"},
    };

    char dst[ENTRY_OPERATION_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        size_t n = url_segments_template(str_cstr(CASES[i].path), dst, sizeof(dst));

        assert_str(str_of(dst, n), CASES[i].want);
    }
    assert_int_equal(url_segments_template(STR("/abc/def"), dst, 5), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations), cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_resources),  cmocka_unit_test(test_kinds_times_and_limits),
        cmocka_unit_test(test_segments),   cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
