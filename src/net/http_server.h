/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 server on libmicrohttpd: routes, limits, a guard before the body is read, handlers on the event
 * thread or on a worker pool, and long-lived streams (Server-Sent Events). RFC 9110, RFC 9112.
 */
#ifndef NET_HTTP_SERVER_H
#define NET_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/stats.h"
#include "base/thread.h"

struct http_server;
struct http_exchange;
struct cancel;

/** Where a handler runs: INLINE on the event thread (quick, never blocks), WORKER on the pool with the
 * connection suspended; the pool being full answers 503 with Retry-After. */
enum http_where { HTTP_INLINE, HTTP_WORKER };

typedef void (*http_handler)(void *arg, struct http_exchange *x);

struct http_route {
    const char *method; /* "GET" also serves HEAD */
    const char *
        pattern; /* "/api/v1/traces/{trace_id}"; a last segment "{rest*}" takes the remaining path */
    http_handler handler;
    void *arg;
    enum http_where where;
    uint32_t max_body;   /* bytes on the wire; larger: 413 before it is read */
    uint32_t user_flags; /* the guard's business, e.g. required scope */
};

struct http_server_opts {
    const char *name;     /* "http", "otlp_http": for logs and the `door` label of statistics */
    const char *address;  /* "127.0.0.1:7800", "[::1]:0"; port 0 takes a free one */
    const char *tls_cert; /* PEM file; NULL: plain */
    const char *tls_key;
    unsigned threads;         /* event threads; default 2 */
    unsigned max_connections; /* default 4096 */
    unsigned idle_timeout_s;  /* default 60; also ends slow senders */
    size_t max_header_bytes;  /* default 32 KiB */
    struct pool *workers;     /* borrowed; for HTTP_WORKER routes */
    struct budget
        *body_budget;    /* request bodies in flight; exceeded: 429 with Retry-After; may be NULL */
    struct stats *stats; /* may be NULL */
    /** Called when the headers are there, before the body is accepted, on the event thread; NULL: none.
     * @return 0 to go on; anything else when it has answered itself (http_respond_*). */
    int (*guard)(void *arg, struct http_exchange *x, const struct http_route *route);
    void *guard_arg;
    /** Writes the body of an error answer (404, 405, 413, ... and http_respond_error()); NULL: the JSON form
     * {"status":"error","errorType":...,"error":...}. */
    void (*error_body)(void *arg, int status, const struct err *e, struct buf *dst,
                       const char **ret_content_type);
    void *error_arg;
};

/** Routes must be added before http_server_start(); the array is copied, strings borrowed (constants). */
struct http_server *http_server_new(const struct http_server_opts *opts);
void http_server_route(struct http_server *s, const struct http_route *routes, size_t n);
/** Bind and serve. @return 0, -ERR_INVALID (address), -ERR_EXISTS (port in use), -ERR_IO (certificate) */
NODISCARD int http_server_start(struct http_server *s, struct err *reterr);
/** "127.0.0.1:7800" with the real port; valid until free. */
const char *http_server_address(const struct http_server *s);
/** Stop accepting, end streams, wait for running handlers at most `grace_ms`. Idempotent. */
void http_server_stop(struct http_server *s, int64_t grace_ms);
void http_server_free(struct http_server *s);

/* The request; all slices live until the response is given. */
struct str http_method(const struct http_exchange *x);
struct str http_path(const struct http_exchange *x); /* decoded */
struct str http_path_param(const struct http_exchange *x,
                           const char *name); /* decoded; empty if none */
struct str http_header(const struct http_exchange *x, const char *name); /* case-insensitive */
struct str http_cookie(const struct http_exchange *x, const char *name);
struct str http_body(const struct http_exchange *x);
/** Parameters of the URL's query and, for application/x-www-form-urlencoded POSTs, of the body; decoded. */
struct str http_param(const struct http_exchange *x, const char *name); /* first, or empty */
bool http_has_param(const struct http_exchange *x, const char *name);
/** i-th value of a repeated parameter; false when there are fewer. */
bool http_param_at(const struct http_exchange *x, const char *name, size_t i, struct str *ret);
struct str http_peer(const struct http_exchange *x); /* IP address text */
bool http_is_tls(const struct http_exchange *x);
/** Memory for the handler, freed with the exchange; 64 MiB budget. */
struct arena *http_arena(struct http_exchange *x);
/** True once the client has gone: long handlers stop. Use as struct cancel: */
struct cancel *http_cancel(struct http_exchange *x);
/** One pointer for the guard to pass on (e.g. the authenticated identity); lives in the arena. */
void http_set_user(struct http_exchange *x, void *user);
void *http_user(const struct http_exchange *x);

/* The response: headers first, then exactly one of http_respond*(). */
void http_set_header(struct http_exchange *x, const char *name, const char *value); /* copied */
/** `body` is copied unless given by _take (moved out of the buffer). Adds gzip when the client accepts it,
 * the type is text/JSON and it is over 1 KiB. */
void http_respond(struct http_exchange *x, int status, const char *content_type, struct str body);
void http_respond_take(struct http_exchange *x, int status, const char *content_type,
                       struct buf *body);
/** Body that outlives the server (assets), already gzip-compressed when `gz`. */
void http_respond_static(struct http_exchange *x, int status, const char *content_type,
                         struct str body, bool gz);

/** A body made piece by piece while it is sent, so that a large answer is never whole in memory. */
struct http_source {
    /** Append the next piece to dst, which has room for HTTP_SOURCE_PIECE_MAX bytes; nothing: the end. Runs on an
     * event thread, one call at a time, so pieces of about 64 KiB that take a millisecond are right.
     * @return 0, or -ERR_x: the connection is cut, which the client sees as an incomplete body */
    int (*next)(void *arg, struct buf *dst);
    void (*free)(void *arg); /* once, whatever happens; may be NULL */
    void *arg;
};

enum { HTTP_SOURCE_PIECE_MAX = 64 << 20 };

/** `source` is copied; its free() is the server's from now on. Packed with gzip when the client accepts it. */
void http_respond_source(struct http_exchange *x, int status, const char *content_type,
                         const struct http_source *source);
/** In the form of error_body; the status comes from the code; 429 and 503 get Retry-After. */
void http_respond_error(struct http_exchange *x, const struct err *e);
void http_respond_errorf(struct http_exchange *x, enum err_code code, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/** A long-lived response body. Thread-safe; owned by the caller until http_stream_end(). */
struct http_stream;
/** Answer 200 and keep the connection for writing. `queue_max` bytes may wait for a slow reader. */
struct http_stream *http_respond_stream(struct http_exchange *x, const char *content_type,
                                        size_t queue_max);
/** Never blocks. @return 0; -ERR_OVERLOAD when the queue is full (nothing of it is sent); -ERR_CANCELED
 * when the client has gone or the server stops */
NODISCARD int http_stream_write(struct http_stream *s, struct str data);
/** Send what is queued and close; the handle is gone. */
void http_stream_end(struct http_stream *s);

/** A connection that left HTTP. Used by the thread that runs it. */
struct http_socket;
/** Answer 101 and give the connection to `run` on a thread of its own; it is closed when that returns, and read as
 * closed when the server stops. `release` is called once, whatever happens. */
void http_respond_upgrade(struct http_exchange *x, const char *protocol,
                          void (*run)(void *arg, struct http_socket *socket),
                          void (*release)(void *arg), void *arg);
/** @return bytes read; 0: the time is up; -ERR_CANCELED: the connection is over */
NODISCARD int64_t http_socket_read(struct http_socket *k, char *dst, size_t n, int64_t timeout_ms);
/** All of it. @return 0; -ERR_CANCELED: the connection is over, or the time was up (then too) */
NODISCARD int http_socket_write(struct http_socket *k, struct str data, int64_t timeout_ms);

#endif
