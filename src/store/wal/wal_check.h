/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking a log nobody has open.
 */
#ifndef STORE_WAL_WAL_CHECK_H
#define STORE_WAL_WAL_CHECK_H

#include "base/err.h"
#include "store/check_report.h"

/** Walk the records of every segment below `dir` (missing: nothing to say). A torn last record is no damage: it was
 * never acknowledged, and the next start cuts it. Never writes. @return 0, -ERR_IO, -ERR_NOMEM */
NODISCARD int wal_check(const char *dir, const struct check_report *report, struct err *reterr);

#endif
