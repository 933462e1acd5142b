/* SPDX-License-Identifier: Apache-2.0
 *
 * The selectors inside an expression, for what asks about series rather than values (exemplars).
 */
#include "base/err.h"
#include "query/promql/ast.h"
#include "query/promql/promql.h"

struct promql_selectors {
    struct ast ast;
    VEC(const struct selector *) v;
};

/* Depth is bounded by the parser. */
static bool gather(struct promql_selectors *s, const struct node *n)
{
    bool ok = true;

    if (n == NULL) {
        return true;
    }
    switch (n->kind) {
    case NODE_VECTOR:
    case NODE_MATRIX:
        return vec_push(&s->v, &n->selector);
    case NODE_SUBQUERY:
        return gather(s, n->subquery.expr);
    case NODE_CALL:
        for (size_t i = 0; ok && i < n->call.n; i++) {
            ok = gather(s, n->call.args[i]);
        }
        return ok;
    case NODE_AGGREGATE:
        return gather(s, n->agg.param) && gather(s, n->agg.expr);
    case NODE_BINARY:
        return gather(s, n->bin.lhs) && gather(s, n->bin.rhs);
    case NODE_UNARY:
        return gather(s, n->unary.expr);
    case NODE_PAREN:
        return gather(s, n->paren);
    case NODE_NUMBER:
    case NODE_STRING:
    default:
        return true;
    }
}

int promql_selectors(struct str query, struct promql_syntax syntax, struct promql_selectors **ret,
                     struct err *reterr)
{
    struct promql_selectors *s = mem_try_calloc(1, sizeof(*s));
    int rc;

    if (s == NULL) {
        return err_set(reterr, ERR_NOMEM, "no memory for the expression");
    }
    rc = promql_parse(query, syntax, &s->ast, reterr);
    if (rc == 0 && !gather(s, s->ast.root)) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for the expression");
    }
    if (rc < 0) {
        promql_selectors_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

size_t promql_selectors_count(const struct promql_selectors *s)
{
    return s->v.n;
}

struct matcher *const *promql_selectors_at(const struct promql_selectors *s, size_t i,
                                           size_t *ret_n)
{
    *ret_n = s->v.v[i]->n;
    return s->v.v[i]->v;
}

void promql_selectors_free(struct promql_selectors *s)
{
    if (s != NULL) {
        vec_done(&s->v);
        ast_done(&s->ast);
        mem_free(s);
    }
}
