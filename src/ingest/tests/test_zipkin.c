/* SPDX-License-Identifier: Apache-2.0
 *
 * Zipkin spans as they are stored: the example of the Zipkin documentation, every field in both encodings, and
 * what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "fake_store.h"
#include "ingest/zipkin.h"

enum { ARRIVAL_NS = 2000000000 };

static int receive(enum zipkin_encoding enc, struct str body, struct fake_store *store,
                   struct err *e)
{
    struct sink sink = {
        .metrics = fake_tsdb(store), .spans = fake_columns(store), .logs = fake_columns(store)};
    struct arena arena;
    struct otlp *o;
    int rc;

    fake_store_init(store);
    store->min_ms = INT64_MIN;
    ingest_limits_default(&sink.limits);
    arena_init(&arena, 16 << 20);
    o = otlp_new(&sink);
    rc = zipkin_receive(o, enc, body, ARRIVAL_NS, &arena, e);
    otlp_free(o);
    arena_done(&arena);
    return rc;
}

#define IDS "\"traceId\":\"5af7183fb1d4cf5f\",\"id\":\"352bff9a74ca9ad2\""

static const struct {
    const char *json;
    const char *want[8]; /* parts of the stored row; "!x": not there */
} CASES[] = {
    {"[{\"traceId\":\"5af7183fb1d4cf5f\",\"parentId\":\"6b221d5bc9e6496c\",\"id\":\"352bff9a74ca9ad2\","
     "\"kind\":\"CLIENT\",\"name\":\"get\",\"timestamp\":1556604172355737,\"duration\":1431,"
     "\"localEndpoint\":{\"serviceName\":\"frontend\",\"ipv4\":\"192.168.99.1\",\"port\":8080},"
     "\"remoteEndpoint\":{\"serviceName\":\"backend\",\"ipv4\":\"192.168.99.101\",\"port\":9000},"
     "\"annotations\":[{\"timestamp\":1556604172355800,\"value\":\"wr\"}],"
     "\"tags\":{\"http.path\":\"/api\"},\"debug\":true,\"shared\":false}]",
     {"00000000000000005af7183fb1d4cf5f", "352bff9a74ca9ad2", "6b221d5bc9e6496c",
      "1556604172355737000", "1556604172357168000", "frontend", "backend", "/api"}},
    {"[{" IDS ",\"kind\":\"SERVER\",\"timestamp\":1000000,\"annotations\":[{\"timestamp\":1000001,"
     "\"value\":\"wr\"}]}]",
     {"unknown_service", "\"wr\"", "1000001000"}},
    {"[{" IDS ",\"timestamp\":1000000,\"duration\":5,\"tags\":{\"otel.status_code\":\"ERROR\","
     "\"error\":\"it broke\",\"otel.scope.name\":\"lib\",\"otel.scope.version\":\"1.2\","
     "\"w3c.tracestate\":\"a=b\"}}]",
     {"it broke", "\"lib\"", "\"1.2\"", "a=b", "!otel.status_code", "!otel.scope"}},
    {"[{" IDS ",\"timestamp\":1000000,\"tags\":{\"error\":\"true\"}}]", {"!\"error\":\"true\""}},
    {"[{" IDS ",\"duration\":1000}]",
     {"1999000000", "2000000000"}}, /* no time: it ends as it comes */
    {"[{" IDS ",\"timestamp\":\"1000000\",\"name\":null,\"kind\":\"STRANGE\",\"tags\":null,"
     "\"annotations\":null,\"localEndpoint\":null,\"more\":[{}]}]",
     {"1000000000"}},
    {"[]", {NULL}},
};

static void check_parts(const char *input, const struct fake_store *store,
                        const char *const want[8])
{
    for (size_t i = 0; i < 8 && want[i] != NULL; i++) {
        bool absent = want[i][0] == '!';
        struct str part = str_cstr(want[i] + (absent ? 1 : 0));

        if ((str_find(buf_str(&store->rows), part) >= 0) == absent) {
            fail_msg("%s\n row %.*s\n %s %s", input, STR_ARG(buf_str(&store->rows)),
                     absent ? "has" : "lacks", part.p);
        }
    }
}

static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct fake_store store;
        struct err e = {0};

        if (receive(ZIPKIN_JSON, str_cstr(CASES[i].json), &store, &e) < 0) {
            fail_msg("%s: %s", CASES[i].json, e.msg);
        }
        assert_int_equal(store.rows_n, CASES[i].want[0] != NULL);
        check_parts(CASES[i].json, &store, CASES[i].want);
        fake_store_done(&store);
    }
}

static const struct {
    const char *json;
    const char *want;
} ERRORS[] = {
    {"", "expected a value at byte 0"},
    {"{}", "a list of spans is expected"},
    {"[1]", "span 0: a span is an object"},
    {"[null]", "span 0: a span is an object"},
    {"[{}]", "span 0: no traceId"},
    {"[{" IDS "},{\"traceId\":\"1\"}]", "span 1: no id"},
    {"[{\"traceId\":\"xyz\"}]", "span 0: traceId must be 16 or 32 hex digits"},
    {"[{\"traceId\":5}]", "span 0: a string is expected"},
    {"[{\"id\":\"123456789012345678\"}]", "span 0: id must be 16 hex digits"},
    {"[{\"parentId\":\"-\"}]", "span 0: parentId must be 16 hex digits"},
    {"[{\"timestamp\":\"x\"}]", "span 0: a number is expected"},
    {"[{\"timestamp\":{}}]", "span 0: a number is expected"},
    {"[{\"localEndpoint\":5}]", "span 0: an endpoint is an object"},
    {"[{\"annotations\":{}}]", "span 0: annotations are an array"},
    {"[{\"annotations\":[1]}]", "span 0: an annotation is an object"},
    {"[{\"tags\":[]}]", "span 0: tags are an object"},
    {"[{\"tags\":{\"a\":1}}]", "span 0: a string is expected"},
    {"[{" IDS "}", NULL},
    {"[] x", NULL},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ERRORS); i++) {
        struct fake_store store;
        struct err e = {0};

        if (receive(ZIPKIN_JSON, str_cstr(ERRORS[i].json), &store, &e) >= 0) {
            fail_msg("%s is accepted", ERRORS[i].json);
        }
        if (i != 0 && ERRORS[i].want != NULL && strcmp(e.msg, ERRORS[i].want) != 0) {
            fail_msg("%s: %s", ERRORS[i].json, e.msg);
        }
        assert_int_equal(store.rows_n, 0);
        fake_store_done(&store);
    }
}

static void test_protobuf(void **state)
{
    static const uint8_t SPAN[] = {
        0x0a, 16,   1,    2,    3,    4,    5,    6,  7,    8,    9,    10,   11,   12,   13,
        14,   15,   16,   0x12, 8,    1,    1,    1,  1,    1,    1,    1,    1,    0x1a, 8,
        2,    2,    2,    2,    2,    2,    2,    2,  0x20, 2,    0x2a, 3,    'g',  'e',  't',
        0x31, 0x40, 0x42, 0x0f, 0,    0,    0,    0,  0,    0x38, 100,  0x42, 5,    0x0a, 3,
        'w',  'e',  'b',  0x4a, 11,   0x12, 4,    10, 0,    0,    1,    0x20, 0xb8, 0x17, 0x0a,
        0,    0x52, 13,   0x09, 0x41, 0x42, 0x0f, 0,  0,    0,    0,    0,    0x12, 2,    'w',
        'r',  0x5a, 6,    0x0a, 1,    'k',  0x12, 1,  'v'};
    static const char *const want[8] = {"0102030405060708090a0b0c0d0e0f10",
                                        "0101010101010101",
                                        "0202020202020202",
                                        "\"get\"",
                                        "1000000000",
                                        "1000100000",
                                        "10.0.0.1",
                                        "\"web\""};
    static const uint8_t SHORT[] = {0x0a, 3, 0x0a, 1, 1};
    struct fake_store store;
    struct err e = {0};
    uint8_t list[128] = {0x0a, sizeof(SPAN)};

    (void)state;
    memcpy(list + 2, SPAN, sizeof(SPAN));
    if (receive(ZIPKIN_PROTOBUF, str_of((const char *)list, sizeof(SPAN) + 2), &store, &e) < 0) {
        fail_msg("%s", e.msg);
    }
    assert_int_equal(store.rows_n, 1);
    check_parts("protobuf", &store, want);
    fake_store_done(&store);
    assert_int_equal(
        receive(ZIPKIN_PROTOBUF, str_of((const char *)SHORT, sizeof(SHORT)), &store, &e),
        -ERR_INVALID);
    assert_string_equal(e.msg, "span 0: trace_id must be 8 or 16 bytes");
    fake_store_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_protobuf),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
