/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary operators. Which series meet follows from their labels alone, so it is found once for all steps; which of
 * them are there is looked at step by step.
 */
#include <math.h>

#include "query/logql/eval.h"

/* ---- values ---- */

static bool is_comparison(enum binary_op op)
{
    return op >= BIN_EQ && op <= BIN_LE;
}

static double apply(enum binary_op op, double a, double b)
{
    switch (op) {
    case BIN_ADD:
        return a + b;
    case BIN_SUB:
        return a - b;
    case BIN_MUL:
        return a * b;
    case BIN_DIV:
        return b == 0 ? NAN : a / b;
    case BIN_MOD:
        return b == 0 ? NAN : fmod(a, b);
    case BIN_POW:
        return pow(a, b);
    case BIN_EQ:
        return a == b;
    case BIN_NE:
        return a != b;
    case BIN_GT:
        return a > b;
    case BIN_GE:
        return a >= b;
    case BIN_LT:
        return a < b;
    case BIN_LE:
        return a <= b;
    default:
        return NAN;
    }
}

/* @param keep  value of a comparison that filters. @return false: nothing comes of it */
static bool combine(const struct expr *x, double a, double b, double keep, bool filters,
                    double *ret)
{
    *ret = apply(x->op, a, b);
    if (is_comparison(x->op) && filters && !x->return_bool) {
        if (*ret == 0) {
            return false;
        }
        *ret = keep;
    }
    return true;
}

/* ---- with a number ---- */

static int with_scalar(struct eval *e, const struct expr *x, const struct matrix *l,
                       const struct matrix *r, struct matrix *ret)
{
    const struct matrix *vector = l->scalar ? r : l;
    bool filters = !(l->scalar && r->scalar);

    *ret = *vector;
    ret->scalar = l->scalar && r->scalar;
    for (size_t i = 0; i < vector->n; i++) {
        struct lq_matrix_series *s = &vector->v[i];

        for (size_t k = 0; k < e->steps; k++) {
            double a = l->scalar ? l->v[0].v[k] : s->v[k];
            double b = r->scalar ? r->v[0].v[k] : s->v[k];

            s->has[k] = s->has[k] && combine(x, a, b, s->v[k], filters, &s->v[k]);
        }
    }
    return 0;
}

/* ---- matching ---- */

struct signatures {
    struct labels *v;
    uint64_t *keys;
    size_t *slots; /* index + 1 */
    size_t n, slots_n;
};

static int signatures_init(struct eval *e, struct signatures *s, size_t most)
{
    *s = (struct signatures){.slots_n = 64};
    while (s->slots_n < 2 * most + 2) {
        s->slots_n *= 2;
    }
    s->v = arena_array(e->a, struct labels, most + 1);
    s->keys = arena_array(e->a, uint64_t, most + 1);
    s->slots = arena_calloc(e->a, s->slots_n, sizeof(*s->slots));
    return s->v == NULL || s->keys == NULL || s->slots == NULL ? lq_eval_no_memory(e) : 0;
}

static size_t signature(struct signatures *s, struct labels ls)
{
    uint64_t key = lq_labels_key(ls);
    size_t at = key & (s->slots_n - 1);

    while (s->slots[at] != 0) {
        size_t i = s->slots[at] - 1;

        if (s->keys[i] == key && labels_eq(s->v[i], ls)) {
            return i;
        }
        at = (at + 1) & (s->slots_n - 1);
    }
    s->v[s->n] = ls;
    s->keys[s->n] = key;
    s->slots[at] = ++s->n;
    return s->n - 1;
}

/* Labels that two series must share to meet. */
static int match_labels(struct eval *e, const struct expr *x, struct labels ls, struct labels *ret)
{
    const struct grouping g = {
        .given = true, .without = !x->on, .names = x->match_names, .n = x->match_n};

    return lq_group_labels(e, &g, ls, str_of("", 0), ret);
}

/* Both sides of an operator. */
struct sides {
    struct signatures sigs;
    size_t *left, *right; /* signature of each series */
};

static int sides_make(struct eval *e, const struct expr *x, const struct matrix *l,
                      const struct matrix *r, struct sides *s)
{
    int rc = signatures_init(e, &s->sigs, l->n + r->n);

    s->left = arena_array(e->a, size_t, l->n + 1);
    s->right = arena_array(e->a, size_t, r->n + 1);
    if (rc < 0 || s->left == NULL || s->right == NULL) {
        return rc < 0 ? rc : lq_eval_no_memory(e);
    }
    for (size_t i = 0; rc == 0 && i < l->n + r->n; i++) {
        const struct lq_matrix_series *in = i < l->n ? &l->v[i] : &r->v[i - l->n];
        struct labels ls = {0};

        rc = match_labels(e, x, in->labels, &ls);
        if (rc == 0) {
            *(i < l->n ? &s->left[i] : &s->right[i - l->n]) = signature(&s->sigs, ls);
        }
    }
    return rc;
}

/* ---- and, or, unless ---- */

static int set_operation(struct eval *e, const struct expr *x, const struct matrix *l,
                         const struct matrix *r, struct matrix *ret)
{
    struct sides s;
    bool *there;
    int rc = sides_make(e, x, l, r, &s);

    if (rc < 0) {
        return rc;
    }
    there = arena_calloc(e->a, s.sigs.n + 1, sizeof(*there));
    ret->v = arena_array(e->a, struct lq_matrix_series, l->n + r->n + 1);
    if (there == NULL || ret->v == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t k = 0; k < e->steps; k++) {
        const struct matrix *other = x->op == BIN_OR ? l : r;
        const size_t *sig = x->op == BIN_OR ? s.left : s.right;

        memset(there, 0, s.sigs.n * sizeof(*there));
        for (size_t i = 0; i < other->n; i++) {
            there[sig[i]] = there[sig[i]] || other->v[i].has[k];
        }
        for (size_t i = 0; x->op != BIN_OR && i < l->n; i++) {
            l->v[i].has[k] = l->v[i].has[k] && there[s.left[i]] == (x->op == BIN_AND);
        }
        for (size_t i = 0; x->op == BIN_OR && i < r->n; i++) {
            r->v[i].has[k] = r->v[i].has[k] && !there[s.right[i]];
        }
    }
    for (size_t i = 0; i < l->n; i++) {
        ret->v[ret->n++] = l->v[i];
    }
    for (size_t i = 0; x->op == BIN_OR && i < r->n; i++) {
        ret->v[ret->n++] = r->v[i];
    }
    return 0;
}

/* ---- vector with vector ---- */

static int result_labels(struct eval *e, const struct expr *x, const struct lq_matrix_series *many,
                         const struct lq_matrix_series *one, struct labels *ret)
{
    struct label *v;
    size_t n = 0;

    if (x->group == GROUP_NONE) {
        return match_labels(e, x, many->labels, ret);
    }
    v = arena_array(e->a, struct label, many->labels.n + x->include_n + 1);
    if (v == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t i = 0; i < many->labels.n; i++) {
        bool replaced = false;

        for (size_t k = 0; k < x->include_n; k++) {
            replaced = replaced || str_eq(x->include[k], many->labels.v[i].name);
        }
        if (!replaced) {
            v[n++] = many->labels.v[i];
        }
    }
    for (size_t k = 0; k < x->include_n; k++) {
        struct str value = labels_get(one->labels, x->include[k]);
        bool twice = false;

        for (size_t i = 0; i < k; i++) {
            twice = twice || str_eq(x->include[i], x->include[k]);
        }
        if (value.n != 0 && !twice) {
            v[n++] = (struct label){x->include[k], value};
        }
    }
    ignore_result(labels_normalize(v, &n), "names differ");
    *ret = (struct labels){v, n};
    return 0;
}

static int duplicate(struct eval *e, const struct sides *s, size_t sig, const char *side)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 4096);
    labels_format(s->sigs.v[sig], &b);
    return err_set(e->reterr, ERR_INVALID,
                   "found duplicate series for the match group %.*s on the %s hand-side of the "
                   "operation; many-to-many matching not allowed: matching labels must be unique "
                   "on one side",
                   (int)(b.n < 60 ? b.n : 60), b.n != 0 ? b.data : "", side);
}

struct pairing {
    const struct expr *x;
    const struct matrix *many, *one;
    const size_t *many_sig, *one_sig;
    bool swapped; /* the "many" side is the right operand */
    struct sides *s;
    size_t *found; /* per signature: series of `one` at the step, + 1 */
    bool *used;    /* one-to-one: the signature was taken */
    size_t *out;   /* per (many): output series + 1 for its last partner */
    size_t *partner;
};

static int pair_step(struct eval *e, struct pairing *p, size_t k, struct matrix *ret)
{
    memset(p->found, 0, p->s->sigs.n * sizeof(*p->found));
    memset(p->used, 0, p->s->sigs.n * sizeof(*p->used));
    for (size_t i = 0; i < p->one->n; i++) {
        if (p->one->v[i].has[k]) {
            if (p->found[p->one_sig[i]] != 0) {
                return duplicate(e, p->s, p->one_sig[i], p->swapped ? "left" : "right");
            }
            p->found[p->one_sig[i]] = i + 1;
        }
    }
    for (size_t i = 0; i < p->many->n; i++) {
        const struct lq_matrix_series *many = &p->many->v[i];
        size_t at = p->found[p->many_sig[i]];
        const struct lq_matrix_series *one;
        struct lq_matrix_series *s;
        double v;

        if (!many->has[k] || at == 0) {
            continue;
        }
        one = &p->one->v[at - 1];
        if (p->x->group == GROUP_NONE && p->used[p->many_sig[i]]) {
            return err_set(e->reterr, ERR_INVALID,
                           "multiple matches for labels: many-to-one matching must be explicit "
                           "(group_left/group_right)");
        }
        p->used[p->many_sig[i]] = true;
        if (!combine(p->x, p->swapped ? one->v[k] : many->v[k], p->swapped ? many->v[k] : one->v[k],
                     p->swapped ? one->v[k] : many->v[k], true, &v)) {
            continue;
        }
        if (p->out[i] == 0 || p->partner[i] != at) {
            struct labels ls = {0};
            int rc = result_labels(e, p->x, many, one, &ls);

            s = rc < 0 ? NULL : lq_matrix_series(e, ret, ls);
            if (s == NULL) {
                return -e->reterr->code;
            }
            p->out[i] = (size_t)(s - ret->v) + 1;
            p->partner[i] = at;
        }
        s = &ret->v[p->out[i] - 1];
        if (s->has[k]) {
            return err_set(
                e->reterr, ERR_INVALID,
                "multiple matches for labels: grouping labels must ensure unique matches");
        }
        s->has[k] = true;
        s->v[k] = v;
    }
    return 0;
}

static int vectors(struct eval *e, const struct expr *x, const struct matrix *l,
                   const struct matrix *r, struct matrix *ret)
{
    struct sides s;
    struct pairing p = {.x = x, .s = &s, .swapped = x->group == GROUP_RIGHT};
    int rc = sides_make(e, x, l, r, &s);

    if (rc < 0) {
        return rc;
    }
    p.many = p.swapped ? r : l;
    p.one = p.swapped ? l : r;
    p.many_sig = p.swapped ? s.right : s.left;
    p.one_sig = p.swapped ? s.left : s.right;
    p.found = arena_array(e->a, size_t, s.sigs.n + 1);
    p.used = arena_array(e->a, bool, s.sigs.n + 1);
    p.out = arena_calloc(e->a, p.many->n + 1, sizeof(*p.out));
    p.partner = arena_calloc(e->a, p.many->n + 1, sizeof(*p.partner));
    if (p.found == NULL || p.used == NULL || p.out == NULL || p.partner == NULL) {
        return lq_eval_no_memory(e);
    }
    for (size_t k = 0; rc == 0 && k < e->steps; k++) {
        rc = k % 64 == 0 ? cancel_check(e->ask->cancel) : 0;
        rc = rc < 0 ? rc : pair_step(e, &p, k, ret);
    }
    return rc;
}

int lq_eval_binary(struct eval *e, const struct expr *x, struct matrix *ret)
{
    struct matrix l;
    struct matrix r;
    int rc = lq_eval_expr(e, x->left, &l);

    *ret = (struct matrix){0};
    rc = rc < 0 ? rc : lq_eval_expr(e, x->right, &r);
    if (rc < 0) {
        return rc;
    }
    if (x->op <= BIN_UNLESS) {
        return set_operation(e, x, &l, &r, ret);
    }
    return l.scalar || r.scalar ? with_scalar(e, x, &l, &r, ret) : vectors(e, x, &l, &r, ret);
}
