/* SPDX-License-Identifier: Apache-2.0
 *
 * One job: its keys, its relabelling rules, and the request header that follows from them. Invariant: a job that was
 * added has the global section's values where it gives none of its own, and its expressions are compiled.
 */
#include <math.h>

#include "base/hash.h"
#include "ingest/scrape/config_internal.h"
#include "model/histogram.h"

#define AT(field) offsetof(struct job_conf, field)

/* ---- relabelling ---- */

static int read_action(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
    struct str s = n->kind == YAML_SCALAR ? n->text : str_of("", 0);

    for (int i = 0; i < RELABEL_COUNT; i++) {
        if (str_eq_nocase(s, str_cstr(relabel_action_text((enum relabel_action)i)))) {
            ((struct relabel_rule *)obj)->action = (enum relabel_action)i;
            return 0;
        }
    }
    return config_fail(r, n, reterr, "unknown relabel action \"%.*s\"", STR_ARG(s));
}

static int read_rule(struct config_reader *r, const struct yaml_node *n, struct relabel_rule *rule,
                     struct err *reterr)
{
#define RULE(field) offsetof(struct relabel_rule, field)
    static const struct config_field FIELDS[] = {
        {"source_labels", FIELD_STRS, RULE(source), RULE(source_n), NULL},
        {"separator", FIELD_STR, RULE(separator), 0, NULL},
        {"target_label", FIELD_STR, RULE(target), 0, NULL},
        {"regex", FIELD_STR, RULE(pattern), 0, NULL},
        {"modulus", FIELD_UINT, RULE(modulus), 0, NULL},
        {"replacement", FIELD_STR, RULE(replacement), 0, NULL},
        {"action", FIELD_READ, 0, 0, read_action},
    };
    enum name_scheme scheme = rule->scheme;
    const struct field_set set = {FIELDS, ARRAY_LEN(FIELDS), rule};
    struct err why = {0};
    int rc;

    *rule = relabel_rule_default();
    rule->scheme = scheme;
    rule->line = n->line;
    rc = config_fields(r, n, "relabel.Config", &set, 1, reterr);
    if (rc < 0) {
        return rc;
    }
    if (relabel_check(rule, &why) < 0) {
        relabel_rule_done(rule);
        return config_fail(r, n, reterr, "%s", why.msg);
    }
    if (!vec_push(&r->c->regexes, rule->regex)) {
        relabel_rule_done(rule);
        return config_nomem(r, reterr);
    }
    return 0;
}

static int read_rules(struct config_reader *r, const struct yaml_node *n, enum name_scheme scheme,
                      struct relabel *ret, struct err *reterr)
{
    if (yaml_is_null(n)) {
        return 0;
    }
    ret->v = config_items(r, n, YAML_SEQ, "relabelling", sizeof(*ret->v), reterr);
    if (ret->v == NULL) {
        return config_items_failed(n, YAML_SEQ);
    }
    for (size_t i = 0; i < n->n; i++) {
        int rc;

        if (yaml_is_null(n->seq[i])) {
            return config_fail(r, n->seq[i], reterr,
                               "empty or null target relabeling rule in scrape config");
        }
        ret->v[i].scheme = scheme;
        rc = read_rule(r, n->seq[i], &ret->v[i], reterr);
        if (rc < 0) {
            return rc;
        }
        ret->n++;
    }
    return 0;
}

/* ---- jobs ---- */

const char *const CONFIG_PROTOCOLS[] = {"PrometheusProto",      "OpenMetricsText1.0.0",
                                        "OpenMetricsText0.0.1", "PrometheusText1.0.0",
                                        "PrometheusText0.0.4",  NULL};

static int read_protocols(struct config_reader *r, const struct yaml_node *n, void *obj,
                          struct err *reterr)
{
    struct job_conf *j = obj;

    if (n->kind != YAML_SEQ || n->n == 0) {
        return config_fail(r, n, reterr, "scrape_protocols cannot be empty");
    }
    j->protocols_n = 0;
    j->protocols_given = true;
    for (size_t i = 0; i < n->n; i++) {
        int p = config_enum(r, n->seq[i], "scrape protocol", CONFIG_PROTOCOLS, reterr);

        if (p < 0) {
            return p;
        }
        for (size_t k = 0; k < j->protocols_n; k++) {
            if ((int)j->protocols[k] == p) {
                return config_fail(r, n->seq[i], reterr, "duplicated protocol in scrape_protocols");
            }
        }
        j->protocols[j->protocols_n++] = (enum scrape_protocol)p;
    }
    return 0;
}

const char *const CONFIG_ESCAPINGS[] = {[ESCAPE_ALLOW_UTF8] = "allow-utf-8",
                                        [ESCAPE_UNDERSCORES] = "underscores",
                                        [ESCAPE_DOTS] = "dots",
                                        [ESCAPE_VALUES] = "values",
                                        NULL};

static int read_scheme(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
    static const char *const SCHEMES[] = {"http", "https", NULL};
    int i = config_enum(r, n, "scheme", SCHEMES, reterr);

    if (i >= 0) {
        ((struct job_conf *)obj)->scheme = str_cstr(SCHEMES[i]);
    }
    return i < 0 ? i : 0;
}

static int read_params(struct config_reader *r, const struct yaml_node *n, void *obj,
                       struct err *reterr)
{
    struct job_conf *j = obj;

    j->params = config_items(r, n, YAML_MAP, "params", sizeof(*j->params), reterr);
    if (j->params == NULL) {
        return config_items_failed(n, YAML_MAP);
    }
    j->params_n = n->n;
    for (size_t i = 0; i < n->n; i++) {
        struct param_conf *p = &j->params[i];
        int rc = config_strs(r, n->map[i].value, false, &p->values, &p->n, reterr);

        if (rc < 0) {
            return rc;
        }
        p->name = n->map[i].key;
    }
    return 0;
}

const struct config_field SHARED_FIELDS[] = {
    {"scrape_interval", FIELD_DURATION, AT(interval_ms), 0, NULL},
    {"scrape_timeout", FIELD_DURATION, AT(timeout_ms), 0, NULL},
    {"scrape_protocols", FIELD_READ, 0, 0, read_protocols},
    {"scrape_failure_log_file", FIELD_PATH, AT(failure_log), 0, NULL},
    {"body_size_limit", FIELD_BYTES, AT(body_size_limit), 0, NULL},
    {"sample_limit", FIELD_UINT, AT(sample_limit), 0, NULL},
    {"target_limit", FIELD_UINT, AT(target_limit), 0, NULL},
    {"label_limit", FIELD_UINT, AT(label_limit), 0, NULL},
    {"label_name_length_limit", FIELD_UINT, AT(label_name_length_limit), 0, NULL},
    {"label_value_length_limit", FIELD_UINT, AT(label_value_length_limit), 0, NULL},
    {"keep_dropped_targets", FIELD_UINT, AT(keep_dropped_targets), 0, NULL},
    {"metric_name_validation_scheme", FIELD_CHOICE, AT(scheme_names), CHOICE_VALIDATION, NULL},
    {"metric_name_escaping_scheme", FIELD_CHOICE, AT(escaping), CHOICE_ESCAPING, NULL},
    {"convert_classic_histograms_to_nhcb", FIELD_BOOL, AT(convert_classic), 0, NULL},
    {"always_scrape_classic_histograms", FIELD_BOOL, AT(always_classic), 0, NULL},
    {"scrape_native_histograms", FIELD_BOOL, AT(native_histograms), 0, NULL},
    {"extra_scrape_metrics", FIELD_BOOL, AT(extra_metrics), 0, NULL},
};
const size_t SHARED_FIELDS_N = ARRAY_LEN(SHARED_FIELDS);

static const struct config_field JOB_FIELDS[] = {
    {"job_name", FIELD_STR, AT(name), 0, NULL},
    {"fallback_scrape_protocol", FIELD_CHOICE, AT(fallback), CHOICE_FALLBACK, NULL},
    {"scrape_fallback_protocol", FIELD_CHOICE, AT(fallback), CHOICE_FALLBACK, NULL},
    {"honor_labels", FIELD_BOOL, AT(honor_labels), 0, NULL},
    {"honor_timestamps", FIELD_BOOL, AT(honor_timestamps), 0, NULL},
    {"track_timestamps_staleness", FIELD_BOOL, AT(track_timestamps_staleness), 0, NULL},
    {"scrape_classic_histograms", FIELD_BOOL, AT(always_classic), 0, NULL},
    {"metrics_path", FIELD_STR, AT(metrics_path), 0, NULL},
    {"scheme", FIELD_READ, 0, 0, read_scheme},
    {"params", FIELD_READ, 0, 0, read_params},
    {"enable_compression", FIELD_BOOL, AT(compression), 0, NULL},
    {"native_histogram_bucket_limit", FIELD_UINT, AT(bucket_limit), 0, NULL},
    {"native_histogram_min_bucket_factor", FIELD_F64, AT(bucket_factor), 0, NULL},
    {"relabel_configs", FIELD_IGNORE, 0, 0, NULL}, /* read when the name scheme is known */
    {"metric_relabel_configs", FIELD_IGNORE, 0, 0, NULL},
};

/* "Accept: ..." with falling weights, as upstream makes it. */
static char *accept_header(struct config_reader *r, const struct job_conf *j)
{
    static const char *const TYPES[] = {
        [PROTO_PROTOBUF] =
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily"
             ";encoding=delimited"),
        [PROTO_OPENMETRICS_1] = "application/openmetrics-text;version=1.0.0",
        [PROTO_OPENMETRICS_0] = "application/openmetrics-text;version=0.0.1",
        [PROTO_TEXT_1] = "text/plain;version=1.0.0",
        [PROTO_TEXT_0] = "text/plain;version=0.0.4"};
    struct buf b CLEANUP(buf_done);
    size_t weight = PROTO_COUNT + 1; /* of all there are, however many are asked for */
    struct str s;

    buf_init(&b, 4096);
    buf_add_cstr(&b, "Accept: ");
    for (size_t i = 0; i < j->protocols_n; i++) {
        enum scrape_protocol p = j->protocols[i];
        bool escaping = p == PROTO_OPENMETRICS_1 || p == PROTO_TEXT_1; /* the others know no such */

        buf_printf(&b, "%s%s%s;q=0.%zu,", TYPES[p], escaping ? ";escaping=" : "",
                   escaping ? CONFIG_ESCAPINGS[j->escaping] : "", weight--);
    }
    buf_printf(&b, "*/*;q=0.%zu", weight);
    s = arena_printf(r->a, "%.*s", STR_ARG(buf_str(&b)));
    return (char *)(uintptr_t)s.p;
}

struct job_conf job_conf_default(void)
{
    return (struct job_conf){
        .interval_ms = 60000,
        .timeout_ms = 10000,
        .protocols = {PROTO_OPENMETRICS_1, PROTO_OPENMETRICS_0, PROTO_TEXT_1, PROTO_TEXT_0},
        .protocols_n = 4,
        .fallback = -1,
        .honor_timestamps = true,
        .compression = true,
        .metrics_path = STR("/metrics"),
        .scheme = STR("http"),
        .scheme_names = NAMES_UTF8,
        .schema_max = NATIVE_SCHEMA_MAX,
    };
}

static bool is_given(const struct yaml_node *n, struct str key)
{
    const struct yaml_node *v = yaml_get(n, key);

    return !yaml_is_null(v) && !(v->kind == YAML_SCALAR && v->text.n == 0);
}

/* Follows the rules for names where they are given and it is not. */
static int finish_escaping(struct config_reader *r, const struct yaml_node *n, struct job_conf *j,
                           struct err *reterr)
{
    if (!is_given(n, STR("metric_name_escaping_scheme")) &&
        is_given(n, STR("metric_name_validation_scheme"))) {
        j->escaping = j->scheme_names == NAMES_LEGACY ? ESCAPE_UNDERSCORES : ESCAPE_ALLOW_UTF8;
    }
    return j->escaping != ESCAPE_ALLOW_UTF8 || j->scheme_names == NAMES_UTF8
               ? 0
               : config_fail(r, n, reterr,
                             "utf8 metric names requested but validation scheme is not set to "
                             "UTF8");
}

int config_global_finish(struct config_reader *r, const struct yaml_node *n, struct job_conf *g,
                         struct err *reterr)
{
    g->interval_ms = g->interval_ms != 0 ? g->interval_ms : 60000;
    if (!is_given(n, STR("scrape_timeout")) && g->timeout_ms > g->interval_ms) {
        g->timeout_ms = g->interval_ms;
    }
    if (g->timeout_ms > g->interval_ms) {
        return config_fail(r, n, reterr, "global scrape timeout greater than scrape interval");
    }
    return finish_escaping(r, n, g, reterr);
}

/* The coarsest schema whose buckets grow by no less than the factor. */
static int32_t schema_of(double factor)
{
    double schema = factor > 1 ? floor(-log2(log2(factor))) : NATIVE_SCHEMA_MAX;

    return schema >= NATIVE_SCHEMA_MAX   ? NATIVE_SCHEMA_MAX
           : schema <= NATIVE_SCHEMA_MIN ? NATIVE_SCHEMA_MIN
                                         : (int32_t)schema;
}

static int check_job(struct config_reader *r, const struct yaml_node *n, struct job_conf *j,
                     struct err *reterr)
{
    if (j->name.n == 0) {
        return config_fail(r, n, reterr, "job_name is empty");
    }
    if (!str_is_utf8(j->name)) {
        return config_fail(r, n, reterr, "job_name is not valid UTF-8");
    }
    if (j->interval_ms == 0) {
        return config_fail(r, n, reterr, "scrape_interval cannot be 0");
    }
    if (yaml_is_null(yaml_get(n, STR("scrape_timeout"))) && j->timeout_ms > j->interval_ms) {
        j->timeout_ms = j->interval_ms; /* the global timeout is cut to the job's interval */
    }
    if (j->timeout_ms > j->interval_ms) {
        return config_fail(
            r, n, reterr,
            "scrape timeout greater than scrape interval for scrape config with job name \"%.*s\"",
            STR_ARG(j->name));
    }
    for (size_t i = 0; i < r->c->jobs_n; i++) {
        if (str_eq(r->c->jobs[i]->name, j->name)) {
            return config_fail(r, n, reterr, "found multiple scrape configs with job name \"%.*s\"",
                               STR_ARG(j->name));
        }
    }
    return 0;
}

int config_job(struct config_reader *r, const struct yaml_node *n, struct err *reterr)
{
    struct job_conf *j = arena_new(r->a, struct job_conf);
    const struct yaml_node *relabel = yaml_get(n, STR("relabel_configs"));
    const struct yaml_node *metric = yaml_get(n, STR("metric_relabel_configs"));
    int rc;

    if (yaml_is_null(n)) {
        return config_fail(r, n, reterr, "empty or null scrape config section");
    }
    if (j == NULL) {
        return config_nomem(r, reterr);
    }
    *j = *r->global;
    j->owner = r->c;
    http_conf_default(&j->http);
    {
        const struct field_set sets[] = {{JOB_FIELDS, ARRAY_LEN(JOB_FIELDS), j},
                                         {SHARED_FIELDS, SHARED_FIELDS_N, j},
                                         {HTTP_FIELDS, HTTP_FIELDS_N, &j->http},
                                         {SD_FIELDS, SD_FIELDS_N, j}};

        rc = config_fields(r, n, "config.ScrapeConfig", sets, ARRAY_LEN(sets), reterr);
    }
    rc = rc < 0 ? rc : http_conf_finish(r, n, &j->http, reterr);
    rc = rc < 0 ? rc : read_rules(r, relabel, j->scheme_names, &j->relabel, reterr);
    rc = rc < 0 ? rc : read_rules(r, metric, j->scheme_names, &j->metric_relabel, reterr);
    rc = rc < 0 ? rc : finish_escaping(r, n, j, reterr);
    rc = rc < 0 ? rc : check_job(r, n, j, reterr);
    if (rc < 0) {
        return rc;
    }
    j->schema_max = schema_of(j->bucket_factor);
    if (j->native_histograms && !j->protocols_given) {
        memmove(j->protocols + 1, j->protocols, j->protocols_n * sizeof(j->protocols[0]));
        j->protocols[0] = PROTO_PROTOBUF;
        j->protocols_n++;
    }
    j->hash = hash_u64(config_hash(n, r->global->hash));
    j->accept = accept_header(r, j);
    if (j->accept == NULL) {
        return config_nomem(r, reterr);
    }
    r->c->jobs[r->c->jobs_n++] = j;
    return 0;
}
