/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the blocks of a Prometheus data directory: index version 2, XOR chunks, tombstones. Source: Prometheus,
 * tsdb/docs/format/{index,chunks,tombstones}.md. Safe on any bytes; nothing is written.
 */
#ifndef INGEST_BLOCKS_BLOCK_H
#define INGEST_BLOCKS_BLOCK_H

#include "io/vfs.h"
#include "model/labels.h"
#include "model/samples.h"

struct prom_block;

/** Map a block's files and check the index's table of contents and symbols.
 * @return 0; -ERR_NOT_FOUND, -ERR_IO; -ERR_CORRUPT, -ERR_UNSUPPORTED (version 1) naming the file */
NODISCARD int prom_block_open(const char *dir, struct prom_block **ret, struct err *reterr);
/** The same from memory: segments of chunks in order; all borrowed.
 * @param unchecked  checksums are not looked at: for the fuzzer, which never finds them */
NODISCARD int prom_block_parse(struct str index, const struct str *segments, size_t segments_n,
                               struct str tombstones, bool unchecked, struct prom_block **ret,
                               struct err *reterr);
void prom_block_close(struct prom_block *b); /* NULL is fine */

/** What was seen on a walk. */
struct prom_block_counts {
    uint64_t series;
    uint64_t samples;
    uint64_t histogram_chunks; /* of native histograms: passed over */
};

/** Call fn for every series in order of the index: labels sorted and valid only during the call, samples of all its
 * float chunks in time order without deleted ones (may be none). Stops with fn's result when it is not 0.
 * @return 0, fn's result, -ERR_CORRUPT naming the place, -ERR_NOMEM */
NODISCARD int prom_block_each(const struct prom_block *b,
                              int (*fn)(void *arg, struct labels labels, const struct samples *s,
                                        struct err *reterr),
                              void *arg, struct prom_block_counts *ret, struct err *reterr);

#endif
