/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as Zipkin spans, JSON or (first byte odd) protobuf: a refusal has a message, what is made of them is
 * a well-formed OTLP request.
 */
#include "fuzz_rig.h"

#include "ingest/zipkin.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf request CLEANUP(buf_done) = {0};
    enum zipkin_encoding enc = size != 0 && data[0] % 2 != 0 ? ZIPKIN_PROTOBUF : ZIPKIN_JSON;
    struct err e = {0};
    int rc;

    if (size == 0) {
        return 0;
    }
    buf_init(&request, 1 << 20);
    rc = zipkin_to_otlp(enc, str_of((const char *)data + 1, size - 1), 1, &request, &e);
    if (rc < 0) {
        if (e.code != -rc || e.msg[0] == '\0') {
            abort();
        }
        return 0;
    }
    return fuzz_otlp(OTLP_TRACES, OTLP_PROTOBUF, (const uint8_t *)request.data, request.n);
}
