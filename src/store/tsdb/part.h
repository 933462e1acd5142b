/* SPDX-License-Identifier: Apache-2.0
 *
 * A part: an immutable directory with the samples of many series within one UTC day. Layout: README.md.
 * Parts are counted; whoever holds a reference may read its mapping, also after it was replaced or dropped.
 */
#ifndef STORE_TSDB_PART_H
#define STORE_TSDB_PART_H

#include "base/arena.h"
#include "io/vfs.h"
#include "store/tsdb/index.h"

enum { PART_DAY_MS = 86400000, PART_MAX_LABELS = 1024 };

struct part_info {
    int64_t day;     /* days since 1970, may be negative */
    uint64_t seq_lo; /* flush numbers it holds: of equal times the higher number wins */
    uint64_t seq_hi;
    int64_t min_ms, max_ms;
    uint64_t series_n;
    uint64_t samples_n;
    uint64_t chunks_n;
    uint64_t bytes; /* on disk */
};

struct part;

/** Open a finished part; checks magic and the checksum of its index.
 * @return 0, -ERR_CORRUPT (names the file), -ERR_IO, -ERR_NOMEM */
NODISCARD int part_open(const char *dir, struct part **ret, struct err *reterr);
struct part *part_ref(struct part *p);
/** The last reference unmaps it, and removes its directory if part_remove_on_free() was called. */
void part_unref(struct part *p);
void part_remove_on_free(struct part *p, const struct vfs *vfs);

/** Remove a part's directory so that a crash leaves all of it or something named *.gone, which parts_load()
 * clears away. A missing one is fine. */
NODISCARD int part_remove_dir(const struct vfs *vfs, const char *dir, struct err *reterr);
#define PART_GONE_SUFFIX ".gone"

const struct part_info *part_info(const struct part *p);
const char *part_dir(const struct part *p);
struct index_view part_index(const struct part *p);
/** Call fn for every label name. */
int part_each_name(const struct part *p, int (*fn)(void *arg, struct str name), void *arg);
/** How many values a label has; how many pairs there are. */
uint32_t part_values_n(const struct part *p, struct str name);
uint32_t part_pairs_n(const struct part *p);
/** One pair; strings lie in the mapping. @return 0, -ERR_CORRUPT */
NODISCARD int part_pair(const struct part *p, uint32_t pair, struct label *ret);

/** Where one is in a part's series; forward steps are cheap. Plain memory, set with part_cursor_init(). */
struct part_cursor {
    const struct part *part;
    uint32_t number;        /* of the series decoded last; UINT32_MAX: none */
    int64_t min_ms, max_ms; /* its samples */
    uint32_t pairs_n;
    uint32_t chunks_n;
    bool blob;              /* written by part_writer_add_blob() */
    const uint8_t *chunks;  /* its chunks, encoded */
    const uint8_t *next;    /* the next series' entry; NULL after part_resume() */
    uint32_t block, offset; /* behind the chunk before its first */
    uint32_t times;         /* column behind the one used last before it */
    uint32_t end_block, end_offset, end_times; /* the same behind its last chunk */
    uint32_t pairs[PART_MAX_LABELS];
};

/** What has been read of the part's files leaves this process' memory: for walks over all of it. */
void part_unload(const struct part *p);

void part_cursor_init(struct part_cursor *c, const struct part *p);
/** Go to a series. @return 0, -ERR_CORRUPT */
NODISCARD int part_seek(struct part_cursor *c, uint32_t number);
/** Its labels; strings lie in the mapping, the array in `a`. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int part_labels(const struct part_cursor *c, struct arena *a, struct labels *ret);

/** Where a series' chunks are told of: enough to read them without the walk to it. */
struct part_place {
    int64_t min_ms, max_ms;
    uint32_t number;
    uint32_t entry; /* offset of its chunks in the section */
    uint32_t block, offset, times;
    uint32_t chunks; /* number << 1 | blob */
};

struct part_place part_place_of(const struct part_cursor *c);
/** Stand at a series again, for reading its samples or its blob; it has no labels until the next part_seek(). */
void part_resume(struct part_cursor *c, const struct part *p, const struct part_place *at);
/** Bytes of its chunks in the data file, before zstd. */
uint64_t part_series_bytes(const struct part_cursor *c);
/** Append its samples in [min_ms, max_ms], rising, and what else is cheap to have of the chunks that overlap.
 * @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int part_read(const struct part_cursor *c, int64_t min_ms, int64_t max_ms,
                        struct samples *dst, struct err *reterr);
/** As part_read() when only the newest sample of the range matters: that one, and perhaps others. */
NODISCARD int part_read_newest(const struct part_cursor *c, int64_t min_ms, int64_t max_ms,
                               struct samples *dst, struct err *reterr);
/** The one chunk that part_writer_add_blob() wrote for the series: fn sees its bytes, which lie in the mapping or an
 * unpacked block, during the call only. @return what fn returned; -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int part_read_blob(const struct part_cursor *c, int (*fn)(void *arg, struct str bytes),
                             void *arg, struct err *reterr);

/* ---- deletions ---- */

/** Hide the samples in [min_ms, max_ms] of a set of series from part_read(), for as long as the part is open. Takes
 * the set over, also on failure. Thread-safe beside readers. @return 0, -ERR_NOMEM */
NODISCARD int part_hide(struct part *p, roaring_bitmap_t *set, int64_t min_ms, int64_t max_ms);
/** Is anything hidden? */
bool part_hides(const struct part *p);
/** Is this time of the series hidden? (part_read() leaves such samples out itself.) */
bool part_hides_time(const struct part_cursor *c, int64_t t_ms);
/** Is all of the series hidden? */
bool part_hides_series(const struct part_cursor *c);

/* ---- writing ---- */

struct part_writer;

/** Build a part in `dir` (made; must not exist). info: day and seq are taken from it. */
NODISCARD int part_writer_new(const struct vfs *vfs, const char *dir, const struct part_info *info,
                              struct part_writer **ret, struct err *reterr);
/** Series must come in order of their labels, each once; times strictly rising, all within the day. */
NODISCARD int part_writer_add(struct part_writer *w, struct labels labels, const int64_t *t_ms,
                              const double *v, size_t n, struct err *reterr);
/** Instead of samples, bytes of the caller's own form (roll-ups): kept, packed and checksummed like chunks.
 * @param n  points in it, counted as samples; > 0
 * @param bytes  1 byte to 1 MiB */
NODISCARD int part_writer_add_blob(struct part_writer *w, struct labels labels, int64_t min_ms,
                                   int64_t max_ms, size_t n, struct str bytes, struct err *reterr);
/** Write the index, sync everything. The directory may then be renamed into place. */
NODISCARD int part_writer_finish(struct part_writer *w, struct part_info *ret, struct err *reterr);
/** Also removes the directory unless it was finished. NULL is fine. */
void part_writer_free(struct part_writer *w);

#endif
