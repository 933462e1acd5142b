/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantiles of classic histograms, whose buckets are series that differ in "le", and of native ones; and what else is
 * asked of histograms.
 */
#include <float.h>
#include <stdlib.h>

#include "query/promql/eval.h"
#include "query/promql/gotext.h"
#include "query/promql/special.h"

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

/** Equal bounds become one bucket. */
static size_t join_equal(struct bucket *b, size_t n)
{
    size_t out = 0;

    for (size_t i = 1; i < n; i++) {
        if (b[i].le == b[out].le) {
            b[out].count += b[i].count;
        } else {
            b[++out] = b[i];
        }
    }
    return out + 1;
}

/** Relative difference below what float sums lose. */
static bool almost_equal(double a, double b)
{
    double sum = fabs(a) + fabs(b);
    double diff = fabs(a - b);

    if (a == 0 || b == 0 || sum < DBL_MIN) {
        return diff < 1e-12 * DBL_MIN;
    }
    return diff / fmin(sum, DBL_MAX) < 1e-12;
}

/** Counts never fall from one bucket to the next. @return whether one did, by more than rounding explains */
static bool force_rising(struct bucket *b, size_t n)
{
    double highest = b[0].count;
    bool forced = false;

    for (size_t i = 1; i < n; i++) { /* NaN compares false and stays */
        if (b[i].count != highest && almost_equal(highest, b[i].count)) {
            b[i].count = highest;
        } else if (b[i].count > highest) {
            highest = b[i].count;
        } else if (b[i].count < highest) {
            b[i].count = highest;
            forced = true;
        }
    }
    return forced;
}

/** Linear interpolation inside the bucket that holds the rank. */
static double bucket_quantile(double q, struct bucket *b, size_t n, bool *forced)
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
    n = join_equal(b, n);
    *forced |= force_rising(b, n);
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

/** Share of the observations between two values. */
static double bucket_fraction(double lower, double upper, struct bucket *b, size_t n)
{
    const double limit[2] = {lower, upper};
    double rank[2];
    bool set[2] = {false, false};
    double below = 0;
    double count;

    qsort(b, n, sizeof(*b), by_le);
    if (!(isinf(b[n - 1].le) && b[n - 1].le > 0)) {
        return NAN;
    }
    n = join_equal(b, n);
    count = b[n - 1].count;
    if (count == 0 || isnan(lower) || isnan(upper)) {
        return NAN;
    }
    if (lower >= upper) {
        return 0;
    }
    rank[0] = rank[1] = count;
    for (size_t i = 0; i < n && !(set[0] && set[1]); i++) {
        double start = i > 0 ? b[i - 1].le : b[0].le > 0 ? 0 : -INFINITY;

        for (int k = 0; k < 2; k++) {
            if (!set[k] && start >= limit[k]) {
                rank[k] = below;
                set[k] = true;
            } else if (!set[k] && b[i].le > limit[k]) {
                rank[k] = below + (b[i].count - below) * (limit[k] - start) / (b[i].le - start);
                set[k] = true;
            }
        }
        below = b[i].count;
    }
    for (int k = 0; k < 2; k++) {
        rank[k] = rank[k] > count ? count : rank[k];
    }
    return (rank[1] - rank[0]) / count;
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

/** A row without a bound; only its floats are buckets. */
static void note_bad_bound(struct eval *ev, const struct node *at, const struct mat *in, size_t row,
                           struct str text)
{
    const uint64_t *bits = mat_bits(in, row);
    bool floats = false;
    struct buf b CLEANUP(buf_done) = {0};

    EACH_STEP(bits, in->steps, { floats |= hist_get(ev, mat_row(in, row)[i]) == NULL; })
    if (floats) {
        buf_init(&b, 4096);
        buf_add_cstr(&b, "bucket label \"le\" is missing or has a malformed value of ");
        go_quote(str_take(text, 500), &b);
        buf_add_byte(&b, '\0');
        eval_note_maybe_name(ev, NOTE_WARNING, at, b.data,
                             labels_get(in->labels[row], STR(LABEL_NAME)));
    }
}

static bool group_buckets(struct eval *ev, const struct node *at_node, const struct mat *in,
                          struct histograms *h, struct label *scratch)
{
    const struct str le = STR("le");

    for (size_t i = 0; i < in->n; i++) {
        struct str text = labels_get(in->labels[i], le);
        int64_t at;

        if (!str_to_f64(text, &h->le[i])) {
            note_bad_bound(ev, at_node, in, i, text);
            continue;
        }
        at = label_table_add(&h->table, labels_pick(in->labels[i], &le, 1, false, NULL, scratch),
                             true);
        if (at < 0) {
            return false;
        }
        h->of_row[i] = (uint32_t)at + 1;
    }
    return true;
}

static int histograms_build(struct eval *ev, const struct node *at, const struct mat *in,
                            struct histograms *h)
{
    struct label *scratch = mem_try_calloc(mat_max_labels(in) + 1, sizeof(*scratch));
    bool ok;

    h->table.arena = &ev->arena;
    h->of_row = mem_try_calloc(in->n + 1, sizeof(*h->of_row));
    h->le = mem_try_calloc(in->n + 1, sizeof(*h->le));
    h->rows = mem_try_calloc(in->n + 1, sizeof(*h->rows));
    h->scratch = mem_try_calloc(in->n + 1, sizeof(*h->scratch));
    ok = scratch != NULL && h->of_row != NULL && h->le != NULL && h->rows != NULL &&
         h->scratch != NULL && group_buckets(ev, at, in, h, scratch);
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

/** histogram_quantile() and histogram_fraction(): scalar arguments first, the vector last. */
struct estimate {
    struct eval *ev;
    const struct call *c;
    struct mat args[2];
    struct mat in;
    struct histograms h;
    const struct node *vector; /* the argument with the histograms */
    bool fraction;
};

static double classic(const struct estimate *e, size_t step, size_t n, bool *forced)
{
    return e->fraction ? bucket_fraction(e->args[0].v[step], e->args[1].v[step], e->h.scratch, n)
                       : bucket_quantile(e->args[0].v[step], e->h.scratch, n, forced);
}

static void classic_row(const struct estimate *e, size_t histogram, struct mat *ret)
{
    const struct mat *in = &e->in;
    const struct histograms *h = &e->h;
    bool hists = hist_any(e->ev);
    bool forced = false;

    for (size_t i = 0; i < in->steps; i++) {
        size_t n = 0;

        for (uint32_t k = h->start[histogram]; k < h->start[histogram + 1]; k++) {
            uint32_t row = h->rows[k];

            if (bit_get(mat_bits(in, row), i) &&
                !(hists && hist_get(e->ev, mat_row(in, row)[i]) != NULL)) {
                h->scratch[n++] = (struct bucket){h->le[row], mat_row(in, row)[i]};
            }
        }
        if (n != 0) {
            mat_row(ret, histogram)[i] = classic(e, i, n, &forced);
            bit_set(mat_bits(ret, histogram), i);
        }
    }
    if (forced) {
        eval_note_maybe_name(
            e->ev, NOTE_INFO, e->c->args[1],
            "input to histogram_quantile needed to be fixed for monotonicity (see "
            "https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
            labels_get(h->table.v[histogram], STR(LABEL_NAME)));
    }
}

static void note_nan(const struct estimate *e, const struct native_histogram *h, size_t step,
                     double result)
{
    double a = e->args[0].v[step];
    const char *text;

    if (LIKELY(!isnan(h->sum)) || isnan(a) || !native_has_nan(h)) {
        return;
    }
    if (e->fraction) {
        if (!(a < e->args[1].v[step])) {
            return;
        }
        text = "input to histogram_fraction has NaN observations, which are excluded from all "
               "fractions for metric name";
    } else if (a < 0 || a > 1) {
        return;
    } else if (isnan(result)) {
        text = "input to histogram_quantile has NaN observations, result is NaN for metric name";
    } else {
        text = "input to histogram_quantile has NaN observations, result is skewed higher for "
               "metric name";
    }
    eval_note_name(e->ev, NOTE_INFO, e->c->args[0], text, STR(""));
}

/** The estimate of one native histogram. Where the classic form of the same series has a value, neither stays. */
static void native_cell(const struct estimate *e, size_t row, size_t i, int64_t twin, size_t to,
                        struct mat *ret)
{
    const struct native_histogram *h = hist_get(e->ev, mat_row(&e->in, row)[i]);

    if (h == NULL) {
        return;
    }
    if (twin >= 0 && bit_get(mat_bits(ret, (size_t)twin), i)) {
        bit_clear(mat_bits(ret, (size_t)twin), i);
        eval_note_name(e->ev, NOTE_WARNING, e->vector,
                       "vector contains a mix of classic and native histograms for metric name",
                       labels_get(e->in.labels[row], STR(LABEL_NAME)));
        return;
    }
    mat_row(ret, to)[i] = e->fraction ? native_fraction(h, e->args[0].v[i], e->args[1].v[i])
                                      : native_quantile(h, e->args[0].v[i]);
    bit_set(mat_bits(ret, to), i);
    note_nan(e, h, i, mat_row(ret, to)[i]);
}

static void native_row(const struct estimate *e, size_t row, size_t to, struct mat *ret)
{
    const uint64_t *bits = mat_bits(&e->in, row);
    int64_t twin = label_table_find(&e->h.table, e->in.labels[row]);

    EACH_STEP(bits, e->in.steps, { native_cell(e, row, i, twin, to, ret); })
}

static void note_quantiles(struct eval *ev, const struct node *at, const double *q, size_t steps)
{
    for (size_t i = 0; q != NULL && i < steps; i++) {
        if (isnan(q[i]) || q[i] < 0 || q[i] > 1) {
            eval_note_quantile(ev, at, q[i]);
        }
    }
}

static int estimate_rows(struct estimate *e, const struct grid *g, struct mat *ret)
{
    struct eval *ev = e->ev;
    size_t groups = e->h.table.n;
    bool hists = hist_in(ev, &e->in);
    int rc = eval_alloc(ev, ret, groups + (hists ? e->in.n : 0), g->n);

    for (size_t i = 0; rc == 0 && i < groups; i++) {
        ret->labels[i] = e->h.table.v[i];
        classic_row(e, i, ret);
        rc = i % 16 == 0 ? eval_check(ev) : 0;
    }
    for (size_t i = 0; rc == 0 && hists && i < e->in.n; i++) {
        ret->labels[groups + i] = e->in.labels[i];
        native_row(e, i, groups + i, ret);
        rc = i % 16 == 0 ? eval_check(ev) : 0;
    }
    if (rc == 0 && hists) {
        mat_compact(ret);
    }
    return rc;
}

static int estimate(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    struct estimate e = {.ev = ev, .c = c, .vector = c->args[c->n - 1], .fraction = c->n == 3};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i + 1 < c->n; i++) {
        rc = eval_node(ev, c->args[i], g, &e.args[i]);
    }
    if (rc == 0 && !e.fraction) {
        note_quantiles(ev, c->args[0], e.args[0].v, g->n);
    }
    rc = rc != 0 ? rc : eval_node(ev, e.vector, g, &e.in);
    rc = rc != 0 ? rc : histograms_build(ev, e.vector, &e.in, &e.h);
    rc = rc != 0 ? rc : estimate_rows(&e, g, ret);
    mat_done(ev, &e.args[0]);
    mat_done(ev, &e.args[1]);
    mat_done(ev, &e.in);
    histograms_done(&e.h);
    rc = rc != 0 ? rc : mat_drop_names(ev, ret, false);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

int special_histogram_quantile(struct eval *ev, const struct call *c, const struct grid *g,
                               struct mat *ret)
{
    return estimate(ev, c, g, ret);
}

int special_histogram_fraction(struct eval *ev, const struct call *c, const struct grid *g,
                               struct mat *ret)
{
    return estimate(ev, c, g, ret);
}

/** What one argument of histogram_quantiles() gave: rows for each of its values, which may change by step. */
struct ranked {
    struct mat q;
    struct mat rows;
    double *values; /* without repetition; owned */
    size_t n;
};

static int by_bits(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(double));
}

static bool same_value(double a, double b)
{
    return by_bits(&a, &b) == 0;
}

static int ranked_eval(struct estimate *e, const struct node *arg, const struct grid *g,
                       struct ranked *r)
{
    size_t n = 1;
    int rc = eval_node(e->ev, arg, g, &r->q);

    if (rc != 0) {
        return rc;
    }
    note_quantiles(e->ev, arg, r->q.v, g->n);
    r->values = mem_try_calloc(g->n, sizeof(*r->values));
    if (r->values == NULL) {
        return eval_no_memory(e->ev);
    }
    memcpy(r->values, r->q.v, g->n * sizeof(*r->values));
    qsort(r->values, g->n, sizeof(*r->values), by_bits);
    for (size_t i = 1; i < g->n; i++) {
        if (!same_value(r->values[i], r->values[n - 1])) {
            r->values[n++] = r->values[i];
        }
    }
    r->n = n;
    e->args[0] = r->q; /* borrowed while the rows are made */
    rc = estimate_rows(e, g, &r->rows);
    e->args[0] = (struct mat){0};
    return rc;
}

/** Labels with a quantile's value, as OpenMetrics writes it: with a point. */
static int ranked_labels(struct eval *ev, struct labels ls, struct str name, double q,
                         struct labels *ret)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str text;

    buf_init(&b, 64);
    go_add_f64_v(&b, q);
    if (isfinite(q) && str_find_byte(buf_str(&b), '.') < 0 && str_find_byte(buf_str(&b), 'e') < 0) {
        buf_add_cstr(&b, ".0");
    }
    text = arena_str_dup(&ev->arena, buf_str(&b));
    return text.p == NULL ? eval_no_memory(ev) : labels_set(ev, ls, name, text, ret);
}

/** All rows of all arguments in one matrix. */
static int ranked_join(struct eval *ev, const struct ranked *v, size_t n, struct str name,
                       struct mat *ret)
{
    size_t steps = v[0].q.steps;
    size_t rows = 0;
    size_t to = 0;
    int rc;

    for (size_t k = 0; k < n; k++) {
        rows += v[k].rows.n * v[k].n;
    }
    rc = eval_alloc(ev, ret, rows, steps);
    for (size_t k = 0; rc == 0 && k < n; k++) {
        for (size_t i = 0; rc == 0 && i < v[k].n; i++) {
            for (size_t row = 0; rc == 0 && row < v[k].rows.n; row++, to++) {
                const uint64_t *bits = mat_bits(&v[k].rows, row);

                rc = ranked_labels(ev, v[k].rows.labels[row], name, v[k].values[i],
                                   &ret->labels[to]);
                memcpy(mat_row(ret, to), mat_row(&v[k].rows, row), steps * sizeof(double));
                for (size_t s = 0; s < steps; s++) {
                    if (bit_get(bits, s) && same_value(v[k].q.v[s], v[k].values[i])) {
                        bit_set(mat_bits(ret, to), s);
                    }
                }
            }
            rc = rc != 0 ? rc : eval_check(ev);
        }
    }
    return rc;
}

int special_histogram_quantiles(struct eval *ev, const struct call *c, const struct grid *g,
                                struct mat *ret)
{
    struct estimate e = {.ev = ev, .c = c, .vector = c->args[0]};
    struct str name = node_strip_parens(c->args[1])->string;
    struct ranked v[10] = {0};
    size_t n = c->n - 2;
    int rc = eval_node(ev, e.vector, g, &e.in);

    if (rc == 0 && (name.n == 0 || !str_is_utf8(name))) {
        rc = err_set(ev->reterr, ERR_EXEC, "invalid label name %.*s in histogram_quantiles()",
                     STR_ARG(str_take(name, 100)));
    }
    rc = rc != 0 ? rc : histograms_build(ev, e.vector, &e.in, &e.h);
    for (size_t k = 0; rc == 0 && k < n; k++) {
        rc = ranked_eval(&e, c->args[k + 2], g, &v[k]);
    }
    rc = rc != 0 ? rc : ranked_join(ev, v, n, name, ret);
    for (size_t k = 0; k < n; k++) {
        mat_done(ev, &v[k].q);
        mat_done(ev, &v[k].rows);
        mem_free(v[k].values);
    }
    mat_done(ev, &e.in);
    histograms_done(&e.h);
    if (rc == 0) {
        mat_compact(ret);
        rc = mat_drop_names(ev, ret, false);
        rc = rc != 0 ? rc : mat_merge_same(ev, ret, false);
    }
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

/** histogram_count() and the like look at native histograms only. */
static int map_histograms(struct eval *ev, const struct call *c, const struct grid *g,
                          double (*fn)(const struct native_histogram *h), struct mat *ret)
{
    int rc = eval_node(ev, c->args[0], g, ret);

    if (rc != 0) {
        return rc;
    }
    for (size_t r = 0; r < ret->n; r++) {
        uint64_t *bits = mat_bits(ret, r);
        double *v = mat_row(ret, r);

        EACH_STEP(bits, ret->steps, {
            const struct native_histogram *h = hist_get(ev, v[i]);

            if (h == NULL) {
                bit_clear(bits, i);
            } else {
                v[i] = fn(h);
            }
        })
    }
    mat_compact(ret);
    rc = mat_drop_names(ev, ret, false);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}

static double count_of(const struct native_histogram *h)
{
    return h->count;
}

static double sum_of(const struct native_histogram *h)
{
    return h->sum;
}

static double avg_of(const struct native_histogram *h)
{
    return h->sum / h->count;
}

static double stddev_of(const struct native_histogram *h)
{
    return sqrt(native_variance(h));
}

int special_histogram_count(struct eval *ev, const struct call *c, const struct grid *g,
                            struct mat *ret)
{
    return map_histograms(ev, c, g, count_of, ret);
}

int special_histogram_sum(struct eval *ev, const struct call *c, const struct grid *g,
                          struct mat *ret)
{
    return map_histograms(ev, c, g, sum_of, ret);
}

int special_histogram_avg(struct eval *ev, const struct call *c, const struct grid *g,
                          struct mat *ret)
{
    return map_histograms(ev, c, g, avg_of, ret);
}

int special_histogram_stddev(struct eval *ev, const struct call *c, const struct grid *g,
                             struct mat *ret)
{
    return map_histograms(ev, c, g, stddev_of, ret);
}

int special_histogram_stdvar(struct eval *ev, const struct call *c, const struct grid *g,
                             struct mat *ret)
{
    return map_histograms(ev, c, g, native_variance, ret);
}
