/* SPDX-License-Identifier: Apache-2.0
 *
 * Label names and values. Without matchers they come straight from the indexes; with matchers a value
 * counts when its series set meets the matching one.
 */
#include <stdlib.h>

#include "base/err.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/select.h"

/** A growing set of strings, copied into the caller's arena. */
struct string_set {
    struct arena *a;
    struct map seen;
    VEC(struct str) v;
    struct cancel *cancel;
};

static int set_add(struct string_set *set, struct str s)
{
    struct str copy;
    int rc;

    if (map_get(&set->seen, s) != NULL) {
        return 0;
    }
    rc = set->v.n % 256 == 0 ? cancel_check(set->cancel) : 0;
    if (rc < 0) {
        return rc;
    }
    copy = arena_str_dup(set->a, s);
    if (copy.n != s.n || map_put(&set->seen, copy, set) < 0 || !vec_push(&set->v, copy)) {
        return -ERR_NOMEM;
    }
    return 0;
}

static int by_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int set_finish(struct string_set *set, int rc, size_t limit, struct str **ret, size_t *ret_n,
                      struct err *reterr)
{
    struct str *out = NULL;

    if (rc == 0) {
        if (set->v.n > 1) {
            qsort(set->v.v, set->v.n, sizeof(*set->v.v), by_str);
        }
        set->v.n = limit != 0 && set->v.n > limit ? limit : set->v.n;
        out = arena_array(set->a, struct str, set->v.n != 0 ? set->v.n : 1);
        rc = out == NULL ? -ERR_NOMEM : 0;
    }
    if (rc == 0) {
        if (set->v.n != 0) {
            memcpy(out, set->v.v, set->v.n * sizeof(*out));
        }
        *ret = out;
        *ret_n = set->v.n;
    }
    map_done(&set->seen);
    vec_done(&set->v);
    return rc < 0 ? err_set(reterr, (enum err_code) - rc, "label query: %s", err_text(rc)) : 0;
}

/** What one index is asked for. */
struct ask {
    struct string_set *set;
    struct index_view ix;
    const roaring_bitmap_t *matching; /* NULL: all */
    struct str name;                  /* of the values wanted */
};

static int take_value(void *arg, struct str value, uint64_t pair)
{
    const struct ask *k = arg;
    bool hit = true;

    if (k->matching != NULL) {
        roaring_bitmap_t *of = roaring_bitmap_create();
        int rc;

        if (of == NULL) {
            return -ERR_NOMEM;
        }
        rc = k->ix.ops->add(k->ix.impl, pair, of);
        hit = rc == 0 && roaring_bitmap_intersect(of, k->matching);
        roaring_bitmap_free(of);
        if (rc < 0) {
            return rc;
        }
    }
    return hit ? set_add(k->set, value) : 0;
}

static int meets(void *arg, struct str value, uint64_t pair)
{
    const struct ask *k = arg;
    roaring_bitmap_t *of = roaring_bitmap_create();
    int rc;

    (void)value;
    if (of == NULL) {
        return -ERR_NOMEM;
    }
    rc = k->ix.ops->add(k->ix.impl, pair, of);
    rc = rc == 0 && roaring_bitmap_intersect(of, k->matching) ? 1 : rc;
    roaring_bitmap_free(of);
    return rc;
}

static int take_name(void *arg, struct str name)
{
    struct ask *k = arg;
    int rc = 1;

    if (label_name_is_hidden(name)) {
        return 0;
    }
    if (k->matching != NULL) {
        rc = k->ix.ops->each(k->ix.impl, name, str_of(NULL, 0), meets, k);
    }
    return rc == 1 ? set_add(k->set, name) : rc;
}

static int ask_head_names(const struct shard *s, struct ask *k)
{
    size_t pos = 0;
    struct str name;
    void *value;
    int rc = 0;

    while (rc == 0 && map_next(&s->name_map, &pos, &name, &value)) {
        const struct head_name *n = value;

        rc = n->pairs.n != 0 ? take_name(k, name) : 0;
    }
    return rc;
}

static int resolve(struct index_view ix, const struct series_query *q, roaring_bitmap_t **ret)
{
    return q->matchers_n == 0 ? 0 : index_resolve(ix, q->matchers, q->matchers_n, q->cancel, ret);
}

static int ask_shard(struct shard *s, const struct series_query *q, bool names, struct ask *k)
{
    roaring_bitmap_t *set = NULL;
    int rc;

    rwlock_read(&s->lock);
    k->ix = head_index(s);
    rc = resolve(k->ix, q, &set);
    k->matching = set;
    if (rc == 0) {
        rc = names ? ask_head_names(s, k)
                   : k->ix.ops->each(k->ix.impl, k->name, str_of(NULL, 0), take_value, k);
    }
    rwlock_unlock(&s->lock);
    if (set != NULL) {
        roaring_bitmap_free(set);
    }
    return rc;
}

static int ask_part(const struct part *p, const struct series_query *q, bool names, struct ask *k)
{
    roaring_bitmap_t *set = NULL;
    int rc;

    k->ix = part_index(p);
    rc = resolve(k->ix, q, &set);
    k->matching = set;
    if (rc == 0) {
        rc = names ? part_each_name(p, take_name, k)
                   : k->ix.ops->each(k->ix.impl, k->name, str_of(NULL, 0), take_value, k);
    }
    if (set != NULL) {
        roaring_bitmap_free(set);
    }
    return rc;
}

static int ask_all(struct tsdb *db, const struct series_query *q, bool names, struct ask *k)
{
    struct rollup_plan *plan = NULL; /* how to read the parts: of no interest here */
    struct part **parts = NULL;
    size_t n = 0;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        rc = ask_shard(&db->head.shards[i], q, names, k);
    }
    rc = rc == 0 ? rollup_plan(db, q, &plan, &parts, &n) : rc;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = ask_part(parts[i], q, names, k);
    }
    parts_release(parts, n);
    rollup_plan_free(plan);
    return rc;
}

int select_label_names(void *impl, const struct series_query *q, size_t limit, struct arena *a,
                       struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct string_set set = {.a = a, .cancel = q->cancel};
    struct ask k = {.set = &set};
    int rc = ask_all(impl, q, true, &k);

    return set_finish(&set, rc, limit, ret, ret_n, reterr);
}

int select_label_values(void *impl, struct str name, const struct series_query *q, size_t limit,
                        struct arena *a, struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct string_set set = {.a = a, .cancel = q->cancel};
    struct ask k = {.set = &set, .name = name};
    int rc = ask_all(impl, q, false, &k);

    return set_finish(&set, rc, limit, ret, ret_n, reterr);
}
