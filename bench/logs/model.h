/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of logs: what collectors of a small shop would send. Request r holds `batch` records of its own slice of
 * time, grouped by stream, in order of time within each.
 */
#ifndef BENCH_LOGS_MODEL_H
#define BENCH_LOGS_MODEL_H

#include "lib/otlp_load.h"

/** load_model.make; `state` is a struct streams. */
void logs_make(const void *state, const struct load_opts *o, uint64_t r, struct arena *a,
               struct buf *dst, struct load_made *ret);

#endif
