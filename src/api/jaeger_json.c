/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans to Jaeger's JSON: what Jaeger has no field for becomes tags.
 */
#include "api/jaeger_json.h"

#include "base/err.h"
#include "base/map.h"
#include "codec/base64.h"
#include "model/value_text.h"

static void id_member(struct json_writer *w, const char *key, const uint8_t *id, size_t n)
{
    char hex[2 * TRACE_ID_SIZE + 1];

    hex_encode(id, n, hex);
    json_key(w, key);
    json_cstr(w, hex);
}

static void tag_head(struct json_writer *w, struct str key, const char *type)
{
    json_object_begin(w);
    json_key(w, "key");
    json_str(w, key);
    json_key(w, "type");
    json_cstr(w, type);
    json_key(w, "value");
}

static void text_tag(struct json_writer *w, const char *key, struct str value)
{
    if (value.n != 0) {
        tag_head(w, str_cstr(key), "string");
        json_str(w, value);
        json_object_end(w);
    }
}

static void value_tag(struct json_writer *w, struct str key, const struct value *v)
{
    struct buf text CLEANUP(buf_done) = {0};

    buf_init(&text, 4 << 20);
    switch (v->type) {
    case VALUE_BOOL:
        tag_head(w, key, "bool");
        json_bool(w, v->u.b);
        break;
    case VALUE_I64:
        tag_head(w, key, "int64");
        json_i64(w, v->u.i);
        break;
    case VALUE_F64:
        tag_head(w, key, "float64");
        json_f64(w, v->u.f);
        break;
    case VALUE_BYTES:
        tag_head(w, key, "binary");
        base64_encode(v->u.s, &text);
        json_str(w, buf_str(&text));
        break;
    default: /* arrays and maps as their JSON */
        tag_head(w, key, "string");
        json_str(w, value_text(v, &text));
        break;
    }
    json_object_end(w);
}

static void value_tags(struct json_writer *w, struct attrs as, struct str except)
{
    for (size_t i = 0; i < as.n; i++) {
        if (!str_eq(as.v[i].key, except)) {
            value_tag(w, as.v[i].key, &as.v[i].value);
        }
    }
}

static void write_tags(struct json_writer *w, const struct span *s)
{
    static const char *const CODES[] = {"", "OK", "ERROR"};

    json_key(w, "tags");
    json_array_begin(w);
    value_tags(w, s->attrs, STR("span.kind"));
    if (s->kind != SPAN_UNSPECIFIED) {
        text_tag(w, "span.kind", str_cstr(span_kind_name(s->kind)));
    }
    text_tag(w, "otel.scope.name", s->scope->name);
    text_tag(w, "otel.scope.version", s->scope->version);
    if (s->status == SPAN_STATUS_OK || s->status == SPAN_STATUS_ERROR) {
        text_tag(w, "otel.status_code", str_cstr(CODES[s->status]));
    }
    if (s->status == SPAN_STATUS_ERROR) {
        tag_head(w, STR("error"), "bool");
        json_bool(w, true);
        json_object_end(w);
    }
    text_tag(w, "otel.status_description", s->status_message);
    text_tag(w, "w3c.tracestate", s->trace_state);
    json_array_end(w);
}

static void write_reference(struct json_writer *w, const char *type, struct trace_id trace,
                            struct span_id span)
{
    json_object_begin(w);
    json_key(w, "refType");
    json_cstr(w, type);
    id_member(w, "traceID", trace.b, TRACE_ID_SIZE);
    id_member(w, "spanID", span.b, SPAN_ID_SIZE);
    json_object_end(w);
}

static void write_references(struct json_writer *w, const struct span *s)
{
    json_key(w, "references");
    json_array_begin(w);
    if (!span_id_is_zero(s->parent_id)) {
        write_reference(w, "CHILD_OF", s->trace_id, s->parent_id);
    }
    for (size_t i = 0; i < s->links_n; i++) {
        write_reference(w, "FOLLOWS_FROM", s->links[i].trace_id, s->links[i].span_id);
    }
    json_array_end(w);
}

static void write_logs(struct json_writer *w, const struct span *s)
{
    json_key(w, "logs");
    json_array_begin(w);
    for (size_t i = 0; i < s->events_n; i++) {
        json_object_begin(w);
        json_key(w, "timestamp");
        json_i64(w, s->events[i].time_ns / 1000);
        json_key(w, "fields");
        json_array_begin(w);
        text_tag(w, "event", s->events[i].name);
        value_tags(w, s->events[i].attrs, STR("event"));
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_span(struct json_writer *w, const struct span *s, size_t process)
{
    char id[24];
    struct buf b;

    buf_init(&b, sizeof(id));
    buf_printf(&b, "p%zu", process + 1);
    json_object_begin(w);
    id_member(w, "traceID", s->trace_id.b, TRACE_ID_SIZE);
    id_member(w, "spanID", s->span_id.b, SPAN_ID_SIZE);
    json_key(w, "flags");
    json_u64(w, s->flags & 0xff);
    json_key(w, "operationName");
    json_str(w, s->name);
    write_references(w, s);
    json_key(w, "startTime");
    json_i64(w, s->start_ns / 1000);
    json_key(w, "duration");
    json_i64(w, s->end_ns > s->start_ns ? s->end_ns / 1000 - s->start_ns / 1000 : 0);
    write_tags(w, s);
    write_logs(w, s);
    json_key(w, "processID");
    json_str(w, buf_str(&b));
    json_key(w, "warnings");
    json_null(w);
    json_object_end(w);
    buf_done(&b);
}

static void write_process(struct buf *dst, const struct resource *r)
{
    struct str service = attrs_get_str(r->attrs, STR("service.name"));
    struct json_writer w;

    json_init(&w, dst);
    json_object_begin(&w);
    json_key(&w, "serviceName");
    json_str(&w, service.n != 0 ? service : STR("OTLPResourceNoServiceName"));
    json_key(&w, "tags");
    json_array_begin(&w);
    value_tags(&w, r->attrs, STR("service.name"));
    json_array_end(&w);
    json_object_end(&w);
}

/* Distinct processes by their text. */
struct processes {
    struct map by_text;
    struct str *v;
    size_t n;
    struct buf scratch;
};

static int process_of(struct processes *p, const struct resource *r, struct arena *a, size_t *ret)
{
    struct str *known;

    buf_clear(&p->scratch);
    write_process(&p->scratch, r);
    known = map_get(&p->by_text, buf_str(&p->scratch));
    if (known == NULL) {
        known = &p->v[p->n];
        *known = arena_str_dup(a, buf_str(&p->scratch));
        if (known->p == NULL || map_put(&p->by_text, *known, known) < 0) {
            return -ERR_NOMEM;
        }
        p->n++;
    }
    *ret = (size_t)(known - p->v);
    return p->scratch.failed ? -ERR_NOMEM : 0;
}

int jaeger_write_trace(struct json_writer *w, const struct span *spans, size_t n, struct arena *a)
{
    struct processes p = {.v = arena_array(a, struct str, n)};
    int rc = p.v == NULL ? -ERR_NOMEM : 0;

    buf_init(&p.scratch, 16 << 20);
    json_object_begin(w);
    id_member(w, "traceID", spans[0].trace_id.b, TRACE_ID_SIZE);
    json_key(w, "spans");
    json_array_begin(w);
    for (size_t i = 0; i < n && rc == 0; i++) {
        size_t process = 0;

        rc = process_of(&p, spans[i].resource, a, &process);
        write_span(w, &spans[i], process);
    }
    json_array_end(w);
    json_key(w, "processes");
    json_object_begin(w);
    for (size_t i = 0; i < p.n; i++) {
        struct str key = arena_printf(a, "p%zu", i + 1);

        json_key_str(w, key);
        json_raw(w, p.v[i]);
    }
    json_object_end(w);
    json_key(w, "warnings");
    json_null(w);
    json_object_end(w);
    map_done(&p.by_text);
    buf_done(&p.scratch);
    return rc;
}
