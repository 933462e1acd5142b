/* SPDX-License-Identifier: Apache-2.0
 *
 * Aggregations over a vector at each step: sums and their like, the largest and smallest k, sorting.
 */
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "query/logql/eval.h"

/* ---- one value a group ---- */

/* State of one group at all steps. */
struct group {
    double *mean; /* and sums, extremes */
    double *aux;
    uint32_t *count;
};

static void add(enum vector_op op, struct group *g, size_t step, double v)
{
    uint32_t n = ++g->count[step];
    double *mean = &g->mean[step];
    double delta;

    switch (op) {
    case VEC_SUM:
        *mean += v;
        break;
    case VEC_AVG:
    case VEC_STDDEV:
    case VEC_STDVAR:
        delta = v - *mean;
        *mean += delta / n;
        g->aux[step] += delta * (v - *mean);
        break;
    case VEC_MAX:
    case VEC_MIN:
        if (n == 1 || isnan(*mean) || (op == VEC_MAX ? v > *mean : v < *mean)) {
            *mean = v;
        }
        break;
    default:
        break;
    }
}

static double result(enum vector_op op, const struct group *g, size_t step)
{
    switch (op) {
    case VEC_COUNT:
        return g->count[step];
    case VEC_STDVAR:
        return g->aux[step] / g->count[step];
    case VEC_STDDEV:
        return sqrt(g->aux[step] / g->count[step]);
    default:
        return g->mean[step];
    }
}

static struct group *group_at(struct eval *e, struct group **groups, size_t *cap, size_t index)
{
    struct group *g;

    if (index >= *cap) {
        size_t grown = *cap != 0 ? 2 * *cap : 16;
        struct group *v = arena_calloc(e->a, grown > index ? grown : index + 1, sizeof(*v));

        if (v == NULL) {
            return NULL;
        }
        if (*cap != 0) {
            memcpy(v, *groups, *cap * sizeof(*v));
        }
        *groups = v;
        *cap = grown > index ? grown : index + 1;
    }
    g = &(*groups)[index];
    if (g->count == NULL) {
        g->mean = arena_calloc(e->a, e->steps, sizeof(*g->mean));
        g->aux = arena_calloc(e->a, e->steps, sizeof(*g->aux));
        g->count = arena_calloc(e->a, e->steps, sizeof(*g->count));
    }
    return g->mean == NULL || g->aux == NULL || g->count == NULL ? NULL : g;
}

static int fold(struct eval *e, const struct expr *x, const struct matrix *in, struct matrix *ret)
{
    struct group *groups = NULL;
    size_t cap = 0;

    for (size_t i = 0; i < in->n; i++) {
        struct labels ls = {0};
        struct lq_matrix_series *s;
        struct group *g;
        int rc = lq_group_labels(e, &x->by, in->v[i].labels, str_of("", 0), &ls);

        s = rc < 0 ? NULL : lq_matrix_series(e, ret, ls);
        if (s == NULL) {
            return -e->reterr->code;
        }
        g = group_at(e, &groups, &cap, (size_t)(s - ret->v));
        if (g == NULL) {
            return lq_eval_no_memory(e);
        }
        for (size_t k = 0; k < e->steps; k++) {
            if (in->v[i].has[k]) {
                add(x->vector_op, g, k, in->v[i].v[k]);
            }
        }
    }
    for (size_t i = 0; groups != NULL && i < ret->n; i++) {
        for (size_t k = 0; k < e->steps; k++) {
            if (groups[i].count[k] != 0) {
                ret->v[i].has[k] = true;
                ret->v[i].v[k] = result(x->vector_op, &groups[i], k);
            }
        }
    }
    return 0;
}

/* ---- order ---- */

struct ranked {
    double v;
    size_t index;
    uint64_t group;
};

/* Falling within a group, NaN last; ties as they stand. */
static int falling(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->group != y->group) {
        return x->group < y->group ? -1 : 1;
    }
    if (isnan(x->v) || isnan(y->v)) {
        return isnan(x->v) - isnan(y->v);
    }
    return x->v != y->v ? (x->v < y->v ? 1 : -1) : (x->index > y->index) - (x->index < y->index);
}

static int rising(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;

    if (x->group != y->group || isnan(x->v) || isnan(y->v) || x->v == y->v) {
        return falling(a, b);
    }
    return x->v < y->v ? -1 : 1;
}

static int reorder(struct eval *e, const struct matrix *in, const struct ranked *order, size_t n,
                   struct matrix *ret)
{
    *ret = (struct matrix){.v = arena_array(e->a, struct lq_matrix_series, n + 1)};
    if (ret->v == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < n; i++) {
        ret->v[ret->n++] = in->v[order[i].index];
    }
    return 0;
}

/* The k first of each group at every step; an instant query keeps their order. */
static int top(struct eval *e, const struct expr *x, const struct matrix *in, struct matrix *ret)
{
    int (*order)(const void *, const void *) = x->vector_op == VEC_BOTTOMK ? rising : falling;
    struct ranked *ranks = arena_array(e->a, struct ranked, in->n + 1);
    uint64_t *groups = arena_array(e->a, uint64_t, in->n + 1);
    size_t chosen = 0;

    if (ranks == NULL || groups == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < in->n; i++) {
        struct labels ls = {0};
        int rc = lq_group_labels(e, &x->by, in->v[i].labels, str_of("", 0), &ls);

        if (rc < 0) {
            return rc;
        }
        groups[i] = lq_labels_key(ls);
    }
    for (size_t k = 0; k < e->steps; k++) {
        double taken = 0;
        size_t n = 0;
        int rc = k % 64 == 0 ? cancel_check(e->ask->cancel) : 0;

        if (rc < 0) {
            return rc;
        }
        for (size_t i = 0; i < in->n; i++) {
            if (in->v[i].has[k]) {
                ranks[n++] = (struct ranked){in->v[i].v[k], i, groups[i]};
            }
        }
        qsort(ranks, n, sizeof(*ranks), order);
        chosen = 0;
        for (size_t i = 0; i < n; i++) {
            taken = i != 0 && ranks[i].group == ranks[i - 1].group ? taken + 1 : 0;
            if (taken >= x->param) {
                in->v[ranks[i].index].has[k] = false;
            } else {
                ranks[chosen++] = ranks[i];
            }
        }
    }
    if (e->steps != 1) {
        *ret = *in;
        return 0;
    }
    for (size_t i = 0; i < chosen; i++) {
        ranks[i].group = 0;
    }
    qsort(ranks, chosen, sizeof(*ranks), order);
    return reorder(e, in, ranks, chosen, ret);
}

static int sort(struct eval *e, const struct expr *x, const struct matrix *in, struct matrix *ret)
{
    struct ranked *ranks = arena_array(e->a, struct ranked, in->n + 1);

    if (ranks == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < in->n; i++) {
        ranks[i] = (struct ranked){in->v[i].v[0], i, 0};
    }
    qsort(ranks, in->n, sizeof(*ranks), x->vector_op == VEC_SORT ? rising : falling);
    return reorder(e, in, ranks, in->n, ret);
}

/* May the grouping be applied while rows are read? Only sums of sums. */
static bool reaches_rows(const struct expr *x)
{
    const struct expr *in = x->left;

    if (x->vector_op != VEC_SUM || in->type != EXPR_RANGE || in->by.given) {
        return false;
    }
    switch (in->range_op) {
    case RANGE_RATE:
    case RANGE_COUNT:
    case RANGE_BYTES:
    case RANGE_BYTES_RATE:
    case RANGE_SUM:
        return true;
    default:
        return false;
    }
}

/* A sum as it is around rows, and how many of its series matter (lq_eval_range()). */
static int sum_rows(struct eval *e, const struct expr *x, size_t top, struct matrix *ret)
{
    static const struct grouping NOTHING = {.given = true};

    return lq_eval_range(e, x->left, x->by.given ? &x->by : &NOTHING, top, ret);
}

/* How many series of the operand an instant "topk" of a sum of rows looks at; 0: all */
static size_t looks_at(const struct eval *e, const struct expr *x)
{
    enum { TOP_MAX = 1 << 20 };

    bool one_group = !x->by.given || (x->by.n == 0 && !x->by.without);

    return (x->vector_op == VEC_TOPK || x->vector_op == VEC_APPROX_TOPK) && one_group &&
                   e->steps == 1 && x->left->type == EXPR_AGGREGATE && reaches_rows(x->left) &&
                   x->param >= 1 && x->param <= TOP_MAX
               ? (size_t)ceil(x->param)
               : 0;
}

int lq_eval_aggregate(struct eval *e, const struct expr *x, struct matrix *ret)
{
    struct matrix in;
    size_t top_n;
    int rc;

    if (reaches_rows(x)) { /* it is summed already */
        return sum_rows(e, x, 0, ret);
    }
    top_n = looks_at(e, x);
    rc = top_n != 0 ? sum_rows(e, x->left, top_n, &in) : lq_eval_expr(e, x->left, &in);
    *ret = (struct matrix){0};
    if (rc < 0) {
        return rc;
    }
    switch (x->vector_op) {
    case VEC_TOPK:
    case VEC_BOTTOMK:
    case VEC_APPROX_TOPK:
        return top(e, x, &in, ret);
    case VEC_SORT:
    case VEC_SORT_DESC:
        return sort(e, x, &in, ret);
    default:
        return fold(e, x, &in, ret);
    }
}
