/* SPDX-License-Identifier: Apache-2.0
 *
 * The order of things for one row: derive, attributes, drop, redaction. Redaction is last, so that nothing that was
 * made on the way escapes it.
 */
#include "base/err.h"
#include "ingest/process/row.h"

int run_init(struct run *r, const struct program *p, unsigned signal, struct arena *arena,
             const uint8_t *hash_key, struct budget *budget)
{
    *r = (struct run){
        .p = p, .arena = arena, .signal = signal, .budget = budget, .arena_before = arena->used};
    r->red.program = p;
    r->red.key = hash_key;
    r->red.budget = budget;
    r->matches = arena_calloc(arena, p->rules_n + 1, sizeof(*r->matches));
    r->rows = arena_calloc(arena, p->rules_n + 1, sizeof(*r->rows));
    r->last_row = arena_calloc(arena, p->rules_n + 1, sizeof(*r->last_row));
    return r->matches != NULL && r->rows != NULL && r->last_row != NULL ? 0 : -ERR_NOMEM;
}

void run_done(struct run *r)
{
    redactor_done(&r->red);
}

void run_count(struct run *r, uint32_t rule, size_t n)
{
    r->matches[rule] += n;
    if (r->last_row[rule] != r->row) {
        r->last_row[rule] = r->row;
        r->rows[rule]++;
    }
    if (r->watch != NULL) {
        r->watch->matched(r->watch->arg, &r->p->rules[rule], n);
    }
}

/* ---- redaction of a row ---- */

static void count_notes(struct run *r)
{
    for (size_t i = 0; i < r->red.done.n; i++) {
        run_count(r, r->red.done.v[i].rule, 1);
    }
}

/* @return enum redact_result; *s is new text in the arena when it changed */
static int redact_str(struct run *r, const struct redact_plan *plan, struct str key, struct str *s)
{
    struct str out = {0};
    int rc = s->n == 0 ? REDACT_SAME : redact_text(&r->red, plan, key, *s, &out);

    if (rc <= REDACT_SAME) {
        return rc;
    }
    count_notes(r);
    if (rc == REDACT_CHANGED) {
        *s = arena_str_dup(r->arena, out);
        return s->p != NULL || s->n == 0 ? rc : -ERR_NOMEM;
    }
    return rc;
}

static int redact_value(struct run *r, const struct redact_plan *plan, struct str key,
                        struct value *v);

static int redact_array(struct run *r, const struct redact_plan *plan, struct str key,
                        struct value *v)
{
    struct value *copy = NULL;

    for (size_t i = 0; i < v->u.array.n; i++) {
        struct value item = v->u.array.v[i];
        int rc = redact_value(r, plan, key, &item);

        if (rc < 0) {
            return rc;
        }
        if (rc != REDACT_SAME && copy == NULL) {
            copy = arena_array(r->arena, struct value, v->u.array.n);
            if (copy == NULL) {
                return -ERR_NOMEM;
            }
            memcpy(copy, v->u.array.v, v->u.array.n * sizeof(*copy));
        }
        if (rc == REDACT_GONE) {
            item = (struct value){.type = VALUE_NONE};
        }
        if (rc != REDACT_SAME) {
            copy[i] = item;
        }
    }
    if (copy != NULL) {
        v->u.array.v = copy;
    }
    return copy != NULL ? REDACT_CHANGED : REDACT_SAME;
}

/* Of `plan`, or of each key's own when rules are for some keys only. */
static int redact_list(struct run *r, const struct redact_plan *plan, enum redact_field field,
                       bool keyed, struct attrs *as)
{
    struct attr *copy = NULL;
    size_t n = 0;

    for (size_t i = 0; i < as->n; i++) {
        struct redact_plan own;
        struct attr a = as->v[i];
        int rc;

        if (keyed) {
            redact_plan_make(r->p, r->signal, field, a.key, &own);
        }
        rc = redact_value(r, keyed ? &own : plan, a.key, &a.value);
        if (rc < 0) {
            return rc;
        }
        if (rc != REDACT_SAME && copy == NULL) {
            copy = attrs_copy(r->arena, *as, 0);
            if (copy == NULL) {
                return -ERR_NOMEM;
            }
            n = i;
        }
        if (copy != NULL && rc != REDACT_GONE) {
            copy[n++] = a;
        }
    }
    if (copy == NULL) {
        return REDACT_SAME;
    }
    *as = (struct attrs){copy, n};
    return REDACT_CHANGED;
}

/* A long whole number may be a card's or a resident's. */
static int redact_int(struct run *r, const struct redact_plan *plan, struct str key,
                      struct value *v)
{
    const int64_t least = 1000000000000; /* 13 digits */
    char space[32];
    struct str s;
    int rc;

    if (v->u.i < least) {
        return REDACT_SAME;
    }
    s = value_as_text(v, space);
    rc = redact_str(r, plan, key, &s);
    if (rc == REDACT_CHANGED) {
        v->type = VALUE_STR;
        v->u.s = s;
    }
    return rc;
}

static int redact_value(struct run *r, const struct redact_plan *plan, struct str key,
                        struct value *v)
{
    struct attrs as;
    int rc;

    switch (v->type) {
    case VALUE_STR:
        return redact_str(r, plan, key, &v->u.s);
    case VALUE_I64:
        return redact_int(r, plan, key, v);
    case VALUE_ARRAY:
        return redact_array(r, plan, key, v);
    case VALUE_MAP:
        as = (struct attrs){v->u.map.v, v->u.map.n};
        rc = redact_list(r, plan, REDACT_ATTRS, false, &as);
        v->u.map.v = as.v;
        v->u.map.n = as.n;
        return rc;
    default:
        return REDACT_SAME;
    }
}

static bool plan_empty(const struct redact_plan *p)
{
    return p->wanted == 0 && p->custom_n == 0 && !p->keyed;
}

int run_redact_attrs(struct run *r, enum redact_field field, struct attrs *as)
{
    const struct redact_plan *plan = &r->p->plans[r->signal - 1][field];
    int rc = as->n == 0 || plan_empty(plan) ? 0 : redact_list(r, plan, field, plan->keyed, as);

    return rc < 0 ? rc : 0;
}

static void tell_text(struct run *r, struct str text)
{
    if (r->watch != NULL) {
        r->watch->redacted(r->watch->arg, text, r->red.done.v, r->red.done.n);
    }
}

int run_redact_log(struct run *r, struct log_record *row)
{
    const struct redact_plan *plan = &r->p->plans[0][REDACT_BODY];
    int rc;

    if (!plan_empty(plan)) {
        rc = redact_value(r, plan, STR(""), &row->body);
        if (rc < 0) {
            return rc;
        }
        if (rc == REDACT_GONE) {
            row->body = (struct value){.type = VALUE_STR, .u.s = STR("")};
        } else if (rc == REDACT_CHANGED && row->body.type == VALUE_STR) {
            tell_text(r, row->body.u.s);
        }
    }
    return run_redact_attrs(r, REDACT_ATTRS, &row->attrs);
}

static int redact_events(struct run *r, struct span *row)
{
    struct span_event *copy = NULL;

    if (plan_empty(&r->p->plans[1][REDACT_EVENTS])) {
        return 0;
    }
    for (size_t i = 0; i < row->events_n; i++) {
        struct attrs as = row->events[i].attrs;
        int rc = run_redact_attrs(r, REDACT_EVENTS, &as);

        if (rc < 0) {
            return rc;
        }
        if (as.v == row->events[i].attrs.v) {
            continue;
        }
        if (copy == NULL) {
            copy = arena_array(r->arena, struct span_event, row->events_n);
            if (copy == NULL) {
                return -ERR_NOMEM;
            }
            memcpy(copy, row->events, row->events_n * sizeof(*copy));
        }
        copy[i].attrs = as;
    }
    row->events = copy != NULL ? copy : row->events;
    return 0;
}

/* Attributes of links count as the span's own. */
static int redact_links(struct run *r, struct span *row)
{
    struct span_link *copy = NULL;

    for (size_t i = 0; i < row->links_n; i++) {
        struct attrs as = row->links[i].attrs;
        int rc = run_redact_attrs(r, REDACT_ATTRS, &as);

        if (rc < 0) {
            return rc;
        }
        if (as.v == row->links[i].attrs.v) {
            continue;
        }
        if (copy == NULL) {
            copy = arena_array(r->arena, struct span_link, row->links_n);
            if (copy == NULL) {
                return -ERR_NOMEM;
            }
            memcpy(copy, row->links, row->links_n * sizeof(*copy));
        }
        copy[i].attrs = as;
    }
    row->links = copy != NULL ? copy : row->links;
    return 0;
}

int run_redact_span(struct run *r, struct span *row)
{
    const struct redact_plan *plan = &r->p->plans[1][REDACT_BODY];
    int rc;

    if (!plan_empty(plan)) {
        rc = redact_str(r, plan, STR(""), &row->status_message);
        if (rc < 0) {
            return rc;
        }
        if (rc == REDACT_GONE) {
            row->status_message = STR("");
        } else if (rc == REDACT_CHANGED) {
            tell_text(r, row->status_message);
        }
    }
    rc = run_redact_attrs(r, REDACT_ATTRS, &row->attrs);
    rc = rc < 0 ? rc : redact_events(r, row);
    return rc < 0 ? rc : redact_links(r, row);
}

/* ---- a row ---- */

/* What the arena grew by. @return false: the budget is full */
static bool charge(struct run *r)
{
    int64_t now = (int64_t)(r->arena->used - r->arena_before);

    if (now > r->charged) {
        if (!budget_take(r->budget, now - r->charged)) {
            return false;
        }
        r->charged = now;
    }
    return true;
}

/* @return 1: it stays; 0: a rule drops it */
static int stays(struct run *r, const struct row *row)
{
    for (size_t i = 0; i < r->p->drops_n; i++) {
        if (when_passes(&r->p->drops[i].when, row)) {
            run_count(r, r->p->drops[i].id, 1);
            return 0;
        }
    }
    return 1;
}

int run_log(struct run *r, struct log_record *l)
{
    struct row row;
    int rc;

    r->row++;
    rc = r->p->derives_n != 0 ? run_derive(r, l) : 0;
    if (rc < 0) {
        return rc;
    }
    row = (struct row){.signal = SIGNAL_LOGS,
                       .attrs = l->attrs,
                       .resource = l->resource,
                       .scope = l->scope,
                       .body = &l->body,
                       .severity = l->severity};
    rc = run_attrs(r, &row);
    if (rc < 0) {
        return rc;
    }
    l->attrs = row.attrs;
    l->resource = row.resource;
    l->scope = row.scope;
    if (!stays(r, &row)) {
        return 0;
    }
    rc = run_redact_log(r, l);
    return rc < 0 ? rc : charge(r) ? 1 : -ERR_OVERLOAD;
}

int run_span(struct run *r, struct span *s)
{
    struct row row = {.signal = SIGNAL_TRACES,
                      .attrs = s->attrs,
                      .resource = s->resource,
                      .scope = s->scope,
                      .span_name = s->name};
    int rc;

    r->row++;
    rc = run_attrs(r, &row);
    if (rc < 0) {
        return rc;
    }
    s->attrs = row.attrs;
    s->resource = row.resource;
    s->scope = row.scope;
    if (!stays(r, &row)) {
        return 0;
    }
    rc = run_redact_span(r, s);
    return rc < 0 ? rc : charge(r) ? 1 : -ERR_OVERLOAD;
}
