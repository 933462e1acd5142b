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

/* Does the last segment have an extension? Views have none. */
static bool is_file(struct str path)
{
    for (size_t i = path.n; i > 0 && path.p[i - 1] != '/'; i--) {
        if (path.p[i - 1] == '.') {
            return true;
        }
    }
    return false;
}

static void serve(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct str path = http_path(x);
    struct api_asset f;

    if (a->opts.asset(path, &f)) {
        send_asset(x, &f);
        return;
    }
    if (str_starts(path, STR("/api/")) || is_file(path) || !a->opts.asset(STR("/"), &f)) {
        http_respond_errorf(x, ERR_NOT_FOUND, "nothing at %.*s", STR_ARG(path));
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
