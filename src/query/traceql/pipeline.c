/* SPDX-License-Identifier: Apache-2.0
 *
 * Pipelines over one trace: spansets in, spansets out, stage by stage. A set is an array of span indexes in the
 * trace's order; where two sets meet they are turned into bytes per span.
 */
#include "query/traceql/eval.h"

#include <math.h>

enum { SETS_MAX = 100000, CHECK_EVERY = 1024 };

static int push_set(struct tql_run *r, struct tql_sets *to, size_t *cap, struct tql_set set)
{
    if (to->n == *cap) {
        size_t more = *cap != 0 ? 2 * *cap : 4;
        struct tql_set *v = more > SETS_MAX ? NULL : arena_array(r->arena, struct tql_set, more);

        if (v == NULL) {
            return -ERR_LIMIT;
        }
        if (to->n != 0) {
            memcpy(v, to->v, to->n * sizeof(*v));
        }
        to->v = v;
        *cap = more;
    }
    to->v[to->n++] = set;
    return 0;
}

static uint8_t *bytes_of(struct tql_run *r, const struct tql_sets *sets)
{
    uint8_t *in = arena_calloc(r->arena, r->trace->n + 1, 1);

    for (size_t i = 0; i < sets->n && in != NULL; i++) {
        for (size_t k = 0; k < sets->v[i].n; k++) {
            in[sets->v[i].v[k]] = 1;
        }
    }
    return in;
}

static int set_of(struct tql_run *r, const uint8_t *in, struct tql_set *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < r->trace->n; i++) {
        n += in[i];
    }
    *ret = (struct tql_set){.v = arena_array(r->arena, uint32_t, n + 1)};
    if (ret->v == NULL) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < r->trace->n; i++) {
        if (in[i] != 0) {
            ret->v[ret->n++] = i;
        }
    }
    return 0;
}

static struct tql_at at_span(struct tql_run *r, uint32_t index)
{
    arena_reset(r->tmp);
    return (struct tql_at){r->trace, &r->trace->spans[index], index, r->tmp};
}

/* ---- spansets ---- */

static int run_spans(struct tql_run *r, const struct tql_spans *s, const struct tql_set *in,
                     struct tql_sets *ret);

static int filter_set(struct tql_run *r, const struct tql_expr *filter, const struct tql_set *in,
                      struct tql_sets *ret)
{
    struct tql_set out = *in;
    size_t cap = 0;

    if (filter != NULL) {
        out.n = 0;
        out.v = arena_array(r->arena, uint32_t, in->n + 1);
        if (out.v == NULL) {
            return -ERR_LIMIT;
        }
        for (size_t i = 0; i < in->n; i++) {
            struct tql_at at = at_span(r, in->v[i]);
            int rc = i % CHECK_EVERY == CHECK_EVERY - 1 ? cancel_check(r->cancel) : 0;

            if (rc < 0) {
                return rc;
            }
            if (tql_passes(filter, &at)) {
                out.v[out.n++] = in->v[i];
            }
        }
    }
    *ret = (struct tql_sets){0};
    return out.n != 0 ? push_set(r, ret, &cap, out) : 0;
}

/* && and ||: the spans of both sides; && needs both. */
static int join(struct tql_run *r, enum tql_op op, const struct tql_sets *lhs,
                const struct tql_sets *rhs, uint8_t **ret)
{
    uint8_t *l = bytes_of(r, lhs);
    uint8_t *x = bytes_of(r, rhs);
    bool both = lhs->n != 0 && rhs->n != 0;

    if (l == NULL || x == NULL) {
        return -ERR_LIMIT;
    }
    *ret = l;
    if (op == TQL_AND && !both) {
        memset(l, 0, r->trace->n);
        return 0;
    }
    if (op == TQL_AND || op == TQL_OR) {
        for (size_t i = 0; i < r->trace->n; i++) {
            l[i] |= x[i];
        }
        return 0;
    }
    return tql_relate(r->trace, op, l, x, r->arena, ret);
}

static int run_binary(struct tql_run *r, const struct tql_spans *s, const struct tql_set *in,
                      struct tql_sets *ret)
{
    struct tql_sets lhs = {0};
    struct tql_sets rhs = {0};
    struct tql_set out = {0};
    uint8_t *bytes = NULL;
    size_t cap = 0;
    int rc = run_spans(r, s->lhs, in, &lhs);

    rc = rc < 0 ? rc : run_spans(r, s->rhs, in, &rhs);
    rc = rc < 0 ? rc : join(r, s->op, &lhs, &rhs, &bytes);
    rc = rc < 0 ? rc : set_of(r, bytes, &out);
    out.notes = in->notes;
    out.notes_n = in->notes_n;
    *ret = (struct tql_sets){0};
    return rc < 0 ? rc : out.n != 0 ? push_set(r, ret, &cap, out) : 0;
}

static int run_stages(struct tql_run *r, const struct tql_pipeline *p, struct tql_sets in,
                      struct tql_sets *ret);

static int run_spans(struct tql_run *r, const struct tql_spans *s, const struct tql_set *in,
                     struct tql_sets *ret)
{
    struct tql_set *copy;

    switch (s->kind) {
    case TQL_SPANS_FILTER:
        return filter_set(r, s->filter, in, ret);
    case TQL_SPANS_BINARY:
        return run_binary(r, s, in, ret);
    default:
        copy = arena_new(r->arena, struct tql_set);
        if (copy == NULL) {
            return -ERR_LIMIT;
        }
        *copy = *in;
        return run_stages(r, s->pipeline, (struct tql_sets){copy, 1}, ret);
    }
}

/* ---- numbers of a spanset ---- */

/* A later value of the same name replaces an earlier one. */
static int note(struct tql_run *r, struct tql_set *set, struct str key, struct tql_value v)
{
    struct tql_note *notes = arena_array(r->arena, struct tql_note, set->notes_n + 1);
    size_t i = 0;

    if (notes == NULL || key.p == NULL) {
        return -ERR_LIMIT;
    }
    if (set->notes_n != 0) {
        memcpy(notes, set->notes, set->notes_n * sizeof(*notes));
    }
    while (i < set->notes_n && !str_eq(notes[i].key, key)) {
        i++;
    }
    notes[i] = (struct tql_note){key, v};
    set->notes = notes;
    set->notes_n = i == set->notes_n ? i + 1 : set->notes_n;
    return 0;
}

static struct str scalar_key(struct tql_run *r, const struct tql_scalar *s)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, 4096);
    tql_print_scalar(&b, s);
    return arena_str_dup(r->arena, buf_str(&b));
}

/* NIL when no span has a number for it. */
static struct tql_value aggregate(struct tql_run *r, const struct tql_scalar *s,
                                  const struct tql_set *set)
{
    struct tql_value best = {TQL_NIL, {0}};
    struct tql_value sum = {TQL_NIL, {0}};
    struct tql_value n = tql_int(0);

    if (s->agg == TQL_COUNT) {
        return tql_int((int64_t)set->n);
    }
    for (size_t i = 0; i < set->n; i++) {
        struct tql_at at = at_span(r, set->v[i]);
        struct tql_value v = tql_eval(s->expr, &at);

        if (!tql_is_number(v.type)) {
            continue;
        }
        if (n.u.i == 0 || tql_holds(s->agg == TQL_MIN ? TQL_LT : TQL_GT, &v, &best)) {
            best = v;
        }
        sum = n.u.i == 0 ? v : tql_arithmetic(TQL_ADD, &sum, &v);
        n.u.i++;
    }
    if (s->agg == TQL_MIN || s->agg == TQL_MAX || n.u.i == 0) {
        return best;
    }
    if (s->agg == TQL_AVG) {
        if (sum.type == TQL_INT) {
            sum = tql_float((double)sum.u.i);
        }
        return tql_arithmetic(TQL_DIV, &sum, &n);
    }
    return sum;
}

/* The value of a scalar for a set, noted on it when it is an aggregate. */
static int run_scalar(struct tql_run *r, const struct tql_scalar *s, struct tql_set *set,
                      struct tql_value *ret)
{
    struct tql_sets inner = {0};
    struct tql_set *copy;
    struct tql_value l;
    struct tql_value x;
    int rc;

    switch (s->kind) {
    case TQL_SCALAR_LITERAL:
        *ret = s->value;
        return 0;
    case TQL_SCALAR_AGG:
        *ret = aggregate(r, s, set);
        return ret->type == TQL_NIL ? 0 : note(r, set, scalar_key(r, s), *ret);
    case TQL_SCALAR_BINARY:
        rc = run_scalar(r, s->lhs, set, &l);
        rc = rc < 0 ? rc : run_scalar(r, s->rhs, set, &x);
        *ret = rc < 0 ? l : tql_arithmetic(s->op, &l, &x);
        return rc;
    default:
        *ret = (struct tql_value){TQL_NIL, {0}};
        copy = arena_new(r->arena, struct tql_set);
        if (copy == NULL) {
            return -ERR_LIMIT;
        }
        *copy = *set;
        rc = run_stages(r, s->pipeline, (struct tql_sets){copy, 1}, &inner);
        return rc < 0 || inner.n == 0 ? rc : run_scalar(r, s->lhs, &inner.v[0], ret);
    }
}

static int scalar_stage(struct tql_run *r, const struct tql_stage *s, struct tql_set *set,
                        struct tql_sets *to, size_t *cap)
{
    struct tql_set in = *set; /* notes of the left side do not change what the right side sees */
    struct tql_value l;
    struct tql_value x;
    int rc = run_scalar(r, s->lhs, &in, &l);

    rc = rc < 0 ? rc : run_scalar(r, s->rhs, &in, &x);
    if (rc < 0 || l.type == TQL_NIL || x.type == TQL_NIL || !tql_holds(s->op, &l, &x)) {
        return rc;
    }
    return push_set(r, to, cap, in);
}

/* ---- groups ---- */

struct groups {
    struct tql_sets sets;
    size_t cap;
    struct tql_value *values; /* of each set */
    size_t *room;             /* of each set's array */
    size_t values_cap;
    uint32_t *slots; /* open addressing by value: index + 1 */
    size_t mask;
};

static int grow_groups(struct tql_run *r, struct groups *g)
{
    size_t more = g->values_cap != 0 ? 2 * g->values_cap : 16;
    struct tql_value *values = arena_array(r->arena, struct tql_value, more);
    size_t *room = arena_array(r->arena, size_t, more);
    uint32_t *slots = arena_calloc(r->arena, 2 * more, sizeof(*slots));

    if (values == NULL || room == NULL || slots == NULL) {
        return -ERR_LIMIT;
    }
    g->mask = 2 * more - 1;
    for (size_t i = 0; i < g->sets.n; i++) {
        size_t at = tql_hash(&g->values[i]) & g->mask;

        values[i] = g->values[i];
        room[i] = g->room[i];
        while (slots[at] != 0) {
            at = (at + 1) & g->mask;
        }
        slots[at] = (uint32_t)i + 1;
    }
    g->values = values;
    g->room = room;
    g->slots = slots;
    g->values_cap = more;
    return 0;
}

static int find_group(struct tql_run *r, struct groups *g, const struct tql_set *in,
                      const struct tql_value *v, size_t *ret)
{
    size_t at;
    int rc = g->sets.n == g->values_cap ? grow_groups(r, g) : 0;

    if (rc < 0) {
        return rc;
    }
    for (at = tql_hash(v) & g->mask; g->slots[at] != 0; at = (at + 1) & g->mask) {
        if (tql_equal(&g->values[g->slots[at] - 1], v)) {
            *ret = g->slots[at] - 1;
            return 0;
        }
    }
    *ret = g->sets.n;
    if (!tql_dup(r->arena, v, &g->values[*ret])) {
        return -ERR_LIMIT;
    }
    g->room[*ret] = 0;
    g->slots[at] = (uint32_t)*ret + 1;
    return push_set(r, &g->sets, &g->cap,
                    (struct tql_set){.notes = in->notes, .notes_n = in->notes_n});
}

static int add_to_group(struct tql_run *r, struct groups *g, size_t i, uint32_t span)
{
    struct tql_set *set = &g->sets.v[i];

    if (set->n == g->room[i]) {
        size_t more = g->room[i] != 0 ? 2 * g->room[i] : 4;
        uint32_t *v = arena_array(r->arena, uint32_t, more);

        if (v == NULL) {
            return -ERR_LIMIT;
        }
        if (set->n != 0) {
            memcpy(v, set->v, set->n * sizeof(*v));
        }
        set->v = v;
        g->room[i] = more;
    }
    set->v[set->n++] = span;
    return 0;
}

/* by(): a spanset per value, in order of first appearance; spans without a value go nowhere. */
static int by_stage(struct tql_run *r, const struct tql_expr *by, const struct tql_set *in,
                    struct tql_sets *to, size_t *cap)
{
    struct groups g = {0};
    struct buf b CLEANUP(buf_done);
    struct str key;
    int rc = 0;

    buf_init(&b, 4096);
    buf_add_cstr(&b, "by(");
    tql_print_expr(&b, by);
    buf_add_byte(&b, ')');
    key = arena_str_dup(r->arena, buf_str(&b));
    for (size_t i = 0; i < in->n && rc == 0; i++) {
        struct tql_at at = at_span(r, in->v[i]);
        struct tql_value v = tql_eval(by, &at);
        size_t group;

        if (v.type != TQL_NIL) {
            rc = find_group(r, &g, in, &v, &group);
            rc = rc < 0 ? rc : add_to_group(r, &g, group, in->v[i]);
        }
    }
    for (size_t i = 0; i < g.sets.n && rc == 0; i++) {
        rc = note(r, &g.sets.v[i], key, g.values[i]);
        rc = rc < 0 ? rc : push_set(r, to, cap, g.sets.v[i]);
    }
    return rc;
}

/* ---- the pipeline ---- */

static int append(struct tql_run *r, struct tql_sets *to, size_t *cap, const struct tql_sets *from)
{
    int rc = 0;

    for (size_t i = 0; i < from->n && rc == 0; i++) {
        rc = push_set(r, to, cap, from->v[i]);
    }
    return rc;
}

static int coalesce(struct tql_run *r, const struct tql_sets *in, struct tql_sets *to, size_t *cap)
{
    uint8_t *bytes = bytes_of(r, in);
    struct tql_set set;
    int rc = bytes == NULL ? -ERR_LIMIT : set_of(r, bytes, &set);

    return rc < 0 || set.n == 0 ? rc : push_set(r, to, cap, set);
}

static int run_stage(struct tql_run *r, const struct tql_stage *s, struct tql_sets *in,
                     struct tql_sets *to)
{
    struct tql_sets part;
    size_t cap = 0;
    int rc = 0;

    if (s->kind == TQL_STAGE_COALESCE) {
        return coalesce(r, in, to, &cap);
    }
    for (size_t i = 0; i < in->n && rc == 0; i++) {
        switch (s->kind) {
        case TQL_STAGE_SPANS:
            rc = run_spans(r, s->spans, &in->v[i], &part);
            rc = rc < 0 ? rc : append(r, to, &cap, &part);
            break;
        case TQL_STAGE_SCALAR:
            rc = scalar_stage(r, s, &in->v[i], to, &cap);
            break;
        case TQL_STAGE_BY:
            rc = by_stage(r, s->by, &in->v[i], to, &cap);
            break;
        default: /* select() changes what is shown, not what is found */
            rc = push_set(r, to, &cap, in->v[i]);
            break;
        }
        rc = rc < 0 ? rc : cancel_check(r->cancel);
    }
    return rc;
}

static int run_stages(struct tql_run *r, const struct tql_pipeline *p, struct tql_sets in,
                      struct tql_sets *ret)
{
    int rc = 0;

    for (size_t i = 0; i < p->n && rc == 0 && in.n != 0; i++) {
        struct tql_sets out = {0};

        rc = run_stage(r, &p->v[i], &in, &out);
        in = out;
    }
    *ret = in;
    return rc;
}

int tql_run_pipeline(struct tql_run *r, const struct tql_pipeline *p, struct tql_sets *ret)
{
    struct tql_set all = {.n = r->trace->n};
    struct tql_sets in = {0};
    size_t cap = 0;
    int rc;

    all.v = arena_array(r->arena, uint32_t, all.n + 1);
    if (all.v == NULL) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < all.n; i++) {
        all.v[i] = i;
    }
    rc = all.n != 0 ? push_set(r, &in, &cap, all) : 0;
    return rc < 0 ? rc : run_stages(r, p, in, ret);
}
