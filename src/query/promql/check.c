/* SPDX-License-Identifier: Apache-2.0
 *
 * Type rules of PromQL. The first error in upstream's order (children before their parent) is the one
 * reported.
 */
#include "base/err.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "query/promql/ast.h"
#include "query/promql/gotext.h"

struct checker {
    const struct ast *ast;
    struct err *reterr;
};

static int check(const struct checker *c, const struct node *n);

static int fail(const struct checker *c, uint32_t start, uint32_t end, const struct buf *text)
{
    return promql_parse_error(c->ast->query, start, end, buf_str(text), c->reterr);
}

static int fail_text(const struct checker *c, const struct node *n, const char *text)
{
    return promql_parse_error(c->ast->query, n->start, n->end, str_cstr(text), c->reterr);
}

/** Print into a buffer, then report it at a node. */
#define FAIL_PRINTF(c, n, ...)                    \
    __extension__({                               \
        struct buf text_ CLEANUP(buf_done) = {0}; \
        buf_init(&text_, 4096);                   \
        buf_printf(&text_, __VA_ARGS__);          \
        fail((c), (n)->start, (n)->end, &text_);  \
    })

static int expect(const struct checker *c, const struct node *n, enum value_type want,
                  const char *context)
{
    int rc = check(c, n);

    if (rc == 0 && n->type != want) {
        rc = FAIL_PRINTF(c, n, "expected type %s in %s, got %s", value_type_text(want), context,
                         value_type_text(n->type));
    }
    return rc;
}

static int check_selector(const struct checker *c, const struct node *n)
{
    const struct selector *s = &n->selector;

    if (s->name.n != 0) {
        for (size_t i = 0; i + 1 < s->n; i++) {
            if (str_eq(matcher_name(s->v[i]), STR(LABEL_NAME))) {
                struct buf b CLEANUP(buf_done) = {0};

                buf_init(&b, 4096);
                buf_add_cstr(&b, "metric name must not be set twice: ");
                go_quote(str_take(s->name, 100), &b);
                buf_add_cstr(&b, " or ");
                go_quote(str_take(matcher_value(s->v[i]), 100), &b);
                return fail(c, n->start, n->end, &b);
            }
        }
        return 0;
    }
    if (s->may_be_empty) {
        return 0;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (!matcher_matches_empty(s->v[i])) {
            return 0;
        }
    }
    return fail_text(c, n, "vector selector must contain at least one non-empty matcher");
}

static int check_aggregate(const struct checker *c, const struct node *n)
{
    const struct aggregate *a = &n->agg;
    int rc = expect(c, a->expr, TYPE_VECTOR, "aggregation expression");

    if (rc == 0 && a->param != NULL) {
        rc = expect(c, a->param, a->op == TOK_COUNT_VALUES ? TYPE_STRING : TYPE_SCALAR,
                    "aggregation parameter");
    }
    return rc;
}

static int check_call(const struct checker *c, const struct node *n)
{
    const struct call *k = &n->call;
    const struct function *f = k->fn;
    size_t args = (size_t)f->args_n;
    size_t least = f->variadic == 0 ? args : args - 1;
    char context[128];
    struct buf b CLEANUP(buf_done) = {0};

    if (f->variadic == 0 && k->n != args) {
        return FAIL_PRINTF(c, n, "expected %zu argument(s) in call to \"%s\", got %zu", args,
                           f->name, k->n);
    }
    if (k->n < least) {
        return FAIL_PRINTF(c, n, "expected at least %zu argument(s) in call to \"%s\", got %zu",
                           least, f->name, k->n);
    }
    if (f->variadic > 0 && k->n > least + (size_t)f->variadic) {
        return FAIL_PRINTF(c, n, "expected at most %zu argument(s) in call to \"%s\", got %zu",
                           least + (size_t)f->variadic, f->name, k->n);
    }
    if (f->info && k->n > 1) {
        struct node *by = k->args[1];

        if (by->type != TYPE_VECTOR) {
            return FAIL_PRINTF(c, n, "expected type %s in call to function \"%s\", got %s",
                               value_type_text(TYPE_VECTOR), f->name, value_type_text(by->type));
        }
        if (by->kind != NODE_VECTOR) {
            return fail_text(c, by, "expected label selectors only");
        }
        if (by->selector.name.n != 0) {
            return fail_text(c, by, "expected label selectors only, got vector selector instead");
        }
        by->selector.may_be_empty = true;
    }
    buf_init(&b, sizeof(context));
    buf_printf(&b, "call to function \"%s\"", f->name);
    buf_add_byte(&b, '\0');
    for (size_t i = 0; i < k->n; i++) {
        int rc = expect(c, k->args[i], f->args[i < args ? i : args - 1], b.data);

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/** The operator and its modifiers, without the space around them. */
static int fail_at_operator(const struct checker *c, const struct binary *b, const struct buf *text)
{
    struct str q = c->ast->query;
    uint32_t start = b->lhs->end;
    uint32_t end = b->rhs->start;

    while (start < end &&
           (q.p[start] == ' ' || q.p[start] == '\t' || q.p[start] == '\n' || q.p[start] == '\r')) {
        start++;
    }
    return fail(c, start, end, text);
}

static int check_operator(const struct checker *c, const struct node *n)
{
    const struct binary *b = &n->bin;
    struct buf text CLEANUP(buf_done) = {0};

    buf_init(&text, 4096);
    if (b->return_bool && !tok_is_comparison(b->op)) {
        buf_add_cstr(&text, "bool modifier can only be used on comparison operators");
    } else if (tok_is_comparison(b->op) && !b->return_bool && b->lhs->type == TYPE_SCALAR &&
               b->rhs->type == TYPE_SCALAR) {
        buf_add_cstr(&text, "comparisons between scalars must use BOOL modifier");
    } else if (tok_is_trim(b->op) && b->lhs->type == TYPE_SCALAR && b->rhs->type == TYPE_SCALAR) {
        buf_printf(&text, "operator \"%.*s\" not allowed for Scalar operations",
                   STR_ARG(tok_text(b->op)));
    }
    for (size_t i = 0; text.n == 0 && b->on && i < b->match.n; i++) {
        for (size_t j = 0; text.n == 0 && j < b->include.n; j++) {
            if (str_eq(b->match.v[i], b->include.v[j])) {
                buf_add_cstr(&text, "label ");
                go_quote(b->match.v[i], &text);
                buf_add_cstr(&text, " must not occur in ON and GROUP clause at once");
            }
        }
    }
    return text.n != 0 ? fail_at_operator(c, b, &text) : 0;
}

static int check_binary(const struct checker *c, const struct node *n)
{
    const struct binary *b = &n->bin;
    const struct node *sides[2] = {b->lhs, b->rhs};
    bool scalar = b->lhs->type != TYPE_VECTOR || b->rhs->type != TYPE_VECTOR;
    struct str op = tok_text(b->op);
    int rc = check(c, b->lhs);

    rc = rc != 0 ? rc : check(c, b->rhs);
    rc = rc != 0 ? rc : check_operator(c, n);
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        if (sides[i]->type != TYPE_SCALAR && sides[i]->type != TYPE_VECTOR) {
            rc = fail_text(c, sides[i],
                           "binary expression must contain only scalar and instant vector types");
        }
    }
    if (rc != 0) {
        return rc;
    }
    if (scalar && b->match.n != 0) {
        return fail_text(c, n, "vector matching only allowed between instant vectors");
    }
    if (scalar && (b->fill_left.given || b->fill_right.given)) {
        return fail_text(c, n, "filling in missing series only allowed between instant vectors");
    }
    if (!tok_is_set_operator(b->op)) {
        return 0;
    }
    if (scalar) {
        return FAIL_PRINTF(c, n, "set operator \"%.*s\" not allowed in binary scalar expression",
                           STR_ARG(op));
    }
    if (b->card != CARD_ONE_TO_ONE) {
        return FAIL_PRINTF(c, n, "no grouping allowed for \"%.*s\" operation", STR_ARG(op));
    }
    if (b->fill_left.given || b->fill_right.given) {
        return fail_text(c, n, "filling in missing series not allowed for set operators");
    }
    return 0;
}

static int check(const struct checker *c, const struct node *n)
{
    int rc;

    switch (n->kind) {
    case NODE_VECTOR:
    case NODE_MATRIX:
        return check_selector(c, n);
    case NODE_SUBQUERY:
        rc = check(c, n->subquery.expr);
        if (rc == 0 && n->subquery.expr->type != TYPE_VECTOR) {
            static const char *const names[] = {"none", "scalar", "vector", "matrix", "string"};

            rc = FAIL_PRINTF(c, n, "subquery is only allowed on instant vector, got %s instead",
                             names[n->subquery.expr->type]);
        }
        return rc;
    case NODE_CALL:
        return check_call(c, n);
    case NODE_AGGREGATE:
        return check_aggregate(c, n);
    case NODE_BINARY:
        return check_binary(c, n);
    case NODE_UNARY:
        rc = check(c, n->unary.expr);
        if (rc == 0 && n->type != TYPE_SCALAR && n->type != TYPE_VECTOR) {
            rc = FAIL_PRINTF(c, n,
                             "unary expression only allowed on expressions of type scalar or "
                             "instant vector, got \"%s\"",
                             value_type_text(n->type));
        }
        return rc;
    case NODE_PAREN:
        return check(c, n->paren);
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_DURATION:
        break;
    }
    return 0;
}

int promql_check(const struct ast *a, struct err *reterr)
{
    const struct checker c = {a, reterr};

    return check(&c, a->root);
}
