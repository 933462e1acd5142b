/* SPDX-License-Identifier: Apache-2.0
 *
 * Push requests nobody meant, in both encodings: the first byte chooses. What is stored is valid UTF-8.
 */
#include "fuzz_rig.h"
#include "ingest/loki.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena CLEANUP(arena_done) = {0};
    static struct fake_store store;
    struct loki_request req = {.arrival_ns = 1700000000000000000};
    struct loki_result r;
    struct err e = {0};
    struct sink sink;
    int rc;

    if (size == 0) {
        return 0;
    }
    req.json = data[0] == 'j';
    req.body = str_of((const char *)data + 1, size - 1);
    arena_init(&arena, 16 << 20);
    fuzz_sink(&store, &sink);
    rc = loki_push(&sink, &req, &arena, &r, &e);
    if ((rc < 0 && (e.code != -rc || e.msg[0] == '\0')) ||
        (rc == 0 && (store.rows.failed || !str_is_utf8(buf_str(&store.rows))))) {
        abort();
    }
    fake_store_done(&store);
    return 0;
}
