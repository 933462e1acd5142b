/* SPDX-License-Identifier: Apache-2.0
 *
 * The metrics engine: series found by hash, samples into a WAL and a sharded head of compressed chunks,
 * immutable mmap-ed blocks per time range merged in the background. Samples of any age within the
 * retention are accepted in any order; of two samples with the same time the later arrival wins, before
 * and after a crash alike.
 */
#ifndef STORE_TSDB_TSDB_H
#define STORE_TSDB_TSDB_H

#include "base/budget.h"
#include "base/hash.h"
#include "base/stats.h"
#include "model/labels.h"
#include "store/series_source.h"
#include "store/wal/wal.h"

struct tsdb;
struct vfs;

/** Limits on new series; limiter.h tells how far they are used. */
enum tsdb_limit {
    TSDB_LIMIT_SERIES, /* active ones in all */
    TSDB_LIMIT_METRIC, /* of one metric */
    TSDB_LIMIT_SOURCE, /* of one job */
    TSDB_LIMIT_VALUES, /* distinct values of a label of one metric */
    TSDB_LIMIT_COUNT,
};

/** When queries read roll-ups. */
enum tsdb_rollups {
    TSDB_ROLLUPS_AUTO,     /* also for long ranges with long steps, where the answer is the same */
    TSDB_ROLLUPS_FALLBACK, /* only where raw samples are gone */
};

struct tsdb_opts {
    const char *dir; /* made when missing; holds wal/, blocks, metadata */
    enum wal_sync wal_sync;
    int64_t
        retention_ms; /* raw samples older than now - retention go once they are rolled up; 0: keep.
                           * Refused is only what is older than every tier's retention. */
    int64_t future_ms; /* samples later than now + this are refused; default 10 min */
    uint64_t
        limits[TSDB_LIMIT_COUNT]; /* on series in the head; a new one beyond: -ERR_LIMIT naming the
                                        * offender; 0: no limit */
    size_t max_exemplars;         /* kept in all; 0: none */
    uint64_t head_max_bytes;      /* flush the head above this; default 256 MiB */
    int64_t flush_interval_ms;    /* and at least this often; default 2 h */
    enum tsdb_rollups rollups;
    int64_t rollup_retention_ms[3]; /* of 1m, 5m, 1h; 0: as long as the disk budget allows */
    int64_t rollup_quiet_ms; /* a day is rolled up so long after its last flush; default 10 s */
    const struct vfs *vfs;   /* NULL: real */
    struct stats *stats;     /* may be NULL */
    struct budget *budget;   /* memory of head and caches; may be NULL */
};

/** Opens, replays the WAL (progress in the log), starts the background thread (flush, merge, retention).
 * @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_CORRUPT (names the file), -ERR_NOMEM */
NODISCARD int tsdb_open(const struct tsdb_opts *opts, struct tsdb **ret, struct err *reterr);
/** Stops background work, writes the head to a block so that the next start is quick. NULL is fine. */
void tsdb_close(struct tsdb *db);

/** A series in the head. Valid until the database closes; after the series was collected as idle an append
 * answers TSDB_REJECT_GONE and the caller interns the labels again. */
struct series_ref {
    uint64_t v;
};

/**
 * Find a series by the hash of whatever encoded form a door has of it (e.g. the protobuf label bytes),
 * registered earlier with tsdb_intern(). The hit path of ingest: no parse, no allocation. Thread-safe.
 */
bool tsdb_lookup(struct tsdb *db, struct hash128 door_key, struct series_ref *ret);
/** The same for up to TSDB_LOOKUP_MAX keys at once, whose misses of the cache overlap. Series not found get
 * TSDB_NO_SERIES. */
void tsdb_lookup_batch(struct tsdb *db, const struct hash128 *keys, size_t n,
                       struct series_ref *refs_out);

enum { TSDB_LOOKUP_MAX = 128 };

#define TSDB_NO_SERIES UINT64_MAX
/**
 * Find or create a series. Labels must be normalised (labels_normalize()) and valid.
 * @param door_key  remember this key for tsdb_lookup(); NULL: do not
 * @return 0; -ERR_LIMIT (a limit, named in reterr), -ERR_NOMEM. Thread-safe.
 */
NODISCARD int tsdb_intern(struct tsdb *db, struct labels labels, const struct hash128 *door_key,
                          struct series_ref *ret, struct err *reterr);

/** Samples of one request, gathered and then committed as a unit. One thread at a time; reusable. */
struct tsdb_batch;
struct tsdb_batch *tsdb_batch_new(struct tsdb *db);
void tsdb_batch_free(struct tsdb_batch *b);
void tsdb_batch_clear(struct tsdb_batch *b);
/** Cheap: no lock, no allocation but growth. @return 0, -ERR_NOMEM, -ERR_LIMIT (10 M samples) */
NODISCARD int tsdb_batch_add(struct tsdb_batch *b, struct series_ref ref, int64_t t_ms, double v);

enum tsdb_reject { TSDB_REJECT_TOO_OLD, TSDB_REJECT_TOO_NEW, TSDB_REJECT_GONE, TSDB_REJECT_COUNT };

struct tsdb_commit {
    size_t accepted;
    size_t rejected[TSDB_REJECT_COUNT];
    struct series_ref first_rejected; /* with rejected[] != 0: for the error text */
    int64_t first_rejected_t_ms;
    enum tsdb_reject first_reason;
};

/**
 * WAL first, then the head; visible to queries when it returns. Out-of-range samples are left out and
 * counted. The batch is cleared on success and kept on failure, so that it may be retried.
 * @return 0; -ERR_NOSPACE, -ERR_IO (nothing was appended), -ERR_OVERLOAD (head over its budget)
 */
NODISCARD int tsdb_batch_commit(struct tsdb_batch *b, struct tsdb_commit *ret, struct err *reterr);
/** Text of a series for error messages; false when unknown. */
bool tsdb_series_labels(struct tsdb *db, struct series_ref ref, struct arena *a,
                        struct labels *ret);

/** Type ("counter", "gauge", "histogram", "summary", "unknown", "info"), unit, help of a metric family;
 * kept across restarts. Cheap when unchanged. */
NODISCARD int tsdb_set_metadata(struct tsdb *db, struct str metric, struct str type,
                                struct str unit, struct str help, struct err *reterr);

struct tsdb_metadata {
    struct str metric, type, unit, help;
};

/** All, or of one metric when metric.n != 0; sorted by metric; in `a`. */
NODISCARD int tsdb_metadata(struct tsdb *db, struct str metric, struct arena *a,
                            struct tsdb_metadata **ret, size_t *ret_n, struct err *reterr);

/** The reading side. */
struct series_source tsdb_source(struct tsdb *db);

/** One named count for the cardinality tables. */
struct tsdb_count {
    struct str name;
    uint64_t count;
};

struct tsdb_status {
    uint64_t active_series;
    uint64_t head_samples;
    uint64_t stored_samples; /* blocks + head */
    uint64_t head_bytes;     /* memory */
    uint64_t disk_bytes;     /* blocks of all tiers, without WAL */
    uint64_t wal_bytes;
    uint64_t blocks;
    int64_t oldest_ms; /* INT64_MAX when empty */
    int64_t newest_ms; /* INT64_MIN when empty */
    /* Top `limit` of the head, falling; in the arena. The Prometheus tables of /api/v1/status/tsdb. */
    struct tsdb_count *series_by_metric, *values_by_label, *bytes_by_label, *series_by_pair;
    size_t series_by_metric_n, values_by_label_n, bytes_by_label_n, series_by_pair_n;
    uint64_t label_pairs; /* with a limit only */
};

NODISCARD int tsdb_status(struct tsdb *db, size_t limit, struct arena *a, struct tsdb_status *ret,
                          struct err *reterr);

/** Bytes of all parts and of the log: cheap, whatever the head holds. */
void tsdb_disk_usage(struct tsdb *db, uint64_t *ret_parts, uint64_t *ret_wal);

/** What a background job does, for status pages. */
struct tsdb_job {
    const char *name; /* "flush", "merge", "rollup" */
    bool running;
    double progress; /* of the current or last run, 0..1 */
    int64_t last_ms; /* end of the last run, Unix ms; 0: none yet */
    uint64_t runs;
    uint64_t failures; /* of "rollup" */
    uint64_t waiting;  /* of "rollup": days that are due or wait for quiet */
};

/** @return jobs written to dst, at most cap */
size_t tsdb_jobs(struct tsdb *db, struct tsdb_job *dst, size_t cap);

/** Write the head into blocks now and wait. */
NODISCARD int tsdb_flush(struct tsdb *db, struct err *reterr);
/** Everything committed so far as hard links in `dst` (must not exist), which tsdb_open() can open. Nothing waits for
 * it but the flush it begins with. @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_EXISTS, -ERR_NOMEM */
NODISCARD int tsdb_snapshot(struct tsdb *db, const char *dst, struct err *reterr);
/** Merge all blocks of every range to their resting form and wait (for benches and `bongsu check`). */
NODISCARD int tsdb_compact(struct tsdb *db, struct err *reterr);

#endif
