/* SPDX-License-Identifier: Apache-2.0
 *
 * The encoder is empty between two batches; a buffer that grew is given back.
 */
#include "agent/log_batch.h"

enum {
    BATCH_RECORDS = 1000,
    BATCH_BYTES = 1 << 20,
    REQUEST_MAX = 16 << 20,
    KEEP_BYTES = 256 << 10,
};

void log_batch_clear(struct log_batch *b)
{
    if (b->encoded.cap > KEEP_BYTES) {
        buf_done(&b->encoded);
        buf_init(&b->encoded, REQUEST_MAX);
    }
    buf_clear(&b->encoded);
    otlp_writer_init(&b->w, &b->encoded);
    b->records = 0;
    b->bytes = 0;
    b->service[0] = '\0';
}

void log_batch_init(struct log_batch *b, const struct log_batch_opts *opts)
{
    *b = (struct log_batch){.opts = *opts};
    buf_init(&b->encoded, REQUEST_MAX);
    log_batch_clear(b);
}

void log_batch_done(struct log_batch *b)
{
    buf_done(&b->encoded);
}

static void open_service(struct log_batch *b, struct str service)
{
    struct attr attrs[IDENTITY_ATTRS];
    size_t n = service.n < LOG_BATCH_SERVICE_MAX ? service.n : LOG_BATCH_SERVICE_MAX;

    if (b->service[0] != '\0' && str_eq(str_cstr(b->service), str_take(service, n))) {
        return;
    }
    if (b->service[0] != '\0') {
        otlp_resource_end(&b->w);
    }
    memcpy(b->service, service.p, n);
    b->service[n] = '\0';
    n = identity_attrs(b->opts.identity, b->service, NULL, attrs);
    otlp_resource_begin(&b->w, attrs, n, STR("bongsu-agent"), str_cstr(b->opts.version));
}

bool log_batch_add(struct log_batch *b, struct str service, const struct log_record *r)
{
    open_service(b, service.n != 0 ? service : STR("unknown"));
    otlp_log(&b->w, r);
    b->records++;
    b->bytes += r->body.type == VALUE_STR ? r->body.u.s.n : 0;
    return b->records >= BATCH_RECORDS || b->bytes >= BATCH_BYTES;
}

bool log_batch_flush(struct log_batch *b, log_marks *marks)
{
    bool ok;

    if (b->records != 0) {
        otlp_resource_end(&b->w);
    }
    ok = buf_status(&b->encoded) == 0 &&
         b->opts.put(b->opts.ctx, buf_str(&b->encoded), b->records, marks);
    log_batch_clear(b);
    return ok;
}

bool log_batch_blocked(const struct log_batch *b)
{
    return b->opts.full(b->opts.ctx);
}
