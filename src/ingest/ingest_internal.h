/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the doors of this folder: the reasons data is refused or changed for, with their counters.
 * Every refused item is counted under exactly one reason.
 */
#ifndef INGEST_INGEST_INTERNAL_H
#define INGEST_INGEST_INTERNAL_H

#include "ingest/sink.h"

enum ingest_signal { INGEST_METRICS, INGEST_TRACES, INGEST_LOGS, INGEST_SIGNAL_COUNT };

/* X(enum, label value, signals it can happen to: m metrics, t traces, l logs) */
#define REJECT_TABLE(X)                                    \
    X(REJECT_MALFORMED, "malformed_request", "mtl")        \
    X(REJECT_STORE, "store_unavailable", "mtl")            \
    X(REJECT_TRACE_ID, "invalid_trace_id", "t")            \
    X(REJECT_SPAN_ID, "invalid_span_id", "t")              \
    X(REJECT_TIME, "invalid_time", "mtl")                  \
    X(REJECT_TOO_OLD, "too_old", "mtl")                    \
    X(REJECT_TOO_NEW, "too_new", "mtl")                    \
    X(REJECT_NAME, "invalid_name", "m")                    \
    X(REJECT_LABELS, "invalid_labels", "ml")               \
    X(REJECT_POINT, "invalid_point", "m")                  \
    X(REJECT_SERIES_LIMIT, "series_limit", "m")            \
    X(REJECT_SERIES_GONE, "series_gone", "m")              \
    X(REJECT_DELTA_ORDER, "delta_out_of_order", "m")       \
    X(REJECT_DELTA_FULL, "delta_state_full", "m")          \
    X(REJECT_METADATA, "metadata_not_stored", "m")         \
    X(REJECT_NOT_A_NUMBER, "not_a_number", "m")            \
    X(REJECT_EXEMPLAR_ORDER, "exemplar_out_of_order", "m") \
    X(REJECT_EXEMPLAR, "exemplar_too_large", "m")          \
    X(REJECT_NATIVE_HISTOGRAM, "invalid_native_histogram", "m")

enum ingest_reject {

#define REJECT_ENUM(name, label, signals) name,
    REJECT_TABLE(REJECT_ENUM)
#undef REJECT_ENUM
        REJECT_COUNT
};

/* Kept, but not as it came. */
#define ALTER_TABLE(X)                              \
    X(ALTER_UTF8, "invalid_utf8_replaced", "mtl")   \
    X(ALTER_VALUE_CUT, "value_cut", "tl")           \
    X(ALTER_BODY_CUT, "body_cut", "l")              \
    X(ALTER_ATTRS, "attributes_dropped", "tl")      \
    X(ALTER_DEPTH, "nesting_cut", "tl")             \
    X(ALTER_EVENTS, "events_or_links_dropped", "t") \
    X(ALTER_TRACE_ID, "trace_id_dropped", "l")      \
    X(ALTER_TIME, "time_set_to_arrival", "l")

enum ingest_alter {

#define ALTER_ENUM(name, label, signals) name,
    ALTER_TABLE(ALTER_ENUM)
#undef ALTER_ENUM
        ALTER_COUNT
};

/** All take NULL statistics. Thread-safe, relaxed atomics. */
void ingest_count_accepted(struct ingest_stats *s, enum ingest_signal signal, const char *door,
                           uint64_t n);
void ingest_count_rejected(struct ingest_stats *s, enum ingest_signal signal,
                           enum ingest_reject reason, uint64_t n);
void ingest_count_altered(struct ingest_stats *s, enum ingest_signal signal,
                          enum ingest_alter reason, uint64_t n);
/** Newest time a request carried (INT64_MIN: none), for lag and newest timestamp. */
void ingest_note_newest(struct ingest_stats *s, enum ingest_signal signal, int64_t newest_ns,
                        int64_t arrival_ns);

/** Severity number of a name seen in the wild ("warn", "SEVERE"), the lowest of its range; 0: unknown. */
uint8_t ingest_severity(struct str text);

struct err;

/** Check and normalise; *n may shrink. The names and values must be bytes of the request or the arena.
 * @return 0, -ERR_INVALID with what is wrong */
NODISCARD int ingest_check_labels(const struct ingest_limits *lim, struct label *v, size_t *n,
                                  struct err *why);

/** Working memory of one metrics request, kept for the next one. */
struct work {
    struct tsdb_batch *batch;
    struct buf body;    /* decompressed request */
    struct buf scratch; /* bytes that must be gathered before hashing, label texts */
    struct arena arena; /* labels of series seen for the first time */
    struct work *next;
};

struct work_pool;
/** `max_body` bounds work.body. */
struct work_pool *work_pool_new(struct tsdb *db, size_t max_body);
void work_pool_free(struct work_pool *p);
/** An empty work; NULL without memory. Thread-safe. */
struct work *work_acquire(struct work_pool *p);
void work_release(struct work_pool *p, struct work *w);

#endif
