/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as an import of one kind, twice: the second time every series is known.
 */
#include "fuzz_rig.h"
#include "ingest/push_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct push_opts o = {.door = "other", .now_ms = 1};
    struct str body = str_of((const char *)data, size);
    static struct fake_store store;
    struct push_result r;
    struct csv_format f;
    struct push_door *d;
    struct sink sink;

    if (csv_format_parse(STR("1:label:a,2:metric:m,3:time:unix_s,5:metric:n"), &f, NULL) < 0) {
        abort();
    }
    fuzz_sink(&store, &sink);
    d = push_door_new(&sink);
    for (int i = 0; i < 2; i++) {
        struct err e = {0};
        int rc = push_csv(d, &o, &f, body, &r, &e);

        if (rc < 0 || !str_is_utf8(str_cstr(r.why)) || (r.first != 0 && r.why[0] == '\0') ||
            !str_is_utf8(buf_str(&store.samples))) {
            abort();
        }
    }
    push_door_free(d);
    fake_store_done(&store);
    return 0;
}
