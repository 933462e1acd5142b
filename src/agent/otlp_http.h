/* SPDX-License-Identifier: Apache-2.0
 *
 * Sending batches to an OTLP/HTTP door and understanding its answers (OTLP specification 1.x, "OTLP/HTTP
 * Response" and "Failures").
 */
#ifndef AGENT_OTLP_HTTP_H
#define AGENT_OTLP_HTTP_H

#include "agent/delivery.h"

struct otlp_http;

struct otlp_http_opts {
    const char *server;  /* http://HOST:PORT, a trailing '/' is fine */
    const char *path;    /* "/otlp" or "" */
    const char *token;   /* "": none */
    const char *ca_file; /* "": the system's */
    bool insecure;
    const char *user_agent;
};

/** Strings are copied. @return NULL when the HTTP client cannot start */
struct otlp_http *otlp_http_new(const struct otlp_http_opts *opts);
void otlp_http_free(struct otlp_http *h);
/** A delivery_send; ctx is the struct otlp_http. */
void otlp_http_send(void *ctx, const struct batch *b, int64_t timeout_ms, struct send_result *ret);

/** What a status means. 401, 403 and 404 are retried: they are mistakes of set-up that someone will mend, and
 * data is not lost over them. */
enum send_verdict otlp_http_verdict(int status);
/** partial_success of an Export...ServiceResponse. @return rejected points, 0 when none or not decodable */
int64_t otlp_answer_rejected(struct str body, struct str *ret_msg);
/** message of a google.rpc.Status, or an empty slice. */
struct str otlp_answer_message(struct str body);

#endif
