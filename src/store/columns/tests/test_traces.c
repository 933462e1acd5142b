/* SPDX-License-Identifier: Apache-2.0
 *
 * Look-ups of traces: filters never leave one out, single values are those of whole columns, threads and parts of
 * before filters give the same; spans in no order are those of a scan.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/thread.h"
#include "io/vfs.h"
#include "store/columns/columns.h"
#include "store/columns/part_format.h"
#include "store/columns/tests/gen.h"
#include "store/columns/trace_filter.h"

enum { SPANS = 6000, TRACES = 300, PARTS = 6 };

static const int64_t DAY_NS = 86400000000000;
static const int64_t BASE_NS = 1700000000000000000 / 86400000000000 * 86400000000000;

static void test_filter(void **state)
{
    enum { N = 20000 };

    const size_t bytes = trace_filter_bytes(N);
    uint8_t *filter = calloc(bytes, 1);
    size_t wrong = 0;

    (void)state;
    assert_int_equal(trace_filter_bytes(0), 32);
    assert_int_equal(bytes % TRACE_FILTER_BLOCK, 0);
    assert_true(bytes <= N * TRACE_FILTER_BITS / 8 + 32);
    for (uint32_t i = 0; i < N; i++) {
        trace_filter_add(filter, bytes, i * 2654435761u);
    }
    for (uint32_t i = 0; i < N; i++) {
        assert_true(trace_filter_may_have(filter, bytes, i * 2654435761u));
    }
    for (uint32_t i = N; i < 6 * N; i++) {
        wrong += trace_filter_may_have(filter, bytes, i * 2654435761u);
    }
    assert_true(wrong < 5 * N / 80);
    assert_int_equal(crc32c(0, filter, bytes),
                     0x7f645d2a); /* on disk: what was written stays readable */
    free(filter);
}

/* A store of several parts, a mask of deleted rows and rows in memory. */
struct store {
    char *dir;
    struct columns_opts opts;
    struct columns *c;
    struct gen g;
    struct arena a;
    struct span spans[SPANS];
    uint64_t row_ids[SPANS];
    size_t n;
};

static struct trace_id trace_of(uint64_t i)
{
    const uint64_t v[2] = {hash_u64(i + 1), hash_u64(~i)};
    struct trace_id id;

    memcpy(id.b, v, sizeof(id.b));
    return id;
}

static void fill(struct store *s)
{
    struct columns_commit commit;

    s->dir = gen_tmpdir();
    s->opts = (struct columns_opts){
        .kind = COLUMNS_SPANS, .dir = s->dir, .flush_interval_ms = 3600 * 1000};
    arena_init(&s->a, 256 << 20);
    gen_init(&s->g, 3, BASE_NS, DAY_NS);
    assert_int_equal(columns_open(&s->opts, &s->c, NULL), 0);
    for (size_t part = 0; part < PARTS; part++) {
        const size_t first = s->n;

        for (size_t i = 0; i < SPANS / PARTS; i++, s->n++) {
            struct span *to = &s->spans[s->n];
            struct span made;

            gen_span(&s->g, &made);
            *to = copy_span(&s->a, &made);
            to->trace_id = trace_of(gen_below(&s->g, TRACES));
            memcpy(to->span_id.b, &(uint64_t){s->n + 1}, SPAN_ID_SIZE);
        }
        assert_int_equal(columns_append_spans(s->c, s->spans + first, s->n - first, &commit, NULL),
                         0);
        assert_int_equal(commit.accepted, s->n - first);
        assert_true(part + 1 == PARTS || columns_flush(s->c, NULL) == 0);
    }
}

static void done(struct store *s)
{
    columns_close(s->c);
    gen_done(&s->g);
    arena_done(&s->a);
    gen_rmdir(s->dir);
    free(s);
}

struct found {
    struct store *s;
    struct trace_id id;
    size_t n;
    int64_t last_ns;
};

static int on_span(void *arg, const struct span *row, uint64_t id)
{
    struct found *f = arg;
    uint64_t number;

    (void)id;
    memcpy(&number, row->span_id.b, sizeof(number));
    assert_true(number >= 1 && number <= f->s->n);
    assert_memory_equal(row->trace_id.b, f->id.b, TRACE_ID_SIZE);
    assert_true(row->start_ns >= f->last_ns);
    assert_true(same_span_row(row, &f->s->spans[number - 1]));
    f->last_ns = row->start_ns;
    f->n++;
    return 0;
}

/* Every trace is whole, and none is found that is not there. */
static void check_traces(struct store *s)
{
    for (uint64_t t = 0; t < TRACES + 50; t++) {
        struct found f = {.s = s, .id = trace_of(t), .last_ns = INT64_MIN};
        size_t want = 0;

        for (size_t i = 0; i < s->n; i++) {
            want += memcmp(s->spans[i].trace_id.b, f.id.b, TRACE_ID_SIZE) == 0;
        }
        assert_int_equal(columns_trace(s->c, f.id, NULL, on_span, &f, NULL), 0);
        assert_int_equal(f.n, want);
    }
}

struct many {
    struct store *s;
    const struct trace_id *ids;
    size_t n;
    size_t last;
};

static int on_trace(void *arg, const struct columns_trace_spans *t)
{
    struct many *m = arg;
    struct found f = {.s = m->s, .id = m->ids[t->index], .last_ns = INT64_MIN};

    assert_true(m->n == 0 || t->index > m->last);
    m->last = t->index;
    for (size_t i = 0; i < t->n; i++) {
        on_span(&f, &t->spans[i], t->row_ids[i]);
    }
    m->n += t->n;
    return 0;
}

static void check_many(struct store *s)
{
    const struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
    const struct columns_query half = {.min_ns = BASE_NS, .max_ns = BASE_NS + DAY_NS / 2};
    struct trace_id ids[TRACES];
    struct many m = {.s = s, .ids = ids};
    size_t want = 0;

    for (uint64_t t = 0; t < TRACES; t++) {
        ids[t] = trace_of(t);
    }
    assert_int_equal(columns_traces(s->c, &q, ids, TRACES, on_trace, &m, NULL, NULL), 0);
    assert_int_equal(m.n, s->n);
    for (size_t i = 0; i < s->n; i++) {
        want += s->spans[i].start_ns < half.max_ns;
    }
    m = (struct many){.s = s, .ids = ids};
    assert_int_equal(columns_traces(s->c, &half, ids, TRACES, on_trace, &m, NULL, NULL), 0);
    assert_int_equal(m.n, want);
}

static void test_lookups(void **state)
{
    struct store *s = calloc(1, sizeof(*s));
    struct pool *pool = pool_new("test", 3, 16);

    (void)state;
    fill(s);
    check_traces(s);
    check_many(s);
    columns_close(s->c);
    s->opts.pool = pool;
    assert_int_equal(columns_open(&s->opts, &s->c, NULL), 0);
    check_traces(s);
    check_many(s);
    assert_int_equal(columns_compact(s->c, NULL), 0);
    check_traces(s);
    check_many(s);
    done(s);
    pool_free(pool);
}

/* ---- parts without a filter ---- */

static void strip_filter(const char *dir)
{
    char path[1000];
    struct trace_header h;
    int fd;

    snprintf(path, sizeof(path), "%s/traces", dir);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
    assert_int_not_equal(h.filter_bytes, 0);
    h.filter_bytes = 0;
    h.header_crc = crc32c(0, &h, offsetof(struct trace_header, header_crc));
    assert_int_equal(pwrite(fd, &h, sizeof(h), 0), sizeof(h));
    close(fd);
}

static void test_without_filter(void **state)
{
    struct store *s = calloc(1, sizeof(*s));
    char day[600];
    char **days;
    size_t days_n;

    (void)state;
    fill(s);
    columns_close(s->c); /* writes what was in memory */
    snprintf(day, sizeof(day), "%s/parts", s->dir);
    assert_int_equal(vfs_list(day, &days, &days_n, NULL), 0);
    for (size_t d = 0; d < days_n; d++) {
        char part[700];
        char **seqs;
        size_t n;

        snprintf(day, sizeof(day), "%s/parts/%s", s->dir, days[d]);
        assert_int_equal(vfs_list(day, &seqs, &n, NULL), 0);
        for (size_t i = 0; i < n; i += 2) {
            snprintf(part, sizeof(part), "%s/%s", day, seqs[i]);
            strip_filter(part);
        }
        vfs_list_free(seqs, n);
    }
    vfs_list_free(days, days_n);
    assert_int_equal(columns_open(&s->opts, &s->c, NULL), 0);
    check_traces(s);
    assert_int_equal(columns_compact(s->c, NULL), 0);
    check_traces(s);
    done(s);
}

/* ---- in no order ---- */

struct seen {
    struct store *s;
    bool seen[SPANS];
    size_t n;
    size_t stop;
    bool ids;
};

static int on_row(void *arg, const struct columns_row *row)
{
    struct seen *v = arg;
    struct trace_id trace;
    struct span_id span;
    uint64_t number;

    assert_int_equal(columns_row_ids(row, &trace, &span), 0);
    memcpy(&number, span.b, sizeof(number));
    assert_true(number >= 1 && number <= v->s->n && !v->seen[number - 1]);
    assert_memory_equal(trace.b, v->s->spans[number - 1].trace_id.b, TRACE_ID_SIZE);
    assert_int_equal(row->span->start_ns, v->s->spans[number - 1].start_ns);
    assert_int_equal(row->span->kind, v->s->spans[number - 1].kind);
    if (v->ids) {
        assert_true(same_span_row(row->span, &v->s->spans[number - 1]));
    }
    v->seen[number - 1] = true;
    return ++v->n == v->stop;
}

static int on_scanned(void *arg, const struct span *row, uint64_t id)
{
    struct seen *v = arg;
    uint64_t number;

    (void)id;
    memcpy(&number, row->span_id.b, sizeof(number));
    assert_true(v->seen[number - 1]);
    v->n--;
    return 0;
}

static void test_each(void **state)
{
    struct store *s = calloc(1, sizeof(*s));
    struct arena a;

    (void)state;
    arena_init(&a, 1 << 20);
    fill(s);
    for (unsigned round = 0; round < 30; round++) {
        struct seen v = {.s = s, .ids = round % 2 == 0};
        struct columns_query q = {.min_ns = BASE_NS + (round % 3) * DAY_NS / 4,
                                  .max_ns = BASE_NS + DAY_NS - (round % 5) * DAY_NS / 7,
                                  .need = v.ids ? 0 : COLUMNS_NEED_TIMES};

        arena_reset(&a);
        q.filter = round % 4 != 0 ? gen_filter(&s->g, COLUMNS_SPANS, 2) : NULL;
        assert_int_equal(columns_each_span(s->c, &q, on_row, &v, NULL, NULL), 0);
        q.need = 0;
        assert_int_equal(columns_scan_spans(s->c, &q, INT64_MAX, 0, on_scanned, &v, NULL, NULL), 0);
        assert_int_equal(v.n, 0);
    }
    {
        struct seen v = {.s = s, .stop = 7};
        const struct columns_query q = {.min_ns = INT64_MIN, .max_ns = INT64_MAX};
        struct err err = {0};

        assert_int_equal(columns_each_span(s->c, &q, on_row, &v, NULL, &err), 0);
        assert_int_equal(v.n, 7);
        assert_int_equal(err.code, 0);
    }
    arena_done(&a);
    done(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_without_filter),
        cmocka_unit_test(test_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
