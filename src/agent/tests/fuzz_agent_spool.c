/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of the disk buffer, raw and with a right checksum, and the server's answers.
 */
#include <stdlib.h>

#include "agent/otlp_http.h"
#include "agent/spool.h"
#include "base/err.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of((const char *)data, size);
    struct batch b = {0};
    struct str msg = {0};
    struct buf copy;

    if (size > 1 << 16) {
        return 0;
    }
    if (spool_decode(text, &b) == 0) {
        batch_done(&b);
    }
    if (size >= 20) {
        uint32_t crc = crc32c(crc32c(0, data, 16), data + 20, size - 20);

        buf_init(&copy, 1 << 17);
        buf_add(&copy, data, size);
        for (size_t i = 0; i < 4; i++) {
            copy.data[16 + i] = (char)(crc >> (8 * i));
        }
        if (spool_decode(buf_str(&copy), &b) == 0) {
            if (b.n != size - 20) {
                abort();
            }
            batch_done(&b);
        }
        buf_done(&copy);
    }
    if (otlp_answer_rejected(text, &msg) < 0) {
        abort();
    }
    msg = otlp_answer_message(text);
    if (msg.n > size) {
        abort();
    }
    return 0;
}
