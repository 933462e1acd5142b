/* SPDX-License-Identifier: Apache-2.0
 *
 * A parsed and type-checked expression. One arena holds the tree; matchers, which are heap objects, hang on
 * a list so that one call frees everything. Spans are byte offsets into the query.
 */
#ifndef QUERY_PROMQL_AST_H
#define QUERY_PROMQL_AST_H

#include "base/vec.h"
#include "query/promql/function.h"
#include "query/promql/lex.h"
#include "query/promql/promql.h"

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_VECTOR, /* instant selector */
    NODE_MATRIX, /* range selector: the same fields plus a range */
    NODE_SUBQUERY,
    NODE_CALL,
    NODE_AGGREGATE,
    NODE_BINARY,
    NODE_UNARY,
    NODE_PAREN,
    NODE_DURATION, /* arithmetic over durations, only below a selector or subquery */
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

/** When a selector or subquery looks: the `@` and `offset` modifiers. */
struct when {
    enum at_kind at;
    int64_t at_ms;            /* of AT_TIME, and after promql_prepare() of all but AT_NONE */
    int64_t offset_ms;        /* of a literal, and after promql_prepare() */
    struct node *offset_expr; /* NODE_DURATION, or NULL */
};

/** How a selector looks beyond its range: to the sample before it, or to interpolate at its ends. */
enum extend { EXTEND_NONE, EXTEND_ANCHORED, EXTEND_SMOOTHED };

struct selector {
    struct str name;    /* given before the braces, else empty */
    struct matcher **v; /* arena array; matchers owned by the tree */
    size_t n;
    struct when when;
    int64_t range_ms;        /* NODE_MATRIX; of a literal, and after promql_prepare() */
    struct node *range_expr; /* NODE_DURATION, or NULL */
    enum extend extend;
    bool may_be_empty; /* the second argument of info() */
};

struct subquery {
    struct node *expr;
    struct when when;
    int64_t range_ms;
    int64_t step_ms;         /* 0: the engine's default */
    struct node *range_expr; /* NODE_DURATION, or NULL; so is step_expr */
    struct node *step_expr;
};

struct call {
    const struct function *fn;
    struct node **args;
    size_t n;
};

/** Label names, sorted and unique in `sorted`; in the order written in `v`. */
struct names {
    struct str *v;
    struct str *sorted;
    size_t n;
    size_t sorted_n;
};

struct aggregate {
    enum tok op;
    bool without;
    struct names by;
    struct node *expr;
    struct node *param; /* NULL for most */
};

enum match_card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE, CARD_ONE_TO_MANY };

/** What a missing side of a binary operation counts as. */
struct fill {
    bool given;
    double v;
};

struct binary {
    enum tok op;
    struct node *lhs;
    struct node *rhs;
    bool return_bool;
    bool on; /* else ignoring */
    enum match_card card;
    struct names match;
    struct names include;
    struct fill fill_left;
    struct fill fill_right;
};

struct unary {
    enum tok op;
    struct node *expr;
};

/** step(), range(), max_of(), min_of() or an operator; a sign has no lhs. */
struct duration {
    enum tok op;
    struct node *lhs;
    struct node *rhs;
    bool wrapped; /* written in parentheses */
};

struct node {
    enum node_kind kind;
    enum value_type type;
    uint32_t start;
    uint32_t end;
    uint32_t depth; /* of the tree below; 0 for a leaf */
    bool invariant; /* has the same value at every step; set by promql_prepare() */
    bool duration;  /* NODE_NUMBER written as a duration, such as 5m */

    union {
        double number;
        struct str string;
        struct selector selector;
        struct subquery subquery;
        struct call call;
        struct aggregate agg;
        struct binary bin;
        struct unary unary;
        struct node *paren;
        struct duration dur;
    };
};

struct ast {
    struct arena arena;
    struct str query; /* copy */
    struct node *root;
    VEC(struct matcher *) matchers; /* owned */
};

/**
 * Parse and type-check.
 * @param ret  zeroed struct is fine to ast_done() after any outcome
 * @return 0; -ERR_INVALID with upstream's text and the span; -ERR_NOMEM
 */
NODISCARD int promql_parse(struct str query, struct promql_syntax syntax, struct ast *ret,
                           struct err *reterr);
void ast_done(struct ast *a);

/** A failure at a span of the query: "line:col: parse error: text". */
int promql_parse_error(struct str query, uint32_t start, uint32_t end, struct str text,
                       struct err *reterr);
/** Types and arguments of a parsed tree. @return 0, -ERR_INVALID */
NODISCARD int promql_check(const struct ast *a, struct err *reterr);
/** Resolve start(), end() and duration expressions, and mark what is the same at every step. `step_ms` is 0
 * for an instant query. @return 0; -ERR_INVALID with "start:end: text" for a bad duration */
NODISCARD int promql_prepare(struct ast *a, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                             struct err *reterr);

/** The expression in canonical form on one line. */
void node_print(const struct node *n, struct buf *dst);
/** The same over several lines when it is long. */
void node_pretty(const struct node *n, struct buf *dst);

static inline const struct node *node_strip_parens(const struct node *n)
{
    while (n->kind == NODE_PAREN) {
        n = n->paren;
    }
    return n;
}

#endif
