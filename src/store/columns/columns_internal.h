/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's state, for this folder only. Lock order: maintenance, then lock; the WAL's own lock may be
 * taken under the maintenance lock but never under `lock`.
 */
#ifndef STORE_COLUMNS_COLUMNS_INTERNAL_H
#define STORE_COLUMNS_COLUMNS_INTERNAL_H

#include "base/lock.h"
#include "base/thread.h"
#include "store/columns/mem.h"

struct part;
struct trace_spares;

struct columns_stats {
    struct counter *appended;
    struct counter *rejected[COLUMNS_REJECT_COUNT];
    struct counter *overload;
    struct counter *flushes;
    struct counter *flush_failures;
    struct counter *merges;
    struct counter *merged_rows;
    struct counter *written_bytes;
    struct counter *expired_parts;
    struct counter *deleted;
    struct counter *scans;
    struct counter *scanned_rows;
    struct counter *blocks_read;
    struct counter *blocks_pruned;
    struct gauge *memory_bytes;
    struct gauge *disk_bytes;
    struct gauge *parts;
    struct timing *flush_time;
    struct timing *merge_time;
};

enum columns_job_kind { JOB_FLUSH, JOB_MERGE, JOB_RETENTION, JOB_DELETE, JOB_COUNT };

/** guarded by: columns.lock */
struct job_state {
    bool running;
    double progress; /* 0..1 */
    int64_t last_duration_ms;
    uint64_t runs;
    uint64_t failures;
};

struct columns {
    struct columns_opts opts; /* dir is owned */
    struct wal *wal;
    struct columns_stats stats;

    struct mutex maintenance; /* flush, merge, retention, drop: one at a time */
    uint64_t next_seq;        /* of part directories; guarded by: maintenance */
    uint64_t flushed_id;      /* ids below are in parts; guarded by: maintenance */

    struct mutex lock;
    struct cond appended; /* an append in flight ended; guarded by: lock */
    struct cond work;     /* for the background thread; guarded by: lock */
    struct mem_gen *active;
    VEC(struct mem_gen *) sealed; /* waiting for a flush that works */
    VEC(struct part *) parts;     /* live ones, by day then sequence */
    uint64_t next_id;
    uint64_t memory_bytes; /* of active and sealed */
    bool stop;
    bool flush_wanted;
    bool rewrite_wanted; /* parts have masks of deleted rows */
    struct job_state jobs[JOB_COUNT];

    struct trace_spares *spares;

    struct mutex tail_lock; /* subscriptions */
    struct cond tail_idle;
    VEC(struct columns_subscription *) tails;

    struct thread background;
};

/** With `lock` held (or before threads). */
static inline void columns_memory_add(struct columns *c, int64_t bytes)
{
    c->memory_bytes = (uint64_t)((int64_t)c->memory_bytes + bytes);
    gauge_set(c->stats.memory_bytes, (int64_t)c->memory_bytes);
}

/** What a query sees: the parts and batches of one moment, pinned. */
struct snapshot {
    struct columns *c;
    struct part **parts;
    size_t parts_n;
    struct mem_gen **gens;
    size_t gens_n;
    struct mem_chunk *chunks;
    size_t chunks_n;
};

/** Only what overlaps [min_ns, max_ns). @return 0, -ERR_NOMEM */
NODISCARD int snapshot_take(struct columns *c, int64_t min_ns, int64_t max_ns, struct snapshot *ret,
                            struct err *reterr);
void snapshot_done(struct snapshot *s);

/* trace.c: memory that look-ups leave for the next one */
struct trace_spares *trace_spares_new(void);
void trace_spares_free(struct trace_spares *s); /* NULL is fine */

/* tail.c */
void tail_notify(struct columns *c, const struct log_record *rows, size_t n,
                 struct row_limits limits, const struct columns_commit *commit);

/* manifest.c: the list of live parts and the line between parts and WAL, replaced as a whole */

struct check_report;
/** Say whether the manifest of a directory nobody has open is whole; a missing one says nothing. */
NODISCARD int manifest_check(const char *dir, enum columns_kind kind,
                             const struct check_report *report, struct err *reterr);
/** Is the text a whole manifest of a store of that kind? Its parts are counted. */
NODISCARD bool manifest_is_whole(enum columns_kind kind, struct str text, size_t *ret_parts);
/** Read the manifest, open its parts, remove leftovers. @return 0; -ERR_CORRUPT names the file */
NODISCARD int columns_load_parts(struct columns *c, struct err *reterr);

/** What changes together. Parts and generations stay the caller's on failure. */
struct change {
    struct part **add;
    size_t add_n;
    struct part **remove; /* their files go once the manifest is without them */
    size_t remove_n;
    bool keep_files;     /* `add` are the same files with other masks */
    size_t flushed_gens; /* as many of columns.sealed are in `add` now */
    uint64_t flushed_id; /* 0: unchanged */
};

/** Write the manifest, then switch readers over. With maintenance held. Takes the references of `add`. */
NODISCARD int columns_publish(struct columns *c, const struct change *ch, struct err *reterr);

/** Day of a time as YYYYMMDD. */
uint32_t day_of_ns(int64_t time_ns);
/** Directory of a part of this store. */
void part_path(const struct columns *c, uint32_t day, uint64_t seq, char *dst, size_t size);

/* flush.c, merge.c; with maintenance held */
NODISCARD int columns_flush_locked(struct columns *c, struct err *reterr);
/** One round: merges what is due. @param all  every day into as few parts as possible
 * @return number of merges, or an error */
NODISCARD int columns_merge_locked(struct columns *c, bool all, struct err *reterr);

/* maintain.c */
void columns_background(void *arg);
bool columns_stopping(struct columns *c);
void job_begin(struct columns *c, enum columns_job_kind kind);
void job_progress(struct columns *c, enum columns_job_kind kind, double progress);
void job_end(struct columns *c, enum columns_job_kind kind, bool ok, int64_t duration_ns);

#endif
