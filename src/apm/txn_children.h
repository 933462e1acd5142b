/* SPDX-License-Identifier: Apache-2.0
 *
 * SQL and calls below requests, remembered for a while by trace and instance until the request that made them is
 * written. Bounded in number and age. Not thread-safe: the owner locks.
 */
#ifndef APM_TXN_CHILDREN_H
#define APM_TXN_CHILDREN_H

#include <stdbool.h>

#include "model/otel.h"

struct txn_children;

struct txn_child {
    int64_t start_ns, duration_ns;
    bool sql; /* else a call: HTTP, RPC, messaging */
};

struct txn_sums {
    uint64_t sql_n, call_n;
    int64_t sql_ns, call_ns;
};

struct txn_children *txn_children_new(size_t max);
void txn_children_free(struct txn_children *c);

/** Is a span SQL or a call? False for others. Source: OpenTelemetry semantic conventions of databases, HTTP, RPC and
 * messaging, old and new names. */
bool txn_child_of(const struct span *s, struct txn_child *ret);
/** @param instance  hash of the instance's name. @return false: there is no room, or no memory */
bool txn_children_add(struct txn_children *c, const struct trace_id *trace, uint64_t instance,
                      const struct txn_child *child, int64_t now_ms);
/** Those that began within [start_ns, end_ns]. */
void txn_children_sum(const struct txn_children *c, const struct trace_id *trace, uint64_t instance,
                      int64_t start_ns, int64_t end_ns, struct txn_sums *ret);
/** Forget what was added at `before_ms` or earlier, by traces. */
void txn_children_expire(struct txn_children *c, int64_t before_ms);
size_t txn_children_count(const struct txn_children *c);

#endif
