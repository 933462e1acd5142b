/* SPDX-License-Identifier: Apache-2.0
 *
 * Field expressions: what stands inside {}. Constants are folded, so that "10 * 1024" is one number for the
 * store.
 */
#include "query/traceql/parse_internal.h"

#include <math.h>

static const struct {
    const char *word;
    struct tql_value value;
} WORDS[] = {
    {"true", {TQL_BOOL, {.b = true}}},
    {"false", {TQL_BOOL, {.b = false}}},
    {"nil", {TQL_NIL, {0}}},
    {"unset", {TQL_STATUS, {.i = SPAN_STATUS_UNSET}}},
    {"ok", {TQL_STATUS, {.i = SPAN_STATUS_OK}}},
    {"error", {TQL_STATUS, {.i = SPAN_STATUS_ERROR}}},
    {"unspecified", {TQL_KIND, {.i = SPAN_UNSPECIFIED}}},
    {"internal", {TQL_KIND, {.i = SPAN_INTERNAL}}},
    {"server", {TQL_KIND, {.i = SPAN_SERVER}}},
    {"client", {TQL_KIND, {.i = SPAN_CLIENT}}},
    {"producer", {TQL_KIND, {.i = SPAN_PRODUCER}}},
    {"consumer", {TQL_KIND, {.i = SPAN_CONSUMER}}},
    {"minInt", {TQL_INT, {.i = INT64_MIN}}},
    {"maxInt", {TQL_INT, {.i = INT64_MAX}}},
};

bool tql_word_value(struct str word, struct tql_value *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(WORDS); i++) {
        if (str_eq(word, str_cstr(WORDS[i].word))) {
            *ret = WORDS[i].value;
            return true;
        }
    }
    return false;
}

bool tql_word_intrinsic(struct str word, struct tql_attr *ret)
{
    *ret = (struct tql_attr){0};

#define TQL_IN_OLD(id, old, scope, text, type)        \
    if (word.n != 0 && str_eq(word, str_cstr(old))) { \
        ret->intrinsic = id;                          \
        return true;                                  \
    }
    TQL_INTRINSICS(TQL_IN_OLD)
#undef TQL_IN_OLD
    return false;
}

enum tql_type tql_intrinsic_type(enum tql_intrinsic in)
{
    static const enum tql_type TYPES[] = {TQL_ANY,

#define TQL_IN_TYPE(id, old, scope, text, type) type,
                                          TQL_INTRINSICS(TQL_IN_TYPE)
#undef TQL_IN_TYPE
    };

    return TYPES[in];
}

static struct tql_expr *new_expr(struct tql_parser *p, struct tql_expr e)
{
    struct tql_expr *n = arena_new(&p->q->arena, struct tql_expr);

    if (n != NULL) {
        *n = e;
    }
    return n;
}

int tql_parse_field(struct tql_parser *p, struct tql_attr *ret, struct err *reterr)
{
    if (p->tok.type == TQL_TOK_FIELD) {
        *ret = p->tok.attr;
        return tql_advance(p, reterr);
    }
    if (p->tok.type == TQL_TOK_WORD && tql_word_intrinsic(p->tok.text, ret)) {
        return tql_advance(p, reterr);
    }
    return tql_unexpected(p, "an attribute or intrinsic", reterr);
}

static int parse_leaf(struct tql_parser *p, const struct tql_expr **ret, struct err *reterr)
{
    struct tql_expr e = {.kind = TQL_LITERAL, .at = p->tok.at, .depth = 1};
    int rc;

    if (p->tok.type == TQL_TOK_LITERAL ||
        (p->tok.type == TQL_TOK_WORD && tql_word_value(p->tok.text, &p->tok.value))) {
        e.value = p->tok.value;
        e.type = e.value.type;
        rc = tql_advance(p, reterr);
    } else {
        e.kind = TQL_ATTR;
        rc = tql_parse_field(p, &e.attr, reterr);
        if (rc == -ERR_INVALID && p->tok.type != TQL_TOK_FIELD && e.attr.intrinsic == TQL_IN_NONE) {
            return tql_unexpected(p, "a field expression", reterr);
        }
        e.type = tql_intrinsic_type(e.attr.intrinsic);
    }
    if (rc < 0) {
        return rc;
    }
    *ret = new_expr(p, e);
    return *ret == NULL ? tql_no_memory(reterr) : 0;
}

/* Numbers become one number; other types stay for check to refuse. */
static bool fold(struct tql_expr *e)
{
    static const struct tql_value minus = {TQL_INT, {.i = -1}}; /* times: 0.0 gives -0.0 */
    struct tql_value v;

    if (e->lhs->kind != TQL_LITERAL || !tql_is_number(e->lhs->type)) {
        return false;
    }
    if (e->kind == TQL_UNARY) {
        if (e->op != TQL_SUB) {
            return false;
        }
        v = tql_arithmetic(TQL_MUL, &minus, &e->lhs->value);
    } else {
        if (!tql_is_arithmetic(e->op) || e->rhs->kind != TQL_LITERAL ||
            !tql_is_number(e->rhs->type)) {
            return false;
        }
        v = tql_arithmetic(e->op, &e->lhs->value, &e->rhs->value);
    }
    if (v.type == TQL_NIL || (v.type == TQL_FLOAT && !isfinite(v.u.f))) {
        return false;
    }
    *e =
        (struct tql_expr){.kind = TQL_LITERAL, .type = v.type, .value = v, .at = e->at, .depth = 1};
    return true;
}

static int compile_regex(struct tql_parser *p, struct tql_expr *e, struct err *reterr)
{
    struct matcher *m = NULL;
    struct err why = {0};

    if (e->rhs == NULL || e->rhs->kind != TQL_LITERAL || e->rhs->type != TQL_STR) {
        return tql_error_at(p->q->text, e->at, reterr,
                            "the right side of %s must be a string literal", tql_op_text(e->op));
    }
    if (matcher_new(MATCH_RE, STR(""), e->rhs->value.u.s, &m, &why) < 0) {
        return tql_error_at(p->q->text, e->rhs->at, reterr, "invalid regex: %s", why.msg);
    }
    e->regex = m;
    if (!vec_push(&p->q->regexes, m)) {
        matcher_free(m);
        return tql_no_memory(reterr);
    }
    return 0;
}

/* Ids are compared as text: "12ab" is the id with zeros before it. */
static int pad_id(struct tql_parser *p, struct tql_expr *e, struct err *reterr)
{
    enum tql_intrinsic in = e->lhs->attr.intrinsic;
    bool trace = in == TQL_IN_TRACE_ID || in == TQL_IN_LINK_TRACE_ID;
    bool span = in == TQL_IN_SPAN_ID || in == TQL_IN_PARENT_ID || in == TQL_IN_LINK_SPAN_ID;
    size_t want = trace ? 2 * TRACE_ID_SIZE : 2 * SPAN_ID_SIZE;
    struct tql_expr *literal;
    struct str s;
    char *dst;

    if (e->lhs->kind != TQL_ATTR || (!trace && !span) || e->rhs == NULL ||
        e->rhs->kind != TQL_LITERAL || e->rhs->type != TQL_STR ||
        (e->op != TQL_EQ && e->op != TQL_NE)) {
        return 0;
    }
    s = e->rhs->value.u.s;
    if (s.n > want) {
        return 0; /* equals none */
    }
    literal = new_expr(p, *e->rhs);
    dst = arena_array(&p->q->arena, char, want);
    if (literal == NULL || dst == NULL) {
        return tql_no_memory(reterr);
    }
    memset(dst, '0', want);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        dst[want - s.n + i] = (char)(c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
    }
    literal->value.u.s = str_of(dst, want);
    e->rhs = literal;
    return 0;
}

static int finish(struct tql_parser *p, struct tql_expr e, const struct tql_expr **ret,
                  struct err *reterr)
{
    unsigned below;
    int rc;

    if (e.lhs == NULL || (e.kind == TQL_BINARY && e.rhs == NULL)) {
        return err_set(reterr, ERR_INTERNAL, "an operator without operands");
    }
    below = e.rhs != NULL && e.rhs->depth > e.lhs->depth ? e.rhs->depth : e.lhs->depth;
    e.depth = below + 1;
    if (e.depth > TQL_DEPTH_MAX) {
        return err_set(reterr, ERR_LIMIT, "the query is nested more than %d deep", TQL_DEPTH_MAX);
    }
    if (!fold(&e)) {
        rc = tql_check_expr(&e, p->q->text, reterr);
        if (rc == 0 && (e.op == TQL_RE || e.op == TQL_NRE)) {
            rc = compile_regex(p, &e, reterr);
        }
        rc = rc < 0 ? rc : pad_id(p, &e, reterr);
        if (rc < 0) {
            return rc;
        }
    }
    *ret = new_expr(p, e);
    return *ret == NULL ? tql_no_memory(reterr) : 0;
}

static int parse_binary(struct tql_parser *p, int min, const struct tql_expr **ret,
                        struct err *reterr);

static int parse_unary(struct tql_parser *p, const struct tql_expr **ret, struct err *reterr)
{
    struct tql_expr e = {.kind = TQL_UNARY, .at = p->tok.at};
    int rc = tql_enter(p, reterr);

    if (rc < 0) {
        tql_leave(p);
        return rc;
    }
    if (p->tok.type == TQL_TOK_LPAREN) {
        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : parse_binary(p, 1, ret, reterr);
        rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    } else if (p->tok.type == TQL_TOK_OP && (p->tok.op == TQL_SUB || p->tok.op == TQL_NOT)) {
        e.op = p->tok.op;
        rc = tql_advance(p, reterr);
        if (rc == 0) {
            rc = e.op == TQL_NOT ? parse_binary(p, tql_precedence(TQL_MUL), &e.lhs, reterr)
                                 : parse_unary(p, &e.lhs, reterr);
        }
        rc = rc < 0 ? rc : finish(p, e, ret, reterr);
    } else {
        rc = parse_leaf(p, ret, reterr);
    }
    tql_leave(p);
    return rc;
}

static bool is_field_operator(const struct tql_token *t)
{
    return t->type == TQL_TOK_OP && t->op >= TQL_ADD && t->op <= TQL_OR;
}

/* Precedence climbing; only ^ is right-associative. */
static int parse_binary(struct tql_parser *p, int min, const struct tql_expr **ret,
                        struct err *reterr)
{
    const struct tql_expr *lhs = NULL;
    int rc = tql_enter(p, reterr);

    rc = rc < 0 ? rc : parse_unary(p, &lhs, reterr);
    while (rc == 0 && is_field_operator(&p->tok) && tql_precedence(p->tok.op) >= min) {
        struct tql_expr e = {.kind = TQL_BINARY, .op = p->tok.op, .lhs = lhs, .at = p->tok.at};
        int prec = tql_precedence(e.op);

        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : parse_binary(p, e.op == TQL_POW ? prec : prec + 1, &e.rhs, reterr);
        rc = rc < 0 ? rc : finish(p, e, &lhs, reterr);
    }
    tql_leave(p);
    if (rc == 0) {
        *ret = lhs;
    }
    return rc;
}

int tql_parse_expr(struct tql_parser *p, const struct tql_expr **ret, struct err *reterr)
{
    return parse_binary(p, 1, ret, reterr);
}
