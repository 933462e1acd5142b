/* SPDX-License-Identifier: Apache-2.0
 *
 * Label names and values. Without matchers they come straight from the indexes; with matchers a value
 * counts when its series set meets the matching one.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/tsdb/label_cache.h"
#include "store/tsdb/rollup_internal.h"
#include "store/tsdb/select_internal.h"

enum { RECENT_MS = 3600000 };

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

/** A string with its first bytes as a number that sorts alike. */
struct keyed {
    uint64_t start;
    struct str s;
};

static int by_str(const void *a, const void *b)
{
    const struct keyed *x = a;
    const struct keyed *y = b;

    return x->start != y->start ? (x->start < y->start ? -1 : 1) : str_cmp(x->s, y->s);
}

static int sort_strings(struct str *v, size_t n)
{
    struct keyed *k = mem_try_alloc(n * sizeof(*k));

    if (k == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        k[i] = (struct keyed){str_start(v[i]), v[i]};
    }
    qsort(k, n, sizeof(*k), by_str);
    for (size_t i = 0; i < n; i++) {
        v[i] = k[i].s;
    }
    mem_free(k);
    return 0;
}

static int set_finish(struct string_set *set, int rc, size_t limit, struct str **ret, size_t *ret_n,
                      struct err *reterr)
{
    struct str *out = NULL;

    if (rc == 0) {
        rc = set->v.n > 1 ? sort_strings(set->v.v, set->v.n) : 0;
        set->v.n = limit != 0 && set->v.n > limit ? limit : set->v.n;
        out = arena_array(set->a, struct str, set->v.n != 0 ? set->v.n : 1);
        rc = out == NULL ? -ERR_NOMEM : rc;
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
    struct str name;                  /* of the values wanted; empty: names */
};

static int take_value(void *arg, struct str value, uint64_t pair)
{
    const struct ask *k = arg;
    int rc = k->matching == NULL ? 1 : k->ix.ops->meets(k->ix.impl, pair, k->matching);

    return rc == 1 ? set_add(k->set, value) : rc;
}

static int meets(void *arg, struct str value, uint64_t pair)
{
    const struct ask *k = arg;

    (void)value;
    return k->ix.ops->meets(k->ix.impl, pair, k->matching);
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

/* With few matching series their own labels are looked at, not every value there is. */

static bool is_sparse(const roaring_bitmap_t *set, uint64_t all)
{
    return set != NULL && roaring_bitmap_get_cardinality(set) < all / 8 + 1;
}

static int take_label(const struct ask *k, struct label l, bool names)
{
    if (names) {
        return label_name_is_hidden(l.name) ? 0 : set_add(k->set, l.name);
    }
    return str_eq(l.name, k->name) ? set_add(k->set, l.value) : 0;
}

static int scan_head(const struct shard *s, const struct ask *k, bool names)
{
    roaring_uint32_iterator_t it;
    int rc = 0;

    roaring_init_iterator(k->matching, &it);
    for (; rc == 0 && it.has_value; roaring_advance_uint32_iterator(&it)) {
        const struct series *se = head_series_locked(s, it.current_value);

        for (size_t i = 0; rc == 0 && se != NULL && i < se->pairs_n; i++) {
            const struct head_pair *p = s->pairs.v[se->pairs[i]];

            rc = take_label(k, (struct label){p->name, p->value}, names);
        }
    }
    return rc;
}

static int scan_part(const struct part *p, const struct ask *k, bool names)
{
    struct part_cursor at;
    roaring_bitmap_t *seen = roaring_bitmap_create(); /* pairs */
    roaring_uint32_iterator_t it;
    int rc = seen == NULL ? -ERR_NOMEM : 0;

    part_cursor_init(&at, p);
    roaring_init_iterator(k->matching, &it);
    for (; rc == 0 && it.has_value; roaring_advance_uint32_iterator(&it)) {
        rc = part_seek(&at, it.current_value);
        for (uint32_t i = 0; rc == 0 && i < at.pairs_n; i++) {
            struct label l;

            if (!roaring_bitmap_add_checked(seen, at.pairs[i])) {
                continue;
            }
            rc = part_pair(p, at.pairs[i], &l);
            rc = rc == 0 ? take_label(k, l, names) : rc;
        }
    }
    roaring_bitmap_free(seen);
    return rc;
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

/** Of an old range: series that have nothing there any more go from the set (NULL: all). */
static int keep_with_samples(const struct shard *s, const struct series_query *q,
                             roaring_bitmap_t **set)
{
    roaring_bitmap_t *kept = roaring_bitmap_create();
    roaring_uint32_iterator_t it;
    unsigned seen = 0;
    int rc = kept == NULL ? -ERR_NOMEM : 0;

    if (rc == 0 && *set == NULL) {
        struct index_view ix = head_index(s);

        *set = roaring_bitmap_create();
        rc = *set == NULL ? -ERR_NOMEM : 0;
        if (rc == 0) {
            ix.ops->all(ix.impl, *set);
        }
    }
    if (rc == 0) {
        roaring_init_iterator(*set, &it);
        for (; rc == 0 && it.has_value; roaring_advance_uint32_iterator(&it)) {
            const struct series *se = head_series_locked(s, it.current_value);

            rc = ++seen % 256 == 0 ? cancel_check(q->cancel) : 0;
            if (se != NULL && head_has_samples(se, q->min_ms, q->max_ms)) {
                roaring_bitmap_add(kept, it.current_value);
            }
        }
        roaring_bitmap_free(*set);
        *set = kept;
    } else if (kept != NULL) {
        roaring_bitmap_free(kept);
    }
    return rc;
}

/** Does the range end before what series of the head usually have? */
static bool is_past(const struct series_query *q)
{
    return q->max_ms < clock_wall_ms() - RECENT_MS;
}

static int ask_shard(struct shard *s, const struct series_query *q, bool names, struct ask *k)
{
    roaring_bitmap_t *set = NULL;
    struct verdicts verdicts;
    int rc = verdicts_prepare(s, q, &verdicts);

    if (rc < 0) {
        return rc;
    }
    rwlock_read(&s->lock);
    k->ix = head_index(s);
    rc = q->matchers_n != 0 ? verdicts_resolve(s, q, &verdicts, &set) : 0;
    rc = rc == 0 && is_past(q) ? keep_with_samples(s, q, &set) : rc;
    k->matching = set;
    if (rc == 0 && is_sparse(set, s->series_n)) {
        rc = scan_head(s, k, names);
    } else if (rc == 0) {
        rc = names ? ask_head_names(s, k)
                   : k->ix.ops->each(k->ix.impl, k->name, str_of(NULL, 0), take_value, k);
    }
    rwlock_unlock(&s->lock);
    verdicts_done(&verdicts);
    if (set != NULL) {
        roaring_bitmap_free(set);
    }
    return rc;
}

static int ask_part(const struct part *p, const struct series_query *q, bool names, struct ask *k)
{
    roaring_bitmap_t *set = NULL;
    int rc = 0;

    k->ix = part_index(p);
    if (q->matchers_n != 0) {
        rc = index_resolve(k->ix, q->matchers, q->matchers_n, q->cancel, &set);
    }
    k->matching = set;
    if (rc == 0 && is_sparse(set, part_info(p)->series_n)) {
        rc = scan_part(p, k, names);
    } else if (rc == 0) {
        rc = names ? part_each_name(p, take_name, k)
                   : k->ix.ops->each(k->ix.impl, k->name, str_of(NULL, 0), take_value, k);
    }
    if (set != NULL) {
        roaring_bitmap_free(set);
    }
    return rc;
}

static int ask_head(struct tsdb *db, const struct series_query *q, bool names, struct ask *k)
{
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < HEAD_SHARDS; i++) {
        rc = ask_shard(&db->head.shards[i], q, names, k);
    }
    return rc;
}

static int ask_parts(struct part *const *parts, size_t n, const struct series_query *q, bool names,
                     struct ask *k)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = ask_part(parts[i], q, names, k);
    }
    return rc;
}

/* ---- answers already known ---- */

/** What the head's part of the answer depends on. */
static void head_key(struct tsdb *db, struct str name, struct label_key *key)
{
    for (unsigned i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &db->head.shards[i];
        const struct head_name *n;

        rwlock_read(&s->lock);
        n = name.n != 0 ? map_get(&s->name_map, name) : NULL;
        key->head[i] = name.n == 0 ? s->names_changed : n != NULL ? n->changed : 0;
        rwlock_unlock(&s->lock);
    }
}

static uint64_t parts_key(struct part *const *parts, size_t n)
{
    uint64_t h = n;

    for (size_t i = 0; i < n; i++) {
        const char *dir = part_dir(parts[i]);

        h = hash64_seed(dir, strlen(dir), h);
    }
    return h;
}

/** The parts a query looks at. Looked up after the head: what a flush moves meanwhile is seen twice, not missed. */
static int find_parts(struct tsdb *db, const struct series_query *q, struct part ***ret,
                      size_t *ret_n)
{
    struct rollup_plan *plan = NULL; /* how to read them: of no interest here */
    int rc = rollup_plan(db, q, &plan, ret, ret_n);

    rollup_plan_free(plan);
    return rc;
}

/** All names, or all values of a name: known from the last time, or found and remembered. What changes while it is
 * gathered changes the key, so that the answer is not found again. */
static int ask_known(struct tsdb *db, const struct series_query *q, size_t limit, struct ask *k,
                     struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct label_key key = {0};
    struct part **parts = NULL;
    size_t n = 0;
    bool names = k->name.n == 0;
    int rc;

    head_key(db, k->name, &key);
    rc = find_parts(db, q, &parts, &n);
    key.parts = rc == 0 ? parts_key(parts, n) : 0;
    if (rc == 0 && label_cache_get(db->label_answers, k->name, &key, k->set->a, ret, ret_n)) {
        parts_release(parts, n);
        *ret_n = limit != 0 && *ret_n > limit ? limit : *ret_n;
        return 0;
    }
    parts_release(parts, n);
    parts = NULL;
    n = 0;
    rc = rc == 0 ? ask_head(db, q, names, k) : rc;
    rc = rc == 0 ? find_parts(db, q, &parts, &n) : rc;
    key.parts = rc == 0 ? parts_key(parts, n) : 0;
    rc = rc == 0 ? ask_parts(parts, n, q, names, k) : rc;
    parts_release(parts, n);
    rc = set_finish(k->set, rc, 0, ret, ret_n, reterr);
    if (rc == 0) {
        label_cache_put(db->label_answers, k->name, &key, *ret, *ret_n);
        *ret_n = limit != 0 && *ret_n > limit ? limit : *ret_n;
    }
    return rc;
}

static int ask_all(struct tsdb *db, const struct series_query *q, size_t limit, struct ask *k,
                   struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct part **parts = NULL;
    size_t n = 0;
    bool names = k->name.n == 0;
    int rc;

    if (q->matchers_n == 0 && !is_past(q)) {
        return ask_known(db, q, limit, k, ret, ret_n, reterr);
    }
    rc = ask_head(db, q, names, k);
    rc = rc == 0 ? find_parts(db, q, &parts, &n) : rc;
    rc = rc == 0 ? ask_parts(parts, n, q, names, k) : rc;
    parts_release(parts, n);
    return set_finish(k->set, rc, limit, ret, ret_n, reterr);
}

int select_label_names(void *impl, const struct series_query *q, size_t limit, struct arena *a,
                       struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct string_set set = {.a = a, .cancel = q->cancel};
    struct ask k = {.set = &set};

    return ask_all(impl, q, limit, &k, ret, ret_n, reterr);
}

int select_label_values(void *impl, struct str name, const struct series_query *q, size_t limit,
                        struct arena *a, struct str **ret, size_t *ret_n, struct err *reterr)
{
    struct string_set set = {.a = a, .cancel = q->cancel};
    struct ask k = {.set = &set, .name = name};

    if (name.n == 0) { /* no series has it */
        return set_finish(&set, 0, limit, ret, ret_n, reterr);
    }
    return ask_all(impl, q, limit, &k, ret, ret_n, reterr);
}
