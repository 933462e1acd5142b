/* SPDX-License-Identifier: Apache-2.0
 *
 * Connection, schema versions and the statement helpers. Everything is one short statement under the lock.
 */
#include <stdio.h>
#include <unistd.h>

#include "store/meta/meta_internal.h"

#include "base/alloc.h"

/* Schema steps: step i brings user_version i to i + 1. Never edit a step that has shipped: add one. */
static const char *const STEPS[] = {
    "CREATE TABLE users (name TEXT PRIMARY KEY, password_hash TEXT NOT NULL, role TEXT NOT NULL,"
    " created_ms INTEGER NOT NULL, last_login_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE sessions (hash BLOB PRIMARY KEY, user TEXT NOT NULL REFERENCES users(name)"
    " ON DELETE CASCADE, csrf TEXT NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX sessions_user ON sessions(user);"
    "CREATE TABLE tokens (id TEXT PRIMARY KEY, name TEXT NOT NULL, scopes INTEGER NOT NULL,"
    " hash BLOB NOT NULL UNIQUE, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL,"
    " last_used_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL,"
    " actor TEXT NOT NULL, ip TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,"
    " detail TEXT NOT NULL);",
    ("CREATE TABLE deletions (id TEXT PRIMARY KEY, signal TEXT NOT NULL, query TEXT NOT NULL,"
     " start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, created_ms INTEGER NOT NULL,"
     " actor TEXT NOT NULL, rows INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0)"
     " WITHOUT ROWID;"),
    ("CREATE TABLE docs (name TEXT PRIMARY KEY, text TEXT NOT NULL, updated_ms INTEGER NOT NULL)"
     " WITHOUT ROWID;"),
};

static int sqlite_error(sqlite3 *db, int rc, struct err *reterr)
{
    const char *text = db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc);

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return err_set(reterr, ERR_NOSPACE, "metadata: %s", text);
    case SQLITE_CONSTRAINT:
        return err_set(reterr, ERR_EXISTS, "already exists");
    case SQLITE_NOMEM:
        return err_set(reterr, ERR_NOMEM, "metadata: %s", text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(reterr, ERR_CORRUPT, "metadata: %s", text);
    default:
        return err_set(reterr, ERR_IO, "metadata: %s", text);
    }
}

static int exec(struct meta *m, const char *sql, struct err *reterr)
{
    int rc = sqlite3_exec(m->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : sqlite_error(m->db, rc, reterr);
}

static int read_i64(void *arg, sqlite3_stmt *st)
{
    *(int64_t *)arg = sqlite3_column_int64(st, 0);
    return 0;
}

static int apply_steps(struct meta *m, struct err *reterr)
{
    int64_t version = 0;
    int rc = meta_run(m, "PRAGMA user_version", M_NONE, read_i64, &version, NULL, reterr);

    if (rc < 0) {
        return rc;
    }
    if (version > (int64_t)ARRAY_LEN(STEPS)) {
        return err_set(reterr, ERR_CORRUPT,
                       "metadata has schema version %lld, this program knows up to %zu",
                       (long long)version, ARRAY_LEN(STEPS));
    }
    for (; version < (int64_t)ARRAY_LEN(STEPS); version++) {
        char bump[64];

        snprintf(bump, sizeof(bump), "PRAGMA user_version=%lld; COMMIT", (long long)version + 1);
        rc = exec(m, "BEGIN IMMEDIATE", reterr);
        rc = rc < 0 ? rc : exec(m, STEPS[version], reterr);
        rc = rc < 0 ? rc : exec(m, bump, reterr);
        if (rc < 0) {
            ignore_result(exec(m, "ROLLBACK", NULL), "the first error is the one to report");
            return rc;
        }
    }
    return 0;
}

int meta_open(const char *path, struct meta **ret, struct err *reterr)
{
    struct meta *m = mem_xcalloc(1, sizeof(*m));
    int rc;

    mutex_init(&m->lock, LOCK_RANK_META);
    rc = sqlite3_open_v2(path, &m->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        rc = sqlite_error(m->db, rc, reterr);
    } else {
        sqlite3_busy_timeout(m->db, 5000);
        /* FULL: an account change or an audit line is never lost to a power cut. */
        rc = exec(m,
                  "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
                  "PRAGMA cache_size=-512",
                  reterr);
        rc = rc < 0 ? rc : apply_steps(m, reterr);
        rc = rc < 0 ? rc : exec(m, "DELETE FROM deletions WHERE done=0", reterr);
    }
    if (rc < 0) {
        meta_close(m);
        return rc;
    }
    *ret = m;
    return 0;
}

void meta_close(struct meta *m)
{
    if (m != NULL) {
        sqlite3_close(m->db);
        mutex_done(&m->lock);
        mem_free(m);
    }
}

int meta_snapshot(struct meta *m, const char *path, struct err *reterr)
{
    sqlite3_stmt *st = NULL;
    int rc;

    if (access(path, F_OK) == 0) {
        return err_set(reterr, ERR_EXISTS, "%s exists", path);
    }
    mutex_lock(&m->lock);
    rc = sqlite3_prepare_v2(m->db, "VACUUM INTO ?1", -1, &st, NULL);
    rc = rc == SQLITE_OK ? sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    rc = rc == SQLITE_DONE ? 0 : sqlite_error(m->db, rc, reterr);
    sqlite3_finalize(st);
    mutex_unlock(&m->lock);
    return rc;
}

int meta_check(const char *path, struct err *reterr)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    const char *said;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);

    rc = rc == SQLITE_OK ? sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &st, NULL) : rc;
    rc = rc == SQLITE_OK ? sqlite3_step(st) : rc;
    said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    if (said == NULL) {
        rc = sqlite_error(db, rc, reterr);
    } else {
        rc = strcmp(said, "ok") == 0 ? 0 : err_set(reterr, ERR_CORRUPT, "metadata: %s", said);
    }
    sqlite3_finalize(st);
    sqlite3_close(db);
    return rc;
}

static void bind_all(sqlite3_stmt *st, struct meta_args args)
{
    for (size_t i = 0; i < args.n; i++) {
        const struct meta_arg *a = &args.v[i];
        int at = (int)i + 1;

        if (a->kind == ARG_I64) {
            sqlite3_bind_int64(st, at, a->i);
        } else if (a->kind == ARG_TEXT) {
            sqlite3_bind_text(st, at, a->s.n != 0 ? a->s.p : "", (int)a->s.n, SQLITE_STATIC);
        } else {
            sqlite3_bind_blob(st, at, a->s.p, (int)a->s.n, SQLITE_STATIC);
        }
    }
}

static int run_locked(struct meta *m, const char *sql, struct meta_args args, meta_row_fn row,
                      void *arg, struct err *reterr)
{
    sqlite3_stmt *st = NULL;
    int result = 0;
    int rc = sqlite3_prepare_v2(m->db, sql, -1, &st, NULL);

    if (rc != SQLITE_OK) {
        return sqlite_error(m->db, rc, reterr);
    }
    bind_all(st, args);
    while (result == 0 && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        result = row != NULL ? row(arg, st) : 0;
    }
    if (result < 0) {
        err_set(reterr, (enum err_code) - result, "metadata: %s", err_text(result));
    } else if (rc != SQLITE_DONE) {
        result = sqlite_error(m->db, rc, reterr);
    }
    sqlite3_finalize(st);
    return result;
}

int meta_run(struct meta *m, const char *sql, struct meta_args args, meta_row_fn row, void *arg,
             int64_t *ret_changes, struct err *reterr)
{
    int rc;

    mutex_lock(&m->lock);
    rc = run_locked(m, sql, args, row, arg, reterr);
    if (rc == 0 && ret_changes != NULL) {
        *ret_changes = sqlite3_changes(m->db);
    }
    mutex_unlock(&m->lock);
    return rc;
}

int meta_change(struct meta *m, const char *what, const char *sql, struct meta_args args,
                struct err *reterr)
{
    int64_t changes = 0;
    int rc = meta_run(m, sql, args, NULL, NULL, &changes, reterr);

    if (rc == 0 && changes == 0) {
        return err_set(reterr, ERR_NOT_FOUND, "no such %s", what);
    }
    return rc;
}

struct str meta_column(sqlite3_stmt *st, int column, struct arena *a)
{
    const char *p = (const char *)sqlite3_column_text(st, column);

    return arena_str_dup(a, str_of(p, p != NULL ? (size_t)sqlite3_column_bytes(st, column) : 0));
}

void *meta_rows_add(struct meta_rows *r)
{
    if (r->n == r->cap) {
        size_t cap = r->cap != 0 ? r->cap * 2 : 16;
        char *v = arena_calloc(r->a, cap, r->size);

        if (v == NULL) {
            return NULL;
        }
        if (r->n != 0) {
            memcpy(v, r->v, r->n * r->size);
        }
        r->v = v;
        r->cap = cap;
    }
    return r->v + r->size * r->n++;
}
