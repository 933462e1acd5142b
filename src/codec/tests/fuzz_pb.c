/* SPDX-License-Identifier: Apache-2.0
 *
 * Walk any bytes as protobuf, every LEN field as a message too, and write what was read: the copy must be
 * read the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "codec/pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(struct pb r, unsigned depth, struct buf *copy)
{
    struct err e = {0};
    struct pb_field f;
    size_t n = 0;
    int rc;

    while ((rc = pb_next(&r, &f, &e)) > 0) {
        n++;
        switch (f.tag & 7) {
        case PB_VARINT:
            pb_put_varint(copy, f.tag >> 3, f.u);
            break;
        case PB_FIXED64:
            pb_put_fixed64(copy, f.tag >> 3, f.u);
            break;
        case PB_FIXED32:
            pb_put_fixed32(copy, f.tag >> 3, (uint32_t)f.u);
            break;
        default:
            pb_put_str(copy, f.tag >> 3, f.s);
            if (depth < 8) {
                struct buf inner CLEANUP(buf_done) = {0};

                buf_init(&inner, 1 << 20);
                walk(pb_sub(&r, f.s), depth + 1, &inner);
            }
            break;
        }
    }
    if (rc < 0 && (e.code != -rc || e.msg[0] == '\0')) {
        abort();
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf copy CLEANUP(buf_done) = {0};
    struct buf again CLEANUP(buf_done) = {0};
    size_t n;

    buf_init(&copy, 4 << 20);
    buf_init(&again, 4 << 20);
    n = walk(pb_init(str_of((const char *)data, size)), 0, &copy);
    if (walk(pb_init(buf_str(&copy)), 8, &again) != n || !str_eq(buf_str(&copy), buf_str(&again))) {
        abort();
    }
    return 0;
}
