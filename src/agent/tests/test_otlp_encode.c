/* SPDX-License-Identifier: Apache-2.0
 *
 * What the encoder writes, read back by a walker; the whole reading of this machine; names against README.
 */
#include "agent/host.h"
#include "agent/metrics.h"
#include "agent_test.h"
#include "base/clock.h"

static void test_nesting(void **state)
{
    struct otlp_writer w;
    struct buf b;
    struct buf big;
    struct str m;

    (void)state;
    buf_init(&b, 1 << 20);
    buf_init(&big, 1 << 20);
    for (size_t i = 0; i < 40000; i++) {
        buf_add_byte(&big, 'x');
    }
    otlp_writer_init(&w, &b);
    otlp_begin(&w, 1);
    otlp_varint(&w, 2, 300);
    otlp_begin(&w, 3);
    otlp_text(&w, 4, buf_str(&big)); /* three-byte length inside two others that grow with it */
    otlp_end(&w);
    otlp_double(&w, 5, 1.5);
    otlp_end(&w);
    m = pb_get(buf_str(&b), 1, 0).bytes;
    assert_int_equal(pb_get(m, 2, 0).value, 300);
    assert_int_equal(pb_get(pb_get(m, 3, 0).bytes, 4, 0).bytes.n, 40000);
    assert_int_equal(pb_get(m, 5, 0).value, 0x3ff8000000000000);
    assert_int_equal(pb_count(buf_str(&b), 1), 1);
    buf_done(&b);
    buf_done(&big);
}

static void test_points(void **state)
{
    const struct metric_def counter = {"a.b", "By", METRIC_COUNTER, "help"};
    const struct attr attrs[] = {attr_cstr("k", "v"), attr_i64("n", -1)};
    struct otlp_writer w;
    struct buf b;
    struct str scope;
    struct str sum;
    struct str point;

    (void)state;
    buf_init(&b, 1 << 16);
    otlp_writer_init(&w, &b);
    otlp_resource_begin(&w, attrs, 1, STR("scope"), STR("1.0"));
    otlp_metric_begin(&w, &counter);
    otlp_point_i64(&w, (struct metric_time){5, 9}, attrs, 2, -7);
    otlp_point_gone(&w, (struct metric_time){0, 9}, attrs, 1);
    otlp_metric_end(&w);
    otlp_resource_end(&w);
    assert_int_equal(w.depth, 0);
    scope = pb_get(pb_get(buf_str(&b), 1, 0).bytes, 2, 0).bytes;
    assert_str(pb_get(pb_get(scope, 1, 0).bytes, 2, 0).bytes, "1.0");
    scope = pb_get(scope, 2, 0).bytes;
    assert_str(pb_get(scope, 1, 0).bytes, "a.b");
    assert_str(pb_get(scope, 3, 0).bytes, "By");
    sum = pb_get(scope, 7, 0).bytes;
    assert_int_equal(pb_get(sum, 2, 0).value, 2);
    assert_int_equal(pb_get(sum, 3, 0).value, 1);
    point = pb_get(sum, 1, 0).bytes;
    assert_int_equal(pb_count(point, 7), 2);
    assert_int_equal(pb_get(point, 2, 0).value, 5);
    assert_int_equal(pb_get(point, 3, 0).value, 9);
    assert_int_equal((int64_t)pb_get(point, 6, 0).value, -7);
    assert_int_equal((int64_t)pb_get(pb_get(pb_get(point, 7, 1).bytes, 2, 0).bytes, 3, 0).value,
                     -1);
    point = pb_get(sum, 1, 1).bytes;
    assert_int_equal(pb_get(point, 8, 0).value, 1);
    assert_int_equal(pb_count(point, 2) + pb_count(point, 4) + pb_count(point, 6), 0);
    buf_done(&b);
}

static void test_log(void **state)
{
    struct log_record r = {.time_ns = 3,
                           .observed_ns = 4,
                           .severity = 17,
                           .severity_text = STR("ERR"),
                           .body = {.type = VALUE_STR, .u.s = STR("bad \xff\xc3\xa9 text")}};
    struct otlp_writer w;
    struct buf b;
    struct str rec;

    (void)state;
    r.trace_id.b[15] = 1;
    buf_init(&b, 1 << 16);
    otlp_writer_init(&w, &b);
    otlp_log(&w, &r);
    rec = pb_get(buf_str(&b), 2, 0).bytes;
    assert_int_equal(pb_get(rec, 1, 0).value, 3);
    assert_int_equal(pb_get(rec, 11, 0).value, 4);
    assert_int_equal(pb_get(rec, 2, 0).value, 17);
    assert_str(pb_get(pb_get(rec, 5, 0).bytes, 1, 0).bytes, "bad \xef\xbf\xbd\xc3\xa9 text");
    assert_int_equal(pb_get(rec, 9, 0).bytes.n, 16);
    assert_int_equal(pb_count(rec, 10), 0);
    buf_done(&b);
}

static void test_full_buffer(void **state)
{
    struct otlp_writer w;
    struct buf b;

    (void)state;
    for (size_t max = 0; max < 80; max++) {
        const struct attr a =
            attr_cstr("key", "a value that is longer than the buffer in most rounds");

        buf_init(&b, max);
        otlp_writer_init(&w, &b);
        otlp_begin(&w, 1);
        otlp_attrs(&w, 1, &a, 1);
        otlp_end(&w);
        assert_true(b.n <= max);
        assert_true(buf_status(&b) == 0 || b.failed);
        buf_done(&b);
    }
}

/* The name after the OpenTelemetry to Prometheus conversion. */
static void prometheus_name(const struct metric_def *d, struct buf *dst)
{
    const char *unit = strcmp(d->unit, "By") == 0                             ? "_bytes"
                       : strcmp(d->unit, "s") == 0                            ? "_seconds"
                       : strcmp(d->unit, "1") == 0 && d->kind == METRIC_GAUGE ? "_ratio"
                                                                              : "";

    for (const char *c = d->name; *c != '\0'; c++) {
        buf_add_byte(dst, *c == '.' ? '_' : *c);
    }
    buf_add_cstr(dst, unit);
    buf_add_cstr(dst, d->kind == METRIC_COUNTER ? "_total" : "");
}

static void test_readme(void **state)
{
    char *text;
    size_t n;

    (void)state;
    assert_int_equal(vfs_read_file(vfs_real(), TEST_DATA "/../README.md", 1 << 20, &text, &n, NULL),
                     0);
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct metric_def *d = metric_def((enum metric_id)i);
        struct buf row;

        buf_init(&row, 1024);
        buf_printf(&row, "| %s | ", d->name);
        prometheus_name(d, &row);
        buf_add_cstr(&row, " |");
        if (str_find(str_of(text, n), buf_str(&row)) < 0) {
            fail_msg("README.md lacks: %.*s", STR_ARG(buf_str(&row)));
        }
        buf_done(&row);
    }
    mem_free(text);
}

/* This machine, read twice: every message well-formed, every name known, shares between 0 and 1. */
static void test_collect(void **state)
{
    const struct host_opts opts = {.top_processes = 3, .per_cpu = true, .connections_max = 1000};
    struct host_files files;
    struct host *host;
    struct otlp_writer w;
    struct buf b;
    struct pb_field f;
    struct str scope;
    size_t metrics = 0;
    double sum = 0;

    (void)state;
    host_files_init(&files, "/");
    host = host_new(&files);
    buf_init(&b, 8 << 20);
    for (size_t i = 0; i < 2; i++) {
        struct mono since = clock_mono();

        while (i == 1 && mono_since_ns(since) < 100000000) {
            /* the kernel counts in ticks of 10 ms: some must pass between the two readings */
        }
        buf_clear(&b);
        otlp_writer_init(&w, &b);
        otlp_resource_begin(&w, NULL, 0, STR("s"), STR("v"));
        host_collect(host, &opts, 1000, &w);
        otlp_resource_end(&w);
        assert_int_equal(buf_status(&b), 0);
    }
    scope = pb_get(pb_get(buf_str(&b), 1, 0).bytes, 2, 0).bytes;
    while (pb_next(&scope, &f)) {
        struct str name;

        if (f.number != 2) {
            continue;
        }
        name = pb_get(f.bytes, 1, 0).bytes;
        metrics++;
        if (str_eq(name, STR("system.cpu.utilization"))) {
            struct str gauge = pb_get(f.bytes, 5, 0).bytes;

            for (size_t i = 0; i < pb_count(gauge, 1); i++) {
                uint64_t bits = pb_get(pb_get(gauge, 1, i).bytes, 4, 0).value;
                double v;

                memcpy(&v, &bits, sizeof(v));
                assert_true(v >= 0 && v <= 1);
                sum += v;
            }
        }
    }
    assert_true(metrics >= 20);
    assert_true(sum > 0.999 && sum < 1.001);
    host_free(host);
    host_files_done(&files);
    buf_done(&b);
}

/* A root without /proc: counted, not fatal. */
static void test_collect_nothing(void **state)
{
    const struct host_opts opts = {.top_processes = 3, .per_cpu = true};
    char *root = test_mkdir();
    struct host_files files;
    struct host *host;
    struct otlp_writer w;
    struct buf b;

    (void)state;
    host_files_init(&files, root);
    host = host_new(&files);
    buf_init(&b, 1 << 20);
    otlp_writer_init(&w, &b);
    host_collect(host, &opts, 1000, &w);
    assert_int_equal(b.n, 0);
    assert_true(files.errors >= 5);
    host_free(host);
    host_files_done(&files);
    buf_done(&b);
    test_rmdir(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_readme),
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_collect_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
