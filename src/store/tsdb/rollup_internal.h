/* SPDX-License-Identifier: Apache-2.0
 *
 * Tiers inside the engine. A tier part holds the buckets of one day's samples of the raw flushes [seq_lo, seq_hi];
 * that range alone says what is covered:
 *  - a raw part within the range of a tier part of its day is covered;
 *  - a tier part within the range of an uncovered raw part is superseded: the raw part has its samples;
 *  - a tier part that starts below the day's first raw part cannot be made again: its samples are gone, the day is
 *    "lost". Its raw parts came late; they become part of the tiers and go in one step (rollup_late.c), for a tier part
 *    that has some of them could not be told apart from a merge of them.
 * Tier lists change under parts_lock together with the raw list, so a query sees one state of both.
 */
#ifndef STORE_TSDB_ROLLUP_INTERNAL_H
#define STORE_TSDB_ROLLUP_INTERNAL_H

#include "store/tsdb/rollup.h"
#include "store/tsdb/tiers.h"
#include "store/tsdb/tsdb_internal.h"

struct tier {
    char *dir;
    int64_t resolution_ms;
    int64_t retention_ms;
    part_list parts; /* by (day, seq_lo); guarded by: db->parts_lock */
};

/** A day the roll-up thread has seen uncovered parts of. */
struct pending_day {
    int64_t day;
    uint64_t seq_hi; /* of its newest raw part */
    struct mono since;
    bool again;  /* there are tier parts already */
    bool looked; /* seen in this round */
};

struct rollups {
    struct tsdb *db;
    struct tier tiers[TSDB_TIERS]; /* [TSDB_RAW] only for its retention */
    int64_t bounds[TSDB_TIERS]; /* times after [k] are served by tier k or a finer one; guarded by:
                                 * db->parts_lock */
    enum tsdb_rollups mode;
    int64_t quiet_ms;
    struct thread thread;
    struct mutex make_lock;          /* one roll-up at a time; taken before merge_lock */
    VEC(struct pending_day) pending; /* the thread's own */
    atomic_bool running;
    _Atomic uint32_t permille;
    _Atomic uint64_t runs, failures, waiting; /* waiting: days not yet rolled up */
    _Atomic int64_t last_ms;
    struct counter *days, *errors, *closed;
    struct timing *time;
};

/** Open the tiers' parts, after parts_load(). */
NODISCARD int rollups_open(struct tsdb *db, const struct tsdb_opts *opts, struct err *reterr);
NODISCARD int rollups_start(struct tsdb *db);
void rollups_join(struct tsdb *db); /* db->stop is set and bg_wake was signalled */
void rollups_close(struct tsdb *db);

/* ---- making them (rollup_write.c, rollup_make.c, rollup_late.c) ---- */

/** Tier parts of one day that are being written. */
struct rollup_make {
    struct tsdb *db;
    int64_t day;
    struct part **parts; /* what they are made of; owned, n */
    size_t n;
    struct part_writer *writers[TSDB_TIERS]; /* NULL: the tier has it or keeps it no more */
    char *tmp[TSDB_TIERS];
    uint64_t written[TSDB_TIERS]; /* series */
    struct rollup levels[TSDB_TIERS];
    struct buf blob, other;
    struct samples known; /* scratch */
    /* Of the native histogram at hand: its labels, and by tier the times its count has points at. */
    struct arena histogram_arena;
    struct labels histogram;
    struct samples resets[TSDB_TIERS];
    int finest; /* the first tier to make */
};

void rollup_make_init(struct rollup_make *m, struct tsdb *db, int64_t day, int finest);
void rollup_make_done(struct rollup_make *m);
/** Start the part of tier k. */
NODISCARD int rollup_make_open(struct rollup_make *m, int k, const struct part_info *info,
                               struct err *reterr);
/** Write a series whose level `finest` is there, and coarser ones made of it, where there are writers.
 * @param s  the samples the level was made of, or those that were added to it
 * @param all  these are all of its samples, which 1m may hold instead */
NODISCARD int rollup_make_series(struct rollup_make *m, int finest, struct labels labels,
                                 const struct samples *s, bool all, struct err *reterr);
/** Complete and publish the part of tier k. @param locked  merge_lock is held */
NODISCARD int rollup_make_finish(struct rollup_make *m, int k, bool locked, uint64_t *bytes,
                                 struct err *reterr);

static inline bool tier_expired(const struct tier *t, int64_t day, int64_t now_ms)
{
    return t->retention_ms > 0 && (day + 1) * PART_DAY_MS <= now_ms - t->retention_ms;
}

/** What status pages see of a run. Under make_lock. */
void rollup_begin(struct rollups *r);
void rollup_end_run(struct rollups *r, int rc);

/** Are samples of the day gone that its tiers have? Under parts_lock. */
bool rollup_is_lost_locked(const struct tsdb *db, int64_t day);
/** Put the raw parts of a day, of which earlier ones are gone, into its tiers, and drop them.
 * @return 1 done, 0 nothing to do, error (what was not done stays raw and counts) */
NODISCARD int rollup_fold_late(struct tsdb *db, int64_t day, struct err *reterr);
/** Must the raw parts of a day stay as they are, as some are in a tier whose earlier samples are gone? So after a fold
 * that was interrupted, until it is ended. Takes parts_lock. */
bool rollup_holds_raw(struct tsdb *db, int64_t day);

/** Roll up what a day's raw parts have and its tiers have not; to 1m, too, with `minutes`. @return 1 done, 0 nothing to do, error
 * (-ERR_CANCELED: closing) */
NODISCARD int rollup_day(struct tsdb *db, int64_t day, bool minutes, struct err *reterr);
/** Drop what is older than its tier's retention; raw days are rolled up before. */
void rollups_retention(struct tsdb *db, int64_t now_ms);

/* ---- parts of the tiers (rollup_parts.c) ---- */

/** After a tier's list changed or raw parts went. Under parts_lock for writing. */
void rollup_bounds_locked(struct tsdb *db);
NODISCARD int tier_publish(struct tsdb *db, struct tier *t, const char *tmp,
                           const struct part_info *info, struct err *reterr);
/** The same under merge_lock. */
NODISCARD int tier_publish_locked(struct tsdb *db, struct tier *t, const char *tmp,
                                  const struct part_info *info, struct err *reterr);
/** Drop all parts of a day from a tier. @return bytes */
uint64_t tier_drop_day(struct tsdb *db, struct tier *t, int64_t day, const char *why);
/** Drop a day's raw parts, oldest flush first: an interrupted drop is seen and ended at the next start. Under
 * merge_lock. @param finest  only those that this tier and all coarser ones cover that keep the day; TSDB_RAW: all
 * @return bytes */
uint64_t raw_drop_day_locked(struct tsdb *db, int64_t day, int finest, const char *why);

/* ---- queries (rollup_plan.c, rollup_read.c) ---- */

enum { PLAN_SEGMENTS = TSDB_TIERS };

/** Times (lo_ms, hi_ms] that come from one tier. */
struct plan_segment {
    int64_t lo_ms, hi_ms;
    enum tsdb_tier_id tier;
    bool late; /* raw parts are added to buckets whose own samples are gone */
};

/** How one part of the selection is to be read. */
struct plan_part {
    uint8_t segment;
    enum tsdb_tier_id tier; /* the part's own form */
    int64_t lo_ms, hi_ms;   /* of samples' times or buckets' ends: (lo_ms, hi_ms] */
};

/** What a query reads, when it is not just the raw parts. */
struct rollup_plan {
    struct plan_segment segments[PLAN_SEGMENTS]; /* oldest first */
    size_t segments_n;
    struct plan_part *parts; /* for each part of the selection; owned */
};

/** Choose tiers for a query. *ret stays NULL when raw parts serve it: then ret_parts is as of parts_snapshot().
 * @return 0, -ERR_NOMEM */
NODISCARD int rollup_plan(struct tsdb *db, const struct series_query *q, struct rollup_plan **ret,
                          struct part ***ret_parts, size_t *ret_n);
void rollup_plan_free(struct rollup_plan *p);
/** How far back a query's samples are wanted: its min_ms, or some buckets before it. */
int64_t rollup_reach(struct tsdb *db, const struct series_query *q);
size_t rollup_resolutions(const struct rollup_plan *p,
                          struct series_resolution dst[SERIES_RESOLUTIONS]);

enum rollup_column {
    COLUMN_LAST,
    COLUMN_COMPONENT, /* as LAST, of a native histogram's component */
    COLUMN_MIN,
    COLUMN_MAX,
    COLUMN_SUM,
    COLUMN_COUNT
};

enum rollup_column rollup_column_of(enum series_need need);

/** Reads one series of a selection with a plan: begin, its parts in order, end. */
struct rollup_reader {
    const struct rollup_plan *plan;
    enum rollup_column column;
    bool counter; /* by its labels */
    const struct samples *head;
    const struct samples *keep; /* of a component: samples of the histogram's count; may be NULL */
    struct samples *dst;
    size_t segment;
    struct rollup acc, one;
    struct samples raw, own;
};

void rollup_read_begin(struct rollup_reader *r, const struct rollup_plan *plan,
                       enum rollup_column column, struct labels labels, struct samples *dst);
/** @param index  of the part in the plan; @param c  at the series */
NODISCARD int rollup_read_part(struct rollup_reader *r, size_t index, const struct part_cursor *c,
                               struct err *reterr);
/** Without what was deleted: buckets whose last sample was. */
void rollup_drop_hidden(struct rollup *u, const struct part_cursor *c);
/** All that is left; frees the reader. */
NODISCARD int rollup_read_end(struct rollup_reader *r, int rc);

#endif
