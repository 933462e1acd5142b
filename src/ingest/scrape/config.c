/* SPDX-License-Identifier: Apache-2.0
 *
 * The file's sections and its jobs. Invariant: a configuration that was handed out is complete: defaults of
 * the global section are in every job, expressions are compiled, names are unique.
 */
#include "ingest/scrape/config.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "ingest/scrape/config_internal.h"
#include "io/vfs.h"

enum { ARENA_BYTES = 512 << 20, FILE_BYTES = 64 << 20, JOBS_MAX = 100000 };

#define AT(field) offsetof(struct job_conf, field)

/* ---- life ---- */

struct config *config_ref(const struct config *c)
{
    struct config *m = (struct config *)(uintptr_t)c;

    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

void config_unref(struct config *c)
{
    if (c == NULL || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (size_t i = 0; i < c->regexes.n; i++) {
        regex_free(c->regexes.v[i]);
    }
    for (size_t i = 0; i < c->files.n; i++) {
        close(c->files.v[i]);
    }
    vec_done(&c->regexes);
    vec_done(&c->files);
    vec_done(&c->notices);
    arena_done(&c->a);
    mem_free(c);
}

static struct config *config_new(void)
{
    struct config *c = mem_xcalloc(1, sizeof(*c));

    atomic_init(&c->refs, 1);
    arena_init(&c->a, ARENA_BYTES);
    return c;
}

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
    if (n->kind != YAML_SEQ) {
        return config_fail(r, n, reterr, "relabelling: a list of rules is needed");
    }
    ret->v = arena_calloc(r->a, n->n + 1, sizeof(*ret->v));
    if (ret->v == NULL) {
        return config_nomem(r, reterr);
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

static const char *const PROTOCOLS[] = {"PrometheusProto",      "OpenMetricsText1.0.0",
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
    for (size_t i = 0; i < n->n; i++) {
        int p = config_enum(r, n->seq[i], "scrape protocol", PROTOCOLS, reterr);

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

static int read_fallback(struct config_reader *r, const struct yaml_node *n, void *obj,
                         struct err *reterr)
{
    int p = config_enum(r, n, "fallback_scrape_protocol", PROTOCOLS, reterr);

    if (p >= 0) {
        ((struct job_conf *)obj)->fallback = p;
    }
    return p < 0 ? p : 0;
}

static int read_scheme_names(struct config_reader *r, const struct yaml_node *n, void *obj,
                             struct err *reterr)
{
    static const char *const SCHEMES[] = {"utf8", "legacy", NULL};
    int i = config_enum(r, n, "metric_name_validation_scheme", SCHEMES, reterr);

    if (i >= 0) {
        ((struct job_conf *)obj)->scheme_names = (enum name_scheme)i;
    }
    return i < 0 ? i : 0;
}

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

    if (n->kind != YAML_MAP) {
        return config_fail(r, n, reterr, "params: a mapping is needed");
    }
    j->params = arena_calloc(r->a, n->n + 1, sizeof(*j->params));
    if (j->params == NULL) {
        return config_nomem(r, reterr);
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

/* What the global section and a job both have. */
static const struct config_field LIMIT_FIELDS[] = {
    {"scrape_interval", FIELD_DURATION, AT(interval_ms), 0, NULL},
    {"scrape_timeout", FIELD_DURATION, AT(timeout_ms), 0, NULL},
    {"scrape_protocols", FIELD_READ, 0, 0, read_protocols},
    {"scrape_failure_log_file", FIELD_IGNORE, 0, 0, NULL},
    {"body_size_limit", FIELD_BYTES, AT(body_size_limit), 0, NULL},
    {"sample_limit", FIELD_UINT, AT(sample_limit), 0, NULL},
    {"target_limit", FIELD_UINT, AT(target_limit), 0, NULL},
    {"label_limit", FIELD_UINT, AT(label_limit), 0, NULL},
    {"label_name_length_limit", FIELD_UINT, AT(label_name_length_limit), 0, NULL},
    {"label_value_length_limit", FIELD_UINT, AT(label_value_length_limit), 0, NULL},
    {"keep_dropped_targets", FIELD_UINT, AT(keep_dropped_targets), 0, NULL},
    {"metric_name_validation_scheme", FIELD_READ, 0, 0, read_scheme_names},
    {"metric_name_escaping_scheme", FIELD_IGNORE, 0, 0, NULL},
    {"convert_classic_histograms_to_nhcb", FIELD_BOOL, AT(convert_classic), 0, NULL},
    {"always_scrape_classic_histograms", FIELD_BOOL, AT(always_classic), 0, NULL},
    {"scrape_native_histograms", FIELD_BOOL, AT(native_histograms), 0, NULL},
};

static const struct config_field GLOBAL_FIELDS[] = {
    {"evaluation_interval", FIELD_IGNORE, 0, 0, NULL},
    {"rule_query_offset", FIELD_IGNORE, 0, 0, NULL},
    {"query_log_file", FIELD_IGNORE, 0, 0, NULL},
    {"external_labels", FIELD_IGNORE, 0, 0, NULL},
};

static const struct config_field JOB_FIELDS[] = {
    {"job_name", FIELD_STR, AT(name), 0, NULL},
    {"fallback_scrape_protocol", FIELD_READ, 0, 0, read_fallback},
    {"scrape_fallback_protocol", FIELD_READ, 0, 0, read_fallback},
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
    size_t weight = j->protocols_n + 1;
    struct str s;

    buf_init(&b, 4096);
    buf_add_cstr(&b, "Accept: ");
    for (size_t i = 0; i < j->protocols_n; i++) {
        enum scrape_protocol p = j->protocols[i];
        bool escaping =
            j->scheme_names == NAMES_UTF8 && (p == PROTO_OPENMETRICS_1 || p == PROTO_TEXT_1);

        buf_printf(&b, "%s%s;q=0.%zu,", TYPES[p], escaping ? ";escaping=allow-utf-8" : "",
                   weight--);
    }
    buf_printf(&b, "*/*;q=0.%zu", weight);
    s = arena_printf(r->a, "%.*s", STR_ARG(buf_str(&b)));
    return (char *)(uintptr_t)s.p;
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

static int read_job(struct config_reader *r, const struct yaml_node *n, struct err *reterr)
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
                                         {LIMIT_FIELDS, ARRAY_LEN(LIMIT_FIELDS), j},
                                         {HTTP_FIELDS, HTTP_FIELDS_N, &j->http},
                                         {SD_FIELDS, SD_FIELDS_N, j}};

        rc = config_fields(r, n, "config.ScrapeConfig", sets, ARRAY_LEN(sets), reterr);
    }
    rc = rc < 0 ? rc : http_conf_finish(r, n, &j->http, reterr);
    rc = rc < 0 ? rc : read_rules(r, relabel, j->scheme_names, &j->relabel, reterr);
    rc = rc < 0 ? rc : read_rules(r, metric, j->scheme_names, &j->metric_relabel, reterr);
    rc = rc < 0 ? rc : check_job(r, n, j, reterr);
    if (rc < 0) {
        return rc;
    }
    if (j->native_histograms && r->global->protocols_n == j->protocols_n &&
        yaml_get(n, STR("scrape_protocols")) == NULL && j->protocols[0] != PROTO_PROTOBUF) {
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

static int read_jobs(struct config_reader *r, const struct yaml_node *n, struct err *reterr)
{
    struct job_conf **v;

    if (yaml_is_null(n)) {
        return 0;
    }
    if (n->kind != YAML_SEQ) {
        return config_fail(r, n, reterr, "scrape_configs: a list is needed");
    }
    if (r->c->jobs_n + n->n > JOBS_MAX) {
        return config_fail(r, n, reterr, "more than %d jobs", JOBS_MAX);
    }
    v = arena_calloc(r->a, r->c->jobs_n + n->n + 1, sizeof(struct job_conf *));
    if (v == NULL) {
        return config_nomem(r, reterr);
    }
    if (r->c->jobs_n != 0) {
        memcpy(v, r->c->jobs, r->c->jobs_n * sizeof(struct job_conf *));
    }
    r->c->jobs = v;
    for (size_t i = 0; i < n->n; i++) {
        int rc = read_job(r, n->seq[i], reterr);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- files ---- */

static int read_file(const char *path, struct arena *a, struct str *ret, struct err *reterr)
{
    char *text = NULL;
    size_t n = 0;
    int rc = vfs_read_file(vfs_real(), path, FILE_BYTES, &text, &n, reterr);

    if (rc < 0) {
        return rc;
    }
    *ret = arena_str_dup(a, str_of(text, n));
    mem_free(text);
    return n != 0 && ret->p == NULL ? err_set(reterr, ERR_NOMEM, "%s: out of memory", path) : 0;
}

static struct str folder_of(struct str path)
{
    for (size_t i = path.n; i > 0; i--) {
        if (path.p[i - 1] == '/') {
            return str_take(path, i > 1 ? i - 1 : 1);
        }
    }
    return str_of("", 0);
}

static int one_scrape_file(struct config_reader *r, const char *path, struct err *reterr)
{
    struct config_reader sub = *r;
    struct str name = arena_printf(r->a, "%s", path);
    const struct yaml_node *root = NULL;
    struct str text;
    int rc;

    if (name.p == NULL) {
        return config_nomem(r, reterr);
    }
    sub.file = name.p;
    sub.dir = folder_of(name);
    rc = read_file(path, r->a, &text, reterr);
    rc = rc < 0 ? rc : yaml_tree_parse(name.p, text, r->a, &root, reterr);
    if (rc < 0) {
        return rc;
    }
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        if (!str_eq(root->map[i].key, STR("scrape_configs"))) {
            return err_set(reterr, ERR_INVALID,
                           "%s:%u: field %.*s not found in type config.ScrapeConfigs", path,
                           root->map[i].line, STR_ARG(root->map[i].key));
        }
    }
    return read_jobs(&sub, yaml_get(root, STR("scrape_configs")), reterr);
}

static int read_scrape_files(struct config_reader *r, const struct yaml_node *n, struct err *reterr)
{
    struct str *globs = NULL;
    size_t globs_n = 0;
    int rc = yaml_is_null(n) ? 0 : config_strs(r, n, true, &globs, &globs_n, reterr);

    for (size_t i = 0; rc == 0 && i < globs_n; i++) {
        glob_t g = {0};

        if (glob(globs[i].p, 0, NULL, &g) == 0) {
            for (size_t k = 0; rc == 0 && k < g.gl_pathc; k++) {
                rc = one_scrape_file(r, g.gl_pathv[k], reterr);
            }
        }
        globfree(&g);
    }
    return rc;
}

/* ---- the whole ---- */

static int read_global(struct config_reader *r, const struct yaml_node *n, struct job_conf *g,
                       struct err *reterr)
{
    static const struct config_field EXTRA[] = {
        {"extra_scrape_metrics", FIELD_BOOL, offsetof(struct config, extra_metrics), 0, NULL}};
    const struct field_set sets[] = {{LIMIT_FIELDS, ARRAY_LEN(LIMIT_FIELDS), g},
                                     {GLOBAL_FIELDS, ARRAY_LEN(GLOBAL_FIELDS), g},
                                     {EXTRA, ARRAY_LEN(EXTRA), r->c}};
    int rc;

    if (yaml_is_null(n)) {
        return 0;
    }
    rc = config_fields(r, n, "config.GlobalConfig", sets, ARRAY_LEN(sets), reterr);
    if (rc < 0) {
        return rc;
    }
    g->interval_ms = g->interval_ms != 0 ? g->interval_ms : 60000;
    g->hash = config_hash(n, 1);
    if (yaml_is_null(yaml_get(n, STR("scrape_timeout"))) && g->timeout_ms > g->interval_ms) {
        g->timeout_ms = g->interval_ms;
    }
    if (g->timeout_ms > g->interval_ms) {
        return config_fail(r, n, reterr, "global scrape timeout greater than scrape interval");
    }
    return 0;
}

static int note(struct config_reader *r, const struct yaml_pair *p, struct err *reterr)
{
    struct str s =
        arena_printf(r->a, "%s:%u: section %.*s is not used", r->file, p->line, STR_ARG(p->key));

    return s.p != NULL && vec_push(&r->c->notices, s) ? 0 : config_nomem(r, reterr);
}

static int read_sections(struct config_reader *r, const struct yaml_node *root, struct err *reterr)
{
    static const char *const USED[] = {"global", "scrape_configs", "scrape_config_files"};
    static const char *const KNOWN[] = {"alerting", "rule_files", "remote_write", "remote_read",
                                        "storage",  "tracing",    "otlp",         "runtime"};

    if (!yaml_is_null(root) && root->kind != YAML_MAP) {
        return config_fail(r, root, reterr, "a Prometheus configuration is a mapping");
    }
    for (size_t i = 0; root->kind == YAML_MAP && i < root->n; i++) {
        const struct yaml_pair *p = &root->map[i];
        bool found = false;

        for (size_t k = 0; k < ARRAY_LEN(USED); k++) {
            found |= str_eq(p->key, str_cstr(USED[k]));
        }
        for (size_t k = 0; k < ARRAY_LEN(KNOWN); k++) {
            if (str_eq(p->key, str_cstr(KNOWN[k]))) {
                int rc = note(r, p, reterr);

                if (rc < 0) {
                    return rc;
                }
                found = true;
            }
        }
        if (!found) {
            return err_set(reterr, ERR_INVALID, "%s:%u: field %.*s not found in type config.plain",
                           r->file, p->line, STR_ARG(p->key));
        }
    }
    return 0;
}

static int read_all(struct config_reader *r, struct str text, struct err *reterr)
{
    struct job_conf global = {
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
    };
    const struct yaml_node *root = NULL;
    int rc = yaml_tree_parse(r->file, text, r->a, &root, reterr);

    rc = rc < 0 ? rc : read_sections(r, root, reterr);
    rc = rc < 0 ? rc : read_global(r, yaml_get(root, STR("global")), &global, reterr);
    r->global = &global;
    rc = rc < 0 ? rc : read_jobs(r, yaml_get(root, STR("scrape_configs")), reterr);
    rc = rc < 0 ? rc : read_scrape_files(r, yaml_get(root, STR("scrape_config_files")), reterr);
    r->global = NULL; /* it ends here */
    return rc;
}

int config_parse(const char *path, struct str text, struct config **ret, struct err *reterr)
{
    struct config *c = config_new();
    struct config_reader r = {.c = c, .a = &c->a};
    struct str name = arena_printf(&c->a, "%s", path);
    int rc;

    if (name.p == NULL) {
        config_unref(c);
        return err_set(reterr, ERR_NOMEM, "out of memory");
    }
    r.file = name.p;
    r.dir = folder_of(name);
    rc = read_all(&r, text, reterr);
    if (rc < 0) {
        config_unref(c);
        return rc;
    }
    *ret = c;
    return 0;
}

int config_load(const char *path, struct config **ret, struct err *reterr)
{
    struct arena a CLEANUP(arena_done);
    struct str text;
    int rc;

    arena_init(&a, ARENA_BYTES);
    rc = read_file(path, &a, &text, reterr);
    return rc < 0 ? rc : config_parse(path, text, ret, reterr);
}
