/* SPDX-License-Identifier: Apache-2.0
 *
 * Log search by LogQL: whole records in either direction with cursors, where Loki's own API gives lines of streams.
 */
#include "api/log_query.h"

#include "api/loki.h"
#include "api/otel_json.h"
#include "api/rows.h"

int param_log_query(const struct http_exchange *x, struct logql_query **ret, struct err *reterr)
{
    static const char *const OTHERS[] = {"text", "severity", "service", "trace_id", "attr"};
    struct str text = http_param(x, "query");
    struct logql_query *q = NULL;
    int rc;

    *ret = NULL;
    if (text.n == 0) {
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(OTHERS); i++) {
        if (http_param(x, OTHERS[i]).n != 0) {
            return err_set(reterr, ERR_INVALID, "%s: put it into the query", OTHERS[i]);
        }
    }
    rc = logql_parse(text, &q, reterr);
    if (rc == 0 && logql_kind(q) != LOGQL_LOGS) {
        rc = err_set(reterr, ERR_INVALID,
                     "query: a metric query has no log records; ask /loki/api/v1/query_range");
    }
    if (rc < 0) {
        logql_free(q);
        return rc;
    }
    *ret = q;
    return 0;
}

void json_log_hit(struct json_writer *w, const struct logql_hit *hit)
{
    json_object_begin(w);
    json_log_members(w, hit->record, hit->id);
    if (hit->rewritten) {
        json_key(w, "line");
        json_str(w, hit->line);
    }
    if (hit->parsed.n != 0) {
        json_key(w, "labels");
        loki_write_labels(w, hit->parsed);
    }
    json_object_end(w);
}

struct page {
    struct json_writer w;
    struct buf b;
    size_t n;
    size_t limit;
    struct cursor last;
    bool more;
};

static int write_hit(void *arg, const struct logql_hit *hit)
{
    struct page *p = arg;

    if (p->n == p->limit) {
        p->more = true;
        return 1;
    }
    p->n++;
    p->last = (struct cursor){hit->record->time_ns, hit->id};
    json_log_hit(&p->w, hit);
    return p->b.failed ? -ERR_LIMIT : 0;
}

/* The place to go on from; without one the beginning of the direction asked for. */
static int start_of(struct http_exchange *x, bool *ret_forward, struct cursor *ret,
                    struct err *reterr)
{
    struct str direction = http_param(x, "direction");

    *ret_forward = str_eq(direction, STR("forward"));
    if (direction.n != 0 && !*ret_forward && !str_eq(direction, STR("backward"))) {
        return err_set(reterr, ERR_INVALID, "direction must be forward or backward");
    }
    if (*ret_forward && http_param(x, "cursor").n == 0) {
        *ret = (struct cursor){INT64_MIN, 0};
        return 0;
    }
    return param_cursor(x, ret, reterr);
}

void log_query_search(struct api *a, struct http_exchange *x, struct logql_query *q,
                      struct time_range range, int64_t limit)
{
    struct scan_stats stats = {0};
    struct mono since = clock_mono();
    struct page p = {.limit = (size_t)limit};
    struct logql_ask ask;
    struct cursor from = {0};
    struct err e = {0};
    int rc;

    loki_ask(a, x, &ask);
    ask.start_ns = range.start_ms * 1000000;
    ask.end_ns = range.end_ms * 1000000;
    rc = start_of(x, &ask.forward, &from, &e);
    rc = rc < 0 ? rc : param_pattern_ids(x, http_arena(x), &ask.also, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&p.b, RESPONSE_MAX);
    json_init(&p.w, &p.b);
    json_object_begin(&p.w);
    json_key(&p.w, "logs");
    json_array_begin(&p.w);
    rc = logql_scan(q, &ask, from.before_ns, from.before_id, write_hit, &p, &stats, &e);
    if (rc < 0) {
        buf_done(&p.b);
        respond_err(x, rc, &e);
        return;
    }
    json_array_end(&p.w);
    if (p.more) {
        json_cursor(&p.w, p.last);
    }
    json_scan_stats(&p.w, &stats, since);
    json_object_end(&p.w);
    respond_json(x, 200, &p.b);
}
