/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus' chunks of native histograms, with integer or float counts, exponential or custom bounds. Source: Prometheus,
 * tsdb/docs/format/chunks.md.
 */
#ifndef INGEST_BLOCKS_HIST_CHUNK_H
#define INGEST_BLOCKS_HIST_CHUNK_H

#include "base/str.h"
#include "base/vec.h"
#include "ingest/blocks/chunk_bits.h"
#include "model/histogram.h"

/** One bucket of the sample read last. */
struct hist_bucket {
    int64_t delta;        /* integer counts: against the bucket before it */
    int64_t delta_change; /* of `delta`, from sample to sample */
    struct chunk_xor count;
};

/** Scratch for any number of chunks; zeroed is ready. */
struct hist_chunk {
    struct native_histogram h;

    struct {
        VEC(struct native_span) spans;
        VEC(struct hist_bucket) buckets;
        VEC(double) counts;
        VEC(int64_t) deltas;
    } side[2]; /* positive, negative */

    VEC(double) bounds;
};

void hist_chunk_done(struct hist_chunk *c);

/**
 * Call fn for every sample of a chunk's data (what follows the encoding byte). Safe on any bytes. A histogram is valid
 * during the call; a stale marker has its bits in `sum`. The hint is that of the chunk: NATIVE_GAUGE for all, NATIVE_RESET
 * for the first.
 * @return 0; fn's result when it is not 0; -ERR_CORRUPT; -ERR_NOMEM
 */
NODISCARD int hist_chunk_decode(struct hist_chunk *c, struct str data, bool floats,
                                int (*fn)(void *arg, int64_t t_ms, const struct native_histogram *h,
                                          struct err *reterr),
                                void *arg, struct err *reterr);

#endif
