/* SPDX-License-Identifier: Apache-2.0
 *
 * native_histogram_bucket_limit and native_histogram_min_bucket_factor: coarser buckets instead of too many.
 */
#ifndef INGEST_SCRAPE_NATIVE_LIMIT_H
#define INGEST_SCRAPE_NATIVE_LIMIT_H

#include "model/histogram.h"

/**
 * Bring a histogram's schema down to schema_max, then until it has no more than `limit` buckets.
 * @param h  replaced by `scratch`, which is overwritten, when it has to change
 * @param limit  of positive and negative buckets together; 0: none
 * @return 0; 1: there is no coarser schema (custom bounds have none); -ERR_NOMEM
 */
NODISCARD int native_limit(const struct native_histogram **h, uint64_t limit, int32_t schema_max,
                           struct native_histogram *scratch);

#endif
