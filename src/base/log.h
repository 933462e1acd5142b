/* SPDX-License-Identifier: Apache-2.0
 *
 * Structured logging to stderr: a constant message plus typed fields, as logfmt or JSON lines. Library
 * code returns errors; the boundary that handles one logs it once. The only module with global state.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_format { LOG_LOGFMT, LOG_JSON };

enum log_kind { LOG_END, LOG_STR, LOG_I64, LOG_F64 };

struct log_field {
    const char *key; /* constant, snake_case, unit in the name */
    enum log_kind kind;

    union {
        struct str s;
        int64_t i;
        double f;
    } v;
};

#define L_STR(k, value)  ((struct log_field){.key = (k), .kind = LOG_STR, .v.s = (value)})
#define L_CSTR(k, value) L_STR((k), str_cstr(value))
#define L_INT(k, value)  ((struct log_field){.key = (k), .kind = LOG_I64, .v.i = (int64_t)(value)})
#define L_F64(k, value)  ((struct log_field){.key = (k), .kind = LOG_F64, .v.f = (value)})

/** Set once at start-up, before threads. */
void log_setup(enum log_level min_level, enum log_format format);
/** May be called at any time (config reload). */
void log_set_level(enum log_level min_level);
bool log_level_parse(struct str s, enum log_level *ret);

/** One line, written with a single write(2). `scope` is the module. Thread-safe. */
void log_write(enum log_level level, const char *scope, const char *msg,
               const struct log_field *fields);

#define log_at_(level, scope, msg, ...) \
    log_write((level), (scope), (msg), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})
#define log_debug(scope, msg, ...) log_at_(LOG_DEBUG, scope, msg, __VA_ARGS__)
#define log_info(scope, msg, ...)  log_at_(LOG_INFO, scope, msg, __VA_ARGS__)
#define log_warn(scope, msg, ...)  log_at_(LOG_WARN, scope, msg, __VA_ARGS__)
#define log_error(scope, msg, ...) log_at_(LOG_ERROR, scope, msg, __VA_ARGS__)

/** A limiter per call site: `static struct log_limit l;` At most one line every 10 s passes; the next one
 * that passes should carry `suppressed`. @return true when the caller may log. */
struct log_limit {
    _Atomic int64_t next_ns;
    _Atomic int64_t suppressed;
};

bool log_limit_pass(struct log_limit *l, int64_t *ret_suppressed);

#endif
