/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys the doors know series by. A key may name a series that is gone; the append then says so and the
 * door registers the key anew.
 */
#include "store/tsdb/tsdb_internal.h"

static struct door_shard *door_of(struct tsdb *db, struct hash128 key)
{
    return &db->doors[key.hi & (DOOR_SHARDS - 1)];
}

void doors_init(struct tsdb *db)
{
    for (unsigned i = 0; i < DOOR_SHARDS; i++) {
        rwlock_init(&db->doors[i].lock, LOCK_RANK_LEAF);
    }
}

void doors_done(struct tsdb *db)
{
    for (unsigned i = 0; i < DOOR_SHARDS; i++) {
        keymap_done(&db->doors[i].map);
        rwlock_done(&db->doors[i].lock);
    }
}

bool tsdb_lookup(struct tsdb *db, struct hash128 door_key, struct series_ref *ret)
{
    struct door_shard *d = door_of(db, door_key);
    uint64_t v = 0;
    bool found;

    rwlock_read(&d->lock);
    found = keymap_get(&d->map, door_key, &v);
    rwlock_unlock(&d->lock);
    if (found) {
        ret->v = v;
    }
    return found;
}

void tsdb_lookup_batch(struct tsdb *db, const struct hash128 *keys, size_t n,
                       struct series_ref *refs_out)
{
    uint8_t order[TSDB_LOOKUP_MAX]; /* keys by the slice they belong to */
    uint8_t end[DOOR_SHARDS] = {0};
    size_t from = 0;

    for (size_t i = 0; i < n; i++) {
        end[keys[i].hi & (DOOR_SHARDS - 1)]++;
    }
    for (unsigned d = 1; d < DOOR_SHARDS; d++) {
        end[d] = (uint8_t)(end[d] + end[d - 1]);
    }
    for (size_t i = n; i > 0; i--) {
        order[--end[keys[i - 1].hi & (DOOR_SHARDS - 1)]] = (uint8_t)(i - 1);
    }
    for (unsigned d = 0; d < DOOR_SHARDS; d++) { /* end[] are starts now */
        size_t to = d + 1 < DOOR_SHARDS ? end[d + 1] : n;
        struct door_shard *door = &db->doors[d];

        if (from == to) {
            continue;
        }
        rwlock_read(&door->lock);
        for (size_t i = from; i < to; i++) {
            keymap_prefetch(&door->map, keys[order[i]]);
        }
        for (; from < to; from++) {
            uint64_t v = TSDB_NO_SERIES;

            ignore_result(keymap_get(&door->map, keys[order[from]], &v), "v says it");
            refs_out[order[from]].v = v;
        }
        rwlock_unlock(&door->lock);
    }
}

int doors_put(struct tsdb *db, struct hash128 key, struct series_ref ref)
{
    struct door_shard *d = door_of(db, key);
    int rc;

    rwlock_write(&d->lock);
    rc = keymap_put(&d->map, key, ref.v);
    rwlock_unlock(&d->lock);
    return rc;
}

/** Numbers that are alive, per shard of the head. */
struct alive {
    roaring_bitmap_t *set[HEAD_SHARDS];
};

static bool is_alive(void *arg, uint64_t value)
{
    const struct alive *a = arg;
    struct series_ref ref = {value};

    return roaring_bitmap_contains(a->set[head_ref_shard(ref)], head_ref_number(ref));
}

void doors_sweep(struct tsdb *db)
{
    struct alive alive = {{NULL}};
    bool ok = true;

    /* Series made after this point are not in the sets: their keys would be dropped and registered again
     * at the next lookup, which is harmless. */
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &db->head.shards[i];
        struct index_view ix = head_index(s);

        alive.set[i] = roaring_bitmap_create();
        ok = ok && alive.set[i] != NULL;
        if (ok) {
            rwlock_read(&s->lock);
            ix.ops->all(ix.impl, alive.set[i]);
            rwlock_unlock(&s->lock);
        }
    }
    for (unsigned i = 0; ok && i < DOOR_SHARDS; i++) {
        struct door_shard *d = &db->doors[i];

        rwlock_write(&d->lock);
        keymap_filter(&d->map, is_alive, &alive);
        rwlock_unlock(&d->lock);
    }
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        if (alive.set[i] != NULL) {
            roaring_bitmap_free(alive.set[i]);
        }
    }
}
