/* SPDX-License-Identifier: Apache-2.0
 *
 * Expressions to filters of the store. The store compares texts where TraceQL compares types, and knows no
 * elements of arrays, so most filters are a little wide; where one could be too narrow, it is left away.
 */
#include "query/traceql/plan.h"

enum {
    SCORE_EXISTS = 1,
    SCORE_RANGE = 2,
    SCORE_ENUM = 3,
    SCORE_RE = 3,
    SCORE_EQ = 5,
    SCORE_ID = 10
};

static const struct filter ALL = {.type = FILTER_TRUE};

static struct tql_plan everything(bool exact)
{
    return (struct tql_plan){.filter = &ALL, .exact = exact};
}

static int planned(const struct filter *f, bool exact, int score, struct tql_plan *ret)
{
    *ret = (struct tql_plan){f, exact, score};
    return f == NULL ? -ERR_LIMIT : 0;
}

static const struct filter *both(struct arena *a, const struct filter *x, const struct filter *y)
{
    const struct filter *kids[] = {x, y};

    return x == &ALL ? y : y == &ALL ? x : filter_and(a, kids, 2);
}

static const struct filter *either(struct arena *a, const struct filter *x, const struct filter *y)
{
    const struct filter *kids[] = {x, y};

    return x == &ALL || y == &ALL ? &ALL : filter_or(a, kids, 2);
}

static const struct filter *exists(struct arena *a, struct field f)
{
    return filter_pred(a, f, PRED_EXISTS, (struct value){0});
}

static const struct filter *is_array(struct arena *a, struct field f)
{
    return filter_pred(a, f, PRED_IS_ARRAY, (struct value){0});
}

/* ---- one comparison ---- */

/* An attribute of a span, resource or scope as the store's field. */
static bool attr_field(const struct tql_attr *attr, struct field *ret)
{
    if (attr->intrinsic != TQL_IN_NONE || attr->parent) {
        return false;
    }
    ret->name = attr->name;
    switch (attr->scope) {
    case TQL_SCOPE_NONE:
        ret->scope = FIELD_ANY;
        return true;
    case TQL_SCOPE_SPAN:
        ret->scope = FIELD_ATTR;
        return true;
    case TQL_SCOPE_RESOURCE:
        ret->scope = FIELD_RESOURCE;
        return true;
    case TQL_SCOPE_INSTRUMENTATION:
        ret->scope = FIELD_SCOPE;
        return true;
    default:
        return false;
    }
}

static enum pred_op order_pred(enum tql_op op)
{
    switch (op) {
    case TQL_LT:
        return PRED_LT;
    case TQL_LE:
        return PRED_LE;
    case TQL_GT:
        return PRED_GT;
    default:
        return PRED_GE;
    }
}

static struct value store_value(const struct tql_value *v)
{
    switch (v->type) {
    case TQL_INT:
    case TQL_DURATION:
        return (struct value){VALUE_I64, {.i = v->u.i}};
    case TQL_FLOAT:
        return (struct value){VALUE_F64, {.f = v->u.f}};
    case TQL_BOOL:
        return (struct value){VALUE_BOOL, {.b = v->u.b}};
    default:
        return (struct value){VALUE_STR, {.s = v->u.s}};
    }
}

static int plan_nil(struct arena *a, struct field f, enum tql_op op, struct tql_plan *ret)
{
    const struct filter *there = exists(a, f);

    if (op == TQL_NE) {
        return planned(there, false, SCORE_EXISTS, ret);
    }
    /* an attribute without a value is there for the store; its text is "" */
    return planned(either(a, filter_not(a, there),
                          filter_pred(a, f, PRED_EQ, (struct value){VALUE_STR, {.s = STR("")}})),
                   false, SCORE_EXISTS, ret);
}

static int plan_attr(const struct tql_expr *e, struct field f, enum tql_op op,
                     const struct tql_value *v, struct arena *a, struct tql_plan *ret)
{
    const struct filter *array = is_array(a, f);

    switch (op) {
    case TQL_EQ:
        if (v->type == TQL_STATUS || v->type == TQL_KIND) {
            break;
        }
        return planned(either(a, filter_pred(a, f, PRED_EQ, store_value(v)), array), false,
                       SCORE_EQ, ret);
    case TQL_RE:
        return planned(either(a, filter_regex(a, f, false, e->regex), array), false, SCORE_RE, ret);
    case TQL_LT:
    case TQL_LE:
    case TQL_GT:
    case TQL_GE:
        if (!tql_is_number(v->type)) {
            break;
        }
        return planned(either(a, filter_pred(a, f, order_pred(op), store_value(v)), array), false,
                       SCORE_RANGE, ret);
    default:
        break;
    }
    return planned(exists(a, f), false, SCORE_EXISTS, ret);
}

/* A text that is always there, "" for the store being absent. */
static int plan_text(const struct tql_expr *e, struct field f, enum tql_op op,
                     const struct tql_value *v, struct arena *a, struct tql_plan *ret)
{
    if (op == TQL_EQ && v->u.s.n != 0) {
        return planned(filter_pred(a, f, PRED_EQ, store_value(v)), true, SCORE_EQ, ret);
    }
    if (op == TQL_NE && v->u.s.n != 0) {
        return planned(filter_pred(a, f, PRED_NE, store_value(v)), true, SCORE_EXISTS, ret);
    }
    if ((op == TQL_RE || op == TQL_NRE) && !matcher_matches(e->regex, STR(""))) {
        return planned(filter_regex(a, f, op == TQL_NRE, e->regex), true, SCORE_RE, ret);
    }
    *ret = everything(false);
    return 0;
}

/* status and kind, stored as their names. */
static int plan_enum(struct field f, enum tql_op op, const char *name, struct arena *a,
                     struct tql_plan *ret)
{
    struct value v = {VALUE_STR, {.s = str_cstr(name)}};

    return planned(filter_pred(a, f, op == TQL_NE ? PRED_NE : PRED_EQ, v), true, SCORE_ENUM, ret);
}

/* Ids: absent only for the parent of a root, where every comparison but with nil is false. */
static int plan_id(struct field f, enum tql_op op, const struct tql_value *v, struct arena *a,
                   struct tql_plan *ret)
{
    if (v->type == TQL_NIL) {
        return planned(op == TQL_NE ? exists(a, f) : filter_not(a, exists(a, f)), true, SCORE_ENUM,
                       ret);
    }
    if (op == TQL_EQ) {
        return planned(filter_pred(a, f, PRED_EQ, store_value(v)), true, SCORE_ID, ret);
    }
    return planned(exists(a, f), false, 0, ret);
}

/* Durations below 0, of clocks that were wrong, count as 0 here but not in the store. */
static int plan_duration(enum tql_op op, const struct tql_value *v, struct arena *a,
                         struct tql_plan *ret)
{
    const struct field f = {FIELD_INTRINSIC, STR("duration_ns")};
    double limit;

    *ret = everything(false);
    if (!tql_number(v, &limit) || limit <= 0 || op == TQL_NE) {
        return 0;
    }
    if (op == TQL_EQ) {
        return planned(filter_pred(a, f, PRED_EQ, store_value(v)), true, SCORE_EQ, ret);
    }
    return planned(filter_pred(a, f, order_pred(op), store_value(v)), true, SCORE_RANGE, ret);
}

/* nestedSetParent against a number that only tells roots (-1) from others (0 and more). */
static int plan_root(enum tql_op op, struct arena *a, struct tql_plan *ret)
{
    const struct field f = {FIELD_INTRINSIC, STR("parent_id")};
    bool root = op == TQL_LT || op == TQL_LE || op == TQL_EQ;

    return planned(root ? filter_not(a, exists(a, f)) : exists(a, f), true, SCORE_ENUM, ret);
}

static int plan_intrinsic(const struct tql_expr *e, enum tql_intrinsic in, enum tql_op op,
                          const struct tql_value *v, struct arena *a, struct tql_plan *ret)
{
    *ret = everything(false);
    switch (in) {
    case TQL_IN_NAME:
        return v->type != TQL_STR
                   ? 0
                   : plan_text(e, (struct field){FIELD_INTRINSIC, STR("name")}, op, v, a, ret);
    case TQL_IN_STATUS_MESSAGE:
        return v->type != TQL_STR
                   ? 0
                   : plan_text(e, (struct field){FIELD_INTRINSIC, STR("status_message")}, op, v, a,
                               ret);
    case TQL_IN_STATUS:
        return v->type != TQL_STATUS ? 0
                                     : plan_enum((struct field){FIELD_INTRINSIC, STR("status")}, op,
                                                 span_status_name((uint8_t)v->u.i), a, ret);
    case TQL_IN_KIND:
        return v->type != TQL_KIND ? 0
                                   : plan_enum((struct field){FIELD_INTRINSIC, STR("kind")}, op,
                                               span_kind_name((uint8_t)v->u.i), a, ret);
    case TQL_IN_DURATION:
        return plan_duration(op, v, a, ret);
    case TQL_IN_SPAN_ID:
        return plan_id((struct field){FIELD_INTRINSIC, STR("span_id")}, op, v, a, ret);
    case TQL_IN_TRACE_ID:
        return plan_id((struct field){FIELD_INTRINSIC, STR("trace_id")}, op, v, a, ret);
    case TQL_IN_PARENT:
    case TQL_IN_PARENT_ID:
        return plan_id((struct field){FIELD_INTRINSIC, STR("parent_id")}, op, v, a, ret);
    case TQL_IN_SCOPE_NAME:
        return v->type == TQL_STR && op == TQL_EQ && v->u.s.n != 0
                   ? plan_text(e, (struct field){FIELD_INTRINSIC, STR("scope_name")}, op, v, a, ret)
                   : 0;
    case TQL_IN_NESTED_PARENT:
        return e->lhs->kind == TQL_ATTR && !tql_needs_trace(e) ? plan_root(op, a, ret) : 0;
    default:
        return 0;
    }
}

static enum tql_op mirrored(enum tql_op op)
{
    switch (op) {
    case TQL_GT:
        return TQL_LT;
    case TQL_GE:
        return TQL_LE;
    case TQL_LT:
        return TQL_GT;
    case TQL_LE:
        return TQL_GE;
    default:
        return op;
    }
}

static int plan_comparison(const struct tql_expr *e, struct arena *a, struct tql_plan *ret)
{
    const struct tql_expr *attr = e->lhs;
    const struct tql_expr *literal = e->rhs;
    enum tql_op op = e->op;
    struct field f;

    *ret = everything(false);
    if (attr->kind == TQL_LITERAL) {
        attr = e->rhs;
        literal = e->lhs;
        op = mirrored(op);
    }
    if (attr->kind != TQL_ATTR || literal->kind != TQL_LITERAL) {
        return 0;
    }
    if (attr->attr.intrinsic != TQL_IN_NONE) {
        return plan_intrinsic(e, attr->attr.intrinsic, op, &literal->value, a, ret);
    }
    if (!attr_field(&attr->attr, &f)) {
        return 0;
    }
    return literal->type == TQL_NIL ? plan_nil(a, f, op, ret)
                                    : plan_attr(e, f, op, &literal->value, a, ret);
}

/* ---- expressions ---- */

static int plan_logic(const struct tql_expr *e, struct arena *a, struct tql_plan *ret)
{
    struct tql_plan l;
    struct tql_plan r;
    int rc = tql_plan_expr(e->lhs, a, &l);

    rc = rc < 0 ? rc : tql_plan_expr(e->rhs, a, &r);
    if (rc < 0) {
        return rc;
    }
    if (e->op == TQL_AND) {
        return planned(both(a, l.filter, r.filter), l.exact && r.exact,
                       (l.score > r.score ? l.score : r.score) + (l.score != 0 && r.score != 0),
                       ret);
    }
    return planned(either(a, l.filter, r.filter), l.exact && r.exact,
                   l.score < r.score ? l.score : r.score, ret);
}

int tql_plan_expr(const struct tql_expr *e, struct arena *a, struct tql_plan *ret)
{
    struct field f;
    int rc;

    *ret = everything(true);
    if (e == NULL || (e->kind == TQL_LITERAL && tql_is_true(&e->value))) {
        return 0;
    }
    if (e->kind == TQL_LITERAL) { /* false */
        return planned(filter_not(a, &ALL), true, SCORE_ID, ret);
    }
    if (e->kind == TQL_ATTR) { /* is true */
        *ret = everything(false);
        return attr_field(&e->attr, &f)
                   ? planned(
                         either(a,
                                filter_pred(a, f, PRED_EQ, (struct value){VALUE_BOOL, {.b = true}}),
                                is_array(a, f)),
                         false, SCORE_EQ, ret)
                   : 0;
    }
    if (e->kind == TQL_BINARY && (e->op == TQL_AND || e->op == TQL_OR)) {
        return plan_logic(e, a, ret);
    }
    if (e->kind == TQL_BINARY) {
        return plan_comparison(e, a, ret);
    }
    rc = tql_plan_expr(e->lhs, a, ret); /* ! of it: only when it is known exactly */
    if (rc < 0 || !ret->exact || e->op != TQL_NOT || e->lhs->kind != TQL_BINARY) {
        *ret = rc < 0 ? *ret : everything(false);
        return rc;
    }
    return planned(filter_not(a, ret->filter), true, SCORE_EXISTS, ret);
}

/* ---- traces ---- */

/* A span that must be in every trace the expression accepts, although another one passes it: its root. */
static int plan_root_span(const struct tql_expr *e, struct arena *a, struct tql_plan *ret)
{
    struct field f = {FIELD_INTRINSIC, STR("name")};

    *ret = everything(false);
    if (e == NULL || e->kind != TQL_BINARY) {
        return 0;
    }
    if (e->op == TQL_AND) {
        int rc = plan_root_span(e->lhs, a, ret);

        return rc < 0 || ret->score != 0 ? rc : plan_root_span(e->rhs, a, ret);
    }
    if (e->op != TQL_EQ || e->lhs->kind != TQL_ATTR || e->rhs->kind != TQL_LITERAL ||
        e->rhs->type != TQL_STR || e->rhs->value.u.s.n == 0) {
        return 0;
    }
    if (e->lhs->attr.intrinsic == TQL_IN_ROOT_SERVICE) {
        f = (struct field){FIELD_RESOURCE, STR("service.name")};
    } else if (e->lhs->attr.intrinsic != TQL_IN_ROOT_NAME) {
        return 0;
    }
    return planned(filter_pred(a, f, PRED_EQ, store_value(&e->rhs->value)), false, SCORE_EQ, ret);
}

static int plan_spans(const struct tql_spans *s, struct arena *a, struct tql_plan *ret)
{
    struct tql_plan l;
    struct tql_plan r;
    int rc;

    if (s->kind == TQL_SPANS_PIPELINE) {
        return tql_plan_pipeline(s->pipeline, a, ret);
    }
    if (s->kind == TQL_SPANS_FILTER) {
        rc = tql_plan_expr(s->filter, a, ret);
        return rc < 0 || ret->score >= SCORE_RANGE || s->filter == NULL ? rc
               : plan_root_span(s->filter, a, &r) < 0                   ? -ERR_LIMIT
               : r.score != 0                                           ? (*ret = r, 0)
                                                                        : 0;
    }
    rc = plan_spans(s->lhs, a, &l);
    rc = rc < 0 ? rc : plan_spans(s->rhs, a, &r);
    if (rc < 0) {
        return rc;
    }
    if (s->op == TQL_OR) {
        return planned(either(a, l.filter, r.filter), false, l.score < r.score ? l.score : r.score,
                       ret);
    }
    /* both sides must be found, except that "not related" needs no left side */
    *ret = l.score > r.score && !(s->op >= TQL_NOT_CHILD && s->op <= TQL_NOT_SIBLING) ? l : r;
    return 0;
}

int tql_plan_pipeline(const struct tql_pipeline *p, struct arena *a, struct tql_plan *ret)
{
    *ret = everything(false);
    return p->n != 0 && p->v[0].kind == TQL_STAGE_SPANS ? plan_spans(p->v[0].spans, a, ret) : 0;
}

bool tql_single_filter(const struct tql_pipeline *p, const struct tql_expr **ret)
{
    size_t found = 0;

    for (size_t i = 0; i < p->n; i++) {
        const struct tql_stage *s = &p->v[i];

        if (s->kind == TQL_STAGE_SPANS && s->spans->kind == TQL_SPANS_FILTER) {
            *ret = s->spans->filter;
            found++;
        } else if (s->kind != TQL_STAGE_SELECT) {
            return false;
        }
    }
    return found == 1;
}

/* ---- fields ---- */

bool tql_is_shown(const struct tql_attr *a)
{
    switch (a->intrinsic) {
    case TQL_IN_NAME:
    case TQL_IN_DURATION:
    case TQL_IN_SPAN_ID:
    case TQL_IN_TRACE_ID:
    case TQL_IN_TRACE_DURATION:
    case TQL_IN_ROOT_NAME:
    case TQL_IN_ROOT_SERVICE:
        return false;
    default:
        return true;
    }
}

void tql_add_field(struct tql_fields *f, const struct tql_attr *a)
{
    for (size_t i = 0; i < f->n; i++) {
        if (tql_attr_equal(f->v[i], a)) {
            return;
        }
    }
    if (f->n < TQL_FIELDS_MAX) {
        f->v[f->n++] = a;
    } else {
        f->more = true;
    }
}

void tql_expr_fields(const struct tql_expr *e, struct tql_fields *f)
{
    if (e != NULL) {
        if (e->kind == TQL_ATTR) {
            tql_add_field(f, &e->attr);
        }
        tql_expr_fields(e->lhs, f);
        tql_expr_fields(e->rhs, f);
    }
}

static void spans_fields(const struct tql_spans *s, struct tql_fields *f)
{
    if (s->kind == TQL_SPANS_FILTER) {
        tql_expr_fields(s->filter, f);
    } else if (s->kind == TQL_SPANS_BINARY) {
        spans_fields(s->lhs, f);
        spans_fields(s->rhs, f);
    } else {
        tql_pipeline_fields(s->pipeline, f);
    }
}

static void scalar_fields(const struct tql_scalar *s, struct tql_fields *f)
{
    if (s->kind == TQL_SCALAR_AGG) {
        tql_expr_fields(s->expr, f);
    } else if (s->kind == TQL_SCALAR_BINARY) {
        scalar_fields(s->lhs, f);
        scalar_fields(s->rhs, f);
    } else if (s->kind == TQL_SCALAR_PIPELINE) {
        tql_pipeline_fields(s->pipeline, f);
        scalar_fields(s->lhs, f);
    }
}

void tql_pipeline_fields(const struct tql_pipeline *p, struct tql_fields *f)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct tql_stage *s = &p->v[i];

        switch (s->kind) {
        case TQL_STAGE_SPANS:
            spans_fields(s->spans, f);
            break;
        case TQL_STAGE_SCALAR:
            scalar_fields(s->lhs, f);
            scalar_fields(s->rhs, f);
            break;
        case TQL_STAGE_BY:
            tql_expr_fields(s->by, f);
            break;
        case TQL_STAGE_SELECT:
            for (size_t k = 0; k < s->select_n; k++) {
                tql_add_field(f, &s->select[k]);
            }
            break;
        default:
            break;
        }
    }
}

static void need_intrinsic(enum tql_intrinsic in, struct tql_need *ret)
{
    switch (in) {
    case TQL_IN_NAME:
    case TQL_IN_STATUS_MESSAGE:
    case TQL_IN_ROOT_NAME:
        ret->bits |= COLUMNS_NEED_TEXT;
        break;
    case TQL_IN_ROOT_SERVICE:
        ret->bits |= COLUMNS_NEED_RESOURCE;
        break;
    case TQL_IN_EVENT_NAME:
    case TQL_IN_EVENT_TIME:
    case TQL_IN_LINK_TRACE_ID:
    case TQL_IN_LINK_SPAN_ID:
        ret->bits |= COLUMNS_NEED_EVENTS;
        break;
    case TQL_IN_SCOPE_NAME:
    case TQL_IN_SCOPE_VERSION:
        ret->bits |= COLUMNS_NEED_SCOPE;
        break;
    case TQL_IN_SPAN_ID:
    case TQL_IN_TRACE_ID:
    case TQL_IN_PARENT:
    case TQL_IN_PARENT_ID:
    case TQL_IN_NESTED_PARENT: /* tells roots from others */
        ret->bits |= COLUMNS_NEED_IDS;
        break;
    default:
        break;
    }
}

void tql_need_of(const struct tql_fields *f, struct tql_need *ret)
{
    static const unsigned SCOPES[] = {
        [TQL_SCOPE_NONE] = COLUMNS_NEED_ATTRS | COLUMNS_NEED_RESOURCE,
        [TQL_SCOPE_SPAN] = COLUMNS_NEED_ATTRS,
        [TQL_SCOPE_RESOURCE] = COLUMNS_NEED_RESOURCE,
        [TQL_SCOPE_EVENT] = COLUMNS_NEED_EVENTS,
        [TQL_SCOPE_LINK] = COLUMNS_NEED_EVENTS,
        [TQL_SCOPE_INSTRUMENTATION] = COLUMNS_NEED_SCOPE,
    };

    *ret = (struct tql_need){.all = f->more};
    for (size_t i = 0; i < f->n; i++) {
        const struct tql_attr *a = f->v[i];

        if (a->intrinsic != TQL_IN_NONE) {
            need_intrinsic(a->intrinsic, ret);
            continue;
        }
        ret->bits |= SCOPES[a->scope];
        if ((SCOPES[a->scope] & COLUMNS_NEED_ATTRS) != 0) {
            ret->attrs[ret->attrs_n++] = a->name;
        }
    }
}

static bool as_text(struct arena *a, const struct tql_value *v, struct value *ret)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1 << 20);
    tql_text(&b, v);
    *ret = (struct value){VALUE_STR, {.s = arena_str_dup(a, buf_str(&b))}};
    return ret->u.s.p != NULL || b.n == 0;
}

bool tql_to_label(struct arena *a, const struct tql_value *v, struct value *ret)
{
    return v->type == TQL_LIST ? as_text(a, v, ret) : tql_to_value(a, v, ret);
}

bool tql_to_value(struct arena *a, const struct tql_value *v, struct value *ret)
{
    struct value *list;

    switch (v->type) {
    case TQL_INT:
        *ret = (struct value){VALUE_I64, {.i = v->u.i}};
        return true;
    case TQL_FLOAT:
        *ret = (struct value){VALUE_F64, {.f = v->u.f}};
        return true;
    case TQL_BOOL:
        *ret = (struct value){VALUE_BOOL, {.b = v->u.b}};
        return true;
    case TQL_LIST:
        list = arena_array(a, struct value, v->u.list.n + 1);
        for (size_t i = 0; list != NULL && i < v->u.list.n; i++) {
            if (!tql_to_value(a, &v->u.list.v[i], &list[i])) {
                return false;
            }
        }
        *ret = (struct value){VALUE_ARRAY, {.array = {list, v->u.list.n}}};
        return list != NULL;
    default:
        return as_text(a, v, ret);
    }
}
