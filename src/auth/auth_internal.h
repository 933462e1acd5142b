/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of this folder.
 */
#ifndef AUTH_AUTH_INTERNAL_H
#define AUTH_AUTH_INTERNAL_H

#include "auth/auth.h"

#include "base/err.h"
#include "base/lock.h"

enum { CACHE_SLOTS = 256, BRAKE_SLOTS = 512, CACHE_TTL_S = 10 };

/** A credential seen lately, so that SQLite is not asked on every request. Ends after CACHE_TTL_S and is
 * emptied by every change of users, sessions and tokens. */
struct cache_slot {
    uint8_t hash[META_HASH_SIZE];
    struct identity identity;
    int64_t until_ns; /* monotonic; 0: empty */
};

/** Failed logins of one key (address or user). */
struct brake_slot {
    uint64_t key;
    int64_t first_ns; /* monotonic, of the window */
    uint32_t failures;
};

struct auth {
    struct meta *meta;
    bool enabled;
    int64_t session_ms;
    struct mutex lock;
    char setup_secret[AUTH_SECRET_SIZE];  /* guarded by: lock; "" when there is an admin */
    struct cache_slot cache[CACHE_SLOTS]; /* guarded by: lock */
    struct brake_slot brake[BRAKE_SLOTS]; /* guarded by: lock */
    struct counter *logins_ok;
    struct counter *logins_failed;
};

/* password.c: argon2id with OWASP's parameters (m = 19 MiB, t = 2, p = 1). */
enum { PASSWORD_HASH_MAX = 160, PASSWORD_MIN = 8, PASSWORD_MAX = 256 };

NODISCARD int password_hash(struct str password, char dst[PASSWORD_HASH_MAX], struct err *reterr);
/** False as well for a hash that does not parse; takes as long either way. */
bool password_verify(struct str password, struct str encoded);

/* brake.c: at most 5 failures a minute for an address, 10 for a user. Lock held by the caller. */
/** Seconds to wait, 0 when an attempt is allowed. */
int64_t brake_wait_s(struct auth *a, struct str ip, struct str user);
void brake_failed(struct auth *a, struct str ip, struct str user);
void brake_succeeded(struct auth *a, struct str ip, struct str user);

/** SHA-256. */
void secret_hash(struct str secret, uint8_t dst[META_HASH_SIZE]);
/** 32 random bytes as hex. */
void secret_new(char dst[AUTH_SECRET_SIZE]);
/** Compare without telling by time where they differ. */
bool secret_eq(struct str a, struct str b);
void cache_clear(struct auth *a);

#endif
