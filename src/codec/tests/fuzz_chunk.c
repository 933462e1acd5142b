/* SPDX-License-Identifier: Apache-2.0
 *
 * Two directions: any bytes decode safely, and any samples come back bit by bit.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "codec/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_N = 512 };

static void round_trip(const uint8_t *data, size_t size)
{
    static int64_t t[MAX_N], t2[MAX_N];
    static double v[MAX_N], v2[MAX_N];
    size_t n = size / 10 < MAX_N ? size / 10 : MAX_N;
    struct buf b CLEANUP(buf_done);
    size_t k;

    buf_init(&b, 1 << 20);
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        t[i] = (i == 0 ? 0 : t[i - 1]) + 1 + data[i * 10] * (data[i * 10 + 1] > 200 ? 1000000 : 1);
        memcpy(&v[i], data + i * 10 + 2, sizeof(v[i]));
        if (data[i * 10 + 1] % 3 == 0) {
            v[i] = (double)(int8_t)data[i * 10 + 2] / 10;
        }
    }
    if (chunk_encode(t, v, n, &b) != 0 || chunk_decode(buf_str(&b), t2, v2, n) != (int)n ||
        memcmp(t, t2, n * sizeof(*t)) != 0 || memcmp(v, v2, n * sizeof(*v)) != 0) {
        abort();
    }
    buf_clear(&b);
    if (chunk_values_encode(v, n, CHUNK_SMALL, &b) != 0 ||
        chunk_values_decode(buf_str(&b), v2, n) != 0 || memcmp(v, v2, n * sizeof(*v)) != 0) {
        abort();
    }
    buf_clear(&b);
    k = 1 + data[0] % n;
    if (chunk_values_encode_newest(v, n, CHUNK_SMALL, &b) != 0 ||
        chunk_values_decode_newest(buf_str(&b), n, v2, k) != 0 ||
        memcmp(v + n - k, v2, k * sizeof(*v)) != 0) {
        abort();
    }
    buf_clear(&b);
    if (chunk_times_encode(t, n, CHUNK_SMALL, &b) != 0 ||
        chunk_times_decode(buf_str(&b), t2, n) != (int)n || memcmp(t, t2, n * sizeof(*t)) != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int64_t t[CHUNK_MAX_SAMPLES];
    static double v[CHUNK_MAX_SAMPLES];
    int rc = chunk_decode(str_of((const char *)data, size), t, v, CHUNK_MAX_SAMPLES);

    if (rc > CHUNK_MAX_SAMPLES) {
        abort();
    }
    if (chunk_times_decode(str_of((const char *)data, size), t, CHUNK_MAX_SAMPLES) >
        CHUNK_MAX_SAMPLES) {
        abort();
    }
    if (size > 0) {
        ignore_result(chunk_values_decode(str_of((const char *)data + 1, size - 1), v,
                                          1 + data[0] * (size_t)4),
                      "any bytes");
        ignore_result(chunk_values_decode_newest(str_of((const char *)data + 1, size - 1),
                                                 1 + data[0] * (size_t)4, v,
                                                 1 + data[0] * (size_t)2),
                      "any bytes");
        ignore_result(chunk_times_decode_since(str_of((const char *)data, size), data[0], t,
                                               CHUNK_MAX_SAMPLES),
                      "any bytes");
    }
    round_trip(data, size);
    return 0;
}
