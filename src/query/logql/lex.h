/* SPDX-License-Identifier: Apache-2.0
 *
 * Tokens of LogQL. Names of functions are tokens of their own only where a parenthesis follows; elsewhere they are
 * identifiers, so that a label may be called "rate" or "ip". '#' begins a comment.
 */
#ifndef QUERY_LOGQL_LEX_H
#define QUERY_LOGQL_LEX_H

#include "base/arena.h"
#include "base/err.h"

/* X(name, text) of everything that is written in one way only */
#define TOKEN_TABLE(X)                             \
    X(T_COMMA, ",")                                \
    X(T_DOT, ".")                                  \
    X(T_OPEN_BRACE, "{")                           \
    X(T_CLOSE_BRACE, "}")                          \
    X(T_EQ, "=")                                   \
    X(T_NEQ, "!=")                                 \
    X(T_RE, "=~")                                  \
    X(T_NRE, "!~")                                 \
    X(T_NPA, "!>")                                 \
    X(T_PIPE_EXACT, "|=")                          \
    X(T_PIPE_MATCH, "|~")                          \
    X(T_PIPE_PATTERN, "|>")                        \
    X(T_PIPE, "|")                                 \
    X(T_OPEN, "(")                                 \
    X(T_CLOSE, ")")                                \
    X(T_CLOSE_BRACKET, "]")                        \
    X(T_ADD, "+")                                  \
    X(T_SUB, "-")                                  \
    X(T_MUL, "*")                                  \
    X(T_DIV, "/")                                  \
    X(T_MOD, "%")                                  \
    X(T_POW, "^")                                  \
    X(T_CMP_EQ, "==")                              \
    X(T_GT, ">")                                   \
    X(T_GTE, ">=")                                 \
    X(T_LT, "<")                                   \
    X(T_LTE, "<=")                                 \
    X(T_UNWRAP, "unwrap")                          \
    X(T_BY, "by")                                  \
    X(T_WITHOUT, "without")                        \
    X(T_BOOL, "bool")                              \
    X(T_OFFSET, "offset")                          \
    X(T_ON, "on")                                  \
    X(T_IGNORING, "ignoring")                      \
    X(T_GROUP_LEFT, "group_left")                  \
    X(T_GROUP_RIGHT, "group_right")                \
    X(T_OR, "or")                                  \
    X(T_AND, "and")                                \
    X(T_UNLESS, "unless")                          \
    X(T_JSON, "json")                              \
    X(T_REGEXP, "regexp")                          \
    X(T_LOGFMT, "logfmt")                          \
    X(T_UNPACK, "unpack")                          \
    X(T_PATTERN, "pattern")                        \
    X(T_LABEL_FORMAT, "label_format")              \
    X(T_LINE_FORMAT, "line_format")                \
    X(T_DECOLORIZE, "decolorize")                  \
    X(T_DROP, "drop")                              \
    X(T_KEEP, "keep")                              \
    X(T_RATE, "rate")                              \
    X(T_RATE_COUNTER, "rate_counter")              \
    X(T_COUNT_OVER_TIME, "count_over_time")        \
    X(T_BYTES_RATE, "bytes_rate")                  \
    X(T_BYTES_OVER_TIME, "bytes_over_time")        \
    X(T_AVG_OVER_TIME, "avg_over_time")            \
    X(T_SUM_OVER_TIME, "sum_over_time")            \
    X(T_MIN_OVER_TIME, "min_over_time")            \
    X(T_MAX_OVER_TIME, "max_over_time")            \
    X(T_STDVAR_OVER_TIME, "stdvar_over_time")      \
    X(T_STDDEV_OVER_TIME, "stddev_over_time")      \
    X(T_QUANTILE_OVER_TIME, "quantile_over_time")  \
    X(T_FIRST_OVER_TIME, "first_over_time")        \
    X(T_LAST_OVER_TIME, "last_over_time")          \
    X(T_ABSENT_OVER_TIME, "absent_over_time")      \
    X(T_VECTOR, "vector")                          \
    X(T_SUM, "sum")                                \
    X(T_AVG, "avg")                                \
    X(T_MAX, "max")                                \
    X(T_MIN, "min")                                \
    X(T_COUNT, "count")                            \
    X(T_STDDEV, "stddev")                          \
    X(T_STDVAR, "stdvar")                          \
    X(T_BOTTOMK, "bottomk")                        \
    X(T_TOPK, "topk")                              \
    X(T_APPROX_TOPK, "approx_topk")                \
    X(T_SORT, "sort")                              \
    X(T_SORT_DESC, "sort_desc")                    \
    X(T_LABEL_REPLACE, "label_replace")            \
    X(T_BYTES_CONV, "bytes")                       \
    X(T_DURATION_CONV, "duration")                 \
    X(T_DURATION_SECONDS_CONV, "duration_seconds") \
    X(T_IP, "ip")

enum token_type {
    T_END,
    T_IDENTIFIER,
    T_STRING,
    T_NUMBER,
    T_DURATION,
    T_BYTES,
    T_RANGE,
    T_PARSER_FLAG,

#define TOKEN_ENUM(name, text) name,
    TOKEN_TABLE(TOKEN_ENUM)
#undef TOKEN_ENUM
        T_BAD, /* the error is set */
};

struct token {
    enum token_type type;
    struct str text;     /* as written; STRING: unquoted; PARSER_FLAG with its dashes */
    int64_t duration;    /* DURATION, RANGE: ns */
    double number;       /* NUMBER; BYTES: bytes */
    uint32_t start, end; /* bytes */
    uint32_t line, col;  /* from 1; col in characters */
};

struct lexer {
    struct str text;
    size_t at;
    uint32_t line;
    size_t line_start;
    struct arena *a; /* for unquoted strings */
    struct err *reterr;
};

void lq_lex_init(struct lexer *l, struct str text, struct arena *a, struct err *reterr);
/** The next token; T_BAD with the error set. */
struct token lq_lex_next(struct lexer *l);
/** How a token is named in messages. */
const char *lq_token_name(enum token_type t);
/** "parse error at line 1, col 2: ..." for a place in the text. @return -ERR_INVALID */
int lq_lex_error(const struct lexer *l, const struct token *t, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/** Text in quotes or backticks as Go's strconv.Unquote reads it. @return false: bad syntax; p NULL: no memory */
bool lq_unquote(struct arena *a, struct str s, struct str *ret);

#endif
