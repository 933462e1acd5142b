/* SPDX-License-Identifier: Apache-2.0
 *
 * A histogram of durations with a relative error below 1 %: buckets 2^(1/64) apart, those of a native histogram of
 * schema 6, so that histograms merge by adding counts and go to the metrics store as they are. Sparse where there are
 * many (one per instance and tick), dense where they are summed up.
 */
#ifndef APM_LATENCY_H
#define APM_LATENCY_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LATENCY_SCHEMA = 6,        /* buckets per power of two: 2^6 */
    LATENCY_INDEX_MIN = -1280, /* native index of bucket 0: everything up to 2^-20 s */
    LATENCY_BUCKETS = 2048,    /* the last one: everything above 2^(766/64) s, 67 min */
};

/** Bucket of a duration. */
uint16_t latency_bucket(int64_t ns);
/** Value that stands for a bucket: within 0.55 % of everything in it. */
double latency_value_ns(uint16_t bucket);

/** Zeroed is empty. Not thread-safe. */
struct latency_sparse {
    uint32_t *count; /* owned; `cap` counts, then `cap` bucket numbers (uint16_t), rising */
    uint16_t n, cap;
};

/** Count one. `budget_bytes` is what it may still grow by and is lowered when it does.
 * @return false, nothing counted, without memory or budget */
NODISCARD bool latency_sparse_add(struct latency_sparse *s, uint16_t bucket, int64_t *budget_bytes);

/** Forget the counts, keep the memory. */
static inline void latency_sparse_clear(struct latency_sparse *s)
{
    s->n = 0;
}

/** @return bytes given back */
int64_t latency_sparse_done(struct latency_sparse *s);

/** What histograms are merged into. Clear before the first use. */
struct latency_dense {
    uint64_t total;
    uint16_t from, to; /* buckets in use: [from, to) */
    uint64_t v[LATENCY_BUCKETS];
};

void latency_dense_init(struct latency_dense *d);
/** Cheap when few buckets are in use. */
void latency_dense_clear(struct latency_dense *d);
void latency_dense_add(struct latency_dense *d, uint16_t bucket, uint64_t n);
void latency_merge(struct latency_dense *d, const struct latency_sparse *s);
/** The value of rank ceil(q * total), q in (0, 1], never above `max_ns`; 0 when empty. */
double latency_quantile_ns(const struct latency_dense *d, double q, double max_ns);

#endif
