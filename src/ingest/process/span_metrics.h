/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact counts of all spans, whatever sampling keeps: calls and durations by service, span name, kind and status,
 * counted as they come in and written to the metrics store as OpenTelemetry's span metrics connector names them:
 * traces_span_metrics_calls_total and traces_span_metrics_duration_milliseconds_{bucket,sum,count}.
 */
#ifndef INGEST_PROCESS_SPAN_METRICS_H
#define INGEST_PROCESS_SPAN_METRICS_H

#include "ingest/process/program.h"
#include "store/tsdb/tsdb.h"

struct span_metrics;

struct span_metrics *span_metrics_new(struct stats *stats);
void span_metrics_free(struct span_metrics *m); /* NULL is fine */
/** Thread-safe. More distinct label sets than o->max_series are counted together, under otel_metric_overflow="true". */
void span_metrics_count(struct span_metrics *m, const struct span_metrics_opts *o,
                        const struct span *spans, size_t n, int64_t wall_ms);
/** All counts as samples at this time. A series that is new begins with a zero where its first span was counted, so
 * that increase() sees it. @return as tsdb_batch_commit() */
NODISCARD int span_metrics_write(struct span_metrics *m, struct tsdb *db, int64_t wall_ms,
                                 struct err *reterr);
/** Label sets counted. */
size_t span_metrics_series(struct span_metrics *m);

#endif
