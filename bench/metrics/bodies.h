/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of one connection, made before any is sent: snappy blocks of remote write 1.0 as Prometheus sends
 * them (one sample a TimeSeries, labels in full and sorted, lengths in the fewest bytes, zeros left out).
 * A connection owns every conns-th host, so each series arrives in time order.
 */
#ifndef BENCH_METRICS_BODIES_H
#define BENCH_METRICS_BODIES_H

#include <stddef.h>

#include "gen.h"
#include "lib/post.h"
#include "recording.h"

struct bodies {
    struct post_bodies of; /* mark: scrapes of this connection's hosts sent once the body is */
    int first;             /* number of the first host; the next is first + conns */
    int hosts_n;
    uint64_t samples;
    uint64_t raw_bytes;
    uint64_t packed_bytes;
};

/** `recording` NULL: the synthetic host. Thread-safe; dies on failure. */
void bodies_make(struct bodies *dst, const struct gen_opts *o, const struct recording *recording,
                 int connection);

#endif
