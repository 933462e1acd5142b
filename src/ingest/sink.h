/* SPDX-License-Identifier: Apache-2.0
 *
 * What every door needs to hand data on: the engines, the limits and the counters. One per tenant, made by
 * cmd, shared by all doors; immutable after start.
 */
#ifndef INGEST_SINK_H
#define INGEST_SINK_H

#include "base/budget.h"
#include "base/stats.h"
#include "store/columns/columns.h"
#include "store/tsdb/tsdb.h"

/** Limits of design rule "bad input gets a precise error"; defaults in brackets. */
struct ingest_limits {
    size_t max_decompressed_bytes; /* of a request [64 MiB] */
    size_t max_labels;             /* per series [64] */
    size_t max_label_name_bytes;   /* [1024] */
    size_t max_label_value_bytes;  /* [4096] */
    size_t max_attrs;              /* per span, log, resource, event, link [1024] */
    size_t max_attr_key_bytes;     /* [1024] */
    size_t
        max_attr_value_bytes; /* longer strings are cut on a UTF-8 boundary and counted [1 MiB] */
    size_t max_value_depth;   /* nesting of arrays and maps [16] */
    size_t max_body_bytes;    /* of a log record; longer is cut and counted [1 MiB] */
    size_t max_events;        /* per span [10000] */
    size_t max_links;         /* per span [10000] */
    bool created_zeros;       /* a created timestamp puts a 0 at its time [false] */
};

void ingest_limits_default(struct ingest_limits *l);

struct ha;         /* ha.h */
struct patterns;   /* patterns/patterns.h */
struct process;    /* process/process.h */
struct span_stage; /* process/stage.h */
struct starts;
struct ingest_stats; /* counters by signal and reason */

struct sink {
    struct tsdb *metrics;
    struct columns *spans;
    struct columns *logs;
    struct ingest_limits limits;
    bool
        otlp_nhcb; /* OTLP histograms with explicit buckets become native ones with custom bounds */
    struct budget *budget; /* memory of requests being decoded */
    struct ingest_stats *stats;
    struct starts *starts;         /* starts.h; NULL: start timestamps are not stored */
    struct ha *ha;                 /* NULL: no deduplication of replicas */
    struct patterns *patterns;     /* of log lines; NULL: none are mined */
    struct process *process;       /* process/process.h; NULL: rows are stored as they come */
    struct span_stage *span_stage; /* NULL: spans are stored as they come */
};

/** bongsu_ingest_{samples,spans,log_records}_total{door}, bongsu_ingest_rejected_total{signal,reason},
 * bongsu_ingest_lag_seconds{signal}, bongsu_ingest_newest_timestamp_seconds{signal}. */
struct ingest_stats *ingest_stats_new(struct stats *registry);
void ingest_stats_free(struct ingest_stats *s);

/** What became of one scraped page. */
struct ingest_scrape_count {
    uint64_t stored, too_old, too_new, gone;
    uint64_t lost;     /* the store could not write */
    int64_t newest_ms; /* with stored != 0 */
};

/** Count a page under the door "scrape". NULL statistics are fine. Thread-safe. */
void ingest_count_scrape(struct ingest_stats *s, const struct ingest_scrape_count *c);

#endif
