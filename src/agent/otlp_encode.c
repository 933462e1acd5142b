/* SPDX-License-Identifier: Apache-2.0
 *
 * A message is opened with one byte kept for its length; a longer length moves the content on close. The
 * writer nests at most OTLP_DEPTH deep, which the callers' fixed shapes never reach.
 */
#include "agent/otlp_encode.h"

#include <stdlib.h>

#include "codec/utf8.h"

enum wire { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES };

void otlp_writer_init(struct otlp_writer *w, struct buf *dst)
{
    *w = (struct otlp_writer){.dst = dst};
}

static size_t put_varint(char *p, uint64_t v)
{
    size_t n = 0;

    while (v >= 0x80) {
        p[n++] = (char)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (char)v;
    return n;
}

static void add_varint(struct buf *b, uint64_t v)
{
    char tmp[10];

    buf_add(b, tmp, put_varint(tmp, v));
}

static void add_key(struct otlp_writer *w, uint32_t field, enum wire wire)
{
    add_varint(w->dst, (uint64_t)field << 3 | (uint64_t)wire);
}

void otlp_begin(struct otlp_writer *w, uint32_t field)
{
    if (w->depth == OTLP_DEPTH) {
        abort(); /* a mistake in this program, not in its input */
    }
    add_key(w, field, WIRE_BYTES);
    buf_add_byte(w->dst, 0);
    w->open[w->depth++] = w->dst->n;
}

void otlp_end(struct otlp_writer *w)
{
    struct buf *b = w->dst;
    size_t start = w->open[--w->depth];
    char tmp[10];
    size_t size;
    size_t n;

    if (b->failed) {
        return;
    }
    size = b->n - start;
    n = put_varint(tmp, size);
    if (n > 1) {
        if (buf_reserve(b, n - 1) == NULL) {
            return;
        }
        memmove(b->data + start + n - 1, b->data + start, size);
        b->n += n - 1;
    }
    memcpy(b->data + start - 1, tmp, n);
}

void otlp_varint(struct otlp_writer *w, uint32_t field, uint64_t v)
{
    add_key(w, field, WIRE_VARINT);
    add_varint(w->dst, v);
}

void otlp_fixed64(struct otlp_writer *w, uint32_t field, uint64_t v)
{
    unsigned char tmp[8];

    for (size_t i = 0; i < 8; i++) {
        tmp[i] = (unsigned char)(v >> (8 * i));
    }
    add_key(w, field, WIRE_FIXED64);
    buf_add(w->dst, tmp, sizeof(tmp));
}

void otlp_double(struct otlp_writer *w, uint32_t field, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof(bits));
    otlp_fixed64(w, field, bits);
}

void otlp_bytes(struct otlp_writer *w, uint32_t field, const void *p, size_t n)
{
    add_key(w, field, WIRE_BYTES);
    add_varint(w->dst, n);
    buf_add(w->dst, p, n);
}

void otlp_text(struct otlp_writer *w, uint32_t field, struct str s)
{
    if (str_is_utf8(s)) {
        otlp_bytes(w, field, s.p, s.n);
        return;
    }
    otlp_begin(w, field);
    while (s.n != 0) {
        size_t n = utf8_sequence(s.p, s.n);

        if (n == 0) {
            buf_add_cstr(w->dst, "\xef\xbf\xbd");
            n = 1;
        } else {
            buf_add(w->dst, s.p, n);
        }
        s = str_drop(s, n);
    }
    otlp_end(w);
}

static void add_value(struct otlp_writer *w, uint32_t field, const struct value *v)
{
    otlp_begin(w, field);
    switch (v->type) {
    case VALUE_STR:
        otlp_text(w, 1, v->u.s);
        break;
    case VALUE_BOOL:
        otlp_varint(w, 2, v->u.b);
        break;
    case VALUE_I64:
        otlp_varint(w, 3, (uint64_t)v->u.i);
        break;
    case VALUE_F64:
        otlp_double(w, 4, v->u.f);
        break;
    default:
        break;
    }
    otlp_end(w);
}

void otlp_attrs(struct otlp_writer *w, uint32_t field, const struct attr *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        otlp_begin(w, field);
        otlp_text(w, 1, v[i].key);
        add_value(w, 2, &v[i].value);
        otlp_end(w);
    }
}

void otlp_resource_begin(struct otlp_writer *w, const struct attr *v, size_t n, struct str scope,
                         struct str version)
{
    otlp_begin(w, 1); /* resource_metrics, resource_logs */
    otlp_begin(w, 1); /* resource */
    otlp_attrs(w, 1, v, n);
    otlp_end(w);
    otlp_begin(w, 2); /* scope_metrics, scope_logs */
    otlp_begin(w, 1); /* scope */
    otlp_text(w, 1, scope);
    otlp_text(w, 2, version);
    otlp_end(w);
}

void otlp_resource_end(struct otlp_writer *w)
{
    otlp_end(w);
    otlp_end(w);
}

void otlp_metric_begin(struct otlp_writer *w, const struct metric_def *def)
{
    otlp_begin(w, 2);
    otlp_text(w, 1, str_cstr(def->name));
    otlp_text(w, 2, str_cstr(def->help));
    otlp_text(w, 3, str_cstr(def->unit));
    otlp_begin(w, def->kind == METRIC_GAUGE ? 5 : 7);
    if (def->kind != METRIC_GAUGE) {
        otlp_varint(w, 2, 2); /* AGGREGATION_TEMPORALITY_CUMULATIVE */
        if (def->kind == METRIC_COUNTER) {
            otlp_varint(w, 3, 1);
        }
    }
}

void otlp_metric_end(struct otlp_writer *w)
{
    otlp_end(w);
    otlp_end(w);
}

static void point_begin(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n)
{
    otlp_begin(w, 1);
    otlp_attrs(w, 7, v, n);
    if (t.start_ns != 0) {
        otlp_fixed64(w, 2, t.start_ns);
    }
    otlp_fixed64(w, 3, t.now_ns);
}

void otlp_point_i64(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n,
                    int64_t value)
{
    point_begin(w, t, v, n);
    otlp_fixed64(w, 6, (uint64_t)value);
    otlp_end(w);
}

void otlp_point_f64(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n,
                    double value)
{
    point_begin(w, t, v, n);
    otlp_double(w, 4, value);
    otlp_end(w);
}

void otlp_point_gone(struct otlp_writer *w, struct metric_time t, const struct attr *v, size_t n)
{
    point_begin(w, t, v, n);
    otlp_varint(w, 8, 1);
    otlp_end(w);
}

void otlp_log(struct otlp_writer *w, const struct log_record *r)
{
    otlp_begin(w, 2);
    otlp_fixed64(w, 1, (uint64_t)r->time_ns);
    if (r->severity != 0) {
        otlp_varint(w, 2, r->severity);
    }
    if (r->severity_text.n != 0) {
        otlp_text(w, 3, r->severity_text);
    }
    add_value(w, 5, &r->body);
    otlp_attrs(w, 6, r->attrs.v, r->attrs.n);
    if (!trace_id_is_zero(r->trace_id)) {
        otlp_bytes(w, 9, r->trace_id.b, TRACE_ID_SIZE);
    }
    if (!span_id_is_zero(r->span_id)) {
        otlp_bytes(w, 10, r->span_id.b, SPAN_ID_SIZE);
    }
    otlp_fixed64(w, 11, (uint64_t)r->observed_ns);
    otlp_end(w);
}
