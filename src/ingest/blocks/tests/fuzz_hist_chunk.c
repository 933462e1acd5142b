/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the data of a chunk of native histograms; the first one says which kind. What comes out is valid.
 */
#include <stdlib.h>

#include "base/err.h"
#include "ingest/blocks/hist_chunk.h"
#include "model/samples.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int check(void *arg, int64_t t_ms, const struct native_histogram *h, struct err *reterr)
{
    (void)arg;
    (void)t_ms;
    (void)reterr;
    if (!sample_is_stale(h->sum) && native_validate(h, false, NULL) < 0) {
        abort();
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct hist_chunk c = {0};

    if (n != 0) {
        ignore_result(hist_chunk_decode(&c, str_of((const char *)data + 1, n - 1),
                                        (data[0] & 1) != 0, check, NULL, NULL),
                      "any end is fine");
    }
    hist_chunk_done(&c);
    return 0;
}
