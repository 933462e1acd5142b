/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser's state and the two halves of it: fields inside {} and what stands around them. One token of
 * look-ahead; the first error ends it.
 */
#ifndef QUERY_TRACEQL_PARSE_INTERNAL_H
#define QUERY_TRACEQL_PARSE_INTERNAL_H

#include "query/traceql/lex.h"

struct tql_parser {
    struct traceql *q;
    struct tql_lexer lexer;
    struct tql_token tok; /* the next one, not consumed */
    unsigned nesting;     /* of the text: parentheses and unary operators */
};

NODISCARD int tql_advance(struct tql_parser *p, struct err *reterr);
/** Consume a token of this type. */
NODISCARD int tql_expect(struct tql_parser *p, enum tql_tok type, const char *what,
                         struct err *reterr);
/** "syntax error: unexpected X, expecting WHAT" */
int tql_unexpected(struct tql_parser *p, const char *what, struct err *reterr);
int tql_no_memory(struct err *reterr);
NODISCARD int tql_enter(struct tql_parser *p, struct err *reterr);

static inline void tql_leave(struct tql_parser *p)
{
    p->nesting--;
}

static inline bool tql_at_word(const struct tql_parser *p, const char *word)
{
    return p->tok.type == TQL_TOK_WORD && str_eq(p->tok.text, str_cstr(word));
}

/** Binding strength of a binary operator of fields or spansets, 0: none. All of && and || bind alike. */
int tql_precedence(enum tql_op op);

/* parse_field.c */
NODISCARD int tql_parse_expr(struct tql_parser *p, const struct tql_expr **ret, struct err *reterr);
/** One attribute or intrinsic. */
NODISCARD int tql_parse_field(struct tql_parser *p, struct tql_attr *ret, struct err *reterr);
/** A keyword that is a value: true, ok, server, minInt, ... */
bool tql_word_value(struct str word, struct tql_value *ret);
bool tql_word_intrinsic(struct str word, struct tql_attr *ret);

/* parse_metric.c */
bool tql_is_metric_fn(const struct tql_parser *p);
/** fn(...) [by(...)], after its pipeline. */
NODISCARD int tql_parse_metric(struct tql_parser *p, const struct tql_pipeline *pipeline,
                               struct tql_metric **ret, struct err *reterr);
/** topk(n) or bottomk(n) at hand, appended. */
NODISCARD int tql_parse_top(struct tql_parser *p, struct tql_metric *m, struct err *reterr);
NODISCARD int tql_add_second(struct tql_parser *p, struct tql_metric *m, struct tql_second s,
                             struct err *reterr);
NODISCARD int tql_parse_attrs(struct tql_parser *p, struct tql_attr **ret, size_t *ret_n,
                              struct err *reterr);

#endif
