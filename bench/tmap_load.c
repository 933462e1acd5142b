/* SPDX-License-Identifier: Apache-2.0
 *
 * A day of requests through the engines of transactions and T-Maps, then the questions the screen asks. Prints requests
 * per CPU-second, bytes on disk and the time of each question. Usage: tmap_load DIR [requests]; DIR must not exist.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "apm/tmap.h"
#include "apm/transactions.h"
#include "apm/txn_query.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"
#include "io/vfs.h"

enum { BATCH = 1000, PODS = 20, ROUTES = 50, ROUNDS = 5 };

static const int64_t DAY_NS = 86400 * 1000000000LL;

struct bench {
    uint64_t random;
    struct columns *rows, *cells;
    struct tmap *tmap;
    struct transactions *transactions;
    struct resource pods[PODS];
    struct attr pod_attrs[PODS][3];
    char names[PODS][16], paths[ROUTES][24];
    struct scope scope;
    int64_t end_ns;
};

static uint64_t below(struct bench *b, uint64_t n)
{
    return random_next(&b->random) % n;
}

static void check(int rc, const struct err *e)
{
    if (rc < 0) {
        fprintf(stderr, "%s\n", e->msg);
        exit(1);
    }
}

static struct columns *open_rows(const char *dir, const char *name, enum columns_kind kind)
{
    char *path CLEANUP(mem_free_ptr) = vfs_join(dir, name);
    const struct columns_opts o = {.kind = kind, .dir = path, .name = name};
    struct columns *c = NULL;
    struct err e = {0};

    check(columns_open(&o, &c, &e), &e);
    return c;
}

static void open_all(struct bench *b, const char *dir)
{
    struct err e = {0};
    struct tmap_opts to = {.manual = true};
    struct transactions_opts o = {.manual = true};

    to.cells = b->cells = open_rows(dir, "tmap", COLUMNS_LOGS);
    o.rows = to.transactions = b->rows = open_rows(dir, "transactions", COLUMNS_SPANS);
    check(tmap_open(&to, &b->tmap, &e), &e);
    o.tmap = b->tmap;
    check(transactions_new(&o, &b->transactions, &e), &e);
}

static void make_names(struct bench *b)
{
    for (int i = 0; i < PODS; i++) {
        snprintf(b->names[i], sizeof(b->names[i]), "cart-%d", i);
        b->pod_attrs[i][0] = (struct attr){STR("service.name"), {VALUE_STR, .u.s = STR("cart")}};
        b->pod_attrs[i][1] =
            (struct attr){STR("service.namespace"), {VALUE_STR, .u.s = STR("shop")}};
        b->pod_attrs[i][2] =
            (struct attr){STR("k8s.pod.name"), {VALUE_STR, .u.s = str_cstr(b->names[i])}};
        b->pods[i] = (struct resource){.attrs = {b->pod_attrs[i], 3}};
    }
    for (int i = 0; i < ROUTES; i++) {
        snprintf(b->paths[i], sizeof(b->paths[i]), "/shop/page%d", i);
    }
}

/** Log-normal around 60 ms, one in a hundred ten times as long; 2 % errors. */
static void make_span(struct bench *b, int64_t start_ns, struct span *s, struct attr attrs[4])
{
    double u = (double)(below(b, 1000000) + 1) / 1000001;
    double v = (double)below(b, 1000000) / 1000000;
    double ms = 60 * exp(0.8 * sqrt(-2 * log(u)) * cos(6.283185307 * v));
    uint64_t chance = below(b, 100);
    const char *path = b->paths[below(b, ROUTES)];

    ms = chance == 0 ? ms * 10 : ms;
    attrs[0] = (struct attr){STR("http.request.method"), {VALUE_STR, .u.s = STR("GET")}};
    attrs[1] = (struct attr){STR("http.route"), {VALUE_STR, .u.s = str_cstr(path)}};
    attrs[2] = (struct attr){STR("url.path"), {VALUE_STR, .u.s = str_cstr(path)}};
    attrs[3] = (struct attr){STR("http.response.status_code"),
                             {VALUE_I64, .u.i = chance < 1   ? 500
                                                : chance < 2 ? 404
                                                             : 200}};
    *s = (struct span){.name = STR("GET"),
                       .kind = SPAN_SERVER,
                       .start_ns = start_ns,
                       .end_ns = start_ns + (int64_t)(ms * 1e6),
                       .attrs = {attrs, 4},
                       .resource = &b->pods[below(b, PODS)],
                       .scope = &b->scope};
    for (int i = 0; i < 2; i++) {
        uint64_t bits = random_next(&b->random);

        memcpy(s->trace_id.b + 8 * i, &bits, 8);
    }
    memcpy(s->span_id.b, s->trace_id.b, SPAN_ID_SIZE);
}

static void load(struct bench *b, uint64_t requests)
{
    static struct span spans[BATCH];
    static struct attr attrs[BATCH][4];
    struct err e = {0};

    for (uint64_t at = 0; at < requests; at += BATCH) {
        for (uint64_t i = 0; i < BATCH; i++) {
            double share = (double)(at + i) / (double)requests;

            make_span(b, b->end_ns - DAY_NS + (int64_t)(share * (double)DAY_NS), &spans[i],
                      attrs[i]);
        }
        transactions_seen(b->transactions, spans, BATCH, clock_wall_ms());
        if (transactions_write(b->transactions, true, &e) < 0) { /* faster than the disk */
            check(columns_flush(b->rows, &e), &e);
            check(transactions_write(b->transactions, true, &e), &e);
        }
        if (at % 100000 == 0) {
            check(tmap_write(b->tmap, clock_wall_ms(), &e), &e);
        }
    }
    check(tmap_write(b->tmap, clock_wall_ms() + 3700000, &e), &e);
    check(columns_flush(b->rows, &e), &e);
    check(columns_flush(b->cells, &e), &e);
}

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void ask_cells(struct bench *b, const char *what, int64_t range_ns)
{
    const struct str group = STR("shop/cart");
    struct tmap_query q = {.groups = &group,
                           .groups_n = 1,
                           .min_ns = b->end_ns - range_ns,
                           .max_ns = b->end_ns,
                           .columns = 300,
                           .shift = 1};

    for (int i = 0; i < ROUNDS; i++) {
        struct mono since = clock_mono();
        struct tmap_cells c;
        struct err e = {0};
        struct arena a;

        arena_init(&a, 256 << 20);
        check(tmap_cells(b->tmap, &q, &a, &c, &e), &e);
        printf("%s: %.1f ms, %zu columns, %zu cells, %llu requests\n", what,
               (double)mono_since_ns(since) / 1e6, c.columns, c.n,
               (unsigned long long)(c.total[0] + c.total[1] + c.total[2]));
        arena_done(&a);
    }
}

static void ask_box(struct bench *b, uint64_t requests, bool slowest)
{
    /* all that begin in a time that has about 1000 requests */
    int64_t range_ns = (int64_t)((double)DAY_NS * 1000 / (double)requests);
    struct txn_filter f = {.min_ns = b->end_ns - DAY_NS / 2,
                           .max_ns = b->end_ns - DAY_NS / 2 + range_ns,
                           .max_took_ns = INT64_MAX};

    for (int i = 0; i < ROUNDS; i++) {
        struct mono since = clock_mono();
        struct txn_list l;
        struct err e = {0};
        struct arena a;

        arena_init(&a, 256 << 20);
        check(txn_list(b->rows, &f, slowest, 1000, &a, &l, &e), &e);
        printf("box%s: %.1f ms, %zu rows\n", slowest ? ", slowest" : "",
               (double)mono_since_ns(since) / 1e6, l.n);
        arena_done(&a);
    }
}

int main(int argc, char **argv)
{
    struct bench *b = mem_xcalloc(1, sizeof(*b));
    uint64_t requests = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000000;
    struct columns_status rows;
    struct columns_status cells;
    double cpu;

    if (argc < 2) {
        fprintf(stderr, "usage: tmap_load DIR [requests]\n");
        return 2;
    }
    b->random = 42;
    b->end_ns = clock_wall_ns() / 60000000000LL * 60000000000LL;
    make_names(b);
    open_all(b, argv[1]);
    cpu = cpu_s();
    load(b, requests);
    cpu = cpu_s() - cpu;
    columns_status(b->rows, &rows);
    columns_status(b->cells, &cells);
    printf("%llu requests: %.0f a CPU-second; transactions %.1f bytes each, cells %.2f MB\n",
           (unsigned long long)requests, (double)requests / cpu,
           (double)rows.disk_bytes / (double)requests, (double)cells.disk_bytes / 1e6);
    ask_cells(b, "day", DAY_NS);
    ask_cells(b, "hour", DAY_NS / 24);
    ask_box(b, requests, false);
    ask_box(b, requests, true);
    transactions_free(b->transactions);
    tmap_close(b->tmap);
    columns_close(b->rows);
    columns_close(b->cells);
    mem_free(b);
    return 0;
}
