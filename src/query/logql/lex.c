/* SPDX-License-Identifier: Apache-2.0
 *
 * The lexer. Numbers are joined with a unit that follows at once to durations and sizes; "[...]" is one token.
 */
#include "query/logql/lex.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "codec/utf8.h"
#include "query/logql/units.h"

static const char *const NAMES[] = {
    [T_END] = "$end",
    [T_IDENTIFIER] = "IDENTIFIER",
    [T_STRING] = "STRING",
    [T_NUMBER] = "NUMBER",
    [T_DURATION] = "DURATION",
    [T_BYTES] = "BYTES",
    [T_RANGE] = "RANGE",
    [T_PARSER_FLAG] = "PARSER_FLAG",

#define TOKEN_NAME(name, text) [name] = (text),
    TOKEN_TABLE(TOKEN_NAME)
#undef TOKEN_NAME
        [T_BAD] = "invalid token",
};

enum { FIRST_OPERATOR = T_COMMA, FIRST_KEYWORD = T_UNWRAP, FIRST_FUNCTION = T_RATE };

const char *lq_token_name(enum token_type t)
{
    return NAMES[t];
}

void lq_lex_init(struct lexer *l, struct str text, struct arena *a, struct err *reterr)
{
    *l = (struct lexer){.text = text, .line = 1, .a = a, .reterr = reterr};
}

int lq_lex_error(const struct lexer *l, const struct token *t, const char *fmt, ...)
{
    char msg[200];
    va_list args;

    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    err_set(l->reterr, ERR_INVALID, "parse error at line %u, col %u: %s", t->line, t->col, msg);
    if (l->reterr != NULL) {
        l->reterr->span = (struct err_span){t->start, t->end};
    }
    return -ERR_INVALID;
}

static char peek(const struct lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.n ? l->text.p[l->at + ahead] : '\0';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct lexer *l)
{
    while (l->at < l->text.n) {
        char c = l->text.p[l->at];

        if (c == '\n') {
            l->line++;
            l->line_start = l->at + 1;
        } else if (c == '#') {
            while (l->at < l->text.n && l->text.p[l->at] != '\n') {
                l->at++;
            }
            continue;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
        l->at++;
    }
}

static struct token begin(const struct lexer *l)
{
    uint32_t col = 1;

    for (size_t i = l->line_start; i < l->at; i++) {
        col += ((unsigned char)l->text.p[i] & 0xc0) != 0x80;
    }
    return (struct token){.start = (uint32_t)l->at, .line = l->line, .col = col};
}

static struct token finish(struct lexer *l, struct token t, enum token_type type)
{
    t.type = type;
    t.end = (uint32_t)l->at;
    if (t.text.p == NULL) {
        t.text = str_of(l->text.p + t.start, t.end - t.start);
    }
    return t;
}

static struct token bad(struct lexer *l, struct token t, const char *msg)
{
    t.end = (uint32_t)l->at;
    lq_lex_error(l, &t, "%s", msg);
    t.type = T_BAD;
    return t;
}

/* ---- strings ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* n digits of the base; -1: not so many */
static int64_t digits(struct str s, size_t at, size_t n, int base)
{
    int64_t v = 0;

    if (at + n > s.n) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        int d = hex_value(s.p[at + i]);

        if (d < 0 || d >= base) {
            return -1;
        }
        v = v * base + d;
    }
    return v;
}

/* The escape behind the backslash at s[*at]; false: not one of Go's. */
static bool unescape(struct str s, size_t *at, char quote, char *dst, size_t *n)
{
    static const char PLAIN[] = "abfnrtv\\";
    static const char VALUE[] = "\a\b\f\n\r\t\v\\";
    char c = *at + 1 < s.n ? s.p[*at + 1] : '\0';
    const char *plain = c != '\0' ? strchr(PLAIN, c) : NULL;
    int64_t v;

    if (plain != NULL || c == quote) {
        dst[(*n)++] = plain != NULL ? VALUE[plain - PLAIN] : c;
        *at += 2;
        return true;
    }
    if (c == 'x' || (c >= '0' && c <= '7')) {
        bool hex = c == 'x';

        v = hex ? digits(s, *at + 2, 2, 16) : digits(s, *at + 1, 3, 8);
        if (v < 0 || v > 255) {
            return false;
        }
        dst[(*n)++] = (char)v;
        *at += 4;
        return true;
    }
    if (c == 'u' || c == 'U') {
        size_t len = c == 'u' ? 4 : 8;

        v = digits(s, *at + 2, len, 16);
        if (v < 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
            return false;
        }
        *n += utf8_encode((uint32_t)v, dst + *n);
        *at += 2 + len;
        return true;
    }
    return false;
}

bool lq_unquote(struct arena *a, struct str s, struct str *ret)
{
    char quote = s.n >= 2 ? s.p[0] : '\0';
    size_t n = 0;
    char *dst;

    if (s.n < 2 || s.p[s.n - 1] != quote) {
        return false;
    }
    s = str_of(s.p + 1, s.n - 2);
    if (quote == '`') {
        *ret = s;
        return memchr(s.p, '`', s.n) == NULL;
    }
    if (quote != '"' && quote != '\'') {
        return false;
    }
    dst = arena_alloc(a, s.n + 4, 1);
    *ret = str_of(dst, 0);
    if (dst == NULL) {
        return true;
    }
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == '\n' || s.p[i] == quote) {
            return false;
        }
        if (s.p[i] != '\\') {
            dst[n++] = s.p[i++];
        } else if (!unescape(s, &i, quote, dst, &n)) {
            return false;
        }
    }
    ret->n = n;
    return true;
}

static struct token lex_string(struct lexer *l, struct token t)
{
    char quote = l->text.p[l->at++];
    struct str raw;
    struct str value;

    for (;; l->at++) {
        char c = peek(l, 0);

        if (l->at >= l->text.n || (c == '\n' && quote != '`')) {
            return bad(l, t, "literal not terminated");
        }
        if (c == '\n') {
            l->line++;
            l->line_start = l->at + 1;
        }
        if (c == '\\' && quote == '"' && l->at + 1 < l->text.n) {
            l->at++;
        } else if (c == quote) {
            break;
        }
    }
    l->at++;
    raw = str_of(l->text.p + t.start, l->at - t.start);
    if (!str_is_utf8(raw)) {
        return bad(l, t, "invalid UTF-8 rune");
    }
    if (!lq_unquote(l->a, raw, &value)) {
        return bad(l, t, "invalid syntax");
    }
    if (value.p == NULL) {
        return bad(l, t, "out of memory");
    }
    t.text = value;
    return finish(l, t, T_STRING);
}

/* ---- numbers ---- */

static size_t span_of(struct str s, bool (*accept)(char))
{
    size_t n = 0;

    while (n < s.n && accept(s.p[n])) {
        n++;
    }
    return n;
}

static bool is_duration_char(char c)
{
    return is_digit(c) || c == '.' || (c != '\0' && strchr("numshdwy\xc2\xb5", c) != NULL);
}

static bool is_bytes_char(char c)
{
    return is_digit(c) || c == '.' || (c != '\0' && strchr("BikKMGTP", c) != NULL);
}

static bool is_number_char(char c)
{
    return is_digit(c) || c == '.';
}

/* With the number before it, does what follows make a duration or a size? */
static bool lex_unit(struct lexer *l, struct token *t, size_t number_end)
{
    struct str rest = str_of(l->text.p + number_end, l->text.n - number_end);
    size_t n = span_of(rest, is_duration_char);
    uint64_t bytes;

    if (n > span_of(rest, is_number_char) && /* "-0" is a number */
        lq_units_duration(str_of(l->text.p + t->start, number_end + n - t->start), &t->duration)) {
        l->at = number_end + n;
        *t = finish(l, *t, T_DURATION);
        return true;
    }
    n = span_of(rest, is_bytes_char);
    if (n != 0 && l->text.p[t->start] != '-' &&
        lq_units_bytes(str_of(l->text.p + t->start, number_end + n - t->start), &bytes)) {
        l->at = number_end + n;
        t->number = (double)bytes;
        *t = finish(l, *t, T_BYTES);
        return true;
    }
    return false;
}

static struct token lex_number(struct lexer *l, struct token t)
{
    size_t end = l->at;
    struct str text;

    if (peek(l, 0) == '0' && (peek(l, 1) == 'x' || peek(l, 1) == 'X')) {
        uint64_t v = 0;

        for (end += 2; end < l->text.n && hex_value(l->text.p[end]) >= 0; end++) {
            v = v * 16 + (uint64_t)hex_value(l->text.p[end]);
        }
        l->at = end;
        t.number = (double)v;
        return finish(l, t, T_NUMBER);
    }
    while (end < l->text.n && (is_digit(l->text.p[end]) || l->text.p[end] == '_')) {
        end++;
    }
    if (end < l->text.n && l->text.p[end] == '.') {
        for (end++; end < l->text.n && is_digit(l->text.p[end]); end++) {
        }
    }
    if (end + 1 < l->text.n && (l->text.p[end] == 'e' || l->text.p[end] == 'E')) {
        size_t exp = end + 1 + (l->text.p[end + 1] == '+' || l->text.p[end + 1] == '-');

        if (exp < l->text.n && is_digit(l->text.p[exp])) {
            for (end = exp; end < l->text.n && is_digit(l->text.p[end]); end++) {
            }
        }
    }
    if (lex_unit(l, &t, end)) {
        return t;
    }
    l->at = end;
    text = str_of(l->text.p + t.start, end - t.start);
    if (!str_to_f64(text, &t.number) || !isfinite(t.number)) {
        return bad(l, t, "invalid number");
    }
    return finish(l, t, T_NUMBER);
}

static struct token lex_range(struct lexer *l, struct token t)
{
    const char *close = memchr(l->text.p + l->at, ']', l->text.n - l->at);
    struct str text;
    char msg[160];

    if (close == NULL) {
        l->at = l->text.n;
        return bad(l, t, "missing closing ']' in duration");
    }
    text = str_of(l->text.p + l->at + 1, (size_t)(close - l->text.p) - l->at - 1);
    l->at = (size_t)(close - l->text.p) + 1;
    if (text.n == 0) {
        return bad(l, t, "empty duration string");
    }
    if (!lq_units_prom_duration(text, &t.duration)) {
        snprintf(msg, sizeof(msg), "not a valid duration string: \"%.*s\"",
                 (int)(text.n < 80 ? text.n : 80), text.p);
        return bad(l, t, msg);
    }
    return finish(l, t, T_RANGE);
}

/* ---- words and operators ---- */

/* Does "(" follow, or by/without and "("? */
static bool is_call(struct lexer l)
{
    size_t start;

    skip_space(&l);
    if (peek(&l, 0) == '(') {
        return true;
    }
    start = l.at;
    while (is_letter(peek(&l, 0))) {
        l.at++;
    }
    struct str word = str_of(l.text.p + start, l.at - start);

    if (!str_eq_nocase(word, STR("by")) && !str_eq_nocase(word, STR("without"))) {
        return false;
    }
    skip_space(&l);
    return peek(&l, 0) == '(';
}

static struct token lex_word(struct lexer *l, struct token t)
{
    struct str word;

    while (is_letter(peek(l, 0)) || is_digit(peek(l, 0))) {
        l->at++;
    }
    word = str_of(l->text.p + t.start, l->at - t.start);
    for (int i = FIRST_KEYWORD; i < T_BAD; i++) {
        if (str_eq_nocase(word, str_cstr(NAMES[i]))) {
            return finish(l, t,
                          i < FIRST_FUNCTION || is_call(*l) ? (enum token_type)i : T_IDENTIFIER);
        }
    }
    return finish(l, t, T_IDENTIFIER);
}

static struct token lex_operator(struct lexer *l, struct token t)
{
    enum token_type best = T_END;
    struct str rest = str_of(l->text.p + l->at, l->text.n - l->at);
    size_t n = 0;

    for (int i = FIRST_OPERATOR; i < FIRST_KEYWORD; i++) {
        struct str op = str_cstr(NAMES[i]);

        if (op.n > n && str_starts(rest, op)) {
            best = (enum token_type)i;
            n = op.n;
        }
    }
    if (best == T_END) {
        l->at++;
        return finish(l, t, T_IDENTIFIER); /* as Loki calls what it does not know */
    }
    l->at += n;
    return finish(l, t, best);
}

static struct token lex_minus(struct lexer *l, struct token t)
{
    struct str rest = str_of(l->text.p + l->at, l->text.n - l->at);

    for (size_t i = 0; i < 2; i++) {
        struct str flag = i == 0 ? STR("--strict") : STR("--keep-empty");

        if (str_starts(rest, flag)) {
            l->at += flag.n;
            return finish(l, t, T_PARSER_FLAG);
        }
    }
    if (lex_unit(l, &t, l->at + 1)) {
        return t;
    }
    return lex_operator(l, t);
}

struct token lq_lex_next(struct lexer *l)
{
    struct token t;
    char c;

    skip_space(l);
    t = begin(l);
    if (l->at >= l->text.n) {
        return finish(l, t, T_END);
    }
    c = peek(l, 0);
    if (c == '"' || c == '`') {
        return lex_string(l, t);
    }
    if (c == '[') {
        return lex_range(l, t);
    }
    if (c == '-') {
        return lex_minus(l, t);
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(l, 1)))) {
        return lex_number(l, t);
    }
    return is_letter(c) ? lex_word(l, t) : lex_operator(l, t);
}
