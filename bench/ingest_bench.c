/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding speed of the ingest doors on one thread, against a store that only counts. Requests look like
 * what OpenTelemetry SDKs and Prometheus send: spans with 8 attributes, logs with 4, metrics with 5 labels,
 * 2000 items a request. Usage: ingest_bench [seconds per case]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "ingest/otlp.h"
#include "ingest/prom_remote.h"
#include "ingest/tests/fake_store.h"

enum { ITEMS = 2000 };

/* pb_end() with the length in as few bytes as senders use. */
static void end_short(struct buf *b, size_t at)
{
    uint8_t length[VARINT_MAX];
    size_t n = b->n - at;
    size_t used = varint_put(length, n);

    memmove(b->data + at - 4 + used, b->data + at, n);
    memcpy(b->data + at - 4, length, used);
    b->n = at - 4 + used + n;
}

static void put_any_str(struct buf *b, uint32_t num, struct str s)
{
    size_t at = pb_begin(b, num);

    pb_put_str(b, 1, s);
    end_short(b, at);
}

static void put_attr(struct buf *b, uint32_t num, const char *key, const char *value)
{
    size_t at = pb_begin(b, num);

    pb_put_str(b, 1, str_cstr(key));
    put_any_str(b, 2, str_cstr(value));
    end_short(b, at);
}

static void put_int_attr(struct buf *b, uint32_t num, const char *key, uint64_t value)
{
    size_t at = pb_begin(b, num);
    size_t v;

    pb_put_str(b, 1, str_cstr(key));
    v = pb_begin(b, 2);
    pb_put_varint(b, 3, value);
    end_short(b, v);
    end_short(b, at);
}

static size_t begin_scope(struct buf *b, size_t *group)
{
    size_t r, scope, s;

    *group = pb_begin(b, 1);
    r = pb_begin(b, 1);
    put_attr(b, 1, "service.name", "checkout");
    put_attr(b, 1, "service.namespace", "shop");
    put_attr(b, 1, "service.instance.id", "checkout-7d9f8b6c5-x2x9p");
    put_attr(b, 1, "host.name", "node-12.example.org");
    put_attr(b, 1, "telemetry.sdk.language", "java");
    end_short(b, r);
    scope = pb_begin(b, 2);
    s = pb_begin(b, 1);
    pb_put_str(b, 1, STR("io.opentelemetry.tomcat-10.0"));
    pb_put_str(b, 2, STR("2.10.0-alpha"));
    end_short(b, s);
    return scope;
}

static void put_span(struct buf *b, uint64_t i)
{
    size_t at = pb_begin(b, 2);
    uint64_t id[2] = {i + 1, hash_u64(i)};

    pb_put_str(b, 1, str_of((const char *)id, 16));
    pb_put_str(b, 2, str_of((const char *)id, 8));
    pb_put_str(b, 4, str_of((const char *)id + 8, 8));
    pb_put_str(b, 5, STR("GET /api/v1/orders/{id}"));
    pb_put_varint(b, 6, 2);
    pb_put_fixed64(b, 7, 1700000000000000000ull + i * 1000000);
    pb_put_fixed64(b, 8, 1700000000000000000ull + i * 1000000 + 230000);
    put_attr(b, 9, "http.request.method", "GET");
    put_int_attr(b, 9, "http.response.status_code", 200);
    put_attr(b, 9, "url.path", "/api/v1/orders/1234567");
    put_attr(b, 9, "url.scheme", "https");
    put_attr(b, 9, "server.address", "orders.example.org");
    put_int_attr(b, 9, "server.port", 8443);
    put_attr(b, 9, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    put_attr(b, 9, "client.address", "10.1.2.3");
    pb_put_fixed32(b, 16, 257);
    end_short(b, at);
}

/* The same span in OTLP/JSON with four attributes. */
static void put_json_span(struct buf *b, uint64_t i)
{
    buf_printf(b,
               "%s{\"traceId\":\"%016llx%016llx\",\"spanId\":\"%016llx\",\"name\":"
               "\"GET /api/v1/orders/{id}\",\"kind\":2,\"startTimeUnixNano\":\"%llu\","
               "\"endTimeUnixNano\":\"%llu\",\"attributes\":[{\"key\":\"http.request.method\","
               "\"value\":{\"stringValue\":\"GET\"}},{\"key\":\"http.response.status_code\","
               "\"value\":{\"intValue\":\"200\"}},{\"key\":\"url.path\",\"value\":{\"stringValue\":"
               "\"/api/v1/orders/1234567\"}},{\"key\":\"server.port\",\"value\":{\"intValue\":"
               "\"8443\"}}]}",
               i != 0 ? "," : "", (unsigned long long)i + 1, (unsigned long long)hash_u64(i),
               (unsigned long long)hash_u64(i + 1),
               (unsigned long long)(1700000000000000000ull + i * 1000000),
               (unsigned long long)(1700000000000000000ull + i * 1000000 + 230000));
}

static void put_log(struct buf *b, uint64_t i)
{
    size_t at = pb_begin(b, 2);
    uint64_t id[2] = {i + 1, hash_u64(i)};

    pb_put_fixed64(b, 1, 1700000000000000000ull + i * 1000000);
    pb_put_varint(b, 2, 9);
    pb_put_str(b, 3, STR("INFO"));
    put_any_str(b, 5, STR("order 1234567 accepted for customer 9876 in 23 ms, 3 items, 17.50 EUR"));
    put_attr(b, 6, "thread.name", "http-nio-8080-exec-7");
    put_attr(b, 6, "code.namespace", "org.example.orders.OrderService");
    put_attr(b, 6, "code.function", "accept");
    put_int_attr(b, 6, "order.id", i);
    pb_put_str(b, 9, str_of((const char *)id, 16));
    pb_put_str(b, 10, str_of((const char *)id, 8));
    end_short(b, at);
}

static void put_metric(struct buf *b, uint64_t i)
{
    char text[32];
    size_t at = pb_begin(b, 2);
    size_t sum, point;

    pb_put_str(b, 1, STR("http.server.requests"));
    pb_put_str(b, 2, STR("Requests served."));
    pb_put_str(b, 3, STR("{request}"));
    sum = pb_begin(b, 7);
    pb_put_varint(b, 2, 2);
    pb_put_varint(b, 3, 1);
    point = pb_begin(b, 1);
    snprintf(text, sizeof(text), "/api/v1/route-%u", (unsigned)(i % ITEMS));
    pb_put_fixed64(b, 2, 1700000000000000000ull);
    pb_put_fixed64(b, 3, 1700000010000000000ull);
    pb_put_fixed64(b, 6, i * 17);
    put_attr(b, 7, "http.request.method", "GET");
    put_attr(b, 7, "http.route", text);
    put_int_attr(b, 7, "http.response.status_code", 200);
    end_short(b, point);
    end_short(b, sum);
    end_short(b, at);
}

static void put_label(struct buf *b, const char *name, const char *value)
{
    size_t at = pb_begin(b, 1);

    pb_put_str(b, 1, str_cstr(name));
    pb_put_str(b, 2, str_cstr(value));
    end_short(b, at);
}

static void put_series(struct buf *b, uint64_t i)
{
    struct buf s CLEANUP(buf_done) = {0};
    char text[32];

    buf_init(&s, 4096);
    snprintf(text, sizeof(text), "cpu-%u", (unsigned)i);
    put_label(&s, "__name__", "node_cpu_seconds_total");
    put_label(&s, "cpu", text);
    put_label(&s, "instance", "node-12.example.org:9100");
    put_label(&s, "job", "node");
    put_label(&s, "mode", "idle");
    buf_add(&s, "\x12\x10", 2);
    pb_put_f64(&s, 1, 12345.5 + (double)i);
    pb_put_varint(&s, 2, 1700000000000);
    pb_put_str(b, 1, buf_str(&s));
}

struct bench {
    struct fake_store store;
    struct sink sink;
    struct otlp *otlp;
    struct prom_remote *prom;
    struct arena arena;
    struct buf body;
    double seconds;
};

static void report(const char *name, uint64_t requests, size_t body_bytes, int64_t cpu_ns)
{
    double s = (double)cpu_ns / 1e9;

    printf("%-22s %10.0f items/s %8.1f MB/s %6.1f ns/item\n", name, (double)(requests * ITEMS) / s,
           (double)(requests * body_bytes) / 1e6 / s, (double)cpu_ns / (double)(requests * ITEMS));
}

static void run_otlp(struct bench *b, const char *name, enum otlp_signal signal,
                     enum otlp_encoding encoding)
{
    struct buf response CLEANUP(buf_done) = {0};
    int64_t start = clock_thread_cpu_ns();
    uint64_t n = 0;
    int64_t used = 0;

    buf_init(&response, 1 << 16);
    for (; (double)used < b->seconds * 1e9; n++) {
        struct otlp_request req = {signal, encoding, buf_str(&b->body), "otlp_grpc", 1};
        struct err e = {0};

        if (otlp_export(b->otlp, &req, &b->arena, &response, &e) < 0 || response.n > 2) {
            fprintf(stderr, "%s: %s\n", name, e.msg);
            exit(1);
        }
        arena_reset(&b->arena);
        buf_clear(&response);
        used = clock_thread_cpu_ns() - start;
    }
    report(name, n, b->body.n, used);
}

static void run_prom(struct bench *b)
{
    struct buf packed CLEANUP(buf_done) = {0};
    int64_t start;
    int64_t used = 0;
    uint64_t n = 0;

    buf_init(&packed, 64 << 20);
    if (compress_to(COMPRESS_SNAPPY, buf_str(&b->body), 0, &packed, NULL) < 0) {
        exit(1);
    }
    start = clock_thread_cpu_ns();
    for (; (double)used < b->seconds * 1e9; n++) {
        struct err e = {0};

        if (prom_remote_write(b->prom, buf_str(&packed), &e) < 0) {
            fprintf(stderr, "remote write: %s\n", e.msg);
            exit(1);
        }
        used = clock_thread_cpu_ns() - start;
    }
    report("remote write", n, b->body.n, used);
}

static void fill(struct bench *b, void (*put)(struct buf *b, uint64_t i), bool scoped)
{
    size_t group = 0;
    size_t scope = 0;

    buf_clear(&b->body);
    if (scoped) {
        scope = begin_scope(&b->body, &group);
    }
    for (uint64_t i = 0; i < ITEMS; i++) {
        put(&b->body, i);
    }
    if (scoped) {
        end_short(&b->body, scope);
        end_short(&b->body, group);
    }
}

int main(int argc, char **argv)
{
    static struct bench b;

    b.seconds = 2;
    if (argc > 1 && !str_to_f64(str_cstr(argv[1]), &b.seconds)) {
        fprintf(stderr, "usage: ingest_bench [seconds per case]\n");
        return 2;
    }
    fake_store_init(&b.store);
    b.store.quiet = true;
    b.sink = (struct sink){.metrics = fake_tsdb(&b.store),
                           .spans = fake_columns(&b.store),
                           .logs = fake_columns(&b.store)};
    ingest_limits_default(&b.sink.limits);
    b.otlp = otlp_new(&b.sink);
    b.prom = prom_remote_new(&b.sink);
    arena_init(&b.arena, 256 << 20);
    buf_init(&b.body, 64 << 20);
    fill(&b, put_span, true);
    run_otlp(&b, "OTLP spans", OTLP_TRACES, OTLP_PROTOBUF);
    fill(&b, put_log, true);
    run_otlp(&b, "OTLP logs", OTLP_LOGS, OTLP_PROTOBUF);
    fill(&b, put_metric, true);
    run_otlp(&b, "OTLP number points", OTLP_METRICS, OTLP_PROTOBUF);
    buf_clear(&b.body);
    buf_add_cstr(&b.body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[");
    for (uint64_t i = 0; i < ITEMS; i++) {
        put_json_span(&b.body, i);
    }
    buf_add_cstr(&b.body, "]}]}]}");
    run_otlp(&b, "OTLP/JSON spans", OTLP_TRACES, OTLP_JSON);
    fill(&b, put_series, false);
    run_prom(&b);
    otlp_free(b.otlp);
    prom_remote_free(b.prom);
    arena_done(&b.arena);
    buf_done(&b.body);
    fake_store_done(&b.store);
    return 0;
}
