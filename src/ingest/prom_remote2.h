/* SPDX-License-Identifier: Apache-2.0
 *
 * Remote write 2.0, behind prom_remote.h.
 */
#ifndef INGEST_PROM_REMOTE2_H
#define INGEST_PROM_REMOTE2_H

#include "ingest/prom_remote.h"
#include "ingest/push.h"

NODISCARD int prom_remote2_write(struct push_door *d, struct sink *sink, struct str body,
                                 struct prom_remote_result *ret, struct err *reterr);

/** Is the replica these labels name the elected one? *ret_drop is the label to leave out (empty: deduplication is
 * off). A request is judged by its first series. */
bool prom_remote_elected(struct sink *sink, struct labels first, struct str *ret_drop);

#endif
