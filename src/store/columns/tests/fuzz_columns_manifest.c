/* SPDX-License-Identifier: Apache-2.0
 *
 * Any text as the manifest, with its checksum made right.
 */
#include "base/buf.h"
#include "base/hash.h"
#include "store/columns/columns_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t parts;
    struct buf b;

    buf_init(&b, 1 << 20);
    buf_add(&b, data, size);
    ignore_result(manifest_is_whole(COLUMNS_LOGS, buf_str(&b), &parts), "only that it is safe");
    buf_clear(&b);
    buf_add_cstr(&b, "bongsu-columns 1 logs\n");
    buf_add(&b, data, size);
    buf_printf(&b, "crc %08x\n", crc32c(0, b.data, b.n));
    ignore_result(manifest_is_whole(COLUMNS_LOGS, buf_str(&b), &parts), "only that it is safe");
    buf_done(&b);
    return 0;
}
