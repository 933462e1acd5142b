/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens to a list where every value is one "?", lists of values are folded, then written out. What the tables are is
 * read off the words before names.
 */
#include "apm/sql_normal.h"

#include "apm/sql_tokens.h"
#include "base/err.h"
#include "base/hash.h"

enum { DEPTH_MAX = 64, NAMES_MAX = 32 };

enum sql_dialect sql_dialect_of(struct str db)
{
    static const struct {
        const char *name;
        enum sql_dialect dialect;
    } NAMES[] = {{"postgresql", SQL_POSTGRESQL},
                 {"cockroachdb", SQL_POSTGRESQL},
                 {"mysql", SQL_MYSQL},
                 {"mariadb", SQL_MYSQL},
                 {"oracle.db", SQL_ORACLE},
                 {"oracle", SQL_ORACLE},
                 {"tibero", SQL_ORACLE},
                 {"mssql", SQL_MSSQL},
                 {"microsoft.sql_server", SQL_MSSQL},
                 {"cubrid", SQL_CUBRID}};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (str_eq_nocase(db, str_cstr(NAMES[i].name))) {
            return NAMES[i].dialect;
        }
    }
    return SQL_ANY;
}

struct tokens {
    struct sql_token *v;
    size_t n;
};

static bool is(const struct sql_token *t, const char *word)
{
    return (t->type == SQL_WORD || t->type == SQL_PUNCT) && str_eq_nocase(t->text, str_cstr(word));
}

static const struct sql_token NONE = {.type = SQL_END};

static const struct sql_token *tok(const struct tokens *t, size_t i)
{
    return i < t->n ? &t->v[i] : &NONE;
}

static bool is_value(const struct sql_token *t)
{
    return t->type == SQL_LITERAL || t->type == SQL_BIND;
}

/* ---- reading ---- */

static bool is_operand_end(const struct sql_token *t)
{
    return is_value(t) || t->type == SQL_QUOTED ||
           (t->type == SQL_WORD && !sql_is_keyword(t->text)) || is(t, ")") || is(t, "]");
}

/* A sign that belongs to the number behind it. */
static bool is_sign(const struct tokens *t)
{
    const struct sql_token *last = tok(t, t->n - 1);

    return t->n >= 1 && (is(last, "-") || is(last, "+")) &&
           (t->n == 1 || !is_operand_end(&t->v[t->n - 2]));
}

static int read_tokens(struct str sql, enum sql_dialect dialect, struct arena *a,
                       struct tokens *ret, struct sql_normal *out)
{
    struct sql_scanner s = {.rest = str_take(sql, SQL_INPUT_MAX), .dialect = dialect};
    struct sql_token *v = arena_array(a, struct sql_token, s.rest.n + 1);
    struct tokens t = {v, 0};

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    while (sql_next(&s, &t.v[t.n])) {
        struct sql_token one = t.v[t.n];

        if (is_value(&one)) {
            out->literals += one.type == SQL_LITERAL;
            out->binds += one.type == SQL_BIND;
            if (is_sign(&t)) {
                t.n--;
            } else if (one.type == SQL_LITERAL && t.n > 0 && t.v[t.n - 1].type == SQL_LITERAL) {
                continue; /* 'a' 'b' is one text */
            }
            t.v[t.n] = one;
        }
        t.n++;
    }
    while (t.n > 0 && is(&t.v[t.n - 1], ";")) {
        t.n--;
    }
    out->cut = s.cut || sql.n > SQL_INPUT_MAX;
    *ret = t;
    return 0;
}

/* ---- lists ---- */

static bool is_constant(const struct sql_token *t)
{
    return is_value(t) || is(t, "NULL") || is(t, "DEFAULT") || is(t, "TRUE") || is(t, "FALSE");
}

/* "(?, ?, ?)" at i: @return index behind it; 0: something else is in it */
static size_t constants(const struct tokens *t, size_t i)
{
    bool negative;

    if (!is(tok(t, i), "(")) {
        return 0;
    }
    for (i++;; i += 2) {
        negative = is(tok(t, i), "-");
        i += negative;
        if (!is_constant(tok(t, i))) {
            return 0;
        }
        if (is(tok(t, i + 1), ")")) {
            return i + 2;
        }
        if (!is(tok(t, i + 1), ",")) {
            return 0;
        }
    }
}

/* "(...)" at i, balanced. @return index behind it, or t->n */
static size_t balanced(const struct tokens *t, size_t i)
{
    size_t depth = 0;

    for (; i < t->n; i++) {
        depth += is(&t->v[i], "(");
        if (is(&t->v[i], ")") && --depth == 0) {
            return i + 1;
        }
    }
    return t->n;
}

static void put_list(struct tokens *out)
{
    static const struct sql_token LIST[] = {
        {{"(", 1}, SQL_PUNCT}, {{"?", 1}, SQL_BIND}, {{")", 1}, SQL_PUNCT}};

    for (size_t i = 0; i < ARRAY_LEN(LIST); i++) {
        out->v[out->n++] = LIST[i];
    }
}

/* What follows IN or VALUES at i - 1. @return index behind what was folded; i: nothing was */
static size_t fold_lists(const struct tokens *t, size_t i, bool values, struct tokens *out)
{
    size_t end = constants(t, i);

    if (end != 0) {
        put_list(out);
    } else if (values &&
               is(tok(t, i), "(")) { /* a row with expressions: the first stands for all */
        end = balanced(t, i);
        while (i < end) {
            out->v[out->n++] = t->v[i++];
        }
    } else {
        return i;
    }
    while (values && is(tok(t, end), ",") && is(tok(t, end + 1), "(")) {
        end = balanced(t, end + 1);
    }
    return end;
}

/* IN ((?, ?), (?, ?)). */
static size_t fold_rows(const struct tokens *t, size_t i, struct tokens *out)
{
    size_t end = is(tok(t, i), "(") ? constants(t, i + 1) : 0;

    if (end == 0) {
        return i;
    }
    while (is(tok(t, end), ",")) {
        end = constants(t, end + 1);
        if (end == 0) {
            return i;
        }
    }
    if (!is(tok(t, end), ")")) {
        return i;
    }
    put_list(out);
    return end + 1;
}

/* In place: what is written is never ahead of what is read (a folded list has three tokens, and had as many). */
static void fold(struct tokens *t)
{
    struct tokens out = {t->v, 0};
    size_t i = 0;

    while (i < t->n) {
        bool in = is(&t->v[i], "IN");
        bool values = is(&t->v[i], "VALUES") || is(&t->v[i], "VALUE");
        size_t next = i + 1;

        out.v[out.n++] = t->v[i];
        if (in) {
            next = fold_rows(t, i + 1, &out);
        }
        if (next == i + 1 && (in || values)) {
            next = fold_lists(t, i + 1, values, &out);
        }
        i = next;
    }
    t->n = out.n;
}

/* ---- verb and tables ---- */

static struct str upper_in(struct arena *a, struct str s)
{
    struct str u = arena_str_dup(a, s);

    for (size_t i = 0; u.p != NULL && i < u.n; i++) {
        char *c = (char *)(uintptr_t)u.p + i;

        *c = *c >= 'a' && *c <= 'z' ? (char)(*c & ~0x20) : *c;
    }
    return u;
}

static bool is_main_verb(const struct sql_token *t)
{
    return is(t, "SELECT") || is(t, "INSERT") || is(t, "UPDATE") || is(t, "DELETE") ||
           is(t, "MERGE") || is(t, "VALUES");
}

static struct str verb_of(const struct tokens *t, struct arena *a)
{
    size_t i = 0;
    int depth = 0;

    while (i < t->n &&
           (t->v[i].type == SQL_HINT || t->v[i].type == SQL_PUNCT || is_value(&t->v[i]))) {
        i++; /* "(SELECT", "{? = call" */
    }
    if (is(tok(t, i), "WITH")) {
        size_t k = i + 1;

        for (; k < t->n && !(depth <= 0 && is_main_verb(&t->v[k])); k++) {
            depth += is(&t->v[k], "(") ? 1 : is(&t->v[k], ")") ? -1 : 0;
        }
        i = k < t->n ? k : i;
    }
    return tok(t, i)->type == SQL_WORD ? upper_in(a, str_take(t->v[i].text, 32)) : STR("");
}

struct names {
    struct str v[NAMES_MAX];
    size_t n;
};

static bool names_have(const struct names *n, struct str s)
{
    for (size_t i = 0; i < n->n; i++) {
        if (str_eq_nocase(n->v[i], s)) {
            return true;
        }
    }
    return false;
}

static void names_add(struct names *n, struct str s, size_t max)
{
    if (n->n < max && !names_have(n, s)) {
        n->v[n->n++] = s;
    }
}

static bool is_name(const struct sql_token *t)
{
    return t->type == SQL_QUOTED || (t->type == SQL_WORD && !sql_is_keyword(t->text));
}

/* "a.b.c" at *i. @return p NULL: no name, or a function */
static struct str table_at(const struct tokens *t, size_t *i, struct arena *a)
{
    struct str s = {0};

    while (is(tok(t, *i), "ONLY") || is(tok(t, *i), "LATERAL") || is(tok(t, *i), "IGNORE") ||
           tok(t, *i)->type == SQL_HINT) {
        (*i)++;
    }
    while (is_name(tok(t, *i))) {
        s = s.n == 0 ? t->v[*i].text
                     : arena_printf(a, "%.*s.%.*s", STR_ARG(s), STR_ARG(t->v[*i].text));
        (*i)++;
        if (!is(tok(t, *i), ".")) {
            break;
        }
        (*i)++;
    }
    return s;
}

/* WITH a AS (...), b (x, y) AS (...): names that are no tables. */
static void find_named(const struct tokens *t, struct names *ret)
{
    size_t looks = 0; /* each may go to the end of the text */

    for (size_t i = 1; i + 2 < t->n && looks < NAMES_MAX; i++) {
        size_t next = i + 1;

        if (!is_name(&t->v[i]) ||
            !(is(&t->v[i - 1], "WITH") || is(&t->v[i - 1], ",") || is(&t->v[i - 1], "RECURSIVE"))) {
            continue;
        }
        if (is(tok(t, next), "(")) {
            next = balanced(t, next);
            looks++;
        }
        if (is(tok(t, next), "AS") && is(tok(t, next + 1), "(")) {
            names_add(ret, t->v[i].text, NAMES_MAX);
        }
    }
}

static bool leads_to_table(const struct tokens *t, size_t i)
{
    const struct sql_token *before = i > 0 ? &t->v[i - 1] : &NONE;

    if (is(&t->v[i], "UPDATE")) {
        return !is(before, "FOR") && !is(before, "KEY") && !is(before, "DO") && !is(before, "ON") &&
               !is(before, "THEN");
    }
    return is(&t->v[i], "FROM") || is(&t->v[i], "JOIN") || is(&t->v[i], "INTO") ||
           is(&t->v[i], "TABLE") || is(&t->v[i], "USING");
}

/* FROM inside the brackets of these is no list of tables. */
static bool takes_from(const struct sql_token *t)
{
    return is(t, "EXTRACT") || is(t, "SUBSTRING") || is(t, "TRIM") || is(t, "OVERLAY") ||
           is(t, "POSITION");
}

static void take_tables(const struct tokens *t, size_t i, bool several, const struct names *named,
                        struct arena *a, struct names *ret)
{
    do {
        struct str s = table_at(t, &i, a);

        if (s.n == 0 || (several && is(tok(t, i), "("))) {
            return; /* a query in brackets, or a function */
        }
        if (!names_have(named, s)) {
            names_add(ret, s, SQL_TABLES_MAX);
        }
        if (is(tok(t, i), "AS")) {
            i++;
        }
        if (is_name(tok(t, i))) {
            i++; /* its alias */
        }
    } while (several && is(tok(t, i), ",") && ++i != 0);
}

static void find_tables(const struct tokens *t, struct arena *a, struct names *ret)
{
    bool function[DEPTH_MAX] = {false};
    struct names named = {.n = 0};
    size_t depth = 0;

    find_named(t, &named);
    for (size_t i = 0; i < t->n; i++) {
        if (is(&t->v[i], "(")) {
            depth += depth + 1 < DEPTH_MAX;
            function[depth] = i > 0 && takes_from(&t->v[i - 1]);
        } else if (is(&t->v[i], ")")) {
            depth -= depth > 0;
        } else if (leads_to_table(t, i) && !(function[depth] && is(&t->v[i], "FROM"))) {
            take_tables(t, i + 1, is(&t->v[i], "FROM"), &named, a, ret);
        }
    }
}

/* ---- writing ---- */

static bool tight_before(const struct sql_token *t)
{
    return is(t, ",") || is(t, ")") || is(t, ".") || is(t, ";") || is(t, "::") || is(t, "[") ||
           is(t, "]");
}

static bool tight_behind(const struct sql_token *t)
{
    return is(t, "(") || is(t, ".") || is(t, "::") || is(t, "[");
}

struct out {
    char *text;  /* for people */
    char *equal; /* for the hash: unquoted names in lower case */
    size_t n;
};

static void put(struct out *o, struct str s, bool keyword, bool fold_case)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        c = c == '\n' || c == '\t' || c == '\r' ? ' ' : c;
        o->text[o->n] = keyword && letter ? (char)(c & ~0x20) : c;
        o->equal[o->n] = fold_case && letter ? (char)(c | 0x20) : c;
        o->n++;
    }
}

static int write_out(const struct tokens *t, struct arena *a, struct sql_normal *ret)
{
    struct out o = {.n = 0};
    size_t bytes = 1;

    for (size_t i = 0; i < t->n; i++) {
        bytes += t->v[i].text.n + 1;
    }
    o.text = arena_array(a, char, bytes);
    o.equal = arena_array(a, char, bytes);
    if (o.text == NULL || o.equal == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < t->n; i++) {
        const struct sql_token *one = &t->v[i];
        bool word = one->type == SQL_WORD;
        bool call = is(one, "(") && i > 0 && is_name(&t->v[i - 1]);

        if (i > 0 && !tight_before(one) && !tight_behind(&t->v[i - 1]) && !call) {
            put(&o, STR(" "), false, false);
        }
        put(&o, is_value(one) ? STR("?") : one->text, word && sql_is_keyword(one->text),
            word || one->type == SQL_HINT);
    }
    ret->text = str_of(o.text, o.n);
    ret->hash = hash64(o.equal, o.n);
    return 0;
}

int sql_normalise(struct str sql, enum sql_dialect dialect, struct arena *a, struct sql_normal *ret)
{
    struct sql_normal r = {0};
    struct names tables = {.n = 0};
    struct tokens t = {NULL, 0};
    struct str *copy;

    if (read_tokens(sql, dialect, a, &t, &r) < 0) {
        return -ERR_NOMEM;
    }
    fold(&t);
    r.verb = verb_of(&t, a);
    find_tables(&t, a, &tables);
    copy = arena_array(a, struct str, tables.n + 1);
    if (copy == NULL || r.verb.p == NULL || write_out(&t, a, &r) < 0) {
        return -ERR_NOMEM;
    }
    memcpy(copy, tables.v, tables.n * sizeof(*copy));
    r.tables = copy;
    r.tables_n = tables.n;
    *ret = r;
    return 0;
}
