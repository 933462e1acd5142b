/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's side of WebSocket (RFC 6455), without extensions: handshake, frames, and a session that answers pings
 * and closes by the rules. Messages of clients are read and dropped: our doors only send.
 */
#ifndef NET_WEBSOCKET_H
#define NET_WEBSOCKET_H

#include "net/http_server.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0,
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_BINARY = 2,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

struct websocket_frame {
    bool fin;
    enum websocket_opcode opcode;
    struct str payload; /* unmasked in place */
};

/** The frame of a client at the front of data[n], with at most `max` bytes of payload.
 * @return its bytes; 0: it is not complete yet; -ERR_INVALID: against the protocol; -ERR_TOO_LARGE */
NODISCARD int64_t websocket_parse(char *data, size_t n, size_t max, struct websocket_frame *ret);
/** Append a frame of the server (final, not masked). */
void websocket_frame(struct buf *dst, enum websocket_opcode opcode, struct str payload);
/** Append Sec-WebSocket-Accept for a Sec-WebSocket-Key. @return false: it is no key */
NODISCARD bool websocket_accept(struct str key, struct buf *dst);

struct websocket;

struct websocket_handler {
    /** On a thread of its own; the connection is closed when it returns. */
    void (*run)(void *arg, struct websocket *ws);
    void (*free)(void *arg); /* once, whatever happens */
    void *arg;
};

/** Answer a handshake, or say what it lacks (400, 426). `h` is copied. */
void websocket_respond(struct http_exchange *x, const struct websocket_handler *h);
/** A text message. @return 0; -ERR_CANCELED: the client left or reads too slowly */
NODISCARD int websocket_send(struct websocket *ws, struct str text);
/** Look after the connection for at most so long. @return 0; -ERR_CANCELED: it is over */
NODISCARD int websocket_wait(struct websocket *ws, int64_t timeout_ms);

#endif
