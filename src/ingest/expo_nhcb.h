/* SPDX-License-Identifier: Apache-2.0
 *
 * Classic histograms to native ones with custom bounds (schema -53): a metric's `_bucket`, `_count` and `_sum` are
 * gathered and become one histogram. What cannot be one (counts that fall, a count that is not that of the last bucket)
 * is left out, as upstream leaves it out. Source: Prometheus documentation, convert_classic_histograms_to_nhcb.
 */
#ifndef INGEST_EXPO_NHCB_H
#define INGEST_EXPO_NHCB_H

#include "base/vec.h"
#include "model/histogram.h"

struct classic_bucket {
    double le;
    double count; /* cumulative */
    uint32_t at;  /* order of arrival: of equal bounds the first counts */
};

/** A classic histogram being gathered. Zeroed is ready. */
struct classic {
    VEC(struct classic_bucket) buckets;
    double count, sum;
    bool has_count;
};

void classic_done(struct classic *c);
/** Empty it, keep the storage. */
void classic_clear(struct classic *c);
/** @return 0, -ERR_NOMEM */
NODISCARD int classic_add(struct classic *c, double le, double count);
/** To a histogram, which is emptied first. Sorts the buckets.
 * @return 0; 1: it cannot be one; -ERR_NOMEM */
NODISCARD int classic_to_native(struct classic *c, struct native_histogram *ret);

/* ---- the text formats: lines to histograms, on their way to the consumer ---- */

struct expo;
struct expo_nhcb;

void expo_nhcb_free(struct expo_nhcb *n); /* NULL is fine */
/** The sample in x goes to its histogram, the one gathered is handed on when it belongs to another.
 * @return 0: hand the sample on; 1: it is part of a histogram and not wanted itself; -ERR_x */
NODISCARD int expo_nhcb_take(struct expo *x, struct err *reterr);
/** Hand on what was gathered, if anything. x->sample is as before afterwards. */
NODISCARD int expo_nhcb_flush(struct expo *x, struct err *reterr);

#endif
