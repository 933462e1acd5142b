/* SPDX-License-Identifier: Apache-2.0
 *
 * What the trace and log endpoints have in common: the query of a request, page cursors, scan statistics,
 * counts over time.
 */
#ifndef API_ROWS_H
#define API_ROWS_H

#include "api/params.h"
#include "base/clock.h"
#include "codec/json_write.h"

struct columns_query rows_query(struct http_exchange *x, struct time_range r,
                                const struct row_filter *f, int64_t timeout_ms);

/** "next_cursor": position of the last row given. */
void json_cursor(struct json_writer *w, struct cursor c);
/** "stats": what the scan read. */
void json_scan_stats(struct json_writer *w, const struct scan_stats *s, struct mono since);

/** Counts over time as asked for by start_ms, end_ms, buckets. */
struct counts_request {
    struct time_range range;
    int64_t buckets;
    int64_t step_ms;
};

NODISCARD int param_counts(const struct http_exchange *x, struct counts_request *ret,
                           struct err *reterr);
/** Begin {"start_ms","step_ms","series":[ ; the caller writes series and json_counts_end(). */
void json_counts_begin(struct json_writer *w, const struct counts_request *r);
/** One series: the sum of the groups that `belongs` accepts. */
void json_counts_series(struct json_writer *w, const char *name, const struct counts_request *r,
                        const struct columns_groups *groups,
                        bool (*belongs)(struct str group, int which), int which);
void json_counts_end(struct json_writer *w);

#endif
