/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit on active series in all.
 */
#include "store/tsdb/limiter.h"

#include "store/tsdb/tsdb_internal.h"

int tsdb_limits(struct tsdb *db, struct arena *a, struct tsdb_limit_state ret[TSDB_LIMIT_COUNT],
                struct err *reterr)
{
    (void)a;
    (void)reterr;
    memset(ret, 0, TSDB_LIMIT_COUNT * sizeof(*ret));
    ret[TSDB_LIMIT_SERIES].max = db->max_series;
    ret[TSDB_LIMIT_SERIES].used = atomic_load_explicit(&db->head.series_n, memory_order_relaxed);
    return 0;
}
