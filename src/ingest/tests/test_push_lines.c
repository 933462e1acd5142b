/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON lines and CSV: samples in the store, what broken lines are told, the format of CSV columns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/push_csv.h"
#include "ingest/push_json.h"
#include "push_rig.h"

struct row {
    const char *body;
    const char *want;
    const char *error; /* of the first line left out; NULL: none */
};

static void check(struct push_rig *r, const struct row *row)
{
    assert_string_equal(push_rig_samples(r), row->want);
    assert_string_equal(r->result.why, row->error != NULL ? row->error : "");
}

static void test_json(void **state)
{
    static const struct row ROWS[] = {
        {"", "", NULL},
        {"\n\r\n", "", NULL},
        {"{\"metric\":{\"__name__\":\"m\",\"a\":\"b\"},\"values\":[1,2.5],\"timestamps\":[10,20]}",
         "m{a=\"b\"} 10 1\nm{a=\"b\"} 20 2.5\n", NULL},
        {" { \"x\" : [ { } ] , \"timestamps\" : [ 10 ] , \"values\" : [ -1e3 ] , \"metric\" : { "
         "\"__name__\" : \"m\\u00e9\" } }\r\n",
         "{\"m\xc3\xa9\"} 10 -1000\n", NULL},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[null,\"NaN\",\"Infinity\",\"-Inf\"],"
         "\"timestamps\":[1,2,3,4]}",
         "m 1 stale\nm 2 NaN\nm 3 +Inf\nm 4 -Inf\n", NULL},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[],\"timestamps\":[]}", "", NULL},
        {"x\n{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1]}\n{}", "m 1 1\n",
         "line 1: JSON byte 0: expected a value"},
        {"[]", "", "line 1: an object is expected"},
        {"{}", "", "line 1: \"metric\", \"values\" and \"timestamps\" are needed"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1,2],\"timestamps\":[1]}", "",
         "line 1: \"values\" and \"timestamps\" differ in length"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[\"x\"],\"timestamps\":[1]}", "",
         "line 1: a value is a string"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[true],\"timestamps\":[1]}", "",
         "line 1: a value is no number"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1.5]}", "",
         "line 1: a timestamp is not whole milliseconds"},
        {"{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[\"1\"]}", "",
         "line 1: a timestamp is no number"},
        {"{\"metric\":{\"__name__\":1},\"values\":[1],\"timestamps\":[1]}", "",
         "line 1: a label in \"metric\" is not a string"},
        {"{\"metric\":[],\"values\":[1],\"timestamps\":[1]}", "",
         "line 1: \"metric\" is not an object"},
        {"{\"metric\":{\"a\":\"b\"},\"values\":[1],\"timestamps\":[1]}", "",
         "series {a=\"b\"}: no metric name"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct push_rig r;

        push_rig_init(&r);
        assert_int_equal(push_json(r.door, &r.opts, str_cstr(ROWS[i].body), &r.result, &r.err), 0);
        check(&r, &ROWS[i]);
        push_rig_done(&r);
    }
}

static void test_json_histograms(void **state)
{
#define LINE(histograms, times)                                               \
    "{\"metric\":{\"__name__\":\"h\",\"a\":\"b\"},\"histograms\":" histograms \
    ",\"timestamps\":" times "}"
    static const struct row ROWS[] = {
        {LINE("[{\"schema\":1,\"hint\":3,\"count\":4.5,\"sum\":-2,\"zero_threshold\":0.5,"
              "\"zero_count\":1,\"positive\":[-1,2,3,0.5],\"negative\":[0,1]},null]",
              "[10,20]"),
         "h{a=\"b\"} #c 10 4.5\nh{a=\"b\"} #s 10 -2\nh{a=\"b\"} #m 10 263\nh{a=\"b\"} #z 10 1\n"
         "h{a=\"b\"} #t 10 0.5\nh{a=\"b\"} #nf80000000 10 1\nh{a=\"b\"} #pf7fffffff 10 2\n"
         "h{a=\"b\"} #pf80000003 10 0.5\nh{a=\"b\"} #c 20 stale\n",
         NULL},
        {LINE("[]", "[]"), "", NULL},
        {LINE("[{}]", "[]"), "", "line 1: \"histograms\" and \"timestamps\" differ in length"},
        {LINE("[1]", "[1]"), "", "line 1: a histogram is not an object"},
        {LINE("[{\"count\":null}]", "[1]"), "", "line 1: null inside of a histogram"},
        {LINE("[{\"schema\":1.5}]", "[1]"), "",
         "line 1: a schema, hint or bucket index is no integer"},
        {LINE("[{\"schema\":9}]", "[1]"), "",
         "line 1: invalid histogram schema 9: must be -4 to 8 for exponential or -53 for custom "
         "buckets"},
        {LINE("[{\"positive\":[1,1,1,1]}]", "[1]"), "",
         "line 1: buckets are not pairs of an index and a count with rising indexes"},
        {LINE("[{\"positive\":[1]}]", "[1]"), "",
         "line 1: buckets are not pairs of an index and a count with rising indexes"},
        {LINE("[{\"negative\":3}]", "[1]"), "", "line 1: buckets or bounds are not an array"},
        {LINE("[{\"positive\":[1,-1]}]", "[1]"), "",
         "line 1: positive side: bucket number 1 has observation count of -1: histogram has a bucket "
         "whose observation count is negative"},
        {"{\"metric\":{\"__name__\":\"h\"},\"histograms\":[],\"values\":[],\"timestamps\":[]}", "",
         "line 1: \"values\" and \"histograms\" go on lines of their own"},
        {"{\"metric\":{\"a\":\"b\"},\"histograms\":[{}],\"timestamps\":[1]}", "",
         "series {a=\"b\"}: no metric name"},
        {"{\"metric\":{\"a\":1},\"histograms\":[{}],\"timestamps\":[1]}", "",
         "line 1: a label in \"metric\" is not a string"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct push_rig r;

        push_rig_init(&r);
        assert_int_equal(push_json(r.door, &r.opts, str_cstr(ROWS[i].body), &r.result, &r.err), 0);
        check(&r, &ROWS[i]);
        push_rig_done(&r);
    }
}

static void test_csv(void **state)
{
    static const struct row ROWS[] = {
        {"", "", NULL},
        {"1.1,x,1000,5\n\n2,y,1001.5,\r\n",
         "ask{t=\"x\"} 1000000 1.1\nbid{t=\"x\"} 1000000 5\nask{t=\"y\"} 1001500 2\n", NULL},
        {"1,\"a,\"\"b\"\"\nc\",1,2",
         "ask{t=\"a,\\\"b\\\"\\nc\"} 1000 1\nbid{t=\"a,\\\"b\\\"\\nc\"} 1000 2\n", NULL},
        {"1,,1,2,more,columns\n", "ask 1000 1\nbid 1000 2\n", NULL},
        {"1,x,1\n3,x,1,2\n", "ask{t=\"x\"} 1000 3\nbid{t=\"x\"} 1000 2\n",
         "line 1: too few columns"},
        {"price,t,time,bid\n3,x,1,2\n", "ask{t=\"x\"} 1000 3\nbid{t=\"x\"} 1000 2\n",
         "line 1: a metric's column is not a number"},
        {"1,x,soon,2\n", "", "line 1: the time is not a number of seconds"},
        {"1,\"x,1,2\n", "", "line 1: a quoted field does not end"},
        {"1,\"x\"y,1,2\n1,z,1,2", "ask{t=\"z\"} 1000 1\nbid{t=\"z\"} 1000 2\n",
         "line 1: text behind a quoted field"},
    };
    struct csv_format f;

    (void)state;
    assert_int_equal(
        csv_format_parse(STR("1:metric:ask, 2:label:t,3:time:unix_s,4:metric:bid"), &f, NULL), 0);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct push_rig r;

        push_rig_init(&r);
        assert_int_equal(push_csv(r.door, &r.opts, &f, str_cstr(ROWS[i].body), &r.result, &r.err),
                         0);
        check(&r, &ROWS[i]);
        push_rig_done(&r);
    }
}

static void test_csv_times(void **state)
{
    static const struct {
        const char *format;
        const char *time;
        const char *want;
    } ROWS[] = {
        {"1:metric:m,2:time:unix_s", "1.25", "m 1250 7\n"},
        {"1:metric:m,2:time:unix_ms", "1250", "m 1250 7\n"},
        {"1:metric:m,2:time:unix_ns", "1250000000", "m 1250 7\n"},
        {"1:metric:m,2:time:rfc3339", "1970-01-01T00:00:01.25Z", "m 1250 7\n"},
        {"1:metric:m", "", "m 5000 7\n"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct csv_format f;
        struct push_rig r;
        struct buf b;

        buf_init(&b, 1000);
        buf_printf(&b, "h,h\n7,%s\n", ROWS[i].time);
        push_rig_init(&r);
        assert_int_equal(csv_format_parse(str_cstr(ROWS[i].format), &f, NULL), 0);
        f.header = true;
        for (int k = 0; k < 2; k++) {
            fake_store_clear(&r.store);
            assert_int_equal(push_csv(r.door, &r.opts, &f, buf_str(&b), &r.result, &r.err), 0);
            assert_string_equal(push_rig_samples(&r), ROWS[i].want);
        }
        assert_int_equal(r.store.interns, 1);
        push_rig_done(&r);
        buf_done(&b);
    }
}

static void test_csv_format(void **state)
{
    static const struct {
        const char *text;
        const char *error;
    } ROWS[] = {
        {"", "\"\": COLUMN:TYPE:NAME is expected"},
        {"1:label:a", "no column is a metric"},
        {"1:metric", "\"1:metric\": COLUMN:TYPE:NAME is expected"},
        {"0:metric:a", "\"0:metric:a\": the column is a number from 1 to 256"},
        {"257:metric:a", "\"257:metric:a\": the column is a number from 1 to 256"},
        {"1:metric:a,2:time:custom:2006",
         "\"2:time:custom:2006\": metric:NAME, label:NAME or time:unix_s, unix_ms, unix_ns, rfc3339 "
         "are known"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        struct csv_format f;
        struct err e = {0};

        assert_int_equal(csv_format_parse(str_cstr(ROWS[i].text), &f, &e), -ERR_INVALID);
        assert_string_equal(e.msg, ROWS[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),       cmocka_unit_test(test_json_histograms),
        cmocka_unit_test(test_csv),        cmocka_unit_test(test_csv_times),
        cmocka_unit_test(test_csv_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
