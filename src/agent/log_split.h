/* SPDX-License-Identifier: Apache-2.0
 *
 * Cutting what was read from a file into records. Pure: the caller keeps the position, so that everything
 * not consumed is simply read again.
 */
#ifndef AGENT_LOG_SPLIT_H
#define AGENT_LOG_SPLIT_H

#include "agent/log_source.h"

struct split_opts {
    const struct log_source *source; /* NULL: every line is a record */
    size_t max_record; /* bytes; longer ones are cut and the rest of the line is skipped */
    bool flush_lines;  /* no line came for a while: the lines so far are the whole record */
    bool flush_all;    /* nothing will come any more: even a line without its newline is one */
};

/** One record, without the newline. `end` = bytes of the chunk consumed with it, `skipping` = the state that
 * belongs to that position. @return false to stop after this one */
typedef bool (*split_fn)(void *ctx, struct str record, bool cut, size_t end, bool skipping);

/**
 * @param skipping  in and out: the chunk starts inside a line that was cut
 * @return bytes consumed; 0 with a full chunk means: come back with a larger one (up to max_record + 1)
 */
size_t log_split(struct str chunk, const struct split_opts *o, bool *skipping, split_fn fn,
                 void *ctx);

#endif
