/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP against the tables in data/{traces,logs,metrics}.json: what a request leaves in the store, what is
 * answered, or which error it gives. Every accepted case is sent a second time as protobuf and must leave
 * the same. data/README.md explains the tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/err.h"
#include "fake_store.h"
#include "ingest/otlp_internal.h"

struct rig {
    struct fake_store store;
    struct sink sink;
    struct otlp *otlp;
    struct arena arena;
    struct buf response;
};

static void rig_init(struct rig *r)
{
    fake_store_init(&r->store);
    r->sink = (struct sink){.metrics = fake_tsdb(&r->store),
                            .spans = fake_columns(&r->store),
                            .logs = fake_columns(&r->store)};
    ingest_limits_default(&r->sink.limits);
    arena_init(&r->arena, 64 << 20);
    buf_init(&r->response, 1 << 20);
}

static void rig_done(struct rig *r)
{
    otlp_free(r->otlp);
    fake_store_done(&r->store);
    arena_done(&r->arena);
    buf_done(&r->response);
}

enum { ARRIVAL_NS = 7000000 };

static int send(struct rig *r, enum otlp_signal signal, enum otlp_encoding enc, struct str body,
                struct err *e)
{
    struct otlp_request req = {signal, enc, body, "otlp_http", ARRIVAL_NS};

    arena_reset(&r->arena);
    buf_clear(&r->response);
    return otlp_export(r->otlp, &req, &r->arena, &r->response, e);
}

static size_t size_of(const json_t *o, const char *key, size_t otherwise)
{
    const json_t *v = json_object_get(o, key);

    return v != NULL ? (size_t)json_integer_value(v) : otherwise;
}

static void apply_settings(struct rig *r, const json_t *c)
{
    const json_t *l = json_object_get(c, "limits");
    const json_t *s = json_object_get(c, "store");
    struct ingest_limits *lim = &r->sink.limits;

    r->sink.otlp_nhcb = json_is_true(json_object_get(c, "nhcb"));
    lim->max_attrs = size_of(l, "max_attrs", lim->max_attrs);
    lim->max_labels = size_of(l, "max_labels", lim->max_labels);
    lim->max_attr_key_bytes = size_of(l, "max_attr_key_bytes", lim->max_attr_key_bytes);
    lim->max_attr_value_bytes = size_of(l, "max_attr_value_bytes", lim->max_attr_value_bytes);
    lim->max_label_value_bytes = size_of(l, "max_label_value_bytes", lim->max_label_value_bytes);
    lim->max_value_depth = size_of(l, "max_value_depth", lim->max_value_depth);
    lim->max_body_bytes = size_of(l, "max_body_bytes", lim->max_body_bytes);
    lim->max_events = size_of(l, "max_events", lim->max_events);
    lim->max_links = size_of(l, "max_links", lim->max_links);
    lim->max_decompressed_bytes = size_of(l, "max_decompressed_bytes", lim->max_decompressed_bytes);
    r->store.max_series = size_of(s, "max_series", 0);
    r->store.fail_commit = (int)size_of(s, "fail_commit", 0);
    r->store.min_ms =
        json_object_get(s, "min_ms") != NULL ? (int64_t)size_of(s, "min_ms", 0) : INT64_MIN;
    r->otlp = otlp_new(&r->sink);
}

static void check_same(const char *name, const char *what, json_t *got, const json_t *expected)
{
    if (got == NULL || !json_equal(got, expected)) {
        char *g = got != NULL ? json_dumps(got, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
        char *x = json_dumps(expected, JSON_COMPACT);

        print_error("case \"%s\": %s\n  got      %s\n  expected %s\n", name, what,
                    g != NULL ? g : "(not JSON)", x);
        free(g);
        free(x);
        fail();
    }
    json_decref(got);
}

static json_t *parse(struct str text)
{
    json_error_t e;
    json_t *v = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);

    if (v == NULL) {
        print_error("not JSON: %s in %.*s\n", e.text, STR_ARG(text));
    }
    return v;
}

static json_t *lines_of(const struct buf *b)
{
    struct str rest = buf_str(b);
    json_t *a = json_array();
    struct str line;

    while (rest.n != 0 && str_split(&rest, '\n', &line)) {
        if (line.n != 0) {
            json_array_append_new(a, json_stringn(line.p, line.n));
        }
    }
    return a;
}

static json_t *rows_of(const struct buf *b)
{
    struct buf text CLEANUP(buf_done) = {0};

    buf_init(&text, 64 << 20);
    buf_add_byte(&text, '[');
    buf_add_str(&text, buf_str(b));
    buf_add_byte(&text, ']');
    return parse(buf_str(&text));
}

static void check_store(struct rig *r, const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    const json_t *rows = json_object_get(c, "rows");
    const json_t *samples = json_object_get(c, "samples");
    const json_t *metadata = json_object_get(c, "metadata");

    assert_true(rows != NULL || samples != NULL || json_object_get(c, "error") != NULL);
    if (rows != NULL) {
        check_same(name, "rows", rows_of(&r->store.rows), rows);
    }
    if (samples != NULL) {
        check_same(name, "samples", lines_of(&r->store.samples), samples);
    }
    if (metadata != NULL) {
        check_same(name, "metadata", lines_of(&r->store.metadata), metadata);
    }
}

static void check_error(const json_t *c, int rc, const struct err *e)
{
    const json_t *x = json_object_get(c, "error");
    const char *name = json_string_value(json_object_get(c, "name"));

    if (rc >= 0 || strcmp(err_text(rc), json_string_value(json_object_get(x, "code"))) != 0 ||
        strcmp(e->msg, json_string_value(json_object_get(x, "message"))) != 0) {
        print_error("case \"%s\": got %d %s: \"%s\"\n", name, rc, err_text(rc), e->msg);
        fail();
    }
}

/* The body as text: "text" as it is, or "body" written out. */
static char *body_text(const json_t *c, const json_t *body)
{
    const char *text = json_string_value(json_object_get(c, "text"));
    char *copy;

    if (text == NULL) {
        return json_dumps(body, JSON_COMPACT);
    }
    copy = malloc(strlen(text) + 1);
    assert_non_null(copy);
    memcpy(copy, text, strlen(text) + 1);
    return copy;
}

/* All bodies of a case; the last one's answer counts. */
static int send_case(struct rig *r, enum otlp_signal signal, enum otlp_encoding enc,
                     const json_t *c, struct err *e)
{
    const json_t *bodies = json_object_get(c, "bodies");
    size_t n = bodies != NULL ? json_array_size(bodies) : 1;
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        const json_t *body =
            bodies != NULL ? json_array_get(bodies, i) : json_object_get(c, "body");
        char *text = body_text(c, body);

        if (enc == OTLP_JSON) {
            rc = send(r, signal, enc, str_cstr(text), e);
        } else {
            struct buf pb CLEANUP(buf_done) = {0};

            buf_init(&pb, 64 << 20);
            assert_int_equal(otlp_json_to_pb(signal, str_cstr(text), &pb, e), 0);
            rc = send(r, signal, enc, buf_str(&pb), e);
        }
        free(text);
    }
    return rc;
}

static void check_json(enum otlp_signal signal, const json_t *c)
{
    const char *name = json_string_value(json_object_get(c, "name"));
    const json_t *response = json_object_get(c, "response");
    json_t *empty = json_object();
    struct err e = {0};
    struct rig r = {0};
    int rc;

    rig_init(&r);
    apply_settings(&r, c);
    rc = send_case(&r, signal, OTLP_JSON, c, &e);
    if (json_object_get(c, "error") != NULL) {
        check_error(c, rc, &e);
    } else {
        if (rc != 0) {
            print_error("case \"%s\": %s\n", name, e.msg);
        }
        assert_int_equal(rc, 0);
        check_same(name, "response", parse(buf_str(&r.response)),
                   response != NULL ? response : empty);
    }
    check_store(&r, c);
    json_decref(empty);
    rig_done(&r);
}

/* {1: {1: rejected, 2: message}} */
static void check_pb_response(struct str response, const json_t *expected)
{
    const json_t *partial = json_object_get(expected, "partialSuccess");
    const char *key = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)partial));
    struct pb msg = pb_init(response);
    struct pb_field f;
    uint64_t rejected;
    struct pb inner;

    if (partial == NULL) {
        assert_int_equal(response.n, 0);
        return;
    }
    key = strcmp(key, "errorMessage") == 0 ? "rejectedSpans" : key;
    for (size_t i = 0; i < 3; i++) {
        static const char *const KEYS[] = {"rejectedSpans", "rejectedLogRecords",
                                           "rejectedDataPoints"};

        key = json_object_get(partial, KEYS[i]) != NULL ? KEYS[i] : key;
    }
    assert_int_equal(pb_next(&msg, &f, NULL), 1);
    assert_int_equal(f.tag, PB_TAG(1, PB_LEN));
    inner = pb_sub(&msg, f.s);
    assert_int_equal(pb_next(&inner, &f, NULL), 1);
    assert_int_equal(f.tag, PB_TAG(1, PB_VARINT));
    assert_true(str_to_u64(str_cstr(json_string_value(json_object_get(partial, key))), &rejected));
    assert_true(f.u == rejected);
    assert_int_equal(pb_next(&inner, &f, NULL), 1);
    assert_true(str_eq(f.s, str_cstr(json_string_value(json_object_get(partial, "errorMessage")))));
}

static void check_protobuf(enum otlp_signal signal, const json_t *c)
{
    struct err e = {0};
    struct rig r = {0};

    rig_init(&r);
    apply_settings(&r, c);
    assert_int_equal(send_case(&r, signal, OTLP_PROTOBUF, c, &e), 0);
    check_pb_response(buf_str(&r.response), json_object_get(c, "response"));
    check_store(&r, c);
    rig_done(&r);
}

static void run_table(enum otlp_signal signal, const char *file)
{
    char path[512];
    json_error_t e;
    json_t *cases;

    snprintf(path, sizeof(path), "%s/data/%s", TEST_DATA, file);
    cases = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (cases == NULL) {
        print_error("%s:%d: %s\n", path, e.line, e.text);
    }
    assert_true(json_array_size(cases) > 5);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *c = json_array_get(cases, i);

        check_json(signal, c);
        if (json_object_get(c, "error") == NULL) {
            check_protobuf(signal, c);
        }
    }
    json_decref(cases);
}

static void test_traces(void **state)
{
    (void)state;
    run_table(OTLP_TRACES, "traces.json");
}

static void test_logs(void **state)
{
    (void)state;
    run_table(OTLP_LOGS, "logs.json");
}

static void test_metrics(void **state)
{
    (void)state;
    run_table(OTLP_METRICS, "metrics.json");
}

/* Broken protobuf: the error names the byte, nothing is stored. */
static void test_protobuf_errors(void **state)
{
    static const struct {
        struct str body;
        int rc;
        const char *msg;
    } CASES[] = {
        {{"\x0a\x05\x0a", 3},
         -ERR_TRUNCATED,
         "protobuf: field 1 at byte 1 announces 5 bytes, 1 are left"},
        {{"\x0a", 1}, -ERR_TRUNCATED, "protobuf: message ends inside a varint at byte 1"},
        {{"\x03\x00", 2}, -ERR_INVALID, "protobuf: field number 0 at byte 0"},
        {{"\x0b\x00", 2}, -ERR_INVALID, "protobuf: unsupported wire type 3 at byte 0"},
        {{"\x0a\x02\x12\x01", 4},
         -ERR_TRUNCATED,
         "protobuf: field 2 at byte 3 announces 1 bytes, 0 are left"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        for (int signal = OTLP_METRICS; signal <= OTLP_LOGS; signal++) {
            struct err e = {0};
            struct rig r = {0};

            rig_init(&r);
            r.otlp = otlp_new(&r.sink);
            assert_int_equal(send(&r, (enum otlp_signal)signal, OTLP_PROTOBUF, CASES[i].body, &e),
                             CASES[i].rc);
            assert_string_equal(e.msg, CASES[i].msg);
            assert_int_equal(r.store.commits, 0);
            rig_done(&r);
        }
    }
}

static void put_any_str(struct buf *b, struct str s)
{
    size_t at = pb_begin(b, 2);

    pb_put_str(b, 1, s);
    pb_end(b, at);
}

/* One gauge point with attribute k=v, or split around other fields. */
static void put_gauge(struct buf *b, int64_t t_ms, double v, bool split)
{
    size_t rm = pb_begin(b, 1);
    size_t sm = pb_begin(b, 2);
    size_t metric = pb_begin(b, 2);
    size_t gauge, point, kv;

    pb_put_str(b, 1, STR("g"));
    gauge = pb_begin(b, 5);
    point = pb_begin(b, 1);
    kv = pb_begin(b, 7);
    pb_put_str(b, 1, STR("k"));
    put_any_str(b, STR("v"));
    pb_end(b, kv);
    pb_put_fixed64(b, 3, (uint64_t)t_ms * 1000000);
    if (split) {
        kv = pb_begin(b, 7);
        pb_put_str(b, 1, STR("l"));
        put_any_str(b, STR("\xff"));
        pb_end(b, kv);
    }
    pb_put_f64(b, 4, v);
    pb_end(b, point);
    pb_end(b, gauge);
    pb_end(b, metric);
    pb_end(b, sm);
    pb_end(b, rm);
}

/* The second request of a series finds it by hash: no labels are built. */
static void test_hit_path(void **state)
{
    struct buf body CLEANUP(buf_done) = {0};
    struct err e = {0};
    struct rig r = {0};

    (void)state;
    buf_init(&body, 4096);
    rig_init(&r);
    r.store.fail_metadata = ERR_IO; /* which does not hold up samples */
    r.otlp = otlp_new(&r.sink);
    put_gauge(&body, 1000, 1, false);
    put_gauge(&body, 1000, 2, true);
    assert_int_equal(send(&r, OTLP_METRICS, OTLP_PROTOBUF, buf_str(&body), &e), 0);
    assert_int_equal(r.store.interns, 2);
    buf_clear(&body);
    put_gauge(&body, 2000, 3, false);
    put_gauge(&body, 2000, 4, true);
    assert_int_equal(send(&r, OTLP_METRICS, OTLP_PROTOBUF, buf_str(&body), &e), 0);
    assert_int_equal(r.store.interns, 2);
    buf_add_byte(&r.store.samples, '\0');
    assert_string_equal(r.store.samples.data, "g{k=\"v\"} 1000 1\n"
                                              "g{k=\"v\", l=\"\xEF\xBF\xBD\"} 1000 2\n"
                                              "g{k=\"v\"} 2000 3\n"
                                              "g{k=\"v\", l=\"\xEF\xBF\xBD\"} 2000 4\n");
    rig_done(&r);
}

/* A series collected as idle between look-up and commit is interned again, nothing is lost. */
static void test_gone(void **state)
{
    struct buf body CLEANUP(buf_done) = {0};
    struct err e = {0};
    struct rig r = {0};

    (void)state;
    buf_init(&body, 4096);
    rig_init(&r);
    r.otlp = otlp_new(&r.sink);
    put_gauge(&body, 1000, 1, false);
    assert_int_equal(send(&r, OTLP_METRICS, OTLP_PROTOBUF, buf_str(&body), &e), 0);
    for (size_t i = 0; i < FAKE_SERIES_MAX; i++) {
        r.store.gone[i] = true;
    }
    buf_clear(&body);
    put_gauge(&body, 2000, 3, false);
    assert_int_equal(send(&r, OTLP_METRICS, OTLP_PROTOBUF, buf_str(&body), &e), 0);
    assert_int_equal(r.response.n, 0);
    buf_add_byte(&r.store.samples, '\0');
    assert_string_equal(r.store.samples.data, "g{k=\"v\"} 1000 1\ng{k=\"v\"} 2000 3\n");
    rig_done(&r);
}

/* A delta request the store could not take is retried by the client and counts once. */
static void test_delta_retry(void **state)
{
    static const char BODY[] =
        "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"c\",\"sum\":"
        "{\"aggregationTemporality\":1,\"isMonotonic\":true,\"dataPoints\":["
        "{\"timeUnixNano\":\"1000000000\",\"asInt\":\"5\"},"
        "{\"timeUnixNano\":\"2000000000\",\"asInt\":\"7\"}]}}]}]}]}";
    struct err e = {0};
    struct rig r = {0};

    (void)state;
    rig_init(&r);
    r.otlp = otlp_new(&r.sink);
    r.store.fail_commit = ERR_OVERLOAD;
    assert_int_equal(send(&r, OTLP_METRICS, OTLP_JSON, STR(BODY), &e), -ERR_OVERLOAD);
    r.store.fail_commit = 0;
    assert_int_equal(send(&r, OTLP_METRICS, OTLP_JSON, STR(BODY), &e), 0);
    buf_add_byte(&r.store.samples, '\0');
    assert_string_equal(r.store.samples.data, "c_total 1000 5\nc_total 2000 12\n");
    rig_done(&r);
}

static void test_store_errors(void **state)
{
    static const int CODES[] = {ERR_OVERLOAD, ERR_NOSPACE, ERR_IO, ERR_NOMEM};
    struct buf body CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&body, 4096);
    put_gauge(&body, 1000, 1, false);
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        struct err e = {0};
        struct rig r = {0};

        rig_init(&r);
        r.otlp = otlp_new(&r.sink);
        r.store.fail_commit = CODES[i];
        assert_int_equal(send(&r, OTLP_METRICS, OTLP_PROTOBUF, buf_str(&body), &e), -CODES[i]);
        assert_string_equal(e.msg, "fake failure");
        rig_done(&r);
    }
}

/* Every fallible allocation fails once: an error or the full result, never less, no leak. */
static void test_no_memory(void **state)
{
    static const char *const BODIES[] = {
        [OTLP_METRICS] =
            ("{\"resourceMetrics\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\","
             "\"value\":{\"stringValue\":\"s\"}},{\"key\":\"x\",\"value\":{\"intValue\":1}}]},"
             "\"scopeMetrics\":[{\"metrics\":[{\"name\":\"h\",\"histogram\":"
             "{\"aggregationTemporality\":1,\"dataPoints\":[{\"timeUnixNano\":\"1000000000\","
             "\"count\":2,\"sum\":1.5,\"bucketCounts\":[1,1],\"explicitBounds\":[0.5]}]}}]}]}]}"),
        [OTLP_TRACES] =
            ("{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
             "\"01020304050607080102030405060708\",\"spanId\":\"0102030405060708\","
             "\"startTimeUnixNano\":\"1\",\"name\":\"a\\u00e9\",\"attributes\":[{\"key\":\"k\","
             "\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":1}]}}}]}]}]}]}"),
        [OTLP_LOGS] = ("{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":"
                       "{\"stringValue\":\"x\"}}]}]}]}"),
    };

    (void)state;
    for (int signal = OTLP_METRICS; signal <= OTLP_LOGS; signal++) {
        int rc = -1;

        for (int64_t n = 0; rc < 0; n++) {
            struct err e = {0};
            struct rig r = {0};

            rig_init(&r);
            r.otlp = otlp_new(&r.sink);
            mem_fail_after(n);
            rc = send(&r, (enum otlp_signal)signal, OTLP_JSON, str_cstr(BODIES[signal]), &e);
            mem_fail_after(-1);
            if (rc < 0) {
                assert_true(rc == -ERR_NOMEM || rc == -ERR_TOO_LARGE);
                assert_true(e.msg[0] != '\0');
            }
            rig_done(&r);
            assert_true(n < 200);
        }
    }
}

static void test_error_body(void **state)
{
    struct err e = {.code = ERR_OVERLOAD, .msg = "head is \"full\""};
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 4096);
    otlp_error_body(OTLP_JSON, &e, &b);
    assert_true(str_eq(buf_str(&b), STR("{\"code\":8,\"message\":\"head is \\\"full\\\"\"}")));
    buf_clear(&b);
    otlp_error_body(OTLP_PROTOBUF, &e, &b);
    assert_true(str_eq(buf_str(&b), STR("\x08\x08\x12\x0ehead is \"full\"")));
}

struct seen {
    bool spans, rejected, newest;
};

static void look(void *arg, const struct stats_sample *s)
{
    struct seen *seen = arg;

    if (strcmp(s->name, "bongsu_ingest_spans_total") == 0 &&
        strcmp(s->labels, "door=\"otlp_http\"") == 0) {
        seen->spans = s->value == 1;
    }
    if (strcmp(s->name, "bongsu_ingest_rejected_total") == 0 &&
        strcmp(s->labels, "signal=\"traces\",reason=\"invalid_span_id\"") == 0) {
        seen->rejected = s->value == 1;
    }
    if (strcmp(s->name, "bongsu_ingest_newest_timestamp_seconds") == 0 &&
        strcmp(s->labels, "signal=\"traces\"") == 0) {
        seen->newest = s->value == 5;
    }
}

static void test_counters(void **state)
{
    static const char BODY[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
        "\"01020304050607080102030405060708\",\"spanId\":\"0102030405060708\","
        "\"startTimeUnixNano\":\"5000000000\"},{\"traceId\":"
        "\"01020304050607080102030405060708\",\"startTimeUnixNano\":\"5000000000\"}]}]}]}";
    struct stats *registry = stats_new();
    struct seen seen = {0};
    struct err e = {0};
    struct rig r = {0};

    (void)state;
    rig_init(&r);
    r.sink.stats = ingest_stats_new(registry);
    r.otlp = otlp_new(&r.sink);
    assert_int_equal(send(&r, OTLP_TRACES, OTLP_JSON, STR(BODY), &e), 0);
    stats_each(registry, look, &seen);
    assert_true(seen.spans);
    assert_true(seen.rejected);
    assert_true(seen.newest);
    rig_done(&r);
    stats_free(registry);
    ingest_stats_free(r.sink.stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traces),      cmocka_unit_test(test_logs),
        cmocka_unit_test(test_metrics),     cmocka_unit_test(test_protobuf_errors),
        cmocka_unit_test(test_hit_path),    cmocka_unit_test(test_gone),
        cmocka_unit_test(test_delta_retry), cmocka_unit_test(test_store_errors),
        cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_error_body),
        cmocka_unit_test(test_counters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
