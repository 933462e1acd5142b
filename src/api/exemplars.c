/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/query_exemplars: the exemplars of the series an expression selects, in Prometheus' form.
 */
#include "api/api_internal.h"

#include "api/params.h"
#include "store/tsdb/exemplars.h"

enum { EXEMPLAR_ARENA = 256 << 20 };

static void write_labels(struct json_writer *w, struct labels ls)
{
    json_object_begin(w);
    for (size_t i = 0; i < ls.n; i++) {
        json_member(w, ls.v[i].name, ls.v[i].value);
    }
    json_object_end(w);
}

static void write_exemplar(struct json_writer *w, const struct exemplar *e)
{
    char text[64];
    struct buf b;

    buf_init(&b, sizeof(text));
    json_object_begin(w);
    json_key(w, "labels");
    write_labels(w, e->labels);
    json_key(w, "value");
    buf_add_f64(&b, e->value);
    json_str(w, buf_str(&b));
    json_key(w, "timestamp");
    json_f64(w, (double)e->t_ms / 1000);
    json_object_end(w);
    buf_done(&b);
}

static void answer(struct http_exchange *x, const struct exemplar_series *v, size_t n)
{
    struct json_writer w;
    struct buf b;

    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_key(&w, "seriesLabels");
        write_labels(&w, v[i].labels);
        json_key(&w, "exemplars");
        json_array_begin(&w);
        for (size_t k = 0; k < v[i].n; k++) {
            write_exemplar(&w, &v[i].v[k]);
        }
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    data_end(x, &w, &b);
}

static int sets_of(const struct promql_selectors *sel, struct arena *a, struct exemplar_query *q,
                   struct err *e)
{
    size_t n = promql_selectors_count(sel);
    struct exemplar_selector *sets = arena_array(a, struct exemplar_selector, n + 1);

    if (sets == NULL) {
        return err_set(e, ERR_NOMEM, "no memory for the expression");
    }
    for (size_t i = 0; i < n; i++) {
        sets[i].v = promql_selectors_at(sel, i, &sets[i].n);
    }
    q->sets = sets;
    q->sets_n = n;
    return 0;
}

static void query_exemplars(void *arg, struct http_exchange *x)
{
    struct exemplar_query q = {.sets_n = 0};
    struct promql_selectors *sel = NULL;
    struct exemplar_series *v = NULL;
    struct arena arena CLEANUP(arena_done);
    struct err e = {0};
    size_t n = 0;
    int rc;

    arena_init(&arena, EXEMPLAR_ARENA);
    rc = param_prom_time(x, "start", INT64_MIN / 2, &q.min_ms, &e);
    rc = rc < 0 ? rc : param_prom_time(x, "end", INT64_MAX / 2, &q.max_ms, &e);
    if (rc == 0 && q.max_ms < q.min_ms) {
        rc = err_set(&e, ERR_INVALID,
                     "invalid parameter \"end\": end timestamp must not be before "
                     "start timestamp");
    }
    if (rc == 0) {
        rc = promql_selectors(http_param(x, "query"),
                              promql_engine_syntax(api_backend(arg)->promql), &sel, &e);
        if (rc < 0) {
            err_prefix(&e, "invalid parameter \"query\"");
        }
    }
    rc = rc < 0 ? rc : sets_of(sel, &arena, &q, &e);
    rc = rc < 0 ? rc
                : tsdb_exemplars(store_metrics(api_backend(arg)->store), &q, &arena, &v, &n, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        answer(x, v, n);
    }
    promql_selectors_free(sel);
}

void exemplars_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/query_exemplars", query_exemplars, a, HTTP_WORKER, 0, need},
        {"POST", "/api/v1/query_exemplars", query_exemplars, a, HTTP_WORKER, 1 << 20, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
