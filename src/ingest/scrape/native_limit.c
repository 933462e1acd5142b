/* SPDX-License-Identifier: Apache-2.0
 *
 * A histogram that fits is not copied.
 */
#include "ingest/scrape/native_limit.h"

static bool is_over(const struct native_histogram *h, uint64_t limit)
{
    return limit != 0 && h->positive.n + h->negative.n > limit;
}

int native_limit(const struct native_histogram **h, uint64_t limit, int32_t schema_max,
                 struct native_histogram *scratch)
{
    int32_t schema = (*h)->schema;

    if (native_is_custom(*h)) {
        return is_over(*h, limit) ? 1 : 0;
    }
    if (schema <= schema_max && !is_over(*h, limit)) {
        return 0;
    }
    if (native_copy(scratch, *h) < 0) {
        return -ERR_NOMEM;
    }
    if (schema > schema_max) {
        schema = schema_max;
        native_reduce(scratch, schema);
    }
    while (is_over(scratch, limit)) {
        if (schema == NATIVE_SCHEMA_MIN) {
            return 1;
        }
        native_reduce(scratch, --schema);
    }
    *h = scratch;
    return 0;
}
