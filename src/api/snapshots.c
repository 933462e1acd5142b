/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/admin/tsdb/snapshot as Prometheus has it, of all signals; and what snapshots there are.
 */
#include "store/snapshots.h"

#include "api/api_internal.h"

static void write_snapshot(struct json_writer *w, const struct api_backend *b,
                           const struct snapshot_info *i, struct arena *a)
{
    json_object_begin(w);
    json_key(w, "name");
    json_cstr(w, i->name);
    json_key(w, "path");
    json_str(w, snapshots_path(b->store, i->name, a));
    json_key(w, "created_ms");
    json_i64(w, i->created_ms);
    json_key(w, "bytes");
    json_u64(w, i->bytes);
    json_object_end(w);
}

static void create(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct snapshot_info i;
    struct err e = {0};
    struct json_writer w;
    struct buf body;
    int rc = snapshots_create(b->store, &i, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    data_begin(&w, &body);
    write_snapshot(&w, b, &i, http_arena(x));
    data_end(x, &w, &body);
}

static void list(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct snapshot_info *v = NULL;
    struct err e = {0};
    struct json_writer w;
    struct buf body;
    size_t n = 0;
    int rc = snapshots_list(b->store, http_arena(x), &v, &n, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&body, RESPONSE_MAX);
    json_init(&w, &body);
    json_object_begin(&w);
    json_key(&w, "snapshots");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        write_snapshot(&w, b, &v[i], http_arena(x));
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &body);
}

static void delete_one(void *arg, struct http_exchange *x)
{
    struct err e = {0};
    int rc = snapshots_delete(api_backend(arg)->store, http_path_param(x, "name"), &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    http_respond(x, 204, NULL, STR(""));
}

void snapshots_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_ADMIN | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/api/v1/admin/tsdb/snapshot", create, a, HTTP_WORKER, 64 << 10, need},
        {"PUT", "/api/v1/admin/tsdb/snapshot", create, a, HTTP_WORKER, 64 << 10, need},
        {"GET", "/api/v1/admin/snapshots", list, a, HTTP_WORKER, 0, need},
        {"DELETE", "/api/v1/admin/snapshots/{name}", delete_one, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
