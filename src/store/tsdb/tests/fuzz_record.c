/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a SAMPLES record of the log.
 */
#include "store/tsdb/tsdb_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_series(void *arg, uint64_t ref, struct str labels)
{
    struct arena a;
    struct labels ls;

    (void)arg;
    (void)ref;
    arena_init(&a, 1 << 20);
    ignore_result(labels_decode(labels, &a, &ls), "may be corrupt");
    arena_done(&a);
    return 0;
}

static int on_sample(void *arg, uint64_t ref, int64_t t_ms, double v)
{
    uint64_t *sum = arg;

    *sum += ref + (uint64_t)t_ms + (v > 0 ? 1 : 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct record_ops ops = {on_series, on_sample};
    uint64_t sum = 0;

    ignore_result(record_decode(str_of((const char *)data, size), &ops, &sum), "may be corrupt");
    return 0;
}
