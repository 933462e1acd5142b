/* SPDX-License-Identifier: Apache-2.0
 *
 * Open addressing with linear probing on a hash that is already well spread. Entries are removed only by
 * rebuilding the table.
 */
#include "ingest/scrape/series_cache.h"

#include "base/alloc.h"

enum {
    FIRST_CAP = 64,
    KEEP_ROUNDS = 10, /* a series that vanished is remembered so long */
};

void series_cache_done(struct series_cache *c)
{
    mem_free(c->v);
    mem_free(c->orphans);
    *c = (struct series_cache){0};
}

static struct series_entry *slot_of(struct series_entry *v, size_t cap, uint64_t hash)
{
    size_t i = hash & (cap - 1);

    while (v[i].hash != 0 && v[i].hash != hash) {
        i = (i + 1) & (cap - 1);
    }
    return &v[i];
}

struct series_entry *series_cache_find(const struct series_cache *c, uint64_t hash)
{
    struct series_entry *e;

    if (c->n == 0) {
        return NULL;
    }
    e = slot_of(c->v, c->cap, hash);
    return e->hash != 0 ? e : NULL;
}

static bool rebuild(struct series_cache *c, size_t cap, uint32_t oldest)
{
    struct series_entry *v = mem_try_calloc(cap, sizeof(*v));

    if (v == NULL) {
        return false;
    }
    c->n = 0;
    for (size_t i = 0; i < c->cap; i++) {
        if (c->v[i].hash != 0 && c->v[i].round >= oldest) {
            *slot_of(v, cap, c->v[i].hash) = c->v[i];
            c->n++;
        }
    }
    mem_free(c->v);
    c->v = v;
    c->cap = cap;
    return true;
}

struct series_entry *series_cache_add(struct series_cache *c, uint64_t hash)
{
    struct series_entry *e;

    if (2 * (c->n + 1) > c->cap && !rebuild(c, c->cap != 0 ? 2 * c->cap : FIRST_CAP, 0)) {
        return NULL;
    }
    e = slot_of(c->v, c->cap, hash);
    if (e->hash == 0) {
        *e = (struct series_entry){.hash = hash};
        c->n++;
    }
    return e;
}

void series_cache_trim(struct series_cache *c)
{
    size_t cap = FIRST_CAP;

    if (c->round <= KEEP_ROUNDS || c->n < c->live + c->live / 2 + FIRST_CAP) {
        return;
    }
    while (cap < 4 * (c->live + 1)) {
        cap *= 2;
    }
    cap = cap < c->cap ? cap : c->cap;
    while (cap < 2 * (c->n + 1) && cap < c->cap) {
        cap *= 2;
    }
    ignore_result(rebuild(c, cap, c->round - KEEP_ROUNDS), "the larger table works too");
}

void series_cache_orphan(struct series_cache *c)
{
    struct series_entry *old;
    size_t n = 0;

    mem_free(c->orphans);
    c->orphans = NULL;
    c->orphans_n = 0;
    old = c->live != 0 ? mem_try_calloc(c->live, sizeof(*old)) : NULL;
    for (size_t i = 0; old != NULL && i < c->cap && n < c->live; i++) {
        const struct series_entry *e = &c->v[i];

        if (e->hash != 0 && (e->flags & SERIES_LIVE) != 0) {
            old[n++] = *e;
        }
    }
    mem_free(c->v);
    *c = (struct series_cache){.orphans = old, .orphans_n = n};
}
