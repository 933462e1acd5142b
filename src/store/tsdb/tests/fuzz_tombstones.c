/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as the tombstones file; the checksum is made right, so that what is behind it is reached.
 */
#include "base/alloc.h"
#include "base/hash.h"
#include "store/tsdb/tombstones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tombstones *t = NULL;
    char *copy;

    ignore_result(tombstones_parse(str_of((const char *)data, size), &t), "may be corrupt");
    tombstones_free(t);
    t = NULL;
    if (size < 12) {
        return 0;
    }
    copy = mem_xcalloc(1, size);
    memcpy(copy, data, size);
    memcpy(copy, "BNGSTMB\x01", 8);
    {
        uint32_t crc = crc32c(0, copy, size - 4);

        memcpy(copy + size - 4, &crc, sizeof(crc));
    }
    ignore_result(tombstones_parse(str_of(copy, size), &t), "may be corrupt");
    tombstones_free(t);
    mem_free(copy);
    return 0;
}
