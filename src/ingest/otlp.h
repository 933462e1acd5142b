/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP: an Export…ServiceRequest in protobuf or JSON into the store, and the answer with partial_success.
 * Source: opentelemetry-proto 1.x, OTLP specification 1.x; metrics to series after the OpenTelemetry
 * specification "Prometheus and OpenMetrics Compatibility".
 */
#ifndef INGEST_OTLP_H
#define INGEST_OTLP_H

#include "base/arena.h"
#include "base/buf.h"
#include "ingest/sink.h"

struct err;

enum otlp_signal { OTLP_METRICS, OTLP_TRACES, OTLP_LOGS };

enum otlp_encoding { OTLP_PROTOBUF, OTLP_JSON };

struct otlp; /* holds what must be kept between requests: delta-to-cumulative state */
struct otlp *otlp_new(struct sink *sink);
void otlp_free(struct otlp *o);

struct otlp_request {
    enum otlp_signal signal;
    enum otlp_encoding encoding;
    struct str body;  /* decompressed */
    const char *door; /* "otlp_grpc", "otlp_http": label of the counters */
    int64_t arrival_ns;
};

/**
 * Decode, store, and write the answer in the request's encoding. Thread-safe.
 * @param arena     for the decoded batch; reset by the caller afterwards
 * @param response  Export…ServiceResponse; empty protobuf message when all was accepted
 * @return 0 (also when points were rejected: partial_success says how many and why);
 *         -ERR_INVALID, -ERR_TRUNCATED: not decodable, nothing stored, do not retry;
 *         -ERR_OVERLOAD, -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM: retry later
 */
NODISCARD int otlp_export(struct otlp *o, const struct otlp_request *req, struct arena *arena,
                          struct buf *response, struct err *reterr);
/** google.rpc.Status {code, message} in the encoding, for error answers over HTTP. */
void otlp_error_body(enum otlp_encoding enc, const struct err *e, struct buf *dst);

#endif
