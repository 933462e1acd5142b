/* SPDX-License-Identifier: Apache-2.0
 *
 * Before any handler: security headers, readiness, who is asking, and whether the route lets them. Runs on
 * the event thread before the body is read.
 */
#include "api/api_internal.h"

#include "codec/base64.h"

static const char CSP[] =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'self'; frame-ancestors 'none'; form-action 'self'";

/* What is not sniffed is no page: an API's answers need no rules for pages. */
static void security_headers(struct http_exchange *x, const struct http_route *route)
{
    http_set_header(x, "X-Content-Type-Options", "nosniff");
    if (!str_starts(str_cstr(route->pattern), STR("/api/"))) {
        http_set_header(x, "Content-Security-Policy", CSP);
        http_set_header(x, "Referrer-Policy", "same-origin");
        http_set_header(x, "X-Frame-Options", "DENY");
    }
    if (http_is_tls(x)) {
        http_set_header(x, "Strict-Transport-Security", "max-age=31536000");
    }
}

static bool is_read_only(const struct http_exchange *x)
{
    return str_eq(http_method(x), STR("GET")) || str_eq(http_method(x), STR("HEAD"));
}

/* "host:port" without the port and brackets. */
static struct str host_only(struct str host)
{
    int64_t end;

    if (str_starts(host, STR("["))) {
        end = str_find_byte(host, ']');
        return end < 0 ? host : str_take(str_drop(host, 1), (size_t)end - 1);
    }
    end = str_find_byte(host, ':');
    return end < 0 ? host : str_take(host, (size_t)end);
}

static bool is_ip_or_localhost(struct str host)
{
    if (str_eq_nocase(host, STR("localhost")) || str_ends(host, STR(".localhost"))) {
        return true;
    }
    for (size_t i = 0; i < host.n; i++) {
        if (memchr("0123456789abcdefABCDEF.:", host.p[i], 24) == NULL) {
            return false;
        }
    }
    return str_find_byte(host, '.') >= 0 || str_find_byte(host, ':') >= 0;
}

/*
 * Without passwords the browser of a visitor of some other site must not become a way in: foreign pages are
 * refused by Sec-Fetch-Site (W3C Fetch Metadata), DNS rebinding by the Host header.
 */
static int check_open_server(struct http_exchange *x)
{
    struct str site = http_header(x, "Sec-Fetch-Site");
    struct str host = http_header(x, "Host");

    if (!is_read_only(x) && (str_eq(site, STR("cross-site")) || str_eq(site, STR("same-site")))) {
        http_respond_errorf(x, ERR_FORBIDDEN, "requests from other sites are refused");
        return 1;
    }
    if (host.n != 0 && !is_ip_or_localhost(host_only(host))) {
        http_respond_errorf(
            x, ERR_FORBIDDEN,
            "Host \"%.*s\": without authentication only localhost and addresses are "
            "served",
            STR_ARG(host));
        return 1;
    }
    return 0;
}

/* The secret of "Authorization: Bearer SECRET", or the password of Basic for clients that know only that. */
static struct str bearer_of(struct http_exchange *x)
{
    struct str h = str_trim(http_header(x, "Authorization"));
    struct buf b CLEANUP(buf_done);
    struct str plain;
    int64_t colon;

    buf_init(&b, 1024);
    if (h.n > 7 && str_eq_nocase(str_take(h, 7), STR("Bearer "))) {
        return str_trim(str_drop(h, 7));
    }
    if (h.n > 6 && str_eq_nocase(str_take(h, 6), STR("Token "))) { /* InfluxDB 2 clients */
        return str_trim(str_drop(h, 6));
    }
    if (h.n > 7 && str_eq_nocase(str_take(h, 7), STR("ApiKey "))) { /* Elastic's clients: id:key */
        h = str_drop(h, 1);
    } else if (h.n <= 6 || !str_eq_nocase(str_take(h, 6), STR("Basic "))) {
        return str_of(NULL, 0);
    }
    if (!base64_decode(str_trim(str_drop(h, 6)), &b)) {
        return str_of(NULL, 0);
    }
    plain = buf_str(&b);
    colon = str_find_byte(plain, ':');
    return colon < 0 ? str_of(NULL, 0)
                     : arena_str_dup(http_arena(x), str_drop(plain, (size_t)colon + 1));
}

static int identify(struct auth *auth, struct http_exchange *x, struct identity *id, struct err *e)
{
    struct str bearer;
    struct str cookie;

    if (!auth_enabled(auth)) {
        auth_anonymous(id);
        return 0;
    }
    bearer = bearer_of(x);
    if (bearer.n != 0) {
        return auth_check_token(auth, bearer, id, e);
    }
    cookie = http_cookie(x, "bongsu_session");
    if (cookie.n == 0) {
        return err_set(e, ERR_UNAUTHENTICATED, "log in, or send Authorization: Bearer TOKEN");
    }
    return auth_check_cookie(auth, cookie, id, e);
}

static int check_csrf(const struct http_exchange *x, const struct identity *id, struct err *e)
{
    struct str sent = http_header(x, "X-CSRF-Token");

    if (!id->by_cookie || is_read_only(x) || str_eq(sent, str_cstr(id->csrf))) {
        return 0;
    }
    return err_set(e, ERR_FORBIDDEN, "X-CSRF-Token is missing or wrong; reload the page");
}

static int check_needs(const struct identity *id, uint32_t needs, struct err *e)
{
    if ((needs & NEED_ADMIN) != 0 && id->role != ROLE_ADMIN) {
        return err_set(e, ERR_FORBIDDEN, "this needs the role admin");
    }
    if ((needs & NEED_OPERATOR) != 0 && id->role < ROLE_OPERATOR) {
        return err_set(e, ERR_FORBIDDEN, "this needs the role operator");
    }
    if ((needs & NEED_READ) != 0 && (id->scopes & SCOPE_READ) == 0) {
        return err_set(e, ERR_FORBIDDEN, "this needs the scope read");
    }
    if ((needs & NEED_INGEST) != 0 && (id->scopes & SCOPE_INGEST) == 0) {
        return err_set(e, ERR_FORBIDDEN, "this needs the scope ingest");
    }
    return 0;
}

static int refuse(struct http_exchange *x, const struct err *e)
{
    if (e->code == ERR_UNAUTHENTICATED) {
        http_set_header(x, "WWW-Authenticate", "Bearer realm=\"bongsu\"");
    }
    http_respond_error(x, e);
    return 1;
}

int api_http_guard(void *api, struct http_exchange *x, const struct http_route *route)
{
    struct api *a = api;
    const struct api_backend *b = api_backend(a);
    struct err e = {0};
    struct identity *id;
    int rc;

    security_headers(x, route);
    if (!a->opts.auth_enabled && check_open_server(x) != 0) {
        return 1;
    }
    if ((route->user_flags & NEED_BACKEND) != 0 && !api_ready(a)) {
        http_set_header(x, "Retry-After", "1");
        err_set(&e, ERR_UNAVAILABLE, "the server is starting or stopping; see /-/ready");
        return refuse(x, &e);
    }
    if (b == NULL || (route->user_flags & (NEED_SESSION | NEED_READ | NEED_INGEST | NEED_ADMIN |
                                           NEED_OPERATOR | NEED_NO_IDENTITY)) == 0) {
        return 0;
    }
    id = arena_new(http_arena(x), struct identity);
    if (id == NULL) {
        err_set(&e, ERR_NOMEM, "out of memory");
        return refuse(x, &e);
    }
    rc = identify(b->auth, x, id, &e);
    if (rc < 0 && (route->user_flags & NEED_NO_IDENTITY) != 0) {
        return 0;
    }
    rc = rc < 0 ? rc : check_csrf(x, id, &e);
    rc = rc < 0 ? rc : check_needs(id, route->user_flags, &e);
    if (rc < 0) {
        return refuse(x, &e);
    }
    http_set_user(x, id);
    return 0;
}

int api_grpc_guard(void *api, struct grpc_call *call, struct err *reterr)
{
    const struct api_backend *b = api_backend(api);
    struct str h = str_trim(grpc_metadata(call, "authorization"));
    struct identity id;
    int rc;

    if (!api_ready(api)) {
        return err_set(reterr, ERR_UNAVAILABLE, "the server is starting or stopping");
    }
    if (!auth_enabled(b->auth)) {
        return 0;
    }
    if (h.n <= 7 || !str_eq_nocase(str_take(h, 7), STR("Bearer "))) {
        return err_set(reterr, ERR_UNAUTHENTICATED, "send authorization: Bearer TOKEN");
    }
    rc = auth_check_token(b->auth, str_trim(str_drop(h, 7)), &id, reterr);
    return rc < 0 ? rc : check_needs(&id, NEED_INGEST, reterr);
}
