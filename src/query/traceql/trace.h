/* SPDX-License-Identifier: Apache-2.0
 *
 * One whole trace in memory and its shape. Parents are found by span ids alone: times, which clocks may have
 * wrong, decide nothing but the order of children. A span whose parent is not there stands on its own; a span id
 * that occurs twice names its first span; a circle of parents is cut at its earliest span.
 */
#ifndef QUERY_TRACEQL_TRACE_H
#define QUERY_TRACEQL_TRACE_H

#include "query/traceql/ast.h"

enum { TQL_TRACE_SPANS_MAX = 100000 };

struct tql_node {
    uint32_t parent;      /* TQL_NONE */
    uint32_t first_child; /* TQL_NONE; children by start time */
    uint32_t next;        /* sibling */
    uint32_t children;
    uint32_t siblings; /* group of spans with one parent id; roots have none: TQL_NONE */
    uint32_t left;     /* nested set: 1, 2, ... in pre-order */
    uint32_t right;
};

#define TQL_NONE UINT32_MAX

struct tql_trace {
    const struct span *spans; /* by start time; borrowed by tql_trace_take() */
    struct tql_node *nodes;
    uint32_t *order; /* pre-order: parents before children */
    uint32_t groups; /* of siblings */
    size_t n;
    size_t root; /* first span without a parent id, TQL_NONE */
    int64_t start_ns;
    int64_t end_ns;
    bool cut;           /* had more than TQL_TRACE_SPANS_MAX spans */
    struct arena arena; /* everything of the trace */
};

/** Start empty; `budget` bytes for its shape. */
void tql_trace_init(struct tql_trace *t, size_t budget);
void tql_trace_done(struct tql_trace *t);
/** Spans by start time, borrowed until the next call: parents, order, numbers are found. Spans beyond
 * TQL_TRACE_SPANS_MAX are left out. @return 0, -ERR_LIMIT: the budget is used up */
NODISCARD int tql_trace_take(struct tql_trace *t, const struct span *spans, size_t n);

static inline bool tql_is_root(const struct span *s)
{
    return span_id_is_zero(s->parent_id);
}

static inline int64_t tql_duration(const struct span *s)
{
    return s->end_ns > s->start_ns ? s->end_ns - s->start_ns : 0;
}

#endif
