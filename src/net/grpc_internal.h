/* SPDX-License-Identifier: Apache-2.0
 *
 * The gRPC server in three parts: a session turns bytes into calls and answers into bytes without knowing
 * sockets (so it can be fuzzed), TLS turns records into bytes, the server owns sockets and threads.
 * Invariant: everything but grpc_call_run() happens on the loop thread; a dispatched call belongs to its
 * worker until it is handed back, and `session` is NULL once its stream is gone.
 */
#ifndef NET_GRPC_INTERNAL_H
#define NET_GRPC_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "base/cancel.h"
#include "codec/compress.h"
#include "net/grpc_server.h"
#include "net/net_internal.h"

enum {
    GRPC_HEADER_BYTES = 32 << 10,     /* names + values + 32 each (RFC 9113 §6.5.2) of one call */
    GRPC_ARENA_BUDGET = 64 << 20,     /* bytes a handler may take from grpc_arena() */
    GRPC_STREAM_WINDOW = 1 << 20,     /* bytes a client may send ahead on one stream */
    GRPC_CONNECTION_WINDOW = 4 << 20, /* and on all of a connection */
    GRPC_WINDOW_MS = 10000,           /* floods are counted over this time */
    GRPC_RESETS_MAX = 400,            /* streams reset by or because of the peer in that time */
    GRPC_JUNK_MAX = 2000,        /* frames that carry no work in that time, plus 2 for each call */
    GRPC_ACKS_MAX = 256,         /* unsent SETTINGS and PING acknowledgements */
    GRPC_RECEIVE_TIMEOUT_S = 30, /* a half-sent message; extended by 1 ms for every byte */
    GRPC_RETRY_MS = 1000,        /* told when the queue or the budget is full */
    GRPC_PREFIX = 5,             /* compressed flag and length before each message */
};

struct grpc_method {
    const char *path;
    grpc_handler handler;
    void *arg;
};

/** What sessions need of their server. */
struct grpc_ctx {
    const struct grpc_method *methods; /* borrowed; fixed while sessions live */
    size_t methods_n;
    size_t max_message;
    unsigned max_streams;
    struct budget *budget; /* may be NULL */
    int (*guard)(void *arg, struct grpc_call *call, struct err *reterr);
    void *guard_arg;
    /** Take the complete call away to run it; -ERR_OVERLOAD leaves it with the session. */
    int (*dispatch)(void *arg, struct grpc_call *call);
    /** A call ended with this gRPC code after so long. */
    void (*ended)(void *arg, int code, int64_t ns);
    /** A call or connection was refused; `reason` is a constant. */
    void (*rejected)(void *arg, const char *reason);
    void *arg;
};

struct grpc_session;

enum call_state {
    CALL_RECEIVING,
    CALL_RUNNING, /* with a worker */
    CALL_ANSWERED
};

struct grpc_metadata {
    struct str name;
    struct str value;
    struct grpc_metadata *next;
};

struct grpc_call {
    struct grpc_session *session;
    struct grpc_call *prev; /* in the session */
    struct grpc_call *next;
    struct grpc_call *next_done; /* in the server's list of finished calls */
    const struct grpc_ctx *ctx;
    const struct grpc_method *method;
    int32_t stream_id;
    enum call_state state;
    bool remote_closed;
    struct mono since; /* of the first header */
    struct cancel cancel;
    struct arena arena;
    struct grpc_metadata *metadata; /* newest first */
    size_t header_bytes;
    char peer[NET_ADDRESS_SIZE];
    void *user;
    /* The request message. */
    enum compression compression; /* grpc-encoding */
    uint8_t prefix[GRPC_PREFIX];
    size_t prefix_n;
    uint32_t message_n; /* bytes announced by the prefix */
    struct buf wire;    /* as received */
    struct buf plain;   /* decompressed */
    int64_t charged;    /* taken from the budget */
    /* The answer. */
    bool replied;
    struct err error; /* code 0: success */
    int64_t retry_ms;
    struct buf reply; /* with the prefix */
    size_t reply_sent;
};

/* grpc_status.c */

/** RFC 3986 escapes for everything but printable ASCII and for '%'. */
void grpc_percent_encode(struct str s, struct buf *dst);
/** google.rpc.Status with RetryInfo, base64 without padding. */
void grpc_status_details(int code, struct str message, int64_t retry_ms, struct buf *dst);
/** "100m" as ms, at least 1. @return false when malformed */
NODISCARD bool grpc_timeout_parse(struct str s, int64_t *ret_ms);
/** "OK", "RESOURCE_EXHAUSTED", ... */
const char *grpc_code_name(int code);

/* grpc_call.c */

NODISCARD struct grpc_call *grpc_call_new(const struct grpc_ctx *ctx, int32_t stream_id,
                                          const char *peer);
/** Free a call that no stream and no worker holds. */
void grpc_call_free(struct grpc_call *c);
/** @return 0; -ERR_TOO_LARGE beyond GRPC_HEADER_BYTES, -ERR_NOMEM */
NODISCARD int grpc_call_add_metadata(struct grpc_call *c, struct str name, struct str value);
/** Bytes of the request's body. @return 0 or the error to answer, with detail */
NODISCARD int grpc_call_feed(struct grpc_call *c, struct str data, struct err *reterr);
/** @return 0 when exactly one message has come */
NODISCARD int grpc_call_complete(const struct grpc_call *c, struct err *reterr);
/** On a worker: deadline, decompression, handler. Always leaves an answer. */
void grpc_call_run(struct grpc_call *c);
/** Free the request, keep the answer. */
void grpc_call_release_request(struct grpc_call *c);

/* grpc_session.c */

/** @return NULL without memory. `owner` comes back from grpc_session_owner(). */
NODISCARD struct grpc_session *grpc_session_new(const struct grpc_ctx *ctx, const char *peer,
                                                void *owner);
void *grpc_session_owner(const struct grpc_session *s);
/** Calls with a worker get session = NULL and are canceled. */
void grpc_session_free(struct grpc_session *s);
/** @return 0; -ERR_INVALID when the connection must be closed once nothing is left to send */
NODISCARD int grpc_session_recv(struct grpc_session *s, struct str data);
/** The next bytes to send, borrowed until the next call; n == 0: nothing now. @return 0, -ERR_NOMEM */
NODISCARD int grpc_session_send(struct grpc_session *s, struct str *ret);
/** Neither side has anything to say any more. */
bool grpc_session_finished(const struct grpc_session *s);
/** A worker is done with the call: send its answer, or free it when the stream is gone. */
void grpc_session_answer(struct grpc_call *c);
/** Streams that are not answered yet, whether received or running. */
size_t grpc_session_calls(const struct grpc_session *s);
/** Fail calls whose message does not arrive. */
void grpc_session_tick(struct grpc_session *s);
/** GOAWAY: finish what runs, accept nothing more. */
void grpc_session_shutdown(struct grpc_session *s);

#endif
