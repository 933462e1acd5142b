/* SPDX-License-Identifier: Apache-2.0
 *
 * Follows the systemd journal and keeps how far it was delivered: a cursor (opaque text of the journal), persisted only
 * when the batch that ends there is safe. Single-threaded.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include "agent/log_batch.h"
#include "agent/log_source.h"
#include "io/vfs.h"

struct err;
struct journal;

struct journal_opts {
    struct log_batch_opts batch;
    const struct vfs *vfs;
    const char *cursor_path; /* file of the cursor */
    const char *directory;   /* "": this machine's journal */
    const char *const *
        matches; /* FIELD=VALUE; several of one field are alternatives, of different fields all hold */
    size_t matches_n;
    enum log_start start; /* where the very first start begins */
};

/** Reading begins here: what is written from now on is read. A journal that cannot be opened is tried again with every
 * poll. @return 0; -ERR_INVALID: a match that is not
 * FIELD=VALUE; -ERR_IO */
NODISCARD int journal_new(const struct journal_opts *opts, struct journal **ret,
                          struct err *reterr);
void journal_free(struct journal *j);
/** Read what is new, at most `max_records` (0: some ten thousand). */
void journal_poll(struct journal *j, int64_t max_records);
/** Batches up to these marks are safe; marks of others are stepped over. */
void journal_ack(struct journal *j, const log_marks *marks);
/** True when journal_save() would write. */
bool journal_dirty(const struct journal *j);
/** Write the cursor when it changed. @return 0, -ERR_* */
NODISCARD int journal_save(struct journal *j, struct err *reterr);

struct journal_stats {
    uint64_t records;
    uint64_t cut;    /* fields longer than 1 MiB lost their end */
    uint64_t errors; /* entries or files that could not be read */
};

struct journal_stats journal_stats_of(const struct journal *j);
/** FIELD=VALUE with a valid name (capitals, digits, '_'; not first a digit). */
bool journal_match_ok(const char *match);

#endif
