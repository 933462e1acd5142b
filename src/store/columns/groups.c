/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table from text to counts, in order of first appearance.
 */
#include "store/columns/groups.h"

#include "base/err.h"
#include "base/hash.h"

void groups_init(struct groups *g, struct arena *a, size_t buckets)
{
    *g = (struct groups){.a = a, .buckets = buckets};
}

void groups_done(struct groups *g)
{
    vec_done(&g->list);
    vec_done(&g->hashes);
    mem_free(g->slots);
    g->slots = NULL;
}

static bool groups_grow(struct groups *g)
{
    size_t n = g->slots_n != 0 ? g->slots_n * 2 : 64;
    uint32_t *slots = mem_try_calloc(n, sizeof(*slots));

    if (slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < g->list.n; i++) {
        size_t at = g->hashes.v[i] & (n - 1);

        while (slots[at] != 0) {
            at = (at + 1) & (n - 1);
        }
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(g->slots);
    g->slots = slots;
    g->slots_n = n;
    return true;
}

int groups_find(struct groups *g, struct str value, uint32_t *ret_index)
{
    struct columns_group e = {0};
    uint64_t hash;
    size_t at;

    if ((g->list.n + 1) * 2 > g->slots_n && !groups_grow(g)) {
        return -ERR_NOMEM;
    }
    hash = hash64(value.p, value.n);
    at = hash & (g->slots_n - 1);
    for (; g->slots[at] != 0; at = (at + 1) & (g->slots_n - 1)) {
        if (g->hashes.v[g->slots[at] - 1] == hash &&
            str_eq(g->list.v[g->slots[at] - 1].value, value)) {
            *ret_index = g->slots[at] - 1;
            return 0;
        }
    }
    e.value = value.n != 0 ? arena_str_dup(g->a, value) : STR("");
    e.counts = arena_calloc(g->a, g->buckets, sizeof(*e.counts));
    if (e.counts == NULL || e.value.p == NULL || !vec_reserve(&g->hashes, 1) ||
        !vec_push(&g->list, e)) {
        return -ERR_NOMEM;
    }
    g->hashes.v[g->hashes.n++] = hash;
    g->slots[at] = (uint32_t)g->list.n;
    *ret_index = (uint32_t)g->list.n - 1;
    return 0;
}

int groups_take(struct groups *g, struct columns_group **ret, size_t *ret_n)
{
    struct columns_group *v = arena_array(g->a, struct columns_group, g->list.n + 1);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    if (g->list.n != 0) {
        memcpy(v, g->list.v, g->list.n * sizeof(*v));
    }
    *ret = v;
    *ret_n = g->list.n;
    return 0;
}
