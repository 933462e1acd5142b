/* SPDX-License-Identifier: Apache-2.0
 *
 * gRPC over HTTP/2 for unary calls, on libnghttp2 + libuv: 5-byte framing, gzip, trailers, limits, and
 * defences against rapid reset and frame floods. Source: grpc/doc/PROTOCOL-HTTP2.md, RFC 9113.
 */
#ifndef NET_GRPC_SERVER_H
#define NET_GRPC_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/stats.h"

struct cancel;
struct err;
struct grpc_server;
struct grpc_call;

/** Runs on a worker thread; must call exactly one of grpc_reply()/grpc_fail() before it returns. */
typedef void (*grpc_handler)(void *arg, struct grpc_call *call);

struct grpc_server_opts {
    const char *name;    /* for logs and statistics, "otlp_grpc" */
    const char *address; /* "127.0.0.1:4317"; port 0 takes a free one */
    const char *tls_cert;
    const char *tls_key;
    unsigned workers; /* default 2 */
    size_t queue_max; /* calls waiting for a worker; more: RESOURCE_EXHAUSTED; default 256 */
    unsigned max_connections; /* default 1024 */
    unsigned max_streams;     /* concurrent per connection; default 128 */
    size_t max_message; /* bytes, compressed and decompressed; default 64 MiB: RESOURCE_EXHAUSTED */
    unsigned idle_timeout_s;    /* default 300; a half-sent message: 30 */
    struct budget *body_budget; /* messages in flight; may be NULL */
    struct stats *stats;
    /** Before the message is accepted: check metadata (authorization). @return 0 or -ERR_* with reterr. */
    int (*guard)(void *arg, struct grpc_call *call, struct err *reterr);
    void *guard_arg;
};

struct grpc_server *grpc_server_new(const struct grpc_server_opts *opts);
/** `path` like "/opentelemetry.proto.collector.trace.v1.TraceService/Export"; constant string. */
void grpc_server_unary(struct grpc_server *s, const char *path, grpc_handler handler, void *arg);
NODISCARD int grpc_server_start(struct grpc_server *s, struct err *reterr);
const char *grpc_server_address(const struct grpc_server *s);
/** GOAWAY, finish running calls at most grace_ms, close. */
void grpc_server_stop(struct grpc_server *s, int64_t grace_ms);
void grpc_server_free(struct grpc_server *s);

struct str grpc_message(const struct grpc_call *c); /* decompressed request message */
struct str grpc_metadata(const struct grpc_call *c,
                         const char *name); /* lower-case name; empty if none */
struct str grpc_peer(const struct grpc_call *c);
struct arena *grpc_arena(struct grpc_call *c);
/** Set once the client has gone or its grpc-timeout has passed: long handlers stop. */
struct cancel *grpc_cancel(struct grpc_call *c);
/** One pointer for the guard to pass on (e.g. the authenticated identity); lives in the arena. */
void grpc_set_user(struct grpc_call *c, void *user);
void *grpc_user(const struct grpc_call *c);
void grpc_reply(struct grpc_call *c, struct str message);
/** grpc-status from the code, percent-encoded grpc-message; with retry_ms > 0 also google.rpc.RetryInfo in
 * grpc-status-details-bin (OTLP throttling). */
void grpc_fail(struct grpc_call *c, const struct err *e, int64_t retry_ms);

#endif
