/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers to series sets. A matcher that accepts an absent label removes the series of the values it
 * refuses; any other keeps the series of the values it accepts. Equalities first, the rarest pair before
 * the others, so that an empty result ends early.
 */
#include "store/tsdb/index.h"

#include "base/err.h"
#include "base/vec.h"

struct collect {
    struct index_view ix;
    const struct matcher *m;
    bool want;                             /* collect pairs whose value gives this answer */
    const struct index_verdicts *verdicts; /* NULL: none */
    roaring_bitmap_t *set;
    VEC(uint64_t) pairs; /* to add in one go */
    struct cancel *cancel;
    unsigned seen;
};

static bool accepts(const struct collect *c, struct str value, uint64_t pair)
{
    const struct index_verdicts *v = c->verdicts;

    return v != NULL && pair < v->n && v->by_pair[pair] != 0 ? v->by_pair[pair] == 2
                                                             : matcher_matches(c->m, value);
}

static int collect_one(void *arg, struct str value, uint64_t pair)
{
    struct collect *c = arg;

    if ((++c->seen & 255) == 0) {
        int rc = cancel_check(c->cancel);

        if (rc < 0) {
            return rc;
        }
    }
    if (accepts(c, value, pair) != c->want) {
        return 0;
    }
    if (c->ix.ops->add_many == NULL) {
        return c->ix.ops->add(c->ix.impl, pair, c->set);
    }
    return vec_push(&c->pairs, pair) ? 0 : -ERR_NOMEM;
}

static int collect_literals(struct collect *c, const struct str *values, size_t n)
{
    struct str name = matcher_name(c->m);

    for (size_t i = 0; i < n; i++) {
        uint64_t pair;
        int rc;

        if (values[i].n == 0 || !c->ix.ops->find(c->ix.impl, name, values[i], &pair)) {
            continue;
        }
        rc = c->ix.ops->add(c->ix.impl, pair, c->set);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/** Narrow *set (NULL: everything so far) by one matcher. */
static int narrow(struct index_view ix, const struct matcher *m,
                  const struct index_verdicts *verdicts, struct cancel *cancel,
                  roaring_bitmap_t **set)
{
    bool accepts_absent = matcher_matches_empty(m);
    struct collect c = {
        .ix = ix, .m = m, .want = !accepts_absent, .verdicts = verdicts, .cancel = cancel};
    size_t n = 0;
    const struct str *literals = accepts_absent ? NULL : matcher_literals(m, &n);
    int rc;

    c.set = roaring_bitmap_create();
    if (c.set == NULL) {
        return -ERR_NOMEM;
    }
    if (label_name_is_hidden(matcher_name(m))) {
        rc = 0; /* for whoever asks, no series has it */
    } else if (literals != NULL) {
        rc = collect_literals(&c, literals, n);
    } else if (accepts_absent && matcher_op(m) == MATCH_NEQ) {
        const struct str value = matcher_value(m); /* only this one is refused */

        rc = collect_literals(&c, &value, 1);
    } else {
        struct str prefix = accepts_absent ? str_of(NULL, 0) : matcher_prefix(m);

        rc = ix.ops->each(ix.impl, matcher_name(m), prefix, collect_one, &c);
        rc =
            rc == 0 && c.pairs.n != 0 ? ix.ops->add_many(ix.impl, c.pairs.v, c.pairs.n, c.set) : rc;
        vec_done(&c.pairs);
    }
    if (rc < 0) {
        roaring_bitmap_free(c.set);
        return rc;
    }
    if (!accepts_absent && *set == NULL) {
        *set = c.set;
        return 0;
    }
    if (*set == NULL) {
        *set = roaring_bitmap_create();
        if (*set == NULL) {
            roaring_bitmap_free(c.set);
            return -ERR_NOMEM;
        }
        ix.ops->all(ix.impl, *set);
    }
    if (accepts_absent) {
        roaring_bitmap_andnot_inplace(*set, c.set);
    } else {
        roaring_bitmap_and_inplace(*set, c.set);
    }
    roaring_bitmap_free(c.set);
    return 0;
}

/** Equality that no absent label satisfies. */
static bool is_equality(const struct matcher *m)
{
    return matcher_op(m) == MATCH_EQ && !matcher_matches_empty(m);
}

struct sized_pair {
    uint64_t pair, size;
};

enum { EQUAL_MAX = 32 }; /* pairs sorted by size; more are simply narrowed by */

/** All equalities at once, the rarest pair first. @return 0 with *set left NULL when there is none */
static int resolve_equal(struct index_view ix, const struct matcher *const *matchers, size_t n,
                         roaring_bitmap_t **set)
{
    struct sized_pair v[EQUAL_MAX];
    size_t found = 0;
    bool missing = false;
    int rc = 0;

    for (size_t i = 0; i < n && !missing && found < EQUAL_MAX; i++) {
        struct sized_pair p;
        size_t at;

        if (!is_equality(matchers[i])) {
            continue;
        }
        if (!ix.ops->find(ix.impl, matcher_name(matchers[i]), matcher_value(matchers[i]),
                          &p.pair)) {
            missing = true;
            continue;
        }
        p.size = ix.ops->size(ix.impl, p.pair);
        for (at = found++; at > 0 && v[at - 1].size > p.size; at--) {
            v[at] = v[at - 1];
        }
        v[at] = p;
    }
    if (found == 0 && !missing) {
        return 0;
    }
    *set = roaring_bitmap_create();
    if (*set == NULL) {
        return -ERR_NOMEM;
    }
    for (size_t i = 0; rc == 0 && !missing && i < found; i++) {
        rc =
            i == 0 ? ix.ops->add(ix.impl, v[i].pair, *set) : ix.ops->keep(ix.impl, v[i].pair, *set);
        if (roaring_bitmap_is_empty(*set)) {
            break;
        }
    }
    return rc;
}

static const struct index_verdicts *verdicts_of(const struct matcher *m,
                                                const struct index_verdicts *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (v[i].m == m) {
            return &v[i];
        }
    }
    return NULL;
}

/** Narrow by the others: those that accept an absent label last. */
static int resolve_rest(struct index_view ix, const struct matcher *const *matchers, size_t n,
                        const struct index_verdicts *verdicts, size_t verdicts_n,
                        struct cancel *cancel, roaring_bitmap_t **set)
{
    size_t equal = 0;
    int rc = 0;

    for (int absent = 0; absent < 2; absent++) {
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (is_equality(matchers[i]) && equal++ < EQUAL_MAX) {
                continue; /* counted in the first round only, where all of them are */
            }
            if (matcher_matches_empty(matchers[i]) != (absent == 1) ||
                (*set != NULL && roaring_bitmap_is_empty(*set))) {
                continue;
            }
            rc = cancel_check(cancel);
            rc = rc == 0 ? narrow(ix, matchers[i], verdicts_of(matchers[i], verdicts, verdicts_n),
                                  cancel, set)
                         : rc;
        }
    }
    return rc;
}

int index_resolve_with(struct index_view ix, const struct matcher *const *matchers, size_t n,
                       const struct index_verdicts *verdicts, size_t verdicts_n,
                       struct cancel *cancel, roaring_bitmap_t **ret)
{
    roaring_bitmap_t *set = NULL;
    int rc = cancel_check(cancel);

    rc = rc == 0 ? resolve_equal(ix, matchers, n, &set) : rc;
    rc = rc == 0 ? resolve_rest(ix, matchers, n, verdicts, verdicts_n, cancel, &set) : rc;
    if (rc == 0 && set == NULL) {
        set = roaring_bitmap_create();
        rc = set == NULL ? -ERR_NOMEM : 0;
        if (rc == 0) {
            ix.ops->all(ix.impl, set);
        }
    }
    if (rc < 0) {
        if (set != NULL) {
            roaring_bitmap_free(set);
        }
        return rc;
    }
    *ret = set;
    return 0;
}

int index_resolve(struct index_view ix, const struct matcher *const *matchers, size_t n,
                  struct cancel *cancel, roaring_bitmap_t **ret)
{
    return index_resolve_with(ix, matchers, n, NULL, 0, cancel, ret);
}
