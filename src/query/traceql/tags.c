/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and values of fields, for completion. Names are those of the newest spans; values are counted by the
 * store, which knows them as text, and a look at some spans tells their types.
 */
#include "query/traceql/plan.h"

#include <stdlib.h>

#include "base/map.h"

enum {
    NAME_ROWS_MAX = 50000,
    TYPE_ROWS_MAX = 200,
    NAMES_CEILING = 200000,
    NAMES_MEMORY_MAX = 64 << 20
};

static const char *const SCOPES[] = {
    "", "span", "resource", "event", "link", "instrumentation", "intrinsic"};

static const char *const INTRINSICS[] = {
    "duration",
    "event:name",
    "event:timeSinceStart",
    "instrumentation:name",
    "instrumentation:version",
    "kind",
    "link:spanID",
    "link:traceID",
    "name",
    "nestedSetLeft",
    "nestedSetParent",
    "nestedSetRight",
    "rootName",
    "rootServiceName",
    "span:childCount",
    "span:duration",
    "span:id",
    "span:kind",
    "span:name",
    "span:parentID",
    "span:status",
    "span:statusMessage",
    "status",
    "statusMessage",
    "trace:duration",
    "trace:id",
    "trace:rootName",
    "trace:rootService",
    "traceDuration",
};

bool traceql_tag_scope_parse(struct str name, enum traceql_tag_scope *ret)
{
    *ret = TRACEQL_TAGS_ALL;
    if (name.n == 0 || str_eq(name, STR("none"))) {
        return true;
    }
    for (size_t i = 1; i < ARRAY_LEN(SCOPES); i++) {
        if (str_eq(name, str_cstr(SCOPES[i]))) {
            *ret = (enum traceql_tag_scope)i;
            return true;
        }
    }
    return false;
}

const char *traceql_tag_scope_name(enum traceql_tag_scope scope)
{
    return SCOPES[scope];
}

/* ---- names ---- */

struct names {
    const struct tql_expr *filter;
    bool exact;
    bool stored; /* the store has told all but those of events and links */
    enum traceql_tag_scope only;
    size_t limit; /* per scope */
    struct map seen[TRACEQL_TAGS_INTRINSIC + 1];
    struct arena *a;
    struct arena tmp;
    struct traceql_stats *stats;
};

static int add_names(struct names *x, enum traceql_tag_scope scope, struct attrs as)
{
    struct map *m = &x->seen[scope];

    if (x->only != TRACEQL_TAGS_ALL && x->only != scope) {
        return 0;
    }
    for (size_t i = 0; i < as.n && m->n < x->limit; i++) {
        struct str key = as.v[i].key;

        if (key.n == 0 || map_get(m, key) != NULL) {
            continue;
        }
        key = arena_str_dup(x->a, key);
        if (key.p == NULL) {
            return -ERR_LIMIT;
        }
        if (map_put(m, key, m) < 0) {
            return -ERR_NOMEM;
        }
    }
    return 0;
}

static int on_name_row(void *arg, const struct columns_row *stored)
{
    struct names *x = arg;
    const struct span *row = stored->span;
    struct tql_at at = {NULL, row, 0, &x->tmp};
    int rc;

    arena_reset(&x->tmp);
    if (!x->exact && !tql_passes(x->filter, &at)) {
        return 0;
    }
    rc = x->stored ? 0 : add_names(x, TRACEQL_TAGS_SPAN, row->attrs);
    rc = rc < 0 || x->stored ? rc : add_names(x, TRACEQL_TAGS_RESOURCE, row->resource->attrs);
    rc = rc < 0 || x->stored ? rc : add_names(x, TRACEQL_TAGS_INSTRUMENTATION, row->scope->attrs);
    for (size_t i = 0; i < row->events_n && rc == 0; i++) {
        rc = add_names(x, TRACEQL_TAGS_EVENT, row->events[i].attrs);
    }
    for (size_t i = 0; i < row->links_n && rc == 0; i++) {
        rc = add_names(x, TRACEQL_TAGS_LINK, row->links[i].attrs);
    }
    return rc < 0 ? rc : ++x->stats->spans == NAME_ROWS_MAX;
}

static int by_text(const void *pa, const void *pb)
{
    return str_cmp(*(const struct str *)pa, *(const struct str *)pb);
}

static int sorted_names(const struct map *m, struct arena *a, struct traceql_tags *ret)
{
    size_t pos = 0;
    void *value;

    *ret = (struct traceql_tags){.v = arena_array(a, struct str, m->n + 1)};
    if (ret->v == NULL) {
        return -ERR_LIMIT;
    }
    while (map_next(m, &pos, &ret->v[ret->n], &value)) {
        ret->n++;
    }
    if (ret->n > 1) {
        qsort(ret->v, ret->n, sizeof(*ret->v), by_text);
    }
    return 0;
}

static int intrinsic_names(struct arena *a, struct traceql_tags *ret)
{
    *ret = (struct traceql_tags){.v = arena_array(a, struct str, ARRAY_LEN(INTRINSICS))};
    for (size_t i = 0; i < ARRAY_LEN(INTRINSICS) && ret->v != NULL; i++) {
        ret->v[ret->n++] = str_cstr(INTRINSICS[i]);
    }
    return ret->v == NULL ? -ERR_LIMIT : 0;
}

/* The expression of a filter query; NULL: all, or one that needs whole traces. */
static const struct tql_expr *filter_of(const struct traceql *q)
{
    const struct tql_expr *e = NULL;

    return q != NULL && traceql_is_filter(q) && tql_single_filter(&q->pipeline, &e) &&
                   !tql_needs_trace(e)
               ? e
               : NULL;
}

/* Names the store has in its directories: attributes of spans, resources and scopes. */
static int stored_names(struct names *x, const struct traceql_source *src,
                        const struct columns_query *q, struct err *reterr)
{
    struct columns_names found = {0};
    struct arena tmp CLEANUP(arena_done);
    int rc;

    arena_init(&tmp, NAMES_MEMORY_MAX);
    rc = columns_names(src->spans, q, &tmp, &found, reterr);
    for (size_t i = 0; i < found.n && rc == 0; i++) {
        const struct attr one = {.key = found.v[i].name};
        enum traceql_tag_scope scope = found.v[i].scope == FIELD_ATTR ? TRACEQL_TAGS_SPAN
                                       : found.v[i].scope == FIELD_RESOURCE
                                           ? TRACEQL_TAGS_RESOURCE
                                           : TRACEQL_TAGS_INSTRUMENTATION;

        rc = add_names(x, scope, (struct attrs){&one, 1});
    }
    x->stats->scan = found.stats;
    x->stored = true;
    return rc;
}

static int find_names(struct names *x, const struct traceql_source *src, struct err *reterr)
{
    static const struct tql_need events = {.bits = COLUMNS_NEED_EVENTS};
    static const struct tql_need everything = {.all = true};
    struct arena plans CLEANUP(arena_done) = {0};
    struct scan_stats scan = {0};
    struct columns_query q;
    struct tql_plan plan;
    int rc;

    arena_init(&plans, TQL_TREE_MAX);
    rc = tql_plan_expr(x->filter, &plans, &plan);
    if (rc < 0 || x->only == TRACEQL_TAGS_INTRINSIC) {
        return rc;
    }
    x->exact = plan.exact;
    q = tql_store_query(src, plan.score != 0 ? plan.filter : NULL,
                        x->exact ? &events : &everything);
    if (x->exact) {
        rc = stored_names(x, src, &q, reterr);
    }
    if (rc == 0 &&
        !(x->exact && (x->only == TRACEQL_TAGS_SPAN || x->only == TRACEQL_TAGS_RESOURCE ||
                       x->only == TRACEQL_TAGS_INSTRUMENTATION))) {
        q.need = x->exact ? COLUMNS_NEED_EVENTS : 0;
        rc = columns_each_span(src->spans, &q, on_name_row, x, &scan, reterr);
        x->stats->scan.bytes_read += scan.bytes_read;
    }
    return rc;
}

int traceql_tag_names(const struct traceql_source *src, const struct traceql *filter,
                      enum traceql_tag_scope scope, size_t limit, struct arena *a,
                      struct traceql_tag_names *ret, struct err *reterr)
{
    struct traceql_tag_names names = {0};
    struct names x = {.filter = filter_of(filter),
                      .only = scope,
                      .limit = limit == 0 || limit > NAMES_CEILING ? NAMES_CEILING : limit,
                      .a = a,
                      .stats = &names.stats};
    int rc;

    arena_init(&x.tmp, TQL_TREE_MAX);
    rc = find_names(&x, src, reterr);
    for (int s = TRACEQL_TAGS_SPAN; s < TRACEQL_TAGS_INTRINSIC; s++) {
        rc = rc < 0 ? rc : sorted_names(&x.seen[s], a, &names.by_scope[s]);
        map_done(&x.seen[s]);
    }
    if (rc == 0 && (scope == TRACEQL_TAGS_ALL || scope == TRACEQL_TAGS_INTRINSIC)) {
        rc = intrinsic_names(a, &names.by_scope[TRACEQL_TAGS_INTRINSIC]);
    }
    arena_done(&x.tmp);
    if (rc < 0) {
        return tql_explain(rc, reterr);
    }
    *ret = names;
    return 0;
}

/* ---- values ---- */

struct values {
    const struct tql_expr *filter;
    bool exact;
    struct tql_attr attr;
    size_t limit;
    struct map seen; /* of values found row by row: by text */
    unsigned types;  /* bit per tql_type met */
    size_t rows;
    struct arena *a;
    struct arena tmp;
    struct traceql_tag_values *ret;
};

static const char *type_name(enum tql_type t)
{
    return t == TQL_STATUS || t == TQL_KIND ? "keyword" : tql_type_name(t);
}

static int add_value(struct values *x, const struct tql_value *v)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct str text;

    if (v->type == TQL_LIST) {
        for (size_t i = 0; i < v->u.list.n; i++) {
            int rc = v->u.list.v[i].type == TQL_LIST ? 0 : add_value(x, &v->u.list.v[i]);

            if (rc != 0) {
                return rc;
            }
        }
        return 0;
    }
    buf_init(&b, 1 << 20);
    tql_text(&b, v);
    text = buf_str(&b);
    if (v->type == TQL_NIL || text.n == 0 || map_get(&x->seen, text) != NULL) {
        return 0;
    }
    text = arena_str_dup(x->a, text);
    if (text.p == NULL || map_put(&x->seen, text, x) < 0) {
        return -ERR_LIMIT;
    }
    x->ret->v[x->ret->n++] = (struct traceql_tag_value){type_name(v->type), text};
    return x->ret->n == x->limit;
}

/* Fields the store cannot count: events, links, versions. */
static int on_value_row(void *arg, const struct span *row, uint64_t id)
{
    struct values *x = arg;
    struct tql_at at = {NULL, row, 0, &x->tmp};
    struct tql_value v;
    int rc;

    (void)id;
    arena_reset(&x->tmp);
    x->rows++;
    if (!x->exact && !tql_passes(x->filter, &at)) {
        return 0;
    }
    v = tql_attr_value(&x->attr, &at);
    rc = add_value(x, &v);
    return rc != 0 ? rc : x->rows == NAME_ROWS_MAX;
}

static int on_type_row(void *arg, const struct span *row, uint64_t id)
{
    struct values *x = arg;
    struct tql_at at = {NULL, row, 0, &x->tmp};
    struct tql_value v;

    (void)id;
    arena_reset(&x->tmp);
    v = tql_attr_value(&x->attr, &at);
    x->types |= 1u << v.type;
    return ++x->rows == TYPE_ROWS_MAX;
}

/* The field as the store counts it. */
static bool store_field(const struct tql_attr *a, struct field *ret)
{
    static const struct {
        enum tql_intrinsic in;
        const char *name;
    } NAMES[] = {{TQL_IN_NAME, "name"},
                 {TQL_IN_STATUS, "status"},
                 {TQL_IN_KIND, "kind"},
                 {TQL_IN_STATUS_MESSAGE, "status_message"},
                 {TQL_IN_SCOPE_NAME, "scope_name"}};

    if (a->parent || a->scope == TQL_SCOPE_EVENT || a->scope == TQL_SCOPE_LINK) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (a->intrinsic == NAMES[i].in) {
            *ret = (struct field){FIELD_INTRINSIC, str_cstr(NAMES[i].name)};
            return true;
        }
    }
    *ret = (struct field){a->scope == TQL_SCOPE_SPAN       ? FIELD_ATTR
                          : a->scope == TQL_SCOPE_RESOURCE ? FIELD_RESOURCE
                          : a->scope == TQL_SCOPE_NONE     ? FIELD_ANY
                                                           : FIELD_SCOPE,
                          a->name};
    return a->intrinsic == TQL_IN_NONE;
}

/* What a text of the store is, after the types seen: "200" may be a number or a string. */
static const char *guess_type(const struct values *x, struct str text)
{
    int64_t i;
    double f;

    if (x->attr.intrinsic != TQL_IN_NONE) {
        return type_name(tql_intrinsic_type(x->attr.intrinsic));
    }
    if ((x->types & 1u << TQL_INT) != 0 && str_to_i64(text, &i)) {
        return "int";
    }
    if ((x->types & 1u << TQL_FLOAT) != 0 && str_to_f64(text, &f)) {
        return "float";
    }
    if ((x->types & 1u << TQL_BOOL) != 0 &&
        (str_eq(text, STR("true")) || str_eq(text, STR("false")))) {
        return "bool";
    }
    return "string";
}

static int count_values(struct values *x, const struct traceql_source *src,
                        const struct columns_query *q, struct field f, struct err *reterr)
{
    struct columns_groups groups = {0};
    struct columns_query typed = *q;
    const struct filter *kids[] = {NULL, q->filter};
    struct arena filters CLEANUP(arena_done) = {0};
    int rc = columns_values(src->spans, q, f, x->limit, x->a, &groups, reterr);

    arena_init(&filters, TQL_TREE_MAX);
    if (rc == 0 && x->attr.intrinsic == TQL_IN_NONE) {
        kids[0] = filter_pred(&filters, f, PRED_EXISTS, (struct value){0});
        typed.filter = q->filter != NULL ? filter_and(&filters, kids, 2) : kids[0];
        rc = typed.filter == NULL ? -ERR_LIMIT
                                  : columns_scan_spans(src->spans, &typed, INT64_MAX, 0,
                                                       on_type_row, x, NULL, reterr);
    }
    x->ret->stats.scan = groups.stats;
    for (size_t i = 0; i < groups.n && rc == 0; i++) {
        struct str text = groups.v[i].value;

        if (text.n != 0) {
            x->ret->v[x->ret->n++] = (struct traceql_tag_value){guess_type(x, text), text};
        }
    }
    return rc;
}

int traceql_tag_values(const struct traceql_source *src, struct str name,
                       const struct traceql *filter, size_t limit, struct arena *a,
                       struct traceql_tag_values *ret, struct err *reterr)
{
    struct traceql_tag_values values = {0};
    struct values x = {.filter = filter_of(filter),
                       .limit = limit == 0 || limit > NAMES_CEILING ? NAMES_CEILING : limit,
                       .a = a,
                       .ret = &values};
    struct columns_query q;
    struct tql_fields fields = {0};
    struct tql_need need;
    struct arena plans CLEANUP(arena_done) = {0};
    struct tql_plan plan;
    struct field f;
    int rc = tql_parse_attr(a, name, &x.attr, reterr);

    if (rc < 0) {
        return rc;
    }
    arena_init(&plans, TQL_TREE_MAX);
    arena_init(&x.tmp, TQL_TREE_MAX);
    values.v = arena_array(a, struct traceql_tag_value, x.limit + 1);
    rc = values.v == NULL ? -ERR_LIMIT : tql_plan_expr(x.filter, &plans, &plan);
    if (rc == 0) {
        tql_add_field(&fields, &x.attr);
        tql_expr_fields(x.filter, &fields);
        tql_need_of(&fields, &need);
        q = tql_store_query(src, plan.score != 0 ? plan.filter : NULL, &need);
        x.exact = plan.exact;
        rc = store_field(&x.attr, &f) ? count_values(&x, src, &q, f, reterr)
             : tql_attr_needs_trace(&x.attr)
                 ? 0
                 : columns_scan_spans(src->spans, &q, INT64_MAX, 0, on_value_row, &x,
                                      &values.stats.scan, reterr);
    }
    map_done(&x.seen);
    arena_done(&x.tmp);
    if (rc < 0) {
        return tql_explain(rc, reterr);
    }
    *ret = values;
    return 0;
}
