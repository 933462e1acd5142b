/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing, linear probing, at most 70 % full including tombstones.
 */
#include "base/map.h"

#include "base/alloc.h"
#include "base/err.h"
#include "base/hash.h"

struct map_slot {
    struct str key;
    void *value; /* NULL: empty; &tombstone_mark: deleted */
    uint64_t hash;
};

static char tombstone_mark;

void map_done(struct map *m)
{
    mem_free(m->slots);
    *m = (struct map){0};
}

static struct map_slot *find(const struct map *m, struct str key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_slot *s = &m->slots[i];

        if (s->value == NULL) {
            return NULL;
        }
        if (s->hash == hash && s->value != &tombstone_mark && str_eq(s->key, key)) {
            return s;
        }
    }
}

void *map_get(const struct map *m, struct str key)
{
    struct map_slot *s;

    if (m->n == 0) {
        return NULL;
    }
    s = find(m, key, hash64(key.p, key.n));
    return s != NULL ? s->value : NULL;
}

static void insert_new(struct map_slot *slots, size_t cap, struct map_slot entry)
{
    size_t i = entry.hash & (cap - 1);

    while (slots[i].value != NULL && slots[i].value != &tombstone_mark) {
        i = (i + 1) & (cap - 1);
    }
    slots[i] = entry;
}

static int rehash(struct map *m)
{
    size_t cap = m->cap != 0 ? m->cap : 16;
    struct map_slot *slots;

    while ((m->n + 1) * 2 > cap) {
        cap *= 2;
    }
    slots = mem_try_calloc(cap, sizeof(*slots));
    if (slots == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < m->cap; i++) {
        if (m->slots[i].value != NULL && m->slots[i].value != &tombstone_mark) {
            insert_new(slots, cap, m->slots[i]);
        }
    }
    mem_free(m->slots);
    m->slots = slots;
    m->cap = cap;
    m->dead = 0;
    return 0;
}

int map_put(struct map *m, struct str key, void *value)
{
    uint64_t hash = hash64(key.p, key.n);
    struct map_slot *s = m->cap != 0 ? find(m, key, hash) : NULL;

    if (s != NULL) {
        s->key = key;
        s->value = value;
        return 0;
    }
    if ((m->n + m->dead + 1) * 10 > m->cap * 7 && rehash(m) < 0) {
        return -ERR_NOMEM;
    }
    insert_new(m->slots, m->cap, (struct map_slot){key, value, hash});
    m->n++;
    return 0;
}

void *map_del(struct map *m, struct str key)
{
    struct map_slot *s = m->n != 0 ? find(m, key, hash64(key.p, key.n)) : NULL;
    void *old;

    if (s == NULL) {
        return NULL;
    }
    old = s->value;
    s->value = &tombstone_mark;
    m->n--;
    m->dead++;
    return old;
}

bool map_next(const struct map *m, size_t *pos, struct str *ret_key, void **ret_value)
{
    while (*pos < m->cap) {
        const struct map_slot *s = &m->slots[(*pos)++];

        if (s->value != NULL && s->value != &tombstone_mark) {
            *ret_key = s->key;
            *ret_value = s->value;
            return true;
        }
    }
    return false;
}
