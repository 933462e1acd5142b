/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening a part from memory, for part_open() and the fuzz target.
 */
#ifndef STORE_TSDB_PART_INTERNAL_H
#define STORE_TSDB_PART_INTERNAL_H

#include "store/tsdb/part.h"

/** Takes the mappings over on success only. */
NODISCARD int part_parse(struct mapping index, struct mapping data, bool check_crc,
                         struct part **ret, struct err *reterr);

/** Give the mappings back to the caller: part_unref() then leaves them alone. Tests only. */
void part_forget_mappings(struct part *p);

#endif
