/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the load generator share: its options and the small helpers of a program that ends at its
 * first mistake. Options are read once in main() and only read afterwards.
 */
#ifndef BENCH_METRICS_GEN_H
#define BENCH_METRICS_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct gen_opts {
    const char *url;
    const char *recording; /* NULL: the synthetic model */
    const char *acklog;    /* NULL: none */
    int hosts;
    int conns;
    int batch; /* samples a request, in whole scrapes of a host */
    bool stop_on_error;
    bool dry;         /* encode only */
    double interval;  /* s between the samples of a series */
    double range;     /* s of data */
    double skew;      /* most s of data time a connection runs ahead of the slowest */
    double churn_min; /* minutes after which the series of a host are replaced; 0: never */
    double rate;      /* samples/s in all; 0: as fast as acknowledged */
    double jitter_ms;
    int64_t end; /* unix s */
    uint64_t seed;
    /* derived */
    int64_t start_ms;
    int steps;
};

/** Says what is wrong and exits with 2. */
_Noreturn void gen_die(const char *what);

#endif
