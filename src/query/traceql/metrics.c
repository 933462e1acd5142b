/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics queries. A single {...} that looks at spans alone is evaluated row by row as the store gives them,
 * block after block, without fetching traces; anything else goes trace by trace.
 */
#include "query/traceql/metrics_internal.h"

#include <math.h>

enum { RUN_MEMORY_MAX = 128 << 20, EXEMPLARS_MAX = 1000 };

int64_t traceql_default_step_ns(int64_t min_ns, int64_t max_ns)
{
    static const int64_t UNITS[] = {3600, 300, 60, 15, 5, 1};
    const int64_t s = 1000000000;
    int64_t base = (max_ns - min_ns) / 240;

    if (max_ns - min_ns < 60 * s) {
        base = base / 50000000 * 50000000;
        return base < 50000000 ? 50000000 : base;
    }
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (base > UNITS[i] * s) {
            return base / (UNITS[i] * s) * UNITS[i] * s;
        }
    }
    return s;
}

/* ---- one span ---- */

/* The value the function is over; durations in seconds. @return false: the span has none */
static bool span_value(const struct metrics *x, const struct tql_at *at, double *ret)
{
    struct tql_value v;

    if (x->m->attr == NULL) {
        *ret = NAN;
        return true;
    }
    v = tql_attr_value(x->m->attr, at);
    if (!tql_number(&v, ret)) {
        return false;
    }
    if (x->m->fn == TQL_HISTOGRAM_OVER_TIME) {
        *ret = tql_bucket_of(*ret); /* of nanoseconds: bounds are powers of two of those */
    }
    *ret /= v.type == TQL_DURATION ? 1e9 : 1;
    return true;
}

/* @param row  of the store; NULL: the span has its ids */
static int keep_exemplar(struct metrics *x, struct tql_series *s, const struct span *span,
                         const struct columns_row *row, double v)
{
    double whole = (double)x->table.steps * (double)x->step_ns;
    struct traceql_exemplar *e;
    int rc = tql_table_exemplar(&x->table, s, (double)(span->start_ns - x->start_ns) / whole,
                                span->start_ns, row != NULL ? row->id : 0, &e);

    if (rc < 0 || e == NULL) {
        return rc;
    }
    e->value = v;
    if (row != NULL) {
        return columns_row_ids(row, &e->trace_id, &e->span_id);
    }
    e->trace_id = span->trace_id;
    e->span_id = span->span_id;
    return 0;
}

static int observe(struct metrics *x, const struct tql_at *at, const struct columns_row *stored)
{
    struct tql_value labels[TQL_LABELS_MAX];
    const struct span *row = at->span;
    size_t step = (size_t)((row->start_ns - x->start_ns) / x->step_ns);
    struct tql_series *s;
    size_t n = x->m->by_n;
    double v;
    int rc;

    if (row->start_ns < x->start_ns || step >= x->table.steps) {
        return 0;
    }
    if (x->compare != NULL) {
        return tql_compare_add(x->compare, at, step, x->err);
    }
    if (!span_value(x, at, &v)) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        labels[i] = tql_attr_value(&x->m->by[i], at);
    }
    if (x->m->fn == TQL_HISTOGRAM_OVER_TIME) {
        labels[n] = tql_float(v);
    }
    rc = tql_table_get(&x->table, labels, &s, x->err);
    rc = rc < 0 ? rc : tql_table_add(&x->table, s, step, v);
    return rc == 0 && x->table.max_exemplars != 0 ? keep_exemplar(x, s, row, stored, v) : rc;
}

static int on_row(void *arg, const struct columns_row *row)
{
    struct metrics *x = arg;
    struct tql_at at = {NULL, row->span, 0, &x->tmp};

    arena_reset(&x->tmp);
    x->stats->spans++;
    return x->exact || tql_passes(x->filter, &at) ? observe(x, &at, row) : 0;
}

static int on_trace(void *arg, struct tql_trace *t)
{
    struct metrics *x = arg;
    struct tql_run run = {t, &x->run, &x->tmp, x->src->cancel};
    struct tql_sets sets = {0};
    int rc;

    arena_reset(&x->run);
    rc = tql_run_pipeline(&run, x->m->pipeline, &sets);
    for (size_t i = 0; i < sets.n && rc == 0; i++) {
        for (size_t k = 0; k < sets.v[i].n && rc == 0; k++) {
            uint32_t index = sets.v[i].v[k];
            const struct span *row = &t->spans[index];
            struct tql_at at = {t, row, index, &x->tmp};

            arena_reset(&x->tmp);
            if (row->start_ns >= x->src->min_ns && row->start_ns < x->src->max_ns) {
                rc = observe(x, &at, NULL);
            }
        }
    }
    return rc;
}

/* ---- the scan ---- */

static bool spans_suffice(const struct tql_metric *m, const struct tql_expr **ret)
{
    if (!tql_single_filter(m->pipeline, ret) || tql_needs_trace(*ret) ||
        tql_needs_trace(m->selection) || (m->attr != NULL && tql_attr_needs_trace(m->attr))) {
        return false;
    }
    for (size_t i = 0; i < m->by_n; i++) {
        if (tql_attr_needs_trace(&m->by[i])) {
            return false;
        }
    }
    return true;
}

static void needs(struct metrics *x)
{
    const struct tql_metric *m = x->m;
    struct tql_fields f = {.more = m->fn == TQL_COMPARE}; /* it counts every attribute */

    tql_pipeline_fields(m->pipeline, &f);
    tql_expr_fields(m->selection, &f);
    if (m->attr != NULL) {
        tql_add_field(&f, m->attr);
    }
    for (size_t i = 0; i < m->by_n; i++) {
        tql_add_field(&f, &m->by[i]);
    }
    tql_need_of(&f, &x->need);
}

static int scan_rows(struct metrics *x, struct arena *plans)
{
    struct columns_query q;
    struct tql_plan plan;
    int rc = tql_plan_expr(x->filter, plans, &plan);

    if (rc < 0) {
        return rc;
    }
    q = tql_store_query(x->src, plan.score != 0 ? plan.filter : NULL, &x->need);
    q.need =
        x->need.all ? 0 : x->need.bits | COLUMNS_NEED_TIMES; /* ids only where they are asked for */
    x->exact = plan.exact;
    rc = tql_counts(x, &q);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    return columns_each_span(x->src->spans, &q, on_row, x, &x->stats->scan, x->err);
}

static int scan_traces(struct metrics *x, struct arena *plans)
{
    struct tql_plan plan;
    int rc = tql_plan_pipeline(x->m->pipeline, plans, &plan);

    return rc < 0 ? rc
                  : tql_each_trace(x->src, plan.score != 0 ? plan.filter : NULL, &x->need, 512,
                                   on_trace, x, x->stats, x->err);
}

/* ---- the answer ---- */

static bool set_label(struct arena *a, struct attr *l, struct str key, const struct tql_value *v)
{
    l->key = arena_str_dup(a, key);
    return l->key.p != NULL && tql_to_label(a, v, &l->value);
}

static int fill_labels(const struct metrics *x, const struct tql_series *s, const double *quantile,
                       struct arena *a, struct attrs *ret)
{
    static const char *const NAMES[] = {"rate",          "count_over_time", "min_over_time",
                                        "max_over_time", "avg_over_time",   "sum_over_time"};
    struct attr *v = arena_array(a, struct attr, TQL_LABELS_MAX + 2);
    size_t n = 0;
    bool ok = v != NULL;

    for (size_t i = 0; i < x->m->by_n && ok; i++) {
        struct buf b CLEANUP(buf_done);

        buf_init(&b, 1 << 16);
        tql_print_attr(&b, &x->m->by[i]);
        ok = set_label(a, &v[n++], buf_str(&b), &s->labels[i]);
    }
    if (ok && x->m->fn == TQL_HISTOGRAM_OVER_TIME) {
        ok = set_label(a, &v[n++], STR("__bucket"), &s->labels[x->m->by_n]);
    }
    if (ok && quantile != NULL) {
        struct tql_value q = tql_float(*quantile);

        ok = set_label(a, &v[n++], STR("p"), &q);
    }
    if (ok && n == 0) {
        struct tql_value name = tql_str(str_cstr(NAMES[x->m->fn]));

        ok = set_label(a, &v[n++], STR("__name__"), &name);
    }
    *ret = (struct attrs){v, n};
    return ok ? 0 : -ERR_LIMIT;
}

static double cell_value(const struct metrics *x, const struct tql_series *s, size_t step,
                         const double *quantile)
{
    if (quantile != NULL) {
        return tql_sketch_quantile(&s->sketches[step], *quantile);
    }
    if (x->m->fn == TQL_RATE) {
        return s->a[step] / ((double)x->step_ns / 1e9);
    }
    return s->b != NULL ? s->a[step] / s->b[step] : s->a[step];
}

/* Exemplars of counts have the value of their series there; of quantiles each goes to the nearest one. */
static int fill_exemplars(const struct metrics *x, const struct tql_series *s,
                          const double *quantile, struct arena *a, struct traceql_series *ret)
{
    ret->exemplars = arena_array(a, struct traceql_exemplar, s->exemplars_n + 1);
    if (ret->exemplars == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < s->exemplars_n; i++) {
        struct traceql_exemplar e = s->exemplars[i];
        size_t step = (size_t)((e.time_ns - x->start_ns) / x->step_ns);
        double here = ret->values[step];
        bool nearest = true;

        for (size_t k = 0; quantile != NULL && k < x->m->quantiles_n; k++) {
            double other = tql_sketch_quantile(&s->sketches[step], x->m->quantiles[k]);
            double d = fabs(other - e.value) - fabs(here - e.value);

            nearest = nearest && (d > 0 || (d == 0 && &x->m->quantiles[k] >= quantile));
        }
        if (x->table.cell == TQL_CELL_COUNT) {
            e.value = here;
        }
        if (nearest) {
            ret->exemplars[ret->exemplars_n++] = e;
        }
    }
    return 0;
}

static int fill_series(const struct metrics *x, struct tql_series *s, const double *quantile,
                       struct arena *a, struct traceql_metrics *ret)
{
    struct traceql_series *to = &ret->v[ret->n++];
    int rc = fill_labels(x, s, quantile, a, &to->labels);

    to->values = arena_array(a, double, x->table.steps);
    if (rc < 0 || to->values == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < x->table.steps; i++) {
        to->values[i] = cell_value(x, s, i, quantile);
    }
    return fill_exemplars(x, s, quantile, a, to);
}

static int fill(struct metrics *x, struct arena *a, struct traceql_metrics *ret)
{
    size_t each = x->m->fn == TQL_QUANTILE_OVER_TIME ? x->m->quantiles_n : 1;
    int rc = 0;

    if (x->compare != NULL) {
        return tql_compare_finish(x->compare, ret, a);
    }
    ret->v = arena_calloc(a, x->table.n * each + 1, sizeof(*ret->v));
    if (ret->v == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < x->table.n && rc == 0; i++) {
        tql_sort_exemplars(x->table.v[i]);
        for (size_t k = 0; k < each && rc == 0; k++) {
            rc = fill_series(x, x->table.v[i],
                             x->m->fn == TQL_QUANTILE_OVER_TIME ? &x->m->quantiles[k] : NULL, a,
                             ret);
        }
    }
    return rc;
}

/* ---- the query ---- */

static enum tql_cell cell_of(enum tql_metric_fn fn)
{
    switch (fn) {
    case TQL_MIN_OVER_TIME:
        return TQL_CELL_MIN;
    case TQL_MAX_OVER_TIME:
        return TQL_CELL_MAX;
    case TQL_AVG_OVER_TIME:
        return TQL_CELL_AVG;
    case TQL_SUM_OVER_TIME:
        return TQL_CELL_SUM;
    case TQL_QUANTILE_OVER_TIME:
        return TQL_CELL_QUANTILE;
    default:
        return TQL_CELL_COUNT;
    }
}

static int run_function(const struct tql_metric *m, const struct traceql_source *src,
                        const struct traceql_metrics_opts *opts, struct arena *a,
                        struct traceql_metrics *ret, struct err *reterr)
{
    struct metrics *x = arena_calloc(a, 1, sizeof(*x));
    struct err why = {0};
    int rc;

    if (x == NULL) {
        return -ERR_LIMIT;
    }
    *x = (struct metrics){.m = m,
                          .src = src,
                          .stats = &ret->stats,
                          .start_ns = ret->start_ns,
                          .step_ns = ret->step_ns,
                          .err = reterr != NULL ? reterr : &why};
    arena_init(&x->work, TQL_WORK_MEMORY_MAX);
    arena_init(&x->run, RUN_MEMORY_MAX);
    arena_init(&x->tmp, RUN_MEMORY_MAX);
    x->table = (struct tql_table){
        .a = &x->work,
        .cell = cell_of(m->fn),
        .labels_n = m->fn == TQL_COMPARE ? 3 : m->by_n + (m->fn == TQL_HISTOGRAM_OVER_TIME),
        .steps = ret->steps,
        .max_series = opts->max_series,
        .max_exemplars = opts->max_exemplars};
    if (m->fn == TQL_COMPARE) {
        x->compare = tql_compare_new(m, &x->table);
        rc = x->compare == NULL ? -ERR_LIMIT : 0;
    } else {
        rc = 0;
    }
    needs(x);
    if (rc == 0) {
        rc = spans_suffice(m, &x->filter) ? scan_rows(x, &x->work) : scan_traces(x, &x->work);
    }
    rc = rc < 0 ? rc : fill(x, a, ret);
    arena_done(&x->work);
    arena_done(&x->run);
    arena_done(&x->tmp);
    return rc;
}

static int run_metric(const struct tql_metric *m, const struct traceql_source *src,
                      const struct traceql_metrics_opts *opts, struct arena *a,
                      struct traceql_metrics *ret, struct err *reterr)
{
    struct traceql_metrics r = *ret;
    int rc;

    if (m->kind == TQL_METRIC_FN) {
        rc = run_function(m, src, opts, a, ret, reterr);
    } else if (m->kind == TQL_METRIC_NUMBER) {
        return 0;
    } else {
        struct traceql_metrics l = *ret;

        rc = run_metric(m->lhs, src, opts, a, &l, reterr);
        r.stats = l.stats;
        rc = rc < 0 ? rc : run_metric(m->rhs, src, opts, a, &r, reterr);
        rc = rc < 0 ? rc
                    : tql_combine(m, &l, m->lhs->kind == TQL_METRIC_NUMBER, &r,
                                  m->rhs->kind == TQL_METRIC_NUMBER, a, ret);
        ret->stats = r.stats;
    }
    if (rc < 0) {
        return rc;
    }
    tql_sort_series(ret);
    return tql_second_stage(m, ret, a);
}

/* with(exemplars=false|true|n) */
static size_t exemplars_of(const struct traceql *q, size_t asked)
{
    for (size_t i = 0; i < q->hints_n; i++) {
        const struct tql_value *v = &q->hints[i].value;

        if (!str_eq(q->hints[i].name, STR("exemplars"))) {
            continue;
        }
        if (v->type == TQL_BOOL && !v->u.b) {
            return 0;
        }
        if (v->type == TQL_INT && v->u.i >= 0) {
            asked = v->u.i > EXEMPLARS_MAX ? EXEMPLARS_MAX : (size_t)v->u.i;
        }
    }
    return asked > EXEMPLARS_MAX ? EXEMPLARS_MAX : asked;
}

int traceql_metrics(const struct traceql *q, const struct traceql_source *src,
                    const struct traceql_metrics_opts *opts, struct arena *a,
                    struct traceql_metrics *ret, struct err *reterr)
{
    struct traceql_metrics r = {.start_ns = src->min_ns, .step_ns = opts->step_ns, .steps = 1};
    struct traceql_metrics_opts o = *opts;
    int rc;

    if (q->metric == NULL) {
        return err_set(reterr, ERR_INVALID,
                       "not a metrics query: it ends with no metrics function");
    }
    if (src->max_ns <= src->min_ns || opts->step_ns < 0) {
        return err_set(reterr, ERR_INVALID, "the time range is empty");
    }
    if (opts->step_ns == 0) {
        r.step_ns = src->max_ns - src->min_ns;
        o.max_exemplars = 0;
    } else {
        r.start_ns = src->min_ns - (src->min_ns % opts->step_ns + opts->step_ns) % opts->step_ns;
        r.steps = (size_t)((src->max_ns - 1 - r.start_ns) / opts->step_ns) + 1;
        o.max_exemplars = exemplars_of(q, opts->max_exemplars);
    }
    if (r.steps > TRACEQL_STEPS_MAX) {
        return err_set(reterr, ERR_INVALID, "the range holds %zu steps, at most %d are given",
                       r.steps, TRACEQL_STEPS_MAX);
    }
    rc = run_metric(q->metric, src, &o, a, &r, reterr);
    if (rc < 0) {
        return tql_explain(rc, reterr);
    }
    *ret = r;
    return 0;
}
