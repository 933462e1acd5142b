/* SPDX-License-Identifier: Apache-2.0
 *
 * Line filters, label filters and what their values are written as: addresses, JSON paths. Predicates of a label
 * filter are joined from left to right without precedence, as documented.
 */
#include <arpa/inet.h>

#include "query/logql/finder.h"
#include "query/logql/parse.h"
#include "query/logql/pattern.h"

/* ---- addresses ---- */

bool lq_parse_ip(struct str s, uint8_t dst[16], bool *ret_v6)
{
    char text[64];

    if (s.n >= sizeof(text) || s.n == 0) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    memset(dst, 0, 16);
    *ret_v6 = str_find_byte(s, ':') >= 0;
    return inet_pton(*ret_v6 ? AF_INET6 : AF_INET, text, dst) == 1;
}

static bool parse_network(struct str addr, struct str bits_text, struct ip_set *ret)
{
    uint64_t bits;
    size_t size;

    if (!lq_parse_ip(addr, ret->low, &ret->v6) || !str_to_u64(bits_text, &bits)) {
        return false;
    }
    size = ret->v6 ? 16 : 4;
    if (bits > size * 8) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        uint64_t kept = bits > i * 8 ? bits - i * 8 : 0;
        uint8_t mask = kept >= 8 ? 0xff : (uint8_t)(0xff << (8 - kept));

        ret->low[i] &= mask;
        ret->high[i] = (uint8_t)(ret->low[i] | (uint8_t)~mask);
    }
    return true;
}

bool lq_parse_ip_set(struct str s, struct ip_set *ret)
{
    int64_t slash = str_find_byte(s, '/');
    int64_t dash = str_find_byte(s, '-');
    bool v6;

    *ret = (struct ip_set){0};
    if (slash >= 0) {
        return parse_network(str_take(s, (size_t)slash), str_drop(s, (size_t)slash + 1), ret);
    }
    if (dash >= 0) {
        return lq_parse_ip(str_take(s, (size_t)dash), ret->low, &ret->v6) &&
               lq_parse_ip(str_drop(s, (size_t)dash + 1), ret->high, &v6) && v6 == ret->v6 &&
               memcmp(ret->low, ret->high, 16) <= 0;
    }
    if (!lq_parse_ip(s, ret->low, &ret->v6)) {
        return false;
    }
    memcpy(ret->high, ret->low, 16);
    return true;
}

/* ip("...") behind the name. */
static int parse_ip_call(struct parser *p, struct str *text, struct ip_set *set)
{
    int rc = lq_parse_step(p);

    rc = rc < 0 ? rc : lq_parse_expect(p, T_OPEN);
    rc = rc < 0 ? rc : lq_parse_text(p, T_STRING, text);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
    if (rc == 0 && !lq_parse_ip_set(*text, set)) {
        return lq_parse_fail(p, "ip: invalid pattern (%.*s)", (int)(text->n < 80 ? text->n : 80),
                             text->p);
    }
    return rc;
}

/* ---- line filters ---- */

static int finish_term(struct parser *p, enum line_op op, struct line_term *t)
{
    struct err e = {0};

    switch (op) {
    case LINE_MATCH:
    case LINE_NOT_MATCH:
        return t->is_ip ? lq_parse_fail(p, "ip: filter is only allowed with |= and !=")
                        : lq_parse_finder(p, t->text, FINDER_DOT_NEWLINE, &t->re);
    case LINE_PATTERN:
    case LINE_NOT_PATTERN:
        if (t->is_ip) {
            return lq_parse_fail(p, "ip: filter is only allowed with |= and !=");
        }
        return line_pattern_new(p->a, t->text, false, &t->pattern, &e) < 0
                   ? lq_parse_fail(p, "%s", e.msg)
                   : 0;
    default:
        return 0;
    }
}

static int parse_term(struct parser *p, struct line_filter *f)
{
    struct line_term *t = lq_parse_push(p, (void **)&f->terms, &f->n, sizeof(*t));
    int rc;

    if (t == NULL) {
        return -ERR_INVALID;
    }
    if (p->tok.type == T_IP) {
        t->is_ip = true;
        rc = parse_ip_call(p, &t->text, &t->ip);
    } else if (p->tok.type == T_STRING) {
        rc = lq_parse_text(p, T_STRING, &t->text);
    } else {
        return lq_parse_unexpected(p, "STRING or ip");
    }
    return rc < 0 ? rc : finish_term(p, f->op, t);
}

int lq_parse_line_filter(struct parser *p, struct line_filter *ret)
{
    static const struct {
        enum token_type t;
        enum line_op op;
    } OPS[] = {{T_PIPE_EXACT, LINE_CONTAINS},  {T_NEQ, LINE_NOT_CONTAINS},
               {T_PIPE_MATCH, LINE_MATCH},     {T_NRE, LINE_NOT_MATCH},
               {T_PIPE_PATTERN, LINE_PATTERN}, {T_NPA, LINE_NOT_PATTERN}};

    int rc;

    for (size_t i = 0; i < ARRAY_LEN(OPS); i++) {
        if (OPS[i].t == p->tok.type) {
            ret->op = OPS[i].op;
        }
    }
    do {
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : parse_term(p, ret);
    } while (rc == 0 && p->tok.type == T_OR);
    return rc;
}

/* ---- label filters ---- */

static int parse_signed(struct parser *p, struct label_filter *f)
{
    bool negative = p->tok.type == T_SUB;
    int rc = p->tok.type == T_SUB || p->tok.type == T_ADD ? lq_parse_step(p) : 0;

    if (rc == 0 && p->tok.type != T_NUMBER) {
        return lq_parse_unexpected(p, "NUMBER");
    }
    f->test = TEST_NUMBER;
    f->number = negative ? -p->tok.number : p->tok.number;
    return rc < 0 ? rc : lq_parse_step(p);
}

static int parse_value(struct parser *p, struct label_filter *f)
{
    f->text = p->tok.text;
    switch (p->tok.type) {
    case T_NUMBER:
    case T_SUB:
    case T_ADD:
        return parse_signed(p, f);
    case T_DURATION:
        f->test = TEST_DURATION;
        f->duration_ns = p->tok.duration;
        return lq_parse_step(p);
    case T_BYTES:
        f->test = TEST_BYTES;
        f->number = p->tok.number;
        return lq_parse_step(p);
    default:
        return lq_parse_unexpected(p, "BYTES or NUMBER or DURATION");
    }
}

static int parse_string_test(struct parser *p, struct label_filter *f, enum match_op op)
{
    struct str value;
    int rc = lq_parse_text(p, T_STRING, &value);

    f->test = TEST_STRING;
    return rc < 0 ? rc : lq_parse_matcher(p, op, f->name, value, &f->matcher);
}

static int parse_predicate(struct parser *p, struct label_filter *f)
{
    enum token_type op;
    int rc = lq_parse_text(p, T_IDENTIFIER, &f->name);

    op = p->tok.type;
    if (rc < 0) {
        return rc;
    }
    switch (op) {
    case T_RE:
    case T_NRE:
        rc = lq_parse_step(p);
        return rc < 0 ? rc : parse_string_test(p, f, op == T_RE ? MATCH_RE : MATCH_NRE);
    case T_EQ:
    case T_NEQ:
        f->cmp = op == T_EQ ? CMP_EQ : CMP_NE;
        rc = lq_parse_step(p);
        if (rc == 0 && p->tok.type == T_STRING) {
            return parse_string_test(p, f, op == T_EQ ? MATCH_EQ : MATCH_NEQ);
        }
        if (rc == 0 && p->tok.type == T_IP) {
            f->test = TEST_IP;
            return parse_ip_call(p, &f->text, &f->ip);
        }
        break;
    case T_CMP_EQ:
    case T_GT:
    case T_GTE:
    case T_LT:
    case T_LTE:
        f->cmp = op == T_CMP_EQ ? CMP_EQ
                 : op == T_GT   ? CMP_GT
                 : op == T_GTE  ? CMP_GE
                 : op == T_LT   ? CMP_LT
                                : CMP_LE;
        rc = lq_parse_step(p);
        break;
    default:
        return lq_parse_unexpected(p, NULL);
    }
    return rc < 0 ? rc : parse_value(p, f);
}

static int parse_operand(struct parser *p, const struct label_filter **ret)
{
    struct label_filter *f;
    int rc;

    if (p->tok.type == T_OPEN) {
        const struct label_filter *inner = NULL;

        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : lq_parse_label_filter(p, &inner);
        rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
        if (rc == 0 && inner != NULL) {
            struct label_filter *mine = (struct label_filter *)(uintptr_t)inner;

            mine->paren = mine->test == TEST_AND || mine->test == TEST_OR;
            *ret = inner;
        }
        return rc;
    }
    f = arena_calloc(p->a, 1, sizeof(*f));
    if (f == NULL) {
        return lq_parse_no_memory(p);
    }
    *ret = f;
    return parse_predicate(p, f);
}

int lq_parse_label_filter(struct parser *p, const struct label_filter **ret)
{
    const struct label_filter *left = NULL;
    int rc = lq_parse_enter(p);

    rc = rc < 0 ? rc : parse_operand(p, &left);
    while (rc == 0) {
        enum token_type t = p->tok.type;
        struct label_filter *both;
        const struct label_filter *right = NULL;

        if (t == T_AND || t == T_OR || t == T_COMMA) {
            rc = lq_parse_step(p);
        } else if (t != T_IDENTIFIER && t != T_OPEN) {
            break;
        }
        rc = rc < 0 ? rc : parse_operand(p, &right);
        both = arena_calloc(p->a, 1, sizeof(*both));
        if (both == NULL) {
            rc = lq_parse_no_memory(p);
        }
        if (rc == 0 && both != NULL) {
            both->test = t == T_OR ? TEST_OR : TEST_AND;
            both->comma = t != T_AND && t != T_OR;
            both->left = left;
            both->right = right;
            left = both;
        }
    }
    if (rc == 0) {
        lq_parse_leave(p);
        *ret = left;
    }
    return rc;
}

/* ---- JSON paths ---- */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* ["key"] or [3] at s[*at]. */
static bool json_bracket(struct parser *p, struct str s, size_t *at, struct str *ret)
{
    size_t start = *at;
    size_t i = start + 1;

    if (i < s.n && s.p[i] == '"') {
        size_t end = i + 1;

        while (end < s.n && s.p[end] != '"') {
            end += s.p[end] == '\\' ? 2 : 1;
        }
        if (end + 1 >= s.n || s.p[end + 1] != ']') {
            return false;
        }
        *at = end + 2;
        return lq_unquote(p->a, str_of(s.p + i, end + 1 - i), ret) && ret->p != NULL;
    }
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') {
        i++;
    }
    if (i == start + 1 || i >= s.n || s.p[i] != ']') {
        return false;
    }
    *ret = str_of(s.p + start, i + 1 - start);
    *at = i + 1;
    return true;
}

int lq_parse_json_path(struct parser *p, struct extract *x)
{
    struct str s = x->expr;
    size_t at = 0;
    bool ok = s.n != 0;

    while (ok && at < s.n) {
        struct str *key = lq_parse_push(p, (void **)&x->path, &x->path_n, sizeof(*key));
        size_t start = at;

        if (key == NULL) {
            return -ERR_INVALID;
        }
        if (s.p[at] == '[') {
            ok = json_bracket(p, s, &at, key);
        } else {
            if (s.p[at] == '.' && x->path_n > 1) {
                start = ++at;
            }
            while (at < s.n && is_name(s.p[at])) {
                at++;
            }
            *key = str_of(s.p + start, at - start);
            ok = key->n != 0;
        }
    }
    return ok ? 0
              : lq_parse_fail(p, "cannot parse expression [%.*s]: unexpected character",
                              (int)(s.n < 100 ? s.n : 100), s.n != 0 ? s.p : "");
}
