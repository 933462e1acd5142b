/* SPDX-License-Identifier: Apache-2.0
 *
 * Aggregations: rows are assigned to groups once, then folded into their group's row step by step. The
 * order of additions is the order of rows, as upstream's.
 */
#include <stdlib.h>
#include <xxhash.h>

#include "query/promql/eval.h"
#include "query/promql/gotext.h"

enum {
    FOLD_WORDS = 2,         /* words of presence bits in a range of steps */
    PARALLEL_MIN = 1 << 16, /* cells that are worth other threads */
};

/** An aggregation under way. */
struct agg {
    struct eval *ev;
    const struct aggregate *a;
    const struct node *n;
    struct mat in;
    const double *param; /* per step; NULL for most */
    struct label_table groups;
    uint32_t *group; /* [in.n] */
    struct mat out;  /* [groups] */
    struct mat aux;  /* [groups], for the operators that need a second accumulator */
    struct mat aux2;
};

static int group_rows(struct agg *s)
{
    const struct names *by = &s->a->by;
    struct label *scratch = mem_try_calloc(mat_max_labels(&s->in) + 1, sizeof(*scratch));

    s->groups.arena = &s->ev->arena;
    s->group = mem_try_calloc(s->in.n + 1, sizeof(*s->group));
    if (scratch == NULL || s->group == NULL) {
        mem_free(scratch);
        return eval_no_memory(s->ev);
    }
    for (size_t i = 0; i < s->in.n; i++) {
        struct labels key =
            labels_pick(s->in.labels[i], by->sorted, by->sorted_n, !s->a->without, s->ev, scratch);
        int64_t g = label_table_add(&s->groups, key, true);

        if (g < 0) {
            mem_free(scratch);
            return eval_no_memory(s->ev);
        }
        s->group[i] = (uint32_t)g;
        if (s->ev->names_go_last) { /* the table's copy of the array is the arena's */
            labels_join_marks(key, (struct label *)(uintptr_t)s->groups.v[g].v, s->groups.v[g].n);
        }
    }
    mem_free(scratch);
    return eval_bill_arena(s->ev);
}

static int alloc_out(struct agg *s, struct mat *m)
{
    int rc = eval_alloc(s->ev, m, s->groups.n, s->in.steps);

    for (size_t i = 0; rc == 0 && i < s->groups.n; i++) {
        m->labels[i] = s->groups.v[i];
    }
    return rc;
}

/* --- Folds: out, aux and aux2 rows of the group, then the value --- */

/** a + b with what rounding lost added to *c (Knuth 1969: exact without a branch, so loops vectorise).
 * When the sum is not finite *c means nothing. */
static inline double add_exact(double a, double b, double *c)
{
    double sum = a + b;
    double from_b = sum - a;

    *c += (a - (sum - from_b)) + (b - from_b);
    return sum;
}

static inline double with_rest(double sum, double c)
{
    return isfinite(sum) ? sum + c : sum;
}

/** A sum and a count, until the sum overflows: from then on a running mean and minus the count. */
static inline void fold_avg(double *acc, double *c, double *count, double v)
{
    double n = fabs(*count) + 1;
    double rest = *c;
    double sum;

    if (*count > 0) {
        sum = add_exact(*acc, v, &rest);
        if (isfinite(sum) || isnan(sum)) {
            *acc = sum;
            *c = rest;
            *count = n;
            return;
        }
        *acc /= n - 1;
        *c /= n - 1;
    }
    *count = -n;
    *c *= (n - 1) / n;
    *acc = add_exact(*acc * ((n - 1) / n), v / n, c);
    if (!isfinite(*acc)) {
        *c = 0;
    }
}

static inline void fold_var(double *sum, double *mean, double *count, double v)
{
    double delta = v - *mean;

    *count += 1;
    *mean += delta / *count;
    *sum += delta * (v - *mean);
}

/** The first point of a group at a step. */
static inline void fold_first(const struct agg *s, size_t at, double v)
{
    switch (s->a->op) {
    case TOK_COUNT:
    case TOK_GROUP:
        s->out.v[at] = 1;
        break;
    case TOK_AVG:
        s->out.v[at] = v;
        s->aux.v[at] = 0;
        s->aux2.v[at] = 1;
        break;
    case TOK_STDVAR:
    case TOK_STDDEV:
        s->out.v[at] = isfinite(v) || !s->ev->left_open ? 0 : NAN;
        s->aux.v[at] = v;
        s->aux2.v[at] = 1;
        break;
    default:
        s->out.v[at] = v;
        break;
    }
}

static inline void fold_next(const struct agg *s, size_t at, double v)
{
    double *acc = &s->out.v[at];

    switch (s->a->op) {
    case TOK_COUNT:
        *acc += 1;
        break;
    case TOK_AVG:
        fold_avg(acc, &s->aux.v[at], &s->aux2.v[at], v);
        break;
    case TOK_MAX:
        *acc = *acc < v || isnan(*acc) ? v : *acc;
        break;
    case TOK_MIN:
        *acc = *acc > v || isnan(*acc) ? v : *acc;
        break;
    case TOK_STDVAR:
    case TOK_STDDEV:
        fold_var(acc, &s->aux.v[at], &s->aux2.v[at], v);
        break;
    default:
        break; /* group */
    }
}

/** Bits of a word of presence bits that `steps` steps have. */
static uint64_t all_of(size_t steps)
{
    return steps >= 64 ? ~0ull : (1ull << steps) - 1;
}

VECTORISED static void sum_all(double *restrict acc, double *restrict rest,
                               const double *restrict v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        acc[i] = add_exact(acc[i], v[i], &rest[i]);
    }
}

/** Sum has a loop of its own: it is most of what is asked. */
static void sum_row(double *acc, double *rest, uint64_t *have, const double *v,
                    const uint64_t *bits, size_t steps)
{
    for (size_t w = 0; w * 64 < steps; w++) {
        uint64_t all = all_of(steps - w * 64);

        if (bits[w] == all && have[w] == all) {
            size_t from = w * 64;

            sum_all(acc + from, rest + from, v + from, steps - from < 64 ? steps - from : 64);
            continue;
        }
        for (uint64_t word = bits[w]; word != 0; word &= word - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(word);

            if ((have[w] >> (i % 64)) & 1) {
                acc[i] = add_exact(acc[i], v[i], &rest[i]);
            } else {
                acc[i] = v[i];
                rest[i] = 0;
            }
        }
        have[w] |= bits[w];
    }
}

/** From accumulators to values; cells without a point hold no meaning. */
static void fold_finish(struct agg *s)
{
    double *out = s->out.v;

    for (size_t i = 0; i < s->groups.n * s->in.steps; i++) {
        switch (s->a->op) {
        case TOK_SUM:
            out[i] = with_rest(out[i], s->aux.v[i]);
            break;
        case TOK_AVG:
            out[i] = s->aux2.v[i] > 0 ? with_rest(out[i] / s->aux2.v[i], s->aux.v[i] / s->aux2.v[i])
                                      : with_rest(out[i], s->aux.v[i]);
            break;
        default:
            out[i] /= s->aux2.v[i];
            out[i] = s->a->op == TOK_STDDEV ? sqrt(out[i]) : out[i];
            break;
        }
    }
}

/** All rows at one range of steps; ends early when the query does. */
static void fold_steps(void *arg, size_t range)
{
    const struct agg *s = arg;
    size_t word = range * FOLD_WORDS;
    size_t first = word * 64;
    size_t steps = s->in.steps - first < FOLD_WORDS * 64 ? s->in.steps - first : FOLD_WORDS * 64;

    for (size_t r = 0; r < s->in.n; r++) {
        const double *v = mat_row(&s->in, r) + first;
        const uint64_t *bits = mat_bits(&s->in, r) + word;
        uint64_t *have = mat_bits(&s->out, s->group[r]) + word;
        size_t base = s->group[r] * s->in.steps + first;

        if (r % 1024 == 0 && cancel_check(s->ev->cancel) != 0) {
            return;
        }
        if (r + 1 < s->in.n) {
            for (size_t i = 0; i < steps; i += CACHE_LINE / sizeof(*v)) {
                PREFETCH(v + s->in.steps + i);
            }
        }
        if (s->a->op == TOK_SUM) {
            sum_row(s->out.v + base, s->aux.v + base, have, v, bits, steps);
            continue;
        }
        EACH_STEP(bits, steps, {
            if (bit_get(have, i)) {
                fold_next(s, base + i, v[i]);
            } else {
                fold_first(s, base + i, v[i]);
                bit_set(have, i);
            }
        })
    }
}

static int fold(struct agg *s)
{
    size_t steps = s->in.steps;
    bool three = s->a->op == TOK_STDVAR || s->a->op == TOK_STDDEV || s->a->op == TOK_AVG;
    bool two = three || s->a->op == TOK_SUM;
    int rc = alloc_out(s, &s->out);

    if (rc == 0 && two) {
        rc = eval_alloc(s->ev, &s->aux, s->groups.n, steps);
    }
    if (rc == 0 && three) {
        rc = eval_alloc(s->ev, &s->aux2, s->groups.n, steps);
    }
    if (rc == 0) {
        /* Steps do not know of each other: in ranges of them the order of additions stays that of the rows. */
        pool_for(s->in.n * steps < PARALLEL_MIN ? NULL : s->ev->opts->pool,
                 (s->in.words + FOLD_WORDS - 1) / FOLD_WORDS, fold_steps, s);
        rc = eval_check(s->ev);
    }
    if (rc == 0 && two) {
        fold_finish(s);
    }
    return rc;
}

/* --- Operators that need all values of a group at once --- */

/** Rows by group: those of group g are rows[start[g] .. start[g + 1]). */
struct members {
    uint32_t *start;
    uint32_t *rows;
};

static void members_done(struct members *m)
{
    mem_free(m->start);
    mem_free(m->rows);
}

static int members_build(struct agg *s, struct members *m)
{
    m->start = mem_try_calloc(s->groups.n + 2, sizeof(*m->start));
    m->rows = mem_try_calloc(s->in.n + 1, sizeof(*m->rows));
    if (m->start == NULL || m->rows == NULL) {
        return eval_no_memory(s->ev);
    }
    for (size_t i = 0; i < s->in.n; i++) {
        m->start[s->group[i] + 2]++;
    }
    for (size_t g = 2; g < s->groups.n + 2; g++) {
        m->start[g] += m->start[g - 1];
    }
    for (size_t i = 0; i < s->in.n; i++) {
        m->rows[m->start[s->group[i] + 1]++] = (uint32_t)i;
    }
    return 0;
}

/** Warn of the outermost parameters that are no quantiles. */
static void note_quantiles(struct agg *s)
{
    double low = INFINITY;
    double high = -INFINITY;
    bool nan = false;

    for (size_t i = 0; i < s->in.steps; i++) {
        low = fmin(low, s->param[i]);
        high = fmax(high, s->param[i]);
        nan = nan || isnan(s->param[i]);
    }
    if (nan) {
        eval_note_quantile(s->ev, s->a->param, NAN);
    }
    if (high > 1) {
        eval_note_quantile(s->ev, s->a->param, high);
    }
    if (low < 0) {
        eval_note_quantile(s->ev, s->a->param, low);
    }
}

static int quantiles(struct agg *s)
{
    struct members m CLEANUP(members_done) = {0};
    double *values = NULL;
    int rc = alloc_out(s, &s->out);

    note_quantiles(s);
    rc = rc != 0 ? rc : members_build(s, &m);
    if (rc == 0) {
        values = mem_try_calloc(s->in.n + 1, sizeof(*values));
        rc = values == NULL ? eval_no_memory(s->ev) : 0;
    }
    for (size_t g = 0; rc == 0 && g < s->groups.n; g++) {
        for (size_t i = 0; rc == 0 && i < s->in.steps; i++) {
            size_t n = 0;

            for (uint32_t k = m.start[g]; k < m.start[g + 1]; k++) {
                if (bit_get(mat_bits(&s->in, m.rows[k]), i)) {
                    values[n++] = mat_row(&s->in, m.rows[k])[i];
                }
            }
            if (n != 0) {
                mat_row(&s->out, g)[i] = quantile(s->param[i], values, n);
                bit_set(mat_bits(&s->out, g), i);
            }
            if (i % 64 == 0) {
                rc = eval_check(s->ev);
            }
        }
    }
    mem_free(values);
    return rc;
}

/** A bounded heap of rows whose root is the first to go. */
struct top {
    uint32_t *rows;
    double *v;
    size_t n;
    bool largest; /* topk */
};

/** Should `a` leave before `b`? NaN goes first. */
static bool goes_before(const struct top *t, double a, double b)
{
    return isnan(a) || (t->largest ? a < b : a > b);
}

static void top_swap(struct top *t, size_t a, size_t b)
{
    uint32_t row = t->rows[a];
    double v = t->v[a];

    t->rows[a] = t->rows[b];
    t->v[a] = t->v[b];
    t->rows[b] = row;
    t->v[b] = v;
}

static void top_sink(struct top *t, size_t i, size_t n)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= n) {
            return;
        }
        if (child + 1 < n && goes_before(t, t->v[child + 1], t->v[child])) {
            child++;
        }
        if (!goes_before(t, t->v[child], t->v[i])) {
            return;
        }
        top_swap(t, i, child);
        i = child;
    }
}

static void top_offer(struct top *t, size_t k, uint32_t row, double v)
{
    if (t->n < k) {
        size_t i = t->n++;

        t->rows[i] = row;
        t->v[i] = v;
        while (i > 0 && goes_before(t, t->v[i], t->v[(i - 1) / 2])) {
            top_swap(t, i, (i - 1) / 2);
            i = (i - 1) / 2;
        }
    } else if ((t->largest ? t->v[0] < v : t->v[0] > v) || (isnan(t->v[0]) && !isnan(v))) {
        t->rows[0] = row;
        t->v[0] = v;
        top_sink(t, 0, k);
    }
}

/** Best first. */
static void top_sort(struct top *t)
{
    for (size_t n = t->n; n > 1; n--) {
        top_swap(t, 0, n - 1);
        top_sink(t, 0, n - 1);
    }
}

/** Instant query: the rows chosen, in their order. */
static int take_rows(struct agg *s, const uint32_t *rows, size_t n)
{
    int rc = eval_alloc(s->ev, &s->out, n, s->in.steps);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        s->out.labels[i] = s->in.labels[rows[i]];
        s->out.v[i] = mat_row(&s->in, rows[i])[0];
        bit_set(mat_bits(&s->out, i), 0);
    }
    return rc;
}

static int top_step(struct agg *s, const struct members *m, struct top *t, uint64_t *chosen,
                    size_t step, uint32_t *order, size_t *order_n)
{
    double k = s->param[step];

    for (size_t g = 0; k >= 1 && g < s->groups.n; g++) {
        size_t room = m->start[g + 1] - m->start[g];

        t->n = 0;
        for (uint32_t j = m->start[g]; j < m->start[g + 1]; j++) {
            if (bit_get(mat_bits(&s->in, m->rows[j]), step)) {
                top_offer(t, k < (double)room ? (size_t)k : room, m->rows[j],
                          mat_row(&s->in, m->rows[j])[step]);
            }
        }
        if (s->in.steps == 1) {
            top_sort(t);
        }
        for (size_t j = 0; j < t->n; j++) {
            bit_set(chosen + t->rows[j] * s->in.words, step);
            if (s->in.steps == 1) {
                order[(*order_n)++] = t->rows[j];
            }
        }
    }
    return 0;
}

/** How many to take must be a number that an int64 can hold. */
static int check_counts(const struct agg *s)
{
    const double limit = 9223372036854775808.0;
    struct err *e = s->ev->reterr;

    for (size_t i = 0; i < s->in.steps; i++) {
        double k = s->param[i];
        struct buf b CLEANUP(buf_done) = {0};

        if (k > -limit && k < limit) {
            continue;
        }
        buf_init(&b, 512);
        go_add_f64_v(&b, k);
        if (isnan(k) && s->ev->left_open) {
            return err_set(e, ERR_EXEC, "Parameter value is NaN");
        }
        return err_set(e, ERR_EXEC, "Scalar value %.*s %s int64", STR_ARG(buf_str(&b)),
                       k < 0 && s->ev->left_open ? "underflows" : "overflows");
    }
    return 0;
}

static int tops(struct agg *s)
{
    struct members m CLEANUP(members_done) = {0};
    struct top t = {.largest = s->a->op == TOK_TOPK};
    uint64_t *chosen = mem_try_calloc(s->in.n * s->in.words + 1, sizeof(*chosen));
    uint32_t *order = mem_try_calloc(s->in.n + 1, sizeof(*order));
    size_t order_n = 0;
    int rc = members_build(s, &m);

    t.rows = mem_try_calloc(s->in.n + 1, sizeof(*t.rows));
    t.v = mem_try_calloc(s->in.n + 1, sizeof(*t.v));
    rc = rc != 0 ? rc : check_counts(s);
    if (rc == 0 && (chosen == NULL || order == NULL || t.rows == NULL || t.v == NULL)) {
        rc = eval_no_memory(s->ev);
    }
    for (size_t i = 0; rc == 0 && i < s->in.steps; i++) {
        rc = top_step(s, &m, &t, chosen, i, order, &order_n);
        rc = rc != 0 ? rc : eval_check(s->ev);
    }
    if (rc == 0 && s->in.steps == 1) {
        rc = take_rows(s, order, order_n);
    } else if (rc == 0) {
        memcpy(s->in.has, chosen, s->in.n * s->in.words * sizeof(*chosen));
        s->out = s->in;
        s->in = (struct mat){0};
        mat_compact(&s->out);
    }
    mem_free(chosen);
    mem_free(order);
    mem_free(t.rows);
    mem_free(t.v);
    return rc;
}

/* --- limitk, limit_ratio --- */

/** The first k series of every group at each step. */
static int limit_counts(struct agg *s)
{
    double *taken = mem_try_calloc(s->groups.n * s->in.steps + 1, sizeof(*taken));
    int rc = taken == NULL ? eval_no_memory(s->ev) : check_counts(s);

    for (size_t r = 0; rc == 0 && r < s->in.n; r++) {
        uint64_t *bits = mat_bits(&s->in, r);
        double *of_group = taken + s->group[r] * s->in.steps;

        EACH_STEP(bits, s->in.steps, {
            of_group[i]++;
            if (of_group[i] > floor(s->param[i])) {
                bit_clear(bits, i);
            }
        })
    }
    mem_free(taken);
    return rc;
}

/** As upstream spreads series over [0, 1): XXH64 of names and values, each behind its length. */
static double ratio_offset(struct labels ls, struct buf *scratch)
{
    buf_clear(scratch);
    for (size_t i = 0; i < 2 * ls.n; i++) {
        struct str s = i % 2 == 0 ? ls.v[i / 2].name : ls.v[i / 2].value;

        if (s.n < 255) {
            buf_add_byte(scratch, (char)(unsigned char)s.n);
        } else {
            buf_add_byte(scratch, (char)0xff);
            for (unsigned shift = 0; shift < 24; shift += 8) {
                buf_add_byte(scratch, (char)(unsigned char)(s.n >> shift));
            }
        }
        buf_add_str(scratch, s);
    }
    return (double)XXH64(scratch->data, scratch->n, 0) / 18446744073709551615.0;
}

static void note_ratio(struct agg *s, double ratio)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 512);
    go_add_f64_v(&b, ratio);
    eval_note(s->ev, NOTE_WARNING, s->a->param,
              "ratio value should be between -1 and 1, got %.*s, capping to %d",
              STR_ARG(buf_str(&b)), ratio < 0 ? -1 : 1);
}

/** Every series whose offset is below the ratio; a negative ratio takes those the positive leaves. */
static int limit_ratios(struct agg *s)
{
    struct buf scratch CLEANUP(buf_done) = {0};
    double low = 0;
    double high = 0;

    buf_init(&scratch, 1 << 20);
    for (size_t i = 0; i < s->in.steps; i++) {
        double p = s->param[i];

        if (isnan(p)) {
            return err_set(s->ev->reterr, ERR_EXEC, "Ratio value is NaN");
        }
        low = p < low ? p : low;
        high = p > high ? p : high;
    }
    if (high > 1) {
        note_ratio(s, high);
    }
    if (low < -1) {
        note_ratio(s, low);
    }
    for (size_t r = 0; r < s->in.n; r++) {
        uint64_t *bits = mat_bits(&s->in, r);
        double at = ratio_offset(s->in.labels[r], &scratch);

        EACH_STEP(bits, s->in.steps, {
            double p = fmax(-1, fmin(1, s->param[i]));

            if (!(p >= 0 ? at < p : at >= 1 + p)) {
                bit_clear(bits, i);
            }
        })
    }
    return 0;
}

static int limits(struct agg *s)
{
    int rc = s->a->op == TOK_LIMITK ? limit_counts(s) : limit_ratios(s);

    if (rc == 0) {
        s->out = s->in;
        s->in = (struct mat){0};
        mat_compact(&s->out);
    }
    return rc;
}

/* --- count_values --- */

/** Number of the answer's series for a row with a value. */
static int64_t value_group(struct agg *s, struct label_table *t, const struct names *by, size_t row,
                           double v, struct label *scratch)
{
    const struct native_histogram *h = hist_get(s->ev, v);
    struct buf b CLEANUP(buf_done) = {0};
    struct labels ls;
    struct str text;

    buf_init(&b, 1 << 20);
    if (h != NULL) {
        hist_add_text(h, &b);
    } else {
        go_add_f64(&b, v);
    }
    text = arena_str_dup(&s->ev->arena, buf_str(&b));
    if (text.p == NULL ||
        labels_set(s->ev, s->in.labels[row], s->a->param->string, text, &ls) != 0) {
        return -ERR_NOMEM;
    }
    return label_table_add(
        t, labels_pick(ls, by->sorted, by->sorted_n, !s->a->without, s->ev, scratch), true);
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/** by(...) also keeps the label of the value. */
static int value_names(struct agg *s, struct names *ret)
{
    *ret = s->a->by;
    if (s->a->without) {
        return 0;
    }
    ret->sorted = arena_array(&s->ev->arena, struct str, s->a->by.sorted_n + 1);
    if (ret->sorted == NULL) {
        return eval_no_memory(s->ev);
    }
    if (s->a->by.sorted_n != 0) {
        memcpy(ret->sorted, s->a->by.sorted, s->a->by.sorted_n * sizeof(struct str));
    }
    ret->sorted[s->a->by.sorted_n] = s->a->param->string;
    ret->sorted_n = s->a->by.sorted_n + 1;
    qsort(ret->sorted, ret->sorted_n, sizeof(struct str), by_bytes);
    return 0;
}

static int count_cells(struct agg *s, struct label_table *t, const struct names *by,
                       struct label *scratch)
{
    for (size_t r = 0; r < s->in.n; r++) {
        const uint64_t *bits = mat_bits(&s->in, r);
        const double *v = mat_row(&s->in, r);
        uint64_t last = 0; /* values repeat: ask once */
        int64_t at = -1;
        int rc = eval_check(s->ev);

        for (size_t i = bits_next(bits, 0, s->in.steps); rc == 0 && i < s->in.steps;
             i = bits_next(bits, i + 1, s->in.steps)) {
            uint64_t now;

            memcpy(&now, &v[i], sizeof(now));
            if (at < 0 || now != last) {
                last = now;
                at = value_group(s, t, by, r, v[i], scratch);
                rc = at < 0 ? eval_no_memory(s->ev) : eval_bill_arena(s->ev);
            }
            mat_row(&s->aux, r)[i] = (double)at;
        }
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int count_values(struct agg *s)
{
    struct label_table t CLEANUP(label_table_done) = {.arena = &s->ev->arena};
    struct names by;
    struct label *scratch = mem_try_calloc(mat_max_labels(&s->in) + 2, sizeof(*scratch));
    int rc = value_names(s, &by);

    if (rc == 0 && scratch == NULL) {
        rc = eval_no_memory(s->ev);
    }
    rc = rc != 0 ? rc
                 : eval_alloc(s->ev, &s->aux, s->in.n, s->in.steps); /* the series of each cell */
    rc = rc != 0 ? rc : count_cells(s, &t, &by, scratch);
    rc = rc != 0 ? rc : eval_alloc(s->ev, &s->out, t.n, s->in.steps);
    for (size_t i = 0; rc == 0 && i < t.n; i++) {
        s->out.labels[i] = t.v[i];
    }
    for (size_t r = 0; rc == 0 && r < s->in.n; r++) {
        const uint64_t *bits = mat_bits(&s->in, r);

        for (size_t i = bits_next(bits, 0, s->in.steps); i < s->in.steps;
             i = bits_next(bits, i + 1, s->in.steps)) {
            size_t at = (size_t)mat_row(&s->aux, r)[i];
            double *cell = mat_row(&s->out, at) + i;

            *cell = bit_get(mat_bits(&s->out, at), i) ? *cell + 1 : 1;
            bit_set(mat_bits(&s->out, at), i);
        }
    }
    mem_free(scratch);
    return rc;
}

static bool takes_histograms(enum tok op)
{
    switch (op) {
    case TOK_MAX:
    case TOK_MIN:
    case TOK_STDDEV:
    case TOK_STDVAR:
    case TOK_QUANTILE:
    case TOK_TOPK:
    case TOK_BOTTOMK:
        return false;
    default:
        return true;
    }
}

static int run(struct agg *s)
{
    int rc = group_rows(s);

    if (rc != 0) {
        return rc;
    }
    switch (s->a->op) {
    case TOK_TOPK:
    case TOK_BOTTOMK:
        return tops(s);
    case TOK_LIMITK:
    case TOK_LIMIT_RATIO:
        return limits(s);
    case TOK_QUANTILE:
        rc = quantiles(s);
        break;
    case TOK_COUNT_VALUES:
        rc = count_values(s);
        break;
    default:
        rc = fold(s);
        if (rc == 0 && (s->a->op == TOK_SUM || s->a->op == TOK_AVG) && hist_in(s->ev, &s->in)) {
            rc = hist_sum_avg(s->ev, s->n, &s->in, s->group, s->groups.n, &s->out);
        }
        break;
    }
    return rc != 0 ? rc : mat_sort(s->ev, &s->out);
}

int eval_aggregate(struct eval *ev, const struct node *n, const struct grid *g, struct mat *ret)
{
    struct agg s = {.ev = ev, .a = &n->agg, .n = n};
    struct node param = {0};
    struct aggregate a = n->agg;
    struct mat scalar = {0};
    int rc = 0;

    if (a.op == TOK_COUNT_VALUES) {
        param = *node_strip_parens(a.param);
        a.param = &param;
        s.a = &a;
        if (!(s.ev->left_open ? param.string.n != 0 && str_is_utf8(param.string)
                              : label_name_is_valid(param.string))) {
            struct buf b CLEANUP(buf_done) = {0};

            buf_init(&b, 4096);
            go_quote(str_take(param.string, 150), &b);
            return err_set(ev->reterr, ERR_EXEC, "invalid label name %.*s", STR_ARG(buf_str(&b)));
        }
    } else if (a.param != NULL) {
        rc = eval_node(ev, a.param, g, &scalar);
        s.param = scalar.v;
    }
    rc = rc != 0 ? rc : eval_node(ev, a.expr, g, &s.in);
    if (rc == 0 && !takes_histograms(a.op)) {
        hist_note_ignored(ev, n, &s.in);
    }
    rc = rc != 0 ? rc : run(&s);
    rc = rc != 0 ? rc : mat_hold(ev, &s.out); /* beside what went in */
    mat_done(ev, &s.in);
    mat_done(ev, &s.aux);
    mat_done(ev, &s.aux2);
    mat_done(ev, &scalar);
    label_table_done(&s.groups);
    mem_free(s.group);
    if (rc != 0) {
        mat_done(ev, &s.out);
        return rc;
    }
    *ret = s.out;
    return 0;
}
