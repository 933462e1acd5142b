/* SPDX-License-Identifier: Apache-2.0
 *
 * Log files into OTLP batches: what tail.c reads becomes log records.
 */
#ifndef AGENT_LOG_EXPORT_H
#define AGENT_LOG_EXPORT_H

#include "agent/log_batch.h"
#include "agent/tail.h"

struct log_export;

struct log_export_opts {
    struct log_batch_opts batch;
    const char *positions_path;
    const char *root;
};

NODISCARD int log_export_new(const struct log_export_opts *opts, struct log_export **ret,
                             struct err *reterr);
void log_export_free(struct log_export *l);
/** The file positions and counters live there. */
struct tail *log_export_tail(struct log_export *l);
/** One look at the files; see tail_poll(). */
void log_export_poll(struct log_export *l, bool search);

#endif
