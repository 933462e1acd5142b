/* SPDX-License-Identifier: Apache-2.0
 *
 * What matchers need from an index, whoever has it (a head shard, a part): label pairs by name and value,
 * and the set of series numbers that carry a pair. index_resolve() does the set algebra once for both.
 */
#ifndef STORE_TSDB_INDEX_H
#define STORE_TSDB_INDEX_H

#include <roaring/roaring.h>

#include "base/cancel.h"
#include "store/series_source.h"

struct index_ops {
    /** The pair of a name and a value. @return false when no series has it */
    bool (*find)(const void *impl, struct str name, struct str value, uint64_t *ret_pair);
    /** Call fn for every pair of a name whose value starts with `prefix` (a hint: others may come too), until
     * fn returns non-zero; that is returned. */
    int (*each)(const void *impl, struct str name, struct str prefix,
                int (*fn)(void *arg, struct str value, uint64_t pair), void *arg);
    /** Add the series of a pair to a set. @return 0, -ERR_CORRUPT */
    int (*add)(const void *impl, uint64_t pair, roaring_bitmap_t *dst);
    /** Add every series. */
    void (*all)(const void *impl, roaring_bitmap_t *dst);
    /** How many series a pair has, or a number that grows with it. */
    uint64_t (*size)(const void *impl, uint64_t pair);
    /** Keep of a set what the pair has. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
    int (*keep)(const void *impl, uint64_t pair, roaring_bitmap_t *set);
    /** Has the pair a series of the set? @return 1, 0, -ERR_CORRUPT */
    int (*meets)(const void *impl, uint64_t pair, const roaring_bitmap_t *set);
    /** Add the series of several pairs at once; NULL: add() for each. @return 0, -ERR_CORRUPT, -ERR_NOMEM */
    int (*add_many)(const void *impl, const uint64_t *pairs, size_t n, roaring_bitmap_t *dst);
};

/** What a costly matcher says of pairs, found out beforehand; others are asked for. */
struct index_verdicts {
    const struct matcher *m;
    const uint8_t *by_pair; /* 0 not known, 1 no, 2 yes */
    size_t n;
};

struct index_view {
    const struct index_ops *ops;
    const void *impl;
};

/** Series numbers that satisfy all matchers (all of them when n is 0). Free with roaring_bitmap_free().
 * @return 0, -ERR_NOMEM, -ERR_CORRUPT, -ERR_CANCELED, -ERR_TIMEOUT */
NODISCARD int index_resolve_with(struct index_view ix, const struct matcher *const *matchers,
                                 size_t n, const struct index_verdicts *verdicts, size_t verdicts_n,
                                 struct cancel *cancel, roaring_bitmap_t **ret);
NODISCARD int index_resolve(struct index_view ix, const struct matcher *const *matchers, size_t n,
                            struct cancel *cancel, roaring_bitmap_t **ret);

#endif
