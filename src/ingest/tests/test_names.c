/* SPDX-License-Identifier: Apache-2.0
 *
 * Name, unit and label translation; the delta table's bounds, expiry and rollback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "ingest/delta.h"
#include "ingest/metric_name.h"
#include "model/labels.h"

static void expect(struct buf *b, const char *text)
{
    buf_add_byte(b, '\0');
    assert_string_equal(b->data, text);
    buf_clear(b);
}

static void test_metric_names(void **state)
{
    static const struct {
        const char *name, *unit;
        enum metric_kind kind;
        const char *text;
    } CASES[] = {
        {"system.cpu.time", "s", METRIC_COUNTER, "system_cpu_time_seconds_total"},
        {"http.server.request.duration", "s", METRIC_HISTOGRAM,
         "http_server_request_duration_seconds"},
        {"process.runtime.jvm.memory.usage", "By", METRIC_UPDOWN,
         "process_runtime_jvm_memory_usage_bytes"},
        {"queue.size", "{item}", METRIC_GAUGE, "queue_size"},
        {"a", "1", METRIC_GAUGE, "a_ratio"},
        {"a", "1", METRIC_UPDOWN, "a"},
        {"a", "1", METRIC_COUNTER, "a_total"},
        {"total", "", METRIC_COUNTER, "total"},
        {"a.total.b", "", METRIC_COUNTER, "a_b_total"},
        {"a.seconds.per.second", "s/s", METRIC_GAUGE, "a_seconds_per_second"},
        {"x", "m/h", METRIC_GAUGE, "x_meters_per_hour"},
        {"x", "1/s", METRIC_GAUGE, "x_per_second"},
        {"x", "requests per second", METRIC_GAUGE, "x_requests_per_second"},
        {"x", " s ", METRIC_GAUGE, "x_seconds"},
        {"x", "€", METRIC_GAUGE, "x"},
        {"x", "%", METRIC_GAUGE, "x_percent"},
        {"x", "{a}/{b}", METRIC_GAUGE, "x"},
        {"x", "By/{b}", METRIC_GAUGE, "x_bytes"},
        {"__x__y", "", METRIC_GAUGE, "x_y"},
        {"1x", "By", METRIC_GAUGE, "_1x_bytes"},
        {"", "By", METRIC_GAUGE, ""},
        {"봉수", "By", METRIC_COUNTER, ""},
        {"봉수1", "", METRIC_GAUGE, "_1"},
    };
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        metric_name_build(str_cstr(CASES[i].name), str_cstr(CASES[i].unit), CASES[i].kind, &b);
        assert_true(b.n == 0 || metric_name_is_valid(buf_str(&b)));
        expect(&b, CASES[i].text);
    }
}

static void test_label_names(void **state)
{
    static const struct {
        const char *key, *text;
    } CASES[] = {
        {"http.method", "http_method"},
        {"9a", "key_9a"},
        {"_a", "_a"},
        {"__a", "key__a"},
        {"a:b", "a_b"},
        {"é", "__"},
        {"", ""},
        {"a b", "a_b"},
        {"__name__", "key__name__"},
        {".", "_"},
        {"..", "__"},
    };
    struct buf b CLEANUP(buf_done) = {0};

    (void)state;
    buf_init(&b, 4096);
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        label_name_build(str_cstr(CASES[i].key), &b);
        assert_true(b.n == 0 || label_name_is_valid(buf_str(&b)));
        expect(&b, CASES[i].text);
    }
}

static double add(struct delta_table *t, struct arena *a, struct delta_journal *j, uint64_t key,
                  int64_t time, double delta)
{
    const struct delta_point p = {{key, key}, time, delta};
    double total = -1;

    assert_int_equal(delta_add(t, &p, a, j, &total), 0);
    return total;
}

static void test_delta(void **state)
{
    struct delta_table *t = delta_table_new(100000, 60000, NULL);
    struct delta_journal j = {0};
    struct delta_journal j2 = {0};
    struct delta_point old = {{1, 1}, 5, 1};
    struct arena a CLEANUP(arena_done);
    double total;

    (void)state;
    arena_init(&a, 64 << 20);
    assert_true(add(t, &a, &j, 1, 10, 5) == 5);
    assert_true(add(t, &a, &j, 1, 20, 2) == 7);
    assert_true(add(t, &a, &j, 1, 20, 2) == 7); /* repeated */
    assert_int_equal(delta_add(t, &old, &a, &j, &total), -ERR_OUT_OF_RANGE);
    assert_true(add(t, &a, &j, 0, 1, 1) == 1); /* key zero is a key too */
    assert_true(add(t, &a, &j, 0, 2, 1) == 2);
    /* rolled back: as if it never came */
    assert_true(add(t, &a, &j2, 1, 30, 100) == 107);
    assert_true(add(t, &a, &j2, 1, 40, 100) == 207);
    assert_true(add(t, &a, &j2, 2, 40, 9) == 9);
    delta_rollback(t, &j2);
    assert_true(add(t, &a, &j, 1, 30, 1) == 8);
    assert_true(add(t, &a, &j, 2, 1, 3) == 3);
    /* a change others built upon stays */
    assert_true(add(t, &a, &j2, 2, 10, 1) == 4);
    assert_true(add(t, &a, &j, 2, 20, 1) == 5);
    delta_rollback(t, &j2);
    assert_true(add(t, &a, &j, 2, 30, 1) == 6);
    /* growth keeps every total */
    for (uint64_t k = 10; k < 50000; k++) {
        assert_true(add(t, &a, &j, hash_u64(k), 1, (double)k) == (double)k);
    }
    for (uint64_t k = 10; k < 50000; k++) {
        assert_true(add(t, &a, &j, hash_u64(k), 2, 1) == (double)k + 1);
    }
    delta_table_free(t);
}

static void test_delta_bounds(void **state)
{
    struct delta_table *t = delta_table_new(10, 30, NULL);
    struct delta_point p = {{99, 99}, 1, 1};
    struct delta_journal j = {0};
    struct arena a CLEANUP(arena_done);
    double total;

    (void)state;
    arena_init(&a, 1 << 20);
    for (uint64_t k = 1; k <= 10; k++) {
        add(t, &a, &j, k, 1, 1);
    }
    assert_int_equal(delta_add(t, &p, &a, &j, &total), -ERR_LIMIT);
    assert_int_equal(delta_count(t), 10);
    clock_sleep_ms(40); /* all expire: there is room, and totals start again */
    assert_int_equal(delta_add(t, &p, &a, &j, &total), 0);
    assert_int_equal(delta_count(t), 1);
    assert_true(add(t, &a, &j, 1, 5, 2) == 2);
    delta_table_free(t);
}

static void test_delta_budget(void **state)
{
    struct delta_point p = {{1, 1}, 1, 1};
    struct delta_journal j = {0};
    struct arena a CLEANUP(arena_done);
    struct delta_table *t;
    struct budget b;
    double total;

    (void)state;
    arena_init(&a, 1 << 20);
    budget_init(&b, 100, NULL);
    t = delta_table_new(10, 1000, &b);
    assert_int_equal(delta_add(t, &p, &a, &j, &total), -ERR_LIMIT);
    delta_table_free(t);
    assert_int_equal(budget_used(&b), 0);
    budget_init(&b, 1 << 20, NULL);
    t = delta_table_new(10, 1000, &b);
    assert_int_equal(delta_add(t, &p, &a, &j, &total), 0);
    assert_true(budget_used(&b) > 0);
    delta_table_free(t);
    assert_int_equal(budget_used(&b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metric_names), cmocka_unit_test(test_label_names),
        cmocka_unit_test(test_delta),        cmocka_unit_test(test_delta_bounds),
        cmocka_unit_test(test_delta_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
