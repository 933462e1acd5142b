/* SPDX-License-Identifier: Apache-2.0
 *
 * The console's files. A path that is no file gets index.html, so that every view has a URL of its own.
 */
#include "api/api_internal.h"

static void send_asset(struct http_exchange *x, const struct api_asset *f)
{
    http_set_header(x, "Cache-Control",
                    f->immutable ? "public, max-age=31536000, immutable" : "no-cache");
    http_set_header(x, "ETag", f->etag);
    if (str_eq(http_header(x, "If-None-Match"), str_cstr(f->etag))) {
        http_respond(x, 304, f->content_type, STR(""));
        return;
    }
    http_respond_static(x, 200, f->content_type, f->gz, true);
}

static void serve(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct str path = str_drop(http_path(x), 1);
    struct api_asset f;

    if (path.n != 0 && a->opts.asset(path, &f)) {
        send_asset(x, &f);
        return;
    }
    /* A missing file or endpoint is an error, a view is not. */
    if (str_starts(path, STR("assets/")) || str_starts(path, STR("api/")) ||
        !a->opts.asset(STR("index.html"), &f)) {
        http_respond_errorf(x, ERR_NOT_FOUND, "nothing at %.*s", STR_ARG(http_path(x)));
        return;
    }
    send_asset(x, &f);
}

void assets_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/", serve, a, HTTP_INLINE, 0, NEED_NOTHING},
        {"GET", "/{rest*}", serve, a, HTTP_INLINE, 0, NEED_NOTHING},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
