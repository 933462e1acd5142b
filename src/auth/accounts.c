/* SPDX-License-Identifier: Apache-2.0
 *
 * Changes of users and tokens by an admin (or of one's own password), each with an audit line.
 */
#include <stdio.h>

#include "auth/auth_internal.h"

#include "base/clock.h"
#include "base/random.h"

static int need_admin(const struct identity *who, struct err *reterr)
{
    return who->role == ROLE_ADMIN ? 0
                                   : err_set(reterr, ERR_FORBIDDEN, "this needs the role admin");
}

static int check_user_name(struct str user, struct err *reterr)
{
    if (user.n == 0 || user.n > AUTH_NAME_MAX || !str_is_utf8(user) || str_trim(user).n != user.n) {
        return err_set(reterr, ERR_INVALID,
                       "user: 1 to %d bytes of UTF-8 without space at its ends", AUTH_NAME_MAX);
    }
    for (size_t i = 0; i < user.n; i++) {
        if ((unsigned char)user.p[i] < 0x20) {
            return err_set(reterr, ERR_INVALID, "user: control character at byte %zu", i);
        }
    }
    return 0;
}

static int check_password(struct str password, struct err *reterr)
{
    if (password.n < PASSWORD_MIN || password.n > PASSWORD_MAX) {
        return err_set(reterr, ERR_INVALID, "password: %d to %d bytes", PASSWORD_MIN, PASSWORD_MAX);
    }
    return 0;
}

int auth_user_create(struct auth *a, const struct identity *who, struct str ip, struct str user,
                     struct str password, enum role role, struct err *reterr)
{
    char hash[PASSWORD_HASH_MAX];
    struct meta_user u;
    int rc = need_admin(who, reterr);

    rc = rc < 0 ? rc : check_user_name(user, reterr);
    rc = rc < 0 ? rc : check_password(password, reterr);
    rc = rc < 0 ? rc : password_hash(password, hash, reterr);
    if (rc < 0) {
        return rc;
    }
    u = (struct meta_user){.name = user,
                           .password_hash = str_cstr(hash),
                           .role = str_cstr(role_name(role)),
                           .created_ms = clock_wall_ms()};
    rc = meta_user_add(a->meta, &u, reterr);
    if (rc == 0) {
        auth_audit(a, who->name, ip, "user_created", user, str_cstr(role_name(role)));
    }
    return rc;
}

/* One's own password: the present one must be known. */
static int check_current(struct auth *a, struct str user, struct str current, struct err *reterr)
{
    struct arena arena CLEANUP(arena_done);
    struct meta_user u;
    int rc;

    arena_init(&arena, 1 << 16);
    rc = meta_user_get(a->meta, user, &arena, &u, reterr);
    if (rc < 0) {
        return rc;
    }
    return password_verify(current, u.password_hash)
               ? 0
               : err_set(reterr, ERR_FORBIDDEN, "the current password is wrong");
}

int auth_user_update(struct auth *a, const struct identity *who, struct str ip, struct str user,
                     const struct auth_user_change *change, struct err *reterr)
{
    char hash[PASSWORD_HASH_MAX] = "";
    bool own = who->by_cookie && str_eq(user, str_cstr(who->name));
    struct str role = str_of(NULL, 0);
    int rc = 0;

    if (!own || change->role != NULL) {
        rc = need_admin(who, reterr);
    }
    if (rc == 0 && change->password.n != 0) {
        rc = own ? check_current(a, user, change->current_password, reterr) : 0;
        rc = rc < 0 ? rc : check_password(change->password, reterr);
        rc = rc < 0 ? rc : password_hash(change->password, hash, reterr);
    }
    if (rc < 0) {
        return rc;
    }
    if (change->role != NULL) {
        role = str_cstr(role_name(*change->role));
    }
    rc = meta_user_update(a->meta, user, role, str_cstr(hash), reterr);
    if (rc == 0 && change->password.n != 0) {
        rc = meta_session_delete_user(a->meta, user, own ? who->session : NULL, reterr);
    }
    cache_clear(a);
    if (rc == 0) {
        auth_audit(a, who->name, ip, "user_changed", user,
                   change->password.n != 0 ? STR("password") : role);
    }
    return rc;
}

int auth_user_delete(struct auth *a, const struct identity *who, struct str ip, struct str user,
                     struct err *reterr)
{
    int rc = need_admin(who, reterr);

    rc = rc < 0 ? rc : meta_user_delete(a->meta, user, reterr);
    cache_clear(a);
    if (rc == 0) {
        auth_audit(a, who->name, ip, "user_deleted", user, STR(""));
    }
    return rc;
}

int auth_token_create(struct auth *a, const struct identity *who, struct str ip, struct str name,
                      uint32_t scopes, int64_t expires_ms, struct auth_token_made *ret,
                      struct err *reterr)
{
    char hex[AUTH_SECRET_SIZE];
    uint8_t id[8];
    struct meta_token t;
    int rc = need_admin(who, reterr);

    if (rc < 0) {
        return rc;
    }
    if (name.n == 0 || name.n > AUTH_NAME_MAX || !str_is_utf8(name)) {
        return err_set(reterr, ERR_INVALID, "name: 1 to %d bytes of UTF-8", AUTH_NAME_MAX);
    }
    if (scopes == 0) {
        return err_set(reterr, ERR_INVALID, "scopes: at least one of ingest, read, admin");
    }
    if (expires_ms != 0 && expires_ms <= clock_wall_ms()) {
        return err_set(reterr, ERR_INVALID, "expires_ms: lies in the past");
    }
    random_bytes(id, sizeof(id));
    hex_encode(id, sizeof(id), ret->id);
    secret_new(hex);
    snprintf(ret->secret, sizeof(ret->secret), "bgs_%s", hex);
    ret->created_ms = clock_wall_ms();
    t = (struct meta_token){.id = str_cstr(ret->id),
                            .name = name,
                            .scopes = scopes,
                            .created_ms = ret->created_ms,
                            .expires_ms = expires_ms};
    secret_hash(str_cstr(ret->secret), t.hash);
    rc = meta_token_add(a->meta, &t, reterr);
    if (rc == 0) {
        auth_audit(a, who->name, ip, "token_created", name, t.id);
    }
    return rc;
}

int auth_token_revoke(struct auth *a, const struct identity *who, struct str ip, struct str id,
                      struct err *reterr)
{
    int rc = need_admin(who, reterr);

    rc = rc < 0 ? rc : meta_token_delete(a->meta, id, reterr);
    cache_clear(a);
    if (rc == 0) {
        auth_audit(a, who->name, ip, "token_revoked", id, STR(""));
    }
    return rc;
}
