/* SPDX-License-Identifier: Apache-2.0
 *
 * Joining what several places know of one series. The common case, runs that follow each other, costs
 * nothing.
 */
#include "base/err.h"
#include "store/tsdb/tsdb_internal.h"

int samples_room(struct samples *s, size_t n)
{
    return n > SIZE_MAX / 64 - s->n || !samples_reserve(s, s->n + n) ? -ERR_NOMEM : 0;
}

static size_t lower_bound(const int64_t *t, size_t n, int64_t x)
{
    size_t lo = 0;

    while (lo < n) {
        size_t mid = lo + (n - lo) / 2;

        if (t[mid] < x) {
            lo = mid + 1;
        } else {
            n = mid;
        }
    }
    return lo;
}

int samples_join(struct samples *dst, size_t split)
{
    size_t from;
    size_t moved;
    struct samples old = {0};
    size_t a = 0;
    size_t b = split;
    size_t out;

    if (split == 0 || split == dst->n || dst->t_ms[split - 1] < dst->t_ms[split]) {
        return 0;
    }
    from = lower_bound(dst->t_ms, split, dst->t_ms[split]); /* before it nothing changes */
    moved = split - from;
    if (moved == 0) {
        return 0;
    }
    if (!samples_reserve(&old, moved)) {
        samples_done(&old);
        return -ERR_NOMEM;
    }
    old.n = moved;
    memcpy(old.t_ms, dst->t_ms + from, old.n * sizeof(*old.t_ms));
    memcpy(old.v, dst->v + from, old.n * sizeof(*old.v));
    out = from;
    while (a < old.n || b < dst->n) { /* out never passes b: it is at most from + a + (b - split) */
        if (b == dst->n || (a < old.n && old.t_ms[a] < dst->t_ms[b])) {
            dst->t_ms[out] = old.t_ms[a];
            dst->v[out++] = old.v[a++];
        } else {
            a += a < old.n && old.t_ms[a] == dst->t_ms[b] ? 1 : 0;
            dst->t_ms[out] = dst->t_ms[b];
            dst->v[out++] = dst->v[b++];
        }
    }
    dst->n = out;
    samples_done(&old);
    return 0;
}

void samples_clip(struct samples *s, int64_t min_ms, int64_t max_ms)
{
    size_t from = lower_bound(s->t_ms, s->n, min_ms);
    size_t to = max_ms == INT64_MAX ? s->n : lower_bound(s->t_ms, s->n, max_ms + 1);

    if (from >= to) {
        s->n = 0;
        return;
    }
    if (from != 0) {
        memmove(s->t_ms, s->t_ms + from, (to - from) * sizeof(*s->t_ms));
        memmove(s->v, s->v + from, (to - from) * sizeof(*s->v));
    }
    s->n = to - from;
}
