/* SPDX-License-Identifier: Apache-2.0
 *
 * Deterministic load by Prometheus remote write: all requests are made before the clock starts, then posted over
 * some connections; README.md has the model of the data. One JSON object on stdout; on stderr a line once posting
 * starts; exit status 1 when a request failed.
 */
#include "gen.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"
#include "bodies.h"
#include "codec/json_write.h"
#include "host_model.h"
#include "lib/post.h"

_Noreturn void gen_die(const char *what)
{
    (void)fprintf(stderr, "bench_metrics_gen: %s\n", what);
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

static const char usage[] =
    "bench_metrics_gen [options]\n"
    "  --url URL        server (http://127.0.0.1:9090); posts to URL/api/v1/write\n"
    "  --hosts N        hosts of 100 series each (100)\n"
    "  --interval S     seconds between samples (15)\n"
    "  --range S        seconds of data (3600)\n"
    "  --end UNIX       data ends before this second (default: a minute ago)\n"
    "  --conns N        connections (4)\n"
    "  --batch N        samples a request, in whole scrapes of a host (2000)\n"
    "  --skew S         most seconds of data a connection runs ahead of the slowest (300)\n"
    "  --churn MIN      a host's series are replaced (new pod label) every MIN minutes\n"
    "  --recording FILE replay scrapes of record.py instead of the synthetic host\n"
    "  --jitter MS      random shift of sample times (0)\n"
    "  --rate N         at most N samples a second in all (0: as fast as acknowledged)\n"
    "  --seed N         (1)\n"
    "  --stop-on-error  a connection ends at its first failed request\n"
    "  --acklog FILE    per host: acknowledged scrapes and the newest one's end\n"
    "  --dry            make the requests only\n";

static double number(const char *name, const char *text)
{
    char *end;
    double v = strtod(text, &end);

    if (end == text || *end != 0) {
        (void)fprintf(stderr, "bench_metrics_gen: --%s: \"%s\" is no number\n", name, text);
        exit(2);
    }
    return v;
}

static void set_option(struct gen_opts *o, const char *name, const char *text)
{
    if (!strcmp(name, "url"))
        o->url = text;
    else if (!strcmp(name, "recording"))
        o->recording = text;
    else if (!strcmp(name, "acklog"))
        o->acklog = text;
    else if (!strcmp(name, "stop-on-error"))
        o->stop_on_error = true;
    else if (!strcmp(name, "dry"))
        o->dry = true;
    else if (!strcmp(name, "hosts"))
        o->hosts = (int)number(name, text);
    else if (!strcmp(name, "conns"))
        o->conns = (int)number(name, text);
    else if (!strcmp(name, "batch"))
        o->batch = (int)number(name, text);
    else if (!strcmp(name, "interval"))
        o->interval = number(name, text);
    else if (!strcmp(name, "range"))
        o->range = number(name, text);
    else if (!strcmp(name, "skew"))
        o->skew = number(name, text);
    else if (!strcmp(name, "churn"))
        o->churn_min = number(name, text);
    else if (!strcmp(name, "rate"))
        o->rate = number(name, text);
    else if (!strcmp(name, "jitter"))
        o->jitter_ms = number(name, text);
    else if (!strcmp(name, "end"))
        o->end = (int64_t)number(name, text);
    else
        o->seed = (uint64_t)number(name, text);
}

static void derive(struct gen_opts *o)
{
    if (o->hosts < 1 || o->conns < 1 || o->batch < 1 || o->interval < 1 || o->range < o->interval)
        gen_die("hosts, conns and batch must be at least 1, interval 1 s, range one interval");
    if (o->conns > o->hosts)
        o->conns = o->hosts;
    if (!o->end)
        o->end = clock_wall_ms() / 1000 - 60;
    o->end -= o->end % (int64_t)o->interval;
    o->steps = (int)(o->range / o->interval);
    o->start_ms = o->end * 1000 - (int64_t)(o->steps * o->interval * 1000);
}

static void read_options(struct gen_opts *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"url", required_argument, NULL, 1},      {"hosts", required_argument, NULL, 1},
        {"interval", required_argument, NULL, 1}, {"range", required_argument, NULL, 1},
        {"end", required_argument, NULL, 1},      {"conns", required_argument, NULL, 1},
        {"batch", required_argument, NULL, 1},    {"skew", required_argument, NULL, 1},
        {"churn", required_argument, NULL, 1},    {"recording", required_argument, NULL, 1},
        {"jitter", required_argument, NULL, 1},   {"rate", required_argument, NULL, 1},
        {"seed", required_argument, NULL, 1},     {"stop-on-error", no_argument, NULL, 1},
        {"acklog", required_argument, NULL, 1},   {"dry", no_argument, NULL, 1},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    int index = 0;

    for (int c; (c = getopt_long(argc, argv, "", known, &index)) != -1;) {
        if (c != 1) {
            (void)fputs(usage, c == 'h' ? stdout : stderr);
            exit(c == 'h' ? 0 : 2);
        }
        set_option(o, known[index].name, optarg);
    }
    derive(o);
}

/* ---- making ---- */

struct maker {
    const struct gen_opts *o;
    const struct recording *recording;
    struct bodies *dst;
    int connection;
    struct thread thread;
};

static void make_one(void *arg)
{
    struct maker *m = arg;

    bodies_make(m->dst, m->o, m->recording, m->connection);
}

static void make_all(const struct gen_opts *o, const struct recording *recording,
                     struct bodies *dst)
{
    struct maker *makers = mem_xcalloc((size_t)o->conns, sizeof *makers);

    for (int i = 0; i < o->conns; i++) {
        makers[i] = (struct maker){.o = o, .recording = recording, .dst = &dst[i], .connection = i};
        if (thread_start(&makers[i].thread, "make", make_one, &makers[i]) < 0)
            gen_die("cannot start a thread");
    }
    for (int i = 0; i < o->conns; i++)
        thread_join(&makers[i].thread);
    mem_free(makers);
}

static void post(const struct gen_opts *o, const struct bodies *bodies, struct post_result *results)
{
    static const char *const headers[] = {"Content-Type: application/x-protobuf",
                                          "Content-Encoding: snappy",
                                          "X-Prometheus-Remote-Write-Version: 0.1.0", NULL};
    char url[512];
    struct post_opts how = {.url = url,
                            .headers = headers,
                            .conns = o->conns,
                            .rate = o->rate,
                            .lead_max = (int64_t)(o->skew / o->interval),
                            .stop_on_error = o->stop_on_error};
    struct post_bodies *of = mem_xcalloc((size_t)o->conns, sizeof *of);

    (void)snprintf(url, sizeof url, "%s/api/v1/write", o->url);
    for (int i = 0; i < o->conns; i++)
        of[i] = bodies[i].of;
    post_all(&how, of, results);
    mem_free(of);
}

/* ---- report ---- */

struct totals {
    uint64_t samples, raw_bytes, packed_bytes, bodies;
    struct post_result posted; /* sums */
    double make_s, make_cpu_s, post_s, post_cpu_s;
};

static void add_made(struct totals *t, const struct bodies *b)
{
    t->samples += b->samples;
    t->raw_bytes += b->raw_bytes;
    t->packed_bytes += b->packed_bytes;
    t->bodies += b->of.n;
}

static void write_acklog(const struct gen_opts *o, const struct bodies *bodies,
                         const struct post_result *results)
{
    FILE *f = fopen(o->acklog, "w");

    if (!f)
        gen_die("cannot write the ack log");
    (void)fprintf(f, "host\tacked_scrapes\tnewest_ms\n");
    for (int i = 0; i < o->conns; i++)
        for (int k = 0; k < bodies[i].hosts_n; k++) {
            int64_t n = bodies[i].hosts_n;
            int64_t acked = (results[i].acked_mark - k + n - 1) / n;
            (void)fprintf(
                f, "host_%d\t%lld\t%lld\n", bodies[i].first + k * o->conns, (long long)acked,
                (long long)(o->start_ms + (int64_t)((double)acked * o->interval * 1000) - 1));
        }
    if (fclose(f))
        gen_die("cannot write the ack log");
}

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

static void report(const struct gen_opts *o, size_t series_per_host, const struct totals *t)
{
    const struct post_result *p = &t->posted;
    struct json_writer w;
    struct buf out;

    buf_init(&out, 1 << 16);
    json_init(&w, &out);
    json_object_begin(&w);
    field_u64(&w, "hosts", (uint64_t)o->hosts);
    field_u64(&w, "series_per_host", series_per_host);
    field_f64(&w, "interval", o->interval);
    field_u64(&w, "steps", (uint64_t)o->steps);
    field_u64(&w, "start", (uint64_t)o->start_ms / 1000);
    field_u64(&w, "end", (uint64_t)o->end);
    field_u64(&w, "conns", (uint64_t)o->conns);
    field_u64(&w, "samples", t->samples);
    field_u64(&w, "acked_samples", p->acked);
    field_f64(&w, "seconds", t->post_s);
    field_f64(&w, "samples_per_s", t->post_s > 0 ? (double)p->acked / t->post_s : 0);
    field_u64(&w, "wire_bytes", p->wire_bytes);
    field_u64(&w, "body_bytes", t->packed_bytes);
    field_u64(&w, "raw_bytes", t->raw_bytes);
    field_f64(&w, "gen_cpu_s", t->post_cpu_s);
    field_f64(&w, "encode_s", t->make_s);
    field_f64(&w, "encode_cpu_s", t->make_cpu_s);
    field_u64(&w, "requests", p->requests);
    field_u64(&w, "failed", p->failed);
    field_u64(&w, "failed_samples", p->failed_items);
    field_u64(&w, "retried", p->retried);
    field_f64(&w, "lat_p50_ms", post_latency_ms(p, 50));
    field_f64(&w, "lat_p99_ms", post_latency_ms(p, 99));
    field_f64(&w, "lat_max_ms", post_latency_ms(p, 100));
    json_key(&w, "error");
    json_cstr(&w, p->error);
    json_object_end(&w);
    (void)printf("%.*s\n", (int)out.n, out.data);
    buf_done(&out);
}

int main(int argc, char **argv)
{
    struct gen_opts o = {.url = "http://127.0.0.1:9090",
                         .hosts = 100,
                         .conns = 4,
                         .batch = 2000,
                         .interval = 15,
                         .range = 3600,
                         .skew = 300,
                         .seed = 1};
    struct recording recording = {0};
    struct totals t = {0};

    read_options(&o, argc, argv);
    if (o.recording)
        recording_load(&recording, o.recording);
    struct bodies *bodies = mem_xcalloc((size_t)o.conns, sizeof *bodies);
    struct post_result *results = mem_xcalloc((size_t)o.conns, sizeof *results);
    struct mono begin = clock_mono();
    double cpu = cpu_s();

    make_all(&o, o.recording ? &recording : NULL, bodies);
    t.make_s = (double)mono_since_ns(begin) / 1e9;
    t.make_cpu_s = cpu_s() - cpu;
    for (int i = 0; i < o.conns; i++)
        add_made(&t, &bodies[i]);
    (void)fprintf(
        stderr,
        "%llu samples in %llu requests, %.1f bytes a sample packed, %.0f raw, made in %.1f s\n",
        (unsigned long long)t.samples, (unsigned long long)t.bodies,
        (double)t.packed_bytes / (double)t.samples, (double)t.raw_bytes / (double)t.samples,
        t.make_s);

    begin = clock_mono();
    cpu = cpu_s();
    if (!o.dry)
        post(&o, bodies, results);
    t.post_s = (double)mono_since_ns(begin) / 1e9;
    t.post_cpu_s = cpu_s() - cpu;

    t.posted = post_total(results, o.conns);
    if (o.acklog)
        write_acklog(&o, bodies, results);
    report(&o, o.recording ? (size_t)recording.series_n : HOST_SERIES, &t);
    return t.posted.failed ? 1 : 0;
}
