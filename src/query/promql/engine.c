/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine's doors: a query's life from text to result, and the copy of the answer out of the query's
 * memory into the result's own.
 */
#include <stdlib.h>

#include "base/stats.h"
#include "query/promql/active.h"
#include "query/promql/eval.h"

enum { RESULT_MAX_BYTES = 1 << 30 };

/** Times outside are cut to it, so that arithmetic on times cannot overflow. About 73 million years. */
#define TIME_LIMIT_MS (INT64_MAX / 4)

struct promql_engine {
    struct promql_opts opts;
    struct active *active;
    struct counter *queries;
    struct counter *failures;
    struct counter *samples;
    struct timing *seconds;
};

struct promql_result_impl {
    struct arena arena; /* labels, strings and the arrays */
    struct budget *budget;
    int64_t billed;
};

struct promql_engine *promql_engine_new(const struct promql_opts *opts)
{
    struct promql_engine *e = mem_xcalloc(1, sizeof(*e));

    e->opts = *opts;
    e->active = active_new(opts->active_file);
    e->opts.active_file = NULL;
    e->opts.lookback_ms = opts->lookback_ms > 0 ? opts->lookback_ms : 300000;
    e->opts.default_interval_ms = opts->default_interval_ms > 0 ? opts->default_interval_ms : 60000;
    e->opts.max_samples = opts->max_samples != 0 ? opts->max_samples : 50000000;
    e->opts.max_series = opts->max_series != 0 ? opts->max_series : 1000000;
    e->opts.max_memory_bytes = opts->max_memory_bytes > 0 ? opts->max_memory_bytes : 512 << 20;
    e->opts.max_points = opts->max_points > 0 ? opts->max_points : 11000;
    e->queries = stats_counter(opts->stats, "promql_queries_total", "", "Queries evaluated.");
    e->failures =
        stats_counter(opts->stats, "promql_query_failures_total", "", "Queries that failed.");
    e->samples =
        stats_counter(opts->stats, "promql_samples_read_total", "", "Samples decoded by queries.");
    e->seconds = stats_timing(opts->stats, "promql_query_seconds", "", "Time of a query.");
    return e;
}

struct promql_syntax promql_engine_syntax(const struct promql_engine *e)
{
    return e->opts.syntax;
}

void promql_engine_free(struct promql_engine *e)
{
    if (e != NULL) {
        active_free(e->active);
    }
    mem_free(e);
}

void promql_each_running(struct promql_engine *e,
                         void (*fn)(void *arg, const struct promql_running *q), void *arg)
{
    active_each(e->active, fn, arg);
}

bool promql_cancel(struct promql_engine *e, uint64_t id)
{
    return active_cancel(e->active, id);
}

/* --- Results --- */

void promql_result_free(struct promql_result *r)
{
    if (r == NULL) {
        return;
    }
    budget_give(r->impl->budget, r->impl->billed);
    arena_done(&r->impl->arena);
    mem_free(r->impl);
    mem_free(r);
}

static struct promql_result *result_new(struct eval *ev, enum promql_type type)
{
    struct promql_result *r = mem_xcalloc(1, sizeof(*r));

    r->type = type;
    r->impl = mem_xcalloc(1, sizeof(*r->impl));
    r->impl->budget = ev->opts->budget;
    arena_init(&r->impl->arena, (size_t)ev->opts->max_memory_bytes);
    return r;
}

static bool result_alloc(struct promql_result *r, size_t series)
{
    r->series = arena_calloc(&r->impl->arena, series + 1, sizeof(*r->series));
    return r->series != NULL;
}

static bool result_add(struct promql_result *r, struct labels ls, size_t points)
{
    struct promql_series *s = &r->series[r->series_n];

    if (labels_dup(ls, &r->impl->arena, &s->labels) != 0) {
        return false;
    }
    s->t_ms = arena_array(&r->impl->arena, int64_t, points + 1);
    s->v = arena_array(&r->impl->arena, double, points + 1);
    s->n = points;
    r->series_n++;
    return s->t_ms != NULL && s->v != NULL;
}

/** Histograms of the last series' points, copied into the result. */
static bool result_hists(struct promql_result *r, const struct eval *ev)
{
    struct promql_series *s = &r->series[r->series_n - 1];

    for (size_t i = 0; hist_any(ev) && i < s->n; i++) {
        const struct native_histogram *h = hist_get(ev, s->v[i]);

        if (h == NULL) {
            continue;
        }
        if (s->h == NULL) {
            s->h = arena_calloc(&r->impl->arena, s->n, sizeof(*s->h));
        }
        if (s->h == NULL || (s->h[i] = native_dup(h, &r->impl->arena)) == NULL) {
            return false;
        }
    }
    return true;
}

/** Rows as series with the grid's times; without points none, unless a scalar. */
static bool result_from_mat(struct promql_result *r, const struct eval *ev, const struct mat *m,
                            const struct grid *g)
{
    if (!result_alloc(r, m->n)) {
        return false;
    }
    for (size_t r_at = 0; r_at < m->n; r_at++) {
        const uint64_t *bits = mat_bits(m, r_at);
        const double *row = mat_row(m, r_at);
        size_t points = bits_count(bits, m->words);
        struct promql_series *s = &r->series[r->series_n];
        size_t at = 0;

        if (points == 0) {
            continue;
        }
        if (!result_add(r, m->labels[r_at], points)) {
            return false;
        }
        EACH_STEP(bits, m->steps, {
            s->t_ms[at] = grid_at(g, i);
            s->v[at++] = row[i];
        })
        if (!result_hists(r, ev)) {
            return false;
        }
    }
    return true;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct point_series *)a)->labels,
                      ((const struct point_series *)b)->labels);
}

static bool result_from_points(struct promql_result *r, const struct eval *ev, struct point_list *l)
{
    if (l->n > 1) {
        qsort(l->v, l->n, sizeof(*l->v), by_labels);
    }
    if (!result_alloc(r, l->n)) {
        return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        const struct samples *s = &l->v[i].samples;

        if (!result_add(r, l->v[i].labels, s->n)) {
            return false;
        }
        memcpy(r->series[i].t_ms, s->t_ms, s->n * sizeof(int64_t));
        memcpy(r->series[i].v, s->v, s->n * sizeof(double));
        if (!result_hists(r, ev)) {
            return false;
        }
    }
    return true;
}

/* --- A query --- */

struct query {
    const struct promql_engine *e;
    struct ast ast;
    struct eval ev;
    struct mono started;
    int64_t parse_ns;
    uint64_t active; /* number while it is listed; 0: it is not */
};

static void query_done(struct query *q)
{
    struct eval *ev = &q->ev;

    if (q->active != 0) {
        active_end(q->e->active, q->active);
    }
    for (size_t i = 0; i < ev->selections.n; i++) {
        ev->src.ops->free(ev->selections.v[i]);
    }
    vec_done(&ev->selections);
    notes_done(&ev->notes);
    hist_table_done(&ev->hists, &ev->mem);
    budget_give(&ev->mem, (int64_t)ev->arena_billed);
    arena_done(&ev->arena);
    ast_done(&q->ast);
}

static int query_start(struct query *q, const struct promql_engine *e, const struct promql_ask *ask,
                       struct err *reterr)
{
    int rc;

    *q = (struct query){.e = e, .started = clock_mono()};
    q->ev.opts = &e->opts;
    q->ev.lookback_ms = ask->lookback_ms > 0 ? ask->lookback_ms : e->opts.lookback_ms;
    q->ev.left_open = e->opts.syntax.compat != PROMQL_COMPAT_2;
    q->ev.names_go_last = (e->opts.syntax.features & PROMQL_DELAYED_NAMES) != 0;
    q->ev.type_unit = (e->opts.syntax.features & PROMQL_TYPE_UNIT_LABELS) != 0;
    q->ev.newest = e->opts.syntax.compat == PROMQL_COMPAT_3;
    notes_init(&q->ev.notes);
    hist_table_init(&q->ev.hists, (size_t)e->opts.max_memory_bytes);
    q->ev.src = ask->src;
    q->ev.cancel = ask->cancel;
    q->ev.reterr = reterr;
    budget_init(&q->ev.mem, e->opts.max_memory_bytes, e->opts.budget);
    arena_init(&q->ev.arena, (size_t)e->opts.max_memory_bytes);
    q->active = active_begin(e->active, ask, &q->ev.samples_read);
    rc = promql_parse(ask->query, e->opts.syntax, &q->ast, reterr);
    q->ev.query = q->ast.query;
    q->parse_ns = mono_since_ns(q->started);
    return rc;
}

static int64_t cut_time(int64_t t_ms)
{
    return t_ms > TIME_LIMIT_MS ? TIME_LIMIT_MS : t_ms < -TIME_LIMIT_MS ? -TIME_LIMIT_MS : t_ms;
}

/** Start counting by step, when asked to. */
static int steps_start(struct query *q, const struct promql_ask *ask, const struct grid *g)
{
    q->ev.top = *g;
    if (ask->per_step) {
        q->ev.per_step = arena_calloc(&q->ev.arena, g->n, sizeof(*q->ev.per_step));
        if (q->ev.per_step == NULL) {
            return eval_no_memory(&q->ev);
        }
    }
    return 0;
}

static void steps_copy(const struct eval *ev, struct promql_result *r)
{
    size_t n = ev->per_step != NULL ? ev->top.n : 0;

    if (n == 0) {
        return;
    }
    r->stats.per_step = arena_array(&r->impl->arena, uint64_t, n);
    for (size_t i = 0; r->stats.per_step != NULL && i < n; i++) {
        r->stats.per_step[i] = atomic_load_explicit(&ev->per_step[i], memory_order_relaxed);
        r->stats.per_step_n = n;
    }
    r->stats.first_step_ms = ev->top.start_ms;
    r->stats.step_ms = ev->top.step_ms;
}

/** Hand out `r` with its statistics, or free it. `made`: the copy into it worked. */
static int query_finish(struct query *q, int rc, bool made, struct promql_result *r,
                        struct promql_result **ret)
{
    struct eval *ev = &q->ev;

    if (rc == 0 &&
        (!made ||
         !notes_copy(&ev->notes, NOTE_WARNING, &r->impl->arena, &r->warnings, &r->warnings_n) ||
         !notes_copy(&ev->notes, NOTE_INFO, &r->impl->arena, &r->infos, &r->infos_n))) {
        rc = eval_no_memory(ev);
    }
    if (rc == 0 && ev->opts->budget != NULL) {
        if (budget_take(ev->opts->budget, (int64_t)r->impl->arena.used)) {
            r->impl->billed = (int64_t)r->impl->arena.used;
        } else {
            rc = err_set(ev->reterr, ERR_NOMEM, "no memory left for queries, try again later");
        }
    }
    counter_add(q->e->queries, 1);
    timing_observe_ns(q->e->seconds, mono_since_ns(q->started));
    if (rc != 0) {
        counter_add(q->e->failures, 1);
        promql_result_free(r);
        return rc;
    }
    r->stats.resolution_ms = ev->resolution_ms;
    r->stats.samples_read = atomic_load_explicit(&ev->samples_read, memory_order_relaxed);
    r->stats.series_read = ev->series_read;
    r->stats.parse_ns = q->parse_ns;
    r->stats.select_ns = ev->select_ns;
    r->stats.eval_ns = mono_since_ns(q->started) - q->parse_ns - ev->select_ns;
    r->stats.peak_bytes = ev->peak_bytes;
    r->stats.samples_seen = atomic_load_explicit(&ev->samples_seen, memory_order_relaxed);
    r->stats.samples_peak = atomic_load_explicit(&ev->samples_peak, memory_order_relaxed);
    steps_copy(ev, r);
    counter_add(q->e->samples, r->stats.samples_read);
    *ret = r;
    return 0;
}

static int instant_points(struct query *q, const struct node *root, int64_t t_ms,
                          struct promql_result **ret)
{
    struct promql_result *r = result_new(&q->ev, PROMQL_MATRIX);
    struct point_list list;
    int rc = eval_points(&q->ev, root, t_ms, &list);
    bool made = false;

    if (rc == 0) {
        made = result_from_points(r, &q->ev, &list);
        point_list_done(&q->ev, &list);
    }
    return query_finish(q, rc, made, r, ret);
}

static int run_instant(struct promql_engine *e, const struct promql_ask *ask,
                       struct promql_result **ret, struct err *reterr)
{
    struct query q CLEANUP(query_done) = {0};
    int64_t t_ms = ask->start_ms;
    const struct node *root;
    struct promql_result *r;
    struct mat m;
    struct grid g;
    int rc = query_start(&q, e, ask, reterr);

    if (rc != 0) {
        return rc;
    }
    t_ms = cut_time(t_ms);
    rc = promql_prepare(&q.ast, t_ms, t_ms, 0, reterr);
    if (rc != 0) {
        return rc;
    }
    root = node_strip_parens(q.ast.root);
    if (root->type == TYPE_MATRIX) {
        return instant_points(&q, root, t_ms, ret);
    }
    if (root->type == TYPE_STRING) {
        r = result_new(&q.ev, PROMQL_STRING);
        r->string = arena_str_dup(&r->impl->arena, root->string);
        r->string_t_ms = t_ms;
        return query_finish(&q, 0, true, r, ret);
    }
    g = (struct grid){t_ms, 1, 1};
    rc = steps_start(&q, ask, &g);
    if (rc != 0) {
        return rc;
    }
    r = result_new(&q.ev, root->type == TYPE_SCALAR ? PROMQL_SCALAR : PROMQL_VECTOR);
    rc = eval_node(&q.ev, q.ast.root, &g, &m);
    if (rc == 0) {
        rc = mat_drop_marked(&q.ev, &m);
        rc = query_finish(&q, rc, rc == 0 && result_from_mat(r, &q.ev, &m, &g), r, ret);
        mat_done(&q.ev, &m);
        return rc;
    }
    return query_finish(&q, rc, false, r, ret);
}

static int run_range(struct promql_engine *e, const struct promql_ask *ask,
                     struct promql_result **ret, struct err *reterr)
{
    struct query q CLEANUP(query_done) = {0};
    int64_t start_ms = ask->start_ms;
    int64_t end_ms = ask->end_ms;
    int64_t step_ms = ask->step_ms;
    struct promql_result *r;
    struct mat m;
    struct grid g;
    int rc = query_start(&q, e, ask, reterr);

    if (rc != 0) {
        return rc;
    }
    start_ms = cut_time(start_ms);
    end_ms = cut_time(end_ms);
    if (step_ms <= 0) {
        return err_set(reterr, ERR_INVALID,
                       "zero or negative query resolution step widths are not accepted. Try a "
                       "positive integer");
    }
    if (end_ms < start_ms) {
        return err_set(reterr, ERR_INVALID, "end timestamp must not be before start time");
    }
    if ((end_ms - start_ms) / step_ms > e->opts.max_points) {
        return err_set(reterr, ERR_INVALID,
                       "exceeded maximum resolution of %lld points per timeseries. Try decreasing "
                       "the query resolution (?step=XX)",
                       (long long)e->opts.max_points);
    }
    if (q.ast.root->type != TYPE_SCALAR && q.ast.root->type != TYPE_VECTOR) {
        return err_set(reterr, ERR_INVALID,
                       "invalid expression type \"%s\" for range query, must be Scalar or instant "
                       "Vector",
                       value_type_text(q.ast.root->type));
    }
    rc = promql_prepare(&q.ast, start_ms, end_ms, step_ms, reterr);
    if (rc != 0) {
        return rc;
    }
    g = (struct grid){start_ms, step_ms, (size_t)((end_ms - start_ms) / step_ms) + 1};
    rc = steps_start(&q, ask, &g);
    if (rc != 0) {
        return rc;
    }
    r = result_new(&q.ev, PROMQL_MATRIX);
    rc = eval_node(&q.ev, q.ast.root, &g, &m);
    if (rc == 0) {
        rc = mat_drop_marked(&q.ev, &m);
        rc = rc != 0 ? rc : mat_sort(&q.ev, &m);
        rc = query_finish(&q, rc, rc == 0 && result_from_mat(r, &q.ev, &m, &g), r, ret);
        mat_done(&q.ev, &m);
        return rc;
    }
    return query_finish(&q, rc, false, r, ret);
}

int promql_run(struct promql_engine *e, const struct promql_ask *ask, struct promql_result **ret,
               struct err *reterr)
{
    return ask->step_ms == 0 ? run_instant(e, ask, ret, reterr) : run_range(e, ask, ret, reterr);
}

int promql_instant(struct promql_engine *e, struct series_source src, struct str text, int64_t t_ms,
                   struct cancel *cancel, struct promql_result **ret, struct err *reterr)
{
    const struct promql_ask ask = {.src = src, .query = text, .start_ms = t_ms, .cancel = cancel};

    return run_instant(e, &ask, ret, reterr);
}

int promql_range(struct promql_engine *e, struct series_source src, struct str text,
                 int64_t start_ms, int64_t end_ms, int64_t step_ms, struct cancel *cancel,
                 struct promql_result **ret, struct err *reterr)
{
    const struct promql_ask ask = {.src = src,
                                   .query = text,
                                   .start_ms = start_ms,
                                   .end_ms = end_ms,
                                   .step_ms = step_ms,
                                   .cancel = cancel};

    return run_range(e, &ask, ret, reterr);
}
