/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenTelemetry metric names, units and attribute keys as Prometheus names. The same input always gives
 * the same name, and the result is empty or valid under metric_name_is_valid() / label_name_is_valid().
 * Source: OpenTelemetry specification, "Prometheus and OpenMetrics Compatibility".
 */
#ifndef INGEST_METRIC_NAME_H
#define INGEST_METRIC_NAME_H

#include "base/buf.h"

enum metric_kind {
    METRIC_GAUGE,
    METRIC_COUNTER, /* monotonic sum */
    METRIC_UPDOWN,  /* other sum: stored as a gauge */
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
};

/** Append the family name; nothing when no character of `name` is usable. */
void metric_name_build(struct str name, struct str unit, enum metric_kind kind, struct buf *dst);
/** Append the unit in words ("bytes_per_second"), nothing for "1" and annotations. */
void metric_unit_build(struct str unit, struct buf *dst);
/** Append the label name for an attribute key; nothing for an empty key. */
void label_name_build(struct str key, struct buf *dst);

#endif
