/* SPDX-License-Identifier: Apache-2.0
 *
 * Entry of the evaluation, matrices, and the nodes that need no file of their own.
 */
#include "query/logql/eval.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "query/logql/finder.h"

void logql_limits_default(struct logql_limits *l)
{
    *l = (struct logql_limits){.max_series = 500000,
                               .max_points = 11000,
                               .memory_bytes = 512 << 20,
                               .max_row_bytes = 64 << 20};
}

int lq_eval_charge(struct eval *e, size_t bytes)
{
    struct logql_result *r = e->result;

    if (r->charged + (int64_t)bytes > (int64_t)e->ask->limits.memory_bytes) {
        return err_set(e->reterr, ERR_LIMIT,
                       "the query needs more than %zu bytes of memory; select fewer streams, a "
                       "shorter time range, or aggregate by fewer labels",
                       e->ask->limits.memory_bytes);
    }
    if (!budget_take(e->ask->budget, (int64_t)bytes)) {
        return err_set(e->reterr, ERR_OVERLOAD, "too many queries are running: no memory left");
    }
    r->charged += (int64_t)bytes;
    if (r->charged > r->stats.peak_bytes) {
        r->stats.peak_bytes = r->charged;
    }
    return 0;
}

void lq_eval_uncharge(struct eval *e, size_t bytes)
{
    e->result->charged -= (int64_t)bytes;
    budget_give(e->ask->budget, (int64_t)bytes);
}

int lq_eval_no_memory(struct eval *e)
{
    return err_set(e->reterr, ERR_LIMIT,
                   "the query needs more than %zu bytes of memory; select fewer streams, a shorter "
                   "time range, or aggregate by fewer labels",
                   e->ask->limits.memory_bytes);
}

/* ---- matrices ---- */

uint64_t lq_labels_key(struct labels ls)
{
    uint64_t key = ls.n;

    for (size_t i = 0; i < ls.n; i++) {
        key = hash64_seed(ls.v[i].name.p, ls.v[i].name.n, key);
        key = hash64_seed(ls.v[i].value.p, ls.v[i].value.n, key);
    }
    return key;
}

static bool grow_slots(struct eval *e, struct matrix *m)
{
    size_t n = m->slots_n != 0 ? m->slots_n * 4 : 64;
    size_t *slots = arena_calloc(e->a, n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->n; i++) {
        size_t at = m->v[i].key & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = i + 1;
    }
    m->slots = slots;
    m->slots_n = n;
    return true;
}

static bool grow_series(struct eval *e, struct matrix *m)
{
    size_t cap = m->cap != 0 ? 2 * m->cap : 16;
    struct lq_matrix_series *v = arena_array(e->a, struct lq_matrix_series, cap);

    if (v == NULL) {
        return false;
    }
    if (m->n != 0) {
        memcpy(v, m->v, m->n * sizeof(*v));
    }
    m->v = v;
    m->cap = cap;
    return true;
}

struct lq_matrix_series *lq_matrix_series(struct eval *e, struct matrix *m, struct labels ls)
{
    uint64_t key = lq_labels_key(ls);
    struct lq_matrix_series *s;
    size_t at;

    if (m->n * 2 >= m->slots_n && !grow_slots(e, m)) {
        lq_eval_no_memory(e);
        return NULL;
    }
    at = key & (m->slots_n - 1);
    while (m->slots[at] != 0) {
        s = &m->v[m->slots[at] - 1];
        if (s->key == key && labels_eq(s->labels, ls)) {
            return s;
        }
        at = (at + 1) & (m->slots_n - 1);
    }
    if (m->n == e->ask->limits.max_series) {
        err_set(e->reterr, ERR_LIMIT,
                "maximum number of series (%zu) reached for a single query; consider reducing "
                "query cardinality by adding more specific stream selectors, reducing the time "
                "range, or aggregating results with functions like sum(), count() or topk()",
                e->ask->limits.max_series);
        return NULL;
    }
    if (m->n == m->cap && !grow_series(e, m)) {
        lq_eval_no_memory(e);
        return NULL;
    }
    s = &m->v[m->n];
    *s = (struct lq_matrix_series){.key = key};
    s->v = arena_calloc(e->a, e->steps, sizeof(*s->v));
    s->has = arena_calloc(e->a, e->steps, sizeof(*s->has));
    if (s->v == NULL || s->has == NULL || labels_dup(ls, e->a, &s->labels) < 0) {
        lq_eval_no_memory(e);
        return NULL;
    }
    m->n++;
    m->slots[at] = m->n;
    return s;
}

static bool is_named(const struct grouping *g, struct str name)
{
    for (size_t i = 0; i < g->n; i++) {
        if (str_eq(g->names[i], name)) {
            return true;
        }
    }
    return false;
}

int lq_group_labels(struct eval *e, const struct grouping *g, struct labels ls, struct str drop,
                    struct labels *ret)
{
    struct label *v = arena_array(e->a, struct label, ls.n + 1);
    size_t n = 0;

    if (v == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < ls.n; i++) {
        bool keep = g->given ? is_named(g, ls.v[i].name) != g->without : false;

        if (keep && (ls.v[i].value.n != 0 || !g->without) && !str_eq(ls.v[i].name, drop)) {
            v[n++] = ls.v[i];
        }
    }
    *ret = (struct labels){v, n};
    return 0;
}

/* ---- nodes ---- */

static int eval_number(struct eval *e, const struct expr *x, bool scalar, struct matrix *ret)
{
    struct lq_matrix_series *s;

    *ret = (struct matrix){0};
    s = lq_matrix_series(e, ret, (struct labels){0});
    if (s == NULL) {
        return -e->reterr->code;
    }
    for (size_t i = 0; i < e->steps; i++) {
        s->v[i] = x->param;
        s->has[i] = true;
    }
    ret->scalar = scalar;
    return 0;
}

static int replace_label(struct eval *e, const struct expr *x, const struct lq_matrix_series *from,
                         struct labels *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str src = labels_get(from->labels, x->src);
    struct label *v;
    struct str value;
    size_t n = 0;

    *ret = from->labels;
    if (finder_next(x->re, src, 0) == 0) {
        return 0;
    }
    buf_init(&b, 1 << 20);
    finder_expand(x->re, src, x->replacement, &b);
    v = arena_array(e->a, struct label, from->labels.n + 1);
    value = arena_str_dup(e->a, buf_str(&b));
    if (v == NULL || value.p == NULL || b.failed) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < from->labels.n; i++) {
        if (!str_eq(from->labels.v[i].name, x->dst)) {
            v[n++] = from->labels.v[i];
        }
    }
    v[n++] = (struct label){x->dst, value};
    ignore_result(labels_normalize(v, &n), "the name was taken out before");
    *ret = (struct labels){v, n};
    return 0;
}

static int eval_label_replace(struct eval *e, const struct expr *x, struct matrix *ret)
{
    struct matrix in = {0};
    int rc = lq_eval_expr(e, x->left, &in);

    *ret = (struct matrix){0};
    for (size_t i = 0; rc == 0 && i < in.n; i++) {
        struct lq_matrix_series *s = NULL;
        struct labels ls = {0};

        rc = replace_label(e, x, &in.v[i], &ls);
        s = rc < 0 ? NULL : lq_matrix_series(e, ret, ls);
        if (rc == 0 && s == NULL) {
            rc = -e->reterr->code;
        }
        for (size_t k = 0; rc == 0 && k < e->steps; k++) {
            if (in.v[i].has[k]) {
                s->has[k] = true;
                s->v[k] = in.v[i].v[k];
            }
        }
    }
    return rc;
}

int lq_eval_expr(struct eval *e, const struct expr *x, struct matrix *ret)
{
    int rc = cancel_check(e->ask->cancel);

    if (rc < 0) {
        return rc;
    }
    switch (x->type) {
    case EXPR_RANGE:
        return lq_eval_range(e, x, NULL, 0, ret);
    case EXPR_AGGREGATE:
        return lq_eval_aggregate(e, x, ret);
    case EXPR_BINARY:
        return lq_eval_binary(e, x, ret);
    case EXPR_NUMBER:
        return eval_number(e, x, true, ret);
    case EXPR_VECTOR:
        return eval_number(e, x, false, ret);
    case EXPR_LABEL_REPLACE:
        return eval_label_replace(e, x, ret);
    default:
        return err_set(e->reterr, ERR_INVALID, "a log query inside a metric query");
    }
}

/* ---- results ---- */

static int series_out(struct eval *e, const struct lq_matrix_series *from, struct logql_series *to)
{
    size_t n = 0;

    for (size_t i = 0; i < e->steps; i++) {
        n += from->has[i];
    }
    *to = (struct logql_series){.labels = from->labels};
    to->t_ns = arena_array(e->a, int64_t, n + 1);
    to->v = arena_array(e->a, double, n + 1);
    if (to->t_ns == NULL || to->v == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < e->steps; i++) {
        if (from->has[i]) {
            to->t_ns[to->n] = e->start_ns + (int64_t)i * e->step_ns;
            to->v[to->n++] = from->v[i];
        }
    }
    return 0;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct logql_series *)a)->labels,
                      ((const struct logql_series *)b)->labels);
}

static bool keeps_order(const struct expr *x)
{
    return x->type == EXPR_AGGREGATE &&
           (x->vector_op == VEC_SORT || x->vector_op == VEC_SORT_DESC || x->vector_op == VEC_TOPK ||
            x->vector_op == VEC_BOTTOMK || x->vector_op == VEC_APPROX_TOPK);
}

static int run_metric(const struct logql_query *q, struct eval *e)
{
    struct logql_result *r = e->result;
    struct matrix m = {0};
    int rc = lq_eval_expr(e, q->root, &m);

    if (rc < 0) {
        return rc;
    }
    r->scalar = m.scalar;
    r->series = arena_array(e->a, struct logql_series, m.n + 1);
    if (r->series == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; rc == 0 && i < m.n; i++) {
        rc = series_out(e, &m.v[i], &r->series[r->series_n]);
        r->series_n += rc == 0 && r->series[r->series_n].n != 0;
    }
    if (rc == 0 && !(e->ask->step_ns == 0 && keeps_order(q->root))) {
        qsort(r->series, r->series_n, sizeof(*r->series), by_labels);
    }
    return rc;
}

static int check_steps(const struct logql_ask *ask, struct eval *e)
{
    e->start_ns = ask->step_ns == 0 ? ask->end_ns : ask->start_ns;
    e->step_ns = ask->step_ns == 0 ? 1 : ask->step_ns;
    e->steps = 1;
    if (ask->step_ns != 0) {
        int64_t steps = (ask->end_ns - ask->start_ns) / ask->step_ns;

        if (steps >= (int64_t)ask->limits.max_points) {
            return err_set(e->reterr, ERR_INVALID,
                           "exceeded maximum resolution of %zu points per time series. Try "
                           "increasing the value of the step parameter",
                           ask->limits.max_points);
        }
        e->steps = (size_t)steps + 1;
    }
    return 0;
}

int logql_run(struct logql_query *q, const struct logql_ask *ask, struct logql_result **ret,
              struct err *reterr)
{
    struct logql_result *r = mem_xcalloc(1, sizeof(*r));
    struct mono since = clock_mono();
    struct err local = {0};
    struct eval e = {
        .ask = ask, .result = r, .a = &r->arena, .reterr = reterr != NULL ? reterr : &local};
    int rc;

    r->kind = logql_kind(q);
    r->budget = ask->budget;
    arena_init(&r->arena, ask->limits.memory_bytes);
    if (r->kind == LOGQL_LOGS) {
        rc = lq_run_logs(q, ask, r, e.reterr);
    } else {
        rc = check_steps(ask, &e);
        rc = rc < 0 ? rc : run_metric(q, &e);
    }
    if (rc < 0) {
        logql_result_free(r);
        return rc;
    }
    r->stats.exec_ns = mono_since_ns(since);
    if ((int64_t)r->arena.used > r->stats.peak_bytes) {
        r->stats.peak_bytes = (int64_t)r->arena.used;
    }
    *ret = r;
    return 0;
}

void logql_result_free(struct logql_result *r)
{
    if (r != NULL) {
        budget_give(r->budget, r->charged);
        arena_done(&r->arena);
        mem_free(r);
    }
}

void lq_stats_add(struct logql_stats *s, const struct scan_stats *scan)
{
    s->scanned += scan->rows_scanned;
    s->blocks += scan->blocks_read;
    s->pruned += scan->blocks_pruned;
}
