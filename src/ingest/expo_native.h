/* SPDX-License-Identifier: Apache-2.0
 *
 * The native form inside io.prometheus.client.Histogram.
 */
#ifndef INGEST_EXPO_NATIVE_H
#define INGEST_EXPO_NATIVE_H

#include "base/arena.h"
#include "codec/pb.h"

struct native_histogram;

/**
 * Read a Histogram message's native form into the arena.
 * @param ret_is_native  false: it has classic buckets only, *ret is NULL
 * @return 0, -ERR_INVALID, -ERR_TRUNCATED, -ERR_NOMEM
 */
NODISCARD int expo_native_read(struct pb msg, bool gauge, struct arena *a,
                               const struct native_histogram **ret, bool *ret_is_native,
                               struct err *reterr);

#endif
