/* SPDX-License-Identifier: Apache-2.0
 *
 * Who a request is counted as: its client's address, its session, or a user id of the application's own, by rules of
 * its group; and which requests are made by programs. What tells people apart is hashed with a key here and goes no
 * further.
 */
#ifndef APM_USERS_IDENTITY_H
#define APM_USERS_IDENTITY_H

#include "apm/entry.h"
#include "base/buf.h"

struct err;

/** The numbers are in files. */
enum users_identity { USERS_BY_IP, USERS_BY_SESSION, USERS_BY_USER, USERS_IDENTITIES };

const char *users_identity_name(enum users_identity i); /* "ip", "session", "user" */
bool users_identity_parse(struct str s, enum users_identity *ret);

enum {
    USERS_NAME_MAX = 128,  /* of a cookie or an attribute */
    USERS_COOKIES_MAX = 4, /* names of session cookies */
    USERS_HOPS_MAX = 16,
    USERS_BOTS_MAX = 128,
    USERS_RULES_MAX = 1024,
    USERS_SETTINGS_MAX = 1 << 20, /* bytes of text */
};

/** How the users of a group are told apart. */
struct users_rule {
    enum users_identity identity;
    bool
        missing_by_ip; /* a request without session or user counts by its address; else not at all */
    /** Proxies in front that can be trusted to append to X-Forwarded-For or Forwarded; 0: those headers are not read. */
    uint8_t trusted_hops;
    char session_cookies[USERS_COOKIES_MAX][USERS_NAME_MAX]; /* "" ends */
    char user_cookie[USERS_NAME_MAX];                        /* "": none */
    char user_attribute[USERS_NAME_MAX]; /* of the span, before enduser.id and user.id; "": none */
};

struct users_group_rule {
    char group[ENTRY_GROUP_MAX];
    struct users_rule rule;
};

struct users_settings {
    struct users_rule usual;
    struct users_group_rule *groups; /* owned, by name */
    size_t groups_n;
    char bots[USERS_BOTS_MAX][USERS_NAME_MAX]; /* in lower case; in a user agent: a program's */
    size_t bots_n;
};

/** By address, known programs left out. Free with users_settings_free(). */
struct users_settings *users_settings_usual(void);
void users_settings_free(struct users_settings *s); /* NULL is fine */
/** The rule of a group; never NULL. */
const struct users_rule *users_settings_rule(const struct users_settings *s, struct str group);
/** From JSON as users_settings_write() has it; what is missing is as usual. @return 0; -ERR_INVALID with the member,
 * -ERR_LIMIT, -ERR_NOMEM */
NODISCARD int users_settings_parse(struct str json, struct users_settings **ret,
                                   struct err *reterr);
void users_settings_write(const struct users_settings *s, struct buf *dst);

enum users_found {
    USERS_COUNTED,
    USERS_UNKNOWN, /* nothing there to tell who it is */
    USERS_BOT,
};

/** The key of this installation: 128 bits nobody else has. */
struct users_key {
    uint64_t k[2];
};

/** Who sent this request? *ret only with USERS_COUNTED. Thread-safe. */
enum users_found users_identify(const struct users_settings *s, const struct users_rule *r,
                                const struct users_key *key, const struct entry *e, uint64_t *ret);

#endif
