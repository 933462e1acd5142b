/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of identity as JSON: what the API takes and gives, and what is kept.
 */
#include <stdio.h>
#include <stdlib.h>

#include "apm/users_identity.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/vec.h"
#include "codec/json_read.h"
#include "codec/json_write.h"

/* In user agents of crawlers, probes of load balancers and orchestrators, and monitoring. */
static const char *const USUAL_BOTS[] = {
    "bot",         "crawler",      "spider",        "slurp",      "facebookexternalhit",
    "yeti/",       "daumoa",       "mediapartners", "headless",   "lighthouse",
    "kube-probe",  "elb-health",   "googlehc",      "prometheus", "blackbox",
    "uptime",      "pingdom",      "statuscake",    "site24x7",   "datadog",
    "apachebench", "python-urllib"};

static const struct users_rule USUAL = {.identity = USERS_BY_IP, .session_cookies = {"JSESSIONID"}};

void users_settings_free(struct users_settings *s)
{
    if (s != NULL) {
        mem_free(s->groups);
        mem_free(s);
    }
}

static void usual_bots(struct users_settings *s)
{
    s->bots_n = ARRAY_LEN(USUAL_BOTS);
    for (size_t i = 0; i < s->bots_n; i++) {
        snprintf(s->bots[i], sizeof(s->bots[i]), "%s", USUAL_BOTS[i]);
    }
}

struct users_settings *users_settings_usual(void)
{
    struct users_settings *s = mem_xcalloc(1, sizeof(*s));

    s->usual = USUAL;
    usual_bots(s);
    return s;
}

static int by_group(const void *a, const void *b)
{
    return strcmp(((const struct users_group_rule *)a)->group,
                  ((const struct users_group_rule *)b)->group);
}

const struct users_rule *users_settings_rule(const struct users_settings *s, struct str group)
{
    size_t lo = 0;
    size_t hi = s->groups_n;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(str_cstr(s->groups[mid].group), group);

        if (c == 0) {
            return &s->groups[mid].rule;
        }
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    return &s->usual;
}

/* ---- reading ---- */

static int bad(struct err *reterr, struct str key, const char *what)
{
    return err_set(reterr, ERR_INVALID, "\"%.*s\": %s", STR_ARG(str_take(key, 64)), what);
}

/* A text of printable characters into a field. */
static int read_name(struct json_reader *r, struct str key, char *dst, size_t size,
                     struct err *reterr)
{
    struct str s = {0};
    int type = json_peek(r, reterr);
    int rc = type < 0 ? type : type != JSON_STRING ? bad(reterr, key, "a text is expected") : 0;

    rc = rc < 0 ? rc : json_read_str(r, &s, reterr);
    if (rc < 0) {
        return rc;
    }
    s = str_trim(s);
    if (s.n >= size) {
        return bad(reterr, key, "too long");
    }
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < 0x20) {
            return bad(reterr, key, "control characters are not allowed");
        }
    }
    if (s.n != 0) {
        memcpy(dst, s.p, s.n);
    }
    dst[s.n] = '\0';
    return 0;
}

static int read_array(struct json_reader *r, struct str key, struct err *reterr)
{
    int type = json_peek(r, reterr);

    return type < 0             ? type
           : type != JSON_ARRAY ? bad(reterr, key, "a list is expected")
                                : json_enter(r, reterr);
}

static int read_cookies(struct json_reader *r, struct users_rule *rule, struct err *reterr)
{
    const struct str key = STR("session_cookies");
    size_t n = 0;
    int rc = read_array(r, key, reterr);

    memset(rule->session_cookies, 0, sizeof(rule->session_cookies));
    while (rc >= 0 && (rc = json_next_element(r, reterr)) == 1) {
        if (n == USERS_COOKIES_MAX) {
            return bad(reterr, key, "at most four names");
        }
        rc = read_name(r, key, rule->session_cookies[n], USERS_NAME_MAX, reterr);
        n += rc == 0 && rule->session_cookies[n][0] != '\0';
    }
    return rc;
}

static int read_word(struct json_reader *r, struct str key, char *dst, size_t size,
                     struct err *reterr)
{
    int rc = read_name(r, key, dst, size, reterr);

    for (const char *c = dst; rc == 0 && *c != '\0'; c++) {
        if (*c == ' ' || *c == ';' || *c == ',' || *c == '"') {
            return bad(reterr, key,
                       "a name without spaces, commas, semicolons and quotes is expected");
        }
    }
    return rc;
}

static int read_rule_member(struct json_reader *r, struct str key, struct users_rule *rule,
                            struct err *reterr)
{
    char word[USERS_NAME_MAX];
    struct str number = {0};
    int64_t hops = 0;
    int rc;

    if (str_eq(key, STR("identity"))) {
        rc = read_name(r, STR("identity"), word, sizeof(word), reterr);
        return rc < 0 ? rc
               : users_identity_parse(str_cstr(word), &rule->identity)
                   ? 0
                   : bad(reterr, STR("identity"), "ip, session or user is expected");
    }
    if (str_eq(key, STR("missing"))) {
        rc = read_name(r, STR("missing"), word, sizeof(word), reterr);
        rule->missing_by_ip = strcmp(word, "ip") == 0;
        return rc < 0 || rule->missing_by_ip || strcmp(word, "skip") == 0
                   ? rc
                   : bad(reterr, STR("missing"), "skip or ip is expected");
    }
    if (str_eq(key, STR("trusted_hops"))) {
        rc = json_peek(r, reterr);
        rc = rc < 0 ? rc : rc == JSON_NUMBER ? json_read_number(r, &number, reterr) : -ERR_INVALID;
        if (rc < 0 || !str_to_i64(number, &hops) || hops < 0 || hops > USERS_HOPS_MAX) {
            return bad(reterr, STR("trusted_hops"), "a number from 0 to 16 is expected");
        }
        rule->trusted_hops = (uint8_t)hops;
        return 0;
    }
    if (str_eq(key, STR("session_cookies"))) {
        return read_cookies(r, rule, reterr);
    }
    if (str_eq(key, STR("user_cookie"))) {
        return read_word(r, STR("user_cookie"), rule->user_cookie, USERS_NAME_MAX, reterr);
    }
    if (str_eq(key, STR("user_attribute"))) {
        return read_word(r, STR("user_attribute"), rule->user_attribute, USERS_NAME_MAX, reterr);
    }
    return bad(reterr, key, "is not known here");
}

static int read_rule(struct json_reader *r, struct str what, struct users_rule *rule,
                     struct err *reterr)
{
    struct str key;
    int type = json_peek(r, reterr);
    int rc = type < 0              ? type
             : type != JSON_OBJECT ? bad(reterr, what, "an object is expected")
                                   : json_enter(r, reterr);

    *rule = USUAL;
    while (rc >= 0 && (rc = json_next_member(r, &key, reterr)) == 1) {
        rc = read_rule_member(r, key, rule, reterr);
    }
    return rc < 0 ? err_prefix(reterr, "%.*s", STR_ARG(str_take(what, 80))) : 0;
}

typedef VEC(struct users_group_rule) group_rules;

static int read_groups(struct json_reader *r, group_rules *groups, struct err *reterr)
{
    struct str key;
    int type = json_peek(r, reterr);
    int rc = type < 0              ? type
             : type != JSON_OBJECT ? bad(reterr, STR("groups"), "an object is expected")
                                   : json_enter(r, reterr);

    while (rc >= 0 && (rc = json_next_member(r, &key, reterr)) == 1) {
        struct users_group_rule g = {.group = ""};

        if (key.n == 0 || key.n >= sizeof(g.group)) {
            return bad(reterr, STR("groups"), "the name of a group is empty or too long");
        }
        memcpy(g.group, key.p, key.n);
        if (groups->n == USERS_RULES_MAX) {
            return err_set(reterr, ERR_LIMIT, "\"groups\": more than %d rules", USERS_RULES_MAX);
        }
        rc = read_rule(r, str_cstr(g.group), &g.rule, reterr);
        if (rc == 0 && !vec_push(groups, g)) {
            return err_set(reterr, ERR_NOMEM, "no memory for the rules");
        }
    }
    return rc;
}

static int read_bots(struct json_reader *r, struct users_settings *s, struct err *reterr)
{
    const struct str key = STR("bots");
    int rc = read_array(r, key, reterr);

    s->bots_n = 0;
    while (rc >= 0 && (rc = json_next_element(r, reterr)) == 1) {
        char *at = s->bots[s->bots_n];

        if (s->bots_n == USERS_BOTS_MAX - 1) {
            return bad(reterr, key, "at most 127 texts");
        }
        rc = read_name(r, key, at, USERS_NAME_MAX, reterr);
        for (char *c = at; rc == 0 && *c != '\0'; c++) {
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
        }
        s->bots_n += rc == 0 && at[0] != '\0';
    }
    return rc;
}

static int read_settings(struct json_reader *r, struct users_settings *s, group_rules *groups,
                         struct err *reterr)
{
    struct str key;
    int type = json_peek(r, reterr);
    int rc = type < 0              ? type
             : type != JSON_OBJECT ? err_set(reterr, ERR_INVALID, "an object is expected")
                                   : json_enter(r, reterr);

    while (rc >= 0 && (rc = json_next_member(r, &key, reterr)) == 1) {
        if (str_eq(key, STR("default"))) {
            rc = read_rule(r, STR("default"), &s->usual, reterr);
        } else if (str_eq(key, STR("groups"))) {
            rc = read_groups(r, groups, reterr);
        } else if (str_eq(key, STR("bots"))) {
            rc = read_bots(r, s, reterr);
        } else {
            rc = bad(reterr, key, "is not known here");
        }
    }
    return rc < 0 ? rc : json_read_end(r, reterr);
}

int users_settings_parse(struct str json, struct users_settings **ret, struct err *reterr)
{
    struct users_settings *s = users_settings_usual();
    struct buf scratch CLEANUP(buf_done) = {0};
    group_rules groups = {0};
    struct json_reader r;
    int rc;

    buf_init(&scratch, USERS_SETTINGS_MAX);
    json_read_init(&r, str_take(json, USERS_SETTINGS_MAX), 8, &scratch);
    rc = json.n > USERS_SETTINGS_MAX ? err_set(reterr, ERR_TOO_LARGE, "more than 1 MiB of rules")
                                     : read_settings(&r, s, &groups, reterr);
    s->groups = groups.v;
    s->groups_n = groups.n;
    if (rc == 0 && groups.n > 1) {
        qsort(groups.v, groups.n, sizeof(*groups.v), by_group);
        for (size_t i = 1; rc == 0 && i < groups.n; i++) {
            if (by_group(&groups.v[i - 1], &groups.v[i]) == 0) {
                rc = bad(reterr, str_cstr(groups.v[i].group), "has two rules");
            }
        }
    }
    if (rc < 0) {
        users_settings_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

/* ---- writing ---- */

static void write_rule(struct json_writer *w, const struct users_rule *r)
{
    json_object_begin(w);
    json_key(w, "identity");
    json_cstr(w, users_identity_name(r->identity));
    json_key(w, "missing");
    json_cstr(w, r->missing_by_ip ? "ip" : "skip");
    json_key(w, "trusted_hops");
    json_i64(w, r->trusted_hops);
    json_key(w, "session_cookies");
    json_array_begin(w);
    for (size_t i = 0; i < USERS_COOKIES_MAX && r->session_cookies[i][0] != '\0'; i++) {
        json_cstr(w, r->session_cookies[i]);
    }
    json_array_end(w);
    json_key(w, "user_cookie");
    json_cstr(w, r->user_cookie);
    json_key(w, "user_attribute");
    json_cstr(w, r->user_attribute);
    json_object_end(w);
}

void users_settings_write(const struct users_settings *s, struct buf *dst)
{
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "default");
    write_rule(&w, &s->usual);
    json_key(&w, "groups");
    json_object_begin(&w);
    for (size_t i = 0; i < s->groups_n; i++) {
        json_key_str(&w, str_cstr(s->groups[i].group));
        write_rule(&w, &s->groups[i].rule);
    }
    json_object_end(&w);
    json_key(&w, "bots");
    json_array_begin(&w);
    for (size_t i = 0; i < s->bots_n; i++) {
        json_cstr(&w, s->bots[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
}
