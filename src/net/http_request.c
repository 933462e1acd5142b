/* SPDX-License-Identifier: Apache-2.0
 *
 * The request side of an exchange: URI, parameters, headers, framing checks. Invariant: everything a
 * handler is given was decoded strictly; a bad escape is an error, never a guess. RFC 3986, RFC 9112.
 */
#include <stdlib.h>

#include "base/budget.h"
#include "net/http_internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int url_decode(struct arena *a, struct str s, bool plus, struct str *ret, struct err *reterr)
{
    size_t n = 0;
    char *dst;

    if (str_find_byte(s, '%') < 0 && (!plus || str_find_byte(s, '+') < 0)) {
        *ret = s;
        return 0;
    }
    dst = arena_alloc(a, s.n, 1);
    if (dst == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory to decode %zu bytes", s.n);
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            int hi = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
            int lo = hi >= 0 ? hex_digit(s.p[i + 2]) : -1;

            if (lo < 0) {
                return err_set(reterr, ERR_INVALID, "broken percent escape '%.*s'",
                               STR_ARG(str_take(str_drop(s, i), 3)));
            }
            c = (char)(hi * 16 + lo);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (c == '\0' && !plus) {
            return err_set(reterr, ERR_INVALID, "NUL in the path");
        }
        dst[n++] = c;
    }
    *ret = str_of(dst, n);
    return 0;
}

int params_parse(struct arena *a, struct str text, struct http_params *ret, struct err *reterr)
{
    struct http_params p = {0};
    struct str rest = text;
    struct str part;
    size_t count = 1;
    int rc;

    for (size_t i = 0; i < text.n; i++) {
        count += text.p[i] == '&';
    }
    if (text.n == 0) {
        *ret = p;
        return 0;
    }
    if (count > HTTP_PARAMS_MAX) {
        return err_set(reterr, ERR_INVALID, "more than %d parameters", HTTP_PARAMS_MAX);
    }
    p.v = arena_array(a, struct http_param, count);
    if (p.v == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for %zu parameters", count);
    }
    while (str_split(&rest, '&', &part)) {
        int64_t eq = str_find_byte(part, '=');
        struct str name = eq >= 0 ? str_take(part, (size_t)eq) : part;
        struct str value = eq >= 0 ? str_drop(part, (size_t)eq + 1) : (struct str){0};

        if (part.n == 0) {
            continue;
        }
        if ((rc = url_decode(a, name, true, &p.v[p.n].name, reterr)) < 0 ||
            (rc = url_decode(a, value, true, &p.v[p.n].value, reterr)) < 0) {
            return rc;
        }
        p.n++;
    }
    *ret = p;
    return 0;
}

/* Framing headers as microhttpd sees them, to find what it would accept but must not (RFC 9112 §6.3). */
struct framing {
    unsigned lengths;
    unsigned encodings;
    bool other_encoding;
    struct str length;
};

static enum MHD_Result note_framing(void *arg, enum MHD_ValueKind kind, const char *key,
                                    size_t key_n, const char *value, size_t value_n)
{
    struct framing *f = arg;

    (void)kind;
    if (str_eq_nocase(str_of(key, key_n), STR("Content-Length"))) {
        f->lengths++;
        f->length = str_of(value, value_n);
    } else if (str_eq_nocase(str_of(key, key_n), STR("Transfer-Encoding"))) {
        f->encodings++;
        f->other_encoding =
            f->other_encoding || !str_eq_nocase(str_of(value, value_n), STR("chunked"));
    }
    return MHD_YES;
}

static void refuse(struct http_exchange *x, int status, const char *reason, const struct err *e)
{
    reject_count(x->s, reason);
    x->close = x->has_body;
    respond_status(x, status, e);
}

/* Content-Length and Transfer-Encoding; false when an error was answered. */
static bool check_framing(struct http_exchange *x, uint64_t *ret_length)
{
    struct framing f = {0};
    struct err e = {0};
    uint64_t length = 0;

    MHD_get_connection_values_n(x->mhd, MHD_HEADER_KIND, note_framing, &f);
    x->has_body = f.encodings != 0;
    if (f.lengths > 1 || f.encodings > 1 || (f.lengths != 0 && f.encodings != 0)) {
        ignore_result(err_set(&e, ERR_INVALID, "Content-Length or Transfer-Encoding given twice"),
                      "answered");
    } else if (f.other_encoding) {
        ignore_result(err_set(&e, ERR_INVALID, "the only supported Transfer-Encoding is chunked"),
                      "answered");
    } else if (f.lengths != 0 && !str_to_u64(str_trim(f.length), &length)) {
        ignore_result(err_set(&e, ERR_INVALID, "broken Content-Length"), "answered");
    }
    if (e.code != 0) {
        x->has_body = true; /* who knows what follows: close */
        refuse(x, 400, "bad_request", &e);
        return false;
    }
    x->has_body = x->has_body || length != 0;
    *ret_length = length;
    return true;
}

static bool check_sizes(struct http_exchange *x, uint64_t length)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    struct budget *budget = x->s->opts.body_budget;
    struct err e = {0};

    if (info != NULL && info->header_size > x->s->opts.max_header_bytes) {
        ignore_result(err_set(&e, ERR_TOO_LARGE, "headers of %zu bytes, more than %zu",
                              info->header_size, x->s->opts.max_header_bytes),
                      "answered");
        refuse(x, 431, "header_too_large", &e);
        return false;
    }
    if (length > x->route->def.max_body) {
        ignore_result(err_set(&e, ERR_TOO_LARGE, "body of %llu bytes, more than %u",
                              (unsigned long long)length, x->route->def.max_body),
                      "answered");
        refuse(x, 413, "body_too_large", &e);
        return false;
    }
    if (budget != NULL && length != 0 &&
        (int64_t)length > budget->max_bytes - budget_used(budget)) {
        ignore_result(err_set(&e, ERR_OVERLOAD, "too many request bodies in flight"), "answered");
        refuse(x, 429, "body_budget", &e);
        return false;
    }
    return true;
}

/* The path part of a request target; absolute form is accepted as RFC 9112 §3.2.2 asks. */
static struct str target_path(struct str uri, struct str *ret_query)
{
    static const struct str SCHEMES[] = {{"http://", 7}, {"https://", 8}};
    int64_t mark;

    for (size_t i = 0; i < ARRAY_LEN(SCHEMES); i++) {
        if (str_starts(uri, SCHEMES[i])) {
            struct str rest = str_drop(uri, SCHEMES[i].n);
            int64_t slash = str_find_byte(rest, '/');

            uri = slash >= 0 ? str_drop(rest, (size_t)slash) : STR("/");
        }
    }
    mark = str_find_byte(uri, '?');
    *ret_query = mark >= 0 ? str_drop(uri, (size_t)mark + 1) : (struct str){0};
    return mark >= 0 ? str_take(uri, (size_t)mark) : uri;
}

void request_begin(struct http_exchange *x, const char *method)
{
    struct str query;
    struct str path = target_path(x->uri, &query);
    struct err e = {0};
    uint64_t length = 0;
    bool stopping;
    int rc;

    x->begun = true;
    x->method = str_cstr(method);
    mutex_lock(&x->s->lock);
    stopping = x->s->stopping;
    mutex_unlock(&x->s->lock);
    if (!check_framing(x, &length)) {
        return;
    }
    if (stopping) {
        ignore_result(err_set(&e, ERR_UNAVAILABLE, "the server is stopping"), "answered");
        x->has_body = true; /* closes */
        refuse(x, 503, "stopping", &e);
        return;
    }
    if ((rc = route_find(x, path, &e)) < 0 ||
        (rc = params_parse(&x->arena, query, &x->query, &e)) < 0) {
        refuse(x, err_http_status(rc), rc == -ERR_INVALID ? "bad_request" : "no_route", &e);
        return;
    }
    if (!check_sizes(x, length)) {
        return;
    }
    buf_init(&x->body, x->route->def.max_body);
    if (x->s->opts.guard != NULL &&
        x->s->opts.guard(x->s->opts.guard_arg, x, &x->route->def) != 0) {
        if (!x->responded) {
            ignore_result(err_set(&e, ERR_FORBIDDEN, "refused"), "answered");
            http_respond_error(x, &e);
        }
        x->close = x->has_body;
        reject_count(x->s, "guard");
    }
}

static bool is_form(const struct http_exchange *x)
{
    struct str type = http_header(x, "Content-Type");
    int64_t semicolon = str_find_byte(type, ';');

    type = str_trim(semicolon >= 0 ? str_take(type, (size_t)semicolon) : type);
    return x->body.n != 0 && str_eq_nocase(type, STR("application/x-www-form-urlencoded"));
}

bool request_parse_form(struct http_exchange *x)
{
    struct err e = {0};

    if (is_form(x) && params_parse(&x->arena, buf_str(&x->body), &x->form, &e) < 0) {
        reject_count(x->s, "bad_request");
        http_respond_error(x, &e);
        return false;
    }
    return true;
}

struct str http_method(const struct http_exchange *x)
{
    return x->method;
}

struct str http_path(const struct http_exchange *x)
{
    return x->path;
}

struct str http_path_param(const struct http_exchange *x, const char *name)
{
    for (size_t i = 0; x->route != NULL && i < x->route->n; i++) {
        if (x->route->segments[i].kind != SEGMENT_LITERAL &&
            str_eq(x->route->segments[i].text, str_cstr(name))) {
            return x->captures[i];
        }
    }
    return (struct str){0};
}

struct str http_header(const struct http_exchange *x, const char *name)
{
    const char *value = NULL;
    size_t n = 0;

    if (MHD_lookup_connection_value_n(x->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &n) !=
            MHD_YES ||
        value == NULL) {
        return (struct str){0};
    }
    return str_of(value, n);
}

struct str http_cookie(const struct http_exchange *x, const char *name)
{
    struct str rest = http_header(x, "Cookie");
    struct str part;

    while (str_split(&rest, ';', &part)) {
        int64_t eq = str_find_byte(part, '=');

        if (eq >= 0 && str_eq(str_trim(str_take(part, (size_t)eq)), str_cstr(name))) {
            struct str value = str_trim(str_drop(part, (size_t)eq + 1));

            if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"') {
                value = str_of(value.p + 1, value.n - 2);
            }
            return value;
        }
    }
    return (struct str){0};
}

struct str http_body(const struct http_exchange *x)
{
    return buf_str(&x->body);
}

static bool param_at(const struct http_params *p, struct str name, size_t *i, struct str *ret)
{
    for (size_t k = 0; k < p->n; k++) {
        if (str_eq(p->v[k].name, name) && (*i)-- == 0) {
            *ret = p->v[k].value;
            return true;
        }
    }
    return false;
}

/* The form comes first, as Prometheus reads requests that have both. */
bool http_param_at(const struct http_exchange *x, const char *name, size_t i, struct str *ret)
{
    return param_at(&x->form, str_cstr(name), &i, ret) ||
           param_at(&x->query, str_cstr(name), &i, ret);
}

struct str http_param(const struct http_exchange *x, const char *name)
{
    struct str value = {0};

    return http_param_at(x, name, 0, &value) ? value : (struct str){0};
}

bool http_has_param(const struct http_exchange *x, const char *name)
{
    struct str value;

    return http_param_at(x, name, 0, &value);
}

struct str http_peer(const struct http_exchange *x)
{
    return str_cstr(x->conn->peer);
}

bool http_is_tls(const struct http_exchange *x)
{
    return x->s->opts.tls_cert != NULL;
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

struct cancel *http_cancel(struct http_exchange *x)
{
    return &x->cancel;
}

void http_set_user(struct http_exchange *x, void *user)
{
    x->user = user;
}

void *http_user(const struct http_exchange *x)
{
    return x->user;
}
