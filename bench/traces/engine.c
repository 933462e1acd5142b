/* SPDX-License-Identifier: Apache-2.0
 *
 * The span engine alone with the traces of the generator, for sizes that would take a network too long: fills a
 * directory, then looks traces up by id, each id once, with the pages of the fill in memory and again after the engine
 * was closed and its pages given back to the kernel. Exit status 1 when a trace is not whole.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "model.h"
#include "store/columns/columns.h"

enum { BATCH_TRACES = 36, ARENA_BYTES = 64 << 20, DAY_S = 86400 };

struct fill {
    struct services *services;
    struct columns *columns;
    uint64_t spans;
    uint64_t traces;
    int64_t start_ns;
    double step_ns; /* between traces */
};

static _Noreturn void die(const char *what, const struct err *e)
{
    (void)fprintf(stderr, "%s: %s\n", what, e->msg);
    exit(2);
}

static double cpu_s(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double peak_mb(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024;
}

static void append(struct fill *f, const struct span *spans, size_t n)
{
    struct columns_commit commit;
    struct err err = {0};
    int rc;

    do {
        rc = columns_append_spans(f->columns, spans, n, &commit, &err);
        if (rc == -ERR_OVERLOAD)
            clock_sleep_ms(2);
    } while (rc == -ERR_OVERLOAD);
    if (rc < 0 || commit.accepted != n)
        die("append", &err);
    f->spans += n;
}

/* @return CPU seconds the model took, which are not the engine's */
static double fill(struct fill *f, uint64_t want)
{
    struct span *spans = mem_xcalloc((size_t)BATCH_TRACES * TRACE_SPANS_MAX, sizeof *spans);
    int64_t model_ns = 0;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    while (f->spans < want) {
        int64_t before = clock_thread_cpu_ns();
        size_t n = 0;

        arena_reset(&a);
        for (int i = 0; i < BATCH_TRACES; i++, f->traces++)
            n += trace_make(f->services, 1, f->traces,
                            f->start_ns + (int64_t)((double)f->traces * f->step_ns), &a, spans + n);
        for (size_t i = 0; i < n; i++)
            spans[i].arrival_ns = spans[i].end_ns;
        model_ns += clock_thread_cpu_ns() - before;
        append(f, spans, n);
    }
    arena_done(&a);
    mem_free(spans);
    return (double)model_ns / 1e9;
}

static void settle(struct columns *c)
{
    struct columns_job jobs[COLUMNS_JOBS];
    uint64_t parts = 0;
    int quiet = 0;

    while (quiet < 5) {
        struct columns_status st;
        size_t n = columns_jobs(c, jobs);
        bool busy = false;

        clock_sleep_ms(500);
        for (size_t i = 0; i < n; i++)
            busy |= jobs[i].running;
        columns_status(c, &st);
        quiet = busy || st.parts != parts ? 0 : quiet + 1;
        parts = st.parts;
    }
}

static int count_span(void *arg, const struct span *row, uint64_t id)
{
    (void)row;
    (void)id;
    (*(size_t *)arg)++;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* @return traces that were not found whole */
static size_t look_up(const struct fill *f, const char *when, size_t n, uint64_t seed)
{
    struct span *spans = mem_xcalloc(TRACE_SPANS_MAX, sizeof *spans);
    double *ms = mem_xcalloc(n, sizeof *ms);
    struct dice d = {seed};
    size_t bad = 0;
    struct arena a;

    arena_init(&a, ARENA_BYTES);
    for (size_t i = 0; i < n; i++) {
        uint64_t trace = dice_below(&d, f->traces);
        struct err err = {0};
        size_t found = 0;
        struct mono begin = clock_mono();

        if (columns_trace(f->columns, trace_id_of(1, trace), NULL, count_span, &found, &err) < 0)
            die("trace", &err);
        ms[i] = (double)mono_since_ns(begin) / 1e6;
        arena_reset(&a);
        bad += found != trace_make(f->services, 1, trace, 0, &a, spans);
    }
    qsort(ms, n, sizeof *ms, by_value);
    (void)printf(
        "trace by id, %s: %zu look-ups, median %.3f ms, p99 %.3f ms, max %.3f ms; %zu not whole\n",
        when, n, ms[n / 2], ms[n * 99 / 100], ms[n - 1], bad);
    arena_done(&a);
    mem_free(ms);
    mem_free(spans);
    return bad;
}

static int forget_pages(const char *path, const struct stat *st, int type, struct FTW *at)
{
    int fd = type == FTW_F ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    (void)st;
    (void)at;
    if (fd >= 0) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        (void)close(fd);
    }
    return 0;
}

static void tell(const struct fill *f, double wall_s, double cpu, double model_s)
{
    struct columns_status st;
    double m = (double)f->spans / 1e6;

    columns_status(f->columns, &st);
    (void)printf(
        "%.1f M spans of %.2f M traces: %.0f spans/s, %.2f CPU-s per million spans (the model's %.2f not counted), "
        "%.1f bytes a span in %llu parts, peak RSS %.0f MB\n",
        m, (double)f->traces / 1e6, (double)f->spans / wall_s, (cpu - model_s) / m, model_s / m,
        (double)st.disk_bytes / (double)st.rows, (unsigned long long)st.parts, peak_mb());
    (void)fflush(stdout);
}

static int run(const char *dir, uint64_t want, size_t look_ups, uint64_t days)
{
    static struct services services;
    struct pool *pool = pool_new("query", (unsigned)sysconf(_SC_NPROCESSORS_ONLN), 64);
    struct columns_opts o = {.kind = COLUMNS_SPANS, .dir = dir, .pool = pool};
    struct fill f = {.services = &services};
    struct err err = {0};
    size_t bad;

    services_init(&services);
    if (columns_open(&o, &f.columns, &err) < 0)
        die("open", &err);
    f.start_ns = clock_wall_ns() - (int64_t)days * DAY_S * 1000000000;
    f.step_ns = (double)(days * DAY_S) * 1e9 / ((double)want / 25);
    double cpu = cpu_s();
    struct mono begin = clock_mono();
    double model_s = fill(&f, want);
    double wall_s = (double)mono_since_ns(begin) / 1e9;
    if (columns_flush(f.columns, &err) < 0)
        die("flush", &err);
    settle(f.columns);
    tell(&f, wall_s, cpu_s() - cpu, model_s);
    bad = look_up(&f, "after the fill", look_ups, 7);
    columns_close(f.columns);
    (void)nftw(dir, forget_pages, 32, FTW_PHYS);
    begin = clock_mono();
    if (columns_open(&o, &f.columns, &err) < 0)
        die("open", &err);
    (void)printf("opened again in %.2f s\n", (double)mono_since_ns(begin) / 1e9);
    bad += look_up(&f, "pages given back", look_ups, 11);
    bad += look_up(&f, "the same again", look_ups, 11);
    columns_close(f.columns);
    pool_free(pool);
    return bad != 0;
}

int main(int argc, char **argv)
{
    uint64_t spans = 1000000;
    uint64_t look_ups = 1000;
    uint64_t days = 1;

    if (argc < 2 || argc > 5 || (argc > 2 && !str_to_u64(str_cstr(argv[2]), &spans)) ||
        (argc > 3 && !str_to_u64(str_cstr(argv[3]), &look_ups)) ||
        (argc > 4 && !str_to_u64(str_cstr(argv[4]), &days)) || !look_ups || !days) {
        (void)fprintf(
            stderr,
            "usage: bench_traces_engine DIR [spans] [look-ups] [days]; DIR must not exist\n");
        return 2;
    }
    return run(argv[1], spans, (size_t)look_ups, days);
}
