/* SPDX-License-Identifier: Apache-2.0
 *
 * The walk over the expression: literals, unary operators, step-invariant parts evaluated once, and the
 * accounting of memory and samples that every operator goes through.
 */
#include "query/promql/eval.h"

int eval_set_no_memory(struct eval *ev)
{
    if (ev->reterr != NULL && ev->reterr->code != 0) {
        return -ev->reterr->code; /* a limit was already named */
    }
    return err_set(ev->reterr, ERR_LIMIT, "query needs more memory than the limit of %lld bytes",
                   (long long)ev->opts->max_memory_bytes);
}

int eval_take(struct eval *ev, int64_t bytes)
{
    if (!budget_take(&ev->mem, bytes)) {
        if (budget_used(&ev->mem) + bytes <= ev->mem.max_bytes) {
            return err_set(ev->reterr, ERR_NOMEM, "no memory left for queries, try again later");
        }
        return eval_no_memory(ev);
    }
    if (budget_used(&ev->mem) > ev->peak_bytes) {
        ev->peak_bytes = budget_used(&ev->mem);
    }
    return 0;
}

int eval_bill_arena(struct eval *ev)
{
    int rc = 0;

    if (ev->arena.used > ev->arena_billed) {
        rc = eval_take(ev, (int64_t)(ev->arena.used - ev->arena_billed));
        if (rc == 0) {
            ev->arena_billed = ev->arena.used;
        }
    }
    return rc;
}

int eval_alloc(struct eval *ev, struct mat *m, size_t rows, size_t steps)
{
    size_t words = (steps + 63) / 64;
    size_t row_bytes;
    size_t bytes;
    int rc;

    if (__builtin_mul_overflow(steps + words, sizeof(double), &row_bytes) ||
        __builtin_add_overflow(row_bytes, sizeof(struct labels), &row_bytes) ||
        __builtin_mul_overflow(row_bytes, rows, &bytes) || bytes > INT64_MAX / 2) {
        return eval_no_memory(ev);
    }
    rc = eval_bill_arena(ev);
    rc = rc != 0 ? rc : eval_take(ev, (int64_t)bytes);
    if (rc != 0) {
        return rc;
    }
    *m = (struct mat){.steps = steps,
                      .words = words,
                      .n = rows,
                      .labels = mem_try_calloc(rows, sizeof(*m->labels)),
                      .v = mem_try_alloc(rows * steps * sizeof(double)),
                      .has = mem_try_calloc(rows * words, sizeof(uint64_t)),
                      .bytes = (int64_t)bytes};
    if (m->labels == NULL || m->v == NULL || m->has == NULL) {
        mat_done(ev, m);
        return err_set(ev->reterr, ERR_NOMEM, "out of memory");
    }
    return 0;
}

void mat_done(struct eval *ev, struct mat *m)
{
    mem_free(m->labels);
    mem_free(m->v);
    mem_free(m->has);
    budget_give(&ev->mem, m->bytes);
    eval_release(ev, m->held);
    *m = (struct mat){0};
}

static void note_peak(struct eval *ev, uint64_t now)
{
    uint64_t peak = atomic_load_explicit(&ev->samples_peak, memory_order_relaxed);

    while (now > peak &&
           !atomic_compare_exchange_weak_explicit(&ev->samples_peak, &peak, now,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
}

int eval_room(const struct eval *ev, uint64_t samples)
{
    uint64_t held = atomic_load_explicit(&ev->samples, memory_order_relaxed);

    return samples > ev->opts->max_samples || held > ev->opts->max_samples - samples ? -ERR_LIMIT
                                                                                     : 0;
}

int eval_hold(struct eval *ev, uint64_t samples)
{
    uint64_t before = atomic_fetch_add_explicit(&ev->samples, samples, memory_order_relaxed);

    if (before + samples > ev->opts->max_samples) {
        eval_release(ev, samples);
        return -ERR_LIMIT;
    }
    note_peak(ev, before + samples);
    return 0;
}

void eval_release(struct eval *ev, uint64_t samples)
{
    atomic_fetch_sub_explicit(&ev->samples, samples, memory_order_relaxed);
}

/** What a histogram counts as: its bytes by those of a sample, as upstream reckons them. */
static uint64_t samples_of(const struct native_histogram *h)
{
    enum { FIXED = 184, EACH = 8, SAMPLE = 16 };

    return (FIXED + EACH * (h->positive.n + h->negative.n + h->bounds_n)) / SAMPLE;
}

static uint64_t points_of(const struct eval *ev, const struct mat *m)
{
    uint64_t n = bits_count(m->has, m->n * m->words);

    for (size_t r = 0; hist_any(ev) && r < m->n; r++) {
        const uint64_t *bits = mat_bits(m, r);
        const double *v = mat_row(m, r);

        EACH_STEP(bits, m->steps, {
            const struct native_histogram *h =
                UNLIKELY(cell_is_hist(v[i])) ? hist_get(ev, v[i]) : NULL;

            n += h != NULL ? samples_of(h) - 1 : 0;
        })
    }
    return n;
}

int mat_hold(struct eval *ev, struct mat *m)
{
    uint64_t n = points_of(ev, m);

    if (n < m->held) {
        eval_release(ev, m->held - n);
    } else if (n > m->held && eval_hold(ev, n - m->held) != 0) {
        return err_set(
            ev->reterr, ERR_LIMIT,
            "query processing would load too many samples into memory in query execution");
    }
    m->held = n;
    return 0;
}

int eval_check(struct eval *ev)
{
    int rc = cancel_check(ev->cancel);

    if (rc == -ERR_TIMEOUT) {
        return err_set(ev->reterr, ERR_TIMEOUT, "query timed out in expression evaluation");
    }
    if (rc != 0) {
        return err_set(ev->reterr, ERR_CANCELED, "query was canceled in expression evaluation");
    }
    return 0;
}

static int eval_number(struct eval *ev, double v, const struct grid *g, struct mat *ret)
{
    int rc = eval_alloc(ev, ret, 1, g->n);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < g->n; i++) {
        ret->v[i] = v;
    }
    bits_fill(ret->has, g->n);
    return 0;
}

/** Cells without their bit hold anything, also what looks like a histogram. */
static int negate_hist(struct eval *ev, struct mat *m, size_t cell)
{
    size_t row = cell / m->steps;

    return bit_get(mat_bits(m, row), cell % m->steps) && hist_get(ev, m->v[cell]) != NULL
               ? hist_negate(ev, &m->v[cell])
               : 0;
}

static int eval_unary(struct eval *ev, const struct node *n, const struct grid *g, struct mat *ret)
{
    int rc = eval_node(ev, n->unary.expr, g, ret);

    if (rc != 0 || n->unary.op == TOK_ADD) {
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < ret->n * ret->steps; i++) {
        if (hist_any(ev) && cell_is_hist(ret->v[i])) {
            rc = negate_hist(ev, ret, i);
        } else {
            ret->v[i] = -ret->v[i];
        }
    }
    rc = rc != 0 ? rc : mat_drop_names(ev, ret, true);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

/** One column to all steps. */
static int broadcast(struct eval *ev, struct mat *m, size_t steps)
{
    struct mat wide;
    int rc = eval_alloc(ev, &wide, m->n, steps);

    for (size_t r = 0; rc == 0 && r < m->n; r++) {
        wide.labels[r] = m->labels[r];
        if ((mat_bits(m, r)[0] & 1) != 0) {
            for (size_t i = 0; i < steps; i++) {
                mat_row(&wide, r)[i] = m->v[r];
            }
            bits_fill(mat_bits(&wide, r), steps);
        }
    }
    mat_done(ev, m);
    if (rc == 0) {
        *m = wide;
    }
    return rc;
}

static int eval_kind(struct eval *ev, const struct node *n, const struct grid *g, struct mat *ret)
{
    switch (n->kind) {
    case NODE_NUMBER:
        return eval_number(ev, n->number, g, ret);
    case NODE_VECTOR:
        return eval_vector(ev, n, g, CELLS_VALUES, ret);
    case NODE_CALL:
        return eval_call(ev, n, g, ret);
    case NODE_AGGREGATE:
        return eval_aggregate(ev, n, g, ret);
    case NODE_BINARY:
        return eval_binary(ev, n, g, ret);
    case NODE_UNARY:
        return eval_unary(ev, n, g, ret);
    case NODE_PAREN:
        return eval_node(ev, n->paren, g, ret);
    case NODE_STRING:
    case NODE_MATRIX:
    case NODE_SUBQUERY:
    case NODE_DURATION:
        break;
    }
    return err_set(ev->reterr, ERR_INTERNAL, "expression has no vector value");
}

int eval_node(struct eval *ev, const struct node *n, const struct grid *g, struct mat *ret)
{
    const struct grid one = {g->start_ms, g->step_ms, 1};
    bool once = n->invariant && g->n > 1 && n->kind != NODE_NUMBER;
    int rc = eval_check(ev);

    *ret = (struct mat){0};
    rc = rc != 0 ? rc : eval_kind(ev, n, once ? &one : g, ret);
    if (rc == 0 && once) {
        rc = broadcast(ev, ret, g->n);
    }
    if (rc == 0) {
        rc = mat_hold(ev, ret);
        if (rc != 0) {
            mat_done(ev, ret);
        }
    }
    return rc;
}
