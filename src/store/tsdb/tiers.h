/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of the tiers samples are kept in: as they came (raw) and rolled up to 1 minute, 5 minutes and
 * 1 hour. Everything here is read from memory (the parts' footers and indexes), never from the data.
 */
#ifndef STORE_TSDB_TIERS_H
#define STORE_TSDB_TIERS_H

#include "store/tsdb/tsdb.h"

enum tsdb_tier_id { TSDB_RAW, TSDB_1M, TSDB_5M, TSDB_1H, TSDB_TIERS };

struct tsdb_tier {
    const char *name;      /* "raw", "1m", "5m", "1h" */
    int64_t resolution_ms; /* 0: every sample */
    int64_t retention_ms;  /* 0: as long as the disk budget allows */
    uint64_t bytes;        /* on disk */
    uint64_t points;       /* samples of raw (also those in memory), buckets of a roll-up */
    uint64_t parts;
    int64_t oldest_ms; /* INT64_MAX when empty */
    int64_t newest_ms; /* INT64_MIN when empty */
};

/** Thread-safe. */
void tsdb_tiers(struct tsdb *db, struct tsdb_tier dst[TSDB_TIERS]);

/** Bytes on disk of one UTC day. */
struct tsdb_day {
    int64_t day; /* since 1970-01-01 */
    uint64_t bytes[TSDB_TIERS];
    uint64_t points[TSDB_TIERS];
};

/** Days with data from `from_day` on, rising; in `a`. @return 0, -ERR_NOMEM */
NODISCARD int tsdb_days(struct tsdb *db, int64_t from_day, struct arena *a, struct tsdb_day **ret,
                        size_t *ret_n);

/** What a value of a label costs. */
struct tsdb_source_bytes {
    struct str name; /* empty: series without the label */
    uint64_t series;
    uint64_t bytes; /* of their samples; indexes are not shared out */
};

struct tsdb_sources {
    int64_t
        day; /* whose raw parts were looked at: the newest complete one, else the newest; with none
                  * parts is 0 */
    uint64_t parts;
    uint64_t bytes;                /* of all series */
    struct tsdb_source_bytes *top; /* by bytes, falling */
    size_t top_n;
    uint64_t distinct; /* values */
};

/** Bytes of one day by the value of a label ("__name__", "job"), from the indexes of its parts.
 * @return 0; -ERR_NOMEM, -ERR_CORRUPT, -ERR_CANCELED, -ERR_TIMEOUT */
NODISCARD int tsdb_sources(struct tsdb *db, struct str label, size_t limit, struct cancel *cancel,
                           struct arena *a, struct tsdb_sources *ret, struct err *reterr);

/** What the disk budget takes next from the metrics. Of days at rest the oldest raw one goes while raw days hold at
 * least half of all bytes, then the oldest of 1m while that holds half of what is coarser and itself, and so on. */
struct tsdb_shrink {
    enum tsdb_tier_id tier;
    bool open_day; /* nothing at rest is left: the oldest day that still grows */
    int64_t day;
    uint64_t bytes;
    const char *reason; /* static */
};

/** Which tier that would be. @return -1: none has bytes */
int tsdb_tier_to_shrink(const uint64_t bytes[TSDB_TIERS]);
/** @return false when there is nothing on disk */
bool tsdb_shrink_next(struct tsdb *db, struct tsdb_shrink *ret);
/** Take it. A raw day is rolled up before; when that fails it stays unless `must`.
 * @return bytes freed, 0: nothing (detail in reterr when it failed) */
uint64_t tsdb_shrink(struct tsdb *db, bool must, struct tsdb_shrink *ret, struct err *reterr);
/** End merges and roll-ups that run, ahead of tsdb_close(). */
void tsdb_cancel_background(struct tsdb *db);
/** Roll up every day that has ended, now; to 1m, too, with `minutes`. @return days rolled up, or an error */
NODISCARD int tsdb_rollup_now(struct tsdb *db, bool minutes, struct err *reterr);

#endif
