/* SPDX-License-Identifier: Apache-2.0
 *
 * Zipkin v2 spans, JSON and protobuf, into the span store: rewritten as an OTLP request, so that every rule of
 * what is accepted exists once. Source: zipkin-api zipkin2-api.yaml and zipkin.proto; OpenTelemetry specification,
 * "OpenTelemetry to Zipkin Transformation", read backwards.
 */
#ifndef INGEST_ZIPKIN_H
#define INGEST_ZIPKIN_H

#include "ingest/otlp.h"

enum zipkin_encoding { ZIPKIN_JSON, ZIPKIN_PROTOBUF };

/** The spans as an ExportTraceServiceRequest in `dst`. Spans without a time get `arrival_ns`.
 * @return 0; -ERR_INVALID, -ERR_TRUNCATED with the place; -ERR_TOO_LARGE, -ERR_NOMEM */
NODISCARD int zipkin_to_otlp(enum zipkin_encoding enc, struct str body, int64_t arrival_ns,
                             struct buf *dst, struct err *reterr);
/** Decode and store; counted under the door "zipkin". @return as otlp_export() */
NODISCARD int zipkin_receive(struct otlp *o, enum zipkin_encoding enc, struct str body,
                             int64_t arrival_ns, struct arena *arena, struct err *reterr);

#endif
