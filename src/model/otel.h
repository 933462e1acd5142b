/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans, log records and what they hang on, as plain data after OpenTelemetry's protocol (OTLP 1.x,
 * opentelemetry-proto trace/logs/common/resource v1). Everything is borrowed: one arena (or the request's
 * own bytes) holds all strings and arrays of a batch.
 */
#ifndef MODEL_OTEL_H
#define MODEL_OTEL_H

#include "base/str.h"

enum value_type {
    VALUE_NONE, /* AnyValue with nothing set */
    VALUE_STR,
    VALUE_BOOL,
    VALUE_I64,
    VALUE_F64,
    VALUE_BYTES,
    VALUE_ARRAY,
    VALUE_MAP,
};

struct attr;

struct value {
    enum value_type type;

    union {
        struct str s; /* STR (UTF-8), BYTES */
        bool b;
        int64_t i;
        double f;

        struct {
            const struct value *v;
            size_t n;
        } array;

        struct {
            const struct attr *v;
            size_t n;
        } map;
    } u;
};

struct attr {
    struct str key;
    struct value value;
};

/** In the order they came; keys unique (the last of equal keys wins at decode). */
struct attrs {
    const struct attr *v;
    size_t n;
};

struct resource {
    struct attrs attrs;
    struct str schema_url;
    uint32_t dropped_attrs;
};

struct scope {
    struct str name;
    struct str version;
    struct attrs attrs;
    struct str schema_url;
    uint32_t dropped_attrs;
};

enum { TRACE_ID_SIZE = 16, SPAN_ID_SIZE = 8 };

struct trace_id {
    uint8_t b[TRACE_ID_SIZE]; /* all zero: absent */
};

struct span_id {
    uint8_t b[SPAN_ID_SIZE]; /* all zero: absent */
};

/** Numbers of OTLP's SpanKind. */
enum span_kind {
    SPAN_UNSPECIFIED,
    SPAN_INTERNAL,
    SPAN_SERVER,
    SPAN_CLIENT,
    SPAN_PRODUCER,
    SPAN_CONSUMER,
    SPAN_KIND_COUNT,
};

/** Numbers of OTLP's StatusCode. */
enum span_status { SPAN_STATUS_UNSET, SPAN_STATUS_OK, SPAN_STATUS_ERROR, SPAN_STATUS_COUNT };

struct span_event {
    int64_t time_ns;
    struct str name;
    struct attrs attrs;
    uint32_t dropped_attrs;
};

struct span_link {
    struct trace_id trace_id;
    struct span_id span_id;
    struct str trace_state;
    struct attrs attrs;
    uint32_t dropped_attrs;
    uint32_t flags;
};

struct span {
    struct trace_id trace_id;
    struct span_id span_id;
    struct span_id parent_id;
    struct str trace_state;
    struct str name;
    int64_t start_ns; /* Unix ns */
    int64_t end_ns;   /* Unix ns; may be before start when clocks are wrong */
    int64_t arrival_ns;
    struct str status_message;
    struct attrs attrs;
    const struct span_event *events;
    size_t events_n;
    const struct span_link *links;
    size_t links_n;
    const struct resource *resource; /* never NULL */
    const struct scope *scope;       /* never NULL */
    uint32_t flags; /* W3C trace flags in bits 0-7, OTLP has_is_remote bits above */
    uint32_t dropped_attrs;
    uint32_t dropped_events;
    uint32_t dropped_links;
    uint8_t kind;   /* enum span_kind */
    uint8_t status; /* enum span_status */
};

enum { PATTERN_ID_SIZE = 8 };

struct log_record {
    int64_t time_ns;     /* 0 in OTLP means unknown: then the decoder puts observed_ns here */
    int64_t observed_ns; /* 0: not given */
    int64_t arrival_ns;
    struct str severity_text;
    struct value body;
    struct str event_name;
    struct attrs attrs;
    struct trace_id trace_id;
    struct span_id span_id;
    const struct resource *resource; /* never NULL */
    const struct scope *scope;       /* never NULL */
    uint32_t flags;
    uint32_t dropped_attrs;
    uint8_t severity; /* SeverityNumber 0..24 */
    uint64_t pattern; /* id of the template the body was found to follow; 0: none */
};

/** First attribute with the key, or NULL. */
const struct value *attrs_get(struct attrs as, struct str key);
/** String value of an attribute, or an empty slice when absent or of another type. */
struct str attrs_get_str(struct attrs as, struct str key);
bool trace_id_is_zero(struct trace_id id);
bool span_id_is_zero(struct span_id id);

/** Big-endian, so that its hex is the number's. */
static inline void pattern_id_bytes(uint64_t pattern, uint8_t ret[PATTERN_ID_SIZE])
{
    for (int i = 0; i < PATTERN_ID_SIZE; i++) {
        ret[i] = (uint8_t)(pattern >> (56 - 8 * i));
    }
}

static inline uint64_t pattern_id_of(const uint8_t b[PATTERN_ID_SIZE])
{
    uint64_t id = 0;

    for (int i = 0; i < PATTERN_ID_SIZE; i++) {
        id = id << 8 | b[i];
    }
    return id;
}

/** "unset", "trace", "debug", "info", "warn", "error", "fatal" for SeverityNumber 0, 1-4, 5-8, ... */
enum severity_level {
    SEVERITY_UNSET,
    SEVERITY_TRACE,
    SEVERITY_DEBUG,
    SEVERITY_INFO,
    SEVERITY_WARN,
    SEVERITY_ERROR,
    SEVERITY_FATAL,
    SEVERITY_LEVEL_COUNT,
};
enum severity_level severity_level_of(uint8_t severity_number);
const char *severity_level_name(enum severity_level level);
bool severity_level_parse(struct str name, enum severity_level *ret);
const char *span_kind_name(uint8_t kind); /* "internal", ...; "unspecified" when out of range */
bool span_kind_parse(struct str name, uint8_t *ret);
const char *span_status_name(uint8_t status); /* "unset", "ok", "error" */
bool span_status_parse(struct str name, uint8_t *ret);

#endif
