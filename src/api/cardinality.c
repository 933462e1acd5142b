/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/cardinality: where the series come from, and which limits on them were reached.
 */
#include "api/api_internal.h"

#include "api/params.h"
#include "api/selectors.h"
#include "store/tsdb/cardinality.h"
#include "store/tsdb/limiter.h"

enum { ROWS_DEFAULT = 20, ROWS_MAX = 1000 };

static const int64_t DAY_MS = 86400000;

static void put_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_u64(w, v);
}

static void put_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    json_str(w, s);
}

enum table_columns { WITH_VALUE = 1, WITH_VALUES = 2, WITH_RATE = 4 };

static void write_rows(struct json_writer *w, const struct tsdb_cardinality_table *t,
                       uint64_t series, unsigned columns)
{
    put_u64(w, "total", t->total);
    json_key(w, "rows");
    json_array_begin(w);
    for (size_t i = 0; i < t->n; i++) {
        const struct tsdb_cardinality_row *r = &t->v[i];

        json_object_begin(w);
        put_str(w, "name", r->name);
        if ((columns & WITH_VALUE) != 0) {
            put_str(w, "value", r->value);
        }
        if ((columns & WITH_VALUES) != 0) {
            put_u64(w, "values", r->values);
        }
        put_u64(w, "series", r->series);
        put_u64(w, "before", r->before);
        json_key(w, "share_ratio");
        json_f64(w, series != 0 ? (double)r->series / (double)series : 0);
        if ((columns & WITH_RATE) != 0 && r->samples_per_s > 0) {
            json_key(w, "samples_per_s");
            json_f64(w, r->samples_per_s);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_table(struct json_writer *w, const char *key,
                        const struct tsdb_cardinality_table *t, uint64_t series, unsigned columns)
{
    json_key(w, key);
    json_object_begin(w);
    write_rows(w, t, series, columns);
    json_object_end(w);
}

static void write_counts(struct http_exchange *x, const struct tsdb_cardinality_query *q,
                         const struct tsdb_cardinality *c)
{
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "start_ms");
    json_i64(&w, q->min_ms);
    json_key(&w, "end_ms");
    json_i64(&w, q->max_ms);
    json_key(&w, "looked_at_ratio");
    json_f64(&w, c->looked_at);
    json_key(&w, "series");
    json_object_begin(&w);
    put_u64(&w, "total", c->series);
    put_u64(&w, "before", c->before);
    put_u64(&w, "active", c->active);
    put_u64(&w, "created_1h", c->created_hour);
    put_u64(&w, "created_24h", c->created_day);
    json_object_end(&w);
    write_table(&w, "metrics", &c->metrics, c->series, 0);
    write_table(&w, "labels", &c->labels, c->series, WITH_VALUES);
    write_table(&w, "pairs", &c->pairs, c->series, WITH_VALUE);
    write_table(&w, "jobs", &c->jobs, c->series, WITH_RATE);
    write_table(&w, "instances", &c->instances, c->series, WITH_VALUE | WITH_RATE);
    if (q->focus.n != 0) {
        json_key(&w, "focus");
        json_object_begin(&w);
        put_str(&w, "label", q->focus);
        write_rows(&w, &c->focus, c->series, 0);
        json_object_end(&w);
    }
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void cardinality(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct tsdb_cardinality_query q = {.cancel = http_cancel(x), .focus = http_param(x, "focus")};
    struct tsdb_matchers sets[SELECTORS_MAX];
    struct tsdb_cardinality c = {0};
    struct selectors sel = {0};
    struct err e = {0};
    int64_t limit = 0;
    int rc = selectors_parse(x, &sel, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, ROWS_MAX, ROWS_DEFAULT, &limit, &e);
    rc = rc < 0 ? rc : param_prom_time(x, "end", clock_wall_ms(), &q.max_ms, &e);
    rc = rc < 0 ? rc : param_prom_time(x, "start", q.max_ms - DAY_MS, &q.min_ms, &e);
    if (rc == 0 && q.max_ms < q.min_ms) {
        rc = err_set(&e, ERR_INVALID,
                     "invalid parameter \"end\": end timestamp must not be before start time");
    }
    for (size_t i = 0; i < sel.n; i++) {
        sets[i] = (struct tsdb_matchers){(const struct matcher *const *)sel.m[i], sel.m_n[i]};
    }
    q.selectors = sets;
    q.selectors_n = sel.n;
    q.limit = (size_t)limit;
    rc = rc < 0 ? rc : tsdb_cardinality(store_metrics(b->store), &q, http_arena(x), &c, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        write_counts(x, &q, &c);
    }
    selectors_done(&sel);
}

/* ---- limits ---- */

static void write_who(struct json_writer *w, const char *key, const struct tsdb_limit_who *who)
{
    json_key(w, key);
    json_object_begin(w);
    if (who->metric.n != 0) {
        put_str(w, "metric", who->metric);
    }
    if (who->label.n != 0) {
        put_str(w, "label", who->label);
    }
    if (who->source.n != 0) {
        put_str(w, "source", who->source);
    }
    json_object_end(w);
}

static void write_limit(struct json_writer *w, enum tsdb_limit which,
                        const struct tsdb_limit_state *s)
{
    static const struct {
        const char *name, *key;
    } NAMES[TSDB_LIMIT_COUNT] = {
        [TSDB_LIMIT_SERIES] = {"series", "storage.max_series"},
        [TSDB_LIMIT_METRIC] = {"series_per_metric", "limits.series_per_metric"},
        [TSDB_LIMIT_SOURCE] = {"series_per_source", "limits.series_per_source"},
        [TSDB_LIMIT_VALUES] = {"values_per_label", "limits.values_per_label"},
    };

    json_object_begin(w);
    json_key(w, "name");
    json_cstr(w, NAMES[which].name);
    json_key(w, "key");
    json_cstr(w, NAMES[which].key);
    put_u64(w, "max", s->max);
    put_u64(w, "used", s->used);
    if (s->used_by.metric.n != 0 || s->used_by.source.n != 0) {
        write_who(w, "used_by", &s->used_by);
    }
    put_u64(w, "refused", s->refused);
    json_key(w, "offenders");
    json_array_begin(w);
    for (size_t i = 0; i < s->offenders_n; i++) {
        const struct tsdb_offender *o = &s->offenders[i];

        json_object_begin(w);
        write_who(w, "who", &o->who);
        put_u64(w, "refused", o->refused);
        json_key(w, "since_ms");
        json_i64(w, o->since_ms);
        json_key(w, "last_ms");
        json_i64(w, o->last_ms);
        put_str(w, "example", o->example);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void limits(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct tsdb_limit_state s[TSDB_LIMIT_COUNT];
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = tsdb_limits(store_metrics(backend->store), http_arena(x), s, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "limits");
    json_array_begin(&w);
    for (int i = 0; i < TSDB_LIMIT_COUNT; i++) {
        write_limit(&w, (enum tsdb_limit)i, &s[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

void cardinality_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/cardinality", cardinality, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/cardinality/limits", limits, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
