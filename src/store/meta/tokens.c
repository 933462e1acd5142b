/* SPDX-License-Identifier: Apache-2.0
 *
 * API tokens and the audit log.
 */
#include "store/meta/meta_internal.h"

int meta_token_add(struct meta *m, const struct meta_token *t, struct err *reterr)
{
    return meta_run(
        m, "INSERT INTO tokens(id,name,scopes,hash,created_ms,expires_ms) VALUES(?,?,?,?,?,?)",
        M_ARGS(M_TEXT(t->id), M_TEXT(t->name), M_I64(t->scopes), M_BLOB(t->hash, sizeof(t->hash)),
               M_I64(t->created_ms), M_I64(t->expires_ms)),
        NULL, NULL, NULL, reterr);
}

static int read_token(void *arg, sqlite3_stmt *st)
{
    struct meta_rows *rows = arg;
    struct meta_token *t = meta_rows_add(rows);

    if (t == NULL) {
        return -ERR_NOMEM;
    }
    t->id = meta_column(st, 0, rows->a);
    t->name = meta_column(st, 1, rows->a);
    t->scopes = (uint32_t)sqlite3_column_int64(st, 2);
    t->created_ms = sqlite3_column_int64(st, 3);
    t->expires_ms = sqlite3_column_int64(st, 4);
    t->last_used_ms = sqlite3_column_int64(st, 5);
    return t->id.p != NULL && t->name.p != NULL ? 0 : -ERR_NOMEM;
}

#define SELECT_TOKEN "SELECT id,name,scopes,created_ms,expires_ms,last_used_ms FROM tokens "

int meta_token_list(struct meta *m, struct arena *a, struct meta_token **ret, size_t *ret_n,
                    struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(**ret)};
    int rc = meta_run(m, SELECT_TOKEN "ORDER BY created_ms, id", M_NONE, read_token, &rows, NULL,
                      reterr);

    if (rc == 0) {
        *ret = (struct meta_token *)(void *)rows.v;
        *ret_n = rows.n;
    }
    return rc;
}

int meta_token_get(struct meta *m, const uint8_t hash[META_HASH_SIZE], struct arena *a,
                   struct meta_token *ret, struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(*ret)};
    int rc = meta_run(m, SELECT_TOKEN "WHERE hash=?", M_ARGS(M_BLOB(hash, META_HASH_SIZE)),
                      read_token, &rows, NULL, reterr);

    if (rc < 0) {
        return rc;
    }
    if (rows.n == 0) {
        return err_set(reterr, ERR_NOT_FOUND, "no such token");
    }
    *ret = *(struct meta_token *)(void *)rows.v;
    memcpy(ret->hash, hash, META_HASH_SIZE);
    return 0;
}

int meta_token_delete(struct meta *m, struct str id, struct err *reterr)
{
    return meta_change(m, "token", "DELETE FROM tokens WHERE id=?", M_ARGS(M_TEXT(id)), reterr);
}

int meta_token_touch(struct meta *m, struct str id, int64_t now_ms, struct err *reterr)
{
    return meta_change(m, "token", "UPDATE tokens SET last_used_ms=? WHERE id=?",
                       M_ARGS(M_I64(now_ms), M_TEXT(id)), reterr);
}

int meta_audit_add(struct meta *m, const struct meta_audit *e, struct err *reterr)
{
    return meta_run(m,
                    "INSERT INTO audit(time_ms,actor,ip,action,target,detail) VALUES(?,?,?,?,?,?)",
                    M_ARGS(M_I64(e->time_ms), M_TEXT(e->actor), M_TEXT(e->ip), M_TEXT(e->action),
                           M_TEXT(e->target), M_TEXT(e->detail)),
                    NULL, NULL, NULL, reterr);
}

static int read_audit(void *arg, sqlite3_stmt *st)
{
    struct meta_rows *rows = arg;
    struct meta_audit *e = meta_rows_add(rows);

    if (e == NULL) {
        return -ERR_NOMEM;
    }
    e->id = sqlite3_column_int64(st, 0);
    e->time_ms = sqlite3_column_int64(st, 1);
    e->actor = meta_column(st, 2, rows->a);
    e->ip = meta_column(st, 3, rows->a);
    e->action = meta_column(st, 4, rows->a);
    e->target = meta_column(st, 5, rows->a);
    e->detail = meta_column(st, 6, rows->a);
    return e->detail.p != NULL ? 0 : -ERR_NOMEM;
}

int meta_audit_list(struct meta *m, int64_t before_id, size_t limit, struct arena *a,
                    struct meta_audit **ret, size_t *ret_n, struct err *reterr)
{
    struct meta_rows rows = {.a = a, .size = sizeof(**ret)};
    int rc =
        meta_run(m,
                 "SELECT id,time_ms,actor,ip,action,target,detail FROM audit"
                 " WHERE ?1=0 OR id<?1 ORDER BY id DESC LIMIT ?2",
                 M_ARGS(M_I64(before_id), M_I64((int64_t)limit)), read_audit, &rows, NULL, reterr);

    if (rc == 0) {
        *ret = (struct meta_audit *)(void *)rows.v;
        *ret_n = rows.n;
    }
    return rc;
}
