/* SPDX-License-Identifier: Apache-2.0
 *
 * /loki/api/v1/index/volume and volume_range: bytes by labels. The range form is a metric query, sum by (labels)
 * (bytes_over_time(selector[step])).
 */
#include "api/loki.h"

#include <stdlib.h>

static const int64_t HOUR_NS = 3600000000000;

struct volume_ask {
    struct loki_range range;
    struct str selector;
    struct str *names; /* labels to aggregate into; n == 0: all */
    size_t names_n;
    bool by_label; /* aggregateBy=labels */
    int64_t limit;
    int64_t step_ns;
};

static int read_names(struct http_exchange *x, struct volume_ask *v, struct err *reterr)
{
    struct str list = http_param(x, "targetLabels");
    const struct str *names;
    struct logql_query *q = NULL;
    struct str name;
    size_t n;
    int rc = logql_parse_selector(v->selector, &q, reterr);

    if (rc < 0) {
        return rc;
    }
    n = logql_selector_names(q, &names);
    v->names = arena_array(http_arena(x), struct str, n + list.n + 1);
    if (v->names == NULL) {
        rc = err_set(reterr, ERR_NOMEM, "out of memory");
    } else if (list.n != 0) {
        while (str_split(&list, ',', &name)) {
            name = str_trim(name);
            if (!label_name_is_valid(name)) {
                rc = err_set(reterr, ERR_INVALID, "targetLabels: \"%.*s\" is not a label name",
                             STR_ARG(str_take(name, 60)));
                break;
            }
            v->names[v->names_n++] = name;
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            struct str copy = arena_str_dup(http_arena(x), names[i]);
            bool twice = false;

            for (size_t k = 0; k < v->names_n; k++) {
                twice = twice || str_eq(v->names[k], copy);
            }
            if (!twice) {
                v->names[v->names_n++] = copy;
            }
        }
    }
    logql_free(q);
    return rc;
}

static int read_ask(struct http_exchange *x, struct volume_ask *v, struct err *reterr)
{
    struct str by = http_param(x, "aggregateBy");
    int rc = loki_range(x, HOUR_NS, &v->range, reterr);

    v->selector = http_param(x, "query");
    v->selector = v->selector.n == 0 ? STR("{service_name=~\".+\"}") : v->selector;
    v->by_label = str_eq(by, STR("labels"));
    if (rc == 0 && by.n != 0 && !v->by_label && !str_eq(by, STR("series"))) {
        return err_set(reterr, ERR_INVALID, "invalid aggregation option");
    }
    rc = rc < 0 ? rc : loki_limit(x, LOKI_LIMIT_DEFAULT, &v->limit, reterr);
    rc = rc < 0 ? rc : loki_step(x, &v->range, &v->step_ns, reterr);
    return rc < 0 ? rc : read_names(x, v, reterr);
}

/* ---- one point ---- */

struct volume {
    struct labels labels;
    uint64_t bytes;
};

static bool wanted(const struct volume_ask *v, struct str name)
{
    for (size_t i = 0; i < v->names_n; i++) {
        if (str_eq(v->names[i], name)) {
            return true;
        }
    }
    return v->names_n == 0;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct volume *)a)->labels, ((const struct volume *)b)->labels);
}

static int by_bytes(const void *a, const void *b)
{
    const struct volume *x = a;
    const struct volume *y = b;

    return x->bytes != y->bytes ? (x->bytes < y->bytes ? 1 : -1) : by_labels(a, b);
}

static size_t merge(struct volume *v, size_t n)
{
    size_t kept = 0;

    if (n > 1) {
        qsort(v, n, sizeof(*v), by_labels);
    }
    for (size_t i = 0; i < n; i++) {
        if (kept != 0 && labels_eq(v[kept - 1].labels, v[i].labels)) {
            v[kept - 1].bytes += v[i].bytes;
        } else {
            v[kept++] = v[i];
        }
    }
    if (kept > 1) {
        qsort(v, kept, sizeof(*v), by_bytes);
    }
    return kept;
}

/* The series of a stream, or one a label. */
static int add_stream(struct http_exchange *x, const struct volume_ask *ask,
                      const struct logql_stream_info *s, struct volume *dst, size_t *n)
{
    struct label *v = arena_array(http_arena(x), struct label, s->labels.n + 1);
    size_t kept = 0;

    if (v == NULL) {
        return -ERR_LIMIT;
    }
    for (size_t i = 0; i < s->labels.n; i++) {
        if (wanted(ask, s->labels.v[i].name)) {
            v[kept] = s->labels.v[i];
            if (ask->by_label) {
                v[kept].value = STR("");
                dst[(*n)++] = (struct volume){{&v[kept], 1}, s->bytes};
            }
            kept++;
        }
    }
    if (!ask->by_label) {
        dst[(*n)++] = (struct volume){{v, kept}, s->bytes};
    }
    return 0;
}

static void write_volumes(struct http_exchange *x, const struct volume_ask *ask,
                          const struct volume *v, size_t n)
{
    struct json_writer w;
    struct buf b;

    data_begin(&w, &b);
    json_object_begin(&w);
    json_key(&w, "resultType");
    json_cstr(&w, "vector");
    json_key(&w, "result");
    json_array_begin(&w);
    for (size_t i = 0; i < n && i < (size_t)ask->limit; i++) {
        json_object_begin(&w);
        json_key(&w, "metric");
        loki_write_labels(&w, v[i].labels);
        json_key(&w, "value");
        loki_write_point(&w, ask->range.end_ns, (double)v[i].bytes);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    data_end(x, &w, &b);
}

static void volume(void *arg, struct http_exchange *x)
{
    struct logql_streams found = {0};
    struct logql_query *q = NULL;
    struct volume_ask v = {0};
    struct volume *list = NULL;
    struct logql_ask ask;
    struct err e = {0};
    size_t cap = 1;
    size_t n = 0;
    int rc = read_ask(x, &v, &e);

    loki_ask(arg, x, &ask);
    rc = rc < 0 ? rc : logql_parse_selector(v.selector, &q, &e);
    rc = rc < 0 ? rc
                : logql_streams(ask.logs, q, v.range.start_ns, v.range.end_ns, ask.cancel,
                                http_arena(x), &found, &e);
    logql_free(q);
    for (size_t i = 0; i < found.n; i++) {
        cap += found.v[i].labels.n + 1;
    }
    if (rc == 0) {
        list = arena_array(http_arena(x), struct volume, cap);
        rc = list == NULL ? -ERR_LIMIT : 0;
    }
    for (size_t i = 0; rc == 0 && i < found.n; i++) {
        rc = add_stream(x, &v, &found.v[i], list, &n);
    }
    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    write_volumes(x, &v, list, merge(list, n));
}

/* ---- over time ---- */

/* Names were checked or came out of a selector, so nothing needs quoting. */
static void range_query(const struct volume_ask *v, struct buf *b)
{
    buf_printf(b, "topk(%lld, sum by (", (long long)v->limit);
    for (size_t i = 0; i < v->names_n; i++) {
        buf_printf(b, "%s%.*s", i != 0 ? "," : "", STR_ARG(v->names[i]));
    }
    buf_printf(b, ") (bytes_over_time(%.*s [%lldms])))", STR_ARG(v->selector),
               (long long)(v->step_ns / 1000000));
}

static void volume_range(void *arg, struct http_exchange *x)
{
    struct logql_result *r = NULL;
    struct logql_query *q = NULL;
    struct volume_ask v = {0};
    struct logql_ask ask;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = read_ask(x, &v, &e);

    loki_ask(arg, x, &ask);
    buf_init(&b, 1 << 20);
    if (rc == 0) {
        range_query(&v, &b);
        rc = logql_parse(buf_str(&b), &q, &e);
    }
    buf_done(&b);
    ask.start_ns = v.range.start_ns + v.step_ns;
    ask.end_ns = v.range.end_ns > ask.start_ns ? v.range.end_ns : ask.start_ns;
    ask.step_ns = v.step_ns;
    rc = rc < 0 ? rc : logql_run(q, &ask, &r, &e);
    logql_free(q);
    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    loki_write_result(&w, r, false, ask.end_ns, false);
    logql_result_free(r);
    respond_json(x, 200, &b);
}

void loki_volume_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const uint32_t form = 1 << 20;
    const struct http_route routes[] = {
        {"GET", "/loki/api/v1/index/volume", volume, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/index/volume", volume, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/index/volume_range", volume_range, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/index/volume_range", volume_range, a, HTTP_WORKER, form, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
