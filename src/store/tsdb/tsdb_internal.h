/* SPDX-License-Identifier: Apache-2.0
 *
 * The database object. Lock order: maint or merge_lock, epoch_gate, epoch_lock, parts_lock, shard locks, the WAL's own.
 */
#ifndef STORE_TSDB_TSDB_INTERNAL_H
#define STORE_TSDB_TSDB_INTERNAL_H

#include "base/thread.h"
#include "io/vfs.h"
#include "store/tsdb/head.h"
#include "store/tsdb/part.h"

enum { DOOR_SHARDS = 16, EPOCHS_KEPT = 64 };

/** Door keys of one slice of the key space. */
struct door_shard {
    struct rwlock lock;
    struct keymap map; /* key -> series_ref.v; guarded by: lock */
};

struct tsdb_stats {
    struct counter *samples, *rejected[TSDB_REJECT_COUNT], *created, *collected, *flushes,
        *flush_errors, *merges, *merge_errors, *chunk_bytes;
    struct timing *flush_time, *merge_time;
    struct gauge *series, *head_samples, *head_bytes, *parts, *part_bytes, *stored_samples;
};

/** By (day, seq_lo). */
typedef VEC(struct part *) part_list;

/** What the flush thread remembers to see that ingest has paused. */
struct ingest_pause {
    uint64_t appended; /* samples ever, at `since` */
    struct mono since;
    bool paused; /* of the last time that was long enough or busy enough to judge */
};

struct metadata_store;
struct tombstones;
struct exemplar_store;

struct tsdb {
    char *dir;
    char *blocks_dir;
    const struct vfs *vfs;
    struct budget *budget;
    _Atomic int64_t budget_taken; /* of the head's memory; relaxed */
    atomic_bool over_budget;      /* relaxed: commits are refused */
    enum wal_sync wal_sync;
    int64_t retention_ms; /* of raw samples */
    int64_t admit_ms;     /* the longest of any tier: older samples are refused; 0: none are */
    int64_t future_ms;
    uint64_t head_max_bytes;
    int64_t flush_interval_ms;

    struct wal *wal;
    struct head head;
    struct door_shard doors[DOOR_SHARDS];
    struct metadata_store *metadata;
    struct rollups *rollups;       /* rollup_internal.h */
    struct tombstones *tombstones; /* guarded by: merge_lock */
    struct exemplar_store *exemplars;
    struct label_cache *label_answers; /* owned */

    /* Read while a commit encodes, writes and applies; written to start a new epoch, so that every record
     * of an epoch lies in segments at or above the epoch's first. */
    struct rwlock epoch_lock;
    struct mutex epoch_gate;  /* held by whoever waits for the write lock */
    atomic_bool epoch_wanted; /* relaxed: a hint to look at the gate */
    _Atomic uint32_t epoch;   /* guarded by: epoch_lock for change; relaxed reads are hints */

    struct mutex maint;                     /* one flush at a time */
    uint64_t next_seq;                      /* guarded by: maint */
    struct mono epoch_started[EPOCHS_KEPT]; /* guarded by: maint */
    struct mutex merge_lock;                /* one merge or drop at a time */
    atomic_bool stop;                       /* relaxed: merges end early */

    struct rwlock parts_lock;
    part_list parts; /* guarded by: parts_lock */

    struct mutex bg_lock;
    struct cond bg_wake, merge_wake;
    bool closing;         /* guarded by: bg_lock */
    bool want_flush;      /* guarded by: bg_lock */
    struct thread bg;     /* flushes */
    struct thread merger; /* merges and retention */
    struct mono next_flush;
    struct ingest_pause pause; /* this to flush_failed: the flush thread's own */
    int64_t last_flush_ms;
    bool flush_failed;

    atomic_bool flush_running, merge_running;
    _Atomic uint64_t flush_runs, merge_runs;
    _Atomic int64_t flush_last_ms, merge_last_ms;
    _Atomic uint32_t flush_permille, merge_permille; /* progress */
    struct tsdb_stats stats;
};

/** Samples may take so much of the head before it is written: `head_max_bytes`, but never so little that a part would
 * hold only a few samples of each series. */
uint64_t head_limit(const struct tsdb *db);
/** Bring what is taken from the budget up to what the head uses. */
void head_account(struct tsdb *db);
/** Look again: fewer than PAUSE_SAMPLES in PAUSE_MS (tsdb.c) is a pause, for a server always says a little of itself.
 * Call it about every second; more than that many since the last judgement ends the pause at once. */
bool ingest_paused(struct ingest_pause *p, uint64_t appended, struct mono now);
/** As a crash leaves it: nothing is flushed. Tests only. */
void tsdb_close_unflushed(struct tsdb *db);

/* ---- records of the log (record.c) ---- */

enum record_type { RECORD_SAMPLES = 1, RECORD_METADATA = 2, RECORD_EXEMPLARS = 3 };

/** What a SAMPLES record holds, in the order it is read back. */
struct record_ops {
    /** Series `ref` of this log means these canonical label bytes from now on. */
    int (*series)(void *arg, uint64_t ref, struct str labels);
    int (*sample)(void *arg, uint64_t ref, int64_t t_ms, double v);
};

/** Walk a SAMPLES payload. @return 0, -ERR_CORRUPT, or what an op returned */
NODISCARD int record_decode(struct str payload, const struct record_ops *ops, void *arg);

/** Builder: first all series, then all samples. */
struct record {
    struct buf series;
    struct buf samples;
    uint64_t last_ref;
    int64_t last_t;
};

void record_init(struct record *r);
void record_done(struct record *r);
void record_clear(struct record *r);
void record_add_series(struct record *r, uint64_t ref, struct labels labels, struct buf *scratch);
void record_add_sample(struct record *r, uint64_t ref, int64_t t_ms, double v);

/* ---- doors (door.c) ---- */

void doors_init(struct tsdb *db);
void doors_done(struct tsdb *db);
NODISCARD int doors_put(struct tsdb *db, struct hash128 key, struct series_ref ref);
/** Forget keys of series that are gone. */
void doors_sweep(struct tsdb *db);

/* ---- flush, merge, retention (flush.c, merge.c, parts.c) ---- */

/** Are a's flushes among b's, of the same day? */
static inline bool part_within(const struct part_info *a, const struct part_info *b)
{
    return a->day == b->day && a->seq_lo >= b->seq_lo && a->seq_hi <= b->seq_hi;
}

/** @return false: no memory */
NODISCARD bool part_list_insert(part_list *l, struct part *p);
/** Take one out of the list, with its reference. */
struct part *part_list_take(part_list *l, size_t i);
/** Is `p` within the range of a part of its day in `l`? */
bool part_list_covers(const part_list *l, const struct part_info *p);
/** First index of a day (or of what comes after it). */
size_t part_list_day(struct part *const *v, size_t n, int64_t day);
/** Give a part up: its directory goes with the last reference, of which one is the caller's. */
void part_drop(struct tsdb *db, struct part *p);

/** Open every part below `root`; unfinished ones and those within another are removed. */
NODISCARD int parts_load(struct tsdb *db, const char *root, part_list *l, struct err *reterr);
/** part_open(), but a damaged part is moved to quarantine/ and named in the log.
 * @return 0, 1 (moved), -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM */
NODISCARD int part_open_or_quarantine(struct tsdb *db, const char *dir, struct part **ret,
                                      struct err *reterr);
void parts_done(struct tsdb *db);
/** References to all parts that overlap a range, in order of (day, seq). Free with parts_release(). */
NODISCARD int parts_snapshot(struct tsdb *db, int64_t min_ms, int64_t max_ms, struct part ***ret,
                             size_t *ret_n);
void parts_release(struct part **v, size_t n);
/** Swap `old` (may be empty) for `add` (may be NULL) in one step. Takes over the reference of `add`. */
NODISCARD int parts_replace(struct tsdb *db, struct part *const *old, size_t old_n,
                            struct part *add);
/** Directory of a part, heap-allocated. */
char *parts_path(const char *root, const struct part_info *info, const char *suffix);
/** Rename a finished part into place below `root` and open it. */
NODISCARD int parts_publish(struct tsdb *db, const char *root, const char *tmp,
                            const struct part_info *info, struct part **ret, struct err *reterr);

/** A series that some of the parts walked have. */
struct parts_series {
    struct labels labels;
    const struct part_cursor *const *at; /* at the series, in the order of the parts */
    size_t n;
};

typedef int parts_series_fn(void *arg, const struct parts_series *s, struct err *reterr);
typedef int parts_samples_fn(void *arg, struct labels labels, const struct samples *s,
                             struct err *reterr);

/** Call fn for every series of some parts of a day, in order of labels. @param progress  may be NULL: permille done */
NODISCARD int parts_walk_series(struct tsdb *db, struct part *const *parts, size_t n,
                                _Atomic uint32_t *progress, parts_series_fn *fn, void *arg,
                                struct err *reterr);
/** The same of raw parts in flush order, with the samples joined as a query would see them. */
NODISCARD int parts_walk(struct tsdb *db, struct part *const *parts, size_t n,
                         _Atomic uint32_t *progress, parts_samples_fn *fn, void *arg,
                         struct err *reterr);
/** Join the samples of a raw part's series to those of earlier parts. */
NODISCARD int parts_join(const struct part_cursor *at, struct samples *dst, struct err *reterr);

/** Takes maint. */
NODISCARD int flush_head(struct tsdb *db, struct err *reterr);
/** Merge where it pays, or everything with `all`. Takes merge_lock. @return merges done or error */
NODISCARD int merge_parts(struct tsdb *db, bool all, struct err *reterr);
/** Merge parts[0, n), all of a day up to flush `seq`, which no part has, into one that counts as of `seq`; hidden
 * samples are left out. Under merge_lock. */
NODISCARD int merge_rewrite(struct tsdb *db, struct part *const *parts, size_t n, uint64_t seq,
                            struct err *reterr);

/* ---- metadata (metadata.c) ---- */

/** Take the epoch for reading, letting a waiting flush go first: read locks alone could starve it. */
void epoch_enter(struct tsdb *db);
/** A METADATA record. @return 0, -ERR_CORRUPT, -ERR_NOMEM, -ERR_LIMIT */
NODISCARD int metadata_replay(struct tsdb *db, struct str payload);
NODISCARD int metadata_save(struct tsdb *db, struct err *reterr);
NODISCARD int metadata_open(struct tsdb *db, struct err *reterr);
void metadata_close(struct tsdb *db);

/* ---- exemplars (exemplars.c) ---- */

/** One exemplar as the log and the file have it: series, labels, time, value. */
void exemplar_encode(struct buf *dst, struct str series, struct str labels, int64_t t_ms, double v);
/** An EXEMPLARS record. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int exemplars_replay(struct tsdb *db, struct str payload);
NODISCARD int exemplars_save(struct tsdb *db, struct err *reterr);
/** At most `max` are kept; 0 turns them off. */
NODISCARD int exemplars_open(struct tsdb *db, size_t max, struct stats *stats, struct err *reterr);
void exemplars_close(struct tsdb *db);

static inline int64_t day_of(int64_t t_ms)
{
    return t_ms >= 0 ? t_ms / PART_DAY_MS : -((-(t_ms + 1)) / PART_DAY_MS) - 1;
}

/* ---- samples of several sources (samples_merge.c) ---- */

/** Make room for n more and return 0 or -ERR_NOMEM. */
NODISCARD int samples_room(struct samples *s, size_t n);
/** dst[0, split) and dst[split, n) are rising runs; of equal times the second run wins. */
NODISCARD int samples_join(struct samples *dst, size_t split);
/** Keep min_ms <= t <= max_ms. */
void samples_clip(struct samples *s, int64_t min_ms, int64_t max_ms);

#endif
