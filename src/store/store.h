/* SPDX-License-Identifier: Apache-2.0
 *
 * A tenant's store: one directory with the three engines and the metadata, opened, budgeted and closed
 * together. It owns what they share: the lock on the directory, the memory budgets and the disk budget that
 * lets old data go, step by step, before the disk or the setting is full.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/budget.h"
#include "base/stats.h"
#include "store/columns/columns.h"
#include "store/meta/meta.h"
#include "store/tsdb/tsdb.h"

struct store;
struct log_templates;
struct err;

#define STORE_TEMPLATES_FILE "log-templates"
/* Of ingest/process, which makes them; here because snapshots and checks are of the whole directory. */
#define STORE_SAMPLING_DIR  "sampling" /* a log of store/wal: spans that wait for a decision */
#define STORE_REDACTION_KEY "redaction.key"

enum { STORE_REDACTION_KEY_SIZE = 32 };

enum store_signal { STORE_METRICS, STORE_TRACES, STORE_LOGS, STORE_TRANSACTIONS, STORE_SIGNALS };

/** What one signal may keep. */
struct store_signal_limits {
    int64_t retention_ms; /* of raw metrics; 0: no limit by age. In options 0: as the whole store */
    uint64_t max_bytes;   /* on disk, without WAL; 0: none of its own */
    unsigned share;       /* percent of the disk budget. In options 0: 50, 30, 20, 10 */
};

struct store_opts {
    const char *dir; /* made when missing, mode 0700 */
    enum wal_sync wal_sync;
    int64_t retention_ms; /* of raw metrics, traces, logs, transactions; 0: no limit by age */
    struct store_signal_limits signals[STORE_SIGNALS];
    enum tsdb_rollups rollups;
    int64_t rollup_retention_ms[3]; /* of metrics at 1m, 5m, 1h; 0: no limit by age */
    int64_t rollup_quiet_ms;        /* as tsdb_opts */
    uint64_t max_disk_bytes;        /* of all signals, WALs included; 0: no limit by size */
    uint64_t
        min_free_bytes; /* of the file system: below it the oldest data goes; default 512 MiB */
    int64_t max_memory_bytes; /* of heads, in-memory parts and caches together; default 512 MiB */
    uint64_t limits[TSDB_LIMIT_COUNT]; /* on metric series */
    size_t max_exemplars;              /* kept in all; 0: none */
    struct stats *stats;
    struct pool *pool; /* for queries of spans and logs; may be NULL; borrowed */
};

/** @return 0; -ERR_EXISTS when another process has the directory open; else an engine's error */
NODISCARD int store_open(const struct store_opts *opts, struct store **ret, struct err *reterr);
/** Flush all and close. NULL is fine. */
void store_close(struct store *s);

/* Borrowed; valid until store_close(). */
struct tsdb *store_metrics(struct store *s);
struct columns *store_spans(struct store *s);
struct columns *store_logs(struct store *s);
struct columns *store_transactions(struct store *s); /* entry spans, slim: src/apm/transactions.h */
struct columns *store_tmap(struct store *s); /* cells of T-Maps, as log records: src/apm/tmap.h */
struct meta *store_meta(struct store *s);
struct log_templates *store_log_templates(struct store *s); /* of log lines */
const char *store_dir(const struct store *s);
/** Memory of everything stored, for the status page. */
const struct budget *store_memory(const struct store *s);

/** One snapshot at a time: held while one is made. For snapshots.c. */
void store_snapshot_begin(struct store *s);
void store_snapshot_end(struct store *s);

struct store_usage {
    uint64_t metrics_bytes; /* on disk, without WALs */
    uint64_t spans_bytes;
    uint64_t logs_bytes;
    uint64_t transactions_bytes; /* and the cells of their T-Maps */
    uint64_t meta_bytes;
    uint64_t wal_bytes;
    uint64_t total_bytes;
    uint64_t free_bytes;
    uint64_t budget_bytes; /* 0: none */
    int64_t retention_ms;
    struct store_signal_limits signals[STORE_SIGNALS];
};

/** As of the last maintenance round (every few seconds): no disk access. */
void store_usage(struct store *s, struct store_usage *ret);
uint64_t store_min_free(const struct store *s);
struct storage_victim;
/** What would go first if the budget were reached now (storage.h). */
void store_next_victim(struct store *s, struct storage_victim *ret);
/** The signal that gives when there is too much: enum store_signal; -1: none has bytes. */
int store_signal_to_give(const uint64_t bytes[STORE_SIGNALS],
                         const struct store_signal_limits limits[STORE_SIGNALS]);
/** New limits without a restart (config reload). */
void store_set_limits(struct store *s, uint64_t max_disk_bytes);

#endif
