/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on new series, and who ran into them. Series that exist go on whatever the limits say; only the
 * new ones of the offender are refused.
 */
#ifndef STORE_TSDB_LIMITER_H
#define STORE_TSDB_LIMITER_H

#include "store/tsdb/tsdb.h"

enum tsdb_limit {
    TSDB_LIMIT_SERIES, /* active ones in all */
    TSDB_LIMIT_METRIC, /* of one metric */
    TSDB_LIMIT_SOURCE, /* of one job */
    TSDB_LIMIT_VALUES, /* distinct values of a label of one metric */
    TSDB_LIMIT_COUNT,
};

/** Fields that do not belong to the limit are empty. */
struct tsdb_limit_who {
    struct str metric, label, source;
};

struct tsdb_offender {
    struct tsdb_limit_who who;
    uint64_t refused; /* attempts */
    int64_t since_ms, last_ms;
    struct str example; /* the series refused last, as a selector */
};

struct tsdb_limit_state {
    uint64_t max; /* 0: off */
    uint64_t used;
    struct tsdb_limit_who used_by;
    uint64_t refused;
    struct tsdb_offender *offenders; /* most recent first */
    size_t offenders_n;
};

/** State of every limit; strings in `a`. @return 0, -ERR_NOMEM */
NODISCARD int tsdb_limits(struct tsdb *db, struct arena *a,
                          struct tsdb_limit_state ret[TSDB_LIMIT_COUNT], struct err *reterr);

#endif
