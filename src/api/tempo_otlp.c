/* SPDX-License-Identifier: Apache-2.0
 *
 * OTLP encoders. In JSON, as Tempo writes it, what has its default value is left out and 64-bit numbers are
 * strings.
 */
#include "api/tempo_otlp.h"

#include "base/err.h"
#include "codec/base64.h"
#include "codec/pb.h"

enum { DEPTH_MAX = 64 };

/* ---- protobuf ---- */

static void pb_attrs(struct buf *dst, uint32_t num, struct attrs as, unsigned depth);

static void pb_value(struct buf *dst, const struct value *v, unsigned depth)
{
    size_t at;

    if (depth > DEPTH_MAX) {
        return;
    }
    switch (v->type) { /* members of a oneof are written with their default values too */
    case VALUE_STR:
    case VALUE_BYTES:
        buf_add_byte(dst, (char)PB_TAG(v->type == VALUE_STR ? 1 : 7, PB_LEN));
        {
            uint8_t n[VARINT_MAX];

            buf_add(dst, n, varint_put(n, v->u.s.n));
        }
        buf_add_str(dst, v->u.s);
        break;
    case VALUE_BOOL:
        buf_add_byte(dst, (char)PB_TAG(2, PB_VARINT));
        buf_add_byte(dst, (char)v->u.b);
        break;
    case VALUE_I64: {
        uint8_t n[VARINT_MAX];

        buf_add_byte(dst, (char)PB_TAG(3, PB_VARINT));
        buf_add(dst, n, varint_put(n, (uint64_t)v->u.i));
        break;
    }
    case VALUE_F64:
        buf_add_byte(dst, (char)PB_TAG(4, PB_FIXED64));
        buf_add(dst, &v->u.f, sizeof(double));
        break;
    case VALUE_ARRAY:
        at = pb_begin(dst, 5);
        for (size_t i = 0; i < v->u.array.n; i++) {
            size_t one = pb_begin(dst, 1);

            pb_value(dst, &v->u.array.v[i], depth + 1);
            pb_end(dst, one);
        }
        pb_end(dst, at);
        break;
    case VALUE_MAP:
        at = pb_begin(dst, 6);
        pb_attrs(dst, 1, (struct attrs){v->u.map.v, v->u.map.n}, depth + 1);
        pb_end(dst, at);
        break;
    default:
        break;
    }
}

static void pb_attrs(struct buf *dst, uint32_t num, struct attrs as, unsigned depth)
{
    for (size_t i = 0; i < as.n; i++) {
        size_t at = pb_begin(dst, num);
        size_t value;

        pb_put_str(dst, 1, as.v[i].key);
        value = pb_begin(dst, 2);
        pb_value(dst, &as.v[i].value, depth);
        pb_end(dst, value);
        pb_end(dst, at);
    }
}

static struct str id_bytes(const uint8_t *id, size_t n)
{
    return str_of((const char *)id, n);
}

static void pb_events(struct buf *dst, const struct span *s)
{
    for (size_t i = 0; i < s->events_n; i++) {
        const struct span_event *e = &s->events[i];
        size_t at = pb_begin(dst, 11);

        pb_put_fixed64(dst, 1, (uint64_t)e->time_ns);
        pb_put_str(dst, 2, e->name);
        pb_attrs(dst, 3, e->attrs, 0);
        pb_put_varint(dst, 4, e->dropped_attrs);
        pb_end(dst, at);
    }
}

static void pb_links(struct buf *dst, const struct span *s)
{
    for (size_t i = 0; i < s->links_n; i++) {
        const struct span_link *l = &s->links[i];
        size_t at = pb_begin(dst, 13);

        pb_put_str(dst, 1, id_bytes(l->trace_id.b, TRACE_ID_SIZE));
        pb_put_str(dst, 2, id_bytes(l->span_id.b, SPAN_ID_SIZE));
        pb_put_str(dst, 3, l->trace_state);
        pb_attrs(dst, 4, l->attrs, 0);
        pb_put_varint(dst, 5, l->dropped_attrs);
        pb_put_fixed32(dst, 6, l->flags);
        pb_end(dst, at);
    }
}

static void pb_span(struct buf *dst, const struct span *s)
{
    size_t at = pb_begin(dst, 2); /* of ScopeSpans */
    size_t status;

    pb_put_str(dst, 1, id_bytes(s->trace_id.b, TRACE_ID_SIZE));
    pb_put_str(dst, 2, id_bytes(s->span_id.b, SPAN_ID_SIZE));
    pb_put_str(dst, 3, s->trace_state);
    if (!span_id_is_zero(s->parent_id)) {
        pb_put_str(dst, 4, id_bytes(s->parent_id.b, SPAN_ID_SIZE));
    }
    pb_put_str(dst, 5, s->name);
    pb_put_varint(dst, 6, s->kind);
    pb_put_fixed64(dst, 7, (uint64_t)s->start_ns);
    pb_put_fixed64(dst, 8, (uint64_t)s->end_ns);
    pb_attrs(dst, 9, s->attrs, 0);
    pb_put_varint(dst, 10, s->dropped_attrs);
    pb_events(dst, s);
    pb_put_varint(dst, 12, s->dropped_events);
    pb_links(dst, s);
    pb_put_varint(dst, 14, s->dropped_links);
    if (s->status != SPAN_STATUS_UNSET || s->status_message.n != 0) {
        status = pb_begin(dst, 15);
        pb_put_str(dst, 2, s->status_message);
        pb_put_varint(dst, 3, s->status);
        pb_end(dst, status);
    }
    pb_put_fixed32(dst, 16, s->flags);
    pb_end(dst, at);
}

static void pb_resource(struct buf *dst, const struct resource *r)
{
    size_t at = pb_begin(dst, 1);

    pb_attrs(dst, 1, r->attrs, 0);
    pb_put_varint(dst, 2, r->dropped_attrs);
    pb_end(dst, at);
    pb_put_str(dst, 3, r->schema_url);
}

static void pb_scope(struct buf *dst, const struct scope *s)
{
    size_t at = pb_begin(dst, 1);

    pb_put_str(dst, 1, s->name);
    pb_put_str(dst, 2, s->version);
    pb_attrs(dst, 3, s->attrs, 0);
    pb_put_varint(dst, 4, s->dropped_attrs);
    pb_end(dst, at);
    pb_put_str(dst, 3, s->schema_url);
}

/* ---- JSON ---- */

static void json_base64(struct json_writer *w, struct str bytes)
{
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, bytes.n / 3 * 4 + 8);
    base64_encode(bytes, &b);
    json_str(w, buf_str(&b));
}

static void any_value(struct json_writer *w, const struct value *v, unsigned depth);

static void key_values(struct json_writer *w, struct attrs as, unsigned depth)
{
    json_array_begin(w);
    for (size_t i = 0; i < as.n; i++) {
        json_object_begin(w);
        json_key(w, "key");
        json_str(w, as.v[i].key);
        json_key(w, "value");
        any_value(w, &as.v[i].value, depth);
        json_object_end(w);
    }
    json_array_end(w);
}

static void value_list(struct json_writer *w, const struct value *v, unsigned depth)
{
    json_object_begin(w);
    json_key(w, "values");
    if (v->type == VALUE_MAP) {
        key_values(w, (struct attrs){v->u.map.v, v->u.map.n}, depth + 1);
    } else {
        json_array_begin(w);
        for (size_t i = 0; i < v->u.array.n; i++) {
            any_value(w, &v->u.array.v[i], depth + 1);
        }
        json_array_end(w);
    }
    json_object_end(w);
}

static void any_value(struct json_writer *w, const struct value *v, unsigned depth)
{
    json_object_begin(w);
    switch (depth > DEPTH_MAX ? VALUE_NONE : v->type) {
    case VALUE_STR:
        json_key(w, "stringValue");
        json_str(w, v->u.s);
        break;
    case VALUE_BOOL:
        json_key(w, "boolValue");
        json_bool(w, v->u.b);
        break;
    case VALUE_I64:
        json_key(w, "intValue");
        json_i64_str(w, v->u.i);
        break;
    case VALUE_F64:
        json_key(w, "doubleValue");
        if (v->u.f - v->u.f != 0) { /* NaN and infinities are strings */
            json_cstr(w, v->u.f != v->u.f ? "NaN" : v->u.f > 0 ? "Infinity" : "-Infinity");
        } else {
            json_f64(w, v->u.f);
        }
        break;
    case VALUE_BYTES:
        json_key(w, "bytesValue");
        json_base64(w, v->u.s);
        break;
    case VALUE_ARRAY:
        json_key(w, "arrayValue");
        value_list(w, v, depth);
        break;
    case VALUE_MAP:
        json_key(w, "kvlistValue");
        value_list(w, v, depth);
        break;
    default:
        break;
    }
    json_object_end(w);
}

void json_any_value(struct json_writer *w, const struct value *v)
{
    any_value(w, v, 0);
}

void json_key_values(struct json_writer *w, struct attrs as)
{
    key_values(w, as, 0);
}

static void json_attrs_member(struct json_writer *w, struct attrs as)
{
    if (as.n != 0) {
        json_key(w, "attributes");
        key_values(w, as, 0);
    }
}

static void json_text_member(struct json_writer *w, const char *key, struct str s)
{
    if (s.n != 0) {
        json_key(w, key);
        json_str(w, s);
    }
}

static void json_count_member(struct json_writer *w, const char *key, uint32_t n)
{
    if (n != 0) {
        json_key(w, key);
        json_u64(w, n);
    }
}

static void json_id_member(struct json_writer *w, const char *key, const uint8_t *id, size_t n)
{
    json_key(w, key);
    json_base64(w, id_bytes(id, n));
}

static void json_time_member(struct json_writer *w, const char *key, int64_t ns)
{
    json_key(w, key);
    json_i64_str(w, ns);
}

static void json_span_events(struct json_writer *w, const struct span *s)
{
    json_key(w, "events");
    json_array_begin(w);
    for (size_t i = 0; i < s->events_n; i++) {
        const struct span_event *e = &s->events[i];

        json_object_begin(w);
        json_time_member(w, "timeUnixNano", e->time_ns);
        json_text_member(w, "name", e->name);
        json_attrs_member(w, e->attrs);
        json_count_member(w, "droppedAttributesCount", e->dropped_attrs);
        json_object_end(w);
    }
    json_array_end(w);
}

static void json_span_links(struct json_writer *w, const struct span *s)
{
    json_key(w, "links");
    json_array_begin(w);
    for (size_t i = 0; i < s->links_n; i++) {
        const struct span_link *l = &s->links[i];

        json_object_begin(w);
        json_id_member(w, "traceId", l->trace_id.b, TRACE_ID_SIZE);
        json_id_member(w, "spanId", l->span_id.b, SPAN_ID_SIZE);
        json_text_member(w, "traceState", l->trace_state);
        json_attrs_member(w, l->attrs);
        json_count_member(w, "droppedAttributesCount", l->dropped_attrs);
        json_count_member(w, "flags", l->flags);
        json_object_end(w);
    }
    json_array_end(w);
}

static void json_otlp_span(struct json_writer *w, const struct span *s)
{
    static const char *const KINDS[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                        "SPAN_KIND_SERVER",      "SPAN_KIND_CLIENT",
                                        "SPAN_KIND_PRODUCER",    "SPAN_KIND_CONSUMER"};
    static const char *const CODES[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

    json_object_begin(w);
    json_id_member(w, "traceId", s->trace_id.b, TRACE_ID_SIZE);
    json_id_member(w, "spanId", s->span_id.b, SPAN_ID_SIZE);
    json_text_member(w, "traceState", s->trace_state);
    if (!span_id_is_zero(s->parent_id)) {
        json_id_member(w, "parentSpanId", s->parent_id.b, SPAN_ID_SIZE);
    }
    json_text_member(w, "name", s->name);
    if (s->kind != SPAN_UNSPECIFIED && s->kind < SPAN_KIND_COUNT) {
        json_key(w, "kind");
        json_cstr(w, KINDS[s->kind]);
    }
    json_time_member(w, "startTimeUnixNano", s->start_ns);
    json_time_member(w, "endTimeUnixNano", s->end_ns);
    json_attrs_member(w, s->attrs);
    json_count_member(w, "droppedAttributesCount", s->dropped_attrs);
    if (s->events_n != 0) {
        json_span_events(w, s);
    }
    json_count_member(w, "droppedEventsCount", s->dropped_events);
    if (s->links_n != 0) {
        json_span_links(w, s);
    }
    json_count_member(w, "droppedLinksCount", s->dropped_links);
    json_key(w, "status");
    json_object_begin(w);
    json_text_member(w, "message", s->status_message);
    if (s->status != SPAN_STATUS_UNSET && s->status < SPAN_STATUS_COUNT) {
        json_key(w, "code");
        json_cstr(w, CODES[s->status]);
    }
    json_object_end(w);
    json_count_member(w, "flags", s->flags);
    json_object_end(w);
}

/* "resource":{...},"schemaUrl":"..." as members of an object still open. */
static void json_resource_head(struct buf *dst, const struct resource *r)
{
    struct json_writer w;

    json_init(&w, dst);
    json_key(&w, "resource");
    json_object_begin(&w);
    json_attrs_member(&w, r->attrs);
    json_count_member(&w, "droppedAttributesCount", r->dropped_attrs);
    json_object_end(&w);
    json_text_member(&w, "schemaUrl", r->schema_url);
}

static void json_scope_head(struct buf *dst, const struct scope *s)
{
    struct json_writer w;

    json_init(&w, dst);
    json_key(&w, "scope");
    json_object_begin(&w);
    json_text_member(&w, "name", s->name);
    json_text_member(&w, "version", s->version);
    json_attrs_member(&w, s->attrs);
    json_count_member(&w, "droppedAttributesCount", s->dropped_attrs);
    json_object_end(&w);
    json_text_member(&w, "schemaUrl", s->schema_url);
}

/* ---- groups ---- */

void otlp_trace_init(struct otlp_trace *t, enum otlp_form form, struct arena *a, size_t max_bytes)
{
    *t = (struct otlp_trace){.form = form, .a = a, .max_bytes = max_bytes};
    buf_init(&t->scratch, max_bytes);
}

void otlp_trace_done(struct otlp_trace *t)
{
    for (size_t i = 0; i < t->groups.n; i++) {
        for (size_t k = 0; k < t->groups.v[i]->scopes.n; k++) {
            buf_done(&t->groups.v[i]->scopes.v[k]->spans);
        }
        vec_done(&t->groups.v[i]->scopes);
    }
    vec_done(&t->groups);
    map_done(&t->by_resource);
    buf_done(&t->scratch);
}

static struct resource_group *resource_of(struct otlp_trace *t, const struct resource *r)
{
    struct resource_group *g;

    buf_clear(&t->scratch);
    if (t->form == OTLP_FORM_PB) {
        pb_resource(&t->scratch, r);
    } else {
        json_resource_head(&t->scratch, r);
    }
    g = map_get(&t->by_resource, buf_str(&t->scratch));
    if (g != NULL || t->scratch.failed) {
        return g;
    }
    g = arena_calloc(t->a, 1, sizeof(*g));
    if (g == NULL) {
        return NULL;
    }
    g->head = arena_str_dup(t->a, buf_str(&t->scratch));
    if (g->head.p == NULL || !vec_push(&t->groups, g)) {
        return NULL;
    }
    return map_put(&t->by_resource, g->head, g) < 0 ? NULL : g;
}

static struct scope_group *scope_of(struct otlp_trace *t, struct resource_group *g,
                                    const struct scope *s)
{
    struct scope_group *found;

    buf_clear(&t->scratch);
    if (t->form == OTLP_FORM_PB) {
        pb_scope(&t->scratch, s);
    } else {
        json_scope_head(&t->scratch, s);
    }
    for (size_t i = 0; i < g->scopes.n; i++) {
        if (str_eq(g->scopes.v[i]->head, buf_str(&t->scratch))) {
            return g->scopes.v[i];
        }
    }
    found = t->scratch.failed ? NULL : arena_calloc(t->a, 1, sizeof(*found));
    if (found == NULL) {
        return NULL;
    }
    found->head = arena_str_dup(t->a, buf_str(&t->scratch));
    buf_init(&found->spans, t->max_bytes);
    json_init(&found->w, &found->spans);
    return found->head.p != NULL && vec_push(&g->scopes, found) ? found : NULL;
}

int otlp_trace_add(struct otlp_trace *t, const struct span *s)
{
    struct resource_group *g = resource_of(t, s->resource);
    struct scope_group *to = g != NULL ? scope_of(t, g, s->scope) : NULL;
    size_t before;

    if (to == NULL) {
        return -ERR_LIMIT;
    }
    before = to->spans.n;
    if (t->form == OTLP_FORM_PB) {
        pb_span(&to->spans, s);
    } else {
        json_otlp_span(&to->w, s);
    }
    t->spans++;
    t->bytes += to->spans.n - before;
    return to->spans.failed || t->bytes > t->max_bytes ? -ERR_LIMIT : 0;
}

void otlp_trace_write_pb(const struct otlp_trace *t, struct buf *dst)
{
    for (size_t i = 0; i < t->groups.n; i++) {
        const struct resource_group *g = t->groups.v[i];
        size_t at = pb_begin(dst, 1);

        buf_add_str(dst, g->head);
        for (size_t k = 0; k < g->scopes.n; k++) {
            size_t scope = pb_begin(dst, 2);

            buf_add_str(dst, g->scopes.v[k]->head);
            buf_add_str(dst, buf_str(&g->scopes.v[k]->spans));
            pb_end(dst, scope);
        }
        pb_end(dst, at);
    }
}

void otlp_trace_write_json(const struct otlp_trace *t, struct json_writer *w)
{
    json_array_begin(w);
    for (size_t i = 0; i < t->groups.n; i++) {
        const struct resource_group *g = t->groups.v[i];

        json_object_begin(w);
        buf_add_str(w->dst, g->head);
        w->comma = true;
        json_key(w, "scopeSpans");
        json_array_begin(w);
        for (size_t k = 0; k < g->scopes.n; k++) {
            json_object_begin(w);
            buf_add_str(w->dst, g->scopes.v[k]->head);
            w->comma = true;
            json_key(w, "spans");
            json_array_begin(w);
            buf_add_str(w->dst, buf_str(&g->scopes.v[k]->spans));
            json_array_end(w);
            json_object_end(w);
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}
