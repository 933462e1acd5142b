/* SPDX-License-Identifier: Apache-2.0
 *
 * The synthetic host: 100 series as a node exporter and a web application give them, with counters in hundredths
 * of a second, memory in pages of 4 KiB, loads of two decimals and two series of full mantissas. Values depend
 * only on the seed, the host's number and the step.
 */
#ifndef BENCH_METRICS_HOST_MODEL_H
#define BENCH_METRICS_HOST_MODEL_H

#include "gen.h"

enum { HOST_SERIES = 100, HOST_CPUS = 4 };

/** Up to two labels beside those every series of a host has; "" when not used. */
struct series_def {
    char name[64];
    char key[2][16];
    char value[2][32];
};

/** Fills HOST_SERIES definitions, in the order host_model_step() gives values. */
void host_model_series(struct series_def defs[HOST_SERIES]);

struct host_model {
    int id;
    double interval;
    uint64_t rng;
    double phase, util, mem_free, mem_cached, buffers;
    double load[3];
    double disk[2][5];
    double fs[2][2];
    double net[2][6];
    double misc[3];
    double app_cpu;
    double bucket[10], sum;
    uint64_t cpu[HOST_CPUS][8]; /* hundredths of a second, as the kernel keeps them */
};

/** @return how far its scrapes lie behind the begin of each interval, ms */
int64_t host_model_init(struct host_model *h, const struct gen_opts *o, int id);
/** A replaced pod starts its counters again. */
void host_model_reset(struct host_model *h);
void host_model_step(struct host_model *h, int step, double values[HOST_SERIES]);
/** Uniform in [0, 1), from the host's own state. */
double host_model_random(struct host_model *h);

#endif
