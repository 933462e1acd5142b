/* SPDX-License-Identifier: Apache-2.0
 *
 * See special.h.
 */
#include "query/promql/special.h"

#include <stdlib.h>

#include "model/matcher.h"
#include "query/promql/eval.h"
#include "query/promql/window.h"

static int fail(struct eval *ev, struct mat *m, int rc)
{
    mat_done(ev, m);
    return rc;
}

/* --- Scalars --- */

/** Like fmin and fmax, but as in Go: the winning infinity first, then NaN. */
static double go_min(double a, double b)
{
    if ((isinf(a) && a < 0) || (isinf(b) && b < 0)) {
        return -INFINITY;
    }
    return isnan(a) || isnan(b) ? NAN : a < b || (a == b && signbit(a)) ? a : b;
}

static double go_max(double a, double b)
{
    if ((isinf(a) && a > 0) || (isinf(b) && b > 0)) {
        return INFINITY;
    }
    return isnan(a) || isnan(b) ? NAN : a > b || (a == b && !signbit(a)) ? a : b;
}

static int fill_row(struct eval *ev, const struct grid *g, struct mat *ret)
{
    int rc = eval_alloc(ev, ret, 1, g->n);

    if (rc == 0) {
        bits_fill(ret->has, g->n);
    }
    return rc;
}

int special_time(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    int rc = fill_row(ev, g, ret);

    (void)c;
    for (size_t i = 0; rc == 0 && i < g->n; i++) {
        ret->v[i] = (double)grid_at(g, i) / 1000;
    }
    return rc;
}

int special_pi(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    int rc = fill_row(ev, g, ret);

    (void)c;
    for (size_t i = 0; rc == 0 && i < g->n; i++) {
        ret->v[i] = M_PI;
    }
    return rc;
}

/** NaN when either is: Go's math.Max and Min, except that an infinity wins over NaN there. */
static int pick_of(struct eval *ev, const struct call *c, const struct grid *g,
                   double (*pick)(double, double), struct mat *ret)
{
    struct mat other = {0};
    int rc = eval_node(ev, c->args[0], g, ret);

    if (rc != 0) {
        return rc;
    }
    rc = eval_node(ev, c->args[1], g, &other);
    if (rc != 0) {
        return fail(ev, ret, rc);
    }
    for (size_t i = 0; i < g->n; i++) {
        ret->v[i] = pick(ret->v[i], other.v[i]);
    }
    mat_done(ev, &other);
    return 0;
}

int special_max_of(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return pick_of(ev, c, g, go_max, ret);
}

int special_min_of(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return pick_of(ev, c, g, go_min, ret);
}

int special_vector(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return eval_node(ev, c->args[0], g, ret); /* a scalar is a row without labels already */
}

int special_scalar(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    struct mat in;
    int rc = eval_node(ev, c->args[0], g, &in);

    if (rc != 0) {
        return rc;
    }
    rc = fill_row(ev, g, ret);
    for (size_t i = 0; rc == 0 && i < g->n; i++) {
        size_t found = 0;

        for (size_t r = 0; r < in.n; r++) {
            if (bit_get(mat_bits(&in, r), i) && hist_get(ev, mat_row(&in, r)[i]) == NULL) {
                ret->v[i] = mat_row(&in, r)[i];
                found++;
            }
        }
        if (found != 1) {
            ret->v[i] = NAN;
        }
    }
    mat_done(ev, &in);
    return rc;
}

/* --- Value with scalars --- */

/** Argument 0 with scalar arguments 1 and 2 (may be absent): `fn` over every point. */
static int map_with(struct eval *ev, const struct call *c, const struct grid *g,
                    bool (*fn)(double *v, double a, double b), double absent, struct mat *ret)
{
    struct mat args[2] = {0};
    int rc = eval_node(ev, c->args[0], g, ret);

    for (size_t k = 0; rc == 0 && k + 1 < c->n; k++) {
        rc = eval_node(ev, c->args[k + 1], g, &args[k]);
        if (rc != 0) {
            mat_done(ev, ret);
        }
    }
    if (rc == 0) {
        hist_drop(ev, ret);
    }
    for (size_t r = 0; rc == 0 && r < ret->n; r++) {
        uint64_t *bits = mat_bits(ret, r);
        double *v = mat_row(ret, r);

        for (size_t i = bits_next(bits, 0, ret->steps); i < ret->steps;
             i = bits_next(bits, i + 1, ret->steps)) {
            if (!fn(&v[i], args[0].v != NULL ? args[0].v[i] : absent,
                    args[1].v != NULL ? args[1].v[i] : absent)) {
                bit_clear(bits, i);
            }
        }
    }
    mat_done(ev, &args[0]);
    mat_done(ev, &args[1]);
    if (rc == 0) {
        rc = mat_drop_names(ev, ret, false);
        if (rc != 0) {
            mat_done(ev, ret);
        }
    }
    return rc;
}

static bool clamp(double *v, double lo, double hi)
{
    *v = go_max(lo, go_min(hi, *v));
    return !(hi < lo);
}

static bool clamp_lo(double *v, double lo, double unused)
{
    (void)unused;
    *v = go_max(lo, *v);
    return true;
}

static bool clamp_hi(double *v, double hi, double unused)
{
    (void)unused;
    *v = go_min(hi, *v);
    return true;
}

static bool round_to(double *v, double nearest, double unused)
{
    double inverse = 1.0 / nearest;

    (void)unused;
    *v = floor(*v * inverse + 0.5) / inverse;
    return true;
}

int special_clamp(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return map_with(ev, c, g, clamp, 0, ret);
}

int special_clamp_min(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return map_with(ev, c, g, clamp_lo, 0, ret);
}

int special_clamp_max(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return map_with(ev, c, g, clamp_hi, 0, ret);
}

int special_round(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    return map_with(ev, c, g, round_to, 1, ret);
}

int special_timestamp(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    const struct node *arg = node_strip_parens(c->args[0]);
    bool own_times = arg->kind == NODE_VECTOR;
    int rc = own_times ? eval_vector(ev, arg, g, CELLS_TIMES, ret) : eval_node(ev, arg, g, ret);

    if (rc != 0) {
        return rc;
    }
    for (size_t r = 0; !own_times && r < ret->n; r++) {
        for (size_t i = 0; i < ret->steps; i++) {
            mat_row(ret, r)[i] = (double)grid_at(g, i) / 1000;
        }
    }
    rc = mat_drop_names(ev, ret, false);
    return rc != 0 ? fail(ev, ret, rc) : 0;
}

/* Of a selector only, as upstream's: samples made by an expression have no start. */
int special_start_timestamp(struct eval *ev, const struct call *c, const struct grid *g,
                            struct mat *ret)
{
    const struct node *arg = node_strip_parens(c->args[0]);
    bool selected = arg->kind == NODE_VECTOR;
    int rc = selected ? eval_vector(ev, arg, g, CELLS_STARTS, ret) : eval_node(ev, arg, g, ret);

    if (rc == 0 && !selected) {
        mat_done(ev, ret);
        rc = eval_alloc(ev, ret, 0, g->n);
    }
    rc = rc != 0 ? rc : mat_drop_names(ev, ret, false);
    return rc != 0 ? fail(ev, ret, rc) : 0;
}

/* --- Absence --- */

static bool is_set(struct labels ls, struct str name)
{
    for (size_t i = 0; i < ls.n; i++) {
        if (str_eq(ls.v[i].name, name)) {
            return true;
        }
    }
    return false;
}

/** Labels the missing series would have: what the selector's equality matchers say once. */
static int absent_labels(struct eval *ev, const struct node *n, struct labels *ret)
{
    struct labels seen = {0};
    int rc = 0;

    n = node_strip_parens(n);
    *ret = (struct labels){0};
    if (n->kind != NODE_VECTOR && n->kind != NODE_MATRIX) {
        return 0;
    }
    for (size_t i = 0; rc == 0 && i < n->selector.n; i++) {
        const struct matcher *m = n->selector.v[i];
        struct str name = matcher_name(m);
        bool keep = matcher_op(m) == MATCH_EQ && !is_set(seen, name);

        if (str_eq(name, STR(LABEL_NAME))) {
            continue;
        }
        rc = labels_set(ev, *ret, name, keep ? matcher_value(m) : STR(""), ret);
        if (rc == 0 && keep) {
            rc = labels_set(ev, seen, name, STR("x"), &seen);
        }
    }
    return rc;
}

/** 1 at the steps where `in` has nothing; takes `in`. */
static int absence(struct eval *ev, const struct node *arg, const struct grid *g, struct mat *in,
                   struct mat *ret)
{
    int rc = fill_row(ev, g, ret);

    for (size_t r = 0; rc == 0 && r < in->n; r++) {
        for (size_t w = 0; w < in->words; w++) {
            ret->has[w] &= ~mat_bits(in, r)[w];
        }
    }
    mat_done(ev, in);
    for (size_t i = 0; rc == 0 && i < g->n; i++) {
        ret->v[i] = 1;
    }
    if (rc == 0) {
        rc = absent_labels(ev, arg, &ret->labels[0]);
        mat_compact(ret);
        rc = rc != 0 ? fail(ev, ret, rc) : 0;
    }
    return rc;
}

int special_absent(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    struct mat in;
    int rc = eval_node(ev, c->args[0], g, &in);

    return rc != 0 ? rc : absence(ev, c->args[0], g, &in, ret);
}

int special_absent_over_time(struct eval *ev, const struct call *c, const struct grid *g,
                             struct mat *ret)
{
    static const struct function present = {.name = "absent_over_time",
                                            .args = {TYPE_MATRIX},
                                            .args_n = 1,
                                            .ret = TYPE_VECTOR,
                                            .kind = FN_WINDOW,
                                            .keep_name = true, /* names may collide otherwise */
                                            .window = window_present};
    const struct call as_present = {.fn = &present, .args = c->args, .n = c->n};
    struct mat in;
    int rc = eval_window_call(ev, &as_present, 0, g, &in);

    return rc != 0 ? rc : absence(ev, c->args[0], g, &in, ret);
}
