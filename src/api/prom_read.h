/* SPDX-License-Identifier: Apache-2.0
 *
 * A remote read request taken apart, and its answer as a stream of chunks.
 */
#ifndef API_PROM_READ_H
#define API_PROM_READ_H

#include "api/api_internal.h"
#include "base/vec.h"

enum { READ_MATCHERS_MAX = 256, READ_QUERIES_MAX = 256, READ_SERIES_MAX = 1000000 };

struct read_query {
    int64_t start_ms;
    int64_t end_ms;
    struct matcher *m[READ_MATCHERS_MAX];
    size_t n;
};

struct read_request {
    VEC(struct read_query *) queries; /* owned */
    bool streamed;                    /* as chunks */
};

void read_request_done(struct read_request *r);
/** The query as the store takes it; borrows its matchers. */
struct series_query read_series_query(const struct read_query *q);
/** Labels of a series as field 1 of the message begun in `dst`. */
void read_put_labels(struct labels ls, struct buf *dst);

/** Answer with ChunkedReadResponse messages, series after series, made while they are sent. Takes what `r` has. */
void read_stream(struct http_exchange *x, struct series_source src, struct read_request *r);

#endif
