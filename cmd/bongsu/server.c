/* SPDX-License-Identifier: Apache-2.0
 *
 * Start: settings, HTTP door (answers "not ready"), store, engines, api, other doors. Stop in reverse: doors
 * first, so that nothing is acknowledged that could not be kept.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alert/rules.h"
#include "api/api.h"
#include "apm/apm.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/str.h"
#include "ingest/ha.h"
#include "ingest/patterns/patterns.h"
#include "ingest/process/stage.h"
#include "ingest/scrape/scrape.h"
#include "ingest/self.h"
#include "ingest/starts.h"
#include "io/vfs.h"
#include "log_doors.h"
#include "processing.h"
#include "settings.h"
#include "version.h"
#include "web/web_assets.h"

static const int64_t SELF_INTERVAL_MS = 10000;
static const int64_t STOP_GRACE_MS = 2000;
static const int64_t INGEST_MEMORY = 512ll << 20;

/* Everything the process owns, in the order it is made. */
struct server {
    struct settings settings;
    struct conf *conf;
    struct stats *stats;
    struct budget bodies; /* request bodies in flight, all doors */
    struct budget decode;
    struct budget queries;
    struct pool *workers;
    struct pool *query_pool;
    struct api *api;
    struct http_server *http;
    struct http_server *otlp_http;
    struct grpc_server *otlp_grpc;
    struct log_doors *log_doors;
    struct store *store;
    struct auth *auth;
    struct promql_engine *promql;
    struct ingest_stats *ingest_stats;
    struct sink sink;
    struct otlp *otlp;
    struct prom_remote *remote;
    struct push_door *push;
    struct ha *ha;
    struct patterns *patterns;
    struct process *process;
    struct apm *apm;
    struct span_stage *span_stage;
    struct self_monitor *self;
    struct scrape *scrape;
    struct rules *rules;
    struct mutex reload_lock; /* SIGHUP and POST /-/reload */
};

static bool find_asset(struct str path, struct api_asset *ret)
{
    const struct web_asset *a = web_asset_find(path);

    if (a == NULL) {
        return false;
    }
    *ret = (struct api_asset){.content_type = a->content_type,
                              .etag = a->etag,
                              .gz = str_of((const char *)a->gz, a->gz_n),
                              .immutable = a->immutable};
    return true;
}

static const char *or_null(const char *s)
{
    return s[0] != '\0' ? s : NULL;
}

static struct http_server_opts http_opts(struct server *s, const char *name, const char *address)
{
    return (struct http_server_opts){.name = name,
                                     .address = address,
                                     .tls_cert = or_null(s->settings.tls_cert),
                                     .tls_key = or_null(s->settings.tls_key),
                                     .workers = s->workers,
                                     .body_budget = &s->bodies,
                                     .stats = s->stats,
                                     .guard = api_http_guard,
                                     .guard_arg = s->api};
}

static int start_http(struct server *s, struct err *e)
{
    struct http_server_opts o = http_opts(s, "http", s->settings.http);
    int rc;

    s->http = http_server_new(&o);
    api_routes(s->api, s->http);
    rc = http_server_start(s->http, e);
    api_set_door(s->api, "http", rc == 0 ? http_server_address(s->http) : "");
    return rc;
}

static int start_otlp_http(struct server *s, struct err *e)
{
    struct http_server_opts o = http_opts(s, "otlp_http", s->settings.otlp_http);
    int rc;

    if (s->settings.otlp_http[0] == '\0') {
        api_set_door(s->api, "otlp_http", "");
        return 0;
    }
    o.error_body = api_otlp_error_body;
    o.error_arg = s->api;
    s->otlp_http = http_server_new(&o);
    api_routes_otlp(s->api, s->otlp_http);
    rc = http_server_start(s->otlp_http, e);
    api_set_door(s->api, "otlp_http", rc == 0 ? http_server_address(s->otlp_http) : "");
    return rc;
}

static int start_otlp_grpc(struct server *s, struct err *e)
{
    struct grpc_server_opts o = {.name = "otlp_grpc",
                                 .address = s->settings.otlp_grpc,
                                 .tls_cert = or_null(s->settings.tls_cert),
                                 .tls_key = or_null(s->settings.tls_key),
                                 .body_budget = &s->bodies,
                                 .stats = s->stats,
                                 .guard = api_grpc_guard,
                                 .guard_arg = s->api};
    int rc;

    if (s->settings.otlp_grpc[0] == '\0') {
        api_set_door(s->api, "otlp_grpc", "");
        return 0;
    }
    s->otlp_grpc = grpc_server_new(&o);
    api_services_grpc(s->api, s->otlp_grpc);
    rc = grpc_server_start(s->otlp_grpc, e);
    api_set_door(s->api, "otlp_grpc", rc == 0 ? grpc_server_address(s->otlp_grpc) : "");
    return rc;
}

static int open_store(struct server *s, struct err *e)
{
    const struct settings *c = &s->settings;
    struct store_opts o = {.dir = c->data,
                           .wal_sync = c->fsync == 1 ? WAL_SYNC_ALWAYS : WAL_SYNC_INTERVAL,
                           .retention_ms = c->retention_ms,
                           .max_disk_bytes = c->max_size_bytes,
                           .min_free_bytes = c->min_free_bytes,
                           .max_memory_bytes = (int64_t)c->memory_bytes,
                           .limits = {[TSDB_LIMIT_SERIES] = (uint64_t)c->max_series,
                                      [TSDB_LIMIT_METRIC] = (uint64_t)c->limit_metric,
                                      [TSDB_LIMIT_SOURCE] = (uint64_t)c->limit_source,
                                      [TSDB_LIMIT_VALUES] = (uint64_t)c->limit_values},
                           .max_exemplars = (size_t)c->max_exemplars,
                           .rollups =
                               c->query_rollups == 1 ? TSDB_ROLLUPS_FALLBACK : TSDB_ROLLUPS_AUTO,
                           .stats = s->stats,
                           .pool = s->query_pool};

    memcpy(o.rollup_retention_ms, c->rollup_retention_ms, sizeof(o.rollup_retention_ms));
    for (int i = 0; i < STORE_SIGNALS; i++) {
        o.signals[i] = (struct store_signal_limits){.retention_ms = c->signal_retention_ms[i],
                                                    .max_bytes = c->signal_max_bytes[i],
                                                    .share = (unsigned)c->signal_share[i]};
    }

    return store_open(&o, &s->store, e);
}

static void make_ha(struct server *s)
{
    const struct settings *c = &s->settings;
    size_t n = strlen(c->data) + sizeof("/metrics/ha");
    char *path CLEANUP(mem_free_ptr) = mem_xcalloc(1, n);
    const struct ha_opts o = {.path = path,
                              .cluster_label = str_cstr(c->ha_cluster_label),
                              .replica_label = str_cstr(c->ha_replica_label),
                              .failover_ms = c->ha_failover_ms,
                              .stats = s->stats};

    snprintf(path, n, "%s/metrics/ha", c->data);
    s->ha = c->ha_dedup ? ha_new(&o) : NULL;
    s->sink.ha = s->ha;
}

/* Without memory for it logs come in without patterns. */
static void make_patterns(struct server *s)
{
    const struct patterns_opts o = {.templates = store_log_templates(s->store), .stats = s->stats};

    if (s->settings.log_patterns && patterns_new(&o, &s->patterns) < 0) {
        log_error("server", "no memory for log patterns: none are mined");
    }
    s->sink.patterns = s->patterns;
}

static void make_engines(struct server *s)
{
    const struct settings *c = &s->settings;
    char active[4096];
    struct promql_opts q = {
        .lookback_ms = c->query_lookback_ms,
        .max_samples = (uint64_t)c->query_max_samples,
        .syntax = {.compat = (enum promql_compat)c->query_compat,
                   .features = (c->query_experimental ? PROMQL_ALL_FEATURES : 0u) |
                               (c->query_delayed_names ? PROMQL_DELAYED_NAMES : 0u) |
                               (c->query_type_unit_labels ? PROMQL_TYPE_UNIT_LABELS : 0u)},
        .max_memory_bytes = (int64_t)c->query_memory_bytes / 2,
        .pool = s->query_pool,
        .stats = s->stats,
        .budget = &s->queries};

    snprintf(active, sizeof(active), "%s/queries.active", c->data);
    q.active_file = active;
    s->promql = promql_engine_new(&q);
    s->ingest_stats = ingest_stats_new(s->stats);
    s->sink = (struct sink){.metrics = store_metrics(s->store),
                            .spans = store_spans(s->store),
                            .logs = store_logs(s->store),
                            .budget = &s->decode,
                            .stats = s->ingest_stats};
    ingest_limits_default(&s->sink.limits);
    s->sink.limits.created_zeros = c->created_zeros;
    if (c->start_timestamps) {
        s->sink.starts = mem_xcalloc(1, sizeof(*s->sink.starts));
    }
    s->sink.otlp_nhcb = c->otlp_nhcb;
    make_ha(s);
    make_patterns(s);
    s->otlp = otlp_new(&s->sink);
    s->remote = prom_remote_new(&s->sink);
    s->push = push_door_new(&s->sink);
}

/* A token for agents of this machine, readable by the server's user only, made once. */
static int make_agent_token(struct server *s, struct err *e)
{
    struct identity server = {.role = ROLE_ADMIN};
    struct auth_token_made made;
    size_t n = strlen(s->settings.data) + sizeof("/agent.token");
    char *path CLEANUP(mem_free_ptr) = mem_xcalloc(1, n);
    int rc;

    snprintf(path, n, "%s/agent.token", s->settings.data);
    if (!auth_enabled(s->auth) || access(path, F_OK) == 0) {
        return 0;
    }
    snprintf(server.name, sizeof(server.name), "server");
    rc = auth_token_create(s->auth, &server, STR(""), STR("agent on this machine"), SCOPE_INGEST, 0,
                           &made, e);
    return rc < 0 ? rc : vfs_write_atomic(vfs_real(), path, str_cstr(made.secret), e);
}

static int open_auth(struct server *s, struct err *e)
{
    struct auth_opts o = {.meta = store_meta(s->store),
                          .enabled = !s->settings.no_auth,
                          .session_ms = s->settings.session_ms,
                          .stats = s->stats};
    int rc = auth_open(&o, &s->auth, e);

    return rc < 0 ? rc : make_agent_token(s, e);
}

static int start_rules(struct server *s, struct err *e)
{
    const struct settings *c = &s->settings;
    const struct rules_opts o = {.globs = c->rules_files.v,
                                 .globs_n = c->rules_files.n,
                                 .interval_ms = c->rules_interval_ms,
                                 .timeout_ms = c->query_timeout_ms,
                                 .outage_tolerance_ms = c->rules_outage_tolerance_ms,
                                 .for_grace_ms = c->rules_for_grace_ms,
                                 .promql = s->promql,
                                 .db = store_metrics(s->store),
                                 .stats = s->stats};

    return rules_open(&o, &s->rules, e);
}

static int start_apm(struct server *s, struct err *e)
{
    const struct apm_opts o = {.store = s->store,
                               .data = s->settings.data,
                               .transaction_users =
                                   (enum transactions_users)s->settings.apm_transaction_users,
                               .stats = s->stats};

    return apm_open(&o, &s->apm, e);
}

static int start_processing(struct server *s, struct err *e)
{
    const struct settings *c = &s->settings;
    char *dir CLEANUP(mem_free_ptr) = vfs_join(c->data, STORE_SAMPLING_DIR);
    struct span_stage_opts o = {.spans = store_spans(s->store),
                                .metrics = store_metrics(s->store),
                                .dir = dir,
                                .wal_sync = c->fsync == 1 ? WAL_SYNC_ALWAYS : WAL_SYNC_INTERVAL,
                                .stats = s->stats};
    int rc = processing_open(c->data, s->stats, &s->decode, &s->process, e);

    o.watches_n = apm_watches(s->apm, &o.watches);
    s->sink.process = s->process;
    o.process = s->process;
    rc = rc < 0 ? rc : processing_load(s->process, c->processing_config, store_meta(s->store), e);
    rc = rc < 0 ? rc : span_stage_new(&o, &s->span_stage, e);
    s->sink.span_stage = s->span_stage;
    return rc;
}

static int start_scrape(struct server *s, struct err *e)
{
    const struct scrape_opts o = {.sink = &s->sink,
                                  .version = BONGSU_VERSION,
                                  .threads = (unsigned)s->settings.scrape_threads,
                                  .max_connections = (unsigned)s->settings.scrape_connections,
                                  .dns_server = s->settings.scrape_dns,
                                  .with_created = s->settings.scrape_created,
                                  .stats = s->stats};

    s->scrape = scrape_new(&o);
    if (s->scrape == NULL) {
        return err_set(e, ERR_UNAVAILABLE, "scrape threads could not be started");
    }
    return scrape_load(s->scrape, s->settings.scrape_config, e);
}

static int reload_for_api(void *arg, struct err *e);

static void set_backend(struct server *s)
{
    const struct api_backend b = {.store = s->store,
                                  .promql = s->promql,
                                  .auth = s->auth,
                                  .otlp = s->otlp,
                                  .remote = s->remote,
                                  .scrape = s->scrape,
                                  .rules = s->rules,
                                  .sink = &s->sink,
                                  .query_budget = &s->queries,
                                  .reload = reload_for_api,
                                  .reload_arg = s,
                                  .push = s->push,
                                  .ha = s->ha,
                                  .apm = s->apm,
                                  .conf = s->conf};

    api_set_backend(s->api, &b);
}

static double rss_of_process(void *arg)
{
    char line[128];
    struct str rest = {0};
    struct str field;
    uint64_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");

    (void)arg;
    if (f != NULL) {
        if (fgets(line, sizeof(line), f) != NULL) {
            rest = str_cstr(line);
        }
        fclose(f);
    }
    /* proc(5): "size resident shared ...", in pages */
    if (!str_split(&rest, ' ', &field) || !str_split(&rest, ' ', &field) ||
        !str_to_u64(field, &pages)) {
        return 0;
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_of_process(void *arg)
{
    struct timespec ts;

    (void)arg;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double budget_bytes(void *arg)
{
    return (double)budget_used(arg);
}

static double queued_jobs(void *arg)
{
    return (double)pool_queued(arg);
}

static void make_stats(struct server *s)
{
    static const char MEMORY[] = "bongsu_memory_bytes";
    static const char MEMORY_HELP[] = "Memory taken from a budget, by subsystem";
    static const char QUEUE[] = "bongsu_queue_jobs";
    static const char QUEUE_HELP[] = "Jobs waiting for a thread";

    stats_gauge_fn(s->stats, "process_resident_memory_bytes", "", "Resident memory size in bytes",
                   rss_of_process, NULL);
    stats_counter_fn(s->stats, "process_cpu_seconds_total", "",
                     "User and system CPU time in seconds", cpu_of_process, NULL);
    stats_gauge_fn(s->stats, MEMORY, "subsystem=\"request_bodies\"", MEMORY_HELP, budget_bytes,
                   &s->bodies);
    stats_gauge_fn(s->stats, MEMORY, "subsystem=\"decode\"", MEMORY_HELP, budget_bytes, &s->decode);
    stats_gauge_fn(s->stats, MEMORY, "subsystem=\"queries\"", MEMORY_HELP, budget_bytes,
                   &s->queries);
    stats_gauge_fn(s->stats, QUEUE, "pool=\"worker\"", QUEUE_HELP, queued_jobs, s->workers);
    stats_gauge_fn(s->stats, QUEUE, "pool=\"query\"", QUEUE_HELP, queued_jobs, s->query_pool);
}

static void make_base(struct server *s)
{
    const struct settings *c = &s->settings;
    struct api_opts o = {.version = BONGSU_VERSION,
                         .query_timeout_ms = c->query_timeout_ms,
                         .auth_enabled = !c->no_auth,
                         .asset = find_asset};

    s->stats = stats_new();
    budget_init(&s->bodies, INGEST_MEMORY, NULL);
    budget_init(&s->decode, INGEST_MEMORY, NULL);
    budget_init(&s->queries, (int64_t)c->query_memory_bytes, NULL);
    s->workers = pool_new("worker", (unsigned)c->workers, 256);
    s->query_pool = pool_new("query", (unsigned)sysconf(_SC_NPROCESSORS_ONLN), 64);
    if (s->workers != NULL && s->query_pool != NULL) {
        make_stats(s);
    }
    o.stats = s->stats;
    s->api = api_new(&o);
}

/* A connection is a descriptor, and the usual soft limit is 1024. */
static void raise_descriptors(void)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        ignore_result(setrlimit(RLIMIT_NOFILE, &l), "the soft limit works, with fewer connections");
    }
}

static int start(struct server *s, struct err *e)
{
    int rc;

    mutex_init(&s->reload_lock, LOCK_RANK_API);
    raise_descriptors();
    make_base(s);
    if (s->workers == NULL || s->query_pool == NULL) {
        return err_set(e, ERR_UNAVAILABLE, "worker threads could not be started");
    }
    rc = start_http(s, e);
    rc = rc < 0 ? rc : open_store(s, e);
    rc = rc < 0 ? rc : open_auth(s, e);
    if (rc < 0) {
        return rc;
    }
    make_engines(s);
    rc = start_apm(s, e);
    rc = rc < 0 ? rc : start_processing(s, e);
    rc = rc < 0 ? rc : start_scrape(s, e);
    rc = rc < 0 ? rc : start_rules(s, e);
    if (rc < 0) {
        return rc;
    }
    s->self = self_monitor_new(s->stats, store_metrics(s->store), http_server_address(s->http),
                               SELF_INTERVAL_MS);
    set_backend(s);
    rc = start_otlp_grpc(s, e);
    rc = rc < 0 ? rc : start_otlp_http(s, e);
    return rc < 0 ? rc : log_doors_open(&s->settings, &s->sink, s->stats, s->api, &s->log_doors, e);
}

/* First the doors, then who reads the statistics (self monitor, api: each has a thread that asks all of them),
 * then what the statistics ask: engines, store, pools. */
static void stop(struct server *s)
{
    log_doors_stop(s->log_doors, STOP_GRACE_MS);
    if (s->otlp_grpc != NULL) {
        grpc_server_stop(s->otlp_grpc, STOP_GRACE_MS);
    }
    if (s->otlp_http != NULL) {
        http_server_stop(s->otlp_http, STOP_GRACE_MS);
    }
    if (s->api != NULL) {
        api_begin_stop(s->api);
    }
    if (s->http != NULL) {
        http_server_stop(s->http, STOP_GRACE_MS);
    }
    pool_stop(s->workers);
    self_monitor_free(s->self);
    log_doors_free(s->log_doors);
    grpc_server_free(s->otlp_grpc);
    http_server_free(s->otlp_http);
    http_server_free(s->http);
    api_free(s->api);
    rules_free(s->rules);
    scrape_free(s->scrape);
    push_door_free(s->push);
    mem_free(s->sink.starts);
    prom_remote_free(s->remote);
    otlp_free(s->otlp);
    patterns_free(s->patterns);
    ha_free(s->ha);
    span_stage_free(s->span_stage);
    apm_close(s->apm);
    process_free(s->process);
    ingest_stats_free(s->ingest_stats);
    promql_engine_free(s->promql);
    auth_close(s->auth);
    store_close(s->store);
    pool_free(s->query_pool);
    pool_free(s->workers);
    stats_free(s->stats);
    conf_free(s->conf, &s->settings);
    mutex_done(&s->reload_lock);
}

static void announce(struct server *s)
{
    const char *scheme = s->settings.tls_cert[0] != '\0' ? "https" : "http";
    const char *address = http_server_address(s->http);
    const char *secret = auth_setup_secret(s->auth);

    log_info("server", "ready", L_CSTR("version", BONGSU_VERSION), L_CSTR("http", address),
             L_CSTR("otlp_grpc", s->otlp_grpc != NULL ? grpc_server_address(s->otlp_grpc) : ""),
             L_CSTR("otlp_http", s->otlp_http != NULL ? http_server_address(s->otlp_http) : ""),
             L_CSTR("data", s->settings.data));
    if (auth_enabled(s->auth) && secret != NULL) {
        char url[256];

        snprintf(url, sizeof(url), "%s://%s/setup?token=%s", scheme, address, secret);
        log_info("server", "make the first admin with this link; it works once",
                 L_CSTR("url", url));
    }
}

/* ---- settings and signals ---- */

static void apply_live(struct server *s)
{
    log_set_level((enum log_level)s->settings.log_level);
    if (s->store != NULL) {
        store_set_limits(s->store, s->settings.max_size_bytes);
    }
}

/* The settings, then what they name. Any thread. On failure the old ones stay. */
static int reload(struct server *s, const char *cause, struct err *e)
{
    struct settings fresh = {0};
    struct conf *conf = NULL;
    size_t ignored = 0;
    int rc;

    mutex_lock(&s->reload_lock);
    rc = conf_reload(s->conf, &fresh, &conf, e);
    rc = rc < 0 ? rc : rules_reload(s->rules, fresh.rules_files.v, fresh.rules_files.n, e);
    rc = rc < 0 ? rc : scrape_load(s->scrape, fresh.scrape_config, e);
    rc =
        rc < 0 ? rc : processing_load(s->process, fresh.processing_config, store_meta(s->store), e);
    if (rc == 0) {
        conf_apply_reloadable(s->conf, &s->settings, conf, &fresh, &ignored);
    }
    conf_free(conf, &fresh);
    if (rc == 0) {
        apply_live(s);
        auth_audit(s->auth, "server", STR(""), "config_reloaded", STR(""), str_cstr(cause));
        log_info("server", "settings reloaded", L_INT("need_restart", ignored));
    } else {
        log_error("server", "settings not reloaded, the old ones stay", L_CSTR("error", e->msg));
    }
    mutex_unlock(&s->reload_lock);
    return rc;
}

static int reload_for_api(void *arg, struct err *e)
{
    return reload(arg, "POST /-/reload", e);
}

/* SIGPIPE is ignored; the others are read from a descriptor by the main thread, blocked everywhere. */
static int signals_open(void)
{
    sigset_t set;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void wait_for_end(struct server *s, int signals)
{
    struct signalfd_siginfo info;

    for (;;) {
        ssize_t n = read(signals, &info, sizeof(info));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n == (ssize_t)sizeof(info) && info.ssi_signo == SIGHUP) {
            ignore_result(reload(s, "SIGHUP", &(struct err){0}), "the log has it");
            continue;
        }
        log_info("server", "stopping", L_INT("signal", n > 0 ? (int64_t)info.ssi_signo : 0));
        return;
    }
}

/* @return 0 to go on, 1 to exit with success, negative error */
static int load_settings(struct server *s, int argc, char **argv, struct err *e)
{
    int rc = conf_load(&SETTINGS_SPEC, argc, argv, "config", &s->settings, &s->conf, e);

    if (rc == 1) {
        struct buf help CLEANUP(buf_done);

        buf_init(&help, 1 << 20);
        conf_help(&SETTINGS_SPEC, &help);
        fwrite(help.data, 1, help.n, stdout);
        return 1;
    }
    return rc < 0 ? rc : settings_check(&s->settings, e);
}

int server_main(int argc, char **argv)
{
    struct server *s = mem_xcalloc(1, sizeof(*s));
    struct err e = {0};
    int signals = signals_open();
    int rc = load_settings(s, argc, argv, &e);

    umask(S_IRWXG | S_IRWXO); /* what is stored is the server user's own business */
    if (rc != 0) {
        if (rc < 0) {
            fprintf(stderr, "bongsu server: %s\n", e.msg);
        }
        conf_free(s->conf, &s->settings);
        mem_free(s);
        close(signals);
        return rc < 0 ? 2 : 0;
    }
    log_setup((enum log_level)s->settings.log_level, (enum log_format)s->settings.log_format);
    rc = start(s, &e);
    if (rc < 0) {
        log_error("server", "start failed", L_CSTR("error", e.msg));
    } else {
        announce(s);
        wait_for_end(s, signals);
    }
    stop(s);
    mem_free(s);
    close(signals);
    if (rc == 0) {
        log_info("server", "stopped");
    }
    return rc < 0 ? 1 : 0;
}
