/* SPDX-License-Identifier: Apache-2.0
 *
 * The generators give the same bytes for a seed on every machine, and what they give is OTLP that our own decoder and
 * engine take whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "ingest/otlp.h"
#include "io/vfs.h"
#include "logs/model.h"
#include "logs/streams.h"
#include "traces/model.h"

enum { RECORDS = 4000, SPANS = 3000, END_S = 1700000000 };

/* What the programs print for these options; a change of a model changes it on purpose. */
static const uint64_t LOGS_HASH = 0x274c8cf554e3ddd2;
static const uint64_t TRACES_HASH = 0x8798763eea3e7ca5;

struct rig {
    char dir[64];
    struct columns *columns;
    struct stats *registry;
    struct sink sink;
    struct otlp *otlp;
};

struct seen {
    size_t rows;
    size_t lines_of_many;
    size_t with_trace;
    size_t levels[SEVERITY_LEVEL_COUNT];
    struct arena arena; /* keys of the map */
    struct map names;   /* of streams; ids of spans */
    size_t roots;
    size_t orphans;
    size_t failed;
    size_t thrown;
};

static void rig_open(struct rig *r, enum columns_kind kind)
{
    struct columns_opts o = {.kind = kind, .dir = r->dir};
    struct err e = {0};

    snprintf(r->dir, sizeof r->dir, "/tmp/test_generators.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(columns_open(&o, &r->columns, &e), 0);
    r->sink = (struct sink){.spans = r->columns, .logs = r->columns};
    ingest_limits_default(&r->sink.limits);
    r->registry = stats_new();
    r->sink.stats = ingest_stats_new(r->registry);
    r->otlp = otlp_new(&r->sink);
    assert_non_null(r->otlp);
}

static void rig_close(struct rig *r)
{
    otlp_free(r->otlp);
    columns_close(r->columns);
    stats_free(r->registry);
    ingest_stats_free(r->sink.stats);
    assert_int_equal(vfs_remove_tree(vfs_real(), r->dir, NULL), 0);
}

static void take(struct rig *r, enum otlp_signal signal, struct str body)
{
    struct otlp_request req = {signal, OTLP_PROTOBUF, body, "otlp_http",
                               (int64_t)END_S * 1000000000};
    struct buf response CLEANUP(buf_done) = {0};
    struct arena a CLEANUP(arena_done);
    struct err e = {0};

    arena_init(&a, 256 << 20);
    buf_init(&response, 1 << 16);
    assert_int_equal(otlp_export(r->otlp, &req, &a, &response, &e), 0);
    assert_int_equal(response.n, 0); /* nothing was refused */
}

/* @return the hash the programs print */
static uint64_t send(struct rig *r, const struct load_opts *o, bool spans, uint64_t *ret_items)
{
    static struct streams streams;
    static struct services services;
    struct buf body CLEANUP(buf_done) = {0};
    struct arena a CLEANUP(arena_done);
    struct load_made made = {0};
    uint64_t hash = 0;

    streams_init(&streams);
    services_init(&services);
    arena_init(&a, 256 << 20);
    buf_init(&body, 64 << 20);
    for (uint64_t i = 0; i < o->requests; i++) {
        arena_reset(&a);
        buf_clear(&body);
        if (spans)
            traces_make(&services, o, i, &a, &body, &made);
        else
            logs_make(&streams, o, i, &a, &body, &made);
        hash += hash64_seed(body.data, body.n, i);
        take(r, spans ? OTLP_TRACES : OTLP_LOGS, buf_str(&body));
    }
    *ret_items = made.items;
    return hash;
}

static struct load_opts options(uint64_t items)
{
    return (struct load_opts){.items = items,
                              .batch = 1000,
                              .seed = 1,
                              .range = 86400,
                              .end = END_S,
                              .start_ns = (END_S - 86400ll) * 1000000000,
                              .requests = items / 1000};
}

static int see_log(void *arg, const struct log_record *row, uint64_t id)
{
    struct seen *s = arg;
    struct str pod = attrs_get_str(row->resource->attrs, STR("service.name"));

    (void)id;
    s->rows++;
    s->lines_of_many += str_find_byte(row->body.u.s, '\n') >= 0;
    s->with_trace += !trace_id_is_zero(row->trace_id);
    s->levels[severity_level_of(row->severity)]++;
    assert_true(pod.n != 0 && str_is_utf8(row->body.u.s) && row->body.u.s.n > 20);
    if (map_get(&s->names, pod) == NULL)
        assert_int_equal(map_put(&s->names, arena_str_dup(&s->arena, pod), s), 0);
    return 0;
}

static void test_logs(void **state)
{
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
    struct load_opts o = options(RECORDS);
    struct seen s = {0};
    struct err e = {0};
    uint64_t items;
    struct rig r;

    (void)state;
    arena_init(&s.arena, 1 << 20);
    rig_open(&r, COLUMNS_LOGS);
    assert_true(send(&r, &o, false, &items) == LOGS_HASH);
    assert_int_equal(items, RECORDS);
    assert_int_equal(columns_scan_logs(r.columns, &q, INT64_MAX, 0, see_log, &s, NULL, &e), 0);
    assert_int_equal(s.rows, RECORDS);
    assert_int_equal(s.names.n, 21);
    assert_true(s.lines_of_many > 20 && s.with_trace > RECORDS / 10);
    assert_true(s.levels[SEVERITY_INFO] > s.levels[SEVERITY_WARN] &&
                s.levels[SEVERITY_WARN] > s.levels[SEVERITY_ERROR] &&
                s.levels[SEVERITY_ERROR] > 10 && s.levels[SEVERITY_DEBUG] > 10);
    map_done(&s.names);
    arena_done(&s.arena);
    rig_close(&r);
}

static int see_span(void *arg, const struct span *row, uint64_t id)
{
    struct seen *s = arg;

    (void)id;
    s->rows++;
    s->failed += row->status == SPAN_STATUS_ERROR;
    s->thrown += row->events_n;
    assert_true(row->end_ns > row->start_ns);
    s->roots += span_id_is_zero(row->parent_id);
    return 0;
}

static int see_trace_span(void *arg, const struct span *row, uint64_t id)
{
    struct seen *s = arg;
    struct str own = str_of((const char *)row->span_id.b, SPAN_ID_SIZE);
    struct str parent = str_of((const char *)row->parent_id.b, SPAN_ID_SIZE);

    (void)id;
    s->rows++;
    if (!span_id_is_zero(row->parent_id) && map_get(&s->names, parent) == NULL)
        s->orphans++;
    return map_put(&s->names, arena_str_dup(&s->arena, own), s);
}

static void test_traces(void **state)
{
    struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
    struct load_opts o = options(SPANS);
    struct seen s = {0};
    struct err e = {0};
    uint64_t items;
    struct rig r;

    (void)state;
    rig_open(&r, COLUMNS_SPANS);
    assert_true(send(&r, &o, true, &items) == TRACES_HASH);
    assert_int_equal(columns_scan_spans(r.columns, &q, INT64_MAX, 0, see_span, &s, NULL, &e), 0);
    assert_int_equal(s.rows, items);
    assert_int_equal(s.roots, o.requests * traces_per_request(o.batch));
    assert_true(s.failed > items / 200 && s.failed < items / 50);
    assert_true(s.thrown > items / 100 && s.thrown < items / 25);
    for (uint64_t n = 0; n < 40; n++) {
        struct seen t = {0};

        arena_init(&t.arena, 1 << 20);
        assert_int_equal(
            columns_trace(r.columns, trace_id_of(o.seed, n), NULL, see_trace_span, &t, &e), 0);
        assert_in_range(t.rows, 5, TRACE_SPANS_MAX);
        assert_int_equal(t.names.n, t.rows);
        assert_int_equal(t.orphans, 0);
        map_done(&t.names);
        arena_done(&t.arena);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logs), cmocka_unit_test(test_traces)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
