/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/admin/tsdb: deleting series, in Prometheus' form.
 */
#include "api/api_internal.h"

#include "api/params.h"
#include "api/selectors.h"
#include "store/tsdb/tombstones.h"

static void no_content(struct http_exchange *x)
{
    http_respond(x, 204, "application/json", STR(""));
}

static void audit(const struct api_backend *b, struct http_exchange *x, const char *action)
{
    const struct identity *who = api_identity(x);
    struct str text;

    auth_audit(b->auth, who != NULL ? who->name : "", http_peer(x), action,
               http_param_at(x, "match[]", 0, &text) ? text : STR(""), STR(""));
}

static void delete_series(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct tsdb_matchers sets[SELECTORS_MAX];
    struct selectors sel = {0};
    struct err e = {0};
    int64_t min_ms = 0;
    int64_t max_ms = 0;
    int rc = selectors_parse(x, &sel, &e);

    rc = rc < 0 ? rc : param_prom_time(x, "start", INT64_MIN / 2, &min_ms, &e);
    rc = rc < 0 ? rc : param_prom_time(x, "end", INT64_MAX / 2, &max_ms, &e);
    if (rc == 0 && sel.n == 0) {
        rc = err_set(&e, ERR_INVALID, "no match[] parameter provided");
    }
    if (rc == 0 && max_ms < min_ms) {
        rc = err_set(&e, ERR_INVALID,
                     "invalid parameter \"end\": end timestamp must not be before start time");
    }
    for (size_t i = 0; i < sel.n; i++) {
        sets[i] = (struct tsdb_matchers){(const struct matcher *const *)sel.m[i], sel.m_n[i]};
    }
    rc = rc < 0 ? rc : tsdb_delete_series(store_metrics(b->store), sets, sel.n, min_ms, max_ms, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        audit(b, x, "series_deleted");
        no_content(x);
    }
    selectors_done(&sel);
}

static void clean_tombstones(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct err e = {0};
    int rc = tsdb_clean_tombstones(store_metrics(b->store), &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        no_content(x);
    }
}

void prom_admin_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_ADMIN | NEED_BACKEND;
    const struct http_route routes[] = {
        {"POST", "/api/v1/admin/tsdb/delete_series", delete_series, a, HTTP_WORKER, 1 << 20, need},
        {"PUT", "/api/v1/admin/tsdb/delete_series", delete_series, a, HTTP_WORKER, 1 << 20, need},
        {"POST", "/api/v1/admin/tsdb/clean_tombstones", clean_tombstones, a, HTTP_WORKER, 1 << 16,
         need},
        {"PUT", "/api/v1/admin/tsdb/clean_tombstones", clean_tombstones, a, HTTP_WORKER, 1 << 16,
         need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
