/* SPDX-License-Identifier: Apache-2.0
 *
 * Hosts as the overview shows them: nothing is registered anywhere, a host is a value of label host_name of
 * the agent's series, and its figures are PromQL.
 */
#include <stdlib.h>

#include "api/api_internal.h"

#include "api/params.h"
#include "base/map.h"

enum { SPARK_POINTS = 60 };

/* One instant query whose result, by host_name, is one member of a host. */
static const struct host_metric {
    const char *key;
    const char *query;
    const char *label; /* when not NULL: this label's value goes out as `label_key` */
    const char *label_key;
} HOST_METRICS[] = {
    {"cpu_ratio",
     "1 - sum by (host_name) (rate(system_cpu_time_seconds_total{cpu_mode=\"idle\"}[2m]))"
     " / sum by (host_name) (rate(system_cpu_time_seconds_total[2m]))",
     NULL, NULL},
    {"load1", "max by (host_name) (system_cpu_load_average_1m)", NULL, NULL},
    {"cpus", "max by (host_name) (system_cpu_logical_count)", NULL, NULL},
    {"memory_ratio", "max by (host_name) (system_memory_utilization_ratio)", NULL, NULL},
    {"memory_bytes", "max by (host_name) (system_memory_limit_bytes)", NULL, NULL},
    {"disk_ratio",
     "topk by (host_name) (1, max by (host_name, system_filesystem_mountpoint)"
     " (system_filesystem_utilization_ratio))",
     "system_filesystem_mountpoint", "disk_mount"},
    {"rx_bytes_per_s",
     "sum by (host_name) (rate(system_network_io_bytes_total{network_io_direction=\"receive\","
     "network_interface_name!=\"lo\"}[2m]))",
     NULL, NULL},
    {"tx_bytes_per_s",
     "sum by (host_name) (rate(system_network_io_bytes_total{network_io_direction=\"transmit\","
     "network_interface_name!=\"lo\"}[2m]))",
     NULL, NULL},
};

/* Labels of target_info that describe a host. */
static const struct {
    const char *key;
    const char *label;
} HOST_INFO[] = {{"host_id", "host_id"},
                 {"os", "os_description"},
                 {"arch", "host_arch"},
                 {"agent_version", "service_version"}};

/* The newest sample itself; for hosts silent beyond the lookback, the newest minute of the last hour. */
static const char LAST_SEEN[] =
    "max by (host_name) (timestamp(system_uptime_seconds)) or max by (host_name)"
    " (max_over_time(timestamp(system_uptime_seconds)[1h:1m]))";

struct host {
    struct str name;
    double value[ARRAY_LEN(HOST_METRICS)];
    bool has[ARRAY_LEN(HOST_METRICS)];
    struct str label[ARRAY_LEN(HOST_METRICS)];
    struct str info[ARRAY_LEN(HOST_INFO)];
    double last_seen_s;
    const struct promql_series *spark; /* of results[] below */
};

struct hosts {
    const struct api_backend *b;
    struct http_exchange *x;
    struct arena *a;
    struct map by_name; /* host_name -> struct host, in the arena */
    VEC(struct host *) list;
    VEC(struct promql_result *) results; /* keep strings alive until the answer is written */
};

static struct host *host_of(struct hosts *h, struct labels ls)
{
    struct str name = labels_get(ls, STR("host_name"));
    struct host *host = name.n != 0 ? map_get(&h->by_name, name) : NULL;

    if (host != NULL || name.n == 0) {
        return host;
    }
    host = arena_calloc(h->a, 1, sizeof(*host));
    if (host == NULL || !vec_push(&h->list, host)) {
        return NULL;
    }
    host->name = name;
    return map_put(&h->by_name, name, host) < 0 ? NULL : host;
}

/* Run a query and keep its result. A query over metrics that nobody sends is an empty result, no error. */
static int hosts_query(struct hosts *h, const char *query, int64_t t_ms,
                       const struct promql_result **ret, struct err *e)
{
    struct promql_result *r = NULL;
    int rc = promql_instant(h->b->promql, tsdb_source(store_metrics(h->b->store)), str_cstr(query),
                            t_ms, http_cancel(h->x), &r, e);

    if (rc < 0) {
        return rc;
    }
    if (!vec_push(&h->results, r)) {
        promql_result_free(r);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    *ret = r;
    return 0;
}

static int hosts_seen(struct hosts *h, int64_t t_ms, struct err *e)
{
    const struct promql_result *r = NULL; /* stays so on an error */
    int rc = hosts_query(h, LAST_SEEN, t_ms, &r, e);

    for (size_t i = 0; r != NULL && i < r->series_n; i++) {
        struct host *host = host_of(h, r->series[i].labels);

        if (host != NULL) {
            host->last_seen_s = r->series[i].v[0];
        }
    }
    return rc;
}

static int hosts_metric(struct hosts *h, size_t m, int64_t t_ms, struct err *e)
{
    const struct host_metric *metric = &HOST_METRICS[m];
    const struct promql_result *r = NULL; /* stays so on an error */
    int rc = hosts_query(h, metric->query, t_ms, &r, e);

    for (size_t i = 0; r != NULL && i < r->series_n; i++) {
        struct host *host = map_get(&h->by_name, labels_get(r->series[i].labels, STR("host_name")));

        if (host != NULL) {
            host->value[m] = r->series[i].v[0];
            host->has[m] = true;
            if (metric->label != NULL) {
                host->label[m] = labels_get(r->series[i].labels, str_cstr(metric->label));
            }
        }
    }
    return rc;
}

static int hosts_info(struct hosts *h, int64_t t_ms, struct err *e)
{
    const struct promql_result *r = NULL; /* stays so on an error */
    int rc = hosts_query(h, "last_over_time(target_info{job=\"bongsu-agent\"}[1h])", t_ms, &r, e);

    for (size_t i = 0; r != NULL && i < r->series_n; i++) {
        struct labels ls = r->series[i].labels;
        struct host *host = map_get(&h->by_name, labels_get(ls, STR("host_name")));

        for (size_t k = 0; host != NULL && k < ARRAY_LEN(HOST_INFO); k++) {
            host->info[k] = labels_get(ls, str_cstr(HOST_INFO[k].label));
        }
    }
    return rc;
}

static int hosts_spark(struct hosts *h, struct time_range range, struct err *e)
{
    int64_t step = (range.end_ms - range.start_ms) / (SPARK_POINTS - 1);
    struct promql_result *r = NULL;
    int rc;

    step = step > 1000 ? step : 1000;
    rc = promql_range(h->b->promql, tsdb_source(store_metrics(h->b->store)),
                      str_cstr(HOST_METRICS[0].query), range.start_ms, range.end_ms, step,
                      http_cancel(h->x), &r, e);
    if (rc < 0) {
        return rc;
    }
    if (!vec_push(&h->results, r)) {
        promql_result_free(r);
        return err_set(e, ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < r->series_n; i++) {
        struct host *host = map_get(&h->by_name, labels_get(r->series[i].labels, STR("host_name")));

        if (host != NULL) {
            host->spark = &r->series[i];
        }
    }
    return 0;
}

static void opt_text(struct json_writer *w, const char *key, struct str s)
{
    if (s.n != 0) {
        json_key(w, key);
        json_str(w, s);
    }
}

static void write_host(struct json_writer *w, const struct host *h)
{
    json_object_begin(w);
    json_key(w, "host");
    json_str(w, h->name);
    for (size_t i = 0; i < ARRAY_LEN(HOST_INFO); i++) {
        opt_text(w, HOST_INFO[i].key, h->info[i]);
    }
    json_key(w, "last_seen_ms");
    json_i64(w, (int64_t)(h->last_seen_s * 1000));
    for (size_t i = 0; i < ARRAY_LEN(HOST_METRICS); i++) {
        if (h->has[i]) {
            json_key(w, HOST_METRICS[i].key);
            json_f64(w, h->value[i]);
        }
        if (HOST_METRICS[i].label != NULL) {
            opt_text(w, HOST_METRICS[i].label_key, h->label[i]);
        }
    }
    if (h->spark != NULL) {
        json_key(w, "cpu_spark");
        json_array_begin(w);
        for (size_t i = 0; i < h->spark->n; i++) {
            json_f64(w, h->spark->v[i]);
        }
        json_array_end(w);
    }
    json_object_end(w);
}

static int by_host_name(const void *a, const void *b)
{
    return str_cmp((*(struct host *const *)a)->name, (*(struct host *const *)b)->name);
}

static int gather_hosts(struct hosts *h, struct time_range range, struct err *e)
{
    int64_t t = range.end_ms < clock_wall_ms() ? range.end_ms : clock_wall_ms();
    int rc = hosts_seen(h, t, e);

    if (rc < 0 || h->list.n == 0) {
        return rc;
    }
    for (size_t m = 0; rc == 0 && m < ARRAY_LEN(HOST_METRICS); m++) {
        rc = hosts_metric(h, m, t, e);
    }
    rc = rc < 0 ? rc : hosts_info(h, t, e);
    rc = rc < 0 ? rc : hosts_spark(h, range, e);
    if (h->list.n > 1) {
        qsort(h->list.v, h->list.n, sizeof(*h->list.v), by_host_name);
    }
    return rc;
}

static void list_hosts(void *arg, struct http_exchange *x)
{
    struct hosts h = {.b = api_backend(arg), .x = x, .a = http_arena(x)};
    struct time_range range;
    struct json_writer w;
    struct err e = {0};
    struct buf b;
    int rc = param_range(x, &range, &e);

    rc = rc < 0 ? rc : gather_hosts(&h, range, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
    } else {
        buf_init(&b, RESPONSE_MAX);
        json_init(&w, &b);
        json_object_begin(&w);
        json_key(&w, "hosts");
        json_array_begin(&w);
        for (size_t i = 0; i < h.list.n; i++) {
            write_host(&w, h.list.v[i]);
        }
        json_array_end(&w);
        json_object_end(&w);
        respond_json(x, 200, &b);
    }
    for (size_t i = 0; i < h.results.n; i++) {
        promql_result_free(h.results.v[i]);
    }
    vec_done(&h.results);
    vec_done(&h.list);
    map_done(&h.by_name);
}

void hosts_routes(struct api *a, struct http_server *s)
{
    const struct http_route routes[] = {
        {"GET", "/api/v1/hosts", list_hosts, a, HTTP_WORKER, 0, NEED_READ | NEED_BACKEND},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
