/* SPDX-License-Identifier: Apache-2.0
 *
 * The *_sd_configs of a job: static, file, http, dns, kubernetes. Those Prometheus has and this program has
 * not are errors that name them, so that nobody believes targets are found that are not.
 */
#include "ingest/scrape/config_internal.h"

#define AT(field) offsetof(struct sd_conf, field)

static const int64_t FILE_REFRESH_MS = 300000;
static const int64_t HTTP_REFRESH_MS = 60000;
static const int64_t DNS_REFRESH_MS = 30000;

/* ---- groups ---- */

static int group_target(struct config_reader *r, const struct yaml_node *n, struct labels *ret,
                        struct err *reterr)
{
    struct label *l = arena_new(r->a, struct label);
    int rc;

    if (l == NULL) {
        return config_nomem(r, reterr);
    }
    l->name = STR("__address__");
    rc = config_str(r, n, &l->value, reterr);
    *ret = (struct labels){l, 1};
    return rc;
}

static int group_targets(struct config_reader *r, const struct yaml_node *n, void *obj,
                         struct err *reterr)
{
    struct sd_group *g = obj;

    g->targets = config_items(r, n, YAML_SEQ, "targets", sizeof(*g->targets), reterr);
    if (g->targets == NULL) {
        return config_items_failed(n, YAML_SEQ);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = group_target(r, n->seq[i], &g->targets[i], reterr);

        if (rc < 0) {
            return rc;
        }
    }
    g->n = n->n;
    return 0;
}

static int group_labels(struct config_reader *r, const struct yaml_node *n, void *obj,
                        struct err *reterr)
{
    struct sd_group *g = obj;
    struct label *v;
    size_t v_n;

    if (n->kind != YAML_MAP) {
        return config_fail(r, n, reterr, "labels: a mapping is needed");
    }
    v = arena_array(r->a, struct label, n->n + 1);
    if (v == NULL) {
        return config_nomem(r, reterr);
    }
    for (v_n = 0; v_n < n->n; v_n++) {
        int rc = config_str(r, n->map[v_n].value, &v[v_n].value, reterr);

        if (rc < 0) {
            return rc;
        }
        v[v_n].name = n->map[v_n].key;
        if (!scheme_label_ok(NAMES_UTF8, v[v_n].name)) {
            return config_fail(r, n->map[v_n].value, reterr, "\"%.*s\" is not a valid label name",
                               STR_ARG(v[v_n].name));
        }
    }
    g->labels = (struct labels){v, v_n};
    return 0;
}

int config_group(struct config_reader *r, const struct yaml_node *n, struct sd_group *ret,
                 struct err *reterr)
{
    static const struct config_field FIELDS[] = {{"targets", FIELD_READ, 0, 0, group_targets},
                                                 {"labels", FIELD_READ, 0, 0, group_labels}};
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), ret};

    return config_fields(r, n, "struct { targets, labels }", &set, 1, reterr);
}

/* ---- one discovery ---- */

static struct sd_conf *sd_new(struct config_reader *r, struct job_conf *job, enum sd_kind kind)
{
    struct sd_conf *v = arena_calloc(r->a, job->sds_n + 1, sizeof(*v));
    struct sd_conf *sd;

    if (v == NULL) {
        return NULL;
    }
    if (job->sds_n != 0) {
        memcpy(v, job->sds, job->sds_n * sizeof(*v));
    }
    job->sds = v;
    sd = &v[job->sds_n++];
    sd->kind = kind;
    http_conf_default(&sd->http);
    return sd;
}

static int read_static(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
    struct sd_conf *sd;

    if (n->kind != YAML_SEQ) {
        return config_fail(r, n, reterr, "static_configs: a list is needed");
    }
    sd = sd_new(r, obj, SD_STATIC);
    if (sd == NULL) {
        return config_nomem(r, reterr);
    }
    sd->groups = arena_calloc(r->a, n->n + 1, sizeof(*sd->groups));
    if (sd->groups == NULL) {
        return config_nomem(r, reterr);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = config_group(r, n->seq[i], &sd->groups[i], reterr);

        if (rc < 0) {
            return rc;
        }
        sd->groups[i].source = arena_printf(r->a, "%zu", i);
    }
    sd->groups_n = n->n;
    return 0;
}

static int read_namespaces(struct config_reader *r, const struct yaml_node *n, void *obj,
                           struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"own_namespace", FIELD_BOOL, AT(own_namespace), 0, NULL},
        {"names", FIELD_STRS, AT(names), AT(names_n), NULL}};
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), obj};

    return config_fields(r, n, "kubernetes.plain (namespaces)", &set, 1, reterr);
}

static int read_attach(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"node", FIELD_BOOL, AT(attach_node), 0, NULL},
        {"namespace", FIELD_BOOL, AT(attach_namespace), 0, NULL}};
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), obj};

    return config_fields(r, n, "kubernetes.AttachMetadataConfig", &set, 1, reterr);
}

static int read_selectors(struct config_reader *r, const struct yaml_node *n, void *obj,
                          struct err *reterr)
{
    static const struct config_field FIELDS[] = {
        {"role", FIELD_CHOICE, offsetof(struct k8s_selector, role), CHOICE_ROLE, NULL},
        {"label", FIELD_STR, offsetof(struct k8s_selector, label), 0, NULL},
        {"field", FIELD_STR, offsetof(struct k8s_selector, field), 0, NULL}};
    struct sd_conf *sd = obj;

    sd->selectors = config_items(r, n, YAML_SEQ, "selectors", sizeof(*sd->selectors), reterr);
    if (sd->selectors == NULL) {
        return config_items_failed(n, YAML_SEQ);
    }
    for (size_t i = 0; i < n->n; i++) {
        const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), &sd->selectors[i]};
        int rc = config_fields(r, n->seq[i], "kubernetes.SelectorConfig", &set, 1, reterr);

        if (rc < 0) {
            return rc;
        }
    }
    sd->selectors_n = n->n;
    return 0;
}

static const struct config_field FILE_FIELDS[] = {
    {"files", FIELD_PATHS, AT(names), AT(names_n), NULL},
    {"refresh_interval", FIELD_DURATION, AT(refresh_ms), 0, NULL}};

static const struct config_field HTTP_SD_FIELDS[] = {
    {"url", FIELD_STR, AT(url), 0, NULL},
    {"refresh_interval", FIELD_DURATION, AT(refresh_ms), 0, NULL}};

static const struct config_field DNS_FIELDS[] = {
    {"names", FIELD_STRS, AT(names), AT(names_n), NULL},
    {"type", FIELD_CHOICE, AT(dns), CHOICE_DNS, NULL},
    {"port", FIELD_UINT, AT(port), 0, NULL},
    {"refresh_interval", FIELD_DURATION, AT(refresh_ms), 0, NULL}};

static const struct config_field K8S_FIELDS[] = {
    {"role", FIELD_CHOICE, AT(role), CHOICE_ROLE, NULL},
    {"api_server", FIELD_STR, AT(url), 0, NULL},
    {"kubeconfig_file", FIELD_PATH, AT(kubeconfig), 0, NULL},
    {"namespaces", FIELD_READ, 0, 0, read_namespaces},
    {"selectors", FIELD_READ, 0, 0, read_selectors},
    {"attach_metadata", FIELD_READ, 0, 0, read_attach}};

/* What each kind of discovery is read with. */
static const struct kind {
    const char *type;
    const struct config_field *fields;
    size_t fields_n;
    bool http; /* the fields of HTTPClientConfig, too */
} KINDS[SD_KIND_COUNT] = {
    [SD_FILE] = {"file.SDConfig", FILE_FIELDS, ARRAY_LEN(FILE_FIELDS), false},
    [SD_HTTP] = {"http.SDConfig", HTTP_SD_FIELDS, ARRAY_LEN(HTTP_SD_FIELDS), true},
    [SD_DNS] = {"dns.SDConfig", DNS_FIELDS, ARRAY_LEN(DNS_FIELDS), false},
    [SD_KUBERNETES] = {"kubernetes.SDConfig", K8S_FIELDS, ARRAY_LEN(K8S_FIELDS), true},
};

static bool file_name_ok(struct str s)
{
    return str_ends(s, STR(".json")) || str_ends(s, STR(".yml")) || str_ends(s, STR(".yaml"));
}

static int check_files(struct config_reader *r, const struct yaml_node *n, const struct sd_conf *sd,
                       struct err *reterr)
{
    if (sd->names_n == 0) {
        return config_fail(r, n, reterr,
                           "file service discovery config must contain at least one path name");
    }
    for (size_t i = 0; i < sd->names_n; i++) {
        if (!file_name_ok(sd->names[i])) {
            return config_fail(r, n, reterr, "path name \"%.*s\" is not valid for file discovery",
                               STR_ARG(sd->names[i]));
        }
    }
    return 0;
}

static int check_kubernetes(struct config_reader *r, const struct yaml_node *n,
                            const struct sd_conf *sd, struct err *reterr)
{
    bool auth = sd->http.has_basic || sd->http.has_authorization || sd->http.oauth2 != NULL;

    if (yaml_get(n, STR("role")) == NULL) {
        return config_fail(r, n, reterr,
                           "role missing (one of: pod, service, endpoints, endpointslice, node, "
                           "ingress)");
    }
    if (sd->url.n != 0 && sd->kubeconfig.n != 0) {
        return config_fail(r, n, reterr,
                           "cannot use 'kubeconfig_file' and 'api_server' simultaneously");
    }
    if (sd->kubeconfig.n != 0 && auth) {
        return config_fail(r, n, reterr,
                           "cannot use a custom HTTP client configuration together with "
                           "'kubeconfig_file'");
    }
    if (sd->url.n == 0 && auth) {
        return config_fail(r, n, reterr,
                           "to use custom HTTP client configuration please provide the "
                           "'api_server' URL explicitly");
    }
    return 0;
}

static int check_sd(struct config_reader *r, const struct yaml_node *n, const struct sd_conf *sd,
                    struct err *reterr)
{
    switch (sd->kind) {
    case SD_FILE:
        return check_files(r, n, sd, reterr);
    case SD_HTTP:
        if (!str_starts(sd->url, STR("http://")) && !str_starts(sd->url, STR("https://"))) {
            return config_fail(r, n, reterr,
                               sd->url.n == 0 ? "URL is missing"
                                              : "URL scheme must be 'http' or 'https'");
        }
        return 0;
    case SD_DNS:
        if (sd->names_n == 0) {
            return config_fail(r, n, reterr,
                               "DNS-SD config must contain at least one SRV record name");
        }
        if ((sd->dns == DNS_A || sd->dns == DNS_AAAA || sd->dns == DNS_MX || sd->dns == DNS_NS) &&
            sd->port == 0) {
            return config_fail(r, n, reterr,
                               "a port is required in DNS-SD configs for all record types except "
                               "SRV");
        }
        return 0;
    default:
        return check_kubernetes(r, n, sd, reterr);
    }
}

static int read_one(struct config_reader *r, const struct yaml_node *n, struct job_conf *job,
                    enum sd_kind kind, struct err *reterr)
{
    const struct kind *k = &KINDS[kind];
    struct sd_conf *sd = sd_new(r, job, kind);
    int rc;

    if (sd == NULL) {
        return config_nomem(r, reterr);
    }
    sd->refresh_ms = kind == SD_FILE   ? FILE_REFRESH_MS
                     : kind == SD_HTTP ? HTTP_REFRESH_MS
                                       : DNS_REFRESH_MS;
    sd->hash = config_hash(n, hash_u64((uint64_t)kind + 1));
    {
        const struct field_set sets[] = {{k->fields, k->fields_n, sd},
                                         {HTTP_FIELDS, HTTP_FIELDS_N, &sd->http}};

        rc = config_fields(r, n, k->type, sets, k->http ? 2 : 1, reterr);
    }
    rc = rc < 0 ? rc : http_conf_finish(r, n, &sd->http, reterr);
    rc = rc < 0 ? rc : check_sd(r, n, sd, reterr);
    if (rc == 0 && sd->refresh_ms == 0) {
        return config_fail(r, n, reterr, "refresh_interval must not be 0");
    }
    return rc;
}

static int read_list(struct config_reader *r, const struct yaml_node *n, struct job_conf *job,
                     enum sd_kind kind, struct err *reterr)
{
    if (n->kind != YAML_SEQ) {
        return config_fail(r, n, reterr, "a list is needed (%s)", KINDS[kind].type);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc = read_one(r, n->seq[i], job, kind, reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

static int read_files(struct config_reader *r, const struct yaml_node *n, void *obj,
                      struct err *reterr)
{
    return read_list(r, n, obj, SD_FILE, reterr);
}

static int read_http(struct config_reader *r, const struct yaml_node *n, void *obj,
                     struct err *reterr)
{
    return read_list(r, n, obj, SD_HTTP, reterr);
}

static int read_dns(struct config_reader *r, const struct yaml_node *n, void *obj,
                    struct err *reterr)
{
    return read_list(r, n, obj, SD_DNS, reterr);
}

static int read_kubernetes(struct config_reader *r, const struct yaml_node *n, void *obj,
                           struct err *reterr)
{
    return read_list(r, n, obj, SD_KUBERNETES, reterr);
}

#define UNSUPPORTED(name)                                 \
    {                                                     \
        name "_sd_configs", FIELD_UNSUPPORTED, 0, 0, NULL \
    }

const struct config_field SD_FIELDS[] = {
    {"static_configs", FIELD_READ, 0, 0, read_static},
    {"file_sd_configs", FIELD_READ, 0, 0, read_files},
    {"http_sd_configs", FIELD_READ, 0, 0, read_http},
    {"dns_sd_configs", FIELD_READ, 0, 0, read_dns},
    {"kubernetes_sd_configs", FIELD_READ, 0, 0, read_kubernetes},
    UNSUPPORTED("aws"),
    UNSUPPORTED("azure"),
    UNSUPPORTED("consul"),
    UNSUPPORTED("digitalocean"),
    UNSUPPORTED("docker"),
    UNSUPPORTED("dockerswarm"),
    UNSUPPORTED("ec2"),
    UNSUPPORTED("ecs"),
    UNSUPPORTED("eureka"),
    UNSUPPORTED("gce"),
    UNSUPPORTED("hetzner"),
    UNSUPPORTED("ionos"),
    UNSUPPORTED("kuma"),
    UNSUPPORTED("lightsail"),
    UNSUPPORTED("linode"),
    UNSUPPORTED("marathon"),
    UNSUPPORTED("msk"),
    UNSUPPORTED("nerve"),
    UNSUPPORTED("nomad"),
    UNSUPPORTED("openstack"),
    UNSUPPORTED("oci"),
    UNSUPPORTED("outscale"),
    UNSUPPORTED("ovhcloud"),
    UNSUPPORTED("puppetdb"),
    UNSUPPORTED("scaleway"),
    UNSUPPORTED("serverset"),
    UNSUPPORTED("stackit"),
    UNSUPPORTED("triton"),
    UNSUPPORTED("uyuni"),
    UNSUPPORTED("vultr"),
};
const size_t SD_FIELDS_N = ARRAY_LEN(SD_FIELDS);
