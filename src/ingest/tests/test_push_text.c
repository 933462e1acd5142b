/* SPDX-License-Identifier: Apache-2.0
 *
 * Pushed expositions: samples, metadata, exemplars and histograms in the store; extra labels; errors.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/push_text.h"
#include "push_rig.h"

static int text(struct push_rig *r, enum expo_format f, const char *body)
{
    r->err = (struct err){0};
    return push_text(r->door, &r->opts, f, str_cstr(body), &r->result, &r->err);
}

static void test_text(void **state)
{
    struct push_rig r;

    (void)state;
    push_rig_init(&r);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            text(&r, EXPO_TEXT,
                 "# HELP a help\n# TYPE a counter\na{x=\"1\"} 5 1000\na 6\n{\"b.c\"} NaN 7\n"),
            0);
        assert_int_equal(r.result.accepted, 3);
    }
    assert_int_equal(r.store.interns, 3);
    assert_string_equal(push_rig_samples(&r), "a{x=\"1\"} 1000 5\na 5000 6\n{\"b.c\"} 7 NaN\n"
                                              "a{x=\"1\"} 1000 5\na 5000 6\n{\"b.c\"} 7 NaN\n");
    buf_add_byte(&r.store.metadata, '\0');
    assert_string_equal(r.store.metadata.data, "a|counter||help\n");
    push_rig_done(&r);
}

static void test_extra_labels(void **state)
{
    struct label extra[2] = {{STR("job"), STR("j")}, {STR("x"), STR("over")}};
    struct push_rig r;

    (void)state;
    push_rig_init(&r);
    r.opts.extra = (struct labels){extra, 2};
    r.opts.drop = STR("__replica__");
    assert_int_equal(text(&r, EXPO_TEXT, "a{x=\"1\",__replica__=\"r\"} 5 1000\n"), 0);
    assert_string_equal(push_rig_samples(&r), "a{job=\"j\", x=\"over\"} 1000 5\n");
    push_rig_done(&r);
}

static void test_openmetrics(void **state)
{
    struct push_rig r;

    (void)state;
    push_rig_init(&r);
    assert_int_equal(text(&r, EXPO_OPENMETRICS,
                          "# TYPE a counter\na_total 5 1.5 # {trace_id=\"t\"} 1 2\n# EOF\n"),
                     0);
    assert_int_equal(r.result.accepted, 1);
    assert_int_equal(r.result.exemplars, 1);
    assert_int_equal(r.store.exemplars_n, 1);
    assert_string_equal(push_rig_samples(&r), "a_total 1500 5\n");
    push_rig_done(&r);
}

static void test_errors(void **state)
{
    struct push_rig r;

    (void)state;
    push_rig_init(&r);
    assert_int_equal(text(&r, EXPO_TEXT, "a 1 1\nb x\nc 1 1\n"), -ERR_INVALID);
    assert_string_equal(r.err.msg,
                        "line 2:3: expected value after metric, got \"x\" while parsing: \"b x\"");
    assert_string_equal(push_rig_samples(&r), "a 1 1\n"); /* what came before is stored */
    assert_int_equal(r.result.accepted, 1);
    fake_store_clear(&r.store);
    r.sink.limits.max_labels = 2;
    assert_int_equal(text(&r, EXPO_TEXT, "a{b=\"1\",c=\"2\"} 1 1\nd 1 1\n"), 0);
    assert_int_equal(r.result.rejected, 1);
    assert_string_equal(r.result.why,
                        "series a{b=\"1\", c=\"2\"}: 3 labels, at most 2 are allowed");
    assert_string_equal(push_rig_samples(&r), "d 1 1\n");
    r.store.max_series = r.store.series_n;
    assert_int_equal(text(&r, EXPO_TEXT, "e 1 1\n"), 0);
    assert_int_equal(r.result.first, ERR_LIMIT);
    push_rig_done(&r);
}

/* More samples than one batch takes: committed while it goes on. */
static void test_large(void **state)
{
    enum { LINES = 250000 };
    struct push_rig r;
    struct buf b;

    (void)state;
    push_rig_init(&r);
    r.store.quiet = true;
    buf_init(&b, 64 << 20);
    for (int i = 0; i < LINES; i++) {
        buf_printf(&b, "m{i=\"%d\"} %d %d\n", i % 100, i, i);
    }
    assert_int_equal(push_text(r.door, &r.opts, EXPO_TEXT, buf_str(&b), &r.result, &r.err), 0);
    assert_int_equal(r.result.accepted, LINES);
    assert_int_equal(r.store.commits, 3);
    buf_done(&b);
    push_rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),        cmocka_unit_test(test_extra_labels),
        cmocka_unit_test(test_openmetrics), cmocka_unit_test(test_errors),
        cmocka_unit_test(test_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
