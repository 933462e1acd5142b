/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching: candidates from the store, each evaluated whole, what is shown of it copied into the answer.
 */
#include "query/traceql/plan.h"

#include <stdlib.h>

enum { RUN_MEMORY_MAX = 128 << 20, SERVICES_MAX = 256 };

struct search {
    const struct traceql *q; /* NULL: all traces */
    const struct traceql_source *src;
    const struct traceql_search_opts *opts;
    struct tql_fields fields;
    struct tql_need need;
    struct arena *a;  /* of the answer */
    struct arena run; /* of one trace's sets */
    struct arena tmp; /* of one span's values */
    struct traceql_traces *ret;
};

/* ---- what is shown ---- */

/* Of the values of several events or links one is shown: clients of search results know no lists there. */
static struct tql_value shown(const struct tql_attr *attr, struct tql_value v)
{
    bool many = attr->scope == TQL_SCOPE_EVENT || attr->scope == TQL_SCOPE_LINK ||
                (attr->intrinsic >= TQL_IN_EVENT_NAME && attr->intrinsic <= TQL_IN_LINK_SPAN_ID);

    return many && v.type == TQL_LIST && v.u.list.n != 0 ? v.u.list.v[0] : v;
}

static int fill_attrs(struct search *s, const struct tql_at *at, struct attrs *ret)
{
    struct attr *v = arena_array(s->a, struct attr, s->fields.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s->fields.n && v != NULL; i++) {
        const struct tql_attr *attr = s->fields.v[i];
        struct tql_value value;

        if (!tql_is_shown(attr)) {
            continue;
        }
        value = shown(attr, tql_attr_value(attr, at));
        if (value.type != TQL_NIL) {
            v[n].key = arena_str_dup(s->a, tql_attr_name(attr));
            if (!tql_to_value(s->a, &value, &v[n++].value)) {
                return -ERR_LIMIT;
            }
        }
    }
    *ret = (struct attrs){v, n};
    return v == NULL ? -ERR_LIMIT : 0;
}

static int fill_span(struct search *s, const struct tql_trace *t, uint32_t index,
                     struct traceql_span *ret)
{
    const struct span *row = &t->spans[index];
    struct tql_at at = {t, row, index, &s->tmp};

    arena_reset(&s->tmp);
    *ret = (struct traceql_span){.id = row->span_id,
                                 .name = arena_str_dup(s->a, row->name),
                                 .start_ns = row->start_ns,
                                 .duration_ns = tql_duration(row)};
    return ret->name.p == NULL && row->name.n != 0 ? -ERR_LIMIT : fill_attrs(s, &at, &ret->attrs);
}

static int fill_notes(struct search *s, const struct tql_set *set, struct attrs *ret)
{
    struct attr *v = arena_array(s->a, struct attr, set->notes_n + 1);

    for (size_t i = 0; i < set->notes_n && v != NULL; i++) {
        v[i].key = arena_str_dup(s->a, set->notes[i].key);
        if (!tql_to_value(s->a, &set->notes[i].value, &v[i].value)) {
            return -ERR_LIMIT;
        }
    }
    *ret = (struct attrs){v, set->notes_n};
    return v == NULL ? -ERR_LIMIT : 0;
}

static int fill_set(struct search *s, const struct tql_trace *t, const struct tql_set *set,
                    struct traceql_spanset *ret)
{
    size_t max = s->opts->spans_per_spanset;
    size_t n = max != 0 && max < set->n ? max : set->n;
    int rc;

    ret->matched = set->n;
    ret->v = arena_array(s->a, struct traceql_span, n + 1);
    if (ret->v == NULL) {
        return -ERR_LIMIT;
    }
    rc = fill_notes(s, set, &ret->attrs);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = fill_span(s, t, set->v[i], &ret->v[ret->n++]);
    }
    return rc;
}

static int fill_services(struct search *s, const struct tql_trace *t, struct traceql_trace *ret)
{
    ret->services = arena_calloc(s->a, SERVICES_MAX, sizeof(*ret->services));
    if (ret->services == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct str name = attrs_get_str(t->spans[i].resource->attrs, STR("service.name"));
        size_t k = 0;

        while (k < ret->services_n && !str_eq(ret->services[k].name, name)) {
            k++;
        }
        if (k == SERVICES_MAX) {
            continue;
        }
        if (k == ret->services_n) {
            ret->services[ret->services_n++].name = arena_str_dup(s->a, name);
        }
        ret->services[k].spans++;
        ret->services[k].errors += t->spans[i].status == SPAN_STATUS_ERROR;
    }
    return 0;
}

static int fill_trace(struct search *s, const struct tql_trace *t, const struct tql_sets *sets)
{
    struct traceql_trace *ret = &s->ret->v[s->ret->n];
    int rc;

    *ret = (struct traceql_trace){.id = t->spans[0].trace_id,
                                  .start_ns = t->start_ns,
                                  .duration_ns =
                                      t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0};
    if (t->root != TQL_NONE) {
        const struct span *root = &t->spans[t->root];

        ret->has_root = true;
        ret->root_name = arena_str_dup(s->a, root->name);
        ret->root_service =
            arena_str_dup(s->a, attrs_get_str(root->resource->attrs, STR("service.name")));
    }
    ret->spansets = arena_calloc(s->a, sets->n + 1, sizeof(*ret->spansets));
    rc = ret->spansets == NULL ? -ERR_LIMIT : fill_services(s, t, ret);
    for (size_t i = 0; i < sets->n && rc == 0; i++) {
        rc = fill_set(s, t, &sets->v[i], &ret->spansets[ret->spansets_n++]);
    }
    s->ret->n += rc == 0;
    return rc;
}

/* ---- the search ---- */

static int on_trace(void *arg, struct tql_trace *t)
{
    struct search *s = arg;
    struct tql_run run = {t, &s->run, &s->tmp, s->src->cancel};
    int64_t duration = t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0;
    struct tql_sets sets = {0};
    int rc = 0;

    if (duration < s->opts->min_duration_ns ||
        (s->opts->max_duration_ns != 0 && duration > s->opts->max_duration_ns)) {
        return 0;
    }
    arena_reset(&s->run);
    if (s->q != NULL) {
        rc = tql_run_pipeline(&run, &s->q->pipeline, &sets);
        if (rc < 0 || sets.n == 0) {
            return rc;
        }
    }
    rc = fill_trace(s, t, &sets);
    return rc < 0 ? rc : s->ret->n == s->opts->limit;
}

static int newest_first(const void *pa, const void *pb)
{
    const struct traceql_trace *a = pa;
    const struct traceql_trace *b = pb;

    return a->start_ns != b->start_ns ? (a->start_ns < b->start_ns ? 1 : -1)
                                      : memcmp(a->id.b, b->id.b, TRACE_ID_SIZE);
}

int traceql_search(const struct traceql *q, const struct traceql_source *src,
                   const struct traceql_search_opts *opts, struct arena *a,
                   struct traceql_traces *ret, struct err *reterr)
{
    struct search *s = arena_calloc(a, 1, sizeof(*s));
    struct traceql_traces traces = {0};
    struct tql_plan plan = {0};
    struct arena plans CLEANUP(arena_done);
    int rc = 0;

    arena_init(&plans, TQL_TREE_MAX);
    if (q != NULL && q->metric != NULL) {
        return err_set(reterr, ERR_INVALID, "a metrics query is no search");
    }
    traces.v = arena_calloc(a, opts->limit + 1, sizeof(*traces.v));
    if (s == NULL || traces.v == NULL) {
        return tql_explain(-ERR_LIMIT, reterr);
    }
    *s = (struct search){.q = q, .src = src, .opts = opts, .a = a, .ret = &traces};
    arena_init(&s->run, RUN_MEMORY_MAX);
    arena_init(&s->tmp, RUN_MEMORY_MAX);
    if (q != NULL) {
        tql_pipeline_fields(&q->pipeline, &s->fields);
        rc = tql_plan_pipeline(&q->pipeline, &plans, &plan);
    }
    tql_need_of(&s->fields, &s->need);
    s->need.bits |=
        COLUMNS_NEED_TEXT | COLUMNS_NEED_RESOURCE; /* names of the root and of services */
    rc = rc < 0 ? rc
                : tql_each_trace(src, plan.score != 0 ? plan.filter : NULL, &s->need,
                                 opts->limit + 1, on_trace, s, &traces.stats, reterr);
    arena_done(&s->run);
    arena_done(&s->tmp);
    if (rc < 0) {
        return tql_explain(rc, reterr);
    }
    if (traces.n > 1) {
        qsort(traces.v, traces.n, sizeof(*traces.v), newest_first);
    }
    *ret = traces;
    return 0;
}
