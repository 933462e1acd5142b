/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the rules of processing come from: the file of the setting, or what was made in the console.
 */
#ifndef BONGSU_PROCESSING_H
#define BONGSU_PROCESSING_H

#include "ingest/process/process.h"

struct meta;

/** With the key of hashes from DIR/redaction.key, which is made when there is none (readable by the server's user).
 * @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_CORRUPT (a key of another length) */
NODISCARD int processing_open(const char *dir, struct stats *stats, struct budget *budget,
                              struct process **ret, struct err *reterr);
/** Load the file, or with path "" what the console stored (nothing: no rules). @return as process_load(), -ERR_IO,
 * -ERR_NOT_FOUND; the old rules stay */
NODISCARD int processing_load(struct process *p, const char *path, struct meta *meta,
                              struct err *reterr);
/** Read the file as processing_load() would; one line a rule into `dst`. */
NODISCARD int processing_check(const char *path, struct buf *dst, struct err *reterr);

#endif
