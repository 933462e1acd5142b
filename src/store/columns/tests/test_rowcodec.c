/* SPDX-License-Identifier: Apache-2.0
 *
 * The row encoding: every field comes back, limits are applied, damage is an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/columns/mem.h"
#include "store/columns/tests/gen.h"
#include "store/columns/text.h"

enum { ROWS = 2000 };

static const struct row_limits ALL = {INT64_MIN, INT64_MAX};

struct check {
    const struct span *spans;
    const struct log_record *logs;
    size_t n;
    struct arena a;
};

static int check_row(void *arg, const struct batch *b, struct str row, uint32_t at, int64_t time_ns,
                     uint64_t id)
{
    struct check *c = arg;

    (void)at;
    assert_int_equal(id, 77 + c->n);
    if (c->spans != NULL) {
        struct span s;

        assert_int_equal(rowcodec_span(b, row, &c->a, &s), 0);
        assert_int_equal(time_ns, s.start_ns);
        assert_true(same_span_row(&s, &c->spans[c->n]));
    } else {
        struct log_record l;

        assert_int_equal(rowcodec_log(b, row, &c->a, &l), 0);
        assert_true(same_log_row(&l, &c->logs[c->n]));
    }
    c->n++;
    return 0;
}

static void round_trip(enum columns_kind kind)
{
    struct gen g;
    struct columns_commit commit;
    struct check c = {0};
    struct arena tables;
    struct buf b;
    struct mem_chunk chunk;
    struct span *spans;
    struct log_record *logs;

    gen_init(&g, 1, 1700000000000000000, 1000000000);
    arena_init(&c.a, 1u << 30);
    arena_init(&tables, 1u << 30);
    buf_init(&b, ROWCODEC_MAX);
    spans = arena_array(&g.a, struct span, ROWS);
    logs = arena_array(&g.a, struct log_record, ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        gen_span(&g, &spans[i]);
        gen_log(&g, &logs[i]);
    }
    if (kind == COLUMNS_SPANS) {
        c.spans = spans;
        assert_int_equal(rowcodec_encode_spans(spans, ROWS, ALL, &b, &commit, NULL), 0);
    } else {
        c.logs = logs;
        assert_int_equal(rowcodec_encode_logs(logs, ROWS, ALL, &b, &commit, NULL), 0);
    }
    assert_int_equal(commit.accepted, ROWS);
    rowcodec_set_first_id(b.data, 77);
    chunk.payload = buf_str(&b);
    assert_int_equal(rowcodec_info(chunk.payload, &chunk.info, NULL), 0);
    assert_int_equal(chunk.info.rows_n, ROWS);
    assert_int_equal(mem_chunk_each(&chunk, INT64_MIN, INT64_MAX, &tables, check_row, &c, NULL), 0);
    assert_int_equal(c.n, ROWS);
    buf_done(&b);
    arena_done(&c.a);
    arena_done(&tables);
    gen_done(&g);
}

static void test_spans(void **state)
{
    (void)state;
    round_trip(COLUMNS_SPANS);
}

static void test_logs(void **state)
{
    (void)state;
    round_trip(COLUMNS_LOGS);
}

static void test_limits(void **state)
{
    struct resource r = {0};
    struct scope s = {0};
    struct log_record logs[5];
    struct columns_commit commit = {0};
    struct batch_info info;
    struct buf b;

    (void)state;
    for (int i = 0; i < 5; i++) {
        logs[i] = (struct log_record){.time_ns = i * 10, .resource = &r, .scope = &s};
    }
    buf_init(&b, ROWCODEC_MAX);
    assert_int_equal(rowcodec_encode_logs(logs, 5, (struct row_limits){10, 20}, &b, &commit, NULL),
                     0);
    assert_int_equal(commit.accepted, 2);
    assert_int_equal(commit.rejected[COLUMNS_REJECT_TOO_OLD], 1);
    assert_int_equal(commit.rejected[COLUMNS_REJECT_TOO_NEW], 2);
    assert_int_equal(rowcodec_info(buf_str(&b), &info, NULL), 0);
    assert_int_equal(info.rows_n, 2);
    assert_int_equal(info.min_ns, 10);
    assert_int_equal(info.max_ns, 20);
    buf_clear(&b);
    assert_int_equal(
        rowcodec_encode_logs(logs, 5, (struct row_limits){100, 200}, &b, &commit, NULL), 0);
    assert_int_equal(commit.accepted, 0);
    assert_int_equal(b.n, 0);
    buf_done(&b);
    buf_init(&b, 100); /* does not fit */
    assert_int_equal(rowcodec_encode_logs(logs, 5, ALL, &b, &commit, NULL), -ERR_TOO_LARGE);
    buf_done(&b);
}

/* Batches of before there were pattern ids are in WALs; what a later program wrote is refused. */
static void test_versions(void **state)
{
    struct resource r = {0};
    struct scope s = {0};
    struct log_record l = {.time_ns = 5, .resource = &r, .scope = &s};
    struct columns_commit commit = {0};
    struct batch_info info;
    struct buf b;

    (void)state;
    buf_init(&b, ROWCODEC_MAX);
    assert_int_equal(rowcodec_encode_logs(&l, 1, ALL, &b, &commit, NULL), 0);
    assert_int_equal(b.data[0], ROWCODEC_VERSION);
    b.data[0] = ROWCODEC_VERSION_OLD;
    assert_int_equal(rowcodec_info(buf_str(&b), &info, NULL), 0);
    b.data[0] = ROWCODEC_VERSION + 1;
    assert_int_equal(rowcodec_info(buf_str(&b), &info, NULL), -ERR_UNSUPPORTED);
    b.data[0] = 0;
    assert_int_equal(rowcodec_info(buf_str(&b), &info, NULL), -ERR_UNSUPPORTED);
    buf_done(&b);
}

static void test_too_deep(void **state)
{
    struct resource r = {0};
    struct scope s = {0};
    struct value v[300];
    struct log_record log = {.resource = &r, .scope = &s};
    struct columns_commit commit;
    struct err err = {0};
    struct buf b;

    (void)state;
    v[299] = (struct value){.type = VALUE_BOOL};
    for (int i = 298; i >= 0; i--) {
        v[i] = (struct value){.type = VALUE_ARRAY, .u.array = {&v[i + 1], 1}};
    }
    buf_init(&b, ROWCODEC_MAX);
    log.body = v[0];
    assert_int_equal(rowcodec_encode_logs(&log, 1, ALL, &b, &commit, &err), -ERR_INVALID);
    assert_non_null(strstr(err.msg, "nested"));
    buf_clear(&b);
    log.body = v[300 - VALUE_DEPTH_MAX];
    assert_int_equal(rowcodec_encode_logs(&log, 1, ALL, &b, &commit, &err), 0);
    buf_done(&b);
}

static int ignore_row(void *arg, const struct batch *b, struct str row, uint32_t at,
                      int64_t time_ns, uint64_t id)
{
    struct arena *a = arg;
    struct span s;

    (void)at;
    (void)time_ns;
    (void)id;
    return rowcodec_span(b, row, a, &s);
}

/* Every cut and many flipped bytes: an error or rows, never a crash (the sanitizers watch). */
static void test_damage(void **state)
{
    struct gen g;
    struct span spans[20];
    struct columns_commit commit;
    struct buf b;
    struct mem_chunk chunk;

    (void)state;
    gen_init(&g, 5, 0, 1000);
    for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
        gen_span(&g, &spans[i]);
    }
    buf_init(&b, ROWCODEC_MAX);
    assert_int_equal(rowcodec_encode_spans(spans, 20, ALL, &b, &commit, NULL), 0);
    for (size_t i = 0; i < b.n + 20000; i++) {
        struct arena a;
        struct arena rows;
        struct str cut = str_of(b.data, i < b.n ? i : b.n);
        size_t at = gen_below(&g, b.n);
        char old = b.data[at];
        int rc;

        b.data[at] = i < b.n ? old : (char)gen_below(&g, 256);
        arena_init(&a, 16 << 20);
        arena_init(&rows, 16 << 20);
        rc = rowcodec_info(cut, &chunk.info, NULL);
        if (rc == 0) {
            chunk.payload = cut;
            rc = mem_chunk_each(&chunk, INT64_MIN, INT64_MAX, &a, ignore_row, &rows, NULL);
        }
        assert_true(rc == 0 || rc == -ERR_CORRUPT || rc == -ERR_NOMEM || rc == -ERR_UNSUPPORTED);
        if (i < b.n) {
            assert_int_not_equal(rc, 0);
        }
        arena_done(&a);
        arena_done(&rows);
        b.data[at] = old;
    }
    buf_done(&b);
    gen_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),  cmocka_unit_test(test_logs),
        cmocka_unit_test(test_limits), cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_versions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
