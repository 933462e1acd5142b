/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests r, r + conns, ... belong to connection r % conns, so that time goes forward on all connections alike.
 */
#include "otlp_load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/thread.h"
#include "codec/json_write.h"
#include "post.h"

enum { BODY_MAX_BYTES = 64 << 20, ARENA_BYTES = 256 << 20, CONNS_MAX = 64 };

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "load: %s\n", what);
    exit(2);
}

static double cpu_s(void)
{
    struct rusage r;

    (void)getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* ---- options ---- */

static void usage(const struct load_model *m, FILE *f)
{
    (void)fprintf(
        f,
        "%s [options]\n"
        "  --url URL        posts there, e.g. http://127.0.0.1:4318/v1/logs\n"
        "  --%s N  in all, about (%llu)\n"
        "  --batch N        a request, about (%llu)\n"
        "  --range S        seconds they are spread over (86400)\n"
        "  --end UNIX       the newest is before this second (default: a minute ago)\n"
        "  --conns N        connections (4)\n"
        "  --rate N         at most so many a second in all (0: as fast as acknowledged)\n"
        "  --seed N         (1)\n"
        "  --stop-on-error  a connection ends at its first failed request\n"
        "  --acklog FILE    per connection: requests acknowledged\n"
        "  --dry            make the requests only and tell a hash of their bytes\n"
        "  --dump DIR       with --dry: write each request as DIR/N.pb\n",
        m->program, m->items, (unsigned long long)m->default_items,
        (unsigned long long)m->default_batch);
}

static double number(const char *name, const char *text)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end != 0 || v < 0) {
        (void)fprintf(stderr, "load: --%s: \"%s\" is no number\n", name, text);
        exit(2);
    }
    return v;
}

static void set_option(struct load_opts *o, const char *name, const char *text)
{
    if (!strcmp(name, "url"))
        o->url = text;
    else if (!strcmp(name, "acklog"))
        o->acklog = text;
    else if (!strcmp(name, "dump"))
        o->dump = text;
    else if (!strcmp(name, "stop-on-error"))
        o->stop_on_error = true;
    else if (!strcmp(name, "dry"))
        o->dry = true;
    else if (!strcmp(name, "batch"))
        o->batch = (uint64_t)number(name, text);
    else if (!strcmp(name, "range"))
        o->range = number(name, text);
    else if (!strcmp(name, "end"))
        o->end = (int64_t)number(name, text);
    else if (!strcmp(name, "conns"))
        o->conns = (int)number(name, text);
    else if (!strcmp(name, "rate"))
        o->rate = number(name, text);
    else if (!strcmp(name, "seed"))
        o->seed = (uint64_t)number(name, text);
    else
        o->items = (uint64_t)number(name, text);
}

static struct load_opts read_options(const struct load_model *m, int argc, char **argv)
{
    const struct option known[] = {
        {"url", required_argument, NULL, 1},     {m->items, required_argument, NULL, 1},
        {"batch", required_argument, NULL, 1},   {"range", required_argument, NULL, 1},
        {"end", required_argument, NULL, 1},     {"conns", required_argument, NULL, 1},
        {"rate", required_argument, NULL, 1},    {"seed", required_argument, NULL, 1},
        {"stop-on-error", no_argument, NULL, 1}, {"acklog", required_argument, NULL, 1},
        {"dry", no_argument, NULL, 1},           {"dump", required_argument, NULL, 1},
        {"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
    struct load_opts o = {.items = m->default_items,
                          .batch = m->default_batch,
                          .range = 86400,
                          .conns = 4,
                          .seed = 1};
    int index = 0;

    for (int c; (c = getopt_long(argc, argv, "", known, &index)) != -1;) {
        if (c != 1) {
            usage(m, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
        set_option(&o, known[index].name, optarg);
    }
    if (o.conns < 1 || o.conns > CONNS_MAX || o.items < 1 || o.batch < 1 || o.range < 1)
        die("items and batch must be at least 1, range 1 s, connections 1 to 64");
    if (!o.dry && !o.url)
        die("--url is missing");
    if (!o.end)
        o.end = clock_wall_ms() / 1000 - 60;
    o.start_ns = o.end * 1000000000 - (int64_t)(o.range * 1e9);
    o.requests = (o.items + o.batch - 1) / o.batch;
    return o;
}

/* ---- making ---- */

struct maker {
    const struct load_model *m;
    const struct load_opts *o;
    struct post_bodies bodies;
    struct load_made made;
    uint64_t bytes;
    uint64_t hash; /* sum over the requests, so that their order does not matter */
    int id;
    struct thread thread;
};

static void dump(const struct load_opts *o, uint64_t r, const struct buf *body)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%llu.pb", o->dump, (unsigned long long)r);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(body->data, 1, body->n, f) != body->n || fclose(f))
        die("cannot write a dump");
}

static void make_one(struct maker *k, uint64_t r, struct arena *a, struct buf *body)
{
    struct load_made made = {0};
    struct post_body *b = &k->bodies.v[k->bodies.n++];

    arena_reset(a);
    buf_clear(body);
    k->m->make(k->m->state, k->o, r, a, body, &made);
    if (buf_status(body) < 0)
        die("a request is too large");
    *b = (struct post_body){.n = body->n, .items = made.items, .turn = (int64_t)r / k->o->conns};
    b->mark = (int64_t)r;
    k->made.items += made.items;
    k->made.text_bytes += made.text_bytes;
    k->bytes += body->n;
    k->hash += hash64_seed(body->data, body->n, r);
    if (k->o->dump)
        dump(k->o, r, body);
    if (k->o->dry)
        return;
    b->p = mem_try_alloc(body->n);
    if (!b->p)
        die("out of memory");
    memcpy(b->p, body->data, body->n);
}

static void make_conn(void *arg)
{
    struct maker *k = arg;
    struct arena a CLEANUP(arena_done);
    struct buf body CLEANUP(buf_done);

    arena_init(&a, ARENA_BYTES);
    buf_init(&body, BODY_MAX_BYTES);
    k->bodies.v = mem_xcalloc(k->o->requests / (uint64_t)k->o->conns + 1, sizeof *k->bodies.v);
    for (uint64_t r = (uint64_t)k->id; r < k->o->requests; r += (uint64_t)k->o->conns)
        make_one(k, r, &a, &body);
}

/* ---- report ---- */

static void field_f64(struct json_writer *w, const char *key, double v)
{
    json_key(w, key);
    json_f64(w, v);
}

static void field_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

struct times {
    double make_s, post_s, post_cpu_s;
};

static void report(const struct load_opts *o, const struct maker *sum, const struct post_result *p,
                   const struct times *t)
{
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_init(&w, &out);
    json_object_begin(&w);
    field_u64(&w, "items", sum->made.items);
    field_u64(&w, "text_bytes", sum->made.text_bytes);
    field_u64(&w, "body_bytes", sum->bytes);
    char hash[24];
    (void)snprintf(hash, sizeof hash, "%016llx", (unsigned long long)sum->hash);
    json_key(&w, "hash");
    json_cstr(&w, hash);
    field_u64(&w, "start", (uint64_t)(o->start_ns / 1000000000));
    field_u64(&w, "end", (uint64_t)o->end);
    field_u64(&w, "bodies", o->requests);
    field_u64(&w, "conns", (uint64_t)o->conns);
    field_u64(&w, "acked", p->acked);
    field_f64(&w, "seconds", t->post_s);
    field_f64(&w, "items_per_s", t->post_s > 0 ? (double)p->acked / t->post_s : 0);
    field_f64(&w, "encode_s", t->make_s);
    field_f64(&w, "gen_cpu_s", t->post_cpu_s);
    field_u64(&w, "wire_bytes", p->wire_bytes);
    field_u64(&w, "requests", p->requests);
    field_u64(&w, "retried", p->retried);
    field_u64(&w, "failed", p->failed);
    field_u64(&w, "failed_items", p->failed_items);
    field_f64(&w, "lat_p50_ms", post_latency_ms(p, 50));
    field_f64(&w, "lat_p99_ms", post_latency_ms(p, 99));
    field_f64(&w, "lat_max_ms", post_latency_ms(p, 100));
    json_key(&w, "error");
    json_cstr(&w, p->error);
    json_object_end(&w);
    (void)printf("%.*s\n", (int)out.n, out.data);
    buf_done(&out);
}

static void write_acklog(const struct load_opts *o, const struct post_result *results)
{
    FILE *f = fopen(o->acklog, "w");

    if (!f)
        die("cannot write the ack log");
    for (int i = 0; i < o->conns; i++)
        (void)fprintf(f, "%d\t%llu\n", i, (unsigned long long)results[i].acked_bodies);
    if (fclose(f))
        die("cannot write the ack log");
}

static void post(const struct load_opts *o, const struct maker *makers, struct post_result *results)
{
    static const char *const headers[] = {"Content-Type: application/x-protobuf", NULL};
    struct post_opts how = {.url = o->url,
                            .headers = headers,
                            .conns = o->conns,
                            .rate = o->rate,
                            .lead_max = 1,
                            .stop_on_error = o->stop_on_error};
    struct post_bodies bodies[CONNS_MAX];

    for (int i = 0; i < o->conns; i++)
        bodies[i] = makers[i].bodies;
    post_all(&how, bodies, results);
}

int load_main(const struct load_model *m, int argc, char **argv)
{
    struct load_opts o = read_options(m, argc, argv);
    struct maker *makers = mem_xcalloc(CONNS_MAX, sizeof *makers);
    struct post_result *results = mem_xcalloc(CONNS_MAX, sizeof *results);
    struct maker sum = {0};
    struct times t = {0};
    struct mono begin = clock_mono();

    for (int i = 0; i < o.conns; i++) {
        makers[i] = (struct maker){.m = m, .o = &o, .id = i};
        if (thread_start(&makers[i].thread, "make", make_conn, &makers[i]) < 0)
            die("cannot start a thread");
    }
    for (int i = 0; i < o.conns; i++) {
        thread_join(&makers[i].thread);
        sum.made.items += makers[i].made.items;
        sum.made.text_bytes += makers[i].made.text_bytes;
        sum.bytes += makers[i].bytes;
        sum.hash += makers[i].hash;
    }
    t.make_s = (double)mono_since_ns(begin) / 1e9;
    (void)fprintf(stderr, "%llu %s in %llu requests, %.1f bytes each, made in %.1f s\n",
                  (unsigned long long)sum.made.items, m->items, (unsigned long long)o.requests,
                  (double)sum.bytes / (double)sum.made.items, t.make_s);
    double cpu = cpu_s();

    begin = clock_mono();
    if (!o.dry)
        post(&o, makers, results);
    t.post_s = (double)mono_since_ns(begin) / 1e9;
    t.post_cpu_s = cpu_s() - cpu;
    if (o.acklog)
        write_acklog(&o, results);
    struct post_result total = post_total(results, o.conns);
    report(&o, &sum, &total, &t);
    return total.failed ? 1 : 0;
}
