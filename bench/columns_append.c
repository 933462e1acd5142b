/* SPDX-License-Identifier: Apache-2.0
 *
 * How fast the span and log engine takes rows and how small they get: realistic traces (services with
 * replicas, HTTP and SQL attributes) and web logs. Prints rows per CPU-second of append, flush and merge,
 * bytes per row, and the time of a few queries. Usage: columns_append DIR [rows]; DIR must not exist.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "store/columns/columns.h"

enum { BATCH = 500, SERVICES = 12, REPLICAS = 3, ATTRS = 9 };

struct source {
    uint64_t state;
    struct resource resources[SERVICES * REPLICAS];
    struct attr resource_attrs[SERVICES * REPLICAS][8];
    char names[SERVICES * REPLICAS][3][48];
    struct scope scope;
    int64_t now_ns;
};

static uint64_t below(struct source *s, uint64_t n)
{
    return random_next(&s->state) % n;
}

static struct attr text_attr(const char *key, const char *value)
{
    return (struct attr){str_cstr(key), {.type = VALUE_STR, .u.s = str_cstr(value)}};
}

static struct attr int_attr(const char *key, int64_t value)
{
    return (struct attr){str_cstr(key), {.type = VALUE_I64, .u.i = value}};
}

static void source_init(struct source *s)
{
    *s = (struct source){.state = 7, .now_ns = clock_wall_ns() - 1800LL * 1000000000};
    s->scope = (struct scope){.name = STR("@opentelemetry/instrumentation-http"),
                              .version = STR("0.52.1")};
    for (size_t i = 0; i < SERVICES * REPLICAS; i++) {
        struct attr *v = s->resource_attrs[i];

        snprintf(s->names[i][0], 48, "service-%zu", i / REPLICAS);
        snprintf(s->names[i][1], 48, "service-%zu-7d9f8b6c5-%05zu", i / REPLICAS, i * 7919 % 99999);
        snprintf(s->names[i][2], 48, "node-%zu", i % 5);
        v[0] = text_attr("service.name", s->names[i][0]);
        v[1] = text_attr("k8s.pod.name", s->names[i][1]);
        v[2] = text_attr("k8s.node.name", s->names[i][2]);
        v[3] = text_attr("k8s.namespace.name", "shop");
        v[4] = text_attr("telemetry.sdk.language", "nodejs");
        v[5] = text_attr("telemetry.sdk.version", "1.25.1");
        v[6] = int_attr("process.pid", (int64_t)(1000 + i));
        v[7] = text_attr("deployment.environment", "production");
        s->resources[i] = (struct resource){.attrs = {v, 8}};
    }
}

struct row_text {
    char url[64];
    char message[160];
    struct attr attrs[ATTRS];
};

static void make_span(struct source *s, struct span *ret, struct row_text *t,
                      const uint8_t trace[16], uint64_t parent)
{
    static const char *const ROUTES[] = {"/api/cart", "/api/order/{id}", "/api/items",    "/login",
                                         "/api/pay",  "/health",         "/static/app.js"};
    static const char *const METHODS[] = {"GET", "GET", "GET", "POST", "PUT"};
    size_t who = below(s, SERVICES * REPLICAS);
    const char *route = ROUTES[below(s, ARRAY_LEN(ROUTES))];
    uint64_t id = random_next(&s->state);
    bool failed = below(s, 50) == 0;

    snprintf(t->url, sizeof(t->url), "%s?id=%llu", route, (unsigned long long)below(s, 100000));
    t->attrs[0] = text_attr("http.request.method", METHODS[below(s, 5)]);
    t->attrs[1] = text_attr("http.route", route);
    t->attrs[2] = text_attr("url.path", t->url);
    t->attrs[3] = int_attr("http.response.status_code", failed ? 500 : 200);
    t->attrs[4] = text_attr("server.address", s->names[who][0]);
    t->attrs[5] = int_attr("server.port", 8080);
    t->attrs[6] = text_attr("network.protocol.version", "1.1");
    t->attrs[7] = int_attr("http.response.body.size", (int64_t)below(s, 20000));
    t->attrs[8] = text_attr("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0");
    *ret = (struct span){.start_ns = s->now_ns,
                         .name = str_cstr(route),
                         .status = failed ? SPAN_STATUS_ERROR : SPAN_STATUS_UNSET,
                         .kind = (uint8_t)(1 + below(s, 3)),
                         .flags = 0x101,
                         .attrs = {t->attrs, ATTRS},
                         .resource = &s->resources[who],
                         .scope = &s->scope};
    ret->end_ns = ret->start_ns + 100000 + (int64_t)below(s, 50000000);
    ret->arrival_ns = s->now_ns / 1000000000 * 1000000000 + 1000000000;
    memcpy(ret->trace_id.b, trace, 16);
    memcpy(ret->span_id.b, &id, 8);
    memcpy(ret->parent_id.b, &parent, 8);
    s->now_ns += (int64_t)below(s, 200000);
}

static void make_log(struct source *s, struct log_record *ret, struct row_text *t)
{
    static const char *const PATHS[] = {"/index.html", "/api/cart", "/api/items", "/img/logo.png"};
    size_t who = below(s, SERVICES * REPLICAS);
    bool failed = below(s, 40) == 0;
    int n = snprintf(t->message, sizeof(t->message),
                     "%s request for %s from 10.%llu.%llu.%llu took %llu ms, status %d, bytes %llu",
                     failed ? "failed" : "completed", PATHS[below(s, 4)],
                     (unsigned long long)below(s, 4), (unsigned long long)below(s, 250),
                     (unsigned long long)below(s, 250), (unsigned long long)below(s, 900),
                     failed ? 503 : 200, (unsigned long long)below(s, 100000));

    t->attrs[0] = text_attr("logger.name", "com.shop.web.AccessLog");
    t->attrs[1] = text_attr("thread.name", "http-nio-8080-exec-7");
    t->attrs[2] = int_attr("http.response.status_code", failed ? 503 : 200);
    *ret = (struct log_record){.time_ns = s->now_ns,
                               .observed_ns = s->now_ns + 1000000,
                               .arrival_ns = s->now_ns / 1000000000 * 1000000000 + 1000000000,
                               .severity = failed ? 17 : 9,
                               .severity_text = failed ? STR("ERROR") : STR("INFO"),
                               .body = {.type = VALUE_STR, .u.s = str_of(t->message, (size_t)n)},
                               .attrs = {t->attrs, 3},
                               .resource = &s->resources[who],
                               .scope = &s->scope};
    s->now_ns += (int64_t)below(s, 200000);
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", what, e->msg);
    exit(1);
}

static double append_batch(struct columns *c, enum columns_kind kind, struct source *s)
{
    static struct row_text text[BATCH];
    static struct span spans[BATCH];
    static struct log_record logs[BATCH];
    struct columns_commit commit;
    struct err err = {0};
    uint8_t trace[16];
    uint64_t parent = 0;
    double start;
    int rc;

    for (size_t i = 0; i < BATCH; i++) {
        if (i % 20 == 0) {
            for (size_t k = 0; k < 16; k++) {
                trace[k] = (uint8_t)random_next(&s->state);
            }
            parent = 0;
        }
        make_log(s, &logs[i], &text[i]);
        if (kind == COLUMNS_SPANS) {
            make_span(s, &spans[i], &text[i], trace, parent);
            memcpy(&parent, spans[i].span_id.b, 8);
        }
    }
    start = cpu_s();
    do {
        rc = kind == COLUMNS_SPANS ? columns_append_spans(c, spans, BATCH, &commit, &err)
                                   : columns_append_logs(c, logs, BATCH, &commit, &err);
        if (rc == -ERR_OVERLOAD) {
            clock_sleep_ms(5);
        }
    } while (rc == -ERR_OVERLOAD);
    if (rc < 0) {
        die("append", &err);
    }
    return cpu_s() - start;
}

static int count_span(void *arg, const struct span *row, uint64_t id)
{
    size_t *n = arg;

    (void)row;
    (void)id;
    return ++*n == 100 ? 1 : 0;
}

static int count_log(void *arg, const struct log_record *row, uint64_t id)
{
    size_t *n = arg;

    (void)row;
    (void)id;
    return ++*n == 100 ? 1 : 0;
}

static void query(struct columns *c, enum columns_kind kind, const char *name,
                  const struct filter *f)
{
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX, .filter = f};
    struct field by = {FIELD_INTRINSIC,
                       kind == COLUMNS_SPANS ? STR("status") : STR("severity_text")};
    struct columns_buckets whole = {.step_ns = INT64_MAX, .n = 1, .by = &by};
    struct columns_groups groups;
    struct scan_stats stats = {0};
    struct err err = {0};
    struct arena a;
    struct mono start = clock_mono();
    double scan_ms;
    size_t n = 0;
    int rc = kind == COLUMNS_SPANS
                 ? columns_scan_spans(c, &q, INT64_MAX, 0, count_span, &n, &stats, &err)
                 : columns_scan_logs(c, &q, INT64_MAX, 0, count_log, &n, &stats, &err);

    scan_ms = (double)mono_since_ns(start) / 1e6;
    if (rc < 0) {
        die(name, &err);
    }
    arena_init(&a, 64 << 20);
    start = clock_mono();
    q.min_ns = 0;
    if (columns_histogram(c, &q, &whole, &a, &groups, &err) < 0) {
        die(name, &err);
    }
    printf("  %-28s newest 100: %7.2f ms   count by level: %7.2f ms\n", name, scan_ms,
           (double)mono_since_ns(start) / 1e6);
    arena_done(&a);
}

static void queries(struct columns *c, enum columns_kind kind)
{
    struct arena a;
    struct value word = {.type = VALUE_STR, .u.s = STR("503")};
    struct value rare = {.type = VALUE_STR, .u.s = STR("nosuchword")};
    struct value status = {.type = VALUE_I64, .u.i = 500};
    struct field text = {FIELD_INTRINSIC, kind == COLUMNS_SPANS ? STR("name") : STR("body")};
    struct field code = {FIELD_ATTR, STR("http.response.status_code")};

    arena_init(&a, 1 << 20);
    query(c, kind, "everything", NULL);
    query(c, kind, "word in text", filter_pred(&a, text, PRED_WORD, word));
    query(c, kind, "word that is nowhere", filter_pred(&a, text, PRED_WORD, rare));
    query(c, kind, "substring", filter_pred(&a, text, PRED_CONTAINS, rare));
    query(c, kind, "attribute >= 500", filter_pred(&a, code, PRED_GE, status));
    arena_done(&a);
}

static void run(const char *dir, enum columns_kind kind, size_t rows)
{
    char path[4096];
    struct columns_opts o = {.kind = kind, .dir = path};
    struct columns_status st;
    struct columns *c;
    struct source s;
    struct err err = {0};
    double append = 0;
    double start;
    double total;

    snprintf(path, sizeof(path), "%s/%s", dir, kind == COLUMNS_SPANS ? "spans" : "logs");
    source_init(&s);
    if (columns_open(&o, &c, &err) < 0) {
        die("open", &err);
    }
    for (size_t i = 0; i < rows; i += BATCH) {
        append += append_batch(c, kind, &s);
    }
    columns_status(c, &st);
    start = cpu_s();
    if (columns_flush(c, &err) < 0) {
        die("flush", &err);
    }
    total = cpu_s() - start;
    printf("%s: %zu rows, append %.0f rows/CPU-s (with the flushes beside it)\n",
           kind == COLUMNS_SPANS ? "spans" : "logs", rows, (double)rows / append);
    printf("  last flush: %llu rows, %.0f rows/CPU-s, %.1f bytes per row in memory\n",
           (unsigned long long)st.memory_rows, (double)st.memory_rows / total,
           (double)st.memory_bytes / (double)st.memory_rows);
    columns_status(c, &st);
    printf("  on disk: %.2f bytes per row in %llu parts\n", (double)st.disk_bytes / (double)st.rows,
           (unsigned long long)st.parts);
    queries(c, kind);
    start = cpu_s();
    if (columns_compact(c, &err) < 0) {
        die("compact", &err);
    }
    total = cpu_s() - start;
    columns_status(c, &st);
    printf("  merged: %.0f rows/CPU-s, %.2f bytes per row in %llu parts\n", (double)st.rows / total,
           (double)st.disk_bytes / (double)st.rows, (unsigned long long)st.parts);
    queries(c, kind);
    columns_close(c);
}

int main(int argc, char **argv)
{
    uint64_t rows = 1000000;

    if (argc < 2 || (argc > 2 && !str_to_u64(str_cstr(argv[2]), &rows))) {
        fprintf(stderr, "usage: columns_append DIR [rows]\n");
        return 2;
    }
    run(argv[1], COLUMNS_SPANS, rows);
    run(argv[1], COLUMNS_LOGS, rows);
    return 0;
}
