/* SPDX-License-Identifier: Apache-2.0
 *
 * One OTLP request from bytes to answer: encoding, signal, partial success, counters.
 */
#include "ingest/otlp.h"

#include "base/alloc.h"
#include "codec/json_write.h"
#include "ingest/delta.h"
#include "ingest/delta_native.h"
#include "ingest/otlp_internal.h"
#include "ingest/seen.h"

enum {
    DELTA_SERIES_MAX = 500000,
    DELTA_TTL_MS = 3600 * 1000, /* four times the longest export interval seen in practice */
};

struct otlp *otlp_new(struct sink *sink)
{
    struct otlp *o = mem_xcalloc(1, sizeof(*o));

    o->sink = sink;
    o->works = work_pool_new(sink->metrics, sink->limits.max_decompressed_bytes);
    o->deltas = delta_table_new(DELTA_SERIES_MAX, DELTA_TTL_MS, sink->budget);
    o->native_deltas = delta_native_new(DELTA_SERIES_MAX / 10, DELTA_TTL_MS, sink->budget);
    o->metadata_seen = mem_xcalloc(1, sizeof(*o->metadata_seen));
    return o;
}

void otlp_free(struct otlp *o)
{
    if (o != NULL) {
        work_pool_free(o->works);
        delta_table_free(o->deltas);
        delta_native_free(o->native_deltas);
        mem_free(o->metadata_seen);
        mem_free(o);
    }
}

static enum ingest_signal signal_of(enum otlp_signal s)
{
    static const enum ingest_signal SIGNALS[] = {
        [OTLP_METRICS] = INGEST_METRICS, [OTLP_TRACES] = INGEST_TRACES, [OTLP_LOGS] = INGEST_LOGS};

    return SIGNALS[s];
}

static int decode(struct otlp_ctx *c, struct str body, struct err *reterr)
{
    switch (c->req->signal) {
    case OTLP_METRICS:
        return otlp_metrics(c, body, reterr);
    case OTLP_TRACES:
        return otlp_traces(c, body, reterr);
    case OTLP_LOGS:
        return otlp_logs(c, body, reterr);
    }
    return err_set(reterr, ERR_UNSUPPORTED, "unknown signal");
}

/* The protobuf form of a JSON body is at most about this many times its size: "0," is a double of 8 bytes. */
enum { JSON_TO_PB_FACTOR = 5 };

static int decode_json(struct otlp_ctx *c, struct err *reterr)
{
    struct budget *budget = c->o->sink->budget;
    int64_t reserved = (int64_t)c->req->body.n;
    struct buf pb CLEANUP(buf_done) = {0};
    int rc;

    if (!budget_take(budget, reserved)) {
        return err_set(reterr, ERR_OVERLOAD, "too much data is being decoded, try again");
    }
    buf_init(&pb, c->limits->max_decompressed_bytes * JSON_TO_PB_FACTOR);
    rc = otlp_json_to_pb(c->req->signal, c->req->body, &pb, reterr);
    rc = rc < 0 ? rc : decode(c, buf_str(&pb), reterr);
    budget_give(budget, reserved);
    return rc;
}

static size_t rejected_total(const struct otlp_ctx *c)
{
    size_t n = 0;

    for (size_t i = 0; i < REJECT_COUNT; i++) {
        n += c->rejected[i];
    }
    return n;
}

/* Export...PartialSuccess: rejected_<items> = 1, error_message = 2; in the response's field 1. */
static int respond(const struct otlp_ctx *c, struct buf *dst, struct err *reterr)
{
    static const char *const KEYS[INGEST_SIGNAL_COUNT] = {"rejectedDataPoints", "rejectedSpans",
                                                          "rejectedLogRecords"};
    size_t rejected = rejected_total(c);

    if (c->req->encoding == OTLP_PROTOBUF) {
        if (rejected != 0) {
            size_t at = pb_begin(dst, 1);

            pb_put_varint(dst, 1, rejected);
            pb_put_str(dst, 2, str_cstr(c->first));
            pb_end(dst, at);
        }
    } else {
        struct json_writer w;

        json_init(&w, dst);
        json_object_begin(&w);
        if (rejected != 0) {
            json_key(&w, "partialSuccess");
            json_object_begin(&w);
            json_key(&w, KEYS[c->signal]);
            json_i64_str(&w, (int64_t)rejected);
            json_key(&w, "errorMessage");
            json_cstr(&w, c->first);
            json_object_end(&w);
        }
        json_object_end(&w);
    }
    return dst->failed ? err_set(reterr, ERR_NOMEM, "no memory for the answer") : 0;
}

static void count(const struct otlp_ctx *c, int rc)
{
    struct ingest_stats *s = c->o->sink->stats;

    if (rc == -ERR_INVALID || rc == -ERR_TRUNCATED) {
        ingest_count_rejected(s, c->signal, REJECT_MALFORMED, 1);
        return;
    }
    if (rc < 0) {
        ingest_count_rejected(s, c->signal, REJECT_STORE, 1);
        return;
    }
    ingest_count_accepted(s, c->signal, c->req->door, c->accepted);
    for (size_t i = 0; i < REJECT_COUNT; i++) {
        ingest_count_rejected(s, c->signal, (enum ingest_reject)i, c->rejected[i]);
    }
    for (size_t i = 0; i < ALTER_COUNT; i++) {
        ingest_count_altered(s, c->signal, (enum ingest_alter)i, c->altered[i]);
    }
    if (c->accepted != 0) {
        ingest_note_newest(s, c->signal, c->newest_ns, c->req->arrival_ns);
    }
}

int otlp_export(struct otlp *o, const struct otlp_request *req, struct arena *arena,
                struct buf *response, struct err *reterr)
{
    struct otlp_ctx c = {
        .o = o,
        .req = req,
        .limits = &o->sink->limits,
        .signal = signal_of(req->signal),
        .arena = arena,
        .newest_ns = INT64_MIN,
    };
    int rc;

    if (req->body.n > c.limits->max_decompressed_bytes) {
        rc = err_set(reterr, ERR_TOO_LARGE, "request of %zu bytes, at most %zu are allowed",
                     req->body.n, c.limits->max_decompressed_bytes);
    } else if (req->encoding == OTLP_JSON) {
        rc = decode_json(&c, reterr);
    } else {
        rc = decode(&c, req->body, reterr);
    }
    count(&c, rc);
    return rc < 0 ? rc : respond(&c, response, reterr);
}

void otlp_error_body(enum otlp_encoding enc, const struct err *e, struct buf *dst)
{
    int code = err_grpc_code(-e->code);

    if (enc == OTLP_PROTOBUF) { /* google.rpc.Status */
        pb_put_varint(dst, 1, (uint64_t)code);
        pb_put_str(dst, 2, str_cstr(e->msg));
    } else {
        struct json_writer w;

        json_init(&w, dst);
        json_object_begin(&w);
        json_key(&w, "code");
        json_i64(&w, code);
        json_key(&w, "message");
        json_cstr(&w, e->msg);
        json_object_end(&w);
    }
}
