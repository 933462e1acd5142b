/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing one part: rows come sorted by (stream, time, id), blocks are cut and appended, the files are
 * synced and renamed into place at the end. Until then nothing of it can be seen.
 */
#ifndef STORE_COLUMNS_PART_WRITE_H
#define STORE_COLUMNS_PART_WRITE_H

#include "store/columns/columns.h"
#include "store/columns/part.h"

struct part_writer;

struct part_writer_opts {
    int level;   /* of zstd */
    bool borrow; /* texts of rows stay where they are until the writer has finished */
};

/** @param dir  of the finished part; written as dir.tmp until columns_part_writer_finish() */
NODISCARD int part_writer_open(const struct vfs *vfs, const char *dir, enum columns_kind kind,
                               struct part_writer_opts opts, struct part_writer **ret,
                               struct err *reterr);
/** Index in the part's table of a resource or scope, by its encoding. */
NODISCARD int part_writer_resource(struct part_writer *w, struct str encoded, uint32_t *ret,
                                   struct err *reterr);
NODISCARD int part_writer_scope(struct part_writer *w, struct str encoded, uint32_t *ret,
                                struct err *reterr);
/** The next row. `stream` is its sort key. */
NODISCARD int part_writer_span(struct part_writer *w, const struct span *s, uint64_t id,
                               uint64_t stream, uint32_t resource, uint32_t scope,
                               struct err *reterr);
NODISCARD int part_writer_log(struct part_writer *w, const struct log_record *l, uint64_t id,
                              uint64_t stream, uint32_t resource, uint32_t scope,
                              struct err *reterr);
struct block;
/** A whole block as it is, with its rows' resource and scopes by their numbers in this part. Its traces come
 * with part_writer_copy_traces(). @param ret_number  of the block in this part */
NODISCARD int part_writer_copy(struct part_writer *w, const struct block *b, uint32_t resource,
                               const int64_t *scopes, uint32_t *ret_number, struct err *reterr);
/** Index entries of the blocks copied from `p`. @param copied  per block: its number here + 1; 0: not copied */
NODISCARD int part_writer_copy_traces(struct part_writer *w, const struct part *p,
                                      const uint32_t *copied, struct err *reterr);
/** Sync and rename; the writer is freed either way, and nothing is left behind on failure.
 * @param ret_bytes  written */
NODISCARD int columns_part_writer_finish(struct part_writer *w, uint64_t *ret_bytes,
                                         struct err *reterr);
/** Give up and remove what was written. NULL is fine. */
void part_writer_abort(struct part_writer *w);

#endif
