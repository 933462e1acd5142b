/* SPDX-License-Identifier: Apache-2.0
 *
 * Which queries run now: listed, cancelled by number, and kept in a mapped file, so that after a crash the next
 * start can say which ones were running. Thread-safe.
 */
#ifndef QUERY_PROMQL_ACTIVE_H
#define QUERY_PROMQL_ACTIVE_H

#include "base/cancel.h"
#include "base/str.h"
#include "query/promql/promql.h"

struct active;

/** @param path  of the file; NULL: none. What it says was running is logged; a file that cannot be used is
 *               logged and done without */
struct active *active_new(const char *path);
void active_free(struct active *a);

/** @param samples  read while the query runs. @return the query's number, > 0 */
uint64_t active_begin(struct active *a, const struct promql_ask *ask,
                      const _Atomic uint64_t *samples);
void active_end(struct active *a, uint64_t id);

void active_each(struct active *a, void (*fn)(void *arg, const struct promql_running *q),
                 void *arg);
/** @return false when no such query runs, or it cannot be cancelled */
bool active_cancel(struct active *a, uint64_t id);

#endif
