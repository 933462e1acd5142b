/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that post the requests of bodies.h, and what came of it. 429 and 503 are tried again (Retry-After,
 * or 50 ms doubling, at most 1 s and 60 times); any other answer but 2xx counts as failed.
 */
#ifndef BENCH_METRICS_POST_H
#define BENCH_METRICS_POST_H

#include "bodies.h"

struct post_result {
    uint64_t acked_samples;
    int64_t acked_scrapes;
    uint64_t wire_bytes;
    uint64_t requests;
    uint64_t retried;
    uint64_t failed;
    uint64_t failed_samples;
    double *latency_s; /* per acknowledged request; owned */
    size_t latency_n;
    char error[300]; /* the first failure */
};

/** Posts the bodies of o->conns connections, one thread each; returns when all are done. */
void post_all(const struct gen_opts *o, const struct bodies *bodies, struct post_result *results);

#endif
