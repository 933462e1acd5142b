/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/transactions: the requests of a box as a table or CSV, and what is different about them. Thin:
 * apm/txn_query.h reads.
 */
#include <math.h>

#include "api/apm_box.h"
#include "api/params.h"

enum { LIMIT = 1000, DIFFERS = 30 };

static void put_text(struct json_writer *w, const char *key, struct str v)
{
    if (v.n != 0) {
        json_key(w, key);
        json_str(w, v);
    }
}

static void put_number(struct json_writer *w, const char *key, int64_t v)
{
    if (v >= 0) {
        json_key(w, key);
        json_i64(w, v);
    }
}

static void put_took(struct json_writer *w, const char *key, int64_t ns)
{
    if (ns >= 0) {
        json_key(w, key);
        json_f64(w, floor((double)ns / 1e3) / 1e3); /* whole microseconds */
    }
}

static void put_hex(struct json_writer *w, const char *key, const uint8_t *bytes, size_t n)
{
    char text[2 * TRACE_ID_SIZE + 1];

    hex_encode(bytes, n, text);
    json_key(w, key);
    json_cstr(w, text);
}

static void write_row(struct json_writer *w, const struct txn_row *r)
{
    json_object_begin(w);
    put_hex(w, "trace_id", r->trace_id.b, TRACE_ID_SIZE);
    put_hex(w, "span_id", r->span_id.b, SPAN_ID_SIZE);
    json_key(w, "start_ns");
    json_i64_str(w, r->start_ns);
    put_took(w, "elapsed_ms", r->took_ns);
    put_text(w, "group", r->group);
    put_text(w, "instance", r->instance);
    put_text(w, "version", r->version);
    put_text(w, "operation", r->operation);
    put_text(w, "class", r->class);
    put_number(w, "status", r->status);
    put_text(w, "method", r->method);
    put_text(w, "path", r->path);
    put_text(w, "client", r->client);
    put_text(w, "user", r->user);
    put_text(w, "exception", r->exception);
    put_number(w, "sql_count", r->sql_n);
    put_took(w, "sql_ms", r->sql_ns);
    put_number(w, "call_count", r->call_n);
    put_took(w, "call_ms", r->call_ns);
    put_took(w, "cpu_ms", r->cpu_ns);
    json_object_end(w);
}

static void respond_list(struct http_exchange *x, const struct txn_list *l, int64_t limit,
                         struct mono since)
{
    uint64_t matched = l->total[TMAP_OK] + l->total[TMAP_4XX] + l->total[TMAP_5XX];
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "matched");
    json_u64(&w, matched);
    apm_write_totals(&w, l->total);
    json_key(&w, "limit");
    json_i64(&w, limit);
    json_key(&w, "truncated");
    json_bool(&w, matched > l->n);
    json_key(&w, "transactions");
    json_array_begin(&w);
    for (size_t i = 0; i < l->n; i++) {
        write_row(&w, &l->v[i]);
    }
    json_array_end(&w);
    json_key(&w, "elapsed_ms");
    json_f64(&w, (double)mono_since_ns(since) / 1e6);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/* ---- CSV ---- */

/** RFC 4180; what a spreadsheet would run as a formula gets an apostrophe (OWASP, "CSV Injection"). */
static void csv_text(struct buf *b, struct str s)
{
    buf_add_cstr(b, ",\"");
    if (s.n != 0 && strchr("=+-@\t\r", s.p[0]) != NULL) {
        buf_add_byte(b, '\'');
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') {
            buf_add_byte(b, '"');
        }
        buf_add_byte(b, s.p[i]);
    }
    buf_add_byte(b, '"');
}

static void csv_number(struct buf *b, int64_t v)
{
    buf_add_byte(b, ',');
    if (v >= 0) {
        buf_add_i64(b, v);
    }
}

static void csv_took(struct buf *b, int64_t ns)
{
    buf_add_byte(b, ',');
    if (ns >= 0) {
        buf_add_f64(b, floor((double)ns / 1e3) / 1e3);
    }
}

static void csv_row(struct buf *b, const struct txn_row *r)
{
    char time[CLOCK_RFC3339_SIZE];
    char trace[2 * TRACE_ID_SIZE + 1];

    clock_format_rfc3339(r->start_ns / 1000000, time);
    hex_encode(r->trace_id.b, TRACE_ID_SIZE, trace);
    buf_add_cstr(b, time);
    csv_took(b, r->took_ns);
    csv_text(b, r->group);
    csv_text(b, r->instance);
    csv_text(b, r->operation);
    csv_text(b, r->path);
    csv_number(b, r->status);
    csv_text(b, r->class);
    csv_text(b, r->user);
    csv_text(b, r->client);
    csv_number(b, r->sql_n);
    csv_took(b, r->sql_ns);
    csv_number(b, r->call_n);
    csv_took(b, r->call_ns);
    csv_took(b, r->cpu_ns);
    csv_text(b, r->exception);
    buf_add_byte(b, ',');
    buf_add_cstr(b, trace);
    buf_add_cstr(b, "\r\n");
}

static void respond_csv(struct http_exchange *x, const struct txn_list *l)
{
    struct err e = {0};
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    buf_add_cstr(&b, "start,elapsed_ms,group,instance,operation,path,status,class,user,client,"
                     "sql_count,sql_ms,call_count,call_ms,cpu_ms,exception,trace_id\r\n");
    for (size_t i = 0; i < l->n; i++) {
        csv_row(&b, &l->v[i]);
    }
    if (b.failed) {
        buf_done(&b);
        err_set(&e, ERR_NOMEM, "no memory for the file");
        respond_err(x, -ERR_NOMEM, &e);
        return;
    }
    http_set_header(x, "Content-Disposition", "attachment; filename=\"transactions.csv\"");
    http_respond_take(x, 200, "text/csv; charset=utf-8", &b);
}

static int param_order(struct http_exchange *x, bool *ret_slowest, struct err *e)
{
    struct str order = http_param(x, "order");

    *ret_slowest = str_eq(order, STR("slowest"));
    return order.n == 0 || *ret_slowest || str_eq(order, STR("newest"))
               ? 0
               : err_set(e, ERR_INVALID, "order: newest or slowest");
}

static int param_format(struct http_exchange *x, bool *ret_csv, struct err *e)
{
    struct str format = http_param(x, "format");

    *ret_csv = str_eq(format, STR("csv"));
    return format.n == 0 || *ret_csv || str_eq(format, STR("json"))
               ? 0
               : err_set(e, ERR_INVALID, "format: json or csv");
}

static void list(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct mono since = clock_mono();
    struct txn_filter f;
    struct txn_list l = {0};
    struct err e = {0};
    bool slowest = false;
    bool csv = false;
    int64_t limit = LIMIT;
    int rc = param_txn_filter(x, a->opts.query_timeout_ms, &f, &e);

    rc = rc < 0 ? rc : param_order(x, &slowest, &e);
    rc = rc < 0 ? rc : param_format(x, &csv, &e);
    rc = rc < 0 ? rc : param_i64(x, "limit", 1, csv ? TXN_LIST_MAX : LIMIT, LIMIT, &limit, &e);
    rc = rc < 0 ? rc
                : txn_list(store_transactions(api_backend(a)->store), &f, slowest, (size_t)limit,
                           http_arena(x), &l, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else if (csv) {
        respond_csv(x, &l);
    } else {
        respond_list(x, &l, limit, since);
    }
}

/* ---- what differs ---- */

static void respond_differs(struct http_exchange *x, const struct txn_differs *d)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "inside");
    json_u64(&w, d->inside);
    json_key(&w, "outside");
    json_u64(&w, d->outside);
    json_key(&w, "sampled");
    json_bool(&w, d->sampled);
    json_key(&w, "differences");
    json_array_begin(&w);
    for (size_t i = 0; i < d->n; i++) {
        json_object_begin(&w);
        json_key(&w, "field");
        json_cstr(&w, d->v[i].field);
        json_key(&w, "value");
        json_str(&w, d->v[i].value);
        json_key(&w, "inside");
        json_u64(&w, d->v[i].inside);
        json_key(&w, "outside");
        json_u64(&w, d->v[i].outside);
        json_key(&w, "g");
        json_f64(&w, (double)(int64_t)(d->v[i].g * 100) / 100);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/** The box, and around it the same groups over around_start_ms to around_end_ms, all durations and outcomes. */
static void differs(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct txn_filter box;
    struct txn_filter around = {0};
    struct txn_differs d = {0};
    struct err e = {0};
    int64_t start_ms = 0;
    int64_t end_ms = 0;
    int64_t limit = LIMIT;
    int rc = param_txn_filter(x, a->opts.query_timeout_ms, &box, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, TXN_DIFFERS_MAX, DIFFERS, &limit, &e);
    rc = rc < 0 ? rc
                : param_i64(x, "around_start_ms", 0, INT64_MAX / 1000000, box.min_ns / 1000000,
                            &start_ms, &e);
    rc = rc < 0 ? rc
                : param_i64(x, "around_end_ms", 0, INT64_MAX / 1000000, box.max_ns / 1000000,
                            &end_ms, &e);
    if (rc == 0 && start_ms >= end_ms) {
        rc = err_set(&e, ERR_INVALID, "around_start_ms must be before around_end_ms");
    }
    if (rc == 0) {
        around = box;
        around.min_ns = start_ms * 1000000;
        around.max_ns = end_ms * 1000000;
        around.min_took_ns = 0;
        around.max_took_ns = INT64_MAX;
        around.classes = 0;
        around.instance = (struct str){0};
        rc = txn_differs(store_transactions(api_backend(a)->store), &box, &around, (size_t)limit,
                         http_arena(x), &d, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    respond_differs(x, &d);
}

void apm_transactions_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/transactions", list, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/transactions/differs", differs, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
