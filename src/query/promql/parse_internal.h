/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the parser share. Every parse_x() takes its construct from the current token on and
 * @return NULL or false after the first error, which is kept in `rc` and the caller's struct err.
 */
#ifndef QUERY_PROMQL_PARSE_INTERNAL_H
#define QUERY_PROMQL_PARSE_INTERNAL_H

#include "base/err.h"
#include "query/promql/ast.h"

enum {
    NESTING_MAX = 250, /* what the parser recurses into */
    DEPTH_MAX =
        1000, /* of the tree, as evaluation recurses; a chain of operators is as deep as long */
    QUERY_MAX_BYTES = 1 << 20,
    AST_MAX_BYTES = 256 << 20,
};

enum precedence {
    PREC_OR = 1,
    PREC_AND,
    PREC_COMPARE,
    PREC_ADD,
    PREC_MUL,
    PREC_POW,
};

struct parser {
    struct lexer lex;
    struct token cur;
    struct ast *ast;
    struct promql_syntax syntax;
    struct err *reterr;
    int rc;
    int agg_depth; /* aggregations being read: the context of unexpected() */
    int depth;
    uint32_t last_closing; /* end of the last closing token read */
};

typedef VEC(struct node *) node_list;

/* --- parse.c --- */

void parse_advance(struct parser *p);
/** The current token is `type`: go on. */
bool parse_take(struct parser *p, enum tok type);
void *parse_fail_at(struct parser *p, uint32_t start, uint32_t end, struct str text);
void *parse_no_memory(struct parser *p);
/** The current token does not fit. Errors of the lexer tell more and win. `context` NULL: by nesting */
void *parse_unexpected(struct parser *p, const char *context, const char *expected);
struct node *parse_node_new(struct parser *p, enum node_kind kind, enum value_type type,
                            uint32_t start, uint32_t end);
/** Note that `child` is below `n`. @return n, or NULL when the tree gets too deep */
struct node *parse_adopt(struct parser *p, struct node *n, const struct node *child);
/** How strongly a binary operator binds; 0 for other tokens. */
int parse_precedence(enum tok t);

/* --- parse_literal.c --- */

/** A number or duration token as a literal. */
struct node *parse_number(struct parser *p);
struct node *parse_string(struct parser *p);
/** Arithmetic over durations, down to operators that bind at least as `min_prec`. Literals come out as
 * NODE_NUMBER in seconds, all else as NODE_DURATION. */
struct node *parse_duration(struct parser *p, int min_prec);
/** What follows `offset`: a literal, with sign, or a call or parentheses, but no binary operator. */
struct node *parse_offset_duration(struct parser *p);
/** Text of a string token. */
bool parse_unquote(struct parser *p, struct token t, struct str *ret);

/* --- parse_selector.c --- */

/** `name` is the token before (type TOK_EOF: none). */
struct node *parse_selector(struct parser *p, struct token name);
bool parse_names(struct parser *p, struct names *ret);
/** `offset`, `@`, ranges, `anchored` and `smoothed` behind an expression. */
struct node *parse_postfix(struct parser *p, struct node *n);
/** May this word be a metric's name? */
bool parse_is_metric_word(enum tok t);

#endif
