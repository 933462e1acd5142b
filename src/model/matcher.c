/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers: plain comparisons, and regular expressions taken apart at build time so that only those which
 * are neither literal, prefix, suffix, infix nor alternation reach PCRE2. Every PCRE2 run has a match
 * limit; a run that hits it counts as no match.
 */
#include "model/matcher.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/vec.h"
#include "model/pcre.h"
#include "model/regex.h"

enum {
    MAX_PATTERN = 64 << 10,
    MAX_LITERALS = 10000,
    ARENA_BYTES = 4 << 20,
};

/** How a value is tested. */
enum how {
    HOW_EQ,
    HOW_LITERALS, /* sorted set */
    HOW_ANY,      /* .* */
    HOW_NONEMPTY, /* .+ */
    HOW_PREFIX,   /* literal.* or literal.+ */
    HOW_ENDS,     /* literal.*literal */
    HOW_SUFFIX,   /* .*literal */
    HOW_INFIX,    /* .*literal.* */
    HOW_PCRE,
};

struct matcher {
    enum match_op op;
    enum how how;
    bool tail_nonempty; /* HOW_PREFIX: something must follow */
    bool empty;         /* the answer for "" */
    struct str name;    /* all strings in `arena` */
    struct str value;
    struct str text;   /* literal of PREFIX, SUFFIX, INFIX, first of ENDS */
    struct str suffix; /* second of ENDS */
    struct str prefix;
    struct str *literals; /* sorted, unique */
    size_t literals_n;
    bool has_literals;
    struct pcre re;
    struct arena arena;
};

/* ---- taking a pattern apart ---- */

static bool is_meta(char c)
{
    return c != '\0' && strchr("\\.+*?()|[]{}^$", c) != NULL;
}

/** A literal piece at *pos up to the next operator, unescaping \. and the like, appended to dst. A character
 * with a quantifier behind it is left alone. */
static void take_literal(struct str p, size_t *pos, struct buf *dst)
{
    while (*pos < p.n) {
        char c = p.p[*pos];
        size_t len = 1;
        size_t next;

        if (c == '\\' && *pos + 1 < p.n &&
            (is_meta(p.p[*pos + 1]) || p.p[*pos + 1] == '-' || p.p[*pos + 1] == '/' ||
             p.p[*pos + 1] == '_')) {
            c = p.p[*pos + 1];
            len = 2;
        } else if (is_meta(c)) {
            return;
        }
        if ((uint8_t)c >= 0x80) { /* a quantifier would bind to the whole code point */
            while (*pos + len < p.n && ((uint8_t)p.p[*pos + len] & 0xc0) == 0x80) {
                len++;
            }
        }
        next = *pos + len;
        if (next < p.n && strchr("*+?{", p.p[next]) != NULL && p.p[next] != '\0') {
            return;
        }
        if ((uint8_t)c >= 0x80) {
            buf_add(dst, p.p + *pos, len);
        } else {
            buf_add_byte(dst, c);
        }
        *pos = next;
    }
}

static bool rest_is(struct str p, size_t pos, const char *text)
{
    return str_eq(str_drop(p, pos), str_cstr(text));
}

/** The whole pattern is one literal, or `open` literal|literal `close`. */
static bool split_alternation(struct matcher *m, struct str p, struct buf *tmp)
{
    VEC(struct str) found = {0};
    size_t pos = 0;
    bool ok = true;

    for (;;) {
        struct str s;

        buf_clear(tmp);
        take_literal(p, &pos, tmp);
        s = arena_str_dup(&m->arena, buf_str(tmp));
        ok = !tmp->failed && s.n == tmp->n && found.n < MAX_LITERALS && vec_push(&found, s);
        if (!ok || pos >= p.n) {
            break;
        }
        if (p.p[pos] != '|') {
            ok = false;
            break;
        }
        pos++;
    }
    if (ok) {
        m->literals = arena_array(&m->arena, struct str, found.n);
        ok = m->literals != NULL;
    }
    if (ok) {
        memcpy(m->literals, found.v, found.n * sizeof(*found.v));
        m->literals_n = found.n;
    }
    vec_done(&found);
    return ok;
}

static int by_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void finish_literals(struct matcher *m)
{
    size_t kept = 0;

    qsort(m->literals, m->literals_n, sizeof(*m->literals), by_str);
    for (size_t i = 0; i < m->literals_n; i++) {
        if (kept == 0 || !str_eq(m->literals[kept - 1], m->literals[i])) {
            m->literals[kept++] = m->literals[i];
        }
    }
    m->literals_n = kept;
    m->has_literals = true;
    m->how = HOW_LITERALS;
}

/** Without one group around everything: (a|b) and (?:a|b). */
static struct str strip_group(struct str p)
{
    size_t open = str_starts(p, STR("(?:")) ? 3 : 1;

    if (p.n < open + 1 || p.p[0] != '(' || p.p[p.n - 1] != ')' ||
        (open == 1 && p.n > 1 && p.p[1] == '?')) {
        return p;
    }
    for (size_t i = open; i + 1 < p.n; i++) { /* the closing one must be the last */
        if (p.p[i] == '\\') {
            i++;
            if (i + 1 >= p.n) {
                return p; /* "\)" at the end is not a group's end */
            }
        } else if (p.p[i] == '(' || p.p[i] == ')' || p.p[i] == '[') {
            return p;
        }
    }
    return str_of(p.p + open, p.n - open - 1);
}

/** Is there a '|' outside all groups? Says yes when in doubt. */
static bool has_alternation(struct str p)
{
    int depth = 0;

    if (str_find_byte(p, '|') < 0) {
        return false;
    }
    for (size_t i = 0; i < p.n; i++) {
        switch (p.p[i]) {
        case '\\':
        case '[':
            return true; /* would need a real parser */
        case '(':
            depth++;
            break;
        case ')':
            depth--;
            break;
        case '|':
            if (depth <= 0) {
                return true;
            }
            break;
        default:
            break;
        }
    }
    return false;
}

/** `.*` and a literal to the end, behind a literal. */
static bool recognise_ends(struct matcher *m, struct str p, size_t pos, struct buf *tmp)
{
    if (!str_starts(str_drop(p, pos), STR(".*"))) {
        return false;
    }
    pos += 2;
    buf_clear(tmp);
    take_literal(p, &pos, tmp);
    if (tmp->failed || tmp->n == 0 || pos != p.n) {
        return false; /* "a.*?b" and the like stop at once */
    }
    m->suffix = arena_str_dup(&m->arena, buf_str(tmp));
    m->how = HOW_ENDS;
    return m->suffix.n == tmp->n;
}

/** Try the forms that need no regex engine. @return true when `m` is complete. */
static bool recognise(struct matcher *m, struct str pattern, struct buf *tmp)
{
    struct str p = strip_group(pattern);
    size_t pos = 0;
    bool any_front;

    if (str_starts(p, STR("^")) && !has_alternation(p)) { /* redundant anchors */
        p = str_drop(p, 1);
    }
    if (p.n != 0 && p.p[p.n - 1] == '$' && !has_alternation(p) &&
        (p.n < 2 || p.p[p.n - 2] != '\\')) {
        p = str_take(p, p.n - 1);
    }
    if (split_alternation(m, p, tmp)) {
        finish_literals(m);
        return true;
    }
    m->literals = NULL;
    m->literals_n = 0;
    if (has_alternation(p)) {
        return false;
    }
    if (rest_is(p, 0, ".*") || rest_is(p, 0, ".+")) {
        m->how = p.p[1] == '*' ? HOW_ANY : HOW_NONEMPTY;
        return true;
    }
    any_front = str_starts(p, STR(".*"));
    pos = any_front ? 2 : 0;
    if (any_front && pos < p.n && strchr("?+*{", p.p[pos]) != NULL) {
        return false;
    }
    buf_clear(tmp);
    take_literal(p, &pos, tmp);
    m->text = arena_str_dup(&m->arena, buf_str(tmp));
    if (tmp->failed || m->text.n != tmp->n) {
        return false;
    }
    if (!any_front) {
        m->prefix = m->text;
        m->tail_nonempty = rest_is(p, pos, ".+");
        m->how = HOW_PREFIX;
        return m->tail_nonempty || rest_is(p, pos, ".*") || recognise_ends(m, p, pos, tmp);
    }
    m->how = pos == p.n ? HOW_SUFFIX : HOW_INFIX;
    return pos == p.n || rest_is(p, pos, ".*");
}

/* ---- PCRE2 ---- */

/** Groups only PCRE2 has: look-around, atomic, recursion, conditions, verbs. */
static bool group_is_foreign(struct str at)
{
    static const char *const GROUPS[] = {"(?=", "(?!", "(?<=", "(?<!", "(?>", "(?|", "(?R",
                                         "(?&", "(?(", "(?P>", "(?P=", "(?C", "(*"};

    for (size_t g = 0; g < ARRAY_LEN(GROUPS); g++) {
        if (str_starts(at, str_cstr(GROUPS[g]))) {
            return true;
        }
    }
    return at.n > 2 && at.p[1] == '?' && at.p[2] >= '0' && at.p[2] <= '9'; /* recursion */
}

/** Back references and the like. */
static bool escape_is_foreign(char c)
{
    return (c >= '1' && c <= '9') || (c != '\0' && strchr("gkKGXR", c) != NULL);
}

/** Index of the last byte of an escape that starts at i, \Q..\E included. */
static size_t skip_escape(struct str p, size_t i)
{
    int64_t end;

    if (i + 1 >= p.n || p.p[i + 1] != 'Q') {
        return i + 1;
    }
    end = str_find(str_drop(p, i), STR("\\E"));
    return end < 0 ? p.n : i + (size_t)end + 1;
}

/** Index of the last byte in front of a class' content, where a ] is a plain character. */
static size_t skip_class_start(struct str p, size_t i)
{
    i += i + 1 < p.n && p.p[i + 1] == '^' ? 1 : 0;
    return i + (i + 1 < p.n && p.p[i + 1] == ']' ? 1 : 0);
}

/** A count between its braces: "2", "2," or "2,3". */
static bool is_count(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] < '0' || s.p[i] > '9') && (s.p[i] != ',' || i == 0)) {
            return false;
        }
    }
    return s.n != 0;
}

/** What PCRE2 has beyond RE2 and what backtracks without need is refused. @return its offset, -1: none */
int64_t regex_foreign_syntax(struct str p)
{
    bool in_class = false;
    bool repeated = false; /* a quantifier ends before this byte: '+' would make it possessive */
    size_t brace = 0;      /* behind the last '{' */

    for (size_t i = 0; i < p.n; i++) {
        char c = p.p[i];
        bool again = repeated;

        repeated = false;
        if (c == '\\') {
            if (!in_class && i + 1 < p.n && escape_is_foreign(p.p[i + 1])) {
                return (int64_t)i;
            }
            i = skip_escape(p, i);
        } else if (in_class) {
            in_class = c != ']';
        } else if (c == '[') {
            in_class = true;
            i = skip_class_start(p, i);
        } else if ((c == '(' && group_is_foreign(str_drop(p, i))) || (c == '+' && again)) {
            return (int64_t)i;
        } else {
            repeated = c == '+' || c == '*' || c == '?' ||
                       (c == '}' && brace != 0 && is_count(str_of(p.p + brace, i - brace)));
            brace = c == '{' ? i + 1 : brace;
        }
    }
    return -1;
}

static int compile(struct matcher *m, struct str p, struct err *reterr)
{
    const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOTALL |
                             PCRE2_DOLLAR_ENDONLY | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                             PCRE2_NEVER_BACKSLASH_C | PCRE2_NO_AUTO_CAPTURE;
    /* Steps for one value: about 10 ms. */
    static const struct pcre_limits limits = {1000000, 10000, 8192};
    int64_t foreign = regex_foreign_syntax(p);
    int rc;

    if (foreign >= 0) {
        return pcre_refuse(reterr, (size_t)foreign, "syntax that RE2 does not have");
    }
    m->re.no_groups = true;
    rc = pcre_compile(&m->re, p, options, &limits, reterr);
    if (rc == 0) {
        m->how = HOW_PCRE;
    }
    return rc;
}

/* ---- matching ---- */

static bool in_literals(const struct matcher *m, struct str value)
{
    size_t lo = 0;
    size_t hi = m->literals_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(m->literals[mid], value);

        if (c == 0) {
            return true;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return false;
}

static bool positive(const struct matcher *m, struct str value)
{
    switch (m->how) {
    case HOW_EQ:
        return str_eq(m->value, value);
    case HOW_LITERALS:
        return in_literals(m, value);
    case HOW_ANY:
        return true;
    case HOW_NONEMPTY:
        return value.n != 0;
    case HOW_PREFIX:
        return str_starts(value, m->text) && (!m->tail_nonempty || value.n > m->text.n);
    case HOW_ENDS:
        return value.n >= m->text.n + m->suffix.n && str_starts(value, m->text) &&
               str_ends(value, m->suffix);
    case HOW_SUFFIX:
        return str_ends(value, m->text);
    case HOW_INFIX:
        return str_find(value, m->text) >= 0;
    case HOW_PCRE:
        return pcre_matches(&m->re, value);
    }
    return false;
}

bool matcher_matches(const struct matcher *m, struct str value)
{
    return positive(m, value) == (m->op == MATCH_EQ || m->op == MATCH_RE);
}

/* ---- life ---- */

static int build(struct matcher *m, struct str name, struct str value, struct err *reterr)
{
    struct buf tmp CLEANUP(buf_done);

    buf_init(&tmp, MAX_PATTERN);
    m->name = arena_str_dup(&m->arena, name);
    m->value = arena_str_dup(&m->arena, value);
    if (m->name.n != name.n || m->value.n != value.n) {
        return err_set(reterr, ERR_NOMEM, "matcher");
    }
    if (m->op == MATCH_EQ || m->op == MATCH_NEQ) {
        m->how = HOW_EQ;
        m->literals = &m->value;
        m->literals_n = 1;
        m->has_literals = m->op == MATCH_EQ;
        return 0;
    }
    if (value.n > MAX_PATTERN) {
        return err_set(reterr, ERR_INVALID, "regular expression longer than %d bytes", MAX_PATTERN);
    }
    if (!str_is_utf8(value)) {
        return err_set(reterr, ERR_INVALID, "regular expression is not UTF-8");
    }
    if (recognise(m, m->value, &tmp)) {
        return 0;
    }
    return compile(m, m->value, reterr);
}

int matcher_new(enum match_op op, struct str name, struct str value, struct matcher **ret,
                struct err *reterr)
{
    struct matcher *m = mem_try_calloc(1, sizeof(*m));
    int rc;

    if (m == NULL) {
        return err_set(reterr, ERR_NOMEM, "matcher");
    }
    m->op = op;
    arena_init(&m->arena, ARENA_BYTES);
    rc = build(m, name, value, reterr);
    if (rc < 0) {
        matcher_free(m);
        return rc;
    }
    m->empty = matcher_matches(m, str_of(NULL, 0));
    *ret = m;
    return 0;
}

void matcher_free(struct matcher *m)
{
    if (m == NULL) {
        return;
    }
    pcre_done(&m->re);
    arena_done(&m->arena);
    mem_free(m);
}

enum match_op matcher_op(const struct matcher *m)
{
    return m->op;
}

struct str matcher_name(const struct matcher *m)
{
    return m->name;
}

struct str matcher_value(const struct matcher *m)
{
    return m->value;
}

bool matcher_is_costly(const struct matcher *m)
{
    return m->how == HOW_PCRE;
}

bool matcher_matches_empty(const struct matcher *m)
{
    return m->empty;
}

const struct str *matcher_literals(const struct matcher *m, size_t *ret_n)
{
    if (!m->has_literals || m->op == MATCH_NRE) {
        return NULL;
    }
    *ret_n = m->literals_n;
    return m->literals;
}

struct str matcher_prefix(const struct matcher *m)
{
    return m->op == MATCH_RE ? m->prefix : str_of(NULL, 0);
}
