/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as Influx lines, twice: the second time every series is known.
 */
#include "fuzz_rig.h"
#include "ingest/influx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct influx_opts io = {.unit_ns = 1000, .db = STR("d"), .db_label = STR("db")};
    const struct push_opts o = {.door = "influx", .now_ms = 1};
    static struct fake_store store;
    struct push_result r;
    struct push_door *d;
    struct sink sink;

    fuzz_sink(&store, &sink);
    d = push_door_new(&sink);
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        int rc = influx_write(d, &o, &io, str_of((const char *)data, size), &r, &e);

        if (rc < 0 || !str_is_utf8(str_cstr(r.why)) || (r.first != 0 && r.why[0] == '\0') ||
            !str_is_utf8(buf_str(&store.samples))) {
            abort();
        }
    }
    push_door_free(d);
    fake_store_done(&store);
    return 0;
}
