/* SPDX-License-Identifier: Apache-2.0
 *
 * Login, logout, the first admin, and who one is. The cookie: HttpOnly, SameSite=Strict, Secure over TLS.
 */
#include <stdio.h>

#include "api/api_internal.h"

#include "api/json_body.h"

static void write_identity(struct json_writer *w, const struct identity *id)
{
    json_key(w, "user");
    json_cstr(w, id->name);
    json_key(w, "role");
    json_cstr(w, role_name(id->role));
    if (id->by_cookie) {
        json_key(w, "csrf_token");
        json_cstr(w, id->csrf);
        json_key(w, "expires_ms");
        json_i64(w, id->expires_ms);
    }
}

static void respond_session(struct http_exchange *x, struct auth *auth, const struct identity *id)
{
    struct json_writer w;
    struct buf b;

    http_set_header(x, "Cache-Control", "no-store");
    buf_init(&b, 1 << 16);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "authenticated");
    json_bool(&w, id != NULL);
    json_key(&w, "auth_enabled");
    json_bool(&w, auth_enabled(auth));
    json_key(&w, "setup_required");
    json_bool(&w, auth_enabled(auth) && auth_setup_required(auth));
    if (id != NULL) {
        write_identity(&w, id);
    }
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void set_cookie(struct http_exchange *x, const char *secret, int64_t max_age_s)
{
    char cookie[256];

    snprintf(cookie, sizeof(cookie),
             "bongsu_session=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", secret,
             (long long)max_age_s, http_is_tls(x) ? "; Secure" : "");
    http_set_header(x, "Set-Cookie", cookie);
}

static void logged_in(struct http_exchange *x, struct auth *auth, const struct auth_login *login)
{
    set_cookie(x, login->cookie, (login->identity.expires_ms - clock_wall_ms()) / 1000);
    respond_session(x, auth, &login->identity);
}

static void get_session(void *arg, struct http_exchange *x)
{
    respond_session(x, api_backend(arg)->auth, api_identity(x));
}

static void login(void *arg, struct http_exchange *x)
{
    struct auth *auth = api_backend(arg)->auth;
    struct auth_login made;
    struct json_body body;
    struct err e = {0};
    struct str user;
    struct str password;
    int64_t retry_s = 0;
    int rc = json_body_parse(x, &body, &e);

    rc = rc < 0 ? rc : json_body_str(&body, "user", true, &user, &e);
    rc = rc < 0 ? rc : json_body_str(&body, "password", true, &password, &e);
    rc = rc < 0 ? rc : auth_login(auth, user, password, http_peer(x), &made, &retry_s, &e);
    json_body_done(&body);
    if (rc < 0) {
        if (retry_s != 0) {
            char text[24];

            snprintf(text, sizeof(text), "%lld", (long long)retry_s);
            http_set_header(x, "Retry-After", text);
        }
        respond_err(x, rc, &e);
        return;
    }
    logged_in(x, auth, &made);
}

static void logout(void *arg, struct http_exchange *x)
{
    struct err e = {0};
    int rc = auth_logout(api_backend(arg)->auth, api_identity(x), http_peer(x), &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    set_cookie(x, "", 0);
    http_respond(x, 204, "application/json", STR(""));
}

static void setup(void *arg, struct http_exchange *x)
{
    struct auth *auth = api_backend(arg)->auth;
    struct auth_login made;
    struct json_body body;
    struct err e = {0};
    struct str token;
    struct str user;
    struct str password;
    int rc = json_body_parse(x, &body, &e);

    rc = rc < 0 ? rc : json_body_str(&body, "token", true, &token, &e);
    rc = rc < 0 ? rc : json_body_str(&body, "user", true, &user, &e);
    rc = rc < 0 ? rc : json_body_str(&body, "password", true, &password, &e);
    rc = rc < 0 ? rc : auth_setup(auth, token, user, password, http_peer(x), &made, &e);
    json_body_done(&body);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    logged_in(x, auth, &made);
}

void session_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/session", get_session, a, HTTP_INLINE, 0, NEED_NO_IDENTITY | NEED_BACKEND},
        {"POST", "/api/v1/session", login, a, HTTP_WORKER, 1 << 16, NEED_BACKEND},
        {"DELETE", "/api/v1/session", logout, a, HTTP_WORKER, 0, NEED_SESSION | NEED_BACKEND},
        {"POST", "/api/v1/setup", setup, a, HTTP_WORKER, 1 << 16, NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
