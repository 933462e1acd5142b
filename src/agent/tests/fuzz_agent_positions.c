/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of log positions: raw bytes, and the same with a right checksum so that the lines are reached;
 * what is read is written and read again as the same.
 */
#include <stdlib.h>

#include "agent/positions.h"
#include "base/err.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(struct str text)
{
    positions a = {0};
    positions b = {0};
    struct buf out;

    buf_init(&out, 8 << 20);
    if (positions_decode(text, &a) == 0) {
        positions_encode(&a, &out);
        if (positions_decode(buf_str(&out), &b) != 0 || a.n != b.n) {
            abort();
        }
        for (size_t i = 0; i < a.n; i++) {
            if (strcmp(a.v[i].path, b.v[i].path) != 0 || a.v[i].offset != b.v[i].offset) {
                abort();
            }
        }
    }
    positions_done(&a);
    positions_done(&b);
    buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text;

    if (size > 1 << 16) {
        return 0;
    }
    round_trip(str_of((const char *)data, size));
    buf_init(&text, 1 << 18);
    buf_add_cstr(&text, "bongsu-positions 1\n");
    buf_add(&text, data, size);
    buf_printf(&text, "crc32c %08x\n", crc32c(0, text.data, text.n));
    round_trip(buf_str(&text));
    buf_done(&text);
    return 0;
}
