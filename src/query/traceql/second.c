/* SPDX-License-Identifier: Apache-2.0
 *
 * What is done with finished series: order, thresholds, topk and bottomk at every step, arithmetic between two
 * sets of series with equal labels.
 */
#include "query/traceql/series.h"

#include <math.h>
#include <stdlib.h>

#include "model/value_text.h"

static int compare_values(const struct value *a, const struct value *b)
{
    struct buf x CLEANUP(buf_done) = {0};
    struct buf y CLEANUP(buf_done) = {0};

    if (a->type != b->type) {
        return (int)a->type - (int)b->type;
    }
    if (a->type == VALUE_F64) {
        return (a->u.f > b->u.f) - (a->u.f < b->u.f);
    }
    if (a->type == VALUE_I64) {
        return (a->u.i > b->u.i) - (a->u.i < b->u.i);
    }
    buf_init(&x, 1 << 20);
    buf_init(&y, 1 << 20);
    return str_cmp(value_text(a, &x), value_text(b, &y));
}

static int compare_labels(const struct attrs *a, const struct attrs *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        int c = str_cmp(a->v[i].key, b->v[i].key);

        c = c != 0 ? c : compare_values(&a->v[i].value, &b->v[i].value);
        if (c != 0) {
            return c;
        }
    }
    return (a->n > b->n) - (a->n < b->n);
}

static int by_labels(const void *pa, const void *pb)
{
    const struct traceql_series *a = pa;
    const struct traceql_series *b = pb;

    return compare_labels(&a->labels, &b->labels);
}

void tql_sort_series(struct traceql_metrics *r)
{
    if (r->n > 1) {
        qsort(r->v, r->n, sizeof(*r->v), by_labels);
    }
}

/* Series without a value at any step go. */
static void drop_empty(struct traceql_metrics *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++) {
        bool some = false;

        for (size_t k = 0; k < r->steps && !some; k++) {
            some = !isnan(r->v[i].values[k]);
        }
        if (some) {
            r->v[n++] = r->v[i];
        }
    }
    r->n = n;
}

static void threshold(const struct tql_second *s, struct traceql_metrics *r)
{
    struct tql_value limit = s->value;

    if (limit.type == TQL_DURATION) {
        limit = tql_float((double)limit.u.i / 1e9);
    }
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->steps; k++) {
            struct tql_value v = tql_float(r->v[i].values[k]);

            if (!tql_holds(s->op, &v, &limit)) {
                r->v[i].values[k] = NAN;
            }
        }
    }
}

struct rank {
    double value;
    size_t series;
};

static int falling(const void *pa, const void *pb)
{
    const struct rank *a = pa;
    const struct rank *b = pb;

    return a->value != b->value ? (a->value < b->value ? 1 : -1)
                                : (a->series > b->series) - (a->series < b->series);
}

static int rising(const void *pa, const void *pb)
{
    const struct rank *a = pa;
    const struct rank *b = pb;

    return a->value != b->value ? (a->value > b->value ? 1 : -1)
                                : (a->series > b->series) - (a->series < b->series);
}

static int top(const struct tql_second *s, struct traceql_metrics *r, struct arena *a)
{
    struct rank *ranks = arena_array(a, struct rank, r->n + 1);

    if (ranks == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t k = 0; k < r->steps; k++) {
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++) {
            if (!isnan(r->v[i].values[k])) {
                ranks[n++] = (struct rank){r->v[i].values[k], i};
            }
        }
        if (n > 1) {
            qsort(ranks, n, sizeof(*ranks), s->kind == TQL_TOPK ? falling : rising);
        }
        for (size_t i = 0; i < n; i++) {
            if ((uint64_t)i >= (uint64_t)s->k) {
                r->v[ranks[i].series].values[k] = NAN;
            }
        }
    }
    return 0;
}

int tql_second_stage(const struct tql_metric *m, struct traceql_metrics *r, struct arena *a)
{
    int rc = 0;

    for (size_t i = 0; i < m->second_n && rc == 0; i++) {
        if (m->second[i].kind == TQL_THRESHOLD) {
            threshold(&m->second[i], r);
        } else {
            rc = top(&m->second[i], r, a);
        }
        drop_empty(r);
    }
    return rc;
}

/* ---- arithmetic ---- */

static double calculate(enum tql_op op, double l, double r)
{
    double v = op == TQL_ADD ? l + r : op == TQL_SUB ? l - r : op == TQL_MUL ? l * r : l / r;

    return isfinite(v) ? v : NAN;
}

/* The name of the function is no label to match by. */
static bool is_name_only(const struct attrs *a)
{
    return a->n == 1 && str_eq(a->v[0].key, STR("__name__"));
}

static bool match(const struct attrs *a, const struct attrs *b)
{
    return (is_name_only(a) && is_name_only(b)) || compare_labels(a, b) == 0;
}

static void with_number(enum tql_op op, struct traceql_metrics *r, double number, bool number_left)
{
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->steps; k++) {
            double v = r->v[i].values[k];

            r->v[i].values[k] = number_left ? calculate(op, number, v) : calculate(op, v, number);
        }
    }
}

int tql_combine(const struct tql_metric *m, struct traceql_metrics *l, bool l_number,
                struct traceql_metrics *r, bool r_number, struct arena *a,
                struct traceql_metrics *ret)
{
    size_t next = 0;

    (void)a;
    if (l_number || r_number) {
        *ret = l_number ? *r : *l;
        with_number(m->op, ret, l_number ? m->lhs->number : m->rhs->number, l_number);
        return 0;
    }
    *ret = *l;
    ret->n = 0;
    for (size_t i = 0; i < l->n; i++) { /* both are sorted by labels */
        struct traceql_series s = l->v[i];
        size_t k = next;

        while (k < r->n && !match(&s.labels, &r->v[k].labels)) {
            k++;
        }
        if (k == r->n) {
            continue;
        }
        next = k + 1;
        for (size_t step = 0; step < l->steps; step++) {
            s.values[step] = calculate(m->op, s.values[step], r->v[k].values[step]);
        }
        ret->v[ret->n++] = s;
    }
    return 0;
}
