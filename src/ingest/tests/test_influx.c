/* SPDX-License-Identifier: Apache-2.0
 *
 * Influx line protocol: what lines leave in the store, what broken ones are told, and that a known series is
 * not interned again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/influx.h"
#include "push_rig.h"

struct row {
    const char *body;
    const char *want;  /* samples */
    const char *error; /* of the first line left out; NULL: none */
};

static void run_rows(const struct row *rows, size_t n, const struct influx_opts *io)
{
    for (size_t i = 0; i < n; i++) {
        struct push_rig r;

        push_rig_init(&r);
        assert_int_equal(
            influx_write(r.door, &r.opts, io, str_cstr(rows[i].body), &r.result, &r.err), 0);
        assert_string_equal(push_rig_samples(&r), rows[i].want);
        assert_string_equal(r.result.why, rows[i].error != NULL ? rows[i].error : "");
        push_rig_done(&r);
    }
}

static void test_lines(void **state)
{
    static const struct row ROWS[] = {
        {"", "", NULL},
        {"\n# comment\n  \n", "", NULL},
        {"cpu usage=1.5 1000000000", "cpu_usage 1000 1.5\n", NULL},
        {"cpu usage=1.5", "cpu_usage 5000 1.5\n", NULL},
        {"cpu,host=a,cpu=0 usage=1,idle=2 1999999\r\n",
         "cpu_usage{cpu=\"0\", host=\"a\"} 1 1\ncpu_idle{cpu=\"0\", host=\"a\"} 1 2\n", NULL},
        {"m a=1i,b=2u,c=t,d=FALSE,e=-3i,f=1e3 0",
         "m_a 0 1\nm_b 0 2\nm_c 0 1\nm_d 0 0\nm_e 0 -3\nm_f 0 1000\n", NULL},
        {"m s=\"text, with = and \\\" quote\nand a line\",v=1 0\nm v=2 0", "m_v 0 1\nm_v 0 2\n",
         NULL},
        {"my\\ m\\,x,t\\=a\\ g=v\\,1 f\\ x=1 0", "{\"my m,x_f x\", \"t=a g\"=\"v,1\"} 0 1\n", NULL},
        {"m,p=C:\\dir v=1 0", "m_v{p=\"C:\\\\dir\"} 0 1\n", NULL},
        {"m,h=it's\\ 5\" v=1 0", "m_v{h=\"it's 5\\\"\"} 0 1\n", NULL},
        {"m v=1 -1", "m_v -1 1\n", NULL},
        {"m   v=1   2000000  ", "m_v 2 1\n", NULL},
        {"ok v=1 0\nm\nok v=2 0", "ok_v 0 1\nok_v 0 2\n",
         "line 2: unable to parse 'm': missing fields"},
        {"m v=", "", "line 1: unable to parse 'm v=': missing field value"},
        {"m v", "", "line 1: unable to parse 'm v': missing field value"},
        {"m =1", "", "line 1: unable to parse 'm =1': missing field key"},
        {"m v=1x", "", "line 1: unable to parse 'm v=1x': invalid field value"},
        {"m v=9223372036854775808i", "",
         "line 1: unable to parse 'm v=9223372036854775808i': invalid field value"},
        {"m v=NaN", "", "line 1: unable to parse 'm v=NaN': invalid field value"},
        {"m v=\"x", "", "line 1: unable to parse 'm v=\"x': unbalanced quotes"},
        {"m v=1 x", "", "line 1: unable to parse 'm v=1 x': bad timestamp"},
        {"m,a v=1", "", "line 1: unable to parse 'm,a v=1': missing tag value"},
        {"m,a= v=1", "", "line 1: unable to parse 'm,a= v=1': missing tag value"},
        {"m,=b v=1", "", "line 1: unable to parse 'm,=b v=1': missing tag key"},
        {"m,a=b=c v=1", "", "line 1: unable to parse 'm,a=b=c v=1': invalid tag format"},
        {",a=b v=1", "", "line 1: unable to parse ',a=b v=1': missing measurement"},
        {"m v=1, 0", "", "line 1: unable to parse 'm v=1, 0': missing field key"},
        {"m,a=1,a=2 v=1 0\nm v=1 0", "m_v 0 1\n",
         "series m_v{a=\"1\", a=\"2\"}: a label name occurs twice"},
        {"m\xff v=1 0", "", "series {\"m\xEF\xBF\xBD_v\"}: invalid metric name"},
    };
    const struct influx_opts io = {.unit_ns = 1};

    (void)state;
    run_rows(ROWS, ARRAY_LEN(ROWS), &io);
}

static void test_precision(void **state)
{
    static const struct {
        const char *precision;
        const char *want;
    } ROWS[] = {{"", "m_v 7 1\n"},
                {"ns", "m_v 7 1\n"},
                {"us", "m_v 7000 1\n"},
                {"u", "m_v 7000 1\n"},
                {"ms", "m_v 7000000 1\n"},
                {"s", "m_v 7000000000 1\n"},
                {"m", "m_v 420000000000 1\n"},
                {"h", "m_v 25200000000000 1\n"}};

    int64_t unit;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        const struct row row = {"m v=1 7000000", ROWS[i].want, NULL};
        struct influx_opts io = {0};

        assert_true(influx_precision(str_cstr(ROWS[i].precision), &io.unit_ns));
        run_rows(&row, 1, &io);
    }
    assert_false(influx_precision(STR("d"), &unit));
}

static void test_db_label(void **state)
{
    static const struct row ROWS[] = {
        {"m v=1 0\nm,db=own v=1 0", "m_v{db=\"x\"} 0 1\nm_v{db=\"own\"} 0 1\n", NULL}};
    const struct influx_opts io = {.unit_ns = 1, .db = STR("x"), .db_label = STR("db")};

    (void)state;
    run_rows(ROWS, ARRAY_LEN(ROWS), &io);
}

static void test_hit_path(void **state)
{
    const struct influx_opts io = {.unit_ns = 1};
    const struct influx_opts other = {.unit_ns = 1, .db = STR("x"), .db_label = STR("db")};
    struct label extra = {STR("env"), STR("prod")};
    struct push_rig r;

    (void)state;
    push_rig_init(&r);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            influx_write(r.door, &r.opts, &io, STR("m,a=b v=1,w=2,s=\"x\" 0"), &r.result, &r.err),
            0);
        assert_int_equal(r.result.accepted, 2);
        assert_int_equal(r.result.skipped, 1);
    }
    assert_int_equal(r.store.interns, 2);
    /* the same bytes with another database or other extra labels are other series */
    assert_int_equal(influx_write(r.door, &r.opts, &other, STR("m,a=b v=1 0"), &r.result, &r.err),
                     0);
    r.opts.extra = (struct labels){&extra, 1};
    assert_int_equal(influx_write(r.door, &r.opts, &io, STR("m,a=b v=1 0"), &r.result, &r.err), 0);
    assert_int_equal(r.store.interns, 4);
    assert_non_null(strstr(push_rig_samples(&r), "m_v{a=\"b\", env=\"prod\"} 0 1"));
    /* a series the store forgot: once more with labels */
    r.store.gone[0] = true;
    for (size_t i = 0; i < FAKE_SERIES_MAX; i++) {
        r.store.gone[i] = true;
    }
    fake_store_clear(&r.store);
    assert_int_equal(influx_write(r.door, &r.opts, &io, STR("m,a=b v=7 0"), &r.result, &r.err), 0);
    assert_int_equal(r.result.accepted, 1);
    assert_int_equal(r.result.rejected, 0);
    push_rig_done(&r);
}

static void test_store_fails(void **state)
{
    const struct influx_opts io = {.unit_ns = 1};
    struct push_rig r;

    (void)state;
    push_rig_init(&r);
    r.store.fail_commit = ERR_NOSPACE;
    assert_int_equal(influx_write(r.door, &r.opts, &io, STR("m v=1 0"), &r.result, &r.err),
                     -ERR_NOSPACE);
    r.store.fail_commit = 0;
    r.store.min_ms = 1000;
    assert_int_equal(influx_write(r.door, &r.opts, &io, STR("m v=1 0"), &r.result, &r.err), 0);
    assert_int_equal(r.result.first, ERR_OUT_OF_RANGE);
    assert_int_equal(r.result.rejected, 1);
    push_rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),       cmocka_unit_test(test_precision),
        cmocka_unit_test(test_db_label),    cmocka_unit_test(test_hit_path),
        cmocka_unit_test(test_store_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
