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
struct pool;
struct vfs;

enum columns_kind { COLUMNS_SPANS, COLUMNS_LOGS };

struct columns_opts {
    enum columns_kind kind;
    const char *dir; /* made when missing */
    const char
        *name; /* of the signal, in statistics; a constant. NULL: "traces" or "logs" by kind */
    enum wal_sync wal_sync;
    int64_t retention_ms; /* rows older than now - retention are refused, parts dropped; 0: keep */
    int64_t future_ms;    /* rows later than now + this are refused; default 1 h */
    uint64_t memory_max_bytes; /* in-memory part is flushed above this; default 64 MiB */
    int64_t flush_interval_ms; /* and at least this often; default 5 min */
    const struct vfs *vfs;
    struct stats *stats;
    struct budget *budget;
    struct pool *pool; /* queries use its threads; NULL: only the caller's. Borrowed */
    uint64_t
        parallel_rows; /* those that count, when they have to look at as many rows; default 32768 */
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

/** What of a row a callback looks at. Always there: times, duration, kind, status, severity, flags and
 * counts of what was dropped. What was not asked for is empty or there all the same; resource and scope are
 * never NULL. */
enum columns_need {
    COLUMNS_NEED_IDS = 1 << 0,   /* trace, span and parent id, trace state */
    COLUMNS_NEED_TEXT = 1 << 1,  /* span name, status message; severity text, event name */
    COLUMNS_NEED_BODY = 1 << 2,  /* of a log record */
    COLUMNS_NEED_ATTRS = 1 << 3, /* the row's own */
    COLUMNS_NEED_RESOURCE = 1 << 4,
    COLUMNS_NEED_SCOPE = 1 << 5,
    COLUMNS_NEED_EVENTS = 1 << 6,  /* of a span, and its links */
    COLUMNS_NEED_TIMES = 1 << 7,   /* only what is always there */
    COLUMNS_NEED_PATTERN = 1 << 8, /* pattern id of a log record */
};

struct columns_query {
    int64_t min_ns;              /* inclusive; of span start / log time */
    int64_t max_ns;              /* exclusive */
    const struct filter *filter; /* NULL: all rows */
    struct cancel *cancel;
    struct budget *budget;
    unsigned need;           /* set of enum columns_need; 0: whole rows */
    const struct str *attrs; /* with NEED_ATTRS: others may be left out; NULL: all */
    size_t attrs_n;
    bool oldest_first; /* scans only */
    bool to_end;       /* scans only: all rows will be taken, reading ahead pays */
};

struct scan_stats {
    uint64_t rows_scanned;
    uint64_t blocks_read;
    uint64_t blocks_pruned;
    uint64_t bytes_read; /* of columns as they are stored, and of batches in memory */
};

/** Called per row in the order of the scan: newest first is (time falling, id falling), oldest first its exact
 * reverse. `row` and what it points to live until the call returns. `id` is unique and stable across
 * flushes, merges and restarts. @return 0 to go on, 1 to stop, negative error */
typedef int (*columns_span_fn)(void *arg, const struct span *row, uint64_t id);
typedef int (*columns_log_fn)(void *arg, const struct log_record *row, uint64_t id);

/** Rows in order. `before_ns`/`before_id`: only rows that come after that row in this order (a page cursor);
 * from the start with before_ns INT64_MAX, or INT64_MIN when oldest first. Early exit when `fn` stops.
 * `ret_stats` may be NULL. @return 0; -ERR_CANCELED, -ERR_TIMEOUT, -ERR_NOMEM, -ERR_CORRUPT */
NODISCARD int columns_scan_spans(struct columns *c, const struct columns_query *q,
                                 int64_t before_ns, uint64_t before_id, columns_span_fn fn,
                                 void *arg, struct scan_stats *ret_stats, struct err *reterr);
NODISCARD int columns_scan_logs(struct columns *c, const struct columns_query *q, int64_t before_ns,
                                uint64_t before_id, columns_log_fn fn, void *arg,
                                struct scan_stats *ret_stats, struct err *reterr);

/** A span given out of order. */
struct columns_row {
    const struct span *span; /* without ids unless they were asked for */
    uint64_t id;
    void *block; /* for columns_row_ids() */
    uint32_t at;
};

/** What `row` points to lives until the call returns. @return as columns_span_fn */
typedef int (*columns_row_fn)(void *arg, const struct columns_row *row);
/** Every span that passes, in no order: cheaper than a scan where all of them are looked at. q->oldest_first says
 * nothing. @return as scans */
NODISCARD int columns_each_span(struct columns *c, const struct columns_query *q, columns_row_fn fn,
                                void *arg, struct scan_stats *ret_stats, struct err *reterr);
/** Trace and span id of the row at hand, for the few rows of many that want them. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int columns_row_ids(const struct columns_row *row, struct trace_id *ret_trace,
                              struct span_id *ret_span);

/** All spans of one trace, by start time rising; through the trace-id index, no scan. Copies of one span that
 * a client sent twice (same id, parent, name, kind, start and end) are given once; different spans that share
 * an id are all given. */
NODISCARD int columns_trace(struct columns *c, struct trace_id id, struct cancel *cancel,
                            columns_span_fn fn, void *arg, struct err *reterr);

/** One trace of a batch: its spans by start time rising, copies given once as by columns_trace(). */
struct columns_trace_spans {
    size_t index; /* of its id in the list asked for */
    const struct span *spans;
    const uint64_t *row_ids;
    size_t n; /* at least 1 */
};

/** What `t` points to lives until the call returns. @return 0 to go on, 1 to stop, negative error */
typedef int (*columns_trace_fn)(void *arg, const struct columns_trace_spans *t);

/** The spans of many traces at once, each block read once: those that start in [q->min_ns, q->max_ns), which
 * also limits the parts that are asked. `fn` is called per trace that was found, in the order of `ids` (equal
 * ids: once). q->filter is not used, q->need is. All spans of the batch are in memory at once: ask for a few
 * hundred traces at a time. @return as scans; -ERR_NOMEM when the batch does not fit in the budget */
NODISCARD int columns_traces(struct columns *c, const struct columns_query *q,
                             const struct trace_id *ids, size_t n, columns_trace_fn fn, void *arg,
                             struct scan_stats *ret_stats, struct err *reterr);

/** @param time_ns  start of the first row found, in the order of the scan. @return as columns_span_fn */
typedef int (*columns_trace_id_fn)(void *arg, const struct trace_id *id, int64_t time_ns);
/** Distinct ids of traces with a row that passes, by their newest such row (oldest first: their oldest).
 * Works on logs too. Rows without a trace id are skipped. Memory grows by 24 bytes per id. */
NODISCARD int columns_trace_ids(struct columns *c, const struct columns_query *q,
                                columns_trace_id_fn fn, void *arg, struct scan_stats *ret_stats,
                                struct err *reterr);

/** A distinct resource and what of it passed. */
struct columns_stream {
    const struct resource *resource;
    uint64_t rows;
    uint64_t bytes; /* of the rows before encoding, about */
};

struct columns_streams {
    struct columns_stream *v;
    size_t n;
    struct scan_stats stats;
};

/** Falling by rows. Blocks of one stream within the range are counted without being read. In `a`. */
NODISCARD int columns_streams(struct columns *c, const struct columns_query *q, struct arena *a,
                              struct columns_streams *ret, struct err *reterr);

/** An attribute's name in one scope (FIELD_ATTR, FIELD_RESOURCE, FIELD_SCOPE). */
struct columns_name {
    enum field_scope scope;
    struct str name;
    uint64_t rows;
    unsigned types; /* set of 1 << enum value_type; 0: not known without reading it */
};

struct columns_names {
    struct columns_name *v;
    size_t n;
    struct scan_stats stats;
};

/** Names of attributes on rows that pass, falling by rows. Without a filter a block's directory is enough. */
NODISCARD int columns_names(struct columns *c, const struct columns_query *q, struct arena *a,
                            struct columns_names *ret, struct err *reterr);

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
    size_t top;             /* only the groups with the highest totals, falling, of equal ones those
                               first seen; 0: all */
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
/** Delete the rows stored now that pass (q->filter NULL: all of the time range): no query finds them any more
 * when this returns, and never again after a crash. Their bytes go when the background thread has rewritten the
 * parts (job "merge"). Rows that are appended meanwhile or later are not looked at. One deletion at a time;
 * waits for a flush or merge at work. @return 0; what a flush can return; -ERR_CANCELED, -ERR_TIMEOUT and then
 * nothing was deleted */
NODISCARD int columns_delete(struct columns *c, const struct columns_query *q, uint64_t *ret_rows,
                             struct err *reterr);
/** For the size budget: the part of the oldest day whose newest row is oldest; that row's time and the part's
 * bytes (INT64_MAX when none), and drop it. */
int64_t columns_oldest_part_ns(struct columns *c, uint64_t *ret_bytes);
NODISCARD int columns_drop_oldest_part(struct columns *c, struct err *reterr);

/** Background work, for the jobs page. */
enum { COLUMNS_JOBS = 4 };

struct columns_job {
    const char *name; /* "flush", "merge", "retention", "delete" */
    bool running;
    double progress;          /* 0..1 of the run at hand or of the last one */
    int64_t last_duration_ms; /* 0 before the first run */
    uint64_t runs;
    uint64_t failures;
};

/** @return how many were written (COLUMNS_JOBS) */
size_t columns_jobs(struct columns *c, struct columns_job dst[COLUMNS_JOBS]);

#endif
