/* SPDX-License-Identifier: Apache-2.0
 *
 * Masking ends, stays inside its input, and grows a text only by the stars it puts in.
 */
#include <stdlib.h>

#include "agent/mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf b;

    if (size > 1 << 16) {
        return 0;
    }
    buf_init(&b, size * 4 + 16);
    mask_secrets(str_of((const char *)data, size), &b);
    if (buf_status(&b) != 0 || b.n > size * 4) {
        abort();
    }
    buf_done(&b);
    return 0;
}
