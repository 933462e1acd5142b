/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a configuration; one that is accepted is applied to a log record and a span.
 */
#include <stdlib.h>

#include "base/err.h"
#include "ingest/process/row.h"

static void apply(const struct program *p)
{
    static const uint8_t KEY[REDACT_KEY_SIZE] = {7};
    const struct attr own[] = {{STR("a"), {.type = VALUE_STR, .u.s = STR("010-1234-5678")}},
                               {STR("b"), {.type = VALUE_I64, .u.i = 4111111111111111}}};
    const struct resource resource = {.attrs = {own, 1}};
    const struct scope scope = {0};
    struct log_record l = {.body = {.type = VALUE_STR, .u.s = STR("{\"a\":\"b\"} x=1 kim@ex.io")},
                           .attrs = {own, 2},
                           .resource = &resource,
                           .scope = &scope};
    struct span s = {.name = STR("GET"), .attrs = {own, 2}, .resource = &resource, .scope = &scope};
    struct arena a;
    struct run r;

    arena_init(&a, 16 << 20);
    if (run_init(&r, p, SIGNAL_LOGS, &a, KEY, NULL) == 0) {
        ignore_result(run_log(&r, &l), "any answer is fine");
    }
    run_done(&r);
    if (run_init(&r, p, SIGNAL_TRACES, &a, KEY, NULL) == 0) {
        ignore_result(run_span(&r, &s), "any answer is fine");
    }
    run_done(&r);
    arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stats *stats = stats_new();
    struct program *p = NULL;
    struct err e = {0};
    int rc = program_parse("f", str_of((const char *)data, size), stats, &p, &e);

    if (rc < 0 && !str_is_utf8(str_cstr(e.msg)) && str_is_utf8(str_of((const char *)data, size))) {
        abort();
    }
    if (rc == 0) {
        apply(p);
    }
    program_free(p);
    stats_free(stats);
    return 0;
}
