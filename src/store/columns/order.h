/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorting for flushes: rows that mostly came in order, and large lists of numbers. Nothing here compares through
 * a function pointer.
 */
#ifndef STORE_COLUMNS_ORDER_H
#define STORE_COLUMNS_ORDER_H

#include <stddef.h>
#include <stdint.h>

/** Where a row lies, and what it is sorted by: day and stream as one group, then time, then id. */
struct order_row {
    int64_t time_ns;
    uint64_t id;
    uint32_t chunk;
    uint32_t at;
    uint32_t group; /* numbers in the order that is wanted */
    uint32_t reserved;
};

/** A number and what belongs to it. */
struct order_pair {
    uint64_t key;
    uint32_t value;
};

/** By (group, time, id): counting sort by group, then runs that are in order already are merged.
 * @param scratch  n rows @param starts  groups + 1 numbers, left with where each group begins
 * @return the one of `v` and `scratch` that has the result */
struct order_row *order_rows(struct order_row *v, struct order_row *scratch, size_t n,
                             uint32_t *starts, size_t groups);
/** By (key, value) for keys below 2^48: radix sort. @return as above */
struct order_pair *order_pairs(struct order_pair *v, struct order_pair *scratch, size_t n);

#endif
