/* SPDX-License-Identifier: Apache-2.0
 *
 * Log search, counts by severity over time, and the fields of the newest records.
 */
#include <stdio.h>
#include <stdlib.h>

#include "api/api_internal.h"

#include "api/log_query.h"
#include "api/otel_json.h"
#include "api/rows.h"
#include "base/map.h"

enum { FIELD_SAMPLE = 2000, FIELD_VALUES = 10, FIELDS_ARENA = 64 << 20, VALUE_TEXT_MAX = 256 };

/* ---- search ---- */

struct page {
    struct json_writer w;
    struct buf b;
    size_t n;
    size_t limit;
    struct cursor last;
    bool more;
};

static int write_record(void *arg, const struct log_record *row, uint64_t id)
{
    struct page *p = arg;

    if (p->n == p->limit) {
        p->more = true;
        return 1;
    }
    p->n++;
    p->last = (struct cursor){row->time_ns, id};
    json_log(&p->w, row, id);
    return p->b.failed ? -ERR_LIMIT : 0;
}

static void finish_page(struct http_exchange *x, struct page *p, const struct scan_stats *s,
                        struct mono since)
{
    struct json_writer *w = &p->w;

    json_array_end(w);
    if (p->more) {
        json_cursor(w, p->last);
    }
    json_scan_stats(w, s, since);
    json_object_end(w);
    respond_json(x, 200, &p->b);
}

static void search(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *logs = store_logs(api_backend(a)->store);
    struct logql_query *by_query = NULL;
    struct row_filter f = {0};
    struct time_range range;
    struct scan_stats stats = {0};
    struct mono since = clock_mono();
    struct columns_query q;
    struct page p = {0};
    struct cursor from;
    struct err e = {0};
    int64_t limit = 200;
    int rc = param_range(x, &range, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, 5000, 200, &limit, &e);
    rc = rc < 0 ? rc : param_log_query(x, &by_query, &e);
    if (rc == 0 && by_query != NULL) {
        log_query_search(a, x, by_query, range, limit);
        logql_free(by_query);
        return;
    }
    rc = rc < 0 ? rc : param_cursor(x, &from, &e);
    rc = rc < 0 ? rc : param_log_filter(x, &f, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    q = rows_query(x, range, &f, a->opts.query_timeout_ms);
    p.limit = (size_t)limit;
    buf_init(&p.b, RESPONSE_MAX);
    json_init(&p.w, &p.b);
    json_object_begin(&p.w);
    json_key(&p.w, "logs");
    json_array_begin(&p.w);
    rc = columns_scan_logs(logs, &q, from.before_ns, from.before_id, write_record, &p, &stats, &e);
    row_filter_done(&f);
    if (rc < 0) {
        buf_done(&p.b);
        respond_err(x, rc, &e);
        return;
    }
    finish_page(x, &p, &stats, since);
}

/* ---- histogram ---- */

/* Does a group of equal severity numbers belong to the level? */
static bool is_of_level(struct str number, int level)
{
    uint64_t n = 0;
    bool known = str_to_u64(number, &n) && n <= 24;

    return (int)(known ? severity_level_of((uint8_t)n) : SEVERITY_UNSET) == level;
}

static bool has_level(const struct columns_groups *groups, int level)
{
    for (size_t g = 0; g < groups->n; g++) {
        if (is_of_level(groups->v[g].value, level)) {
            return true;
        }
    }
    return false;
}

static void histogram(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *logs = store_logs(api_backend(a)->store);
    const struct field by = {FIELD_INTRINSIC, STR("severity_number")};
    struct columns_groups groups = {0};
    struct row_filter f = {0};
    struct counts_request r;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc = param_counts(x, &r, &e);

    rc = rc < 0 ? rc : param_log_filter(x, &f, &e);
    if (rc == 0) {
        struct columns_query q = rows_query(x, r.range, &f, a->opts.query_timeout_ms);
        struct columns_buckets over = {
            .step_ns = r.step_ms * 1000000, .n = (size_t)r.buckets, .by = &by};

        rc = columns_histogram(logs, &q, &over, http_arena(x), &groups, &e);
        row_filter_done(&f);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_counts_begin(&w, &r);
    for (int level = SEVERITY_FATAL; level >= SEVERITY_UNSET; level--) {
        if (has_level(&groups, level)) {
            json_counts_series(&w, severity_level_name((enum severity_level)level), &r, &groups,
                               is_of_level, level);
        }
    }
    json_counts_end(&w);
    respond_json(x, 200, &b);
}

/* ---- fields ---- */

struct value_count {
    struct str value;
    uint64_t n;
};

struct field_count {
    struct str name;
    uint64_t n;
    struct map values; /* text -> struct value_count */
};

struct fields {
    struct arena a;
    struct map by_name; /* name -> struct field_count */
    size_t sampled;
};

static struct field_count *field_of(struct fields *f, struct str name)
{
    struct field_count *c = map_get(&f->by_name, name);

    if (c != NULL) {
        return c;
    }
    c = arena_calloc(&f->a, 1, sizeof(*c));
    name = arena_str_dup(&f->a, name);
    if (c == NULL || name.p == NULL) {
        return NULL;
    }
    c->name = name;
    return map_put(&f->by_name, name, c) < 0 ? NULL : c;
}

static int count_value(struct fields *f, struct str name, struct str text)
{
    struct field_count *c = field_of(f, name);
    struct value_count *v;

    if (c == NULL) {
        return -ERR_NOMEM;
    }
    c->n++;
    v = map_get(&c->values, text);
    if (v == NULL) {
        v = arena_calloc(&f->a, 1, sizeof(*v));
        text = arena_str_dup(&f->a, text);
        if (v == NULL || text.p == NULL) {
            return -ERR_NOMEM;
        }
        v->value = text;
        if (map_put(&c->values, text, v) < 0) {
            return -ERR_NOMEM;
        }
    }
    v->n++;
    return 0;
}

static int count_attrs(struct fields *f, const char *prefix, struct attrs as)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < as.n; i++) {
        char name[512];
        struct buf text CLEANUP(buf_done);
        struct json_writer w;
        const struct value *v = &as.v[i].value;

        snprintf(name, sizeof(name), "%s%.*s", prefix, STR_ARG(as.v[i].key));
        buf_init(&text, 1 << 20);
        if (v->type == VALUE_STR) {
            rc = count_value(f, str_cstr(name), str_take(v->u.s, VALUE_TEXT_MAX));
            continue;
        }
        json_init(&w, &text);
        json_value(&w, v);
        rc = count_value(f, str_cstr(name), str_take(buf_str(&text), VALUE_TEXT_MAX));
    }
    return rc;
}

static int sample_record(void *arg, const struct log_record *row, uint64_t id)
{
    struct fields *f = arg;
    int rc;

    (void)id;
    if (f->sampled == FIELD_SAMPLE) {
        return 1;
    }
    f->sampled++;
    rc = count_attrs(f, "", row->attrs);
    return rc < 0 ? rc : count_attrs(f, "resource.", row->resource->attrs);
}

static int by_field_count(const void *a, const void *b)
{
    const struct field_count *x = *(struct field_count *const *)a;
    const struct field_count *y = *(struct field_count *const *)b;

    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : str_cmp(x->name, y->name);
}

static int by_value_count(const void *a, const void *b)
{
    const struct value_count *x = *(struct value_count *const *)a;
    const struct value_count *y = *(struct value_count *const *)b;

    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : str_cmp(x->value, y->value);
}

/* The map's values as an array sorted by `order`, in the arena. */
static void **sorted(struct arena *a, const struct map *m, int (*order)(const void *, const void *))
{
    void **v = arena_array(a, void *, m->n != 0 ? m->n : 1);
    struct str key;
    size_t pos = 0;
    size_t n = 0;

    while (v != NULL && n < m->n && map_next(m, &pos, &key, &v[n])) {
        n++;
    }
    if (v != NULL) {
        qsort(v, n, sizeof(*v), order);
    }
    return v;
}

static void write_field(struct json_writer *w, struct fields *f, struct field_count *c)
{
    void **values = sorted(&f->a, &c->values, by_value_count);

    json_object_begin(w);
    json_key(w, "name");
    json_str(w, c->name);
    json_key(w, "count");
    json_u64(w, c->n);
    json_key(w, "values");
    json_array_begin(w);
    for (size_t i = 0; values != NULL && i < c->values.n && i < FIELD_VALUES; i++) {
        const struct value_count *v = values[i];

        json_object_begin(w);
        json_key(w, "value");
        json_str(w, v->value);
        json_key(w, "count");
        json_u64(w, v->n);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void respond_fields(struct http_exchange *x, struct fields *f)
{
    void **v = sorted(&f->a, &f->by_name, by_field_count);
    struct json_writer w;
    struct buf b;

    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "sampled");
    json_u64(&w, f->sampled);
    json_key(&w, "fields");
    json_array_begin(&w);
    for (size_t i = 0; v != NULL && i < f->by_name.n; i++) {
        write_field(&w, f, v[i]);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void fields_done(struct fields *f)
{
    struct str key;
    void *c;

    for (size_t pos = 0; map_next(&f->by_name, &pos, &key, &c);) {
        map_done(&((struct field_count *)c)->values);
    }
    map_done(&f->by_name);
    arena_done(&f->a);
}

static void log_fields(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *logs = store_logs(api_backend(a)->store);
    struct row_filter f = {0};
    struct time_range range;
    struct columns_query q;
    struct fields fields = {0};
    struct err e = {0};
    int rc = param_range(x, &range, &e);

    rc = rc < 0 ? rc : param_log_filter(x, &f, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    q = rows_query(x, range, &f, a->opts.query_timeout_ms);
    arena_init(&fields.a, FIELDS_ARENA);
    rc = columns_scan_logs(logs, &q, INT64_MAX, UINT64_MAX, sample_record, &fields, NULL, &e);
    row_filter_done(&f);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        respond_fields(x, &fields);
    }
    fields_done(&fields);
}

void logs_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/logs", search, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/logs/histogram", histogram, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/logs/fields", log_fields, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
