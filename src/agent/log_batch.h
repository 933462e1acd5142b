/* SPDX-License-Identifier: Apache-2.0
 *
 * Log records collected into OTLP requests, at most 1000 records or about 1 MiB each. Encoded while they are collected;
 * neighbours of one service share a ResourceLogs.
 */
#ifndef AGENT_LOG_BATCH_H
#define AGENT_LOG_BATCH_H

#include "agent/batch.h"
#include "agent/identity.h"

enum { LOG_BATCH_SERVICE_MAX = 128 };

struct log_batch_opts {
    const struct identity *identity; /* borrowed */
    const char *version;             /* of the agent */
    /** Take an encoded request (borrowed) of `records` records; marks are moved out of *marks. @return false:
     * not taken */
    bool (*put)(void *ctx, struct str request, uint32_t records, log_marks *marks);
    bool (*full)(void *ctx);
    void *ctx;
};

struct log_batch {
    struct log_batch_opts opts;
    struct buf encoded;
    struct otlp_writer w;
    uint32_t records;
    size_t bytes;                            /* of texts */
    char service[LOG_BATCH_SERVICE_MAX + 1]; /* of the open ResourceLogs; "": none is open */
};

void log_batch_init(struct log_batch *b, const struct log_batch_opts *opts);
void log_batch_done(struct log_batch *b);
/** Copies the record. @return true when the batch is full and must be flushed */
bool log_batch_add(struct log_batch *b, struct str service, const struct log_record *r);
/** Hand on what was collected; empty afterwards. @return false: not taken, the records are gone from here */
bool log_batch_flush(struct log_batch *b, log_marks *marks);
/** Forget what was collected. */
void log_batch_clear(struct log_batch *b);
/** True when no batch would be taken now. */
bool log_batch_blocked(const struct log_batch *b);

#endif
