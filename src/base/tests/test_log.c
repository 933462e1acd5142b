/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines: what is written is one whole line that a logfmt or JSON reader understands, whatever the
 * values are. The statistics registry, read back as it is exposed.
 */
#include "base/log.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/stats.h"

/* What write_one() wrote to stderr, NUL-terminated. */
static size_t captured(void (*write_one)(void), char *dst, size_t cap)
{
    int saved = dup(STDERR_FILENO);
    int ends[2];
    ssize_t n;

    assert_int_equal(pipe(ends), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    write_one();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    n = read(ends[0], dst, cap - 1);
    close(ends[0]);
    assert_true(n >= 0);
    dst[n] = '\0';
    return (size_t)n;
}

static void simple(void)
{
    log_info("net", "connection closed", L_CSTR("peer", "127.0.0.1"), L_INT("bytes", -5),
             L_CSTR("why", "a \"b\"\n=c"), L_F64("ratio", 0.25), L_CSTR("empty", ""));
}

static void hostile(void)
{
    char big[9000];

    memset(big, 'x', sizeof(big));
    log_warn("net", "odd", L_STR("bad", STR("\xff\xfe")), L_STR("big", str_of(big, sizeof(big))),
             L_F64("nan", NAN), L_CSTR("ko", "\xEB\xB4\x89"), L_STR("nul", str_of("a\0b", 3)));
}

static void too_much(void)
{
    char big[2000];

    memset(big, 'y', sizeof(big));
    log_warn("net", "much", L_STR("a", str_of(big, sizeof(big))),
             L_STR("b", str_of(big, sizeof(big))), L_STR("c", str_of(big, sizeof(big))),
             L_STR("d", str_of(big, sizeof(big))), L_INT("e", 5));
}

static void quiet(void)
{
    log_debug("net", "not shown", L_INT("x", 1));
}

static void test_logfmt(void **state)
{
    char line[8192];

    (void)state;
    log_setup(LOG_INFO, LOG_LOGFMT);
    captured(simple, line, sizeof(line));
    assert_memory_equal(line, "time=20", 7);
    assert_non_null(strstr(line, " level=info scope=net msg=\"connection closed\" peer=127.0.0.1 "
                                 "bytes=-5 why=\"a \\\"b\\\"\\u000a=c\" ratio=0.25 empty=\"\"\n"));
    assert_int_equal(captured(quiet, line, sizeof(line)), 0);
}

static json_t *json_line(void (*write_one)(void))
{
    char line[8192];
    size_t n = captured(write_one, line, sizeof(line));
    json_t *o;

    assert_true(n <= 4096);
    assert_int_equal(line[n - 1], '\n');
    assert_ptr_equal(strchr(line, '\n'), line + n - 1); /* one line */
    o = json_loadb(line, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    return o;
}

static const char *text_of(json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    assert_non_null(s);
    return s;
}

static void test_json(void **state)
{
    json_t *o;

    (void)state;
    log_setup(LOG_INFO, LOG_JSON);
    o = json_line(simple);
    assert_string_equal(text_of(o, "msg"), "connection closed");
    assert_string_equal(text_of(o, "why"), "a \"b\"\n=c");
    assert_int_equal(json_integer_value(json_object_get(o, "bytes")), -5);
    assert_true(json_real_value(json_object_get(o, "ratio")) == 0.25);
    json_decref(o);

    o = json_line(hostile);
    assert_string_equal(text_of(o, "ko"), "\xEB\xB4\x89");
    assert_string_equal(text_of(o, "bad"), "\xC3\xBF\xC3\xBE"); /* bytes as U+00FF, U+00FE */
    assert_string_equal(text_of(o, "nan"), "nan");
    assert_int_equal(json_string_length(json_object_get(o, "nul")), 3);
    assert_true(str_ends(str_cstr(text_of(o, "big")), STR("xxx...")));
    assert_int_equal(json_string_length(json_object_get(o, "big")), 1024 + 3);
    json_decref(o);

    o = json_line(too_much);
    assert_non_null(json_object_get(o, "a"));
    assert_null(json_object_get(o, "d"));
    assert_int_equal(json_integer_value(json_object_get(o, "e")),
                     5); /* a small one after still fits */
    assert_true(json_is_true(json_object_get(o, "truncated")));
    json_decref(o);
    log_setup(LOG_INFO, LOG_LOGFMT);
}

static void test_level(void **state)
{
    enum log_level level = LOG_INFO;

    (void)state;
    assert_true(log_level_parse(STR("error"), &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_parse(STR("ERROR"), &level));
    assert_false(log_level_parse(STR(""), &level));
}

static void test_limit(void **state)
{
    struct log_limit l = {0};
    int64_t suppressed = -1;

    (void)state;
    assert_true(log_limit_pass(&l, &suppressed));
    assert_int_equal(suppressed, 0);
    for (int i = 0; i < 5; i++) {
        assert_false(log_limit_pass(&l, &suppressed));
    }
    atomic_store(&l.next_ns, 0); /* as if 10 s had passed */
    assert_true(log_limit_pass(&l, &suppressed));
    assert_int_equal(suppressed, 5);
}

static void expose(void *arg, const struct stats_sample *s)
{
    struct buf *b = arg;

    if (s->first_of_family) {
        buf_printf(b, "# %s %s: %s\n", s->name, s->type, s->help);
    }
    buf_printf(b, "%s%s{%s} ", s->name, s->suffix, s->labels);
    buf_add_f64(b, s->value);
    buf_add_byte(b, '\n');
}

static double seven(void *arg)
{
    (void)arg;
    return 7.5;
}

static void test_stats(void **state)
{
    CLEANUP(buf_done) struct buf b;
    struct stats *s = stats_new();
    struct timing *t;

    (void)state;
    stats_gauge_fn(s, "z_asked", "", "Asked when read.", seven, NULL);
    stats_counter_fn(s, "zz_asked_total", "", "Rises.", seven, NULL);
    counter_add(stats_counter(s, "b_total", "reason=\"y\"", "B."), 2);
    counter_add(stats_counter(s, "b_total", "reason=\"x\"", "B."), 1);
    counter_add(stats_counter(s, "b_total", "reason=\"y\"", "B."), 3); /* the same counter */
    gauge_set(stats_gauge(s, "a_bytes", "", "A."), 10);
    gauge_add(stats_gauge(s, "a_bytes", "", "A."), -30);
    t = stats_timing(s, "c_seconds", "op=\"q\"", "C.");
    timing_observe_ns(t, 100000); /* a bound belongs to its bucket */
    timing_observe_ns(t, 100001);
    timing_observe_ns(t, 20000000000); /* beyond the last */
    buf_init(&b, 1 << 16);
    stats_each(s, expose, &b);
    assert_true(str_starts(buf_str(&b), STR("# a_bytes gauge: A.\na_bytes{} -20\n"
                                            "# b_total counter: B.\n"
                                            "b_total{reason=\"x\"} 1\nb_total{reason=\"y\"} 5\n"
                                            "# c_seconds histogram: C.\n"
                                            "c_seconds_bucket{op=\"q\",le=\"0.0001\"} 1\n"
                                            "c_seconds_bucket{op=\"q\",le=\"0.00025\"} 2\n")));
    assert_true(
        str_ends(buf_str(&b), STR("c_seconds_bucket{op=\"q\",le=\"10\"} 2\n"
                                  "c_seconds_bucket{op=\"q\",le=\"+Inf\"} 3\n"
                                  "c_seconds_sum{op=\"q\"} 20.000200001\n"
                                  "c_seconds_count{op=\"q\"} 3\n"
                                  "# z_asked gauge: Asked when read.\nz_asked{} 7.5\n"
                                  "# zz_asked_total counter: Rises.\nzz_asked_total{} 7.5\n")));
    counter_add(stats_counter(NULL, "nowhere_total", "", ""), 1); /* a dummy, not a crash */
    stats_free(s);
    stats_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logfmt), cmocka_unit_test(test_json),  cmocka_unit_test(test_level),
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_stats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
