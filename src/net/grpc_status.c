/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts of the gRPC protocol: status names, percent-encoded messages, google.rpc.Status details, timeouts.
 * Source: grpc/doc/PROTOCOL-HTTP2.md, google/rpc/status.proto, google/rpc/error_details.proto.
 */
#include "codec/base64.h"
#include "codec/pb.h"
#include "net/grpc_internal.h"

void grpc_percent_encode(struct str s, struct buf *dst)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c > 0x7e || c == '%') {
            buf_printf(dst, "%%%02X", c);
        } else {
            buf_add_byte(dst, (char)c);
        }
    }
}

void grpc_status_details(int code, struct str message, int64_t retry_ms, struct buf *dst)
{
    struct buf b CLEANUP(buf_done) = {0};
    size_t any;
    size_t info;
    size_t delay;

    buf_init(&b, 4096);
    pb_put_varint(&b, 1, (uint64_t)code);
    pb_put_str(&b, 2, message);
    any = pb_begin(&b, 3);
    pb_put_str(&b, 1, STR("type.googleapis.com/google.rpc.RetryInfo"));
    info = pb_begin(&b, 2);
    delay = pb_begin(&b, 1);
    pb_put_varint(&b, 1, (uint64_t)(retry_ms / 1000));
    pb_put_varint(&b, 2, (uint64_t)(retry_ms % 1000) * 1000000);
    pb_end(&b, delay);
    pb_end(&b, info);
    pb_end(&b, any);
    if (buf_status(&b) == 0) {
        base64_encode(buf_str(&b), dst);
        while (dst->n != 0 && dst->data[dst->n - 1] == '=') {
            dst->n--;
        }
    }
}

bool grpc_timeout_parse(struct str s, int64_t *ret_ms)
{
    static const struct {
        char unit;
        int64_t numerator;
        int64_t denominator;
    } UNITS[] = {{'H', 3600000, 1}, {'M', 60000, 1}, {'S', 1000, 1},
                 {'m', 1, 1},       {'u', 1, 1000},  {'n', 1, 1000000}};

    uint64_t v;

    if (s.n < 2 || s.n > 9 || s.p[0] == '+' || !str_to_u64(str_take(s, s.n - 1), &v)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(UNITS); i++) {
        if (UNITS[i].unit == s.p[s.n - 1]) {
            int64_t ms = (int64_t)v * UNITS[i].numerator / UNITS[i].denominator;

            *ret_ms = ms > 0 ? ms : 1;
            return true;
        }
    }
    return false;
}

const char *grpc_code_name(int code)
{
    static const char *const NAMES[] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    return code >= 0 && (size_t)code < ARRAY_LEN(NAMES) ? NAMES[code] : "UNKNOWN";
}
