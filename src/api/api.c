/* SPDX-License-Identifier: Apache-2.0
 *
 * The api object: life, readiness, and the small answers every handler shares.
 */
#include <stdio.h>

#include "api/api_internal.h"
#include "api/tempo.h"

#include "api/live_streams.h"
#include "base/alloc.h"

struct api *api_new(const struct api_opts *opts)
{
    struct api *a = mem_xcalloc(1, sizeof(*a));

    a->opts = *opts;
    if (a->opts.query_timeout_ms == 0) {
        a->opts.query_timeout_ms = 120000;
    }
    a->started = clock_mono();
    a->start_ms = clock_wall_ms();
    mutex_init(&a->lock, LOCK_RANK_API);
    a->tails = tails_new(opts->stats);
    a->apm_streams = apm_streams_new(a, opts->stats);
    a->live = live_streams_new(opts->stats);
    a->rates = rates_new(opts->stats);
    return a;
}

void api_free(struct api *a)
{
    if (a != NULL) {
        tails_free(a->tails);
        apm_streams_free(a->apm_streams);
        live_streams_free(a->live);
        rates_free(a->rates);
        mutex_done(&a->lock);
        mem_free(a);
    }
}

void api_routes(struct api *a, struct http_server *s)
{
    prom_query_routes(a, s);
    rules_routes(a, s);
    federate_routes(a, s);
    prom_read_routes(a, s);
    prom_labels_routes(a, s);
    cardinality_routes(a, s);
    prom_admin_routes(a, s);
    traces_routes(a, s);
    trace_query_routes(a, s);
    tempo_trace_routes(a, s);
    tempo_search_routes(a, s);
    tempo_tags_routes(a, s);
    tempo_metrics_routes(a, s);
    jaeger_routes(a, s);
    zipkin_routes(a, s);
    logs_routes(a, s);
    tail_routes(a, s);
    log_patterns_routes(a, s);
    deletions_routes(a, s);
    loki_routes(a, s);
    elasticsearch_routes(a, s);
    log_import_routes(a, s);
    apm_tmap_routes(a, s);
    apm_transactions_routes(a, s);
    hosts_routes(a, s);
    apm_topology_routes(a, s);
    services_routes(a, s);
    session_routes(a, s);
    accounts_routes(a, s);
    ingest_routes(a, s);
    import_routes(a, s);
    export_routes(a, s);
    exemplars_routes(a, s);
    status_routes(a, s);
    server_status_routes(a, s);
    targets_routes(a, s);
    processing_routes(a, s);
    snapshots_routes(a, s);
    storage_routes(a, s);
    apm_users_routes(a, s);
    apm_live_routes(a, s);
    apm_settings_routes(a, s);
    apm_stream_routes(a, s);
    assets_routes(a, s);
}

void api_set_backend(struct api *a, const struct api_backend *b)
{
    a->backend = *b;
    /* pairs with the acquire in api_backend() */
    atomic_store_explicit(&a->set, &a->backend, memory_order_release);
}

void api_begin_stop(struct api *a)
{
    atomic_store_explicit(&a->stopping, true, memory_order_relaxed);
    tails_end_all(a->tails);
    apm_streams_end_all(a->apm_streams);
    live_streams_end_all(a->live);
}

const struct api_backend *api_backend(struct api *a)
{
    return atomic_load_explicit(&a->set, memory_order_acquire);
}

bool api_ready(struct api *a)
{
    return api_backend(a) != NULL && !atomic_load_explicit(&a->stopping, memory_order_relaxed);
}

void api_set_door(struct api *a, const char *name, const char *address)
{
    mutex_lock(&a->lock);
    if (a->doors_n < DOORS_MAX) {
        struct door *d = &a->doors[a->doors_n++];

        snprintf(d->name, sizeof(d->name), "%s", name);
        snprintf(d->address, sizeof(d->address), "%s", address);
    }
    mutex_unlock(&a->lock);
}

const struct identity *api_identity(const struct http_exchange *x)
{
    return http_user(x);
}

void respond_json(struct http_exchange *x, int status, struct buf *b)
{
    if (b->failed) {
        http_respond_errorf(x, ERR_LIMIT, "the answer is larger than %zu bytes or memory ran out",
                            b->max);
    } else {
        http_respond_take(x, status, "application/json", b);
    }
    buf_done(b);
}

void data_begin(struct json_writer *w, struct buf *b)
{
    buf_init(b, RESPONSE_MAX);
    json_init(w, b);
    json_object_begin(w);
    json_key(w, "status");
    json_cstr(w, "success");
    json_key(w, "data");
}

void data_end(struct http_exchange *x, struct json_writer *w, struct buf *b)
{
    json_object_end(w);
    respond_json(x, 200, b);
}

void respond_err(struct http_exchange *x, int rc, const struct err *e)
{
    struct err full = *e;

    if (full.code == 0) {
        err_set(&full, (enum err_code) - rc, "%s", err_text(rc));
    }
    http_respond_error(x, &full);
}
