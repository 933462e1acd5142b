/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles: of sets of values, and of classic histograms, whose buckets are series that differ in "le".
 */
#include <stdlib.h>

#include "query/promql/eval.h"
#include "query/promql/gotext.h"
#include "query/promql/special.h"

static int nan_first(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    if (isnan(x) || isnan(y)) {
        return isnan(y) - isnan(x);
    }
    return (x > y) - (x < y);
}

double quantile(double q, double *v, size_t n)
{
    double rank;
    double lower;
    double upper;
    double weight;

    if (n == 0 || isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    qsort(v, n, sizeof(*v), nan_first);
    rank = q * (double)(n - 1);
    lower = fmax(0, floor(rank));
    upper = fmin((double)(n - 1), lower + 1);
    weight = rank - floor(rank);
    return v[(size_t)lower] * (1 - weight) + v[(size_t)upper] * weight;
}

struct bucket {
    double le;
    double count;
};

static int by_le(const void *a, const void *b)
{
    double x = ((const struct bucket *)a)->le;
    double y = ((const struct bucket *)b)->le;

    return (x > y) - (x < y);
}

/** Nearly the same, as upstream decides what rounding may have done. */
static bool almost_equal(double a, double b)
{
    const double least = 2.2250738585072014e-308;
    double sum = fabs(a) + fabs(b);
    double diff = fabs(a - b);

    if (a == 0 || b == 0 || sum < least) {
        return diff < 1e-12 * least;
    }
    return diff / fmin(sum, 1.7976931348623157e308) < 1e-12;
}

/** Equal bounds become one bucket; counts never fall from one bucket to the next.
 * @param ret_forced  set when a count fell by more than rounding explains */
static size_t repair(struct bucket *b, size_t n, bool *ret_forced)
{
    double highest;
    size_t out = 0;

    for (size_t i = 1; i < n; i++) {
        if (b[i].le == b[out].le) {
            b[out].count += b[i].count;
        } else {
            b[++out] = b[i];
        }
    }
    highest = b[0].count;
    for (size_t i = 1; i <= out; i++) { /* NaN compares false and stays */
        if (almost_equal(b[i].count, highest)) {
            b[i].count = highest;
        } else if (b[i].count > highest) {
            highest = b[i].count;
        } else if (b[i].count < highest) {
            b[i].count = highest;
            *ret_forced = true;
        }
    }
    return out + 1;
}

/** Linear interpolation inside the bucket that holds the rank. */
static double bucket_quantile(double q, struct bucket *b, size_t n, bool *ret_forced)
{
    double rank;
    double start = 0;
    double count;
    size_t i = 0;

    if (isnan(q)) {
        return NAN;
    }
    if (q < 0 || q > 1) {
        return q < 0 ? -INFINITY : INFINITY;
    }
    qsort(b, n, sizeof(*b), by_le);
    if (!(isinf(b[n - 1].le) && b[n - 1].le > 0)) {
        return NAN;
    }
    n = repair(b, n, ret_forced);
    if (n < 2 || b[n - 1].count == 0) {
        return NAN;
    }
    rank = q * b[n - 1].count;
    for (size_t end = n - 1; i < end;) { /* bisection, which also says what NaN gives */
        size_t mid = (i + end) / 2;

        if (b[mid].count >= rank) {
            end = mid;
        } else {
            i = mid + 1;
        }
    }
    if (i == n - 1) {
        return b[n - 2].le;
    }
    if (i == 0 && b[0].le <= 0) {
        return b[0].le;
    }
    count = b[i].count;
    if (i > 0) {
        start = b[i - 1].le;
        count -= b[i - 1].count;
        rank -= b[i - 1].count;
    }
    return start + (b[i].le - start) * (rank / count);
}

/** Bucket rows of `in` by histogram. */
struct histograms {
    struct label_table table;
    uint32_t *of_row; /* histogram + 1; 0: not a bucket */
    double *le;       /* of each row */
    uint32_t *rows;   /* bucket rows, those of one histogram together */
    uint32_t *start;  /* [table.n + 1] into rows */
    struct bucket *scratch;
};

static void histograms_done(struct histograms *h)
{
    label_table_done(&h->table);
    mem_free(h->of_row);
    mem_free(h->le);
    mem_free(h->rows);
    mem_free(h->start);
    mem_free(h->scratch);
}

static bool group_buckets(const struct mat *in, struct histograms *h, struct label *scratch)
{
    const struct str le = STR("le");

    for (size_t i = 0; i < in->n; i++) {
        struct str text = labels_get(in->labels[i], le);
        int64_t at;

        if (!str_to_f64(text, &h->le[i])) {
            continue;
        }
        at = label_table_add(&h->table, labels_pick(in->labels[i], &le, 1, false, true, scratch),
                             true);
        if (at < 0) {
            return false;
        }
        h->of_row[i] = (uint32_t)at + 1;
    }
    return true;
}

static int histograms_build(struct eval *ev, const struct mat *in, struct histograms *h)
{
    struct label *scratch = mem_try_calloc(mat_max_labels(in) + 1, sizeof(*scratch));
    bool ok;

    h->table.arena = &ev->arena;
    h->of_row = mem_try_calloc(in->n + 1, sizeof(*h->of_row));
    h->le = mem_try_calloc(in->n + 1, sizeof(*h->le));
    h->rows = mem_try_calloc(in->n + 1, sizeof(*h->rows));
    h->scratch = mem_try_calloc(in->n + 1, sizeof(*h->scratch));
    ok = scratch != NULL && h->of_row != NULL && h->le != NULL && h->rows != NULL &&
         h->scratch != NULL && group_buckets(in, h, scratch);
    mem_free(scratch);
    h->start = ok ? mem_try_calloc(h->table.n + 2, sizeof(*h->start)) : NULL;
    if (h->start == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = 0; i < in->n; i++) {
        h->start[h->of_row[i] != 0 ? h->of_row[i] + 1 : 0]++;
    }
    h->start[0] = 0;
    for (size_t i = 2; i < h->table.n + 2; i++) {
        h->start[i] += h->start[i - 1];
    }
    for (size_t i = 0; i < in->n; i++) {
        if (h->of_row[i] != 0) {
            h->rows[h->start[h->of_row[i]]++] = (uint32_t)i;
        }
    }
    return eval_bill_arena(ev);
}

/** @return true when counts had to be made to rise */
static bool quantile_row(const struct mat *in, const struct histograms *h, size_t histogram,
                         const double *q, struct mat *ret)
{
    bool forced = false;

    for (size_t i = 0; i < in->steps; i++) {
        size_t n = 0;

        for (uint32_t k = h->start[histogram]; k < h->start[histogram + 1]; k++) {
            uint32_t row = h->rows[k];

            if (bit_get(mat_bits(in, row), i)) {
                h->scratch[n++] = (struct bucket){h->le[row], mat_row(in, row)[i]};
            }
        }
        if (n != 0) {
            mat_row(ret, histogram)[i] = bucket_quantile(q[i], h->scratch, n, &forced);
            bit_set(mat_bits(ret, histogram), i);
        }
    }
    return forced;
}

static void note_quantiles(struct eval *ev, const struct node *arg, const double *q, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(q[i] >= 0 && q[i] <= 1)) {
            eval_note_quantile(ev, arg, q[i]);
        }
    }
}

/** Tell of rows without a usable "le". */
static void note_buckets(struct eval *ev, const struct node *arg, const struct mat *in,
                         const struct histograms *h)
{
    for (size_t i = 0; i < in->n; i++) {
        struct buf b CLEANUP(buf_done) = {0};

        if (h->of_row[i] != 0) {
            continue;
        }
        buf_init(&b, 4096);
        buf_add_cstr(&b, "bucket label \"le\" is missing or has a malformed value of ");
        go_quote(str_take(labels_get(in->labels[i], STR("le")), 200), &b);
        buf_add_byte(&b, '\0');
        if (!b.failed) {
            eval_note_maybe_name(ev, NOTE_WARNING, arg, b.data,
                                 labels_get(in->labels[i], STR(LABEL_NAME)));
        }
    }
}

int special_histogram_quantile(struct eval *ev, const struct call *c, const struct grid *g,
                               struct mat *ret)
{
    struct histograms h CLEANUP(histograms_done) = {0};
    struct mat q = {0};
    struct mat in = {0};
    int rc = eval_node(ev, c->args[0], g, &q);

    rc = rc != 0 ? rc : eval_node(ev, c->args[1], g, &in);
    rc = rc != 0 ? rc : histograms_build(ev, &in, &h);
    rc = rc != 0 ? rc : eval_alloc(ev, ret, h.table.n, g->n);
    if (rc == 0) {
        note_quantiles(ev, c->args[0], q.v, g->n);
        note_buckets(ev, c->args[1], &in, &h);
    }
    for (size_t i = 0; rc == 0 && i < h.table.n; i++) {
        ret->labels[i] = h.table.v[i];
        if (quantile_row(&in, &h, i, q.v, ret)) {
            eval_note_maybe_name(
                ev, NOTE_INFO, c->args[1],
                "input to histogram_quantile needed to be fixed for monotonicity (see "
                "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                labels_get(h.table.v[i], STR(LABEL_NAME)));
        }
        rc = i % 16 == 0 ? eval_check(ev) : 0;
    }
    mat_done(ev, &q);
    mat_done(ev, &in);
    rc = rc != 0 ? rc : mat_drop_names(ev, ret, false);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

/** histogram_count and the like only look at native histograms; floats give nothing. */
int special_histogram_of_floats(struct eval *ev, const struct call *c, const struct grid *g,
                                struct mat *ret)
{
    int rc = eval_node(ev, c->args[c->n - 1], g, ret);

    if (rc == 0) {
        ret->n = 0;
    }
    return rc;
}
