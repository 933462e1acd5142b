/* SPDX-License-Identifier: Apache-2.0
 *
 * A store for the tests of the doors: it remembers what was appended as text and fails when told to. The
 * two handles given to a sink are this struct under another name.
 */
#ifndef INGEST_TESTS_FAKE_STORE_H
#define INGEST_TESTS_FAKE_STORE_H

#include "ingest/sink.h"

enum { FAKE_SERIES_MAX = 4096 };

struct fake_store {
    struct arena arena;
    struct str series[FAKE_SERIES_MAX]; /* as text */
    bool gone[FAKE_SERIES_MAX];
    struct hash128 keys[FAKE_SERIES_MAX];
    size_t series_n;
    size_t interns;    /* calls of tsdb_intern() */
    size_t commits;    /* of anything, successful */
    size_t max_series; /* 0: no limit */
    int64_t min_ms;    /* older samples are refused */
    int fail_commit;   /* error code the next commits answer, 0: none */
    int fail_metadata; /* error code tsdb_set_metadata() answers, 0: none */
    bool quiet;        /* count only: for benchmarks */
    size_t samples_n;
    size_t rows_n;
    size_t exemplars_n;
    struct buf samples;  /* lines "series t v" in commit order */
    struct buf metadata; /* lines "metric|type|unit|help" */
    struct buf rows;     /* JSON objects of spans or logs separated by ',' */
};

void fake_store_init(struct fake_store *f);
void fake_store_done(struct fake_store *f);
/** Forget samples, metadata and rows, keep series and counters. */
void fake_store_clear(struct fake_store *f);

static inline struct tsdb *fake_tsdb(struct fake_store *f)
{
    return (struct tsdb *)(void *)f;
}

static inline struct columns *fake_columns(struct fake_store *f)
{
    return (struct columns *)(void *)f;
}

#endif
