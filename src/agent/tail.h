/* SPDX-License-Identifier: Apache-2.0
 *
 * Following log files by pattern: finds them, reads what is new, survives rotation by rename and by
 * copytruncate, and keeps positions. A position is persisted only when the sink says (tail_ack) that the
 * batch ending there is safe. Single-threaded.
 */
#ifndef AGENT_TAIL_H
#define AGENT_TAIL_H

#include "agent/batch.h"
#include "agent/log_source.h"
#include "io/vfs.h"

struct err;
struct tail;

struct tail_record {
    const struct log_source *source;
    const char *path;   /* as found, without the root prefix */
    struct str name;    /* file name in it */
    struct str service; /* of the source, or the file name up to its first dot */
    struct str text;
    bool cut;
};

/** Where records go. */
struct tail_sink {
    void *ctx;
    /** Take one record (copy it). @return true when the batch is full and must be handed on */
    bool (*record)(void *ctx, const struct tail_record *r);
    /** Hand the batch on with the marks it stands for (moved out of *marks). @return false: not taken, the
     * records will be read again */
    bool (*flush)(void *ctx, log_marks *marks);
    /** True when no batch would be taken now. */
    bool (*full)(void *ctx);
};

struct tail_opts {
    const struct vfs *vfs;
    const char *positions_path;
    const char *root; /* prefix of all patterns; "" for none */
    struct tail_sink sink;
    size_t max_record;      /* bytes [1 MiB] */
    int64_t rotated_ms;     /* a file that lost its name is read on for this long [10 s] */
    int64_t record_wait_ms; /* an unfinished multi-line record waits for this long [2 s] */
};

struct tail_stats {
    uint64_t files;
    uint64_t records;
    uint64_t cut;
    uint64_t throttled; /* times the rate limit paused reading */
    uint64_t errors;    /* files that could not be opened or read */
};

/** Reads the positions; a damaged file is reported in the log and counted as an error. Never fails for a
 * missing one. @return 0, -ERR_NOMEM, -ERR_IO */
NODISCARD int tail_new(const struct tail_opts *opts, struct tail **ret, struct err *reterr);
void tail_free(struct tail *t);
/** The entries of logs.files, checked before; takes effect with the next poll. */
void tail_configure(struct tail *t, const char *const *entries, size_t n, int64_t max_lines_per_s);
/** Look at all files once and read what is new. `search`: also look for new files by pattern. */
void tail_poll(struct tail *t, bool search);
/** Batches up to these marks are safe. */
void tail_ack(struct tail *t, const log_marks *marks);
/** Write the positions when they changed. @return 0, -ERR_* */
NODISCARD int tail_save(struct tail *t, struct err *reterr);
/** True when tail_save() would write. */
bool tail_dirty(const struct tail *t);
struct tail_stats tail_stats_of(const struct tail *t);

#endif
