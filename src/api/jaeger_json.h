/* SPDX-License-Identifier: Apache-2.0
 *
 * A trace as Jaeger's query service writes it. Source: OpenTelemetry specification, "OpenTelemetry to Jaeger
 * Transformation"; Jaeger's JSON model (traceID, spans, processes).
 */
#ifndef API_JAEGER_JSON_H
#define API_JAEGER_JSON_H

#include "base/arena.h"
#include "codec/json_write.h"
#include "model/otel.h"

/** One element of "data": the spans of one trace, n at least 1. @return 0, -ERR_NOMEM */
NODISCARD int jaeger_write_trace(struct json_writer *w, const struct span *spans, size_t n,
                                 struct arena *a);

#endif
