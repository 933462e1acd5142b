/* SPDX-License-Identifier: Apache-2.0
 *
 * Traces of the shop: 5 to 200 spans (median about 24) from a front door through services to databases, caches and
 * queues. Trace n depends on the seed and n alone, its id too: trace_id_of() tells it without making the trace.
 */
#ifndef BENCH_TRACES_MODEL_H
#define BENCH_TRACES_MODEL_H

#include "lib/dice.h"
#include "lib/otlp_load.h"
#include "services.h"

enum { TRACE_SPANS_MAX = 200 };

struct trace_id trace_id_of(uint64_t seed, uint64_t n);

/**
 * The spans of trace n, parents before children; texts and attributes in the arena. A queue's consumer may end after the
 * root does.
 * @return how many; at most TRACE_SPANS_MAX
 */
size_t trace_make(const struct services *s, uint64_t seed, uint64_t n, int64_t start_ns,
                  struct arena *a, struct span *ret);

/** load_model.make; `state` is a struct services. Request r has the traces r * TRACES .. and about o->batch spans. */
void traces_make(const void *state, const struct load_opts *o, uint64_t r, struct arena *a,
                 struct buf *dst, struct load_made *ret);

/** Traces a request of `batch` spans holds. */
uint64_t traces_per_request(uint64_t batch);

#endif
