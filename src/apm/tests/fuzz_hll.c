/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a sketch: what is read is written and read again as the same set, covers itself, and has an estimate.
 */
#include <math.h>
#include <stdlib.h>

#include "apm/hll.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hll a CLEANUP(hll_done) = {0};
    struct hll b CLEANUP(hll_done) = {0};
    struct buf bytes CLEANUP(buf_done) = {0};
    double n;

    if (hll_decode_into(&a, str_of((const char *)data, size), NULL) < 0) {
        if (!hll_empty(&a)) {
            abort();
        }
        return 0;
    }
    buf_init(&bytes, 2 * HLL_BYTES_MAX);
    hll_encode(&a, &bytes);
    if (buf_status(&bytes) < 0 || hll_decode_into(&b, buf_str(&bytes), NULL) < 0) {
        abort();
    }
    n = hll_estimate(&a);
    if (!hll_covers(&a, &b) || !hll_covers(&b, &a) || isnan(n) || n < 0 || n != hll_estimate(&b)) {
        abort();
    }
    return 0;
}
