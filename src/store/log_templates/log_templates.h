/* SPDX-License-Identifier: Apache-2.0
 *
 * Templates of log lines by their id, in memory and in one file that is appended to: an id that a stored line
 * carries keeps its meaning over restarts and kill -9. The miner (ingest/patterns) makes them.
 */
#ifndef STORE_LOG_TEMPLATES_LOG_TEMPLATES_H
#define STORE_LOG_TEMPLATES_LOG_TEMPLATES_H

#include "base/arena.h"
#include "store/check_report.h"

struct err;
struct log_templates;
struct vfs;

enum { LOG_TEMPLATE_SERVICE_MAX = 256, LOG_TEMPLATE_TEXT_MAX = 8192 };

struct log_template {
    uint64_t id;
    uint64_t
        alias_of;     /* the id of the template that covers this one now; 0: it stands for itself */
    int64_t first_ns; /* time of the first line */
    int64_t used_ns;  /* about when it was last followed */
    struct str service;
    struct str text; /* bytes 1 and 2 stand for what varies */
};

struct log_templates_opts {
    const char *path; /* NULL: memory only */
    const struct vfs *vfs;
    size_t max; /* templates; then the least used makes room; 0: 40000 */
};

/** A file that ends in the middle of a record (a crash) loses that record; what is damaged otherwise is kept beside it
 * as <path>.damaged, with a line in the log. @return 0, -ERR_IO, -ERR_NOMEM, -ERR_NOSPACE, -ERR_UNSUPPORTED */
NODISCARD int log_templates_open(const struct log_templates_opts *o, struct log_templates **ret,
                                 struct err *reterr);
/** Writes what only memory knew. NULL is fine. */
void log_templates_close(struct log_templates *t);

/* Thread-safe. Failures to write are logged and mended with the next write: the templates stay in memory. */

/** New, or with a text that became more general (first_ns is then kept). The record is with the kernel when this
 * returns. */
void log_templates_put(struct log_templates *t, const struct log_template *v);
void log_templates_touch(struct log_templates *t, uint64_t id, int64_t used_ns, int64_t time_ns);
/** Lines of `id` count as lines of `of` from now on. */
void log_templates_alias(struct log_templates *t, uint64_t id, uint64_t of);

/** Through aliases: ret->id is that of the template found. Text in `text` (cut to its size), no service. */
bool log_templates_find(struct log_templates *t, uint64_t id, char *text, size_t size,
                        struct log_template *ret);
/** The same with copies in `a`. @return 0, -ERR_NOT_FOUND, -ERR_NOMEM */
NODISCARD int log_templates_get(struct log_templates *t, uint64_t id, struct arena *a,
                                struct log_template *ret);
/** All, the least used first; under the lock: `fn` must be quick and keep no pointers. @return what fn gave when not 0 */
int log_templates_each(struct log_templates *t, int (*fn)(void *arg, const struct log_template *v),
                       void *arg);
size_t log_templates_count(struct log_templates *t);
/** Durable, for snapshots and shut-down. */
NODISCARD int log_templates_sync(struct log_templates *t, struct err *reterr);
/** A whole file of what is known now. @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM */
NODISCARD int log_templates_snapshot(struct log_templates *t, const char *path, struct err *reterr);
/** Look at a file nobody has open. A missing one is whole. @return 0 whatever was found; -ERR_IO, -ERR_NOMEM */
NODISCARD int log_templates_check(const char *path, const struct check_report *report,
                                  struct err *reterr);

#endif
