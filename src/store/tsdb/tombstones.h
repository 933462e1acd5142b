/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting series. What is there when a deletion is asked for is written to parts first; a tombstone then
 * hides the matching samples of every part up to that flush, at once and over restarts, and the next merge
 * of the day leaves them out. Samples that arrive later, of whatever age, are not touched.
 */
#ifndef STORE_TSDB_TOMBSTONES_H
#define STORE_TSDB_TOMBSTONES_H

#include "store/tsdb/cardinality.h"

/** Hide samples with min_ms <= t <= max_ms of what the selectors match (at least one, each with a
 * matcher). Durable when it returns. Writes the head to parts; waits for a running merge.
 * @return 0; -ERR_INVALID, -ERR_LIMIT (too many not yet cleaned), or as a flush */
NODISCARD int tsdb_delete_series(struct tsdb *db, const struct tsdb_matchers *selectors, size_t n,
                                 int64_t min_ms, int64_t max_ms, struct err *reterr);
/** Rewrite every day with hidden samples and forget the tombstones that hide nothing in roll-ups. @return 0, or as a merge */
NODISCARD int tsdb_clean_tombstones(struct tsdb *db, struct err *reterr);

/* ---- for tsdb.c and the fuzz target ---- */

struct tombstones;

/** Read the file and hide; after parts_load(). @return 0, -ERR_CORRUPT (names the file), -ERR_IO, -ERR_NOMEM */
NODISCARD int tombstones_open(struct tsdb *db, struct err *reterr);
void tombstones_close(struct tsdb *db);
struct part;
/** Hide in a part that is about to be published what was deleted. Under merge_lock. @return 0, -ERR_CORRUPT,
 * -ERR_NOMEM */
NODISCARD int tombstones_mark_part(struct tsdb *db, struct part *p);
/** Bytes of the file to tombstones. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int tombstones_parse(struct str bytes, struct tombstones **ret);
void tombstones_free(struct tombstones *t);

#endif
