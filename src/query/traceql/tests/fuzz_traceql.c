/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as a query: it parses or is refused; what parses prints to something that prints the same again, its
 * filter passes every span its expression does, and it runs over a small trace.
 */
#include <stdio.h>
#include <stdlib.h>

#include "query/traceql/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct attr ATTRS[] = {{STR("a"), {VALUE_STR, {.s = STR("x")}}},
                                    {STR("b"), {VALUE_I64, {.i = 5}}},
                                    {STR("c"), {VALUE_BOOL, {.b = true}}}};
static const struct resource RESOURCE = {.attrs = {ATTRS, 3}};
static const struct scope SCOPE = {.name = STR("lib")};

static void check_print(const struct traceql *q)
{
    struct buf once CLEANUP(buf_done);
    struct buf twice CLEANUP(buf_done);
    struct traceql *again = NULL;
    struct err e = {0};

    buf_init(&once, 1 << 20);
    buf_init(&twice, 1 << 20);
    traceql_print(q, &once);
    if (once.failed || once.n > TQL_TEXT_MAX) {
        return;
    }
    if (traceql_parse(buf_str(&once), &again, &e) < 0) {
        if (e.code == ERR_LIMIT) { /* its parentheses nest deeper */
            return;
        }
        fprintf(stderr, "%.*s: %s\n", STR_ARG(buf_str(&once)), e.msg);
        abort();
    }
    traceql_print(again, &twice);
    if (!str_eq(buf_str(&once), buf_str(&twice))) {
        fprintf(stderr, "once  %.*s\ntwice %.*s\n", STR_ARG(buf_str(&once)),
                STR_ARG(buf_str(&twice)));
        abort();
    }
    traceql_free(again);
}

static void make_trace(struct tql_trace *t, struct span spans[8])
{
    tql_trace_init(t, 1 << 20);
    for (unsigned i = 0; i < 8; i++) {
        spans[i] = (struct span){.span_id = {{(uint8_t)(i + 1)}},
                                 .parent_id = {{(uint8_t)(i / 2)}},
                                 .name = i % 2 != 0 ? STR("x") : STR("y"),
                                 .start_ns = i,
                                 .end_ns = i * i,
                                 .attrs = {ATTRS, i % 4},
                                 .resource = &RESOURCE,
                                 .scope = &SCOPE,
                                 .status = (uint8_t)(i % 3),
                                 .kind = (uint8_t)(i % 6)};
    }
    if (tql_trace_take(t, spans, 8) < 0) {
        abort();
    }
}

static void check_filter(const struct traceql *q, const struct tql_trace *t, struct arena *a)
{
    const struct tql_expr *e = q->pipeline.v[0].spans->filter;
    struct tql_plan plan;

    if (tql_plan_expr(e, a, &plan) < 0) {
        return;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        struct tql_at at = {t, &t->spans[i], i, a};
        struct tql_at alone = {NULL, &t->spans[i], i, a};
        bool want = tql_passes(e, &at);

        if (filter_matches_span(plan.filter, &t->spans[i]) != want && (want || plan.exact)) {
            abort();
        }
        if (!tql_needs_trace(e) && tql_passes(e, &alone) != want) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct traceql *q = NULL;
    struct span spans[8];
    struct tql_trace t;
    struct arena a;
    struct arena tmp;
    struct tql_sets sets;
    struct tql_run run = {&t, &a, &tmp, NULL};

    if (size > 4096 || traceql_parse(str_of((const char *)data, size), &q, NULL) < 0) {
        return 0;
    }
    check_print(q);
    make_trace(&t, spans);
    arena_init(&a, 4 << 20);
    arena_init(&tmp, 4 << 20);
    if (traceql_is_filter(q)) {
        check_filter(q, &t, &a);
    }
    ignore_result(tql_run_pipeline(&run, &q->pipeline, &sets), "any answer will do");
    arena_done(&a);
    arena_done(&tmp);
    tql_trace_done(&t);
    traceql_free(q);
    return 0;
}
