/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/status/server: the program about itself, for the Status page. Figures come from the statistics
 * registry (rates.h) and the engines' own status; nothing is computed for this page alone.
 */
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "api/api_internal.h"

/* One signal of the page and where its figures are. */
static const struct signal {
    const char *name;
    const char *rows_total;     /* counter of accepted rows, by door */
    const char *rejected_label; /* in bongsu_ingest_rejected_total and the lag gauges */
} SIGNALS[] = {
    {"metrics", "bongsu_ingest_samples_total", "signal=\"metrics\""},
    {"traces", "bongsu_ingest_spans_total", "signal=\"traces\""},
    {"logs", "bongsu_ingest_log_records_total", "signal=\"logs\""},
};

static int64_t rss_bytes(void)
{
    char line[128];
    struct str rest = {0};
    struct str field;
    int64_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    if (f != NULL) {
        if (fgets(line, sizeof(line), f) != NULL) {
            rest = str_cstr(line);
        }
        fclose(f);
    }
    /* proc(5): "size resident shared ...", in pages */
    if (!str_split(&rest, ' ', &field) || !str_split(&rest, ' ', &field) ||
        !str_to_i64(field, &pages)) {
        return 0;
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

static void put_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

static void write_subsystem(struct json_writer *w, const char *name, int64_t used, int64_t max)
{
    json_object_begin(w);
    json_key(w, "name");
    json_cstr(w, name);
    put_i64(w, "used_bytes", used);
    if (max != 0) {
        put_i64(w, "max_bytes", max);
    }
    json_object_end(w);
}

/* Everything of the engines that the page needs, read once. */
struct engines {
    struct store_usage usage;
    struct tsdb_status metrics;
    struct columns_status spans;
    struct columns_status logs;
    struct columns_status transactions;
};

static void write_memory(struct json_writer *w, const struct engines *s,
                         const struct budget *memory)
{
    json_key(w, "memory");
    json_object_begin(w);
    put_i64(w, "rss_bytes", rss_bytes());
    json_key(w, "subsystems");
    json_array_begin(w);
    write_subsystem(w, "store", budget_used(memory), memory->max_bytes);
    write_subsystem(w, "metrics head", (int64_t)s->metrics.head_bytes, 0);
    write_subsystem(w, "traces in memory", (int64_t)s->spans.memory_bytes, 0);
    write_subsystem(w, "logs in memory", (int64_t)s->logs.memory_bytes, 0);
    json_array_end(w);
    json_object_end(w);
}

static void write_signal_disk(struct json_writer *w, const char *name, uint64_t bytes,
                              uint64_t rows, int64_t oldest_ms, int64_t newest_ms)
{
    json_object_begin(w);
    json_key(w, "signal");
    json_cstr(w, name);
    put_u64(w, "bytes", bytes);
    if (rows != 0) {
        put_u64(w, "rows", rows);
        put_i64(w, "oldest_ms", oldest_ms);
        put_i64(w, "newest_ms", newest_ms);
    }
    json_object_end(w);
}

static void write_disk(struct json_writer *w, const struct engines *s, const char *path)
{
    const struct store_usage *u = &s->usage;

    json_key(w, "disk");
    json_object_begin(w);
    json_key(w, "path");
    json_cstr(w, path);
    put_u64(w, "used_bytes", u->total_bytes);
    put_u64(w, "free_bytes", u->free_bytes);
    if (u->budget_bytes != 0) {
        put_u64(w, "budget_bytes", u->budget_bytes);
    }
    put_i64(w, "retention_ms", u->retention_ms);
    put_u64(w, "wal_bytes", u->wal_bytes);
    json_key(w, "signals");
    json_array_begin(w);
    write_signal_disk(w, "metrics", u->metrics_bytes, s->metrics.stored_samples,
                      s->metrics.oldest_ms, s->metrics.newest_ms);
    write_signal_disk(w, "traces", u->spans_bytes, s->spans.rows, s->spans.oldest_ns / 1000000,
                      s->spans.newest_ns / 1000000);
    write_signal_disk(w, "logs", u->logs_bytes, s->logs.rows, s->logs.oldest_ns / 1000000,
                      s->logs.newest_ns / 1000000);
    write_signal_disk(w, "transactions", u->transactions_bytes, s->transactions.rows,
                      s->transactions.oldest_ns / 1000000, s->transactions.newest_ns / 1000000);
    write_signal_disk(w, "meta", u->meta_bytes, 0, 0, 0);
    write_signal_disk(w, "wal", u->wal_bytes, 0, 0, 0);
    json_array_end(w);
    json_object_end(w);
}

/* ---- ingest ---- */

struct dropped {
    struct json_writer *w;
    const char *signal_label;
};

/* The value of reason="..." in a label text. */
static struct str reason_of(const char *labels)
{
    struct str s = str_cstr(labels);
    int64_t at = str_find(s, STR("reason=\""));
    int64_t end;

    if (at < 0) {
        return s;
    }
    s = str_drop(s, (size_t)at + 8);
    end = str_find_byte(s, '"');
    return end < 0 ? s : str_take(s, (size_t)end);
}

static void write_dropped(void *arg, const char *labels, double total, double per_s)
{
    struct dropped *d = arg;

    (void)per_s;
    if (total > 0 && strstr(labels, d->signal_label) != NULL) {
        json_object_begin(d->w);
        json_key(d->w, "reason");
        json_str(d->w, reason_of(labels));
        json_key(d->w, "total");
        json_f64(d->w, total);
        json_object_end(d->w);
    }
}

static void write_ingest(struct json_writer *w, struct rates *rates)
{
    json_key(w, "ingest");
    json_array_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(SIGNALS); i++) {
        struct dropped d = {w, SIGNALS[i].rejected_label};
        double per_s;
        double total = rates_total(rates, SIGNALS[i].rows_total, "", &per_s);
        double newest =
            rates_total(rates, "bongsu_ingest_newest_timestamp_seconds", d.signal_label, NULL);

        json_object_begin(w);
        json_key(w, "signal");
        json_cstr(w, SIGNALS[i].name);
        json_key(w, "per_s");
        json_f64(w, per_s);
        json_key(w, "total");
        json_f64(w, total);
        if (newest > 0) {
            json_key(w, "lag_ms");
            json_f64(w,
                     1000 * rates_total(rates, "bongsu_ingest_lag_seconds", d.signal_label, NULL));
            put_i64(w, "newest_ms", (int64_t)(newest * 1000));
        }
        json_key(w, "dropped");
        json_array_begin(w);
        rates_each(rates, "bongsu_ingest_rejected_total", write_dropped, &d);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

/* ---- doors ---- */

struct door_count {
    double requests;
    double errors;
    const char *label;
};

static void count_door(void *arg, const char *labels, double total, double per_s)
{
    struct door_count *c = arg;
    const char *code = strstr(labels, "code=\"");

    (void)per_s;
    if (strstr(labels, c->label) == NULL) {
        return;
    }
    c->requests += total;
    /* HTTP 4xx and 5xx; gRPC codes other than 0 */
    if (code != NULL && (code[6] == '4' || code[6] == '5' || (code[6] != '0' && code[7] == '"'))) {
        c->errors += total;
    }
}

static void count_refused(void *arg, const char *labels, double total, double per_s)
{
    struct door_count *c = arg;

    (void)per_s;
    c->errors += strstr(labels, c->label) != NULL ? total : 0;
}

static void write_doors(struct json_writer *w, struct api *a)
{
    struct door doors[DOORS_MAX];
    size_t n;

    mutex_lock(&a->lock);
    n = a->doors_n;
    memcpy(doors, a->doors, sizeof(doors));
    mutex_unlock(&a->lock);
    json_key(w, "doors");
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        char label[48];
        struct door_count c = {.label = label};

        snprintf(label, sizeof(label), "door=\"%.15s\"", doors[i].name);
        rates_each(a->rates, "bongsu_http_requests_total", count_door, &c);
        rates_each(a->rates, "bongsu_grpc_requests_total", count_door, &c);
        rates_each(a->rates, "bongsu_log_input_messages_total", count_door, &c);
        rates_each(a->rates, "bongsu_log_input_rejected_total", count_refused, &c);
        rates_each(a->rates, "bongsu_socket_rejected_total", count_refused, &c);
        json_object_begin(w);
        json_key(w, "name");
        json_cstr(w, doors[i].name);
        json_key(w, "address");
        json_cstr(w, doors[i].address);
        json_key(w, "on");
        json_bool(w, doors[i].address[0] != '\0');
        json_key(w, "requests");
        json_f64(w, c.requests);
        json_key(w, "errors");
        json_f64(w, c.errors);
        json_object_end(w);
    }
    json_array_end(w);
}

/* ---- background jobs ---- */

static void begin_job(struct json_writer *w, const char *engine, const char *name, bool running,
                      double progress)
{
    char text[48];

    snprintf(text, sizeof(text), "%s %s", engine, name);
    json_object_begin(w);
    json_key(w, "name");
    json_cstr(w, text);
    json_key(w, "state");
    json_cstr(w, running ? "running" : "idle");
    if (running) {
        json_key(w, "progress_ratio");
        json_f64(w, progress);
    }
}

static void write_tsdb_jobs(struct json_writer *w, struct tsdb *db)
{
    struct tsdb_job jobs[8];
    size_t n = tsdb_jobs(db, jobs, ARRAY_LEN(jobs));

    for (size_t i = 0; i < n; i++) {
        begin_job(w, "metrics", jobs[i].name, jobs[i].running, jobs[i].progress);
        if (jobs[i].last_ms != 0) {
            put_i64(w, "last_end_ms", jobs[i].last_ms);
        }
        put_u64(w, "runs", jobs[i].runs);
        put_u64(w, "failures", jobs[i].failures);
        put_u64(w, "waiting", jobs[i].waiting);
        json_object_end(w);
    }
}

static void write_columns_jobs(struct json_writer *w, const char *signal, struct columns *c)
{
    struct columns_job jobs[COLUMNS_JOBS];
    size_t n = columns_jobs(c, jobs);

    for (size_t i = 0; i < n; i++) {
        begin_job(w, signal, jobs[i].name, jobs[i].running, jobs[i].progress);
        if (jobs[i].runs != 0) {
            put_i64(w, "last_ms", jobs[i].last_duration_ms);
        }
        put_u64(w, "runs", jobs[i].runs);
        put_u64(w, "failures", jobs[i].failures);
        json_object_end(w);
    }
}

void status_write_jobs(struct json_writer *w, struct store *s)
{
    json_array_begin(w);
    write_tsdb_jobs(w, store_metrics(s));
    write_columns_jobs(w, "traces", store_spans(s));
    write_columns_jobs(w, "logs", store_logs(s));
    write_columns_jobs(w, "transactions", store_transactions(s));
    write_columns_jobs(w, "tmap", store_tmap(s));
    json_array_end(w);
}

static int read_engines(const struct api_backend *b, struct arena *a, struct engines *ret,
                        struct err *e)
{
    store_usage(b->store, &ret->usage);
    columns_status(store_spans(b->store), &ret->spans);
    columns_status(store_logs(b->store), &ret->logs);
    columns_status(store_transactions(b->store), &ret->transactions);
    return tsdb_status(store_metrics(b->store), 0, a, &ret->metrics, e);
}

static void server_status(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    const struct api_backend *backend = api_backend(a);
    struct engines s = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = read_engines(backend, http_arena(x), &s, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "version");
    json_cstr(&w, a->opts.version);
    put_i64(&w, "start_ms", a->start_ms);
    put_i64(&w, "now_ms", clock_wall_ms());
    json_key(&w, "uptime_s");
    json_f64(&w, round((double)mono_since_ns(a->started) / 1e6) / 1e3);
    json_key(&w, "ready");
    json_bool(&w, true);
    json_key(&w, "auth_enabled");
    json_bool(&w, auth_enabled(backend->auth));
    json_key(&w, "cpu_ratio");
    json_f64(&w, rates_cpu(a->rates));
    write_memory(&w, &s, store_memory(backend->store));
    write_disk(&w, &s, store_dir(backend->store));
    write_ingest(&w, a->rates);
    json_key(&w, "series");
    json_object_begin(&w);
    put_u64(&w, "active", s.metrics.active_series);
    json_object_end(&w);
    write_doors(&w, a);
    json_key(&w, "jobs");
    status_write_jobs(&w, backend->store);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void server_status_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/status/server", server_status, a, HTTP_WORKER, 0,
         NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
