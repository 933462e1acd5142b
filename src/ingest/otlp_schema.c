/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP's messages; see otlp_schema.h. A field the decoder does not read is listed all the same, so that a
 * wrong type in it is an error in both encodings.
 */
#include "ingest/otlp_schema.h"

#define NAMES(camel, snake)      \
    {camel, sizeof(camel) - 1},  \
    {                            \
        snake, sizeof(snake) - 1 \
    }
#define ONE(num, type, camel, snake)                               \
    {                                                              \
        num, SCHEMA_##type, false, NAMES(camel, snake), NULL, NULL \
    }
#define MANY(num, type, camel, snake)                             \
    {                                                             \
        num, SCHEMA_##type, true, NAMES(camel, snake), NULL, NULL \
    }
#define SUB(num, msg, camel, snake)                                 \
    {                                                               \
        num, SCHEMA_MESSAGE, false, NAMES(camel, snake), &msg, NULL \
    }
#define SUBS(num, msg, camel, snake)                               \
    {                                                              \
        num, SCHEMA_MESSAGE, true, NAMES(camel, snake), &msg, NULL \
    }
#define ENUM(num, en, camel, snake)                             \
    {                                                           \
        num, SCHEMA_ENUM, false, NAMES(camel, snake), NULL, &en \
    }
#define MESSAGE(name) \
    static const struct schema_message name = {name##_FIELDS, ARRAY_LEN(name##_FIELDS)}

static const char *const SPAN_KIND_NAMES[] = {"UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT",
                                              "PRODUCER",    "CONSUMER", NULL};
static const struct schema_enum SPAN_KIND = {"SPAN_KIND_", SPAN_KIND_NAMES};
static const char *const STATUS_CODE_NAMES[] = {"UNSET", "OK", "ERROR", NULL};
static const struct schema_enum STATUS_CODE = {"STATUS_CODE_", STATUS_CODE_NAMES};
static const char *const SEVERITY_NAMES[] = {
    "UNSPECIFIED", "TRACE",  "TRACE2", "TRACE3", "TRACE4", "DEBUG",  "DEBUG2", "DEBUG3", "DEBUG4",
    "INFO",        "INFO2",  "INFO3",  "INFO4",  "WARN",   "WARN2",  "WARN3",  "WARN4",  "ERROR",
    "ERROR2",      "ERROR3", "ERROR4", "FATAL",  "FATAL2", "FATAL3", "FATAL4", NULL};
static const struct schema_enum SEVERITY = {"SEVERITY_NUMBER_", SEVERITY_NAMES};
static const char *const TEMPORALITY_NAMES[] = {"UNSPECIFIED", "DELTA", "CUMULATIVE", NULL};
static const struct schema_enum TEMPORALITY = {"AGGREGATION_TEMPORALITY_", TEMPORALITY_NAMES};

/* Values nest: these four refer to each other. */
static const struct schema_message ANY_VALUE;
static const struct schema_message KEY_VALUE;

static const struct schema_field ARRAY_VALUE_FIELDS[] = {
    SUBS(1, ANY_VALUE, "values", "values"),
};
MESSAGE(ARRAY_VALUE);

static const struct schema_field KVLIST_FIELDS[] = {
    SUBS(1, KEY_VALUE, "values", "values"),
};
MESSAGE(KVLIST);

static const struct schema_field ANY_VALUE_FIELDS[] = {
    ONE(1, STRING, "stringValue", "string_value"),    ONE(2, BOOL, "boolValue", "bool_value"),
    ONE(3, VARINT_I64, "intValue", "int_value"),      ONE(4, F64, "doubleValue", "double_value"),
    SUB(5, ARRAY_VALUE, "arrayValue", "array_value"), SUB(6, KVLIST, "kvlistValue", "kvlist_value"),
    ONE(7, BYTES, "bytesValue", "bytes_value"),
};
MESSAGE(ANY_VALUE);

static const struct schema_field KEY_VALUE_FIELDS[] = {
    ONE(1, STRING, "key", "key"),
    SUB(2, ANY_VALUE, "value", "value"),
};
MESSAGE(KEY_VALUE);

static const struct schema_field RESOURCE_FIELDS[] = {
    SUBS(1, KEY_VALUE, "attributes", "attributes"),
    ONE(2, VARINT_U64, "droppedAttributesCount", "dropped_attributes_count"),
};
MESSAGE(RESOURCE);

static const struct schema_field SCOPE_FIELDS[] = {
    ONE(1, STRING, "name", "name"),
    ONE(2, STRING, "version", "version"),
    SUBS(3, KEY_VALUE, "attributes", "attributes"),
    ONE(4, VARINT_U64, "droppedAttributesCount", "dropped_attributes_count"),
};
MESSAGE(SCOPE);

static const struct schema_field SPAN_EVENT_FIELDS[] = {
    ONE(1, FIXED64, "timeUnixNano", "time_unix_nano"),
    ONE(2, STRING, "name", "name"),
    SUBS(3, KEY_VALUE, "attributes", "attributes"),
    ONE(4, VARINT_U64, "droppedAttributesCount", "dropped_attributes_count"),
};
MESSAGE(SPAN_EVENT);

static const struct schema_field SPAN_LINK_FIELDS[] = {
    ONE(1, TRACE_ID, "traceId", "trace_id"),
    ONE(2, SPAN_ID, "spanId", "span_id"),
    ONE(3, STRING, "traceState", "trace_state"),
    SUBS(4, KEY_VALUE, "attributes", "attributes"),
    ONE(5, VARINT_U64, "droppedAttributesCount", "dropped_attributes_count"),
    ONE(6, FIXED32, "flags", "flags"),
};
MESSAGE(SPAN_LINK);

static const struct schema_field STATUS_FIELDS[] = {
    ONE(2, STRING, "message", "message"),
    ENUM(3, STATUS_CODE, "code", "code"),
};
MESSAGE(STATUS);

static const struct schema_field SPAN_FIELDS[] = {
    ONE(1, TRACE_ID, "traceId", "trace_id"),
    ONE(2, SPAN_ID, "spanId", "span_id"),
    ONE(3, STRING, "traceState", "trace_state"),
    ONE(4, SPAN_ID, "parentSpanId", "parent_span_id"),
    ONE(5, STRING, "name", "name"),
    ENUM(6, SPAN_KIND, "kind", "kind"),
    ONE(7, FIXED64, "startTimeUnixNano", "start_time_unix_nano"),
    ONE(8, FIXED64, "endTimeUnixNano", "end_time_unix_nano"),
    SUBS(9, KEY_VALUE, "attributes", "attributes"),
    ONE(10, VARINT_U64, "droppedAttributesCount", "dropped_attributes_count"),
    SUBS(11, SPAN_EVENT, "events", "events"),
    ONE(12, VARINT_U64, "droppedEventsCount", "dropped_events_count"),
    SUBS(13, SPAN_LINK, "links", "links"),
    ONE(14, VARINT_U64, "droppedLinksCount", "dropped_links_count"),
    SUB(15, STATUS, "status", "status"),
    ONE(16, FIXED32, "flags", "flags"),
};
MESSAGE(SPAN);

static const struct schema_field SCOPE_SPANS_FIELDS[] = {
    SUB(1, SCOPE, "scope", "scope"),
    SUBS(2, SPAN, "spans", "spans"),
    ONE(3, STRING, "schemaUrl", "schema_url"),
};
MESSAGE(SCOPE_SPANS);

static const struct schema_field RESOURCE_SPANS_FIELDS[] = {
    SUB(1, RESOURCE, "resource", "resource"),
    SUBS(2, SCOPE_SPANS, "scopeSpans", "scope_spans"),
    ONE(3, STRING, "schemaUrl", "schema_url"),
};
MESSAGE(RESOURCE_SPANS);

static const struct schema_field TRACES_FIELDS[] = {
    SUBS(1, RESOURCE_SPANS, "resourceSpans", "resource_spans"),
};
MESSAGE(TRACES);

static const struct schema_field LOG_RECORD_FIELDS[] = {
    ONE(1, FIXED64, "timeUnixNano", "time_unix_nano"),
    ENUM(2, SEVERITY, "severityNumber", "severity_number"),
    ONE(3, STRING, "severityText", "severity_text"),
    SUB(5, ANY_VALUE, "body", "body"),
    SUBS(6, KEY_VALUE, "attributes", "attributes"),
    ONE(7, VARINT_U64, "droppedAttributesCount", "dropped_attributes_count"),
    ONE(8, FIXED32, "flags", "flags"),
    ONE(9, TRACE_ID, "traceId", "trace_id"),
    ONE(10, SPAN_ID, "spanId", "span_id"),
    ONE(11, FIXED64, "observedTimeUnixNano", "observed_time_unix_nano"),
    ONE(12, STRING, "eventName", "event_name"),
};
MESSAGE(LOG_RECORD);

static const struct schema_field SCOPE_LOGS_FIELDS[] = {
    SUB(1, SCOPE, "scope", "scope"),
    SUBS(2, LOG_RECORD, "logRecords", "log_records"),
    ONE(3, STRING, "schemaUrl", "schema_url"),
};
MESSAGE(SCOPE_LOGS);

static const struct schema_field RESOURCE_LOGS_FIELDS[] = {
    SUB(1, RESOURCE, "resource", "resource"),
    SUBS(2, SCOPE_LOGS, "scopeLogs", "scope_logs"),
    ONE(3, STRING, "schemaUrl", "schema_url"),
};
MESSAGE(RESOURCE_LOGS);

static const struct schema_field LOGS_FIELDS[] = {
    SUBS(1, RESOURCE_LOGS, "resourceLogs", "resource_logs"),
};
MESSAGE(LOGS);

static const struct schema_field EXEMPLAR_FIELDS[] = {
    ONE(2, FIXED64, "timeUnixNano", "time_unix_nano"),
    ONE(3, F64, "asDouble", "as_double"),
    ONE(4, SPAN_ID, "spanId", "span_id"),
    ONE(5, TRACE_ID, "traceId", "trace_id"),
    ONE(6, SFIXED64, "asInt", "as_int"),
    SUBS(7, KEY_VALUE, "filteredAttributes", "filtered_attributes"),
};
MESSAGE(EXEMPLAR);

static const struct schema_field NUMBER_POINT_FIELDS[] = {
    ONE(2, FIXED64, "startTimeUnixNano", "start_time_unix_nano"),
    ONE(3, FIXED64, "timeUnixNano", "time_unix_nano"),
    ONE(4, F64, "asDouble", "as_double"),
    SUBS(5, EXEMPLAR, "exemplars", "exemplars"),
    ONE(6, SFIXED64, "asInt", "as_int"),
    SUBS(7, KEY_VALUE, "attributes", "attributes"),
    ONE(8, VARINT_U64, "flags", "flags"),
};
MESSAGE(NUMBER_POINT);

static const struct schema_field HISTOGRAM_POINT_FIELDS[] = {
    ONE(2, FIXED64, "startTimeUnixNano", "start_time_unix_nano"),
    ONE(3, FIXED64, "timeUnixNano", "time_unix_nano"),
    ONE(4, FIXED64, "count", "count"),
    ONE(5, F64, "sum", "sum"),
    MANY(6, FIXED64, "bucketCounts", "bucket_counts"),
    MANY(7, F64, "explicitBounds", "explicit_bounds"),
    SUBS(8, EXEMPLAR, "exemplars", "exemplars"),
    SUBS(9, KEY_VALUE, "attributes", "attributes"),
    ONE(10, VARINT_U64, "flags", "flags"),
    ONE(11, F64, "min", "min"),
    ONE(12, F64, "max", "max"),
};
MESSAGE(HISTOGRAM_POINT);

static const struct schema_field EXP_BUCKETS_FIELDS[] = {
    ONE(1, SINT32, "offset", "offset"),
    MANY(2, VARINT_U64, "bucketCounts", "bucket_counts"),
};
MESSAGE(EXP_BUCKETS);

static const struct schema_field EXP_POINT_FIELDS[] = {
    SUBS(1, KEY_VALUE, "attributes", "attributes"),
    ONE(2, FIXED64, "startTimeUnixNano", "start_time_unix_nano"),
    ONE(3, FIXED64, "timeUnixNano", "time_unix_nano"),
    ONE(4, FIXED64, "count", "count"),
    ONE(5, F64, "sum", "sum"),
    ONE(6, SINT32, "scale", "scale"),
    ONE(7, FIXED64, "zeroCount", "zero_count"),
    SUB(8, EXP_BUCKETS, "positive", "positive"),
    SUB(9, EXP_BUCKETS, "negative", "negative"),
    ONE(10, VARINT_U64, "flags", "flags"),
    SUBS(11, EXEMPLAR, "exemplars", "exemplars"),
    ONE(12, F64, "min", "min"),
    ONE(13, F64, "max", "max"),
    ONE(14, F64, "zeroThreshold", "zero_threshold"),
};
MESSAGE(EXP_POINT);

static const struct schema_field QUANTILE_FIELDS[] = {
    ONE(1, F64, "quantile", "quantile"),
    ONE(2, F64, "value", "value"),
};
MESSAGE(QUANTILE);

static const struct schema_field SUMMARY_POINT_FIELDS[] = {
    ONE(2, FIXED64, "startTimeUnixNano", "start_time_unix_nano"),
    ONE(3, FIXED64, "timeUnixNano", "time_unix_nano"),
    ONE(4, FIXED64, "count", "count"),
    ONE(5, F64, "sum", "sum"),
    SUBS(6, QUANTILE, "quantileValues", "quantile_values"),
    SUBS(7, KEY_VALUE, "attributes", "attributes"),
    ONE(8, VARINT_U64, "flags", "flags"),
};
MESSAGE(SUMMARY_POINT);

static const struct schema_field GAUGE_FIELDS[] = {
    SUBS(1, NUMBER_POINT, "dataPoints", "data_points"),
};
MESSAGE(GAUGE);

static const struct schema_field SUM_FIELDS[] = {
    SUBS(1, NUMBER_POINT, "dataPoints", "data_points"),
    ENUM(2, TEMPORALITY, "aggregationTemporality", "aggregation_temporality"),
    ONE(3, BOOL, "isMonotonic", "is_monotonic"),
};
MESSAGE(SUM);

static const struct schema_field HISTOGRAM_FIELDS[] = {
    SUBS(1, HISTOGRAM_POINT, "dataPoints", "data_points"),
    ENUM(2, TEMPORALITY, "aggregationTemporality", "aggregation_temporality"),
};
MESSAGE(HISTOGRAM);

static const struct schema_field EXP_HISTOGRAM_FIELDS[] = {
    SUBS(1, EXP_POINT, "dataPoints", "data_points"),
    ENUM(2, TEMPORALITY, "aggregationTemporality", "aggregation_temporality"),
};
MESSAGE(EXP_HISTOGRAM);

static const struct schema_field SUMMARY_FIELDS[] = {
    SUBS(1, SUMMARY_POINT, "dataPoints", "data_points"),
};
MESSAGE(SUMMARY);

static const struct schema_field METRIC_FIELDS[] = {
    ONE(1, STRING, "name", "name"),
    ONE(2, STRING, "description", "description"),
    ONE(3, STRING, "unit", "unit"),
    SUB(5, GAUGE, "gauge", "gauge"),
    SUB(7, SUM, "sum", "sum"),
    SUB(9, HISTOGRAM, "histogram", "histogram"),
    SUB(10, EXP_HISTOGRAM, "exponentialHistogram", "exponential_histogram"),
    SUB(11, SUMMARY, "summary", "summary"),
    SUBS(12, KEY_VALUE, "metadata", "metadata"),
};
MESSAGE(METRIC);

static const struct schema_field SCOPE_METRICS_FIELDS[] = {
    SUB(1, SCOPE, "scope", "scope"),
    SUBS(2, METRIC, "metrics", "metrics"),
    ONE(3, STRING, "schemaUrl", "schema_url"),
};
MESSAGE(SCOPE_METRICS);

static const struct schema_field RESOURCE_METRICS_FIELDS[] = {
    SUB(1, RESOURCE, "resource", "resource"),
    SUBS(2, SCOPE_METRICS, "scopeMetrics", "scope_metrics"),
    ONE(3, STRING, "schemaUrl", "schema_url"),
};
MESSAGE(RESOURCE_METRICS);

static const struct schema_field METRICS_FIELDS[] = {
    SUBS(1, RESOURCE_METRICS, "resourceMetrics", "resource_metrics"),
};
MESSAGE(METRICS);

const struct schema_message *otlp_schema(enum otlp_signal signal)
{
    switch (signal) {
    case OTLP_METRICS:
        return &METRICS;
    case OTLP_TRACES:
        return &TRACES;
    case OTLP_LOGS:
        break;
    }
    return &LOGS;
}

const struct schema_field *schema_find(const struct schema_message *m, struct str name)
{
    for (size_t i = 0; i < m->n; i++) {
        if (str_eq(m->fields[i].camel, name) || str_eq(m->fields[i].snake, name)) {
            return &m->fields[i];
        }
    }
    return NULL;
}
