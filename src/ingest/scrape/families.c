/* SPDX-License-Identifier: Apache-2.0
 *
 * A table of families by hash. Strings live in one arena, so nothing is freed one by one.
 */
#include "ingest/scrape/families.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/map.h"
#include "base/vec.h"

enum { ARENA_BYTES = 256 << 20 };

struct entry {
    uint64_t hash; /* the map's key */
    uint32_t id;
    struct expo_family e;
};

struct families {
    struct mutex lock;
    struct arena a;              /* guarded by: lock */
    struct map by_hash;          /* guarded by: lock */
    VEC(struct entry *) entries; /* guarded by: lock */
};

struct families *families_new(void)
{
    struct families *f = mem_xcalloc(1, sizeof(*f));

    mutex_init(&f->lock, LOCK_RANK_LEAF);
    arena_init(&f->a, ARENA_BYTES);
    return f;
}

void families_free(struct families *f)
{
    if (f != NULL) {
        vec_done(&f->entries);
        map_done(&f->by_hash);
        arena_done(&f->a);
        mutex_done(&f->lock);
        mem_free(f);
    }
}

uint64_t family_hash(const struct expo_family *e)
{
    uint64_t h = hash64_seed(e->name.p, e->name.n, (uint64_t)e->type + 1);

    h = hash64_seed(e->help.p, e->help.n, h);
    return hash64_seed(e->unit.p, e->unit.n, h);
}

static struct entry *add(struct families *f, const struct expo_family *e, uint64_t hash)
{
    struct entry *n = arena_new(&f->a, struct entry);

    if (n == NULL || f->entries.n >= FAMILIES_MAX) {
        return NULL;
    }
    *n = (struct entry){.hash = hash, .id = (uint32_t)f->entries.n, .e = *e};
    n->e.name = arena_str_dup(&f->a, e->name);
    n->e.help = arena_str_dup(&f->a, e->help);
    n->e.unit = arena_str_dup(&f->a, e->unit);
    if ((e->name.n != 0 && n->e.name.p == NULL) || (e->help.n != 0 && n->e.help.p == NULL) ||
        (e->unit.n != 0 && n->e.unit.p == NULL) || !vec_push(&f->entries, n)) {
        return NULL;
    }
    if (map_put(&f->by_hash, str_of((const char *)&n->hash, sizeof(n->hash)), n) < 0) {
        f->entries.n--;
        return NULL;
    }
    return n;
}

uint32_t families_intern(struct families *f, const struct expo_family *e, uint64_t hash,
                         bool *ret_new)
{
    struct entry *found;
    uint32_t id;

    mutex_lock(&f->lock);
    found = map_get(&f->by_hash, str_of((const char *)&hash, sizeof(hash)));
    *ret_new = found == NULL;
    found = found != NULL ? found : add(f, e, hash);
    id = found != NULL ? found->id : FAMILIES_NONE;
    mutex_unlock(&f->lock);
    return id;
}

bool families_get(struct families *f, uint32_t id, struct expo_family *ret)
{
    bool ok;

    mutex_lock(&f->lock);
    ok = id < f->entries.n;
    if (ok) {
        *ret = f->entries.v[id]->e;
    }
    mutex_unlock(&f->lock);
    return ok;
}
