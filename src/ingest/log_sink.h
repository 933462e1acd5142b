/* SPDX-License-Identifier: Apache-2.0
 *
 * The one way of log records from any door into the store: whatever is done with all of them (processing stages) is
 * done here, so that no door can be without it. Internal to src/ingest.
 */
#ifndef INGEST_LOG_SINK_H
#define INGEST_LOG_SINK_H

#include "base/arena.h"
#include "ingest/ingest_internal.h"
#include "model/otel.h"

struct err;

/** Decoded records of one request. */
struct log_batch {
    struct log_record *v; /* may be changed, and their order: they are the batch's own */
    size_t n;
    struct arena *arena; /* for what is made of them; lives as long as they do */
    const char *door;    /* one of sink.c's */
};

/** Store a batch. What is counted of it (rules, patterns) is counted when it is stored, so a batch that is refused and
 * comes again counts once. It is visible and in the write-ahead log when this returns. Thread-safe.
 * @return 0; -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM, -ERR_OVERLOAD: nothing was appended, try again */
NODISCARD int log_sink_append(struct sink *s, struct log_batch *b, struct columns_commit *ret,
                              struct err *reterr);

/** What became of a request of log records. */
struct log_tally {
    size_t accepted;
    size_t rejected[REJECT_COUNT];
    size_t altered[ALTER_COUNT];
    int64_t newest_ns; /* of what was accepted; INT64_MIN: nothing */
    int64_t arrival_ns;
};

/** Count it. @param rc  of the whole request; below 0 the tally is not looked at. NULL statistics are fine. */
void log_tally_count(struct ingest_stats *s, const char *door, const struct log_tally *t, int rc);

#endif
