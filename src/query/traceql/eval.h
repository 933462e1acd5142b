/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation: a field expression on one span, a pipeline on one trace. A span may stand alone (no trace) for
 * expressions that tql_needs_trace() clears.
 */
#ifndef QUERY_TRACEQL_EVAL_H
#define QUERY_TRACEQL_EVAL_H

#include "base/cancel.h"
#include "query/traceql/trace.h"

/** A span to look at. */
struct tql_at {
    const struct tql_trace *trace; /* NULL: the span alone */
    const struct span *span;
    uint32_t index;      /* in the trace */
    struct arena *arena; /* for lists and texts; the value lives as long */
};

struct tql_value tql_attr_value(const struct tql_attr *attr, const struct tql_at *at);
struct tql_value tql_eval(const struct tql_expr *e, const struct tql_at *at);
/** A filter, NULL: all. */
bool tql_passes(const struct tql_expr *filter, const struct tql_at *at);

/** Does it ask for more than the span itself: root, parent, numbers of the tree, length of the trace? */
bool tql_needs_trace(const struct tql_expr *e);
bool tql_attr_needs_trace(const struct tql_attr *a);

/** A value of a spanset: of by() or an aggregate. */
struct tql_note {
    struct str key;
    struct tql_value value;
};

struct tql_set {
    uint32_t *v; /* indexes of spans, rising */
    size_t n;
    struct tql_note *notes;
    size_t notes_n;
};

struct tql_sets {
    struct tql_set *v;
    size_t n;
};

struct tql_run {
    const struct tql_trace *trace;
    struct arena *arena; /* for the sets: freed by the caller when the trace is done with */
    struct arena *tmp;   /* reset per span */
    struct cancel *cancel;
};

/** Spansets of the trace that satisfy the pipeline, none of them empty.
 * @return 0, -ERR_LIMIT (memory), -ERR_TIMEOUT, -ERR_CANCELED */
NODISCARD int tql_run_pipeline(struct tql_run *r, const struct tql_pipeline *p,
                               struct tql_sets *ret);

/* structure.c */
/** Spans of `rhs` (and for union operators of `lhs`) that stand in the relation. `lhs` and `rhs` have a byte per
 * span, not 0 when the span is in; so has *ret, in the arena. @return 0, -ERR_LIMIT */
NODISCARD int tql_relate(const struct tql_trace *t, enum tql_op op, const uint8_t *lhs,
                         const uint8_t *rhs, struct arena *a, uint8_t **ret);

#endif
