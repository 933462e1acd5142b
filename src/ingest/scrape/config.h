/* SPDX-License-Identifier: Apache-2.0
 *
 * A Prometheus configuration as structs: what scraping needs of it. Everything lives in one arena and is
 * immutable after config_load(), shared by reference count between the manager and the targets that run.
 * Source: Prometheus 3 documentation, "Configuration".
 */
#ifndef INGEST_SCRAPE_CONFIG_H
#define INGEST_SCRAPE_CONFIG_H

#include <stdatomic.h>

#include "base/vec.h"
#include "ingest/scrape/relabel.h"
#include "net/http_multi.h"

struct err;

/** One header of http_headers: values come from the file, from it masked, or from files. */
struct http_header_conf {
    struct str name;
    struct str *values, *secrets, *files;
    size_t values_n, secrets_n, files_n;
};

struct oauth2_conf {
    struct str client_id, client_secret, client_secret_file, token_url;
    struct str *scopes;
    size_t scopes_n;
    struct str (*params)[2]; /* endpoint_params: name, value */
    size_t params_n;
    const struct http_conf *http; /* TLS and proxy for the token's server */
};

/** Prometheus' HTTPClientConfig. Empty strings: not given. */
struct http_conf {
    struct str user, user_file, password, password_file; /* basic_auth */
    bool has_basic;
    struct str auth_type, credentials, credentials_file; /* authorization; bearer_token(_file) */
    bool has_authorization;
    struct oauth2_conf *oauth2;
    struct str ca_text, cert_text, key_text; /* given inside the file */
    struct http_header_conf *headers;
    size_t headers_n;
    struct http_profile profile; /* TLS, proxy, redirects; strings in the arena */
};

/** Targets that share labels; static, or what discovery found under one name. */
struct sd_group {
    struct str source;
    struct labels labels;   /* of the group */
    struct labels *targets; /* each with __address__ */
    size_t n;
};

enum sd_kind { SD_STATIC, SD_FILE, SD_HTTP, SD_DNS, SD_KUBERNETES, SD_KIND_COUNT };

enum dns_type { DNS_SRV, DNS_A, DNS_AAAA, DNS_MX, DNS_NS };

enum k8s_role {
    K8S_NODE,
    K8S_POD,
    K8S_SERVICE,
    K8S_ENDPOINTS,
    K8S_ENDPOINTSLICE,
    K8S_INGRESS,
    K8S_ROLE_COUNT
};

struct k8s_selector {
    enum k8s_role role;
    struct str label, field;
};

struct sd_conf {
    enum sd_kind kind;
    int64_t refresh_ms;
    uint64_t hash; /* of its text: equal configurations share a provider */
    struct http_conf http;
    struct str *names; /* file: paths with globs; dns: names; kubernetes: namespaces */
    size_t names_n;
    struct str url; /* http: the list; kubernetes: api_server */
    enum dns_type dns;
    uint64_t port;
    struct sd_group *groups; /* static */
    size_t groups_n;
    enum k8s_role role;
    struct str kubeconfig;
    bool own_namespace, attach_node, attach_namespace;
    struct k8s_selector *selectors;
    size_t selectors_n;
};

enum scrape_protocol {
    PROTO_PROTOBUF,
    PROTO_OPENMETRICS_1,
    PROTO_OPENMETRICS_0,
    PROTO_TEXT_1,
    PROTO_TEXT_0,
    PROTO_COUNT
};

/** How a target is asked to write names the old rules do not allow. */
enum name_escaping { ESCAPE_ALLOW_UTF8, ESCAPE_UNDERSCORES, ESCAPE_DOTS, ESCAPE_VALUES };

struct param_conf {
    struct str name;
    struct str *values;
    size_t n;
};

struct job_conf {
    struct str name;
    uint64_t hash; /* of its text and the global section: unchanged jobs are left alone */
    int64_t interval_ms, timeout_ms;
    enum scrape_protocol protocols[PROTO_COUNT];
    size_t protocols_n;
    bool protocols_given; /* by the job or the global section */
    int fallback;         /* enum scrape_protocol, -1: none */
    bool honor_labels, honor_timestamps, track_timestamps_staleness, compression;
    bool always_classic, convert_classic, native_histograms;
    bool extra_metrics;
    struct str failure_log; /* path; empty: none */
    struct str metrics_path, scheme;
    struct param_conf *params;
    size_t params_n;
    uint64_t body_size_limit, sample_limit, target_limit, label_limit; /* 0: none */
    uint64_t label_name_length_limit, label_value_length_limit, keep_dropped_targets;
    uint64_t bucket_limit; /* of a native histogram; 0: none */
    double bucket_factor;
    int32_t schema_max; /* what bucket_factor comes to */
    enum name_scheme scheme_names;
    enum name_escaping escaping;
    struct http_conf http;
    struct relabel relabel, metric_relabel;
    struct sd_conf *sds;
    size_t sds_n;
    char *accept; /* the Accept header's line */
    const struct config *owner;
};

struct config {
    _Atomic int refs; /* relaxed to take, release/acquire to drop */
    struct arena a;
    struct job_conf **jobs;
    size_t jobs_n;
    VEC(struct str) notices; /* sections that are not used here */
    VEC(struct regex *) regexes;
    VEC(int) files; /* memory files that hold certificates given in the text */
};

/**
 * Read the file and those of scrape_config_files.
 * @return 0; -ERR_INVALID ("FILE:LINE: ..."), -ERR_NOT_FOUND, -ERR_IO, -ERR_NOMEM, -ERR_UNSUPPORTED for
 *         discovery Prometheus has and this program has not
 */
NODISCARD int config_load(const char *path, struct config **ret, struct err *reterr);
/** The same from text; `path` names it in errors and gives the folder relative names start from. */
NODISCARD int config_parse(const char *path, struct str text, struct config **ret,
                           struct err *reterr);
struct config *config_ref(const struct config *c);
void config_unref(struct config *c); /* NULL is fine */

/** "15s", "1m30s", as Prometheus prints a duration. @return text in the arena */
struct str duration_text(struct arena *a, int64_t ms);

#endif
