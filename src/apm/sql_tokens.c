/* SPDX-License-Identifier: Apache-2.0
 *
 * Sources: PostgreSQL manual 4.1, MySQL manual 9.1 and 9.7, Oracle SQL Language Reference "Literals", Transact-SQL
 * "Identifiers" and "Constants", CUBRID manual "Literals".
 */
#include "apm/sql_tokens.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '\0';
}

static char at(struct str s, size_t i)
{
    return i < s.n ? s.p[i] : '\0';
}

static bool in_name(struct str s, size_t i)
{
    char c = at(s, i);

    return i < s.n && (is_letter(c) || is_digit(c) || c == '$' || c == '#');
}

/* Bytes of what begins with one byte and ends with `quote`, doubled quotes and, with `escapes`, backslashes passed over. */
static size_t quoted(struct sql_scanner *s, size_t from, char quote, bool escapes)
{
    struct str r = s->rest;

    for (size_t i = from; i < r.n; i++) {
        if (escapes && r.p[i] == '\\') {
            i++;
        } else if (r.p[i] == quote) {
            if (at(r, i + 1) != quote) {
                return i + 1;
            }
            i++;
        }
    }
    s->cut = true;
    return r.n;
}

static size_t line_end(struct str r)
{
    int64_t n = str_find_byte(r, '\n');

    return n >= 0 ? (size_t)n : r.n;
}

static size_t block_comment(struct sql_scanner *s)
{
    bool nests = s->dialect == SQL_POSTGRESQL || s->dialect == SQL_MSSQL;
    struct str r = s->rest;
    int depth = 1;

    for (size_t i = 2; i + 1 < r.n; i++) {
        if (r.p[i] == '*' && r.p[i + 1] == '/') {
            i++;
            if (--depth == 0) {
                return i + 1;
            }
        } else if (nests && r.p[i] == '/' && r.p[i + 1] == '*') {
            i++;
            depth++;
        }
    }
    s->cut = true;
    return r.n;
}

/* Bytes of space or comment at the front; 0: none. */
static size_t blank(struct sql_scanner *s)
{
    struct str r = s->rest;
    char c = at(r, 0);

    if (is_space(c)) {
        return 1;
    }
    if (c == '-' && at(r, 1) == '-' &&
        (s->dialect != SQL_MYSQL || r.n == 2 || is_space(at(r, 2)))) {
        return line_end(r);
    }
    if (c == '/' && at(r, 1) == '/' && s->dialect == SQL_CUBRID) {
        return line_end(r);
    }
    if (c == '#' && s->dialect == SQL_MYSQL) {
        return line_end(r);
    }
    return c == '/' && at(r, 1) == '*' && at(r, 2) != '+' ? block_comment(s) : 0;
}

/* Oracle: q'[ ... ]'. */
static size_t oracle_quoted(struct sql_scanner *s, size_t from)
{
    static const char OPEN[] = "[({<";
    static const char CLOSE[] = "])}>";
    struct str r = s->rest;
    char open = at(r, from);
    const char *p = open != '\0' ? strchr(OPEN, open) : NULL;
    char close = p != NULL ? CLOSE[p - OPEN] : open;

    for (size_t i = from + 1; i + 1 < r.n; i++) {
        if (r.p[i] == close && r.p[i + 1] == '\'') {
            return i + 2;
        }
    }
    s->cut = true;
    return r.n;
}

/* PostgreSQL: $tag$ ... $tag$. @return 0: it is none */
static size_t dollar_quoted(struct sql_scanner *s)
{
    struct str r = s->rest;
    size_t n = 1;
    int64_t end;

    if (s->dialect != SQL_POSTGRESQL && s->dialect != SQL_ANY) {
        return 0;
    }
    while (n < r.n && n < 65 && (is_letter(r.p[n]) || (n > 1 && is_digit(r.p[n])))) {
        n++;
    }
    if (at(r, n) != '$') {
        return 0;
    }
    n++;
    end = str_find(str_drop(r, n), str_take(r, n));
    if (end < 0) {
        s->cut = true;
        return r.n;
    }
    return n + (size_t)end + n;
}

/* N'..', E'..', B'..', X'..', U&'..', q'[..]', nq'[..]', _utf8'..'. @return bytes; 0: no such text */
static size_t prefixed(struct sql_scanner *s)
{
    struct str r = s->rest;
    char c = (char)(at(r, 0) | 0x20);
    char d = (char)(at(r, 1) | 0x20);
    bool mysql = s->dialect == SQL_MYSQL;
    bool q = s->dialect == SQL_ORACLE || s->dialect == SQL_ANY;
    size_t n = 0;

    if (q && c == 'q' && at(r, 1) == '\'') {
        return oracle_quoted(s, 2);
    }
    if (q && c == 'n' && d == 'q' && at(r, 2) == '\'') {
        return oracle_quoted(s, 3);
    }
    if (at(r, 1) == '\'' && (c == 'n' || c == 'e' || c == 'b' || c == 'x')) {
        return quoted(s, 2, '\'', mysql || (c == 'e' && s->dialect != SQL_ORACLE));
    }
    if (c == 'u' && at(r, 1) == '&' && at(r, 2) == '\'') {
        return quoted(s, 3, '\'', false);
    }
    if (mysql && at(r, 0) == '_') {
        while (in_name(r, n)) {
            n++;
        }
        return at(r, n) == '\'' || at(r, n) == '"' ? quoted(s, n + 1, at(r, n), true) : 0;
    }
    return 0;
}

static size_t number(struct str r)
{
    size_t n = 0;

    if (at(r, 0) == '0' && (at(r, 1) | 0x20) == 'x') {
        n = 2;
        while (in_name(r, n)) {
            n++;
        }
        return n;
    }
    while (is_digit(at(r, n))) {
        n++;
    }
    if (at(r, n) == '.' && at(r, n + 1) != '.') {
        n++;
        while (is_digit(at(r, n))) {
            n++;
        }
    }
    if ((at(r, n) | 0x20) == 'e') {
        size_t e = at(r, n + 1) == '+' || at(r, n + 1) == '-' ? n + 2 : n + 1;

        while (is_digit(at(r, e))) {
            n = ++e;
        }
    }
    while (in_name(r, n)) { /* 10K, 1L, 0b01, 5f: what a number runs into is no name */
        n++;
    }
    return n;
}

/* ?, ?1, $1, :name, :1, @p, #{x} is not SQL. @return 0: no bind */
static size_t bind(const struct sql_scanner *s)
{
    struct str r = s->rest;
    char c = at(r, 0);
    char d = at(r, 1);
    size_t n = 1;

    if (c == '?') {
        if (s->dialect == SQL_POSTGRESQL && (d == '|' || d == '&')) {
            return 0; /* operators of jsonb */
        }
        while (is_digit(at(r, n))) {
            n++;
        }
        return n;
    }
    if (c == '$' && is_digit(d)) {
        while (is_digit(at(r, n))) {
            n++;
        }
        return n;
    }
    if ((c == ':' && (is_letter(d) || is_digit(d)) && !s->value_before) ||
        (c == '@' && is_letter(d))) {
        while (in_name(r, n)) {
            n++;
        }
        return n;
    }
    return 0;
}

static size_t punct(struct str r)
{
    static const char *const TWO[] = {
        "::", "<=", ">=", "<>", "!=", "||", ":=", "->", "=>", "&&", "?|", "?&", "@>", "<@"};

    if (str_starts(r, STR("->>")) || str_starts(r, STR("<=>")) || str_starts(r, STR("(+)"))) {
        return 3;
    }
    for (size_t i = 0; i < ARRAY_LEN(TWO); i++) {
        if (str_starts(r, str_cstr(TWO[i]))) {
            return 2;
        }
    }
    return 1;
}

static bool opens_name(const struct sql_scanner *s)
{
    char d = at(s->rest, 1);

    return s->dialect == SQL_MSSQL ||
           (s->dialect == SQL_ANY && !s->value_before && (is_letter(d) || d == '#'));
}

/* Texts, names in quotes, hints. @return bytes; 0: something else */
static size_t in_quotes(struct sql_scanner *s, uint8_t *ret_type)
{
    bool mysql = s->dialect == SQL_MYSQL;

    *ret_type = SQL_QUOTED;
    switch (at(s->rest, 0)) {
    case '\'':
        *ret_type = SQL_LITERAL;
        return quoted(s, 1, '\'', mysql);
    case '"':
        *ret_type = mysql ? SQL_LITERAL : SQL_QUOTED;
        return quoted(s, 1, '"', mysql);
    case '`':
        return quoted(s, 1, '`', false);
    case '[':
        return opens_name(s) ? quoted(s, 1, ']', false) : 0;
    case '/':
        *ret_type = SQL_HINT;
        return str_starts(s->rest, STR("/*+")) ? block_comment(s) : 0;
    case '$':
        *ret_type = SQL_LITERAL;
        return dollar_quoted(s);
    default:
        *ret_type = SQL_LITERAL;
        return prefixed(s);
    }
}

static size_t plain(struct sql_scanner *s, uint8_t *ret_type)
{
    struct str r = s->rest;
    char c = r.p[0];
    size_t n = bind(s);

    *ret_type = SQL_BIND;
    if (n != 0) {
        return n;
    }
    *ret_type = SQL_LITERAL;
    if (is_digit(c) || (c == '.' && is_digit(at(r, 1)) && !s->value_before)) {
        return number(r);
    }
    *ret_type = SQL_WORD;
    if (is_letter(c) || ((c == '#' || c == '@') && s->dialect != SQL_POSTGRESQL)) {
        n = 1;
        while (in_name(r, n) || (n == 1 && c == '@' && at(r, 1) == '@')) {
            n++;
        }
        return n;
    }
    *ret_type = SQL_PUNCT;
    return punct(r);
}

bool sql_next(struct sql_scanner *s, struct sql_token *ret)
{
    size_t n;
    uint8_t type = SQL_END;

    while (s->rest.n != 0 && (n = blank(s)) != 0) {
        s->rest = str_drop(s->rest, n);
    }
    if (s->rest.n == 0) {
        return false;
    }
    n = in_quotes(s, &type);
    if (n == 0) {
        n = plain(s, &type);
    }
    *ret = (struct sql_token){.text = str_take(s->rest, n), .type = type};
    s->rest = str_drop(s->rest, n);
    if (type != SQL_HINT) {
        s->value_before = type == SQL_QUOTED || type == SQL_LITERAL || type == SQL_BIND ||
                          (type == SQL_WORD && !sql_is_keyword(ret->text)) ||
                          (type == SQL_PUNCT && (ret->text.p[0] == ')' || ret->text.p[0] == ']'));
    }
    return true;
}

/* Sorted. Words that cannot be mistaken for names of tables or columns. */
static const char *const KEYWORDS[] = {
    "ALL",     "ALTER",     "AND",     "ANY",      "AS",       "ASC",     "BEGIN",     "BETWEEN",
    "BY",      "CALL",      "CASE",    "COMMIT",   "CONFLICT", "CONNECT", "CREATE",    "CROSS",
    "DEFAULT", "DELETE",    "DESC",    "DISTINCT", "DO",       "DROP",    "DUPLICATE", "ELSE",
    "END",     "EXCEPT",    "EXEC",    "EXECUTE",  "EXISTS",   "EXPLAIN", "FALSE",     "FETCH",
    "FOR",     "FROM",      "FULL",    "GROUP",    "HAVING",   "IGNORE",  "IN",        "INNER",
    "INSERT",  "INTERSECT", "INTO",    "IS",       "JOIN",     "LATERAL", "LEFT",      "LIKE",
    "LIMIT",   "LOCK",      "MATCHED", "MERGE",    "MINUS",    "NATURAL", "NOT",       "NULL",
    "OFFSET",  "ON",        "ONLY",    "OR",       "ORDER",    "OUTER",   "OVER",      "PARTITION",
    "REPLACE", "RETURNING", "RIGHT",   "ROLLBACK", "SELECT",   "SET",     "SHOW",      "START",
    "TABLE",   "THEN",      "TOP",     "TRUE",     "TRUNCATE", "UNION",   "UPDATE",    "USING",
    "VALUES",  "WHEN",      "WHERE",   "WITH"};

bool sql_is_keyword(struct str word)
{
    char upper[16];
    size_t lo = 0;
    size_t hi = ARRAY_LEN(KEYWORDS);

    if (word.n == 0 || word.n >= sizeof(upper)) {
        return false;
    }
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];

        upper[i] = c >= 'a' && c <= 'z' ? (char)(c & ~0x20) : c;
    }
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(str_cstr(KEYWORDS[mid]), str_of(upper, word.n));

        if (c == 0) {
            return true;
        }
        lo = c < 0 ? mid + 1 : lo;
        hi = c < 0 ? hi : mid;
    }
    return false;
}
