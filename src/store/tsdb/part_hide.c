/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleted samples of a part: sets of series with a range of time, kept beside it until it is written anew. The list
 * only grows, so readers need no lock.
 */
#include "base/err.h"
#include "store/tsdb/part_internal.h"

/** Samples that were deleted. */
struct hidden {
    roaring_bitmap_t *set; /* owned; series */
    int64_t min_ms, max_ms;
    struct hidden *next;
};

void part_free_hidden(struct hidden *h)
{
    while (h != NULL) {
        struct hidden *next = h->next;

        roaring_bitmap_free(h->set);
        mem_free(h);
        h = next;
    }
}

int part_hide(struct part *p, roaring_bitmap_t *set, int64_t min_ms, int64_t max_ms)
{
    struct hidden *h;

    if (roaring_bitmap_is_empty(set)) {
        roaring_bitmap_free(set);
        return 0;
    }
    h = mem_try_calloc(1, sizeof(*h));
    if (h == NULL) {
        roaring_bitmap_free(set);
        return -ERR_NOMEM;
    }
    *h = (struct hidden){.set = set, .min_ms = min_ms, .max_ms = max_ms};
    h->next = atomic_load_explicit(&p->hidden, memory_order_acquire);
    while (!atomic_compare_exchange_weak_explicit(&p->hidden, &h->next, h, memory_order_acq_rel,
                                                  memory_order_acquire)) {
    }
    return 0;
}

bool part_hides(const struct part *p)
{
    return atomic_load_explicit(&p->hidden, memory_order_acquire) != NULL;
}

bool part_hides_series(const struct part_cursor *c)
{
    const struct hidden *h = atomic_load_explicit(&c->part->hidden, memory_order_acquire);

    for (; h != NULL; h = h->next) {
        if (h->min_ms <= c->min_ms && h->max_ms >= c->max_ms &&
            roaring_bitmap_contains(h->set, c->number)) {
            return true;
        }
    }
    return false;
}

bool part_hides_time(const struct part_cursor *c, int64_t t_ms)
{
    const struct hidden *h = atomic_load_explicit(&c->part->hidden, memory_order_acquire);

    for (; h != NULL; h = h->next) {
        if (h->min_ms <= t_ms && h->max_ms >= t_ms && roaring_bitmap_contains(h->set, c->number)) {
            return true;
        }
    }
    return false;
}

/** Take hidden samples out of dst[from, n). */
void part_drop_hidden(const struct part_cursor *c, struct samples *dst, size_t from)
{
    const struct hidden *h = atomic_load_explicit(&c->part->hidden, memory_order_acquire);

    for (; h != NULL; h = h->next) {
        size_t kept = from;

        if (!roaring_bitmap_contains(h->set, c->number)) {
            continue;
        }
        for (size_t i = from; i < dst->n; i++) {
            if (dst->t_ms[i] < h->min_ms || dst->t_ms[i] > h->max_ms) {
                dst->t_ms[kept] = dst->t_ms[i];
                dst->v[kept++] = dst->v[i];
            }
        }
        dst->n = kept;
    }
}
