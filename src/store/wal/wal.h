/* SPDX-License-Identifier: Apache-2.0
 *
 * A segmented write-ahead log of opaque typed records. wal_append() returns after write(2), so what was
 * acknowledged survives kill -9; it survives power loss after the next sync (every second by default, or
 * before wal_append() returns with WAL_SYNC_ALWAYS). With the interval nobody waits for the disk: a left
 * segment is synced by the sync thread, too, before the one that follows. A torn or corrupt tail is cut at open, with everything
 * before it kept.
 */
#ifndef STORE_WAL_WAL_H
#define STORE_WAL_WAL_H

#include "base/stats.h"
#include "base/str.h"

struct err;
struct wal;
struct vfs;

enum wal_sync { WAL_SYNC_INTERVAL, WAL_SYNC_ALWAYS };

struct wal_opts {
    const char *dir;          /* made when missing */
    const char *name;         /* for logs and the `wal` label of statistics, e.g. "metrics" */
    enum wal_sync sync;       /* INTERVAL: a background thread syncs every sync_interval_ms */
    int64_t sync_interval_ms; /* default 1000 */
    uint64_t segment_bytes;   /* default 64 MiB; a record is never split over segments */
    const struct vfs *vfs;    /* NULL: the real file system */
    struct stats *stats;      /* may be NULL */
};

/** Type of a record that replay is given before the first record of every opening of the log: what later records
 * refer to must not be looked for in front of it. Nobody appends it. */
enum { WAL_RUN = 255 };

/** Where a record lies; segments rise by one. */
struct wal_pos {
    uint64_t segment;
    uint64_t offset;
};

/** Open and, if `replay` is not NULL, hand every valid record to it in order before appends are allowed.
 * A non-zero return of `replay` stops with that error. Progress is logged. A corrupt record ends that
 * segment: later records of it are cut (renamed aside as .corrupt) and the count is reported in the log. Where the end
 * of a segment is missing (power was lost before its sync) and later ones survived, replay goes on behind the gap,
 * says so and counts it: all behind it was not synced yet, but is good.
 * @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM, or replay's error */
NODISCARD int wal_open(const struct wal_opts *opts,
                       int (*replay)(void *arg, uint8_t type, struct str payload,
                                     struct wal_pos pos),
                       void *arg, struct wal **ret, struct err *reterr);
/** Sync and close. NULL is fine. */
void wal_close(struct wal *w);

/** One record from `n` slices written back to back. Thread-safe; concurrent callers share one write.
 * @return 0 when written (and synced with ALWAYS); -ERR_NOSPACE, -ERR_IO: nothing of it will be replayed;
 *         -ERR_TOO_LARGE above 64 MiB */
NODISCARD int wal_append(struct wal *w, uint8_t type, const struct str *parts, size_t n,
                         struct wal_pos *ret_pos, struct err *reterr);

/** Start a new segment and return its number: everything appended before is in lower segments. */
NODISCARD int wal_rotate(struct wal *w, uint64_t *ret_segment, struct err *reterr);
/** Delete segments below `segment`, their data being safe elsewhere. */
NODISCARD int wal_truncate(struct wal *w, uint64_t segment, struct err *reterr);
uint64_t wal_bytes(struct wal *w);

/** Make `to` (must not exist) a log with all that was acknowledged by the log in `dir` before the call; of what is
 * appended or truncated meanwhile it may have a part. Segments that are done become hard links, the newest a copy. The
 * log may be in use, by this process or another. @return 0 (also where there is no log: nothing is made), -ERR_IO,
 * -ERR_NOSPACE, -ERR_EXISTS, -ERR_NOMEM */
NODISCARD int wal_snapshot(const char *dir, const char *to, struct err *reterr);

#endif
