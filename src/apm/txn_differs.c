/* SPDX-License-Identifier: Apache-2.0
 *
 * Values are counted inside and outside of a box; the log-likelihood ratio ranks what is over-represented inside. Both
 * sides are read in slices of the time, so that a bounded look is spread over all of it.
 */
#include <math.h>
#include <stdlib.h>

#include "apm/txn_query.h"
#include "base/err.h"
#include "base/map.h"
#include "base/vec.h"

enum {
    SLICES = 20,
    SLICE_ROWS = 3000,
    VALUES_MAX = 50000, /* distinct, of all fields */
    VALUE_TEXT_MAX = 512,
};

static const double LEAST_G = 6.63; /* chi-squared with one degree of freedom, p = 0.01 */

static const char *const FIELDS[] = {"operation", "instance", "version", "path", "status",
                                     "class",     "method",   "client",  "user", "exception"};

struct tally {
    uint8_t field;
    struct str value;
    uint64_t n[2]; /* outside, inside */
};

struct counter_of {
    struct arena *a;
    struct map by_text;
    VEC(struct tally) v;
    const struct txn_filter *box;
    bool inside;
    uint64_t rows[2];
    size_t slice_rows;
    bool failed, cut;
};

static void count_value(struct counter_of *c, uint8_t field, struct str value)
{
    char text[VALUE_TEXT_MAX + 1];
    struct str key;
    uintptr_t at;

    if (value.n == 0) {
        return;
    }
    value = str_take(value, VALUE_TEXT_MAX);
    text[0] = (char)field;
    memcpy(text + 1, value.p, value.n);
    key = str_of(text, value.n + 1);
    at = (uintptr_t)map_get(&c->by_text, key);
    if (at == 0) {
        if (c->v.n == VALUES_MAX) {
            return; /* rare values are no explanation */
        }
        key = arena_str_dup(c->a, key);
        if (key.p == NULL ||
            !vec_push(&c->v, (struct tally){.field = field, .value = str_drop(key, 1)}) ||
            map_put(&c->by_text, key, (void *)(uintptr_t)c->v.n) < 0) {
            c->failed = true;
            return;
        }
        at = c->v.n;
    }
    c->v.v[at - 1].n[c->inside]++;
}

static bool in_box(const struct txn_filter *f, const struct span *s)
{
    int64_t took_ns = s->end_ns - s->start_ns;
    enum tmap_class class = txn_class_of(attrs_get_str(s->attrs, STR(TXN_CLASS)));
    struct str instance = attrs_get_str(s->resource->attrs, STR(TXN_INSTANCE));

    return s->start_ns >= f->min_ns && s->start_ns < f->max_ns && took_ns >= f->min_took_ns &&
           took_ns < f->max_took_ns && (f->classes == 0 || (f->classes >> class & 1) != 0) &&
           (f->instance.n == 0 || str_eq(f->instance, instance));
}

static int on_row(void *arg, const struct span *s, uint64_t id)
{
    struct counter_of *c = arg;
    const struct value *status = attrs_get(s->attrs, STR(TXN_STATUS));
    const struct str texts[ARRAY_LEN(FIELDS)] = {
        s->name,
        attrs_get_str(s->resource->attrs, STR(TXN_INSTANCE)),
        attrs_get_str(s->resource->attrs, STR("service.version")),
        attrs_get_str(s->attrs, STR(TXN_PATH)),
        {0},
        attrs_get_str(s->attrs, STR(TXN_CLASS)),
        attrs_get_str(s->attrs, STR(TXN_METHOD)),
        attrs_get_str(s->attrs, STR(TXN_CLIENT)),
        attrs_get_str(s->attrs, STR(TXN_USER)),
        attrs_get_str(s->attrs, STR(TXN_EXCEPTION)),
    };

    (void)id;
    if (!c->inside && in_box(c->box, s)) {
        return 0;
    }
    c->rows[c->inside]++;
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        count_value(c, (uint8_t)i, texts[i]);
    }
    if (status != NULL && status->type == VALUE_I64 && status->u.i > 0 && status->u.i < 1000) {
        char code[4] = {(char)('0' + status->u.i / 100), (char)('0' + status->u.i / 10 % 10),
                        (char)('0' + status->u.i % 10)};

        count_value(c, 4, str_of(code, 3));
    }
    if (++c->slice_rows == SLICE_ROWS) {
        c->cut = true;
    }
    return c->failed ? -ERR_NOMEM : c->slice_rows == SLICE_ROWS;
}

static int count_side(struct columns *rows, const struct txn_filter *f, struct counter_of *c,
                      struct err *reterr)
{
    int64_t step = (f->max_ns - f->min_ns) / SLICES + 1;
    int rc = 0;

    for (int64_t at = f->min_ns; rc == 0 && at < f->max_ns; at += step) {
        struct txn_filter slice = *f;
        struct columns_query q;
        bool ok;

        slice.min_ns = at;
        slice.max_ns = at + step < f->max_ns ? at + step : f->max_ns;
        q = txn_columns_query(&slice, c->a, &ok);
        q.need = COLUMNS_NEED_TEXT | COLUMNS_NEED_ATTRS | COLUMNS_NEED_RESOURCE;
        c->slice_rows = 0;
        rc = ok ? columns_scan_spans(rows, &q, INT64_MAX, 0, on_row, c, NULL, reterr)
                : err_set(reterr, ERR_NOMEM, "no memory for the query");
    }
    return rc;
}

static double term(double observed, double expected)
{
    return observed > 0 ? observed * log(observed / expected) : 0;
}

/** G^2 of {with, without} x {inside, outside}. */
static double likelihood(const struct tally *t, double outside, double inside)
{
    double all = outside + inside;
    double with = (double)(t->n[0] + t->n[1]);
    double a = (double)t->n[1];
    double b = (double)t->n[0];

    return 2 * (term(a, with * inside / all) + term(b, with * outside / all) +
                term(inside - a, (all - with) * inside / all) +
                term(outside - b, (all - with) * outside / all));
}

static int by_g(const void *a, const void *b)
{
    const struct txn_difference *x = a;
    const struct txn_difference *y = b;

    return (x->g < y->g) - (x->g > y->g);
}

static int rank(const struct counter_of *c, size_t limit, struct txn_differs *ret)
{
    double outside = (double)c->rows[0];
    double inside = (double)c->rows[1];
    struct txn_differs out = {.inside = c->rows[1], .outside = c->rows[0], .sampled = c->cut};

    out.v = arena_array(c->a, struct txn_difference, c->v.n + 1);
    if (out.v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < c->v.n && c->rows[0] != 0 && c->rows[1] != 0; i++) {
        const struct tally *t = &c->v.v[i];
        double g = likelihood(t, outside, inside);

        if ((double)t->n[1] / inside > (double)t->n[0] / outside && g >= LEAST_G) {
            out.v[out.n++] =
                (struct txn_difference){FIELDS[t->field], t->value, t->n[1], t->n[0], g};
        }
    }
    if (out.n > 1) {
        qsort(out.v, out.n, sizeof(*out.v), by_g);
    }
    out.n = out.n < limit ? out.n : limit;
    *ret = out;
    return 0;
}

int txn_differs(struct columns *rows, const struct txn_filter *box, const struct txn_filter *around,
                size_t limit, struct arena *a, struct txn_differs *ret, struct err *reterr)
{
    struct counter_of c = {.a = a, .box = box, .inside = true};
    int rc = count_side(rows, box, &c, reterr);

    c.inside = false;
    rc = rc < 0 ? rc : count_side(rows, around, &c, reterr);
    if (c.failed || (rc == 0 && rank(&c, limit, ret) < 0)) {
        rc = err_set(reterr, ERR_NOMEM, "no memory for the values of the box");
    }
    map_done(&c.by_text);
    vec_done(&c.v);
    return rc;
}
