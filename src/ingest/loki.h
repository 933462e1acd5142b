/* SPDX-License-Identifier: Apache-2.0
 *
 * Loki's push requests (logproto.PushRequest, or its JSON form) into the log store. Stream labels become attributes
 * of a resource, structured metadata those of the record; what it says about trace, span and severity goes to the
 * fields of that name. Source: Loki HTTP API, "Ingest logs"; pkg/push/push.proto.
 */
#ifndef INGEST_LOKI_H
#define INGEST_LOKI_H

#include "base/arena.h"
#include "ingest/sink.h"

struct err;

struct loki_request {
    bool json;       /* else protobuf */
    struct str body; /* decompressed */
    int64_t arrival_ns;
};

struct loki_result {
    size_t accepted;
    size_t rejected;
    char why[400]; /* the first entry that was refused, in Loki's words; empty: none */
};

/** Decode and store; entries that are refused do not keep the others out. Thread-safe.
 * @param arena  for the decoded batch; reset by the caller afterwards
 * @return 0; -ERR_INVALID, -ERR_TRUNCATED: not decodable, nothing stored; -ERR_OVERLOAD, -ERR_NOSPACE, -ERR_IO,
 *         -ERR_NOMEM: retry later */
NODISCARD int loki_push(struct sink *sink, const struct loki_request *req, struct arena *arena,
                        struct loki_result *ret, struct err *reterr);

/** Labels as text, {foo="bar", n="1"}, into arena memory. @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int loki_labels(struct str text, struct arena *arena, struct label **ret, size_t *ret_n,
                          struct err *reterr);
/** Severity number told by a line that is JSON, logfmt or plain text; 0: none found. */
uint8_t loki_line_severity(struct str line);

#endif
