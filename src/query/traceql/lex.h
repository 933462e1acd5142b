/* SPDX-License-Identifier: Apache-2.0
 *
 * TraceQL's words. An attribute is one word: its name runs to white space or one of {}()=~!<>&|^, so that a
 * name may hold dots, dashes and slashes; what is in double quotes belongs to it as it is.
 */
#ifndef QUERY_TRACEQL_LEX_H
#define QUERY_TRACEQL_LEX_H

#include "query/traceql/ast.h"

enum tql_tok {
    TQL_TOK_END,
    TQL_TOK_LBRACE,
    TQL_TOK_RBRACE,
    TQL_TOK_LPAREN,
    TQL_TOK_RPAREN,
    TQL_TOK_COMMA,
    TQL_TOK_PIPE,
    TQL_TOK_OP,      /* op; > < !~ are TQL_GT, TQL_LT, TQL_NRE wherever they stand */
    TQL_TOK_LITERAL, /* value: string or number */
    TQL_TOK_WORD,    /* text: keyword, intrinsic or function */
    TQL_TOK_FIELD,   /* attr: attribute, or intrinsic with its scope */
};

struct tql_token {
    enum tql_tok type;
    enum tql_op op;
    struct err_span at;
    struct str text;
    struct tql_value value;
    struct tql_attr attr;
};

struct tql_lexer {
    struct str text;
    size_t pos;
    struct arena *a; /* unescaped strings and names */
};

/** @return 0; -ERR_INVALID in the form of tql_error_at(), -ERR_NOMEM */
NODISCARD int tql_lex(struct tql_lexer *l, struct tql_token *ret, struct err *reterr);
/** "parse error at line L, col C: ..."; lines and characters count from 1. */
int tql_error_at(struct str text, struct err_span at, struct err *reterr, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/** How a token is named in messages. */
struct str tql_token_name(const struct tql_token *t);

#endif
