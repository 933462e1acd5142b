/* SPDX-License-Identifier: Apache-2.0
 *
 * See lex.h. An error token ends the input; its span starts where the token began.
 */
#include "query/promql/lex.h"

#include "query/promql/gotext.h"

static const struct {
    const char *word;
    enum tok type;
} keywords[] = {
    {"and", TOK_AND},
    {"or", TOK_OR},
    {"unless", TOK_UNLESS},
    {"atan2", TOK_ATAN2},
    {"sum", TOK_SUM},
    {"avg", TOK_AVG},
    {"count", TOK_COUNT},
    {"min", TOK_MIN},
    {"max", TOK_MAX},
    {"group", TOK_GROUP},
    {"stddev", TOK_STDDEV},
    {"stdvar", TOK_STDVAR},
    {"topk", TOK_TOPK},
    {"bottomk", TOK_BOTTOMK},
    {"quantile", TOK_QUANTILE},
    {"count_values", TOK_COUNT_VALUES},
    {"offset", TOK_OFFSET},
    {"by", TOK_BY},
    {"without", TOK_WITHOUT},
    {"on", TOK_ON},
    {"ignoring", TOK_IGNORING},
    {"group_left", TOK_GROUP_LEFT},
    {"bool", TOK_BOOL},
    {"group_right", TOK_GROUP_RIGHT},
    {"start", TOK_START},
    {"end", TOK_END},
    {"inf", TOK_NUMBER},
    {"nan", TOK_NUMBER},
    {"limitk", TOK_LIMITK},
    {"limit_ratio", TOK_LIMIT_RATIO},
    {"step", TOK_STEP},
    {"range", TOK_RANGE},
    {"max_of", TOK_MAX_OF},
    {"min_of", TOK_MIN_OF},
    {"anchored", TOK_ANCHORED},
    {"smoothed", TOK_SMOOTHED},
    {"fill", TOK_FILL},
    {"fill_left", TOK_FILL_LEFT},
    {"fill_right", TOK_FILL_RIGHT},
};

static const char *const symbols[] = {
    [TOK_EQL] = "=",         [TOK_COLON] = ":",       [TOK_COMMA] = ",",  [TOK_LBRACE] = "{",
    [TOK_RBRACE] = "}",      [TOK_LPAREN] = "(",      [TOK_RPAREN] = ")", [TOK_LBRACKET] = "[",
    [TOK_RBRACKET] = "]",    [TOK_ADD] = "+",         [TOK_SUB] = "-",    [TOK_MUL] = "*",
    [TOK_DIV] = "/",         [TOK_MOD] = "%",         [TOK_POW] = "^",    [TOK_EQLC] = "==",
    [TOK_NEQ] = "!=",        [TOK_LTE] = "<=",        [TOK_LSS] = "<",    [TOK_GTE] = ">=",
    [TOK_GTR] = ">",         [TOK_EQL_RE] = "=~",     [TOK_AT] = "@",     [TOK_NEQ_RE] = "!~",
    [TOK_TRIM_UPPER] = "</", [TOK_TRIM_LOWER] = ">/",
};

struct str tok_text(enum tok t)
{
    if ((size_t)t < ARRAY_LEN(symbols) && symbols[t] != NULL) {
        return str_cstr(symbols[t]);
    }
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        if (keywords[i].type == t) {
            return str_cstr(keywords[i].word);
        }
    }
    return STR("");
}

void token_describe(const struct token *t, struct buf *dst)
{
    switch (t->type) {
    case TOK_EOF:
        buf_add_cstr(dst, "end of input");
        return;
    case TOK_IDENT:
    case TOK_METRIC_IDENT:
        buf_add_cstr(dst, t->type == TOK_IDENT ? "identifier " : "metric identifier ");
        go_quote(t->text, dst);
        return;
    case TOK_NUMBER:
        buf_add_cstr(dst, "number ");
        break;
    case TOK_DURATION:
        buf_add_cstr(dst, "duration ");
        break;
    case TOK_STRING:
        buf_add_cstr(dst, "string ");
        break;
    default:
        break;
    }
    if (t->type >= TOK_KEYWORD_FIRST && t->type <= TOK_KEYWORD_LAST) {
        buf_printf(dst, "<%.*s>", STR_ARG(t->text));
    } else if (tok_is_operator(t->type)) {
        buf_printf(dst, "<op:%.*s>", STR_ARG(t->text));
    } else if (tok_is_aggregator(t->type)) {
        buf_printf(dst, "<aggr:%.*s>", STR_ARG(t->text));
    } else if (t->text.n > 10) {
        struct str cut = t->text;
        size_t runes = 0;
        size_t n = 0;

        for (struct str s = cut; s.n != 0 && runes < 10; runes++) { /* %.10q cuts after ten runes */
            size_t w;

            ignore_result(go_rune(s, &w), "only the width matters");
            n += w;
            s = str_drop(s, w);
        }
        go_quote(str_take(cut, n), dst);
        buf_add_cstr(dst, "...");
    } else {
        go_quote(t->text, dst);
    }
}

void lex_init(struct lexer *l, struct str in, struct arena *arena)
{
    *l = (struct lexer){.in = in, .arena = arena};
}

static bool is_digit(int32_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(int32_t c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(int32_t c)
{
    return is_alpha(c) || is_digit(c);
}

static bool is_space(int32_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static int32_t peek(const struct lexer *l)
{
    return l->at < l->in.n ? (unsigned char)l->in.p[l->at] : -1;
}

static int32_t peek_rune(const struct lexer *l)
{
    size_t n;

    return go_rune(str_drop(l->in, l->at), &n);
}

static int32_t next_rune(struct lexer *l)
{
    size_t n;
    int32_t r = go_rune(str_drop(l->in, l->at), &n);

    l->at += n;
    return r;
}

static bool accept(struct lexer *l, const char *set)
{
    int32_t c = peek(l);

    if (c > 0 && strchr(set, (char)c) != NULL) {
        l->at++;
        return true;
    }
    return false;
}

static void accept_run(struct lexer *l, const char *set)
{
    while (accept(l, set)) {
    }
}

static struct token emit(struct lexer *l, enum tok type)
{
    struct token t = {.type = type,
                      .start = (uint32_t)l->start,
                      .end = (uint32_t)l->at,
                      .text = str_of(l->in.p + l->start, l->at - l->start)};

    l->start = l->at;
    return t;
}

static struct token fail_text(struct lexer *l, struct str text)
{
    l->done = true;
    return (struct token){.type = TOK_ERROR,
                          .start = (uint32_t)l->start,
                          .end = (uint32_t)l->in.n,
                          .text = text.p != NULL ? text : STR("out of memory")};
}

static struct token fail(struct lexer *l, const char *text)
{
    return fail_text(l, str_cstr(text));
}

/** `text` followed by the quoted rune. */
static struct token fail_rune(struct lexer *l, const char *text, int32_t r)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 256);
    buf_add_cstr(&b, text);
    go_quote_rune(r, &b);
    return fail_text(l, arena_str_dup(l->arena, buf_str(&b)));
}

/** `text` followed by the quoted input since the token began. */
static struct token fail_input(struct lexer *l, const char *text)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 4096);
    buf_add_cstr(&b, text);
    go_quote(str_take(str_of(l->in.p + l->start, l->at - l->start), 200), &b);
    return fail_text(l, arena_str_dup(l->arena, buf_str(&b)));
}

static struct token fail_code_point(struct lexer *l, const char *before, int32_t r,
                                    const char *after)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 256);
    buf_printf(&b, "%sU+%04X ", before, (unsigned)(r < 0 ? 0xfffd : r));
    go_quote_rune(r, &b);
    buf_add_cstr(&b, after);
    return fail_text(l, arena_str_dup(l->arena, buf_str(&b)));
}

/** Check one escape after its backslash. @return false with *ret_err set */
static bool lex_escape(struct lexer *l, int32_t quote, struct token *ret_err)
{
    int32_t c = next_rune(l);
    int base = 16;
    int n;
    int64_t max = 0x10ffff;
    int64_t x = 0;

    if (c == quote || (c > 0 && c < 0x80 && strchr("abfnrtv\\", (char)c) != NULL)) {
        return true;
    }
    if (c == -1) {
        *ret_err = fail(l, "escape sequence not terminated");
        return false;
    }
    n = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 3;
    if (c >= '0' && c <= '7') {
        base = 8;
    } else if (n == 3) {
        *ret_err = fail_code_point(l, "unknown escape sequence ", c, "");
        return false;
    } else {
        c = next_rune(l);
    }
    max = n <= 3 ? 255 : max;
    for (; n > 0; n--) {
        int d = is_digit(c)            ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : 99;

        if (d >= base) {
            *ret_err = c == -1 ? fail(l, "escape sequence not terminated")
                               : fail_code_point(l, "illegal character ", c, " in escape sequence");
            return false;
        }
        x = x * base + d;
        if (n > 1) {
            c = next_rune(l);
        }
    }
    if (x > max || (x >= 0xd800 && x < 0xe000)) {
        *ret_err = fail(l, "escape sequence is an invalid Unicode code point");
        return false;
    }
    return true;
}

static struct token lex_string(struct lexer *l, int32_t quote)
{
    struct token err;

    for (;;) {
        int32_t c = next_rune(l);

        if (c == quote) {
            return emit(l, TOK_STRING);
        }
        if (c == 0xfffd) {
            return fail(l, "invalid UTF-8 rune");
        }
        if (c == -1) {
            return fail(l, quote == '`' ? "unterminated raw string" : "unterminated quoted string");
        }
        if (quote != '`') {
            if (c == '\n') {
                return fail(l, "unterminated quoted string");
            }
            if (c == '\\' && !lex_escape(l, quote, &err)) {
                return err;
            }
        }
    }
}

static bool next_is(const struct lexer *l, const char *set)
{
    int32_t c = peek(l);

    return c > 0 && strchr(set, (char)c) != NULL;
}

/** One step over what may stand inside a number: a dot, an exponent, an underscore, digits.
 * @return false when it cannot stand here */
static bool scan_number_part(struct lexer *l, const char *digits, bool hex, bool *dot,
                             bool *exponent)
{
    if (next_is(l, digits)) { /* in hexadecimal 'e' is a digit */
        accept_run(l, digits);
        return true;
    }
    if (accept(l, ".")) {
        bool again = *dot;

        *dot = true;
        return !again && !hex && !accept(l, "_.");
    }
    if (accept(l, "eE")) {
        bool again = *exponent;

        *exponent = true;
        if (again) {
            return false;
        }
        accept(l, "+-");
    } else {
        accept(l, "_");
    }
    return !accept(l, "._eE") && peek(l) != -1;
}

/** @return true when it is a number as far as the lexer looks, and what follows cannot continue it */
static bool scan_number(struct lexer *l)
{
    const char *digits = "0123456789";
    size_t start = l->at;
    bool hex = false;
    bool dot;
    bool exponent = false;

    if (accept(l, "0") && accept(l, "xX")) {
        accept(l, "_");
        digits = "0123456789abcdefABCDEF";
        hex = true;
    }
    dot = accept(l, ".");
    accept(l, digits);
    while (next_is(l, digits) || next_is(l, "._eE")) {
        if (!scan_number_part(l, digits, hex, &dot, &exponent)) {
            return false;
        }
    }
    return l->at != start && !is_alnum(peek(l));
}

static bool scan_rest_of_duration(struct lexer *l)
{
    if (!accept(l, "smhdwy")) {
        return false;
    }
    accept(l, "s");
    while (accept(l, "0123456789")) {
        accept_run(l, "0123456789");
        if (!accept(l, "smhdw")) {
            return false;
        }
        accept(l, "s");
    }
    if (is_alnum(peek(l))) {
        l->at++; /* upstream's message shows it */
        return false;
    }
    return true;
}

static struct token lex_number_or_duration(struct lexer *l)
{
    if (scan_number(l)) {
        return emit(l, TOK_NUMBER);
    }
    if (scan_rest_of_duration(l)) {
        return emit(l, TOK_DURATION);
    }
    return fail_input(l, "bad number or duration syntax: ");
}

/** A word inside brackets: step, range, max_of, min_of. @return false: none of them, and read past */
static bool lex_duration_word(struct lexer *l, struct token *ret)
{
    static const enum tok words[] = {TOK_STEP, TOK_RANGE, TOK_MAX_OF, TOK_MIN_OF};
    struct str word;

    while (is_alpha(peek(l))) {
        l->at++;
    }
    word = str_of(l->in.p + l->start, l->at - l->start);
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (str_eq_nocase(word, tok_text(words[i]))) {
            l->got_duration = true;
            *ret = emit(l, words[i]);
            return true;
        }
    }
    return false;
}

static struct token lex_colon(struct lexer *l)
{
    if (l->in_duration && !l->got_duration) {
        l->start = l->at; /* upstream has emitted the token when it notices */
        return fail(l, "unexpected colon before duration in duration expression");
    }
    if (l->got_colon) {
        if (l->in_duration) {
            l->start = l->at;
            return fail(l, "unexpected repeated colon in duration expression");
        }
        return fail_rune(l, "unexpected colon ", ':');
    }
    l->got_colon = true;
    return emit(l, TOK_COLON);
}

/** A letter or colon inside brackets. */
static struct token lex_bracket_word(struct lexer *l, int32_t c)
{
    struct token t;
    struct buf b CLEANUP(buf_done) = {0};

    if (c == ':') {
        return lex_colon(l);
    }
    if (strchr("srmSRM", (char)c) != NULL && lex_duration_word(l, &t)) {
        return t;
    }
    if (l->in_duration) {
        return fail_rune(l, "unexpected character in duration expression: ", c);
    }
    buf_init(&b, 256);
    buf_add_cstr(&b, "unexpected character: ");
    go_quote_rune(c, &b);
    buf_add_cstr(&b, ", expected ':'");
    return fail_text(l, arena_str_dup(l->arena, buf_str(&b)));
}

/** fill, fill_left and fill_right are only modifiers before a parenthesis. */
static bool before_paren(const struct lexer *l)
{
    size_t at = l->at;

    while (at < l->in.n && is_space((unsigned char)l->in.p[at])) {
        at++;
    }
    return at < l->in.n && l->in.p[at] == '(';
}

static struct token lex_word(struct lexer *l)
{
    struct str word;
    bool colon = false;

    while (is_alnum(peek(l)) || peek(l) == ':') {
        colon = colon || peek(l) == ':';
        l->at++;
    }
    word = str_of(l->in.p + l->start, l->at - l->start);
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++) {
        if (str_eq_nocase(word, str_cstr(keywords[i].word))) {
            bool fill = keywords[i].type >= TOK_FILL && keywords[i].type <= TOK_FILL_RIGHT;

            return emit(l, fill && !before_paren(l) ? TOK_IDENT : keywords[i].type);
        }
    }
    return emit(l, colon ? TOK_METRIC_IDENT : TOK_IDENT);
}

static struct token lex_in_braces(struct lexer *l)
{
    int32_t c = next_rune(l);

    if (is_alpha(c)) {
        while (is_alnum(peek(l))) {
            l->at++;
        }
        return emit(l, TOK_IDENT);
    }
    switch (c) {
    case -1:
        return fail(l, "unexpected end of input inside braces");
    case ',':
        return emit(l, TOK_COMMA);
    case '"':
    case '\'':
    case '`':
        return lex_string(l, c);
    case '=':
        return emit(l, accept(l, "~") ? TOK_EQL_RE : TOK_EQL);
    case '!':
        if (accept(l, "~")) {
            return emit(l, TOK_NEQ_RE);
        }
        if (accept(l, "=")) {
            return emit(l, TOK_NEQ);
        }
        return fail_rune(l, "unexpected character after '!' inside braces: ", next_rune(l));
    case '{':
        return fail_rune(l, "unexpected left brace ", c);
    case '}':
        l->brace_open = false;
        return emit(l, TOK_RBRACE);
    default:
        return fail_rune(l, "unexpected character inside braces: ", c);
    }
}

static struct token lex_operator(struct lexer *l, int32_t c)
{
    switch (c) {
    case '*':
        return emit(l, TOK_MUL);
    case '/':
        return emit(l, TOK_DIV);
    case '%':
        return emit(l, TOK_MOD);
    case '+':
        return emit(l, TOK_ADD);
    case '-':
        return emit(l, TOK_SUB);
    case '^':
        return emit(l, TOK_POW);
    case '@':
        return emit(l, TOK_AT);
    case '=':
        if (peek(l) == '~') {
            return fail_rune(l, "unexpected character after '=': ", '~');
        }
        return emit(l, accept(l, "=") ? TOK_EQLC : TOK_EQL);
    case '!':
        if (accept(l, "=")) {
            return emit(l, TOK_NEQ);
        }
        return fail_rune(l, "unexpected character after '!': ", peek_rune(l));
    case '<':
        return emit(l, accept(l, "=") ? TOK_LTE : accept(l, "/") ? TOK_TRIM_UPPER : TOK_LSS);
    case '>':
        return emit(l, accept(l, "=") ? TOK_GTE : accept(l, "/") ? TOK_TRIM_LOWER : TOK_GTR);
    default:
        return fail_rune(l, "unexpected character: ", c);
    }
}

static struct token lex_bracket(struct lexer *l, int32_t c)
{
    if (c == ']') {
        if (!l->bracket_open) {
            return fail_rune(l, "unexpected right bracket ", c);
        }
        l->bracket_open = false;
        l->in_duration = false;
        return emit(l, TOK_RBRACKET);
    }
    if (l->bracket_open) {
        return fail_rune(l, "unexpected left bracket ", c);
    }
    l->got_colon = false;
    l->got_duration = false;
    l->bracket_open = true;
    l->in_duration = true;
    return emit(l, TOK_LBRACKET);
}

static struct token lex_statement(struct lexer *l)
{
    int32_t c = next_rune(l);

    if (l->in_duration && c > 0 && (c >= 0x80 || strchr("\"'`{[@=!<>", (char)c) != NULL)) {
        return fail_rune(l, "unexpected character in duration expression: ", c);
    }
    if (is_digit(c) || (c == '.' && is_digit(peek(l)))) {
        l->at--;
        l->got_duration = true;
        l->in_duration = false;
        return lex_number_or_duration(l);
    }
    if (is_alpha(c) || c == ':') {
        if (!l->bracket_open) {
            l->at--;
            return lex_word(l);
        }
        return lex_bracket_word(l, c);
    }
    switch (c) {
    case -1:
        if (l->in_duration) {
            return fail(l, "unexpected end of input in duration expression");
        }
        if (l->paren_depth != 0) {
            return fail(l, "unclosed left parenthesis");
        }
        if (l->bracket_open) {
            return fail(l, "unclosed left bracket");
        }
        l->done = true;
        return emit(l, TOK_EOF);
    case ',':
        return emit(l, TOK_COMMA);
    case '"':
    case '\'':
    case '`':
        return lex_string(l, c);
    case '(':
        l->paren_depth++;
        return emit(l, TOK_LPAREN);
    case ')':
        if (--l->paren_depth < 0) {
            l->start = l->at; /* upstream has emitted the token when it notices */
            return fail_rune(l, "unexpected right parenthesis ", c);
        }
        return emit(l, TOK_RPAREN);
    case '{':
        l->brace_open = true;
        return emit(l, TOK_LBRACE);
    case '[':
    case ']':
        return lex_bracket(l, c);
    default:
        return lex_operator(l, c);
    }
}

struct token lex_next(struct lexer *l)
{
    l->start = l->at;
    if (l->done) {
        l->at = l->in.n;
        l->start = l->at;
        return emit(l, TOK_EOF);
    }
    for (;;) {
        while (is_space(peek(l))) {
            l->at++;
        }
        l->start = l->at;
        if (peek(l) != '#') {
            return l->brace_open ? lex_in_braces(l) : lex_statement(l);
        }
        while (peek(l) != -1 && peek(l) != '\n' && peek(l) != '\r') {
            l->at++;
        }
    }
}
