/* SPDX-License-Identifier: Apache-2.0
 *
 * Users and their sessions. At least one admin always remains: the statements that could remove the last
 * one carry the check themselves, so that two of them at once cannot both pass.
 */
#include "store/meta/meta_internal.h"

/* True for every user but the last admin. */
#define NOT_LAST_ADMIN \
    "(role<>'admin' OR (SELECT count(*) FROM users u WHERE u.role='admin' AND u.name<>users.name)>0)"

int meta_user_add(struct meta *m, const struct meta_user *u, struct err *reterr)
{
    int rc = meta_run(
        m, "INSERT INTO users(name,password_hash,role,created_ms) VALUES(?,?,?,?)",
        M_ARGS(M_TEXT(u->name), M_TEXT(u->password_hash), M_TEXT(u->role), M_I64(u->created_ms)),
        NULL, NULL, NULL, reterr);

    if (rc == -ERR_EXISTS) {
        return err_set(reterr, ERR_EXISTS, "user \"%.*s\" already exists", STR_ARG(u->name));
    }
    return rc;
}

static int read_user(void *arg, sqlite3_stmt *st)
{
    struct meta_rows *rows = arg;
    struct meta_user *u = meta_rows_add(rows);

    if (u == NULL) {
        return -ERR_NOMEM;
    }
    u->name = meta_column(st, 0, rows->a);
    u->password_hash = meta_column(st, 1, rows->a);
    u->role = meta_column(st, 2, rows->a);
    u->created_ms = sqlite3_column_int64(st, 3);
    u->last_login_ms = sqlite3_column_int64(st, 4);
    return u->name.p != NULL && u->password_hash.p != NULL && u->role.p != NULL ? 0 : -ERR_NOMEM;
}

#define SELECT_USER "SELECT name,password_hash,role,created_ms,last_login_ms FROM users "

int meta_user_get(struct meta *m, struct str name, struct arena *a, struct meta_user *ret,
                  struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(*ret)};
    int rc = meta_run(m, SELECT_USER "WHERE name=?", M_ARGS(M_TEXT(name)), read_user, &rows, NULL,
                      reterr);

    if (rc < 0) {
        return rc;
    }
    if (rows.n == 0) {
        return err_set(reterr, ERR_NOT_FOUND, "no such user");
    }
    *ret = *(struct meta_user *)(void *)rows.v;
    return 0;
}

int meta_user_list(struct meta *m, struct arena *a, struct meta_user **ret, size_t *ret_n,
                   struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(**ret)};
    int rc = meta_run(m, SELECT_USER "ORDER BY name", M_NONE, read_user, &rows, NULL, reterr);

    if (rc == 0) {
        *ret = (struct meta_user *)(void *)rows.v;
        *ret_n = rows.n;
    }
    return rc;
}

/* Nothing changed: was there no such user, or was it the last admin? */
static int explain_unchanged(struct meta *m, struct str name, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct meta_user u;
    int rc;

    arena_init(&a, 1 << 16);
    rc = meta_user_get(m, name, &a, &u, reterr);
    if (rc < 0) {
        return rc;
    }
    return err_set(reterr, ERR_EXISTS, "\"%.*s\" is the last admin", STR_ARG(name));
}

int meta_user_update(struct meta *m, struct str name, struct str role, struct str password_hash,
                     struct err *reterr)
{
    int64_t changes = 0;
    int rc = meta_run(m,
                      "UPDATE users SET role=coalesce(nullif(?2,''),role),"
                      " password_hash=coalesce(nullif(?3,''),password_hash)"
                      " WHERE name=?1 AND (?2 IN ('','admin') OR " NOT_LAST_ADMIN ")",
                      M_ARGS(M_TEXT(name), M_TEXT(role), M_TEXT(password_hash)), NULL, NULL,
                      &changes, reterr);

    return rc == 0 && changes == 0 ? explain_unchanged(m, name, reterr) : rc;
}

int meta_user_delete(struct meta *m, struct str name, struct err *reterr)
{
    int64_t changes = 0;
    int rc = meta_run(m, "DELETE FROM users WHERE name=? AND " NOT_LAST_ADMIN, M_ARGS(M_TEXT(name)),
                      NULL, NULL, &changes, reterr);

    return rc == 0 && changes == 0 ? explain_unchanged(m, name, reterr) : rc;
}

int meta_user_touch_login(struct meta *m, struct str name, int64_t now_ms, struct err *reterr)
{
    return meta_change(m, "user", "UPDATE users SET last_login_ms=? WHERE name=?",
                       M_ARGS(M_I64(now_ms), M_TEXT(name)), reterr);
}

static int read_count(void *arg, sqlite3_stmt *st)
{
    *(int64_t *)arg = sqlite3_column_int64(st, 0);
    return 0;
}

int meta_admin_count(struct meta *m, int64_t *ret, struct err *reterr)
{
    return meta_run(m, "SELECT count(*) FROM users WHERE role='admin'", M_NONE, read_count, ret,
                    NULL, reterr);
}

int meta_session_add(struct meta *m, const struct meta_session *s, struct err *reterr)
{
    return meta_run(m, "INSERT INTO sessions(hash,user,csrf,expires_ms) VALUES(?,?,?,?)",
                    M_ARGS(M_BLOB(s->hash, sizeof(s->hash)), M_TEXT(s->user), M_TEXT(s->csrf),
                           M_I64(s->expires_ms)),
                    NULL, NULL, NULL, reterr);
}

static int read_session(void *arg, sqlite3_stmt *st)
{
    struct meta_rows *rows = arg;
    struct meta_session *s = meta_rows_add(rows);

    if (s == NULL) {
        return -ERR_NOMEM;
    }
    s->user = meta_column(st, 0, rows->a);
    s->role = meta_column(st, 1, rows->a);
    s->csrf = meta_column(st, 2, rows->a);
    s->expires_ms = sqlite3_column_int64(st, 3);
    return s->user.p != NULL && s->role.p != NULL && s->csrf.p != NULL ? 0 : -ERR_NOMEM;
}

int meta_session_get(struct meta *m, const uint8_t hash[META_HASH_SIZE], int64_t now_ms,
                     struct arena *a, struct meta_session *ret, struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(*ret)};
    int rc = meta_run(m,
                      "SELECT s.user,u.role,s.csrf,s.expires_ms FROM sessions s JOIN users u"
                      " ON u.name=s.user WHERE s.hash=? AND s.expires_ms>?",
                      M_ARGS(M_BLOB(hash, META_HASH_SIZE), M_I64(now_ms)), read_session, &rows,
                      NULL, reterr);

    if (rc < 0) {
        return rc;
    }
    if (rows.n == 0) {
        return err_set(reterr, ERR_NOT_FOUND, "no such session");
    }
    *ret = *(struct meta_session *)(void *)rows.v;
    memcpy(ret->hash, hash, META_HASH_SIZE);
    return 0;
}

int meta_session_delete(struct meta *m, const uint8_t hash[META_HASH_SIZE], struct err *reterr)
{
    return meta_run(m, "DELETE FROM sessions WHERE hash=?", M_ARGS(M_BLOB(hash, META_HASH_SIZE)),
                    NULL, NULL, NULL, reterr);
}

int meta_session_delete_user(struct meta *m, struct str user, const uint8_t *keep,
                             struct err *reterr)
{
    static const uint8_t NONE[META_HASH_SIZE];

    return meta_run(m, "DELETE FROM sessions WHERE user=? AND hash<>?",
                    M_ARGS(M_TEXT(user), M_BLOB(keep != NULL ? keep : NONE, META_HASH_SIZE)), NULL,
                    NULL, NULL, reterr);
}

int meta_session_purge(struct meta *m, int64_t now_ms, struct err *reterr)
{
    return meta_run(m, "DELETE FROM sessions WHERE expires_ms<=?", M_ARGS(M_I64(now_ms)), NULL,
                    NULL, NULL, reterr);
}
