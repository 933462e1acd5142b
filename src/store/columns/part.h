/* SPDX-License-Identifier: Apache-2.0
 *
 * An immutable part on disk, mapped: the rows of one UTC day of one flush or merge, sorted by (stream, time,
 * id) and cut into blocks. Reference-counted: a part that was merged away stays readable until its last
 * reader leaves, even after its files were removed.
 */
#ifndef STORE_COLUMNS_PART_H
#define STORE_COLUMNS_PART_H

#include "base/arena.h"
#include "base/vec.h"
#include "store/columns/columns.h"

struct budget;
struct part;

/** What the index says of a block; enough to skip it. On disk as it is. */
struct block_entry {
    int64_t min_ns;
    int64_t max_ns;
    uint64_t offset;    /* in the data file */
    uint32_t bytes;     /* of the whole block */
    uint32_t dir_bytes; /* of the column directory it starts with */
    uint32_t dir_crc;
    uint32_t rows_n;
    uint32_t raw_bytes;    /* about, when decoded */
    uint32_t resource_min; /* of the part's resource table */
    uint32_t resource_max;
    uint32_t reserved;
};

/** Map and check a part. The index is verified whole, blocks when they are read.
 * @param mask  number of the mask of deleted rows; 0: none
 * @return 0; -ERR_CORRUPT and -ERR_IO name the file; -ERR_UNSUPPORTED: a newer version wrote it */
NODISCARD int columns_part_open(const char *dir, uint32_t day, uint64_t seq, uint64_t mask,
                                struct part **ret, struct err *reterr);
void columns_part_ref(struct part *p);
void columns_part_unref(struct part *p); /* NULL is fine */

const char *columns_part_dir(const struct part *p);
uint32_t part_day(const struct part *p); /* YYYYMMDD */
uint64_t part_seq(const struct part *p);
enum columns_kind part_kind(const struct part *p);
int64_t part_min_ns(const struct part *p);
int64_t part_max_ns(const struct part *p);
uint64_t part_rows(const struct part *p); /* deleted ones as well */
uint64_t part_mask(const struct part *p); /* number; 0: none */
uint64_t part_deleted_rows(const struct part *p);
/** Account for the memory of its mask until the part goes. A full budget refuses nothing: what was deleted stays so.
 * Before others have the part. */
void part_charge_mask(struct part *p, struct budget *budget);
/** Bits of the deleted rows of a block; NULL: none. */
const uint64_t *part_deleted(const struct part *p, uint32_t block);
/** Are its bloom filters of the present kind? Those of version 1 are not looked at. */
bool part_has_blooms(const struct part *p);
/** Bloom filter of a block's bodies, once part_keep_body_bloom() was told of it: `reach` as in bloom_reach(). Its
 * checksum was right then. @return false: not known */
bool part_body_bloom(const struct part *p, uint32_t block, struct str *ret, unsigned *ret_reach);
void part_keep_body_bloom(const struct part *p, uint32_t block, struct str bloom, unsigned reach);
/** The checksum of the block's directory was found right. */
bool part_is_checked(const struct part *p, uint32_t block);
void part_keep_checked(const struct part *p, uint32_t block);
uint64_t part_bytes(const struct part *p); /* of its files */
/** Pages of its blocks that were read need not stay in memory; reading on takes them from the page cache again. */
void columns_part_unload(const struct part *p);

/** A block that will be read soon; when it is not in memory, reading begins. */
void columns_part_prefetch(const struct part *p, uint32_t block);

/** What a query found out of the whole part and the next one need not (names.c). It lives as long as the part. */
struct part_notes {
    void (*free_fn)(struct part_notes *notes);
};

const struct part_notes *part_notes(const struct part *p); /* NULL: none yet */
/** @return what is kept: `notes`, or those of a query that was faster (and `notes` are freed) */
const struct part_notes *part_keep_notes(const struct part *p, struct part_notes *notes);
uint32_t part_blocks(const struct part *p);
const struct block_entry *part_block(const struct part *p, uint32_t i);
/** Bytes of a block; within the mapping. */
struct str part_block_bytes(const struct part *p, uint32_t i);

uint32_t part_resources(const struct part *p);
uint32_t part_scopes(const struct part *p);
/** Encodings of the tables' entries; `i` must be in range. */
struct str part_resource_bytes(const struct part *p, uint32_t i);
struct str part_scope_bytes(const struct part *p, uint32_t i);

/** Blocks that may hold a trace (most parts know by their filter that none does), rising, appended to `ret` (which the caller frees). */
typedef VEC(uint32_t) block_list;
NODISCARD int part_trace_blocks(const struct part *p, const uint8_t id[16], block_list *ret,
                                struct err *reterr);
/** The same for many traces, given as rising fingerprints; a block may be listed more than once. */
NODISCARD int part_traces_blocks(const struct part *p, const uint64_t *fingerprints, size_t n,
                                 block_list *ret, struct err *reterr);

/** Every entry of the trace index, by rising fingerprint (its upper 32 bits). */
NODISCARD int part_each_trace(const struct part *p,
                              int (*fn)(void *arg, uint64_t fingerprint, uint32_t block), void *arg,
                              struct err *reterr);

#endif
