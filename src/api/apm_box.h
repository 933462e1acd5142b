/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters that T-Map and transaction endpoints share: groups, range, duration, outcome, instance.
 */
#ifndef API_APM_BOX_H
#define API_APM_BOX_H

#include "api/api_internal.h"
#include "apm/txn_query.h"

enum { APM_GROUPS_MAX = 64 };

/** group (repeated), start_ms, end_ms, min_ms, max_ms (of the duration, fractions allowed), status (repeated: ok, 4xx,
 * 5xx, or error for the last two), instance. Slices of the request; `groups` in its arena. */
NODISCARD int param_txn_filter(struct http_exchange *x, int64_t timeout_ms, struct txn_filter *ret,
                               struct err *reterr);
/** Only group. */
NODISCARD int param_groups(struct http_exchange *x, const struct str **ret, size_t *ret_n,
                           struct err *reterr);
/** A duration in ms with fraction; missing: fallback. */
NODISCARD int param_ms(const struct http_exchange *x, const char *name, int64_t fallback_ns,
                       int64_t *ret_ns, struct err *reterr);

/** "total": requests by outcome. apm_tmap.c */
void apm_write_totals(struct json_writer *w, const uint64_t total[TMAP_CLASSES]);

#endif
