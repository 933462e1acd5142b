/* SPDX-License-Identifier: Apache-2.0
 *
 * What the three OTLP signals share: the walk over resources and scopes, attributes and values. Arrays are
 * counted before they are allocated, so the arena holds exactly what came.
 */
#include <stdarg.h>
#include <stdio.h>

#include "codec/utf8.h"
#include "ingest/otlp_internal.h"

int otlp_no_memory(struct err *reterr)
{
    return err_set(reterr, ERR_NOMEM, "the request needs more memory than one request may use");
}

void otlp_reject(struct otlp_ctx *c, enum ingest_reject reason, size_t n, const char *fmt, ...)
{
    static const char *const NAMES[INGEST_SIGNAL_COUNT][3] = {
        {"resource_metrics", "scope_metrics", "metrics"},
        {"resource_spans", "scope_spans", "spans"},
        {"resource_logs", "scope_logs", "log_records"},
    };
    va_list ap;
    int at = 0;

    c->rejected[reason] += n;
    if (c->first[0] != '\0' || n == 0) {
        return;
    }
    if (c->path.item != SIZE_MAX) {
        at = snprintf(c->first, sizeof(c->first), "%s[%zu].%s[%zu].%s[%zu]", NAMES[c->signal][0],
                      c->path.resource, NAMES[c->signal][1], c->path.scope, NAMES[c->signal][2],
                      c->path.item);
        if (c->path.point != SIZE_MAX) {
            at += snprintf(c->first + at, sizeof(c->first) - (size_t)at, ".data_points[%zu]",
                           c->path.point);
        }
        at += snprintf(c->first + at, sizeof(c->first) - (size_t)at, ": ");
    }
    va_start(ap, fmt);
    vsnprintf(c->first + at, sizeof(c->first) - (size_t)at, fmt, ap);
    va_end(ap);
    /* a cut in the middle of a character would make the answer invalid */
    for (size_t n_bytes = strlen(c->first); n_bytes > 0; n_bytes--) {
        if (str_is_utf8(str_of(c->first, n_bytes))) {
            c->first[n_bytes] = '\0';
            break;
        }
    }
}

static int walk_scopes(struct otlp_ctx *c, struct pb msg, struct otlp_group *g, otlp_group_fn fn,
                       void *arg, struct err *reterr)
{
    struct pb_field f;
    int rc;

    c->path.scope = 0;
    g->new_resource = true;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        struct pb_field inner;
        struct pb scan;

        if (f.tag != PB_TAG(2, PB_LEN)) {
            continue;
        }
        g->items = scan = pb_sub(&msg, f.s);
        g->items_n = 0;
        g->scope = g->scope_url = str_of("", 0);
        while ((rc = pb_next(&scan, &inner, reterr)) > 0) {
            if (inner.tag == OTLP_ITEM_TAG) {
                g->items_n++;
            } else if (inner.tag == PB_TAG(1, PB_LEN)) {
                g->scope = inner.s;
            } else if (inner.tag == PB_TAG(3, PB_LEN)) {
                g->scope_url = inner.s;
            }
        }
        rc = rc < 0 ? rc : fn(c, arg, g, reterr);
        if (rc != 0) {
            return rc;
        }
        g->new_resource = false;
        c->path.scope++;
    }
    return rc;
}

int otlp_each_group(struct otlp_ctx *c, struct str body, otlp_group_fn fn, void *arg,
                    struct err *reterr)
{
    struct pb msg = pb_init(body);
    struct pb_field f;
    int rc;

    c->path = (struct otlp_path){.point = SIZE_MAX};
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        struct otlp_group g = {.resource = str_of("", 0), .resource_url = str_of("", 0)};
        struct pb_field inner;
        struct pb scan;

        if (f.tag != PB_TAG(1, PB_LEN)) {
            continue;
        }
        scan = pb_sub(&msg, f.s);
        while ((rc = pb_next(&scan, &inner, reterr)) > 0) {
            if (inner.tag == PB_TAG(1, PB_LEN)) {
                g.resource = inner.s;
            } else if (inner.tag == PB_TAG(3, PB_LEN)) {
                g.resource_url = inner.s;
            }
        }
        rc = rc < 0 ? rc : walk_scopes(c, pb_sub(&msg, f.s), &g, fn, arg, reterr);
        if (rc != 0) {
            return rc;
        }
        c->path.resource++;
    }
    return rc;
}

static int count_group(struct otlp_ctx *c, void *arg, const struct otlp_group *g,
                       struct err *reterr)
{
    (void)c;
    (void)reterr;
    *(size_t *)arg += g->items_n;
    return 0;
}

int otlp_count_items(struct otlp_ctx *c, struct str body, size_t *ret, struct err *reterr)
{
    size_t n = 0;
    int rc = otlp_each_group(c, body, count_group, &n, reterr);

    *ret = n;
    return rc;
}

struct item_walk {
    otlp_item_fn fn;
    void *arg;
    struct otlp_origin from;
};

static int walk_items(struct otlp_ctx *c, void *arg, const struct otlp_group *g, struct err *reterr)
{
    struct item_walk *w = arg;
    struct pb msg = g->items;
    struct pb_field f;
    int rc = g->new_resource ? otlp_resource(c, g, &w->from.resource, reterr) : 0;

    rc = rc < 0 ? rc : otlp_scope(c, g, &w->from.scope, reterr);
    if (rc < 0) {
        return rc;
    }
    c->path.item = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag != OTLP_ITEM_TAG) {
            continue;
        }
        rc = w->fn(c, w->arg, pb_sub(&msg, f.s), &w->from, reterr);
        if (rc != 0) {
            return rc;
        }
        c->path.item++;
    }
    return rc;
}

int otlp_each_item(struct otlp_ctx *c, struct str body, otlp_item_fn fn, void *arg,
                   struct err *reterr)
{
    struct item_walk w = {.fn = fn, .arg = arg};

    return otlp_each_group(c, body, walk_items, &w, reterr);
}

void otlp_rows_done(struct otlp_ctx *c, const struct columns_commit *done, const char *what)
{
    size_t old = done->rejected[COLUMNS_REJECT_TOO_OLD];
    size_t new = done->rejected[COLUMNS_REJECT_TOO_NEW];

    c->accepted = done->accepted;
    c->path.item = SIZE_MAX;
    otlp_reject(c, REJECT_TOO_OLD, old, "%zu %s are older than the retention", old, what);
    otlp_reject(c, REJECT_TOO_NEW, new, "%zu %s are too far in the future", new, what);
}

int otlp_text(struct otlp_ctx *c, struct str raw, struct str *ret, struct err *reterr)
{
    size_t bad;

    if (utf8_clean(raw, c->arena, ret, &bad) < 0) {
        return otlp_no_memory(reterr);
    }
    c->altered[ALTER_UTF8] += bad != 0;
    return 0;
}

static int text_value(struct otlp_ctx *c, struct str raw, struct str *ret, struct err *reterr)
{
    int rc = otlp_text(c, raw, ret, reterr);

    if (rc == 0 && ret->n > c->limits->max_attr_value_bytes) {
        *ret = utf8_cut(*ret, c->limits->max_attr_value_bytes);
        c->altered[ALTER_VALUE_CUT]++;
    }
    return rc;
}

static int count_fields(struct pb msg, uint32_t tag, size_t *ret, struct err *reterr)
{
    struct pb_field f;
    size_t n = 0;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        n += f.tag == tag;
    }
    *ret = n;
    return rc;
}

static int array_value(struct otlp_ctx *c, struct pb msg, size_t depth, struct value *ret,
                       struct err *reterr)
{
    const uint32_t tag = PB_TAG(1, PB_LEN);
    struct pb_field f;
    struct value *v;
    size_t n;
    int rc = count_fields(msg, tag, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    v = arena_array(c->arena, struct value, n);
    if (v == NULL) {
        return otlp_no_memory(reterr);
    }
    n = 0;
    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == tag) {
            rc = otlp_value(c, pb_sub(&msg, f.s), depth + 1, &v[n++], reterr);
            if (rc < 0) {
                return rc;
            }
        }
    }
    *ret = (struct value){.type = VALUE_ARRAY, .u.array = {v, n}};
    return rc;
}

/* KeyValue fields to decode: `n` of them with `tag` in `msg`. */
struct attr_fields {
    struct pb msg;
    uint32_t tag;
    size_t n;
    size_t depth; /* of the values, for the nesting limit */
};

static int decode_attrs(struct otlp_ctx *c, const struct attr_fields *in, struct attrs *ret,
                        uint32_t *dropped, struct err *reterr);

static int map_value(struct otlp_ctx *c, struct pb msg, size_t depth, struct value *ret,
                     struct err *reterr)
{
    struct attr_fields in = {.msg = msg, .tag = PB_TAG(1, PB_LEN), .depth = depth + 1};
    struct attrs as;
    uint32_t dropped = 0;
    int rc = count_fields(msg, in.tag, &in.n, reterr);

    rc = rc < 0 ? rc : decode_attrs(c, &in, &as, &dropped, reterr);
    if (rc < 0) {
        return rc;
    }
    *ret = (struct value){.type = VALUE_MAP, .u.map = {as.v, as.n}};
    return 0;
}

int otlp_value(struct otlp_ctx *c, struct pb msg, size_t depth, struct value *ret,
               struct err *reterr)
{
    struct value v = {.type = VALUE_NONE};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) { /* opentelemetry.proto.common.v1.AnyValue */
        case PB_TAG(1, PB_LEN):
            v.type = VALUE_STR;
            rc = text_value(c, f.s, &v.u.s, reterr);
            break;
        case PB_TAG(2, PB_VARINT):
            v = (struct value){.type = VALUE_BOOL, .u.b = f.u != 0};
            break;
        case PB_TAG(3, PB_VARINT):
            v = (struct value){.type = VALUE_I64, .u.i = (int64_t)f.u};
            break;
        case PB_TAG(4, PB_FIXED64):
            v = (struct value){.type = VALUE_F64, .u.f = pb_f64(f.u)};
            break;
        case PB_TAG(5, PB_LEN):
        case PB_TAG(6, PB_LEN):
            if (depth + 1 >= c->limits->max_value_depth) {
                c->altered[ALTER_DEPTH]++;
                v = (struct value){.type = VALUE_NONE};
            } else if (f.tag == PB_TAG(5, PB_LEN)) {
                rc = array_value(c, pb_sub(&msg, f.s), depth, &v, reterr);
            } else {
                rc = map_value(c, pb_sub(&msg, f.s), depth, &v, reterr);
            }
            break;
        case PB_TAG(7, PB_LEN):
            v = (struct value){.type = VALUE_BYTES, .u.s = f.s};
            if (f.s.n > c->limits->max_attr_value_bytes) {
                v.u.s = str_take(f.s, c->limits->max_attr_value_bytes);
                c->altered[ALTER_VALUE_CUT]++;
            }
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    *ret = v;
    return rc;
}

/* Finds equal keys. Up to 64 keys a bit filter answers "new" without comparing; beyond that a hash table
 * keeps the work linear whatever a sender does. */
struct key_set {
    uint64_t filter;
    uint32_t *slots; /* index + 1 into the attributes; NULL: few keys */
    size_t cap;
};

enum { FEW_KEYS = 64 };

static int key_set_init(struct key_set *s, struct arena *a, size_t n, struct err *reterr)
{
    *s = (struct key_set){0};
    if (n <= FEW_KEYS) {
        return 0;
    }
    s->cap = FEW_KEYS;
    while (s->cap < 2 * n) {
        s->cap *= 2;
    }
    s->slots = arena_calloc(a, s->cap, sizeof(*s->slots));
    return s->slots != NULL ? 0 : otlp_no_memory(reterr);
}

/* @return index of an equal key among the first n, or n after noting the key as new. */
static size_t key_set_find(struct key_set *s, const struct attr *v, size_t n, struct str key)
{
    uint64_t bit;

    if (s->slots != NULL) {
        size_t i = hash64(key.p, key.n) & (s->cap - 1);

        for (; s->slots[i] != 0; i = (i + 1) & (s->cap - 1)) {
            if (str_eq(v[s->slots[i] - 1].key, key)) {
                return s->slots[i] - 1;
            }
        }
        s->slots[i] = (uint32_t)n + 1;
        return n;
    }
    bit = key.n == 0 ? 0
                     : (key.n + 7 * (uint8_t)key.p[0] + 11 * (uint8_t)key.p[key.n - 1] +
                        13 * (uint8_t)key.p[key.n / 2]) &
                           63;
    if ((s->filter >> bit & 1) != 0) {
        for (size_t i = 0; i < n; i++) {
            if (str_eq(v[i].key, key)) {
                return i;
            }
        }
    }
    s->filter |= 1ull << bit;
    return n;
}

static int key_value(struct otlp_ctx *c, struct pb msg, size_t depth, struct attr *ret,
                     struct err *reterr)
{
    struct attr a = {.key = str_of("", 0)};
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(1, PB_LEN)) {
            rc = otlp_text(c, f.s, &a.key, reterr);
        } else if (f.tag == PB_TAG(2, PB_LEN)) {
            rc = otlp_value(c, pb_sub(&msg, f.s), depth, &a.value, reterr);
        }
        if (rc < 0) {
            return rc;
        }
    }
    *ret = a;
    return rc;
}

static int decode_attrs(struct otlp_ctx *c, const struct attr_fields *in, struct attrs *ret,
                        uint32_t *dropped, struct err *reterr)
{
    size_t keep = in->n < c->limits->max_attrs ? in->n : c->limits->max_attrs;
    size_t over = in->n - keep;
    struct pb msg = in->msg;
    struct key_set keys;
    struct attr *v = NULL;
    struct pb_field f;
    size_t kept = 0;
    int rc = 0;

    if (keep != 0) {
        v = arena_array(c->arena, struct attr, keep);
        if (v == NULL || key_set_init(&keys, c->arena, keep, NULL) < 0) {
            return otlp_no_memory(reterr);
        }
    }
    for (size_t seen = 0; seen < keep && (rc = pb_next(&msg, &f, reterr)) > 0;) {
        struct attr a;
        size_t at;

        if (f.tag != in->tag) {
            continue;
        }
        seen++;
        rc = key_value(c, pb_sub(&msg, f.s), in->depth, &a, reterr);
        if (rc < 0) {
            return rc;
        }
        if (a.key.n > c->limits->max_attr_key_bytes) {
            over++;
            continue;
        }
        at = key_set_find(&keys, v, kept, a.key);
        v[at] = a;
        kept += at == kept;
    }
    if (rc < 0) {
        return rc;
    }
    c->altered[ALTER_ATTRS] += over;
    *dropped = over > UINT32_MAX - *dropped ? UINT32_MAX : *dropped + (uint32_t)over;
    *ret = (struct attrs){v, kept};
    return 0;
}

int otlp_attrs(struct otlp_ctx *c, struct pb msg, uint32_t tag, size_t n, struct attrs *ret,
               uint32_t *dropped, struct err *reterr)
{
    const struct attr_fields in = {msg, tag, n, 0};

    return decode_attrs(c, &in, ret, dropped, reterr);
}

int otlp_resource(struct otlp_ctx *c, const struct otlp_group *g, const struct resource **ret,
                  struct err *reterr)
{
    struct resource *r = arena_calloc(c->arena, 1, sizeof(*r));
    struct pb msg = pb_sub(&g->items, g->resource);
    struct pb scan = msg;
    struct pb_field f;
    size_t n = 0;
    int rc;

    if (r == NULL) {
        return otlp_no_memory(reterr);
    }
    while ((rc = pb_next(&scan, &f, reterr)) > 0) {
        n += f.tag == PB_TAG(1, PB_LEN);
        if (f.tag == PB_TAG(2, PB_VARINT)) {
            r->dropped_attrs = (uint32_t)f.u;
        }
    }
    rc = rc < 0 ? rc
                : otlp_attrs(c, msg, PB_TAG(1, PB_LEN), n, &r->attrs, &r->dropped_attrs, reterr);
    rc = rc < 0 ? rc : otlp_text(c, g->resource_url, &r->schema_url, reterr);
    *ret = r;
    return rc;
}

int otlp_scope(struct otlp_ctx *c, const struct otlp_group *g, const struct scope **ret,
               struct err *reterr)
{
    struct scope *s = arena_calloc(c->arena, 1, sizeof(*s));
    struct pb msg = pb_sub(&g->items, g->scope);
    struct pb scan = msg;
    struct pb_field f;
    size_t n = 0;
    int rc;

    if (s == NULL) {
        return otlp_no_memory(reterr);
    }
    while ((rc = pb_next(&scan, &f, reterr)) > 0) {
        switch (f.tag) { /* InstrumentationScope */
        case PB_TAG(1, PB_LEN):
            rc = otlp_text(c, f.s, &s->name, reterr);
            break;
        case PB_TAG(2, PB_LEN):
            rc = otlp_text(c, f.s, &s->version, reterr);
            break;
        case PB_TAG(3, PB_LEN):
            n++;
            break;
        case PB_TAG(4, PB_VARINT):
            s->dropped_attrs = (uint32_t)f.u;
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    rc = rc < 0 ? rc
                : otlp_attrs(c, msg, PB_TAG(3, PB_LEN), n, &s->attrs, &s->dropped_attrs, reterr);
    rc = rc < 0 ? rc : otlp_text(c, g->scope_url, &s->schema_url, reterr);
    *ret = s;
    return rc;
}
