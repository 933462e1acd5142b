/* SPDX-License-Identifier: Apache-2.0
 *
 * The tree of a parsed query. All of it lies in the query's arena; what needs freeing is on the query's list of
 * regular expressions. Invariant: a tree that the parser handed out is checked and ready to run.
 */
#ifndef QUERY_LOGQL_AST_H
#define QUERY_LOGQL_AST_H

#include "base/arena.h"
#include "base/vec.h"
#include "model/matcher.h"
#include "query/logql/finder.h"
#include "query/logql/logql.h"

struct line_pattern; /* pattern.h */
struct template;     /* template.h */
struct row;          /* row.h */

/* ---- pipeline ---- */

enum line_op {
    LINE_CONTAINS,
    LINE_NOT_CONTAINS,
    LINE_MATCH,
    LINE_NOT_MATCH,
    LINE_PATTERN,
    LINE_NOT_PATTERN,
};

/* An address, a range of them or a network. */
struct ip_set {
    bool v6;
    uint8_t low[16];
    uint8_t high[16];
};

struct line_term {
    bool is_ip;
    struct str text;
    struct ip_set ip;
    struct finder *re;            /* MATCH */
    struct line_pattern *pattern; /* PATTERN */
};

/* One operator; a line passes when any term fits (the negative ones: when none does). */
struct line_filter {
    enum line_op op;
    struct line_term *terms;
    size_t n;
};

enum compare { CMP_EQ, CMP_NE, CMP_GT, CMP_GE, CMP_LT, CMP_LE };

enum label_test {
    TEST_AND,
    TEST_OR,
    TEST_STRING,
    TEST_NUMBER,
    TEST_DURATION,
    TEST_BYTES,
    TEST_IP,
};

struct label_filter {
    enum label_test test;
    const struct label_filter *left, *right; /* AND, OR */
    struct str name;
    struct matcher *matcher; /* STRING */
    enum compare cmp;        /* the others */
    double number;           /* NUMBER, BYTES */
    int64_t duration_ns;
    struct ip_set ip;
    struct str text; /* as written: the address or the unit */
    bool comma;      /* AND written as a comma or a space */
    bool paren;      /* in parentheses: printed so */
};

struct extract {
    struct str label;
    struct str expr;
    struct str *path; /* JSON: keys; an index is "[3]" */
    size_t path_n;
    bool bare; /* written without an expression */
};

struct label_format {
    struct str dst;
    struct str src; /* label to rename; empty: by template */
    struct template *tpl;
    struct str text;
};

/* drop, keep: a name, with a matcher only when its value fits. */
struct label_pick {
    struct str name;
    struct matcher *matcher;
};

enum unwrap_conv { UNWRAP_NUMBER, UNWRAP_DURATION, UNWRAP_DURATION_SECONDS, UNWRAP_BYTES };

enum stage_type {
    STAGE_LINE,
    STAGE_JSON,
    STAGE_LOGFMT,
    STAGE_REGEXP,
    STAGE_PATTERN,
    STAGE_UNPACK,
    STAGE_LABEL,
    STAGE_LINE_FORMAT,
    STAGE_LABEL_FORMAT,
    STAGE_DECOLORIZE,
    STAGE_DROP,
    STAGE_KEEP,
    STAGE_UNWRAP,
};

struct stage {
    enum stage_type type;
    struct line_filter line;          /* LINE */
    const struct label_filter *label; /* LABEL */
    struct extract *extracts;         /* JSON, LOGFMT */
    size_t extracts_n;
    bool strict, keep_empty;      /* LOGFMT */
    struct str text;              /* REGEXP, PATTERN, LINE_FORMAT; UNWRAP: the label */
    struct finder *re;            /* REGEXP */
    struct line_pattern *pattern; /* PATTERN */
    struct template *tpl;         /* LINE_FORMAT */
    struct label_format *formats; /* LABEL_FORMAT */
    size_t formats_n;
    struct label_pick *picks; /* DROP, KEEP */
    size_t picks_n;
    enum unwrap_conv conv;
};

struct pipeline {
    struct matcher **matchers;
    size_t matchers_n;
    struct stage *stages;
    size_t n;
    bool unwraps;
};

/* ---- metric expressions ---- */

struct grouping {
    bool given;
    bool without;
    struct str *names;
    size_t n;
};

enum range_op {
    RANGE_RATE,
    RANGE_RATE_COUNTER,
    RANGE_COUNT,
    RANGE_BYTES_RATE,
    RANGE_BYTES,
    RANGE_AVG,
    RANGE_SUM,
    RANGE_MIN,
    RANGE_MAX,
    RANGE_STDVAR,
    RANGE_STDDEV,
    RANGE_QUANTILE,
    RANGE_FIRST,
    RANGE_LAST,
    RANGE_ABSENT,
};

enum vector_op {
    VEC_SUM,
    VEC_AVG,
    VEC_MAX,
    VEC_MIN,
    VEC_COUNT,
    VEC_STDDEV,
    VEC_STDVAR,
    VEC_BOTTOMK,
    VEC_TOPK,
    VEC_APPROX_TOPK,
    VEC_SORT,
    VEC_SORT_DESC,
};

enum binary_op {
    BIN_OR,
    BIN_AND,
    BIN_UNLESS,
    BIN_EQ,
    BIN_NE,
    BIN_GT,
    BIN_GE,
    BIN_LT,
    BIN_LE,
    BIN_ADD,
    BIN_SUB,
    BIN_MUL,
    BIN_DIV,
    BIN_MOD,
    BIN_POW,
};

enum group_side { GROUP_NONE, GROUP_LEFT, GROUP_RIGHT };

enum expr_type {
    EXPR_LOG,
    EXPR_RANGE,
    EXPR_AGGREGATE,
    EXPR_BINARY,
    EXPR_NUMBER,
    EXPR_VECTOR,
    EXPR_LABEL_REPLACE,
};

struct expr {
    enum expr_type type;
    bool paren;
    struct pipeline *pipe; /* LOG, RANGE */
    /* RANGE */
    enum range_op range_op;
    int64_t range_ns;
    int64_t offset_ns;
    bool has_offset;
    /* RANGE quantile, AGGREGATE k, NUMBER, VECTOR */
    double param;
    bool has_param;
    struct grouping by;
    /* AGGREGATE */
    enum vector_op vector_op;
    /* BINARY; left is also the operand of AGGREGATE and LABEL_REPLACE */
    enum binary_op op;
    struct expr *left, *right;
    bool return_bool;
    bool on, has_matching;
    struct str *match_names;
    size_t match_n;
    enum group_side group;
    struct str *include;
    size_t include_n;
    /* LABEL_REPLACE */
    struct str dst, replacement, src, pattern;
    struct finder *re;
};

struct logql_query {
    struct arena arena;
    struct expr *root;
    VEC(struct matcher *) matchers; /* to be freed */
    struct finders finders;
    struct str *names; /* logql_selector_names() */
    size_t names_n;
    struct row *tail_row; /* logql_tail() */
};

const char *lq_range_op_name(enum range_op op);
const char *lq_vector_op_name(enum vector_op op);
const char *lq_binary_op_name(enum binary_op op);

#endif
