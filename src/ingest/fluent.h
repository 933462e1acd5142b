/* SPDX-License-Identifier: Apache-2.0
 *
 * The Forward protocol of Fluentd and Fluent Bit, version 1: messages, batches in all modes, acknowledgements after the
 * data is stored, and the handshake with a shared key and user names. Source: Forward Protocol Specification v1 (fluentd wiki).
 */
#ifndef INGEST_FLUENT_H
#define INGEST_FLUENT_H

#include "base/buf.h"
#include "ingest/sink.h"

struct fluent_door;

/** Who may send. */
struct fluent_user {
    struct str name;
    struct str password;
};

struct fluent_opts {
    const char *door; /* of the socket's counters: "fluent", "fluent_tls" */
    struct sink *sink;
    struct stats *stats;
    struct str shared_key;           /* senders must know it (may be empty); borrowed */
    const struct fluent_user *users; /* senders must be one of them; borrowed */
    size_t users_n;                  /* 0 and no key: anybody may send, without a handshake */
};

/** One per listening socket, used by its thread only. */
struct fluent_door *fluent_door_new(const struct fluent_opts *opts);
/** NULL is fine. */
void fluent_door_free(struct fluent_door *d);

struct fluent_conn;
/** @param out  what the server says first is appended. @return NULL without memory */
struct fluent_conn *fluent_conn_new(struct fluent_door *d, struct buf *out);
void fluent_conn_free(struct fluent_conn *c);
/** Take the message at the front of `data`; answers are appended to `out`.
 * @return bytes taken, 0: it is not whole; -ERR_OVERLOAD: the store cannot take it now; -ERR_UNAUTHENTICATED,
 *         -ERR_INVALID, -ERR_LIMIT: the connection is to be closed */
NODISCARD int64_t fluent_take(struct fluent_conn *c, struct str data, struct buf *out);

#endif
