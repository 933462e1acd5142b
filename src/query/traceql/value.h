/* SPDX-License-Identifier: Apache-2.0
 *
 * A TraceQL value: what a literal, an attribute or an expression is for one span. Small and copied; texts and
 * list elements are borrowed from the span, the query or the evaluation's arena.
 */
#ifndef QUERY_TRACEQL_VALUE_H
#define QUERY_TRACEQL_VALUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/otel.h"

enum tql_type {
    TQL_NIL, /* absent */
    TQL_INT,
    TQL_FLOAT,
    TQL_DURATION, /* ns */
    TQL_STR,
    TQL_BOOL,
    TQL_STATUS, /* enum span_status */
    TQL_KIND,   /* enum span_kind */
    TQL_LIST,   /* of an array attribute, or one value per event or link; never holds a list */
    TQL_ANY,    /* of an expression before evaluation: an attribute's type is its span's */
};

struct tql_value {
    enum tql_type type;

    union {
        int64_t i; /* INT, DURATION, STATUS, KIND */
        double f;
        bool b;
        struct str s;

        struct {
            const struct tql_value *v;
            size_t n;
        } list;
    } u;
};

/** Operators of fields and of spansets; which go where is the parser's business. */
enum tql_op {
    TQL_OP_NONE,
    TQL_ADD,
    TQL_SUB,
    TQL_MUL,
    TQL_DIV,
    TQL_MOD,
    TQL_POW,
    TQL_EQ,
    TQL_NE,
    TQL_GT,
    TQL_GE,
    TQL_LT,
    TQL_LE,
    TQL_RE,
    TQL_NRE,
    TQL_AND,
    TQL_OR,
    TQL_NOT,
    /* Between spansets only; their order is: plain, negated, union. */
    TQL_CHILD,      /* > (as a token TQL_GT) */
    TQL_PARENT,     /* < */
    TQL_DESCENDANT, /* >> */
    TQL_ANCESTOR,   /* << */
    TQL_SIBLING,    /* ~ */
    TQL_NOT_CHILD,
    TQL_NOT_PARENT,
    TQL_NOT_DESCENDANT,
    TQL_NOT_ANCESTOR,
    TQL_NOT_SIBLING,
    TQL_UNION_CHILD,
    TQL_UNION_PARENT,
    TQL_UNION_DESCENDANT,
    TQL_UNION_ANCESTOR,
    TQL_UNION_SIBLING,
};

static inline struct tql_value tql_int(int64_t i)
{
    return (struct tql_value){TQL_INT, {.i = i}};
}

static inline struct tql_value tql_float(double f)
{
    return (struct tql_value){TQL_FLOAT, {.f = f}};
}

static inline struct tql_value tql_bool(bool b)
{
    return (struct tql_value){TQL_BOOL, {.b = b}};
}

static inline struct tql_value tql_str(struct str s)
{
    return (struct tql_value){TQL_STR, {.s = s}};
}

static inline bool tql_is_true(const struct tql_value *v)
{
    return v->type == TQL_BOOL && v->u.b;
}

static inline bool tql_is_number(enum tql_type t)
{
    return t == TQL_INT || t == TQL_FLOAT || t == TQL_DURATION;
}

static inline bool tql_is_comparison(enum tql_op op)
{
    return op >= TQL_EQ && op <= TQL_NRE;
}

static inline bool tql_is_arithmetic(enum tql_op op)
{
    return op >= TQL_ADD && op <= TQL_POW;
}

/** An attribute's value; arrays become lists in `a`, maps and bytes their text. NIL when memory ran out. */
struct tql_value tql_of_value(const struct value *v, struct arena *a);
/** As a double; durations in ns. @return false when it is no number */
bool tql_number(const struct tql_value *v, double *ret);
/** -1, 0, 1; 2 when not comparable. Numbers of any type compare as numbers, exactly. */
int tql_compare(const struct tql_value *a, const struct tql_value *b);
bool tql_equal(const struct tql_value *a, const struct tql_value *b); /* same type and value */
uint64_t tql_hash(const struct tql_value *v);
/** Integers stay integers where the result is one, durations keep their unit under + - and scaling; NIL for
 * operands that are no numbers and for division by zero of integers. */
struct tql_value tql_arithmetic(enum tql_op op, const struct tql_value *a,
                                const struct tql_value *b);
/** = != > >= < <= on two values that are there; an absent or foreign operand gives false. With a list: any
 * element, for != no element. */
bool tql_holds(enum tql_op op, const struct tql_value *a, const struct tql_value *b);
/** Deep copy. @return false without memory */
bool tql_dup(struct arena *a, const struct tql_value *v, struct tql_value *ret);

/** As it is written in a query: strings quoted. */
void tql_print_value(struct buf *dst, const struct tql_value *v);
/** As it is shown and labelled: strings bare, durations in Go's form ("1.5s"), "nil". */
void tql_text(struct buf *dst, const struct tql_value *v);
const char *tql_op_text(enum tql_op op);
const char *tql_type_name(enum tql_type t);

#endif
