/* SPDX-License-Identifier: Apache-2.0
 *
 * Values, attributes, resources, scopes, events and links in the row encoding. Attribute keys are indexes
 * into a batch's key table when there is one, else inline; one code serves both.
 */
#include "base/hash.h"
#include "store/columns/rowcodec_internal.h"
#include "store/columns/text.h"

enum value_tag {
    TAG_NONE,
    TAG_STR,
    TAG_FALSE,
    TAG_TRUE,
    TAG_I64,
    TAG_F64,
    TAG_BYTES,
    TAG_ARRAY,
    TAG_MAP,
};

static bool put_value(struct buf *dst, const struct value *v, struct key_table *keys,
                      unsigned depth);

static bool put_attrs(struct buf *dst, struct attrs as, struct key_table *keys, unsigned depth)
{
    wr_varint(dst, as.n);
    for (size_t i = 0; i < as.n; i++) {
        if (keys != NULL) {
            if (!key_table_put(keys, dst, as.v[i].key, depth == 0 ? i : KEY_NO_HINT)) {
                dst->failed = true;
            }
        } else {
            wr_str(dst, as.v[i].key);
        }
        if (!put_value(dst, &as.v[i].value, keys, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool put_value(struct buf *dst, const struct value *v, struct key_table *keys,
                      unsigned depth)
{
    uint64_t bits;

    switch (v->type) {
    case VALUE_NONE:
        buf_add_byte(dst, TAG_NONE);
        return true;
    case VALUE_STR:
    case VALUE_BYTES:
        buf_add_byte(dst, v->type == VALUE_STR ? TAG_STR : TAG_BYTES);
        wr_str(dst, v->u.s);
        return true;
    case VALUE_BOOL:
        buf_add_byte(dst, v->u.b ? TAG_TRUE : TAG_FALSE);
        return true;
    case VALUE_I64:
        buf_add_byte(dst, TAG_I64);
        wr_zigzag(dst, v->u.i);
        return true;
    case VALUE_F64:
        memcpy(&bits, &v->u.f, sizeof(bits));
        buf_add_byte(dst, TAG_F64);
        wr_fixed64(dst, bits);
        return true;
    case VALUE_ARRAY:
    case VALUE_MAP:
        break;
    }
    if (depth > VALUE_DEPTH_MAX) {
        return false;
    }
    if (v->type == VALUE_MAP) {
        buf_add_byte(dst, TAG_MAP);
        return put_attrs(dst, (struct attrs){v->u.map.v, v->u.map.n}, keys, depth + 1);
    }
    buf_add_byte(dst, TAG_ARRAY);
    wr_varint(dst, v->u.array.n);
    for (size_t i = 0; i < v->u.array.n; i++) {
        if (!put_value(dst, &v->u.array.v[i], keys, depth + 1)) {
            return false;
        }
    }
    return true;
}

static int get_value(struct rd *r, struct arena *a, const struct key_view *keys, unsigned depth,
                     struct value *ret);

static int get_attrs(struct rd *r, struct arena *a, const struct key_view *keys, unsigned depth,
                     struct attrs *ret)
{
    size_t n = rd_count(r, 2);
    struct attr *v;

    *ret = (struct attrs){0};
    if (n == 0) {
        return r->bad ? -ERR_CORRUPT : 0;
    }
    v = arena_array(a, struct attr, n);
    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        int rc;

        if (keys != NULL) {
            uint64_t k = rd_varint(r);

            if (k >= keys->n) {
                return -ERR_CORRUPT;
            }
            v[i].key = keys->v[k];
        } else {
            v[i].key = rd_str(r);
        }
        rc = get_value(r, a, keys, depth + 1, &v[i].value);
        if (rc < 0) {
            return rc;
        }
    }
    *ret = (struct attrs){v, n};
    return r->bad ? -ERR_CORRUPT : 0;
}

static int get_array(struct rd *r, struct arena *a, const struct key_view *keys, unsigned depth,
                     struct value *ret)
{
    size_t n = rd_count(r, 1);
    struct value *v = n != 0 ? arena_array(a, struct value, n) : NULL;

    if (n != 0 && v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        int rc = get_value(r, a, keys, depth + 1, &v[i]);

        if (rc < 0) {
            return rc;
        }
    }
    *ret = (struct value){.type = VALUE_ARRAY, .u.array = {v, n}};
    return 0;
}

static int get_value(struct rd *r, struct arena *a, const struct key_view *keys, unsigned depth,
                     struct value *ret)
{
    struct attrs as;
    uint64_t bits;
    int rc;

    *ret = (struct value){0};
    if (depth > 2 * VALUE_DEPTH_MAX) {
        return -ERR_CORRUPT;
    }
    switch (rd_u8(r)) {
    case TAG_NONE:
        break;
    case TAG_STR:
        *ret = (struct value){.type = VALUE_STR, .u.s = rd_str(r)};
        break;
    case TAG_BYTES:
        *ret = (struct value){.type = VALUE_BYTES, .u.s = rd_str(r)};
        break;
    case TAG_FALSE:
        *ret = (struct value){.type = VALUE_BOOL, .u.b = false};
        break;
    case TAG_TRUE:
        *ret = (struct value){.type = VALUE_BOOL, .u.b = true};
        break;
    case TAG_I64:
        *ret = (struct value){.type = VALUE_I64, .u.i = rd_zigzag(r)};
        break;
    case TAG_F64:
        bits = rd_fixed64(r);
        ret->type = VALUE_F64;
        memcpy(&ret->u.f, &bits, sizeof(bits));
        break;
    case TAG_ARRAY:
        rc = get_array(r, a, keys, depth, ret);
        if (rc < 0) {
            return rc;
        }
        break;
    case TAG_MAP:
        rc = get_attrs(r, a, keys, depth + 1, &as);
        if (rc < 0) {
            return rc;
        }
        *ret = (struct value){.type = VALUE_MAP, .u.map = {as.v, as.n}};
        break;
    default:
        return -ERR_CORRUPT;
    }
    return r->bad ? -ERR_CORRUPT : 0;
}

bool row_put_value(struct buf *dst, const struct value *v, struct key_table *keys)
{
    return put_value(dst, v, keys, 1);
}

bool row_put_attrs(struct buf *dst, struct attrs as, struct key_table *keys)
{
    return put_attrs(dst, as, keys, 0);
}

int row_get_value(struct rd *r, struct arena *a, const struct key_view *keys, struct value *ret)
{
    return get_value(r, a, keys, 1, ret);
}

int row_get_attrs(struct rd *r, struct arena *a, const struct key_view *keys, struct attrs *ret)
{
    return get_attrs(r, a, keys, 0, ret);
}

bool value_encode(const struct value *v, struct buf *dst)
{
    return put_value(dst, v, NULL, 1);
}

int value_decode(struct rd *r, struct arena *a, struct value *ret)
{
    return get_value(r, a, NULL, 1, ret);
}

bool attrs_encode(struct attrs as, struct buf *dst)
{
    return put_attrs(dst, as, NULL, 0);
}

int attrs_decode(struct rd *r, struct arena *a, struct attrs *ret)
{
    return get_attrs(r, a, NULL, 0, ret);
}

bool resource_encode(const struct resource *r, struct buf *dst)
{
    bool ok = attrs_encode(r->attrs, dst);

    wr_str(dst, r->schema_url);
    wr_varint(dst, r->dropped_attrs);
    return ok;
}

int resource_decode(struct rd *r, struct arena *a, struct resource *ret)
{
    int rc = attrs_decode(r, a, &ret->attrs);

    if (rc < 0) {
        return rc;
    }
    ret->schema_url = rd_str(r);
    ret->dropped_attrs = rd_u32_varint(r);
    return r->bad ? -ERR_CORRUPT : 0;
}

bool scope_encode(const struct scope *s, struct buf *dst)
{
    bool ok;

    wr_str(dst, s->name);
    wr_str(dst, s->version);
    ok = attrs_encode(s->attrs, dst);
    wr_str(dst, s->schema_url);
    wr_varint(dst, s->dropped_attrs);
    return ok;
}

int scope_decode(struct rd *r, struct arena *a, struct scope *ret)
{
    int rc;

    ret->name = rd_str(r);
    ret->version = rd_str(r);
    rc = attrs_decode(r, a, &ret->attrs);
    if (rc < 0) {
        return rc;
    }
    ret->schema_url = rd_str(r);
    ret->dropped_attrs = rd_u32_varint(r);
    return r->bad ? -ERR_CORRUPT : 0;
}

bool row_put_events(struct buf *dst, const struct span *s, struct key_table *keys)
{
    wr_varint(dst, s->events_n);
    for (size_t i = 0; i < s->events_n; i++) {
        const struct span_event *e = &s->events[i];

        wr_zigzag(dst, (int64_t)((uint64_t)e->time_ns - (uint64_t)s->start_ns));
        wr_str(dst, e->name);
        wr_varint(dst, e->dropped_attrs);
        if (!put_attrs(dst, e->attrs, keys, 1)) {
            return false;
        }
    }
    return true;
}

int row_get_events(struct rd *r, struct arena *a, const struct key_view *keys, struct span *s)
{
    size_t n = rd_count(r, 4);
    struct span_event *v = n != 0 ? arena_calloc(a, n, sizeof(*v)) : NULL;

    if (n != 0 && v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        int rc;

        v[i].time_ns = (int64_t)((uint64_t)rd_zigzag(r) + (uint64_t)s->start_ns);
        v[i].name = rd_str(r);
        v[i].dropped_attrs = rd_u32_varint(r);
        rc = get_attrs(r, a, keys, 1, &v[i].attrs);
        if (rc < 0) {
            return rc;
        }
    }
    s->events = v;
    s->events_n = n;
    return r->bad ? -ERR_CORRUPT : 0;
}

bool row_put_links(struct buf *dst, const struct span *s, struct key_table *keys)
{
    wr_varint(dst, s->links_n);
    for (size_t i = 0; i < s->links_n; i++) {
        const struct span_link *l = &s->links[i];

        buf_add(dst, l->trace_id.b, TRACE_ID_SIZE);
        buf_add(dst, l->span_id.b, SPAN_ID_SIZE);
        wr_str(dst, l->trace_state);
        wr_varint(dst, l->dropped_attrs);
        wr_varint(dst, l->flags);
        if (!put_attrs(dst, l->attrs, keys, 1)) {
            return false;
        }
    }
    return true;
}

int row_get_links(struct rd *r, struct arena *a, const struct key_view *keys, struct span *s)
{
    size_t n = rd_count(r, TRACE_ID_SIZE + SPAN_ID_SIZE + 4);
    struct span_link *v = n != 0 ? arena_calloc(a, n, sizeof(*v)) : NULL;

    if (n != 0 && v == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        int rc;

        rd_copy(r, v[i].trace_id.b, TRACE_ID_SIZE);
        rd_copy(r, v[i].span_id.b, SPAN_ID_SIZE);
        v[i].trace_state = rd_str(r);
        v[i].dropped_attrs = rd_u32_varint(r);
        v[i].flags = rd_u32_varint(r);
        rc = get_attrs(r, a, keys, 1, &v[i].attrs);
        if (rc < 0) {
            return rc;
        }
    }
    s->links = v;
    s->links_n = n;
    return r->bad ? -ERR_CORRUPT : 0;
}

bool events_encode(const struct span *s, struct buf *dst)
{
    return row_put_events(dst, s, NULL);
}

int events_decode(struct rd *r, struct arena *a, struct span *s)
{
    return row_get_events(r, a, NULL, s);
}

bool links_encode(const struct span *s, struct buf *dst)
{
    return row_put_links(dst, s, NULL);
}

int links_decode(struct rd *r, struct arena *a, struct span *s)
{
    return row_get_links(r, a, NULL, s);
}

uint64_t stream_key(const struct resource *r, struct str encoded)
{
    struct str service = attrs_get_str(r->attrs, STR("service.name"));

    return (hash64(service.p, service.n) & 0xffffff0000000000ull) |
           (hash64(encoded.p, encoded.n) >> 24);
}
