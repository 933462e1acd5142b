/* SPDX-License-Identifier: Apache-2.0
 *
 * Log events as JSON objects into a log map, and requests of one object a line (ndjson) into the store.
 */
#ifndef INGEST_LOG_JSON_H
#define INGEST_LOG_JSON_H

#include "base/arena.h"
#include "ingest/sink.h"

struct err;
struct log_map;
struct log_map_names;

/** The fields of one object; nested objects give paths with dots. `text` lives as long as the batch.
 * @return 0; -ERR_INVALID, -ERR_TRUNCATED, -ERR_LIMIT with what is wrong; -ERR_NOMEM */
NODISCARD int log_json_object(struct log_map *m, struct str text, struct buf *scratch,
                              struct err *reterr);

struct log_lines_request {
    struct str body;                   /* decompressed; lines end with LF, empty ones are skipped */
    const struct log_map_names *names; /* may be NULL */
    int64_t arrival_ns;
};

enum { LOG_LINES_ERRORS = 20 };

struct log_lines_result {
    size_t accepted;
    size_t rejected;
    size_t errors_n; /* the first ones that were refused */

    struct {
        size_t line; /* from 1 */
        char text[200];
    } errors[LOG_LINES_ERRORS];
};

/** Store the lines that can be; the others are counted and the first ones named. Thread-safe.
 * @return 0; -ERR_OVERLOAD, -ERR_NOSPACE, -ERR_IO, -ERR_NOMEM: nothing was stored, try again */
NODISCARD int log_lines_store(struct sink *sink, const struct log_lines_request *req,
                              struct arena *arena, struct log_lines_result *ret,
                              struct err *reterr);

#endif
