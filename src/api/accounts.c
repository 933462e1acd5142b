/* SPDX-License-Identifier: Apache-2.0
 *
 * Users, tokens and the audit log for the settings screens.
 */
#include "api/api_internal.h"

#include "api/json_body.h"
#include "api/params.h"

static void opt_ms(struct json_writer *w, const char *key, int64_t ms)
{
    if (ms != 0) {
        json_key(w, key);
        json_i64(w, ms);
    }
}

static void write_user(struct json_writer *w, const struct meta_user *u)
{
    json_object_begin(w);
    json_key(w, "user");
    json_str(w, u->name);
    json_key(w, "role");
    json_str(w, u->role);
    json_key(w, "created_ms");
    json_i64(w, u->created_ms);
    opt_ms(w, "last_login_ms", u->last_login_ms);
    json_object_end(w);
}

static void respond_user(struct api *a, struct http_exchange *x, int status, struct str name)
{
    struct meta *meta = store_meta(api_backend(a)->store);
    struct meta_user u;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = meta_user_get(meta, name, http_arena(x), &u, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    write_user(&w, &u);
    respond_json(x, status, &b);
}

static void list_users(void *arg, struct http_exchange *x)
{
    struct meta *meta = store_meta(api_backend(arg)->store);
    struct meta_user *v = NULL;
    size_t n = 0;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = meta_user_list(meta, http_arena(x), &v, &n, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "users");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        write_user(&w, &v[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static int parse_role(const struct json_body *body, bool required, enum role *ret, bool *ret_given,
                      struct err *e)
{
    struct str text;
    int rc = json_body_str(body, "role", required, &text, e);

    *ret_given = rc == 0 && text.n != 0;
    if (*ret_given && !role_parse(text, ret)) {
        return err_set(e, ERR_INVALID, "body: \"role\" must be viewer, operator or admin");
    }
    return rc;
}

static void create_user(void *arg, struct http_exchange *x)
{
    struct auth *auth = api_backend(arg)->auth;
    struct json_body body;
    struct err e = {0};
    struct str user = STR("");
    struct str password;
    enum role role = ROLE_VIEWER;
    bool given;
    int rc = json_body_parse(x, &body, &e);

    rc = rc < 0 ? rc : json_body_str(&body, "user", true, &user, &e);
    rc = rc < 0 ? rc : json_body_str(&body, "password", true, &password, &e);
    rc = rc < 0 ? rc : parse_role(&body, true, &role, &given, &e);
    rc = rc < 0 ? rc
                : auth_user_create(auth, api_identity(x), http_peer(x), user, password, role, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        respond_user(arg, x, 201, user);
    }
    json_body_done(&body);
}

static void update_user(void *arg, struct http_exchange *x)
{
    struct auth *auth = api_backend(arg)->auth;
    struct str user = http_path_param(x, "user");
    struct auth_user_change change = {0};
    struct json_body body;
    struct err e = {0};
    enum role role = ROLE_VIEWER;
    bool given = false;
    int rc = json_body_parse(x, &body, &e);

    rc = rc < 0 ? rc : parse_role(&body, false, &role, &given, &e);
    rc = rc < 0 ? rc : json_body_str(&body, "password", false, &change.password, &e);
    rc =
        rc < 0 ? rc : json_body_str(&body, "current_password", false, &change.current_password, &e);
    if (rc == 0 && !given && change.password.n == 0) {
        rc = err_set(&e, ERR_INVALID, "body: give \"role\" or \"password\"");
    }
    change.role = given ? &role : NULL;
    rc = rc < 0 ? rc : auth_user_update(auth, api_identity(x), http_peer(x), user, &change, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        respond_user(arg, x, 200, user);
    }
    json_body_done(&body);
}

static void respond_gone(struct http_exchange *x, int rc, const struct err *e)
{
    if (rc < 0) {
        respond_err(x, rc, e);
    } else {
        http_respond(x, 204, "application/json", STR(""));
    }
}

static void delete_user(void *arg, struct http_exchange *x)
{
    struct err e = {0};
    int rc = auth_user_delete(api_backend(arg)->auth, api_identity(x), http_peer(x),
                              http_path_param(x, "user"), &e);

    respond_gone(x, rc, &e);
}

/* ---- tokens ---- */

static void write_scopes(struct json_writer *w, uint32_t scopes)
{
    json_key(w, "scopes");
    json_array_begin(w);
    for (uint32_t s = SCOPE_INGEST; s <= SCOPE_ADMIN; s <<= 1) {
        if ((scopes & s) != 0) {
            json_cstr(w, scope_name((enum auth_scope)s));
        }
    }
    json_array_end(w);
}

static void write_token(struct json_writer *w, const struct meta_token *t)
{
    json_key(w, "id");
    json_str(w, t->id);
    json_key(w, "name");
    json_str(w, t->name);
    write_scopes(w, t->scopes);
    json_key(w, "created_ms");
    json_i64(w, t->created_ms);
    opt_ms(w, "expires_ms", t->expires_ms);
    opt_ms(w, "last_used_ms", t->last_used_ms);
}

static void list_tokens(void *arg, struct http_exchange *x)
{
    struct meta_token *v = NULL;
    size_t n = 0;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = meta_token_list(store_meta(api_backend(arg)->store), http_arena(x), &v, &n, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "tokens");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        write_token(&w, &v[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static int parse_scopes(const struct json_body *body, uint32_t *ret, struct err *e)
{
    struct str text;
    bool given = true;
    int rc = 0;

    *ret = 0;
    for (size_t i = 0; given; i++) {
        rc = json_body_str_at(body, "scopes", i, &text, &given, e);
        if (rc < 0) {
            return rc;
        }
        if (given && scope_parse(text) == 0) {
            return err_set(e, ERR_INVALID, "body: \"scopes[%zu]\" must be ingest, read or admin",
                           i);
        }
        *ret |= given ? scope_parse(text) : 0;
    }
    return 0;
}

static void create_token(void *arg, struct http_exchange *x)
{
    struct auth *auth = api_backend(arg)->auth;
    struct auth_token_made made;
    struct meta_token t = {0};
    struct json_body body;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = json_body_parse(x, &body, &e);

    rc = rc < 0 ? rc : json_body_str(&body, "name", true, &t.name, &e);
    rc = rc < 0 ? rc : parse_scopes(&body, &t.scopes, &e);
    rc = rc < 0 ? rc : json_body_i64(&body, "expires_ms", &t.expires_ms, &e);
    rc = rc < 0 ? rc
                : auth_token_create(auth, api_identity(x), http_peer(x), t.name, t.scopes,
                                    t.expires_ms, &made, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        json_body_done(&body);
        return;
    }
    t.id = str_cstr(made.id);
    t.created_ms = made.created_ms;
    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    json_object_begin(&w);
    write_token(&w, &t);
    json_key(&w, "secret");
    json_cstr(&w, made.secret);
    json_object_end(&w);
    http_set_header(x, "Cache-Control", "no-store");
    respond_json(x, 201, &b);
    json_body_done(&body);
}

static void delete_token(void *arg, struct http_exchange *x)
{
    struct err e = {0};
    int rc = auth_token_revoke(api_backend(arg)->auth, api_identity(x), http_peer(x),
                               http_path_param(x, "id"), &e);

    respond_gone(x, rc, &e);
}

/* ---- audit ---- */

static void write_audit(struct json_writer *w, const struct meta_audit *v)
{
    const struct {
        const char *key;
        struct str text;
    } texts[] = {{"actor", v->actor},
                 {"ip", v->ip},
                 {"action", v->action},
                 {"target", v->target},
                 {"detail", v->detail}};

    json_object_begin(w);
    json_key(w, "id");
    json_i64(w, v->id);
    json_key(w, "time_ms");
    json_i64(w, v->time_ms);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        json_key(w, texts[i].key);
        json_str(w, texts[i].text);
    }
    json_object_end(w);
}

static void list_audit(void *arg, struct http_exchange *x)
{
    struct meta_audit *v = NULL;
    size_t n = 0;
    int64_t before = 0;
    int64_t limit = 100;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = param_i64(x, "limit", 1, 1000, 100, &limit, &e);

    rc = rc < 0 ? rc : param_i64(x, "before_id", 0, INT64_MAX, 0, &before, &e);
    rc = rc < 0 ? rc
                : meta_audit_list(store_meta(api_backend(arg)->store), before, (size_t)limit,
                                  http_arena(x), &v, &n, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "entries");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        write_audit(&w, &v[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void accounts_routes(struct api *a, struct http_server *s)
{
    const uint32_t admin = NEED_ADMIN | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/users", list_users, a, HTTP_WORKER, 0, admin},
        {"POST", "/api/v1/users", create_user, a, HTTP_WORKER, 1 << 16, admin},
        {"PATCH", "/api/v1/users/{user}", update_user, a, HTTP_WORKER, 1 << 16,
         NEED_SESSION | NEED_BACKEND}, /* one's own password needs no admin: auth decides */
        {"DELETE", "/api/v1/users/{user}", delete_user, a, HTTP_WORKER, 0, admin},
        {"GET", "/api/v1/tokens", list_tokens, a, HTTP_WORKER, 0, admin},
        {"POST", "/api/v1/tokens", create_token, a, HTTP_WORKER, 1 << 16, admin},
        {"DELETE", "/api/v1/tokens/{id}", delete_token, a, HTTP_WORKER, 0, admin},
        {"GET", "/api/v1/audit", list_audit, a, HTTP_WORKER, 0, admin},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
