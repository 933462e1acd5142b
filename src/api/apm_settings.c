/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/settings and /api/v1/apm/apdex: what operators decide about application monitoring.
 */
#include "api/api_internal.h"

#include "api/params.h"
#include "apm/apm.h"
#include "apm/settings_store.h"

static void respond_settings(struct http_exchange *x, struct settings_store *store)
{
    struct apm_settings *s = NULL;
    struct json_writer w;
    struct err e = {0};
    struct buf out;
    int rc = settings_store_get(store, &s, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&out, RESPONSE_MAX);
    json_init(&w, &out);
    apm_settings_write(s, &w);
    apm_settings_free(s);
    respond_json(x, 200, &out);
}

static void get_settings(void *arg, struct http_exchange *x)
{
    respond_settings(x, apm_settings(api_backend(arg)->apm));
}

/* The change is done: into the audit log, and the answer is what is in force. */
static void changed(const struct api_backend *b, struct http_exchange *x, const char *action,
                    struct str target)
{
    const struct identity *who = api_identity(x);

    auth_audit(b->auth, who != NULL ? who->name : "", http_peer(x), action, target, STR(""));
    respond_settings(x, apm_settings(b->apm));
}

static void put_settings(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct err e = {0};
    int rc = settings_store_put(apm_settings(b->apm), http_body(x), clock_wall_ms(), &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    changed(b, x, "apm_settings_changed", STR(""));
}

/* The body is one element of "groups": it is read as a document of its own. */
static int read_group(struct http_exchange *x, struct str group, struct apm_settings **ret,
                      struct err *e)
{
    struct buf doc CLEANUP(buf_done) = {0};
    int rc;

    if (group.n == 0) {
        return err_set(e, ERR_INVALID, "group: must be given");
    }
    buf_init(&doc, APM_DOC_MAX);
    buf_add_cstr(&doc, "{\"groups\":[");
    buf_add_str(&doc, http_body(x));
    buf_add_cstr(&doc, "]}");
    rc = buf_status(&doc);
    rc = rc < 0 ? err_set(e, ERR_TOO_LARGE, "the body is larger than 1 MiB")
                : apm_settings_parse(buf_str(&doc), ret, e);
    if (rc == 0 &&
        (*ret == NULL || (*ret)->groups_n != 1 || !str_eq((*ret)->groups[0].group, group))) {
        apm_settings_free(*ret);
        *ret = NULL;
        rc = err_set(e, ERR_INVALID, "group: of the body must be \"%.*s\"",
                     (int)str_take(group, 100).n, group.p);
    }
    return rc;
}

static void put_apdex(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct str group = http_param(x, "group");
    struct apm_settings *s = NULL;
    struct err e = {0};
    int rc = read_group(x, group, &s, &e);

    if (rc == 0 && s != NULL) {
        rc = settings_store_put_group(apm_settings(b->apm), &s->groups[0], clock_wall_ms(), &e);
    }
    apm_settings_free(s);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    changed(b, x, "apm_apdex_changed", group);
}

static void delete_apdex(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct str group = http_param(x, "group");
    struct err e = {0};
    int rc = group.n == 0
                 ? err_set(&e, ERR_INVALID, "group: must be given")
                 : settings_store_delete_group(apm_settings(b->apm), group, clock_wall_ms(), &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    changed(b, x, "apm_apdex_removed", group);
}

void apm_settings_routes(struct api *a, struct http_server *s)
{
    const uint32_t read = NEED_READ | NEED_BACKEND;
    const uint32_t admin = NEED_ADMIN | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/settings", get_settings, a, HTTP_WORKER, 0, read},
        {"PUT", "/api/v1/apm/settings", put_settings, a, HTTP_WORKER, APM_DOC_MAX, admin},
        {"PUT", "/api/v1/apm/apdex", put_apdex, a, HTTP_WORKER, APM_DOC_MAX, admin},
        {"DELETE", "/api/v1/apm/apdex", delete_apdex, a, HTTP_WORKER, 0, admin},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
