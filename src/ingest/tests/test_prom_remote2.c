/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write 2.0: series by symbols, whatever their place in the table; exemplars, metadata, created timestamps;
 * what broken requests are told; replicas that are not elected, for 1.0 too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "codec/compress.h"
#include "codec/pb.h"
#include "fake_store.h"
#include "ingest/ha.h"
#include "ingest/prom_remote.h"

struct rig {
    struct fake_store store;
    struct sink sink;
    struct prom_remote *door;
    struct buf raw;
    struct buf packed;
    struct prom_remote_result result;
    struct err err;
};

static void rig_init(struct rig *r)
{
    *r = (struct rig){0};
    fake_store_init(&r->store);
    r->sink.metrics = fake_tsdb(&r->store);
    ingest_limits_default(&r->sink.limits);
    r->sink.limits.max_labels = 4;
    r->sink.limits.created_zeros = true;
    r->door = prom_remote_new(&r->sink);
    buf_init(&r->raw, 1 << 20);
    buf_init(&r->packed, 1 << 20);
}

static void rig_done(struct rig *r)
{
    prom_remote_free(r->door);
    fake_store_done(&r->store);
    buf_done(&r->raw);
    buf_done(&r->packed);
}

static int send(struct rig *r, enum prom_remote_version v)
{
    buf_clear(&r->packed);
    r->err = (struct err){0};
    assert_int_equal(compress_to(COMPRESS_SNAPPY, buf_str(&r->raw), 0, &r->packed, NULL), 0);
    return prom_remote_receive(r->door, v, buf_str(&r->packed), &r->result, &r->err);
}

static void put_symbols(struct rig *r, const char *const *symbols)
{
    for (size_t i = 0; symbols[i] != NULL; i++) {
        struct str s = str_cstr(symbols[i]);

        buf_add_byte(&r->raw, (char)PB_TAG(4, PB_LEN)); /* empty ones too */
        buf_add_byte(&r->raw, (char)s.n);
        buf_add_str(&r->raw, s);
    }
}

/* References as one packed field; bytes below 128 are their own varints. */
static void put_refs(struct buf *b, const char *refs)
{
    char bytes[16];
    size_t n = 0;

    for (; *refs != '\0'; refs++) {
        bytes[n++] = (char)(*refs - '0');
    }
    pb_put_str(b, 1, str_of(bytes, n));
}

static void put_sample(struct buf *b, int64_t t_ms, double v)
{
    size_t at = pb_begin(b, 2);

    pb_put_f64(b, 1, v);
    pb_put_varint(b, 2, (uint64_t)t_ms);
    pb_end(b, at);
}

static void put_series(struct rig *r, const char *refs, int64_t t_ms, double v)
{
    size_t at = pb_begin(&r->raw, 5);

    put_refs(&r->raw, refs);
    put_sample(&r->raw, t_ms, v);
    pb_end(&r->raw, at);
}

static void expect(struct rig *r, const char *want)
{
    buf_add_byte(&r->store.samples, '\0');
    assert_string_equal(r->store.samples.data, want);
    fake_store_clear(&r->store);
}

static void test_series(void **state)
{
    static const char *const SYMBOLS[] = {"", "__name__", "m", "a", "1", "b", NULL};
    static const char *const OTHERS[] = {"", "b", "1", "a", "m", "__name__", NULL};
    struct rig r;

    (void)state;
    rig_init(&r);
    put_symbols(&r, SYMBOLS);
    put_series(&r, "1234", 10, 1);
    put_series(&r, "123454", 10, 2);
    assert_int_equal(send(&r, PROM_REMOTE_2), 0);
    assert_int_equal(r.result.samples, 2);
    expect(&r, "m{a=\"1\"} 10 1\nm{a=\"1\", b=\"1\"} 10 2\n");
    assert_int_equal(r.store.interns, 2);
    buf_clear(&r.raw);
    put_symbols(&r, OTHERS); /* the same series in another table are known */
    put_series(&r, "5432", 20, 3);
    put_series(&r, "543212", 20, 4);
    assert_int_equal(send(&r, PROM_REMOTE_2), 0);
    assert_int_equal(r.store.interns, 2);
    expect(&r, "m{a=\"1\"} 20 3\nm{a=\"1\", b=\"1\"} 20 4\n");
    rig_done(&r);
}

static void test_all_of_a_series(void **state)
{
    static const char *const SYMBOLS[] = {"",         "__name__", "h_bucket", "le", "1",
                                          "trace_id", "t",        "help",     "s",  NULL};
    struct rig r;
    size_t at;
    size_t in;

    (void)state;
    rig_init(&r);
    put_symbols(&r, SYMBOLS);
    at = pb_begin(&r.raw, 5);
    put_refs(&r.raw, "1234");
    put_sample(&r.raw, 5000, 1);
    in = pb_begin(&r.raw, 4);
    put_refs(&r.raw, "56");
    pb_put_f64(&r.raw, 2, 0.5);
    pb_put_varint(&r.raw, 3, 4000);
    pb_end(&r.raw, in);
    in = pb_begin(&r.raw, 5);
    pb_put_varint(&r.raw, 1, 3);
    pb_put_varint(&r.raw, 3, 7);
    pb_put_varint(&r.raw, 4, 8);
    pb_end(&r.raw, in);
    pb_put_varint(&r.raw, 6, 1000);
    pb_end(&r.raw, at);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(&r, PROM_REMOTE_2), 0);
        assert_int_equal(r.result.exemplars, 1);
    }
    /* the 0 of the beginning once, the sample twice */
    expect(&r, "h_bucket{le=\"1\"} 1000 0\nh_bucket{le=\"1\"} 5000 1\nh_bucket{le=\"1\"} 5000 1\n");
    rig_done(&r);
}

static void test_metadata(void **state)
{
    static const char *const SYMBOLS[] = {"", "__name__", "h_sum", "help", "s", NULL};
    struct rig r;
    size_t at;
    size_t in;

    (void)state;
    rig_init(&r);
    put_symbols(&r, SYMBOLS);
    at = pb_begin(&r.raw, 5);
    put_refs(&r.raw, "12");
    put_sample(&r.raw, 5000, 1);
    in = pb_begin(&r.raw, 5);
    pb_put_varint(&r.raw, 1, 3);
    pb_put_varint(&r.raw, 3, 3);
    pb_put_varint(&r.raw, 4, 4);
    pb_end(&r.raw, in);
    pb_end(&r.raw, at);
    assert_int_equal(send(&r, PROM_REMOTE_2), 0);
    buf_add_byte(&r.store.metadata, '\0');
    assert_string_equal(r.store.metadata.data, "h|histogram|s|help\n");
    rig_done(&r);
}

static void test_errors(void **state)
{
    static const struct {
        const char *refs;
        int rc;
        const char *msg;
    } ROWS[] = {
        {"12349", -ERR_INVALID, "series 1: symbol 9 of 5"},
        {"123", -ERR_INVALID, "series 1: a label name without a value"},
        {"34", -ERR_INVALID, "series {a=\"1\"}: no metric name"},
        {"123434", -ERR_INVALID, "series m{a=\"1\", a=\"1\"}: a label name occurs twice"},
        {"", -ERR_INVALID, "no labels"},
    };

    static const char *const SYMBOLS[] = {"", "__name__", "m", "a", "1", NULL};
    static const char *const NO_EMPTY[] = {"x", "__name__", "m", NULL};
    struct rig r;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        rig_init(&r);
        put_symbols(&r, SYMBOLS);
        put_series(&r, "12", 1, 1);
        put_series(&r, ROWS[i].refs, 1, 1);
        assert_int_equal(send(&r, PROM_REMOTE_2), ROWS[i].rc);
        assert_string_equal(r.err.msg, ROWS[i].msg);
        assert_int_equal(r.result.samples, 1); /* the good one is stored and told */
        rig_done(&r);
    }
    rig_init(&r);
    put_symbols(&r, NO_EMPTY);
    assert_int_equal(send(&r, PROM_REMOTE_2), -ERR_INVALID);
    assert_string_equal(r.err.msg, "the first symbol is not empty");
    rig_done(&r);
}

/* ---- replicas ---- */

static void put_label1(struct buf *b, const char *name, const char *value)
{
    size_t at = pb_begin(b, 1);

    pb_put_str(b, 1, str_cstr(name));
    pb_put_str(b, 2, str_cstr(value));
    pb_end(b, at);
}

static void write1(struct rig *r, const char *replica)
{
    size_t at;

    buf_clear(&r->raw);
    at = pb_begin(&r->raw, 1);
    put_label1(&r->raw, "__name__", "m");
    put_label1(&r->raw, "__replica__", replica);
    put_label1(&r->raw, "cluster", "c");
    put_sample(&r->raw, 1, 1);
    pb_end(&r->raw, at);
}

static void write2(struct rig *r, const char *replica)
{
    const char *const symbols[] = {"",      "__name__", "m", "__replica__",
                                   replica, "cluster",  "c", NULL};

    buf_clear(&r->raw);
    put_symbols(r, symbols);
    put_series(r, "123456", 1, 1);
}

static void test_replicas(void **state)
{
    const struct ha_opts o = {.cluster_label = STR("cluster"), .replica_label = STR("__replica__")};
    struct rig r;

    (void)state;
    for (int v = 0; v < 2; v++) {
        enum prom_remote_version version = v == 0 ? PROM_REMOTE_1 : PROM_REMOTE_2;
        void (*write)(struct rig * r, const char *replica) = v == 0 ? write1 : write2;

        rig_init(&r);
        r.sink.ha = ha_new(&o);
        write(&r, "a");
        assert_int_equal(send(&r, version), 0);
        assert_false(r.result.deduplicated);
        write(&r, "b");
        assert_int_equal(send(&r, version), 0);
        assert_true(r.result.deduplicated);
        assert_int_equal(r.result.samples, 0);
        write(&r, "a");
        assert_int_equal(send(&r, version), 0);
        assert_int_equal(r.store.series_n, 1);
        expect(&r, "m{cluster=\"c\"} 1 1\nm{cluster=\"c\"} 1 1\n");
        ha_free(r.sink.ha);
        rig_done(&r);
    }
}

static void test_exemplars_of_1(void **state)
{
    struct rig r;
    size_t at;
    size_t in;

    (void)state;
    rig_init(&r);
    at = pb_begin(&r.raw, 1);
    put_label1(&r.raw, "__name__", "m");
    put_sample(&r.raw, 1, 1);
    in = pb_begin(&r.raw, 3);
    put_label1(&r.raw, "trace_id", "t");
    pb_put_f64(&r.raw, 2, 1);
    pb_put_varint(&r.raw, 3, 1);
    pb_end(&r.raw, in);
    pb_end(&r.raw, at);
    assert_int_equal(send(&r, PROM_REMOTE_1), 0);
    assert_int_equal(r.result.samples, 1);
    assert_int_equal(r.result.exemplars, 1);
    rig_done(&r);
}

static void test_content_type(void **state)
{
    static const struct {
        const char *type;
        int want; /* -1: refused */
    } ROWS[] = {
        {"", PROM_REMOTE_1},
        {"application/x-protobuf", PROM_REMOTE_1},
        {"application/x-protobuf;proto=prometheus.WriteRequest", PROM_REMOTE_1},
        {"application/x-protobuf; proto=io.prometheus.write.v2.Request", PROM_REMOTE_2},
        {"application/x-protobuf;proto=io.prometheus.write.v3.Request", -1},
        {"application/json", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        enum prom_remote_version v;
        bool ok = prom_remote_version(str_cstr(ROWS[i].type), &v);

        assert_int_equal(ok ? (int)v : -1, ROWS[i].want);
    }
}

/* Broken bytes anywhere never do harm. */
static void test_mutations(void **state)
{
    static const char *const SYMBOLS[] = {"", "__name__", "m", "a", "1", NULL};
    struct rig r;

    (void)state;
    rig_init(&r);
    put_symbols(&r, SYMBOLS);
    put_series(&r, "1234", 10, 1);
    for (size_t i = 0; i < r.raw.n * 8; i++) {
        r.raw.data[i / 8] ^= (char)(1 << i % 8);
        ignore_result(send(&r, PROM_REMOTE_2), "only survival counts");
        r.raw.data[i / 8] ^= (char)(1 << i % 8);
    }
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series),       cmocka_unit_test(test_all_of_a_series),
        cmocka_unit_test(test_metadata),     cmocka_unit_test(test_errors),
        cmocka_unit_test(test_replicas),     cmocka_unit_test(test_exemplars_of_1),
        cmocka_unit_test(test_content_type), cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
