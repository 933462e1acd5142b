/* SPDX-License-Identifier: Apache-2.0
 *
 * Relations between two sets of spans of one trace, each in one or two passes over it whatever the sets hold.
 */
#include "query/traceql/eval.h"

/* Of every span: is its parent in the set? */
static void below_direct(const struct tql_trace *t, const uint8_t *in, uint8_t *out)
{
    for (size_t i = 0; i < t->n; i++) {
        uint32_t parent = t->nodes[i].parent;

        out[i] = parent != TQL_NONE && in[parent] != 0;
    }
}

static void above_direct(const struct tql_trace *t, const uint8_t *in, uint8_t *out)
{
    memset(out, 0, t->n);
    for (size_t i = 0; i < t->n; i++) {
        uint32_t parent = t->nodes[i].parent;

        if (parent != TQL_NONE && in[i] != 0) {
            out[parent] = 1;
        }
    }
}

static void below(const struct tql_trace *t, const uint8_t *in, uint8_t *out)
{
    for (size_t k = 0; k < t->n; k++) { /* parents first */
        uint32_t i = t->order[k];
        uint32_t parent = t->nodes[i].parent;

        out[i] = parent != TQL_NONE && (in[parent] != 0 || out[parent] != 0);
    }
}

static void above(const struct tql_trace *t, const uint8_t *in, uint8_t *out)
{
    memset(out, 0, t->n);
    for (size_t k = t->n; k-- > 0;) { /* children first */
        uint32_t i = t->order[k];
        uint32_t parent = t->nodes[i].parent;

        if (parent != TQL_NONE && (in[i] != 0 || out[i] != 0)) {
            out[parent] = 1;
        }
    }
}

/* Another span of the same parent is in the set. */
static int beside(const struct tql_trace *t, const uint8_t *in, struct arena *a, uint8_t *out)
{
    uint32_t *count = arena_calloc(a, (size_t)t->groups + 1, sizeof(*count));

    if (count == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (in[i] != 0 && t->nodes[i].siblings != TQL_NONE) {
            count[t->nodes[i].siblings]++;
        }
    }
    for (size_t i = 0; i < t->n; i++) {
        uint32_t group = t->nodes[i].siblings;

        out[i] = group != TQL_NONE && count[group] > (in[i] != 0 ? 1u : 0u);
    }
    return 0;
}

/* out: spans that stand to some span of `in` as the right side of the operator does to the left. */
static int related(const struct tql_trace *t, enum tql_op op, const uint8_t *in, struct arena *a,
                   uint8_t *out)
{
    switch (op) {
    case TQL_CHILD:
        below_direct(t, in, out);
        return 0;
    case TQL_PARENT:
        above_direct(t, in, out);
        return 0;
    case TQL_DESCENDANT:
        below(t, in, out);
        return 0;
    case TQL_ANCESTOR:
        above(t, in, out);
        return 0;
    default:
        return beside(t, in, a, out);
    }
}

static enum tql_op inverse(enum tql_op op)
{
    switch (op) {
    case TQL_CHILD:
        return TQL_PARENT;
    case TQL_PARENT:
        return TQL_CHILD;
    case TQL_DESCENDANT:
        return TQL_ANCESTOR;
    case TQL_ANCESTOR:
        return TQL_DESCENDANT;
    default:
        return op;
    }
}

int tql_relate(const struct tql_trace *t, enum tql_op op, const uint8_t *lhs, const uint8_t *rhs,
               struct arena *a, uint8_t **ret)
{
    bool negated = op >= TQL_NOT_CHILD && op <= TQL_NOT_SIBLING;
    bool both = op >= TQL_UNION_CHILD;
    enum tql_op plain = negated ? (enum tql_op)(op - TQL_NOT_CHILD + TQL_CHILD)
                        : both  ? (enum tql_op)(op - TQL_UNION_CHILD + TQL_CHILD)
                                : op;
    uint8_t *out = arena_array(a, uint8_t, t->n + 1);
    uint8_t *left = both ? arena_array(a, uint8_t, t->n + 1) : NULL;
    int rc;

    if (out == NULL || (both && left == NULL)) {
        return -ERR_LIMIT;
    }
    rc = related(t, plain, lhs, a, out);
    if (rc == 0 && both) {
        rc = related(t, inverse(plain), rhs, a, left);
    }
    for (size_t i = 0; i < t->n && rc == 0; i++) {
        out[i] = rhs[i] != 0 && (out[i] != 0) != negated;
        if (both && lhs[i] != 0 && left[i] != 0) {
            out[i] = 1;
        }
    }
    *ret = out;
    return rc;
}
