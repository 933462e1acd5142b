/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTPClientConfig: how to authenticate, verify and route requests, for scrapes and discovery alike, with
 * upstream's rules on what excludes what.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ingest/scrape/config_internal.h"

#define AT(field)         offsetof(struct http_conf, field)
#define AT_PROFILE(field) offsetof(struct http_conf, profile.field)

static int read_basic(struct config_reader *r, const struct yaml_node *n, void *obj,
                      struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"username", FIELD_STR, AT(user), 0, NULL},
        {"username_file", FIELD_PATH, AT(user_file), 0, NULL},
        {"password", FIELD_STR, AT(password), 0, NULL},
        {"password_file", FIELD_PATH, AT(password_file), 0, NULL},
    };
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), obj};
    struct http_conf *h = obj;
    int rc = config_fields(r, n, "config.plain (basic_auth)", &set, 1, reterr);

    if (rc < 0) {
        return rc;
    }
    h->has_basic = true;
    if (h->user.n != 0 && h->user_file.n != 0) {
        return config_fail(r, n, reterr,
                           "at most one of basic_auth username & username_file must be configured");
    }
    if (h->password.n != 0 && h->password_file.n != 0) {
        return config_fail(r, n, reterr,
                           "at most one of basic_auth password & password_file must be configured");
    }
    return 0;
}

static int set_authorization(struct config_reader *r, const struct yaml_node *n,
                             struct http_conf *h, struct err *reterr)
{
    if (h->has_authorization) {
        return config_fail(r, n, reterr,
                           "at most one of authorization, bearer_token & bearer_token_file must be "
                           "configured");
    }
    h->has_authorization = true;
    h->auth_type = h->auth_type.n != 0 ? h->auth_type : STR("Bearer");
    return 0;
}

static int read_authorization(struct config_reader *r, const struct yaml_node *n, void *obj,
                              struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"type", FIELD_STR, AT(auth_type), 0, NULL},
        {"credentials", FIELD_STR, AT(credentials), 0, NULL},
        {"credentials_file", FIELD_PATH, AT(credentials_file), 0, NULL},
    };
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), obj};
    struct http_conf *h = obj;
    int rc = config_fields(r, n, "config.plain (authorization)", &set, 1, reterr);

    rc = rc < 0 ? rc : set_authorization(r, n, h, reterr);
    if (rc < 0) {
        return rc;
    }
    if (str_eq_nocase(str_trim(h->auth_type), STR("basic"))) {
        return config_fail(r, n, reterr,
                           "authorization type cannot be set to \"basic\", use \"basic_auth\" "
                           "instead");
    }
    if (h->credentials.n != 0 && h->credentials_file.n != 0) {
        return config_fail(r, n, reterr,
                           "at most one of authorization credentials & credentials_file must be "
                           "configured");
    }
    return 0;
}

static int read_bearer(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
    struct http_conf *h = obj;
    int rc = config_str(r, n, &h->credentials, reterr);

    return rc < 0 || h->credentials.n == 0 ? rc : set_authorization(r, n, h, reterr);
}

static int read_bearer_file(struct config_reader *r, const struct yaml_node *n, void *obj,
                            struct err *reterr)
{
    struct http_conf *h = obj;
    int rc = config_str(r, n, &h->credentials_file, reterr);

    h->credentials_file = config_join(r, h->credentials_file);
    return rc < 0 || h->credentials_file.n == 0 ? rc : set_authorization(r, n, h, reterr);
}

/* GnuTLS reads certificates from files only: what is written in the configuration goes into a memory file. */
static int memory_file(struct config_reader *r, const struct yaml_node *n, struct str text,
                       const char **ret, struct err *reterr)
{
    struct str path;
    int fd;

    if (text.n == 0) {
        return 0;
    }
    fd = memfd_create("bongsu-tls", MFD_CLOEXEC);
    if (fd < 0 || !vec_push(&r->c->files, fd)) {
        if (fd >= 0) {
            close(fd);
        }
        return config_nomem(r, reterr);
    }
    if (write(fd, text.p, text.n) != (ssize_t)text.n) {
        return config_fail(r, n, reterr, "no memory for a certificate");
    }
    path = arena_printf(r->a, "/proc/self/fd/%d", fd);
    *ret = path.p;
    return path.p != NULL ? 0 : config_nomem(r, reterr);
}

static int read_tls(struct config_reader *r, const struct yaml_node *n, void *obj,
                    struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"ca", FIELD_STR, AT(ca_text), 0, NULL},
        {"cert", FIELD_STR, AT(cert_text), 0, NULL},
        {"key", FIELD_STR, AT(key_text), 0, NULL},
        {"ca_file", FIELD_CPATH, AT_PROFILE(ca_file), 0, NULL},
        {"cert_file", FIELD_CPATH, AT_PROFILE(cert_file), 0, NULL},
        {"key_file", FIELD_CPATH, AT_PROFILE(key_file), 0, NULL},
        {"server_name", FIELD_CSTR, AT_PROFILE(server_name), 0, NULL},
        {"insecure_skip_verify", FIELD_BOOL, AT_PROFILE(insecure), 0, NULL},
        {"min_version", FIELD_CHOICE, AT_PROFILE(tls_min), CHOICE_TLS, NULL},
        {"max_version", FIELD_CHOICE, AT_PROFILE(tls_max), CHOICE_TLS, NULL},
    };
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), obj};
    struct http_conf *h = obj;
    struct http_profile *p = &h->profile;
    int rc = config_fields(r, n, "config.plain (tls_config)", &set, 1, reterr);

    if (rc < 0) {
        return rc;
    }
    if ((h->ca_text.n != 0 && p->ca_file != NULL) ||
        (h->cert_text.n != 0 && p->cert_file != NULL) ||
        (h->key_text.n != 0 && p->key_file != NULL)) {
        return config_fail(r, n, reterr,
                           "at most one of ca & ca_file, cert & cert_file, key & key_file must be "
                           "configured");
    }
    if ((h->cert_text.n != 0 || p->cert_file != NULL) !=
        (h->key_text.n != 0 || p->key_file != NULL)) {
        return config_fail(r, n, reterr,
                           "exactly one of key or key_file must be configured when a client "
                           "certificate is configured, and the other way round");
    }
    rc = memory_file(r, n, h->ca_text, &p->ca_file, reterr);
    rc = rc < 0 ? rc : memory_file(r, n, h->cert_text, &p->cert_file, reterr);
    return rc < 0 ? rc : memory_file(r, n, h->key_text, &p->key_file, reterr);
}

static int read_header(struct config_reader *r, const struct yaml_pair *p,
                       struct http_header_conf *ret, struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"values", FIELD_STRS, offsetof(struct http_header_conf, values),
         offsetof(struct http_header_conf, values_n), NULL},
        {"secrets", FIELD_STRS, offsetof(struct http_header_conf, secrets),
         offsetof(struct http_header_conf, secrets_n), NULL},
        {"files", FIELD_PATHS, offsetof(struct http_header_conf, files),
         offsetof(struct http_header_conf, files_n), NULL},
    };
    static const char *const RESERVED[] = {"Authorization",
                                           "Host",
                                           "Content-Encoding",
                                           "Content-Length",
                                           "Content-Type",
                                           "User-Agent",
                                           "Connection",
                                           "Keep-Alive",
                                           "Proxy-Authenticate",
                                           "Proxy-Authorization",
                                           "Www-Authenticate",
                                           "Accept-Encoding",
                                           "Transfer-Encoding",
                                           "X-Prometheus-Remote-Write-Version",
                                           "X-Prometheus-Remote-Read-Version",
                                           "X-Prometheus-Scrape-Timeout-Seconds"};
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), ret};

    ret->name = p->key;
    for (size_t i = 0; i < ARRAY_LEN(RESERVED); i++) {
        if (str_eq_nocase(p->key, str_cstr(RESERVED[i]))) {
            return config_fail(r, p->value, reterr, "setting header \"%.*s\" is not allowed",
                               STR_ARG(p->key));
        }
    }
    return config_fields(r, p->value, "config.plain (http_headers)", &set, 1, reterr);
}

static int read_headers(struct config_reader *r, const struct yaml_node *n, void *obj,
                        struct err *reterr)
{
    struct http_conf *h = obj;

    h->headers = config_items(r, n, YAML_MAP, "http_headers", sizeof(*h->headers), reterr);
    if (h->headers == NULL) {
        return config_items_failed(n, YAML_MAP);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = read_header(r, &n->map[i], &h->headers[h->headers_n++], reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* proxy_connect_header: name to list of values. */
static int read_connect_headers(struct config_reader *r, const struct yaml_node *n, void *obj,
                                struct err *reterr)
{
    struct http_conf *h = obj;
    const char **lines;
    size_t lines_n = 0;
    size_t total = 0;

    if (n->kind != YAML_MAP) {
        return config_fail(r, n, reterr, "proxy_connect_header: a mapping is needed");
    }
    for (size_t i = 0; i < n->n; i++) {
        total += n->map[i].value->n;
    }
    lines = arena_calloc(r->a, total + 1, sizeof(*lines));
    for (size_t i = 0; lines != NULL && i < n->n; i++) {
        struct str *v = NULL;
        size_t v_n = 0;
        int rc = config_strs(r, n->map[i].value, false, &v, &v_n, reterr);

        if (rc < 0) {
            return rc;
        }
        for (size_t k = 0; k < v_n; k++) {
            lines[lines_n] =
                arena_printf(r->a, "%.*s: %.*s", STR_ARG(n->map[i].key), STR_ARG(v[k])).p;
            if (lines[lines_n++] == NULL) {
                return config_nomem(r, reterr);
            }
        }
    }
    h->profile.proxy_headers = lines;
    return lines != NULL ? 0 : config_nomem(r, reterr);
}

static int read_endpoint_params(struct config_reader *r, const struct yaml_node *n, void *obj,
                                struct err *reterr)
{
    struct oauth2_conf *o = obj;

    o->params = config_items(r, n, YAML_MAP, "endpoint_params", sizeof(*o->params), reterr);
    if (o->params == NULL) {
        return config_items_failed(n, YAML_MAP);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = config_str(r, n->map[i].value, &o->params[i][1], reterr);

        if (rc < 0) {
            return rc;
        }
        o->params[i][0] = n->map[i].key;
    }
    o->params_n = n->n;
    return 0;
}

static int read_oauth2(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr);

/* The proxy part of HTTPClientConfig comes first: oauth2 has it too. */
const struct config_field HTTP_FIELDS[] = {
    {"proxy_url", FIELD_CSTR, AT_PROFILE(proxy), 0, NULL},
    {"no_proxy", FIELD_CSTR, AT_PROFILE(no_proxy), 0, NULL},
    {"proxy_from_environment", FIELD_BOOL, AT_PROFILE(proxy_from_env), 0, NULL},
    {"proxy_connect_header", FIELD_READ, 0, 0, read_connect_headers},
    {"tls_config", FIELD_READ, 0, 0, read_tls},
    {"basic_auth", FIELD_READ, 0, 0, read_basic},
    {"authorization", FIELD_READ, 0, 0, read_authorization},
    {"oauth2", FIELD_READ, 0, 0, read_oauth2},
    {"bearer_token", FIELD_READ, 0, 0, read_bearer},
    {"bearer_token_file", FIELD_READ, 0, 0, read_bearer_file},
    {"follow_redirects", FIELD_BOOL, AT_PROFILE(follow_redirects), 0, NULL},
    {"enable_http2", FIELD_BOOL, AT_PROFILE(http2), 0, NULL},
    {"http_headers", FIELD_READ, 0, 0, read_headers},
};
const size_t HTTP_FIELDS_N = ARRAY_LEN(HTTP_FIELDS);

enum { PROXY_AND_TLS = 5 };

static int read_oauth2(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
#define OAUTH2(field) offsetof(struct oauth2_conf, field)
    static const struct config_field FIELDS[] = {
        {"client_id", FIELD_STR, OAUTH2(client_id), 0, NULL},
        {"client_secret", FIELD_STR, OAUTH2(client_secret), 0, NULL},
        {"client_secret_file", FIELD_PATH, OAUTH2(client_secret_file), 0, NULL},
        {"scopes", FIELD_STRS, OAUTH2(scopes), OAUTH2(scopes_n), NULL},
        {"token_url", FIELD_STR, OAUTH2(token_url), 0, NULL},
        {"endpoint_params", FIELD_READ, 0, 0, read_endpoint_params},
    };
    struct oauth2_conf *o = arena_calloc(r->a, 1, sizeof(*o));
    struct http_conf *http = arena_calloc(r->a, 1, sizeof(*http));
    const struct field_set sets[] = {{FIELDS, ARRAY_LEN(FIELDS), o},
                                     {HTTP_FIELDS, PROXY_AND_TLS, http}};
    int rc;

    if (o == NULL || http == NULL) {
        return config_nomem(r, reterr);
    }
    http_conf_default(http);
    rc = config_fields(r, n, "config.plain (oauth2)", sets, ARRAY_LEN(sets), reterr);
    if (rc < 0) {
        return rc;
    }
    if (o->client_id.n == 0) {
        return config_fail(r, n, reterr, "oauth2 client_id must be configured");
    }
    if (o->token_url.n == 0) {
        return config_fail(r, n, reterr, "oauth2 token_url must be configured");
    }
    if (o->client_secret.n != 0 && o->client_secret_file.n != 0) {
        return config_fail(r, n, reterr,
                           "at most one of oauth2 client_secret & client_secret_file must be "
                           "configured");
    }
    o->http = http;
    ((struct http_conf *)obj)->oauth2 = o;
    return 0;
}

void http_conf_default(struct http_conf *h)
{
    *h = (struct http_conf){.profile = {.follow_redirects = true, .http2 = true}};
}

int http_conf_finish(struct config_reader *r, const struct yaml_node *n, struct http_conf *h,
                     struct err *reterr)
{
    const struct http_profile *p = &h->profile;

    if ((int)h->has_basic + (int)h->has_authorization + (int)(h->oauth2 != NULL) > 1) {
        return config_fail(r, n, reterr,
                           "at most one of basic_auth, oauth2, authorization, bearer_token & "
                           "bearer_token_file must be configured");
    }
    if (p->proxy_from_env && (p->proxy != NULL || p->no_proxy != NULL)) {
        return config_fail(r, n, reterr,
                           "if proxy_from_environment is configured, proxy_url and no_proxy must "
                           "not be configured");
    }
    if (p->no_proxy != NULL && p->proxy == NULL) {
        return config_fail(r, n, reterr,
                           "if no_proxy is configured, proxy_url must also be configured");
    }
    return 0;
}
