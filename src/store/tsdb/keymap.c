/* SPDX-License-Identifier: Apache-2.0
 *
 * Linear probing over 16-byte slots, at most 3/4 full: the hit path of ingest touches one line, seldom two.
 */
#include "store/tsdb/keymap.h"

#include "base/alloc.h"
#include "base/err.h"

enum { FIRST_CAP = 64 };

static const uint64_t VALUE_MASK = (UINT64_C(1) << 40) - 1;

static bool is_of(const struct keymap_slot *s, uint64_t lo, uint64_t hi)
{
    return s->lo == lo && ((s->rest ^ hi) & ~VALUE_MASK) == 0;
}

/** The slot of a key, or the empty one where it belongs. */
static size_t find(const struct keymap *m, uint64_t lo, uint64_t hi)
{
    size_t i = lo & (m->cap - 1);

    while (m->slots[i].rest != 0 && !is_of(&m->slots[i], lo, hi)) {
        i = (i + 1) & (m->cap - 1);
    }
    return i;
}

void keymap_done(struct keymap *m)
{
    mem_free(m->slots);
    *m = (struct keymap){0};
}

bool keymap_get(const struct keymap *m, struct hash128 key, uint64_t *ret)
{
    size_t i;

    if (m->cap == 0) {
        return false;
    }
    i = find(m, key.lo, key.hi);
    if (m->slots[i].rest == 0) {
        return false;
    }
    *ret = (m->slots[i].rest & VALUE_MASK) - 1;
    return true;
}

static int rehash(struct keymap *m, size_t cap, bool (*keep)(void *arg, uint64_t value), void *arg)
{
    struct keymap next = {.cap = cap};

    next.slots = mem_try_calloc(cap, sizeof(*next.slots));
    if (next.slots == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < m->cap; i++) {
        const struct keymap_slot *s = &m->slots[i];

        if (s->rest != 0 && (keep == NULL || keep(arg, (s->rest & VALUE_MASK) - 1))) {
            next.slots[find(&next, s->lo, s->rest)] = *s;
            next.n++;
        }
    }
    mem_free(m->slots);
    *m = next;
    return 0;
}

int keymap_put(struct keymap *m, struct hash128 key, uint64_t value)
{
    size_t i;

    if ((m->n + 1) * 4 > m->cap * 3 &&
        rehash(m, m->cap == 0 ? FIRST_CAP : m->cap * 2, NULL, NULL) < 0) {
        return -ERR_NOMEM;
    }
    i = find(m, key.lo, key.hi);
    m->n += m->slots[i].rest == 0 ? 1 : 0;
    m->slots[i] = (struct keymap_slot){key.lo, (key.hi & ~VALUE_MASK) | (value + 1)};
    return 0;
}

void keymap_filter(struct keymap *m, bool (*keep)(void *arg, uint64_t value), void *arg)
{
    if (m->cap != 0) {
        ignore_result(rehash(m, m->cap, keep, arg), "stale entries only cost memory");
    }
}
