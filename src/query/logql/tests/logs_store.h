/* SPDX-License-Identifier: Apache-2.0
 *
 * A log store of its own for a test, filled line by line, and queries on it whose answers are text.
 */
#ifndef QUERY_LOGQL_TESTS_LOGS_STORE_H
#define QUERY_LOGQL_TESTS_LOGS_STORE_H

#include "base/err.h"
#include "query/logql/logql.h"

struct logs_store {
    struct columns *c;
    char dir[64];
    int64_t base_ns; /* of the lines' times */
};

void logs_store_open(struct logs_store *s);
void logs_store_close(struct logs_store *s);
/** One record at base + seconds. `labels` and `meta` are "k=v k=v". */
void logs_store_add(struct logs_store *s, double seconds, const char *labels, const char *meta,
                    uint8_t severity, const char *line);

struct logs_ask {
    const char *query;
    double start, end, step; /* seconds from base; step 0: instant at `end` */
    bool forward;
    size_t limit;
};

/** Answer of a query: "{labels} line\n" per entry, or "{labels} t:v t:v\n" per series (t in seconds from base).
 * Errors as "error: ...". In `b`. */
void logs_store_ask(struct logs_store *s, const struct logs_ask *a, struct buf *b);

#endif
