/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting log records and spans by filter: Loki's /loki/api/v1/delete, and /api/v1/{logs,traces}/delete with the
 * filters of the search. A deletion is done when its request is answered; canceled before, it has deleted nothing.
 */
#include "api/api_internal.h"

#include <stdio.h>

#include "api/log_query.h"
#include "api/loki.h"
#include "api/rows.h"
#include "base/random.h"

enum { ID_SIZE = 17 };

struct deletion_run {
    char id[ID_SIZE];
    struct cancel *cancel;
    struct deletion_run *next;
};

/* What to delete. */
struct order {
    struct columns *store;
    const char *signal;
    const struct filter *filter;
    struct str text; /* as it was asked for */
    int64_t min_ns;  /* inclusive */
    int64_t max_ns;  /* exclusive */
    bool nothing;    /* no row can pass */
};

/* ---- running ---- */

static void run_begin(struct api *a, struct deletion_run *r)
{
    mutex_lock(&a->lock);
    r->next = a->deletions;
    a->deletions = r;
    mutex_unlock(&a->lock);
}

static void run_end(struct api *a, const struct deletion_run *r)
{
    struct deletion_run **at = &a->deletions;

    mutex_lock(&a->lock);
    while (*at != r) {
        at = &(*at)->next;
    }
    *at = r->next;
    mutex_unlock(&a->lock);
}

static bool run_cancel(struct api *a, struct str id)
{
    bool found = false;

    mutex_lock(&a->lock);
    for (struct deletion_run *r = a->deletions; r != NULL && !found; r = r->next) {
        found = str_eq(str_cstr(r->id), id);
        if (found) {
            cancel_set(r->cancel);
        }
    }
    mutex_unlock(&a->lock);
    return found;
}

static const char *actor_of(struct http_exchange *x)
{
    const struct identity *who = api_identity(x);

    return who != NULL ? who->name : "";
}

static void audit(const struct api_backend *b, struct http_exchange *x, const struct order *o,
                  uint64_t rows)
{
    char action[32];
    char from[CLOCK_RFC3339_SIZE];
    char to[CLOCK_RFC3339_SIZE];
    struct str detail;

    clock_format_rfc3339(o->min_ns / 1000000, from);
    clock_format_rfc3339(o->max_ns / 1000000, to);
    snprintf(action, sizeof(action), "%s_deleted", o->signal);
    detail =
        arena_printf(http_arena(x), "%llu rows from %s to %s", (unsigned long long)rows, from, to);
    auth_audit(b->auth, actor_of(x), http_peer(x), action, o->text, detail);
}

static int carry_out(struct api *a, struct http_exchange *x, const struct order *o,
                     struct deletion_run *run, uint64_t *ret_rows, struct err *e)
{
    const struct api_backend *b = api_backend(a);
    const struct columns_query q = {
        .min_ns = o->min_ns, .max_ns = o->max_ns, .filter = o->filter, .cancel = http_cancel(x)};
    const struct meta_deletion d = {.id = str_cstr(run->id),
                                    .signal = str_cstr(o->signal),
                                    .query = o->text,
                                    .start_ms = o->min_ns / 1000000,
                                    .end_ms = o->max_ns / 1000000,
                                    .created_ms = clock_wall_ms(),
                                    .actor = str_cstr(actor_of(x))};
    int rc = meta_deletion_begin(store_meta(b->store), &d, e);

    if (rc < 0) {
        return rc;
    }
    http_cancel(x)->deadline = (struct mono){0}; /* as long as it takes */
    run->cancel = http_cancel(x);
    run_begin(a, run);
    rc = o->nothing ? 0 : columns_delete(o->store, &q, ret_rows, e);
    run_end(a, run);
    if (rc < 0) {
        ignore_result(meta_deletion_forget(store_meta(b->store), d.id, NULL),
                      "an open one goes at the next start");
        return rc;
    }
    audit(b, x, o, *ret_rows);
    return meta_deletion_end(store_meta(b->store), d.id, *ret_rows, e);
}

/* @return rows; the id is in run */
static int delete_rows(struct api *a, struct http_exchange *x, const struct order *o,
                       struct deletion_run *run, uint64_t *ret_rows, struct err *e)
{
    uint8_t chance[8];

    *ret_rows = 0;
    random_bytes(chance, sizeof(chance));
    hex_encode(chance, sizeof(chance), run->id);
    return carry_out(a, x, o, run, ret_rows, e);
}

/* ---- Bongsu's own ---- */

static int range_of(struct http_exchange *x, struct order *o, struct err *e)
{
    struct time_range r;
    int rc = param_range(x, &r, e);

    if (http_param(x, "start_ms").n == 0 || http_param(x, "end_ms").n == 0) {
        return err_set(e, ERR_INVALID, "start_ms and end_ms must be given");
    }
    if (rc == 0) {
        o->min_ns = r.start_ms * 1000000;
        o->max_ns = r.end_ms * 1000000;
    }
    return rc;
}

/* The parameters that say what goes, as one line. */
static struct str text_of(struct http_exchange *x)
{
    static const char *const NAMES[] = {"query", "service",  "operation",    "status",
                                        "kind",  "severity", "min_duration", "max_duration",
                                        "text",  "trace_id", "pattern_id",   "attr"};
    struct buf b CLEANUP(buf_done) = {0};
    struct str v;

    buf_init(&b, 64 << 10);
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        for (size_t k = 0; http_param_at(x, NAMES[i], k, &v); k++) {
            buf_printf(&b, "%s%s=%.*s", b.n != 0 ? " " : "", NAMES[i], STR_ARG(v));
        }
    }
    return arena_str_dup(http_arena(x), buf_str(&b));
}

/* A log query must be one that the store decides by itself: it deletes without reading records. */
static int by_query(struct api *a, struct http_exchange *x, struct logql_query *q, struct order *o,
                    struct logql_filter **ret, struct err *e)
{
    struct logql_ask ask;
    int rc;

    loki_ask(a, x, &ask);
    ask.start_ns = o->min_ns;
    ask.end_ns = o->max_ns;
    rc = param_pattern_ids(x, http_arena(x), &ask.also, e);
    rc = rc < 0 ? rc : logql_filter_new(q, &ask, ret, e);
    if (rc == 0 && !logql_filter_is_exact(*ret)) {
        return err_set(e, ERR_INVALID,
                       "a deletion takes a selector with =, != and =~, line filters and filters on "
                       "labels that are stored; not parsers, !~ and formats");
    }
    if (rc == 0) {
        o->filter = logql_filter_root(*ret);
        o->nothing = logql_filter_is_empty(*ret);
    }
    return rc;
}

static int count_rows(const struct order *o, struct http_exchange *x, uint64_t *ret, struct err *e)
{
    const struct columns_query q = {
        .min_ns = o->min_ns, .max_ns = o->max_ns, .filter = o->filter, .cancel = http_cancel(x)};
    const struct columns_buckets over = {.step_ns = o->max_ns - o->min_ns, .n = 1};
    struct columns_groups groups = {0};
    int rc = o->nothing || over.step_ns <= 0
                 ? 0
                 : columns_histogram(o->store, &q, &over, http_arena(x), &groups, e);

    *ret = groups.n != 0 ? groups.v[0].total : 0;
    return rc;
}

static void answer(struct http_exchange *x, const char *id, bool dry, uint64_t rows)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, 4096);
    json_init(&w, &b);
    json_object_begin(&w);
    if (!dry) {
        json_key(&w, "id");
        json_cstr(&w, id);
    }
    json_key(&w, dry ? "matched" : "deleted");
    json_u64(&w, rows);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void obey(struct api *a, struct http_exchange *x, struct order *o)
{
    bool dry = str_eq(http_param(x, "dry_run"), STR("true"));
    struct deletion_run run = {0};
    struct err e = {0};
    uint64_t rows = 0;
    int rc;

    if (o->filter == NULL && !o->nothing && !dry && !str_eq(http_param(x, "all"), STR("true"))) {
        rc = err_set(&e, ERR_INVALID,
                     "no filter: add one, or all=true to delete everything in the range");
    } else {
        o->text = text_of(x);
        rc = dry ? count_rows(o, x, &rows, &e) : delete_rows(a, x, o, &run, &rows, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        answer(x, run.id, dry, rows);
    }
}

static void delete_logs(void *arg, struct http_exchange *x)
{
    struct order o = {.store = store_logs(api_backend(arg)->store), .signal = "logs"};
    struct logql_filter *plan = NULL;
    struct logql_query *q = NULL;
    struct row_filter f = {0};
    struct err e = {0};
    int rc = range_of(x, &o, &e);

    rc = rc < 0 ? rc : param_log_query(x, &q, &e);
    if (rc == 0 && q != NULL) {
        rc = by_query(arg, x, q, &o, &plan, &e);
    } else if (rc == 0) {
        rc = param_log_filter(x, &f, &e);
        o.filter = f.root;
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        obey(arg, x, &o);
    }
    row_filter_done(&f);
    logql_filter_free(plan);
    logql_free(q);
}

static void delete_spans(void *arg, struct http_exchange *x)
{
    struct order o = {.store = store_spans(api_backend(arg)->store), .signal = "traces"};
    struct row_filter f = {0};
    struct err e = {0};
    int rc = range_of(x, &o, &e);

    rc = rc < 0 ? rc : param_span_filter(x, &f, &e);
    o.filter = f.root;
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        obey(arg, x, &o);
    }
    row_filter_done(&f);
}

static void write_deletion(struct json_writer *w, const struct meta_deletion *d)
{
    json_object_begin(w);
    json_key(w, "id");
    json_str(w, d->id);
    json_key(w, "signal");
    json_str(w, d->signal);
    json_key(w, "query");
    json_str(w, d->query);
    json_key(w, "start_ms");
    json_i64(w, d->start_ms);
    json_key(w, "end_ms");
    json_i64(w, d->end_ms);
    json_key(w, "created_ms");
    json_i64(w, d->created_ms);
    json_key(w, "actor");
    json_str(w, d->actor);
    json_key(w, "state");
    json_cstr(w, d->done ? "done" : "running");
    json_key(w, "rows");
    json_u64(w, d->rows);
    json_object_end(w);
}

static void list(void *arg, struct http_exchange *x)
{
    struct meta_deletion *v = NULL;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    size_t n = 0;
    int rc =
        meta_deletion_list(store_meta(api_backend(arg)->store), STR(""), http_arena(x), &v, &n, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "deletions");
    json_array_begin(&w);
    for (size_t i = n; i-- > 0;) {
        write_deletion(&w, &v[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void cancel_one(void *arg, struct http_exchange *x)
{
    struct err e = {0};

    if (run_cancel(arg, http_path_param(x, "id"))) {
        http_respond(x, 204, NULL, STR(""));
    } else {
        respond_err(x, err_set(&e, ERR_NOT_FOUND, "no such deletion at work"), &e);
    }
}

/* ---- Loki's ---- */

static int loki_times(struct http_exchange *x, struct order *o, struct err *e)
{
    struct str start = http_param(x, "start");
    struct str end = http_param(x, "end");
    int64_t now = clock_wall_ns();

    o->max_ns = now;
    if (start.n == 0) {
        return err_set(e, ERR_INVALID, "start time not set");
    }
    if (!loki_time(start, &o->min_ns)) {
        return err_set(e, ERR_INVALID,
                       "invalid start time: require unix seconds or RFC3339 format");
    }
    if (end.n != 0 && !loki_time(end, &o->max_ns)) {
        return err_set(e, ERR_INVALID, "invalid end time: require unix seconds or RFC3339 format");
    }
    if (o->max_ns > now) {
        return err_set(e, ERR_INVALID, "deletes in the future are not allowed");
    }
    if (o->min_ns > o->max_ns) {
        return err_set(e, ERR_INVALID, "start time can't be greater than end time");
    }
    o->max_ns += 1000000; /* Loki's end is inclusive, of a millisecond */
    return 0;
}

static void loki_delete(void *arg, struct http_exchange *x)
{
    struct order o = {.store = store_logs(api_backend(arg)->store), .signal = "logs"};
    struct deletion_run run = {0};
    struct logql_filter *plan = NULL;
    struct logql_query *q = NULL;
    struct err e = {0};
    uint64_t rows;
    int rc = 0;

    o.text = http_param(x, "query");
    rc = o.text.n == 0 ? err_set(&e, ERR_INVALID, "query not set") : logql_parse(o.text, &q, &e);
    if (rc == 0 && logql_kind(q) != LOGQL_LOGS) {
        rc = err_set(&e, ERR_INVALID, "unsupported expression type for a deletion: a metric query");
    }
    rc = rc < 0 ? rc : loki_times(x, &o, &e);
    rc = rc < 0 ? rc : by_query(arg, x, q, &o, &plan, &e);
    rc = rc < 0 ? rc : delete_rows(arg, x, &o, &run, &rows, &e);
    if (rc < 0) {
        loki_fail(x, rc, &e);
    } else {
        http_respond(x, 204, NULL, STR(""));
    }
    logql_filter_free(plan);
    logql_free(q);
}

/* Seconds, with a fraction where there is one. */
static void put_seconds(struct json_writer *w, const char *key, int64_t ms)
{
    json_key(w, key);
    json_f64(w, (double)ms / 1000);
}

static void loki_list(void *arg, struct http_exchange *x)
{
    struct meta_deletion *v = NULL;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    size_t n = 0;
    int rc = meta_deletion_list(store_meta(api_backend(arg)->store), STR("logs"), http_arena(x), &v,
                                &n, &e);

    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_key(&w, "request_id");
        json_str(&w, v[i].id);
        put_seconds(&w, "start_time", v[i].start_ms);
        put_seconds(&w, "end_time", v[i].end_ms);
        json_key(&w, "query");
        json_str(&w, v[i].query);
        json_key(&w, "status");
        json_cstr(&w, v[i].done ? "processed" : "received");
        put_seconds(&w, "created_at", v[i].created_ms);
        json_object_end(&w);
    }
    json_array_end(&w);
    respond_json(x, 200, &b);
}

static void loki_cancel(void *arg, struct http_exchange *x)
{
    struct str id = http_param(x, "request_id");
    struct meta_deletion *v = NULL;
    struct err e = {0};
    size_t n = 0;
    int rc;

    if (run_cancel(arg, id)) {
        http_respond(x, 204, NULL, STR(""));
        return;
    }
    rc = meta_deletion_list(store_meta(api_backend(arg)->store), STR("logs"), http_arena(x), &v, &n,
                            &e);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (str_eq(v[i].id, id)) {
            rc = err_set(&e, ERR_INVALID,
                         "deletion of request which is in process or already processed is not "
                         "allowed");
        }
    }
    rc = rc < 0 ? rc : err_set(&e, ERR_NOT_FOUND, "could not find delete request with given id");
    loki_fail(x, rc, &e);
}

void deletions_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_ADMIN | NEED_BACKEND;
    const uint32_t form = 1 << 20;
    const struct http_route routes[] = {
        {"POST", "/api/v1/logs/delete", delete_logs, a, HTTP_WORKER, form, need},
        {"POST", "/api/v1/traces/delete", delete_spans, a, HTTP_WORKER, form, need},
        {"GET", "/api/v1/deletions", list, a, HTTP_WORKER, 0, need},
        {"DELETE", "/api/v1/deletions/{id}", cancel_one, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/delete", loki_delete, a, HTTP_WORKER, form, need},
        {"PUT", "/loki/api/v1/delete", loki_delete, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/delete", loki_list, a, HTTP_WORKER, 0, need},
        {"DELETE", "/loki/api/v1/delete", loki_cancel, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
