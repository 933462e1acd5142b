/* SPDX-License-Identifier: Apache-2.0
 *
 * The log endpoints with a LogQL query in place of their own filters.
 */
#ifndef API_LOG_QUERY_H
#define API_LOG_QUERY_H

#include "api/api_internal.h"

#include "api/params.h"
#include "query/logql/logql.h"

/** The log query in the parameter `query`; the filters of the log endpoints may not stand beside it.
 * @return 0 (*ret NULL: there is none); -ERR_INVALID with the position of the mistake, -ERR_NOMEM */
NODISCARD int param_log_query(const struct http_exchange *x, struct logql_query **ret,
                              struct err *reterr);
/** GET /api/v1/logs with a query; `limit` is checked. Answers the exchange. */
void log_query_search(struct api *a, struct http_exchange *x, struct logql_query *q,
                      struct time_range range, int64_t limit);
/** A record with what the query made of it: `line` when it changed the body, `labels` that it parsed. */
void json_log_hit(struct json_writer *w, const struct logql_hit *hit);

#endif
