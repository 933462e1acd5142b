/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing OTLP export requests in protobuf: nested messages are opened and closed, lengths are filled in
 * at the close. Field numbers: opentelemetry-proto v1 (metrics, logs, common, resource), frozen there.
 * A buffer that fails stays failed: check buf_status() once at the end.
 */
#ifndef AGENT_OTLP_ENCODE_H
#define AGENT_OTLP_ENCODE_H

#include "base/buf.h"
#include "model/otel.h"

enum { OTLP_DEPTH = 12 };

struct otlp_writer {
    struct buf *dst; /* borrowed */
    size_t open[OTLP_DEPTH];
    unsigned depth;
};

enum metric_kind {
    METRIC_GAUGE,
    METRIC_COUNTER, /* cumulative monotonic sum */
    METRIC_UPDOWN,  /* cumulative sum that may fall */
};

struct metric_def {
    const char *name;
    const char *unit; /* UCUM */
    enum metric_kind kind;
    const char *help;
};

static inline struct attr attr_str(const char *key, struct str value)
{
    return (struct attr){str_cstr(key), {.type = VALUE_STR, .u.s = value}};
}

static inline struct attr attr_cstr(const char *key, const char *value)
{
    return attr_str(key, str_cstr(value));
}

static inline struct attr attr_i64(const char *key, int64_t value)
{
    return (struct attr){str_cstr(key), {.type = VALUE_I64, .u.i = value}};
}

void otlp_writer_init(struct otlp_writer *w, struct buf *dst);

/** Primitives. Strings that are not UTF-8 get U+FFFD for every bad byte: protobuf requires it. */
void otlp_begin(struct otlp_writer *w, uint32_t field);
void otlp_end(struct otlp_writer *w);
void otlp_varint(struct otlp_writer *w, uint32_t field, uint64_t v);
void otlp_fixed64(struct otlp_writer *w, uint32_t field, uint64_t v);
void otlp_double(struct otlp_writer *w, uint32_t field, double v);
void otlp_bytes(struct otlp_writer *w, uint32_t field, const void *p, size_t n);
void otlp_text(struct otlp_writer *w, uint32_t field, struct str s);
/** Repeated KeyValue. Only VALUE_STR, VALUE_BOOL, VALUE_I64 and VALUE_F64 are written. */
void otlp_attrs(struct otlp_writer *w, uint32_t field, const struct attr *v, size_t n);

/** ResourceMetrics or ResourceLogs with its resource and one scope, left open for metrics or log records. */
void otlp_resource_begin(struct otlp_writer *w, const struct attr *v, size_t n, struct str scope,
                         struct str version);
void otlp_resource_end(struct otlp_writer *w);

/** One metric; the points follow. */
void otlp_metric_begin(struct otlp_writer *w, const struct metric_def *def);
void otlp_metric_end(struct otlp_writer *w);

struct metric_time {
    uint64_t start_ns; /* Unix ns at which the counter was 0; 0: unknown */
    uint64_t now_ns;
};

void otlp_point_i64(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n,
                    int64_t value);
void otlp_point_f64(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n,
                    double value);
/** The series ends here: DataPointFlags NO_RECORDED_VALUE. */
void otlp_point_gone(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n);

/** One log record. severity 0 and empty texts are left out, as are trace and span ids of zeros. */
void otlp_log(struct otlp_writer *w, const struct log_record *r);

#endif
