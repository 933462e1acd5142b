/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/apm/tmap: cells of a T-Map over a range, its requests as points, groups and instances to choose from. Thin:
 * apm/tmap.h and apm/txn_query.h count and read.
 */
#include "api/apm_box.h"
#include "api/live_streams.h"
#include "api/params.h"
#include "base/alloc.h"

enum { COLUMNS = 300, ROWS = 60, POINTS = 20000, INSTANCES_MAX = 2000 };

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_i64(w, v);
}

void apm_write_totals(struct json_writer *w, const uint64_t total[TMAP_CLASSES])
{
    json_key(w, "total");
    json_object_begin(w);
    for (int i = 0; i < TMAP_CLASSES; i++) {
        json_key_str(w, txn_class_name((enum tmap_class)i));
        json_u64(w, total[i]);
    }
    json_object_end(w);
}

static void write_cells(struct json_writer *w, const struct tmap_cells *c, unsigned shift)
{
    put_i64(w, "start_ms", c->min_ns / 1000000);
    put_i64(w, "step_ms", c->step_ns / 1000000);
    put_i64(w, "columns", (int64_t)c->columns);
    put_i64(w, "level_ms", c->level_ns / 1000000);
    put_i64(w, "shift", shift);
    apm_write_totals(w, c->total);
    json_key(w, "cells");
    json_array_begin(w);
    for (size_t i = 0; i < c->n; i++) {
        json_u64(w, c->v[i].column);
        json_u64(w, c->v[i].bucket);
        for (int k = 0; k < TMAP_CLASSES; k++) {
            json_u64(w, c->v[i].n[k]);
        }
    }
    json_array_end(w);
}

/** How far buckets are merged for so many rows of a logarithmic view from 1 ms to max_ns; linear views need them as
 * they are. */
static int param_shift(struct http_exchange *x, unsigned *ret, struct err *e)
{
    struct str scale = http_param(x, "scale");
    int64_t rows;
    int64_t max_ns;
    unsigned shift = 0;
    int rc = param_i64(x, "h", 1, 1000, ROWS, &rows, e);

    rc = rc < 0 ? rc : param_ms(x, "y_max_ms", 60000000000, &max_ns, e);
    if (rc < 0) {
        return rc;
    }
    if (scale.n != 0 && !str_eq(scale, STR("log")) && !str_eq(scale, STR("linear"))) {
        return err_set(e, ERR_INVALID, "scale: log or linear");
    }
    while (!str_eq(scale, STR("linear")) && shift < TMAP_SUB_BITS &&
           (int64_t)(tmap_bucket(max_ns) - tmap_bucket(1000000)) >> shift > rows) {
        shift++;
    }
    *ret = shift;
    return 0;
}

static int read_cells(struct api *a, struct http_exchange *x, const struct txn_filter *f,
                      unsigned shift, struct tmap_cells *ret, struct err *e)
{
    const struct api_backend *b = api_backend(a);
    struct tmap_query q = {.groups = f->groups,
                           .groups_n = f->groups_n,
                           .min_ns = f->min_ns,
                           .max_ns = f->max_ns,
                           .shift = shift,
                           .cancel = f->cancel,
                           .budget = b->query_budget};
    int64_t columns;
    int rc = param_i64(x, "w", 1, TMAP_COLUMNS_MAX, COLUMNS, &columns, e);

    if (rc < 0) {
        return rc;
    }
    q.columns = (size_t)columns;
    if (f->instance.n != 0) { /* cells do not know instances */
        return txn_cells(store_transactions(b->store), f, q.columns, shift, http_arena(x), ret, e);
    }
    return tmap_cells(apm_tmap(b->apm), &q, http_arena(x), ret, e);
}

static void cells(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct mono since = clock_mono();
    struct txn_filter f;
    struct tmap_cells c;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    unsigned shift = 0;
    int rc = param_txn_filter(x, a->opts.query_timeout_ms, &f, &e);

    rc = rc < 0 ? rc : param_shift(x, &shift, &e);
    rc = rc < 0 ? rc : read_cells(a, x, &f, shift, &c, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    write_cells(&w, &c, shift);
    json_key(&w, "elapsed_ms");
    json_f64(&w, (double)mono_since_ns(since) / 1e6);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void write_points(struct json_writer *w, const struct txn_filter *f,
                         const struct txn_points *p)
{
    put_i64(w, "start_ms", f->min_ns / 1000000);
    json_key(w, "matched");
    json_u64(w, p->total);
    json_key(w, "every");
    json_u64(w, p->every);
    json_key(w, "points");
    json_array_begin(w);
    for (size_t i = 0; i < p->n; i++) {
        json_i64(w, (p->v[i].start_ns - f->min_ns) / 1000000);
        json_i64(w, p->v[i].took_ns / 1000);
        json_i64(w, p->v[i].class);
    }
    json_array_end(w);
}

static void points(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    const struct api_backend *backend = api_backend(a);
    struct txn_points p;
    struct txn_filter f;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    int64_t limit;
    int rc = param_txn_filter(x, a->opts.query_timeout_ms, &f, &e);

    rc = rc < 0 ? rc : param_i64(x, "limit", 1, TXN_POINTS_MAX, POINTS, &limit, &e);
    rc = rc < 0 ? rc
                : txn_points(store_transactions(backend->store), &f, (size_t)limit, http_arena(x),
                             &p, &e);
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    write_points(&w, &f, &p);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

static void groups(void *arg, struct http_exchange *x)
{
    struct tmap_group *v;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    size_t n;
    int rc = tmap_groups(apm_tmap(api_backend(arg)->apm), http_arena(x), &v, &n);

    if (rc < 0) {
        err_set(&e, ERR_NOMEM, "the groups could not be listed");
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "groups");
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_key(&w, "name");
        json_str(&w, v[i].name);
        json_key(&w, "requests");
        json_u64(&w, v[i].n);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/** From the directories of blocks: rows need not be read. */
static void instances(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct columns_groups found = {0};
    struct columns_query q;
    struct txn_filter f;
    struct err e = {0};
    struct json_writer w;
    struct buf b;
    bool ok = true;
    int rc = param_txn_filter(x, a->opts.query_timeout_ms, &f, &e);

    if (rc == 0) {
        q = txn_columns_query(&f, http_arena(x), &ok);
        rc = !ok ? err_set(&e, ERR_NOMEM, "out of memory")
                 : columns_values(store_transactions(api_backend(a)->store), &q,
                                  (struct field){FIELD_RESOURCE, STR(TXN_INSTANCE)}, INSTANCES_MAX,
                                  http_arena(x), &found, &e);
    }
    if (rc < 0) {
        respond_err(x, rc, &e);
        return;
    }
    buf_init(&b, RESPONSE_MAX);
    json_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, "instances");
    json_array_begin(&w);
    for (size_t i = 0; i < found.n; i++) {
        json_object_begin(&w);
        json_key(&w, "name");
        json_str(&w, found.v[i].value);
        json_key(&w, "requests");
        json_u64(&w, found.v[i].total);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    respond_json(x, 200, &b);
}

/* ---- live ---- */

struct live_tmap {
    struct tmap *tmap;
    uint64_t version;
    size_t groups_n;
    struct str groups[APM_GROUPS_MAX];
    struct arena texts;
};

static void stream_free(void *arg)
{
    struct live_tmap *l = arg;

    arena_done(&l->texts);
    mem_free(l);
}

/** Columns of 2 s that changed, each whole: whoever has them puts the new ones in their place. */
static void stream_next(void *arg, struct buf *dst, bool again)
{
    struct live_tmap *l = arg;
    struct tmap_cells c;
    struct json_writer w;
    struct arena a CLEANUP(arena_done);
    bool all = again || l->version == 0;

    arena_init(&a, 64 << 20);
    if (again) {
        l->version = 0;
    }
    if (tmap_live(l->tmap, l->groups, l->groups_n, &l->version, &a, &c) < 0) {
        return;
    }
    buf_add_cstr(dst, all ? "event: all\ndata: " : "event: columns\ndata: ");
    json_init(&w, dst);
    json_object_begin(&w);
    put_i64(&w, "now_ms", clock_wall_ms());
    write_cells(&w, &c, 0);
    json_object_end(&w);
    buf_add_cstr(dst, "\n\n");
}

static void stream(void *arg, struct http_exchange *x)
{
    struct api *a = arg;
    struct live_tmap *l = mem_xcalloc(1, sizeof(*l));
    const struct str *groups_given;
    struct err e = {0};
    int rc = param_groups(x, &groups_given, &l->groups_n, &e);

    arena_init(&l->texts, 1 << 20);
    l->tmap = apm_tmap(api_backend(a)->apm);
    for (size_t i = 0; rc == 0 && i < l->groups_n; i++) {
        l->groups[i] = arena_str_dup(&l->texts, groups_given[i]);
        rc = l->groups[i].p == NULL ? err_set(&e, ERR_NOMEM, "out of memory") : 0;
    }
    if (rc < 0) {
        stream_free(l);
        respond_err(x, rc, &e);
        return;
    }
    live_streams_start(a->live, x, &(struct live_source){stream_next, stream_free, l});
}

void apm_tmap_routes(struct api *a, struct http_server *s)
{
    const uint32_t need = NEED_READ | NEED_BACKEND;
    const struct http_route routes[] = {
        {"GET", "/api/v1/apm/tmap", cells, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/tmap/points", points, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/tmap/live", stream, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/tmap/groups", groups, a, HTTP_WORKER, 0, need},
        {"GET", "/api/v1/apm/tmap/instances", instances, a, HTTP_WORKER, 0, need},
    };

    http_server_route(s, routes, ARRAY_LEN(routes));
}
