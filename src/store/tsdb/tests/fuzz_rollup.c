/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a roll-up of one series: the first byte picks the resolution, the rest is decoded whole and column by
 * column. What is accepted is in order and can be made coarser and joined with itself.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/tsdb/rollup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t RESOLUTIONS[] = {60000, 300000, 3600000};
    struct rollup r = {0};
    struct rollup coarse = {0};
    struct str bytes;
    int64_t resolution;

    if (size == 0) {
        return 0;
    }
    resolution = RESOLUTIONS[data[0] % ARRAY_LEN(RESOLUTIONS)];
    bytes = str_of((const char *)data + 1, size - 1);
    for (unsigned columns = 0; columns <= ROLLUP_ALL; columns = columns * 2 + 1) {
        if (rollup_decode(bytes, resolution, columns, &r) < 0) {
            break;
        }
        for (size_t i = 1; i < r.buckets.n; i++) {
            if (r.buckets.v[i].end_ms <= r.buckets.v[i - 1].end_ms) {
                abort();
            }
        }
        if (rollup_coarsen(&r, 3600000, &coarse) == 0) {
            ignore_result(rollup_combine(&coarse, &r), "memory only");
        }
    }
    rollup_done(&r);
    rollup_done(&coarse);
    return 0;
}
