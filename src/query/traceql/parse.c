/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines and what is between spansets. One grammar for all of it: what an expression gives (spans, a number
 * per spanset, time series) decides what an operator after it means, as "> 2" after count() or after {}.
 */
#include "query/traceql/parse_internal.h"

enum term_kind { TERM_SPANS, TERM_SCALAR, TERM_FILTER, TERM_METRIC };

struct term {
    enum term_kind kind;
    unsigned depth;
    const struct tql_spans *spans;
    const struct tql_scalar *scalar;
    struct tql_stage filter;
    struct tql_metric *metric;
};

enum { STAGES_MAX = 256 };

int tql_no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_LIMIT, "the query is too large");
}

int tql_advance(struct tql_parser *p, struct err *reterr)
{
    return tql_lex(&p->lexer, &p->tok, reterr);
}

int tql_unexpected(struct tql_parser *p, const char *what, struct err *reterr)
{
    struct str name = tql_token_name(&p->tok);

    return tql_error_at(p->q->text, p->tok.at, reterr,
                        "syntax error: unexpected %.*s, expecting %s",
                        name.n > 60 ? 60 : (int)name.n, name.p, what);
}

int tql_expect(struct tql_parser *p, enum tql_tok type, const char *what, struct err *reterr)
{
    return p->tok.type != type ? tql_unexpected(p, what, reterr) : tql_advance(p, reterr);
}

int tql_enter(struct tql_parser *p, struct err *reterr)
{
    if (++p->nesting > TQL_DEPTH_MAX) {
        return err_set(reterr, ERR_LIMIT, "the query is nested more than %d deep", TQL_DEPTH_MAX);
    }
    return 0;
}

int tql_precedence(enum tql_op op)
{
    switch (op) {
    case TQL_OP_NONE:
    case TQL_NOT:
        return 0;
    case TQL_AND:
    case TQL_OR:
        return 1;
    case TQL_ADD:
    case TQL_SUB:
        return 3;
    case TQL_MUL:
    case TQL_DIV:
    case TQL_MOD:
        return 4;
    case TQL_POW:
        return 5;
    default:
        return 2;
    }
}

/* ---- terms ---- */

static struct tql_spans *new_spans(struct tql_parser *p, struct tql_spans s)
{
    struct tql_spans *n = arena_new(&p->q->arena, struct tql_spans);

    if (n != NULL) {
        *n = s;
    }
    return n;
}

static struct tql_scalar *new_scalar(struct tql_parser *p, struct tql_scalar s)
{
    struct tql_scalar *n = arena_new(&p->q->arena, struct tql_scalar);

    if (n != NULL) {
        *n = s;
    }
    return n;
}

static int spans_term(struct tql_parser *p, struct tql_spans s, struct term *ret,
                      struct err *reterr)
{
    ret->kind = TERM_SPANS;
    ret->spans = new_spans(p, s);
    return ret->spans == NULL ? tql_no_memory(reterr) : 0;
}

static int scalar_term(struct tql_parser *p, struct tql_scalar s, struct term *ret,
                       struct err *reterr)
{
    ret->kind = TERM_SCALAR;
    ret->scalar = new_scalar(p, s);
    return ret->scalar == NULL ? tql_no_memory(reterr) : 0;
}

static int parse_filter(struct tql_parser *p, struct term *ret, struct err *reterr)
{
    const struct tql_expr *e = NULL;
    int rc = tql_advance(p, reterr);

    if (rc == 0 && p->tok.type != TQL_TOK_RBRACE) {
        rc = tql_parse_expr(p, &e, reterr);
        rc = rc < 0 ? rc : tql_check_filter(e, reterr);
    }
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RBRACE, "}", reterr);
    ret->depth = e != NULL ? e->depth : 1;
    return rc < 0 ? rc
                  : spans_term(p, (struct tql_spans){.kind = TQL_SPANS_FILTER, .filter = e}, ret,
                               reterr);
}

static bool aggregate_of(const struct tql_parser *p, enum tql_agg *ret)
{
    static const char *const NAMES[] = {"count", "avg", "min", "max", "sum"};

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (tql_at_word(p, NAMES[i])) {
            *ret = (enum tql_agg)i;
            return true;
        }
    }
    return false;
}

static int parse_aggregate(struct tql_parser *p, enum tql_agg agg, struct term *ret,
                           struct err *reterr)
{
    struct tql_scalar s = {.kind = TQL_SCALAR_AGG, .agg = agg};
    struct err_span at = p->tok.at;
    int rc = tql_advance(p, reterr);

    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_LPAREN, "(", reterr);
    if (rc == 0 && agg != TQL_COUNT) {
        rc = tql_parse_expr(p, &s.expr, reterr);
    }
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    if (rc == 0 && s.expr != NULL && s.expr->type != TQL_ANY && !tql_is_number(s.expr->type)) {
        return tql_error_at(p->q->text, at, reterr,
                            "aggregate field expressions must resolve to a number type");
    }
    if (rc == 0 && s.expr != NULL && !tql_refers_to_span(s.expr)) {
        return tql_error_at(p->q->text, at, reterr,
                            "aggregate field expressions must reference the span");
    }
    ret->depth = s.expr != NULL ? s.expr->depth + 1 : 1;
    return rc < 0 ? rc : scalar_term(p, s, ret, reterr);
}

static int parse_pipeline(struct tql_parser *p, struct term *ret, struct err *reterr);

/* A number, negative or a keyword. @return 1 when there was none */
static int parse_number(struct tql_parser *p, struct tql_value *ret, struct err *reterr)
{
    static const struct tql_value minus = {TQL_INT, {.i = -1}};
    bool negative = p->tok.type == TQL_TOK_OP && p->tok.op == TQL_SUB;
    int rc = negative ? tql_advance(p, reterr) : 0;

    if (rc < 0) {
        return rc;
    }
    if (p->tok.type == TQL_TOK_LITERAL
            ? !tql_is_number(p->tok.value.type)
            : p->tok.type != TQL_TOK_WORD || !tql_word_value(p->tok.text, &p->tok.value) ||
                  p->tok.value.type != TQL_INT) {
        return negative ? tql_unexpected(p, "a number", reterr) : 1;
    }
    *ret = negative ? tql_arithmetic(TQL_MUL, &minus, &p->tok.value) : p->tok.value;
    return tql_advance(p, reterr);
}

static int parse_primary(struct tql_parser *p, struct term *ret, struct err *reterr)
{
    struct tql_value number;
    enum tql_agg agg;
    int rc;

    if (p->tok.type == TQL_TOK_LBRACE) {
        return parse_filter(p, ret, reterr);
    }
    if (aggregate_of(p, &agg)) {
        return parse_aggregate(p, agg, ret, reterr);
    }
    if (p->tok.type == TQL_TOK_LPAREN) {
        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : parse_pipeline(p, ret, reterr);
        return rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    }
    rc = parse_number(p, &number, reterr);
    if (rc != 0) {
        return rc < 0 ? rc : tql_unexpected(p, "{, ( or an aggregate", reterr);
    }
    return scalar_term(p, (struct tql_scalar){.kind = TQL_SCALAR_LITERAL, .value = number}, ret,
                       reterr);
}

/* ---- operators between terms ---- */

/* A token's operator as one between spansets; NONE when it is none. */
static enum tql_op spans_operator(enum tql_op op)
{
    switch (op) {
    case TQL_GT:
        return TQL_CHILD;
    case TQL_LT:
        return TQL_PARENT;
    case TQL_NRE:
        return TQL_NOT_SIBLING;
    case TQL_AND:
    case TQL_OR:
        return op;
    default:
        return op >= TQL_CHILD ? op : TQL_OP_NONE;
    }
}

static bool has_aggregate(const struct tql_scalar *s)
{
    switch (s->kind) {
    case TQL_SCALAR_LITERAL:
        return false;
    case TQL_SCALAR_BINARY:
        return has_aggregate(s->lhs) || has_aggregate(s->rhs);
    default:
        return true;
    }
}

static int combine_scalars(struct tql_parser *p, const struct term *l, enum tql_op op,
                           const struct term *r, struct term *ret, struct err *reterr)
{
    struct tql_scalar s = {.kind = TQL_SCALAR_BINARY, .op = op, .lhs = l->scalar, .rhs = r->scalar};

    if (tql_is_arithmetic(op)) {
        if (l->scalar->kind == TQL_SCALAR_LITERAL && r->scalar->kind == TQL_SCALAR_LITERAL) {
            s.kind = TQL_SCALAR_LITERAL;
            s.value = tql_arithmetic(op, &l->scalar->value, &r->scalar->value);
            if (s.value.type == TQL_NIL) {
                return tql_error_at(p->q->text, p->tok.at, reterr, "division by zero");
            }
        }
        return scalar_term(p, s, ret, reterr);
    }
    if (op < TQL_EQ || op > TQL_LE) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "syntax error: %s cannot stand between numbers", tql_op_text(op));
    }
    if (!has_aggregate(l->scalar) && !has_aggregate(r->scalar)) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "scalar filters must contain an aggregate");
    }
    ret->kind = TERM_FILTER;
    ret->filter =
        (struct tql_stage){.kind = TQL_STAGE_SCALAR, .op = op, .lhs = l->scalar, .rhs = r->scalar};
    return 0;
}

static int metric_of(struct tql_parser *p, const struct term *t, const struct tql_metric **ret,
                     struct err *reterr)
{
    struct tql_metric *m;

    if (t->kind == TERM_METRIC) {
        *ret = t->metric;
        return 0;
    }
    if (t->kind != TERM_SCALAR || t->scalar->kind != TQL_SCALAR_LITERAL) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "metrics can only be combined with metrics and numbers");
    }
    m = arena_calloc(&p->q->arena, 1, sizeof(*m));
    if (m == NULL) {
        return tql_no_memory(reterr);
    }
    m->kind = TQL_METRIC_NUMBER;
    ignore_result(tql_number(&t->scalar->value, &m->number), "literals of scalars are numbers");
    if (t->scalar->value.type == TQL_DURATION) {
        m->number /= 1e9;
    }
    *ret = m;
    return 0;
}

static int combine_metrics(struct tql_parser *p, const struct term *l, enum tql_op op,
                           const struct term *r, struct term *ret, struct err *reterr)
{
    struct tql_metric *m;
    int rc;

    if (l->kind == TERM_METRIC && op >= TQL_EQ && op <= TQL_LE && r->kind == TERM_SCALAR &&
        r->scalar->kind == TQL_SCALAR_LITERAL) {
        ret->kind = TERM_METRIC;
        ret->metric = l->metric;
        return tql_add_second(
            p, l->metric,
            (struct tql_second){.kind = TQL_THRESHOLD, .op = op, .value = r->scalar->value},
            reterr);
    }
    if (op != TQL_ADD && op != TQL_SUB && op != TQL_MUL && op != TQL_DIV) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "syntax error: %s cannot stand between metrics", tql_op_text(op));
    }
    m = arena_calloc(&p->q->arena, 1, sizeof(*m));
    if (m == NULL) {
        return tql_no_memory(reterr);
    }
    m->kind = TQL_METRIC_BINARY;
    m->op = op;
    rc = metric_of(p, l, &m->lhs, reterr);
    rc = rc < 0 ? rc : metric_of(p, r, &m->rhs, reterr);
    ret->kind = TERM_METRIC;
    ret->metric = m;
    return rc;
}

static int combine(struct tql_parser *p, const struct term *l, enum tql_op op, const struct term *r,
                   struct term *ret, struct err *reterr)
{
    struct tql_spans s = {
        .kind = TQL_SPANS_BINARY, .op = spans_operator(op), .lhs = l->spans, .rhs = r->spans};

    *ret = (struct term){.depth = (l->depth > r->depth ? l->depth : r->depth) + 1};
    if (ret->depth > TQL_DEPTH_MAX) {
        return err_set(reterr, ERR_LIMIT, "the query is nested more than %d deep", TQL_DEPTH_MAX);
    }
    if (l->kind == TERM_METRIC || r->kind == TERM_METRIC) {
        return combine_metrics(p, l, op, r, ret, reterr);
    }
    if (l->kind == TERM_SCALAR && r->kind == TERM_SCALAR) {
        return combine_scalars(p, l, op, r, ret, reterr);
    }
    if (s.op == TQL_OP_NONE) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "syntax error: %s cannot stand between spansets", tql_op_text(op));
    }
    if (l->kind != TERM_SPANS || r->kind != TERM_SPANS) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "syntax error: a spanset is expected on both sides of the operator");
    }
    return spans_term(p, s, ret, reterr);
}

static int parse_terms(struct tql_parser *p, int min, struct term *ret, struct err *reterr)
{
    struct term lhs = {0};
    int rc = tql_enter(p, reterr);

    rc = rc < 0 ? rc : parse_primary(p, &lhs, reterr);
    while (rc == 0 && p->tok.type == TQL_TOK_OP && tql_precedence(p->tok.op) >= min) {
        enum tql_op op = p->tok.op;
        int prec = tql_precedence(op);
        struct term rhs = {0};
        struct term both;

        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : parse_terms(p, op == TQL_POW ? prec : prec + 1, &rhs, reterr);
        rc = rc < 0 ? rc : combine(p, &lhs, op, &rhs, &both, reterr);
        if (rc == 0) {
            lhs = both;
        }
    }
    tql_leave(p);
    *ret = lhs;
    return rc;
}

/* ---- pipelines ---- */

struct stages {
    struct tql_stage v[STAGES_MAX];
    size_t n;
    unsigned depth;
};

static int parse_by(struct tql_parser *p, struct tql_stage *ret, struct err *reterr)
{
    struct err_span at = p->tok.at;
    int rc = tql_advance(p, reterr);

    ret->kind = TQL_STAGE_BY;
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_LPAREN, "(", reterr);
    rc = rc < 0 ? rc : tql_parse_expr(p, &ret->by, reterr);
    rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    if (rc == 0 && !tql_refers_to_span(ret->by)) {
        return tql_error_at(p->q->text, at, reterr,
                            "grouping field expressions must reference the span");
    }
    return rc;
}

/* by(), coalesce(), select(): @return 1 when it is none of them */
static int parse_word_stage(struct tql_parser *p, struct tql_stage *ret, struct err *reterr)
{
    int rc;

    if (tql_at_word(p, "by")) {
        return parse_by(p, ret, reterr);
    }
    if (tql_at_word(p, "coalesce")) {
        ret->kind = TQL_STAGE_COALESCE;
        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : tql_expect(p, TQL_TOK_LPAREN, "(", reterr);
        return rc < 0 ? rc : tql_expect(p, TQL_TOK_RPAREN, ")", reterr);
    }
    if (tql_at_word(p, "select")) {
        struct tql_attr *v;

        ret->kind = TQL_STAGE_SELECT;
        rc = tql_advance(p, reterr);
        rc = rc < 0 ? rc : tql_parse_attrs(p, &v, &ret->select_n, reterr);
        ret->select = rc < 0 ? NULL : v;
        return rc;
    }
    return 1;
}

static const struct tql_pipeline *keep_pipeline(struct tql_parser *p, const struct tql_stage *v,
                                                size_t n)
{
    struct tql_pipeline *pipe = arena_new(&p->q->arena, struct tql_pipeline);
    struct tql_stage *stages = arena_array(&p->q->arena, struct tql_stage, n + 1);

    if (pipe == NULL || stages == NULL) {
        return NULL;
    }
    if (n != 0) {
        memcpy(stages, v, n * sizeof(*v));
    }
    *pipe = (struct tql_pipeline){stages, n};
    return pipe;
}

/* What follows a metric: | topk(n), > 5. */
static int parse_after_metric(struct tql_parser *p, struct tql_metric *m, struct err *reterr)
{
    for (;;) {
        struct tql_second s = {.kind = TQL_THRESHOLD, .op = p->tok.op};
        int rc;

        if (p->tok.type == TQL_TOK_PIPE) {
            rc = tql_advance(p, reterr);
            rc = rc < 0 ? rc : tql_parse_top(p, m, reterr);
        } else if (p->tok.type == TQL_TOK_OP && s.op >= TQL_EQ && s.op <= TQL_LE) {
            rc = tql_advance(p, reterr);
            rc = rc < 0 ? rc : parse_number(p, &s.value, reterr);
            rc = rc == 1 ? tql_unexpected(p, "a number", reterr) : rc;
            rc = rc < 0 ? rc : tql_add_second(p, m, s, reterr);
        } else {
            return 0;
        }
        if (rc < 0) {
            return rc;
        }
    }
}

static int metric_stage(struct tql_parser *p, struct stages *s, struct term *ret,
                        struct err *reterr)
{
    const struct tql_pipeline *pipe = keep_pipeline(p, s->v, s->n);
    int rc;

    if (s->n == 0) {
        return tql_unexpected(p, "a spanset before it", reterr);
    }
    if (pipe == NULL) {
        return tql_no_memory(reterr);
    }
    *ret = (struct term){.kind = TERM_METRIC, .depth = s->depth};
    rc = tql_parse_metric(p, pipe, &ret->metric, reterr);
    return rc < 0 ? rc : parse_after_metric(p, ret->metric, reterr);
}

/* The stages as one term. `last`: a number at the end of the pipeline, or NULL. */
static int close_pipeline(struct tql_parser *p, const struct stages *s,
                          const struct tql_scalar *last, struct term *ret, struct err *reterr)
{
    const struct tql_pipeline *pipe = keep_pipeline(p, s->v, s->n);

    *ret = (struct term){.depth = s->depth + 1};
    if (pipe == NULL) {
        return tql_no_memory(reterr);
    }
    if (last != NULL) {
        return s->n == 0
                   ? scalar_term(p, *last, ret, reterr)
                   : scalar_term(p,
                                 (struct tql_scalar){
                                     .kind = TQL_SCALAR_PIPELINE, .lhs = last, .pipeline = pipe},
                                 ret, reterr);
    }
    if (s->n == 1 && s->v[0].kind == TQL_STAGE_SPANS) {
        return spans_term(p, *s->v[0].spans, ret, reterr);
    }
    return spans_term(p, (struct tql_spans){.kind = TQL_SPANS_PIPELINE, .pipeline = pipe}, ret,
                      reterr);
}

/* One stage appended. @return 1 when the pipeline ends with it: *ret is what it gives */
static int parse_stage(struct tql_parser *p, struct stages *s, struct term *ret, struct err *reterr)
{
    struct tql_stage stage = {0};
    struct term t = {0};
    int rc;

    if (s->n == STAGES_MAX) {
        return err_set(reterr, ERR_LIMIT, "a pipeline has at most %d stages", STAGES_MAX);
    }
    if (tql_is_metric_fn(p)) {
        rc = metric_stage(p, s, ret, reterr);
        return rc < 0 ? rc : 1;
    }
    rc = parse_word_stage(p, &stage, reterr);
    if (rc == 1) {
        rc = parse_terms(p, 1, &t, reterr);
        if (rc < 0) {
            return rc;
        }
        s->depth = t.depth > s->depth ? t.depth : s->depth;
        if (t.kind == TERM_METRIC && s->n == 0) {
            *ret = t;
            rc = parse_after_metric(p, t.metric, reterr);
            return rc < 0 ? rc : 1;
        }
        if (t.kind == TERM_SCALAR) {
            rc = close_pipeline(p, s, t.scalar, ret, reterr);
            return rc < 0 ? rc : 1;
        }
        if (t.kind == TERM_METRIC) {
            return tql_error_at(p->q->text, p->tok.at, reterr,
                                "syntax error: metrics must begin the query");
        }
        stage = t.kind == TERM_FILTER
                    ? t.filter
                    : (struct tql_stage){.kind = TQL_STAGE_SPANS, .spans = t.spans};
    }
    if (rc < 0) {
        return rc;
    }
    if (s->n == 0 && stage.kind == TQL_STAGE_COALESCE) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "syntax error: coalesce() cannot begin a pipeline");
    }
    s->v[s->n++] = stage;
    return 0;
}

static int parse_stages(struct tql_parser *p, struct stages *s, struct term *ret,
                        struct err *reterr)
{
    for (;;) {
        int rc = parse_stage(p, s, ret, reterr);

        if (rc != 0) {
            return rc < 0 ? rc : 0;
        }
        if (p->tok.type != TQL_TOK_PIPE) {
            return close_pipeline(p, s, NULL, ret, reterr);
        }
        rc = tql_advance(p, reterr);
        if (rc < 0) {
            return rc;
        }
    }
}

static int parse_pipeline(struct tql_parser *p, struct term *ret, struct err *reterr)
{
    struct stages *s = mem_try_calloc(1, sizeof(*s));
    int rc = s == NULL ? tql_no_memory(reterr) : parse_stages(p, s, ret, reterr);

    mem_free(s);
    return rc;
}

/* ---- the query ---- */

static int parse_hint(struct tql_parser *p, struct tql_hint *ret, struct err *reterr)
{
    int rc;

    if (p->tok.type != TQL_TOK_WORD) {
        return tql_unexpected(p, "the name of a hint", reterr);
    }
    ret->name = p->tok.text;
    rc = tql_advance(p, reterr);
    if (rc == 0 && (p->tok.type != TQL_TOK_OP || p->tok.op != TQL_EQ)) {
        return tql_unexpected(p, "=", reterr);
    }
    rc = rc < 0 ? rc : tql_advance(p, reterr);
    if (rc < 0) {
        return rc;
    }
    if (p->tok.type == TQL_TOK_LITERAL && p->tok.value.type == TQL_STR) {
        ret->value = p->tok.value;
        return tql_advance(p, reterr);
    }
    if (p->tok.type == TQL_TOK_WORD && tql_word_value(p->tok.text, &ret->value)) {
        return tql_advance(p, reterr);
    }
    rc = parse_number(p, &ret->value, reterr);
    return rc == 1 ? tql_unexpected(p, "a value", reterr) : rc;
}

/* with(name=value, ...) */
static int parse_hints(struct tql_parser *p, struct err *reterr)
{
    enum { HINTS_MAX = 32 };
    struct tql_hint *v = arena_calloc(&p->q->arena, HINTS_MAX, sizeof(*v));
    int rc = tql_advance(p, reterr);

    if (rc < 0 || v == NULL) {
        return rc < 0 ? rc : tql_no_memory(reterr);
    }
    rc = tql_expect(p, TQL_TOK_LPAREN, "(", reterr);
    p->q->hints = v;
    while (rc == 0) {
        if (p->q->hints_n == HINTS_MAX) {
            return err_set(reterr, ERR_LIMIT, "at most %d hints", HINTS_MAX);
        }
        rc = parse_hint(p, &v[p->q->hints_n], reterr);
        if (rc < 0) {
            return rc;
        }
        p->q->hints_n++;
        if (p->tok.type != TQL_TOK_COMMA) {
            return tql_expect(p, TQL_TOK_RPAREN, ") or ,", reterr);
        }
        rc = tql_advance(p, reterr);
    }
    return rc;
}

static int set_root(struct tql_parser *p, const struct term *t, struct err *reterr)
{
    struct tql_stage *stage;

    if (t->kind == TERM_METRIC) {
        p->q->metric = t->metric;
        return 0;
    }
    if (t->kind != TERM_SPANS || t->spans == NULL) {
        return tql_error_at(p->q->text, p->tok.at, reterr,
                            "syntax error: an aggregate must be compared with something");
    }
    if (t->spans->kind == TQL_SPANS_PIPELINE) {
        p->q->pipeline = *t->spans->pipeline;
        return 0;
    }
    stage = arena_calloc(&p->q->arena, 1, sizeof(*stage));
    if (stage == NULL) {
        return tql_no_memory(reterr);
    }
    stage->kind = TQL_STAGE_SPANS;
    stage->spans = t->spans;
    p->q->pipeline = (struct tql_pipeline){stage, 1};
    return 0;
}

static int parse_query(struct tql_parser *p, struct err *reterr)
{
    struct term t = {0};
    int rc = tql_advance(p, reterr);

    rc = rc < 0 ? rc : parse_pipeline(p, &t, reterr);
    if (rc == 0 && tql_at_word(p, "with")) {
        rc = parse_hints(p, reterr);
    }
    if (rc == 0 && p->tok.type != TQL_TOK_END) {
        return tql_unexpected(p, "$end", reterr);
    }
    return rc < 0 ? rc : set_root(p, &t, reterr);
}

int traceql_parse(struct str text, struct traceql **ret, struct err *reterr)
{
    struct tql_parser p = {0};
    int rc;

    if (text.n > TQL_TEXT_MAX) {
        return err_set(reterr, ERR_LIMIT, "the query is longer than %d bytes", TQL_TEXT_MAX);
    }
    p.q = mem_try_calloc(1, sizeof(*p.q));
    if (p.q == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the query");
    }
    arena_init(&p.q->arena, TQL_TREE_MAX);
    p.q->text = arena_str_dup(&p.q->arena, text);
    p.lexer = (struct tql_lexer){.text = p.q->text, .a = &p.q->arena};
    rc = p.q->text.p == NULL && text.n != 0 ? tql_no_memory(reterr) : parse_query(&p, reterr);
    if (rc < 0) {
        traceql_free(p.q);
        return rc;
    }
    *ret = p.q;
    return 0;
}

int tql_parse_attr(struct arena *a, struct str text, struct tql_attr *ret, struct err *reterr)
{
    struct traceql q = {.text = text};
    struct tql_parser p = {.q = &q, .lexer = {.text = text, .a = a}};
    int rc = tql_advance(&p, reterr);

    rc = rc < 0 ? rc : tql_parse_field(&p, ret, reterr);
    return rc == 0 && p.tok.type != TQL_TOK_END ? tql_unexpected(&p, "$end", reterr) : rc;
}

void traceql_free(struct traceql *q)
{
    if (q != NULL) {
        for (size_t i = 0; i < q->regexes.n; i++) {
            matcher_free(q->regexes.v[i]);
        }
        vec_done(&q->regexes);
        arena_done(&q->arena);
        mem_free(q);
    }
}

bool traceql_is_metrics(const struct traceql *q)
{
    return q->metric != NULL;
}

bool traceql_is_filter(const struct traceql *q)
{
    return q->metric == NULL && q->pipeline.n == 1 && q->pipeline.v[0].kind == TQL_STAGE_SPANS &&
           q->pipeline.v[0].spans->kind == TQL_SPANS_FILTER;
}
