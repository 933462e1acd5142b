/* SPDX-License-Identifier: Apache-2.0
 *
 * Addresses are compared as numbers: "::ffff:10.0.0.1", "10.0.0.1:4711" and "10.0.0.1" are one client. A session id
 * loses the route its server appends to it, or a failover would make a new user of everybody.
 */
#include "apm/users_identity.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/hash.h"

enum { ADDRESS_TEXT_MAX = 64 };

static const char *const NAMES[] = {"ip", "session", "user"};

const char *users_identity_name(enum users_identity i)
{
    return i < USERS_IDENTITIES ? NAMES[i] : "";
}

bool users_identity_parse(struct str s, enum users_identity *ret)
{
    for (int i = 0; i < USERS_IDENTITIES; i++) {
        if (str_eq(s, str_cstr(NAMES[i]))) {
            *ret = (enum users_identity)i;
            return true;
        }
    }
    return false;
}

/* ---- hashes ---- */

static uint64_t hash_of(const struct users_key *key, enum users_identity by, const void *p,
                        size_t n)
{
    uint64_t h = hash64_seed(p, n, key->k[0]);

    return hash_u64(h ^ hash_u64(key->k[1] + by)); /* an address is never a session's equal */
}

/* ---- addresses ---- */

/* Without quotes, port, brackets and zone. */
static struct str bare_address(struct str s)
{
    int64_t colon;

    s = str_trim(s);
    if (s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"') {
        s = str_of(s.p + 1, s.n - 2);
    }
    if (s.n != 0 && s.p[0] == '[') {
        int64_t end = str_find_byte(s, ']');

        s = end > 0 ? str_of(s.p + 1, (size_t)end - 1) : str_drop(s, 1);
    } else {
        colon = str_find_byte(s, ':');
        if (colon >= 0 && str_find_byte(str_drop(s, (size_t)colon + 1), ':') < 0) {
            s = str_take(s, (size_t)colon); /* one colon: a port */
        }
    }
    colon = str_find_byte(s, '%');
    return colon >= 0 ? str_take(s, (size_t)colon) : s;
}

/* @return false: nobody's */
static bool hash_address(const struct users_key *key, struct str s, uint64_t *ret)
{
    char text[ADDRESS_TEXT_MAX];
    uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96, RFC 4291 2.5.5.2 */

    s = bare_address(s);
    if (s.n == 0 || str_eq_nocase(s, STR("unknown"))) { /* RFC 7239 6.2 */
        return false;
    }
    if (s.n < sizeof(text)) {
        memcpy(text, s.p, s.n);
        text[s.n] = '\0';
        if (inet_pton(AF_INET, text, bytes + 12) == 1 || inet_pton(AF_INET6, text, bytes) == 1) {
            *ret = hash_of(key, USERS_BY_IP, bytes, sizeof(bytes));
            return true;
        }
    }
    *ret = hash_of(key, USERS_BY_IP, s.p, s.n); /* a name, or RFC 7239's obfuscated "_x" */
    return true;
}

/* The i-th text of a header's value: a string, or an array of them. */
static struct str header_line(const struct value *v, size_t i)
{
    if (v == NULL) {
        return STR("");
    }
    if (v->type == VALUE_STR) {
        return i == 0 ? v->u.s : STR("");
    }
    if (v->type == VALUE_ARRAY && i < v->u.array.n && v->u.array.v[i].type == VALUE_STR) {
        return v->u.array.v[i].u.s;
    }
    return STR("");
}

static size_t header_lines(const struct value *v)
{
    return v == NULL ? 0 : v->type == VALUE_STR ? 1 : v->type == VALUE_ARRAY ? v->u.array.n : 0;
}

static const struct value *header(struct attrs as, const char *with_dashes, const char *with_under)
{
    const struct value *v = attrs_get(as, str_cstr(with_dashes));

    return v != NULL ? v
                     : attrs_get(as, str_cstr(with_under)); /* before semantic conventions 1.21 */
}

/* RFC 7239: "for=a;proto=https" -> "a". Empty without one. */
static struct str forwarded_for(struct str element)
{
    struct str pair;

    while (str_split(&element, ';', &pair)) {
        struct str p = str_trim(pair);
        int64_t eq = str_find_byte(p, '=');

        if (eq > 0 && str_eq_nocase(str_trim(str_take(p, (size_t)eq)), STR("for"))) {
            return str_trim(str_drop(p, (size_t)eq + 1));
        }
    }
    return STR("");
}

/* The last USERS_HOPS_MAX + 1 addresses of a chain of proxies, the nearest last. */
struct chain {
    struct str v[USERS_HOPS_MAX + 1];
    size_t n;
};

static void chain_add(struct chain *c, struct str s)
{
    if (c->n == ARRAY_LEN(c->v)) {
        memmove(&c->v[0], &c->v[1], (c->n - 1) * sizeof(c->v[0]));
        c->n--;
    }
    c->v[c->n++] = s;
}

static void chain_read(struct chain *c, const struct value *v, bool forwarded)
{
    for (size_t i = 0; i < header_lines(v); i++) {
        struct str rest = header_line(v, i);
        struct str one;

        while (str_split(&rest, ',', &one)) {
            one = forwarded ? forwarded_for(one) : str_trim(one);
            if (one.n != 0) {
                chain_add(c, one);
            }
        }
    }
}

/* The address of the client: behind so many proxies that append who asked them. The chain ends with who opened the
 * connection; each trusted hop takes one step back. */
static struct str client_address(const struct users_rule *r, const struct entry *e)
{
    struct attrs as = e->span->attrs;
    struct chain c = {.n = 0};
    struct str peer;

    if (r->trusted_hops == 0) {
        return e->client;
    }
    chain_read(
        &c,
        header(as, "http.request.header.x-forwarded-for", "http.request.header.x_forwarded_for"),
        false);
    if (c.n == 0) {
        chain_read(&c, header(as, "http.request.header.forwarded", "http.request.header.forwarded"),
                   true);
    }
    if (c.n == 0) {
        return e->client;
    }
    peer = attrs_get_str(as, STR("network.peer.address"));
    peer = peer.n != 0 ? peer : attrs_get_str(as, STR("net.sock.peer.addr"));
    chain_add(&c, peer); /* perhaps empty: it still is a hop */
    return c.v[c.n > r->trusted_hops ? c.n - 1 - r->trusted_hops : 0];
}

/* ---- cookies ---- */

/* RFC 6265 4.2.1: "a=b; c=d". */
static struct str cookie(const struct entry *e, const char *name)
{
    const struct value *v = attrs_get(e->span->attrs, STR("http.request.header.cookie"));

    for (size_t i = 0; i < header_lines(v); i++) {
        struct str rest = header_line(v, i);
        struct str pair;

        while (str_split(&rest, ';', &pair)) {
            struct str p = str_trim(pair);
            int64_t eq = str_find_byte(p, '=');

            if (eq > 0 && str_eq(str_take(p, (size_t)eq), str_cstr(name))) {
                return str_drop(p, (size_t)eq + 1);
            }
        }
    }
    return STR("");
}

/* "A1B2.node1" (Tomcat, JBoss), "A1B2!123!456" (WebLogic), "0000A1B2:clone" (WebSphere): without the route. */
static struct str without_route(struct str id)
{
    for (size_t i = 1; i < id.n; i++) {
        if (id.p[i] == '.' || id.p[i] == '!' || id.p[i] == ':') {
            return str_take(id, i);
        }
    }
    return id;
}

static struct str session_in_path(struct str path)
{
    int64_t at = str_find(path, STR(";jsessionid="));
    struct str id = at >= 0 ? str_drop(path, (size_t)at + 12) : STR("");
    int64_t end = str_find_byte(id, ';');

    end = end >= 0 ? end : str_find_byte(id, '/');
    return end >= 0 ? str_take(id, (size_t)end) : id;
}

static struct str session_of(const struct users_rule *r, const struct entry *e)
{
    struct str id = attrs_get_str(e->span->attrs, STR("session.id"));

    for (size_t i = 0; id.n == 0 && i < USERS_COOKIES_MAX && r->session_cookies[i][0] != '\0';
         i++) {
        id = cookie(e, r->session_cookies[i]);
        if (strcmp(r->session_cookies[i], "JSESSIONID") == 0) {
            id = without_route(id);
        }
    }
    return id.n != 0 ? id : without_route(session_in_path(e->path));
}

static struct str user_of(const struct users_rule *r, const struct entry *e)
{
    static const struct str USUAL[] = {STR("enduser.id"), STR("user.id"), STR("enduser.pseudo.id")};
    struct attrs as = e->span->attrs;
    struct str id = {0};

    if (r->user_attribute[0] != '\0') {
        id = header_line(attrs_get(as, str_cstr(r->user_attribute)), 0);
    }
    if (id.n == 0 && r->user_cookie[0] != '\0') {
        id = cookie(e, r->user_cookie);
    }
    for (size_t i = 0; id.n == 0 && i < ARRAY_LEN(USUAL); i++) {
        id = attrs_get_str(as, USUAL[i]);
    }
    return id;
}

/* ---- programs ---- */

static bool is_bot(const struct users_settings *s, const struct entry *e)
{
    char lower[512];
    struct str agent = str_take(e->user_agent, sizeof(lower));

    if (agent.n == 0) {
        return attrs_get_str(e->span->attrs, STR("user_agent.synthetic.type")).n != 0;
    }
    for (size_t i = 0; i < agent.n; i++) {
        char c = agent.p[i];

        lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    for (size_t i = 0; i < s->bots_n; i++) {
        if (str_find(str_of(lower, agent.n), str_cstr(s->bots[i])) >= 0) {
            return true;
        }
    }
    return attrs_get_str(e->span->attrs, STR("user_agent.synthetic.type")).n != 0;
}

enum users_found users_identify(const struct users_settings *s, const struct users_rule *r,
                                const struct users_key *key, const struct entry *e, uint64_t *ret)
{
    struct str id = {0};

    if (e->span->kind != SPAN_SERVER) {
        return USERS_UNKNOWN; /* a message has no user */
    }
    if (is_bot(s, e)) {
        return USERS_BOT;
    }
    if (r->identity != USERS_BY_IP) {
        id = r->identity == USERS_BY_SESSION ? session_of(r, e) : user_of(r, e);
        if (id.n != 0) {
            *ret = hash_of(key, r->identity, id.p, id.n);
            return USERS_COUNTED;
        }
        if (!r->missing_by_ip) {
            return USERS_UNKNOWN;
        }
    }
    return hash_address(key, client_address(r, e), ret) ? USERS_COUNTED : USERS_UNKNOWN;
}
