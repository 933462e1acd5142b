/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of every setting; --help, the environment, the YAML file, docs/configuration.md and
 * /api/v1/status/config all come from here.
 */
#include "settings.h"

#include "base/err.h"

#define AT(field) offsetof(struct settings, field)

static const char *const FSYNC[] = {"interval", "always", NULL};
static const char *const ROLLUPS[] = {"auto", "only_when_raw_is_gone", NULL};
static const char *const TRANSACTION_USERS[] = {"hash", "plain", "off", NULL};
static const char *const COMPAT[] = {"3", "2", "3.5", NULL};
static const char *const LEVELS[] = {"debug", "info", "warn", "error", NULL};
static const char *const FORMATS[] = {"logfmt", "json", NULL};

static const struct conf_key SERVER[] = {
    {.key = "config",
     .flag = "config",
     .type = CONF_STRING,
     .offset = AT(config),
     .default_value = "",
     .placeholder = "FILE",
     .help = "YAML file with these settings."},
    {.key = "data",
     .flag = "data",
     .type = CONF_STRING,
     .offset = AT(data),
     .default_value = "./data",
     .placeholder = "DIR",
     .help = "Directory of everything stored."},
    {.key = "http",
     .flag = "http",
     .type = CONF_STRING,
     .offset = AT(http),
     .default_value = "127.0.0.1:7800",
     .placeholder = "ADDR:PORT",
     .help = "Console, query API, remote write and OTLP under /otlp; port 0 takes a free one."},
    {.key = "tls.cert",
     .flag = "tls-cert",
     .type = CONF_STRING,
     .offset = AT(tls_cert),
     .default_value = "",
     .placeholder = "FILE",
     .help =
         "PEM certificate chain; with tls.key every door speaks TLS but those named for TCP or UDP."},
    {.key = "tls.key",
     .flag = "tls-key",
     .type = CONF_STRING,
     .offset = AT(tls_key),
     .default_value = "",
     .placeholder = "FILE",
     .help = "PEM private key of tls.cert."},
    {.key = "workers",
     .flag = "workers",
     .type = CONF_INT,
     .offset = AT(workers),
     .default_value = "4",
     .placeholder = "N",
     .min = 1,
     .max = 256,
     .help = "Threads that run requests and queries."},
};

static const struct conf_key OTLP[] = {
    {.key = "otlp.grpc",
     .flag = "otlp-grpc",
     .type = CONF_STRING,
     .offset = AT(otlp_grpc),
     .default_value = "127.0.0.1:4317",
     .placeholder = "ADDR:PORT",
     .help = "OTLP over gRPC; empty turns the door off."},
    {.key = "metrics.otlp.nhcb",
     .flag = "otlp-nhcb",
     .type = CONF_BOOL,
     .offset = AT(otlp_nhcb),
     .default_value = "false",
     .help =
         "Store OTLP histograms with explicit buckets as native histograms with custom bounds instead of "
         "_bucket, _count and _sum series."},
    {.key = "otlp.http",
     .flag = "otlp-http",
     .type = CONF_STRING,
     .offset = AT(otlp_http),
     .default_value = "127.0.0.1:4318",
     .placeholder = "ADDR:PORT",
     .help = "OTLP over HTTP; empty turns the door off."},
};

static const struct conf_key SYSLOG[] = {
    {.key = "syslog.listen_udp",
     .flag = "syslog-listen-udp",
     .type = CONF_STRING,
     .offset = AT(syslog_udp),
     .default_value = "",
     .placeholder = "ADDR:PORT",
     .help =
         "Syslog in datagrams (RFC 5426), for example 127.0.0.1:5514; empty turns the door off."},
    {.key = "syslog.listen_tcp",
     .flag = "syslog-listen-tcp",
     .type = CONF_STRING,
     .offset = AT(syslog_tcp),
     .default_value = "",
     .placeholder = "ADDR:PORT",
     .help = "Syslog over TCP (RFC 6587), messages counted or ended by a new line; never TLS."},
    {.key = "syslog.listen_tls",
     .flag = "syslog-listen-tls",
     .type = CONF_STRING,
     .offset = AT(syslog_tls),
     .default_value = "",
     .placeholder = "ADDR:PORT",
     .help = "Syslog over TLS (RFC 5425) with the certificate of tls.cert."},
    {.key = "syslog.tls_client_ca",
     .flag = "syslog-tls-client-ca",
     .type = CONF_STRING,
     .offset = AT(syslog_client_ca),
     .default_value = "",
     .placeholder = "FILE",
     .help = "PEM authorities; senders over TLS must show a certificate signed by one of them."},
    {.key = "syslog.time_zone",
     .flag = "syslog-time-zone",
     .type = CONF_STRING,
     .offset = AT(syslog_zone),
     .default_value = "local",
     .placeholder = "ZONE",
     .help = "Zone of times that name none: local, UTC, +09:00 or a name like Asia/Seoul."},
    {.key = "syslog.max_message",
     .flag = "syslog-max-message",
     .type = CONF_BYTES,
     .offset = AT(syslog_max_message),
     .default_value = "64KiB",
     .placeholder = "BYTES",
     .min = 480,
     .max = 1 << 20,
     .help = "Longer messages are cut to this and marked with log.truncated."},
    {.key = "syslog.max_connections",
     .flag = "syslog-max-connections",
     .type = CONF_INT,
     .offset = AT(syslog_connections),
     .default_value = "1024",
     .placeholder = "N",
     .min = 1,
     .max = 100000,
     .help = "Open connections of each of the doors over TCP and TLS; more are closed."},
    {.key = "syslog.idle_timeout",
     .flag = "syslog-idle-timeout",
     .type = CONF_DURATION_MS,
     .offset = AT(syslog_idle_ms),
     .default_value = "1h",
     .placeholder = "DURATION",
     .help = "A connection that says nothing for so long is closed."},
};

static const struct conf_key FLUENT[] = {
    {.key = "fluent.listen",
     .flag = "fluent-listen",
     .type = CONF_STRING,
     .offset = AT(fluent),
     .default_value = "",
     .placeholder = "ADDR:PORT",
     .help = "Forward protocol of Fluentd and Fluent Bit over TCP, for example 127.0.0.1:24224; "
             "empty turns the door off."},
    {.key = "fluent.listen_tls",
     .flag = "fluent-listen-tls",
     .type = CONF_STRING,
     .offset = AT(fluent_tls),
     .default_value = "",
     .placeholder = "ADDR:PORT",
     .help = "The same over TLS with the certificate of tls.cert."},
    {.key = "fluent.tls_client_ca",
     .flag = "fluent-tls-client-ca",
     .type = CONF_STRING,
     .offset = AT(fluent_client_ca),
     .default_value = "",
     .placeholder = "FILE",
     .help = "PEM authorities; senders over TLS must show a certificate signed by one of them."},
    {.key = "fluent.shared_key",
     .flag = "fluent-shared-key",
     .type = CONF_STRING,
     .secret = true,
     .offset = AT(fluent_key),
     .default_value = "",
     .placeholder = "KEY",
     .help =
         "Key senders must know (shared_key, Shared_Key); needed unless the address is loopback "
         "or client certificates are asked for."},
    {.key = "fluent.users",
     .flag = "fluent-users",
     .type = CONF_STRING_LIST,
     .secret = true,
     .offset = AT(fluent_users),
     .default_value = "",
     .placeholder = "NAME:PASSWORD",
     .help = "Senders must be one of these users (username, Username); without any none is asked "
             "for."},
    {.key = "fluent.max_connections",
     .flag = "fluent-max-connections",
     .type = CONF_INT,
     .offset = AT(fluent_connections),
     .default_value = "1024",
     .placeholder = "N",
     .min = 1,
     .max = 100000,
     .help = "Open connections of each of the two doors; more are closed."},
    {.key = "fluent.idle_timeout",
     .flag = "fluent-idle-timeout",
     .type = CONF_DURATION_MS,
     .offset = AT(fluent_idle_ms),
     .default_value = "1h",
     .placeholder = "DURATION",
     .help = "A connection that says nothing for so long is closed."},
};

static const struct conf_key STORAGE[] = {
    {.key = "storage.retention",
     .flag = "retention",
     .type = CONF_DURATION_MS,
     .offset = AT(retention_ms),
     .default_value = "30d",
     .placeholder = "DURATION",
     .help =
         "Age after which raw metrics, traces and logs go (metrics stay rolled up); 0 keeps them "
         "until the size budget needs the room."},
    {.key = "storage.rollup.1m",
     .flag = "rollup-1m",
     .type = CONF_DURATION_MS,
     .offset = AT(rollup_retention_ms[0]),
     .default_value = "90d",
     .placeholder = "DURATION",
     .help = "Age after which metrics rolled up to 1 minute go; 0: when the size budget needs the "
             "room."},
    {.key = "storage.rollup.5m",
     .flag = "rollup-5m",
     .type = CONF_DURATION_MS,
     .offset = AT(rollup_retention_ms[1]),
     .default_value = "365d",
     .placeholder = "DURATION",
     .help = "The same of 5 minutes."},
    {.key = "storage.rollup.1h",
     .flag = "rollup-1h",
     .type = CONF_DURATION_MS,
     .offset = AT(rollup_retention_ms[2]),
     .default_value = "1825d",
     .placeholder = "DURATION",
     .help = "The same of 1 hour."},
    {.key = "storage.max_size",
     .flag = "max-size",
     .type = CONF_BYTES,
     .offset = AT(max_size_bytes),
     .default_value = "20GB",
     .placeholder = "BYTES",
     .reloadable = true,
     .help =
         "Disk budget of all signals together: raw metrics give way to roll-ups, then the oldest "
         "data goes. 0: no budget."},
    {.key = "storage.metrics.retention",
     .flag = "metrics-retention",
     .type = CONF_DURATION_MS,
     .offset = AT(signal_retention_ms[0]),
     .default_value = "0",
     .placeholder = "DURATION",
     .help = "Age after which raw metrics go; 0: as storage.retention."},
    {.key = "storage.metrics.max_size",
     .flag = "metrics-max-size",
     .type = CONF_BYTES,
     .offset = AT(signal_max_bytes[0]),
     .default_value = "0",
     .placeholder = "BYTES",
     .help =
         "Metrics on disk beyond this give their oldest data, whatever the disk budget says. 0: "
         "no limit of their own."},
    {.key = "storage.metrics.share",
     .flag = "metrics-share",
     .type = CONF_INT,
     .offset = AT(signal_share[0]),
     .default_value = "50",
     .placeholder = "PERCENT",
     .min = 1,
     .max = 100,
     .help = "Share of the disk budget: when it is reached the signal most above its share gives; "
             "what one does not use the others may."},
    {.key = "storage.traces.retention",
     .flag = "traces-retention",
     .type = CONF_DURATION_MS,
     .offset = AT(signal_retention_ms[1]),
     .default_value = "0",
     .placeholder = "DURATION",
     .help = "Age after which traces go; 0: as storage.retention."},
    {.key = "storage.traces.max_size",
     .flag = "traces-max-size",
     .type = CONF_BYTES,
     .offset = AT(signal_max_bytes[1]),
     .default_value = "0",
     .placeholder = "BYTES",
     .help = "Traces on disk beyond this give their oldest data, whatever the disk budget says. 0: "
             "no limit of their own."},
    {.key = "storage.traces.share",
     .flag = "traces-share",
     .type = CONF_INT,
     .offset = AT(signal_share[1]),
     .default_value = "30",
     .placeholder = "PERCENT",
     .min = 1,
     .max = 100,
     .help = "Share of the disk budget: when it is reached the signal most above its share gives; "
             "what one does not use the others may."},
    {.key = "storage.logs.retention",
     .flag = "logs-retention",
     .type = CONF_DURATION_MS,
     .offset = AT(signal_retention_ms[2]),
     .default_value = "0",
     .placeholder = "DURATION",
     .help = "Age after which logs go; 0: as storage.retention."},
    {.key = "storage.logs.max_size",
     .flag = "logs-max-size",
     .type = CONF_BYTES,
     .offset = AT(signal_max_bytes[2]),
     .default_value = "0",
     .placeholder = "BYTES",
     .help = "Logs on disk beyond this give their oldest data, whatever the disk budget says. 0: "
             "no limit of their own."},
    {.key = "storage.logs.share",
     .flag = "logs-share",
     .type = CONF_INT,
     .offset = AT(signal_share[2]),
     .default_value = "20",
     .placeholder = "PERCENT",
     .min = 1,
     .max = 100,
     .help = "Share of the disk budget: when it is reached the signal most above its share gives; "
             "what one does not use the others may."},
    {.key = "storage.transactions.retention",
     .flag = "transactions-retention",
     .type = CONF_DURATION_MS,
     .offset = AT(signal_retention_ms[3]),
     .default_value = "30d",
     .placeholder = "DURATION",
     .help =
         "Age after which transactions (every request, for T-Maps) go; 0: as storage.retention."},
    {.key = "storage.transactions.max_size",
     .flag = "transactions-max-size",
     .type = CONF_BYTES,
     .offset = AT(signal_max_bytes[3]),
     .default_value = "0",
     .placeholder = "BYTES",
     .help = "Transactions on disk beyond this give their oldest data, whatever the disk budget "
             "says. 0: no limit of their own."},
    {.key = "storage.transactions.share",
     .flag = "transactions-share",
     .type = CONF_INT,
     .offset = AT(signal_share[3]),
     .default_value = "10",
     .placeholder = "PERCENT",
     .min = 1,
     .max = 100,
     .help = "Share of the disk budget: when it is reached the signal most above its share gives; "
             "what one does not use the others may."},
    {.key = "storage.min_free",
     .flag = "min-free",
     .type = CONF_BYTES,
     .offset = AT(min_free_bytes),
     .default_value = "512MiB",
     .placeholder = "BYTES",
     .help = "Free room left on the file system; below it the oldest data goes."},
    {.key = "storage.memory",
     .flag = "memory",
     .type = CONF_BYTES,
     .offset = AT(memory_bytes),
     .default_value = "1GiB",
     .placeholder = "BYTES",
     .help = "Memory of data not yet on disk; reached, doors answer 429 until it is written."},
    {.key = "storage.max_series",
     .flag = "max-series",
     .type = CONF_INT,
     .offset = AT(max_series),
     .default_value = "10000000",
     .placeholder = "N",
     .min = 0,
     .max = 1000000000,
     .help = "Active metric series; more are refused with the metric's name. 0: no limit."},
    {.key = "storage.fsync",
     .flag = "fsync",
     .type = CONF_ENUM,
     .offset = AT(fsync),
     .default_value = "interval",
     .placeholder = "MODE",
     .choices = FSYNC,
     .help = "interval: the log is synced every second (kill -9 loses nothing, a power cut up to a "
             "second); always: before every acknowledgement."},
};

static const struct conf_key LOGS[] = {
    {.key = "logs.patterns",
     .flag = "log-patterns",
     .type = CONF_BOOL,
     .offset = AT(log_patterns),
     .default_value = "true",
     .help = "Find the pattern of each log line as it comes in: what is equal in all lines of one "
             "statement. Costs about 0.3 us a line."},
};

static const struct conf_key METRICS[] = {
    {.key = "metrics.max_exemplars",
     .flag = "max-exemplars",
     .type = CONF_INT,
     .offset = AT(max_exemplars),
     .default_value = "100000",
     .placeholder = "N",
     .min = 0,
     .max = 100000000,
     .help = "Exemplars kept in memory, the newest of all series together. 0: none."},
    {.key = "metrics.created_zeros",
     .flag = "created-zeros",
     .type = CONF_BOOL,
     .offset = AT(created_zeros),
     .default_value = "false",
     .help =
         "A created timestamp of remote write 2.0 puts a 0 at its time, so that a new counter's "
         "first value counts as an increase."},
    {.key = "metrics.start_timestamps",
     .flag = "start-timestamps",
     .type = CONF_BOOL,
     .offset = AT(start_timestamps),
     .default_value = "false",
     .help =
         "Keep when counters and histograms began, as remote write 2.0, OTLP and OpenMetrics or "
         "protobuf pages say (Prometheus' st-storage); start_timestamp() of PromQL tells."},
    {.key = "metrics.ha.dedup",
     .flag = "ha-dedup",
     .type = CONF_BOOL,
     .offset = AT(ha_dedup),
     .default_value = "false",
     .help = "Of Prometheus servers that send the same data only one replica per cluster is "
             "stored."},
    {.key = "metrics.ha.cluster_label",
     .flag = "ha-cluster-label",
     .type = CONF_STRING,
     .offset = AT(ha_cluster_label),
     .default_value = "cluster",
     .placeholder = "LABEL",
     .help = "External label that names the pair."},
    {.key = "metrics.ha.replica_label",
     .flag = "ha-replica-label",
     .type = CONF_STRING,
     .offset = AT(ha_replica_label),
     .default_value = "__replica__",
     .placeholder = "LABEL",
     .help = "External label that tells the replicas apart; it is not stored."},
    {.key = "metrics.ha.failover",
     .flag = "ha-failover",
     .type = CONF_DURATION_MS,
     .offset = AT(ha_failover_ms),
     .default_value = "30s",
     .placeholder = "DURATION",
     .help = "Silence of the elected replica after which another one takes its place."},
};

static const struct conf_key LIMITS[] = {
    {.key = "limits.series_per_metric",
     .flag = "limit-series-per-metric",
     .type = CONF_INT,
     .offset = AT(limit_metric),
     .default_value = "0",
     .placeholder = "N",
     .min = 0,
     .max = 1000000000,
     .help =
         "Active series of one metric; new ones beyond are refused, the others go on. 0: no limit."},
    {.key = "limits.series_per_source",
     .flag = "limit-series-per-source",
     .type = CONF_INT,
     .offset = AT(limit_source),
     .default_value = "0",
     .placeholder = "N",
     .min = 0,
     .max = 1000000000,
     .help = "Active series of one job. 0: no limit."},
    {.key = "limits.values_per_label",
     .flag = "limit-values-per-label",
     .type = CONF_INT,
     .offset = AT(limit_values),
     .default_value = "0",
     .placeholder = "N",
     .min = 0,
     .max = 1000000000,
     .help =
         "Distinct values of a label of one metric; a series with another one is refused. 0: no limit."},
};

static const struct conf_key APM[] = {
    {.key = "apm.transactions.users",
     .flag = "transactions-users",
     .type = CONF_ENUM,
     .offset = AT(apm_transaction_users),
     .default_value = "hash",
     .placeholder = "MODE",
     .choices = TRANSACTION_USERS,
     .help =
         "What transactions keep of enduser.id, user.id or session.id. hash: 16 digits that are "
         "the same for the same user (to tell users apart, not to hide them from who knows "
         "their ids); plain: as it came; off: nothing."},
};

static const struct conf_key QUERY[] = {
    {.key = "query.rollups",
     .flag = "query-rollups",
     .type = CONF_ENUM,
     .offset = AT(query_rollups),
     .default_value = "auto",
     .placeholder = "MODE",
     .choices = ROLLUPS,
     .help =
         "auto: long queries read roll-ups where the answer is the same; only_when_raw_is_gone: "
         "raw samples as long as there are any."},
    {.key = "query.timeout",
     .flag = "query-timeout",
     .type = CONF_DURATION_MS,
     .offset = AT(query_timeout_ms),
     .default_value = "2m",
     .placeholder = "DURATION",
     .help = "Longest time a query may run."},
    {.key = "query.max_samples",
     .flag = "query-max-samples",
     .type = CONF_INT,
     .offset = AT(query_max_samples),
     .default_value = "50000000",
     .placeholder = "N",
     .min = 1,
     .max = 10000000000,
     .help = "Samples one PromQL query may hold at one moment."},
    {.key = "query.memory",
     .flag = "query-memory",
     .type = CONF_BYTES,
     .offset = AT(query_memory_bytes),
     .default_value = "1GiB",
     .placeholder = "BYTES",
     .help = "Memory of all PromQL queries together; one may take half."},
    {.key = "query.lookback",
     .flag = "query-lookback",
     .type = CONF_DURATION_MS,
     .offset = AT(query_lookback_ms),
     .default_value = "5m",
     .placeholder = "DURATION",
     .help = "How long a sample counts as a series' current value."},
    {.key = "query.compat",
     .flag = "query-compat",
     .type = CONF_ENUM,
     .offset = AT(query_compat),
     .default_value = "3",
     .choices = COMPAT,
     .help =
         "Prometheus version PromQL follows: 3 is the latest, 3.5 the long-term release, which treats some "
         "native histograms otherwise; 2 includes the oldest instant in ranges and lookback."},
    {.key = "query.experimental",
     .flag = "query-experimental",
     .type = CONF_BOOL,
     .offset = AT(query_experimental),
     .default_value = "false",
     .help =
         "PromQL functions, aggregations and fill modifiers that Prometheus keeps behind feature "
         "flags."},
};

static const struct conf_key SCRAPE[] = {
    {.key = "query.delayed_names",
     .flag = "query-delayed-names",
     .type = CONF_BOOL,
     .offset = AT(query_delayed_names),
     .default_value = "false",
     .help =
         "PromQL drops metrics' names when a query ends instead of at each operation (Prometheus' "
         "promql-delayed-name-removal)."},
    {.key = "query.type_and_unit_labels",
     .flag = "query-type-and-unit-labels",
     .type = CONF_BOOL,
     .offset = AT(query_type_unit_labels),
     .default_value = "false",
     .help =
         "PromQL drops the labels __type__ and __unit__ where it drops names, and does not match by them."},
    {.key = "scrape.config",
     .flag = "scrape-config",
     .type = CONF_STRING,
     .reloadable = true,
     .offset = AT(scrape_config),
     .default_value = "",
     .placeholder = "FILE",
     .help = "Prometheus configuration whose global, scrape_configs and scrape_config_files "
             "sections are scraped; read again on SIGHUP and POST /-/reload."},
    {.key = "scrape.max_connections",
     .flag = "scrape-max-connections",
     .type = CONF_INT,
     .offset = AT(scrape_connections),
     .default_value = "0",
     .placeholder = "N",
     .min = 0,
     .max = 1000000,
     .help =
         "Open connections to targets at once, kept ones included; each needs a descriptor. 0 is three quarters of "
         "the descriptors the process may open, at most 20000."},
    {.key = "scrape.threads",
     .flag = "scrape-threads",
     .type = CONF_INT,
     .offset = AT(scrape_threads),
     .default_value = "2",
     .placeholder = "N",
     .min = 1,
     .max = 64,
     .help = "Threads that fetch and parse pages."},
    {.key = "scrape.created_timestamps",
     .flag = "scrape-created-timestamps",
     .type = CONF_BOOL,
     .offset = AT(scrape_created),
     .default_value = "false",
     .help = "Store a zero at the time a page says a counter or histogram began (Prometheus' "
             "created-timestamp-zero-ingestion), so that its first increase counts; its _created "
             "series are then left out."},
    {.key = "scrape.dns_server",
     .flag = "scrape-dns-server",
     .type = CONF_STRING,
     .offset = AT(scrape_dns),
     .default_value = "",
     .placeholder = "ADDR:PORT",
     .help = "Name server of dns_sd_configs; empty takes those of the system."},
};

static const struct conf_key RULES[] = {
    {.key = "rules.files",
     .flag = "rules-file",
     .type = CONF_STRING_LIST,
     .reloadable = true,
     .offset = AT(rules_files),
     .default_value = "",
     .placeholder = "PATTERN",
     .help = "Rule files in Prometheus' syntax, patterns allowed; read again on SIGHUP and POST "
             "/-/reload."},
    {.key = "rules.interval",
     .flag = "rules-interval",
     .type = CONF_DURATION_MS,
     .offset = AT(rules_interval_ms),
     .default_value = "1m",
     .placeholder = "DURATION",
     .help = "How often groups are evaluated that do not say."},
    {.key = "rules.for_outage_tolerance",
     .flag = "rules-for-outage-tolerance",
     .type = CONF_DURATION_MS,
     .offset = AT(rules_outage_tolerance_ms),
     .default_value = "1h",
     .placeholder = "DURATION",
     .help = "Longest time away after which alerts go on pending as before a restart."},
    {.key = "rules.for_grace_period",
     .flag = "rules-for-grace-period",
     .type = CONF_DURATION_MS,
     .offset = AT(rules_for_grace_ms),
     .default_value = "10m",
     .placeholder = "DURATION",
     .help = "Least time alerts are pending after a restart; a shorter `for` begins anew."},
};

static const struct conf_key PROCESSING[] = {
    {.key = "processing.config",
     .flag = "processing-config",
     .type = CONF_STRING,
     .reloadable = true,
     .offset = AT(processing_config),
     .default_value = "",
     .placeholder = "FILE",
     .help =
         "Rules for logs and traces on their way in: redaction, attributes, dropped rows, derived fields, "
         "sampling; read again on SIGHUP and POST /-/reload. Empty: the rules made in the console."},
};

static const struct conf_key AUTH[] = {
    {.key = "auth.off",
     .flag = "no-auth",
     .type = CONF_BOOL,
     .offset = AT(no_auth),
     .default_value = "false",
     .help = "No login and no tokens; refused unless every door listens on loopback."},
    {.key = "auth.session",
     .flag = "session",
     .type = CONF_DURATION_MS,
     .offset = AT(session_ms),
     .default_value = "7d",
     .placeholder = "DURATION",
     .help = "Life of a browser session."},
};

static const struct conf_key LOG[] = {
    {.key = "log.level",
     .flag = "log-level",
     .type = CONF_ENUM,
     .offset = AT(log_level),
     .default_value = "info",
     .placeholder = "LEVEL",
     .choices = LEVELS,
     .reloadable = true,
     .help = "Lines below this level are not written."},
    {.key = "log.format",
     .flag = "log-format",
     .type = CONF_ENUM,
     .offset = AT(log_format),
     .default_value = "logfmt",
     .placeholder = "FORMAT",
     .choices = FORMATS,
     .help = "Form of the log lines on standard error."},
};

static const struct conf_table TABLES[] = {
    {"Server", SERVER, ARRAY_LEN(SERVER)},
    {"OTLP", OTLP, ARRAY_LEN(OTLP)},
    {"Syslog", SYSLOG, ARRAY_LEN(SYSLOG)},
    {"Fluent forward", FLUENT, ARRAY_LEN(FLUENT)},
    {"Storage", STORAGE, ARRAY_LEN(STORAGE)},
    {"Limits on series", LIMITS, ARRAY_LEN(LIMITS)},
    {"Metrics", METRICS, ARRAY_LEN(METRICS)},
    {"Logs", LOGS, ARRAY_LEN(LOGS)},
    {"Application performance", APM, ARRAY_LEN(APM)},
    {"Query", QUERY, ARRAY_LEN(QUERY)},
    {"Rules", RULES, ARRAY_LEN(RULES)},
    {"Processing", PROCESSING, ARRAY_LEN(PROCESSING)},
    {"Scraping", SCRAPE, ARRAY_LEN(SCRAPE)},
    {"Authentication", AUTH, ARRAY_LEN(AUTH)},
    {"Log", LOG, ARRAY_LEN(LOG)},
};

const struct conf_spec SETTINGS_SPEC = {
    .program = "bongsu server",
    .summary = "Receives, keeps, queries and shows metrics, traces and logs.",
    .env_prefix = "BONGSU_",
    .tables = TABLES,
    .tables_n = ARRAY_LEN(TABLES),
};

static bool is_loopback(const char *address)
{
    struct str s = str_cstr(address);

    return s.n == 0 || str_starts(s, STR("127.")) || str_starts(s, STR("[::1]:")) ||
           str_starts(s, STR("localhost:"));
}

static int check_fluent(const struct settings *s, struct err *reterr)
{
    bool named = s->fluent_key[0] != '\0' || s->fluent_users.n != 0;

    if (s->fluent_tls[0] != '\0' && s->tls_cert[0] == '\0') {
        return err_set(reterr, ERR_INVALID, "--fluent-listen-tls needs --tls-cert and --tls-key");
    }
    if (!named && (!is_loopback(s->fluent) ||
                   (!is_loopback(s->fluent_tls) && s->fluent_client_ca[0] == '\0'))) {
        return err_set(reterr, ERR_INVALID,
                       "a Fluent door that is not on a loopback address needs --fluent-shared-key "
                       "or --fluent-users");
    }
    for (size_t i = 0; i < s->fluent_users.n; i++) {
        const char *colon = strchr(s->fluent_users.v[i], ':');

        if (colon == NULL || colon == s->fluent_users.v[i] || colon[1] == '\0') {
            return err_set(reterr, ERR_INVALID,
                           "--fluent-users: entry %zu is not of the form NAME:PASSWORD", i + 1);
        }
    }
    return 0;
}

int settings_check(const struct settings *s, struct err *reterr)
{
    const struct {
        const char *flag;
        const char *address;
    } doors[] = {{"http", s->http},
                 {"otlp-grpc", s->otlp_grpc},
                 {"otlp-http", s->otlp_http},
                 {"syslog-listen-udp", s->syslog_udp},
                 {"syslog-listen-tcp", s->syslog_tcp},
                 {"syslog-listen-tls", s->syslog_tls},
                 {"fluent-listen", s->fluent},
                 {"fluent-listen-tls", s->fluent_tls}};

    int rc;

    if (s->http[0] == '\0') {
        return err_set(reterr, ERR_INVALID, "--http: an address is needed");
    }
    if ((s->tls_cert[0] == '\0') != (s->tls_key[0] == '\0')) {
        return err_set(reterr, ERR_INVALID,
                       "--tls-cert and --tls-key are given together or not at all");
    }
    if (s->syslog_tls[0] != '\0' && s->tls_cert[0] == '\0') {
        return err_set(reterr, ERR_INVALID, "--syslog-listen-tls needs --tls-cert and --tls-key");
    }
    rc = check_fluent(s, reterr);
    for (size_t i = 0; rc == 0 && s->no_auth && i < ARRAY_LEN(doors); i++) {
        if (!is_loopback(doors[i].address)) {
            return err_set(reterr, ERR_INVALID,
                           "--no-auth is refused: --%s %s is not a loopback address", doors[i].flag,
                           doors[i].address);
        }
    }
    return rc;
}
