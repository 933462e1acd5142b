/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/series, /labels, /label/<name>/values, /metadata, /status/tsdb: what is stored, in Prometheus'
 * form.
 */
#include <stdlib.h>

#include "api/api_internal.h"

#include "api/params.h"
#include "api/selectors.h"

enum { LIST_ARENA = 256 << 20 };

static int bounds(struct http_exchange *x, struct series_query *q, struct err *e)
{
    int rc = param_prom_time(x, "start", INT64_MIN / 2, &q->min_ms, e);

    rc = rc < 0 ? rc : param_prom_time(x, "end", INT64_MAX / 2, &q->max_ms, e);
    if (rc == 0 && q->max_ms < q->min_ms) {
        return err_set(e, ERR_INVALID,
                       "invalid parameter \"end\": end timestamp must not be before start time");
    }
    return rc;
}

/* ---- series ---- */

/** Selections, one a selector, and how far each was written. */
struct found {
    struct series_selection *sel[SELECTORS_MAX];
    size_t at[SELECTORS_MAX];
    size_t n;
};

static void write_labels(struct json_writer *w, struct labels ls)
{
    json_object_begin(w);
    for (size_t k = 0; k < ls.n; k++) {
        json_member(w, ls.v[k].name, ls.v[k].value);
    }
    json_object_end(w);
}

/** The smallest labels not yet written; steps over them in all selections. @return false at the end */
static bool next_labels(const struct series_source_ops *ops, struct found *f, struct labels *ret)
{
    bool any = false;

    for (size_t i = 0; i < f->n; i++) {
        if (f->at[i] < ops->count(f->sel[i])) {
            struct labels ls = ops->labels(f->sel[i], f->at[i]);

            if (!any || labels_cmp(ls, *ret) < 0) {
                *ret = ls;
            }
            any = true;
        }
    }
    for (size_t i = 0; any && i < f->n; i++) {
        if (f->at[i] < ops->count(f->sel[i]) &&
            (f->n == 1 || labels_eq(ops->labels(f->sel[i], f->at[i]), *ret))) {
            f->at[i]++;
        }
    }
    return any;
}

static void write_series(struct http_exchange *x, const struct series_source_ops *ops,
                         struct found *f, size_t limit)
{
    struct json_writer w;
    struct labels ls;
    struct buf b;

    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t n = 0; (limit == 0 || n < limit) && next_labels(ops, f, &ls); n++) {
        write_labels(&w, ls);
    }
    json_array_end(&w);
    data_end(x, &w, &b);
}

static void series(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct series_source src = tsdb_source(store_metrics(b->store));
    struct budget budget;
    struct series_query q = {.cancel = http_cancel(x), .budget = &budget, .want = SERIES_LABELS};
    struct selectors sel = {0};
    struct found f = {0};
    struct err e = {0};
    int64_t limit = 0;
    int rc = selectors_parse(x, &sel, &e);

    budget_init(&budget, LIST_ARENA, NULL);
    rc = rc < 0 ? rc : bounds(x, &q, &e);
    rc = rc < 0 ? rc : param_i64(x, "limit", 0, INT32_MAX, 0, &limit, &e);
    if (rc == 0 && sel.n == 0) {
        rc = err_set(&e, ERR_INVALID, "no match[] parameter provided");
    }
    for (size_t i = 0; rc == 0 && i < sel.n; i++) {
        q.matchers = (const struct matcher *const *)sel.m[i];
        q.matchers_n = sel.m_n[i];
        rc = src.ops->select(src.impl, &q, &f.sel[i], &e);
        f.n += rc == 0 ? 1 : 0;
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        write_series(x, src.ops, &f, (size_t)limit);
    }
    for (size_t i = 0; i < f.n; i++) {
        src.ops->free(f.sel[i]);
    }
    selectors_done(&sel);
}

/* ---- names and values ---- */

struct strings {
    VEC(struct str) list;
    struct arena a;
};

static int gather_strings(struct series_source src, const struct series_query *q, struct str label,
                          struct strings *out, struct err *e)
{
    struct str *v = NULL;
    size_t n = 0;
    int rc = label.n == 0 ? src.ops->label_names(src.impl, q, 0, &out->a, &v, &n, e)
                          : src.ops->label_values(src.impl, label, q, 0, &out->a, &v, &n, e);

    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!vec_push(&out->list, v[i])) {
            rc = err_set(e, ERR_NOMEM, "out of memory");
        }
    }
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void write_strings(struct http_exchange *x, struct strings *s, bool merged, size_t limit)
{
    struct json_writer w;
    struct buf b;
    size_t written = 0;

    if (merged && s->list.n > 1) {
        qsort(s->list.v, s->list.n, sizeof(*s->list.v), by_bytes);
    }
    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < s->list.n && (limit == 0 || written < limit); i++) {
        if (i == 0 || !str_eq(s->list.v[i - 1], s->list.v[i])) {
            json_str(&w, s->list.v[i]);
            written++;
        }
    }
    json_array_end(&w);
    data_end(x, &w, &b);
}

/* An empty `label` asks for the names. */
static void names_or_values(struct api *a, struct http_exchange *x, struct str label)
{
    const struct api_backend *b = api_backend(a);
    struct series_source src = tsdb_source(store_metrics(b->store));
    struct series_query q = {.cancel = http_cancel(x)};
    struct selectors sel = {0};
    struct strings out = {0};
    struct err e = {0};
    int64_t limit = 0;
    int rc = selectors_parse(x, &sel, &e);

    arena_init(&out.a, LIST_ARENA);
    rc = rc < 0 ? rc : bounds(x, &q, &e);
    rc = rc < 0 ? rc : param_i64(x, "limit", 0, INT32_MAX, 0, &limit, &e);
    if (rc == 0 && sel.n == 0) {
        rc = gather_strings(src, &q, label, &out, &e);
    }
    for (size_t i = 0; rc == 0 && i < sel.n; i++) {
        q.matchers = (const struct matcher *const *)sel.m[i];
        q.matchers_n = sel.m_n[i];
        rc = gather_strings(src, &q, label, &out, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        write_strings(x, &out, sel.n > 1, (size_t)limit);
    }
    vec_done(&out.list);
    arena_done(&out.a);
    selectors_done(&sel);
}

static void label_names(void *arg, struct http_exchange *x)
{
    names_or_values(arg, x, str_of(NULL, 0));
}

static void label_values(void *arg, struct http_exchange *x)
{
    struct str name = http_path_param(x, "name");

    if (name.n == 0 || !str_is_utf8(name)) {
        http_respond_errorf(x, ERR_INVALID, "invalid label name: \"%.*s\"", STR_ARG(name));
        return;
    }
    names_or_values(arg, x, name);
}

/* ---- metadata ---- */

static void write_metadata(struct http_exchange *x, const struct tsdb_metadata *v, size_t n,
                           size_t limit)
{
    struct json_writer w;
    struct buf b;
    size_t families = 0;

    data_begin(&w, &b);
    json_object_begin(&w);
    for (size_t i = 0; i < n && (limit == 0 || families < limit); i++) {
        families++;
        json_key_str(&w, v[i].metric);
        json_array_begin(&w);
        json_object_begin(&w);
        json_key(&w, "type");
        json_str(&w, v[i].type);
        json_key(&w, "help");
        json_str(&w, v[i].help);
        json_key(&w, "unit");
        json_str(&w, v[i].unit);
        json_object_end(&w);
        json_array_end(&w);
    }
    json_object_end(&w);
    data_end(x, &w, &b);
}

static void metadata(void *arg, struct http_exchange *x)
{
    const struct api_backend *b = api_backend(arg);
    struct tsdb_metadata *v = NULL;
    size_t n = 0;
    struct err e = {0};
    int64_t limit = 0;
    int rc = param_i64(x, "limit", 0, INT32_MAX, 0, &limit, &e);

    rc = rc < 0 ? rc
                : tsdb_metadata(store_metrics(b->store), http_param(x, "metric"), http_arena(x), &v,
                                &n, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    write_metadata(x, v, n, (size_t)limit);
}

/* ---- status/tsdb ---- */

static void write_counts(struct json_writer *w, const char *key, const struct tsdb_count *v,
                         size_t n)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(w);
        json_key(w, "name");
        json_str(w, v[i].name);
        json_key(w, "value");
        json_u64(w, v[i].count);
        json_object_end(w);
    }
    json_array_end(w);
}

static void tsdb_statistics(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct tsdb_status st = {0};
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int64_t limit = 10;
    int rc = param_i64(x, "limit", 1, 10000, 10, &limit, &e);

    rc = rc < 0 ? rc
                : tsdb_status(store_metrics(backend->store), (size_t)limit, http_arena(x), &st, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    data_begin(&w, &b);
    json_object_begin(&w);
    json_key(&w, "headStats");
    json_object_begin(&w);
    json_key(&w, "numSeries");
    json_u64(&w, st.active_series);
    json_key(&w, "numLabelPairs");
    json_u64(&w, st.label_pairs);
    json_key(&w, "chunkCount");
    json_u64(&w, st.blocks);
    json_key(&w, "minTime");
    json_i64(&w, st.oldest_ms);
    json_key(&w, "maxTime");
    json_i64(&w, st.newest_ms);
    json_object_end(&w);
    write_counts(&w, "seriesCountByMetricName", st.series_by_metric, st.series_by_metric_n);
    write_counts(&w, "labelValueCountByLabelName", st.values_by_label, st.values_by_label_n);
    write_counts(&w, "memoryInBytesByLabelName", st.bytes_by_label, st.bytes_by_label_n);
    write_counts(&w, "seriesCountByLabelValuePair", st.series_by_pair, st.series_by_pair_n);
    json_object_end(&w);
    data_end(x, &w, &b);
}

void prom_labels_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/series", series, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/series", series, a, HTTP_WORKER, 1 << 20, need},
        {"GET", "/api/v1/labels", label_names, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/labels", label_names, a, HTTP_WORKER, 1 << 20, need},
        {"GET", "/api/v1/label/{name}/values", label_values, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/metadata", metadata, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/status/tsdb", tsdb_statistics, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
