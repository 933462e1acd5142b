/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes: a whole value found by the scan can be skipped and ends at the same byte.
 */
#include <stdlib.h>

#include "codec/msgpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of((const char *)data, size);
    struct msgpack_scan s = {0};
    struct msgpack_scan slow = {0};
    int rc = msgpack_scan(&s, in);
    int rc_slow = 0;

    for (size_t n = 0; n <= size && rc_slow == 0; n++) {
        rc_slow = msgpack_scan(&slow, str_take(in, n));
    }
    if (rc != rc_slow || (rc == 1 && s.at != slow.at)) {
        abort();
    }
    if (rc == 1) {
        struct msgpack m = msgpack_init(in);
        struct msgpack_item head;

        if (msgpack_next(&m, &head, NULL) != 1 || msgpack_skip(&m, &head, NULL) != 0 ||
            m.p != in.p + s.at) {
            abort();
        }
    }
    return 0;
}
