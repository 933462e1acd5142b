/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking a whole data directory while no server uses it: `bongsu check data`.
 */
#ifndef STORE_CHECK_H
#define STORE_CHECK_H

#include "base/err.h"
#include "store/check_report.h"

/** Under the lock a server would take. What each engine looks at and mends: tsdb/check.h, columns/check.h; accounts
 * are looked at with SQLite's integrity check and never mended; the log of spans that wait for tail sampling as every
 * log of writes; the key of redaction by its length.
 * @return 0 whatever was found; -ERR_EXISTS (a server uses it), -ERR_NOT_FOUND, or what made checking impossible */
NODISCARD int store_check(const char *dir, const struct check_report *report, struct err *reterr);

#endif
