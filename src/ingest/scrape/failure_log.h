/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_failure_log_file: one line of JSON for every fetch that failed, with the keys Prometheus writes. Files are opened
 * when there is something to write and appended to; several jobs may name one file.
 */
#ifndef INGEST_SCRAPE_FAILURE_LOG_H
#define INGEST_SCRAPE_FAILURE_LOG_H

#include "base/str.h"

struct failure_logs;

struct failure_logs *failure_logs_new(void);
void failure_logs_free(struct failure_logs *l); /* NULL is fine */

struct scrape_failure {
    struct str message, job, url;
};

/** Append a line to the file at `path`. One that cannot be opened is named in the log once and not tried again until
 * failure_logs_reopen(). Thread-safe. */
void failure_logs_write(struct failure_logs *l, struct str path, const struct scrape_failure *f);
/** Close all files; they are opened again when needed, so they may be moved away. Thread-safe. */
void failure_logs_reopen(struct failure_logs *l);

#endif
