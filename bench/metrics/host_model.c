/* SPDX-License-Identifier: Apache-2.0
 *
 * The synthetic host. The order of series definitions and of the values of a step are one: cpu, memory, load,
 * disk, file systems, network, the rest, histogram. Random numbers are splitmix64 (Steele, Lea, Flood 2014).
 */
#include "host_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static uint64_t next(uint64_t *s)
{
    uint64_t z = (*s += 0x9e3779b97f4a7c15ULL);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static double uniform(uint64_t *s)
{
    return (double)(next(s) >> 11) * 0x1p-53;
}

/* Irwin-Hall: cheap, and near enough to normal. */
static double gauss(uint64_t *s)
{
    double a = uniform(s);

    a += uniform(s);
    a += uniform(s);
    a += uniform(s);
    return (a - 2.0) * 1.7320508;
}

/* A whole number around mean, Poisson-like. */
static double count_of(uint64_t *s, double mean)
{
    double spread = sqrt(mean) * gauss(s);
    double v = mean + spread + uniform(s) - 0.5;

    return v < 0.5 ? 0 : floor(v + 0.5);
}

static double clamp(double v, double lo, double hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* ---- series ---- */

struct defs {
    struct series_def *v;
    int n;
};

static void add(struct defs *d, const char *name, const char *k0, const char *v0, const char *k1,
                const char *v1)
{
    struct series_def *s = &d->v[d->n];

    if (d->n++ == HOST_SERIES)
        gen_die("too many series definitions");
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    (void)snprintf(s->key[0], sizeof s->key[0], "%s", k0);
    (void)snprintf(s->value[0], sizeof s->value[0], "%s", v0);
    (void)snprintf(s->key[1], sizeof s->key[1], "%s", k1);
    (void)snprintf(s->value[1], sizeof s->value[1], "%s", v1);
}

struct names {
    const char *form; /* with a * where each part goes */
    const char *const *parts;
    size_t n;
};

static void add_all(struct defs *d, struct names names, const char *k0, const char *v0,
                    const char *k1, const char *v1)
{
    const char *hole = strchr(names.form, '*');
    char name[64];

    for (size_t i = 0; i < names.n; i++) {
        (void)snprintf(name, sizeof name, "%.*s%s%s", (int)(hole - names.form), names.form,
                       names.parts[i], hole + 1);
        add(d, name, k0, v0, k1, v1);
    }
}

static void add_cpu(struct defs *d)
{
    static const char *const modes[] = {"idle",    "iowait", "irq",    "nice",
                                        "softirq", "steal",  "system", "user"};
    static const char *const cpus[HOST_CPUS] = {"0", "1", "2", "3"};

    for (int c = 0; c < HOST_CPUS; c++)
        for (size_t m = 0; m < ARRAY_LEN(modes); m++)
            add(d, "node_cpu_seconds_total", "cpu", cpus[c], "mode", modes[m]);
}

void host_model_series(struct series_def defs[HOST_SERIES])
{
    static const char *const mem[] = {"MemTotal",  "MemFree",  "MemAvailable", "Buffers",  "Cached",
                                      "SwapTotal", "SwapFree", "Active",       "Inactive", "Dirty"};
    static const char *const loads[] = {"1", "5", "15"};
    static const char *const disk[] = {"reads_completed_total", "writes_completed_total",
                                       "read_bytes_total",      "written_bytes_total",
                                       "io_time_seconds_total", "io_now"};
    static const char *const fs[] = {"size_bytes", "avail_bytes", "files_free", "readonly"};
    static const char *const net[] = {"receive_bytes",    "transmit_bytes", "receive_packets",
                                      "transmit_packets", "receive_errs",   "transmit_errs"};
    static const char *const misc[] = {"up",
                                       "node_boot_time_seconds",
                                       "node_procs_running",
                                       "node_procs_blocked",
                                       "node_context_switches_total",
                                       "node_intr_total",
                                       "node_forks_total",
                                       "node_filefd_allocated",
                                       "app_cpu_percent",
                                       "app_latency_seconds",
                                       "app_temperature_celsius"};
    static const char *const les[] = {"0.005", "0.01", "0.025", "0.05", "0.1",
                                      "0.25",  "0.5",  "1",     "2.5",  "+Inf"};
    struct defs d = {.v = defs};

    add_cpu(&d);
    add_all(&d, (struct names){"node_memory_*_bytes", mem, ARRAY_LEN(mem)}, "", "", "", "");
    add_all(&d, (struct names){"node_load*", loads, ARRAY_LEN(loads)}, "", "", "", "");
    add_all(&d, (struct names){"node_disk_*", disk, ARRAY_LEN(disk)}, "device", "sda", "", "");
    add_all(&d, (struct names){"node_disk_*", disk, ARRAY_LEN(disk)}, "device", "sdb", "", "");
    add_all(&d, (struct names){"node_filesystem_*", fs, ARRAY_LEN(fs)}, "device", "/dev/sda1",
            "mountpoint", "/");
    add_all(&d, (struct names){"node_filesystem_*", fs, ARRAY_LEN(fs)}, "device", "/dev/sdb1",
            "mountpoint", "/data");
    add_all(&d, (struct names){"node_network_*_total", net, ARRAY_LEN(net)}, "device", "eth0", "",
            "");
    add_all(&d, (struct names){"node_network_*_total", net, ARRAY_LEN(net)}, "device", "lo", "",
            "");
    add_all(&d, (struct names){"*", misc, ARRAY_LEN(misc)}, "", "", "", "");
    for (size_t i = 0; i < ARRAY_LEN(les); i++)
        add(&d, "http_request_duration_seconds_bucket", "handler", "/api", "le", les[i]);
    add(&d, "http_request_duration_seconds_sum", "handler", "/api", "", "");
    add(&d, "http_request_duration_seconds_count", "handler", "/api", "", "");
    if (d.n != HOST_SERIES)
        gen_die("series definitions do not add up");
}

/* ---- values ---- */

int64_t host_model_init(struct host_model *h, const struct gen_opts *o, int id)
{
    uint64_t *r = &h->rng;
    int64_t off_ms;

    *h = (struct host_model){
        .id = id, .interval = o->interval, .rng = o->seed * 1000003 + (uint64_t)id * 7919 + 17};
    off_ms = (int64_t)(uniform(r) * o->interval * 1000); /* scrapes are spread over the interval */
    h->phase = uniform(r) * 6.28;
    h->util = 0.1 + 0.6 * uniform(r);
    h->mem_free = floor(uniform(r) * 1e6) * 4096;
    h->mem_cached = floor(uniform(r) * 1e6) * 4096;
    h->buffers = floor(uniform(r) * 1e5) * 4096;
    for (int i = 0; i < 2; i++) {
        h->fs[i][0] = floor(uniform(r) * 2e7) * 4096;
        h->fs[i][1] = floor(uniform(r) * 6e6);
    }
    for (int c = 0; c < HOST_CPUS; c++)
        for (int m = 0; m < 8; m++)
            h->cpu[c][m] = m == 2 || m == 3 ? 0 : next(r) % 100000000;
    h->misc[0] = floor(uniform(r) * 1e9);
    h->misc[1] = floor(uniform(r) * 1e9);
    h->misc[2] = floor(uniform(r) * 1e6);
    h->app_cpu = 50 * uniform(r);
    return off_ms;
}

void host_model_reset(struct host_model *h)
{
    memset(h->cpu, 0, sizeof h->cpu);
    memset(h->disk, 0, sizeof h->disk);
    memset(h->net, 0, sizeof h->net);
    memset(h->bucket, 0, sizeof h->bucket);
    memset(h->misc, 0, sizeof h->misc);
    h->sum = 0;
}

double host_model_random(struct host_model *h)
{
    return uniform(&h->rng);
}

static double *step_cpu(struct host_model *h, double *p)
{
    uint64_t *r = &h->rng;
    double total = h->interval * 100;

    for (int c = 0; c < HOST_CPUS; c++) {
        double use = clamp(h->util + 0.1 * gauss(r), 0, 1);
        double d[8] = {0};

        d[1] = floor(total * 0.01 * uniform(r));
        d[4] = floor(total * use * 0.01 + uniform(r));
        d[5] = uniform(r) < 0.02;
        d[6] = floor(total * use * (0.15 + 0.05 * uniform(r)));
        d[7] = floor(total * use * (0.6 + 0.1 * uniform(r)));
        double busy = d[1] + d[4] + d[5] + d[6] + d[7];
        d[0] = busy < total ? floor(total - busy) : 0;
        for (int m = 0; m < 8; m++) {
            h->cpu[c][m] += (uint64_t)d[m];
            *p++ = (double)h->cpu[c][m] / 100.0;
        }
    }
    return p;
}

static double *step_memory(struct host_model *h, double *p)
{
    uint64_t *r = &h->rng;
    double total = 16777216.0 * 1024;

    h->mem_free = clamp(h->mem_free + floor(gauss(r) * 2000) * 4096, 1e8, 5e9);
    h->mem_cached = clamp(h->mem_cached + floor(gauss(r) * 500 + 5) * 4096, 1e8, 6e9);
    if (uniform(r) < 0.3)
        h->buffers += floor(uniform(r) * 20) * 4096;
    h->mem_free = floor(h->mem_free / 4096) * 4096;
    h->mem_cached = floor(h->mem_cached / 4096) * 4096;
    *p++ = total;
    *p++ = h->mem_free;
    *p++ = h->mem_free + h->mem_cached + h->buffers;
    *p++ = h->buffers;
    *p++ = h->mem_cached;
    *p++ = 0;
    *p++ = 0;
    *p++ = floor((total - h->mem_free) * 0.6 / 4096) * 4096;
    *p++ = floor((total - h->mem_free) * 0.3 / 4096) * 4096;
    *p++ = count_of(r, 40 * h->util) * 4096;
    return p;
}

static double *step_load(struct host_model *h, double *p)
{
    static const double tau[] = {60, 300, 900};

    for (int i = 0; i < 3; i++) {
        double now = h->util * HOST_CPUS * (1 + 0.3 * gauss(&h->rng));
        h->load[i] += (now - h->load[i]) * (1 - exp(-h->interval / tau[i]));
        *p++ = floor(clamp(h->load[i], 0, 99) * 100 + 0.5) / 100;
    }
    return p;
}

static double *step_disk(struct host_model *h, double *p)
{
    uint64_t *r = &h->rng;

    for (int d = 0; d < 2; d++) {
        double scale = d ? 0.2 : 1;
        double reads = uniform(r) < 0.4 ? count_of(r, 20 * h->util * scale) : 0;
        double writes = count_of(r, 60 * h->util * scale);
        double *k = h->disk[d];

        k[0] += reads;
        k[1] += writes;
        k[2] += reads * 512 * (double)(8 + next(r) % 120);
        k[3] += writes * 512 * (double)(8 + next(r) % 60);
        k[4] += floor((reads + writes) * (1 + 3 * uniform(r)));
        for (int i = 0; i < 4; i++)
            *p++ = k[i];
        *p++ = k[4] / 1000;
        *p++ = uniform(r) < 0.05 ? (double)(1 + next(r) % 3) : 0;
    }
    return p;
}

static double *step_files(struct host_model *h, double *p)
{
    uint64_t *r = &h->rng;

    for (int d = 0; d < 2; d++) {
        if (uniform(r) < (d ? 0.2 : 0.7))
            h->fs[d][0] = clamp(h->fs[d][0] - floor(gauss(r) * 200 + 20) * 4096, 4096, 9e10);
        if (uniform(r) < 0.1)
            h->fs[d][1] -= floor(gauss(r) * 3);
        *p++ = d ? 536870912000.0 : 105089261568.0;
        *p++ = h->fs[d][0];
        *p++ = h->fs[d][1];
        *p++ = 0;
    }
    return p;
}

static double *step_network(struct host_model *h, double *p)
{
    uint64_t *r = &h->rng;

    for (int d = 0; d < 2; d++) {
        double scale = d ? 0.05 : 1;
        double rx = floor(h->interval * 2e5 * scale * h->util * (1 + 0.4 * uniform(r)));
        double tx = floor(rx * (0.3 + 0.4 * uniform(r)));
        double *k = h->net[d];

        if (d) /* what the loopback sends it receives */
            tx = rx;
        k[0] += rx;
        k[1] += tx;
        k[2] += floor(rx / (700 + 200 * uniform(r)));
        k[3] = d ? k[2] : k[3] + floor(tx / (700 + 200 * uniform(r)));
        if (!d && uniform(r) < 0.001)
            k[4] += 1;
        for (int i = 0; i < 6; i++)
            *p++ = k[i];
    }
    return p;
}

static double *step_rest(struct host_model *h, double *p)
{
    uint64_t *r = &h->rng;
    double u = h->util;
    double dt = h->interval;

    h->misc[0] += floor(dt * 5000 * (0.2 + u) * (1 + 0.1 * gauss(r)));
    h->misc[1] += floor(dt * 2000 * (0.2 + u) * (1 + 0.1 * gauss(r)));
    h->misc[2] += count_of(r, dt * 2 * u);
    *p++ = 1;
    *p++ = 1790000000 + h->id * 131;
    *p++ = 1 + count_of(r, 3 * u);
    *p++ = uniform(r) < 0.03 ? 1 : 0;
    *p++ = h->misc[0];
    *p++ = h->misc[1];
    *p++ = h->misc[2];
    *p++ = 1024 + 32 * floor(40 * u);
    h->app_cpu = clamp(h->app_cpu + gauss(r), 0, 100); /* a clamped random walk, as TSBS has */
    *p++ = h->app_cpu;
    *p++ = 0.02 + 0.05 * u + 0.004 * gauss(r);
    *p++ = floor((40 + 30 * u + gauss(r)) * 10 + 0.5) / 10;
    return p;
}

static void step_histogram(struct host_model *h, double *p)
{
    static const double cdf[] = {0.08, 0.22, 0.48, 0.70, 0.84, 0.93, 0.97, 0.99, 0.998, 1};
    uint64_t *r = &h->rng;
    double requests = count_of(r, h->interval * 8 * h->util);
    double below = 0;

    for (int i = 0; i < 10; i++) {
        double want =
            i == 9 ? requests : floor(requests * clamp(cdf[i] * (1 + 0.05 * gauss(r)), 0, 1));
        if (want < below)
            want = below;
        below = want;
        h->bucket[i] += want;
        *p++ = h->bucket[i];
    }
    h->sum += requests * (0.04 + 0.02 * uniform(r));
    *p++ = h->sum;
    *p++ = h->bucket[9];
}

void host_model_step(struct host_model *h, int step, double values[HOST_SERIES])
{
    double *p = values;
    double target = 0.4 + 0.25 * sin(h->phase + step * h->interval / 86400 * 6.2831853);

    h->util = clamp(h->util + 0.1 * (target - h->util) + 0.05 * gauss(&h->rng), 0.02, 0.95);
    p = step_cpu(h, p);
    p = step_memory(h, p);
    p = step_load(h, p);
    p = step_disk(h, p);
    p = step_files(h, p);
    p = step_network(h, p);
    p = step_rest(h, p);
    step_histogram(h, p);
}
