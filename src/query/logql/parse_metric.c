/* SPDX-License-Identifier: Apache-2.0
 *
 * Metric expressions: operators by precedence climbing, aggregations and their rules about parameters, grouping and
 * unwrap.
 */
#include <math.h>

#include "query/logql/finder.h"
#include "query/logql/parse.h"

static const char *const RANGE_NAMES[] = {
    [RANGE_RATE] = "rate",
    [RANGE_RATE_COUNTER] = "rate_counter",
    [RANGE_COUNT] = "count_over_time",
    [RANGE_BYTES_RATE] = "bytes_rate",
    [RANGE_BYTES] = "bytes_over_time",
    [RANGE_AVG] = "avg_over_time",
    [RANGE_SUM] = "sum_over_time",
    [RANGE_MIN] = "min_over_time",
    [RANGE_MAX] = "max_over_time",
    [RANGE_STDVAR] = "stdvar_over_time",
    [RANGE_STDDEV] = "stddev_over_time",
    [RANGE_QUANTILE] = "quantile_over_time",
    [RANGE_FIRST] = "first_over_time",
    [RANGE_LAST] = "last_over_time",
    [RANGE_ABSENT] = "absent_over_time",
};

static const char *const VECTOR_NAMES[] = {
    [VEC_SUM] = "sum",       [VEC_AVG] = "avg",
    [VEC_MAX] = "max",       [VEC_MIN] = "min",
    [VEC_COUNT] = "count",   [VEC_STDDEV] = "stddev",
    [VEC_STDVAR] = "stdvar", [VEC_BOTTOMK] = "bottomk",
    [VEC_TOPK] = "topk",     [VEC_APPROX_TOPK] = "approx_topk",
    [VEC_SORT] = "sort",     [VEC_SORT_DESC] = "sort_desc",
};

/* precedence: how tightly it binds */
static const struct {
    const char *name;
    enum token_type token;
    int precedence;
} BINARY[] = {
    [BIN_OR] = {"or", T_OR, 1},
    [BIN_AND] = {"and", T_AND, 2},
    [BIN_UNLESS] = {"unless", T_UNLESS, 2},
    [BIN_EQ] = {"==", T_CMP_EQ, 3},
    [BIN_NE] = {"!=", T_NEQ, 3},
    [BIN_GT] = {">", T_GT, 3},
    [BIN_GE] = {">=", T_GTE, 3},
    [BIN_LT] = {"<", T_LT, 3},
    [BIN_LE] = {"<=", T_LTE, 3},
    [BIN_ADD] = {"+", T_ADD, 4},
    [BIN_SUB] = {"-", T_SUB, 4},
    [BIN_MUL] = {"*", T_MUL, 5},
    [BIN_DIV] = {"/", T_DIV, 5},
    [BIN_MOD] = {"%", T_MOD, 5},
    [BIN_POW] = {"^", T_POW, 6},
};

const char *lq_range_op_name(enum range_op op)
{
    return RANGE_NAMES[op];
}

const char *lq_vector_op_name(enum vector_op op)
{
    return VECTOR_NAMES[op];
}

const char *lq_binary_op_name(enum binary_op op)
{
    return BINARY[op].name;
}

static struct expr *expr_new(struct parser *p, enum expr_type type)
{
    struct expr *e = arena_calloc(p->a, 1, sizeof(*e));

    if (e == NULL) {
        lq_parse_no_memory(p);
        return NULL;
    }
    e->type = type;
    return e;
}

/* (a, b) */
static int parse_names(struct parser *p, struct str **names, size_t *n)
{
    int rc = lq_parse_expect(p, T_OPEN);

    while (rc == 0 && p->tok.type != T_CLOSE) {
        struct str *name = lq_parse_push(p, (void **)names, n, sizeof(*name));

        if (name == NULL) {
            return -ERR_INVALID;
        }
        rc = lq_parse_text(p, T_IDENTIFIER, name);
        if (rc == 0 && p->tok.type == T_COMMA) {
            rc = lq_parse_step(p);
        } else if (rc == 0 && p->tok.type != T_CLOSE) {
            return lq_parse_unexpected(p, ", or )");
        }
    }
    return rc < 0 ? rc : lq_parse_step(p);
}

static int parse_grouping(struct parser *p, struct grouping *g)
{
    int rc;

    if (p->tok.type != T_BY && p->tok.type != T_WITHOUT) {
        return 0;
    }
    if (g->given) {
        return lq_parse_unexpected(p, NULL);
    }
    g->given = true;
    g->without = p->tok.type == T_WITHOUT;
    rc = lq_parse_step(p);
    return rc < 0 ? rc : parse_names(p, &g->names, &g->n);
}

/* ---- ranges ---- */

static int parse_interval(struct parser *p, struct expr *e)
{
    int rc;

    e->range_ns = p->tok.duration;
    rc = lq_parse_step(p);
    if (rc == 0 && p->tok.type == T_OFFSET) {
        rc = lq_parse_step(p);
        if (rc == 0 && p->tok.type != T_DURATION) {
            return lq_parse_unexpected(p, "DURATION");
        }
        e->has_offset = true;
        e->offset_ns = p->tok.duration;
        rc = rc < 0 ? rc : lq_parse_step(p);
    }
    return rc;
}

static int parse_log_range(struct parser *p, struct expr *e)
{
    int rc = lq_parse_enter(p);

    if (rc < 0) {
        return rc;
    }
    if (p->tok.type == T_OPEN) {
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : parse_log_range(p, e);
        rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
    } else {
        rc = lq_parse_selector(p, e->pipe);
    }
    if (rc == 0 && p->tok.type == T_RANGE && e->range_ns == 0) {
        rc = parse_interval(p, e);
    }
    rc = rc < 0 ? rc : lq_parse_stages(p, e->pipe, true);
    if (rc == 0 && p->tok.type == T_RANGE && e->range_ns == 0) {
        rc = parse_interval(p, e);
    }
    lq_parse_leave(p);
    return rc;
}

static bool needs_unwrap(enum range_op op)
{
    switch (op) {
    case RANGE_RATE_COUNTER:
    case RANGE_AVG:
    case RANGE_SUM:
    case RANGE_MIN:
    case RANGE_MAX:
    case RANGE_STDVAR:
    case RANGE_STDDEV:
    case RANGE_QUANTILE:
    case RANGE_FIRST:
    case RANGE_LAST:
        return true;
    default:
        return false;
    }
}

static bool may_group(enum range_op op)
{
    return needs_unwrap(op) && op != RANGE_SUM && op != RANGE_RATE_COUNTER;
}

static int check_range(struct parser *p, const struct expr *e)
{
    const char *name = RANGE_NAMES[e->range_op];

    if (e->by.given && !may_group(e->range_op)) {
        return lq_parse_fail(p, "grouping not allowed for %s aggregation", name);
    }
    if (e->has_param && e->range_op != RANGE_QUANTILE) {
        return lq_parse_fail(p, "parameter %g not supported for operation %s", e->param, name);
    }
    if (!e->has_param && e->range_op == RANGE_QUANTILE) {
        return lq_parse_fail(p, "parameter required for operation %s", name);
    }
    if (e->pipe->unwraps) {
        return needs_unwrap(e->range_op) || e->range_op == RANGE_RATE || e->range_op == RANGE_ABSENT
                   ? 0
                   : lq_parse_fail(p, "invalid aggregation %s with unwrap", name);
    }
    return needs_unwrap(e->range_op)
               ? lq_parse_fail(p, "invalid aggregation %s without unwrap", name)
               : 0;
}

static int parse_range_op(struct parser *p, struct expr **ret)
{
    struct expr *e = expr_new(p, EXPR_RANGE);
    int rc;

    if (e == NULL) {
        return -ERR_INVALID;
    }
    e->pipe = arena_calloc(p->a, 1, sizeof(*e->pipe));
    if (e->pipe == NULL) {
        return lq_parse_no_memory(p);
    }
    for (int i = 0; i < (int)ARRAY_LEN(RANGE_NAMES); i++) {
        if (strcmp(RANGE_NAMES[i], lq_token_name(p->tok.type)) == 0) {
            e->range_op = (enum range_op)i;
        }
    }
    rc = lq_parse_step(p);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_OPEN);
    if (rc == 0 && p->tok.type == T_NUMBER) {
        e->has_param = true;
        e->param = p->tok.number;
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : lq_parse_expect(p, T_COMMA);
    }
    rc = rc < 0 ? rc : parse_log_range(p, e);
    if (rc == 0 && e->range_ns == 0) {
        return lq_parse_unexpected(p, NULL);
    }
    rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
    rc = rc < 0 ? rc : parse_grouping(p, &e->by);
    *ret = e;
    return rc < 0 ? rc : check_range(p, e);
}

/* ---- vector aggregations ---- */

static int check_aggregate(struct parser *p, const struct expr *e, struct str param)
{
    const char *name = VECTOR_NAMES[e->vector_op];
    bool takes =
        e->vector_op == VEC_TOPK || e->vector_op == VEC_BOTTOMK || e->vector_op == VEC_APPROX_TOPK;

    if (!takes && e->has_param) {
        return lq_parse_fail(p, "unsupported parameter for operation %s(%.*s,", name,
                             STR_ARG(param));
    }
    if (takes && !e->has_param) {
        return lq_parse_fail(p, "parameter required for operation %s", name);
    }
    if (takes && e->param != floor(e->param)) {
        return lq_parse_fail(p, "invalid parameter %s(%.*s,", name, STR_ARG(param));
    }
    if (takes && e->param <= 0) {
        return lq_parse_fail(p, "invalid parameter (must be greater than 0) %s(%.*s", name,
                             STR_ARG(param));
    }
    if (e->by.given && (e->vector_op == VEC_SORT || e->vector_op == VEC_SORT_DESC ||
                        e->vector_op == VEC_APPROX_TOPK)) {
        return lq_parse_fail(p, "grouping not allowed for %s aggregation", name);
    }
    return e->left->type == EXPR_NUMBER
               ? lq_parse_fail(p, "unexpected type scalar for operation %s", name)
               : 0;
}

/* A metric expression: a bare log query is refused at the token behind it. */
static int parse_metric(struct parser *p, struct expr **ret)
{
    int rc = lq_parse_expr(p, ret);

    return rc == 0 && *ret != NULL && (*ret)->type == EXPR_LOG ? lq_parse_unexpected(p, NULL) : rc;
}

static int parse_vector_op(struct parser *p, struct expr **ret)
{
    struct expr *e = expr_new(p, EXPR_AGGREGATE);
    struct str param = {0};
    int rc;

    if (e == NULL) {
        return -ERR_INVALID;
    }
    for (int i = 0; i < (int)ARRAY_LEN(VECTOR_NAMES); i++) {
        if (strcmp(VECTOR_NAMES[i], lq_token_name(p->tok.type)) == 0) {
            e->vector_op = (enum vector_op)i;
        }
    }
    rc = lq_parse_step(p);
    rc = rc < 0 ? rc : parse_grouping(p, &e->by);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_OPEN);
    if (rc == 0 && p->tok.type == T_NUMBER) {
        struct parser before = *p;

        param = p->tok.text;
        e->param = p->tok.number;
        rc = lq_parse_step(p);
        if (rc == 0 && p->tok.type == T_COMMA) {
            e->has_param = true;
            rc = lq_parse_step(p);
        } else if (rc == 0) {
            *p = before; /* the number begins the operand */
        }
    }
    rc = rc < 0 ? rc : parse_metric(p, &e->left);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
    rc = rc < 0 ? rc : parse_grouping(p, &e->by);
    *ret = e;
    return rc < 0 ? rc : check_aggregate(p, e, param);
}

/* ---- other operands ---- */

static int parse_number(struct parser *p, struct expr **ret)
{
    bool negative = p->tok.type == T_SUB;
    struct expr *e = expr_new(p, EXPR_NUMBER);
    int rc = p->tok.type == T_NUMBER ? 0 : lq_parse_step(p);

    if (e == NULL) {
        return -ERR_INVALID;
    }
    if (rc == 0 && p->tok.type != T_NUMBER) {
        return lq_parse_unexpected(p, "NUMBER");
    }
    e->param = negative ? -p->tok.number : p->tok.number;
    *ret = e;
    return rc < 0 ? rc : lq_parse_step(p);
}

static int parse_vector(struct parser *p, struct expr **ret)
{
    struct expr *number = NULL;
    int rc = lq_parse_step(p);

    rc = rc < 0 ? rc : lq_parse_expect(p, T_OPEN);
    rc = rc < 0 ? rc : parse_number(p, &number);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
    if (rc == 0 && number != NULL) {
        number->type = EXPR_VECTOR;
        *ret = number;
    }
    return rc;
}

static int parse_label_replace(struct parser *p, struct expr **ret)
{
    struct expr *e = expr_new(p, EXPR_LABEL_REPLACE);
    struct err inner = {0};
    struct finder *s;
    int rc;

    if (e == NULL) {
        return -ERR_INVALID;
    }
    struct str *const args[] = {&e->dst, &e->replacement, &e->src, &e->pattern};

    rc = lq_parse_step(p);
    rc = rc < 0 ? rc : lq_parse_expect(p, T_OPEN);
    rc = rc < 0 ? rc : parse_metric(p, &e->left);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(args); i++) {
        rc = lq_parse_expect(p, T_COMMA);
        rc = rc < 0 ? rc : lq_parse_text(p, T_STRING, args[i]);
    }
    rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
    if (rc < 0) {
        return rc;
    }
    if (finder_new(e->pattern, FINDER_ANCHORED, &s, &inner) < 0) {
        return lq_parse_fail(p, "invalid regex in label_replace: %s", inner.msg);
    }
    if (!vec_push(&p->q->finders, s)) {
        finder_free(s);
        return lq_parse_no_memory(p);
    }
    e->re = s;
    if (!label_name_is_valid(e->dst)) {
        return lq_parse_fail(p, "invalid label name in label_replace: %.*s",
                             (int)(e->dst.n < 100 ? e->dst.n : 100), e->dst.n != 0 ? e->dst.p : "");
    }
    *ret = e;
    return 0;
}

static int parse_log(struct parser *p, struct expr **ret)
{
    struct expr *e = expr_new(p, EXPR_LOG);
    int rc;

    if (e == NULL) {
        return -ERR_INVALID;
    }
    e->pipe = arena_calloc(p->a, 1, sizeof(*e->pipe));
    rc = e->pipe == NULL ? lq_parse_no_memory(p) : lq_parse_selector(p, e->pipe);
    *ret = e;
    return rc < 0 ? rc : lq_parse_stages(p, e->pipe, false);
}

static int parse_operand(struct parser *p, struct expr **ret)
{
    enum token_type t = p->tok.type;
    int rc;

    if (t == T_OPEN) {
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : lq_parse_expr(p, ret);
        rc = rc < 0 ? rc : lq_parse_expect(p, T_CLOSE);
        if (rc == 0 && *ret != NULL) {
            (*ret)->paren = true;
        }
        return rc;
    }
    if (t == T_OPEN_BRACE) {
        return parse_log(p, ret);
    }
    if (t >= T_RATE && t <= T_ABSENT_OVER_TIME) {
        return parse_range_op(p, ret);
    }
    if (t >= T_SUM && t <= T_SORT_DESC) {
        return parse_vector_op(p, ret);
    }
    if (t == T_NUMBER || t == T_ADD || t == T_SUB) {
        return parse_number(p, ret);
    }
    if (t == T_VECTOR) {
        return parse_vector(p, ret);
    }
    return t == T_LABEL_REPLACE ? parse_label_replace(p, ret) : lq_parse_unexpected(p, NULL);
}

/* ---- operators ---- */

static int find_operator(enum token_type t)
{
    for (int i = 0; i < (int)ARRAY_LEN(BINARY); i++) {
        if (BINARY[i].token == t) {
            return i;
        }
    }
    return -1;
}

static int parse_modifiers(struct parser *p, struct expr *e)
{
    int rc = 0;

    if (p->tok.type == T_BOOL) {
        e->return_bool = true;
        rc = lq_parse_step(p);
    }
    if (rc == 0 && (p->tok.type == T_ON || p->tok.type == T_IGNORING)) {
        e->has_matching = true;
        e->on = p->tok.type == T_ON;
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : parse_names(p, &e->match_names, &e->match_n);
        if (rc == 0 && (p->tok.type == T_GROUP_LEFT || p->tok.type == T_GROUP_RIGHT)) {
            e->group = p->tok.type == T_GROUP_LEFT ? GROUP_LEFT : GROUP_RIGHT;
            rc = lq_parse_step(p);
            if (rc == 0 && p->tok.type == T_OPEN) {
                rc = parse_names(p, &e->include, &e->include_n);
            }
        }
    }
    return rc;
}

static int check_binary(struct parser *p, const struct expr *e)
{
    const char *name = BINARY[e->op].name;

    if (e->left == NULL || e->right == NULL) {
        return -ERR_INVALID;
    }
    if (e->left->type == EXPR_LOG || e->right->type == EXPR_LOG) {
        return lq_parse_fail(p, "unexpected type for %s leg of binary operation (%s): *syntax.%s",
                             e->left->type == EXPR_LOG ? "left" : "right", name,
                             (e->left->type == EXPR_LOG ? e->left : e->right)->pipe->n == 0
                                 ? "MatchersExpr"
                                 : "PipelineExpr");
    }
    if (e->op <= BIN_UNLESS) {
        if (e->left->type == EXPR_NUMBER || e->right->type == EXPR_NUMBER) {
            bool left = e->left->type == EXPR_NUMBER;

            return lq_parse_fail(
                p, "unexpected literal for %s side of logical/set binary operation (%s): %f",
                left ? "left" : "right", name, (left ? e->left : e->right)->param);
        }
        if (e->group != GROUP_NONE) {
            return lq_parse_fail(p, "no grouping allowed for '%s' operation", name);
        }
    }
    return 0;
}

static int parse_binary(struct parser *p, int least, struct expr **ret)
{
    struct expr *left = NULL;
    int rc = lq_parse_enter(p);

    rc = rc < 0 ? rc : parse_operand(p, &left);
    while (rc == 0) {
        int op = find_operator(p->tok.type);
        struct expr *e;

        if (op < 0 || BINARY[op].precedence < least) {
            break;
        }
        e = expr_new(p, EXPR_BINARY);
        if (e == NULL) {
            return -ERR_INVALID;
        }
        e->op = (enum binary_op)op;
        e->left = left;
        rc = lq_parse_step(p);
        rc = rc < 0 ? rc : parse_modifiers(p, e);
        /* ^ binds to the right, all others to the left */
        rc = rc < 0 ? rc
                    : parse_binary(p, BINARY[op].precedence + (op == BIN_POW ? 0 : 1), &e->right);
        rc = rc < 0 ? rc : check_binary(p, e);
        left = e;
    }
    lq_parse_leave(p);
    *ret = left;
    return rc;
}

int lq_parse_expr(struct parser *p, struct expr **ret)
{
    return parse_binary(p, 1, ret);
}
