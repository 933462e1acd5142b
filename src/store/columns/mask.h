/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a part that were deleted: a bitmap per block that has any, in the file mask.<number> beside the
 * part's own. A later mask of the same part holds all of an earlier one. Which one counts is in the manifest.
 */
#ifndef STORE_COLUMNS_MASK_H
#define STORE_COLUMNS_MASK_H

#include "base/buf.h"
#include "store/columns/part.h"

struct err;
struct mask;

/** A mask of a part with these blocks, from the bytes of its file (copied). @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int mask_parse(struct str bytes, const struct block_entry *blocks, uint32_t blocks_n,
                         struct mask **ret, struct err *reterr);
void mask_free(struct mask *m); /* NULL is fine */
/** Bits of the deleted rows of a block; NULL: none. */
const uint64_t *mask_of_block(const struct mask *m, uint32_t block);
uint64_t mask_rows(const struct mask *m);
size_t mask_bytes(const struct mask *m); /* of memory */

/** The file's bytes. `bits[i]`: NULL, or the deleted rows of block i. */
void mask_encode(const uint64_t *const *bits, const struct block_entry *blocks, uint32_t blocks_n,
                 struct buf *dst);

#endif
