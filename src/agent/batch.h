/* SPDX-License-Identifier: Apache-2.0
 *
 * One compressed OTLP request on its way to the server, and the log positions it stands for.
 */
#ifndef AGENT_BATCH_H
#define AGENT_BATCH_H

#include "base/alloc.h"
#include "base/vec.h"
#include "codec/compress.h"

enum batch_signal { BATCH_METRICS, BATCH_LOGS, BATCH_SIGNAL_COUNT };

/** "Everything of this file before `offset` is in the batch." */
struct log_mark {
    uint64_t file_id;
    uint64_t offset;     /* bytes */
    uint32_t generation; /* of the file's content: rises when it is truncated */
    bool skipping;       /* the offset lies inside a line that was cut: drop the rest of it */
};

typedef VEC(struct log_mark) log_marks;

struct batch {
    enum batch_signal signal;
    enum compression compression;
    uint32_t records;
    char *data; /* owned */
    size_t n;
    log_marks marks; /* owned; empty for metrics */
};

static inline void batch_done(struct batch *b)
{
    mem_free(b->data);
    vec_done(&b->marks);
    *b = (struct batch){0};
}

#endif
