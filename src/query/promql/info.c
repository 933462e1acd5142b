/* SPDX-License-Identifier: Apache-2.0
 *
 * info(): labels of an info metric, such as target_info, on the series of the same instance and job. At each
 * step the newest info sample counts; a series whose labels change from step to step becomes several.
 */
#include "model/matcher.h"
#include "query/promql/eval.h"

#define TARGET_INFO "target_info"

enum { NAMES_MAX = 64 }; /* info metrics that may match at once */

static const struct str identifying[] = {{"instance", 8}, {"job", 3}};

struct info {
    struct eval *ev;
    struct selector by;  /* what selects info series; its matchers but the name are data matchers */
    struct matcher *own; /* of target_info, when the query names no metric */
    struct mat base;
    struct mat times;            /* info series: times of their samples in seconds */
    struct label_table sigs;     /* name, instance and job of info series */
    uint32_t *sig;               /* [times.n] */
    uint32_t *next;              /* [times.n] next row of the same signature + 1 */
    uint32_t *first;             /* [sigs.n] first row of a signature + 1 */
    struct str names[NAMES_MAX]; /* info metrics found */
    size_t names_n;
    struct mat out;
    struct mat which; /* [base.n] row of the answer at each step */
    struct label_table made;
};

static void info_done(struct info *s)
{
    matcher_free(s->own);
    mat_done(s->ev, &s->base);
    mat_done(s->ev, &s->times);
    mat_done(s->ev, &s->which);
    label_table_done(&s->sigs);
    label_table_done(&s->made);
    mem_free(s->sig);
    mem_free(s->next);
    mem_free(s->first);
}

static bool is_name(const struct matcher *m)
{
    return str_eq(matcher_name(m), STR(LABEL_NAME));
}

/** When the first selector below `n` looks. */
static bool first_when(const struct node *n, struct when *ret)
{
    switch (n->kind) {
    case NODE_VECTOR:
    case NODE_MATRIX:
        *ret = n->selector.when;
        return true;
    case NODE_SUBQUERY:
        return first_when(n->subquery.expr, ret);
    case NODE_CALL:
        for (size_t i = 0; i < n->call.n; i++) {
            if (first_when(n->call.args[i], ret)) {
                return true;
            }
        }
        return false;
    case NODE_AGGREGATE:
        return first_when(n->agg.expr, ret);
    case NODE_BINARY:
        return first_when(n->bin.lhs, ret) || first_when(n->bin.rhs, ret);
    case NODE_UNARY:
        return first_when(n->unary.expr, ret);
    case NODE_PAREN:
        return first_when(n->paren, ret);
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_DURATION:
        break;
    }
    return false;
}

static int info_matchers(struct info *s, const struct call *c)
{
    const struct selector *given = c->n > 1 ? &c->args[1]->selector : NULL;
    size_t n = given != NULL ? given->n : 0;
    bool named = false;
    bool any = false;

    s->by.v = arena_array(&s->ev->arena, struct matcher *, n + 1);
    if (s->by.v == NULL) {
        return eval_no_memory(s->ev);
    }
    for (size_t i = 0; i < n; i++) {
        s->by.v[i] = given->v[i];
        any = any || is_name(given->v[i]);
        named = named || (is_name(given->v[i]) && (matcher_op(given->v[i]) == MATCH_EQ ||
                                                   matcher_op(given->v[i]) == MATCH_RE));
    }
    s->by.n = n;
    first_when(c->args[0], &s->by.when);
    if (!named) {
        int rc = matcher_new(any ? MATCH_RE : MATCH_EQ, STR(LABEL_NAME),
                             any ? STR(".+_info") : STR(TARGET_INFO), &s->own, s->ev->reterr);

        if (rc != 0) {
            return rc;
        }
        s->by.v[s->by.n++] = s->own;
    }
    return 0;
}

/** Is this series of the base an info series itself? */
static bool is_info(const struct info *s, struct labels ls)
{
    struct str name = labels_get(ls, STR(LABEL_NAME));

    for (size_t i = 0; i < s->by.n; i++) {
        if (is_name(s->by.v[i]) && !matcher_matches(s->by.v[i], name)) {
            return false;
        }
    }
    return true;
}

/** Name, instance and job, as far as there are any, into `dst` [3]. */
static struct labels signature(struct str name, struct labels ls, struct label *dst)
{
    size_t n = 0;

    dst[n++] = (struct label){STR(LABEL_NAME), name};
    for (size_t i = 0; i < ARRAY_LEN(identifying); i++) {
        struct str v = labels_get(ls, identifying[i]);

        if (v.n != 0) {
            dst[n++] = (struct label){identifying[i], v};
        }
    }
    return (struct labels){dst, n};
}

static int add_name(struct info *s, struct str name)
{
    for (size_t i = 0; i < s->names_n; i++) {
        if (str_eq(s->names[i], name)) {
            return 0;
        }
    }
    if (s->names_n == NAMES_MAX) {
        return err_set(s->ev->reterr, ERR_LIMIT, "info() finds more than %d info metrics",
                       NAMES_MAX);
    }
    s->names[s->names_n++] = name;
    return 0;
}

static int info_signatures(struct info *s)
{
    int rc;

    s->sigs.arena = &s->ev->arena;
    s->sig = mem_try_calloc(s->times.n + 1, sizeof(*s->sig));
    s->next = mem_try_calloc(s->times.n + 1, sizeof(*s->next));
    s->first = mem_try_calloc(s->times.n + 1, sizeof(*s->first));
    if (s->sig == NULL || s->next == NULL || s->first == NULL) {
        return eval_no_memory(s->ev);
    }
    for (size_t i = s->times.n; i-- > 0;) { /* backwards, so that lists are in row order */
        struct label v[3];
        struct str name = labels_get(s->times.labels[i], STR(LABEL_NAME));
        int64_t at = label_table_add(&s->sigs, signature(name, s->times.labels[i], v), true);

        if (at < 0) {
            return eval_no_memory(s->ev);
        }
        s->sig[i] = (uint32_t)at;
        s->next[i] = s->first[at];
        s->first[at] = (uint32_t)i + 1;
        rc = add_name(s, name);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

/** Does the query want this label of an info series? */
static bool wanted(const struct info *s, struct str label)
{
    bool any = false;

    for (size_t i = 0; i < s->by.n; i++) {
        if (!is_name(s->by.v[i])) {
            any = true;
            if (str_eq(matcher_name(s->by.v[i]), label)) {
                return true;
            }
        }
    }
    return !any;
}

static bool all_match_empty(const struct info *s)
{
    for (size_t i = 0; i < s->by.n; i++) {
        if (!is_name(s->by.v[i]) && !matcher_matches_empty(s->by.v[i])) {
            return false;
        }
    }
    return true;
}

/** Info rows that hold at a step: the newest of each signature in `sigs`. @return how many, or an error */
static int rows_at(struct info *s, const int64_t *sigs, size_t step, uint32_t *dst)
{
    size_t n = 0;

    for (size_t k = 0; k < s->names_n; k++) {
        double newest = -INFINITY;

        for (uint32_t r = sigs[k] < 0 ? 0 : s->first[sigs[k]]; r != 0; r = s->next[r - 1]) {
            double t = mat_row(&s->times, r - 1)[step];

            if (!bit_get(mat_bits(&s->times, r - 1), step) || t < newest) {
                continue;
            }
            if (t == newest) {
                return err_set(s->ev->reterr, ERR_EXEC,
                               "found duplicate series for info metric %.*s", STR_ARG(s->names[k]));
            }
            n += newest == -INFINITY;
            newest = t;
            dst[n - 1] = r - 1;
        }
    }
    return (int)n;
}

/** The base's labels with those of the info rows. @return 1; 0 when the series is left out; an error */
static int enrich(struct info *s, struct labels base, const uint32_t *rows, size_t n,
                  struct labels *ret)
{
    struct labels got = {0};
    int rc = 0;

    *ret = base;
    for (size_t k = 0; k < n; k++) {
        struct labels ls = s->times.labels[rows[k]];

        for (size_t i = 0; rc == 0 && i < ls.n; i++) {
            struct str have = labels_get(got, ls.v[i].name);

            if (str_eq(ls.v[i].name, STR(LABEL_NAME)) || !wanted(s, ls.v[i].name)) {
                continue;
            }
            if (have.n != 0 && !str_eq(have, ls.v[i].value)) {
                return err_set(s->ev->reterr, ERR_EXEC, "conflicting label: %.*s",
                               STR_ARG(ls.v[i].name));
            }
            if (labels_get(base, ls.v[i].name).n == 0) {
                rc = labels_set(s->ev, got, ls.v[i].name, ls.v[i].value, &got);
                rc = rc != 0 ? rc : labels_set(s->ev, *ret, ls.v[i].name, ls.v[i].value, ret);
            }
        }
    }
    if (rc != 0) {
        return rc;
    }
    return got.n != 0 || all_match_empty(s) ? 1 : 0;
}

/** The answer's row of one base series at every step, or -1, into `which`. */
static int combine_row(struct info *s, size_t r)
{
    const uint64_t *bits = mat_bits(&s->base, r);
    struct labels base = s->base.labels[r];
    bool keep = is_info(s, base);
    int64_t sigs[NAMES_MAX] = {0};
    uint32_t last[NAMES_MAX] = {0};
    int last_n = -1;
    int64_t at = -1;

    for (size_t k = 0; k < s->names_n; k++) {
        struct label v[3];

        sigs[k] = label_table_find(&s->sigs, signature(s->names[k], base, v));
    }
    for (size_t i = bits_next(bits, 0, s->base.steps); i < s->base.steps;
         i = bits_next(bits, i + 1, s->base.steps)) {
        uint32_t rows[NAMES_MAX] = {0};
        int n = keep ? 0 : rows_at(s, sigs, i, rows);
        struct labels ls = base;
        int rc;

        if (n < 0) {
            return n;
        }
        if (n != last_n || memcmp(rows, last, (size_t)n * sizeof(*rows)) != 0) {
            rc = keep ? 1 : enrich(s, base, rows, (size_t)n, &ls);
            if (rc < 0) {
                return rc;
            }
            at = rc == 0 ? -1 : label_table_add(&s->made, ls, true);
            if (rc != 0 && at < 0) {
                return eval_no_memory(s->ev);
            }
            last_n = n;
            memcpy(last, rows, (size_t)n * sizeof(*rows));
            rc = eval_bill_arena(s->ev);
            if (rc != 0) {
                return rc;
            }
        }
        mat_row(&s->which, r)[i] = (double)at;
    }
    return eval_check(s->ev);
}

static int fill_out(struct info *s)
{
    int rc = eval_alloc(s->ev, &s->out, s->made.n, s->base.steps);

    for (size_t i = 0; rc == 0 && i < s->made.n; i++) {
        s->out.labels[i] = s->made.v[i];
    }
    for (size_t r = 0; rc == 0 && r < s->base.n; r++) {
        const uint64_t *bits = mat_bits(&s->base, r);

        for (size_t i = bits_next(bits, 0, s->base.steps); rc == 0 && i < s->base.steps;
             i = bits_next(bits, i + 1, s->base.steps)) {
            double to = mat_row(&s->which, r)[i];

            if (to < 0) {
                continue;
            }
            if (bit_get(mat_bits(&s->out, (size_t)to), i)) {
                rc = err_set(s->ev->reterr, ERR_EXEC,
                             "vector cannot contain metrics with the same labelset");
                mat_done(s->ev, &s->out);
                break;
            }
            mat_row(&s->out, (size_t)to)[i] = mat_row(&s->base, r)[i];
            bit_set(mat_bits(&s->out, (size_t)to), i);
        }
    }
    return rc;
}

int eval_info(struct eval *ev, const struct call *c, const struct grid *g, struct mat *ret)
{
    struct info s CLEANUP(info_done) = {.ev = ev, .made.arena = &ev->arena};
    int rc = eval_node(ev, c->args[0], g, &s.base);

    rc = rc != 0 ? rc : info_matchers(&s, c);
    rc = rc != 0 ? rc : eval_sample_times(ev, &s.by, g, &s.times);
    rc = rc != 0 ? rc : info_signatures(&s);
    rc = rc != 0 ? rc : eval_alloc(ev, &s.which, s.base.n, g->n);
    for (size_t r = 0; rc == 0 && r < s.base.n; r++) {
        rc = combine_row(&s, r);
    }
    rc = rc != 0 ? rc : fill_out(&s);
    if (rc == 0) {
        mat_compact(&s.out);
        *ret = s.out;
    }
    return rc;
}
