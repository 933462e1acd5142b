/* SPDX-License-Identifier: Apache-2.0
 *
 * The engine against a plain array of the same rows: scans, pages, filters, histograms, values and traces
 * must agree wherever the rows are: in memory, in several parts, in merged parts, after a restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/thread.h"
#include "io/vfs.h"
#include "store/columns/pred.h"
#include "store/columns/tests/gen.h"

enum { HOUR_MS = 3600 * 1000, BATCH = 50 };

/* What the store must hold. */
struct model {
    struct gen g;
    enum columns_kind kind;

    struct any {
        struct span span;
        struct log_record log;
        int64_t t;
        bool seen;
        bool gone; /* deleted */
    } * rows;

    size_t n;
    size_t cap;
};

static void model_init(struct model *m, enum columns_kind kind, uint64_t seed, int64_t span_ms)
{
    int64_t now_ms = clock_wall_ms();

    *m = (struct model){.kind = kind, .cap = 20000};
    gen_init(&m->g, seed, (now_ms - span_ms) * 1000000, span_ms * 1000000);
    m->rows = calloc(m->cap, sizeof(*m->rows));
}

static void model_done(struct model *m)
{
    free(m->rows);
    gen_done(&m->g);
}

static void add_rows(struct model *m, struct columns *c, size_t n)
{
    while (n != 0) {
        struct span spans[BATCH];
        struct log_record logs[BATCH];
        struct columns_commit commit;
        struct err err = {0};
        size_t batch = 1 + gen_below(&m->g, BATCH);
        int rc;

        batch = batch < n ? batch : n;
        assert_true(m->n + batch <= m->cap);
        for (size_t i = 0; i < batch; i++) {
            struct any *r = &m->rows[m->n + i];

            gen_span(&m->g, &r->span);
            gen_log(&m->g, &r->log);
            spans[i] = r->span;
            logs[i] = r->log;
            r->t = m->kind == COLUMNS_SPANS ? r->span.start_ns : r->log.time_ns;
        }
        rc = m->kind == COLUMNS_SPANS ? columns_append_spans(c, spans, batch, &commit, &err)
                                      : columns_append_logs(c, logs, batch, &commit, &err);
        assert_int_equal(rc, 0);
        assert_int_equal(commit.accepted, batch);
        m->n += batch;
        n -= batch;
    }
}

/* Every other store that is opened counts on these. */
static struct pool *threads;

static struct columns *open_store(const char *dir, enum columns_kind kind)
{
    static unsigned opened;
    struct columns_opts o = {
        .kind = kind, .dir = dir, .pool = opened++ % 2 != 0 ? threads : NULL, .parallel_rows = 1};
    struct columns *c = NULL;
    struct err err = {0};
    int rc = columns_open(&o, &c, &err);

    if (rc < 0) {
        print_error("open: %s\n", err.msg);
    }
    assert_int_equal(rc, 0);
    return c;
}

static void flush(struct columns *c)
{
    struct err err = {0};
    int rc = columns_flush(c, &err);

    if (rc < 0) {
        print_error("flush: %s\n", err.msg);
    }
    assert_int_equal(rc, 0);
}

static void compact(struct columns *c)
{
    struct err err = {0};
    int rc = columns_compact(c, &err);

    if (rc < 0) {
        print_error("compact: %s\n", err.msg);
    }
    assert_int_equal(rc, 0);
}

static struct row_ref ref_of(const struct model *m, const struct any *r)
{
    return m->kind == COLUMNS_SPANS ? (struct row_ref){.span = &r->span}
                                    : (struct row_ref){.log = &r->log};
}

static bool wanted(const struct model *m, const struct any *r, const struct columns_query *q)
{
    return !r->gone && r->t >= q->min_ns && r->t < q->max_ns &&
           (m->kind == COLUMNS_SPANS ? filter_matches_span(q->filter, &r->span)
                                     : filter_matches_log(q->filter, &r->log));
}

struct collect {
    struct model *m;
    const struct columns_query *q;
    size_t n;
    size_t stop_after; /* 0: never */
    int64_t last_ns;
    uint64_t last_id;
    size_t same_time;
};

/* Each row must be one of the model's, not yet seen, and in order. */
static int got_row(struct collect *c, const struct span *s, const struct log_record *l, int64_t t,
                   uint64_t id)
{
    struct any *found = NULL;

    if (c->n != 0 && c->q->oldest_first) {
        assert_true(t > c->last_ns || (t == c->last_ns && id > c->last_id));
    } else if (c->n != 0) {
        assert_true(t < c->last_ns || (t == c->last_ns && id < c->last_id));
    }
    for (size_t i = 0; i < c->m->n && found == NULL; i++) {
        struct any *r = &c->m->rows[i];

        if (r->t == t && !r->seen &&
            (s != NULL ? same_span_row(&r->span, s) : same_log_row(&r->log, l))) {
            found = r;
        }
    }
    assert_non_null(found);
    assert_true(wanted(c->m, found, c->q));
    found->seen = true;
    c->last_ns = t;
    c->last_id = id;
    c->n++;
    return c->n == c->stop_after ? 1 : 0;
}

static int on_span(void *arg, const struct span *s, uint64_t id)
{
    return got_row(arg, s, NULL, s->start_ns, id);
}

static int on_log(void *arg, const struct log_record *l, uint64_t id)
{
    return got_row(arg, NULL, l, l->time_ns, id);
}

static size_t scan(struct columns *c, struct collect *col, int64_t before_ns, uint64_t before_id,
                   struct scan_stats *stats)
{
    struct err err = {0};
    int rc;

    col->n = 0;
    rc = col->m->kind == COLUMNS_SPANS
             ? columns_scan_spans(c, col->q, before_ns, before_id, on_span, col, stats, &err)
             : columns_scan_logs(c, col->q, before_ns, before_id, on_log, col, stats, &err);
    if (rc < 0) {
        print_error("scan: %s\n", err.msg);
    }
    assert_int_equal(rc, 0);
    return col->n;
}

static void forget_seen(struct model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        m->rows[i].seen = false;
    }
}

static void check_all_seen(struct model *m, const struct columns_query *q)
{
    for (size_t i = 0; i < m->n; i++) {
        assert_int_equal(m->rows[i].seen, wanted(m, &m->rows[i], q));
    }
}

static int64_t first_ns(const struct columns_query *q)
{
    return q->oldest_first ? INT64_MIN : INT64_MAX;
}

static void check_scan(struct model *m, struct columns *c, const struct columns_query *q)
{
    struct collect col = {.m = m, .q = q};

    forget_seen(m);
    scan(c, &col, first_ns(q), 0, NULL);
    check_all_seen(m, q);
}

static void check_pages(struct model *m, struct columns *c, const struct columns_query *q,
                        size_t page)
{
    struct collect col = {.m = m, .q = q, .stop_after = page};
    int64_t before_ns = first_ns(q);
    uint64_t before_id = 0;

    forget_seen(m);
    while (scan(c, &col, before_ns, before_id, NULL) != 0) {
        before_ns = col.last_ns;
        before_id = col.last_id;
    }
    check_all_seen(m, q);
}

static void check_values(struct model *m, struct columns *c, const struct columns_query *q,
                         struct field by)
{
    struct columns_groups got = {0};
    uint64_t total = 0;
    struct arena a;
    struct buf scratch;
    struct err err = {0};

    arena_init(&a, 64 << 20);
    buf_init(&scratch, 1 << 20);
    assert_int_equal(columns_values(c, q, by, SIZE_MAX, &a, &got, &err), 0);
    for (size_t g = 0; g < got.n; g++) {
        assert_true(g == 0 || got.v[g - 1].total >= got.v[g].total);
        got.v[g].counts[0] = 0;
    }
    for (size_t i = 0; i < m->n; i++) {
        struct row_ref ref = ref_of(m, &m->rows[i]);
        char hex[PRED_HEX_SIZE];
        struct value val;

        if (wanted(m, &m->rows[i], q) && row_field(&ref, &by, &val, hex)) {
            struct str text = value_text(&val, &scratch);
            size_t g = 0;

            while (g < got.n && !str_eq(got.v[g].value, text)) {
                g++;
            }
            assert_true(g < got.n);
            got.v[g].counts[0]++;
            total++;
        }
    }
    for (size_t g = 0; g < got.n; g++) {
        assert_int_equal(got.v[g].counts[0], got.v[g].total);
        total -= got.v[g].total;
    }
    assert_int_equal(total, 0);
    buf_done(&scratch);
    arena_done(&a);
}

static void check_histogram(struct model *m, struct columns *c, const struct columns_query *q,
                            const struct field *by, size_t buckets)
{
    struct columns_groups got = {0};
    struct arena a;
    struct buf scratch;
    struct err err = {0};
    int64_t step = (q->max_ns - q->min_ns) / (int64_t)buckets + 1;
    const struct columns_buckets over = {.step_ns = step, .n = buckets, .by = by};

    arena_init(&a, 64 << 20);
    buf_init(&scratch, 1 << 20);
    assert_int_equal(columns_histogram(c, q, &over, &a, &got, &err), 0);
    for (size_t i = 0; i < m->n; i++) {
        struct row_ref ref = ref_of(m, &m->rows[i]);
        struct str text = STR("");
        char hex[PRED_HEX_SIZE];
        struct value val;
        size_t g = 0;

        if (!wanted(m, &m->rows[i], q)) {
            continue;
        }
        if (by != NULL && row_field(&ref, by, &val, hex)) {
            text = value_text(&val, &scratch);
        }
        while (g < got.n && !str_eq(got.v[g].value, text)) {
            g++;
        }
        assert_true(g < got.n);
        got.v[g].counts[(m->rows[i].t - q->min_ns) / step]--;
        got.v[g].total--;
    }
    for (size_t g = 0; g < got.n; g++) {
        assert_int_equal(got.v[g].total, 0);
        for (size_t b = 0; b < buckets; b++) {
            assert_int_equal(got.v[g].counts[b], 0);
        }
    }
    buf_done(&scratch);
    arena_done(&a);
}

struct trace_collect {
    struct model *m;
    struct trace_id id;
    int64_t last_ns;
};

static int on_trace_span(void *arg, const struct span *s, uint64_t id)
{
    struct trace_collect *t = arg;
    bool found = false;

    (void)id;
    assert_true(s->start_ns >= t->last_ns);
    t->last_ns = s->start_ns;
    assert_memory_equal(s->trace_id.b, t->id.b, TRACE_ID_SIZE);
    for (size_t i = 0; i < t->m->n && !found; i++) {
        found = !t->m->rows[i].seen && same_span_row(&t->m->rows[i].span, s);
        t->m->rows[i].seen = t->m->rows[i].seen || found;
    }
    assert_true(found);
    return 0;
}

static void check_traces(struct model *m, struct columns *c, size_t times)
{
    for (size_t k = 0; k < times; k++) {
        struct trace_collect t = {
            .m = m, .id = m->rows[gen_below(&m->g, m->n)].span.trace_id, .last_ns = INT64_MIN};
        struct err err = {0};

        if (trace_id_is_zero(t.id)) {
            continue;
        }
        forget_seen(m);
        assert_int_equal(columns_trace(c, t.id, NULL, on_trace_span, &t, &err), 0);
        for (size_t i = 0; i < m->n; i++) {
            assert_int_equal(m->rows[i].seen,
                             !m->rows[i].gone &&
                                 memcmp(m->rows[i].span.trace_id.b, t.id.b, TRACE_ID_SIZE) == 0);
        }
    }
}

struct batch_collect {
    struct model *m;
    const struct trace_id *ids;
    size_t last; /* index + 1 */
};

static int on_trace(void *arg, const struct columns_trace_spans *t)
{
    struct batch_collect *b = arg;

    assert_true(t->n != 0 && t->index + 1 > b->last);
    b->last = t->index + 1;
    for (size_t i = 0; i < t->n; i++) {
        const struct span *s = &t->spans[i];
        bool found = false;

        assert_true(i == 0 || s->start_ns >= t->spans[i - 1].start_ns);
        assert_memory_equal(s->trace_id.b, b->ids[t->index].b, TRACE_ID_SIZE);
        for (size_t k = 0; k < b->m->n && !found; k++) {
            found = !b->m->rows[k].seen && same_span_row(&b->m->rows[k].span, s);
            b->m->rows[k].seen = b->m->rows[k].seen || found;
        }
        assert_true(found);
    }
    return 0;
}

/* Many traces at once: those asked for, in the window, each once. */
static void check_trace_batch(struct model *m, struct columns *c, const struct columns_query *q)
{
    struct trace_id ids[40];
    struct batch_collect b = {.m = m, .ids = ids};
    struct err err = {0};

    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        ids[i] = m->rows[gen_below(&m->g, m->n)].span.trace_id;
    }
    ids[7] = (struct trace_id){{9, 9, 9}}; /* nobody's */
    forget_seen(m);
    assert_int_equal(columns_traces(c, q, ids, ARRAY_LEN(ids), on_trace, &b, NULL, &err), 0);
    for (size_t i = 0; i < m->n; i++) {
        bool want = !m->rows[i].gone && m->rows[i].t >= q->min_ns && m->rows[i].t < q->max_ns &&
                    !trace_id_is_zero(m->rows[i].span.trace_id);
        bool asked = false;

        for (size_t k = 0; k < ARRAY_LEN(ids); k++) {
            asked = asked || memcmp(ids[k].b, m->rows[i].span.trace_id.b, TRACE_ID_SIZE) == 0;
        }
        assert_int_equal(m->rows[i].seen, want && asked);
    }
}

struct id_collect {
    struct model *m;
    const struct columns_query *q;
    struct trace_id ids[1000];
    size_t n;
    int64_t last_ns;
};

static const struct trace_id *trace_of(const struct model *m, const struct any *r)
{
    return m->kind == COLUMNS_SPANS ? &r->span.trace_id : &r->log.trace_id;
}

static int on_trace_id(void *arg, const struct trace_id *id, int64_t time_ns)
{
    struct id_collect *ic = arg;

    assert_true(ic->n < ARRAY_LEN(ic->ids));
    assert_true(ic->n == 0 ||
                (ic->q->oldest_first ? time_ns >= ic->last_ns : time_ns <= ic->last_ns));
    for (size_t i = 0; i < ic->n; i++) {
        assert_memory_not_equal(ic->ids[i].b, id->b, TRACE_ID_SIZE);
    }
    ic->ids[ic->n++] = *id;
    ic->last_ns = time_ns;
    return 0;
}

static void check_trace_ids(struct model *m, struct columns *c, const struct columns_query *q)
{
    struct id_collect *ic = calloc(1, sizeof(*ic));
    struct err err = {0};

    ic->m = m;
    ic->q = q;
    assert_int_equal(columns_trace_ids(c, q, on_trace_id, ic, NULL, &err), 0);
    for (size_t i = 0; i < m->n; i++) {
        const struct trace_id *id = trace_of(m, &m->rows[i]);
        size_t k = 0;

        if (!wanted(m, &m->rows[i], q) || trace_id_is_zero(*id)) {
            continue;
        }
        while (k < ic->n && memcmp(ic->ids[k].b, id->b, TRACE_ID_SIZE) != 0) {
            k++;
        }
        assert_true(k < ic->n);
    }
    free(ic);
}

static const struct resource *resource_of(const struct model *m, const struct any *r)
{
    return m->kind == COLUMNS_SPANS ? r->span.resource : r->log.resource;
}

static void check_streams(struct model *m, struct columns *c, const struct columns_query *q)
{
    struct columns_streams got = {0};
    struct arena a;
    struct err err = {0};

    arena_init(&a, 64 << 20);
    assert_int_equal(columns_streams(c, q, &a, &got, &err), 0);
    for (size_t g = 0; g < got.n; g++) {
        assert_true(got.v[g].rows != 0 && got.v[g].bytes != 0);
        for (size_t i = 0; i < m->n; i++) {
            got.v[g].rows -= wanted(m, &m->rows[i], q) &&
                             same_resource(resource_of(m, &m->rows[i]), got.v[g].resource);
        }
        assert_int_equal(got.v[g].rows, 0);
    }
    for (size_t i = 0; i < m->n; i++) {
        size_t g = 0;

        if (!wanted(m, &m->rows[i], q)) {
            continue;
        }
        while (g < got.n && !same_resource(resource_of(m, &m->rows[i]), got.v[g].resource)) {
            g++;
        }
        assert_true(g < got.n);
    }
    arena_done(&a);
}

static void subtract_names(struct columns_names *got, enum field_scope scope, struct attrs as)
{
    for (size_t i = 0; i < as.n; i++) {
        size_t g = 0;

        while (g < got->n && !(got->v[g].scope == scope && str_eq(got->v[g].name, as.v[i].key))) {
            g++;
        }
        assert_true(g < got->n);
        assert_true(got->v[g].types == 0 || (got->v[g].types >> as.v[i].value.type & 1) != 0 ||
                    scope == FIELD_ATTR);
        got->v[g].rows--;
    }
}

static void check_names(struct model *m, struct columns *c, const struct columns_query *q)
{
    struct columns_names got = {0};
    struct arena a;
    struct err err = {0};

    arena_init(&a, 64 << 20);
    assert_int_equal(columns_names(c, q, &a, &got, &err), 0);
    for (size_t i = 0; i < m->n; i++) {
        const struct any *r = &m->rows[i];
        bool spans = m->kind == COLUMNS_SPANS;

        if (wanted(m, r, q)) {
            subtract_names(&got, FIELD_ATTR, spans ? r->span.attrs : r->log.attrs);
            subtract_names(&got, FIELD_RESOURCE, resource_of(m, r)->attrs);
            subtract_names(&got, FIELD_SCOPE, spans ? r->span.scope->attrs : r->log.scope->attrs);
        }
    }
    for (size_t g = 0; g < got.n; g++) {
        assert_int_equal(got.v[g].rows, 0);
    }
    arena_done(&a);
}

struct need_collect {
    size_t n;
};

static int on_part_of_log(void *arg, const struct log_record *l, uint64_t id)
{
    struct need_collect *nc = arg;

    (void)id;
    assert_non_null(l->resource);
    assert_non_null(l->scope);
    nc->n++;
    return 0;
}

static int on_part_of_span(void *arg, const struct span *s, uint64_t id)
{
    struct need_collect *nc = arg;

    (void)id;
    assert_non_null(s->resource);
    assert_non_null(s->scope);
    nc->n++;
    return 0;
}

/* As many rows whatever is needed of them. */
static void check_needs(struct model *m, struct columns *c, const struct columns_query *q)
{
    static const struct str NAME = {"user", 4};
    struct columns_query some = *q;
    size_t want = 0;

    for (size_t i = 0; i < m->n; i++) {
        want += wanted(m, &m->rows[i], q);
    }
    some.attrs = &NAME;
    some.attrs_n = 1;
    for (unsigned bit = 0; bit <= 7; bit++) {
        struct need_collect nc = {0};
        struct err err = {0};

        some.need = 1u << bit;
        assert_int_equal(
            m->kind == COLUMNS_SPANS
                ? columns_scan_spans(c, &some, first_ns(q), 0, on_part_of_span, &nc, NULL, &err)
                : columns_scan_logs(c, &some, first_ns(q), 0, on_part_of_log, &nc, NULL, &err),
            0);
        assert_int_equal(nc.n, want);
    }
}

static struct columns_query everything(void)
{
    return (struct columns_query){.min_ns = INT64_MIN, .max_ns = INT64_MAX};
}

static struct columns_query window(struct model *m)
{
    uint64_t span = (uint64_t)m->g.span_ns;
    int64_t a = m->g.base_ns + (int64_t)gen_below(&m->g, span);
    int64_t b = m->g.base_ns + (int64_t)gen_below(&m->g, span);

    return (struct columns_query){.min_ns = a < b ? a : b, .max_ns = (a < b ? b : a) + 1};
}

static size_t rows_left(const struct model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++) {
        n += m->rows[i].gone ? 0 : 1;
    }
    return n;
}

static void check_everything(struct model *m, struct columns *c, size_t filters)
{
    static const struct field SPAN_BY[] = {{FIELD_INTRINSIC, {"service", 7}},
                                           {FIELD_INTRINSIC, {"status", 6}},
                                           {FIELD_ANY, {"user", 4}},
                                           {FIELD_ATTR, {"http.status", 11}},
                                           {FIELD_ATTR, {"map", 3}}};
    static const struct field LOG_BY[] = {{FIELD_INTRINSIC, {"severity_number", 15}},
                                          {FIELD_INTRINSIC, {"body", 4}},
                                          {FIELD_ANY, {"user", 4}},
                                          {FIELD_RESOURCE, {"host.name", 9}},
                                          {FIELD_INTRINSIC, {"trace_id", 8}}};
    struct columns_query q = everything();
    struct columns_status st;

    check_scan(m, c, &q);
    check_pages(m, c, &q, 333);
    columns_status(c, &st);
    assert_int_equal(st.rows, rows_left(m));
    for (size_t i = 0; i < filters; i++) {
        const struct field *by = m->kind == COLUMNS_SPANS ? &SPAN_BY[i % ARRAY_LEN(SPAN_BY)]
                                                          : &LOG_BY[i % ARRAY_LEN(LOG_BY)];

        q = window(m);
        q.filter = gen_filter(&m->g, m->kind, 0);
        q.oldest_first = gen_below(&m->g, 2) != 0;
        assert_non_null(q.filter);
        check_scan(m, c, &q);
        if (i % 4 == 0) {
            check_pages(m, c, &q, 1 + gen_below(&m->g, 100));
            check_values(m, c, &q, *by);
            check_histogram(m, c, &q, i % 8 == 0 ? NULL : by, 1 + gen_below(&m->g, 40));
            check_streams(m, c, &q);
            check_names(m, c, &q);
            check_trace_ids(m, c, &q);
            check_needs(m, c, &q);
        }
    }
    q = everything();
    check_streams(m, c, &q);
    check_names(m, c, &q);
    if (m->kind == COLUMNS_SPANS) {
        check_traces(m, c, 10);
        check_trace_batch(m, c, &q);
        q = window(m);
        check_trace_batch(m, c, &q);
    }
}

/* The same rows at each stage of their life. */
static void life(enum columns_kind kind, uint64_t seed)
{
    struct model m;
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, kind);
    struct columns_status st;

    model_init(&m, kind, seed, 50LL * HOUR_MS);
    add_rows(&m, c, 700);
    check_everything(&m, c, 30); /* in memory */
    flush(c);
    columns_status(c, &st);
    assert_int_equal(st.memory_rows, 0);
    assert_true(st.parts >= 2); /* several days */
    check_everything(&m, c, 60);
    add_rows(&m, c, 500);
    check_everything(&m, c, 20); /* parts and memory */
    columns_close(c);
    c = open_store(dir, kind);
    check_everything(&m, c, 20);
    for (int i = 0; i < 4; i++) {
        add_rows(&m, c, 200);
        flush(c);
    }
    check_everything(&m, c, 20);
    compact(c);
    columns_status(c, &st);
    assert_true(st.parts <= 4);
    check_everything(&m, c, 60);
    columns_close(c);
    c = open_store(dir, kind);
    check_everything(&m, c, 5);
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

/* Delete by filter in the engine and in the model. */
static void delete_some(struct model *m, struct columns *c)
{
    for (size_t tries = 0, done = 0; tries < 100 && done < 3; tries++) {
        struct columns_query q = window(m);
        struct err err = {0};
        uint64_t rows = 0;
        size_t want = 0;

        q.filter = gen_filter(&m->g, m->kind, 0);
        for (size_t i = 0; i < m->n; i++) {
            want += wanted(m, &m->rows[i], &q);
        }
        if (want == 0 || want * 5 > rows_left(m)) {
            continue;
        }
        for (size_t i = 0; i < m->n; i++) {
            m->rows[i].gone = m->rows[i].gone || wanted(m, &m->rows[i], &q);
        }
        assert_int_equal(columns_delete(c, &q, &rows, &err), 0);
        assert_int_equal(rows, want);
        done++;
    }
}

static void deletion(enum columns_kind kind, uint64_t seed)
{
    struct model m;
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, kind);
    struct columns_query all = everything();
    struct cancel cancel;
    struct err err = {0};
    uint64_t rows = 0;

    model_init(&m, kind, seed, 50LL * HOUR_MS);
    add_rows(&m, c, 900);
    delete_some(&m, c); /* some in memory, some in parts already */
    check_everything(&m, c, 10);
    add_rows(&m, c, 300);
    delete_some(&m, c);
    check_everything(&m, c, 10);
    columns_close(c);
    c = open_store(dir, kind);
    check_everything(&m, c, 10);
    compact(c);
    check_everything(&m, c, 10);
    cancel_init(&cancel, 0);
    cancel_set(&cancel);
    all.cancel = &cancel;
    assert_int_equal(columns_delete(c, &all, &rows, &err), -ERR_CANCELED);
    check_everything(&m, c, 2);
    all.cancel = NULL;
    assert_int_equal(columns_delete(c, &all, &rows, &err), 0);
    assert_int_equal(rows, rows_left(&m));
    compact(c); /* nothing is left of the parts */
    for (size_t i = 0; i < m.n; i++) {
        m.rows[i].gone = true;
    }
    check_scan(&m, c, &(struct columns_query){.min_ns = INT64_MIN, .max_ns = INT64_MAX});
    columns_close(c);
    c = open_store(dir, kind);
    check_scan(&m, c, &(struct columns_query){.min_ns = INT64_MIN, .max_ns = INT64_MAX});
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

static void test_delete(void **state)
{
    (void)state;
    deletion(COLUMNS_SPANS, 51);
    deletion(COLUMNS_LOGS, 52);
}

/* Few resources: merges copy whole blocks. */
static void copied(enum columns_kind kind, uint64_t seed)
{
    struct model m;
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, kind);
    struct columns_status st;

    model_init(&m, kind, seed, 2LL * HOUR_MS);
    m.g.resources_n = 2;
    for (int i = 0; i < 3; i++) {
        add_rows(&m, c, 2600);
        flush(c);
        add_rows(&m, c, 150);
        flush(c);
    }
    compact(c);
    columns_status(c, &st);
    assert_true(st.parts <= 2);
    check_everything(&m, c, 4);
    delete_some(&m, c);
    compact(c);
    columns_close(c);
    c = open_store(dir, kind);
    check_everything(&m, c, 4);
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

static void test_copied_blocks(void **state)
{
    (void)state;
    copied(COLUMNS_SPANS, 61);
    copied(COLUMNS_LOGS, 62);
}

static void test_life_of_spans(void **state)
{
    (void)state;
    life(COLUMNS_SPANS, 11);
}

static void test_life_of_logs(void **state)
{
    (void)state;
    life(COLUMNS_LOGS, 12);
}

/* Many rows in few blocks, and so many attribute names that most share the rest column. */
static void many_names(enum columns_kind kind, uint64_t seed)
{
    struct model m;
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, kind);

    model_init(&m, kind, seed, HOUR_MS);
    m.g.rare_every = 3;
    add_rows(&m, c, 3000);
    flush(c);
    check_everything(&m, c, 60);
    add_rows(&m, c, 2000);
    compact(c);
    check_everything(&m, c, 40);
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

static void test_many_names(void **state)
{
    (void)state;
    many_names(COLUMNS_SPANS, 21);
    many_names(COLUMNS_LOGS, 22);
}

/* Wide events and large bodies. */
static void test_wide(void **state)
{
    enum { WIDE = 500, ROWS = 40, BODY = 1 << 20 };

    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, COLUMNS_LOGS);
    struct model m;
    struct columns_commit commit;
    struct columns_query q = everything();

    (void)state;
    model_init(&m, COLUMNS_LOGS, 3, HOUR_MS);
    for (size_t i = 0; i < ROWS; i++) {
        struct any *r = &m.rows[m.n++];
        struct attr *v = arena_calloc(&m.g.a, WIDE, sizeof(*v));
        char *body = arena_alloc(&m.g.a, BODY, 1);

        for (size_t k = 0; k < WIDE; k++) {
            v[k].key = arena_printf(&m.g.a, "field.%zu", (k * 3 + i) % 700);
            v[k].value = (struct value){.type = VALUE_I64, .u.i = (int64_t)(i * k)};
        }
        memset(body, 'a' + (int)(i % 20), BODY);
        gen_log(&m.g, &r->log);
        r->log.attrs = (struct attrs){v, WIDE};
        if (i % 8 == 0) {
            r->log.body = (struct value){.type = VALUE_STR, .u.s = str_of(body, BODY)};
        }
        r->t = r->log.time_ns;
        assert_int_equal(columns_append_logs(c, &r->log, 1, &commit, NULL), 0);
    }
    check_scan(&m, c, &q);
    flush(c);
    check_scan(&m, c, &q);
    check_pages(&m, c, &q, 7);
    compact(c);
    check_scan(&m, c, &q);
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

/* What a query may hold, how long it may run, and what its budget has afterwards. */
static void test_query_limits(void **state)
{
    const struct columns_buckets over = {.step_ns = 1000, .n = 5};
    const struct columns_buckets no_step = {.n = 5};
    struct columns_groups got;
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, COLUMNS_LOGS);
    struct model m;
    struct budget small;
    struct budget large;
    struct cancel cancel;
    struct columns_query q = everything();
    struct columns_job jobs[COLUMNS_JOBS];
    struct arena a;

    (void)state;
    model_init(&m, COLUMNS_LOGS, 5, HOUR_MS);
    budget_init(&small, 20000, NULL);
    budget_init(&large, 1 << 30, NULL);
    add_rows(&m, c, 2000);
    arena_init(&a, 1 << 20);
    for (int stage = 0; stage < 2; stage++) {
        struct collect col = {.m = &m, .q = &q};

        q.budget = &small;
        forget_seen(&m);
        assert_int_equal(columns_scan_logs(c, &q, INT64_MAX, 0, on_log, &col, NULL, NULL),
                         -ERR_NOMEM);
        assert_int_equal(budget_used(&small), 0);
        q.budget = &large;
        check_scan(&m, c, &q);
        assert_int_equal(budget_used(&large), 0);
        cancel_init(&cancel, 0);
        cancel_set(&cancel);
        q.cancel = &cancel;
        assert_int_equal(columns_scan_logs(c, &q, INT64_MAX, 0, on_log, &col, NULL, NULL),
                         -ERR_CANCELED);
        assert_int_equal(columns_histogram(c, &q, &over, &a, &got, NULL), -ERR_CANCELED);
        cancel_init(&cancel, 1);
        clock_sleep_ms(5);
        assert_int_equal(columns_scan_logs(c, &q, INT64_MAX, 0, on_log, &col, NULL, NULL),
                         -ERR_TIMEOUT);
        q.cancel = NULL;
        assert_int_equal(columns_histogram(c, &q, &no_step, &a, &got, NULL), -ERR_INVALID);
        assert_int_equal(budget_used(&large), 0);
        flush(c);
    }
    assert_int_equal(columns_jobs(c, jobs), COLUMNS_JOBS);
    assert_string_equal(jobs[0].name, "flush");
    assert_int_equal(jobs[0].runs, 1);
    assert_int_equal(jobs[0].failures, 0);
    assert_false(jobs[0].running);
    arena_done(&a);
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

static void test_empty(void **state)
{
    struct model m;
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, COLUMNS_LOGS);
    struct columns_status st;
    struct columns_commit commit;
    uint64_t bytes = 7;

    (void)state;
    model_init(&m, COLUMNS_LOGS, 1, HOUR_MS);
    assert_int_equal(columns_append_logs(c, NULL, 0, &commit, NULL), 0);
    check_everything(&m, c, 4);
    flush(c);
    compact(c);
    columns_status(c, &st);
    assert_int_equal(st.parts, 0);
    assert_int_equal(st.oldest_ns, INT64_MAX);
    assert_int_equal(st.newest_ns, INT64_MIN);
    assert_int_equal(columns_oldest_part_ns(c, &bytes), INT64_MAX);
    assert_int_equal(bytes, 0);
    columns_close(c);
    model_done(&m);
    gen_rmdir(dir);
}

static void test_rejects(void **state)
{
    char *dir = gen_tmpdir();
    struct columns_opts o = {
        .kind = COLUMNS_LOGS, .dir = dir, .retention_ms = 24LL * HOUR_MS, .future_ms = HOUR_MS};
    struct resource r = {0};
    struct scope s = {0};
    int64_t now_ns = clock_wall_ns();
    const int64_t hour_ns = (int64_t)HOUR_MS * 1000000;
    struct log_record logs[4] = {
        {.time_ns = now_ns - 25 * hour_ns, .resource = &r, .scope = &s},
        {.time_ns = now_ns - 23 * hour_ns, .resource = &r, .scope = &s},
        {.time_ns = now_ns, .resource = &r, .scope = &s},
        {.time_ns = now_ns + 2 * hour_ns, .resource = &r, .scope = &s},
    };
    struct columns_commit commit;
    struct columns_status st;
    struct columns *c;
    struct span span = {.resource = &r, .scope = &s};
    struct err err = {0};

    (void)state;
    assert_int_equal(columns_open(&o, &c, NULL), 0);
    assert_int_equal(columns_append_logs(c, logs, 4, &commit, NULL), 0);
    assert_int_equal(commit.accepted, 2);
    assert_int_equal(commit.rejected[COLUMNS_REJECT_TOO_OLD], 1);
    assert_int_equal(commit.rejected[COLUMNS_REJECT_TOO_NEW], 1);
    assert_int_equal(columns_append_spans(c, &span, 1, &commit, &err), -ERR_INVALID);
    columns_status(c, &st);
    assert_int_equal(st.rows, 2);
    assert_int_equal(st.oldest_ns, logs[1].time_ns);
    assert_int_equal(st.newest_ns, logs[2].time_ns);
    columns_close(c);
    gen_rmdir(dir);
}

struct tail_seen {
    size_t rows;
    size_t calls;
};

static void on_tail(void *arg, const struct log_record *rows, size_t n)
{
    struct tail_seen *t = arg;

    for (size_t i = 0; i < n; i++) {
        assert_true(rows[i].time_ns > 1000);
    }
    t->rows += n;
    t->calls++;
}

static void test_tail(void **state)
{
    char *dir = gen_tmpdir();
    struct columns *c = open_store(dir, COLUMNS_LOGS);
    struct resource r = {0};
    struct scope s = {0};
    struct log_record logs[4];
    struct tail_seen a = {0};
    struct tail_seen b = {0};
    struct columns_subscription *sa = columns_subscribe_logs(c, on_tail, &a);
    struct columns_subscription *sb = columns_subscribe_logs(c, on_tail, &b);
    struct columns_commit commit;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        logs[i] = (struct log_record){.time_ns = clock_wall_ns(), .resource = &r, .scope = &s};
    }
    logs[1].time_ns = -1; /* refused: not shown */
    assert_int_equal(columns_append_logs(c, logs, 4, &commit, NULL), 0);
    assert_int_equal(a.rows, 3);
    assert_int_equal(b.rows, 3);
    columns_unsubscribe(sa);
    assert_int_equal(columns_append_logs(c, logs + 2, 2, &commit, NULL), 0);
    assert_int_equal(a.rows, 3);
    assert_int_equal(b.rows, 5);
    columns_unsubscribe(sb);
    columns_unsubscribe(NULL);
    columns_close(c);
    gen_rmdir(dir);
}

static int start_threads(void **state)
{
    (void)state;
    threads = pool_new("columns", 3, 16);
    return threads != NULL ? 0 : -1;
}

static int stop_threads(void **state)
{
    (void)state;
    pool_free(threads);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),         cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_tail),          cmocka_unit_test(test_life_of_spans),
        cmocka_unit_test(test_life_of_logs),  cmocka_unit_test(test_many_names),
        cmocka_unit_test(test_wide),          cmocka_unit_test(test_delete),
        cmocka_unit_test(test_copied_blocks), cmocka_unit_test(test_query_limits),
    };

    return cmocka_run_group_tests(tests, start_threads, stop_threads);
}
