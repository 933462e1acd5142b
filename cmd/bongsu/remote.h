/* SPDX-License-Identifier: Apache-2.0
 *
 * One HTTP call to a running server with a token, for the verbs of the command line.
 */
#ifndef BONGSU_REMOTE_H
#define BONGSU_REMOTE_H

#include "conf/conf.h"
#include "net/http_client.h"

struct err;

/** Keys of a verb's `settings_`, which has members `server` and `token`. */
#define REMOTE_SERVER_KEY(settings_, help_)                                              \
    {                                                                                    \
        .key = "server", .flag = "server", .type = CONF_STRING,                          \
        .offset = offsetof(settings_, server), .default_value = "http://127.0.0.1:7800", \
        .placeholder = "URL", .help = (help_)                                            \
    }
#define REMOTE_TOKEN_KEY(settings_, help_)                                                 \
    {                                                                                      \
        .key = "token", .flag = "token", .type = CONF_STRING,                              \
        .offset = offsetof(settings_, token), .default_value = "", .placeholder = "TOKEN", \
        .secret = true, .help = (help_)                                                    \
    }

/** Where the server is and who asks. Strings are borrowed. */
struct remote {
    const char *server; /* "http://127.0.0.1:7800" */
    const char *token;  /* "" for none */
};

/** @param path  with its query, from the first '/'
 * @return 0 with any HTTP status (the body is the caller's); an error of http_client_call() */
NODISCARD int remote_call(const struct remote *r, const char *method, const char *path,
                          struct http_answer *ret, struct err *reterr);
/** POST a body with headers ("Name: value", NULL-terminated, at most 6) besides the token's. As remote_call(). */
NODISCARD int remote_post(const struct remote *r, const char *path, const char *const *headers,
                          struct str body, struct http_answer *ret, struct err *reterr);
/** The "error" member of an answer's JSON, or its status. */
void remote_error(const struct http_answer *a, struct err *reterr);

#endif
