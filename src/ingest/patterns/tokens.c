/* SPDX-License-Identifier: Apache-2.0
 *
 * Which words are names is decided by their form alone, so that a line and its template agree.
 */
#include "ingest/patterns/tokens.h"

#include "base/hash.h"
#include "ingest/patterns/mask.h"

static bool is_punct(char c)
{
    return c != 0 && strchr("=,;()[]{}<>\"'|\n", c) != NULL;
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_level(const char *p, size_t n)
{
    static const struct str LEVELS[] = {
        {"TRACE", 5},     {"DEBUG", 5},    {"INFO", 4},  {"WARN", 4},   {"WARNING", 7},
        {"ERROR", 5},     {"FATAL", 5},    {"LOG", 3},   {"NOTICE", 6}, {"SEVERE", 6},
        {"STATEMENT", 9}, {"CRITICAL", 8}, {"PANIC", 5}, {"HINT", 4},   {"DETAIL", 6},
        {"trace", 5},     {"debug", 5},    {"info", 4},  {"warn", 4},   {"warning", 7},
        {"error", 5},     {"fatal", 5},    {"crit", 4},  {"notice", 6}, {"emerg", 5},
    };

    if (n < 3 || n > 9) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(LEVELS); i++) {
        if (LEVELS[i].n == n && memcmp(LEVELS[i].p, p, n) == 0) {
            return true;
        }
    }
    return false;
}

/* "c.e.demo.UserController", "java.lang.IllegalStateException", "controller.go:<_>": a dot before a capital, or the
 * ending of a source file. Paths and host names are not. */
static bool is_dotted_name(const char *p, size_t n)
{
    static const struct str ENDS[] = {{".go", 3}, {".py", 3}, {".java", 5}, {".js", 3},
                                      {".ts", 3}, {".rs", 3}, {".c", 2},    {".cc", 3},
                                      {".rb", 3}, {".kt", 3}, {".cpp", 4}};
    bool capital = false;
    size_t end = n;

    if (n < 4 || p[0] == '/' || memchr(p, '.', n) == NULL || memchr(p, '/', n) != NULL) {
        return false;
    }
    for (size_t i = 1; i < n && !capital; i++) {
        capital = p[i - 1] == '.' && is_upper(p[i]);
    }
    for (size_t i = 0; i < n; i++) {
        if (p[i] == ':') {
            end = i;
            break;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(ENDS) && !capital; i++) {
        capital = str_ends(str_of(p, end), ENDS[i]);
    }
    return capital;
}

static bool is_ornament(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c >= 0x80 || c == MASK_VALUE || c == MASK_WILD) {
            return false;
        }
    }
    return true;
}

static uint8_t kind_of(const char *p, size_t n, size_t place)
{
    if (n == 1 && *p == MASK_VALUE) {
        return TOKEN_VALUE;
    }
    if (n == 1 && *p == MASK_WILD) {
        return TOKEN_WILD;
    }
    if (is_ornament(p, n)) {
        return TOKEN_PUNCT; /* "---", "->" */
    }
    if ((place < TOKENS_FRONT && is_level(p, n)) || is_dotted_name(p, n)) {
        return TOKEN_NAME;
    }
    return TOKEN_WORD;
}

static bool ends_word(const char *p, const char *end)
{
    return p == end || *p == ' ' || is_punct(*p) ||
           (*p == ':' && (p + 1 == end || p[1] == ' ' || is_punct(p[1])));
}

size_t tokens_cut(struct str masked, struct token ret[TOKENS_MAX])
{
    const char *p = masked.p;
    const char *end = p + masked.n;
    size_t n = 0;

    while (p < end && n < TOKENS_MAX) {
        struct token t = {.space = *p == ' '};
        const char *from = p + (t.space ? 1 : 0);

        if (from == end) {
            break;
        }
        t.at = (uint16_t)(from - masked.p);
        p = from;
        if (ends_word(p, end)) { /* a delimiter stands alone */
            p++;
            t.kind = TOKEN_PUNCT;
            t.hash = (uint8_t)*from;
        } else {
            while (!ends_word(p, end)) {
                p++;
            }
            t.kind = kind_of(from, (size_t)(p - from), n);
            t.hash = hash64(from, (size_t)(p - from));
        }
        t.n = (uint16_t)(p - from);
        ret[n++] = t;
    }
    return n;
}

uint64_t tokens_frame(const struct token *v, size_t n)
{
    uint64_t key = hash_u64(n + 1);

    for (size_t i = 0; i < n; i++) {
        if (v[i].kind == TOKEN_PUNCT || v[i].kind == TOKEN_NAME) {
            key = hash_u64(key ^ v[i].hash) + i;
        }
    }
    return key;
}

size_t tokens_header(const struct token *v, size_t n)
{
    size_t end = 0;

    if (n == 0 ||
        (v[0].kind != TOKEN_VALUE && v[0].kind != TOKEN_NAME && v[0].kind != TOKEN_PUNCT)) {
        return 0;
    }
    for (size_t i = 0; i < n && i < TOKENS_FRONT; i++) {
        end = v[i].kind == TOKEN_NAME ? i : end;
    }
    return end;
}
