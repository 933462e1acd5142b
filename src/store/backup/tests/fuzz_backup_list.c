/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes, with their checksum put right so that the lines behind it are reached: what parses is written back
 * as text that parses to the same.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/backup/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct arena a;
    struct buf text;
    struct buf again;
    struct list l;
    struct list back;

    arena_init(&a, 64 << 20);
    buf_init(&text, 1 << 20);
    buf_init(&again, 1 << 20);
    buf_add(&text, data, n);
    buf_printf(&text, "crc %08x\n", crc32c(0, data, n));
    if (buf_status(&text) == 0 && list_parse(buf_str(&text), &a, &l, NULL) == 0) {
        list_write(&l, &again);
        if (list_parse(buf_str(&again), &a, &back, NULL) != 0 || back.n != l.n) {
            abort();
        }
        for (size_t i = 0; i < l.n; i++) {
            if (!list_path_ok(l.files[i].path) || !str_eq(l.files[i].path, back.files[i].path)) {
                abort();
            }
        }
    }
    buf_done(&text);
    buf_done(&again);
    arena_done(&a);
    return 0;
}
