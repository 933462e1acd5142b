/* SPDX-License-Identifier: Apache-2.0
 *
 * First byte: the codec. The rest as compressed data, which must stay within the limit, and as plain data,
 * which must come back from a round trip.
 */
#include <stdlib.h>

#include "base/err.h"
#include "codec/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out CLEANUP(buf_done) = {0};
    struct buf packed CLEANUP(buf_done) = {0};
    struct err e = {0};
    enum compression c;
    struct str src;
    int rc;

    if (size == 0 || size > LIMIT) {
        return 0;
    }
    c = (enum compression)(data[0] % 5);
    src = str_of((const char *)data + 1, size - 1);
    buf_init(&out, LIMIT);
    rc = decompress(c, src, &out, &e);
    if (out.n > LIMIT || out.cap > LIMIT || (rc < 0 && (out.n != 0 || e.msg[0] == '\0'))) {
        abort();
    }
    buf_clear(&out);
    buf_init(&packed, 4 * LIMIT);
    if (compress_to(c, src, 1, &packed, &e) < 0 || decompress(c, buf_str(&packed), &out, &e) < 0 ||
        !str_eq(buf_str(&out), src)) {
        abort();
    }
    return 0;
}
