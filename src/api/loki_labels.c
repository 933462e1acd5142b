/* SPDX-License-Identifier: Apache-2.0
 *
 * Names and values of stream labels, the streams themselves, and how much they hold.
 */
#include "api/loki.h"

#include <stdlib.h>

#include "base/map.h"

static const int64_t SIX_HOURS_NS = 6 * 3600000000000;

/* Streams of the request's range under "query" (or none). */
static int streams(struct api *a, struct http_exchange *x, struct str selector,
                   struct loki_range range, struct logql_streams *ret, struct err *reterr)
{
    struct logql_query *q = NULL;
    struct logql_ask ask;
    int rc = selector.n != 0 ? logql_parse_selector(selector, &q, reterr) : 0;

    loki_ask(a, x, &ask);
    rc = rc < 0 ? rc
                : logql_streams(ask.logs, q, range.start_ns, range.end_ns, ask.cancel,
                                http_arena(x), ret, reterr);
    logql_free(q);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void respond_strings(struct http_exchange *x, struct str *v, size_t n)
{
    struct json_writer w;
    struct buf b;

    if (n > 1) {
        qsort(v, n, sizeof(*v), by_text);
    }
    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(v[i - 1], v[i])) {
            json_str(&w, v[i]);
        }
    }
    json_array_end(&w);
    data_end(x, &w, &b);
}

/* Names of all labels (name empty) or values of one. */
static void names_or_values(struct api *a, struct http_exchange *x, struct str name)
{
    struct logql_streams found = {0};
    struct loki_range range;
    struct err e = {0};
    struct str *v = NULL;
    size_t cap = 2;
    size_t n = 0;
    int rc = loki_range(x, SIX_HOURS_NS, &range, &e);

    rc = rc < 0 ? rc : streams(a, x, http_param(x, "query"), range, &found, &e);
    for (size_t i = 0; i < found.n; i++) {
        cap += found.v[i].labels.n;
    }
    if (rc == 0) {
        v = arena_array(http_arena(x), struct str, cap);
        rc = v == NULL ? err_set(&e, ERR_LIMIT, "too many streams; give a selector") : 0;
    }
    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    for (size_t i = 0; v != NULL && i < found.n; i++) {
        struct labels ls = found.v[i].labels;

        for (size_t k = 0; k < ls.n; k++) {
            if (name.n == 0 || str_eq(ls.v[k].name, name)) {
                v[n++] = name.n == 0 ? ls.v[k].name : ls.v[k].value;
            }
        }
    }
    if (v != NULL && name.n == 0 && found.n != 0) {
        v[n++] = STR(LOGQL_LEVEL);
    }
    respond_strings(x, v, n);
}

/* Levels are no label of a stream, but may be selected by. */
static void levels(struct api *a, struct http_exchange *x)
{
    struct columns_groups groups = {0};
    struct loki_range range = {0};
    struct logql_ask ask;
    struct err e = {0};
    struct str *v = NULL;
    int rc = loki_range(x, SIX_HOURS_NS, &range, &e);

    loki_ask(a, x, &ask);
    if (rc == 0) {
        const struct columns_query q = {
            .min_ns = range.start_ns, .max_ns = range.end_ns, .cancel = ask.cancel};

        rc = columns_values(ask.logs, &q, (struct field){FIELD_INTRINSIC, STR("severity_number")},
                            32, http_arena(x), &groups, &e);
    }
    v = rc < 0 ? NULL : arena_array(http_arena(x), struct str, groups.n + 1);
    if (rc < 0 || v == NULL) {
        loki_fail(x, rc < 0 ? rc : -ERR_NOMEM, &e);
        return;
    }
    for (size_t i = 0; i < groups.n; i++) {
        uint64_t number = 0;
        bool ok = str_to_u64(groups.v[i].value, &number) && number <= 24;

        v[i] = str_cstr(logql_level_name(ok ? (uint8_t)number : 0));
    }
    respond_strings(x, v, groups.n);
}

static void label_names(void *arg, struct http_exchange *x)
{
    names_or_values(arg, x, STR(""));
}

static void label_values(void *arg, struct http_exchange *x)
{
    struct str name = http_path_param(x, "name");

    if (str_eq(name, STR(LOGQL_LEVEL))) {
        levels(arg, x);
    } else {
        names_or_values(arg, x, name);
    }
}

/* ---- series ---- */

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

static void write_series(struct http_exchange *x, struct labels *v, size_t n)
{
    struct json_writer w;
    struct buf b;

    if (n > 1) {
        qsort(v, n, sizeof(*v), by_labels);
    }
    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !labels_eq(v[i - 1], v[i])) {
            loki_write_labels(&w, v[i]);
        }
    }
    json_array_end(&w);
    data_end(x, &w, &b);
}

static void series(void *arg, struct http_exchange *x)
{
    enum { MATCHES_MAX = 64 };
    struct logql_streams found[MATCHES_MAX] = {0};
    struct loki_range range = {0};
    struct err e = {0};
    struct labels *v = NULL;
    struct str match;
    size_t total = 0;
    size_t n = 0;
    int rc = loki_range(x, SIX_HOURS_NS, &range, &e);

    while (rc == 0 && n < MATCHES_MAX &&
           (http_param_at(x, "match[]", n, &match) || http_param_at(x, "match", n, &match))) {
        rc = streams(arg, x, match, range, &found[n], &e);
        total += found[n++].n;
    }
    if (rc == 0 && n == 0) {
        rc = err_set(&e, ERR_INVALID, "0 matcher sets found: at least one match[] must be given");
    }
    v = rc < 0 ? NULL : arena_array(http_arena(x), struct labels, total + 1);
    if (rc < 0 || v == NULL) {
        loki_fail(x, rc < 0 ? rc : -ERR_NOMEM, &e);
        return;
    }
    total = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < found[i].n; k++) {
            v[total++] = found[i].v[k].labels;
        }
    }
    write_series(x, v, total);
}

/* ---- index/stats ---- */

static void index_stats(void *arg, struct http_exchange *x)
{
    struct logql_streams found = {0};
    struct loki_range range = {0};
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    uint64_t rows = 0;
    uint64_t bytes = 0;
    int rc = loki_range(x, SIX_HOURS_NS, &range, &e);

    rc = rc < 0 ? rc : streams(arg, x, http_param(x, "query"), range, &found, &e);
    if (rc < 0) {
        loki_fail(x, rc, &e);
        return;
    }
    for (size_t i = 0; i < found.n; i++) {
        rows += found.v[i].rows;
        bytes += found.v[i].bytes;
    }
    buf_init(&b, 4096);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "streams");
    json_u64(&w, found.n);
    json_key(&w, "chunks");
    json_u64(&w, found.n);
    json_key(&w, "entries");
    json_u64(&w, rows);
    json_key(&w, "bytes");
    json_u64(&w, bytes);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/* ---- detected_labels ---- */

struct label_count {
    struct str name;
    struct map values;
};

/* Distinct values of each label, in the exchange's arena. */
static int count_values(struct http_exchange *x, const struct logql_streams *s,
                        struct label_count **ret, size_t *ret_n)
{
    struct arena *a = http_arena(x);
    struct map names = {0};
    struct label_count *v = arena_calloc(a, 1000, sizeof(*v));
    size_t n = 0;
    int rc = v == NULL ? -ERR_NOMEM : 0;

    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        for (size_t k = 0; rc == 0 && k < s->v[i].labels.n; k++) {
            const struct label *l = &s->v[i].labels.v[k];
            struct label_count *c = map_get(&names, l->name);

            if (c == NULL && n < 1000) {
                c = &v[n++];
                c->name = l->name;
                rc = map_put(&names, l->name, c);
            }
            if (rc == 0 && c != NULL) {
                rc = map_put(&c->values, l->value, c);
            }
        }
    }
    map_done(&names);
    *ret = v;
    *ret_n = n;
    return rc;
}

static void detected_labels(void *arg, struct http_exchange *x)
{
    struct logql_streams found = {0};
    struct loki_range range = {0};
    struct label_count *v = NULL;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    size_t n = 0;
    int rc = loki_range(x, SIX_HOURS_NS, &range, &e);

    rc = rc < 0 ? rc : streams(arg, x, http_param(x, "query"), range, &found, &e);
    rc = rc < 0 ? rc : count_values(x, &found, &v, &n);
    if (rc == 0) {
        buf_init(&b, RESPONSE_MAX);
        json_init(&w, &b);
        json_object_begin(&w);
        json_key(&w, "detectedLabels");
        json_array_begin(&w);
        for (size_t i = 0; i < n; i++) {
            json_object_begin(&w);
            json_key(&w, "label");
            json_str(&w, v[i].name);
            json_key(&w, "cardinality");
            json_u64(&w, v[i].values.n);
            json_object_end(&w);
        }
        json_array_end(&w);
        json_object_end(&w);
        respond_json(x, 200, &b);
    } else {
        loki_fail(x, rc, &e);
    }
    for (size_t i = 0; i < n; i++) {
        map_done(&v[i].values);
    }
}

void loki_labels_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const uint32_t form = 1 << 20;
    const struct http_route routes[] = {
        {"GET", "/loki/api/v1/labels", label_names, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/labels", label_names, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/label", label_names, a, HTTP_WORKER, 0, need},
        {"GET", "/loki/api/v1/label/{name}/values", label_values, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/label/{name}/values", label_values, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/series", series, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/series", series, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/index/stats", index_stats, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/index/stats", index_stats, a, HTTP_WORKER, form, need},
        {"GET", "/loki/api/v1/detected_labels", detected_labels, a, HTTP_WORKER, 0, need},
        {"POST", "/loki/api/v1/detected_labels", detected_labels, a, HTTP_WORKER, form, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
