/* SPDX-License-Identifier: Apache-2.0
 *
 * Types: attributes have their span's, everything else is known when the query is read, and what can never be
 * true is refused with the reason.
 */
#include "query/traceql/lex.h"

static void print_into(char *dst, size_t size, const struct tql_expr *e)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, size - 1);
    tql_print_expr(&b, e);
    memcpy(dst, b.n != 0 ? b.data : "", b.n);
    dst[b.n] = '\0';
}

/* May a value of this type stand beside this operator? */
static bool legal(enum tql_op op, enum tql_type t)
{
    switch (t) {
    case TQL_ANY:
        return true;
    case TQL_INT:
    case TQL_FLOAT:
    case TQL_DURATION:
        return tql_is_arithmetic(op) || (op >= TQL_EQ && op <= TQL_LE);
    case TQL_STR:
        return tql_is_comparison(op);
    case TQL_BOOL:
        return op == TQL_EQ || op == TQL_NE || op == TQL_AND || op == TQL_OR;
    case TQL_STATUS:
    case TQL_KIND:
    case TQL_NIL:
        return op == TQL_EQ || op == TQL_NE;
    default:
        return false;
    }
}

static bool compatible(enum tql_type a, enum tql_type b)
{
    return a == TQL_ANY || b == TQL_ANY || a == TQL_NIL || b == TQL_NIL || a == b ||
           (tql_is_number(a) && tql_is_number(b));
}

static enum tql_type result_type(const struct tql_expr *e)
{
    if (!tql_is_arithmetic(e->op)) {
        return TQL_BOOL;
    }
    if (e->lhs->type == TQL_DURATION || (e->rhs != NULL && e->rhs->type == TQL_DURATION)) {
        return TQL_DURATION;
    }
    return e->lhs->type == TQL_INT && (e->rhs == NULL || e->rhs->type == TQL_INT) ? TQL_INT
                                                                                  : TQL_FLOAT;
}

static int check_unary(struct tql_expr *e, struct str text, struct err *reterr)
{
    enum tql_type t = e->lhs->type;

    if (t != TQL_ANY && (e->op == TQL_NOT ? t != TQL_BOOL : !tql_is_number(t))) {
        char what[128];

        print_into(what, sizeof(what), e);
        return tql_error_at(text, e->at, reterr, "illegal operation for the given type: %s", what);
    }
    e->type = e->op == TQL_NOT ? TQL_BOOL : t == TQL_ANY ? TQL_FLOAT : t;
    return 0;
}

int tql_check_expr(struct tql_expr *e, struct str text, struct err *reterr)
{
    char what[128];

    if (e->kind == TQL_UNARY) {
        return check_unary(e, text, reterr);
    }
    if (!compatible(e->lhs->type, e->rhs->type)) {
        print_into(what, sizeof(what), e);
        return tql_error_at(text, e->at, reterr,
                            "binary operations must operate on the same type: %s", what);
    }
    if (!legal(e->op, e->lhs->type) || !legal(e->op, e->rhs->type)) {
        print_into(what, sizeof(what), e);
        return tql_error_at(text, e->at, reterr, "illegal operation for the given types: %s", what);
    }
    e->type = result_type(e);
    return 0;
}

int tql_check_filter(const struct tql_expr *e, struct err *reterr)
{
    char what[160];

    if (e == NULL || e->type == TQL_BOOL || e->type == TQL_ANY) {
        return 0;
    }
    print_into(what, sizeof(what), e);
    return err_set(reterr, ERR_INVALID,
                   "span filter field expressions must resolve to a boolean: { %s }", what);
}

bool tql_refers_to_span(const struct tql_expr *e)
{
    return e->kind == TQL_ATTR || (e->lhs != NULL && tql_refers_to_span(e->lhs)) ||
           (e->rhs != NULL && tql_refers_to_span(e->rhs));
}
