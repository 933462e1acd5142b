/* SPDX-License-Identifier: Apache-2.0
 *
 * Field expressions. Invariant: an absent field makes every comparison false but the one with nil.
 */
#include "query/traceql/eval.h"

static const struct tql_value NIL = {TQL_NIL, {0}};

static struct tql_value duration(int64_t ns)
{
    return (struct tql_value){TQL_DURATION, {.i = ns}};
}

static struct tql_value hex(const uint8_t *id, size_t n, struct arena *a)
{
    char *text = arena_array(a, char, 2 * n + 1);

    if (text == NULL) {
        return NIL;
    }
    hex_encode(id, n, text);
    return tql_str(str_of(text, 2 * n));
}

static struct tql_value some_str(struct str s)
{
    return s.n != 0 ? tql_str(s) : NIL;
}

static struct tql_value of_attrs(struct attrs as, struct str name, struct arena *a)
{
    const struct value *v = attrs_get(as, name);

    return v != NULL ? tql_of_value(v, a) : NIL;
}

/* ---- events and links: one value each ---- */

static struct tql_value event_value(const struct tql_attr *attr, const struct span *s, size_t i,
                                    struct arena *a)
{
    const struct span_event *e = &s->events[i];

    switch (attr->intrinsic) {
    case TQL_IN_EVENT_NAME:
        return tql_str(e->name);
    case TQL_IN_EVENT_TIME:
        return duration(e->time_ns - s->start_ns);
    default:
        return of_attrs(e->attrs, attr->name, a);
    }
}

static struct tql_value link_value(const struct tql_attr *attr, const struct span *s, size_t i,
                                   struct arena *a)
{
    const struct span_link *l = &s->links[i];

    switch (attr->intrinsic) {
    case TQL_IN_LINK_TRACE_ID:
        return hex(l->trace_id.b, TRACE_ID_SIZE, a);
    case TQL_IN_LINK_SPAN_ID:
        return hex(l->span_id.b, SPAN_ID_SIZE, a);
    default:
        return of_attrs(l->attrs, attr->name, a);
    }
}

/* Absent, one value, or the list of all of them. */
static struct tql_value of_many(const struct tql_attr *attr, const struct span *s, bool events,
                                struct arena *a)
{
    size_t n = events ? s->events_n : s->links_n;
    struct tql_value *list = n != 0 ? arena_array(a, struct tql_value, n) : NULL;
    size_t found = 0;

    for (size_t i = 0; i < n && list != NULL; i++) {
        struct tql_value v = events ? event_value(attr, s, i, a) : link_value(attr, s, i, a);

        if (v.type != TQL_NIL && (v.type != TQL_LIST || n == 1)) {
            list[found++] = v;
        }
    }
    if (found <= 1) {
        return found == 0 ? NIL : list[0];
    }
    return (struct tql_value){TQL_LIST, {.list = {list, found}}};
}

/* ---- intrinsics ---- */

static struct tql_value trace_value(enum tql_intrinsic in, const struct tql_at *at)
{
    const struct tql_trace *t = at->trace;
    const struct tql_node *node = t != NULL ? &t->nodes[at->index] : NULL;
    const struct span *root = t != NULL && t->root != TQL_NONE ? &t->spans[t->root] : NULL;
    bool is_root = tql_is_root(at->span);

    if (in == TQL_IN_NESTED_PARENT && (node == NULL || is_root)) {
        return tql_int(is_root ? -1 : 0);
    }
    if (t == NULL) {
        return NIL;
    }
    switch (in) {
    case TQL_IN_TRACE_DURATION:
        return duration(t->end_ns > t->start_ns ? t->end_ns - t->start_ns : 0);
    case TQL_IN_ROOT_NAME:
        return root != NULL ? tql_str(root->name) : NIL;
    case TQL_IN_ROOT_SERVICE:
        return root != NULL ? some_str(attrs_get_str(root->resource->attrs, STR("service.name")))
                            : NIL;
    case TQL_IN_CHILD_COUNT:
        return tql_int(node->children);
    case TQL_IN_NESTED_LEFT:
        return tql_int(node->left);
    case TQL_IN_NESTED_RIGHT:
        return tql_int(node->right);
    default:
        return tql_int(node->parent != TQL_NONE ? t->nodes[node->parent].left : 0);
    }
}

static struct tql_value intrinsic(const struct tql_attr *attr, const struct tql_at *at)
{
    const struct span *s = at->span;

    switch (attr->intrinsic) {
    case TQL_IN_DURATION:
        return duration(tql_duration(s));
    case TQL_IN_NAME:
        return tql_str(s->name);
    case TQL_IN_STATUS:
        return (struct tql_value){TQL_STATUS, {.i = s->status}};
    case TQL_IN_STATUS_MESSAGE:
        return tql_str(s->status_message);
    case TQL_IN_KIND:
        return (struct tql_value){TQL_KIND, {.i = s->kind}};
    case TQL_IN_SPAN_ID:
        return hex(s->span_id.b, SPAN_ID_SIZE, at->arena);
    case TQL_IN_PARENT:
    case TQL_IN_PARENT_ID:
        return tql_is_root(s) ? NIL : hex(s->parent_id.b, SPAN_ID_SIZE, at->arena);
    case TQL_IN_TRACE_ID:
        return hex(s->trace_id.b, TRACE_ID_SIZE, at->arena);
    case TQL_IN_EVENT_NAME:
    case TQL_IN_EVENT_TIME:
        return of_many(attr, s, true, at->arena);
    case TQL_IN_LINK_TRACE_ID:
    case TQL_IN_LINK_SPAN_ID:
        return of_many(attr, s, false, at->arena);
    case TQL_IN_SCOPE_NAME:
        return some_str(s->scope->name);
    case TQL_IN_SCOPE_VERSION:
        return some_str(s->scope->version);
    default:
        return trace_value(attr->intrinsic, at);
    }
}

struct tql_value tql_attr_value(const struct tql_attr *attr, const struct tql_at *at)
{
    const struct span *s = at->span;
    struct tql_value v;

    if (attr->parent) {
        uint32_t parent = at->trace != NULL ? at->trace->nodes[at->index].parent : TQL_NONE;

        if (parent == TQL_NONE) {
            return NIL;
        }
        s = &at->trace->spans[parent];
    }
    if (attr->intrinsic != TQL_IN_NONE) {
        return intrinsic(attr, at);
    }
    switch (attr->scope) {
    case TQL_SCOPE_SPAN:
        return of_attrs(s->attrs, attr->name, at->arena);
    case TQL_SCOPE_RESOURCE:
        return of_attrs(s->resource->attrs, attr->name, at->arena);
    case TQL_SCOPE_INSTRUMENTATION:
        return of_attrs(s->scope->attrs, attr->name, at->arena);
    case TQL_SCOPE_EVENT:
        return of_many(attr, s, true, at->arena);
    case TQL_SCOPE_LINK:
        return of_many(attr, s, false, at->arena);
    default:
        v = of_attrs(s->attrs, attr->name, at->arena);
        return v.type != TQL_NIL ? v : of_attrs(s->resource->attrs, attr->name, at->arena);
    }
}

/* ---- operators ---- */

static bool is_nil_literal(const struct tql_expr *e)
{
    return e->kind == TQL_LITERAL && e->type == TQL_NIL;
}

static bool eval_regex(const struct tql_expr *e, const struct tql_value *v)
{
    bool negate = e->op == TQL_NRE;

    if (v->type == TQL_STR) {
        return matcher_matches(e->regex, v->u.s) != negate;
    }
    if (v->type != TQL_LIST) {
        return false;
    }
    for (size_t i = 0; i < v->u.list.n; i++) {
        const struct tql_value *x = &v->u.list.v[i];

        if (x->type == TQL_STR && matcher_matches(e->regex, x->u.s)) {
            return !negate;
        }
    }
    return negate;
}

static struct tql_value eval_binary(const struct tql_expr *e, const struct tql_at *at)
{
    struct tql_value l;
    struct tql_value r;

    if (e->op == TQL_AND || e->op == TQL_OR) {
        l = tql_eval(e->lhs, at);
        if (tql_is_true(&l) == (e->op == TQL_OR)) {
            return tql_bool(e->op == TQL_OR);
        }
        r = tql_eval(e->rhs, at);
        return tql_bool(tql_is_true(&r));
    }
    if (is_nil_literal(e->lhs) || is_nil_literal(e->rhs)) {
        l = tql_eval(is_nil_literal(e->lhs) ? e->rhs : e->lhs, at);
        return tql_bool((l.type == TQL_NIL) == (e->op == TQL_EQ));
    }
    l = tql_eval(e->lhs, at);
    if (e->op == TQL_RE || e->op == TQL_NRE) {
        return tql_bool(eval_regex(e, &l));
    }
    r = tql_eval(e->rhs, at);
    return tql_is_arithmetic(e->op)
               ? tql_arithmetic(e->op, &l, &r)
               : tql_bool(l.type != TQL_NIL && r.type != TQL_NIL && tql_holds(e->op, &l, &r));
}

struct tql_value tql_eval(const struct tql_expr *e, const struct tql_at *at)
{
    static const struct tql_value minus = {TQL_INT, {.i = -1}};
    struct tql_value v;

    switch (e->kind) {
    case TQL_LITERAL:
        return e->value;
    case TQL_ATTR:
        return tql_attr_value(&e->attr, at);
    case TQL_UNARY:
        v = tql_eval(e->lhs, at);
        if (e->op == TQL_NOT) {
            return v.type == TQL_BOOL ? tql_bool(!v.u.b) : NIL;
        }
        return tql_arithmetic(TQL_MUL, &minus, &v);
    default:
        return eval_binary(e, at);
    }
}

bool tql_passes(const struct tql_expr *filter, const struct tql_at *at)
{
    struct tql_value v;

    if (filter == NULL) {
        return true;
    }
    v = tql_eval(filter, at);
    return tql_is_true(&v);
}

/* ---- what an expression needs ---- */

bool tql_attr_needs_trace(const struct tql_attr *a)
{
    switch (a->intrinsic) {
    case TQL_IN_CHILD_COUNT:
    case TQL_IN_TRACE_DURATION:
    case TQL_IN_ROOT_NAME:
    case TQL_IN_ROOT_SERVICE:
    case TQL_IN_NESTED_LEFT:
    case TQL_IN_NESTED_RIGHT:
    case TQL_IN_NESTED_PARENT:
        return true;
    default:
        return a->parent;
    }
}

/* "nestedSetParent < 0" and the like: only whether the span is a root, whose value is -1. */
static bool asks_for_root(const struct tql_expr *e)
{
    int64_t v;

    if (e->kind != TQL_BINARY || e->lhs->kind != TQL_ATTR ||
        e->lhs->attr.intrinsic != TQL_IN_NESTED_PARENT || e->rhs->kind != TQL_LITERAL ||
        e->rhs->type != TQL_INT) {
        return false;
    }
    v = e->rhs->value.u.i;
    return e->op == TQL_LT || e->op == TQL_GE ? v <= 0 : tql_is_comparison(e->op) && v < 0;
}

bool tql_needs_trace(const struct tql_expr *e)
{
    if (e == NULL || asks_for_root(e)) {
        return false;
    }
    return (e->kind == TQL_ATTR && tql_attr_needs_trace(&e->attr)) || tql_needs_trace(e->lhs) ||
           tql_needs_trace(e->rhs);
}
