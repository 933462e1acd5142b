/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP(S) client on libcurl for agents, webhooks and scrapes: bounded answers, deadlines, no redirects to
 * other schemes.
 */
#ifndef NET_HTTP_CLIENT_H
#define NET_HTTP_CLIENT_H

#include "base/buf.h"

struct err;
struct http_client;

struct http_call {
    const char *method;
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct str body;
    int64_t timeout_ms;
    size_t max_response;
    /** Takes the body of a 200 answer piece by piece instead of gathering it; anything but 0 ends the call
     * (-ERR_CANCELED). NULL: it is gathered. */
    int (*take)(void *arg, struct str piece);
    void *take_arg;
};

struct http_answer {
    int status;
    int64_t retry_after_ms; /* from Retry-After, 0 when absent */
    struct buf body;        /* buf_done() by the caller */
};

struct http_client_opts {
    const char *ca_file; /* extra CA for TLS; NULL: the system's */
    bool insecure;       /* accept any certificate (only by an explicit setting) */
};

/** One handle keeps connections alive between calls; one thread at a time. */
struct http_client *http_client_new(const struct http_client_opts *opts);
void http_client_free(struct http_client *c);
/** @return 0 with any HTTP status; -ERR_UNAVAILABLE (connect, TLS), -ERR_TIMEOUT, -ERR_TOO_LARGE,
 * -ERR_INVALID (URL, a line break in a header), -ERR_NOMEM, -ERR_CANCELED (take) */
NODISCARD int http_client_call(struct http_client *c, const struct http_call *call,
                               struct http_answer *ret, struct err *reterr);

#endif
