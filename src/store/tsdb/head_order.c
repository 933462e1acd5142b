/* SPDX-License-Identifier: Apache-2.0
 *
 * The head's series in order of labels, for writing them. Label pairs of all shards are ranked once; then a series
 * is sorted by numbers, and 16 bytes are all it takes, because this happens when memory is shortest.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/tsdb/head_internal.h"

/** A pair of a shard while pairs are ranked. */
struct ranked {
    const struct head_pair *pair;
    uint32_t shard;
    uint32_t number; /* in the shard */
};

struct ranks {
    uint32_t *of[HEAD_SHARDS]; /* rank of each pair of a shard, by its number */
    size_t n[HEAD_SHARDS];
    VEC(struct ranked) pairs;
    unsigned bits;   /* of a rank + 1 */
    unsigned packed; /* ranks in a key */
};

/** What a shard has now. Series and pairs stay where they are until the next collection; the tables do not. */
static int gather(struct shard *s, uint32_t shard, struct head_order *o, struct ranks *r)
{
    int rc = 0;

    rwlock_read(&s->lock);
    r->n[shard] = s->pairs.n;
    if (!vec_reserve(&r->pairs, s->pairs.n) || !vec_reserve(&o->series, s->series_n)) {
        rc = -ERR_NOMEM;
    }
    for (size_t i = 0; rc == 0 && i < s->pairs.n; i++) {
        if (s->pairs.v[i] != NULL) {
            r->pairs.v[r->pairs.n++] = (struct ranked){s->pairs.v[i], shard, (uint32_t)i};
        }
    }
    for (size_t p = 0; rc == 0 && p < s->pages.n; p++) {
        for (size_t k = 0; s->pages.v[p] != NULL && k < HEAD_PAGE; k++) {
            struct series *se = s->pages.v[p][k];

            if (se != NULL && (se->raw_n != 0 || se->first != NULL) &&
                !vec_push(&o->series, (struct ordered){0, se})) {
                rc = -ERR_NOMEM;
            }
        }
    }
    rwlock_unlock(&s->lock);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    const struct ranked *x = a;
    const struct ranked *y = b;
    int c = str_cmp(x->pair->name, y->pair->name);

    return c != 0 ? c : str_cmp(x->pair->value, y->pair->value);
}

/** Equal pairs of several shards have the same rank. */
static int rank(struct ranks *r)
{
    uint32_t next = 0;

    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        r->of[i] = mem_try_calloc(r->n[i] + 1, sizeof(*r->of[i]));
        if (r->of[i] == NULL) {
            return -ERR_NOMEM;
        }
    }
    if (r->pairs.n > 1) {
        qsort(r->pairs.v, r->pairs.n, sizeof(*r->pairs.v), by_text);
    }
    for (size_t i = 0; i < r->pairs.n; i++) {
        const struct ranked *p = &r->pairs.v[i];

        next += i == 0 || by_text(p - 1, p) != 0 ? 1 : 0; /* from 1: 0 is no pair */
        r->of[p->shard][p->number] = next;
    }
    vec_done(&r->pairs);
    r->bits = 64 - (unsigned)__builtin_clzll((uint64_t)next | 1);
    r->packed = 64 / r->bits;
    return 0;
}

static uint64_t key_of(const struct ranks *r, const struct series *se)
{
    const uint32_t *of = r->of[se->shard];
    uint64_t key = 0;

    for (unsigned i = 0; i < r->packed; i++) {
        key = key << r->bits | (i < se->pairs_n ? of[se->pairs[i]] : 0);
    }
    return key;
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct ranks *r = arg;
    const struct ordered *x = a;
    const struct ordered *y = b;
    unsigned n = x->se->pairs_n < y->se->pairs_n ? x->se->pairs_n : y->se->pairs_n;

    if (x->key != y->key) {
        return x->key < y->key ? -1 : 1;
    }
    for (unsigned i = r->packed; i < n; i++) {
        uint32_t p = r->of[x->se->shard][x->se->pairs[i]];
        uint32_t q = r->of[y->se->shard][y->se->pairs[i]];

        if (p != q) {
            return p < q ? -1 : 1;
        }
    }
    return (x->se->pairs_n > y->se->pairs_n) - (x->se->pairs_n < y->se->pairs_n);
}

int head_order(struct head *h, struct head_order *ret)
{
    struct ranks r = {0};
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        rc = gather(&h->shards[i], i, ret, &r);
    }
    rc = rc == 0 ? rank(&r) : rc;
    if (rc == 0 && ret->series.n > 1) {
        for (size_t i = 0; i < ret->series.n; i++) {
            ret->series.v[i].key = key_of(&r, ret->series.v[i].se);
        }
        qsort_r(ret->series.v, ret->series.n, sizeof(*ret->series.v), by_key, &r);
    }
    vec_done(&r.pairs);
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        mem_free(r.of[i]);
    }
    return rc;
}
