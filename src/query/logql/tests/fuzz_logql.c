/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries nobody meant: parsed or refused, what is parsed prints to a text that parses to the same, and a pipeline
 * runs on a line (the input behind the first line feed) without harm.
 */
#include <stdlib.h>

#include "base/err.h"
#include "query/logql/logql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_on(struct logql_query *q, struct str line)
{
    static const struct scope SCOPE;
    const struct attr attr = {STR("app"), {.type = VALUE_STR, .u.s = STR("x")}};
    const struct resource resource = {.attrs = {&attr, 1}};
    const struct log_record record = {.time_ns = 1700000000000000000,
                                      .body = {.type = VALUE_STR, .u.s = line},
                                      .resource = &resource,
                                      .scope = &SCOPE,
                                      .severity = 9};
    struct logql_tail_entry e;

    ignore_result(logql_tail(q, &record, &e), "only that it ends");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_of((const char *)data, size);
    int64_t split = size != 0 ? str_find_byte(all, '\n') : -1;
    struct str text = split < 0 ? all : str_take(all, (size_t)split);
    struct logql_query *again;
    struct logql_query *q;
    struct buf b;
    struct buf b2;

    if (logql_parse(text, &q, NULL) < 0) {
        return 0;
    }
    buf_init(&b, 4 << 20);
    buf_init(&b2, 4 << 20);
    logql_print(q, &b);
    if (!b.failed && b.n < 100000) {
        struct err e = {0};

        if (logql_parse(buf_str(&b), &again, &e) < 0) {
            abort();
        }
        logql_print(again, &b2);
        if (!str_eq(buf_str(&b), buf_str(&b2))) {
            abort();
        }
        logql_free(again);
    }
    if (logql_kind(q) == LOGQL_LOGS && split >= 0) {
        run_on(q, str_drop(all, (size_t)split + 1));
    }
    logql_free(q);
    buf_done(&b);
    buf_done(&b2);
    return 0;
}
