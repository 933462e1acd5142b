/* SPDX-License-Identifier: Apache-2.0
 *
 * Where samples become matrices: instant selectors and range functions. Each series is decoded once into a
 * reused buffer and walked once over all steps; chunks of series run in parallel on the pool. A chunk
 * writes only its own rows, and the first error of any chunk ends the others.
 */
#include "query/promql/eval.h"
#include "query/promql/rate_plan.h"
#include "query/promql/rolled.h"
#include "query/promql/window.h"

enum { CHUNK_SERIES = 64 };

/** One pass over the rows of a selection or of a subquery's inner matrix. */
struct pass {
    struct eval *ev;
    struct series_selection *selection; /* or */
    const struct mat *inner;
    struct grid inner_grid;
    const struct grid *grid;
    struct when when;
    int64_t range_ms; /* or the lookback */
    enum extend extend;
    enum cells cells;
    struct series_selection *starts; /* with CELLS_STARTS */
    const uint32_t *start_of;        /* row to series of it; UINT32_MAX: none */
    const struct function *fn;       /* NULL: instant selector */
    const struct node *at;           /* what notes about the function point at */
    const double *args[2];           /* per step */
    struct rolled rolled;            /* what of it is buckets instead of samples */
    struct mat *out;
    atomic_int rc; /* first error, relaxed */
    pthread_mutex_t lock;
    struct err err; /* guarded by: lock */
};

static int64_t ref_time(const struct when *w, int64_t t_ms)
{
    return (w->at != AT_NONE ? w->at_ms : t_ms) - w->offset_ms;
}

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
        .min_ms = ref_time(&s->when, grid_at(g, 0)) - reach.range_ms + (ev->left_open ? 1 : 0) -
                  (s->extend != EXTEND_NONE ? ev->lookback_ms : 0),
        .max_ms = ref_time(&s->when, grid_at(g, g->n - 1)) +
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

static void pass_fail(struct pass *p, int rc, const struct err *e)
{
    pthread_mutex_lock(&p->lock);
    if (atomic_load_explicit(&p->rc, memory_order_relaxed) == 0) {
        p->err = *e;
        atomic_store_explicit(&p->rc, rc, memory_order_relaxed);
    }
    pthread_mutex_unlock(&p->lock);
}

static int fail_too_many(struct err *e)
{
    return err_set(e, ERR_LIMIT,
                   "query processing would load too many samples into memory in query execution");
}

/** Samples looked at for one step, when the query's statistics are wanted by step. */
static inline void note_step(const struct pass *p, size_t i, uint64_t n)
{
    struct eval *ev = p->ev;

    if (ev->per_step != NULL && p->grid->n == ev->top.n && p->grid->start_ms == ev->top.start_ms) {
        atomic_fetch_add_explicit(&ev->per_step[i], n, memory_order_relaxed);
    }
}

/** When the counter of a sample at t_ms began, in seconds; 0: not known. Times of the calls rise, *at begins at 0. */
static double start_at(const struct samples *starts, size_t *at, int64_t t_ms)
{
    while (*at < starts->n && starts->t_ms[*at] <= t_ms) {
        ++*at;
    }
    return *at != 0 && starts->t_ms[*at - 1] > t_ms - SERIES_STARTS_MS ? starts->v[*at - 1] / 1000
                                                                       : 0;
}

/** Newest sample in the lookback window of every step. */
static void walk_instant(const struct pass *p, const struct samples *s,
                         const struct samples *starts, size_t row)
{
    const struct grid *g = p->grid;
    double *v = mat_row(p->out, row);
    uint64_t *bits = mat_bits(p->out, row);
    int64_t oldest_off = p->range_ms - (p->ev->left_open ? 1 : 0);
    size_t next = 0; /* first sample after the step's time */
    size_t start = 0;
    uint64_t seen = 0;

    for (size_t i = 0; i < g->n; i++) {
        int64_t ref = ref_time(&p->when, grid_at(g, i));

        while (next < s->n && s->t_ms[next] <= ref) {
            next++;
        }
        if (next == 0 || s->t_ms[next - 1] < ref - oldest_off - rolled_at(&p->rolled, ref) ||
            sample_is_stale(s->v[next - 1])) {
            continue;
        }
        v[i] = p->cells == CELLS_VALUES  ? s->v[next - 1]
               : p->cells == CELLS_TIMES ? (double)s->t_ms[next - 1] / 1000
                                         : start_at(starts, &start, s->t_ms[next - 1]);
        bit_set(bits, i);
        seen++;
        note_step(p, i, 1);
    }
    atomic_fetch_add_explicit(&p->ev->samples_seen, seen, memory_order_relaxed);
}

static void drop_stale(struct samples *s)
{
    size_t kept = 0;

    if (!values_any_stale(s->v, s->n)) {
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (!sample_is_stale(s->v[i])) {
            s->t_ms[kept] = s->t_ms[i];
            s->v[kept++] = s->v[i];
        }
    }
    s->n = kept;
}

/** Indexes of samples below their predecessor. @return how many */
static size_t find_resets(const struct samples *s, int64_t *dst)
{
    size_t n = 0;

    if (dst == NULL || !values_any_reset(s->v, s->n)) {
        return 0;
    }
    for (size_t i = 1; i < s->n; i++) {
        dst[n] = (int64_t)i;
        n += s->v[i] < s->v[i - 1];
    }
    return n;
}

/** The resets inside samples [lo, hi), given those of the window before. */
static void window_resets_in(struct window *w, const int64_t *all_end, size_t lo, size_t hi)
{
    const int64_t *end = w->resets + w->resets_n;

    while (end < all_end && *end < (int64_t)hi) {
        end++;
    }
    while (w->resets < end && *w->resets <= (int64_t)lo) {
        w->resets++;
    }
    w->resets_n = (size_t)(end - w->resets);
    w->first = lo;
}

/** What a function with reduce() wants of each whole block of the series, when windows are many. */
static const double *reduce_series(const struct pass *p, const struct samples *s, double *dst)
{
    if (p->fn->reduce == NULL || p->grid->n == 1) {
        return NULL;
    }
    for (size_t i = 0; i < s->n / WINDOW_BLOCK; i++) {
        dst[i] = p->fn->reduce(s->v + i * WINDOW_BLOCK, WINDOW_BLOCK);
    }
    return dst;
}

/** Rates and deltas along a plan, where the series fits to it. `s` without stale markers. */
static bool walk_plan(const struct pass *p, const struct samples *s, size_t row,
                      struct rate_plan *plan)
{
    const struct rate_grid g = {
        .steps = p->grid->n,
        .end_ms = ref_time(&p->when, grid_at(p->grid, 0)),
        .step_ms = p->when.at != AT_NONE ? 0 : p->grid->step_ms,
        .range_ms = p->range_ms,
        .left_open = p->ev->left_open,
        .counter = p->fn->counter,
        .per_second = p->fn->window == window_rate,
    };

    if ((p->fn->window != window_rate && p->fn->window != window_increase &&
         p->fn->window != window_delta) ||
        p->rolled.n != 0 || p->ev->per_step != NULL || !rate_plan_fits(plan, &g, s->t_ms, s->n) ||
        (g.counter && values_any_reset(s->v, s->n))) {
        return false;
    }
    rate_plan_walk(plan, &g, s->v, mat_row(p->out, row));
    memcpy(mat_bits(p->out, row), plan->has, p->out->words * sizeof(*plan->has));
    atomic_fetch_add_explicit(&p->ev->samples_seen, plan->seen, memory_order_relaxed);
    return true;
}

/** The function over the moving window; `s` without stale markers. */
static void walk_window(const struct pass *p, const struct samples *s, size_t row,
                        struct samples *scratch)
{
    const struct grid *g = p->grid;
    double *v = mat_row(p->out, row);
    uint64_t *bits = mat_bits(p->out, row);
    int64_t open = p->ev->left_open ? 1 : 0;
    struct stretch stretch = {0};
    struct window w = {.range_s = (double)p->range_ms / 1000,
                       .compat_2x = !p->ev->left_open,
                       .stretch = &stretch,
                       .scratch = scratch->v};
    const int64_t *resets_end =
        scratch->t_ms + (p->fn->counter ? find_resets(s, scratch->t_ms) : 0);
    size_t lo = 0;
    size_t hi = 0;
    uint64_t seen = 0;

    w.resets = scratch->t_ms;
    w.blocks = reduce_series(p, s, scratch->v);
    for (size_t i = 0; i < g->n; i++) {
        w.eval_ms = grid_at(g, i);
        w.end_ms = ref_time(&p->when, w.eval_ms);
        w.start_ms = w.end_ms - rolled_range(&p->rolled, p->range_ms, w.end_ms);
        while (hi < s->n && s->t_ms[hi] <= w.end_ms) {
            hi++;
        }
        while (lo < hi && s->t_ms[lo] < w.start_ms + open) {
            lo++;
        }
        if (lo == hi) {
            continue;
        }
        w.t_ms = s->t_ms + lo;
        w.v = s->v + lo;
        w.n = hi - lo;
        if (p->rolled.n != 0) {
            w.range_s = (double)(w.end_ms - w.start_ms) / 1000;
        }
        seen += w.n;
        note_step(p, i, w.n);
        window_resets_in(&w, resets_end, lo, hi);
        w.arg[0] = p->args[0] != NULL ? p->args[0][i] : p->fn->default_arg;
        w.arg[1] = p->args[1] != NULL ? p->args[1][i] : 0;
        if (p->rolled.n == 0 ? p->fn->window(&w, &v[i])
                             : rolled_window(&p->rolled, p->fn, &w, p->range_ms, &v[i])) {
            bit_set(bits, i);
        }
    }
    atomic_fetch_add_explicit(&p->ev->samples_seen, seen, memory_order_relaxed);
}

/** A row of a matrix as samples. */
static int row_samples(const struct mat *m, size_t row, const struct grid *g, struct samples *dst)
{
    const uint64_t *bits = mat_bits(m, row);
    const double *v = mat_row(m, row);

    dst->n = 0;
    if (!samples_reserve(dst, bits_count(bits, m->words) + 1)) {
        return -ERR_NOMEM;
    }
    for (size_t i = bits_next(bits, 0, m->steps); i < m->steps;
         i = bits_next(bits, i + 1, m->steps)) {
        dst->t_ms[dst->n] = grid_at(g, i);
        dst->v[dst->n++] = v[i];
    }
    return 0;
}

/** The function over windows of which some hold histograms. */
static int walk_histograms(const struct pass *p, const struct samples *s, size_t row,
                           struct samples *scratch, struct err *e)
{
    const struct grid *g = p->grid;
    int64_t open = p->ev->left_open ? 1 : 0;
    const struct hist_call c = {p->ev, p->fn, p->at,
                                labels_get(p->out->labels[row], STR(LABEL_NAME))};
    struct stretch stretch = {0};
    struct window w = {
        .range_s = (double)p->range_ms / 1000, .stretch = &stretch, .scratch = scratch->v};
    struct hist_scratch hs = {0};
    size_t lo = 0;
    size_t hi = 0;
    int rc = hist_scratch_begin(&hs, s->n);

    if (rc < 0) {
        hist_scratch_done(&hs);
        return hist_no_room(p->ev, rc, e);
    }
    for (size_t i = 0; rc >= 0 && i < g->n; i++) {
        w.eval_ms = grid_at(g, i);
        w.end_ms = ref_time(&p->when, w.eval_ms);
        w.start_ms = w.end_ms - rolled_range(&p->rolled, p->range_ms, w.end_ms);
        w.range_s = (double)(w.end_ms - w.start_ms) / 1000;
        while (hi < s->n && s->t_ms[hi] <= w.end_ms) {
            hi++;
        }
        while (lo < hi && s->t_ms[lo] < w.start_ms + open) {
            lo++;
        }
        if (lo == hi) {
            continue;
        }
        w.t_ms = s->t_ms + lo;
        w.v = s->v + lo;
        w.n = hi - lo;
        w.first = lo;
        w.arg[0] = p->args[0] != NULL ? p->args[0][i] : 0;
        w.arg[1] = p->args[1] != NULL ? p->args[1][i] : 0;
        rc = hist_window(&c, &w, &hs, &mat_row(p->out, row)[i], e);
        if (rc > 0) {
            bit_set(mat_bits(p->out, row), i);
        }
    }
    hist_scratch_done(&hs);
    return rc < 0 ? rc : 0;
}

/** avg_over_time over buckets: their sums by their numbers of samples. */
static int walk_average(const struct pass *p, const struct samples *s, size_t row,
                        struct samples *counts, struct err *e)
{
    const struct grid *g = p->grid;
    int64_t open = p->ev->left_open ? 1 : 0;
    size_t lo = 0;
    size_t hi = 0;
    int rc = p->ev->src.ops->read_counts(p->selection, row, counts, e);

    if (rc != 0) {
        return rc;
    }
    drop_stale(counts);
    for (size_t i = 0; counts->n == s->n && i < g->n; i++) {
        int64_t end = ref_time(&p->when, grid_at(g, i));
        int64_t start = end - rolled_range(&p->rolled, p->range_ms, end);

        while (hi < s->n && s->t_ms[hi] <= end) {
            hi++;
        }
        while (lo < hi && s->t_ms[lo] < start + open) {
            lo++;
        }
        if (lo < hi) {
            mat_row(p->out, row)[i] = rolled_average(s->v + lo, counts->v + lo, hi - lo);
            bit_set(mat_bits(p->out, row), i);
        }
    }
    return 0;
}

/** Samples of a series of a selection, histograms as cells among them. */
static int read_series(struct eval *ev, struct series_selection *selection, size_t i,
                       struct samples *s, struct err *e)
{
    const struct series_source_ops *ops = ev->src.ops;
    struct native_samples ns = {0};
    int rc = ops->read(selection, i, s, e);

    if (rc != 0 || ops->has_histograms == NULL || !ops->has_histograms(selection, i)) {
        return rc;
    }
    rc = ops->read_histograms(selection, i, &ns, e);
    if (rc == 0) {
        rc = hist_adopt(ev, &ns, s);
        if (rc != 0) {
            hist_no_room(ev, rc, e);
        }
    }
    native_samples_done(&ns);
    return rc;
}

/** What a worker uses for one row after the other. */
struct pass_scratch {
    struct samples s;
    struct samples more;
    struct hist_columns columns;
    struct rate_plan plan;
};

/** The function over a series of histograms alone. `c->in` has them. */
static int walk_columns(const struct pass *p, struct hist_columns *c, size_t row, struct err *e)
{
    const struct grid *g = p->grid;
    const struct native_columns *in = &c->in;
    double *v = mat_row(p->out, row);
    uint64_t *bits = mat_bits(p->out, row);
    int64_t open = p->ev->left_open ? 1 : 0;
    struct stretch stretch = {0};
    struct window w = {.range_s = (double)p->range_ms / 1000, .stretch = &stretch};
    size_t lo = 0;
    size_t hi = 0;
    size_t given = 0;
    uint64_t seen = 0;
    int rc = 0;

    hist_columns_begin(c, p->fn, p->ev->newest);
    for (size_t i = 0; rc >= 0 && i < g->n; i++) {
        w.end_ms = ref_time(&p->when, grid_at(g, i));
        w.start_ms = w.end_ms - p->range_ms;
        while (hi < in->n && in->t_ms[hi] <= w.end_ms) {
            hi++;
        }
        while (lo < hi && in->t_ms[lo] < w.start_ms + open) {
            lo++;
        }
        seen += hi - lo;
        note_step(p, i, hi - lo);
        rc = hist_columns_step(c, &w, lo, hi);
        if (rc > 0) {
            bit_set(bits, i);
        }
    }
    rc = rc < 0 ? rc : hist_columns_end(p->ev, c, v);
    if (rc < 0) {
        return hist_no_room(p->ev, rc, e);
    }
    /* The cells lie at the front of the row: to their steps, from the last. */
    given = c->out.n;
    for (size_t i = g->n; i-- > 0;) {
        if (bit_get(bits, i)) {
            v[i] = v[--given];
        }
    }
    atomic_fetch_add_explicit(&p->ev->samples_seen, seen, memory_order_relaxed);
    return 0;
}

/** @return 1: done; 0: the row has to be done another way; or an error */
static int pass_columns(struct pass *p, size_t row, struct hist_columns *c, struct err *e)
{
    struct eval *ev = p->ev;
    const struct series_source_ops *ops = ev->src.ops;
    int rc = 0;

    if (p->inner == NULL && ops->read_columns != NULL && p->extend == EXTEND_NONE &&
        p->rolled.n == 0 && ops->has_histograms(p->selection, row) && hist_by_columns(p->fn)) {
        rc = ops->read_columns(p->selection, row, &c->in, e);
    }
    if (rc <= 0) {
        return rc;
    }
    atomic_fetch_add_explicit(&ev->samples_read, c->in.n, memory_order_relaxed);
    if (eval_room(ev, c->in.n) != 0) {
        return fail_too_many(e);
    }
    rc = walk_columns(p, c, row, e);
    return rc != 0 ? rc : 1;
}

static int pass_row(struct pass *p, size_t row, struct pass_scratch *own, struct err *e)
{
    struct eval *ev = p->ev;
    struct samples *s = &own->s;
    struct samples *scratch = &own->more;
    int rc = pass_columns(p, row, &own->columns, e);

    if (rc != 0) {
        return rc > 0 ? 0 : rc;
    }

    if (p->inner != NULL) {
        rc = row_samples(p->inner, row, &p->inner_grid, s);
    } else {
        rc = read_series(ev, p->selection, row, s, e);
        atomic_fetch_add_explicit(&ev->samples_read, s->n, memory_order_relaxed);
    }
    if (rc != 0) {
        return e->code != 0 ? rc : err_set(e, (enum err_code) - rc, "%s", err_text(rc));
    }
    if (eval_room(ev, s->n) != 0) {
        return fail_too_many(e);
    }
    if (p->fn == NULL && p->extend != EXTEND_SMOOTHED) {
        scratch->n = 0;
        if (p->starts != NULL && p->start_of[row] != UINT32_MAX) {
            rc = ev->src.ops->read(p->starts, p->start_of[row], scratch, e);
        }
        if (rc == 0) {
            walk_instant(p, s, scratch, row);
        }
        return rc;
    }
    drop_stale(s);
    if (p->extend != EXTEND_NONE) {
        const struct extended x = {p->ev, p->grid, p->when, p->range_ms, p->extend, p->fn};

        return extended_walk(&x, s, mat_row(p->out, row), mat_bits(p->out, row), e);
    }
    if (!samples_reserve(scratch, s->n + 1)) {
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    if (hist_any(ev) && hist_has(s)) {
        return walk_histograms(p, s, row, scratch, e);
    }
    if (p->rolled.n != 0 && p->rolled.need == SERIES_NEED_AVG) {
        return walk_average(p, s, row, scratch, e);
    }
    if (!walk_plan(p, s, row, &own->plan)) {
        walk_window(p, s, row, scratch);
    }
    return 0;
}

static void pass_chunk(void *arg, size_t chunk)
{
    struct pass *p = arg;
    struct pass_scratch x = {0};
    size_t end = (chunk + 1) * CHUNK_SERIES < p->out->n ? (chunk + 1) * CHUNK_SERIES : p->out->n;

    for (size_t row = chunk * CHUNK_SERIES; row < end; row++) {
        struct err e = {0};
        int rc = cancel_check(p->ev->cancel);

        if (atomic_load_explicit(&p->rc, memory_order_relaxed) != 0) {
            break;
        }
        rc = rc != 0 ? rc : pass_row(p, row, &x, &e);
        if (rc != 0) {
            pass_fail(p, rc, &e);
            break;
        }
    }
    samples_done(&x.s);
    samples_done(&x.more);
    hist_columns_done(&x.columns);
    rate_plan_done(&x.plan);
}

/** Run over all rows of p->out, then keep what has points. Frees p->out on failure. */
static int pass_run(struct pass *p)
{
    struct eval *ev = p->ev;
    struct mat *out = p->out;
    int rc;

    pthread_mutex_init(&p->lock, NULL);
    atomic_init(&p->rc, 0);
    pool_for(out->n > CHUNK_SERIES ? ev->opts->pool : NULL,
             (out->n + CHUNK_SERIES - 1) / CHUNK_SERIES, pass_chunk, p);
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
        return fail_too_many(ev->reterr);
    }
    return 0;
}

/** Rows for every selected series, labelled. */
static int alloc_rows(struct eval *ev, const struct pass *p, size_t steps, struct mat *ret)
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
static void match_starts(const struct pass *p, uint32_t *dst)
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
static int run_with_starts(struct pass *p, const struct selector *s, const struct node *at)
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
    struct pass p = {.ev = ev,
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
    int64_t first = ref_time(&s->when, grid_at(g, 0)) - s->range_ms + (ev->left_open ? 1 : 0);
    int64_t last = ref_time(&s->when, grid_at(g, g->n - 1));
    int64_t start = floor_div(first + step - 1, step) * step;

    if (start > last) {
        return 0;
    }
    *ret = (struct grid){start, step, (size_t)((last - start) / step) + 1};
    return ret->n > ev->opts->max_samples ? fail_too_many(ev->reterr) : 1;
}

static int window_rows(struct eval *ev, const struct node *n, struct pass *p, struct mat *inner)
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
    struct pass p = {.ev = ev,
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
        rc = rc != 0 ? rc : read_series(ev, sel, i, &s->samples, ev->reterr);
        ret->n++; /* also on failure, to be freed */
        if (rc != 0) {
            return rc;
        }
        atomic_fetch_add_explicit(&ev->samples_read, s->samples.n, memory_order_relaxed);
        if (eval_hold(ev, s->samples.n) != 0) {
            return fail_too_many(ev->reterr);
        }
        ret->held += s->samples.n;
        drop_stale(&s->samples);
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
        if (row_samples(&inner, i, &inner_grid, &ret->v[i].samples) != 0) {
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
