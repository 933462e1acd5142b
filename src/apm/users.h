/* SPDX-License-Identifier: Apache-2.0
 *
 * Distinct users of every group, from spans as they come in: over the last five minutes, now, and over any time by
 * uniting sketches that roll up from 2 seconds to 1 minute, 5 minutes, 1 hour and 1 day by register maximum. Numbers of
 * users are never added: who uses two groups, instances or days is one user of both.
 *
 * What a kill -9 loses: users seen in the last 2 seconds. What a power failure loses: those of the last minute.
 */
#ifndef APM_USERS_H
#define APM_USERS_H

#include "apm/users_files.h"
#include "apm/users_identity.h"
#include "base/arena.h"
#include "base/stats.h"

struct meta;
struct tsdb;
struct users;

enum {
    USERS_TICK_S = 2,
    USERS_WINDOW_S = 300,     /* of the live number */
    USERS_HISTORY_S = 1800,   /* of live numbers kept in memory */
    USERS_POINTS_MAX = 11000, /* of a series */
};

struct users_opts {
    const char *dir;       /* "<data>/users" */
    const struct vfs *vfs; /* NULL: the real one */
    struct meta *meta;     /* keeps the rules; NULL: they are forgotten at the end */
    struct tsdb *metrics;  /* apm_active_users{group,identity}; NULL: not written */
    struct stats *stats;
    size_t max_groups;  /* default 1024; spans of more are counted as dropped */
    uint64_t max_bytes; /* on disk; default 1 GiB */
    size_t
        max_memory; /* of live sketches, then big groups move in steps of 10 s; default 256 MiB */
    int64_t retention_s[USERS_LEVELS]; /* defaults: 7 min, 7 d, 60 d, 400 d, 400 d */
    int64_t
        manual_s; /* not 0: this is now, and there is no thread, users_tick() is called; for tests */
};

/** Reads the last day's files. @return 0; -ERR_IO, -ERR_NOSPACE, -ERR_CORRUPT (key), -ERR_UNAVAILABLE (thread) */
NODISCARD int users_open(const struct users_opts *o, struct users **ret, struct err *reterr);
/** Writes what is open. users_seen() must have ended. NULL is fine. */
void users_close(struct users *u);

/** For struct span_watch: `arg` is the struct users. Thread-safe. */
void users_seen(void *arg, const struct span *spans, size_t n, int64_t wall_ms);
/** What the thread does every 2 s. */
void users_tick(struct users *u, int64_t wall_ms);

/* Rules of identity. Thread-safe. */

void users_settings_text(struct users *u, struct buf *dst); /* JSON */
/** Checked, kept, then in force. @return 0; as users_settings_parse(), meta_doc_put() */
NODISCARD int users_settings_put(struct users *u, struct str json, struct err *reterr);

/* Reading. Thread-safe. */

struct users_live {
    struct str group;
    enum users_identity identity;
    double users;                    /* of the last 5 minutes */
    double error;                    /* relative standard error */
    double requests_per_s;           /* over the last 10 s */
    uint64_t counted, unknown, bots; /* requests since the start */
    double peak;                     /* of the history */
    int64_t peak_s;
    /** The newest last, one every `step_s`. */
    const double *history;
    const double *history_rps;
    size_t history_n;
    int64_t history_end_s; /* time of the newest */
    int64_t step_s;
};

/** All groups in order of names, with up to `points` of history at `step_s` (a multiple of 2). In `a`.
 * @return 0, -ERR_NOMEM */
NODISCARD int users_live(struct users *u, int64_t step_s, size_t points, struct arena *a,
                         struct users_live **ret, size_t *ret_n, struct err *reterr);

/** An estimate with its error. */
struct users_count {
    double users;
    double error; /* relative standard error; two of them to either side hold in 95 % of cases */
};

/** Of the last 5 minutes over all groups that tell users apart as most groups with users do. @return 0, -ERR_NOMEM */
NODISCARD int users_live_union(struct users *u, struct users_count *ret,
                               enum users_identity *ret_identity, struct err *reterr);

struct users_query {
    const struct str *groups; /* none: all */
    size_t groups_n;
    int identity; /* enum users_identity; -1: each group's own, as it is now */
    int64_t from_s, to_s;
    int64_t step_s;   /* 0: one number for all of it */
    int64_t window_s; /* each number is of so many seconds up to the end of its step; 0: the step */
    struct cancel *cancel;
};

struct users_series {
    int64_t from_s, to_s; /* rounded outwards to slots that are still kept */
    int64_t step_s;
    struct users_count *v; /* (to_s - from_s) / step_s */
    size_t n;
    int64_t grain_s;     /* the finest slot kept at from_s */
    unsigned identities; /* bit by enum users_identity: of the records in the range, used or not */
};

/** Distinct users by step. In `a`. @return 0; -ERR_INVALID (range, step finer than what is kept), -ERR_LIMIT (points),
 * -ERR_NOT_FOUND (no such group), -ERR_NOMEM, -ERR_CANCELED, -ERR_TIMEOUT, -ERR_IO */
NODISCARD int users_query(struct users *u, const struct users_query *q, struct arena *a,
                          struct users_series *ret, struct err *reterr);
/** The same as one sketch in its bytes form, to be united elsewhere. */
NODISCARD int users_sketch(struct users *u, const struct users_query *q, struct buf *dst,
                           struct err *reterr);

struct users_status {
    size_t groups;
    size_t memory_bytes;
    uint64_t disk_bytes;
    int64_t oldest_s; /* of what is kept; 0: nothing */
};

void users_status(struct users *u, struct users_status *ret);

#endif
