/* SPDX-License-Identifier: Apache-2.0
 *
 * The way of spans behind the rules: counted, then sampled or stored. Owns the thread that decides traces and writes
 * the counts.
 */
#ifndef INGEST_PROCESS_STAGE_H
#define INGEST_PROCESS_STAGE_H

#include "ingest/process/process.h"
#include "store/columns/columns.h"
#include "store/tsdb/tsdb.h"
#include "store/wal/wal.h"

struct span_stage;

/** Told of every span that came in and passed the rules, before sampling, once. Called on the threads of doors, many
 * at a time: quick, and without waiting for anything slower than memory. */
struct span_watch {
    void *arg;
    /** `spans` are borrowed for the call. */
    void (*seen)(void *arg, const struct span *spans, size_t n, int64_t wall_ms);
};

struct span_stage_opts {
    struct process *process; /* all borrowed */
    struct columns *spans;
    struct tsdb *metrics;
    const char *dir; /* of the sampler's log */
    enum wal_sync wal_sync;
    struct stats *stats;
    const struct span_watch *watches; /* live as long as the stage */
    size_t watches_n;
};

/** @return as sampler_open(); -ERR_UNAVAILABLE when the thread cannot start */
NODISCARD int span_stage_new(const struct span_stage_opts *opts, struct span_stage **ret,
                             struct err *reterr);
/** Decides and stores what waits, writes the counts. Doors must be stopped. NULL is fine. */
void span_stage_free(struct span_stage *s);

/** Rules, counts, then the sampler or the store. Changes `spans`. Thread-safe.
 * @return 0; as process_spans(), sampler_add(), columns_append_spans() */
NODISCARD int span_stage_append(struct span_stage *s, struct span *spans, size_t n,
                                struct arena *arena, struct columns_commit *ret,
                                struct err *reterr);

/** The member "sampling" and "span_metrics" of the status. */
void span_stage_status(struct span_stage *s, struct json_writer *w);

#endif
