/* SPDX-License-Identifier: Apache-2.0
 *
 * The one way of spans from any door into the store, as log_sink.h is for log records: processing stands here.
 * Internal to src/ingest.
 */
#ifndef INGEST_SPAN_SINK_H
#define INGEST_SPAN_SINK_H

#include "base/arena.h"
#include "ingest/sink.h"
#include "model/otel.h"

struct err;

/** Decoded spans of one request. */
struct span_batch {
    struct span *v; /* may be changed, and their order */
    size_t n;
    struct arena *arena; /* for what is made of them; lives as long as they do */
};

/** Hand on a batch. When this returns it is in a write-ahead log: the store's, or the sampler's as long as its traces
 * are undecided. Thread-safe.
 * @return 0; -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM, -ERR_OVERLOAD: nothing was taken, try again */
NODISCARD int span_sink_append(struct sink *s, struct span_batch *b, struct columns_commit *ret,
                               struct err *reterr);

#endif
