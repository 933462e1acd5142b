/* SPDX-License-Identifier: Apache-2.0
 *
 * The disk buffer: batches in a directory, one file each, first in first out. A file is there whole or not
 * at all; when the directory is full the oldest batch goes and is counted. One owner; no locking inside.
 */
#ifndef AGENT_SPOOL_H
#define AGENT_SPOOL_H

#include "agent/batch.h"
#include "io/vfs.h"

struct err;
struct spool;

struct spool_stats {
    uint64_t bytes;   /* on disk, counted in blocks of 4 KiB */
    uint64_t batches; /* waiting */
    uint64_t dropped; /* for want of room, since open */
    uint64_t corrupt; /* files that did not read back, since open */
};

/** Make the directory if needed, remove half-written files, find what an earlier run left. `vfs` and `dir`
 * are borrowed/copied. @return 0, -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM */
NODISCARD int spool_open(const struct vfs *vfs, const char *dir, uint64_t max_bytes,
                         struct spool **ret, struct err *reterr);
void spool_close(struct spool *s);
/**
 * Append; marks are not stored. Makes room by dropping the oldest.
 * @return 0; -ERR_TOO_LARGE when it could never fit; -ERR_IO, -ERR_NOSPACE, -ERR_NOMEM: nothing changed
 */
NODISCARD int spool_put(struct spool *s, const struct batch *b, struct err *reterr);
/** Read the oldest, without removing it; batch_done() by the caller. Corrupt files are removed and counted.
 * @return 0; -ERR_NOT_FOUND when empty; -ERR_IO, -ERR_NOMEM */
NODISCARD int spool_peek(struct spool *s, struct batch *ret, struct err *reterr);
/** Remove the oldest. */
void spool_pop(struct spool *s);
void spool_set_max(struct spool *s, uint64_t max_bytes);
struct spool_stats spool_stats_of(const struct spool *s);

/** Encode and decode one file (little endian, see README.md). decode: data is a copy.
 * @return 0, -ERR_CORRUPT, -ERR_NOMEM */
void spool_encode(const struct batch *b, struct buf *dst);
NODISCARD int spool_decode(struct str file, struct batch *ret);

#endif
