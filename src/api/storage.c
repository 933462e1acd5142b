/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/storage: what the disk holds, by signal, tier and day, how it grows, and what the disk budget will
 * take next and when; /api/v1/storage/sources: what metrics, jobs and services cost. Thin: store/storage.h computes.
 */
#include <math.h>
#include <stdio.h>

#include "api/api_internal.h"
#include "api/params.h"
#include "store/storage.h"

enum { DAY_TEXT = 16 };

static const int64_t DAY_MS = 86400000;

static void put_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

static void put_text(struct json_writer *w, const char *key, const char *v)
{
    json_key(w, key);
    json_cstr(w, v);
}

/** "2026-01-31" and its start. */
static void put_day(struct json_writer *w, int64_t day)
{
    char text[CLOCK_RFC3339_SIZE];

    clock_format_rfc3339(day * DAY_MS, text);
    text[10] = '\0';
    put_text(w, "day", text);
    put_i64(w, "start_ms", day * DAY_MS);
}

static void write_signal(struct json_writer *w, const char *name, uint64_t bytes, uint64_t rows,
                         int64_t oldest_ms, int64_t newest_ms)
{
    json_object_begin(w);
    put_text(w, "signal", name);
    put_u64(w, "bytes", bytes);
    if (rows != 0) {
        put_u64(w, "rows", rows);
        if (oldest_ms <= newest_ms) {
            put_i64(w, "oldest_ms", oldest_ms);
            put_i64(w, "newest_ms", newest_ms);
        }
    }
    json_object_end(w);
}

static void write_signals(struct json_writer *w, const struct storage_report *r)
{
    const struct store_usage *u = &r->usage;
    int64_t oldest = INT64_MAX;
    int64_t newest = INT64_MIN;

    for (int i = 0; i < TSDB_TIERS; i++) {
        oldest = r->tiers[i].oldest_ms < oldest ? r->tiers[i].oldest_ms : oldest;
        newest = r->tiers[i].newest_ms > newest ? r->tiers[i].newest_ms : newest;
    }
    json_key(w, "signals");
    json_array_begin(w);
    write_signal(w, "metrics", u->metrics_bytes, r->tiers[TSDB_RAW].points, oldest, newest);
    write_signal(w, "traces", u->spans_bytes, r->spans.rows, r->spans.oldest_ns / 1000000,
                 r->spans.newest_ns / 1000000);
    write_signal(w, "logs", u->logs_bytes, r->logs.rows, r->logs.oldest_ns / 1000000,
                 r->logs.newest_ns / 1000000);
    write_signal(w, "transactions", u->transactions_bytes, r->transactions.rows,
                 r->transactions.oldest_ns / 1000000, r->transactions.newest_ns / 1000000);
    write_signal(w, "meta", u->meta_bytes, 0, 0, 0);
    write_signal(w, "wal", u->wal_bytes, 0, 0, 0);
    json_array_end(w);
}

/** When the tier loses its oldest day, and how far back it will go. */
static void write_outlook(struct json_writer *w, const struct storage_outlook *o)
{
    if (!isinf(o->days_left)) {
        json_key(w, "days_left");
        json_f64(w, round(o->days_left * 100) / 100);
        put_text(w, "goes_by", o->by_budget ? "budget" : "retention");
    }
    if (o->reach_days > 0 && !isinf(o->reach_days)) {
        json_key(w, "reach_days");
        json_f64(w, round(o->reach_days * 10) / 10);
    }
}

static void write_tiers(struct json_writer *w, const struct storage_report *r)
{
    json_key(w, "tiers");
    json_array_begin(w);
    for (int i = 0; i < TSDB_TIERS; i++) {
        const struct tsdb_tier *t = &r->tiers[i];

        json_object_begin(w);
        put_text(w, "tier", t->name);
        put_i64(w, "resolution_ms", t->resolution_ms);
        put_i64(w, "retention_ms", t->retention_ms);
        put_u64(w, "bytes", t->bytes);
        put_u64(w, "points", t->points);
        put_u64(w, "parts", t->parts);
        if (t->parts != 0 && t->points != 0) {
            json_key(w, "bytes_per_point");
            json_f64(w, round(1000 * (double)t->bytes / (double)t->points) / 1000);
        }
        if (t->oldest_ms <= t->newest_ms) {
            put_i64(w, "oldest_ms", t->oldest_ms);
            put_i64(w, "newest_ms", t->newest_ms);
        }
        write_outlook(w, &r->outlook[i]);
        json_object_end(w);
    }
    json_array_end(w);
}

/** One member for each thing that takes room. */
static void write_parts_of_day(struct json_writer *w, const uint64_t tiers[TSDB_TIERS],
                               uint64_t spans, uint64_t logs, uint64_t transactions)
{
    static const char *const KEYS[TSDB_TIERS] = {"metrics_raw", "metrics_1m", "metrics_5m",
                                                 "metrics_1h"};

    for (int i = 0; i < TSDB_TIERS; i++) {
        put_u64(w, KEYS[i], tiers[i]);
    }
    put_u64(w, "traces", spans);
    put_u64(w, "logs", logs);
    put_u64(w, "transactions", transactions);
}

static void write_days(struct json_writer *w, const struct storage_report *r)
{
    json_key(w, "days");
    json_array_begin(w);
    for (size_t i = 0; i < r->days_n; i++) {
        const struct storage_day *d = &r->days[i];

        json_object_begin(w);
        put_day(w, d->day);
        write_parts_of_day(w, d->tiers, d->spans, d->logs, d->transactions);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "growth");
    json_object_begin(w);
    put_u64(w, "bytes_per_day", r->growth.total);
    put_u64(w, "days_measured", r->growth.days);
    write_parts_of_day(w, r->growth.tiers, r->growth.spans, r->growth.logs, r->growth.transactions);
    json_object_end(w);
}

static void write_reason(struct json_writer *w, const struct storage_report *r)
{
    char text[STORAGE_TEXT];
    const char *limit = r->limited_by_disk ? "the file system less storage.min_free"
                                           : "the disk budget storage.max_size";

    if (r->growth.total == 0) {
        snprintf(text, sizeof(text), "nothing has come in yet that could be measured");
    } else if (isinf(r->days_left)) {
        snprintf(text, sizeof(text), "retention holds the data below %s", limit);
    } else if (r->growth.days == 0) {
        snprintf(text, sizeof(text),
                 "at the rate of the data so far (less than a day) %s is reached", limit);
    } else {
        snprintf(text, sizeof(text), "at the rate of the last %u complete days %s is reached",
                 r->growth.days, limit);
    }
    put_text(w, "reason", text);
}

static void write_forecast(struct json_writer *w, const struct storage_report *r)
{
    json_key(w, "forecast");
    json_object_begin(w);
    put_u64(w, "limit_bytes", r->limit_bytes);
    put_text(w, "limited_by", r->limited_by_disk ? "disk" : "budget");
    if (isinf(r->days_left)) {
        put_u64(w, "levels_at_bytes", r->levels_at);
    } else {
        json_key(w, "days_left");
        json_f64(w, round(r->days_left * 100) / 100);
        put_i64(w, "full_ms", clock_wall_ms() + (int64_t)(r->days_left * (double)DAY_MS));
    }
    write_reason(w, r);
    if (r->next.signal != NULL) {
        json_key(w, "next");
        json_object_begin(w);
        put_text(w, "signal", r->next.signal);
        if (r->next.tier[0] != '\0') {
            put_text(w, "tier", r->next.tier);
        }
        put_day(w, r->next.day);
        put_u64(w, "bytes", r->next.bytes);
        put_text(w, "reason", r->next.reason);
        json_object_end(w);
    }
    json_object_end(w);
}

/* What each signal may keep. */
static void write_limits(struct json_writer *w, const struct store_usage *u)
{
    static const char *const NAMES[STORE_SIGNALS] = {"metrics", "traces", "logs", "transactions"};

    json_key(w, "limits");
    json_array_begin(w);
    for (int i = 0; i < STORE_SIGNALS; i++) {
        const struct store_signal_limits *l = &u->signals[i];

        json_object_begin(w);
        put_text(w, "signal", NAMES[i]);
        put_i64(w, "retention_ms", l->retention_ms);
        put_u64(w, "share_percent", l->share);
        if (l->max_bytes != 0) {
            put_u64(w, "max_bytes", l->max_bytes);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void storage(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct storage_report r;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = storage_report(backend->store, http_arena(x), &r, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    put_i64(&w, "now_ms", clock_wall_ms());
    put_text(&w, "path", store_dir(backend->store));
    write_limits(&w, &r.usage);
    put_u64(&w, "used_bytes", r.usage.total_bytes);
    put_u64(&w, "free_bytes", r.usage.free_bytes);
    put_u64(&w, "min_free_bytes", r.min_free_bytes);
    put_u64(&w, "budget_bytes", r.usage.budget_bytes);
    put_i64(&w, "retention_ms", r.usage.retention_ms);
    write_signals(&w, &r);
    write_tiers(&w, &r);
    write_days(&w, &r);
    write_forecast(&w, &r);
    json_key(&w, "jobs");
    status_write_jobs(&w, backend->store);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void write_sources(struct json_writer *w, const struct tsdb_sources *s)
{
    uint64_t rest = s->bytes;

    if (s->parts != 0) {
        put_day(w, s->day);
    }
    put_u64(w, "parts", s->parts);
    put_u64(w, "bytes", s->bytes);
    put_u64(w, "distinct", s->distinct);
    json_key(w, "sources");
    json_array_begin(w);
    for (size_t i = 0; i < s->top_n; i++) {
        json_object_begin(w);
        json_key(w, "name");
        json_str(w, s->top[i].name);
        put_u64(w, "series", s->top[i].series);
        put_u64(w, "bytes", s->top[i].bytes);
        json_object_end(w);
        rest -= s->top[i].bytes;
    }
    json_array_end(w);
    put_u64(w, "other_bytes", rest);
}

static void write_services(struct json_writer *w, const struct storage_services *s)
{
    uint64_t rest = s->bytes;

    put_u64(w, "bytes", s->bytes);
    put_u64(w, "distinct", s->distinct);
    json_key(w, "sources");
    json_array_begin(w);
    for (size_t i = 0; i < s->n; i++) {
        json_object_begin(w);
        json_key(w, "name");
        json_str(w, s->v[i].name);
        put_u64(w, "rows", s->v[i].rows);
        put_u64(w, "bytes", s->v[i].bytes);
        json_object_end(w);
        rest -= s->v[i].bytes < rest ? s->v[i].bytes : rest;
    }
    json_array_end(w);
    put_u64(w, "other_bytes", s->n < s->distinct ? rest : 0);
}

/** The label of metrics, or "service" of traces and logs. */
static int sources_by(struct http_exchange *x, struct str signal, struct str *ret, struct err *e)
{
    struct str by = http_param(x, "by");

    if (str_eq(signal, STR("metrics"))) {
        *ret = by.n == 0 || str_eq(by, STR("metric")) ? STR(LABEL_NAME) : by;
        return 0;
    }
    *ret = STR("service");
    if (!str_eq(signal, STR("traces")) && !str_eq(signal, STR("logs"))) {
        return err_set(e, ERR_INVALID, "signal must be metrics, traces or logs");
    }
    return by.n == 0 || str_eq(by, *ret)
               ? 0
               : err_set(e, ERR_INVALID, "traces and logs are told apart by service only");
}

static void sources(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct str signal = http_param(x, "signal");
    struct storage_services services = {0};
    struct tsdb_sources metrics = {0};
    struct json_writer w;
    struct err e = {0};
    struct str by;
    struct buf b;
    int64_t limit;
    bool columns;
    int rc = param_i64(x, "limit", 1, 1000, 50, &limit, &e);

    signal = signal.n == 0 ? STR("metrics") : signal;
    rc = rc < 0 ? rc : sources_by(x, signal, &by, &e);
    columns = rc == 0 && !str_eq(signal, STR("metrics"));
    if (columns) {
        rc = storage_services(backend->store, str_eq(signal, STR("traces")), (size_t)limit,
                              http_cancel(x), http_arena(x), &services, &e);
    } else if (rc == 0) {
        rc = tsdb_sources(store_metrics(backend->store), by, (size_t)limit, http_cancel(x),
                          http_arena(x), &metrics, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "signal");
    json_str(&w, signal);
    json_key(&w, "by");
    json_str(&w, by);
    if (columns) {
        write_services(&w, &services);
    } else {
        write_sources(&w, &metrics);
    }
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void storage_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/storage", storage, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/storage/sources", sources, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
