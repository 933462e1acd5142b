/* SPDX-License-Identifier: Apache-2.0
 *
 * Password hashing by libargon2 (RFC 9106) and the small secret helpers.
 */
#include "auth/auth_internal.h"

#include <argon2.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#include "base/alloc.h"
#include "base/random.h"

/* OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane. */
enum { ARGON_PASSES = 2, ARGON_KIB = 19456, ARGON_LANES = 1, ARGON_SALT = 16, ARGON_HASH = 32 };

int password_hash(struct str password, char dst[PASSWORD_HASH_MAX], struct err *reterr)
{
    uint8_t salt[ARGON_SALT];
    int rc;

    random_bytes(salt, sizeof(salt));
    rc = argon2id_hash_encoded(ARGON_PASSES, ARGON_KIB, ARGON_LANES, password.p, password.n, salt,
                               sizeof(salt), ARGON_HASH, dst, PASSWORD_HASH_MAX);
    if (rc != ARGON2_OK) {
        return err_set(reterr, ERR_NOMEM, "hashing the password: %s", argon2_error_message(rc));
    }
    return 0;
}

/* For users that do not exist: the same work, the answer is always no. */
static const char DUMMY_HASH[] = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

bool password_verify(struct str password, struct str encoded)
{
    char *text CLEANUP(mem_free_ptr) = str_dup(encoded.n != 0 ? encoded : STR(DUMMY_HASH));

    return argon2id_verify(text, password.n != 0 ? password.p : "", password.n) == ARGON2_OK;
}

void secret_hash(struct str secret, uint8_t dst[META_HASH_SIZE])
{
    gnutls_hash_fast(GNUTLS_DIG_SHA256, secret.p, secret.n, dst);
}

void secret_new(char dst[AUTH_SECRET_SIZE])
{
    uint8_t raw[(AUTH_SECRET_SIZE - 1) / 2];

    random_bytes(raw, sizeof(raw));
    hex_encode(raw, sizeof(raw), dst);
}

bool secret_eq(struct str a, struct str b)
{
    return a.n == b.n && a.n != 0 && gnutls_memcmp(a.p, b.p, a.n) == 0;
}
