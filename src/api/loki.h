/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the Loki HTTP API: its parameters, its plain-text errors, its answers. Source: Loki HTTP API
 * documentation, 3.x.
 */
#ifndef API_LOKI_H
#define API_LOKI_H

#include "api/api_internal.h"

#include "query/logql/logql.h"

enum { LOKI_LIMIT_DEFAULT = 100, LOKI_LIMIT_MAX = 5000 };

/** Plain text, as Loki's clients print it. */
void loki_fail(struct http_exchange *x, int rc, const struct err *e);
/** Set the deadline of the request and what a query may take. */
void loki_ask(struct api *a, struct http_exchange *x, struct logql_ask *ret);

/** Nanoseconds, seconds with a fraction, up to ten digits as seconds, or RFC 3339. */
NODISCARD bool loki_time(struct str s, int64_t *ret_ns);
/** "5m", or seconds with a fraction. */
NODISCARD bool loki_duration(struct str s, int64_t *ret_ns);

struct loki_range {
    int64_t start_ns; /* inclusive */
    int64_t end_ns;   /* exclusive for entries */
};

/** start, end, since; missing: `back_ns` up to now. */
NODISCARD int loki_range(const struct http_exchange *x, int64_t back_ns, struct loki_range *ret,
                         struct err *reterr);
NODISCARD int loki_limit(const struct http_exchange *x, int64_t fallback, int64_t *ret,
                         struct err *reterr);
/** step; missing: a 250th of the range, at least a second. */
NODISCARD int loki_step(const struct http_exchange *x, const struct loki_range *r, int64_t *ret_ns,
                        struct err *reterr);

/** {"status":"success","data":{"resultType":...,"result":[...],"stats":{...}}} */
void loki_write_result(struct json_writer *w, const struct logql_result *r, bool instant,
                       int64_t t_ns, bool categorize);
void loki_write_labels(struct json_writer *w, struct labels ls);
/** [seconds, "value"] */
void loki_write_point(struct json_writer *w, int64_t t_ns, double v);

void loki_labels_routes(struct api *a, struct http_server *s);   /* loki_labels.c */
void loki_volume_routes(struct api *a, struct http_server *s);   /* loki_volume.c */
void loki_detected_routes(struct api *a, struct http_server *s); /* loki_detected.c */
void loki_push_routes(struct api *a, struct http_server *s);     /* loki_push.c */
void loki_tail_routes(struct api *a, struct http_server *s);     /* loki_tail.c */

#endif
