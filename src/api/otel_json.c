/* SPDX-License-Identifier: Apache-2.0
 *
 * Model to JSON; optional members are left out when they carry nothing.
 */
#include "api/otel_json.h"

#include <math.h>

#include "codec/base64.h"

static const int64_t JSON_EXACT_MAX = 1LL << 53;

static void wrapped(struct json_writer *w, const char *key, struct str text)
{
    json_object_begin(w);
    json_key(w, key);
    json_str(w, text);
    json_object_end(w);
}

static void wrapped_bytes(struct json_writer *w, struct str bytes)
{
    struct buf b CLEANUP(buf_done);

    buf_init(&b, bytes.n * 2 + 16);
    base64_encode(bytes, &b);
    wrapped(w, "bytes", buf_str(&b));
}

static void json_integer(struct json_writer *w, int64_t i)
{
    if (i > JSON_EXACT_MAX || i < -JSON_EXACT_MAX) {
        json_object_begin(w);
        json_key(w, "int");
        json_i64_str(w, i);
        json_object_end(w);
    } else {
        json_i64(w, i);
    }
}

void json_value(struct json_writer *w, const struct value *v)
{
    switch (v->type) {
    case VALUE_NONE:
        json_null(w);
        break;
    case VALUE_STR:
        json_str(w, v->u.s);
        break;
    case VALUE_BOOL:
        json_bool(w, v->u.b);
        break;
    case VALUE_I64:
        json_integer(w, v->u.i);
        break;
    case VALUE_F64:
        if (isfinite(v->u.f)) {
            json_f64(w, v->u.f);
        } else {
            wrapped(w, "double",
                    isnan(v->u.f) ? STR("NaN") : (v->u.f > 0 ? STR("+Inf") : STR("-Inf")));
        }
        break;
    case VALUE_BYTES:
        wrapped_bytes(w, v->u.s);
        break;
    case VALUE_ARRAY:
        json_array_begin(w);
        for (size_t i = 0; i < v->u.array.n; i++) {
            json_value(w, &v->u.array.v[i]);
        }
        json_array_end(w);
        break;
    case VALUE_MAP:
        json_attrs(w, (struct attrs){v->u.map.v, v->u.map.n});
        break;
    }
}

void json_attrs(struct json_writer *w, struct attrs as)
{
    json_object_begin(w);
    for (size_t i = 0; i < as.n; i++) {
        json_key_str(w, as.v[i].key);
        json_value(w, &as.v[i].value);
    }
    json_object_end(w);
}

struct str service_of(const struct resource *r)
{
    struct str name = attrs_get_str(r->attrs, STR("service.name"));

    return name.n != 0 ? name : STR("unknown_service");
}

static void json_hex(struct json_writer *w, const char *key, const uint8_t *p, size_t n)
{
    char text[2 * TRACE_ID_SIZE + 1];

    hex_encode(p, n, text);
    json_key(w, key);
    json_cstr(w, text);
}

void json_trace_id(struct json_writer *w, const char *key, struct trace_id id)
{
    if (!trace_id_is_zero(id)) {
        json_hex(w, key, id.b, sizeof(id.b));
    }
}

void json_span_id(struct json_writer *w, const char *key, struct span_id id)
{
    if (!span_id_is_zero(id)) {
        json_hex(w, key, id.b, sizeof(id.b));
    }
}

static void opt_str(struct json_writer *w, const char *key, struct str s)
{
    if (s.n != 0) {
        json_key(w, key);
        json_str(w, s);
    }
}

static void opt_u32(struct json_writer *w, const char *key, uint32_t v)
{
    if (v != 0) {
        json_key(w, key);
        json_u64(w, v);
    }
}

static void put_ns(struct json_writer *w, const char *key, int64_t ns)
{
    json_key(w, key);
    json_i64_str(w, ns);
}

static void put_attrs(struct json_writer *w, const char *key, struct attrs as)
{
    json_key(w, key);
    json_attrs(w, as);
}

static void json_event(struct json_writer *w, const struct span_event *e)
{
    json_object_begin(w);
    put_ns(w, "time_ns", e->time_ns);
    json_key(w, "name");
    json_str(w, e->name);
    put_attrs(w, "attributes", e->attrs);
    opt_u32(w, "dropped_attributes", e->dropped_attrs);
    json_object_end(w);
}

static void json_link(struct json_writer *w, const struct span_link *l)
{
    json_object_begin(w);
    json_hex(w, "trace_id", l->trace_id.b, sizeof(l->trace_id.b));
    json_hex(w, "span_id", l->span_id.b, sizeof(l->span_id.b));
    opt_str(w, "trace_state", l->trace_state);
    opt_u32(w, "flags", l->flags);
    put_attrs(w, "attributes", l->attrs);
    opt_u32(w, "dropped_attributes", l->dropped_attrs);
    json_object_end(w);
}

static void span_children(struct json_writer *w, const struct span *s)
{
    json_key(w, "events");
    json_array_begin(w);
    for (size_t i = 0; i < s->events_n; i++) {
        json_event(w, &s->events[i]);
    }
    json_array_end(w);
    opt_u32(w, "dropped_events", s->dropped_events);
    json_key(w, "links");
    json_array_begin(w);
    for (size_t i = 0; i < s->links_n; i++) {
        json_link(w, &s->links[i]);
    }
    json_array_end(w);
    opt_u32(w, "dropped_links", s->dropped_links);
}

void json_span(struct json_writer *w, const struct span *s, size_t resource, size_t scope)
{
    json_object_begin(w);
    json_trace_id(w, "trace_id", s->trace_id);
    json_span_id(w, "span_id", s->span_id);
    json_span_id(w, "parent_span_id", s->parent_id);
    opt_str(w, "trace_state", s->trace_state);
    opt_u32(w, "flags", s->flags);
    json_key(w, "name");
    json_str(w, s->name);
    json_key(w, "kind");
    json_cstr(w, span_kind_name(s->kind));
    json_key(w, "service");
    json_str(w, service_of(s->resource));
    put_ns(w, "start_ns", s->start_ns);
    put_ns(w, "end_ns", s->end_ns);
    put_ns(w, "arrival_ns", s->arrival_ns);
    json_key(w, "status");
    json_cstr(w, span_status_name(s->status));
    opt_str(w, "status_message", s->status_message);
    put_attrs(w, "attributes", s->attrs);
    opt_u32(w, "dropped_attributes", s->dropped_attrs);
    span_children(w, s);
    json_key(w, "resource");
    json_u64(w, resource);
    json_key(w, "scope");
    json_u64(w, scope);
    json_object_end(w);
}

void json_scope(struct json_writer *w, const struct scope *s)
{
    json_object_begin(w);
    opt_str(w, "name", s->name);
    opt_str(w, "version", s->version);
    if (s->attrs.n != 0) {
        put_attrs(w, "attributes", s->attrs);
    }
    json_object_end(w);
}

void json_pattern_id(struct json_writer *w, uint64_t id)
{
    uint8_t bytes[PATTERN_ID_SIZE];
    char hex[2 * PATTERN_ID_SIZE + 1];

    pattern_id_bytes(id, bytes);
    hex_encode(bytes, sizeof(bytes), hex);
    json_cstr(w, hex);
}

void json_log(struct json_writer *w, const struct log_record *r, uint64_t id)
{
    json_object_begin(w);
    json_log_members(w, r, id);
    json_object_end(w);
}

void json_log_members(struct json_writer *w, const struct log_record *r, uint64_t id)
{
    json_key(w, "id");
    json_i64_str(w, (int64_t)id);
    put_ns(w, "time_ns", r->time_ns);
    if (r->observed_ns != 0) {
        put_ns(w, "observed_ns", r->observed_ns);
    }
    put_ns(w, "arrival_ns", r->arrival_ns);
    json_key(w, "severity_number");
    json_u64(w, r->severity);
    json_key(w, "severity");
    json_cstr(w, severity_level_name(severity_level_of(r->severity)));
    opt_str(w, "severity_text", r->severity_text);
    json_key(w, "body");
    json_value(w, &r->body);
    opt_str(w, "event_name", r->event_name);
    if (r->pattern != 0) {
        json_key(w, "pattern_id");
        json_pattern_id(w, r->pattern);
    }
    json_key(w, "service");
    json_str(w, service_of(r->resource));
    json_trace_id(w, "trace_id", r->trace_id);
    json_span_id(w, "span_id", r->span_id);
    opt_u32(w, "flags", r->flags);
    put_attrs(w, "attributes", r->attrs);
    opt_u32(w, "dropped_attributes", r->dropped_attrs);
    put_attrs(w, "resource", r->resource->attrs);
    json_key(w, "scope");
    json_scope(w, r->scope);
}
