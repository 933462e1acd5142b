/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known once the times of a query are: start() and end(), duration expressions, and which parts of
 * the tree have the same value at every step.
 */
#include <math.h>

#include "query/promql/ast.h"

#define DURATION_MAX_S 9223372036.854775807

struct prepare {
    int64_t start_ms;
    int64_t end_ms;
    int64_t step_ms; /* 0: instant */
    int rc;
    struct err *reterr;
};

/** Upstream names the bytes the expression spans. */
static double fail(struct prepare *p, const struct node *n, const char *why)
{
    if (p->rc == 0) {
        p->rc = err_set(p->reterr, ERR_INVALID, "%u:%u: %s", n->start, n->end, why);
    }
    return 0;
}

static double duration_value(struct prepare *p, const struct node *n)
{
    const struct duration *d = &n->dur;
    double l;
    double r;

    if (n->kind == NODE_NUMBER) {
        return n->number;
    }
    l = d->lhs != NULL ? duration_value(p, d->lhs) : 0;
    r = d->rhs != NULL ? duration_value(p, d->rhs) : 0;
    switch (d->op) {
    case TOK_STEP:
        return (double)p->step_ms / 1000;
    case TOK_RANGE:
        return (double)(p->end_ms - p->start_ms) / 1000;
    case TOK_MIN_OF:
        return isnan(l) || isnan(r) ? NAN : fmin(l, r);
    case TOK_MAX_OF:
        return isnan(l) || isnan(r) ? NAN : fmax(l, r);
    case TOK_ADD:
        return l + r;
    case TOK_SUB:
        return l - r;
    case TOK_MUL:
        return l * r;
    case TOK_DIV:
        return r == 0 ? fail(p, n, "division by zero") : l / r;
    case TOK_MOD:
        return r == 0 ? fail(p, n, "modulo by zero") : fmod(l, r);
    default:
        return pow(l, r);
    }
}

/** The value of a duration expression into *ret_ms; nothing when there is none. */
static void resolve_duration(struct prepare *p, const struct node *n, bool may_be_negative,
                             int64_t *ret_ms)
{
    double s;

    if (n == NULL) {
        return;
    }
    s = duration_value(p, n);
    if (!isfinite(s)) {
        fail(p, n, "duration is NaN or infinite");
    } else if (s <= 0 && !may_be_negative) {
        fail(p, n, "duration must be greater than 0");
    } else if (s > DURATION_MAX_S || s < -DURATION_MAX_S) {
        fail(p, n, "duration is out of range");
    } else {
        *ret_ms = (int64_t)(s * 1000);
        if (*ret_ms <= 0 && !may_be_negative) {
            *ret_ms = 1; /* below our resolution */
        }
    }
}

static bool resolve_when(struct prepare *p, struct when *w)
{
    resolve_duration(p, w->offset_expr, true, &w->offset_ms);
    if (w->at == AT_START) {
        w->at_ms = p->start_ms;
    } else if (w->at == AT_END) {
        w->at_ms = p->end_ms;
    }
    return w->at != AT_NONE;
}

/** start(), end(), range() and step() become numbers. */
static bool fold_call(const struct prepare *p, struct node *n)
{
    int64_t ms;

    switch (n->call.fn->constant) {
    case TOK_START:
        ms = p->start_ms;
        break;
    case TOK_END:
        ms = p->end_ms;
        break;
    case TOK_RANGE:
        ms = p->end_ms - p->start_ms;
        break;
    case TOK_STEP:
        ms = p->start_ms != p->end_ms ? p->step_ms : 0;
        break;
    default:
        return false;
    }
    n->kind = NODE_NUMBER;
    n->number = (double)ms / 1000;
    n->duration = false;
    return true;
}

static bool prepare(struct prepare *p, struct node *n);

static bool prepare_call(struct prepare *p, struct node *n)
{
    bool same = !n->call.fn->time_dependent;

    if (fold_call(p, n)) {
        return true;
    }
    for (size_t i = 0; i < n->call.n; i++) {
        bool arg = prepare(p, n->call.args[i]);

        same = same && arg;
    }
    return same;
}

static bool prepare(struct prepare *p, struct node *n)
{
    bool same = true;

    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_DURATION:
        break;
    case NODE_VECTOR:
    case NODE_MATRIX:
        resolve_duration(p, n->selector.range_expr, false, &n->selector.range_ms);
        same = resolve_when(p, &n->selector.when);
        break;
    case NODE_SUBQUERY:
        resolve_duration(p, n->subquery.range_expr, false, &n->subquery.range_ms);
        resolve_duration(p, n->subquery.step_expr, false, &n->subquery.step_ms);
        prepare(p, n->subquery.expr);
        same = resolve_when(p, &n->subquery.when);
        break;
    case NODE_CALL:
        same = prepare_call(p, n);
        break;
    case NODE_AGGREGATE:
        same = prepare(p, n->agg.expr);
        if (n->agg.param != NULL) {
            bool param = prepare(p, n->agg.param);

            same = same && param;
        }
        break;
    case NODE_BINARY: {
        bool l = prepare(p, n->bin.lhs);
        bool r = prepare(p, n->bin.rhs);

        same = l && r;
        break;
    }
    case NODE_UNARY:
        same = prepare(p, n->unary.expr);
        break;
    case NODE_PAREN:
        same = prepare(p, n->paren);
        break;
    }
    n->invariant = same;
    return same;
}

int promql_prepare(struct ast *a, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                   struct err *reterr)
{
    struct prepare p = {start_ms, end_ms, step_ms, 0, reterr};

    prepare(&p, a->root);
    return p.rc;
}
