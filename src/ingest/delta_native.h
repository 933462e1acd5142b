/* SPDX-License-Identifier: Apache-2.0
 *
 * Delta-to-cumulative state of native histograms: one running total per series, as delta.h keeps numbers. Bounded in
 * entries and by the budget; series not heard of for a while are forgotten. Changes of a request that fails are rolled
 * back.
 */
#ifndef INGEST_DELTA_NATIVE_H
#define INGEST_DELTA_NATIVE_H

#include "base/arena.h"
#include "base/budget.h"
#include "base/hash.h"
#include "model/histogram.h"

struct delta_native;

struct delta_native *delta_native_new(size_t max_entries, int64_t ttl_ms, struct budget *budget);
void delta_native_free(struct delta_native *t);

/** What a request changed, newest first; lives in the request's arena. Zeroed = empty. */
struct delta_native_journal {
    struct delta_native_change *last;
};

/** A point of a series. */
struct delta_native_point {
    struct hash128 key;
    int64_t time_ns;
    const struct native_histogram *delta;
};

/**
 * Add a point to its series' total and copy the total to `ret`. A point of the time of the last one is a repetition
 * and adds nothing. A total with other custom bounds starts anew.
 * @return 0; -ERR_OUT_OF_RANGE (older than the last), -ERR_LIMIT (full), -ERR_NOMEM. Thread-safe.
 */
NODISCARD int delta_native_add(struct delta_native *t, const struct delta_native_point *p,
                               struct arena *a, struct delta_native_journal *j,
                               struct native_histogram *ret);
/** Undo the journal's changes that no later request built upon; empties it. */
void delta_native_rollback(struct delta_native *t, struct delta_native_journal *j);

#endif
