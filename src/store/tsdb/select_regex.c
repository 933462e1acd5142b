/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over many values are run without the shard's lock: values are copied under it, judged
 * outside, and the answers are used by pair number if no number was freed in between.
 */
#include "base/err.h"
#include "store/tsdb/select.h"
#include "store/tsdb/tsdb_internal.h"

enum { FEW = 512, /* values that are as well judged under the lock */ CHECK_EVERY = 256 };

static const size_t ARENA_MAX = (size_t)256 << 20;

struct candidate {
    struct str value;
    uint32_t pair;
};

/** Values of a label, copied. @return how many; 0 also when they are few or memory is short */
static size_t copy_values(const struct shard *s, const struct matcher *m, struct arena *a,
                          struct candidate **ret)
{
    const struct head_name *name = map_get(&s->name_map, matcher_name(m));
    struct candidate *v;

    if (name == NULL || name->pairs.n < FEW) {
        return 0;
    }
    v = arena_array(a, struct candidate, name->pairs.n);
    for (size_t i = 0; v != NULL && i < name->pairs.n; i++) {
        const struct head_pair *p = name->pairs.v[i];

        v[i] = (struct candidate){arena_str_dup(a, p->value), p->number};
        if (v[i].value.n != p->value.n) {
            return 0;
        }
    }
    *ret = v;
    return v != NULL ? name->pairs.n : 0;
}

static int judge(const struct matcher *m, const struct candidate *v, size_t n, uint8_t *by_pair,
                 struct cancel *cancel)
{
    for (size_t i = 0; i < n; i++) {
        int rc = i % CHECK_EVERY == 0 ? cancel_check(cancel) : 0;

        if (rc < 0) {
            return rc;
        }
        by_pair[v[i].pair] = matcher_matches(m, v[i].value) ? 2 : 1;
    }
    return 0;
}

int verdicts_prepare(struct shard *s, const struct series_query *q, struct verdicts *ret)
{
    int rc = 0;

    ret->n = 0;
    for (size_t i = 0; rc == 0 && i < q->matchers_n && ret->n < VERDICTS_MAX; i++) {
        struct candidate *v = NULL;
        uint8_t *by_pair = NULL;
        size_t pairs_n;
        size_t n;

        if (!matcher_is_costly(q->matchers[i])) {
            continue;
        }
        if (ret->n == 0) {
            arena_init(&ret->arena, ARENA_MAX);
        }
        rwlock_read(&s->lock);
        if (ret->n == 0) {
            ret->freed = s->pairs_freed;
        }
        pairs_n = s->pairs.n;
        n = copy_values(s, q->matchers[i], &ret->arena, &v);
        rwlock_unlock(&s->lock);
        by_pair = n != 0 ? arena_calloc(&ret->arena, pairs_n, 1) : NULL;
        if (by_pair != NULL) {
            rc = judge(q->matchers[i], v, n, by_pair, q->cancel);
            ret->v[ret->n++] = (struct index_verdicts){q->matchers[i], by_pair, pairs_n};
        } else if (ret->n == 0) {
            arena_done(&ret->arena);
        }
    }
    if (rc < 0) {
        verdicts_done(ret);
    }
    return rc;
}

void verdicts_done(struct verdicts *v)
{
    if (v->n != 0) {
        arena_done(&v->arena);
        v->n = 0;
    }
}

int verdicts_resolve(const struct shard *s, const struct series_query *q, const struct verdicts *v,
                     roaring_bitmap_t **ret)
{
    return index_resolve_with(head_index(s), q->matchers, q->matchers_n, v->v,
                              v->freed == s->pairs_freed ? v->n : 0, q->cancel, ret);
}
