/* SPDX-License-Identifier: Apache-2.0
 *
 * Detectors that begin at a word: secrets by the name in front of them, tokens by their form, people by a keyword or
 * title and what Korean and English names look like, e-mail and IPv6 addresses.
 */
#include "ingest/process/detect_internal.h"

enum { KEY_MAX = 64, LOOK_BACK = 64 };

/* ASCII letters of `tail` are lower case. */
static bool ends_nocase(struct str s, struct str tail)
{
    if (s.n < tail.n) {
        return false;
    }
    for (size_t i = 0; i < tail.n; i++) {
        if (lower_of(s.p[s.n - tail.n + i]) != tail.p[i]) {
            return false;
        }
    }
    return true;
}

static bool ends_with_any(struct str s, const struct str *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ends_nocase(s, v[i])) {
            return true;
        }
    }
    return false;
}

/* ---- secrets ---- */

bool detect_secret_key(struct str key)
{
    static const struct str TAILS[] = {
        {"password", 8},     {"passwd", 6},         {"pwd", 3},          {"passphrase", 10},
        {"secret", 6},       {"token", 5},          {"apikey", 6},       {"api_key", 7},
        {"api-key", 7},      {"api.key", 7},        {"access_key", 10},  {"access-key", 10},
        {"accesskey", 9},    {"private_key", 11},   {"private-key", 11}, {"privatekey", 10},
        {"secret_key", 10},  {"secret-key", 10},    {"secretkey", 9},    {"credential", 10},
        {"credentials", 11}, {"authorization", 13}, {"비밀번호", 12},    {"암호", 6},
        {"패스워드", 12},
    };

    if (key.n < 3) {
        return false;
    }
    switch (key.p[key.n - 1] | 0x20) {
    case 'd':
    case 'e':
    case 't':
    case 'n':
    case 'y':
    case 'l':
    case 's':
        return ends_with_any(key, TAILS, ARRAY_LEN(TAILS));
    default:
        return (key.p[key.n - 1] & 0x80) != 0 && ends_with_any(key, TAILS, ARRAY_LEN(TAILS));
    }
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

/* Skips "Bearer " and "Basic ": the second word is the secret. */
static size_t skip_scheme(const struct detect_ctx *c, size_t i)
{
    struct str rest = str_of(c->p + i, c->n - i);

    if (rest.n > 7 && str_eq_nocase(str_take(rest, 7), STR("bearer "))) {
        return i + 7;
    }
    return rest.n > 6 && str_eq_nocase(str_take(rest, 6), STR("basic ")) ? i + 6 : i;
}

/* How a value is quoted. */
struct quoting {
    char quote;   /* that opened it, 0: none */
    bool whole;   /* nothing ends it: all of the text */
    bool escaped; /* \" opened it, as in JSON inside JSON, and \" ends it */
};

/* Where the value that starts at i ends. */
static size_t value_end(const struct detect_ctx *c, size_t i, struct quoting q)
{
    for (; i < c->n && !q.whole; i++) {
        char v = c->p[i];

        if (q.quote == 0) {
            if ((unsigned char)v <= ' ' || strchr(",;&\"'<>)]}", v) != NULL) {
                return i;
            }
        } else if (v == '\\' && i + 1 < c->n) {
            if (q.escaped && c->p[i + 1] == q.quote) {
                return i;
            }
            i++;
        } else if (v == q.quote) {
            return i;
        }
    }
    return c->n;
}

/* What redaction itself writes: a label in brackets (its end is where an unquoted value stops) or a hash. */
static bool is_redacted(struct str v)
{
    if (v.n >= 2 && v.p[0] == '[') {
        for (size_t i = 1; i < v.n; i++) {
            if (!is_alnum(v.p[i]) && v.p[i] != '_' && v.p[i] != '-' && v.p[i] != '.') {
                return v.p[i] == ']' && i + 1 == v.n;
            }
        }
        return true;
    }
    return v.n == 5 + 16 && str_starts(v, STR("hash:"));
}

static void secret_value(struct detect_ctx *c, size_t i, struct quoting q)
{
    static const struct str NOTHING[] = {{"***", 3},  {"null", 4}, {"nil", 3},
                                         {"none", 4}, {"true", 4}, {"false", 5}};
    size_t end;
    struct str v;

    i = skip_scheme(c, i);
    end = value_end(c, i, q);
    v = str_of(c->p + i, end > i ? end - i : 0);
    for (size_t k = 0; k < ARRAY_LEN(NOTHING); k++) {
        if (str_eq_nocase(v, NOTHING[k])) {
            return;
        }
    }
    if (!is_redacted(v)) {
        detect_add(c, DETECT_SECRET, i, end);
    }
}

/* user:password of a URL whose '@' is at i. @return true when that is what it is */
static bool url_password(struct detect_ctx *c, size_t i)
{
    size_t at = i;
    size_t colon = 0;

    while (i > 0 && at - i < 256) {
        char v = c->p[i - 1];

        if ((unsigned char)v <= ' ' || v == '"' || v == '\'' || v == '<') {
            return false;
        }
        if (v == ':') {
            colon = i;
        }
        if (v == '/') {
            if (i < 3 || c->p[i - 2] != '/' || c->p[i - 3] != ':' || colon == 0) {
                return false;
            }
            if (wants(c, DETECT_SECRET) &&
                !(at - colon == 3 && memcmp(c->p + colon, "***", 3) == 0)) {
                detect_add(c, DETECT_SECRET, colon, at);
            }
            return true;
        }
        i--;
    }
    return false;
}

/* ---- e-mail ---- */

static bool is_local(char c)
{
    return is_alnum(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-';
}

/* End of the host name behind the '@' and its last dot; *ret_dot 0: there is none. */
static size_t domain_end(const struct detect_ctx *c, size_t at, size_t *ret_dot)
{
    size_t end = at + 1;
    size_t dot = 0;

    while (end < c->n && end - at < 254 &&
           (is_alnum(c->p[end]) || c->p[end] == '-' || c->p[end] == '.')) {
        if (c->p[end] == '.') {
            if (end == at + 1 || c->p[end - 1] == '.') {
                break;
            }
            dot = end;
        }
        end++;
    }
    if (dot != 0 && dot + 1 == end) { /* "... kim@example.com." */
        end = dot;
        do {
            dot--;
        } while (dot > at && c->p[dot] != '.');
    }
    *ret_dot = dot > at ? dot : 0;
    return end;
}

static void email(struct detect_ctx *c, size_t at)
{
    size_t start = at;
    size_t dot;
    size_t end = domain_end(c, at, &dot);

    while (start > 0 && at - start < 64 && is_local(c->p[start - 1])) {
        start--;
    }
    while (start < at && (c->p[start] == '.' || c->p[start] == '-' || c->p[start] == '+')) {
        start++;
    }
    if (start == at || dot <= at + 1 || end - dot < 3 || c->p[at + 1] == '-' ||
        str_eq(str_of(c->p + start, at - start), STR("git"))) {
        return;
    }
    for (size_t i = dot + 1; i < end; i++) {
        if (!is_alpha(c->p[i])) {
            return;
        }
    }
    detect_add(c, DETECT_EMAIL, start, end);
}

void detect_at(struct detect_ctx *c, size_t i)
{
    if (!url_password(c, i) && wants(c, DETECT_EMAIL)) {
        email(c, i);
    }
}

/* ---- tokens ---- */

static bool is_base64url(char c)
{
    return is_alnum(c) || c == '-' || c == '_';
}

static size_t base64url_end(const struct detect_ctx *c, size_t i)
{
    while (i < c->n && is_base64url(c->p[i])) {
        i++;
    }
    return i;
}

/* RFC 7519: header.payload.signature, the first two are JSON objects in base64url. */
void detect_jwt(struct detect_ctx *c, size_t i)
{
    size_t payload;
    size_t end;

    if (c->n - i < 20 || memcmp(c->p + i, "eyJ", 3) != 0 || (i > 0 && is_base64url(c->p[i - 1]))) {
        return;
    }
    payload = base64url_end(c, i);
    if (payload - i < 8 || payload + 3 > c->n || c->p[payload] != '.') {
        return;
    }
    end = base64url_end(c, payload + 1);
    if (end - payload < 3) {
        return;
    }
    if (end < c->n && c->p[end] == '.') {
        end = base64url_end(c, end + 1);
    }
    detect_add(c, DETECT_TOKEN, i, end);
}

void detect_bearer(struct detect_ctx *c, size_t i)
{
    size_t start = i + 7;
    size_t end = start;
    bool digits = false;

    if (c->n - i < 15 || !str_eq_nocase(str_of(c->p + i, 7), STR("bearer ")) ||
        (i > 0 && is_alnum(c->p[i - 1]))) {
        return;
    }
    /* RFC 6750 section 2.1: b64token */
    while (end < c->n && (is_base64url(c->p[end]) || strchr(".~+/=", c->p[end]) != NULL) &&
           c->p[end] != '\0') {
        digits = digits || is_digit(c->p[end]);
        end++;
    }
    if (end - start >= 8 && (digits || end - start >= 20)) {
        detect_add(c, DETECT_TOKEN, start, end);
    }
}

/* ---- people ---- */

/* The syllable at i, 0 when there is none. Hangul syllables are U+AC00-U+D7A3, three bytes each. */
static uint32_t syllable(const struct detect_ctx *c, size_t i)
{
    const unsigned char *p = (const unsigned char *)c->p + i;
    uint32_t cp;

    if (i + 3 > c->n || (p[0] & 0xf0) != 0xe0) {
        return 0;
    }
    cp = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 | (p[2] & 0x3fu);
    return cp >= 0xac00 && cp <= 0xd7a3 ? cp : 0;
}

static bool is_surname(struct str s)
{
    static const char ALL[] =
        "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류"
        "나진지엄채원천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국은편용"
        "예경봉사부독";

    for (size_t i = 0; i + 3 < sizeof(ALL); i += 3) {
        if (memcmp(ALL + i, s.p, 3) == 0) {
            return true;
        }
    }
    return false;
}

/* Words that stand behind such keywords and are nobody's name. */
static bool is_common_word(struct str s)
{
    static const struct str WORDS[] = {
        {"서비스", 9}, {"변경", 6}, {"정보", 6},   {"조회", 6},   {"인증", 6},   {"오류", 6},
        {"전화", 6},   {"주소", 6}, {"연락", 6},   {"주문", 6},   {"전체", 6},   {"고객", 6},
        {"이름", 6},   {"성명", 6}, {"사용자", 9}, {"시스템", 9}, {"없음", 6},   {"미상", 6},
        {"이상", 6},   {"공백", 6}, {"길이", 6},   {"정책", 6},   {"이메일", 9}, {"이미지", 9},
        {"상품", 6},   {"파일", 6}, {"한글", 6},   {"영문", 6},
    };

    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (str_starts(s, WORDS[i])) {
            return true;
        }
    }
    return false;
}

/* Two to four syllables that begin with a surname. @return the end, 0: none */
static size_t korean_name(const struct detect_ctx *c, size_t i, bool strict)
{
    size_t n = 0;
    struct str word;

    while (n < 7 && syllable(c, i + 3 * n) != 0) {
        n++;
    }
    word = str_of(c->p + i, 3 * n);
    if (n < 2 || !is_surname(word) || is_common_word(word)) {
        return 0;
    }
    if (n > 2) {
        struct str tail = str_drop(word, word.n - 3);

        bool title = str_eq(tail, STR("님")) || str_eq(tail, STR("씨"));
        bool particle = n > 3 && (str_eq(tail, STR("은")) || str_eq(tail, STR("는")) ||
                                  str_eq(tail, STR("이")) || str_eq(tail, STR("가")));

        n -= title || particle ? 1 : 0;
    }
    if (strict ? n != 3 : (n < 2 || n > 4)) {
        return 0;
    }
    return i + 3 * n;
}

static size_t capital_word(const struct detect_ctx *c, size_t i)
{
    size_t start = i;

    if (i >= c->n || c->p[i] < 'A' || c->p[i] > 'Z') {
        return 0;
    }
    i++;
    while (i < c->n && (is_alpha(c->p[i]) || ((c->p[i] == '-' || c->p[i] == '\'') && i + 1 < c->n &&
                                              is_alpha(c->p[i + 1])))) {
        i++;
    }
    if (i - start == 1 && i < c->n && c->p[i] == '.') {
        return i + 1; /* an initial */
    }
    return i - start >= 2 && c->p[i - 1] >= 'a' ? i : 0;
}

static bool is_thing(struct str word)
{
    static const struct str THINGS[] = {
        {"Service", 7}, {"Server", 6},      {"Error", 5},  {"Api", 3},       {"Job", 3},
        {"Task", 4},    {"Test", 4},        {"System", 6}, {"Manager", 7},   {"Worker", 6},
        {"Process", 7}, {"Thread", 6},      {"Pool", 4},   {"Exception", 9}, {"Client", 6},
        {"Gateway", 7}, {"Controller", 10}, {"Page", 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(THINGS); i++) {
        if (str_eq(word, THINGS[i])) {
            return true;
        }
    }
    return false;
}

/* `least` to four words with capitals. @return the end, 0: none */
static size_t english_name(const struct detect_ctx *c, size_t i, size_t least)
{
    size_t end = 0;
    size_t words = 0;

    while (words < 4) {
        size_t w = capital_word(c, i);

        if (w == 0 || is_thing(str_of(c->p + i, w - i))) {
            break;
        }
        words++;
        end = w;
        if (w >= c->n || c->p[w] != ' ') {
            break;
        }
        i = w + 1;
    }
    if (words < least ||
        (end < c->n && (is_alnum(c->p[end]) || c->p[end] == '_' || c->p[end] == '*'))) {
        return 0;
    }
    return end;
}

enum name_key { NAME_KEY_NONE, NAME_KEY_ONE_WORD, NAME_KEY_FULL };

static enum name_key name_key(struct str key)
{
    static const struct str KOREAN[] = {
        {"성명", 6},      {"이름", 6},      {"성함", 6},      {"고객명", 9}, {"예금주", 9},
        {"예금주명", 12}, {"수취인", 9},    {"수령인", 9},    {"신청인", 9}, {"환자명", 9},
        {"회원명", 9},    {"담당자", 9},    {"사용자명", 12}, {"보호자", 9}, {"대표자", 9},
        {"주문자", 9},    {"받는사람", 12}, {"보낸사람", 12},
    };
    static const struct str FULL[] = {
        {"fullname", 8},        {"full_name", 9},      {"realname", 8},      {"real_name", 9},
        {"customer_name", 13},  {"customername", 12},  {"cust_nm", 7},       {"user_nm", 7},
        {"usernm", 6},          {"member_name", 11},   {"patient_name", 12}, {"holder", 6},
        {"holder_name", 11},    {"owner_name", 10},    {"person_name", 11},  {"recipient", 9},
        {"recipient_name", 14}, {"receiver_name", 13}, {"sender_name", 11},
    };
    static const struct str ONE[] = {{"firstname", 9}, {"first_name", 10}, {"lastname", 8},
                                     {"last_name", 9}, {"surname", 7},     {"given_name", 10}};
    char last;

    if (key.n < 4) {
        return NAME_KEY_NONE;
    }
    last = key.p[key.n - 1];
    if ((last & 0x80) != 0) {
        return ends_with_any(key, KOREAN, ARRAY_LEN(KOREAN)) ? NAME_KEY_FULL : NAME_KEY_NONE;
    }
    switch (last | 0x20) {
    case 'e':
    case 'm':
    case 'r':
    case 't':
        break;
    default:
        return NAME_KEY_NONE;
    }
    if (ends_with_any(key, ONE, ARRAY_LEN(ONE))) {
        return NAME_KEY_ONE_WORD;
    }
    if (ends_with_any(key, FULL, ARRAY_LEN(FULL))) {
        return NAME_KEY_FULL;
    }
    /* "name" alone or as the last segment: service.name and the like are names of things, but what is looked for
     * behind it looks like a person's. */
    return ends_nocase(key, STR("name")) &&
                   (key.n == 4 || key.p[key.n - 5] == '.' || key.p[key.n - 5] == '_')
               ? NAME_KEY_FULL
               : NAME_KEY_NONE;
}

static void name_value(struct detect_ctx *c, enum name_key kind, size_t i, bool strict)
{
    size_t end = korean_name(c, i, strict);

    if (end == 0 && !strict) {
        end = english_name(c, i, kind == NAME_KEY_ONE_WORD ? 1 : 2);
    }
    if (end != 0) {
        detect_add(c, DETECT_NAME, i, end);
    }
}

void detect_title(struct detect_ctx *c, size_t i)
{
    static const struct str TITLES[] = {{"mr", 2}, {"mrs", 3}, {"ms", 2}, {"dr", 2}};
    size_t end;

    if (i + 2 >= c->n || c->p[i + 1] != ' ') {
        return;
    }
    for (size_t k = 0; k < ARRAY_LEN(TITLES); k++) {
        size_t n = TITLES[k].n;

        if (i >= n && ends_nocase(str_of(c->p, i), TITLES[k]) &&
            (i == n || !is_alnum(c->p[i - n - 1]))) {
            end = english_name(c, i + 2, 1);
            if (end != 0) {
                detect_add(c, DETECT_NAME, i + 2, end);
            }
            return;
        }
    }
}

/* ---- IPv6 ---- */

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Behind the groups: the dotted tail of RFC 4291 section 2.2.3 goes with them; what continues in another way is no
 * address. @return the end, 0: none */
static size_t ipv6_tail(const struct detect_ctx *c, size_t i)
{
    while (i < c->n &&
           (is_digit(c->p[i]) || (c->p[i] == '.' && i + 1 < c->n && is_digit(c->p[i + 1])))) {
        i++;
    }
    if (i < c->n && (is_alnum(c->p[i]) || c->p[i] == '_' || c->p[i] == '*')) {
        return 0;
    }
    return i + 1 < c->n && c->p[i] == ':' && is_hex(c->p[i + 1]) ? 0 : i;
}

/* RFC 4291 section 2.2. @return the end of the address that starts at i, 0: none */
static size_t ipv6_end(const struct detect_ctx *c, size_t i)
{
    unsigned groups = 0;
    bool gap = false;
    bool digits = false;

    for (;;) {
        size_t n = 0;

        while (i + n < c->n && is_hex(c->p[i + n])) {
            digits = digits || is_digit(c->p[i + n]);
            n++;
        }
        if (n > 4) {
            return 0;
        }
        groups += n != 0;
        i += n;
        if (i >= c->n || c->p[i] != ':' || groups > 7) {
            break;
        }
        if (i + 1 < c->n && c->p[i + 1] == ':') {
            if (gap) {
                return 0;
            }
            gap = true;
            i += 2;
        } else if (i + 1 < c->n && is_hex(c->p[i + 1])) {
            i++;
        } else {
            break;
        }
    }
    if (!digits || (gap ? groups > 7 || groups == 0 : groups != 8)) {
        return 0;
    }
    return ipv6_tail(c, i);
}

static void ipv6(struct detect_ctx *c, size_t colon)
{
    size_t start = colon;
    size_t end;

    while (start > 0 && colon - start < 4 && is_hex(c->p[start - 1])) {
        start--;
    }
    /* Only the first colon of a run begins an address. */
    if (start > 0 && (is_alnum(c->p[start - 1]) || c->p[start - 1] == ':' ||
                      c->p[start - 1] == '_' || c->p[start - 1] == '.')) {
        return;
    }
    end = ipv6_end(c, start);
    if (end != 0 && end - start >= 3) {
        detect_add(c, DETECT_IPV6, start, end);
    }
}

/* ---- key, separator, value ---- */

/* The name that ends right before i; quotes and blanks between are skipped, and of ["name"] the bracket: without
 * quotes it is a label that redaction wrote. */
static struct str key_before(const struct detect_ctx *c, size_t i)
{
    size_t skipped = 0;
    size_t end;

    while (i > 0 && skipped < 4 &&
           (c->p[i - 1] == ' ' || is_quote(c->p[i - 1]) || c->p[i - 1] == '\\' ||
            (c->p[i - 1] == ']' && i > 1 && is_quote(c->p[i - 2])))) {
        i--;
        skipped++;
    }
    end = i;
    while (i > 0 && end - i < KEY_MAX &&
           (is_alnum(c->p[i - 1]) || c->p[i - 1] == '_' || c->p[i - 1] == '-' ||
            c->p[i - 1] == '.' || (c->p[i - 1] & 0x80) != 0)) {
        i--;
    }
    return str_of(c->p + i, end - i);
}

void detect_separator(struct detect_ctx *c, size_t i)
{
    const char sep = c->p[i];
    enum name_key kind = NAME_KEY_NONE;
    struct str key;
    struct quoting q = {0};
    bool secret;

    if (sep == ':' && wants(c, DETECT_IPV6)) {
        ipv6(c, i);
    }
    if (i == 0 || is_digit(c->p[i - 1]) ||
        (c->wanted & (DETECTOR_BIT(DETECT_SECRET) | DETECTOR_BIT(DETECT_NAME))) == 0) {
        return;
    }
    key = key_before(c, i);
    secret = sep != ' ' && wants(c, DETECT_SECRET) && detect_secret_key(key);
    if (wants(c, DETECT_NAME)) {
        kind = name_key(key);
    }
    if (!secret && kind == NAME_KEY_NONE) {
        return;
    }
    i++;
    while (i < c->n && (c->p[i] == ' ' || (c->p[i] == '=' && sep == ':') ||
                        (c->p[i] == '>' && c->p[i - 1] == '='))) {
        i++;
    }
    if (i + 1 < c->n && c->p[i] == '\\' && is_quote(c->p[i + 1])) {
        q.escaped = true;
        i++;
    }
    if (i < c->n && is_quote(c->p[i])) {
        q.quote = c->p[i++];
    }
    if (secret) {
        secret_value(c, i, q);
    }
    if (kind != NAME_KEY_NONE) {
        name_value(c, kind, i, sep == ' ');
    }
}

static bool is_account_key(struct str key);

void detect_by_key(struct detect_ctx *c)
{
    enum name_key kind;

    if (wants(c, DETECT_SECRET) && detect_secret_key(c->key) && c->n != 0) {
        secret_value(c, 0, (struct quoting){.whole = true}); /* all of the value */
    }
    if (wants(c, DETECT_NAME)) {
        kind = name_key(c->key);
        if (kind != NAME_KEY_NONE) {
            name_value(c, kind, 0, false);
        }
    }
}

/* ---- what stands before an account number ---- */

static bool is_account_key(struct str key)
{
    static const struct str TAILS[] = {
        {"계좌", 6},           {"계좌번호", 12},    {"통장", 6},          {"통장번호", 12},
        {"account", 7},        {"acct", 4},         {"account_no", 10},   {"account_number", 14},
        {"accountnumber", 13}, {"accountno", 9},    {"acct_no", 7},       {"acctno", 6},
        {"acct_num", 8},       {"account_num", 11}, {"bank_account", 12}, {"iban", 4},
    };

    return ends_with_any(key, TAILS, ARRAY_LEN(TAILS));
}

/* Blanks, punctuation, "no", "number", "번호" and up to a bank's name may stand between the keyword and the number. */
static bool is_filler(struct str s)
{
    static const struct str WORDS[] = {{"number", 6}, {"num", 3}, {"no", 2}, {"is", 2}, {"nr", 2}};

    while (s.n != 0) {
        size_t before = s.n;

        if ((s.p[0] & 0x80) != 0 || strchr(" \t:=\"'#.()[>-", s.p[0]) != NULL) {
            s = str_drop(s, 1);
            continue;
        }
        for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
            if (s.n >= WORDS[i].n && str_eq_nocase(str_take(s, WORDS[i].n), WORDS[i]) &&
                (s.n == WORDS[i].n || !is_alnum(s.p[WORDS[i].n]))) {
                s = str_drop(s, WORDS[i].n);
                break;
            }
        }
        if (s.n == before) {
            return false;
        }
    }
    return true;
}

bool detect_account_before(const struct detect_ctx *c, size_t i)
{
    static const struct str KEYWORDS[] = {
        {"계좌", 6}, {"통장", 6},           {"account", 7},
        {"acct", 4}, {"account_no", 10},    {"acct_no", 7},
        {"iban", 4}, {"accountnumber", 13}, {"account_number", 14}};
    size_t from = i > LOOK_BACK ? i - LOOK_BACK : 0;
    struct str window = str_of(c->p + from, i - from);

    /* The keyword nearest to the number decides. */
    for (size_t end = window.n; end >= 4; end--) {
        if (ends_with_any(str_take(window, end), KEYWORDS, ARRAY_LEN(KEYWORDS))) {
            return is_filler(str_drop(window, end));
        }
    }
    return c->key.n != 0 && from == 0 && is_account_key(c->key) && is_filler(window);
}
