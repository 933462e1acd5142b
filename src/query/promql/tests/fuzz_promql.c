/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as a query: it parses or is refused; what parses prints to something that prints the same
 * again, and evaluates over a small fixed data set within small limits.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "query/promql/promql.h"
#include "query/promql/tests/mem_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mem_source *small_source(void)
{
    struct mem_source *s = mem_source_new();
    struct buf text CLEANUP(buf_done) = {0};

    buf_init(&text, 1 << 20);
    for (int t = 0; t < 20; t++) {
        buf_printf(&text, "m{a=\"x\"} %d %d\n", t * t % 7, t * 15);
        buf_printf(&text, "m{a=\"y\",b=\"1\"} %s %d\n", t % 5 == 0 ? "NaN" : "3.5", t * 15);
        buf_printf(&text, "n{a=\"x\"} %s %d\n", t == 11 ? "stale" : "+Inf", t * 15);
        buf_printf(&text, "h{le=\"1\",a=\"x\"} %d %d\n", t, t * 15);
        buf_printf(&text, "h{le=\"+Inf\",a=\"x\"} %d %d\n", 2 * t, t * 15);
    }
    if (!mem_source_load_text(s, buf_str(&text))) {
        abort();
    }
    return s;
}

static void check_print(struct str query)
{
    struct buf once CLEANUP(buf_done) = {0};
    struct buf twice CLEANUP(buf_done) = {0};

    buf_init(&once, 1 << 24);
    buf_init(&twice, 1 << 24);
    if (promql_format(query, (struct promql_syntax){.features = PROMQL_ALL_FEATURES}, &once,
                      NULL) != 0) {
        return;
    }
    if (promql_format(buf_str(&once), (struct promql_syntax){.features = PROMQL_ALL_FEATURES},
                      &twice, NULL) != 0 ||
        !str_eq(buf_str(&once), buf_str(&twice))) {
        fprintf(stderr, "printed: %.*s\nagain:   %.*s\n", STR_ARG(buf_str(&once)),
                STR_ARG(buf_str(&twice)));
        abort();
    }
}

static void check_result(struct promql_result *r)
{
    struct buf json CLEANUP(buf_done) = {0};

    buf_init(&json, 1 << 26);
    promql_result_json(r, true, &json);
    for (size_t i = 0; i < r->series_n; i++) {
        for (size_t k = 1; k < r->series[i].n; k++) {
            if (r->series[i].t_ms[k] <= r->series[i].t_ms[k - 1]) {
                abort();
            }
        }
    }
    promql_result_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mem_source *source; /* made once: the fuzzer's loop is the process */
    static struct promql_engine *engine;
    const struct promql_opts opts = {
        .max_samples = 20000, .max_memory_bytes = 4 << 20, .syntax.features = PROMQL_ALL_FEATURES};
    struct str query = str_of((const char *)data, size);
    struct promql_result *r = NULL;
    struct cancel cancel;

    if (source == NULL) {
        source = small_source();
        engine = promql_engine_new(&opts);
    }
    if (size > 4096) {
        return 0;
    }
    check_print(query);
    cancel_init(&cancel, 2000);
    if (promql_instant(engine, mem_source_view(source), query, 200000, &cancel, &r, NULL) == 0) {
        check_result(r);
    }
    r = NULL;
    if (promql_range(engine, mem_source_view(source), query, 0, 300000, 20000, &cancel, &r, NULL) ==
        0) {
        check_result(r);
    }
    return 0;
}
