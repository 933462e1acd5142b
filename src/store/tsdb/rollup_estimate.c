/* SPDX-License-Identifier: Apache-2.0
 *
 * What the smallest value and the sum of a counter's bucket are, about, told from what is kept of it anyway: last
 * samples, numbers of samples, the samples around resets. A counter rises between them, so the estimate is bounded;
 * rollup_codec.c keeps the value itself wherever the estimate is off by more than ROLLUP_ESTIMATE_ERROR.
 */
#include "store/tsdb/rollup.h"

/** What is known before and in a bucket. */
struct known {
    double t, v;
};

/** The first sample of a bucket, which lies between two known ones a step or more apart. */
static struct known first_sample(const struct rollup_bucket *b, int64_t resolution_ms,
                                 struct known before, struct known next)
{
    double open = (double)(b->end_ms - resolution_ms);
    double start = before.t > open ? before.t : open;
    double step = ((double)b->t_ms - start) / b->count;
    double share = next.t > before.t ? (start + step - before.t) / (next.t - before.t) : 1;

    share = share < 1 ? share : 1;
    if (next.v < before.v) { /* reset: what follows it is kept */
        return next;
    }
    return (struct known){start + step, before.v + (next.v - before.v) * share};
}

void rollup_estimate(const struct rollup *r, int64_t resolution_ms, double *min, double *sum)
{
    struct known before = {0};
    size_t p = 0;

    for (size_t i = 0; i < r->buckets.n; i++) {
        const struct rollup_bucket *b = &r->buckets.v[i];
        const struct known last = {(double)b->t_ms, b->last};
        struct known at = {0};
        double area = 0;
        double begin = 0;
        bool any = false;

        for (; p <= r->points.n; p++) { /* the last sample is the last of them */
            bool end = p == r->points.n || r->points.v[p].t_ms >= b->t_ms;
            struct known k = last;

            if (!end && sample_is_stale(r->points.v[p].v)) {
                continue;
            }
            if (!end) {
                k = (struct known){(double)r->points.v[p].t_ms, r->points.v[p].v};
            }
            if (!any) {
                at = i == 0 || b->count <= 1 ? k : first_sample(b, resolution_ms, before, k);
                min[i] = at.v;
                begin = at.t;
                any = true;
            }
            area += (k.t - at.t) * (k.v + at.v) * 0.5;
            min[i] = k.v < min[i] ? k.v : min[i];
            at = k;
            if (end) {
                break;
            }
        }
        sum[i] = b->count <= 1 || last.t <= begin ? last.v * b->count
                                                  : area / (last.t - begin) * b->count;
        before = last;
    }
}
