/* SPDX-License-Identifier: Apache-2.0
 *
 * A part as its readers see it, and what they share. Internal to part_*.c and the fuzz target.
 */
#ifndef STORE_TSDB_PART_INTERNAL_H
#define STORE_TSDB_PART_INTERNAL_H

#include "base/lock.h"
#include "codec/bits.h"
#include "store/tsdb/part.h"
#include "store/tsdb/part_format.h"

struct hidden;
struct hot_block;

struct name_range {
    struct str name;
    uint32_t first, n;
};

struct part {
    _Atomic uint32_t refs; /* acq_rel on the last release */
    char *dir;
    const struct vfs *remove; /* not NULL: remove the directory with the last reference */
    struct mapping data, index;
    bool mapped; /* of files, by part_open() */
    struct part_info info;
    struct part_footer f;
    const uint8_t *section[SECTION_COUNT];
    struct name_range *names;        /* owned, f.names_n */
    _Atomic uint8_t *verified;       /* owned; per block 1: its checksum was right; relaxed */
    _Atomic(struct hidden *) hidden; /* newest first; a node stays as long as the part */
    struct mutex lock;
    struct hot_block *hot; /* last one unpacked; guarded by: lock */
};

/** An error that names the part. @return -ERR_CORRUPT */
int part_bad(const struct part *p, const char *what, struct err *reterr);

/** Takes the mappings over on success only. */
NODISCARD int part_parse(struct mapping index, struct mapping data, bool check_crc,
                         struct part **ret, struct err *reterr);

/** Give the mappings back to the caller: part_unref() then leaves them alone. Tests only. */
void part_forget_mappings(struct part *p);

/** The bytes of a column of times. @return it is there */
bool part_column(const struct part *p, uint64_t column, struct str *ret);

/** A walk over the chunks of series in order. */
struct chunk_walk {
    struct bits_reader r;
    uint32_t block, offset; /* behind the last stored one */
    uint32_t times;         /* column behind the last used one */
};

struct chunk_at {
    uint32_t times, block, offset, size;
};

struct chunk_walk part_walk_of(const struct part_cursor *c);
/** Read where the next chunk is. @return false: malformed */
bool part_next_chunk(struct chunk_walk *w, bool blob, struct chunk_at *ret);

/** NULL is fine. */
void part_hot_unref(struct hot_block *h);
void part_free_hidden(struct hidden *h);
/** Take hidden samples out of dst[from, n). */
void part_drop_hidden(const struct part_cursor *c, struct samples *dst, size_t from);

#endif
