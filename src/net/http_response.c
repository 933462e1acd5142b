/* SPDX-License-Identifier: Apache-2.0
 *
 * The response side of an exchange: a handler sets headers and one body here, on any thread; the event
 * thread hands it to microhttpd. Invariant: the first http_respond*() counts, later ones are dropped.
 */
#include <gnutls/gnutls.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/log.h"
#include "codec/compress.h"
#include "codec/json_write.h"
#include "net/http_internal.h"

void http_set_header(struct http_exchange *x, const char *name, const char *value)
{
    struct response_header *h = arena_new(&x->arena, struct response_header);
    struct str name_copy = arena_printf(&x->arena, "%s", name);
    struct str value_copy = arena_printf(&x->arena, "%s", value);

    if (h == NULL || name_copy.p == NULL || value_copy.p == NULL) {
        return; /* the arena is used up: the answer goes without */
    }
    *h = (struct response_header){name_copy.p, value_copy.p, x->headers};
    x->headers = h;
}

static bool has_header(const struct http_exchange *x, const char *name)
{
    for (const struct response_header *h = x->headers; h != NULL; h = h->next) {
        if (str_eq_nocase(str_cstr(h->name), str_cstr(name))) {
            return true;
        }
    }
    return false;
}

static bool first_response(struct http_exchange *x)
{
    if (x->responded) {
        log_warn("net", "second response dropped", L_CSTR("door", x->s->opts.name),
                 L_STR("path", x->path));
        return false;
    }
    x->responded = true;
    return true;
}

/* The type without parameters is text, JSON or a relative. */
static bool compressible(const char *content_type)
{
    static const char *const TYPES[] = {
        "application/json",
        "application/javascript",
        "application/xml",
        "application/yaml",
        "application/openmetrics-text",
        "application/manifest+json",
        "application/problem+json",
        "image/svg+xml",
    };
    struct str type = str_cstr(content_type);
    int64_t semicolon = str_find_byte(type, ';');

    type = str_trim(semicolon >= 0 ? str_take(type, (size_t)semicolon) : type);
    if (str_starts(type, STR("text/")) && !str_eq(type, STR("text/event-stream"))) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++) {
        if (str_eq(type, str_cstr(TYPES[i]))) {
            return true;
        }
    }
    return false;
}

/* RFC 9110 §12.5.3: gzip or "*" is listed with a weight other than 0. */
static bool accepts_gzip(const struct http_exchange *x)
{
    struct str rest = http_header(x, "Accept-Encoding");
    struct str part;
    bool any = false;

    while (str_split(&rest, ',', &part)) {
        int64_t semicolon = str_find_byte(part, ';');
        struct str name = str_trim(semicolon >= 0 ? str_take(part, (size_t)semicolon) : part);
        struct str q =
            str_trim(semicolon >= 0 ? str_drop(part, (size_t)semicolon + 1) : STR("q=1"));
        double weight = 0;
        bool wanted = str_starts(q, STR("q=")) && str_to_f64(str_drop(q, 2), &weight) && weight > 0;

        if (str_eq_nocase(name, STR("gzip")) || str_eq_nocase(name, STR("x-gzip"))) {
            return wanted;
        }
        any = any || (str_eq(name, STR("*")) && wanted);
    }
    return any;
}

static void set_type(struct http_exchange *x, int status, const char *content_type)
{
    x->status = status;
    x->content_type = content_type != NULL ? arena_printf(&x->arena, "%s", content_type).p : NULL;
}

void http_respond_take(struct http_exchange *x, int status, const char *content_type,
                       struct buf *body)
{
    struct buf mine = *body;

    *body = (struct buf){.max = mine.max};
    if (!first_response(x)) {
        buf_done(&mine);
        return;
    }
    set_type(x, status, content_type);
    x->vary = content_type != NULL && compressible(content_type);
    if (x->vary && mine.n >= HTTP_GZIP_MIN && accepts_gzip(x)) {
        struct buf packed;

        buf_init(&packed, mine.n); /* larger than the original: not worth it */
        if (compress_to(COMPRESS_GZIP, buf_str(&mine), 1, &packed, NULL) == 0) {
            buf_done(&mine);
            mine = packed;
            x->encoding = "gzip";
        } else {
            buf_done(&packed);
        }
    }
    x->out = mine;
}

void http_respond(struct http_exchange *x, int status, const char *content_type, struct str body)
{
    struct buf copy;

    buf_init(&copy, body.n);
    buf_add_str(&copy, body);
    if (buf_status(&copy) < 0) {
        buf_done(&copy);
        http_respond_errorf(x, ERR_NOMEM, "no memory for the answer");
        return;
    }
    http_respond_take(x, status, content_type, &copy);
}

void http_respond_static(struct http_exchange *x, int status, const char *content_type,
                         struct str body, bool gz)
{
    struct buf plain;

    if (gz && !accepts_gzip(x)) {
        buf_init(&plain, HTTP_ARENA_BUDGET);
        if (decompress(COMPRESS_GZIP, body, &plain, NULL) < 0) {
            buf_done(&plain);
            http_respond_errorf(x, ERR_INTERNAL, "cannot decompress the answer");
            return;
        }
        http_respond_take(x, status, content_type, &plain);
        x->vary = true;
        return;
    }
    if (!first_response(x)) {
        return;
    }
    set_type(x, status, content_type);
    x->vary = gz;
    x->encoding = gz ? "gzip" : NULL;
    x->out_const = body;
    x->is_const = true;
}

void http_respond_source(struct http_exchange *x, int status, const char *content_type,
                         const struct http_source *source)
{
    bool packed = compressible(content_type) && accepts_gzip(x);

    if (!first_response(x)) {
        if (source->free != NULL) {
            source->free(source->arg);
        }
        return;
    }
    x->source = source_new(x, source, packed);
    if (x->source == NULL) {
        x->responded = false;
        http_respond_errorf(x, ERR_NOMEM, "no memory for the answer");
        return;
    }
    set_type(x, status, content_type);
    x->vary = compressible(content_type);
    x->encoding = packed ? "gzip" : NULL;
}

static void default_error_body(const struct err *e, struct buf *dst)
{
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "status");
    json_cstr(&w, "error");
    json_key(&w, "errorType");
    json_cstr(&w, err_prom_type(e->code));
    json_key(&w, "error");
    json_cstr(&w, e->msg[0] != '\0' ? e->msg : err_text(e->code));
    json_object_end(&w);
}

void respond_status(struct http_exchange *x, int status, const struct err *e)
{
    const char *type = "application/json";
    char seconds[16];
    struct buf body;

    buf_init(&body, 64 << 10);
    if (x->s->opts.error_body != NULL) {
        x->s->opts.error_body(x->s->opts.error_arg, status, e, &body, &type);
    } else {
        default_error_body(e, &body);
    }
    if (buf_status(&body) < 0) {
        buf_clear(&body);
    }
    if ((status == 429 || status == 503) && !has_header(x, "Retry-After")) {
        snprintf(seconds, sizeof(seconds), "%d", HTTP_RETRY_AFTER_S);
        http_set_header(x, "Retry-After", seconds);
    }
    http_respond_take(x, status, type, &body);
}

void http_respond_error(struct http_exchange *x, const struct err *e)
{
    respond_status(x, err_http_status(e->code), e);
}

static void format_message(struct err *e, const char *fmt, va_list args)
{
    vsnprintf(e->msg, sizeof(e->msg), fmt, args);
}

void http_respond_errorf(struct http_exchange *x, enum err_code code, const char *fmt, ...)
{
    struct err e = {.code = (int)code};
    va_list args;

    va_start(args, fmt);
    format_message(&e, fmt, args);
    va_end(args);
    http_respond_error(x, &e);
}

void reject_count(struct http_server *s, const char *reason)
{
    char labels[128];

    snprintf(labels, sizeof(labels), "door=\"%s\",reason=\"%s\"", s->opts.name, reason);
    counter_add(stats_counter(s->opts.stats, "bongsu_http_rejected_total", labels,
                              "Requests refused before or instead of their handler."),
                1);
}

static void count_answer(struct http_exchange *x)
{
    struct http_server *s = x->s;
    size_t i = (size_t)x->status < ARRAY_LEN(s->by_code) ? (size_t)x->status : 0;
    struct counter *c = atomic_load_explicit(&s->by_code[i], memory_order_acquire);

    if (c == NULL) {
        char labels[96];

        snprintf(labels, sizeof(labels), "door=\"%s\",code=\"%d\"", s->opts.name, x->status);
        c = stats_counter(s->opts.stats, "bongsu_http_requests_total", labels,
                          "Answered HTTP requests.");
        atomic_store_explicit(&s->by_code[i], c, memory_order_release);
    }
    counter_add(c, 1);
    if (x->stream == NULL && x->upgrade == NULL) {
        timing_observe_ns(s->seconds, mono_since_ns(x->started));
    }
}

static struct MHD_Response *make_response(struct http_exchange *x)
{
    struct MHD_Response *r;

    if (x->stream != NULL) {
        return stream_response(x->stream);
    }
    if (x->upgrade != NULL) {
        return upgrade_response(x->upgrade);
    }
    if (x->source != NULL) {
        r = source_response(x->source);
        x->source = r != NULL ? NULL : x->source; /* microhttpd frees it */
        return r;
    }
    if (x->is_const) {
        return MHD_create_response_from_buffer(x->out_const.n, (void *)(uintptr_t)x->out_const.p,
                                               MHD_RESPMEM_PERSISTENT);
    }
    r = MHD_create_response_from_buffer_with_free_callback(x->out.n, x->out.data, mem_free);
    if (r != NULL) {
        x->out = (struct buf){0}; /* microhttpd frees it */
    }
    return r;
}

static void add_header(struct http_exchange *x, struct MHD_Response *r, const char *name,
                       const char *value)
{
    if (MHD_add_response_header(r, name, value) != MHD_YES) {
        log_warn("net", "response header refused", L_CSTR("door", x->s->opts.name),
                 L_CSTR("header", name));
    }
}

enum MHD_Result response_send(struct http_exchange *x)
{
    struct conn *c = x->conn;
    struct MHD_Response *r = make_response(x);
    enum MHD_Result rc;
    bool drained;

    if (r == NULL) {
        return MHD_NO;
    }
    x->sent = true;
    if (x->content_type != NULL) {
        add_header(x, r, "Content-Type", x->content_type);
    }
    if (x->encoding != NULL) {
        add_header(x, r, "Content-Encoding", x->encoding);
    }
    if (x->vary) {
        add_header(x, r, "Vary", "Accept-Encoding");
    }
    if (x->close) {
        add_header(x, r, "Connection", "close");
    }
    for (const struct response_header *h = x->headers; h != NULL; h = h->next) {
        add_header(x, r, h->name, h->value);
    }
    count_answer(x);
    mutex_lock(&x->s->lock);
    c->phase = x->stream != NULL ? CONN_STREAM : x->upgrade != NULL ? CONN_UPGRADED : CONN_SENDING;
    c->since = clock_mono();
    c->gone = false; /* looked at again: a stream must hear of it too */
    c->bytes = x->is_const ? x->out_const.n : x->out.n;
    x->s->streams += x->stream != NULL;
    x->s->upgraded += x->upgrade != NULL;
    drained = x->s->drained;
    mutex_unlock(&x->s->lock);
    if (x->stream != NULL) {
        stream_attach(x->stream, x->mhd);
        if (drained) { /* the stop has closed the streams it knew */
            stream_close(x->stream);
        }
    }
    rc = MHD_queue_response(x->mhd, (unsigned)x->status, r);
    MHD_destroy_response(r);
    return rc;
}

void response_send_raw(struct http_exchange *x)
{
    const union MHD_ConnectionInfo *tls =
        x->s->opts.tls_cert != NULL
            ? MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)
            : NULL;
    struct buf b;

    buf_init(&b, 128 << 10);
    buf_printf(&b, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", x->status,
               MHD_get_reason_phrase_for((unsigned)x->status),
               x->content_type != NULL ? x->content_type : "text/plain", x->out.n);
    for (const struct response_header *h = x->headers; h != NULL; h = h->next) {
        buf_printf(&b, "%s: %s\r\n", h->name, h->value);
    }
    buf_add_cstr(&b, "Connection: close\r\n\r\n");
    buf_add_str(&b, buf_str(&x->out));
    if (buf_status(&b) == 0) {
        ssize_t sent;

        count_answer(x);
        sent = tls != NULL ? gnutls_record_send(tls->tls_session, b.data, b.n)
                           : send(x->conn->fd, b.data, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            shutdown(x->conn->fd, SHUT_WR);
        }
    }
    buf_done(&b);
}
