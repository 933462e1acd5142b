/* SPDX-License-Identifier: Apache-2.0
 *
 * ExportLogsServiceRequest (logs/v1) into the log store. A record is never refused for what it lacks: a
 * missing time becomes the observed or the arrival time, an unknown trace id is left out.
 */
#include "codec/utf8.h"
#include "ingest/log_sink.h"
#include "ingest/otlp_internal.h"

/* Names seen in the wild, to the lowest number of their range (OpenTelemetry log data model, appendix B). */
uint8_t ingest_severity(struct str text)
{
    static const struct {
        struct str name;
        uint8_t number;
    } NAMES[] = {
        {{"TRACE", 5}, 1},        {{"FINEST", 6}, 1},
        {{"FINER", 5}, 1},        {{"VERBOSE", 7}, 1},
        {{"DEBUG", 5}, 5},        {{"FINE", 4}, 5},
        {{"DBG", 3}, 5},          {{"INFO", 4}, 9},
        {{"INFORMATION", 11}, 9}, {{"INFORMATIONAL", 13}, 9},
        {{"NOTICE", 6}, 10},      {{"WARN", 4}, 13},
        {{"WARNING", 7}, 13},     {{"ERROR", 5}, 17},
        {{"ERR", 3}, 17},         {{"SEVERE", 6}, 17},
        {{"CRITICAL", 8}, 18},    {{"CRIT", 4}, 18},
        {{"ALERT", 5}, 19},       {{"FATAL", 5}, 21},
        {{"EMERG", 5}, 21},       {{"EMERGENCY", 9}, 21},
        {{"PANIC", 5}, 21},
    };

    text = str_trim(text);
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        if (str_eq_nocase(text, NAMES[i].name)) {
            return NAMES[i].number;
        }
    }
    return 0;
}

static int decode_body(struct otlp_ctx *c, struct pb msg, struct value *ret, struct err *reterr)
{
    struct pb scan = msg;
    struct pb_field f;
    int rc;

    /* The usual body is one string with a limit of its own. */
    if (pb_next(&scan, &f, NULL) > 0 && scan.p == scan.end && f.tag == PB_TAG(1, PB_LEN)) {
        ret->type = VALUE_STR;
        rc = otlp_text(c, f.s, &ret->u.s, reterr);
        if (rc == 0 && ret->u.s.n > c->limits->max_body_bytes) {
            ret->u.s = utf8_cut(ret->u.s, c->limits->max_body_bytes);
            c->altered[ALTER_BODY_CUT]++;
        }
        return rc;
    }
    return otlp_value(c, msg, 0, ret, reterr);
}

struct log_raw {
    struct str trace_id, span_id;
    uint64_t time, observed;
    size_t attrs_n;
};

static int scan_log(struct otlp_ctx *c, struct pb msg, struct log_record *l, struct log_raw *r,
                    struct err *reterr)
{
    struct pb_field f;
    int rc;

    while ((rc = pb_next(&msg, &f, reterr)) > 0) {
        switch (f.tag) {
        case PB_TAG(1, PB_FIXED64):
            r->time = f.u;
            break;
        case PB_TAG(2, PB_VARINT):
            l->severity = f.u <= 24 ? (uint8_t)f.u : 0;
            break;
        case PB_TAG(3, PB_LEN):
            rc = otlp_text(c, f.s, &l->severity_text, reterr);
            break;
        case PB_TAG(5, PB_LEN):
            rc = decode_body(c, pb_sub(&msg, f.s), &l->body, reterr);
            break;
        case PB_TAG(6, PB_LEN):
            r->attrs_n++;
            break;
        case PB_TAG(7, PB_VARINT):
            l->dropped_attrs = (uint32_t)f.u;
            break;
        case PB_TAG(8, PB_FIXED32):
            l->flags = (uint32_t)f.u;
            break;
        case PB_TAG(9, PB_LEN):
            r->trace_id = f.s;
            break;
        case PB_TAG(10, PB_LEN):
            r->span_id = f.s;
            break;
        case PB_TAG(11, PB_FIXED64):
            r->observed = f.u;
            break;
        case PB_TAG(12, PB_LEN):
            rc = otlp_text(c, f.s, &l->event_name, reterr);
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

static void set_ids(struct otlp_ctx *c, const struct log_raw *r, struct log_record *l)
{
    bool trace_ok = r->trace_id.n == TRACE_ID_SIZE || r->trace_id.n == 0;
    bool span_ok = r->span_id.n == SPAN_ID_SIZE || r->span_id.n == 0;

    c->altered[ALTER_TRACE_ID] += !trace_ok || !span_ok;
    if (trace_ok && r->trace_id.n != 0) {
        memcpy(l->trace_id.b, r->trace_id.p, TRACE_ID_SIZE);
    }
    if (span_ok && r->span_id.n != 0) {
        memcpy(l->span_id.b, r->span_id.p, SPAN_ID_SIZE);
    }
}

static int decode_log(struct otlp_ctx *c, struct pb msg, struct log_record *l, struct err *reterr)
{
    struct log_raw r = {0};
    int rc = scan_log(c, msg, l, &r, reterr);

    if (rc < 0) {
        return rc;
    }
    if (!otlp_time(r.time, &l->time_ns) || !otlp_time(r.observed, &l->observed_ns)) {
        otlp_reject(c, REJECT_TIME, 1, "time is beyond the year 2262");
        return 0;
    }
    if (l->time_ns == 0) {
        c->altered[ALTER_TIME] += l->observed_ns == 0;
        l->time_ns = l->observed_ns != 0 ? l->observed_ns : l->arrival_ns;
    }
    if (l->severity == 0 && l->severity_text.n != 0) {
        l->severity = ingest_severity(l->severity_text);
    }
    set_ids(c, &r, l);
    if (r.attrs_n != 0) {
        rc = otlp_attrs(c, msg, PB_TAG(6, PB_LEN), r.attrs_n, &l->attrs, &l->dropped_attrs, reterr);
    }
    return rc < 0 ? rc : 1;
}

struct decode {
    struct log_record *v;
    size_t n;
};

static int decode_item(struct otlp_ctx *c, void *arg, struct pb item,
                       const struct otlp_origin *from, struct err *reterr)
{
    struct decode *d = arg;
    struct log_record *l = &d->v[d->n];
    int rc;

    *l = (struct log_record){
        .resource = from->resource, .scope = from->scope, .arrival_ns = c->req->arrival_ns};
    rc = decode_log(c, item, l, reterr);
    if (rc > 0) {
        c->newest_ns = l->time_ns > c->newest_ns ? l->time_ns : c->newest_ns;
        d->n++;
    }
    return rc < 0 ? rc : 0;
}

int otlp_logs(struct otlp_ctx *c, struct str body, struct err *reterr)
{
    struct columns_commit done = {0};
    struct log_batch batch;
    struct decode d = {0};
    size_t n;
    int rc = otlp_count_items(c, body, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    d.v = arena_array(c->arena, struct log_record, n + 1);
    if (d.v == NULL) {
        return otlp_no_memory(reterr);
    }
    rc = otlp_each_item(c, body, decode_item, &d, reterr);
    if (rc < 0 || d.n == 0) {
        return rc;
    }
    batch = (struct log_batch){.v = d.v, .n = d.n, .arena = c->arena, .door = c->req->door};
    rc = log_sink_append(c->o->sink, &batch, &done, reterr);
    if (rc < 0) {
        return rc;
    }
    otlp_rows_done(c, &done, "log records");
    return 0;
}
