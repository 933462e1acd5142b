/* SPDX-License-Identifier: Apache-2.0
 *
 * The head's index as the head itself uses it, and the head in order, as it is written.
 */
#ifndef STORE_TSDB_HEAD_INTERNAL_H
#define STORE_TSDB_HEAD_INTERNAL_H

#include "store/tsdb/head.h"

/** Enter a new series under all its labels and set its pairs. Undone on failure. @return 0, -ERR_NOMEM */
NODISCARD int head_index_add(struct shard *s, struct labels labels, struct series *se);
/** Take one series out again. */
void head_index_remove(struct shard *s, const struct series *se);
/** Take out every series that is no longer in the table: one pass over all lists. */
void head_index_sweep(struct shard *s);
void head_index_done(struct shard *s);

/** select_regex.c: what regular expressions said of a shard's values. */
struct verdict_cache *verdict_cache_new(void);
void verdict_cache_free(struct verdict_cache *c);

struct ordered {
    uint64_t key; /* of no use outside */
    struct series *se;
};

struct head_order {
    VEC(struct ordered) series;
};

/** All series with samples, in order of labels. The caller keeps collections away (maint) as long as it uses them.
 * @return 0, -ERR_NOMEM */
NODISCARD int head_order(struct head *h, struct head_order *ret);

#endif
