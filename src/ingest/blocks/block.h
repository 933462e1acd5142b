/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the blocks of a Prometheus data directory: index version 2, chunks of floats and of native
 * histograms, tombstones. Source: Prometheus,
 * tsdb/docs/format/{index,chunks,tombstones}.md. Safe on any bytes; nothing is written.
 */
#ifndef INGEST_BLOCKS_BLOCK_H
#define INGEST_BLOCKS_BLOCK_H

#include "io/vfs.h"
#include "model/histogram.h"
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
    uint64_t histograms;     /* native ones */
    uint64_t unknown_chunks; /* of later encodings: passed over */
};

/** Who is told what a block has. A result that is not 0 ends the walk. */
struct prom_block_visitor {
    void *arg;
    /** Every series in order of the index: labels sorted and valid only during the call, samples of all its float chunks in
     * time order without deleted ones (may be none). */
    int (*series)(void *arg, struct labels labels, const struct samples *s, struct err *reterr);
    /** Its native histograms, each before the call for its series; in order but where chunks overlap, then the later call
     * is the later chunk's. A stale marker has its bits in `sum`. */
    int (*histogram)(void *arg, struct labels labels, int64_t t_ms,
                     const struct native_histogram *h, struct err *reterr);
};

/** @return 0, the visitor's result, -ERR_CORRUPT naming the place, -ERR_NOMEM */
NODISCARD int prom_block_each(const struct prom_block *b, const struct prom_block_visitor *v,
                              struct prom_block_counts *ret, struct err *reterr);

#endif
