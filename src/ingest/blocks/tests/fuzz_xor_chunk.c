/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the data of an XOR chunk.
 */
#include "base/err.h"
#include "ingest/blocks/xor_chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct samples s = {0};

    ignore_result(xor_chunk_decode(str_of((const char *)data, n), &s), "any end is fine");
    samples_done(&s);
    return 0;
}
