/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP requests (opentelemetry-proto logs, trace, resource, common v1) from records and spans, as SDKs and the
 * Collector encode them: lengths in the fewest bytes, fields in order of their numbers.
 */
#ifndef BENCH_LIB_OTLP_H
#define BENCH_LIB_OTLP_H

#include "base/buf.h"
#include "model/otel.h"

/** ResourceLogs of records that share a resource; of each run of equal scopes one ScopeLogs. */
void otlp_put_logs(struct buf *dst, const struct log_record *const *records, size_t n);
/** ResourceSpans of spans that share a resource; of each run of equal scopes one ScopeSpans. */
void otlp_put_spans(struct buf *dst, const struct span *const *spans, size_t n);

#endif
