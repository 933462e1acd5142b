/* SPDX-License-Identifier: Apache-2.0
 *
 * One keep-alive connection used by the export thread. Answers are small and read leniently: an answer that
 * makes no sense never changes the verdict of its status.
 */
#include "agent/otlp_http.h"

#include <stdio.h>

#include "base/err.h"
#include "base/log.h"
#include "net/http_client.h"

enum { ANSWER_MAX = 64 * 1024, URL_MAX = 4096, HEADERS_MAX = 6 };

struct otlp_http {
    struct http_client *client;
    char *urls[BATCH_SIGNAL_COUNT];
    char *authorization; /* NULL without a token */
    char *user_agent;
};

static char *join(const char *a, const char *b, const char *c)
{
    struct buf buf CLEANUP(buf_done);

    buf_init(&buf, (size_t)URL_MAX * 4);
    buf_add_cstr(&buf, a);
    buf_add_cstr(&buf, b);
    buf_add_cstr(&buf, c);
    return str_dup(buf_str(&buf));
}

struct otlp_http *otlp_http_new(const struct otlp_http_opts *o)
{
    struct otlp_http *h = mem_xcalloc(1, sizeof(*h));
    struct str server = str_cstr(o->server);
    struct str path = str_cstr(o->path);
    char *base;
    char *prefix;

    while (server.n != 0 && server.p[server.n - 1] == '/') {
        server.n--;
    }
    while (path.n != 0 && path.p[path.n - 1] == '/') {
        path.n--;
    }
    base = str_dup(server);
    prefix = str_dup(path);
    h->urls[BATCH_METRICS] = join(base, prefix, "/v1/metrics");
    h->urls[BATCH_LOGS] = join(base, prefix, "/v1/logs");
    mem_free(base);
    mem_free(prefix);
    h->authorization = o->token[0] != '\0' ? join("Authorization: Bearer ", o->token, "") : NULL;
    h->user_agent = join("User-Agent: ", o->user_agent, "");
    h->client = http_client_new(&(struct http_client_opts){
        .ca_file = o->ca_file[0] != '\0' ? o->ca_file : NULL,
        .insecure = o->insecure,
    });
    if (h->client == NULL) {
        otlp_http_free(h);
        return NULL;
    }
    return h;
}

void otlp_http_free(struct otlp_http *h)
{
    if (h == NULL) {
        return;
    }
    http_client_free(h->client);
    for (size_t i = 0; i < BATCH_SIGNAL_COUNT; i++) {
        mem_free(h->urls[i]);
    }
    mem_free(h->authorization);
    mem_free(h->user_agent);
    mem_free(h);
}

enum send_verdict otlp_http_verdict(int status)
{
    if (status >= 200 && status < 300) {
        return SEND_OK;
    }
    if (status >= 500 || status < 400) {
        return SEND_RETRY;
    }
    switch (status) {
    case 401:
    case 403:
    case 404:
    case 407:
    case 408:
    case 425:
    case 429:
        return SEND_RETRY;
    default:
        return SEND_REJECT;
    }
}

/* Protobuf, only as far as two known answers need it. @return false at the end or on nonsense. */
static bool take_varint(struct str *s, uint64_t *ret)
{
    uint64_t v = 0;

    for (size_t i = 0; i < 10 && i < s->n; i++) {
        uint8_t c = (uint8_t)s->p[i];

        v |= (uint64_t)(c & 0x7f) << (7 * i);
        if (c < 0x80) {
            *s = str_drop(*s, i + 1);
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool take_field(struct str *s, uint64_t *ret_field, uint64_t *ret_value,
                       struct str *ret_bytes)
{
    uint64_t key;
    uint64_t v = 0;

    *ret_bytes = (struct str){0};
    if (!take_varint(s, &key)) {
        return false;
    }
    switch (key & 7) {
    case 0:
        if (!take_varint(s, &v)) {
            return false;
        }
        break;
    case 1:
    case 5:
        v = (key & 7) == 1 ? 8 : 4;
        if (s->n < v) {
            return false;
        }
        *s = str_drop(*s, (size_t)v);
        v = 0;
        break;
    case 2:
        if (!take_varint(s, &v) || v > s->n) {
            return false;
        }
        *ret_bytes = str_take(*s, (size_t)v);
        *s = str_drop(*s, (size_t)v);
        break;
    default:
        return false;
    }
    *ret_field = key >> 3;
    *ret_value = v;
    return true;
}

int64_t otlp_answer_rejected(struct str body, struct str *ret_msg)
{
    uint64_t field;
    uint64_t value;
    struct str bytes;
    int64_t rejected = 0;

    while (take_field(&body, &field, &value, &bytes)) {
        struct str inner = bytes;

        while (field == 1 && take_field(&inner, &field, &value, &bytes)) {
            if (field == 1) {
                rejected = value <= INT64_MAX ? (int64_t)value : 0;
            } else if (field == 2) {
                *ret_msg = bytes;
            }
            field = 1;
        }
    }
    return rejected;
}

struct str otlp_answer_message(struct str body)
{
    struct str msg = {0};
    uint64_t field;
    uint64_t value;
    struct str bytes;

    while (take_field(&body, &field, &value, &bytes)) {
        msg = field == 2 ? bytes : msg;
    }
    return str_is_utf8(msg) ? msg : (struct str){0};
}

static void judge(const struct otlp_http *h, const struct batch *b, const struct http_answer *a,
                  struct send_result *ret)
{
    struct str msg = {0};

    ret->verdict = otlp_http_verdict(a->status);
    ret->retry_after_ms = a->retry_after_ms;
    if (ret->verdict == SEND_OK) {
        static struct log_limit limit;
        int64_t rejected = otlp_answer_rejected(buf_str(&a->body), &msg);
        int64_t suppressed;

        if (rejected != 0 && log_limit_pass(&limit, &suppressed)) {
            log_warn("delivery", "the server took only a part of a batch",
                     L_INT("rejected", rejected), L_INT("records", b->records),
                     L_STR("reason", msg), L_INT("suppressed", suppressed));
        }
        return;
    }
    msg = otlp_answer_message(buf_str(&a->body));
    snprintf(ret->msg, sizeof(ret->msg), "%s answered %d%s%s%.*s", h->urls[b->signal], a->status,
             a->status == 401 || a->status == 403 ? " (check the token)" : "",
             msg.n != 0 ? ": " : "", STR_ARG(str_take(msg, 120)));
}

void otlp_http_send(void *ctx, const struct batch *b, int64_t timeout_ms, struct send_result *ret)
{
    struct otlp_http *h = ctx;
    const char *headers[HEADERS_MAX] = {"Content-Type: application/x-protobuf", h->user_agent};
    size_t n = 2;
    struct http_answer answer = {0};
    struct err e = {0};
    int rc;

    if (b->compression == COMPRESS_GZIP || b->compression == COMPRESS_ZSTD) {
        headers[n++] =
            b->compression == COMPRESS_GZIP ? "Content-Encoding: gzip" : "Content-Encoding: zstd";
    }
    if (h->authorization != NULL) {
        headers[n++] = h->authorization;
    }
    rc = http_client_call(h->client,
                          &(struct http_call){
                              .method = "POST",
                              .url = h->urls[b->signal],
                              .headers = headers,
                              .body = str_of(b->data, b->n),
                              .timeout_ms = timeout_ms,
                              .max_response = ANSWER_MAX,
                          },
                          &answer, &e);
    if (rc < 0) {
        ret->verdict = SEND_RETRY;
        snprintf(ret->msg, sizeof(ret->msg), "%.190s", e.msg[0] != '\0' ? e.msg : err_text(rc));
        return;
    }
    judge(h, b, &answer, ret);
    buf_done(&answer.body);
}
