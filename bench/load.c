/* SPDX-License-Identifier: Apache-2.0
 *
 * Load generator: spans or logs as OTLP/HTTP protobuf over several keep-alive connections. Bodies are encoded before the clock starts, so that its own cost stays small; every
 * answer is checked. Prints one JSON line. Loopback only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/thread.h"
#include "codec/pb.h"

enum signal { SPANS, LOGS };

enum { CONNS_MAX = 64 };

struct plan {
    enum signal signal;
    int port;
    const char *token;
    int64_t items;
    int64_t batch;
    int conns;
    int64_t start_ns; /* time of the first item */
};

struct worker {
    const struct plan *plan;
    struct thread thread;
    struct buf *bodies; /* owned */
    size_t n;
    int64_t acked; /* requests answered 2xx */
    int64_t failed;
    int64_t wire_bytes;
    double worst_ms;
};

/* ---- what is sent ---- */

static void put_attr(struct buf *b, uint32_t field, const char *key, const char *value)
{
    size_t kv = pb_begin(b, field);
    size_t any;

    pb_put_str(b, 1, str_cstr(key));
    any = pb_begin(b, 2);
    pb_put_str(b, 1, str_cstr(value));
    pb_end(b, any);
    pb_end(b, kv);
}

static void put_resource(struct buf *b, int64_t request)
{
    char name[32];
    size_t resource = pb_begin(b, 1);

    snprintf(name, sizeof(name), "service-%d", (int)(request % 20));
    put_attr(b, 1, "service.name", name);
    snprintf(name, sizeof(name), "pod-%d", (int)(request % 100));
    put_attr(b, 1, "service.instance.id", name);
    put_attr(b, 1, "telemetry.sdk.language", "java");
    put_attr(b, 1, "host.name", name);
    pb_end(b, resource);
}

static void put_id(struct buf *b, uint32_t field, size_t n, uint64_t *seed)
{
    uint64_t raw[2] = {random_next(seed), random_next(seed)};

    pb_put_str(b, field, str_of((const char *)raw, n));
}

/* One span of a web request: nine attributes, as auto-instrumentation sends them. */
static void put_span(struct buf *b, int64_t t_ns, uint64_t *seed)
{
    static const char *const ROUTES[] = {"/cart", "/checkout", "/items/{id}", "/login", "/search"};
    uint64_t r = random_next(seed);
    const char *route = ROUTES[r % 5];
    int64_t duration = 1000000 + (int64_t)(r >> 40);
    size_t span = pb_begin(b, 2);
    char text[64];

    put_id(b, 1, 16, seed);
    put_id(b, 2, 8, seed);
    snprintf(text, sizeof(text), "GET %s", route);
    pb_put_str(b, 5, str_cstr(text));
    pb_put_varint(b, 6, 2 + r % 2);
    pb_put_fixed64(b, 7, (uint64_t)t_ns);
    pb_put_fixed64(b, 8, (uint64_t)(t_ns + duration));
    put_attr(b, 9, "http.request.method", "GET");
    put_attr(b, 9, "http.route", route);
    put_attr(b, 9, "url.scheme", "https");
    put_attr(b, 9, "network.protocol.version", "1.1");
    snprintf(text, sizeof(text), "/items/%u", (unsigned)(r % 10000));
    put_attr(b, 9, "url.path", text);
    put_attr(b, 9, "http.response.status_code", r % 50 == 0 ? "500" : "200");
    snprintf(text, sizeof(text), "10.1.%u.%u", (unsigned)(r >> 8) % 256, (unsigned)(r >> 16) % 256);
    put_attr(b, 9, "client.address", text);
    put_attr(b, 9, "user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    snprintf(text, sizeof(text), "http-nio-8080-exec-%u", (unsigned)(r >> 24) % 200);
    put_attr(b, 9, "thread.name", text);
    pb_end(b, span);
}

static void put_log(struct buf *b, int64_t t_ns, uint64_t *seed)
{
    static const char *const LEVELS[] = {"INFO", "INFO", "INFO", "WARN", "ERROR", "DEBUG"};
    static const uint8_t NUMBERS[] = {9, 9, 9, 13, 17, 5};
    uint64_t r = random_next(seed);
    size_t record = pb_begin(b, 2);
    char text[256];
    size_t body;

    pb_put_fixed64(b, 1, (uint64_t)t_ns);
    pb_put_varint(b, 2, NUMBERS[r % 6]);
    pb_put_str(b, 3, str_cstr(LEVELS[r % 6]));
    body = pb_begin(b, 5);
    snprintf(text, sizeof(text),
             "request %08x for user %u finished in %u ms: order %u accepted by warehouse %u",
             (unsigned)(r >> 32), (unsigned)(r % 50000), (unsigned)(r >> 20) % 900,
             (unsigned)(r >> 8) % 1000000, (unsigned)(r % 12));
    pb_put_str(b, 1, str_cstr(text));
    pb_end(b, body);
    put_attr(b, 6, "logger", "com.example.orders.OrderService");
    snprintf(text, sizeof(text), "http-nio-8080-exec-%u", (unsigned)(r >> 24) % 200);
    put_attr(b, 6, "thread.name", text);
    put_id(b, 9, 16, seed);
    put_id(b, 10, 8, seed);
    pb_end(b, record);
}

static void put_otlp(const struct plan *p, struct buf *b, int64_t request)
{
    uint64_t seed = (uint64_t)request * 2654435761u + 7;
    size_t outer = pb_begin(b, 1);
    size_t scope;

    put_resource(b, request);
    scope = pb_begin(b, 2);
    for (int64_t i = 0; i < p->batch; i++) {
        int64_t t = p->start_ns + (request * p->batch + i) * 20000; /* 50,000 a second */

        if (p->signal == SPANS) {
            put_span(b, t, &seed);
        } else {
            put_log(b, t, &seed);
        }
    }
    pb_end(b, scope);
    pb_end(b, outer);
}

static void encode(const struct plan *p, struct buf *dst, int64_t request)
{
    struct buf body;

    buf_init(&body, SIZE_MAX / 2);
    put_otlp(p, &body, request);
    buf_init(dst, SIZE_MAX / 2);
    buf_printf(dst,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/x-protobuf\r\n",
               p->signal == SPANS ? "/otlp/v1/traces" : "/otlp/v1/logs", p->port);
    if (p->token != NULL) {
        buf_printf(dst, "Authorization: Bearer %s\r\n", p->token);
    }
    buf_printf(dst, "Content-Length: %zu\r\n\r\n", body.n);
    buf_add_str(dst, buf_str(&body));
    buf_done(&body);
}

/* ---- sending ---- */

static int dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        perror("connect");
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static bool send_all(int fd, struct str s)
{
    while (s.n != 0) {
        ssize_t n = write(fd, s.p, s.n);

        if (n <= 0) {
            return false;
        }
        s = str_drop(s, (size_t)n);
    }
    return true;
}

/* Status of one answer; its body is read and dropped. */
static int read_answer(int fd)
{
    char text[65536];
    size_t n = 0;
    int64_t head = -1;
    size_t want = SIZE_MAX;

    while (n < sizeof(text) - 1 && n < want) {
        ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
        struct str s;

        if (got <= 0) {
            return -1;
        }
        n += (size_t)got;
        s = str_of(text, n);
        head = head < 0 ? str_find(s, STR("\r\n\r\n")) : head;
        if (head >= 0 && want == SIZE_MAX) {
            const char *length = strcasestr(text, "content-length:");

            text[n] = '\0';
            length = strcasestr(text, "content-length:");
            want = (size_t)head + 4 + (length != NULL ? strtoul(length + 15, NULL, 10) : 0);
        }
    }
    text[n] = '\0';
    return n > 12 ? (int)strtol(text + 9, NULL, 10) : -1;
}

static void post_all(void *arg)
{
    struct worker *w = arg;
    int fd = dial(w->plan->port);

    for (size_t i = 0; i < w->n; i++) {
        struct mono since = clock_mono();
        int status = send_all(fd, buf_str(&w->bodies[i])) ? read_answer(fd) : -1;
        double ms = (double)mono_since_ns(since) / 1e6;

        w->worst_ms = ms > w->worst_ms ? ms : w->worst_ms;
        w->wire_bytes += (int64_t)w->bodies[i].n;
        if (status == 429 || status == 503) {
            clock_sleep_ms(50);
            i--; /* the server asks to come back */
        } else if (status / 100 == 2) {
            w->acked++;
        } else {
            w->failed++;
            if (status < 0) {
                close(fd);
                fd = dial(w->plan->port);
            }
        }
    }
    close(fd);
}

static struct plan parse_args(int argc, char **argv)
{
    static const struct option OPTIONS[] = {
        {"signal", 1, NULL, 's'},
        {"port", 1, NULL, 'p'},
        {"token", 1, NULL, 't'},
        {"items", 1, NULL, 'n'},
        {"batch", 1, NULL, 'b'},
        {"conns", 1, NULL, 'c'},
        {0},
    };
    struct plan p = {.items = 1000000, .batch = 1000, .conns = 4};
    int c;

    while ((c = getopt_long(argc, argv, "", OPTIONS, NULL)) >= 0) {
        switch (c) {
        case 's':
            p.signal = optarg[0] == 's' ? SPANS : LOGS;
            break;
        case 'p':
            p.port = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
            p.token = optarg;
            break;
        case 'n':
            p.items = strtoll(optarg, NULL, 10);
            break;
        case 'b':
            p.batch = strtoll(optarg, NULL, 10);
            break;
        case 'c':
            p.conns = (int)strtol(optarg, NULL, 10);
            break;
        default:
            fprintf(stderr, "usage: load --signal spans|logs --port PORT [--items N] [--batch N] "
                            "[--conns N] [--token T]\n");
            exit(2);
        }
    }
    p.conns = p.conns > CONNS_MAX ? CONNS_MAX : p.conns;
    return p;
}

/* Newest item a second ago. Requests of one connection are in time order. */
static void prepare(struct plan *p, struct worker *workers)
{
    int64_t requests = (p->items + p->batch - 1) / p->batch;

    p->start_ns = clock_wall_ns() - p->items * 20000 - 1000000000;
    for (int i = 0; i < p->conns; i++) {
        workers[i].plan = p;
        workers[i].bodies = mem_xcalloc((size_t)(requests / p->conns + 1), sizeof(struct buf));
    }
    for (int64_t r = 0; r < requests; r++) {
        struct worker *w = &workers[r % p->conns];

        encode(p, &w->bodies[w->n++], r);
    }
}

int main(int argc, char **argv)
{
    static const char *const NAMES[] = {"spans", "logs"};
    static struct worker workers[CONNS_MAX];
    struct plan p = parse_args(argc, argv);
    struct worker all = {0};
    struct timespec cpu;
    struct mono since;
    double seconds;

    prepare(&p, workers);
    fprintf(stderr, "bodies encoded\n");
    since = clock_mono();
    for (int i = 0; i < p.conns; i++) {
        if (thread_start(&workers[i].thread, "load", post_all, &workers[i]) < 0) {
            return 1;
        }
    }
    for (int i = 0; i < p.conns; i++) {
        thread_join(&workers[i].thread);
        all.acked += workers[i].acked;
        all.failed += workers[i].failed;
        all.wire_bytes += workers[i].wire_bytes;
        all.worst_ms = workers[i].worst_ms > all.worst_ms ? workers[i].worst_ms : all.worst_ms;
    }
    seconds = (double)mono_since_ns(since) / 1e9;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    printf("{\"signal\":\"%s\",\"items\":%lld,\"failed_requests\":%lld,\"seconds\":%.3f,"
           "\"items_per_s\":%.0f,\"wire_bytes_per_item\":%.1f,\"worst_ms\":%.1f,"
           "\"generator_cpu_s\":%.2f}\n",
           NAMES[p.signal], (long long)(all.acked * p.batch), (long long)all.failed, seconds,
           (double)(all.acked * p.batch) / seconds,
           (double)all.wire_bytes / (double)(all.acked != 0 ? all.acked * p.batch : 1),
           all.worst_ms, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    return all.failed != 0;
}
