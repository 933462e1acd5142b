/* SPDX-License-Identifier: Apache-2.0
 *
 * Copying a trace out of the store and linking it. Nothing here recurses over spans: a trace may be one chain.
 */
#include "query/traceql/trace.h"

#include "base/hash.h"

enum { COPY_DEPTH_MAX = 32 };

void tql_trace_init(struct tql_trace *t, size_t budget)
{
    *t = (struct tql_trace){0};
    arena_init(&t->arena, budget);
    tql_trace_reset(t);
}

void tql_trace_done(struct tql_trace *t)
{
    arena_done(&t->arena);
}

void tql_trace_reset(struct tql_trace *t)
{
    arena_reset(&t->arena);
    t->spans = NULL;
    t->nodes = NULL;
    t->order = NULL;
    t->n = 0;
    t->cap = 0;
    t->root = TQL_NONE;
    t->start_ns = INT64_MAX;
    t->end_ns = INT64_MIN;
    t->cut = false;
}

/* ---- copies ---- */

static bool copy_str(struct arena *a, struct str *s)
{
    struct str c = arena_str_dup(a, *s);
    bool ok = c.p != NULL || s->n == 0;

    *s = c;
    return ok;
}

static bool copy_attrs(struct arena *a, struct attrs *as, unsigned depth);

static bool copy_value(struct arena *a, struct value *v, unsigned depth)
{
    struct value *list;

    if (depth > COPY_DEPTH_MAX) {
        v->type = VALUE_NONE;
        return true;
    }
    switch (v->type) {
    case VALUE_STR:
    case VALUE_BYTES:
        return copy_str(a, &v->u.s);
    case VALUE_ARRAY:
        list = arena_array(a, struct value, v->u.array.n + 1);
        for (size_t i = 0; list != NULL && i < v->u.array.n; i++) {
            list[i] = v->u.array.v[i];
            if (!copy_value(a, &list[i], depth + 1)) {
                return false;
            }
        }
        v->u.array.v = list;
        return list != NULL;
    case VALUE_MAP: {
        struct attrs as = {v->u.map.v, v->u.map.n};
        bool ok = copy_attrs(a, &as, depth + 1);

        v->u.map.v = as.v;
        return ok;
    }
    default:
        return true;
    }
}

static bool copy_attrs(struct arena *a, struct attrs *as, unsigned depth)
{
    struct attr *v;

    if (as->n == 0) {
        as->v = NULL;
        return true;
    }
    v = arena_array(a, struct attr, as->n);
    for (size_t i = 0; v != NULL && i < as->n; i++) {
        v[i] = as->v[i];
        if (!copy_str(a, &v[i].key) || !copy_value(a, &v[i].value, depth)) {
            return false;
        }
    }
    as->v = v;
    return v != NULL;
}

static bool copy_events(struct arena *a, struct span *s)
{
    struct span_event *v;

    if (s->events_n == 0) {
        return true;
    }
    v = arena_array(a, struct span_event, s->events_n);
    for (size_t i = 0; v != NULL && i < s->events_n; i++) {
        v[i] = s->events[i];
        if (!copy_str(a, &v[i].name) || !copy_attrs(a, &v[i].attrs, 0)) {
            return false;
        }
    }
    s->events = v;
    return v != NULL;
}

static bool copy_links(struct arena *a, struct span *s)
{
    struct span_link *v;

    if (s->links_n == 0) {
        return true;
    }
    v = arena_array(a, struct span_link, s->links_n);
    for (size_t i = 0; v != NULL && i < s->links_n; i++) {
        v[i] = s->links[i];
        if (!copy_str(a, &v[i].trace_state) || !copy_attrs(a, &v[i].attrs, 0)) {
            return false;
        }
    }
    s->links = v;
    return v != NULL;
}

static bool same_attrs(struct attrs a, struct attrs b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        const struct value *x = &a.v[i].value;
        const struct value *y = &b.v[i].value;

        if (!str_eq(a.v[i].key, b.v[i].key) || x->type != VALUE_STR || y->type != VALUE_STR ||
            !str_eq(x->u.s, y->u.s)) {
            return false; /* other types are copied again: rare in resources */
        }
    }
    return true;
}

/* Neighbours mostly have one resource: the copy before is taken when it is equal. */
static bool copy_resource(struct tql_trace *t, struct span *s)
{
    const struct resource *last = t->n != 0 ? t->spans[t->n - 1].resource : NULL;
    struct resource *r;

    if (last != NULL && same_attrs(last->attrs, s->resource->attrs)) {
        s->resource = last;
        return true;
    }
    r = arena_new(&t->arena, struct resource);
    if (r == NULL) {
        return false;
    }
    *r = *s->resource;
    s->resource = r;
    return copy_attrs(&t->arena, &r->attrs, 0) && copy_str(&t->arena, &r->schema_url);
}

static bool copy_scope(struct tql_trace *t, struct span *s)
{
    const struct scope *last = t->n != 0 ? t->spans[t->n - 1].scope : NULL;
    struct scope *c;

    if (last != NULL && str_eq(last->name, s->scope->name) &&
        str_eq(last->version, s->scope->version) && same_attrs(last->attrs, s->scope->attrs)) {
        s->scope = last;
        return true;
    }
    c = arena_new(&t->arena, struct scope);
    if (c == NULL) {
        return false;
    }
    *c = *s->scope;
    s->scope = c;
    return copy_str(&t->arena, &c->name) && copy_str(&t->arena, &c->version) &&
           copy_str(&t->arena, &c->schema_url) && copy_attrs(&t->arena, &c->attrs, 0);
}

static bool grow(struct tql_trace *t)
{
    size_t cap = t->cap != 0 ? 2 * t->cap : 64;
    struct span *v;

    if (t->n < t->cap) {
        return true;
    }
    v = arena_array(&t->arena, struct span, cap);
    if (v != NULL && t->n != 0) {
        memcpy(v, t->spans, t->n * sizeof(*v));
    }
    t->spans = v != NULL ? v : t->spans;
    t->cap = v != NULL ? cap : t->cap;
    return v != NULL;
}

int tql_trace_add(struct tql_trace *t, const struct span *s)
{
    struct span c = *s;

    if (t->n == TQL_TRACE_SPANS_MAX) {
        t->cut = true;
        return 1;
    }
    if (!grow(t) || !copy_resource(t, &c) || !copy_scope(t, &c) || !copy_str(&t->arena, &c.name) ||
        !copy_str(&t->arena, &c.trace_state) || !copy_str(&t->arena, &c.status_message) ||
        !copy_attrs(&t->arena, &c.attrs, 0) || !copy_events(&t->arena, &c) ||
        !copy_links(&t->arena, &c)) {
        return -ERR_LIMIT;
    }
    t->start_ns = s->start_ns < t->start_ns ? s->start_ns : t->start_ns;
    t->end_ns = s->end_ns > t->end_ns ? s->end_ns : t->end_ns;
    t->spans[t->n++] = c;
    return 0;
}

/* ---- shape ---- */

/* Span ids to numbers: open addressing, slots hold index + 1. */
struct ids {
    uint32_t *slots;
    size_t mask;
};

static uint64_t id_hash(struct span_id id)
{
    uint64_t u;

    memcpy(&u, id.b, sizeof(u));
    return hash_u64(u);
}

static bool ids_init(struct ids *ids, struct arena *a, size_t n)
{
    size_t cap = 16;

    while (cap < 2 * n) {
        cap *= 2;
    }
    ids->mask = cap - 1;
    ids->slots = arena_calloc(a, cap, sizeof(*ids->slots));
    return ids->slots != NULL;
}

static uint32_t ids_find(const struct ids *ids, const struct span *spans, struct span_id id,
                         bool by_parent, size_t *ret_slot)
{
    size_t at = id_hash(id) & ids->mask;

    for (; ids->slots[at] != 0; at = (at + 1) & ids->mask) {
        const struct span *s = &spans[ids->slots[at] - 1];

        if (memcmp(by_parent ? s->parent_id.b : s->span_id.b, id.b, SPAN_ID_SIZE) == 0) {
            break;
        }
    }
    *ret_slot = at;
    return ids->slots[at] == 0 ? TQL_NONE : ids->slots[at] - 1;
}

/* Spans whose parent is missing are siblings when they name the same one. */
static int group_orphans(struct tql_trace *t)
{
    struct ids missing;
    size_t slot;

    if (!ids_init(&missing, &t->arena, t->n)) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        struct tql_node *d = &t->nodes[i];
        uint32_t first;

        if (d->parent != TQL_NONE) {
            d->siblings = d->parent;
        } else if (!tql_is_root(&t->spans[i])) {
            first = ids_find(&missing, t->spans, t->spans[i].parent_id, true, &slot);
            if (first == TQL_NONE) {
                missing.slots[slot] = i + 1;
                d->siblings = t->groups++;
            } else {
                d->siblings = t->nodes[first].siblings;
            }
        }
    }
    return 0;
}

/* Follow parents from every span, marking with its number: meeting the own mark again is a circle. */
static int cut_circles(struct tql_trace *t)
{
    uint32_t *mark = arena_calloc(&t->arena, t->n, sizeof(*mark));

    if (mark == NULL) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        for (uint32_t at = i; at != TQL_NONE; at = t->nodes[at].parent) {
            if (mark[at] == i + 1) {
                uint32_t first = at;

                for (uint32_t k = t->nodes[at].parent; k != at; k = t->nodes[k].parent) {
                    first = k < first ? k : first;
                }
                t->nodes[first].parent = TQL_NONE;
                break;
            }
            if (mark[at] != 0) {
                break;
            }
            mark[at] = i + 1;
        }
    }
    return 0;
}

static int find_parents(struct tql_trace *t)
{
    struct ids ids;
    size_t slot;

    if (!ids_init(&ids, &t->arena, t->n)) {
        return -ERR_LIMIT;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        if (ids_find(&ids, t->spans, t->spans[i].span_id, false, &slot) == TQL_NONE) {
            ids.slots[slot] = i + 1;
        }
    }
    for (uint32_t i = 0; i < t->n; i++) {
        struct tql_node *d = &t->nodes[i];

        *d = (struct tql_node){
            .parent = TQL_NONE, .first_child = TQL_NONE, .next = TQL_NONE, .siblings = TQL_NONE};
        if (tql_is_root(&t->spans[i])) {
            t->root = t->root == TQL_NONE ? i : t->root;
        } else {
            d->parent = ids_find(&ids, t->spans, t->spans[i].parent_id, false, &slot);
            d->parent = d->parent == i ? TQL_NONE : d->parent;
        }
    }
    return cut_circles(t);
}

/* Pre-order with numbers going in and out, upwards through parents instead of a stack. */
static void number(struct tql_trace *t)
{
    uint32_t next = 1;
    size_t n = 0;

    for (uint32_t top = 0; top < t->n; top++) {
        uint32_t at = top;

        if (t->nodes[top].parent != TQL_NONE) {
            continue;
        }
        for (;;) {
            t->nodes[at].left = next++;
            t->order[n++] = at;
            if (t->nodes[at].first_child != TQL_NONE) {
                at = t->nodes[at].first_child;
                continue;
            }
            for (;;) {
                t->nodes[at].right = next++;
                if (at == top || t->nodes[at].next != TQL_NONE) {
                    break;
                }
                at = t->nodes[at].parent;
            }
            if (at == top) {
                break;
            }
            at = t->nodes[at].next;
        }
    }
}

int tql_trace_link(struct tql_trace *t)
{
    int rc;

    t->nodes = arena_array(&t->arena, struct tql_node, t->n + 1);
    t->order = arena_array(&t->arena, uint32_t, t->n + 1);
    if (t->nodes == NULL || t->order == NULL) {
        return -ERR_LIMIT;
    }
    t->groups = (uint32_t)t->n;
    rc = find_parents(t);
    rc = rc < 0 ? rc : group_orphans(t);
    if (rc < 0) {
        return rc;
    }
    for (uint32_t i = (uint32_t)t->n; i-- > 0;) { /* backwards: lists come out by start time */
        uint32_t parent = t->nodes[i].parent;

        if (parent != TQL_NONE) {
            t->nodes[i].next = t->nodes[parent].first_child;
            t->nodes[parent].first_child = i;
            t->nodes[parent].children++;
        }
    }
    number(t);
    return 0;
}
