/* SPDX-License-Identifier: Apache-2.0
 *
 * The label half of the reading side, for the table of functions in select.c. Contracts: series_source.h.
 */
#ifndef STORE_TSDB_SELECT_H
#define STORE_TSDB_SELECT_H

#include "store/series_source.h"
#include "store/tsdb/index.h"

struct shard;

enum { VERDICTS_MAX = 4 };

struct judged;

/** What regular expressions say of a shard's values. */
struct verdicts {
    struct index_verdicts v[VERDICTS_MAX];
    struct judged *of[VERDICTS_MAX]; /* references: where by_pair lies */
    size_t n;
    uint64_t freed; /* pairs_freed of the shard then */
};

/** Judge without the shard's lock, which it takes for short. @return 0, -ERR_CANCELED, -ERR_TIMEOUT; free with
 * verdicts_done() after success */
NODISCARD int verdicts_prepare(struct shard *s, const struct series_query *q, struct verdicts *ret);
void verdicts_done(struct verdicts *v);
/** index_resolve() of a shard, under its lock. */
NODISCARD int verdicts_resolve(const struct shard *s, const struct series_query *q,
                               const struct verdicts *v, roaring_bitmap_t **ret);

int select_label_names(void *impl, const struct series_query *q, size_t limit, struct arena *a,
                       struct str **ret, size_t *ret_n, struct err *reterr);
int select_label_values(void *impl, struct str name, const struct series_query *q, size_t limit,
                        struct arena *a, struct str **ret, size_t *ret_n, struct err *reterr);

#endif
