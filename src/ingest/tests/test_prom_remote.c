/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write: what requests leave in the store, which error they give, and that a known series is not
 * parsed again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/random.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "fake_store.h"
#include "ingest/prom_remote.h"
#include "model/samples.h"

struct rig {
    struct fake_store store;
    struct sink sink;
    struct prom_remote *door;
    struct buf raw;    /* WriteRequest */
    struct buf packed; /* snappy */
};

static void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    fake_store_init(&r->store);
    r->sink.metrics = fake_tsdb(&r->store);
    ingest_limits_default(&r->sink.limits);
    r->sink.limits.max_labels = 4;
    r->sink.limits.max_label_value_bytes = 8;
    r->door = prom_remote_new(&r->sink);
    buf_init(&r->raw, 64 << 20);
    buf_init(&r->packed, 64 << 20);
}

static void rig_done(struct rig *r)
{
    prom_remote_free(r->door);
    fake_store_done(&r->store);
    buf_done(&r->raw);
    buf_done(&r->packed);
}

static int send(struct rig *r, struct err *e)
{
    buf_clear(&r->packed);
    assert_int_equal(compress_to(COMPRESS_SNAPPY, buf_str(&r->raw), 0, &r->packed, NULL), 0);
    return prom_remote_write(r->door, buf_str(&r->packed), e);
}

static void put_label(struct buf *b, const char *name, struct str value)
{
    size_t at = pb_begin(b, 1);

    pb_put_str(b, 1, str_cstr(name));
    pb_put_str(b, 2, value);
    pb_end(b, at);
}

static void put_sample(struct buf *b, int64_t t_ms, double v)
{
    size_t at = pb_begin(b, 2);

    pb_put_f64(b, 1, v);
    pb_put_varint(b, 2, (uint64_t)t_ms);
    pb_end(b, at);
}

/* "a=1,b=2" as labels and one sample; "!" swaps sample and labels, "x" as a name is a bare field. */
static void put_series(struct buf *b, const char *labels, int64_t t_ms, double v)
{
    struct str rest = str_cstr(labels);
    size_t at = pb_begin(b, 1);
    struct str pair;

    if (rest.n == 0) {
        rest.p = NULL;
    }
    while (str_split(&rest, ',', &pair)) {
        int64_t eq = str_find_byte(pair, '=');
        char *name = str_dup(str_take(pair, (size_t)eq));

        put_label(b, name, str_drop(pair, (size_t)eq + 1));
        free(name);
    }
    put_sample(b, t_ms, v);
    pb_end(b, at);
}

static void expect_samples(struct rig *r, const char *text)
{
    buf_add_byte(&r->store.samples, '\0');
    assert_string_equal(r->store.samples.data, text);
    fake_store_clear(&r->store);
}

static void test_good(void **state)
{
    struct err e = {0};
    struct rig r;
    size_t at;

    (void)state;
    rig_init(&r);
    put_series(&r.raw, "__name__=up,job=a", 1000, 1);
    put_series(&r.raw, "job=b,__name__=up,empty=", 1000, 0); /* unsorted, empty value */
    at = pb_begin(&r.raw, 1);                                /* several samples */
    put_label(&r.raw, "__name__", STR("m:x"));
    put_sample(&r.raw, -5, 1.5);
    put_sample(&r.raw, 0, -0.0);
    put_sample(&r.raw, 7, sample_stale());
    pb_end(&r.raw, at);
    at = pb_begin(&r.raw, 1); /* samples first, labels split */
    put_label(&r.raw, "__name__", STR("split"));
    put_sample(&r.raw, 1, 2);
    put_label(&r.raw, "a", STR("b"));
    pb_end(&r.raw, at);
    pb_put_varint(&r.raw, 99, 1); /* unknown field */
    assert_int_equal(send(&r, &e), 0);
    expect_samples(&r, "up{job=\"a\"} 1000 1\nup{job=\"b\"} 1000 0\nm:x -5 1.5\nm:x 0 -0\n"
                       "m:x 7 stale\nsplit{a=\"b\"} 1 2\n");
    assert_int_equal(r.store.interns, 4);
    /* the same again: nothing is parsed */
    assert_int_equal(send(&r, &e), 0);
    assert_int_equal(r.store.interns, 4);
    assert_int_equal(r.store.samples_n, 6);
    rig_done(&r);
}

static void test_empty(void **state)
{
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(send(&r, &e), 0);
    assert_int_equal(r.store.samples_n, 0);
    rig_done(&r);
}

/* One bad series: it is named, its neighbours are stored. */
static void test_bad_series(void **state)
{
    static const struct {
        const char *labels;
        const char *msg;
    } CASES[] = {
        {"", "series 1 {}: no labels"},
        {"job=a", "series 1 {job=\"a\"}: no metric name"},
        {"__name__=", "series 1 {}: no labels"},
        {"__name__=a,b=1,b=2", "series 1 a{b=\"1\", b=\"2\"}: a label name occurs twice"},
        {"__name__=\xff", "series 1 {\"\xEF\xBF\xBD\"}: invalid metric name"},
        {"__name__=a,\xff=1", "series 1 a{\"\xEF\xBF\xBD\"=\"1\"}: invalid label name"},
        {"__name__=a,=1", "series 1 a{\"\"=\"1\"}: invalid label name"},
        {"__name__=a,x=\xff",
         "series 1 a{x=\"\xEF\xBF\xBD\"}: value of label x is not valid UTF-8"},
        {"__name__=a,x=123456789",
         "series 1 a{x=\"123456789\"}: value of label x has 9 bytes, at most 8 are allowed"},
        {"__name__=a,b=1,c=1,d=1,e=1", "series 1 {}: 5 labels, at most 4 are allowed"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct err e = {0};
        struct rig r;

        rig_init(&r);
        put_series(&r.raw, "__name__=ok", 1, 1);
        put_series(&r.raw, CASES[i].labels, 1, 1);
        put_series(&r.raw, "__name__=late", 1, 1);
        assert_int_equal(send(&r, &e), -ERR_INVALID);
        assert_string_equal(e.msg, CASES[i].msg);
        expect_samples(&r, "ok 1 1\nlate 1 1\n");
        rig_done(&r);
    }
}

static void test_store_refuses(void **state)
{
    static const int CODES[] = {ERR_OVERLOAD, ERR_NOSPACE, ERR_IO};
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r);
    put_series(&r.raw, "__name__=a,x=1", 10, 1);
    put_series(&r.raw, "__name__=b", 1000, 1);
    r.store.min_ms = 500;
    assert_int_equal(send(&r, &e), -ERR_OUT_OF_RANGE);
    assert_string_equal(
        e.msg,
        "1 samples out of range, first: {\"a{x=\\\"1\\\"}\"} at 10 ms is older than the retention");
    expect_samples(&r, "b 1000 1\n");
    for (size_t i = 0; i < ARRAY_LEN(CODES); i++) {
        r.store.fail_commit = CODES[i];
        assert_int_equal(send(&r, &e), -CODES[i]);
        assert_string_equal(e.msg, "fake failure");
    }
    r.store.fail_commit = 0;
    r.store.max_series = 2;
    put_series(&r.raw, "__name__=c", 1000, 1);
    r.store.min_ms = 0;
    assert_int_equal(send(&r, &e), -ERR_LIMIT);
    assert_string_equal(e.msg, "series 2 c: too many series, metric c");
    expect_samples(&r, "a{x=\"1\"} 10 1\nb 1000 1\n");
    rig_done(&r);
}

static void test_gone(void **state)
{
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r);
    put_series(&r.raw, "__name__=a", 1, 1);
    assert_int_equal(send(&r, &e), 0);
    fake_store_clear(&r.store);
    for (size_t i = 0; i < FAKE_SERIES_MAX; i++) {
        r.store.gone[i] = true;
    }
    assert_int_equal(send(&r, &e), 0);
    expect_samples(&r, "a 1 1\n");
    rig_done(&r);
}

static void test_metadata(void **state)
{
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r);
    for (int i = 0; i < 2; i++) { /* the second is known */
        size_t at = pb_begin(&r.raw, 3);

        pb_put_varint(&r.raw, 1, 1);
        pb_put_str(&r.raw, 2, STR("http_total"));
        pb_put_str(&r.raw, 4, STR("Requests."));
        pb_put_str(&r.raw, 5, STR("req"));
        pb_end(&r.raw, at);
    }
    assert_int_equal(send(&r, &e), 0);
    buf_add_byte(&r.store.metadata, '\0');
    assert_string_equal(r.store.metadata.data, "http_total|counter|req|Requests.\n");
    /* metadata that cannot be kept does not hold up samples */
    buf_clear(&r.raw);
    put_series(&r.raw, "__name__=a", 1, 1);
    pb_put_str(&r.raw, 3, STR("\x12\x01x"));
    r.store.fail_metadata = ERR_LIMIT;
    assert_int_equal(send(&r, &e), 0);
    expect_samples(&r, "a 1 1\n");
    rig_done(&r);
}

static double g_native, g_exemplar, g_samples;

static void look(void *arg, const struct stats_sample *s)
{
    (void)arg;
    if (strstr(s->labels, "signal=\"metrics\",reason=\"invalid_native_histogram\"") != NULL) {
        g_native = s->value;
    }
    if (strstr(s->labels, "signal=\"metrics\",reason=\"exemplar_too_large\"") != NULL) {
        g_exemplar = s->value;
    }
    if (strcmp(s->name, "bongsu_ingest_samples_total") == 0 &&
        strcmp(s->labels, "door=\"prometheus_remote_write\"") == 0) {
        g_samples = s->value;
    }
}

static void test_counted(void **state)
{
    struct stats *registry = stats_new();
    struct err e = {0};
    struct rig r;
    size_t at;

    (void)state;
    rig_init(&r);
    r.sink.stats = ingest_stats_new(registry);
    at = pb_begin(&r.raw, 1);
    put_label(&r.raw, "__name__", STR("h"));
    put_sample(&r.raw, 1, 1);
    size_t exemplar = pb_begin(&r.raw, 3);
    char long_value[130];

    memset(long_value, 'x', sizeof(long_value));
    put_label(&r.raw, "trace_id", str_of(long_value, sizeof(long_value)));
    pb_end(&r.raw, exemplar);
    pb_put_str(&r.raw, 4, STR("\x20\x12"));         /* schema 9 */
    pb_put_str(&r.raw, 4, STR("\x08\x01\x78\x05")); /* one observation, in no bucket */
    pb_end(&r.raw, at);
    assert_int_equal(send(&r, &e), -ERR_INVALID);
    assert_string_equal(
        e.msg, "series 0 h: invalid histogram schema 9: must be -4 to 8 for exponential or -53 "
               "for custom buckets");
    stats_each(registry, look, NULL);
    assert_true(g_native == 2);
    assert_true(g_exemplar == 1);
    assert_true(g_samples == 1);
    rig_done(&r);
    stats_free(registry);
    ingest_stats_free(r.sink.stats);
}

/** Histogram with buckets 1: 2, 2: 3 and -1: 4 at schema 0, as integers or as floats. */
static void put_histogram(struct buf *b, int64_t t_ms, bool integer)
{
    size_t at = pb_begin(b, 4);

    if (integer) {
        pb_put_varint(b, 1, 12);
        pb_put_varint(b, 6, 3);
        pb_put_str(b, 9, STR("\x08"));      /* +4 */
        pb_put_str(b, 12, STR("\x04\x02")); /* +2, +1 */
    } else {
        const double counts[] = {4, 2, 3};

        pb_put_f64(b, 2, 12);
        pb_put_f64(b, 7, 3);
        pb_put_str(b, 10, str_of((const char *)counts, 8));
        pb_put_str(b, 13, str_of((const char *)(counts + 1), 16));
    }
    pb_put_f64(b, 3, 1.5);
    pb_put_f64(b, 5, 0.25);
    pb_put_str(b, 8, STR("\x08\x01\x10\x01"));  /* offset -1, length 1 */
    pb_put_str(b, 11, STR("\x08\x02\x10\x02")); /* offset 1, length 2 */
    pb_put_varint(b, 15, (uint64_t)t_ms);
    pb_end(b, at);
}

static void test_native(void **state)
{
    static const char WANT[] = "h #c 5 12\n"
                               "h #s 5 1.5\n"
                               "h #m 5 256\n"
                               "h #z 5 3\n"
                               "h #t 5 0.25\n"
                               "h #ne7fffffff 5 4\n"
                               "h #pe80000001 5 2\n"
                               "h #pe80000002 5 3\n";

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        struct rig r;
        size_t at;

        rig_init(&r);
        at = pb_begin(&r.raw, 1);
        put_label(&r.raw, "__name__", STR("h"));
        put_histogram(&r.raw, 5, i == 0);
        pb_end(&r.raw, at);
        for (int k = 0; k < 2; k++) { /* the second time nothing is parsed */
            fake_store_clear(&r.store);
            assert_int_equal(send(&r, &e), 0);
            expect_samples(&r, WANT);
        }
        assert_int_equal(r.store.interns, 8);
        rig_done(&r);
    }
}

static void test_broken(void **state)
{
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r);
    assert_int_equal(prom_remote_write(r.door, STR("\x05\xff garbage"), &e), -ERR_INVALID);
    assert_string_equal(e.msg, "broken snappy data");
    assert_int_equal(prom_remote_write(r.door, STR(""), &e), -ERR_TRUNCATED);
    assert_int_equal(prom_remote_write(r.door, STR("\xff\xff\xff\xff\x0f\x00"), &e),
                     -ERR_TOO_LARGE);
    put_series(&r.raw, "__name__=a", 1, 1);
    r.raw.n--;
    assert_int_equal(send(&r, &e), -ERR_TRUNCATED);
    assert_int_equal(r.store.commits, 0);
    assert_int_equal(r.store.samples_n, 0);
    rig_done(&r);
}

/* Requests in flight share a budget. */
static void test_budget(void **state)
{
    struct budget small;
    struct err e = {0};
    struct rig r;

    (void)state;
    rig_init(&r);
    budget_init(&small, 10, NULL);
    r.sink.budget = &small;
    put_series(&r.raw, "__name__=abcdefgh,job=abcdefgh", 1, 1);
    assert_int_equal(send(&r, &e), -ERR_OVERLOAD);
    assert_int_equal(budget_used(&small), 0);
    rig_done(&r);
}

static void test_no_memory(void **state)
{
    int rc = -1;

    (void)state;
    for (int64_t n = 0; rc < 0; n++) {
        struct err e = {0};
        struct rig r;

        rig_init(&r);
        put_series(&r.raw, "__name__=a,b=1", 1, 1);
        assert_int_equal(compress_to(COMPRESS_SNAPPY, buf_str(&r.raw), 0, &r.packed, NULL), 0);
        mem_fail_after(n);
        rc = prom_remote_write(r.door, buf_str(&r.packed), &e);
        mem_fail_after(-1);
        assert_true(rc == 0 || rc == -ERR_NOMEM);
        rig_done(&r);
        assert_true(n < 100);
    }
}

/* Flip, cut and grow valid requests: any answer but a crash. */
static void test_mutations(void **state)
{
    uint64_t seed = 11;
    struct rig r;

    (void)state;
    rig_init(&r);
    put_series(&r.raw, "__name__=a,b=1", 1, 1);
    put_series(&r.raw, "__name__=b,c=2", 1, 1);
    for (size_t i = 0; i < 20000; i++) {
        struct buf copy CLEANUP(buf_done) = {0};
        struct err e = {0};

        buf_init(&copy, 4096);
        buf_add_str(&copy, buf_str(&r.raw));
        for (size_t k = 0; k < 3; k++) {
            copy.data[random_next(&seed) % copy.n] = (char)random_next(&seed);
        }
        copy.n = 1 + random_next(&seed) % copy.n;
        buf_clear(&r.packed);
        assert_int_equal(compress_to(COMPRESS_SNAPPY, buf_str(&copy), 0, &r.packed, NULL), 0);
        ignore_result(prom_remote_write(r.door, buf_str(&r.packed), &e), "only survival counts");
        fake_store_clear(&r.store);
    }
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),       cmocka_unit_test(test_empty),
        cmocka_unit_test(test_bad_series), cmocka_unit_test(test_store_refuses),
        cmocka_unit_test(test_gone),       cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_counted),    cmocka_unit_test(test_native),
        cmocka_unit_test(test_broken),     cmocka_unit_test(test_budget),
        cmocka_unit_test(test_no_memory),  cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
