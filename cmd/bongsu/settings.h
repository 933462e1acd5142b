/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's settings: one struct, filled from tables (one per module) by conf.
 */
#ifndef BONGSU_SETTINGS_H
#define BONGSU_SETTINGS_H

#include "conf/conf.h"

struct settings {
    /* server */
    char *config;
    char *data;
    char *http;
    char *tls_cert;
    char *tls_key;
    int64_t workers;
    /* otlp */
    char *otlp_grpc;
    char *otlp_http;
    /* syslog */
    char *syslog_udp;
    char *syslog_tcp;
    char *syslog_tls;
    char *syslog_client_ca;
    char *syslog_zone;
    uint64_t syslog_max_message;
    int64_t syslog_connections;
    int64_t syslog_idle_ms;
    /* fluent */
    char *fluent;
    char *fluent_tls;
    char *fluent_client_ca;
    char *fluent_key;
    struct conf_list fluent_users; /* "name:password" */
    int64_t fluent_connections;
    int64_t fluent_idle_ms;
    /* storage */
    int64_t retention_ms;
    int64_t signal_retention_ms[4]; /* metrics, traces, logs, transactions */
    uint64_t signal_max_bytes[4];
    int64_t signal_share[4];
    uint64_t max_size_bytes;
    uint64_t min_free_bytes;
    uint64_t memory_bytes;
    int64_t max_series;
    int64_t limit_metric, limit_source, limit_values;
    int64_t max_exemplars;
    bool created_zeros;
    bool start_timestamps;
    bool ha_dedup;
    char *ha_cluster_label;
    char *ha_replica_label;
    int64_t ha_failover_ms;
    int fsync;
    int query_rollups;
    int apm_transaction_users;      /* enum transactions_users */
    int64_t rollup_retention_ms[3]; /* 1m, 5m, 1h */
    /* query */
    int64_t query_timeout_ms;
    int64_t query_max_samples;
    uint64_t query_memory_bytes;
    int64_t query_lookback_ms;
    int query_compat; /* enum promql_compat */
    bool query_experimental;
    bool query_delayed_names;
    bool query_type_unit_labels;
    bool otlp_nhcb;
    bool log_patterns;
    /* scrape */
    char *scrape_config;
    char *scrape_dns;
    bool scrape_created;
    int64_t scrape_connections;
    int64_t scrape_threads;
    /* rules */
    struct conf_list rules_files;
    int64_t rules_interval_ms;
    int64_t rules_outage_tolerance_ms;
    int64_t rules_for_grace_ms;
    /* processing */
    char *processing_config;
    /* auth */
    bool no_auth;
    int64_t session_ms;
    /* log */
    int log_level;
    int log_format;
};

extern const struct conf_spec SETTINGS_SPEC;

/** Checks over several settings: --no-auth only on loopback, certificate and key together.
 * @return 0, -ERR_INVALID */
NODISCARD int settings_check(const struct settings *s, struct err *reterr);

#endif
