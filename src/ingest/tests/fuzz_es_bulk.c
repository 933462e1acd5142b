/* SPDX-License-Identifier: Apache-2.0
 *
 * Bulk requests and JSON lines nobody meant: the first byte chooses. Answers and what is stored are valid UTF-8, and an
 * error has a text.
 */
#include "fuzz_rig.h"
#include "ingest/es_bulk.h"
#include "ingest/log_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena CLEANUP(arena_done) = {0};
    struct buf answer CLEANUP(buf_done) = {0};
    static struct fake_store store;
    struct log_lines_result lines = {0};
    struct err e = {0};
    struct sink sink;
    int rc;

    if (size == 0) {
        return 0;
    }
    arena_init(&arena, 16 << 20);
    buf_init(&answer, 16 << 20);
    fuzz_sink(&store, &sink);
    if (data[0] == 'l') {
        const struct log_lines_request req = {.body = str_of((const char *)data + 1, size - 1),
                                              .arrival_ns = 1700000000000000000};

        rc = log_lines_store(&sink, &req, &arena, &lines, &e);
    } else {
        const struct es_bulk_request req = {.body = str_of((const char *)data + 1, size - 1),
                                            .index = STR("logs"),
                                            .arrival_ns = 1700000000000000000};

        rc = es_bulk(&sink, &req, &arena, &answer, &e);
    }
    for (size_t i = 0; i < lines.errors_n; i++) {
        if (lines.errors[i].text[0] == '\0') {
            abort();
        }
    }
    if ((rc < 0 && (e.code != -rc || e.msg[0] == '\0')) || store.rows.failed ||
        !str_is_utf8(buf_str(&store.rows)) || !str_is_utf8(buf_str(&answer))) {
        abort();
    }
    fake_store_done(&store);
    return 0;
}
