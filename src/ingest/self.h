/* SPDX-License-Identifier: Apache-2.0
 *
 * The program watches itself: every few seconds its statistics become ordinary series (job="bongsu"), so that
 * dashboards, PromQL and alerts see them like any other.
 */
#ifndef INGEST_SELF_H
#define INGEST_SELF_H

#include "base/stats.h"
#include "store/tsdb/tsdb.h"

struct self_monitor;

/** `instance` becomes the label of that name (copied). Starts a thread; everything is borrowed until
 * self_monitor_free(). @return NULL when the thread cannot start */
struct self_monitor *self_monitor_new(struct stats *stats, struct tsdb *db, const char *instance,
                                      int64_t interval_ms);
void self_monitor_free(struct self_monitor *m); /* NULL is fine */

#endif
