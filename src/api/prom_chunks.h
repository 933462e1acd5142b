/* SPDX-License-Identifier: Apache-2.0
 *
 * Samples as Prometheus' chunks, for readers that take them streamed: XOR for floats, float histograms for native ones.
 * Source: Prometheus, tsdb/docs/format/chunks.md. What is written here, ingest/blocks reads.
 */
#ifndef API_PROM_CHUNKS_H
#define API_PROM_CHUNKS_H

#include "base/buf.h"
#include "model/histogram.h"

enum { PROM_CHUNK_SAMPLES = 120 };

enum prom_encoding { PROM_XOR = 1, PROM_FLOAT_HISTOGRAM = 3 };

/** 1 to PROM_CHUNK_SAMPLES floats as the data of a chunk; buf_status() tells of failure. */
void prom_chunk_floats(const int64_t *t_ms, const double *v, size_t n, struct buf *dst);
/** How many histograms from `from` on fit one chunk: one layout, no counter reset inside, nothing after a stale marker. */
size_t prom_chunk_run(const struct native_samples *s, size_t from, size_t end);
/** So many of them. @return 0, -ERR_NOMEM; buf_status() tells of failure */
NODISCARD int prom_chunk_histograms(const struct native_samples *s, size_t from, size_t n,
                                    struct buf *dst);

#endif
