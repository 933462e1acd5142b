/* SPDX-License-Identifier: Apache-2.0
 *
 * The sink of tail.c: a line is looked at for its level, time and trace on its way into the batch. Between two looks the
 * batch is empty.
 */
#include "agent/log_export.h"

#include <time.h>

#include "agent/log_line.h"
#include "base/clock.h"

enum { RECORD_MAX = 1 << 20, ROTATED_MS = 10000, RECORD_WAIT_MS = 2000 };

struct log_export {
    struct log_batch batch;
    struct tail *tail;
    int64_t utc_offset_s;
    int64_t now_ns; /* of this look */
};

/* The host's time zone now: mktime() reads the UTC fields as local time. */
static int64_t utc_offset_s(void)
{
    int64_t now = clock_wall_ms() / 1000;
    int64_t day = now / 86400;
    struct tm tm = {.tm_year = 70, .tm_mon = 0, .tm_mday = (int)day + 1, .tm_isdst = -1};
    time_t local;

    tm.tm_hour = (int)(now % 86400 / 3600);
    tm.tm_min = (int)(now % 3600 / 60);
    tm.tm_sec = (int)(now % 60);
    local = mktime(&tm);
    return local != (time_t)-1 ? now - (int64_t)local : 0;
}

static bool on_record(void *ctx, const struct tail_record *r)
{
    struct log_export *l = ctx;
    const struct attr attrs[] = {attr_cstr("log.file.path", r->path),
                                 attr_str("log.file.name", r->name)};
    const struct log_line_opts opts = {
        .with_time = log_source_timestamp(r->source) == LOG_TIME_AUTO,
        .utc_offset_s = l->utc_offset_s,
    };
    struct log_record rec = {.observed_ns = l->now_ns, .attrs = {attrs, ARRAY_LEN(attrs)}};
    struct log_meta meta;

    log_line_inspect(r->text, &opts, &meta);
    rec.time_ns = meta.time_ns != 0 ? meta.time_ns : l->now_ns;
    rec.severity = meta.severity;
    rec.severity_text = meta.severity_text;
    rec.trace_id = meta.trace_id;
    rec.span_id = meta.span_id;
    rec.body = (struct value){.type = VALUE_STR, .u.s = r->text};
    return log_batch_add(&l->batch, r->service, &rec);
}

static bool on_flush(void *ctx, log_marks *marks)
{
    struct log_export *l = ctx;

    return log_batch_flush(&l->batch, marks);
}

static bool on_full(void *ctx)
{
    struct log_export *l = ctx;

    return log_batch_blocked(&l->batch);
}

int log_export_new(const struct log_export_opts *opts, struct log_export **ret, struct err *reterr)
{
    struct log_export *l = mem_xcalloc(1, sizeof(*l));
    const struct tail_opts t = {
        .vfs = vfs_real(),
        .positions_path = opts->positions_path,
        .root = opts->root,
        .sink = {l, on_record, on_flush, on_full},
        .max_record = RECORD_MAX,
        .rotated_ms = ROTATED_MS,
        .record_wait_ms = RECORD_WAIT_MS,
    };
    int rc;

    log_batch_init(&l->batch, &opts->batch);
    rc = tail_new(&t, &l->tail, reterr);
    if (rc < 0) {
        log_export_free(l);
        return rc;
    }
    *ret = l;
    return 0;
}

void log_export_free(struct log_export *l)
{
    if (l == NULL) {
        return;
    }
    tail_free(l->tail);
    log_batch_done(&l->batch);
    mem_free(l);
}

struct tail *log_export_tail(struct log_export *l)
{
    return l->tail;
}

void log_export_poll(struct log_export *l, bool search)
{
    l->now_ns = clock_wall_ns();
    l->utc_offset_s = utc_offset_s();
    tail_poll(l->tail, search);
}
