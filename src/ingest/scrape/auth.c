/* SPDX-License-Identifier: Apache-2.0
 *
 * Authorization headers and OAuth tokens. Invariant: a token is used only before its end; secrets never
 * reach a message.
 */
#include "ingest/scrape/auth.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "codec/base64.h"
#include "codec/json_read.h"
#include "ingest/scrape/fetch.h"
#include "io/vfs.h"

enum {
    HEADER_MAX = 1 << 16,
    SECRET_MAX = 1 << 16,
    TOKEN_DEPTH = 8,
    TOKEN_RETRY_MS = 10000,
    TOKEN_EARLY_MS = 30000,
    TOKEN_LIFE_S = 3600, /* when the server does not say */
};

/* ---- lists ---- */

void headers_done(struct header_list *h)
{
    for (size_t i = 0; i < h->lines.n; i++) {
        mem_free(h->lines.v[i]);
    }
    vec_done(&h->lines);
}

bool headers_add(struct header_list *h, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || n > HEADER_MAX) {
        return false;
    }
    line = mem_try_alloc((size_t)n + 1);
    if (line == NULL) {
        return false;
    }
    va_start(ap, fmt);
    vsnprintf(line, (size_t)n + 1, fmt, ap);
    va_end(ap);
    if (!vec_push(&h->lines, line)) {
        mem_free(line);
        return false;
    }
    return true;
}

bool headers_end(struct header_list *h)
{
    return vec_push(&h->lines, NULL);
}

/* ---- secrets ---- */

/* A secret given in the text or in a file, whose surrounding blanks do not count. */
static int secret(struct str text, struct str file, struct buf *dst, struct err *reterr)
{
    char *p = NULL;
    size_t n = 0;
    int rc;

    if (file.n == 0) {
        buf_add_str(dst, text);
        return 0;
    }
    rc = vfs_read_file(vfs_real(), file.p, SECRET_MAX, &p, &n, reterr);
    if (rc < 0) {
        return err_prefix(reterr, "unable to read file %.100s", file.p);
    }
    buf_add_str(dst, str_trim(str_of(p, n)));
    mem_free(p);
    return 0;
}

static int add_basic(struct header_list *h, const struct http_conf *c, struct err *reterr)
{
    struct buf plain CLEANUP(buf_done);
    struct buf coded CLEANUP(buf_done);
    int rc;

    buf_init(&plain, 2 * SECRET_MAX);
    buf_init(&coded, 4 * SECRET_MAX);
    rc = secret(c->user, c->user_file, &plain, reterr);
    buf_add_byte(&plain, ':');
    rc = rc < 0 ? rc : secret(c->password, c->password_file, &plain, reterr);
    if (rc < 0) {
        return rc;
    }
    base64_encode(buf_str(&plain), &coded);
    return headers_add(h, "Authorization: Basic %.*s", STR_ARG(buf_str(&coded)))
               ? 0
               : err_set(reterr, ERR_NOMEM, "no memory for a request header");
}

static int add_credentials(struct header_list *h, const struct http_conf *c, struct err *reterr)
{
    struct buf b CLEANUP(buf_done);
    int rc;

    buf_init(&b, SECRET_MAX);
    rc = secret(c->credentials, c->credentials_file, &b, reterr);
    if (rc < 0) {
        return rc;
    }
    return headers_add(h, "Authorization: %.*s %.*s", STR_ARG(c->auth_type), STR_ARG(buf_str(&b)))
               ? 0
               : err_set(reterr, ERR_NOMEM, "no memory for a request header");
}

static int add_custom(struct header_list *h, const struct http_header_conf *c, struct err *reterr)
{
    bool ok = true;

    for (size_t i = 0; ok && i < c->values_n; i++) {
        ok = headers_add(h, "%.*s: %.*s", STR_ARG(c->name), STR_ARG(c->values[i]));
    }
    for (size_t i = 0; ok && i < c->secrets_n; i++) {
        ok = headers_add(h, "%.*s: %.*s", STR_ARG(c->name), STR_ARG(c->secrets[i]));
    }
    for (size_t i = 0; ok && i < c->files_n; i++) {
        struct buf b CLEANUP(buf_done);
        int rc;

        buf_init(&b, SECRET_MAX);
        rc = secret(STR(""), c->files[i], &b, reterr);
        if (rc < 0) {
            return rc;
        }
        ok = headers_add(h, "%.*s: %.*s", STR_ARG(c->name), STR_ARG(buf_str(&b)));
    }
    return ok ? 0 : err_set(reterr, ERR_NOMEM, "no memory for a request header");
}

/* ---- tokens ---- */

struct token {
    uint64_t hash; /* of what the token is for: survives a reload */
    char *value;   /* NULL: none yet */
    struct mono ends, next_try;
    struct err err; /* why there is none */
};

struct auth_tokens {
    struct mutex lock;
    VEC(struct token) list; /* guarded by: lock */
};

struct auth_tokens *auth_tokens_new(void)
{
    struct auth_tokens *t = mem_xcalloc(1, sizeof(*t));

    mutex_init(&t->lock, LOCK_RANK_LEAF);
    return t;
}

void auth_tokens_free(struct auth_tokens *t)
{
    if (t != NULL) {
        for (size_t i = 0; i < t->list.n; i++) {
            mem_free(t->list.v[i].value);
        }
        vec_done(&t->list);
        mutex_done(&t->lock);
        mem_free(t);
    }
}

static uint64_t conf_hash(const struct oauth2_conf *o)
{
    uint64_t h = hash64_seed(o->client_id.p, o->client_id.n, 1);

    h = hash64_seed(o->token_url.p, o->token_url.n, h);
    h = hash64_seed(o->client_secret.p, o->client_secret.n, h);
    h = hash64_seed(o->client_secret_file.p, o->client_secret_file.n, h);
    for (size_t i = 0; i < o->scopes_n; i++) {
        h = hash64_seed(o->scopes[i].p, o->scopes[i].n, h);
    }
    for (size_t i = 0; i < o->params_n; i++) {
        h = hash64_seed(o->params[i][1].p, o->params[i][1].n, h);
    }
    return h;
}

static struct token *find(struct auth_tokens *t, uint64_t hash)
{
    for (size_t i = 0; i < t->list.n; i++) {
        if (t->list.v[i].hash == hash) {
            return &t->list.v[i];
        }
    }
    return NULL;
}

static void add_form(struct buf *b, struct str name, struct str value)
{
    buf_add_byte(b, '&');
    buf_add_str(b, name);
    buf_add_byte(b, '=');
    buf_add_percent(b, value, URL_UNRESERVED);
}

static void request_body(const struct oauth2_conf *o, struct buf *b)
{
    buf_add_cstr(b, "grant_type=client_credentials");
    for (size_t i = 0; i < o->scopes_n; i++) {
        if (i == 0) {
            add_form(b, STR("scope"), o->scopes[i]);
        } else {
            buf_add_cstr(b, "%20");
            buf_add_percent(b, o->scopes[i], URL_UNRESERVED);
        }
    }
    for (size_t i = 0; i < o->params_n; i++) {
        add_form(b, o->params[i][0], o->params[i][1]);
    }
}

/* access_token and expires_in of the answer. */
static int read_answer(struct str json, char **ret, int64_t *ret_life_s, struct err *reterr)
{
    struct buf scratch CLEANUP(buf_done);
    struct json_reader r;
    struct str key;
    int rc;

    buf_init(&scratch, SECRET_MAX);
    json_read_init(&r, json, TOKEN_DEPTH, &scratch);
    *ret = NULL;
    *ret_life_s = TOKEN_LIFE_S;
    rc = json_peek(&r, reterr);
    if (rc != JSON_OBJECT) {
        return rc < 0 ? rc : err_set(reterr, ERR_INVALID, "the answer is not an object");
    }
    rc = json_enter(&r, reterr);
    while (rc == 0 && (rc = json_next_member(&r, &key, reterr)) > 0) {
        struct str text;

        if (str_eq(key, STR("access_token")) && json_peek(&r, NULL) == JSON_STRING) {
            rc = json_read_str(&r, &text, reterr);
            if (rc == 0) {
                mem_free(*ret);
                *ret = str_dup(text);
            }
        } else if (str_eq(key, STR("expires_in")) && json_peek(&r, NULL) == JSON_NUMBER) {
            rc = json_read_number(&r, &text, reterr);
            if (rc == 0 && !str_to_i64(text, ret_life_s)) {
                *ret_life_s = TOKEN_LIFE_S;
            }
        } else {
            rc = json_skip(&r, reterr);
        }
    }
    return rc < 0         ? rc
           : *ret != NULL ? 0
                          : err_set(reterr, ERR_INVALID, "server response missing access_token");
}

static int fetch_token(const struct oauth2_conf *o, const atomic_bool *stop, char **ret,
                       int64_t *ret_life_s, struct err *reterr)
{
    struct http_conf auth = *o->http;
    struct header_list h = {0};
    struct buf body CLEANUP(buf_done);
    struct buf answer CLEANUP(buf_done);
    int status = 0;
    int rc;

    buf_init(&body, HEADER_MAX);
    buf_init(&answer, 1 << 20);
    auth.has_basic = true;
    auth.user = o->client_id;
    auth.password = o->client_secret;
    auth.password_file = o->client_secret_file;
    request_body(o, &body);
    rc = headers_auth(&h, &auth, NULL, reterr);
    if (rc == 0 &&
        (!headers_add(&h, "Content-Type: application/x-www-form-urlencoded") || !headers_end(&h))) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for a request header");
    }
    if (rc == 0) {
        const struct fetch f = {.profile = &auth.profile,
                                .url = o->token_url.p,
                                .headers = (const char *const *)h.lines.v,
                                .body = buf_str(&body),
                                .timeout_ms = 30000,
                                .stop = stop};

        rc = fetch(&f, &status, &answer, reterr);
    }
    headers_done(&h);
    if (rc == 0 && (status < 200 || status > 299)) {
        rc = err_set(reterr, ERR_UNAVAILABLE, "oauth2: cannot fetch token: HTTP status %d", status);
    }
    return rc < 0 ? rc : read_answer(buf_str(&answer), ret, ret_life_s, reterr);
}

static void renew(struct auth_tokens *t, const struct oauth2_conf *o, const atomic_bool *stop)
{
    uint64_t hash = conf_hash(o);
    struct mono now = clock_mono();
    struct token *k;
    struct err e = {0};
    char *value = NULL;
    int64_t life_s = 0;
    bool due;
    int rc;

    mutex_lock(&t->lock);
    k = find(t, hash);
    if (k == NULL && vec_push(&t->list, (struct token){.hash = hash})) {
        k = &t->list.v[t->list.n - 1];
        err_set(&k->err, ERR_UNAVAILABLE, "oauth2: no token yet");
    }
    due = k != NULL && now.ns >= k->next_try.ns &&
          (k->value == NULL || mono_add_ms(now, TOKEN_EARLY_MS).ns >= k->ends.ns);
    mutex_unlock(&t->lock);
    if (!due) {
        return;
    }
    rc = fetch_token(o, stop, &value, &life_s, &e);
    mutex_lock(&t->lock);
    k = find(t, hash);
    if (k != NULL && rc == 0) {
        mem_free(k->value);
        k->value = value;
        value = NULL;
        k->ends = mono_add_ms(clock_mono(), life_s * 1000);
        k->next_try = mono_add_ms(clock_mono(), 1000);
    } else if (k != NULL) {
        k->err = e;
        k->next_try = mono_add_ms(clock_mono(), TOKEN_RETRY_MS);
    }
    mutex_unlock(&t->lock);
    mem_free(value);
    if (rc < 0) {
        log_warn("scrape", "no OAuth token", L_STR("url", o->token_url), L_CSTR("error", e.msg));
    }
}

void auth_tokens_renew(struct auth_tokens *t, const struct config *c, const atomic_bool *stop)
{
    for (size_t i = 0; i < c->jobs_n; i++) {
        const struct job_conf *j = c->jobs[i];

        if (j->http.oauth2 != NULL) {
            renew(t, j->http.oauth2, stop);
        }
        for (size_t k = 0; k < j->sds_n; k++) {
            if (j->sds[k].http.oauth2 != NULL) {
                renew(t, j->sds[k].http.oauth2, stop);
            }
        }
    }
}

static int add_token(struct header_list *h, const struct oauth2_conf *o, struct auth_tokens *tokens,
                     struct err *reterr)
{
    struct token *k;
    int rc;

    if (tokens == NULL) {
        return err_set(reterr, ERR_UNSUPPORTED, "oauth2 is not possible here");
    }
    mutex_lock(&tokens->lock);
    k = find(tokens, conf_hash(o));
    if (k == NULL || k->value == NULL || clock_mono().ns >= k->ends.ns) {
        rc = err_set(reterr, ERR_UNAVAILABLE, "%s",
                     k != NULL && k->err.code != 0 ? k->err.msg : "oauth2: no token yet");
    } else {
        rc = headers_add(h, "Authorization: Bearer %s", k->value)
                 ? 0
                 : err_set(reterr, ERR_NOMEM, "no memory for a request header");
    }
    mutex_unlock(&tokens->lock);
    return rc;
}

int headers_auth(struct header_list *h, const struct http_conf *c, struct auth_tokens *tokens,
                 struct err *reterr)
{
    int rc = 0;

    if (c->has_basic) {
        rc = add_basic(h, c, reterr);
    } else if (c->has_authorization) {
        rc = add_credentials(h, c, reterr);
    } else if (c->oauth2 != NULL) {
        rc = add_token(h, c->oauth2, tokens, reterr);
    }
    for (size_t i = 0; rc == 0 && i < c->headers_n; i++) {
        rc = add_custom(h, &c->headers[i], reterr);
    }
    return rc;
}
