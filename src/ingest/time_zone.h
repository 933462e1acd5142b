/* SPDX-License-Identifier: Apache-2.0
 *
 * Time zones for times that carry none (RFC 3164): read from the system's database (TZif, RFC 9636), with the rule at
 * its end for the years beyond the table.
 */
#ifndef INGEST_TIME_ZONE_H
#define INGEST_TIME_ZONE_H

#include "base/str.h"

struct err;
struct time_zone;

/** @param name  "local" (/etc/localtime, UTC without it), "UTC", "+09:00", "Asia/Seoul"
 * @return 0, -ERR_INVALID with why */
NODISCARD int time_zone_open(struct str name, struct time_zone **ret, struct err *reterr);
/** From the bytes of a TZif file. @return 0, -ERR_INVALID */
NODISCARD int time_zone_parse(struct str file, struct time_zone **ret, struct err *reterr);
/** NULL is fine. */
void time_zone_free(struct time_zone *z);

/** Seconds east of Greenwich at a moment (Unix seconds). NULL is UTC. */
int64_t time_zone_offset_s(const struct time_zone *z, int64_t utc_s);
/** Unix seconds of a clock's reading, given as if it were UTC. Of an hour that comes twice the first, of one that is
 * left out the moment that long after it began. NULL is UTC. */
int64_t time_zone_to_utc_s(const struct time_zone *z, int64_t local_s);

#endif
