/* SPDX-License-Identifier: Apache-2.0
 *
 * PromQL's words. The lexer is modal as upstream's: what a character means depends on open braces and
 * brackets; inside brackets stand duration expressions. It never allocates for good input.
 */
#ifndef QUERY_PROMQL_LEX_H
#define QUERY_PROMQL_LEX_H

#include "base/arena.h"
#include "base/buf.h"

enum tok {
    TOK_EOF,
    TOK_ERROR, /* text is the message */
    TOK_IDENT,
    TOK_METRIC_IDENT, /* identifier with a colon */
    TOK_NUMBER,
    TOK_DURATION,
    TOK_STRING, /* text includes the quotes */
    TOK_EQL,
    TOK_COLON,
    TOK_COMMA,
    TOK_LBRACE,
    TOK_RBRACE,
    TOK_LBRACKET,
    TOK_RBRACKET,
    TOK_LPAREN,
    TOK_RPAREN,

    TOK_OP_FIRST,
    TOK_ADD = TOK_OP_FIRST,
    TOK_SUB,
    TOK_MUL,
    TOK_DIV,
    TOK_MOD,
    TOK_POW,
    TOK_ATAN2,
    TOK_EQLC, /* == */
    TOK_NEQ,
    TOK_LTE,
    TOK_LSS,
    TOK_GTE,
    TOK_GTR,
    TOK_TRIM_UPPER, /* </ */
    TOK_TRIM_LOWER, /* >/ */
    TOK_AND,
    TOK_OR,
    TOK_UNLESS,
    TOK_EQL_RE,
    TOK_NEQ_RE,
    TOK_AT,
    TOK_OP_LAST = TOK_AT,

    TOK_AGG_FIRST,
    TOK_AVG = TOK_AGG_FIRST,
    TOK_BOTTOMK,
    TOK_COUNT,
    TOK_COUNT_VALUES,
    TOK_GROUP,
    TOK_LIMITK,
    TOK_LIMIT_RATIO,
    TOK_MAX,
    TOK_MIN,
    TOK_QUANTILE,
    TOK_STDDEV,
    TOK_STDVAR,
    TOK_SUM,
    TOK_TOPK,
    TOK_AGG_LAST = TOK_TOPK,

    TOK_KEYWORD_FIRST,
    TOK_BOOL = TOK_KEYWORD_FIRST,
    TOK_BY,
    TOK_GROUP_LEFT,
    TOK_GROUP_RIGHT,
    TOK_IGNORING,
    TOK_OFFSET,
    TOK_ON,
    TOK_WITHOUT,
    TOK_ANCHORED,
    TOK_SMOOTHED,
    TOK_FILL,
    TOK_FILL_LEFT,
    TOK_FILL_RIGHT,
    TOK_KEYWORD_LAST = TOK_FILL_RIGHT,

    TOK_START,
    TOK_END,
    TOK_STEP,
    TOK_RANGE,
    TOK_MAX_OF,
    TOK_MIN_OF,
};

struct token {
    enum tok type;
    uint32_t start; /* byte offsets into the query */
    uint32_t end;
    struct str text;
};

struct lexer {
    struct str in;
    struct arena *arena; /* for error texts */
    size_t at;
    size_t start; /* of the token being read */
    int paren_depth;
    bool brace_open;
    bool bracket_open;
    bool got_colon;    /* since the last '[' */
    bool got_duration; /* since the last '[' */
    bool in_duration;  /* after '[', before its first number */
    bool done;         /* after EOF or an error: EOF for ever */
};

void lex_init(struct lexer *l, struct str in, struct arena *arena);
/** The next token that is not a comment. Spans of errors start where upstream reports them. */
struct token lex_next(struct lexer *l);

static inline bool tok_is_operator(enum tok t)
{
    return t >= TOK_OP_FIRST && t <= TOK_OP_LAST;
}

static inline bool tok_is_aggregator(enum tok t)
{
    return t >= TOK_AGG_FIRST && t <= TOK_AGG_LAST;
}

static inline bool tok_is_comparison(enum tok t)
{
    return t >= TOK_EQLC && t <= TOK_GTR;
}

/** Cuts native histograms. */
static inline bool tok_is_trim(enum tok t)
{
    return t == TOK_TRIM_UPPER || t == TOK_TRIM_LOWER;
}

static inline bool tok_is_set_operator(enum tok t)
{
    return t == TOK_AND || t == TOK_OR || t == TOK_UNLESS;
}

/** Spelling of operators, keywords and aggregators; "" for others. */
struct str tok_text(enum tok t);
/** How error messages call a token: `identifier "x"`, `","`, `<op:+>`, `end of input`. */
void token_describe(const struct token *t, struct buf *dst);

#endif
