/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking an engine's directory of spans or logs while nobody has it open.
 */
#ifndef STORE_COLUMNS_CHECK_H
#define STORE_COLUMNS_CHECK_H

#include "base/err.h"
#include "store/check_report.h"
#include "store/columns/columns.h"

/** Decode every column of every block of every part below `dir`, look at the manifest's checksum and the bitmaps of deleted
 * rows, and walk the log. A
 * missing directory is whole. Repair: a damaged part goes to quarantine/ with all its rows; the manifest forgets it
 * at the next start. A damaged manifest is not mended.
 * @return 0 whatever was found; -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM when the check itself failed */
NODISCARD int columns_check(const char *dir, enum columns_kind kind,
                            const struct check_report *report, struct err *reterr);

#endif
