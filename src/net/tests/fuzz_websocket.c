/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames of a hostile client: never beyond the bytes that are there, and what is accepted adds up.
 */
#include <stdlib.h>
#include <string.h>

#include "net/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1);
    size_t at = 0;

    memcpy(copy, data, size);
    for (;;) {
        struct websocket_frame f;
        int64_t n = websocket_parse(copy + at, size - at, 4096, &f);

        if (n <= 0) {
            break;
        }
        if (f.payload.n > (size_t)n || (size_t)n > size - at ||
            f.payload.p + f.payload.n != copy + at + n) {
            abort();
        }
        at += (size_t)n;
    }
    free(copy);
    return 0;
}
