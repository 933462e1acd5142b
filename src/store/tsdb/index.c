/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers to series sets. A matcher that accepts an absent label removes the series of the values it
 * refuses; any other keeps the series of the values it accepts. Cheap matchers first, so that an empty
 * result ends early.
 */
#include "store/tsdb/index.h"

#include "base/err.h"

struct collect {
    struct index_view ix;
    const struct matcher *m;
    bool want; /* collect pairs whose value gives this answer */
    roaring_bitmap_t *set;
    struct cancel *cancel;
    unsigned seen;
};

static int collect_one(void *arg, struct str value, uint64_t pair)
{
    struct collect *c = arg;

    if ((++c->seen & 255) == 0) {
        int rc = cancel_check(c->cancel);

        if (rc < 0) {
            return rc;
        }
    }
    return matcher_matches(c->m, value) == c->want ? c->ix.ops->add(c->ix.impl, pair, c->set) : 0;
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
static int narrow(struct index_view ix, const struct matcher *m, struct cancel *cancel,
                  roaring_bitmap_t **set)
{
    bool accepts_absent = matcher_matches_empty(m);
    struct collect c = {.ix = ix, .m = m, .want = !accepts_absent, .cancel = cancel};
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

/** 0: equality, 1: other positive, 2: accepts an absent label. */
static int cost_class(const struct matcher *m)
{
    if (matcher_matches_empty(m)) {
        return 2;
    }
    return matcher_op(m) == MATCH_EQ ? 0 : 1;
}

int index_resolve(struct index_view ix, const struct matcher *const *matchers, size_t n,
                  struct cancel *cancel, roaring_bitmap_t **ret)
{
    roaring_bitmap_t *set = NULL;
    int rc = 0;

    for (int class = 0; class < 3; class ++) {
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (cost_class(matchers[i]) != class || (set != NULL && roaring_bitmap_is_empty(set))) {
                continue;
            }
            rc = cancel_check(cancel);
            rc = rc == 0 ? narrow(ix, matchers[i], cancel, &set) : rc;
        }
    }
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
