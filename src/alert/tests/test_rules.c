/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules over a real store: what they record, when series end, the states of alerts over time, limits, reloads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "alert/rules.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/err.h"
#include "io/vfs.h"
#include "model/samples.h"
#include "store/tsdb/native.h"

struct fixture {
    char dir[64];
    char file[96];
    char *glob;
    struct tsdb *db;
    struct promql_engine *promql;
    struct rules *rules;
    int64_t t0;
};

static int set_up(void **state)
{
    struct fixture *f = mem_xcalloc(1, sizeof(*f));
    const struct promql_opts q = {0};
    char data[96];
    struct err e = {0};

    snprintf(f->dir, sizeof(f->dir), "/tmp/test_rules.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->file, sizeof(f->file), "%s/rules.yml", f->dir);
    snprintf(data, sizeof(data), "%s/data", f->dir);
    f->glob = f->file;
    f->t0 = (clock_wall_ms() / 60000 - 120) * 60000;
    if (tsdb_open(&(struct tsdb_opts){.dir = data}, &f->db, &e) != 0) {
        fail_msg("%s", e.msg);
    }
    f->promql = promql_engine_new(&q);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    rules_free(f->rules);
    promql_engine_free(f->promql);
    tsdb_close(f->db);
    assert_int_equal(vfs_remove_tree(vfs_real(), f->dir, NULL), 0);
    mem_free(f);
    return 0;
}

static void write_rules(struct fixture *f, const char *text)
{
    assert_int_equal(vfs_write_atomic(vfs_real(), f->file, str_cstr(text), NULL), 0);
}

static void open_rules(struct fixture *f, const char *text)
{
    struct err e = {0};
    struct rules_opts o = {.globs = &f->glob,
                           .globs_n = 1,
                           .interval_ms = 86400000, /* tests say when */
                           .threads = 1,
                           .promql = f->promql,
                           .db = f->db};

    write_rules(f, text);
    if (rules_open(&o, &f->rules, &e) != 0) {
        fail_msg("%s", e.msg);
    }
}

/** m{a=...} v at t0 + minute. */
static void put(struct fixture *f, const char *a, int minute, double v)
{
    struct label ls[] = {{STR(LABEL_NAME), STR("m")}, {STR("a"), str_cstr(a)}};
    struct tsdb_batch *b = tsdb_batch_new(f->db);
    struct tsdb_commit done;
    struct series_ref ref;

    assert_int_equal(tsdb_intern(f->db, (struct labels){ls, 2}, NULL, &ref, NULL), 0);
    assert_int_equal(tsdb_batch_add(b, ref, f->t0 + minute * 60000, v), 0);
    assert_int_equal(tsdb_batch_commit(b, &done, NULL), 0);
    assert_int_equal(done.accepted, 1);
    tsdb_batch_free(b);
}

/** The query's answer at t0 + minute as "labels value; labels value". */
static void assert_answer(struct fixture *f, const char *query, int minute, const char *want)
{
    struct buf b CLEANUP(buf_done) = {0};
    struct promql_result *r = NULL;
    struct err e = {0};

    buf_init(&b, 1 << 20);
    if (promql_instant(f->promql, tsdb_source(f->db), str_cstr(query), f->t0 + minute * 60000, NULL,
                       &r, &e) != 0) {
        fail_msg("%s", e.msg);
    }
    for (size_t i = 0; i < r->series_n; i++) {
        buf_add_cstr(&b, i == 0 ? "" : "; ");
        labels_format(r->series[i].labels, &b);
        buf_printf(&b, " %g", r->series[i].v[0]);
    }
    buf_add_byte(&b, '\0');
    assert_string_equal(b.data, want);
    promql_result_free(r);
}

static int native_labels(void *arg, struct labels *ret, struct err *reterr)
{
    (void)reterr;
    *ret = *(const struct labels *)arg;
    return 0;
}

/** h{a=...} at t0 + minute: `scale` in each of three buckets with a hole among them, and one of the zero bucket. */
static void put_native(struct fixture *f, const char *a, int minute, double scale)
{
    struct label v[] = {{STR(LABEL_NAME), STR("h")}, {STR("a"), str_cstr(a)}};
    struct labels ls = {v, 2};
    struct native_bucket buckets[] = {{-1, scale}, {0, scale}, {4, scale}};
    const struct native_histogram h = {.schema = 1,
                                       .zero_threshold = 0.001,
                                       .zero_count = 1,
                                       .count = 3 * scale + 1,
                                       .sum = 2.5 * scale,
                                       .positive = {.v = buckets, .n = 3}};
    const struct native_series to = {.labels = native_labels, .arg = &ls};
    struct tsdb_batch *b = tsdb_batch_new(f->db);

    assert_int_equal(native_append(f->db, b, &to, f->t0 + minute * 60000, &h, NULL), 0);
    assert_int_equal(tsdb_batch_commit(b, &(struct tsdb_commit){0}, NULL), 0);
    tsdb_batch_free(b);
}

/** Both queries have one and the same histogram as their answer. */
static void assert_same_native(struct fixture *f, const char *query, const char *other, int minute)
{
    const char *queries[] = {query, other};
    struct promql_result *r[2] = {NULL, NULL};

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(promql_instant(f->promql, tsdb_source(f->db), str_cstr(queries[i]),
                                        f->t0 + minute * 60000, NULL, &r[i], NULL),
                         0);
        assert_int_equal(r[i]->series_n, 1);
        assert_non_null(r[i]->series[0].h);
    }
    assert_true(native_eq(r[0]->series[0].h[0], r[1]->series[0].h[0]));
    promql_result_free(r[0]);
    promql_result_free(r[1]);
}

static size_t evaluate(struct fixture *f, int minute)
{
    return rules_evaluate_all(f->rules, f->t0 + minute * 60000);
}

static bool shows(struct fixture *f, bool alerts, const char *text)
{
    const struct rules_filter all = {0};
    struct buf b CLEANUP(buf_done) = {0};

    buf_init(&b, 1 << 20);
    if (alerts) {
        rules_alerts_json(f->rules, &b);
    } else {
        rules_json(f->rules, &all, &b);
    }
    return str_find(buf_str(&b), str_cstr(text)) >= 0;
}

static void test_recording(void **state)
{
    struct fixture *f = *state;

    open_rules(f, "groups:\n- name: g\n  labels: {team: x}\n  rules:\n"
                  "  - {record: m:double, expr: 2 * m, labels: {b: c}}\n"
                  "  - {record: m:sum, expr: 'sum(m:double)'}\n"
                  "  - {record: one, expr: '1'}\n");
    put(f, "p", 0, 1);
    put(f, "q", 0, 5);
    assert_int_equal(evaluate(f, 0), 0);
    assert_answer(
        f, "m:double", 0,
        "m:double{a=\"p\", b=\"c\", team=\"x\"} 2; m:double{a=\"q\", b=\"c\", team=\"x\"} 10");
    assert_answer(f, "m:sum", 0, "m:sum{team=\"x\"} 12"); /* a rule sees the one before it */
    assert_answer(f, "one", 0, "one{team=\"x\"} 1");
    put(f, "p", 6, 2); /* q is older than the lookback: it ends */
    assert_int_equal(evaluate(f, 6), 0);
    assert_answer(f, "m:double", 6, "m:double{a=\"p\", b=\"c\", team=\"x\"} 4");
    assert_answer(f, "m:sum", 6, "m:sum{team=\"x\"} 4");
    assert_true(shows(f, false, "\"health\":\"ok\""));
    assert_true(shows(f, false, "\"type\":\"recording\""));
}

static void test_recording_histograms(void **state)
{
    struct fixture *f = *state;

    open_rules(f, "groups:\n- name: g\n  rules:\n"
                  "  - {record: 'h:sum', expr: sum(h), labels: {b: c}}\n"
                  "  - {record: 'h:each', expr: 2 * h}\n"
                  "  - {record: 'h:count', expr: 'histogram_count(h:sum)'}\n"
                  "  - {record: either, expr: 'm or on () h'}\n");
    put_native(f, "p", 0, 2);
    put_native(f, "q", 0, 3);
    assert_int_equal(evaluate(f, 0), 0);
    assert_same_native(f, "h:sum", "sum(h)", 0);
    assert_same_native(f, "h:each{a=\"q\"}", "2 * h{a=\"q\"}", 0);
    assert_answer(f, "histogram_sum(h:sum)", 0, "{b=\"c\"} 12.5");
    assert_answer(f, "h:count", 0, "h:count{b=\"c\"} 17"); /* a rule sees the one before it */
    put_native(f, "p", 6, 4); /* q is older than the lookback: it ends */
    assert_int_equal(evaluate(f, 6), 0);
    assert_answer(f, "count by (a) (h:each)", 6, "{a=\"p\"} 1");
    assert_same_native(f, "either", "h", 6);
    put(f, "p", 7, 5); /* the same series as a float, then as a histogram, then not any more */
    assert_int_equal(evaluate(f, 7), 0);
    assert_answer(f, "either", 7, "either{a=\"p\"} 5");
    assert_int_equal(evaluate(f, 11), 0);
    assert_answer(f, "either", 11, "either{a=\"p\"} 5");
    put_native(f, "p", 12, 6);
    assert_int_equal(evaluate(f, 12), 0);
    assert_same_native(f, "either", "h", 12);
    assert_int_equal(evaluate(f, 18), 0);
    assert_answer(f, "either", 18, "");
    assert_answer(f, "h:sum", 18, "");
}

static void test_impossible_histograms(void **state)
{
    struct fixture *f = *state;

    open_rules(f, "groups:\n- name: g\n  rules:\n"
                  "  - {record: minus, expr: -h}\n"
                  "  - {record: hole, expr: 'h{a=\"p\"} - ignoring (a) h{a=\"q\"}'}\n"
                  "  - {alert: Seen, expr: h}\n");
    put_native(f, "p", 0, 1);
    put_native(f, "q", 0, 4);
    assert_int_equal(evaluate(f, 0), 2);
    assert_answer(f, "count({__name__=~\"minus|hole\"})", 0, "");
    assert_true(shows(f, false, "histogram has a bucket whose observation count is negative"));
    assert_true(shows(f, true, "\"value\":\"0e+00\"")); /* as upstream */
}

static void test_query_offset_and_limit(void **state)
{
    struct fixture *f = *state;

    open_rules(f, "groups:\n- name: g\n  query_offset: 2m\n  limit: 1\n  rules:\n"
                  "  - {record: late, expr: m}\n");
    put(f, "p", 0, 1);
    put(f, "p", 2, 3);
    assert_int_equal(evaluate(f, 3), 0);
    assert_answer(f, "late", 1, "late{a=\"p\"} 1"); /* what held, and when */
    assert_answer(f, "late offset 1m", 1, "");
    put(f, "q", 2, 4);
    assert_int_equal(evaluate(f, 4), 1);
    assert_true(shows(f, false, "\"lastError\":\"exceeded limit of 1 with 2 series\""));
    assert_true(shows(f, false, "\"health\":\"err\""));
}

static void test_failures(void **state)
{
    struct fixture *f = *state;

    open_rules(f, "groups:\n- name: g\n  rules:\n"
                  "  - {record: same, expr: m, labels: {a: z}}\n"
                  "  - {record: text, expr: '\"x\"'}\n"
                  "  - {record: fine, expr: count(m)}\n");
    put(f, "p", 0, 1);
    put(f, "q", 0, 1);
    assert_int_equal(evaluate(f, 0), 2);
    assert_true(shows(f, false,
                      "vector contains metrics with the same labelset after applying rule labels"));
    assert_true(shows(f, false, "rule result is not a vector or scalar"));
    assert_answer(f, "fine", 0, "fine 2");
    assert_answer(f, "same", 0, "");
}

static void test_alert_states(void **state)
{
    struct fixture *f = *state;

    open_rules(f,
               "groups:\n- name: g\n  rules:\n"
               "  - {alert: High, expr: m > 5, for: 2m, keep_firing_for: 2m, labels: {sev: page}, "
               "annotations: {s: '{{ $value }}'}}\n");
    put(f, "p", 0, 1);
    evaluate(f, 0);
    assert_answer(f, "ALERTS", 0, "");
    assert_true(shows(f, false, "\"state\":\"inactive\""));
    put(f, "p", 1, 9);
    evaluate(f, 1);
    assert_answer(f, "ALERTS", 1,
                  "ALERTS{a=\"p\", alertname=\"High\", alertstate=\"pending\", sev=\"page\"} 1");
    assert_answer(f, "count(ALERTS_FOR_STATE{alertname=\"High\"})", 1, "{} 1");
    evaluate(f, 2);
    assert_true(shows(f, true, "\"state\":\"pending\""));
    evaluate(f, 3);
    assert_answer(f, "ALERTS", 3,
                  "ALERTS{a=\"p\", alertname=\"High\", alertstate=\"firing\", sev=\"page\"} 1");
    assert_true(shows(f, true, "\"value\":\"9e+00\""));
    assert_true(shows(f, true, "{{ $value }}")); /* templates stay text */
    put(f, "p", 4, 1);
    evaluate(f, 4);
    assert_true(shows(f, true, "keepFiringSince"));
    assert_true(shows(f, true, "\"state\":\"firing\""));
    evaluate(f, 6);
    assert_true(shows(f, true, "\"alerts\":[]"));
    assert_answer(f, "ALERTS", 6, "");
    put(f, "p", 7, 9);
    evaluate(f, 7);
    assert_true(shows(f, true, "\"state\":\"pending\"")); /* begins anew */
}

static void test_reload(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};

    open_rules(f, "groups:\n- name: g\n  rules:\n"
                  "  - {record: old, expr: sum(m)}\n"
                  "  - {alert: High, expr: m > 5, for: 1h}\n");
    put(f, "p", 0, 9);
    evaluate(f, 0);
    assert_true(shows(f, true, "High"));
    write_rules(f, "groups:\n- name: g\n  rules:\n  - {alert: High, expr: 'm >'}\n");
    assert_int_equal(rules_reload(f->rules, NULL, SIZE_MAX, &e), -ERR_INVALID);
    assert_true(shows(f, true, "High")); /* the old ones run on */
    write_rules(f, "groups:\n- name: g\n  rules:\n"
                   "  - {alert: High, expr: m > 5, for: 1h}\n"
                   "  - {record: new, expr: sum(m)}\n");
    assert_int_equal(rules_reload(f->rules, NULL, SIZE_MAX, &e), 0);
    assert_true(shows(f, true, "High")); /* and keeps since when it is pending */
    assert_answer(f, "old", 121, "");    /* ended by the reload, not by the lookback */
    evaluate(f, 1);
    assert_answer(f, "new", 1, "new 9");
    evaluate(f, 2); /* the third round: nothing was stored before */
    assert_answer(f, "ALERTS_FOR_STATE - on (a) timestamp(m)", 2, "{a=\"p\"} 0");
}

static void restart(struct fixture *f, const char *text)
{
    rules_free(f->rules);
    f->rules = NULL;
    open_rules(f, text);
}

/** Alerts go on over a restart as if the time between had not been; the second round brings them back. */
static void test_restore(void **state)
{
    static const char RULES[] = "groups:\n- name: g\n  rules:\n"
                                "  - {alert: Long, expr: m > 5, for: 30m, labels: {x: y}}\n"
                                "  - {alert: Short, expr: m > 5, for: 5m}\n";
    struct fixture *f = *state;

    open_rules(f, RULES);
    for (int i = 0; i <= 10; i++) {
        put(f, "p", i, 9);
        evaluate(f, i);
    }
    assert_answer(f, "ALERTS{alertname=\"Long\"}", 10,
                  "ALERTS{a=\"p\", alertname=\"Long\", alertstate=\"pending\", x=\"y\"} 1");
    assert_answer(f, "count(ALERTS{alertstate=\"firing\"})", 10, "{} 1");
    restart(f, RULES);
    for (int i = 20; i <= 21; i++) { /* away for ten minutes, of thirty twenty are left */
        put(f, "p", i, 9);
        put(f, "q", i, 9); /* a new one */
        evaluate(f, i);
    }
    assert_answer(f, "ALERTS{alertname=\"Long\"}", 21, "");
    for (int i = 22; i <= 40; i++) {
        put(f, "p", i, 9);
        put(f, "q", i, 9);
        evaluate(f, i);
    }
    /* Pending for 10 minutes when it went; the round that brought it back was at 21. */
    assert_answer(
        f, "ALERTS_FOR_STATE{alertname=\"Long\"} - on (a) group_left () (timestamp(m) - 2400)", 40,
        "{a=\"p\", alertname=\"Long\", x=\"y\"} 660; "
        "{a=\"q\", alertname=\"Long\", x=\"y\"} 1200");
    put(f, "p", 41, 9);
    put(f, "q", 41, 9);
    evaluate(f, 41);
    assert_answer(f, "ALERTS{alertname=\"Long\", alertstate=\"firing\"}", 41,
                  "ALERTS{a=\"p\", alertname=\"Long\", alertstate=\"firing\", x=\"y\"} 1");
    restart(f, RULES); /* it was firing, and does at the third round */
    for (int i = 43; i <= 45; i++) {
        put(f, "p", i, 9);
        evaluate(f, i);
    }
    assert_answer(f, "ALERTS{a=\"p\", alertname=\"Long\", alertstate=\"firing\"}", 45,
                  "ALERTS{a=\"p\", alertname=\"Long\", alertstate=\"firing\", x=\"y\"} 1");
    restart(f, RULES); /* away for longer than what is tolerated */
    for (int i = 110; i <= 112; i++) {
        put(f, "p", i, 9);
        evaluate(f, i);
    }
    assert_answer(f, "ALERTS{a=\"p\", alertname=\"Long\"}", 112,
                  "ALERTS{a=\"p\", alertname=\"Long\", alertstate=\"pending\", x=\"y\"} 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_recording_histograms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_impossible_histograms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_query_offset_and_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_alert_states, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reload, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restore, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
