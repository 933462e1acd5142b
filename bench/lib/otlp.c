/* SPDX-License-Identifier: Apache-2.0
 *
 * A nested message is written behind one byte of room for its length and moved when it needs more.
 */
#include "otlp.h"

#include <string.h>

#include "codec/pb.h"

static size_t begin(struct buf *b, uint32_t num)
{
    char tag = (char)PB_TAG(num, PB_LEN);

    buf_add_byte(b, tag); /* all field numbers here are below 16 */
    buf_add_byte(b, 0);
    return b->n;
}

static void end(struct buf *b, size_t at)
{
    uint8_t length[VARINT_MAX];
    size_t n = b->n - at;
    size_t more = varint_put(length, n) - 1;

    if (more != 0 && buf_reserve(b, more) != NULL) {
        memmove(b->data + at + more, b->data + at, n);
        b->n += more;
    }
    if (!b->failed)
        memcpy(b->data + at - 1, length, more + 1);
}

static void put_attrs(struct buf *b, uint32_t num, struct attrs as)
{
    for (size_t i = 0; i < as.n; i++) {
        const struct value *v = &as.v[i].value;
        size_t kv = begin(b, num);

        pb_put_str(b, 1, as.v[i].key);
        size_t any = begin(b, 2);
        if (v->type == VALUE_STR)
            pb_put_str(b, 1, v->u.s);
        else if (v->type == VALUE_F64)
            pb_put_f64(b, 4, v->u.f);
        else
            pb_put_varint(b, 3, (uint64_t)v->u.i);
        end(b, any);
        end(b, kv);
    }
}

static void put_resource(struct buf *b, const struct resource *r)
{
    size_t at = begin(b, 1);

    put_attrs(b, 1, r->attrs);
    end(b, at);
}

static size_t begin_scope(struct buf *b, const struct scope *s)
{
    size_t all = begin(b, 2);
    size_t at = begin(b, 1);

    pb_put_str(b, 1, s->name);
    pb_put_str(b, 2, s->version);
    end(b, at);
    return all;
}

static void put_log(struct buf *b, const struct log_record *r)
{
    size_t at = begin(b, 2);

    pb_put_fixed64(b, 1, (uint64_t)r->time_ns);
    pb_put_varint(b, 2, r->severity);
    pb_put_str(b, 3, r->severity_text);
    size_t body = begin(b, 5);
    pb_put_str(b, 1, r->body.u.s);
    end(b, body);
    put_attrs(b, 6, r->attrs);
    if (!trace_id_is_zero(r->trace_id)) {
        pb_put_fixed32(b, 8, r->flags);
        pb_put_str(b, 9, str_of((const char *)r->trace_id.b, TRACE_ID_SIZE));
        pb_put_str(b, 10, str_of((const char *)r->span_id.b, SPAN_ID_SIZE));
    }
    pb_put_fixed64(b, 11, (uint64_t)r->observed_ns);
    end(b, at);
}

static void put_span(struct buf *b, const struct span *s)
{
    size_t at = begin(b, 2);

    pb_put_str(b, 1, str_of((const char *)s->trace_id.b, TRACE_ID_SIZE));
    pb_put_str(b, 2, str_of((const char *)s->span_id.b, SPAN_ID_SIZE));
    if (!span_id_is_zero(s->parent_id))
        pb_put_str(b, 4, str_of((const char *)s->parent_id.b, SPAN_ID_SIZE));
    pb_put_str(b, 5, s->name);
    pb_put_varint(b, 6, s->kind);
    pb_put_fixed64(b, 7, (uint64_t)s->start_ns);
    pb_put_fixed64(b, 8, (uint64_t)s->end_ns);
    put_attrs(b, 9, s->attrs);
    for (size_t i = 0; i < s->events_n; i++) {
        size_t event = begin(b, 11);
        pb_put_fixed64(b, 1, (uint64_t)s->events[i].time_ns);
        pb_put_str(b, 2, s->events[i].name);
        put_attrs(b, 3, s->events[i].attrs);
        end(b, event);
    }
    size_t status = begin(b, 15);
    if (s->status_message.n != 0)
        pb_put_str(b, 2, s->status_message);
    if (s->status != SPAN_STATUS_UNSET)
        pb_put_varint(b, 3, s->status);
    end(b, status);
    pb_put_fixed32(b, 16, s->flags);
    end(b, at);
}

void otlp_put_logs(struct buf *dst, const struct log_record *const *records, size_t n)
{
    size_t all = begin(dst, 1);

    put_resource(dst, records[0]->resource);
    for (size_t i = 0; i < n;) {
        const struct scope *scope = records[i]->scope;
        size_t at = begin_scope(dst, scope);
        for (; i < n && records[i]->scope == scope; i++)
            put_log(dst, records[i]);
        end(dst, at);
    }
    end(dst, all);
}

void otlp_put_spans(struct buf *dst, const struct span *const *spans, size_t n)
{
    size_t all = begin(dst, 1);

    put_resource(dst, spans[0]->resource);
    for (size_t i = 0; i < n;) {
        const struct scope *scope = spans[i]->scope;
        size_t at = begin_scope(dst, scope);
        for (; i < n && spans[i]->scope == scope; i++)
            put_span(dst, spans[i]);
        end(dst, at);
    }
    end(dst, all);
}
