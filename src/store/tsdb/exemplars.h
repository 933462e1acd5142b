/* SPDX-License-Identifier: Apache-2.0
 *
 * Exemplars: the newest `max_exemplars` of all series together, in memory, durable like metadata: a change
 * goes to the log first, the file `exemplars` holds all of them and is written before the log is cut. Per
 * series they rise by (time, value, labels), as Prometheus' circular storage keeps them.
 */
#ifndef STORE_TSDB_EXEMPLARS_H
#define STORE_TSDB_EXEMPLARS_H

#include "base/arena.h"
#include "model/exemplar.h"
#include "model/matcher.h"

struct err;
struct tsdb;

/** Exemplars of one request, gathered and then kept as a unit. Zeroed after exemplar_batch_init(). */
struct exemplar_batch {
    struct buf record; /* as it goes to the log */
    struct buf scratch;
    size_t n;
};

void exemplar_batch_init(struct exemplar_batch *b);
void exemplar_batch_done(struct exemplar_batch *b);
void exemplar_batch_clear(struct exemplar_batch *b);

enum exemplar_reject {
    EXEMPLAR_OK,
    EXEMPLAR_TOO_LONG, /* labels over EXEMPLAR_LABELS_MAX_CHARS */
    EXEMPLAR_LIMIT,    /* too many in one request, or no memory */
};

/** Labels of the series must be normalised, those of the exemplar too; e->has_time must be set.
 * Everything is copied. */
enum exemplar_reject exemplar_batch_add(struct exemplar_batch *b, struct labels series,
                                        const struct exemplar *e);

struct exemplar_commit {
    size_t stored;
    size_t duplicates;   /* the same as the newest of its series: fine, nothing to do */
    size_t out_of_order; /* before the newest of its series: left out */
};

/** Log first. The batch is cleared on success. With exemplars turned off nothing is stored.
 * @return 0; -ERR_NOSPACE, -ERR_IO. Thread-safe. */
NODISCARD int tsdb_exemplars_commit(struct tsdb *db, struct exemplar_batch *b,
                                    struct exemplar_commit *ret, struct err *reterr);

/** One of several sets must match: all matchers of the set. */
struct exemplar_selector {
    struct matcher *const *v;
    size_t n;
};

struct exemplar_query {
    const struct exemplar_selector *sets;
    size_t sets_n;
    int64_t min_ms; /* inclusive */
    int64_t max_ms; /* inclusive */
};

struct exemplar_series {
    struct labels labels;
    struct exemplar *v; /* rising in time */
    size_t n;
};

/** Series with exemplars in the range, by labels; in `a`. @return 0, -ERR_NOMEM (the answer outgrows `a`) */
NODISCARD int tsdb_exemplars(struct tsdb *db, const struct exemplar_query *q, struct arena *a,
                             struct exemplar_series **ret, size_t *ret_n, struct err *reterr);

struct exemplar_status {
    size_t exemplars;
    size_t series;
    size_t max;
};

void tsdb_exemplar_status(struct tsdb *db, struct exemplar_status *ret);

#endif
