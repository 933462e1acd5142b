/* SPDX-License-Identifier: Apache-2.0
 *
 * State of one parse, shared by the parser's files: metric expressions, pipelines and label filters.
 */
#ifndef QUERY_LOGQL_PARSE_H
#define QUERY_LOGQL_PARSE_H

#include "query/logql/ast.h"
#include "query/logql/lex.h"

enum { PARSE_DEPTH_MAX = 100, PARSE_LIST_MAX = 1000 };

struct parser {
    struct lexer lex;
    struct token tok; /* the one looked at */
    struct logql_query *q;
    struct arena *a;
    unsigned depth;
    bool empty_ok; /* a selector may match everything */
    struct err *reterr;
};

/** Step to the next token. @return 0, -ERR_INVALID */
NODISCARD int lq_parse_step(struct parser *p);
/** "syntax error: unexpected X[, expecting Y]". @return -ERR_INVALID */
int lq_parse_unexpected(struct parser *p, const char *expecting);
/** An error about the meaning, which has no place: "parse error : ...". @return -ERR_INVALID */
int lq_parse_fail(struct parser *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
int lq_parse_no_memory(struct parser *p);
/** The token must be `t`; step over it. */
NODISCARD int lq_parse_expect(struct parser *p, enum token_type t);
/** An IDENTIFIER or STRING: its text, stepped over. */
NODISCARD int lq_parse_text(struct parser *p, enum token_type t, struct str *ret);
NODISCARD int lq_parse_enter(struct parser *p);
void lq_parse_leave(struct parser *p);
/** A compiled expression that the query owns. */
NODISCARD int lq_parse_finder(struct parser *p, struct str pattern, unsigned flags,
                              struct finder **ret);
NODISCARD int lq_parse_matcher(struct parser *p, enum match_op op, struct str name,
                               struct str value, struct matcher **ret);

/** Growing list in the arena. @return the new element, NULL: no memory or too many (error set) */
void *lq_parse_push(struct parser *p, void **v, size_t *n, size_t size);

/* parse_pipeline.c */
NODISCARD int lq_parse_selector(struct parser *p, struct pipeline *ret);
/** Stages up to a token that begins none. `unwrap`: may it have one? */
NODISCARD int lq_parse_stages(struct parser *p, struct pipeline *pipe, bool unwrap);
/* parse_filter.c */
NODISCARD int lq_parse_label_filter(struct parser *p, const struct label_filter **ret);
NODISCARD int lq_parse_line_filter(struct parser *p, struct line_filter *ret);
/** "1.2.3.4", "10.0.0.0/8", "10.0.0.1-10.0.0.9", IPv6 alike. */
NODISCARD bool lq_parse_ip_set(struct str s, struct ip_set *ret);
/** One address; v6 tells which. */
NODISCARD bool lq_parse_ip(struct str s, uint8_t dst[16], bool *ret_v6);
/** "a.b[0].c" of the json parser. */
NODISCARD int lq_parse_json_path(struct parser *p, struct extract *x);
/* parse_metric.c */
NODISCARD int lq_parse_expr(struct parser *p, struct expr **ret);

#endif
