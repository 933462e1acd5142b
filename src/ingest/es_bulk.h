/* SPDX-License-Identifier: Apache-2.0
 *
 * Elasticsearch's _bulk requests into the log store: documents of the actions create and index, in Elastic's common
 * schema or any other, each answered for itself. Source: Elasticsearch reference, "Bulk API".
 */
#ifndef INGEST_ES_BULK_H
#define INGEST_ES_BULK_H

#include "base/arena.h"
#include "base/buf.h"
#include "ingest/sink.h"

struct err;

struct es_bulk_request {
    struct str body;  /* decompressed */
    struct str index; /* of the path; empty: each action names one */
    bool brief;       /* the client only wants status and errors (filter_path) */
    int64_t arrival_ns;
};

/** Store what can be stored; the answer's JSON is appended to `answer`. Thread-safe.
 * @return 0, also when documents were refused; -ERR_INVALID: the request is none, nothing was stored; -ERR_OVERLOAD,
 *         -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM: nothing was stored, try again */
NODISCARD int es_bulk(struct sink *sink, const struct es_bulk_request *req, struct arena *arena,
                      struct buf *answer, struct err *reterr);

/** An error in Elasticsearch's form. */
void es_error(int status, const char *type, struct str reason, struct buf *dst);

#endif
