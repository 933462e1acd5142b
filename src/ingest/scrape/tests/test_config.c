/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations: what a full one becomes, the errors of broken ones with their lines, and targets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "ingest/scrape/config.h"
#include "ingest/scrape/target.h"

static const char FULL[] =
    "global:\n"
    "  scrape_interval: 15s\n"
    "  scrape_timeout: 5s\n"
    "  external_labels: {region: kr}\n"
    "  sample_limit: 7\n"
    "  convert_classic_histograms_to_nhcb: true\n"
    "  scrape_failure_log_file: fail.log\n"
    "  query_max_series: 5\n"
    "rule_files: [a.yml]\n"
    "scrape_configs:\n"
    "  - job_name: full\n"
    "    scrape_interval: 1m30s\n"
    "    scrape_protocols: [PrometheusProto, PrometheusText0.0.4]\n"
    "    fallback_scrape_protocol: PrometheusText0.0.4\n"
    "    honor_labels: true\n"
    "    honor_timestamps: false\n"
    "    track_timestamps_staleness: true\n"
    "    metrics_path: /m\n"
    "    scheme: https\n"
    "    params: {module: [a, b c]}\n"
    "    enable_compression: false\n"
    "    body_size_limit: 10MB\n"
    "    label_limit: 30\n"
    "    label_name_length_limit: 200\n"
    "    label_value_length_limit: 201\n"
    "    target_limit: 3\n"
    "    keep_dropped_targets: 4\n"
    "    metric_name_validation_scheme: legacy\n"
    "    always_scrape_classic_histograms: true\n"
    "    native_histogram_bucket_limit: 160\n"
    "    native_histogram_min_bucket_factor: 1.1\n"
    "    extra_scrape_metrics: true\n"
    "    basic_auth: {username: u, password_file: pw}\n"
    "    tls_config: {ca_file: ca.pem, server_name: x, min_version: TLS13}\n"
    "    proxy_url: http://proxy:1\n"
    "    no_proxy: a.b\n"
    "    http_headers: {X-A: {values: [v], secrets: [s], files: [f]}}\n"
    "    static_configs: &st\n"
    "      - targets: [h:1, h:2]\n"
    "        labels: {l: v}\n"
    "    file_sd_configs: [{files: [t/*.json], refresh_interval: 1m}]\n"
    "    http_sd_configs: [{url: 'http://x/sd', bearer_token: t}]\n"
    "    dns_sd_configs: [{names: [_a._tcp.x], type: SRV}]\n"
    "    kubernetes_sd_configs: [{role: pod, api_server: 'https://k', namespaces: {names: [n]},\n"
    "      selectors: [{role: pod, label: a=b}], attach_metadata: {node: true}}]\n"
    "    relabel_configs:\n"
    "      - {source_labels: [a, b], target_label: c}\n"
    "    metric_relabel_configs:\n"
    "      - {regex: x, action: labeldrop}\n"
    "  - job_name: small\n"
    "    scrape_interval: 2s\n"
    "    scrape_native_histograms: true\n"
    "    convert_classic_histograms_to_nhcb: false\n"
    "    scrape_failure_log_file: /var/f.log\n"
    "    static_configs: *st\n";

static void check_values(const struct job_conf *j)
{
    assert_int_equal(j->interval_ms, 90000);
    assert_int_equal(j->timeout_ms, 5000);
    assert_int_equal(j->protocols_n, 2);
    assert_int_equal(j->fallback, PROTO_TEXT_0);
    assert_true(j->honor_labels && !j->honor_timestamps && j->track_timestamps_staleness);
    assert_true(j->always_classic && !j->compression);
    assert_int_equal(j->body_size_limit, 10 << 20);
    assert_int_equal(j->sample_limit, 7);
    assert_int_equal(j->label_limit, 30);
    assert_int_equal(j->label_name_length_limit, 200);
    assert_int_equal(j->label_value_length_limit, 201);
    assert_int_equal(j->target_limit, 3);
    assert_int_equal(j->keep_dropped_targets, 4);
    assert_int_equal(j->bucket_limit, 160);
    assert_int_equal(j->schema_max, 2);
    assert_true(j->convert_classic && j->extra_metrics);
    assert_true(str_eq(j->failure_log, STR("/etc/p/fail.log")));
    assert_int_equal(j->scheme_names, NAMES_LEGACY);
    assert_int_equal(j->relabel.n, 1);
    assert_int_equal(j->metric_relabel.n, 1);
    assert_string_equal(j->accept,
                        "Accept: application/vnd.google.protobuf;proto=io.prometheus.client."
                        "MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.5,"
                        "*/*;q=0.4");
}

static void check_discovery(const struct job_conf *j)
{
    assert_true(str_eq(j->http.password_file, STR("/etc/p/pw")));
    assert_string_equal(j->http.profile.ca_file, "/etc/p/ca.pem");
    assert_int_equal(j->http.profile.tls_min, HTTP_TLS_13);
    assert_string_equal(j->http.profile.no_proxy, "a.b");
    assert_true(str_eq(j->http.headers[0].files[0], STR("/etc/p/f")));
    assert_int_equal(j->sds_n, 5);
    assert_int_equal(j->sds[0].groups[0].n, 2);
    assert_true(str_eq(j->sds[1].names[0], STR("/etc/p/t/*.json")));
    assert_int_equal(j->sds[1].refresh_ms, 60000);
    assert_true(str_eq(j->sds[2].http.credentials, STR("t")));
    assert_int_equal(j->sds[4].role, K8S_POD);
    assert_true(j->sds[4].attach_node);
}

static void test_full(void **state)
{
    struct config *c = NULL;
    struct err e = {0};

    (void)state;
    assert_int_equal(config_parse("/etc/p/prometheus.yml", STR(FULL), &c, &e), 0);
    assert_int_equal(c->jobs_n, 2);
    assert_int_equal(c->notices.n, 1);
    check_values(c->jobs[0]);
    check_discovery(c->jobs[0]);
    assert_true(!c->jobs[1]->convert_classic && !c->jobs[1]->extra_metrics);
    assert_true(str_eq(c->jobs[1]->failure_log, STR("/var/f.log")));
    assert_int_equal(c->jobs[1]->protocols_n, 5);
    assert_int_equal(c->jobs[1]->protocols[0], PROTO_PROTOBUF);
    assert_int_equal(c->jobs[1]->timeout_ms, 2000);      /* the global one cut to the interval */
    assert_int_equal(c->jobs[1]->sds[0].groups[0].n, 2); /* by alias */
    config_unref(c);
}

/* What the rules for names and the factor of buckets come to. */
static const struct {
    const char *global, *job;
    enum name_escaping escaping;
    enum name_scheme scheme;
    int32_t schema_max;
    const char *error; /* NULL: none */
} DERIVED[] = {
    {"{}", "", ESCAPE_ALLOW_UTF8, NAMES_UTF8, 8, NULL},
    {"{metric_name_validation_scheme: legacy}", "", ESCAPE_UNDERSCORES, NAMES_LEGACY, 8, NULL},
    {"{metric_name_validation_scheme: legacy}", "metric_name_validation_scheme: utf8",
     ESCAPE_ALLOW_UTF8, NAMES_UTF8, 8, NULL},
    {"{metric_name_escaping_scheme: dots}", "metric_name_escaping_scheme: ''", ESCAPE_DOTS,
     NAMES_UTF8, 8, NULL},
    {"{metric_name_escaping_scheme: dots}", "metric_name_validation_scheme: legacy",
     ESCAPE_UNDERSCORES, NAMES_LEGACY, 8, NULL},
    {"{}", "metric_name_escaping_scheme: values", ESCAPE_VALUES, NAMES_UTF8, 8, NULL},
    {"{metric_name_validation_scheme: legacy, metric_name_escaping_scheme: allow-utf-8}", "",
     ESCAPE_ALLOW_UTF8, NAMES_UTF8, 8, "p.yml:1: utf8 metric names requested"},
    {"{}", "metric_name_validation_scheme: legacy, metric_name_escaping_scheme: allow-utf-8",
     ESCAPE_ALLOW_UTF8, NAMES_UTF8, 8, "p.yml:3: utf8 metric names requested"},
    {"{}", "metric_name_escaping_scheme: x", ESCAPE_ALLOW_UTF8, NAMES_UTF8, 8,
     "p.yml:3: unknown metric_name_escaping_scheme \"x\""},
    {"{}", "native_histogram_min_bucket_factor: 1.002", ESCAPE_ALLOW_UTF8, NAMES_UTF8, 8, NULL},
    {"{}", "native_histogram_min_bucket_factor: 1.09", ESCAPE_ALLOW_UTF8, NAMES_UTF8, 3, NULL},
    {"{}", "native_histogram_min_bucket_factor: 2", ESCAPE_ALLOW_UTF8, NAMES_UTF8, 0, NULL},
    {"{}", "native_histogram_min_bucket_factor: 4", ESCAPE_ALLOW_UTF8, NAMES_UTF8, -1, NULL},
    {"{}", "native_histogram_min_bucket_factor: 1e9", ESCAPE_ALLOW_UTF8, NAMES_UTF8, -4, NULL},
};

static void test_derived(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(DERIVED); i++) {
        struct config *c = NULL;
        struct err e = {0};
        char text[512];
        int rc;

        snprintf(text, sizeof(text), "global: %s\nscrape_configs:\n- {job_name: j%s%s}\n",
                 DERIVED[i].global, DERIVED[i].job[0] != '\0' ? ", " : "", DERIVED[i].job);
        rc = config_parse("p.yml", str_cstr(text), &c, &e);
        if (DERIVED[i].error != NULL) {
            assert_int_equal(rc, -ERR_INVALID);
            assert_non_null(strstr(e.msg, DERIVED[i].error));
            continue;
        }
        assert_string_equal(e.msg, "");
        assert_int_equal(c->jobs[0]->escaping, DERIVED[i].escaping);
        assert_int_equal(c->jobs[0]->scheme_names, DERIVED[i].scheme);
        assert_int_equal(c->jobs[0]->schema_max, DERIVED[i].schema_max);
        config_unref(c);
    }
}

/* What people read of a rule that dropped a target. */
static const struct {
    const char *rule;
    const char *want;
} DESCRIBED[] = {
    {"{source_labels: [a, b], regex: 'x;.*', action: drop}",
     "drop: a, b matches x;.* (rule 1, line 4)"},
    {"{source_labels: [a], regex: x, action: keep}", "keep: a does not match x (rule 1, line 4)"},
    {"{source_labels: [a], target_label: b, action: keepequal}",
     "keepequal: a and b are different (rule 1, line 4)"},
    {"{source_labels: [a], target_label: b, action: dropequal}",
     "dropequal: a and b are equal (rule 1, line 4)"},
};

static void test_described_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(DESCRIBED); i++) {
        struct buf b CLEANUP(buf_done);
        struct config *c = NULL;
        struct err e = {0};
        char text[256];

        buf_init(&b, 1024);
        snprintf(text, sizeof(text), "scrape_configs:\n- job_name: j\n  relabel_configs:\n  - %s\n",
                 DESCRIBED[i].rule);
        assert_int_equal(config_parse("p.yml", str_cstr(text), &c, &e), 0);
        relabel_describe(&c->jobs[0]->relabel, 0, &b);
        buf_add_byte(&b, '\0');
        assert_string_equal(b.data, DESCRIBED[i].want);
        config_unref(c);
    }
}

#define JOB(text) "scrape_configs:\n- job_name: j\n" text

static const struct {
    const char *text;
    const char *error;
} BAD[] = {
    {"x: 1\n", "p.yml:1: field x not found in type config.plain"},
    {"global: {scrape_interval: 1s, scrape_timeout: 2s}\n",
     "p.yml:1: global scrape timeout greater"},
    {"scrape_configs:\n- job_nam: a\n",
     "p.yml:2: field job_nam not found in type config.ScrapeConfig"},
    {"scrape_configs:\n-\n", "empty or null scrape config section"},
    {"scrape_configs:\n- metrics_path: /\n", "job_name is empty"},
    {JOB("- job_name: j\n"), "p.yml:3: found multiple scrape configs with job name \"j\""},
    {JOB("  scrape_timeout: 2m\n"), "scrape timeout greater than scrape interval"},
    {JOB("  scrape_interval: 15\n"), "p.yml:3: not a valid duration string: \"15\""},
    {JOB("  scheme: ftp\n"), "p.yml:3: unknown scheme \"ftp\""},
    {JOB("  honor_labels: maybe\n"), "p.yml:3: honor_labels: true or false is needed"},
    {JOB("  sample_limit: -1\n"), "p.yml:3: sample_limit: a number is needed, not \"-1\""},
    {JOB("  scrape_protocols: [X]\n"), "unknown scrape protocol \"X\""},
    {JOB("  scrape_protocols: [PrometheusProto, PrometheusProto]\n"), "duplicated protocol"},
    {JOB("  consul_sd_configs: [{server: x}]\n"), "p.yml:3: consul_sd_configs is not supported"},
    {JOB("  ec2_sd_configs: [{}]\n"), "ec2_sd_configs is not supported"},
    {JOB("  static_configs: [{target: [a]}]\n"), "field target not found"},
    {JOB("  file_sd_configs: [{files: [a.txt]}]\n"), "is not valid for file discovery"},
    {JOB("  http_sd_configs: [{url: 'ftp://x'}]\n"), "URL scheme must be"},
    {JOB("  dns_sd_configs: [{names: [a], type: A}]\n"), "a port is required"},
    {JOB("  dns_sd_configs: [{names: [a], type: TXT}]\n"),
     "unknown type of dns_sd_configs \"TXT\""},
    {JOB("  kubernetes_sd_configs: [{}]\n"), "role missing"},
    {JOB("  kubernetes_sd_configs: [{role: x}]\n"), "unknown Kubernetes SD role \"x\""},
    {JOB("  kubernetes_sd_configs: [{role: pod, bearer_token: x}]\n"), "provide the 'api_server'"},
    {JOB("  basic_auth: {username: a}\n  bearer_token: b\n"), "at most one of basic_auth"},
    {JOB("  basic_auth: {password: a, password_file: b}\n"), "password & password_file"},
    {JOB("  authorization: {type: Basic}\n"), "use \"basic_auth\""},
    {JOB("  tls_config: {cert_file: a}\n"), "exactly one of key or key_file"},
    {JOB("  tls_config: {min_version: TLS9}\n"), "unknown TLS version"},
    {JOB("  oauth2: {token_url: x}\n"), "oauth2 client_id must be configured"},
    {JOB("  no_proxy: x\n"), "proxy_url must also be configured"},
    {JOB("  proxy_from_environment: true\n  proxy_url: http://x\n"), "proxy_from_environment"},
    {JOB("  http_headers: {Host: {values: [a]}}\n"), "setting header \"Host\" is not allowed"},
    {JOB("  relabel_configs: [{action: x}]\n"), "p.yml:3: unknown relabel action \"x\""},
    {JOB("  relabel_configs: [{source_labels: [a]}]\n"), "requires 'target_label'"},
    {JOB("  relabel_configs: [{target_label: a, regex: '('}]\n"), "p.yml:3: regular expression"},
    {JOB("  relabel_configs: [{regexp: a}]\n"), "field regexp not found in type relabel.Config"},
    {JOB("  params: [a]\n"), "params: a mapping is needed"},
    {"scrape_configs: {a: b}\n", "p.yml:1: scrape_configs: a list is needed"},
    {"global:\n\tx: 1\n", "p.yml:2"},
    {"a: &x [*x]\n", "unknown anchor"},
    {"global: {}\nglobal: {}\n", "p.yml:2: key \"global\" is given twice"},
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct config *c = NULL;
        struct err e = {0};

        if (config_parse("p.yml", str_cstr(BAD[i].text), &c, &e) >= 0) {
            fail_msg("row %zu was accepted", i);
        }
        if (strstr(e.msg, BAD[i].error) == NULL) {
            fail_msg("row %zu: %s", i, e.msg);
        }
    }
}

/* Aliases that double are stopped by weight, not by memory. */
static void test_bomb(void **state)
{
    struct config *c = NULL;
    struct err e = {0};
    struct buf b;

    (void)state;
    buf_init(&b, 1 << 16);
    buf_add_cstr(&b, "a0: &a0 [x, x]\n");
    for (int i = 1; i < 40; i++) {
        buf_printf(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    }
    assert_int_equal(config_parse("p.yml", buf_str(&b), &c, &e), -ERR_LIMIT);
    buf_done(&b);
}

static const char TARGETS[] =
    "scrape_configs:\n"
    "- job_name: j\n"
    "  params: {m: [a b, c], z: ['1']}\n"
    "  relabel_configs:\n"
    "  - {source_labels: [drop], regex: 'yes', action: drop}\n"
    "  - {source_labels: [__param_m], target_label: m}\n"
    "  - {source_labels: [t], regex: (.+), target_label: __scrape_timeout__}\n"
    "  static_configs:\n"
    "  - targets: ['h:1', 'bad/x', '']\n"
    "    labels: {__meta_x: '1', g: v}\n"
    "  - targets: ['h:1']\n"
    "    labels: {drop: 'yes'}\n"
    "  - targets: ['h:1']\n"
    "    labels: {t: 2m}\n";

static void check_target(struct target *t, const char *url)
{
    assert_true(str_eq(t->url, str_cstr(url)));
    assert_int_equal(t->labels.n, 4);
    assert_true(str_eq(labels_get(t->labels, STR("instance")), STR("h:1")));
    assert_true(str_eq(labels_get(t->labels, STR("m")), STR("a b")));
    assert_true(str_eq(labels_get(t->labels, STR("g")), STR("v")));
    target_unref(t);
}

static void test_targets(void **state)
{
    static const struct {
        size_t group, index;
        enum target_made made;
        const char *text; /* the URL or the error */
    } ROWS[] = {
        {0, 0, TARGET_OK, "http://h:1/metrics?m=a+b&m=c&z=1"},
        {0, 1, TARGET_BAD, "\"bad/x\" is not a valid hostname"},
        {0, 2, TARGET_BAD, "no address"},
        {1, 0, TARGET_DROPPED, NULL},
        {2, 0, TARGET_BAD,
         "scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")"},
    };
    struct config *c = NULL;
    struct arena a;

    (void)state;
    arena_init(&a, 1 << 20);
    assert_int_equal(config_parse("p.yml", STR(TARGETS), &c, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct sd_group *g = &c->jobs[0]->sds[0].groups[ROWS[i].group];
        struct target *t = NULL;
        struct labels before;
        struct err e = {0};

        assert_int_equal(target_make(c->jobs[0], g, ROWS[i].index, &a, &t, &before, NULL, &e),
                         ROWS[i].made);
        assert_true(str_eq(labels_get(before, STR("job")), STR("j")));
        assert_true(str_eq(labels_get(before, STR("__scrape_interval__")), STR("1m")));
        if (ROWS[i].made == TARGET_OK) {
            check_target(t, ROWS[i].text);
        } else if (ROWS[i].made == TARGET_BAD) {
            assert_string_equal(e.msg, ROWS[i].text);
        }
    }
    config_unref(c);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_derived),
        cmocka_unit_test(test_described_rules),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_targets),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
