/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table from text to counts. The table has a part of each hash, so that a group is looked at only when it is
 * very likely the one.
 */
#include "store/columns/groups.h"

#include <stdlib.h>

#include "base/err.h"

void groups_init(struct groups *g, struct arena *a, size_t buckets)
{
    *g = (struct groups){.a = a, .buckets = buckets};
}

void groups_done(struct groups *g)
{
    vec_done(&g->list);
    mem_free(g->slots);
    g->slots = NULL;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

static bool groups_grow(struct groups *g)
{
    size_t n = g->slots_n != 0 ? g->slots_n * 2 : 64;
    struct group_slot *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < g->list.n; i++) {
        uint64_t hash = g->list.v[i].hash;
        size_t at = hash & (n - 1);

        while (slots[at].index != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (struct group_slot){tag_of(hash), (uint32_t)i + 1};
    }
    mem_free(g->slots);
    g->slots = slots;
    g->slots_n = n;
    return true;
}

int groups_find_hashed(struct groups *g, struct str value, uint64_t hash, uint32_t *ret_index)
{
    struct group e = {.hash = hash};
    size_t at;

    if ((g->list.n + 1) * 2 > g->slots_n && !groups_grow(g)) {
        return -ERR_NOMEM;
    }
    at = hash & (g->slots_n - 1);
    for (; g->slots[at].index != 0; at = (at + 1) & (g->slots_n - 1)) {
        uint32_t index = g->slots[at].index - 1;

        if (g->slots[at].tag == tag_of(hash) && str_eq(g->list.v[index].value, value)) {
            *ret_index = index;
            return 0;
        }
    }
    e.first = (uint64_t)g->at << 32 | g->list.n;
    e.value = value.n != 0 ? arena_str_dup(g->a, value) : STR("");
    if (g->buckets > 1) {
        e.counts = arena_calloc(g->a, g->buckets, sizeof(*e.counts));
    }
    if ((g->buckets > 1 && e.counts == NULL) || e.value.p == NULL || !vec_push(&g->list, e)) {
        return -ERR_NOMEM;
    }
    g->slots[at] = (struct group_slot){tag_of(hash), (uint32_t)g->list.n};
    *ret_index = (uint32_t)g->list.n - 1;
    return 0;
}

int groups_join(struct groups *g, const struct groups *from)
{
    enum { AHEAD = 8 };

    g->joined = true;
    for (size_t i = 0; i < from->list.n; i++) {
        const struct group *e = &from->list.v[i];
        size_t before = g->list.n;
        struct group *mine;
        uint32_t index;
        int rc;

        if (i + 2 * AHEAD < from->list.n) {
            groups_expect(g, e[2 * AHEAD].hash);
            groups_expect_soon(g, e[AHEAD].hash);
        }
        rc = groups_find_hashed(g, e->value, e->hash, &index);
        if (rc < 0) {
            return rc;
        }
        mine = &g->list.v[index];
        mine->first = before != g->list.n || e->first < mine->first ? e->first : mine->first;
        mine->total += e->total;
        for (size_t k = 0; k < g->buckets && e->counts != NULL; k++) {
            mine->counts[k] += e->counts[k];
        }
    }
    return 0;
}

static int by_first(const void *pa, const void *pb)
{
    const struct group *a = pa;
    const struct group *b = pb;

    return (a->first > b->first) - (a->first < b->first);
}

/* Does `a` stand before `b` among the highest? */
static bool is_higher(const struct group *a, const struct group *b)
{
    return a->total != b->total ? a->total > b->total : a->first < b->first;
}

static int highest_first(const void *pa, const void *pb)
{
    return is_higher(pa, pb) ? -1 : is_higher(pb, pa) ? 1 : 0;
}

/* The lowest on top of a heap of n. */
static void sift_down(struct group *heap, size_t n)
{
    size_t i = 0;

    for (;;) {
        size_t low = i;
        struct group t = heap[i];

        for (size_t kid = 2 * i + 1; kid <= 2 * i + 2 && kid < n; kid++) {
            low = is_higher(&heap[low], &heap[kid]) ? kid : low;
        }
        if (low == i) {
            return;
        }
        heap[i] = heap[low];
        heap[low] = t;
        i = low;
    }
}

/* The highest to the front, falling. */
static void select_top(struct group *v, size_t n, size_t top)
{
    qsort(v, top, sizeof(*v), highest_first);
    for (size_t i = 0; i < top / 2; i++) { /* rising is a heap */
        struct group t = v[i];

        v[i] = v[top - 1 - i];
        v[top - 1 - i] = t;
    }
    for (size_t i = top; i < n; i++) {
        if (is_higher(&v[i], &v[0])) {
            v[0] = v[i];
            sift_down(v, top);
        }
    }
    qsort(v, top, sizeof(*v), highest_first);
}

int groups_take(struct groups *g, size_t top, struct columns_group **ret, size_t *ret_n)
{
    size_t n = top != 0 && top < g->list.n ? top : g->list.n;
    struct columns_group *v = arena_array(g->a, struct columns_group, n + 1);
    uint64_t *totals = arena_array(g->a, uint64_t, n + 1);

    if (v == NULL || totals == NULL) {
        return -ERR_NOMEM;
    }
    if (top != 0 && n != 0) {
        select_top(g->list.v, g->list.n, n);
    } else if (g->joined && n != 0) {
        qsort(g->list.v, n, sizeof(*g->list.v), by_first);
    }
    for (size_t i = 0; i < n; i++) {
        const struct group *e = &g->list.v[i];

        totals[i] = e->total;
        v[i] =
            (struct columns_group){e->value, e->counts != NULL ? e->counts : &totals[i], e->total};
    }
    *ret = v;
    *ret_n = n;
    return 0;
}
