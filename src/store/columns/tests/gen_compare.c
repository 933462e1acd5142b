/* SPDX-License-Identifier: Apache-2.0
 *
 * Deep equality and deep copies of rows, and temporary directories.
 */
#include <stdio.h>
#include <stdlib.h>

#include "io/vfs.h"
#include "store/columns/tests/gen.h"

static bool same_attrs(struct attrs a, struct attrs b)
{
    if (a.n != b.n) {
        return false;
    }
    for (size_t i = 0; i < a.n; i++) {
        if (!str_eq(a.v[i].key, b.v[i].key) || !same_value(&a.v[i].value, &b.v[i].value)) {
            return false;
        }
    }
    return true;
}

bool same_value(const struct value *a, const struct value *b)
{
    if (a->type != b->type) {
        return false;
    }
    switch (a->type) {
    case VALUE_NONE:
        return true;
    case VALUE_STR:
    case VALUE_BYTES:
        return str_eq(a->u.s, b->u.s);
    case VALUE_BOOL:
        return a->u.b == b->u.b;
    case VALUE_I64:
        return a->u.i == b->u.i;
    case VALUE_F64:
        return memcmp(&a->u.f, &b->u.f, sizeof(double)) == 0;
    case VALUE_ARRAY:
        for (size_t i = 0; a->u.array.n == b->u.array.n && i < a->u.array.n; i++) {
            if (!same_value(&a->u.array.v[i], &b->u.array.v[i])) {
                return false;
            }
        }
        return a->u.array.n == b->u.array.n;
    case VALUE_MAP:
        return same_attrs((struct attrs){a->u.map.v, a->u.map.n},
                          (struct attrs){b->u.map.v, b->u.map.n});
    }
    return false;
}

bool same_resource(const struct resource *a, const struct resource *b)
{
    return same_attrs(a->attrs, b->attrs) && str_eq(a->schema_url, b->schema_url) &&
           a->dropped_attrs == b->dropped_attrs;
}

static bool same_scope(const struct scope *a, const struct scope *b)
{
    return str_eq(a->name, b->name) && str_eq(a->version, b->version) &&
           same_attrs(a->attrs, b->attrs) && str_eq(a->schema_url, b->schema_url) &&
           a->dropped_attrs == b->dropped_attrs;
}

bool same_span_row(const struct span *a, const struct span *b)
{
    bool same = memcmp(&a->trace_id, &b->trace_id, sizeof(a->trace_id)) == 0 &&
                memcmp(&a->span_id, &b->span_id, sizeof(a->span_id)) == 0 &&
                memcmp(&a->parent_id, &b->parent_id, sizeof(a->parent_id)) == 0 &&
                str_eq(a->trace_state, b->trace_state) && str_eq(a->name, b->name) &&
                a->start_ns == b->start_ns && a->end_ns == b->end_ns &&
                a->arrival_ns == b->arrival_ns && str_eq(a->status_message, b->status_message) &&
                same_attrs(a->attrs, b->attrs) && a->events_n == b->events_n &&
                a->links_n == b->links_n && same_resource(a->resource, b->resource) &&
                same_scope(a->scope, b->scope) && a->flags == b->flags &&
                a->dropped_attrs == b->dropped_attrs && a->dropped_events == b->dropped_events &&
                a->dropped_links == b->dropped_links && a->kind == b->kind &&
                a->status == b->status;

    for (size_t i = 0; same && i < a->events_n; i++) {
        const struct span_event *x = &a->events[i];
        const struct span_event *y = &b->events[i];

        same = x->time_ns == y->time_ns && str_eq(x->name, y->name) &&
               same_attrs(x->attrs, y->attrs) && x->dropped_attrs == y->dropped_attrs;
    }
    for (size_t i = 0; same && i < a->links_n; i++) {
        const struct span_link *x = &a->links[i];
        const struct span_link *y = &b->links[i];

        same = memcmp(&x->trace_id, &y->trace_id, sizeof(x->trace_id)) == 0 &&
               memcmp(&x->span_id, &y->span_id, sizeof(x->span_id)) == 0 &&
               str_eq(x->trace_state, y->trace_state) && same_attrs(x->attrs, y->attrs) &&
               x->dropped_attrs == y->dropped_attrs && x->flags == y->flags;
    }
    return same;
}

bool same_log_row(const struct log_record *a, const struct log_record *b)
{
    return a->time_ns == b->time_ns && a->observed_ns == b->observed_ns &&
           a->arrival_ns == b->arrival_ns && str_eq(a->severity_text, b->severity_text) &&
           same_value(&a->body, &b->body) && str_eq(a->event_name, b->event_name) &&
           same_attrs(a->attrs, b->attrs) &&
           memcmp(&a->trace_id, &b->trace_id, sizeof(a->trace_id)) == 0 &&
           memcmp(&a->span_id, &b->span_id, sizeof(a->span_id)) == 0 &&
           same_resource(a->resource, b->resource) && same_scope(a->scope, b->scope) &&
           a->flags == b->flags && a->dropped_attrs == b->dropped_attrs &&
           a->severity == b->severity && a->pattern == b->pattern;
}

static struct attrs copy_attrs(struct arena *a, struct attrs as);

static struct value copy_value(struct arena *a, const struct value *v)
{
    struct value r = *v;

    if (v->type == VALUE_STR || v->type == VALUE_BYTES) {
        r.u.s = arena_str_dup(a, v->u.s);
    } else if (v->type == VALUE_ARRAY) {
        struct value *e = arena_array(a, struct value, v->u.array.n + 1);

        for (size_t i = 0; i < v->u.array.n; i++) {
            e[i] = copy_value(a, &v->u.array.v[i]);
        }
        r.u.array.v = e;
    } else if (v->type == VALUE_MAP) {
        struct attrs m = copy_attrs(a, (struct attrs){v->u.map.v, v->u.map.n});

        r.u.map.v = m.v;
    }
    return r;
}

static struct attrs copy_attrs(struct arena *a, struct attrs as)
{
    struct attr *v = arena_array(a, struct attr, as.n + 1);

    for (size_t i = 0; i < as.n; i++) {
        v[i] = (struct attr){arena_str_dup(a, as.v[i].key), copy_value(a, &as.v[i].value)};
    }
    return (struct attrs){v, as.n};
}

static const struct resource *copy_resource(struct arena *a, const struct resource *r)
{
    struct resource *c = arena_new(a, struct resource);

    *c = (struct resource){copy_attrs(a, r->attrs), arena_str_dup(a, r->schema_url),
                           r->dropped_attrs};
    return c;
}

static const struct scope *copy_scope(struct arena *a, const struct scope *s)
{
    struct scope *c = arena_new(a, struct scope);

    *c = (struct scope){arena_str_dup(a, s->name), arena_str_dup(a, s->version),
                        copy_attrs(a, s->attrs), arena_str_dup(a, s->schema_url), s->dropped_attrs};
    return c;
}

struct span copy_span(struct arena *a, const struct span *s)
{
    struct span r = *s;
    struct span_event *ev = arena_calloc(a, s->events_n + 1, sizeof(*ev));
    struct span_link *li = arena_calloc(a, s->links_n + 1, sizeof(*li));

    r.trace_state = arena_str_dup(a, s->trace_state);
    r.name = arena_str_dup(a, s->name);
    r.status_message = arena_str_dup(a, s->status_message);
    r.attrs = copy_attrs(a, s->attrs);
    for (size_t i = 0; i < s->events_n; i++) {
        ev[i] = s->events[i];
        ev[i].name = arena_str_dup(a, ev[i].name);
        ev[i].attrs = copy_attrs(a, ev[i].attrs);
    }
    for (size_t i = 0; i < s->links_n; i++) {
        li[i] = s->links[i];
        li[i].trace_state = arena_str_dup(a, li[i].trace_state);
        li[i].attrs = copy_attrs(a, li[i].attrs);
    }
    r.events = ev;
    r.links = li;
    r.resource = copy_resource(a, s->resource);
    r.scope = copy_scope(a, s->scope);
    return r;
}

struct log_record copy_log(struct arena *a, const struct log_record *l)
{
    struct log_record r = *l;

    r.severity_text = arena_str_dup(a, l->severity_text);
    r.body = copy_value(a, &l->body);
    r.event_name = arena_str_dup(a, l->event_name);
    r.attrs = copy_attrs(a, l->attrs);
    r.resource = copy_resource(a, l->resource);
    r.scope = copy_scope(a, l->scope);
    return r;
}

char *gen_tmpdir(void)
{
    const char *base = getenv("TMPDIR");
    char path[512];

    snprintf(path, sizeof(path), "%s/columns-test-XXXXXX", base != NULL ? base : "/tmp");
    if (mkdtemp(path) == NULL) {
        perror(path);
        abort();
    }
    return strdup(path);
}

void gen_rmdir(char *dir)
{
    if (vfs_remove_tree(vfs_real(), dir, NULL) < 0) {
        fprintf(stderr, "could not remove %s\n", dir);
    }
    free(dir);
}
