/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: functions return 0 (or a count) on success and -ERR_x on failure; the detail a person needs
 * travels in a caller's `struct err` given as the last parameter (`reterr`, may be NULL). One table maps
 * each code to its text and to its form in every protocol, so that all doors answer alike.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdint.h>

#include "base/compiler.h"

/* X(name, number, text, HTTP status, gRPC code, Prometheus errorType)
 * HTTP: RFC 9110; gRPC: doc/statuscodes.md; errorType: Prometheus HTTP API documentation. */
#define ERR_TABLE(X)                                                        \
    X(ERR_INVALID, 1, "invalid argument", 400, 3, "bad_data")               \
    X(ERR_TOO_LARGE, 2, "too large", 413, 8, "bad_data")                    \
    X(ERR_LIMIT, 3, "limit reached", 422, 8, "execution")                   \
    X(ERR_NOMEM, 4, "out of memory", 503, 8, "unavailable")                 \
    X(ERR_OVERLOAD, 5, "too many requests", 429, 8, "unavailable")          \
    X(ERR_UNAVAILABLE, 6, "unavailable", 503, 14, "unavailable")            \
    X(ERR_NOT_FOUND, 7, "not found", 404, 5, "not_found")                   \
    X(ERR_EXISTS, 8, "already exists", 409, 6, "bad_data")                  \
    X(ERR_UNAUTHENTICATED, 9, "not logged in", 401, 16, "unauthorized")     \
    X(ERR_FORBIDDEN, 10, "forbidden", 403, 7, "forbidden")                  \
    X(ERR_CORRUPT, 11, "corrupt data", 500, 15, "internal")                 \
    X(ERR_IO, 12, "input/output error", 503, 14, "internal")                \
    X(ERR_NOSPACE, 13, "no space left on the disk", 503, 14, "unavailable") \
    X(ERR_TIMEOUT, 14, "deadline exceeded", 503, 4, "timeout")              \
    X(ERR_CANCELED, 15, "canceled", 503, 1, "canceled")                     \
    X(ERR_UNSUPPORTED, 16, "unsupported", 415, 12, "bad_data")              \
    X(ERR_OUT_OF_RANGE, 17, "out of range", 400, 11, "bad_data")            \
    X(ERR_EXEC, 18, "execution error", 422, 3, "execution")                 \
    X(ERR_INTERNAL, 19, "internal error", 500, 13, "internal")              \
    X(ERR_METHOD, 20, "method not allowed", 405, 12, "bad_data")            \
    X(ERR_TRUNCATED, 21, "truncated", 400, 3, "bad_data")

enum err_code {
    ERR_OK = 0,

#define ERR_ENUM(name, num, text, http, grpc, prom) name = num,
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

/** Where in an input an error is: a byte range, `end` exclusive; both 0 when it does not apply. */
struct err_span {
    uint32_t start;
    uint32_t end;
};

/** Detail of a failure; zero-initialise it. Only written on failure. No ownership: plain memory. */
struct err {
    int code; /* enum err_code, positive */
    struct err_span span;
    char msg[256]; /* NUL-terminated, UTF-8, cut with "..." when longer */
};

/**
 * Fill `e` (when not NULL) and return -code, so that `return err_set(reterr, ERR_INVALID, "...")` works.
 * A message that does not fit is cut on a UTF-8 boundary.
 */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** Put "context: " before the message that is already in `e`; returns -e->code (-ERR_INTERNAL if none). */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);
/** From errno after a failed system call; ENOSPC/EDQUOT give ERR_NOSPACE, ENOMEM ERR_NOMEM, ENOENT
 * ERR_NOT_FOUND, EEXIST ERR_EXISTS, else ERR_IO. The message ends with the system's text. */
int err_set_errno(struct err *e, int errno_value, const char *fmt, ...) PRINTF_LIKE(3, 4);

/** Text of a code given as rc (negative) or enum (positive); never NULL. */
const char *err_text(int rc);
/** HTTP status for a code (500 when unknown). */
int err_http_status(int rc);
/** gRPC status code (2 UNKNOWN when unknown). */
int err_grpc_code(int rc);
/** Prometheus errorType string. */
const char *err_prom_type(int rc);

#endif
