/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/targets, /api/v1/targets/metadata, /api/v1/scrape_pools: what is scraped and how it goes, exactly
 * in Prometheus' form ("HTTP API", Targets).
 */
#include <stdio.h>
#include <time.h>

#include "api/api_internal.h"

#include "api/params.h"

enum { TARGETS_ARENA = 512 << 20, TIME_SIZE = 40 };

static void write_labels(struct json_writer *w, const char *key, struct labels ls)
{
    json_key(w, key);
    json_object_begin(w);
    for (size_t i = 0; i < ls.n; i++) {
        json_member(w, ls.v[i].name, ls.v[i].value);
    }
    json_object_end(w);
}

static void write_str(struct json_writer *w, const char *key, struct str s)
{
    json_key(w, key);
    json_str(w, s);
}

/* RFC 3339 with nanoseconds, as Go writes a time; the zero time when there was no scrape yet. */
static void write_time(struct json_writer *w, const char *key, int64_t ns)
{
    char whole[CLOCK_RFC3339_SIZE];
    char text[TIME_SIZE];

    json_key(w, key);
    if (ns == 0) {
        json_cstr(w, "0001-01-01T00:00:00Z");
        return;
    }
    clock_format_rfc3339(ns / 1000000, whole);
    snprintf(text, sizeof(text), "%.19s.%09lldZ", whole, (long long)(ns % 1000000000));
    json_cstr(w, text);
}

/* A duration as Prometheus writes it: "1m30s", "15s", "500ms". */
static void write_duration(struct json_writer *w, const char *key, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } UNITS[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

    char text[64] = "";
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        int64_t v = ms / UNITS[i].ms;

        if (v != 0) {
            n +=
                (size_t)snprintf(text + n, sizeof(text) - n, "%lld%s", (long long)v, UNITS[i].unit);
            ms -= v * UNITS[i].ms;
        }
    }
    json_key(w, key);
    json_cstr(w, n != 0 ? text : "0s");
}

static void write_active(struct json_writer *w, const struct scrape_target_info *t)
{
    static const char *const HEALTH[] = {"unknown", "up", "down"};

    json_object_begin(w);
    write_labels(w, "discoveredLabels", t->discovered);
    write_labels(w, "labels", t->labels);
    write_str(w, "scrapePool", t->pool);
    write_str(w, "scrapeUrl", t->url);
    write_str(w, "globalUrl", t->global_url);
    write_str(w, "lastError", t->last_error);
    write_time(w, "lastScrape", t->last_scrape_ns);
    json_key(w, "lastScrapeDuration");
    json_f64(w, (double)t->last_duration_ns / 1e9);
    json_key(w, "health");
    json_cstr(w, HEALTH[t->health]);
    write_duration(w, "scrapeInterval", t->interval_ms);
    write_duration(w, "scrapeTimeout", t->timeout_ms);
    json_object_end(w);
}

static void write_targets(struct json_writer *w, const struct scrape_snapshot *snap,
                          struct str state)
{
    bool active = str_eq(state, STR("active")) || state.n == 0 || str_eq(state, STR("any"));
    bool dropped = str_eq(state, STR("dropped")) || state.n == 0 || str_eq(state, STR("any"));

    json_object_begin(w);
    json_key(w, "activeTargets");
    json_array_begin(w);
    for (size_t i = 0; active && i < snap->active_n; i++) {
        write_active(w, &snap->active[i]);
    }
    json_array_end(w);
    json_key(w, "droppedTargets");
    json_array_begin(w);
    for (size_t i = 0; dropped && i < snap->dropped_n; i++) {
        json_object_begin(w);
        write_labels(w, "discoveredLabels", snap->dropped[i].discovered);
        write_str(w, "scrapePool", snap->dropped[i].pool);
        write_str(w, "reason", snap->dropped[i].last_error);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "droppedTargetCounts");
    if (!dropped) {
        json_null(w);
    } else {
        json_object_begin(w);
        for (size_t i = 0; i < snap->pools_n; i++) {
            json_key_str(w, snap->pools[i].name);
            json_u64(w, snap->pools[i].dropped);
        }
        json_object_end(w);
    }
    json_object_end(w);
}

/* The targets of a pool or all; none when nothing is scraped. */
static int take(struct api *a, struct str pool, struct arena *arena, struct scrape_snapshot *ret,
                struct err *e)
{
    const struct api_backend *b = api_backend(a);

    *ret = (struct scrape_snapshot){0};
    return b->scrape == NULL ? 0 : scrape_snapshot(b->scrape, pool, arena, ret, e);
}

static void targets(void *arg, struct http_exchange *x)
{
    struct scrape_snapshot snap;
    struct arena arena CLEANUP(arena_done);
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc;

    arena_init(&arena, TARGETS_ARENA);
    rc = take(arg, http_param(x, "scrapePool"), &arena, &snap, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    data_begin(&w, &b);
    write_targets(&w, &snap, http_param(x, "state"));
    data_end(x, &w, &b);
}

static void scrape_pools(void *arg, struct http_exchange *x)
{
    struct scrape_snapshot snap;
    struct arena arena CLEANUP(arena_done);
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int rc;

    arena_init(&arena, TARGETS_ARENA);
    rc = take(arg, STR(""), &arena, &snap, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    data_begin(&w, &b);
    json_object_begin(&w);
    json_key(&w, "scrapePools");
    json_array_begin(&w);
    for (size_t i = 0; i < snap.pools_n; i++) {
        json_str(&w, snap.pools[i].name);
    }
    json_array_end(&w);
    json_object_end(&w);
    data_end(x, &w, &b);
}

static bool target_matches(struct labels ls, struct matcher *const *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!matcher_matches(m[i], labels_get(ls, matcher_name(m[i])))) {
            return false;
        }
    }
    return true;
}

/* The matchers of match_target, which may be empty. */
static int parse_match_target(struct http_exchange *x, struct matcher ***ret, size_t *ret_n,
                              struct err *e)
{
    struct str text = http_param(x, "match_target");
    int rc;

    if (text.n == 0) {
        return 0;
    }
    rc = promql_parse_selector(text, ret, ret_n, e);
    if (rc < 0) {
        err_prefix(e, "invalid parameter \"match_target\"");
    }
    return rc;
}

static void write_metadata(struct json_writer *w, const struct scrape_metadata *m, bool with_name)
{
    json_object_begin(w);
    write_labels(w, "target", m->target);
    if (with_name) {
        write_str(w, "metric", m->metric);
    }
    write_str(w, "type", m->type);
    write_str(w, "help", m->help);
    write_str(w, "unit", m->unit);
    json_object_end(w);
}

static void metadata(void *arg, struct http_exchange *x)
{
    const struct api_backend *backend = api_backend(arg);
    struct scrape_metadata *found = NULL;
    struct matcher **m = NULL;
    struct arena arena CLEANUP(arena_done);
    struct str metric = http_param(x, "metric");
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int64_t limit = -1;
    int64_t written = 0;
    size_t m_n = 0;
    size_t n = 0;
    int rc;

    arena_init(&arena, TARGETS_ARENA);
    rc = param_i64(x, "limit", -1, INT32_MAX, -1, &limit, &e);
    rc = rc < 0 ? rc : parse_match_target(x, &m, &m_n, &e);
    if (rc == 0 && backend->scrape != NULL) {
        rc = scrape_target_metadata(backend->scrape, metric, 0, &arena, &found, &n, &e);
    }
    if (rc < 0) {
        promql_matchers_free(m, m_n);
        respond_err(x, rc, &e);
        return;
    }
    data_begin(&w, &b);
    json_array_begin(&w);
    for (size_t i = 0; i < n && (limit < 0 || written < limit); i++) {
        if (target_matches(found[i].target, m, m_n)) {
            write_metadata(&w, &found[i], metric.n == 0);
            written++;
        }
    }
    json_array_end(&w);
    data_end(x, &w, &b);
    promql_matchers_free(m, m_n);
}

void targets_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/targets", targets, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/targets/metadata", metadata, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/scrape_pools", scrape_pools, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
