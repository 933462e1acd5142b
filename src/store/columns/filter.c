/* SPDX-License-Identifier: Apache-2.0
 *
 * Builders of filter trees. A tree is immutable once built and lives in its arena.
 */
#include "store/columns/filter.h"

static struct filter *filter_new(struct arena *a, enum filter_type type)
{
    struct filter *f = arena_calloc(a, 1, sizeof(*f));

    if (f != NULL) {
        f->type = type;
    }
    return f;
}

static const struct filter *filter_list(struct arena *a, enum filter_type type,
                                        const struct filter *const *kids, size_t n)
{
    struct filter *f;
    const struct filter **copy;

    if (n == 0) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (kids[i] == NULL) {
            return NULL;
        }
    }
    f = filter_new(a, type);
    copy = arena_array(a, const struct filter *, n);
    if (f == NULL || copy == NULL) {
        return NULL;
    }
    memcpy(copy, kids, n * sizeof(*copy));
    f->kids = copy;
    f->kids_n = n;
    return f;
}

const struct filter *filter_and(struct arena *a, const struct filter *const *kids, size_t n)
{
    return filter_list(a, FILTER_AND, kids, n);
}

const struct filter *filter_or(struct arena *a, const struct filter *const *kids, size_t n)
{
    return filter_list(a, FILTER_OR, kids, n);
}

const struct filter *filter_not(struct arena *a, const struct filter *kid)
{
    return filter_list(a, FILTER_NOT, &kid, 1);
}

const struct filter *filter_pred(struct arena *a, struct field field, enum pred_op op,
                                 struct value v)
{
    struct filter *f = filter_new(a, FILTER_PRED);

    if (f == NULL) {
        return NULL;
    }
    field.name = arena_str_dup(a, field.name);
    if (v.type == VALUE_STR || v.type == VALUE_BYTES) {
        v.u.s = arena_str_dup(a, v.u.s);
        if (v.u.s.n != 0 && v.u.s.p == NULL) {
            return NULL;
        }
    }
    if (field.name.n != 0 && field.name.p == NULL) {
        return NULL;
    }
    f->field = field;
    f->op = op;
    f->value = v;
    return f;
}

const struct filter *filter_regex(struct arena *a, struct field field, bool negate,
                                  const struct matcher *regex)
{
    struct filter *f =
        (struct filter *)filter_pred(a, field, negate ? PRED_NRE : PRED_RE, (struct value){0});

    if (f != NULL) {
        f->regex = regex;
    }
    return f;
}

const struct filter *filter_search(struct arena *a, struct field field, const struct search *search)
{
    struct filter *f = (struct filter *)filter_pred(a, field, PRED_SEARCH_RE, (struct value){0});

    if (f != NULL) {
        f->search = search;
    }
    return f;
}
