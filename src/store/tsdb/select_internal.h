/* SPDX-License-Identifier: Apache-2.0
 *
 * A selection. Label pairs are kept once as symbols; a series is the sequence of its symbols' ranks in
 * byte order, so that sorting, merging and comparing series never looks at a string.
 */
#ifndef STORE_TSDB_SELECT_INTERNAL_H
#define STORE_TSDB_SELECT_INTERNAL_H

#include "store/tsdb/native.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/select.h"
#include "store/tsdb/tsdb_internal.h"

/** What the head had of a series. */
struct head_data {
    struct chunk **chunks; /* pinned; in arrival order */
    struct point *points;  /* sorted */
    uint32_t chunks_n;
    uint32_t points_n;
};

/** What one source has of one series. */
struct piece {
    uint32_t seq; /* first of its ranks in selection->seqs */
    uint16_t seq_n;
    uint16_t source; /* 0: the head; else the part's place + 1 */
    uint32_t at;     /* in heads, or in places */
};

struct entry {
    struct labels labels;
    uint32_t first, n; /* pieces: the head's first, then parts in order of arrival */
};

struct series_selection {
    struct arena arena;
    struct budget *budget;
    int64_t taken; /* from the budget */
    int64_t min_ms, max_ms;
    size_t max_series;
    enum series_want want;
    enum series_need need;
    struct rollup_plan *plan; /* owned; NULL: raw parts only */
    struct cancel *cancel;
    struct part **parts;
    size_t parts_n;
    VEC(struct entry) entries; /* in order of labels */
    VEC(struct piece) pieces;
    VEC(uint32_t) seqs;
    VEC(struct head_data) heads;
    VEC(struct part_place) places;
    VEC(struct chunk *) pinned;
    bool starts;         /* shows the start timestamps, and only them */
    bool has_starts;     /* among the entries */
    bool has_components; /* of native histograms, among the entries */
    struct native_group
        *groups; /* owned; what is seen from outside; NULL: the entries themselves */
    size_t groups_n;
};

/** The first bytes as a number that sorts like them. */
static inline uint64_t str_start(struct str s)
{
    uint8_t bytes[8] = {0};
    uint64_t x;

    if (s.n != 0) {
        memcpy(bytes, s.p, s.n < 8 ? s.n : 8);
    }
    memcpy(&x, bytes, 8);
    return __builtin_bswap64(x);
}

/** Gather what matches from head and parts, and order it. @return 0, -ERR_LIMIT, -ERR_NOMEM,
 * -ERR_CANCELED, -ERR_TIMEOUT, -ERR_CORRUPT */
NODISCARD int selection_build(struct tsdb *db, struct series_selection *s,
                              const struct series_query *q);

/** Has the head a sample of the series in the range, or a chunk that spans some of it? Under the shard's lock. */
bool head_has_samples(const struct series *se, int64_t min_ms, int64_t max_ms);

#endif
