/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on new series, and who ran into them. Series that exist go on whatever the limits say; only the
 * new ones of the offender are refused. A refusal takes a read lock and allocates nothing.
 */
#ifndef STORE_TSDB_LIMITER_H
#define STORE_TSDB_LIMITER_H

#include "store/tsdb/tsdb.h"

/** Fields that do not belong to the limit are empty. */
struct tsdb_limit_who {
    struct str metric, label, source;
};

struct tsdb_offender {
    struct tsdb_limit_who who;
    uint64_t refused; /* attempts */
    int64_t since_ms, last_ms;
    struct str
        example; /* the series refused last (within a second), as a selector; long ones cut */
};

struct tsdb_limit_state {
    uint64_t max; /* 0: off */
    uint64_t used;
    struct tsdb_limit_who used_by;
    uint64_t refused;
    struct tsdb_offender *offenders; /* most recent first; at most 64, the oldest make room */
    size_t offenders_n;
};

/** State of every limit; strings in `a`. @return 0, -ERR_NOMEM */
NODISCARD int tsdb_limits(struct tsdb *db, struct arena *a,
                          struct tsdb_limit_state ret[TSDB_LIMIT_COUNT], struct err *reterr);

/* ---- for the head ---- */

struct limiter;

struct limiter *limiter_new(const uint64_t max[TSDB_LIMIT_COUNT], struct stats *stats);
void limiter_free(struct limiter *l); /* NULL is fine */

/** Would a new series be refused now? Cheap; remembers the offender.
 * @param active  series there are @return 0; -ERR_LIMIT, naming who is at which limit */
NODISCARD int limiter_check(struct limiter *l, struct labels labels, uint64_t active,
                            struct err *reterr);
/** Count a new series, after limiter_check() unless `force` (replay). @return 0, -ERR_LIMIT, -ERR_NOMEM */
NODISCARD int limiter_add(struct limiter *l, struct labels labels, uint64_t active, bool force,
                          struct err *reterr);
/** A counted series is gone; limiter_sweep() once after many. */
void limiter_remove(struct limiter *l, struct labels labels);
void limiter_sweep(struct limiter *l);

#endif
