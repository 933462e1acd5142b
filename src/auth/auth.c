/* SPDX-License-Identifier: Apache-2.0
 *
 * Setup, login and the check of credentials. A secret is stored and looked up by its SHA-256, so a stolen
 * database gives no working cookie or token.
 */
#include "auth/auth_internal.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

static const char *const ROLES[] = {"viewer", "operator", "admin"};

const char *role_name(enum role r)
{
    return (unsigned)r < ARRAY_LEN(ROLES) ? ROLES[r] : ROLES[0];
}

bool role_parse(struct str s, enum role *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(ROLES); i++) {
        if (str_eq(s, str_cstr(ROLES[i]))) {
            *ret = (enum role)i;
            return true;
        }
    }
    return false;
}

const char *scope_name(enum auth_scope s)
{
    return s == SCOPE_INGEST ? "ingest" : s == SCOPE_READ ? "read" : "admin";
}

uint32_t scope_parse(struct str s)
{
    static const enum auth_scope ALL[] = {SCOPE_INGEST, SCOPE_READ, SCOPE_ADMIN};

    for (size_t i = 0; i < ARRAY_LEN(ALL); i++) {
        if (str_eq(s, str_cstr(scope_name(ALL[i])))) {
            return ALL[i];
        }
    }
    return 0;
}

static uint32_t scopes_of_role(enum role r)
{
    return r == ROLE_ADMIN ? SCOPE_READ | SCOPE_INGEST | SCOPE_ADMIN : SCOPE_READ;
}

int auth_open(const struct auth_opts *opts, struct auth **ret, struct err *reterr)
{
    struct auth *a = mem_xcalloc(1, sizeof(*a));
    int64_t admins = 0;
    int rc;

    a->meta = opts->meta;
    a->enabled = opts->enabled;
    a->session_ms = opts->session_ms != 0 ? opts->session_ms : 7LL * 86400000;
    mutex_init(&a->lock, LOCK_RANK_AUTH);
    a->logins_ok = stats_counter(opts->stats, "bongsu_logins_total", "result=\"ok\"",
                                 "Logins by their result");
    a->logins_failed = stats_counter(opts->stats, "bongsu_logins_total", "result=\"failed\"",
                                     "Logins by their result");
    rc = meta_admin_count(a->meta, &admins, reterr);
    rc = rc < 0 ? rc : meta_session_purge(a->meta, clock_wall_ms(), reterr);
    if (rc < 0) {
        auth_close(a);
        return rc;
    }
    if (admins == 0) {
        secret_new(a->setup_secret);
    }
    *ret = a;
    return 0;
}

void auth_close(struct auth *a)
{
    if (a != NULL) {
        mutex_done(&a->lock);
        mem_free(a);
    }
}

bool auth_enabled(const struct auth *a)
{
    return a->enabled;
}

void auth_anonymous(struct identity *ret)
{
    *ret = (struct identity){.role = ROLE_ADMIN, .scopes = SCOPE_INGEST | SCOPE_READ | SCOPE_ADMIN};
    snprintf(ret->name, sizeof(ret->name), "anonymous");
}

bool auth_setup_required(struct auth *a)
{
    return auth_setup_secret(a) != NULL;
}

const char *auth_setup_secret(struct auth *a)
{
    const char *secret;

    mutex_lock(&a->lock);
    secret = a->setup_secret[0] != '\0' ? a->setup_secret : NULL;
    mutex_unlock(&a->lock);
    return secret;
}

void auth_audit(struct auth *a, const char *actor, struct str ip, const char *action,
                struct str target, struct str detail)
{
    struct err e = {0};
    struct meta_audit line = {.time_ms = clock_wall_ms(),
                              .actor = str_cstr(actor),
                              .ip = ip,
                              .action = str_cstr(action),
                              .target = target,
                              .detail = detail};

    if (meta_audit_add(a->meta, &line, &e) < 0) {
        log_error("auth", "audit line could not be written", L_CSTR("action", action),
                  L_CSTR("error", e.msg));
    }
}

void cache_clear(struct auth *a)
{
    mutex_lock(&a->lock);
    for (size_t i = 0; i < CACHE_SLOTS; i++) {
        a->cache[i].until_ns = 0;
    }
    mutex_unlock(&a->lock);
}

static struct cache_slot *cache_slot(struct auth *a, const uint8_t hash[META_HASH_SIZE])
{
    return &a->cache[hash[0] % CACHE_SLOTS];
}

static bool cache_get(struct auth *a, const uint8_t hash[META_HASH_SIZE], struct identity *ret)
{
    struct cache_slot *s = cache_slot(a, hash);
    bool hit;

    mutex_lock(&a->lock);
    hit = s->until_ns > clock_mono().ns && memcmp(s->hash, hash, META_HASH_SIZE) == 0;
    if (hit) {
        *ret = s->identity;
    }
    mutex_unlock(&a->lock);
    return hit;
}

static void cache_put(struct auth *a, const uint8_t hash[META_HASH_SIZE], const struct identity *id)
{
    struct cache_slot *s = cache_slot(a, hash);

    mutex_lock(&a->lock);
    memcpy(s->hash, hash, META_HASH_SIZE);
    s->identity = *id;
    s->until_ns = clock_mono().ns + CACHE_TTL_S * 1000000000LL;
    mutex_unlock(&a->lock);
}

/* Start a session for a user whose password was right. */
static int session_start(struct auth *a, struct str user, enum role role, struct auth_login *ret,
                         struct err *reterr)
{
    struct identity *id = &ret->identity;
    struct meta_session s;
    int64_t now = clock_wall_ms();
    int rc;

    *ret = (struct auth_login){0};
    secret_new(ret->cookie);
    secret_new(id->csrf);
    secret_hash(str_cstr(ret->cookie), id->session);
    snprintf(id->name, sizeof(id->name), "%.*s", STR_ARG(user));
    id->role = role;
    id->scopes = scopes_of_role(role);
    id->by_cookie = true;
    id->expires_ms = now + a->session_ms;
    s = (struct meta_session){
        .user = user, .csrf = str_cstr(id->csrf), .expires_ms = id->expires_ms};
    memcpy(s.hash, id->session, sizeof(s.hash));
    rc = meta_session_purge(a->meta, now, reterr);
    rc = rc < 0 ? rc : meta_session_add(a->meta, &s, reterr);
    return rc < 0 ? rc : meta_user_touch_login(a->meta, user, now, reterr);
}

/* Take the one-time secret; it is put back when making the admin fails. */
static bool setup_take(struct auth *a, struct str secret, char kept[AUTH_SECRET_SIZE])
{
    bool ok;

    mutex_lock(&a->lock);
    ok = secret_eq(secret, str_of(a->setup_secret, strlen(a->setup_secret)));
    if (ok) {
        memcpy(kept, a->setup_secret, AUTH_SECRET_SIZE);
        a->setup_secret[0] = '\0';
    }
    mutex_unlock(&a->lock);
    return ok;
}

int auth_setup(struct auth *a, struct str secret, struct str user, struct str password,
               struct str ip, struct auth_login *ret, struct err *reterr)
{
    struct identity nobody = {0};
    char kept[AUTH_SECRET_SIZE];
    int rc;

    if (!setup_take(a, secret, kept)) {
        return err_set(
            reterr, ERR_FORBIDDEN,
            "this setup link is wrong or was used; restart the server for a new one while "
            "there is no admin");
    }
    snprintf(nobody.name, sizeof(nobody.name), "setup");
    nobody.role = ROLE_ADMIN;
    rc = auth_user_create(a, &nobody, ip, user, password, ROLE_ADMIN, reterr);
    if (rc < 0) {
        mutex_lock(&a->lock);
        memcpy(a->setup_secret, kept, AUTH_SECRET_SIZE);
        mutex_unlock(&a->lock);
        return rc;
    }
    auth_audit(a, nobody.name, ip, "setup", user, STR(""));
    return session_start(a, user, ROLE_ADMIN, ret, reterr);
}

static void login_failed(struct auth *a, struct str user, struct str ip)
{
    char actor[AUTH_NAME_MAX + 1];

    counter_add(a->logins_failed, 1);
    snprintf(actor, sizeof(actor), "%.*s", STR_ARG(user));
    auth_audit(a, actor, ip, "login_failed", STR(""), STR(""));
}

int auth_login(struct auth *a, struct str user, struct str password, struct str ip,
               struct auth_login *ret, int64_t *ret_retry_s, struct err *reterr)
{
    struct arena arena CLEANUP(arena_done);
    struct meta_user u = {0};
    enum role role = ROLE_VIEWER;
    int64_t wait;
    bool ok;
    int rc;

    arena_init(&arena, 1 << 16);
    mutex_lock(&a->lock);
    wait = brake_wait_s(a, ip, user);
    if (wait == 0) {
        brake_failed(a, ip,
                     user); /* counted before the slow check, so that parallel tries count too */
    }
    mutex_unlock(&a->lock);
    if (wait != 0) {
        *ret_retry_s = wait;
        return err_set(reterr, ERR_OVERLOAD, "too many failed logins; try again in %lld s",
                       (long long)wait);
    }
    rc = meta_user_get(a->meta, user, &arena, &u, reterr);
    if (rc < 0 && rc != -ERR_NOT_FOUND) {
        return rc;
    }
    ok = password_verify(password, u.password_hash) && rc == 0 && role_parse(u.role, &role);
    if (!ok) {
        login_failed(a, user, ip);
        return err_set(reterr, ERR_UNAUTHENTICATED, "user or password is wrong");
    }
    mutex_lock(&a->lock);
    brake_succeeded(a, ip, user);
    mutex_unlock(&a->lock);
    rc = session_start(a, user, role, ret, reterr);
    if (rc == 0) {
        counter_add(a->logins_ok, 1);
        auth_audit(a, ret->identity.name, ip, "login", STR(""), STR(""));
    }
    return rc;
}

int auth_logout(struct auth *a, const struct identity *who, struct str ip, struct err *reterr)
{
    int rc;

    if (!who->by_cookie) {
        return 0;
    }
    rc = meta_session_delete(a->meta, who->session, reterr);
    cache_clear(a);
    auth_audit(a, who->name, ip, "logout", STR(""), STR(""));
    return rc;
}

int auth_check_cookie(struct auth *a, struct str cookie, struct identity *ret, struct err *reterr)
{
    struct arena arena CLEANUP(arena_done);
    uint8_t hash[META_HASH_SIZE];
    struct meta_session s;
    struct identity id = {.by_cookie = true};
    int rc;

    arena_init(&arena, 1 << 16);
    secret_hash(cookie, hash);
    if (cache_get(a, hash, ret) && ret->by_cookie) {
        return 0;
    }
    rc = meta_session_get(a->meta, hash, clock_wall_ms(), &arena, &s, reterr);
    if (rc == -ERR_NOT_FOUND || (rc == 0 && !role_parse(s.role, &id.role))) {
        return err_set(reterr, ERR_UNAUTHENTICATED, "the session has ended; log in again");
    }
    if (rc < 0) {
        return rc;
    }
    snprintf(id.name, sizeof(id.name), "%.*s", STR_ARG(s.user));
    snprintf(id.csrf, sizeof(id.csrf), "%.*s", STR_ARG(s.csrf));
    memcpy(id.session, hash, sizeof(hash));
    id.scopes = scopes_of_role(id.role);
    id.expires_ms = s.expires_ms;
    cache_put(a, hash, &id);
    *ret = id;
    return 0;
}

int auth_check_token(struct auth *a, struct str secret, struct identity *ret, struct err *reterr)
{
    struct arena arena CLEANUP(arena_done);
    uint8_t hash[META_HASH_SIZE];
    struct meta_token t;
    struct identity id = {0};
    int64_t now = clock_wall_ms();
    int rc;

    arena_init(&arena, 1 << 16);
    secret_hash(secret, hash);
    if (cache_get(a, hash, ret) && !ret->by_cookie) {
        return 0;
    }
    rc = meta_token_get(a->meta, hash, &arena, &t, reterr);
    if (rc == -ERR_NOT_FOUND) {
        return err_set(reterr, ERR_UNAUTHENTICATED, "unknown token");
    }
    if (rc < 0) {
        return rc;
    }
    if (t.expires_ms != 0 && t.expires_ms <= now) {
        return err_set(reterr, ERR_UNAUTHENTICATED, "the token has expired");
    }
    snprintf(id.name, sizeof(id.name), "token:%.*s", (int)(t.name.n < 58 ? t.name.n : 58),
             t.name.p);
    id.scopes = t.scopes;
    id.role = (t.scopes & SCOPE_ADMIN) != 0 ? ROLE_ADMIN : ROLE_VIEWER;
    ignore_result(meta_token_touch(a->meta, t.id, now, NULL), "the time of last use is a courtesy");
    cache_put(a, hash, &id);
    *ret = id;
    return 0;
}
