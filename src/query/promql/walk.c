/* SPDX-License-Identifier: Apache-2.0
 *
 * The walks: newest samples, windows of a range function, rates along a plan, buckets, histograms. Each goes once
 * over the samples of a series and once over the steps, both in order of time.
 */
#include "query/promql/walk.h"

#include "query/promql/eval.h"
#include "query/promql/window.h"

int walk_too_many(struct err *e)
{
    return err_set(e, ERR_LIMIT,
                   "query processing would load too many samples into memory in query execution");
}

/** Samples looked at for one step, when the query's statistics are wanted by step. */
static inline void note_step(const struct walk *p, size_t i, uint64_t n)
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
static void walk_instant(const struct walk *p, const struct samples *s,
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
        int64_t ref = walk_time(&p->when, grid_at(g, i));

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

void walk_drop_stale(struct samples *s)
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
static const double *reduce_series(const struct walk *p, const struct samples *s, double *dst)
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
static bool walk_plan(const struct walk *p, const struct samples *s, size_t row,
                      struct rate_plan *plan)
{
    const struct rate_grid g = {
        .steps = p->grid->n,
        .end_ms = walk_time(&p->when, grid_at(p->grid, 0)),
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
static void walk_window(const struct walk *p, const struct samples *s, size_t row,
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
        w.end_ms = walk_time(&p->when, w.eval_ms);
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

int walk_cells(const struct mat *m, size_t row, const struct grid *g, struct samples *dst)
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
static int walk_histograms(const struct walk *p, const struct samples *s, size_t row,
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
        w.end_ms = walk_time(&p->when, w.eval_ms);
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
static int walk_average(const struct walk *p, const struct samples *s, size_t row,
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
    walk_drop_stale(counts);
    for (size_t i = 0; counts->n == s->n && i < g->n; i++) {
        int64_t end = walk_time(&p->when, grid_at(g, i));
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

int walk_read(struct eval *ev, struct series_selection *selection, size_t i, struct samples *s,
              struct err *e)
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

/** The function over a series of histograms alone. `c->in` has them. */
static int walk_columns(const struct walk *p, struct hist_columns *c, size_t row, struct err *e)
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
        w.end_ms = walk_time(&p->when, grid_at(g, i));
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
static int walk_histogram_columns(struct walk *p, size_t row, struct hist_columns *c, struct err *e)
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
        return walk_too_many(e);
    }
    rc = walk_columns(p, c, row, e);
    return rc != 0 ? rc : 1;
}

int walk_row(struct walk *p, size_t row, struct walk_scratch *own, struct err *e)
{
    struct eval *ev = p->ev;
    struct samples *s = &own->s;
    struct samples *scratch = &own->more;
    int rc = walk_histogram_columns(p, row, &own->columns, e);

    if (rc != 0) {
        return rc > 0 ? 0 : rc;
    }

    if (p->inner != NULL) {
        rc = walk_cells(p->inner, row, &p->inner_grid, s);
    } else {
        rc = walk_read(ev, p->selection, row, s, e);
        atomic_fetch_add_explicit(&ev->samples_read, s->n, memory_order_relaxed);
    }
    if (rc != 0) {
        return e->code != 0 ? rc : err_set(e, (enum err_code) - rc, "%s", err_text(rc));
    }
    if (eval_room(ev, s->n) != 0) {
        return walk_too_many(e);
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
    walk_drop_stale(s);
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

void walk_scratch_done(struct walk_scratch *own)
{
    samples_done(&own->s);
    samples_done(&own->more);
    hist_columns_done(&own->columns);
    rate_plan_done(&own->plan);
}
