/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a remote write 2.0 request, as they are and packed with snappy so that they reach the protobuf.
 */
#include "codec/compress.h"
#include "fuzz_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str raw = str_of((const char *)data, size);
    struct buf packed CLEANUP(buf_done) = {0};
    static struct fake_store store;
    struct sink sink;
    struct prom_remote *p;

    buf_init(&packed, 4 << 20);
    if (compress_to(COMPRESS_SNAPPY, raw, 0, &packed, NULL) < 0) {
        return 0;
    }
    fuzz_sink(&store, &sink);
    p = prom_remote_new(&sink);
    for (int i = 0; i < 3; i++) { /* the third time every series is known */
        struct err e = {0};
        struct prom_remote_result r;
        int rc = prom_remote_receive(p, PROM_REMOTE_2, i == 0 ? raw : buf_str(&packed), &r, &e);

        if (rc < 0 && (e.code != -rc || e.msg[0] == '\0' || !str_is_utf8(str_cstr(e.msg)))) {
            abort();
        }
    }
    prom_remote_free(p);
    fake_store_done(&store);
    return 0;
}
