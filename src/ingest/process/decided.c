/* SPDX-License-Identifier: Apache-2.0
 *
 * A hash table with chains over an array of entries that also lie in a list by use.
 */
#include "ingest/process/decided.h"

#include "base/alloc.h"
#include "base/hash.h"

#define NONE UINT32_MAX

struct entry {
    struct trace_id id;
    uint32_t next;  /* of the chain */
    uint32_t older; /* in the list by use */
    uint32_t newer;
    bool keep;
};

struct decided {
    struct entry *v;
    uint32_t *heads; /* chains, a power of two */
    size_t mask;
    size_t room;
    size_t n;
    uint32_t oldest;
    uint32_t newest;
};

struct decided *decided_new(size_t n)
{
    struct decided *d = mem_xcalloc(1, sizeof(*d));
    size_t heads = 16;

    while (heads < n) {
        heads *= 2;
    }
    d->room = n;
    d->mask = heads - 1;
    d->oldest = d->newest = NONE;
    d->v = mem_try_calloc(n + 1, sizeof(*d->v));
    d->heads = mem_try_calloc(heads, sizeof(*d->heads));
    if (d->v == NULL || d->heads == NULL) {
        decided_free(d);
        return NULL;
    }
    memset(d->heads, 0xff, heads * sizeof(*d->heads));
    return d;
}

void decided_free(struct decided *d)
{
    if (d != NULL) {
        mem_free(d->v);
        mem_free(d->heads);
        mem_free(d);
    }
}

size_t decided_room(const struct decided *d)
{
    return d->room;
}

static uint32_t *head_of(struct decided *d, const struct trace_id *id)
{
    return &d->heads[hash64(id->b, sizeof(id->b)) & d->mask];
}

static uint32_t find(struct decided *d, const struct trace_id *id)
{
    uint32_t i = *head_of(d, id);

    while (i != NONE && memcmp(d->v[i].id.b, id->b, sizeof(id->b)) != 0) {
        i = d->v[i].next;
    }
    return i;
}

static void take_out(struct decided *d, uint32_t i)
{
    struct entry *e = &d->v[i];

    if (e->older != NONE) {
        d->v[e->older].newer = e->newer;
    } else {
        d->oldest = e->newer;
    }
    if (e->newer != NONE) {
        d->v[e->newer].older = e->older;
    } else {
        d->newest = e->older;
    }
}

static void put_newest(struct decided *d, uint32_t i)
{
    d->v[i].older = d->newest;
    d->v[i].newer = NONE;
    if (d->newest != NONE) {
        d->v[d->newest].newer = i;
    } else {
        d->oldest = i;
    }
    d->newest = i;
}

static void unchain(struct decided *d, uint32_t i)
{
    uint32_t *at = head_of(d, &d->v[i].id);

    while (*at != i) {
        at = &d->v[*at].next;
    }
    *at = d->v[i].next;
}

void decided_put(struct decided *d, struct trace_id id, bool keep)
{
    uint32_t i;

    if (d->room == 0) {
        return;
    }
    i = find(d, &id);
    if (i != NONE) {
        take_out(d, i);
    } else {
        uint32_t *head;

        if (d->n < d->room) {
            i = (uint32_t)d->n++;
        } else {
            i = d->oldest;
            take_out(d, i);
            unchain(d, i);
        }
        d->v[i].id = id;
        head = head_of(d, &id);
        d->v[i].next = *head;
        *head = i;
    }
    d->v[i].keep = keep;
    put_newest(d, i);
}

bool decided_get(struct decided *d, struct trace_id id, bool *ret_keep)
{
    uint32_t i = find(d, &id);

    if (i == NONE) {
        return false;
    }
    *ret_keep = d->v[i].keep;
    take_out(d, i);
    put_newest(d, i);
    return true;
}
