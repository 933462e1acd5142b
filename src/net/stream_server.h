/* SPDX-License-Identifier: Apache-2.0
 *
 * A door for protocols of their own over TCP or TLS (syslog, Fluent forward), on libuv: one thread owns all
 * connections, keeps what has come of an unfinished message within a budget, and stops reading while the consumer
 * cannot take more, so that the sender waits instead of losing data.
 */
#ifndef NET_STREAM_SERVER_H
#define NET_STREAM_SERVER_H

#include "base/budget.h"
#include "base/buf.h"
#include "base/stats.h"

struct err;
struct stream_server;

struct stream_input {
    struct str data; /* what has come and was not taken */
    struct str peer; /* IP address text */
    bool end;        /* nothing more will come: what is not taken now is thrown away */
    struct buf *out; /* bytes to send are appended here; also on failure */
};

/** What a protocol does. All are called on the server's thread, and may write to the store. */
struct stream_protocol {
    /** A connection begins. `out` as in stream_input. @return its state; NULL: refused */
    void *(*open)(void *arg, struct buf *out);
    /** It is over. */
    void (*close)(void *arg, void *conn);
    /** Bytes are there; called until nothing is taken.
     * @return bytes taken, 0: more are needed; -ERR_OVERLOAD: try again later, nothing was taken; another error
     *         ends the connection when `out` is sent */
    int64_t (*take)(void *arg, void *conn, const struct stream_input *in);
    void *arg;
};

struct stream_server_opts {
    const char *name;     /* `door` of statistics and logs */
    const char *address;  /* "127.0.0.1:5514"; port 0 takes a free one */
    const char *tls_cert; /* PEM; NULL: plain */
    const char *tls_key;
    const char *tls_client_ca; /* PEM; clients must have a certificate of theirs; NULL: no */
    unsigned max_connections;  /* default 1024; more are closed at once */
    unsigned idle_timeout_s;   /* without a byte; default 3600 */
    unsigned
        message_timeout_s; /* a message that stays unfinished, plus 1 s per 16 KiB; default 60 */
    size_t
        buffer_max; /* bytes of an unfinished message; default 64 MiB; more ends the connection */
    struct budget *budget; /* of all unfinished messages; full: reading waits; may be NULL */
    struct stats *stats;
    struct stream_protocol protocol;
};

struct stream_server *stream_server_new(const struct stream_server_opts *opts);
/** @return 0, -ERR_INVALID (address), -ERR_EXISTS (port in use), -ERR_IO (certificate), -ERR_UNAVAILABLE */
NODISCARD int stream_server_start(struct stream_server *s, struct err *reterr);
/** "127.0.0.1:5514" with the real port; valid until free. */
const char *stream_server_address(const struct stream_server *s);
/** Stop accepting and reading, send what is to be sent at most grace_ms, close. Idempotent. */
void stream_server_stop(struct stream_server *s, int64_t grace_ms);
/** NULL is fine. */
void stream_server_free(struct stream_server *s);

#endif
