/* SPDX-License-Identifier: Apache-2.0
 *
 * Services as the overview shows them, from their entry spans (kinds server and consumer): exact counts from
 * the engine's histogram, percentiles from the newest DURATION_SAMPLE entry spans of the range.
 */
#include <stdlib.h>

#include "api/api_internal.h"

#include "api/otel_json.h"
#include "api/rows.h"
#include "base/map.h"

enum { SPARK_BUCKETS = 30, DURATION_SAMPLE = 50000, LANGUAGES_MAX = 8, SERVICE_ARENA = 64 << 20 };

struct service {
    struct str name;
    struct str name_space;
    struct str languages[LANGUAGES_MAX];
    size_t languages_n;
    struct map instances; /* service.instance.id (or host and pid) -> itself */
    uint64_t requests;
    uint64_t errors;
    const uint64_t *request_counts; /* SPARK_BUCKETS; NULL: none */
    const uint64_t *error_counts;
    int64_t newest_ns;
    VEC(int64_t) durations_ns; /* of the sample */
};

struct services {
    struct arena a;
    struct map by_name;
    VEC(struct service *) list;
    size_t sampled;
};

static struct service *service_get(struct services *s, struct str name)
{
    struct service *v = map_get(&s->by_name, name);

    if (v != NULL) {
        return v;
    }
    v = arena_calloc(&s->a, 1, sizeof(*v));
    name = arena_str_dup(&s->a, name);
    if (v == NULL || name.p == NULL || !vec_push(&s->list, v)) {
        return NULL;
    }
    v->name = name;
    return map_put(&s->by_name, name, v) < 0 ? NULL : v;
}

static const struct filter *eq(struct arena *a, const char *field, struct str value)
{
    return filter_pred(a, (struct field){FIELD_INTRINSIC, str_cstr(field)}, PRED_EQ,
                       (struct value){.type = VALUE_STR, .u.s = value});
}

static const struct filter *entry_spans(struct arena *a, bool errors_only)
{
    const struct filter *kinds[] = {eq(a, "kind", STR("server")), eq(a, "kind", STR("consumer"))};
    const struct filter *both[] = {filter_or(a, kinds, 2), NULL};

    if (!errors_only) {
        return both[0];
    }
    both[1] = eq(a, "status", STR("error"));
    return filter_and(a, both, 2);
}

static int count(struct services *s, struct columns *spans, struct columns_query q, bool errors,
                 int64_t step_ns, struct err *e)
{
    const struct field by = {FIELD_INTRINSIC, STR("service")};
    const struct columns_buckets over = {.step_ns = step_ns, .n = SPARK_BUCKETS, .by = &by};
    struct columns_groups groups = {0};
    int rc;

    q.filter = entry_spans(&s->a, errors);
    if (q.filter == NULL) {
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    rc = columns_histogram(spans, &q, &over, &s->a, &groups, e);
    for (size_t i = 0; rc == 0 && i < groups.n; i++) {
        const struct columns_group *group = &groups.v[i];
        struct service *v =
            service_get(s, group->value.n != 0 ? group->value : STR("unknown_service"));

        if (v == NULL) {
            return err_set(e, ERR_NOMEM, "out of memory");
        }
        if (errors) {
            v->errors += group->total;
            v->error_counts = group->counts;
        } else {
            v->requests += group->total;
            v->request_counts = group->counts;
        }
    }
    return rc;
}

static int note_language(struct services *s, struct service *v, struct str language)
{
    for (size_t i = 0; i < v->languages_n; i++) {
        if (str_eq(v->languages[i], language)) {
            return 0;
        }
    }
    if (language.n == 0 || v->languages_n == LANGUAGES_MAX) {
        return 0;
    }
    language = arena_str_dup(&s->a, language);
    v->languages[v->languages_n++] = language;
    return language.p != NULL ? 0 : -ERR_NOMEM;
}

static int note_instance(struct services *s, struct service *v, struct attrs resource)
{
    struct str id = attrs_get_str(resource, STR("service.instance.id"));

    if (id.n == 0) {
        id = attrs_get_str(resource, STR("host.name"));
    }
    if (map_get(&v->instances, id) != NULL) {
        return 0;
    }
    id = arena_str_dup(&s->a, id);
    return id.p != NULL ? map_put(&v->instances, id, v) : -ERR_NOMEM;
}

static int sample(void *arg, const struct span *row, uint64_t id)
{
    struct services *s = arg;
    struct attrs resource = row->resource->attrs;
    struct service *v;
    int rc;

    (void)id;
    if (s->sampled++ == DURATION_SAMPLE) {
        return 1;
    }
    v = service_get(s, service_of(row->resource));
    if (v == NULL || !vec_push(&v->durations_ns, row->end_ns - row->start_ns)) {
        return -ERR_NOMEM;
    }
    v->newest_ns = row->start_ns > v->newest_ns ? row->start_ns : v->newest_ns;
    if (v->name_space.n == 0) {
        v->name_space = arena_str_dup(&s->a, attrs_get_str(resource, STR("service.namespace")));
    }
    rc = note_language(s, v, attrs_get_str(resource, STR("telemetry.sdk.language")));
    return rc < 0 ? rc : note_instance(s, v, resource);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void write_quantiles(struct json_writer *w, struct service *v)
{
    static const struct {
        const char *key;
        double q;
    } QUANTILES[] = {{"p50_ms", 0.5}, {"p95_ms", 0.95}, {"p99_ms", 0.99}};

    size_t n = v->durations_ns.n;

    if (n == 0) {
        return;
    }
    qsort(v->durations_ns.v, n, sizeof(int64_t), by_value);
    for (size_t i = 0; i < ARRAY_LEN(QUANTILES); i++) {
        size_t at = (size_t)(QUANTILES[i].q * (double)(n - 1) + 0.5); /* nearest rank */

        json_key(w, QUANTILES[i].key);
        json_f64(w, (double)v->durations_ns.v[at] / 1e6);
    }
}

static void write_spark(struct json_writer *w, const char *key, const uint64_t *counts)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < SPARK_BUCKETS; i++) {
        json_u64(w, counts != NULL ? counts[i] : 0);
    }
    json_array_end(w);
}

static void write_service(struct json_writer *w, struct service *v, struct time_range range)
{
    double seconds = (double)(range.end_ms - range.start_ms) / 1000;

    json_object_begin(w);
    json_key(w, "service");
    json_str(w, v->name);
    if (v->name_space.n != 0) {
        json_key(w, "namespace");
        json_str(w, v->name_space);
    }
    json_key(w, "instances");
    json_u64(w, v->instances.n);
    json_key(w, "languages");
    json_array_begin(w);
    for (size_t i = 0; i < v->languages_n; i++) {
        json_str(w, v->languages[i]);
    }
    json_array_end(w);
    json_key(w, "requests");
    json_u64(w, v->requests);
    json_key(w, "errors");
    json_u64(w, v->errors);
    json_key(w, "requests_per_s");
    json_f64(w, (double)v->requests / seconds);
    json_key(w, "error_ratio");
    json_f64(w, v->requests != 0 ? (double)v->errors / (double)v->requests : 0);
    write_quantiles(w, v);
    json_key(w, "last_seen_ms");
    json_i64(w, v->newest_ns / 1000000);
    write_spark(w, "request_spark", v->request_counts);
    write_spark(w, "error_spark", v->error_counts);
    json_object_end(w);
}

static int by_service_name(const void *a, const void *b)
{
    return str_cmp((*(struct service *const *)a)->name, (*(struct service *const *)b)->name);
}

static void respond_services(struct http_exchange *x, struct services *s, struct time_range range)
{
    struct json_writer w;
    struct buf b;

    if (s->list.n > 1) {
        qsort(s->list.v, s->list.n, sizeof(*s->list.v), by_service_name);
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "services");
    json_array_begin(&w);
    for (size_t i = 0; i < s->list.n; i++) {
        write_service(&w, s->list.v[i], range);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void services_done(struct services *s)
{
    for (size_t i = 0; i < s->list.n; i++) {
        vec_done(&s->list.v[i]->durations_ns);
        map_done(&s->list.v[i]->instances);
    }
    vec_done(&s->list);
    map_done(&s->by_name);
    arena_done(&s->a);
}

static void list_services(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns *spans = store_spans(api_backend(a)->store);
    const struct row_filter all = {0};
    struct services s = {0};
    struct time_range range;
    struct columns_query q;
    struct err e = {0};
    int64_t step_ns;
    int rc = param_range(x, &range, &e);

    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    arena_init(&s.a, SERVICE_ARENA);
    q = rows_query(x, range, &all, a->opts.query_timeout_ms);
    step_ns = (range.end_ms - range.start_ms + SPARK_BUCKETS - 1) / SPARK_BUCKETS * 1000000;
    rc = count(&s, spans, q, false, step_ns, &e);
    rc = rc < 0 ? rc : count(&s, spans, q, true, step_ns, &e);
    if (rc == 0) {
        q.filter = entry_spans(&s.a, false);
        rc = columns_scan_spans(spans, &q, INT64_MAX, UINT64_MAX, sample, &s, NULL, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        respond_services(x, &s, range);
    }
    services_done(&s);
}

void services_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/services", list_services, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
