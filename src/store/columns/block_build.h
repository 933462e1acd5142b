/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows in, one encoded block out: values are gathered in columns as rows come, each column is then encoded
 * the way that is smallest. Reused from block to block. Not thread-safe.
 */
#ifndef STORE_COLUMNS_BLOCK_BUILD_H
#define STORE_COLUMNS_BLOCK_BUILD_H

#include "base/buf.h"
#include "model/otel.h"

struct block_builder;

/** @param level  of zstd
 *  @param borrow  texts of rows stay where they are until the block is finished: they are not copied
 *  @return NULL without memory */
struct block_builder *block_builder_new(int level, bool borrow);
void block_builder_free(struct block_builder *b); /* NULL is fine */

/** @return 0, -ERR_NOMEM, -ERR_TOO_LARGE */
NODISCARD int block_add_span(struct block_builder *b, const struct span *s, uint64_t id,
                             uint32_t resource, uint32_t scope);
NODISCARD int block_add_log(struct block_builder *b, const struct log_record *l, uint64_t id,
                            uint32_t resource, uint32_t scope);
size_t block_rows(const struct block_builder *b);
size_t block_raw_bytes(const struct block_builder *b);

/** Append the block (directory, then payloads) to dst and start over. @return bytes of the directory, or
 * -ERR_NOMEM, -ERR_TOO_LARGE */
NODISCARD int64_t block_finish(struct block_builder *b, struct buf *dst);

struct block;
/** Append a block that was read, column by column as it is stored, but with its rows' resource and scopes
 * replaced. @return bytes of the directory, or -ERR_NOMEM, -ERR_TOO_LARGE */
NODISCARD int64_t block_relocate(const struct block *b, uint32_t resource, const int64_t *scopes,
                                 struct buf *dst);

#endif
