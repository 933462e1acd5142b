/* SPDX-License-Identifier: Apache-2.0
 *
 * Where samples become matrices: instant selectors and range functions. Each series is decoded once into a
 * reused buffer and walked once over all steps (walk.c); chunks of series run in parallel on the pool. A chunk
 * writes only its own rows, and the first error of any chunk ends the others.
 */
#include "query/promql/eval.h"
#include "query/promql/walk.h"

enum {
    CHUNK_SERIES = 64,
    SCRAPE_MS = 15000,       /* between samples, about */
    WORTH_WAKING = 16 * 1024 /* cells and samples; less is done before another thread is awake */
};

/** What of the series a selection is for. */
struct reach {
    int64_t range_ms;        /* how far steps reach back */
    struct series_hint hint; /* without the step; zeroed: the samples as they are */
    bool starts;             /* the start timestamps and not the samples */
};

/** Selects what steps of `g` can reach back to; the selection is freed with the query.
 * @param at  the selector's place in the query */
static int select_series(struct eval *ev, const struct selector *s, const struct node *at,
                         const struct grid *g, struct reach reach, struct series_selection **ret)
{
    const struct series_hint hint = reach.hint;
    struct mono start = clock_mono();
    struct series_query q = {
        .matchers = (const struct matcher *const *)s->v,
        .matchers_n = s->n,
        .min_ms = walk_time(&s->when, grid_at(g, 0)) - reach.range_ms + (ev->left_open ? 1 : 0) -
                  (s->extend != EXTEND_NONE ? ev->lookback_ms : 0),
        .max_ms = walk_time(&s->when, grid_at(g, g->n - 1)) +
                  (s->extend == EXTEND_SMOOTHED ? ev->lookback_ms : 0),
        .max_series = ev->opts->max_series,
        .want = hint.need == SERIES_NEED_LAST && hint.range_ms == 0 && g->n == 1 ? SERIES_LAST
                                                                                 : SERIES_ALL,
        .hint = {hint.need, hint.range_ms, g->n > 1 ? g->step_ms : 0},
        .starts = reach.starts,
        .cancel = ev->cancel,
        .budget = &ev->mem,
    };
    int rc;

    if (!vec_reserve(&ev->selections, 1)) {
        return eval_no_memory(ev);
    }
    rc = ev->src.ops->select(ev->src.impl, &q, ret, ev->reterr);
    ev->select_ns += mono_since_ns(start);
    if (rc != 0) {
        int stop = eval_check(ev); /* names the reason as upstream does */

        return stop != 0 ? stop : rc;
    }
    ev->selections.v[ev->selections.n++] = *ret;
    if (!reach.starts) {
        ev->series_read += ev->src.ops->count(*ret);
        rolled_note(ev, *ret, at, q.min_ms, q.max_ms);
    }
    return 0;
}

static void pass_fail(struct walk *p, int rc, const struct err *e)
{
    pthread_mutex_lock(&p->lock);
    if (atomic_load_explicit(&p->rc, memory_order_relaxed) == 0) {
        p->err = *e;
        atomic_store_explicit(&p->rc, rc, memory_order_relaxed);
    }
    pthread_mutex_unlock(&p->lock);
}

static void pass_chunk(void *arg, size_t chunk)
{
    struct walk *p = arg;
    struct walk_scratch x = {0};
    size_t end = (chunk + 1) * CHUNK_SERIES < p->out->n ? (chunk + 1) * CHUNK_SERIES : p->out->n;

    for (size_t row = chunk * CHUNK_SERIES; row < end; row++) {
        struct err e = {0};
        int rc = cancel_check(p->ev->cancel);

        if (atomic_load_explicit(&p->rc, memory_order_relaxed) != 0) {
            break;
        }
        rc = rc != 0 ? rc : walk_row(p, row, &x, &e);
        if (rc != 0) {
            pass_fail(p, rc, &e);
            break;
        }
    }
    walk_scratch_done(&x);
}

/** Is it enough work for several threads? Those that sleep cost more than a short query. */
static bool is_worth_waking(const struct walk *p)
{
    const struct grid *g = p->grid;
    double span_ms = (double)p->range_ms + (double)(g->n - 1) * (double)g->step_ms;

    return p->out->n > CHUNK_SERIES &&
           (double)p->out->n * ((double)g->n + span_ms / SCRAPE_MS) >= WORTH_WAKING;
}

/** Run over all rows of p->out, then keep what has points. Frees p->out on failure. */
static int pass_run(struct walk *p)
{
    struct eval *ev = p->ev;
    struct mat *out = p->out;
    int rc;

    pthread_mutex_init(&p->lock, NULL);
    atomic_init(&p->rc, 0);
    pool_for(is_worth_waking(p) ? ev->opts->pool : NULL, (out->n + CHUNK_SERIES - 1) / CHUNK_SERIES,
             pass_chunk, p);
    pthread_mutex_destroy(&p->lock);
    rc = atomic_load_explicit(&p->rc, memory_order_relaxed);
    if (rc != 0) {
        mat_done(ev, out);
        if (rc == -ERR_CANCELED || rc == -ERR_TIMEOUT) {
            rc = eval_check(ev) != 0 ? rc : -ERR_CANCELED;
        } else if (ev->reterr != NULL) {
            *ev->reterr = p->err;
        }
        return rc;
    }
    mat_compact(out);
    out->held = bits_count(out->has, out->n * out->words);
    if (eval_hold(ev, out->held) != 0) {
        out->held = 0;
        mat_done(ev, out);
        return walk_too_many(ev->reterr);
    }
    return 0;
}

/** Rows for every selected series, labelled. */
static int alloc_rows(struct eval *ev, const struct walk *p, size_t steps, struct mat *ret)
{
    size_t n = p->inner != NULL ? p->inner->n : ev->src.ops->count(p->selection);
    int rc = eval_alloc(ev, ret, n, steps);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        ret->labels[i] =
            p->inner != NULL ? p->inner->labels[i] : ev->src.ops->labels(p->selection, i);
    }
    return rc;
}

/** Which series of p->starts belongs to each row; both are in order of labels. */
static void match_starts(const struct walk *p, uint32_t *dst)
{
    const struct series_source_ops *ops = p->ev->src.ops;
    size_t n = ops->count(p->starts);
    size_t k = 0;

    for (size_t i = 0; i < p->out->n; i++) {
        int order = 1;

        while (k < n && (order = labels_cmp(ops->labels(p->starts, k), p->out->labels[i])) < 0) {
            k++;
        }
        dst[i] = k < n && order == 0 ? (uint32_t)k : UINT32_MAX;
    }
}

/** pass_run() with the start timestamps at hand. Frees p->out on failure. */
static int run_with_starts(struct walk *p, const struct selector *s, const struct node *at)
{
    struct eval *ev = p->ev;
    int64_t bytes = (int64_t)((p->out->n + 1) * sizeof(*p->start_of));
    uint32_t *start_of = NULL;
    int rc = select_series(
        ev, s, at, p->grid,
        (struct reach){.range_ms = p->range_ms + SERIES_STARTS_MS, .starts = true}, &p->starts);

    rc = rc != 0 ? rc : eval_take(ev, bytes);
    if (rc != 0) {
        mat_done(ev, p->out);
        return rc;
    }
    start_of = mem_try_alloc((size_t)bytes);
    if (start_of != NULL) {
        match_starts(p, start_of);
        p->start_of = start_of;
        rc = pass_run(p);
    } else {
        mat_done(ev, p->out);
        rc = eval_no_memory(ev);
    }
    mem_free(start_of);
    budget_give(&ev->mem, bytes);
    return rc;
}

static int instant_rows(struct eval *ev, const struct selector *s, const struct node *at,
                        const struct grid *g, enum cells cells, struct mat *ret)
{
    struct walk p = {.ev = ev,
                     .grid = g,
                     .when = s->when,
                     .range_ms = ev->lookback_ms,
                     .extend = cells != CELLS_VALUES ? EXTEND_NONE : s->extend,
                     .cells = cells,
                     .out = ret};
    enum series_need need = s->extend == EXTEND_NONE ? SERIES_NEED_LAST : SERIES_NEED_SAMPLES;
    int rc = select_series(ev, s, at, g, (struct reach){p.range_ms, {.need = need}, false},
                           &p.selection);

    if (rc == 0) {
        rolled_init(&p.rolled, ev->src.ops, p.selection, NULL);
    }
    rc = rc != 0 ? rc : alloc_rows(ev, &p, g->n, ret);
    if (rc != 0) {
        return rc;
    }
    return cells == CELLS_STARTS ? run_with_starts(&p, s, at) : pass_run(&p);
}

int eval_vector(struct eval *ev, const struct node *n, const struct grid *g, enum cells cells,
                struct mat *ret)
{
    return instant_rows(ev, &n->selector, n, g, cells, ret);
}

int eval_sample_times(struct eval *ev, const struct selector *s, const struct grid *g,
                      struct mat *ret)
{
    const struct node start = {.start = 0}; /* the caller knows no better */

    return instant_rows(ev, s, &start, g, CELLS_TIMES, ret);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/** Times a subquery's inner expression is evaluated at for the steps of `g`: multiples of its step.
 * @return 1; 0 when there are none; -ERR_LIMIT when there are more than one query may look at */
static int subquery_grid(const struct eval *ev, const struct subquery *s, const struct grid *g,
                         struct grid *ret)
{
    int64_t step = s->step_ms != 0 ? s->step_ms : ev->opts->default_interval_ms;
    int64_t first = walk_time(&s->when, grid_at(g, 0)) - s->range_ms + (ev->left_open ? 1 : 0);
    int64_t last = walk_time(&s->when, grid_at(g, g->n - 1));
    int64_t start = floor_div(first + step - 1, step) * step;

    if (start > last) {
        return 0;
    }
    *ret = (struct grid){start, step, (size_t)((last - start) / step) + 1};
    return ret->n > ev->opts->max_samples ? walk_too_many(ev->reterr) : 1;
}

static int window_rows(struct eval *ev, const struct node *n, struct walk *p, struct mat *inner)
{
    enum series_need need;
    int rc;

    if (n->kind == NODE_SUBQUERY) {
        p->when = n->subquery.when;
        p->range_ms = n->subquery.range_ms;
        p->inner = inner;
        rc = subquery_grid(ev, &n->subquery, p->grid, &p->inner_grid);
        if (rc > 0) {
            rc = eval_node(ev, n->subquery.expr, &p->inner_grid, inner);
        }
        if (rc != 0) {
            return rc;
        }
    } else {
        p->when = n->selector.when;
        p->range_ms = n->selector.range_ms;
        p->extend = n->selector.extend;
        need = p->extend == EXTEND_NONE ? rolled_need(p->fn) : SERIES_NEED_SAMPLES;
        rc = extended_check(ev, p->extend, p->fn);
        if (rc != 0) {
            return rc;
        }
        rc = select_series(ev, &n->selector, n, p->grid,
                           (struct reach){p->range_ms, {need, p->range_ms, 0}, false},
                           &p->selection);
        if (rc != 0) {
            return rc;
        }
        rolled_init(&p->rolled, ev->src.ops, p->selection, p->fn);
    }
    rc = alloc_rows(ev, p, p->grid->n, p->out);
    return rc != 0 ? rc : pass_run(p);
}

/** Tell of metrics that do not look like counters. */
static void note_names(struct eval *ev, const struct node *arg, const struct mat *m)
{
    static const char *const ends[] = {"_total", "_sum", "_count", "_bucket"};
    const struct node from_subquery = {.start = 0}; /* where upstream places it */
    struct str last = {0};

    for (size_t i = 0; i < m->n; i++) {
        struct str name = labels_get(m->labels[i], STR(LABEL_NAME));
        bool fine = name.n == 0 || str_eq(name, last);

        if (!fine && !hist_row_has_floats(ev, m, i)) {
            continue; /* histograms are named without a suffix */
        }
        for (size_t k = 0; !fine && k < ARRAY_LEN(ends); k++) {
            fine = str_ends(name, str_cstr(ends[k]));
        }
        last = name;
        if (!fine) {
            eval_note_name(ev, NOTE_INFO, arg->kind == NODE_SUBQUERY ? &from_subquery : arg,
                           "metric might not be a counter, name does not end in "
                           "_total/_sum/_count/_bucket:",
                           name);
        }
    }
}

int eval_window_call(struct eval *ev, const struct call *c, size_t arg, const struct grid *g,
                     struct mat *ret)
{
    static const struct node nowhere = {
        0}; /* notes about a subquery point at the query, as upstream's */
    const struct node *n = node_strip_parens(c->args[arg]);
    struct walk p = {.ev = ev,
                     .grid = g,
                     .fn = c->fn,
                     .at = arg == 0 && n->kind == NODE_SUBQUERY ? &nowhere : c->args[0],
                     .out = ret};
    struct mat inner = {0};
    struct mat scalars[FUNCTION_ARGS_MAX] = {0};
    size_t k = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        if (i != arg && k < ARRAY_LEN(p.args)) {
            rc = eval_node(ev, c->args[i], g, &scalars[k]);
            p.args[k] = scalars[k].v;
            k++;
        }
    }
    rc = rc != 0 ? rc : window_rows(ev, n, &p, &inner);
    for (size_t i = 0; i < k; i++) {
        mat_done(ev, &scalars[i]);
    }
    mat_done(ev, &inner);
    if (rc == 0 && c->fn->counter_name) {
        note_names(ev, c->args[arg], ret);
    }
    if (rc != 0 || c->fn->keep_name) {
        return rc;
    }
    rc = mat_drop_names(ev, ret, true);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

/* --- Raw points as an answer --- */

void point_list_done(struct eval *ev, struct point_list *l)
{
    budget_give(&ev->mem, l->bytes);
    eval_release(ev, l->held);
    for (size_t i = 0; i < l->n; i++) {
        samples_done(&l->v[i].samples);
    }
    mem_free(l->v);
    *l = (struct point_list){0};
}

/** Bill the samples of one series of the answer. */
static int bill_points(struct eval *ev, struct point_list *l, const struct samples *s)
{
    int64_t bytes = (int64_t)(s->cap * (sizeof(*s->t_ms) + sizeof(*s->v)));
    int rc = eval_take(ev, bytes);

    if (rc == 0) {
        l->bytes += bytes;
    }
    return rc;
}

static int read_points(struct eval *ev, const struct node *n, const struct grid *g,
                       struct point_list *ret)
{
    const struct series_source_ops *ops = ev->src.ops;
    struct series_selection *sel = NULL;
    int rc = select_series(ev, &n->selector, n, g, (struct reach){.range_ms = n->selector.range_ms},
                           &sel);
    size_t count;

    if (rc != 0) {
        return rc;
    }
    count = ops->count(sel);
    ret->v = mem_try_calloc(count + 1, sizeof(*ret->v));
    if (ret->v == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = 0; i < count; i++) {
        struct point_series *s = &ret->v[ret->n];

        rc = eval_check(ev);
        rc = rc != 0 ? rc : walk_read(ev, sel, i, &s->samples, ev->reterr);
        ret->n++; /* also on failure, to be freed */
        if (rc != 0) {
            return rc;
        }
        atomic_fetch_add_explicit(&ev->samples_read, s->samples.n, memory_order_relaxed);
        if (eval_hold(ev, s->samples.n) != 0) {
            return walk_too_many(ev->reterr);
        }
        ret->held += s->samples.n;
        walk_drop_stale(&s->samples);
        s->labels = ops->labels(sel, i);
        if (s->samples.n == 0) {
            samples_done(&s->samples);
            ret->n--;
            continue;
        }
        rc = bill_points(ev, ret, &s->samples);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int subquery_points(struct eval *ev, const struct node *n, const struct grid *g,
                           struct point_list *ret)
{
    struct grid inner_grid;
    struct mat inner = {0};
    int rc;

    rc = subquery_grid(ev, &n->subquery, g, &inner_grid);
    if (rc <= 0) {
        return rc;
    }
    rc = eval_node(ev, n->subquery.expr, &inner_grid, &inner);
    if (rc != 0) {
        return rc;
    }
    mat_compact(&inner);
    ret->v = mem_try_calloc(inner.n + 1, sizeof(*ret->v));
    if (ret->v == NULL) {
        rc = eval_no_memory(ev);
    }
    for (size_t i = 0; rc == 0 && i < inner.n; i++) {
        ret->v[i].labels = inner.labels[i];
        ret->n++;
        if (walk_cells(&inner, i, &inner_grid, &ret->v[i].samples) != 0) {
            rc = eval_no_memory(ev);
        } else {
            rc = bill_points(ev, ret, &ret->v[i].samples);
        }
    }
    mat_done(ev, &inner);
    return rc;
}

int eval_points(struct eval *ev, const struct node *n, int64_t t_ms, struct point_list *ret)
{
    const struct grid g = {t_ms, 1, 1};
    int rc;

    *ret = (struct point_list){0};
    rc = n->kind == NODE_SUBQUERY ? subquery_points(ev, n, &g, ret) : read_points(ev, n, &g, ret);
    if (rc != 0) {
        point_list_done(ev, ret);
    }
    return rc;
}
