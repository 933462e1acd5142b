/* SPDX-License-Identifier: Apache-2.0
 *
 * A small gRPC client on nghttp2 for the tests: blocking, one connection, every call's result kept.
 */
#ifndef NET_TESTS_GRPC_CLIENT_H
#define NET_TESTS_GRPC_CLIENT_H

#include <nghttp2/nghttp2.h>

#include "net_test.h"

struct grpc_result {
    int32_t id;
    char http_status[8];
    char status[8]; /* grpc-status */
    char message[512];
    char details[1024];
    char accept[64];
    struct buf body;
    struct str request; /* what is left to send */
    bool hold;          /* keep the stream open after the request */
    bool done;
    uint32_t reset; /* error code of the stream's end */
};

struct grpc_client {
    int fd;
    nghttp2_session *h2;
    size_t chunk; /* send at most so many bytes at once; 0: all */
    bool goaway;
    uint32_t goaway_code;
};

static inline void gc_keep(char *dst, size_t size, const uint8_t *value, size_t n)
{
    n = n < size - 1 ? n : size - 1;
    memcpy(dst, value, n);
    dst[n] = '\0';
}

static inline int gc_on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                               size_t name_n, const uint8_t *value, size_t n, uint8_t flags,
                               void *user)
{
    struct grpc_result *r = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    struct str key = str_of((const char *)name, name_n);

    (void)flags;
    (void)user;
    if (r == NULL) {
        return 0;
    }
    if (str_eq(key, STR(":status"))) {
        gc_keep(r->http_status, sizeof(r->http_status), value, n);
    } else if (str_eq(key, STR("grpc-status"))) {
        gc_keep(r->status, sizeof(r->status), value, n);
    } else if (str_eq(key, STR("grpc-message"))) {
        gc_keep(r->message, sizeof(r->message), value, n);
    } else if (str_eq(key, STR("grpc-status-details-bin"))) {
        gc_keep(r->details, sizeof(r->details), value, n);
    } else if (str_eq(key, STR("grpc-accept-encoding"))) {
        gc_keep(r->accept, sizeof(r->accept), value, n);
    }
    return 0;
}

static inline int gc_on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *data,
                             size_t n, void *user)
{
    struct grpc_result *r = nghttp2_session_get_stream_user_data(h2, id);

    (void)flags;
    (void)user;
    if (r != NULL) {
        buf_add(&r->body, data, n);
    }
    return 0;
}

static inline int gc_on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *user)
{
    struct grpc_result *r = nghttp2_session_get_stream_user_data(h2, id);

    (void)user;
    if (r != NULL) {
        r->done = true;
        r->reset = code;
    }
    return 0;
}

static inline int gc_on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user)
{
    struct grpc_client *c = user;

    (void)h2;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        c->goaway = true;
        c->goaway_code = frame->goaway.error_code;
    }
    return 0;
}

static inline void gc_open(struct grpc_client *c, const char *address)
{
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 16 << 20};
    nghttp2_session_callbacks *cb;

    *c = (struct grpc_client){.fd = net_dial(address)};
    nghttp2_session_callbacks_new(&cb);
    nghttp2_session_callbacks_set_on_header_callback(cb, gc_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, gc_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, gc_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, gc_on_frame);
    assert_int_equal(nghttp2_session_client_new(&c->h2, cb, c), 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, &window, 1);
}

static inline void gc_close(struct grpc_client *c)
{
    nghttp2_session_del(c->h2);
    close(c->fd);
}

static inline ssize_t gc_read_request(nghttp2_session *h2, int32_t id, uint8_t *dst, size_t max,
                                      uint32_t *flags, nghttp2_data_source *source, void *user)
{
    struct grpc_result *r = source->ptr;
    size_t n = r->request.n < max ? r->request.n : max;

    (void)h2;
    (void)id;
    (void)user;
    memcpy(dst, n != 0 ? r->request.p : "", n);
    r->request = str_drop(r->request, n);
    if (r->request.n == 0) {
        if (r->hold && n == 0) {
            return NGHTTP2_ERR_DEFERRED;
        }
        *flags |= r->hold ? 0 : NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* `extra`: "name", "value" pairs, NULL-terminated; a pair with a known name replaces the default, an empty
 * value leaves it out. */
static inline void gc_start(struct grpc_client *c, struct grpc_result *r, const char *path,
                            const char *const *extra, struct str body, bool hold)
{
    const char *base[][2] = {{":method", "POST"},
                             {":scheme", "http"},
                             {":path", path},
                             {":authority", "test"},
                             {"content-type", "application/grpc"},
                             {"te", "trailers"}};
    nghttp2_data_provider data = {.source.ptr = r, .read_callback = gc_read_request};
    nghttp2_nv nv[64];
    size_t n = 0;

    *r = (struct grpc_result){.request = body, .hold = hold};
    buf_init(&r->body, 64 << 20);
    for (size_t i = 0; i < ARRAY_LEN(base); i++) {
        for (size_t k = 0; extra != NULL && extra[k] != NULL; k += 2) {
            base[i][1] = strcmp(extra[k], base[i][0]) == 0 ? extra[k + 1] : base[i][1];
        }
        if (base[i][1][0] != '\0') {
            nv[n++] =
                (nghttp2_nv){(uint8_t *)(uintptr_t)base[i][0], (uint8_t *)(uintptr_t)base[i][1],
                             strlen(base[i][0]), strlen(base[i][1]), 0};
        }
    }
    for (size_t k = 0; extra != NULL && extra[k] != NULL; k += 2) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_LEN(base); i++) {
            known = known || strcmp(extra[k], base[i][0]) == 0;
        }
        if (!known) {
            nv[n++] =
                (nghttp2_nv){(uint8_t *)(uintptr_t)extra[k], (uint8_t *)(uintptr_t)extra[k + 1],
                             strlen(extra[k]), strlen(extra[k + 1]), 0};
        }
    }
    r->id = nghttp2_submit_request(c->h2, NULL, nv, n, body.n != 0 || hold ? &data : NULL, r);
    assert_true(r->id > 0);
}

/* Send what is queued. False when the server has closed. */
static inline bool gc_flush(struct grpc_client *c)
{
    const uint8_t *p;
    ssize_t n;

    while ((n = nghttp2_session_mem_send(c->h2, &p)) > 0) {
        size_t step = c->chunk != 0 ? c->chunk : (size_t)n;

        for (ssize_t i = 0; i < n; i += (ssize_t)step) {
            if (!net_send(c->fd, str_of((const char *)p + i,
                                        (size_t)(n - i) < step ? (size_t)(n - i) : step))) {
                return false;
            }
        }
    }
    return true;
}

/* One round of reading. 0 at the end, -1 when nothing came in time. */
static inline int gc_read(struct grpc_client *c, int64_t wait_ms)
{
    struct buf b;
    int n;

    buf_init(&b, 1 << 20);
    n = net_recv(c->fd, &b, wait_ms);
    if (n > 0 && nghttp2_session_mem_recv(c->h2, (const uint8_t *)b.data, b.n) < 0) {
        n = 0;
    }
    buf_done(&b);
    return n;
}

static inline void gc_wait(struct grpc_client *c, struct grpc_result *r)
{
    while (!r->done) {
        ignore_result(gc_flush(c), "what the server still sends is read");
        if (gc_read(c, NET_TEST_WAIT_MS) <= 0) {
            return;
        }
    }
}

static inline void gc_call(struct grpc_client *c, struct grpc_result *r, const char *path,
                           const char *const *extra, struct str body)
{
    gc_start(c, r, path, extra, body, false);
    gc_wait(c, r);
}

static inline void gc_result_done(struct grpc_result *r)
{
    buf_done(&r->body);
}

/* A framed message; release with buf_done(). */
static inline struct buf gc_frame(uint8_t flag, uint32_t announced, struct str message)
{
    const uint8_t prefix[5] = {flag, (uint8_t)(announced >> 24), (uint8_t)(announced >> 16),
                               (uint8_t)(announced >> 8), (uint8_t)announced};
    struct buf b;

    buf_init(&b, 64 << 20);
    buf_add(&b, prefix, sizeof(prefix));
    buf_add_str(&b, message);
    return b;
}

#endif
