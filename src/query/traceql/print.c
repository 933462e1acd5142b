/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees to text. Invariant: what is printed parses to the same tree, so every operation has its parentheses.
 */
#include "query/traceql/parse_internal.h"

static const char *const AGGS[] = {"count", "avg", "min", "max", "sum"};

static const char *const METRICS[] = {
    "rate",          "count_over_time",    "min_over_time",       "max_over_time", "avg_over_time",
    "sum_over_time", "quantile_over_time", "histogram_over_time", "compare"};

static void print_name(struct buf *dst, struct str name)
{
    bool plain = !str_starts(name, STR("span.")) && !str_starts(name, STR("resource.")) &&
                 !(name.n != 0 && name.p[0] >= '0' && name.p[0] <= '9');

    for (size_t i = 0; i < name.n && plain; i++) {
        plain = memchr(" \t\r\n{}()=~!<>&|^,\"", name.p[i], 18) == NULL;
    }
    if (plain) {
        buf_add_str(dst, name);
        return;
    }
    buf_add_byte(dst, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"' || name.p[i] == '\\') {
            buf_add_byte(dst, '\\');
        }
        buf_add_byte(dst, name.p[i]);
    }
    buf_add_byte(dst, '"');
}

static const char *scope_text(enum tql_scope s)
{
    static const char *const TEXT[] = {
        "", "span", "resource", "event", "link", "instrumentation", "trace"};

    return TEXT[s];
}

static void print_intrinsic(struct buf *dst, const struct tql_attr *a)
{
    static const struct {
        const char *old;
        enum tql_scope scope;
        const char *name;
    } NAMES[] = {{"", TQL_SCOPE_NONE, ""},

#define TQL_IN_NAMES(id, old, scope, name, type) {old, scope, name},
                 TQL_INTRINSICS(TQL_IN_NAMES)
#undef TQL_IN_NAMES
    };

    if (a->scoped || NAMES[a->intrinsic].old[0] == '\0') {
        buf_add_cstr(dst, scope_text(NAMES[a->intrinsic].scope));
        buf_add_byte(dst, ':');
        buf_add_cstr(dst, NAMES[a->intrinsic].name);
    } else {
        buf_add_cstr(dst, NAMES[a->intrinsic].old);
    }
}

void tql_print_attr(struct buf *dst, const struct tql_attr *a)
{
    if (a->intrinsic != TQL_IN_NONE) {
        print_intrinsic(dst, a);
        return;
    }
    buf_add_cstr(dst, a->parent ? "parent." : "");
    buf_add_cstr(dst, scope_text(a->scope));
    if (a->scope != TQL_SCOPE_NONE || !a->parent) {
        buf_add_byte(dst, '.');
    }
    print_name(dst, a->name);
}

struct str tql_attr_name(const struct tql_attr *a)
{
    static const char *const NAMES[] = {
        "",
        "duration",
        "name",
        "status",
        "statusMessage",
        "kind",
        "childCount",
        "parent",
        "span:id",
        "span:parentID",
        "traceDuration",
        "rootName",
        "rootServiceName",
        "trace:id",
        "nestedSetLeft",
        "nestedSetRight",
        "nestedSetParent",
        "event:name",
        "event:timeSinceStart",
        "link:traceID",
        "link:spanID",
        "instrumentation:name",
        "instrumentation:version",
    };

    _Static_assert(ARRAY_LEN(NAMES) == TQL_IN_COUNT, "one name per intrinsic");
    return a->intrinsic != TQL_IN_NONE ? str_cstr(NAMES[a->intrinsic]) : a->name;
}

bool tql_attr_equal(const struct tql_attr *a, const struct tql_attr *b)
{
    return a->intrinsic == b->intrinsic && a->scope == b->scope && a->parent == b->parent &&
           str_eq(a->name, b->name);
}

void tql_print_expr(struct buf *dst, const struct tql_expr *e)
{
    switch (e->kind) {
    case TQL_LITERAL:
        tql_print_value(dst, &e->value);
        break;
    case TQL_ATTR:
        tql_print_attr(dst, &e->attr);
        break;
    case TQL_UNARY:
        buf_add_cstr(dst, tql_op_text(e->op));
        buf_add_byte(dst, '(');
        tql_print_expr(dst, e->lhs);
        buf_add_byte(dst, ')');
        break;
    case TQL_BINARY:
        for (int side = 0; side < 2; side++) {
            const struct tql_expr *x = side == 0 ? e->lhs : e->rhs;
            bool wrap = x->kind == TQL_BINARY;

            if (side != 0) {
                buf_add_byte(dst, ' ');
                buf_add_cstr(dst, tql_op_text(e->op));
                buf_add_byte(dst, ' ');
            }
            buf_add_cstr(dst, wrap ? "(" : "");
            tql_print_expr(dst, x);
            buf_add_cstr(dst, wrap ? ")" : "");
        }
        break;
    }
}

void tql_print_scalar(struct buf *dst, const struct tql_scalar *s)
{
    switch (s->kind) {
    case TQL_SCALAR_LITERAL:
        tql_print_value(dst, &s->value);
        break;
    case TQL_SCALAR_AGG:
        buf_add_cstr(dst, AGGS[s->agg]);
        buf_add_byte(dst, '(');
        if (s->expr != NULL) {
            tql_print_expr(dst, s->expr);
        }
        buf_add_byte(dst, ')');
        break;
    case TQL_SCALAR_BINARY:
        buf_add_byte(dst, '(');
        tql_print_scalar(dst, s->lhs);
        buf_printf(dst, " %s ", tql_op_text(s->op));
        tql_print_scalar(dst, s->rhs);
        buf_add_byte(dst, ')');
        break;
    case TQL_SCALAR_PIPELINE:
        buf_add_byte(dst, '(');
        tql_print_pipeline(dst, s->pipeline);
        buf_add_cstr(dst, " | ");
        tql_print_scalar(dst, s->lhs);
        buf_add_byte(dst, ')');
        break;
    }
}

static void print_filter(struct buf *dst, const struct tql_expr *e)
{
    buf_add_cstr(dst, "{ ");
    if (e != NULL) {
        tql_print_expr(dst, e);
        buf_add_byte(dst, ' ');
    }
    buf_add_byte(dst, '}');
}

static void print_spans(struct buf *dst, const struct tql_spans *s)
{
    switch (s->kind) {
    case TQL_SPANS_FILTER:
        print_filter(dst, s->filter);
        break;
    case TQL_SPANS_BINARY:
        buf_add_byte(dst, '(');
        print_spans(dst, s->lhs);
        buf_printf(dst, " %s ", tql_op_text(s->op));
        print_spans(dst, s->rhs);
        buf_add_byte(dst, ')');
        break;
    case TQL_SPANS_PIPELINE:
        buf_add_byte(dst, '(');
        tql_print_pipeline(dst, s->pipeline);
        buf_add_byte(dst, ')');
        break;
    }
}

static void print_attrs(struct buf *dst, const struct tql_attr *v, size_t n)
{
    buf_add_byte(dst, '(');
    for (size_t i = 0; i < n; i++) {
        buf_add_cstr(dst, i != 0 ? ", " : "");
        tql_print_attr(dst, &v[i]);
    }
    buf_add_byte(dst, ')');
}

static void print_stage(struct buf *dst, const struct tql_stage *s)
{
    switch (s->kind) {
    case TQL_STAGE_SPANS:
        print_spans(dst, s->spans);
        break;
    case TQL_STAGE_SCALAR:
        tql_print_scalar(dst, s->lhs);
        buf_printf(dst, " %s ", tql_op_text(s->op));
        tql_print_scalar(dst, s->rhs);
        break;
    case TQL_STAGE_BY:
        buf_add_cstr(dst, "by(");
        tql_print_expr(dst, s->by);
        buf_add_byte(dst, ')');
        break;
    case TQL_STAGE_COALESCE:
        buf_add_cstr(dst, "coalesce()");
        break;
    case TQL_STAGE_SELECT:
        buf_add_cstr(dst, "select");
        print_attrs(dst, s->select, s->select_n);
        break;
    }
}

void tql_print_pipeline(struct buf *dst, const struct tql_pipeline *p)
{
    for (size_t i = 0; i < p->n; i++) {
        buf_add_cstr(dst, i != 0 ? " | " : "");
        print_stage(dst, &p->v[i]);
    }
}

static void print_fn(struct buf *dst, const struct tql_metric *m)
{
    tql_print_pipeline(dst, m->pipeline);
    buf_printf(dst, " | %s(", METRICS[m->fn]);
    if (m->fn == TQL_COMPARE) {
        print_filter(dst, m->selection);
        buf_printf(dst, ", %lld", (long long)m->top_n);
        if (m->start_ns != 0 || m->end_ns != 0) {
            buf_printf(dst, ", %lld, %lld", (long long)m->start_ns, (long long)m->end_ns);
        }
    } else if (m->attr != NULL) {
        tql_print_attr(dst, m->attr);
    }
    for (size_t i = 0; i < m->quantiles_n; i++) {
        buf_add_cstr(dst, ", ");
        buf_add_f64(dst, m->quantiles[i]);
    }
    buf_add_byte(dst, ')');
    if (m->by_n != 0) {
        buf_add_cstr(dst, " by");
        print_attrs(dst, m->by, m->by_n);
    }
}

static void print_second(struct buf *dst, const struct tql_metric *m)
{
    for (size_t i = 0; i < m->second_n; i++) {
        const struct tql_second *s = &m->second[i];

        if (s->kind == TQL_THRESHOLD) {
            buf_printf(dst, " %s ", tql_op_text(s->op));
            tql_print_value(dst, &s->value);
        } else {
            buf_printf(dst, " | %s(%lld)", s->kind == TQL_TOPK ? "topk" : "bottomk",
                       (long long)s->k);
        }
    }
}

static void print_metric(struct buf *dst, const struct tql_metric *m, bool inner)
{
    inner = inner && m->kind != TQL_METRIC_NUMBER;
    buf_add_cstr(dst, inner ? "(" : "");
    switch (m->kind) {
    case TQL_METRIC_FN:
        print_fn(dst, m);
        break;
    case TQL_METRIC_NUMBER:
        buf_add_f64(dst, m->number);
        break;
    case TQL_METRIC_BINARY:
        print_metric(dst, m->lhs, true);
        buf_printf(dst, " %s ", tql_op_text(m->op));
        print_metric(dst, m->rhs, true);
        break;
    }
    print_second(dst, m);
    buf_add_cstr(dst, inner ? ")" : "");
}

void traceql_print(const struct traceql *q, struct buf *dst)
{
    if (q->metric != NULL) {
        print_metric(dst, q->metric, false);
    } else {
        tql_print_pipeline(dst, &q->pipeline);
    }
    for (size_t i = 0; i < q->hints_n; i++) {
        buf_add_cstr(dst, i == 0 ? " with(" : ", ");
        buf_add_str(dst, q->hints[i].name);
        buf_add_byte(dst, '=');
        tql_print_value(dst, &q->hints[i].value);
    }
    buf_add_cstr(dst, q->hints_n != 0 ? ")" : "");
}
