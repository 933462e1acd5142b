/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may do what: the first admin by a one-time secret, passwords (argon2id), browser sessions with CSRF
 * tokens, API tokens with scopes, a brake on guessing, and an audit line for each of these.
 */
#ifndef AUTH_AUTH_H
#define AUTH_AUTH_H

#include "base/arena.h"
#include "base/stats.h"
#include "store/meta/meta.h"

struct auth;
struct err;

/** A role includes the ones before it. */
enum role { ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMIN };

/** Flags of what a token may do. A session has READ, and what its role adds. */
enum auth_scope { SCOPE_INGEST = 1u << 0, SCOPE_READ = 1u << 1, SCOPE_ADMIN = 1u << 2 };

const char *role_name(enum role r);
bool role_parse(struct str s, enum role *ret);
/** "ingest", "read", "admin"; 0 when unknown. */
uint32_t scope_parse(struct str s);
/** Name of a single flag. */
const char *scope_name(enum auth_scope s);

enum { AUTH_SECRET_SIZE = 65, AUTH_NAME_MAX = 64 }; /* 32 random bytes as hex + NUL */

/** An authenticated caller. */
struct identity {
    char name[AUTH_NAME_MAX + 1]; /* user, or "token:NAME" */
    enum role role;
    uint32_t scopes;
    bool by_cookie;
    uint8_t session[META_HASH_SIZE]; /* by_cookie: which one */
    char csrf[AUTH_SECRET_SIZE];     /* by_cookie */
    int64_t expires_ms;              /* by_cookie */
};

struct auth_opts {
    struct meta *meta;
    bool enabled;       /* false: everybody is admin (--no-auth, loopback only) */
    int64_t session_ms; /* life of a session; default 7 days */
    struct stats *stats;
};

NODISCARD int auth_open(const struct auth_opts *opts, struct auth **ret, struct err *reterr);
void auth_close(struct auth *a);
bool auth_enabled(const struct auth *a);
/** The identity everybody has when authentication is off. */
void auth_anonymous(struct identity *ret);

/** True while there is no admin. */
bool auth_setup_required(struct auth *a);
/** The one-time secret of this start, NULL when there is an admin. Valid until close. */
const char *auth_setup_secret(struct auth *a);

/** What a login gives: the cookie's secret and the identity. */
struct auth_login {
    char cookie[AUTH_SECRET_SIZE];
    struct identity identity;
};

/** All of these write the audit log; `ip` is the caller's address. Slow (argon2): call on a worker.
 * @return 0; -ERR_INVALID (name or password does not qualify), -ERR_FORBIDDEN (wrong or used secret) */
NODISCARD int auth_setup(struct auth *a, struct str secret, struct str user, struct str password,
                         struct str ip, struct auth_login *ret, struct err *reterr);
/** @return 0; -ERR_UNAUTHENTICATED (user or password wrong; both take the same time);
 *  -ERR_OVERLOAD with *ret_retry_s after too many failures from the address or for the user */
NODISCARD int auth_login(struct auth *a, struct str user, struct str password, struct str ip,
                         struct auth_login *ret, int64_t *ret_retry_s, struct err *reterr);
NODISCARD int auth_logout(struct auth *a, const struct identity *who, struct str ip,
                          struct err *reterr);

/** @return 0, -ERR_UNAUTHENTICATED. Cached: cheap per request. Thread-safe. */
NODISCARD int auth_check_cookie(struct auth *a, struct str cookie, struct identity *ret,
                                struct err *reterr);
NODISCARD int auth_check_token(struct auth *a, struct str secret, struct identity *ret,
                               struct err *reterr);

NODISCARD int auth_user_create(struct auth *a, const struct identity *who, struct str ip,
                               struct str user, struct str password, enum role role,
                               struct err *reterr);

/** NULL role / empty password: unchanged. Changing one's own password needs current_password; ends the
 * user's other sessions. */
struct auth_user_change {
    const enum role *role;
    struct str password;
    struct str current_password;
};

NODISCARD int auth_user_update(struct auth *a, const struct identity *who, struct str ip,
                               struct str user, const struct auth_user_change *change,
                               struct err *reterr);
NODISCARD int auth_user_delete(struct auth *a, const struct identity *who, struct str ip,
                               struct str user, struct err *reterr);

struct auth_token_made {
    char id[17];
    char secret[AUTH_SECRET_SIZE + 4]; /* "bgs_" + hex */
    int64_t created_ms;
};

NODISCARD int auth_token_create(struct auth *a, const struct identity *who, struct str ip,
                                struct str name, uint32_t scopes, int64_t expires_ms,
                                struct auth_token_made *ret, struct err *reterr);
NODISCARD int auth_token_revoke(struct auth *a, const struct identity *who, struct str ip,
                                struct str id, struct err *reterr);

/** A line that other modules want in the audit log. */
void auth_audit(struct auth *a, const char *actor, struct str ip, const char *action,
                struct str target, struct str detail);

#endif
