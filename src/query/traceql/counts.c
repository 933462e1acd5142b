/* SPDX-License-Identifier: Apache-2.0
 *
 * rate() and count_over_time() without looking at spans: where the store's filter is exact and the series are told
 * apart by a field whose values the store groups by, it counts from its columns and indexes. What this gives is what
 * metrics.c would give span by span; where that is not certain (values that are no texts), it declines.
 */
#include "query/traceql/metrics_internal.h"
#include "store/columns/examples.h"

/* What a group's text stands for. */
enum counts_by { BY_NOTHING, BY_NAME, BY_KIND, BY_STATUS, BY_SCOPE_NAME, BY_RESOURCE };

static bool by_of(const struct tql_metric *m, enum counts_by *ret, struct field *field)
{
    static const struct {
        enum tql_intrinsic in;
        enum counts_by by;
        struct str name;
    } INTRINSICS[] = {{TQL_IN_NAME, BY_NAME, {"name", 4}},
                      {TQL_IN_KIND, BY_KIND, {"kind", 4}},
                      {TQL_IN_STATUS, BY_STATUS, {"status", 6}},
                      {TQL_IN_SCOPE_NAME, BY_SCOPE_NAME, {"scope_name", 10}}};

    if (m->by_n == 0) {
        *ret = BY_NOTHING;
        return true;
    }
    if (m->by_n > 1 || m->by[0].parent) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(INTRINSICS); i++) {
        if (m->by[0].intrinsic == INTRINSICS[i].in) {
            *ret = INTRINSICS[i].by;
            *field = (struct field){FIELD_INTRINSIC, INTRINSICS[i].name};
            return true;
        }
    }
    *ret = BY_RESOURCE;
    *field = (struct field){FIELD_RESOURCE, m->by[0].name};
    return m->by[0].intrinsic == TQL_IN_NONE && m->by[0].scope == TQL_SCOPE_RESOURCE;
}

/* Do all resources with the attribute have a text? @param ret_empty  some have "", so that it is not absence */
static int only_texts(const struct metrics *x, const struct columns_query *q, struct str name,
                      bool *ret_only, bool *ret_empty)
{
    struct columns_query all = {
        .min_ns = q->min_ns, .max_ns = q->max_ns, .cancel = q->cancel, .budget = q->budget};
    struct columns_streams streams;
    struct arena a;
    int rc;

    arena_init(&a, 64 << 20);
    *ret_only = true;
    *ret_empty = false;
    rc = columns_streams(x->src->spans, &all, &a, &streams, x->err);
    for (size_t i = 0; rc == 0 && i < streams.n; i++) {
        const struct value *v = attrs_get(streams.v[i].resource->attrs, name);

        *ret_only = *ret_only && (v == NULL || v->type == VALUE_STR);
        *ret_empty = *ret_empty || (v != NULL && v->type == VALUE_STR && v->u.s.n == 0);
    }
    arena_done(&a);
    return rc;
}

static struct tql_value label_of(enum counts_by by, struct str text)
{
    struct tql_value v = tql_str(text);
    uint8_t number = 0; /* a name that is not known is that of 0 */

    if (by == BY_KIND) {
        ignore_result(span_kind_parse(text, &number), "stays 0");
        v = (struct tql_value){TQL_KIND, {.i = number}};
    } else if (by == BY_STATUS) {
        ignore_result(span_status_parse(text, &number), "stays 0");
        v = (struct tql_value){TQL_STATUS, {.i = number}};
    } else if (by != BY_NAME && text.n == 0) {
        v = (struct tql_value){TQL_NIL, {0}};
    }
    return v;
}

/* Counts of a stretch of steps into the table. */
static int add_groups(struct metrics *x, enum counts_by by, const struct columns_groups *g,
                      size_t first, size_t n)
{
    for (size_t i = 0; i < g->n; i++) {
        struct tql_value label = label_of(by, g->v[i].value);
        struct tql_series *s;
        int rc;

        if (g->v[i].total == 0) {
            continue;
        }
        rc = tql_table_get(&x->table, &label, &s, x->err);
        if (rc < 0) {
            return rc;
        }
        for (size_t k = 0; k < n; k++) {
            s->a[first + k] += (double)g->v[i].counts[k];
        }
        x->stats->spans += g->v[i].total;
    }
    return 0;
}

/* Steps [first, first + n); the first of all may be cut by the range. */
static int count_steps(struct metrics *x, struct columns_query q, const struct field *field,
                       enum counts_by by, size_t first, size_t n)
{
    struct columns_buckets over = {.step_ns = x->step_ns, .n = n, .by = field};
    int64_t from = x->start_ns + (int64_t)first * x->step_ns;
    struct columns_groups groups;
    struct arena a;
    int64_t to;
    int rc;

    if (n == 0) {
        return 0;
    }
    q.min_ns = from > q.min_ns ? from : q.min_ns;
    if (!__builtin_mul_overflow((int64_t)n, x->step_ns, &to) &&
        !__builtin_add_overflow(from, to, &to) && to < q.max_ns) {
        q.max_ns = to;
    }
    arena_init(&a, TQL_WORK_MEMORY_MAX);
    rc = columns_histogram(x->src->spans, &q, &over, &a, &groups, x->err);
    if (rc == 0) {
        x->stats->scan.rows_scanned += groups.stats.rows_scanned;
        x->stats->scan.blocks_read += groups.stats.blocks_read;
        x->stats->scan.blocks_pruned += groups.stats.blocks_pruned;
        x->stats->scan.bytes_read += groups.stats.bytes_read;
        rc = add_groups(x, by, &groups, first, n);
    }
    arena_done(&a);
    return rc;
}

static int add_examples(struct metrics *x, const struct columns_query *q, const struct field *field,
                        enum counts_by by)
{
    const double whole = (double)x->table.steps * (double)x->step_ns;
    struct columns_buckets over = {.step_ns = (int64_t)(whole / (double)x->table.max_exemplars),
                                   .n = x->table.max_exemplars,
                                   .by = field};
    struct columns_examples found;
    struct arena a;
    int rc;

    over.step_ns = over.step_ns > 0 ? over.step_ns : 1;
    over.n +=
        (size_t)(q->max_ns - q->min_ns) > over.n * (size_t)over.step_ns; /* what division left */
    arena_init(&a, TQL_WORK_MEMORY_MAX);
    rc = columns_find_examples(x->src->spans, q, &over, &a, &found, x->err);
    for (size_t i = 0; rc == 0 && i < found.n; i++) {
        const struct columns_example *from = &found.v[i];
        struct tql_value label = label_of(by, from->value);
        struct traceql_exemplar *e = NULL;
        struct tql_series *s;

        rc = tql_table_get(&x->table, &label, &s, x->err);
        rc = rc < 0
                 ? rc
                 : tql_table_exemplar(&x->table, s, (double)(from->time_ns - x->start_ns) / whole,
                                      from->time_ns, 0, &e);
        if (rc == 0 && e != NULL) {
            e->trace_id = from->trace_id;
            e->span_id = from->span_id;
        }
    }
    arena_done(&a);
    return rc;
}

int tql_counts(struct metrics *x, const struct columns_query *q)
{
    const struct tql_metric *m = x->m;
    struct field field;
    enum counts_by by;
    bool cut = x->start_ns < q->min_ns;
    const struct field *of;
    int rc;

    if ((m->fn != TQL_RATE && m->fn != TQL_COUNT_OVER_TIME) || m->attr != NULL || !x->exact ||
        !by_of(m, &by, &field)) {
        return 0;
    }
    of = by != BY_NOTHING ? &field : NULL;
    if (by == BY_RESOURCE) {
        bool only;
        bool empty;

        rc = only_texts(x, q, field.name, &only, &empty);
        if (rc < 0 || !only || empty) {
            return rc;
        }
    }
    rc = count_steps(x, *q, of, by, 0, cut ? 1 : 0);
    rc = rc < 0 ? rc : count_steps(x, *q, of, by, cut ? 1 : 0, x->table.steps - (cut ? 1 : 0));
    rc = rc == 0 && x->table.max_exemplars != 0 ? add_examples(x, q, of, by) : rc;
    return rc < 0 ? rc : 1;
}
