/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking the metrics engine's directory while nobody has it open.
 */
#ifndef STORE_TSDB_CHECK_H
#define STORE_TSDB_CHECK_H

#include "base/err.h"
#include "store/check_report.h"

/** Read every byte of every part of every tier and of the log below `dir`: checksums, order of series and of times,
 * every chunk. A missing directory is whole.
 * Repair: of a part with damaged data, the series that can be read become a new part and the old one goes to
 * quarantine/; a part whose index is damaged goes there whole; unfinished directories are removed. The log mends
 * itself at the next start.
 * @return 0 whatever was found; -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM when the check itself failed */
NODISCARD int tsdb_check(const char *dir, const struct check_report *report, struct err *reterr);

#endif
