/* SPDX-License-Identifier: Apache-2.0
 *
 * The doors for log senders that do not speak HTTP, from the settings: syslog, Fluent forward.
 */
#ifndef BONGSU_LOG_DOORS_H
#define BONGSU_LOG_DOORS_H

#include "ingest/sink.h"

struct api;
struct err;
struct log_doors;
struct settings;

/** Open those the settings name and tell the status page of all. `settings`, `sink` and `stats` outlive them.
 * @return 0 or why one could not be opened; *ret is to be freed in either case */
NODISCARD int log_doors_open(const struct settings *c, struct sink *sink, struct stats *stats,
                             struct api *api, struct log_doors **ret, struct err *reterr);
/** NULL is fine. */
void log_doors_stop(struct log_doors *d, int64_t grace_ms);
void log_doors_free(struct log_doors *d);

#endif
