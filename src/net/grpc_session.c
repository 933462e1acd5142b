/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/2 and gRPC without sockets: nghttp2 parses, this file checks requests, bounds what a peer may cost
 * and writes answers. Invariant: every open stream has at most one call in the session's list; a call with
 * a worker leaves the list only through grpc_session_answer() or by losing its session.
 */
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"
#include "net/grpc_internal.h"

struct grpc_session {
    nghttp2_session *h2; /* owned */
    const struct grpc_ctx *ctx;
    void *owner;
    struct grpc_call *calls;
    size_t open; /* calls not answered yet */
    char peer[NET_ADDRESS_SIZE];
    bool calm; /* told to go away for flooding */
    struct mono window_start;
    unsigned resets; /* in this window */
    unsigned junk;
    unsigned started;
};

static nghttp2_nv header(const char *name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.p, strlen(name),
                        value.n, NGHTTP2_NV_FLAG_NONE};
}

/* Floods: what a peer costs without asking for work. */

static void end_for_flood(struct grpc_session *s)
{
    if (!s->calm) {
        s->calm = true;
        s->ctx->rejected(s->ctx->arg, "flood");
        ignore_result(nghttp2_session_terminate_session(s->h2, NGHTTP2_ENHANCE_YOUR_CALM),
                      "out of memory ends the session as well");
    }
}

static void window_roll(struct grpc_session *s)
{
    if (mono_since_ns(s->window_start) > (int64_t)GRPC_WINDOW_MS * 1000000) {
        s->window_start = clock_mono();
        s->resets = s->junk = s->started = 0;
    }
}

static void count_reset(struct grpc_session *s)
{
    window_roll(s);
    if (++s->resets > GRPC_RESETS_MAX) {
        end_for_flood(s);
    }
}

static void count_junk(struct grpc_session *s)
{
    window_roll(s);
    if (++s->junk > GRPC_JUNK_MAX + 2 * s->started) {
        end_for_flood(s);
    }
}

/* Calls. */

static void link_call(struct grpc_session *s, struct grpc_call *c)
{
    c->session = s;
    c->next = s->calls;
    if (c->next != NULL) {
        c->next->prev = c;
    }
    s->calls = c;
    s->open++;
}

static void unlink_call(struct grpc_call *c)
{
    struct grpc_session *s = c->session;

    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        s->calls = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    }
    c->prev = c->next = NULL;
    c->session = NULL;
}

/* The stream is gone. A running call stays with its worker. */
static void drop_call(struct grpc_call *c)
{
    struct grpc_session *s = c->session;
    bool running = c->state == CALL_RUNNING;

    if (c->state != CALL_ANSWERED) {
        s->open--;
        s->ctx->ended(s->ctx->arg, err_grpc_code(ERR_CANCELED), mono_since_ns(c->since));
    }
    unlink_call(c);
    if (running) {
        cancel_set(&c->cancel);
    } else {
        grpc_call_free(c);
    }
}

/* Answers. */

static ssize_t read_reply(nghttp2_session *h2, int32_t stream_id, uint8_t *dst, size_t max,
                          uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct grpc_call *c = source->ptr;
    size_t n = c->reply.n - c->reply_sent;

    (void)user;
    n = n < max ? n : max;
    memcpy(dst, c->reply.data + c->reply_sent, n);
    c->reply_sent += n;
    if (c->reply_sent == c->reply.n) {
        nghttp2_nv trailers[] = {header("grpc-status", STR("0"))};

        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(h2, stream_id, trailers, ARRAY_LEN(trailers)) != 0) {
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
        }
    }
    return (ssize_t)n;
}

static int submit_success(struct grpc_call *c)
{
    nghttp2_nv headers[] = {header(":status", STR("200")),
                            header("content-type", STR("application/grpc"))};
    nghttp2_data_provider body = {.source.ptr = c, .read_callback = read_reply};

    return nghttp2_submit_response(c->session->h2, c->stream_id, headers, ARRAY_LEN(headers),
                                   &body);
}

/* Trailers only: one HEADERS frame that ends the stream. */
static int submit_failure(struct grpc_call *c)
{
    struct buf message CLEANUP(buf_done) = {0};
    struct buf details CLEANUP(buf_done) = {0};
    int code = err_grpc_code(c->error.code);
    nghttp2_nv headers[6];
    size_t n = 0;
    char number[16];

    snprintf(number, sizeof(number), "%d", code);
    buf_init(&message, 4096);
    buf_init(&details, 4096);
    grpc_percent_encode(str_cstr(c->error.msg), &message);
    headers[n++] = header(":status", STR("200"));
    headers[n++] = header("content-type", STR("application/grpc"));
    headers[n++] = header("grpc-status", str_cstr(number));
    if (buf_status(&message) == 0 && message.n != 0) {
        headers[n++] = header("grpc-message", buf_str(&message));
    }
    if (c->error.code == ERR_UNSUPPORTED) {
        headers[n++] = header("grpc-accept-encoding", STR("identity,gzip"));
    }
    if (c->retry_ms > 0) {
        grpc_status_details(code, str_cstr(c->error.msg), c->retry_ms, &details);
        if (buf_status(&details) == 0 && details.n != 0) {
            headers[n++] = header("grpc-status-details-bin", buf_str(&details));
        }
    }
    return nghttp2_submit_response(c->session->h2, c->stream_id, headers, n, NULL);
}

static void answered(struct grpc_call *c, int code)
{
    struct grpc_session *s = c->session;

    c->state = CALL_ANSWERED;
    s->open--;
    s->ctx->ended(s->ctx->arg, code, mono_since_ns(c->since));
    grpc_call_release_request(c);
}

void grpc_session_answer(struct grpc_call *c)
{
    struct grpc_session *s = c->session;
    int rc;

    if (s == NULL) {
        grpc_call_free(c);
        return;
    }
    rc = c->error.code == 0 ? submit_success(c) : submit_failure(c);
    answered(c, c->error.code != 0 ? err_grpc_code(c->error.code) : 0);
    if (rc != 0) {
        ignore_result(nghttp2_submit_rst_stream(s->h2, NGHTTP2_FLAG_NONE, c->stream_id,
                                                NGHTTP2_INTERNAL_ERROR),
                      "nothing more can be done for the stream");
    }
}

static void fail_call(struct grpc_call *c, const struct err *e, int64_t retry_ms)
{
    grpc_fail(c, e, retry_ms);
    grpc_session_answer(c);
}

/* Not a gRPC request: a plain HTTP status. */
static void fail_http(struct grpc_call *c, const char *status)
{
    nghttp2_nv headers[] = {header(":status", str_cstr(status))};

    c->replied = true;
    c->ctx->rejected(c->ctx->arg, "not_grpc");
    ignore_result(
        nghttp2_submit_response(c->session->h2, c->stream_id, headers, ARRAY_LEN(headers), NULL),
        "out of memory: the stream stays open until it times out");
    answered(c, err_grpc_code(ERR_UNSUPPORTED));
}

/* Requests. */

static bool is_grpc(struct str type)
{
    if (!str_starts(type, STR("application/grpc"))) {
        return false;
    }
    type = str_drop(type, sizeof("application/grpc") - 1);
    return type.n == 0 || type.p[0] == ';' || str_eq(type, STR("+proto")) ||
           str_starts(type, STR("+proto;"));
}

static int find_method(struct grpc_call *c, struct err *reterr)
{
    struct str path = grpc_metadata(c, ":path");

    for (size_t i = 0; i < c->ctx->methods_n; i++) {
        if (str_eq(path, str_cstr(c->ctx->methods[i].path))) {
            c->method = &c->ctx->methods[i];
            return 0;
        }
    }
    return err_set(reterr, ERR_UNSUPPORTED, "unknown method %.*s", STR_ARG(str_take(path, 128)));
}

static int check_metadata(struct grpc_call *c, struct err *reterr)
{
    struct str timeout = grpc_metadata(c, "grpc-timeout");
    struct str encoding = grpc_metadata(c, "grpc-encoding");
    int64_t timeout_ms = 0;
    int rc = find_method(c, reterr);

    if (rc < 0) {
        return rc;
    }
    if (timeout.n != 0 && !grpc_timeout_parse(timeout, &timeout_ms)) {
        return err_set(reterr, ERR_INVALID, "broken grpc-timeout '%.*s'",
                       STR_ARG(str_take(timeout, 16)));
    }
    cancel_init(&c->cancel, timeout_ms);
    if (!compression_parse(encoding, &c->compression) ||
        (c->compression != COMPRESS_NONE && c->compression != COMPRESS_GZIP)) {
        return err_set(reterr, ERR_UNSUPPORTED, "grpc-encoding '%.*s' is not supported",
                       STR_ARG(str_take(encoding, 32)));
    }
    if (c->ctx->guard != NULL) {
        rc = c->ctx->guard(c->ctx->guard_arg, c, reterr);
        if (rc < 0) {
            c->ctx->rejected(c->ctx->arg, "guard");
        }
        return rc;
    }
    return 0;
}

static void begin_call(struct grpc_call *c)
{
    struct err e = {0};

    if (!str_eq(grpc_metadata(c, ":method"), STR("POST"))) {
        fail_http(c, "405");
    } else if (!is_grpc(grpc_metadata(c, "content-type"))) {
        fail_http(c, "415");
    } else if (check_metadata(c, &e) < 0) {
        fail_call(c, &e, 0);
    }
}

static void end_of_request(struct grpc_call *c)
{
    struct err e = {0};

    c->remote_closed = true;
    if (c->state != CALL_RECEIVING) {
        return;
    }
    if (grpc_call_complete(c, &e) < 0) {
        fail_call(c, &e, 0);
        return;
    }
    c->state = CALL_RUNNING;
    if (c->ctx->dispatch(c->ctx->arg, c) < 0) {
        c->state = CALL_RECEIVING;
        c->ctx->rejected(c->ctx->arg, "queue_full");
        ignore_result(err_set(&e, ERR_OVERLOAD, "too many calls are waiting"), "answered below");
        fail_call(c, &e, GRPC_RETRY_MS);
    }
}

/* nghttp2's callbacks. */

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    struct grpc_call *c;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    c = grpc_call_new(s->ctx, frame->hd.stream_id, s->peer);
    if (c == NULL) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    link_call(s, c);
    window_roll(s);
    s->started++;
    nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, c);
    return 0;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
    struct grpc_session *s = user;
    struct grpc_call *c = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);

    (void)flags;
    if (c == NULL || s->calm) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (grpc_call_add_metadata(c, str_of((const char *)name, name_n),
                               str_of((const char *)value, value_n)) < 0) {
        s->ctx->rejected(s->ctx->arg, "header_too_large");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    }
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream_id, const uint8_t *data,
                   size_t n, void *user)
{
    struct grpc_call *c = nghttp2_session_get_stream_user_data(h2, stream_id);
    struct err e = {0};

    (void)flags;
    (void)user;
    if (c == NULL || c->state != CALL_RECEIVING) {
        return 0; /* what a client still sends of a refused call */
    }
    if (grpc_call_feed(c, str_of((const char *)data, n), &e) < 0) {
        c->ctx->rejected(c->ctx->arg, e.code == ERR_OVERLOAD    ? "body_budget"
                                      : e.code == ERR_TOO_LARGE ? "message_too_large"
                                                                : "bad_message");
        fail_call(c, &e, e.code == ERR_OVERLOAD ? GRPC_RETRY_MS : 0);
    }
    return 0;
}

/* Frames that ask for no work, also those nghttp2 ignores: priorities, unknown types, ended streams. */
static int on_begin_frame(nghttp2_session *h2, const nghttp2_frame_hd *head, void *user)
{
    bool empty_data = head->type == NGHTTP2_DATA && head->length == 0 &&
                      (head->flags & NGHTTP2_FLAG_END_STREAM) == 0;

    (void)h2;
    if (empty_data || head->type == NGHTTP2_PING || head->type == NGHTTP2_SETTINGS ||
        head->type == NGHTTP2_PRIORITY || head->type > NGHTTP2_CONTINUATION) {
        count_junk(user);
    }
    return 0;
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    struct grpc_call *c = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (c != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            begin_call(c);
        }
        break;
    case NGHTTP2_DATA:
        break;
    case NGHTTP2_RST_STREAM:
        count_reset(s);
        return 0;
    default:
        return 0;
    }
    if (c != NULL && end) {
        end_of_request(c);
    }
    return 0;
}

static int on_sent(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_session *s = user;
    const struct grpc_call *c;

    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
        count_reset(s); /* the peer made us reset it */
    }
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        c = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        if (c != NULL && !c->remote_closed) {
            /* RFC 9113 §8.1: a complete answer asks the client to stop sending. */
            return nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                             NGHTTP2_NO_ERROR) == 0
                       ? 0
                       : NGHTTP2_ERR_CALLBACK_FAILURE;
        }
    }
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t stream_id, uint32_t error_code, void *user)
{
    struct grpc_call *c = nghttp2_session_get_stream_user_data(h2, stream_id);

    (void)error_code;
    (void)user;
    if (c != NULL) {
        nghttp2_session_set_stream_user_data(h2, stream_id, NULL);
        drop_call(c);
    }
    return 0;
}

static int make_h2(struct grpc_session *s)
{
    nghttp2_session_callbacks *cb = NULL;
    nghttp2_option *option = NULL;
    int rc = -1;

    if (nghttp2_session_callbacks_new(&cb) == 0 && nghttp2_option_new(&option) == 0) {
        nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
        nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
        nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
        nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
        nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
        nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
        nghttp2_option_set_max_outbound_ack(option, GRPC_ACKS_MAX);
        nghttp2_option_set_no_closed_streams(option, 1);
        rc = nghttp2_session_server_new2(&s->h2, cb, s, option);
    }
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(option);
    return rc;
}

struct grpc_session *grpc_session_new(const struct grpc_ctx *ctx, const char *peer, void *owner)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, ctx->max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADER_BYTES},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    struct grpc_session *s = mem_try_calloc(1, sizeof(*s));

    if (s == NULL) {
        return NULL;
    }
    s->ctx = ctx;
    s->owner = owner;
    s->window_start = clock_mono();
    memcpy(s->peer, peer, strnlen(peer, sizeof(s->peer) - 1));
    if (make_h2(s) != 0 ||
        nghttp2_submit_settings(s->h2, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) != 0 ||
        nghttp2_session_set_local_window_size(s->h2, NGHTTP2_FLAG_NONE, 0,
                                              GRPC_CONNECTION_WINDOW) != 0) {
        grpc_session_free(s);
        return NULL;
    }
    return s;
}

void *grpc_session_owner(const struct grpc_session *s)
{
    return s->owner;
}

void grpc_session_free(struct grpc_session *s)
{
    if (s == NULL) {
        return;
    }
    nghttp2_session_del(s->h2); /* calls no callbacks */
    while (s->calls != NULL) {
        drop_call(s->calls);
    }
    mem_free(s);
}

int grpc_session_recv(struct grpc_session *s, struct str data)
{
    ssize_t n = nghttp2_session_mem_recv(s->h2, (const uint8_t *)data.p, data.n);

    return n == (ssize_t)data.n ? 0 : -ERR_INVALID;
}

int grpc_session_send(struct grpc_session *s, struct str *ret)
{
    const uint8_t *p = NULL;
    ssize_t n = nghttp2_session_mem_send(s->h2, &p);

    if (n < 0) {
        return -ERR_NOMEM;
    }
    *ret = str_of((const char *)p, (size_t)n);
    return 0;
}

bool grpc_session_finished(const struct grpc_session *s)
{
    return nghttp2_session_want_read(s->h2) == 0 && nghttp2_session_want_write(s->h2) == 0;
}

size_t grpc_session_calls(const struct grpc_session *s)
{
    return s->open;
}

void grpc_session_tick(struct grpc_session *s)
{
    struct grpc_call *next;

    for (struct grpc_call *c = s->calls; c != NULL; c = next) {
        int64_t allowed_ms = (int64_t)GRPC_RECEIVE_TIMEOUT_S * 1000 + (int64_t)c->wire.n;
        struct err e = {0};

        next = c->next;
        if (c->state == CALL_RECEIVING && mono_since_ns(c->since) > allowed_ms * 1000000) {
            s->ctx->rejected(s->ctx->arg, "slow");
            ignore_result(err_set(&e, ERR_TIMEOUT, "the message did not arrive in time"),
                          "answered below");
            fail_call(c, &e, 0);
        }
    }
}

void grpc_session_shutdown(struct grpc_session *s)
{
    ignore_result(nghttp2_submit_goaway(s->h2, NGHTTP2_FLAG_NONE,
                                        nghttp2_session_get_last_proc_stream_id(s->h2),
                                        NGHTTP2_NO_ERROR, NULL, 0),
                  "without memory the connection is closed at the end of the grace");
}
