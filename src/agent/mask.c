/* SPDX-License-Identifier: Apache-2.0
 *
 * One pass over the text: words that end in a separator are looked at, everything else is copied. When in
 * doubt it masks: a hidden harmless value costs less than a shown secret.
 */
#include "agent/mask.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool name_byte(char c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static bool contains(struct str s, const char *needle)
{
    size_t n = strlen(needle);

    for (size_t i = 0; i + n <= s.n; i++) {
        size_t k = 0;

        while (k < n && lower(s.p[i + k]) == needle[k]) {
            k++;
        }
        if (k == n) {
            return true;
        }
    }
    return false;
}

static bool ends(struct str s, const char *tail)
{
    size_t n = strlen(tail);

    return s.n >= n && str_eq_nocase(str_drop(s, s.n - n), str_of(tail, n));
}

static bool is_secret_name(struct str name)
{
    static const char *const PARTS[] = {
        "password", "passwd",  "passphrase", "secret",     "token",  "apikey",       "api_key",
        "api-key",  "api.key", "accesskey",  "credential", "bearer", "authorization"};
    static const char *const TAILS[] = {"pwd", "pass", "key", "auth"};

    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++) {
        if (contains(name, PARTS[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(TAILS); i++) {
        if (ends(name, TAILS[i])) {
            return true;
        }
    }
    return false;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'';
}

/* Index after the value that starts at i. */
static size_t value_end(struct str t, size_t i)
{
    if (i < t.n && is_quote(t.p[i])) {
        char quote = t.p[i++];

        while (i < t.n && t.p[i] != quote) {
            i++;
        }
        return i < t.n ? i + 1 : i;
    }
    while (i < t.n && t.p[i] != ' ' && t.p[i] != '&' && t.p[i] != ';' && t.p[i] != ',' &&
           !is_quote(t.p[i])) {
        i++;
    }
    return i;
}

/* "Bearer xyz" and "Basic xyz" after an authorization name: the second word is the secret. */
static size_t scheme_end(struct str t, size_t i)
{
    struct str rest = str_drop(t, i);

    if (rest.n > 7 && str_eq_nocase(str_take(rest, 7), STR("bearer "))) {
        return i + 7;
    }
    return rest.n > 6 && str_eq_nocase(str_take(rest, 6), STR("basic ")) ? i + 6 : i;
}

/* Position after "user:pw" of a URL whose "//" ends at i, 0 when it has no password. */
static size_t url_password(struct str t, size_t i, size_t *ret_start)
{
    size_t colon = 0;
    size_t last_at = 0;

    for (; i < t.n && t.p[i] != ' ' && t.p[i] != '/' && t.p[i] != '?' && !is_quote(t.p[i]); i++) {
        if (t.p[i] == ':' && colon == 0) {
            colon = i + 1;
        } else if (t.p[i] == '@') {
            last_at = i;
        }
    }
    if (colon == 0 || last_at < colon) {
        return 0;
    }
    *ret_start = colon;
    return last_at;
}

/* Where the secret after a name ending at i starts, 0 when there is none. */
static size_t secret_start(struct str t, struct str name, size_t i)
{
    size_t v = i;

    if (v < t.n && is_quote(t.p[v])) {
        v++; /* "token":"x" */
    }
    if (v < t.n && (t.p[v] == '=' || t.p[v] == ':')) {
        v++;
        while (v < t.n && t.p[v] == ' ' && t.p[v - 1] != '=') {
            v++;
        }
        return scheme_end(t, v);
    }
    if (i < t.n && t.p[i] == ' ' && name.p[0] == '-' && i + 1 < t.n && t.p[i + 1] != '-') {
        return i + 1;
    }
    return 0;
}

void mask_secrets(struct str text, struct buf *dst)
{
    size_t i = 0;

    while (i < text.n) {
        size_t start = i;
        size_t from = 0;
        size_t to = 0;

        while (i < text.n && name_byte(text.p[i])) {
            i++;
        }
        if (i > start) {
            struct str name = str_of(text.p + start, i - start);

            from = is_secret_name(name) ? secret_start(text, name, i) : 0;
            to = from != 0 ? value_end(text, from) : 0;
        } else if (text.p[i] == '/' && i > 0 && text.p[i - 1] == '/') {
            i++;
            to = url_password(text, i, &from);
        } else {
            i++;
        }
        if (to > from && from != 0) {
            buf_add(dst, text.p + start, from - start);
            buf_add_cstr(dst, "***");
            i = to;
        } else {
            buf_add(dst, text.p + start, i - start);
        }
    }
}
