/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation without a store: the meaning of fields and operators on one span, the shape of traces, and the
 * structural operators against their definition applied to every pair of spans.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "query/traceql/plan.h"

static const struct attr EVENT1[] = {{STR("exception.message"), {VALUE_STR, {.s = STR("boom")}}}};
static const struct attr EVENT2[] = {{STR("exception.message"), {VALUE_STR, {.s = STR("bang")}}},
                                     {STR("n"), {VALUE_I64, {.i = 7}}}};
static const struct span_event EVENTS[] = {
    {.time_ns = 1500, .name = STR("exception"), .attrs = {EVENT1, 1}},
    {.time_ns = 3000, .name = STR("retry"), .attrs = {EVENT2, 2}},
};
static const struct attr LINK_ATTRS[] = {{STR("ref"), {VALUE_STR, {.s = STR("child_of")}}}};
static const struct span_link LINKS[] = {
    {.trace_id = {{0x12}}, .span_id = {{0, 0, 0, 0, 0, 0, 0, 9}}, .attrs = {LINK_ATTRS, 1}}};
static const struct value LIST[] = {{VALUE_STR, {.s = STR("bar")}}, {VALUE_STR, {.s = STR("baz")}}};
static const struct value NUMBERS[] = {{VALUE_I64, {.i = 3}}, {VALUE_I64, {.i = 8}}};
static const struct attr ATTRS[] = {
    {STR("foo"), {VALUE_STR, {.s = STR("bar")}}},
    {STR("http.status_code"), {VALUE_I64, {.i = 404}}},
    {STR("code"), {VALUE_STR, {.s = STR("404")}}},
    {STR("ratio"), {VALUE_F64, {.f = 0.5}}},
    {STR("hit"), {VALUE_BOOL, {.b = true}}},
    {STR("miss"), {VALUE_BOOL, {.b = false}}},
    {STR("list"), {VALUE_ARRAY, {.array = {LIST, 2}}}},
    {STR("numbers"), {VALUE_ARRAY, {.array = {NUMBERS, 2}}}},
    {STR("none"), {.type = VALUE_NONE}},
    {STR("both"), {VALUE_STR, {.s = STR("span")}}},
    {STR("with space"), {VALUE_I64, {.i = 1}}},
};
static const struct attr RESOURCE_ATTRS[] = {
    {STR("service.name"), {VALUE_STR, {.s = STR("frontend")}}},
    {STR("both"), {VALUE_STR, {.s = STR("resource")}}},
};
static const struct attr SCOPE_ATTRS[] = {{STR("language"), {VALUE_STR, {.s = STR("java")}}}};
static const struct resource RESOURCE = {.attrs = {RESOURCE_ATTRS, 2}};
static const struct scope SCOPE = {
    .name = STR("grpc"), .version = STR("1.0.0"), .attrs = {SCOPE_ATTRS, 1}};

/* A child of another span, with everything on it. */
static struct span full_span(void)
{
    return (struct span){.trace_id = {{0xab}},
                         .span_id = {{0, 0, 0, 0, 0, 0, 0, 2}},
                         .parent_id = {{0, 0, 0, 0, 0, 0, 0, 1}},
                         .name = STR("GET /"),
                         .start_ns = 1000,
                         .end_ns = 5001000,
                         .status_message = STR("Forbidden"),
                         .attrs = {ATTRS, ARRAY_LEN(ATTRS)},
                         .events = EVENTS,
                         .events_n = 2,
                         .links = LINKS,
                         .links_n = 1,
                         .resource = &RESOURCE,
                         .scope = &SCOPE,
                         .kind = SPAN_SERVER,
                         .status = SPAN_STATUS_ERROR};
}

static const struct {
    const char *expr;
    bool want;
} FIELDS[] = {
    {"span.foo = \"bar\"", true},
    {"span.foo != \"bar\"", false},
    {"span.foo != \"x\"", true},
    {"span.gone != \"x\"", false},
    {"span.gone = \"x\"", false},
    {"span.gone = nil", true},
    {"span.none = nil", true},
    {"span.foo = nil", false},
    {"span.foo != nil", true},
    {"nil = span.gone", true},
    {"resource.foo != nil", false},
    {"event.gone = nil", true},
    {"span.http.status_code = 404", true},
    {"span.http.status_code = 404.0", true},
    {"span.http.status_code >= 400 && span.http.status_code < 500", true},
    {"span.http.status_code = \"404\"", false},
    {"span.code = 404", false},
    {"span.code >= \"400\"", true},
    {"span.code >= \"5\"", false},
    {"span.ratio < 1", true},
    {"span.ratio > 0.5", false},
    {"400 < span.http.status_code", true},
    {"span.hit = true", true},
    {"span.hit", true},
    {"span.miss", false},
    {"!span.miss", true},
    {"!span.gone", false},
    {"span.gone || span.hit", true},
    {"span.miss || span.gone", false},
    {"span.hit && span.foo", false},
    {"!(span.gone = 1)", true},
    /* arrays: any element for = and =~, no element for != and !~ */
    {"span.list = \"bar\"", true},
    {"span.list = \"baz\"", true},
    {"span.list = \"x\"", false},
    {"span.list != \"bar\"", false},
    {"span.list != \"x\"", true},
    {"span.list =~ \"ba.\"", true},
    {"span.list !~ \"ba.\"", false},
    {"span.list !~ \"x.*\"", true},
    {"span.numbers > 5", true},
    {"span.numbers > 8", false},
    {"span.numbers = 3", true},
    /* regular expressions match all of the text */
    {"span.foo =~ \"ba\"", false},
    {"span.foo =~ \"ba.\"", true},
    {"span.foo =~ \"x|bar\"", true},
    {"span.foo !~ \"ba\"", true},
    {"span.gone !~ \"ba\"", false},
    {"span.http.status_code =~ \"4..\"", false},
    /* scopes */
    {"resource.service.name = \"frontend\"", true},
    {".service.name = \"frontend\"", true},
    {"span.service.name = \"frontend\"", false},
    {".both = \"span\"", true},
    {".both = \"resource\"", false},
    {"resource.both = \"resource\"", true},
    {"instrumentation.language = \"java\"", true},
    {"instrumentation:name = \"grpc\" && instrumentation:version = \"1.0.0\"", true},
    {"span.\"with space\" = 1", true},
    /* events and links: any of them */
    {"event.exception.message = \"boom\"", true},
    {"event.exception.message =~ \"ba.*\"", true},
    {"event.exception.message != \"boom\"", false},
    {"event.exception.message != \"x\"", true},
    {"event.n = 7", true},
    {"event:name = \"exception\" && event:name = \"retry\"", true},
    {"event:timeSinceStart > 1us", true},
    {"event:timeSinceStart > 2us", false},
    {"link.ref = \"child_of\"", true},
    {"link:traceID = \"12000000000000000000000000000000\"", true},
    {"link:spanID = \"9\"", true},
    /* intrinsics */
    {"name = \"GET /\" && span:name =~ \"GET.*\"", true},
    {"duration = 5ms && span:duration > 4999us", true},
    {"duration > 5000000", false},
    {"status = error && span:status != ok", true},
    {"span:statusMessage = \"Forbidden\"", true},
    {"kind = server && kind != client", true},
    {"span:id = \"2\" && span:parentID = \"1\"", true},
    {"trace:id = \"ab000000000000000000000000000000\"", true},
    {"parent = nil", false},
    {"nestedSetParent < 0", false},
    {"nestedSetParent >= 0", true},
    /* arithmetic */
    {"span.http.status_code + 1 = 405", true},
    {"span.http.status_code - 4 = 2 * 200", true},
    {"span.http.status_code % 100 = 4", true},
    {"span.http.status_code / 0 = 1", false},
    {"span.ratio * 4 = 2", true},
    {"2 ^ 10 = 1024", true},
    {"-span.http.status_code < 0", true},
    {"duration / 2 = 2500us", true},
    {"duration * span.ratio = 2.5ms", true},
    {"duration / 10ms = 0.5", true},
    {"span.foo + 1 = 2", false},
    {"span.gone + 1 > 0", false},
    /* && and || bind alike, from the left */
    {"span.hit || span.hit && span.miss", false},
};

static const struct tql_expr *expr_of(struct traceql **q, const char *text)
{
    struct buf b CLEANUP(buf_done);
    struct err e = {0};

    buf_init(&b, 1 << 16);
    buf_printf(&b, "{ %s }", text);
    if (traceql_parse(buf_str(&b), q, &e) < 0) {
        fail_msg("%s: %s", text, e.msg);
    }
    return (*q)->pipeline.v[0].spans->filter;
}

/* Alone, in its trace, and by the store's filter, which may only be wider. */
static void test_fields(void **state)
{
    struct span s = full_span();
    struct tql_trace t;
    struct arena a;

    (void)state;
    arena_init(&a, 1 << 20);
    tql_trace_init(&t, 1 << 20);
    assert_int_equal(tql_trace_take(&t, &s, 1), 0);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        struct traceql *q = NULL;
        const struct tql_expr *e = expr_of(&q, FIELDS[i].expr);
        struct tql_at alone = {NULL, &s, 0, &a};
        struct tql_at in_trace = {&t, &t.spans[0], 0, &a};
        struct tql_plan plan;

        if (tql_passes(e, &alone) != FIELDS[i].want || tql_passes(e, &in_trace) != FIELDS[i].want) {
            fail_msg("{ %s } is not %d", FIELDS[i].expr, FIELDS[i].want);
        }
        assert_int_equal(tql_plan_expr(e, &a, &plan), 0);
        if (filter_matches_span(plan.filter, &s) != FIELDS[i].want &&
            (FIELDS[i].want || plan.exact)) {
            fail_msg("{ %s }: the store's filter is %s", FIELDS[i].expr,
                     plan.exact ? "not exact" : "too narrow");
        }
        traceql_free(q);
        arena_reset(&a);
    }
    tql_trace_done(&t);
    arena_done(&a);
}

/* ---- shapes ---- */

enum { SPANS_MAX = 40 };

static unsigned below(unsigned n)
{
    static uint64_t x = 88172645463325252ull;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (unsigned)(x % n);
}

static struct span_id id_of(unsigned n)
{
    return (struct span_id){{0, 0, 0, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n}};
}

/* A random forest with orphans, doubled ids, and now and then a circle. */
static void random_trace(struct tql_trace *t)
{
    static struct span spans[SPANS_MAX];
    static const struct attr MARKS[2][1] = {{{STR("a"), {VALUE_BOOL, {.b = true}}}},
                                            {{STR("b"), {VALUE_BOOL, {.b = true}}}}};
    static struct attr pair[2];
    unsigned n = 1 + below(SPANS_MAX);

    pair[0] = MARKS[0][0];
    pair[1] = MARKS[1][0];
    for (unsigned i = 0; i < n; i++) {
        struct span s = full_span();
        unsigned mark = below(4);

        s.span_id = id_of(below(20) == 0 ? 1 + below(n) : i + 1);
        s.parent_id = below(8) == 0 ? (struct span_id){{0}} : id_of(1 + below(n + 3));
        if (below(3) != 0 && i > 0) {
            s.parent_id = id_of(1 + below(i));
        }
        s.start_ns = i;
        s.attrs = mark == 0   ? (struct attrs){0}
                  : mark == 1 ? (struct attrs){MARKS[0], 1}
                  : mark == 2 ? (struct attrs){MARKS[1], 1}
                              : (struct attrs){pair, 2};
        spans[i] = s;
    }
    assert_int_equal(tql_trace_take(t, spans, n), 0);
}

static bool is_ancestor(const struct tql_trace *t, size_t up, size_t down)
{
    for (uint32_t at = t->nodes[down].parent; at != TQL_NONE; at = t->nodes[at].parent) {
        if (at == up) {
            return true;
        }
    }
    return false;
}

static bool is_sibling(const struct tql_trace *t, size_t x, size_t y)
{
    const struct span *a = &t->spans[x];
    const struct span *b = &t->spans[y];

    if (x == y || tql_is_root(a) || tql_is_root(b)) {
        return false;
    }
    if (t->nodes[x].parent != TQL_NONE || t->nodes[y].parent != TQL_NONE) {
        return t->nodes[x].parent == t->nodes[y].parent;
    }
    return memcmp(a->parent_id.b, b->parent_id.b, SPAN_ID_SIZE) == 0;
}

/* Does l stand to r as in "l op r"? By the definition. */
static bool relation(const struct tql_trace *t, unsigned op, size_t l, size_t r)
{
    switch (op) {
    case 0:
        return t->nodes[r].parent == l;
    case 1:
        return t->nodes[l].parent == r;
    case 2:
        return is_ancestor(t, l, r);
    case 3:
        return is_ancestor(t, r, l);
    default:
        return is_sibling(t, l, r);
    }
}

static void check_operator(const struct tql_trace *t, unsigned form, unsigned op, const char *text)
{
    uint8_t lhs[SPANS_MAX];
    uint8_t rhs[SPANS_MAX];
    uint8_t *got;
    struct arena a;

    arena_init(&a, 1 << 20);
    for (size_t i = 0; i < t->n; i++) {
        lhs[i] = attrs_get(t->spans[i].attrs, STR("a")) != NULL;
        rhs[i] = attrs_get(t->spans[i].attrs, STR("b")) != NULL;
    }
    assert_int_equal(tql_relate(t, (enum tql_op)(TQL_CHILD + 5 * form + op), lhs, rhs, &a, &got),
                     0);
    for (size_t i = 0; i < t->n; i++) {
        bool right = false;
        bool left = false;
        bool want;

        for (size_t k = 0; k < t->n; k++) {
            right = right || (lhs[k] && relation(t, op, k, i));
            left = left || (rhs[k] && relation(t, op, i, k));
        }
        want = rhs[i] && right != (form == 1);
        want = want || (form == 2 && lhs[i] && left);
        if (got[i] != want) {
            fail_msg("%s: span %zu of %zu is %d", text, i, t->n, got[i]);
        }
    }
    arena_done(&a);
}

static void test_structure(void **state)
{
    struct tql_trace t;

    (void)state;
    tql_trace_init(&t, 1 << 20);
    for (int round = 0; round < 2000; round++) {
        random_trace(&t);
        for (unsigned form = 0; form < 3; form++) {
            for (unsigned op = 0; op < 5; op++) {
                check_operator(&t, form, op, tql_op_text((enum tql_op)(TQL_CHILD + 5 * form + op)));
            }
        }
        for (size_t i = 0; i < t.n; i++) { /* nested sets say the same as parents */
            for (size_t k = 0; k < t.n; k++) {
                bool inside =
                    t.nodes[i].left < t.nodes[k].left && t.nodes[k].right < t.nodes[i].right;

                assert_int_equal(inside, is_ancestor(&t, i, k));
            }
        }
    }
    tql_trace_done(&t);
}

/* A chain of 100,000 spans and one of 100,000 children take no stack and no quadratic time. */
static void test_deep(void **state)
{
    struct tql_trace t;
    struct arena a;
    struct span *spans;
    uint8_t *all;
    uint8_t *got;

    (void)state;
    arena_init(&a, 64 << 20);
    all = arena_alloc(&a, TQL_TRACE_SPANS_MAX, 1);
    memset(all, 1, TQL_TRACE_SPANS_MAX);
    spans = calloc(TQL_TRACE_SPANS_MAX + 1, sizeof(*spans));
    tql_trace_init(&t, 256 << 20);
    for (int chain = 0; chain < 2; chain++) {
        for (uint32_t i = 0; i <= TQL_TRACE_SPANS_MAX; i++) {
            uint32_t parent = chain ? i : i == 0 ? 0 : 1;
            uint32_t id = i + 1;

            spans[i] = (struct span){
                .name = STR("x"), .start_ns = i, .resource = &RESOURCE, .scope = &SCOPE};
            memcpy(spans[i].span_id.b, &id, sizeof(id));
            memcpy(spans[i].parent_id.b, &parent, sizeof(parent));
        }
        assert_int_equal(tql_trace_take(&t, spans, TQL_TRACE_SPANS_MAX + 1), 0);
        assert_true(t.cut);
        assert_int_equal(t.n, TQL_TRACE_SPANS_MAX);
        assert_int_equal(t.nodes[0].right, 2 * TQL_TRACE_SPANS_MAX);
        assert_int_equal(tql_relate(&t, TQL_DESCENDANT, all, all, &a, &got), 0);
        assert_false(got[0]);
        assert_true(got[TQL_TRACE_SPANS_MAX - 1]);
    }
    tql_trace_done(&t);
    arena_done(&a);
    free(spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_structure),
        cmocka_unit_test(test_deep),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
