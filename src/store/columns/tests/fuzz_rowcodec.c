/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a WAL payload: an error or rows, within the arena's budget.
 */
#include "store/columns/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int decode(void *arg, const struct batch *b, struct str row, uint32_t at, int64_t time_ns,
                  uint64_t id)
{
    struct arena *a = arg;
    struct span span;
    struct log_record log;
    struct trace_id trace;

    (void)at;
    (void)time_ns;
    (void)id;
    arena_reset(a);
    if (b->info.kind == COLUMNS_SPANS) {
        ignore_result(rowcodec_row_trace(row, b->info.kind, &trace), "only that it is safe");
        return rowcodec_span(b, row, a, &span);
    }
    return rowcodec_log(b, row, a, &log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_chunk c = {.payload = str_of((const char *)data, size)};
    struct arena tables;
    struct arena row;

    arena_init(&tables, 16 << 20);
    arena_init(&row, 16 << 20);
    if (rowcodec_info(c.payload, &c.info, NULL) == 0) {
        ignore_result(mem_chunk_each(&c, INT64_MIN, INT64_MAX, &tables, decode, &row, NULL),
                      "only that it is safe");
    }
    arena_done(&tables);
    arena_done(&row);
    return 0;
}
