/* SPDX-License-Identifier: Apache-2.0
 *
 * Regular expressions over many values are run without the shard's lock: values are copied under it, judged
 * outside, and the answers are used by pair number if no number was freed in between. The last answers are kept:
 * they hold as long as the label gets no new value.
 */
#include "base/err.h"
#include "store/tsdb/head_internal.h"
#include "store/tsdb/select.h"
#include "store/tsdb/tsdb_internal.h"

enum { FEW = 512, /* values that are as well judged under the lock */ CHECK_EVERY = 256 };

static const size_t ARENA_MAX = (size_t)256 << 20;

struct candidate {
    struct str value;
    uint32_t pair;
};

/** What one matcher says of all values its label had at a time. */
struct judged {
    _Atomic uint32_t refs; /* acq_rel on the last release */
    enum match_op op;
    uint64_t changed; /* of the name: as long as it is the same, so are values and pair numbers */
    struct str name, pattern; /* behind by_pair */
    size_t pairs_n;
    uint8_t by_pair[];
};

enum {
    KEPT = 8,
    KEPT_PAIRS = 256 << 10, /* of larger shards nothing is kept */
};

struct verdict_cache {
    struct mutex lock;
    struct judged *kept[KEPT]; /* references; guarded by: lock */
    unsigned next;             /* to be replaced; guarded by: lock */
};

static void unref(struct judged *j)
{
    if (j != NULL && atomic_fetch_sub_explicit(&j->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(j);
    }
}

struct verdict_cache *verdict_cache_new(void)
{
    struct verdict_cache *c = mem_xcalloc(1, sizeof(*c));

    mutex_init(&c->lock, LOCK_RANK_LEAF);
    return c;
}

void verdict_cache_free(struct verdict_cache *c)
{
    for (size_t i = 0; c != NULL && i < KEPT; i++) {
        unref(c->kept[i]);
    }
    if (c != NULL) {
        mutex_done(&c->lock);
        mem_free(c);
    }
}

static bool is_of(const struct judged *j, const struct matcher *m)
{
    return j != NULL && j->op == matcher_op(m) && str_eq(j->name, matcher_name(m)) &&
           str_eq(j->pattern, matcher_value(m));
}

/** A reference, or NULL. */
static struct judged *known(struct verdict_cache *c, const struct matcher *m, uint64_t changed)
{
    struct judged *found = NULL;

    mutex_lock(&c->lock);
    for (size_t i = 0; i < KEPT && found == NULL; i++) {
        if (is_of(c->kept[i], m) && c->kept[i]->changed == changed) {
            found = c->kept[i];
            atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
        }
    }
    mutex_unlock(&c->lock);
    return found;
}

static void keep(struct verdict_cache *c, const struct matcher *m, struct judged *j)
{
    struct judged *old;
    unsigned at = KEPT;

    if (j->pairs_n > KEPT_PAIRS) {
        return;
    }
    atomic_fetch_add_explicit(&j->refs, 1, memory_order_relaxed);
    mutex_lock(&c->lock);
    for (unsigned i = 0; i < KEPT; i++) {
        at = is_of(c->kept[i], m) ? i : at;
    }
    if (at == KEPT) {
        at = c->next++ % KEPT;
    }
    old = c->kept[at];
    c->kept[at] = j;
    mutex_unlock(&c->lock);
    unref(old);
}

/** Values of a label, copied, and an empty verdict for them. Under the shard's lock.
 * @return how many; 0 also when memory is short */
static size_t copy_values(const struct shard *s, const struct head_name *name,
                          const struct matcher *m, struct arena *a, struct candidate **ret,
                          struct judged **ret_judged)
{
    struct str n = matcher_name(m);
    struct str p = matcher_value(m);
    struct candidate *v = arena_array(a, struct candidate, name->pairs.n);
    struct judged *j = mem_try_calloc(1, sizeof(*j) + s->pairs.n + n.n + p.n);
    char *text;

    for (size_t i = 0; v != NULL && j != NULL && i < name->pairs.n; i++) {
        const struct head_pair *pair = name->pairs.v[i];

        v[i] = (struct candidate){arena_str_dup(a, pair->value), pair->number};
        if (v[i].value.n != pair->value.n) {
            v = NULL;
        }
    }
    if (v == NULL || j == NULL) {
        mem_free(j);
        return 0;
    }
    text = (char *)j->by_pair + s->pairs.n;
    memcpy(text, n.p, n.n);
    if (p.n != 0) {
        memcpy(text + n.n, p.p, p.n);
    }
    atomic_init(&j->refs, 1);
    j->op = matcher_op(m);
    j->name = str_of(text, n.n);
    j->pattern = str_of(text + n.n, p.n);
    j->pairs_n = s->pairs.n;
    j->changed = name->changed;
    *ret = v;
    *ret_judged = j;
    return name->pairs.n;
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

static int prepare_one(struct shard *s, const struct matcher *m, struct cancel *cancel,
                       struct verdicts *dst)
{
    struct candidate *v = NULL;
    struct judged *j = NULL;
    const struct head_name *name;
    struct arena a CLEANUP(arena_done);
    size_t n = 0;
    int rc = 0;

    arena_init(&a, ARENA_MAX);
    rwlock_read(&s->lock);
    if (dst->n == 0) {
        dst->freed = s->pairs_freed;
    }
    name = map_get(&s->name_map, matcher_name(m));
    if (name != NULL && name->pairs.n >= FEW) {
        j = known(s->verdicts, m, name->changed);
        n = j == NULL ? copy_values(s, name, m, &a, &v, &j) : 0;
    }
    rwlock_unlock(&s->lock);
    if (n != 0) {
        rc = judge(m, v, n, j->by_pair, cancel);
        if (rc < 0) {
            unref(j);
            return rc;
        }
        keep(s->verdicts, m, j);
    }
    if (j != NULL) {
        dst->of[dst->n] = j;
        dst->v[dst->n++] = (struct index_verdicts){m, j->by_pair, j->pairs_n};
    }
    return 0;
}

int verdicts_prepare(struct shard *s, const struct series_query *q, struct verdicts *ret)
{
    int rc = 0;

    ret->n = 0;
    ret->freed = 0;
    for (size_t i = 0; rc == 0 && i < q->matchers_n && ret->n < VERDICTS_MAX; i++) {
        if (matcher_is_costly(q->matchers[i])) {
            rc = prepare_one(s, q->matchers[i], q->cancel, ret);
        }
    }
    if (rc < 0) {
        verdicts_done(ret);
    }
    return rc;
}

void verdicts_done(struct verdicts *v)
{
    while (v->n != 0) {
        unref(v->of[--v->n]);
    }
}

int verdicts_resolve(const struct shard *s, const struct series_query *q, const struct verdicts *v,
                     roaring_bitmap_t **ret)
{
    return index_resolve_with(head_index(s), q->matchers, q->matchers_n, v->v,
                              v->freed == s->pairs_freed ? v->n : 0, q->cancel, ret);
}
