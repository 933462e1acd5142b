/* SPDX-License-Identifier: Apache-2.0
 *
 * A store of every request (entry span), whatever sampling keeps: slim span rows in the store's `transactions`, with
 * the SQL and calls of the same trace and instance added up. A request waits `settle_ms` for the spans below it, which
 * may come in later batches. Invariant: every entry span seen is counted in the T-Map at once and is a row after
 * the wait, or counted as dropped. Spec: sections 2.1 and 11 (screen 10).
 */
#ifndef APM_TRANSACTIONS_H
#define APM_TRANSACTIONS_H

#include "apm/tmap.h"

struct naming;
struct transactions;

/** What is kept of who sent it. */
enum transactions_users {
    TRANSACTIONS_USERS_HASH,
    TRANSACTIONS_USERS_PLAIN,
    TRANSACTIONS_USERS_OFF
};

struct transactions_opts {
    struct columns *rows; /* borrowed: the store's `transactions` */
    struct tmap *tmap;    /* borrowed; NULL: nothing is counted */
    struct naming
        *naming; /* borrowed; groups and operations under the operators' rules; may be NULL */
    int64_t retention_ms; /* older requests are refused; 0: none are */
    int64_t settle_ms;    /* default 3 s */
    size_t
        max_bytes; /* of requests that wait; default 64 MiB. From half of it they wait no longer */
    size_t max_children; /* SQL and calls remembered; default 500 000 */
    int64_t child_ms;    /* how long; default 10 s */
    enum transactions_users users;
    bool manual; /* no thread: transactions_write() only */
    struct stats *stats;
};

/** @return 0; -ERR_UNAVAILABLE: no thread */
NODISCARD int transactions_new(const struct transactions_opts *opts, struct transactions **ret,
                               struct err *reterr);
/** Writes what waits. NULL is fine. */
void transactions_free(struct transactions *t);

/** For struct span_watch; `arg` is the struct transactions. Any thread. */
void transactions_seen(void *arg, const struct span *spans, size_t n, int64_t wall_ms);
/** Write requests whose wait is over (`all`: all). @return 0; as columns_append_spans(): they wait on */
NODISCARD int transactions_write(struct transactions *t, bool all, struct err *reterr);

/* Attributes of a row. The span's name is the operation, its status is kept; the resource has TXN_GROUP,
 * service.name, service.namespace, service.version and TXN_INSTANCE. Absent when there is nothing to say. */
#define TXN_GROUP     "group"
#define TXN_INSTANCE  "instance"
#define TXN_CLASS     "class" /* "ok", "4xx", "5xx" */
#define TXN_STATUS    "http.response.status_code"
#define TXN_METHOD    "http.request.method"
#define TXN_PATH      "url.path"
#define TXN_CLIENT    "client.address"
#define TXN_USER      "user"
#define TXN_EXCEPTION "exception.type"
#define TXN_SQL_N     "sql.count"
#define TXN_SQL_NS    "sql.ns"
#define TXN_CALL_N    "call.count"
#define TXN_CALL_NS   "call.ns"
#define TXN_CPU_NS    "cpu.ns"

struct str txn_class_name(enum tmap_class class);
/** @return TMAP_CLASSES for another text */
enum tmap_class txn_class_of(struct str name);

#endif
