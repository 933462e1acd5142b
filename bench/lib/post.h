/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections that post requests made beforehand, and what came of it. 429 and 503 are tried again (Retry-After,
 * or 50 ms doubling, at most 1 s and 60 times); any other answer but 2xx counts as failed.
 */
#ifndef BENCH_LIB_POST_H
#define BENCH_LIB_POST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct post_body {
    char *p; /* owned */
    size_t n;
    uint64_t items; /* samples, records, spans */
    int64_t
        turn; /* when it may go: no connection is more than lead_max turns ahead of the slowest */
    int64_t mark; /* the caller's; the last acknowledged one is reported */
};

struct post_bodies {
    struct post_body *v; /* owned */
    size_t n;
};

struct post_opts {
    const char *url;
    const char *const *headers; /* NULL-ended, "Name: value" */
    int conns;
    double rate; /* items/s in all; 0: as fast as acknowledged */
    int64_t lead_max;
    bool stop_on_error; /* a connection ends at its first failed request */
};

struct post_result {
    uint64_t acked;
    uint64_t acked_bodies; /* the first so many of the connection, with stop_on_error */
    int64_t acked_mark;
    uint64_t wire_bytes;
    uint64_t requests;
    uint64_t retried;
    uint64_t failed;
    uint64_t failed_items;
    double *latency_s; /* per acknowledged request; owned */
    size_t latency_n;
    char error[300]; /* the first failure */
};

/** Posts bodies[i] on connection i, one thread each; returns when all are done. Dies without memory or threads. */
void post_all(const struct post_opts *o, const struct post_bodies *bodies,
              struct post_result *results);

/** Sums of `n` results; latencies sorted. */
struct post_result post_total(const struct post_result *results, int n);
/** Of a total; percent 0..100. */
double post_latency_ms(const struct post_result *total, size_t percent);

#endif
