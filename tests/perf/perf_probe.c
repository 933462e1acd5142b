/* SPDX-License-Identifier: Apache-2.0
 *
 * Small pieces of work for test_perf.py, which counts their instructions: perf_probe WHAT TIMES. The work
 * is linear in TIMES, so the difference of two runs is free of what starting costs.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "codec/chunk.h"
#include "io/vfs.h"
#include "query/promql/promql.h"
#include "store/tsdb/tsdb.h"

/* test_perf.py knows these numbers. */
enum {
    SERIES = 256,
    RATE_SAMPLES = 960,
    CHUNK = 1440,
    NEWEST = 20,
    HEAD_CHUNK = 64,
    STEP_MS = 15000
};

static const int64_t T0 = 1700000000000;

static void must(int rc, const struct err *e)
{
    if (rc < 0) {
        fprintf(stderr, "perf_probe: %s\n", e->msg);
        exit(1);
    }
}

/** A counter in hundredths; the next value of series i. */
static double next_value(size_t i, uint64_t *seed, double *state)
{
    *state += i % 8 == 0 ? 0 : (double)(600 + random_next(seed) % 300);
    return *state / 100;
}

static struct hash128 key_of(size_t i)
{
    return (struct hash128){hash_u64(i + 1), hash_u64(i + 1000)};
}

/** Rounds of one sample for every series, a look-up and a commit each: the path of remote write behind its
 * decoder. */
static void append(struct tsdb *db, size_t rounds)
{
    static double state[SERIES];
    static struct hash128 keys[SERIES];
    struct tsdb_batch *b = tsdb_batch_new(db);
    uint64_t seed = 1;
    struct err e = {0};

    for (size_t i = 0; i < SERIES; i++) {
        char id[16];
        struct label v[] = {
            {STR("__name__"), STR("x")}, {STR("id"), {id, 0}}, {STR("job"), STR("p")}};
        struct series_ref ref;

        v[1].value.n = (size_t)snprintf(id, sizeof(id), "%zu", i);
        keys[i] = key_of(i);
        must(tsdb_intern(db, (struct labels){v, 3}, &keys[i], &ref, &e), &e);
    }
    for (size_t k = 0; k < rounds; k++) {
        for (size_t i = 0; i < SERIES; i += TSDB_LOOKUP_MAX) {
            struct series_ref refs[TSDB_LOOKUP_MAX];

            tsdb_lookup_batch(db, keys + i, TSDB_LOOKUP_MAX, refs);
            for (size_t j = 0; j < TSDB_LOOKUP_MAX; j++) {
                must(tsdb_batch_add(b, refs[j], T0 + (int64_t)k * STEP_MS,
                                    next_value(i + j, &seed, &state[i + j])),
                     &e);
            }
        }
        must(tsdb_batch_commit(b, NULL, &e), &e);
    }
    tsdb_batch_free(b);
}

static void with_db(void (*fn)(struct tsdb *db, size_t times), size_t times)
{
    char dir[] = "/tmp/perf_probe.XXXXXX";
    struct tsdb_opts opts = {.dir = dir, .flush_interval_ms = INT64_MAX / 4000000};
    struct tsdb *db = NULL;
    struct err e = {0};

    if (mkdtemp(dir) == NULL) {
        exit(1);
    }
    must(tsdb_open(&opts, &db, &e), &e);
    fn(db, times);
    /* No tsdb_close(): writing the head is not what is measured. */
    must(vfs_remove_tree(vfs_real(), dir, &e), &e);
    (void)fflush(NULL);
    _Exit(0);
}

/** The same range query again and again: every sample is decoded and in five windows. */
static void rate(struct tsdb *db, size_t times)
{
    const struct promql_opts opts = {0};
    struct promql_engine *engine = promql_engine_new(&opts);
    struct err e = {0};

    append(db, RATE_SAMPLES);
    for (size_t i = 0; i < times; i++) {
        struct promql_result *r = NULL;

        must(promql_range(engine, tsdb_source(db), STR("sum(rate(x[5m]))"), T0,
                          T0 + (int64_t)(RATE_SAMPLES - 1) * STEP_MS, 4 * STEP_MS, NULL, &r, &e),
             &e);
        promql_result_free(r);
    }
    promql_engine_free(engine);
}

static void fill(int64_t *t, double *v, size_t n)
{
    uint64_t seed = 1;
    double state = 0;

    for (size_t i = 0; i < n; i++) {
        t[i] = T0 + (int64_t)i * STEP_MS;
        v[i] = next_value(1, &seed, &state);
    }
}

/** `wanted` newest samples of a chunk. */
static void decode_columns(size_t times, size_t wanted)
{
    static int64_t t[CHUNK];
    static double v[CHUNK];
    struct buf tb CLEANUP(buf_done) = {0};
    struct buf vb CLEANUP(buf_done) = {0};
    struct err e = {0};

    fill(t, v, CHUNK);
    buf_init(&tb, 1 << 20);
    buf_init(&vb, 1 << 20);
    must(chunk_times_encode(t, CHUNK, CHUNK_SMALL, &tb), &e);
    must(chunk_values_encode_newest(v, CHUNK, CHUNK_SMALL, &vb), &e);
    for (size_t i = 0; i < times; i++) {
        must(chunk_times_decode_since(buf_str(&tb), T0 + (int64_t)(CHUNK - wanted) * STEP_MS, t,
                                      CHUNK),
             &e);
        must(chunk_values_decode_newest(buf_str(&vb), CHUNK, v, wanted), &e);
    }
}

static void encode_columns(size_t times)
{
    static int64_t t[CHUNK];
    static double v[CHUNK];
    struct buf b CLEANUP(buf_done) = {0};
    struct err e = {0};

    fill(t, v, CHUNK);
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < times; i++) {
        buf_clear(&b);
        must(chunk_times_encode(t, CHUNK, CHUNK_SMALL, &b), &e);
        must(chunk_values_encode_newest(v, CHUNK, CHUNK_SMALL, &b), &e);
    }
}

static void head_chunks(size_t times, bool decode)
{
    int64_t t[HEAD_CHUNK];
    double v[HEAD_CHUNK];
    struct buf b CLEANUP(buf_done) = {0};
    struct err e = {0};

    fill(t, v, HEAD_CHUNK);
    buf_init(&b, 1 << 20);
    must(chunk_encode(t, v, HEAD_CHUNK, &b), &e);
    for (size_t i = 0; i < times; i++) {
        if (decode) {
            must(chunk_decode(buf_str(&b), t, v, HEAD_CHUNK), &e);
        } else {
            buf_clear(&b);
            must(chunk_encode(t, v, HEAD_CHUNK, &b), &e);
        }
    }
}

int main(int argc, char **argv)
{
    const char *what = argc == 3 ? argv[1] : "";
    size_t times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

    log_set_level(LOG_ERROR);
    if (strcmp(what, "append") == 0) {
        with_db(append, times);
    } else if (strcmp(what, "rate") == 0) {
        with_db(rate, times);
    } else if (strcmp(what, "decode-columns") == 0) {
        decode_columns(times, CHUNK);
    } else if (strcmp(what, "decode-newest") == 0) {
        decode_columns(times, NEWEST);
    } else if (strcmp(what, "encode-columns") == 0) {
        encode_columns(times);
    } else if (strcmp(what, "encode-chunk") == 0) {
        head_chunks(times, false);
    } else if (strcmp(what, "decode-chunk") == 0) {
        head_chunks(times, true);
    } else {
        fprintf(
            stderr,
            "usage: perf_probe append|rate|decode-newest|{encode,decode}-{columns,chunk} TIMES\n");
        return 2;
    }
    return 0;
}
