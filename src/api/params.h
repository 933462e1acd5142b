/* SPDX-License-Identifier: Apache-2.0
 *
 * Request parameters to typed values, with errors that name the parameter and what was wrong.
 */
#ifndef API_PARAMS_H
#define API_PARAMS_H

#include "api/parse.h"
#include "net/http_server.h"
#include "store/columns/columns.h"

/** Prometheus time: Unix seconds with fraction, or RFC 3339. Missing: `fallback_ms`.
 * @return 0, -ERR_INVALID */
NODISCARD int param_prom_time(const struct http_exchange *x, const char *name, int64_t fallback_ms,
                              int64_t *ret_ms, struct err *reterr);
/** Prometheus duration or seconds with fraction; must be given. */
NODISCARD int param_prom_step(const struct http_exchange *x, const char *name, int64_t *ret_ms,
                              struct err *reterr);
/** Integer in [min, max]; missing: fallback. */
NODISCARD int param_i64(const struct http_exchange *x, const char *name, int64_t min, int64_t max,
                        int64_t fallback, int64_t *ret, struct err *reterr);
/** Duration with any unit down to ns ("1.5ms", "20us", "3s"); missing: *ret untouched. */
NODISCARD int param_duration_ns(const struct http_exchange *x, const char *name, int64_t *ret_ns,
                                bool *ret_given, struct err *reterr);

struct time_range {
    int64_t start_ms; /* inclusive */
    int64_t end_ms;   /* exclusive */
};

/** start_ms, end_ms; default the last hour up to now. */
NODISCARD int param_range(const struct http_exchange *x, struct time_range *ret,
                          struct err *reterr);

/** Page cursor; missing: from the start. */
NODISCARD int param_cursor(const struct http_exchange *x, struct cursor *ret, struct err *reterr);

/** Filters of the traces and logs endpoints (see openapi.yaml: service, operation, status, kind,
 * min_duration, max_duration, attr / text, severity, service, trace_id, pattern_id, attr). Owns compiled regexes. */
struct row_filter {
    const struct filter *root; /* NULL: all rows; in the exchange's arena */
    struct matcher *regexes[32];
    size_t regexes_n;
};

NODISCARD int param_span_filter(struct http_exchange *x, struct row_filter *ret,
                                struct err *reterr);
NODISCARD int param_log_filter(struct http_exchange *x, struct row_filter *ret, struct err *reterr);
/** Any of the patterns in `pattern_id`; *ret NULL: none is asked for. @return 0, -ERR_INVALID, -ERR_NOMEM */
NODISCARD int param_pattern_ids(const struct http_exchange *x, struct arena *a,
                                const struct filter **ret, struct err *reterr);
void row_filter_done(struct row_filter *f);
/** Deep copy of a filter tree (its regexes stay shared). NULL gives NULL. @return 0, -ERR_NOMEM */
NODISCARD int filter_dup(const struct filter *f, struct arena *a, const struct filter **ret);

#endif
