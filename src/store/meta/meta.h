/* SPDX-License-Identifier: Apache-2.0
 *
 * Metadata in SQLite (WAL mode): users, sessions, tokens, the audit log, small settings. One connection
 * behind a mutex: these are rare, small statements. Secrets arrive here already hashed.
 */
#ifndef STORE_META_META_H
#define STORE_META_META_H

#include "base/arena.h"

struct err;
struct meta;

enum { META_HASH_SIZE = 32 }; /* SHA-256 of a secret */

/** Opens or creates the file and brings its schema to the current version in one transaction.
 * @return 0, -ERR_IO, -ERR_CORRUPT (not a database, or made by a newer version), -ERR_NOSPACE */
NODISCARD int meta_open(const char *path, struct meta **ret, struct err *reterr);
void meta_close(struct meta *m); /* NULL is fine */
/** Write a consistent copy to a file that must not exist, while others go on.
 * @return 0, -ERR_EXISTS, -ERR_IO, -ERR_NOSPACE */
NODISCARD int meta_snapshot(struct meta *m, const char *path, struct err *reterr);

/** SQLite's integrity check of a file nobody has open; never writes. @return 0, -ERR_CORRUPT (what it says), -ERR_IO */
NODISCARD int meta_check(const char *path, struct err *reterr);

struct meta_user {
    struct str name;          /* unique, case-sensitive */
    struct str password_hash; /* argon2 encoded form */
    struct str role;          /* "viewer", "operator", "admin" */
    int64_t created_ms;
    int64_t last_login_ms; /* 0: never */
};

/* All strings of results live in `a`. -ERR_NOT_FOUND when there is no such row, -ERR_EXISTS when there is
 * already one. Thread-safe, blocking on disk. */
NODISCARD int meta_user_add(struct meta *m, const struct meta_user *u, struct err *reterr);
NODISCARD int meta_user_get(struct meta *m, struct str name, struct arena *a, struct meta_user *ret,
                            struct err *reterr);
NODISCARD int meta_user_list(struct meta *m, struct arena *a, struct meta_user **ret, size_t *ret_n,
                             struct err *reterr);
/** Empty role or hash: leave as it is. Refuses (-ERR_EXISTS) to demote the last admin. */
NODISCARD int meta_user_update(struct meta *m, struct str name, struct str role,
                               struct str password_hash, struct err *reterr);
/** With its sessions. Refuses (-ERR_EXISTS) to remove the last admin. */
NODISCARD int meta_user_delete(struct meta *m, struct str name, struct err *reterr);
NODISCARD int meta_user_touch_login(struct meta *m, struct str name, int64_t now_ms,
                                    struct err *reterr);
NODISCARD int meta_admin_count(struct meta *m, int64_t *ret, struct err *reterr);

struct meta_session {
    uint8_t hash[META_HASH_SIZE]; /* of the cookie */
    struct str user;
    struct str role; /* of the user, joined */
    struct str csrf;
    int64_t expires_ms;
};

NODISCARD int meta_session_add(struct meta *m, const struct meta_session *s, struct err *reterr);
NODISCARD int meta_session_get(struct meta *m, const uint8_t hash[META_HASH_SIZE], int64_t now_ms,
                               struct arena *a, struct meta_session *ret, struct err *reterr);
NODISCARD int meta_session_delete(struct meta *m, const uint8_t hash[META_HASH_SIZE],
                                  struct err *reterr);
/** All sessions of a user but the one with `keep` (NULL: all). After a password change. */
NODISCARD int meta_session_delete_user(struct meta *m, struct str user, const uint8_t *keep,
                                       struct err *reterr);
NODISCARD int meta_session_purge(struct meta *m, int64_t now_ms, struct err *reterr);

struct meta_token {
    struct str id; /* public, random */
    struct str name;
    uint32_t scopes;
    uint8_t hash[META_HASH_SIZE]; /* of the secret */
    int64_t created_ms;
    int64_t expires_ms;   /* 0: never */
    int64_t last_used_ms; /* 0: never */
};

NODISCARD int meta_token_add(struct meta *m, const struct meta_token *t, struct err *reterr);
NODISCARD int meta_token_list(struct meta *m, struct arena *a, struct meta_token **ret,
                              size_t *ret_n, struct err *reterr);
NODISCARD int meta_token_get(struct meta *m, const uint8_t hash[META_HASH_SIZE], struct arena *a,
                             struct meta_token *ret, struct err *reterr);
NODISCARD int meta_token_delete(struct meta *m, struct str id, struct err *reterr);
NODISCARD int meta_token_touch(struct meta *m, struct str id, int64_t now_ms, struct err *reterr);

/** Small documents by name; put replaces. get: -ERR_NOT_FOUND. */
NODISCARD int meta_doc_put(struct meta *m, struct str name, struct str text, int64_t now_ms,
                           struct err *reterr);
NODISCARD int meta_doc_get(struct meta *m, struct str name, struct arena *a, struct str *ret,
                           struct err *reterr);

struct meta_audit {
    int64_t id;
    int64_t time_ms;
    struct str actor;
    struct str ip;
    struct str action;
    struct str target;
    struct str detail;
};

NODISCARD int meta_audit_add(struct meta *m, const struct meta_audit *e, struct err *reterr);
/** Newest first, ids below before_id (0: all), at most `limit`. */
NODISCARD int meta_audit_list(struct meta *m, int64_t before_id, size_t limit, struct arena *a,
                              struct meta_audit **ret, size_t *ret_n, struct err *reterr);

/** Rows deleted by filter. */
struct meta_deletion {
    struct str id;
    struct str signal; /* "logs", "traces" */
    struct str query;  /* as it was asked for */
    int64_t start_ms;  /* inclusive */
    int64_t end_ms;    /* exclusive */
    int64_t created_ms;
    struct str actor;
    uint64_t rows; /* when done */
    bool done;
};

NODISCARD int meta_deletion_begin(struct meta *m, const struct meta_deletion *d,
                                  struct err *reterr);
NODISCARD int meta_deletion_end(struct meta *m, struct str id, uint64_t rows, struct err *reterr);
/** It deleted nothing. */
NODISCARD int meta_deletion_forget(struct meta *m, struct str id, struct err *reterr);
/** Of one signal or all (empty), the newest 1000, oldest first. */
NODISCARD int meta_deletion_list(struct meta *m, struct str signal, struct arena *a,
                                 struct meta_deletion **ret, size_t *ret_n, struct err *reterr);

#endif
