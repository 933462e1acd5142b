/* SPDX-License-Identifier: Apache-2.0
 *
 * The error table's look-ups and message building. No allocation: errors must work when memory is gone.
 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    const char *text;
    int http;
    int grpc;
    const char *prom;
};

static const struct err_row ROWS[] = {
#define ERR_ROW(name, num, text, http, grpc, prom) [num] = {text, http, grpc, prom},
    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

static const struct err_row *row_of(int rc)
{
    unsigned code = rc < 0 ? (unsigned)-rc : (unsigned)rc;

    return code < ARRAY_LEN(ROWS) && ROWS[code].text != NULL ? &ROWS[code] : NULL;
}

/* Cut to fit `cap` bytes with "..." and no broken UTF-8 sequence before it. */
static void cut_utf8(char *msg, size_t cap)
{
    size_t n = cap - 4;

    while (n > 0 && ((unsigned char)msg[n] & 0xC0) == 0x80) {
        n--;
    }
    memcpy(msg + n, "...", 4);
}

static size_t format_into(char *dst, size_t cap, const char *fmt, va_list ap)
{
    int n = vsnprintf(dst, cap, fmt, ap);

    if (n < 0) {
        dst[0] = '\0';
        return 0;
    }
    if ((size_t)n >= cap) {
        cut_utf8(dst, cap);
        return cap - 1;
    }
    return (size_t)n;
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    if (e != NULL) {
        va_list ap;

        e->code = (int)code;
        e->span = (struct err_span){0, 0};
        va_start(ap, fmt);
        format_into(e->msg, sizeof(e->msg), fmt, ap);
        va_end(ap);
    }
    return -(int)code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    char old[sizeof(e->msg)];
    va_list ap;
    size_t n;

    if (e == NULL) {
        return -ERR_INTERNAL;
    }
    memcpy(old, e->msg, sizeof(old));
    va_start(ap, fmt);
    n = format_into(e->msg, sizeof(e->msg), fmt, ap);
    va_end(ap);
    if (n + 3 < sizeof(e->msg)) {
        int m = snprintf(e->msg + n, sizeof(e->msg) - n, ": %s", old);

        if (m > 0 && n + (size_t)m >= sizeof(e->msg)) {
            cut_utf8(e->msg, sizeof(e->msg));
        }
    }
    return e->code != 0 ? -e->code : -ERR_INTERNAL;
}

static enum err_code code_of_errno(int errno_value)
{
    switch (errno_value) {
    case ENOSPC:
    case EDQUOT:
        return ERR_NOSPACE;
    case ENOMEM:
        return ERR_NOMEM;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    default:
        return ERR_IO;
    }
}

int err_set_errno(struct err *e, int errno_value, const char *fmt, ...)
{
    enum err_code code = code_of_errno(errno_value);

    if (e != NULL) {
        char system_text[96];
        va_list ap;
        size_t n;

        e->code = (int)code;
        e->span = (struct err_span){0, 0};
        va_start(ap, fmt);
        n = format_into(e->msg, sizeof(e->msg), fmt, ap);
        va_end(ap);
        if (n + 3 < sizeof(e->msg)) {
            snprintf(e->msg + n, sizeof(e->msg) - n, ": %s",
                     strerror_r(errno_value, system_text, sizeof(system_text)));
        }
    }
    return -(int)code;
}

const char *err_text(int rc)
{
    const struct err_row *r = row_of(rc);

    if (rc == 0) {
        return "ok";
    }
    return r != NULL ? r->text : "unknown error";
}

int err_http_status(int rc)
{
    const struct err_row *r = row_of(rc);

    return r != NULL ? r->http : 500;
}

int err_grpc_code(int rc)
{
    const struct err_row *r = row_of(rc);

    return r != NULL ? r->grpc : 2;
}

const char *err_prom_type(int rc)
{
    const struct err_row *r = row_of(rc);

    return r != NULL ? r->prom : "internal";
}
