/* SPDX-License-Identifier: Apache-2.0
 *
 * Scrapes of a real node exporter (record.py) replayed as many hosts, each beginning at another scrape. A range
 * longer than the recording repeats it with counters going on, which compresses unrealistically well.
 */
#ifndef BENCH_METRICS_RECORDING_H
#define BENCH_METRICS_RECORDING_H

#include "gen.h"

enum { RECORDED_LABELS_MAX = 16 };

struct recorded_series {
    char *text; /* the series as it was exposed; owned */
    char *name; /* owned; keys and values point into it */
    bool counter;
    int labels_n;
    const char *key[RECORDED_LABELS_MAX];
    const char *value[RECORDED_LABELS_MAX];
};

struct recording {
    struct recorded_series *series;
    int series_n;
    int scrapes_n;
    double *values; /* [scrape * RECORDED_SERIES_MAX + series] */
};

/** Reads a (gzipped) recording or dies. */
void recording_load(struct recording *r, const char *path);
/** Values of host `id` at a step; a NaN with the sign bit set: no sample. */
void recording_step(const struct recording *r, int id, int step, double *values);

#endif
