/* SPDX-License-Identifier: Apache-2.0
 *
 * T-Maps: how many requests began in each {time x duration x outcome} cell of a group, at several widths of time, so
 * that a day of 100 million requests is drawn from a few thousand small rows. Counted as requests come in; written
 * every 10 s to the store's `tmap` rows (store/columns: log, parts, retention, snapshots and checks are its own).
 * Invariant: at every width the cells add up to the same requests, also across a crash. Spec: sections 2.1, 11.
 */
#ifndef APM_TMAP_H
#define APM_TMAP_H

#include "apm/tmap_bucket.h"
#include "base/arena.h"
#include "base/cancel.h"
#include "base/stats.h"
#include "store/columns/columns.h"

struct tmap;

enum tmap_class { TMAP_OK, TMAP_4XX, TMAP_5XX, TMAP_CLASSES };

struct tmap_opts {
    struct columns *cells; /* borrowed: the store's `tmap` rows */
    struct columns
        *transactions; /* borrowed: what cells that were not written are counted from again */
    int64_t live_ms;   /* how long 2 s columns are kept; default 10 min */
    size_t max_cells;  /* in memory, 16 bytes each; default 2 M. Above it they are written early */
    int64_t write_ms;  /* default 10 s; 0 with `manual` */
    bool manual;       /* no thread: tmap_write() only; for tests and loaders */
    struct stats *stats;
};

/** Counts again what a crash left unwritten. @return 0; what columns_open() and scans return */
NODISCARD int tmap_open(const struct tmap_opts *opts, struct tmap **ret, struct err *reterr);
/** Writes all that is complete. NULL is fine. */
void tmap_close(struct tmap *t);

/** One request. */
struct tmap_point {
    struct str group;
    int64_t start_ns, duration_ns;
    enum tmap_class class;
    int64_t
        stamp_ns; /* arrival of its row in `transactions`; rises from point to point over all calls */
};

/** Thread-safe, but stamps must rise: callers order their calls. Points that find no memory are counted as dropped. */
void tmap_count(struct tmap *t, const struct tmap_point *points, size_t n);
/** Write what is due. @return 0; as columns_append_logs(): nothing is lost, tried again */
NODISCARD int tmap_write(struct tmap *t, int64_t wall_ms, struct err *reterr);

struct tmap_cell {
    uint32_t column; /* of the answer, from its min_ns */
    uint16_t bucket; /* tmap_bucket(), >> shift of the query */
    uint32_t n[TMAP_CLASSES];
};

struct tmap_query {
    const struct str *groups; /* their sum; none: all */
    size_t groups_n;
    int64_t min_ns, max_ns; /* widened to whole columns */
    size_t columns;         /* at most so many, 1 to TMAP_COLUMNS_MAX */
    unsigned shift;         /* buckets are merged by 2^shift, at most 5 */
    struct cancel *cancel;
    struct budget *budget;
};

enum { TMAP_COLUMNS_MAX = 1000 };

struct tmap_cells {
    int64_t min_ns, step_ns; /* of the columns given */
    size_t columns;
    int64_t level_ns;    /* width of the columns they were added up from */
    struct tmap_cell *v; /* by column, then bucket; in the arena */
    size_t n;
    uint64_t total[TMAP_CLASSES];
};

/** @return 0; -ERR_INVALID (range), -ERR_NOMEM, -ERR_CANCELED, -ERR_TIMEOUT, -ERR_CORRUPT */
NODISCARD int tmap_cells(struct tmap *t, const struct tmap_query *q, struct arena *a,
                         struct tmap_cells *ret, struct err *reterr);

/** 2 s columns of the last live_ms that changed after `*version` (0: all), whole; *version moves on. Cells' columns
 * count from ret->min_ns. @return 0, -ERR_NOMEM */
NODISCARD int tmap_live(struct tmap *t, const struct str *groups, size_t groups_n,
                        uint64_t *version, struct arena *a, struct tmap_cells *ret);

struct tmap_group {
    struct str name;
    uint64_t n; /* requests since start */
};

/** Groups seen since start and those with written cells of the last week, rising by name; in the arena. */
NODISCARD int tmap_groups(struct tmap *t, struct arena *a, struct tmap_group **ret, size_t *ret_n);

#endif
