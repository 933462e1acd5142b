/* SPDX-License-Identifier: Apache-2.0
 *
 * Default limits and the ingest counters, registered once for every signal, door and reason.
 */
#include "ingest/sink.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "ingest/ingest_internal.h"

void ingest_limits_default(struct ingest_limits *l)
{
    *l = (struct ingest_limits){
        .max_decompressed_bytes = 64u << 20,
        .max_labels = 64,
        .max_label_name_bytes = 1024,
        .max_label_value_bytes = 4096,
        .max_attrs = 1024,
        .max_attr_key_bytes = 1024,
        .max_attr_value_bytes = 1u << 20,
        .max_value_depth = 16,
        .max_body_bytes = 1u << 20,
        .max_events = 10000,
        .max_links = 10000,
    };
}

#define DOOR_TABLE(X)            \
    X("otlp_grpc")               \
    X("otlp_http")               \
    X("prometheus_remote_write") \
    X("prometheus_import")       \
    X("influx")                  \
    X("csv_import")              \
    X("json_import")             \
    X("scrape")                  \
    X("zipkin")                  \
    X("loki")                    \
    X("syslog_udp")              \
    X("syslog_tcp") X("syslog_tls") X("fluent") X("elasticsearch") X("json_lines") X("other")

#define DOOR_NAME(name)  name,
#define DOOR_LABEL(name) "door=\"" name "\"",
static const char *const DOORS[] = {DOOR_TABLE(DOOR_NAME)};

/* What the lag and newest gauges of one signal read. */
struct newest {
    _Atomic int64_t newest_ns; /* relaxed: a gauge */
    _Atomic int64_t lag_ns;    /* relaxed: a gauge */
};

struct ingest_stats {
    struct counter *accepted[INGEST_SIGNAL_COUNT][ARRAY_LEN(DOORS)];
    struct counter *rejected[INGEST_SIGNAL_COUNT][REJECT_COUNT]; /* NULL: cannot happen */
    struct counter *altered[INGEST_SIGNAL_COUNT][ALTER_COUNT];   /* NULL: cannot happen */
    struct newest newest[INGEST_SIGNAL_COUNT];
};

struct reason_row {
    const char *signals;
    const char *labels[INGEST_SIGNAL_COUNT]; /* label text by signal */
};

#define REASON_ROW(name, label, signals)                  \
    [name] = {signals,                                    \
              {"signal=\"metrics\",reason=\"" label "\"", \
               "signal=\"traces\",reason=\"" label "\"", "signal=\"logs\",reason=\"" label "\""}},

static const struct reason_row REJECTS[] = {REJECT_TABLE(REASON_ROW)};
static const struct reason_row ALTERS[] = {ALTER_TABLE(REASON_ROW)};
static const char SIGNAL_LETTERS[INGEST_SIGNAL_COUNT] = {'m', 't', 'l'};
static const char *const SIGNAL_LABELS[INGEST_SIGNAL_COUNT] = {
    "signal=\"metrics\"", "signal=\"traces\"", "signal=\"logs\""};
static const char *const DOOR_LABELS[ARRAY_LEN(DOORS)] = {DOOR_TABLE(DOOR_LABEL)};

static void register_reasons(struct stats *registry, const struct reason_row *rows, size_t n,
                             size_t signal, const char *name, const char *help,
                             struct counter **ret)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr(rows[i].signals, SIGNAL_LETTERS[signal]) != NULL) {
            ret[i] = stats_counter(registry, name, rows[i].labels[signal], help);
        }
    }
}

static double newest_seconds(void *arg)
{
    struct newest *n = arg;

    return (double)atomic_load_explicit(&n->newest_ns, memory_order_relaxed) / 1e9;
}

static double lag_seconds(void *arg)
{
    struct newest *n = arg;

    return (double)atomic_load_explicit(&n->lag_ns, memory_order_relaxed) / 1e9;
}

struct ingest_stats *ingest_stats_new(struct stats *registry)
{
    static const char *const NAMES[INGEST_SIGNAL_COUNT] = {"bongsu_ingest_samples_total",
                                                           "bongsu_ingest_spans_total",
                                                           "bongsu_ingest_log_records_total"};
    static const char *const HELPS[INGEST_SIGNAL_COUNT] = {"Samples stored.", "Spans stored.",
                                                           "Log records stored."};
    struct ingest_stats *s = mem_xcalloc(1, sizeof(*s));

    for (size_t i = 0; i < INGEST_SIGNAL_COUNT; i++) {
        for (size_t d = 0; d < ARRAY_LEN(DOORS); d++) {
            s->accepted[i][d] = stats_counter(registry, NAMES[i], DOOR_LABELS[d], HELPS[i]);
        }
        register_reasons(registry, REJECTS, ARRAY_LEN(REJECTS), i, "bongsu_ingest_rejected_total",
                         "Items refused, by reason.", s->rejected[i]);
        register_reasons(registry, ALTERS, ARRAY_LEN(ALTERS), i, "bongsu_ingest_altered_total",
                         "Values stored in another form than they came, by reason.", s->altered[i]);
        stats_gauge_fn(registry, "bongsu_ingest_newest_timestamp_seconds", SIGNAL_LABELS[i],
                       "Newest time carried by accepted data.", newest_seconds, &s->newest[i]);
        stats_gauge_fn(registry, "bongsu_ingest_lag_seconds", SIGNAL_LABELS[i],
                       "Arrival minus newest carried time of the last request.", lag_seconds,
                       &s->newest[i]);
    }
    return s;
}

void ingest_stats_free(struct ingest_stats *s)
{
    mem_free(s); /* the registry, which may outlive it, must not be read any more */
}

static size_t door_index(const char *door)
{
    for (size_t i = 0; i + 1 < ARRAY_LEN(DOORS); i++) {
        if (door != NULL && strcmp(door, DOORS[i]) == 0) {
            return i;
        }
    }
    return ARRAY_LEN(DOORS) - 1;
}

void ingest_count_accepted(struct ingest_stats *s, enum ingest_signal signal, const char *door,
                           uint64_t n)
{
    if (s != NULL && n != 0) {
        counter_add(s->accepted[signal][door_index(door)], n);
    }
}

void ingest_count_rejected(struct ingest_stats *s, enum ingest_signal signal,
                           enum ingest_reject reason, uint64_t n)
{
    if (s != NULL && n != 0 && s->rejected[signal][reason] != NULL) {
        counter_add(s->rejected[signal][reason], n);
    }
}

void ingest_count_altered(struct ingest_stats *s, enum ingest_signal signal,
                          enum ingest_alter reason, uint64_t n)
{
    if (s != NULL && n != 0 && s->altered[signal][reason] != NULL) {
        counter_add(s->altered[signal][reason], n);
    }
}

void ingest_note_newest(struct ingest_stats *s, enum ingest_signal signal, int64_t newest_ns,
                        int64_t arrival_ns)
{
    struct newest *n;
    int64_t old;

    if (s == NULL || newest_ns == INT64_MIN) {
        return;
    }
    n = &s->newest[signal];
    atomic_store_explicit(&n->lag_ns, arrival_ns - newest_ns, memory_order_relaxed);
    old = atomic_load_explicit(&n->newest_ns, memory_order_relaxed);
    while (newest_ns > old &&
           !atomic_compare_exchange_weak_explicit(&n->newest_ns, &old, newest_ns,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

void ingest_count_scrape(struct ingest_stats *s, const struct ingest_scrape_count *c)
{
    ingest_count_accepted(s, INGEST_METRICS, "scrape", c->stored);
    ingest_count_rejected(s, INGEST_METRICS, REJECT_TOO_OLD, c->too_old);
    ingest_count_rejected(s, INGEST_METRICS, REJECT_TOO_NEW, c->too_new);
    ingest_count_rejected(s, INGEST_METRICS, REJECT_SERIES_GONE, c->gone);
    ingest_count_rejected(s, INGEST_METRICS, REJECT_STORE, c->lost);
    if (c->stored != 0) {
        ingest_note_newest(s, INGEST_METRICS, c->newest_ms * 1000000, clock_wall_ns());
    }
}
