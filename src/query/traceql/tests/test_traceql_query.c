/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries over a store: what search finds and shows, the numbers of metrics, names and values. The data is a few
 * small traces whose answers are known by hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "io/vfs.h"
#include "model/value_text.h"
#include "query/traceql/traceql.h"

static const int64_t S = 1000000000;

struct world {
    struct columns *c;
    char dir[64];
    int64_t t0; /* of the first trace, a multiple of a minute */
    struct traceql_source src;
};

static struct world w;

#define ATTR_STR(k, v)      \
    {                       \
        STR(k),             \
        {                   \
            VALUE_STR,      \
            {               \
                .s = STR(v) \
            }               \
        }                   \
    }
#define ATTR_INT(k, v)   \
    {                    \
        STR(k),          \
        {                \
            VALUE_I64,   \
            {            \
                .i = (v) \
            }            \
        }                \
    }

static const struct attr FRONT[] = {ATTR_STR("service.name", "front"), ATTR_STR("env", "prod")};
static const struct attr DB[] = {ATTR_STR("service.name", "db")};
static const struct resource RESOURCES[] = {{.attrs = {FRONT, 2}}, {.attrs = {DB, 1}}};
static const struct attr LANG[] = {ATTR_STR("language", "go")};
static const struct scope SCOPE = {.name = STR("lib"), .version = STR("2"), .attrs = {LANG, 1}};

static const struct attr GET200[] = {ATTR_STR("http.method", "GET"), ATTR_INT("code", 200)};
static const struct attr GET500[] = {ATTR_STR("http.method", "GET"), ATTR_INT("code", 500)};
static const struct value TAGS[] = {{VALUE_STR, {.s = STR("x")}}, {VALUE_STR, {.s = STR("y")}}};
static const struct attr QUERY[] = {ATTR_STR("db.system", "postgresql"),
                                    ATTR_INT("rows", 10),
                                    {STR("tags"), {VALUE_ARRAY, {.array = {TAGS, 2}}}}};
static const struct attr EXCEPTION[] = {ATTR_STR("exception.message", "boom")};

/* Three traces a minute apart: front -> (db, db); the third fails in its second query and has no root yet. */
static void add_trace(unsigned n)
{
    int64_t t = w.t0 + n * 60 * S;
    struct span_event event = {
        .time_ns = t + S / 10, .name = STR("exception"), .attrs = {EXCEPTION, 1}};
    struct span v[3];
    struct columns_commit done;
    struct err e = {0};
    bool bad = n == 2;

    for (unsigned i = 0; i < 3; i++) {
        v[i] = (struct span){.trace_id = {{1, (uint8_t)(n + 1)}},
                             .span_id = {{9, (uint8_t)(n + 1), (uint8_t)(i + 1)}},
                             .name = i == 0 ? STR("GET /") : STR("SELECT"),
                             .start_ns = t + (int64_t)i * S / 10,
                             .end_ns = t + (int64_t)i * S / 10 + (i == 0 ? S : (int64_t)i * S / 20),
                             .arrival_ns = t,
                             .resource = &RESOURCES[i != 0],
                             .scope = &SCOPE,
                             .kind = i == 0 ? SPAN_SERVER : SPAN_CLIENT,
                             .attrs = i == 0 ? (struct attrs){bad ? GET500 : GET200, 2}
                                             : (struct attrs){QUERY, 3}};
        if (i != 0) {
            v[i].parent_id = v[0].span_id;
        }
    }
    if (bad) {
        v[2].status = SPAN_STATUS_ERROR;
        v[2].status_message = STR("dead");
        v[2].events = &event;
        v[2].events_n = 1;
        assert_int_equal(columns_append_spans(w.c, v + 1, 2, &done, &e), 0);
    } else {
        assert_int_equal(columns_append_spans(w.c, v, 3, &done, &e), 0);
    }
}

static int setup(void **state)
{
    struct columns_opts opts = {.kind = COLUMNS_SPANS, .dir = w.dir};
    struct err e = {0};

    (void)state;
    snprintf(w.dir, sizeof(w.dir), "/tmp/traceql.XXXXXX");
    if (mkdtemp(w.dir) == NULL || columns_open(&opts, &w.c, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return -1;
    }
    w.t0 = (clock_wall_ns() - 600 * S) / (60 * S) * (60 * S);
    add_trace(0);
    add_trace(1);
    if (columns_flush(w.c, &e) < 0) { /* some in a part, some in memory */
        return -1;
    }
    add_trace(2);
    w.src = (struct traceql_source){.spans = w.c, .min_ns = w.t0, .max_ns = w.t0 + 240 * S};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    columns_close(w.c);
    return vfs_remove_tree(vfs_real(), w.dir, NULL);
}

static struct traceql *parse(const char *text)
{
    struct traceql *q = NULL;
    struct err e = {0};

    if (traceql_parse(str_cstr(text), &q, &e) < 0) {
        fail_msg("%s: %s", text, e.msg);
    }
    return q;
}

static void add_attrs(struct buf *b, struct attrs as)
{
    struct buf scratch CLEANUP(buf_done);

    buf_init(&scratch, 1 << 16);
    for (size_t i = 0; i < as.n; i++) {
        buf_clear(&scratch);
        buf_printf(b, " %.*s=%.*s", STR_ARG(as.v[i].key),
                   STR_ARG(value_text(&as.v[i].value, &scratch)));
    }
}

/* "trace 2: [3 spans: 1{a=b} 2 | by(x)=y]" */
static void show(struct buf *b, const struct traceql_traces *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct traceql_trace *t = &r->v[i];

        buf_printf(b, "%s%d:", i != 0 ? " " : "", t->id.b[1]);
        for (size_t k = 0; k < t->spansets_n; k++) {
            const struct traceql_spanset *s = &t->spansets[k];

            buf_printf(b, "[%d", (int)s->matched);
            for (size_t j = 0; j < s->n; j++) {
                buf_printf(b, " #%d", s->v[j].id.b[2]);
                add_attrs(b, s->v[j].attrs);
            }
            buf_add_cstr(b, s->attrs.n != 0 ? " |" : "");
            add_attrs(b, s->attrs);
            buf_add_byte(b, ']');
        }
    }
}

static const struct {
    const char *query;
    const char *want;
} SEARCHES[] = {
    {"{}", "3:[2 #2 #3] 2:[3 #1 #2 #3] 1:[3 #1 #2 #3]"},
    {"{ false }", ""},
    {"{ name = \"SELECT\" && duration > 60ms }", "3:[1 #3] 2:[1 #3] 1:[1 #3]"},
    {"{ status = error }", "3:[1 #3 status=error]"},
    {"{ resource.service.name = \"front\" }",
     "2:[1 #1 service.name=front] 1:[1 #1 service.name=front]"},
    {"{ span.tags = \"y\" && span.tags != \"z\" } | count() > 1",
     "3:[2 #2 tags=[\"x\",\"y\"] #3 tags=[\"x\",\"y\"] | count()=2] 2:[2 #2 tags=[\"x\",\"y\"] #3 "
     "tags=[\"x\",\"y\"] | count()=2] 1:[2 #2 tags=[\"x\",\"y\"] #3 tags=[\"x\",\"y\"] | count()=2]"},
    {"{ event.exception.message = \"boom\" }", "3:[1 #3 exception.message=boom]"},
    {"{ event:name = \"exception\" }", "3:[1 #3 event:name=exception]"},
    {"{ instrumentation:name = \"lib\" && status = error }",
     "3:[1 #3 instrumentation:name=lib status=error]"},
    {"{ rootServiceName = \"front\" && name = \"SELECT\" }", "2:[2 #2 #3] 1:[2 #2 #3]"},
    {"{ trace:rootName = \"GET /\" }", "2:[3 #1 #2 #3] 1:[3 #1 #2 #3]"},
    {"{ traceDuration > 500ms }", "2:[3 #1 #2 #3] 1:[3 #1 #2 #3]"},
    {"{ traceDuration < 500ms }", "3:[2 #2 #3]"},
    {"{ nestedSetParent < 0 }", "2:[1 #1 nestedSetParent=-1] 1:[1 #1 nestedSetParent=-1]"},
    {"{ span:childCount = 2 }", "2:[1 #1 childCount=2] 1:[1 #1 childCount=2]"},
    {"{ parent.http.method = \"GET\" }",
     "2:[2 #2 http.method=GET #3 http.method=GET] 1:[2 #2 http.method=GET #3 http.method=GET]"},
    {"{ name = \"GET /\" } >> { name = \"SELECT\" }", "2:[2 #2 #3] 1:[2 #2 #3]"},
    {"{ name = \"SELECT\" } < { name = \"GET /\" }", "2:[1 #1] 1:[1 #1]"},
    {"{ duration = 50ms } ~ { duration = 100ms }", "3:[1 #3] 2:[1 #3] 1:[1 #3]"},
    {"{ name = \"GET /\" } &> { duration = 50ms }", "2:[2 #1 #2] 1:[2 #1 #2]"},
    {"{ name = \"GET /\" } !> { name = \"SELECT\" }", "3:[2 #2 #3]"},
    {"{ } !< { resource.service.name = \"db\" }",
     "3:[2 #2 service.name=db #3 service.name=db] 2:[2 #2 service.name=db #3 service.name=db] "
     "1:[2 #2 service.name=db #3 service.name=db]"},
    {"{ name = \"GET /\" } && { status = error }", ""},
    {"{ name = \"GET /\" } || { status = error }", "3:[1 #3 status=error] 2:[1 #1 status=unset] "
                                                   "1:[1 #1 status=unset]"},
    {"{} | by(resource.service.name) | count() = 2",
     "3:[2 #2 service.name=db #3 service.name=db | by(resource.service.name)=db count()=2] 2:[2 #2 "
     "service.name=db #3 service.name=db | by(resource.service.name)=db count()=2] 1:[2 #2 "
     "service.name=db #3 service.name=db | by(resource.service.name)=db count()=2]"},
    {"{} | by(name) | coalesce() | count() = 3",
     "2:[3 #1 #2 #3 | count()=3] 1:[3 #1 #2 #3 | count()=3]"},
    {"sum(span.rows) = 20 && count() > 0", "error"},
    {"sum(span.rows) >= 20", "3:[2 #2 rows=10 #3 rows=10 | sum(span.rows)=20] 2:[3 #1 #2 rows=10 "
                             "#3 rows=10 | sum(span.rows)=20] 1:[3 #1 #2 rows=10 #3 rows=10 | "
                             "sum(span.rows)=20]"},
    {"{ name = \"SELECT\" } | avg(duration) = 75ms",
     "3:[2 #2 #3 | avg(duration)=75ms] 2:[2 #2 #3 | avg(duration)=75ms] 1:[2 #2 #3 | "
     "avg(duration)=75ms]"},
    {"{ status = error } | select(span.rows, resource.service.name)",
     "3:[1 #3 status=error rows=10 service.name=db]"},
    {"({ status = error } | count() > 0) && { name = \"SELECT\" }",
     "3:[2 #2 status=unset #3 status=error]"},
    {"({ name = \"SELECT\" } | count()) > ({ kind = server } | count())",
     "2:[3 #1 kind=server #2 kind=client #3 kind=client] 1:[3 #1 kind=server #2 kind=client #3 "
     "kind=client]"},
    {"{ trace:id = \"01010000000000000000000000000000\" }", "1:[3 #1 #2 #3]"},
};

static void check_search(const char *text, const char *want)
{
    const struct traceql_search_opts opts = {.limit = 10};
    struct traceql_traces r = {0};
    struct traceql *q = NULL;
    struct err e = {0};
    struct arena a;
    struct buf b;

    arena_init(&a, 16 << 20);
    buf_init(&b, 1 << 16);
    if (traceql_parse(str_cstr(text), &q, &e) < 0) {
        buf_add_cstr(&b, "error");
    } else if (traceql_search(q, &w.src, &opts, &a, &r, &e) < 0) {
        buf_add_cstr(&b, e.msg);
    } else {
        show(&b, &r);
    }
    if (!str_eq(buf_str(&b), str_cstr(want))) {
        fail_msg("%s\n got  %.*s\n want %s", text, STR_ARG(buf_str(&b)), want);
    }
    traceql_free(q);
    buf_done(&b);
    arena_done(&a);
}

static void test_search(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SEARCHES); i++) {
        check_search(SEARCHES[i].query, SEARCHES[i].want);
    }
}

static void test_search_limits(void **state)
{
    struct traceql_search_opts opts = {.limit = 2, .spans_per_spanset = 1};
    struct traceql_traces r = {0};
    struct traceql *q = parse("{}");
    struct err e = {0};
    struct arena a;

    (void)state;
    arena_init(&a, 16 << 20);
    assert_int_equal(traceql_search(q, &w.src, &opts, &a, &r, &e), 0);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.v[0].id.b[1], 3);
    assert_int_equal(r.v[0].root_name.n, 0);
    assert_int_equal(r.v[1].spansets[0].n, 1);
    assert_int_equal(r.v[1].spansets[0].matched, 3);
    assert_true(str_eq(r.v[1].root_name, STR("GET /")));
    assert_true(str_eq(r.v[1].root_service, STR("front")));
    assert_int_equal(r.v[1].duration_ns, S);
    assert_int_equal(r.v[1].start_ns, w.t0 + 60 * S);
    assert_int_equal(r.v[1].services_n, 2);
    assert_int_equal(r.v[1].services[1].spans, 2);
    assert_int_equal(r.stats.traces, 2);
    opts = (struct traceql_search_opts){.limit = 10, .max_duration_ns = S / 2};
    assert_int_equal(traceql_search(NULL, &w.src, &opts, &a, &r, &e), 0);
    assert_int_equal(r.n, 1);
    opts = (struct traceql_search_opts){.limit = 10, .min_duration_ns = S / 2};
    assert_int_equal(traceql_search(NULL, &w.src, &opts, &a, &r, &e), 0);
    assert_int_equal(r.n, 2);
    arena_done(&a);
    arena_init(&a, 4096); /* an answer that does not fit is an error */
    assert_int_equal(traceql_search(q, &w.src, &opts, &a, &r, &e), -ERR_LIMIT);
    traceql_free(q);
    arena_done(&a);
}

static const struct {
    const char *query;
    int64_t step_s;   /* 0: instant */
    const char *want; /* {labels}value value; "-" for no point */
} METRICS[] = {
    {"{} | count_over_time()", 60, "{__name__=count_over_time}3 3 2 0"},
    {"{} | count_over_time()", 0, "{__name__=count_over_time}8"},
    {"{} | rate()", 60, "{__name__=rate}0.05 0.05 0.03333333333333333 0"},
    {"{} | rate()", 0, "{__name__=rate}0.03333333333333333"},
    {"{} | count_over_time() by(resource.service.name)", 60,
     "{resource.service.name=db}2 2 2 0 {resource.service.name=front}1 1 0 0"},
    {"{} | count_over_time() by(span.code)", 0, "{span.code=nil}6 {span.code=200}2"},
    {"{ status = error } | count_over_time() by(name, status)", 60,
     "{name=SELECT status=error}0 0 1 0"},
    {"{} | min_over_time(duration)", 60, "{__name__=min_over_time}0.05 0.05 0.05 -"},
    {"{} | max_over_time(duration)", 60, "{__name__=max_over_time}1 1 0.1 -"},
    {"{ name = \"SELECT\" } | avg_over_time(duration)", 0, "{__name__=avg_over_time}0.075"},
    {"{} | sum_over_time(span.rows)", 60, "{__name__=sum_over_time}20 20 20 -"},
    {"{} | sum_over_time(span.gone)", 60, ""},
    {"{} | histogram_over_time(duration)", 0,
     "{__bucket=0.067108864}3 {__bucket=0.134217728}3 {__bucket=1.073741824}2"},
    {"{ nestedSetParent < 0 } | count_over_time()", 0, "{__name__=count_over_time}2"},
    {"{ nestedSetParent >= 0 && true } | count_over_time()", 0, "{__name__=count_over_time}6"},
    {"{ rootName = \"GET /\" } | count_over_time()", 60, "{__name__=count_over_time}3 3 0 0"},
    {"{ name = \"GET /\" } >> {} | count_over_time() by(name)", 60, "{name=SELECT}2 2 0 0"},
    {"{} | count_over_time() by(rootName)", 0, "{rootName=GET /}6 {rootName=nil}2"},
    {"{} | by(resource.service.name) | count() > 1 | count_over_time() by(resource.service.name)",
     0, "{resource.service.name=db}6"},
    {"{} | count_over_time() by(resource.service.name) | topk(1)", 60,
     "{resource.service.name=db}2 2 2 0"},
    {"{} | count_over_time() by(resource.service.name) | bottomk(1)", 60,
     "{resource.service.name=db}- - - 0 {resource.service.name=front}1 1 0 -"},
    {"{} | count_over_time() by(resource.service.name) > 1", 60,
     "{resource.service.name=db}2 2 2 -"},
    {"({ resource.service.name = \"db\" } | count_over_time()) / ({} | count_over_time())", 60,
     "{__name__=count_over_time}0.6666666666666666 0.6666666666666666 1 -"},
    {"({} | count_over_time()) * 2 > 5", 60, "{__name__=count_over_time}6 6 - -"},
    {"10 - ({} | count_over_time())", 0, "{__name__=count_over_time}2"},
    {"{ name = \"GET /\" } | compare({ span.code = 200 })", 0,
     "{__meta_type=selection kind=server}2 {__meta_type=selection name=GET /}2 "
     "{__meta_type=selection resource.env=prod}2 {__meta_type=selection resource.service.name=front}2 "
     "{__meta_type=selection span.code=200}2 {__meta_type=selection span.http.method=GET}2 "
     "{__meta_type=selection status=unset}2 {__meta_type=selection_total kind=nil}2 "
     "{__meta_type=selection_total name=nil}2 {__meta_type=selection_total resource.env=nil}2 "
     "{__meta_type=selection_total resource.service.name=nil}2 {__meta_type=selection_total "
     "span.code=nil}2 {__meta_type=selection_total span.http.method=nil}2 "
     "{__meta_type=selection_total status=nil}2"},
};

static void show_series(struct buf *b, const struct traceql_metrics *r)
{
    for (size_t i = 0; i < r->n; i++) {
        size_t at;

        buf_add_cstr(b, i != 0 ? " {" : "{");
        at = b->n;
        add_attrs(b, r->v[i].labels);
        memmove(b->data + at, b->data + at + 1, b->n - at - 1);
        b->data[b->n - 1] = '}';
        for (size_t k = 0; k < r->steps; k++) {
            buf_add_cstr(b, k != 0 ? " " : "");
            if (isnan(r->v[i].values[k])) {
                buf_add_byte(b, '-');
            } else {
                buf_add_f64(b, r->v[i].values[k]);
            }
        }
    }
}

static void check_metrics(const char *text, int64_t step_s, const char *want)
{
    const struct traceql_metrics_opts opts = {
        .step_ns = step_s * S, .max_exemplars = 10, .max_series = 100};
    struct traceql_metrics r = {0};
    struct traceql *q = NULL;
    struct err e = {0};
    struct arena a;
    struct buf b;

    arena_init(&a, 16 << 20);
    buf_init(&b, 1 << 16);
    if (traceql_parse(str_cstr(text), &q, &e) < 0) {
        buf_add_cstr(&b, "error");
    } else if (traceql_metrics(q, &w.src, &opts, &a, &r, &e) < 0) {
        buf_add_cstr(&b, e.msg);
    } else {
        show_series(&b, &r);
    }
    if (!str_eq(buf_str(&b), str_cstr(want))) {
        fail_msg("%s\n got  %.*s\n want %s", text, STR_ARG(buf_str(&b)), want);
    }
    traceql_free(q);
    buf_done(&b);
    arena_done(&a);
}

static void test_metrics(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(METRICS); i++) {
        check_metrics(METRICS[i].query, METRICS[i].step_s, METRICS[i].want);
    }
}

static void test_quantiles(void **state)
{
    const struct traceql_metrics_opts opts = {.max_series = 100};
    struct traceql *q = parse("{} | quantile_over_time(duration, 1, .5)");
    struct traceql_metrics r = {0};
    struct err e = {0};
    struct arena a;

    (void)state;
    arena_init(&a, 16 << 20);
    assert_int_equal(traceql_metrics(q, &w.src, &opts, &a, &r, &e), 0);
    assert_int_equal(r.n, 2); /* sorted: p=0.5, p=1 */
    assert_true(fabs(r.v[0].values[0] / 0.1 - 1) < 0.05);
    assert_true(fabs(r.v[1].values[0] / 1.0 - 1) < 0.05);
    traceql_free(q);
    arena_done(&a);
}

static void test_exemplars(void **state)
{
    const struct traceql_metrics_opts opts = {
        .step_ns = 60 * S, .max_exemplars = 2, .max_series = 100};

    static const struct {
        const char *query;
        size_t want;
    } CASES[] = {
        {"{} | count_over_time()", 2},
        {"{} | count_over_time() with(exemplars=true)", 2},
        {"{} | count_over_time() with(exemplars=false)", 0},
        {"{} | count_over_time() with(exemplars=4)", 3},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct traceql *q = parse(CASES[i].query);
        struct traceql_metrics r = {0};
        struct err e = {0};
        struct arena a;

        arena_init(&a, 16 << 20);
        assert_int_equal(traceql_metrics(q, &w.src, &opts, &a, &r, &e), 0);
        assert_int_equal(r.v[0].exemplars_n, CASES[i].want);
        if (CASES[i].want != 0) {
            assert_int_equal(r.v[0].exemplars[0].trace_id.b[1], 3);
            assert_true(r.v[0].exemplars[0].value == 2); /* of its step */
        }
        traceql_free(q);
        arena_done(&a);
    }
}

static void test_metrics_errors(void **state)
{
    struct traceql_metrics_opts opts = {.step_ns = 1, .max_series = 1};
    struct traceql *q = parse("{} | count_over_time() by(name)");
    struct traceql *search = parse("{}");
    struct traceql_metrics r = {0};
    struct err e = {0};
    struct arena a;

    (void)state;
    arena_init(&a, 16 << 20);
    assert_int_equal(traceql_metrics(q, &w.src, &opts, &a, &r, &e), -ERR_INVALID);
    opts.step_ns = 0;
    e = (struct err){0};
    assert_int_equal(traceql_metrics(q, &w.src, &opts, &a, &r, &e), -ERR_LIMIT);
    assert_string_equal(e.msg, "the query gives more than 1 series");
    assert_int_equal(traceql_metrics(search, &w.src, &opts, &a, &r, &e), -ERR_INVALID);
    traceql_free(q);
    traceql_free(search);
    arena_done(&a);
}

static void test_default_step(void **state)
{
    static const struct {
        int64_t range_s;
        int64_t want_ms;
    } CASES[] = {{1, 50}, {30, 100}, {60, 1000}, {3600, 15000}, {10800, 45000}, {86400, 300000}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        assert_int_equal(traceql_default_step_ns(0, CASES[i].range_s * S),
                         CASES[i].want_ms * 1000000);
    }
}

static void test_tags(void **state)
{
    struct traceql *errors = parse("{ status = error }");
    struct traceql_tag_names n = {0};
    struct err e = {0};
    struct arena a;

    (void)state;
    arena_init(&a, 16 << 20);
    assert_int_equal(traceql_tag_names(&w.src, NULL, TRACEQL_TAGS_ALL, 0, &a, &n, &e), 0);
    assert_int_equal(n.by_scope[TRACEQL_TAGS_SPAN].n, 5);
    assert_true(str_eq(n.by_scope[TRACEQL_TAGS_SPAN].v[0], STR("code")));
    assert_int_equal(n.by_scope[TRACEQL_TAGS_RESOURCE].n, 2);
    assert_int_equal(n.by_scope[TRACEQL_TAGS_EVENT].n, 1);
    assert_int_equal(n.by_scope[TRACEQL_TAGS_INSTRUMENTATION].n, 1);
    assert_true(n.by_scope[TRACEQL_TAGS_INTRINSIC].n > 20);
    assert_int_equal(traceql_tag_names(&w.src, errors, TRACEQL_TAGS_RESOURCE, 0, &a, &n, &e), 0);
    assert_int_equal(n.by_scope[TRACEQL_TAGS_SPAN].n, 0);
    assert_int_equal(n.by_scope[TRACEQL_TAGS_RESOURCE].n, 1);
    assert_int_equal(traceql_tag_names(&w.src, NULL, TRACEQL_TAGS_SPAN, 2, &a, &n, &e), 0);
    assert_int_equal(n.by_scope[TRACEQL_TAGS_SPAN].n, 2);
    traceql_free(errors);
    arena_done(&a);
}

static void test_tag_values(void **state)
{
    static const struct {
        const char *name;
        const char *filter;
        const char *want;
    } CASES[] = {
        {"resource.service.name", NULL, "string:db string:front"},
        {".service.name", "{ status = error }", "string:db"},
        {"span.code", NULL, "int:200"},
        {"span.rows", NULL, "int:10"},
        {"status", NULL, "keyword:unset keyword:error"},
        {"kind", NULL, "keyword:client keyword:server"},
        {"name", "{ kind = server }", "string:GET /"},
        {"event.exception.message", NULL, "string:boom"},
        {"event:name", NULL, "string:exception"},
        {"instrumentation:version", NULL, "string:2"},
        {"span.gone", NULL, ""},
        {"rootName", NULL, ""},
        {"nonsense", NULL,
         "parse error at line 1, col 1: syntax error: unexpected nonsense, "
         "expecting an attribute or intrinsic"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct traceql *q = CASES[i].filter != NULL ? parse(CASES[i].filter) : NULL;
        struct traceql_tag_values v = {0};
        struct err e = {0};
        struct arena a;
        struct buf b;

        arena_init(&a, 16 << 20);
        buf_init(&b, 1 << 16);
        if (traceql_tag_values(&w.src, str_cstr(CASES[i].name), q, 0, &a, &v, &e) < 0) {
            buf_add_cstr(&b, e.msg);
        }
        for (size_t k = 0; k < v.n; k++) {
            buf_printf(&b, "%s%s:%.*s", k != 0 ? " " : "", v.v[k].type, STR_ARG(v.v[k].text));
        }
        if (!str_eq(buf_str(&b), str_cstr(CASES[i].want))) {
            fail_msg("%s\n got  %.*s\n want %s", CASES[i].name, STR_ARG(buf_str(&b)),
                     CASES[i].want);
        }
        traceql_free(q);
        buf_done(&b);
        arena_done(&a);
    }
}

static void test_canceled(void **state)
{
    struct traceql_source src = w.src;
    const struct traceql_search_opts opts = {.limit = 10};
    struct traceql *q = parse("{} >> {}");
    struct traceql_traces r = {0};
    struct cancel cancel;
    struct err e = {0};
    struct arena a;

    (void)state;
    cancel_init(&cancel, 0);
    cancel_set(&cancel);
    src.cancel = &cancel;
    arena_init(&a, 16 << 20);
    assert_int_equal(traceql_search(q, &src, &opts, &a, &r, &e), -ERR_CANCELED);
    traceql_free(q);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search),       cmocka_unit_test(test_search_limits),
        cmocka_unit_test(test_metrics),      cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_exemplars),    cmocka_unit_test(test_metrics_errors),
        cmocka_unit_test(test_default_step), cmocka_unit_test(test_tags),
        cmocka_unit_test(test_tag_values),   cmocka_unit_test(test_canceled),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
