/* SPDX-License-Identifier: Apache-2.0
 *
 * Buckets of one series: what is left of samples when they are rolled up. A bucket with the end `e` stands for
 * the samples in (e - resolution, e]: left-open, as PromQL's windows are, so that windows of whole buckets
 * give exactly what the samples give. No sample, no bucket.
 */
#ifndef STORE_TSDB_ROLLUP_H
#define STORE_TSDB_ROLLUP_H

#include "base/buf.h"
#include "base/vec.h"
#include "model/labels.h"
#include "model/samples.h"

enum {
    ROLLUP_MAX_BUCKETS = 4096, /* of one series in a part */
    ROLLUP_MAX_POINTS = 4096,  /* kept beside the buckets */
    ROLLUP_BLOB_MAX = 1 << 20, /* bytes of rollup_encode() */
};

/** Columns, for masks. The time and value of the last sample are always there. */
enum rollup_columns {
    ROLLUP_MIN = 1,
    ROLLUP_MAX = 2,
    ROLLUP_SUM = 4,
    ROLLUP_COUNT = 8,
    ROLLUP_POINTS = 16,
    ROLLUP_ALL = 31,
};

struct rollup_bucket {
    int64_t end_ms;
    int64_t t_ms; /* of the last sample */
    double last;
    double min, max; /* NaN only when all samples are, as PromQL has it */
    double sum;
    double count;
};

struct rollup_point {
    int64_t t_ms;
    double v;
};

/**
 * Points kept beside the buckets, rising, none at the time of a bucket's last sample:
 * - of counters the sample before each reset and the one after it, and the first sample of the part, so that
 *   increases over the last samples and these points are those of all samples;
 * - a stale marker when nothing follows it in its bucket.
 */
struct rollup {
    VEC(struct rollup_bucket) buckets; /* by end, each once */
    VEC(struct rollup_point) points;
    bool counter;       /* points of resets are kept */
    bool known_counter; /* by its labels: the first sample is kept, too */
};

void rollup_done(struct rollup *r); /* zeroed struct = empty */
void rollup_clear(struct rollup *r);

static inline int64_t rollup_end(int64_t t_ms, int64_t resolution_ms)
{
    int64_t q = t_ms / resolution_ms;

    return (q + (t_ms % resolution_ms > 0 ? 1 : 0)) * resolution_ms;
}

/** Is it a counter by its labels (suffixes of OpenMetrics and of native histograms' components)? */
bool rollup_is_counter(struct labels labels);

/** Fold samples (rising, stale markers included) into buckets, replacing what `dst` held. Series that are not
 * known as counters count as such when they rarely fall. @return 0, -ERR_NOMEM */
NODISCARD int rollup_fold(const struct samples *s, int64_t resolution_ms, bool known_counter,
                          struct rollup *dst);
/** Buckets of a finer resolution (which divides this one) to coarser ones, replacing what `dst` held. */
NODISCARD int rollup_coarsen(const struct rollup *src, int64_t resolution_ms, struct rollup *dst);
/** Join the buckets of samples that `dst` has not: buckets of equal ends become one.
 * @return 0, -ERR_NOMEM */
NODISCARD int rollup_combine(struct rollup *dst, const struct rollup *src);
/**
 * Add samples (rising) to buckets whose own samples are gone, so that a sample that comes twice counts once. In a
 * bucket that is there only what is known to be new is added: samples after its last one, and before it when that is
 * its only one. A sample at the time of the last one replaces it; others are taken to be in it already.
 * @param closed  raised by the samples left out that way, but for kept points. `dst` needs its counts and points.
 * @return 0, -ERR_NOMEM
 */
NODISCARD int rollup_add_late(struct rollup *dst, const struct samples *late, int64_t resolution_ms,
                              bool known_counter, uint64_t *closed);

/** Of counters by name the smallest value and the sum are kept to this share of themselves only; of a tier that late
 * samples were folded into, to twice that. */
#define ROLLUP_ESTIMATE_ERROR 0.005

/** About the smallest value and the sum of each bucket of a counter, from its other columns and points. Not NaN unless
 * those are. @param min, sum  room for all buckets */
void rollup_estimate(const struct rollup *r, int64_t resolution_ms, double *min, double *sum);

/** Also keep what `from` says at these times (rising): so a native histogram's components are known at all times its
 * count has points at. @return 0, -ERR_NOMEM */
NODISCARD int rollup_keep_at(struct rollup *r, const struct samples *from, const int64_t *t_ms,
                             size_t n);
/** Everything a roll-up knows in order of time, points and last samples, replacing what `dst` held.
 * @return 0, -ERR_NOMEM */
NODISCARD int rollup_known(const struct rollup *r, struct samples *dst);

/** Append the bytes of a roll-up (not empty). Layout: README.md. @return 0, -ERR_NOMEM, -ERR_TOO_LARGE (more buckets
 * than ROLLUP_MAX_BUCKETS) */
NODISCARD int rollup_encode(const struct rollup *r, int64_t resolution_ms, struct buf *dst);
/** The samples instead, which are folded when they are read: smaller where buckets hold few.
 * @return 0, -ERR_NOMEM, -ERR_TOO_LARGE */
NODISCARD int rollup_encode_samples(const struct samples *s, bool known_counter, struct buf *dst);
/** The samples of a roll-up that holds them, replacing what `dst` held. Safe on any bytes.
 * @return 1; 0: it holds buckets; -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int rollup_samples(struct str src, struct samples *dst);
/** Of either.
 * @param columns  to decode; others are undefined. Replaces what `dst` held. Safe on any bytes.
 * @return 0, -ERR_CORRUPT, -ERR_NOMEM */
NODISCARD int rollup_decode(struct str src, int64_t resolution_ms, unsigned columns,
                            struct rollup *dst);

#endif
