/* SPDX-License-Identifier: Apache-2.0
 *
 * The exposition formats of metrics: Prometheus text 0.0.4 and 1.0.0, OpenMetrics 1.0, Prometheus protobuf
 * (io.prometheus.client.MetricFamily, length-delimited). One walk over a whole body that hands on every
 * sample with the raw bytes of its series, so that a consumer who knows those bytes parses no labels.
 * Nothing is allocated per sample on that path.
 * Sources: Prometheus "Exposition formats"; OpenMetrics 1.0; client_model metrics.proto.
 */
#ifndef INGEST_EXPO_H
#define INGEST_EXPO_H

#include "base/arena.h"
#include "base/err.h"
#include "model/exemplar.h"

struct native_histogram; /* model/histogram.h */

enum expo_format { EXPO_TEXT, EXPO_OPENMETRICS, EXPO_PROTOBUF };

/** From a Content-Type: application/openmetrics-text, application/vnd.google.protobuf with
 * proto=io.prometheus.client.MetricFamily (encoding=delimited), text/plain. @return false: another type or
 * none; the caller decides on its fallback (scrape: fallback_scrape_protocol, doors: EXPO_TEXT). */
bool expo_format_of(struct str content_type, enum expo_format *ret);

enum expo_type {
    EXPO_UNKNOWN,
    EXPO_COUNTER,
    EXPO_GAUGE,
    EXPO_HISTOGRAM,
    EXPO_GAUGE_HISTOGRAM,
    EXPO_SUMMARY,
    EXPO_INFO,
    EXPO_STATESET,
};

/** "unknown", "counter", ... as tsdb_set_metadata() and the metadata API spell them. */
const char *expo_type_name(enum expo_type t);

/** What TYPE, HELP and UNIT said of one metric family; whatever was not given is empty (EXPO_UNKNOWN).
 * Strings are valid during the callback only. */
struct expo_family {
    struct str name;
    enum expo_type type;
    bool has_type, has_help, has_unit;
    struct str help; /* unescaped */
    struct str unit;
};

struct expo_sample {
    /** Identity of the series within its format: equal bytes are equal labels. Text: the slice as exposed
     * (`up{job="x"}`, blanks and order as they came). Protobuf: bytes made by the parser. Valid during the
     * callback; a cache hashes or copies it. */
    struct str series;
    double value; /* NaN is NORMAL_NAN_BITS; with `histogram`: its sum */
    int64_t t_ms; /* Unix ms; meaningless unless has_time */
    bool has_time;
    bool has_created;
    int64_t created_ms; /* when the counter, histogram or summary began (OpenMetrics `_created`) */
    const struct expo_family *family; /* what is known of it; never NULL */
    const struct exemplar *exemplars; /* labels sorted; valid during the callback */
    size_t exemplars_n;
    const struct native_histogram *histogram; /* NULL: a float sample */
};

struct expo; /* the parser, valid during a callback */

struct expo_handler {
    void *arg;
    /** Metadata of a family, once, before its first sample; may be NULL. @return 0, -ERR_x (ends the walk) */
    int (*family)(void *arg, const struct expo_family *f, struct err *reterr);
    /** @return 0, -ERR_x (ends the walk) */
    int (*sample)(void *arg, struct expo *p, const struct expo_sample *s, struct err *reterr);
};

/**
 * Labels of the sample being handed on, "__name__" among them, sorted, empty values dropped. Valid until
 * the callback returns.
 * @return 0; -ERR_INVALID with line and column ("a label name occurs twice", syntax, bytes that are not
 *         UTF-8); -ERR_NOMEM. A consumer hands an error on, or leaves the sample out.
 */
NODISCARD int expo_labels(struct expo *p, struct labels *ret, struct err *reterr);

struct expo_opts {
    enum expo_format format;
    /** OpenMetrics: `x_created` lines of counters, histograms and summaries become samples of their own, as
     * Prometheus does without created-timestamp ingestion; without it they only give created_ms. */
    bool created_as_samples;
    /** Find created_ms of OpenMetrics samples (looks ahead in the body). Protobuf gives it always. */
    bool want_created;
    /** Protobuf: native buckets are passed over; only classic ones and the sums are read. */
    bool ignore_native;
    /** Classic histograms that have no native buckets (or whose are passed over) become native ones with custom bounds:
     * one sample with `histogram` instead of theirs. */
    bool nhcb;
    /** A histogram handed on as a native one gives its classic series too, if it has classic buckets. */
    bool always_classic;
    /** For labels, exemplars and unescaped texts: reset between samples. Budget 1 MiB is plenty. Borrowed. */
    struct arena *arena;
};

/**
 * Walk over a body.
 * @return 0; what a callback returned; -ERR_INVALID ("line 3:17: expected value after metric, got ...",
 *         for protobuf "family 3 (name): ..."), -ERR_TRUNCATED (protobuf), -ERR_NOMEM. Samples handed on before
 *         an error stay handed on.
 */
NODISCARD int expo_parse(const struct expo_opts *o, const struct expo_handler *h, struct str body,
                         struct err *reterr);

#endif
