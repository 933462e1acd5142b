/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary operators. Sides are matched once per pair of series through tables of their matching labels; the
 * steps then run over whole rows. Which step an error is about follows upstream: the first in time.
 */
#include "query/promql/eval.h"

static inline double apply(enum tok op, double a, double b)
{
    switch (op) {
    case TOK_ADD:
        return a + b;
    case TOK_SUB:
        return a - b;
    case TOK_MUL:
        return a * b;
    case TOK_DIV:
        return a / b;
    case TOK_MOD:
        return fmod(a, b);
    case TOK_POW:
        return pow(a, b);
    case TOK_ATAN2:
        return atan2(a, b);
    default:
        return NAN;
    }
}

static inline bool compare(enum tok op, double a, double b)
{
    switch (op) {
    case TOK_EQLC:
        return a == b;
    case TOK_NEQ:
        return a != b;
    case TOK_GTR:
        return a > b;
    case TOK_LSS:
        return a < b;
    case TOK_GTE:
        return a >= b;
    default:
        return a <= b;
    }
}

/** Arithmetic drops the metric's name; comparison keeps it; in 2.x atan2 keeps it too. */
static bool drops_name(const struct eval *ev, enum tok op)
{
    return op >= TOK_ADD && op <= (ev->left_open ? TOK_ATAN2 : TOK_POW);
}

/** One cell. @return false when a filtering comparison drops it */
static inline bool cell(const struct binary *b, double l, double r, double *ret)
{
    bool yes;

    if (!tok_is_comparison(b->op)) {
        *ret = apply(b->op, l, r);
        return true;
    }
    yes = compare(b->op, l, r);
    *ret = b->return_bool ? (double)yes : l;
    return yes || b->return_bool;
}

/** One cell that may be a histogram; `hists`: the query has met any. @return 0 or an error */
static inline int any_cell(struct eval *ev, const struct node *n, bool hists, double l, double r,
                           double *ret, bool *keep)
{
    int rc;

    if (!tok_is_trim(n->bin.op) &&
        (LIKELY(!hists) || (hist_get(ev, l) == NULL && hist_get(ev, r) == NULL))) {
        *keep = cell(&n->bin, l, r, ret);
        return 0;
    }
    rc = hist_binary(ev, n, l, r, ret, keep);
    if (rc > 0) {
        *keep = false;
        return 0;
    }
    if (n->bin.return_bool) {
        *ret = *keep ? 1 : 0;
        *keep = true;
    }
    return rc;
}

/* --- With a scalar --- */

static void scalars(const struct binary *b, struct mat *l, const struct mat *r)
{
    for (size_t i = 0; i < l->steps; i++) {
        l->v[i] = tok_is_comparison(b->op) ? (double)compare(b->op, l->v[i], r->v[i])
                                           : apply(b->op, l->v[i], r->v[i]);
    }
}

static int vector_scalar(struct eval *ev, const struct node *n, struct mat *vec,
                         const struct mat *scalar, bool scalar_left)
{
    const struct binary *b = &n->bin;
    bool is_compare = tok_is_comparison(b->op);
    bool hists = hist_any(ev);
    int rc = 0;

    for (size_t r = 0; r < vec->n; r++) {
        double *v = mat_row(vec, r);
        uint64_t *bits = mat_bits(vec, r);

        EACH_STEP(bits, vec->steps, {
            double s = scalar->v[i];
            double out = 0;
            bool keep = true;
            int failed = scalar_left ? any_cell(ev, n, hists, s, v[i], &out, &keep)
                                     : any_cell(ev, n, hists, v[i], s, &out, &keep);

            rc = rc == 0 ? failed : rc;
            if (!keep) {
                bit_clear(bits, i);
            } else if (!is_compare || b->return_bool) {
                v[i] = out; /* a filter keeps the vector's value */
            }
        })
    }
    if (rc != 0) {
        return rc;
    }
    return drops_name(ev, b->op) || b->return_bool ? mat_drop_names(ev, vec, false) : 0;
}

/* --- Matching of series --- */

/** Rows of both sides by matching labels: group numbers of each row and, per group, its right rows. */
struct matching {
    const struct binary *b;
    const struct eval *ev;
    struct label_table table;
    uint32_t *left;  /* [l->n] group */
    uint32_t *right; /* [r->n] group */
    uint32_t *first; /* [groups] first right row + 1, 0: none */
    uint32_t *next;  /* [r->n] following right row of the group + 1 */
    size_t groups;
};

static void matching_done(struct matching *m)
{
    label_table_done(&m->table);
    mem_free(m->left);
    mem_free(m->right);
    mem_free(m->first);
    mem_free(m->next);
}

static bool matching_side(struct matching *m, const struct mat *side, uint32_t *groups)
{
    struct label *scratch = mem_try_calloc(mat_max_labels(side) + 1, sizeof(*scratch));
    bool ok = scratch != NULL;

    for (size_t i = 0; ok && i < side->n; i++) {
        struct labels key = labels_pick(side->labels[i], m->b->match.sorted, m->b->match.sorted_n,
                                        m->b->on, m->ev, scratch);
        int64_t g = label_table_add(&m->table, key, true);

        ok = g >= 0;
        groups[i] = (uint32_t)g;
    }
    mem_free(scratch);
    return ok;
}

static int matching_build(struct eval *ev, struct matching *m, const struct mat *l,
                          const struct mat *r)
{
    m->table.arena = &ev->arena;
    m->ev = ev;
    m->left = mem_try_calloc(l->n + 1, sizeof(*m->left));
    m->right = mem_try_calloc(r->n + 1, sizeof(*m->right));
    m->next = mem_try_calloc(r->n + 1, sizeof(*m->next));
    if (m->left == NULL || m->right == NULL || m->next == NULL || !matching_side(m, r, m->right) ||
        !matching_side(m, l, m->left)) {
        return eval_no_memory(ev);
    }
    m->groups = m->table.n;
    m->first = mem_try_calloc(m->groups + 1, sizeof(*m->first));
    if (m->first == NULL) {
        return eval_no_memory(ev);
    }
    for (size_t i = r->n; i-- > 0;) { /* backwards, so that lists are in row order */
        m->next[i] = m->first[m->right[i]];
        m->first[m->right[i]] = (uint32_t)i + 1;
    }
    return eval_bill_arena(ev);
}

/** Steps at which a side has any point, into `dst` [words], zeroed by the caller. */
static void any_steps(const struct mat *m, uint64_t *dst)
{
    for (size_t r = 0; r < m->n; r++) {
        const uint64_t *bits = mat_bits(m, r);

        for (size_t w = 0; w < m->words; w++) {
            dst[w] |= bits[w];
        }
    }
}

/* --- and, or, unless --- */

static int set_operator(struct eval *ev, const struct binary *b, struct mat *l, struct mat *r,
                        struct mat *ret)
{
    struct matching m CLEANUP(matching_done) = {.b = b};
    const struct mat *by = b->op == TOK_OR ? l : r; /* whose points decide */
    struct mat *kept = b->op == TOK_OR ? r : l;     /* whose points are masked */
    uint64_t *seen = NULL;                          /* [groups][words] */
    int rc = matching_build(ev, &m, l, r);

    if (rc == 0) {
        seen = mem_try_calloc(m.groups * l->words + 1, sizeof(*seen));
        rc = seen == NULL ? eval_no_memory(ev) : 0;
    }
    if (rc != 0) {
        return rc;
    }
    for (size_t i = 0; i < by->n; i++) {
        size_t group = by == l ? m.left[i] : m.right[i];

        for (size_t w = 0; w < by->words; w++) {
            seen[group * by->words + w] |= mat_bits(by, i)[w];
        }
    }
    for (size_t i = 0; i < kept->n; i++) {
        size_t group = kept == l ? m.left[i] : m.right[i];

        for (size_t w = 0; w < kept->words; w++) {
            uint64_t s = seen[group * kept->words + w];

            mat_bits(kept, i)[w] &= b->op == TOK_AND ? s : ~s;
        }
    }
    mem_free(seen);
    mat_compact(kept);
    if (b->op != TOK_OR) {
        *ret = *l;
        *l = (struct mat){0};
        return 0;
    }
    rc = eval_alloc(ev, ret, l->n + r->n, l->steps);
    if (rc != 0) {
        return rc;
    }
    memcpy(ret->v, l->v, l->n * l->steps * sizeof(double));
    memcpy(ret->v + l->n * l->steps, r->v, r->n * r->steps * sizeof(double));
    memcpy(ret->has, l->has, l->n * l->words * sizeof(uint64_t));
    memcpy(ret->has + l->n * l->words, r->has, r->n * r->words * sizeof(uint64_t));
    memcpy(ret->labels, l->labels, l->n * sizeof(*l->labels));
    memcpy(ret->labels + l->n, r->labels, r->n * sizeof(*r->labels));
    return mat_merge_same(ev, ret, false);
}

/* --- Arithmetic and comparison between vectors --- */

/** Working state of one vector-to-vector operation; `l` is the "many" side, `r` the "one" side. */
struct pairing {
    struct eval *ev;
    const struct node *n;
    const struct binary *b; /* of n */
    const struct mat *l;
    const struct mat *r;
    struct matching m;
    uint64_t *matched;        /* one-to-one: [groups][words] steps already answered */
    struct label_table *made; /* many-to-one: result labels and their group */
    struct mat out;
    size_t out_cap;
};

static int duplicate_error(const struct pairing *p, const struct mat *side, size_t a, size_t b)
{
    struct buf text CLEANUP(buf_done) = {0};
    struct label *scratch = mem_try_calloc(side->labels[a].n + 1, sizeof(*scratch));

    if (scratch == NULL) {
        return eval_no_memory(p->ev);
    }
    buf_init(&text, 1 << 16);
    buf_add_cstr(&text, "found duplicate series for the match group ");
    labels_print(labels_pick(side->labels[a], p->b->match.sorted, p->b->match.sorted_n, p->b->on,
                             p->ev, scratch),
                 &text);
    buf_printf(&text, " on the %s hand-side of the operation: [",
               p->b->card == CARD_ONE_TO_MANY ? "left" : "right");
    labels_print(side->labels[b], &text);
    buf_add_cstr(&text, ", ");
    labels_print(side->labels[a], &text);
    buf_add_cstr(&text,
                 "];many-to-many matching not allowed: matching labels must be unique on one "
                 "side");
    mem_free(scratch);
    return err_set(p->ev->reterr, ERR_EXEC, "%.*s", STR_ARG(buf_str(&text)));
}

/** Two rows of the "one" side with the same matching labels at one step, where both sides have points. */
static int check_duplicates(struct pairing *p)
{
    const struct mat *r = p->r;
    uint64_t *live = mem_try_calloc(p->l->words + 1, sizeof(*live));
    size_t best = r->steps;
    size_t best_a = 0;
    size_t best_b = 0;
    int rc = 0;

    if (live == NULL) {
        return eval_no_memory(p->ev);
    }
    any_steps(p->l, live);
    for (size_t g = 0; rc == 0 && g < p->m.groups && best > 0; g++) {
        for (uint32_t a = p->m.first[g]; a != 0 && p->m.next[a - 1] != 0; a = p->m.next[a - 1]) {
            rc = eval_check(p->ev);
            if (rc != 0) {
                break;
            }
            for (uint32_t b = p->m.next[a - 1]; b != 0; b = p->m.next[b - 1]) {
                for (size_t w = 0; w < r->words && w * 64 < best; w++) {
                    uint64_t both = mat_bits(r, a - 1)[w] & mat_bits(r, b - 1)[w] & live[w];
                    size_t at = w * 64 + (size_t)(both != 0 ? __builtin_ctzll(both) : 0);

                    if (both != 0 && at < best) {
                        best = at;
                        best_a = a - 1;
                        best_b = b - 1;
                    }
                }
            }
        }
    }
    mem_free(live);
    if (rc != 0) {
        return rc;
    }
    return best < r->steps ? duplicate_error(p, r, best_a, best_b) : 0;
}

/** Labels of the answer to a pair. */
static int result_labels(const struct pairing *p, struct labels many, struct labels one,
                         struct labels *ret)
{
    const struct binary *b = p->b;
    struct eval *ev = p->ev;
    struct labels ls = many;
    int rc = 0;

    if (b->card == CARD_ONE_TO_ONE) {
        struct label *v = arena_array(&ev->arena, struct label, ls.n + 1);

        if (v == NULL) {
            return eval_no_memory(ev);
        }
        ls = labels_pick(ls, b->match.sorted, b->match.sorted_n, b->on, NULL, v);
    }
    if (drops_name(ev, b->op)) {
        rc = labels_drop_name(ev, ls, &ls);
    } else if (b->return_bool) {
        rc = labels_drop_name_later(ev, ls, &ls);
    }
    for (size_t i = 0; rc == 0 && i < b->include.n; i++) {
        rc = labels_set(ev, ls, b->include.v[i], labels_get(one, b->include.v[i]), &ls);
    }
    if (rc == 0 && b->return_bool) {
        rc = labels_drop_name_later(ev, ls, &ls);
    }
    *ret = ls;
    return rc;
}

static int grow_out(struct pairing *p)
{
    struct mat bigger;
    int rc;

    if (p->out.n < p->out_cap) {
        return 0;
    }
    rc = eval_alloc(p->ev, &bigger, p->out_cap * 2, p->out.steps);
    if (rc != 0) {
        return rc;
    }
    memcpy(bigger.labels, p->out.labels, p->out.n * sizeof(*bigger.labels));
    memcpy(bigger.v, p->out.v, p->out.n * p->out.steps * sizeof(double));
    memcpy(bigger.has, p->out.has, p->out.n * p->out.words * sizeof(uint64_t));
    bigger.n = p->out.n;
    mat_done(p->ev, &p->out);
    p->out = bigger;
    p->out_cap *= 2;
    return 0;
}

/** The operation over one pair of rows into a new row of p->out; no row when nothing is left. */
static int pair_rows(struct pairing *p, size_t many, size_t one, size_t group)
{
    const struct binary *b = p->b;
    bool swapped = b->card == CARD_ONE_TO_MANY;
    const uint64_t *lb = mat_bits(p->l, many);
    const uint64_t *rb = mat_bits(p->r, one);
    const double *lv = mat_row(p->l, many);
    const double *rv = mat_row(p->r, one);
    size_t row = p->out.n;
    bool hists = hist_any(p->ev);
    uint64_t *bits;
    double *v;
    int rc = grow_out(p);

    if (rc != 0) {
        return rc;
    }
    v = mat_row(&p->out, row);
    bits = mat_bits(&p->out, row);
    for (size_t w = 0; w < p->out.words; w++) {
        bits[w] = lb[w] & rb[w];
    }
    EACH_STEP(bits, p->out.steps, {
        bool keep = true;
        int failed = swapped ? any_cell(p->ev, p->n, hists, rv[i], lv[i], &v[i], &keep)
                             : any_cell(p->ev, p->n, hists, lv[i], rv[i], &v[i], &keep);

        rc = rc == 0 ? failed : rc;
        if (!keep) {
            bit_clear(bits, i);
        }
    })
    if (rc != 0) {
        return rc;
    }
    if (!bits_any(bits, p->out.words)) {
        return 0;
    }
    if (b->card == CARD_ONE_TO_ONE) {
        uint64_t *matched = p->matched + group * p->out.words;

        for (size_t w = 0; w < p->out.words; w++) {
            if ((matched[w] & bits[w]) != 0) {
                return err_set(p->ev->reterr, ERR_EXEC,
                               "multiple matches for labels: many-to-one matching must be explicit "
                               "(group_left/group_right)");
            }
            matched[w] |= bits[w];
        }
    }
    rc = result_labels(p, p->l->labels[many], p->r->labels[one], &p->out.labels[row]);
    p->out.n++;
    return rc;
}

/** Rows of one group with equal labels at one step, which upstream reports with a text of its own. */
static int check_grouping(struct pairing *p, const uint32_t *group_of)
{
    struct label_table t CLEANUP(label_table_done) = {.arena = &p->ev->arena};
    uint32_t *last; /* newest row + 1 of a label set */
    uint32_t *before;
    int rc = 0;

    last = mem_try_calloc(p->out.n + 1, sizeof(*last));
    before = mem_try_calloc(p->out.n + 1, sizeof(*before));
    if (last == NULL || before == NULL) {
        rc = eval_no_memory(p->ev);
    }
    for (size_t i = 0; rc == 0 && i < p->out.n; i++) {
        int64_t at = label_table_add(&t, p->out.labels[i], false);

        rc = at < 0 ? eval_no_memory(p->ev) : eval_check(p->ev);
        if (rc != 0) {
            break;
        }
        for (uint32_t j = last[at]; rc == 0 && j != 0; j = before[j - 1]) {
            for (size_t w = 0; rc == 0 && w < p->out.words; w++) {
                if ((mat_bits(&p->out, i)[w] & mat_bits(&p->out, j - 1)[w]) != 0 &&
                    group_of[i] == group_of[j - 1]) {
                    rc = err_set(p->ev->reterr, ERR_EXEC,
                                 "multiple matches for labels: grouping labels must ensure unique "
                                 "matches");
                }
            }
        }
        before[i] = last[at];
        last[at] = (uint32_t)i + 1;
    }
    mem_free(last);
    mem_free(before);
    return rc;
}

static int pair_all(struct pairing *p)
{
    VEC(uint32_t) group_of = {0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < p->l->n; i++) {
        uint32_t group = p->m.left[i];

        if (i % 256 == 0) {
            rc = eval_check(p->ev);
        }
        for (uint32_t j = p->m.first[group]; rc == 0 && j != 0; j = p->m.next[j - 1]) {
            rc = pair_rows(p, i, j - 1, group);
            if (rc == 0 && p->out.n > group_of.n && !vec_push(&group_of, group)) {
                rc = eval_no_memory(p->ev);
            }
        }
    }
    if (rc == 0 && p->b->card != CARD_ONE_TO_ONE) {
        rc = check_grouping(p, group_of.v);
    }
    vec_done(&group_of);
    return rc;
}

/* --- fill(), fill_left(), fill_right() --- */

/** For every group, the steps at which a side has a point: [groups][words]. */
static void group_steps(const struct mat *m, const uint32_t *group, uint64_t *dst)
{
    for (size_t i = 0; i < m->n; i++) {
        for (size_t w = 0; w < m->words; w++) {
            dst[group[i] * m->words + w] |= mat_bits(m, i)[w];
        }
    }
}

/** `side` with a row more for every group that has points on the other side where this one has none. */
static int fill_side(struct eval *ev, const struct matching *m, const struct mat *side,
                     const uint64_t *have, const uint64_t *other, double v, struct mat *ret)
{
    int rc = eval_alloc(ev, ret, side->n + m->groups, side->steps);

    if (rc != 0) {
        return rc;
    }
    memcpy(ret->labels, side->labels, side->n * sizeof(*side->labels));
    memcpy(ret->v, side->v, side->n * side->steps * sizeof(double));
    memcpy(ret->has, side->has, side->n * side->words * sizeof(uint64_t));
    for (size_t g = 0; g < m->groups; g++) {
        size_t row = side->n + g;

        ret->labels[row] = m->table.v[g];
        for (size_t w = 0; w < side->words; w++) {
            mat_bits(ret, row)[w] = other[g * side->words + w] & ~have[g * side->words + w];
        }
        for (size_t i = 0; i < side->steps; i++) {
            mat_row(ret, row)[i] = v;
        }
    }
    mat_compact(ret);
    return 0;
}

/** Put copies with the filled rows in the place of *l and *r. */
static int fill_sides(struct eval *ev, const struct binary *b, struct mat *l, struct mat *r)
{
    struct matching m CLEANUP(matching_done) = {.b = b};
    struct mat left = {0};
    struct mat right = {0};
    uint64_t *steps = NULL;
    size_t n;
    int rc = matching_build(ev, &m, l, r);

    if (rc != 0) {
        return rc;
    }
    n = m.groups * l->words;
    steps = mem_try_calloc(2 * n + 1, sizeof(*steps));
    rc = steps == NULL ? eval_no_memory(ev) : 0;
    if (rc == 0) {
        group_steps(l, m.left, steps);
        group_steps(r, m.right, steps + n);
    }
    if (rc == 0 && b->fill_left.given) {
        rc = fill_side(ev, &m, l, steps, steps + n, b->fill_left.v, &left);
    }
    if (rc == 0 && b->fill_right.given) {
        rc = fill_side(ev, &m, r, steps + n, steps, b->fill_right.v, &right);
    }
    mem_free(steps);
    if (rc == 0 && b->fill_left.given) {
        mat_done(ev, l);
        *l = left;
        left = (struct mat){0};
    }
    if (rc == 0 && b->fill_right.given) {
        mat_done(ev, r);
        *r = right;
        right = (struct mat){0};
    }
    mat_done(ev, &left);
    mat_done(ev, &right);
    return rc;
}

static int vectors(struct eval *ev, const struct node *n, const struct mat *l, const struct mat *r,
                   struct mat *ret)
{
    const struct binary *b = &n->bin;
    bool swapped = b->card == CARD_ONE_TO_MANY;
    struct pairing p = {
        .ev = ev, .n = n, .b = b, .l = swapped ? r : l, .r = swapped ? l : r, .m.b = b};
    int rc = matching_build(ev, &p.m, p.l, p.r);

    rc = rc != 0 ? rc : check_duplicates(&p);
    if (rc == 0) {
        p.matched = mem_try_calloc(p.m.groups * l->words + 1, sizeof(*p.matched));
        p.out_cap = p.l->n + 1;
        rc = p.matched == NULL ? eval_no_memory(ev) : eval_alloc(ev, &p.out, p.out_cap, l->steps);
        p.out.n = 0;
    }
    rc = rc != 0 ? rc : pair_all(&p);
    rc = rc != 0 ? rc : mat_merge_same(ev, &p.out, false);
    mem_free(p.matched);
    matching_done(&p.m);
    if (rc != 0) {
        mat_done(ev, &p.out);
        return rc;
    }
    *ret = p.out;
    return 0;
}

int eval_binary(struct eval *ev, const struct node *n, const struct grid *g, struct mat *ret)
{
    const struct binary *b = &n->bin;
    bool left = b->lhs->type == TYPE_SCALAR;
    bool right = b->rhs->type == TYPE_SCALAR;
    struct mat l = {0};
    struct mat r = {0};
    int rc = eval_node(ev, b->lhs, g, &l);

    rc = rc != 0 ? rc : eval_node(ev, b->rhs, g, &r);
    if (rc == 0) {
        if (left && right) {
            scalars(b, &l, &r);
            *ret = l;
            l = (struct mat){0};
        } else if (right) {
            rc = vector_scalar(ev, n, &l, &r, false);
            *ret = l;
            l = (struct mat){0};
        } else if (left) {
            rc = vector_scalar(ev, n, &r, &l, true);
            *ret = r;
            r = (struct mat){0};
        } else if (tok_is_set_operator(b->op)) {
            rc = set_operator(ev, b, &l, &r, ret);
        } else {
            if (b->fill_left.given || b->fill_right.given) {
                rc = fill_sides(ev, b, &l, &r);
            }
            rc = rc != 0 ? rc : vectors(ev, n, &l, &r, ret);
            if (rc == 0) {
                rc = mat_hold(ev, ret); /* beside both sides */
            }
        }
    }
    mat_done(ev, &l);
    mat_done(ev, &r);
    if (rc != 0) {
        mat_done(ev, ret);
    }
    return rc;
}
