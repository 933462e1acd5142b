/* SPDX-License-Identifier: Apache-2.0
 *
 * Many HTTP(S) requests at once on one thread: libcurl's multi interface over epoll, with a bounded cache of
 * kept-alive connections. For scrapes, discovery and watches. Everything but http_multi_wake() belongs to
 * one thread; done and data callbacks run on it, inside http_multi_run().
 */
#ifndef NET_HTTP_MULTI_H
#define NET_HTTP_MULTI_H

#include "base/buf.h"
#include "base/err.h"

struct http_multi;

enum http_tls_version { HTTP_TLS_DEFAULT, HTTP_TLS_10, HTTP_TLS_11, HTTP_TLS_12, HTTP_TLS_13 };

/** How to talk to a kind of server; shared by requests, must outlive them. NULL or "" means not set. */
struct http_profile {
    const char *ca_file;
    const char *cert_file;
    const char *key_file;
    const char
        *server_name; /* expected in the certificate (and sent as SNI) instead of the URL's host */
    bool insecure;
    enum http_tls_version tls_min, tls_max;
    const char *proxy;                /* URL; "" or NULL: none */
    const char *no_proxy;             /* comma-separated hosts */
    bool proxy_from_env;              /* HTTP_PROXY, HTTPS_PROXY, NO_PROXY */
    const char *const *proxy_headers; /* for CONNECT; NULL-terminated; may be NULL */
    const char *encodings;            /* "gzip, zstd": asked for and decoded; NULL: none */
    const char *user_agent;
    bool follow_redirects; /* at most 10, to http and https only */
    bool http2;            /* over TLS when the server offers it */
};

struct http_multi_result {
    int rc; /* 0 with any HTTP status; -ERR_UNAVAILABLE, -ERR_TIMEOUT, -ERR_TOO_LARGE, -ERR_INVALID, -ERR_NOMEM */
    int status;              /* HTTP */
    struct str reason;       /* "Not Found"; may be empty */
    struct str content_type; /* may be empty */
    const struct buf *body; /* decoded; valid during the callback; what came before a failure too */
    const struct err *err;  /* detail when rc < 0 */
    int64_t wire_bytes;     /* body as received */
    int64_t retry_after_ms;
    bool reused; /* the connection was kept from an earlier request */
};

/** All borrowed until the done callback returned. */
struct http_multi_request {
    const struct http_profile *profile;
    const char *method; /* NULL: GET, or POST with a body */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;
    int64_t timeout_ms;  /* of the whole request; 0: none (a watch) */
    int64_t stall_ms;    /* with timeout_ms 0: end when nothing came for so long; 0: never */
    size_t max_response; /* of the decoded body; 0: 64 MiB */
    /** Take the body piece by piece instead of gathering it; false ends the request. May be NULL. */
    bool (*data)(void *arg, int status, struct str piece);
    void (*done)(void *arg, const struct http_multi_result *r);
    void *arg;
};

struct http_transfer;

struct http_multi_opts {
    unsigned max_connections; /* kept and in use together; 0: 64. Requests above it wait inside */
};

/** @return NULL without memory or descriptors */
struct http_multi *http_multi_new(const struct http_multi_opts *o);
/** Running requests end without their callbacks. NULL is fine. */
void http_multi_free(struct http_multi *m);
/** @return 0; -ERR_INVALID (URL, a line break in a header), -ERR_NOMEM: then `done` is not called.
 * May be called from a callback. */
NODISCARD int http_multi_start(struct http_multi *m, const struct http_multi_request *r,
                               struct http_transfer **ret, struct err *reterr);
/** End a running request; its callback is not called. Not from inside a callback of that request. */
void http_multi_cancel(struct http_multi *m, struct http_transfer *t);
/** Wait for events at most timeout_ms (-1: no limit) and handle them; returns early on a wake. */
void http_multi_run(struct http_multi *m, int64_t timeout_ms);
/** Let http_multi_run() return now or next time. Thread-safe. */
void http_multi_wake(struct http_multi *m);
/** Requests running or waiting; connections open. */
size_t http_multi_running(const struct http_multi *m);
size_t http_multi_connections(const struct http_multi *m);

#endif
