/* SPDX-License-Identifier: Apache-2.0
 *
 * The inverted index of one head shard. Every label pair is kept once; its series list only grows at the
 * end, because numbers rise for ever.
 */
#include "base/err.h"
#include "store/tsdb/head_internal.h"

enum { FEW = 8 };

static struct head_name *get_name(struct shard *s, struct str name)
{
    struct head_name *n = map_get(&s->name_map, name);

    if (n != NULL) {
        return n;
    }
    n = mem_try_calloc(1, sizeof(*n) + name.n + 1);
    if (n == NULL) {
        return NULL;
    }
    memcpy(n->text, name.p, name.n);
    n->name = str_of(n->text, name.n);
    if (map_put(&s->name_map, n->name, n) < 0) {
        mem_free(n);
        return NULL;
    }
    s->names_changed = ++s->changes;
    return n;
}

/** "name\0value" in the shard's scratch buffer. */
static struct str pair_key(struct shard *s, struct label l)
{
    buf_clear(&s->scratch);
    buf_add_str(&s->scratch, l.name);
    buf_add_byte(&s->scratch, '\0');
    buf_add_str(&s->scratch, l.value);
    return s->scratch.failed ? str_of(NULL, 0) : buf_str(&s->scratch);
}

static bool number_pair(struct shard *s, struct head_pair *p)
{
    if (s->free_pairs.n != 0) {
        p->number = s->free_pairs.v[--s->free_pairs.n];
        s->pairs.v[p->number] = p;
        return true;
    }
    p->number = (uint32_t)s->pairs.n;
    return s->pairs.n < UINT32_MAX && vec_push(&s->pairs, p);
}

static struct head_pair *make_pair(struct shard *s, struct label l, struct str key)
{
    struct head_name *of = get_name(s, l.name);
    struct head_pair *p = mem_try_calloc(1, sizeof(*p) + key.n);

    if (of == NULL || p == NULL || !vec_reserve(&of->pairs, 1)) {
        mem_free(p);
        return NULL;
    }
    memcpy(p->key, key.p, key.n);
    p->key_n = key.n;
    p->name = of->name;
    p->value = str_of(p->key + l.name.n + 1, l.value.n);
    p->of = of;
    p->of_index = (uint32_t)of->pairs.n;
    if (map_put(&s->pair_map, str_of(p->key, p->key_n), p) < 0) {
        mem_free(p);
        return NULL;
    }
    if (!number_pair(s, p)) {
        (void)map_del(&s->pair_map, str_of(p->key, p->key_n));
        mem_free(p);
        return NULL;
    }
    of->pairs.v[of->pairs.n++] = p;
    of->changed = ++s->changes;
    s->label_bytes += sizeof(*p) + key.n;
    return p;
}

static void free_pair(struct shard *s, struct head_pair *p)
{
    struct head_name *of = p->of;
    struct head_pair *moved = of->pairs.v[of->pairs.n - 1];

    (void)map_del(&s->pair_map, str_of(p->key, p->key_n));
    of->pairs.v[p->of_index] = moved;
    moved->of_index = p->of_index;
    of->pairs.n--;
    of->changed = ++s->changes;
    s->pairs.v[p->number] = NULL;
    s->pairs_freed++;
    if (!vec_push(&s->free_pairs, p->number)) {
        /* The number is lost until the next start: four bytes. */
    }
    s->label_bytes -= sizeof(*p) + p->key_n;
    vec_done(&p->series);
    if (of->pairs.n == 0) {
        (void)map_del(&s->name_map, of->name);
        s->names_changed = ++s->changes;
        vec_done(&of->pairs);
        mem_free(of);
    }
    mem_free(p);
}

int head_index_add(struct shard *s, struct labels labels, struct series *se)
{
    for (size_t i = 0; i < labels.n; i++) {
        struct str key = pair_key(s, labels.v[i]);
        struct head_pair *p = key.p == NULL ? NULL : map_get(&s->pair_map, key);

        if (p == NULL && key.p != NULL) {
            p = make_pair(s, labels.v[i], key);
        }
        if (p == NULL || !vec_push(&p->series, se->number)) {
            if (p != NULL && p->series.n == 0) {
                free_pair(s, p);
            }
            head_index_remove(s, se);
            se->pairs_n = 0;
            return -ERR_NOMEM;
        }
        se->pairs[se->pairs_n++] = p->number;
    }
    return 0;
}

void head_index_remove(struct shard *s, const struct series *se)
{
    for (size_t i = 0; i < se->pairs_n; i++) {
        struct head_pair *p = s->pairs.v[se->pairs[i]];
        size_t lo = 0;
        size_t hi = p->series.n;

        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;

            if (p->series.v[mid] < se->number) {
                lo = mid + 1;
            } else {
                hi = mid;
            }
        }
        if (lo < p->series.n && p->series.v[lo] == se->number) {
            p->series.n--;
            memmove(p->series.v + lo, p->series.v + lo + 1,
                    (p->series.n - lo) * sizeof(*p->series.v));
        }
        if (p->series.n == 0) {
            free_pair(s, p);
        }
    }
}

void head_index_sweep(struct shard *s)
{
    for (size_t i = 0; i < s->pairs.n; i++) {
        struct head_pair *p = s->pairs.v[i];
        size_t kept = 0;

        if (p == NULL) {
            continue;
        }
        for (size_t k = 0; k < p->series.n; k++) {
            if (head_series_locked(s, p->series.v[k]) != NULL) {
                p->series.v[kept++] = p->series.v[k];
            }
        }
        p->series.n = kept;
        if (kept == 0) {
            free_pair(s, p);
        }
    }
}

void head_index_done(struct shard *s)
{
    size_t pos = 0;
    struct str key;
    void *value;

    for (size_t i = 0; i < s->pairs.n; i++) {
        if (s->pairs.v[i] != NULL) {
            vec_done(&s->pairs.v[i]->series);
            mem_free(s->pairs.v[i]);
        }
    }
    while (map_next(&s->name_map, &pos, &key, &value)) {
        struct head_name *n = value;

        vec_done(&n->pairs);
        mem_free(n);
    }
    vec_done(&s->pairs);
    vec_done(&s->free_pairs);
    map_done(&s->pair_map);
    map_done(&s->name_map);
}

/* ---- index_ops ---- */

static bool ix_find(const void *impl, struct str name, struct str value, uint64_t *ret_pair)
{
    const struct shard *s = impl;
    char small[256];
    size_t n = name.n + 1 + value.n;
    char *big = n <= sizeof(small) ? NULL : mem_try_alloc(n);
    char *text = big != NULL ? big : small;
    const struct head_pair *p;

    if (text == small && n > sizeof(small)) {
        return false;
    }
    if (name.n != 0) {
        memcpy(text, name.p, name.n);
    }
    text[name.n] = '\0';
    if (value.n != 0) {
        memcpy(text + name.n + 1, value.p, value.n);
    }
    p = map_get(&s->pair_map, str_of(text, n));
    mem_free(big);
    if (p == NULL) {
        return false;
    }
    *ret_pair = p->number;
    return true;
}

static int ix_each(const void *impl, struct str name, struct str prefix,
                   int (*fn)(void *arg, struct str value, uint64_t pair), void *arg)
{
    const struct shard *s = impl;
    const struct head_name *n = map_get(&s->name_map, name);

    for (size_t i = 0; n != NULL && i < n->pairs.n; i++) {
        const struct head_pair *p = n->pairs.v[i];
        int rc = str_starts(p->value, prefix) ? fn(arg, p->value, p->number) : 0;

        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

static int ix_add(const void *impl, uint64_t pair, roaring_bitmap_t *dst)
{
    const struct shard *s = impl;
    const struct head_pair *p = s->pairs.v[pair];

    roaring_bitmap_t *more;

    if (p->series.n < FEW || roaring_bitmap_is_empty(dst)) {
        roaring_bitmap_add_many(dst, p->series.n, p->series.v);
        return 0;
    }
    more = roaring_bitmap_of_ptr(p->series.n, p->series.v); /* joining is cheaper than inserting */
    if (more == NULL) {
        return -ERR_NOMEM;
    }
    roaring_bitmap_or_inplace(dst, more);
    roaring_bitmap_free(more);
    return 0;
}

enum {
    MARKS_PER_SERIES = 128
}; /* numbers of the shard a series to add: more of them, and joining sets is cheaper */

/** Mark all series, then read the marks in order: joining hundreds of small sets one by one costs much more. */
static int ix_add_many(const void *impl, const uint64_t *pairs, size_t n, roaring_bitmap_t *dst)
{
    const struct shard *s = impl;
    size_t words = s->next_number / 64 + 1;
    uint64_t *marks = NULL;
    uint32_t v[256];
    size_t sum = 0;
    size_t out = 0;
    int rc = 0;

    for (size_t i = 0; i < n; i++) {
        sum += s->pairs.v[pairs[i]]->series.n;
    }
    if (n > 2 && s->next_number / MARKS_PER_SERIES <= sum) {
        marks = mem_try_calloc(words, sizeof(*marks));
    }
    if (marks == NULL) {
        for (size_t i = 0; rc == 0 && i < n; i++) {
            rc = ix_add(impl, pairs[i], dst);
        }
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        const struct head_pair *p = s->pairs.v[pairs[i]];

        for (size_t k = 0; k < p->series.n; k++) {
            marks[p->series.v[k] / 64] |= UINT64_C(1) << p->series.v[k] % 64;
        }
    }
    for (size_t w = 0; w < words; w++) {
        for (uint64_t left = marks[w]; left != 0; left &= left - 1) {
            v[out++] = (uint32_t)(w * 64 + (unsigned)__builtin_ctzll(left));
            if (out == ARRAY_LEN(v)) {
                roaring_bitmap_add_many(dst, out, v);
                out = 0;
            }
        }
    }
    roaring_bitmap_add_many(dst, out, v);
    mem_free(marks);
    return 0;
}

static void ix_all(const void *impl, roaring_bitmap_t *dst)
{
    const struct shard *s = impl;

    for (size_t p = 0; p < s->pages.n; p++) {
        for (size_t k = 0; s->pages.v[p] != NULL && k < HEAD_PAGE; k++) {
            if (s->pages.v[p][k] != NULL) {
                roaring_bitmap_add(dst, (uint32_t)(p * HEAD_PAGE + k));
            }
        }
    }
}

static uint64_t ix_size(const void *impl, uint64_t pair)
{
    return ((const struct shard *)impl)->pairs.v[pair]->series.n;
}

static bool has_series(const struct head_pair *p, uint32_t number)
{
    size_t lo = 0;
    size_t hi = p->series.n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;

        if (p->series.v[mid] < number) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < p->series.n && p->series.v[lo] == number;
}

enum { SEARCH_COST = 20 }; /* a search, in steps of building a set */

static int ix_keep(const void *impl, uint64_t pair, roaring_bitmap_t *set)
{
    const struct head_pair *p = ((const struct shard *)impl)->pairs.v[pair];
    uint64_t n = roaring_bitmap_get_cardinality(set);
    roaring_bitmap_t *other;

    if (n * SEARCH_COST < p->series.n) {
        uint32_t *v = mem_try_alloc(n * sizeof(*v));
        size_t kept = 0;

        if (v == NULL) {
            return -ERR_NOMEM;
        }
        roaring_bitmap_to_uint32_array(set, v);
        for (uint64_t i = 0; i < n; i++) {
            v[kept] = v[i];
            kept += has_series(p, v[i]) ? 1 : 0;
        }
        roaring_bitmap_clear(set);
        roaring_bitmap_add_many(set, kept, v);
        mem_free(v);
        return 0;
    }
    other = roaring_bitmap_of_ptr(p->series.n, p->series.v);
    if (other == NULL) {
        return -ERR_NOMEM;
    }
    roaring_bitmap_and_inplace(set, other);
    roaring_bitmap_free(other);
    return 0;
}

static int ix_meets(const void *impl, uint64_t pair, const roaring_bitmap_t *set)
{
    const struct head_pair *p = ((const struct shard *)impl)->pairs.v[pair];

    for (size_t i = 0; i < p->series.n; i++) {
        if (roaring_bitmap_contains(set, p->series.v[i])) {
            return 1;
        }
    }
    return 0;
}

struct index_view head_index(const struct shard *s)
{
    static const struct index_ops ops = {
        .find = ix_find,
        .each = ix_each,
        .add = ix_add,
        .add_many = ix_add_many,
        .all = ix_all,
        .size = ix_size,
        .keep = ix_keep,
        .meets = ix_meets,
    };

    return (struct index_view){&ops, s};
}
