/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls to the server, one connection each: verbs make one or two.
 */
#include "remote.h"

#include <jansson.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/err.h"

enum { CALL_MAX_MS = 600000, HEADERS_MAX = 6 };

static int call(const struct remote *r, struct http_call *c, const char *path,
                const char *const *headers, struct http_answer *ret, struct err *reterr)
{
    struct http_client *client = http_client_new(&(struct http_client_opts){0});
    struct buf url CLEANUP(buf_done);
    struct buf bearer CLEANUP(buf_done);
    const char *all[HEADERS_MAX + 2] = {NULL};
    size_t n = 0;
    int rc;

    buf_init(&url, 1 << 20);
    buf_init(&bearer, 4096);
    buf_printf(&url, "%s%s", r->server, path);
    buf_add_byte(&url, '\0');
    for (; headers != NULL && headers[n] != NULL && n < HEADERS_MAX; n++) {
        all[n] = headers[n];
    }
    if (r->token[0] != '\0') {
        buf_printf(&bearer, "Authorization: Bearer %s", r->token);
        buf_add_byte(&bearer, '\0');
        all[n++] = bearer.data;
    }
    if (url.failed || bearer.failed) {
        rc = err_set(reterr, ERR_INVALID, "the request is too long");
    } else {
        c->url = url.data;
        c->headers = all;
        c->timeout_ms = CALL_MAX_MS;
        c->max_response = 1 << 30;
        rc = http_client_call(client, c, ret, reterr);
    }
    http_client_free(client);
    return rc;
}

int remote_call(const struct remote *r, const char *method, const char *path,
                struct http_answer *ret, struct err *reterr)
{
    return call(r, &(struct http_call){.method = method}, path, NULL, ret, reterr);
}

int remote_post(const struct remote *r, const char *path, const char *const *headers,
                struct str body, struct http_answer *ret, struct err *reterr)
{
    return call(r, &(struct http_call){.method = "POST", .body = body}, path, headers, ret, reterr);
}

void remote_error(const struct http_answer *a, struct err *reterr)
{
    json_t *root = json_loadb(a->body.n != 0 ? a->body.data : "", a->body.n, 0, NULL);
    const char *error = json_string_value(json_object_get(root, "error"));

    if (error != NULL) {
        ignore_result(err_set(reterr, ERR_UNAVAILABLE, "%s", error), "the caller reports it");
    } else {
        ignore_result(err_set(reterr, ERR_UNAVAILABLE, "the server answered %d", a->status),
                      "the caller reports it");
    }
    json_decref(root);
}
