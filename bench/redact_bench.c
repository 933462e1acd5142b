/* SPDX-License-Identifier: Apache-2.0
 *
 * What rules of processing cost: ns per log line and span without rules, with all detectors, and with rules on
 * attributes and derived fields. Usage: redact_bench [rounds]; lines are made like those of web, JVM and JSON loggers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "ingest/process/process.h"

enum { LINES = 1000 };

static const char *const SHAPES[] = {
    "10.0.%d.%d - - [21/Nov/2026:09:10:11 +0900] \"GET /api/v1/orders/%d HTTP/1.1\" 200 1234 \"-\" \"Mozilla/5.0\"",
    "2026-11-21T09:10:11.%03dZ INFO  [http-nio-8080-exec-%d] o.s.web.servlet.DispatcherServlet - Completed 200 OK in %d ms",
    "{\"ts\":\"2026-11-21T09:10:11.%03dZ\",\"level\":\"info\",\"msg\":\"order accepted\",\"order\":%d,\"took_ms\":%d}",
    "2026-11-21 09:10:11,%03d DEBUG org.hibernate.SQL - select o.id, o.name from orders o where o.id=%d limit %d",
    "\tat com.example.shop.OrderService.place(OrderService.java:%d) ~[shop-1.%d.jar:%d]",
};

static const char HITS[] =
    "성명: 홍길동, 900101-1234567, 010-1234-5678, hong@example.com card 4111-1111-1111-1111 "
    "password=hunter2";

static const char ALL[] =
    "redaction: [{detector: secret}, {detector: token}, {detector: kr_resident_number}, "
    "{detector: kr_foreigner_number}, {detector: card}, {detector: kr_driver_licence}, "
    "{detector: kr_passport}, {detector: account}, {detector: kr_phone}, {detector: email}, "
    "{detector: person_name}, {detector: ipv4}, {detector: ipv6}]";
static const char USUAL[] =
    "redaction: [{detector: secret}, {detector: token}, {detector: kr_resident_number}, "
    "{detector: card}, {detector: kr_phone}, {detector: email}]";
static const char OTHER[] =
    "derive: [{name: t, trace_id: true}, {name: o, regex: 'order=(?<order>\\d+)'}]\n"
    "attributes: [{name: a, drop: ['http.request.header.*']}, {name: e, on: resource, set: {env: prod}}]\n"
    "drop: [{name: d, when: {severity_below: debug, service: 'x*'}}]";

static const struct attr ATTRS[] = {
    {STR("http.request.method"), {.type = VALUE_STR, .u.s = STR("GET")}},
    {STR("url.path"), {.type = VALUE_STR, .u.s = STR("/api/v1/orders/123456")}},
    {STR("http.response.status_code"), {.type = VALUE_I64, .u.i = 200}},
    {STR("server.address"), {.type = VALUE_STR, .u.s = STR("shop-7f9c4d5b6-x2x9z")}},
    {STR("db.query.text"),
     {.type = VALUE_STR, .u.s = STR("select o.id from orders o where o.id=$1")}},
    {STR("thread.name"), {.type = VALUE_STR, .u.s = STR("http-nio-8080-exec-7")}},
};
static const struct attr RESOURCE[] = {
    {STR("service.name"), {.type = VALUE_STR, .u.s = STR("shop")}}};
static const struct resource SHOP = {.attrs = {RESOURCE, 1}};
static const struct scope SCOPE = {0};

static struct log_record lines[LINES];
static struct span spans[LINES];

static size_t make(struct arena *a, bool hits)
{
    size_t bytes = 0;

    for (int i = 0; i < LINES; i++) {
        struct str s =
            arena_printf(a, SHAPES[i % (int)ARRAY_LEN(SHAPES)], i % 250, i * 7 % 250, i * 31);

        if (hits && i % 10 == 0) {
            s = str_cstr(HITS);
        }
        lines[i] = (struct log_record){.body = {.type = VALUE_STR, .u.s = s},
                                       .severity = 9,
                                       .resource = &SHOP,
                                       .scope = &SCOPE};
        spans[i] = (struct span){.name = STR("GET /api/v1/orders/{id}"),
                                 .attrs = {ATTRS, ARRAY_LEN(ATTRS)},
                                 .resource = &SHOP,
                                 .scope = &SCOPE};
        bytes += s.n;
    }
    return bytes;
}

static void measure(const char *name, const char *yaml, bool hits, int rounds)
{
    const struct process_opts o = {.hash_key = {1}};
    struct process *p = process_new(&o);
    struct arena text;
    struct arena work;
    struct err e = {0};
    size_t bytes;
    int64_t logs_ns = 0;
    int64_t spans_ns = 0;

    arena_init(&text, 16 << 20);
    arena_init(&work, 64 << 20);
    bytes = make(&text, hits);
    if (process_load(p, PROCESS_FILE, "bench", str_cstr(yaml), &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        exit(1);
    }
    for (int i = 0; i < rounds; i++) {
        static struct log_record l[LINES];
        static struct span s[LINES];
        struct process_tally tally;
        size_t n = LINES;
        int64_t t;

        memcpy(l, lines, sizeof(l));
        memcpy(s, spans, sizeof(s));
        arena_reset(&work);
        t = clock_thread_cpu_ns();
        if (process_logs(p, l, &n, &work, &tally, &e) < 0) {
            exit(1);
        }
        process_settle(p, &tally, true);
        logs_ns += clock_thread_cpu_ns() - t;
        n = LINES;
        arena_reset(&work);
        t = clock_thread_cpu_ns();
        if (process_spans(p, s, &n, &work, &tally, &e) < 0) {
            exit(1);
        }
        process_settle(p, &tally, true);
        spans_ns += clock_thread_cpu_ns() - t;
    }
    printf("%-34s %8.1f ns/line %6.2f GB/s %8.1f ns/span\n", name, (double)logs_ns / rounds / LINES,
           logs_ns > 0 ? (double)bytes * rounds / (double)logs_ns : 0,
           (double)spans_ns / rounds / LINES);
    arena_done(&text);
    arena_done(&work);
    process_free(p);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 300;

    measure("no rules", "", false, rounds);
    measure("six usual detectors, no hits", USUAL, false, rounds);
    measure("all detectors (IPs hit)", ALL, false, rounds);
    measure("all detectors, hits in 1 of 10", ALL, true, rounds);
    measure("one regex", "redaction: [{name: x, regex: 'order-(\\d+)'}]", false, rounds);
    measure("derive, attributes, drop", OTHER, false, rounds);
    return 0;
}
