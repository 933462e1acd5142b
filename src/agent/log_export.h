/* SPDX-License-Identifier: Apache-2.0
 *
 * Log files into OTLP batches: what tail.c reads becomes log records, at most 1000 or about 1 MiB a batch.
 */
#ifndef AGENT_LOG_EXPORT_H
#define AGENT_LOG_EXPORT_H

#include "agent/identity.h"
#include "agent/tail.h"

struct log_export;

struct log_export_opts {
    const struct identity *identity; /* borrowed */
    const char *version;             /* of the agent */
    const char *positions_path;
    const char *root;
    /** Take an encoded request (borrowed) of `records` records; marks are moved out of *marks. @return false:
     * not taken */
    bool (*put)(void *ctx, struct str request, uint32_t records, log_marks *marks);
    bool (*full)(void *ctx);
    void *ctx;
};

NODISCARD int log_export_new(const struct log_export_opts *opts, struct log_export **ret,
                             struct err *reterr);
void log_export_free(struct log_export *l);
/** The file positions and counters live there. */
struct tail *log_export_tail(struct log_export *l);
/** One look at the files; see tail_poll(). */
void log_export_poll(struct log_export *l, bool search);

#endif
