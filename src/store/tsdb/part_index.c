/* SPDX-License-Identifier: Apache-2.0
 *
 * Names, values and postings of a part, read where they lie. All offsets are looked at before they are followed.
 */
#include "base/err.h"
#include "codec/bits.h"
#include "store/tsdb/part_internal.h"

/** A reader at a pair. Only group starts have an offset. */
static struct bits_reader pairs_from(const struct part *p, uint64_t pair)
{
    const uint8_t *base = p->section[SECTION_PAIRS];
    uint64_t size = p->f.size[SECTION_PAIRS];
    uint32_t at = 0;
    struct bits_reader r = bits_reader_of(base, 0);

    if (pair < p->f.pairs_n) {
        at = bits_get_u32(p->section[SECTION_PAIR_GROUPS] + pair / PART_GROUP * 4);
    }
    if (pair >= p->f.pairs_n || at > size) {
        r.bad = true;
        return r;
    }
    r = bits_reader_of(base + at, (size_t)(size - at));
    for (uint64_t i = pair % PART_GROUP; i > 0; i--) {
        (void)bits_read_str(&r);
        (void)bits_read_str(&r);
    }
    return r;
}

/** Value and postings of a pair. */
static bool get_pair(const struct part *p, uint64_t pair, struct str *ret_value,
                     struct str *ret_postings)
{
    struct bits_reader r = pairs_from(p, pair);

    if (r.bad) {
        return false;
    }
    *ret_value = bits_read_str(&r);
    *ret_postings = bits_read_str(&r);
    return !r.bad;
}

static const struct name_range *find_name(const struct part *p, struct str name)
{
    size_t lo = 0;
    size_t hi = p->f.names_n;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(p->names[mid].name, name);

        if (c == 0) {
            return &p->names[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/** First pair of a name whose value is not below `value`. */
static uint64_t lower_pair(const struct part *p, const struct name_range *n, struct str value)
{
    uint64_t lo = n->first;
    uint64_t hi = (uint64_t)n->first + n->n;

    while (lo < hi) {
        uint64_t mid = lo + (hi - lo) / 2;
        struct str v;
        struct str ignored;

        if (!get_pair(p, mid, &v, &ignored)) {
            return UINT64_MAX;
        }
        if (str_cmp(v, value) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static bool ix_find(const void *impl, struct str name, struct str value, uint64_t *ret_pair)
{
    const struct part *p = impl;
    const struct name_range *n = find_name(p, name);
    uint64_t at = n != NULL ? lower_pair(p, n, value) : UINT64_MAX;
    struct str v;
    struct str ignored;

    if (n == NULL || at >= (uint64_t)n->first + n->n || !get_pair(p, at, &v, &ignored) ||
        !str_eq(v, value)) {
        return false;
    }
    *ret_pair = at;
    return true;
}

static int ix_each(const void *impl, struct str name, struct str prefix,
                   int (*fn)(void *arg, struct str value, uint64_t pair), void *arg)
{
    const struct part *p = impl;
    const struct name_range *n = find_name(p, name);
    struct bits_reader r;
    uint64_t at;
    int rc = 0;

    if (n == NULL) {
        return 0;
    }
    at = prefix.n != 0 ? lower_pair(p, n, prefix) : n->first;
    if (at == UINT64_MAX) {
        return -ERR_CORRUPT;
    }
    if (at >= (uint64_t)n->first + n->n) {
        return 0;
    }
    r = pairs_from(p, at);
    for (; rc == 0 && at < (uint64_t)n->first + n->n; at++) {
        struct str v = bits_read_str(&r);

        (void)bits_read_str(&r);
        if (r.bad) {
            return -ERR_CORRUPT;
        }
        if (!str_starts(v, prefix)) {
            break;
        }
        rc = fn(arg, v, at);
    }
    return rc;
}

/** A pair's series as runs. */
struct runs {
    struct bits_reader r;
    uint64_t next, end; /* series there are */
};

static bool runs_of(const struct part *p, uint64_t pair, struct runs *ret)
{
    struct str v;
    struct str postings;

    if (!get_pair(p, pair, &v, &postings)) {
        return false;
    }
    *ret = (struct runs){bits_reader_of(postings.p, postings.n), 0, p->f.series_n};
    return true;
}

/** The next run [*ret_from, *ret_to). @return 1, 0 at the end, -ERR_CORRUPT */
static int next_run(struct runs *r, uint64_t *ret_from, uint64_t *ret_to)
{
    uint64_t gap;
    uint64_t len;

    if (r->r.p >= r->r.end) {
        return 0;
    }
    gap = bits_read_varint(&r->r);
    len = (gap & 1) != 0 ? bits_read_varint(&r->r) + 2 : 1;
    if (r->r.bad || (gap >> 1) >= r->end - r->next || len > r->end - r->next - (gap >> 1)) {
        return -ERR_CORRUPT;
    }
    *ret_from = r->next + (gap >> 1);
    *ret_to = r->next = *ret_from + len;
    return 1;
}

static int add_runs(struct runs *r, roaring_bitmap_t *dst)
{
    uint64_t from;
    uint64_t to;
    int rc;

    while ((rc = next_run(r, &from, &to)) > 0) {
        if (to - from == 1) {
            roaring_bitmap_add(dst, (uint32_t)from);
        } else {
            roaring_bitmap_add_range(dst, from, to);
        }
    }
    return rc;
}

enum { FEW_BYTES = 16 }; /* of postings that are as well inserted one by one */

static int ix_add(const void *impl, uint64_t pair, roaring_bitmap_t *dst)
{
    roaring_bitmap_t *more;
    struct runs r;
    int rc;

    if (!runs_of(impl, pair, &r)) {
        return -ERR_CORRUPT;
    }
    if (roaring_bitmap_is_empty(dst) || r.r.end - r.r.p < FEW_BYTES) {
        return add_runs(&r, dst);
    }
    more = roaring_bitmap_create(); /* joining is cheaper than inserting */
    if (more == NULL) {
        return -ERR_NOMEM;
    }
    rc = add_runs(&r, more);
    roaring_bitmap_or_inplace(dst, more);
    roaring_bitmap_free(more);
    return rc;
}

static uint64_t ix_size(const void *impl, uint64_t pair)
{
    struct str v;
    struct str postings;

    return get_pair(impl, pair, &v, &postings) ? postings.n : 0;
}

static int ix_keep(const void *impl, uint64_t pair, roaring_bitmap_t *set)
{
    roaring_uint32_iterator_t it;
    roaring_bitmap_t *kept = roaring_bitmap_create();
    struct runs r;
    uint64_t from = 0;
    uint64_t to = 0;
    int rc = 1;

    if (kept == NULL || !runs_of(impl, pair, &r)) {
        roaring_bitmap_free(kept);
        return kept == NULL ? -ERR_NOMEM : -ERR_CORRUPT;
    }
    roaring_init_iterator(set, &it);
    while (it.has_value && rc > 0) { /* both rise */
        if (it.current_value >= to) {
            rc = next_run(&r, &from, &to);
        } else if (it.current_value < from) {
            roaring_move_uint32_iterator_equalorlarger(&it, (uint32_t)from);
        } else {
            roaring_bitmap_add(kept, it.current_value);
            roaring_advance_uint32_iterator(&it);
        }
    }
    roaring_bitmap_overwrite(set, kept);
    roaring_bitmap_free(kept);
    return rc < 0 ? rc : 0;
}

static int ix_meets(const void *impl, uint64_t pair, const roaring_bitmap_t *set)
{
    struct runs r;
    uint64_t from;
    uint64_t to;
    int rc;

    if (!runs_of(impl, pair, &r)) {
        return -ERR_CORRUPT;
    }
    while ((rc = next_run(&r, &from, &to)) > 0) {
        if (to - from == 1 ? roaring_bitmap_contains(set, (uint32_t)from)
                           : roaring_bitmap_range_cardinality(set, from, to) != 0) {
            return 1;
        }
    }
    return rc;
}

static void ix_all(const void *impl, roaring_bitmap_t *dst)
{
    const struct part *p = impl;

    if (p->f.series_n != 0) {
        roaring_bitmap_add_range(dst, 0, p->f.series_n);
    }
}

struct index_view part_index(const struct part *p)
{
    static const struct index_ops ops = {ix_find, ix_each, ix_add,   ix_all,
                                         ix_size, ix_keep, ix_meets, NULL};

    return (struct index_view){&ops, p};
}

int part_each_name(const struct part *p, int (*fn)(void *arg, struct str name), void *arg)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < p->f.names_n; i++) {
        rc = fn(arg, p->names[i].name);
    }
    return rc;
}

uint32_t part_values_n(const struct part *p, struct str name)
{
    const struct name_range *n = find_name(p, name);

    return n != NULL ? n->n : 0;
}

uint32_t part_pairs_n(const struct part *p)
{
    return p->f.pairs_n;
}

static struct str name_of(const struct part *p, uint32_t pair)
{
    size_t lo = 0;
    size_t hi = p->f.names_n;

    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;

        if (p->names[mid].first <= pair) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return p->names[lo].name;
}

int part_pair(const struct part *p, uint32_t pair, struct label *ret)
{
    struct label l;
    struct str postings;

    if (p->f.names_n == 0 || !get_pair(p, pair, &l.value, &postings)) {
        return -ERR_CORRUPT;
    }
    l.name = name_of(p, pair);
    *ret = l;
    return 0;
}

int part_labels(const struct part_cursor *c, struct arena *a, struct labels *ret)
{
    struct label *v = arena_array(a, struct label, c->pairs_n != 0 ? c->pairs_n : 1);

    if (v == NULL) {
        return -ERR_NOMEM;
    }
    for (uint32_t i = 0; i < c->pairs_n; i++) {
        struct str postings;

        v[i].name = name_of(c->part, c->pairs[i]);
        if (!get_pair(c->part, c->pairs[i], &v[i].value, &postings)) {
            return -ERR_CORRUPT;
        }
    }
    *ret = (struct labels){v, c->pairs_n};
    return 0;
}
