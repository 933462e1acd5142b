/* SPDX-License-Identifier: Apache-2.0
 *
 * Forward messages nobody meant, one connection. What is stored is valid UTF-8.
 */
#include "fuzz_rig.h"
#include "ingest/fluent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_of((const char *)data, size);
    static struct fake_store store;
    struct fluent_opts o = {.door = "fluent"};
    struct buf out CLEANUP(buf_done) = {0};
    struct fluent_door *d;
    struct fluent_conn *c;
    struct sink sink;
    int64_t n = 1;

    fuzz_sink(&store, &sink);
    o.sink = &sink;
    buf_init(&out, 1 << 20);
    d = fluent_door_new(&o);
    c = fluent_conn_new(d, &out);
    while (c != NULL && n > 0 && in.n != 0) {
        n = fluent_take(c, in, &out);
        if (n > (int64_t)in.n) {
            abort();
        }
        in = str_drop(in, n > 0 ? (size_t)n : 0);
    }
    if (store.rows.failed || !str_is_utf8(buf_str(&store.rows))) {
        abort();
    }
    fluent_conn_free(c);
    fluent_door_free(d);
    fake_store_done(&store);
    return 0;
}
