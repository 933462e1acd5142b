/* SPDX-License-Identifier: Apache-2.0
 *
 * A cell is counted five times a request, so the table is plain linear probing.
 */
#include "apm/tmap_table.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "codec/varint.h"

enum { FIRST_CAP = 64 };

void tmap_table_done(struct tmap_table *t)
{
    mem_free(t->v);
    *t = (struct tmap_table){0};
}

static struct tmap_slot *slot_of(const struct tmap_table *t, uint64_t stored)
{
    size_t at = hash_u64(stored) & (t->cap - 1);

    while (t->v[at].key != 0 && t->v[at].key != stored) {
        at = (at + 1) & (t->cap - 1);
    }
    return &t->v[at];
}

static bool grow(struct tmap_table *t)
{
    struct tmap_table bigger = {.cap = t->cap == 0 ? FIRST_CAP : t->cap * 2, .n = t->n};

    bigger.v = mem_try_calloc(bigger.cap, sizeof(*bigger.v));
    if (bigger.v == NULL) {
        return false;
    }
    for (size_t i = 0; i < t->cap; i++) {
        if (t->v[i].key != 0) {
            *slot_of(&bigger, t->v[i].key) = t->v[i];
        }
    }
    mem_free(t->v);
    *t = bigger;
    return true;
}

bool tmap_table_add(struct tmap_table *t, uint64_t key, uint64_t n)
{
    struct tmap_slot *s;

    if ((t->n + 1) * 4 > t->cap * 3 && !grow(t)) {
        return false;
    }
    s = slot_of(t, key + 1);
    if (s->key == 0) {
        *s = (struct tmap_slot){.key = key + 1};
        t->n++;
    }
    s->n += n;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const struct tmap_slot *x = a;
    const struct tmap_slot *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

/** Slots of columns from `before` on, in a table of their own. */
static bool keep_from(const struct tmap_table *t, int64_t before, size_t keep,
                      struct tmap_table *ret)
{
    struct tmap_table kept = {.cap = keep == 0 ? 0 : FIRST_CAP, .n = keep};

    while (kept.cap != 0 && (keep + 1) * 4 > kept.cap * 3) {
        kept.cap *= 2;
    }
    kept.v = kept.cap != 0 ? mem_try_calloc(kept.cap, sizeof(*kept.v)) : NULL;
    if (kept.cap != 0 && kept.v == NULL) {
        return false;
    }
    for (size_t i = 0; kept.cap != 0 && i < t->cap; i++) {
        if (t->v[i].key != 0 && tmap_key_column(t->v[i].key - 1) >= before) {
            *slot_of(&kept, t->v[i].key) = t->v[i];
        }
    }
    *ret = kept;
    return true;
}

static size_t count_before(const struct tmap_table *t, int64_t before)
{
    size_t n = 0;

    for (size_t i = 0; i < t->cap; i++) {
        n += t->v[i].key != 0 && tmap_key_column(t->v[i].key - 1) < before;
    }
    return n;
}

struct tmap_slot *tmap_table_take(struct tmap_table *t, int64_t before, size_t *ret_n)
{
    size_t take = count_before(t, before);
    struct tmap_slot *v = NULL;
    struct tmap_table kept;
    size_t n = 0;

    *ret_n = 0;
    if (take == 0) {
        return NULL;
    }
    v = mem_try_calloc(take, sizeof(*v));
    if (v == NULL || !keep_from(t, before, t->n - take, &kept)) {
        mem_free(v);
        return NULL;
    }
    for (size_t i = 0; i < t->cap; i++) {
        if (t->v[i].key != 0 && tmap_key_column(t->v[i].key - 1) < before) {
            v[n++] = (struct tmap_slot){t->v[i].key - 1, t->v[i].n};
        }
    }
    qsort(v, n, sizeof(*v), by_key);
    mem_free(t->v);
    *t = kept;
    *ret_n = n;
    return v;
}

void tmap_table_expire(struct tmap_table *t, int64_t before)
{
    size_t gone = count_before(t, before);
    struct tmap_table kept;

    if (gone != 0 && keep_from(t, before, t->n - gone, &kept)) {
        mem_free(t->v);
        *t = kept;
    }
}

/* ---- rows ---- */

static void put(struct buf *dst, uint64_t v)
{
    char *at = buf_reserve(dst, VARINT_MAX);

    if (at != NULL) {
        dst->n += varint_put((uint8_t *)at, v);
    }
}

void tmap_row_encode(const struct tmap_slot *v, size_t n, struct buf *dst)
{
    uint64_t before = 0;

    put(dst, n);
    for (size_t i = 0; i < n; i++) {
        uint64_t key = v[i].key & 0xffff;

        put(dst, key - before);
        put(dst, v[i].n);
        before = key;
    }
}

int tmap_row_decode(struct str body, void (*cell)(void *arg, uint64_t key, uint64_t n), void *arg)
{
    const uint8_t *p = (const uint8_t *)body.p;
    const uint8_t *end = p + body.n;
    uint64_t key = 0;
    uint64_t n;
    int used = body.n != 0 ? varint_get(p, end, &n) : 0;

    if (used <= 0 || n > TMAP_BUCKETS * TMAP_CLASSES) {
        return -ERR_CORRUPT;
    }
    p += used;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t step;
        uint64_t count;

        used = varint_get(p, end, &step);
        if (used <= 0 || step > 0xffff) {
            return -ERR_CORRUPT;
        }
        p += used;
        used = varint_get(p, end, &count);
        key += step;
        if (used <= 0 || tmap_key_bucket(key) >= TMAP_BUCKETS || key > 0xffff ||
            tmap_key_class(key) >= TMAP_CLASSES) {
            return -ERR_CORRUPT;
        }
        p += used;
        cell(arg, key, count);
    }
    return p == end ? 0 : -ERR_CORRUPT;
}
