/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine of spans and logs: WAL, an in-memory part, immutable parts per day sorted by (stream, time)
 * with blocks of a few thousand rows, each column encoded by itself; min/max, dictionaries and token
 * blooms prune blocks; spans have a trace-id index. A stream is one resource (service instance). Rows that
 * came late or out of order are welcome. Every row keeps its arrival time.
 */
#ifndef STORE_COLUMNS_COLUMNS_H
#define STORE_COLUMNS_COLUMNS_H

#include "base/budget.h"
#include "base/cancel.h"
#include "base/stats.h"
#include "store/columns/filter.h"
#include "store/wal/wal.h"

struct columns;
struct vfs;

enum columns_kind { COLUMNS_SPANS, COLUMNS_LOGS };

struct columns_opts {
    enum columns_kind kind;
    const char *dir; /* made when missing */
    enum wal_sync wal_sync;
    int64_t retention_ms; /* rows older than now - retention are refused, parts dropped; 0: keep */
    int64_t future_ms;    /* rows later than now + this are refused; default 1 h */
    uint64_t memory_max_bytes; /* in-memory part is flushed above this; default 64 MiB */
    int64_t flush_interval_ms; /* and at least this often; default 5 min */
    const struct vfs *vfs;
    struct stats *stats;
    struct budget *budget;
};

NODISCARD int columns_open(const struct columns_opts *opts, struct columns **ret,
                           struct err *reterr);
void columns_close(struct columns *c);

enum columns_reject {
    COLUMNS_REJECT_TOO_OLD,
    COLUMNS_REJECT_TOO_NEW,
    COLUMNS_REJECT_COUNT,
};

struct columns_commit {
    size_t accepted;
    size_t rejected[COLUMNS_REJECT_COUNT];
};

/** WAL first, then memory; visible when it returns. arrival_ns of every row must be set. Thread-safe.
 * @return 0; -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM, -ERR_OVERLOAD: nothing was appended */
NODISCARD int columns_append_spans(struct columns *c, const struct span *spans, size_t n,
                                   struct columns_commit *ret, struct err *reterr);
NODISCARD int columns_append_logs(struct columns *c, const struct log_record *logs, size_t n,
                                  struct columns_commit *ret, struct err *reterr);

struct columns_query {
    int64_t min_ns;              /* inclusive; of span start / log time */
    int64_t max_ns;              /* exclusive */
    const struct filter *filter; /* NULL: all rows */
    struct cancel *cancel;
    struct budget *budget;
};

struct scan_stats {
    uint64_t rows_scanned;
    uint64_t blocks_read;
    uint64_t blocks_pruned;
};

/** Called per row, newest first (time falling, ties in a stable order). `row` and what it points to live
 * until the call returns. `id` is unique and stable across flushes, merges and restarts.
 * @return 0 to go on, 1 to stop, negative error */
typedef int (*columns_span_fn)(void *arg, const struct span *row, uint64_t id);
typedef int (*columns_log_fn)(void *arg, const struct log_record *row, uint64_t id);

/** Rows newest first. `before_ns`/`before_id`: only rows that sort after that row in this order (a page
 * cursor); before_ns INT64_MAX: from the start. Early exit when `fn` stops. `ret_stats` may be NULL.
 * @return 0; -ERR_CANCELED, -ERR_TIMEOUT, -ERR_NOMEM, -ERR_CORRUPT */
NODISCARD int columns_scan_spans(struct columns *c, const struct columns_query *q,
                                 int64_t before_ns, uint64_t before_id, columns_span_fn fn,
                                 void *arg, struct scan_stats *ret_stats, struct err *reterr);
NODISCARD int columns_scan_logs(struct columns *c, const struct columns_query *q, int64_t before_ns,
                                uint64_t before_id, columns_log_fn fn, void *arg,
                                struct scan_stats *ret_stats, struct err *reterr);
/** All spans of one trace, by start time rising; through the trace-id index, no scan. */
NODISCARD int columns_trace(struct columns *c, struct trace_id id, struct cancel *cancel,
                            columns_span_fn fn, void *arg, struct err *reterr);

struct columns_group {
    struct str value;
    uint64_t *counts; /* per bucket */
    uint64_t total;
};

struct columns_groups {
    struct columns_group *v;
    size_t n;
    struct scan_stats stats;
};

/* Bucket i covers [min_ns + i * step_ns, + step_ns) of the query. */
struct columns_buckets {
    int64_t step_ns;        /* above 0 */
    size_t n;               /* 1 to 100000 */
    const struct field *by; /* NULL: one group "" */
};

/** Count over time, split by a field's text value. Groups in order of first appearance, in `a`. */

NODISCARD int columns_histogram(struct columns *c, const struct columns_query *q,
                                const struct columns_buckets *over, struct arena *a,
                                struct columns_groups *ret, struct err *reterr);
/** Distinct text values of a field with their row counts, falling by count, at most `limit`. */
NODISCARD int columns_values(struct columns *c, const struct columns_query *q, struct field by,
                             size_t limit, struct arena *a, struct columns_groups *ret,
                             struct err *reterr);

/** Be told of rows as they are appended (live tail). Called on the appending thread after the append, with
 * no lock held; must be quick and copy what it keeps. @return a handle for columns_unsubscribe(). */
struct columns_subscription;
struct columns_subscription *columns_subscribe_logs(
    struct columns *c, void (*fn)(void *arg, const struct log_record *rows, size_t n), void *arg);
/** After it returns `fn` is not running and will not be called again. */
void columns_unsubscribe(struct columns_subscription *s);

struct columns_status {
    uint64_t rows;        /* stored, all parts */
    uint64_t memory_rows; /* not yet in a part on disk */
    uint64_t memory_bytes;
    uint64_t disk_bytes; /* parts, without WAL */
    uint64_t wal_bytes;
    uint64_t parts;
    int64_t oldest_ns; /* INT64_MAX when empty */
    int64_t newest_ns; /* INT64_MIN when empty */
};

void columns_status(struct columns *c, struct columns_status *ret);

/** Parts on disk of one UTC day. */
struct columns_day {
    uint32_t day; /* YYYYMMDD */
    uint64_t bytes;
    uint64_t rows;
};

/** Days with parts, the newest `cap` of them, rising. @return how many were written */
size_t columns_days(struct columns *c, struct columns_day *dst, size_t cap);
NODISCARD int columns_flush(struct columns *c, struct err *reterr);
/** Everything appended so far as hard links in `dst` (must not exist), which columns_open() can open.
 * @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_EXISTS */
NODISCARD int columns_snapshot(struct columns *c, const char *dst, struct err *reterr);
NODISCARD int columns_compact(struct columns *c, struct err *reterr);
/** For the size budget: the part of the oldest day whose newest row is oldest; that row's time and the part's
 * bytes (INT64_MAX when none), and drop it. */
int64_t columns_oldest_part_ns(struct columns *c, uint64_t *ret_bytes);
NODISCARD int columns_drop_oldest_part(struct columns *c, struct err *reterr);

/** Background work, for the jobs page. */
enum { COLUMNS_JOBS = 3 };

struct columns_job {
    const char *name; /* "flush", "merge", "retention" */
    bool running;
    double progress;          /* 0..1 of the run at hand or of the last one */
    int64_t last_duration_ms; /* 0 before the first run */
    uint64_t runs;
    uint64_t failures;
};

/** @return how many were written (COLUMNS_JOBS) */
size_t columns_jobs(struct columns *c, struct columns_job dst[COLUMNS_JOBS]);

#endif
