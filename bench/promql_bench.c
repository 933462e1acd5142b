/* SPDX-License-Identifier: Apache-2.0
 *
 * Times the query engine over series in memory: promql_bench [series] [samples] [threads]. Decoding is a
 * copy here, so the figures are the engine's own.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "query/promql/promql.h"
#include "query/promql/tests/mem_source.h"

enum { STEP_MS = 15000, ROUNDS = 5 };

static struct mem_source *fill(size_t series, size_t samples)
{
    struct mem_source *s = mem_source_new();

    for (size_t i = 0; i < series; i++) {
        char host[32];
        char id[32];
        struct label v[5] = {{STR("__name__"), STR("x")}, {STR("dc"), STR("eu-west-1")}};

        snprintf(host, sizeof(host), "host-%04zu", i / 10);
        snprintf(id, sizeof(id), "%zu", i);
        v[2] = (struct label){STR("host"), str_cstr(host)};
        v[3] = (struct label){STR("id"), str_cstr(id)};
        v[4] = (struct label){STR("job"), STR("bench")};
        for (size_t k = 0; k < samples; k++) {
            double value = k % 97 == 96 ? 0 : (double)(k % 97) * (double)(i % 13 + 1);

            mem_source_add(s, (struct labels){v, 5}, (int64_t)k * STEP_MS, value);
        }
    }
    return s;
}

/** Writing the HTTP API's answer. */
static void run_json(struct promql_engine *e, struct mem_source *s, int64_t end)
{
    struct promql_result *r = NULL;
    struct buf out CLEANUP(buf_done) = {0};
    int64_t cpu;

    buf_init(&out, (size_t)1 << 31);
    if (promql_range(e, mem_source_view(s), STR("rate(x[5m])"), 0, end, STEP_MS, NULL, &r, NULL) !=
        0) {
        return;
    }
    cpu = clock_thread_cpu_ns();
    promql_result_json(r, false, &out);
    cpu = clock_thread_cpu_ns() - cpu;
    printf("json     cpu %.2f ms, %.1f MB\n", (double)cpu / 1e6, (double)out.n / 1e6);
    promql_result_free(r);
}

static void run(struct promql_engine *e, struct mem_source *s, const char *query, int64_t start,
                int64_t end)
{
    int64_t best = INT64_MAX;
    int64_t best_cpu = INT64_MAX;
    struct promql_query_stats stats = {0};
    size_t series = 0;

    for (int i = 0; i < ROUNDS; i++) {
        struct mono t = clock_mono();
        int64_t cpu = clock_thread_cpu_ns();
        struct promql_result *r = NULL;
        struct err err = {0};
        int rc = start == end
                     ? promql_instant(e, mem_source_view(s), str_cstr(query), end, NULL, &r, &err)
                     : promql_range(e, mem_source_view(s), str_cstr(query), start, end, STEP_MS,
                                    NULL, &r, &err);
        int64_t ns = mono_since_ns(t);

        if (rc != 0) {
            fprintf(stderr, "%s: %s\n", query, err.msg);
            exit(1);
        }
        stats = r->stats;
        series = r->series_n;
        best = ns < best ? ns : best;
        cpu = clock_thread_cpu_ns() - cpu;
        best_cpu = cpu < best_cpu ? cpu : best_cpu;
        promql_result_free(r);
    }
    printf("%-8s wall %8.2f ms  cpu of this thread %8.2f ms  samples %8llu  peak %6.1f MB  series "
           "%6zu  %s\n",
           start == end ? "instant" : "range", (double)best / 1e6, (double)best_cpu / 1e6,
           (unsigned long long)stats.samples_read, (double)stats.peak_bytes / 1e6, series, query);
}

int main(int argc, char **argv)
{
    static const char *const queries[] = {
        "sum by (host) (rate(x[5m]))",
        "rate(x[5m])",
        "sum(x)",
        "x > 100",
        "max_over_time(x[5m])",
        "quantile by (host) (0.9, x)",
        "topk(10, x)",
        "x / on(id) x",
        "sum by (host) (x) / on(host) group_left count by (host) (x)",
    };
    size_t series = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    size_t samples = argc > 2 ? strtoul(argv[2], NULL, 10) : 240;
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    struct pool *pool = threads != 0 ? pool_new("query", threads, 64) : NULL;
    const struct promql_opts opts = {.pool = pool};
    struct promql_engine *e = promql_engine_new(&opts);
    struct mem_source *s = fill(series, samples);
    int64_t end = (int64_t)(samples - 1) * STEP_MS;

    for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
        run(e, s, queries[i], end, end);
        run(e, s, queries[i], 0, end);
    }
    run_json(e, s, end);
    mem_source_free(s);
    promql_engine_free(e);
    pool_free(pool);
    return 0;
}
