/* SPDX-License-Identifier: Apache-2.0
 *
 * ExportTraceServiceRequest (trace/v1) into the span store: one pass counts, one decodes. A span is read
 * twice itself: scalars and counts first, then its attributes, events and links into exact arrays.
 */
#include "ingest/otlp_internal.h"
#include "ingest/span_sink.h"

/* What the first pass over a Span found. */
struct span_raw {
    struct str trace_id, span_id, parent_id;
    uint64_t start, end;
    size_t attrs_n, events_n, links_n;
};

static int decode_status(struct otlp_ctx *c, struct pb msg, struct span *s, struct err *reterr)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(2, PB_LEN)) {
            rc = otlp_text(c, f.s, &s->status_message, reterr);
            if (rc < 0) {
                return rc;
            }
        } else if (f.tag == PB_TAG(3, PB_VARINT)) {
            s->status = f.u < SPAN_STATUS_COUNT ? (uint8_t)f.u : SPAN_STATUS_UNSET;
        }
    }
    return rc;
}

static int scan_span(struct otlp_ctx *c, struct pb msg, struct span *s, struct span_raw *r,
                     struct err *reterr)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_LEN):
            r->trace_id = f.s;
            break;
        case PB_TAG(2, PB_LEN):
            r->span_id = f.s;
            break;
        case PB_TAG(3, PB_LEN):
            rc = otlp_text(c, f.s, &s->trace_state, reterr);
            break;
        case PB_TAG(4, PB_LEN):
            r->parent_id = f.s;
            break;
        case PB_TAG(5, PB_LEN):
            rc = otlp_text(c, f.s, &s->name, reterr);
            break;
        case PB_TAG(6, PB_VARINT):
            s->kind = f.u < SPAN_KIND_COUNT ? (uint8_t)f.u : SPAN_UNSPECIFIED;
            break;
        case PB_TAG(7, PB_FIXED64):
            r->start = f.u;
            break;
        case PB_TAG(8, PB_FIXED64):
            r->end = f.u;
            break;
        case PB_TAG(9, PB_LEN):
            r->attrs_n++;
            break;
        case PB_TAG(10, PB_VARINT):
            s->dropped_attrs = (uint32_t)f.u;
            break;
        case PB_TAG(11, PB_LEN):
            r->events_n++;
            break;
        case PB_TAG(12, PB_VARINT):
            s->dropped_events = (uint32_t)f.u;
            break;
        case PB_TAG(13, PB_LEN):
            r->links_n++;
            break;
        case PB_TAG(14, PB_VARINT):
            s->dropped_links = (uint32_t)f.u;
            break;
        case PB_TAG(15, PB_LEN):
            rc = decode_status(c, pb_sub(&msg, f.s), s, reterr);
            break;
        case PB_TAG(16, PB_FIXED32):
            s->flags = (uint32_t)f.u;
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return rc;
}

static bool is_zero(struct str id)
{
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The specification's demands on one span. @return false after counting the refusal. */
static bool check_span(struct otlp_ctx *c, const struct span_raw *r, struct span *s)
{
    if (r->trace_id.n != TRACE_ID_SIZE || is_zero(r->trace_id)) {
        otlp_reject(c, REJECT_TRACE_ID, 1, "trace_id must be 16 bytes, not all zero (got %zu%s)",
                    r->trace_id.n, r->trace_id.n == TRACE_ID_SIZE ? ", all zero" : "");
        return false;
    }
    if (r->span_id.n != SPAN_ID_SIZE || is_zero(r->span_id)) {
        otlp_reject(c, REJECT_SPAN_ID, 1, "span_id must be 8 bytes, not all zero (got %zu%s)",
                    r->span_id.n, r->span_id.n == SPAN_ID_SIZE ? ", all zero" : "");
        return false;
    }
    if (r->parent_id.n != 0 && r->parent_id.n != SPAN_ID_SIZE) {
        otlp_reject(c, REJECT_SPAN_ID, 1, "parent_span_id must be empty or 8 bytes (got %zu)",
                    r->parent_id.n);
        return false;
    }
    if (r->start == 0 || !otlp_time(r->start, &s->start_ns) || !otlp_time(r->end, &s->end_ns)) {
        otlp_reject(c, REJECT_TIME, 1,
                    r->start == 0 ? "start_time_unix_nano is 0" : "time is beyond the year 2262");
        return false;
    }
    memcpy(s->trace_id.b, r->trace_id.p, TRACE_ID_SIZE);
    memcpy(s->span_id.b, r->span_id.p, SPAN_ID_SIZE);
    if (r->parent_id.n != 0) {
        memcpy(s->parent_id.b, r->parent_id.p, SPAN_ID_SIZE);
    }
    return true;
}

static int decode_event(struct otlp_ctx *c, struct pb msg, struct span_event *ret,
                        struct err *reterr)
{
    struct span_event e = {0};
    struct pb scan = msg;
    struct pb_field f;
    size_t n = 0;
    int rc;

    while ((rc = pb_next(&scan, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_FIXED64):
            e.time_ns = f.u > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)f.u;
            break;
        case PB_TAG(2, PB_LEN):
            rc = otlp_text(c, f.s, &e.name, reterr);
            break;
        case PB_TAG(3, PB_LEN):
            n++;
            break;
        case PB_TAG(4, PB_VARINT):
            e.dropped_attrs = (uint32_t)f.u;
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    rc = rc < 0 ? rc : otlp_attrs(c, msg, PB_TAG(3, PB_LEN), n, &e.attrs, &e.dropped_attrs, reterr);
    *ret = e;
    return rc;
}

/* @return 1; 0 when its ids are invalid: such a link points nowhere and is dropped */
static int decode_link(struct otlp_ctx *c, struct pb msg, struct span_link *ret, struct err *reterr)
{
    struct span_link l = {0};
    struct str trace_id = {0};
    struct str span_id = {0};
    struct pb scan = msg;
    struct pb_field f;
    size_t n = 0;
    int rc;

    while ((rc = pb_next(&scan, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_LEN):
            trace_id = f.s;
            break;
        case PB_TAG(2, PB_LEN):
            span_id = f.s;
            break;
        case PB_TAG(3, PB_LEN):
            rc = otlp_text(c, f.s, &l.trace_state, reterr);
            break;
        case PB_TAG(4, PB_LEN):
            n++;
            break;
        case PB_TAG(5, PB_VARINT):
            l.dropped_attrs = (uint32_t)f.u;
            break;
        case PB_TAG(6, PB_FIXED32):
            l.flags = (uint32_t)f.u;
            break;
        default:
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    if (rc < 0 || trace_id.n != TRACE_ID_SIZE || span_id.n != SPAN_ID_SIZE) {
        return rc;
    }
    memcpy(l.trace_id.b, trace_id.p, TRACE_ID_SIZE);
    memcpy(l.span_id.b, span_id.p, SPAN_ID_SIZE);
    rc = otlp_attrs(c, msg, PB_TAG(4, PB_LEN), n, &l.attrs, &l.dropped_attrs, reterr);
    *ret = l;
    return rc < 0 ? rc : 1;
}

static int decode_events(struct otlp_ctx *c, struct pb msg, size_t n, struct span *s,
                         struct err *reterr)
{
    size_t keep = n < c->limits->max_events ? n : c->limits->max_events;
    struct span_event *v = arena_array(c->arena, struct span_event, keep);
    struct pb_field f;
    int rc = 0;

    if (v == NULL) {
        return otlp_no_memory(reterr);
    }
    while (s->events_n < keep && (rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(11, PB_LEN)) {
            rc = decode_event(c, pb_sub(&msg, f.s), &v[s->events_n++], reterr);
            if (rc < 0) {
                return rc;
            }
        }
    }
    s->events = v;
    s->dropped_events += (uint32_t)(n - keep);
    c->altered[ALTER_EVENTS] += n - keep;
    return rc < 0 ? rc : 0;
}

static int decode_links(struct otlp_ctx *c, struct pb msg, size_t n, struct span *s,
                        struct err *reterr)
{
    size_t keep = n < c->limits->max_links ? n : c->limits->max_links;
    struct span_link *v = arena_array(c->arena, struct span_link, keep);
    struct pb_field f;
    size_t seen = 0;
    int rc = 0;

    if (v == NULL) {
        return otlp_no_memory(reterr);
    }
    while (seen < keep && (rc = pb_next(&msg, &f, reterr)) > 0) {
        if (f.tag == PB_TAG(13, PB_LEN)) {
            rc = decode_link(c, pb_sub(&msg, f.s), &v[s->links_n], reterr);
            if (rc < 0) {
                return rc;
            }
            s->links_n += (size_t)rc;
            seen++;
        }
    }
    s->links = v;
    s->dropped_links += (uint32_t)(n - s->links_n);
    c->altered[ALTER_EVENTS] += n - s->links_n;
    return rc < 0 ? rc : 0;
}

/* @return 1 when *s is a span to store, 0 when it was refused */
static int decode_span(struct otlp_ctx *c, struct pb msg, struct span *s, struct err *reterr)
{
    struct span_raw r = {0};
    int rc = scan_span(c, msg, s, &r, reterr);

    if (rc < 0 || !check_span(c, &r, s)) {
        return rc;
    }
    if (r.attrs_n != 0) {
        rc = otlp_attrs(c, msg, PB_TAG(9, PB_LEN), r.attrs_n, &s->attrs, &s->dropped_attrs, reterr);
    }
    if (rc == 0 && r.events_n != 0) {
        rc = decode_events(c, msg, r.events_n, s, reterr);
    }
    if (rc == 0 && r.links_n != 0) {
        rc = decode_links(c, msg, r.links_n, s, reterr);
    }
    return rc < 0 ? rc : 1;
}

struct decode {
    struct span *v;
    size_t n;
};

static int decode_item(struct otlp_ctx *c, void *arg, struct pb item,
                       const struct otlp_origin *from, struct err *reterr)
{
    struct decode *d = arg;
    struct span *s = &d->v[d->n];
    int rc;

    *s = (struct span){
        .resource = from->resource, .scope = from->scope, .arrival_ns = c->req->arrival_ns};
    rc = decode_span(c, item, s, reterr);
    if (rc > 0) {
        c->newest_ns = s->start_ns > c->newest_ns ? s->start_ns : c->newest_ns;
        d->n++;
    }
    return rc < 0 ? rc : 0;
}

int otlp_traces(struct otlp_ctx *c, struct str body, struct err *reterr)
{
    struct columns_commit done = {0};
    struct span_batch batch;
    struct decode d = {0};
    size_t n;
    int rc = otlp_count_items(c, body, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    d.v = arena_array(c->arena, struct span, n + 1);
    if (d.v == NULL) {
        return otlp_no_memory(reterr);
    }
    rc = otlp_each_item(c, body, decode_item, &d, reterr);
    if (rc < 0 || d.n == 0) {
        return rc;
    }
    batch = (struct span_batch){d.v, d.n, c->arena};
    rc = span_sink_append(c->o->sink, &batch, &done, reterr);
    if (rc < 0) {
        return rc;
    }
    otlp_rows_done(c, &done, "spans");
    return 0;
}
