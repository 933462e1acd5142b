/* SPDX-License-Identifier: Apache-2.0
 *
 * What the metrics engine costs without any door: look-up, batch, commit with log, flush, merge, read, roll up.
 * Prints CPU time per million samples and bytes per sample. Usage: tsdb_append DIR [SERIES [SAMPLES [total]]]
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "io/vfs.h"
#include "store/tsdb/tiers.h"

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int rc, const struct err *e)
{
    if (rc < 0) {
        fprintf(stderr, "failed: %s\n", e->msg);
        exit(1);
    }
}

enum kind { CPU_SECONDS, DISK_BYTES, REQUESTS, PAGES, LOAD, CONSTANT, NOISE, KINDS };

static const char *const KIND_NAMES[KINDS] = {
    "cpu seconds (counter, 0.01)", "bytes (counter, 4096)", "requests (counter)",
    "memory (gauge, 4096)",        "load (gauge, 0.01)",    "constant",
    "noise (full mantissa)"};

/** The mix of a node exporter with one application, by hundreds. */
static enum kind kind_of(size_t i)
{
    static const int UP_TO[KINDS] = {32, 44, 68, 78, 83, 98, 100};
    enum kind k = CPU_SECONDS;

    while ((int)(i % 100) >= UP_TO[k]) {
        k++;
    }
    return k;
}

static double value_of(enum kind kind, size_t i, uint64_t *seed, double *state)
{
    uint64_t r = random_next(seed);
    double bell = (double)(r & 255) + (double)(r >> 8 & 255) + (double)(r >> 16 & 255) - 382;

    switch (kind) {
    case CPU_SECONDS:
        *state += i % 4 == 0 ? 1200 + bell / 4 : (double)(r % 8);
        return round(*state) / 100;
    case DISK_BYTES:
        *state += (double)(r % 40);
        return *state * 4096;
    case REQUESTS:
        *state += (double)(r % (i % 3 == 0 ? 3000 : 50));
        return *state;
    case PAGES:
        *state += round(bell * 5);
        return (*state + 1e6) * 4096;
    case LOAD:
        *state += round(bell / 20);
        return fabs(*state) / 100;
    case CONSTANT:
        return (double)(i % 1000);
    default:
        *state += bell / 1000.0 / 3;
        return *state;
    }
}

/** Counters are named so, as exporters do: roll-ups know them by that. */
static void intern(struct tsdb *db, size_t i, enum kind kind, struct hash128 key,
                   struct series_ref *ret)
{
    char metric[32], host[32], inst[32];
    struct label v[] = {{STR("__name__"), {metric, 0}}, {STR("datacenter"), STR("dc-1")},
                        {STR("host"), {host, 0}},       {STR("instance"), {inst, 0}},
                        {STR("job"), STR("bench")},     {STR("region"), STR("eu-west-1")}};
    struct err e = {0};

    v[0].value.n = (size_t)snprintf(metric, sizeof(metric), "metric_%zu%s", i % 100,
                                    kind <= REQUESTS ? "_total" : "");
    v[2].value.n = (size_t)snprintf(host, sizeof(host), "host_%zu", i / 100);
    v[3].value.n =
        (size_t)snprintf(inst, sizeof(inst), "10.0.%zu.%zu:9100", i / 25600, i / 100 % 256);
    must(tsdb_intern(db, (struct labels){v, 6}, &key, ret, &e), &e);
}

/** Look up series [from, from + n), making those that are not there. */
static void lookup(struct tsdb *db, size_t from, size_t n, enum kind only, struct series_ref *refs)
{
    struct hash128 keys[TSDB_LOOKUP_MAX];

    for (size_t i = 0; i < n; i++) {
        keys[i] = (struct hash128){hash_u64(from + i), hash_u64(from + i + 1)};
    }
    tsdb_lookup_batch(db, keys, n, refs);
    for (size_t i = 0; i < n; i++) {
        if (refs[i].v == TSDB_NO_SERIES) {
            intern(db, from + i, only != KINDS ? only : kind_of(from + i), keys[i], &refs[i]);
        }
    }
}

static void append_all(struct tsdb *db, size_t series, size_t samples, int64_t t0, enum kind only)
{
    struct tsdb_batch *b = tsdb_batch_new(db);
    double *state = calloc(series, sizeof(*state));
    struct series_ref refs[TSDB_LOOKUP_MAX];
    uint64_t seed = 1;
    struct err e = {0};
    size_t in_batch = 0;

    for (size_t k = 0; k < samples; k++) {
        for (size_t i = 0; i < series; i++) {
            enum kind kind = only != KINDS ? only : kind_of(i);

            if (i % TSDB_LOOKUP_MAX == 0) {
                lookup(db, i, series - i < TSDB_LOOKUP_MAX ? series - i : TSDB_LOOKUP_MAX, only,
                       refs);
            }
            must(tsdb_batch_add(b, refs[i % TSDB_LOOKUP_MAX],
                                t0 + (int64_t)k * 15000 + (int64_t)(i / 100 % 15000),
                                value_of(kind, i, &seed, &state[i])),
                 &e);
            if (++in_batch == 5000) {
                must(tsdb_batch_commit(b, NULL, &e), &e);
                in_batch = 0;
            }
        }
    }
    must(tsdb_batch_commit(b, NULL, &e), &e);
    tsdb_batch_free(b);
    free(state);
}

/** A figure of /proc/self/status in KiB. */
static long status_kib(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            kib = strtol(line + strlen(key) + 1, NULL, 10);
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return kib;
}

static void report(const char *what, double seconds, uint64_t n)
{
    printf("%-10s %7.3f CPU-s  %8.3f CPU-s per million samples  RSS %ld MiB, peak %ld MiB\n", what,
           seconds, seconds / ((double)n / 1e6), status_kib("VmRSS") / 1024,
           status_kib("VmHWM") / 1024);
}

static uint64_t read_all(struct tsdb *db)
{
    struct series_source src = tsdb_source(db);
    struct matcher *m = NULL;
    struct err e = {0};
    struct series_query q = {.matchers_n = 1, .max_ms = INT64_MAX};
    struct series_selection *s = NULL;
    struct samples got = {0};
    uint64_t n = 0;

    must(matcher_new(MATCH_EQ, STR("job"), STR("bench"), &m, &e), &e);
    q.matchers = (const struct matcher *const *)&m;
    must(src.ops->select(src.impl, &q, &s, &e), &e);
    for (size_t i = 0; i < src.ops->count(s); i++) {
        must(src.ops->read(s, i, &got, &e), &e);
        n += got.n;
    }
    samples_done(&got);
    src.ops->free(s);
    matcher_free(m);
    return n;
}

/** Roll the day up, and what each tier takes. */
static void roll_up(struct tsdb *db, uint64_t n)
{
    struct tsdb_tier tiers[TSDB_TIERS];
    struct err e = {0};
    double t = cpu_s();

    must(tsdb_rollup_now(db, true, &e), &e);
    report("roll up", cpu_s() - t, n);
    tsdb_tiers(db, tiers);
    for (int i = 0; i < TSDB_TIERS; i++) {
        printf("%-3s %10" PRIu64 " points %10" PRIu64 " bytes, %5.1f %% of raw\n", tiers[i].name,
               tiers[i].points, tiers[i].bytes,
               100.0 * (double)tiers[i].bytes / (double)tiers[TSDB_RAW].bytes);
    }
}

/** Bytes per sample of each kind alone. */
static void sizes(const char *dir, size_t series, size_t samples, int64_t t0)
{
    for (enum kind k = 0; k < KINDS; k++) {
        struct tsdb_opts opts = {.dir = dir};
        struct tsdb *db = NULL;
        struct err e = {0};
        struct tsdb_tier tiers[TSDB_TIERS];
        struct arena a;
        struct tsdb_status st;

        arena_init(&a, 64 << 20);
        must(vfs_remove_tree(vfs_real(), dir, &e), &e);
        must(tsdb_open(&opts, &db, &e), &e);
        append_all(db, series, samples, t0, k);
        must(tsdb_compact(db, &e), &e);
        must(tsdb_status(db, 1, &a, &st, &e), &e);
        printf("%-28s %.3f bytes per sample;", KIND_NAMES[k],
               (double)st.disk_bytes / (double)st.stored_samples);
        must(tsdb_rollup_now(db, true, &e), &e);
        tsdb_tiers(db, tiers);
        for (int i = TSDB_1M; i < TSDB_TIERS; i++) {
            printf(" %s %.1f %%", tiers[i].name,
                   100.0 * (double)tiers[i].bytes / (double)tiers[TSDB_RAW].bytes);
        }
        printf(" of raw\n");
        tsdb_close(db);
        arena_done(&a);
    }
}

int main(int argc, char **argv)
{
    size_t series = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 10000;
    size_t samples = argc > 3 ? (size_t)strtoul(argv[3], NULL, 10) : 240;
    struct tsdb_opts opts = {.dir = argc > 1 ? argv[1] : "/tmp/bench_tsdb"};
    int64_t t0 = clock_wall_ms() / 86400000 * 86400000 - 86400000;
    struct tsdb *db = NULL;
    struct err e = {0};
    struct arena a;
    struct tsdb_status st;
    struct rusage ru;
    double t;

    log_set_level(LOG_WARN);
    if (argc <= 4) {
        sizes(opts.dir, series / 10, samples, t0);
    }
    must(vfs_remove_tree(vfs_real(), opts.dir, &e), &e);
    must(tsdb_open(&opts, &db, &e), &e);
    t = cpu_s();
    append_all(db, series, samples, t0, KINDS);
    report("append", cpu_s() - t, series * samples);
    t = cpu_s();
    printf("read %" PRIu64 " from the head\n", read_all(db));
    report("read", cpu_s() - t, series * samples);
    arena_init(&a, 64 << 20);
    must(tsdb_status(db, 1, &a, &st, &e), &e);
    printf("head: %" PRIu64 " bytes, %.0f per series; log %.2f bytes per sample\n", st.head_bytes,
           (double)st.head_bytes / (double)series,
           (double)st.wal_bytes / (double)(series * samples));
    t = cpu_s();
    must(tsdb_flush(db, &e), &e);
    report("flush", cpu_s() - t, series * samples);
    t = cpu_s();
    must(tsdb_compact(db, &e), &e);
    report("compact", cpu_s() - t, series * samples);
    must(tsdb_status(db, 1, &a, &st, &e), &e);
    printf("disk: %" PRIu64 " bytes, %.3f per sample in %" PRIu64 " blocks\n", st.disk_bytes,
           (double)st.disk_bytes / (double)st.stored_samples, st.blocks);
    t = cpu_s();
    printf("read %" PRIu64 " from parts\n", read_all(db));
    report("read", cpu_s() - t, series * samples);
    roll_up(db, series * samples);
    arena_done(&a);
    tsdb_close(db);
    getrusage(RUSAGE_SELF, &ru);
    printf("peak RSS %ld KiB\n", ru.ru_maxrss);
    must(vfs_remove_tree(vfs_real(), opts.dir, &e), &e);
    return 0;
}
