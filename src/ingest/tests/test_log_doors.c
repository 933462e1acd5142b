/* SPDX-License-Identifier: Apache-2.0
 *
 * Log events without a schema: what becomes of the fields of JSON lines, Elasticsearch's documents and Fluent's records,
 * and what is answered.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/err.h"
#include "codec/compress.h"
#include "codec/msgpack.h"
#include "fake_store.h"
#include "ingest/es_bulk.h"
#include "ingest/fluent.h"
#include "ingest/log_json.h"
#include "ingest/log_map.h"

static const int64_t NOW = 1700000000ll * 1000000000;

struct rig {
    struct fake_store store;
    struct stats *stats;
    struct sink sink;
    struct arena arena;
};

static void rig_start(struct rig *r)
{
    fake_store_init(&r->store);
    arena_init(&r->arena, 64 << 20);
    r->stats = stats_new();
    r->sink = (struct sink){.logs = fake_columns(&r->store), .stats = ingest_stats_new(r->stats)};
    ingest_limits_default(&r->sink.limits);
}

static void rig_stop(struct rig *r)
{
    ingest_stats_free(r->sink.stats);
    stats_free(r->stats);
    arena_done(&r->arena);
    fake_store_done(&r->store);
}

static void has(const struct rig *r, const char *text)
{
    if (str_find(buf_str(&r->store.rows), str_cstr(text)) < 0) {
        print_message("no %s\nin %.*s\n", text, STR_ARG(buf_str(&r->store.rows)));
        fail();
    }
}

static void has_not(const struct rig *r, const char *text)
{
    if (str_find(buf_str(&r->store.rows), str_cstr(text)) >= 0) {
        print_message("%s\nin %.*s\n", text, STR_ARG(buf_str(&r->store.rows)));
        fail();
    }
}

/* ---- JSON lines ---- */

static const struct {
    const char *line;
    const char *want[8]; /* in the stored row */
    const char *absent;
} LINES[] = {
    /* Elastic's common schema, nested and with dots */
    {"{\"@timestamp\":\"2024-05-01T10:00:00.123Z\",\"message\":\"hi\",\"log\":{\"level\":\"warn\","
     "\"logger\":\"a.B\"},\"service\":{\"name\":\"shop\",\"environment\":\"prod\"},\"host.name\":\"w1\","
     "\"trace\":{\"id\":\"0102030405060708090a0b0c0d0e0f10\"},\"span.id\":\"0102030405060708\","
     "\"error\":{\"stack_trace\":\"at x\"}}",
     {"\"time\":1714557600123000000", "\"body\":\"hi\"",
      "\"severity_text\":\"warn\",\"severity\":13", "\"log.logger\",\"a.B\"",
      "\"service.name\",\"shop\"", "\"deployment.environment.name\",\"prod\"",
      "\"exception.stacktrace\",\"at x\"", "0102030405060708090a0b0c0d0e0f10"},
     "trace.id"},
    /* a logger of Node */
    {"{\"level\":50,\"time\":1714557600123,\"pid\":7,\"hostname\":\"w2\",\"msg\":\"boom\"}",
     {"\"time\":1714557600123000000", "\"severity\":17", "\"level\",50", "\"host.name\",\"w2\"",
      "\"body\":\"boom\"", "\"pid\",7"},
     "hostname"},
    /* journald */
    {"{\"MESSAGE\":\"started\",\"PRIORITY\":\"4\",\"_SYSTEMD_UNIT\":\"x.service\",\"_PID\":\"9\"}",
     {"\"body\":\"started\"", "\"severity\":13", "\"systemd.unit\",\"x.service\"",
      "\"time\":1700000000000000000"},
     "MESSAGE"},
    /* Kubernetes as Fluent Bit writes it */
    {"{\"log\":\"line\\n\",\"stream\":\"stderr\",\"kubernetes\":{\"pod_name\":\"p-1\","
     "\"namespace_name\":\"ns\",\"container_name\":\"c\",\"labels\":{\"app\":\"cart\"},\"host\":\"n1\"}}",
     {"\"body\":\"line\"", "\"log.iostream\",\"stderr\"", "\"k8s.pod.name\",\"p-1\"",
      "\"k8s.namespace.name\",\"ns\"", "\"k8s.pod.label.app\",\"cart\"",
      "\"service.name\",\"cart\"", "\"k8s.node.name\",\"n1\""},
     "kubernetes"},
    /* every kind of value */
    {"{\"message\":\"v\",\"s\":\"\\u00e9\\n\",\"i\":-5,\"f\":1.5,\"b\":true,\"n\":null,\"a\":[1,\"x\",{\"k\":2}],"
     "\"o\":{},\"big\":123456789012345678901234567890}",
     {"\"s\",\"é\\n\"", "\"i\",-5", "\"f\",{\"double\":\"1.5\"}", "\"b\",true", "[1,\"x\"",
      "\"big\",{\"double\":\"1.2345678901234568e+29\"}"},
     "\"n\":"},
    /* the last of equal keys */
    {"{\"message\":\"d\",\"k\":1,\"k\":2,\"a.b\":1,\"a\":{\"b\":3}}",
     {"\"k\",2", "\"a.b\",3"},
     "\"k\":1"},
    /* no text: the whole is */
    {"{\"cpu\":1,\"host\":\"h\"}",
     {"\"body\":\"{\\\"cpu\\\":1,\\\"host\\\":\\\"h\\\"}\"", "\"cpu\",1"},
     NULL},
    /* a better name for the text comes later */
    {"{\"log\":\"raw\",\"message\":\"text\"}", {"\"body\":\"text\"", "\"log\",\"raw\""}, NULL},
    {"{\"message\":\"text\",\"log\":\"raw\"}", {"\"body\":\"text\"", "\"log\",\"raw\""}, NULL},
    /* ids that are none stay attributes */
    {"{\"message\":\"x\",\"trace_id\":\"none\",\"span_id\":\"zzzzzzzzzzzzzzzz\"}",
     {"\"trace_id\",\"none\"", "\"span_id\",\"zzzzzzzzzzzzzzzz\""},
     NULL},
};

static struct log_lines_result run_lines(struct rig *r, const char *body,
                                         const struct log_map_names *names)
{
    const struct log_lines_request req = {
        .body = str_cstr(body), .names = names, .arrival_ns = NOW};
    struct log_lines_result res;
    struct err e = {0};

    arena_reset(&r->arena);
    assert_int_equal(log_lines_store(&r->sink, &req, &r->arena, &res, &e), 0);
    return res;
}

static void test_lines(void **state)
{
    struct rig r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(LINES); i++) {
        struct log_lines_result res;

        rig_start(&r);
        res = run_lines(&r, LINES[i].line, NULL);
        assert_int_equal(res.accepted, 1);
        for (size_t k = 0; k < ARRAY_LEN(LINES[i].want) && LINES[i].want[k] != NULL; k++) {
            has(&r, LINES[i].want[k]);
        }
        if (LINES[i].absent != NULL) {
            has_not(&r, LINES[i].absent);
        }
        rig_stop(&r);
    }
}

static void test_names(void **state)
{
    const struct log_map_names names = {.time = {STR("when")},
                                        .message = {STR("what"), STR("message")},
                                        .level = {STR("how")},
                                        .stream = {STR("team")},
                                        .time_n = 1,
                                        .message_n = 2,
                                        .level_n = 1,
                                        .stream_n = 1};
    struct log_lines_result res;
    struct rig r;

    (void)state;
    rig_start(&r);
    res = run_lines(
        &r,
        "{\"when\":\"2024-05-01 10:00:00\",\"what\":\"it\",\"how\":\"ERROR\",\"team\":\"a\","
        "\"time\":1,\"msg\":\"no\",\"level\":\"info\"}",
        &names);
    assert_int_equal(res.accepted, 1);
    has(&r, "\"time\":1714557600000000000");
    has(&r, "\"body\":\"it\"");
    has(&r, "\"severity\":17");
    has(&r, "\"msg\",\"no\"");
    has(&r, "\"level\",\"info\"");
    has(&r, "\"resource\":{\"attrs\":[[\"team\",\"a\"]]");
    rig_stop(&r);
}

/* Bad lines are left out, named, and do not keep the others out. */
static void test_bad_lines(void **state)
{
    struct log_lines_result res;
    struct rig r;

    (void)state;
    rig_start(&r);
    res = run_lines(&r,
                    "{\"message\":\"one\"}\n\nnonsense\n{\"message\":\r\n[1]\n"
                    "{\"@timestamp\":\"yesterday\",\"message\":\"x\"}\n{\"message\":\"two\"}",
                    NULL);
    assert_int_equal(res.accepted, 2);
    assert_int_equal(res.rejected, 4);
    assert_int_equal(res.errors_n, 4);
    assert_int_equal(res.errors[0].line, 3);
    assert_int_equal(res.errors[1].line, 4);
    assert_string_equal(res.errors[2].text, "a JSON object is expected");
    assert_string_equal(res.errors[3].text, "\"yesterday\" is not a time");
    has(&r, "one");
    has(&r, "two");
    assert_int_equal(counter_get(stats_counter(r.stats, "bongsu_ingest_rejected_total",
                                               "signal=\"logs\",reason=\"malformed_request\"", "")),
                     4);
    rig_stop(&r);
}

static void test_times(void **state)
{
    static const struct {
        struct value v;
        int64_t want; /* 0: none */
    } CASES[] = {
        {{.type = VALUE_STR, .u.s = {"2024-05-01T10:00:00Z", 20}}, 1714557600000000000},
        {{.type = VALUE_STR, .u.s = {"2024-05-01 10:00:00.5", 21}}, 1714557600500000000},
        {{.type = VALUE_STR, .u.s = {"2024-05-01T19:00:00+0900", 24}}, 1714557600000000000},
        {{.type = VALUE_STR, .u.s = {"1714557600", 10}}, 1714557600000000000},
        {{.type = VALUE_STR, .u.s = {"1714557600.25", 13}}, 1714557600250000000},
        {{.type = VALUE_I64, .u.i = 1714557600}, 1714557600000000000},
        {{.type = VALUE_I64, .u.i = 1714557600123}, 1714557600123000000},
        {{.type = VALUE_I64, .u.i = 1714557600123456}, 1714557600123456000},
        {{.type = VALUE_I64, .u.i = 1714557600123456789}, 1714557600123456789},
        {{.type = VALUE_F64, .u.f = 1714557600.5}, 1714557600500000000},
        {{.type = VALUE_I64, .u.i = -5}, 0},
        {{.type = VALUE_I64, .u.i = 99999999999}, 0}, /* seconds beyond int64 of ns */
        {{.type = VALUE_I64, .u.i = 28764404768885339}, 0},
        {{.type = VALUE_I64, .u.i = INT64_MAX}, 0},
        {{.type = VALUE_STR, .u.s = {"", 0}}, 0},
        {{.type = VALUE_STR, .u.s = {"soon", 4}}, 0},
        {{.type = VALUE_BOOL}, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        int64_t ns = 0;

        assert_int_equal(log_map_time(&CASES[i].v, &ns), CASES[i].want != 0);
        assert_true(CASES[i].want == 0 || ns == CASES[i].want);
    }
}

/* ---- Elasticsearch ---- */

static const struct {
    const char *body;
    const char *index;
    int rc;
    const char *want; /* in the answer or the error */
    size_t stored;
} BULKS[] = {
    {"{\"create\":{\"_index\":\"logs-a\",\"_id\":\"7\"}}\n{\"message\":\"a\"}\n", "", 0,
     "\"errors\":false,\"items\":[{\"create\":{\"_index\":\"logs-a\",\"_id\":\"7\",\"_version\":1,"
     "\"result\":\"created\",\"_shards\":{\"total\":1,\"successful\":1,\"failed\":0},\"_seq_no\":0,"
     "\"_primary_term\":1,\"status\":201}}]}",
     1},
    {"{\"index\":{}}\n{\"message\":\"a\"}\n{\"index\":{\"_index\":\"x\"}}\n{\"message\":\"b\"}",
     "def", 0, "\"errors\":false", 2},
    {"{\"index\":{}}\n{\"message\":\"a\"}\n", "", 0, "index is missing", 0},
    {"{\"delete\":{\"_index\":\"x\",\"_id\":\"1\"}}\n{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"b\"}\n",
     "", 0, "[delete] is not supported", 1},
    {"{\"update\":{\"_index\":\"x\",\"_id\":\"1\"}}\n{\"doc\":{}}\n", "", 0,
     "[update] is not supported", 0},
    {"{\"create\":{\"_index\":\"x\"}}\n{\"message\":\n{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"b\"}\n",
     "", 0, "\"status\":400,\"error\":{\"type\":\"document_parsing_exception\"", 1},
    {"{\"create\":{\"_index\":\"x\"}}\n{\"@timestamp\":\"then\"}\n", "", 0,
     "failed to parse field [@timestamp] of type [date]", 0},
    {"nonsense\n", "", -ERR_INVALID, "Malformed action/metadata line [1]", 0},
    {"{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"b\"}\n{\"feed\":{}}\n{}\n", "", -ERR_INVALID,
     "Malformed action/metadata line [3], expected field [create], [delete], [index] or [update]",
     0},
    {"{\"create\":{\"_index\":\"x\"}}\n", "", -ERR_INVALID, "must be terminated by a newline", 0},
    {"", "", -ERR_INVALID, "request body is required", 0},
};

static void test_bulk(void **state)
{
    struct rig r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BULKS); i++) {
        const struct es_bulk_request req = {
            .body = str_cstr(BULKS[i].body), .index = str_cstr(BULKS[i].index), .arrival_ns = NOW};
        struct err e = {0};
        struct buf answer;

        rig_start(&r);
        buf_init(&answer, 1 << 20);
        assert_int_equal(es_bulk(&r.sink, &req, &r.arena, &answer, &e), BULKS[i].rc);
        if (str_find(BULKS[i].rc == 0 ? buf_str(&answer) : str_cstr(e.msg),
                     str_cstr(BULKS[i].want)) < 0) {
            print_message("no %s\nin %.*s%s\n", BULKS[i].want, STR_ARG(buf_str(&answer)), e.msg);
            fail();
        }
        assert_int_equal(r.store.rows_n, BULKS[i].stored);
        buf_done(&answer);
        rig_stop(&r);
    }
}

static void test_bulk_full(void **state)
{
    const struct es_bulk_request req = {
        .body = STR("{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"b\"}\n"), .arrival_ns = NOW};
    struct err e = {0};
    struct buf answer;
    struct rig r;

    (void)state;
    rig_start(&r);
    buf_init(&answer, 1 << 20);
    r.store.fail_commit = ERR_OVERLOAD;
    assert_int_equal(es_bulk(&r.sink, &req, &r.arena, &answer, &e), -ERR_OVERLOAD);
    assert_int_equal(answer.n, 0);
    buf_done(&answer);
    rig_stop(&r);
}

/* ---- Fluent ---- */

#define EVENT_TIME "\xd7\x00\x66\x32\x12\xe0\x07\x5b\xca\x00" /* 1714557664.123456 s */
#define RECORD     "\x82\xa3log\xa5hello\xa5level\xa4warn"

#define BYTES(text)            \
    {                          \
        text, sizeof(text) - 1 \
    }

static const struct {
    const char *name; /* for who reads */
    struct str message;
    const char *ack; /* NULL: none */
    const char *want[3];
    size_t stored;
} FORWARDS[] = {
    {"message",
     BYTES("\x93\xa3"
           "a.b" EVENT_TIME RECORD),
     NULL,
     {"\"body\":\"hello\"", "\"severity\":13", "\"fluent.tag\",\"a.b\""},
     1},
    {"message with whole seconds",
     BYTES("\x93\xa3"
           "a.b\xce\x66\x32\x12\xe0" RECORD),
     NULL,
     {"\"time\":1714557664000000000"},
     1},
    {"message with an option",
     BYTES("\x94\xa3"
           "a.b" EVENT_TIME RECORD "\x81\xa5"
           "chunk\xa2"
           "c1"),
     "c1",
     {"hello"},
     1},
    {"message with metadata",
     BYTES("\x93\xa3"
           "a.b\x92" EVENT_TIME "\x80" RECORD),
     NULL,
     {"\"time\":1714557664123456000"},
     1},
    {"forward",
     BYTES("\x93\xa3"
           "a.b\x92\x92" EVENT_TIME RECORD "\x92" EVENT_TIME "\x81\xa1k\xa1v"
           "\x82\xa5"
           "chunk\xa2"
           "c2\xa4size\x02"),
     "c2",
     {"hello", "\"k\",\"v\"", "\"body\":\"{\\\"k\\\":\\\"v\\\"}\""},
     2},
    {"packed",
     BYTES("\x93\xa3"
           "a.b\xc4\x42\x92" EVENT_TIME RECORD "\x92" EVENT_TIME RECORD "\x81\xa5"
           "chunk\xa2"
           "c3"),
     "c3",
     {"hello"},
     2},
    {"no entries",
     BYTES("\x92\xa3"
           "a.b\x90"),
     NULL,
     {NULL},
     0},
    {"heartbeat", BYTES("\xc0"), NULL, {NULL}, 0},
    {"nested",
     BYTES("\x93\xa3"
           "a.b" EVENT_TIME "\x82\xa3log\xa1x\xaa"
           "kubernetes\x82\xa8pod_name\xa1p\xa6"
           "labels\x81\xa3"
           "app\xa4"
           "cart"),
     NULL,
     {"\"k8s.pod.name\",\"p\"", "\"k8s.pod.label.app\",\"cart\"", "\"service.name\",\"cart\""},
     1},
};

static void test_forward(void **state)
{
    struct rig r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(FORWARDS); i++) {
        struct str m = FORWARDS[i].message;
        struct fluent_door *d;
        struct fluent_conn *c;
        struct buf out;
        struct buf ack;

        rig_start(&r);
        d = fluent_door_new(
            &(struct fluent_opts){.door = "fluent", .sink = &r.sink, .stats = r.stats});
        buf_init(&out, 4096);
        buf_init(&ack, 4096);
        c = fluent_conn_new(d, &out);
        for (size_t n = 0; n < m.n; n++) {
            assert_int_equal(fluent_take(c, str_take(m, n), &out), 0);
        }
        assert_int_equal(fluent_take(c, m, &out), m.n);
        assert_int_equal(r.store.rows_n, FORWARDS[i].stored);
        for (size_t k = 0; k < ARRAY_LEN(FORWARDS[i].want) && FORWARDS[i].want[k] != NULL; k++) {
            has(&r, FORWARDS[i].want[k]);
        }
        if (FORWARDS[i].ack != NULL) {
            msgpack_put_map(&ack, 1);
            msgpack_put_str(&ack, STR("ack"));
            msgpack_put_str(&ack, str_cstr(FORWARDS[i].ack));
        }
        assert_true(str_eq(buf_str(&out), buf_str(&ack)));
        fluent_conn_free(c);
        fluent_door_free(d);
        buf_done(&out);
        buf_done(&ack);
        rig_stop(&r);
    }
}

static void test_forward_broken(void **state)
{
    static const struct str BROKEN[] = {
        BYTES("\xc1"),
        BYTES("\x01"),
        BYTES("\x91\x01"),
        BYTES("\x93\x01\x02\x80"),
        BYTES("\x93\xa1t\xa1\x01\x80"),
        BYTES("\xa5hello"),
        BYTES("\x93\xa1t\xa3"
              "abc\x81\xaa"
              "compressed\xa4"
              "lzma"),
    };
    struct rig r;

    (void)state;
    rig_start(&r);
    for (size_t i = 0; i < ARRAY_LEN(BROKEN); i++) {
        struct fluent_door *d = fluent_door_new(
            &(struct fluent_opts){.door = "fluent", .sink = &r.sink, .stats = r.stats});
        struct buf out;
        struct fluent_conn *c;

        buf_init(&out, 4096);
        c = fluent_conn_new(d, &out);
        assert_true(fluent_take(c, BROKEN[i], &out) < 0);
        assert_int_equal(out.n, 0);
        fluent_conn_free(c);
        fluent_door_free(d);
        buf_done(&out);
    }
    assert_int_equal(r.store.rows_n, 0);
    rig_stop(&r);
}

#define MALFORMED "bongsu_log_input_rejected_total", "door=\"fluent\",reason=\"malformed\""

static uint64_t counted(struct rig *r, const char *name, const char *labels)
{
    return counter_get(stats_counter(r->stats, name, labels, ""));
}

/* Nothing is acknowledged that was not stored; the same bytes are taken when the store has room again. */
static void test_forward_full(void **state)
{
    const struct str m = BYTES("\x94\xa3"
                               "a.b" EVENT_TIME RECORD "\x81\xa5"
                               "chunk\xa2"
                               "c1");
    /* a list of entries whose second is none */
    const struct str broken = BYTES("\x92\xa3"
                                    "a.b\x92\x92" EVENT_TIME RECORD "\x05");
    struct fluent_door *d;
    struct fluent_conn *c;
    struct buf out;
    struct rig r;

    (void)state;
    rig_start(&r);
    d = fluent_door_new(&(struct fluent_opts){.door = "fluent", .sink = &r.sink, .stats = r.stats});
    buf_init(&out, 4096);
    c = fluent_conn_new(d, &out);
    r.store.fail_commit = ERR_NOSPACE;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fluent_take(c, m, &out), -ERR_OVERLOAD);
        assert_int_equal(fluent_take(c, broken, &out), -ERR_OVERLOAD);
    }
    assert_int_equal(out.n, 0);
    r.store.fail_commit = 0;
    assert_int_equal(fluent_take(c, m, &out), m.n);
    assert_true(out.n != 0);
    assert_int_equal(r.store.rows_n, 1);
    assert_int_equal(counted(&r, MALFORMED), 0);
    assert_int_equal(fluent_take(c, broken, &out), broken.n);
    assert_int_equal(r.store.rows_n, 2);
    assert_int_equal(counted(&r, MALFORMED), 1); /* not once a try */
    assert_int_equal(counted(&r, "bongsu_log_input_messages_total", "door=\"fluent\""), 2);
    assert_int_equal(
        counted(&r, "bongsu_ingest_rejected_total", "signal=\"logs\",reason=\"store_unavailable\""),
        0);
    fluent_conn_free(c);
    fluent_door_free(d);
    buf_done(&out);
    rig_stop(&r);
}

static void test_forward_packed_gzip(void **state)
{
    struct fluent_door *d;
    struct fluent_conn *c;
    struct buf packed;
    struct buf m;
    struct buf out;
    struct rig r;

    (void)state;
    rig_start(&r);
    d = fluent_door_new(&(struct fluent_opts){.door = "fluent", .sink = &r.sink, .stats = r.stats});
    buf_init(&packed, 4096);
    buf_init(&m, 4096);
    buf_init(&out, 4096);
    assert_int_equal(
        compress_to(COMPRESS_GZIP,
                    (struct str)BYTES("\x92" EVENT_TIME RECORD "\x92" EVENT_TIME RECORD), 0,
                    &packed, NULL),
        0);
    msgpack_put_array(&m, 3);
    msgpack_put_str(&m, STR("tag"));
    msgpack_put_bin(&m, buf_str(&packed));
    msgpack_put_map(&m, 1);
    msgpack_put_str(&m, STR("compressed"));
    msgpack_put_str(&m, STR("gzip"));
    c = fluent_conn_new(d, &out);
    assert_int_equal(fluent_take(c, buf_str(&m), &out), m.n);
    assert_int_equal(r.store.rows_n, 2);
    fluent_conn_free(c);
    fluent_door_free(d);
    buf_done(&packed);
    buf_done(&m);
    buf_done(&out);
    rig_stop(&r);
}

static void hex_of(const struct str *parts, size_t n, char hex[129])
{
    struct buf b CLEANUP(buf_done) = {0};
    uint8_t raw[64];

    buf_init(&b, 4096);
    for (size_t i = 0; i < n; i++) {
        buf_add_str(&b, parts[i]);
    }
    assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA512, b.data, b.n, raw), 0);
    hex_encode(raw, sizeof(raw), hex);
}

/* What a client does with the server's HELO. */
static void make_ping(struct str helo, const char *key, const char *user, const char *password,
                      struct buf *ping)
{
    static const char NONCE[] = "\xa5nonce\xc4\x10";
    static const char AUTH[] = "\xa4"
                               "auth\xc4\x10";
    int64_t nonce_at = str_find(helo, STR(NONCE));
    int64_t auth_at = str_find(helo, STR(AUTH));
    struct str nonce = str_of(helo.p + nonce_at + (int64_t)sizeof(NONCE) - 1, 16);
    char key_hex[129];
    char user_hex[129];

    assert_true(nonce_at > 0 && auth_at > 0);
    hex_of((const struct str[]){STR("salt"), STR("client"), nonce, str_cstr(key)}, 4, key_hex);
    hex_of((const struct str[]){str_of(helo.p + auth_at + (int64_t)sizeof(AUTH) - 1, 16),
                                str_cstr(user), str_cstr(password)},
           3, user_hex);
    buf_clear(ping);
    msgpack_put_array(ping, 6);
    msgpack_put_str(ping, STR("PING"));
    msgpack_put_str(ping, STR("client"));
    msgpack_put_str(ping, STR("salt"));
    msgpack_put_str(ping, str_of(key_hex, 128));
    msgpack_put_str(ping, str_cstr(user));
    msgpack_put_str(ping, str_of(user_hex, 128));
}

/* A user's name and password, beside the key (which may be empty). */
static void test_forward_users(void **state)
{
    static const struct fluent_user USERS[] = {{{"web1", 4}, {"one", 3}},
                                               {{"web2", 4}, {"two", 3}}};

    static const struct {
        const char *key, *user, *password;
        const char *why_not; /* NULL: let in */
    } CASES[] = {
        {"secret", "web1", "one", NULL},
        {"secret", "web2", "two", NULL},
        {"secret", "web1", "two", "username/password mismatch"},
        {"secret", "web", "one", "username/password mismatch"},
        {"secret", "", "", "username/password mismatch"},
        {"secret", "web1one", "", "username/password mismatch"}, /* the same bytes hashed */
        {"wrong", "web1", "one", "shared_key mismatch"},
        {"", "web1", "one", "shared_key mismatch"},
    };
    struct buf out;
    struct buf ping;
    struct rig r;

    (void)state;
    rig_start(&r);
    buf_init(&out, 4096);
    buf_init(&ping, 4096);
    for (size_t i = 0; i <= ARRAY_LEN(CASES); i++) {
        bool no_key = i == ARRAY_LEN(CASES);
        struct fluent_opts o = {.door = "fluent",
                                .sink = &r.sink,
                                .stats = r.stats,
                                .shared_key = no_key ? STR("") : STR("secret"),
                                .users = USERS,
                                .users_n = ARRAY_LEN(USERS)};
        struct fluent_door *d = fluent_door_new(&o);
        struct fluent_conn *c;

        buf_clear(&out);
        c = fluent_conn_new(d, &out);
        make_ping(buf_str(&out), no_key ? "" : CASES[i].key, no_key ? "web2" : CASES[i].user,
                  no_key ? "two" : CASES[i].password, &ping);
        buf_clear(&out);
        if (no_key || CASES[i].why_not == NULL) {
            assert_int_equal(fluent_take(c, buf_str(&ping), &out), ping.n);
        } else {
            assert_int_equal(fluent_take(c, buf_str(&ping), &out), -ERR_UNAUTHENTICATED);
            assert_true(str_find(buf_str(&out), str_cstr(CASES[i].why_not)) >= 0);
        }
        fluent_conn_free(c);
        fluent_door_free(d);
    }
    assert_int_equal(counted(&r, "bongsu_log_input_rejected_total",
                             "door=\"fluent\",reason=\"unauthenticated\""),
                     6);
    buf_done(&out);
    buf_done(&ping);
    rig_stop(&r);
}

/* Without the key nothing is taken. */
static void test_forward_key(void **state)
{
    const struct str data = BYTES("\x93\xa3"
                                  "a.b" EVENT_TIME RECORD);
    struct fluent_door *d;
    struct fluent_conn *c;
    char zeros[128];
    struct buf out;
    struct buf ping;
    struct rig r;

    (void)state;
    memset(zeros, '0', sizeof(zeros));
    rig_start(&r);
    d = fluent_door_new(&(struct fluent_opts){
        .door = "fluent", .sink = &r.sink, .stats = r.stats, .shared_key = STR("secret")});
    buf_init(&out, 4096);
    buf_init(&ping, 4096);
    c = fluent_conn_new(d, &out);
    assert_true(str_find(buf_str(&out), STR("HELO")) >= 0);
    assert_int_equal(fluent_take(c, data, &out), -ERR_INVALID);
    fluent_conn_free(c);
    c = fluent_conn_new(d, &out);
    msgpack_put_array(&ping, 6);
    msgpack_put_str(&ping, STR("PING"));
    msgpack_put_str(&ping, STR("client"));
    msgpack_put_str(&ping, STR("salt"));
    msgpack_put_str(&ping, str_of(zeros, sizeof(zeros)));
    msgpack_put_str(&ping, STR(""));
    msgpack_put_str(&ping, STR(""));
    buf_clear(&out);
    assert_int_equal(fluent_take(c, buf_str(&ping), &out), -ERR_UNAUTHENTICATED);
    assert_true(str_find(buf_str(&out), STR("shared_key mismatch")) >= 0);
    assert_int_equal(r.store.rows_n, 0);
    fluent_conn_free(c);
    fluent_door_free(d);
    buf_done(&out);
    buf_done(&ping);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),        cmocka_unit_test(test_names),
        cmocka_unit_test(test_bad_lines),    cmocka_unit_test(test_times),
        cmocka_unit_test(test_bulk),         cmocka_unit_test(test_bulk_full),
        cmocka_unit_test(test_forward),      cmocka_unit_test(test_forward_broken),
        cmocka_unit_test(test_forward_full), cmocka_unit_test(test_forward_packed_gzip),
        cmocka_unit_test(test_forward_key),  cmocka_unit_test(test_forward_users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
