/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to tokens. Invariant: every token is at least one byte, so a loop over them ends.
 */
#include "query/traceql/lex.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

int tql_error_at(struct str text, struct err_span at, struct err *reterr, const char *fmt, ...)
{
    char msg[200];
    size_t line = 1;
    size_t col = 1;
    va_list args;

    va_start(args, fmt);
    vsnprintf(msg, sizeof(msg), fmt, args);
    va_end(args);
    for (size_t i = 0; i < at.start && i < text.n; i++) {
        if (text.p[i] == '\n') {
            line++;
            col = 1;
        } else if (((uint8_t)text.p[i] & 0xc0) != 0x80) {
            col++;
        }
    }
    err_set(reterr, ERR_INVALID, "parse error at line %zu, col %zu: %s", line, col, msg);
    if (reterr != NULL) {
        reterr->span = at;
    }
    return -ERR_INVALID;
}

struct str tql_token_name(const struct tql_token *t)
{
    switch (t->type) {
    case TQL_TOK_END:
        return STR("$end");
    case TQL_TOK_LITERAL:
        return t->value.type == TQL_STR        ? STR("STRING")
               : t->value.type == TQL_INT      ? STR("INTEGER")
               : t->value.type == TQL_DURATION ? STR("DURATION")
                                               : STR("FLOAT");
    default:
        return t->text;
    }
}

static int at_byte(const struct tql_lexer *l, size_t pos)
{
    return pos < l->text.n ? (uint8_t)l->text.p[pos] : -1;
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool ends_name(int c)
{
    return c < 0 || is_space(c) || memchr("{}()=~!<>&|^,", c, 13) != NULL;
}

static struct err_span span_of(size_t start, size_t end)
{
    return (struct err_span){(uint32_t)start, (uint32_t)end};
}

static void skip_blank(struct tql_lexer *l)
{
    for (;;) {
        int c = at_byte(l, l->pos);

        if (is_space(c)) {
            l->pos++;
        } else if (c == '/' && at_byte(l, l->pos + 1) == '/') {
            while (at_byte(l, l->pos) >= 0 && at_byte(l, l->pos) != '\n') {
                l->pos++;
            }
        } else if (c == '/' && at_byte(l, l->pos + 1) == '*') {
            int64_t end = str_find(str_drop(l->text, l->pos + 2), STR("*/"));

            l->pos = end < 0 ? l->text.n : l->pos + 4 + (size_t)end;
        } else {
            return;
        }
    }
}

/* ---- strings ---- */

/* Go's escapes. @return bytes read after the backslash, 0 when it is none */
static size_t unescape(struct str s, struct buf *dst)
{
    static const char FROM[] = "abfnrtv\\\"'";
    static const char TO[] = "\a\b\f\n\r\t\v\\\"'";
    const char *known = s.n != 0 ? memchr(FROM, s.p[0], sizeof(FROM) - 1) : NULL;
    uint32_t code = 0;
    size_t digits;

    if (known != NULL) {
        buf_add_byte(dst, TO[known - FROM]);
        return 1;
    }
    digits = s.n == 0 ? 0 : s.p[0] == 'x' ? 2 : s.p[0] == 'u' ? 4 : s.p[0] == 'U' ? 8 : 0;
    if (digits == 0 || s.n < digits + 1) {
        return 0;
    }
    for (size_t i = 1; i <= digits; i++) {
        int c = (uint8_t)s.p[i] | 0x20;

        if (!is_digit(s.p[i]) && (c < 'a' || c > 'f')) {
            return 0;
        }
        code = code << 4 | (uint32_t)(is_digit(s.p[i]) ? s.p[i] - '0' : c - 'a' + 10);
    }
    if (digits == 2 || code < 0x80) {
        buf_add_byte(dst, (char)code);
    } else if (code < 0x800) {
        buf_add_byte(dst, (char)(0xc0 | code >> 6));
        buf_add_byte(dst, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        buf_add_byte(dst, (char)(0xe0 | code >> 12));
        buf_add_byte(dst, (char)(0x80 | (code >> 6 & 0x3f)));
        buf_add_byte(dst, (char)(0x80 | (code & 0x3f)));
    } else if (code < 0x110000) {
        buf_add_byte(dst, (char)(0xf0 | code >> 18));
        buf_add_byte(dst, (char)(0x80 | (code >> 12 & 0x3f)));
        buf_add_byte(dst, (char)(0x80 | (code >> 6 & 0x3f)));
        buf_add_byte(dst, (char)(0x80 | (code & 0x3f)));
    } else {
        return 0;
    }
    return digits + 1;
}

static int keep(struct tql_lexer *l, struct buf *b, struct str *ret, struct err *reterr)
{
    *ret = arena_str_dup(l->a, buf_str(b));
    return b->failed || (ret->p == NULL && b->n != 0)
               ? err_set(reterr, ERR_NOMEM, "no memory for the query")
               : 0;
}

static int lex_string(struct tql_lexer *l, struct tql_token *t, struct err *reterr)
{
    size_t start = l->pos;
    char quote = l->text.p[l->pos++];
    struct buf b CLEANUP(buf_done);
    struct str s;
    int rc;

    buf_init(&b, TQL_TEXT_MAX);
    for (;;) {
        int c = at_byte(l, l->pos++);

        if (c < 0 || (c == '\n' && quote == '"')) {
            return tql_error_at(l->text, span_of(start, l->text.n), reterr,
                                "syntax error: unterminated string");
        }
        if (c == quote) {
            break;
        }
        if (c == '\\' && quote == '"') {
            size_t n = unescape(str_drop(l->text, l->pos), &b);

            if (n == 0) {
                return tql_error_at(l->text, span_of(l->pos - 1, l->pos + 1), reterr,
                                    "syntax error: invalid escape in string");
            }
            l->pos += n;
        } else {
            buf_add_byte(&b, (char)c);
        }
    }
    rc = keep(l, &b, &s, reterr);
    t->type = TQL_TOK_LITERAL;
    t->value = tql_str(s);
    return rc;
}

/* ---- numbers ---- */

static const struct {
    const char *text;
    int64_t ns;
} UNITS[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000}, /* micro sign */
    {"\xce\xbcs", 1000}, /* Greek mu */
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60000000000},
    {"h", 3600000000000},
    {"d", 86400000000000},
    {"w", 604800000000000},
    {"y", 31536000000000000},
};

/* Length and size of the unit at `pos`; 0: none. */
static size_t unit_at(const struct tql_lexer *l, size_t pos, int64_t *ret_ns)
{
    size_t best = 0;

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        size_t n = strlen(UNITS[i].text);

        if (n > best && str_starts(str_drop(l->text, pos), str_of(UNITS[i].text, n))) {
            best = n;
            *ret_ns = UNITS[i].ns;
        }
    }
    return best;
}

/* Digits with at most one point, and an exponent when `e` is wanted. */
static size_t digits_end(const struct tql_lexer *l, size_t pos, bool *ret_whole)
{
    size_t at;

    *ret_whole = true;
    while (is_digit(at_byte(l, pos))) {
        pos++;
    }
    if (at_byte(l, pos) == '.') {
        *ret_whole = false;
        pos++;
        while (is_digit(at_byte(l, pos))) {
            pos++;
        }
    }
    if ((at_byte(l, pos) | 0x20) == 'e') {
        at = pos + 1;
        at += at_byte(l, at) == '+' || at_byte(l, at) == '-';
        if (is_digit(at_byte(l, at))) {
            *ret_whole = false;
            while (is_digit(at_byte(l, at))) {
                at++;
            }
            pos = at;
        }
    }
    return pos;
}

/* number * unit, exact for what is written without an exponent. */
static bool scale(struct str number, int64_t unit, int64_t *ret)
{
    int64_t point = str_find_byte(number, '.');
    struct str whole = point < 0 ? number : str_take(number, (size_t)point);
    int64_t n = 0;
    double f = 0;

    if (memchr(number.p, 'e', number.n) != NULL || memchr(number.p, 'E', number.n) != NULL) {
        if (!str_to_f64(number, &f) || !(f * (double)unit < 0x1p63)) {
            return false;
        }
        *ret = (int64_t)(f * (double)unit);
        return true;
    }
    if ((whole.n != 0 && !str_to_i64(whole, &n)) || __builtin_mul_overflow(n, unit, ret)) {
        return false;
    }
    if (point >= 0 && number.n > (size_t)point + 1) {
        return str_to_f64(str_drop(number, (size_t)point), &f) &&
               !__builtin_add_overflow(*ret, (int64_t)llround(f * (double)unit), ret);
    }
    return true;
}

/* "1h30m", "1.5s": numbers each with a unit. @return false when a part has none or it is too long */
static bool read_duration(struct tql_lexer *l, int64_t *ret)
{
    size_t pos = l->pos;

    *ret = 0;
    while (is_digit(at_byte(l, pos)) || at_byte(l, pos) == '.') {
        bool whole;
        size_t end = digits_end(l, pos, &whole);
        int64_t unit = 0;
        size_t unit_n = unit_at(l, end, &unit);
        int64_t part;

        if (unit_n == 0 || !scale(str_of(l->text.p + pos, end - pos), unit, &part) ||
            __builtin_add_overflow(*ret, part, ret)) {
            return false;
        }
        pos = end + unit_n;
    }
    l->pos = pos;
    return !is_letter(at_byte(l, pos));
}

static int lex_number(struct tql_lexer *l, struct tql_token *t, struct err *reterr)
{
    size_t start = l->pos;
    bool whole;
    size_t end = digits_end(l, start, &whole);
    struct str digits = str_of(l->text.p + start, end - start);
    int64_t unit;

    t->type = TQL_TOK_LITERAL;
    if (unit_at(l, end, &unit) != 0) {
        t->value.type = TQL_DURATION;
        if (!read_duration(l, &t->value.u.i)) {
            return tql_error_at(l->text, span_of(start, end + 1), reterr,
                                "syntax error: invalid duration");
        }
        return 0;
    }
    l->pos = end;
    if (is_letter(at_byte(l, end))) {
        return tql_error_at(l->text, span_of(start, end + 1), reterr,
                            "syntax error: unexpected letter after a number");
    }
    t->value.type = whole ? TQL_INT : TQL_FLOAT;
    if (whole ? !str_to_i64(digits, &t->value.u.i)
              : !str_to_f64(digits, &t->value.u.f) || !isfinite(t->value.u.f)) {
        return tql_error_at(l->text, span_of(start, end), reterr,
                            "syntax error: number out of range");
    }
    return 0;
}

/* ---- words ---- */

static int lex_name(struct tql_lexer *l, struct tql_token *t, struct err *reterr)
{
    size_t start = l->pos;
    struct buf b CLEANUP(buf_done);

    buf_init(&b, TQL_TEXT_MAX);
    for (int c; !ends_name(c = at_byte(l, l->pos));) {
        l->pos++;
        if (c != '"') {
            buf_add_byte(&b, (char)c);
            continue;
        }
        while ((c = at_byte(l, l->pos++)) != '"') {
            int next = at_byte(l, l->pos);

            if (c == '\\' && (next == '"' || next == '\\')) {
                c = next;
                l->pos++;
            } else if (c < 0 || c == '\\') {
                return tql_error_at(l->text, span_of(start, l->text.n), reterr,
                                    c < 0 ? "syntax error: unterminated quoted attribute"
                                          : "syntax error: invalid escape in a quoted attribute");
            }
            buf_add_byte(&b, (char)c);
        }
    }
    if (b.n == 0) {
        return tql_error_at(l->text, span_of(start, start + 1), reterr,
                            "syntax error: an attribute needs a name");
    }
    t->type = TQL_TOK_FIELD;
    return keep(l, &b, &t->attr.name, reterr);
}

static const struct {
    const char *name;
    enum tql_scope scope;
} SCOPES[] = {
    {"span", TQL_SCOPE_SPAN},
    {"resource", TQL_SCOPE_RESOURCE},
    {"event", TQL_SCOPE_EVENT},
    {"link", TQL_SCOPE_LINK},
    {"instrumentation", TQL_SCOPE_INSTRUMENTATION},
    {"trace", TQL_SCOPE_TRACE},
};

static enum tql_scope scope_of(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(SCOPES); i++) {
        if (str_eq(word, str_cstr(SCOPES[i].name))) {
            return SCOPES[i].scope;
        }
    }
    return TQL_SCOPE_NONE;
}

static struct str read_word(struct tql_lexer *l)
{
    size_t start = l->pos;

    while (is_letter(at_byte(l, l->pos)) || is_digit(at_byte(l, l->pos))) {
        l->pos++;
    }
    return str_of(l->text.p + start, l->pos - start);
}

static int lex_scoped_intrinsic(struct tql_lexer *l, enum tql_scope scope, size_t start,
                                struct tql_token *t, struct err *reterr)
{
    struct str name = read_word(l);

    t->type = TQL_TOK_FIELD;
    t->attr.scoped = true;

#define TQL_IN_SCOPED(id, old, where, text, type)                          \
    if (scope == (where) && name.n != 0 && str_eq(name, str_cstr(text))) { \
        t->attr.intrinsic = id;                                            \
        return 0;                                                          \
    }
    TQL_INTRINSICS(TQL_IN_SCOPED)
#undef TQL_IN_SCOPED
    return tql_error_at(l->text, span_of(start, l->pos), reterr,
                        "syntax error: unknown intrinsic \"%.*s\"", (int)(l->pos - start),
                        l->text.p + start);
}

/* After "parent.": an attribute of the parent span, of a scope or of any. */
static int lex_parent(struct tql_lexer *l, struct tql_token *t, struct err *reterr)
{
    struct str rest = str_drop(l->text, l->pos);

    t->attr.parent = true;
    if (str_starts(rest, STR("span."))) {
        t->attr.scope = TQL_SCOPE_SPAN;
        l->pos += 5;
    } else if (str_starts(rest, STR("resource."))) {
        t->attr.scope = TQL_SCOPE_RESOURCE;
        l->pos += 9;
    }
    return lex_name(l, t, reterr);
}

static int lex_word(struct tql_lexer *l, struct tql_token *t, struct err *reterr)
{
    size_t start = l->pos;
    struct str word = read_word(l);
    enum tql_scope scope = scope_of(word);
    int next = at_byte(l, l->pos);

    t->type = TQL_TOK_WORD;
    t->text = word;
    if (scope != TQL_SCOPE_NONE && next == ':') {
        l->pos++;
        return lex_scoped_intrinsic(l, scope, start, t, reterr);
    }
    if (next == '.' && str_eq(word, STR("parent"))) {
        l->pos++;
        return lex_parent(l, t, reterr);
    }
    if (scope != TQL_SCOPE_NONE && scope != TQL_SCOPE_TRACE && next == '.') {
        l->pos++;
        t->attr.scope = scope;
        return lex_name(l, t, reterr);
    }
    return 0;
}

/* ---- operators ---- */

static const struct {
    const char *text;
    enum tql_tok type;
    enum tql_op op;
} SYMBOLS[] = {
    /* the longest first */
    {"!>>", TQL_TOK_OP, TQL_NOT_DESCENDANT},
    {"!<<", TQL_TOK_OP, TQL_NOT_ANCESTOR},
    {"&>>", TQL_TOK_OP, TQL_UNION_DESCENDANT},
    {"&<<", TQL_TOK_OP, TQL_UNION_ANCESTOR},
    {"!>", TQL_TOK_OP, TQL_NOT_CHILD},
    {"!<", TQL_TOK_OP, TQL_NOT_PARENT},
    {"&>", TQL_TOK_OP, TQL_UNION_CHILD},
    {"&<", TQL_TOK_OP, TQL_UNION_PARENT},
    {"&~", TQL_TOK_OP, TQL_UNION_SIBLING},
    {">>", TQL_TOK_OP, TQL_DESCENDANT},
    {"<<", TQL_TOK_OP, TQL_ANCESTOR},
    {"&&", TQL_TOK_OP, TQL_AND},
    {"||", TQL_TOK_OP, TQL_OR},
    {"!=", TQL_TOK_OP, TQL_NE},
    {"!~", TQL_TOK_OP, TQL_NRE},
    {"=~", TQL_TOK_OP, TQL_RE},
    {">=", TQL_TOK_OP, TQL_GE},
    {"<=", TQL_TOK_OP, TQL_LE},
    {"=", TQL_TOK_OP, TQL_EQ},
    {">", TQL_TOK_OP, TQL_GT},
    {"<", TQL_TOK_OP, TQL_LT},
    {"~", TQL_TOK_OP, TQL_SIBLING},
    {"!", TQL_TOK_OP, TQL_NOT},
    {"+", TQL_TOK_OP, TQL_ADD},
    {"-", TQL_TOK_OP, TQL_SUB},
    {"*", TQL_TOK_OP, TQL_MUL},
    {"/", TQL_TOK_OP, TQL_DIV},
    {"%", TQL_TOK_OP, TQL_MOD},
    {"^", TQL_TOK_OP, TQL_POW},
    {"|", TQL_TOK_PIPE, TQL_OP_NONE},
    {"{", TQL_TOK_LBRACE, TQL_OP_NONE},
    {"}", TQL_TOK_RBRACE, TQL_OP_NONE},
    {"(", TQL_TOK_LPAREN, TQL_OP_NONE},
    {")", TQL_TOK_RPAREN, TQL_OP_NONE},
    {",", TQL_TOK_COMMA, TQL_OP_NONE},
};

static int lex_symbol(struct tql_lexer *l, struct tql_token *t, struct err *reterr)
{
    struct str rest = str_drop(l->text, l->pos);

    for (size_t i = 0; i < ARRAY_LEN(SYMBOLS); i++) {
        struct str s = str_cstr(SYMBOLS[i].text);

        if (str_starts(rest, s)) {
            t->type = SYMBOLS[i].type;
            t->op = SYMBOLS[i].op;
            t->text = s;
            l->pos += s.n;
            return 0;
        }
    }
    return tql_error_at(l->text, span_of(l->pos, l->pos + 1), reterr,
                        "syntax error: unexpected character 0x%02x", (uint8_t)rest.p[0]);
}

int tql_lex(struct tql_lexer *l, struct tql_token *ret, struct err *reterr)
{
    size_t start;
    int c;
    int rc;

    *ret = (struct tql_token){0};
    skip_blank(l);
    start = l->pos;
    ret->at = span_of(start, start);
    c = at_byte(l, start);
    if (c < 0) {
        return 0;
    }
    if (c == '"' || c == '`') {
        rc = lex_string(l, ret, reterr);
    } else if (is_digit(c) || (c == '.' && is_digit(at_byte(l, start + 1)))) {
        rc = lex_number(l, ret, reterr);
    } else if (c == '.') {
        l->pos++;
        rc = lex_name(l, ret, reterr);
    } else if (is_letter(c)) {
        rc = lex_word(l, ret, reterr);
    } else {
        rc = lex_symbol(l, ret, reterr);
    }
    ret->at = span_of(start, l->pos);
    if (ret->text.n == 0) {
        ret->text = str_of(l->text.p + start, l->pos - start);
    }
    return rc;
}
