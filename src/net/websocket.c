/* SPDX-License-Identifier: Apache-2.0
 *
 * See websocket.h. A session belongs to the thread that runs it; nothing of it is shared.
 */
#include "net/websocket.h"

#include <gnutls/crypto.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "codec/base64.h"
#include "net/http_internal.h"

enum { CONTROL_MAX = 125, CLIENT_PAYLOAD_MAX = 64 << 10, SEND_TIMEOUT_MS = 10000, PING_MS = 15000 };

struct websocket {
    struct http_socket *socket;
    struct buf in;
    struct buf out;
    struct mono heard; /* from the client, last */
    struct mono pinged;
    bool fragmented; /* a message of the client goes on */
    bool closed;
};

/* ---- frames ---- */

static uint64_t big_endian(const uint8_t *p, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

int64_t websocket_parse(char *data, size_t n, size_t max, struct websocket_frame *ret)
{
    const uint8_t *p = (const uint8_t *)data;
    uint64_t length;
    size_t head = 2;
    uint8_t opcode;

    if (n < 2) {
        return 0;
    }
    opcode = p[0] & 0x0f;
    length = p[1] & 0x7f;
    /* reserved bits, reserved opcodes, a client that does not mask (5.1, 5.2) */
    if ((p[0] & 0x70) != 0 || (p[1] & 0x80) == 0 || (opcode > 2 && opcode < 8) || opcode > 10) {
        return -ERR_INVALID;
    }
    if (opcode >= 8 && (length > CONTROL_MAX || (p[0] & 0x80) == 0)) {
        return -ERR_INVALID; /* control frames are short and whole (5.5) */
    }
    if (length >= 126) {
        size_t more = length == 126 ? 2 : 8;

        if (n < head + more) {
            return 0;
        }
        length = big_endian(p + head, more);
        head += more;
        if (length < (more == 2 ? 126u : 65536u) || length >> 63 != 0) {
            return -ERR_INVALID; /* the shortest form must be used */
        }
    }
    if (length > max) {
        return -ERR_TOO_LARGE;
    }
    if (n < head + 4 + length) {
        return 0;
    }
    for (uint64_t i = 0; i < length; i++) {
        data[head + 4 + i] = (char)(data[head + 4 + i] ^ data[head + (i & 3)]);
    }
    *ret = (struct websocket_frame){(p[0] & 0x80) != 0, (enum websocket_opcode)opcode,
                                    str_of(data + head + 4, length)};
    return (int64_t)(head + 4 + length);
}

void websocket_frame(struct buf *dst, enum websocket_opcode opcode, struct str payload)
{
    uint64_t n = payload.n;
    size_t bytes = n < 126 ? 0 : n < 65536 ? 2 : 8;

    buf_add_byte(dst, (char)(0x80 | opcode));
    buf_add_byte(dst, (char)(bytes == 0 ? n : bytes == 2 ? 126 : 127));
    for (size_t i = bytes; i > 0; i--) {
        buf_add_byte(dst, (char)(n >> (8 * (i - 1))));
    }
    buf_add_str(dst, payload);
}

bool websocket_accept(struct str key, struct buf *dst)
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    struct buf b CLEANUP(buf_done) = {0};
    char sum[20];
    bool ok;

    buf_init(&b, 256);
    ok = base64_decode(key, &b) && b.n == 16;
    buf_clear(&b);
    buf_add_str(&b, key);
    buf_add_cstr(&b, GUID);
    if (!ok || b.failed || gnutls_hash_fast(GNUTLS_DIG_SHA1, b.data, b.n, sum) != 0) {
        return false;
    }
    base64_encode(str_of(sum, sizeof(sum)), dst);
    return !dst->failed;
}

/* ---- session ---- */

static int send_frame(struct websocket *ws, enum websocket_opcode opcode, struct str payload)
{
    int rc;

    if (ws->closed) {
        return -ERR_CANCELED;
    }
    buf_clear(&ws->out);
    websocket_frame(&ws->out, opcode, payload);
    rc = ws->out.failed ? -ERR_CANCELED
                        : http_socket_write(ws->socket, buf_str(&ws->out), SEND_TIMEOUT_MS);
    ws->closed = ws->closed || rc < 0 || opcode == WEBSOCKET_CLOSE;
    return rc;
}

/* Say why and close (7.4.1). */
static int close_with(struct websocket *ws, unsigned code)
{
    const char payload[2] = {(char)(code >> 8), (char)code};

    ignore_result(send_frame(ws, WEBSOCKET_CLOSE, str_of(payload, sizeof(payload))), "it is over");
    ws->closed = true;
    return -ERR_CANCELED;
}

static int take_frame(struct websocket *ws, const struct websocket_frame *f)
{
    switch (f->opcode) {
    case WEBSOCKET_PING:
        return send_frame(ws, WEBSOCKET_PONG, f->payload);
    case WEBSOCKET_PONG:
        return 0;
    case WEBSOCKET_CLOSE:
        ignore_result(send_frame(ws, WEBSOCKET_CLOSE, str_take(f->payload, 2)),
                      "the client leaves");
        ws->closed = true;
        return -ERR_CANCELED;
    default:
        if ((f->opcode == WEBSOCKET_CONTINUATION) != ws->fragmented) {
            return close_with(ws, 1002);
        }
        ws->fragmented = !f->fin;
        return 0;
    }
}

static int take_input(struct websocket *ws)
{
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && at < ws->in.n) {
        struct websocket_frame f;
        int64_t n = websocket_parse(ws->in.data + at, ws->in.n - at, CLIENT_PAYLOAD_MAX, &f);

        if (n < 0) {
            return close_with(ws, n == -ERR_TOO_LARGE ? 1009 : 1002);
        }
        if (n == 0) {
            break;
        }
        at += (size_t)n;
        rc = take_frame(ws, &f);
    }
    if (at != 0) {
        memmove(ws->in.data, ws->in.data + at, ws->in.n - at);
        ws->in.n -= at;
    }
    return rc;
}

/* A silent client is asked whether it is there. */
static int keep_alive(struct websocket *ws)
{
    int64_t silent_ms = mono_since_ns(ws->heard) / 1000000;

    if (silent_ms > 3 * (int64_t)PING_MS) {
        ws->closed = true;
        return -ERR_CANCELED;
    }
    if (silent_ms > PING_MS && mono_since_ns(ws->pinged) / 1000000 > PING_MS) {
        ws->pinged = clock_mono();
        return send_frame(ws, WEBSOCKET_PING, STR(""));
    }
    return 0;
}

int websocket_wait(struct websocket *ws, int64_t timeout_ms)
{
    char *room;
    int64_t n;

    if (ws->closed) {
        return -ERR_CANCELED;
    }
    room = buf_reserve(&ws->in, 4096);
    if (room == NULL) {
        return close_with(ws, 1009);
    }
    n = http_socket_read(ws->socket, room, 4096, timeout_ms);
    if (n < 0) {
        ws->closed = true;
        return -ERR_CANCELED;
    }
    if (n > 0) {
        ws->in.n += (size_t)n;
        ws->heard = clock_mono();
        return take_input(ws);
    }
    return keep_alive(ws);
}

int websocket_send(struct websocket *ws, struct str text)
{
    return send_frame(ws, WEBSOCKET_TEXT, text);
}

/* ---- handshake ---- */

static void run(void *arg, struct http_socket *socket)
{
    struct websocket_handler *h = arg;
    struct websocket ws = {.socket = socket, .heard = clock_mono(), .pinged = clock_mono()};

    buf_init(&ws.in, CLIENT_PAYLOAD_MAX + 8192);
    buf_init(&ws.out, 64 << 20);
    h->run(h->arg, &ws);
    if (!ws.closed) {
        close_with(&ws, 1001);
    }
    buf_done(&ws.in);
    buf_done(&ws.out);
}

static void release(void *arg)
{
    struct websocket_handler *h = arg;

    h->free(h->arg);
    mem_free(h);
}

static bool lists(struct str header, struct str token)
{
    struct str part;

    while (str_split(&header, ',', &part)) {
        if (str_eq_nocase(str_trim(part), token)) {
            return true;
        }
    }
    return false;
}

void websocket_respond(struct http_exchange *x, const struct websocket_handler *h)
{
    struct websocket_handler *mine;
    struct buf accept;
    struct err e = {0};

    if (!str_eq_nocase(str_trim(http_header(x, "Upgrade")), STR("websocket")) ||
        !lists(http_header(x, "Connection"), STR("Upgrade")) ||
        !str_eq(str_trim(http_header(x, "Sec-WebSocket-Version")), STR("13"))) {
        http_set_header(x, "Upgrade", "websocket");
        http_set_header(x, "Sec-WebSocket-Version", "13");
        ignore_result(err_set(&e, ERR_INVALID, "this is a WebSocket (version 13)"), "answered");
        respond_status(x, 426, &e);
        h->free(h->arg);
        return;
    }
    buf_init(&accept, 64);
    if (!websocket_accept(str_trim(http_header(x, "Sec-WebSocket-Key")), &accept)) {
        http_respond_errorf(x, ERR_INVALID, "Sec-WebSocket-Key is not 16 bytes in base64");
        h->free(h->arg);
    } else {
        buf_add_byte(&accept, '\0');
        http_set_header(x, "Sec-WebSocket-Accept", accept.data);
        mine = mem_xcalloc(1, sizeof(*mine));
        *mine = *h;
        http_respond_upgrade(x, "websocket", run, release, mine);
    }
    buf_done(&accept);
}
