/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of a query's histograms.
 */
#include "query/promql/eval.h"

void hist_table_init(struct hist_table *t, size_t max_bytes)
{
    *t = (struct hist_table){0};
    pthread_mutex_init(&t->lock, NULL);
    arena_init(&t->arena, max_bytes);
}

void hist_table_done(struct hist_table *t, struct budget *mem)
{
    budget_give(mem, atomic_load_explicit(&t->billed, memory_order_relaxed));
    for (size_t i = 0; i < HIST_SEGMENTS && t->segments[i] != NULL; i++) {
        mem_free(t->segments[i]);
    }
    for (size_t i = 0; i < t->kept.n; i++) {
        native_samples_done(&t->kept.v[i]);
    }
    vec_done(&t->kept);
    arena_done(&t->arena);
    pthread_mutex_destroy(&t->lock);
}

bool hist_any(const struct eval *ev)
{
    return atomic_load_explicit(&ev->hists.any, memory_order_relaxed);
}

static double cell_of(size_t number)
{
    uint64_t bits = HIST_TAG << HIST_TAG_BITS | number;
    double v;

    memcpy(&v, &bits, sizeof(v));
    return v;
}

static size_t segment_of(size_t number)
{
    return 63 - (size_t)__builtin_clzll(number / HIST_FIRST + 1);
}

static const struct native_histogram **slot_of(const struct hist_table *t, size_t number)
{
    size_t segment = segment_of(number);

    return &t->segments[segment][number - (((size_t)HIST_FIRST << segment) - HIST_FIRST)];
}

const struct native_histogram *hist_get(const struct eval *ev, double v)
{
    uint64_t bits;
    size_t number;

    memcpy(&bits, &v, sizeof(bits));
    number = bits & ((1ull << HIST_TAG_BITS) - 1);
    if (bits >> HIST_TAG_BITS != HIST_TAG ||
        number >= atomic_load_explicit(&ev->hists.n, memory_order_acquire)) {
        return NULL;
    }
    return *slot_of(&ev->hists, number);
}

/** Under the lock. @return 0, -ERR_NOMEM */
static int add_locked(struct hist_table *t, const struct native_histogram *h, double *ret)
{
    size_t n = atomic_load_explicit(&t->n, memory_order_relaxed);
    size_t segment = segment_of(n);

    if (segment >= HIST_SEGMENTS) {
        return -ERR_NOMEM;
    }
    if (t->segments[segment] == NULL) {
        t->segments[segment] =
            mem_try_calloc((size_t)HIST_FIRST << segment, sizeof(*t->segments[segment]));
        if (t->segments[segment] == NULL) {
            return -ERR_NOMEM;
        }
    }
    *slot_of(t, n) = h;
    atomic_store_explicit(&t->n, n + 1, memory_order_release);
    atomic_store_explicit(&t->any, true, memory_order_relaxed);
    *ret = cell_of(n);
    return 0;
}

/** Bill bytes. Any thread: nothing is written to the query's error. @return 0, -ERR_LIMIT */
static int bill(struct eval *ev, size_t bytes)
{
    if (bytes != 0) {
        if (!budget_take(&ev->mem, (int64_t)bytes)) {
            return -ERR_LIMIT;
        }
        atomic_fetch_add_explicit(&ev->hists.billed, (int64_t)bytes, memory_order_relaxed);
    }
    return 0;
}

int hist_no_room(const struct eval *ev, int rc, struct err *e)
{
    if (rc == -ERR_LIMIT) {
        return err_set(e, ERR_LIMIT, "query needs more memory than the limit of %lld bytes",
                       (long long)ev->opts->max_memory_bytes);
    }
    return err_set(e, ERR_NOMEM, "out of memory");
}

int hist_put(struct eval *ev, const struct native_histogram *h, double *ret)
{
    struct hist_table *t = &ev->hists;
    const struct native_histogram *copy;
    size_t before;
    size_t more;
    int rc;

    pthread_mutex_lock(&t->lock);
    before = t->arena.used;
    copy = native_dup(h, &t->arena);
    rc = copy == NULL ? -ERR_LIMIT : add_locked(t, copy, ret);
    more = t->arena.used - before;
    pthread_mutex_unlock(&t->lock);
    return rc == 0 ? bill(ev, more) : rc;
}

/** Merge by time; a histogram wins over a float of the same time. `s` has room. */
static void merge(struct samples *s, const int64_t *t, const double *cells, size_t n)
{
    size_t a = s->n;
    size_t b = n;
    size_t at = s->n + n;
    size_t end = at;

    while (b > 0) { /* backwards, in place */
        if (a > 0 && s->t_ms[a - 1] > t[b - 1]) {
            a--;
            at--;
            s->t_ms[at] = s->t_ms[a];
            s->v[at] = s->v[a];
        } else {
            a -= a > 0 && s->t_ms[a - 1] == t[b - 1] ? 1 : 0;
            b--;
            at--;
            s->t_ms[at] = t[b];
            s->v[at] = cells[b];
        }
    }
    if (at != a) { /* close the gap that equal times left */
        memmove(s->t_ms + a, s->t_ms + at, (end - at) * sizeof(*s->t_ms));
        memmove(s->v + a, s->v + at, (end - at) * sizeof(*s->v));
    }
    s->n = end - (at - a);
}

int hist_keep(struct eval *ev, struct native_samples *ns, double *cells)
{
    struct hist_table *t = &ev->hists;
    bool kept;
    int rc = bill(ev, ns->bytes);

    if (rc != 0) {
        return rc;
    }
    pthread_mutex_lock(&t->lock);
    rc = vec_push(&t->kept, *ns) ? 0 : -ERR_NOMEM;
    for (size_t i = 0; rc == 0 && i < ns->n; i++) {
        if (sample_is_stale(ns->v[i].sum)) {
            cells[i] = sample_stale();
        } else {
            rc = add_locked(t, &ns->v[i], &cells[i]);
        }
    }
    kept = t->kept.n != 0 && t->kept.v[t->kept.n - 1].v == ns->v;
    pthread_mutex_unlock(&t->lock);
    if (kept) {
        *ns = (struct native_samples){0};
    }
    return rc;
}

int hist_adopt(struct eval *ev, struct native_samples *ns, struct samples *s)
{
    size_t n = ns->n;
    int64_t *t_ms = ns->t_ms;
    double *cells;
    int rc;

    if (n == 0) {
        native_samples_done(ns);
        return 0;
    }
    cells = mem_try_calloc(n, sizeof(*cells));
    if (cells == NULL || !samples_reserve(s, s->n + n)) {
        mem_free(cells);
        return -ERR_NOMEM;
    }
    rc = hist_keep(ev, ns, cells); /* their times live with the query then */
    if (rc == 0) {
        merge(s, t_ms, cells, n);
    }
    mem_free(cells);
    return rc;
}

bool hist_has(const struct samples *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (cell_is_hist(s->v[i])) {
            return true;
        }
    }
    return false;
}

bool hist_drop(const struct eval *ev, struct mat *m)
{
    bool dropped = false;

    for (size_t r = 0; hist_any(ev) && r < m->n; r++) {
        uint64_t *bits = mat_bits(m, r);
        const double *v = mat_row(m, r);

        EACH_STEP(bits, m->steps, {
            if (cell_is_hist(v[i])) {
                bit_clear(bits, i);
                dropped = true;
            }
        })
    }
    if (dropped) {
        mat_compact(m);
    }
    return dropped;
}

bool hist_row_has_floats(const struct eval *ev, const struct mat *m, size_t row)
{
    const uint64_t *bits = mat_bits(m, row);
    const double *v = mat_row(m, row);
    bool found = !hist_any(ev);

    if (!found) {
        EACH_STEP(bits, m->steps, { found |= hist_get(ev, v[i]) == NULL; })
    }
    return found;
}

bool hist_in(const struct eval *ev, const struct mat *m)
{
    bool found = false;

    for (size_t r = 0; hist_any(ev) && !found && r < m->n; r++) {
        const uint64_t *bits = mat_bits(m, r);
        const double *v = mat_row(m, r);

        EACH_STEP(bits, m->steps, { found |= cell_is_hist(v[i]); })
    }
    return found;
}
