/* SPDX-License-Identifier: Apache-2.0
 *
 * A parsed and checked query. One arena holds the tree; regular expressions are heap objects and hang on a
 * list. Trees are at most TQL_DEPTH_MAX deep, so that walking them needs no care.
 */
#ifndef QUERY_TRACEQL_AST_H
#define QUERY_TRACEQL_AST_H

#include "base/err.h"
#include "base/vec.h"
#include "model/matcher.h"
#include "query/traceql/traceql.h"
#include "query/traceql/value.h"

enum { TQL_DEPTH_MAX = 500, TQL_TEXT_MAX = 128 << 10, TQL_TREE_MAX = 16 << 20 };

enum tql_scope {
    TQL_SCOPE_NONE, /* .name: the span's attributes, then the resource's */
    TQL_SCOPE_SPAN,
    TQL_SCOPE_RESOURCE,
    TQL_SCOPE_EVENT,
    TQL_SCOPE_LINK,
    TQL_SCOPE_INSTRUMENTATION,
    TQL_SCOPE_TRACE, /* intrinsics only */
};

/* X(enum, old name or "", scope, name in its scope or "", type) */
#define TQL_INTRINSICS(X)                                                                \
    X(TQL_IN_DURATION, "duration", TQL_SCOPE_SPAN, "duration", TQL_DURATION)             \
    X(TQL_IN_NAME, "name", TQL_SCOPE_SPAN, "name", TQL_STR)                              \
    X(TQL_IN_STATUS, "status", TQL_SCOPE_SPAN, "status", TQL_STATUS)                     \
    X(TQL_IN_STATUS_MESSAGE, "statusMessage", TQL_SCOPE_SPAN, "statusMessage", TQL_STR)  \
    X(TQL_IN_KIND, "kind", TQL_SCOPE_SPAN, "kind", TQL_KIND)                             \
    X(TQL_IN_CHILD_COUNT, "childCount", TQL_SCOPE_SPAN, "childCount", TQL_INT)           \
    X(TQL_IN_PARENT, "parent", TQL_SCOPE_NONE, "", TQL_STR)                              \
    X(TQL_IN_SPAN_ID, "", TQL_SCOPE_SPAN, "id", TQL_STR)                                 \
    X(TQL_IN_PARENT_ID, "", TQL_SCOPE_SPAN, "parentID", TQL_STR)                         \
    X(TQL_IN_TRACE_DURATION, "traceDuration", TQL_SCOPE_TRACE, "duration", TQL_DURATION) \
    X(TQL_IN_ROOT_NAME, "rootName", TQL_SCOPE_TRACE, "rootName", TQL_STR)                \
    X(TQL_IN_ROOT_SERVICE, "rootServiceName", TQL_SCOPE_TRACE, "rootService", TQL_STR)   \
    X(TQL_IN_TRACE_ID, "", TQL_SCOPE_TRACE, "id", TQL_STR)                               \
    X(TQL_IN_NESTED_LEFT, "nestedSetLeft", TQL_SCOPE_NONE, "", TQL_INT)                  \
    X(TQL_IN_NESTED_RIGHT, "nestedSetRight", TQL_SCOPE_NONE, "", TQL_INT)                \
    X(TQL_IN_NESTED_PARENT, "nestedSetParent", TQL_SCOPE_NONE, "", TQL_INT)              \
    X(TQL_IN_EVENT_NAME, "", TQL_SCOPE_EVENT, "name", TQL_STR)                           \
    X(TQL_IN_EVENT_TIME, "", TQL_SCOPE_EVENT, "timeSinceStart", TQL_DURATION)            \
    X(TQL_IN_LINK_TRACE_ID, "", TQL_SCOPE_LINK, "traceID", TQL_STR)                      \
    X(TQL_IN_LINK_SPAN_ID, "", TQL_SCOPE_LINK, "spanID", TQL_STR)                        \
    X(TQL_IN_SCOPE_NAME, "", TQL_SCOPE_INSTRUMENTATION, "name", TQL_STR)                 \
    X(TQL_IN_SCOPE_VERSION, "", TQL_SCOPE_INSTRUMENTATION, "version", TQL_STR)

enum tql_intrinsic {
    TQL_IN_NONE, /* an attribute */

#define TQL_IN_ENUM(id, old, scope, name, type) id,
    TQL_INTRINSICS(TQL_IN_ENUM)
#undef TQL_IN_ENUM
        TQL_IN_COUNT
};

/** A field of a span. */
struct tql_attr {
    enum tql_intrinsic intrinsic;
    enum tql_scope scope; /* of an attribute */
    bool parent;          /* of the parent span */
    bool scoped;          /* an intrinsic was written with its scope */
    struct str name;      /* of an attribute */
};

enum tql_expr_kind { TQL_LITERAL, TQL_ATTR, TQL_UNARY, TQL_BINARY };

struct tql_expr {
    enum tql_expr_kind kind;
    enum tql_type type; /* of its value, as far as it is known; TQL_ANY */
    enum tql_op op;     /* UNARY: SUB, NOT */
    unsigned depth;
    struct err_span at;
    struct tql_value value; /* LITERAL */
    struct tql_attr attr;
    const struct tql_expr *lhs; /* UNARY: the operand */
    const struct tql_expr *rhs;
    const struct matcher *regex; /* RE, NRE */
};

enum tql_agg { TQL_COUNT, TQL_AVG, TQL_MIN, TQL_MAX, TQL_SUM };

enum tql_scalar_kind { TQL_SCALAR_LITERAL, TQL_SCALAR_AGG, TQL_SCALAR_BINARY, TQL_SCALAR_PIPELINE };

struct tql_pipeline;

/** A number per spanset. */
struct tql_scalar {
    enum tql_scalar_kind kind;
    enum tql_agg agg;
    enum tql_op op;
    struct tql_value value;       /* LITERAL */
    const struct tql_expr *expr;  /* AGG; NULL for count() */
    const struct tql_scalar *lhs; /* BINARY; PIPELINE: what is taken of its spansets */
    const struct tql_scalar *rhs;
    const struct tql_pipeline *pipeline;
};

enum tql_stage_kind {
    TQL_STAGE_SPANS,
    TQL_STAGE_SCALAR,
    TQL_STAGE_BY,
    TQL_STAGE_COALESCE,
    TQL_STAGE_SELECT
};

enum tql_spans_kind { TQL_SPANS_FILTER, TQL_SPANS_BINARY, TQL_SPANS_PIPELINE };

/** A set of spans out of a set of spans. */
struct tql_spans {
    enum tql_spans_kind kind;
    enum tql_op op;
    const struct tql_expr *filter; /* FILTER; NULL: {} */
    const struct tql_spans *lhs;
    const struct tql_spans *rhs;
    const struct tql_pipeline *pipeline;
};

struct tql_stage {
    enum tql_stage_kind kind;
    const struct tql_spans *spans;
    const struct tql_scalar *lhs; /* SCALAR: lhs op rhs */
    const struct tql_scalar *rhs;
    enum tql_op op;
    const struct tql_expr *by;     /* BY */
    const struct tql_attr *select; /* SELECT */
    size_t select_n;
};

struct tql_pipeline {
    const struct tql_stage *v;
    size_t n;
};

enum tql_metric_fn {
    TQL_RATE,
    TQL_COUNT_OVER_TIME,
    TQL_MIN_OVER_TIME,
    TQL_MAX_OVER_TIME,
    TQL_AVG_OVER_TIME,
    TQL_SUM_OVER_TIME,
    TQL_QUANTILE_OVER_TIME,
    TQL_HISTOGRAM_OVER_TIME,
    TQL_COMPARE,
};

enum { TQL_BY_MAX = 16, TQL_QUANTILES_MAX = 32 };

enum tql_second_kind { TQL_TOPK, TQL_BOTTOMK, TQL_THRESHOLD };

struct tql_second {
    enum tql_second_kind kind;
    int64_t k;
    enum tql_op op;
    struct tql_value value;
};

enum tql_metric_kind { TQL_METRIC_FN, TQL_METRIC_NUMBER, TQL_METRIC_BINARY };

struct tql_metric {
    enum tql_metric_kind kind;
    /* FN */
    enum tql_metric_fn fn;
    const struct tql_pipeline *pipeline;
    const struct tql_attr *attr; /* of the functions over a value */
    struct tql_attr *by;
    size_t by_n;
    double *quantiles;
    size_t quantiles_n;
    const struct tql_expr *selection; /* COMPARE; NULL: {} */
    int64_t top_n;
    int64_t start_ns; /* COMPARE: window of the selection; both 0: none */
    int64_t end_ns;
    /* NUMBER */
    double number;
    /* BINARY */
    enum tql_op op;
    const struct tql_metric *lhs;
    const struct tql_metric *rhs;
    /* any: what follows */
    const struct tql_second *second;
    size_t second_n;
};

struct tql_hint {
    struct str name;
    struct tql_value value;
};

struct traceql {
    struct arena arena;
    struct str text; /* in the arena */
    struct tql_pipeline pipeline;
    const struct tql_metric *metric; /* NULL: a search */
    const struct tql_hint *hints;
    size_t hints_n;
    VEC(struct matcher *) regexes;
};

/** The name in answers: without scope, as a query's author wrote an intrinsic. */
struct str tql_attr_name(const struct tql_attr *a);
bool tql_attr_equal(const struct tql_attr *a, const struct tql_attr *b);
enum tql_type tql_intrinsic_type(enum tql_intrinsic in);
/** An attribute or intrinsic alone, as tag values are asked for: "resource.service.name", "status". */
NODISCARD int tql_parse_attr(struct arena *a, struct str text, struct tql_attr *ret,
                             struct err *reterr);

/* print.c */
void tql_print_attr(struct buf *dst, const struct tql_attr *a);
void tql_print_expr(struct buf *dst, const struct tql_expr *e);
void tql_print_scalar(struct buf *dst, const struct tql_scalar *s);
void tql_print_pipeline(struct buf *dst, const struct tql_pipeline *p);

/* check.c */
/** Types of a new node from its operands'. @return 0, -ERR_INVALID with the reason */
NODISCARD int tql_check_expr(struct tql_expr *e, struct str text, struct err *reterr);
NODISCARD int tql_check_filter(const struct tql_expr *e, struct err *reterr);
/** Does it look at the span at all? */
bool tql_refers_to_span(const struct tql_expr *e);

#endif
