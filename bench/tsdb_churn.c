/* SPDX-License-Identifier: Apache-2.0
 *
 * Series that come and go: waves of new series, each for a short time, as deployments make them. Prints per
 * wave what it cost to make them, what memory is held, and what a query over the newest wave costs while the
 * old ones are still known. Usage: tsdb_churn DIR [SERIES_A_WAVE [WAVES]]
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "io/vfs.h"
#include "store/tsdb/tsdb.h"

enum { SAMPLES = 4, STEP_MS = 15000, METRICS = 100, FLUSH_MS = 1000 };

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double rss_mb(void)
{
    char line[64] = "";
    FILE *f = fopen("/proc/self/statm", "re");
    struct str rest;
    struct str field;
    int64_t pages = 0;

    if (f != NULL) {
        if (fgets(line, sizeof(line), f) == NULL) {
            line[0] = '\0';
        }
        fclose(f);
    }
    rest = str_cstr(line);
    if (!str_split(&rest, ' ', &field) || !str_split(&rest, ' ', &field) ||
        !str_to_i64(field, &pages)) {
        return 0;
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void must(int rc, const struct err *e)
{
    if (rc < 0) {
        fprintf(stderr, "failed: %s\n", e->msg);
        exit(1);
    }
}

static void add_wave(struct tsdb *db, int wave, int series, int64_t now_ms)
{
    struct tsdb_batch *b = tsdb_batch_new(db);
    struct err e = {0};

    for (int i = 0; i < series; i++) {
        char metric[32];
        char pod[32];
        struct label v[4] = {{STR("__name__"), {metric, 0}},
                             {STR("instance"), STR("node")},
                             {STR("job"), STR("churn")},
                             {STR("pod"), {pod, 0}}};
        struct series_ref ref;

        v[0].value.n = (size_t)snprintf(metric, sizeof(metric), "metric_%d", i % METRICS);
        v[3].value.n = (size_t)snprintf(pod, sizeof(pod), "pod-%d-%d", wave, i / METRICS);
        must(tsdb_intern(db, (struct labels){v, 4}, NULL, &ref, &e), &e);
        for (int k = 0; k < SAMPLES; k++) {
            must(tsdb_batch_add(b, ref, now_ms - (SAMPLES - k) * STEP_MS, i + k), &e);
        }
        if (i % 2000 == 1999 || i + 1 == series) {
            must(tsdb_batch_commit(b, NULL, &e), &e);
        }
    }
    tsdb_batch_free(b);
}

/** Newest samples of one metric: median of some runs, in ms. @return series found */
static size_t query(struct tsdb *db, int64_t now_ms, double *ret_ms)
{
    struct series_source src = tsdb_source(db);
    struct matcher *m = NULL;
    struct series_query q = {
        .matchers_n = 1, .min_ms = now_ms - 300000, .max_ms = now_ms, .want = SERIES_LAST};
    double best = 1e9;
    size_t n = 0;
    struct err e = {0};

    must(matcher_new(MATCH_EQ, STR("__name__"), STR("metric_7"), &m, &e), &e);
    q.matchers = (const struct matcher *const *)&m;
    for (int i = 0; i < 10; i++) {
        struct series_selection *s = NULL;
        struct samples got = {0};
        double start = cpu_s();

        must(src.ops->select(src.impl, &q, &s, &e), &e);
        n = src.ops->count(s);
        for (size_t k = 0; k < n; k++) {
            must(src.ops->read(s, k, &got, &e), &e);
        }
        best = cpu_s() - start < best ? cpu_s() - start : best;
        samples_done(&got);
        src.ops->free(s);
    }
    matcher_free(m);
    *ret_ms = best * 1e3;
    return n;
}

int main(int argc, char **argv)
{
    int series = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100000;
    int waves = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 10;
    struct tsdb_opts o = {.flush_interval_ms = FLUSH_MS};
    struct tsdb *db = NULL;
    struct err e = {0};
    /* Every wave is half an hour after the one before; the first lies in the past. */
    int64_t first_ms = clock_wall_ms() - (int64_t)waves * 1800000;

    if (argc < 2) {
        fprintf(stderr, "usage: tsdb_churn DIR [SERIES_A_WAVE [WAVES]]\n");
        return 2;
    }
    log_set_level(LOG_WARN);
    o.dir = argv[1];
    must(tsdb_open(&o, &db, &e), &e);
    printf("%-5s %9s %12s %9s %9s %9s %9s %7s\n", "wave", "made", "us a series", "RSS MB", "active",
           "parts MB", "query ms", "found");
    for (int w = 0; w < waves; w++) {
        int64_t now = first_ms + (int64_t)w * 1800000;
        double start = cpu_s();
        struct tsdb_status st;
        struct arena a CLEANUP(arena_done);
        double ms = 0;
        double made;
        size_t found;

        add_wave(db, w, series, now);
        made = cpu_s() - start;
        found = query(db, now, &ms);
        usleep((FLUSH_MS + 200) * 1000); /* so that the flushes that follow find the wave idle */
        must(tsdb_flush(db, &e), &e);
        usleep((FLUSH_MS + 200) * 1000);
        must(tsdb_flush(db, &e), &e);
        malloc_trim(0);
        arena_init(&a, 1 << 20);
        must(tsdb_status(db, 0, &a, &st, &e), &e);
        printf("%-5d %9d %12.2f %9.0f %9" PRIu64 " %9.1f %9.3f %7zu\n", w, series * (w + 1),
               made * 1e6 / series, rss_mb(), st.active_series, (double)st.disk_bytes / 1e6, ms,
               found);
        fflush(stdout);
    }
    tsdb_close(db);
    return 0;
}
