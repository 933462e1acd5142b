/* SPDX-License-Identifier: Apache-2.0
 *
 * Delta-to-cumulative state: one running total per output series, keyed by the series' door key. Bounded
 * in entries; series not heard of for a while are forgotten (their total starts again, which queries see
 * as an ordinary counter reset). Changes of a request that fails are rolled back, so a retry counts once.
 */
#ifndef INGEST_DELTA_H
#define INGEST_DELTA_H

#include "base/arena.h"
#include "base/budget.h"
#include "base/hash.h"

struct delta_table;

/** At most max_entries series; memory from `budget` (may be NULL). */
struct delta_table *delta_table_new(size_t max_entries, int64_t ttl_ms, struct budget *budget);
void delta_table_free(struct delta_table *t);

/** What a request changed, newest first; lives in the request's arena. Zeroed = empty. */
struct delta_journal {
    struct delta_change *last;
};

struct delta_point {
    struct hash128 key;
    int64_t time_ns;
    double delta;
};

/**
 * Add a point to its series' total. A point of the same time as the last one is a repetition: the total is
 * given and nothing added.
 * @return 0; -ERR_OUT_OF_RANGE (older than the last), -ERR_LIMIT (table full), -ERR_NOMEM. Thread-safe.
 */
NODISCARD int delta_add(struct delta_table *t, const struct delta_point *p, struct arena *a,
                        struct delta_journal *j, double *ret_total);
/** Undo the journal's changes that no later request built upon; empties it. */
void delta_rollback(struct delta_table *t, struct delta_journal *j);
size_t delta_count(struct delta_table *t);

#endif
