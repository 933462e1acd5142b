/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a segment: the scan stays inside them, and what it accepts lies before `end`.
 */
#include <stdlib.h>

#include "base/compiler.h"
#include "store/wal/wal_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, uint8_t type, struct str payload, struct wal_pos pos)
{
    uint64_t *sum = arg;

    for (size_t i = 0; i < payload.n; i++) {
        *sum += (uint8_t)payload.p[i];
    }
    *sum += type + pos.offset;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wal_scan scan;
    uint64_t sum = 0;

    if (wal_scan_segment(str_of((const char *)data, size), 1, count, &sum, &scan) != 0 ||
        scan.end > size || (scan.tail == WAL_TAIL_CLEAN && scan.end != size)) {
        abort();
    }
    return 0;
}
