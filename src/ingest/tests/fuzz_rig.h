/* SPDX-License-Identifier: Apache-2.0
 *
 * What the fuzz targets of the doors share: one request against a recording store with small limits. An
 * error must carry a message, and whatever is answered or stored must be well-formed.
 */
#ifndef INGEST_TESTS_FUZZ_RIG_H
#define INGEST_TESTS_FUZZ_RIG_H

#include <stdlib.h>

#include "base/err.h"
#include "fake_store.h"
#include "ingest/otlp.h"
#include "ingest/prom_remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_sink(struct fake_store *store, struct sink *sink)
{
    fake_store_init(store);
    *sink = (struct sink){
        .metrics = fake_tsdb(store), .spans = fake_columns(store), .logs = fake_columns(store)};
    ingest_limits_default(&sink->limits);
    sink->limits.max_decompressed_bytes = 1 << 20;
    sink->limits.max_attrs = 100;
    sink->limits.max_value_depth = 6;
    sink->limits.max_attr_value_bytes = 64;
    sink->limits.max_body_bytes = 64;
    sink->limits.max_events = sink->limits.max_links = 10;
    store->max_series = 100;
    store->min_ms = 0;
}

static inline int fuzz_otlp(enum otlp_signal signal, enum otlp_encoding enc, const uint8_t *data,
                            size_t size)
{
    struct otlp_request req = {signal, enc, {(const char *)data, size}, "fuzz", 1};
    struct buf response CLEANUP(buf_done) = {0};
    struct arena arena CLEANUP(arena_done);
    static struct fake_store store;
    struct err e = {0};
    struct sink sink;
    struct otlp *o;
    int rc;

    arena_init(&arena, 16 << 20);
    buf_init(&response, 1 << 16);
    fuzz_sink(&store, &sink);
    o = otlp_new(&sink);
    rc = otlp_export(o, &req, &arena, &response, &e);
    if (rc < 0 && (e.code != -rc || e.msg[0] == '\0' || !str_is_utf8(str_cstr(e.msg)))) {
        abort();
    }
    if (rc == 0 && (store.rows.failed || !str_is_utf8(buf_str(&store.rows)) ||
                    !str_is_utf8(buf_str(&store.samples)) ||
                    (enc == OTLP_JSON && !str_is_utf8(buf_str(&response))))) {
        abort();
    }
    otlp_free(o);
    fake_store_done(&store);
    return 0;
}

#endif
