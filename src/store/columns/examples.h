/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans to be shown beside a histogram's counts (exemplars). Which one of a bucket is given is nobody's promise.
 */
#ifndef STORE_COLUMNS_EXAMPLES_H
#define STORE_COLUMNS_EXAMPLES_H

#include "store/columns/columns.h"

/** A span of a group in a bucket of a histogram. */
struct columns_example {
    struct str value; /* of the group; an absent field is "" */
    size_t bucket;
    int64_t time_ns;
    struct trace_id trace_id;
    struct span_id span_id;
};

struct columns_examples {
    struct columns_example *v; /* by group, then bucket */
    size_t n;
    struct scan_stats stats;
};

/** One span of each group and bucket that has any: the newest of those that were looked at, which are not all. */
NODISCARD int columns_find_examples(struct columns *c, const struct columns_query *q,
                                    const struct columns_buckets *over, struct arena *a,
                                    struct columns_examples *ret, struct err *reterr);

#endif
