/* SPDX-License-Identifier: Apache-2.0
 *
 * compare(): counts of every attribute's values in the selection and in the rest. Per attribute and group a
 * bounded number of values is followed; of an attribute with more (an id, say) the values met first are, its
 * total stays exact and the answer says that there were too many.
 */
#include "query/traceql/series.h"

#include "base/hash.h"

#include <stdlib.h>

enum { VALUES_MIN = 1000, ATTRS_MAX = 2000, LABEL_GROUP = 0, LABEL_NAME = 1, LABEL_VALUE = 2 };

/* Total series of one attribute in one group. */
struct total {
    struct tql_series *series;
    size_t values; /* followed */
    bool too_many;
};

struct tql_compare {
    const struct tql_metric *m;
    struct tql_table *table;
    struct total
        totals[2 * ATTRS_MAX]; /* found through the first exemplar slot of the series: its number */
    size_t totals_n;
    size_t values_max;
};

struct tql_compare *tql_compare_new(const struct tql_metric *m, struct tql_table *table)
{
    struct tql_compare *c = arena_calloc(table->a, 1, sizeof(*c));

    if (c != NULL) {
        c->m = m;
        c->table = table;
        c->values_max = (size_t)m->top_n > VALUES_MIN / 4 ? 4 * (size_t)m->top_n : VALUES_MIN;
        table->max_series =
            1 << 18; /* memory is the limit: the answer holds the first of each attribute only */
        table->max_exemplars = 0;
    }
    return c;
}

/* The total of an attribute, counted at the step. @return NULL in *ret: too many attributes */
static int count_total(struct tql_compare *c, struct tql_value labels[3], size_t step,
                       struct total **ret, struct err *reterr)
{
    struct tql_value value = labels[LABEL_VALUE];
    struct tql_series *s;
    size_t before = c->table->n;
    int rc;

    labels[LABEL_VALUE] = (struct tql_value){TQL_NIL, {0}};
    rc = tql_table_get(c->table, labels, &s, reterr);
    labels[LABEL_VALUE] = value;
    if (rc < 0) {
        return rc;
    }
    if (c->table->n != before) {
        s->exemplars_n = SIZE_MAX;
        if (c->totals_n < ARRAY_LEN(c->totals)) {
            s->exemplars_n = c->totals_n;
            c->totals[c->totals_n++].series = s;
        }
    }
    *ret = s->exemplars_n < c->totals_n ? &c->totals[s->exemplars_n] : NULL;
    return tql_table_add(c->table, s, step, 1);
}

static bool is_known(const struct tql_table *t, const struct tql_value labels[3])
{
    uint64_t h = 0;

    for (size_t i = 0; i < 3; i++) {
        h = hash_u64(h ^ tql_hash(&labels[i]));
    }
    for (size_t at = h & t->mask; t->slots[at] != 0; at = (at + 1) & t->mask) {
        const struct tql_series *s = t->v[t->slots[at] - 1];

        if (tql_equal(&s->labels[0], &labels[0]) && tql_equal(&s->labels[1], &labels[1]) &&
            tql_equal(&s->labels[2], &labels[2])) {
            return true;
        }
    }
    return false;
}

static int count_value(struct tql_compare *c, struct tql_value labels[3], size_t step,
                       struct err *reterr)
{
    struct total *total;
    struct tql_series *s;
    int rc = count_total(c, labels, step, &total, reterr);

    if (rc < 0 || total == NULL || labels[LABEL_VALUE].type == TQL_NIL) {
        return rc;
    }
    if (!is_known(c->table, labels)) {
        if (total->values == c->values_max) {
            total->too_many = true;
            return 0;
        }
        total->values++;
    }
    rc = tql_table_get(c->table, labels, &s, reterr);
    return rc < 0 ? rc : tql_table_add(c->table, s, step, 1);
}

static int count_attrs(struct tql_compare *c, const struct tql_at *at, struct tql_value labels[3],
                       struct attrs as, const char *scope, size_t step, struct err *reterr)
{
    int rc = 0;

    for (size_t i = 0; i < as.n && rc == 0; i++) {
        struct str name =
            arena_printf(at->arena, "%s.%.*s", scope, STR_ARG(str_take(as.v[i].key, 1024)));

        if (name.p == NULL) {
            return -ERR_LIMIT;
        }
        labels[LABEL_NAME] = tql_str(name);
        labels[LABEL_VALUE] = tql_of_value(&as.v[i].value, at->arena);
        rc = count_value(c, labels, step, reterr);
    }
    return rc;
}

int tql_compare_add(struct tql_compare *c, const struct tql_at *at, size_t step, struct err *reterr)
{
    static const enum tql_intrinsic INTRINSICS[] = {TQL_IN_NAME, TQL_IN_STATUS, TQL_IN_KIND,
                                                    TQL_IN_STATUS_MESSAGE};
    const struct span *row = at->span;
    bool in_window = (c->m->start_ns == 0 && c->m->end_ns == 0) ||
                     (row->start_ns >= c->m->start_ns && row->start_ns < c->m->end_ns);
    struct tql_value labels[3] = {tql_int(in_window && tql_passes(c->m->selection, at))};
    int rc = count_attrs(c, at, labels, row->attrs, "span", step, reterr);

    rc = rc < 0 ? rc : count_attrs(c, at, labels, row->resource->attrs, "resource", step, reterr);
    for (size_t i = 0; i < ARRAY_LEN(INTRINSICS) && rc == 0; i++) {
        struct tql_attr a = {.intrinsic = INTRINSICS[i]};

        labels[LABEL_NAME] = tql_str(tql_attr_name(&a));
        labels[LABEL_VALUE] = tql_attr_value(&a, at);
        if (labels[LABEL_VALUE].type == TQL_STR && labels[LABEL_VALUE].u.s.n == 0) {
            continue;
        }
        rc = count_value(c, labels, step, reterr);
    }
    return rc;
}

/* ---- the answer ---- */

struct entry {
    const struct tql_series *s;
    double total;
};

/* By group and name; in them the most frequent first. */
static int by_frequency(const void *pa, const void *pb)
{
    const struct entry *a = pa;
    const struct entry *b = pb;
    int c = tql_compare(&a->s->labels[LABEL_NAME], &b->s->labels[LABEL_NAME]);

    c = c != 0 ? c : tql_compare(&a->s->labels[LABEL_GROUP], &b->s->labels[LABEL_GROUP]);
    return c != 0 ? c : a->total != b->total ? (a->total < b->total ? 1 : -1) : 0;
}

static int emit(const struct tql_compare *c, const struct tql_series *s, const char *meta,
                const char *meta_value, struct arena *a, struct traceql_metrics *r)
{
    struct traceql_series *to = &r->v[r->n++];
    struct attr *l = arena_array(a, struct attr, 2);

    to->values = arena_array(a, double, c->table->steps);
    if (l == NULL || to->values == NULL) {
        return -ERR_LIMIT;
    }
    memcpy(to->values, s->a, c->table->steps * sizeof(double));
    l[0] = (struct attr){str_cstr(meta), {VALUE_STR, {.s = str_cstr(meta_value)}}};
    l[1].key = arena_str_dup(a, s->labels[LABEL_NAME].u.s);
    to->labels = (struct attrs){l, 2};
    return l[1].key.p != NULL && tql_to_label(a, &s->labels[LABEL_VALUE], &l[1].value) ? 0
                                                                                       : -ERR_LIMIT;
}

static int emit_totals(const struct tql_compare *c, size_t i, bool cut, struct arena *a,
                       struct traceql_metrics *r)
{
    static const char *const TYPES[] = {"baseline_total", "selection_total"};
    const struct tql_series *s = c->totals[i].series;
    int rc = emit(c, s, "__meta_type", TYPES[s->labels[LABEL_GROUP].u.i != 0], a, r);

    return rc < 0 || !cut ? rc : emit(c, s, "__meta_error", "__too_many_values__", a, r);
}

int tql_compare_finish(struct tql_compare *c, struct traceql_metrics *r, struct arena *a)
{
    static const char *const TYPES[] = {"baseline", "selection"};
    const struct tql_table *t = c->table;
    struct entry *v = arena_array(t->a, struct entry, t->n + 1);
    size_t run = 0;
    size_t n = 0;
    int rc = 0;

    r->v = arena_calloc(a, t->n + c->totals_n + 1, sizeof(*r->v));
    if (v == NULL || r->v == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < t->n; i++) {
        if (t->v[i]->labels[LABEL_VALUE].type != TQL_NIL) {
            v[n] = (struct entry){t->v[i], 0};
            for (size_t k = 0; k < t->steps; k++) {
                v[n].total += t->v[i]->a[k];
            }
            n++;
        }
    }
    if (n > 1) {
        qsort(v, n, sizeof(*v), by_frequency);
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        bool same = i != 0 &&
                    tql_equal(&v[i].s->labels[LABEL_GROUP], &v[i - 1].s->labels[LABEL_GROUP]) &&
                    tql_equal(&v[i].s->labels[LABEL_NAME], &v[i - 1].s->labels[LABEL_NAME]);

        run = same ? run + 1 : 0;
        if (run < (uint64_t)c->m->top_n) {
            rc = emit(c, v[i].s, "__meta_type", TYPES[v[i].s->labels[LABEL_GROUP].u.i != 0], a, r);
        }
    }
    for (size_t i = 0; i < c->totals_n && rc == 0; i++) {
        rc = emit_totals(c, i, c->totals[i].values > (size_t)c->m->top_n || c->totals[i].too_many,
                         a, r);
    }
    return rc;
}
